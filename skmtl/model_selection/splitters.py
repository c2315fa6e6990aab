"""Cross-validation: every task in every training fold, or one task left out."""

import numbers

import numpy as np
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.multiclass import type_of_target

from skmtl.model_selection.dealing import codes_by_appearance, deal
from skmtl.tasks import check_task_ids, encode, read_task_column


def find_ids(X, task_column, ids, name="groups"):
    """Task ids given as such, else from a column of X; None if there are neither."""
    if ids is not None:
        return check_task_ids(ids, f"`{name}`")
    return None if task_column is None else read_task_column(X, task_column)


class TaskSplitter(BaseCrossValidator):
    """Reads task ids from ``groups`` or from the task column; routed ``groups`` are wanted."""

    __metadata_request__split = {"groups": True}  # noqa: RUF012


class TaskKFold(TaskSplitter):
    """K folds within each task, so that every task is in every training fold.

    The rows of each task are dealt over all folds. The sizes of the folds, and the numbers of
    rows a task has in them, differ by one at most. **The only row of a task is never in a test
    fold**: it is training data in every split. A plain `KFold` on rows that are sorted by task
    drops whole tasks instead.

    Parameters
    ----------
    n_splits : int, default=5
    task_column : int or str, optional
        Position or name of the column of X that holds the task ids. ``groups``, if passed to
        ``split``, are used instead. With neither, all rows are of one task and the folds are
        those of `KFold`: right for a 2-d y, where all tasks share the rows, but wrong for an
        estimator with a ``task_column`` of its own, which the splitter does not see.
    shuffle : bool, default=False
        Deal rows at random, not in contiguous blocks of each task.
    stratify : bool, default=False
        Deal class by class within each task: the counts of a class in a task differ by one at
        most between folds. The only row of a class in a task is missing from one training fold.
    random_state : int, RandomState instance or None, default=None
        For ``shuffle``.

    See Also
    --------
    LeaveOneTaskOut : For predictions of tasks that were not seen.

    Notes
    -----
    `cross_val_predict` needs every row in one test fold, so it refuses data with tasks of one
    row. Folds depend on the order of rows but not on the names of tasks.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.model_selection import TaskKFold
    >>> X = np.array([[7, 0.1], [7, 0.2], [7, 0.3], [8, 0.4], [8, 0.5], [8, 0.6]])
    >>> for train, test in TaskKFold(3, task_column=0).split(X):
    ...     print(train, test)
    [1 2 4 5] [0 3]
    [0 2 3 5] [1 4]
    [0 1 3 4] [2 5]
    """

    def __init__(
        self, n_splits=5, *, task_column=None, shuffle=False, stratify=False, random_state=None
    ):
        self.n_splits = n_splits
        self.task_column = task_column
        self.shuffle = shuffle
        self.stratify = stratify
        self.random_state = random_state

    def split(self, X, y=None, groups=None):
        """Yield the rows of the training and the test fold of every split.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns)
        y : array-like of shape (n_samples,) or (n_samples, n_tasks), optional
            Needed if ``stratify``.
        groups : array-like of shape (n_samples,), optional
            Task ids.

        Yields
        ------
        train, test : ndarray
            Ascending row numbers.
        """
        return super().split(X, y, groups)

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return the number of folds; all parameters are ignored."""
        return self.n_splits

    def _iter_test_masks(self, X=None, y=None, groups=None):
        folds = self._folds(X, y, groups)
        for fold in range(self.n_splits):
            yield folds == fold

    def _folds(self, X, y, groups):
        """Test fold of every row; -1 for the only row of a task."""
        check_scalar(self.n_splits, "n_splits", numbers.Integral, min_val=2)
        n_samples = X.shape[0] if hasattr(X, "shape") else len(X)
        ids = find_ids(X, self.task_column, groups)
        ids = np.zeros(n_samples, dtype=int) if ids is None else ids
        order = np.arange(n_samples)
        if self.shuffle:
            order = check_random_state(self.random_state).permutation(n_samples)
        tasks = codes_by_appearance(ids[order])
        order = order[np.bincount(tasks)[tasks] > 1]
        if len(order) < self.n_splits:
            raise ValueError(
                f"n_splits={self.n_splits} is more than the {len(order)} rows that tasks with at "
                "least two rows have (the only row of a task is never in a test fold)."
            )
        cells = codes_by_appearance(ids[order])
        if self.stratify:
            # Sorted by task, then class: the cells of a task follow each other.
            classes = codes_by_appearance(self._check_classes(y)[order])
            cells = encode(cells * (classes.max() + 1) + classes)[1]
        folds = np.full(n_samples, -1)
        folds[order] = deal(cells, self.n_splits)
        return folds

    def _check_classes(self, y):
        kind = "missing" if y is None else type_of_target(y, input_name="y")
        if kind not in ("binary", "multiclass"):
            raise ValueError(
                f"stratify=True needs classes in a 1-d y, but y is {kind}: pass stratify=False."
            )
        return np.asarray(y).reshape(-1)


class LeaveOneTaskOut(TaskSplitter):
    """One fold per task, in the order of the sorted ids: how well are new tasks predicted?

    Needs an estimator that predicts tasks it did not see (``unknown_task="shared"``).

    Parameters
    ----------
    task_column : int or str, optional
        Position or name of the column of X that holds the task ids. ``groups``, if passed to
        ``split``, are used instead.

    See Also
    --------
    TaskKFold : Keeps every task in every training fold.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.model_selection import LeaveOneTaskOut
    >>> X = np.array([[7, 0.1], [8, 0.2], [7, 0.3]])
    >>> for train, test in LeaveOneTaskOut(task_column=0).split(X):
    ...     print(train, test)
    [1] [0 2]
    [0 2] [1]
    """

    def __init__(self, task_column=None):
        self.task_column = task_column

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return the number of tasks.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns), optional
            Needed if the ids are in a column of it.
        y : ignored
        groups : array-like of shape (n_samples,), optional
            Task ids.
        """
        return len(self._encode(X, groups)[0])

    def _iter_test_masks(self, X=None, y=None, groups=None):
        labels, codes = self._encode(X, groups)
        if len(labels) < 2:
            raise ValueError(
                f"LeaveOneTaskOut needs at least two tasks, but there is only {labels[0].item()!r}."
            )
        for code in range(len(labels)):
            yield codes == code

    def _encode(self, X, groups):
        if groups is None and (X is None or self.task_column is None):
            raise ValueError(
                "LeaveOneTaskOut has no task ids: set task_column= (and pass X), or pass groups=."
            )
        return encode(find_ids(X, self.task_column, groups))
