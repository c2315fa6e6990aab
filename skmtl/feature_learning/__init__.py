"""Shared representations: subspaces and dictionaries that all tasks use."""

from skmtl.feature_learning.ella import ELLARegressor
from skmtl.feature_learning.ella_classifier import ELLAClassifier
from skmtl.feature_learning.reduced_rank import ReducedRankRidge, ReducedRankRidgeCV
from skmtl.feature_learning.task_dictionary import TaskDictionary
from skmtl.feature_learning.trace_norm import (
    ConvexASO,
    ConvexFeatureLearning,
    ConvexFeatureLearningCV,
    TraceNorm,
    TraceNormCV,
)

__all__ = [
    "ConvexASO",
    "ConvexFeatureLearning",
    "ConvexFeatureLearningCV",
    "ELLAClassifier",
    "ELLARegressor",
    "ReducedRankRidge",
    "ReducedRankRidgeCV",
    "TaskDictionary",
    "TraceNorm",
    "TraceNormCV",
]
