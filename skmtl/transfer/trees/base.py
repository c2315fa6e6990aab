"""What the transfer of trees and of forests share: from the rows of the target to new trees."""

import numbers
from itertools import chain

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import check_random_state

from skmtl.base import check_number
from skmtl.transfer.sources import union_of_classes
from skmtl.transfer.trees.arrays import (
    FlatTrees,
    LeafValues,
    SourceTrees,
    TreeArrays,
    as_float32,
    in_blocks,
    in_threads,
    read_trees,
)
from skmtl.transfer.trees.counts import choose_prior, count_leaves, refill
from skmtl.transfer.trees.expand_reduce import expand_reduce
from skmtl.transfer.trees.growth import HeldOut, bootstrap, grow_trees, merged, seeds_of
from skmtl.transfer.trees.leaves import (
    GRID,
    PRIORS,
    Targets,
    as_probabilities,
    leaf_values,
    source_share,
)
from skmtl.transfer.trees.ranks import RankedTable
from skmtl.transfer.trees.structure import Draws, LabelLikeness, NumberLikeness, rethreshold

METHODS = {
    "leaves": (),
    "expand_reduce": ("expand_reduce",),
    "structure": ("structure",),
    "mix": ("expand_reduce", "structure"),
}
FOREST_SIZE = 100  # of a forest that replaces one that was not given
ROWS_AT_ONCE = 1 << 15  # of a row and a tree whose structure is changed
CAUTION = 10  # rows that speak for the sources alone when the share of new trees is chosen


class Part:
    """Trees that were one source's (None: the target's own), and the weight of each of them."""

    def __init__(self, trees, weight, source=None):
        self.trees, self.weight = trees, weight
        self.source = source and source._replace(trees=[], values=[])  # to read tables

    def sum(self, X, n_jobs):
        table = as_float32(X) if self.source is None else self.source.table(X)
        return self.weight * self.trees.sum(table, n_jobs)


class TreeTransfer:
    """Mixin of the four estimators."""

    _allows_nan = True
    _bootstraps = True  # every tree has its own sample of the rows, and new trees are grown

    def _check_trees(self):
        if self.method not in METHODS:
            raise ValueError(f"method={self.method!r} is not one of {', '.join(METHODS)}.")
        if self.prior not in ("auto", *PRIORS):
            raise ValueError(f"prior={self.prior!r} is not one of auto, {', '.join(PRIORS)}.")
        strength = self.prior_strength
        if isinstance(strength, str):
            if strength != "auto":
                raise ValueError(f"prior_strength={strength!r} is neither 'auto' nor a number.")
        elif not (isinstance(strength, numbers.Real) and np.isposinf(strength)):
            check_number(strength, "prior_strength")

    def _transfer_trees(self, transfer):
        """Fit to the rows of a `Transfer`: sets the parts and what is told about them."""
        self._check_trees()
        random = check_random_state(self.random_state)
        classes = self._union_of_labels(transfer) if is_classifier(self) else None
        sources = self._read_sources(transfer, classes, random)
        X, targets, codes = distinct_rows(transfer.target, classes)
        self._parts, held_out = [], None
        self.prior_ = self.prior_strength_ = None
        self.source_weights_ = np.zeros(len(sources))
        if sources:
            held_out = self._adapt(sources, X, targets, random)
        self._add_new_trees(X, targets, held_out, random)
        self.n_leaves_ = np.concatenate([part.trees.n_leaves() for part in self._parts])
        if held_out is not None:
            held_out = held_out[codes] if classes is not None else held_out[codes, 0]
        self.held_out_prediction_ = held_out
        return self

    def _union_of_labels(self, transfer):
        labels = [rows.y for rows in (transfer.target, *transfer.sources)]
        self.classes_ = union_of_classes(np.concatenate(labels), transfer.models)
        return self.classes_

    def _read_sources(self, transfer, classes, random):
        """`SourceTrees` of every source; grown here if there is no estimator to fit."""
        if transfer.models or self.source_estimator is not None:
            models = self._fit_sources(transfer, self.source_estimator)
            return [read_trees(model, classes) for model in models]
        sources = []
        for name, rows in zip(transfer.names, transfer.sources, strict=True):
            # Drawn in any case: chance goes on as if nothing were remembered.
            seeds = seeds_of(random, FOREST_SIZE if self._bootstraps else 1)
            key = ("own trees", name, classes if classes is None else tuple(classes.tolist()))
            grown = self._remembered(key, self._grow_source, rows, classes, seeds)
            sources.append(SourceTrees(grown.trees, grown.values, None, True, f"source {name!r}"))
        return sources

    def _grow_source(self, rows, classes, seeds):
        X, targets, _ = distinct_rows(rows, classes)
        return grow_trees(X, targets, seeds, self.n_jobs, self._bootstraps)[0]

    def _adapt(self, sources, X, targets, random):
        """Add parts from the sources' trees; returns predictions of held-out rows, or None."""
        auto = isinstance(self.prior_strength, str)
        strengths = GRID if auto else (float(self.prior_strength),)
        kinds = PRIORS if self.prior == "auto" else (self.prior,)
        by_depth = "path" in kinds and strengths != (np.inf,)
        tables = [source.table(X) for source in sources]
        counts = [
            count_leaves(source, table, targets, by_depth, self.n_jobs)
            for source, table in zip(sources, tables, strict=True)
        ]
        prior = choose_prior(counts, targets, strengths, kinds, self.n_jobs)
        self.prior_, self.prior_strength_ = prior.kind, prior.strength
        # An infinite prior is the source as it is, whatever the method.
        changes = METHODS[self.method] if np.isfinite(prior.strength) else ()
        n_trees = sum(len(source.trees) for source in sources)
        if not changes:
            told = 0.0
            for k, (source, own) in enumerate(zip(sources, counts, strict=True)):
                trees, share, own = refilled(source, own, prior, targets, self.n_jobs)
                self._parts.append(Part(trees, 1 / n_trees, source))
                self.source_weights_[k] = share * len(trees) / n_trees
                told = told + own
            return averages(told, n_trees, targets)
        outside = HeldOut(len(targets), targets.n_outputs)
        for k, (source, table, own) in enumerate(zip(sources, tables, counts, strict=True)):
            seeds = seeds_of(random, len(source.trees)) if self._bootstraps else None
            for change in changes:
                options = targets, prior, seeds, outside, self.n_jobs
                trees, share = restructure(change, source, table, own, *options)
                self._parts.append(Part(trees, 1 / n_trees / len(changes), source))
                self.source_weights_[k] += share * len(trees) / n_trees / len(changes)
        if not self._bootstraps:
            return None
        if outside.count.all():
            return outside.mean(0.0)
        removed = targets.left_out()
        told = in_threads(
            lambda count: refill(count, prior, targets, removed)[2],
            [*chain(*counts)],
            self.n_jobs,
        )
        return outside.mean(averages(sum(told), n_trees, targets))

    def _add_new_trees(self, X, targets, held_out, random):
        """Grow trees on the target's rows, and share the prediction with those of the sources."""
        self.new_tree_share_ = 0.0
        n_new = self.n_new_trees if self._bootstraps else 0
        if not self._parts:
            n_new = (n_new or FOREST_SIZE) if self._bootstraps else 1
        if not n_new:
            return
        seeds = seeds_of(random, n_new)
        trees, outside = grow_trees(X, targets, seeds, self.n_jobs, self._bootstraps)
        share = 1.0
        if self._parts:
            share = self.new_tree_share
            if share == "count":
                share = n_new / (n_new + sum(len(part.trees) for part in self._parts))
            elif share == "auto":
                share = best_share(held_out, outside, targets)
        for part in self._parts:
            part.weight *= 1 - share
        self.source_weights_ *= 1 - share
        self.new_tree_share_ = float(share)
        self._parts.append(Part(trees, share / n_new))

    def _predict_parts(self, X):
        """Predictions (n_rows, n_outputs)."""
        return sum(part.sum(X, self.n_jobs) for part in self._parts)


class RegressionTrees(TreeTransfer):
    """`_predict_target` of the regressors."""

    def _predict_target(self, X):
        return self._predict_parts(X)[:, 0]


class ClassificationTrees(TreeTransfer):
    """`_target_proba` of the classifiers."""

    def _target_proba(self, X):
        return as_probabilities(self._predict_parts(X))


def distinct_rows(rows, classes):
    """Distinct rows as float32, their `Targets`, and which of them each given row is."""
    y = rows.y if classes is None else np.searchsorted(classes, rows.y)
    n_classes = None if classes is None else len(classes)
    return merged(as_float32(rows.X), Targets(y, rows.weights_or_ones(), n_classes))


def refilled(source, counts, prior, targets, n_jobs):
    """`LeafValues` of a source with new values, its share in them, and what they tell, summed."""
    if np.isinf(prior.strength):
        told = in_threads(lambda count: count.told(), counts, n_jobs)
        return LeafValues(source.trees, source.values), 1.0, sum(told)
    removed = targets.left_out()
    found = in_threads(lambda count: refill(count, prior, targets, removed), counts, n_jobs)
    values, shares, told = zip(*found, strict=True)
    share = sum(shares) / len(source.trees) / targets.weights.sum()
    return LeafValues(source.trees, [*chain(*values)]), share, sum(told)


def averages(total, n_trees, targets):
    """Means (n_rows, n_outputs) over trees from sums (n_outputs, n_rows)."""
    mean = total.T / n_trees
    return as_probabilities(mean) if targets.n_classes else mean


def restructure(change, source, table, counts, targets, prior, seeds, outside, n_jobs):
    """`FlatTrees` of a source by "expand_reduce" or "structure", and the source's share in them.

    With seeds every tree has its own bootstrap sample of the rows, and its predictions of the
    other rows are added to `outside`.
    """
    table = RankedTable(as_dense(table))
    places = [(count, tree) for count in counts for tree in range(len(count.trees))]
    group = max(1, ROWS_AT_ONCE // len(targets))

    def of_block(first, last):
        parts, share = [], 0.0
        held_out = HeldOut(len(targets), targets.n_outputs)
        for start in range(first, last, group):
            chosen = range(start, min(start + group, last))
            rngs = [np.random.RandomState(0 if seeds is None else seeds[k]) for k in chosen]
            weights = [
                targets.weights if seeds is None else bootstrap(targets.weights, rng)
                for rng in rngs
            ]
            sample = Sample(source, chosen, targets, weights)
            if change == "structure":
                arrays, values, weight = sample.restructured(table, prior)
                entries, starts = None, sample.roots
            else:
                leaves = [places[k][0].leaf_nodes(places[k][1]) for k in chosen]
                arrays, values, weight, entries = sample.expanded(table, prior, leaves, rngs)
                starts = [own.take(leaf) for own, leaf in zip(entries, leaves, strict=True)]
            share += weight @ source_share(weight, prior.strength) / weight.sum() * len(chosen)
            pairs = zip(starts, sample.rest, strict=True)
            nodes = [np.broadcast_to(start, len(targets))[rest] for start, rest in pairs]
            ends = np.cumsum([len(own) for own in nodes])
            at = arrays.descend(table.X, np.concatenate(nodes), np.concatenate(sample.rest))
            told = np.split(values.take(at, axis=0), ends[:-1])
            for rest, own in zip(sample.rest, told, strict=True):
                held_out.add(rest, own)
            parts.append((arrays, sample.roots, values, entries))
        return parts, share, held_out

    blocks, shares, held_out = zip(*in_blocks(of_block, len(source.trees), n_jobs), strict=True)
    for block in held_out:
        outside.join(block)
    arrays, roots, values, entries = zip(*chain(*blocks), strict=True)
    compiled = (source.trees, entries) if change == "expand_reduce" else ()
    return FlatTrees(arrays, roots, values, *compiled), sum(shares) / len(source.trees)


class Sample:
    """Rows of the target that some trees of a source have, with weights of their own.

    Attributes
    ----------
    rest : list of ndarray
        Rows that a tree does not have.
    draws : Draws
        The others.
    targets : list of Targets
        Of the draws, tree by tree.
    """

    def __init__(self, source, chosen, targets, weights):
        self.trees = [source.trees[k] for k in chosen]
        self.values = [source.values[k] for k in chosen]
        self.rest = [np.flatnonzero(own == 0) for own in weights]
        rows = [np.flatnonzero(own) for own in weights]
        weights = [own.take(mine) for own, mine in zip(weights, rows, strict=True)]
        self.targets = [targets.take(*pair) for pair in zip(rows, weights, strict=True)]
        self.roots = np.cumsum([0, *(tree.node_count for tree in self.trees)])[:-1]
        trees = np.repeat(np.arange(len(rows)), [len(own) for own in rows])
        self.draws = Draws(np.concatenate(rows), trees, self.roots)
        y = np.concatenate([own.y for own in self.targets])
        self.together = Targets(y, np.concatenate(weights), targets.n_classes)

    def expanded(self, table, prior, leaves, rngs):
        """Arrays, values, weights and entries by "expand_reduce"; leaves of all rows by tree."""
        leaf = np.concatenate(leaves).take(self.draws.rows + self.draws.trees * len(table))
        options = prior, max(1, round(table.n_features**0.5)), rngs
        return expand_reduce(
            self.trees, self.values, leaf, table, self.draws, self.together, *options
        )

    def restructured(self, table, prior):
        """Arrays, values and weights by "structure"."""
        arrays, _ = TreeArrays.of(self.trees)
        leaf_weights = [
            np.where(tree.children_left < 0, tree.weighted_n_node_samples, 0.0)
            for tree in self.trees
        ]
        likeness = LabelLikeness if self.together.n_classes else NumberLikeness
        source = [*zip(self.values, leaf_weights, strict=True)]
        leaf = rethreshold(arrays, likeness(source, self.targets), table, self.draws)
        values = np.concatenate(self.values)
        totals = self.together.totals(leaf, len(values))
        new = leaf_values(prior, values, totals, arrays.left, arrays.right, self.roots)
        return arrays, new, totals[0]


def as_dense(table):
    return table if isinstance(table, np.ndarray) else np.ascontiguousarray(table.toarray())


def best_share(held_out, outside, targets):
    """Share of the new trees of least squared error on rows that neither side had."""
    rows = np.flatnonzero(outside.count)
    old, weights = held_out[rows], targets.weights[rows]
    step, residual = outside.mean(held_out)[rows] - old, targets.matrix(rows) - old
    length = weights @ (step**2).sum(axis=1)
    if not length:
        return 0.0
    length *= 1 + CAUTION / weights.sum()
    return float(np.clip(weights @ (step * residual).sum(axis=1) / length, 0, 1))
