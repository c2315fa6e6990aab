"""Boosting over the rows of sources and target, in which source rows lose weight."""

from skmtl.transfer.reweighting.classifier import TrAdaBoostClassifier
from skmtl.transfer.reweighting.regressor import TrAdaBoostRegressor

__all__ = ["TrAdaBoostClassifier", "TrAdaBoostRegressor"]
