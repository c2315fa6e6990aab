"""What a task is: ids, codes and rows; tables with a column of ids.

A task is named by an id (a string, an integer, a category). Ids become codes 0..n_tasks-1 in
the order of the sorted ids, and codes become groups of rows.
"""

from contextlib import suppress

import numpy as np
from scipy import sparse

from skmtl import frames

# Beyond these a whole number is no longer told apart from its neighbours.
LARGEST_EXACT = {np.dtype(np.float16): 2**11, np.dtype(np.float32): 2**24}

# What the dtypes of checked ids are called; ids of one kind can be compared.
KINDS = {"i": "integers", "b": "integers", "U": "strings", "S": "bytes", "M": "dates"}


def describe_column(task_column):
    """How an error message names the column of the ids."""
    return "`tasks`" if task_column is None else f"column {task_column!r}"


def locate_task_column(X, task_column):
    """Position of the task column in X (a frame, an array or a sparse matrix)."""
    n_columns = X.shape[1]
    if isinstance(task_column, str):
        names = frames.column_names(X)
        if names is None:
            raise ValueError(
                f"task_column={task_column!r} is a name, but X is a {type(X).__name__} without "
                "column names: pass a frame, or give the position of the column (0 after "
                "keep_tasks)."
            )
        if task_column not in names:
            raise ValueError(f"task_column={task_column!r} is not a column of X; it has {names}.")
        return names.index(task_column)
    if isinstance(task_column, bool) or not isinstance(task_column, (int, np.integer)):
        raise TypeError(
            "task_column must be the position (int) or the name (str) of a column, "
            f"but it is {task_column!r}."
        )
    if not -n_columns <= task_column < n_columns:
        raise ValueError(f"task_column={task_column} is not a column of X: it has {n_columns}.")
    return int(task_column) % n_columns


def split_task_column(X, task_column):
    """Features and ids of a table: ids in their own dtype, features of the type of X."""
    X, position, ids = _read_task_column(X, task_column)
    if X.shape[1] == 1:
        raise ValueError(
            f"X has no feature besides the task column: {describe_column(task_column)} is its "
            "only one (Found array with 0 feature(s))."
        )
    return frames.drop_column(X, position), ids


def read_task_column(X, task_column):
    """Ids of a table, which need not have any feature."""
    return _read_task_column(X, task_column)[-1]


def _read_task_column(X, task_column):
    X = frames.as_columns(X)
    if np.ndim(X) != 2 and not frames.is_frame(X) and not sparse.issparse(X):
        raise ValueError(
            f"Expected 2D array, got {np.ndim(X)}D array instead: "
            f"task_column={task_column!r} names a column of a table. Reshape your data."
        )
    position = locate_task_column(X, task_column)
    ids = check_task_ids(frames.column_values(X, position), describe_column(task_column))
    return X, position, ids


def check_task_ids(ids, place="`tasks`"):
    """Ids as a 1-d array of strings, integers, booleans or dates; floats must be whole numbers.

    Raises
    ------
    ValueError
        If an id is missing, a number with a fraction, too large for the precision of its
        dtype, or if ids of different kinds cannot be ordered.
    """
    ids = np.asarray(ids)
    if ids.ndim != 1:
        raise ValueError(f"task ids must be 1-d, but {place} has shape {ids.shape}.")
    if ids.dtype.kind == "O":
        ids = _tighten(ids, place)
    if ids.dtype.kind == "f":
        ids = _whole_numbers(ids, place)
    if ids.dtype.kind == "u":
        if ids.size and ids.max() > np.iinfo(np.int64).max:
            raise ValueError(f"{place} holds the id {ids.max()}, above 2**63: pass it as a string.")
        ids = ids.astype(np.int64)
    if ids.dtype.kind == "M" and np.isnat(ids).any():
        raise ValueError(f"{place} holds no task id in row {int(np.argmax(np.isnat(ids)))}.")
    if ids.dtype.kind not in "ibUSM":
        raise ValueError(f"task ids must be labels or whole numbers, but {place} is {ids.dtype}.")
    return ids


def _tighten(ids, place):
    """Object ids as strings or numbers; a missing id and mixed kinds are errors."""
    missing = frames.is_missing(ids)
    if missing.any():
        raise ValueError(
            f"{place} holds no task id in row {int(np.argmax(missing))}: drop the row or name a "
            "task for it."
        )
    kinds = {str if isinstance(value, str) else float for value in ids.tolist()}
    if len(kinds) > 1:
        raise ValueError(
            f"{place} mixes strings and numbers as task ids: make all of them strings."
        )
    tight = np.array(ids.tolist())
    if tight.ndim != 1:
        raise ValueError(f"{place} holds {ids[0]!r}, which is no task id: use a string.")
    return tight


def _whole_numbers(ids, place):
    """Float ids as int64 if all are whole numbers that the dtype can tell apart."""
    if np.isnan(ids).any():
        row = int(np.argmax(np.isnan(ids)))
        raise ValueError(f"{place} holds no task id (NaN) in row {row}: drop the row or name one.")
    fractions = ids != np.floor(ids)
    if fractions.any() or not np.isfinite(ids).all():
        value = ids[np.argmax(fractions | ~np.isfinite(ids))]
        column = place.removeprefix("column ") if place.startswith("column ") else "0"
        raise ValueError(
            f"task ids must be labels or whole numbers, but {place} holds {float(value):.4g}: was "
            "it scaled or moved by an earlier step? Wrap the step: "
            f"keep_tasks(StandardScaler(), task_column={column})."
        )
    limit = LARGEST_EXACT.get(ids.dtype, 2**53)
    if ids.size and np.abs(ids).max() >= limit:
        raise ValueError(
            f"{place} holds the task id {np.abs(ids).max():.0f}, too large to be told apart in "
            f"{ids.dtype}: pass ids as integers or strings (for example in a frame)."
        )
    return ids.astype(np.int64)


def encode(ids):
    """Sorted distinct ids and the code (position among them) of every row."""
    labels, codes = np.unique(ids, return_inverse=True)
    return labels, codes.reshape(-1)


def match(ids, labels):
    """Codes of ids among known labels, by value; -1 where an id is not among them.

    Raises
    ------
    ValueError
        If the ids are of another kind than the labels: 1 and "1" are not the same task.
    """
    kind, known = KINDS[ids.dtype.kind], KINDS[labels.dtype.kind]
    if len(ids) and kind != known:
        raise ValueError(
            f"task {ids[0].item()!r} was not seen in fit, where the ids were {known} "
            f"({describe_ids(labels)}), but these are {kind}: make them {known} too."
        )
    positions = np.searchsorted(labels, ids)
    positions[positions == len(labels)] = 0
    return np.where(labels[positions] == ids, positions, -1)


def describe_ids(ids, most=5):
    """A short list of ids for an error message."""
    shown = ", ".join(repr(value) for value in ids[:most].tolist())
    return shown + (f", ... ({len(ids)} in all)" if len(ids) > most else "")


def group_rows(codes, n_groups):
    """For every code its rows, ascending: slices where the rows are sorted, else index arrays."""
    counts = np.bincount(codes, minlength=n_groups)
    ends = np.cumsum(counts)
    bounds = list(zip((ends - counts).tolist(), ends.tolist(), strict=True))
    if np.all(codes[1:] >= codes[:-1]):
        return [slice(start, stop) for start, stop in bounds]
    order = np.argsort(codes, kind="stable")
    return [order[start:stop] for start, stop in bounds]


def stack_tasks(Xs, ys=None, *, task_column="task"):
    """Stack the data sets of several tasks into one table with the ids in column 0.

    Parameters
    ----------
    Xs : dict or sequence of array-likes, sparse matrices or frames, one per task
        Of shape (n_samples_t, n_features_t). The keys of a dict become the ids, otherwise the
        ids are 0, 1, ... Frames are aligned by column name, and a column that a task does not
        have is NaN for that task. Arrays must agree in their number of columns.
    ys : dict or sequence of array-likes of shape (n_samples_t,), optional
        Targets, in the order (or with the keys) of `Xs`.
    task_column : str, default="task"
        Name of the id column if the tables are frames.

    Returns
    -------
    X : frame, sparse matrix or ndarray of shape (n_samples, 1 + n_features)
        An object array if the ids are strings and the tables are arrays: prefer integer keys
        or frames there.
    y : ndarray of shape (n_samples,)
        Only if `ys` is given.

    Raises
    ------
    ValueError
        If lengths or keys do not agree, arrays have different numbers of columns, or only some
        of the tables are frames.

    See Also
    --------
    split_tasks : The inverse.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl import stack_tasks
    >>> X, y = stack_tasks([np.ones((2, 3)), np.zeros((1, 3))], [[1.0, 2.0], [3.0]])
    >>> X
    array([[0., 1., 1., 1.],
           [0., 1., 1., 1.],
           [1., 0., 0., 0.]])
    >>> y
    array([1., 2., 3.])
    """
    ids, Xs = _keyed(Xs)
    if not Xs:
        raise ValueError("Xs is empty: give the data of at least one task.")
    Xs = [X if frames.is_frame(X) or sparse.issparse(X) else np.asarray(X) for X in Xs]
    if len({(frames.is_pandas(X), frames.is_polars(X)) for X in Xs}) > 1:
        kinds = {f"{type(X).__module__.partition('.')[0]} {type(X).__name__}" for X in Xs}
        raise ValueError(
            f"Xs mixes {' and '.join(sorted(kinds))}: frames are aligned by the names of their "
            "columns, which arrays do not have. Make all of them frames of one library, or arrays."
        )
    repeats = [X.shape[0] for X in Xs]
    keys = np.fromiter(ids, dtype=object, count=len(ids))  # an array would turn 1 into "1"
    column = check_task_ids(np.repeat(keys, repeats), "the keys of Xs")
    X = _stack_frames(Xs, column, task_column) if frames.is_frame(Xs[0]) else _stack(Xs, column)
    if ys is None:
        return X
    y_ids, ys = _keyed(ys)
    if list(y_ids) != list(ids):
        if set(y_ids) != set(ids):
            raise ValueError(f"Xs has the tasks {list(ids)}, but ys has {list(y_ids)}.")
        by_id = dict(zip(y_ids, ys, strict=True))
        ys = [by_id[task] for task in ids]
    for task, n_rows, y in zip(ids, repeats, ys, strict=True):
        if np.shape(y)[:1] != (n_rows,):
            raise ValueError(f"task {task!r} has {n_rows} rows in Xs but {np.shape(y)} in ys.")
    return X, np.concatenate([np.asarray(y) for y in ys])


def _keyed(items):
    if isinstance(items, dict):
        return list(items), list(items.values())
    items = list(items)
    return list(range(len(items))), items


def _stack(Xs, column):
    widths = sorted({X.shape[1] if X.ndim == 2 else -1 for X in Xs})
    if len(widths) > 1 or widths[0] < 0:
        raise ValueError(
            f"the tables of the tasks must be 2-d with the same columns, but have shapes "
            f"{[X.shape for X in Xs]}: use frames to align different features by name."
        )
    numeric = column.dtype.kind in "ib"
    if any(sparse.issparse(X) for X in Xs):
        if not numeric:
            raise ValueError("a sparse table cannot hold ids that are strings: use integer keys.")
        ids = sparse.csr_array(_id_values(column)[:, None])
        return sparse.hstack([ids, sparse.vstack(Xs, format="csr")], format="csr")
    stacked = np.concatenate(Xs)
    if numeric and stacked.dtype.kind in "biuf":
        values = _id_values(column)
        fits = stacked.dtype.kind != "f" or np.abs(values).max() < LARGEST_EXACT.get(
            stacked.dtype, 2**53
        )
        dtype = stacked.dtype if fits and stacked.dtype.kind == "f" else np.float64
        return np.column_stack([values.astype(dtype), stacked.astype(dtype, copy=False)])
    return np.column_stack([column.astype(object), stacked.astype(object)])


def _id_values(column):
    values = column.astype(np.float64)
    if np.abs(values).max() >= 2**53:
        raise ValueError(f"the task id {column.max()} is too large for a float: use strings.")
    return values


def _stack_frames(Xs, column, task_column):
    clash = [task_column for X in Xs if task_column in X.columns]
    if clash:
        raise ValueError(f"the frames have a column {task_column!r} already: give another name.")
    if frames.is_polars(Xs[0]):
        import polars

        stacked = polars.concat(Xs, how="diagonal_relaxed")
        stacked.insert_column(0, polars.Series(task_column, column))
        return stacked
    import pandas

    stacked = pandas.concat(Xs, ignore_index=True)
    stacked.insert(0, task_column, column)
    return stacked


def split_tasks(X, y=None, *, task_column=0):
    """Split a table with a task column into one table per task; the inverse of `stack_tasks`.

    Parameters
    ----------
    X : array-like, sparse matrix or frame of shape (n_samples, n_columns)
    y : array-like of shape (n_samples,), optional
    task_column : int or str, default=0
        Position or name of the column of ids.

    Returns
    -------
    Xs : dict
        Task id to table without the id column, ids sorted. From a frame, columns that are
        missing for a whole task but not for all are left out of that task's table.
    ys : dict
        Task id to targets. Only if `y` is given.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl import split_tasks
    >>> Xs, ys = split_tasks(np.array([[7, 1.0], [8, 2.0], [7, 3.0]]), [10, 20, 30])
    >>> Xs[7]
    array([[1.],
           [3.]])
    >>> ys[8]
    array([20])
    """
    features, ids = split_task_column(X, task_column)
    with suppress(ValueError, TypeError):  # words may stay
        features = features if frames.is_frame(features) else frames.as_numbers(features)
    labels, codes = encode(ids)
    rows = group_rows(codes, len(labels))
    Xs = [frames.take_rows(features, index) for index in rows]
    missing = frames.missing_entries(features) if frames.is_frame(features) else None
    if missing is not None:
        absent = np.array([missing[index].all(axis=0) for index in rows])
        absent &= ~absent.all(axis=0)
        Xs = [
            frames.take_columns(X, np.flatnonzero(~gone)) if gone.any() else X
            for X, gone in zip(Xs, absent, strict=True)
        ]
    if frames.is_pandas(features):
        Xs = [X.reset_index(drop=True) for X in Xs]
    keys = labels.tolist()
    if y is None:
        return dict(zip(keys, Xs, strict=True))
    y = np.asarray(y)
    if y.shape[:1] != (len(ids),):
        raise ValueError(f"X has {len(ids)} rows, but y has shape {y.shape}.")
    return (
        dict(zip(keys, Xs, strict=True)),
        dict(zip(keys, [y[index] for index in rows], strict=True)),
    )
