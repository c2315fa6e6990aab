"""The three data layouts read into one TaskData, the input of every solver.

Own rows, shared rows and shared rows with missing targets differ only in their blocks: a
block is a set of tasks that have the same rows and the same row weights.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import sparse

from skmtl.tasks import describe_ids, encode, group_rows


class Block(NamedTuple):
    """Tasks that have the same rows and the same row weights.

    ``X`` (n_rows, n_features) has zeros where a feature is absent, ``Y`` (n_rows, n_block_tasks)
    and ``weights`` (n_rows,) > 0. ``rows`` says which rows of the table these are, ``absent``
    (n_features,) which features are absent.
    """

    tasks: np.ndarray
    rows: slice | np.ndarray
    X: object
    Y: np.ndarray
    weights: np.ndarray
    absent: np.ndarray


@dataclass(frozen=True)
class TaskData:
    """Validated training data of all tasks.

    Attributes
    ----------
    X : ndarray or csr matrix of shape (n_samples, n_features)
        Features without the ids; NaN where a feature is absent from a task.
    y : ndarray of shape (n_samples,) for own rows or (n_samples, n_tasks) for shared rows
        Missing targets of shared rows are 0 here, with weight 0.
    weights : ndarray of shape (n_samples,) or (n_samples, n_tasks)
        Sample weight times task weight; (n_samples,) with shared rows where all tasks agree.
    codes : ndarray of shape (n_samples,) or None
        Task of every row; None for shared rows.
    labels : ndarray of shape (n_tasks,)
        The id of every task.
    task_weight : ndarray of shape (n_tasks,)
        The factors that are part of `weights`.
    """

    X: object
    y: np.ndarray
    weights: np.ndarray
    codes: np.ndarray | None
    labels: np.ndarray
    task_weight: np.ndarray

    @property
    def n_tasks(self):
        return len(self.labels)

    @property
    def n_features(self):
        return self.X.shape[1]

    @property
    def shared_rows(self):
        return self.codes is None

    def groups(self):
        """(tasks, rows, weights) of every block: tasks with the same rows and weights."""
        return self._groups

    @cached_property
    def _groups(self):
        return list(self._find_groups())

    def _find_groups(self):
        if not self.shared_rows:
            for task, rows in enumerate(group_rows(self.codes, self.n_tasks)):
                yield np.array([task]), *_positive(rows, self.weights[rows])
            return
        if self.weights.ndim == 1:
            yield np.arange(self.n_tasks), *_positive(slice(None), self.weights)
            return
        patterns = {}
        for task, column in enumerate(np.ascontiguousarray(self.weights.T)):
            patterns.setdefault(column.tobytes(), []).append(task)
        for tasks in patterns.values():
            yield np.array(tasks), *_positive(slice(None), self.weights[:, tasks[0]])

    def blocks(self):
        """The blocks one after the other, so that only one is held in memory at a time."""
        for tasks, rows, weights in self.groups():
            X = self.X[rows]
            absent = np.zeros(self.n_features, dtype=bool)
            if not sparse.issparse(X) and np.isnan(X.sum()):
                absent = np.isnan(X).any(axis=0)  # in all rows, or reading the data had failed
                X = np.where(absent, X.dtype.type(0), X)
            Y = self.y[rows][:, None] if self.y.ndim == 1 else self.y[rows][:, tasks]
            yield Block(tasks, rows, X, Y, weights, absent)

    def task_sizes(self):
        """Sum of weights of every task."""
        if self.shared_rows and self.weights.ndim == 1:
            return np.full(self.n_tasks, self.weights.sum())
        if self.shared_rows:
            return self.weights.sum(axis=0)
        return np.bincount(self.codes, self.weights, minlength=self.n_tasks)

    @property
    def mean_task_weight(self):
        """n_bar: mean sample weight (before task weights) of the tasks that count."""
        sizes = self.task_sizes()
        counts = sizes > 0
        return np.mean(sizes[counts] / self.task_weight[counts])

    def subset(self, rows):
        """The data of some rows (an index array), with all tasks."""
        X = self.X.tocsr() if sparse.issparse(self.X) else self.X
        codes = None if self.shared_rows else self.codes[rows]
        return replace(self, X=X[rows], y=self.y[rows], weights=self.weights[rows], codes=codes)

    def squared_errors(self, coef, intercept):
        """Weighted squared errors of the models coef (n_features, n_tasks), shaped as y."""
        squares = np.zeros(self.y.shape)
        for block in self.blocks():
            error = block.Y - block.X @ coef[:, block.tasks] - intercept[block.tasks]
            weighted = block.weights[:, None] * error**2
            if self.shared_rows:
                rows = np.arange(len(self.y))[block.rows]
                squares[np.ix_(rows, block.tasks)] = weighted
            else:
                squares[block.rows] = weighted[:, 0]
        return squares

    def absent_features(self, describe=str):
        """Mask (n_tasks, n_features) of features without a value in a task, or None.

        Raises ValueError for a feature that is NaN in some rows of a task only; `describe` gives
        the name of a feature from its position.
        """
        if sparse.issparse(self.X) or not np.isnan(self.X.sum()):
            return None
        missing = np.isnan(self.X)
        if not missing.any():
            return None
        absent = np.zeros((self.n_tasks, self.n_features), dtype=bool)
        for tasks, rows, _ in self.groups():
            if not missing[rows].size:
                continue
            share = missing[rows].mean(axis=0)
            partly = (share > 0) & (share < 1)
            if partly.any():
                feature = int(np.argmax(partly))
                raise ValueError(
                    f"Input X contains NaN in feature {describe(feature)} for "
                    f"{share[feature]:.0%} of the rows of task "
                    f"{describe_ids(self.labels[tasks[:1]])}. A feature may be absent from a whole "
                    "task; for single missing values add an imputer before: "
                    "keep_tasks(SimpleImputer(), task_column=...)."
                )
            absent[tasks] = share == 1
        return absent


def _positive(rows, weights):
    """Rows with a positive weight; rows stay a slice (no copy) where that is all of them."""
    positive = weights > 0
    if positive.all():
        return rows, weights
    if isinstance(rows, slice):
        rows = np.arange(rows.start or 0, (rows.start or 0) + len(weights))
    return rows[positive], weights[positive]


def check_weights(sample_weight, shape, multi_output):
    """sample_weight as float64 of shape (n_samples,) or, for multi-output, (n_samples, n_tasks)."""
    n_samples = shape[0]
    weights = np.array(1.0 if sample_weight is None else sample_weight, dtype=np.float64)
    if weights.ndim == 0:
        weights = np.full(n_samples, weights)
    allowed = [(n_samples,), shape] if multi_output else [(n_samples,)]
    if weights.shape not in allowed:
        raise ValueError(
            f"sample_weight.shape == {weights.shape}, expected "
            f"{' or '.join(str(s) for s in allowed)}!"
        )
    if not np.isfinite(weights).all():
        raise ValueError("Input sample_weight contains NaN or infinity.")
    if (weights < 0).any():
        raise ValueError(f"sample_weight must not be negative, but it holds {weights.min():.4g}.")
    return weights


def learns_noise(task_weight):
    """Whether the factors are to be learned from the noise of the tasks."""
    return isinstance(task_weight, str) and task_weight == "noise"


def resolve_task_weight(task_weight, labels, sizes):
    """One factor per task from None, "balanced", a dict by task id or one number per task."""
    n_tasks = len(labels)
    if task_weight is None:
        return np.ones(n_tasks)
    if isinstance(task_weight, str):
        if learns_noise(task_weight):
            raise ValueError(
                "task_weight='noise' is for linear regressors, whose features are numbers: here, "
                "give numbers (such as `task_weight_` of a fitted MeanRegularizedRidge)."
            )
        if task_weight != "balanced":
            raise ValueError(
                f"task_weight={task_weight!r} is unknown: use None, 'balanced', 'noise' or numbers."
            )
        present = sizes > 0
        mean_size = sizes.sum() / max(present.sum(), 1)
        return np.divide(mean_size, sizes, out=np.ones(n_tasks), where=present)
    if isinstance(task_weight, dict):
        known = set(labels.tolist())
        unknown = [task for task in task_weight if task not in known]
        if unknown:
            raise ValueError(f"task_weight names the tasks {unknown}, which the data do not have.")
        factors = np.array([task_weight.get(label, 1.0) for label in labels.tolist()], dtype=float)
    else:
        factors = np.asarray(task_weight, dtype=float)
        if factors.shape != (n_tasks,):
            raise ValueError(
                f"task_weight has shape {factors.shape}, but there are {n_tasks} tasks: give one "
                "number per task in the order of the sorted ids, or a dict by task id."
            )
    if not np.isfinite(factors).all() or (factors < 0).any():
        raise ValueError(f"task_weight must be finite and not negative, but is {task_weight!r}.")
    return factors


def make_task_data(X, y, *, ids=None, labels=None, sample_weight=None, task_weight=None):
    """TaskData from checked features, targets and ids.

    Parameters
    ----------
    X : ndarray or csr/csc matrix of shape (n_samples, n_features)
    y : float ndarray of shape (n_samples,), or (n_samples, n_tasks) with NaN for "not observed"
    ids : ndarray of shape (n_samples,), optional
        From :func:`check_task_ids`; for a 1-d `y` only.
    labels : ndarray of shape (n_tasks,), optional
        Names of the columns of a 2-d `y`.
    sample_weight, task_weight
        As in every estimator.
    """
    multi_output = y.ndim == 2
    weights = check_weights(sample_weight, y.shape, multi_output)
    if multi_output:
        labels = np.arange(y.shape[1]) if labels is None else labels
        codes = None
        y, weights = _mask_missing(y, weights, labels)
    else:
        ids = np.zeros(len(y), dtype=np.int64) if ids is None else ids
        labels, codes = encode(ids)
    if sparse.issparse(X) and not np.isfinite(X.data).all():
        raise ValueError(
            "Input X contains NaN: in a sparse X an absent feature is one that is not stored."
        )
    data = TaskData(_row_access(X, codes), y, weights, codes, labels, np.ones(len(labels)))
    sizes = data.task_sizes()
    if not sizes.sum() > 0:
        raise ValueError("sample_weight is zero for every observed row: nothing to learn from.")
    factors = resolve_task_weight(task_weight, labels, sizes)
    if not (factors * sizes).sum() > 0:
        raise ValueError("task_weight is zero for every task that has rows.")
    return weigh_tasks(data, factors)


def weigh_tasks(data, factors):
    """The data with the weights of every task multiplied by a factor (n_tasks,)."""
    weights = data.weights
    if not (factors == 1).all():
        weights = weights[:, None] if weights.ndim < data.y.ndim else weights
        weights = weights * (factors if data.shared_rows else factors[data.codes])
    return replace(data, weights=weights, task_weight=data.task_weight * factors)


def _row_access(X, codes):
    """Sparse X by rows where tasks have rows of their own."""
    if not sparse.issparse(X):
        return X
    return X.tocsr() if codes is not None or X.format not in ("csr", "csc") else X


def check_observed(missing, labels):
    """Raise ValueError for a column of y without any observed target."""
    empty = missing.all(axis=0)
    if empty.any():
        raise ValueError(
            f"task {describe_ids(labels[empty][:1])} has no observed target (its column of y is "
            "NaN): drop the column."
        )


def _mask_missing(y, weights, labels):
    """Missing targets become weight 0; weights stay (n_samples,) if nothing is missing."""
    missing = np.isnan(y)
    if not missing.any():
        return y, weights
    check_observed(missing, labels)
    weights = np.where(missing, 0.0, weights if weights.ndim == 2 else weights[:, None])
    return np.where(missing, 0.0, y), weights
