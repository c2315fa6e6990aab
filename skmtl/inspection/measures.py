"""The measures a comparison can be made by, and the scores of a fitted model by them."""

from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from skmtl import frames
from skmtl.metrics import task_scores

SMALLEST = np.finfo(float).eps  # a probability of 0 would make the log-loss infinite


@dataclass(frozen=True)
class Measure:
    """What a metric is called, and what an improvement by it is.

    Losses are compared in percent of the loss of the reference, scores by their difference.
    """

    name: str
    label: str
    task_type: str
    is_loss: bool = False
    unit: str = ""  # of a difference between scores
    scale: float = 1.0  # the factor that gives this unit

    @property
    def needs_probabilities(self):
        return self.name == "log_loss"

    @property
    def compute(self):
        """The metric as `task_scores` takes it."""
        return log_loss if self.needs_probabilities else self.name

    @property
    def sign(self):
        """1 where more is better, -1 where less is."""
        return -1.0 if self.is_loss else 1.0

    @property
    def gain_unit(self):
        """The unit of a gain: "%" for a loss."""
        return "%" if self.is_loss else self.unit

    @property
    def noticeable(self):
        """The gain (or loss) of one percent, or one percentage point."""
        return 1.0 if self.is_loss else 0.01 * self.scale


def log_loss(y_true, probability):
    """Mean of -log of the probability of the true label."""
    return float(-np.log(np.clip(probability, SMALLEST, 1.0)).mean())


MEASURES = {
    measure.name: measure
    for measure in (
        Measure("rmse", "RMSE", "regression", is_loss=True),
        Measure("mae", "MAE", "regression", is_loss=True),
        Measure("mse", "MSE", "regression", is_loss=True),
        Measure("r2", "R2", "regression"),
        Measure("explained_variance", "explained variance", "regression"),
        Measure("accuracy", "accuracy", "classification", unit="points", scale=100.0),
        Measure(
            "balanced_accuracy", "balanced accuracy", "classification", unit="points", scale=100.0
        ),
        Measure("log_loss", "log-loss", "classification", is_loss=True),
    )
}
DEFAULT = {"regression": "rmse", "classification": "accuracy"}


def find_measure(name, task_type):
    """The measure of a name (None: the default one), which must fit the task type.

    Raises
    ------
    ValueError
        If there is none of that name, or only for the other task type.
    """
    fitting = [measure.name for measure in MEASURES.values() if measure.task_type == task_type]
    name = DEFAULT[task_type] if name is None else name
    if name not in fitting:
        near = get_close_matches(str(name), fitting, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(fitting)}"
        raise ValueError(f"no {task_type} metric {name!r}: {remedy}")
    return MEASURES[name]


def score_tasks(measure, table, model, rows):
    """Score of every task on some rows (n_tasks,); NaN where it is not defined.

    Parameters
    ----------
    measure : Measure
    table : Table
    model : fitted estimator
    rows : ndarray of int
    """
    y = table.y[rows]
    method = "predict_proba" if measure.needs_probabilities else "predict"
    given = {} if table.vector is None else {"tasks": table.vector[rows]}
    answer = getattr(model, method)(frames.take_rows(table.X, rows), **given)
    if measure.needs_probabilities:
        answer = true_probabilities(y, answer, model.classes_)
    codes = None if table.shared_rows else table.codes[rows]
    found = task_scores(y, answer, codes, metrics={"score": measure.compute})
    scores = np.full(table.n_tasks, np.nan)
    # A fold may lack a task; its codes are positions. With a 2-d y all tasks are there.
    scores[found["task"].astype(int)] = found["score"]
    return scores


def true_probabilities(y, probabilities, classes):
    """Probability that a classifier gave to the label that is true, shaped as y.

    Parameters
    ----------
    y : ndarray of shape (n_rows,) or (n_rows, n_tasks)
    probabilities : ndarray of shape (n_rows, n_classes), or a list of n_tasks of them
    classes : ndarray of shape (n_classes,), or a list of n_tasks of them

    Returns
    -------
    ndarray
        0 for a label that the classifier does not know; so, too, where y is missing.
    """
    if np.ndim(y) == 2:
        each = classes if isinstance(classes, list) else [classes] * y.shape[1]
        columns = zip(y.T, probabilities, each, strict=True)
        return np.column_stack([true_probabilities(*column) for column in columns])
    seen = ~frames.is_missing(y)
    labels = frames.tighten(y[seen])
    positions = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
    found = np.zeros(len(y))
    chosen = np.asarray(probabilities)[np.flatnonzero(seen), positions]
    found[seen] = np.where(classes[positions] == labels, chosen, 0.0)
    return found
