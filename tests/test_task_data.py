"""Blocks cover every observed target once, whatever the layout."""

import numpy as np
import pytest
from helpers import LAYOUTS, make_case
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skmtl.task_data import check_weights, make_task_data, resolve_task_weight


def read(case, **given):
    X, ids = case.X, case.fit.get("tasks")
    if "task_column" in case.init:
        ids = (X[:, [0]].toarray() if sparse.issparse(X) else X[:, 0]).ravel().astype(int)
        X = X[:, 1:]
    if sparse.issparse(X) and X.format not in ("csr", "csc"):
        X = X.tocsr()
    return make_task_data(X, case.y, ids=ids, sample_weight=case.fit.get("sample_weight"), **given)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weights", [None, "rows", "cells"])
def test_blocks_are_the_tasks(layout, weights):
    case = make_case(layout, weights)
    data = read(case)
    assert (data.n_tasks, data.n_features) == (case.n_tasks, case.n_features)
    seen = np.zeros(case.n_tasks, dtype=int)
    for block in data.blocks():
        for k, task in enumerate(block.tasks):
            X, y, v = case.tasks[task]
            dense = block.X.toarray() if sparse.issparse(block.X) else block.X
            assert_array_equal(dense, X)
            assert_array_equal(block.Y[:, k], y)
            assert_allclose(block.weights, v)
            assert_array_equal(~block.absent, case.present[task])
            seen[task] += 1
    assert_array_equal(seen, 1)
    assert_allclose(data.task_sizes(), [v.sum() for _, _, v in case.tasks])
    assert_allclose(data.mean_task_weight, case.n_bar)


def test_outputs_with_equal_weights_are_one_block():
    assert len(list(read(make_case("outputs")).blocks())) == 1
    assert len(list(read(make_case("outputs", "rows")).blocks())) == 1
    assert len(list(read(make_case("outputs", "cells")).blocks())) == 3
    Y = np.ones((4, 4))
    Y[0, [1, 3]] = np.nan
    data = make_task_data(np.ones((4, 2)), Y)
    assert [block.tasks.tolist() for block in data.blocks()] == [[0, 2], [1, 3]]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_subset(layout):
    data = read(make_case(layout, "rows"))
    rows = np.array([7, 2, 5, 11, 0])
    part = data.subset(rows)
    assert part.n_tasks == data.n_tasks
    assert_array_equal(part.y, data.y[rows])
    assert_array_equal(part.weights, data.weights[rows])
    merged = (
        part.task_sizes() + data.subset(np.setdiff1d(np.arange(len(data.y)), rows)).task_sizes()
    )
    assert_allclose(merged, data.task_sizes())


def test_sorted_rows_are_not_copied():
    X = np.arange(12.0).reshape(6, 2)
    data = make_task_data(X, np.ones(6), ids=np.array([0, 0, 1, 1, 1, 2]))
    assert all(np.shares_memory(block.X, X) for block in data.blocks())


def test_inputs_are_not_changed():
    X, Y = np.full((4, 2), 3.0), np.array([[1.0, np.nan], [2.0, 3.0], [np.nan, 1.0], [0.0, 5.0]])
    before, weights = Y.copy(), np.ones(4)
    make_task_data(X, Y, sample_weight=weights, task_weight="balanced")
    assert_array_equal(Y, before)
    assert_array_equal(weights, 1.0)


def test_balanced_weights_make_tasks_equal():
    data = read(make_case("column", "rows"), task_weight="balanced")
    sizes = data.task_sizes()
    assert_allclose(sizes, sizes.mean())
    assert_allclose(sizes.sum(), read(make_case("column", "rows")).task_sizes().sum())


def test_n_bar_does_not_depend_on_task_weights_or_empty_tasks():
    case = make_case("column")
    for task_weight in ([3.0, 3.0, 3.0], "balanced", {0: 5.0}):
        assert_allclose(read(case, task_weight=task_weight).mean_task_weight, case.n_bar)
    zero = read(case, task_weight=[1.0, 0.0, 1.0])
    assert_allclose(zero.mean_task_weight, np.mean([len(case.tasks[t][1]) for t in (0, 2)]))


def test_task_weights():
    labels, sizes = np.array(["a", "b"]), np.array([1.0, 3.0])
    assert_array_equal(resolve_task_weight(None, labels, sizes), [1, 1])
    assert_array_equal(resolve_task_weight("balanced", labels, sizes), [2, 2 / 3])
    assert_array_equal(resolve_task_weight({"b": 4}, labels, sizes), [1, 4])
    assert_array_equal(resolve_task_weight((5, 6), labels, sizes), [5, 6])
    balanced = resolve_task_weight("balanced", labels, np.array([0.0, 3.0]))
    assert_array_equal(balanced, [1, 1])


def test_weights():
    assert_array_equal(check_weights(None, (3,), False), np.ones(3))
    assert_array_equal(check_weights(2, (3,), False), np.full(3, 2.0))
    assert check_weights(np.ones((3, 2)), (3, 2), True).shape == (3, 2)
    assert check_weights(np.ones(3), (3, 2), True).shape == (3,)
    for wrong in (np.ones((3, 2)), np.ones(2), [1, -1, 1], [1, np.inf, 1]):
        with pytest.raises(ValueError, match="sample_weight"):
            check_weights(wrong, (3,), False)


def test_errors():
    X, y = np.ones((4, 2)), np.ones(4)
    with pytest.raises(ValueError, match="zero for every observed row"):
        make_task_data(X, y, sample_weight=np.zeros(4))
    Y = np.array([[1.0, np.nan], [np.nan, 1.0]] * 2)
    with pytest.raises(ValueError, match="zero for every observed row"):
        make_task_data(X, Y, sample_weight=np.isnan(Y).astype(float))
    with pytest.raises(ValueError, match="task 1 has no observed target"):
        make_task_data(X, np.column_stack([y, np.full(4, np.nan)]))
    with pytest.raises(ValueError, match="a sparse X an absent feature"):
        make_task_data(sparse.csr_array(np.array([[np.nan]])), np.ones(1))


@pytest.mark.parametrize("shared", [True, False])
def test_rows_without_weight_do_not_count_for_absent_features(shared):
    X = np.array([[1.0, np.nan], [2.0, np.nan], [3.0, 4.0], [5.0, 6.0]])
    weights = np.array([1.0, 1.0, 0.0, 0.0])
    if shared:
        data = make_task_data(X, np.ones((4, 2)), sample_weight=weights)
        expected = [[False, True]] * 2
    else:
        weights[3] = 1.0
        ids = np.array([0, 0, 0, 1])
        data = make_task_data(X, np.ones(4), ids=ids, sample_weight=weights)
        expected = [[False, True], [False, False]]
    assert_array_equal(data.absent_features(), expected)
    for block in data.blocks():
        assert np.isfinite(block.X).all()


def test_outputs_with_absent_features_in_their_own_rows():
    """A feature may be absent from the rows in which a task is observed."""
    X = np.array([[1.0, np.nan], [2.0, np.nan], [3.0, 4.0], [5.0, 6.0]])
    Y = np.array([[1.0, np.nan], [1.0, np.nan], [np.nan, 1.0], [np.nan, 2.0]])
    data = make_task_data(X, Y)
    assert_array_equal(data.absent_features(), [[False, True], [False, False]])


def test_squared_errors():
    case = make_case("outputs_nan", "cells")
    coef, intercept = np.random.RandomState(0).normal(size=(5, 3)), np.array([1.0, 2.0, 3.0])
    data = read(case)
    errors = data.squared_errors(coef, intercept)
    expected = [
        v @ (y - X @ coef[:, t] - intercept[t]) ** 2 for t, (X, y, v) in enumerate(case.tasks)
    ]
    assert_allclose(errors.sum(axis=0), expected)
