"""Any smooth convex loss + penalty over a TaskData: objective, duality gap, quadratic model.

Where `skmtl.problem.Problem` has sufficient statistics, this has the linear predictions of
all rows. The intercepts and the features without penalty (the *free* directions) are kept at
their optimum given the other coefficients, so that the residual is orthogonal to them and,
scaled into the dual ball, a feasible dual point.
"""

from copy import copy
from typing import NamedTuple

import numpy as np
from scipy import sparse

from skmtl.free_directions import FreeDirections
from skmtl.loss_layout import make_layout
from skmtl.problem import Problem

ARMIJO = 1e-4
HALVINGS = 25
EPS = np.finfo(float).eps
PERFECT = 1e-28  # relative to predictions of 0; that of rounding errors squared


class Point(NamedTuple):
    """Coefficients (n_features, n_columns), intercepts, linear predictions of the parts.

    ``settled`` (n_columns,) says where the free directions are at their optimum, which need
    not exist: a free feature may separate the labels of a task.
    """

    coef: np.ndarray
    intercept: np.ndarray
    fitted: list
    settled: np.ndarray


class LossProblem:
    """Losses of the tasks plus a penalty, over the penalised coefficients.

    Parameters
    ----------
    data : TaskData
    penalty : Penalty
    parts : list of Part
        The losses, the tasks of each and how they read y. Tasks in no part have no columns.
    fit_intercept : bool
    n_bar : float, optional
        Divides the loss; None: the mean weight of a task.

    Attributes
    ----------
    layout : Layout
    shape : tuple
        (n_kept_features, n_columns), the shape of W.
    null_objective : float
        The loss of the best constant predictions, relative to which the gap is.
    """

    def __init__(self, data, penalty, parts, *, fit_intercept=True, n_bar=None):
        self.fit_intercept = fit_intercept
        self.n_features = data.n_features
        self.n_bar = data.mean_task_weight if n_bar is None else n_bar
        self.layout = make_layout(data, parts, fit_intercept=fit_intercept)
        self.null_objective, self._scale = self._null_objective()
        self._set_penalty(penalty)

    def with_penalty(self, penalty):
        """The same data under another penalty."""
        other = copy(self)
        other._set_penalty(penalty)
        return other

    def _null_objective(self):
        """Loss of the best constant predictions, and a sum of losses that is not next to nothing.

        Constant predictions that are perfect but for rounding (or at infinity) have a loss of 0.
        """
        fitted = [np.zeros(y.shape) for y in self.layout.y]
        first = least = self.loss(fitted)
        for _ in range(2 if self.fit_intercept else 0):  # at an optimum relative to what is reached
            if least > PERFECT * first:
                free = FreeDirections(self.layout, None, least * self.n_bar)
                fitted = free.settle(fitted)[1]
                least = self.loss(fitted)
        least = least if least > PERFECT * first else 0.0
        return least, self.n_bar * (least or first)

    def _set_penalty(self, penalty):
        penalty.check(self.n_features)
        self.penalty, self.gauge = penalty, penalty.gauge()
        self.ridge = penalty.ridge(self.n_features)[:, None]
        gauge_free = np.ones(self.n_features, dtype=bool)
        if self.gauge is not None:
            gauge_free = ~np.any(self.gauge.row_weights(self.n_features), axis=0)
        free = gauge_free & (self.ridge[:, 0] == 0)
        self.has_gauge, self.ridge_only = ~gauge_free, gauge_free & ~free
        self.kept, self.free = np.flatnonzero(~free), np.flatnonzero(free)
        self.shape = (len(self.kept), self.layout.n_columns)
        self.coupled = any(part.n_columns > 1 for part in self.layout.parts)
        self._directions = None
        if self._scale > 0 and (self.fit_intercept or len(self.free)):
            design = self.design(self.free) if len(self.free) else None
            self._directions = FreeDirections(self.layout, design, self._scale)

    def design(self, features):
        """Dense columns of X, after one of ones if there are intercepts."""
        columns = self.layout.X[:, features]
        columns = columns.toarray() if sparse.issparse(columns) else columns
        return np.hstack([np.ones((len(columns), int(self.fit_intercept))), columns])

    # --- points ---------------------------------------------------------------------------

    def start(self, W=None):
        """The point of kept coefficients W, or of zeros where these are better."""
        null = self._at(np.zeros((self.n_features, self.layout.n_columns)))
        if W is None or not np.isfinite(W).all():
            return null
        coef = np.zeros((self.n_features, self.layout.n_columns))
        coef[self.kept] = W
        point = self._at(coef)
        return point if self.value(point) < self.value(null) else null

    def _at(self, coef):
        fitted = self.layout.apply(self.layout.X, coef)
        n_columns = self.layout.n_columns
        return self.settle(Point(coef, np.zeros(n_columns), fitted, np.ones(n_columns, bool)))

    def loss(self, fitted):
        total = 0.0
        for part, y, v, z in self.layout.cells(fitted):
            total += np.sum(v * part.loss.value(y, z))
        return total / self.n_bar

    def value(self, point):
        """Loss and penalty at a point."""
        return self.loss(point.fitted) + self.penalty.value(point.coef)

    def settle(self, point):
        """The point with its free directions at their optimum."""
        if self._directions is None:
            return point
        change, fitted, settled = self._directions.settle(point.fitted)
        coef, intercept = point.coef.copy(), point.intercept
        if self.fit_intercept:
            intercept, change = intercept + change[0], change[1:]
        if len(self.free):
            coef[self.free] += change
        return Point(coef, intercept, fitted, settled)

    # --- certificate ----------------------------------------------------------------------

    def correlation(self, point):
        """Minus the gradient of the loss in all coefficients; 0 in columns not settled."""
        slopes = [part.loss.gradient(y, z) for part, y, _, z in self.layout.cells(point.fitted)]
        return np.where(point.settled, self._correlate(slopes), 0.0)

    def _correlate(self, slopes):
        weighted = [v * slope for v, slope in zip(self.layout.weights, slopes, strict=True)]
        return -self.layout.adjoint(self.layout.X, weighted) / self.n_bar

    def gap(self, point, lower):
        """Gap of a point to a lower bound of the optimum, relative to the null objective."""
        return max((self.value(point) - lower) / self.null_objective, EPS)

    def lower_bound(self, point, correlation):
        """The dual objective at the residual, which is 0 for tasks that are not settled."""
        slopes = []
        for k, (part, y, _, z) in enumerate(self.layout.cells(point.fitted)):
            settled = self.layout.spread(k, point.settled[self.layout.columns[k]])
            slopes.append(part.loss.gradient(y, z) * settled)
        return self._dual(slopes, correlation, point.coef)

    def model_bound(self, point, features, X, coef, intercept, damping):
        """The dual objective at the residual of a model's solution.

        It is nearly feasible, where the residual of the loss is so only one step later.
        """
        if self.coupled or len(self.free):
            return 0.0
        full = np.zeros_like(point.coef)
        full[features] = coef
        moves = self.moves(point, features, X, full, intercept)
        slopes = []
        for k, (part, y, v, z) in enumerate(self.layout.cells(point.fitted)):
            curvature = self.mixed_curvature(part.loss, y, z, damping)
            slope = part.loss.nearest_slope(y, part.loss.gradient(y, z) + curvature * moves[k])
            if self.fit_intercept:  # what was cut off must not break the balance of signs
                up = self.layout.by_task(k, v * np.maximum(slope, 0.0))
                down = self.layout.by_task(k, v * np.maximum(-slope, 0.0))
                least = np.minimum(up, down)
                up, down = (
                    np.divide(least, part, np.zeros_like(least), where=part > 0)
                    for part in (up, down)
                )
                slope *= np.where(slope > 0, self.layout.spread(k, up), self.layout.spread(k, down))
            slopes.append(slope)
        return self._dual(slopes, self._correlate(slopes), full)

    def _dual(self, slopes, correlation, coef):
        """Dual objective at slopes (orthogonal to the free directions), scaled to be feasible.

        By the largest scale in [0, 1] that the gauge's dual ball allows, the same for all tasks or
        not: the labels of some may be separable, and their residual 0 at the optimum. Ridges
        enter by their conjugates. The dual objective of 0 is feasible as well.
        """
        ridge, ridge_only = self.ridge, self.ridge_only
        inside = correlation - ridge * coef
        energy = np.sum((ridge * coef**2)[~ridge_only], axis=0)
        if ridge_only.any():
            energy += np.sum(correlation[ridge_only] ** 2 / ridge[ridge_only], axis=0)
        scales, best = [np.ones(self.layout.n_columns)], 0.0
        if self.gauge is not None and self.layout.n_columns > 1:
            weights = sum(self.gauge.row_weights(self.n_features))[self.has_gauge, None]
            size = np.abs(inside[self.has_gauge] / weights).max(axis=0, initial=0.0)
            scale = 1.0 / np.maximum(np.sqrt(self.layout.n_columns) * size, 1.0)
            for columns in self.layout.columns:
                scale[columns] = scale[columns].min(axis=1, keepdims=True)
            scales.append(scale)
        for scale in scales:
            if self.gauge is not None:
                norms = self.gauge.row_dual_norms(inside * scale)
                scale = scale / max(norms[self.has_gauge].max(initial=0.0), 1.0)
            dual = -0.5 * np.sum(scale**2 * energy)
            for k, (part, y, v, slope) in enumerate(self.layout.cells(slopes)):
                slope = self.layout.spread(k, scale[self.layout.columns[k]]) * slope
                dual -= np.sum(v * part.loss.conjugate(y, slope)) / self.n_bar
            best = max(best, dual)
            if (scale > 0.5).all():
                break
        return best

    def null_dual_norm(self):
        """The factor by which the gauge must grow for W = 0 to be optimal (below 1: it is)."""
        if self.gauge is None:
            return np.inf
        if not self.layout.n_columns:
            return 0.0
        point = self._at(np.zeros((self.n_features, self.layout.n_columns)))
        norms = self.gauge.row_dual_norms(self.correlation(point))
        return norms[self.has_gauge].max(initial=0.0)

    def largest_curvature(self):
        """The largest second derivative of the loss in a coefficient, at the null model."""
        point = self._at(np.zeros((self.n_features, self.layout.n_columns)))
        curvatures = [
            v * part.loss.curvature(y, z) for part, y, v, z in self.layout.cells(point.fitted)
        ]
        squares = (
            self.layout.X.multiply(self.layout.X)
            if sparse.issparse(self.layout.X)
            else (self.layout.X**2)
        )
        return float(self.layout.adjoint(squares, curvatures).max(initial=0.0) / self.n_bar)

    def working_set(self, point, correlation, size):
        """Features in use, free ones, and those that violate optimality most."""
        used = point.coef.any(axis=1)
        size = max(size, 2 * int(used.sum()))
        if size >= self.n_features:
            return np.arange(self.n_features)
        scores = np.full(self.n_features, np.inf)
        if self.gauge is not None:
            norms = self.gauge.row_dual_norms(correlation - self.ridge * point.coef)
            scores = np.where(self.has_gauge & ~used, norms, np.inf)
        size = min(max(size, int(np.isinf(scores).sum())), self.n_features)
        return np.sort(np.argpartition(-scores, size - 1)[:size])

    # --- quadratic model and line search ----------------------------------------------------

    def mixed_curvature(self, loss, y, z, damping):
        """Second derivatives, mixed with some that do not vanish where labels are certain.

        For two labels, at damping 1, the quadratic model is above the objective everywhere.
        """
        curvature = loss.curvature(y, z)
        return curvature + damping * (loss.safe_curvature(y, z) - curvature)

    def model(self, point, features, damping):
        """Squared-loss Problem of the quadratic model on some features, and their X."""
        weights, responses = [], []
        for part, y, v, z in self.layout.cells(point.fitted):
            curvature = self.mixed_curvature(part.loss, y, z, damping)
            weights.append(v * curvature)
            responses.append(z - part.loss.gradient(y, z) / curvature)
        data, X = self.layout.table(features, weights, responses)
        penalty = self.penalty
        if len(features) < self.n_features:
            penalty = penalty.restrict(features)
        options = {"fit_intercept": self.fit_intercept, "n_bar": self.n_bar}
        return Problem(data, penalty, **options), X

    def moves(self, point, features, X, target, intercept):
        """Changes of the linear predictions from a point to other coefficients."""
        moves = self.layout.apply(X, (target - point.coef)[features])
        shifts = self.layout.apply(None, (intercept - point.intercept)[None])
        return [move + shift for move, shift in zip(moves, shifts, strict=True)]

    def search(self, point, features, X, coef, intercept, halvings=HALVINGS):
        """Step towards the solution of the model: (point, step, objective's decrease).

        Armijo's rule with the predicted decrease of a proximal step (Lee, Sun, Saunders 2014).
        """
        target = np.zeros_like(point.coef)
        target[features] = coef
        move, shift = target - point.coef, intercept - point.intercept
        moves = self.moves(point, features, X, target, intercept)
        slope = 0.0
        for k, (part, y, v, z) in enumerate(self.layout.cells(point.fitted)):
            slope += np.sum(v * part.loss.gradient(y, z) * moves[k]) / self.n_bar
        before, penalty = self.loss(point.fitted), self.penalty.value(point.coef)
        promised = slope + self.penalty.value(target) - penalty
        slack = 4.0 * EPS * max(self.null_objective, before + penalty)
        for halving in range(halvings):
            step = 0.5**halving
            reached = target if halving == 0 else point.coef + step * move
            fitted = [z + step * d for z, d in zip(point.fitted, moves, strict=True)]
            change = self.loss(fitted) + self.penalty.value(reached) - before - penalty
            if change <= ARMIJO * step * min(promised, 0.0) + slack:
                new = Point(reached, point.intercept + step * shift, fitted, point.settled)
                return self.settle(new), step, -change
        return point, 0.0, 0.0

    # --- as seen from outside ---------------------------------------------------------------

    def kept_start(self, coef):
        """Kept rows of coefficients (n_features, n_columns) as a start; None if of other shape."""
        if coef is None or coef.shape != (self.n_features, self.shape[1]):
            return None
        return np.array(coef[self.kept], dtype=np.float64)

    def complete(self, W):
        """Coefficients (n_features, n_columns) and intercepts (n_columns,) of all features."""
        coef = np.zeros((self.n_features, self.layout.n_columns))
        coef[self.kept] = W
        point = self._at(coef)
        coef = point.coef
        for columns in self.layout.columns:
            if columns.shape[1] > 1 and len(self.free):  # the softmax stays: the least norm
                own = coef[self.free][:, columns]
                coef[self.free[:, None, None], columns] = own - own.mean(axis=2, keepdims=True)
        intercept = point.intercept - np.sum(self.layout.origin * coef, axis=0)
        intercept = intercept + self.layout.y_origin
        for columns in self.layout.columns:
            if columns.shape[1] > 1:
                intercept[columns] -= intercept[columns].mean(axis=1, keepdims=True)
        return coef, intercept
