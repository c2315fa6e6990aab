"""The measures a comparison can be made by, and the scores of a fitted model by them."""

from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from skmtl import frames
from skmtl.compose.stacking import probabilities_of_true
from skmtl.metrics import task_scores

# A probability of 0 would make the log-loss infinite. The floor is that of scikit-learn; those of
# estimators that weigh or tune by the log-loss are higher, since single labels must not decide.
SMALLEST = np.finfo(float).eps


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
    """Mean of -log of the probability of the true label, which counts as 2.2e-16 at least."""
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
    """As `probabilities_of_true`, also where each column of y has classes of its own (a list)."""
    if not isinstance(classes, list):
        return probabilities_of_true(probabilities, y, classes)
    columns = zip(probabilities, y.T, classes, strict=True)
    return np.column_stack([probabilities_of_true(*column) for column in columns])
