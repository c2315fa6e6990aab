"""Ridge whose coefficients have a low rank: all tasks use a few linear features."""

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed

from skmtl.base import check_number
from skmtl.documentation import complete_docstring
from skmtl.feature_learning.base import FactorProblem, SharedFeatures, complete_factors
from skmtl.linear_model.ridge import check_penalties, feature_variance, read_folds
from skmtl.model_selection import TaskKFold
from skmtl.solvers.closed_form import ridge_coef
from skmtl.solvers.reduced_rank import (
    SharedRowsPath,
    canonical,
    rank_starts,
    reduced_rank,
    unbounded,
)
from skmtl.solvers.ridge_per_task import designs
from skmtl.threads import suited_threads

FOLD_TOL = 1e-2


class RankedFits:
    """The fits of several ranks to one TaskData with one alpha.

    In closed form if all tasks have the same rows and weights, otherwise by alternating least
    squares.
    """

    def __init__(self, data, *, fit_intercept):
        closed = len(data.groups()) == 1 and data.n_tasks > 1
        options = {"fit_intercept": fit_intercept, "n_bar": 1.0}
        self.problem = FactorProblem(data, narrow=not closed, **options)
        self.design = next(designs(data, fit_intercept)) if closed else None
        self.rank_max = min(data.n_features, data.n_tasks)
        self.scale = float(np.mean(self.problem.largest_curvatures()))

    def solve(self, ranks, alpha, *, tol, max_iter, n_init=1, random=None, starts=None):
        """Factors of one rank after the other; `starts` may have an A for some ranks."""
        if self.design is not None:
            path = SharedRowsPath(self.design, ridge_coef(self.design, alpha), alpha)
        for rank in ranks:
            if self.design is not None:
                found = path.factors(min(rank, self.rank_max))
                A, B = canonical(found.A, found.B, rank)
                yield found._replace(A=A, B=B)
            else:
                quadratic, span = self.problem.quadratic, self.problem.span
                if rank >= self.problem.shape[0]:  # no bound: ridge per task
                    yield unbounded(quadratic, rank, alpha, span=span)
                    continue
                first = [(starts or {}).get(rank)]
                if first[0] is None:
                    options = {"scale": self.scale, "span": span, "n_init": n_init}
                    first = rank_starts(quadratic, rank, alpha, random=random, **options)
                options = {"tol": tol, "max_iter": max_iter, "span": span}
                yield reduced_rank(quadratic, rank, alpha, first, **options)


@complete_docstring
@complete_factors
class ReducedRankRidge(SharedFeatures):
    """Ridge regression of many tasks whose coefficients have at most a given rank.

    Minimises over W (n_features, n_tasks) of rank <= `rank` and the intercepts b ::

        sum_t sum_i v_ti w_t (y_ti - x_ti' W_t - b_t)^2 + alpha ||W||_F^2

    with v the sample weights and w the task weights: all tasks use the same few linear
    features of X. With a complete 2-d y this is the global minimum, in closed form: the ridge
    fit projected on the leading right singular vectors of its fitted values, those of
    X* = [X; alpha^(1/2) I]. With rows (or missing targets, or weights) of the tasks' own the
    problem is not convex: of the local minima that alternating least squares finds from several
    starts, the lowest is kept.

    The penalty counts the coefficients of features that are absent from a task, and ``coef_``,
    which is 0 there, may have a larger rank.

    Parameters
    ----------
    rank : int, default=1
    alpha : float, default=1.0
    n_init : int, default=3
        Starts, where there is no closed form: the leading singular vectors of the tasks' ridge
        fits, and random mixtures of these fits. The one that is best after 50 rounds goes on.
    {task_parameters}
    {task_weight}
    {alternating_parameters}
    warm_start : bool, default=False
        Start at the components of the previous fit, and nowhere else.
    random_state : int, RandomState instance or None, default=0
        Of the starts.

    Attributes
    ----------
    components_ : ndarray of shape (rank, n_features)
        The shared features; zeros beyond the rank that the data have.
    codes_ : ndarray of shape (n_tasks, rank)
        ``coef_ = codes_ @ components_``, with orthonormal columns.
    {alternating_attributes}
    {linear_attributes}
    {mean_model}

    References
    ----------
    Izenman 1975, *Reduced-rank regression for the multivariate linear model*, Journal of
    Multivariate Analysis 5. Mukherjee, Zhu 2011, *Reduced rank ridge regression and its kernel
    extensions*, Statistical Analysis and Data Mining 4.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl import ReducedRankRidge, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=8, n_samples=50, random_state=0)
    >>> model = ReducedRankRidge(rank=2, task_column=0).fit(X, y)
    >>> int(np.linalg.matrix_rank(model.coef_)), model.transform(X).shape
    (2, (400, 2))
    """

    def __init__(
        self,
        rank=1,
        *,
        alpha=1.0,
        n_init=3,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        tol=1e-4,
        max_iter=1000,
        warm_start=False,
        random_state=0,
    ):
        self.rank = rank
        self.alpha = alpha
        self.n_init = n_init
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.random_state = random_state

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Fit the shared features and the models of the tasks.

        Parameters
        ----------
        {fit_parameters}

        Returns
        -------
        self : object
        """
        check_number(self.rank, "rank", low=1, integer=True)
        check_number(self.alpha, "alpha")
        check_number(self.n_init, "n_init", low=1, integer=True)
        self._check_rounds()
        data = self._read_training_data(X, y, tasks, sample_weight)
        with suited_threads(data):
            fits = RankedFits(data, fit_intercept=self.fit_intercept)
            (factors,) = fits.solve(
                [self.rank],
                self.alpha,
                tol=self.tol,
                max_iter=self.max_iter,
                n_init=self.n_init,
                random=check_random_state(self.random_state),
                starts={self.rank: self._start((self.rank, data.n_features))},
            )
        self._warn_unless_at_rest(factors)
        return self._store_factors(fits.problem, data, factors, scale=2.0)


@complete_docstring
@complete_factors
class ReducedRankRidgeCV(SharedFeatures):
    """`ReducedRankRidge` with its rank and its penalty chosen on held-out rows.

    The objective is that of `ReducedRankRidge`. With a complete 2-d y one decomposition per
    penalty and fold gives all ranks.

    Parameters
    ----------
    ranks : array-like of int, default=None
        Ranks to try. None: 1, 2, 3, 5, 8, 13, ... up to the smaller one of n_features and n_tasks.
    alphas : array-like of shape (n_alphas,), default=None
        Penalties to try. None: six from 0.1 to 1e4 times the median variance of a feature.
    cv : int, splitter or iterable of (train, test), default=None
        None is `TaskKFold(5)`, an int the number of its folds: every task is in every training
        fold.
    {task_parameters}
    {task_weight}
    {alternating_parameters}
    n_init : int, default=3
        Starts of the final fit, where there is no closed form; the fits to folds have one.
    n_jobs : int, optional
        Folds in parallel (as threads); results do not depend on it.
    random_state : int, RandomState instance or None, default=0
        Of the starts.

    Attributes
    ----------
    rank_ : int
    alpha_ : float
    ranks_ : ndarray of shape (n_ranks,)
    alphas_ : ndarray of shape (n_alphas,)
    mse_path_ : ndarray of shape (n_ranks, n_alphas, n_folds)
        Weighted mean squared errors of the rows held out.
    best_score_ : float
        Minus the mean over the folds at the choice.
    components_ : ndarray of shape (rank_, n_features)
        The shared features.
    codes_ : ndarray of shape (n_tasks, rank_)
        ``coef_ = codes_ @ components_``.
    {alternating_attributes}
    {linear_attributes}
    {mean_model}

    References
    ----------
    Mukherjee, Zhu 2011, *Reduced rank ridge regression and its kernel extensions*, Statistical
    Analysis and Data Mining 4.

    Examples
    --------
    >>> from skmtl import ReducedRankRidgeCV, make_multitask_regression
    >>> X, y = make_multitask_regression(
    ...     n_tasks=8, n_samples=30, structure="common", spread=0.0, random_state=0)
    >>> ReducedRankRidgeCV(ranks=[1, 2, 4], alphas=[1.0], task_column=0).fit(X, y).rank_
    1
    """

    warm_start = False

    def __init__(
        self,
        ranks=None,
        *,
        alphas=None,
        cv=None,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        tol=1e-4,
        max_iter=1000,
        n_init=3,
        n_jobs=None,
        random_state=0,
    ):
        self.ranks = ranks
        self.alphas = alphas
        self.cv = cv
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.n_jobs = n_jobs
        self.random_state = random_state

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Choose the rank and the penalty, and fit the models of the tasks.

        Parameters
        ----------
        {fit_parameters}

        Returns
        -------
        self : object
        """
        self._check_rounds()
        check_number(self.n_init, "n_init", low=1, integer=True)
        ranks = self._check_ranks()
        alphas = self.alphas
        if alphas is not None:
            alphas = check_penalties(alphas, "alphas", strict=False)
        data = self._read_training_data(X, y, tasks, sample_weight)
        self.ranks_ = np.unique(some_ranks(data) if ranks is None else ranks)
        scale = feature_variance(data)
        self.alphas_ = np.unique(scale * np.logspace(-1, 4, 6) if alphas is None else alphas)
        if data.X.shape[0] < 2:
            raise ValueError("rows are held out to choose the rank, but n_samples = 1: add rows.")
        folds = read_folds(TaskKFold(5) if self.cv is None else self.cv, X, y, data)
        with suited_threads(data):
            self.mse_path_ = np.stack(self._errors(data, folds), axis=-1)
            self._choose()
            return self._refit(data)

    def _refit(self, data):
        fits = RankedFits(data, fit_intercept=self.fit_intercept)
        (factors,) = fits.solve(
            [self.rank_],
            self.alpha_,
            tol=self.tol,
            max_iter=self.max_iter,
            n_init=self.n_init,
            random=check_random_state(self.random_state),
        )
        self._warn_unless_at_rest(factors, stacklevel=4)
        return self._store_factors(fits.problem, data, factors, scale=2.0)

    def _check_ranks(self):
        if self.ranks is None:
            return None
        ranks = np.atleast_1d(self.ranks).tolist()
        if not ranks:
            raise ValueError("ranks is empty: give at least one rank.")
        for rank in ranks:
            check_number(rank, "ranks", low=1, integer=True)
        return ranks

    def _errors(self, data, folds):
        """Mean squared errors (n_ranks, n_alphas) of every fold."""
        jobs = (delayed(self._errors_of_fold)(data, *fold) for fold in folds)
        return Parallel(n_jobs=self.n_jobs, prefer="threads")(jobs)

    def _errors_of_fold(self, data, train, test):
        fits = RankedFits(data.subset(train), fit_intercept=self.fit_intercept)
        held_out = data.subset(test)
        size = held_out.task_sizes().sum()
        errors = np.empty((len(self.ranks_), len(self.alphas_)))
        options = {"tol": max(self.tol, FOLD_TOL), "max_iter": self.max_iter}
        starts = {}
        for column in range(len(self.alphas_) - 1, -1, -1):
            found_ranks = fits.solve(self.ranks_, self.alphas_[column], starts=starts, **options)
            for row, found in enumerate(found_ranks):
                starts[int(self.ranks_[row])] = found.A
                coef, intercept = fits.problem.complete(found.A @ found.B)
                errors[row, column] = held_out.squared_errors(coef, intercept).sum() / size
        return errors

    def _choose(self):
        mean = self.mse_path_.mean(axis=-1)
        row, column = np.unravel_index(np.argmin(mean), mean.shape)
        self.rank_, self.alpha_ = int(self.ranks_[row]), float(self.alphas_[column])
        self.best_score_ = -float(mean[row, column])


def some_ranks(data):
    """1, 2, 3, 5, 8, ... below the largest rank, and that one."""
    largest = min(data.n_features, data.n_tasks)
    ranks, following = [], (1, 2)
    while following[0] < largest:
        ranks.append(following[0])
        following = (following[1], sum(following))
    return [*ranks, largest]
