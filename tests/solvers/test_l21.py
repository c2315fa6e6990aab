"""Every method reaches the same minimum, on every shape of shared rows."""

import numpy as np
import pytest
from helpers import objective
from numpy.testing import assert_allclose
from scipy import sparse

from skmtl.penalties import L1, L21, SquaredL2
from skmtl.problem import Problem
from skmtl.solvers import SOLVERS, solve
from skmtl.solvers.coordinate_descent import CoordinateDescent
from skmtl.solvers.l21 import is_suited
from skmtl.task_data import make_task_data

# name: (n_rows, n_features, n_tasks)
SHAPES = {
    "tall": (80, 20, 3),
    "wide": (30, 700, 4),
    "more tasks than rows": (20, 300, 60),
    "more tasks than features": (60, 5, 40),
    "few tasks, many rows": (700, 800, 2),
    "one row": (1, 300, 2),
    "one feature": (20, 1, 3),
    "one task": (40, 300, 1),
}


def make_problem(shape, penalty_ratio=0.1, ridge=0.0, correlation=0.7, sparse_X=False, seed=0):
    n, p, n_tasks = shape
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) + correlation * rng.normal(size=(n, 1))
    W = np.zeros((p, n_tasks))
    W[: min(p, 8)] = rng.normal(size=(min(p, 8), n_tasks))
    if sparse_X:
        X *= rng.uniform(size=X.shape) < 0.2
    Y = X @ W + rng.normal(size=(n, n_tasks))
    if n == 1:
        Y = Y + 1.0
    data = make_task_data(sparse.csc_array(X) if sparse_X else X, Y)
    problem = Problem(data, L21(1.0), fit_intercept=n > 1)
    alpha = penalty_ratio * problem.null_dual_norm()
    return problem.with_penalty(L21(alpha) + SquaredL2(ridge * alpha))


def value(problem, W):
    return objective(problem, *problem.complete(W))


@pytest.mark.parametrize("ridge", [0.0, 0.5])
@pytest.mark.parametrize("ratio", [0.5, 0.05])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_methods_agree(shape, ratio, ridge):
    problem = make_problem(shape, ratio, ridge)
    zero = value(problem, np.zeros(problem.shape))
    values = {}
    for solver in SOLVERS:
        tol = 1e-3 if solver == "proximal" else 1e-10
        solution = solve(problem, tol=tol, max_iter=5000, solver=solver)
        assert solution.converged, (solver, solution.gap)
        assert solution.gap <= tol
        values[solver] = value(problem, solution.coef)
    assert_allclose(values["newton"], values["auto"], rtol=0, atol=1e-10 * zero)
    assert_allclose(values["coordinate-descent"], values["auto"], rtol=0, atol=1e-10 * zero)
    assert 0 <= (values["proximal"] - values["auto"]) + 1e-10 * zero <= 1.1e-3 * zero


def test_methods_are_named():
    wide = make_problem(SHAPES["wide"])
    assert solve(wide, tol=1e-8, max_iter=1000).solver == "newton"
    few = make_problem(SHAPES["few tasks, many rows"])
    assert solve(few, tol=1e-8, max_iter=1000).solver.startswith("coordinate-descent")
    assert solve(few, tol=1e-8, max_iter=1000, solver="newton").solver == "newton"
    sweeps = solve(few, tol=1e-8, max_iter=1000, solver="coordinate-descent")
    assert sweeps.solver == "coordinate-descent"
    assert solve(few, tol=1e-3, max_iter=5000, solver="proximal").solver == "proximal"
    mixed = few.with_penalty(few.full_penalty + L1(0.01))
    assert not is_suited(mixed)
    assert solve(mixed, tol=1e-4, max_iter=1000).solver == "proximal + newton"


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_sparse_is_dense(fit_intercept):
    problem = make_problem((60, 500, 3), 0.1, sparse_X=True)
    alpha = problem.gauge.alpha
    coefs = []
    for X in (problem.data.X, problem.data.X.toarray()):
        other = Problem(
            make_task_data(X, problem.data.y),
            L21(alpha),
            fit_intercept=fit_intercept,
        )
        solution = solve(other, tol=1e-12, max_iter=1000)
        assert solution.solver == "newton"
        coefs.append(solution.coef)
    assert_allclose(coefs[0], coefs[1], atol=1e-5)


def test_start_at_the_solution_takes_no_step():
    problem = make_problem(SHAPES["wide"])
    first = solve(problem, tol=1e-10, max_iter=1000)
    again = solve(problem, tol=1e-9, max_iter=1000, start=first.coef)
    assert again.n_iter == 1
    assert_allclose(again.coef, first.coef)


def test_factors_of_every_feature():
    problem = make_problem(SHAPES["wide"])
    factor = np.linspace(0.5, 2.0, problem.shape[0])
    penalty = L21(problem.gauge.alpha, factor=factor)
    weighted = problem.with_penalty(penalty)
    solution = solve(weighted, tol=1e-10, max_iter=1000)
    assert solution.solver == "newton"
    # Factors are a scaling of the columns.
    scaled = make_task_data(problem.data.X / factor, problem.data.y)
    other = solve(Problem(scaled, L21(penalty.alpha)), tol=1e-10, max_iter=1000)
    assert_allclose(solution.coef * factor[:, None], other.coef, atol=1e-4)


@pytest.mark.parametrize("iterations", [1, 2, 5])
def test_an_early_stop_is_certified(iterations):
    problem = make_problem(SHAPES["few tasks, many rows"])
    best = value(problem, solve(problem, tol=1e-12, max_iter=1000).coef)
    solution = solve(problem, tol=1e-12, max_iter=iterations)
    assert not solution.converged
    zero = value(problem, np.zeros(problem.shape))
    assert value(problem, solution.coef) - best <= solution.gap * zero


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_coordinate_descent_at_any_scale(scale):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(30, 10)), rng.normal(size=(30, 2))
    W = np.zeros((10, 2))
    wanted = CoordinateDescent(X, Y, 5.0, 1.0, np.float64).run(W, gap=1e-10, max_iter=1000)[0]
    for dtype, atol in ((np.float64, 1e-6), (np.float32, 1e-3)):
        descent = CoordinateDescent(scale * X, Y, scale * 5.0, scale**2, dtype)
        found, sweeps = descent.run(W, gap=1e-6, max_iter=1000)
        assert 0 < sweeps < 1000
        assert_allclose(scale * found, wanted, atol=atol)
