"""What the alignments share: reading a table of tasks, their moments, and giving it back."""

import numpy as np
from scipy import sparse
from sklearn.base import TransformerMixin
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import check_is_fitted

from skmtl import frames
from skmtl.base import TaskEstimator
from skmtl.documentation import share_text
from skmtl.preprocessing.assembly import NamesColumns, as_frame, with_ids
from skmtl.task_data import check_weights
from skmtl.tasks import check_task_ids, describe_ids, encode, match

TEXTS = {
    "alignment_parameters": """
    task_column : int or str, optional
        Position or name of the column of X that holds the task ids. It stays where it is, or comes
        last where the output has too few columns. Without tasks all rows are those of the target.
    target_task : int or str, optional
        The task to which all others are aligned. None: to the distribution of all rows.
    unknown_task : {"error", "shared"}, default="error"
        A task that fit did not see is an error, or its rows are treated as those of the target.
    """,
    "alignment_notes": """
    y is not used, so that rows without a y can be aligned too: fit to all that there are. Features
    should be on one scale (``keep_tasks(StandardScaler(), task_column)`` before). A task whose
    rows all have weight zero is treated as the target.
    """,
}


def complete(subject):
    """Fill in the texts that all alignments share."""
    return share_text(**TEXTS)(subject)


class Alignment(NamesColumns, TransformerMixin, TaskEstimator):
    """Base of the alignments: subclasses learn from rows and map rows.

    They have ``_check_parameters()``, ``_learn(X, codes, weights, target)`` with the code of the
    target or None, ``_map(X, codes)`` with code -1 for rows of unknown tasks, and
    ``_names_of_values(names)``.
    """

    __metadata_request__transform = {"tasks": True}  # noqa: RUF012

    @complete
    def fit(self, X, y=None, *, sample_weight=None, tasks=None):
        """Learn how the tasks differ from the target.

        Parameters
        ----------
        X : {array-like, frame} of shape (n_samples, n_columns)
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional
        tasks : array-like of shape (n_samples,), optional
            Task of every row, instead of ``task_column``.

        Returns
        -------
        self : object
        """
        self._check_shared_parameters()
        self._check_parameters()
        table = X
        X, ids = self._read_rows_to_align(X, tasks, reset=True)
        self._note_columns(table)
        labels, codes = encode(np.zeros(len(X), dtype=int) if ids is None else ids)
        self._settle_layout(ids, None, labels)
        target = self._find_target(ids, labels)
        weights = check_weights(sample_weight, (len(X),), False)
        kept = weights > 0
        if not kept.any():
            raise ValueError("sample_weight is zero for every row: nothing to learn from.")
        if target is not None and not kept[codes == target].any():
            raise ValueError(f"sample_weight is zero for every row of {self.target_task!r}.")
        self._learn(X[kept], codes[kept], weights[kept], target)
        return self

    def fit_transform(self, X, y=None, *, sample_weight=None, tasks=None):
        """Fit, and transform the same rows; parameters as in `fit`."""
        return self.fit(X, y, sample_weight=sample_weight, tasks=tasks).transform(X, tasks=tasks)

    def transform(self, X, *, tasks=None):
        """Align every row as a row of its task.

        Parameters
        ----------
        X : {array-like, frame} of shape (n_samples, n_columns)
        tasks : array-like of shape (n_samples,), optional
            Task of every row; needed if (and only if) fit had it.

        Returns
        -------
        {ndarray, frame} of shape (n_samples, n_columns_out)
            Of the type of X.
        """
        self._check_layout(tasks)
        features, ids = self._read_rows_to_align(X, tasks, reset=False)
        codes = self._codes_of_rows(ids, len(features))
        values = self._map(features, codes)
        names = None
        if frames.is_frame(X):
            names = self._names_of_values(self._split_names()[0])
        if self.task_column is None:
            return values if names is None else as_frame(X, values, names)
        return with_ids(X, self.task_column, values, names)

    def get_feature_names_out(self, input_features=None):
        """Names of the columns of the output, that of the task column among them.

        Parameters
        ----------
        input_features : array-like of str, optional
            Names of the columns in fit, by default those of the frame, or x0, x1, ...

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        names, ids = self._split_names(input_features)
        return self._names_beside_ids(self._names_of_values(names), ids)

    def _read_rows_to_align(self, X, tasks, *, reset):
        if sparse.issparse(X):
            raise TypeError(
                f"{type(self).__name__} takes no sparse X: aligned rows are dense by nature. Make "
                "it dense with toarray(), or reduce it before, for example by keep_tasks("
                "TruncatedSVD(100), task_column)."
            )
        X, ids = self._split_ids(X, tasks, reset=reset)
        X = self._read_features(X, reset=reset)
        assert_all_finite(X, input_name="X", estimator_name=type(self).__name__)
        return X.astype(np.float64, copy=False), ids

    def _find_target(self, ids, labels):
        if self.target_task is None:
            return None
        if ids is None:
            raise ValueError(
                f"target_task={self.target_task!r} names a task, but there are no task ids: set "
                "task_column, or pass tasks= to fit."
            )
        code = match(check_task_ids(np.array([self.target_task]), "target_task"), labels)[0]
        if code < 0:
            raise ValueError(
                f"target_task={self.target_task!r} has no row; there are {describe_ids(labels)}."
            )
        return code


def moments(X, weights):
    """Weighted mean and covariance (divided by the sum of weights)."""
    mean = weights @ X / weights.sum()
    centred = X - mean
    return mean, (centred * weights[:, None]).T @ centred / weights.sum()
