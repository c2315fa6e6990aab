"""Linear multi-task models."""

from skmtl.linear_model.mean_regularized import MeanRegularizedRidge, MeanRegularizedRidgeCV
from skmtl.linear_model.ridge import MultiTaskRidge, MultiTaskRidgeCV
from skmtl.linear_model.sparse import MultiTaskElasticNet, MultiTaskLasso, MultiTaskRegressor

__all__ = [
    "MeanRegularizedRidge",
    "MeanRegularizedRidgeCV",
    "MultiTaskElasticNet",
    "MultiTaskLasso",
    "MultiTaskRegressor",
    "MultiTaskRidge",
    "MultiTaskRidgeCV",
]
