"""What the weighters share: reading a table of tasks, kernels, and the texts of docstrings."""

import numpy as np
from scipy import sparse
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import assert_all_finite, check_random_state

from skmtl.base import TaskEstimator, check_number
from skmtl.documentation import ESTIMATOR_TEXTS, share_text
from skmtl.tasks import check_task_ids, describe_ids, encode, match

MOST_FOR_MEDIAN = 1000  # rows, between which the median distance is taken

TEXTS = {
    **ESTIMATOR_TEXTS,
    "shift_target": """
    task_column : int or str, optional
        Position or name of the column of X that holds the task ids.
    target_task : int or str, optional
        The task whose distribution counts. The rows of all other tasks are the source rows. Without
        tasks nothing is shifted, and all weights are 1.
    """,
    "weighter_attributes": """
    weights_ : ndarray of shape (n_source_rows,)
        Of the rows of all tasks but the target, in the order of X.
    sample_weight_ : ndarray of shape (n_samples,)
        The same, and 1 for the rows of the target: to be passed to the fit of an estimator.
    effective_sample_size_ : float
        (sum of the weights)^2 / sum of their squares: how many source rows count.
    tasks_ : ndarray of shape (n_tasks,)
        The task ids, sorted.
    """,
    "scaling_note": """
    Distances between rows count, so that features should be on one scale:
    ``keep_tasks(StandardScaler(), task_column)`` before. X may be sparse; the matrix of kernels is
    dense.
    """,
}


def complete(subject):
    """Fill in the texts that all weighters share."""
    return share_text(**TEXTS)(subject)


class ImportanceWeighter(TaskEstimator):
    """Base of the weighters: a subclass has ``_check_parameters()`` and ``_estimate(...)``.

    ``_estimate(source, target, rng)`` returns the weights of the source rows.
    """

    @complete
    def fit(self, X, y=None, *, tasks=None):
        """Estimate the weights of the source rows.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns)
            Rows of the target and of the sources.
        y : ignored
        tasks : array-like of shape (n_samples,), optional
            Task of every row, instead of ``task_column``.

        Returns
        -------
        self : object
        """
        self._check_parameters()
        X, is_target = self._read_shift(X, tasks)
        self.sample_weight_ = np.ones(len(is_target))
        self._shifted = not is_target.all()
        if self._shifted:
            rng = check_random_state(self.random_state)
            weights = self._estimate(X[~is_target], X[is_target], rng)
            if not np.isfinite(weights).all() or not weights.any():
                raise ValueError(
                    f"{type(self).__name__} found no weight for any source row: the source has "
                    "none near the target at this kernel width. Scale the features, or raise the "
                    "width."
                )
            self.sample_weight_[~is_target] = weights
        self.weights_ = self.sample_weight_[~is_target]
        self.effective_sample_size_ = effective_size(self.weights_)
        return self

    def _read_shift(self, X, tasks):
        """Features, and which rows are of the target; settles the layout."""
        name = type(self).__name__
        X, ids = self._split_ids(X, tasks, reset=True)
        X = self._read_kernel_features(X, reset=True)
        labels, codes = encode(np.zeros(X.shape[0], dtype=int) if ids is None else ids)
        self._settle_layout(ids, None, labels)
        if ids is None:
            if self.target_task is not None:
                raise ValueError(
                    f"target_task={self.target_task!r} names a task, but there are no task ids: "
                    "set task_column, or pass tasks= to fit."
                )
            return X, np.ones(X.shape[0], dtype=bool)
        if self.target_task is None:
            raise ValueError(
                f"{name} weighs rows for one task, the target: name it with target_task. All "
                "other tasks of the task column are sources."
            )
        code = match(check_task_ids(np.array([self.target_task]), "target_task"), labels)[0]
        if code < 0:
            raise ValueError(
                f"target_task={self.target_task!r} has no row; there are {describe_ids(labels)}."
            )
        return X, codes == code

    def _read_kernel_features(self, X, *, reset):
        X = self._read_features(X, reset=reset)
        values = X.data if sparse.issparse(X) else X
        assert_all_finite(values, input_name="X", estimator_name=type(self).__name__)
        return X.tocsr() if sparse.issparse(X) else X

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class RatioWeighter(ImportanceWeighter):
    """Base of the weighters whose weights are a function of the features.

    They leave ``centers_``, ``coef_`` and ``width_``.
    """

    def density_ratio(self, X, *, tasks=None):
        """Density of the target over that of the sources at any rows.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns)
            Columns as in fit; of which task a row is does not matter.
        tasks : array-like of shape (n_samples,), optional
            If fit had it.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        self._check_layout(tasks)
        X, _ = self._split_ids(X, tasks, reset=False)
        X = self._read_kernel_features(X, reset=False)
        if not self._shifted:
            return np.ones(X.shape[0])
        return gaussian(squared_distances(X, self.centers_), self.width_) @ self.coef_

    def _choose_centers(self, target, rng):
        """Rows of the target at which the kernels are."""
        n_rows = target.shape[0]
        if n_rows <= self.n_centers:
            return target
        return target[np.sort(rng.permutation(n_rows)[: self.n_centers])]


def effective_size(weights):
    """How many rows count, by their weights: (sum)^2 / sum of squares (Kish 1965)."""
    squares = np.sum(weights**2)
    return float(np.sum(weights) ** 2 / squares) if squares > 0 else 0.0


def squared_distances(X, Y):
    """Squared Euclidean distances (n_rows, m_rows) in float64."""
    X, Y = X.astype(np.float64), Y.astype(np.float64)
    if not sparse.issparse(X) and not sparse.issparse(Y):
        centre = Y.mean(axis=0)  # differences of large squares would be rounding errors
        X, Y = X - centre, Y - centre
    return euclidean_distances(X, Y, squared=True)


def gaussian(squares, width):
    """exp(-||x - z||^2 / (2 width^2)) from squared distances."""
    return np.exp(squares * (-0.5 / width**2))


def median_distance(source, target, rng):
    """Median distance of a source and a target row, of at most 1000 each; 1 if it is 0."""
    parts = []
    for rows in (source, target):
        if rows.shape[0] > MOST_FOR_MEDIAN:
            rows = rows[np.sort(rng.permutation(rows.shape[0])[:MOST_FOR_MEDIAN])]
        parts.append(rows)
    median = float(np.sqrt(np.median(squared_distances(*parts))))
    return median if median > 0 else 1.0


def read_grid(values, name):
    """Positive numbers, ascending."""
    grid = np.unique(np.asarray(values, dtype=np.float64))
    if grid.ndim != 1 or not len(grid) or not np.isfinite(grid).all() or grid[0] <= 0:
        raise ValueError(f"{name}={values!r} must be numbers > 0.")
    return grid


def check_width(width):
    """Raise unless a kernel width is None or a number above 0."""
    if width is not None:
        check_number(width, "width", strict=True)
