"""Convex estimators against an independent solver (cvxpy), by objective value."""

import warnings

import numpy as np
import pytest
from helpers import LAYOUTS, make_case, norm_value, null_objective, squared_loss
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skmtl import MultiTaskElasticNet, MultiTaskLasso, MultiTaskRegressor, MultiTaskRidge
from skmtl.penalties import L1, L21, SquaredL2

cvxpy = pytest.importorskip("cvxpy", reason="the oracle is cvxpy")

FACTOR = [1.0, 0.0, 0.3, 2.0, 1.0]
PENALTIES = {"L21": L21, "L1": L1, "SquaredL2": SquaredL2}
PENALISED = {
    "lasso": [("L21", 0.2, None)],
    "entries": [("L1", 0.1, None)],
    "elastic net": [("L21", 0.15, None), ("SquaredL2", 0.2, None)],
    "sparse group": [("L21", 0.12, None), ("L1", 0.08, None)],
    "all three": [("L21", 0.1, None), ("L1", 0.05, None), ("SquaredL2", 0.3, None)],
    "free feature": [("L21", 0.2, FACTOR)],
    "ridge only on one": [("L21", 0.2, FACTOR), ("SquaredL2", 0.1, None)],
    "mixed factors": [("L21", 0.2, FACTOR), ("L1", 0.1, FACTOR[::-1])],
}


def optimum(case, parts, *, positive=False, fit_intercept=True, task_weight=None):
    """The minimum of the documented objective, found by an interior-point method."""
    W = cvxpy.Variable((case.n_features, case.n_tasks), nonneg=positive)
    b = cvxpy.Variable(case.n_tasks)
    terms = []
    for t, (X, y, v) in enumerate(case.weighted_tasks(task_weight)):
        error = y - X @ W[:, t] - (b[t] if fit_intercept else 0.0)
        terms.append(cvxpy.sum_squares(cvxpy.multiply(np.sqrt(v / case.n_bar), error)) / 2)
    for kind, alpha, factor in parts:
        factor = np.ones(case.n_features) if factor is None else np.asarray(factor)
        rows = {
            "L21": lambda: cvxpy.norm(W, 2, axis=1),
            "L1": lambda: cvxpy.sum(cvxpy.abs(W), axis=1),
            "SquaredL2": lambda: cvxpy.sum(cvxpy.square(W), axis=1) / 2,
        }[kind]()
        terms.append(alpha * factor @ rows)
    problem = cvxpy.Problem(cvxpy.Minimize(sum(terms)))
    tolerances = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-11)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem.solve(solver="CLARABEL", **tolerances)
    return problem.value


def written(parts, positive=False):
    """The same penalty in the library's algebra."""
    penalties = []
    for kind, alpha, factor in parts:
        options = {"positive": positive} if positive and kind != "SquaredL2" else {}
        penalties.append(PENALTIES[kind](alpha, factor=factor, **options))
    return sum(penalties[1:], penalties[0])


def assert_optimal(
    model, case, parts, *, positive=False, fit_intercept=True, task_weight=None, accuracy=1e-6
):
    model = clone(model).set_params(**case.init, fit_intercept=fit_intercept)
    model.set_params(task_weight=task_weight).fit(case.X, case.y, **case.fit)
    ours = squared_loss(case, model.coef_, model.intercept_, task_weight)
    ours += norm_value(model.coef_, parts)
    options = {"fit_intercept": fit_intercept, "task_weight": task_weight}
    best = optimum(case, parts, positive=positive, **options)
    null = null_objective(case, parts, **options)
    if positive:
        assert (model.coef_ >= 0).all()
    assert_allclose(ours, best, rtol=accuracy)
    assert ours - best <= model.dual_gap_ * null + 1e-9 * null
    assert model.dual_gap_ <= model.tol
    assert np.all(model.coef_[~case.present] == 0)
    if fit_intercept:
        for (X, y, v), w, b in zip(case.tasks, model.coef_, model.intercept_, strict=True):
            assert_allclose(v @ (y - X @ w - b), 0, atol=1e-9 * v.sum() * np.abs(y).max())
    else:
        assert np.all(model.intercept_ == 0)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", PENALISED)
def test_every_penalty_in_every_layout(name, layout):
    case = make_case(layout)
    assert_optimal(MultiTaskRegressor(written(PENALISED[name]), tol=1e-9), case, PENALISED[name])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weights", ["rows", "cells"])
@pytest.mark.parametrize("task_weight", [None, "balanced", {0: 3.0, 2: 0.5}], ids=str)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_weights_and_intercepts(layout, weights, task_weight, fit_intercept):
    case = make_case(layout, weights, n_tasks=3, seed=1)
    options = {"fit_intercept": fit_intercept, "task_weight": task_weight}
    assert_optimal(MultiTaskLasso(0.2, tol=1e-9), case, PENALISED["lasso"], **options)


@pytest.mark.parametrize("layout", ["column", "outputs", "outputs_nan", "csr_matrix", "absent"])
@pytest.mark.parametrize("name", ["lasso", "entries", "sparse group", "all three"])
def test_positive(layout, name):
    case, parts = make_case(layout, "rows", seed=2), PENALISED[name]
    model = MultiTaskRegressor(written(parts, positive=True), tol=1e-9)
    assert_optimal(model, case, parts, positive=True)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("factor", [None, FACTOR, [0.0, 0.0, 1.0, 0.0, 1.0]], ids=str)
def test_named_estimators(layout, factor):
    case = make_case(layout, "rows", seed=3)
    lasso = MultiTaskLasso(0.3, penalty_factor=factor, tol=1e-9)
    assert_optimal(lasso, case, [("L21", 0.3, factor)])
    net = MultiTaskElasticNet(0.3, l1_ratio=0.4, penalty_factor=factor, tol=1e-9)
    assert_optimal(net, case, [("L21", 0.12, factor), ("SquaredL2", 0.18, factor)])


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("layout", ["csr_matrix", "outputs_csc_matrix", "column"])
def test_free_features_without_intercepts(layout, fit_intercept):
    case, parts = make_case(layout, "rows", seed=4), PENALISED["ridge only on one"]
    model = MultiTaskRegressor(written(parts), tol=1e-9)
    assert_optimal(model, case, parts, fit_intercept=fit_intercept, task_weight="balanced")


@pytest.mark.parametrize("layout", ["column", "outputs", "outputs_nan", "outputs_csr_array"])
@pytest.mark.parametrize("name", ["lasso", "sparse group", "elastic net"])
def test_more_features_than_rows(layout, name):
    case, parts = make_case(layout, n=6, p=20, seed=5), PENALISED[name]
    assert_optimal(MultiTaskRegressor(written(parts), tol=1e-9), case, parts)


@pytest.mark.parametrize("layout", ["column", "outputs", "csc_array"])
def test_rows_instead_of_gram_matrices(layout, monkeypatch):
    monkeypatch.setattr("skmtl.problem.GRAM_ENTRIES", 0)
    case, parts = make_case(layout, "rows", n=5, p=70, seed=6), PENALISED["sparse group"]
    assert_optimal(MultiTaskRegressor(written(parts), tol=1e-9), case, parts)


@pytest.mark.parametrize("layout", ["column", "outputs", "absent"])
@pytest.mark.parametrize("name", PENALISED)
def test_gap_is_a_bound_far_from_the_optimum(layout, name):
    case, parts = make_case(layout, "rows", n=8, p=5, seed=7), PENALISED[name]
    best, null = optimum(case, parts), null_objective(case, parts)
    for max_iter in (1, 2, 3):
        model = MultiTaskRegressor(written(parts), tol=0.0, max_iter=max_iter, **case.init)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(case.X, case.y, **case.fit)
        ours = squared_loss(case, model.coef_, model.intercept_) + norm_value(model.coef_, parts)
        assert -1e-9 * null <= ours - best <= model.dual_gap_ * null + 1e-9 * null


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_ridge(layout, fit_intercept):
    case, alphas = make_case(layout, "rows", seed=8), np.array([0.5, 3.0, 20.0])
    model = MultiTaskRidge(alphas, task_weight="balanced", fit_intercept=fit_intercept)
    model.set_params(**case.init).fit(case.X, case.y, **case.fit)
    W = cvxpy.Variable((case.n_tasks, case.n_features))
    b = cvxpy.Variable(case.n_tasks)
    terms, ours = [], 0.0
    for t, (X, y, v) in enumerate(case.weighted_tasks("balanced")):
        error = y - X @ W[t] - (b[t] if fit_intercept else 0.0)
        terms.append(cvxpy.sum_squares(cvxpy.multiply(np.sqrt(v), error)))
        terms.append(alphas[t] * cvxpy.sum_squares(W[t]))
        error = y - X @ model.coef_[t] - model.intercept_[t]
        ours += v @ error**2 + alphas[t] * model.coef_[t] @ model.coef_[t]
    best = cvxpy.Problem(cvxpy.Minimize(sum(terms))).solve(solver="CLARABEL")
    assert_allclose(ours, best, rtol=1e-6)
