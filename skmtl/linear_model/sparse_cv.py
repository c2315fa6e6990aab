"""Penalised linear regression with the penalty chosen by cross-validation."""

import numpy as np

from skmtl.base import MultiTaskLinearRegressor
from skmtl.documentation import complete_docstring
from skmtl.fitting import pose
from skmtl.linear_model.path_cv import PathCV
from skmtl.penalties import L21, SquaredL2
from skmtl.quadratic import GRAM_ENTRIES
from skmtl.solvers import solve
from skmtl.statistics import FoldSums, HeldOut


class SquaredFolds:
    """Problems of training rows and held-out squared errors, from sums where these are small.

    Parameters
    ----------
    data : TaskData
    fit_intercept : bool
    rows_only : bool
        Whether every fit needs the rows (features without a penalty).
    """

    def __init__(self, data, fit_intercept, *, rows_only):
        self.data, self.fit_intercept = data, fit_intercept
        n_samples, n_features = data.X.shape
        entries = len(data.groups()) * n_features**2
        small = entries <= max(GRAM_ENTRIES, n_samples * n_features)
        wide = data.shared_rows and n_features > n_samples
        self.sums = None if rows_only or wide or not small else FoldSums(data, fit_intercept)

    def _problem(self, data, penalty):
        return pose(data, penalty, labels=self.data.labels, fit_intercept=self.fit_intercept)

    def problem(self, penalty):
        return self._problem(self.data if self.sums is None else self.sums.whole, penalty)

    def split(self, train, test, penalty):
        held_out = self.data.subset(test)
        if self.sums is None:
            return self._problem(self.data.subset(train), penalty), HeldOut(held_out)
        training, sums = self.sums.of_fold(train, test)
        return self._problem(training, penalty), HeldOut(held_out, sums)


class PenalizedRegressorCV(PathCV, MultiTaskLinearRegressor):
    """Squared loss, l2,1 norm and ridge, chosen by cross-validation."""

    _solve = staticmethod(solve)

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Choose the penalty and fit one linear model per task.

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
        self._check_parameters()
        data = self._read_training_data(X, y, tasks, sample_weight)
        final, _ = self._fit_path(X, y, data)
        return self._store(data, final.coef, final.intercept)

    def _keep_losses(self, losses):
        self.mse_path_ = losses

    def _deviance(self, data, point, n_targets):
        """n log of the weighted mean squared error of a fit to all rows."""
        error = HeldOut(data).errors(point.coef[None], point.intercept[None])[0]
        return n_targets * np.log(max(error, np.finfo(float).tiny))

    def _folds(self, data):
        alphas = self._given_alphas()
        factor = 1.0 if self.penalty_factor is None else np.asarray(self.penalty_factor)
        free = np.any(factor == 0) or (alphas is not None and (alphas == 0).any())
        return SquaredFolds(data, self.fit_intercept, rows_only=free)

    def _penalty(self, alpha, l1_ratio):
        options = {"factor": self.penalty_factor}
        group = L21(alpha * l1_ratio, positive=self.positive, **options)
        return group if l1_ratio == 1 else group + SquaredL2(alpha * (1.0 - l1_ratio), **options)

    def _check_parameters(self):
        self._check_path_parameters()
        alphas = self._given_alphas()
        zero = alphas is not None and (alphas == 0).any()
        if self.positive and self.criterion != "cv":
            raise ValueError(
                f"criterion={self.criterion!r} counts degrees of freedom, which is not known here "
                "for positive=True: set criterion='cv'."
            )
        if self.positive and (zero or (self._l1_ratios() == 0).any()):
            raise ValueError(
                "positive=True needs every alpha > 0 and every l1_ratio > 0, but alphas is "
                f"{self.alphas!r} and l1_ratio is {getattr(self, 'l1_ratio', 1.0)!r}."
            )


@complete_docstring
class MultiTaskElasticNetCV(PenalizedRegressorCV):
    """Multi-task elastic net with alpha and l1_ratio chosen by cross-validation.

    The objective is that of `MultiTaskElasticNet`. Minimises over W and the intercepts b ::

        1 / n_bar * sum_t sum_i v_ti w_t (y_ti - x_ti' W_t - b_t)^2 / 2
        + alpha * sum_j factor_j (l1_ratio * ||W^j||_2 + (1 - l1_ratio) / 2 * ||W^j||_2^2)

    With a complete 2-d y this is `sklearn.linear_model.MultiTaskElasticNetCV`.

    Parameters
    ----------
    l1_ratio : float or array-like of floats, default=0.5
        From 0 (ridge; needs `alphas`) to 1 (multi-task lasso); the best of several is taken.
    {path_parameters}
    {task_parameters}
    {task_weight}
    {path_solver_parameters}

    Attributes
    ----------
    alpha_ : float
    l1_ratio_ : float
    alphas_ : ndarray of shape (n_alphas,) or (n_l1_ratios, n_alphas)
        The penalties tried, falling; one grid per l1_ratio unless `alphas` are given.
    mse_path_ : ndarray of shape (n_alphas, n_folds) or (n_l1_ratios, n_alphas, n_folds)
        Weighted mean squared error over all held-out rows and tasks; with ``criterion="cv"``.
    criterion_path_, df_path_ : ndarray of shape of `mse_path_` without the folds
        Criterion and degrees of freedom; with "bic" or "ebic".
    {certificate}
    {linear_attributes}
    {mean_model}

    References
    ----------
    Chen, Chen 2008, *Extended Bayesian information criteria for model selection with large model
    spaces*, Biometrika 95. Friedman, Hastie, Tibshirani 2010, *Regularization paths
    for generalized linear models via coordinate descent*, Journal of Statistical Software 33.
    Vaiter, Deledalle, Fadili, Peyre, Dossal 2017, *The degrees of freedom of partly smooth
    regularizers*, Annals of the Institute of Statistical Mathematics 69.

    Examples
    --------
    >>> from skmtl import MultiTaskElasticNetCV, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=4, n_samples=50, random_state=0)
    >>> model = MultiTaskElasticNetCV(l1_ratio=[0.5, 0.9], alphas=10, task_column=0).fit(X, y)
    >>> model.mse_path_.shape
    (2, 10, 5)
    """

    def __init__(
        self,
        *,
        l1_ratio=0.5,
        eps=1e-3,
        alphas=100,
        cv=None,
        criterion="cv",
        selection="best",
        positive=False,
        penalty_factor=None,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        tol=1e-4,
        max_iter=1000,
        n_jobs=None,
    ):
        self.l1_ratio = l1_ratio
        self.eps = eps
        self.alphas = alphas
        self.cv = cv
        self.criterion = criterion
        self.selection = selection
        self.positive = positive
        self.penalty_factor = penalty_factor
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs


@complete_docstring
class MultiTaskLassoCV(PenalizedRegressorCV):
    """Multi-task lasso with alpha chosen by cross-validation.

    The objective is that of `MultiTaskLasso`. Minimises over W and the intercepts b ::

        1 / n_bar * sum_t sum_i v_ti w_t (y_ti - x_ti' W_t - b_t)^2 / 2
        + alpha * sum_j factor_j ||W^j||_2

    With a complete 2-d y this is `sklearn.linear_model.MultiTaskLassoCV`, with one task
    `sklearn.linear_model.LassoCV`.

    Parameters
    ----------
    {path_parameters}
    {task_parameters}
    {task_weight}
    {path_solver_parameters}

    Attributes
    ----------
    alpha_ : float
    alphas_ : ndarray of shape (n_alphas,)
        The penalties tried, falling.
    mse_path_ : ndarray of shape (n_alphas, n_folds)
        Weighted mean squared error over all held-out rows and tasks; with ``criterion="cv"``.
    criterion_path_, df_path_ : ndarray of shape of `mse_path_` without the folds
        Criterion and degrees of freedom; with "bic" or "ebic".
    {certificate}
    {linear_attributes}
    {mean_model}

    References
    ----------
    Chen, Chen 2008, *Extended Bayesian information criteria for model selection with large model
    spaces*, Biometrika 95. Friedman, Hastie, Tibshirani 2010, *Regularization paths
    for generalized linear models via coordinate descent*, Journal of Statistical Software 33.
    Vaiter, Deledalle, Fadili, Peyre, Dossal 2017, *The degrees of freedom of partly smooth
    regularizers*, Annals of the Institute of Statistical Mathematics 69.

    Examples
    --------
    >>> from skmtl import MultiTaskLassoCV, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=4, n_samples=50, random_state=0)
    >>> model = MultiTaskLassoCV(task_column=0).fit(X, y)
    >>> model.coef_.shape
    (4, 20)
    """

    def __init__(
        self,
        *,
        eps=1e-3,
        alphas=100,
        cv=None,
        criterion="cv",
        selection="best",
        positive=False,
        penalty_factor=None,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        tol=1e-4,
        max_iter=1000,
        n_jobs=None,
    ):
        self.eps = eps
        self.alphas = alphas
        self.cv = cv
        self.criterion = criterion
        self.selection = selection
        self.positive = positive
        self.penalty_factor = penalty_factor
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs
