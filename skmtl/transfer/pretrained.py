"""The pretrained lasso: one lasso over all tasks, then one per task that starts from it.

Craig, Pilanci, Le Menestrel, Narasimhan, Rivas, Gullaksen, Dehghannasiri, Salzman, Taylor,
Tibshirani 2025, *Pretraining and the lasso*, Journal of the Royal Statistical Society B.
"""

from skmtl.documentation import complete_docstring, share_text
from skmtl.transfer.pretrained_steps import TEXTS, PretrainedClassification, PretrainedRegression


@share_text(**TEXTS)
@complete_docstring
class PretrainedLasso(PretrainedRegression):
    """Pretrained lasso: one lasso over all tasks, then one per task that starts from it.

    Minimises first over w and an intercept b_t per task ::

        1 / (2 N) * sum_t sum_i v_ti (y_ti - x_ti' w - b_t)^2  +  alpha_common * ||w||_1

    and then over d_t and an intercept, task by task, with s the ``separation`` ::

        1 / (2 N_t) * sum_i v_ti (y_ti - x_ti' ((1 - s) w + d_t) - b_t)^2
        + alpha * (sum_{j in S} |d_tj| + 1/s * sum_{j not in S} |d_tj|)

    with S the features of w that are not 0, v the sample weights times the task weights, and N,
    N_t their sums. The model of a task is (1 - s) w + d_t. With s = 1 it is its own lasso; with
    s = 0 the common model is fine-tuned within its features.

    Parameters
    ----------
    alpha : float, default=0.1
    alpha_common : float, optional
        Penalty of the common model; None: `alpha`.
    separation : float, default=0.5
        From 0 (fine-tuning) to 1 (separate lassos); the paper calls it alpha.
    {pretrained}
    {task_parameters}
    {task_weight}
    tol : float, default=1e-6
        Duality gap to reach, relative to the objective of zero coefficients.
    max_iter : int, default=1000
        Sweeps of coordinate descent.

    Attributes
    ----------
    {common_attributes}
    {certificate}
    {linear_attributes}
    {mean_model}

    See Also
    --------
    PretrainedLassoCV : Chooses the penalties and the separation.

    References
    ----------
    {reference}

    Examples
    --------
    >>> from skmtl import PretrainedLasso, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=4, n_samples=50, random_state=0)
    >>> model = PretrainedLasso(alpha=0.05, task_column=0).fit(X, y)
    >>> model.coef_.shape
    (4, 20)
    """

    def __init__(
        self,
        alpha=0.1,
        *,
        alpha_common=None,
        separation=0.5,
        source=None,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        tol=1e-6,
        max_iter=1000,
    ):
        self.alpha = alpha
        self.alpha_common = alpha_common
        self.separation = separation
        self.source = source
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.tol = tol
        self.max_iter = max_iter

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Fit the common model and one linear model per task.

        Parameters
        ----------
        {fit_parameters}

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For input that is not finite, task ids that are not labels or whole numbers, a source
            that is not linear, and parameters out of their range.
        """
        return self._fit(X, y, sample_weight, tasks)


@share_text(**TEXTS)
@complete_docstring
class PretrainedLogisticRegression(PretrainedClassification):
    """Pretrained logistic lasso for two classes: one over all tasks, then one per task from it.

    Minimises first over w and an intercept b_t per task ::

        1 / N * sum_t sum_i v_ti loss(y_ti, x_ti' w + b_t)  +  alpha_common * ||w||_1

    and then over d_t and an intercept, task by task, with s the ``separation`` ::

        1 / N_t * sum_i v_ti loss(y_ti, x_ti' ((1 - s) w + d_t) + b_t)
        + alpha * (sum_{j in S} |d_tj| + 1/s * sum_{j not in S} |d_tj|)

    with the logistic loss, S the features of w that are not 0, v the sample weights times the task
    weights, and N, N_t their sums. The log-odds of a task have the coefficients (1 - s) w + d_t.
    With s = 1 these are of its own lasso; with s = 0 the common model is fine-tuned within its
    features. A task with a single label always predicts it.

    Parameters
    ----------
    alpha : float, default=0.01
    alpha_common : float, optional
        Penalty of the common model; None: `alpha`.
    separation : float, default=0.5
        From 0 (fine-tuning) to 1 (separate lassos); the paper calls it alpha.
    {pretrained}
    {task_parameters}
    {task_weight}
    tol : float, default=1e-6
        Duality gap to reach, relative to the loss of the best constant probabilities.
    max_iter : int, default=100
        Newton steps.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Union of the labels of all tasks, at most two.
    task_classes_ : list of n_tasks arrays
        The labels that each task has in fit.
    {common_attributes}
    {certificate}
    {linear_attributes}
    {mean_model}

    See Also
    --------
    PretrainedLogisticRegressionCV : Chooses the penalties and the separation.

    References
    ----------
    {reference}

    Examples
    --------
    >>> from skmtl import PretrainedLogisticRegression, make_multitask_classification
    >>> X, y = make_multitask_classification(n_tasks=4, n_samples=50, random_state=0)
    >>> model = PretrainedLogisticRegression(task_column=0).fit(X, y)
    >>> model.coef_.shape
    (4, 20)
    """

    def __init__(
        self,
        alpha=0.01,
        *,
        alpha_common=None,
        separation=0.5,
        source=None,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        tol=1e-6,
        max_iter=100,
    ):
        self.alpha = alpha
        self.alpha_common = alpha_common
        self.separation = separation
        self.source = source
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.tol = tol
        self.max_iter = max_iter

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Fit the common model and one linear classifier per task.

        Parameters
        ----------
        {fit_parameters}

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For input that is not finite, more than two labels, task ids that are not labels or
            whole numbers, a source that is not linear, and parameters out of their range.
        """
        return self._fit(X, y, sample_weight, tasks)
