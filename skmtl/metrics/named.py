"""The named metrics of one task: functions of targets, predictions and weights."""

import numpy as np

from skmtl.tasks import encode


def mean(values, weights):
    """Weighted mean; NaN where the weights are all zero or there is nothing."""
    return float(np.average(values, weights=weights)) if np.sum(weights) > 0 else np.nan


def _residual(y_true, y_pred):
    return np.subtract(y_true, y_pred, dtype=np.float64)


def _explained(y_true, residual, weights):
    kept = y_true[weights > 0]
    # Not `variance == 0`: rounding leaves a constant target some variance.
    if not len(kept) or kept.min() == kept.max():
        return np.nan
    return 1.0 - mean(residual**2, weights) / mean((y_true - mean(y_true, weights)) ** 2, weights)


def r2(y_true, y_pred, weights):
    """1 - SSE / SST; NaN for a constant target."""
    return _explained(y_true, _residual(y_true, y_pred), weights)


def explained_variance(y_true, y_pred, weights):
    """1 - Var(error) / Var(target); NaN for a constant target."""
    residual = _residual(y_true, y_pred)
    return _explained(y_true, residual - mean(residual, weights), weights)


def mse(y_true, y_pred, weights):
    """Mean squared error."""
    return mean(_residual(y_true, y_pred) ** 2, weights)


def rmse(y_true, y_pred, weights):
    """Root of the mean squared error."""
    return np.sqrt(mse(y_true, y_pred, weights))


def mae(y_true, y_pred, weights):
    """Mean absolute error."""
    return mean(np.abs(_residual(y_true, y_pred)), weights)


def accuracy(y_true, y_pred, weights):
    """Share of right labels."""
    return mean(y_true == y_pred, weights)


def balanced_accuracy(y_true, y_pred, weights):
    """Mean over the classes of the targets of the share of right labels."""
    classes, codes = encode(y_true)
    size = np.bincount(codes, weights, minlength=len(classes))
    right = np.bincount(codes, weights * (y_true == y_pred), minlength=len(classes))
    present = size > 0
    return mean(right[present] / size[present], np.ones(present.sum()))


# Name of a metric: its function, and whether greater is better.
METRICS = {
    "r2": (r2, True),
    "explained_variance": (explained_variance, True),
    "rmse": (rmse, False),
    "mse": (mse, False),
    "mae": (mae, False),
    "accuracy": (accuracy, True),
    "balanced_accuracy": (balanced_accuracy, True),
}


def pooled_explained_variance(y_true, y_pred):
    """1 - SSE / SST over all rows of all tasks, SST around the mean of all targets.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,) or (n_samples, n_tasks)
        NaN in `y_true` is "not observed".

    Returns
    -------
    float
        NaN if the targets are constant.

    Examples
    --------
    >>> from skmtl.metrics import pooled_explained_variance
    >>> pooled_explained_variance([[1.0, 2.0], [3.0, float("nan")]], [[1, 2], [2, 5]])
    0.5
    """
    y_true, y_pred = np.asarray(y_true, dtype=float), np.asarray(y_pred, dtype=float)
    if y_true.shape != y_pred.shape:
        raise ValueError(f"y_true has shape {y_true.shape}, but y_pred has {y_pred.shape}.")
    seen = ~np.isnan(y_true)
    return r2(y_true[seen], y_pred[seen], np.ones(seen.sum()))
