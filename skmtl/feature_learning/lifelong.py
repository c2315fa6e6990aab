"""Reading rows that come in parts: tasks are enrolled when their first rows come."""

import numpy as np
from sklearn.utils import check_consistent_length

from skmtl.base import check_number
from skmtl.feature_learning.task_dictionary import check_dictionary
from skmtl.solvers.ella import GrowingDictionary, TaskStatistics
from skmtl.solvers.row_span import WHOLE
from skmtl.task_data import make_task_data
from skmtl.tasks import describe_ids, match


class LifelongLearner:
    """A task estimator with a `GrowingDictionary`; ``_numbers`` are its tasks' numbers there."""

    __metadata_request__partial_fit = {"tasks": True}  # noqa: RUF012

    def _check_parameters(self):
        check_dictionary(self)
        check_number(self.n_epochs, "n_epochs", integer=True)

    def _begin(self, data, span=WHOLE, n_coordinates=None):
        self.__dict__.pop("objective_path_", None)
        self._dtype = np.float32 if data.X.dtype == np.float32 else np.float64
        self._dictionary = GrowingDictionary(
            data.n_features if n_coordinates is None else n_coordinates,
            self.n_components,
            self.alpha_sparse,
            self.alpha_dictionary,
            common=self.common,
            span=span,
        )

    def _read_more(self, X, y, tasks, sample_weight, *, first):
        """TaskData of new rows, in the layout of those before."""
        self._check_shared_parameters()
        if not first:
            self._check_layout(tasks)
        X, ids = self._split_ids(X, tasks, reset=first)
        X = self._read_features(X, reset=first)
        y, names = self._read_y(y)
        check_consistent_length(X, y)
        if ids is not None and y.ndim == 2:
            y = self._single_output(y)
        data = make_task_data(X, y, ids=ids, labels=names, sample_weight=sample_weight)
        if first:
            self._set_layout(ids, y)
            return data
        outputs = self._layout == "outputs"
        if outputs != (y.ndim == 2) or (outputs and not np.array_equal(data.labels, self.tasks_)):
            raise ValueError(
                f"y has shape {y.shape}, but the rows before had the layout {self._layout!r} with "
                f"the tasks {describe_ids(self.tasks_)}: give targets of the same form."
            )
        return data

    def _set_layout(self, ids, y):
        """As in fit, but one task is no reason to warn: others will come."""
        if y.ndim == 2:
            self._layout = "outputs"
        elif ids is None:
            self._layout = "one"
        else:
            self._layout = "vector" if self.task_column is None else "column"

    def _positions(self, data):
        """Where the tasks of the data are among those known, -1 for new ones."""
        if not len(self.tasks_):
            return np.full(data.n_tasks, -1)
        if self._layout == "outputs":
            return np.arange(data.n_tasks)
        return match(data.labels, self.tasks_)

    def _enroll(self, data):
        """The numbers of the tasks of the data, after those that are new got one."""
        self._dictionary.widen()
        absent = data.absent_features(self._feature)
        absent = [None] * data.n_tasks if absent is None else list(absent)
        known = self._positions(data)
        self._check_absent(data, absent, known)
        new = np.flatnonzero(known < 0)
        empty = TaskStatistics.empty(data.n_features)
        added = [self._dictionary.add_task(empty) for _ in new]
        numbers = np.concatenate([self._numbers, np.array(added, dtype=int)])
        labels = np.concatenate([self.tasks_, data.labels[new]])
        masks = self._absent + [absent[task] for task in new]
        if self._layout == "outputs":
            self.tasks_, self._numbers, self._absent = labels, numbers, masks
            return numbers
        order = np.argsort(labels, kind="stable")
        self.tasks_, self._numbers = labels[order], numbers[order]
        self._absent = [masks[k] for k in order]
        return self._numbers[match(data.labels, self.tasks_)]

    def _check_absent(self, data, absent, known):
        sizes = data.task_sizes()
        for task in np.flatnonzero((known >= 0) & (sizes > 0)):
            before = self._absent[known[task]]
            none = np.zeros(data.n_features, dtype=bool)
            masks = [none if mask is None else mask for mask in (absent[task], before)]
            seen = self._dictionary.statistics[self._numbers[known[task]]].weight > 0
            if seen and not np.array_equal(*masks):
                raise ValueError(
                    f"task {describe_ids(data.labels[[task]])} lacks other features than in the "
                    "rows before: a feature is absent from all rows of a task, or from none."
                )

    def _learn_all(self, data, statistics):
        """Every task once, the largest first, and rounds over all of them."""
        self._absent = [None] * data.n_tasks
        if self.absent_features_ is not None:
            self._absent = list(self.absent_features_)
        self._numbers = np.array([self._dictionary.add_task(s) for s in statistics])
        for task in largest_first(statistics):
            self._dictionary.update(task, statistics[task])
        if self.n_epochs and self._dictionary.n_learned:
            refreshed = self._dictionary.refresh(tol=0.0, max_iter=self.n_epochs)
            self.objective_path_ = np.array(refreshed.path)

    def _learn_more(self, numbers, statistics):
        """Every task of new rows, with what is known of it."""
        for number, new in zip(numbers, statistics, strict=True):
            if new.weight > 0:
                old = self._dictionary.statistics[number]
                both = old.plus(new, fit_intercept=self.fit_intercept)
                self._dictionary.update(number, both)

    def _models_of_tasks(self):
        """Coefficients and intercepts of the tasks in their order, the atoms and the codes."""
        dictionary, span = self._dictionary, self._dictionary.span
        statistics = [dictionary.statistics[number] for number in self._numbers]
        codes = dictionary.codes()[self._numbers]
        components = span.lift(dictionary.L).T
        coef = codes @ components
        if self.absent_features_ is not None:
            coef = np.where(self.absent_features_, 0.0, coef)
        x_mean = np.array([s.x_mean for s in statistics])
        fitted = coef if span.is_whole else codes @ dictionary.L.T
        intercept = np.array([s.y_mean for s in statistics]) - np.sum(x_mean * fitted, axis=1)
        if not span.is_whole:
            intercept -= np.sum(span.origins(len(coef)) * coef, axis=1)
        return coef, intercept, components, codes

    def _note_absent(self, n_features):
        self.absent_features_ = None
        if any(mask is not None for mask in self._absent):
            none = np.zeros(n_features, dtype=bool)
            self.absent_features_ = np.stack([none if m is None else m for m in self._absent])

    def _check_finite(self):
        if not np.isfinite(self._dictionary.L).all():
            raise ValueError(
                f"{type(self).__name__} found no finite components_: the scales of X or y exceed "
                "the range of its dtype. Standardise them first."
            )
        return self


def largest_first(statistics):
    """The order of the tasks by weight, and by their targets where these are the same."""
    weight = np.array([s.weight for s in statistics])
    squares = np.array([s.squares for s in statistics])
    largest = max(weight.max(initial=0.0), np.finfo(float).tiny)
    return np.lexsort((-np.round(squares, 9), -np.round(weight / largest, 9)))
