"""The outer loop, which owns the duality gap of the whole problem, and chooses the method.

The l2,1 norm has methods of its own (`l21`); everything else, and what they leave unfinished, is
met by proximal and Newton steps on working sets of features.
"""

from typing import NamedTuple

import numpy as np

from skmtl.solvers.l21 import L21Rounds, is_suited
from skmtl.solvers.newton import NewtonSteps
from skmtl.solvers.proximal import ProximalSteps

SOLVERS = ("auto", "newton", "coordinate-descent", "proximal")
PROXIMAL_STEPS = 10
NEWTON_STEPS = 5
SMALLEST_SET = 50
PATIENCE = 10  # rounds without halving the gap; pools of features double in each
ROUNDING = 32.0 * np.finfo(float).eps  # no gap below this can be asked for


class Solution(NamedTuple):
    """Coefficients with their certificate.

    ``gap`` is the duality gap relative to the objective of zero coefficients, ``solver`` names
    the methods that were used.
    """

    coef: np.ndarray
    gap: float
    n_iter: int
    converged: bool
    solver: str


def solve(problem, *, tol, max_iter, start=None, solver="auto"):
    """Minimise a problem to a relative duality gap.

    Parameters
    ----------
    problem : Problem
    tol : float
        Relative duality gap to reach.
    max_iter : int
        Newton steps, sweeps of coordinate descent, or rounds of proximal and Newton steps.
    start : ndarray of shape problem.shape, optional
    solver : {"auto", "newton", "coordinate-descent", "proximal"}
        "auto" chooses by costs. Where a method does not apply, the next one is used.

    Returns
    -------
    Solution
    """
    tol = max(tol, ROUNDING)
    no_signal = problem.quadratic.energy == 0.0
    W = np.zeros(problem.shape) if start is None or no_signal else start
    rounds = L21Rounds(problem, solver) if solver != "proximal" and is_suited(problem) else None
    working_sets = WorkingSets(problem, newton=solver != "proximal")
    n_iter, waited, best = 0, 0, np.inf
    if rounds is not None and not no_signal and rounds.looks_at_all(W):
        W, n_iter = rounds.improve(W, None, None, tol, max_iter)
    while True:
        product = problem.quadratic.product(W)
        gap = problem.gap(W, product)
        if np.isnan(gap):  # squares of X or y exceed the range of floating point
            return Solution(W, np.inf, max(n_iter, 1), False, _names(rounds, working_sets))
        if gap <= tol or n_iter >= max_iter or not problem.shape[0]:
            return Solution(W, gap, max(n_iter, 1), bool(gap <= tol), _names(rounds, working_sets))
        waited = 0 if gap < 0.5 * best else waited + 1
        best = min(gap, best)
        if rounds is not None and not rounds.stalled and waited < PATIENCE:
            W, spent = rounds.improve(W, product, gap, tol, max_iter - n_iter)
            n_iter += spent
            continue
        before = W
        W, spent, whole = working_sets.improve(W, product, gap, tol, max_iter - n_iter)
        n_iter += spent
        if whole and np.array_equal(W, before):  # a fixed point up to rounding
            return Solution(W, gap, n_iter, False, _names(rounds, working_sets))


def _names(*methods):
    used = [name for method in methods if method is not None for name in method.used]
    return " + ".join(dict.fromkeys(used))


class WorkingSets:
    """Proximal and Newton steps on working sets of features that grow geometrically.

    Parameters
    ----------
    problem : Problem
    newton : bool
        Whether to take Newton steps.
    """

    def __init__(self, problem, *, newton):
        self.problem, self.newton = problem, newton
        self.size = SMALLEST_SET
        self.used = []

    def improve(self, W, product, gap, tol, max_iter):
        """(W, rounds spent, whether all features took part) on the features that matter now."""
        self.used.append("proximal + newton" if self.newton else "proximal")
        rows = _working_set(self.problem, W, product, self.size)
        self.size = 2 * len(rows)
        whole = len(rows) == len(W)
        inner_tol = tol if whole else max(0.2 * gap, 0.5 * tol)
        W, spent = _solve_on(self.problem, W, rows, inner_tol, max_iter, newton=self.newton)
        return W, spent, whole


def _working_set(problem, W, product, size):
    """Features in use and those that violate optimality most, at least `size` of them."""
    used = W.any(axis=1)
    size = min(max(size, 2 * int(used.sum())), len(W))
    if size == len(W):
        return np.arange(len(W))
    scores = np.where(used, np.inf, problem.violations(W, product))
    size = max(size, int(np.isinf(scores).sum()))
    return np.sort(np.argpartition(-scores, size - 1)[:size])


def _solve_on(problem, W, rows, tol, max_iter, *, newton):
    """Proximal and Newton steps on some features until their gap is below tol."""
    quadratic = problem.quadratic.restrict(rows)
    gauge, ridge = problem.gauge_on(rows), problem.ridge[rows]
    proximal = ProximalSteps(quadratic, gauge, ridge)
    steps = NewtonSteps(quadratic, gauge, ridge)
    part = W[rows]
    product = quadratic.product(part)
    for spent in range(1, max_iter + 1):  # noqa: B007
        before = part
        part, product = proximal.run(part, product, PROXIMAL_STEPS)
        gap = np.inf
        # At least one Newton step: flat directions are its strength.
        for _ in range(NEWTON_STEPS if newton else 0):
            part, product, taken = steps.run(part, product)
            previous, gap = gap, problem.gap(part, product, rows)
            if not taken or gap <= tol or gap > 0.5 * previous:
                break
        if not newton:
            gap = problem.gap(part, product, rows)
        if gap <= tol or np.array_equal(part, before):
            break
    W = np.zeros_like(W)
    W[rows] = part
    return W, spent
