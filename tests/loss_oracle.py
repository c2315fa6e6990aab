"""Objectives of tasks with different losses, written a second time for cvxpy and numpy."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import huber, logsumexp, xlogy


def with_targets(case, kinds, *, scale=1.0, seed=0):
    """The case with other targets: task t is of kinds[t % len(kinds)].

    "squared", "huber" (some far outliers), "poisson", or the number of labels of a task.
    """
    rng = np.random.RandomState(seed)
    y, tasks = np.array(case.y, dtype=float), []
    for t, ((X, target, v), rows) in enumerate(zip(case.tasks, case.rows, strict=True)):
        kind, unit = kinds[t % len(kinds)], (target - target.mean()) / target.std()
        if kind == "poisson":
            new = rng.poisson(scale * np.exp(unit)).astype(float)
        elif kind == "huber":
            new = scale * np.where(rng.uniform(size=len(unit)) < 0.2, 30.0 * unit, unit)
        elif kind == "squared":
            new = scale * target
        else:
            noisy = unit + rng.logistic(size=len(unit))
            new = np.searchsorted(np.quantile(noisy, np.linspace(0, 1, kind + 1)[1:-1]), noisy)
            new = new.astype(float)
        tasks.append((X, new, v))
        y[(rows, t) if y.ndim == 2 else rows] = new
    return replace(case, y=y, tasks=tasks)


def loss_value(kind, y, z, epsilon):
    """Losses of the targets y and predictions z (n, n_columns)."""
    if kind == "squared":
        return (y - z[:, 0]) ** 2 / 2
    if kind == "huber":
        return huber(epsilon, y - z[:, 0])
    if kind == "poisson":
        return np.exp(z[:, 0]) - y * z[:, 0] - y + xlogy(y, y)
    if z.shape[1] == 1:
        z = np.column_stack([np.zeros(len(z)), z])
    return logsumexp(z, axis=1) - z[np.arange(len(y)), y.astype(int)]


def objective(case, kinds, coefs, intercepts, parts, *, epsilon=1.35, task_weight=None):
    """Weighted losses and penalty of coefs, one array (n_features, n_columns) per task."""
    total = 0.0
    for t, (X, y, v) in enumerate(case.weighted_tasks(task_weight)):
        z = X @ coefs[t] + intercepts[t]
        total += v @ loss_value(kinds[t % len(kinds)], y, z, epsilon) / case.n_bar
    W = np.hstack(coefs)
    for kind, alpha, factor in parts:
        factor = np.ones(len(W)) if factor is None else np.asarray(factor)
        rows = {
            "L21": np.linalg.norm(W, axis=1),
            "L1": np.abs(W).sum(axis=1),
            "SquaredL2": (W**2).sum(axis=1) / 2,
        }[kind]
        total += alpha * factor @ rows
    return total


def optimum(case, kinds, parts, *, epsilon=1.35, fit_intercept=True, task_weight=None):
    """The minimum of the objective, found by an interior-point method."""
    cvxpy = pytest.importorskip("cvxpy", reason="the oracle is cvxpy")
    loss, columns = 0.0, []
    for t, (X, y, v) in enumerate(case.weighted_tasks(task_weight)):
        kind = kinds[t % len(kinds)]
        n_columns = kind if isinstance(kind, int) and kind > 2 else 1
        W = cvxpy.Variable((case.n_features, n_columns))
        b = cvxpy.Variable((1, n_columns))
        columns.append(W)
        Z = X @ W + (np.ones((len(y), 1)) @ b if fit_intercept else 0.0)
        z = Z[:, 0]
        if kind == "squared":
            terms = cvxpy.square(y - z) / 2
        elif kind == "huber":
            terms = cvxpy.huber(y - z, epsilon) / 2
        elif kind == "poisson":
            terms = cvxpy.exp(z) - cvxpy.multiply(y, z) - (y - xlogy(y, y))
        elif n_columns == 1:
            terms = cvxpy.logistic(cvxpy.multiply(1 - 2 * y, z))
        else:
            own = cvxpy.sum(cvxpy.multiply(np.eye(kind)[y.astype(int)], Z), axis=1)
            terms = cvxpy.log_sum_exp(Z, axis=1) - own
        loss = loss + v @ terms / case.n_bar
    W = cvxpy.hstack(columns)
    for kind, alpha, factor in parts:
        factor = np.ones(case.n_features) if factor is None else np.asarray(factor)
        rows = {
            "L21": lambda: cvxpy.norm(W, 2, axis=1),
            "L1": lambda: cvxpy.sum(cvxpy.abs(W), axis=1),
            "SquaredL2": lambda: cvxpy.sum(cvxpy.square(W), axis=1) / 2,
        }[kind]()
        loss = loss + alpha * factor @ rows
    problem = cvxpy.Problem(cvxpy.Minimize(loss))
    tolerances = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem.solve(solver="CLARABEL", **tolerances)
    return problem.value
