"""Regularisation paths: one problem under many penalties, each solved from the one before."""

from typing import NamedTuple

import numpy as np

RESOLUTION = np.finfo(np.float64).resolution  # alpha where there is nothing to learn
LONGEST = 2.0  # steps of the path that a line is trusted for


class PathPoint(NamedTuple):
    """Coefficients (n_features, n_tasks), intercepts (n_tasks,) and certificate of a penalty.

    ``parts`` is a dict of coefficients if the penalty has parts with names, else None.
    """

    coef: np.ndarray
    intercept: np.ndarray
    gap: float
    n_iter: int
    converged: bool
    parts: dict | None = None


def alpha_grid(largest, *, eps, n_alphas):
    """`n_alphas` penalties from `largest`, where all is zero, to `eps` times that.

    Falls in equal ratios, as in scikit-learn; all are 1e-15 if `largest` is not above that.
    """
    if largest <= RESOLUTION:
        return np.full(n_alphas, RESOLUTION)
    return np.geomspace(largest, largest * eps, num=n_alphas)


def solve_path(problem, penalties, *, tol, max_iter, solve, start=None, alphas=None):
    """Solve a problem under one penalty after the other, each started from those before.

    Parameters
    ----------
    problem : Problem, LossProblem, or one of a structured penalty
        With ``with_penalty``, ``kept_start`` and ``complete``.
    penalties : iterable of Penalty
        From strong to weak, so that each solution is a good start for the next.
    tol : float
        Relative duality gap to reach everywhere.
    max_iter : int
        Of every solution.
    solve : callable
        ``solve(problem, *, tol, max_iter, start) -> Solution``.
    start : ndarray of shape (n_features, n_tasks), optional
        Coefficients to start the first one from.
    alphas : ndarray of shape (n_penalties,), optional
        The strengths of the penalties. With them a start is the line through the two solutions
        before, since between changes of the support solutions are nearly linear in alpha.

    Yields
    ------
    PathPoint
    """
    before = None
    for number, penalty in enumerate(penalties):
        problem = problem.with_penalty(penalty)
        ahead = start
        if before is not None and alphas is not None and not hasattr(problem, "memory"):
            ahead = _extrapolate(before, start, alphas[number - 2 : number + 1], penalty)
        # Problems with a memory go on where they were.
        kept = None if hasattr(problem, "memory") else problem.kept_start(ahead)
        solution = solve(problem, tol=tol, max_iter=max_iter, start=kept)
        before = start if number else None
        start, intercept = problem.complete(solution.coef)
        parts = None
        if hasattr(problem, "complete_parts"):
            parts = problem.complete_parts(solution.coef, start)
        certificate = solution.gap, solution.n_iter, solution.converged
        yield PathPoint(start, intercept, *certificate, parts)


def _extrapolate(first, second, alphas, penalty):
    """Where the line through the coefficients at two alphas is at a third."""
    step = alphas[1] - alphas[0]
    factor = min(max((alphas[2] - alphas[1]) / step, 0.0), LONGEST) if step else 0.0
    ahead = second + factor * (second - first)
    turned = np.einsum("ij,ij->i", ahead, second) <= 0  # through zero
    ahead[turned] = second[turned]
    gauge = penalty.gauge()
    if gauge is not None and gauge.entrywise:
        ahead[ahead * second <= 0] = 0.0
    return ahead
