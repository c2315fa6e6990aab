"""Newton steps on the nonzero coefficients of a quadratic with row norms.

On the support the Hessian is blockdiag_t(A_t) - sum_j d_j u_j u_j', A_t = G_t + diag(ridge + d),
d_j = alpha_j / ||w_j||, u_j = w_j / ||w_j||. The second part is of rank n_support, so that with
the Woodbury identity a Newton direction needs one factorisation per task (one in all for shared
rows) and one n_support x n_support system.
"""

import numpy as np
from scipy import linalg

from skmtl.penalties.base import row_norms

LARGEST_SUPPORT = 3000
HALVINGS = 8
MOST_STEPS = 24
DAMPINGS = 4
SMALLEST_DAMPING = 1e-14
LARGEST_STACK = 30_000_000  # entries of one inverse per task


class NewtonSteps:
    """Newton with backtracking on the nonzero rows (and entries) of W.

    Parameters
    ----------
    quadratic : Gram
    gauge : Penalty or None
    ridge : ndarray of shape (n_features, 1)
    """

    def __init__(self, quadratic, gauge, ridge):
        self.quadratic = quadratic
        self.gauge = gauge
        self.ridge = ridge
        self.damping = SMALLEST_DAMPING  # grows after a rejected step, falls after a taken one
        n_features = len(ridge)
        self.entrywise = gauge is not None and gauge.entrywise
        self.has_gauge = np.zeros(n_features, dtype=bool)
        if gauge is not None:
            self.has_gauge = np.any(gauge.row_weights(n_features), axis=0)

    def objective(self, W, product):
        smooth = np.sum(W * (0.5 * product - self.quadratic.cross + 0.5 * self.ridge * W))
        return smooth if self.gauge is None else smooth + self.gauge.value(W)

    def run(self, W, product):
        """One step with line search; (W, product, whether it was taken)."""
        support = np.flatnonzero(W.any(axis=1) | ~self.has_gauge)
        n_matrices = W.shape[1] if self.entrywise else self.quadratic.n_blocks
        too_large = len(support) > LARGEST_SUPPORT or n_matrices * len(support) ** 2 > LARGEST_STACK
        if not len(support) or too_large:
            return W, product, False
        before = self.objective(W, product)
        slack = 4.0 * np.finfo(float).eps * max(self.quadratic.energy, abs(before))
        for _ in range(DAMPINGS):
            direction = self._direction(W, product, support)
            for step in self._steps(W, direction) if direction is not None else ():
                new = self._clip(W, W + step * direction)
                product_new = self.quadratic.product(new)
                if self.objective(new, product_new) <= before + slack:
                    self.damping = max(0.1 * self.damping, SMALLEST_DAMPING)
                    return new, product_new, True
            self.damping = min(1e3 * self.damping, 1.0)
        return W, product, False

    def _steps(self, W, direction):
        """Step lengths to try, from 1 down: halves, and those at which a row reaches zero.

        Between two nearly equal features a Newton direction moves everything from the one to
        the other, far beyond zero: the right step ends where the first is used up.
        """
        squared = np.einsum("ij,ij->i", W, W)
        slope = np.einsum("ij,ij->i", W, direction)
        falling = (slope < -squared) & self.has_gauge
        ends = squared[falling] / -slope[falling]
        return np.unique(np.concatenate([0.5 ** np.arange(HALVINGS), ends]))[::-1][:MOST_STEPS]

    def _turned(self, W, new):
        """Rows that cross zero between W and new."""
        return (
            np.einsum("ij,ij->i", W, new) <= 1e-12 * np.einsum("ij,ij->i", W, W)
        ) & self.has_gauge

    def _clip(self, W, new):
        """Rows (and, with an entry-wise norm, entries) that would cross zero stop there."""
        new[self._turned(W, new)] = 0.0
        if self.entrywise:
            new[(W * new <= 0) & self.has_gauge[:, None]] = 0.0
        return new

    def _direction(self, W, product, support):
        part = W[support]
        ridge = self.ridge[support, 0]
        gradient = product[support] - self.quadratic.cross[support] + ridge[:, None] * part
        curvature = np.zeros(len(support))
        if self.gauge is not None:
            gauge = self.gauge.restrict(support)
            gradient = gradient + gauge.slope(part)
            curvature = gauge.row_curvature(part)
        units = part / np.maximum(row_norms(part), np.finfo(float).tiny)[:, None]
        active = part != 0
        if self.gauge is None or not self.entrywise or active.all():
            active = None
        else:
            active |= ~self.has_gauge[support, None]
            gradient = np.where(active, gradient, 0.0)
        quadratic = self.quadratic.gram_on(support)
        shared = len(quadratic.gram) == 1 and active is None
        grams = quadratic.gram if shared else quadratic.per_task()
        try:
            step = woodbury_direction(
                grams, ridge + curvature, curvature, units, gradient, active, self.damping
            )
        except linalg.LinAlgError:
            return None
        if not np.isfinite(step).all():
            return None
        direction = np.zeros_like(W)
        direction[support] = step
        return direction


def woodbury_direction(grams, diagonal, curvature, units, gradient, active, damping):
    """-H^-1 gradient for H = blockdiag(grams + diag(diagonal)) - sum_j curvature_j u_j u_j'.

    `grams` holds one matrix for all tasks or one per task; entries that are not `active` are
    held fixed. `damping` is relative to the diagonal of H.
    """
    matrices = grams + np.diag(diagonal)
    index = np.arange(len(diagonal))
    matrices[:, index, index] *= 1.0 + damping
    if active is not None:
        matrices = matrices * (active.T[:, :, None] & active.T[:, None, :])
        matrices[:, index, index] += ~active.T
        units = np.where(active, units, 0.0)
    inverses = np.linalg.inv(matrices)

    def apply(G):
        if len(inverses) == 1:
            return inverses[0] @ G
        return np.matmul(inverses, G.T[:, :, None])[:, :, 0].T

    base = apply(gradient)
    curved = np.flatnonzero(curvature)
    if not len(curved):
        return -base
    U = units[curved]
    inner = inverses
    if len(curved) < len(units):
        inner = inverses[:, curved[:, None], curved]
    if len(inner) == 1:
        overlap = inner[0] * (U @ U.T)
    else:
        overlap = np.einsum("tjk,jt,kt->jk", inner, U, U, optimize=True)
    system = np.diag(1.0 / curvature[curved]) - overlap
    system[np.arange(len(curved)), np.arange(len(curved))] *= 1.0 + damping
    factor = linalg.cho_factor(system, lower=True)
    solved = linalg.cho_solve(factor, np.einsum("jt,jt->j", U, base[curved]))
    lift = np.zeros_like(gradient)
    lift[curved] = U * solved[:, None]
    return -(base + apply(lift))
