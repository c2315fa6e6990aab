"""The penalty towards zero and a source, its duality gap, and the solver, against brute force."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skmtl.solvers.transfer_lasso import (
    LassoProblem,
    SourceL1,
    largest_alpha,
    solve_transfer_lasso,
)
from skmtl.transfer.ridge import make_design
from skmtl.transfer.sources import Rows

SHARES = [0.0, 0.2, 0.5, 0.8, 1.0]
every_share = pytest.mark.parametrize("share", SHARES)


def pose(X, y, weights=None):
    return LassoProblem(make_design(Rows(X, y, weights), np.empty((len(y), 0)), True))


def problem(n=40, p=12, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n, p)) + 0.7 * rng.normal(size=(n, 1))
    w = rng.normal(size=p) * (rng.uniform(size=p) < 0.4)
    source = w + 0.5 * rng.normal(size=p) * (rng.uniform(size=p) < 0.5)
    return X, X @ w + rng.normal(size=n), source


@every_share
@pytest.mark.parametrize("source", [1.3, -0.7, 0.0])
def test_prox_is_the_minimum_on_a_grid(share, source):
    penalty, step = SourceL1(0.8, share, np.array([source])), 0.7
    grid = np.linspace(-5, 5, 100_001)
    cost = 0.8 * (share * np.abs(grid) + (1 - share) * np.abs(grid - source))
    for u in np.linspace(-4, 4, 41):
        best = grid[np.argmin(0.5 * (grid - u) ** 2 + step * cost)]
        assert_allclose(penalty.prox(np.array([u]), step), best, atol=2e-4)


@every_share
def test_conjugate_and_slopes(share):
    source = np.array([1.3, -0.7, 0.0])
    penalty, grid = SourceL1(0.8, share, source), np.linspace(-6, 6, 1201)
    for z in np.linspace(-0.8, 0.8, 9):
        values = [z * w - SourceL1(0.8, share, source).value(w * np.ones(3)) for w in grid]
        # feature by feature: the sup of a sum is the sum of the sups
        best = sum(
            max(z * w - SourceL1(0.8, share, source[[j]]).value(np.array([w])) for w in grid)
            for j in range(3)
        )
        assert penalty.conjugate(np.full(3, z)) >= max(values) - 1e-12
        assert_allclose(penalty.conjugate(np.full(3, z)), best, atol=1e-9)
    for w in (source, np.zeros(3), source + 1, source - 0.1):
        left, right = penalty.slopes(w)
        for j in range(3):
            move = 1e-7 * np.eye(3)[j]
            assert_allclose(
                (penalty.value(w + move) - penalty.value(w)) / 1e-7, right[j], atol=1e-6
            )
            assert_allclose((penalty.value(w) - penalty.value(w - move)) / 1e-7, left[j], atol=1e-6)


@every_share
@pytest.mark.parametrize("shape", [(40, 12), (20, 60), (30, 400)])
@pytest.mark.parametrize("ratio", [0.5, 0.05, 0.002])
def test_solution_is_optimal(share, shape, ratio):
    X, y, source = problem(*shape)
    posed = pose(X, y)
    penalty = SourceL1(ratio * largest_alpha(posed, share, source), share, source)
    solution = solve_transfer_lasso(posed, penalty, tol=1e-10, max_iter=1000)
    assert solution.converged
    slope = posed.cross - posed.product(solution.coef)
    assert penalty.violations(solution.coef, slope).max() <= 1e-4 * np.abs(posed.cross).max()


def test_gap_bounds_the_distance_from_the_minimum():
    X, y, source = problem()
    posed, penalty = pose(X, y), SourceL1(0.1, 0.3, source)

    def objective(w):
        return 0.5 * (posed.energy + w @ (posed.product(w) - 2 * posed.cross)) + penalty.value(w)

    best = objective(solve_transfer_lasso(posed, penalty, tol=1e-14, max_iter=1000).coef)
    rng = np.random.RandomState(0)
    null = objective(np.zeros(12))
    assert_allclose(posed.null(penalty), null)
    for w in (source, np.zeros(12), rng.normal(size=12)):
        assert posed.gap(w, posed.product(w), penalty) * null >= objective(w) - best


@pytest.mark.parametrize("share", [0.0, 0.3, 0.45, 0.55, 0.7, 1.0])
def test_largest_alpha(share):
    X, y, source = problem()
    posed = pose(X, y)
    rest = source if share < 0.5 else np.zeros_like(source)
    top = largest_alpha(posed, share, source)
    for factor, trivial in ((1.0 + 1e-6, True), (0.99, False)):
        penalty = SourceL1(factor * top, share, source)
        w = solve_transfer_lasso(posed, penalty, tol=1e-14, max_iter=1000).coef
        assert np.allclose(w, rest, atol=1e-9) == trivial


def test_starts_do_not_matter():
    X, y, source = problem(20, 60)
    posed, penalty = pose(X, y), SourceL1(0.05, 0.4, source)
    rng = np.random.RandomState(1)
    one = solve_transfer_lasso(posed, penalty, tol=1e-13, max_iter=1000)
    two = solve_transfer_lasso(posed, penalty, tol=1e-13, max_iter=1000, start=rng.normal(size=60))
    assert_allclose(two.coef, one.coef, atol=1e-6)
    again = solve_transfer_lasso(posed, penalty, tol=1e-12, max_iter=1000, start=one.coef)
    assert_array_equal(again.coef, one.coef)


def test_equal_and_constant_features():
    X, y, source = problem()
    X = np.column_stack([X, X[:, :3], np.full(len(y), 7.0)])
    posed = pose(X, y)
    penalty = SourceL1(0.05, 0.3, np.append(source, [0.0, 0.5, -0.5, 2.0]))
    solution = solve_transfer_lasso(posed, penalty, tol=1e-9, max_iter=1000)
    assert solution.converged
    assert_allclose(solution.coef[-1], 2.0)  # nothing says otherwise


def test_no_signal():
    posed = pose(np.zeros((5, 3)), np.ones(5))
    solution = solve_transfer_lasso(posed, SourceL1(1.0, 0.5, np.zeros(3)), tol=1e-8, max_iter=10)
    assert solution.converged
    assert_array_equal(solution.coef, 0)
