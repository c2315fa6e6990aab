"""One model per task: no sharing."""

import numpy as np
from sklearn.utils.parallel import Parallel, delayed

from skmtl import frames
from skmtl.compose.base import (
    ComposedClassifier,
    ComposedEstimator,
    ComposedRegressor,
    Part,
    absent_means,
    fill_absent,
    fit_one,
)
from skmtl.documentation import complete_docstring
from skmtl.tasks import describe_ids, encode, group_rows


class PerTask(ComposedEstimator):
    """One clone of an estimator per task."""

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Fit one clone of the estimator per task.

        Parameters
        ----------
        {composed_fit_parameters}

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a task has no observed row with a positive weight, or no feature with a value.
        """
        X, cells = self._read_cells(X, y, tasks, sample_weight)
        self._check_weights_usable(self._make_inner(), cells.weights)
        empty = np.bincount(cells.codes, minlength=len(self.tasks_)) == 0
        if empty.any():
            raise ValueError(
                f"task {describe_ids(self.tasks_[empty][:1])} has no observed row with a positive "
                "sample_weight: drop the task, a model of its own has nothing to learn from."
            )
        if self.absent_features_ is not None and (bare := self.absent_features_.all(axis=1)).any():
            raise ValueError(
                f"task {describe_ids(self.tasks_[bare][:1])} has no feature with a value: drop it."
            )
        self._note_labels(cells)
        parts = [cells.take(group) for group in group_rows(cells.codes, len(self.tasks_))]
        self.estimators_ = Parallel(n_jobs=self.n_jobs)(
            delayed(fit_one)(self._inner_for(part.y), self._task_table(X, part.rows, code), part)
            for code, part in enumerate(parts)
        )
        self.shared_estimator_ = None
        if self.unknown_task == "shared":
            self._absent_means = absent_means(X, cells, self.absent_features_)
            table = self._shared_table(X, cells.rows, cells.codes)
            self.shared_estimator_ = fit_one(self._inner_for(cells.y), table, cells)
        return self

    def _task_table(self, X, rows, code):
        """Rows of a task, without the columns that it does not have."""
        if len(rows) != X.shape[0] or (np.diff(rows) != 1).any():
            X = frames.take_rows(X, rows)
        if self.absent_features_ is None or not self.absent_features_[code].any():
            return X
        return frames.take_columns(X, np.flatnonzero(~self.absent_features_[code]))

    def _shared_table(self, X, rows, codes):
        X = frames.take_rows(X, rows)
        if self.absent_features_ is None:
            return X
        return fill_absent(X, codes, self.absent_features_, self._absent_means)

    def _parts(self, X, codes):
        table = np.arange(X.shape[0])
        if codes is None:
            for code, model in enumerate(self.estimators_):
                one = self._task_table(X, table, code)
                yield Part(model, one, None, np.full(len(table), code), {})
            return
        seen, local = encode(codes)
        for code, group in zip(seen.tolist(), group_rows(local, len(seen)), strict=True):
            rows = table[group]
            if code >= 0:
                one = self._task_table(X, rows, code)
                yield Part(self.estimators_[code], one, rows, codes[rows], {})
            else:
                shared = self._shared_table(X, rows, codes[rows])
                yield Part(self.shared_estimator_, shared, rows, codes[rows], {})


@complete_docstring
class PerTaskRegressor(ComposedRegressor, PerTask):
    """One clone of a regressor per task: the baseline without sharing.

    Parameters
    ----------
    estimator : regressor, default=None
        Any scikit-learn regressor or Pipeline. None: ``Ridge()``.
    {task_parameters}
    n_jobs : int, default=None
        Number of tasks fitted at the same time; results do not depend on it.

    Attributes
    ----------
    estimators_ : list of length n_tasks
        The fitted clones in the order of `tasks_`.
    shared_estimator_ : regressor or None
        Fitted to all rows if ``unknown_task="shared"``.
    {composed_attributes}

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> from skmtl import PerTaskRegressor, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=3, n_samples=40, random_state=0)
    >>> model = PerTaskRegressor(DecisionTreeRegressor(max_depth=3), task_column=0).fit(X, y)
    >>> len(model.estimators_)
    3
    """

    def __init__(self, estimator=None, *, task_column=None, unknown_task="error", n_jobs=None):
        self.estimator = estimator
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.n_jobs = n_jobs


@complete_docstring
class PerTaskClassifier(ComposedClassifier, PerTask):
    """One clone of a classifier per task: the baseline without sharing.

    Tasks may have different labels. A task with a single label (in a fold, say) always
    predicts that one.

    Parameters
    ----------
    estimator : classifier, default=None
        Any scikit-learn classifier or Pipeline. None: ``LogisticRegression()``.
    {task_parameters}
    n_jobs : int, default=None
        Number of tasks fitted at the same time; results do not depend on it.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Union of the labels of all tasks.
    estimators_ : list of length n_tasks
        The fitted clones in the order of `tasks_`.
    shared_estimator_ : classifier or None
        Fitted to all rows if ``unknown_task="shared"``.
    {composed_attributes}

    Examples
    --------
    >>> from skmtl import PerTaskClassifier, make_multitask_classification
    >>> X, y = make_multitask_classification(n_tasks=3, n_samples=40, random_state=0)
    >>> PerTaskClassifier(task_column=0).fit(X, y).predict_proba(X).shape
    (120, 2)
    """

    def __init__(self, estimator=None, *, task_column=None, unknown_task="error", n_jobs=None):
        self.estimator = estimator
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.n_jobs = n_jobs
