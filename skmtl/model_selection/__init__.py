"""Splits that know of tasks."""

from skmtl.model_selection.splitters import LeaveOneTaskOut, TaskKFold
from skmtl.model_selection.target_folds import TargetKFold
from skmtl.model_selection.train_test import task_train_test_split

__all__ = ["LeaveOneTaskOut", "TargetKFold", "TaskKFold", "task_train_test_split"]
