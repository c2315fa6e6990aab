"""From what a parser read to what the user gets: arrays or frames, a bunch or a pair."""

import textwrap
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse
from sklearn.utils import Bunch

from skmtl.datasets.checks import check_flags
from skmtl.datasets.descriptions import Source


@dataclass
class TaskTable:
    """A data set with own rows per task, or, where `ids` is None, with one target per task.

    Parameters
    ----------
    source : Source
        Texts for the description.
    features : ndarray or csr_matrix of shape (n_samples, n_features)
        Numeric features.
    feature_names : list of str
        Their names.
    target : ndarray of shape (n_samples,) or (n_samples, n_tasks)
        Target, or targets.
    target_names : list of str
        Name of each target column.
    ids : ndarray of int of shape (n_samples,), default=None
        Task of each row; 0, 1, ... where the tasks have names.
    task_names : list of str, default=None
        Name of each task; None where the tasks are known by number only.
    columns : dict, default=None
        Columns of the frame by name, where they differ from `features` (categories as strings).
    extra : dict
        Further fields of the bunch.
    """

    source: Source
    features: np.ndarray
    feature_names: list
    target: np.ndarray
    target_names: list
    ids: np.ndarray = None
    task_names: list = None
    columns: dict = None
    extra: dict = field(default_factory=dict)

    def deliver(self, *, return_X_y, as_frame):
        """The bunch, or the pair (data, target), as arrays or as pandas objects."""
        check_flags(return_X_y=return_X_y, as_frame=as_frame)
        frame = self._frame() if as_frame else None
        if as_frame:
            targets = self.target_names if self.target.ndim == 2 else self.target_names[0]
            data, target = frame.drop(columns=self.target_names), frame[targets]
        else:
            data, target = self._stack(), np.ascontiguousarray(self.target)
        if return_X_y:
            return data, target
        return Bunch(
            data=data,
            target=target,
            frame=frame,
            feature_names=list(data.columns) if as_frame else self._array_names(),
            target_names=list(self.target_names),
            task_names=self._labels(),
            task_column=None if self.ids is None else 0,
            DESCR=self.describe(),
            **self.extra,
        )

    def describe(self):
        """Description with the counts of this very table."""
        source = self.source
        n_samples, n_features = self.features.shape
        if self.ids is None:
            tasks = f"{self.target.shape[1]} tasks, one per target, on the same rows"
        else:
            sizes = np.unique(self.ids, return_counts=True)[1]
            tasks = f"{sizes.size} tasks of {sizes.min()} to {sizes.max()} rows"
        counts = (
            f"{n_samples} rows, {n_features} features, {tasks}; "
            f"target: {', '.join(self.target_names)}."
        )
        paragraphs = (
            source.text,
            counts,
            f"Origin: {source.origin}",
            f"Licence: {source.licence}",
        )
        text = "\n\n".join(textwrap.fill(" ".join(part.split()), 79) for part in paragraphs)
        return f"{source.title}\n{'-' * len(source.title)}\n{text}\n"

    def _stack(self):
        if self.ids is None:
            return np.ascontiguousarray(self.features)
        ids = self.ids.astype(np.float64)[:, np.newaxis]
        if sparse.issparse(self.features):
            return sparse.csr_matrix(sparse.hstack([sparse.csr_matrix(ids), self.features]))
        return np.hstack([ids, self.features])

    def _frame(self):
        pandas = import_pandas()
        columns = self.columns
        if columns is None:
            columns = dict(zip(self.feature_names, self.features.T, strict=True))
        targets = dict(zip(self.target_names, np.atleast_2d(self.target.T), strict=True))
        return pandas.DataFrame({**self._task_column(), **columns, **targets})

    def _task_column(self):
        if self.ids is None:
            return {}
        if self.task_names is None:
            return {"task": self.ids}
        return {"task": np.array(self.task_names, dtype=object)[self.ids]}

    def _array_names(self):
        return list(self.feature_names) if self.ids is None else ["task", *self.feature_names]

    def _labels(self):
        if self.ids is None:
            return list(self.target_names)
        return np.unique(self.ids).tolist() if self.task_names is None else list(self.task_names)


def import_pandas():
    """pandas, or an ImportError that says how to get it."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            'as_frame=True needs pandas, which is not installed: pip install "skmtl[cli]", '
            "or use as_frame=False."
        ) from error
    return pandas
