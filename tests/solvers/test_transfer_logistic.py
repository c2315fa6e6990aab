"""Logistic regression with an offset, and mixtures of log-odds, by optimality and brute force."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit, softmax

from skmtl.solvers import transfer_logistic
from skmtl.solvers.transfer_logistic import OffsetLogistic, stack_log_odds


def problem(n, p, n_classes, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n, p))
    labels = np.argmax(X[:, :n_classes] + rng.gumbel(size=(n, n_classes)), axis=1)
    Y = np.eye(n_classes)[labels]
    Y = Y[:, 1:] if n_classes == 2 else Y
    return X, Y, rng.normal(size=Y.shape), rng.uniform(0.3, 2.0, size=n)


def probabilities(z):
    return expit(z) if z.shape[1] == 1 else softmax(z, axis=1)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("shape", [(40, 6), (15, 50)])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_gradient_is_zero(shape, n_classes, direct, kind, fit_intercept, monkeypatch):
    X, Y, offset, v = problem(*shape, n_classes)
    if not direct:
        monkeypatch.setattr(transfer_logistic, "LARGEST_DIRECT", 0)
    given = sparse.csr_array(X) if kind == "sparse" else X
    fitter = OffsetLogistic(given, Y, v, fit_intercept=fit_intercept)
    assert fitter.direct == (direct and (kind == "dense" or shape == (15, 50)))
    solution = fitter.solve(offset, 0.3, tol=1e-10, max_iter=100)
    assert solution.converged
    slope = v[:, None] * (probabilities(offset + X @ solution.coef + solution.intercept) - Y)
    assert_allclose(X.T @ slope + 0.3 * solution.coef, 0, atol=1e-5)
    if fit_intercept:
        assert_allclose(slope.sum(axis=0), 0, atol=1e-5)
    else:
        assert_allclose(solution.intercept, 0)


def test_separable_rows_and_a_small_penalty():
    X = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    Y = np.array([[0.0], [0.0], [1.0], [1.0]])
    fitter = OffsetLogistic(X, Y, np.ones(4), fit_intercept=True)
    solution = fitter.solve(np.zeros((4, 1)), 1e-6, tol=1e-10, max_iter=100)
    assert solution.converged
    assert solution.coef[0, 0] > 5


def test_starts_do_not_matter():
    X, Y, offset, v = problem(15, 50, 3)
    fitter = OffsetLogistic(X, Y, v, fit_intercept=True)
    one = fitter.solve(offset, 0.3, tol=1e-12, max_iter=100)
    start = fitter.solve(offset, 3.0, tol=1e-12, max_iter=100)
    two = fitter.solve(offset, 0.3, tol=1e-12, max_iter=100, start=(start.coef, start.intercept))
    assert_allclose(two.coef, one.coef, atol=1e-6)
    few = fitter.solve(offset, 0.3, tol=1e-12, max_iter=1)
    assert not few.converged
    assert few.n_iter == 1


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_stacking_is_the_best_mixture(n_classes, seed):
    _, Y, alone, v = problem(30, 4, n_classes, seed)
    rng = np.random.RandomState(seed)
    differences = rng.normal(size=(3, *Y.shape)) + [[[1.0]], [[0.0]], [[0.5]]] * (2 * Y - 1)

    def loss(a):
        p = probabilities(alone + np.tensordot(a, differences, axes=1))
        p = np.where(Y > 0, p, 1 - p) if n_classes == 2 else (p * Y).sum(axis=1, keepdims=True)
        return -(v @ np.log(p)).sum()

    a = stack_log_odds(alone, differences, Y, v)
    bound = {"type": "ineq", "fun": lambda a: 1 - a.sum()}
    best = minimize(loss, np.full(3, 0.3), bounds=[(0, 1)] * 3, constraints=bound, tol=1e-12)
    assert loss(a) <= best.fun + 1e-6
    assert (a >= 0).all()
    assert a.sum() <= 1 + 1e-9


def test_nothing_to_stack():
    Y = np.ones((4, 1))
    assert stack_log_odds(Y, np.zeros((0, 4, 1)), Y, np.ones(4)).shape == (0,)
    assert_allclose(stack_log_odds(Y, np.zeros((2, 4, 1)), Y, np.ones(4)), 0)
