"""Folds of the rows of a target, from a parameter ``cv``."""

import numbers

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv

from skmtl import frames
from skmtl.base import check_number
from skmtl.model_selection.dealing import codes_by_appearance, deal
from skmtl.model_selection.splitters import TaskSplitter
from skmtl.task_data import check_weights
from skmtl.tasks import check_task_ids, match

N_FOLDS = 5


def read_target_splits(estimator, cv, X, y, tasks, sample_weight):
    """List of (train, test), numbers of rows among those of the target that count.

    A number means contiguous folds of the target's rows, for a classifier class by class. A
    splitter is given these rows only, `TargetKFold` and others for tasks all rows of X; pairs hold
    numbers of rows of X. Of X the target's rows count: those of sources are in all training sets.
    """
    n_rows = len(np.asarray(y))
    rows, ids = target_rows(estimator, X, n_rows, tasks, sample_weight)
    if cv is None or isinstance(cv, numbers.Integral):
        n_splits = N_FOLDS if cv is None else cv
        check_number(n_splits, "cv", low=2, integer=True)
        if len(rows) < 2:
            raise ValueError("a row cannot be held out from n_samples=1: give more rows.")
        labels = np.asarray(y).reshape(-1)[rows]
        cells = codes_by_appearance(labels) if is_classifier(estimator) else np.zeros_like(rows)
        folds = deal(cells, min(n_splits, len(rows)))
        return [(np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in np.unique(folds)]
    if hasattr(cv, "split") and not isinstance(cv, TaskSplitter):
        labels = np.asarray(y).reshape(-1)[rows]
        splits = list(cv.split(frames.take_rows(frames.as_columns(X), rows), labels))
    else:
        place = np.full(n_rows, -1)
        place[rows] = np.arange(len(rows))
        splits = [[place[part] for part in split] for split in check_cv(cv).split(X, y, ids)]
        splits = [[part[part >= 0] for part in split] for split in splits]
    if not splits:
        raise ValueError("cv holds no fold: give a splitter, a number, or pairs (train, test).")
    for number, (train, test) in enumerate(splits):
        if not len(train) or not len(test):
            which = "trains on" if not len(train) else "tests"
            raise ValueError(
                f"fold {number} of cv {which} no row of the target: split its rows with "
                "TargetKFold, or give a number of folds."
            )
    return splits


def target_rows(estimator, X, n_rows, tasks, sample_weight):
    """Numbers of the rows of X that are of the target and have a weight; the ids or None."""
    _, ids = estimator._split_ids(X, tasks, reset=False)
    counts = np.ones(n_rows, dtype=bool)
    if ids is not None:
        target = check_task_ids(np.array([estimator.target_task]), "target_task")
        counts = match(ids, estimator.tasks_) == match(target, estimator.tasks_)
    if sample_weight is not None:
        counts = counts & (check_weights(sample_weight, (n_rows,), False) > 0)
    return np.flatnonzero(counts), ids


def keep_labels_in_training(splits, codes):
    """Splits in which a row whose label no training row has is a training row itself."""
    kept = []
    for train, test in splits:
        alone = ~np.isin(codes[test], codes[train])
        train, test = np.concatenate([train, test[alone]]), test[~alone]
        if len(test):
            kept.append((train, test))
    return kept
