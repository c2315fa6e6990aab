"""Gradient boosting of a source, continued on a target."""

from skmtl.transfer.boosting.classifier import TransferBoostingClassifier
from skmtl.transfer.boosting.regressor import TransferBoostingRegressor

__all__ = ["TransferBoostingClassifier", "TransferBoostingRegressor"]
