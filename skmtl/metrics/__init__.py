"""Scores of every task, their averages, and scorers for model selection."""

from skmtl.metrics.by_task import average_scores, task_scores
from skmtl.metrics.named import pooled_explained_variance
from skmtl.metrics.scorer import TaskScorer, make_task_scorer

__all__ = [
    "TaskScorer",
    "average_scores",
    "make_task_scorer",
    "pooled_explained_variance",
    "task_scores",
]
