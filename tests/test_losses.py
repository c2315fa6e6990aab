"""Losses: derivatives against finite differences, bounds and conjugates against their meaning."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from skmtl.losses import LogisticLoss, MultinomialLoss

STEP = 1e-5


def random_cells(loss, n=40, seed=0):
    rng = np.random.RandomState(seed)
    if isinstance(loss, MultinomialLoss):
        return np.eye(4)[rng.randint(4, size=n)], 2.0 * rng.normal(size=(n, 4))
    y = rng.normal(size=(n, 1))
    return (y > 0).astype(float) if isinstance(loss, LogisticLoss) else y, 2.0 * rng.normal(
        size=(n, 1)
    )


def total(loss, y, z):
    return np.sum(loss.value(y, z), axis=-1)


every_loss = pytest.mark.parametrize("loss", [LogisticLoss(), MultinomialLoss()])
every_likelihood = pytest.mark.parametrize("loss", [LogisticLoss(), MultinomialLoss()])


@every_loss
def test_gradient(loss):
    y, z = random_cells(loss)
    for k, unit in enumerate(STEP * np.eye(z.shape[1])):
        slope = (total(loss, y, z + unit) - total(loss, y, z - unit)) / (2 * STEP)
        assert_allclose(loss.gradient(y, z)[:, k], slope, atol=1e-8)


@every_likelihood
def test_hessian(loss):
    y, z = random_cells(loss)
    move = np.random.RandomState(1).normal(size=z.shape)
    bent = (loss.gradient(y, z + STEP * move) - loss.gradient(y, z - STEP * move)) / (2 * STEP)
    assert_allclose(loss.bend(y, z)(move), bent, atol=1e-8)
    hessian = loss.hessian(y, z)
    assert_allclose(np.einsum("nij,nj->ni", hessian, move), bent, atol=1e-8)
    # The curvature is that of a diagonal above the Hessian.
    difference = loss.curvature(y, z)[..., None] * np.eye(z.shape[1]) - hessian
    assert np.linalg.eigvalsh(difference).min() >= -1e-12


def test_curvature_of_single_columns():
    loss = LogisticLoss()
    y, z = random_cells(loss)
    slope = (loss.gradient(y, z + STEP) - loss.gradient(y, z - STEP)) / (2 * STEP)
    assert_allclose(loss.curvature(y, z), slope, atol=1e-8)


def test_safe_curvature_is_above_the_logistic_loss_everywhere():
    loss, z = LogisticLoss(), np.linspace(-30, 30, 301)[:, None]
    for y in (0.0, 1.0):
        for at in (-25.0, -3.0, -1e-5, 0.0, 0.5, 12.0):
            slope = loss.gradient(y, at)
            bend = loss.safe_curvature(y, at)
            model = loss.value(y, at) + slope * (z - at) + bend / 2 * (z - at) ** 2
            assert np.all(model - loss.value(y, z) >= -1e-12)


@every_likelihood
@pytest.mark.parametrize("size", [40.0, 800.0, 1e8])
def test_certain_predictions_are_finite_and_accurate(loss, size):
    y, z = random_cells(loss)
    for sign in (1.0, -1.0):
        z = sign * size * (2.0 * y - 1.0)
        for values in (loss.value(y, z), loss.gradient(y, z), loss.curvature(y, z)):
            assert np.isfinite(values).all()
        assert np.all(loss.safe_curvature(y, z) > 0)
    right = loss.gradient(y, 40.0 * (2.0 * y - 1.0))
    assert np.all(right != 0)  # p - 1 would be rounded to 0
    assert np.abs(right).max() < 1e-16


@every_loss
def test_conjugate(loss):
    """value + conjugate = u z where u is the gradient at z, and never less for another z."""
    y, z = random_cells(loss)
    u = loss.gradient(y, z)
    touching = total(loss, y, z) + np.sum(loss.conjugate(y, u), axis=-1)
    assert_allclose(touching, np.sum(u * z, axis=-1), atol=1e-12)
    for scale in (0.3, 0.9):
        conjugate = np.sum(loss.conjugate(y, scale * u), axis=-1)
        bound = total(loss, y, z) + conjugate - np.sum(scale * u * z, axis=-1)
        assert np.all(bound >= -1e-12)
        row = scale * u[0], y[:1]
        best = minimize(lambda s, u, y: total(loss, y, s[None])[0] - u @ s, z[0], args=row)
        assert_allclose(conjugate[0], -best.fun, atol=1e-5)


def test_nearest_slope():
    loss, y = LogisticLoss(), np.array([[0.0], [1.0], [0.0], [1.0]])
    slopes = loss.nearest_slope(y, np.array([[-0.5], [0.2], [1.5], [-0.3]]))
    assert_allclose(slopes, [[0.0], [0.0], [1.0], [-0.3]])
    assert np.isfinite(loss.conjugate(y, slopes)).all()
