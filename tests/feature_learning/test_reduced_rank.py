"""Reduced-rank ridge: the closed form, the alternation, and the choice of the rank."""

import numpy as np
import pytest
from helpers import LAYOUTS, make_case, squared_loss
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skmtl import MultiTaskRidge, ReducedRankRidge, ReducedRankRidgeCV, TaskKFold
from skmtl.feature_learning import base
from skmtl.solvers import factors

EXACT = {"tol": 1e-11, "max_iter": 5000}


def objective(case, coef, intercept, alpha, task_weight=None):
    """Unnormalised squares and ridge."""
    squares = 2 * case.n_bar * squared_loss(case, coef, intercept, task_weight)
    return squares + alpha * np.sum(coef**2)


def centred(case):
    """The tasks' weighted rows around their means."""
    for X, y, v in case.tasks:
        root = np.sqrt(v)[:, None]
        yield (X - v @ X / v.sum()) * root, (y - v @ y / v.sum()) * root[:, 0]


def brute_force(case, rank, alpha, n_starts=12):
    """The lowest objective that BFGS on the two factors finds from random starts."""
    tasks = list(centred(case))
    n_tasks, p = len(tasks), case.n_features
    grams = np.array([X.T @ X for X, _ in tasks])
    cross = np.array([X.T @ y for X, y in tasks])
    squares = sum(y @ y for _, y in tasks)

    def value(z):
        A, B = z[: p * rank].reshape(p, rank), z[p * rank :].reshape(rank, n_tasks)
        W = A @ B
        product = np.einsum("tij,jt->it", grams, W) + alpha * W
        gradient = 2 * (product - cross.T)
        f = squares + np.sum(W * (product - 2 * cross.T))
        return f, np.concatenate([(gradient @ B.T).ravel(), (A.T @ gradient).ravel()])

    rng = np.random.RandomState(0)
    starts = rng.normal(size=(n_starts, (p + n_tasks) * rank))
    options = {"maxiter": 2000, "gtol": 1e-9}
    return min(minimize(value, z, jac=True, method="BFGS", options=options).fun for z in starts)


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("weights", [None, "rows"])
def test_closed_form_is_the_best_of_many_starts(rank, weights):
    case = make_case("outputs", weights, n_tasks=5, p=4, noise=2.0)
    model = ReducedRankRidge(rank, alpha=3.0).fit(case.X, case.y, **case.fit)
    ours = objective(case, model.coef_, model.intercept_, 3.0)
    assert_allclose(model.objective_path_, [ours], rtol=1e-12)
    assert_allclose(ours, brute_force(case, rank, 3.0), rtol=1e-8)
    assert np.linalg.matrix_rank(model.coef_, tol=1e-10) == rank


@pytest.mark.parametrize("seed", range(6))
def test_alternation_is_the_best_of_many_starts(seed):
    case = make_case("column", n_tasks=5, n=6, p=4, noise=2.0, seed=seed)
    rank = 1 + seed % 2
    model = ReducedRankRidge(rank, alpha=0.5, **case.init, **EXACT).fit(case.X, case.y)
    ours = objective(case, model.coef_, model.intercept_, 0.5)
    assert_allclose(ours, brute_force(case, rank, 0.5), rtol=1e-8)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weights", [None, "rows"])
def test_objective_of_every_layout(layout, weights):
    case = make_case(layout, weights, n_tasks=4)
    model = ReducedRankRidge(2, alpha=1.5, **case.init, **EXACT).fit(case.X, case.y, **case.fit)
    # Of absent features the penalty counts what the factors would have there.
    coef = model.codes_ @ model.components_
    path = model.objective_path_
    squares = objective(case, model.coef_, model.intercept_, 0.0)
    assert_allclose(path[-1], squares + 1.5 * np.sum(coef**2), rtol=1e-10)
    assert (np.diff(path) <= 1e-12 * path[0]).all()
    assert model.n_iter_ == len(path) - 1
    assert_allclose(model.codes_.T @ model.codes_, np.eye(2), atol=1e-10)
    if layout != "absent":
        assert_allclose(model.coef_, coef, atol=1e-12)


def test_stationary():
    """A move of the factors in any direction raises the objective at second order only."""
    case = make_case("column", n_tasks=4, p=5)
    model = ReducedRankRidge(2, alpha=1.0, **case.init, **EXACT).fit(case.X, case.y)
    gradient = np.array(
        [X.T @ (X @ w - y) + w for (X, y), w in zip(centred(case), model.coef_, strict=True)]
    )
    assert_allclose(model.codes_.T @ gradient, 0, atol=1e-8)
    assert_allclose(gradient @ model.components_.T, 0, atol=1e-8)


def test_tasks_with_the_same_rows_apart():
    """The alternation finds the closed form."""
    case = make_case("outputs", n_tasks=4, n=20, p=5, noise=2.0)
    n_tasks = case.n_tasks
    X = np.column_stack([np.repeat(np.arange(n_tasks), len(case.X)), np.tile(case.X, (n_tasks, 1))])
    shared = ReducedRankRidge(2, alpha=2.0).fit(case.X, case.y)
    apart = ReducedRankRidge(2, alpha=2.0, task_column=0, **EXACT).fit(X, case.y.T.ravel())
    assert_allclose(apart.coef_, shared.coef_, rtol=1e-7, atol=1e-9)
    assert_allclose(apart.components_, shared.components_, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("rank", [4, 9])
def test_no_bound_is_ridge_per_task(layout, rank):
    case = make_case(layout, n_tasks=4, p=4)
    model = ReducedRankRidge(rank, alpha=0.7, **case.init, **EXACT).fit(case.X, case.y, **case.fit)
    ridge = MultiTaskRidge(0.7, **case.init).fit(case.X, case.y, **case.fit)
    assert_allclose(model.coef_, ridge.coef_, rtol=1e-7, atol=1e-9)
    assert_allclose(model.intercept_, ridge.intercept_, rtol=1e-7, atol=1e-9)
    assert model.components_.shape == (rank, 4)


def test_without_a_penalty():
    case = make_case("outputs", n_tasks=4, n=30, p=4)
    model = ReducedRankRidge(2, alpha=0.0).fit(case.X, case.y)
    X = case.X - case.X.mean(axis=0)
    Y = case.y - case.y.mean(axis=0)
    fitted = X @ np.linalg.lstsq(X, Y, rcond=None)[0]
    right = np.linalg.svd(fitted)[2][:2]
    assert_allclose(X @ model.coef_.T, fitted @ right.T @ right, atol=1e-10)
    own = make_case("column", n_tasks=6, n=4, p=8)  # fewer rows than features
    model = ReducedRankRidge(2, alpha=0.0, **own.init, max_iter=5000).fit(own.X, own.y)
    assert np.isfinite(model.coef_).all()


def test_targets_rotated():
    """The rank and the norm do not change under a rotation of outputs that share rows."""
    case = make_case("outputs", n_tasks=5, n=20, p=4)
    turn = np.linalg.qr(np.random.RandomState(0).normal(size=(5, 5)))[0]
    plain = ReducedRankRidge(2).fit(case.X, case.y)
    turned = ReducedRankRidge(2).fit(case.X, case.y @ turn)
    assert_allclose(turned.coef_, turn.T @ plain.coef_, atol=1e-10)


@pytest.mark.parametrize("layout", ["column", "outputs_nan", "csr_matrix"])
def test_conjugate_gradients_for_large_systems(layout, monkeypatch):
    case = make_case(layout, n_tasks=6, n=15, p=8)
    settings = {"alpha": 0.5, **case.init, **EXACT}
    expected = ReducedRankRidge(3, **settings).fit(case.X, case.y, **case.fit)
    monkeypatch.setattr(factors, "LARGEST_DIRECT", 0)
    model = ReducedRankRidge(3, **settings).fit(case.X, case.y, **case.fit)
    assert_allclose(model.coef_, expected.coef_, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("layout", ["column", "outputs_nan", "csc_array", "absent"])
def test_rows_instead_of_gram_matrices(layout, monkeypatch):
    case = make_case(layout, "rows", n_tasks=6, n=15, p=8)
    settings = {"alpha": 0.5, **case.init, **EXACT}
    expected = ReducedRankRidge(3, **settings).fit(case.X, case.y, **case.fit)
    monkeypatch.setattr("skmtl.problem.GRAM_ENTRIES", 0)
    model = ReducedRankRidge(3, **settings).fit(case.X, case.y, **case.fit)
    assert_allclose(model.coef_, expected.coef_, rtol=1e-6, atol=1e-8)


def test_constant_targets():
    case = make_case("column")
    model = ReducedRankRidge(2, **case.init).fit(case.X, np.ones(len(case.y)))
    assert_array_equal(model.coef_, 0)
    assert_allclose(model.intercept_, 1)


def test_transform():
    case = make_case("column")
    model = ReducedRankRidge(2, **case.init).fit(case.X, case.y)
    features = model.transform(case.X)
    codes = case.X[:, 0].astype(int)
    fitted = np.sum(features * model.codes_[codes], axis=1) + model.intercept_[codes]
    assert_allclose(fitted, model.predict(case.X))
    assert_array_equal(model.get_feature_names_out(), ["reducedrankridge0", "reducedrankridge1"])
    again = ReducedRankRidge(2, **case.init).fit_transform(case.X, case.y)
    assert_allclose(again, features)
    vector = make_case("vector")
    features = ReducedRankRidge(2).fit_transform(vector.X, vector.y, **vector.fit)
    assert features.shape == (len(vector.y), 2)


def test_warm_start_and_seeds():
    case = make_case("column", n_tasks=8, n=8, p=6, noise=3.0)
    model = ReducedRankRidge(2, **case.init, warm_start=True).fit(case.X, case.y)
    first, value = model.n_iter_, model.objective_path_[-1]
    model.fit(case.X, case.y)
    assert model.n_iter_ <= min(first, 2)
    assert model.objective_path_[-1] <= value * (1 + 1e-12)
    fits = [ReducedRankRidge(2, **case.init, random_state=3).fit(case.X, case.y) for _ in range(2)]
    assert_array_equal(fits[0].coef_, fits[1].coef_)


def test_not_at_rest():
    case = make_case("column", n_tasks=8, n=8, p=6, noise=3.0)
    with pytest.warns(ConvergenceWarning, match="did not come to rest in 1 rounds"):
        ReducedRankRidge(2, **case.init, tol=1e-9, max_iter=1).fit(case.X, case.y)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rank": 0}, "rank=0 must be"),
        ({"rank": 1.5}, "rank must be an integer"),
        ({"alpha": -1.0}, "alpha=-1.0"),
        ({"n_init": 0}, "n_init=0"),
        ({"tol": -1.0}, "tol=-1.0"),
        ({"max_iter": 0}, "max_iter=0"),
    ],
)
def test_wrong_parameters(wrong, message):
    case = make_case("column")
    with pytest.raises((ValueError, TypeError), match=message):
        ReducedRankRidge(**wrong, **case.init).fit(case.X, case.y)


# --- the choice of the rank -------------------------------------------------------------------


def planted(layout, rank=2, n_tasks=20, n=40, p=10, seed=0):
    rng = np.random.RandomState(seed)
    basis = rng.normal(size=(rank, p))
    coef = rng.normal(size=(n_tasks, rank)) @ basis
    if layout == "outputs":
        X = rng.normal(size=(n, p))
        return X, X @ coef.T + rng.normal(size=(n, n_tasks)), basis, {}
    ids = np.repeat(np.arange(n_tasks), n)
    X = rng.normal(size=(len(ids), p))
    y = np.sum(X * coef[ids], axis=1) + rng.normal(size=len(ids))
    return np.column_stack([ids, X]), y, basis, {"task_column": 0}


@pytest.mark.parametrize("layout", ["column", "outputs"])
def test_planted_rank_is_found(layout):
    X, y, basis, init = planted(layout)
    model = ReducedRankRidgeCV(alphas=[0.1, 1.0, 10.0], **init).fit(X, y)
    assert model.rank_ == 2
    # The planted features are in the span of the components, but for noise.
    span = np.linalg.qr(model.components_.T)[0]
    left = basis - basis @ span @ span.T
    assert np.linalg.norm(left) < 0.15 * np.linalg.norm(basis)


@pytest.mark.parametrize("layout", ["column", "outputs", "outputs_nan"])
def test_errors_of_folds_by_hand(layout):
    case = make_case(layout, n_tasks=4, n=15)
    cv = TaskKFold(3, task_column=case.init.get("task_column"))
    folds = list(cv.split(case.X, case.y))
    options = {"tol": 1e-9, "max_iter": 5000}
    model = ReducedRankRidgeCV(
        [1, 2], alphas=[0.5, 5.0], cv=folds, n_init=1, **case.init, **options
    )
    model.fit(case.X, case.y)
    assert model.mse_path_.shape == (2, 2, 3)
    train, test = folds[1]
    # The largest alpha is the first of the path, which the others start at.
    by_hand = ReducedRankRidge(2, alpha=5.0, n_init=1, **case.init, tol=1e-2)
    by_hand.fit(case.X[train], case.y[train])
    error = np.nanmean((by_hand.predict(case.X[test]) - case.y[test]) ** 2)
    assert_allclose(model.mse_path_[1, 1, 1], error, rtol=1e-9)
    chosen = ReducedRankRidge(model.rank_, alpha=model.alpha_, n_init=1, **case.init, **options)
    assert_allclose(chosen.fit(case.X, case.y).coef_, model.coef_)
    assert_allclose(model.best_score_, -model.mse_path_.mean(axis=-1).min())


def test_jobs_change_nothing():
    X, y, _, init = planted("column", n_tasks=6)
    fits = [
        ReducedRankRidgeCV([1, 2, 3], alphas=[1.0], cv=3, n_jobs=jobs, **init).fit(X, y)
        for jobs in (1, 2)
    ]
    assert_array_equal(fits[0].mse_path_, fits[1].mse_path_)
    assert_array_equal(fits[0].coef_, fits[1].coef_)


def test_default_grids():
    X, y, _, init = planted("outputs", n_tasks=7)
    model = ReducedRankRidgeCV(cv=3, **init).fit(X, y)
    assert_array_equal(model.ranks_, [1, 2, 3, 5, 7])
    assert len(model.alphas_) == 6


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"ranks": []}, "ranks is empty"), ({"ranks": [0]}, "ranks=0"), ({"alphas": [-1]}, "alphas")],
)
def test_wrong_grids(wrong, message):
    case = make_case("column")
    with pytest.raises(ValueError, match=message):
        ReducedRankRidgeCV(**wrong, **case.init).fit(case.X, case.y)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_fewer_rows_than_features(layout, fit_intercept, monkeypatch):
    """The span of the rows holds the solution that all features have."""
    case = make_case(layout, "rows", n_tasks=4, n=6, p=40)
    options = {"tol": 1e-12, "max_iter": 5000, "n_init": 1, "fit_intercept": fit_intercept}
    narrow = ReducedRankRidge(2, alpha=2.0, **case.init, **options).fit(case.X, case.y, **case.fit)
    monkeypatch.setattr(base, "in_row_span", lambda data, fit_intercept: (base.WHOLE, data))
    whole = ReducedRankRidge(2, alpha=2.0, **case.init, **options).fit(case.X, case.y, **case.fit)
    assert_allclose(narrow.objective_path_[-1], whole.objective_path_[-1], rtol=1e-9)
    assert_allclose(narrow.coef_, whole.coef_, atol=1e-5)
    assert_allclose(narrow.intercept_, whole.intercept_, atol=1e-5)
    assert_allclose(narrow.components_, whole.components_, atol=1e-5)


def test_absent_features_beyond_the_rows(monkeypatch):
    case = make_case("column", n_tasks=4, n=6, p=40)
    X = case.X.copy()
    X[X[:, 0] == X[0, 0], 5:9] = np.nan
    X[:, 1:] += 3.0
    model = ReducedRankRidge(2, n_init=1, tol=1e-12, max_iter=5000, **case.init)
    narrow = clone(model).fit(X, case.y)
    monkeypatch.setattr(base, "in_row_span", lambda data, fit_intercept: (base.WHOLE, data))
    whole = clone(model).fit(X, case.y)
    assert_allclose(narrow.predict(X), whole.predict(X), atol=1e-6)
    assert_allclose(narrow.coef_, whole.coef_, atol=1e-6)
    assert_allclose(narrow.intercept_, whole.intercept_, atol=1e-5)
