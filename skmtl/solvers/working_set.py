"""The outer loop: working sets of features around proximal and Newton steps.

The duality gap is that of the whole problem, whatever the working set.
"""

from typing import NamedTuple

import numpy as np

from skmtl.solvers.newton import NewtonSteps
from skmtl.solvers.proximal import ProximalSteps

PROXIMAL_STEPS = 10
NEWTON_STEPS = 5
SMALLEST_SET = 50
ROUNDING = 32.0 * np.finfo(float).eps  # no gap below this can be asked for


class Solution(NamedTuple):
    """Coefficients with their certificate.

    ``gap`` is the duality gap relative to the objective of zero coefficients.
    """

    coef: np.ndarray
    gap: float
    n_iter: int
    converged: bool


def solve(problem, *, tol, max_iter, start=None):
    """Minimise a problem to a relative duality gap.

    An iteration is one round of proximal and Newton steps on the current working set of
    features, which grows geometrically by the features that violate optimality most.

    Parameters
    ----------
    problem : Problem
    tol : float
        Relative duality gap to reach.
    max_iter : int
    start : ndarray of shape problem.shape, optional

    Returns
    -------
    Solution
    """
    tol = max(tol, ROUNDING)
    no_signal = problem.quadratic.energy == 0.0
    W = np.zeros(problem.shape) if start is None or no_signal else start
    n_features = problem.shape[0]
    n_iter, size = 0, SMALLEST_SET
    while True:
        product = problem.quadratic.product(W)
        gap = problem.gap(W, product)
        if gap <= tol or n_iter >= max_iter or n_features == 0:
            return Solution(W, gap, max(n_iter, 1), bool(gap <= tol))
        rows = _working_set(problem, W, product, size)
        size = 2 * len(rows)
        whole = len(rows) == n_features
        inner_tol = tol if whole else max(0.2 * gap, 0.5 * tol)
        before = W
        W, spent = _solve_on(problem, W, rows, inner_tol, max_iter - n_iter)
        n_iter += spent
        if whole and np.array_equal(W, before):
            return Solution(W, gap, n_iter, False)  # a fixed point up to rounding


def _working_set(problem, W, product, size):
    """Features in use and those that violate optimality most, at least `size` of them."""
    used = W.any(axis=1)
    size = min(max(size, 2 * int(used.sum())), len(W))
    if size == len(W):
        return np.arange(len(W))
    scores = np.where(used, np.inf, problem.violations(W, product))
    size = max(size, int(np.isinf(scores).sum()))
    return np.sort(np.argpartition(-scores, size - 1)[:size])


def _solve_on(problem, W, rows, tol, max_iter):
    """Proximal and Newton steps on some features until their gap is below tol."""
    quadratic = problem.quadratic.restrict(rows)
    gauge, ridge = problem.gauge_on(rows), problem.ridge[rows]
    proximal = ProximalSteps(quadratic, gauge, ridge)
    newton = NewtonSteps(quadratic, gauge, ridge)
    part = W[rows]
    product = quadratic.product(part)
    for spent in range(1, max_iter + 1):  # noqa: B007
        before = part
        part, product = proximal.run(part, product, PROXIMAL_STEPS)
        gap = np.inf
        for _ in range(NEWTON_STEPS):  # at least one: flat directions are its strength
            part, product, taken = newton.run(part, product)
            previous, gap = gap, problem.gap(part, product, rows)
            if not taken or gap <= tol or gap > 0.5 * previous:
                break
        if gap <= tol or np.array_equal(part, before):
            break
    W = np.zeros_like(W)
    W[rows] = part
    return W, spent
