"""Hyperparameters by marginal likelihood: derivatives, the optimum, and what was planted."""

import numpy as np
import pytest
from gaussian import DenseGaussian, compressed, random_tasks
from numpy.testing import assert_allclose
from scipy import linalg, optimize

from skmtl.solvers import empirical_bayes
from skmtl.solvers.empirical_bayes import (
    PSEUDO_ROWS,
    PSEUDO_TASKS,
    DiagonalCovariance,
    FullCovariance,
    LowRankCovariance,
    MarginalLikelihood,
    maximise,
    noise_level,
)

FORMS = ("diagonal", "spherical", "intercept", "full", "low_rank")
OPTIONS = {
    "rank": 2,
    "noise_per_task": True,
    "mean_is_zero": False,
    "tol": 1e-9,
    "max_iter": 2000,
}
LEVELS = np.array([0, 0, 0, 1])


def learn(data, covariance="diagonal", n_features=3, seed=0, **options):
    random = np.random.RandomState(seed)
    return maximise(
        data, n_features, covariance=covariance, random=random, **{**OPTIONS, **options}
    )


def family_of(form, seed=0):
    """A form of S for three features and an intercept, and a point inside its bounds."""
    rng = np.random.RandomState(seed)
    variances = rng.uniform(0.1, 1.0, size=4)
    if form == "full":
        family = FullCovariance(variances, LEVELS)
    elif form == "low_rank":
        family = LowRankCovariance(variances, LEVELS, 2, rng)
    else:
        family = DiagonalCovariance.of(form, 3, 4)
    low = np.array([-np.inf if bound[0] is None else bound[0] for bound in family.bounds])
    fixed = np.array([bound[0] is not None and bound[0] == bound[1] for bound in family.bounds])
    theta = family.start + 0.3 * rng.normal(size=len(low)) * ~fixed
    return family, theta, fixed


def likelihood_of(form, noise_per_task=True, mean_is_zero=False):
    """The objective on some tasks, a point, and which of its entries may move."""
    family, theta, fixed = family_of(form)
    likelihood = MarginalLikelihood(
        compressed(random_tasks()),
        family,
        free=LEVELS == 1,
        noise_per_task=noise_per_task,
        mean_is_zero=mean_is_zero,
    )
    start = likelihood.start()
    start[: len(theta)] = theta
    start[len(theta) : -1] += 0.3 * np.random.RandomState(1).normal(
        size=len(start[:-1]) - len(theta)
    )
    moves = np.append(~fixed, np.ones(len(start) - len(theta), bool))
    moves[-1] = not mean_is_zero
    return likelihood, start, moves


def differences(function, theta, step=1e-5):
    steps = step * np.eye(len(theta))
    return np.array([(function(theta + e) - function(theta - e)) / (2 * step) for e in steps])


# --- the objective --------------------------------------------------------------------------


@pytest.mark.parametrize("mean_is_zero", [False, True])
@pytest.mark.parametrize("noise_per_task", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_gradient_is_that_of_differences(form, noise_per_task, mean_is_zero):
    likelihood, theta, moves = likelihood_of(form, noise_per_task, mean_is_zero)
    ours = likelihood.gradient(theta, likelihood.value(theta)[1])
    expected = differences(lambda x: likelihood.value(x)[0], theta)
    assert_allclose(ours[moves], expected[moves], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_objective_is_the_likelihood_and_the_pull(form):
    """The pull as it is documented, with levels by another optimiser."""
    likelihood, theta, _ = likelihood_of(form)
    prior = likelihood.prior(theta)
    S = prior.covariance
    if form in ("diagonal", "spherical", "intercept"):
        n_pseudo = np.array([PSEUDO_TASKS] * 4)
        if form != "diagonal":  # one pseudo-task of a group, not of each of its coefficients
            S, n_pseudo = S[2:], n_pseudo[2:]
        S = np.diag(S)
    else:
        n_pseudo = np.full(4, PSEUDO_TASKS + 4 * (form == "full"))
    levels = LEVELS[-len(S) :]
    inverse, log_det = np.linalg.inv(S), np.linalg.slogdet(S)[1]

    def pull(logs):
        D = np.exp(logs[levels])
        value = log_det + np.trace(inverse * D) - np.log(D).sum() - len(S)
        return 0.5 * n_pseudo[0] * value

    pulls = optimize.minimize(pull, np.log([S[0, 0], S[-1, -1]]), tol=1e-12).fun
    noise = prior.noise
    pulls += optimize.minimize_scalar(
        lambda s: 0.5 * PSEUDO_ROWS * np.sum(np.log(noise / s) + s / noise - 1.0),
        bounds=(0.01, 10.0),
        options={"xatol": 1e-10},
    ).fun
    tasks = random_tasks()
    expected = DenseGaussian(tasks, prior).log_likelihood() - pulls
    assert_allclose(likelihood.value(theta)[0], expected, rtol=1e-8)


@pytest.mark.parametrize("form", ["full", "low_rank"])
def test_matrices_start_from_the_diagonal(form):
    variances = np.array([1e-9, 0.3, 1e3, 0.1])
    family, rng = FullCovariance(variances, LEVELS), np.random.RandomState(0)
    if form == "low_rank":
        family = LowRankCovariance(variances, LEVELS, 2, rng)
    S = family.covariance(family.start)
    if form == "full":
        assert_allclose(S, np.diag(variances), rtol=1e-12)
    assert_allclose(np.diag(S), variances, rtol=1.0)
    assert np.linalg.eigvalsh(S / np.sqrt(np.outer(variances, variances))).min() > 0.5


def test_any_step_of_a_full_matrix_is_a_covariance():
    """However small the variances are that the steps start from."""
    rng = np.random.RandomState(0)
    family = FullCovariance(np.full(6, 1e-10), np.array([0] * 5 + [1]))
    for size in (0.1, 1.0, 5.0):
        theta = family.start + size * rng.normal(size=len(family.start))
        assert np.isfinite(family.penalty(theta))
        assert linalg.eigvalsh(family.covariance(theta)).min() > -1e-20


# --- the optimum ----------------------------------------------------------------------------


@pytest.fixture
def likelihoods(monkeypatch):
    """The likelihoods that `maximise` makes, in their order."""
    made = []

    class Kept(MarginalLikelihood):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            made.append(self)

    monkeypatch.setattr(empirical_bayes, "MarginalLikelihood", Kept)
    return made


@pytest.mark.parametrize("noise_per_task", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_optimum(form, noise_per_task, likelihoods):
    """The objective never falls, ends where it is flat, and no other point near is better."""
    data = compressed(random_tasks(sizes=(9, 14, 12, 20, 8, 11)))
    estimate = learn(data, form, noise_per_task=noise_per_task)
    assert estimate.converged
    assert np.all(np.diff(estimate.objective) >= -1e-9)
    likelihood = likelihoods[-1]
    value, theta = likelihood.best
    posterior = likelihood.value(theta)[1]
    assert posterior.log_likelihood == estimate.posterior.log_likelihood
    assert_allclose(value, estimate.objective[-1], rtol=1e-9)
    slope = likelihood.gradient(theta, posterior)
    low, high = (
        np.array([sign * np.inf if b is None else b for b in bounds])
        for sign, bounds in zip((-1, 1), zip(*likelihood.bounds(), strict=True), strict=True)
    )
    slope[(theta <= low) & (slope < 0)] = 0.0
    slope[(theta >= high) & (slope > 0)] = 0.0
    assert np.abs(slope).max() < 2e-3
    rng = np.random.RandomState(0)
    for size in (0.01, 0.1, 1.0):
        for _ in range(10):
            moved = np.clip(theta + size * rng.normal(size=len(theta)), low, high)
            assert likelihood.value(moved)[0] <= value + 1e-7
    assert_allclose(estimate.noise_level, noise_level(estimate.prior.noise))


def test_tol_stops_the_steps():
    data = compressed(random_tasks())
    fine, coarse, one = learn(data), learn(data, tol=1e-2), learn(data, max_iter=1)
    assert len(coarse.objective) < len(fine.objective)
    assert 0 <= fine.objective[-1] - coarse.objective[-1] < 0.1
    assert not one.converged
    assert len(one.objective) == 1


def test_a_start_that_is_the_optimum_has_an_objective():
    """Only the noise is free here, and the first steps find it."""
    data = compressed(random_tasks(fit_intercept=False))
    options = {"noise_per_task": False, "mean_is_zero": True, "tol": 1e-2}
    estimate = learn(data, "intercept", **options)
    assert estimate.converged
    assert len(estimate.objective) >= 1


def correlated(seed=0, n_tasks=40, n=12):
    """Coefficients that differ between tasks along one direction; features, no intercept."""
    rng = np.random.RandomState(seed)
    direction, tasks = np.array([1.0, -1.0, 1.0, 0.5]), []
    for _ in range(n_tasks):
        Z = rng.normal(size=(n, 4))
        w = np.ones(4) + direction * rng.normal() + 0.1 * rng.normal(size=4)
        tasks.append((Z, Z @ w + 0.5 * rng.normal(size=n), np.ones(n)))
    return tasks, np.outer(direction, direction) + 0.01 * np.eye(4)


def test_matrices_find_the_correlations_of_coefficients():
    tasks, S = correlated()
    data = compressed(tasks)
    diagonal, full, low_rank = (
        learn(data, form, n_features=4, rank=1) for form in ("diagonal", "full", "low_rank")
    )
    likelihoods = [e.posterior.log_likelihood for e in (diagonal, full, low_rank)]
    assert likelihoods[1] > likelihoods[0] + 20
    assert likelihoods[2] > likelihoods[1]
    assert_allclose(low_rank.prior.covariance, S, atol=0.35)
    assert_allclose(diagonal.prior.covariance, np.diag(S), atol=0.35)


def test_planted_variances_are_found():
    rng = np.random.RandomState(0)
    spread, mean = np.array([0.0, 0.3, 1.0, 2.0]), np.array([1.0, -1.0, 0.5, 0.0])
    noises, tasks = rng.uniform(0.3, 1.0, size=150), []
    for noise in noises:
        Z = np.column_stack([rng.normal(size=(60, 3)), np.ones(60)])
        w = mean + spread * rng.normal(size=4)
        tasks.append((Z, Z @ w + noise * rng.normal(size=60), np.ones(60)))
    estimate = learn(compressed(tasks))
    S = estimate.prior.covariance
    assert S[0] < 5e-3
    assert_allclose(S[1:], spread[1:] ** 2, rtol=0.3)
    assert np.corrcoef(np.log(estimate.prior.noise), np.log(noises))[0, 1] > 0.9
    assert_allclose(np.log(estimate.prior.noise), 2 * np.log(noises), atol=0.8)
    common = learn(compressed(tasks), noise_per_task=False)
    assert_allclose(common.prior.noise, np.mean(noises**2), rtol=0.1)
    assert common.posterior.log_likelihood < estimate.posterior.log_likelihood


def test_forms_are_what_they_say():
    data = compressed(random_tasks())
    spherical = learn(data, "spherical").prior.covariance
    assert_allclose(spherical[:3], spherical[0], rtol=0)
    pooled = learn(data, "intercept").prior.covariance
    assert_allclose(pooled[:3], 1e-10)
    assert pooled[3] > 1e-3
    zero = learn(data, mean_is_zero=True)
    assert_allclose(zero.posterior.prior.mean_precision, [1e10] * 3 + [0.0])


def test_seeds_do_not_matter():
    tasks, _ = correlated()
    data = compressed(tasks)
    first, second = (learn(data, "low_rank", n_features=4, seed=seed) for seed in (0, 1))
    assert_allclose(first.objective[-1], second.objective[-1], atol=1e-4)
    assert_allclose(first.prior.covariance, second.prior.covariance, atol=1e-2)
