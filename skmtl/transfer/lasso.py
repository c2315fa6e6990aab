"""The lasso towards zero and towards a weighted mean of linear sources."""

import numpy as np
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from skmtl import frames
from skmtl.base import check_number, warn_unless_converged
from skmtl.documentation import complete_docstring
from skmtl.linear_model.ridge import check_penalties
from skmtl.solvers.path import alpha_grid
from skmtl.solvers.transfer_lasso import (
    LassoProblem,
    SourceL1,
    largest_alpha,
    solve_transfer_lasso,
    start_from_far,
)
from skmtl.solvers.transfer_ridge import source_weights
from skmtl.task_data import check_weights
from skmtl.threads import suited_threads
from skmtl.transfer.base import TransferRegressor
from skmtl.transfer.ridge import LEARN, Prior, check_finite, make_design, read_source_weights
from skmtl.transfer.sources import Rows


@complete_docstring
class TransferLasso(TransferRegressor):
    """Lasso that is pulled towards zero and towards a linear source.

    Minimises over w (n_features,) and the intercept b ::

        1 / (2 sum_i v_i) sum_i v_i (y_i - x_i'w - b)^2
        + alpha sum_j (r |w_j| + (1 - r) |w_j - s_j|)

    with the share r = ``zero_share`` and the coefficients s of the source. A coefficient is zero,
    or that of the source exactly, or neither. With several sources s is their weighted mean,
    s = sum_k a_k s_k with a >= 0, sum(a) = 1.

    Parameters
    ----------
    {source}
        They must be linear.
    {source_rows}
    source_estimator : estimator, default=None
        Linear; fitted to the rows of each source. None: `TransferLassoCV` without sources, which is
        the lasso with alpha chosen on folds.
    source_weights : "learn", float, dict or array-like of shape (n_sources,), default="learn"
        The weights a. "learn": those of the least squared error of sum_k a_k (s_k'x_i) + b on the
        target, which for one source is 1. Given ones only have to be >= 0.
    alpha : float, default=1.0
        0: least squares. Very large: the source if r < 1/2, zero if r > 1/2.
    zero_share : float, default=0.5
        The share r of the penalty that pulls towards zero. 1: `sklearn.linear_model.Lasso`. 0:
        only the difference from the source is penalised.
    fit_intercept : bool, default=True
    tol : float, default=1e-8
        Duality gap to reach, relative to the objective of zero coefficients.
    max_iter : int, default=1000
        Rounds of Newton and proximal steps.
    warm_start : bool, default=False
        Start at the coefficients of the previous fit.
    {target_task}

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
    intercept_ : float
    source_coef_ : ndarray of shape (n_features,)
        s, the weighted mean of the sources; zero without sources.
    source_weights_ : ndarray of shape (n_sources,)
        The weights a of the sources' coefficients in s.
    dual_gap_ : float
        The objective is above the optimum by at most this share of the objective of zero
        coefficients.
    n_iter_ : int
    {source_attributes}

    See Also
    --------
    TransferLassoCV : The penalty chosen on folds of the target.
    TransferRidge : For sources that are not linear.

    References
    ----------
    Takada, Fujisawa 2020, *Transfer learning via l1 regularization*, NeurIPS.

    Examples
    --------
    >>> from sklearn.linear_model import Lasso
    >>> from skmtl import TransferLasso, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=2, n_samples=30, random_state=0)
    >>> source = Lasso(alpha=0.1).fit(X[:30, 1:], y[:30])
    >>> TransferLasso(source, alpha=0.1).fit(X[30:, 1:], y[30:]).coef_.shape
    (20,)
    """

    def __init__(
        self,
        source=None,
        *,
        source_rows=None,
        source_estimator=None,
        source_weights=LEARN,
        alpha=1.0,
        zero_share=0.5,
        fit_intercept=True,
        tol=1e-8,
        max_iter=1000,
        warm_start=False,
        task_column=None,
        target_task=None,
    ):
        self.source = source
        self.source_rows = source_rows
        self.source_estimator = source_estimator
        self.source_weights = source_weights
        self.alpha = alpha
        self.zero_share = zero_share
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.task_column = task_column
        self.target_task = target_task

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Fit the coefficients.

        Parameters
        ----------
        {target_fit_parameters}

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For input that is not finite, parameters out of their range, and sources that are not
            linear.
        """
        before = getattr(self, "coef_", None) if self.warm_start else None
        transfer = self._read_transfer(X, y, tasks, sample_weight)
        check_number(self.alpha, "alpha")
        check_share(self.zero_share, "zero_share")
        given = self._check_parameters(transfer)
        prior = self._linear_prior(transfer)
        with suited_threads(transfer.target):
            problem = SourceProblem(transfer.target, prior, given, self.fit_intercept)
            start = before if before is not None and before.shape == problem.source.shape else None
            (solution,) = problem.solve_path([self.alpha], self.zero_share, self._limits(), start)
        return self._store(problem, solution)

    def _check_parameters(self, transfer):
        """The given weights of sources, or None if they are learned."""
        check_number(self.tol, "tol", strict=True)
        check_number(self.max_iter, "max_iter", low=1, integer=True)
        return read_source_weights(self.source_weights, transfer.names)

    def _limits(self):
        return {"tol": self.tol, "max_iter": self.max_iter}

    def _linear_prior(self, transfer):
        estimator = self.source_estimator
        if estimator is None and transfer.sources:
            from skmtl.transfer.lasso_cv import TransferLassoCV

            estimator = TransferLassoCV()
        prior = Prior(self._fit_sources(transfer, estimator), transfer.target.X)
        for model, form in zip(prior.models, prior.forms, strict=True):
            if form is None:
                raise ValueError(
                    f"{model.label} is not linear, but {type(self).__name__} compares "
                    "coefficients: use TransferRidge, which takes any regressor."
                )
        return prior

    def _store(self, problem, solution):
        self.coef_ = np.where(np.isfinite(solution.gap), solution.coef, np.nan)
        self.intercept_ = problem.intercept(solution.coef)
        check_finite(self)
        warn_unless_converged(solution, tol=self.tol, max_iter=self.max_iter, stacklevel=4)
        self.source_coef_, self.source_weights_ = problem.source, problem.weights
        self.dual_gap_, self.n_iter_ = solution.gap, solution.n_iter
        return self

    def _predict_target(self, X):
        return np.asarray(X @ self.coef_) + self.intercept_


class SourceProblem:
    """Rows of a target and the mean of its linear sources.

    Parameters
    ----------
    rows : Rows
    prior : Prior
        Of linear sources.
    given : ndarray of shape (n_sources,) or None
        Weights of the sources; None to learn them from these rows.
    fit_intercept : bool
    """

    def __init__(self, rows, prior, given, fit_intercept):
        design = make_design(rows, prior.predictions, fit_intercept)
        self.weights = source_weights(design.Y, whole=True) if given is None else given
        self.source = prior.linear_form(self.weights)[0]
        self.design, self.problem = design, LassoProblem(design)

    def intercept(self, coef):
        return float(self.design.y_mean[0] - self.design.x_mean @ coef)

    def largest_alpha(self, share):
        return largest_alpha(self.problem, share, self.source)

    def solve_path(self, alphas, share, limits, start=None):
        """Yield solutions for falling alphas, each started from the one before."""
        for alpha in alphas:
            penalty = SourceL1(float(alpha), float(share), self.source)
            if start is None:
                start = start_from_far(self.problem, penalty, max_iter=limits["max_iter"])
            solution = solve_transfer_lasso(self.problem, penalty, start=start, **limits)
            start = solution.coef
            yield solution


def check_share(value, name):
    """Raise unless value is a number from 0 to 1."""
    check_number(value, name)
    if value > 1:
        raise ValueError(f"{name}={value!r} must be between 0 and 1.")


def transfer_lasso_path(
    X,
    y,
    source_coef=None,
    *,
    zero_share=0.5,
    eps=1e-3,
    alphas=100,
    sample_weight=None,
    fit_intercept=True,
    tol=1e-8,
    max_iter=1000,
):
    """The transfer lasso for several penalties, each fit started from the one before.

    The objective is that of `TransferLasso`.

    Parameters
    ----------
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
    source_coef : array-like of shape (n_features,), optional
        Coefficients of the source. None: zeros, which gives the lasso.
    zero_share : float, default=0.5
        The share of the penalty that pulls towards zero.
    eps : float, default=1e-3
        Smallest over largest alpha of an automatic grid.
    alphas : int or array-like, default=100
        How many, from the smallest at which all coefficients are the source's (zero_share < 1/2)
        or zero, down in equal ratios, or which. Where zero_share is within 0.05 of 1/2 the grid
        starts where it does at that distance.
    sample_weight : float or array-like of shape (n_samples,), optional
    fit_intercept : bool, default=True
    tol : float, default=1e-8
        Duality gap to reach, relative to the objective of zero coefficients.
    max_iter : int, default=1000
        Rounds of Newton and proximal steps.

    Returns
    -------
    alphas : ndarray of shape (n_alphas,)
        Falling.
    coefs : ndarray of shape (n_features, n_alphas)
    intercepts : ndarray of shape (n_alphas,)
    dual_gaps : ndarray of shape (n_alphas,)

    Examples
    --------
    >>> from skmtl import make_multitask_regression, transfer_lasso_path
    >>> X, y = make_multitask_regression(n_tasks=1, n_samples=50, random_state=0)
    >>> alphas, coefs, _, _ = transfer_lasso_path(X[:, 1:], y, alphas=10)
    >>> coefs.shape
    (20, 10)
    """
    X = frames.as_numbers(X) if frames.is_frame(X) else X
    X = check_array(X, accept_sparse=("csr", "csc"), dtype=(np.float64, np.float32), input_name="X")
    y = column_or_1d(check_array(y, ensure_2d=False, dtype=np.float64, input_name="y"))
    check_consistent_length(X, y)
    check_share(zero_share, "zero_share")
    source = np.zeros(X.shape[1]) if source_coef is None else np.asarray(source_coef, dtype=float)
    if source.shape != (X.shape[1],):
        raise ValueError(f"source_coef has shape {source.shape}, but X has {X.shape[1]} features.")
    weights = None if sample_weight is None else check_weights(sample_weight, y.shape, False)
    design = make_design(Rows(X, y, weights), np.empty((len(y), 0)), fit_intercept)
    problem = LassoProblem(design)
    grid = read_alphas(alphas, eps, lambda: largest_alpha(problem, zero_share, source))
    coefs, gaps, start = np.empty((X.shape[1], len(grid))), np.empty(len(grid)), None
    for k, alpha in enumerate(grid):
        penalty = SourceL1(float(alpha), float(zero_share), source)
        limits = {"tol": tol, "max_iter": max_iter}
        solution = solve_transfer_lasso(problem, penalty, start=start, **limits)
        warn_unless_converged(solution, stacklevel=3, **limits)
        coefs[:, k], gaps[k], start = solution.coef, solution.gap, solution.coef
    return grid, coefs, design.y_mean[0] - design.x_mean @ coefs, gaps


def read_alphas(alphas, eps, largest):
    """Falling penalties from a parameter `alphas`: a number of them or which."""
    if np.ndim(alphas) == 0:
        check_number(alphas, "alphas", low=1, integer=True)
        check_number(eps, "eps", strict=True)
        if eps > 1:
            raise ValueError(f"eps={eps!r} must be at most 1: the grid falls to eps of its top.")
        return alpha_grid(largest(), eps=eps, n_alphas=alphas)
    return np.unique(check_penalties(alphas, "alphas", strict=False))[::-1]
