"""The proximal map of total variation: optimality, brute force, ties and extreme thresholds."""

import cvxpy as cp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skmtl.penalties.total_variation import total_variation_prox


def assert_optimal(V, threshold, W):
    """V - W is D'u with |u| <= threshold, and u = threshold * sign where W jumps."""
    threshold = np.broadcast_to(threshold, (len(V), 1))
    scale = np.abs(V).max() * V.shape[1] + np.finfo(float).tiny
    sums = np.cumsum(V - W, axis=1)
    dual, jumps = -sums[:, :-1], np.diff(W, axis=1)
    assert np.abs(sums[:, -1]).max() <= 1e-13 * scale
    assert (np.abs(dual) - threshold).max(initial=-1.0) <= 1e-13 * scale
    clear = np.abs(jumps) > 1e-12 * scale
    expected = np.broadcast_to(threshold, dual.shape) * np.sign(jumps)
    assert np.abs(dual - expected)[clear].max(initial=0.0) <= 1e-13 * scale


@pytest.mark.parametrize("seed", range(60))
def test_is_optimal(seed):
    rng = np.random.default_rng(seed)
    n_rows, n_columns = rng.integers(1, 8), rng.integers(2, 40)
    V = rng.normal(size=(n_rows, n_columns)) * 10.0 ** rng.integers(-8, 8)
    if seed % 3 == 0:
        V = np.cumsum(V, axis=1)
    if seed % 4 == 0:  # many ties
        V = np.round(V / np.abs(V).max() * 3)
    threshold = np.abs(V).max() * 10.0 ** rng.uniform(-4, 2, size=(n_rows, 1))
    if seed % 8 == 0:
        threshold = np.ceil(threshold)
    assert_optimal(V, threshold, total_variation_prox(V, threshold))


def test_many_rows_are_each_row_alone():
    rng = np.random.default_rng(0)
    V, threshold = rng.normal(size=(50, 30)), rng.uniform(0, 3, size=(50, 1))
    W = total_variation_prox(V, threshold)
    for row in range(50):
        alone = total_variation_prox(V[row : row + 1], float(threshold[row, 0]))
        assert_array_equal(W[row : row + 1], alone)


@pytest.mark.parametrize("threshold", [0.05, 0.4, 2.0])
def test_against_cvxpy(threshold):
    V = np.random.default_rng(1).normal(size=(4, 12))
    W = cp.Variable(V.shape)
    cost = cp.sum_squares(W - V) / 2 + threshold * cp.sum(cp.abs(cp.diff(W, axis=1)))
    best = cp.Problem(cp.Minimize(cost)).solve(solver=cp.CLARABEL)
    W.value = total_variation_prox(V, threshold)
    assert_allclose(cost.value, best, rtol=1e-7)


def test_two_columns_by_hand():
    V = np.array([[0.0, 4.0], [4.0, 0.0], [1.0, 1.5], [2.0, 2.0]])
    expected = np.array([[1.0, 3.0], [3.0, 1.0], [1.25, 1.25], [2.0, 2.0]])
    assert_array_equal(total_variation_prox(V, 1.0), expected)


def test_all_patterns_of_three_columns():
    """Brute force: the best over all ways to join neighbours and all directions of the jumps."""
    grid = np.array(np.meshgrid([-1.0, 0.0, 0.5, 3.0], [-1.0, 0.5, 2.0], [0.0, 0.5, 1.0]))
    V = grid.reshape(3, -1).T
    for threshold in (0.0, 0.25, 0.5, 1.0):

        def cost(W, threshold=threshold):
            rough = np.abs(np.diff(W, axis=1)).sum(axis=1)
            return np.sum((W - V) ** 2, axis=1) / 2 + threshold * rough

        candidates = [np.repeat(V.mean(axis=1, keepdims=True), 3, axis=1)]
        for first in (-threshold, 0.0, threshold):
            for second in (-threshold, 0.0, threshold):
                moved = V + np.array([first, second - first, -second])
                candidates.append(moved)
                left, right = moved[:, :2].mean(axis=1), moved[:, 1:].mean(axis=1)
                candidates.append(np.column_stack([left, left, moved[:, 2]]))
                candidates.append(np.column_stack([moved[:, 0], right, right]))
        best = np.min([cost(W) for W in candidates], axis=0)
        assert_allclose(cost(total_variation_prox(V, threshold)), best, atol=1e-14)


def test_limits():
    V = np.random.default_rng(2).normal(size=(5, 20))
    assert_allclose(total_variation_prox(V, 0.0), V, rtol=0, atol=1e-15)
    means = np.repeat(V.mean(axis=1, keepdims=True), 20, axis=1)
    for threshold in (1e3, 1e300, np.inf):
        W = total_variation_prox(V, threshold)
        assert_allclose(W, means, rtol=0, atol=1e-15)
        assert not np.ptp(W, axis=1).any()
    constant = np.abs(np.cumsum(V - means, axis=1)).max(axis=1, keepdims=True)
    assert np.ptp(total_variation_prox(V, 0.999 * constant), axis=1).all()
    assert not np.ptp(total_variation_prox(V, 1.001 * constant), axis=1).any()


@pytest.mark.parametrize("shape", [(3, 1), (1, 1), (0, 4), (3, 0)])
def test_nothing_to_smooth(shape):
    V = np.ones(shape)
    W = total_variation_prox(V, 2.0)
    assert_array_equal(W, V)
    assert W is not V


def test_constant_and_zero_rows_stay():
    V = np.array([[0.0] * 6, [0.1] * 6, [1.0, 2.0, 3.0, 3.0, 2.0, 1.0]])
    W = total_variation_prox(V, 0.3)
    assert_array_equal(W[0], 0.0)
    assert_allclose(W[1], 0.1, rtol=1e-15)


def test_symmetries():
    """Mirror images, other signs, other units and shifts."""
    V = np.random.default_rng(3).normal(size=(6, 25))
    W = total_variation_prox(V, 0.7)
    assert_allclose(total_variation_prox(V[:, ::-1], 0.7), W[:, ::-1], atol=1e-14)
    assert_allclose(total_variation_prox(-V, 0.7), -W, atol=1e-14)
    assert_allclose(total_variation_prox(1e-200 * V, 0.7e-200), 1e-200 * W, rtol=1e-11)
    assert_allclose(total_variation_prox(V + 5.0, 0.7), W + 5.0, atol=1e-14)
