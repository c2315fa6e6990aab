"""Convex models of few shared directions: penalties of the singular values of W."""

import numpy as np

from skmtl.base import check_number
from skmtl.documentation import complete_docstring
from skmtl.feature_learning.base import SharedFeatures
from skmtl.linear_model.penalized import PenalizedRegressor
from skmtl.linear_model.penalized_cv import PenaltyPathCV
from skmtl.linear_model.sparse_cv import SquaredFolds

NOTHING = 1e-6  # singular values below this share of the largest are none


class SpectralRegressor(SharedFeatures, PenalizedRegressor):
    """A penalty of singular values; the left singular vectors of W are the learned features."""

    loss, solver = "squared", "auto"

    def _keep(self, data, penalty, fitted, parts=None):
        super()._keep(data, penalty, fitted, parts)
        # Not of coef_, which is 0 for absent features: that is not what the penalty has seen.
        U, sigma, _ = np.linalg.svd(fitted.coef, full_matrices=False)
        self.n_components_ = int(np.sum(sigma > NOTHING * sigma.max(initial=0.0)))
        if self.n_components is not None:
            self.n_components_ = min(self.n_components, len(sigma))
        U = U[:, : self.n_components_]
        # The sign that makes the largest entry of each positive: results do not depend on LAPACK.
        largest = np.argmax(np.abs(U), axis=0)
        U = U * np.where(U[largest, np.arange(U.shape[1])] < 0, -1.0, 1.0)
        self.components_ = np.ascontiguousarray(U.T, dtype=self.coef_.dtype)
        self.singular_values_ = sigma
        return self

    def _check_parameters(self):
        super()._check_parameters()
        check_number(self.alpha, "alpha")
        check_components(self)


def check_components(model):
    """Raise unless n_components is None or a number of features."""
    if model.n_components is not None:
        check_number(model.n_components, "n_components", low=1, integer=True)


class SpectralRegressorCV(PenaltyPathCV, SpectralRegressor):
    """The strength of a penalty of singular values by cross-validation."""

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Choose alpha and fit one linear model per task.

        Parameters
        ----------
        {fit_parameters}

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For input that is not finite, task ids that are not labels or whole numbers, and
            parameters out of their range.
        """
        self._check_path_parameters()
        check_components(self)
        data = self._read_training_data(X, y, tasks, sample_weight)
        final, _ = self._fit_path(X, y, data)
        fitted = self._final_fit(data, None, final)
        return self._keep(data, self.penalty_, fitted)

    def _keep_losses(self, losses):
        self.mse_path_ = losses

    def _folds(self, data):
        return SquaredFolds(data, self.fit_intercept, rows_only=False)


SPECTRAL_TEXTS = {
    "n_components": """
    n_components : int, optional
        Learned features of `transform`; None is the rank of the coefficients.
    """,
    "learned": """
    components_ : ndarray of shape (n_components_, n_features)
        Orthonormal directions that the tasks use, strongest first: ``transform(X)`` is
        ``X @ components_.T``.
    n_components_ : int
    singular_values_ : ndarray of shape (min(n_features, n_tasks),)
        Of the coefficients, falling. These and `components_` are of the W of the objective, with
        values for features that are absent from a task and 0 for tasks without weight.
    """,
    "path": """
    eps : float, default=None
        Smallest over largest alpha of an automatic grid; None is 1e-3, and 1e-7 for squares.
    alphas : int or array-like, default=50
        How many alphas (falling in equal ratios from where all coefficients are zero, or for
        squares about 1e-3 of those without a penalty), or which.
    cv : int, splitter or iterable of (train, test), default=None
        None is `TaskKFold(5)`, an int the number of its folds: every task is in every training
        fold.
    selection : {"best", "one_standard_error"}, default="best"
        "one_standard_error": the largest alpha whose mean error is within one standard error
        (over the folds) of the best.
    """,
    "path_solver": """
    fit_intercept : bool, default=True
    tol : float, default=1e-4
        Duality gap to reach on the folds, relative to the objective of zero coefficients. The
        final fit aims at 1e-6.
    max_iter : int, default=1000
        Rounds of ten iterations of every fit.
    n_jobs : int, optional
        Folds in parallel (as threads); results do not depend on it.
    """,
    "path_attributes": """
    alpha_ : float
    penalty_ : Penalty
        The penalty with `alpha_`.
    alphas_ : ndarray of shape (n_alphas,)
        The penalties tried, falling.
    mse_path_ : ndarray of shape (n_alphas, n_folds)
        Weighted mean squared error over all held-out rows and tasks.
    """,
}
