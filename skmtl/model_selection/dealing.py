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


def deal_outputs(cells, n_splits):
    """Fold of every row, where rows belong to several cells that all folds should share evenly.

    Iterative stratification: the rarest cell first, its rows to the folds that lack it most.
    Sechidis, Tsoumakas, Vlahavas 2011, *On the stratification of multi-label data*, ECML PKDD.

    Parameters
    ----------
    cells : int ndarray of shape (n_rows, n_outputs)
        The cell of each output of a row (cells of different outputs differ), -1 for none.
    n_splits : int

    Returns
    -------
    ndarray of shape (n_rows,)
        -1 for rows that are in no cell.
    """
    rows, _ = np.nonzero(cells >= 0)
    order = np.argsort(cells[cells >= 0], kind="stable")
    left = np.bincount(cells[cells >= 0])
    members = np.split(rows[order], np.cumsum(left)[:-1])
    wanted = np.repeat(left[:, None] / n_splits, n_splits, axis=1)
    room = np.full(n_splits, len(np.unique(rows)) / n_splits)
    folds = np.full(len(cells), -1)
    while left.any():
        rarest = np.argmin(np.where(left > 0, left, np.iinfo(left.dtype).max))
        for row in members[rarest]:
            if folds[row] < 0:
                own = cells[row][cells[row] >= 0]
                fold = np.lexsort((-room, -wanted[rarest]))[0]
                folds[row] = fold
                wanted[own, fold] -= 1.0
                room[fold] -= 1.0
                left[own] -= 1
    return folds
