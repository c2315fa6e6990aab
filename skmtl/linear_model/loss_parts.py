"""The losses of tasks by their names, as parts of a LossProblem."""

import numpy as np

from skmtl.loss_layout import Part
from skmtl.losses import HuberLoss, LogisticLoss, MultinomialLoss, PoissonLoss, SquaredLoss
from skmtl.tasks import describe_ids

REGRESSION_LOSSES = ("squared", "huber", "poisson")


def check_loss(loss, allowed=REGRESSION_LOSSES):
    """Raise ValueError unless loss is one of the allowed names."""
    if not isinstance(loss, str) or loss not in allowed:
        raise ValueError(f"loss={loss!r} is unknown: use one of {', '.join(allowed)}.")


def make_loss(loss, epsilon=1.35):
    """A regression loss by its name; epsilon is that of "huber", in units of the targets."""
    check_loss(loss)
    if loss == "huber":
        return HuberLoss(epsilon)
    return PoissonLoss() if loss == "poisson" else SquaredLoss()


def regression_parts(loss, data, epsilon=1.35):
    """One part of all tasks with rows that count, under one regression loss.

    Parameters
    ----------
    loss : {"squared", "huber", "poisson"}
    data : TaskData
    epsilon : float, default=1.35
        Where the Huber loss becomes linear, in units of y.

    Returns
    -------
    list of Part

    Raises
    ------
    ValueError
        For another name, and for targets below 0 with "poisson".
    """
    tasks = np.flatnonzero(data.task_sizes() > 0)
    parts = [Part(make_loss(loss, epsilon), tasks)]
    if loss == "poisson":
        check_counts(data, tasks)
    return parts


def check_counts(data, tasks):
    """Raise ValueError for a target below 0 in one of the tasks, of rows that count."""
    wrong = data.y < 0
    wrong &= (data.weights if data.weights.ndim == data.y.ndim else data.weights[:, None]) > 0
    if not wrong.any():
        return
    found, chosen = np.argwhere(wrong), np.isin(np.arange(data.n_tasks), tasks)
    of = found[:, 1] if data.y.ndim == 2 else data.codes[found[:, 0]]
    for entry, task in zip(found, of, strict=True):
        if chosen[task]:
            raise ValueError(
                f"the loss 'poisson' is of counts, but task {describe_ids(data.labels[[task]])} "
                f"has the target {data.y[tuple(entry)]:.4g}: use 'squared' or 'huber' there."
            )


def label_parts(own):
    """Parts of tasks with as many labels, from the mask (n_tasks, n_classes) of their labels.

    Tasks with a single label have no coefficients and are in none.
    """
    parts = []
    n_labels = own.sum(axis=1)
    for count in np.unique(n_labels[n_labels > 1]):
        tasks = np.flatnonzero(n_labels == count)
        labels = np.nonzero(own[tasks])[1].reshape(len(tasks), count)
        parts.append(Part(LogisticLoss() if count == 2 else MultinomialLoss(), tasks, labels))
    return parts
