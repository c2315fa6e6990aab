"""Density ratios as sums of kernels: least squares in closed form, and maximal likelihood."""

from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve

TINY = np.finfo(np.float64).tiny
TO_BOUNDARY = 0.99


class Ratio(NamedTuple):
    """Coefficients (n_centers,) >= 0; the log-likelihood is at most gap below the maximum."""

    coef: np.ndarray
    gap: float
    n_iter: int
    converged: bool


class LeastSquaresRatio:
    """Least-squares fit of w(x) = sum_l a_l k_l(x) to the ratio of two densities.

    One decomposition for all penalties. Kanamori, Hido, Sugiyama 2009.

    Parameters
    ----------
    source : ndarray of shape (n_source, n_centers)
        Kernels at the rows of the denominator.
    target : ndarray of shape (n_target, n_centers)
        Those of the numerator.
    """

    def __init__(self, source, target):
        self.source, self.target = source, target
        self.mean = target.mean(axis=0)
        values, self.vectors = np.linalg.eigh(source.T @ source / len(source))
        self.values = np.maximum(values, 0.0)
        self.rotated_source, self.rotated_target = source @ self.vectors, target @ self.vectors
        self.rotated_mean = self.mean @ self.vectors

    def solve(self, alpha):
        """Coefficients, negative ones set to zero (eq. 9)."""
        free = self.vectors @ (self.rotated_mean / (self.values + alpha))
        return np.maximum(free, 0.0)

    def leave_one_out(self, alpha):
        """1/2 mean w(x)^2 over source rows minus mean w(x) over target rows, each left out.

        The paper leaves out pairs of rows, one of each sample; here every row is by itself, so
        that the result does not depend on which rows are paired.
        """
        n, m = len(self.source), len(self.target)
        if n < 2 or m < 2:
            return np.inf
        shifted = 1.0 / (self.values + alpha * (n - 1) / n)
        solved = self.rotated_source * shifted
        leverage = np.einsum("ij,ij->i", solved, self.rotated_source)
        solution = self.rotated_mean * shifted
        pulls = self.rotated_source @ solution / (n - leverage)
        coef = (solution + solved * pulls[:, None]) @ self.vectors.T * ((n - 1) / n)
        at_source = np.einsum("ij,ij->i", self.source, np.maximum(coef, 0.0))
        right = (m * self.rotated_mean - self.rotated_target) / (m - 1)
        coef = (right / (self.values + alpha)) @ self.vectors.T
        at_target = np.einsum("ij,ij->i", self.target, np.maximum(coef, 0.0))
        return 0.5 * np.mean(at_source**2) - np.mean(at_target)


def likelihood_ratio(source_mean, target, *, tol, max_iter):
    """Maximise mean log(target @ a) over a >= 0 with source_mean @ a = 1.

    With b = source_mean * a this is the maximum of mean log(A b) over the simplex, which is that
    of mean log(A b) - sum b over b >= 0; primal-dual interior-point steps on the latter.
    Sugiyama et al. 2008, eq. 9.

    Parameters
    ----------
    source_mean : ndarray of shape (n_centers,)
        Mean over the rows of the denominator, above 0.
    target : ndarray of shape (n_target, n_centers)
    tol : float
        Gap of the mean log-likelihood to reach.
    max_iter : int

    Returns
    -------
    Ratio
    """
    A = target / source_mean
    n_rows, n_centers = A.shape
    b = np.full(n_centers, 1.0 / n_centers)
    z = np.ones(n_centers)
    best, gap = b, np.inf
    for iteration in range(max_iter + 1):
        fitted = np.maximum(A @ b, TINY)
        slope = A.T @ (1.0 / fitted) / n_rows
        # The likelihood is concave and homogeneous: for b on the simplex, scaled by sum b.
        reached = slope.max() * b.sum() - 1.0
        if reached < gap:
            best, gap = b / b.sum(), max(reached, 0.0)
        if gap <= tol or iteration == max_iter:
            break
        curvature = (A / fitted[:, None]).T @ (A / fitted[:, None]) / n_rows
        centre = 0.1 * (b @ z) / n_centers
        curvature[np.diag_indices(n_centers)] += z / b
        factor = cho_factor(curvature, lower=True, overwrite_a=True, check_finite=False)
        step = cho_solve(factor, slope - 1.0 + centre / b, check_finite=False)
        dual = centre / b - z - z / b * step
        b = b + longest(b, step) * step
        z = z + longest(z, dual) * dual
    return Ratio(best / source_mean, float(gap), iteration, gap <= tol)


def longest(values, change):
    """Longest step up to 1 that keeps positive values away from 0."""
    falls = change < 0
    return min(1.0, TO_BOUNDARY * (-values[falls] / change[falls]).min(initial=np.inf))
