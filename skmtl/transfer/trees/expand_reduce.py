"""Structure expansion and reduction (SER) of trees on rows of the target.

Every leaf of a source's tree is expanded: a full subtree is grown in it on the target rows that
reach it. Then, from the bottom up, an inner node becomes a leaf if its error on the target rows is
no larger than that of the subtree below it. (Segev, Harel, Mannor, Crammer, El-Yaniv 2017,
algorithm 1.) In place of the number of wrong labels, regression takes the squared error.

A branch that no target row reaches is kept as the source had it: a node is reduced only if both of
its children hold target rows. New leaves are shrunk as all others, to the source's value in the
leaf that they split.
"""

import numpy as np

from skmtl.transfer.trees.arrays import TreeArrays
from skmtl.transfer.trees.paths import Levels, shares
from skmtl.transfer.trees.ranks import Frontier, first_best, halfway

NOTHING = 1e-12  # relative weight of a side of a cut that is rounding


def expand(trees, leaf, table, draws, targets, max_features, rngs):
    """Grow full subtrees in the leaves of compiled trees, all nodes of one depth at once.

    Parameters
    ----------
    trees : list of Tree
    leaf : ndarray of shape (n_draws,)
        Leaf of every draw in its tree.
    table : RankedTable
    draws : Draws
        Rows of the target in the sample of every tree.
    targets : Targets
        Of the draws.
    max_features : int
        How many features, drawn anew at each depth, are tried; all, where none of them splits.
    rngs : list of RandomState
        One for each tree.

    Returns
    -------
    arrays : TreeArrays
        Of all trees; new nodes at the end.
    origin : ndarray of shape (n_nodes,)
        The source's node of every node: of a new one the leaf that it is in.
    reached : ndarray of shape (n_draws,)
        Leaf of every draw.
    """
    n_more = 2 * len(leaf)
    arrays, roots = TreeArrays.of(trees, n_more)
    end = len(arrays.feature) - n_more
    origin = np.concatenate([np.arange(end), np.zeros(n_more, dtype=np.int64)])
    reached = leaf + roots.take(draws.trees)
    taken, local = np.unique(reached, return_inverse=True)
    front = Frontier(taken, local)
    values = np.stack([targets.weights, *targets.scaled().columns()])
    while True:
        y = targets.y.take(front.rows)
        front.keep(impure(front.local, y, len(front.nodes)), reached)
        if not len(front.rows):
            return arrays.cut(end), origin[:end], reached
        own = draws.trees.take(front.rows)
        features = np.zeros((len(rngs), table.n_features), dtype=np.int64)
        for tree in np.flatnonzero(np.bincount(own)).tolist():
            features[tree] = rngs[tree].permutation(table.n_features)
        split = Splits(len(front.nodes))
        split.search(features[:, :max_features], front.rows, front.local, table, draws, values)
        waiting = np.flatnonzero((split.feature < 0).take(front.local))
        if len(waiting) and max_features < table.n_features:
            rest = front.rows.take(waiting), front.local.take(waiting), table, draws, values
            split.search(features[:, max_features:], *rest)
        done = split.feature >= 0
        front.keep(done, reached)
        if not len(front.rows):
            return arrays.cut(end), origin[:end], reached
        parents, feature, rank = front.nodes, split.feature[done], split.rank[done]
        first = end + 2 * np.arange(len(parents))
        arrays.feature[parents], arrays.threshold[parents] = feature, split.threshold[done]
        arrays.left[parents], arrays.right[parents] = first, first + 1
        origin[first] = origin[first + 1] = origin[parents]
        end += 2 * len(parents)
        cells = (feature * len(table)).take(front.local) + draws.rows.take(front.rows)
        front.descend(first, first + 1, table.ranks.take(cells) <= rank.take(front.local))


def impure(local, y, n_nodes):
    """Mask of the nodes that have different targets."""
    any_target = np.empty(n_nodes, dtype=y.dtype)
    any_target[local] = y
    mixed = np.zeros(n_nodes, dtype=bool)
    mixed[local[y != any_target.take(local)]] = True
    return mixed


class Splits:
    """The best split of every node; feature -1 where there is none."""

    def __init__(self, n_nodes):
        self.feature = np.full(n_nodes, -1)
        self.threshold = np.zeros(n_nodes)
        self.rank = np.zeros(n_nodes, dtype=np.int64)  # rows up to it go to the left

    def search(self, features, there, nodes, table, draws, values):
        """Find the splits of nodes, on their draws, with the least squared error (or impurity).

        Parameters
        ----------
        features : ndarray of shape (n_trees, n_tried)
        there, nodes : ndarray
            Draws, and the node of each of them.
        values : ndarray of shape (1 + n_outputs, n_draws)
            Weights and weighted targets.
        """
        cells = (features.T * len(table)).take(draws.trees.take(there), axis=1)
        cells += draws.rows.take(there)
        positions, places, at = table.sort(nodes, len(self.feature), table.ranks.take(cells))
        inside = at[1:] == at[:-1]
        if not inside.any():
            return
        own = values.take(there, axis=1)
        gain = gains(positions, at, nodes, len(self.feature), own)[:, :-1]
        gain[(places[:, 1:] == places[:, :-1]) | ~inside] = -np.inf
        best = gain.max(axis=0)
        cut = first_best(best, at[:-1])
        cut = cut[np.isfinite(best.take(cut))]
        winner, ids = gain[:, cut].argmax(axis=0), at.take(cut)
        low, high = (cells[winner, positions[winner, c]] for c in (cut, cut + 1))
        self.feature[ids], self.rank[ids] = low // len(table), table.ranks.take(low)
        self.threshold[ids] = halfway(table.columns.take(low), table.columns.take(high))


def gains(positions, at, nodes, n_nodes, values):
    """L'L / (w_L w_R) for cuts behind every position, with sums L of deviations from the mean.

    That is the reduction of the squared error (or impurity) over the weight of the node.

    Parameters
    ----------
    positions : ndarray of shape (n_features, n)
    at, nodes : ndarray of shape (n,)
        Nodes of the sorted positions, and of the values.
    values : ndarray of shape (1 + n_outputs, n)
        Weights and weighted targets.
    """
    weights = values[0]
    total = np.bincount(nodes, weights, n_nodes)
    before = np.cumsum(total) - total
    left = weights.take(positions)
    np.cumsum(left, axis=1, out=left)
    left -= before.take(at)
    whole = total.take(at)
    least = NOTHING * whole
    right = whole - left
    np.maximum(left, least, out=left)
    left *= np.maximum(right, least, out=right)
    gain = 0.0
    for column in values[1:]:
        mean = np.bincount(nodes, column, n_nodes) / np.where(total > 0, total, 1.0)
        sums = (column - weights * mean.take(nodes)).take(positions)  # 0 over the whole node
        np.cumsum(sums, axis=1, out=sums)
        sums *= sums
        gain = gain + sums if len(values) > 2 else sums
    gain /= left
    # Cuts that part the rows alike shall be equal in spite of rounding.
    return gain.astype(np.float32)


def expand_reduce(trees, values, leaf, table, draws, targets, prior, max_features, rngs):
    """Expanded and reduced trees.

    Parameters
    ----------
    trees, leaf, table, draws, targets, max_features, rngs
        As in `expand`.
    values : list of ndarray of shape (tree.node_count, n_outputs)
    prior : Prior

    Returns
    -------
    arrays : TreeArrays
        Of all trees.
    values : ndarray of shape (n_nodes, n_outputs)
    weight : ndarray of shape (n_nodes,)
        Of the draws in each leaf.
    entries : list of ndarray of shape (tree.node_count,)
        Where rows go on that are in a leaf of a compiled tree.
    """
    arrays, origin, reached = expand(trees, leaf, table, draws, targets, max_features, rngs)
    levels = Levels(arrays.left, arrays.right, draws.roots)
    order, place = levels.order, levels.places(len(origin))
    own, centre = targets.centred()
    source = np.concatenate(values).take(origin.take(order), axis=0).T - centre
    reached = place.take(reached)
    grown, as_leaf, totals = values_as_leaves(levels, source, reached, own, prior)
    reduced = reduce(levels, as_leaf, grown, totals, own.n_classes is not None)
    np.copyto(grown, as_leaf, where=reduced)
    leaf = np.arange(len(order))  # that hides a node, in places
    for parents, *sides in levels.down():
        above = leaf.take(parents)
        hidden = np.flatnonzero(reduced.take(parents) | (above != parents))
        if len(hidden):
            above = above.take(hidden)
            for side in sides:
                leaf[side][hidden] = above
    cut = order[reduced]
    arrays.left[cut] = arrays.right[cut] = -1
    new = np.empty((len(order), len(grown)))
    new[order] = grown.T + centre
    weight = np.zeros(len(order))
    weight[order] = np.bincount(leaf.take(reached), own.weights, len(order))
    ends = np.append(draws.roots[1:], sum(tree.node_count for tree in trees))
    entries = order.take(leaf.take(place[: ends[-1]]))
    return arrays, new, weight, np.split(entries, ends[:-1])


def values_as_leaves(levels, source, reached, targets, prior):
    """Values of the leaves, and those of every node if it were one; totals of all nodes.

    All are in the order of the levels, of shape (n_outputs, n_nodes). The rows of the totals are
    the weight, the sums and the squares of the targets.
    """
    n_nodes = source.shape[1]
    totals = targets.totals(reached, n_nodes)
    residuals = totals[1:] - totals[0] * source
    squares = np.bincount(reached, targets.squares(), n_nodes)
    totals = np.concatenate([totals, squares[None], residuals])
    levels.add_up(totals)
    totals, residuals = np.split(totals, [len(source) + 2])
    share, kept = shares(totals[0], np.array([prior.strength]))
    as_leaf = share * totals[1:-1] + kept * source
    if prior.kind == "leaf":
        return as_leaf.copy(), as_leaf, totals
    difference = (share * residuals)[None]
    for parents, *sides in levels.down():
        above = difference[0].take(parents, axis=1)
        for side in sides:
            above_side = kept[:, side] * above
            difference[0][:, side] += above_side
            as_leaf[:, side] += above_side
    return source + difference[0], as_leaf, totals


def reduce(levels, as_leaf, grown, totals, labels):
    """Mask of the nodes that become leaves: their error is no larger than that of their subtree."""
    below, alone = errors(grown, totals, labels), errors(as_leaf, totals, labels)
    has_rows = totals[0] > 0
    reduced = np.zeros(len(has_rows), dtype=bool)
    for parents, left, right in levels.up():
        subtree, single = below[left] + below[right], alone.take(parents)
        cut = has_rows[left] & has_rows[right] & (single <= subtree)
        reduced[parents] = cut
        below[parents] = np.where(cut, single, subtree)
    return reduced


def errors(values, totals, labels):
    """Error of every node if it were a leaf: squared, or the weight of wrong labels."""
    weight, sums, squares = totals[0], totals[1:-1], totals[-1]
    if labels:
        return weight - np.take_along_axis(sums, values.argmax(axis=0)[None], axis=0)[0]
    return squares - 2 * (values * sums)[0] + weight * values[0] ** 2
