"""Which tasks are alike: by the errors of each other's models, or by their coefficients."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn.base import clone, is_classifier

from skmtl.inspection.drawing import import_pandas
from skmtl.inspection.heat_map import similarity_order
from skmtl.inspection.held_out import make_folds, read_table, task_column_of
from skmtl.inspection.relation_map import TaskRelationDisplay
from skmtl.inspection.relations import (
    correlations,
    errors_of_outputs,
    errors_of_own_rows,
    fitted_to,
    relative_gain,
)
from skmtl.linear_model import HierarchicalRidge, MultiTaskRidgeCV
from skmtl.tasks import split_task_column

UNITS = {
    "errors": "gain in rmse over own model (%)",
    "coefficients": "correlation of predicted deviations",
}
COLOURED = 0.95  # share of the cells of "errors" that the colour scale covers


@dataclass(frozen=True)
class TaskAffinity:
    """What :func:`task_affinity` found.

    Attributes
    ----------
    affinity : ndarray of shape (n_tasks, n_tasks)
        Above 0: alike. Row s and column t of "errors" are of the model of s on task t.
    tasks : ndarray of shape (n_tasks,)
        The task ids.
    method : {"errors", "coefficients"}
    order : ndarray of shape (n_tasks,)
        Positions of the tasks such that similar tasks are neighbours.
    """

    affinity: np.ndarray
    tasks: np.ndarray
    method: str

    @cached_property
    def order(self):
        """Leaves of a hierarchical clustering; a reversed order means the same."""
        return similarity_order(self.affinity)

    def to_frame(self, *, ordered=False):
        """Affinity as a `pandas.DataFrame` with the task ids as index and columns.

        Parameters
        ----------
        ordered : bool, default=False
            Whether tasks are in the order of `order`, not of `tasks`.

        Returns
        -------
        DataFrame
        """
        order = self.order if ordered else np.arange(len(self.tasks))
        names = self.tasks[order].tolist()
        values = self.affinity[np.ix_(order, order)]
        return import_pandas().DataFrame(values, index=names, columns=names)

    def plot(self, ax=None, *, cmap="RdBu", limit=None):
        """Draw the affinities as a heat map, similar tasks beside each other.

        Parameters
        ----------
        ax : matplotlib axes, default=None
            None: those of a new figure.
        cmap : str or matplotlib colormap, default="RdBu"
            Diverging; its centre is at 0.
        limit : float, default=None
            The affinity that has the strongest colour. None: 1 for correlations, and for errors
            the 95 % quantile of the absolute values, so that no task fades all others.

        Returns
        -------
        matplotlib axes
        """
        limit = self.limit if limit is None else limit
        display = TaskRelationDisplay.from_matrix(self, ax=ax, cmap=cmap, limit=limit)
        if self.method == "errors":
            display.colorbar_.ax.set_ylim(-limit, min(limit, 100.0))  # no gain is above 100 %
        return display.ax_

    @property
    def unit(self):
        """What the values are."""
        return UNITS[self.method]

    @property
    def directions(self):
        """What a row and what a column stands for; None if they mean the same."""
        return ("model of task", "predicts task") if self.method == "errors" else None

    @property
    def limit(self):
        """The affinity that has the strongest colour in a figure."""
        if self.method == "coefficients":
            return 1.0
        others = self.affinity[~np.eye(len(self.tasks), dtype=bool)]
        others = np.abs(others[np.isfinite(others)])
        return max(float(np.quantile(others, COLOURED)), 1e-9) if len(others) else 100.0


def task_affinity(
    X,
    y,
    *,
    task_column=None,
    tasks=None,
    method="errors",
    estimator=None,
    cv=None,
    own_intercept=True,
    n_jobs=None,
    random_state=None,
):
    """How alike are tasks? By the errors of each other's models, or by their coefficients.

    - ``method="errors"``: entry (s, t) is 100 (1 - r_st / r_t) percent, with r_st the root mean
      squared error of the model of task s on the rows of task t, and r_t that of a model of t
      on rows left out. Above 0 the model of s predicts t better than a model of its own. The
      diagonal is 0: r_tt is r_t. With a 2-d y, where tasks share rows, r_st is of rows left out,
      too.
    - ``method="coefficients"``: entry (s, t) is the correlation of x' (w_s - m) and x' (w_t - m)
      over the rows x of all tasks (centred within tasks): the cosine of the tasks' deviations
      from the common coefficients m in the metric of the features' covariance. The estimator has
      shrunken the deviations, so that noise hardly counts. A task that does not differ from m has
      correlation 0 with the others. Targets should be in one unit.

    Parameters
    ----------
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns)
    y : array-like of shape (n_samples,) or (n_samples, n_tasks)
        With a 2-d y every column is a task, and missing entries mean "not observed".
    task_column : int or str, default=None
        Position or name of the column of X that holds the task ids. None: that of `estimator`.
    tasks : array-like of shape (n_samples,), optional
        Task of every row, instead of a task column.
    method : {"errors", "coefficients"}, default="errors"
    estimator : regressor of skmtl, default=None
        Not changed. For "errors" one that does not share, such as `PerTaskRegressor`; None is
        `MultiTaskRidgeCV`. For "coefficients" a linear one that does, perhaps fitted already to
        the same tasks; None is `HierarchicalRidge`.
    cv : int, splitter or iterable of (train, test), default=None
        Folds of "errors". An int is a number of folds at random that keep every task; None is 5.
    own_intercept : bool, default=True
        Whether "errors" ignore a difference of levels: the predictions of s for t are shifted by
        their mean error on the training rows of t in each fold.
    n_jobs : int, default=None
        Fits at the same time; results do not depend on it.
    random_state : int, RandomState instance or None, default=None
        For folds at random.

    Returns
    -------
    TaskAffinity
        With ``affinity``, ``tasks``, ``order``, ``to_frame()`` and ``plot()``. An entry is NaN
        if task t has no row that is tested, or is predicted by its own model without error.

    Raises
    ------
    ValueError
        If there is one task only, the method is unknown, or the estimator does not fit it.

    See Also
    --------
    negative_transfer_report : Which tasks does sharing hurt?

    Examples
    --------
    >>> from skmtl import make_multitask_regression, task_affinity
    >>> X, y = make_multitask_regression(
    ...     n_tasks=6, structure="clusters", n_clusters=2, spread=0.1, random_state=0)
    >>> found = task_affinity(X, y, task_column=0, method="coefficients")
    >>> sorted(found.tasks[found.order[:3]].tolist()) in ([0, 2, 4], [1, 3, 5])
    True
    """
    if method not in UNITS:
        raise ValueError(f"method={method!r} is not one of {', '.join(UNITS)}.")
    if estimator is None:
        estimator = MultiTaskRidgeCV() if method == "errors" else HierarchicalRidge()
    _check_estimator(estimator)
    if task_column is None and tasks is None:
        task_column = task_column_of(estimator)
    if task_column is not None and tasks is None:
        X, tasks = split_task_column(X, task_column)
        task_column = None
    # From here on ids are a vector: any row can be given to the model of any task.
    table = read_table(X, y, task_column=task_column, tasks=tasks)
    if method == "coefficients":
        affinity = correlations(fitted_to(estimator, table), table)
    else:
        model = clone(estimator).set_params(task_column=None)
        folds = make_folds(cv, table, random_state=random_state)
        errors = errors_of_outputs if table.shared_rows else errors_of_own_rows
        affinity = relative_gain(*errors(model, table, folds, own_intercept, n_jobs), table)
    return TaskAffinity(affinity, table.labels, method)


def _check_estimator(estimator):
    if not hasattr(estimator, "task_column") or is_classifier(estimator):
        raise ValueError(
            "task_affinity compares squared errors or coefficients, but "
            f"{type(estimator).__name__} is no regressor of skmtl: wrap it (PerTaskRegressor), or "
            "transform X first and give the last step of a Pipeline alone."
        )
