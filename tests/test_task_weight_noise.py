"""Learned task weights: planted noise is found, in every layout, and by every estimator."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, is_classifier

import skmtl
from skmtl import (
    HierarchicalRidge,
    MeanRegularizedRidge,
    MeanRegularizedRidgeCV,
    MultiTaskLasso,
    MultiTaskLogisticRegression,
    MultiTaskRidge,
    PooledRegressor,
    multitask_lasso_path,
)
from skmtl.solvers.noise import (
    likelihood_residuals,
    moderated_precision,
    noise_weights,
    ridge_residuals,
)
from skmtl.task_data import make_task_data, resolve_task_weight

CLASSES = [
    item
    for item in (getattr(skmtl, name) for name in skmtl.__all__)
    if isinstance(item, type) and issubclass(item, BaseEstimator) and hasattr(item, "fit")
]
WEIGHTED = [cls for cls in CLASSES if "task_weight" in cls().get_params()]


def problem(noise, n=60, p=6, seed=0, spread=0.3):
    """Ids, features, targets and true coefficients, with the given noise of every task."""
    noise = np.asarray(noise)
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.repeat(np.arange(len(noise)), n))
    coef = rng.normal(size=p) + spread * rng.normal(size=(len(noise), p))
    X = rng.normal(size=(len(codes), p))
    y = np.sum(X * coef[codes], axis=1) + codes + noise[codes] * rng.normal(size=len(codes))
    return codes, X, y, coef


def assert_weights(factors, noise, within):
    """Factors say the noise levels up to one common factor."""
    levels = factors**-0.5
    ratio = levels / np.asarray(noise)
    assert_allclose(ratio / np.exp(np.mean(np.log(ratio))), 1.0, atol=within)


NOISE = np.array([1.0, 0.3, 3.0, 0.6, 1.8, 1.0])


def test_planted_noise_is_found():
    codes, X, y, _ = problem(NOISE, n=200)
    model = MeanRegularizedRidge().fit(X, y, tasks=codes)
    assert_array_equal(model.task_weight_, 1.0)
    model.set_params(task_weight="noise").fit(X, y, tasks=codes)
    assert_weights(model.task_weight_, NOISE, within=0.2)
    assert_allclose(model.task_weight_.mean(), 1.0)


@pytest.mark.parametrize("residuals", [likelihood_residuals, ridge_residuals])
def test_both_ways_to_residuals(residuals):
    codes, X, y, _ = problem(NOISE, n=200)
    found = residuals(make_task_data(X, y, ids=codes), True)
    assert_allclose(np.sqrt(found.variance), NOISE, rtol=0.2)
    assert ((found.freedom > 190) & (found.freedom < 200)).all()


def test_the_factors_are_task_weights():
    codes, X, y, _ = problem(NOISE)
    for model in (MultiTaskLasso(0.05), MeanRegularizedRidge(), MultiTaskRidge()):
        learned = model.set_params(task_weight="noise").fit(X, y, tasks=codes)
        coef, factors = learned.coef_, learned.task_weight_
        assert factors.max() > 2 * factors.min()
        assert_allclose(model.set_params(task_weight=factors).fit(X, y, tasks=codes).coef_, coef)


@pytest.mark.parametrize(
    "model", [MultiTaskLasso(0.3), MeanRegularizedRidge(alpha_task=20.0), MultiTaskRidge(20.0)]
)
def test_precise_tasks_gain(model):
    """In errors in units of each task's noise, means over tasks and problems."""
    noise = np.array([0.2, 0.3, 0.4, 3.0, 4.0, 5.0])
    errors = {None: [], "noise": []}
    for seed in range(5):
        codes, X, y, coef = problem(noise, n=25, p=10, seed=seed)
        for task_weight, found in errors.items():
            fitted = model.set_params(task_weight=task_weight).fit(X, y, tasks=codes)
            wrong = np.linalg.norm(fitted.coef_ - coef, axis=1) / noise
            found.append(np.sqrt(np.mean(1.0 + wrong**2)))
    assert np.mean(errors["noise"]) < 0.95 * np.mean(errors[None])


@pytest.mark.parametrize("layout", ["outputs", "outputs with NaN", "csr", "wide", "wide csr"])
def test_layouts(layout):
    noise = np.array([0.5, 2.0, 1.0])
    rng = np.random.default_rng(0)
    if layout.startswith("outputs"):
        X = rng.normal(size=(200, 5))
        y = X @ rng.normal(size=(5, 3)) + noise * rng.normal(size=(200, 3))
        if layout.endswith("NaN"):
            y[rng.uniform(size=y.shape) < 0.2] = np.nan
        model = MultiTaskRidge(task_weight="noise").fit(X, y)
    else:
        n, p = (100, 300) if "wide" in layout else (200, 5)
        codes, X, y, _ = problem(noise, n=n, p=p, spread=0.0)
        if "wide" in layout:  # nothing but noise
            y = noise[codes] * rng.normal(size=len(codes))
        X = sparse.csr_array(X) if "csr" in layout else X
        model = MultiTaskRidge(task_weight="noise").fit(X, y, tasks=codes)
    assert_weights(model.task_weight_, noise, within=0.25)
    if not layout.endswith("NaN"):
        assert_allclose(model.task_weight_.mean(), 1.0)


def data_of(n_features=4):
    codes, X, y, _ = problem(NOISE[:4], n=30, p=n_features)
    return codes, X, y


@pytest.mark.parametrize("n_features", [4, 250])
def test_units_and_row_order(n_features):
    codes, X, y = data_of(n_features)
    expected = noise_weights(make_task_data(X, y, ids=codes))
    for other in (10.0 * y, 1e-8 * y, y + 50.0):
        assert_allclose(noise_weights(make_task_data(X, other, ids=codes)), expected, rtol=1e-3)
    order = np.random.default_rng(1).permutation(len(y))
    moved = make_task_data(X[order], y[order], ids=codes[order])
    assert_allclose(noise_weights(moved), expected, rtol=1e-3)


@pytest.mark.parametrize("n_features", [4, 250])
def test_weights_are_copies(n_features):
    codes, X, y = data_of(n_features)
    copies = np.random.default_rng(2).integers(0, 4, size=len(y))
    weighted = make_task_data(X, y, ids=codes, sample_weight=copies)
    rows = np.repeat(np.arange(len(y)), copies)
    copied = make_task_data(X[rows], y[rows], ids=codes[rows])
    assert_allclose(noise_weights(weighted), noise_weights(copied), rtol=1e-3)


def test_what_says_nothing_has_the_common_level():
    """Tasks of one row, without weight, or with a constant target."""
    codes, X, y, _ = problem(np.ones(7), n=40)
    keep = codes != 0
    keep[np.flatnonzero(codes == 0)[0]] = True
    y[codes == 1] = 7.3
    weights = np.where(codes == 2, 0.0, 1.0)[keep]
    data = make_task_data(X[keep], y[keep], ids=codes[keep], sample_weight=weights)
    factors = noise_weights(data)
    assert_allclose(factors, 1.0, atol=0.35)
    assert_allclose(factors[:3], factors[1], rtol=1e-3)
    model = MeanRegularizedRidge(task_weight="noise")
    model.fit(X[keep], y[keep], tasks=codes[keep], sample_weight=weights)
    assert_allclose(model.task_weight_, factors)
    assert np.isfinite(model.coef_).all()


@pytest.mark.parametrize("kind", ["constant", "without noise", "one without noise", "one row each"])
def test_no_noise_at_all(kind):
    codes, X, y, coef = problem(np.ones(4), n=20)
    exact = np.sum(X * coef[codes], axis=1)
    if kind == "constant":
        y = np.full(len(y), 3.0)
    if kind == "without noise":
        y = exact
    if kind == "one without noise":
        y = np.where(codes == 2, exact, y)
    rows = np.unique(codes, return_index=True)[1] if kind == "one row each" else np.arange(len(y))
    model = MultiTaskLasso(0.1, task_weight="noise").fit(X[rows], y[rows], tasks=codes[rows])
    factors = model.task_weight_
    assert np.isfinite(factors).all()
    assert factors.max() <= (11.0 if kind == "one without noise" else 1.5) * np.median(factors)
    if kind == "one without noise":
        assert np.argmax(factors) == 2


def test_equal_noise_is_left_alone():
    """Differences that chance explains are taken for nothing."""
    spread = []
    for seed in range(3):
        codes, X, y, _ = problem(np.ones(40), n=12, p=4, seed=seed)
        factors = noise_weights(make_task_data(X, y, ids=codes))
        raw = ridge_residuals(make_task_data(X, y, ids=codes), True).variance
        spread.append((np.ptp(np.log(factors)), np.ptp(np.log(raw))))
    spread = np.array(spread)
    assert (spread[:, 0] < 0.3 * spread[:, 1]).all()


def test_moderation():
    assert_array_equal(moderated_precision(np.zeros(3), np.zeros(3)), 1.0)
    # Many degrees of freedom speak for themselves, none follow the others.
    variance, freedom = np.array([1.0, 4.0, 16.0, 99.0]), np.array([1e6, 1e6, 1e6, 0.0])
    precision = moderated_precision(variance, freedom)
    assert_allclose(precision[:3], 1.0 / variance[:3], rtol=1e-3)
    assert 1 / 16 < precision[3] < 1.0
    few = moderated_precision(variance[:3], np.full(3, 2.0))
    assert few.max() / few.min() < 8
    assert (np.diff(few) < 0).all()
    assert_allclose(moderated_precision(5.0 * variance, freedom), precision / 5.0)


def test_one_task():
    _, X, y, _ = problem([1.0])
    assert_array_equal(MultiTaskRidge(task_weight="noise").fit(X, y).task_weight_, [1.0])


@pytest.mark.parametrize("cls", WEIGHTED, ids=lambda cls: cls.__name__)
def test_every_estimator_takes_it_or_says_why_not(cls):
    codes, X, y, _ = problem(NOISE[:3], n=20, p=4)
    model = cls(task_weight="noise")
    name = cls.__name__
    if is_classifier(model):
        with pytest.raises(ValueError, match="task_weight='noise'"):
            model.fit(X, y > 0, tasks=codes)
    elif "noise" in model.get_params() or name.startswith("Pooled"):
        with pytest.raises(ValueError, match="task_weight='noise'"):
            model.fit(X, y, tasks=codes)
    else:
        model.fit(X, y, tasks=codes)
        assert model.task_weight_.shape == (3,)
        assert np.argmax(model.task_weight_) == 1
        assert np.argmin(model.task_weight_) == 2


def test_what_the_errors_say():
    codes, X, y, _ = problem(NOISE[:3], n=20, p=4)
    with pytest.raises(ValueError, match=r"HierarchicalRidge learns the noise.*`noise`"):
        HierarchicalRidge(task_weight="noise").fit(X, y, tasks=codes)
    with pytest.raises(ValueError, match="labels do not have: MultiTaskLogisticRegression takes"):
        MultiTaskLogisticRegression(task_weight="noise").fit(X, y > 0, tasks=codes)
    with pytest.raises(ValueError, match=r"is for linear regressors.*give numbers"):
        PooledRegressor(task_weight="noise").fit(X, y, tasks=codes)
    with pytest.raises(ValueError, match="'noisy' is unknown: use None, 'balanced', 'noise'"):
        resolve_task_weight("noisy", np.arange(2), np.ones(2))


def test_paths_and_searches():
    codes, X, y, _ = problem(NOISE[:3], n=20, p=4)
    factors = MultiTaskRidge(task_weight="noise").fit(X, y, tasks=codes).task_weight_
    learned = multitask_lasso_path(X, y, alphas=5, tasks=codes, task_weight="noise")
    given = multitask_lasso_path(X, y, alphas=5, tasks=codes, task_weight=factors)
    assert_allclose(learned.coefs, given.coefs, atol=1e-6)
    search = MeanRegularizedRidgeCV(task_weight="noise").fit(X, y, tasks=codes)
    assert_allclose(search.task_weight_, factors)
