"""TransferRidge: limits, brute force, and what leave-one-out decides."""

import pickle

import numpy as np
import pytest
from helpers import SPARSE
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge, RidgeCV
from sklearn.model_selection import GridSearchCV, KFold, LeaveOneOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl import TransferRidge, TransferRidgeCV
from skmtl.model_selection import TargetKFold
from skmtl.solvers.transfer_ridge import candidate_weights, source_weights


def make(n=30, p=5, n_sources=1, seed=0, noise=0.5, shift=0.3):
    """Rows of a target and fitted linear sources that are like it."""
    rng = np.random.RandomState(seed)
    w = rng.normal(size=p)
    sources = []
    for _ in range(n_sources):
        X = rng.normal(size=(60, p))
        y = X @ (w + shift * rng.normal(size=p)) + 1.0 + noise * rng.normal(size=60)
        sources.append(Ridge().fit(X, y))
    X = rng.normal(size=(n, p)) + 0.5
    return X, X @ w - 2.0 + noise * rng.normal(size=n), sources, rng


# --- the objective ----------------------------------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("shape", [(30, 5), (8, 20)])
def test_minimises_the_objective(shape, weighted, fit_intercept):
    X, y, (source,), rng = make(*shape)
    v = rng.uniform(0.2, 3.0, size=len(y)) if weighted else np.ones(len(y))
    model = TransferRidge(source, source_weights=0.7, alpha=2.0, fit_intercept=fit_intercept)
    model.fit(X, y, sample_weight=v)

    def objective(w, b):
        residual = y - X @ w - b - 0.7 * source.intercept_
        return v @ residual**2 + 2.0 * np.sum((w - 0.7 * source.coef_) ** 2)

    w, b = model.coef_, model.intercept_ - 0.7 * source.intercept_
    residual = y - model.predict(X)
    gradient = -2 * X.T @ (v * residual) + 4.0 * (w - 0.7 * source.coef_)
    assert_allclose(gradient, 0, atol=1e-8)
    if fit_intercept:
        assert_allclose(v @ residual, 0, atol=1e-8)
    else:
        assert_allclose(b, 0, atol=1e-12)
    for _ in range(5):
        move = 1e-3 * rng.normal(size=len(w))
        assert objective(w + move, b) >= objective(w, b)


def test_without_source_it_is_ridge():
    X, y, _, rng = make()
    v = rng.uniform(size=len(y))
    ours = TransferRidge(alpha=3.0).fit(X, y, sample_weight=v)
    reference = Ridge(alpha=3.0).fit(X, y, sample_weight=v)
    assert_allclose(ours.coef_, reference.coef_, atol=1e-12)
    assert_allclose(ours.intercept_, reference.intercept_, atol=1e-12)
    assert ours.source_weights_.shape == (0,)


def test_no_penalty_is_least_squares():
    X, y, (source,), _ = make()
    reference = LinearRegression().fit(X, y)
    assert_allclose(TransferRidge(source, alpha=0.0).fit(X, y).coef_, reference.coef_, atol=1e-9)


def test_infinite_penalty_is_the_source():
    X, y, (source,), _ = make()
    model = TransferRidge(source, source_weights=1.0, alpha=1e14).fit(X, y)
    assert_allclose(model.coef_, source.coef_, atol=1e-9)
    assert_allclose(model.predict(X).mean(), y.mean())
    model = TransferRidge(source, source_weights=1.0, alpha=1e14, fit_intercept=False).fit(X, y)
    assert_allclose(model.predict(X), source.predict(X), atol=1e-9)


def test_a_source_that_is_the_truth_is_found():
    X, y, _, _ = make(noise=0.0)
    truth = LinearRegression().fit(X, y)
    model = TransferRidge(truth, alpha=10.0).fit(X, y)
    assert_allclose(model.source_weights_, 1.0, atol=1e-6)
    assert_allclose(model.coef_, truth.coef_, atol=1e-6)


# --- weights of the sources -------------------------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("shape", [(25, 4), (8, 20)])
def test_leave_one_out_is_exact(shape, fit_intercept):
    """The weights are the best ones for errors of refits without a row, by brute force."""
    X, y, sources, rng = make(*shape, n_sources=2)
    v = rng.uniform(0.5, 2.0, size=len(y))
    model = TransferRidge(sources, alpha=2.0, fit_intercept=fit_intercept)
    model.fit(X, y, sample_weight=v)

    def error(a):
        total = 0.0
        for i in range(len(y)):
            rest = np.arange(len(y)) != i
            fixed = TransferRidge(
                sources, source_weights=a, alpha=2.0, fit_intercept=fit_intercept
            ).fit(X[rest], y[rest], sample_weight=v[rest])
            total += v[i] * (y[i] - fixed.predict(X[[i]])[0]) ** 2
        return total

    found = error(model.source_weights_)
    assert (model.source_weights_ >= 0).all()
    assert model.source_weights_.sum() <= 1 + 1e-12
    for a in ([0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.2, 0.3]):
        assert found <= error(np.array(a)) + 1e-9


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_source_weights_solve_the_quadratic_program(seed, whole):
    rng = np.random.RandomState(seed)
    residuals = rng.normal(size=(20, 5))
    residuals[:, 0] += residuals[:, 1:3] @ [0.4, 0.2 + seed]
    a = source_weights(residuals, whole=whole)

    def value(a):
        return np.sum((residuals[:, 0] - residuals[:, 1:] @ a) ** 2)

    bound = {"type": "eq" if whole else "ineq", "fun": lambda a: 1 - a.sum()}
    best = minimize(value, np.full(4, 0.25), bounds=[(0, 1)] * 4, constraints=bound, tol=1e-12)
    assert value(a) <= best.fun + 1e-8
    assert (a >= 0).all()
    assert a.sum() <= 1 + 1e-9
    if whole:
        assert_allclose(a.sum(), 1)


def test_no_residual_and_no_source():
    assert_array_equal(source_weights(np.zeros((4, 3))), [0, 0])
    assert source_weights(np.ones((4, 1))).shape == (0,)


def test_any_regressor_can_be_a_source():
    X, y, _, rng = make(n=40)
    Z = rng.normal(size=(200, 5))
    forest = RandomForestRegressor(10, random_state=0).fit(Z, np.sin(3 * Z[:, 0]) + Z[:, 1])
    before = pickle.dumps(forest)
    y = y + 3 * np.sin(3 * X[:, 0])
    model = TransferRidge(forest, source_weights=1.0, alpha=1e14).fit(X, y)
    assert model.adds_sources_
    told = forest.predict(X)
    assert_allclose(model.predict(X), told + np.mean(y - told), atol=1e-8)
    assert pickle.dumps(forest) == before
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(X), model.predict(X))
    unused = TransferRidge(forest, source_weights=0.0).fit(X, y)
    assert not unused.adds_sources_
    assert_allclose(unused.coef_, Ridge().fit(X, y).coef_)


def test_a_linear_pipeline_is_linear():
    X, y, _, rng = make()
    Z = 10 * rng.normal(size=(50, 5)) + 3
    source = make_pipeline(StandardScaler(), Ridge()).fit(Z, Z[:, 0])
    model = TransferRidge(source, source_weights=1.0).fit(X, y)
    assert not model.adds_sources_
    assert_allclose(model.predict(X), X @ model.coef_ + model.intercept_)


# --- data -------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [TransferRidge, TransferRidgeCV])
@pytest.mark.parametrize("kind", SPARSE)
@pytest.mark.parametrize("shape", [(40, 6), (12, 30)])
def test_sparse_is_as_dense(cls, kind, shape):
    X, y, (source,), _ = make(*shape)
    X[np.abs(X) < 0.7] = 0.0
    dense, ours = cls(source).fit(X, y), cls(source).fit(SPARSE[kind](X), y)
    assert_allclose(ours.coef_, dense.coef_, atol=1e-6)
    assert_allclose(ours.predict(SPARSE[kind](X)), dense.predict(X), atol=1e-6)


@pytest.mark.parametrize("cls", [TransferRidge, TransferRidgeCV])
def test_three_ways_to_give_sources(cls):
    X, y, _, rng = make(n=20)
    Z = rng.normal(size=(50, 5))
    t = Z @ rng.normal(size=5)
    estimator = Ridge(alpha=2.0)
    fitted = cls(Ridge(alpha=2.0).fit(Z, t)).fit(X, y)
    rows = cls(source_rows=(Z, t), source_estimator=estimator).fit(X, y)
    ids = np.repeat([3, 7], [50, 20])
    table = np.column_stack([ids, np.vstack([Z, X])])
    targets = np.append(t, y)
    shuffled = rng.permutation(70)
    task = cls(source_estimator=estimator, task_column=0, target_task=7)
    task.fit(table[shuffled], targets[shuffled])
    for other in (rows, task):
        assert_allclose(other.coef_, fitted.coef_)
        assert_allclose(other.source_weights_, fitted.source_weights_)
    assert task.source_names_ == [3]
    by_rows = cls(source_rows={"old": (sparse.csr_array(Z), t)}).fit(sparse.csr_array(X), y)
    assert by_rows.source_names_ == ["old"]
    assert by_rows.source_weights_.shape == (1,)


def test_features_are_matched_by_name():
    pandas = pytest.importorskip("pandas")
    X, y, _, rng = make(p=3)
    names = ["a", "b", "c"]
    Z = pandas.DataFrame(rng.normal(size=(40, 2)), columns=["c", "a"])
    source = Ridge().fit(Z, 2 * Z["c"] - Z["a"])
    model = TransferRidge(source, source_weights=1.0, alpha=1e12)
    model.fit(pandas.DataFrame(X, columns=names), y)
    assert_allclose(model.coef_, [source.coef_[1], 0.0, source.coef_[0]], atol=1e-8)


@pytest.mark.parametrize("cls", [TransferRidge, TransferRidgeCV])
def test_tools_of_scikit_learn_keep_the_source(cls):
    X, y, (source,), _ = make()
    before = pickle.dumps(source)
    assert clone(cls(source)).source is source
    grid = {"fit_intercept": [True, False]}
    search = GridSearchCV(cls(source), grid, cv=3).fit(X, y)
    assert search.best_estimator_.source is source
    pipeline = make_pipeline(StandardScaler(with_mean=False, with_std=False), cls(source))
    assert_allclose(pipeline.fit(X, y).predict(X), cls(source).fit(X, y).predict(X))
    assert pickle.dumps(source) == before
    ids = np.repeat([0, 1], [10, len(y) - 10])
    table = np.column_stack([ids, X])
    search = GridSearchCV(
        cls(task_column=0, target_task=1), grid, cv=TargetKFold(3, target_task=1, task_column=0)
    )
    assert search.fit(table, y).best_score_ > 0


def test_scale_of_weights_and_order_of_rows_do_not_matter():
    X, y, sources, rng = make(n_sources=2)
    one = TransferRidgeCV(sources).fit(X, y)
    order = rng.permutation(len(y))
    assert_allclose(TransferRidgeCV(sources).fit(X[order], y[order]).coef_, one.coef_)
    heavy = TransferRidgeCV(sources, alphas=7.0 * one.alphas_)
    assert_allclose(heavy.fit(X, y, sample_weight=7.0).coef_, one.coef_)


# --- cross-validation -------------------------------------------------------------------------


def test_without_source_it_is_ridge_cv():
    X, y, _, _ = make()
    model = TransferRidgeCV().fit(X, y)
    reference = RidgeCV(model.alphas_).fit(X, y)
    assert_allclose(model.alpha_, reference.alpha_)
    assert_allclose(model.coef_, reference.coef_, atol=1e-8)
    assert model.target_only_ == 1.0
    assert_allclose(model.best_score_, reference.best_score_)


def test_leave_one_out_of_the_path_is_that_of_folds():
    X, y, sources, rng = make(n_sources=2)
    v = rng.uniform(0.5, 2.0, size=len(y))
    exact = TransferRidgeCV(sources).fit(X, y, sample_weight=v)
    folds = TransferRidgeCV(sources, alphas=exact.alphas_, cv=LeaveOneOut())
    folds.fit(X, y, sample_weight=v)
    assert_allclose(folds.mse_path_, exact.mse_path_, rtol=1e-6)
    assert_allclose(folds.coef_, exact.coef_, rtol=1e-5)


def test_mean_of_the_candidates():
    X, y, sources, _ = make(n=15, n_sources=2)
    model = TransferRidgeCV(sources, alphas=[0.1, 10.0, 1000.0]).fit(X, y)
    assert_allclose(model.candidate_weights_.sum(), 1.0)
    coef, weights = np.zeros(5), np.zeros(2)
    for k, alpha in enumerate(model.alphas_):
        alone, transferred = model.candidate_weights_[:, k]
        one = TransferRidge(sources, alpha=alpha).fit(X, y)
        coef += alone * Ridge(alpha).fit(X, y).coef_ + transferred * one.coef_
        weights += transferred * one.source_weights_
    assert_allclose(model.coef_, coef, atol=1e-10)
    assert_allclose(model.source_weights_, weights, atol=1e-10)
    best = TransferRidgeCV(sources, alphas=[0.1, 10.0, 1000.0], selection="best").fit(X, y)
    assert np.count_nonzero(best.candidate_weights_) == 1
    assert_allclose(best.best_score_, -best.mse_path_.min())


def test_weights_of_candidates():
    logs = np.log([[1.0, 2.0], [1.0, 1.0]])
    price = np.exp(-0.5)
    total = 2.0 + price
    assert_allclose(candidate_weights(logs), [[0, 2 / total], [price / 2 / total] * 2])


def test_a_useless_source_is_left_and_a_good_one_used():
    X, y, _, rng = make(n=100, noise=1.0)
    noise = Ridge().fit(X, 5 * rng.normal(size=len(y)))
    rest = make(n=400, noise=1.0, seed=0)[:2]
    alone = TransferRidgeCV().fit(X, y)
    useless = TransferRidgeCV(noise).fit(X, y)
    assert useless.score(*rest) > alone.score(*rest) - 0.01
    X, y, (good,), _ = make(n=20, p=40, shift=0.0)
    assert TransferRidgeCV(good).fit(X, y).target_only_ < 0.1


def test_splits_of_the_target_only():
    """Numbers of folds, and splits of a table with rows of sources, are the same."""
    X, y, _, rng = make(n=20)
    Z, t = rng.normal(size=(30, 5)), rng.normal(size=30)
    ids = np.repeat([0, 1], [30, 20])
    table, targets = np.column_stack([ids, np.vstack([Z, X])]), np.append(t, y)
    given = {"task_column": 0, "target_task": 1}
    number = TransferRidgeCV(cv=4, **given).fit(table, targets)
    splits = TransferRidgeCV(cv=TargetKFold(4, **given), **given).fit(table, targets)
    plain = TransferRidgeCV(cv=KFold(4), source_rows=(Z, t)).fit(X, y)
    assert_allclose(splits.coef_, number.coef_)
    assert_allclose(plain.coef_, number.coef_)


# --- errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cls", "params", "message"),
    [
        (TransferRidge, {"alpha": -1.0}, "alpha=-1.0 must be finite"),
        (TransferRidge, {"source_weights": [1, 2]}, "there are 1 sources"),
        (TransferRidge, {"source_weights": -0.5}, "source_weights of source 0"),
        (TransferRidge, {"source_weights": "equal"}, "neither 'learn' nor numbers"),
        (TransferRidge, {"source_weights": {"x": 1.0}}, "names \\['x'\\]"),
        (TransferRidgeCV, {"alphas": []}, "alphas must hold at least one"),
        (TransferRidgeCV, {"selection": "worst"}, "selection='worst'"),
        (TransferRidgeCV, {"cv": 1}, "cv=1 must be"),
        (TransferRidgeCV, {"cv": []}, "cv holds no fold"),
        (TransferRidgeCV, {"cv": [([0, 1], [])]}, "fold 0 of cv tests no row"),
    ],
)
def test_bad_parameters(cls, params, message):
    X, y, (source,), _ = make()
    with pytest.raises(ValueError, match=message):
        cls(source, **params).fit(X, y)


def test_a_source_must_predict_finite_numbers():
    X, y, (source,), _ = make()
    source.intercept_ = np.nan
    with pytest.raises(ValueError, match="not finite"):
        TransferRidge(source).fit(X, y)
