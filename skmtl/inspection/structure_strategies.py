"""Strategies of structured models that are no penalty, or have estimators of their own."""

import numpy as np

from skmtl.feature_learning import (
    ELLAClassifier,
    ELLARegressor,
    ReducedRankRidgeCV,
    TaskDictionary,
)
from skmtl.inspection.penalty_strategies import LOW_RANK, RELATED, SPARSE, penalty_strategies
from skmtl.inspection.strategy import Strategy, inner_folds, tuned
from skmtl.linear_model import ARMULCV, CalibratedMultiTaskLasso, GraphRidgeCV

# Of a dictionary: the best penalty of the codes goes with the number of rows.
CODES = {"n_components": [2, 5], "alpha_sparse": [0.003, 0.03, 0.3]}


def reduced_rank(setup):
    return ReducedRankRidgeCV(cv=inner_folds(setup), task_column=setup.task_column)


def task_dictionary(setup):
    model = TaskDictionary(common=True, n_init=2, task_column=setup.task_column)
    return tuned(setup, model, CODES)


def lifelong(setup):
    kind = ELLARegressor if setup.task_type == "regression" else ELLAClassifier
    return tuned(setup, kind(task_column=setup.task_column), CODES)


def calibrated_lasso(setup):
    # Its alpha does not depend on the noise: one grid is for all targets.
    model = CalibratedMultiTaskLasso(task_column=setup.task_column, tol=1e-4)
    return tuned(setup, model, {"alpha": np.logspace(-2, 0.5, 8)})


def graph_ridge(setup):
    return GraphRidgeCV("complete", cv=inner_folds(setup), task_column=setup.task_column)


def armul(setup):
    # A little ridge: without one the centre is least squares, which few rows do not bear.
    return ARMULCV(ridge=1.0, cv=inner_folds(setup), task_column=setup.task_column)


def structure_strategies(task_type):
    """Penalties, dictionaries, low ranks, and relations between tasks."""
    ella = Strategy(
        "ella", "a dictionary learned task by task", lifelong, default=False, family=LOW_RANK
    )
    if task_type == "classification":
        return [*penalty_strategies(task_type), ella]
    own = [
        (SPARSE, "calibrated-lasso", "shared features, whatever a task's noise", calibrated_lasso),
        (LOW_RANK, "reduced-rank", "ridge whose slopes have a low rank", reduced_rank),
        (LOW_RANK, "task-dictionary", "few models, mixed by every task (GO-MTL)", task_dictionary),
        (RELATED, "graph-ridge", "every task tied to every other, by squares", graph_ridge),
        (
            RELATED,
            "armul",
            "a common model, which far tasks leave at a bounded price",
            armul,
        ),
    ]
    return [
        *penalty_strategies(task_type),
        ella,
        *(
            Strategy(name, about, make, default=False, family=family)
            for family, name, about, make in own
        ),
    ]
