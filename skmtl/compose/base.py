"""What the estimators around other estimators share: reading tables, predicting, scoring."""

from contextlib import suppress
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.base import ClassifierMixin, RegressorMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import has_fit_parameter, validate_data

from skmtl import frames
from skmtl.base import TaskPredictor, mean_r2, read_targets
from skmtl.documentation import complete_docstring
from skmtl.labels import mean_accuracy, read_labels
from skmtl.task_data import check_observed, check_weights
from skmtl.tasks import encode, group_rows


class Cells(NamedTuple):
    """Observed targets: their rows in the table, the codes of their tasks, values, weights.

    With a 2-d y a row of the table has several cells.
    """

    rows: np.ndarray
    codes: np.ndarray
    y: np.ndarray
    weights: np.ndarray | None

    def take(self, cells):
        weights = None if self.weights is None else self.weights[cells]
        return Cells(self.rows[cells], self.codes[cells], self.y[cells], weights)


class Part(NamedTuple):
    """Rows to be predicted by one model: all of them (rows None) for one output of several."""

    model: object
    table: object
    rows: np.ndarray | None
    codes: np.ndarray
    answers: dict  # of the model to the table, by method; one dict for parts that share both

    def answer(self, method):
        """What a method of the model says of the table; asked once."""
        if method not in self.answers:
            self.answers[method] = np.asarray(getattr(self.model, method)(self.table))
        return self.answers[method]


class ComposedEstimator(TaskPredictor):
    """Reads any table (its columns need not be numbers) and hands rows to inner estimators.

    Subclasses define ``_parts(X, codes)``: which model predicts which rows.
    """

    def _read_table(self, X, tasks, *, reset):
        """The table without ids and the ids or None; what the columns hold is not looked at."""
        X, ids = self._split_ids(frames.as_columns(X), tasks, reset=reset)
        if not frames.is_frame(X):
            with suppress(ValueError, TypeError):  # columns that are no numbers may stay
                X = frames.as_numbers(X)
            options = {"accept_sparse": ("csr", "csc"), "ensure_all_finite": False}
            X = check_array(X, dtype=None, input_name="X", estimator=self, **options)
        elif not len(X):
            raise ValueError("Found array with 0 sample(s): X has no rows.")
        if self.task_column is None:
            validate_data(self, X, reset=reset, skip_check_array=True)
        return X.tocsr() if sparse.issparse(X) else X, ids

    def _read_cells(self, X, y, tasks, sample_weight):
        """Table and cells of a fit; settles the layout, `tasks_` and `absent_features_`."""
        self._check_shared_parameters()
        X, ids = self._read_table(X, tasks, reset=True)
        y, missing, labels = self._read_y(y)
        check_consistent_length(X, y)
        if ids is not None and y.ndim == 2:
            y = self._single_output(y)
        weights = None
        if sample_weight is not None:
            weights = check_weights(sample_weight, y.shape, y.ndim == 2)
        if y.ndim == 2:
            labels = np.arange(y.shape[1]) if labels is None else labels
            check_observed(missing, labels)
            codes, rows = np.nonzero(~missing.T)
            if weights is not None:
                weights = weights[rows] if weights.ndim == 1 else weights[rows, codes]
            cells = Cells(rows, codes, y[rows, codes], weights)
        else:
            labels, codes = encode(np.zeros(len(y), dtype=int) if ids is None else ids)
            cells = Cells(np.arange(len(y)), codes, y, weights)
        self._settle_layout(ids, y, labels)
        if weights is not None:
            if not (weights > 0).any():
                raise ValueError("sample_weight is zero for every observed row.")
            cells = cells.take(weights > 0)
        self.absent_features_ = self._find_absent(X, cells)
        return X, cells

    def _find_absent(self, X, cells):
        """Mask (n_tasks, n_features) of columns without a value in a task, or None."""
        missing = frames.missing_entries(X)
        if missing is None:
            return None
        groups = group_rows(cells.codes, len(self.tasks_))
        absent = np.array([missing[cells.rows[group]].all(axis=0) for group in groups])
        return absent if absent.any() else None

    def _check_weights_usable(self, estimator, weights):
        if weights is not None and not has_fit_parameter(estimator, "sample_weight"):
            raise ValueError(
                f"{type(self).__name__}: the estimator {type(estimator).__name__} takes no "
                "sample_weight in fit, so that sample and task weights cannot be used."
            )

    def _read_parts(self, X, tasks):
        """The parts of a table to predict and its number of rows."""
        self._check_layout(tasks)
        X, ids = self._read_table(X, tasks, reset=False)
        n_rows = X.shape[0]
        return self._parts(X, self._codes_of_rows(ids, n_rows)), n_rows

    def _gather(self, answers, n_rows):
        """One array from pairs (rows, answer): side by side for outputs, else row by row."""
        answers = list(answers)
        if self._layout == "outputs":
            return np.column_stack([answer for _, answer in answers])
        dtype = np.result_type(*[answer.dtype for _, answer in answers])
        out = np.empty((n_rows, *answers[0][1].shape[1:]), dtype=dtype)
        for rows, answer in answers:
            out[rows] = answer
        return out

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = True
        tags.target_tags.required = True
        return tags


class ComposedRegressor(RegressorMixin, ComposedEstimator):
    """Predictions and score of regressors."""

    def _make_inner(self):
        return Ridge() if self.estimator is None else clone(self.estimator)

    def _inner_for(self, y):
        return self._make_inner()

    def _note_labels(self, cells):
        """Nothing to note."""

    def _read_y(self, y):
        y, names = read_targets(y, self)
        return y, np.isnan(y), names

    @complete_docstring
    def predict(self, X, *, tasks=None):
        """Predict the target of every row.

        Parameters
        ----------
        {predict_parameters}

        Returns
        -------
        ndarray of shape (n_samples,), or (n_samples, n_tasks) after a fit with 2-d y
        """
        parts, n_rows = self._read_parts(X, tasks)
        return self._gather(((part.rows, part.answer("predict")) for part in parts), n_rows)

    @complete_docstring
    def score(self, X, y, sample_weight=None, *, tasks=None):
        """R2 over all rows, or for a 2-d y its mean over tasks, ignoring NaN entries.

        Parameters
        ----------
        {score_parameters}

        Returns
        -------
        float
        """
        return mean_r2(y, self.predict(X, tasks=tasks), sample_weight)


def _estimator_has_proba(self):
    return hasattr(self._make_inner(), "predict_proba")


class ComposedClassifier(ClassifierMixin, ComposedEstimator):
    """Predictions and score of classifiers; a task predicts only labels that it had in fit."""

    def _make_inner(self):
        return LogisticRegression() if self.estimator is None else clone(self.estimator)

    def _inner_for(self, y):
        """The estimator, or a constant for a single label."""
        if (y == y[0]).all():
            return DummyClassifier(strategy="most_frequent")
        return self._make_inner()

    def _read_y(self, y):
        return read_labels(y, self)

    def _note_labels(self, cells):
        """`classes_`, the labels of every task, and its most frequent one."""
        self.classes_, coded = np.unique(cells.y, return_inverse=True)
        counts = np.zeros((len(self.tasks_), len(self.classes_)))
        np.add.at(counts, (cells.codes, coded.reshape(-1)), 1)
        self._frequent = np.append(counts.argmax(axis=1), counts.sum(axis=0).argmax())
        # The last row is for unknown tasks (code -1), and a task without rows has all labels.
        own = np.vstack([counts > 0, np.ones(len(self.classes_), dtype=bool)])
        own[~own.any(axis=1)] = True
        self._own_labels = own

    @complete_docstring
    def predict(self, X, *, tasks=None):
        """Predict the label of every row.

        Parameters
        ----------
        {predict_parameters}

        Returns
        -------
        ndarray of shape (n_samples,), or (n_samples, n_tasks) after a fit with 2-d y
        """
        parts, n_rows = self._read_parts(X, tasks)
        return self._gather(((part.rows, self._labels(part)) for part in parts), n_rows)

    def _labels(self, part):
        columns = np.searchsorted(self.classes_, part.model.classes_)
        allowed = self._own_labels[part.codes]
        if allowed[:, columns].all():
            return part.answer("predict")
        if hasattr(part.model, "predict_proba"):
            return self.classes_[np.argmax(self._probabilities(part), axis=1)]
        predicted = np.searchsorted(self.classes_, part.answer("predict"))
        foreign = ~allowed[np.arange(len(predicted)), predicted]
        return self.classes_[np.where(foreign, self._frequent[part.codes], predicted)]

    @available_if(_estimator_has_proba)
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
        parts, n_rows = self._read_parts(X, tasks)
        answers = [(part.rows, self._probabilities(part)) for part in parts]
        if self._layout == "outputs":
            return [answer for _, answer in answers]
        return self._gather(answers, n_rows)

    def _probabilities(self, part):
        inner = part.answer("predict_proba")
        out = np.zeros((len(inner), len(self.classes_)))
        out[:, np.searchsorted(self.classes_, part.model.classes_)] = inner
        allowed = self._own_labels[part.codes]
        if allowed.all():
            return out
        out = np.where(allowed, out, 0.0)
        lost = out.sum(axis=1) == 0
        out[lost] = allowed[lost]
        return out / out.sum(axis=1, keepdims=True)

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


def absent_means(X, cells, absent):
    """What stands for absent columns in a pooled model: their mean over the other tasks.

    It is 0 for a column that no task has.
    """
    if absent is None:
        return None
    X = frames.take_rows(X, np.unique(cells.rows))
    means = frames.column_means(X, frames.missing_entries(X))
    means[absent.all(axis=0)] = 0.0
    return means


def fill_absent(X, codes, absent, means):
    """X with the columns that are absent from a row's task filled by their means.

    A task that was not seen in fit (code -1) has its missing columns filled.
    """
    missing = frames.missing_entries(X) if absent is not None else None
    if missing is None:
        return X
    known = np.vstack([absent, absent.any(axis=0)])
    return frames.fill_entries(X, missing & known[codes], means)


def fit_one(estimator, X, cells):
    """A fitted estimator; weights are passed only if there are any."""
    if cells.weights is None:
        return estimator.fit(X, cells.y)
    return estimator.fit(X, cells.y, sample_weight=cells.weights)
