"""Penalised linear regression: the generic estimator and its named forms."""

import numpy as np

from skmtl.base import MultiTaskLinearRegressor, check_number, warn_unless_converged
from skmtl.documentation import complete_docstring
from skmtl.penalties import L21, Penalty, SquaredL2
from skmtl.problem import Problem
from skmtl.solvers import SOLVERS, solve
from skmtl.threads import suited_threads


class PenalizedRegressor(MultiTaskLinearRegressor):
    """Squared loss plus a penalty; subclasses say which in ``_make_penalty``."""

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Fit one linear model per task.

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
        with suited_threads(data):
            problem = Problem(data, self._make_penalty(), fit_intercept=self.fit_intercept)
            start = problem.kept_start(self._previous_coef())
            solution = solve(
                problem, tol=self.tol, max_iter=self.max_iter, start=start, solver=self.solver
            )
        warn_unless_converged(solution, tol=self.tol, max_iter=self.max_iter)
        self.dual_gap_, self.n_iter_ = float(solution.gap), solution.n_iter
        self.solver_ = solution.solver
        return self._store(data, *problem.complete(solution.coef))

    def _previous_coef(self):
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        return np.asarray(self.coef_, dtype=np.float64).T

    def _check_parameters(self):
        check_number(self.tol, "tol")
        check_number(self.max_iter, "max_iter", low=1, integer=True)
        if self.solver not in SOLVERS:
            raise ValueError(f"solver={self.solver!r} is unknown: use one of {', '.join(SOLVERS)}.")


@complete_docstring
class MultiTaskRegressor(PenalizedRegressor):
    """Linear models of many tasks under any penalty of the algebra.

    Minimises over W (n_features, n_tasks) and the intercepts b ::

        1 / n_bar * sum_t sum_i v_ti w_t (y_ti - x_ti' W_t - b_t)^2 / 2  +  penalty(W)

    with v the sample weights, w the task weights and n_bar the total sample weight over the
    number of tasks (the number of rows, if all tasks share the rows).

    Parameters
    ----------
    penalty : Penalty, default=None
        For example ``L21(0.1) + L1(0.01)``; None is ``L21(0.1)``. Its parameters are tuned as
        ``penalty__alpha``, or ``penalty__first__alpha`` in a sum.
    {task_parameters}
    {task_weight}
    {solver_parameters}
    {solver}

    Attributes
    ----------
    {certificate}
    {solver_used}
    {linear_attributes}
    {mean_model}

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor, make_multitask_regression
    >>> from skmtl.penalties import L1, L21
    >>> X, y = make_multitask_regression(n_tasks=4, n_samples=50, random_state=0)
    >>> model = MultiTaskRegressor(L21(0.1) + L1(0.05), task_column=0).fit(X, y)
    >>> model.coef_.shape
    (4, 20)
    """

    def __init__(
        self,
        penalty=None,
        *,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        tol=1e-6,
        max_iter=1000,
        warm_start=False,
        solver="auto",
    ):
        self.penalty = penalty
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.solver = solver

    def _make_penalty(self):
        return L21(0.1) if self.penalty is None else self.penalty

    def _check_parameters(self):
        super()._check_parameters()
        if self.penalty is not None and not isinstance(self.penalty, Penalty):
            raise TypeError(
                f"penalty must be a penalty such as L21(0.1), but it is {self.penalty!r}."
            )


@complete_docstring
class MultiTaskElasticNet(PenalizedRegressor):
    """Multi-task elastic net: l2,1 norm plus ridge; features are shared by all tasks.

    Minimises over W (n_features, n_tasks) and the intercepts b ::

        1 / n_bar * sum_t sum_i v_ti w_t (y_ti - x_ti' W_t - b_t)^2 / 2
        + alpha * sum_j factor_j (l1_ratio * ||W^j||_2 + (1 - l1_ratio) / 2 * ||W^j||_2^2)

    With a complete 2-d y this is the objective of `sklearn.linear_model.MultiTaskElasticNet`.

    Parameters
    ----------
    alpha : float, default=1.0
    l1_ratio : float, default=0.5
        From 0 (ridge) to 1 (multi-task lasso).
    positive : bool, default=False
        Restrict all coefficients to be >= 0.
    penalty_factor : array-like of shape (n_features,), optional
        Multiplies the penalty of each feature; 0 leaves a feature without penalty.
    {task_parameters}
    {task_weight}
    {solver_parameters}
    {solver}

    Attributes
    ----------
    {certificate}
    {solver_used}
    {linear_attributes}
    {mean_model}

    References
    ----------
    Obozinski, Taskar, Jordan 2010, *Joint covariate selection and joint subspace selection for
    multiple classification problems*, Statistics and Computing 20. Liu, Ji, Ye 2009, *Multi-task
    feature learning via efficient l2,1-norm minimization*, UAI.

    Examples
    --------
    >>> from skmtl import MultiTaskElasticNet, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=4, n_samples=50, random_state=0)
    >>> model = MultiTaskElasticNet(alpha=0.2, l1_ratio=0.9, task_column=0).fit(X, y)
    >>> model.dual_gap_ < 1e-6
    True
    """

    def __init__(
        self,
        alpha=1.0,
        *,
        l1_ratio=0.5,
        positive=False,
        penalty_factor=None,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        tol=1e-6,
        max_iter=1000,
        warm_start=False,
        solver="auto",
    ):
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.positive = positive
        self.penalty_factor = penalty_factor
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.solver = solver

    def _make_penalty(self):
        options = {"factor": self.penalty_factor}
        group = L21(self.alpha * self.l1_ratio, positive=self.positive, **options)
        return group + SquaredL2(self.alpha * (1.0 - self.l1_ratio), **options)

    def _check_parameters(self):
        super()._check_parameters()
        check_number(self.alpha, "alpha")
        check_number(self.l1_ratio, "l1_ratio")
        if self.l1_ratio > 1:
            raise ValueError(f"l1_ratio={self.l1_ratio!r} must be between 0 and 1.")
        if self.positive and self.alpha * self.l1_ratio == 0:
            raise ValueError(
                f"positive=True needs alpha > 0 and l1_ratio > 0, but they are {self.alpha!r} and "
                f"{self.l1_ratio!r}."
            )


@complete_docstring
class MultiTaskLasso(PenalizedRegressor):
    """Multi-task lasso: the l2,1 norm selects features for all tasks together.

    Minimises over W (n_features, n_tasks) and the intercepts b ::

        1 / n_bar * sum_t sum_i v_ti w_t (y_ti - x_ti' W_t - b_t)^2 / 2
        + alpha * sum_j factor_j ||W^j||_2

    With a complete 2-d y this is the objective of `sklearn.linear_model.MultiTaskLasso`, with
    one task that of `sklearn.linear_model.Lasso`.

    Parameters
    ----------
    alpha : float, default=1.0
    positive : bool, default=False
        Restrict all coefficients to be >= 0.
    penalty_factor : array-like of shape (n_features,), optional
        Multiplies the penalty of each feature; 0 leaves a feature without penalty.
    {task_parameters}
    {task_weight}
    {solver_parameters}
    {solver}

    Attributes
    ----------
    {certificate}
    {solver_used}
    {linear_attributes}
    {mean_model}

    References
    ----------
    Obozinski, Taskar, Jordan 2010, *Joint covariate selection and joint subspace selection for
    multiple classification problems*, Statistics and Computing 20.

    Examples
    --------
    >>> from skmtl import MultiTaskLasso, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=4, n_samples=50, random_state=0)
    >>> model = MultiTaskLasso(alpha=0.2, task_column=0).fit(X, y)
    >>> model.coef_.shape
    (4, 20)
    """

    def __init__(
        self,
        alpha=1.0,
        *,
        positive=False,
        penalty_factor=None,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        tol=1e-6,
        max_iter=1000,
        warm_start=False,
        solver="auto",
    ):
        self.alpha = alpha
        self.positive = positive
        self.penalty_factor = penalty_factor
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.solver = solver

    def _make_penalty(self):
        return L21(self.alpha, factor=self.penalty_factor, positive=self.positive)

    def _check_parameters(self):
        super()._check_parameters()
        check_number(self.alpha, "alpha")
        if self.positive and self.alpha == 0:
            raise ValueError("positive=True needs alpha > 0, but alpha is 0.")
