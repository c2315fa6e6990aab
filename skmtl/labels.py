"""Labels as targets: reading them, which task has which, and the accuracy of predictions."""

import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from skmtl import frames
from skmtl.base import read_targets
from skmtl.task_data import check_weights


def read_labels(y, estimator):
    """Labels, the mask of missing ones (None or NaN in a 2-d y), names of the columns."""
    if y is None:
        read_targets(y, estimator)
    names = frames.column_names(y)
    y = np.asarray(y)
    missing = frames.is_missing(y)
    if y.ndim != 2 or (y.shape[1] == 1 and names is None):
        y = column_or_1d(y, warn=True)
        if y.dtype.kind == "f":
            assert_all_finite(y, input_name="y", estimator_name=type(estimator).__name__)
        if missing.any():
            raise ValueError(f"y holds no label in row {np.argmax(missing)}: drop the row.")
        check_classification_targets(y)
        return y, np.zeros(len(y), dtype=bool), None
    observed = frames.tighten(y[~missing])
    if y.dtype.kind == "O" and observed.dtype.kind in "biuf":
        y = np.zeros(y.shape, dtype=observed.dtype)
        y[~missing] = observed
    check_classification_targets(y[~missing])
    return y, missing, None if names is None else np.asarray(names)


def labels_of_tasks(data, n_classes):
    """Mask (n_tasks, n_classes) of the labels in rows that count, of a TaskData of codes."""
    own = np.zeros((data.n_tasks, n_classes), dtype=bool)
    if data.shared_rows:
        weights = data.weights if data.weights.ndim == 2 else data.weights[:, None]
        rows, tasks = np.nonzero(np.broadcast_to(weights > 0, data.y.shape))
        own[tasks, data.y[rows, tasks].astype(int)] = True
    else:
        rows = np.flatnonzero(data.weights > 0)
        own[data.codes[rows], data.y[rows].astype(int)] = True
    return own


def mean_accuracy(y, predicted, sample_weight, estimator):
    """Accuracy over all rows, or for 2-d predictions its mean over tasks by observed labels."""
    if predicted.ndim == 1:
        return float(accuracy_score(np.ravel(y), predicted, sample_weight=sample_weight))
    y, missing, _ = read_labels(y, estimator)
    weights = check_weights(sample_weight, y.shape, True)
    weights = (weights if weights.ndim == 2 else weights[:, None]) * ~missing
    right = np.zeros(y.shape, dtype=bool)
    right[~missing] = y[~missing] == predicted[~missing]
    hits = (weights * right).sum(axis=0)
    seen = weights.sum(axis=0) > 0
    if not seen.any():
        raise ValueError("accuracy needs an observed label with a positive weight of some task.")
    return float(np.mean(hits[seen] / weights.sum(axis=0)[seen]))
