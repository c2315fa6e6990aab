"""Convex combinations of predictions, by their out-of-fold errors."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize, nnls

from skmtl import frames

EXACT = 1e-9  # score over its mean below which it is rounding
LEAST_ROOT = 0.1  # of a task, relative to the mean, where the error of a gain is judged
PSEUDO_ROWS = 30.0  # that pull the scale of a task's errors towards that of all
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
        # In units of the task's own error: else tasks with much noise would decide for all. It is
        # that of all candidates: by one of them, tasks where it was lucky would count more.
        squares = np.mean(self.errors**2, axis=0)
        sums, sizes = np.bincount(codes, weights * squares), np.bincount(codes, weights)
        level = sums.sum() / sizes.sum()
        scale = (sums + PSEUDO_ROWS * level) / (sizes + PSEUDO_ROWS)
        self.relative = weights / np.maximum(scale[codes], np.finfo(float).tiny)

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
        return -np.log(mixing @ self.predicted[:, cells])

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
    """Convex weights of the candidates, and the gains to be expected of them."""

    weights: np.ndarray
    gains: Gains


def judge(problem, folds, n_tasks):
    """`Judgement` of candidates, the first of which is the baseline.

    The gain g of the best mixture has a standard error e, judged on folds that did not choose it
    and by the objective that chooses. For d = doubt * e the baseline keeps d^2 / (g^2 + d^2) of the
    weights: sharing must earn its place.
    """
    names = np.unique(folds)
    chosen = {fold: problem.choose(folds != fold) for fold in names}
    base, mixed = losses_of(problem, folds, chosen)
    gained = problem.relative * (base - mixed)
    for fold in names:  # neither its weights nor their share know of a fold's rows
        kept = share_kept(gained, problem, folds != fold)
        chosen[fold] = towards_first(chosen[fold], kept)
    everything = np.ones(len(folds), dtype=bool)
    kept = share_kept(gained, problem, everything)
    weights = towards_first(problem.choose(everything), kept)
    return Judgement(weights, gains_of(problem, *losses_of(problem, folds, chosen), n_tasks))


def share_kept(gained, problem, cells):
    """What the gains in some cells leave of the weights, by their sum and its standard error."""
    _, local = np.unique(problem.rows[cells], return_inverse=True)
    by_row = np.bincount(local, gained[cells])
    gain, error = max(by_row.sum(), 0.0), np.sqrt(len(by_row)) * by_row.std()
    return gain**2 / max(gain**2 + (problem.doubt * error) ** 2, np.finfo(float).tiny)


def towards_first(weights, kept):
    """A share `kept` of the weights, the rest for the first."""
    out = kept * weights
    out[0] += 1.0 - kept
    return out


def losses_of(problem, folds, chosen):
    """Losses (2, n_cells): of the baseline, and of the mixtures chosen for the folds."""
    baseline = np.eye(len(next(iter(chosen.values()))))[0]
    losses = np.empty((2, len(folds)))
    for fold, weights in chosen.items():
        inside = folds == fold
        losses[0, inside] = problem.losses(baseline, inside)
        losses[1, inside] = problem.losses(weights, inside)
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
