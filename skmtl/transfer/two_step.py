"""Pool the target with sources, then correct the pooled lasso on the target; penalties by folds.

Li, Cai, Li 2022, *Transfer learning for high-dimensional linear regression*, Journal of the Royal
Statistical Society B 84, algorithm 1; Tian, Feng 2023, *Transfer learning under high-dimensional
generalized linear models*, Journal of the American Statistical Association 118, algorithm 1.
Every data set has an intercept of its own, so that a shift of its level is no obstacle.
"""

from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed
from sklearn.utils import check_random_state

from skmtl.losses import SquaredLoss
from skmtl.model_selection.dealing import codes_by_appearance, deal
from skmtl.transfer.l1_path import (
    LARGEST_GRAM,
    SquaredProblem,
    alpha_grid,
    make_problem,
    moments_of,
)
from skmtl.transfer.l1_quadratic import quiet_descent

FINAL_TOL = 1e-10  # what the last fits aim at
LEAST_ALPHA = 1e-2  # of the largest
TIE = 1e-7  # of the largest loss: fits are not more exact


class Sample(NamedTuple):
    """Rows of one data set, and the fold that leaves each of them out (-1: none does)."""

    X: object
    y: np.ndarray
    weights: np.ndarray
    folds: np.ndarray

    def take(self, rows):
        return self.X[rows], self.y[rows], self.weights[rows]

    def training(self, fold):
        """(X, y, weights) of the rows that a fold trains on; None is all rows."""
        if fold is None or not (self.folds == fold).any():
            return self.X, self.y, self.weights
        return self.take(np.flatnonzero(self.folds != fold))

    def always_training(self):
        return self._replace(folds=np.full(len(self.y), -1))


class Settings(NamedTuple):
    """How paths are searched: alphas is their number, or an array."""

    loss: object
    n_folds: int
    alphas: object
    tol: float
    max_iter: int
    n_jobs: int | None

    @property
    def limits(self):
        return {"tol": self.tol, "max_iter": self.max_iter}

    @property
    def final(self):
        return {"tol": min(self.tol, FINAL_TOL), "max_iter": self.max_iter}

    def grid(self, problem):
        """Falling alphas for a problem."""
        if np.ndim(self.alphas):
            return np.sort(np.asarray(self.alphas, dtype=np.float64))[::-1]
        return alpha_grid(problem.alpha_max(), n_alphas=self.alphas, eps=LEAST_ALPHA)


class Search(NamedTuple):
    """Pooled paths of one set of data sets.

    Attributes
    ----------
    members : list of int
        Positions of the data sets; 0 is the target.
    alphas : ndarray of shape (n_alphas,)
    losses, target_losses : ndarray of shape (n_alphas, n_folds)
        Mean losses of the rows left out: of all members, and of the target.
    coef : ndarray of shape (n_folds, n_alphas, n_features)
    intercept : ndarray of shape (n_folds, n_alphas)
        Of the target.
    """

    members: list
    alphas: np.ndarray
    losses: np.ndarray
    target_losses: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray


class TwoStep(NamedTuple):
    """A pooled model and its correction; `held_out` are predictions for the rows left out."""

    coef_pooled: np.ndarray
    coef_offset: np.ndarray
    intercept: float
    alpha_pooled: float
    alpha_offset: float
    held_out: np.ndarray
    gap: float
    n_iter: int
    converged: bool

    @property
    def coef(self):
        return self.coef_pooled + self.coef_offset


def deal_folds(y, n_splits, random_state, *, stratify=False):
    """Fold of every row, at random; class by class if `stratify`."""
    order = check_random_state(random_state).permutation(len(y))
    cells = codes_by_appearance(y[order]) if stratify else np.zeros(len(y), dtype=int)
    folds = np.empty(len(y), dtype=int)
    folds[order] = deal(cells, n_splits)
    return folds


class FoldProblems:
    """Problems of sets of data sets, without the rows of one fold; moments are shared."""

    def __init__(self, samples, loss, fold):
        self.parts = [sample.training(fold) for sample in samples]
        self.loss, self.moments = loss, {}
        self.small = isinstance(loss, SquaredLoss) and samples[0].X.shape[1] <= LARGEST_GRAM

    def problem(self, members):
        if not self.small:
            return make_problem([self.parts[member] for member in members], self.loss)
        for member in members:
            if member not in self.moments:
                self.moments[member] = moments_of(*self.parts[member])
        return SquaredProblem([self.moments[member] for member in members])


def search_pooled(samples, sets, settings):
    """A `Search` for each of several lists of members, all of which begin with the target, 0."""
    whole = FoldProblems(samples, settings.loss, None)
    grids = [settings.grid(whole.problem(members)) for members in sets]
    parallel = Parallel(n_jobs=settings.n_jobs, prefer="threads")
    with quiet_descent():
        done = parallel(
            delayed(_search_fold)(samples, sets, grids, fold, settings)
            for fold in range(settings.n_folds)
        )
    searches = []
    for place, members in enumerate(sets):
        losses, of_target, coef, intercept = zip(*(fold[place] for fold in done), strict=True)
        searches.append(
            Search(
                members,
                grids[place],
                np.stack(losses, axis=1),
                np.stack(of_target, axis=1),
                np.stack(coef),
                np.stack(intercept),
            )
        )
    return searches


def _search_fold(samples, sets, grids, fold, settings):
    problems, found = FoldProblems(samples, settings.loss, fold), []
    for members, alphas in zip(sets, grids, strict=True):
        path = problems.problem(members).path(alphas, **settings.limits)
        losses, sizes = zip(
            *(
                held_out_loss(samples[member], fold, path.coef, intercept, settings.loss)
                for member, intercept in zip(members, path.intercept.T, strict=True)
            ),
            strict=True,
        )
        means = sum(losses) / sum(sizes), losses[0] / sizes[0]  # of all members, of the target
        found.append((*means, path.coef, path.intercept[:, 0]))
    return found


def held_out_loss(sample, fold, coef, intercept, loss):
    """Weighted losses (n_models,) of the rows that a fold leaves out, and their weight."""
    rows = np.flatnonzero(sample.folds == fold)
    if not len(rows):
        return np.zeros(len(coef)), 0.0
    X, y, weights = sample.take(rows)
    used = np.flatnonzero(coef.any(axis=0))
    predicted = np.asarray(X[:, used] @ coef[:, used].T) + intercept
    return weights @ loss.value(y[:, None], predicted), weights.sum()


def first_best(losses):
    """Positions of the first of the least losses along the last axis, ties by rounding included."""
    return np.argmax(
        losses <= losses.min(axis=-1, keepdims=True) + TIE * losses.max(axis=-1, keepdims=True),
        axis=-1,
    )


def held_out_linear(sample, coef, intercept):
    """Predictions (n_rows,) of each row by the model (n_folds, ...) of its fold, else NaN."""
    predicted = np.full(len(sample.y), np.nan)
    for fold, (w, b) in enumerate(zip(coef, intercept, strict=True)):
        rows = np.flatnonzero(sample.folds == fold)
        predicted[rows] = np.asarray(sample.X[rows] @ w) + b
    return predicted


def fit_two_step(samples, search, settings):
    """The `TwoStep` of a searched set: the pooled lasso, and its correction by the target."""
    target, place = samples[0], first_best(search.losses.mean(axis=1))
    pooled_of_fold = search.coef[:, place]
    problem = FoldProblems(samples, settings.loss, None).problem(search.members)
    with quiet_descent():
        start = pooled_of_fold[0]
        pooled = problem.fit(search.alphas[place], **settings.final, start=start)
        if search.members == [0]:
            held_out = held_out_linear(target, pooled_of_fold, search.intercept[:, place])
            nothing = np.zeros_like(pooled.coef)
            model = pooled.coef, nothing, pooled.intercept[0]
            return TwoStep(*model, search.alphas[place], np.nan, held_out, *pooled[2:])
        own = make_problem([target[:3]], settings.loss)
        correction = own.offset_by(pooled.coef)
        alphas = settings.grid(correction)
        parallel = Parallel(n_jobs=settings.n_jobs, prefer="threads")
        paths = parallel(
            delayed(_correct_fold)(target, fold, coef, alphas, settings)
            for fold, coef in enumerate(pooled_of_fold)
        )
        coef = pooled_of_fold[:, None] + np.stack([path.coef for path in paths])
        intercept = np.stack([path.intercept[:, 0] for path in paths])
        losses = []
        for fold in range(settings.n_folds):
            total, weight = held_out_loss(target, fold, coef[fold], intercept[fold], settings.loss)
            losses.append(total / weight)
        best = first_best(np.mean(losses, axis=0))
        offset = correction.fit(alphas[best], **settings.final)
    return TwoStep(
        pooled.coef,
        offset.coef,
        offset.intercept[0],
        search.alphas[place],
        alphas[best],
        held_out_linear(target, coef[:, best], intercept[:, best]),
        max(pooled.gap, offset.gap),
        pooled.n_iter + offset.n_iter,
        pooled.converged and offset.converged,
    )


def _correct_fold(target, fold, coef, alphas, settings):
    problem = make_problem([target.training(fold)], settings.loss).offset_by(coef)
    return problem.path(alphas, **settings.limits)


def held_out_mean(sample, predicted, loss):
    """Weighted mean loss of the rows that have a held-out prediction."""
    rows = np.flatnonzero(sample.folds >= 0)
    weights = sample.weights[rows]
    return float(weights @ loss.value(sample.y[rows], predicted[rows]) / weights.sum())
