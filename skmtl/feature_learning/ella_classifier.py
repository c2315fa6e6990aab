"""Lifelong learning of tasks with two labels each."""

from types import SimpleNamespace

import numpy as np

from skmtl.base import check_number
from skmtl.documentation import complete_docstring
from skmtl.feature_learning.base import in_row_span
from skmtl.feature_learning.lifelong import LifelongLearner
from skmtl.linear_model.classifier import MultiTaskLinearClassifier
from skmtl.solvers.ella import TaskStatistics
from skmtl.solvers.local_logistic import local_statistics
from skmtl.tasks import describe_ids
from skmtl.threads import suited_threads


@complete_docstring
class ELLAClassifier(LifelongLearner, MultiTaskLinearClassifier):
    """Efficient lifelong learning of logistic models: one dictionary, one task at a time.

    Minimises over the dictionary L (n_features, n_components), the codes s_t and the intercepts
    b_t of the tasks seen so far ::

        1 / n_bar * sum_t q_t(L s_t, b_t)
        + alpha_sparse sum_t ||s_t||_1 + alpha_dictionary / 2 ||L||_F^2

    where q_t is the second-order expansion of the logistic loss sum_i v_ti log(1 + exp(-y_ti
    (x_ti' w + b))) of a task at its own ridge fit, with labels y_ti = -1 or 1, and n_bar is the
    total sample weight over the number of tasks with two labels. Rows that come later are expanded
    at the fit to them and to the expansion of the earlier ones. What is kept, what a new task
    costs, and what `fit` does is as in `ELLARegressor`.

    Parameters
    ----------
    n_components : int, default=3
        Atoms of the dictionary.
    alpha_sparse : float, default=0.05
        Penalty of the codes, above 0.
    alpha_dictionary : float, default=0.05
        Penalty of the atoms, above 0.
    alpha_local : float, default=1.0
        Ridge penalty of the tasks' own fits, where the loss is expanded, above 0; half the squared
        norm against the sum of the losses, as 1 / C in `sklearn.linear_model.LogisticRegression`.
    common : bool, default=True
        Add an atom to the dictionary, component 0, whose code is 1 in every task without a
        penalty: a common model.
    n_epochs : int, default=10
        Rounds of `fit` over the statistics of all tasks, after it has seen each once.
    task_column : int or str, optional
        Position or name of the column of X that holds the task ids.
    unknown_task : {"error", "shared"}, default="error"
        A task that was not seen is an error, or predicted by the mean of the models.
    fit_intercept : bool, default=True

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Union of the labels of all tasks.
    task_classes_ : list of n_tasks arrays
        The labels of each task; one with a single label always predicts it.
    coef_ : ndarray of shape (n_tasks, n_features)
        Of the log-odds of the second label of each task.
    intercept_ : ndarray of shape (n_tasks,)
    components_ : ndarray of shape (n_components (+ 1 if common), n_features)
        The atoms, L'.
    codes_ : ndarray of shape (n_tasks, n_components (+ 1 if common))
        ``coef_ = codes_ @ components_`` for tasks with two labels.
    objective_ : float
        Of the tasks seen so far.
    objective_path_ : ndarray
        The objective after every round over all tasks in `fit`; it never rises.
    tasks_ : ndarray of shape (n_tasks,)
        The task ids, sorted.
    absent_features_ : ndarray of shape (n_tasks, n_features) or None
        Features that have no value in a task; None if there are none.

    References
    ----------
    Ruvolo, Eaton 2013, *ELLA: an efficient lifelong learning algorithm*, ICML.

    Examples
    --------
    >>> from skmtl import ELLAClassifier, make_multitask_classification
    >>> X, y = make_multitask_classification(n_tasks=6, structure="clusters", random_state=0)
    >>> model = ELLAClassifier(n_components=2, task_column=0)
    >>> for task in range(6):
    ...     rows = X[:, 0] == task
    ...     model = model.partial_fit(X[rows], y[rows])
    >>> model.tasks_, model.coef_.shape
    (array([0, 1, 2, 3, 4, 5]), (6, 20))
    """

    def __init__(
        self,
        n_components=3,
        *,
        alpha_sparse=0.05,
        alpha_dictionary=0.05,
        alpha_local=1.0,
        common=True,
        n_epochs=10,
        task_column=None,
        unknown_task="error",
        fit_intercept=True,
    ):
        self.n_components = n_components
        self.alpha_sparse = alpha_sparse
        self.alpha_dictionary = alpha_dictionary
        self.alpha_local = alpha_local
        self.common = common
        self.n_epochs = n_epochs
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.fit_intercept = fit_intercept

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Learn all tasks, and forget what was learned before.

        Parameters
        ----------
        {fit_parameters}

        Returns
        -------
        self : object
        """
        self._check_parameters()
        data = self._read_training_data(X, y, tasks, sample_weight)
        data, own = self._note_labels(data)
        labels = [self.classes_[mask] for mask in own]
        for task, found in enumerate(labels):
            self._check_count(data.labels[[task]], found)
        self._labels = dict(enumerate(labels))
        with suited_threads(data):
            span, seen = in_row_span(data, fit_intercept=self.fit_intercept)
            self._begin(data, span, seen.n_features)
            known = [TaskStatistics.empty(seen.n_features)] * data.n_tasks
            self._learn_all(data, self._statistics(seen, self.classes_, labels, known))
        return self._keep()

    @complete_docstring
    def partial_fit(self, X, y, classes=None, *, sample_weight=None, tasks=None):
        """Learn new tasks, or more of known ones, from rows that were not seen before.

        Parameters
        ----------
        {fit_parameters}
        classes : array-like of shape (n_classes,), optional
            Labels that may come later; each task has two of all.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If the first rows of a task do not have two labels, or later ones have others.
        """
        self._check_parameters()
        first = not hasattr(self, "_dictionary")
        data, found, own = self._read_more_labels(X, y, tasks, sample_weight, first=first)
        if first:
            self._begin(data)
            self.tasks_, self._numbers, self._absent = data.labels[:0], np.zeros(0, dtype=int), []
            self._labels, self.classes_ = {}, found[:0]
        numbers = self._enroll(data)
        self._labels.update(zip(numbers.tolist(), own, strict=True))
        known = [self._dictionary.statistics[number] for number in numbers]
        with suited_threads(data):
            self._learn_more(numbers, self._statistics(data, found, own, known))
        self._note_absent(data.n_features)
        more = [found] if classes is None else [found, np.asarray(classes)]
        self.classes_ = np.unique(np.concatenate([self.classes_, *more]))
        return self._keep()

    def _read_more_labels(self, X, y, tasks, sample_weight, *, first):
        """New rows, the labels that their codes stand for, and the labels of their tasks."""
        before = None if first else (self.classes_, self.task_classes_)
        try:
            data = self._read_more(X, y, tasks, sample_weight, first=first)
            data, masks = self._note_labels(data)
            found = self.classes_
        finally:
            if before is not None:
                self.classes_, self.task_classes_ = before
        if not first and (found.dtype.kind in "OUS") != (self.classes_.dtype.kind in "OUS"):
            raise ValueError(
                f"y holds {found[0]!r}, but labels before were like {self.classes_[0]!r}: give "
                "labels of one kind."
            )
        positions = np.full(data.n_tasks, -1) if first else self._positions(data)
        own = []
        for task, position in enumerate(positions):
            old = np.array([]) if position < 0 else self._labels[int(self._numbers[position])]
            own.append(self._labels_of_task(data.labels[[task]], found[masks[task]], old))
        return data, found, own

    def _labels_of_task(self, name, found, old):
        """The two labels of a task: those of before, or of its first rows."""
        if not len(found):
            return old
        if not len(old):
            self._check_count(name, found)
            if len(found) == 1:
                raise ValueError(
                    f"the first rows of task {describe_ids(name)} have the label "
                    f"{describe_ids(found)} only: wait until it has rows of two labels."
                )
            return found
        if not np.isin(found, old).all():
            raise ValueError(
                f"task {describe_ids(name)} has the labels {describe_ids(old)}, but new rows have "
                f"{describe_ids(found)}: a task has two labels."
            )
        return old

    def _check_count(self, name, found):
        if len(found) > 2:
            raise ValueError(
                "Only binary classification is supported. The type of the target is multiclass: "
                f"task {describe_ids(name)} has the labels {describe_ids(found)}. Use "
                "MultiTaskLogisticRegression."
            )

    def _check_parameters(self):
        super()._check_parameters()
        check_number(self.alpha_local, "alpha_local", strict=True)

    def _statistics(self, data, found, labels, known):
        """TaskStatistics of every task; none for those with a single label.

        `found` are the labels that the codes in the data stand for, `labels` those of each task.
        """
        statistics = [TaskStatistics.empty(data.n_features)] * data.n_tasks
        for block in data.blocks():
            for column, task in enumerate(block.tasks):
                if len(labels[task]) == 2 and len(block.weights):
                    second = found[block.Y[:, column].astype(int)] == labels[task][1]
                    statistics[task] = local_statistics(
                        block.X.astype(np.float64),
                        second.astype(np.float64),
                        block.weights,
                        known[task],
                        ridge=self.alpha_local,
                        fit_intercept=self.fit_intercept,
                    )
        return statistics

    def _keep(self):
        """The attributes, for the tasks in their order."""
        dictionary, numbers = self._dictionary, self._numbers
        statistics = [dictionary.statistics[number] for number in numbers]
        coef, intercept, components, codes = self._models_of_tasks()
        labels = [self._labels[int(number)] for number in numbers]
        own = np.array([np.isin(self.classes_, found) for found in labels])
        learned = np.flatnonzero(own.sum(axis=1) == 2)
        seconds = [np.flatnonzero(own[task])[1] for task in learned]
        columns = learned, np.array(seconds, dtype=int)
        sizes = np.array([s.weight for s in statistics])
        sizes[own.sum(axis=1) == 1] = 1.0  # a single label, which they predict
        record = SimpleNamespace(
            n_tasks=len(numbers),
            n_features=coef.shape[1],
            labels=self.tasks_,
            X=SimpleNamespace(dtype=self._dtype),
            task_sizes=lambda: sizes,
        )
        self._store(record, own, columns, coef[learned].T, intercept[learned])
        self.task_classes_ = labels
        self.components_ = components.astype(self._dtype)
        self.codes_ = codes.astype(self._dtype)
        self.objective_ = dictionary.objective()
        return self._check_finite()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags
