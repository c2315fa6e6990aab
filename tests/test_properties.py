"""Whatever the numbers, a fit returns finite values with a certificate, or says what is wrong."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skmtl import (
    MeanRegularizedRidge,
    MeanRegularizedRidgeCV,
    MultiTaskElasticNet,
    MultiTaskLasso,
    MultiTaskRegressor,
    MultiTaskRidge,
    MultiTaskRidgeCV,
)
from skmtl.penalties import L1, L21

ALPHAS = [0.0, 1e-12, 1e-6, 1e-2, 1.0, 1e3, 1e10]
POSITIVE_ALPHAS = ALPHAS[1:]
few_but_wide = settings(deadline=None, max_examples=150, derandomize=True, database=None)


@st.composite
def tables(draw):
    """X (n, p), y and either ids or outputs: small, degenerate, on any scale."""
    n, p, n_tasks = (draw(st.integers(1, most)) for most in (12, 8, 4))
    rng = np.random.RandomState(draw(st.integers(0, 2**16)))
    rank = draw(st.integers(1, p))
    X = (
        rng.normal(size=(n, rank)) @ rng.normal(size=(rank, p))
        if rank < p
        else rng.normal(size=(n, p))
    )
    for j in range(p):
        kind = draw(st.sampled_from(["plain"] * 4 + ["zero", "constant", "duplicate", "binary"]))
        if kind == "zero":
            X[:, j] = 0.0
        elif kind == "constant":
            X[:, j] = 3.7
        elif kind == "duplicate":
            X[:, j] = X[:, 0]
        elif kind == "binary":
            X[:, j] = X[:, j] > 0
    scales = st.sampled_from([1e-8, 1e-4, 1.0, 1e4, 1e8])
    if draw(st.booleans()):
        X = X * np.array([draw(scales) for _ in range(p)])
    else:
        X = X * draw(scales)
    X = X + draw(st.sampled_from([0.0, 0.0, 1.0, 1e4])) * np.abs(X).max(initial=1.0)
    outputs = draw(st.booleans())
    y = rng.normal(size=(n, n_tasks) if outputs else n)
    if draw(st.booleans()):
        y = y * 0.0 + draw(st.sampled_from([0.0, 0.1, 1e6]))
    y = y * draw(scales)
    if draw(st.booleans()):
        X = np.asarray(X, dtype=np.float32)
    given_to_fit = {}
    if not outputs:
        given_to_fit["tasks"] = rng.randint(n_tasks, size=n)
    elif draw(st.booleans()) and n > 1:
        y[1:][rng.uniform(size=(n - 1, n_tasks)) < 0.4] = np.nan
    if draw(st.booleans()):
        given_to_fit["sample_weight"] = rng.uniform(size=n) * draw(scales)
    return X, y, given_to_fit


def fit(model, table):
    """The fitted model, and whether it warned; None where it refused."""
    X, y, given_to_fit = table
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = clone(model).fit(X, y, **given_to_fit)
        except ValueError as error:
            if "finite" not in str(error) and "infinity" not in str(error):
                raise
            return None, caught
    for warning in caught:
        allowed = warning.category is ConvergenceWarning or "one task only" in str(warning.message)
        assert allowed, warning
    return model, caught


def assert_sound(model, table):
    model, caught = fit(model, table)
    if model is None:
        return
    X, _, given_to_fit = table
    assert np.isfinite(model.coef_).all()
    assert np.isfinite(model.intercept_).all()
    assert np.isfinite(model.coef_shared_).all()
    tasks = {"tasks": given_to_fit["tasks"]} if "tasks" in given_to_fit else {}
    assert np.isfinite(model.predict(X, **tasks)).all()
    if hasattr(model, "dual_gap_"):
        warned = any(warning.category is ConvergenceWarning for warning in caught)
        assert 0 <= model.dual_gap_ < np.inf
        assert warned == (model.dual_gap_ > max(model.tol, 1e-14))
    if hasattr(model, "best_score_"):
        assert np.isfinite(model.best_score_)
        assert model.best_score_ <= 0


@few_but_wide
@given(tables(), st.sampled_from(ALPHAS), st.booleans())
def test_lasso(table, alpha, fit_intercept):
    assert_sound(MultiTaskLasso(alpha, fit_intercept=fit_intercept), table)


@few_but_wide
@given(tables(), st.sampled_from(POSITIVE_ALPHAS))
def test_positive_lasso(table, alpha):
    assert_sound(MultiTaskLasso(alpha, positive=True), table)


@few_but_wide
@given(tables(), st.sampled_from(ALPHAS), st.sampled_from([0.0, 1e-3, 0.5, 1.0]))
def test_elastic_net(table, alpha, l1_ratio):
    assert_sound(MultiTaskElasticNet(alpha, l1_ratio=l1_ratio), table)


@few_but_wide
@given(tables(), st.sampled_from(ALPHAS), st.sampled_from(ALPHAS), st.integers(0, 255))
def test_sparse_group(table, alpha, beta, free):
    p = table[0].shape[1]
    factor = 1.0 - (free >> np.arange(p) & 1)
    assert_sound(MultiTaskRegressor(L21(alpha, factor=factor) + L1(beta)), table)


@few_but_wide
@given(tables(), st.sampled_from(ALPHAS), st.booleans())
def test_ridge(table, alpha, fit_intercept):
    assert_sound(MultiTaskRidge(alpha, fit_intercept=fit_intercept), table)


@few_but_wide
@given(tables(), st.booleans())
def test_ridge_cv(table, fit_intercept):
    assert_sound(MultiTaskRidgeCV(fit_intercept=fit_intercept), table)
    assert_sound(MultiTaskRidgeCV([1e-12, 1e10], fit_intercept=fit_intercept), table)


@few_but_wide
@given(
    tables(),
    st.sampled_from(ALPHAS),
    st.sampled_from(POSITIVE_ALPHAS),
    st.sampled_from(ALPHAS),
    st.booleans(),
)
def test_mean_regularized_ridge(table, common, task, intercept, fit_intercept):
    model = MeanRegularizedRidge(
        common, alpha_task=task, alpha_intercept=intercept, fit_intercept=fit_intercept
    )
    assert_sound(model, table)


@settings(few_but_wide, max_examples=25)
@given(tables(), st.booleans())
def test_mean_regularized_ridge_cv(table, fit_intercept):
    assert_sound(MeanRegularizedRidgeCV(fit_intercept=fit_intercept), table)


@few_but_wide
@given(tables(), st.sampled_from([1e-6, 1e-2, 1.0]))
def test_predictions_are_those_of_reordered_rows(table, share):
    X, y, given_to_fit = table
    alpha = share * max(np.mean(np.square(X, dtype=float)), 1e-20)
    order = np.random.RandomState(0).permutation(len(X))
    moved = {name: values[order] for name, values in given_to_fit.items()}
    model, caught = fit(MultiTaskRidge(alpha), table)
    other, _ = fit(MultiTaskRidge(alpha), (X[order], y[order], moved))
    if model is None or caught:
        return
    tasks = {"tasks": given_to_fit["tasks"]} if "tasks" in given_to_fit else {}
    ours, theirs = model.predict(X, **tasks), other.predict(X, **tasks)
    scale = np.nanmax(np.abs(y), initial=0.0)
    spread = np.abs(X).max() * max(np.abs(model.coef_).max(), np.abs(other.coef_).max())
    assert np.abs(ours - theirs).max() <= 1e-3 * scale + 1e-5 * spread


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_empty_tables_are_refused(shape):
    for model in (MultiTaskLasso(), MultiTaskRidge(), MeanRegularizedRidge()):
        with pytest.raises(ValueError, match=r"0 (sample|feature)"):
            model.fit(np.ones(shape), np.ones(shape[0]))
