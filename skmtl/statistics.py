"""Weighted sums of the rows of every task, from which squared-loss fits and errors follow.

The sums of a training fold are those of all rows minus those of the fold that is held out, and a
held-out error needs the sums of the held-out rows only: no pass over the rows per penalty.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from skmtl.design import ROUNDING
from skmtl.quadratic import Gram

LOST_DIGITS = 1e-6  # a difference smaller than this share of the whole is read from the rows


@dataclass(frozen=True)
class TaskSums:
    """Sums over rows of weighted products, of blocks of tasks with the same rows and weights.

    X and y are measured from an origin per block and task, close to their means, so that neither
    the squares nor their differences lose digits.

    Attributes
    ----------
    weight : ndarray of shape (n_blocks,)
    x : ndarray of shape (n_blocks, n_features)
    xx : ndarray of shape (n_blocks, n_features, n_features)
    y, yy : ndarray of shape (n_tasks,)
    xy : ndarray of shape (n_features, n_tasks)
    x_origin, y_origin : ndarray of shape (n_blocks, n_features), (n_tasks,)
    tasks : list of ndarray
        The tasks of every block.
    task_weight : ndarray of shape (n_tasks,)
        The factors that are part of the weights.
    """

    weight: np.ndarray
    x: np.ndarray
    xx: np.ndarray
    y: np.ndarray
    yy: np.ndarray
    xy: np.ndarray
    x_origin: np.ndarray
    y_origin: np.ndarray
    tasks: list
    task_weight: np.ndarray

    @property
    def n_features(self):
        return self.x.shape[1]

    @property
    def n_tasks(self):
        return len(self.y)

    @property
    def mean_task_weight(self):
        """n_bar: mean sample weight (before task weights) of the tasks that count."""
        sizes = self.by_task(self.weight)
        counts = sizes > 0
        return np.mean(sizes[counts] / self.task_weight[counts])

    def by_task(self, values):
        """Values of the blocks, first axis, for every task."""
        if len(self.tasks) == self.n_tasks:  # own rows: in the order of the tasks
            return values
        block = np.empty(self.n_tasks, dtype=int)
        for number, tasks in enumerate(self.tasks):
            block[tasks] = number
        return values[block]

    def __sub__(self, part):
        names = ("weight", "x", "xx", "y", "yy", "xy")
        return replace(self, **{name: getattr(self, name) - getattr(part, name) for name in names})

    def keeps_digits(self, whole):
        """Whether these sums, a difference from `whole`, are accurate, once centred."""
        centred = CentredSums(self)
        for ours, theirs in (
            (np.einsum("bjj->bj", centred.gram), np.einsum("bjj->bj", whole.xx)),
            (centred.squares, whole.yy),
        ):
            if (ours < LOST_DIGITS * theirs).any():
                return False
        return True

    def squared_errors(self, coef, intercept):
        """Weighted sums of squared errors of models, and the size of the terms they come from.

        Parameters
        ----------
        coef : ndarray of shape (n_models, n_features, n_tasks)
        intercept : ndarray of shape (n_models, n_tasks)

        Returns
        -------
        errors, scale : ndarray of shape (n_models,)
            Errors below 1e-16 of the scale are rounding.
        """
        errors, scale = np.zeros(len(coef)), np.zeros(len(coef))
        for block, tasks in enumerate(self.tasks):
            W = coef[:, :, tasks]
            shift = intercept[:, tasks] + np.tensordot(W, self.x_origin[block], (1, 0))
            shift -= self.y_origin[tasks]
            flat = np.moveaxis(W, 1, 0).reshape(self.n_features, shift.size)
            squares = np.sum(flat * (self.xx[block] @ flat), axis=0).reshape(shift.shape)
            linear = np.tensordot(W, self.x[block], (1, 0))
            constant = shift * (self.weight[block] * shift - 2.0 * self.y[tasks])
            mixed = 2.0 * shift * linear - 2.0 * np.sum(W * self.xy[:, tasks], axis=1)
            errors += np.sum(self.yy[tasks] + squares + constant + mixed, axis=1)
            scale += np.sum(self.yy[tasks] + squares + self.weight[block] * shift**2, axis=1)
        return errors, scale


class CentredSums:
    """Sums around the means of X and y (the intercept at its best), or around zero.

    Parameters
    ----------
    sums : TaskSums
    fit_intercept : bool, default=True
        False: the origin of the sums must be zero.

    Attributes
    ----------
    gram : ndarray of shape (n_blocks, n_features, n_features)
    cross : ndarray of shape (n_features, n_tasks)
    squares : ndarray of shape (n_tasks,)
    """

    n_free = 0  # directions that are projected out, beside the intercept

    def __init__(self, sums, fit_intercept=True):
        self.tasks = np.arange(sums.n_tasks)
        self.kept = np.ones(sums.n_features, dtype=bool)
        self.gram, self.cross, self.squares = sums.xx, sums.xy, sums.yy
        self.x_mean, self.y_mean = np.zeros((sums.n_features, 1)), np.zeros(sums.n_tasks)
        if not fit_intercept:
            return
        weight = np.where(sums.weight > 0, sums.weight, 1.0)
        mean = sums.x / weight[:, None]
        means = sums.by_task(mean).T
        y_mean = sums.y / sums.by_task(weight)
        self.gram = sums.xx - sums.x[:, :, None] * mean[:, None, :]
        self.cross = sums.xy - means * sums.y
        self.squares = sums.yy - sums.y * y_mean
        self.x_mean = means + sums.by_task(sums.x_origin).T
        self.y_mean = y_mean + sums.y_origin
        self._forget_constants(sums, mean + sums.x_origin)

    def _forget_constants(self, sums, means):
        """Features and targets of which rounding errors are left become zero, as in a Design."""
        diagonal = np.einsum("bjj->bj", self.gram)
        noise = (ROUNDING * means) ** 2 * sums.weight[:, None]
        noise += ROUNDING * np.einsum("bjj->bj", sums.xx)
        constant = diagonal <= noise
        if constant.any():
            self.gram[constant] = 0.0
            self.gram.swapaxes(1, 2)[constant] = 0.0
            self.cross[sums.by_task(constant).T] = 0.0
        noise = (ROUNDING * self.y_mean) ** 2 * sums.by_task(sums.weight) + ROUNDING * sums.yy
        constant = self.squares <= noise
        self.squares[constant] = 0.0
        self.cross[:, constant] = 0.0

    def quadratic(self, n_bar, tasks):
        return Gram(self.gram / n_bar, self.cross / n_bar, 0.5 * self.squares.sum() / n_bar, tasks)

    def complete(self, W):
        """All coefficients and intercepts, as a design gives them."""
        return W, self.y_mean - np.sum(self.x_mean * W, axis=0)


class FoldSums:
    """The sums of all rows of a TaskData and of its folds.

    Parameters
    ----------
    data : TaskData
    fit_intercept : bool

    Attributes
    ----------
    whole : TaskSums
        Of all rows.
    """

    def __init__(self, data, fit_intercept):
        self.data = data
        self.tasks = [tasks for tasks, _, _ in data.groups()]
        self.x_origin = np.zeros((len(self.tasks), data.n_features))
        self.y_origin = np.zeros(data.n_tasks)
        if fit_intercept:
            self._set_origin()
        self.whole = self.of_rows(None)

    def _set_origin(self):
        """Close to the means, which is enough; a sparse X cannot be moved."""
        for number, block in enumerate(self.data.blocks()):
            size = max(block.weights.sum(), np.finfo(float).tiny)
            self.y_origin[block.tasks] = block.weights @ block.Y / size
            if not sparse.issparse(block.X):
                self.x_origin[number] = block.weights @ block.X / size
        if self.data.shared_rows:  # one origin, since other rows make other blocks
            self.x_origin[:] = self.x_origin.mean(axis=0)

    def of_rows(self, rows):
        """Sums over some rows (an index array), or over all (None)."""
        data = self.data if rows is None else self.data.subset(rows)
        n_blocks, n_features, n_tasks = len(data.groups()), data.n_features, data.n_tasks
        weight, x = np.zeros(n_blocks), np.zeros((n_blocks, n_features))
        xx = np.zeros((n_blocks, n_features, n_features))
        y, yy, xy = np.zeros(n_tasks), np.zeros(n_tasks), np.zeros((n_features, n_tasks))
        block_of_task = np.empty(n_tasks, dtype=int)
        for number, block in enumerate(data.blocks()):
            tasks, root = block.tasks, np.sqrt(block.weights)
            block_of_task[tasks] = number
            X, Y = self._scaled(block, root)
            products = X.T @ X
            xx[number] = products.toarray() if sparse.issparse(products) else products
            weight[number], x[number] = block.weights.sum(), X.T @ root
            y[tasks], yy[tasks], xy[:, tasks] = root @ Y, np.einsum("ij,ij->j", Y, Y), X.T @ Y
        if n_blocks < len(self.tasks):  # tasks that differ in their weights on other rows only
            block = block_of_task[[tasks[0] for tasks in self.tasks]]
            weight, x, xx = weight[block], x[block], xx[block]
        return TaskSums(
            weight,
            x,
            xx,
            y,
            yy,
            xy,
            x_origin=self.x_origin,
            y_origin=self.y_origin,
            tasks=self.tasks,
            task_weight=data.task_weight,
        )

    def _scaled(self, block, root):
        """X and Y of a block from their origin, times the roots of the weights."""
        Y = (block.Y - self.y_origin[block.tasks]) * root[:, None]
        if sparse.issparse(block.X):
            return sparse.csr_array(block.X.multiply(root[:, None]), dtype=np.float64), Y
        origin = self.x_origin[0 if self.data.shared_rows else block.tasks[0]]
        X = np.subtract(block.X, origin, dtype=np.float64)
        if (root != 1).any():
            X *= root[:, None]
        return X, Y

    def of_fold(self, train, test):
        """Sums of the training rows and of the held-out rows of a fold."""
        held_out = self.of_rows(test)
        counts = np.bincount(np.concatenate([train, test]), minlength=self.data.X.shape[0])
        if (counts == 1).all():
            training = self.whole - held_out
            if training.keeps_digits(self.whole):
                return training, held_out
        return self.of_rows(train), held_out


class HeldOut:
    """The rows of a test fold: mean squared errors of many models at once.

    Parameters
    ----------
    data : TaskData
        The held-out rows.
    sums : TaskSums, optional
        Their sums; rows are used where these lose digits.
    """

    def __init__(self, data, sums=None):
        # With few rows these are cheaper too: n_samples products instead of n_features.
        self.data, self.sums = data, sums if data.X.shape[0] > data.n_features else None
        self.weight = data.task_sizes().sum()

    @property
    def entries_per_model(self):
        """The numbers that `errors` holds for one model."""
        return self.data.n_tasks * max(self.data.n_features, self.data.X.shape[0])

    def errors(self, coef, intercept):
        """Weighted mean squared errors (n_models,).

        Parameters
        ----------
        coef : ndarray of shape (n_models, n_features, n_tasks)
        intercept : ndarray of shape (n_models, n_tasks)
        """
        if self.sums is not None:
            errors, scale = self.sums.squared_errors(coef, intercept)
            if (errors > LOST_DIGITS * scale).all():
                return errors / self.weight
        return self._errors_of_rows(coef, intercept) / self.weight

    def _errors_of_rows(self, coef, intercept):
        errors = np.zeros(len(coef))
        used = np.flatnonzero(coef.any(axis=(0, 2)))
        for block in self.data.blocks():
            W = np.moveaxis(coef[:, used][:, :, block.tasks], 1, 0)
            flat = W.reshape(len(used), W.shape[1] * W.shape[2])
            fitted = (block.X[:, used] @ flat).reshape(-1, *W.shape[1:])
            fitted += intercept[:, block.tasks]
            fitted -= block.Y[:, None]
            np.square(fitted, out=fitted)
            errors += np.sum(np.tensordot(block.weights, fitted, 1), axis=1)
        return errors
