"""The metrics a comparison can be made by."""

from dataclasses import dataclass

import numpy as np

from skmtl.cli.errors import unknown_name


def log_loss(y_true, probabilities):
    """Mean of -log of the probability of the true class (codes of classes and columns agree)."""
    chosen = probabilities[np.arange(len(y_true)), y_true]
    return float(-np.log(np.clip(chosen, np.finfo(float).eps, 1.0)).mean())


@dataclass(frozen=True)
class Metric:
    """A name, how `task_scores` computes it, and what an improvement is.

    Losses are compared in relation to the loss of the reference, scores by their difference.
    """

    name: str
    task_type: str
    compute: object
    is_loss: bool = False
    needs_probabilities: bool = False
    unit: str = ""  # of a difference between scores
    scale: float = 1.0  # factor that gives this unit


def _metrics():
    for name in ("rmse", "mae", "mse"):
        yield Metric(name, "regression", name, is_loss=True)
    for name in ("r2", "explained_variance"):
        yield Metric(name, "regression", name)
    for name in ("accuracy", "balanced_accuracy"):
        yield Metric(name, "classification", name, unit=" points", scale=100.0)
    yield Metric("log_loss", "classification", log_loss, is_loss=True, needs_probabilities=True)


CLI_METRICS = {metric.name: metric for metric in _metrics()}
DEFAULT = {"regression": "rmse", "classification": "accuracy"}


def find_metric(name, task_type):
    """The metric of a name (None: the default one), which must fit the task type."""
    fitting = [metric.name for metric in CLI_METRICS.values() if metric.task_type == task_type]
    name = DEFAULT[task_type] if name is None else name
    if name not in fitting:
        raise unknown_name(f"{task_type} metric", name, fitting)
    return CLI_METRICS[name]
