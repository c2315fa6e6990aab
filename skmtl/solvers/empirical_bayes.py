"""Hyperparameters of the random coefficients by maximum marginal likelihood.

Quasi-Newton steps (L-BFGS) on the logarithms of the variances: the derivatives are differences of
sums that one posterior gives along with the likelihood.

The likelihood alone overfits the variances where tasks are few: many become 0. Terms worth some
pseudo-tasks and pseudo-rows pull them towards a level that they have in common, fitted too:

    - n_pseudo_tasks / 2 (log |S| + tr S^-1 D - log |D| - n_coef),  D diagonal, one level a group,
    - n_pseudo_rows / 2 sum_t (log sigma_t^2 + s / sigma_t^2 - log s - 1).
"""

from typing import NamedTuple

import numpy as np
from scipy import linalg, optimize

from skmtl.solvers.random_coefficients import Posterior, Prior, lower_factor

PSEUDO_TASKS, PSEUDO_ROWS = 8.0, 30.0
# Variances, where features and targets have the variance 1.
VARIANCES, START = (1e-10, 1e6), 0.1
NOISES, START_NOISE = (1e-8, 1e6), 0.7
START_MEAN = 1.0
FIXED_POINT_STEPS = 2  # they find the scale from anywhere
LARGEST_STEP = 3.0  # of a logarithm in one of these
LEAST_EXPECTED = 1e-6
DIAGONAL_STEPS = 5  # before those with a matrix
MEMORY = 20  # of L-BFGS


class Estimate(NamedTuple):
    """The best hyperparameters with their posterior, and how they were found.

    `noise_level` is s. `objective` holds the penalised log-likelihood after every step: it
    never falls.
    """

    posterior: Posterior
    noise_level: float
    objective: list
    converged: bool

    @property
    def prior(self):
        return self.posterior.prior


class DiagonalCovariance:
    """S = diag(exp(theta[groups])): the coefficients of a group have one variance.

    `levels` (n_groups,) says which groups are pulled towards the same level, and the mask `pooled`
    (n_groups,) of which the coefficients do not differ between tasks.
    """

    def __init__(self, groups, levels, pooled):
        self.groups, self.levels = groups, levels
        low, high = np.log(VARIANCES)
        self.start = np.where(pooled, low, np.log(START))
        self.bounds = [(low, low if fixed else high) for fixed in pooled]

    @classmethod
    def of(cls, form, n_features, n_coef):
        """For n_features slopes and n_coef - n_features intercepts, each with its own variance.

        Slopes have a variance each ("diagonal"), one for all ("spherical") or next to none
        ("intercept").
        """
        groups = np.arange(n_coef)
        if form != "diagonal":
            groups = np.maximum(groups - n_features + 1, 0)
        intercepts = np.bincount(groups, np.arange(n_coef) >= n_features) > 0
        return cls(groups, intercepts.astype(int), ~intercepts & (form == "intercept"))

    def covariance(self, theta):
        return np.exp(theta)[self.groups]

    def pairs(self, theta, moments):
        """(squares, expected): half their difference is the gradient by theta."""
        squares = np.bincount(self.groups, moments.squares)
        expected = np.bincount(self.groups, moments.expected)
        pull = PSEUDO_TASKS * common_levels(np.exp(-theta), self.levels) * np.exp(-theta)
        return squares + pull, expected + PSEUDO_TASKS

    def penalty(self, theta):
        levels = common_levels(np.exp(-theta), self.levels)
        return 0.5 * PSEUDO_TASKS * np.sum(theta - np.log(levels))


class MatrixCovariance:
    """What the forms of S that are matrices share.

    `levels` (n_coef,) says which coefficients are pulled towards the same variance.
    """

    def __init__(self, levels, n_pseudo):
        self.levels, self.n_pseudo = levels, n_pseudo

    def gradient(self, theta, moments):
        """By theta, of the likelihood and the pseudo-tasks."""
        _, inverse, levels = self._factors(theta)
        identity = np.eye(len(levels))
        difference = moments.squares - moments.expected
        difference += self.n_pseudo * ((inverse * levels) @ inverse.T - identity)
        return self.chain(theta, 0.5 * inverse.T @ difference @ inverse)

    def penalty(self, theta):
        root, _, levels = self._factors(theta)
        log_det = 2.0 * np.log(np.diag(root)).sum()
        return 0.5 * self.n_pseudo * (log_det - np.log(levels).sum())

    def _factors(self, theta):
        """R, its inverse, and the best common levels."""
        root = lower_factor(self.covariance(theta))
        inverse = linalg.solve_triangular(root, np.eye(len(root)), lower=True)
        return root, inverse, common_levels(np.sum(inverse**2, axis=0), self.levels)


class FullCovariance(MatrixCovariance):
    """S = L L', L = D (I + N): theta holds the logarithms of the diagonal D, and N below it."""

    def __init__(self, variances, levels):
        super().__init__(levels, PSEUDO_TASKS + len(levels))
        self.triangle = np.tril_indices(len(levels))
        self.on_diagonal = self.triangle[0] == self.triangle[1]
        self.start = np.zeros(len(self.on_diagonal))
        self.start[self.on_diagonal] = 0.5 * np.log(variances)
        limit = tuple(0.5 * np.log(VARIANCES))
        self.bounds = [limit if on else (None, None) for on in self.on_diagonal]

    def _parts(self, theta):
        """D and L."""
        scale, N = np.exp(theta[self.on_diagonal]), np.eye(len(self.levels))
        N[self.triangle] = np.where(self.on_diagonal, 1.0, theta)
        return scale, scale[:, None] * N

    def covariance(self, theta):
        _, L = self._parts(theta)
        return L @ L.T

    def chain(self, theta, by_covariance):
        scale, L = self._parts(theta)
        by_lower = 2.0 * by_covariance @ L
        below = by_lower * scale[:, None]
        below[np.diag_indices_from(below)] = np.sum(by_lower * L, axis=1)
        return below[self.triangle]


class LowRankCovariance(MatrixCovariance):
    """S = diag(exp(a)) + B B' with B (n_coef, rank); theta is a, then B."""

    def __init__(self, variances, levels, rank, random):
        super().__init__(levels, PSEUDO_TASKS)
        # From zero B would not move.
        B = random.standard_normal((len(levels), rank)) * np.sqrt(0.1 * variances / rank)[:, None]
        self.start = np.concatenate([np.log(variances), B.ravel()])
        self.bounds = [tuple(np.log(VARIANCES))] * len(levels) + [(None, None)] * B.size

    def _parts(self, theta):
        n_coef = len(self.levels)
        return np.exp(theta[:n_coef]), theta[n_coef:].reshape(n_coef, -1)

    def covariance(self, theta):
        own, B = self._parts(theta)
        return np.diag(own) + B @ B.T

    def chain(self, theta, by_covariance):
        own, B = self._parts(theta)
        return np.concatenate([np.diag(by_covariance) * own, (2.0 * by_covariance @ B).ravel()])


def common_levels(precisions, levels):
    """The best common level of each: the harmonic mean of the variances of the same level."""
    return (np.bincount(levels) / np.bincount(levels, precisions))[levels]


class MarginalLikelihood:
    """The penalised log-likelihood as a function of all logarithms.

    These are the parameters of S, the noise (one, or one per task) and the variance of m.
    """

    def __init__(self, data, family, *, free, noise_per_task, mean_is_zero):
        self.data, self.family, self.free = data, family, free
        self.mean_variances = (VARIANCES[0],) * 2 if mean_is_zero else VARIANCES
        self.n_noises = data.n_tasks if noise_per_task else 1
        self.best = None

    def start(self):
        noise, mean_variance = np.full(self.n_noises, START_NOISE), self.mean_variances[0]
        if mean_variance != self.mean_variances[1]:
            mean_variance = START_MEAN
        return np.concatenate([self.family.start, np.log(noise), [np.log(mean_variance)]])

    def bounds(self):
        noises = [tuple(np.log(NOISES))] * self.n_noises
        return [*self.family.bounds, *noises, tuple(np.log(self.mean_variances))]

    def split(self, theta):
        """Parameters of S, noise of every task, variance of m."""
        n_family = len(self.family.start)
        noise = np.exp(theta[n_family : n_family + self.n_noises])
        return theta[:n_family], np.broadcast_to(noise, self.data.n_tasks), np.exp(theta[-1])

    def prior(self, theta):
        family, noise, mean_variance = self.split(theta)
        precision = np.where(self.free, 0.0, 1.0 / mean_variance)
        return Prior(self.family.covariance(family), noise, precision)

    def value(self, theta):
        """(objective, posterior); the best so far is kept."""
        family, noise, _ = self.split(theta)
        posterior = Posterior(self.data, self.prior(theta))
        value = posterior.log_likelihood - self.family.penalty(family)
        if self.n_noises > 1:
            value -= 0.5 * PSEUDO_ROWS * np.sum(np.log(noise / noise_level(noise)))
        if self.best is None or value > self.best[0]:
            self.best = value, theta.copy()
        return value, posterior

    def noise_pairs(self, theta, moments):
        _, noise, _ = self.split(theta)
        if self.n_noises == 1:
            return moments.rss.sum(keepdims=True), moments.free.sum(keepdims=True)
        pull = PSEUDO_ROWS * noise_level(noise) / noise
        return moments.rss + pull, moments.free + PSEUDO_ROWS

    def pairs(self, theta, posterior):
        """(squares, expected) of all variances, for a diagonal S."""
        moments = posterior.moments()
        squares, expected = self.family.pairs(self.split(theta)[0], moments)
        rss, free = self.noise_pairs(theta, moments)
        mean, of_mean = posterior.mean_moments()
        return np.concatenate([squares, rss, [mean]]), np.concatenate([expected, free, [of_mean]])

    def gradient(self, theta, posterior):
        if posterior.root.ndim == 1:
            squares, expected = self.pairs(theta, posterior)
            return 0.5 * (squares - expected)
        moments = posterior.moments()
        rss, free = self.noise_pairs(theta, moments)
        mean, of_mean = posterior.mean_moments()
        family = self.family.gradient(self.split(theta)[0], moments)
        return np.concatenate([family, 0.5 * (rss - free), [0.5 * (mean - of_mean)]])


def noise_level(noise):
    """The level common to the tasks' noise, their harmonic mean."""
    return 1.0 / np.mean(1.0 / noise)


def fixed_point(likelihood, theta):
    """Some steps of every variance towards squares / expected, and the scales of theta there."""
    low, high = np.array(likelihood.bounds()).T
    for _ in range(FIXED_POINT_STEPS + 1):
        _, posterior = likelihood.value(theta)
        squares, expected = likelihood.pairs(theta, posterior)
        expected = np.maximum(expected, LEAST_EXPECTED)  # 0 for noise without rows to spare
        step = np.log(np.maximum(squares, np.finfo(float).tiny) / expected)
        theta = np.clip(theta + np.clip(step, -LARGEST_STEP, LARGEST_STEP), low, high)
    return theta, np.sqrt(2.0 / expected)


def climb(likelihood, theta, scale, *, tol, max_iter):
    """L-BFGS from theta, in units of scale: (objectives of the steps, whether it converged)."""

    def negative(x):
        value, posterior = likelihood.value(theta + scale * x)
        return -value, -scale * likelihood.gradient(theta + scale * x, posterior)

    bounds = [
        (None if low is None else (low - t) / s, None if high is None else (high - t) / s)
        for (low, high), t, s in zip(likelihood.bounds(), theta, scale, strict=True)
    ]
    objective = []
    first = likelihood.best[0] if likelihood.best else likelihood.value(theta)[0]
    found = optimize.minimize(
        negative,
        np.zeros(len(theta)),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        callback=lambda intermediate_result: objective.append(-float(intermediate_result.fun)),
        options={
            "maxiter": max_iter,
            "maxcor": MEMORY,
            "ftol": tol / max(abs(first), 1.0),
            "gtol": 0.0,
        },
    )
    converged = found.status != 1  # 2: no step raises it by more than rounding
    return objective or [float(first)], converged


def maximise(
    data, n_features, *, covariance, rank, noise_per_task, mean_is_zero, tol, max_iter, random
):
    """`Estimate` for CompressedTasks of standardised features and targets.

    Parameters
    ----------
    data : CompressedTasks
    n_features : int
        The other coefficients are intercepts, whose mean is free.
    covariance : {"diagonal", "spherical", "intercept", "full", "low_rank"}
    rank : int
        For "low_rank".
    noise_per_task, mean_is_zero : bool
    tol : float
        Stop when a step raises the objective by less.
    max_iter : int
    random : RandomState
        Of the start of "low_rank".
    """
    n_coef = data.stacks[0].X.shape[2]
    form = {
        "free": np.arange(n_coef) >= n_features,
        "noise_per_task": noise_per_task,
        "mean_is_zero": mean_is_zero,
    }
    matrix = covariance in ("full", "low_rank")
    family = DiagonalCovariance.of("diagonal" if matrix else covariance, n_features, n_coef)
    likelihood = MarginalLikelihood(data, family, **form)
    theta, scale = fixed_point(likelihood, likelihood.start())
    budget = min(max_iter, DIAGONAL_STEPS) if matrix else max_iter
    objective, converged = climb(likelihood, theta, scale, tol=tol, max_iter=budget)
    if matrix:
        _, theta = likelihood.best
        variances, levels = likelihood.prior(theta).covariance, family.levels
        if covariance == "full":
            family = FullCovariance(variances, levels)
        else:
            family = LowRankCovariance(variances, levels, rank, random)
        likelihood = MarginalLikelihood(data, family, **form)
        theta = np.concatenate([family.start, theta[n_coef:]])
        of_family = np.full(len(family.start), data.n_tasks**-0.5)
        scale = np.concatenate([of_family, scale[n_coef:]])
        objective, converged = climb(likelihood, theta, scale, tol=tol, max_iter=max_iter)
    posterior = likelihood.value(likelihood.best[1])[1]  # too large to be kept on the way
    return Estimate(posterior, noise_level(posterior.prior.noise), objective, converged)
