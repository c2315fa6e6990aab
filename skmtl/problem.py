"""Loss + penalty over a TaskData: objective, duality gap, the smallest trivial alpha.

With the squared loss the smooth part is a quadratic in W,

    F(W) = sum_t [ w_t' G_t w_t / 2 - c_t' w_t + e_t ] + sum_j ridge_j ||w_j||^2 / 2,

with G_t = X_t' V_t X_t / n_bar, c_t = X_t' V_t y_t / n_bar, e_t = y_t' V_t y_t / (2 n_bar),
after the free directions (intercept, features without penalty) have been projected out. It is kept
as Gram matrices where these are small, and as the rows of X where they are not.
"""

from copy import copy

import numpy as np
from scipy import sparse

from skmtl.design import Design

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
        for design in self.designs:
            out[:, design.tasks] = design.rmatmul(design.matmul(W[:, design.tasks]))
        return out / self.n_bar

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

    def __init__(self, data, n_bar, fit_intercept):
        self.n_bar, self.weights = n_bar, data.weights
        self.tasks = np.arange(data.n_tasks)
        self.kept = np.ones(data.n_features, dtype=bool)
        self.origin = np.zeros(data.n_features)
        self.X = data.X
        if not sparse.issparse(data.X):
            if fit_intercept:
                self.origin = np.nan_to_num(np.nanmean(data.X, axis=0, dtype=np.float64))
            self.X = np.subtract(data.X, self.origin, dtype=np.float64)
            self.X[np.isnan(self.X)] = 0.0  # absent from the tasks that have these rows
        sizes = np.where(fit_intercept, self.weights.sum(axis=0), np.inf)
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

    def gram_on(self, rows):
        X = self.X[:, rows]
        X = X.toarray() if sparse.issparse(X) else X
        gram = np.empty((self.n_tasks, len(rows), len(rows)))
        for task, weights in enumerate(self.weights.T):
            seen = weights > 0
            centred = X[seen] - self.x_mean[rows, task]
            gram[task] = centred.T @ (centred * weights[seen, None]) / self.n_bar
        return Gram(gram, self.cross[rows], self.energy, [np.array([t]) for t in self.tasks])

    def complete(self, W):
        """All coefficients and intercepts, as a design gives them."""
        return W, self.y_mean - np.sum((self.x_mean + self.origin[:, None]) * W, axis=0)


class Problem:
    """Loss of a TaskData plus a penalty, over the penalised coefficients.

    Parameters
    ----------
    data : TaskData
    penalty : Penalty
    loss : SquaredLoss
    fit_intercept : bool

    Attributes
    ----------
    quadratic : Gram or Rows
    penalty : Penalty
        On the kept features (those that some part penalises).
    shape : tuple
        (n_kept_features, n_tasks), the shape of W.
    """

    def __init__(self, data, penalty, loss, *, fit_intercept=True):
        self.data, self.loss, self.full_penalty = data, loss, penalty
        penalty.check(data.n_features)
        gauge_free = _gauge_free(penalty, data.n_features)
        ridge = penalty.ridge(data.n_features)
        free = gauge_free & (ridge == 0)
        self.penalty = penalty.restrict(~free) if free.any() else penalty
        self.gauge = self.penalty.gauge()
        self.ridge = ridge[~free, None]
        self.ridge_only = gauge_free[~free]
        self.shape = (int(np.sum(~free)), data.n_tasks)
        self.n_features = data.n_features
        self._read(data, fit_intercept, free)

    def _read(self, data, fit_intercept, free):
        n_bar = data.mean_task_weight
        n_blocks = sum(1 for _ in data.groups())
        largest = max(GRAM_ENTRIES, data.X.shape[0] * data.n_features)
        small = n_blocks * self.shape[0] ** 2 <= largest
        if data.shared_rows and n_blocks > 1 and not small and not free.any():
            self.quadratic = MaskedRows(data, n_bar, fit_intercept)
            self._designs = [self.quadratic]
            return
        cross = np.empty(self.shape)
        energy = 0.0
        self._designs = []
        grams = np.empty((n_blocks, self.shape[0], self.shape[0]) if small else 0)
        for block in data.blocks():
            design = Design(block, fit_intercept=fit_intercept, free=free)
            cross[:, design.tasks] = design.cross() / n_bar
            energy += 0.5 * np.sum(design.Y**2) / n_bar
            if small:
                np.divide(design.gram(), n_bar, out=grams[len(self._designs)])
                design.forget_rows()
            self._designs.append(design)
        if small:
            tasks = [design.tasks for design in self._designs]
            self.quadratic = Gram(grams, cross, energy, tasks)
        else:
            self.quadratic = Rows(self._designs, n_bar, cross, energy)

    def objective(self, coef, intercept):
        """Loss and penalty of coefficients (n_features, n_tasks) and intercepts, from the rows."""
        total = 0.0
        for block in self.data.blocks():
            fitted = block.X @ coef[:, block.tasks] + intercept[block.tasks]
            total += np.sum(block.weights @ self.loss.value(block.Y, fitted))
        return total / self.data.mean_task_weight + self.full_penalty.value(coef)

    def gap(self, W, product, rows=None):
        """Duality gap of W relative to the objective of W = 0; product = G W.

        The dual point is the residual times the best s in [0, 1 / dual norm]: with the gauge's
        dual ball for penalised features, and the conjugate of the ridge for the others.
        `rows` says which features W and product speak of (a working set).
        """
        rows = slice(None) if rows is None else rows
        ridge, ridge_only = self.ridge[rows], self.ridge_only[rows]
        cross, energy = self.quadratic.cross[rows], self.quadratic.energy
        if energy == 0.0:  # the targets are fitted without W: 0 is the optimum
            return np.inf if W.any() else 0.0
        gauge = self.gauge_on(rows)
        fitted, squared = np.sum(cross * W), np.sum(W * product)
        ridge_value = 0.5 * np.sum(ridge * W**2)
        primal = 0.5 * squared - fitted + energy + ridge_value
        linear = 2.0 * energy - fitted
        quadratic = linear - fitted + squared + 2.0 * ridge_value
        largest = np.inf
        if gauge is not None:
            primal += gauge.value(W)
            norms = gauge.row_dual_norms(cross - product - ridge * W)
            dual_norm = norms[~ridge_only].max(initial=0.0)
            largest = 1.0 / dual_norm if dual_norm > 0 else np.inf
        if ridge_only.any():
            correlation = (cross - product)[ridge_only]
            quadratic += np.sum(correlation**2 / ridge[ridge_only])
            quadratic -= np.sum(ridge[ridge_only] * W[ridge_only] ** 2)
        best = linear / quadratic if quadratic > 0 else 0.0
        scale = min(max(best, 0.0), largest)
        dual = scale * linear - 0.5 * scale**2 * quadratic
        # Below the rounding error of the objective a gap cannot be told from 0.
        return max((primal - dual) / energy, np.finfo(float).eps)

    def gauge_on(self, rows):
        if self.gauge is None or isinstance(rows, slice):
            return self.gauge
        return self.gauge.restrict(rows)

    def violations(self, W, product):
        """Per feature how far beyond its dual ball the gradient is: above 1, W is not optimal."""
        Z = self.quadratic.cross - product - self.ridge * W
        if self.gauge is None:
            return np.full(len(Z), np.inf)
        norms = self.gauge.row_dual_norms(Z)
        return np.where(self.ridge_only, np.inf, norms)

    def null_dual_norm(self):
        """The factor by which the gauge must grow for W = 0 to be optimal (below 1: it is)."""
        if self.gauge is None:
            return np.inf
        norms = self.gauge.row_dual_norms(self.quadratic.cross)
        return norms[~self.ridge_only].max(initial=0.0)

    def kept_start(self, coef):
        """Kept rows of coefficients (n_features, n_tasks) as a start; None where shapes differ."""
        if coef is None or coef.shape != (self.n_features, self.shape[1]):
            return None
        return np.array(coef[self._designs[0].kept], dtype=np.float64)

    def complete(self, W):
        """Coefficients (n_features, n_tasks) and intercepts (n_tasks,) of all features."""
        coef = np.zeros((self.n_features, self.shape[1]))
        intercept = np.zeros(self.shape[1])
        for design in self._designs:
            tasks = design.tasks
            coef[:, tasks], intercept[tasks] = design.complete(W[:, tasks])
        return coef, intercept


def _gauge_free(penalty, n_features):
    """Mask of the features on which the gauge is zero."""
    gauge = penalty.gauge()
    if gauge is None:
        return np.ones(n_features, dtype=bool)
    entry, row = gauge.row_weights(n_features)
    return (entry == 0) & (row == 0)
