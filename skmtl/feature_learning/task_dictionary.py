"""Models of tasks as sparse combinations of the atoms of one dictionary."""

import copy

import numpy as np
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.parallel import Parallel, delayed

from skmtl.base import check_number
from skmtl.documentation import complete_docstring
from skmtl.feature_learning.base import FactorProblem, SharedFeatures, complete_factors
from skmtl.linear_model.hierarchical import join_tasks, read_new_features
from skmtl.solvers.factors import alternate, goes_on
from skmtl.solvers.task_dictionary import SEARCH_ROUNDS, SparseCodes, starts
from skmtl.task_data import make_task_data
from skmtl.threads import suited_threads


@complete_docstring
@complete_factors
class TaskDictionary(SharedFeatures):
    """Models of many tasks as sparse combinations of a few shared ones (GO-MTL).

    Minimises over the dictionary L (n_features, n_components), the codes S (n_components,
    n_tasks) and the intercepts b ::

        1 / n_bar * sum_t sum_i v_ti w_t (y_ti - x_ti' L s_t - b_t)^2 / 2
        + alpha_sparse ||S||_1 + alpha_dictionary / 2 ||L||_F^2

    with v the sample weights, w the task weights and n_bar the total sample weight over the
    number of tasks. Tasks whose codes have the same zeros form groups, which may overlap.

    The two penalties fix the scale of an atom against that of its codes. At the best scale
    their sum is (3 / 2) sum_k (alpha_sparse ||s^k||_1)^(2/3) (alpha_dictionary ||l_k||^2)^(1/3):
    without a common model only alpha_sparse^2 alpha_dictionary matters, so tune one of them.

    The problem is not convex. Codes and dictionary are improved in turn, each with the other
    one fixed, from several starts, and the fit of the lowest objective is kept.

    Parameters
    ----------
    n_components : int, default=3
        Atoms of the dictionary.
    alpha_sparse : float, default=0.1
        Penalty of the codes, above 0.
    alpha_dictionary : float, default=0.1
        Penalty of the atoms, above 0.
    common : bool, default=False
        Add an atom to the dictionary, component 0, whose code is 1 in every task without a
        penalty: a common model, around which the tasks' models are sparse combinations.
    n_init : int, default=5
        Starts. The first holds the leading singular vectors of the tasks' ridge fits, the others
        hold some of these fits, or random rotations of the first. The one that is best after
        200 rounds goes on. To find out which tasks use which atoms, take many.
    {task_parameters}
    {task_weight}
    {alternating_parameters}
    warm_start : bool, default=False
        Start at the components of the previous fit, and nowhere else.
    n_jobs : int, optional
        Starts in parallel (as threads); results do not depend on it.
    random_state : int, RandomState instance or None, default=0
        Of the starts.

    Attributes
    ----------
    components_ : ndarray of shape (n_components (+ 1 if common), n_features)
        The atoms, L'; zeros for one that no task uses.
    codes_ : ndarray of shape (n_tasks, n_components (+ 1 if common))
        ``coef_ = codes_ @ components_``.
    {alternating_attributes}
    {linear_attributes}
    {mean_model}

    References
    ----------
    Kumar, Daume 2012, *Learning task grouping and overlap in multi-task learning*, ICML.

    Examples
    --------
    >>> from skmtl import TaskDictionary, make_multitask_regression
    >>> X, y = make_multitask_regression(
    ...     n_tasks=12, n_samples=40, structure="clusters", random_state=0)
    >>> model = TaskDictionary(n_components=3, task_column=0).fit(X, y)
    >>> model.components_.shape, model.codes_.shape
    ((3, 20), (12, 3))
    """

    def __init__(
        self,
        n_components=3,
        *,
        alpha_sparse=0.1,
        alpha_dictionary=0.1,
        common=False,
        n_init=5,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        tol=1e-4,
        max_iter=1000,
        warm_start=False,
        n_jobs=None,
        random_state=0,
    ):
        self.n_components = n_components
        self.alpha_sparse = alpha_sparse
        self.alpha_dictionary = alpha_dictionary
        self.common = common
        self.n_init = n_init
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.random_state = random_state

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Fit the dictionary and the codes of the tasks.

        Parameters
        ----------
        {fit_parameters}

        Returns
        -------
        self : object
        """
        self._check_rounds()
        check_dictionary(self)
        check_number(self.n_init, "n_init", low=1, integer=True)
        data = self._read_training_data(X, y, tasks, sample_weight)
        with suited_threads(data):
            problem = FactorProblem(data, fit_intercept=self.fit_intercept)
            factors = self._best_of_starts(problem)
        self._n_bar = float(problem.n_bar)  # the scale of the loss for tasks to come
        self._warn_unless_at_rest(factors)
        return self._store_factors(problem, data, factors)

    @complete_docstring
    def adapt(self, X, y, *, sample_weight=None, tasks=None, add=False):
        """Models of new tasks for the dictionary as it is: one sparse code each.

        The loss of the new tasks is divided by the n_bar of fit.

        Parameters
        ----------
        {fit_parameters}
        add : bool, default=False
            Return a model that has the old tasks as well.

        Returns
        -------
        TaskDictionary
            Of the new tasks; this one stays as it is.

        Raises
        ------
        ValueError
            If a task was in fit, or if fit had no task ids.

        Examples
        --------
        >>> from skmtl import TaskDictionary, make_multitask_regression
        >>> X, y = make_multitask_regression(
        ...     n_tasks=12, n_samples=40, structure="clusters", random_state=0)
        >>> new = X[:, 0] == 11
        >>> model = TaskDictionary(task_column=0).fit(X[~new], y[~new])
        >>> model.adapt(X[new][:10], y[new][:10]).codes_.shape
        (1, 3)
        """
        data = self._read_new_tasks(X, y, tasks, sample_weight)
        with suited_threads(data):
            problem = FactorProblem(data, fit_intercept=self.fit_intercept, n_bar=self._n_bar)
            L = np.array(self.components_, dtype=np.float64).T
            S = self._model(problem.quadratic).right(problem.span.lower(L), None)
        adapted = copy.copy(self)
        adapted.tasks_ = data.labels
        adapted.absent_features_ = data.absent_features(self._feature)
        shared = self.coef_shared_, self.intercept_shared_
        adapted._store(data, *problem.complete(L @ S), shared)
        adapted.codes_ = S.T.astype(self.codes_.dtype)
        if not add:
            return adapted
        both, order = join_tasks(self, adapted)
        both.codes_ = np.concatenate([self.codes_, adapted.codes_])[order]
        return both

    def _read_new_tasks(self, X, y, tasks, sample_weight):
        X, ids = read_new_features(self, X, tasks)
        y, _ = self._read_y(y)
        y = y if y.ndim == 1 else self._single_output(y)
        check_consistent_length(X, y)
        return make_task_data(X, y, ids=ids, sample_weight=sample_weight)

    def _best_of_starts(self, problem):
        model, span = self._model(problem.quadratic), problem.span
        shape = (self.n_components + self.common, problem.data.n_features)
        previous = self._start(shape)
        first = [previous] if previous is not None else self._starts(problem)
        rounds = self.max_iter if len(first) == 1 else min(SEARCH_ROUNDS, self.max_iter)
        run = delayed(alternate)
        found = Parallel(n_jobs=self.n_jobs, prefer="threads")(
            run(model, span.lower(start), tol=self.tol, max_iter=rounds) for start in first
        )
        best = min(found, key=lambda factors: factors.path[-1])
        best = goes_on(best, model, tol=self.tol, max_iter=self.max_iter)
        return best._replace(A=span.lift(best.A))

    def _model(self, quadratic):
        return SparseCodes(quadratic, self.alpha_sparse, self.alpha_dictionary, common=self.common)

    def _starts(self, problem):
        return starts(
            problem.quadratic,
            self.n_components,
            self.alpha_dictionary,
            span=problem.span,
            scale=float(np.mean(problem.largest_curvatures())),
            common=self.common,
            n_init=self.n_init,
            random=check_random_state(self.random_state),
        )


def check_dictionary(model):
    """Raise unless the parameters of a dictionary are in their range."""
    check_number(model.n_components, "n_components", low=1, integer=True)
    check_number(model.alpha_sparse, "alpha_sparse", strict=True)
    check_number(model.alpha_dictionary, "alpha_dictionary", strict=True)
    if not isinstance(model.common, (bool, np.bool_)):
        raise TypeError(f"common must be True or False, not {model.common!r}.")
