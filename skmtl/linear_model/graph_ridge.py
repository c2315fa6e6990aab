"""Ridge regression of tasks that a graph relates."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.parallel import Parallel, delayed

from skmtl.base import MultiTaskLinearRegressor, check_number
from skmtl.documentation import complete_docstring
from skmtl.graphs import adjacency, laplacian
from skmtl.linear_model.ridge import check_grid, feature_variance, read_folds
from skmtl.solvers.graph_ridge import equations_of_sums, make_graph_form, read_equations
from skmtl.statistics import CentredSums, FoldSums
from skmtl.threads import suited_threads

N_FOLDS = 5
FOLD_TOL = 1e-5  # of the fits that are compared


class GraphRegressor(MultiTaskLinearRegressor):
    """What the two estimators share: the graph of the tasks that count, and its solution."""

    def _read_graph(self, data):
        """Positions of the tasks with rows and the Laplacian of the graph between them."""
        counted = np.flatnonzero(data.task_sizes() > 0)
        if isinstance(self.graph, str):
            return counted, laplacian(adjacency(self.graph, data.labels[counted]))
        weights = adjacency(self.graph, data.labels, named=True)
        return counted, laplacian(weights[np.ix_(counted, counted)])

    def _solve(self, data, alpha, beta):
        counted, L = self._read_graph(data)
        whole = np.zeros((data.n_tasks, data.n_tasks))
        whole[np.ix_(counted, counted)] = L
        equations = read_equations(data, self.fit_intercept)
        form = make_graph_form(equations, whole)
        solution = form.solve(alpha, beta, tol=self.tol, max_iter=self.max_iter)
        self.residual_, self.n_iter_ = float(solution.residual), solution.n_iter
        if not solution.converged:
            warnings.warn(
                f"the residual of the normal equations is {solution.residual:.3e}, tol is "
                f"{self.tol:.3e}, and max_iter is {self.max_iter}: raise max_iter or tol, or "
                "scale the features.",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self._store(data, solution.coef, equations.intercepts(self._seen(solution.coef)))

    def _seen(self, coef):
        """Coefficients (n_features, n_tasks) without those of absent features."""
        absent = self.absent_features_
        return coef if absent is None else np.where(absent.T, 0.0, coef)

    def _check_solver(self):
        check_number(self.tol, "tol")
        check_number(self.max_iter, "max_iter", low=1, integer=True)


@complete_docstring
class GraphRidge(GraphRegressor):
    """Ridge regression of many tasks whose coefficients are tied along the edges of a graph.

    Minimises over W (n_features, n_tasks) and the intercepts b ::

        sum_t sum_i v_ti w_t (y_ti - x_ti' W_t - b_t)^2
        + alpha ||W||_F^2 + beta sum_{s<t} a_st ||W_s - W_t||^2

    with v the sample weights, w the task weights and a_st the weights of the edges. The last
    term is beta tr(W L W') with the Laplacian L of the graph. beta = 0 is ridge per task; for
    beta to infinity the tasks of a connected graph have the same slopes, with intercepts of
    their own. With a complete graph this is mean-regularised ridge.

    Parameters
    ----------
    graph : array-like or sparse matrix of shape (n_tasks, n_tasks), dict, "chain" or "complete"
        Weights of the edges, symmetric and not negative, in the order of the sorted task ids, or
        a frame whose rows and columns have the ids as names, in any order; or a dict of weights
        by pair of task ids; or all tasks in the order of their ids, each tied to the next; or
        all pairs. Default "complete".
    alpha : float, default=1.0
    beta : float, default=1.0
    {task_parameters}
    {task_weight}
    fit_intercept : bool, default=True
    tol : float, default=1e-8
        Residual of the normal equations to reach, relative to their right-hand side, where they
        are solved iteratively: own rows and more than 1500 coefficients.
    max_iter : int, default=1000
        Steps of conjugate gradients.

    Attributes
    ----------
    residual_ : float
        Norm of the residual of the normal equations, relative to their right-hand side.
    n_iter_ : int
    {linear_attributes}
    {mean_model}

    References
    ----------
    Evgeniou, Micchelli, Pontil 2005, *Learning multiple tasks with kernel methods*, JMLR 6.
    Zhou, Chen, Ye 2011, *MALSAR: multi-task learning via structural regularization*.

    Examples
    --------
    >>> from skmtl import GraphRidge, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=4, n_samples=15, random_state=0)
    >>> model = GraphRidge({(0, 1): 1.0, (2, 3): 0.5}, beta=10.0, task_column=0).fit(X, y)
    >>> model.coef_.shape
    (4, 20)
    """

    def __init__(
        self,
        graph="complete",
        *,
        alpha=1.0,
        beta=1.0,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        tol=1e-8,
        max_iter=1000,
    ):
        self.graph = graph
        self.alpha = alpha
        self.beta = beta
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Fit the models of all tasks.

        Parameters
        ----------
        {fit_parameters}

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For a graph that is not symmetric, has negative weights or another shape, or names
            tasks that the data do not have; and for parameters out of their range.
        """
        check_number(self.alpha, "alpha")
        check_number(self.beta, "beta")
        self._check_solver()
        data = self._read_training_data(X, y, tasks, sample_weight)
        with suited_threads(data):
            return self._solve(data, self.alpha, self.beta)


@complete_docstring
class GraphRidgeCV(GraphRegressor):
    """`GraphRidge` with its two penalties chosen by cross-validation.

    The objective is that of `GraphRidge`. All pairs of penalties are tried on folds that hold
    out rows of every task.

    Parameters
    ----------
    graph : array-like or sparse matrix of shape (n_tasks, n_tasks), dict, "chain" or "complete"
        As in `GraphRidge`. Default "complete".
    alphas : array-like, default=None
        None: from 1e-2 to 1e3 times the median variance of a feature.
    betas : array-like, default=None
        None: from 1e-2 to 1e6 times the median variance of a feature over the mean weight of
        the edges of a task, and 0: one model per task.
    cv : int, splitter or iterable of (train, test), default=None
        None is `TaskKFold(5)`, an int the number of its folds: every task is in every training
        fold.
    {task_parameters}
    {task_weight}
    fit_intercept : bool, default=True
    tol : float, default=1e-8
        As in `GraphRidge`, of the final fit; those of the folds stop at 1e-5 if this is less.
    max_iter : int, default=1000
    n_jobs : int, optional
        Folds in parallel (as threads); results do not depend on it.

    Attributes
    ----------
    alpha_, beta_ : float
    alphas_, betas_ : ndarray of shape (n_alphas,), (n_betas,)
        The penalties tried.
    mse_path_ : ndarray of shape (n_alphas, n_betas, n_folds)
        Mean squared errors of the rows held out.
    best_score_ : float
        Minus their mean at the chosen penalties.
    residual_ : float
        Norm of the residual of the normal equations, relative to their right-hand side.
    n_iter_ : int
    {linear_attributes}
    {mean_model}

    References
    ----------
    Evgeniou, Micchelli, Pontil 2005, *Learning multiple tasks with kernel methods*, JMLR 6.

    Examples
    --------
    >>> from skmtl import GraphRidgeCV, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=4, n_samples=30, random_state=0)
    >>> model = GraphRidgeCV("chain", alphas=[1.0], betas=[0.1, 1.0], task_column=0).fit(X, y)
    >>> model.mse_path_.shape
    (1, 2, 5)
    """

    def __init__(
        self,
        graph="complete",
        *,
        alphas=None,
        betas=None,
        cv=None,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        tol=1e-8,
        max_iter=1000,
        n_jobs=None,
    ):
        self.graph = graph
        self.alphas = alphas
        self.betas = betas
        self.cv = cv
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Choose the penalties and fit the models of all tasks.

        Parameters
        ----------
        {fit_parameters}

        Returns
        -------
        self : object
        """
        self._check_solver()
        data = self._read_training_data(X, y, tasks, sample_weight)
        graph = self._read_graph(data)
        self.alphas_, self.betas_ = self._grids(data, graph)
        if data.X.shape[0] < 2:
            raise ValueError("a row cannot be held out from n_samples=1: give more rows.")
        splits = read_folds(N_FOLDS if self.cv is None else self.cv, X, y, data)
        with suited_threads(data):
            self.mse_path_ = np.stack(self._errors_of_folds(data, splits, graph), axis=-1)
            mean = self.mse_path_.mean(axis=-1)
            row, column = np.unravel_index(np.argmin(mean), mean.shape)
            self.alpha_, self.beta_ = float(self.alphas_[row]), float(self.betas_[column])
            self.best_score_ = -float(mean[row, column])
            return self._solve(data, self.alpha_, self.beta_)

    def _grids(self, data, graph):
        scale, degrees = feature_variance(data), np.diag(graph[1])
        tie = degrees.mean() if degrees.any() else 1.0
        alphas = scale * np.logspace(-2, 3, 6)
        betas = np.append(0.0, scale / tie * np.logspace(-2, 6, 9))
        return (
            check_grid(self.alphas, "alphas", default=alphas, strict=False),
            check_grid(self.betas, "betas", default=betas, strict=False),
        )

    def _errors_of_folds(self, data, splits, graph):
        """Errors (n_alphas, n_betas) of every fold."""
        counted, L = graph
        whole = np.zeros((data.n_tasks, data.n_tasks))
        whole[np.ix_(counted, counted)] = L
        sums = None
        if data.n_features <= max(len(v) for _, _, v in data.groups()):
            sums = FoldSums(data, self.fit_intercept)
        for number, (_, test) in enumerate(splits):
            if not data.subset(test).task_sizes().sum() > 0:
                raise ValueError(
                    f"fold {number} of cv holds out no row with a positive weight: drop the rows "
                    "of weight zero, or shuffle them among the folds."
                )
        run = delayed(self._errors_of_fold)
        jobs = (run(data, *split, sums, whole) for split in splits)
        return Parallel(n_jobs=self.n_jobs, prefer="threads")(jobs)

    def _errors_of_fold(self, data, train, test, sums, L):
        if sums is None:
            equations = read_equations(data.subset(train), self.fit_intercept)
        else:
            training, _ = sums.of_fold(train, test)
            centred = CentredSums(training, self.fit_intercept)
            equations = equations_of_sums(training, centred)
        return self._errors(make_graph_form(equations, L), data.subset(test))

    def _errors(self, form, held_out):
        errors = np.empty((len(self.alphas_), len(self.betas_)))
        limits = {"tol": max(self.tol, FOLD_TOL), "max_iter": self.max_iter}
        weight = held_out.task_sizes().sum()
        for row, alpha in enumerate(self.alphas_):
            start = None
            for column, beta in enumerate(self.betas_):
                start = form.solve(alpha, beta, start=start, **limits).coef
                coef = self._seen(start)
                squares = held_out.squared_errors(coef, form.equations.intercepts(coef))
                errors[row, column] = squares.sum() / weight
        return errors
