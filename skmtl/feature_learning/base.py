"""What the estimators of shared features have in common: parameters, warning, transform."""

import warnings

import numpy as np
from scipy import sparse
from sklearn.base import TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from skmtl.base import MultiTaskLinearRegressor, check_number
from skmtl.documentation import complete_docstring, share_text
from skmtl.penalties import L21
from skmtl.problem import Problem

FACTOR_TEXTS = {
    "alternating_parameters": """
    fit_intercept : bool, default=True
    tol : float, default=1e-4
        Stop when a round moves what is shared by less than this share of its norm.
    max_iter : int, default=1000
        Rounds.
    """,
    "alternating_attributes": """
    objective_path_ : ndarray of shape (n_iter_ + 1,)
        The objective at the start and after every round; it never rises.
    n_iter_ : int
    """,
}


def complete_factors(subject):
    """Decorator that fills in the texts above, inside `complete_docstring`."""
    return share_text(**FACTOR_TEXTS)(subject)


def read_quadratic(data, *, fit_intercept, n_bar=None):
    """The squared loss of a TaskData as a Problem, whose penalty does not count."""
    return Problem(data, L21(1.0), fit_intercept=fit_intercept, n_bar=n_bar)


class SharedFeatures(TransformerMixin, MultiTaskLinearRegressor):
    """Linear models of few shared features: ``coef_`` is ``codes_ @ components_``.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
    codes_ : ndarray of shape (n_tasks, n_components)
    """

    __metadata_request__transform = {"tasks": True}  # noqa: RUF012

    def _store_factors(self, problem, data, factors, scale=1.0):
        """Keep W = A B; the objective is `scale` times that of the solver."""
        dtype = np.float32 if data.X.dtype == np.float32 else np.float64
        self._store(data, *problem.complete(factors.A @ factors.B))
        self.components_ = np.ascontiguousarray(factors.A.T, dtype=dtype)
        self.codes_ = np.ascontiguousarray(factors.B.T, dtype=dtype)
        self.objective_path_ = scale * np.array(factors.path)
        self.n_iter_ = len(factors.path) - 1
        return self

    def _start(self, shape):
        """The features of the last fit, as a start; None if there are none of this shape."""
        if not self.warm_start or getattr(self, "components_", np.zeros(0)).shape != shape:
            return None
        return np.array(self.components_, dtype=np.float64).T

    def _check_rounds(self):
        check_number(self.tol, "tol")
        check_number(self.max_iter, "max_iter", low=1, integer=True)

    def _warn_unless_at_rest(self, factors, stacklevel=3):
        if not factors.converged:
            warnings.warn(
                f"the shared features did not come to rest in {self.max_iter} rounds: the last "
                f"one moved them by {factors.move:.2e} of their norm, tol is {self.tol:.2e}. Raise "
                "max_iter, tol or the penalties, or scale the features.",
                ConvergenceWarning,
                stacklevel=stacklevel,
            )

    def transform(self, X, *, tasks=None):
        """The shared features of every row.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns)
            With the task column if there was one in fit.
        tasks : array-like of shape (n_samples,), optional
            Task of every row; needed if (and only if) fit had it.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            Without the task column; the features do not depend on the task.
        """
        check_is_fitted(self)
        X, _ = self._read_rows(X, tasks)
        product = X @ self.components_.T
        return product.toarray() if sparse.issparse(product) else np.asarray(product)

    @complete_docstring
    def fit_transform(self, X, y, *, sample_weight=None, tasks=None):
        """Fit, and the shared features of every row.

        Parameters
        ----------
        {fit_parameters}

        Returns
        -------
        ndarray of shape (n_samples, n_components)
        """
        self.fit(X, y, sample_weight=sample_weight, tasks=tasks)
        return self.transform(X, tasks=tasks)

    def get_feature_names_out(self, input_features=None):
        """Names of the shared features: the name of the class in lower case, and a number.

        Parameters
        ----------
        input_features : array-like of str, optional
            Not used.

        Returns
        -------
        ndarray of str of shape (n_components,)
        """
        check_is_fitted(self)
        prefix = type(self).__name__.lower()
        return np.array([f"{prefix}{k}" for k in range(len(self.components_))], dtype=object)
