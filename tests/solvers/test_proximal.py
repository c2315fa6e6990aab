import numpy as np
import pytest
from numpy.testing import assert_allclose

from skmtl.penalties import L1, L21
from skmtl.quadratic import Gram
from skmtl.solvers.proximal import ProximalSteps


@pytest.mark.parametrize("gauge", [None, L21(0.3), L21(0.3) + L1(0.1), L1(0.2, positive=True)])
@pytest.mark.parametrize("n_matrices", [1, 3])
def test_fixed_points_are_optimal(gauge, n_matrices):
    """After many steps a step changes nothing, and the proximal map of a gradient step neither."""
    rng = np.random.RandomState(0)
    roots = rng.normal(size=(n_matrices, 5, 12)) * np.geomspace(1, 30, 5)[:, None]
    grams = roots @ roots.transpose(0, 2, 1)
    tasks = [np.arange(3)] if n_matrices == 1 else [np.array([t]) for t in range(3)]
    quadratic = Gram(grams, 10 * rng.normal(size=(5, 3)), 1.0, tasks)
    ridge = np.full((5, 1), 0.1)
    steps = ProximalSteps(quadratic, gauge, ridge)
    W = np.zeros((5, 3))
    W, product = steps.run(W, quadratic.product(W), 5000)
    assert_allclose(product, quadratic.product(W), rtol=1e-8, atol=1e-8)
    gradient = product + ridge * W - quadratic.cross
    step = 1e-3
    moved = W - step * gradient
    moved = moved if gauge is None else gauge.prox(moved, step)
    assert_allclose(moved, W, atol=1e-9)


def test_scales_of_features_do_not_matter():
    """The metric makes the iterates those of features on one scale."""
    rng = np.random.RandomState(1)
    X, Y = rng.normal(size=(30, 6)), rng.normal(size=(30, 2))
    scale = np.geomspace(1e-4, 1e4, 6)
    iterates = []
    for Z in (X, X * scale):
        quadratic = Gram((Z.T @ Z)[None], Z.T @ Y, 1.0, [np.arange(2)])
        steps = ProximalSteps(quadratic, None, np.zeros((6, 1)))
        W, _ = steps.run(np.zeros((6, 2)), np.zeros((6, 2)), 15)
        iterates.append(Z @ W)
    assert_allclose(iterates[1], iterates[0], rtol=1e-6, atol=1e-8)
