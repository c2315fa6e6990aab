"""Objective, gradient and duality gap of a Problem against their definitions."""

import numpy as np
import pytest
from helpers import LAYOUTS, make_case, norm_value, null_objective, objective, squared_loss
from numpy.testing import assert_allclose
from scipy import sparse

from skmtl.penalties import L1, L21, SquaredL2
from skmtl.problem import Problem
from skmtl.quadratic import Gram, MaskedRows, Rows
from skmtl.solvers import solve
from skmtl.task_data import make_task_data

FACTOR = [1.0, 0.0, 0.3, 2.0, 1.0]
PARTS = {
    "L21": [("L21", 0.2, None)],
    "sparse group": [("L21", 0.1, None), ("L1", 0.1, None)],
    "elastic net": [("L21", 0.1, None), ("SquaredL2", 0.2, None)],
    "free feature": [("L21", 0.2, FACTOR)],
    "ridge only on one": [("L21", 0.2, FACTOR), ("SquaredL2", 0.3, None)],
    "ridge": [("SquaredL2", 0.3, None)],
}


def written(parts):
    kinds = {"L21": L21, "L1": L1, "SquaredL2": SquaredL2}
    penalties = [kinds[kind](alpha, factor=factor) for kind, alpha, factor in parts]
    return sum(penalties[1:], penalties[0])


def read(case):
    X, ids = case.X, case.fit.get("tasks")
    if "task_column" in case.init:
        ids = (X[:, [0]].toarray() if sparse.issparse(X) else X[:, 0]).ravel().astype(int)
        X = X[:, 1:]
    return make_task_data(X, case.y, ids=ids, sample_weight=case.fit.get("sample_weight"))


@pytest.fixture(params=["Gram", "Rows"])
def kind(request, monkeypatch):
    """Both ways to keep the quadratic; many features force the rows."""
    if request.param == "Rows":
        monkeypatch.setattr("skmtl.problem.GRAM_ENTRIES", -1)
    return {"Gram": Gram, "Rows": Rows}[request.param]


def shape(kind):
    return {"n": 4, "p": 60} if kind is Rows else {}


def parts_for(parts, p):
    """Factors filled up with ones."""
    return [
        (name, alpha, None if factor is None else np.r_[factor, np.ones(p - 5)])
        for name, alpha, factor in parts
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("name", PARTS)
def test_quadratic_is_the_loss_with_free_directions_at_their_best(
    layout, name, fit_intercept, kind
):
    case = make_case(layout, "rows", **shape(kind))
    parts = parts_for(PARTS[name], case.n_features)
    problem = Problem(read(case), written(parts), fit_intercept=fit_intercept)
    masked = layout == "outputs_nan" and name != "free feature"
    assert isinstance(problem.quadratic, MaskedRows if masked and kind is Rows else kind)
    rng = np.random.RandomState(0)
    quadratic = problem.quadratic
    assert_allclose(
        quadratic.energy, null_objective(case, parts, fit_intercept=fit_intercept), rtol=1e-8
    )
    for scale in (0.0, 0.5, 3.0):
        W = scale * rng.normal(size=problem.shape)
        product = quadratic.product(W)
        smooth = np.sum(W * (0.5 * product - quadratic.cross)) + quadratic.energy
        coef, intercept = problem.complete(W)
        assert_allclose(smooth, squared_loss(case, coef.T, intercept), rtol=1e-8)
        penalised = smooth + written(parts).value(coef)
        assert_allclose(objective(problem, coef, intercept), penalised, rtol=1e-8)
        if not fit_intercept:
            assert np.all(intercept == 0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradient_is_the_derivative(layout, kind):
    case = make_case(layout, "rows", **shape(kind))
    problem = Problem(read(case), L21(0.2))
    rng = np.random.RandomState(1)
    W, D = rng.normal(size=problem.shape), rng.normal(size=problem.shape)
    gradient = problem.quadratic.product(W) - problem.quadratic.cross

    def smooth(W):
        coef, intercept = problem.complete(W)
        return squared_loss(case, coef.T, intercept)

    h = 1e-6
    difference = (smooth(W + h * D) - smooth(W - h * D)) / (2 * h)
    assert_allclose(np.sum(gradient * D), difference, rtol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", PARTS)
def test_gap_bounds_the_distance_to_the_optimum(layout, name, kind):
    case = make_case(layout, "rows", **shape(kind))
    parts = parts_for(PARTS[name], case.n_features)
    problem = Problem(read(case), written(parts))
    best = solve(problem, tol=1e-12, max_iter=1000)
    assert best.gap <= 1e-11

    def objective(W):
        coef, intercept = problem.complete(W)
        return squared_loss(case, coef.T, intercept) + norm_value(coef.T, parts)

    optimum, null = objective(best.coef), problem.quadratic.energy
    rng = np.random.RandomState(2)
    for scale in (0.0, 1e-6, 1e-3, 0.1, 1.0, 10.0):
        for base in (best.coef, np.zeros(problem.shape)):
            W = base + scale * rng.normal(size=problem.shape)
            gap = problem.gap(W, problem.quadratic.product(W))
            assert objective(W) - optimum <= gap * null * (1 + 1e-9) + 1e-9 * null
            assert gap >= 0


@pytest.mark.parametrize("layout", ["column", "outputs", "csr_matrix"])
def test_restrict_is_the_quadratic_of_some_features(layout, kind):
    case = make_case(layout, "rows", **shape(kind))
    problem = Problem(read(case), L21(0.2))
    rows = np.array([0, 2, 3])
    part = problem.quadratic.restrict(rows)
    W = np.zeros(problem.shape)
    W[rows] = np.random.RandomState(3).normal(size=(3, 3))
    whole = problem.quadratic.product(W)
    assert_allclose(part.product(W[rows]), whole[rows], rtol=1e-9, atol=1e-10)
    assert_allclose(part.cross, problem.quadratic.cross[rows])
    assert len(part.per_task()) == 3
    for t in range(3):
        assert_allclose(part.per_task()[t] @ W[rows, t], whole[rows, t], rtol=1e-9, atol=1e-10)
    diagonal = [np.diag(gram) for gram in part.per_task()]
    assert_allclose(part.diagonal(), np.max(diagonal, axis=0))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["L21", "sparse group", "free feature"])
def test_null_dual_norm_is_where_zero_becomes_optimal(layout, name):
    case, parts = make_case(layout, "rows"), PARTS[name]
    largest = Problem(read(case), written(parts)).null_dual_norm()
    for factor, zero in [(1.0001, True), (0.999, False)]:
        scaled = [(kind, alpha * largest * factor, f) for kind, alpha, f in parts]
        solution = solve(Problem(read(case), written(scaled)), tol=1e-10, max_iter=1000)
        assert np.all(solution.coef == 0) == zero
    at_zero = Problem(read(case), written(parts))
    norms = at_zero.violations(np.zeros(at_zero.shape), np.zeros(at_zero.shape))
    assert_allclose(norms.max(), largest)


def test_ridges_have_no_largest_alpha():
    assert Problem(read(make_case()), SquaredL2(1.0)).null_dual_norm() == np.inf


def test_free_features_are_not_in_the_problem():
    problem = Problem(read(make_case()), L21(0.2, factor=FACTOR))
    assert problem.shape == (4, 3)
    coef, _ = problem.complete(np.zeros((4, 3)))
    assert coef.shape == (5, 3)
    assert np.all(coef[1] != 0)
    assert Problem(read(make_case()), L21(0.0)).shape == (0, 3)


def test_start():
    problem = Problem(read(make_case()), L21(0.2, factor=FACTOR))
    coef = np.arange(15.0).reshape(5, 3)
    assert_allclose(problem.kept_start(coef), coef[[0, 2, 3, 4]])
    assert problem.kept_start(None) is None
    assert problem.kept_start(np.ones((4, 3))) is None


def test_no_signal_has_no_gap():
    data = make_task_data(np.random.RandomState(0).normal(size=(6, 2)), np.full(6, 3.0))
    problem = Problem(data, L21(0.1))
    assert problem.gap(np.zeros((2, 1)), np.zeros((2, 1))) <= 1e-12


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, sparse.csc_matrix])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_masked_rows_are_the_same_quadratic(container, fit_intercept):
    rng = np.random.RandomState(0)
    X, Y = rng.normal(size=(50, 8)) + 3.0, rng.normal(size=(50, 4))
    Y[rng.rand(50, 4) < 0.3] = np.nan
    data = make_task_data(container(X), Y, sample_weight=rng.rand(50, 4))
    problem = Problem(data, L21(0.1), fit_intercept=fit_intercept)
    gram, rows = problem.quadratic, MaskedRows(data, data.mean_task_weight, fit_intercept)
    assert isinstance(gram, Gram)
    W, part = rng.normal(size=(8, 4)), np.array([0, 3, 4])
    for ours, theirs in ((rows, gram), (rows.restrict(part), gram.restrict(part))):
        V = W[: len(ours.cross)]
        assert_allclose(ours.product(V), theirs.product(V), atol=1e-12)
        assert_allclose(ours.cross, theirs.cross, atol=1e-12)
        assert_allclose(ours.diagonal(), theirs.diagonal())
    assert_allclose(rows.energy, gram.energy)
    for ours, theirs in zip(rows.complete(W), problem.complete(W), strict=True):
        assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("factor", [None, FACTOR])
def test_another_penalty_on_the_same_data(factor):
    data = read(make_case("column"))
    fresh = Problem(data, L21(0.05, factor=factor))
    other = Problem(data, L21(0.3)).with_penalty(fresh.full_penalty)
    assert_allclose(other.quadratic.cross, fresh.quadratic.cross)
    W = np.ones(fresh.shape)
    assert other.gap(W, other.quadratic.product(W)) == fresh.gap(W, fresh.quadratic.product(W))
