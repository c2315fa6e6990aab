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
    SharingClassifier,
    SharingRegressor,
)
from skmtl.datasets import make_multitask_classification, make_multitask_regression
from skmtl.inspection import (
    LearningCurveDisplay,
    SharingDisplay,
    compare_strategies,
    negative_transfer_report,
    task_affinity,
    task_learning_curve,
)
from skmtl.linear_model import (
    HierarchicalLogistic,
    HierarchicalRidge,
    MeanRegularizedRidge,
    MeanRegularizedRidgeCV,
    MultiTaskElasticNet,
    MultiTaskElasticNetCV,
    MultiTaskLasso,
    MultiTaskLassoCV,
    MultiTaskLogisticRegression,
    MultiTaskLogisticRegressionCV,
    MultiTaskRegressor,
    MultiTaskRidge,
    MultiTaskRidgeCV,
    multitask_elastic_net_path,
    multitask_lasso_path,
    multitask_logistic_path,
    multitask_ridge_path,
)
from skmtl.metrics import (
    average_scores,
    make_task_scorer,
    pooled_explained_variance,
    task_scores,
)
from skmtl.model_selection import LeaveOneTaskOut, TaskKFold, task_train_test_split
from skmtl.preprocessing import TaskScaler, keep_tasks
from skmtl.tasks import split_tasks, stack_tasks

__all__ = [
    "HierarchicalLogistic",
    "HierarchicalRidge",
    "LearningCurveDisplay",
    "LeaveOneTaskOut",
    "MeanRegularizedRidge",
    "MeanRegularizedRidgeCV",
    "MultiTaskElasticNet",
    "MultiTaskElasticNetCV",
    "MultiTaskLasso",
    "MultiTaskLassoCV",
    "MultiTaskLogisticRegression",
    "MultiTaskLogisticRegressionCV",
    "MultiTaskRegressor",
    "MultiTaskRidge",
    "MultiTaskRidgeCV",
    "PerTaskClassifier",
    "PerTaskRegressor",
    "PooledClassifier",
    "PooledRegressor",
    "SharingClassifier",
    "SharingDisplay",
    "SharingRegressor",
    "TaskKFold",
    "TaskScaler",
    "__version__",
    "average_scores",
    "compare_strategies",
    "keep_tasks",
    "make_multitask_classification",
    "make_multitask_regression",
    "make_task_scorer",
    "multitask_elastic_net_path",
    "multitask_lasso_path",
    "multitask_logistic_path",
    "multitask_ridge_path",
    "negative_transfer_report",
    "pooled_explained_variance",
    "split_tasks",
    "stack_tasks",
    "task_affinity",
    "task_learning_curve",
    "task_scores",
    "task_train_test_split",
]
