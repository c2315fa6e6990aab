"""Rows dealt over folds or over training and test, task by task, on whole arrays."""

import numpy as np


def codes_by_appearance(values):
    """Codes of values, numbered in the order in which the values appear first.

    So nothing depends on how tasks and classes are named.
    """
    _, first, codes = np.unique(values, return_index=True, return_inverse=True)
    order = np.empty(len(first), dtype=np.intp)
    order[np.argsort(first)] = np.arange(len(first))
    return order[codes.reshape(-1)]


def rank_within(codes):
    """Rank of every row among the rows of its code, and the size of every code."""
    sizes = np.bincount(codes)
    order = np.argsort(codes, kind="stable")
    rank = np.empty(len(codes), dtype=np.intp)
    rank[order] = np.arange(len(codes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return rank, sizes


def deal(cells, n_splits):
    """Fold of every row: each cell in contiguous blocks, as `KFold` makes them, over all folds.

    The surplus rows of a cell go to the folds after those that got the surplus of the cell
    before, so the sizes of the folds differ by one at most, over any run of cells.
    """
    rank, sizes = rank_within(cells)
    block, surplus = (values[cells] for values in np.divmod(sizes, n_splits))
    long_rows = surplus * (block + 1)
    fold = np.where(
        rank < long_rows,
        rank // (block + 1),
        surplus + (rank - long_rows) // np.maximum(block, 1),
    )
    dealt = np.cumsum(sizes % n_splits) - sizes % n_splits
    return (fold + dealt[cells]) % n_splits


def spread_over_classes(codes, classes, n_train, n_test, rng):
    """Training and test rows at regular distances among rows sorted by task and class.

    A class with m of the n rows of a task gets m * n_test / n test rows, rounded up or down.
    """
    order = np.lexsort((classes, codes))
    codes = codes[order]
    rank, sizes = rank_within(codes)
    # Counting starts at a random row: otherwise the last class would always be tested.
    start = rng.randint(sizes)
    is_test = _at_regular_distances((rank + start[codes]) % sizes[codes], codes, n_test, sizes)
    rest = np.flatnonzero(~is_test)
    rank, sizes = rank_within(codes[rest])
    is_train = np.zeros(len(codes), dtype=bool)
    is_train[rest] = _at_regular_distances(rank, codes[rest], n_train, sizes)
    back = np.argsort(order)
    return is_train[back], is_test[back]


def _at_regular_distances(rank, codes, wanted, sizes):
    wanted, sizes = wanted[codes], sizes[codes]
    return (rank + 1) * wanted // sizes > rank * wanted // sizes
