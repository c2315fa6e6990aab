"""Convex combinations of predictions, by their out-of-fold errors."""

from typing import NamedTuple

import numpy as np
from scipy import stats
from scipy.optimize import minimize, nnls

from skmtl import frames

EXACT = 1e-9  # score over its mean below which it is rounding
HURT, ANY_HURT = 0.01, 0.15  # how often a task, or any, that is not hurt is thought to be
LEAST_ROOT = 0.1  # of a task, relative to the mean, where the error of a gain is judged
LEAST_PROBABILITY = 1e-6  # of what a task had not shown in training
HEAVY = 1e4  # weight of the equation that makes weights sum to one


def squares_weights(errors, weights):
    """Convex weights of strategies that minimise the weighted squares of the mixed errors.

    Parameters
    ----------
    errors : ndarray of shape (n_strategies, n_rows)
    weights : ndarray of shape (n_rows,)
    """
    gram = (errors * weights) @ errors.T
    scale = np.sqrt(max(np.trace(gram) / len(gram), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(gram / scale**2)
    root = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
    system = np.vstack([root, np.full((1, len(gram)), HEAVY)])
    found, _ = nnls(system, np.append(np.zeros(len(gram)), HEAVY))
    return found / found.sum()


def likelihood_weights(probabilities, weights):
    """Convex weights that maximise the weighted log-likelihood.

    `probabilities` (n_strategies, n_rows) are those of the true labels.
    """
    total, n_strategies = weights.sum(), len(probabilities)

    def negative(mixing):
        mixed = mixing @ probabilities
        return -np.sum(weights * np.log(mixed)) / total, -(probabilities / mixed) @ weights / total

    found = minimize(
        negative,
        np.full(n_strategies, 1.0 / n_strategies),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * n_strategies,
        constraints={"type": "eq", "fun": lambda a: a.sum() - 1.0, "jac": np.ones_like},
        options={"ftol": 1e-10, "maxiter": 200},
    )
    mixing = np.clip(found.x, 0.0, None)
    return mixing / mixing.sum()


def probabilities_of_true(answers, y, classes):
    """Probabilities of the labels y, shaped as y: 0 for a label not among the classes.

    `answers` (n_rows, n_classes), or a list of them for the columns of a 2-d y, where missing
    labels have NaN.
    """
    if y.ndim == 2:
        columns = zip(answers, y.T, strict=True)
        return np.column_stack([probabilities_of_true(*pair, classes) for pair in columns])
    codes = {label: code for code, label in enumerate(classes.tolist())}
    columns = np.array([codes.get(label, -1) for label in y.tolist()])
    chosen = np.where(columns < 0, 0.0, answers[np.arange(len(y)), np.maximum(columns, 0)])
    return np.where(frames.is_missing(y), np.nan, chosen)


def level_of_tasks(squares, weights, codes):
    """Mean squares of every task, shrunken towards each other as far as chance explains them.

    The median of the candidates (n_candidates, n_cells): by one of them tasks where it is lucky
    would count more, by their mean tasks that one of them fails would count less. The logarithm of
    a mean of n squares has a variance of about 2 / n by chance; what the logarithms vary beyond
    that is a true difference between tasks.
    """
    counts = np.bincount(codes)
    present = counts > 0
    counts = counts[present]
    sums = np.array([np.bincount(codes, weights * row)[present] for row in squares])
    means = np.median(sums, axis=0) / np.bincount(codes, weights)[present]
    least = max(EXACT * means.max(), EXACT**4 * squares.max(), np.finfo(float).tiny)
    means = np.maximum(means, least)
    logs, chance = np.log(means), 2.0 / counts
    spread = np.average((logs - np.average(logs, weights=counts)) ** 2 - chance, weights=counts)
    own = max(spread, 0.0) / (max(spread, 0.0) + chance)
    level = np.log(np.average(means, weights=counts))
    out = np.ones(len(present))
    out[present] = np.exp(own * logs + (1.0 - own) * level)
    return out


class SquaredErrors:
    """Out-of-fold predictions of numbers by several candidates, the first one the baseline.

    Parameters
    ----------
    predicted : ndarray of shape (n_candidates, n_cells)
    y, weights : ndarray of shape (n_cells,)
    codes, rows : int ndarray of shape (n_cells,)
        Task and row of the table of each of them.
    """

    doubt = 0.5  # standard errors of a gain at which half of it is trusted

    def __init__(self, predicted, y, weights, codes, rows):
        self.errors, self.weights, self.codes, self.rows = predicted - y, weights, codes, rows
        # In units of the task's own error: else tasks with much noise would decide for all.
        self.relative = weights / level_of_tasks(self.errors**2, weights, codes)[codes]

    def choose(self, cells):
        """Convex weights by the errors in some cells."""
        return squares_weights(self.errors[:, cells], self.relative[cells])

    def losses(self, mixing, cells):
        """Of a mixture in some cells."""
        return (mixing @ self.errors[:, cells]) ** 2

    @staticmethod
    def score(loss):
        """What is compared, of mean losses of tasks: root mean squared errors; and its slope."""
        root = np.sqrt(loss)
        # Two rows may be met exactly; their root has no slope.
        least = max(LEAST_ROOT * np.nanmean(root), np.finfo(float).tiny)
        return root, 0.5 / np.maximum(root, least)


class LogLosses:
    """The same for labels: `predicted` are probabilities of the true ones."""

    doubt = 1.0  # few labels that were thought impossible decide the loss, and their number varies

    def __init__(self, predicted, weights, codes, rows):
        self.predicted = np.maximum(predicted, LEAST_PROBABILITY)
        self.weights, self.codes, self.rows = weights, codes, rows
        self.relative = weights

    def choose(self, cells):
        """Convex weights by the likelihood of some cells."""
        return likelihood_weights(self.predicted[:, cells], self.weights[cells])

    def losses(self, mixing, cells):
        """Of a mixture in some cells."""
        return -np.log(np.minimum(mixing @ self.predicted[:, cells], 1.0))  # 1 up to rounding

    @staticmethod
    def score(loss):
        """What is compared, of mean losses, and its slope."""
        return loss, np.ones_like(loss)


class Gains(NamedTuple):
    """Gains over the baseline in percent of its score, with standard errors.

    Of every task (NaN where nothing of it was left out), and in the mean score of the tasks.
    """

    tasks: np.ndarray
    task_errors: np.ndarray
    mean: float
    error: float


class Judgement(NamedTuple):
    """Convex weights of the candidates, tasks that have the baseline instead, gains to expect."""

    weights: np.ndarray
    alone: np.ndarray
    gains: Gains


def judge(problem, folds, n_tasks):
    """`Judgement` of candidates, the first of which is the baseline.

    The gain of the best mixture is judged on folds that did not choose it, by the objective that
    chooses. A task that is clearly hurt keeps the baseline, and the others vote again. With a gain
    g and its standard error e, the baseline keeps d^2 / (g^2 + d^2) of the weights for
    d = doubt * e: sharing must earn its place. The gains to expect are those of mixtures that were
    chosen in the same way without the fold.
    """
    first = {fold: Mixture(problem.choose(folds != fold)) for fold in np.unique(folds)}
    losses = losses_of(problem, folds, first)
    final = {fold: Mixture.of(problem, folds != fold, losses, n_tasks) for fold in first}
    best = Mixture.of(problem, np.ones(len(folds), dtype=bool), losses, n_tasks)
    gains = gains_of(problem, *losses_of(problem, folds, final), n_tasks)
    return Judgement(best.weights, best.alone, gains)


class Mixture(NamedTuple):
    """Convex weights of the candidates, and which tasks have the baseline instead (or None)."""

    weights: np.ndarray
    alone: np.ndarray | None = None

    @classmethod
    def of(cls, problem, cells, losses, n_tasks):
        """Chosen by a mask of cells, with doubts from the losses of a first mixture.

        Tasks that this one hurts are set apart in their turn, until there are no more.
        """
        alone = np.zeros(n_tasks, dtype=bool)
        hurt = clearly_hurt(losses, problem, cells, n_tasks)
        while True:
            alone |= hurt
            voting = cells & ~alone[problem.codes]
            voting = voting if voting.any() else cells
            kept = share_kept(losses, problem, voting)
            weights = kept * problem.choose(voting)
            weights[0] += 1.0 - kept
            mixed = np.stack([losses[0], problem.losses(weights, slice(None))])
            hurt = clearly_hurt(mixed, problem, cells, n_tasks) & ~alone
            if not hurt.any():
                return cls(weights, alone)


def share_kept(losses, problem, cells):
    """What the gains in some cells leave of the weights, by their sum and its standard error."""
    _, local = np.unique(problem.rows[cells], return_inverse=True)
    gained = problem.relative[cells] * (losses[0, cells] - losses[1, cells])
    by_row = np.bincount(local, gained)
    gain, error = max(by_row.sum(), 0.0), np.sqrt(len(by_row)) * by_row.std()
    return gain**2 / max(gain**2 + (problem.doubt * error) ** 2, np.finfo(float).tiny)


def clearly_hurt(losses, problem, cells, n_tasks):
    """Tasks with a loss that would rarely be there by chance (`HURT`), by a t test.

    Of the roots: of losses themselves a few large ones would blur the test.
    """
    codes = problem.codes[cells]
    gained = np.sqrt(losses[0, cells]) - np.sqrt(losses[1, cells])
    counts = np.bincount(codes, minlength=n_tasks)
    means = np.bincount(codes, gained, minlength=n_tasks) / np.maximum(counts, 1)
    squares = np.bincount(codes, (gained - means[codes]) ** 2, minlength=n_tasks)
    freedom = np.maximum(counts - 1, 1)
    error = np.sqrt(squares / freedom / np.maximum(counts, 1))
    level = min(HURT, ANY_HURT / max(np.sum(counts > 1), 1))  # Bonferroni
    return (counts > 1) & (means < stats.t.ppf(level, freedom) * error)


def losses_of(problem, folds, mixtures):
    """Losses (2, n_cells): of the baseline, and of the mixtures for the folds."""
    baseline = np.eye(len(next(iter(mixtures.values())).weights))[0]
    losses = np.empty((2, len(folds)))
    for fold, (weights, alone) in mixtures.items():
        inside = folds == fold
        losses[0, inside] = problem.losses(baseline, inside)
        losses[1, inside] = problem.losses(weights, inside)
        if alone is not None:
            own = inside & alone[problem.codes]
            losses[1, own] = losses[0, own]
    return losses


def gains_of(problem, base_losses, mixed_losses, n_tasks):
    """`Gains` from losses of all cells; standard errors are those of paired differences of rows."""

    def per_task(values):
        sums = np.bincount(problem.codes, problem.weights * values, minlength=n_tasks)
        return np.divide(sums, sizes, out=np.full(n_tasks, np.nan), where=sizes > 0)

    sizes = np.bincount(problem.codes, problem.weights, minlength=n_tasks)
    counts = np.bincount(problem.codes, minlength=n_tasks)
    (base, base_slope), (mixed, mixed_slope) = (
        problem.score(per_task(losses)) for losses in (base_losses, mixed_losses)
    )

    def influence(ratio):
        """How much each cell moves its task's mixed score less `ratio` times that of the base."""
        moved = mixed_losses * mixed_slope[problem.codes]
        moved -= (ratio * base_slope)[problem.codes] * base_losses
        moved -= per_task(moved)[problem.codes]
        moved *= problem.weights / sizes[problem.codes]
        moved *= np.sqrt(counts / np.maximum(counts - 1, 1))[problem.codes]  # 1 for the mean
        alone = (counts == 1)[problem.codes]  # no spread within: that between tasks
        return np.where(alone, (mixed - ratio * base)[problem.codes], moved)

    total = max(np.nansum(base), np.finfo(float).tiny)
    ratio = np.nansum(mixed) / total
    by_row = np.bincount(problem.rows, influence(np.full(n_tasks, ratio)))  # outputs err together
    # No percentage of an error that is only rounding.
    base = np.where(base > EXACT * np.nanmean(base), base, np.nan)
    own = np.nan_to_num(influence(mixed / base))
    error = np.sqrt(np.bincount(problem.codes, own**2, minlength=n_tasks))
    return Gains(
        100.0 * (1.0 - mixed / base),
        100.0 * np.where(counts > 1, error, np.nan) / base,
        100.0 * float(1.0 - ratio) if total > np.finfo(float).tiny else 0.0,
        100.0 * float(np.sqrt(np.sum(by_row**2)) / total),
    )
