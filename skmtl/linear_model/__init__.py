"""Linear multi-task models."""

from skmtl.linear_model.hierarchical import HierarchicalRidge
from skmtl.linear_model.hierarchical_logistic import HierarchicalLogistic
from skmtl.linear_model.logistic import MultiTaskLogisticRegression
from skmtl.linear_model.logistic_cv import (
    MultiTaskLogisticRegressionCV,
    multitask_logistic_path,
)
from skmtl.linear_model.mean_regularized import MeanRegularizedRidge, MeanRegularizedRidgeCV
from skmtl.linear_model.ridge import MultiTaskRidge, MultiTaskRidgeCV, multitask_ridge_path
from skmtl.linear_model.sparse import MultiTaskElasticNet, MultiTaskLasso, MultiTaskRegressor
from skmtl.linear_model.sparse_cv import MultiTaskElasticNetCV, MultiTaskLassoCV
from skmtl.linear_model.sparse_path import multitask_elastic_net_path, multitask_lasso_path

__all__ = [
    "HierarchicalLogistic",
    "HierarchicalRidge",
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
    "multitask_elastic_net_path",
    "multitask_lasso_path",
    "multitask_logistic_path",
    "multitask_ridge_path",
]
