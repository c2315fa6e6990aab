"""Tables put together again: transformed columns and the column of task ids."""

import numpy as np
from scipy import sparse

from skmtl import frames
from skmtl.preprocessing.columns import dtype_beside_ids
from skmtl.tasks import check_task_ids, describe_column, locate_task_column


class NamesColumns:
    """Names of the columns of a transformer that changes all but the task column."""

    def _note_columns(self, X):
        """Keep the names of the columns in fit, and where the ids are."""
        X = frames.as_columns(X)
        self._columns = frames.column_names(X)
        self._ids_at = None
        if self.task_column is not None:
            self._ids_at = locate_task_column(X, self.task_column)

    def _split_names(self, input_features=None):
        """Names of the features, and that of the task column (None without)."""
        known = self._columns
        if input_features is not None:
            input_features = list(input_features)
            if known is not None and input_features != known:
                raise ValueError("input_features is not equal to feature_names_in_")
            if len(input_features) != self.n_features_in_:
                raise ValueError(
                    "input_features should have length equal to number of features "
                    f"({self.n_features_in_}), got {len(input_features)}"
                )
        names = input_features or known or [f"x{j}" for j in range(self.n_features_in_)]
        names = list(names)
        return names, None if self._ids_at is None else names.pop(self._ids_at)

    def _names_beside_ids(self, names, ids):
        """Names of the output in order."""
        names = list(names)
        if ids is not None:
            names.insert(place_of_ids(self.task_column, self._ids_at, len(names)), ids)
        return np.asarray(names, dtype=object)


def place_of_ids(task_column, position, n_values):
    """Where the ids go among n_values new columns: where the next step is told that they are.

    A position stays what it is, a negative one counts from the end of the new table. Where there
    are too few columns, the ids are at the nearer end.
    """
    if not isinstance(task_column, str) and task_column < 0:
        position = n_values + 1 + task_column
    return min(max(position, 0), n_values)


def with_ids(X, task_column, values, names):
    """New columns and the ids of X as a table of the type of X; sparse if the values are.

    Parameters
    ----------
    X : frame, array-like or sparse matrix of shape (n_rows, n_columns)
    task_column : int or str
    values : ndarray or sparse matrix of shape (n_rows, n_values)
    names : list of str
        Of the new columns, for a frame.
    """
    X = frames.as_columns(X)
    position = locate_task_column(X, task_column)
    place = place_of_ids(task_column, position, values.shape[1])
    column = frames.column_values(X, position)
    ids = check_task_ids(column, describe_column(task_column))
    if sparse.issparse(values):
        if dtype_beside_ids(ids, values.dtype).kind == "O":
            raise ValueError(
                f"the output is sparse, but a sparse matrix cannot hold the task ids of "
                f"{describe_column(task_column)}, which are no numbers: ask for dense output, or "
                "use integer ids."
            )
        dtype = dtype_beside_ids(ids, values.dtype)
        parts = [values[:, :place], sparse.csr_array(ids[:, None].astype(dtype)), values[:, place:]]
        return sparse.hstack(parts, format="csr", dtype=dtype)
    if frames.is_frame(X):
        table = as_frame(X, values, names)
        if frames.is_polars(X):
            return table.insert_column(place, X[:, position])
        table.insert(place, X.columns[position], X.iloc[:, position])
        return table
    dtype = dtype_beside_ids(ids, values.dtype)
    return np.insert(values.astype(dtype), place, ids, axis=1)


def as_frame(X, values, names):
    """Values as a frame of the type of X with its index, if X is a frame and they are dense."""
    if frames.is_pandas(X) and not sparse.issparse(values):
        return type(X)(values, index=X.index, columns=names)
    if frames.is_polars(X) and not sparse.issparse(values):
        return type(X)(values, schema=list(names))
    return values
