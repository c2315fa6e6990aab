"""Every solution has a certificate, whatever the working set."""

import numpy as np
import pytest
from helpers import make_case
from numpy.testing import assert_allclose

from skmtl.penalties import L1, L21, SquaredL2
from skmtl.problem import Problem
from skmtl.solvers import solve, working_set
from skmtl.task_data import make_task_data


def problem_of(penalty, *, n=8, p=200, seed=0, layout="outputs", noise=1.0):
    case = make_case(layout, n=n, p=p, seed=seed, noise=noise)
    X, ids = (case.X, None) if layout == "outputs" else (case.X[:, 1:], case.X[:, 0].astype(int))
    return Problem(make_task_data(X, case.y, ids=ids), penalty)


def fraction_of_largest(penalty, share):
    return penalty.set_params(alpha=penalty.alpha * share)


@pytest.mark.parametrize("layout", ["outputs", "column"])
@pytest.mark.parametrize("share", [0.9, 0.3, 0.05, 1e-3])
@pytest.mark.parametrize("smallest", [1, 10, 50, 1000])
def test_working_sets_of_any_size_agree(layout, share, smallest, monkeypatch):
    alpha = share * problem_of(L21(1.0), layout=layout).null_dual_norm()
    problem = problem_of(L21(alpha), layout=layout)
    reference = solve(problem, tol=1e-10, max_iter=2000)
    monkeypatch.setattr(working_set, "SMALLEST_SET", smallest)
    solution = solve(problem, tol=1e-10, max_iter=2000)
    assert solution.converged
    assert solution.gap <= 1e-10
    assert_allclose(
        problem.quadratic.product(solution.coef),
        problem.quadratic.product(reference.coef),
        atol=1e-3 * np.abs(problem.quadratic.cross).max(),
    )


@pytest.mark.parametrize("penalty", [L21(0.05) + L1(0.05), L21(0.1) + SquaredL2(0.1), L1(0.1)])
@pytest.mark.parametrize("layout", ["outputs", "column"])
def test_certificate_is_that_of_the_whole_problem(penalty, layout):
    problem = problem_of(penalty, layout=layout)
    for tol in (1e-2, 1e-5, 1e-9):
        solution = solve(problem, tol=tol, max_iter=1000)
        product = problem.quadratic.product(solution.coef)
        assert_allclose(problem.gap(solution.coef, product), solution.gap, rtol=1e-3, atol=1e-14)
        assert solution.gap <= tol


def test_start_at_the_solution_takes_no_step():
    problem = problem_of(L21(0.1))
    solution = solve(problem, tol=1e-8, max_iter=1000)
    again = solve(problem, tol=1e-8, max_iter=1000, start=solution.coef)
    assert again.n_iter == 1
    assert again.gap <= 1e-8
    assert_allclose(again.coef, solution.coef, atol=1e-3)


def test_any_start_ends_at_the_same_objective():
    problem = problem_of(L21(0.1) + L1(0.02), n=20, p=10)
    rng = np.random.RandomState(0)
    reference = solve(problem, tol=1e-13, max_iter=1000)
    for scale in (1e-3, 1.0, 1e3):
        start = scale * rng.normal(size=problem.shape)
        solution = solve(problem, tol=1e-13, max_iter=1000, start=start)
        assert_allclose(solution.coef, reference.coef, atol=1e-5)


def test_iterations_are_limited():
    problem = problem_of(L21(1e-3), noise=3.0)
    for max_iter in (1, 3):
        solution = solve(problem, tol=0.0, max_iter=max_iter)
        assert solution.n_iter <= max_iter
        assert not solution.converged


def test_a_problem_without_penalised_features():
    solution = solve(problem_of(L21(0.0), p=3), tol=1e-8, max_iter=5)
    assert solution.coef.shape == (0, 3)
    assert solution.converged


@pytest.mark.parametrize("condition", [1e2, 1e5])
def test_correlated_and_badly_scaled_features(condition):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(60, 1)) + 0.05 * rng.normal(size=(60, 12))
    X *= np.geomspace(1.0, condition, 12)
    Y = rng.normal(size=(60, 4))
    data = make_task_data(X, Y)
    alpha = 0.01 * Problem(data, L21(1.0)).null_dual_norm()
    solution = solve(Problem(data, L21(alpha)), tol=1e-9, max_iter=1000)
    assert solution.converged
