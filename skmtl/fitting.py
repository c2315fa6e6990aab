"""From a TaskData, a loss and a penalty to fitted coefficients: which problem, which solver.

Penalties that are sums over rows have methods of their own; all others are split. A concave
penalty is met by a sequence of convex majorants.
"""

from typing import NamedTuple

import numpy as np

from skmtl.loss_problem import LossProblem
from skmtl.penalties import Decomposed
from skmtl.problem import Problem
from skmtl.solvers import proximal_newton, splitting, structured_newton, working_set
from skmtl.solvers.path import PathPoint
from skmtl.structured_loss_problem import StructuredLossProblem
from skmtl.structured_problem import StructuredProblem
from skmtl.trivial_scale import RIDGE_TOP, trivial_scale

MOST_MAJORANTS = 100
MAJORANTS_ON_PATH = 4
SETTLED = 1e-9  # decrease of a concave objective relative to the first one


class Fitted(NamedTuple):
    """A fit of one penalty.

    ``coef`` (n_features, n_columns) and ``intercept`` (n_columns,); ``parts``, a dict of
    coefficients if the penalty is `Decomposed`, else None; the certificate; ``objectives``,
    the objective after each majorant, of a concave penalty.
    """

    coef: np.ndarray
    intercept: np.ndarray
    parts: dict | None
    gap: float
    n_iter: int
    converged: bool
    solver: str
    objectives: list


def pose(data, penalty, loss_parts=None, *, labels=None, fit_intercept=True):
    """The problem of a convex penalty.

    Parameters
    ----------
    data : TaskData or, for the squared loss, TaskSums
    penalty : Penalty
    loss_parts : list of Part, optional
        None is the squared loss of all tasks.
    labels : ndarray of shape (n_tasks,), optional
        The task ids; those of the data by default.
    fit_intercept : bool

    Returns
    -------
    Problem, StructuredProblem, LossProblem or StructuredLossProblem
    """
    if loss_parts is None:
        if penalty.by_rows:
            return Problem(data, penalty, fit_intercept=fit_intercept)
        labels = data.labels if labels is None else labels
        return StructuredProblem(data, penalty, labels=labels, fit_intercept=fit_intercept)
    kind = LossProblem if penalty.by_rows else StructuredLossProblem
    return kind(data, penalty, loss_parts, fit_intercept=fit_intercept)


def solve(problem, *, tol, max_iter, start=None, solver="auto"):
    """Minimise any problem by the method that is made for it."""
    options = {"tol": tol, "max_iter": max_iter, "start": start}
    if isinstance(problem, StructuredLossProblem):
        return structured_newton.solve(problem, **options)
    if isinstance(problem, LossProblem):
        return proximal_newton.solve(problem, **options)
    if isinstance(problem, StructuredProblem):
        return splitting.solve(problem, **options)
    return working_set.solve(problem, **options, solver=solver)


def alpha_max(problem):
    """The factor of the penalty above which all that it can set to zero is zero.

    Infinite if there is none, because the penalty is a ridge.
    """
    if isinstance(problem, (StructuredProblem, StructuredLossProblem)):
        return trivial_scale(problem, solve)
    return problem.null_dual_norm()


def path_top(problem):
    """(the largest factor of a path, whether it is one of zeros).

    Without zeros it is where a ridge leaves about a thousandth of the coefficients.
    """
    top = alpha_max(problem)
    if np.isfinite(top):
        return top, True
    return RIDGE_TOP * problem.largest_curvature(), False


def fit(
    data,
    penalty,
    loss_parts=None,
    *,
    fit_intercept=True,
    tol,
    max_iter,
    start=None,
    solver="auto",
):
    """Fit a penalty, convex or concave.

    Parameters
    ----------
    data, penalty, loss_parts, fit_intercept
        As of `pose`.
    tol : float
        Relative duality gap to reach, of each majorant if the penalty is concave.
    max_iter : int
    start : ndarray of shape (n_features, n_columns) or (n_parts, n_features, n_columns), optional
    solver : str

    Returns
    -------
    Fitted
    """
    penalty.check(data.n_features, data.n_tasks)
    limits = {"tol": tol, "max_iter": max_iter, "solver": solver}
    if penalty.convex:
        problem = pose(data, penalty, loss_parts, fit_intercept=fit_intercept)
        solution = solve(problem, start=problem.kept_start(start), **limits)
        return _fitted(problem, solution, [])
    start = start if _fits(start, data, penalty) else None
    convex = penalty.majorant(start)
    problem = pose(data, convex, loss_parts, fit_intercept=fit_intercept)
    on_columns = _on_columns(data, penalty, loss_parts)
    objectives, best, spent, settled = [], None, 0, False
    for _ in range(MOST_MAJORANTS):
        solution = solve(problem, start=problem.kept_start(start), **limits)
        spent += solution.n_iter
        fitted = _fitted(problem, solution, objectives)
        start = full_start(fitted)
        objectives.append(loss_of(data, fitted, problem) + on_columns.value(start))
        if best is not None and objectives[-1] >= objectives[-2] - SETTLED * abs(objectives[0]):
            if objectives[-1] > objectives[-2]:  # by less than the tolerance of a majorant
                objectives.pop()
                fitted = best
            settled = True
            break
        best = fitted
        problem = problem.with_penalty(penalty.majorant(start))
    converged = fitted.converged and settled
    return fitted._replace(n_iter=spent, objectives=objectives, converged=converged)


def _fits(start, data, penalty):
    """Whether coefficients are of the shape that the penalty's majorant asks for."""
    if start is None:
        return False
    n_parts = len(penalty.parts()) if isinstance(penalty, Decomposed) else None
    parts = start.shape[:-2]
    return start.shape[-2] == data.n_features and parts == (() if n_parts is None else (n_parts,))


def _on_columns(data, penalty, loss_parts):
    """The penalty of the columns of the coefficients, where that is another."""
    if loss_parts is None:
        return penalty.for_columns(data.labels, np.arange(data.n_tasks))
    counts = {part.n_columns for part in loss_parts}
    if len(counts) != 1:
        return penalty
    tasks = np.concatenate([part.tasks for part in loss_parts])
    return penalty.for_columns(data.labels, tasks, counts.pop())


def concave_path(problem, penalties, *, tol, max_iter):
    """PathPoints of concave penalties, each from the majorant at the solution before.

    Parameters
    ----------
    problem : Problem, LossProblem, or one of a structured penalty
    penalties : iterable of Penalty
        From strong to weak.
    tol : float
    max_iter : int
    """
    for penalty in penalties:
        start, fitted = None, None
        for _ in range(MAJORANTS_ON_PATH):
            problem = problem.with_penalty(penalty.majorant(start))
            kept = None if hasattr(problem, "memory") else problem.kept_start(start)
            solution = solve(problem, tol=tol, max_iter=max_iter, start=kept)
            fitted = _fitted(problem, solution, [])
            start = full_start(fitted)
        certificate = fitted.gap, fitted.n_iter, fitted.converged
        yield PathPoint(fitted.coef, fitted.intercept, *certificate, fitted.parts)


def full_start(fitted):
    """Coefficients, or parts of them in one array, to start another fit from."""
    if fitted.parts is None:
        return fitted.coef
    return np.stack(list(fitted.parts.values()))


def loss_of(data, fitted, problem):
    """The loss of a fit."""
    if isinstance(problem, LossProblem):
        return problem.loss(problem._at(fitted.coef).fitted)
    errors = data.squared_errors(fitted.coef, fitted.intercept)
    n_bar = problem.n_bar if isinstance(problem, Problem) else problem.base.n_bar
    return 0.5 * np.sum(errors) / n_bar


def _fitted(problem, solution, objectives):
    coef, intercept = problem.complete(solution.coef)
    parts = None
    if hasattr(problem, "complete_parts"):
        parts = problem.complete_parts(solution.coef, coef)
    certificate = (solution.gap, solution.n_iter, solution.converged, solution.solver)
    return Fitted(coef, intercept, parts, *certificate, objectives)
