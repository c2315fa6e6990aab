"""Ridge per task."""

import numbers

import numpy as np
from sklearn.model_selection import check_cv

from skmtl.base import MultiTaskLinearRegressor, check_number
from skmtl.design import Design
from skmtl.documentation import complete_docstring
from skmtl.model_selection import TaskKFold
from skmtl.solvers.closed_form import RidgePath, ridge_coef
from skmtl.solvers.mean_regularized import overall_mean, overall_variance
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
        alphas = check_grid(self.alphas, "alphas", default=automatic_alphas(data))
        folds = read_folds(self.cv, X, y, data)
        with suited_threads(data):
            return self._choose_and_solve(data, alphas, folds)

    def _choose_and_solve(self, data, alphas, folds):
        errors, sizes = self._errors(data, alphas, folds)
        criterion = errors if self.alpha_per_task else errors.sum(axis=1, keepdims=True)
        best = np.broadcast_to(np.argmin(criterion, axis=0), data.n_tasks)
        self.alphas_, self.alpha_ = alphas, alphas[best]
        self.mse_path_ = errors / np.where(sizes > 0, sizes, 1.0)
        self.best_score_ = -float(errors[best, np.arange(data.n_tasks)].sum() / sizes.sum())
        return self._store(data, *ridge_per_task(data, self.alpha_, self.fit_intercept))

    def _errors(self, data, alphas, folds):
        """Sums of squared errors (n_alphas, n_tasks) of rows left out, and their weights."""
        errors = np.zeros((len(alphas), data.n_tasks))
        if folds is None:
            for design in designs(data, self.fit_intercept):
                errors[:, design.tasks] = RidgePath(design).leave_one_out(alphas)
            return errors, data.task_sizes()
        sizes = np.zeros(data.n_tasks)
        for train, test in folds:
            held_out = data.subset(test)
            sizes += held_out.task_sizes()
            paths = [RidgePath(d) for d in designs(data.subset(train), self.fit_intercept)]
            for k, alpha in enumerate(alphas):
                solved = assemble(data, ((path.design, path.coef(alpha)) for path in paths))
                errors[k] += held_out.sum_by_task(held_out.squared_errors(*solved))
        return errors, sizes


def designs(data, fit_intercept):
    """The weighted, centred design of one block after the other."""
    free = np.zeros(data.n_features, dtype=bool)
    for block in data.blocks():
        yield Design(block, fit_intercept=fit_intercept, free=free)


def ridge_per_task(data, alphas, fit_intercept):
    """Coefficients (n_features, n_tasks) and intercepts for one penalty per task."""
    blocks = designs(data, fit_intercept)
    return assemble(data, ((design, ridge_coef(design, alphas[design.tasks])) for design in blocks))


def assemble(data, solved):
    """Coefficients and intercepts of all tasks from pairs (design, its coefficients)."""
    coef = np.zeros((data.n_features, data.n_tasks))
    intercept = np.zeros(data.n_tasks)
    for design, part in solved:
        coef[:, design.tasks], intercept[design.tasks] = design.complete(part)
    return coef, intercept


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
    values = np.unique(np.atleast_1d(np.asarray(grid, dtype=np.float64)))
    if values.ndim != 1 or not len(values):
        raise ValueError(f"{name} must hold at least one number, but is {grid!r}.")
    for value in values:
        check_number(float(value), name, strict=strict)
    return values


def feature_variance(data):
    """Median over features of the weighted variance: the scale of a ridge penalty."""
    variances = overall_variance(data, overall_mean(data))
    variances = variances[variances > 0]
    return float(np.median(variances)) if len(variances) else 1.0


def automatic_alphas(data):
    return feature_variance(data) * np.logspace(-4, 8, 25)
