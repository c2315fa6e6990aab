"""The logistic loss of a task around its own fit, as the statistics of a least-squares problem."""

import numpy as np
from scipy import sparse

from skmtl.losses import LogisticLoss
from skmtl.solvers.ella import TaskStatistics
from skmtl.solvers.factors import TINY, solve_positive

MOST_STEPS = 100
HALVINGS = 30
DECREMENT = 1e-20  # of Newton, relative to the weight of the rows


def local_statistics(X, y, weights, known, *, ridge, fit_intercept):
    """The second-order expansion of the loss of some rows at the ridge fit of their task.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
        0 or 1.
    weights : ndarray of shape (n_rows,)
    known : TaskStatistics
        Of earlier rows of the task; their expansion counts in the fit.
    ridge : float
        Of the fit.

    Returns
    -------
    TaskStatistics
        Of these rows: those of the working responses z + (y - p) / h with the weights h of
        iteratively reweighted least squares.
    """
    loss = LogisticLoss()
    p = X.shape[1]
    prior, linear = _joint(known, fit_intercept)
    prior[np.arange(p), np.arange(p)] += ridge

    def value(theta, z):
        return weights @ loss.value(y, z) + theta @ (0.5 * (prior @ theta) - linear)

    theta = np.zeros(p + 1)
    z = np.zeros(len(y))
    for _ in range(MOST_STEPS):
        slope = weights * loss.gradient(y, z)
        gradient = np.append(X.T @ slope, slope.sum()) + prior @ theta - linear
        hessian = _squares(X, weights * loss.curvature(y, z), fit_intercept) + prior
        if not fit_intercept:
            gradient[p], hessian[p, p] = 0.0, 1.0
        step = solve_positive(hessian, -gradient)
        decrement = -gradient @ step
        if decrement <= DECREMENT * weights.sum():
            break
        before, size = value(theta, z), 1.0
        move = X @ step[:p] + step[p]
        for _ in range(HALVINGS):
            if value(theta + size * step, z + size * move) <= before - 1e-4 * size * decrement:
                break
            size *= 0.5
        else:
            break  # only rounding is left
        theta, z = theta + size * step, z + size * move
    curvature = np.maximum(weights * loss.curvature(y, z), TINY)
    response = z - weights * loss.gradient(y, z) / curvature
    return _weighted(X, response, curvature, float(weights.sum()), fit_intercept)


def _joint(known, fit_intercept):
    """The quadratic of some statistics in (w, b): its matrix and its linear term."""
    p = len(known.x_mean)
    matrix, linear = np.zeros((p + 1, p + 1)), np.zeros(p + 1)
    matrix[:p, :p], linear[:p] = known.gram, known.cross
    if fit_intercept:
        ends = np.append(known.x_mean, 1.0)
        matrix += known.mass * ends[:, None] * ends
        linear += known.mass * known.y_mean * ends
    return matrix, linear


def _squares(X, weights, fit_intercept):
    """The weighted Gram matrix of [X, 1]."""
    p = X.shape[1]
    squares = np.zeros((p + 1, p + 1))
    if sparse.issparse(X):
        squares[:p, :p] = (X.multiply(weights[:, None]).T @ X).toarray()
    else:
        squares[:p, :p] = (X * weights[:, None]).T @ X
    if fit_intercept:
        squares[:p, p] = squares[p, :p] = X.T @ weights
        squares[p, p] = weights.sum()
    return squares


def _weighted(X, response, weights, size, fit_intercept):
    """TaskStatistics of a weighted least-squares problem."""
    mass, p = float(weights.sum()), X.shape[1]
    x_mean, y_mean = np.zeros(p), 0.0
    if fit_intercept:
        x_mean, y_mean = X.T @ weights / mass, float(weights @ response / mass)
    centred = response - y_mean
    if not sparse.issparse(X):  # before the squares, which keeps their digits
        X = X - x_mean
        gram, cross = (X * weights[:, None]).T @ X, X.T @ (weights * centred)
    else:
        gram = _squares(X, weights, False)[:p, :p] - mass * x_mean[:, None] * x_mean
        cross = X.T @ (weights * centred) - x_mean * (weights @ centred)
    return TaskStatistics(size, mass, x_mean, y_mean, gram, cross, float(weights @ centred**2))
