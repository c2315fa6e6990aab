"""Frames are read, filled and extended alike, whatever their library and the names of columns."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skmtl import MultiTaskRidge, frames


@pytest.fixture(params=["pandas", "polars"])
def library(request):
    return pytest.importorskip(request.param)


@pytest.fixture
def pandas():
    return pytest.importorskip("pandas")


# --- missing entries --------------------------------------------------------------------------


def test_missing_entries_of_arrays(pandas):
    values = np.array([None, np.nan, pandas.NA, pandas.NaT, "nan", 0, ""], dtype=object)
    assert_array_equal(frames.is_missing(values), [True] * 4 + [False] * 3)
    assert_array_equal(
        frames.is_missing(np.array([["a"], [None]], dtype=object)), [[False], [True]]
    )
    assert_array_equal(frames.is_missing(np.array([1.0, np.nan, np.inf])), [False, True, False])
    assert_array_equal(frames.is_missing(np.array(["2020", "NaT"], dtype="M8[D]")), [False, True])
    for values in (np.array(["nan"]), np.array([b"nan"]), np.array([3]), np.array([True])):
        assert_array_equal(frames.is_missing(values), [False])


# --- filling and appending --------------------------------------------------------------------


def test_filling_leaves_the_frame_and_other_columns_alone(library):
    X = library.DataFrame({"a": [1.0, None], "b": [None, 2], "c": ["u", None]})
    mask = frames.missing_entries(X)
    means = frames.column_means(X, mask)
    filled = frames.fill_entries(X, mask, means)
    assert type(filled) is type(X)
    assert list(filled.columns) == ["a", "b", "c"]
    assert_array_equal(filled[["a", "b"]].to_numpy(), [[1.0, 2.0], [1.0, 2.0]])
    assert frames.missing_entries(filled)[:, 2].tolist() == [False, True]
    assert_array_equal(frames.missing_entries(X), mask)


def test_means_of_objects():
    X = np.array([[1, "1", True], [2.5, "2", None], [None, None, None]], dtype=object)
    means = frames.column_means(X, frames.is_missing(X))
    assert_array_equal(means, [1.75, np.nan, 1.0])


def test_filling_a_column_without_any_value(library):
    X = library.DataFrame({"a": [None, None], "b": [1.0, 2.0]})
    filled = frames.fill_entries(X, frames.missing_entries(X), np.array([0.0, 0.0]))
    assert_array_equal(filled.to_numpy(), [[0.0, 1.0], [0.0, 2.0]])


@pytest.mark.parametrize("names", [[1, 2], [5, 0], ["a", 2], ["same", "same"]], ids=str)
def test_filling_by_position_whatever_the_names(pandas, names):
    X = pandas.DataFrame([[1.0, np.nan], [3.0, 4.0]], columns=names, index=[7, 7])
    filled = frames.fill_entries(X, frames.missing_entries(X), np.array([9.0, 8.0]))
    assert filled.columns.tolist() == names
    assert filled.index.tolist() == [7, 7]
    assert_array_equal(filled.to_numpy(), [[1.0, 8.0], [3.0, 4.0]])


def test_appended_columns(library):
    X = library.DataFrame({"a": [1.0, 2.0]})
    wide = frames.append_columns(X, ["u", "v"], np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert list(wide.columns) == ["a", "u", "v"]
    assert_array_equal(wide.to_numpy(), [[1, 1, 0], [2, 0, 1]])
    assert list(X.columns) == ["a"]


def test_appended_columns_of_integer_names(pandas):
    X = pandas.DataFrame(np.ones((2, 2)), columns=[4, 1], index=["r", "s"])
    wide = frames.append_columns(X, ["u", "v"], np.zeros((2, 2)))
    assert wide.columns.tolist() == [4, 1, 5, 6]
    assert wide.index.tolist() == ["r", "s"]


# --- numbers ----------------------------------------------------------------------------------


def test_text_where_a_number_is_needed(library):
    X = library.DataFrame({"task": [0, 0, 1], "x": [1.0, 2.0, 3.0], "hue": ["1", None, "red"]})
    message = "X holds 'red' in row 2, feature 'hue', where a number is needed: encode it first"
    with pytest.raises(ValueError, match=message):
        frames.as_numbers(X)
    with pytest.raises(ValueError, match=message):
        MultiTaskRidge(task_column="task").fit(X, [1.0, 2.0, 3.0])
    fine = X[:2]
    assert frames.as_numbers(fine) is fine


def test_categories_where_a_number_is_needed(library):
    kind = "category" if library.__name__ == "pandas" else library.Categorical
    hues = library.Series(["red", "blue"], dtype=kind)
    with pytest.raises(ValueError, match="X holds 'red' in row 0, feature 'hue'"):
        frames.as_numbers(library.DataFrame({"hue": hues}))


def test_text_in_an_array():
    X = np.array([[1.0, None], [2.0, "red"]], dtype=object)
    with pytest.raises(ValueError, match="X holds 'red' in row 1, feature 1, where a number"):
        frames.as_numbers(X)
    assert_array_equal(frames.as_numbers(X[:1]), [[1.0, np.nan]])
    with pytest.raises(ValueError, match="X holds 'red' in row 1, feature"):
        frames.as_numbers(X[:, 1])


def test_columns_of_numbers_pass(pandas):
    columns = {
        "int": pandas.Series([1, None], dtype="Int64"),
        "float": pandas.Series([1.0, None], dtype="Float64"),
        "bool": pandas.Series([True, None], dtype="boolean"),
        "digits": pandas.Series(["1", None], dtype="string"),
        "codes": pandas.Series([3, 4], dtype="category"),
    }
    X = pandas.DataFrame(columns)
    assert frames.as_numbers(X) is X
