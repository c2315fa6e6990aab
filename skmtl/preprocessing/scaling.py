"""Standardisation by task."""

import numbers

import numpy as np
from scipy import sparse
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_scalar

from skmtl import frames
from skmtl.base import TaskEstimator
from skmtl.moments import ratio, task_moments
from skmtl.preprocessing.columns import dtype_beside_ids
from skmtl.task_data import check_weights
from skmtl.tasks import check_task_ids, describe_column, encode, locate_task_column


class TaskScaler(OneToOneFeatureMixin, TransformerMixin, TaskEstimator):
    """Standardise the features within each task, with the scale of small tasks shrunk.

    The mean and the variance of a feature in task t are those of its n_t rows together with
    k = `shrinkage` pseudo rows that have the mean m and the variance v of all rows. With the
    share s = n_t / (n_t + k) of its own rows ::

        mean_t = s * m_t + (1 - s) * m
        var_t  = s * (v_t + (m_t - mean_t)^2) + (1 - s) * (v + (m - mean_t)^2)

    **One global scale is the better default**: ``keep_tasks(StandardScaler(), task_column)``.
    Scaling per task usually destroys what tasks share, since a slope per unit becomes a slope per
    task-specific standard deviation, and a level that tells tasks apart is gone. Scale per task
    where the units themselves differ from task to task (sensors, currencies, raters).

    Parameters
    ----------
    task_column : int or str, optional
        Position or name of the column of X that holds the task ids. It stays where it is.
    shrinkage : float, default=10.0
        Number of pseudo rows: 0 gives each task its own scale, ``np.inf`` all the global one.
        In units of `sample_weight`, if there is one.
    with_mean : bool, default=True
        Subtract the mean; impossible for sparse X.
    with_std : bool, default=True
        Divide by the standard deviation. A constant feature is not divided.
    unknown_task : {"error", "shared"}, default="shared"
        A task that fit did not see is an error, or scaled by the global scale.

    Attributes
    ----------
    tasks_ : ndarray of shape (n_tasks,)
    mean_, scale_ : ndarray of shape (n_tasks, n_features)
        The task column is no feature.
    mean_shared_, scale_shared_ : ndarray of shape (n_features,)
        Over all rows.

    See Also
    --------
    keep_tasks : Wraps `StandardScaler` and other transformers.

    Notes
    -----
    NaN is ignored in fit and stays NaN. A feature without any value has mean 0 and scale 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.preprocessing import TaskScaler
    >>> X = np.array([[0, 1.0], [0, 3.0], [1, 100.0], [1, 300.0]])
    >>> TaskScaler(task_column=0, shrinkage=0).fit_transform(X)
    array([[ 0., -1.],
           [ 0.,  1.],
           [ 1., -1.],
           [ 1.,  1.]])
    """

    __metadata_request__transform = {"tasks": True}  # noqa: RUF012
    __metadata_request__inverse_transform = {"tasks": True}  # noqa: RUF012

    def __init__(
        self,
        task_column=None,
        *,
        shrinkage=10.0,
        with_mean=True,
        with_std=True,
        unknown_task="shared",
    ):
        self.task_column = task_column
        self.shrinkage = shrinkage
        self.with_mean = with_mean
        self.with_std = with_std
        self.unknown_task = unknown_task

    def fit(self, X, y=None, *, sample_weight=None, tasks=None):
        """Compute mean and scale of every task.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns)
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional
        tasks : array-like of shape (n_samples,), optional
            Task of every row, instead of ``task_column``.

        Returns
        -------
        self : object
        """
        check_scalar(self.shrinkage, "shrinkage", numbers.Real, min_val=0)
        self._check_shared_parameters()
        X, ids = self._split_ids(X, tasks, reset=True)
        X = self._read_scalable(X, reset=True)
        labels, codes = encode(np.zeros(X.shape[0], dtype=int) if ids is None else ids)
        self._settle_layout(ids, None, labels)
        weights = check_weights(sample_weight, (X.shape[0], 1), False)
        if not weights.any():
            raise ValueError("sample_weight is zero for every row: nothing to learn from.")
        sizes, mean, var = task_moments(X, codes, len(labels), weights)
        total = sizes.sum(axis=0)
        shared_mean = ratio((sizes * mean).sum(axis=0), total)
        shared_var = ratio((sizes * (var + (mean - shared_mean) ** 2)).sum(axis=0), total)
        own = ratio(sizes, sizes + self.shrinkage)
        self.mean_ = own * mean + (1 - own) * shared_mean
        var = own * (var + (mean - self.mean_) ** 2)
        var += (1 - own) * (shared_var + (shared_mean - self.mean_) ** 2)
        self.scale_ = self._scale(self.mean_, var, X.shape[0])
        self.mean_shared_ = shared_mean
        self.scale_shared_ = self._scale(shared_mean, shared_var, X.shape[0])
        return self

    def fit_transform(self, X, y=None, *, sample_weight=None, tasks=None):
        """Fit, and transform the same rows; parameters as in `fit`."""
        return self.fit(X, y, sample_weight=sample_weight, tasks=tasks).transform(X, tasks=tasks)

    def transform(self, X, *, tasks=None):
        """Scale every row by the scale of its task.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns)
        tasks : array-like of shape (n_samples,), optional
            Task of every row; needed if (and only if) fit had it.

        Returns
        -------
        {ndarray, csr matrix, frame} of shape (n_samples, n_columns)
            Of the type of X.
        """
        features, mean, scale = self._read_scaled_rows(X, tasks)
        return self._rebuild(X, features, (_values(features) - mean) / scale)

    def inverse_transform(self, X, *, tasks=None):
        """Undo `transform`; parameters as there."""
        features, mean, scale = self._read_scaled_rows(X, tasks)
        return self._rebuild(X, features, _values(features) * scale + mean)

    def _read_scalable(self, X, *, reset):
        X = self._read_features(X, reset=reset)
        if sparse.issparse(X):
            if self.with_mean:
                raise ValueError(
                    "Cannot center sparse matrices, with_mean=True: pass `with_mean=False`."
                )
            X = X.tocsr()
        return X

    def _read_scaled_rows(self, X, tasks):
        """Features, and mean and scale of their values (the stored ones of a sparse matrix)."""
        self._check_layout(tasks)
        features, ids = self._split_ids(X, tasks, reset=False)
        features = self._read_scalable(features, reset=False)
        where = codes = self._codes_of_rows(ids, features.shape[0])
        if sparse.issparse(features):
            where = np.repeat(codes, np.diff(features.indptr)), features.indices
        # Code -1, an unknown task, takes the last row.
        scale = np.vstack([self.scale_, self.scale_shared_])[where]
        mean = np.vstack([self.mean_, self.mean_shared_])[where] if self.with_mean else 0.0
        return features, mean, scale

    def _scale(self, mean, var, n_samples):
        if not self.with_std:
            return np.ones_like(var)
        # The rounding error of the mean leaves a constant feature some variance.
        constant = var <= (n_samples * np.finfo(np.float64).eps * mean) ** 2
        return np.sqrt(np.where(constant, 1.0, var))

    def _rebuild(self, X, features, values):
        """A table of the type of X, with the ids where they were and new values elsewhere."""
        values = values.astype(features.dtype, copy=False)
        if sparse.issparse(features):
            values = type(features)((values, features.indices, features.indptr), features.shape)
        if self.task_column is None:
            return frames.like(X, values)
        X = frames.as_columns(X)
        position = locate_task_column(X, self.task_column)
        if frames.is_frame(X) or sparse.issparse(X):
            return frames.beside_column(X, position, values)
        ids = check_task_ids(X[:, position], describe_column(self.task_column))
        table = np.empty(X.shape, dtype=dtype_beside_ids(ids, values.dtype))
        table[:, position] = ids
        table[:, :position] = values[:, :position]
        table[:, position + 1 :] = values[:, position:]
        return table

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = not self.with_mean
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _values(features):
    return features.data if sparse.issparse(features) else features
