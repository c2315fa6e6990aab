"""Squared loss + a penalty of any structure: parts, duality gap, the smallest trivial alpha.

Where the penalty is a sum over rows, `skmtl.problem.Problem` is faster; here W is a sum of
parts (n_parts, n_features, n_tasks), and of the penalty only proximal maps and dual norms are
known. The smooth part is the same.
"""

from copy import copy

import numpy as np

from skmtl.penalties import SquaredL2
from skmtl.penalties.structure import Structure
from skmtl.problem import Problem
from skmtl.solvers.resolvent import LARGEST_SIDE, make_resolvent, summed_gram

EPS = np.finfo(float).eps
NULL_TOL = 1e-12  # of the model at the top of a path


class StructuredProblem:
    """Squared loss of a TaskData plus a penalty of any structure.

    Parameters
    ----------
    data : TaskData or TaskSums
    penalty : Penalty
        Convex.
    labels : ndarray of shape (n_tasks,) or None
        The task ids, to which graphs refer; None if the penalty is already that of the columns.
    fit_intercept : bool
    n_bar : float, optional
        Divides the loss; None: the mean weight of a task.

    Attributes
    ----------
    quadratic : Gram, Rows or MaskedRows
    structure : Structure
    shape : tuple
        (n_parts, n_kept_features, n_tasks), the shape of the parts.
    """

    def __init__(self, data, penalty, *, labels, fit_intercept=True, n_bar=None):
        self.labels, self.n_tasks = labels, data.n_tasks
        self._set_penalty(penalty, data.n_features)
        # The squared-loss problem of the features that are penalised.
        self.base = Problem(data, self._stand_in(), fit_intercept=fit_intercept, n_bar=n_bar)
        self.quadratic, self.n_features = self.base.quadratic, data.n_features
        self.memory = {}  # what the solver learned: for all penalties on these data
        self._build()

    @classmethod
    def of_quadratic(cls, quadratic, penalty):
        """A problem of a quadratic that is given, without data: no intercepts, nothing free."""
        self = cls.__new__(cls)
        self.labels, self.n_tasks, self.n_features = None, quadratic.n_tasks, len(quadratic.cross)
        self.quadratic, self.base, self.memory = quadratic, None, {}
        self._set_penalty(penalty, self.n_features)
        self._build()
        return self

    def with_penalty(self, penalty):
        """The same data under another penalty; read again only if other features are free."""
        other = copy(self)
        other._set_penalty(penalty, self.n_features)
        if not np.array_equal(other.free, self.free):
            other.base = self.base.with_penalty(other._stand_in())
            other.quadratic, other.memory = other.base.quadratic, {}
        other._build()
        return other

    def _set_penalty(self, penalty, n_features):
        penalty.check(n_features, self.n_tasks)
        self.full_penalty = penalty
        self.free = penalty.free_features(n_features)

    def _stand_in(self):
        return SquaredL2(1.0, factor=(~self.free).astype(float))

    def _build(self):
        self.penalty = self.on_columns(self.full_penalty)
        kept = self.quadratic.cross.shape
        self.structure = Structure(self.penalty, *kept)
        self.shape = (len(self.structure.parts), *kept)

    def on_columns(self, penalty):
        """A penalty for the columns and the kept rows of the coefficients."""
        if self.labels is not None:
            penalty = penalty.for_columns(self.labels, np.arange(self.n_tasks))
        return penalty.restrict(~self.free) if self.free.any() else penalty

    def resolvent(self):
        """What solves ridge-like systems of the loss."""
        if hasattr(self.quadratic, "apply"):
            return self.quadratic
        by_features = self.structure.by_features
        key = "resolvent by features" if by_features else "resolvent"
        if key not in self.memory:
            self.memory[key] = make_resolvent(self.quadratic, by_features=by_features)
        return self.memory[key]

    def restricted(self, rows):
        """The problem on some of the kept features."""
        return StructuredProblem.of_quadratic(
            self.quadratic.restrict(rows), self.penalty.restrict(rows)
        )

    def correlation(self, parts):
        """Minus the gradient of the loss, (n_kept_features, n_tasks)."""
        return self.quadratic.cross - self.quadratic.product(parts.sum(axis=0))

    # --- certificate ----------------------------------------------------------------------

    def certificate(self, parts, Ys=None, Vs=None):
        """(parts, primal, dual) objectives, the parts with what is free at its optimum.

        The dual point is the residual times the best s in [0, 1 / bound]; Ys are subgradients of
        the units at Vs, as from the solver.
        """
        W, product, parts = self.settled(parts)
        cross, energy = self.quadratic.cross, self.quadratic.energy
        fitted, squared = np.sum(cross * W), np.sum(W * product)
        primal = 0.5 * squared - fitted + energy + self.structure.value(parts)
        points = [
            [V] * len(part.units) for V, part in zip(parts, self.structure.parts, strict=True)
        ]
        bound, curved = self.structure.conjugate(cross - product, Ys, points if Vs is None else Vs)
        linear = 2.0 * energy - fitted
        quadratic = linear - fitted + squared + curved
        best = linear / quadratic if quadratic > 0 else 0.0
        scale = min(max(best, 0.0), 1.0 / bound if bound > 0 else np.inf)
        if not np.isfinite(scale) or not np.isfinite(curved):
            scale = 0.0
            quadratic = 0.0
        return parts, primal, scale * linear - 0.5 * scale**2 * quadratic

    def gap(self, primal, dual):
        """Relative to the objective of W = 0."""
        return max((primal - dual) / self.quadratic.energy, EPS)

    def settled(self, parts):
        """Coefficients, their product with G, and the parts, with the common model at its best."""
        W = parts.sum(axis=0)
        product = self.quadratic.product(W)
        free = self.structure.common_free
        if not free.any():
            return W, product, parts
        parts, W = parts.copy(), W.copy()
        for _ in range(2):  # the second step is for rounding errors
            Z, step = self.quadratic.cross - product, np.zeros_like(W)
            for tasks in self.structure.groups:
                total = Z[np.ix_(free, tasks)].sum(axis=1)
                step[np.ix_(free, tasks)] = (self._pooled_inverse(free, tasks) @ total)[:, None]
            parts[self.structure.common_part] += step
            W += step
            product = product + self.quadratic.product(step)
        return W, product, parts

    def _pooled_inverse(self, free, tasks):
        """Pseudo-inverse of the sum of the Gram matrices of some tasks, on some features."""
        key = "pooled", free.tobytes(), tasks.tobytes()
        if key not in self.memory:
            if self.shape[1] > LARGEST_SIDE:
                raise ValueError(
                    "coefficients that are free to be the same in all tasks have too many "
                    f"features ({self.shape[1]}): add a ridge, such as SquaredL2(1e-3)."
                )
            gram = summed_gram(self.quadratic, tasks)[np.ix_(free, free)]
            levels, basis = np.linalg.eigh(gram)
            used = levels > len(levels) * EPS * levels[-1]
            self.memory[key] = (basis[:, used] / levels[used]) @ basis[:, used].T
        return self.memory[key]

    # --- where a path starts -----------------------------------------------------------------

    def null_correlation(self, penalty, solve):
        """Minus the gradient of the loss at the optimum under a penalty (None: W = 0)."""
        if penalty is None:
            return self.quadratic.cross
        problem = self.with_penalty(penalty)
        # A memory of its own, since the root finder asks for many penalties of this kind.
        problem.memory = self.memory.setdefault("null", {})
        _, product, _ = problem.settled(solve(problem, tol=NULL_TOL, max_iter=300).coef)
        return self.quadratic.cross - product

    def largest_curvature(self):
        """The largest second derivative of the loss in a coefficient."""
        return float(self.quadratic.diagonal().max(initial=0.0))

    # --- as seen from outside ---------------------------------------------------------------

    def kept_start(self, coef):
        """Kept rows of coefficients (n_features, n_tasks), or of their parts, as a start."""
        shape = (self.n_features, self.shape[2])
        if coef is None or coef.shape not in (shape, (self.shape[0], *shape)):
            return None
        if coef.ndim == 3:
            return np.array(coef[:, ~self.free], dtype=np.float64)
        parts = np.zeros(self.shape)
        parts[-1] = coef[~self.free]
        return parts

    def complete(self, parts):
        """Coefficients (n_features, n_tasks) and intercepts (n_tasks,) of all features."""
        return self.base.complete(parts.sum(axis=0))

    def complete_parts(self, parts, coef):
        """Parts of the coefficients, a dict of (n_features, n_tasks); None if there is one."""
        return parts_with_free(self, parts, coef)


def parts_with_free(problem, parts, coef):
    """Parts with all features, by name; one that is free is in the first part that frees it.

    Parameters
    ----------
    problem : StructuredProblem or StructuredLossProblem
    parts : ndarray of shape (n_parts, n_kept_features, n_columns)
    coef : ndarray of shape (n_features, n_columns)
        Their sum, and the coefficients of free features.
    """
    if len(parts) == 1:
        return None
    free = problem.full_penalty.free_features(problem.n_features)
    full = np.zeros((len(parts), *coef.shape))
    full[:, ~free] = parts
    if free.any():
        masks = [part.free_features(problem.n_features) for _, part in problem.full_penalty.parts()]
        owner = np.argmax(masks, axis=0)
        full[owner[free], free] = coef[free]
    return dict(zip(problem.structure.names, full, strict=True))
