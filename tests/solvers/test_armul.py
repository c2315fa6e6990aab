"""Distances of tasks from centres: the secular equation, derivatives, the certificate."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import approx_fprime, minimize

from skmtl import MultiTaskRidge
from skmtl.solvers import armul_newton
from skmtl.solvers.armul import (
    TaskQuadratics,
    moments_of_sums,
    read_moments,
    row_norms,
    solve_secular,
)
from skmtl.solvers.armul_newton import Centres, minimise, pooled_models, pooling_alpha
from skmtl.statistics import CentredSums, FoldSums
from tests.helpers import LAYOUTS, make_case

SHAPES = [{"n": 12, "p": 5}, {"n": 5, "p": 14}]


def read(case, fit_intercept=True):
    reader = MultiTaskRidge(**case.init)
    return reader._read_training_data(
        case.X, case.y, case.fit.get("tasks"), case.fit.get("sample_weight")
    )


def quadratics(case, *, alpha_intercept=2.0, ridge=0.0, fit_intercept=True):
    moments = read_moments(read(case), fit_intercept)
    return TaskQuadratics(
        moments, alpha_intercept=alpha_intercept, ridge=ridge, fit_intercept=fit_intercept
    )


def common(tasks, lam):
    ones = np.ones((tasks.n_tasks, 1))
    return Centres(tasks, lam, ones, ones[:, : int(tasks.has_intercept)])


def subspace(tasks, lam, rank=2, seed=0):
    A = np.random.RandomState(seed).normal(size=(tasks.n_tasks, rank))
    return Centres(tasks, lam, A, np.ones((tasks.n_tasks, int(tasks.has_intercept))))


def lam_of(tasks, share):
    return share * pooling_alpha(tasks, common(tasks, tasks.sizes)) * np.sqrt(tasks.sizes)


def test_secular_equation():
    rng = np.random.RandomState(0)
    values = np.abs(rng.standard_cauchy(size=(200, 6))) * 10.0 ** rng.uniform(-8, 8, (200, 1))
    values[:, :2] *= rng.uniform(size=(200, 2)) < 0.5
    residual = rng.normal(size=values.shape) * (values > 0)
    beyond = np.abs(rng.normal(size=200))
    norms = np.sqrt(np.sum(residual**2, axis=1) + beyond**2)
    lam = norms * 10.0 ** rng.uniform(-6, 0.5, size=200)
    nu = solve_secular(values, residual, 0.3, beyond, lam)
    reached = np.sqrt(
        np.sum((residual / (1 + nu[:, None] * values)) ** 2, axis=1)
        + (beyond / (1 + 0.3 * nu)) ** 2
    )
    pooled = norms <= lam
    assert (nu[pooled] == 0).all()
    assert (nu[~pooled] > 0).all()
    assert_allclose(reached[~pooled], lam[~pooled], rtol=1e-12)
    started = solve_secular(values, residual, 0.3, beyond, lam, 100 * nu)
    assert_allclose(started, nu, rtol=1e-9)
    assert np.isinf(solve_secular(values, residual, 0.3, beyond, np.zeros(200))).all()


@pytest.mark.parametrize("ridge", [0.0, 0.8])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_each_task_is_at_its_best(ridge, shape):
    """The deviation of a task minimises its own objective: brute force from the rows."""
    case = make_case("column", "rows", n_tasks=4, **shape)
    tasks = quadratics(case, ridge=ridge)
    lam = lam_of(tasks, 0.3)
    rng = np.random.RandomState(1)
    z, c = rng.normal(size=(4, case.n_features)), rng.normal(size=4)
    state = tasks.distances(z, c, lam)
    coef, intercept = tasks.models(state, z)
    for t, (X, y, v) in enumerate(case.tasks):
        X, y = X - tasks.x_origin, y - tasks.y_origin

        def objective(w, t=t, X=X, y=y, v=v):
            r = y - X @ w
            b = (v @ r + 2.0 * c[t]) / (v.sum() + 2.0)
            value = 0.5 * v @ (r - b) ** 2 + (b - c[t]) ** 2 + 0.5 * ridge * w @ w
            return value + lam[t] * np.linalg.norm(w - z[t])

        best = minimize(objective, coef[:, t] + 1e-3, method="BFGS", options={"gtol": 1e-9}).fun
        assert_allclose(objective(coef[:, t]), state.values[t], rtol=1e-10)
        assert objective(coef[:, t]) <= best * (1 + 1e-9)
        b = intercept[t] - tasks.y_origin + coef[:, t] @ tasks.x_origin
        assert_allclose(b, (v @ (y - X @ coef[:, t]) + 2.0 * c[t]) / (v.sum() + 2.0))


@pytest.mark.parametrize("layout", ["column", "absent", "outputs", "outputs_nan"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("ridge", [0.0, 0.8])
@pytest.mark.parametrize("kind", [common, subspace])
def test_gradient_and_hessian(layout, shape, ridge, kind):
    case = make_case(layout, "rows", n_tasks=4, **shape)
    tasks = quadratics(case, ridge=ridge)
    centres = kind(tasks, lam_of(tasks, 0.4))
    theta = np.random.RandomState(0).normal(size=centres.size)
    state = centres.state(theta)
    numeric = approx_fprime(theta, lambda x: centres.state(x).values.sum(), 1e-6)
    assert_allclose(-centres.descent(state), numeric, rtol=1e-4, atol=1e-3)
    H = centres.hessian(state)
    for j in range(0, centres.size, 3):
        step = 1e-5 * np.eye(centres.size)[j]
        up, down = (centres.descent(centres.state(theta + s)) for s in (step, -step))
        assert_allclose(H[j], (down - up) / 2e-5, rtol=1e-4, atol=1e-5 * np.abs(H).max())
    v = np.random.RandomState(1).normal(size=centres.size)
    assert_allclose(centres.product(state)(v), H @ v, rtol=1e-9, atol=1e-9 * np.abs(H @ v).max())
    pooled = centres.product(centres.nothing)(v)
    assert_allclose(pooled, centres.curvature @ v, rtol=1e-9, atol=1e-9 * np.abs(pooled).max())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("share", [1.0, 0.7, 0.2, 0.01])
@pytest.mark.parametrize("ridge", [0.0, 0.8])
def test_the_gap_bounds_the_distance_from_the_optimum(layout, share, ridge):
    case = make_case(layout, "rows", n_tasks=5)
    tasks = quadratics(case, ridge=ridge)
    centres = common(tasks, lam_of(tasks, share))
    best = minimise(centres, tol=1e-12, max_iter=100)
    assert best.converged
    assert (np.diff(best.path) <= 1e-12 * tasks.energy).all()
    optimum = best.state.values.sum()
    rng = np.random.RandomState(0)
    for scale in (1.0, 1e-2, 1e-4):
        theta = best.theta + scale * rng.normal(size=centres.size)
        state = centres.state(theta)
        gap, _ = centres.gap(state, centres.descent(state))
        assert gap >= (state.values.sum() - optimum) / tasks.energy - 1e-12
    from_afar = minimise(centres, tol=1e-12, max_iter=100, start=10 + 0 * best.theta)
    assert_allclose(from_afar.state.values.sum(), optimum, rtol=1e-10)


@pytest.mark.parametrize("layout", ["column", "outputs"])
def test_without_a_dense_hessian(layout, monkeypatch):
    case = make_case(layout, "rows", n_tasks=5, n=20, p=8)
    tasks = quadratics(case)
    lam = lam_of(tasks, 0.2)
    dense = minimise(common(tasks, lam), tol=1e-10, max_iter=100)
    monkeypatch.setattr(armul_newton, "LARGEST_DENSE", 0)
    monkeypatch.setattr(armul_newton, "LARGEST_THIN", 0)
    matrix_free = minimise(common(tasks, lam), tol=1e-9, max_iter=100)
    assert matrix_free.converged
    assert_allclose(matrix_free.state.values.sum(), dense.state.values.sum(), rtol=1e-8)


@pytest.mark.parametrize("layout", ["column", "absent", "outputs", "outputs_nan"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_moments_of_sums_are_those_of_rows(layout, fit_intercept):
    case = make_case(layout, "rows", n_tasks=4)
    data = read(case)
    rows = read_moments(data, fit_intercept)
    absent = data.absent_features()
    whole = FoldSums(data, fit_intercept).whole
    sums = moments_of_sums(whole, CentredSums(whole, fit_intercept), absent)
    for name in ("weight", "x", "y", "gram", "cross", "squares"):
        assert_allclose(getattr(sums, name), getattr(rows, name), rtol=1e-9, atol=1e-9)
    for name in ("block", "present", "counted"):
        assert (getattr(sums, name) == getattr(rows, name)).all()


@pytest.mark.parametrize("layout", ["column", "absent", "outputs_nan"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_pooled_models_are_those_of_a_large_penalty(layout, shape):
    case = make_case(layout, "rows", n_tasks=4, **shape)
    tasks = quadratics(case, ridge=0.5)
    centres = common(tasks, lam_of(tasks, 1.0))
    theta = centres.pooled()
    z, _ = centres.spread(theta)
    coef, intercept = tasks.models(centres.state(theta), z)
    ours = pooled_models(tasks)
    assert_allclose(ours[0].T, coef.T, rtol=1e-7, atol=1e-9)
    assert_allclose(ours[1], intercept, rtol=1e-7, atol=1e-9)


def test_row_norms():
    A = np.random.RandomState(0).normal(size=(4, 3))
    assert_allclose(row_norms(A), np.linalg.norm(A, axis=1))


def test_thin_tasks_need_no_hessian(monkeypatch):
    """With fewer rows than features the centre is that of the Hessian, by products with it."""
    case = make_case("column", n_tasks=4, n=4, p=120)
    tasks = quadratics(case, ridge=1.0)
    lam = lam_of(tasks, 0.2)
    dense = minimise(common(tasks, lam), tol=1e-9, max_iter=100)
    monkeypatch.setattr(armul_newton, "LARGEST_THIN", 0)
    centres = common(tasks, lam)
    assert not centres.dense
    thin = minimise(centres, tol=1e-9, max_iter=100)
    assert thin.converged
    assert_allclose(thin.state.values.sum(), dense.state.values.sum(), rtol=1e-7, atol=1e-9)
