"""What the estimators of shared features have in common: parameters, warning, transform."""

import warnings
from dataclasses import replace

import numpy as np
from scipy import sparse
from sklearn.base import TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from skmtl.base import MultiTaskLinearRegressor, check_number
from skmtl.documentation import complete_docstring, share_text
from skmtl.penalties import L21
from skmtl.problem import Problem
from skmtl.solvers.row_span import WHOLE, span_of_rows

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


def in_row_span(data, *, fit_intercept):
    """The RowSpan of a TaskData and the data in its basis; as they are where this does not pay.

    It does with fewer rows than features. A sparse X stays as it is: its basis would be dense.
    """
    n_rows, n_features = data.X.shape
    if sparse.issparse(data.X) or n_rows >= n_features:
        return WHOLE, data
    absent = data.absent_features()
    span, X = span_of_rows(data.X, centre=fit_intercept, absent=absent)
    return span, replace(data, X=X)


class FactorProblem:
    """The squared loss of a TaskData, in the span of its rows.

    Attributes
    ----------
    quadratic : Gram, Rows or MaskedRows
        In the basis of the span.
    span : RowSpan
    shape : tuple
        Of the coefficients in the basis.
    n_bar : float
    """

    def __init__(self, data, *, fit_intercept, n_bar=None, narrow=True):
        self.span, self.data = WHOLE, data
        if narrow:
            self.span, data = in_row_span(data, fit_intercept=fit_intercept)
        # The penalty of a Problem does not count here.
        self.problem = Problem(data, L21(1.0), fit_intercept=fit_intercept, n_bar=n_bar)
        self.quadratic, self.shape = self.problem.quadratic, self.problem.shape
        self.n_bar = self.problem.n_bar

    def largest_curvatures(self):
        """Largest second derivative of every feature over the tasks."""
        if self.span.is_whole:
            return self.quadratic.diagonal()
        largest = np.zeros(self.data.n_features)
        for block in self.data.blocks():
            size = max(block.weights.sum(), np.finfo(float).tiny)
            mean = block.weights @ block.X / size * self.problem.fit_intercept
            np.maximum(largest, block.weights @ (block.X - mean) ** 2, out=largest)
        return largest / self.n_bar

    def complete(self, W):
        """Coefficients and intercepts (n_tasks,) of all features (n_features, n_tasks)."""
        if self.span.is_whole:
            return self.problem.complete(W)
        _, intercept = self.problem.complete(self.span.lower(W))
        return W, intercept - np.sum(self.span.origins(W.shape[1]) * W.T, axis=1)


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
