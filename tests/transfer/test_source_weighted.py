"""Estimators on weighted source rows: limits, choice of the weights, any table, any estimator."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit, cross_val_score
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeRegressor

from skmtl import (
    SourceWeightedClassifier,
    SourceWeightedClassifierCV,
    SourceWeightedRegressor,
    SourceWeightedRegressorCV,
    keep_tasks,
)
from skmtl.model_selection import TargetKFold

GIVEN = [SourceWeightedRegressor, SourceWeightedClassifier]
SEARCHES = [SourceWeightedRegressorCV, SourceWeightedClassifierCV]


def every(classes):
    return pytest.mark.parametrize("cls", classes, ids=lambda cls: cls.__name__)


def inner(cls):
    return LogisticRegression() if "Classifier" in cls.__name__ else Ridge()


def told(model, X):
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


def make(seed=0, sizes=(60, 50, 24), noise=(0.0, 3.0)):
    """Tasks 0, 1 and the target 2 in column 0: sources whose coefficients are off by `noise`."""
    rng = np.random.RandomState(seed)
    coef = rng.normal(size=6)
    coefs = np.array([coef + scale * rng.normal(size=6) for scale in noise] + [coef])
    ids = rng.permutation(np.repeat([0, 1, 2], sizes))
    features = rng.normal(size=(sum(sizes), 6))
    y = np.sum(features * coefs[ids], axis=1) + rng.normal(size=len(ids))
    return np.column_stack([ids, features]), y


@pytest.fixture
def data():
    return make()


def targets(cls, y):
    return (y > 0).astype(int) if "Classifier" in cls.__name__ else y


# --- given weights -----------------------------------------------------------------------------


@every(GIVEN)
def test_limits(cls, data):
    X, y = data[0], targets(cls, data[1])
    target = X[:, 0] == 2
    alone = inner(cls).fit(X[target, 1:], y[target])
    pooled = inner(cls).fit(X[:, 1:], y)
    for weight, expected in [(0, alone), (1.0, pooled)]:
        model = cls(source_weight=weight, task_column=0, target_task=2).fit(X, y)
        assert_allclose(told(model, X[target]), told(expected, X[target, 1:]), rtol=1e-5)
        assert_array_equal(model.source_weights_, [weight, weight])


@every(GIVEN)
@pytest.mark.parametrize("weight", [[0.2, 0.7], {1: 0.7, 0: 0.2}], ids=["list", "dict"])
def test_a_weight_for_each_source(cls, weight, data):
    X, y = data[0], targets(cls, data[1])
    own = np.random.RandomState(1).uniform(0.5, 2, size=len(y))
    weights = np.array([0.2, 0.7, 1.0])[X[:, 0].astype(int)] * own
    expected = inner(cls).fit(X[:, 1:], y, sample_weight=weights)
    model = cls(source_weight=weight, task_column=0, target_task=2)
    model.fit(X, y, sample_weight=own)
    target = X[X[:, 0] == 2]
    assert_allclose(told(model, target), told(expected, target[:, 1:]), rtol=1e-5)


@every([*GIVEN, *SEARCHES])
def test_three_ways_to_give_the_sources(cls, data):
    X, y = data[0], targets(cls, data[1])
    target = X[:, 0] == 2
    table = cls(task_column=0, target_task=2).fit(X, y)
    vector = cls(target_task=2).fit(X[:, 1:], y, tasks=X[:, 0])
    pairs = {task: (X[X[:, 0] == task, 1:], y[X[:, 0] == task]) for task in (0, 1)}
    before = pickle.dumps(pairs)
    rows = cls(source_rows=pairs).fit(X[target, 1:], y[target])
    assert pickle.dumps(pairs) == before
    expected = told(table, X[target])
    assert_allclose(told(rows, X[target, 1:]), expected, rtol=1e-5)
    ours = vector.predict(X[target, 1:], tasks=X[target, 0])
    assert_allclose(ours, table.predict(X[target]), rtol=1e-5)
    assert table.source_names_ == vector.source_names_ == rows.source_names_ == [0, 1]
    assert clone(rows).source_rows is pairs


@every([*GIVEN, *SEARCHES])
def test_no_source_is_the_estimator_itself(cls, data):
    X, y = data[0], targets(cls, data[1])
    assert_array_equal(told(cls().fit(X, y), X), told(inner(cls).fit(X, y), X))
    assert len(cls().fit(X, y).source_weights_) == 0


@every([*GIVEN, *SEARCHES])
def test_sparse_rows(cls, data):
    X, y = data[0], targets(cls, data[1])
    target = X[X[:, 0] == 2]
    dense = cls(task_column=0, target_task=2).fit(X, y)
    thin = cls(task_column=0, target_task=2).fit(sparse.csr_matrix(X), y)
    assert_allclose(
        told(thin, sparse.csr_matrix(target)), told(dense, target), rtol=1e-2, atol=1e-3
    )


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_with_words(library, data):
    """Columns that are no numbers reach a pipeline that encodes them."""
    X, y = data
    library = pytest.importorskip(library)
    colour = np.array(["red", "blue"])[(X[:, 1] > 0).astype(int)]
    frame = library.DataFrame({"colour": colour, "task": X[:, 0].astype(int)})
    estimator = make_pipeline(OneHotEncoder(sparse_output=False), Ridge())
    model = SourceWeightedRegressor(
        estimator, source_weight=0.3, task_column="task", target_task=2
    ).fit(frame, y)
    codes = OneHotEncoder(sparse_output=False).fit_transform(colour[:, None])
    weights = np.where(X[:, 0] == 2, 1.0, 0.3)
    expected = Ridge().fit(codes, y, sample_weight=weights).predict(codes[X[:, 0] == 2])
    rows = np.flatnonzero(X[:, 0] == 2)
    assert_allclose(
        model.predict(frame[rows] if library.__name__ == "polars" else frame.iloc[rows]), expected
    )


def test_rows_of_sources_by_the_names_of_their_columns(data):
    pandas = pytest.importorskip("pandas")
    X, y = data
    frame = pandas.DataFrame(X[:, 1:], columns=list("abcdef"))
    target, source = X[:, 0] == 2, X[:, 0] == 0
    rows = (frame.loc[source, list("fedcba")], y[source])
    model = SourceWeightedRegressor(source_rows=rows).fit(frame[target], y[target])
    expected = SourceWeightedRegressor(source_rows=(X[source, 1:], y[source]))
    expected.fit(X[target, 1:], y[target])
    assert_allclose(model.predict(frame[target]), expected.predict(X[target, 1:]))


def test_missing_values_reach_trees(data):
    X, y = data
    X[::7, 3] = np.nan
    model = SourceWeightedRegressor(
        DecisionTreeRegressor(max_depth=3), task_column=0, target_task=2
    ).fit(X, y)
    assert np.isfinite(model.predict(X[X[:, 0] == 2])).all()
    with pytest.raises(ValueError, match="NaN"):
        SourceWeightedRegressor(task_column=0, target_task=2).fit(X, y)


def test_labels_that_only_one_side_has():
    X, y = make()
    words = np.array(["low", "middle", "high"])[np.digitize(y, [-1, 1])]
    words[(X[:, 0] != 2) & (words == "high")] = "huge"
    for weight, unseen in [(0.5, []), (0.0, ["huge"])]:
        model = SourceWeightedClassifier(source_weight=weight, task_column=0, target_task=2)
        told = model.fit(X, words).predict_proba(X[X[:, 0] == 2])
        assert_array_equal(model.classes_, ["high", "huge", "low", "middle"])
        assert_allclose(told.sum(axis=1), 1)
        for label in unseen:
            assert (told[:, model.classes_ == label] == 0).all()
    one = np.where(X[:, 0] == 2, "low", words)
    search = SourceWeightedClassifierCV(task_column=0, target_task=2).fit(X, one)
    assert (search.predict(X[X[:, 0] == 2]) == "low").all()
    assert set(search.classes_) == {"huge", "low", "middle"}


def test_classifiers_without_probabilities(data):
    X, y = data[0], targets(SourceWeightedClassifier, data[1])
    target = X[X[:, 0] == 2]
    model = SourceWeightedClassifierCV(LinearSVC(), task_column=0, target_task=2).fit(X, y)
    expected = LinearSVC().fit(X[:, 1:], y)
    assert model.predict(target).shape == expected.predict(target[:, 1:]).shape
    assert_array_equal(model.predict(target), model.estimator_.predict(target[:, 1:]))


# --- chosen weights ----------------------------------------------------------------------------


def test_losses_by_hand(data):
    X, y = data
    target, source = np.flatnonzero(X[:, 0] == 2), np.flatnonzero(X[:, 0] != 2)
    cv = KFold(4)
    grid = [0.0, 0.1, 1.0]
    model = SourceWeightedRegressorCV(
        weight_grid=grid, per_source=False, cv=cv, task_column=0, target_task=2
    ).fit(X, y)
    expected = []
    for weight in grid:
        errors = np.empty(len(target))
        for train, test in cv.split(target):
            rows = np.concatenate([target[train], source])
            weights = np.repeat([1.0, weight], [len(train), len(source)])
            fitted = Ridge().fit(X[rows, 1:], y[rows], sample_weight=weights)
            errors[test] = (fitted.predict(X[target[test], 1:]) - y[target[test]]) ** 2
        expected.append(errors.mean())
    assert_allclose(model.losses_, expected)
    assert_allclose(model.source_weights_, np.full(2, grid[np.argmin(expected)]))


def test_log_losses_by_hand(data):
    X, y = data[0], targets(SourceWeightedClassifierCV, data[1])
    target, source = np.flatnonzero(X[:, 0] == 2), np.flatnonzero(X[:, 0] != 2)
    model = SourceWeightedClassifierCV(
        weight_grid=[0.0, 1.0], per_source=False, cv=KFold(3), task_column=0, target_task=2
    ).fit(X, y)
    losses = np.empty(len(target))
    for train, test in KFold(3).split(target):
        rows = np.concatenate([target[train], source])
        told = LogisticRegression().fit(X[rows, 1:], y[rows]).predict_proba(X[target[test], 1:])
        losses[test] = -np.log(told[np.arange(len(test)), y[target[test]]])
    assert_allclose(model.losses_[1], losses.mean(), rtol=1e-4)


def test_useless_sources_get_no_weight():
    chosen = []
    for seed in range(4):
        X, y = make(seed, sizes=(60, 60, 80), noise=(5.0, 5.0))
        model = SourceWeightedRegressorCV(task_column=0, target_task=2).fit(X, y)
        chosen.append(model.source_weights_)
    assert np.median(chosen) <= 0.003


def test_each_source_its_own_weight():
    """The first source has the coefficients of the target, the second one has not."""
    for seed in range(3):
        X, y = make(seed)
        model = SourceWeightedRegressorCV(task_column=0, target_task=2).fit(X, y)
        assert model.source_weights_[0] > model.source_weights_[1]
        common = clone(model).set_params(per_source=False).fit(X, y)
        assert common.source_weights_[0] == common.source_weights_[1]


def test_one_standard_error_leans_to_the_target_alone():
    for seed in range(5):
        X, y = make(seed, noise=(0.3, 0.3))
        given = {"task_column": 0, "target_task": 2, "per_source": False}
        best = SourceWeightedRegressorCV(**given).fit(X, y)
        careful = SourceWeightedRegressorCV(selection="one_standard_error", **given).fit(X, y)
        assert (careful.source_weights_ <= best.source_weights_).all()


def test_no_negative_transfer():
    """The mean error over draws is at most one per cent above that of the target alone."""
    errors = []
    for seed in range(10):
        X, y = make(seed, sizes=(60, 60, 530), noise=(4.0, 4.0))
        rows = np.flatnonzero(X[:, 0] == 2)
        train = np.concatenate([np.flatnonzero(X[:, 0] != 2), rows[:30]])
        model = SourceWeightedRegressorCV(per_source=False, task_column=0, target_task=2)
        model.fit(X[train], y[train])
        alone = Ridge().fit(X[rows[:30], 1:], y[rows[:30]])
        test = rows[30:]
        told = [model.predict(X[test]), alone.predict(X[test, 1:])]
        errors.append([np.sqrt(np.mean((part - y[test]) ** 2)) for part in told])
    means = np.mean(errors, axis=0)
    assert means[0] < 1.01 * means[1]


@every(SEARCHES)
def test_the_final_fit_has_the_chosen_weights(cls, data):
    X, y = data[0], targets(cls, data[1])
    model = cls(task_column=0, target_task=2).fit(X, y)
    given = globals()[cls.__name__.removesuffix("CV")]
    expected = given(source_weight=model.source_weights_, task_column=0, target_task=2).fit(X, y)
    target = X[X[:, 0] == 2]
    assert_allclose(told(model, target), told(expected, target))


@every(SEARCHES)
def test_results_do_not_depend_on_jobs_names_or_the_order_of_sources(cls, data):
    X, y = data[0], targets(cls, data[1])
    search = cls(weight_grid=[0.0, 0.1, 1.0], task_column=0, target_task=2)
    model = clone(search).fit(X, y)
    parallel = clone(search).set_params(n_jobs=2).fit(X, y)
    assert_array_equal(parallel.losses_, model.losses_)
    assert_array_equal(parallel.source_weights_, model.source_weights_)
    swapped = X.copy()
    swapped[:, 0] = np.array([1, 0, 2])[X[:, 0].astype(int)]
    other = clone(search).fit(swapped, y)
    assert_allclose(other.source_weights_, model.source_weights_[::-1])
    order = np.argsort(X[:, 0] == 2, kind="stable")
    order[:-24] = order[:-24][::-1]
    other = clone(search).fit(X[order], y[order])
    assert_allclose(other.source_weights_, model.source_weights_)


def test_weights_of_target_rows_count_in_the_choice(data):
    X, y = data
    repeats = np.where(X[:, 0] == 2, 2, 1)
    folds = list(KFold(6).split(np.zeros(24)))
    model = SourceWeightedRegressorCV(
        weight_grid=[0.0, 0.1, 1.0], task_column=0, target_task=2, cv=KFold(6)
    )
    rows = np.flatnonzero(np.repeat(X[:, 0], repeats) == 2)
    doubled = [
        [rows[np.concatenate([2 * part, 2 * part + 1])] for part in (train, test)]
        for train, test in folds
    ]
    model.fit(X, y, sample_weight=repeats)
    copied = clone(model).set_params(cv=doubled)
    copied.fit(np.repeat(X, repeats, axis=0), np.repeat(y, repeats))
    assert_allclose(model.losses_, copied.losses_)
    assert_allclose(model.source_weights_, copied.source_weights_)


def test_with_tools_of_sklearn(data):
    X, y = data
    steps = keep_tasks(StandardScaler(), 0), SourceWeightedRegressor(task_column=0, target_task=2)
    cv = TargetKFold(3, target_task=2, task_column=0)
    grid = {"sourceweightedregressor__source_weight": [0.0, 0.5]}
    search = GridSearchCV(make_pipeline(*steps), grid, cv=cv, error_score="raise").fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    chosen = SourceWeightedRegressorCV(task_column=0, target_task=2)
    assert np.isfinite(cross_val_score(chosen, X, y, cv=cv, error_score="raise")).all()
    forest = RandomForestClassifier(5, random_state=0)
    model = SourceWeightedClassifier(forest, task_column=0, target_task=2).fit(X, y > 0)
    assert model.score(X[X[:, 0] == 2], y[X[:, 0] == 2] > 0) > 0.8


# --- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (-0.5, "source_weight=-0.5"),
        (np.nan, "source_weight=nan"),
        ("much", "source_weight must be a number"),
        ([0.5], "has shape .* but there are 2 sources"),
        ([0.5, -1.0], "must be finite and >= 0"),
        ({0: 0.5}, r"lacks the sources \[1\]"),
        ({0: 0.5, 1: 0.5, 7: 1.0}, r"names \[7\]"),
    ],
)
def test_wrong_weights(weight, message, data):
    model = SourceWeightedRegressor(source_weight=weight, task_column=0, target_task=2)
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(*data)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"weight_grid": [-1.0]}, "weight_grid="),
        ({"weight_grid": []}, "weight_grid="),
        ({"selection": "first"}, "selection='first'"),
        ({"per_source": "yes"}, "per_source"),
        ({"cv": 1}, "cv=1"),
        (
            {"cv": ShuffleSplit(5, test_size=0.5, random_state=0)},
            "cv must leave every row out at most once",
        ),
        ({"estimator": KNeighborsRegressor()}, "KNeighborsRegressor takes no sample_weight"),
    ],
)
def test_wrong_searches(parameters, message, data):
    model = SourceWeightedRegressorCV(task_column=0, target_task=2, **parameters)
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(*data)


def test_errors_of_rows(data):
    X, y = data
    kept = np.append(np.flatnonzero(X[:, 0] != 2), np.flatnonzero(X[:, 0] == 2)[:1])
    with pytest.raises(ValueError, match="too few to choose weights"):
        SourceWeightedRegressorCV(task_column=0, target_task=2).fit(X[kept], y[kept])
    model = SourceWeightedRegressor(task_column=0, target_task=2).fit(X, y)
    with pytest.raises(ValueError, match=r"of task 0, but SourceWeightedRegressor was fitted for"):
        model.predict(X[X[:, 0] == 0])


def test_an_estimator_without_weights_may_pool(data):
    """No weight is needed if all rows count the same."""
    X, y = data
    model = SourceWeightedRegressor(
        KNeighborsRegressor(), source_weight=1.0, task_column=0, target_task=2
    ).fit(X, y)
    target = X[X[:, 0] == 2]
    expected = KNeighborsRegressor().fit(X[:, 1:], y).predict(target[:, 1:])
    assert_allclose(model.predict(target), expected)
