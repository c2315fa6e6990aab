"""From sources to a target: transfer of fitted models and of rows, linear and of trees."""

from skmtl.transfer.alignment import CORAL, SubspaceAlignment, TransferComponentAnalysis
from skmtl.transfer.boosting import TransferBoostingClassifier, TransferBoostingRegressor
from skmtl.transfer.cross_validated import TransferClassifierCV, TransferRegressorCV
from skmtl.transfer.importance import (
    KLIEP,
    ULSIF,
    KernelMeanMatching,
    ShiftWeightedClassifier,
    ShiftWeightedRegressor,
)
from skmtl.transfer.lasso import TransferLasso, transfer_lasso_path
from skmtl.transfer.lasso_cv import TransferLassoCV
from skmtl.transfer.logistic import TransferLogisticRegression
from skmtl.transfer.logistic_cv import TransferLogisticRegressionCV
from skmtl.transfer.pretrained import PretrainedLasso, PretrainedLogisticRegression
from skmtl.transfer.pretrained_cv import PretrainedLassoCV, PretrainedLogisticRegressionCV
from skmtl.transfer.reweighting import TrAdaBoostClassifier, TrAdaBoostRegressor
from skmtl.transfer.ridge import TransferRidge
from skmtl.transfer.ridge_cv import TransferRidgeCV
from skmtl.transfer.source_weighted import SourceWeightedClassifier, SourceWeightedRegressor
from skmtl.transfer.source_weighted_cv import SourceWeightedClassifierCV, SourceWeightedRegressorCV
from skmtl.transfer.trans_glm import TransGLMClassifier, TransGLMRegressor
from skmtl.transfer.trans_lasso import TransLasso
from skmtl.transfer.trees import (
    TransferForestClassifier,
    TransferForestRegressor,
    TransferTreeClassifier,
    TransferTreeRegressor,
)

__all__ = [
    "CORAL",
    "KLIEP",
    "ULSIF",
    "KernelMeanMatching",
    "PretrainedLasso",
    "PretrainedLassoCV",
    "PretrainedLogisticRegression",
    "PretrainedLogisticRegressionCV",
    "ShiftWeightedClassifier",
    "ShiftWeightedRegressor",
    "SourceWeightedClassifier",
    "SourceWeightedClassifierCV",
    "SourceWeightedRegressor",
    "SourceWeightedRegressorCV",
    "SubspaceAlignment",
    "TrAdaBoostClassifier",
    "TrAdaBoostRegressor",
    "TransGLMClassifier",
    "TransGLMRegressor",
    "TransLasso",
    "TransferBoostingClassifier",
    "TransferBoostingRegressor",
    "TransferClassifierCV",
    "TransferComponentAnalysis",
    "TransferForestClassifier",
    "TransferForestRegressor",
    "TransferLasso",
    "TransferLassoCV",
    "TransferLogisticRegression",
    "TransferLogisticRegressionCV",
    "TransferRegressorCV",
    "TransferRidge",
    "TransferRidgeCV",
    "TransferTreeClassifier",
    "TransferTreeRegressor",
    "transfer_lasso_path",
]
