"""Cross-validation of a transfer: folds of the target, sources in every training fold."""

import numpy as np
from sklearn.utils import check_random_state

from skmtl.base import check_number
from skmtl.model_selection.dealing import codes_by_appearance, deal
from skmtl.model_selection.splitters import TaskSplitter, find_ids
from skmtl.tasks import check_task_ids, describe_ids, encode, match


class TargetKFold(TaskSplitter):
    """K folds of the rows of one task, the target; all other rows are always training data.

    What a model is worth that transfers from sources to a target is its error on the target.
    An ordinary `KFold` on the table would tune for the sources too, and hold rows of them back.

    Parameters
    ----------
    n_splits : int, default=5
    target_task : int or str
        The task that is the target.
    task_column : int or str, optional
        Position or name of the column of X that holds the task ids. ``groups``, if passed to
        ``split``, are used instead.
    shuffle : bool, default=False
        Deal the rows of the target at random, not in contiguous blocks.
    stratify : bool, default=False
        Deal class by class, so that the counts of a class differ by one at most between folds.
    random_state : int, RandomState instance or None, default=None
        For ``shuffle``.

    See Also
    --------
    TaskKFold : Folds of the rows of every task.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.model_selection import TargetKFold
    >>> X = np.array([[7, 0.1], [7, 0.2], [8, 0.3], [8, 0.4], [8, 0.5]])
    >>> for train, test in TargetKFold(3, target_task=8, task_column=0).split(X):
    ...     print(train, test)
    [0 1 3 4] [2]
    [0 1 2 4] [3]
    [0 1 2 3] [4]
    """

    def __init__(
        self,
        n_splits=5,
        *,
        target_task=None,
        task_column=None,
        shuffle=False,
        stratify=False,
        random_state=None,
    ):
        self.n_splits = n_splits
        self.target_task = target_task
        self.task_column = task_column
        self.shuffle = shuffle
        self.stratify = stratify
        self.random_state = random_state

    def split(self, X, y=None, groups=None):
        """Yield the rows of the training and the test fold of every split.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns)
        y : array-like of shape (n_samples,), optional
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
        """Test fold of every row; -1 for rows of sources."""
        check_number(self.n_splits, "n_splits", low=2, integer=True)
        if self.target_task is None:
            raise ValueError("TargetKFold has no target: set target_task to one of the task ids.")
        ids = find_ids(X, self.task_column, groups)
        if ids is None:
            raise ValueError(
                "TargetKFold has no task ids: set task_column= (and pass X), or pass groups=."
            )
        labels, codes = encode(ids)
        target = match(check_task_ids(np.array([self.target_task]), "target_task"), labels)[0]
        rows = np.flatnonzero(codes == target)
        if not len(rows):
            raise ValueError(
                f"target_task={self.target_task!r} has no row; there are {describe_ids(labels)}."
            )
        if len(rows) < self.n_splits:
            raise ValueError(
                f"n_splits={self.n_splits} is more than the {len(rows)} rows of the target "
                f"{self.target_task!r}."
            )
        if self.shuffle:
            rows = check_random_state(self.random_state).permutation(rows)
        cells = np.zeros(len(rows), dtype=int)
        if self.stratify:
            if y is None:
                raise ValueError("stratify=True needs y.")
            cells = codes_by_appearance(np.asarray(y).reshape(-1)[rows])
        folds = np.full(len(codes), -1)
        folds[rows] = deal(cells, self.n_splits)
        return folds
