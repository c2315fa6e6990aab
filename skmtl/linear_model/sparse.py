"""Multi-task lasso and elastic net."""

from skmtl.base import check_number
from skmtl.documentation import complete_docstring
from skmtl.linear_model.penalized import PenalizedRegressor
from skmtl.penalties import L21, SquaredL2


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
