"""skmtl: many related prediction problems, in scikit-learn style.

Tells whether sharing between the problems helps, and gives estimators that share the right
amount.
"""

from skmtl._version import __version__
from skmtl.compose import (
    PerTaskClassifier,
    PerTaskRegressor,
    PooledClassifier,
    PooledRegressor,
)
from skmtl.datasets import make_multitask_classification, make_multitask_regression
from skmtl.linear_model import (
    MeanRegularizedRidge,
    MeanRegularizedRidgeCV,
    MultiTaskElasticNet,
    MultiTaskLasso,
    MultiTaskRegressor,
    MultiTaskRidge,
    MultiTaskRidgeCV,
)
from skmtl.tasks import split_tasks, stack_tasks

__all__ = [
    "MeanRegularizedRidge",
    "MeanRegularizedRidgeCV",
    "MultiTaskElasticNet",
    "MultiTaskLasso",
    "MultiTaskRegressor",
    "MultiTaskRidge",
    "MultiTaskRidgeCV",
    "PerTaskClassifier",
    "PerTaskRegressor",
    "PooledClassifier",
    "PooledRegressor",
    "__version__",
    "make_multitask_classification",
    "make_multitask_regression",
    "split_tasks",
    "stack_tasks",
]
