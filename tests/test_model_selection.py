"""Folds are balanced partitions of every task that leave every task in training."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    LeaveOneGroupOut,
    cross_val_predict,
    cross_val_score,
    train_test_split,
)

from skmtl.model_selection import LeaveOneTaskOut, TaskKFold, task_train_test_split

task_ids = st.lists(st.integers(0, 6), min_size=10, max_size=60).map(np.array)


def folds_of(cv, X, y=None, groups=None):
    """Test fold of every row, -1 for rows that are never tested."""
    folds = np.full(X.shape[0], -1)
    for fold, (train, test) in enumerate(cv.split(X, y, groups)):
        assert_array_equal(np.sort(np.append(train, test)), np.arange(X.shape[0]))
        assert (folds[test] == -1).all()
        folds[test] = fold
    return folds


def spread(values, n_splits):
    counts = np.bincount(values, minlength=n_splits)
    return counts.max() - counts.min()


# TaskKFold


@given(
    ids=task_ids,
    n_splits=st.integers(2, 5),
    shuffle=st.booleans(),
    stratify=st.booleans(),
    seed=st.integers(0, 999),
)
def test_balanced_folds_with_every_task_in_training(ids, n_splits, shuffle, stratify, seed):
    X = np.column_stack([np.zeros(len(ids)), ids])
    y = np.random.default_rng(seed).integers(3, size=len(ids))
    state = seed if shuffle else None
    cv = TaskKFold(n_splits, task_column=1, shuffle=shuffle, stratify=stratify, random_state=state)
    single = np.bincount(ids)[ids] == 1
    if (~single).sum() < n_splits:
        with pytest.raises(ValueError, match="is more than the"):
            folds_of(cv, X, y)
        return
    folds = folds_of(cv, X, y)
    assert_array_equal(folds == -1, single)
    assert spread(folds[~single], n_splits) <= 1
    for task in np.unique(ids[~single]):
        mine = ids == task
        assert spread(folds[mine], n_splits) <= 1
        assert len(np.unique(folds[mine])) > 1  # so each training fold has rows of the task
        if stratify:
            for label in range(3):
                assert spread(folds[mine & (y == label)], n_splits) <= 1
        elif not shuffle:
            assert (np.diff(folds[mine]) != 0).sum() < n_splits  # contiguous blocks
    names = np.array(["q", "b", "z", "a", "k", "f", "c"])[ids]
    assert_array_equal(folds_of(cv, X, y, names), folds)


@pytest.mark.parametrize(("n_samples", "n_splits"), [(8, 5), (10, 3), (11, 3), (6, 6), (20, 2)])
@pytest.mark.parametrize("state", [None, 3])
def test_one_task_is_kfold(n_samples, n_splits, state):
    X = np.zeros((n_samples, 1))
    options = {"n_splits": n_splits, "shuffle": state is not None, "random_state": state}
    expected = folds_of(KFold(**options), X)
    assert_array_equal(folds_of(TaskKFold(**options), X), expected)
    assert_array_equal(folds_of(TaskKFold(**options, task_column=0), X), expected)
    assert_array_equal(folds_of(TaskKFold(**options), X, np.zeros((n_samples, 3))), expected)


@pytest.mark.parametrize("kind", ["list", "csr", "csc", "pandas", "polars", "groups"])
def test_sources_of_ids_agree(kind):
    ids = np.array([5, 5, 9, 9, 9, 5, 9, 2, 5])
    X = np.column_stack([np.arange(9.0), ids])
    expected = folds_of(TaskKFold(3, task_column=1), X)
    if kind in ("pandas", "polars"):
        X = pytest.importorskip(kind).DataFrame({"a": X[:, 0], "unit": ids.astype(str)})
        assert_array_equal(folds_of(TaskKFold(3, task_column="unit"), X), expected)
    elif kind == "groups":
        assert_array_equal(folds_of(TaskKFold(3), X, groups=list(ids)), expected)
        assert_array_equal(folds_of(TaskKFold(3, task_column=0), X, groups=ids), expected)
    elif kind == "list":
        found = list(TaskKFold(3, task_column=-1).split(X.tolist()))
        assert all((expected[test] == fold).all() for fold, (_, test) in enumerate(found))
    else:
        X = sparse.csr_matrix(X) if kind == "csr" else sparse.csc_array(X)
        assert_array_equal(folds_of(TaskKFold(3, task_column=1), X), expected)


def test_large_ids_are_told_apart():
    ids = np.array([2**60, 2**60 + 1] * 4)
    folds = folds_of(TaskKFold(2), np.zeros((8, 1)), groups=ids)
    assert spread(folds[::2], 2) == spread(folds[1::2], 2) == 0


def test_shuffle_is_reproducible_and_random():
    X = np.repeat([0, 1], 20)[:, None]
    first, again, other = (
        folds_of(TaskKFold(4, task_column=0, shuffle=True, random_state=seed), X)
        for seed in (0, 0, 1)
    )
    assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize(
    ("options", "y", "error"),
    [
        ({"n_splits": 1}, None, "n_splits"),
        ({"n_splits": 9}, None, "n_splits=9 is more than the 8 rows"),
        ({"stratify": True}, None, "y is missing"),
        ({"stratify": True}, np.linspace(0, 1, 8), "y is continuous"),
        ({"task_column": 1}, None, "column 1 holds 0.5"),
        ({"task_column": 7}, None, "task_column=7"),
    ],
)
def test_errors(options, y, error):
    X = np.column_stack([np.arange(8.0), np.full(8, 0.5)])
    with pytest.raises(ValueError, match=error):
        folds_of(TaskKFold(**{"n_splits": 2, **options}), X, y)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = np.column_stack([np.repeat([1, 2, 3], [8, 5, 11]), rng.normal(size=(24, 2))])
    return X, X[:, 1] + X[:, 0]


def test_with_scikit_learn(data):
    X, y = data
    cv = TaskKFold(3, task_column=0)
    assert repr(cv).startswith("TaskKFold(")
    assert cv.get_n_splits() == 3
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1]}, cv=cv).fit(X, y)
    assert search.n_splits_ == 3
    assert clone(search).fit(X, y).best_score_ == search.best_score_
    assert len(cross_val_score(Ridge(), X, y, cv=TaskKFold(3), groups=X[:, 0])) == 3
    predicted = cross_val_predict(DummyRegressor(), X, y, cv=cv)
    folds = folds_of(cv, X)
    assert all(np.allclose(predicted[folds == k], y[folds != k].mean()) for k in range(3))
    with pytest.raises(ValueError, match="partitions"):
        cross_val_predict(Ridge(), X[7:], y[7:], cv=cv)


@pytest.mark.parametrize("cv", [TaskKFold(3), LeaveOneTaskOut()])
def test_groups_are_routed(data, cv):
    X, y = data
    expected = GridSearchCV(Ridge(), {"alpha": [1]}, cv=cv).fit(X, y, groups=X[:, 0])
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(Ridge(), {"alpha": [1]}, cv=cv).fit(X, y, groups=X[:, 0])
        scores = cross_val_score(Ridge(), X, y, cv=cv, params={"groups": X[:, 0]})
        inside = cross_val_score(Ridge(), X, y, cv=type(cv)(task_column=0))
        cv.set_split_request(groups=True)
    assert search.best_score_ == expected.best_score_ == scores.mean()
    assert len(inside) == (5 if isinstance(cv, TaskKFold) else 3)


# LeaveOneTaskOut


def test_leave_one_task_out_is_leave_one_group_out(data):
    X, y = data
    cv = LeaveOneTaskOut(task_column=0)
    assert cv.get_n_splits(X) == LeaveOneTaskOut().get_n_splits(groups=X[:, 0]) == 3
    expected = list(LeaveOneGroupOut().split(X, groups=X[:, 0]))
    for (train, test), (train_too, test_too) in zip(cv.split(X), expected, strict=True):
        assert_array_equal(train, train_too)
        assert_array_equal(test, test_too)
    assert GridSearchCV(Ridge(), {"alpha": [1]}, cv=cv).fit(X, y).n_splits_ == 3
    with pytest.raises(ValueError, match="no task ids"):
        LeaveOneTaskOut().get_n_splits(X)
    with pytest.raises(ValueError, match="only 1"):
        list(cv.split(X[:8]))


# task_train_test_split


@given(
    ids=task_ids,
    sizes=st.sampled_from(
        [(None, None), (0.3, None), (None, 0.6), (2, None), (None, 3), (2, 3), (0.2, 0.5), (1, 0.5)]
    ),
    shuffle=st.booleans(),
    stratify=st.booleans(),
    seed=st.integers(0, 999),
)
def test_every_task_is_split_in_proportion(ids, sizes, shuffle, stratify, seed):
    test_size, train_size = sizes
    ids = np.append(ids, np.repeat(9, 12))
    y = np.random.default_rng(seed).integers(2, size=len(ids))
    options = {"test_size": test_size, "train_size": train_size, "random_state": seed}
    options["shuffle"] = shuffle or stratify
    options["stratify"] = y if stratify else None
    rows = np.arange(len(ids))
    train, test = task_train_test_split(rows, tasks=ids, **options)
    assert len(np.unique(np.append(train, test))) == len(train) + len(test)
    for task in np.unique(ids):
        n = (ids == task).sum()
        n_train, n_test = (ids[train] == task).sum(), (ids[test] == task).sum()
        assert n_train >= 1
        if train_size is None:
            wanted = 0.25 if test_size is None else test_size
            wanted = int(np.ceil(wanted * n)) if isinstance(wanted, float) else wanted
            assert (n_test, n_train) == (min(wanted, n - 1), n - n_test)
        else:
            share = isinstance(train_size, float)
            assert n_train == min(n, max(1, int(train_size * n) if share else train_size))
            if test_size is None:
                assert n_test == n - n_train
        if stratify and train_size is None:
            for label in (0, 1):
                mine = (ids == task) & (y == label)
                assert abs(mine[test].sum() - mine.sum() * n_test / n) < 1
    names = np.array(list("qbzakfcdem"))[ids]
    for part, again in zip(
        (train, test), task_train_test_split(rows, tasks=names, **options), strict=True
    ):
        assert_array_equal(part, again)


@pytest.mark.parametrize("options", [{}, {"test_size": 0.1}, {"train_size": 7}, {"shuffle": False}])
def test_one_task_is_train_test_split(options):
    X, y = np.arange(40).reshape(20, 2), list(range(20))
    found = task_train_test_split(X, y, random_state=4, **options)
    for ours, theirs in zip(found, train_test_split(X, y, random_state=4, **options), strict=True):
        assert_array_equal(ours, theirs)
        assert type(ours) is type(theirs)


def test_rare_class_is_tested_by_chance():
    """The only row of a class is neither always nor never in the test part."""
    y = np.array([0] * 9 + [1])
    tested = [
        task_train_test_split(y, stratify=y, test_size=3, random_state=seed)[1].sum()
        for seed in range(200)
    ]
    assert 0.15 < np.mean(tested) < 0.45


def test_types_of_arrays():
    pandas = pytest.importorskip("pandas")
    ids = np.repeat(["a", "b"], 4)
    X = pandas.DataFrame({"unit": ids, "x": np.arange(8.0)}, index=np.arange(8)[::-1])
    arrays = X, X["x"], sparse.coo_matrix(np.arange(8.0)[:, None]), list(range(8))
    parts = task_train_test_split(*arrays, task_column="unit", shuffle=False)
    assert [type(part) for part in parts[::2]][:2] == [pandas.DataFrame, pandas.Series]
    for part in (parts[1]["x"], parts[3], parts[5].toarray().ravel(), parts[7]):
        assert_array_equal(part, [3, 7])
    polars = pytest.importorskip("polars")
    X = polars.DataFrame({"unit": ids, "x": np.arange(8.0)})
    parts = task_train_test_split(X, X["x"], task_column=0, shuffle=False)
    assert isinstance(parts[1], polars.DataFrame)
    assert parts[3].to_list() == [3, 7]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"tasks": [0, 0], "task_column": 0}, "came twice"),
        ({"tasks": [0, 0, 0]}, "inconsistent numbers of samples"),
        ({"test_size": 0}, "test_size=0 must be"),
        ({"train_size": 1.5}, "train_size=1.5 must be"),
        ({"train_size": 0.7, "test_size": 0.7}, "more than all rows"),
        ({"tasks": [0, 1]}, "no task has a row left for test"),
        ({"stratify": [0, 1], "shuffle": False}, "needs shuffle=True"),
    ],
)
def test_split_errors(options, error):
    with pytest.raises(ValueError, match=error):
        task_train_test_split(np.zeros((2, 1)), **options)
    with pytest.raises(ValueError, match="at least one array"):
        task_train_test_split()


def test_a_table_of_ids_only_can_be_split():
    X = np.array([[7], [7], [8], [8]])
    folds = [test.tolist() for _, test in TaskKFold(2, task_column=0).split(X)]
    assert folds == [[0, 2], [1, 3]]
    assert LeaveOneTaskOut(task_column=0).get_n_splits(X) == 2
