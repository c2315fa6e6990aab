"""Negative transfer: tasks that a model shared with others serves worse than one of their own."""

from dataclasses import dataclass

import numpy as np
from scipy import stats
from sklearn.base import clone, is_classifier

from skmtl.compose import PerTaskClassifier
from skmtl.inspection.drawing import import_pandas
from skmtl.inspection.held_out import (
    check_takes_vector,
    class_name,
    held_out_losses,
    held_out_predictions,
    make_folds,
    read_table,
    task_column_of,
)
from skmtl.inspection.paired_tests import ROUNDING, false_discovery_rate
from skmtl.inspection.sharing_display import SharingDisplay
from skmtl.linear_model import MultiTaskRidgeCV
from skmtl.metrics.by_task import name_of
from skmtl.tasks import describe_ids, group_rows


def _residual(y_true, y_pred):
    residual = np.subtract(y_true, y_pred, dtype=np.float64)
    largest = np.nanmax(np.abs(y_true), initial=0.0)
    return np.where(np.abs(residual) <= ROUNDING * largest, 0.0, residual)


# Name of a metric: the loss of a row; the error is its mean, or the root of it for "rmse".
LOSSES = {
    "rmse": lambda y_true, y_pred: _residual(y_true, y_pred) ** 2,
    "mse": lambda y_true, y_pred: _residual(y_true, y_pred) ** 2,
    "mae": lambda y_true, y_pred: np.abs(_residual(y_true, y_pred)),
    "error_rate": lambda y_true, y_pred: y_true != y_pred,
}


@dataclass(frozen=True)
class NegativeTransferReport:
    """What :func:`negative_transfer_report` found; arrays are in the order of `tasks`.

    Attributes
    ----------
    tasks, sizes : ndarray of shape (n_tasks,)
        The task ids, and their numbers of rows that were tested.
    error, baseline_error : ndarray of shape (n_tasks,)
        Of the rows left out.
    gain, gain_error : ndarray of shape (n_tasks,)
        In percent of the baseline's error, above 0 where the estimator is better, and its
        standard error.
    p_value, p_adjusted : ndarray of shape (n_tasks,)
        Of "no difference", two-sided; adjusted by Benjamini and Hochberg over the tasks.
    level : float
        Below it an adjusted p value is significant.
    metric, name, baseline_name : str
        What was measured, and the names of the estimators.
    """

    tasks: np.ndarray
    sizes: np.ndarray
    error: np.ndarray
    baseline_error: np.ndarray
    gain: np.ndarray
    gain_error: np.ndarray
    p_value: np.ndarray
    p_adjusted: np.ndarray
    level: float
    metric: str
    name: str
    baseline_name: str

    @property
    def hurt(self):
        """Ids of the tasks that are significantly worse than with the baseline, worst first."""
        return self._significant(self.gain < 0, self.gain)

    @property
    def helped(self):
        """Ids of the tasks that are significantly better than with the baseline, best first."""
        return self._significant(self.gain > 0, -self.gain)

    def _significant(self, wanted, key):
        found = np.flatnonzero(wanted & (self.p_adjusted < self.level))
        return self.tasks[found[np.argsort(key[found], kind="stable")]]

    @property
    def frame(self):
        """The arrays as a `pandas.DataFrame`, one row per task."""
        measured = ("error", "baseline_error", "gain", "gain_error", "p_value", "p_adjusted")
        columns = {name: getattr(self, name) for name in measured}
        return import_pandas().DataFrame({"task": self.tasks, "n_samples": self.sizes, **columns})

    @property
    def summary(self):
        """Which tasks are hurt and helped, and what to do about it, in sentences."""
        n_tasks, hurt, helped = len(self.tasks), self.hurt, self.helped
        against = f"compared with {self.baseline_name}"
        rule = f"{100 * self.level:g} % false discoveries (Benjamini-Hochberg)"
        if not len(hurt):
            first = f"{self.name} hurts none of {n_tasks} tasks significantly, {against}, at {rule}"
            return f"{first}; it helps {len(helped)}."
        worst = self.gain[self.tasks == hurt[0]][0]
        return (
            f"{self.name} hurts {len(hurt)} of {n_tasks} tasks significantly, {against}, at "
            f"{rule}: {describe_ids(hurt)}; the {self.metric} of {hurt[0].item()!r} is "
            f"{-worst:.3g} % higher. It helps {len(helped)}. Leave the tasks that are hurt out and "
            "give them models of their own, or use an estimator that shares less with them."
        )

    def __str__(self):
        return self.summary

    def plot(self, ax=None, **options):
        """Draw the gain of every task against its rows; see :class:`SharingDisplay`.

        Parameters
        ----------
        ax : matplotlib axes, default=None
            None: those of a new figure.
        **options
            For :meth:`SharingDisplay.plot`.

        Returns
        -------
        SharingDisplay
        """
        return SharingDisplay.from_gains(
            self.gain,
            self.sizes,
            tasks=self.tasks,
            errors=self.gain_error,
            name=f"{self.name} over {self.baseline_name}",
            unit=f"% of {self.metric}",
            ax=ax,
            **options,
        )


def negative_transfer_report(
    estimator,
    X,
    y,
    *,
    baseline=None,
    cv=None,
    metric=None,
    task_column=None,
    tasks=None,
    level=0.05,
    n_jobs=None,
    random_state=None,
):
    """Does sharing hurt some tasks? Errors of rows left out, against one model per task.

    Both estimators are fitted to the same training folds and predict the same rows left out.

    Parameters
    ----------
    estimator : estimator
        Not changed. Its ``task_column`` says where the ids are, also if it is the last step of
        a Pipeline.
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns)
    y : array-like of shape (n_samples,) or (n_samples, n_tasks)
        With a 2-d y every column is a task, missing entries mean "not observed", and rows are
        left out whole.
    baseline : estimator, default=None
        None: `MultiTaskRidgeCV`, or ``PerTaskClassifier(LogisticRegression())`` for a
        classifier, in place of the last step if `estimator` is a Pipeline.
    cv : int, splitter or iterable of (train, test), default=None
        An int is a number of folds at random that keep every task; None is 5. A splitter of
        skmtl gets the tasks as groups. A row that several folds test counts with its mean loss.
    metric : {"rmse", "mse", "mae", "error_rate"} or callable, default=None
        None: "rmse", or "error_rate" (the share of wrong labels) for a classifier. A callable
        ``loss(y_true, y_pred)`` returns the loss of every row.
    task_column : int or str, default=None
        Where the ids are in X, for an estimator that does not say so.
    tasks : array-like of shape (n_samples,), optional
        Task of every row, instead of a task column.
    level : float, default=0.05
        Share of false discoveries that is allowed among the tasks called hurt or helped.
    n_jobs : int, default=None
        Fits at the same time; results do not depend on it.
    random_state : int, RandomState instance or None, default=None
        For folds at random.

    Returns
    -------
    NegativeTransferReport
        With ``hurt``, ``helped``, ``summary``, ``frame`` and ``plot()``.

    Raises
    ------
    ValueError
        If there is one task only, a metric is unknown, or a fold tests a task without
        training on it.

    See Also
    --------
    SharingDisplay : The figure.
    task_affinity : Which tasks could learn from which.

    Notes
    -----
    With mean losses m of the estimator and b of the baseline over the n rows of a task, the gain
    is 100 (1 - m / b) percent, for "rmse" 100 (1 - (m / b)^(1/2)). Its standard error is that of
    a ratio of paired means. The p values are of paired t tests of the losses, for "error_rate" of
    exact sign tests (McNemar's). They speak of the models that were fitted on these folds
    [1]_, not of what other training rows would have given. A task with one tested row has
    neither. A gain over a baseline without error is 0 or minus infinity.

    References
    ----------
    .. [1] Bayle, Bayle, Janson, Mackey 2020, *Cross-validation confidence intervals for test
       error*, NeurIPS.
    .. [2] Benjamini, Hochberg 1995, *Controlling the false discovery rate*, JRSS B 57.

    Examples
    --------
    >>> from skmtl import PooledRegressor, make_multitask_regression, negative_transfer_report
    >>> X, y = make_multitask_regression(
    ...     n_tasks=5, n_samples=60, structure="outliers", random_state=0)
    >>> report = negative_transfer_report(PooledRegressor(task_column=0), X, y, random_state=0)
    >>> 4 in report.hurt  # the outlier
    True
    """
    if not 0 < level < 1:
        raise ValueError(f"level={level!r} must be a share between 0 and 1.")
    loss, metric, root = _find_loss(metric, is_classifier(estimator))
    if task_column is None and tasks is None:
        task_column = task_column_of(estimator)
    if tasks is not None:
        check_takes_vector(estimator)
    table = read_table(X, y, task_column=task_column, tasks=tasks)
    baseline = one_model_per_task(estimator, task_column) if baseline is None else baseline
    folds = make_folds(cv, table, stratify=is_classifier(estimator), random_state=random_state)
    predictions = held_out_predictions([estimator, baseline], table, folds, n_jobs)
    ours, base = (held_out_losses(loss, table, folds, each) for each in predictions)
    rows = group_rows(table.codes, table.n_tasks)
    test = sign_test if metric == "error_rate" else paired_t_test
    found = [compare_losses(ours[group], base[group], root, test) for group in rows]
    sizes, *columns = (np.array(column) for column in zip(*found, strict=True))
    return NegativeTransferReport(
        table.labels,
        sizes,
        *columns,
        p_adjusted=false_discovery_rate(columns[-1]),
        level=level,
        metric=metric,
        name=class_name(estimator),
        baseline_name=class_name(baseline),
    )


def _find_loss(metric, classifier):
    """Function for the losses of rows, its name, and whether the error is a root."""
    metric = ("error_rate" if classifier else "rmse") if metric is None else metric
    if callable(metric):
        return metric, name_of(metric), False
    if metric not in LOSSES:
        raise ValueError(
            f"metric={metric!r} is not one of {', '.join(LOSSES)}: it must be a mean over rows. "
            "Pass a callable loss(y_true, y_pred) that returns the loss of every row."
        )
    return LOSSES[metric], metric, metric == "rmse"


def one_model_per_task(estimator, task_column=None):
    """The estimator with its last step replaced by one that does not share."""
    if hasattr(estimator, "steps"):
        name, last = estimator.steps[-1]
        return clone(estimator).set_params(**{name: one_model_per_task(last, task_column)})
    if not hasattr(estimator, "task_column") and hasattr(estimator, "estimator"):
        return one_model_per_task(estimator.estimator, task_column)  # of a grid search
    alone = PerTaskClassifier() if is_classifier(estimator) else MultiTaskRidgeCV()
    return alone.set_params(task_column=getattr(estimator, "task_column", task_column))


def compare_losses(ours, base, root, test):
    """Rows, both errors, gain, its standard error and the p value of one task."""
    seen = ~np.isnan(ours)
    ours, base = ours[seen], base[seen]
    if not len(ours):
        return 0, *[np.nan] * 5
    m, b = ours.mean(), base.mean()
    power = 0.5 if root else 1.0
    gain, error = _gain(ours, base, power)
    return len(ours), m**power, b**power, gain, error, test(ours - base)


def _gain(ours, base, power):
    """100 (1 - (m / b)^power) and its standard error by the delta method."""
    m, b, n = ours.mean(), base.mean(), len(ours)
    if b == 0:
        return (0.0 if m == 0 else -np.inf), np.nan
    ratio = m / b
    gain = 100.0 * (1.0 - ratio**power)
    if n < 2 or ratio == 0:
        return gain, np.nan
    # A ratio of means varies as the mean of ours - ratio * base does, over b.
    error = np.std(ours - ratio * base, ddof=1) / np.sqrt(n) / b
    return gain, 100.0 * power * ratio ** (power - 1.0) * error


def paired_t_test(differences):
    """Two-sided p value of a mean of zero; NaN for a single row."""
    n = len(differences)
    if n < 2:
        return np.nan
    error = np.std(differences, ddof=1) / np.sqrt(n)
    # Equal differences have no spread to judge them by: their signs are left.
    if error <= np.finfo(float).eps * np.abs(differences).max():
        return sign_test(differences)
    return float(2.0 * stats.t.sf(abs(differences.mean()) / error, n - 1))


def sign_test(differences):
    """Two-sided p value of as many positive as negative differences."""
    n_worse, n_better = int((differences > 0).sum()), int((differences < 0).sum())
    if n_worse == n_better:
        return 1.0
    return float(stats.binomtest(n_worse, n_worse + n_better).pvalue)
