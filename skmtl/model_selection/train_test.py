"""One split into training and test rows, within every task."""

import numbers

import numpy as np
from sklearn.utils import check_consistent_length, check_random_state, indexable

from skmtl.model_selection.dealing import codes_by_appearance, rank_within, spread_over_classes
from skmtl.model_selection.splitters import find_ids


def task_train_test_split(
    *arrays,
    task_column=None,
    tasks=None,
    test_size=None,
    train_size=None,
    shuffle=True,
    stratify=None,
    random_state=None,
):
    """Split arrays into training and test rows, each task in the same proportion.

    Parameters
    ----------
    *arrays : arrays, sparse matrices, frames or lists of length n_samples
        The first one is X, if ``task_column`` is given.
    task_column : int or str, optional
        Position or name of the column of ids in the first array.
    tasks : array-like of shape (n_samples,), optional
        Task ids, instead of ``task_column``. Like `stratify` they are only read: to have them
        split too, pass them as one of the arrays.
    test_size, train_size : float or int, optional
        A float is a share of the rows of each task (rounded up for test, down for training, as
        in scikit-learn), an int a number of rows **of each task**. One of them alone leaves the
        other the remaining rows; without both, ``test_size=0.25``. At least one row of each task
        is for training, and a task that has too few rows for both has fewer (or no) test rows.
    shuffle : bool, default=True
        If False, the first rows of each task are for training, and the order is kept.
    stratify : array-like of shape (n_samples,), optional
        Classes that are split in the same proportion within each task.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    list
        The training and the test part of every array, as `train_test_split` returns them. With
        one task (neither ``task_column`` nor ``tasks``) and no `stratify` they are the same.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.model_selection import task_train_test_split
    >>> X = np.array([[7, 0.1], [7, 0.2], [7, 0.3], [8, 0.4], [8, 0.5]])
    >>> train, test = task_train_test_split(X, task_column=0, train_size=1, shuffle=False)
    >>> train
    array([[7. , 0.1],
           [8. , 0.4]])
    """
    if not arrays:
        raise ValueError("task_train_test_split needs at least one array.")
    if tasks is not None and task_column is not None:
        raise ValueError(
            f"task ids came twice: in column {task_column!r} (task_column) and as `tasks`. Give "
            "one of them."
        )
    if stratify is not None and not shuffle:
        raise ValueError("stratify needs shuffle=True: which rows are picked is left to chance.")
    arrays = indexable(*arrays)
    ids = find_ids(arrays[0], task_column, tasks, "tasks")
    n_samples = arrays[0].shape[0] if hasattr(arrays[0], "shape") else len(arrays[0])
    ids = np.zeros(n_samples, dtype=int) if ids is None else ids
    check_consistent_length(arrays[0], ids, stratify)
    rng = check_random_state(random_state)
    order = rng.permutation(n_samples) if shuffle else np.arange(n_samples)
    codes = codes_by_appearance(ids[order])
    n_train, n_test = _split_sizes(np.bincount(codes), test_size, train_size)
    if stratify is not None:
        classes = codes_by_appearance(np.asarray(stratify)[order])
        is_train, is_test = spread_over_classes(codes, classes, n_train, n_test, rng)
    else:
        rank, _ = rank_within(codes)
        # As in scikit-learn, test rows come first in the random order, last in the given one.
        first, second = (n_test, n_train) if shuffle else (n_train, n_test)
        is_first = rank < first[codes]
        is_second = ~is_first & (rank < (first + second)[codes])
        is_test, is_train = (is_first, is_second) if shuffle else (is_second, is_first)
    train, test = order[is_train], order[is_test]
    return [_take(array, rows) for array in arrays for rows in (train, test)]


def _split_sizes(sizes, test_size, train_size):
    """Number of training and test rows of every task."""
    if test_size is None and train_size is None:
        test_size = 0.25
    if train_size is None:
        n_test = np.minimum(_wanted_rows(test_size, sizes, np.ceil, "test_size"), sizes - 1)
        n_train = sizes - n_test
    else:
        n_train = np.maximum(_wanted_rows(train_size, sizes, np.floor, "train_size"), 1)
        n_test = sizes - n_train
    if train_size is not None and test_size is not None:
        n_test = np.minimum(_wanted_rows(test_size, sizes, np.ceil, "test_size"), n_test)
        if train_size + test_size > 1 and max(train_size, test_size) < 1:
            raise ValueError(
                f"train_size={train_size} and test_size={test_size} add up to more than all rows."
            )
    if not n_test.any():
        raise ValueError(
            f"no task has a row left for test: the largest has {sizes.max()}, and test_size is "
            f"{test_size}, train_size {train_size}."
        )
    return n_train, n_test


def _wanted_rows(size, sizes, rounded, name):
    if isinstance(size, numbers.Integral) and size >= 1:
        return np.minimum(size, sizes)
    if isinstance(size, numbers.Real) and 0 < size < 1:
        return rounded(size * sizes).astype(int)
    raise ValueError(
        f"{name}={size!r} must be a share between 0 and 1 or a number of rows of each task."
    )


def _take(array, rows):
    """Rows of anything `indexable` lets through, pandas and polars series included."""
    if hasattr(array, "iloc"):
        return array.iloc[rows]
    if hasattr(array, "shape"):
        return array[rows]
    return [array[row] for row in rows.tolist()]
