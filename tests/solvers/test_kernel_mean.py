"""The quadratic programme of kernel mean matching against cvxpy and by its bound."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import linprog
from scipy.spatial.distance import cdist

from skmtl.solvers.kernel_mean import interior_point, least_linear, match_means


def problem(n_rows, seed, shift=0.7, width=1.5):
    rng = np.random.RandomState(seed)
    source = rng.normal(size=(n_rows, 3))
    target = 0.6 * rng.normal(size=(50, 3)) + shift
    kernels = [np.exp(-(cdist(source, rows) ** 2) / (2 * width**2)) for rows in (source, target)]
    return kernels[0], n_rows * kernels[1].mean(axis=1)


def value(K, kappa, b):
    return 0.5 * b @ K @ b - kappa @ b


@pytest.mark.parametrize("bound", [1.5, 10.0, 1000.0])
@pytest.mark.parametrize("eps", [1e-3, 0.1, 0.9])
def test_against_cvxpy(bound, eps):
    cvxpy = pytest.importorskip("cvxpy")
    K, kappa = problem(80, 0)
    n = len(kappa)
    b = cvxpy.Variable(n)
    objective = 0.5 * cvxpy.quad_form(b, cvxpy.psd_wrap(K)) - kappa @ b
    limits = [b >= 0, b <= bound, cvxpy.abs(cvxpy.sum(b) - n) <= n * eps]
    optimum = cvxpy.Problem(cvxpy.Minimize(objective), limits).solve(solver=cvxpy.CLARABEL)
    found = match_means(K, kappa, bound=bound, eps=eps, tol=1e-9, max_iter=100)
    assert found.converged
    assert abs(value(K, kappa, found.weights) - optimum) <= 1e-6 * abs(optimum)
    assert found.weights.min() >= 0
    assert found.weights.max() <= bound
    assert abs(found.weights.sum() - n) <= n * eps


@pytest.mark.parametrize("bound", [2.5, 20.0, 1000.0])
@pytest.mark.parametrize("width", [0.4, 3.0])
def test_working_sets_reach_the_optimum_of_all_rows(bound, width):
    K, kappa = problem(500, 1, width=width)
    found = match_means(K, kappa, bound=bound, eps=0.9, tol=1e-8, max_iter=100)
    assert found.converged
    scale = 0.5 * K.sum()
    whole, _ = interior_point(K, kappa, 500, bound, 450.0, 1e-9 * scale, 100)
    assert abs(value(K, kappa, found.weights) - value(K, kappa, whole)) <= 1e-8 * scale


@pytest.mark.parametrize("seed", range(3))
def test_the_gap_bounds_the_error(seed):
    K, kappa = problem(60, seed)
    best = match_means(K, kappa, bound=5.0, eps=0.5, tol=1e-11, max_iter=100)
    optimum = value(K, kappa, best.weights)
    for n_steps in range(8):
        early = match_means(K, kappa, bound=5.0, eps=0.5, tol=0.0, max_iter=n_steps)
        above = value(K, kappa, early.weights) - optimum
        assert above <= early.gap * 0.5 * K.sum() * (1 + 1e-9) + 1e-8
        assert not early.converged


@pytest.mark.parametrize("seed", range(20))
def test_the_least_linear_value(seed):
    rng = np.random.RandomState(seed)
    n, bound = 7, rng.uniform(1.1, 4)
    costs, eps = rng.normal(size=n) + rng.normal(), rng.uniform(0.01, 0.9)
    limits = np.array([np.ones(n), -np.ones(n)]), np.array([n * (1 + eps), -n * (1 - eps)])
    expected = linprog(costs, *limits, bounds=[(0, bound)] * n).fun
    assert_allclose(least_linear(costs, bound, n * (1 - eps), n * (1 + eps)), expected, rtol=1e-9)


def test_equal_samples_have_equal_means():
    """The target is the source: weights of one are optimal."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(40, 2))
    K = np.exp(-(cdist(X, X) ** 2))
    found = match_means(K, K.sum(axis=1), bound=100.0, eps=0.9, tol=1e-10, max_iter=100)
    optimum = -0.5 * K.sum()
    assert_allclose(value(K, K.sum(axis=1), found.weights), optimum, rtol=1e-8)
