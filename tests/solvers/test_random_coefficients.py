"""The posterior of random coefficients against one dense Gaussian of all targets."""

import numpy as np
import pytest
from gaussian import DenseGaussian, compressed, random_tasks
from numpy.testing import assert_allclose

from skmtl.solvers import random_coefficients
from skmtl.solvers.random_coefficients import (
    CommonMean,
    CommonMeanByRows,
    FittedTasks,
    Posterior,
    Prior,
    compress,
    extend,
    lower_factor,
    stack_tasks,
    unwhiten,
)

SHAPES = {
    "more rows": {},
    "more coefficients than a task has rows": {"sizes": (3, 5, 4, 30), "n_features": 8},
    "more coefficients than rows": {"sizes": (3, 4, 2), "n_features": 19},
    "one task": {"sizes": (9,)},
    "one-row tasks": {"sizes": (1, 1, 1, 1)},
    "a task without rows": {"sizes": (6, 0, 4)},
    "no intercept": {"fit_intercept": False},
    "no intercept, more coefficients than rows": {
        "sizes": (3, 2),
        "n_features": 12,
        "fit_intercept": False,
    },
}


def random_prior(tasks, *, matrix=False, fit_intercept=True, seed=1):
    rng = np.random.RandomState(seed)
    d = tasks[0][0].shape[1]
    S = rng.uniform(0.1, 1.0, size=d)
    if matrix:
        B = rng.normal(size=(d, d))
        S = B @ B.T / d + np.diag(S)
    precision = rng.uniform(0.3, 2.0, size=d)
    precision[-1] *= not fit_intercept
    return Prior(S, rng.uniform(0.2, 0.6, size=len(tasks)), precision)


@pytest.fixture(params=[False, True], ids=["diagonal", "matrix"])
def matrix(request):
    return request.param


@pytest.fixture(params=SHAPES.values(), ids=list(SHAPES))
def problem(request, matrix):
    tasks = random_tasks(**request.param)
    free = request.param.get("fit_intercept", True)
    return tasks, random_prior(tasks, matrix=matrix, fit_intercept=free)


def test_likelihood(problem):
    tasks, prior = problem
    posterior = Posterior(compressed(tasks), prior)
    assert_allclose(
        posterior.log_likelihood, DenseGaussian(tasks, prior).log_likelihood(), rtol=1e-10
    )
    n_coef = tasks[0][0].shape[1]
    by_rows = prior.covariance.ndim == 1 and posterior.data.n_rows < n_coef
    assert isinstance(posterior.mean, CommonMeanByRows if by_rows else CommonMean)


def test_coefficients_and_their_mean(problem):
    tasks, prior = problem
    dense, posterior = DenseGaussian(tasks, prior), Posterior(compressed(tasks), prior)
    m = unwhiten(posterior.root, posterior.mean.value)
    assert_allclose(m, dense.coef(None)[0], atol=1e-9)
    coef = unwhiten(posterior.root, posterior.white_coef())
    assert_allclose(coef, dense.coefs(), atol=1e-9)


def test_variances_of_predictions(problem):
    tasks, prior = problem
    dense = DenseGaussian(tasks, prior)
    fitted = FittedTasks.of(Posterior(compressed(tasks), prior), 0.3)
    Z = np.random.RandomState(5).normal(size=(7, tasks[0][0].shape[1]))
    for task in range(-1, len(tasks)):
        ours = fitted.variance(fitted.whiten(Z), task)
        assert_allclose(ours, dense.variance(Z, task), rtol=1e-9)


def test_fitted_tasks_are_arrays_and_back(problem):
    tasks, prior = problem
    fitted = FittedTasks.of(Posterior(compressed(tasks), prior), 0.3)
    again = FittedTasks.from_state(fitted.state())
    A = fitted.whiten(np.random.RandomState(5).normal(size=(7, tasks[0][0].shape[1])))
    for task in (-1, 0):
        assert_allclose(again.variance(A, task), fitted.variance(A, task), rtol=0)


def test_moments_are_the_derivatives(problem):
    """By the logarithms of every variance; D S D' for a matrix."""
    tasks, prior = problem
    data, step = compressed(tasks), 1e-5
    posterior = Posterior(data, prior)
    moments = posterior.moments()

    def slope(scaled):
        return (scaled(np.exp(step)) - scaled(np.exp(-step))) / (2 * step)

    for j in range(len(prior.mean_precision)):

        def by_covariance(factor, j=j):
            D = np.ones(len(prior.mean_precision))
            D[j] = np.sqrt(factor)
            S = prior.covariance * (D**2 if prior.covariance.ndim == 1 else np.outer(D, D))
            return Posterior(data, prior._replace(covariance=S)).log_likelihood

        if prior.covariance.ndim == 1:
            ours = 0.5 * (moments.squares - moments.expected)[j]
        else:
            # tr dS G with dS = (e_j e_j' S + S e_j e_j') / 2 and G = R^-T (.) R^-1 / 2
            R = posterior.root
            G = 0.5 * np.linalg.solve(R.T, moments.squares - moments.expected) @ np.linalg.inv(R)
            ours = (G @ prior.covariance)[j, j]
        assert_allclose(ours, slope(by_covariance), rtol=1e-6, atol=1e-7)
    for t in range(data.n_tasks):

        def by_noise(factor, t=t):
            noise = prior.noise * np.where(np.arange(data.n_tasks) == t, factor, 1.0)
            return Posterior(data, prior._replace(noise=noise)).log_likelihood

        assert_allclose(
            0.5 * (moments.rss - moments.free)[t], slope(by_noise), rtol=1e-6, atol=1e-7
        )

    def by_mean(factor):
        precision = prior.mean_precision / factor
        return Posterior(data, prior._replace(mean_precision=precision)).log_likelihood

    mean, of_mean = posterior.mean_moments()
    assert_allclose(0.5 * (mean - of_mean), slope(by_mean), rtol=1e-6, atol=1e-7)


# --- compression ----------------------------------------------------------------------------


def test_rows_and_their_factor_tell_the_same():
    rng = np.random.RandomState(0)
    X, Y = rng.normal(size=(50, 4)), rng.normal(size=(50, 3))
    pieces = ((X[start : start + 7], Y[start : start + 7]) for start in range(0, 50, 7))
    A, B, rest = compress(pieces, 4, 3)
    assert A.shape == (4, 4)
    assert_allclose(A.T @ A, X.T @ X)
    assert_allclose(A.T @ B, X.T @ Y, atol=1e-12)
    assert_allclose((B**2).sum(axis=0) + rest, (Y**2).sum(axis=0))


@pytest.mark.parametrize("n_rows", [0, 1, 4])
def test_few_rows_are_their_own_factor(n_rows):
    X, Y = np.random.RandomState(0).normal(size=(2, n_rows, 4))
    A, B, rest = compress([(X, Y)], 4, 4)
    assert_allclose(A, X)
    assert_allclose(B, Y)
    assert_allclose(rest, 0)


@pytest.mark.parametrize("entries", [1, 60, 200])
def test_stacks_of_any_size_tell_the_same(problem, entries, monkeypatch):
    tasks, prior = problem
    whole = Posterior(compressed(tasks), prior)
    monkeypatch.setattr(random_coefficients, "CHUNK_ENTRIES", entries)
    parts = Posterior(compressed(tasks), prior)
    n_stacks = len(parts.data.stacks)
    assert n_stacks == len(tasks) if entries == 1 else n_stacks <= len(tasks)
    assert_allclose(parts.log_likelihood, whole.log_likelihood, rtol=1e-11)
    assert_allclose(parts.white_coef(), whole.white_coef(), atol=1e-9)
    for ours, theirs in zip(parts.moments(), whole.moments(), strict=True):
        assert_allclose(ours, theirs, atol=1e-9)


def test_a_stack_holds_every_task_once():
    rng = np.random.RandomState(0)
    parts = [
        ([t], rng.normal(size=(n, 3)), rng.normal(size=(n, 1))) for t, n in enumerate((3, 1, 0))
    ]
    shared = rng.normal(size=(2, 3)), rng.normal(size=(2, 2))
    (stack,) = stack_tasks([*parts, ([3, 4], *shared)], 3)
    assert sorted(stack.tasks) == [0, 1, 2, 3, 4]
    for k, task in enumerate(stack.tasks):
        if task < 3:
            X, y = parts[task][1], parts[task][2][:, 0]
        else:
            X, y = shared[0], shared[1][:, task - 3]
        assert_allclose(stack.X[k, : len(X)], X)
        assert_allclose(stack.y[k, : len(X)], y)
        assert not stack.X[k, len(X) :].any()
        assert not stack.y[k, len(X) :].any()


# --- limits ---------------------------------------------------------------------------------


def test_no_variance_is_one_pooled_model(matrix):
    """Weighted by the noise of the tasks."""
    tasks = random_tasks()
    prior = random_prior(tasks, matrix=matrix)
    posterior = Posterior(compressed(tasks), prior._replace(covariance=1e-13 * prior.covariance))
    Z, y, v = (np.concatenate(a) for a in zip(*tasks, strict=True))
    v = v / np.repeat(prior.noise, [len(y) for _, y, _ in tasks])
    pooled = np.linalg.solve(Z.T @ (v[:, None] * Z) + np.diag(prior.mean_precision), Z.T @ (v * y))
    coef = unwhiten(posterior.root, posterior.white_coef())
    assert_allclose(coef, np.tile(pooled, (5, 1)), atol=1e-8)
    fitted = FittedTasks.of(posterior, 0.3)
    covariance = np.linalg.inv(Z.T @ (v[:, None] * Z) + np.diag(prior.mean_precision))
    assert_allclose(fitted.variance(fitted.whiten(np.eye(4)), 1), np.diag(covariance), rtol=1e-6)


def test_a_large_variance_is_each_task_by_itself(matrix):
    tasks = random_tasks(sizes=(6, 9, 12))
    prior = random_prior(tasks, matrix=matrix)
    posterior = Posterior(compressed(tasks), prior._replace(covariance=1e9 * prior.covariance))
    coef = unwhiten(posterior.root, posterior.white_coef())
    for (Z, y, v), ours in zip(tasks, coef, strict=True):
        root = np.sqrt(v)
        assert_allclose(
            ours, np.linalg.lstsq(root[:, None] * Z, root * y, rcond=None)[0], atol=1e-6
        )


def test_a_free_mean_is_the_limit_of_a_flat_prior(matrix):
    tasks = random_tasks()
    prior = random_prior(tasks, matrix=matrix)
    flat = Posterior(compressed(tasks), prior)
    wide = prior._replace(mean_precision=np.maximum(prior.mean_precision, 1e-9))
    near = Posterior(compressed(tasks), wide)
    assert_allclose(near.white_coef(), flat.white_coef(), atol=1e-7)
    density = 0.5 * np.log(1e-9 / (2 * np.pi))
    assert_allclose(near.log_likelihood, flat.log_likelihood + density, atol=1e-6)


# --- new tasks ------------------------------------------------------------------------------


def test_new_tasks_are_as_if_they_had_been_there(problem, monkeypatch):
    tasks, prior = problem
    free = 0.0 in prior.mean_precision
    new = random_tasks((2, 0, 7), tasks[0][0].shape[1] - free, fit_intercept=free, seed=9)
    level = 0.37
    both = DenseGaussian(
        [*tasks, *new], prior._replace(noise=np.append(prior.noise, np.full(3, level)))
    )
    old = FittedTasks.of(Posterior(compressed(tasks), prior), level)
    before = old.state()
    monkeypatch.setattr(random_coefficients, "CHUNK_ENTRIES", 40)
    fitted = extend(old, compressed(new))
    assert_allclose(fitted.noise, level)
    assert_allclose(unwhiten(fitted.root, fitted.mean.value), both.coef(None)[0], atol=1e-9)
    Z = np.random.RandomState(5).normal(size=(7, tasks[0][0].shape[1]))
    for k in (-1, 0, 1, 2):
        task = len(tasks) + k if k >= 0 else -1
        assert_allclose(fitted.variance(fitted.whiten(Z), k), both.variance(Z, task), rtol=1e-8)
    coef = unwhiten(fitted.root, fitted.white_coef)
    assert_allclose(coef, both.coefs()[len(tasks) :], atol=1e-9)
    for name, value in before["mean"].items():
        assert_allclose(getattr(old.mean, name), value, rtol=0)


# --- rounding -------------------------------------------------------------------------------


def test_factor_of_what_is_singular_but_for_rounding():
    B = np.random.RandomState(0).normal(size=(2, 6, 3))
    matrices = B @ B.transpose(0, 2, 1) - 1e-15 * np.eye(6)
    lower = lower_factor(matrices)
    assert_allclose(lower @ lower.transpose(0, 2, 1), matrices, atol=1e-8)


@pytest.mark.parametrize("noise", [1e-8, 1e6])
@pytest.mark.parametrize("variance", [1e-10, 1e6])
def test_extreme_variances_with_duplicates(variance, noise):
    tasks = random_tasks(sizes=(6, 3, 1), n_features=8)
    tasks = [(np.vstack([Z, Z]), np.append(y, y), np.append(v, v)) for Z, y, v in tasks]
    prior = Prior(np.full(9, variance), np.full(3, noise), np.append(np.ones(8), 0.0))
    posterior = Posterior(compressed(tasks), prior)
    assert np.isfinite(posterior.log_likelihood)
    assert np.isfinite(posterior.white_coef()).all()
    assert all(np.isfinite(values).all() for values in posterior.moments())
