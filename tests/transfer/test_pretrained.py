"""The pretrained lasso: its limits, optimality, and the regimes it was made for."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import Lasso, LassoCV
from sklearn.tree import DecisionTreeRegressor

from skmtl import (
    MultiTaskLogisticRegression,
    PretrainedLasso,
    PretrainedLassoCV,
    PretrainedLogisticRegression,
    PretrainedLogisticRegressionCV,
)
from skmtl.losses import LogisticLoss, PoissonLoss, SquaredLoss
from skmtl.transfer.l1_path import RowsProblem, SquaredProblem, make_problem, moments_of
from skmtl.transfer.l1_quadratic import quiet_descent

LOSSES = {"squared": SquaredLoss(), "logistic": LogisticLoss(), "poisson": PoissonLoss()}


def tasks(sizes=(40, 30, 50), p=12, seed=0, shared=4, own=2):
    """Codes, features and targets: `shared` features of all tasks, `own` ones of each."""
    rng = np.random.RandomState(seed)
    codes = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    X = rng.normal(size=(len(codes), p))
    coef = np.zeros((len(sizes), p))
    coef[:, :shared] = 1.5
    for task, row in enumerate(coef):
        row[shared + own * task : shared + own * (task + 1)] = 1.0
    return codes, X, np.sum(X * coef[codes], axis=1) + codes + 0.5 * rng.normal(size=len(X)), coef


def targets(loss, n=60, p=8, seed=1):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n, p))
    z = X[:, 0] - 0.7 * X[:, 1]
    y = {
        "squared": z + rng.normal(size=n),
        "logistic": (rng.uniform(size=n) < 1 / (1 + np.exp(-z))).astype(float),
        "poisson": rng.poisson(np.exp(0.5 * z)).astype(float),
    }[loss]
    groups, offset = rng.randint(2, size=n), 0.3 * rng.normal(size=n)
    return X, y, rng.uniform(0.5, 2.0, size=n), groups, offset


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_solver_against_cvxpy(loss, kind):
    cvxpy = pytest.importorskip("cvxpy")
    X, y, v, groups, offset = targets(loss)
    factor = np.array([1, 2, 0.5, np.inf, 1, 1, 3, 1.0])
    given = sparse.csr_matrix(X) if kind == "sparse" else X
    problem = RowsProblem(given, y, LOSSES[loss], v, groups, offset, factor)
    alpha = 0.2 * problem.alpha_max()
    found = problem.fit(alpha, tol=1e-11, max_iter=100)
    assert found.converged
    w, b = cvxpy.Variable(8), cvxpy.Variable(2)
    z = X @ w + b[groups] + offset
    terms = {
        "squared": lambda: cvxpy.square(y - z) / 2,
        "logistic": lambda: cvxpy.logistic(z) - cvxpy.multiply(y, z),
        "poisson": lambda: cvxpy.exp(z) - cvxpy.multiply(y, z),
    }[loss]()
    finite = np.isfinite(factor)
    penalty = alpha * cvxpy.norm1(cvxpy.multiply(np.where(finite, factor, 0.0), w))
    objective = v @ terms / v.sum() + penalty
    cvxpy.Problem(cvxpy.Minimize(objective), [w[3] == 0]).solve(solver="CLARABEL")
    best = float(objective.value)
    w.value, b.value = found.coef, found.intercept
    assert found.coef[3] == 0
    assert float(objective.value) <= best + 1e-8
    assert_allclose(problem.fit(1.001 * problem.alpha_max(), tol=1e-9, max_iter=50).coef, 0)


@pytest.mark.parametrize("seed", range(5))
def test_supports_of_dependent_features(seed):
    """On the way to the solution the Gram matrix of the support is singular."""
    rng = np.random.RandomState(seed)
    X, y = rng.uniform(size=(15, 30)), rng.randint(3, size=15).astype(float)
    for columns in (X, np.repeat(X, 2, axis=1)):
        problem = SquaredProblem([moments_of(columns, y, np.ones(15))])
        with quiet_descent():
            found = problem.fit(0.01 * problem.alpha_max(), tol=1e-10, max_iter=1000)
        assert found.converged


@pytest.mark.parametrize("name", ["PretrainedLassoCV", "PretrainedLogisticRegressionCV"])
def test_weights_are_copies_where_the_fit_is_nearly_perfect(name):
    rng = np.random.RandomState(0)
    X, y, weights = rng.uniform(size=(30, 20)), rng.randint(2, size=30), rng.randint(3, size=30)
    place = np.repeat(np.arange(30), weights)
    folds = np.arange(30) % 3

    def splits(folds):
        return [(np.flatnonzero(folds != f), np.flatnonzero(folds == f)) for f in range(3)]

    cls = globals()[name]
    one = cls(cv=splits(folds)).fit(X, y, sample_weight=weights)
    other = cls(cv=splits(folds[place])).fit(X[place], y[place])
    assert one.separation_ == other.separation_
    assert_allclose(one.coef_, other.coef_, atol=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
def test_paths_are_the_single_fits(loss):
    X, y, v, groups, _ = targets(loss)
    parts = [(X[groups == g], y[groups == g], v[groups == g]) for g in range(2)]
    problem = make_problem(parts, LOSSES[loss])
    alphas = problem.alpha_max() * np.geomspace(1, 0.05, 12)
    path = problem.path(alphas, tol=1e-9, max_iter=1000)
    for alpha, coef, intercept in zip(alphas, path.coef, path.intercept, strict=True):
        single = problem.fit(alpha, tol=1e-12, max_iter=1000)
        assert_allclose(coef, single.coef, atol=1e-5)
        assert_allclose(intercept, single.intercept, atol=1e-5)


def test_moments_and_rows_agree():
    X, y, v, groups, _ = targets("squared")
    common = np.linspace(-1, 1, 8)
    factor = np.array([1, 2, np.inf, 1, 1, 1, 1, 0.5])
    parts = [(X[groups == g], y[groups == g], v[groups == g]) for g in range(2)]
    moments = SquaredProblem([moments_of(*part) for part in parts])
    rows = RowsProblem(X, y, SquaredLoss(), v, groups)
    found = [
        problem.offset_by(common).with_factor(factor).fit(0.05, tol=1e-13, max_iter=1000)
        for problem in (moments, rows)
    ]
    assert_allclose(found[0].coef, found[1].coef, atol=1e-7)
    assert_allclose(found[0].intercept, found[1].intercept, atol=1e-7)


def test_separate_lassos():
    codes, X, y, _ = tasks()
    model = PretrainedLasso(alpha=0.1, separation=1.0, tol=1e-12).fit(X, y, tasks=codes)
    for task in range(3):
        rows = codes == task
        own = Lasso(alpha=0.1, tol=1e-12).fit(X[rows], y[rows])
        assert_allclose(model.coef_[task], own.coef_, atol=1e-7)
        assert_allclose(model.intercept_[task], own.intercept_, atol=1e-7)


def test_fine_tuning_stays_within_the_support():
    codes, X, y, _ = tasks()
    model = PretrainedLasso(0.02, alpha_common=0.4, separation=0.0).fit(X, y, tasks=codes)
    assert 0 < model.support_.sum() < 12
    assert (model.coef_[:, ~model.support_] == 0).all()
    still = PretrainedLasso(1e3, alpha_common=0.4, separation=0.0).fit(X, y, tasks=codes)
    assert_allclose(still.coef_, np.tile(still.coef_common_, (3, 1)))


def test_common_model_is_the_lasso_of_centred_tasks():
    codes, X, y, _ = tasks()
    model = PretrainedLasso(0.1, separation=0.3, tol=1e-12).fit(X, y, tasks=codes)
    means = np.array([X[codes == t].mean(axis=0) for t in range(3)])
    levels = np.array([y[codes == t].mean() for t in range(3)])
    lasso = Lasso(alpha=0.1, fit_intercept=False, tol=1e-12)
    lasso.fit(X - means[codes], y - levels[codes])
    assert_allclose(model.coef_common_, lasso.coef_, atol=1e-7)


def test_a_source_takes_the_place_of_the_common_model():
    codes, X, y, _ = tasks()
    rng = np.random.RandomState(5)
    big = rng.normal(size=(500, 12))
    source = LassoCV().fit(big, big[:, :4].sum(axis=1) + rng.normal(size=500))
    before = pickle.dumps(source)
    model = PretrainedLasso(0.1, separation=0.2, source=source).fit(X, y, tasks=codes)
    assert_allclose(model.coef_common_, source.coef_)
    assert clone(model).source is source
    tuned = PretrainedLassoCV(separations=[0.0, 1.0], source=source, alphas=10)
    assert np.isnan(tuned.fit(X, y, tasks=codes).alpha_common_)
    assert pickle.dumps(source) == before
    tree = DecisionTreeRegressor().fit(X, y)
    with pytest.raises(ValueError, match="is not linear"):
        PretrainedLasso(source=tree).fit(X, y, tasks=codes)


@pytest.mark.parametrize("seed", [0, 1])
def test_better_than_both_ends(seed):
    """Shared and individual features, few noisy rows: the regime of the paper's simulations."""
    rng = np.random.RandomState(seed)
    codes = rng.permutation(np.repeat(np.arange(5), 50))
    X, coef = rng.normal(size=(250, 60)), np.zeros((5, 60))
    coef[:, :6] = 1.5
    for task, own in enumerate(coef):
        own[6 + 2 * task : 8 + 2 * task] = 2.0
    y = np.sum(X * coef[codes], axis=1) + codes + 2.0 * rng.normal(size=250)
    errors, grids = {}, {"alphas": 12, "alphas_common": 12}
    for name, separations in [("tuned", [0, 0.25, 0.5, 0.75, 1]), ("separate", [1.0])]:
        model = PretrainedLassoCV(separations=separations, **grids).fit(X, y, tasks=codes)
        errors[name] = np.sum((model.coef_ - coef) ** 2)
    errors["pooled"] = np.sum((model.coef_common_ - coef) ** 2)
    assert errors["tuned"] < min(errors["separate"], errors["pooled"])


def test_the_search_has_both_ends():
    codes, X, y, _ = tasks()
    unrelated = np.where(codes == 0, -y, y)
    model = PretrainedLassoCV(alphas=10, alphas_common=10).fit(X, unrelated, tasks=codes)
    assert model.separation_ >= 0.8
    same = X[:, :4].sum(axis=1) + 0.1 * np.random.RandomState(0).normal(size=len(X))
    model = PretrainedLassoCV(alphas=10, alphas_common=10).fit(X, same, tasks=codes)
    assert model.separation_ <= 0.3
    assert model.cv_loss_.shape == model.separations_.shape == (11,)


@pytest.mark.parametrize("alpha_per_task", [True, False])
def test_jobs_do_not_matter(alpha_per_task):
    codes, X, y, _ = tasks()
    options = {"alphas": 8, "alphas_common": 8, "alpha_per_task": alpha_per_task}
    one, two = (
        PretrainedLassoCV(n_jobs=n_jobs, **options).fit(X, y, tasks=codes) for n_jobs in (1, 2)
    )
    assert_array_equal(one.coef_, two.coef_)
    assert len(np.unique(one.alpha_)) == 1 or alpha_per_task


def test_separate_logistic_lassos():
    codes, X, y, _ = tasks()
    labels = np.where(y > np.median(y), "yes", "no")
    model = PretrainedLogisticRegression(0.05, separation=1.0, tol=1e-12)
    model.fit(X, labels, tasks=codes)
    for task in range(3):
        rows = codes == task
        own = MultiTaskLogisticRegression(0.05, tol=1e-12).fit(X[rows], labels[rows])
        assert_allclose(model.coef_[task], own.coef_[0], atol=1e-6)
        assert_allclose(model.intercept_[task], own.intercept_[0], atol=1e-6)


def test_labels():
    codes, X, y, _ = tasks()
    labels = np.where(y > np.median(y), "yes", "no")
    labels[codes == 1] = "yes"
    model = PretrainedLogisticRegressionCV(separations=[0, 1], alphas=6, alphas_common=6)
    model.fit(X, labels, tasks=codes)
    assert (model.predict(X, tasks=codes)[codes == 1] == "yes").all()
    assert model.score(X, labels, tasks=codes) > 0.8
    with pytest.raises(ValueError, match="binary"):
        PretrainedLogisticRegression().fit(X, np.arange(len(X)) % 3, tasks=codes)


def test_sparse_and_outputs():
    _, X, y, _ = tasks()
    X = np.where(np.abs(X) < 0.7, 0.0, X)
    Y = np.column_stack([y, np.roll(y, 1)])
    dense, thin = (PretrainedLasso(0.1).fit(table, Y).coef_ for table in (X, sparse.csc_array(X)))
    assert_allclose(dense, thin, atol=1e-8)
    assert dense.shape == (2, 12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0.0}, "alpha=0.0"),
        ({"separation": 1.5}, "separation=1.5"),
        ({"alpha_common": -1.0}, "alpha_common=-1.0"),
    ],
)
def test_wrong_parameters(options, message):
    codes, X, y, _ = tasks()
    with pytest.raises(ValueError, match=message):
        PretrainedLasso(**options).fit(X, y, tasks=codes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"separations": [0.5, 2.0]}, r"separations\[1\]"),
        ({"alphas": [0.0]}, r"alphas\[0\]"),
        ({"alphas_common": []}, "alphas_common"),
    ],
)
def test_wrong_grids(options, message):
    codes, X, y, _ = tasks()
    with pytest.raises(ValueError, match=message):
        PretrainedLassoCV(**options).fit(X, y, tasks=codes)
