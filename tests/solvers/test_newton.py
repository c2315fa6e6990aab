"""The Newton direction solves the system with the Hessian written out."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skmtl.penalties import L1, L21
from skmtl.quadratic import Gram
from skmtl.solvers.newton import NewtonSteps, woodbury_direction


def random_grams(rng, n_matrices, p):
    roots = rng.normal(size=(n_matrices, p, p + 3))
    return roots @ roots.transpose(0, 2, 1)


def dense_hessian(grams, diagonal, curvature, units, active):
    """(p T, p T) with the tasks one after the other."""
    p, n_tasks = units.shape
    hessian = np.zeros((n_tasks, p, n_tasks, p))
    for t in range(n_tasks):
        hessian[t, :, t, :] = (grams[t] if len(grams) > 1 else grams[0]) + np.diag(diagonal)
    for j in range(p):
        hessian[:, j, :, j] -= curvature[j] * np.outer(units[j], units[j])
    hessian = hessian.reshape(n_tasks * p, n_tasks * p)
    if active is not None:
        fixed = ~active.T.ravel()
        hessian[fixed] = hessian[:, fixed] = 0.0
        hessian[fixed, fixed] = 1.0
    return hessian


@pytest.mark.parametrize("n_matrices", [1, 3])
@pytest.mark.parametrize("with_fixed_entries", [False, True])
@pytest.mark.parametrize("without_curvature", [False, True])
def test_direction(n_matrices, with_fixed_entries, without_curvature):
    rng = np.random.RandomState(0)
    p, n_tasks = 4, 3
    if with_fixed_entries and n_matrices == 1:
        n_matrices = 3
    grams = random_grams(rng, n_matrices, p)
    W = rng.normal(size=(p, n_tasks))
    active = None
    if with_fixed_entries:
        active = rng.uniform(size=W.shape) < 0.7
        W = W * active
    curvature = rng.uniform(0.1, 2.0, size=p)
    if without_curvature:
        curvature[1] = 0.0
    units = W / np.linalg.norm(W, axis=1)[:, None]
    ridge = rng.uniform(0.0, 0.5, size=p)
    gradient = rng.normal(size=W.shape)
    if active is not None:
        gradient *= active
    found = woodbury_direction(grams, ridge + curvature, curvature, units, gradient, active, 0.0)
    hessian = dense_hessian(grams, ridge + curvature, curvature, units, active)
    expected = -np.linalg.solve(hessian, gradient.T.ravel()).reshape(n_tasks, p).T
    assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("gauge", [None, L21(0.3), L21(0.3) + L1(0.1)], ids=str)
@pytest.mark.parametrize("n_matrices", [1, 3])
def test_steps_never_raise_the_objective(gauge, n_matrices):
    rng = np.random.RandomState(1)
    grams = random_grams(rng, n_matrices, 5)
    tasks = [np.arange(3)] if n_matrices == 1 else [np.array([t]) for t in range(3)]
    quadratic = Gram(grams, rng.normal(size=(5, 3)), 10.0, tasks)
    newton = NewtonSteps(quadratic, gauge, np.full((5, 1), 0.01))
    W = rng.normal(size=(5, 3))
    product = quadratic.product(W)
    for _ in range(20):
        before = newton.objective(W, product)
        W, product, taken = newton.run(W, product)
        assert newton.objective(W, product) <= before + 1e-10
        assert_allclose(product, quadratic.product(W), atol=1e-10)
        if not taken:
            break
    if gauge is None:
        best = [
            np.linalg.solve(quadratic.per_task()[t] + 0.01 * np.eye(5), quadratic.cross[:, t])
            for t in range(3)
        ]
        assert_allclose(W, np.transpose(best), rtol=1e-8)
