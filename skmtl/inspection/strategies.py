"""The registry of strategies: ways of sharing, or not, between tasks.

A strategy is one entry: a name, a description, and a function from a `Setup` to an unfitted
estimator. It gets standardised features (with the ids of the tasks in column
``setup.task_column``, unless that is None).
"""

import numpy as np
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl.compose import (
    PerTaskClassifier,
    PerTaskRegressor,
    PooledClassifier,
    PooledRegressor,
    SharingClassifier,
    SharingRegressor,
)
from skmtl.inspection.strategy import Setup, Strategy, inner_folds, tuned
from skmtl.inspection.structure_strategies import structure_strategies
from skmtl.linear_model import (
    HierarchicalLogistic,
    HierarchicalRidge,
    MeanRegularizedRidgeCV,
    MultiTaskLassoCV,
    MultiTaskLogisticRegressionCV,
    MultiTaskRidgeCV,
)
from skmtl.preprocessing import keep_tasks

BASELINE, POOLED, SHARING = "per-task", "pooled-intercepts", "sharing"


def sharing(setup):
    kind = SharingRegressor if setup.task_type == "regression" else SharingClassifier
    return kind(task_column=setup.task_column, random_state=setup.seed)


def hierarchical(setup):
    kind = HierarchicalRidge if setup.task_type == "regression" else HierarchicalLogistic
    return kind(task_column=setup.task_column)


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


def _everywhere(per_task, pooled):
    """The strategies that both task types have, around wrappers of their own."""
    return [
        Strategy(SHARING, "as much sharing as held-out rows say is good", sharing),
        Strategy("hierarchical", "tasks drawn from one population", hierarchical, default=False),
        Strategy(
            "forest-per-task",
            "a random forest for every task",
            lambda setup: forest(setup, per_task),
            shares=False,
            default=False,
        ),
        Strategy(
            "forest-pooled",
            "one random forest that knows the task",
            lambda setup: forest(setup, pooled, task_intercepts=True),
            default=False,
        ),
    ]


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
            POOLED,
            "one ridge model with an intercept per task",
            lambda setup: pooled_ridge(setup, task_intercepts=True),
        ),
        Strategy(
            "mean-regularized",
            "ridge towards a mean model, penalties by leave-one-out",
            lambda setup: MeanRegularizedRidgeCV(task_column=setup.task_column),
        ),
        Strategy("multitask-lasso", "features selected for all tasks together", lasso),
        *_everywhere(PerTaskRegressor, PooledRegressor),
        *structure_strategies("regression"),
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
            POOLED,
            "one logistic regression with an intercept per task",
            lambda setup: logistic(setup, PooledClassifier, task_intercepts=True),
        ),
        Strategy("multitask-logistic", "features selected for all tasks together", sparse_logistic),
        *_everywhere(PerTaskClassifier, PooledClassifier),
        *structure_strategies("classification"),
    ],
}


def default_strategies(task_type, X, task_column, seed=None):
    """One model per task, pooled with task intercepts, and what shares as much as is good.

    Parameters
    ----------
    task_type : {"regression", "classification"}
    X : frame, array or sparse matrix
    task_column : int, str or None
        None: the columns of y are the tasks.
    seed : int, optional

    Returns
    -------
    dict of str to Pipeline
        The features are standardised, over the rows of all tasks.
    """
    setup = Setup(task_type, None if task_column is None else 0, seed)
    scaler = StandardScaler(with_mean=not sparse.issparse(X))
    scaler = scaler if task_column is None else keep_tasks(scaler, task_column)
    entries = {entry.name: entry for entry in REGISTRY[task_type]}
    return {
        name: make_pipeline(scaler, entries[name].make(setup))
        for name in (BASELINE, POOLED, SHARING)
    }
