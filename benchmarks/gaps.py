"""Duality gaps of the multi-task lasso: the one judge of all methods.

Gaps are relative to the objective of W = 0. The dual point is the residual times the best factor
that keeps it feasible. Nothing here comes from skmtl, so that no method judges itself.
"""

import numpy as np


def relative_gap(X, Y, W, alpha):
    """Gap of W (n_features, n_tasks), all tasks on the same rows; X dense or sparse.

    The objective is 1 / (2 n) ||Y - X W||^2 + alpha ||W||_21.
    """
    residual = Y - X @ W
    n = X.shape[0]
    return _gap(
        null=np.sum(Y**2) / (2 * n),
        loss=np.sum(residual**2) / (2 * n),
        fitted=np.sum(Y * residual) / (2 * n),
        penalty=alpha * np.linalg.norm(W, axis=1).sum(),
        dual_norm=np.linalg.norm(X.T @ residual, axis=1).max() / (n * alpha),
    )


def relative_gap_own_rows(tasks, W, alpha):
    """Gap of W (n_features, n_tasks) on a list of tasks (X_t, y_t) with rows of their own.

    The objective is 1 / (2 n_bar) sum_t ||y_t - X_t w_t||^2 + alpha ||W||_21, with n_bar the mean
    number of rows of a task.
    """
    n_bar = sum(len(y) for _, y in tasks) / len(tasks)
    correlations = np.empty_like(W)
    null = loss = fitted = 0.0
    for t, (X, y) in enumerate(tasks):
        residual = y - X @ W[:, t]
        null += y @ y / (2 * n_bar)
        loss += residual @ residual / (2 * n_bar)
        fitted += y @ residual / (2 * n_bar)
        correlations[:, t] = X.T @ residual
    penalty = alpha * np.linalg.norm(W, axis=1).sum()
    dual_norm = np.linalg.norm(correlations, axis=1).max() / (n_bar * alpha)
    return _gap(null, loss, fitted, penalty, dual_norm)


def alpha_max_own_rows(tasks):
    """The smallest alpha at which no feature is selected."""
    n_bar = sum(len(y) for _, y in tasks) / len(tasks)
    correlations = np.column_stack([X.T @ y for X, y in tasks])
    return np.linalg.norm(correlations, axis=1).max() / n_bar


def _gap(null, loss, fitted, penalty, dual_norm):
    """(primal - dual) / null; `null`, `loss`, `fitted` are half the products YY, RR, YR.

    The dual at s R is null - ||Y - s R||^2 / 2 = 2 s YR - s^2 RR, whose best s is YR / RR.
    """
    best = fitted / loss if loss > 0 else 0.0
    scale = min(max(best, 0.0), 1.0 / dual_norm if dual_norm > 0 else np.inf)
    dual = 2 * scale * fitted - scale**2 * loss
    return float((loss + penalty - dual) / null)
