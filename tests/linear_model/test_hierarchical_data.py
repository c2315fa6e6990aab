"""Hierarchical ridge: units, containers, hard tables and what is refused."""

import pickle

import numpy as np
import pytest
from gaussian import related
from helpers import SPARSE, make_case
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning

from skmtl import HierarchicalRidge, stack_tasks
from skmtl.solvers import hierarchical as solver

FORMS = ["diagonal", "spherical", "intercept", "full", "low_rank"]


# --- units and containers -------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_units_do_not_matter(form):
    (X, y), _ = related(n_tasks=5)
    moved = X.copy()
    moved[:, 1:] = moved[:, 1:] * [1e-3, 1.0, 30.0, 1e4] + [5.0, -1.0, 0.0, 3e4]
    model = HierarchicalRidge(form, task_column=0, store_loo=True)
    plain = pickle.loads(pickle.dumps(model.fit(X, y)))
    model.fit(moved, 100.0 * y - 7.0)
    mean, std = plain.predict(X, return_std=True)
    ours, deviation = model.predict(moved, return_std=True)
    assert_allclose(ours, 100.0 * mean - 7.0, rtol=1e-4, atol=1e-2)
    assert_allclose(deviation, 100.0 * std, rtol=1e-4)
    assert_allclose(model.loo_prediction_, 100.0 * plain.loo_prediction_ - 7.0, atol=1e-2)
    assert_allclose(model.feature_sharing_, plain.feature_sharing_, atol=1e-3)
    n_scaled = len(y) - 1
    expected = plain.log_marginal_likelihood_ - n_scaled * np.log(100.0)
    assert_allclose(model.log_marginal_likelihood_, expected, atol=1e-2)


def test_weights_are_copies():
    (X, y), _ = related(n_tasks=4, n=12)
    copies = np.random.RandomState(0).randint(0, 4, size=len(y))
    ours = HierarchicalRidge(task_column=0, tol=1e-10).fit(X, y, sample_weight=copies)
    theirs = HierarchicalRidge(task_column=0, tol=1e-10)
    theirs.fit(np.repeat(X, copies, axis=0), np.repeat(y, copies))
    for name in ("coef_", "noise_variance_", "log_marginal_likelihood_"):
        assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-3, atol=1e-4)
    assert_allclose(
        ours.predict(X, return_std=True)[1], theirs.predict(X, return_std=True)[1], rtol=1e-3
    )


@pytest.mark.parametrize("kind", SPARSE)
def test_sparse_is_dense(kind):
    case = make_case("csr_matrix", "rows", n=20)
    model = HierarchicalRidge(task_column=0, store_loo=True)
    dense = model.fit(case.X.toarray(), case.y, **case.fit)
    expected = [
        dense.coef_,
        dense.loo_prediction_,
        *dense.predict(case.X.toarray(), return_std=True),
    ]
    X = SPARSE[kind](case.X)
    model.fit(X, case.y, **case.fit)
    ours = [model.coef_, model.loo_prediction_, *model.predict(X, return_std=True)]
    for one, other in zip(ours, expected, strict=True):
        assert_allclose(one, other, rtol=1e-5)


def test_float32():
    (X, y), _ = related()
    model = HierarchicalRidge(task_column=0).fit(X.astype(np.float32), y)
    mean, std = model.predict(X.astype(np.float32), return_std=True)
    assert mean.dtype == std.dtype == model.coef_.dtype == np.float32
    exact = HierarchicalRidge(task_column=0).fit(X, y)
    expected, deviation = exact.predict(X, return_std=True)
    assert_allclose(mean, expected, atol=1e-3)
    assert_allclose(std, deviation, rtol=1e-3)


# --- hard data ------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("y_scale", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("x_scale", [1e-8, 1e8])
def test_scales(x_scale, y_scale, form):
    (X, y), _ = related(n_tasks=4, n=8)
    model = HierarchicalRidge(form, task_column=0, store_loo=True)
    expected, deviation = model.fit(X, y).predict(X, return_std=True)
    X[:, 1:] *= x_scale
    mean, std = model.fit(X, y_scale * y).predict(X, return_std=True)
    assert_allclose(mean, y_scale * expected, atol=1e-3 * y_scale)
    assert_allclose(std, y_scale * deviation, rtol=1e-3)
    assert np.isfinite(model.loo_prediction_).all()


@pytest.mark.parametrize("form", FORMS)
def test_hard_tables(form):
    """Constants, duplicates, tasks of one row or one target; without warnings."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(20, 6))
    X[:, 1], X[:, 2], X[3] = 1e8, X[:, 0], X[2]
    codes = np.array([0] * 10 + [1] * 8 + [2, 3])
    y = X[:, 0] + rng.normal(size=20)
    y[codes == 1] = 2.0
    tables = [(X, y), (X, np.full(20, 3.0)), (np.ones((20, 6)), y), (X, X[:, 0] + codes)]
    for features, target in tables:
        model = HierarchicalRidge(form, store_loo=True).fit(features, target, tasks=codes)
        mean, std = model.predict(features, tasks=codes, return_std=True)
        assert np.isfinite(mean).all()
        assert np.isfinite(model.loo_prediction_).all()
        assert np.all(std > 0)
        assert np.all(np.diff(model.objective_path_) >= -1e-7)
        if np.ptp(target) == 0:
            assert_allclose(mean, target)


@pytest.mark.parametrize("form", FORMS)
def test_one_row_tasks(form):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(30, 3))
    y = X @ [1.0, -1.0, 0.0] + 0.1 * rng.normal(size=30)
    model = HierarchicalRidge(form).fit(X, y, tasks=np.arange(30))
    assert_allclose(model.coef_mean_, [1.0, -1.0, 0.0], atol=0.3)


def test_too_large_scales_are_an_error():
    (X, y), _ = related(n_tasks=2)
    with pytest.raises(ValueError, match="scale of y exceeds"):
        HierarchicalRidge().fit(X, 1e200 * y)
    with pytest.raises(ValueError, match="scale of X exceeds"):
        HierarchicalRidge().fit(1e200 * X, y)


def test_too_many_features(monkeypatch):
    rng = np.random.RandomState(0)
    X, Y = rng.normal(size=(8, 5)), rng.normal(size=(8, 4))
    monkeypatch.setattr(solver, "LARGEST_TABLE", 10)
    with pytest.raises(ValueError, match=r"5 features are too many .* 4 tasks and 8 rows: reduce"):
        HierarchicalRidge().fit(X, Y)
    monkeypatch.setattr(solver, "LARGEST_TABLE", 10**6)
    monkeypatch.setattr(solver, "LARGEST_MATRIX", 5)
    with pytest.raises(ValueError, match="MultiTaskLassoCV"):
        HierarchicalRidge().fit(X, Y)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"covariance": "round"}, "covariance='round' is not one of diagonal, spherical"),
        ({"mean": 0}, "mean=0 is not one of learned, zero"),
        ({"noise": "none"}, "noise='none' is not one of per_task, common"),
        ({"covariance": "low_rank", "rank": 0}, "rank=0 must be finite and >= 1"),
        ({"tol": -1.0}, "tol=-1.0 must be"),
        ({"max_iter": 0}, "max_iter=0 must be"),
        ({"random_state": "seed"}, "seed"),
        ({"unknown_task": "guess"}, "unknown_task='guess' is not one of"),
    ],
)
def test_wrong_parameters(parameters, message):
    (X, y), _ = related(n_tasks=2)
    with pytest.raises(ValueError, match=message):
        HierarchicalRidge(**parameters).fit(X, y)


def test_rank_is_an_integer():
    (X, y), _ = related(n_tasks=2)
    with pytest.raises(TypeError, match=r"rank must be an integer, not 1\.5"):
        HierarchicalRidge("low_rank", rank=1.5).fit(X, y)


def test_too_few_steps_warn():
    (X, y), _ = related(n_tasks=4)
    with pytest.warns(ConvergenceWarning, match="did not converge in 1 steps to tol=1e-09"):
        HierarchicalRidge(task_column=0, max_iter=1, tol=1e-9).fit(X, y)


def test_random_states():
    (X, y), _ = related(n_tasks=6)
    model = HierarchicalRidge("low_rank", task_column=0)
    expected = model.fit(X, y).coef_
    ours = model.set_params(random_state=np.random.RandomState(0)).fit(X, y).coef_
    assert_allclose(ours, expected, rtol=1e-12)


def test_lists_of_tables():
    (X, y), _ = related(n_tasks=3)
    tables = [X[X[:, 0] == t, 1:] for t in range(3)]
    again = stack_tasks(tables, [y[X[:, 0] == t] for t in range(3)])
    model = HierarchicalRidge(task_column=0)
    assert_allclose(model.fit(*again).coef_, model.fit(X, y).coef_)
