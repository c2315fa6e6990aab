"""The pretrained lasso with its penalties and its separation chosen by cross-validation."""

import numbers

import numpy as np

from skmtl.documentation import complete_docstring, share_text
from skmtl.linear_model.label_folds import deal_labels
from skmtl.transfer.pretrained_search import N_FOLDS, PretrainedCV
from skmtl.transfer.pretrained_steps import TEXTS, PretrainedClassification, PretrainedRegression

CV_TEXTS = {
    **TEXTS,
    "search_parameters": """
    separations : array-like, default=None
        Separations to try, from 0 (fine-tuning) to 1 (separate lassos); None: 0, 0.1, ..., 1,
        and for labels 0, 0.25, ..., 1.
    alphas, alphas_common : int or array-like, default=30
        How many penalties of the tasks and of the common model (from the smallest at which all
        coefficients are zero down to a hundredth of it, in equal ratios), or which.
    alpha_per_task : bool, default=True
        Choose a penalty for each task by its own rows, or one for all tasks.
    """,
    "search_tail": """
    tol : float, default=1e-4
        Duality gap to reach on the folds, relative to the objective of zero coefficients. The
        final fits aim at 1e-10.
    max_iter : int, default=1000
        Sweeps of coordinate descent, or Newton steps, of every fit.
    n_jobs : int, optional
        Folds in parallel (as threads); results do not depend on it.
    """,
    "search_attributes": """
    separation_ : float
    alpha_ : ndarray of shape (n_tasks,)
    alpha_common_ : float
        NaN with a source.
    separations_ : ndarray of shape (n_separations,)
    cv_loss_ : ndarray of shape (n_separations,)
        Mean held-out loss of each separation at its best penalties.
    """,
}
CV_TEXTS["label_search_parameters"] = CV_TEXTS["search_parameters"].replace(
    "default=30", "default=10"
)


@share_text(**CV_TEXTS)
@complete_docstring
class PretrainedLassoCV(PretrainedCV, PretrainedRegression):
    """Pretrained lasso with penalties and separation chosen by cross-validation.

    The objectives are those of `PretrainedLasso`: a lasso over all tasks with the penalty
    alpha_common, and one per task with the penalty alpha_t that starts from it, more or less
    freely by the separation s. First alpha_common is chosen by the held-out error of the common
    model, then s and the alpha_t by that of the tasks. Separate lassos (s = 1), and the common
    model as it is (s = 0 and a large alpha_t), are among the candidates.

    Parameters
    ----------
    {search_parameters}
    cv : int, splitter or iterable of (train, test), default=None
        None is `TaskKFold(5)`, an int the number of its folds: every task is in every training
        fold.
    {pretrained}
    {task_parameters}
    {task_weight}
    {search_tail}

    Attributes
    ----------
    {search_attributes}
    {common_attributes}
    {certificate}
    {linear_attributes}
    {mean_model}

    See Also
    --------
    PretrainedLasso : For given penalties.

    References
    ----------
    {reference}

    Examples
    --------
    >>> from skmtl import PretrainedLassoCV, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=4, n_samples=50, random_state=0)
    >>> model = PretrainedLassoCV(task_column=0).fit(X, y)
    >>> model.cv_loss_.shape
    (11,)
    """

    _default_separations = np.arange(11) / 10.0

    def __init__(
        self,
        *,
        separations=None,
        alphas=30,
        alphas_common=30,
        alpha_per_task=True,
        cv=None,
        source=None,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        tol=1e-4,
        max_iter=1000,
        n_jobs=None,
    ):
        self.separations = separations
        self.alphas = alphas
        self.alphas_common = alphas_common
        self.alpha_per_task = alpha_per_task
        self.cv = cv
        self.source = source
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Choose penalties and separation, and fit one linear model per task.

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


@share_text(**CV_TEXTS)
@complete_docstring
class PretrainedLogisticRegressionCV(PretrainedCV, PretrainedClassification):
    """Pretrained logistic lasso with penalties and separation chosen by cross-validation.

    The objectives are those of `PretrainedLogisticRegression`: a lasso over all tasks with the
    penalty alpha_common, and one per task with the penalty alpha_t that starts from it, more or
    less freely by the separation s. First alpha_common is chosen by the held-out log-loss of the
    common model, then s and the alpha_t by that of the tasks. Separate lassos (s = 1), and the
    common model as it is (s = 0 and a large alpha_t), are among the candidates.

    Parameters
    ----------
    {label_search_parameters}
    cv : int, splitter or iterable of (train, test), default=None
        None: 5 folds with every label of every task in every training fold; an int: as many.
    {pretrained}
    {task_parameters}
    {task_weight}
    {search_tail}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Union of the labels of all tasks, at most two.
    task_classes_ : list of n_tasks arrays
        The labels that each task has in fit.
    {search_attributes}
    {common_attributes}
    {certificate}
    {linear_attributes}
    {mean_model}

    See Also
    --------
    PretrainedLogisticRegression : For given penalties.

    References
    ----------
    {reference}

    Examples
    --------
    >>> from skmtl import PretrainedLogisticRegressionCV, make_multitask_classification
    >>> X, y = make_multitask_classification(n_tasks=4, n_samples=50, random_state=0)
    >>> model = PretrainedLogisticRegressionCV(separations=[0, 0.5, 1], task_column=0).fit(X, y)
    >>> model.cv_loss_.shape
    (3,)
    """

    _default_separations = np.arange(5) / 4.0

    def __init__(
        self,
        *,
        separations=None,
        alphas=10,
        alphas_common=10,
        alpha_per_task=True,
        cv=None,
        source=None,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        tol=1e-4,
        max_iter=1000,
        n_jobs=None,
    ):
        self.separations = separations
        self.alphas = alphas
        self.alphas_common = alphas_common
        self.alpha_per_task = alpha_per_task
        self.cv = cv
        self.source = source
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Choose penalties and separation, and fit one linear classifier per task.

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

    def _splits(self, X, y, data):
        if self.cv is None or isinstance(self.cv, numbers.Integral):
            return deal_labels(data, N_FOLDS if self.cv is None else self.cv)
        return super()._splits(X, y, data)
