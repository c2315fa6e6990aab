"""Refit of the leaves of a source to rows of the target, tree by tree."""

import numpy as np


class Leaves:
    """The leaves of a source that rows of a fit are in, numbered tree by tree.

    Parameters
    ----------
    trees : Trees

    Attributes
    ----------
    cells : int ndarray of shape (n_rows, n_trees, n_columns)
        Number of the leaf among those of all trees and columns.
    first : int ndarray of shape (n_trees + 1,)
        Number of the first leaf of every tree.
    """

    def __init__(self, trees):
        self.increments = trees.increments
        _, n_trees, n_columns = trees.leaves.shape
        self.width = int(trees.leaves.max()) + 1
        self.keys, cells = np.unique(self._keys(trees.leaves), return_inverse=True)
        self.cells = cells.reshape(trees.leaves.shape)
        ends = np.arange(n_trees + 1) * n_columns * self.width
        self.first = np.searchsorted(self.keys, ends)

    def _keys(self, leaves):
        columns = np.arange(leaves.shape[1] * leaves.shape[2]).reshape(leaves.shape[1:])
        return columns * self.width + leaves

    def are_constants(self, tolerance):
        """Whether every tree but the first, which is kept, adds one value in a leaf."""
        values = np.empty(len(self.keys))
        values[self.cells] = self.increments
        apart = np.abs(values[self.cells] - self.increments)[:, 1:]
        return bool(np.all(apart <= tolerance[:, None, :]))

    def refit(self, loss, y, raw, weights, *, decay, prior, learning_rate):
        """Changes of the value of every leaf.

        Tree by tree, value <- value + (1 - decay) n / (n + prior) (step - value) with the Newton
        step, times the learning rate, of the n target rows in the leaf at the raw prediction of
        the trees before. The first tree is kept: its values hold the constant of the source.

        Parameters
        ----------
        loss : loss of skmtl.transfer.boosting.losses
        y, raw : ndarray of shape (n_rows, n_columns)
            `raw` is that of the whole source.
        weights : ndarray of shape (n_rows,)
            Rows of weight 0 change nothing.

        Returns
        -------
        ndarray of shape (n_leaves,)
        """
        changes = np.zeros(len(self.keys))
        running = raw - self.increments[:, 1:].sum(axis=1)
        each = np.broadcast_to(weights[:, None], y.shape)
        for tree in range(1, self.increments.shape[1]):
            own = slice(*self.first[tree : tree + 2])
            cells = self.cells[:, tree] - own.start
            size = own.stop - own.start
            values = np.zeros(size)
            values[cells] = self.increments[:, tree]
            rows = np.bincount(cells.ravel(), each.ravel(), minlength=size)
            trust = (1.0 - decay) * rows / np.maximum(rows + prior, np.finfo(float).tiny)
            step = learning_rate * loss.steps(cells, size, y, running, weights)
            changes[own] = trust * (step - values)
            running += (values + changes[own])[cells]
        return changes

    def added(self, changes, leaves=None):
        """Sum of the changes for every row, of the fit or with other leaves, per column."""
        if leaves is None:
            return changes[self.cells].sum(axis=1)
        keys = self._keys(leaves)
        found = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        known = (self.keys[found] == keys) & (leaves >= 0) & (leaves < self.width)
        return np.where(known, changes[found], 0.0).sum(axis=1)
