"""Steps before the estimator: transformers that know of the task column."""

from skmtl.preprocessing.augment import TaskFeatureAugmenter
from skmtl.preprocessing.columns import keep_tasks
from skmtl.preprocessing.scaling import TaskScaler

__all__ = ["TaskFeatureAugmenter", "TaskScaler", "keep_tasks"]
