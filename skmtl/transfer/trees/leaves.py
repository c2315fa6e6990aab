"""Leaf values from few rows of the target, shrunk to those of the source; exact leave-one-out.

A leaf of the source's value v that holds target rows of total weight n and mean y_bar becomes

    prior="leaf":  (n y_bar + m v) / (n + m)
    prior="path":  v + d,  d = (n (y_bar - v) + m d_parent) / (n + m)

with m = `prior_strength`: for so many rows the prior counts. On a path d_parent is the same of the
parent node, its mean residual over all leaves below it shrunk to that of its own parent, and 0
above the root: what the target's rows have in common, in the whole tree or in a branch, reaches
leaves that hold few of them or none. (Agarwal et al. 2022 shrink along paths without a source.)
Labels are vectors (0, ..., 1, ..., 0), so a leaf is a vector of probabilities.
"""

from typing import NamedTuple

import numpy as np

from skmtl.transfer.trees.paths import Levels, along_paths, shares

GRID = (0.1, 1.0, 5.0, 20.0, 100.0, np.inf)  # of prior_strength="auto"
PRIORS = ("leaf", "path")


class Targets:
    """Numbers, or codes of classes, of the target rows and their weights.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
    weights : ndarray of shape (n_rows,)
    n_classes : int or None
        None for numbers.
    """

    def __init__(self, y, weights, n_classes=None):
        self.y, self.weights, self.n_classes = y, weights, n_classes
        self.n_outputs = n_classes or 1

    def __len__(self):
        return len(self.y)

    def take(self, rows, weights):
        """Some of the rows, with other weights."""
        return Targets(self.y[rows], weights, self.n_classes)

    def centred(self):
        """Targets less their mean (labels as they are), and that mean."""
        if self.n_classes is not None:
            return self, 0.0
        centre = np.average(self.y, weights=self.weights)
        return Targets(self.y - centre, self.weights), centre

    def scaled(self):
        """Centred targets between -1 and 1."""
        own, _ = self.centred()
        if self.n_classes is not None:
            return own
        return Targets(own.y / (np.abs(own.y).max() or 1.0), self.weights)

    def matrix(self, rows=slice(None)):
        """Targets of shape (n_rows, n_outputs), of some rows."""
        if self.n_classes is None:
            return self.y[rows, None]
        return np.eye(self.n_classes)[self.y[rows]]

    def columns(self):
        """Weighted targets per output."""
        if self.n_classes is None:
            return [self.weights * self.y]
        return [self.weights * (self.y == code) for code in range(self.n_classes)]

    def squares(self):
        """Weighted squares of the targets."""
        return self.weights * (self.y**2 if self.n_classes is None else 1.0)

    def totals(self, nodes, n_nodes):
        """Weight and weighted sums of the targets per node: shape (1 + n_outputs, n_nodes)."""
        if self.n_classes is None:
            weight = np.bincount(nodes, self.weights, n_nodes)
            return np.stack([weight, np.bincount(nodes, self.weights * self.y, n_nodes)])
        cells = self.y * n_nodes + nodes
        sums = np.bincount(cells, self.weights, n_nodes * self.n_classes)
        sums = sums.reshape(self.n_classes, n_nodes)
        return np.concatenate([sums.sum(axis=0)[None], sums])

    def left_out(self):
        """Weight by which a row is left out: a row of whole weight k is k rows of weight 1.

        Other weights are no counts of rows: then the whole row is left out.
        """
        whole = (self.weights == np.round(self.weights)).all()
        return np.minimum(self.weights, 1.0) if whole else self.weights


def shrunk(weight, sums, prior, strength):
    """Means (n_outputs, n_nodes) shrunk to a prior; the prior itself where there is no weight."""
    share, kept = shares(weight, np.array([strength]))
    return sums * share + kept * prior


def source_share(weight, strength):
    """Share m / (n + m) of the prior in a leaf; 1 where there is neither weight nor prior."""
    if np.isinf(strength):
        return np.ones(len(weight))
    return shares(weight, np.array([strength]))[1][0]


def leaf_values(prior, values, totals, left, right, roots):
    """New values (n_nodes, n_outputs) of the leaves of trees; those of inner nodes mean nothing.

    Parameters
    ----------
    prior : Prior
        Of finite strength.
    values : ndarray of shape (n_nodes, n_outputs)
        The source's.
    totals : ndarray of shape (1 + n_outputs, n_nodes)
        Weight and sums of the target rows in the leaves; 0 for inner nodes.
    left, right : ndarray of shape (n_nodes,)
        Children of the nodes, -1 for leaves.
    roots : ndarray of shape (n_trees,)
    """
    if prior.kind == "leaf":
        return shrunk(totals[0], totals[1:], values.T, prior.strength).T
    levels = Levels(left, right, roots)
    source = values[levels.order].T
    totals = totals.take(levels.order, axis=1)
    totals[1:] -= totals[0] * source
    levels.add_up(totals)
    share, kept = shares(totals[0], np.array([prior.strength]))
    difference = (share * totals[1:])[None]
    along_paths(levels, difference, kept)
    new = np.empty(values.shape)
    new[levels.order] = (source + difference[0]).T
    return new


class Prior(NamedTuple):
    """What was chosen."""

    kind: str
    strength: float


def as_probabilities(values):
    """Rows with entries >= 0 that sum to one: differences on paths can leave the simplex."""
    values = np.maximum(values, 0.0)
    total = values.sum(axis=1, keepdims=True)
    return np.where(total > 0, values / np.where(total > 0, total, 1.0), 1.0 / values.shape[1])
