"""Convex combinations of predictions, by their out-of-fold errors."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

PSEUDO_ROWS = 30.0  # that pull the scale of a task's errors towards that of all
LEAST_PROBABILITY = 1e-6  # of what a task had not shown in training
EM_STEPS = 500
EM_TOL = 1e-10
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
    """Convex weights that maximise the weighted log-likelihood, by EM.

    `probabilities` (n_strategies, n_rows) are those of the true labels.
    """
    mixing = np.full(len(probabilities), 1.0 / len(probabilities))
    total = weights.sum()
    for _ in range(EM_STEPS):
        shares = mixing[:, None] * probabilities
        shares /= shares.sum(axis=0)
        step = shares @ weights / total
        if np.abs(step - mixing).max() < EM_TOL:
            break
        mixing = step
    return mixing


class SquaredErrors:
    """Out-of-fold predictions of numbers by several strategies, the first one the baseline.

    Parameters
    ----------
    predicted : ndarray of shape (n_strategies, n_rows)
    y, weights : ndarray of shape (n_rows,)
    codes : int ndarray of shape (n_rows,)
        Task of every row.
    """

    def __init__(self, predicted, y, codes, weights):
        self.errors, self.codes, self.weights = predicted - y, codes, weights
        # In units of the task's own error: else tasks with much noise would decide for all. It is
        # that of all strategies: by one of them, tasks where it was lucky would count more.
        squares = np.mean(self.errors**2, axis=0)
        sums, sizes = np.bincount(codes, weights * squares), np.bincount(codes, weights)
        level = sums.sum() / sizes.sum()
        scale = (sums + PSEUDO_ROWS * level) / (sizes + PSEUDO_ROWS)
        self.relative = weights / np.maximum(scale[codes], np.finfo(float).tiny)

    def choose(self, rows):
        """Convex weights by the errors of some rows."""
        return squares_weights(self.errors[:, rows], self.relative[rows])

    def losses(self, mixing, rows):
        """Of a mixture on some rows."""
        return (mixing @ self.errors[:, rows]) ** 2

    @staticmethod
    def score(loss):
        """What is compared, of mean losses: root mean squared errors; and its slope."""
        root = np.sqrt(loss)
        return root, 0.5 / np.maximum(root, np.finfo(float).tiny)


class LogLosses:
    """The same for the probabilities (n_strategies, n_rows) of the true labels."""

    def __init__(self, predicted, codes, weights):
        self.predicted = np.maximum(predicted, LEAST_PROBABILITY)
        self.codes, self.weights = codes, weights

    def choose(self, rows):
        """Convex weights by the likelihood of some rows."""
        return likelihood_weights(self.predicted[:, rows], self.weights[rows])

    def losses(self, mixing, rows):
        """Of a mixture on some rows."""
        return -np.log(mixing @ self.predicted[:, rows])

    @staticmethod
    def score(loss):
        """What is compared, of mean losses, and its slope."""
        return loss, np.ones_like(loss)


class Gains(NamedTuple):
    """Gains over the baseline in percent of its score, with standard errors.

    Of every task (NaN where it has no out-of-fold row), and in the mean score of tasks.
    """

    tasks: np.ndarray
    task_errors: np.ndarray
    mean: float
    error: float


def cross_fitted_gains(problem, folds, n_tasks):
    """`Gains` of mixtures that were each chosen without the rows on which they are judged."""
    rows = np.arange(len(folds))
    n_strategies = len(problem.choose(rows))
    baseline = np.eye(n_strategies)[0]
    losses = np.empty((2, len(rows)))
    for fold in np.unique(folds):
        inside = folds == fold
        losses[0, inside] = problem.losses(baseline, inside)
        losses[1, inside] = problem.losses(problem.choose(~inside), inside)
    return gains_of(losses, problem, n_tasks)


def gains_of(losses, problem, n_tasks):
    """`Gains` of losses[1] over losses[0]; standard errors are those of paired differences."""

    def per_task(values):
        sums = np.bincount(problem.codes, problem.weights * values, minlength=n_tasks)
        return np.divide(sums, sizes, out=np.full(n_tasks, np.nan), where=sizes > 0)

    sizes = np.bincount(problem.codes, problem.weights, minlength=n_tasks)
    counts = np.bincount(problem.codes, minlength=n_tasks)
    (base, slope), (mixed, _) = (problem.score(per_task(loss)) for loss in losses)
    difference = losses[0] - losses[1]
    mean = per_task(difference)
    spread = per_task((difference - np.nan_to_num(mean)[problem.codes]) ** 2)
    error = slope * np.sqrt(spread / np.where(counts > 1, counts - 1, np.nan))
    total = np.maximum(np.nansum(base), np.finfo(float).tiny)
    base = np.maximum(base, np.finfo(float).tiny)
    return Gains(
        100.0 * (base - mixed) / base,
        100.0 * error / base,
        100.0 * float(np.nansum(base - mixed) / total),
        100.0 * float(np.sqrt(np.nansum(error**2)) / total),
    )
