"""Sums per task against their definitions, and differences of sums against direct ones."""

import numpy as np
import pytest
from helpers import LAYOUTS, make_case
from numpy.testing import assert_allclose
from scipy import sparse
from test_problem import read

from skmtl.model_selection import TaskKFold
from skmtl.penalties import L21
from skmtl.problem import Problem
from skmtl.solvers import solve
from skmtl.statistics import FoldSums, HeldOut
from skmtl.task_data import make_task_data

SUMS = ("weight", "x", "xx", "y", "yy", "xy")


def fold(data, number=0):
    return list(TaskKFold(3).split(np.empty((data.X.shape[0], 1)), groups=data.codes))[number]


def assert_same_problem(ours, theirs, rtol=1e-9):
    scale = np.abs(theirs.quadratic.gram).max()
    assert_allclose(ours.quadratic.gram, theirs.quadratic.gram, rtol=rtol, atol=rtol * scale)
    assert_allclose(ours.quadratic.cross, theirs.quadratic.cross, rtol=rtol, atol=rtol)
    assert_allclose(ours.quadratic.energy, theirs.quadratic.energy, rtol=rtol)
    assert ours.n_bar == pytest.approx(theirs.n_bar, rel=1e-12)
    W = np.random.RandomState(0).normal(size=theirs.shape)
    for a, b in zip(ours.complete(W), theirs.complete(W), strict=True):
        assert_allclose(a, b, rtol=rtol, atol=rtol * np.abs(b).max())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weights", [None, "rows"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_problems_of_sums_are_those_of_rows(layout, weights, fit_intercept):
    data = read(make_case(layout, weights))
    sums = FoldSums(data, fit_intercept)
    options = {"fit_intercept": fit_intercept}
    train, test = fold(data)
    training, held_out = sums.of_fold(train, test)
    for ours, rows in [(sums.whole, None), (training, train), (held_out, test)]:
        expected = data if rows is None else data.subset(rows)
        from_sums = Problem(ours, L21(0.1), **options)
        from_rows = Problem(expected, L21(0.1), **options)
        if from_rows.quadratic.n_blocks == from_sums.quadratic.n_blocks:
            assert_same_problem(from_sums, from_rows)
        solved = [solve(p, tol=1e-12, max_iter=1000).coef for p in (from_sums, from_rows)]
        assert_allclose(*solved, atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_difference_is_what_the_rows_say(layout):
    data = read(make_case(layout, "rows"))
    sums = FoldSums(data, True)
    train, test = fold(data, 1)
    difference, direct = sums.of_fold(train, test)[0], sums.of_rows(train)
    for name in SUMS:
        whole = np.abs(getattr(sums.whole, name)).max()
        ours, theirs = getattr(difference, name), getattr(direct, name)
        assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13 * whole)


@pytest.mark.parametrize("layout", ["column", "outputs", "outputs_nan"])
def test_far_from_zero(layout):
    data = read(make_case(layout, "rows"))
    train, test = fold(data)
    near = FoldSums(data, True).of_fold(train, test)[0]
    y = data.y + 1e6
    if layout == "outputs_nan":
        y[data.weights == 0] = 0.0
    moved = type(data)(data.X + 1e6, y, data.weights, data.codes, data.labels, data.task_weight)
    far = FoldSums(moved, True).of_fold(train, test)[0]
    ours, theirs = (Problem(s, L21(0.1)).quadratic for s in (far, near))
    assert_allclose(ours.gram, theirs.gram, rtol=1e-7, atol=1e-8)
    assert_allclose(ours.cross, theirs.cross, rtol=1e-7, atol=1e-8)
    assert_allclose(ours.energy, theirs.energy, rtol=1e-8)


@pytest.mark.parametrize("in_y", [False, True])
def test_lost_digits_are_read_again(in_y):
    """One held-out row is 1e8 times all others: nothing is left of the difference."""
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(12, 2)), rng.normal(size=12)
    (y if in_y else X[:, 1])[0] = 1e8
    data = make_task_data(X, y)
    sums = FoldSums(data, True)
    train, test = np.arange(4, 12), np.arange(4)
    assert not (sums.whole - sums.of_rows(test)).keeps_digits(sums.whole)
    ours = Problem(sums.of_fold(train, test)[0], L21(0.1))
    theirs = Problem(data.subset(train), L21(0.1))
    assert_allclose(ours.quadratic.cross, theirs.quadratic.cross, rtol=1e-6)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_constants_are_zero(container):
    """Weights and numbers without a finite binary form leave rounding errors of a constant."""
    rng = np.random.RandomState(3)
    X, Y = rng.normal(size=(30, 3)), rng.normal(size=(30, 2))
    X[:, 1], Y[:, 0] = 1e6 / 3, 0.1
    data = make_task_data(container(X), Y, sample_weight=rng.rand(30))
    problem = Problem(FoldSums(data, True).whole, L21(0.1))
    assert np.all(problem.quadratic.gram[0][1] == 0)
    assert np.all(problem.quadratic.gram[0][:, 1] == 0)
    assert np.all(problem.quadratic.cross[1] == 0)
    assert np.all(problem.quadratic.cross[:, 0] == 0)
    assert np.all(problem.quadratic.cross[[0, 2], 1] != 0)


def test_folds_that_are_no_complements():
    data = read(make_case("column", "rows"))
    sums = FoldSums(data, True)
    train, test = np.r_[5:40, 5:10], np.arange(8)  # twice the same rows, and some in both
    training, held_out = sums.of_fold(train, test)
    for ours, rows in [(training, train), (held_out, test)]:
        assert_same_problem(
            Problem(ours, L21(0.1)),
            Problem(data.subset(rows), L21(0.1)),
        )


def test_free_features_need_rows():
    data = read(make_case("column"))
    with pytest.raises(ValueError, match="need the rows"):
        Problem(FoldSums(data, True).whole, L21(0.1, factor=[0, 1, 1, 1, 1]))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("by", ["sums", "rows"])
def test_held_out_errors(layout, by):
    case = make_case(layout, "rows")
    data = read(case)
    train, test = fold(data)
    sums = FoldSums(data, True).of_fold(train, test)[1] if by == "sums" else None
    rng = np.random.RandomState(1)
    coef, intercept = rng.normal(size=(4, 5, 3)), rng.normal(size=(4, 3))
    coef[1] = 0.0
    held_out = HeldOut(data.subset(test), sums)
    part = data.subset(test)
    expected = [part.squared_errors(w, b).sum() for w, b in zip(coef, intercept, strict=True)]
    expected = np.array(expected) / part.task_sizes().sum()
    assert_allclose(held_out.errors(coef, intercept), expected, rtol=1e-10)


def test_tiny_errors_are_those_of_the_rows():
    rng = np.random.RandomState(2)
    X, coef = rng.normal(size=(30, 4)), rng.normal(size=(4, 2))
    data = make_task_data(X, X @ coef + 3.0)
    sums = FoldSums(data, True).of_rows(np.arange(10))
    held_out = HeldOut(data.subset(np.arange(10)), sums)
    off = np.array([[3.0 + 1e-9, 3.0]])
    assert_allclose(held_out.errors(coef[None], off), 0.5e-18, rtol=1e-4)
    assert sums.squared_errors(coef[None], off)[0] == pytest.approx(0.0, abs=1e-12)
