"""The safe default: layouts, weights, outputs, labels and what a new user gets wrong."""

from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sharing_problems import CLASSES, answer, make_outputs, make_problem, quick
from sklearn.base import clone, is_classifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skmtl import PerTaskClassifier, SharingClassifier, SharingRegressor
from skmtl.compose.tuned import PENALTIES, TunedLogistic
from skmtl.model_selection import TaskKFold

both = pytest.mark.parametrize("cls", CLASSES)


# --- layouts and weights ----------------------------------------------------------------------


@both
@pytest.mark.parametrize("kind", ["column", "last", "name", "polars", "csr", "csc", "object"])
def test_layouts(cls, kind):
    codes, features, y = make_problem(cls)
    model = cls(None if kind == "csr" and cls is SharingRegressor else quick(cls), cv=2)
    expected = answer(clone(model).fit(features, y, tasks=codes), features, tasks=codes)
    X, column = np.column_stack([codes, features]), 0
    if kind == "last":
        X, column = np.column_stack([features, codes]), -1
    elif kind in ("name", "polars"):
        library = pytest.importorskip("pandas" if kind == "name" else "polars")
        columns = {"task": codes, **{f"f{j}": features[:, j] for j in range(3)}}
        X, column = library.DataFrame(columns), "task"
    elif kind in ("csr", "csc"):
        X = {"csr": sparse.csr_array, "csc": sparse.csc_matrix}[kind](X)
    elif kind == "object":
        X = X.astype(object)
        X[:, 0] = [f"task {code}" for code in codes]
    model.set_params(task_column=column)
    assert_allclose(answer(model.fit(X, y), X), expected, atol=1e-5)


@both
def test_rows_of_weight_zero_do_not_count(cls):
    codes, features, y = make_problem(cls, n_tasks=5)
    X = np.column_stack([codes, features])
    y = y.copy()
    weights = np.ones(len(y))
    out = (codes == 4) | (np.arange(len(y)) % 5 == 0) | ((codes == 0) & (np.arange(len(y)) > 3))
    weights[out] = 0
    X[out, 1:] += 50
    y[out] = 9
    model = cls(quick(cls), task_column=0).fit(X, y, sample_weight=weights)
    without = cls(quick(cls), task_column=0).fit(X[~out], y[~out])
    assert_allclose(answer(model, X[~out]), answer(without, X[~out]), rtol=1e-7, atol=1e-9)
    assert_allclose(model.task_gains_[:4], without.task_gains_)
    assert np.isnan(model.task_gains_[4])
    shared = cls(quick(cls), task_column=0, unknown_task="shared").fit(X[~out], y[~out])
    assert_allclose(answer(model, X[-3:]), answer(shared, X[-3:]), rtol=1e-6)


@both
def test_a_splitter_sees_all_rows_and_weights_choose_among_them(cls):
    codes, features, y = make_problem(cls)
    weights = (np.arange(48) % 4 > 0).astype(float)
    kept = weights > 0
    folds = list(TaskKFold(3).split(features, y, codes))
    place = np.cumsum(kept) - 1
    inside = [[place[part[kept[part]]] for part in fold] for fold in folds]
    model = cls(quick(cls), cv=folds).fit(features, y, sample_weight=weights, tasks=codes)
    expected = cls(quick(cls), cv=inside).fit(features[kept], y[kept], tasks=codes[kept])
    assert_allclose(model.task_gains_, expected.task_gains_, rtol=1e-6)


@both
@pytest.mark.parametrize("outputs", [False, True])
def test_weights_of_every_shape(cls, outputs):
    if outputs:
        features, y = make_outputs(cls)
        given = {}
    else:
        codes, features, y = make_problem(cls)
        given = {"tasks": codes}
    unweighted = cls(quick(cls), cv=2).fit(features, y, **given)
    expected = answer(unweighted, features, **given)
    shapes = [3.0, np.full(len(y), 2.0)] + [np.full(y.shape, 2.0)] * outputs
    for weights in shapes:
        model = cls(quick(cls), cv=2).fit(features, y, sample_weight=weights, **given)
        told = answer(model, features, **given)
        assert_allclose(told, expected, rtol=0.5, atol=0.5)  # the penalty does not scale
    with pytest.raises(ValueError, match="must not be negative, but it holds -1"):
        cls().fit(features, y, sample_weight=-np.ones(len(y)), **given)


@both
def test_a_task_of_weight_zero_with_any_estimator(cls):
    codes, features, y = make_problem(cls)
    tree = DecisionTreeClassifier if is_classifier(cls()) else DecisionTreeRegressor
    model = cls(tree(max_depth=2, random_state=0))
    model.fit(features, y, tasks=codes, sample_weight=(codes != 1).astype(float))
    assert np.isfinite(answer(model, features, tasks=codes)).all()


def test_outputs_in_any_units():
    features, Y = make_outputs(SharingRegressor)
    Y[::5, 1] = np.nan
    units, origin = np.array([1.0, 1e6, 1e-6]), np.array([0.0, 3e6, 5.0])
    one = SharingRegressor().fit(features, Y)
    other = SharingRegressor().fit(features, Y * units + origin)
    assert_allclose((other.predict(features) - origin) / units, one.predict(features), atol=1e-4)
    assert_allclose(other.task_gains_, one.task_gains_, atol=1e-3)


@both
def test_named_outputs_with_missing_entries(cls):
    pandas = pytest.importorskip("pandas")
    features, Y = make_outputs(cls)
    Y = pandas.DataFrame(Y, columns=["a", "b", "c"]).astype(
        "Int64" if is_classifier(cls()) else "Float64"
    )
    Y.iloc[::6, 1] = pandas.NA
    model = cls(quick(cls), cv=2).fit(features, Y.astype(object) if is_classifier(cls()) else Y)
    assert_array_equal(model.tasks_, ["a", "b", "c"])
    assert model.predict(features).shape == (24, 3)


# --- labels -----------------------------------------------------------------------------------


def labelled(n=15):
    codes, features, y = make_problem(SharingClassifier, n=n)
    return codes, features, np.array(["no", "yes", "never", "always"])[y + 2 * (codes > 1)]


@pytest.mark.parametrize(
    "options",
    [
        {"strategies": [LogisticRegression()], "cv": 2},
        {"estimator": LogisticRegression()},
        {"cv": "loo"},
    ],
    ids=str,
)
def test_probabilities_are_of_own_labels(options):
    codes, features, y = labelled()
    X = np.column_stack([codes, features])
    model = SharingClassifier(task_column=0, **options).fit(X, y)
    assert_array_equal(model.classes_, ["always", "never", "no", "yes"])
    told = model.predict_proba(X)
    assert_allclose(told.sum(axis=1), 1)
    foreign = (codes > 1)[:, None] != np.array([True, True, False, False])
    assert_array_equal(told[foreign], 0)
    assert_array_equal(model.predict(X), model.classes_[told.argmax(axis=1)])
    assert np.mean(model.predict(X) == y) > 0.7


def test_a_strategy_that_knows_nothing_of_labels_of_tasks():
    codes, features, y = labelled()
    X = np.column_stack([codes, features])
    tree = DecisionTreeClassifier(max_depth=1, random_state=0)
    model = SharingClassifier(tree, strategies=[("tree", tree)], task_column=0, cv=2).fit(X, y)
    model.strategies_ = {"tree": tree.fit(features[:, [0, 0, 1, 2]], y)}
    model._mixing = np.ones((1, 5))
    told = model.predict_proba(X)
    assert_allclose(told.sum(axis=1), 1)
    assert_array_equal(told[codes > 1][:, 2:], 0)


def test_rare_labels():
    codes, features, y = make_problem(SharingClassifier, n=15)
    y[[0, 20]] = 2  # one row of a label in a task
    y[codes == 3] = 1  # a task of one label
    model = SharingClassifier(cv=3).fit(features, y, tasks=codes)
    told = model.predict_proba(features, tasks=codes)
    assert_allclose(told.sum(axis=1), 1)
    assert_allclose(told[codes == 3], np.tile([0.0, 1.0, 0.0], (15, 1)))
    assert np.isfinite(model.gain_)
    assert np.isfinite(model.task_gains_[:3]).all()


def test_missing_labels_of_outputs():
    features, Y = make_outputs(SharingClassifier)
    Y = np.array(["low", "high"], dtype=object)[Y]
    Y[::5, 1] = None
    model = SharingClassifier(LogisticRegression(), cv=2).fit(features, Y)
    told = model.predict_proba(features)
    assert [part.shape for part in told] == [(24, 2)] * 3
    assert_allclose(np.sum(told, axis=2), 1)
    assert set(model.predict(features).ravel()) <= {"low", "high"}
    assert 0.5 < model.score(features, Y) <= 1


# --- one C for all tasks ----------------------------------------------------------------------


def test_the_penalty_is_that_of_least_loss():
    codes, features, y = make_problem(SharingClassifier, n=15, noise=1.0)
    weights = np.random.default_rng(0).uniform(0.1, 3, 60)
    given = {"sample_weight": weights}
    model = TunedLogistic(PerTaskClassifier()).fit(features, y, tasks=codes, **given)
    losses = []
    folds = TaskKFold(3, shuffle=True, stratify=True, random_state=0)
    for C in PENALTIES:
        loss = 0.0
        for train, test in folds.split(features, y, codes):
            for task in range(4):
                own, out = train[codes[train] == task], test[codes[test] == task]
                inner = LogisticRegression(C=C, max_iter=1000)
                inner.fit(features[own], y[own], sample_weight=weights[own])
                told = inner.predict_proba(features[out])[np.arange(len(out)), y[out]]
                loss -= weights[out] @ np.log(told)
        losses.append(loss)
    assert PENALTIES[np.argmin(losses)] == model.C_
    assert model.tuned().C == model.C_
    assert not hasattr(model.tuned(), "model_")


def test_the_penalty_is_chosen_once(monkeypatch):
    chosen = []
    choose = TunedLogistic._choose
    monkeypatch.setattr(TunedLogistic, "_choose", lambda *a: chosen.append(1) or choose(*a))
    codes, features, y = make_problem(SharingClassifier)
    SharingClassifier(cv=2).fit(features, y, tasks=codes)
    assert len(chosen) == 1


def test_the_penalty_of_few_rows_and_of_outputs():
    codes, features, y = make_problem(SharingClassifier, n=2)
    assert TunedLogistic(PerTaskClassifier()).fit(features, y, tasks=codes).C_ == 1.0
    features, Y = make_outputs(SharingClassifier)
    weights = np.random.default_rng(0).uniform(0.5, 2, size=Y.shape)
    for given in (None, weights):
        model = TunedLogistic(PerTaskClassifier()).fit(features, Y, sample_weight=given)
        assert model.C_ in PENALTIES
        assert len(model.predict_proba(features)) == 3


# --- a new user -------------------------------------------------------------------------------


def changed(X, row, column, value):
    X = X.astype(object)
    X[row, column] = value
    return X


@cache
def fitted(cls):
    codes, features, y = make_problem(cls)
    return cls(task_column=0, cv=2).fit(np.column_stack([codes, features]), y)


@both
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda X: changed(X, 2, 2, "red"), r"X holds 'red' in row 2, feature 1.*encode it first"),
        (lambda X: changed(X, 2, 2, np.nan), r"NaN in row 2 of task 0, feature 1: add an imputer"),
        (lambda X: changed(X, 2, 2, np.inf), "contains infinity"),
        (lambda X: (X - X.mean(axis=0)) / X.std(axis=0), r"column 0 holds -1.342: was it scaled"),
        (lambda X: X[0], "Expected 2D array, got 1D"),
    ],
)
def test_tables_that_do_not_do(cls, spoil, message):
    codes, features, y = make_problem(cls)
    X = np.column_stack([codes, features])
    with pytest.raises(ValueError, match=message):
        cls(task_column=0).fit(spoil(X), y)
    model = fitted(cls)
    with pytest.raises(ValueError, match=message):
        model.predict(spoil(X))


@both
def test_calls_that_do_not_do(cls):
    codes, features, y = make_problem(cls)
    X = np.column_stack([codes, features])
    model = cls(task_column=0)
    with pytest.raises(ValueError, match="task ids came twice: in column 0"):
        model.fit(X, y, tasks=codes)
    with pytest.raises(ValueError, match="contains NaN"):
        model.fit(X, np.where(codes == 1, np.nan, y))
    model = fitted(cls)
    with pytest.raises(ValueError, match=r"X has 3 features, but Sharing.* expecting 4"):
        model.predict(X[:, :-1])
    with pytest.raises(ValueError, match="task 9 was not seen in fit, which had 0, 1, 2, 3"):
        model.predict(changed(X, 0, 0, 9))
    with pytest.raises(ValueError, match="was fitted with `tasks`: pass tasks= here too"):
        cls(quick(cls), cv=2).fit(features, y, tasks=codes).predict(features)
