import numpy as np
import pytest
from helpers import LAYOUTS, DenseMeanRidge, make_case
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold

from skmtl import MeanRegularizedRidge, MeanRegularizedRidgeCV, MultiTaskRidge
from skmtl.solvers.mean_regularized import BlockWoodbury, KernelForm, SharedRows, make_form
from skmtl.task_data import make_task_data

TRIPLES = [(1.0, 1.0, 1.0), (0.1, 30.0, 5.0), (50.0, 0.3, 0.02), (2.0, 1e4, 100.0)]
OWN_FORMS = [BlockWoodbury, KernelForm]
SHAPES = [{"n": 9, "p": 4}, {"n": 3, "p": 14, "n_tasks": 4}]


def task_data(case, task_weight=None):
    """The TaskData of a case, as the estimators make it."""
    X, ids = case.X, case.fit.get("tasks")
    if "task_column" in case.init:
        dense = X.toarray() if sparse.issparse(X) else X
        ids = dense[:, 0].astype(int)
        X = X[:, 1:] if isinstance(X, np.ndarray) else X.tocsr()[:, 1:]
    weights = case.fit.get("sample_weight")
    return make_task_data(X, case.y, ids=ids, sample_weight=weights, task_weight=task_weight)


def forms_for(layout, weights):
    shared = layout in ("outputs", "outputs_csr_array", "outputs_csc_matrix")
    return [*OWN_FORMS, SharedRows] if shared and weights != "cells" else OWN_FORMS


CASES = [
    (layout, weights, form)
    for layout in LAYOUTS
    for weights in (None, "rows", "cells")
    for form in forms_for(layout, weights)
]


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=["n > p", "p > n"])
@pytest.mark.parametrize(("layout", "weights", "form"), CASES)
def test_forms_solve_the_normal_equations(layout, weights, form, shape, fit_intercept):
    case = make_case(layout, weights, seed=1, **shape)
    dense = DenseMeanRidge(case, fit_intercept=fit_intercept)
    fitted = form(task_data(case), fit_intercept)
    for triple in TRIPLES:
        coef, intercept, shared, shared_intercept = dense.models(*triple)
        ours, ours_intercept, ours_shared = fitted.solve(*triple)
        assert_allclose(ours.T * case.present, coef, rtol=1e-7, atol=1e-8)
        assert_allclose(ours_intercept, intercept, rtol=1e-7, atol=1e-8)
        assert_allclose(ours_shared[0], shared, rtol=1e-7, atol=1e-8)
        assert_allclose(ours_shared[1], shared_intercept, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=["n > p", "p > n"])
@pytest.mark.parametrize(("layout", "weights", "form"), CASES)
def test_forms_leave_rows_out_exactly(layout, weights, form, shape, fit_intercept):
    case = make_case(layout, weights, seed=2, **shape)
    dense = DenseMeanRidge(case, fit_intercept=fit_intercept)
    fitted = form(task_data(case), fit_intercept)
    for triple in TRIPLES:
        mse = fitted.leave_one_out(*triple).sum() / dense.v.sum()
        assert_allclose(mse, dense.leave_one_out(*triple), rtol=1e-8)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weights", [None, "rows", "cells"])
@pytest.mark.parametrize("task_weight", [None, "balanced", [2.0, 1.0, 0.3]], ids=str)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_estimator_solves_the_normal_equations(layout, weights, task_weight, fit_intercept):
    case = make_case(layout, weights, seed=3)
    options = {"fit_intercept": fit_intercept, "task_weight": task_weight}
    model = MeanRegularizedRidge(0.5, alpha_task=4.0, alpha_intercept=0.7, **options)
    model.set_params(**case.init).fit(case.X, case.y, **case.fit)
    coef, intercept, shared, shared_intercept = DenseMeanRidge(case, **options).models(
        0.5, 4.0, 0.7
    )
    assert_allclose(model.coef_, coef, rtol=1e-8, atol=1e-9)
    assert_allclose(model.intercept_, intercept, rtol=1e-8, atol=1e-9)
    assert_allclose(model.coef_shared_, shared, rtol=1e-8, atol=1e-9)
    assert_allclose(model.intercept_shared_, shared_intercept, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weights", [None, "rows", "cells"])
@pytest.mark.parametrize("task_weight", [None, "balanced"], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=["n > p", "p > n"])
def test_cv_leaves_rows_out_exactly(layout, weights, task_weight, shape):
    case = make_case(layout, weights, seed=4, **shape)
    grids = {"alphas_task": [0.5, 20.0], "alphas_common": [0.1, 3.0], "alphas_intercept": [0.2, 9]}
    model = MeanRegularizedRidgeCV(**grids, task_weight=task_weight, **case.init)
    model.fit(case.X, case.y, **case.fit)
    results = model.cv_results_
    triples = list(
        zip(
            results["alpha_common"],
            results["alpha_task"],
            results["alpha_intercept"],
            strict=True,
        )
    )
    assert len(set(triples)) == 8
    dense = DenseMeanRidge(case, task_weight=task_weight)
    brute = [dense.leave_one_out(*triple) for triple in triples]
    assert_allclose(results["mse"], brute, rtol=1e-8)
    best = triples[np.argmin(brute)]
    assert (model.alpha_common_, model.alpha_task_, model.alpha_intercept_) == best
    assert_allclose(model.best_score_, -min(brute), rtol=1e-8)
    assert_allclose(model.coef_, dense.models(*best)[0], rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("layout", ["column", "vector", "outputs", "outputs_nan", "csr_matrix"])
def test_cv_with_folds_is_the_error_of_refits(layout):
    case = make_case(layout, "rows", seed=5)
    grids = {"alphas_task": [0.5, 20.0], "alphas_common": [0.1], "alphas_intercept": [0.2]}
    folds = list(KFold(4, shuffle=True, random_state=0).split(case.y))
    model = MeanRegularizedRidgeCV(**grids, cv=folds, **case.init)
    model.fit(case.X, case.y, **case.fit)
    v, ids = case.fit["sample_weight"], case.fit.get("tasks")
    for alpha_task, mse in zip(
        model.cv_results_["alpha_task"], model.cv_results_["mse"], strict=True
    ):
        total = weight = 0.0
        for train, test in folds:
            refit = MeanRegularizedRidge(0.1, alpha_task=alpha_task, alpha_intercept=0.2)
            given = {} if ids is None else {"tasks": ids[train]}
            refit.set_params(**case.init)
            refit.fit(case.X[train], case.y[train], sample_weight=v[train], **given)
            given = {} if ids is None else {"tasks": ids[test]}
            errors = (case.y[test] - refit.predict(case.X[test], **given)) ** 2
            cells = np.broadcast_to(v[test].reshape(-1, *[1] * (case.y.ndim - 1)), errors.shape)
            seen = ~np.isnan(errors)
            total += np.sum(cells[seen] * errors[seen])
            weight += np.sum(cells[seen])
        assert_allclose(mse, total / weight, rtol=1e-9)


def test_default_search_is_no_worse_than_a_coarse_exhaustive_one():
    case = make_case("column", seed=6, n=8)
    model = MeanRegularizedRidgeCV(**case.init).fit(case.X, case.y)
    grids = {
        "alphas_task": np.logspace(-2, 8, 5),
        "alphas_common": np.logspace(-2, 4, 3),
        "alphas_intercept": np.logspace(-2, 5, 3),
    }
    coarse = MeanRegularizedRidgeCV(**grids, **case.init).fit(case.X, case.y)
    assert model.cv_results_["mse"].min() <= coarse.cv_results_["mse"].min() * 1.02


def test_forms_are_chosen_by_shape():
    def form_of(layout, **shape):
        return type(make_form(task_data(make_case(layout, **shape)), fit_intercept=True))

    assert form_of("outputs") is SharedRows
    assert form_of("outputs_nan", n=20) is BlockWoodbury
    assert form_of("column", n=20) is BlockWoodbury
    assert form_of("column", n=3, p=40) is KernelForm


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weights", [None, "rows"])
@pytest.mark.parametrize("shape", SHAPES, ids=["n > p", "p > n"])
def test_infinite_task_penalty_pools_with_task_intercepts(layout, weights, shape):
    case = make_case(layout, weights, seed=7, **shape)
    model = MeanRegularizedRidge(2.0, alpha_task=1e13, alpha_intercept=0.0, **case.init)
    model.fit(case.X, case.y, **case.fit)
    present = case.present
    spread = (model.coef_ - model.coef_shared_) * present
    assert_allclose(spread, 0, atol=1e-6)
    # One-hot columns of the tasks are free in sklearn's Ridge if they are projected out.
    centred = [
        ((X - v @ X / v.sum() * present[t]), y - v @ y / v.sum(), v)
        for t, (X, y, v) in enumerate(case.tasks)
    ]
    X, y, v = (np.concatenate(part) for part in zip(*centred, strict=True))
    pooled = Ridge(2.0, fit_intercept=False, tol=1e-12).fit(X, y, sample_weight=v)
    assert_allclose(model.coef_shared_, pooled.coef_, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layout", ["column", "outputs", "csr_matrix"])
def test_infinite_penalties_pool_the_intercepts_too(layout):
    case = make_case(layout, "rows", seed=8)
    model = MeanRegularizedRidge(2.0, alpha_task=1e13, alpha_intercept=1e13, **case.init)
    model.fit(case.X, case.y, **case.fit)
    X, y, v = (np.concatenate(part) for part in zip(*case.tasks, strict=True))
    pooled = Ridge(2.0).fit(X, y, sample_weight=v)
    for coef, intercept in zip(model.coef_, model.intercept_, strict=True):
        assert_allclose(coef, pooled.coef_, rtol=1e-5, atol=1e-6)
        assert_allclose(intercept, pooled.intercept_, rtol=1e-5, atol=1e-6)
    assert_allclose(model.intercept_shared_, pooled.intercept_, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES, ids=["n > p", "p > n"])
def test_infinite_common_penalty_is_ridge_per_task(layout, shape):
    case = make_case(layout, "rows", seed=9, **shape)
    model = MeanRegularizedRidge(1e13, alpha_task=3.0, alpha_intercept=0.0, **case.init)
    model.fit(case.X, case.y, **case.fit)
    single = MultiTaskRidge(3.0, **case.init).fit(case.X, case.y, **case.fit)
    assert_allclose(model.coef_, single.coef_, rtol=1e-5, atol=1e-6)
    assert_allclose(model.intercept_, single.intercept_, rtol=1e-5, atol=1e-6)


def test_one_task_is_a_ridge_with_the_harmonic_penalty():
    case = make_case("column", n_tasks=1, seed=10)
    X, y, _ = case.tasks[0]
    model = MeanRegularizedRidge(2.0, alpha_task=3.0).fit(X, y)
    ridge = Ridge(1 / (1 / 2.0 + 1 / 3.0)).fit(X, y)
    assert_allclose(model.coef_[0], ridge.coef_, rtol=1e-9)
    assert_allclose(model.intercept_[0], ridge.intercept_, rtol=1e-9)


@pytest.mark.parametrize("layout", ["column", "outputs", "outputs_nan"])
def test_a_free_common_model(layout):
    case = make_case(layout, seed=11, n=20)
    model = MeanRegularizedRidge(0.0, alpha_task=3.0, **case.init).fit(case.X, case.y)
    coef, intercept, *_ = DenseMeanRidge(case).models(0.0, 3.0, 1.0)
    assert_allclose(model.coef_, coef, rtol=1e-7, atol=1e-8)
    assert_allclose(model.intercept_, intercept, rtol=1e-7, atol=1e-8)


def test_a_new_task_is_predicted_by_the_common_model():
    case = make_case("column", seed=12)
    model = MeanRegularizedRidge(unknown_task="shared", task_column=0).fit(case.X, case.y)
    new = case.X[:4].copy()
    new[:, 0] = 77
    expected = new[:, 1:] @ model.coef_shared_ + model.intercept_shared_
    assert_allclose(model.predict(new), expected)
    new[1:, 0] = case.X[1:4, 0]
    assert_array_equal(model.predict(new)[1:], model.predict(case.X[1:4]))


@pytest.mark.parametrize("form", OWN_FORMS)
@pytest.mark.parametrize("layout", ["column", "outputs_nan", "csr_matrix"])
@pytest.mark.parametrize("zero", ["common", "intercept"])
def test_penalties_of_zero_are_limits(layout, form, zero):
    case = make_case(layout, "rows", seed=13, n=20)
    dense, fitted = DenseMeanRidge(case), form(task_data(case), True)
    at_zero, near = {
        "common": ((0.0, 2.0, 1.0), (1e-9, 2.0, 1.0)),
        "intercept": ((1.0, 2.0, 0.0), (1.0, 2.0, 1e-6)),
    }[zero]
    coef, intercept, shared, shared_intercept = dense.models(*near)
    ours, ours_intercept, (ours_shared, ours_shared_intercept) = fitted.solve(*at_zero)
    assert_allclose(ours.T, coef, rtol=1e-5, atol=1e-6)
    assert_allclose(ours_intercept, intercept, rtol=1e-5, atol=1e-6)
    assert_allclose(ours_shared, shared, rtol=1e-5, atol=1e-6)
    assert_allclose(ours_shared_intercept, shared_intercept, rtol=1e-5, atol=1e-6)
    mse = fitted.leave_one_out(*at_zero).sum() / dense.v.sum()
    assert_allclose(mse, dense.leave_one_out(*near), rtol=1e-5)


def test_features_without_variance_and_without_common_penalty():
    case = make_case("outputs_nan", seed=14)
    X = np.column_stack([case.X, np.ones(len(case.X)), np.zeros(len(case.X))])
    grids = {"alphas_common": [0.0], "alphas_task": [1.0], "alphas_intercept": [0.0, 1.0]}
    model = MeanRegularizedRidgeCV(**grids).fit(X, case.y)
    without = MeanRegularizedRidgeCV(**grids).fit(case.X, case.y)
    assert_allclose(model.cv_results_["mse"], without.cv_results_["mse"], rtol=1e-6)
    assert_allclose(model.predict(X), without.predict(case.X), rtol=1e-6)


def test_too_large_for_a_closed_form(monkeypatch):
    monkeypatch.setattr("skmtl.solvers.mean_regularized.LARGEST_DENSE", 4)
    monkeypatch.setattr("skmtl.solvers.mean_regularized.STACK_ENTRIES", 0)
    case = make_case("column", n=2, p=12)
    with pytest.raises(ValueError, match=r"12 features, 3 tasks and 15 rows are too many"):
        MeanRegularizedRidge(**case.init).fit(case.X, case.y)


def test_a_single_row_has_nothing_to_be_left_out_of():
    for X, y in [([[2.0, 1.0]], [3.0]), ([[2.0, 1.0], [1.0, 0.0]], [[3.0], [np.nan]])]:
        model = MeanRegularizedRidgeCV().fit(np.array(X), np.array(y))
        assert np.isfinite(model.coef_).all()
        assert_allclose(model.intercept_ + model.coef_ @ [2.0, 1.0], 3.0)
