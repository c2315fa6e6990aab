"""Weighers for covariate shift: brute force, certificates, limits; estimators on their weights."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmtl import (
    KLIEP,
    ULSIF,
    KernelMeanMatching,
    ShiftWeightedClassifier,
    ShiftWeightedRegressor,
    keep_tasks,
)
from skmtl.solvers.density_ratio import LeastSquaresRatio, likelihood_ratio

WEIGHTERS = [ULSIF, KLIEP, KernelMeanMatching]
SHIFTED = [ShiftWeightedRegressor, ShiftWeightedClassifier]
every_weighter = pytest.mark.parametrize("cls", WEIGHTERS, ids=lambda cls: cls.__name__)
every_shifted = pytest.mark.parametrize("cls", SHIFTED, ids=lambda cls: cls.__name__)
checks = parametrize_with_checks([cls() for cls in [*WEIGHTERS, *SHIFTED]])
names, pairs = checks.args


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(names, list(pairs), **checks.kwargs)
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.fixture
def data():
    """Ids in column 0: sources 0 and 1 spread widely, the target 2 to one side of them."""
    rng = np.random.RandomState(0)
    ids = rng.permutation(np.repeat([0, 1, 2], [60, 50, 40]))
    features = rng.normal(size=(150, 2))
    features[ids == 2] = 0.5 * features[ids == 2] + [0.8, 0.0]
    y = features[:, 0] ** 2 + 0.1 * rng.normal(size=150)
    return np.column_stack([ids, features]), y


def kernels(ratio_problem):
    rng = np.random.RandomState(0)
    source, target = rng.normal(size=(12, 2)), rng.normal(size=(9, 2)) * 0.7 + 0.5
    return [np.exp(-0.5 * cdist(rows, target[:ratio_problem]) ** 2) for rows in (source, target)]


# --- uLSIF -------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [1e-3, 0.1, 3.0])
def test_leave_one_out_by_brute_force(alpha):
    source, target = kernels(6)

    def coefficients(source, target):
        H = source.T @ source / len(source) + alpha * np.eye(6)
        return np.maximum(np.linalg.solve(H, target.mean(axis=0)), 0.0)

    at_source = [
        source[i] @ coefficients(np.delete(source, i, axis=0), target) for i in range(len(source))
    ]
    at_target = [
        target[j] @ coefficients(source, np.delete(target, j, axis=0)) for j in range(len(target))
    ]
    expected = 0.5 * np.mean(np.square(at_source)) - np.mean(at_target)
    fit = LeastSquaresRatio(source, target)
    assert_allclose(fit.leave_one_out(alpha), expected, rtol=1e-10)
    assert_allclose(fit.solve(alpha), coefficients(source, target), rtol=1e-10)


def test_the_least_criterion_is_chosen(data):
    X, _ = data
    model = ULSIF(widths=[0.5, 1.0, 2.0], alphas=[0.01, 0.1, 1.0], task_column=0, target_task=2)
    model.fit(X)
    assert model.criteria_.shape == (3, 3)
    place = np.argwhere(model.criteria_ == model.criteria_.min())[0]
    assert model.width_ == [0.5, 1.0, 2.0][place[0]]
    assert model.alpha_ == [0.01, 0.1, 1.0][place[1]]


def test_one_row_of_the_target_takes_the_middle(data):
    X, _ = data
    X = np.vstack([X[X[:, 0] < 2], X[X[:, 0] == 2][:1]])
    model = ULSIF(widths=[0.5, 1.0, 2.0], alphas=[0.01, 0.1, 1.0], task_column=0, target_task=2)
    model.fit(X)
    assert (model.width_, model.alpha_) == (1.0, 0.1)


@pytest.mark.parametrize("cls", [ULSIF, KLIEP, KernelMeanMatching])
def test_features_far_from_zero(cls, data):
    near, _ = data
    far = near + np.array([0.0, 1e7, -1e7])
    model = cls(task_column=0, target_task=2)
    assert_allclose(clone(model).fit(far).weights_, clone(model).fit(near).weights_, atol=1e-5)


# --- KLIEP -------------------------------------------------------------------------------------


def test_likelihood_against_cvxpy():
    cvxpy = pytest.importorskip("cvxpy")
    source, target = kernels(9)
    a = cvxpy.Variable(9)
    objective = cvxpy.sum(cvxpy.log(target @ a)) / len(target)
    limits = [a >= 0, source.mean(axis=0) @ a == 1]
    optimum = cvxpy.Problem(cvxpy.Maximize(objective), limits).solve(solver=cvxpy.CLARABEL)
    found = likelihood_ratio(source.mean(axis=0), target, tol=1e-9, max_iter=100)
    assert found.converged
    assert_allclose(np.mean(np.log(target @ found.coef)), optimum, atol=1e-6)
    assert_allclose(source.mean(axis=0) @ found.coef, 1)
    assert (found.coef >= 0).all()
    for n_steps in range(6):
        early = likelihood_ratio(source.mean(axis=0), target, tol=0.0, max_iter=n_steps)
        assert optimum - np.mean(np.log(target @ early.coef)) <= early.gap + 1e-6


def test_rows_far_from_everything(data):
    """A target row that no source row is near has no kernel that could tell anything."""
    X, _ = data
    far = np.vstack([X, [2, 1e3, 1e3]])
    model = KLIEP(widths=[0.7], task_column=0, target_task=2).fit(far)
    assert_allclose(model.weights_.mean(), 1)
    alone = X[X[:, 0] == 2].copy()
    alone[:, 1:] += 1e4
    with pytest.raises(ValueError, match="no source row near any row of the target"):
        KLIEP(widths=[0.7], task_column=0, target_task=2).fit(np.vstack([X[X[:, 0] != 2], alone]))


# --- kernel mean matching ------------------------------------------------------------------------


def test_means_in_the_space_of_the_kernel_come_together(data):
    X, _ = data
    model = KernelMeanMatching(task_column=0, target_task=2, tol=1e-8).fit(X)
    source, target = X[X[:, 0] != 2, 1:], X[X[:, 0] == 2, 1:]
    assert_allclose(model.width_, np.median(cdist(source, target)))
    assert model.dual_gap_ <= 1e-8

    def distance(weights):
        k = [
            np.exp(-(cdist(a, b) ** 2) / (2 * model.width_**2))
            for a, b in [(source, source), (source, target), (target, target)]
        ]
        w = weights / len(source)
        return w @ k[0] @ w - 2 * w @ k[1].mean(axis=1) + k[2].mean()

    assert distance(model.weights_) < 0.01 * distance(np.ones(len(source)))


def test_blocks(data):
    """Blocks are problems of their own; a row that stands alone has weight one."""
    X, _ = data
    whole = KernelMeanMatching(task_column=0, target_task=2).fit(X)
    blocks = KernelMeanMatching(task_column=0, target_task=2, max_rows=40).fit(X)
    assert blocks.weights_.shape == whole.weights_.shape
    assert np.corrcoef(blocks.weights_, whole.weights_)[0, 1] > 0.2
    assert_array_equal(clone(blocks).fit(X).weights_, blocks.weights_)
    two = np.vstack([X[X[:, 0] == 2], X[X[:, 0] == 0][:1]])
    assert_array_equal(KernelMeanMatching(task_column=0, target_task=2).fit(two).weights_, [1.0])


def test_a_small_bound_keeps_many_rows(data):
    X, _ = data
    sizes = [
        KernelMeanMatching(bound=bound, task_column=0, target_task=2).fit(X).effective_sample_size_
        for bound in (1.5, 3.0, 100.0)
    ]
    assert sizes[0] > sizes[1] > sizes[2]


@pytest.mark.parametrize("cls", [KernelMeanMatching, KLIEP])
def test_too_few_iterations_warn(cls, data):
    with pytest.warns(ConvergenceWarning, match="max_iter is 1"):
        cls(task_column=0, target_task=2, max_iter=1, tol=1e-12).fit(data[0])


# --- all weighters -----------------------------------------------------------------------------


@every_weighter
def test_rows_near_the_target_weigh_more(cls, data):
    X, _ = data
    model = cls(task_column=0, target_task=2).fit(X)
    source = X[:, 0] != 2
    assert_array_equal(model.sample_weight_[source], model.weights_)
    assert_array_equal(model.sample_weight_[~source], 1)
    near = np.abs(X[source, 1:] - [0.8, 0.0]).max(axis=1) < 0.5
    assert model.weights_[near].mean() > 2 * model.weights_[~near].mean()
    assert 1 <= model.effective_sample_size_ <= source.sum()


@pytest.mark.parametrize("cls", [ULSIF, KLIEP])
def test_the_density_ratio_of_normal_distributions(cls):
    rng = np.random.RandomState(0)
    X = np.concatenate([rng.normal(size=1500), 0.6 * rng.normal(size=1500) + 0.5])[:, None]
    tasks = np.repeat(["wide", "narrow"], 1500)
    model = cls(target_task="narrow").fit(X, tasks=tasks)
    grid = np.linspace(-1, 1.5, 26)
    true = np.exp(-((grid - 0.5) ** 2) / 0.72 + grid**2 / 2) / 0.6
    told = model.density_ratio(grid[:, None], tasks=np.repeat("narrow", 26))
    assert np.abs(told - true).mean() < 0.15
    at_source = model.density_ratio(X[:1500], tasks=tasks[:1500])
    assert_allclose(at_source, model.weights_)


@every_weighter
def test_layouts_and_containers(cls, data):
    X, _ = data
    expected = cls(task_column=0, target_task=2).fit(X).weights_
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": X[:, 1], "task": X[:, 0].astype(int), "b": X[:, 2]})
    given = [
        (cls(task_column="task", target_task=2), frame, {}),
        (cls(target_task=2), X[:, 1:], {"tasks": X[:, 0]}),
        (cls(task_column=0, target_task=2), sparse.csr_matrix(X), {}),
        (cls(task_column=-1, target_task=2), np.roll(X, -1, axis=1), {}),
    ]
    for model, table, extra in given:
        assert_allclose(model.fit(table, **extra).weights_, expected, rtol=1e-6, atol=1e-7)


@every_weighter
def test_without_tasks_all_weights_are_one(cls, data):
    X, _ = data
    model = cls().fit(X)
    assert_array_equal(model.sample_weight_, np.ones(150))
    assert len(model.weights_) == 0
    if cls is not KernelMeanMatching:
        assert_array_equal(model.density_ratio(X), np.ones(150))


@every_weighter
def test_errors(cls, data):
    X, _ = data
    with pytest.raises(ValueError, match="name it with target_task"):
        cls(task_column=0).fit(X)
    with pytest.raises(ValueError, match="target_task=9 has no row"):
        cls(task_column=0, target_task=9).fit(X)
    with pytest.raises(ValueError, match="there are no task ids"):
        cls(target_task=2).fit(X)
    X[0, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        cls(task_column=0, target_task=2).fit(X)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (ULSIF([0.0]), "widths=.* must be numbers > 0"),
        (ULSIF(alphas=[-1.0]), "alphas="),
        (ULSIF(n_centers=0), "n_centers=0"),
        (KLIEP(cv=1), "cv=1"),
        (KLIEP(tol=-1.0), "tol=-1.0"),
        (KernelMeanMatching(0.0), "width=0.0"),
        (KernelMeanMatching(bound=1.0), "bound=1.0"),
        (KernelMeanMatching(eps=0.0), "eps=0.0"),
        (KernelMeanMatching(max_rows=1), "max_rows=1"),
    ],
)
def test_wrong_parameters(model, message, data):
    with pytest.raises(ValueError, match=message):
        model.set_params(task_column=0, target_task=2).fit(data[0])


# --- estimators --------------------------------------------------------------------------------


def labels(cls, y):
    return (y > np.median(y)).astype(int) if cls is ShiftWeightedClassifier else y


def inner(cls):
    return LogisticRegression() if cls is ShiftWeightedClassifier else Ridge()


def told(model, X):
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


@every_shifted
def test_by_hand(cls, data):
    X, y = data[0], labels(cls, data[1])
    model = cls(task_column=0, target_task=2).fit(X, y)
    weights = ULSIF(task_column=0, target_task=2).fit(X).sample_weight_
    expected = inner(cls).fit(X[:, 1:], y, sample_weight=weights)
    target = X[X[:, 0] == 2]
    assert_allclose(told(model, target), told(expected, target[:, 1:]), rtol=1e-5)
    shares = [weights[X[:, 0] == task].sum() / weights.sum() for task in (0, 1)]
    assert_allclose(model.source_weights_, shares)
    assert model.source_names_ == [0, 1]


@every_shifted
@pytest.mark.parametrize("weighter", [KLIEP(), KernelMeanMatching(bound=5.0)])
def test_no_label_of_the_target(cls, weighter, data):
    X, y = data[0], labels(cls, data[1])
    unknown = X[:, 0] == 2
    hidden = y.astype(float)
    hidden[unknown] = np.nan
    model = cls(weighter=weighter, task_column=0, target_task=2).fit(X, hidden)
    fitted = clone(weighter).set_params(task_column=0, target_task=2).fit(X)
    used = fitted.weights_ > 0
    expected = inner(cls).fit(
        X[~unknown, 1:][used], y[~unknown][used], sample_weight=fitted.weights_[used]
    )
    assert_allclose(told(model, X[unknown]), told(expected, X[unknown, 1:]), rtol=1e-4)
    assert_allclose(model.source_weights_.sum(), 1)
    assert not hasattr(weighter, "weights_")


@every_shifted
def test_some_labels_of_the_target(cls, data):
    X, y = data[0], labels(cls, data[1]).astype(object)
    known = np.flatnonzero(X[:, 0] == 2)[:10]
    hidden = np.where(X[:, 0] == 2, None, y)
    hidden[known] = y[known]
    model = cls(task_column=0, target_task=2).fit(X, hidden)
    weights = ULSIF(task_column=0, target_task=2).fit(X).sample_weight_
    rows = np.flatnonzero([value is not None for value in hidden])
    number = y.astype(float)
    expected = inner(cls).fit(X[rows, 1:], number[rows], sample_weight=weights[rows])
    target = X[X[:, 0] == 2]
    assert_allclose(told(model, target), told(expected, target[:, 1:]), rtol=1e-5)


@every_shifted
def test_rows_of_sources_and_no_y(cls, data):
    X, y = data[0], labels(cls, data[1])
    target, rows = X[:, 0] == 2, {}
    for task in (0, 1):
        own = X[:, 0] == task
        rows[task] = (X[own, 1:], y[own])
    hidden = np.where(target, np.nan, y)
    expected = cls(task_column=0, target_task=2).fit(X, hidden)
    before = pickle.dumps(rows)
    for unknown in (None, np.full(40, np.nan)):
        model = cls(source_rows=rows).fit(X[target, 1:], unknown)
        assert_allclose(told(model, X[target, 1:]), told(expected, X[target]), rtol=1e-5)
        assert model.source_names_ == [0, 1]
    assert pickle.dumps(rows) == before


def test_string_labels(data):
    X, y = data
    words = np.where(y > 0.5, "high", "low").astype(object)
    words[X[:, 0] == 2] = None
    model = ShiftWeightedClassifier(task_column=0, target_task=2).fit(X, words)
    assert_array_equal(model.classes_, ["high", "low"])
    assert set(model.predict(X[X[:, 0] == 2])) <= {"high", "low"}


def test_shift_is_repaired(data):
    """A straight line for a parabola: the best one near the target is another one."""
    X, y = data
    target = X[:, 0] == 2
    hidden = np.where(target, np.nan, y)
    plain = LinearRegression().fit(X[~target, 1:], y[~target])
    plain = np.mean((plain.predict(X[target, 1:]) - y[target]) ** 2)
    for weighter in (ULSIF(), KLIEP(), KernelMeanMatching()):
        model = ShiftWeightedRegressor(
            LinearRegression(), weighter=weighter, task_column=0, target_task=2
        ).fit(X, hidden)
        assert np.mean((model.predict(X[target]) - y[target]) ** 2) < 0.6 * plain


def test_no_source_is_the_plain_model(data):
    X, y = data
    assert_array_equal(ShiftWeightedRegressor().fit(X, y).predict(X), Ridge().fit(X, y).predict(X))
    with pytest.raises(ValueError, match="NaN or None in row 0 of the target, and there is no"):
        ShiftWeightedRegressor().fit(X, np.where(np.arange(150) == 0, np.nan, y))


def test_sources_must_have_targets(data):
    X, y = data
    first = np.flatnonzero(X[:, 0] == 1)[0]
    for cls in SHIFTED:
        hidden = labels(cls, y).astype(float)
        hidden[first] = np.nan
        with pytest.raises(ValueError, match="NaN or None in row 0 of source 1"):
            cls(task_column=0, target_task=2).fit(X, hidden)
    infinite = np.where(np.arange(150) == first, np.inf, y)
    with pytest.raises(ValueError, match="infinity"):
        ShiftWeightedRegressor(task_column=0, target_task=2).fit(X, infinite)


def test_sample_weights_multiply(data):
    X, y = data
    own = np.random.RandomState(3).uniform(0.5, 2, size=150)
    model = ShiftWeightedRegressor(task_column=0, target_task=2).fit(X, y, sample_weight=own)
    weights = ULSIF(task_column=0, target_task=2).fit(X).sample_weight_ * own
    expected = Ridge().fit(X[:, 1:], y, sample_weight=weights)
    assert_allclose(model.estimator_.coef_, expected.coef_)


def test_estimators_of_all_kinds(data):
    X, y = data
    target = X[X[:, 0] == 2]
    in_steps = make_pipeline(StandardScaler(), Ridge())
    for estimator in (RandomForestRegressor(5, random_state=0), in_steps):
        model = ShiftWeightedRegressor(estimator, task_column=0, target_task=2)
        whole = make_pipeline(keep_tasks(StandardScaler(), 0), model).fit(X, y)
        assert whole.predict(target).shape == (40,)
    thin = ShiftWeightedRegressor(task_column=0, target_task=2).fit(sparse.csr_array(X), y)
    dense = ShiftWeightedRegressor(task_column=0, target_task=2).fit(X, y)
    assert_allclose(thin.predict(sparse.csr_array(target)), dense.predict(target), rtol=1e-5)
    with pytest.raises(ValueError, match="KNeighborsRegressor takes no sample_weight"):
        ShiftWeightedRegressor(KNeighborsRegressor(), task_column=0, target_task=2).fit(X, y)
    with pytest.raises(ValueError, match="row 0 is of task 0"):
        dense.predict(X[X[:, 0] == 0])


def test_frames(data):
    pandas = pytest.importorskip("pandas")
    X, y = data
    frame = pandas.DataFrame({"a": X[:, 1], "task": X[:, 0].astype(int), "b": X[:, 2]})
    model = ShiftWeightedRegressor(task_column="task", target_task=2).fit(frame, pandas.Series(y))
    expected = ShiftWeightedRegressor(task_column=0, target_task=2).fit(X, y)
    target = X[:, 0] == 2
    assert_allclose(model.predict(frame[target]), expected.predict(X[target]))
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(frame[target]), model.predict(frame[target]))
