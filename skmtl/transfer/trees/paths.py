"""What is computed level by level in several trees at once: their nodes in the order of depth."""

import numpy as np


class Levels:
    """Nodes of trees by depth: each level is a slice, its left children before its right ones.

    Parameters
    ----------
    left, right : ndarray of shape (n_nodes,)
        Children of every node, -1 for leaves.
    roots : ndarray
        Root of each tree.

    Attributes
    ----------
    order : ndarray
        Node at every place of the new order.
    parents : list of ndarray
        Places of the inner nodes of every depth.
    """

    def __init__(self, left, right, roots):
        nodes, levels, self.parents, first = roots, [roots], [], 0
        while True:
            children = left.take(nodes)
            inner = np.flatnonzero(children >= 0)
            if not len(inner):
                break
            self.parents.append(first + inner)
            first += len(nodes)
            nodes = np.concatenate([children.take(inner), right.take(nodes.take(inner))])
            levels.append(nodes)
        self.order = np.concatenate(levels)

    def down(self):
        """Places of inner nodes, and slices of their left and of their right children."""
        end = len(self.order) - 2 * sum(map(len, self.parents))
        for parents in self.parents:
            middle = end + len(parents)
            yield parents, slice(end, middle), slice(middle, middle + len(parents))
            end = middle + len(parents)

    def up(self):
        return reversed(list(self.down()))

    def places(self, n_nodes):
        """Place of every node in the new order."""
        places = np.zeros(n_nodes, dtype=np.int64)
        places[self.order] = np.arange(len(self.order))
        return places

    def add_up(self, totals):
        """Totals (n_columns, n_nodes) of leaves -> totals of all nodes, in place and order."""
        for parents, left, right in self.up():
            totals[:, parents] = totals[:, left] + totals[:, right]


def shares(weight, strengths):
    """1 / (n + m) and m / (n + m), of shape (n_strengths, n_nodes); 0 and 1 where n + m = 0.

    Parameters
    ----------
    weight : ndarray of shape (n_nodes,) or (n_strengths, n_nodes)
    strengths : ndarray of shape (n_strengths,)
    """
    strengths = strengths[:, None]
    total = weight + strengths
    if strengths.min() > 0:
        share = 1.0 / total
        return share, strengths * share
    known = total > 0
    share = np.where(known, 1.0 / np.where(known, total, 1.0), 0.0)
    return share, np.where(known, strengths * share, 1.0)


def along_paths(levels, differences, kept):
    """d <- d + kept * d of the parent, from the roots down and in place.

    Parameters
    ----------
    levels : Levels
    differences : ndarray of shape (n_strengths, n_columns, n_nodes)
    kept : ndarray of shape (n_strengths, n_nodes)
    """
    for parents, *sides in levels.down():
        above = differences.take(parents, axis=2)
        for side in sides:
            differences[:, :, side] += kept[:, None, side] * above
