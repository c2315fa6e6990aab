"""Structure transfer (STRUT) of trees: the source's features, thresholds from the target.

From the root down, each node keeps its feature and takes a new threshold from the target rows that
reach it: of all cuts where the information gain has a local maximum, the one whose children are
most like the source's children. The two children may change sides. (Segev, Harel, Mannor, Crammer,
El-Yaniv 2017, algorithm 2.) Likeness of labels is 1 minus the mean Jensen-Shannon divergence.

Regression: the gain is the reduction of the variance, and a child c is described by
z_c = (mean of c - mean of its parent) / deviation, with the deviation of all targets, and in the
source that of the values in its leaves: so neither level nor scale of the target matter. Unlikeness
is the mean over the children of (z_c - z_c of the source)^2, weighted by their target rows.

A node that no target row reaches keeps its subtree as it is in the source, and one whose target
rows do not differ in its feature keeps its threshold. Rows whose feature is missing have no say in
the choice; they follow the child to which the source sends them, and a split of the missing from
all others stays.
"""

from typing import NamedTuple

import numpy as np

from skmtl.transfer.trees.ranks import Frontier, first_best, halfway

TINY = np.finfo(float).tiny


def rethreshold(arrays, likeness, table, draws):
    """Give trees new thresholds, in place; returns the leaves of the draws.

    Parameters
    ----------
    arrays : TreeArrays
        The trees of the source one after the other.
    likeness : LabelLikeness or NumberLikeness
    table : RankedTable
    draws : Draws
        Rows of the target, tree by tree.

    Returns
    -------
    ndarray of shape (n_draws,)
    """
    reached = np.empty(len(draws.rows), dtype=np.int64)
    front = Frontier(draws.roots, draws.trees)
    while True:
        # A row alone finds its way as in the source.
        goes_on = (arrays.left.take(front.nodes) >= 0) & (front.counts() > 1)
        front.keep(goes_on, reached)
        if not len(front.rows):
            break
        nodes, local = front.nodes, front.local
        columns = arrays.feature.take(nodes).astype(np.int64) * len(table)
        cells = columns.take(local) + draws.rows.take(front.rows)
        x = table.columns.take(cells)
        free = np.isfinite(arrays.threshold.take(nodes))
        if table.has_missing or not free.all():
            known = np.flatnonzero(~np.isnan(x) & free.take(local))
            order, places, at = table.sort(
                local.take(known), len(nodes), table.ranks.take(cells.take(known))
            )
            order = known.take(order)
        else:
            order, places, at = table.sort(local, len(nodes), table.ranks.take(cells))
        if len(order):
            values = likeness.values.take(front.rows.take(order), axis=1)
            choose_cuts(arrays, nodes, at, places, x, order, values, likeness)
        to_left = x <= arrays.threshold.take(nodes).take(local)
        if table.has_missing:
            to_left |= np.isnan(x) & arrays.missing_left.take(nodes).take(local)
        front.descend(arrays.left.take(nodes), arrays.right.take(nodes), to_left)
    alone = np.flatnonzero(arrays.left.take(reached) >= 0)
    reached[alone] = arrays.descend(table.X, reached[alone], draws.rows[alone])
    return reached


class Draws(NamedTuple):
    """Rows of the target in the samples of some trees, tree by tree.

    Attributes
    ----------
    rows, trees : ndarray of shape (n_draws,)
        Row of the table, and which of the trees has it.
    roots : ndarray of shape (n_trees,)
    """

    rows: np.ndarray
    trees: np.ndarray
    roots: np.ndarray


def choose_cuts(arrays, nodes, at, places, x, order, values, likeness):
    """Write new thresholds, and sides, of nodes.

    Parameters
    ----------
    nodes : ndarray
    at, places, order : ndarray of shape (n,)
        Sorted rows: which of the nodes they are in, by what they are sorted, position in x.
    values : ndarray of shape (n_columns, n)
        What `likeness` adds up on both sides of a cut.
    """
    cuts = np.flatnonzero((places[1:] != places[:-1]) & (at[1:] == at[:-1]))
    if not len(cuts):
        return
    cumulated = np.zeros((len(values), len(at) + 1))
    np.cumsum(values, axis=1, out=cumulated[:, 1:])
    edges = np.searchsorted(at, np.arange(len(nodes) + 1))
    edges = cumulated.take(edges, axis=1)
    own = at.take(cuts)
    left = cumulated.take(cuts + 1, axis=1) - edges.take(own, axis=1)
    right = (edges[:, 1:] - edges[:, :-1]).take(own, axis=1) - left
    gain, left, right = likeness.gain(left, right)
    same = own[1:] == own[:-1]
    peak = np.ones(len(cuts), dtype=bool)
    peak[1:] &= ~same | (gain[1:] >= gain[:-1])
    peak[:-1] &= ~same | (gain[:-1] >= gain[1:])
    peak = np.flatnonzero(peak)
    cuts, own = cuts.take(peak), own.take(peak)
    sides = left.take(peak, axis=1), right.take(peak, axis=1)
    unlike, turned = likeness.distances(*sides, own, nodes, arrays.left[nodes], arrays.right[nodes])
    best = first_best(-np.minimum(unlike, turned), own)
    turned = nodes[own[best[turned[best] < unlike[best]]]]
    nodes, cuts = nodes.take(own.take(best)), cuts.take(best)
    arrays.threshold[nodes] = halfway(x.take(order.take(cuts)), x.take(order.take(cuts + 1)))
    arrays.left[turned], arrays.right[turned] = arrays.right[turned], arrays.left[turned]
    arrays.missing_left[turned] ^= True


class NumberLikeness:
    """Squared distance of standardised means of children to those in the source.

    Parameters
    ----------
    source : list of (ndarray of shape (n_nodes, 1), ndarray of shape (n_nodes,))
        Values of the nodes of every tree, and the weights of those that are leaves.
    targets : list of Targets
        Of the draws of every tree.

    Attributes
    ----------
    values : ndarray of shape (2, n_draws)
        Weights, and weights times standardised targets.
    """

    def __init__(self, source, targets):
        self.source = np.concatenate([standard(values[:, 0], w) for values, w in source])
        weights = np.concatenate([own.weights for own in targets])
        y = np.concatenate([standard(own.y, own.weights) for own in targets])
        self.values = np.stack([weights, weights * y])

    def gain(self, left, right):
        """Reduction of the variance but for a constant of the node, and the two sides."""
        gain = sum(sums**2 / np.maximum(weight, TINY) for weight, sums in (left, right))
        return gain, left, right

    def distances(self, left, right, own, nodes, *children):
        """Of cuts of nodes to the source's children, and to these with sides changed."""
        weight, sums = left + right
        mean, share = sums / weight, left[0] / weight
        left, right = left[1] / left[0] - mean, right[1] / right[0] - mean
        p, q = ((self.source[c] - self.source[nodes]).take(own) for c in children)
        return [
            share * (left - a) ** 2 + (1.0 - share) * (right - b) ** 2 for a, b in ((p, q), (q, p))
        ]


class LabelLikeness:
    """Jensen-Shannon divergence of the labels of children to those in the source.

    Parameters
    ----------
    source : list of (ndarray of shape (n_nodes, n_classes), ndarray)
        Probabilities in the nodes of every tree.
    targets : list of Targets
        Of the draws of every tree.

    Attributes
    ----------
    values : ndarray of shape (n_classes, n_draws)
        Weights of the labels.
    """

    def __init__(self, source, targets):
        self.source = np.ascontiguousarray(np.concatenate([values for values, _ in source]).T)
        self.values = np.concatenate([np.stack(own.columns()) for own in targets], axis=1)

    def gain(self, left, right):
        """Information gain but for a constant of the node; sides with weight and entropy in front.

        The entropy is that of the weights, sum_k w_k log w_k - w log w <= 0.
        """
        left, right = with_entropy(left), with_entropy(right)
        return left[1] + right[1], left, right

    def distances(self, left, right, own, nodes, *children):
        """Of cuts of nodes to the source's children, and to these with sides changed."""
        p = [side[2:] / side[0] for side in (left, right)]
        whole = left[0] + right[0]
        share, alone = left[0] / whole, 0.5 * (left[1] + right[1]) / whole
        shares = share, 1.0 - share
        q = [self.source.take(child, axis=1) for child in children]
        entropies = [x_log_x(side).sum(axis=0).take(own) for side in q]
        q = [side.take(own, axis=1) for side in q]
        found = []
        for first, second in ((0, 1), (1, 0)):
            total = alone
            for k, other in ((0, first), (1, second)):
                middle = x_log_x(0.5 * (p[k] + q[other])).sum(axis=0)
                total = total + shares[k] * (0.5 * entropies[other] - middle)
            found.append(total)
        return found


def standard(values, weights):
    """Values less their mean, in units of their deviation."""
    values = values - np.average(values, weights=weights)
    return values / (np.sqrt(np.average(values**2, weights=weights)) or 1.0)


def x_log_x(x):
    return x * np.log(np.maximum(x, TINY))  # differences of sums can be a little below 0


def with_entropy(sums):
    weight = np.maximum(sums.sum(axis=0), TINY)
    return np.concatenate([[weight, x_log_x(sums).sum(axis=0) - x_log_x(weight)], sums])
