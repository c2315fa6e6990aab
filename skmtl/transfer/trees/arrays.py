"""Trees as arrays: what is read from a fitted source, and how rows find their leaves."""

from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import get_tags

from skmtl import frames
from skmtl.transfer.sources import spread_over_classes

TREES = (DecisionTreeClassifier, DecisionTreeRegressor)
FORESTS = (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
TREES_PER_BLOCK = 16  # sums are taken block by block: the same for any number of threads
PAIRS_AT_ONCE = 1 << 16  # of a row and a tree: what they need stays in the cache
DENSE_ENTRIES = 1 << 24  # of sparse rows that are made dense at once


class SourceTrees(NamedTuple):
    """The trees of one source.

    Attributes
    ----------
    trees : list of sklearn.tree._tree.Tree
        Attribute ``tree_`` of every tree; read only.
    values : list of ndarray of shape (n_nodes, n_outputs)
        Own copies: the mean, or probabilities of all classes of source and target.
    columns : ndarray or None
        Positions of the source's features among those of the target.
    allows_nan : bool
    label : str
    """

    trees: list
    values: list
    columns: np.ndarray | None
    allows_nan: bool
    label: str

    def table(self, X):
        """Rows as the trees read them: float32, columns in their order."""
        X = X if self.columns is None else frames.take_columns(X, self.columns)
        return as_float32(X, self.allows_nan, self.label)


def as_float32(X, allows_nan=True, label="a tree"):
    """A dense C-ordered or csr table of float32, as scikit-learn's trees take it.

    Raises
    ------
    ValueError
        If a number is too large for float32, or missing where that is not allowed.
    """
    if sparse.issparse(X):
        X = sparse.csr_matrix(X, dtype=np.float32, copy=True)
        X.sum_duplicates()
        X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)
        values, allows_nan = X.data, False
    else:
        with np.errstate(over="ignore"):
            X = values = np.ascontiguousarray(X, dtype=np.float32)
    total = values.sum(dtype=np.float64)
    if not np.isfinite(total):
        if np.isinf(values).any():
            raise ValueError("Input X contains infinity or a value too large for dtype('float32').")
        if np.isnan(total) and not allows_nan:
            raise ValueError(
                f"Input X contains NaN, but {label} does not take missing values"
                f"{' in sparse tables' if sparse.issparse(X) else ''}: add an imputer before."
            )
    return X


def read_trees(source, classes):
    """`SourceTrees` of a `SourceModel`; `classes` is None for a regressor.

    Raises
    ------
    TypeError
        If the model is neither a tree nor a forest of scikit-learn.
    ValueError
        If it has several outputs.
    """
    model = source.model
    if isinstance(model, FORESTS):
        members = list(model.estimators_)
    elif isinstance(model, TREES):
        members = [model]
    else:
        raise TypeError(
            f"{source.label} is neither a tree nor a forest: give a fitted DecisionTree, "
            "ExtraTree, RandomForest or ExtraTrees of scikit-learn."
        )
    if model.n_outputs_ > 1:
        raise ValueError(
            f"{source.label} predicts {model.n_outputs_} outputs, but the target has one: fit one "
            "forest per output."
        )
    trees = [member.tree_ for member in members]
    values = [node_values(tree, model, classes, source.label) for tree in trees]
    allows_nan = get_tags(model).input_tags.allow_nan
    return SourceTrees(trees, values, source.columns, allows_nan, source.label)


def node_values(tree, model, classes, label="the source"):
    """Mean, or probability of each of `classes`, of every node: shape (n_nodes, n_outputs)."""
    values = tree.value[:, 0, :]
    if not is_classifier(model):
        return values.astype(np.float64)
    values = values / values.sum(axis=1, keepdims=True)
    return spread_over_classes(values, model.classes_, classes, label)


def in_blocks(function, n_trees, n_jobs):
    """Results of function(first, last) for blocks of trees, in threads."""
    firsts = range(0, n_trees, TREES_PER_BLOCK)
    spans = [(first, min(first + TREES_PER_BLOCK, n_trees)) for first in firsts]
    return in_threads(lambda span: function(*span), spans, n_jobs)


def in_threads(function, items, n_jobs):
    """Results of a function of one argument, in order."""
    if len(items) == 1 or n_jobs == 1:
        return [function(item) for item in items]
    return Parallel(n_jobs=n_jobs, prefer="threads")(delayed(function)(item) for item in items)


class LeafValues:
    """Trees as they were compiled, with values of our own in their leaves.

    Parameters
    ----------
    trees : list of Tree
    values : list of ndarray of shape (n_nodes, n_outputs)
    """

    def __init__(self, trees, values):
        self.trees, self.values = trees, values

    def __len__(self):
        return len(self.trees)

    def sum(self, X, n_jobs=None):
        """Sum of the values over the trees, of shape (n_rows, n_outputs)."""

        def of_block(first, last):
            total = 0.0
            pairs = zip(self.trees[first:last], self.values[first:last], strict=True)
            for tree, values in pairs:
                total = total + values.take(tree.apply(X), axis=0)
            return total

        return np.sum(in_blocks(of_block, len(self), n_jobs), axis=0)

    def n_leaves(self):
        return np.array([tree.n_leaves for tree in self.trees])


class TreeArrays(NamedTuple):
    """One tree, or several one after the other; a node without left child is a leaf."""

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    missing_left: np.ndarray

    @classmethod
    def of(cls, trees, n_more=0):
        """Copies of the arrays of compiled trees, with room for more nodes (leaves at first).

        Returns
        -------
        arrays : TreeArrays
        roots : ndarray of shape (n_trees,)
        """
        roots = np.cumsum([0, *(tree.node_count for tree in trees)])[:-1]

        def join(parts, dtype, fill=0):
            return np.concatenate([*parts, np.full(n_more, fill)]).astype(dtype)

        def children(side):
            return [moved(getattr(t, side), root) for t, root in zip(trees, roots, strict=True)]

        missing_left = (getattr(t, "missing_go_to_left", np.zeros(t.node_count)) for t in trees)
        arrays = cls(
            join((tree.feature for tree in trees), np.int32),
            join((tree.threshold for tree in trees), np.float64),
            join(children("children_left"), np.int64, -1),
            join(children("children_right"), np.int64, -1),
            join(missing_left, bool),
        )
        return arrays, roots

    def cut(self, n_nodes):
        return TreeArrays(*[array[:n_nodes] for array in self])

    def descend(self, X, nodes, rows):
        """Leaves that rows of X (float32, dense) reach from nodes; `nodes` is overwritten."""
        flat, width = X.ravel(), X.shape[1]
        active = np.flatnonzero(self.left[nodes] >= 0)
        while len(active):
            at = nodes[active]
            x = flat.take(rows[active] * width + self.feature.take(at))
            to_left = x <= self.threshold.take(at)
            missing = np.isnan(x)
            if missing.any():
                to_left |= missing & self.missing_left.take(at)
            at = np.where(to_left, self.left.take(at), self.right.take(at))
            nodes[active] = at
            active = active[self.left.take(at) >= 0]
        return nodes


class FlatTrees:
    """Trees of changed structure, all in the same flat arrays.

    Parameters
    ----------
    arrays : list of TreeArrays
        Each of some trees.
    roots : list of ndarray
        Of these trees.
    values : list of ndarray of shape (n_nodes, n_outputs)
    compiled : list of Tree, optional
        With `entries`: rows start at the node entries[k][leaf] of tree k for their leaf in the
        compiled tree k, not at the root: most of the way is compiled then.
    entries : list of list of ndarray, optional
    """

    def __init__(self, arrays, roots, values, compiled=None, entries=None):
        offsets = np.cumsum([0, *(len(part.feature) for part in arrays)])[:-1].tolist()
        shifted = [
            part._replace(left=moved(part.left, offset), right=moved(part.right, offset))
            for part, offset in zip(arrays, offsets, strict=True)
        ]
        self.arrays = TreeArrays(*[np.concatenate(parts) for parts in zip(*shifted, strict=True)])
        self.values = np.concatenate(values)
        self.roots = np.concatenate([r + offset for r, offset in zip(roots, offsets, strict=True)])
        self.compiled, self.entries = compiled, None
        if entries is not None:
            self.entries = [
                (own + offset).astype(np.int32)
                for part, offset in zip(entries, offsets, strict=True)
                for own in part
            ]

    def __len__(self):
        return len(self.roots)

    def sum(self, X, n_jobs=None):
        """Sum of the values over the trees, of shape (n_rows, n_outputs)."""
        if not sparse.issparse(X):
            return self._sum(X, n_jobs)
        step = max(1, DENSE_ENTRIES // X.shape[1])
        parts = [X[first : first + step] for first in range(0, X.shape[0], step)]
        return np.concatenate([self._sum(part.toarray(), n_jobs) for part in parts])

    def _sum(self, X, n_jobs):
        n_rows = len(X)
        group = max(1, PAIRS_AT_ONCE // n_rows)

        def of_block(first, last):
            total = 0.0
            for start in range(first, last, group):
                chosen = range(start, min(start + group, last))
                nodes = np.concatenate([self._starts(tree, X) for tree in chosen])
                rows = np.tile(np.arange(n_rows), len(chosen))
                leaves = self.arrays.descend(X, nodes, rows)
                values = self.values.take(leaves, axis=0)
                total = total + values.reshape(len(chosen), n_rows, -1).sum(axis=0)
            return total

        return np.sum(in_blocks(of_block, len(self), n_jobs), axis=0)

    def _starts(self, tree, X):
        if self.entries is None:
            return np.full(len(X), self.roots[tree])
        return self.entries[tree].take(self.compiled[tree].apply(X)).astype(np.int64)

    def n_leaves(self):
        """Leaves of every tree that can be reached."""
        nodes, tree = self.roots, np.arange(len(self))
        counts = np.ones(len(self), dtype=int)
        while len(nodes):
            inner = np.flatnonzero(self.arrays.left.take(nodes) >= 0)
            tree, parents = tree.take(inner), nodes.take(inner)
            counts += np.bincount(tree, minlength=len(self))
            nodes = np.concatenate(
                [self.arrays.left.take(parents), self.arrays.right.take(parents)]
            )
            tree = np.concatenate([tree, tree])
        return counts


def moved(children, offset):
    """Child indices moved by an offset; -1 stays."""
    return np.where(children >= 0, children + offset, -1).astype(np.int64)
