import numpy as np
import pytest
from helpers import SPARSE, make_case
from numpy.testing import assert_allclose
from scipy import sparse

from skmtl.design import Design
from skmtl.solvers import closed_form
from skmtl.solvers.closed_form import RidgePath, ridge_coef
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
