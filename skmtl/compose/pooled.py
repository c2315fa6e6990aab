"""One model for all tasks: complete sharing."""

import numpy as np
from scipy import sparse

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
from skmtl.task_data import resolve_task_weight


class Pooled(ComposedEstimator):
    """One clone of an estimator for the rows of all tasks."""

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Fit one clone of the estimator to the rows of all tasks.

        Parameters
        ----------
        {composed_fit_parameters}

        Returns
        -------
        self : object
        """
        X, cells = self._read_cells(X, y, tasks, sample_weight)
        if self.task_weight is not None:
            weights = np.ones(len(cells.y)) if cells.weights is None else cells.weights
            sizes = np.bincount(cells.codes, weights, minlength=len(self.tasks_))
            factors = resolve_task_weight(self.task_weight, self.tasks_, sizes)
            cells = cells._replace(weights=weights * factors[cells.codes])
        self._check_weights_usable(self._make_inner(), cells.weights)
        self._note_labels(cells)
        self._absent_means = absent_means(X, cells, self.absent_features_)
        table = self._table(frames.take_rows(X, cells.rows), cells.codes)
        self.estimator_ = fit_one(self._inner_for(cells.y), table, cells)
        return self

    def _table(self, X, codes):
        """Rows as the pooled model sees them: absent columns filled, indicators of the task."""
        if self.absent_features_ is not None:
            X = fill_absent(X, codes, self.absent_features_, self._absent_means)
        if not self.task_intercepts:
            return X
        if sparse.issparse(X):
            return sparse.hstack([X, self._sparse_indicators(codes)], format="csr")
        indicators = (codes[:, None] == np.arange(len(self.tasks_))).astype(float)
        if frames.is_frame(X):
            names = [f"task={task}" for task in self.tasks_.tolist()]
            return frames.append_columns(X, names, indicators)
        return np.hstack([X, indicators])

    def _sparse_indicators(self, codes):
        known = codes >= 0  # a task that fit did not see has a row of zeros
        ends = np.concatenate([[0], np.cumsum(known)])
        entries = np.ones(known.sum()), codes[known], ends
        return sparse.csr_array(entries, shape=(len(codes), len(self.tasks_)))

    def _parts(self, X, codes):
        rows = np.arange(X.shape[0])
        if codes is not None:
            yield Part(self.estimator_, self._table(X, codes), rows, codes, {})
            return
        same = not self.task_intercepts and self.absent_features_ is None
        answers = {}
        for code in range(len(self.tasks_)):
            codes = np.full(len(rows), code)
            table = X if same else self._table(X, codes)
            yield Part(self.estimator_, table, None, codes, answers if same else {})


@complete_docstring
class PooledRegressor(ComposedRegressor, Pooled):
    """One regressor for the rows of all tasks: the baseline of complete sharing.

    Parameters
    ----------
    estimator : regressor, default=None
        Any scikit-learn regressor or Pipeline. None: ``Ridge()``.
    task_intercepts : bool, default=False
        Append one 0/1 column per task to the features (named ``task=<id>`` in a frame), so that
        a linear model has an intercept per task and a forest can split by task.
    {task_parameters}
    {task_weight}

    Attributes
    ----------
    estimator_ : regressor
    {composed_attributes}

    Examples
    --------
    >>> from skmtl import PooledRegressor, make_multitask_regression
    >>> X, y = make_multitask_regression(
    ...     n_tasks=3, n_samples=40, structure="common", random_state=0)
    >>> PooledRegressor(task_intercepts=True, task_column=0).fit(X, y).estimator_.coef_.shape
    (23,)
    """

    def __init__(
        self,
        estimator=None,
        *,
        task_intercepts=False,
        task_column=None,
        unknown_task="error",
        task_weight=None,
    ):
        self.estimator = estimator
        self.task_intercepts = task_intercepts
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight


@complete_docstring
class PooledClassifier(ComposedClassifier, Pooled):
    """One classifier for the rows of all tasks: the baseline of complete sharing.

    A task is given only labels that it had in fit, the most probable of them.

    Parameters
    ----------
    estimator : classifier, default=None
        Any scikit-learn classifier or Pipeline. None: ``LogisticRegression()``.
    task_intercepts : bool, default=False
        Append one 0/1 column per task to the features (named ``task=<id>`` in a frame), so that
        a linear model has an intercept per task and a forest can split by task.
    {task_parameters}
    {task_weight}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Union of the labels of all tasks.
    estimator_ : classifier
    {composed_attributes}

    Examples
    --------
    >>> from skmtl import PooledClassifier, make_multitask_classification
    >>> X, y = make_multitask_classification(n_tasks=3, n_samples=40, random_state=0)
    >>> PooledClassifier(task_column=0).fit(X, y).predict(X).shape
    (120,)
    """

    def __init__(
        self,
        estimator=None,
        *,
        task_intercepts=False,
        task_column=None,
        unknown_task="error",
        task_weight=None,
    ):
        self.estimator = estimator
        self.task_intercepts = task_intercepts
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
