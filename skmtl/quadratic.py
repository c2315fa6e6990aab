"""The smooth part of a squared-loss problem: a quadratic in W, kept as Gram matrices or rows.

    F(W) = sum_t [ w_t' G_t w_t / 2 - c_t' w_t + e_t ]

with G_t = X_t' V_t X_t / n_bar, c_t = X_t' V_t y_t / n_bar, e_t = y_t' V_t y_t / (2 n_bar), after
the free directions (intercept, features without penalty) have been projected out.
"""

from copy import copy

import numpy as np
from scipy import sparse

GRAM_ENTRIES = 4_000_000  # Gram matrices up to 32 MB are kept even if X is smaller


class Gram:
    """The quadratic as Gram matrices (n_blocks, n_features, n_features)."""

    def __init__(self, gram, cross, energy, tasks):
        self.gram = gram
        self.cross = cross
        self.energy = energy
        self.tasks = tasks  # the tasks of every block

    @property
    def n_tasks(self):
        return self.cross.shape[1]

    @property
    def one_task_per_block(self):
        return len(self.gram) == self.n_tasks

    def product(self, W):
        """G_t w_t for every task."""
        if len(self.gram) == 1:
            return self.gram[0] @ W
        if self.one_task_per_block:
            return np.matmul(self.gram, W.T[:, :, None])[:, :, 0].T
        out = np.empty_like(W)
        for gram, tasks in zip(self.gram, self.tasks, strict=True):
            out[:, tasks] = gram @ W[:, tasks]
        return out

    def diagonal(self):
        """Largest second derivative of every feature over the tasks."""
        return np.einsum("bjj->bj", self.gram).max(axis=0, initial=0.0)

    @property
    def n_blocks(self):
        return len(self.gram)

    def restrict(self, rows):
        """On some features."""
        if len(rows) == len(self.cross):
            return self
        gram = self.gram[:, rows[:, None], rows]
        return Gram(gram, self.cross[rows], self.energy, self.tasks)

    gram_on = restrict

    def per_task(self):
        """One Gram matrix per task, (n_tasks, n_features, n_features)."""
        if self.one_task_per_block:
            return self.gram
        block_of_task = np.empty(self.n_tasks, dtype=int)
        for block, tasks in enumerate(self.tasks):
            block_of_task[tasks] = block
        return self.gram[block_of_task]


class Rows:
    """The same quadratic through the rows of X, for many features."""

    def __init__(self, designs, n_bar, cross, energy):
        self.designs = designs
        self.n_bar = n_bar
        self.cross = cross
        self.energy = energy

    def product(self, W):
        out = np.empty_like(W)
        used = np.flatnonzero(W.any(axis=1))
        if not len(used):
            return np.zeros_like(W)
        few = 2 * len(used) < len(W)
        for design in self.designs:
            part, taken = (design.take_columns(used), W[used]) if few else (design, W)
            out[:, design.tasks] = design.rmatmul(part.matmul(taken[:, design.tasks]))
        out /= self.n_bar
        return out

    @property
    def n_tasks(self):
        return self.cross.shape[1]

    @property
    def n_blocks(self):
        return len(self.designs)

    def diagonal(self):
        """Largest second derivative of every feature over the tasks."""
        squares = [design.squared_norms() for design in self.designs]
        return np.max(squares, axis=0) / self.n_bar

    def row_parts(self, rows):
        """(X, Y, tasks) of every block, with some features, not divided by n_bar."""
        return [(design.dense_columns(rows), design.Y, design.tasks) for design in self.designs]

    def n_rows(self):
        """Rows of every block."""
        return np.array([len(design.Y) for design in self.designs])

    def restrict(self, rows):
        """On some features: as Gram matrices, unless the rows of X are fewer than these."""
        n_entries = sum(design.X.shape[0] for design in self.designs) * len(rows)
        if 2 * n_entries < len(self.designs) * len(rows) ** 2:
            designs = [design.take_columns(rows) for design in self.designs]
            return Rows(designs, self.n_bar, self.cross[rows], self.energy)
        return self.gram_on(rows)

    def gram_on(self, rows):
        gram = np.stack([design.gram(rows) for design in self.designs]) / self.n_bar
        tasks = [design.tasks for design in self.designs]
        return Gram(gram, self.cross[rows], self.energy, tasks)


class MaskedRows:
    """The quadratic of tasks that share rows but not their weights (missing targets).

    One X serves all tasks: a product with all coefficients at once, then the weights of every
    task. Centring by task is implicit, after X was centred as a whole.

    Parameters
    ----------
    data : TaskData
        With weights of shape (n_samples, n_tasks).
    n_bar : float
    fit_intercept : bool
    """

    n_free = 0  # directions that are projected out, beside the intercept

    def __init__(self, data, n_bar, fit_intercept):
        self.n_bar, self.y, self.weights = n_bar, data.y, data.weights
        self.tasks = np.arange(data.n_tasks)
        self.kept = np.ones(data.n_features, dtype=bool)
        self.origin = np.zeros(data.n_features)
        self.X = data.X
        if not sparse.issparse(data.X):
            if fit_intercept:
                counts = np.maximum(np.sum(~np.isnan(data.X), axis=0), 1)
                self.origin = np.nansum(data.X, axis=0, dtype=np.float64) / counts
            self.X = np.subtract(data.X, self.origin, dtype=np.float64)
            self.X[np.isnan(self.X)] = 0.0  # absent from the tasks that have these rows
        sizes = np.where(fit_intercept, self.weights.sum(axis=0), np.inf)
        sizes[sizes == 0] = 1.0  # a task without rows: all sums are 0
        self.x_mean = (self.X.T @ self.weights) / sizes
        self.y_mean = np.sum(data.y * self.weights, axis=0) / sizes
        centred = self.weights * (data.y - self.y_mean)
        self.cross = (self.X.T @ centred) / n_bar
        self.energy = 0.5 * np.sum(centred * (data.y - self.y_mean)) / n_bar

    @property
    def n_tasks(self):
        return self.cross.shape[1]

    n_blocks = n_tasks

    def product(self, W):
        fitted = self.weights * (self.X @ W - np.sum(self.x_mean * W, axis=0))
        return (self.X.T @ fitted - self.x_mean * fitted.sum(axis=0)) / self.n_bar

    def diagonal(self):
        """Largest second derivative of every feature over the tasks."""
        squares = self.X.multiply(self.X).T if sparse.issparse(self.X) else (self.X**2).T
        squares = squares @ self.weights - self.x_mean**2 * self.weights.sum(axis=0)
        return squares.max(axis=1) / self.n_bar

    def restrict(self, rows):
        """On some features: as Gram matrices, unless these are larger than the rows."""
        if len(rows) > self.X.shape[0] or self.n_tasks * len(rows) ** 2 > 4 * GRAM_ENTRIES:
            part = copy(self)
            part.X, part.x_mean, part.cross = self.X[:, rows], self.x_mean[rows], self.cross[rows]
            return part
        return self.gram_on(rows)

    def n_rows(self):
        """Rows of every task."""
        return np.sum(self.weights > 0, axis=0)

    def row_parts(self, rows):
        """(X, Y, tasks) of every task, with some features, not divided by n_bar."""
        X = self.X[:, rows]
        X = X.toarray() if sparse.issparse(X) else X
        parts = []
        for task, weights in enumerate(self.weights.T):
            seen = weights > 0
            root = np.sqrt(weights[seen, None])
            y = (self.y[seen, task] - self.y_mean[task])[:, None] * root
            parts.append(((X[seen] - self.x_mean[rows, task]) * root, y, np.array([task])))
        return parts

    def gram_on(self, rows):
        gram = np.empty((self.n_tasks, len(rows), len(rows)))
        for task, (X, _, _) in enumerate(self.row_parts(rows)):
            np.divide(X.T @ X, self.n_bar, out=gram[task])
        return Gram(gram, self.cross[rows], self.energy, [np.array([t]) for t in self.tasks])

    def complete(self, W):
        """All coefficients and intercepts, as a design gives them."""
        return W, self.y_mean - np.sum((self.x_mean + self.origin[:, None]) * W, axis=0)
