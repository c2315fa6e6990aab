"""Proximal Newton: a general loss through penalised weighted least-squares problems.

The quadratic model of the loss at the current point is a squared-loss problem with weighted
rows, which the engine for these solves; a line search on the true objective makes it global.
Lee, Sun, Saunders 2014, *Proximal Newton-type methods for minimizing composite functions*, SIAM
Journal on Optimization 24.
"""

import numpy as np

from skmtl.solvers import working_set
from skmtl.solvers.coupled_newton import newton_step
from skmtl.solvers.working_set import ROUNDING, Solution

NAME = "proximal newton"
SMALLEST_SET = 200
FIRST_DAMPING = 1e-3
SMALLEST_DAMPING = 1e-9
INNER_ITERATIONS = 50
INNER_SHARE = 0.02  # the model is solved to this share of the gap
LAGGING = 1e-3  # a decrease below this share of the gap means that the gap is the dual point's
PATIENCE = 4  # steps that change nothing but by rounding


def solve(problem, *, tol, max_iter, start=None):
    """Minimise a LossProblem to a relative duality gap.

    An iteration builds and solves one quadratic model, on the features in use and those that
    violate optimality most.

    Parameters
    ----------
    problem : LossProblem
    tol : float
        Duality gap to reach, relative to the loss of the best constant predictions.
    max_iter : int
    start : ndarray of shape problem.shape, optional

    Returns
    -------
    Solution
    """
    tol = max(tol, ROUNDING)
    if problem.null_objective == 0.0:  # constant predictions are perfect
        return Solution(np.zeros(problem.shape), 0.0, 1, True, NAME)
    point, damping, idle, lower = problem.start(start), FIRST_DAMPING, 0, 0.0
    n_iter, size, gap = 0, SMALLEST_SET, np.inf
    while True:
        correlation = problem.correlation(point)
        lower, before = max(lower, problem.lower_bound(point, correlation)), gap
        gap = problem.gap(point, lower)
        if gap <= tol or n_iter >= max_iter or idle >= PATIENCE:
            break
        features = problem.working_set(point, correlation, size)
        model, X = problem.model(point, features, damping)
        coef, intercept = _solve_model(problem, model, features, point, max(gap, tol))
        if len(features) == problem.n_features:
            bound = problem.model_bound(point, features, X, coef, intercept, damping)
            lower = max(lower, bound)
        point, step, decrease = problem.search(point, features, X, coef, intercept)
        n_iter += 1
        # The objective has settled, but its certificate needs the residual more exactly.
        lags = gap <= 0.1 and decrease <= LAGGING * gap * problem.null_objective
        if problem.coupled or lags:
            accuracy = min(0.1, np.sqrt(gap))
            point, more = newton_step(problem, point, damping, accuracy)
            decrease += more
        damping = max(0.1 * damping, SMALLEST_DAMPING) if step == 1 else min(30 * damping, 1.0)
        idle = idle + 1 if decrease <= ROUNDING * problem.null_objective and gap == before else 0
        if idle:
            size = 2 * max(size, len(features))
    coef = point.coef[problem.kept]
    return Solution(coef, gap, max(n_iter, 1), bool(gap <= tol), NAME)


def _solve_model(problem, model, features, point, gap):
    """Coefficients and intercepts of a model, solved to a share of the problem's gap."""
    wanted = INNER_SHARE * gap * problem.null_objective
    energy = model.quadratic.energy
    start = model.kept_start(point.coef[features])
    tol = min(wanted / energy, 0.1) if energy > 0 else 0.1
    solution = working_set.solve(model, tol=tol, max_iter=INNER_ITERATIONS, start=start)
    return model.complete(np.asarray(solution.coef))
