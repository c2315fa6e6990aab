"""Tables in the three layouts, folds that keep their tasks, and errors of rows left out."""

import numbers
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.parallel import Parallel, delayed

from skmtl import frames
from skmtl.model_selection import TaskKFold
from skmtl.model_selection.dealing import deal_outputs
from skmtl.model_selection.splitters import TaskSplitter
from skmtl.preprocessing.columns import KeepTasks
from skmtl.task_data import check_observed
from skmtl.tasks import check_task_ids, describe_ids, encode, read_task_column


@dataclass(frozen=True)
class Table:
    """A table with its targets, as it is handed to estimators, and the task of every target.

    Attributes
    ----------
    X : frame, array or csr/csc matrix
        With the task column, if the ids are in one.
    y : ndarray of shape (n_samples,) or (n_samples, n_tasks)
    vector : ndarray of shape (n_samples,) or None
        The ids that are handed over as ``tasks=``.
    labels : ndarray of shape (n_tasks,)
    rows, codes : ndarray of shape (n_targets,)
        Row and task of every observed target.
    """

    X: object
    y: np.ndarray
    vector: np.ndarray | None
    labels: np.ndarray
    rows: np.ndarray
    codes: np.ndarray

    @property
    def shared_rows(self):
        return self.y.ndim == 2

    @property
    def n_tasks(self):
        return len(self.labels)

    @property
    def sizes(self):
        """Observed targets of every task."""
        return np.bincount(self.codes, minlength=self.n_tasks)

    def sizes_of(self, rows):
        """Observed targets of every task among some rows."""
        chosen = np.isin(self.rows, rows)
        return np.bincount(self.codes[chosen], minlength=self.n_tasks)

    def targets(self, values):
        """Of values shaped as y, those of the observed targets."""
        return values[self.rows, self.codes] if self.shared_rows else values

    def fit(self, model, rows, y=None):
        """Fit to some rows; `y` are their targets, if they are to be others than here."""
        y = self.y[rows] if y is None else y
        return model.fit(frames.take_rows(self.X, rows), y, **self._ids(rows))

    def predict(self, model, rows):
        """Predictions of some rows."""
        return model.predict(frames.take_rows(self.X, rows), **self._ids(rows))

    def _ids(self, rows):
        return {} if self.vector is None else {"tasks": self.vector[rows]}


def read_table(X, y, *, task_column=None, tasks=None):
    """Table of what a user gave; a single task is an error, since there is nothing to compare."""
    X = frames.as_columns(X)
    names, y = frames.column_names(y), np.asarray(y)
    if tasks is not None and task_column is not None:
        raise ValueError(
            f"task ids came twice: in column {task_column!r} of X (task_column) and as `tasks`. "
            "Give one of them."
        )
    ids = None if tasks is None else check_task_ids(tasks)
    vector = ids
    if task_column is not None:
        ids = read_task_column(X, task_column)
    check_consistent_length(X, y, ids)
    if ids is not None:
        if y.ndim == 2 and y.shape[1] > 1:
            raise ValueError(
                f"y has {y.shape[1]} columns, each of which is a task, but task ids were given "
                "too: give a 1-d y with ids, or a 2-d y without."
            )
        y = y.reshape(-1)
        labels, codes = encode(ids)
        rows = np.arange(len(y))
    elif y.ndim == 2:
        labels = np.arange(y.shape[1]) if names is None else np.asarray(names)
        missing = frames.is_missing(y)
        check_observed(missing, labels)
        rows, codes = np.nonzero(~missing)
    else:
        labels = []
    if len(labels) < 2:
        raise ValueError(
            "there is one task only, so that nothing can be shared or compared: name the tasks by "
            "task_column= or tasks=, or give a y with one column per task."
        )
    return Table(X, y, vector, labels, rows, codes)


def task_column_of(estimator):
    """Where the ids are in the table that an estimator is given; None if it reads no column.

    The first step of a Pipeline that knows of ids is asked: `keep_tasks` moves them.
    """
    if hasattr(estimator, "steps"):
        columns = (task_column_of(step) for _, step in estimator.steps)
        return next((column for column in columns if column is not None), None)
    if isinstance(estimator, KeepTasks):
        return estimator.transformers[0][2][0]
    if hasattr(estimator, "task_column"):
        return estimator.task_column
    inner = getattr(estimator, "estimator", None)  # of a grid search
    return None if inner is None else task_column_of(inner)


def class_name(estimator):
    """Class of an estimator, or of the last step of a Pipeline."""
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    return type(last).__name__ if last is estimator else class_name(last)


def check_takes_vector(estimator):
    """Raise unless ids can be handed to an estimator as ``tasks=``."""
    if not hasattr(estimator, "task_column"):
        raise ValueError(
            f"`tasks` cannot reach the last step of {type(estimator).__name__}: put the ids into a "
            "column of X, and its position into the parameter task_column of the estimator "
            "(keep_tasks carries it through the steps before)."
        )


def check_same_tasks(estimator, table):
    """Raise unless a fitted estimator has the tasks of the table."""
    if not np.array_equal(estimator.tasks_, table.labels):
        raise ValueError(
            f"the fitted {type(estimator).__name__} has the tasks "
            f"{describe_ids(estimator.tasks_)}, but the data have {describe_ids(table.labels)}: "
            "pass the data of the fit, or an estimator that is not fitted."
        )


def make_folds(cv, table, *, stratify=False, random_state=None):
    """List of (train, test) with every task in every training fold, from a parameter ``cv``.

    None is 5 folds at random, an int a number of them; skmtl's splitters get the ids as groups.
    """
    if cv is not None and not isinstance(cv, numbers.Integral):
        cv = check_cv(cv)
        # Others warn of groups, or keep tasks apart by them.
        groups = table.codes if isinstance(cv, TaskSplitter) and not table.shared_rows else None
        folds = [tuple(map(np.asarray, fold)) for fold in cv.split(table.X, table.y, groups)]
        if not folds:
            raise ValueError("cv holds no fold: give a splitter, a number, or pairs (train, test).")
        return folds
    n_splits = 5 if cv is None else int(cv)
    if table.shared_rows and len(table.rows) < table.y.size:
        return _folds_of_outputs(n_splits, table, check_random_state(random_state))
    splitter = TaskKFold(
        n_splits,
        shuffle=True,
        stratify=stratify and not table.shared_rows,
        random_state=random_state,
    )
    return list(splitter.split(table.X, table.y, None if table.shared_rows else table.codes))


def _folds_of_outputs(n_splits, table, rng):
    """Folds of whole rows over which the observed targets of every task are spread evenly.

    A row with the only target of a task is never in a test fold.
    """
    order = rng.permutation(len(table.y))
    cells = np.full(table.y.shape, -1)
    cells[table.rows, table.codes] = table.codes
    needed = (cells >= 0)[:, table.sizes == 1].any(axis=1)
    cells[needed] = -1
    used = encode(cells[cells >= 0])
    cells[cells >= 0] = used[1]
    folds = np.empty(len(order), dtype=int)
    folds[order] = deal_outputs(cells[order], n_splits)
    everything = np.arange(len(order))
    return [(everything[folds != fold], everything[folds == fold]) for fold in range(n_splits)]


def held_out_predictions(models, table, folds, n_jobs=None):
    """For every model the list over folds of its predictions of the test rows."""
    jobs = [(model, train, test) for model in models for train, test in folds]
    flat = Parallel(n_jobs=n_jobs)(delayed(_fit_and_predict)(table, *job) for job in jobs)
    return [flat[start : start + len(folds)] for start in range(0, len(flat), len(folds))]


def _fit_and_predict(table, model, train, test):
    return table.predict(table.fit(clone(model), train), test)


def held_out_losses(loss, table, folds, predictions):
    """Loss of every observed target (n_targets,), the mean over the folds that test its row.

    NaN where none does.
    """
    total, count = np.zeros(table.y.shape), np.zeros(len(table.y))
    for (_, test), predicted in zip(folds, predictions, strict=True):
        total[test] += loss(table.y[test], predicted)
        count[test] += 1
    count = count[:, None] if table.shared_rows else count
    return table.targets(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))
