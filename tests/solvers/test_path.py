"""Paths of penalties: every point is a solution, whatever came before."""

import numpy as np
import pytest
from helpers import make_case
from numpy.testing import assert_allclose, assert_array_equal
from test_problem import FACTOR, read

from skmtl.penalties import L1, L21, SquaredL2
from skmtl.problem import Problem
from skmtl.solvers import solve
from skmtl.solvers.path import alpha_grid, solve_path


def test_grid():
    assert_allclose(alpha_grid(2.0, eps=1e-2, n_alphas=3), [2.0, 0.2, 0.02])
    assert_array_equal(alpha_grid(3.0, eps=0.1, n_alphas=1), [3.0])
    assert_array_equal(alpha_grid(0.0, eps=0.1, n_alphas=2), [1e-15, 1e-15])


@pytest.mark.parametrize("layout", ["column", "outputs", "csr_matrix", "outputs_nan"])
@pytest.mark.parametrize("factor", [None, FACTOR], ids=["plain", "factor"])
def test_points_are_solutions(layout, factor):
    data = read(make_case(layout, "rows"))
    penalties = [L21(a, factor=factor) + SquaredL2(0.1 * a) for a in (2.0, 0.5, 0.1, 0.01)]
    problem = Problem(data, penalties[0])
    path = list(solve_path(problem, penalties, tol=1e-12, max_iter=1000, solve=solve))
    assert len(path) == 4
    for penalty, point in zip(penalties, path, strict=True):
        alone = Problem(data, penalty)
        coef, intercept = alone.complete(solve(alone, tol=1e-12, max_iter=1000).coef)
        assert_allclose(point.coef, coef, atol=1e-6)
        assert_allclose(point.intercept, intercept, atol=1e-6)
        assert point.gap <= 1e-12
        assert point.converged


def test_each_point_starts_at_the_one_before():
    data = read(make_case("column"))
    problem = Problem(data, L21(1.0))
    starts = []

    def watched(problem, *, tol, max_iter, start):
        starts.append(start)
        return solve(problem, tol=tol, max_iter=max_iter, start=start)

    penalties = [L21(0.5), L21(0.2), L1(0.1)]
    path = list(solve_path(problem, penalties, tol=1e-8, max_iter=1000, solve=watched))
    assert starts[0] is None
    for start, before in zip(starts[1:], path[:-1], strict=True):
        assert_array_equal(start, before.coef)
    again = solve_path(
        problem, penalties[2:], tol=1e-8, max_iter=1000, solve=watched, start=path[2].coef
    )
    assert_array_equal(next(again).coef, path[2].coef)


@pytest.mark.parametrize("positive", [False, True])
def test_starts_on_the_line_through_two_solutions(positive):
    data = read(make_case("column", n=30))
    alphas = np.array([0.5, 0.45, 0.41, 0.35, 0.2])
    penalties = [L21(a, positive=positive) for a in alphas]
    problem, starts = Problem(data, penalties[0]), []

    def watched(problem, *, tol, max_iter, start):
        starts.append(start)
        return solve(problem, tol=tol, max_iter=max_iter, start=start)

    options = {"tol": 1e-14, "max_iter": 1000, "solve": watched}
    path = [p.coef for p in solve_path(problem, penalties, alphas=alphas, **options)]
    plain = [p.coef for p in solve_path(problem, penalties, **options)]
    assert starts[0] is None
    assert_array_equal(starts[1], path[0])
    for at in range(2, 5):
        factor = min((alphas[at] - alphas[at - 1]) / (alphas[at - 1] - alphas[at - 2]), 2.0)
        line = path[at - 1] + factor * (path[at - 1] - path[at - 2])
        same = line * path[at - 1] > 0
        assert_allclose(starts[at][same], line[same], atol=1e-12)
        assert not positive or (starts[at] >= 0).all()
        assert_allclose(path[at], plain[at], atol=1e-6)
        if not positive:  # the support grows rarely: the line is nearer
            near, far = (np.linalg.norm(s - path[at]) for s in (starts[at], path[at - 1]))
            assert near < far


@pytest.mark.parametrize("alphas", [[0.3, 0.3, 0.3], [0.1, 0.5, 0.2]])
def test_grids_that_do_not_fall(alphas):
    data = read(make_case("column"))
    penalties = [L21(a) for a in alphas]
    problem = Problem(data, penalties[0])
    options = {"tol": 1e-12, "max_iter": 1000, "solve": solve}
    for point, penalty in zip(
        solve_path(problem, penalties, alphas=np.array(alphas), **options), penalties, strict=True
    ):
        alone = solve(problem.with_penalty(penalty), tol=1e-12, max_iter=1000)
        assert_allclose(point.coef, alone.coef, atol=1e-6)


def test_down_to_no_penalty():
    data = read(make_case("column"))
    problem = Problem(data, L21(1.0))
    path = list(solve_path(problem, [L21(0.5), L21(0.0)], tol=1e-10, max_iter=1000, solve=solve))
    free = Problem(data, L21(0.0))
    assert_allclose(path[1].coef, free.complete(np.zeros((0, 3)))[0], atol=1e-10)
