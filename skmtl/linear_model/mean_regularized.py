"""Ridge towards a common mean of all tasks."""

import itertools

import numpy as np

from skmtl.base import MultiTaskLinearRegressor, check_number
from skmtl.documentation import complete_docstring
from skmtl.linear_model.ridge import check_grid, feature_variance, read_folds
from skmtl.solvers.mean_regularized import make_form
from skmtl.threads import suited_threads

EXHAUSTIVE = 125  # grids up to this size are searched whole
COMMON = np.array([1e-2, 1.0, 1e2, 1e4, 1e9])  # the last one leaves no common model


@complete_docstring
class MeanRegularizedRidge(MultiTaskLinearRegressor):
    """Ridge regression of many tasks around a common model: w_t = m + d_t.

    Minimises over m, d_t (n_features,) and the intercepts ::

        sum_t sum_i v_ti w_t (y_ti - (x_ti - x_mean)' (m + d_t) - c - e_t)^2
        + alpha_common ||m||^2 + alpha_task sum_t ||d_t||^2 + alpha_intercept sum_t e_t^2

    with v the sample weights and w the task weights. The common intercept c is free, the
    intercepts' deviations e_t have a penalty of their own: tied to that of the slopes, or free,
    they would cost much of what sharing gains. For alpha_task to infinity this is pooled ridge
    with task intercepts, for alpha_common to infinity ridge per task (around 0).

    The solution is in closed form, at a cost linear in the number of tasks. Features should
    be on one scale, common to all tasks (`keep_tasks(StandardScaler(), task_column)`).

    Parameters
    ----------
    alpha_common : float, default=1.0
        Penalty of the common model; may be 0.
    alpha_task : float, default=1.0
        Penalty of the tasks' deviations from it, above 0.
    alpha_intercept : float, default=1.0
        Penalty of the deviations of the tasks' intercepts; may be 0.
    {task_parameters}
    {task_weight}
    fit_intercept : bool, default=True

    Attributes
    ----------
    coef_shared_, intercept_shared_ : ndarray of shape (n_features,), float
        The common model m.
    {linear_attributes}

    References
    ----------
    Evgeniou, Pontil 2004, *Regularized multi-task learning*, KDD.

    Examples
    --------
    >>> from skmtl import MeanRegularizedRidge, make_multitask_regression
    >>> X, y = make_multitask_regression(
    ...     n_tasks=4, n_samples=15, structure="common", random_state=0)
    >>> model = MeanRegularizedRidge(alpha_task=20.0, task_column=0, unknown_task="shared")
    >>> model.fit(X, y).coef_.shape
    (4, 20)
    """

    def __init__(
        self,
        alpha_common=1.0,
        *,
        alpha_task=1.0,
        alpha_intercept=1.0,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
    ):
        self.alpha_common = alpha_common
        self.alpha_task = alpha_task
        self.alpha_intercept = alpha_intercept
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Fit the common model and the tasks' deviations from it.

        Parameters
        ----------
        {fit_parameters}

        Returns
        -------
        self : object
        """
        check_number(self.alpha_common, "alpha_common")
        check_number(self.alpha_task, "alpha_task", strict=True)
        check_number(self.alpha_intercept, "alpha_intercept")
        data = self._read_training_data(X, y, tasks, sample_weight)
        with suited_threads(data):
            form = make_form(data, fit_intercept=self.fit_intercept)
            solved = form.solve(self.alpha_common, self.alpha_task, self.alpha_intercept)
        return self._store(data, *solved)


@complete_docstring
class MeanRegularizedRidgeCV(MultiTaskLinearRegressor):
    """`MeanRegularizedRidge` with its penalties chosen by exact leave-one-out.

    Penalties of the common model, of the deviations and of the intercepts minimise the mean
    squared error of rows that are left out, computed in closed form for features that stay
    centred by the mean of all rows. With a 2-d y a row is left out with all its outputs. Up to
    125 combinations are searched whole; a larger grid is searched coarsely and then along one
    penalty at a time until none improves.

    Parameters
    ----------
    alphas_task : array-like, default=None
        Penalties of the deviations. None: from 1e-2 to 1e8 times the median variance of a
        feature, so that the search reaches one model per task as well as pooling.
    alphas_common : array-like, default=None
        Penalties of the common model. None: from 1e-2 to 1e4 times the median
        variance, or so large that nothing is shared, unless sharing earns its place: its error
        must be lower by more than one standard error of the difference.
    alphas_intercept : array-like, default=None
        Penalties of the deviations of the intercepts. None: from 1e-2 to 1e5; 0 with a 2-d y.
    cv : int, splitter or iterable of (train, test), default=None
        None: exact leave-one-out. Otherwise folds, where rows are not independent of each
        other; an int means `TaskKFold`.
    {task_parameters}
    {task_weight}
    fit_intercept : bool, default=True

    Attributes
    ----------
    alpha_common_, alpha_task_, alpha_intercept_ : float
    cv_results_ : dict of ndarray
        "alpha_common", "alpha_task", "alpha_intercept" and "mse" (weighted mean squared error
        of the rows left out) of every combination tried.
    best_score_ : float
        Minus that error at the chosen penalties.
    coef_shared_, intercept_shared_ : ndarray of shape (n_features,), float
        The common model m.
    {linear_attributes}

    References
    ----------
    Evgeniou, Pontil 2004, *Regularized multi-task learning*, KDD.

    Examples
    --------
    >>> from skmtl import MeanRegularizedRidgeCV, make_multitask_regression
    >>> X, y = make_multitask_regression(
    ...     n_tasks=4, n_samples=15, structure="common", random_state=0)
    >>> MeanRegularizedRidgeCV(task_column=0).fit(X, y).coef_.shape
    (4, 20)
    """

    def __init__(
        self,
        alphas_task=None,
        *,
        alphas_common=None,
        alphas_intercept=None,
        cv=None,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
    ):
        self.alphas_task = alphas_task
        self.alphas_common = alphas_common
        self.alphas_intercept = alphas_intercept
        self.cv = cv
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Choose the penalties and fit the common model and the tasks' deviations.

        Parameters
        ----------
        {fit_parameters}

        Returns
        -------
        self : object
        """
        data = self._read_training_data(X, y, tasks, sample_weight)
        unseen = self.unknown_task == "shared"
        folds = read_folds(self.cv, X, y, data, unseen_tasks=unseen)
        with suited_threads(data):
            return self._choose_and_solve(data, folds)

    def _choose_and_solve(self, data, folds):
        form = make_form(data, fit_intercept=self.fit_intercept)
        held_out = form if folds is None else HeldOutFolds(data, folds, self.fit_intercept)
        grids = self._grids(data)
        errors = search(held_out.leave_one_out, grids)
        best = min(errors, key=errors.get)
        if self.alphas_common is None:
            best = unless_alone_is_as_good(best, held_out.leave_one_out, grids, errors)
        self.alpha_common_, self.alpha_task_, self.alpha_intercept_ = best
        total = data.task_sizes().sum() if folds is None else held_out.total_weight
        names = ("alpha_common", "alpha_task", "alpha_intercept")
        self.cv_results_ = dict(zip(names, np.array(list(errors)).T, strict=True))
        self.cv_results_["mse"] = np.array(list(errors.values())) / total
        self.best_score_ = -float(errors[best] / total)
        return self._store(data, *form.solve(*best))

    def _grids(self, data):
        scale = feature_variance(data)
        common = check_grid(
            self.alphas_common, "alphas_common", default=scale * COMMON, strict=False
        )
        task = check_grid(self.alphas_task, "alphas_task", default=scale * np.logspace(-2, 8, 21))
        # Outputs that were standardised on these very rows have one mean whatever the truth is:
        # leaving rows out cannot tell how far their intercepts should be shrunken.
        free = data.shared_rows or not self.fit_intercept
        default = np.zeros(1) if free else np.logspace(-2, 5, 15)
        intercept = check_grid(
            self.alphas_intercept, "alphas_intercept", default=default, strict=False
        )
        return common, task, intercept


class HeldOutFolds:
    """Errors of folds instead of single rows, for the same search."""

    def __init__(self, data, folds, fit_intercept):
        self.tests = [data.subset(test) for _, test in folds]
        self.forms = [
            make_form(data.subset(train), fit_intercept=fit_intercept) for train, _ in folds
        ]
        self.total_weight = sum(test.task_sizes().sum() for test in self.tests)

    def leave_one_out(self, *penalties):
        squares = []
        for form, test in zip(self.forms, self.tests, strict=True):
            coef, intercept, _ = form.solve(*penalties)
            errors = test.squared_errors(coef, intercept)
            squares.append(errors.sum(axis=1) if errors.ndim == 2 else errors)
        return np.concatenate(squares)


def unless_alone_is_as_good(best, error, grids, errors):
    """The best penalties, or those without sharing if these are as good within one error.

    Without sharing means the largest penalty of the common model and the smallest of the
    intercepts; the difference is judged row by row.
    """
    common, tasks, intercept = (grid.tolist() for grid in grids)
    alone = [(common[-1], task, intercept[0]) for task in tasks]
    for point in alone:
        errors.setdefault(point, float(np.sum(error(*point))))
    alone = min(alone, key=errors.get)
    gain = error(*alone) - error(*best)
    return best if gain.sum() > np.sqrt(len(gain)) * gain.std() else alone


def search(error, grids):
    """Errors of the points of a grid that were tried, by point; the best is a local minimum.

    Small grids are tried whole. Others are tried at every fourth value of each axis, and then
    along one axis at a time through the best point until no axis improves it.
    """
    errors = {}

    def try_all(axes):
        for point in itertools.product(*axes):
            if point not in errors:
                errors[point] = float(np.sum(error(*point)))

    grids = [[float(value) for value in grid] for grid in grids]
    if np.prod([len(grid) for grid in grids]) <= EXHAUSTIVE:
        try_all(grids)
        return errors
    try_all([grid[1:-1:4] if len(grid) > 4 else grid[1::4] or grid for grid in grids])
    best, improved = None, True
    while improved:
        start = min(errors, key=errors.get)
        for axis, grid in enumerate(grids):
            best = min(errors, key=errors.get)
            try_all([grid if k == axis else [best[k]] for k in range(len(grids))])
        improved = min(errors, key=errors.get) != start
    return errors
