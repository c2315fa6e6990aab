"""TransferLasso: limits, cvxpy, and the choice between source and target alone."""

import pickle

import numpy as np
import pytest
from helpers import SPARSE
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso, LassoCV, LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl import TransferLasso, TransferLassoCV, transfer_lasso_path
from skmtl.model_selection import TargetKFold


def make(n=30, p=8, n_sources=1, seed=0, noise=0.5):
    rng = np.random.RandomState(seed)
    w = rng.normal(size=p) * (rng.uniform(size=p) < 0.5)
    sources = []
    for _ in range(n_sources):
        X = rng.normal(size=(80, p))
        own = w + rng.normal(size=p) * (rng.uniform(size=p) < 0.3)
        sources.append(
            Lasso(alpha=0.05, max_iter=100_000).fit(X, X @ own + 1.0 + noise * rng.normal(size=80))
        )
    X = rng.normal(size=(n, p)) + 0.5
    return X, X @ w - 2.0 + noise * rng.normal(size=n), sources, rng


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(30, 8), (15, 40)])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_objective_is_that_of_cvxpy(share, shape, fit_intercept):
    cvxpy = pytest.importorskip("cvxpy")
    X, y, (source,), rng = make(*shape)
    v = rng.uniform(0.2, 2.0, size=len(y))

    def objective(w, b, squares, absolute):
        loss = squares(np.sqrt(v / v.sum()), y - X @ w - b) / 2
        return loss + 0.1 * (share * absolute(w) + (1 - share) * absolute(w - source.coef_))

    w, b = cvxpy.Variable(X.shape[1]), cvxpy.Variable() if fit_intercept else 0.0
    problem = cvxpy.Problem(
        cvxpy.Minimize(
            objective(w, b, lambda v, r: cvxpy.sum_squares(cvxpy.multiply(v, r)), cvxpy.norm1)
        )
    )
    best = problem.solve(solver=cvxpy.CLARABEL)
    model = TransferLasso(source, alpha=0.1, zero_share=share, fit_intercept=fit_intercept)
    model.fit(X, y, sample_weight=v)
    found = objective(
        model.coef_,
        model.intercept_,
        lambda v, r: np.sum((v * r) ** 2),
        lambda w: np.abs(w).sum(),
    )
    assert_allclose(found, best, rtol=1e-6)
    assert model.dual_gap_ <= 1e-8


def test_without_source_and_with_share_one_it_is_lasso():
    X, y, (source,), rng = make()
    v = rng.uniform(size=len(y))
    reference = Lasso(alpha=0.1, tol=1e-12, max_iter=10_000).fit(X, y, sample_weight=v)
    for model in (TransferLasso(), TransferLasso(source, zero_share=1.0)):
        model.set_params(alpha=0.1).fit(X, y, sample_weight=v)
        assert_allclose(model.coef_, reference.coef_, atol=1e-6)
        assert_allclose(model.intercept_, reference.intercept_, atol=1e-6)


def test_limits():
    X, y, (source,), _ = make()
    free = TransferLasso(source, alpha=0.0).fit(X, y)
    assert_allclose(free.coef_, LinearRegression().fit(X, y).coef_, atol=1e-6)
    near = TransferLasso(source, alpha=1e6, zero_share=0.3).fit(X, y)
    assert_array_equal(near.coef_, source.coef_)
    assert_allclose(near.predict(X).mean(), y.mean())
    far = TransferLasso(source, alpha=1e6, zero_share=0.7).fit(X, y)
    assert_array_equal(far.coef_, 0)


def test_coefficients_are_zero_or_of_the_source_or_neither():
    X, y, (source,), _ = make(n=20, p=30)
    w = TransferLasso(source, alpha=0.2, zero_share=0.3).fit(X, y).coef_
    kept = (w == source.coef_) & (w != 0)
    assert kept.any()
    assert ((w == 0) & (source.coef_ != 0)).any() or (w == 0).any()
    assert (~kept & (w != 0)).any()


def test_no_penalty_with_more_features_than_rows():
    X, y, (source,), _ = make(n=10, p=30)
    model = TransferLasso(source, alpha=0.0).fit(X, y)
    assert_allclose(model.predict(X), y, atol=1e-3)


def test_several_sources():
    X, y, sources, _ = make(n_sources=3)
    fixed = TransferLasso(sources, source_weights=[0.2, 0.0, 0.5], alpha=0.1).fit(X, y)
    mean = 0.2 * sources[0].coef_ + 0.5 * sources[2].coef_
    assert_allclose(fixed.source_coef_, mean)
    learned = TransferLasso(sources, alpha=0.1).fit(X, y)
    a = learned.source_weights_
    assert_allclose(a.sum(), 1.0)
    assert (a >= 0).all()

    def error(a):
        told = sum(w * s.predict(X) for w, s in zip(a, sources, strict=True))
        return np.var(y - told)

    for other in (*np.eye(3), np.full(3, 1 / 3)):
        assert error(a) <= error(other) + 1e-12
    assert TransferLasso(sources[0]).fit(X, y).source_weights_ == [1.0]


@pytest.mark.parametrize("kind", SPARSE)
@pytest.mark.parametrize("shape", [(40, 8), (15, 40), (30, 400)])
def test_sparse_is_as_dense(kind, shape):
    X, y, (source,), _ = make(*shape)
    X[np.abs(X) < 0.7] = 0.0
    model = TransferLasso(source, alpha=0.05, zero_share=0.3, tol=1e-12)
    dense = clone(model).fit(X, y)
    ours = model.fit(SPARSE[kind](X), y)
    assert_allclose(ours.coef_, dense.coef_, atol=1e-5)
    assert_allclose(ours.predict(SPARSE[kind](X)), dense.predict(X), atol=1e-5)


def test_warm_start_and_warning():
    X, y, (source,), _ = make(n=20, p=60)
    model = TransferLasso(source, alpha=0.01, warm_start=True).fit(X, y)
    first = model.coef_
    assert_allclose(model.fit(X, y).coef_, first, atol=1e-6)
    assert model.n_iter_ == 1
    with pytest.warns(ConvergenceWarning, match="did not converge"):
        TransferLasso(source, alpha=1e-4, max_iter=1, tol=1e-14).fit(X, y)


def test_path_is_the_estimator():
    X, y, (source,), rng = make()
    v = rng.uniform(size=len(y))
    alphas, coefs, intercepts, gaps = transfer_lasso_path(
        X, y, source.coef_, zero_share=0.2, alphas=5, sample_weight=v
    )
    assert_allclose(coefs[:, 0], source.coef_, atol=1e-6)
    assert (gaps <= 1e-8).all()
    for k, alpha in enumerate(alphas):
        model = TransferLasso(source, alpha=alpha, zero_share=0.2).fit(X, y, sample_weight=v)
        assert_allclose(coefs[:, k], model.coef_, atol=1e-5)
        assert_allclose(intercepts[k], model.intercept_, atol=1e-5)
    with pytest.raises(ValueError, match="source_coef has shape"):
        transfer_lasso_path(X, y, source.coef_[:3])


# --- cross-validation -------------------------------------------------------------------------


def test_without_source_it_is_lasso_cv():
    X, y, _, _ = make(n=40)
    model = TransferLassoCV(cv=KFold(4), tol=1e-10).fit(X, y)
    reference = LassoCV(alphas=model.alphas_[0], cv=KFold(4), tol=1e-10, max_iter=10_000)
    reference.fit(X, y)
    assert_allclose(model.alpha_, reference.alpha_)
    assert_allclose(model.mse_path_[0], reference.mse_path_, rtol=1e-5)
    assert_allclose(model.coef_, reference.coef_, atol=1e-5)


def test_choice():
    X, y, (source,), _ = make(n=25, p=30)
    model = TransferLassoCV(source, zero_share=[0.2, 0.5], alphas=8).fit(X, y)
    assert_array_equal(model.zero_shares_, [0.2, 0.5, 1.0])
    mean = model.mse_path_.mean(axis=-1)
    assert_allclose(model.best_score_, -mean.min())
    assert model.alpha_ in model.alphas_[list(model.zero_shares_).index(model.zero_share_)]
    one = TransferLasso(source, alpha=model.alpha_, zero_share=model.zero_share_).fit(X, y)
    assert_allclose(one.coef_, model.coef_, atol=1e-6)
    careful = clone(model).set_params(selection="one_standard_error").fit(X, y)
    assert careful.alpha_ >= model.alpha_


def test_target_only_is_reported():
    X, y, _, rng = make(n=100, noise=0.1)
    wrong = Ridge().fit(rng.normal(size=(50, 8)), 100 * rng.normal(size=50))
    model = TransferLassoCV(wrong, alphas=10, selection="best").fit(X, y)
    assert model.zero_share_ == model.target_only_ == 1.0
    assert_array_equal(model.source_weights_, 0)
    assert_allclose(model.coef_, TransferLasso(alpha=model.alpha_).fit(X, y).coef_, atol=1e-6)


def test_jobs_do_not_matter():
    X, y, (source,), _ = make()
    one = TransferLassoCV(source, alphas=5).fit(X, y)
    two = TransferLassoCV(source, alphas=5, n_jobs=2).fit(X, y)
    assert_array_equal(one.mse_path_, two.mse_path_)
    assert_array_equal(one.coef_, two.coef_)


@pytest.mark.parametrize(
    "cls", [TransferLasso(alpha=0.1), TransferLassoCV(alphas=5)], ids=["one", "cv"]
)
def test_tools_of_scikit_learn_keep_the_source(cls):
    X, y, (source,), rng = make()
    before = pickle.dumps(source)
    model = clone(cls).set_params(source=source)
    assert clone(model).source is source
    search = GridSearchCV(model, {"fit_intercept": [True, False]}, cv=3).fit(X, y)
    assert search.best_estimator_.source is source
    pipeline = make_pipeline(StandardScaler(with_mean=False, with_std=False), model)
    assert_allclose(pipeline.fit(X, y).predict(X), clone(model).fit(X, y).predict(X))
    assert_array_equal(pickle.loads(pickle.dumps(pipeline)).predict(X), pipeline.predict(X))
    assert pickle.dumps(source) == before
    Z, t = rng.normal(size=(30, 8)), rng.normal(size=30)
    ids = np.repeat([0, 1], [30, 30])
    table, targets = np.column_stack([ids, np.vstack([Z, X])]), np.append(t, y)
    given = {"task_column": 0, "target_task": 1}
    task = clone(cls).set_params(source_estimator=Ridge(), **given).fit(table, targets)
    rows = clone(cls).set_params(source_estimator=Ridge(), source_rows=(Z, t)).fit(X, y)
    assert_allclose(task.coef_, rows.coef_)
    search = GridSearchCV(
        clone(cls).set_params(source_estimator=Ridge(), **given),
        {"fit_intercept": [True]},
        cv=TargetKFold(3, **given),
    )
    assert np.isfinite(search.fit(table, targets).best_score_)


@pytest.mark.parametrize(
    ("cls", "params", "message"),
    [
        (TransferLasso, {"alpha": -1.0}, "alpha=-1.0 must be finite"),
        (TransferLasso, {"zero_share": 1.5}, "zero_share=1.5 must be between 0 and 1"),
        (TransferLasso, {"tol": 0.0}, "tol=0.0 must be"),
        (TransferLassoCV, {"zero_share": [0.5, 2.0]}, "zero_share=2.0 must be between"),
        (TransferLassoCV, {"eps": 2.0}, "eps=2.0 must be at most 1"),
        (TransferLassoCV, {"alphas": 0}, "alphas=0 must be"),
        (TransferLassoCV, {"selection": "worst"}, "selection='worst'"),
    ],
)
def test_bad_parameters(cls, params, message):
    X, y, (source,), _ = make()
    with pytest.raises(ValueError, match=message):
        cls(source, **params).fit(X, y)


def test_a_source_must_be_linear():
    X, y, _, _ = make()
    forest = RandomForestRegressor(3, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"is not linear.*TransferRidge"):
        TransferLasso(forest).fit(X, y)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_numbers_beyond_the_range_are_an_error():
    X, y, _, _ = make()
    with pytest.raises(ValueError, match="no finite coefficients"):
        TransferLasso().fit(1e200 * X, y)


def test_a_fold_of_one_row_on_a_large_scale():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2, 3))
    source = LinearRegression().fit(rng.normal(size=(20, 3)), rng.normal(size=20))
    model = TransferLassoCV(source).fit(X, np.array([-1e4, 1e4]))
    assert np.isfinite(model.predict(X)).all()


def test_average_is_between_the_source_and_the_target_alone():
    X, y, sources, _ = make(n=20, noise=1.0)
    models = {
        name: TransferLassoCV(given, alphas=10, selection=selection).fit(X, y)
        for name, given, selection in (
            ("alone", None, "best"),
            ("moved", sources[0], "best"),
            ("mean", sources[0], "average"),
        )
    }
    weight = models["mean"].target_only_
    assert 0 < weight < 0.5
    assert models["moved"].target_only_ == 0
    expected = weight * models["alone"].coef_ + (1 - weight) * models["moved"].coef_
    assert_allclose(models["mean"].coef_, expected, atol=1e-6)
    assert_allclose(models["mean"].source_weights_, [1 - weight])
