"""Folds of labels: which rows are held out, and what models of the other rows say of them."""

import numpy as np

from skmtl.base import check_number
from skmtl.fitting import pose
from skmtl.labels import labels_of_tasks
from skmtl.linear_model.classifier import CERTAIN
from skmtl.linear_model.loss_parts import label_parts
from skmtl.losses import LogisticLoss, MultinomialLoss
from skmtl.model_selection import TaskKFold
from skmtl.model_selection.dealing import deal_outputs
from skmtl.tasks import encode


class LabelFolds:
    """Problems of training rows, with the labels that these have, and held-out losses.

    Parameters
    ----------
    data : TaskData
        With codes of labels for y.
    n_classes : int
    fit_intercept : bool
    scoring : {"log_loss", "accuracy"}
    """

    def __init__(self, data, n_classes, *, fit_intercept, scoring):
        self.data, self.n_classes = data, n_classes
        self.fit_intercept, self.scoring = fit_intercept, scoring

    def _problem(self, data, own, penalty):
        return pose(data, penalty, label_parts(own), fit_intercept=self.fit_intercept)

    def problem(self, penalty):
        return self._problem(self.data, labels_of_tasks(self.data, self.n_classes), penalty)

    def split(self, train, test, penalty):
        training = self.data.subset(train)
        own = labels_of_tasks(training, self.n_classes)
        held_out = HeldOutLabels(self.data.subset(test), own, self.scoring)
        return self._problem(training, own, penalty), held_out


class HeldOutLabels:
    """The rows of a test fold: mean losses of many models at once.

    A label that its task lacks in the training rows has the probability 2.2e-16, so that its
    log-loss is 36, whatever the penalty.

    Parameters
    ----------
    data : TaskData
        The held-out rows, with codes of labels for y.
    own : ndarray of shape (n_tasks, n_classes)
        Which labels the tasks have in the training rows.
    scoring : {"log_loss", "accuracy"}
    """

    def __init__(self, data, own, scoring="log_loss"):
        self.data, self.own, self.scoring = data, own, scoring
        self.weight = data.task_sizes().sum()
        self.columns, self.n_columns = [np.zeros(0, dtype=int)] * len(own), 0
        for part in label_parts(own):
            for task in part.tasks:
                self.columns[task] = self.n_columns + np.arange(part.n_columns)
                self.n_columns += part.n_columns

    @property
    def entries_per_model(self):
        """The numbers that `errors` holds for one model."""
        return self.n_columns * max(self.data.n_features, self.data.X.shape[0])

    def errors(self, coef, intercept):
        """Weighted mean losses (n_models,), the lower the better.

        Parameters
        ----------
        coef : ndarray of shape (n_models, n_features, n_columns)
        intercept : ndarray of shape (n_models, n_columns)
        """
        total = np.zeros(len(coef))
        used = np.flatnonzero(coef.any(axis=(0, 2)))
        for block in self.data.blocks():
            columns = np.concatenate([self.columns[task] for task in block.tasks])
            W = np.moveaxis(coef[:, used][:, :, columns], 1, 0)
            shape = (len(block.weights), len(coef), len(columns))
            scores = (block.X[:, used] @ W.reshape(len(used), shape[1] * shape[2])).reshape(shape)
            scores += intercept[:, columns]
            ends = np.cumsum([len(self.columns[task]) for task in block.tasks])
            parts = np.split(scores, ends[:-1], axis=2)
            for task, y, own_scores in zip(block.tasks, block.Y.T, parts, strict=True):
                total += block.weights @ self._losses(task, y.astype(int), own_scores)
        return total / self.weight

    def _losses(self, task, y, scores):
        """Losses (n_rows, n_models) from scores (n_rows, n_models, n_columns of the task)."""
        place = np.where(self.own[task], np.cumsum(self.own[task]) - 1, -1)[y][:, None]
        known, n_columns = place[:, 0] >= 0, scores.shape[2]
        if self.scoring == "accuracy":
            told = scores.argmax(axis=2) if n_columns > 1 else (scores > 0).any(axis=2)
            return told != place
        losses = np.full(scores.shape[:2], CERTAIN)
        if n_columns == 0:
            losses[known] = 0.0
        elif n_columns == 1:
            losses[known] = LogisticLoss().value(place[known], scores[known, :, 0])
        else:
            one_hot = place[known, :, None] == np.arange(n_columns)
            losses[known] = MultinomialLoss().value(one_hot, scores[known])[:, :, 0]
        return losses


def deal_labels(data, n_splits):
    """List of (train, test) with every label of every task in every training fold.

    The only row of a label in a task is always training data, as are rows without weight. Rows
    that all tasks share are dealt so that the folds have nearly the same counts of each label of
    each task.

    Parameters
    ----------
    data : TaskData
        With codes of labels for y.
    n_splits : int
    """
    check_number(n_splits, "cv", low=2, integer=True)
    if data.shared_rows:
        weights = data.weights if data.weights.ndim == 2 else data.weights[:, None]
        observed = np.broadcast_to(weights > 0, data.y.shape)
        cells = np.arange(data.n_tasks) * (data.y.max() + 1) + data.y
    else:
        observed = data.weights[:, None] > 0
        cells = (data.codes * (data.y.max() + 1) + data.y)[:, None]
    cells = np.where(observed, encode(cells.ravel())[1].reshape(cells.shape), -1)
    sizes = np.append(np.bincount(cells[observed], minlength=cells.max() + 1), 0)
    alone = (sizes[cells] == 1).any(axis=1)
    rows = np.flatnonzero(observed.any(axis=1) & ~alone)
    if len(rows) < n_splits:
        raise ValueError(
            f"cv={n_splits} is more than the {len(rows)} rows that can be held out (the only row "
            "of a label in a task is always training data): use fewer folds, or pass a splitter."
        )
    if data.shared_rows:
        folds = deal_outputs(cells[rows], n_splits)
        tests = [rows[folds == fold] for fold in range(n_splits)]
    else:
        splits = TaskKFold(n_splits, stratify=True).split(rows, data.y[rows], data.codes[rows])
        tests = [rows[test] for _, test in splits]
    everything = np.arange(len(data.y))
    return [(np.setdiff1d(everything, test), test) for test in tests]
