"""Ridge towards a prior that mixes the predictions of sources, weighed by rows left out."""

import numpy as np
from scipy import optimize, sparse

from skmtl.solvers.closed_form import EPS, RidgePath, chunks, reciprocal, removed_share

ROW_CHUNK = 1024
PRICE = 0.5  # in the odds of models that transfer: that of one fitted parameter


class TransferPath(RidgePath):
    """Ridge of a target and of the predictions of sources, all from one decomposition.

    The ridge of y - F a, with sources F (n_rows, n_sources) and weights a, is linear in its
    target: that of y less those of the columns of F times a. So are its errors on rows that are
    left out.

    Parameters
    ----------
    design : Design
        With Y = [y, F].
    """

    def leave_one_out_residuals(self, alpha):
        """Errors (n_rows, 1 + n_sources) of every row when it is left out, times sqrt(weight)."""
        removed = removed_share(self.squared, np.array([alpha]))
        moved = removed * self.projected
        residuals = np.empty(self.design.Y.shape)
        for rows, left in self._row_chunks():
            residual, spare = self._unexplained(rows, left)
            residual += left @ moved
            residual *= reciprocal(spare[:, None] + (left * left) @ removed)
            residuals[rows] = residual
        return residuals

    def held_out_residuals(self, alpha, X, Y, weights):
        """Errors (n_rows, 1 + n_sources) on other rows, times sqrt(weight)."""
        coef = self.coef(alpha)
        residuals = np.empty(Y.shape)
        X = X.tocsr() if sparse.issparse(X) else X
        for rows in chunks(len(Y), ROW_CHUNK):
            predicted = X[rows] @ coef - self.design.x_mean @ coef
            residuals[rows] = Y[rows] - self.design.y_mean - predicted
        return residuals * np.sqrt(weights)[:, None]


def source_weights(residuals, *, whole=False):
    """argmin_a ||e - E a||^2 over a >= 0, sum(a) <= 1 (or = 1 if `whole`), for residuals [e, E].

    The residual is a point in the convex hull of e and of e - E_k: the one of least norm is found
    by non-negative least squares, since min_u ||R u||^2 + (sum(u) - 1)^2 has u in the direction
    of the best weights (Lawson, Hanson 1974, chapter 23).

    Returns
    -------
    ndarray of shape (n_sources,)
    """
    corners = residuals[:, :1] - residuals
    corners[:, 0] = residuals[:, 0]
    corners = np.linalg.qr(corners, mode="r")
    largest = np.abs(corners).max(initial=0.0)
    n_sources = residuals.shape[1] - 1
    if largest == 0.0 or n_sources == 0:
        equal = whole or len(residuals) == 1  # of one row nothing can be told
        return np.full(n_sources, 1.0 / max(n_sources, 1) if equal else 0.0)
    if whole:
        corners = corners[:, 1:]
    corners = np.vstack([corners / largest, np.ones(corners.shape[1])])
    goal = np.zeros(len(corners))
    goal[-1] = 1.0
    mixture = optimize.nnls(corners, goal)[0]
    weights = (mixture if whole else mixture[1:]) / mixture.sum()
    weights[weights < 4.0 * EPS] = 0.0
    return weights


def candidate_weights(logs):
    """Weights (2, n_penalties) of the models whose mean is to be taken.

    Of the target alone (row 0) only the best is a candidate. It and the best with sources share
    the weight by their odds, less the price of having chosen weights for the sources; the part
    of the latter is divided among all with sources.

    Parameters
    ----------
    logs : ndarray of shape (2, n_penalties)
        Logarithms of odds, of the target alone in row 0.
    """
    odds = np.exp(logs - logs.max())
    alone, transferred = odds.max(axis=1) * np.exp([0.0, -PRICE])
    weights = np.zeros(logs.shape)
    weights[0, np.argmax(odds[0])] = alone
    weights[1] = transferred * odds[1] / max(odds[1].sum(), np.finfo(float).tiny)
    return weights / weights.sum()


def log_odds_of_errors(errors, n_rows):
    """Of models by their mean squared errors on rows left out.

    Leung, Barron 2006, eq. 9: -n error / (4 variance), with the variance of the candidate itself.
    """
    return -0.25 * n_rows * np.log(np.maximum(errors, np.finfo(float).tiny))
