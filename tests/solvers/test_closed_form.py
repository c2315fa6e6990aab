import tracemalloc

import numpy as np
import pytest
from helpers import SPARSE, make_case
from numpy.testing import assert_allclose
from scipy import sparse

from skmtl.design import Design
from skmtl.solvers import closed_form
from skmtl.solvers.closed_form import RidgePath, decompose_squares, few_columns, ridge_coef
from skmtl.task_data import make_task_data

SHAPES = [{"n": 12, "p": 4}, {"n": 6, "p": 15}]


def dense_and_design(shape, *, fit_intercept=True, kind=None, free=()):
    case = make_case("outputs", "rows", seed=1, **shape)
    X = case.X * (np.random.RandomState(0).uniform(size=case.X.shape) < 0.6)
    table = X if kind is None else SPARSE[kind](X)
    (block,) = make_task_data(table, case.y, sample_weight=case.fit["sample_weight"]).blocks()
    mask = np.isin(np.arange(X.shape[1]), free)
    return (
        X,
        case.y,
        case.fit["sample_weight"],
        Design(block, fit_intercept=fit_intercept, free=mask),
    )


@pytest.mark.parametrize("shape", SHAPES, ids=["n > p", "p > n"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("kind", [None, "csr_array", "csc_matrix"])
@pytest.mark.parametrize("free", [(), (0, 2)], ids=["none free", "two free"])
def test_design_is_the_projected_table(shape, fit_intercept, kind, free):
    X, Y, v, design = dense_and_design(shape, fit_intercept=fit_intercept, kind=kind, free=free)
    root = np.sqrt(v)[:, None]
    basis = X[:, list(free)] * root
    basis = np.hstack([basis, root]) if fit_intercept else basis
    remove = np.eye(len(X)) - basis @ np.linalg.pinv(basis)
    kept = np.delete(np.arange(X.shape[1]), list(free))
    expected = remove @ (X[:, kept] * root)
    rng = np.random.RandomState(1)
    W, R = rng.normal(size=(len(kept), 3)), rng.normal(size=(len(X), 3))
    assert_allclose(design.matmul(W), expected @ W, atol=1e-10)
    assert_allclose(design.rmatmul(R), expected.T @ R, atol=1e-10)
    assert_allclose(design.Y, remove @ (Y * root), atol=1e-10)
    assert_allclose(design.cross(), expected.T @ (Y * root), atol=1e-10)
    assert_allclose(design.gram(), expected.T @ expected, atol=1e-10)
    rows = np.array([0, 1])
    assert_allclose(design.gram(rows), expected[:, rows].T @ expected[:, rows], atol=1e-10)
    assert_allclose(design.kernel(), expected @ expected.T, atol=1e-10)
    coef, intercept = design.complete(W)
    fitted = (X @ coef + intercept) * root
    best = basis @ np.linalg.pinv(basis) @ (Y * root) + expected @ W
    assert_allclose(fitted, best, atol=1e-9)
    design.forget_rows()
    assert_allclose(design.complete(W)[0], coef)


@pytest.mark.parametrize("shape", SHAPES, ids=["n > p", "p > n"])
@pytest.mark.parametrize("kind", [None, "csr_array"])
def test_path_is_the_single_solves(shape, kind):
    *_, design = dense_and_design(shape, kind=kind)
    path = RidgePath(design)
    for alphas in (np.full(3, 0.5), np.array([0.01, 1.0, 100.0])):
        gram = design.gram()
        expected = np.column_stack(
            [
                np.linalg.solve(gram + alpha * np.eye(len(gram)), cross)
                for alpha, cross in zip(alphas, design.cross().T, strict=True)
            ]
        )
        assert_allclose(path.coef(alphas), expected, rtol=1e-7, atol=1e-9)
        assert_allclose(ridge_coef(design, alphas), expected, rtol=1e-7, atol=1e-9)


def test_rows_in_chunks(monkeypatch):
    *_, design = dense_and_design({"n": 23, "p": 4}, kind="csr_array")
    alphas = np.array([0.1, 10.0])
    whole = RidgePath(design).leave_one_out(alphas)
    monkeypatch.setattr(closed_form, "ROW_CHUNK", 5)
    assert_allclose(RidgePath(design).leave_one_out(alphas), whole, rtol=1e-10)


def design_of(X, Y, *, fit_intercept=True, weights=None):
    (block,) = make_task_data(X, Y, sample_weight=weights).blocks()
    return Design(block, fit_intercept=fit_intercept, free=np.zeros(X.shape[1], dtype=bool))


def peculiar(kind, n, p, rng):
    X = rng.normal(size=(n, p))
    if kind == "unlike scales":
        X *= 10.0 ** rng.uniform(-2, 0, size=p)
    elif kind == "constant column":
        X[:, 1] = 3.0
    elif kind == "twin columns":
        X[:, 1] = X[:, 0]
    elif kind == "twin rows":
        X[1:3] = X[0]
    elif kind == "far from 0":
        X += 1e4
    elif kind == "a row of its own":
        X[:, 0], X[0, 0] = 0.0, 1.0
    elif kind == "all constant":
        X[:] = 2.0
    return X


PECULIAR = ["plain", "unlike scales", "constant column", "twin columns", "twin rows", "far from 0"]
PECULIAR += ["a row of its own", "all constant"]


def leave_one_out_by_brute_force(X, Y, v, alpha, fit_intercept):
    errors = np.zeros(Y.shape[1])
    for i in range(len(X)):
        kept = np.arange(len(X)) != i
        root = np.sqrt(v[kept])[:, None]
        x_mean = v[kept] @ X[kept] / v[kept].sum() if fit_intercept else np.zeros(X.shape[1])
        y_mean = v[kept] @ Y[kept] / v[kept].sum() if fit_intercept else np.zeros(Y.shape[1])
        stacked = np.vstack([root * (X[kept] - x_mean), np.sqrt(alpha) * np.eye(X.shape[1])])
        targets = np.vstack([root * (Y[kept] - y_mean), np.zeros((X.shape[1], Y.shape[1]))])
        W = np.linalg.lstsq(stacked, targets, rcond=None)[0]
        errors += v[i] * (Y[i] - y_mean - (X[i] - x_mean) @ W) ** 2
    return errors


@pytest.mark.parametrize("kind", PECULIAR)
@pytest.mark.parametrize("shape", [(30, 6), (9, 25), (12, 12)], ids=str)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("scale", [1.0, 1e-8, 1e8])
def test_many_penalties_and_tasks_in_peculiar_tables(kind, shape, fit_intercept, scale):
    rng = np.random.RandomState(0)
    X, Y = peculiar(kind, *shape, rng), rng.normal(size=(shape[0], 150))
    v = rng.uniform(0.5, 2.0, size=shape[0])
    path = RidgePath(design_of(X * scale, Y, fit_intercept=fit_intercept, weights=v))
    alphas = np.logspace(-3, 6, 60)
    errors = path.leave_one_out(alphas * scale**2)
    for k in (0, 20, 40, 59):
        expected = leave_one_out_by_brute_force(X, Y, v, alphas[k], fit_intercept)
        assert_allclose(errors[k], expected, rtol=1e-8)
        alone = path.leave_rows_out(alphas[k] * scale**2, slice(0, 5))
        assert_allclose(alone.sum(axis=0), expected[:5], rtol=1e-8)


@pytest.mark.parametrize("kind", PECULIAR)
@pytest.mark.parametrize("shape", [(40, 7), (8, 30)], ids=str)
def test_squares_are_as_good_as_the_singular_values(monkeypatch, kind, shape):
    rng = np.random.RandomState(1)
    X, Y = peculiar(kind, *shape, rng), rng.normal(size=(shape[0], 3))
    design = design_of(X, Y)
    alphas = np.logspace(-6, 4, 8)
    by_squares = RidgePath(design)
    monkeypatch.setattr(closed_form, "decompose_squares", lambda *args, **options: None)
    by_values = RidgePath(design)
    assert_allclose(by_squares.leave_one_out(alphas), by_values.leave_one_out(alphas), rtol=1e-8)
    for alpha in alphas:
        expected = by_values.coef(alpha)
        atol = 1e-9 * np.abs(expected).max()
        assert_allclose(by_squares.coef(alpha), expected, rtol=0, atol=atol)


@pytest.mark.parametrize("shape", [(40, 7), (8, 30)], ids=str)
@pytest.mark.parametrize("smallest", [1e-4, 1e-7, 1e-12])
def test_ill_conditioned_tables_are_not_squared(shape, smallest):
    rng = np.random.RandomState(2)
    left, _, right = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
    X = left * np.geomspace(1.0, smallest, min(shape)) @ right
    design = design_of(X, rng.normal(size=(shape[0], 2)), fit_intercept=False)
    assert decompose_squares(design, least=closed_form.WELL_CONDITIONED) is None
    alpha = smallest**2
    stacked = np.vstack([X, np.sqrt(alpha) * np.eye(shape[1])])
    targets = np.vstack([design.Y, np.zeros((shape[1], 2))])
    best = np.linalg.lstsq(stacked, targets, rcond=1e-16)[0]
    assert_allclose(X @ RidgePath(design).coef(alpha), X @ best, atol=1e-14 / smallest)


def test_values_beyond_the_range_of_squares_are_not_squared():
    X = np.random.RandomState(3).normal(size=(20, 3)) * 1e160
    with np.errstate(over="ignore"):
        assert decompose_squares(design_of(X, np.ones((20, 1))), least=1e-6) is None


@pytest.mark.parametrize("n_alphas", [5, 60, 300])
def test_few_columns_span_all_filters(n_alphas):
    squared, alphas = np.geomspace(1e-4, 1e4, 200), np.logspace(-8, 12, n_alphas)
    filters = alphas / (squared[:, None] + alphas)
    basis, mixing = few_columns(filters, 10**6)
    found = basis if mixing is None else basis @ mixing
    largest = filters.max(axis=0)
    assert_allclose(found / largest, filters / largest, rtol=0, atol=1e-12)
    assert basis.shape[1] <= min(n_alphas, 80)
    assert few_columns(filters, 1)[1] is None
    for nothing in (np.zeros((200, n_alphas)), np.zeros((0, n_alphas))):
        assert not few_columns(nothing, 10**6)[0].any()


def test_tasks_in_blocks(monkeypatch):
    rng = np.random.RandomState(4)
    X, Y = rng.normal(size=(50, 30)), rng.normal(size=(50, 70))
    path, alphas = RidgePath(design_of(X, Y)), np.logspace(-2, 4, 40)
    whole = path.leave_one_out(alphas)
    monkeypatch.setattr(closed_form, "BLOCK_ENTRIES", 1)
    assert_allclose(path.leave_one_out(alphas), whole, rtol=1e-11)


def test_memory_does_not_grow_with_penalties_times_tasks():
    rng = np.random.RandomState(5)
    X, Y = rng.normal(size=(150, 60)), rng.normal(size=(150, 1000))
    design, alphas = design_of(X, Y), np.logspace(-3, 4, 100)
    tracemalloc.start()
    try:
        RidgePath(design).leave_one_out(alphas)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < Y.nbytes * len(alphas) / 4


@pytest.mark.parametrize("shape", SHAPES, ids=["n > p", "p > n"])
@pytest.mark.parametrize("kind", [None, "csr_array", "csc_matrix"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_held_out_errors_are_those_of_the_models(shape, kind, fit_intercept):
    *_, design = dense_and_design(shape, kind=kind, fit_intercept=fit_intercept)
    path, rng, alphas = RidgePath(design), np.random.RandomState(6), np.array([0.1, 1.0, 50.0])
    X, Y = rng.normal(size=(9, shape["p"])), rng.normal(size=(9, 3))
    table = X if kind is None else SPARSE[kind](X)
    for weights in (rng.uniform(size=(9, 1)), rng.uniform(size=(9, 3))):
        found = path.held_out_errors(alphas, table, Y, weights)
        for k, alpha in enumerate(alphas):
            coef, intercept = design.complete(path.coef(alpha))
            expected = np.sum(weights * (Y - X @ coef - intercept) ** 2, axis=0)
            assert_allclose(found[k], expected, rtol=1e-9)


def test_large_sparse_tables_are_solved_iteratively(monkeypatch):
    *_, design = dense_and_design({"n": 23, "p": 8}, kind="csr_array")
    direct = ridge_coef(design, np.array([0.1, 1.0, 10.0]))
    monkeypatch.setattr(closed_form, "LARGEST_DENSE", 2)
    iterative = ridge_coef(design, np.array([0.1, 1.0, 10.0]))
    assert_allclose(iterative, direct, rtol=1e-7, atol=1e-9)


def test_no_rows_and_no_features():
    X, Y = np.ones((3, 0)), np.ones((3, 2))
    (block,) = make_task_data(X, Y).blocks()
    design = Design(block, fit_intercept=True, free=np.zeros(0, dtype=bool))
    assert ridge_coef(design, np.ones(2)).shape == (0, 2)
    data = make_task_data(np.ones((2, 3)), np.ones(2), ids=np.array([0, 1]), sample_weight=[1, 0])
    empty = list(data.blocks())[1]
    design = Design(empty, fit_intercept=True, free=np.zeros(3, dtype=bool))
    assert_allclose(ridge_coef(design, np.ones(1)), 0.0)
    assert not sparse.issparse(design.X)
