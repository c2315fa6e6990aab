"""Linear multi-task models."""

from skmtl.linear_model.armul import ARMUL
from skmtl.linear_model.armul_cv import ARMULCV
from skmtl.linear_model.calibrated import CalibratedMultiTaskLasso
from skmtl.linear_model.graph_ridge import GraphRidge, GraphRidgeCV
from skmtl.linear_model.hierarchical import HierarchicalRidge
from skmtl.linear_model.hierarchical_logistic import HierarchicalLogistic
from skmtl.linear_model.logistic import MultiTaskLogisticRegression
from skmtl.linear_model.logistic_cv import (
    MultiTaskLogisticRegressionCV,
    multitask_logistic_path,
)
from skmtl.linear_model.mean_regularized import MeanRegularizedRidge, MeanRegularizedRidgeCV
from skmtl.linear_model.mixed import MultiTaskMixed
from skmtl.linear_model.penalized import MultiTaskRegressor
from skmtl.linear_model.penalized_classifier import MultiTaskClassifier
from skmtl.linear_model.penalized_cv import MultiTaskClassifierCV, MultiTaskRegressorCV
from skmtl.linear_model.relations import ClusteredTasks, DataSharedLasso, TaskRelationships
from skmtl.linear_model.ridge import MultiTaskRidge, MultiTaskRidgeCV, multitask_ridge_path
from skmtl.linear_model.sparse import MultiTaskElasticNet, MultiTaskLasso
from skmtl.linear_model.sparse_cv import MultiTaskElasticNetCV, MultiTaskLassoCV
from skmtl.linear_model.sparse_path import multitask_elastic_net_path, multitask_lasso_path

__all__ = [
    "ARMUL",
    "ARMULCV",
    "CalibratedMultiTaskLasso",
    "ClusteredTasks",
    "DataSharedLasso",
    "GraphRidge",
    "GraphRidgeCV",
    "HierarchicalLogistic",
    "HierarchicalRidge",
    "MeanRegularizedRidge",
    "MeanRegularizedRidgeCV",
    "MultiTaskClassifier",
    "MultiTaskClassifierCV",
    "MultiTaskElasticNet",
    "MultiTaskElasticNetCV",
    "MultiTaskLasso",
    "MultiTaskLassoCV",
    "MultiTaskLogisticRegression",
    "MultiTaskLogisticRegressionCV",
    "MultiTaskMixed",
    "MultiTaskRegressor",
    "MultiTaskRegressorCV",
    "MultiTaskRidge",
    "MultiTaskRidgeCV",
    "TaskRelationships",
    "multitask_elastic_net_path",
    "multitask_lasso_path",
    "multitask_logistic_path",
    "multitask_ridge_path",
]
