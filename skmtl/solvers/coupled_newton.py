"""A Newton step on the nonzero coefficients, where the loss couples the columns of a task.

The quadratic model that the engine solves treats columns apart. Here the Hessian is exact: that
of the loss plus blocks d_j (I - u_j u_j') of the row norms, d_j = alpha_j / ||w_j||. Conjugate
gradients solve with it, preconditioned by the columns apart (one inverse each, and the Woodbury
identity for the row norms).
"""

import numpy as np
from scipy import linalg

from skmtl.penalties.base import row_norms

MOST_ENTRIES = 30_000_000  # of the inverses of all columns, or of the dense columns of X
MOST_PRODUCTS = 60
HALVINGS = 8
MOST_STEPS = 24


def newton_step(problem, point, damping, accuracy):
    """A step with the exact Hessian: (point, decrease of the objective)."""
    correlation = problem.correlation(point)
    support = np.flatnonzero(point.coef.any(axis=1) | ~problem.has_gauge)
    too_large = point.coef.shape[1] * (len(support) + 1) ** 2 > MOST_ENTRIES
    if too_large or point.fitted[0].shape[0] * len(support) > MOST_ENTRIES:
        return point, 0.0
    X = problem.design(support)
    first = X.shape[1] - len(support)
    system = CoupledSystem(problem, point, support, X, damping)
    if system.inverses is None:
        return point, 0.0
    part = point.coef[support]
    gradient = np.zeros((X.shape[1], part.shape[1]))
    gradient[first:] = problem.ridge[support] * part - correlation[support] + system.slope
    if system.active is not None:
        gradient *= system.active
    move = conjugate_gradients(system, -gradient, accuracy)
    guarded = problem.has_gauge[support]
    for length in step_lengths(part, move[first:], guarded):
        coef = part + length * move[first:]
        # Rows (and, with an entry-wise norm, entries) that would cross zero stop there.
        crossed = np.sum(part * coef, axis=1) <= 1e-12 * np.sum(part * part, axis=1)
        coef[crossed & guarded] = 0.0
        if system.active is not None:
            coef[(part * coef <= 0) & guarded[:, None]] = 0.0
        intercept = point.intercept + length * move[0] if first else point.intercept
        new, step, decrease = problem.search(point, support, X[:, first:], coef, intercept, 1)
        if step:
            return new, decrease
    return point, 0.0


def step_lengths(part, move, guarded):
    """Lengths to try, from 1 down: halves, and those at which a row reaches zero.

    Between two nearly equal features a Newton direction moves everything from the one to the
    other, far beyond zero: the right step ends where the first is used up.
    """
    squared, slope = np.sum(part * part, axis=1), np.sum(part * move, axis=1)
    falling = (slope < -squared) & guarded
    ends = squared[falling] / -slope[falling]
    return np.unique(np.concatenate([0.5 ** np.arange(HALVINGS), ends]))[::-1][:MOST_STEPS]


class CoupledSystem:
    """Products with the Hessian on some features, and a preconditioner for it."""

    def __init__(self, problem, point, support, X, damping):
        self.problem, self.point, self.X = problem, point, X
        self.first = X.shape[1] - len(support)
        part = point.coef[support]
        curvature, self.slope, self.active = np.zeros(len(support)), 0.0, None
        if problem.gauge is not None:
            gauge = problem.gauge.restrict(support)
            curvature, self.slope = gauge.row_curvature(part), gauge.slope(part)
            if gauge.entrywise and not part.all():
                self.active = np.ones((X.shape[1], part.shape[1]))
                self.active[self.first :] = (part != 0) | ~problem.has_gauge[support, None]
        self.curvature = np.append(np.zeros(self.first), curvature)[:, None]
        self.ridge = np.append(np.zeros(self.first), problem.ridge[support, 0])[:, None]
        self.units = np.zeros((X.shape[1], part.shape[1]))
        norms = np.maximum(row_norms(part), np.finfo(float).tiny)[:, None]
        self.units[self.first :] = part / norms
        self.bends = [part.loss.bend(y, z) for part, y, _, z in problem.layout.cells(point.fitted)]
        self._prepare(damping)

    def _prepare(self, damping):
        problem, X = self.problem, self.X
        size = X.shape[1]
        matrices = np.empty((self.point.coef.shape[1], size, size))
        for k, (part, y, v, z) in enumerate(problem.layout.cells(self.point.fitted)):
            weights = v * problem.mixed_curvature(part.loss, y, z, damping)
            for a, own in enumerate(problem.layout.columns[k].T):
                matrices[own] = problem.layout.grams(k, X, weights[:, a]) / problem.n_bar
        index = np.arange(size)
        matrices[:, index, index] += (self.ridge + self.curvature)[:, 0]
        if self.active is not None:
            matrices *= self.active.T[:, :, None] * self.active.T[:, None, :]
        diagonal = matrices[:, index, index]
        scale = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
        matrices /= scale[:, :, None] * scale[:, None, :]
        matrices[:, index, index] = 1.0 + 1e-10
        self.inverses, self.factor = None, None
        try:
            inverses = np.linalg.inv(matrices) / (scale[:, :, None] * scale[:, None, :])
            self.curved = np.flatnonzero(self.curvature)
            if len(self.curved):
                U = self.units[self.curved]
                inner = inverses[:, self.curved[:, None], self.curved]
                overlap = np.einsum("cjk,jc,kc->jk", inner, U, U, optimize=True)
                system = np.diag(1.0 / self.curvature[self.curved, 0]) - overlap
                system[np.diag_indices_from(system)] *= 1.0 + 1e-10
                self.factor = linalg.cho_factor(system, lower=True)
        except linalg.LinAlgError:
            return
        self.inverses = inverses if np.isfinite(inverses).all() else None

    def product(self, V):
        """The Hessian times V (n_support + intercept, n_columns)."""
        problem = self.problem
        moves = problem.layout.apply(self.X, V)
        bent = [bend(move) for bend, move in zip(self.bends, moves, strict=True)]
        bent = [v * move for v, move in zip(problem.layout.weights, bent, strict=True)]
        out = problem.layout.adjoint(self.X, bent) / problem.n_bar
        along = np.sum(self.units * V, axis=1, keepdims=True)
        out += self.ridge * V + self.curvature * (V - self.units * along)
        return out if self.active is None else out * self.active

    def _apart(self, G):
        return np.matmul(self.inverses, G.T[:, :, None])[:, :, 0].T

    def precondition(self, G):
        """The inverse of the Hessian with the columns apart times G."""
        base = self._apart(G)
        if self.factor is not None:
            U = self.units[self.curved]
            lift = np.zeros_like(G)
            overlap = np.sum(U * base[self.curved], axis=1)
            lift[self.curved] = U * linalg.cho_solve(self.factor, overlap)[:, None]
            base += self._apart(lift)
        return base if self.active is None else base * self.active


def conjugate_gradients(system, right, accuracy):
    """An approximate solution, always a direction of descent for the gradient -right."""
    solution, residual = np.zeros_like(right), right
    direction = preconditioned = system.precondition(residual)
    first = size = np.sum(residual * preconditioned)
    for _ in range(MOST_PRODUCTS):
        if not size > accuracy**2 * first:
            break
        product = system.product(direction)
        bend = np.sum(direction * product)
        if not bend > 0:
            break
        step = size / bend
        solution = solution + step * direction
        residual = residual - step * product
        preconditioned = system.precondition(residual)
        previous, size = size, np.sum(residual * preconditioned)
        direction = preconditioned + (size / previous) * direction
    return solution
