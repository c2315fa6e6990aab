"""A dictionary of task models for tasks that come one after the other (lifelong learning)."""

import numpy as np

from skmtl.documentation import complete_docstring
from skmtl.feature_learning.base import SharedFeatures, in_row_span
from skmtl.feature_learning.lifelong import LifelongLearner
from skmtl.solvers.ella import TaskStatistics
from skmtl.solvers.ridge_per_task import designs
from skmtl.threads import suited_threads

MODELS = (
    "coef_",
    "intercept_",
    "coef_shared_",
    "intercept_shared_",
    "components_",
    "codes_",
    "objective_",
)


@complete_docstring
class ELLARegressor(LifelongLearner, SharedFeatures):
    """Efficient lifelong learning: the dictionary of `TaskDictionary`, one task at a time.

    Minimises over the dictionary L (n_features, n_components), the codes s_t and the intercepts
    b_t of the tasks seen so far ::

        1 / n_bar * sum_t sum_i v_ti (y_ti - x_ti' L s_t - b_t)^2 / 2
        + alpha_sparse sum_t ||s_t||_1 + alpha_dictionary / 2 ||L||_F^2

    with v the sample weights and n_bar the total sample weight over the number of tasks.
    `partial_fit` learns new tasks, or more rows of known ones, without the rows that came before:
    it finds the code of the task for the dictionary as it is, then the best dictionary for the
    codes of all tasks. The cost depends on neither the number of old tasks nor of their rows. Of a
    task are kept its means and the sums of products of its centred features and targets
    (n_features^2 numbers), which add up over calls exactly; the system for the dictionary has
    n_components x n_features unknowns and is factorised for every task, which takes seconds
    from a few thousand unknowns on. `fit` works in the span of the rows where these are fewer
    than the features; `partial_fit` cannot, since it does not know the rows to come. Where the
    paper fits every task by itself first and takes the second-order expansion of its loss, these
    sums are the loss.

    Old tasks gain from later ones, as the dictionary gets better, but their codes stay until
    their next rows come. `fit` learns all tasks in the order of their sizes, largest first, so
    that it depends on neither the order of the rows nor the names of the tasks, and then improves
    codes and dictionary in turn for `n_epochs` rounds.

    Parameters
    ----------
    n_components : int, default=3
        Atoms of the dictionary. Each of the first tasks that the atoms so far do not explain
        opens one.
    alpha_sparse : float, default=0.1
        Penalty of the codes, above 0.
    alpha_dictionary : float, default=0.1
        Penalty of the atoms, above 0; scales are as in `TaskDictionary`.
    common : bool, default=True
        Add an atom to the dictionary, component 0, whose code is 1 in every task without a
        penalty: a common model. Without it the first tasks decide much.
    n_epochs : int, default=10
        Rounds of `fit` over the sums of all tasks, after it has seen each once; `partial_fit` has
        none. 0: as if the tasks had come one by one.
    task_column : int or str, optional
        Position or name of the column of X that holds the task ids.
    unknown_task : {"error", "shared"}, default="error"
        A task that was not seen is an error, or predicted by the model that all tasks share.
    fit_intercept : bool, default=True

    Attributes
    ----------
    components_ : ndarray of shape (n_components (+ 1 if common), n_features)
        The atoms, L'; zeros for one that no task has needed.
    codes_ : ndarray of shape (n_tasks, n_components (+ 1 if common))
        ``coef_ = codes_ @ components_``.
    objective_ : float
        Of the tasks seen so far.
    objective_path_ : ndarray
        The objective after every round over all tasks in `fit`, if there were any; it never
        rises.
    {linear_attributes}
    {mean_model}

    References
    ----------
    Ruvolo, Eaton 2013, *ELLA: an efficient lifelong learning algorithm*, ICML.

    Examples
    --------
    >>> from skmtl import ELLARegressor, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=6, structure="clusters", random_state=0)
    >>> model = ELLARegressor(n_components=2, task_column=0)
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
        alpha_sparse=0.1,
        alpha_dictionary=0.1,
        common=True,
        n_epochs=10,
        task_column=None,
        unknown_task="error",
        fit_intercept=True,
    ):
        self.n_components = n_components
        self.alpha_sparse = alpha_sparse
        self.alpha_dictionary = alpha_dictionary
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
        self._models = {}  # filled when they are asked for
        with suited_threads(data):
            span, seen = in_row_span(data, fit_intercept=self.fit_intercept)
            self._begin(data, span, seen.n_features)
            self._learn_all(data, self._statistics(seen))
        return self._check_finite()

    @complete_docstring
    def partial_fit(self, X, y, *, sample_weight=None, tasks=None):
        """Learn new tasks, or more of known ones, from rows that were not seen before.

        Parameters
        ----------
        {fit_parameters}

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If the layout is another one than before, or a task lacks other features.
        """
        self._check_parameters()
        first = not hasattr(self, "_dictionary")
        data = self._read_more(X, y, tasks, sample_weight, first=first)
        if first:
            self._begin(data)
            self.tasks_, self._numbers, self._absent = data.labels[:0], np.zeros(0, dtype=int), []
        numbers = self._enroll(data)
        with suited_threads(data):
            self._learn_more(numbers, self._statistics(data))
        self._models = {}
        self._note_absent(data.n_features)
        return self._check_finite()

    def _statistics(self, data):
        """TaskStatistics of every task."""
        found = [TaskStatistics.empty(data.n_features)] * data.n_tasks
        for design in designs(data, self.fit_intercept):
            for task, statistics in zip(
                design.tasks, TaskStatistics.of_design(design), strict=True
            ):
                found[task] = statistics
        return found

    def _solved(self, name):
        """One of the models' arrays, made when the first is asked for: not in partial_fit."""
        if not hasattr(self, "_dictionary"):
            raise AttributeError(f"this {type(self).__name__} is not fitted yet: no {name}.")
        if not self._models:
            made = zip(MODELS, self._make_models(), strict=True)
            self._models.update((key, np.asarray(a, dtype=self._dtype)[()]) for key, a in made)
        return self._models[name]

    def _make_models(self):
        dictionary = self._dictionary
        statistics = [dictionary.statistics[number] for number in self._numbers]
        weight = np.array([s.weight for s in statistics])
        coef, intercept, components, codes = self._models_of_tasks()
        present = np.ones(coef.shape, dtype=bool)
        if self.absent_features_ is not None:
            present = ~self.absent_features_
        sizes = np.maximum(weight @ present, np.finfo(float).tiny)
        shared = weight @ coef / sizes, weight @ intercept / weight.sum()
        empty = weight == 0  # nothing was learned for these
        coef[empty], intercept[empty] = shared[0] * present[empty], shared[1]
        return coef, intercept, *shared, components, codes, dictionary.objective()

    coef_, intercept_, coef_shared_, intercept_shared_, components_, codes_, objective_ = (
        property(lambda self, name=name: self._solved(name)) for name in MODELS
    )
