"""Duality gaps are bounds, everywhere and for every penalty; all shapes of data are solved."""

import numpy as np
import pytest
from helpers import make_case, squared_loss
from numpy.testing import assert_allclose
from penalty_oracle import COMPOSED, CONVEX, optimum, squared
from scipy import sparse

from skmtl import fitting
from skmtl.penalties import (
    L1,
    L21,
    Common,
    Decomposed,
    Fusion,
    Graph,
    L1Inf,
    Nuclear,
    SpectralBox,
    SquaredL2,
    SquaredNuclear,
    TaskL21,
    TotalVariation,
)
from skmtl.quadratic import Gram, MaskedRows, Rows
from skmtl.solvers import resolvent, splitting
from skmtl.solvers.resolvent import ConjugateGradients, GramResolvent, KernelResolvent
from skmtl.structured_problem import StructuredProblem
from skmtl.task_data import make_task_data

PENALTIES = {f"{name} {k}": p for name, row in CONVEX.items() for k, p in enumerate(row)} | COMPOSED
every_penalty = pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)
FEW = {
    "nuclear": Nuclear(0.3),
    "dirty": Decomposed(L21(0.3), L1(0.2)),
    "outliers": Decomposed(Common(), TaskL21(0.2)),
    "fusion": Fusion("complete", 0.1) + L1(0.05),
    "graph": Graph("chain", 0.4) + SquaredL2(0.1),
    "differences": TotalVariation(0.2),
    "relations": SquaredNuclear(0.2),
}
every_of_few = pytest.mark.parametrize("penalty", FEW.values(), ids=FEW)
# Sums whose dual norm is only bounded, by subgradients that must be those of the penalty itself.
BOUNDED = ["fused sparse group", "groups, rows, entries", "rows and columns", "nuclear and entries"]
PATHS = FEW | {name: COMPOSED[name] for name in BOUNDED}
every_path = pytest.mark.parametrize("penalty", PATHS.values(), ids=PATHS)


def data_of(case):
    given = {"ids": case.fit.get("tasks"), "sample_weight": case.fit.get("sample_weight")}
    return make_task_data(case.X, case.y, **given)


def pose(data, penalty, **options):
    return StructuredProblem(data, penalty, labels=data.labels, **options)


def solved(problem, tol=1e-10, max_iter=1000, start=None):
    solution = splitting.solve(problem, tol=tol, max_iter=max_iter, start=start)
    assert solution.converged, solution.gap
    return solution


def objective(problem, parts):
    """Written from the quadratic, without the code of the certificate."""
    W, quadratic = parts.sum(axis=0), problem.quadratic
    smooth = 0.5 * np.sum(W * quadratic.product(W)) - np.sum(quadratic.cross * W)
    return smooth + quadratic.energy + problem.structure.value(parts)


# --- certificates -----------------------------------------------------------------------------


@every_penalty
def test_every_iterate_has_a_true_bound(penalty):
    problem = pose(data_of(make_case("vector", "rows")), penalty)
    best = objective(problem, solved(problem, tol=1e-11).coef)
    energy = problem.quadratic.energy
    problem.memory.pop("state", None)
    steps = splitting.SplittingSteps(problem, None)
    for number in range(30):
        parts, primal, dual = problem.certificate(*steps.point())
        assert dual <= best + 1e-9 * energy
        if np.isfinite(primal):
            assert_allclose(primal, objective(problem, parts), rtol=1e-9, atol=1e-9 * energy)
            assert primal >= best - 1e-9 * energy
        steps.iterate()
        if number == 15:
            steps.adapt()


@every_penalty
def test_random_points_have_true_bounds(penalty):
    """Also with subgradients that belong to other points."""
    problem = pose(data_of(make_case("vector", "rows")), penalty)
    solution = solved(problem, tol=1e-11)
    best, energy = objective(problem, solution.coef), problem.quadratic.energy
    rng = np.random.RandomState(0)
    known = problem.memory["state"]["Ys"], problem.memory["state"]["V"]
    for scale in (0.0, 1e-3, 0.1, 1.0, 10.0):
        parts = solution.coef + scale * rng.normal(size=problem.shape)
        for certificate in ((), known):
            _, primal, dual = problem.certificate(parts, *certificate)
            assert dual <= best + 1e-9 * energy
            assert primal >= best - 1e-9 * energy


@every_penalty
def test_the_optimum_is_that_of_an_interior_point_method(penalty):
    pytest.importorskip("cvxpy", reason="the oracle is cvxpy")
    case = make_case("vector", "rows", seed=1)
    fitted = fitting.fit(data_of(case), penalty, tol=1e-10, max_iter=1000)
    assert fitted.converged
    parts = fitted.coef if fitted.parts is None else fitting.full_start(fitted)
    ours = squared_loss(case, fitted.coef.T, fitted.intercept) + penalty.value(parts)
    assert_allclose(ours, optimum(case, penalty, squared), rtol=1e-6)
    assert_allclose(fitted.coef, fitted.coef if fitted.parts is None else parts.sum(axis=0))


@every_of_few
@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_few_rounds_leave_a_valid_certificate(penalty, rounds):
    problem = pose(data_of(make_case("vector", "rows", noise=2.0)), penalty)
    best = objective(problem, solved(problem, tol=1e-12).coef)
    problem.memory.pop("state", None)
    few = splitting.solve(problem, tol=0.0, max_iter=rounds)
    assert few.n_iter <= rounds
    excess = (objective(problem, few.coef) - best) / problem.quadratic.energy
    assert -1e-10 <= excess <= few.gap + 1e-10
    assert few.converged == (few.gap <= 1e-14)


@pytest.mark.parametrize("specific", [TaskL21(0.2), L1(0.1), SquaredL2(0.3), Nuclear(0.2)], ids=str)
def test_a_free_common_model_is_at_its_optimum(specific):
    problem = pose(data_of(make_case("vector", "rows")), Decomposed(Common(), specific))
    parts = solved(problem).coef
    slope = problem.quadratic.cross - problem.quadratic.product(parts.sum(axis=0))
    assert np.abs(slope.sum(axis=1)).max() <= 1e-10 * np.abs(problem.quadratic.cross).max()
    assert np.ptp(parts[0], axis=1).max() == 0


@pytest.mark.parametrize("penalty", [Fusion("complete", 50.0), TotalVariation(50.0)], ids=str)
def test_large_differences_pool(penalty):
    """The pooled least squares with an intercept per task."""
    case = make_case("vector", "rows")
    fitted = fitting.fit(data_of(case), penalty, tol=1e-12, max_iter=1000)
    X = np.vstack([X - v @ X / v.sum() for X, _, v in case.tasks])
    y = np.concatenate([y - v @ y / v.sum() for _, y, v in case.tasks])
    root = np.sqrt(np.concatenate([v for _, _, v in case.tasks]))
    w = np.linalg.lstsq(X * root[:, None], y * root, rcond=None)[0]
    assert_allclose(fitted.coef, np.repeat(w[:, None], 3, axis=1), atol=1e-7)


def test_free_features():
    pytest.importorskip("cvxpy", reason="the oracle is cvxpy")
    case = make_case("vector", "rows")
    factor = [0.0, 1.0, 1.0, 0.0, 2.0]
    for penalty in (
        L1Inf(0.1, factor=factor) + L1(0.2, factor=factor),
        L1(0.1, factor=factor) + TotalVariation(0.1) + L21(0.2, factor=factor),
        L1(0.1, factor=factor) + Fusion("chain", 0.1),
        L21(0.1, factor=factor) + Fusion("complete", 0.3),
        L1(0.1, factor=factor) + Graph("chain", 0.1),
        Decomposed(Common(L1(0.1, factor=factor)), TaskL21(0.2)),
        Decomposed(L21(0.3, factor=factor), Nuclear(0.2)),
        Decomposed(Nuclear(0.2), Decomposed(L1(0.3, factor=factor), TaskL21(0.2))),
    ):
        fitted = fitting.fit(data_of(case), penalty, tol=1e-10, max_iter=300)
        assert fitted.converged
        parts = fitted.coef if fitted.parts is None else fitting.full_start(fitted)
        ours = squared_loss(case, fitted.coef.T, fitted.intercept) + penalty.value(parts)
        assert_allclose(ours, optimum(case, penalty, squared), rtol=1e-6)
        if fitted.parts is not None:
            assert_allclose(parts.sum(axis=0), fitted.coef)


# --- paths ------------------------------------------------------------------------------------


@every_path
def test_a_path_reaches_the_same_optima(penalty):
    data = data_of(make_case("vector", "rows"))
    problem = pose(data, penalty)
    for factor in (50.0, 3.0, 1.0, 0.3, 0.1, 1.0):
        problem = problem.with_penalty(penalty.scaled(factor))
        along = objective(problem, solved(problem).coef)
        fresh = pose(data, penalty.scaled(factor))
        assert_allclose(along, objective(fresh, solved(fresh).coef), rtol=1e-8)


def test_a_path_over_other_penalties_and_features():
    data = data_of(make_case("vector", "rows"))
    problem = pose(data, Nuclear(0.3))
    for penalty in (
        Decomposed(Nuclear(0.3), L1(0.1)),
        Fusion("chain", 0.1),
        Fusion("complete", 0.1),
        Decomposed(L21(0.1, factor=[0, 1, 1, 1, 1]), Nuclear(0.2)),
        Nuclear(0.1) + L1(0.1),
        SpectralBox(1, 0.2),
    ):
        problem = problem.with_penalty(penalty)
        fresh = pose(data, penalty)
        along = objective(problem, solved(problem).coef)
        assert_allclose(along, objective(fresh, solved(fresh).coef), rtol=1e-8)


@every_path
def test_a_start_does_not_change_the_optimum(penalty):
    problem = pose(data_of(make_case("vector", "rows")), penalty)
    best = objective(problem, solved(problem).coef)
    rng = np.random.RandomState(0)
    for scale in (0.0, 1.0, 100.0):
        start = scale * rng.normal(size=problem.shape)
        assert_allclose(objective(problem, solved(problem, start=start).coef), best, rtol=1e-8)


# --- shapes of data ----------------------------------------------------------------------------


def stacked(rng, sizes, p, density=1.0):
    X = rng.normal(size=(sum(sizes), p)) * (rng.uniform(size=(sum(sizes), p)) < density)
    ids = np.repeat(np.arange(len(sizes)), sizes)
    w = rng.normal(size=p) * (np.arange(p) < 4)
    y = X @ w + 0.5 * rng.normal(size=len(ids)) + ids
    return X, y, ids


def dense_objective(X, y, ids, penalty):
    """The optimum from Gram matrices of the dense rows."""
    data = make_task_data(X, y, ids=ids)
    centred = np.array([X[ids == t] - X[ids == t].mean(axis=0) for t in data.labels], dtype=object)
    targets = [y[ids == t] - y[ids == t].mean() for t in data.labels]
    n_bar = len(y) / len(data.labels)
    grams = np.array([np.asarray(Z, float).T @ np.asarray(Z, float) for Z in centred]) / n_bar
    cross = np.array([np.asarray(Z, float).T @ t for Z, t in zip(centred, targets, strict=True)])
    energy = 0.5 * sum(t @ t for t in targets) / n_bar
    quadratic = Gram(grams, cross.T / n_bar, energy, [np.array([t]) for t in range(len(grams))])
    on_columns = penalty.for_columns(data.labels, np.arange(len(grams)))
    problem = StructuredProblem.of_quadratic(quadratic, on_columns)
    return objective(problem, solved(problem).coef)


@every_of_few
@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("small", [False, True], ids=["kernels", "conjugate gradients"])
def test_wide_tables(penalty, kind, small, monkeypatch):
    X, y, ids = stacked(np.random.RandomState(0), (9, 7, 8), 40, density=0.5)
    expected = dense_objective(X, y, ids, penalty)
    monkeypatch.setattr("skmtl.problem.GRAM_ENTRIES", 0)
    monkeypatch.setattr("skmtl.problem._gram_pays", lambda *a: False)
    table = sparse.csr_array(X) if kind == "sparse" else X
    problem = pose(make_task_data(table, y, ids=ids), penalty)
    assert isinstance(problem.quadratic, Rows)
    if small:
        monkeypatch.setattr(resolvent, "LARGEST_SIDE", 2)
        monkeypatch.setattr(resolvent, "GRAM_ENTRIES", 0)
        if any(
            unit.operator is not None for part in problem.structure.parts for unit in part.units
        ):
            with pytest.raises(ValueError, match="reduce the features first"):
                solved(problem)
            return
    solution = solved(problem)
    made = ConjugateGradients if small else KernelResolvent
    assert isinstance(problem.resolvent(), made)
    assert_allclose(objective(problem, solution.coef), expected, rtol=1e-8)


@every_of_few
@pytest.mark.parametrize("small", [False, True], ids=["Gram", "conjugate gradients"])
def test_missing_outputs(penalty, small, monkeypatch):
    rng = np.random.RandomState(1)
    X = rng.normal(size=(15, 20))
    Y = X[:, :3] @ rng.normal(size=(3, 3)) + 0.3 * rng.normal(size=(15, 3))
    Y[rng.uniform(size=Y.shape) < 0.3] = np.nan
    seen = ~np.isnan(Y)
    rows, tasks = np.nonzero(seen)
    expected = dense_objective(X[rows], Y[seen], tasks, penalty)
    monkeypatch.setattr("skmtl.problem.GRAM_ENTRIES", 0)
    problem = pose(make_task_data(X, Y), penalty)
    assert isinstance(problem.quadratic, MaskedRows)
    if small:
        monkeypatch.setattr(resolvent, "GRAM_ENTRIES", 0)
        if any(
            unit.operator is not None for part in problem.structure.parts for unit in part.units
        ):
            return
    solution = solved(problem)
    made = ConjugateGradients if small else GramResolvent
    assert isinstance(problem.resolvent(), made)
    assert_allclose(objective(problem, solution.coef), expected, rtol=1e-8)


@every_of_few
def test_shared_rows_are_own_rows(penalty):
    rng = np.random.RandomState(2)
    X, Y = rng.normal(size=(12, 5)), rng.normal(size=(12, 3))
    ids = np.repeat(np.arange(3), 12)
    problem = pose(make_task_data(X, Y), penalty)
    own = pose(make_task_data(np.tile(X, (3, 1)), Y.T.ravel(), ids=ids), penalty)
    ours, theirs = (objective(p, solved(p).coef) for p in (problem, own))
    assert_allclose(ours, theirs, rtol=1e-8)


@every_of_few
def test_one_task_and_tasks_of_one_row(penalty):
    rng = np.random.RandomState(3)
    for sizes in ((20,), (12, 1, 9, 1)):
        X, y, ids = stacked(rng, sizes, 4)
        problem = pose(make_task_data(X, y, ids=ids), penalty)
        solution = solved(problem)
        assert np.isfinite(solution.coef).all()
        assert objective(problem, solution.coef) <= problem.quadratic.energy * (1 + 1e-12)


@every_of_few
def test_constant_targets(penalty):
    X, _, ids = stacked(np.random.RandomState(4), (6, 5), 3)
    solution = solved(pose(make_task_data(X, 2.0 + ids, ids=ids), penalty))
    assert_allclose(solution.coef, 0.0, atol=1e-12)
    assert solution.gap == 0


@every_of_few
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_scales_of_features(penalty, fit_intercept):
    """Some orders of magnitude are solved; with a dozen the certificate says what is left."""
    X, y, ids = stacked(np.random.RandomState(5), (20, 15, 18), 5)
    options = {"fit_intercept": fit_intercept}
    problem = pose(make_task_data(X * np.logspace(-1, 1, 5), y, ids=ids), penalty, **options)
    assert splitting.solve(problem, tol=1e-6, max_iter=300).converged
    problem = pose(make_task_data(X * np.logspace(-6, 6, 5), y, ids=ids), penalty, **options)
    solution = splitting.solve(problem, tol=1e-6, max_iter=20)
    assert np.isfinite(solution.coef).all()
    assert solution.converged == (solution.gap <= 1e-6)
    assert objective(problem, solution.coef) <= problem.quadratic.energy * (1 + 1e-9)


ZERO = {name: row[0].scaled(0.0) for name, row in CONVEX.items() if name != "Common"}
ZERO |= {
    "a zero part": Decomposed(L1(0.1), Nuclear(0.0)),
    "zeros": Nuclear(0.0) + L1(0.0),
    "free common and zero": Decomposed(Common(), TaskL21(0.0)),
}


@pytest.mark.parametrize("penalty", ZERO.values(), ids=ZERO)
def test_no_penalty_is_least_squares(penalty):
    case = make_case("vector", "rows")
    fitted = fitting.fit(data_of(case), penalty, tol=1e-10, max_iter=100)
    assert fitted.converged
    for (X, y, v), w, b in zip(case.tasks, fitted.coef.T, fitted.intercept, strict=True):
        rest = v * (y - X @ w - b)
        assert_allclose(X.T @ rest, 0.0, atol=1e-8)
        assert_allclose(rest.sum(), 0.0, atol=1e-8)


@pytest.mark.parametrize("inner", [L1(0.0), SquaredL2(0.0), L21(0.0) + L1(0.0)], ids=str)
def test_a_common_model_with_a_penalty_of_zero_is_free(inner):
    data = data_of(make_case("vector", "rows"))
    values = []
    for common in (Common(), Common(inner)):
        problem = pose(data, Decomposed(common, TaskL21(0.2)))
        values.append(objective(problem, solved(problem).coef))
    assert_allclose(values[1], values[0], rtol=1e-9)


def test_a_free_common_model_of_too_many_features(monkeypatch):
    monkeypatch.setattr("skmtl.structured_problem.LARGEST_SIDE", 3)
    problem = pose(data_of(make_case("vector")), Decomposed(Common(), L1(0.1)))
    with pytest.raises(ValueError, match="too many features"):
        splitting.solve(problem, tol=1e-6, max_iter=10)
