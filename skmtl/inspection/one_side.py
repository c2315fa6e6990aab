"""What transfers are compared with: a model of the target's rows only, or of the sources' only."""

import numpy as np
from sklearn.base import clone
from sklearn.dummy import DummyClassifier

from skmtl.transfer.base import TransferClassifier, TransferRegressor
from skmtl.transfer.sources import spread_over_classes
from skmtl.transfer.weighted_fit import stack_rows

SIDES = ("target", "sources")


class OneSide:
    """Fits a clone of an estimator to the rows of one side, and predicts rows of the target."""

    _reads_tables = True
    _allows_nan = True

    def __init__(self, estimator, *, side="target", task_column=None, target_task=None):
        self.estimator = estimator
        self.side = side
        self.task_column = task_column
        self.target_task = target_task

    def fit(self, X, y, *, tasks=None):
        """Fit to the rows of the target, or of all sources."""
        if self.side not in SIDES:
            raise ValueError(f"side={self.side!r} is not one of {', '.join(SIDES)}.")
        transfer = self._read_transfer(X, y, tasks, None)
        if self.side == "sources" and not transfer.sources:
            raise ValueError("side='sources' needs a task beside the target.")
        rows = transfer.target if self.side == "target" else stack_rows(transfer.sources)
        self.estimator_ = self._inner_for(rows.y).fit(rows.X, rows.y)
        return self


class OneSideRegressor(OneSide, TransferRegressor):
    """A regressor of one side."""

    def _inner_for(self, y):
        return clone(self.estimator)

    def _predict_target(self, X):
        return np.asarray(self.estimator_.predict(X))


class OneSideClassifier(OneSide, TransferClassifier):
    """A classifier of one side."""

    def _inner_for(self, y):
        self.classes_ = np.unique(y)
        single = len(self.classes_) == 1
        return DummyClassifier(strategy="prior") if single else clone(self.estimator)

    def _target_proba(self, X):
        told = self.estimator_.predict_proba(X)
        return spread_over_classes(told, self.estimator_.classes_, self.classes_)
