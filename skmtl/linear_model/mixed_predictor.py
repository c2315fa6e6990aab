"""Numbers for the rows of some tasks and labels for those of others."""

import numpy as np
from scipy import sparse
from scipy.special import softmax
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skmtl import frames
from skmtl.base import MultiTaskLinearRegressor, mean_r2
from skmtl.documentation import complete_docstring
from skmtl.linear_model.mixed_targets import read_mixed_targets
from skmtl.task_data import check_weights
from skmtl.tasks import encode, group_rows

LARGEST_EXPONENT = {np.dtype(np.float32): 80.0}  # of predicted counts, which stay finite


def _some_labels(self):
    losses = getattr(self, "losses_", None)
    if losses is not None and "logistic" not in losses.values():
        raise AttributeError("no task is a classification: there are no probabilities.")
    return losses is not None


class MixedPredictor(MultiTaskLinearRegressor):
    """Predictions from ``coef_``, ``intercept_``, ``losses_`` and ``classes_by_task_``."""

    def _of_task(self, code):
        """Loss and labels (or None) of a task; code -1 is a task that fit did not see."""
        task = self.tasks_[max(code, 0)].item()
        return self.losses_[task], self.classes_by_task_.get(task)

    def _linear(self, X, code):
        """Linear predictions (n_rows, n_columns) of one task."""
        if code < 0:
            coef, intercept = self.coef_shared_, self.intercept_shared_
        else:
            coef, intercept = self.coef_[code], self.intercept_[code]
        return np.asarray(X @ np.atleast_2d(coef).T) + intercept

    def _predict_task(self, X, code):
        loss, labels = self._of_task(code)
        if labels is not None:
            return labels[self._probabilities(X, code).argmax(axis=1)]
        linear = self._linear(X, code)[:, 0]
        if loss != "poisson":
            return linear
        return np.exp(np.minimum(linear, LARGEST_EXPONENT.get(linear.dtype, 700.0)))

    def _probabilities(self, X, code):
        """Probabilities (n_rows, n_labels) of a task's labels."""
        _, labels = self._of_task(code)
        linear = self._linear(X, code)
        if len(labels) == 1:
            return np.ones((len(linear), 1), dtype=linear.dtype)
        if len(labels) == 2:
            linear = np.column_stack([np.zeros_like(linear[:, 0]), linear[:, 0]])
        return softmax(linear[:, : len(labels)], axis=1)

    def _answers(self, X, tasks, method):
        """(rows, task code, what a method says of these rows) of every task, and the row count."""
        X, codes = self._read_rows(X, tasks)
        if codes is None:
            return X.shape[0], [
                (slice(None), code, method(X, code)) for code in range(len(self.tasks_))
            ]
        X = X.tocsr() if sparse.issparse(X) else X
        seen, local = encode(codes)
        groups = zip(seen.tolist(), group_rows(local, len(seen)), strict=True)
        return X.shape[0], [(rows, code, method(X[rows], code)) for code, rows in groups]

    @complete_docstring
    def predict(self, X, *, tasks=None):
        """Predict the number or the label of every row by the model of its task.

        Parameters
        ----------
        {predict_parameters}

        Returns
        -------
        ndarray of shape (n_samples,), or (n_samples, n_tasks) after a fit with 2-d y
            Of objects where some answers are words and others numbers.
        """
        n_rows, answers = self._answers(X, tasks, self._predict_task)
        dtypes = {told.dtype for _, _, told in answers}
        kinds = {dtype.kind in "US" for dtype in dtypes}
        dtype = object if len(kinds) > 1 else np.result_type(*dtypes)
        if self._layout == "outputs":
            return np.column_stack([told.astype(dtype) for _, _, told in answers])
        predicted = np.empty(n_rows, dtype=dtype)
        for rows, _, told in answers:
            predicted[rows] = told
        return predicted

    @available_if(_some_labels)
    @complete_docstring
    def predict_proba(self, X, *, tasks=None):
        """Probabilities of the labels of each row's task, in the order of `classes_by_task_`.

        Parameters
        ----------
        {predict_parameters}

        Returns
        -------
        ndarray of shape (n_samples, n_labels), or a list of n_tasks of them after a fit with 2-d y
            n_labels is the largest number of labels of a task: beyond its own labels there are
            zeros. Rows of regression tasks are NaN.
        """
        check_is_fitted(self)
        n_rows, answers = self._answers(X, tasks, self._proba_task)
        if self._layout == "outputs":
            return [told for _, _, told in answers]
        out = np.empty((n_rows, answers[0][2].shape[1]), dtype=answers[0][2].dtype)
        for rows, _, told in answers:
            out[rows] = told
        return out

    def _proba_task(self, X, code):
        most = max(len(labels) for labels in self.classes_by_task_.values())
        if self._of_task(code)[1] is None:
            return np.full((X.shape[0], most), np.nan, dtype=self.coef_.dtype)
        own = self._probabilities(X, code)
        return np.pad(own, ((0, 0), (0, most - own.shape[1])))

    @complete_docstring
    def score(self, X, y, sample_weight=None, *, tasks=None):
        """R2 or accuracy.

        If all tasks are regressions, R2 over all rows (2-d y: its mean over tasks); if all are
        classifications, the accuracy likewise. Otherwise the mean over tasks of R2 (of those with
        two rows at least) or accuracy. Missing entries of a 2-d y are ignored.

        Parameters
        ----------
        {score_parameters}

        Returns
        -------
        float
        """
        values, missing, _ = read_mixed_targets(y, self)
        kinds = {task in self.classes_by_task_ for task in self.losses_}
        if len(kinds) == 1 and values.ndim == 1:
            measure = accuracy_score if kinds == {True} else r2_score
            values = frames.tighten(values)
            return float(measure(values, self.predict(X, tasks=tasks), sample_weight=sample_weight))
        if kinds == {False}:
            return mean_r2(values, self.predict(X, tasks=tasks), sample_weight)
        return self._mean_score(X, values, missing, sample_weight, tasks)

    def _mean_score(self, X, values, missing, sample_weight, tasks):
        weights = check_weights(sample_weight, values.shape, values.ndim == 2)
        weights = weights[:, None] if weights.ndim < values.ndim else weights
        weights = np.broadcast_to(weights, values.shape)
        scores = []
        for rows, code, told in self._answers(X, tasks, self._predict_task)[1]:
            cells = (rows, code) if values.ndim == 2 else rows
            seen = ~missing[cells] & (weights[cells] > 0)
            true, told, weight = values[cells][seen], told[seen], weights[cells][seen]
            if self._of_task(code)[1] is not None:
                if len(true):
                    scores.append(np.average(true == told, weights=weight))
            elif len(true) > 1:
                scores.append(r2_score(true.astype(float), told, sample_weight=weight))
        if not scores:
            raise ValueError("the score needs two observed targets of some task, or one label.")
        return float(np.mean(scores))
