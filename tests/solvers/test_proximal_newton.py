"""Proximal Newton on problems of every loss: any penalty, both layouts, certificates."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from skmtl.free_directions import FreeDirections, least_norm
from skmtl.loss_layout import Part
from skmtl.loss_problem import LossProblem
from skmtl.losses import HuberLoss, LogisticLoss, MultinomialLoss, PoissonLoss, SquaredLoss
from skmtl.penalties import L1, L21, SquaredL2
from skmtl.solvers import proximal_newton
from skmtl.solvers.coupled_newton import CoupledSystem, conjugate_gradients
from skmtl.task_data import make_task_data

PENALTIES = {
    "rows": L21(0.03),
    "entries": L1(0.02),
    "sparse group": L21(0.02) + L1(0.01),
    "elastic net": L21(0.02) + SquaredL2(0.05),
    "ridge": SquaredL2(0.05),
    "positive": L21(0.02, positive=True),
    "positive entries": L1(0.02, positive=True) + SquaredL2(0.01),
    "partly free": L21(0.03, factor=[1.0, 0.0, 2.0, 0.0, 1.0, 1.0]),
}
KINDS = ["own", "shared", "own multinomial", "shared multinomial", "mixed"]


def make_problem(kind, penalty, *, n=40, p=6, seed=0, wrap=np.asarray, **options):
    """Four tasks with 2, 3 or both numbers of labels."""
    rng = np.random.RandomState(seed)
    counts = {"multinomial": [3, 3, 3, 3], "mixed": [2, 3, 2, 4]}.get(kind.split()[-1], [2] * 4)
    shared = kind.startswith("shared")
    X = rng.normal(size=(n if shared else 4 * n, p))
    codes = None if shared else rng.permutation(np.repeat(np.arange(4), n))
    scores = X[:, :3] @ rng.normal(size=(3, 16)) + rng.gumbel(size=(len(X), 16))
    y = np.column_stack([scores[:, 4 * t : 4 * t + c].argmax(axis=1) for t, c in enumerate(counts)])
    y = y.astype(float) if shared else y[np.arange(len(X)), codes].astype(float)
    weights = rng.uniform(0.5, 2.0, size=len(X))
    data = make_task_data(wrap(X), y, ids=codes, sample_weight=weights)
    parts = []
    for count in np.unique(counts):
        tasks = np.flatnonzero(np.array(counts) == count)
        loss = LogisticLoss() if count == 2 else MultinomialLoss()
        parts.append(Part(loss, tasks, np.tile(np.arange(count), (len(tasks), 1))))
    return LossProblem(data, penalty, parts, **options)


def solve(problem, tol=1e-10, **options):
    return proximal_newton.solve(problem, tol=tol, **{"max_iter": 100, **options})


def value(problem, W):
    return problem.value(problem.start(W))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_certified_and_not_to_be_improved(kind, name, fit_intercept):
    problem = make_problem(kind, PENALTIES[name], fit_intercept=fit_intercept)
    solution = solve(problem)
    assert solution.converged
    assert solution.gap <= 1e-10
    assert solution.n_iter <= 25
    best = value(problem, solution.coef)
    rng = np.random.RandomState(1)
    for size in (1e-3, 1e-1):
        for _ in range(10):
            other = solution.coef + size * rng.normal(size=problem.shape)
            if "positive" in name:
                other = np.maximum(other, 0.0)
            assert value(problem, other) >= best * (1 - 1e-9)
    if "positive" in name:
        assert np.all(solution.coef >= 0)


@pytest.mark.parametrize("kind", KINDS)
def test_sparse_is_dense(kind):
    dense = make_problem(kind, PENALTIES["rows"])
    thin = make_problem(kind, PENALTIES["rows"], wrap=sparse.csr_matrix)
    assert_allclose(solve(thin).coef, solve(dense).coef, atol=1e-6)
    ours, theirs = (problem.complete(solve(problem).coef) for problem in (thin, dense))
    assert_allclose(ours[1], theirs[1], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_null_dual_norm(kind):
    problem = make_problem(kind, L21(1.0))
    largest = problem.null_dual_norm()
    at, below = (problem.with_penalty(L21(share * largest)) for share in (1.0 + 1e-9, 0.99))
    assert solve(at).n_iter == 1
    assert not solve(at).coef.any()
    assert solve(below).coef.any()
    assert make_problem(kind, SquaredL2(1.0)).null_dual_norm() == np.inf


@pytest.mark.parametrize("kind", ["own", "shared multinomial"])
def test_working_sets(kind):
    problem = make_problem(kind, L21(0.1), p=500)
    solution = solve(problem)
    assert solution.converged
    used = solution.coef.any(axis=1)
    assert 0 < used.sum() < 100
    point = problem.start(solution.coef)
    norms = L21(0.1).row_dual_norms(problem.correlation(point))
    assert np.all(norms <= 1 + 1e-4)
    assert_allclose(norms[used], 1.0, atol=1e-4)


@pytest.mark.parametrize("kind", ["own", "mixed"])
def test_path_with_warm_starts(kind):
    problem = make_problem(kind, L21(1.0))
    start = None
    for share in (0.5, 0.2, 0.1):
        alpha = share * problem.null_dual_norm()
        here = problem.with_penalty(L21(alpha))
        solution = solve(here, start=start)
        assert_allclose(solution.coef, solve(here).coef, atol=1e-5)
        coef, _ = here.complete(solution.coef)
        start = here.kept_start(coef)
        assert solve(here, start=start).n_iter == 1
    assert problem.kept_start(coef[:2]) is None
    assert problem.kept_start(None) is None


def test_kept_rows_and_free_features():
    problem = make_problem("mixed", PENALTIES["partly free"])
    assert problem.shape == (4, 2 + 3 + 4)
    coef, intercept = problem.complete(solve(problem).coef)
    assert coef.shape == (6, 9)
    assert coef[[1, 3]].all()
    assert_allclose(problem.kept_start(coef), coef[[0, 2, 4, 5]])
    # Softmax scores of a task stay the same under a common change: sums are zero.
    tasks, _ = problem.layout.column_tasks()
    for task in (1, 3):
        assert_allclose(intercept[tasks == task].sum(), 0.0, atol=1e-9)
        assert_allclose(coef[:, tasks == task].sum(axis=1), 0.0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("far", [0.0, 30.0, 300.0])
def test_free_directions_from_far_away(kind, far):
    problem = make_problem(kind, PENALTIES["partly free"])
    fitted = [
        far * np.sign(np.sin(1.0 + np.arange(y.size).reshape(y.shape))) for y in problem.layout.y
    ]
    design = problem.design(problem.free)
    free = FreeDirections(problem.layout, design, problem.null_objective * problem.n_bar)
    _, fitted, settled = free.settle(fitted)
    slopes = [v * part.loss.gradient(y, z) for part, y, v, z in problem.layout.cells(fitted)]
    if settled.all():
        left = problem.layout.adjoint(design, slopes)
        assert_allclose(left / problem.n_bar, 0.0, atol=1e-7)
    else:
        assert far == 300.0


def regression_problem(loss, penalty, *, shared=False, outliers=0.0, **options):
    """Four tasks with numbers or counts under one loss."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(40 if shared else 160, 6))
    codes = None if shared else np.repeat(np.arange(4), 40)
    z = X[:, :3] @ rng.normal(size=(3, 4)) + rng.standard_t(2, size=(len(X), 4))
    Y = rng.poisson(np.exp(np.clip(z, -5, 5))) if isinstance(loss, PoissonLoss) else z
    Y = Y + outliers * (np.arange(len(Y)) % 9 == 0)[:, None]
    y = Y.astype(float) if shared else Y[np.arange(len(X)), codes].astype(float)
    data = make_task_data(X, y, ids=codes, sample_weight=rng.uniform(0.5, 2.0, size=len(X)))
    return LossProblem(data, penalty, [Part(loss, np.arange(4))], **options)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("loss", [SquaredLoss(), HuberLoss(0.8), PoissonLoss()])
@pytest.mark.parametrize("name", PENALTIES)
def test_regression_losses(loss, name, shared):
    problem = regression_problem(loss, PENALTIES[name], shared=shared)
    solution = solve(problem)
    assert solution.converged
    assert solution.n_iter <= 25
    best, rng = value(problem, solution.coef), np.random.RandomState(1)
    for _ in range(10):
        other = solution.coef + 1e-2 * rng.normal(size=problem.shape)
        other = np.maximum(other, 0.0) if "positive" in name else other
        assert value(problem, other) >= best * (1 - 1e-9)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("loss", [SquaredLoss(), HuberLoss(0.8), HuberLoss(1e-4), PoissonLoss()])
@pytest.mark.parametrize("far", [0.0, 30.0])
def test_free_directions_of_regression_losses(loss, shared, far):
    """Searching lines where curvatures vanish, no shortening where they are constant."""
    problem = regression_problem(loss, PENALTIES["partly free"], shared=shared)
    fitted = [far * np.sign(np.sin(1.0 + np.arange(y.size)))[:, None] for y in problem.layout.y]
    design = problem.design(problem.free)
    free = FreeDirections(problem.layout, design, problem.null_objective * problem.n_bar)
    change, reached, settled = free.settle(fitted)
    assert settled.all()
    assert_allclose(reached[0], fitted[0] + problem.layout.apply(design, change)[0], atol=1e-7)
    slopes = [v * p.loss.gradient(y, z) for p, y, v, z in problem.layout.cells(reached)]
    assert_allclose(problem.layout.adjoint(design, slopes) / problem.n_bar, 0.0, atol=1e-7)


def test_a_certificate_that_lags_behind_is_met_by_newton_steps():
    """Far outliers: the value has settled long before the residual is exactly feasible."""
    problem = regression_problem(HuberLoss(1.0), L21(0.02) + L1(0.02), outliers=1e6)
    assert problem.null_objective > 1e4
    assert solve(problem, tol=1e-11).converged


def test_least_norm():
    rng = np.random.RandomState(0)
    root = rng.normal(size=(5, 4, 2))
    matrices = root @ root.transpose(0, 2, 1)
    right = np.einsum("tij,tj->ti", matrices, rng.normal(size=(5, 4)))
    solved = least_norm(matrices, right)
    assert_allclose(np.einsum("tij,tj->ti", matrices, solved), right, atol=1e-10)
    assert_allclose(least_norm(np.zeros((2, 1, 1)), np.ones((2, 1))), 0.0)


@pytest.mark.parametrize("name", ["rows", "sparse group", "elastic net"])
def test_coupled_newton_system(name):
    """Products are those of the Hessian by finite differences; the solver inverts them."""
    problem = make_problem("mixed", PENALTIES[name])
    point = problem.start(solve(problem, tol=1e-3).coef)
    support = np.flatnonzero(point.coef.any(axis=1))
    X = problem.design(support)
    system = CoupledSystem(problem, point, support, X, 0.0)
    V = np.random.RandomState(0).normal(size=(len(support) + 1, problem.shape[1]))
    V *= 1.0 if system.active is None else system.active

    def gradient(step):
        coef = point.coef.copy()
        coef[support] += step * V[1:]
        moves = problem.layout.apply(X, step * V)
        fitted = [z + move for z, move in zip(point.fitted, moves, strict=True)]
        slopes = [v * p.loss.gradient(y, z) for p, y, v, z in problem.layout.cells(fitted)]
        out = problem.layout.adjoint(X, slopes) / problem.n_bar
        out[1:] += problem.ridge[support] * coef[support]
        out[1:] += problem.gauge.restrict(support).slope(coef[support])
        return out if system.active is None else out * system.active

    expected = (gradient(1e-5) - gradient(-1e-5)) / 2e-5
    assert_allclose(system.product(V), expected, atol=1e-6)
    right = system.product(V)
    solved = conjugate_gradients(system, right, 1e-9)
    assert_allclose(system.product(solved), right, atol=1e-6)


def test_perfect_constant_predictions():
    data = make_task_data(np.ones((4, 2)), np.zeros(4))
    problem = LossProblem(data, L21(0.1), [])
    assert problem.null_dual_norm() == 0.0
    solution = solve(problem)
    assert solution.coef.shape == (2, 0)
    assert solution.gap == 0.0
