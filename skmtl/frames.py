"""Rows and columns of arrays, sparse matrices and frames, without needing a frame library."""

import numbers
import sys

import numpy as np
from scipy import sparse


def is_pandas(X):
    """Whether X is a pandas frame; pandas is not imported to find out."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(X, pandas.DataFrame)


def is_polars(X):
    """Whether X is a polars frame; polars is not imported to find out."""
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(X, polars.DataFrame)


def is_frame(X):
    """Whether X is a pandas or polars frame."""
    return is_pandas(X) or is_polars(X)


def as_columns(X):
    """X as an object whose columns can be taken: a frame, a sparse matrix or an array.

    A list is read as an object array: otherwise ids that are strings would turn its
    numbers into strings too.
    """
    if is_frame(X) or isinstance(X, np.ndarray):
        return X
    if sparse.issparse(X):
        return X if X.format in ("csr", "csc") else X.tocsr()
    if hasattr(X, "__array__"):
        return np.asarray(X)
    return np.array(X, dtype=object)


def take_rows(X, rows):
    """Rows of X by index array, boolean mask or slice; of the same type as X."""
    if is_pandas(X):
        return X.iloc[rows]
    if is_polars(X):
        if isinstance(rows, slice):
            return X[rows]
        rows = np.asarray(rows)
        return X.filter(rows) if rows.dtype == bool else X[rows]
    return X[rows]


def stack_rows(parts):
    """Tables of the same columns one below the other; frames by name."""
    if len(parts) == 1:
        return parts[0]
    if is_pandas(parts[0]):
        import pandas

        return pandas.concat(parts, ignore_index=True)
    if is_polars(parts[0]):
        import polars

        return polars.concat(parts, how="vertical_relaxed")
    if any(sparse.issparse(part) for part in parts):
        return sparse.vstack(parts, format="csr")
    return np.concatenate(parts)


def take_columns(X, columns):
    """Columns of X by index array; of the same type as X."""
    if is_pandas(X):
        return X.iloc[:, columns]
    if is_polars(X):
        return X[:, [int(column) for column in columns]]  # polars takes no numpy integers
    return X[:, columns]


def column_values(X, position):
    """One column of X as a 1-d array in its own dtype."""
    if is_pandas(X):
        return X.iloc[:, position].to_numpy()
    if is_polars(X):
        return X[:, int(position)].to_numpy()
    if sparse.issparse(X):
        return X[:, [position]].toarray().ravel()
    return X[:, position]


def drop_column(X, position):
    """X without one column; a view where X is an array and the column is an end one."""
    n_columns = X.shape[1]
    if isinstance(X, np.ndarray) and position == 0:
        return X[:, 1:]
    if isinstance(X, np.ndarray) and position == n_columns - 1:
        return X[:, :-1]
    return take_columns(X, np.delete(np.arange(n_columns), position))


def as_numbers(X):
    """Object and string arrays as float64; anything else as it is.

    Raises ValueError naming the first entry that is not a number, of a frame too.
    """
    if is_frame(X):
        for position, name in enumerate(X.columns):
            if _may_hold_text(X, position):
                values = column_values(X, position).astype(object)
                _to_float(np.where(is_missing(values), None, values), name)
        return X
    if isinstance(X, np.ndarray) and X.dtype.kind in "OUS":
        return _to_float(X)
    return X


def _may_hold_text(frame, position):
    if is_polars(frame):
        column = frame[:, position]
        return not column.dtype.is_numeric() and column.to_numpy().dtype.kind in "OUS"
    return frame.dtypes.iloc[position].kind in "OUS"  # text, categories and objects


def _to_float(values, name=None):
    """An array as float64; an error gives the place, in a column by its name."""
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError):
        for (row, *column), value in np.ndenumerate(values):
            try:
                float(0 if value is None else value)
            except (TypeError, ValueError) as error:
                feature = column[0] if column else repr(name)
                raise ValueError(
                    f"X holds {value!r} in row {row}, feature {feature}, where a number "
                    "is needed: encode it first (for example with OneHotEncoder), or name the "
                    "column of the tasks with task_column."
                ) from error
        raise


def column_names(X):
    """Names of the columns of a frame, else None."""
    return list(X.columns) if is_frame(X) else None


def like(X, values):
    """Values (n_rows, n_columns) as a frame with the columns and index of X, if X is a frame."""
    if is_pandas(X):
        return type(X)(values, index=X.index, columns=X.columns)
    return type(X)(values, schema=X.columns) if is_polars(X) else values


def beside_column(X, position, values):
    """A frame or sparse matrix like X: its column `position` where it was, values elsewhere."""
    if is_polars(X):
        return like(drop_column(X, position), values).insert_column(position, X[:, position])
    if is_pandas(X):
        table = like(drop_column(X, position), values)
        table.insert(position, X.columns[position], X.iloc[:, position])
        return table
    parts = [values[:, :position], X[:, [position]], values[:, position:]]
    return sparse.hstack(parts, format="csr", dtype=values.dtype)


def is_missing(values):
    """Mask of the entries of an array that are None, NaN, NaT or pandas.NA."""
    if values.dtype.kind != "O":
        return values != values
    na = getattr(sys.modules.get("pandas"), "NA", None)
    # Entry by entry: pandas.NA answers no comparison of whole arrays.
    flat = [value is None or value is na or value != value for value in values.ravel().tolist()]
    return np.array(flat, dtype=bool).reshape(values.shape)


def tighten(values):
    """An object array without missing entries as one of a dtype of its own; others as they are."""
    return np.array(values.tolist()) if values.dtype.kind == "O" else values


def missing_entries(X):
    """Mask (n_rows, n_columns) of missing entries of a float array or a frame; None if none."""
    if is_frame(X):
        columns = [_missing_in(X, position) for position in range(X.shape[1])]
        mask = np.column_stack(columns) if columns else np.zeros(X.shape, dtype=bool)
    elif isinstance(X, np.ndarray) and X.dtype.kind == "f":
        mask = np.isnan(X)
    else:
        return None
    return mask if mask.any() else None


def _missing_in(frame, position):
    if is_pandas(frame):
        return frame.iloc[:, position].isna().to_numpy()
    column = frame[:, position]
    missing = column.is_null()
    if column.dtype.is_float():
        missing |= column.is_nan().fill_null(False)
    return missing.to_numpy()


def fill_entries(X, mask, values):
    """A copy of X with `values` (one per column) where mask is set; NaN values leave a column."""
    columns = np.flatnonzero(mask.any(axis=0) & ~np.isnan(values))
    filled = X.clone() if is_polars(X) else X.copy()
    for column in columns.tolist():
        entries = column_values(X, column)
        replace_column(filled, column, np.where(mask[:, column], values[column], entries))
    return filled


def replace_column(X, position, values):
    """Put numbers in a column of an array or frame, in place; returns X."""
    if isinstance(X, np.ndarray):
        X[:, position] = values
    elif is_pandas(X):
        X.isetitem(position, values.astype(float))  # by position: names may be repeated
    else:
        column = type(X)({X.columns[position]: values.astype(float)}).to_series()
        X.replace_column(int(position), column)
    return X


def append_columns(X, names, values):
    """A frame with columns values (n_rows, n_names) added at the end.

    Their names are integers, those that follow, if all names of the frame are.
    """
    if is_polars(X):
        return X.hstack(type(X)(values, schema=names))
    import pandas

    if all(isinstance(name, (int, np.integer)) for name in X.columns):
        first = max(X.columns, default=-1) + 1
        names = range(first, first + len(names))
    # One concatenation: columns added one by one fragment the frame.
    return pandas.concat([X, pandas.DataFrame(values, index=X.index, columns=names)], axis=1)


def column_means(X, mask):
    """Mean of every column of numbers over the entries outside mask; NaN for other columns."""
    means = np.full(X.shape[1], np.nan)
    for column in range(X.shape[1]):
        values = column_values(X, column)[~mask[:, column]]
        if len(values) and _are_numbers(values):
            means[column] = np.mean(values.astype(np.float64))
    return means


def _are_numbers(values):
    if values.dtype.kind == "O":
        return all(isinstance(value, numbers.Real) for value in values.tolist())
    return values.dtype.kind in "biuf"
