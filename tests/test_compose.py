"""One model per task and one for all: the tables that the inner estimators see."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier

from skmtl import (
    PerTaskClassifier,
    PerTaskRegressor,
    PooledClassifier,
    PooledRegressor,
)

BASELINES = [PerTaskRegressor, PooledRegressor]


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], 8)
    features = rng.normal(size=(24, 3))
    y = features @ [1.0, -2.0, 0.5] + codes + 0.1 * rng.normal(size=24)
    return codes, features, y


def table(kind, codes, features):
    X = np.column_stack([codes, features])
    if kind == "array":
        return X
    if kind == "integers":
        return pytest.importorskip("pandas").DataFrame(X)
    names = ["task", "a", "b", "c"][: X.shape[1]]
    return pytest.importorskip(kind).DataFrame({n: X[:, j] for j, n in enumerate(names)})


every_table = pytest.mark.parametrize("kind", ["array", "integers", "pandas", "polars"])


class CountingRidge(Ridge):
    calls = 0

    def predict(self, X):
        type(self).calls += 1
        return super().predict(X)


# --- absent columns ---------------------------------------------------------------------------


@every_table
@pytest.mark.parametrize("intercepts", [False, True])
def test_pooled_fills_absent_columns_by_the_mean_of_the_others(problem, kind, intercepts):
    codes, features, y = problem
    features[codes == 1, 1] = np.nan
    filled = np.where(np.isnan(features), np.nanmean(features, axis=0), features)
    if intercepts:
        filled = np.column_stack([filled, codes[:, None] == [0, 1, 2]])
    X = table(kind, codes, features)
    model = PooledRegressor(task_column=0, task_intercepts=intercepts).fit(X, y)
    assert_allclose(model.predict(X), Ridge().fit(filled, y).predict(filled))
    assert model.estimator_.n_features_in_ == filled.shape[1]


@every_table
@pytest.mark.parametrize("cls", BASELINES)
def test_a_column_that_no_task_has(problem, kind, cls):
    codes, features, y = problem
    features[:, 1] = np.nan
    X, rest = table(kind, codes, features), table(kind, codes, features[:, [0, 2]])
    options = {"task_column": 0, "unknown_task": "shared"}
    model, expected = cls(**options).fit(X, y), cls(**options).fit(rest, y)
    assert model.absent_features_[:, 1].all()
    assert_allclose(model.predict(X), expected.predict(rest))
    new = table(kind, codes + 10, features), table(kind, codes + 10, features[:, [0, 2]])
    assert_allclose(model.predict(new[0]), expected.predict(new[1]))


@pytest.mark.parametrize("cls", [*BASELINES, PooledClassifier, PerTaskClassifier])
def test_polars_columns_that_a_task_does_not_have(cls):
    polars = pytest.importorskip("polars")
    X = polars.DataFrame(
        {"task": ["a", "a", "b", "b"], "p": [1.0, 2, 3, 5], "q": [None, None, 1.0, 2.0]}
    )
    y = [0, 1, 0, 1] if cls.__name__.endswith("Classifier") else [1.0, 2.0, 3.0, 4.0]
    model = cls(task_column="task", unknown_task="shared").fit(X, y)
    assert_array_equal(model.absent_features_, [[False, True], [False, False]])
    assert len(model.predict(X)) == 4


def test_rows_of_weight_zero_do_not_count_in_the_means(problem):
    codes, features, y = problem
    features[codes == 1, 1] = np.nan
    weights = np.ones(24)
    weights[20:] = 0.0
    changed = features.copy()
    changed[20:, 1] = 1e3
    models = [
        PooledRegressor().fit(X, y, sample_weight=weights, tasks=codes) for X in (features, changed)
    ]
    answers = [model.predict(features, tasks=codes) for model in models]
    assert_allclose(*answers)


def test_a_task_without_any_feature():
    X = [[0, 1.0], [0, 2.0], [1, np.nan], [1, np.nan]]
    with pytest.raises(ValueError, match="task 1 has no feature with a value"):
        PerTaskRegressor(task_column=0).fit(X, [1.0, 2.0, 3.0, 4.0])
    assert_allclose(PooledRegressor(task_column=0).fit(X, [1.0, 2.0, 3.0, 4.0]).predict(X)[2:], 2.5)


# --- indicators of the task -------------------------------------------------------------------


def test_indicators_of_many_tasks_in_a_frame():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X = pandas.DataFrame({"task": np.repeat(np.arange(150), 2), "x": rng.normal(size=300)})
    y = X["task"] + X["x"]
    inner = LinearRegression(fit_intercept=False)
    model = PooledRegressor(inner, task_column="task", task_intercepts=True).fit(X, y)
    assert model.estimator_.feature_names_in_[-1] == "task=149"
    assert_allclose(model.predict(X), y)


@pytest.mark.parametrize("convert", [sparse.csr_matrix, sparse.csc_array, sparse.coo_matrix])
def test_sparse_indicators(problem, convert):
    codes, features, y = problem
    X = np.column_stack([codes, features])
    options = {"task_column": 0, "task_intercepts": True, "unknown_task": "shared"}
    dense = PooledRegressor(**options).fit(X, y)
    thin = PooledRegressor(**options).fit(convert(X), y)
    new = X[::5].copy()
    new[1, 0] = 99
    assert_allclose(thin.predict(convert(new)), dense.predict(new), rtol=1e-6)
    indicators = thin._sparse_indicators(np.array([2, -1, 0]))
    assert_array_equal(indicators.toarray(), [[0, 0, 1], [0, 0, 0], [1, 0, 0]])


# --- several outputs --------------------------------------------------------------------------


def test_shared_rows_are_predicted_once(problem):
    _, features, y = problem
    Y = np.column_stack([y, 2 * y, -y])
    model = PooledRegressor(CountingRidge()).fit(features, Y)
    CountingRidge.calls = 0
    predicted = model.predict(features)
    assert CountingRidge.calls == 1
    assert_allclose(predicted, predicted[:, [0, 0, 0]])
    model = PooledRegressor(CountingRidge(), task_intercepts=True).fit(features, Y)
    CountingRidge.calls = 0
    assert np.ptp(model.predict(features), axis=1).min() > 0
    assert CountingRidge.calls == 3


def test_a_task_has_its_own_labels_though_rows_are_predicted_once(problem):
    _, features, y = problem
    Y = np.column_stack([y > 0, np.where(y > 1, 2, 1)]).astype(int)
    model = PooledClassifier(KNeighborsClassifier(3)).fit(features, Y)
    predicted = model.predict(features)
    assert set(predicted[:, 0]) <= {0, 1}
    assert set(predicted[:, 1]) <= {1, 2}


# --- labels -----------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [None, np.nan, "NA"], ids=str)
@pytest.mark.parametrize("cls", [PerTaskClassifier, PooledClassifier])
def test_missing_labels(problem, cls, missing):
    if missing == "NA":
        missing = pytest.importorskip("pandas").NA
    _, features, y = problem
    Y = np.where(np.column_stack([y > 0, y > 1]), "high", "low").astype(object)
    Y[::5, 1] = missing
    model = cls(LogisticRegression()).fit(features, Y)
    assert_array_equal(model.classes_, ["high", "low"])
    predicted = model.predict(features)
    seen = np.arange(24) % 5 > 0
    shares = [np.mean(predicted[:, 0] == Y[:, 0]), np.mean(predicted[seen, 1] == Y[seen, 1])]
    assert_allclose(model.score(features, Y), np.mean(shares))
    weights = np.ones(Y.shape)
    assert_allclose(model.score(features, Y, weights), np.mean(shares))
    with pytest.raises(ValueError, match="y holds no label in row 0"):
        cls().fit(features, Y[:, 1])


@pytest.mark.parametrize("values", [[3, 7], [False, True], [0.0, 1.0]], ids=str)
def test_missing_labels_among_numbers(problem, values):
    _, features, y = problem
    complete = np.array(values)[np.column_stack([y > 0, y > 1]).astype(int)]
    Y = complete.astype(object)
    Y[::5, 1] = None
    model = PerTaskClassifier().fit(features, Y)
    predicted = model.predict(features)
    assert predicted.dtype == complete.dtype
    assert_array_equal(model.classes_, values)
    alone = LogisticRegression().fit(features, complete[:, 0])
    assert_array_equal(predicted[:, 0], alone.predict(features))
