"""Weights of source rows for a target with other features: covariate shift."""

from skmtl.transfer.importance.kliep import KLIEP
from skmtl.transfer.importance.kmm import KernelMeanMatching
from skmtl.transfer.importance.shift_weighted import (
    ShiftWeightedClassifier,
    ShiftWeightedRegressor,
)
from skmtl.transfer.importance.ulsif import ULSIF

__all__ = [
    "KLIEP",
    "ULSIF",
    "KernelMeanMatching",
    "ShiftWeightedClassifier",
    "ShiftWeightedRegressor",
]
