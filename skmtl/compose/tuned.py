"""A penalty for all tasks by cross-validation, in every layout of the data."""

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from skmtl import frames
from skmtl.compose.base import ComposedClassifier
from skmtl.compose.folds import deal_rows
from skmtl.compose.stacking import LEAST_PROBABILITY, probabilities_of_true

PENALTIES = np.logspace(-3, 2, 6)
N_FOLDS = 3


class TunedLogistic(ComposedClassifier):
    """Logistic regressions by a wrapper, with the one C of least log-loss.

    Parameters
    ----------
    wrapper : PerTaskClassifier or PooledClassifier
        Its estimator is set.
    C : float, default=None
        None: chosen on folds of the rows of each task; 1.0 for one task alone.
    task_column, unknown_task
        As in the wrapper.
    """

    def __init__(self, wrapper, *, C=None, task_column=None, unknown_task="error"):
        self.wrapper = wrapper
        self.C = C
        self.task_column = task_column
        self.unknown_task = unknown_task

    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Choose C and fit to all rows."""
        _, cells = self._read_cells(X, y, tasks, sample_weight)
        self._note_labels(cells)
        X, y = frames.as_columns(X), np.asarray(y)
        given = {"tasks": tasks, "sample_weight": sample_weight}
        given = {name: np.asarray(part) for name, part in given.items() if part is not None}
        self.C_ = self._choose(X, y, cells, given) if self.C is None else self.C
        self.model_ = self._make(self.C_).fit(X, y, **given)
        return self

    def tuned(self):
        """Unfitted, with the C that was chosen."""
        return clone(self).set_params(C=self.C_)

    def _make(self, C):
        model = LogisticRegression(C=C, max_iter=1000)
        settings = {"task_column": self.task_column, "unknown_task": self.unknown_task}
        return clone(self.wrapper).set_params(estimator=model, **settings)

    def _choose(self, X, y, cells, given):
        losses = np.zeros(len(PENALTIES))
        weights = given.get("sample_weight", np.ones(len(y)))
        weights = weights[:, None] if weights.ndim < y.ndim else weights
        for train, test in self._folds(cells):
            parts = {name: part[train] for name, part in given.items()}
            asked = {"tasks": given["tasks"][test]} if "tasks" in given else {}
            for k, C in enumerate(PENALTIES):
                model = self._make(C).fit(frames.take_rows(X, train), y[train], **parts)
                told = model.predict_proba(frames.take_rows(X, test), **asked)
                chosen = probabilities_of_true(told, y[test], model.classes_)
                losses[k] -= np.nansum(
                    weights[test] * np.log(np.maximum(chosen, LEAST_PROBABILITY))
                )
        return float(PENALTIES[np.argmin(losses)]) if losses.any() else 1.0

    def _folds(self, cells):
        """Folds that keep every task in training; none where rows are too few, or one task.

        One task alone has the C of scikit-learn, so that weights are copies of rows.
        """
        shared_rows = self._layout == "outputs"
        sizes = [len(np.unique(cells.rows))] if shared_rows else np.bincount(cells.codes)
        if len(self.tasks_) == 1 or max(sizes) < N_FOLDS:
            return []
        return deal_rows(cells, N_FOLDS, shared_rows=shared_rows, stratify=True, random_state=0)

    def predict_proba(self, X, *, tasks=None):
        """Those of the model with the chosen C."""
        return self.model_.predict_proba(X, **({} if tasks is None else {"tasks": tasks}))
