"""Ridge per task."""

import numbers

import numpy as np
from sklearn.model_selection import check_cv

from skmtl.base import MultiTaskLinearRegressor, check_number
from skmtl.documentation import complete_docstring
from skmtl.model_selection import TaskKFold
from skmtl.solvers.mean_regularized import overall_mean, overall_variance
from skmtl.solvers.ridge_per_task import (
    errors_of_folds,
    leave_one_out,
    ridge_paths,
    ridge_per_task,
)
from skmtl.tasks import describe_ids
from skmtl.threads import suited_threads


@complete_docstring
class MultiTaskRidge(MultiTaskLinearRegressor):
    """Ridge regression for every task by itself, with a penalty of its own.

    Minimises for every task t over w_t (n_features,) and b_t ::

        sum_i v_ti w_t (y_ti - x_ti' w_t - b_t)^2 + alpha_t ||w_t||^2

    with v the sample weights and w the task weights: nothing is shared. One task gives
    `sklearn.linear_model.Ridge`. Tasks with the same rows share one factorisation.

    Parameters
    ----------
    alpha : float, dict or array-like of shape (n_tasks,), default=1.0
        Penalty of all tasks or of each; in the order of the sorted task ids, or by task id.
    {task_parameters}
    {task_weight}
    fit_intercept : bool, default=True

    Attributes
    ----------
    {linear_attributes}
    {mean_model}

    References
    ----------
    Hoerl, Kennard 1970, *Ridge regression: biased estimation for nonorthogonal problems*,
    Technometrics 12.

    Examples
    --------
    >>> from skmtl import MultiTaskRidge, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=4, n_samples=50, random_state=0)
    >>> MultiTaskRidge(alpha=2.0, task_column=0).fit(X, y).coef_.shape
    (4, 20)
    """

    def __init__(
        self,
        alpha=1.0,
        *,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
    ):
        self.alpha = alpha
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Fit one ridge model per task.

        Parameters
        ----------
        {fit_parameters}

        Returns
        -------
        self : object
        """
        data = self._read_training_data(X, y, tasks, sample_weight)
        alphas = resolve_alpha(self.alpha, data.labels)
        with suited_threads(data):
            return self._store(data, *ridge_per_task(data, alphas, self.fit_intercept))


@complete_docstring
class MultiTaskRidgeCV(MultiTaskLinearRegressor):
    """Ridge for every task, each with the penalty of least exact leave-one-out error.

    The objective is that of `MultiTaskRidge`. All penalties and all tasks that share rows come
    from one decomposition X = U s V'; the error of row i when it is left out is its residual
    over one minus its leverage. With ``cv`` the errors are those of the folds instead.

    Parameters
    ----------
    alphas : array-like of shape (n_alphas,), default=None
        Penalties to try. None: 25 from 1e-4 to 1e8 times the median variance of a feature.
    alpha_per_task : bool, default=True
        Whether every task has its own penalty, or all have one.
    cv : int, splitter or iterable of (train, test), default=None
        None: exact leave-one-out. Otherwise folds, where rows are not independent of each
        other; an int means `TaskKFold`.
    {task_parameters}
    {task_weight}
    fit_intercept : bool, default=True

    Attributes
    ----------
    alpha_ : ndarray of shape (n_tasks,)
    alphas_ : ndarray of shape (n_alphas,)
        The penalties tried.
    mse_path_ : ndarray of shape (n_alphas, n_tasks)
        Weighted mean squared error of the rows left out.
    best_score_ : float
        Minus the mean over all rows left out of the squared errors at `alpha_`.
    {linear_attributes}
    {mean_model}

    References
    ----------
    Rifkin, Lippert 2007, *Notes on regularized least squares*, MIT-CSAIL-TR-2007-025.

    Examples
    --------
    >>> from skmtl import MultiTaskRidgeCV, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=4, n_samples=50, random_state=0)
    >>> MultiTaskRidgeCV(alphas=[0.1, 1.0, 10.0], task_column=0).fit(X, y).alpha_.shape
    (4,)
    """

    def __init__(
        self,
        alphas=None,
        *,
        alpha_per_task=True,
        cv=None,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
    ):
        self.alphas = alphas
        self.alpha_per_task = alpha_per_task
        self.cv = cv
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Choose the penalties and fit one ridge model per task.

        Parameters
        ----------
        {fit_parameters}

        Returns
        -------
        self : object
        """
        data = self._read_training_data(X, y, tasks, sample_weight)
        alphas = check_grid(self.alphas, "alphas", default=None)
        alphas = automatic_alphas(data) if alphas is None else alphas
        folds = read_folds(self.cv, X, y, data)
        with suited_threads(data):
            return self._choose_and_solve(data, alphas, folds)

    def _choose_and_solve(self, data, alphas, folds):
        if folds is None:
            block_decides = self.alpha_per_task or len(data.groups()) == 1
            choose = self._best if block_decides else None
            errors, solved = leave_one_out(data, alphas, self.fit_intercept, choose)
            sizes = data.task_sizes()
        else:
            errors, sizes = errors_of_folds(data, alphas, folds, self.fit_intercept)
            solved = None
        best = self._best(errors)
        self.alphas_, self.alpha_ = alphas, alphas[best]
        self.mse_path_ = errors / np.where(sizes > 0, sizes, 1.0)
        self.best_score_ = -float(errors[best, np.arange(data.n_tasks)].sum() / sizes.sum())
        if solved is None:
            solved = ridge_per_task(data, self.alpha_, self.fit_intercept)
        return self._store(data, *solved)

    def _best(self, errors):
        """Index of the best penalty of every task, from errors (n_alphas, n_tasks)."""
        criterion = errors if self.alpha_per_task else errors.sum(axis=1, keepdims=True)
        return np.broadcast_to(np.argmin(criterion, axis=0), errors.shape[1])


@complete_docstring
def multitask_ridge_path(
    X,
    y,
    alphas,
    *,
    tasks=None,
    task_column=None,
    sample_weight=None,
    task_weight=None,
    fit_intercept=True,
):
    """Ridge per task for several penalties, all from one decomposition of the features.

    The objective is that of `MultiTaskRidge`.

    Parameters
    ----------
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns)
        Features, and the task column if ``task_column`` is given.
    y : array-like of shape (n_samples,) or (n_samples, n_tasks)
        With a 2-d y every column is a task, and missing entries mean "not observed".
    alphas : array-like of shape (n_alphas,)
        Penalties, the same for all tasks; for 0, the least-squares solution of least norm.
    tasks : array-like of shape (n_samples,), optional
        Task of every row, instead of ``task_column``.
    task_column : int or str, optional
        Position or name of the column of X that holds the task ids.
    sample_weight : float or array-like of shape (n_samples,), optional
        Also of shape (n_samples, n_tasks) with a 2-d y.
    {task_weight}
    fit_intercept : bool, default=True

    Returns
    -------
    coefs : ndarray of shape (n_tasks, n_features, n_alphas)
        In the order of the sorted task ids and of `alphas`. 0 for a feature that is absent from
        a task, and for a task whose rows have no weight.
    intercepts : ndarray of shape (n_tasks, n_alphas)

    Examples
    --------
    >>> from skmtl import make_multitask_regression, multitask_ridge_path
    >>> X, y = make_multitask_regression(n_tasks=4, n_samples=50, random_state=0)
    >>> coefs, intercepts = multitask_ridge_path(X, y, [0.1, 1.0, 10.0], task_column=0)
    >>> coefs.shape, intercepts.shape
    ((4, 20, 3), (4, 3))
    """
    reader = MultiTaskRidge(task_column=task_column, task_weight=task_weight)
    data = reader._read_training_data(X, y, tasks, sample_weight)
    alphas = check_penalties(alphas, "alphas", strict=False)
    coefs = np.zeros((len(alphas), data.n_tasks, data.n_features))
    intercepts = np.zeros((data.n_tasks, len(alphas)))
    with suited_threads(data):
        for path in ridge_paths(data, fit_intercept):
            tasks, x_mean, y_mean = path.design.tasks, path.design.x_mean, path.design.y_mean
            for k, alpha in enumerate(alphas):
                coef = path.coef(alpha)
                coefs[k, tasks] = coef.T
                intercepts[tasks, k] = y_mean - x_mean @ coef
    if reader.absent_features_ is not None:
        coefs[:, reader.absent_features_] = 0.0
    if not np.isfinite(coefs).all():
        raise ValueError(
            "multitask_ridge_path found no finite coefficients: the scales of X or y exceed the "
            "range of float64. Standardise them first."
        )
    return np.moveaxis(coefs, 0, -1), intercepts


def read_folds(cv, X, y, data, *, unseen_tasks=False):
    """List of (train, test) from a parameter ``cv``, or None for leave-one-out.

    Raises ValueError for a fold that tests a task without training rows, unless `unseen_tasks`.
    """
    if cv is None:
        return None
    groups = data.codes
    cv = TaskKFold(cv) if isinstance(cv, numbers.Integral) else check_cv(cv)
    folds = [(np.asarray(train), np.asarray(test)) for train, test in cv.split(X, y, groups)]
    if not folds:
        raise ValueError("cv holds no fold: give a splitter, a number, or pairs (train, test).")
    for train, test in folds if not unseen_tasks else ():
        unseen = (data.subset(train).task_sizes() == 0) & (data.subset(test).task_sizes() > 0)
        if unseen.any():
            raise ValueError(
                f"a fold of cv tests task {describe_ids(data.labels[unseen][:1])} without training "
                "on it: keep every task in every training fold with TaskKFold."
            )
    return folds


def resolve_alpha(alpha, labels):
    """One penalty per task from a number, an array or a dict by task id."""
    if isinstance(alpha, dict):
        missing = [label for label in labels.tolist() if label not in alpha]
        if missing:
            raise ValueError(f"alpha has no penalty for the tasks {missing[:5]}.")
        alpha = [alpha[label] for label in labels.tolist()]
    if np.ndim(alpha) == 0:
        check_number(alpha, "alpha")
        return np.full(len(labels), float(alpha))
    alphas = np.asarray(alpha, dtype=np.float64)
    if alphas.shape != (len(labels),):
        raise ValueError(
            f"alpha has shape {alphas.shape}, but there are {len(labels)} tasks: give a number, "
            "or one per task in the order of the sorted ids."
        )
    for value in alphas:
        check_number(float(value), "alpha")
    return alphas


def check_grid(grid, name, *, default, strict=True):
    """A grid of penalties as a sorted float array."""
    if grid is None:
        return default
    return np.unique(check_penalties(grid, name, strict=strict))


def check_penalties(values, name, *, strict):
    """Penalties as a float array (n_penalties,) in their own order."""
    penalties = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if penalties.ndim != 1 or not len(penalties):
        raise ValueError(f"{name} must hold at least one number, but is {values!r}.")
    for penalty in penalties:
        check_number(float(penalty), name, strict=strict)
    return penalties


def feature_variance(data):
    """Median over features of the weighted variance: the scale of a ridge penalty."""
    variances = overall_variance(data, overall_mean(data))
    variances = variances[variances > 0]
    return float(np.median(variances)) if len(variances) else 1.0


def automatic_alphas(data):
    return feature_variance(data) * np.logspace(-4, 8, 25)
