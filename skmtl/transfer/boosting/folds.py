"""Folds in which copies of a row are never apart."""

import numpy as np

from skmtl.model_selection.dealing import codes_by_appearance, deal


def folds_of_distinct_rows(n_folds, X, targets, stratify):
    """Training and test rows of the folds; empty if there are too few rows."""
    copies = copies_of(X, targets)
    n_distinct = copies.max() + 1
    n_folds = min(n_folds, n_distinct)
    if n_folds < 2:
        return []
    first = np.unique(copies, return_index=True)[1]
    cells = codes_by_appearance(targets[first]) if stratify else np.zeros(n_distinct, dtype=int)
    # Neighbours in the sorted order are alike: blocks of a permutation are not.
    order = np.random.RandomState(0).permutation(n_distinct)
    dealt = np.empty(n_distinct, dtype=int)
    dealt[order] = deal(cells[order], n_folds)
    folds = dealt[copies]
    return [(np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(n_folds)]


def copies_of(X, targets):
    """Number of every row among the distinct rows (x, y), sorted: copies share a fold.

    So a row with weight k is k rows, for the choice of the rounds as well.
    """
    codes = np.unique(targets, return_inverse=True)[1].reshape(-1)
    columns = [codes, *np.asarray(X).T]
    order = np.lexsort(columns[::-1])
    new = np.zeros(len(codes), dtype=bool)
    for column in columns:
        ordered = column[order]
        same = (ordered[1:] == ordered[:-1]) | (
            (ordered[1:] != ordered[1:]) & (ordered[:-1] != ordered[:-1])
        )
        new[1:] |= ~same
    numbers = np.empty(len(codes), dtype=int)
    numbers[order] = np.cumsum(new)
    return numbers
