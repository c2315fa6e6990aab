"""The registry of strategies: ways of sharing, or not, between tasks.

A strategy is one entry: a name, a description, and a function from a `Setup` to an unfitted
estimator. It gets standardised features (with task codes in column ``setup.task_column``,
unless that is None) and, for regression, a standardised target.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import GridSearchCV

from skmtl.cli.errors import UsageError, unknown_name
from skmtl.cli.metrics import log_loss
from skmtl.compose import (
    PerTaskClassifier,
    PerTaskRegressor,
    PooledClassifier,
    PooledRegressor,
)
from skmtl.linear_model import (
    MeanRegularizedRidgeCV,
    MultiTaskLassoCV,
    MultiTaskLogisticRegressionCV,
    MultiTaskRidgeCV,
)
from skmtl.model_selection import TaskKFold

BASELINE = "per-task"


@dataclass(frozen=True)
class Setup:
    """What a strategy may depend on."""

    task_type: str
    task_column: int | None
    n_tasks: int
    seed: int


@dataclass(frozen=True)
class Strategy:
    """An entry of the registry.

    ``shares`` says whether tasks learn from each other: the best strategy that does not share
    is what the others are compared with. ``default`` strategies run if none are named.
    """

    name: str
    about: str
    make: Callable[[Setup], object]
    shares: bool = True
    default: bool = True


def inner_folds(setup):
    """Three folds within the training rows, with every task in each."""
    return TaskKFold(
        3,
        task_column=setup.task_column,
        shuffle=True,
        stratify=setup.task_type == "classification",
        random_state=setup.seed,
    )


def tuned(setup, estimator, grid):
    """Grid search in the inner folds, by R2 or by log-loss."""
    scoring = negative_log_loss if setup.task_type == "classification" else None
    folds = inner_folds(setup)
    return GridSearchCV(estimator, grid, cv=folds, scoring=scoring, error_score="raise")


def negative_log_loss(estimator, X, y):
    """Scorer that does not mind if a class is missing from the rows it learned from."""
    probabilities = estimator.predict_proba(X)
    classes = estimator.classes_
    columns = np.searchsorted(classes, y).clip(max=len(classes) - 1)
    known = classes[columns] == y
    # An extra column of zeros: the probability of a class that was not seen.
    table = np.hstack([probabilities, np.zeros((len(y), 1))])
    return -log_loss(np.where(known, columns, len(classes)), table)


def lasso(setup):
    return MultiTaskLassoCV(alphas=50, cv=inner_folds(setup), task_column=setup.task_column)


def sparse_logistic(setup):
    return MultiTaskLogisticRegressionCV(
        alphas=20, cv=inner_folds(setup), tol=1e-3, task_column=setup.task_column
    )


def pooled_ridge(setup, **options):
    ridge = RidgeCV(alphas=np.logspace(-2, 6, 17))
    return PooledRegressor(ridge, task_column=setup.task_column, **options)


def logistic(setup, wrapper, **options):
    # One C for all tasks: most tasks are too small to choose one of their own.
    model = wrapper(LogisticRegression(max_iter=1000), task_column=setup.task_column, **options)
    return tuned(setup, model, {"estimator__C": np.logspace(-3, 2, 6)})


def forest(setup, wrapper, **options):
    kinds = {"regression": RandomForestRegressor, "classification": RandomForestClassifier}
    trees = kinds[setup.task_type](n_estimators=100, min_samples_leaf=3, random_state=setup.seed)
    return wrapper(trees, task_column=setup.task_column, **options)


REGISTRY = {
    "regression": [
        Strategy(
            BASELINE,
            "ridge for every task, penalties by leave-one-out",
            lambda setup: MultiTaskRidgeCV(task_column=setup.task_column),
            shares=False,
        ),
        Strategy("pooled", "one ridge model for all tasks", pooled_ridge),
        Strategy(
            "pooled-intercepts",
            "one ridge model with an intercept per task",
            lambda setup: pooled_ridge(setup, task_intercepts=True),
        ),
        Strategy(
            "mean-regularized",
            "ridge towards a mean model, penalties by leave-one-out",
            lambda setup: MeanRegularizedRidgeCV(task_column=setup.task_column),
        ),
        Strategy("multitask-lasso", "features selected for all tasks together", lasso),
        Strategy(
            "forest-per-task",
            "a random forest for every task",
            lambda setup: forest(setup, PerTaskRegressor),
            shares=False,
            default=False,
        ),
        Strategy(
            "forest-pooled",
            "one random forest that knows the task",
            lambda setup: forest(setup, PooledRegressor, task_intercepts=True),
            default=False,
        ),
    ],
    "classification": [
        Strategy(
            BASELINE,
            "logistic regression for every task, one C",
            lambda setup: logistic(setup, PerTaskClassifier),
            shares=False,
        ),
        Strategy(
            "pooled",
            "one logistic regression for all tasks",
            lambda setup: logistic(setup, PooledClassifier),
        ),
        Strategy(
            "pooled-intercepts",
            "one logistic regression with an intercept per task",
            lambda setup: logistic(setup, PooledClassifier, task_intercepts=True),
        ),
        Strategy("multitask-logistic", "features selected for all tasks together", sparse_logistic),
        Strategy(
            "forest-per-task",
            "a random forest for every task",
            lambda setup: forest(setup, PerTaskClassifier),
            shares=False,
            default=False,
        ),
        Strategy(
            "forest-pooled",
            "one random forest that knows the task",
            lambda setup: forest(setup, PooledClassifier, task_intercepts=True),
            default=False,
        ),
    ],
}


def find_strategies(names, task_type):
    """Strategies by a comma-separated text (None: the default ones), the baseline first."""
    registry = {strategy.name: strategy for strategy in REGISTRY[task_type]}
    if names is None:
        return [strategy for strategy in registry.values() if strategy.default]
    wanted = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    if not wanted:
        raise UsageError("--strategies names none")
    for name in wanted:
        if name not in registry:
            raise unknown_name(f"{task_type} strategy", name, registry)
    if all(registry[name].shares for name in wanted):
        wanted.insert(0, BASELINE)  # everything is compared with one model per task
    return [registry[name] for name in wanted]
