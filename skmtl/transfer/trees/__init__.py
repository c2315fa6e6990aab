"""Transfer of fitted trees and forests to a target with few rows."""

from skmtl.transfer.trees.forest import TransferForestClassifier, TransferForestRegressor
from skmtl.transfer.trees.tree import TransferTreeClassifier, TransferTreeRegressor

__all__ = [
    "TransferForestClassifier",
    "TransferForestRegressor",
    "TransferTreeClassifier",
    "TransferTreeRegressor",
]
