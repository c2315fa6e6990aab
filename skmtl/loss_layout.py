"""Where the linear predictions of a loss live: rows of their own per task, or shared rows.

A *part* is a set of tasks with the same loss and number of columns K. Its predictions, targets
and weights are arrays (n_cells, K), (n_cells, K) and (n_cells, 1), one cell per row and task,
so that losses act on whole arrays whatever the layout is. The columns of W are numbered part
by part. In the methods, ``X=None`` is one column of ones: the intercept.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy import sparse

from skmtl.task_data import TaskData


class Part(NamedTuple):
    """Tasks of one loss, with their labels (n_part_tasks, n_labels), or None: y as it is."""

    loss: object
    tasks: np.ndarray
    labels: np.ndarray | None = None

    @property
    def n_columns(self):
        """Columns per task: two labels need one, more need one each."""
        if self.labels is None or self.labels.shape[1] == 2:
            return 1
        return self.labels.shape[1]

    def targets(self, y, labels):
        """y (n,) as the loss wants it, (n, K), given the labels (n, n_labels) of its task."""
        if labels is None:
            return y[:, None]
        labels = labels[:, 1:] if self.n_columns == 1 else labels
        return (y[:, None] == labels).astype(np.float64)


def column_tasks(parts):
    """Task of every column of W, and the position of its label among those of the task."""
    empty = np.zeros(0, dtype=int)
    tasks = [np.repeat(part.tasks, part.n_columns) for part in parts]
    positions = [
        np.tile(np.arange(part.n_columns) + (part.n_columns == 1), len(part.tasks))
        for part in parts
    ]
    return np.concatenate([empty, *tasks]), np.concatenate([empty, *positions])


def centred(X, mean):
    """X - mean, and 0 for columns that are constant but for rounding."""
    X = X - mean
    X[:, np.abs(X).max(axis=0, initial=0.0) <= 16.0 * np.finfo(float).eps * np.abs(mean)] = 0.0
    return X


def weighted_median(values, weights):
    """The smallest value up to which there is half the weight."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return values[order][np.searchsorted(total, 0.5 * total[-1] * (1.0 - 1e-12))]


def make_layout(data, parts, *, fit_intercept):
    """The layout of a TaskData; a single task is the simplest case of shared rows."""
    shared = data.shared_rows or data.n_tasks == 1
    return (SharedLayout if shared else OwnLayout)(data, parts, fit_intercept)


class Layout:
    """What both layouts share: the numbering of columns.

    Attributes
    ----------
    X : ndarray or sparse matrix
        Dense features are centred (by `origin`) if there are intercepts.
    origin : ndarray of shape (n_features, n_columns) or (n_features, 1)
    columns : list of ndarray of shape (n_part_tasks, K)
        The columns of W that belong to the tasks of each part.
    y, weights : list of ndarray
    y_origin : ndarray of shape (n_columns,)
        By what targets are centred, where only their distance to the prediction matters.
    """

    def __init__(self, data, parts, fit_intercept):
        self.parts = parts
        self.columns, self.n_columns = [], 0
        for part in parts:
            size = len(part.tasks) * part.n_columns
            numbers = np.arange(self.n_columns, self.n_columns + size)
            self.columns.append(numbers.reshape(-1, part.n_columns))
            self.n_columns += size
        self._read(data, fit_intercept)
        self.y_origin = np.zeros(self.n_columns)
        if fit_intercept:
            self._centre_targets()

    def _centre_targets(self):
        """Against rounding: targets far from 0 would drown the certificate."""
        for k, (part, columns) in enumerate(zip(self.parts, self.columns, strict=True)):
            if not part.loss.translates:
                continue
            y, weights = self.y[k][:, 0], self.weights[k][:, 0]
            centre = np.array([weighted_median(y[c], weights[c]) for c in self.task_cells(k)])
            self.y[k] = self.y[k] - self.spread(k, centre)[:, None]
            self.y_origin[columns[:, 0]] = centre

    def cells(self, fitted):
        """(part, y, weights, fitted) of every part."""
        return zip(self.parts, self.y, self.weights, fitted, strict=True)

    def hessian(self, k, X, fitted):
        """Second derivatives of the loss in the coefficients of every task of part k.

        For a dense X, of shape (n_part_tasks, n_features * K, n_features * K).
        """
        n_tasks, K = self.columns[k].shape
        bends = self.weights[k][:, :, None] * self.parts[k].loss.hessian(self.y[k], fitted)
        m = 1 if X is None else X.shape[1]
        hessian = np.empty((n_tasks, m, K, m, K))
        for a in range(K):
            for b in range(a + 1):
                hessian[:, :, a, :, b] = self.grams(k, X, bends[:, a, b])
                hessian[:, :, b, :, a] = hessian[:, :, a, :, b]
        return hessian.reshape(n_tasks, m * K, m * K)

    def column_tasks(self):
        """Task of every column, and the position of its label among those of the task."""
        return column_tasks(self.parts)

    def _table(self, X, weights, cells, columns):
        """A TaskData whose tasks are the columns of W."""
        names = np.arange(self.n_columns)
        return TaskData(X, cells, weights, columns, names, np.ones(self.n_columns))


class SharedLayout(Layout):
    """All tasks have the rows of X; cells are ordered by row, then by task."""

    def _read(self, data, fit_intercept):
        weights = data.weights if data.weights.ndim == 2 else data.weights[:, None]
        weights = np.broadcast_to(weights, (len(weights), data.n_tasks))
        y = data.y if data.y.ndim == 2 else data.y[:, None]
        self.n_rows = len(y)
        self.y, self.weights = [], []
        for part in self.parts:
            labels = part.labels
            if labels is not None:
                labels = np.tile(labels, (self.n_rows, 1))
            self.y.append(part.targets(y[:, part.tasks].ravel(), labels))
            self.weights.append(weights[:, part.tasks].reshape(-1, 1))
        self.X, self.origin = data.X, np.zeros((data.n_features, 1))
        if not sparse.issparse(data.X):
            absent = np.isnan(data.X).all(axis=0)  # from every task, or reading had failed
            self.X = np.where(absent, 0.0, data.X).astype(np.float64, copy=False)
            if fit_intercept:
                share = weights.sum(axis=1) / weights.sum()
                mean = share @ self.X
                self.X = centred(self.X, mean)
                self.origin = mean[:, None]

    def task_cells(self, k):
        """The cells of every task of part k."""
        n_tasks = len(self.columns[k])
        return [slice(task, None, n_tasks) for task in range(n_tasks)]

    def by_task(self, k, values):
        """Sums of cell values over the rows of every task of part k."""
        return values.reshape(self.n_rows, -1, *values.shape[1:]).sum(axis=0)

    def largest(self, k, values):
        """Largest cell value (>= 0) of every task of part k."""
        return values.reshape(self.n_rows, -1).max(axis=0, initial=0.0)

    def spread(self, k, per_task):
        """Values (n_part_tasks, ...) at all cells of their tasks."""
        return np.tile(per_task, (self.n_rows,) + (1,) * (per_task.ndim - 1))

    def apply(self, X, W):
        """X W, a list of (n_cells, K)."""
        fitted = np.broadcast_to(W, (self.n_rows, self.n_columns)) if X is None else X @ W
        return [fitted[:, c.ravel()].reshape(-1, c.shape[1]) for c in self.columns]

    def _wide(self, values):
        """Cell values as (n_rows, n_columns)."""
        wide = [
            np.broadcast_to(v, (len(v), c.shape[1])).reshape(self.n_rows, -1)
            for v, c in zip(values, self.columns, strict=True)
        ]
        return np.hstack([np.zeros((self.n_rows, 0)), *wide])

    def adjoint(self, X, values):
        """X' R, (n_features, n_columns), of a list of cell values."""
        wide = self._wide(values)
        return wide.sum(axis=0)[None] if X is None else X.T @ wide

    def grams(self, k, X, weights):
        """X' diag(weights) X of every task of part k, for a dense X and weights (n_cells,)."""
        weights = weights.reshape(self.n_rows, -1)
        if X is None:
            return weights.sum(axis=0)[:, None, None]
        return np.stack([X.T @ (X * column[:, None]) for column in weights.T])

    def table(self, features, weights, responses):
        """Weighted responses of every column as TaskData on some features."""
        X = self.X if len(features) == self.X.shape[1] else self.X[:, features]
        return self._table(X, self._wide(weights), self._wide(responses), None), X


class OwnLayout(Layout):
    """Every task has rows of its own; cells are sorted by task."""

    def _read(self, data, fit_intercept):
        groups = list(data.groups())
        order, self.y, self.weights, self.blocks, self.starts = [], [], [], [], []
        n_rows = 0
        for part in self.parts:
            rows = [np.arange(len(data.y))[groups[task][1]] for task in part.tasks]
            sizes = [len(own) for own in rows]
            ends = np.cumsum([0, *sizes])
            self.blocks.append([slice(n_rows + a, n_rows + b) for a, b in pairwise(ends)])
            self.starts.append(ends)
            n_rows += ends[-1]
            order += rows
            labels = None if part.labels is None else np.repeat(part.labels, sizes, axis=0)
            self.y.append(part.targets(data.y[np.concatenate(rows)], labels))
            weights = np.concatenate([groups[task][2] for task in part.tasks])
            self.weights.append(weights[:, None])
        order = np.concatenate([np.zeros(0, dtype=int), *order])
        self.origin = np.zeros((data.n_features, self.n_columns))
        if sparse.issparse(data.X):
            self.X = data.X.tocsr()[order]
        else:
            self.X = data.X[order].astype(np.float64, copy=False)
            self._centre(fit_intercept)

    def _centre(self, fit_intercept):
        for k, weights in enumerate(self.weights):
            for (a, b), block, own in self._tasks(k):
                v = weights[a:b, 0]
                mean = v @ self.X[block] / v.sum()
                absent = np.isnan(mean)
                if absent.any():
                    self.X[block, absent], mean[absent] = 0.0, 0.0
                if fit_intercept:
                    self.X[block] = centred(self.X[block], mean)
                    self.origin[:, own] = mean[:, None]

    def _tasks(self, k):
        """Of every task of part k the range of its cells, its rows in X and its columns of W."""
        return zip(pairwise(self.starts[k]), self.blocks[k], self.columns[k], strict=True)

    def task_cells(self, k):
        """The cells of every task of part k."""
        return [slice(a, b) for a, b in pairwise(self.starts[k])]

    def by_task(self, k, values):
        """Sums of cell values over the rows of every task of part k."""
        return np.add.reduceat(values, self.starts[k][:-1], axis=0)

    def largest(self, k, values):
        """Largest cell value (>= 0) of every task of part k."""
        return np.maximum.reduceat(values, self.starts[k][:-1])

    def spread(self, k, per_task):
        """Values (n_part_tasks, ...) at all cells of their tasks."""
        return np.repeat(per_task, np.diff(self.starts[k]), axis=0)

    def apply(self, X, W):
        """X W, a list of (n_cells, K)."""
        fitted = []
        for k, columns in enumerate(self.columns):
            if X is None:
                fitted.append(self.spread(k, W[0, columns]))
                continue
            out = np.empty(self.y[k].shape)
            for (a, b), block, own in self._tasks(k):
                out[a:b] = X[block] @ W[:, own]
            fitted.append(out)
        return fitted

    def adjoint(self, X, values):
        """X' R, (n_features, n_columns), of a list of cell values."""
        out = np.empty((1 if X is None else X.shape[1], self.n_columns))
        for k, (columns, value) in enumerate(zip(self.columns, values, strict=True)):
            if X is None:
                out[0, columns] = self.by_task(k, value)
                continue
            for (a, b), block, own in self._tasks(k):
                out[:, own] = X[block].T @ value[a:b]
        return out

    def grams(self, k, X, weights):
        """X' diag(weights) X of every task of part k, for a dense X and weights (n_cells,)."""
        if X is None:
            return self.by_task(k, weights)[:, None, None]
        return np.stack(
            [X[block].T @ (X[block] * weights[a:b, None]) for (a, b), block, _ in self._tasks(k)]
        )

    def table(self, features, weights, responses):
        """Weighted responses of every column as TaskData on some features.

        A row is repeated for each of the K columns of its task, which weigh it differently.
        """
        X = self.X if len(features) == self.X.shape[1] else self.X[:, features]
        cells, codes = [], []
        for k, columns in enumerate(self.columns):
            rows = np.arange(self.blocks[k][0].start, self.blocks[k][-1].stop)
            cells.append(np.repeat(rows, columns.shape[1]))
            codes.append(self.spread(k, columns).ravel())
        cells, codes = np.concatenate(cells), np.concatenate(codes)
        repeated = X if len(cells) == X.shape[0] else X[cells]
        flat = [np.concatenate([value.ravel() for value in part]) for part in (weights, responses)]
        return self._table(repeated, *flat, codes), X
