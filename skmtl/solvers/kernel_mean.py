"""Weights that move the kernel mean of one sample to that of another: a quadratic programme."""

from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve

JITTER = 1e-11  # of the diagonal: kernel matrices are singular to rounding
TO_BOUNDARY = 0.995
FIRST = 64  # rows of the first working set


class Weights(NamedTuple):
    """Weights (n,); the objective is above the optimum by at most gap times its scale."""

    weights: np.ndarray
    gap: float
    n_iter: int
    converged: bool


def match_means(K, kappa, *, bound, eps, tol, max_iter):
    """Minimise 1/2 b'Kb - kappa'b over 0 <= b <= bound, |sum b - n| <= n eps.

    Few weights are above 0 if the bound is large: interior-point steps on a working set, to which
    rows are added whose weight would lower the objective.

    Parameters
    ----------
    K : ndarray of shape (n, n)
        Positive semidefinite.
    kappa : ndarray of shape (n,)
    bound : float
        Above 1.
    eps : float
        Above 0.
    tol : float
        Gap to reach, relative to 1'K1 / 2.
    max_iter : int
        Interior-point steps on one working set.

    Returns
    -------
    Weights
    """
    n = len(kappa)
    total, width = K.sum(axis=1), n * eps
    scale = max(0.5 * total.sum(), np.finfo(float).tiny)
    rows = np.argsort(total - kappa, kind="stable")[: max(FIRST, int(2 * n / bound) + 1)]
    n_iter = 0
    while True:
        whole = 2 * len(rows) > n
        rows = np.arange(n) if whole else rows
        part = K if whole else K[np.ix_(rows, rows)]
        aim = tol if whole else 0.1 * tol
        found, steps = interior_point(part, kappa[rows], n, bound, width, aim * scale, max_iter)
        n_iter += steps
        gradient = K[:, rows] @ found - kappa
        b = np.zeros(n)
        b[rows] = found
        gap = max(gradient @ b - least_linear(gradient, bound, n - width, n + width), 0.0) / scale
        if gap <= tol or whole:
            return Weights(b, float(gap), n_iter, bool(gap <= tol))
        # The gradient is equal where weights are between their bounds: the price of a weight.
        price = gradient @ b / b.sum()
        outside = np.setdiff1d(np.flatnonzero(gradient < price), rows)
        if not len(outside):  # the working set was not solved well enough
            rows = np.arange(n)
            continue
        most = np.argsort(gradient[outside], kind="stable")[: len(rows)]
        rows = np.sort(np.concatenate([rows, outside[most]]))


def interior_point(K, kappa, total, bound, width, tol, max_iter):
    """Weights with |sum b - total| <= width, within tol of the least objective; number of steps.

    Primal-dual steps (Mehrotra 1992) from equal weights, which are inside: every iterate stays
    feasible, so that `least_linear` bounds its distance from the optimum.
    """
    n = len(kappa)
    b = np.full(n, total / n)
    gradient = K @ b - kappa
    state = Slacks(b, bound, total, width)
    multipliers = np.full(2 * n + 2, max(np.abs(gradient).mean(), np.finfo(float).tiny))
    best, gap = b, np.inf
    for iteration in range(max_iter + 1):
        reached = gradient @ b - least_linear(gradient, bound, total - width, total + width)
        if reached < gap:
            best, gap = b, reached
        if gap <= tol or iteration == max_iter:
            break
        solve = state.factor(K, multipliers)
        products = state.slacks * multipliers
        affine, dual = state.step(solve, gradient, multipliers, -products)
        length = min(longest(state.slacks, state.change(affine)), longest(multipliers, dual))
        ahead = (state.slacks + length * state.change(affine)) @ (multipliers + length * dual)
        centre = (ahead / products.sum()) ** 3 * products.mean()
        aim = centre - products - state.change(affine) * dual
        step, dual = state.step(solve, gradient, multipliers, aim)
        length = min(longest(state.slacks, state.change(step)), longest(multipliers, dual))
        b = b + TO_BOUNDARY * length * step
        multipliers = multipliers + TO_BOUNDARY * length * dual
        state = Slacks(b, bound, total, width)
        if not (state.slacks > 0).all():  # rounding: no further step is possible
            break
        gradient = K @ b - kappa
    return best, iteration


class Slacks:
    """Distances from the constraints: n lower bounds, n upper bounds, the two of the sum."""

    def __init__(self, b, bound, total, width):
        self.n, excess = len(b), b.sum() - total
        self.slacks = np.concatenate([b, bound - b, [width + excess, width - excess]])

    def change(self, step):
        """How the slacks change with a step of b."""
        total = step.sum()
        return np.concatenate([step, -step, [total, -total]])

    def pull(self, values):
        """The transpose of `change`."""
        return values[: self.n] - values[self.n : -2] + values[-2] - values[-1]

    def factor(self, K, multipliers):
        """Solver of the Newton equations for the steps of b."""
        ratio = multipliers / self.slacks
        matrix = K.copy()
        diagonal = np.einsum("ii->i", matrix)
        diagonal += ratio[: self.n] + ratio[self.n : -2] + JITTER * diagonal.mean()
        factor = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
        ones = cho_solve(factor, np.ones(self.n), check_finite=False)
        of_sum = ratio[-2] + ratio[-1]

        def solve(right):
            found = cho_solve(factor, right, check_finite=False)
            # The sum adds a matrix of ones: Sherman, Morrison.
            return found - ones * (of_sum * found.sum() / (1 + of_sum * ones.sum()))

        return solve

    def step(self, solve, gradient, multipliers, aim):
        """Steps of b and of the multipliers towards products slack * multiplier + aim."""
        step = solve(self.pull(aim / self.slacks + multipliers) - gradient)
        return step, (aim - multipliers * self.change(step)) / self.slacks


def longest(values, change):
    """Longest step up to 1 at which positive values stay positive."""
    falls = change < 0
    return min(1.0, (-values[falls] / change[falls]).min(initial=1.0 / TO_BOUNDARY))


def least_linear(costs, bound, low, high):
    """Minimum of costs'b over 0 <= b <= bound, low <= sum b <= high.

    For the gradient at b as costs, costs'b minus it bounds the distance of a convex objective
    from its minimum.
    """
    costs = np.sort(costs)
    filled = np.minimum(bound * np.arange(1, len(costs) + 1), high)
    amounts = np.diff(filled, prepend=0.0)
    # Beyond the negative costs only as much as the sum must have.
    allowed = np.maximum(low - np.concatenate([[0.0], filled[:-1]]), 0.0)
    amounts = np.where(costs > 0, np.minimum(amounts, allowed), amounts)
    return float(costs @ amounts)
