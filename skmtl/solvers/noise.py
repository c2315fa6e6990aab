"""The noise of every task, from a model that is the same whatever is fitted afterwards.

Residual variances come from the random coefficients w_t ~ N(m, diag(S)) at their largest marginal
likelihood, or, where that would take long, from one ridge per task. What few rows say of their
task's noise is then moderated by all tasks.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln

from skmtl.solvers.empirical_bayes import maximise
from skmtl.solvers.hierarchical import Standardisation, compress_tasks
from skmtl.solvers.mean_regularized import overall_mean, overall_variance
from skmtl.solvers.ridge_per_task import ridge_paths

LARGEST_STEP = 5e6  # operations of a step of the likelihood: some 5 ms
LEAST_SHARE = 1e-8  # of the mean square of the targets: less noise is none
PRIOR_SIZES = np.geomspace(2.0, 2e3, 25)
LARGEST_RATIO = 10.0  # of a factor to the median: tasks without noise must not starve the rest
BISECTIONS = 60
TOL, MAX_ITER = 1e-2, 200
EPS = np.finfo(float).eps


class Residuals(NamedTuple):
    """Residual variances (n_tasks,), and the degrees of freedom they are from (0: unknown)."""

    variance: np.ndarray
    freedom: np.ndarray


def noise_weights(data, *, fit_intercept=True):
    """Factors (n_tasks,) that are proportional to 1 / noise variance, with mean 1 over the rows.

    None is more than ten times the median.

    Parameters
    ----------
    data : TaskData
    fit_intercept : bool, default=True

    Raises
    ------
    ValueError
        For sparse X that is too large both ways for a decomposition.
    """
    sizes = data.task_sizes()
    if np.sum(sizes > 0) < 2:
        return np.ones(data.n_tasks)
    form = likelihood_residuals if _likelihood_is_cheap(data) else ridge_residuals
    residuals = form(data, fit_intercept)
    known = (residuals.freedom > 0) & ~constant_targets(data)
    precision = moderated_precision(residuals.variance, np.where(known, residuals.freedom, 0.0))
    precision = np.minimum(precision, LARGEST_RATIO * np.median(precision))
    return precision * (sizes.sum() / (sizes @ precision))


def _likelihood_is_cheap(data):
    n_coef = data.n_features + 1
    rows = [(min(len(weights), n_coef), len(tasks)) for tasks, _, weights in data.groups()]
    return n_coef * sum(n_rows**2 * n_tasks for n_rows, n_tasks in rows) <= LARGEST_STEP


def likelihood_residuals(data, fit_intercept):
    """Residuals of the random coefficients."""
    standard = Standardisation.of(data, fit_intercept=fit_intercept, standardize=True)
    posterior = maximise(
        compress_tasks(data, standard),
        data.n_features,
        covariance="diagonal",
        rank=1,
        noise_per_task=True,
        mean_is_zero=False,
        tol=TOL,
        max_iter=MAX_ITER,
        random=None,
    ).posterior
    # The noise of this estimate was pulled to a common level by pseudo-rows; one step without
    # them undoes that.
    moments, noise = posterior.moments(), posterior.prior.noise
    freedom = np.maximum(moments.free, 0.0)
    variance = noise * moments.rss / np.maximum(freedom, EPS)
    return Residuals(np.maximum(variance, LEAST_SHARE) * standard.y_scale**2, freedom)


def ridge_residuals(data, fit_intercept):
    """Residuals of one ridge per task, each at the penalty of least generalised cross-validation.

    Golub, Heath, Wahba 1979, *Generalized cross-validation as a method for choosing a good ridge
    parameter*, Technometrics 21.
    """
    variances = overall_variance(data, overall_mean(data))
    variances = variances[variances > 0]
    scale = np.median(variances) if len(variances) else 1.0
    alphas = scale * np.logspace(-4, 8, 25)
    variance, freedom = np.zeros(data.n_tasks), np.zeros(data.n_tasks)
    squares = 0.0
    for path in ridge_paths(data, fit_intercept):
        design, tasks = path.design, path.design.tasks
        removed = alphas / (path.squared[:, None] + alphas)  # (rank, n_alphas)
        total = np.sum(design.Y**2, axis=0)
        rest = np.maximum(total - np.sum(path.projected**2, axis=0), 0.0)
        rss = (path.projected**2).T @ removed**2 + rest[:, None]
        size = design.weights.sum()
        free = size - fit_intercept - np.sum(1.0 - removed, axis=0)
        score = np.where(free > EPS * size, rss / np.maximum(free, EPS * size) ** 2, np.inf)
        best = np.argmin(score, axis=1)
        freedom[tasks] = np.maximum(free[best], 0.0)
        variance[tasks] = rss[np.arange(len(tasks)), best] / np.maximum(free[best], EPS * size)
        squares += total.sum()
    floor = LEAST_SHARE * squares / data.task_sizes().sum()
    return Residuals(np.maximum(variance, floor), freedom)


def constant_targets(data):
    """Mask (n_tasks,) of tasks of which the targets do not vary: they say nothing about noise."""
    constant = np.ones(data.n_tasks, dtype=bool)
    for tasks, rows, weights in data.groups():
        if len(weights):
            y = data.y[rows] if data.y.ndim == 1 else data.y[rows][:, tasks]
            low, high = y.min(axis=0), y.max(axis=0)
            constant[tasks] = high - low <= 8.0 * EPS * np.maximum(-low, high)
    return constant


def moderated_precision(variance, freedom):
    """Expected 1 / sigma_t^2 of every task, given the residual variances of all.

    sigma_t^2 has a scaled inverse chi-square distribution of n_0 degrees of freedom, common to all
    tasks: its scale is at the maximum of the marginal likelihood, and n_0 is integrated out over a
    grid. So tasks whose noise differs by no more than chance get the same precision.

    Smyth 2004, *Linear models and empirical Bayes methods for assessing differential expression in
    microarray experiments*, Statistical Applications in Genetics and Molecular Biology 3.
    """
    known = freedom > 0
    if not known.any() or not variance[known].max() > 0:
        return np.ones(len(variance))
    unit = variance[known].max()
    own, d = freedom * np.where(known, variance / unit, 0.0), freedom
    n_0 = PRIOR_SIZES[:, None]
    scale = _best_scale(own[known], d[known], n_0)
    total = d[known] + n_0
    likelihood = gammaln(total / 2) - gammaln(n_0 / 2) + n_0 / 2 * np.log(scale)
    likelihood -= total / 2 * np.log(scale + own[known])
    likelihood = likelihood.sum(axis=1)
    share = np.exp(likelihood - likelihood.max())
    precision = (d + n_0) / (scale + own)
    return share @ precision / share.sum() / unit


def _best_scale(own, d, n_0):
    """n_0 s_0^2 (n_sizes, 1) of largest likelihood: the root of an increasing function.

    At the root, sum_t (d_t + n_0) q / (q + d_t s_t^2) = n_tasks n_0.
    """
    low = np.log(n_0 * (own / d).min()) - 1.0
    high = np.log(n_0 * (own / d).max()) + 1.0
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        q = np.exp(middle)
        above = np.sum((d + n_0) * q / (q + own), axis=1, keepdims=True) > len(own) * n_0
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.exp(0.5 * (low + high))
