"""What a strategy is, and the inner folds in which it tunes what it has to tune."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import GridSearchCV

from skmtl import frames
from skmtl.inspection.measures import log_loss, true_probabilities
from skmtl.model_selection import TaskKFold


@dataclass(frozen=True)
class Setup:
    """What a strategy may depend on; without a task column the targets are the tasks."""

    task_type: str
    task_column: int | None
    seed: int | None = None
    target_task: object = None  # of a transfer: one of the ids


@dataclass(frozen=True)
class Strategy:
    """An entry of the registry.

    ``shares`` says whether tasks learn from each other. ``default`` strategies are run by the
    command line if none are named. ``family`` is a name for several strategies together.
    """

    name: str
    about: str
    make: Callable[[Setup], object]
    shares: bool = True
    default: bool = True
    family: str = ""


def inner_folds(setup, n_splits=3):
    """Folds within the training rows, with every task in each."""
    return TaskKFold(
        n_splits,
        task_column=setup.task_column,
        shuffle=True,
        stratify=setup.task_type == "classification" and setup.task_column is not None,
        random_state=setup.seed,
    )


def tuned(setup, estimator, grid):
    """Grid search in the inner folds, by the squared error or the log-loss."""
    scoring = negative_squared_error if setup.task_type == "regression" else negative_log_loss
    folds = inner_folds(setup)
    return GridSearchCV(estimator, grid, cv=folds, scoring=scoring, error_score="raise")


def negative_squared_error(estimator, X, y):
    """Scorer of the targets that are observed."""
    return -float(np.nanmean((np.asarray(y, dtype=float) - estimator.predict(X)) ** 2))


def negative_log_loss(estimator, X, y):
    """Scorer that does not mind if a class is missing from the rows it learned from."""
    y = np.asarray(y)
    seen = ~frames.is_missing(y)
    found = true_probabilities(y, estimator.predict_proba(X), estimator.classes_)
    return -log_loss(y[seen], found[seen])
