"""Target rows in the leaves of a source's trees, and the prior that predicts rows left out best.

Both priors (see `leaves`) are differences d = R / (n + m) + m / (n + m) d_parent from the totals n
and R of the weights and residuals in a node; d_parent = 0 for prior="leaf". Without row i every
node on its path has n - v_i and R - v_i r_i, and d is linear in r_i = y_i - v: D - v_i r_i c, where
D and c follow the recursion of d with n - v_i for n and, for c, 1 for R. If all v_i are equal, D
and c are numbers of the node, not of the row.
"""

from itertools import pairwise

import numpy as np

from skmtl.transfer.trees.arrays import TREES_PER_BLOCK, in_threads, moved
from skmtl.transfer.trees.leaves import Prior, as_probabilities, source_share
from skmtl.transfer.trees.paths import Levels, along_paths, shares

ROWS_TO_CHOOSE = 2000  # at most so many rows are left out to choose a prior
PAIRS_TO_CHOOSE = 200_000  # of a row and a tree: at least so many of more than twice as many
NOTHING = 1e-10  # relative weight of a node that has lost its only row, by rounding
VALUES_AT_ONCE = 1 << 15  # of trees that are treated together: what they need stays in the cache
LEAVES_KEPT = 1 << 25  # one for each row and tree; if there are more, they are sought again


class LeafCounts:
    """Target rows in the nodes of some trees; nodes of all trees in one order, by depth if needed.

    Parameters
    ----------
    trees, values : list
        Of these trees, as in `SourceTrees`.
    X : table of float32
    targets : Targets
    by_depth : bool
        Whether a prior "path" will be asked for.
    keep : bool
        Whether the leaves of all rows are kept.

    Attributes
    ----------
    values : ndarray of shape (n_outputs, n_nodes)
    weight : ndarray of shape (n_nodes,)
    residuals : ndarray of shape (n_outputs + 1, n_nodes)
        R, and 1 as the last one: what D and c begin with.
    """

    def __init__(self, trees, values, X, targets, by_depth, keep):
        self.trees, self.X = trees, X
        targets, self.centre = targets.centred()
        self.roots = np.cumsum([0, *(tree.node_count for tree in trees)])
        self.roots, n_nodes = self.roots[:-1], self.roots[-1]
        left, *right = (
            [moved(getattr(t, side), root) for t, root in zip(trees, self.roots, strict=True)]
            for side in ("children_left", "children_right")[: 1 + by_depth]
        )
        left = np.concatenate(left)
        if by_depth:
            self.levels = Levels(left, np.concatenate(*right), self.roots)
            self.order, self.places = self.levels.order, self.levels.places(n_nodes)
        else:
            self.order = self.places = np.arange(n_nodes)
        is_leaf = left.take(self.order) < 0
        self.values = np.ascontiguousarray(np.concatenate(values).take(self.order, axis=0).T)
        self.values -= self.centre
        self.leaves, totals = [], 0.0
        for tree in range(len(trees)):
            leaf = self.reached(tree)
            totals = totals + targets.totals(leaf, n_nodes)
            if keep:
                self.leaves.append(leaf.astype(np.int32))
        totals[1:] -= totals[0] * self.values
        self.leaf_weight = totals[0, is_leaf]
        if by_depth:
            self.levels.add_up(totals)
        self.weight = totals[0]
        self.residuals = np.concatenate([totals[1:], np.ones((1, n_nodes))])

    def reached(self, tree, rows=None):
        """Places of the leaves that rows reach in a tree."""
        if len(self.leaves) > tree:
            return self.leaves[tree] if rows is None else self.leaves[tree].take(rows)
        X = self.X if rows is None else self.X[rows]
        return self.places.take(self.trees[tree].apply(X) + self.roots[tree])

    def leaf_nodes(self, tree):
        """Leaves of all rows in a tree, as it numbers them."""
        return self.order.take(self.reached(tree)) - self.roots[tree]

    def told(self, rows=None):
        """Sum over the trees of the source's values, of shape (n_outputs, n_rows)."""
        total = 0.0
        for tree in range(len(self.trees)):
            total = total + self.values.take(self.reached(tree, rows), axis=1)
        return total + len(self.trees) * self.centre

    def differences(self, rest, strengths, kinds):
        """By kind of prior: D and, as the last column, c of all nodes.

        Parameters
        ----------
        rest : ndarray of shape (n_nodes,) or (n_strengths, n_nodes)
        strengths : ndarray of shape (n_strengths,)

        Yields
        ------
        ndarray of shape (n_strengths, n_outputs + 1, n_nodes)
        """
        share, kept = shares(rest, strengths)
        found = share[:, None] * self.residuals
        if "leaf" in kinds:
            yield found
        if "path" in kinds:
            along_paths(self.levels, found, kept)
            yield found

    def new_values(self, difference):
        """New values (n_nodes, n_outputs) of every tree."""
        new = np.empty(self.values.shape[::-1])
        new[self.order] = (self.values + difference).T + self.centre
        return np.split(new, self.roots[1:])

    def held_out(self, targets, removed, strengths, kinds, rows=None):
        """Sums over the trees of what they tell of rows without these.

        Parameters
        ----------
        targets : Targets
            Of all rows.
        removed : ndarray
            Weight by which each of all rows is left out.
        strengths : ndarray of shape (n_strengths,)
        kinds : sequence of str
        rows : ndarray, optional
            Only these.

        Returns
        -------
        list of ndarray of shape (n_strengths, n_outputs, n_rows)
            By kind.
        """
        same, unit = (removed == removed[0]).all(), removed[0]
        own = targets.matrix() if rows is None else targets.matrix(rows)
        removed = removed if rows is None else removed[rows]
        trees = range(len(self.trees))
        totals = [0.0] * len(kinds)
        if same:
            rest = without(self.weight, unit)
            many = len(own) * len(trees) > len(rest)
            for k, found in enumerate(self.differences(rest, strengths, kinds)):
                told = as_told(found.copy(), self.values, unit) if many else found
                for tree in trees:
                    leaf = self.reached(tree, rows)
                    part = told.take(leaf, axis=2)
                    if not many:
                        as_told(part, self.values.take(leaf, axis=1), unit)
                    totals[k] = totals[k] + part
        else:
            for tree in trees:
                leaf = self.reached(tree, rows)
                for k, kind in enumerate(kinds):
                    found = self._differences_of_rows(tree, leaf, removed, strengths, kind, rows)
                    totals[k] = totals[k] + as_told(found, self.values.take(leaf, axis=1), removed)
        own = own.T - self.centre
        return [total[:, :-1] - total[:, -1:] * own + len(trees) * self.centre for total in totals]

    def _differences_of_rows(self, tree, leaf, removed, strengths, kind, rows):
        """D and c of every row, with the weights that its nodes have without it."""
        if kind == "leaf":
            share, _ = shares(without(self.weight[leaf], removed), strengths)
            return share[:, None] * self.residuals[:, leaf]
        paths = self.trees[tree].decision_path(self.X if rows is None else self.X[rows])
        lengths = np.diff(paths.indptr)
        found = np.zeros((len(strengths), len(self.residuals), len(leaf)))
        for depth in range(lengths.max()):
            on = np.flatnonzero(lengths > depth)
            at = self.places[paths.indices[paths.indptr[on] + depth] + self.roots[tree]]
            share, kept = shares(without(self.weight[at], removed[on]), strengths)
            found[:, :, on] *= kept[:, None]
            found[:, :, on] += share[:, None] * self.residuals[:, at]
        return found


def without(weight, removed):
    rest = weight - removed
    return np.where(rest <= NOTHING * weight, 0.0, rest)


def as_told(found, values, removed):
    """D, c -> v + D + v_i v c and v_i c in place; the former less y_i times the latter is told."""
    found[:, -1] *= removed
    found[:, :-1] += values * (1.0 + found[:, -1:])
    return found


def count_leaves(source, X, targets, by_depth, n_jobs):
    """`LeafCounts` of the trees of a source, some trees at a time."""
    keep = len(targets) * len(source.trees) <= LEAVES_KEPT

    def of_span(span):
        trees, values = source.trees[span], source.values[span]
        return LeafCounts(trees, values, X, targets, by_depth, keep)

    return in_threads(of_span, spans_of_values(source.values), n_jobs)


def spans_of_values(values):
    """Slices of a list of trees' values with not too many numbers each."""
    ends, numbers = [0], 0
    for k, own in enumerate(values):
        numbers += own.size
        if k > ends[-1] and (numbers > VALUES_AT_ONCE or k - ends[-1] >= TREES_PER_BLOCK):
            ends.append(k)
            numbers = own.size
    return [slice(*pair) for pair in pairwise([*ends, len(values)])]


def size(counts):
    return sum(len(count.trees) for count in counts)


def choose_prior(counts, targets, strengths, kinds, n_jobs):
    """`Prior` of least squared error on rows left out; ties go to the stronger prior.

    Of many rows and trees only some tell: rows in their order by content, at even distances.

    Parameters
    ----------
    counts : list of list of LeafCounts
        Of every source.
    strengths, kinds : sequence
    """
    finite = np.sort([strength for strength in strengths if np.isfinite(strength)])[::-1]
    if len(strengths) == 1 and (len(kinds) == 1 or not len(finite)):
        return Prior(kinds[-1], strengths[0])
    every = -(-len(targets) // ROWS_TO_CHOOSE)
    rows = np.arange(0, len(targets), every)
    removed, n_trees = targets.left_out(), sum(map(size, counts))
    step = max(1, n_trees * len(rows) // PAIRS_TO_CHOOSE)
    some = [own[::step] for own in counts]
    # A source counts by the number of its trees, however many of them tell.
    scales = [size(own) / size(part) for own, part in zip(counts, some, strict=True)]
    pairs = [(s, count) for s, part in zip(scales, some, strict=True) for count in part]
    priors, told = [], []
    if len(finite) < len(strengths):
        priors.append(Prior(kinds[-1], np.inf))
        told.append(sum(scale * count.told(rows) for scale, count in pairs))
    if len(finite):

        def held_out(pair):
            scale, count = pair
            return scale * np.stack(count.held_out(targets, removed, finite, kinds, rows))

        found = in_threads(held_out, pairs, n_jobs)
        priors += [Prior(kind, strength) for strength in finite.tolist() for kind in kinds]
        told += [*sum(found).swapaxes(0, 1).reshape(-1, targets.n_outputs, len(rows))]
    best, least, Y = None, np.inf, targets.matrix(rows)
    for prior, values in zip(priors, told, strict=True):
        values = values.T / n_trees
        if targets.n_classes:
            values = as_probabilities(values)
        error = targets.weights[rows] @ ((Y - values) ** 2).sum(axis=1)
        if best is None or error < least * (1 - 1e-9):
            best, least = prior, error
    return best


def refill(count, prior, targets, removed):
    """New values of trees, share of the source in them, and what is told of rows left out.

    Returns
    -------
    values : list of ndarray of shape (n_nodes, n_outputs)
    share : float
        Weight of the source's values, summed over rows and trees.
    told : ndarray of shape (n_outputs, n_rows)
        Sum over the trees.
    """
    strengths = np.array([prior.strength])
    (found,) = count.differences(count.weight, strengths, (prior.kind,))
    values = count.new_values(found[0, :-1])
    (told,) = count.held_out(targets, removed, strengths, (prior.kind,))
    share = count.leaf_weight @ source_share(count.leaf_weight, prior.strength)
    return values, share, told[0]
