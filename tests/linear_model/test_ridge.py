import warnings

import numpy as np
import pytest
from helpers import LAYOUTS, make_case, ridge_by_normal_equations
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import KFold

from skmtl import MultiTaskRidge, MultiTaskRidgeCV
from skmtl.linear_model.ridge import multitask_ridge_path

SHAPES = [{"n": 12, "p": 4}, {"n": 7, "p": 18}]
ALPHAS = [0.01, 1.0, 30.0]


def brute_force_mse(case, alphas, *, fit_intercept=True, task_weight=None):
    """Weighted mean squared error of each row left out, (n_alphas, n_tasks)."""
    errors = np.zeros((len(alphas), case.n_tasks))
    for t, (X, y, v) in enumerate(case.weighted_tasks(task_weight)):
        for k, alpha in enumerate(alphas):
            for i in range(len(y)):
                kept = np.arange(len(y)) != i
                w, b = ridge_by_normal_equations(
                    X[kept], y[kept], v[kept], alpha, fit_intercept=fit_intercept
                )
                errors[k, t] += v[i] * (y[i] - X[i] @ w - b) ** 2 / v.sum()
    return errors


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weights", [None, "rows", "cells"])
@pytest.mark.parametrize("shape", SHAPES, ids=["n > p", "p > n"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_ridge_solves_the_normal_equations(layout, weights, shape, fit_intercept):
    case = make_case(layout, weights, seed=1, **shape)
    alphas = {0: 0.3, 1: 2.0, 2: 40.0}
    for alpha in (1.5, alphas, list(alphas.values())):
        model = MultiTaskRidge(alpha, fit_intercept=fit_intercept, **case.init)
        model.fit(case.X, case.y, **case.fit)
        for t, (X, y, v) in enumerate(case.tasks):
            own = alpha if alpha == 1.5 else alphas[t]
            w, b = ridge_by_normal_equations(X, y, v, own, fit_intercept=fit_intercept)
            assert_allclose(model.coef_[t], w * case.present[t], rtol=1e-8, atol=1e-10)
            assert_allclose(model.intercept_[t], b, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weights", [None, "rows", "cells"])
@pytest.mark.parametrize("shape", SHAPES, ids=["n > p", "p > n"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("task_weight", [None, "balanced"], ids=str)
def test_leave_one_out_is_exact(layout, weights, shape, fit_intercept, task_weight):
    case = make_case(layout, weights, seed=2, **shape)
    options = {"fit_intercept": fit_intercept, "task_weight": task_weight}
    model = MultiTaskRidgeCV(ALPHAS, **options, **case.init)
    model.fit(case.X, case.y, **case.fit)
    brute = brute_force_mse(case, ALPHAS, **options)
    assert_allclose(model.mse_path_, brute, rtol=1e-8)
    assert_array_equal(model.alpha_, np.array(ALPHAS)[np.argmin(brute, axis=0)])
    sizes = np.array([v.sum() for _, _, v in case.weighted_tasks(task_weight)])
    assert_allclose(model.best_score_, -(brute.min(axis=0) @ sizes) / sizes.sum(), rtol=1e-8)
    refit = MultiTaskRidge(model.alpha_, **options, **case.init)
    refit.fit(case.X, case.y, **case.fit)
    assert_allclose(model.coef_, refit.coef_, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_penalty_for_all_tasks(layout):
    case = make_case(layout, "rows", seed=3)
    model = MultiTaskRidgeCV(ALPHAS, alpha_per_task=False, **case.init)
    model.fit(case.X, case.y, **case.fit)
    sizes = np.array([v.sum() for _, _, v in case.tasks])
    best = np.argmin(brute_force_mse(case, ALPHAS) @ sizes)
    assert_array_equal(model.alpha_, np.full(case.n_tasks, ALPHAS[best]))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weights", ["rows", "cells"])
@pytest.mark.parametrize("p", [5, 22], ids=["n > p", "p > n"])
def test_cv_with_folds_is_the_error_of_refits(layout, weights, p):
    case = make_case(layout, weights, seed=4, n=16, p=p)
    folds = list(KFold(3, shuffle=True, random_state=0).split(case.y))
    model = MultiTaskRidgeCV(ALPHAS, cv=folds, **case.init).fit(case.X, case.y, **case.fit)
    errors = np.zeros((len(ALPHAS), case.n_tasks))
    for t, ((X, y, v), rows) in enumerate(zip(case.tasks, case.rows, strict=True)):
        for train, test in folds:
            kept, out = np.isin(rows, train), np.isin(rows, test)
            for k, alpha in enumerate(ALPHAS):
                w, b = ridge_by_normal_equations(X[kept], y[kept], v[kept], alpha)
                errors[k, t] += v[out] @ (y[out] - X[out] @ w - b) ** 2 / v.sum()
    assert_allclose(model.mse_path_, errors, rtol=1e-8)


@pytest.mark.parametrize("alphas", [[0.1], np.logspace(-3, 6, 40)], ids=["one", "many"])
@pytest.mark.parametrize("per_task", [True, False])
def test_features_without_any_variance(alphas, per_task):
    Y = np.random.RandomState(0).normal(size=(20, 3))
    X = np.full((20, 2), 7.0)
    model = MultiTaskRidgeCV(alphas, alpha_per_task=per_task).fit(X, Y)
    assert_allclose(model.coef_, 0.0)
    assert_allclose(model.intercept_, Y.mean(axis=0))
    alone = np.mean(((Y - Y.mean(axis=0)) * 20 / 19) ** 2, axis=0)
    assert_allclose(model.mse_path_, np.tile(alone, (len(alphas), 1)))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weights", [None, "cells"])
@pytest.mark.parametrize("shape", SHAPES, ids=["n > p", "p > n"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_path_is_one_model_per_penalty(layout, weights, shape, fit_intercept):
    case = make_case(layout, weights, seed=12, **shape)
    alphas = [5.0, 0.01, 300.0]
    options = {"fit_intercept": fit_intercept, "task_weight": "balanced"}
    coefs, intercepts = multitask_ridge_path(
        case.X, case.y, alphas, **options, **case.init, **case.fit
    )
    assert coefs.shape == (case.n_tasks, case.n_features, 3)
    for k, alpha in enumerate(alphas):
        model = MultiTaskRidge(alpha, **options, **case.init).fit(case.X, case.y, **case.fit)
        assert_allclose(coefs[:, :, k], model.coef_, rtol=1e-8, atol=1e-11)
        assert_allclose(intercepts[:, k], model.intercept_, rtol=1e-8, atol=1e-11)


def test_path_without_penalty_is_the_least_norm_solution():
    case = make_case("column", n=4, p=15, seed=8)
    coefs, _ = multitask_ridge_path(case.X, case.y, [0.0, 1.0], **case.init)
    for t, (X, y, _) in enumerate(case.tasks):
        least = np.linalg.pinv(X - X.mean(axis=0), rcond=1e-10) @ (y - y.mean())
        assert_allclose(coefs[t, :, 0], least, rtol=1e-8, atol=1e-10)


def test_path_refuses_what_it_cannot_solve():
    case = make_case("column")
    for alphas in ([], [-1.0], [np.nan], [[1.0, 2.0], [3.0, 4.0]]):
        with pytest.raises(ValueError, match="alphas"):
            multitask_ridge_path(case.X, case.y, alphas, **case.init)
    X, y = case.tasks[0][:2]
    with pytest.raises(ValueError, match="no finite coefficients"), np.errstate(all="ignore"):
        multitask_ridge_path(X * 1e160, y, [0.0])


@pytest.mark.parametrize("weighted", [False, True])
def test_one_task_is_sklearn_ridge(weighted):
    case = make_case("column", "rows" if weighted else None, n_tasks=1, seed=5)
    X, y, v = case.tasks[0]
    for alpha in (0.1, 10.0):
        for fit_intercept in (True, False):
            ours = MultiTaskRidge(alpha, fit_intercept=fit_intercept).fit(X, y, sample_weight=v)
            theirs = Ridge(alpha, fit_intercept=fit_intercept).fit(X, y, sample_weight=v)
            assert_allclose(ours.coef_[0], theirs.coef_, rtol=1e-9)
            assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-9)


def test_complete_outputs_are_sklearn_ridge_and_ridge_cv():
    case = make_case("outputs", seed=6, n=20)
    alphas = [0.1, 1.0, 10.0, 100.0]
    ridge = Ridge(np.array([0.5, 2.0, 9.0])).fit(case.X, case.y)
    assert_allclose(MultiTaskRidge([0.5, 2.0, 9.0]).fit(case.X, case.y).coef_, ridge.coef_)
    for per_task in (True, False):
        theirs = RidgeCV(alphas, alpha_per_target=per_task, store_cv_results=True)
        theirs.fit(case.X, case.y)
        ours = MultiTaskRidgeCV(alphas, alpha_per_task=per_task).fit(case.X, case.y)
        assert_array_equal(ours.alpha_, np.broadcast_to(theirs.alpha_, 3))
        assert_allclose(ours.coef_, theirs.coef_, rtol=1e-9)
        assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-9)
        assert_allclose(ours.mse_path_.T, theirs.cv_results_.mean(axis=0), rtol=1e-9)


@pytest.mark.parametrize("layout", ["column", "outputs", "csr_matrix"])
def test_alpha_to_infinity_is_the_mean_and_zero_is_least_squares(layout):
    case = make_case(layout, "rows", seed=7)
    flat = MultiTaskRidge(1e14, **case.init).fit(case.X, case.y, **case.fit)
    assert_allclose(flat.coef_, 0, atol=1e-9)
    free = MultiTaskRidge(0.0, **case.init).fit(case.X, case.y, **case.fit)
    for t, (X, y, v) in enumerate(case.tasks):
        assert_allclose(flat.intercept_[t], v @ y / v.sum())
        w, b = ridge_by_normal_equations(X, y, v, 0.0)
        assert_allclose(free.coef_[t], w, rtol=1e-8)
        assert_allclose(free.intercept_[t], b, rtol=1e-8)


def test_alpha_zero_without_full_rank_is_the_least_norm_solution():
    case = make_case("column", n=4, p=15, seed=8)
    model = MultiTaskRidge(0.0, **case.init).fit(case.X, case.y)
    for t, (X, y, _) in enumerate(case.tasks):
        least = np.linalg.pinv(X - X.mean(axis=0), rcond=1e-10) @ (y - y.mean())
        assert_allclose(model.coef_[t], least, rtol=1e-8, atol=1e-10)


def test_ill_conditioned_features_are_solved_exactly_and_silently():
    rng = np.random.RandomState(9)
    X, y = rng.normal(size=(30, 6)), rng.normal(size=30)
    X -= X.mean(axis=0)
    for distance, accuracy in [(1e-3, 1e-9), (1e-5, 1e-7), (1e-7, 1e-5), (0.0, 1e-9)]:
        X[:, 5] = X[:, 0] + distance * rng.normal(size=30)
        centred = X - X.mean(axis=0)
        alpha = 1e-13
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model = MultiTaskRidge(alpha).fit(X, y)
        stacked = np.vstack([centred, np.sqrt(alpha) * np.eye(6)])
        best = np.linalg.lstsq(stacked, np.r_[y - y.mean(), np.zeros(6)], rcond=1e-15)[0]
        assert_allclose(model.predict(X), centred @ best + y.mean(), atol=accuracy)


def test_leave_one_out_where_the_model_interpolates():
    case = make_case("column", n=4, p=30, seed=10)
    model = MultiTaskRidgeCV([1e-10], **case.init).fit(case.X, case.y)
    for t, (X, y, _) in enumerate(case.tasks):
        error = 0.0
        for i in range(len(y)):
            kept = np.arange(len(y)) != i
            mean = X[kept].mean(axis=0)
            w = np.linalg.pinv(X[kept] - mean, rcond=1e-10) @ (y[kept] - y[kept].mean())
            error += (y[i] - y[kept].mean() - (X[i] - mean) @ w) ** 2 / len(y)
        assert_allclose(model.mse_path_[0, t], error, rtol=1e-6)


def test_the_shared_model_is_the_mean_weighted_by_rows():
    case = make_case("column", seed=11)
    model = MultiTaskRidge(unknown_task="shared", **case.init).fit(case.X, case.y)
    sizes = np.array([len(y) for _, y, _ in case.tasks])
    assert_allclose(model.coef_shared_, sizes @ model.coef_ / sizes.sum())
    new = case.X[:3].copy()
    new[:, 0] = 99
    expected = new[:, 1:] @ model.coef_shared_ + model.intercept_shared_
    assert_allclose(model.predict(new), expected)


@pytest.mark.parametrize(
    ("alpha", "error"),
    [
        (-1.0, ValueError),
        (np.nan, ValueError),
        ([1.0, 2.0], ValueError),
        ([1.0, 2.0, -3.0], ValueError),
        ({0: 1.0, 1: 2.0}, ValueError),
        ("auto", TypeError),
        (True, TypeError),
    ],
    ids=str,
)
def test_wrong_penalties(alpha, error):
    case = make_case("column")
    with pytest.raises(error, match="alpha"):
        MultiTaskRidge(alpha, **case.init).fit(case.X, case.y)


@pytest.mark.parametrize("alphas", [[], [0.0, 1.0], [-1.0], [np.inf]], ids=str)
def test_wrong_grids(alphas):
    case = make_case("column")
    with pytest.raises(ValueError, match="alphas"):
        MultiTaskRidgeCV(alphas, **case.init).fit(case.X, case.y)
