"""Transformers that leave the task column alone."""

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.utils.validation import validate_data

from skmtl import frames
from skmtl.tasks import LARGEST_EXACT, check_task_ids, describe_column


def dtype_beside_ids(ids, dtype=np.float64):
    """Dtype of an array that holds ids exactly next to numbers of a dtype."""
    if ids.dtype.kind not in "ib":
        return np.dtype(object)
    largest = int(np.abs(ids.astype(np.int64)).max(initial=0))
    if largest < LARGEST_EXACT.get(np.dtype(dtype), 2**53):
        return np.dtype(dtype)
    return np.dtype(np.float64 if largest < 2**53 else object)


class TaskIds(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Passes one column of task ids on; what stands beside it cannot change an id.

    An id that float64 cannot hold becomes a Python integer, so that the table becomes one of
    objects.

    Parameters
    ----------
    task_column : int or str
        What an error message calls the column.
    """

    def __init__(self, task_column):
        self.task_column = task_column

    def fit(self, X, y=None):
        """Check the ids."""
        validate_data(self, X, skip_check_array=True)
        self.numeric_ = self._read(X)[1].dtype.kind in "ib"
        return self

    def transform(self, X):
        """Return the column of ids."""
        X, ids = self._read(X)
        if ids.dtype.kind == "i" and dtype_beside_ids(ids).kind == "O":
            return X.astype(object) if frames.is_pandas(X) else ids[:, None].astype(object)
        if sparse.issparse(X):
            return X.toarray()  # so that a dense output of the transformer beside it stays dense
        if isinstance(X, np.ndarray) and X.dtype == object and ids.dtype.kind in "ib":
            return ids[:, None]
        return X

    def _read(self, X):
        X = frames.as_columns(X)
        return X, check_task_ids(frames.column_values(X, 0), describe_column(self.task_column))


class KeepTasks(ColumnTransformer):
    """The `ColumnTransformer` of :func:`keep_tasks`; says so if the ids cannot be sparse."""

    def fit_transform(self, X, y=None, **params):
        """Fit the transformer to the features; ids and transformed features."""
        return self._refuse_sparse_strings(super().fit_transform, X, y, **params)

    def transform(self, X, **params):
        """Ids and transformed features."""
        return self._refuse_sparse_strings(super().transform, X, **params)

    def _refuse_sparse_strings(self, method, X, *args, **params):
        failure = output = None
        if sparse.issparse(X):
            X = frames.as_columns(X)  # csr for formats without columns, such as coo
        try:
            output = method(X, *args, **params)
        except (TypeError, ValueError) as error:
            failure = error
        # Looked at after a success too: "01" and "1" would both have become 1.0.
        if (
            getattr(self, "sparse_output_", False)
            and not self.named_transformers_["tasks"].numeric_
        ):
            raise ValueError(
                "the output of the transformer is sparse, but a sparse matrix cannot hold the "
                f"task ids of {describe_column(self.named_transformers_['tasks'].task_column)}, "
                "which are no numbers: make the transformer return dense output (for example "
                "OneHotEncoder(sparse_output=False)), or use integer ids."
            ) from failure
        if failure is not None:
            raise failure
        return output


def keep_tasks(transformer, task_column):
    """Wrap a transformer so that the task ids pass it untouched, as column 0 of its output.

    Parameters
    ----------
    transformer : transformer, "passthrough" or "drop"
        Gets all columns but the ids, and what other steps of the pipeline get.
    task_column : int or str
        Position (negative: from the end) or name of the column of ids.

    Returns
    -------
    ColumnTransformer
        Parameters of `transformer` are tuned as ``remainder__<name>`` (in `make_pipeline`
        ``keeptasks__remainder__<name>``), and the transformer itself as ``remainder``; the
        fitted one is ``named_transformers_["remainder"]``. The
        output is sparse if that of `transformer` is; then ids must be integers. Otherwise
        it is an array (of objects, if the ids are strings), or a frame after
        ``set_output(transform="pandas")``.

    See Also
    --------
    TaskScaler : Scales every task by itself.

    Notes
    -----
    The ids are in column 0 of the output, so whatever follows in a pipeline is told
    ``task_column=0``, another ``keep_tasks`` included.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skmtl.preprocessing import keep_tasks
    >>> X = np.array([[1.0, 7.0], [3.0, 7.0], [1.0, 8.0], [3.0, 8.0]])
    >>> keep_tasks(StandardScaler(), task_column=1).fit_transform(X)
    array([[ 7., -1.],
           [ 7.,  1.],
           [ 8., -1.],
           [ 8.,  1.]])
    """
    return KeepTasks(
        [("tasks", TaskIds(task_column), [task_column])],
        remainder=transformer,
        sparse_threshold=1.0,
        verbose_feature_names_out=False,
    )
