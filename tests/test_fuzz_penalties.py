"""Whatever the numbers and the penalty: finite coefficients with a certificate, or an error."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from penalty_oracle import COMPOSED, CONCAVE, CONVEX
from sklearn.exceptions import ConvergenceWarning
from test_properties import tables

from skmtl import MultiTaskClassifier, MultiTaskRegressor
from skmtl.penalties import Decomposed, Sum
from skmtl.penalties.base import FactoredPenalty
from skmtl.penalties.groups import GroupL21, TaskL21
from skmtl.penalties.relations import GraphPenalty

few = settings(deadline=None, max_examples=60, derandomize=True, database=None)


def fits_any_shape(penalty):
    """Whether no part of the penalty speaks of particular features or tasks."""
    inner = [getattr(penalty, name, None) for name in ("first", "second", "shared", "specific")]
    inner += [getattr(penalty, "penalty", None)]
    if any(part is not None and not fits_any_shape(part) for part in inner):
        return False
    if isinstance(penalty, (FactoredPenalty, TaskL21)):
        return penalty.factor is None
    if isinstance(penalty, GraphPenalty):
        return isinstance(penalty.graph, str)
    return not isinstance(penalty, GroupL21)


PENALTIES = [p for row in (CONVEX | CONCAVE).values() for p in row] + list(COMPOSED.values())
PENALTIES = [penalty for penalty in PENALTIES if fits_any_shape(penalty)]
SCALES = [1e-12, 1e-6, 1e-2, 1.0, 1e3, 1e10]


def fit(model, X, y, given):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model.fit(X, y, **given)
        except ValueError as error:
            if not any(word in str(error) for word in ("finite", "infinity", "range", "label")):
                raise
            return False
    warned = False
    for warning in caught:
        warned |= warning.category is ConvergenceWarning
        known = warning.category is ConvergenceWarning or "one task only" in str(warning.message)
        assert known, warning
    assert np.isfinite(model.coef_).all()
    assert np.isfinite(model.intercept_).all()
    assert 0 <= model.dual_gap_ < np.inf
    assert warned == (model.dual_gap_ > max(model.tol, 1e-14))
    return True


@few
@given(tables(), st.sampled_from(PENALTIES), st.sampled_from(SCALES), st.booleans())
def test_regression(table, penalty, scale, fit_intercept):
    X, y, given = table
    options = {"fit_intercept": fit_intercept, "max_iter": 30}
    model = MultiTaskRegressor(penalty.scaled(scale), **options)
    if fit(model, X, y, given):
        tasks = {"tasks": given["tasks"]} if "tasks" in given else {}
        assert np.isfinite(model.predict(X, **tasks)).all()


@few
@given(tables(), st.sampled_from(PENALTIES), st.sampled_from([1e-2, 1.0, 1e3]))
def test_classification(table, penalty, scale):
    X, y, given = table
    if y.ndim == 2:
        y, given = y[:, 0], {}
    labels = (np.nan_to_num(y) > np.nanmedian(y)).astype(int) if np.isfinite(y).any() else y
    model = MultiTaskClassifier(penalty.scaled(scale), max_iter=10)
    if fit(model, X, labels, given):
        tasks = {"tasks": given["tasks"]} if "tasks" in given else {}
        assert np.isfinite(model.predict_proba(X, **tasks)).all()


@few
@given(tables(), st.sampled_from(PENALTIES), st.sampled_from(["huber", "poisson"]))
def test_other_losses(table, penalty, loss):
    X, y, given = table
    y = np.floor(np.abs(y)) if loss == "poisson" else y
    fit(MultiTaskRegressor(penalty, loss=loss, max_iter=10), X, y, given)


@pytest.mark.parametrize("kind", ["duplicates", "constants", "one feature", "weights of zero"])
def test_degenerate_tables_have_certificates(kind):
    rng = np.random.RandomState(0)
    ids = np.repeat(np.arange(3), [8, 6, 7])
    X, weights = rng.normal(size=(21, 4)), np.ones(21)
    if kind == "duplicates":
        X[:, 2:] = X[:, :2]
    elif kind == "constants":
        X[:, 1] = 3.0
        X[ids == 1, 2] = 7.0
    elif kind == "one feature":
        X = X[:, :1]
    else:
        weights[ids == 1] = 0.0
    y = X.sum(axis=1) + rng.normal(size=21)
    for penalty in PENALTIES:
        if not isinstance(penalty, (Sum, Decomposed)) and penalty.convex:
            model = MultiTaskRegressor(penalty).fit(X, y, tasks=ids, sample_weight=weights)
            assert model.dual_gap_ <= model.tol
