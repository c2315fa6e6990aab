"""Any scikit-learn estimator over the tasks: one model per task, or one model for all.

These are the two ends between which multi-task learning lies, and its honest baselines.
"""

from skmtl.compose.per_task import PerTaskClassifier, PerTaskRegressor
from skmtl.compose.pooled import PooledClassifier, PooledRegressor
from skmtl.compose.sharing_classifier import SharingClassifier
from skmtl.compose.sharing_regressor import SharingRegressor

__all__ = [
    "PerTaskClassifier",
    "PerTaskRegressor",
    "PooledClassifier",
    "PooledRegressor",
    "SharingClassifier",
    "SharingRegressor",
]
