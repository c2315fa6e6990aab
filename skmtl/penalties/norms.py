"""Norms of single coefficients and of rows, and the squared norm."""

import numpy as np

from skmtl.penalties.base import FactoredPenalty, row_norms, sparse_group_dual_norms


class L21(FactoredPenalty):
    """Row-wise group norm alpha * sum_j factor_j ||w_j||_2: features shared by all tasks.

    Parameters
    ----------
    alpha : float, default=1.0
    factor : array-like of shape (n_features,), optional
        Multiplies the penalty of every feature; 0 leaves a feature free.
    positive : bool, default=False
        Adds the constraint W >= 0.

    References
    ----------
    Obozinski, Taskar, Jordan 2010, *Joint covariate selection and joint subspace selection for
    multiple classification problems*, Statistics and Computing 20.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.penalties import L21
    >>> L21(0.5).prox(np.array([[3.0, 4.0], [0.3, 0.4]]), 1.0)
    array([[2.7, 3.6],
           [0. , 0. ]])
    """

    by_rows = True
    kind = "rows"
    nests = ("chain", "entries")
    rank = 2

    def __init__(self, alpha=1.0, *, factor=None, positive=False):
        self.alpha = alpha
        self.factor = factor
        self.positive = positive

    def value(self, W):
        if self.positive and (W < 0).any():
            return np.inf
        return self.weights(len(W)) @ row_norms(W)

    def prox(self, W, step):
        if self.positive:
            W = np.maximum(W, 0.0)
        norms = row_norms(W)[:, None]
        threshold = step * self.weights(len(W))[:, None]
        shrink = np.maximum(norms - threshold, 0.0)
        return W * np.divide(shrink, norms, out=np.zeros_like(norms), where=norms > 0)

    @property
    def entrywise(self):
        return self.positive

    def slope(self, W):
        norms = row_norms(W)[:, None]
        units = np.divide(W, norms, out=np.zeros_like(W), where=norms > 0)
        return self.weights(len(W))[:, None] * units

    def row_curvature(self, W):
        """d_j = alpha_j / ||w_j||: the Hessian in row j is d_j (I - u u'), u = w_j / ||w_j||."""
        norms = row_norms(W)
        return np.divide(self.weights(len(W)), norms, out=np.zeros_like(norms), where=norms > 0)

    def row_weights(self, n_features):
        return np.zeros(n_features), self.weights(n_features)

    def row_dual_norms(self, Z):
        """max(0, z_j) where W >= 0: a negative gradient cannot move a coefficient below 0."""
        norms, weights = row_norms(np.maximum(Z, 0.0) if self.positive else Z), self.weights(len(Z))
        free = np.where(norms > 0, np.inf, 0.0)  # what has no penalty
        return np.divide(norms, weights, out=free, where=weights > 0)


class L1(FactoredPenalty):
    """Sum of magnitudes alpha * sum_j factor_j ||w_j||_1: every task selects for itself.

    Parameters
    ----------
    alpha : float, default=1.0
    factor : array-like of shape (n_features,), optional
        Multiplies the penalty of every feature; 0 leaves a feature free.
    positive : bool, default=False
        Adds the constraint W >= 0.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.penalties import L1
    >>> L1(0.5).prox(np.array([[3.0, -0.4]]), 1.0)
    array([[2.5, 0. ]])
    """

    by_rows = True
    kind = "entries"
    nests = ("chain",)
    rank = 1
    entrywise = True

    def __init__(self, alpha=1.0, *, factor=None, positive=False):
        self.alpha = alpha
        self.factor = factor
        self.positive = positive

    def value(self, W):
        if self.positive and (W < 0).any():
            return np.inf
        return self.weights(len(W)) @ np.abs(W).sum(axis=1)

    def prox(self, W, step):
        threshold = step * self.weights(len(W))[:, None]
        if self.positive:
            return np.maximum(W - threshold, 0.0)
        return W - np.clip(W, -threshold, threshold)

    def slope(self, W):
        return self.weights(len(W))[:, None] * np.sign(W)

    def row_curvature(self, W):
        return np.zeros(len(W))

    def row_weights(self, n_features):
        return self.weights(n_features), np.zeros(n_features)

    def row_dual_norms(self, Z):
        Z = np.maximum(Z, 0.0) if self.positive else Z
        return sparse_group_dual_norms(Z, *self.row_weights(len(Z)))


class SquaredL2(FactoredPenalty):
    """Ridge alpha / 2 * sum_j factor_j ||w_j||^2.

    Parameters
    ----------
    alpha : float, default=1.0
    factor : array-like of shape (n_features,), optional
        Multiplies the penalty of every feature; 0 leaves a feature free.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.penalties import SquaredL2
    >>> SquaredL2(1.0).prox(np.array([[3.0, -0.4]]), 1.0)
    array([[ 1.5, -0.2]])
    """

    by_rows, rowwise = True, False
    kind = "quadratic"

    def __init__(self, alpha=1.0, *, factor=None):
        self.alpha = alpha
        self.factor = factor

    def value(self, W):
        return 0.5 * self.weights(len(W)) @ np.einsum("ij,ij->i", W, W)

    def prox(self, W, step):
        return W / (1.0 + step * self.weights(len(W))[:, None])

    def conjugate(self, Y, V):
        weights = self.weights(len(Y))
        if Y[weights == 0].any():
            return np.inf, 0.0
        return 0.0, np.sum(Y**2 / np.where(weights > 0, weights, 1.0)[:, None])

    def gauge(self):
        return None

    def ridge(self, n_features):
        return self.weights(n_features)
