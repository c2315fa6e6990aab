"""Losses: derivatives against finite differences, bounds and conjugates against their meaning."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from scipy.special import huber
from sklearn.metrics import mean_poisson_deviance

from skmtl.losses import (
    HUBER_FLOOR,
    HuberLoss,
    LogisticLoss,
    MultinomialLoss,
    PoissonLoss,
    SquaredLoss,
)

STEP = 1e-5
SMOOTH = [SquaredLoss(), PoissonLoss(), LogisticLoss(), MultinomialLoss()]
ELEMENTWISE = [SquaredLoss(), HuberLoss(1.35), PoissonLoss(), LogisticLoss()]


def random_cells(loss, n=40, seed=0):
    rng = np.random.RandomState(seed)
    if isinstance(loss, MultinomialLoss):
        return np.eye(4)[rng.randint(4, size=n)], 2.0 * rng.normal(size=(n, 4))
    z = 2.0 * rng.normal(size=(n, 1))
    if isinstance(loss, PoissonLoss):
        return rng.poisson(2.0, size=(n, 1)).astype(float), 0.5 * z
    y = rng.normal(size=(n, 1))
    return (y > 0).astype(float) if isinstance(loss, LogisticLoss) else y, z


def total(loss, y, z):
    return np.sum(loss.value(y, z), axis=-1)


def by_name(loss):
    return type(loss).__name__


every_loss = pytest.mark.parametrize("loss", [*SMOOTH, HuberLoss(1.35)], ids=by_name)
every_smooth = pytest.mark.parametrize("loss", SMOOTH, ids=by_name)
every_likelihood = pytest.mark.parametrize("loss", [LogisticLoss(), MultinomialLoss()], ids=by_name)
every_elementwise = pytest.mark.parametrize("loss", ELEMENTWISE, ids=by_name)

CONJUGATES = {  # slopes by target
    "SquaredLoss": {-1.5: (-2.0, 0.3, 3.0), 0.5: (-1.0, 2.0)},
    "HuberLoss": {-1.5: (-1.35, -0.4, 0.0, 1.0, 1.35), 4.0: (-1.35, 0.9)},
    "PoissonLoss": {0.0: (0.0, 0.3, 5.0), 3.0: (-2.9, -1.0, 0.0, 4.0), 40.0: (-39.0, 30.0)},
    "LogisticLoss": {0.0: (0.1, 0.5, 0.99), 1.0: (-0.9, -0.2)},
}


@every_loss
def test_gradient(loss):
    y, z = random_cells(loss)
    for k, unit in enumerate(STEP * np.eye(z.shape[1])):
        slope = (total(loss, y, z + unit) - total(loss, y, z - unit)) / (2 * STEP)
        assert_allclose(loss.gradient(y, z)[:, k], slope, atol=1e-8)


@every_smooth
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


@every_elementwise
def test_curvature_of_single_columns(loss):
    y, z = random_cells(loss)
    slope = (loss.gradient(y, z + STEP) - loss.gradient(y, z - STEP)) / (2 * STEP)
    curvature = loss.curvature(y, z)
    assert_array_equal(loss.hessian(y, z)[..., 0], curvature)
    assert_array_equal(loss.bend(y, z)(z), curvature * z)
    if isinstance(loss, HuberLoss):  # weights of a least-squares model must not vanish
        beyond = np.abs(y - z) > loss.epsilon
        assert 5 < beyond.sum() < 35
        share = HUBER_FLOOR * loss.safe_curvature(y, z)
        slope = np.where(beyond, slope + share, slope)
    assert_allclose(curvature, slope, atol=1e-8)
    assert np.all(loss.safe_curvature(y, z) >= curvature * (1 - 1e-12))


@every_loss
def test_values_are_not_negative_and_0_at_best(loss):
    y, z = random_cells(loss)
    assert np.all(loss.value(y, z) >= 0)
    best = {
        PoissonLoss: lambda: np.log(np.maximum(y, 1e-300)),
        LogisticLoss: lambda: 1e3 * (2 * y - 1),
        MultinomialLoss: lambda: 1e3 * (2 * y - 1),
    }.get(type(loss), lambda: y)()
    assert_allclose(loss.value(y, best), 0.0, atol=1e-15)
    assert_allclose(loss.conjugate(y, np.zeros_like(z)), 0.0, atol=1e-15)


def test_huber_is_quadratic_and_then_linear():
    loss, r = HuberLoss(0.7), np.array([-3.0, -0.7, -0.2, 0.0, 0.5, 0.7, 1e6])
    inside = np.abs(r) <= 0.7
    expected = np.where(inside, r**2 / 2, 0.7 * np.abs(r) - 0.7**2 / 2)
    assert_allclose(loss.value(1.0 + r, np.ones(7)), expected, rtol=1e-9)
    assert_allclose(HuberLoss(1e9).value(r, 0.0 * r), SquaredLoss().value(r, 0.0 * r))
    assert_allclose(huber(0.7, r), expected)


def test_poisson_is_half_the_deviance():
    loss = PoissonLoss()
    y, z = random_cells(loss)
    assert_allclose(
        np.sum(loss.value(y, z)), len(y) * mean_poisson_deviance(y, np.exp(z)) / 2, rtol=1e-12
    )
    # Large counts: no cancellation of y log y.
    y = np.array([1e12])
    assert_allclose(loss.value(y, np.log(y) + 1e-6), 0.5, rtol=1e-5)
    slope = loss.gradient(y, np.log(y) + 1e-6)
    bound = (np.log(y) + 1e-6) * slope - loss.conjugate(y, slope)
    assert_allclose(bound, 0.5, atol=1e-2)  # of terms of 1e7


@pytest.mark.parametrize("size", [50.0, 800.0, 1e8])
def test_poisson_is_finite_far_away(size):
    loss, y = PoissonLoss(), np.array([0.0, 1.0, 1e9])
    with np.errstate(all="raise", under="ignore"):
        for z in (np.full(3, size), np.full(3, -size)):
            terms = [loss.value(y, z), loss.gradient(y, z), loss.curvature(y, z)]
            for values in (*terms, loss.safe_curvature(y, z), loss.conjugate(y, terms[1])):
                assert np.isfinite(values).all()
            assert np.all(loss.curvature(y, z) > 0)


def test_safe_curvature_is_above_the_huber_loss_everywhere():
    loss, z = HuberLoss(1.35), np.linspace(-30, 30, 301)[:, None]
    for y in (0.0, 3.0):
        for at in (-25.0, -3.0, -1e-5, 0.0, 0.5, 12.0):
            bend = loss.safe_curvature(y, at)
            model = loss.value(y, at) + loss.gradient(y, at) * (z - at) + bend / 2 * (z - at) ** 2
            assert np.all(model - loss.value(y, z) >= -1e-12)


def test_safe_curvature_is_above_the_poisson_loss_up_to_the_count():
    loss, y = PoissonLoss(), 5.0
    for at in (-8.0, 0.0, 1.0, 3.0):
        z = np.linspace(-20, max(at, np.log(y)), 201)
        bend = loss.safe_curvature(y, at)
        model = loss.value(y, at) + loss.gradient(y, at) * (z - at) + bend / 2 * (z - at) ** 2
        assert np.all(model - loss.value(y, z) >= -1e-12)


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


@every_elementwise
def test_conjugate_by_brute_force(loss):
    """The largest u z - value(y, z) over a fine grid, for slopes in all of the domain."""
    z = np.linspace(-12, 12, 240001)
    for y, slopes in CONJUGATES[by_name(loss)].items():
        for u in slopes:
            expected = np.max(u * z - loss.value(np.full_like(z, y), z))
            told = loss.conjugate(np.array([y]), np.array([u]))
            assert_allclose(told, expected, atol=1e-4)


@every_elementwise
def test_nearest_slope_is_in_the_domain(loss):
    y, z = random_cells(loss)
    inside = loss.gradient(y, z)
    assert_allclose(loss.nearest_slope(y, inside), inside, atol=1e-15)
    far = loss.nearest_slope(y, 1e3 * z)
    assert np.isfinite(loss.conjugate(y, far)).all()
    if isinstance(loss, HuberLoss):
        assert np.abs(far).max() == loss.epsilon
    if isinstance(loss, PoissonLoss):
        assert np.all(far >= -y)


@pytest.mark.parametrize("loss", [PoissonLoss(), LogisticLoss(), MultinomialLoss()], ids=by_name)
def test_tension_bounds_the_change_of_the_curvature(loss):
    """|d/dt f''(z + t m)| <= M |m| f'', so that Newton steps can be shortened in time."""
    y, z = random_cells(loss)
    move = np.random.RandomState(2).normal(size=z.shape)

    def bend(step):
        return np.sum(move * loss.bend(y, z + step * move)(move), axis=-1)

    change = np.abs(bend(STEP) - bend(-STEP)) / (2 * STEP)
    span = np.maximum(move.max(axis=1), 0) - np.minimum(move.min(axis=1), 0)
    assert np.all(change <= loss.tension * span * bend(0.0) + 1e-8)


def test_nearest_slope():
    loss, y = LogisticLoss(), np.array([[0.0], [1.0], [0.0], [1.0]])
    slopes = loss.nearest_slope(y, np.array([[-0.5], [0.2], [1.5], [-0.3]]))
    assert_allclose(slopes, [[0.0], [0.0], [1.0], [-0.3]])
    assert np.isfinite(loss.conjugate(y, slopes)).all()
