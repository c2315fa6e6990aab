"""Any smooth convex loss + a penalty of any structure over a TaskData.

What `skmtl.loss_problem.LossProblem` is to penalties that are sums over rows: the loss is
the same, the coefficients are a sum of parts.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from skmtl.coupled_quadratic import LARGEST_STACK, CoupledModel
from skmtl.free_directions import FreeDirections
from skmtl.loss_problem import ARMIJO, EPS, HALVINGS, LossProblem, Point
from skmtl.penalties.structure import Structure
from skmtl.structured_problem import StructuredProblem, parts_with_free


class Model(NamedTuple):
    """A quadratic model of the loss.

    ``complete(parts)`` gives all coefficients and intercepts; ``bends`` are, by part of the
    loss, functions from moves of the predictions to changes of the slopes, or None.
    """

    problem: StructuredProblem
    complete: Callable
    bends: list | None


class StructuredLossProblem(LossProblem):
    """Losses of the tasks plus a penalty, over parts (n_parts, n_kept_features, n_columns).

    Parameters
    ----------
    data : TaskData
    penalty : Penalty
        Convex.
    parts : list of Part
        The losses, the tasks of each and how they read y. Tasks in no part have no columns.
    fit_intercept : bool

    Attributes
    ----------
    structure : Structure
    shape : tuple
    """

    def __init__(self, data, penalty, parts, *, fit_intercept=True):
        self.labels, self.n_tasks = data.labels, data.n_tasks
        super().__init__(data, penalty, parts, fit_intercept=fit_intercept)

    def _set_penalty(self, penalty):
        penalty.check(self.n_features, self.n_tasks)
        self.full_penalty = penalty
        self.column_penalty = self._penalty_of_columns(penalty)
        before = getattr(self, "free_mask", None)
        self.free_mask = penalty.free_features(self.n_features)
        if before is None or not np.array_equal(before, self.free_mask):
            self.memory = {}  # of other coefficients
        self.kept, self.free = np.flatnonzero(~self.free_mask), np.flatnonzero(self.free_mask)
        self.kept_penalty = self.on_columns(penalty)
        self.structure = Structure(self.kept_penalty, len(self.kept), self.layout.n_columns)
        self.shape = (len(self.structure.parts), len(self.kept), self.layout.n_columns)
        self.coupled = any(part.n_columns > 1 for part in self.layout.parts)
        self._directions = None
        if self._scale > 0 and (self.fit_intercept or len(self.free)):
            design = self.design(self.free) if len(self.free) else None
            self._directions = FreeDirections(self.layout, design, self._scale)

    def with_penalty(self, penalty):
        """The same data under another penalty; what was learned is of the same features only."""
        other = super().with_penalty(penalty)
        if other.shape != self.shape or not np.array_equal(other.kept, self.kept):
            other.memory = {}
        return other

    def on_columns(self, penalty):
        """A penalty for the columns and the kept rows of the coefficients."""
        penalty = self._penalty_of_columns(penalty)
        return penalty.restrict(~self.free_mask) if len(self.free) else penalty

    def _penalty_of_columns(self, penalty):
        counts = {columns.shape[1] for columns in self.layout.columns}
        if len(counts) <= 1:
            tasks = np.concatenate([np.zeros(0, int), *(p.tasks for p in self.layout.parts)])
            return penalty.for_columns(self.labels, tasks, max(counts, default=1))
        if penalty.relates_tasks:
            raise ValueError(
                f"{penalty!r} relates the coefficients of tasks, but these have different numbers "
                "of columns because they have different numbers of labels: use a penalty of "
                "features or singular values, such as L21 or Nuclear."
            )
        return penalty

    # --- points ---------------------------------------------------------------------------

    def start(self, parts=None):
        """(point, parts) of parts, or of zeros where these are better."""
        null = np.zeros(self.shape)
        point = self._at(self._full(null))
        if parts is None or not np.isfinite(parts).all():
            return point, null
        other = self._at(self._full(parts))
        better = self.objective(other, parts) < self.objective(point, null)
        return (other, np.array(parts)) if better else (point, null)

    def _full(self, parts):
        coef = np.zeros((self.n_features, self.layout.n_columns))
        coef[self.kept] = parts.sum(axis=0)
        return coef

    def objective(self, point, parts):
        return self.loss(point.fitted) + self.structure.value(parts)

    # --- model and certificate --------------------------------------------------------------

    def model(self, point, parts, damping):
        """`Model` of the loss at a point, with the columns of a task apart if it is too large."""
        sides = [len(self.kept) * columns.shape[1] for columns in self.layout.columns]
        counts = [len(columns) for columns in self.layout.columns]
        entries = sum(n * side**2 for n, side in zip(counts, sides, strict=True))
        if self.coupled and entries <= LARGEST_STACK:
            return self._coupled_model(point, parts, damping)
        weights, responses = [], []
        for part, y, v, z in self.layout.cells(point.fitted):
            curvature = self.mixed_curvature(part.loss, y, z, damping)
            weights.append(v * curvature)
            responses.append(z - part.loss.gradient(y, z) / curvature)
        data, _ = self.layout.table(np.arange(self.n_features), weights, responses)
        options = {"fit_intercept": self.fit_intercept, "n_bar": self.n_bar}
        problem = StructuredProblem(data, self.column_penalty, labels=None, **options)
        bends = None
        if not self.coupled:
            bends = [
                partial(np.multiply, self.mixed_curvature(part.loss, y, z, damping))
                for part, y, _, z in self.layout.cells(point.fitted)
            ]
        return Model(problem, problem.complete, bends)

    def _coupled_model(self, point, parts, damping):
        n_free = len(self.free) + bool(self.fit_intercept)
        X = self.design(np.concatenate([self.free, self.kept]))
        model = CoupledModel(
            self.layout,
            X,
            n_free,
            parts.sum(axis=0),
            point.fitted,
            n_bar=self.n_bar,
            damping=damping,
        )

        def complete(parts):
            coef, W = point.coef.copy(), parts.sum(axis=0)
            move = model.free_move(W)
            intercept = point.intercept
            if self.fit_intercept:
                intercept, move = intercept + move[0], move[1:]
            coef[self.kept] = W
            coef[self.free] += move
            return coef, intercept

        bends = [part.loss.bend(y, z) for part, y, _, z in self.layout.cells(point.fitted)]
        problem = StructuredProblem.of_quadratic(model.quadratic, self.kept_penalty)
        return Model(problem, complete, bends)

    def model_dual(self, point, model, coef, intercept, certificate):
        """The dual objective at the residual of a model's solution, or 0 where that is none.

        It is orthogonal to all that is free, and nearly in the dual ball of the penalty.
        """
        if model.bends is None:  # slopes of a row that do not sum to 0 as those of the loss
            return 0.0
        moves = self.moves(point, np.arange(self.n_features), self.layout.X, coef, intercept)
        slopes = []
        for (part, y, _, z), bend, move in zip(
            self.layout.cells(point.fitted), model.bends, moves, strict=True
        ):
            slope = part.loss.gradient(y, z) + bend(move)
            if part.n_columns > 1:
                outside = (slope + y < 0) | (slope + y > 1.0)
            else:
                nearest = part.loss.nearest_slope(y, slope)
                outside = np.abs(nearest - slope) > EPS * np.abs(slope)
            if outside.any():
                return 0.0
            slopes.append(slope)
        return self._dual_at(slopes, certificate)

    def residual_dual(self, point, certificate):
        """The dual objective at the residual of a point, 0 in columns that are not settled."""
        slopes = []
        for k, (part, y, _, z) in enumerate(self.layout.cells(point.fitted)):
            settled = self.layout.spread(k, point.settled[self.layout.columns[k]])
            slopes.append(part.loss.gradient(y, z) * settled)
        return self._dual_at(slopes, certificate)

    def _dual_at(self, slopes, certificate):
        Z = self._correlate(slopes)[self.kept]
        bound, energy = self.structure.conjugate(Z, *certificate)
        if not (np.isfinite(bound) and np.isfinite(energy)):
            return 0.0
        scale = min(1.0, 1.0 / bound if bound > 0 else 1.0)
        dual = -0.5 * scale**2 * energy
        for (part, y, v, _), slope in zip(self.layout.cells(slopes), slopes, strict=True):
            dual -= np.sum(v * part.loss.conjugate(y, scale * slope)) / self.n_bar
        return max(dual, 0.0) if np.isfinite(dual) else 0.0

    def zero_certificate(self, parts):
        """No subgradients: for a first bound."""
        points = [
            [V] * len(part.units) for V, part in zip(parts, self.structure.parts, strict=True)
        ]
        return None, points

    # --- line search ------------------------------------------------------------------------

    def search_parts(self, point, parts, target_parts, coef, intercept):
        """(point, parts, step, decrease) by Armijo's rule (Lee, Sun, Saunders 2014)."""
        moves = self.moves(point, np.arange(self.n_features), self.layout.X, coef, intercept)
        slope = 0.0
        for k, (part, y, v, z) in enumerate(self.layout.cells(point.fitted)):
            slope += np.sum(v * part.loss.gradient(y, z) * moves[k]) / self.n_bar
        before = self.loss(point.fitted)
        penalty = self.structure.value(parts)
        promised = slope + self.structure.value(target_parts) - penalty
        slack = 4.0 * EPS * max(self.null_objective, before + penalty)
        for halving in range(HALVINGS):
            step = 0.5**halving
            reached = target_parts if halving == 0 else parts + step * (target_parts - parts)
            fitted = [z + step * d for z, d in zip(point.fitted, moves, strict=True)]
            change = self.loss(fitted) + self.structure.value(reached) - before - penalty
            if change <= ARMIJO * step * min(promised, 0.0) + slack:
                new = Point(
                    point.coef + step * (coef - point.coef),
                    point.intercept + step * (intercept - point.intercept),
                    fitted,
                    point.settled,
                )
                return self.settle(new), reached, step, -change
        return point, parts, 0.0, 0.0

    # --- where a path starts -----------------------------------------------------------------

    def null_correlation(self, penalty, solve):
        """Minus the gradient of the loss at the optimum under a penalty (None: zero)."""
        point, parts = self.start()
        if penalty is not None:
            problem = self.with_penalty(penalty)
            problem.memory = {}
            parts = solve(problem, tol=1e-10, max_iter=100).coef
            point = problem._at(problem._full(parts))
        return self.correlation(point)[self.kept]

    # --- as seen from outside ---------------------------------------------------------------

    def kept_start(self, coef):
        """Kept rows of coefficients (n_features, n_columns) or of their parts, as a start."""
        shape = (self.n_features, self.shape[2])
        if coef is None or coef.shape not in (shape, (self.shape[0], *shape)):
            return None
        if coef.ndim == 3:
            return np.array(coef[:, self.kept], dtype=np.float64)
        parts = np.zeros(self.shape)
        parts[-1] = coef[self.kept]
        return parts

    def complete(self, parts):
        """Coefficients (n_features, n_columns) and intercepts (n_columns,) of all features."""
        return super().complete(parts.sum(axis=0))

    def complete_parts(self, parts, coef):
        """Parts of the coefficients, a dict of (n_features, n_columns); None if there is one."""
        return parts_with_free(self, parts, coef)
