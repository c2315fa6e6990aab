"""Does sharing help, which tasks does it hurt, and which tasks are alike? Reports and figures."""

from skmtl.inspection.affinity import TaskAffinity, task_affinity
from skmtl.inspection.coefficient_map import CoefficientDisplay
from skmtl.inspection.comparison import compare_strategies
from skmtl.inspection.comparison_result import StrategyComparison
from skmtl.inspection.learning_curve import (
    LearningCurveDisplay,
    TaskLearningCurve,
    task_learning_curve,
)
from skmtl.inspection.negative_transfer import NegativeTransferReport, negative_transfer_report
from skmtl.inspection.path_display import RegularizationPathDisplay
from skmtl.inspection.relation_map import TaskRelationDisplay
from skmtl.inspection.runs import FoldResult
from skmtl.inspection.sharing_display import SharingDisplay
from skmtl.inspection.transfer_comparison import TransferComparison, compare_transfer

__all__ = [
    "CoefficientDisplay",
    "FoldResult",
    "LearningCurveDisplay",
    "NegativeTransferReport",
    "RegularizationPathDisplay",
    "SharingDisplay",
    "StrategyComparison",
    "TaskAffinity",
    "TaskLearningCurve",
    "TaskRelationDisplay",
    "TransferComparison",
    "compare_strategies",
    "compare_transfer",
    "negative_transfer_report",
    "task_affinity",
    "task_learning_curve",
]
