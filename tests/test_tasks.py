"""stack_tasks and split_tasks undo each other; ids, codes and rows."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from skmtl import MultiTaskLasso, MultiTaskRidge, split_tasks, stack_tasks
from skmtl.tasks import (
    check_task_ids,
    encode,
    group_rows,
    match,
    read_task_column,
    split_task_column,
)

RNG = np.random.RandomState(0)
ARRAYS = [RNG.normal(size=(n, 3)) for n in (4, 1, 6)]
TARGETS = [RNG.normal(size=n) for n in (4, 1, 6)]


def assert_same_tables(ours, theirs):
    assert list(ours) == list(theirs)
    for task in theirs:
        assert_array_equal(np.asarray(ours[task]), np.asarray(theirs[task]))


# --- stack and split -------------------------------------------------------------------------


def test_lists():
    X, y = stack_tasks(ARRAYS, TARGETS)
    assert X.shape == (11, 4)
    assert_array_equal(X[:, 0], np.repeat([0, 1, 2], [4, 1, 6]))
    Xs, ys = split_tasks(X, y)
    assert_same_tables(Xs, dict(enumerate(ARRAYS)))
    assert_same_tables(ys, dict(enumerate(TARGETS)))
    assert_array_equal(stack_tasks(Xs), X)
    assert_same_tables(split_tasks(X), Xs)


def test_lists_of_lists():
    X, y = stack_tasks([[[1, 2], [3, 4]], [[5, 6]]], [[1, 2], [3]])
    assert_array_equal(X, [[0, 1, 2], [0, 3, 4], [1, 5, 6]])
    assert_array_equal(y, [1, 2, 3])


@pytest.mark.parametrize("keys", [[-3, 5, 40], [True, False], ["a", "b", "c"]], ids=str)
def test_dicts(keys):
    Xs = dict(zip(keys, ARRAYS, strict=False))
    ys = dict(zip(reversed(keys), reversed(TARGETS[: len(keys)]), strict=True))
    X, y = stack_tasks(Xs, ys)
    split, targets = split_tasks(X, y)
    in_order = {key: np.asarray(Xs[key]) for key in sorted(keys)}
    assert_same_tables(split, in_order)
    assert_same_tables(targets, {key: ys[key] for key in sorted(keys)})
    model = MultiTaskLasso(task_column=0).fit(X, y)
    assert_array_equal(model.tasks_, sorted(keys))


def test_dtypes_of_arrays():
    single = [X.astype(np.float32) for X in ARRAYS]
    assert stack_tasks(single).dtype == np.float32
    assert stack_tasks({2**24: single[0], 1: single[1]}).dtype == np.float64
    assert stack_tasks([np.ones((2, 2), dtype=int)]).dtype == np.float64
    words = [np.array([["x", 1.0]], dtype=object), np.array([["y", 2.0]], dtype=object)]
    X = stack_tasks(words)
    assert X.dtype == object
    assert_array_equal(X, np.array([[0, "x", 1.0], [1, "y", 2.0]], dtype=object))


@pytest.mark.parametrize("convert", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
def test_sparse_tables(convert):
    dense = [np.where(X > 0.5, X, 0.0) for X in ARRAYS]
    X, y = stack_tasks([convert(part) for part in dense], TARGETS)
    assert sparse.issparse(X)
    assert_array_equal(X.toarray()[:, 1:], np.vstack(dense))
    Xs, ys = split_tasks(X, y)
    for task, part in enumerate(dense):
        assert sparse.issparse(Xs[task])
        assert_array_equal(Xs[task].toarray(), part)
        assert_array_equal(ys[task], TARGETS[task])
    mixed = stack_tasks([convert(dense[0]), dense[1], convert(dense[2])])
    assert_array_equal(mixed.toarray(), X.toarray())


@pytest.fixture(params=["pandas", "polars"])
def library(request):
    return pytest.importorskip(request.param)


def test_frames_of_different_columns(library):
    Xs = {
        "north": library.DataFrame({"age": [1.0, 2.0], "mass": [3.0, 4.0]}),
        "south": library.DataFrame({"mass": [5.0], "wind": [6.0]}),
    }
    X, y = stack_tasks(Xs, {"north": [1.0, 2.0], "south": [3.0]}, task_column="place")
    assert list(X.columns) == ["place", "age", "mass", "wind"]
    split, targets = split_tasks(X, y, task_column="place")
    for place, table in Xs.items():
        assert type(split[place]) is type(table)
        assert list(split[place].columns) == list(table.columns)
        assert_array_equal(split[place].to_numpy(), table.to_numpy())
    assert_array_equal(targets["north"], [1.0, 2.0])
    again = stack_tasks(split, targets, task_column="place")[0]
    assert list(again.columns) == list(X.columns)
    assert_array_equal(again["mass"].to_numpy(), X["mass"].to_numpy())
    model = MultiTaskLasso(0.0, task_column="place").fit(X, y)
    assert_array_equal(model.absent_features_, [[False, False, True], [True, False, False]])
    assert model.predict(X).shape == (3,)


def test_frames_with_words_and_categories(library):
    Xs = [
        library.DataFrame({"colour": ["red", None], "size": [1, 2]}),
        library.DataFrame({"colour": ["blue"], "size": [3]}),
    ]
    X = stack_tasks(Xs)
    split = split_tasks(X, task_column="task")
    assert list(split) == [0, 1]
    for task, table in enumerate(Xs):
        assert list(split[task].columns) == ["colour", "size"]
        assert split[task]["size"].to_list() == table["size"].to_list()
        assert split[task]["colour"].to_list()[0] == table["colour"].to_list()[0]


def test_a_column_that_no_task_has_stays(library):
    table = library.DataFrame({"task": [0, 1], "x": [1.0, 2.0], "gone": [np.nan, np.nan]})
    assert all(list(part.columns) == ["x", "gone"] for part in split_tasks(table).values())


def test_frames_keep_large_ids_and_order_of_rows(library):
    ids = 2**60 + np.array([1, 0, 1])
    table = library.DataFrame({"x": [1.0, 2.0, 3.0], "task": ids})
    split, targets = split_tasks(table, ["a", "b", "c"], task_column="task")
    assert list(split) == [2**60, 2**60 + 1]
    assert split[2**60 + 1]["x"].to_list() == [1.0, 3.0]
    assert_array_equal(targets[2**60 + 1], ["a", "c"])


def test_pandas_index_does_not_matter():
    pandas = pytest.importorskip("pandas")
    tables = [pandas.DataFrame({"x": [1.0, 2.0]}, index=[7, 7]), pandas.DataFrame({"x": [3.0]})]
    X = stack_tasks(tables)
    assert X.index.tolist() == [0, 1, 2]
    assert [part.index.tolist() for part in split_tasks(X).values()] == [[0, 1], [0]]


def test_column_by_name_or_position():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"x": [1.0, 2.0], "school": ["b", "a"], "z": [3.0, 4.0]})
    for column in ("school", 1, -2):
        split = split_tasks(X, task_column=column)
        assert list(split) == ["a", "b"]
        assert split["b"].to_numpy().tolist() == [[1.0, 3.0]]


def test_inputs_stay_as_they_are(library):
    before = [library.DataFrame({"x": [1.0, 2.0]}), library.DataFrame({"z": [3.0]})]
    X = stack_tasks(before)
    split_tasks(X)
    assert [list(table.columns) for table in before] == [["x"], ["z"]]
    assert list(X.columns) == ["task", "x", "z"]


@pytest.mark.parametrize(
    ("Xs", "ys", "message"),
    [
        ([], None, "empty"),
        ({}, None, "empty"),
        (ARRAYS, TARGETS[:2], "ys has"),
        (ARRAYS, [TARGETS[0], TARGETS[1], TARGETS[1]], r"task 2 has 6 rows in Xs but \(1,\)"),
        ({"a": ARRAYS[0]}, {"b": TARGETS[0]}, "'a'.*'b'"),
        ([ARRAYS[0], ARRAYS[1][:, :2]], None, "same columns.*use frames"),
        ([ARRAYS[0], ARRAYS[1][0]], None, "2-d"),
        ({"a": ARRAYS[0], 1: ARRAYS[1]}, None, "keys of Xs"),
        ({0.5: ARRAYS[0]}, None, "keys of Xs"),
        ({(1, 2): ARRAYS[0]}, None, "keys of Xs"),
        ({None: ARRAYS[0]}, None, "keys of Xs"),
        ({"a": sparse.csr_array(ARRAYS[0])}, None, "use integer keys"),
        ({2**53 + 1: ARRAYS[0]}, None, "use strings|too large"),
    ],
    ids=lambda value: "" if not isinstance(value, str) else value,
)
def test_stacking_errors(Xs, ys, message):
    with pytest.raises(ValueError, match=message):
        stack_tasks(Xs, ys)


def test_stacking_frames_with_a_task_column(library):
    with pytest.raises(ValueError, match="have a column 'task' already"):
        stack_tasks([library.DataFrame({"task": [1.0]})])


@pytest.mark.parametrize("frame_first", [True, False])
def test_stacking_frames_and_arrays(library, frame_first):
    Xs = [library.DataFrame({"x": [1.0], "z": [2.0]}), np.ones((2, 2))]
    with pytest.raises(ValueError, match=r"Xs mixes numpy ndarray and .* DataFrame"):
        stack_tasks(Xs if frame_first else Xs[::-1])


def test_stacking_frames_of_two_libraries():
    Xs = [pytest.importorskip(name).DataFrame({"x": [1.0]}) for name in ("pandas", "polars")]
    with pytest.raises(ValueError, match="Xs mixes pandas DataFrame and polars DataFrame"):
        stack_tasks(Xs)


def test_words_in_arrays_come_back():
    words = [np.array([["x", 1.0]], dtype=object), np.array([["y", 2.0]], dtype=object)]
    assert_same_tables(split_tasks(stack_tasks(words)), dict(enumerate(words)))


def test_splitting_errors():
    with pytest.raises(ValueError, match="X has 2 rows, but y"):
        split_tasks([[0, 1.0], [1, 2.0]], [1.0])
    with pytest.raises(ValueError, match="not a column"):
        split_tasks(np.ones((2, 2)), task_column=2)
    with pytest.raises(ValueError, match=r"holds 0\.5"):
        split_tasks(np.array([[0.5, 1.0]]))
    with pytest.raises(ValueError, match="is a name"):
        split_tasks(np.ones((2, 2)), task_column="task")
    with pytest.raises(ValueError, match="2D array"):
        split_tasks(np.ones(3))


# --- ids and codes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ids",
    [
        ["b", "a", "b"],
        [3, -1, 3],
        [2.0, -5.0, 2.0],
        [True, False, True],
        np.array([2**62, 2**62 + 1, 2**62]),
        np.array(["2020-01-02", "2020-01-01", "2020-01-02"], dtype="M8[D]"),
        np.array(["b", "a", "b"], dtype=object),
        np.array([3, 1, 3], dtype=object),
        np.array([2**62, 2**62 + 1, 2**62], dtype=object),
    ],
    ids=str,
)
def test_codes(ids):
    checked = check_task_ids(ids)
    labels, codes = encode(checked)
    assert_array_equal(labels[codes], checked)
    assert np.all(labels[:-1] < labels[1:])
    assert_array_equal(match(checked, labels), codes)
    assert labels.tolist() == sorted(set(np.asarray(ids).tolist()))


def test_match_is_by_value_within_a_kind():
    numbers, words = np.array([-1, 3, 7]), np.array(["1", "10", "2"])
    assert_array_equal(match(np.array([3, 8, -1, -2, 7]), numbers), [1, -1, 0, -1, 2])
    assert_array_equal(match(np.array([3], dtype=np.int8), numbers), [1])
    assert_array_equal(match(np.array(["10", "1", "3", ""]), words), [1, 0, -1, -1])
    assert_array_equal(match(np.array([True, False]), np.array([False, True])), [1, 0])
    days = np.array(["2020-01-01", "2020-02-01"], dtype="M8[D]")
    assert_array_equal(match(days.astype("M8[ns]"), days), [0, 1])
    assert_array_equal(match(np.array([], dtype=int), numbers), [])
    assert_array_equal(match(np.array([], dtype=int), words), [])


@pytest.mark.parametrize(
    ("labels", "ids", "message"),
    [
        (
            [1, 2],
            ["1", "2"],
            r"task '1' was not seen in fit, where the ids were integers \(1, 2\), but these",
        ),
        ([1, 2], [b"1"], "were integers .* but these are bytes"),
        (
            ["1", "2"],
            [2, 1, 1],
            "were strings .* but these are integers: make them strings too",
        ),
        (["1", "2"], [b"1"], "were strings .* but these are bytes"),
        ([1, 2], np.array(["2020-01-01"], dtype="M8[D]"), "were integers .* but these are dates"),
    ],
    ids=str,
)
def test_ids_of_another_kind_are_an_error(labels, ids, message):
    labels, ids = np.array(labels), np.array(ids)
    with pytest.raises(ValueError, match=message):
        match(ids, labels)
    X = np.ones((len(labels), 1))
    for unknown in ("error", "shared"):
        model = MultiTaskRidge(unknown_task=unknown)
        model.fit(np.vstack([X, X]), np.arange(2 * len(X)), tasks=np.append(labels, labels))
        with pytest.raises(ValueError, match=message):
            model.predict(np.ones((len(ids), 1)), tasks=ids)


def test_missing_ids():
    pandas = pytest.importorskip("pandas")
    for dtype in ("Int64", "string", "category", object):
        column = pandas.Series([3 if dtype == "Int64" else "a", pandas.NA], dtype=dtype)
        X = pandas.DataFrame({"task": column, "x": [1.0, 2.0]})
        for ids in (X["task"], X["task"].to_numpy(), X["task"].array):
            with pytest.raises(ValueError, match=r"`tasks` holds no task id.* in row 1"):
                check_task_ids(ids)
        with pytest.raises(ValueError, match=r"column 'task' holds no task id.* in row 1"):
            split_task_column(X, "task")


@pytest.mark.parametrize("kind", ["array", "csr", "pandas", "polars"])
def test_a_table_of_ids_only(kind):
    ids = np.array([[0.0], [1.0], [1.0]])
    X = sparse.csr_array(ids) if kind == "csr" else ids
    if kind in ("pandas", "polars"):
        X = pytest.importorskip(kind).DataFrame({"task": ids[:, 0]})
    with pytest.raises(ValueError, match="X has no feature besides the task column"):
        MultiTaskRidge(task_column=0).fit(X, [1.0, 2.0, 3.0])
    assert_array_equal(read_task_column(X, 0), [0, 1, 1])


def test_longer_strings_in_predict_are_not_cut():
    assert_array_equal(match(np.array(["ab"]), np.array(["a", "b"])), [-1])


@pytest.mark.parametrize("codes", [[0, 0, 1, 2, 2], [2, 0, 1, 0, 2], [0, 0], []], ids=str)
def test_group_rows(codes):
    codes, n_groups = np.array(codes, dtype=int), 4
    groups = group_rows(codes, n_groups)
    assert len(groups) == n_groups
    for group, rows in enumerate(groups):
        assert_array_equal(np.arange(len(codes))[rows], np.flatnonzero(codes == group))
    if np.all(np.diff(codes) >= 0):
        assert all(isinstance(rows, slice) for rows in groups)
