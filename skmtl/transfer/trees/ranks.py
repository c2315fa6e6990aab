"""Rows sorted by node and value, for all nodes of a depth at once; the nodes of a depth."""

import numpy as np

MOST_BITS = 63  # of three numbers that are packed in one


class RankedTable:
    """A dense float32 table and the rank of every value in its feature.

    Sorting whole numbers that hold node, rank and position is several times faster than sorting
    rows by two keys.

    Attributes
    ----------
    X : ndarray of shape (n_rows, n_features)
    ranks : ndarray of shape (n_features * n_rows,)
        Feature by feature. Equal values have equal ranks; missing ones the highest.
    columns : ndarray of shape (n_features * n_rows,)
        X, feature by feature.
    has_missing : bool
    """

    def __init__(self, X):
        self.X = X
        columns = np.ascontiguousarray(X.T)
        order = np.argsort(columns, axis=1, kind="stable")
        values = np.take_along_axis(columns, order, axis=1)
        missing = np.isnan(values)
        new = (values[:, 1:] != values[:, :-1]) & ~missing[:, :-1]
        steps = np.zeros(columns.shape, dtype=np.int32)
        np.cumsum(new, axis=1, out=steps[:, 1:])
        ranks = np.empty_like(steps)
        np.put_along_axis(ranks, order, steps, axis=1)
        self.ranks, self.columns = ranks.ravel(), columns.ravel()
        self.has_missing = bool(missing.any())

    def __len__(self):
        return len(self.X)

    @property
    def n_features(self):
        return self.X.shape[1]

    def sort(self, nodes, n_nodes, ranks):
        """Positions, sorted by node and rank along the last axis; and what they were sorted by.

        Parameters
        ----------
        nodes : ndarray of shape (n,)
            Numbers below n_nodes.
        ranks : ndarray of shape (n,) or (n_features, n)

        Returns
        -------
        positions, places : ndarray of the shape of ranks
            Places: rank, and node times a power of two.
        at : ndarray of shape (n,)
            Sorted nodes.
        """
        low, middle = len(nodes).bit_length(), len(self).bit_length()
        if low + middle + int(n_nodes).bit_length() > MOST_BITS:
            raise ValueError(
                f"{len(self)} rows of the target are too many to change the structure of trees: "
                'use method="leaves", or train on the target alone.'
            )
        keys = ranks.astype(np.int64)
        keys <<= low
        keys += (nodes << (middle + low)) + np.arange(len(nodes))
        keys.sort(axis=-1)
        positions = keys & ((1 << low) - 1)
        keys >>= low
        return positions, keys, (keys if keys.ndim == 1 else keys[0]) >> middle


class Frontier:
    """Rows on their way down some trees at once: the nodes of one depth, and who is there.

    Attributes
    ----------
    nodes : ndarray of shape (n_nodes,)
    rows : ndarray of shape (n_active,)
        Rows that are still on their way.
    local : ndarray of shape (n_active,)
        Which of the nodes they are in.
    """

    def __init__(self, nodes, local):
        self.nodes, self.rows, self.local = nodes, np.arange(len(local)), local

    def keep(self, goes_on, reached):
        """Go on in some of the nodes only; rows in the others have reached theirs."""
        if goes_on.all():
            return
        stay = goes_on.take(self.local)
        end = np.flatnonzero(~stay)
        reached[self.rows.take(end)] = self.nodes.take(self.local.take(end))
        stay = np.flatnonzero(stay)
        self.rows = self.rows.take(stay)
        self.local = (np.cumsum(goes_on) - 1).take(self.local.take(stay))
        self.nodes = self.nodes[goes_on]

    def counts(self):
        return np.bincount(self.local, minlength=len(self.nodes))

    def descend(self, left, right, to_left):
        """To the children of the nodes: arrays of the nodes; `to_left` of the rows."""
        self.nodes = np.concatenate([left, right])
        self.local = np.where(to_left, self.local, self.local + len(left))


def first_best(scores, nodes):
    """Positions of the first highest score of every run of equal nodes."""
    starts = np.flatnonzero(np.concatenate([[True], nodes[1:] != nodes[:-1]]))
    lengths = np.diff(np.append(starts, len(nodes)))
    highest = np.maximum.reduceat(scores, starts).repeat(lengths)
    hits = np.flatnonzero(scores == highest)
    own = nodes.take(hits)
    return hits[np.concatenate([[True], own[1:] != own[:-1]])]


def halfway(low, high):
    """Thresholds between values of float32; above all numbers where the higher one is missing."""
    middle = 0.5 * (low.astype(np.float64) + high.astype(np.float64))
    return np.where(np.isnan(high), np.inf, middle)
