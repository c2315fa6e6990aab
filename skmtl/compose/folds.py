"""Which rows are left out together, so that models of the other rows have something to learn."""

import numpy as np

from skmtl.model_selection import TaskKFold


def deal_rows(cells, n_folds, *, shared_rows, stratify, random_state):
    """Pairs (train, test) of rows, at random and task by task; none if fewer than two folds.

    Every task keeps rows in every training fold. Only rows with a cell take part.

    Parameters
    ----------
    cells : Cells
    n_folds : int
        At most; there are no more than rows of tasks with two or more.
    shared_rows : bool
        Whether a row may have cells of several tasks. It is left out whole.
    stratify : bool
        By the labels in rows of a task's own.
    random_state : int, RandomState instance or None
    """
    rows, local = np.unique(cells.rows, return_inverse=True)
    codes, y = np.zeros(len(rows), dtype=int), None
    if not shared_rows:
        codes[local] = cells.codes
        y = np.empty(len(rows), dtype=cells.y.dtype)
        y[local] = cells.y
    usable = np.sum(np.bincount(codes)[codes] > 1)
    if usable < 2:
        return []
    n_folds, stratify = min(int(n_folds), int(usable)), stratify and not shared_rows
    dealer = TaskKFold(n_folds, shuffle=True, stratify=stratify, random_state=random_state)
    folds = np.full(len(rows), -1)
    for fold, (_, test) in enumerate(dealer.split(codes, y, codes)):
        folds[test] = fold
    if shared_rows:  # a task with all its cells in one fold would have none to learn from
        counts = np.zeros((cells.codes.max() + 1, n_folds))
        np.add.at(counts, (cells.codes, folds[local]), 1)
        confined = counts.max(axis=1) == counts.sum(axis=1)
        folds[local[confined[cells.codes]]] = -1
    used = np.unique(folds[folds >= 0])
    if len(used) < 2:
        return []
    return [(rows[folds != fold], rows[folds == fold]) for fold in used]


def check_splits(splits):
    """Raise ValueError unless rows are left out at most once, in two folds or more."""
    tested = np.concatenate([test for _, test in splits]) if splits else []
    leaks = any(np.isin(test, train).any() for train, test in splits)
    if len(splits) < 2 or len(np.unique(tested)) < len(tested) or leaks:
        raise ValueError(
            "cv must leave every row out at most once, in two folds or more, and train on other "
            f"rows, but it gives {len(splits)} folds with {len(tested)} test rows, "
            f"{len(np.unique(tested))} of them distinct: use a number of folds or TaskKFold."
        )
