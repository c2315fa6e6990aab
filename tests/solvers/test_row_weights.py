"""Newton on the row weights: its forms against the definitions, and against each other."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skmtl.design import in_single_precision
from skmtl.quadratic import Gram
from skmtl.solvers.row_forms import GramForm, KernelForm, KernelsForm, StackForm, _inverses
from skmtl.solvers.row_weights import bounded_step, conjugate_gradients, gap_at, minimise

RIDGES = [np.zeros(6), np.array([0.3, 0.0, 1.0, 0.1, 0.0, 2.0])]


def make(n=5, p=6, n_tasks=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, p)), rng.normal(size=(n, n_tasks))


def kernel_form(X, Y, ridge):
    return KernelForm(X, Y, ridge, in_single_precision(X, np.linalg.norm(X, axis=0)))


def all_forms(X, Y, ridge):
    """The same problem in every form; in the last one with a Gram matrix per task."""
    gram, cross, energy = X.T @ X, X.T @ Y, 0.5 * np.sum(Y**2)
    stack = np.repeat(gram[None], Y.shape[1], axis=0)
    quadratic = Gram(stack, cross, energy, [np.array([t]) for t in range(Y.shape[1])])
    return [
        GramForm(gram, cross, energy, ridge),
        kernel_form(X, Y, ridge),
        StackForm(stack, quadratic, ridge),
        KernelsForm([(X, Y[:, [t]], np.array([t])) for t in range(Y.shape[1])], ridge),
    ]


def with_ridge_rows(X, Y, ridge):
    """The rows that a ridge stands for."""
    rows, targets = np.diag(np.sqrt(ridge)), np.zeros((len(ridge), Y.shape[1]))
    return np.vstack([X, rows]), np.vstack([Y, targets])


@pytest.mark.parametrize("ridge", RIDGES)
@pytest.mark.parametrize("kind", [0, 1, 2, 3])
def test_value_and_correlations(kind, ridge):
    X, Y = make()
    d, lam = np.array([0.5, 0.0, 2.0, 1e-7, 0.0, 0.3]), np.linspace(0.5, 1.0, 6)
    form = all_forms(X, Y, ridge)[kind]
    state = form.evaluate(d, lam)
    tall, targets = with_ridge_rows(X, Y, ridge)
    R = np.linalg.solve(np.eye(len(tall)) + tall * d @ tall.T, targets)
    assert_allclose(state.value, 0.5 * np.sum(targets * R) + 0.5 * lam**2 @ d)
    assert_allclose(form.correlations(state, rough=False), tall.T @ R, atol=1e-12)
    assert_allclose(form.correlations(state, rough=True), tall.T @ R, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("free", [np.arange(6), np.array([0, 1, 3, 5])])
@pytest.mark.parametrize("ridge", RIDGES)
@pytest.mark.parametrize("kind", [0, 1, 2, 3])
def test_hessian(kind, ridge, free):
    X, Y = make()
    d = np.array([0.5, 0.0, 2.0, 1e-7, 0.0, 0.3])
    form = all_forms(X, Y, ridge)[kind]
    state = form.evaluate(d, np.ones(6))
    Z = form.correlations(state, rough=False)[free]
    tall, _ = with_ridge_rows(X, Y, ridge)
    K = np.eye(len(tall)) + tall * d @ tall.T
    wanted = (tall.T @ np.linalg.solve(K, tall))[np.ix_(free, free)]
    units = Z / np.linalg.norm(Z, axis=1)[:, None]
    wanted = wanted * (units @ units.T)
    for rough, tol in ((False, 1e-9), (True, 1e-4)):
        product, diagonal, scale = form.hessian(state, free, units, rough=rough)
        H = np.column_stack([product(column) for column in np.eye(len(free), dtype=diagonal.dtype)])
        assert_allclose(np.diag(H), diagonal, rtol=tol)
        assert_allclose(scale[:, None] * H * scale, wanted, atol=tol * np.abs(wanted).max())


@pytest.mark.parametrize("n_tasks", [2, 40])
def test_implicit_hessian_is_the_explicit_one(n_tasks):
    X, Y = make(n=20, p=60, n_tasks=n_tasks)
    form, free = kernel_form(X, Y, np.zeros(60)), np.arange(60)
    state = form.evaluate(np.linspace(0, 1, 60), np.ones(60))
    Z = form.correlations(state, rough=False)
    v = np.linspace(-1, 1, 60)
    K = np.eye(20) + X * state.d @ X.T
    wanted = (X.T @ np.linalg.solve(K, X)) * (Z @ Z.T) @ v
    for rough, rtol in ((False, 1e-9), (True, 1e-4)):
        product, _, scale = form.hessian(state, free, Z, rough=rough)
        found = scale * product((scale * v).astype(np.float32 if rough else float))
        assert_allclose(found, wanted, rtol=rtol, atol=rtol * np.abs(wanted).max())


@pytest.mark.parametrize("ridge", RIDGES)
@pytest.mark.parametrize("kind", [0, 1, 2, 3])
def test_minimum(kind, ridge):
    X, Y = make()
    lam = np.linspace(0.5, 1.5, 6)
    W, _ = minimise(all_forms(X, Y, ridge)[kind], lam, np.zeros(6), tol=1e-12, max_iter=100)
    Z = X.T @ (Y - X @ W) - ridge[:, None] * W
    norms, used = np.linalg.norm(W, axis=1), W.any(axis=1)
    assert 0 < used.sum() < 6
    assert_allclose(Z[used], (lam / np.maximum(norms, 1e-300))[used, None] * W[used], atol=1e-5)
    assert (np.linalg.norm(Z, axis=1)[~used] <= lam[~used]).all()


def test_gap_is_that_of_the_problem():
    X, Y = make()
    lam, d = np.ones(6), np.array([0.1, 0.0, 0.4, 0.0, 0.2, 0.0])
    found = []
    for form in all_forms(X, Y, np.zeros(6)):
        state = form.evaluate(d, lam)
        Z = form.correlations(state, rough=False)
        found.append(gap_at(form, state, np.linalg.norm(Z, axis=1), lam))
    W = d[:, None] * Z
    R = Y - X @ W
    primal = 0.5 * np.sum(R**2) + np.linalg.norm(W, axis=1).sum()
    s = min(np.sum(Y * R) / np.sum(R**2), 1 / np.linalg.norm(X.T @ R, axis=1).max())
    dual = 0.5 * np.sum(Y**2) - 0.5 * np.sum((Y - s * R) ** 2)
    assert_allclose(found, (primal - dual) / (0.5 * np.sum(Y**2)))


def test_conjugate_gradients_solve_on_the_free_entries():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(5, 8))
    H, b = root @ root.T, rng.normal(size=5)
    free = np.array([True, False, True, True, False])
    v = np.zeros(5)
    for _ in range(20):  # every call gains a digit
        v = conjugate_gradients(H.__matmul__, np.diag(H), b, v, free)
    assert_allclose((b - H @ v)[free], 0, atol=1e-1 * np.abs(b).max())
    assert not v[~free].any()


def test_bounded_step_stays_above_its_bounds():
    H = np.array([[2.0, 1.9], [1.9, 2.0]])
    b, lowest = np.array([1.0, -1.0]), np.array([-1.0, -0.25])
    v = bounded_step(H.__matmul__, np.diag(H), b, lowest)
    assert v[1] == -0.25
    assert_allclose(v[0], (1.0 + 0.25 * 1.9) / 2.0, rtol=0.1)


@pytest.mark.parametrize("side", [0, 1, 5, 50])
def test_inverses_of_a_stack(side):
    roots = np.random.default_rng(0).normal(size=(3, side, side + 2))
    stack = roots @ roots.transpose(0, 2, 1) + np.eye(side)
    identity = _inverses(stack.copy()) @ stack
    assert_allclose(identity, np.broadcast_to(np.eye(side), stack.shape), atol=1e-10)
