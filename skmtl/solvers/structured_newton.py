"""Proximal Newton for losses under a penalty of any structure.

As `proximal_newton`, with the splitting solver for the quadratic models. The certificate is the
residual of the last model, which its solver leaves feasible but for rounding.
"""

import numpy as np

from skmtl.solvers import splitting
from skmtl.solvers.working_set import ROUNDING, Solution

NAME = "proximal newton + splitting"
FIRST_DAMPING = 1e-3
SMALLEST_DAMPING = 1e-9
INNER_ROUNDS = 200
INNER_SHARE = 0.05  # the model is solved to this share of the gap
SLOW, SHARPER = 0.5, 0.01  # a gap that falls by less asks for models solved to less
PATIENCE = 4  # steps that change nothing but by rounding


def solve(problem, *, tol, max_iter, start=None):
    """Minimise a StructuredLossProblem to a relative duality gap.

    Parameters
    ----------
    problem : StructuredLossProblem
    tol : float
        Duality gap to reach, relative to the loss of the best constant predictions.
    max_iter : int
        Newton steps.
    start : ndarray of shape problem.shape, optional
        Parts of the coefficients; without it a path goes on where it was.

    Returns
    -------
    Solution
        ``coef`` are the parts (n_parts, n_kept_features, n_columns).
    """
    tol = max(tol, ROUNDING)
    if problem.null_objective == 0.0 or not problem.shape[1] or not problem.shape[2]:
        return Solution(np.zeros(problem.shape), 0.0, 1, True, NAME)
    state = problem.memory.get("state")
    if start is None and state is not None:
        start = problem.memory["parts"]
    point, parts = problem.start(start)
    damping, idle, lower, gap, n_iter = FIRST_DAMPING, 0, 0.0, np.inf, 0
    sharper = 1.0
    certificate = problem.zero_certificate(parts)
    while True:
        lower = max(lower, problem.residual_dual(point, certificate))
        before, value = gap, problem.objective(point, parts)
        gap = max((value - lower) / problem.null_objective, np.finfo(float).eps)
        if gap <= tol or n_iter >= max_iter or idle >= PATIENCE:
            break
        if gap > SLOW * before:
            sharper *= SHARPER
        model = problem.model(point, parts, damping)
        quadratic = model.problem
        if state is not None:
            quadratic.memory["state"] = state
        share = sharper * INNER_SHARE * max(min(gap, 1.0), tol) * problem.null_objective
        energy = quadratic.quadratic.energy
        inner_tol = min(share / energy, 0.1) if energy > 0 else 0.1
        first = parts if state is None else None
        solution = splitting.solve(quadratic, tol=inner_tol, max_iter=INNER_ROUNDS, start=first)
        coef, intercept = model.complete(solution.coef)
        if "state" in quadratic.memory:
            state = quadratic.memory["state"]
            certificate = state["Ys"], state["V"]
            dual = problem.model_dual(point, model, coef, intercept, certificate)
            lower = max(lower, dual)
        point, parts, step, decrease = problem.search_parts(
            point, parts, solution.coef, coef, intercept
        )
        n_iter += 1
        damping = max(0.1 * damping, SMALLEST_DAMPING) if step == 1 else min(30 * damping, 1.0)
        idle = idle + 1 if decrease <= ROUNDING * problem.null_objective and gap == before else 0
    problem.memory.update(state=state, parts=parts)
    return Solution(parts, gap, max(n_iter, 1), bool(gap <= tol), NAME)
