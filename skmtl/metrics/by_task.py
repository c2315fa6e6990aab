"""Scores of every task, and their averages."""

import warnings

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils import check_consistent_length

from skmtl import frames
from skmtl.metrics.named import METRICS, mean
from skmtl.task_data import check_weights
from skmtl.tasks import check_task_ids, encode, group_rows

AVERAGES = ("macro", "weighted", "worst")


def task_scores(y_true, y_pred, tasks=None, *, metrics=None, sample_weight=None, as_frame=False):
    """Scores of every task, as a table.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_tasks)
        With a 2-d y every column is a task. NaN (or None) is "not observed" and left out.
    y_pred : array-like of the shape of `y_true`
        Predictions; for a 1-d y also an array of shape (n_samples, n_classes), for callables.
    tasks : array-like of shape (n_samples,), optional
        Task of every row of a 1-d y; without it there is one task, 0.
    metrics : str, callable, list of these, or dict of name to these, optional
        Names: "r2", "explained_variance", "rmse", "mse", "mae", "accuracy",
        "balanced_accuracy". Callables: ``metric(y_true, y_pred)``, with ``sample_weight=`` if
        there is one. By default "accuracy" and "balanced_accuracy" for labels: strings,
        booleans, or at most two different integers; for other numbers "r2", "rmse" and "mae".
        More integers may be counts, so name the metrics if they are classes.
    sample_weight : array-like of shape (n_samples,) or the shape of `y_true`, optional
    as_frame : bool, default=False
        Return a `pandas.DataFrame`.

    Returns
    -------
    dict of str to ndarray, or DataFrame
        Columns "task" (sorted; columns of a 2-d y in their order), "n_samples" (observed rows)
        and one per metric. A score that is not defined is NaN: R2 of one row or of a constant
        target, and whatever scikit-learn calls undefined (`UndefinedMetricWarning`).

    Examples
    --------
    >>> from skmtl.metrics import task_scores
    >>> task_scores([1.0, 3.0, 5.0], [1.0, 2.0, 5.0], ["b", "b", "a"], metrics=["r2", "mae"])
    {'task': array(['a', 'b'], dtype='<U1'), 'n_samples': array([1, 2]),
     'r2': array([nan, 0.5]), 'mae': array([0. , 0.5])}
    """
    labels, groups = split_by_task(y_true, y_pred, tasks, sample_weight)
    default = ("accuracy", "balanced_accuracy") if _are_labels(groups) else ("r2", "rmse", "mae")
    table = {"task": labels, "n_samples": np.array([len(group[0]) for group in groups])}
    for name, metric in name_metrics(default if metrics is None else metrics).items():
        table[name] = np.array([score_task(metric, *group) for group in groups], dtype=float)
    if not as_frame:
        return table
    import pandas

    return pandas.DataFrame(table)


def _are_labels(groups):
    """Whether targets and predictions are labels: strings, booleans, or two integers."""
    values = [values for group in groups for values in group[:2] if values.size]
    kinds = {part.dtype.kind for part in values}
    if not values or "f" in kinds:
        return False
    return not kinds <= {"i", "u"} or len(np.unique(np.concatenate(values, axis=None))) <= 2


def average_scores(scores, sizes=None, *, average="macro", greater_is_better=True):
    """One number from the scores of the tasks; NaN (not defined) is left out.

    Parameters
    ----------
    scores : array-like of shape (n_tasks,)
    sizes : array-like of shape (n_tasks,), optional
        Rows (or total weights) of the tasks; needed for "weighted".
    average : {"macro", "weighted", "worst"}, default="macro"
        Every task counts the same, every row does, or the worst task alone counts.
    greater_is_better : bool, default=True
        What "worst" means.

    Returns
    -------
    float
        NaN if no score is defined.

    Examples
    --------
    >>> from skmtl.metrics import average_scores
    >>> average_scores([0.5, float("nan"), 0.9], [10, 1, 30], average="weighted")
    0.8
    """
    check_average(average)
    if average == "weighted" and sizes is None:
        raise ValueError("average='weighted' needs the sizes of the tasks: pass sizes=.")
    scores = np.asarray(scores, dtype=float)
    if sizes is not None and np.shape(sizes) != scores.shape:
        raise ValueError(
            f"sizes has shape {np.shape(sizes)}, but scores has {scores.shape}: give one size per "
            "task."
        )
    defined = ~np.isnan(scores)
    kept = scores[defined]
    if average == "worst" and len(kept):
        return float(kept.min() if greater_is_better else kept.max())
    weights = np.asarray(sizes)[defined] if average == "weighted" else np.ones(len(kept))
    return mean(kept, weights)


def check_average(average):
    """Raise unless average is the name of one."""
    if average not in AVERAGES:
        raise ValueError(f"average={average!r} is not one of {', '.join(AVERAGES)}.")


def name_metrics(metrics):
    """Dict of column name to metric, a known name or a callable."""
    if isinstance(metrics, str) or callable(metrics):
        metrics = [metrics]
    if not isinstance(metrics, dict):
        metrics = {name_of(metric): metric for metric in metrics}
    for metric in metrics.values():
        if not callable(metric) and metric not in METRICS:
            raise ValueError(
                f"{metric!r} is no metric: use a callable(y_true, y_pred) or one of "
                f"{', '.join(METRICS)}."
            )
    return metrics


def name_of(metric):
    """Name of a metric, for a column or a message."""
    if not callable(metric):
        return metric
    function = getattr(metric, "func", metric)  # of a functools.partial
    return getattr(function, "__name__", type(function).__name__)


def split_by_task(y_true, y_pred, tasks, sample_weight):
    """Labels, and for every task its observed targets, predictions and weights (or None)."""
    names = frames.column_names(y_true)
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    check_consistent_length(y_true, y_pred, tasks)
    if y_true.ndim == 2 and (tasks is not None or y_true.shape[1] == 1):
        if y_true.shape[1] > 1:
            raise ValueError(
                f"y has {y_true.shape[1]} columns, each of which is a task, but task ids were "
                "given too: give a 1-d y with ids, or a 2-d y without."
            )
        y_true = y_true.ravel()
    weights = None
    if sample_weight is not None:
        weights = check_weights(sample_weight, y_true.shape, y_true.ndim == 2)
    if y_true.ndim == 2:
        if y_pred.shape != y_true.shape:
            raise ValueError(f"y_true has shape {y_true.shape}, but y_pred has {y_pred.shape}.")
        labels = np.arange(y_true.shape[1]) if names is None else np.asarray(names)
        columns = range(len(labels))
        parts = [(y_true[:, j], y_pred[:, j], _column(weights, j)) for j in columns]
    else:
        y_pred = y_pred.ravel() if y_pred.shape == (len(y_true), 1) else y_pred
        ids = np.zeros(len(y_true), dtype=int) if tasks is None else check_task_ids(tasks)
        labels, codes = encode(ids)
        rows = group_rows(codes, len(labels))
        parts = [(y_true[r], y_pred[r], None if weights is None else weights[r]) for r in rows]
    return labels, [_observed(label, *part) for label, part in zip(labels, parts, strict=True)]


def _column(weights, j):
    return weights if weights is None or weights.ndim == 1 else weights[:, j]


def _observed(label, y_true, y_pred, weights):
    # Looked for before any conversion, which would turn a missing label into the label "nan".
    seen = ~frames.is_missing(y_true)
    weights = None if weights is None else weights[seen]
    return _finite("y_true", label, y_true[seen]), _finite("y_pred", label, y_pred[seen]), weights


def _finite(name, label, values):
    """Values in a dtype of their own; a missing or an infinite one is an error."""
    wrong = frames.is_missing(values)
    if not wrong.any():
        values = frames.tighten(values)
        wrong = np.isinf(values) if values.dtype.kind == "f" else wrong
    if wrong.any():
        value = values[wrong][0]
        raise ValueError(f"{name} of task {label.item()!r} holds {value}: no score is defined.")
    return values


def score_task(metric, y_true, y_pred, weights, **kwargs):
    """Score of one task; NaN where it is not defined."""
    if not len(y_true):
        return np.nan
    if isinstance(metric, str):
        if y_pred.shape != y_true.shape:
            raise ValueError(
                f"{metric!r} needs one prediction per target, but they have the shapes "
                f"{y_pred.shape} and {y_true.shape}."
            )
        return METRICS[metric][0](
            y_true, y_pred, np.ones(len(y_true)) if weights is None else weights
        )
    if weights is not None:
        kwargs = {**kwargs, "sample_weight": weights}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UndefinedMetricWarning)
        try:
            return metric(y_true, y_pred, **kwargs)
        except UndefinedMetricWarning:
            return np.nan
