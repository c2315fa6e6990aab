"""Multi-task lasso whose penalty does not depend on the noise of the tasks."""

import numpy as np

from skmtl.base import MultiTaskLinearRegressor, check_number, warn_unless_converged
from skmtl.documentation import complete_docstring
from skmtl.penalties import L21
from skmtl.problem import Problem
from skmtl.solvers.calibrated import CalibratedProblem, minimise
from skmtl.threads import suited_threads

ABOVE_NOISE = 1.1  # c > 1 of the theory


@complete_docstring
class CalibratedMultiTaskLasso(MultiTaskLinearRegressor):
    """Multi-task lasso on root mean square residuals: one alpha suits tasks of any noise.

    Minimises over W (n_features, n_tasks) and the intercepts b ::

        sum_t sqrt(1 / n_t * sum_i v_ti (y_ti - x_ti' W_t - b_t)^2)
        + alpha * sum_j factor_j ||W^j||_2

    with v the sample weights and n_t their sum over the rows of task t. The squared loss of a task
    has a gradient as large as its noise, so that the noisiest task decides which alpha keeps noise
    out; the root has a gradient that does not depend on it. Every task counts the same.

    Where a task is fitted so well that its root falls below e_t, a thousandth of that of its best
    constant, the root m is replaced by (m^2 / e_t + e_t) / 2.

    Parameters
    ----------
    alpha : float, default=None
        Above 0. None: 1.1 times a bound that the rows of the gradient exceed by chance with a
        probability of at most about 1 / n_features, whatever the noise. For features of variance
        1 it is (sqrt(n_tasks) + sqrt(2 log n_features)) / sqrt(n), with n the rows of a task.
    penalty_factor : array-like of shape (n_features,), optional
        Multiplies the penalty of each feature; 0 leaves a feature without penalty.
    task_column : int or str, optional
        Position or name of the column of X that holds the task ids.
    unknown_task : {"error", "shared"}, default="error"
        A task that fit did not see is an error, or predicted by the model that all tasks share.
    fit_intercept : bool, default=True
    tol : float, default=1e-6
        Duality gap to reach, relative to the objective of zero coefficients.
    max_iter : int, default=1000
        Rounds of some Newton steps for the coefficients, given the noise, and the noise anew.
    warm_start : bool, default=False
        Start at the coefficients of the previous fit.

    Attributes
    ----------
    alpha_ : float
        The penalty that was used.
    alpha_max_ : float
        The smallest alpha at which all penalised coefficients are 0.
    noise_ : ndarray of shape (n_tasks,)
        Root mean square residual of every task, in the units of its target.
    {certificate}
    {linear_attributes}
    {mean_model}

    References
    ----------
    Liu, Wang, Zhao 2014, *Multivariate regression with calibration*, NIPS. Belloni, Chernozhukov,
    Wang 2011, *Square-root lasso*, Biometrika 98.

    Examples
    --------
    >>> from skmtl import CalibratedMultiTaskLasso, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=4, n_samples=50, random_state=0)
    >>> model = CalibratedMultiTaskLasso(alpha=0.2, task_column=0).fit(X, y)
    >>> model.noise_.shape
    (4,)
    """

    def __init__(
        self,
        alpha=None,
        *,
        penalty_factor=None,
        task_column=None,
        unknown_task="error",
        fit_intercept=True,
        tol=1e-6,
        max_iter=1000,
        warm_start=False,
    ):
        self.alpha = alpha
        self.penalty_factor = penalty_factor
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Fit one linear model per task.

        Parameters
        ----------
        {fit_parameters}

        Returns
        -------
        self : object
        """
        self._check_parameters()
        previous = self._previous_coef()
        data = self._read_training_data(X, y, tasks, sample_weight)
        with suited_threads(data):
            penalty = L21(1.0, factor=self.penalty_factor)
            unit = Problem(data, penalty, fit_intercept=self.fit_intercept, n_bar=1.0)
            calibrated = CalibratedProblem(unit)
            self.alpha_max_ = float(calibrated.alpha_max())
            self.alpha_ = calibrated.alpha_of_noise() * ABOVE_NOISE
            self.alpha_ = float(self.alpha_ if self.alpha is None else self.alpha)
            calibrated = calibrated.with_alpha(self.alpha_)
            start = unit.kept_start(previous)
            solution = minimise(calibrated, tol=self.tol, max_iter=self.max_iter, start=start)
        warn_unless_converged(solution, tol=self.tol, max_iter=self.max_iter)
        self.dual_gap_, self.n_iter_ = float(solution.gap), solution.n_iter
        self.noise_ = solution.noise
        return self._store(data, *unit.complete(solution.coef))

    def _previous_coef(self):
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        return np.asarray(self.coef_, dtype=np.float64).T

    def _check_parameters(self):
        if self.alpha is not None:
            check_number(self.alpha, "alpha", strict=True)
        check_number(self.tol, "tol")
        check_number(self.max_iter, "max_iter", low=1, integer=True)
