"""The base of the linear classifiers: labels of the tasks, decisions and probabilities."""

from dataclasses import replace

import numpy as np
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skmtl.base import TaskPredictor
from skmtl.documentation import complete_docstring
from skmtl.labels import labels_of_tasks, mean_accuracy, read_labels
from skmtl.tasks import describe_ids, encode, group_rows

CERTAIN = -np.log(np.finfo(float).eps)  # the log-odds of a task's only label


def _one_target(self):
    if getattr(self, "_layout", "one") == "outputs":
        raise AttributeError(
            "after a fit with 2-d y there is no decision_function: use predict_log_proba, which "
            "gives one array per task."
        )
    return True


class MultiTaskLinearClassifier(ClassifierMixin, TaskPredictor):
    """Predictions from ``coef_`` and ``intercept_``, for tasks with labels of their own.

    If no task has more than two labels, ``coef_`` is (n_tasks, n_features): the log-odds of the
    second label of each task. Otherwise it is (n_tasks, n_classes, n_features): the scores
    whose softmax over the labels of the task are the probabilities, with zeros for labels that the
    task lacks, and for the first of two. Without the layouts of several tasks there is no
    axis of tasks, as in scikit-learn.
    """

    def _read_y(self, y):
        """Positions of the labels among all of y, NaN where they are missing."""
        y, missing, names = read_labels(y, self)
        codes = np.full(y.shape, np.nan)
        self.classes_, codes[~missing] = encode(y[~missing])
        return codes, names

    def _note_labels(self, data):
        """`classes_` and the labels of every task, of rows that count; the data in their codes."""
        own = labels_of_tasks(data, len(self.classes_))
        used = own.any(axis=0)
        self.classes_, own = self.classes_[used], own[:, used]
        self.task_classes_ = [self.classes_[labels] for labels in own]
        if not used.all():
            data = replace(data, y=(np.cumsum(used) - 1.0)[data.y.astype(int)])
        return data, own

    def _store(self, data, own, columns, coef, intercept, *, of_classes=False):
        """Keep a fit: coef (n_features, n_columns) with `columns` (task, position of its label).

        `of_classes`: coefficients of all classes even if no task has more than two labels.
        """
        tasks, positions = columns
        n_labels = own.sum(axis=1)
        shape = (data.n_tasks, data.n_features)
        if n_labels.max() > 2 or of_classes:
            shape = (data.n_tasks, len(self.classes_), data.n_features)
            ranks = np.argsort(~own, axis=1, kind="stable")  # own labels first
            place = (tasks, ranks[tasks, positions])
        else:
            place = (tasks,)
        models, constants = np.zeros(shape), np.zeros(shape[:-1])
        models[place], constants[place] = coef.T, intercept
        if self.absent_features_ is not None:
            absent = self.absent_features_ if models.ndim == 2 else self.absent_features_[:, None]
            models = np.where(absent, 0.0, models)
        if models.ndim == 2 and own.shape[1] == 2:
            certain = n_labels == 1
            constants[certain] = np.where(own[certain, 1], CERTAIN, -CERTAIN)
        shared = self._mean_model(data, own, models, constants)
        empty = n_labels == 0
        if empty.any():  # nothing was learned for these: they have the shared model
            if shared is None:
                raise ValueError(
                    f"task {describe_ids(data.labels[empty][:1])} has no row with a positive "
                    "weight, and the other tasks have no labels in common that it could predict: "
                    "drop it."
                )
            models[empty], constants[empty] = shared[:2]
            own = np.where(empty[:, None], shared[2], own)
        dtype = np.float32 if data.X.dtype == np.float32 else np.float64
        # The last row is for tasks that fit did not see (code -1).
        self._own_labels = np.vstack([own, np.zeros_like(own[0]) if shared is None else shared[2]])
        self.coef_shared_ = self.intercept_shared_ = None
        if shared is not None:
            self.coef_shared_ = np.asarray(shared[0], dtype=dtype)
            self.intercept_shared_ = np.asarray(shared[1], dtype=dtype)[()]
        one_task = self._layout == "one" and models.ndim == 3
        self.coef_ = np.ascontiguousarray(models[0] if one_task else models, dtype=dtype)
        self.intercept_ = np.asarray(constants[0] if one_task else constants, dtype=dtype)
        for name in ("coef_", "intercept_"):
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(
                    f"{type(self).__name__} found no finite {name}: the scales of X exceed the "
                    "range of its dtype. Standardise them first."
                )
        return self

    def _mean_model(self, data, own, models, constants):
        """(coef, intercept, labels): the mean of the tasks with two labels or more, or None.

        By their rows; None unless these tasks all have the same labels.
        """
        sizes = data.task_sizes() * (own.sum(axis=1) > 1)
        if not sizes.any() and len(self.classes_) == 1:
            sizes = data.task_sizes()
        several = np.flatnonzero(sizes)
        differ = [task for task in several if (own[task] != own[several[0]]).any()]
        if differ or not len(several):
            if self.unknown_task == "shared":
                shown = [several[0], differ[0]] if differ else [0, min(1, len(own) - 1)]
                told = " and ".join(
                    f"{describe_ids(data.labels[[task]])} has {self.task_classes_[task].tolist()}"
                    for task in shown
                )
                raise ValueError(
                    f"unknown_task='shared' needs tasks with the same labels, but task {told}: "
                    "set unknown_task='error'."
                )
            return None
        weights = np.repeat(sizes[:, None], data.n_features, axis=1)
        if self.absent_features_ is not None:
            weights[self.absent_features_] = 0.0
        total = np.maximum(weights.sum(axis=0), np.finfo(float).tiny)
        coef = np.einsum("tj,t...j->...j", weights, models) / total
        intercept = np.tensordot(sizes / sizes.sum(), constants, axes=1)
        return coef, intercept, own[several[0]]

    def _linear(self, X, code):
        """X coef + intercept of one task (-1: the shared model)."""
        one_task = self._layout == "one" and self.coef_.shape[0] != 1
        if code < 0:
            coef, intercept = self.coef_shared_, self.intercept_shared_
        elif one_task:
            coef, intercept = self.coef_, self.intercept_
        else:
            coef, intercept = self.coef_[code], self.intercept_[code]
        return np.asarray(X @ coef.T) + intercept

    def _scores(self, X, code):
        """Scores (n_rows, n_classes) of one task, with probabilities as their softmax.

        The smallest number stands for labels that the task does not have.
        """
        linear = self._linear(X, code)
        labels = np.flatnonzero(self._own_labels[code])
        scores = np.full((len(linear), len(self.classes_)), np.finfo(linear.dtype).min)
        if linear.ndim == 2:
            scores[:, labels] = linear[:, labels]
        else:
            scores[:, labels[:1]] = 0.0
            if len(labels) == 2:
                scores[:, labels[1]] = linear
        return scores

    def _answers(self, X, tasks, method):
        """What a method (X, code) says of all rows: an array, or a list of them for outputs."""
        X, codes = self._read_rows(X, tasks)
        if codes is None:
            return [method(X, code) for code in range(len(self.tasks_))]
        if len(self.tasks_) == 1 and (codes == 0).all():
            return method(X, 0)
        if sparse.issparse(X):
            X = X.tocsr()
        out = None
        seen, local = encode(codes)
        for code, rows in zip(seen, group_rows(local, len(seen)), strict=True):
            told = method(X[rows], code)
            if out is None:
                out = np.empty((X.shape[0], *told.shape[1:]), dtype=told.dtype)
            out[rows] = told
        return out

    @available_if(_one_target)
    @complete_docstring
    def decision_function(self, X, *, tasks=None):
        """Log-odds of the second of two classes, or scores of all classes.

        The scores of a row are log-probabilities but for a constant; a label that its task
        does not have has the smallest number. Not there after a fit with 2-d y.

        Parameters
        ----------
        {predict_parameters}

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
        """
        check_is_fitted(self)
        two = len(self.classes_) <= 2
        return self._answers(X, tasks, self._linear if two else self._scores)

    @complete_docstring
    def predict(self, X, *, tasks=None):
        """Predict the label of every row, among those that its task had in fit.

        Parameters
        ----------
        {predict_parameters}

        Returns
        -------
        ndarray of shape (n_samples,), or (n_samples, n_tasks) after a fit with 2-d y
        """
        codes = self._answers(X, tasks, lambda X, code: self._scores(X, code).argmax(axis=1))
        return self.classes_[np.column_stack(codes) if self._layout == "outputs" else codes]

    @complete_docstring
    def predict_proba(self, X, *, tasks=None):
        """Probabilities of the labels in ``classes_``; 0 for labels that a task never had.

        Parameters
        ----------
        {predict_parameters}

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or a list of n_tasks of them after a fit \
with 2-d y
        """
        return self._answers(X, tasks, lambda X, code: np.exp(self._log_proba(X, code)))

    @complete_docstring
    def predict_log_proba(self, X, *, tasks=None):
        """Logarithms of the probabilities; minus infinity for labels that a task never had.

        Parameters
        ----------
        {predict_parameters}

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or a list of n_tasks of them after a fit \
with 2-d y
        """
        return self._answers(X, tasks, self._log_proba)

    def _log_proba(self, X, code):
        scores, labels = self._scores(X, code), self._own_labels[code]
        own = scores[:, labels]
        own = own - own.max(axis=1, keepdims=True)
        out = np.full_like(scores, -np.inf)
        out[:, labels] = own - np.log(np.exp(own).sum(axis=1, keepdims=True))
        return out

    @complete_docstring
    def score(self, X, y, sample_weight=None, *, tasks=None):
        """Accuracy over all rows, or for a 2-d y its mean over tasks, ignoring missing labels.

        Parameters
        ----------
        {score_parameters}

        Returns
        -------
        float
        """
        return mean_accuracy(y, self.predict(X, tasks=tasks), sample_weight, self)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = True
        tags.target_tags.required = True
        return tags
