"""Block coordinate descent for tasks that share their rows, by scikit-learn's compiled class.

Its cost per sweep is linear in everything, so that it wins where there are few tasks and many
well-conditioned features; Newton steps win in accuracy and where features are correlated.
"""

import warnings
from threading import Lock

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import MultiTaskElasticNet

_filters = Lock()  # warning filters belong to the process: fits in threads take turns


class CoordinateDescent:
    """Sweeps over 1/2 ||Y - X W||^2 + lam sum_j ||w_j|| + ridge/2 ||W||^2.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
    Y : ndarray of shape (n_rows, n_tasks)
    lam, ridge : float
    dtype : dtype
        Single precision sweeps twice as fast, and reaches gaps of about 3e-6.
    """

    def __init__(self, X, Y, lam, ridge, dtype):
        # Scaled to entries of size 1, which single precision can square.
        self.x_scale, self.y_scale = max(X.max(), -X.min()), max(Y.max(), -Y.min())
        self.X = np.empty(X.shape, dtype=dtype, order="F")
        self.Y = np.empty(Y.shape, dtype=dtype, order="F")
        np.divide(X, self.x_scale, out=self.X, casting="same_kind")
        np.divide(Y, self.y_scale, out=self.Y, casting="same_kind")
        lam, ridge = lam / (self.x_scale * self.y_scale), ridge / self.x_scale**2
        self.model = MultiTaskElasticNet(
            alpha=float((lam + ridge) / len(X)),
            l1_ratio=float(lam / (lam + ridge)),
            fit_intercept=False,
            copy_X=False,
            warm_start=True,
        )

    def run(self, W, *, gap, max_iter):
        """(W, number of sweeps) at about a gap relative to the objective of W = 0."""
        start = W.T * (self.x_scale / self.y_scale)
        self.model.coef_ = np.asfortranarray(start, dtype=self.X.dtype)
        # Half of it: scikit-learn's tolerance is a share of ||Y||^2, not of its half.
        self.model.set_params(tol=0.5 * gap, max_iter=max_iter)
        with _filters, warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the caller measures the gap
            self.model.fit(self.X, self.Y)
        W = self.model.coef_.T.astype(np.float64) * (self.y_scale / self.x_scale)
        return W, int(self.model.n_iter_)
