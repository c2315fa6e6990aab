"""Logistic regression beside fixed log-odds, the offset, by Newton steps; mixtures of log-odds."""

from typing import NamedTuple

import numpy as np
from scipy import linalg, sparse

from skmtl.losses import LogisticLoss, MultinomialLoss
from skmtl.solvers.transfer_ridge import source_weights

LARGEST_DIRECT = 300  # unknowns up to which the Hessian is factorised
HALVINGS = 40
MOST_PRODUCTS = 500  # of the Hessian, for one Newton step
STACKING_STEPS = 50


class LogisticSolution(NamedTuple):
    """Coefficients (n_features, n_scores), intercepts (n_scores,) and their certificate.

    ``gap`` is half the squared Newton decrement before the last step, relative to the loss of
    equal probabilities: about how far the objective was above its minimum then.
    """

    coef: np.ndarray
    intercept: np.ndarray
    gap: float
    n_iter: int
    converged: bool


class OffsetLogistic:
    """sum_i v_i loss(y_i, o_i + x_i'D + b) + alpha / 2 ||D||^2 for many offsets o and alphas.

    Parameters
    ----------
    X : ndarray or csr matrix of shape (n_rows, n_features)
    Y : ndarray of shape (n_rows, 1) or (n_rows, n_classes)
        0 or 1 for two classes, one-hot labels for more.
    weights : ndarray of shape (n_rows,)
    fit_intercept : bool
    """

    def __init__(self, X, Y, weights, *, fit_intercept):
        self.Y, self.weights = Y, weights[:, None]
        self.fit_intercept = fit_intercept
        self.loss = LogisticLoss() if Y.shape[1] == 1 else MultinomialLoss()
        self.null = float(weights.sum() * np.log(max(Y.shape[1], 2)))
        X = X if sparse.issparse(X) else np.asarray(X, dtype=np.float64)
        self.X, self.basis = X, None
        n_rows, n_features = X.shape
        # All solutions are in the span of the rows.
        if n_rows < n_features and (n_rows + 1) * Y.shape[1] <= LARGEST_DIRECT:
            self.X, self.basis = span_of_rows(X)
        small = (self.X.shape[1] + 1) * Y.shape[1] <= LARGEST_DIRECT
        self.direct = small and not sparse.issparse(self.X)

    def solve(self, offset, alpha, *, tol, max_iter, start=None):
        """Minimise for an offset (n_rows, n_scores); start is the (D, b) of a similar problem.

        Returns
        -------
        LogisticSolution
        """
        n_scores = self.Y.shape[1]
        theta, b = np.zeros((self.X.shape[1], n_scores)), np.zeros(n_scores)
        if start is not None:
            theta, b = start[0] if self.basis is None else self.basis.T @ start[0], start[1]
        z = offset + self.X @ theta + b
        value, gap, converged, n_iter = self._value(theta, z, alpha), np.inf, False, 0
        while n_iter < max_iter and not converged:
            n_iter += 1
            slope = self.weights * self.loss.gradient(self.Y, z)
            gradient = self.X.T @ slope + alpha * theta, slope.sum(axis=0) * self.fit_intercept
            move, shift = (self._factorised if self.direct else self._iterated)(z, alpha, *gradient)
            decrement = -np.vdot(gradient[0], move) - gradient[1] @ shift
            gap = 0.5 * decrement / self.null
            converged = bool(gap <= tol)
            change, size = self.X @ move + shift, 1.0
            for _ in range(HALVINGS):
                new = theta + size * move
                lower = self._value(new, z + size * change, alpha)
                if lower <= value - 1e-4 * size * decrement:
                    break
                size *= 0.5
            else:  # only rounding is left
                converged = converged or bool(gap <= 1e-12)
                break
            theta, b, z, value = new, b + size * shift, z + size * change, lower
        coef = theta if self.basis is None else self.basis @ theta
        return LogisticSolution(coef, b, max(float(gap), 0.0), n_iter, converged)

    def _value(self, theta, z, alpha):
        loss = np.sum(self.weights * self.loss.value(self.Y, z))
        return loss + 0.5 * alpha * np.vdot(theta, theta)

    def _factorised(self, z, alpha, slope, total):
        """The Newton step by a factorisation of the Hessian."""
        curvature = self.weights[:, :, None] * self.loss.hessian(self.Y, z).reshape(*z.shape, -1)
        p, n_scores = slope.shape
        side = p + self.fit_intercept
        hessian = np.empty((n_scores, side, n_scores, side))
        for k in range(n_scores):
            for m in range(k + 1):
                hessian[k, :, m] = squares(self.X, curvature[:, k, m], self.fit_intercept)
                hessian[m, :, k] = hessian[k, :, m].T
        hessian = hessian.reshape(n_scores * side, -1)
        right = -slope.T
        if self.fit_intercept:
            right = np.column_stack([right, -total])
            # One constant for all classes changes nothing.
            ends = np.arange(p, n_scores * side, side)
            scale = np.abs(hessian[ends, ends]).mean()
            if n_scores > 1:
                hessian[np.ix_(ends, ends)] += scale / n_scores
            hessian[ends, ends] += 1e-14 * scale + np.finfo(float).tiny
        penalised = (np.arange(n_scores * side) % side) < p
        hessian[penalised, penalised] += alpha
        step = solve_definite(hessian, right.ravel()).reshape(n_scores, side)
        return step[:, :p].T, step[:, p] if self.fit_intercept else np.zeros(n_scores)

    def _iterated(self, z, alpha, slope, total):
        """The Newton step by preconditioned conjugate gradients.

        As exact as the gradient is small, which makes the steps converge superlinearly.
        """
        bend = self.loss.bend(self.Y, z)
        curvature = self.weights * np.diagonal(
            self.loss.hessian(self.Y, z).reshape(*z.shape, -1), axis1=1, axis2=2
        )
        squared = self.X.multiply(self.X) if sparse.issparse(self.X) else self.X**2
        metric = alpha + np.asarray(squared.T @ curvature)
        mass = max(curvature.sum() / z.shape[1], np.finfo(float).tiny)

        def product(move, shift):
            bent = self.weights * bend(self.X @ move + shift)
            return self.X.T @ bent + alpha * move, bent.sum(axis=0) * self.fit_intercept

        move, shift = np.zeros_like(slope), np.zeros_like(total)
        left, rest = -slope, -total
        scaled, scaled_rest = left / metric, rest / mass
        along, along_shift = scaled, scaled_rest
        size = first = np.vdot(left, scaled) + rest @ scaled_rest
        goal = first * min(0.01, first / self.null) + np.finfo(float).tiny
        for _ in range(MOST_PRODUCTS):
            if size <= goal:
                break
            image, image_shift = product(along, along_shift)
            length = size / (np.vdot(along, image) + along_shift @ image_shift)
            move, shift = move + length * along, shift + length * along_shift
            left, rest = left - length * image, rest - length * image_shift
            scaled, scaled_rest = left / metric, rest / mass
            size, before = np.vdot(left, scaled) + rest @ scaled_rest, size
            along = scaled + size / before * along
            along_shift = scaled_rest + size / before * along_shift
        return move, shift


def span_of_rows(X):
    """(Z, V) with X = Z V' and orthonormal columns of V."""
    if not sparse.issparse(X):
        left, scale, right = np.linalg.svd(X, full_matrices=False)
        return left * scale, right.T
    squared, left = np.linalg.eigh((X @ X.T).toarray())
    kept = squared > len(squared) * np.finfo(float).eps * max(squared[-1], 0.0)
    left, scale = left[:, kept], np.sqrt(squared[kept])
    return left * scale, X.T @ (left / scale)


def squares(X, weights, fit_intercept):
    """[X, 1]' diag(weights) [X, 1], or without the column of ones."""
    p = X.shape[1]
    out = np.empty((p + fit_intercept, p + fit_intercept))
    out[:p, :p] = (X * weights[:, None]).T @ X
    if fit_intercept:
        out[:p, p] = out[p, :p] = X.T @ weights
        out[p, p] = weights.sum()
    return out


def solve_definite(matrix, right):
    """By Cholesky, or in the least-squares sense if rounding has made the matrix indefinite."""
    try:
        return linalg.cho_solve(linalg.cho_factor(matrix, lower=True), right)
    except linalg.LinAlgError:
        return np.linalg.lstsq(matrix, right, rcond=None)[0]


def stack_log_odds(alone, differences, Y, weights):
    """argmin_a sum_i v_i loss(y_i, z_i + sum_k a_k d_ik) over a >= 0, sum(a) <= 1.

    Parameters
    ----------
    alone : ndarray of shape (n_rows, n_scores)
        Log-odds z without sources.
    differences : ndarray of shape (n_sources, n_rows, n_scores)
        What each source changes.
    Y : ndarray of shape (n_rows, n_scores)
    weights : ndarray of shape (n_rows,)

    Returns
    -------
    ndarray of shape (n_sources,)
    """
    loss = LogisticLoss() if Y.shape[1] == 1 else MultinomialLoss()
    v, n_sources = weights[:, None], len(differences)
    a = np.zeros(n_sources)

    def value(a):
        return np.sum(v * loss.value(Y, alone + np.tensordot(a, differences, axes=1)))

    before = value(a)
    for _ in range(STACKING_STEPS if n_sources and len(Y) else 0):
        z = alone + np.tensordot(a, differences, axes=1)
        bend = loss.bend(Y, z)
        flat = differences.reshape(n_sources, -1)
        bent = np.stack([(v * bend(move)).ravel() for move in differences])
        gradient, hessian = flat @ (v * loss.gradient(Y, z)).ravel(), flat @ bent.T
        # Sources may change nothing, or all the same; this changes the loss by 1e-12 at most.
        damping = 1e-12 * (abs(np.trace(hessian)) + before) + np.finfo(float).tiny
        hessian[np.diag_indices(n_sources)] += damping
        # The quadratic model g'm + m'Hm / 2 is ||L'm + L^-1 g||^2 / 2, with H = L L'.
        root = np.linalg.cholesky(hessian)
        residual = linalg.solve_triangular(root, gradient, lower=True) - root.T @ a
        move = source_weights(np.column_stack([residual, -root.T])) - a
        falling, size = -(gradient @ move), 1.0
        if falling <= 1e-12 * max(before, np.finfo(float).tiny):
            break
        while value(a + size * move) > before - 1e-4 * size * falling and size > 1e-12:
            size *= 0.5
        a = a + size * move
        before = value(a)
    return a
