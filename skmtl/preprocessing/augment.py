"""A copy of the features for every task."""

import numpy as np
from scipy import sparse
from sklearn.base import TransformerMixin
from sklearn.utils import murmurhash3_32
from sklearn.utils.validation import check_is_fitted

from skmtl import frames
from skmtl.base import TaskEstimator, check_number
from skmtl.preprocessing.assembly import NamesColumns, as_frame, with_ids
from skmtl.task_data import check_weights
from skmtl.tasks import encode

MANY_TASKS = 10  # from here on most of the output is zero: it is sparse unless told otherwise


class TaskFeatureAugmenter(NamesColumns, TransformerMixin, TaskEstimator):
    """Features once for all tasks, and once more for the task of the row: [x, 0, .., x, .., 0].

    A linear model of the output has the coefficients w_t = shared_scale * u_0 + task_scale * u_t,
    so that an ordinary estimator learns what tasks share and how they differ. With a ridge penalty
    alpha on the output that is `MeanRegularizedRidge` with penalties alpha / shared_scale^2 of the
    common model and alpha / task_scale^2 of the deviations. Trees and kernels may be put on it too.

    Parameters
    ----------
    task_column : int or str, optional
        Position or name of the column of X that holds the task ids.
    n_hashed : int, default=None
        The copies of all tasks share so many columns: feature j of task t is added to a column,
        with a sign, both of which are a hash of t and j. For texts of many tasks. None: a copy per
        task.
    shared_scale, task_scale : float, default=1.0
        Factors of the shared features and of their copies. A small `task_scale` penalises the
        deviations of tasks more.
    keep_task_column : bool, default=False
        Pass the task ids on, at the position (or, for a name, with the name) that `task_column`
        says. Most estimators should not see them.
    sparse_output : bool or "auto", default="auto"
        "auto": a csr matrix if X is sparse, there are ten tasks or more, or features are hashed,
        else an array or frame.
    unknown_task : {"error", "shared"}, default="error"
        A task that fit did not see is an error, or has the shared features only.

    Attributes
    ----------
    tasks_ : ndarray of shape (n_tasks,)
        The task ids, sorted: the order of the copies.

    See Also
    --------
    MeanRegularizedRidge : The same model in closed form, at a cost linear in the tasks.
    DataSharedLasso : The same parts with an l1 penalty.

    Notes
    -----
    With one task, and without tasks, there is nothing but the shared features. The same holds for
    a task whose rows all have weight zero. NaN passes.

    References
    ----------
    Daumé 2007, *Frustratingly easy domain adaptation*, ACL. Weinberger, Dasgupta, Langford, Smola,
    Attenberg 2009, *Feature hashing for large scale multitask learning*, ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl import TaskFeatureAugmenter
    >>> X = np.array([[0, 1.0], [0, 2.0], [1, 3.0]])
    >>> TaskFeatureAugmenter(task_column=0).fit_transform(X)
    array([[1., 1., 0.],
           [2., 2., 0.],
           [3., 0., 3.]])
    """

    __metadata_request__transform = {"tasks": True}  # noqa: RUF012

    def __init__(
        self,
        task_column=None,
        *,
        n_hashed=None,
        shared_scale=1.0,
        task_scale=1.0,
        keep_task_column=False,
        sparse_output="auto",
        unknown_task="error",
    ):
        self.task_column = task_column
        self.n_hashed = n_hashed
        self.shared_scale = shared_scale
        self.task_scale = task_scale
        self.keep_task_column = keep_task_column
        self.sparse_output = sparse_output
        self.unknown_task = unknown_task

    def fit(self, X, y=None, *, sample_weight=None, tasks=None):
        """Note the tasks.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns)
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional
            Tasks without a positive weight get no copy.
        tasks : array-like of shape (n_samples,), optional
            Task of every row, instead of ``task_column``.

        Returns
        -------
        self : object
        """
        self._check_parameters()
        table = X
        X, ids = self._split_ids(X, tasks, reset=True)
        X = self._read_features(X, reset=True)
        self._note_columns(table)
        labels, codes = encode(np.zeros(X.shape[0], dtype=int) if ids is None else ids)
        self._settle_layout(ids, None, labels)
        weights = check_weights(sample_weight, (X.shape[0],), False)
        if not weights.any():
            raise ValueError("sample_weight is zero for every row: there is no task to copy for.")
        used = np.bincount(codes, weights, minlength=len(labels)) > 0
        # Which copy a task has; -1, also as the last entry for unknown tasks: none.
        self._copies = np.append(np.where(used, np.cumsum(used) - 1, -1), -1)
        self._n_copies = int(used.sum())
        if self._n_copies <= 1:
            self._copies[:], self._n_copies = -1, 0
        return self

    def fit_transform(self, X, y=None, *, sample_weight=None, tasks=None):
        """Fit, and transform the same rows; parameters as in `fit`."""
        return self.fit(X, y, sample_weight=sample_weight, tasks=tasks).transform(X, tasks=tasks)

    def transform(self, X, *, tasks=None):
        """Shared features and copies of every row.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns)
        tasks : array-like of shape (n_samples,), optional
            Task of every row; needed if (and only if) fit had it.

        Returns
        -------
        {ndarray, csr matrix, frame} of shape (n_samples, n_columns_out)
        """
        self._check_layout(tasks)
        features, ids = self._split_ids(X, tasks, reset=False)
        features = self._read_features(features, reset=False)
        copies = self._copies[self._codes_of_rows(ids, features.shape[0])]
        as_sparse = self._is_sparse(features)
        if as_sparse or sparse.issparse(features):
            features = sparse.csr_array(features)
        values = self._augment(features, ids, copies)
        if not as_sparse and sparse.issparse(values):
            values = values.toarray()
        names = None
        if frames.is_frame(X) and not as_sparse:
            names = self._names_of_values(self._split_names()[0])
        if self.task_column is not None and self.keep_task_column:
            return with_ids(X, self.task_column, values, names)
        return values if names is None else as_frame(X, values, names)

    def get_feature_names_out(self, input_features=None):
        """Names of the columns of the output.

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
        return self._names_beside_ids(
            self._names_of_values(names), ids if self.keep_task_column else None
        )

    def _augment(self, X, ids, copies):
        """Columns of the output; of the type of X."""
        shared = X * X.dtype.type(self.shared_scale)
        own = X * X.dtype.type(self.task_scale)
        if self._n_copies == 0:
            return shared
        if self.n_hashed is not None:
            return self._beside(shared, self._hash(own, ids, copies))
        n_rows, n_features = X.shape
        if not sparse.issparse(X):
            out = np.zeros((n_rows, 1 + self._n_copies, n_features), dtype=X.dtype)
            rows = np.flatnonzero(copies >= 0)
            out[:, 0] = shared
            out[rows, 1 + copies[rows]] = own[rows]
            return out.reshape(n_rows, -1)
        own = only_rows(own, copies >= 0)
        offset = np.repeat(copies.astype(np.int64) * n_features, np.diff(own.indptr))
        shape = (n_rows, self._n_copies * n_features)
        return self._beside(
            shared, sparse.csr_array((own.data, own.indices + offset, own.indptr), shape)
        )

    def _hash(self, X, ids, copies):
        """Copies of all tasks in `n_hashed` columns (Weinberger et al. 2009, eq. 3)."""
        n_features = X.shape[1]
        features = np.arange(n_features, dtype=np.int32)
        parts, order = [], []
        labels, codes = encode(ids)
        for code, label in enumerate(labels.tolist()):
            rows = np.flatnonzero((codes == code) & (copies >= 0))
            seed = murmurhash3_32(str(label), positive=True)
            hashes = murmurhash3_32(features, seed=seed).astype(np.int64)
            signs = np.where(hashes >= 0, 1, -1).astype(X.dtype)
            places = np.abs(hashes) % self.n_hashed
            to_place = sparse.csr_array(
                (signs, (features, places)), shape=(n_features, self.n_hashed)
            )
            parts.append(X[rows] @ to_place)
            order.append(rows)
        order = np.concatenate(order)
        back = np.full(X.shape[0], len(order))  # of a row without a copy: a row of zeros
        back[order] = np.arange(len(order))
        if sparse.issparse(X):
            parts.append(sparse.csr_array((1, self.n_hashed), dtype=X.dtype))
            return sparse.vstack(parts, format="csr")[back]
        return np.vstack([*parts, np.zeros((1, self.n_hashed), dtype=X.dtype)])[back]

    def _beside(self, shared, own):
        if sparse.issparse(shared):
            return sparse.hstack([shared, own], format="csr", dtype=shared.dtype)
        return np.hstack([shared, own])

    def _is_sparse(self, features):
        if self.sparse_output == "auto":
            many = self._n_copies >= MANY_TASKS or (self._n_copies and self.n_hashed is not None)
            return bool(sparse.issparse(features) or many)
        return bool(self.sparse_output)

    def _check_parameters(self):
        self._check_shared_parameters()
        if self.n_hashed is not None:
            check_number(self.n_hashed, "n_hashed", low=1, integer=True)
        check_number(self.shared_scale, "shared_scale")
        check_number(self.task_scale, "task_scale")
        if not isinstance(self.keep_task_column, (bool, np.bool_)):
            raise TypeError(
                f"keep_task_column must be True or False, not {self.keep_task_column!r}."
            )
        if self.sparse_output not in ("auto", True, False):
            raise ValueError(f"sparse_output={self.sparse_output!r} is not 'auto', True or False.")

    def _names_of_values(self, names):
        if self._n_copies == 0:
            return list(names)
        if self.n_hashed is not None:
            return [*names, *(f"hashed{place}" for place in range(self.n_hashed))]
        labels = self.tasks_[self._copies[:-1] >= 0].tolist()
        return [*names, *(f"{name}_{label}" for label in labels for name in names)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def only_rows(X, kept):
    """A csr matrix with the entries of some rows only."""
    if kept.all():
        return X
    entries = np.repeat(kept, np.diff(X.indptr))
    indptr = np.concatenate([[0], np.cumsum(np.diff(X.indptr) * kept)])
    return sparse.csr_array((X.data[entries], X.indices[entries], indptr), X.shape)
