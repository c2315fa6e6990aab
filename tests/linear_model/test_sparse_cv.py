"""Cross-validated sparse models against scikit-learn, loops over folds, and hand-made choices."""

import warnings
from dataclasses import replace
from math import comb

import numpy as np
import pytest
import sklearn
from helpers import LAYOUTS, make_case
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import linear_model
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, ShuffleSplit
from sklearn.utils.fixes import parse_version
from test_problem import read

from skmtl import MultiTaskElasticNet, MultiTaskLasso
from skmtl.linear_model.sparse_cv import MultiTaskElasticNetCV, MultiTaskLassoCV
from skmtl.linear_model.sparse_path import multitask_elastic_net_path, multitask_lasso_path
from skmtl.model_selection import LeaveOneTaskOut, TaskKFold
from skmtl.penalties import L21, SquaredL2
from skmtl.problem import Problem
from skmtl.solvers import solve
from skmtl.solvers.degrees_of_freedom import degrees_of_freedom

TIGHT = {"tol": 1e-10, "max_iter": 5000}
NUMBER = "alphas" if parse_version(sklearn.__version__) >= parse_version("1.7") else "n_alphas"
ALPHAS = [1.0, 0.3, 0.1, 0.03]


def outputs(n=40, p=8, n_tasks=3, seed=0, noise=1.0):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n, p)) + 2.0
    coef = rng.normal(size=(p, n_tasks)) * (np.arange(p) < 3)[:, None]
    return X, X @ coef + noise * rng.normal(size=(n, n_tasks)) - 1.0


# --- against scikit-learn ---------------------------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("shape", [(40, 8, 3), (12, 30, 2)], ids=["tall", "wide"])
def test_lasso_is_that_of_sklearn(fit_intercept, shape):
    X, Y = outputs(*shape)
    options = {"eps": 1e-2, "fit_intercept": fit_intercept, "cv": 4}
    ours = MultiTaskLassoCV(alphas=20, **options, **TIGHT).fit(X, Y)
    options |= {NUMBER: 20, "tol": 1e-12, "max_iter": 100_000}
    theirs = linear_model.MultiTaskLassoCV(**options).fit(X, Y)
    assert_allclose(ours.alphas_, theirs.alphas_, rtol=1e-10)
    assert_allclose(ours.mse_path_, theirs.mse_path_, rtol=1e-4)
    assert_allclose(ours.alpha_, theirs.alpha_, rtol=1e-10)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-4)
    assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-4)
    assert ours.dual_gap_ <= 1e-10


def test_elastic_net_is_that_of_sklearn():
    X, Y = outputs()
    options = {"l1_ratio": [0.2, 0.7, 1.0], "cv": KFold(3, shuffle=True, random_state=0)}
    ours = MultiTaskElasticNetCV(alphas=10, **options, **TIGHT).fit(X, Y)
    options |= {NUMBER: 10, "tol": 1e-10, "max_iter": 10_000}
    theirs = linear_model.MultiTaskElasticNetCV(**options).fit(X, Y)
    for name in ("alphas_", "alpha_", "l1_ratio_"):
        assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-10)
    assert ours.alphas_.shape == (3, 10)
    assert ours.mse_path_.shape == (3, 10, 3)
    assert_allclose(ours.mse_path_, theirs.mse_path_, rtol=1e-5)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)


@pytest.mark.parametrize("positive", [False, True])
def test_one_task_is_lasso_cv(positive):
    X, Y = outputs()
    y, weights = Y[:, 0], np.random.RandomState(1).uniform(0.1, 3.0, size=len(Y))
    options = {"alphas": ALPHAS, "cv": 5, "positive": positive}
    ours = MultiTaskLassoCV(**options, **TIGHT).fit(X, y, sample_weight=weights)
    theirs = linear_model.LassoCV(**options, tol=1e-12, max_iter=100_000)
    theirs.fit(X, y, sample_weight=weights)
    assert_array_equal(ours.alphas_, sorted(ALPHAS, reverse=True))
    assert_allclose(ours.mse_path_, theirs.mse_path_, rtol=1e-5)
    assert_allclose(ours.coef_[0], theirs.coef_, atol=1e-5)


# --- against a loop ---------------------------------------------------------------------------


def by_loop(case, alphas, splits, make, factors=1.0):
    """Mean squared errors (n_alphas, n_folds) of models fitted one by one; factors by row."""
    weights = case.fit.get("sample_weight", np.ones(case.y.shape))
    if weights.ndim < case.y.ndim:
        weights = np.repeat(weights[:, None], case.y.shape[1], axis=1)
    tasks = case.fit.get("tasks")
    losses = np.empty((len(alphas), len(splits)))
    X = case.X.tocsr() if sparse.issparse(case.X) else case.X
    for column, (train, test) in enumerate(splits):
        for row, alpha in enumerate(alphas):
            given = {} if tasks is None else {"tasks": tasks[train]}
            model = make(alpha).fit(X[train], case.y[train], sample_weight=weights[train], **given)
            given = {} if tasks is None else {"tasks": tasks[test]}
            counted = (weights * factors)[test]
            squares = (model.predict(X[test], **given) - case.y[test]) ** 2
            seen = ~np.isnan(squares)
            losses[row, column] = np.average(squares[seen], weights=counted[seen])
    return losses


@pytest.mark.parametrize(
    "layout",
    LAYOUTS,
)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("factor", [None, [1.0, 0.0, 0.5, 2.0, 1.0]], ids=["plain", "factor"])
def test_folds_are_fits(layout, fit_intercept, factor):
    weights = "cells" if layout == "outputs_nan" else "rows"
    case = make_case(layout, weights, n=20, noise=2.0, seed=3)
    options = {"penalty_factor": factor, "fit_intercept": fit_intercept, **case.init, **TIGHT}
    model = MultiTaskLassoCV(alphas=ALPHAS, cv=3, **options).fit(case.X, case.y, **case.fit)
    codes = None
    if case.y.ndim == 1:
        codes = np.empty(len(case.y), dtype=int)
        for task, rows in enumerate(case.rows):
            codes[rows] = task
    splits = list(TaskKFold(3).split(case.X, groups=codes))
    expected = by_loop(case, ALPHAS, splits, lambda alpha: MultiTaskLasso(alpha, **options))
    assert_allclose(model.mse_path_, expected, rtol=1e-6)
    assert model.alpha_ == ALPHAS[np.argmin(expected.mean(axis=1))]
    final = MultiTaskLasso(model.alpha_, **options).fit(case.X, case.y, **case.fit)
    assert_allclose(model.coef_, final.coef_, atol=1e-6)
    assert_allclose(model.intercept_, final.intercept_, atol=1e-6)


def test_elastic_net_with_a_ridge_and_folds_that_overlap():
    case = make_case("column", "rows", n=20, noise=2.0, seed=4)
    cv = ShuffleSplit(3, test_size=0.3, train_size=0.5, random_state=0)
    options = {**case.init, **TIGHT}
    model = MultiTaskElasticNetCV(l1_ratio=[0.0, 0.5], alphas=ALPHAS, cv=cv, **options)
    model.fit(case.X, case.y, **case.fit)
    splits = list(cv.split(case.X))
    for row, ratio in enumerate([0.0, 0.5]):
        expected = by_loop(
            case, ALPHAS, splits, lambda a, r=ratio: MultiTaskElasticNet(a, l1_ratio=r, **options)
        )
        assert_allclose(model.mse_path_[row], expected, rtol=1e-6)
    assert_array_equal(model.alphas_, ALPHAS)
    assert model.l1_ratio_ in (0.0, 0.5)


def test_task_weights_weight_the_errors_too():
    case = make_case("column", n=20, noise=2.0, seed=5)
    options = {"task_weight": [1.0, 0.0, 3.0], **case.init, **TIGHT}
    model = MultiTaskLassoCV(alphas=ALPHAS, cv=3, **options).fit(case.X, case.y)
    codes = case.X[:, 0].astype(int)
    splits = list(TaskKFold(3).split(case.X, groups=codes))
    factors = np.array([1.0, 0.0, 3.0])[codes]
    expected = by_loop(case, ALPHAS, splits, lambda a: MultiTaskLasso(a, **options), factors)
    assert_allclose(model.mse_path_, expected, rtol=1e-6)
    assert_allclose(model.coef_[1], model.coef_shared_)


# --- the choice -------------------------------------------------------------------------------


def test_largest_alpha_is_where_all_is_zero():
    case = make_case("column", "rows", seed=6)
    model = MultiTaskLassoCV(alphas=1, cv=2, eps=1.0, **case.init, **TIGHT)
    model.fit(case.X, case.y, **case.fit)
    assert model.alphas_.shape == (1,)
    assert_allclose(model.coef_, 0, atol=1e-12)
    below = MultiTaskLasso(0.99 * model.alpha_, **case.init).fit(case.X, case.y, **case.fit)
    assert np.sum(below.coef_.any(axis=0)) == 1


def test_grid_with_free_features_is_for_the_rest():
    case = make_case("column", seed=7)
    factor = [0.0, 1.0, 1.0, 3.0, 1.0]
    options = {"penalty_factor": factor, **case.init, **TIGHT}
    model = MultiTaskLassoCV(alphas=5, cv=3, **options).fit(case.X, case.y)
    for scale, n_used in [(1.0001, 1), (0.999, 2)]:
        lasso = MultiTaskLasso(scale * model.alphas_[0], **options).fit(case.X, case.y)
        assert np.sum(lasso.coef_.any(axis=0)) == n_used
    assert_allclose(model.alphas_[1:] / model.alphas_[:-1], 1e-3 ** (1 / 4))


def test_one_standard_error_by_hand():
    X, Y = outputs(noise=6.0, seed=8)
    best = MultiTaskLassoCV().fit(X, Y)
    simple = MultiTaskLassoCV(selection="one_standard_error").fit(X, Y)
    mean = best.mse_path_.mean(axis=1)
    at = int(np.argmin(mean))
    limit = mean[at] + np.std(best.mse_path_[at], ddof=1) / np.sqrt(5)
    expected = max(a for a, m in zip(best.alphas_, mean, strict=True) if m <= limit)
    assert simple.alpha_ == expected > best.alpha_
    assert_array_equal(simple.mse_path_, best.mse_path_)
    assert simple.dual_gap_ <= 1e-6
    assert_allclose(simple.coef_, MultiTaskLasso(expected).fit(X, Y).coef_, atol=1e-2)


def test_the_better_l1_ratio_is_taken():
    X, Y = outputs(noise=4.0, seed=9)
    model = MultiTaskElasticNetCV(l1_ratio=[0.1, 0.9], alphas=20, cv=3).fit(X, Y)
    mean = model.mse_path_.mean(axis=-1)
    row, column = np.unravel_index(np.argmin(mean), mean.shape)
    assert (model.l1_ratio_, model.alpha_) == ([0.1, 0.9][row], model.alphas_[row, column])


# --- information criteria ---------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["column", "outputs", "outputs_nan", "csr_matrix"])
@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_degrees_of_freedom_are_the_divergence(layout, ridge):
    """The sum over targets of the derivative of a fitted value in its target."""
    case = make_case(layout, n=14, noise=1.0, seed=14)
    data = read(case)

    def fitted(y):
        moved = replace(data, y=y)
        problem = Problem(moved, L21(0.4) + SquaredL2(ridge))
        solution = solve(problem, tol=1e-15, max_iter=1000)
        coef, intercept = problem.complete(solution.coef)
        values = np.asarray(data.X @ coef + intercept)
        values = values if y.ndim == 2 else values[np.arange(len(y)), data.codes]
        return values, degrees_of_freedom(problem, solution.coef)

    degrees = fitted(data.y)[1]
    assert 0 < degrees < 15
    seen = (
        np.ones(data.y.shape, dtype=bool) if data.weights.ndim < data.y.ndim else (data.weights > 0)
    )
    divergence, h = 0.0, 1e-4
    for place in np.argwhere(seen):
        up, down = data.y.copy(), data.y.copy()
        up[tuple(place)] += h
        down[tuple(place)] -= h
        divergence += (fitted(up)[0] - fitted(down)[0])[tuple(place)] / (2 * h)
    assert_allclose(degrees, divergence - data.n_tasks, rtol=1e-4)  # an intercept each


def test_no_shrinkage_counts_coefficients():
    case = make_case("column", seed=15)
    problem = Problem(read(case), L21(1e-9, factor=[1, 0, 1, 1, 1]))
    W = solve(problem, tol=1e-14, max_iter=1000).coef
    assert_allclose(degrees_of_freedom(problem, W), 15, rtol=1e-6)
    assert degrees_of_freedom(problem, 0 * W) == 3


@pytest.mark.parametrize("criterion", ["bic", "ebic"])
@pytest.mark.parametrize("layout", ["column", "outputs_nan"])
def test_criterion_by_hand(criterion, layout):
    case = make_case(layout, n=30, noise=1.0, seed=16)
    model = MultiTaskLassoCV(alphas=8, criterion=criterion, **case.init, **TIGHT)
    model.fit(case.X, case.y)
    n = sum(len(y) for _, y, _ in case.tasks)
    expected = []
    for alpha, degrees in zip(model.alphas_, model.df_path_, strict=True):
        lasso = MultiTaskLasso(alpha, **case.init, **TIGHT).fit(case.X, case.y)
        squares = [
            np.sum((y - X @ w - b) ** 2)
            for (X, y, _), w, b in zip(case.tasks, lasso.coef_, lasso.intercept_, strict=True)
        ]
        used = int(lasso.coef_.any(axis=0).sum())
        assert degrees <= 3 * used
        value = n * np.log(sum(squares) / n) + np.log(n) * degrees
        expected.append(value + (criterion == "ebic") * 2 * np.log(comb(5, used)))
    assert_allclose(model.criterion_path_, expected, rtol=1e-6)
    assert model.alpha_ == model.alphas_[np.argmin(expected)]
    assert not hasattr(model, "mse_path_")
    model.set_params(criterion="cv").fit(case.X, case.y)
    assert not hasattr(model, "df_path_")


def test_criterion_does_not_take_interpolation_for_a_fit():
    X, Y = outputs(20, 60, 3, noise=3.0)
    model = MultiTaskLassoCV(criterion="ebic").fit(X, Y)
    assert model.df_path_[model.alphas_ == model.alpha_] <= 30
    with pytest.raises(ValueError, match="at most half as many degrees of freedom as the 60"):
        MultiTaskLassoCV(criterion="bic", alphas=[1e-4]).fit(X, Y)


# --- path functions ---------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["column", "vector", "outputs_nan"])
def test_paths_are_fits(layout):
    case = make_case(layout, "rows", seed=17)
    given = {**case.init, **case.fit, "alphas": ALPHAS, **TIGHT}
    lassos = multitask_lasso_path(case.X, case.y, **given)
    nets = multitask_elastic_net_path(case.X, case.y, l1_ratio=0.3, **given)
    assert lassos.coefs.shape == (3, 5, 4)
    for number, alpha in enumerate(ALPHAS):
        lasso = MultiTaskLasso(alpha, **case.init, **TIGHT).fit(case.X, case.y, **case.fit)
        net = MultiTaskElasticNet(alpha, l1_ratio=0.3, **case.init, **TIGHT)
        net.fit(case.X, case.y, **case.fit)
        for path, model in ((lassos, lasso), (nets, net)):
            assert path.alphas[number] == alpha
            assert path.dual_gaps[number] <= 1e-10
            assert_allclose(path.coefs[:, :, number], model.coef_, atol=1e-6)
            assert_allclose(path.intercepts[:, number], model.intercept_, atol=1e-6)


def test_path_is_that_of_sklearn():
    X, Y = outputs()
    ours = multitask_lasso_path(X, Y, alphas=10, fit_intercept=False, **TIGHT)
    alphas, coefs, _ = linear_model.lasso_path(X, Y, tol=1e-12, max_iter=100_000, alphas=ours[0])
    assert_allclose(ours.alphas, alphas)
    assert_allclose(ours.coefs, coefs, atol=1e-6)
    assert np.all(ours.intercepts == 0)


def test_paths_warn_once_and_have_one_l1_ratio():
    X, Y = outputs(12, 30, 2)
    for path in (multitask_lasso_path, multitask_elastic_net_path):
        with pytest.warns(ConvergenceWarning, match="of 5 fits of the path") as record:
            path(X, Y, alphas=5, tol=0.0, max_iter=1)
        assert [item.filename for item in record] == [__file__]
    with pytest.raises(ValueError, match=r"l1_ratio=\[0.5, 1.0\] must be one number"):
        multitask_elastic_net_path(X, Y, l1_ratio=[0.5, 1.0])


# --- invariances and odd data -----------------------------------------------------------------


@pytest.mark.parametrize("layout", ["column", "outputs"])
def test_jobs_do_not_matter(layout):
    case = make_case(layout, seed=10)
    one, two = (
        MultiTaskLassoCV(alphas=10, n_jobs=n_jobs, **case.init).fit(case.X, case.y)
        for n_jobs in (1, 2)
    )
    assert_array_equal(one.mse_path_, two.mse_path_)
    assert_array_equal(one.coef_, two.coef_)


@pytest.mark.parametrize("layout", ["column", "outputs"])
def test_badly_centred_data(layout):
    """Sums from the origin at zero would leave no digit of these."""
    case = make_case(layout, n=30, noise=1.0, seed=11)
    shift = np.r_[0.0, np.full(5, 1e6)] if layout == "column" else 1e6
    options = {"alphas": ALPHAS, "cv": 3, **case.init, **TIGHT}
    near = MultiTaskLassoCV(**options).fit(case.X, case.y)
    far = MultiTaskLassoCV(**options).fit(case.X + shift, case.y + 1e6)
    assert_allclose(far.mse_path_, near.mse_path_, rtol=1e-6)
    assert_allclose(far.coef_, near.coef_, atol=1e-6)


def test_nearly_perfect_fits_have_accurate_errors():
    X, Y = outputs(noise=1e-7, seed=12)
    model = MultiTaskLassoCV(alphas=[1e-9], cv=3, tol=1e-15).fit(X, Y)
    expected = []
    for train, test in KFold(3).split(X):
        lasso = MultiTaskLasso(1e-9, tol=1e-15).fit(X[train], Y[train])
        expected.append(np.mean((lasso.predict(X[test]) - Y[test]) ** 2))
    assert_allclose(model.mse_path_[0], expected, rtol=1e-3)


def test_constant_targets():
    X = np.random.RandomState(0).normal(size=(10, 3))
    for value in (0.0, 5.0):
        Y = np.column_stack([np.full(10, value), np.full(10, 2 * value)])
        model = MultiTaskLassoCV(alphas=3).fit(X, Y)
        assert_array_equal(model.alphas_, [np.finfo(float).resolution] * 3)
        assert_array_equal(model.predict(X), Y)


def test_frames_and_names():
    pandas = pytest.importorskip("pandas")
    case = make_case("column", seed=13)
    frame = pandas.DataFrame(case.X, columns=["school", *"abcde"])
    options = {"alphas": ALPHAS, "cv": TaskKFold(3, task_column=0)}
    plain = MultiTaskLassoCV(task_column=0, **options).fit(case.X, case.y)
    options["cv"] = TaskKFold(3, task_column="school")
    named = MultiTaskLassoCV(task_column="school", **options).fit(frame, case.y)
    assert_allclose(named.mse_path_, plain.mse_path_)
    assert_allclose(named.predict(frame), plain.predict(case.X))


def test_grid_with_zero():
    """alpha = 0 is least squares: nothing is penalised."""
    X, Y = outputs()
    model = MultiTaskLassoCV(alphas=[0.0, 50.0], cv=3).fit(X, Y)
    assert model.alpha_ == 0.0
    assert_allclose(model.coef_, linear_model.LinearRegression().fit(X, Y).coef_)


def test_a_number_of_alphas_or_none():
    X, Y = outputs()
    assert MultiTaskLassoCV(alphas=None, cv=2).fit(X, Y).alphas_.shape == (100,)
    assert MultiTaskLassoCV(alphas=np.int64(7), cv=2).fit(X, Y).alphas_.shape == (7,)


# --- warnings and errors ----------------------------------------------------------------------


def test_one_warning_for_all_folds():
    X, Y = outputs(12, 30, 2)
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        MultiTaskLassoCV(alphas=5, tol=0.0, max_iter=1, cv=3).fit(X, Y)
    assert [item.category for item in record] == [ConvergenceWarning] * 2
    assert "of 15 fits of the folds did not converge" in str(record[0].message)
    assert "The relative duality gap is" in str(record[1].message)
    assert {item.filename for item in record} == {__file__}


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"alphas": []}, ValueError, "alphas is empty"),
        ({"alphas": 0}, ValueError, "alphas=0"),
        ({"alphas": [0.1, -1.0]}, ValueError, r"alphas\[1\]=-1.0"),
        ({"alphas": [np.nan]}, ValueError, r"alphas\[0\]=nan"),
        ({"alphas": ["a"]}, TypeError, r"alphas\[0\]"),
        ({"alphas": [[0.1]]}, ValueError, "alphas has shape"),
        ({"eps": 0.0}, ValueError, r"eps=0.0 must be finite and > 0"),
        ({"eps": 2.0}, ValueError, r"eps=2.0"),
        ({"selection": "cyclic"}, ValueError, "selection='cyclic' is not one of best, one_st"),
        ({"criterion": "aic"}, ValueError, "criterion='aic' is not one of cv, bic, ebic"),
        ({"criterion": "bic", "selection": "one_standard_error"}, ValueError, "no folds"),
        ({"criterion": "bic", "positive": True}, ValueError, "criterion='bic' counts degrees"),
        ({"tol": -1.0}, ValueError, "tol=-1.0"),
        ({"max_iter": 0}, ValueError, "max_iter=0"),
        ({"l1_ratio": 1.5}, ValueError, "l1_ratio=1.5 must be between 0 and 1"),
        ({"l1_ratio": []}, ValueError, "l1_ratio is empty"),
        ({"l1_ratio": 0.0}, ValueError, "not supported for l1_ratio=0"),
        ({"l1_ratio": 0.0, "alphas": [1.0], "positive": True}, ValueError, "every l1_ratio > 0"),
        ({"alphas": [0.0], "positive": True}, ValueError, "every alpha > 0"),
        ({"penalty_factor": [1.0, 2.0]}, ValueError, "5 features"),
        ({"penalty_factor": [0.0] * 5}, ValueError, "penalty_factor"),
        ({"cv": 50}, ValueError, "n_splits=50"),
        ({"cv": LeaveOneTaskOut(task_column=0)}, ValueError, "tests task 0 without training"),
        ({"cv": []}, ValueError, "cv holds no fold"),
        (
            {"cv": [(np.arange(40), np.arange(40, 45))], "selection": "one_standard_error"},
            ValueError,
            "at least two folds",
        ),
    ],
    ids=str,
)
def test_wrong_parameters(parameters, error, message):
    case = make_case("column")
    with pytest.raises(error, match=message):
        MultiTaskElasticNetCV(**{**case.init, **parameters}).fit(case.X, case.y)


def test_a_fold_without_weight():
    X, Y = outputs()
    weights = np.r_[np.zeros(8), np.ones(32)]
    with pytest.raises(ValueError, match="fold 0 of cv holds out no row with a positive weight"):
        MultiTaskLassoCV(cv=5).fit(X, Y, sample_weight=weights)


def test_one_row_cannot_be_held_out():
    with pytest.raises(ValueError, match="n_samples=1"):
        MultiTaskLassoCV().fit(np.ones((1, 2)), np.ones(1))


def test_fits_in_threads_leave_the_warning_filters_alone():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(80, 600)), rng.normal(size=(80, 2))
    for _ in range(2):
        MultiTaskLassoCV(alphas=5, n_jobs=4, cv=4).fit(X, Y)
    kinds = [(item[0], item[2]) for item in warnings.filters]
    assert ("ignore", ConvergenceWarning) not in kinds


@pytest.mark.parametrize(("x_scale", "y_scale"), [(1e200, 1.0), (1.0, 1e200)])
def test_scales_out_of_range_are_an_error_or_a_warning(x_scale, y_scale):
    X, Y = outputs(30, 4, 2)
    with warnings.catch_warnings(record=True) as record, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        for fit in (multitask_lasso_path, MultiTaskLassoCV(alphas=5).fit):
            try:
                fit(x_scale * X, y_scale * Y)
            except ValueError as error:
                assert "range of" in str(error) or "large" in str(error)  # noqa: PT017
            else:
                assert any(item.category is ConvergenceWarning for item in record)


@pytest.mark.parametrize(("n_tasks", "expected"), [(2, 2.0), (3, 3.0)])
def test_degrees_of_freedom_count_the_rank_of_free_features(n_tasks, expected):
    X, Y = outputs(30, 6, n_tasks)
    X[:, 1], X[:, 2] = X[:, 0], 1.0
    factor = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    model = MultiTaskLassoCV(alphas=[1e3], criterion="bic", penalty_factor=factor).fit(X, Y)
    assert model.df_path_[0] == pytest.approx(expected)
