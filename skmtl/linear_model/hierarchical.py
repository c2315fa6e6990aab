"""Hierarchical (empirical Bayes) ridge: how much is shared is learned, feature by feature."""

import copy
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_consistent_length, check_random_state

from skmtl.base import MultiTaskLinearRegressor, check_number, read_targets
from skmtl.documentation import complete_docstring
from skmtl.solvers.empirical_bayes import maximise
from skmtl.solvers.hierarchical import Standardisation, compress_tasks, leave_one_out
from skmtl.solvers.random_coefficients import FittedTasks, extend, unwhiten
from skmtl.task_data import make_task_data
from skmtl.tasks import encode, group_rows, match
from skmtl.threads import suited_threads

CHOICES = {
    "covariance": ("diagonal", "spherical", "intercept", "full", "low_rank"),
    "mean": ("learned", "zero"),
    "noise": ("per_task", "common"),
}


@complete_docstring
class HierarchicalRidge(MultiTaskLinearRegressor):
    """Ridge regression of many tasks around a common model, with learned variances.

    The tasks' coefficients are drawn from a normal distribution that all tasks have in common ::

        w_t ~ N(m, S),  m_j ~ N(0, v),  y_ti ~ N(x_ti' w_t, sigma_t^2 / weight_ti)

    over standardised features and an intercept, whose mean is free. S, v and the noise sigma_t^2
    maximise the marginal likelihood, so that there is nothing to tune: a feature whose coefficient
    is the same in all tasks gets a variance S_jj next to 0, one that differs a large one, and so
    does the intercept. Given these the coefficients are posterior means, in closed form ::

        w_t = m + A_t X_t' V_t (y_t - X_t m),  A_t = (X_t' V_t X_t + S^-1)^-1

    with V_t the weights over sigma_t^2. S next to 0 is one pooled model, S very large one model per
    task. The variances of features are pulled towards each other as by 8 more tasks, the noise of
    tasks as by 30 more rows: from few tasks or rows alone they would be guesses. The cost is linear
    in the number of tasks.

    Features are standardised inside, by all rows together. The outputs of a 2-d y should be on one
    scale.

    Parameters
    ----------
    covariance : {"diagonal", "spherical", "intercept", "full", "low_rank"}, default="diagonal"
        Form of S: a variance per feature; one for all features; none (only intercepts differ
        between tasks); any matrix, pulled towards a diagonal; or a diagonal and a matrix of rank
        `rank`. The intercept has a variance of its own.
    rank : int, default=2
        For ``covariance="low_rank"``.
    mean : {"learned", "zero"}, default="learned"
        "zero": m is 0 but for the intercept, so that tasks share no more than their penalties.
    noise : {"per_task", "common"}, default="per_task"
        Whether tasks differ in sigma_t.
    {task_parameters}
    {task_weight}
    fit_intercept : bool, default=True
    standardize : bool, default=True
        Whether features are brought to one scale inside. If not, the scales they come with say
        which of them may matter more (frequencies of words, say); best with "spherical".
    tol : float, default=1e-2
        Stop when a step raises the log marginal likelihood by less.
    max_iter : int, default=200
        Quasi-Newton steps.
    store_loo : bool, default=False
        Keep the leave-one-out predictions.
    random_state : int, RandomState instance or None, default=0
        Of the start of ``covariance="low_rank"``.

    Attributes
    ----------
    coef_mean_ : ndarray of shape (n_features,)
        m, the model of a task about which nothing is known (also `coef_shared_`, with the intercept
        `intercept_shared_`).
    coef_covariance_ : ndarray of shape (n_features,) or (n_features, n_features)
        S for the features as they came: variances, or a matrix if S is not diagonal.
    intercept_variance_ : float
        Between tasks, at the mean of the features.
    feature_sharing_ : ndarray of shape (n_features,)
        Squared mean over mean square of a feature's coefficients, over the tasks that have it: 1
        if they have the same one, 0 if theirs cancel out.
    noise_variance_ : ndarray of shape (n_tasks,)
        sigma_t^2, of a row of weight 1.
    log_marginal_likelihood_ : float
        Of y given the hyperparameters, for a flat density of the common intercept.
    objective_path_ : ndarray of shape (n_iter_,)
        The log marginal likelihood with the pull of the pseudo-tasks after every step (of the
        standardised targets); it never falls.
    loo_prediction_ : ndarray of the shape of y
        If ``store_loo``: every row predicted by the coefficients of all other rows, exactly, for
        the hyperparameters of all rows. With a 2-d y a row is left out with all its outputs.
    n_iter_ : int
    {linear_attributes}

    References
    ----------
    Lindley, Smith 1972, *Bayes estimates for the linear model*, JRSS B 34. Laird, Ware 1982,
    *Random-effects models for longitudinal data*, Biometrics 38.

    Examples
    --------
    >>> from skmtl import HierarchicalRidge, make_multitask_regression
    >>> X, y = make_multitask_regression(
    ...     n_tasks=8, n_samples=15, structure="common", random_state=0)
    >>> model = HierarchicalRidge(task_column=0, unknown_task="shared").fit(X, y)
    >>> mean, deviation = model.predict(X, return_std=True)
    >>> deviation.shape
    (120,)
    """

    def __init__(
        self,
        covariance="diagonal",
        *,
        rank=2,
        mean="learned",
        noise="per_task",
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        standardize=True,
        tol=1e-2,
        max_iter=200,
        store_loo=False,
        random_state=0,
    ):
        self.covariance = covariance
        self.rank = rank
        self.mean = mean
        self.noise = noise
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.tol = tol
        self.max_iter = max_iter
        self.store_loo = store_loo
        self.random_state = random_state

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Learn the variances and the coefficients.

        Parameters
        ----------
        {fit_parameters}

        Returns
        -------
        self : object
        """
        self._check_parameters()
        data = self._read_training_data(X, y, tasks, sample_weight)
        with suited_threads(data):
            standard = Standardisation.of(
                data, fit_intercept=self.fit_intercept, standardize=self.standardize
            )
            estimate = self._maximise(compress_tasks(data, standard), data.n_features)
            fitted = FittedTasks.of(estimate.posterior, estimate.noise_level)
            self._keep(data, standard, estimate, fitted)
            if self.store_loo:
                predicted = leave_one_out(data, standard, fitted)
                missing = np.isnan(predicted)
                if missing.any():
                    predicted[missing] = self.predict(X, tasks=tasks)[missing]
                self.loo_prediction_ = predicted
        return self

    def _check_parameters(self):
        check_options(self, CHOICES)
        check_number(self.rank, "rank", low=1, integer=True)

    def _maximise(self, tasks, n_features):
        estimate = maximise(
            tasks,
            n_features,
            covariance=self.covariance,
            rank=self.rank,
            noise_per_task=self.noise == "per_task" and tasks.n_tasks > 1,
            mean_is_zero=self.mean == "zero",
            tol=self.tol,
            max_iter=self.max_iter,
            random=check_random_state(self.random_state),
        )
        warn_unless_found(estimate, self)
        return estimate

    def _keep(self, data, standard, estimate, fitted):
        """The attributes, in the units of the data."""
        prior, n_features = estimate.prior, data.n_features
        self._fitted, self._standard = fitted.state(), standard.state()
        self._store_models(data, standard, fitted)
        unit = standard.y_scale
        units = unit / standard.x_scale
        S = prior.covariance
        variances = S if S.ndim == 1 else np.diag(S)
        self.intercept_variance_ = float(variances[-1] * unit**2) if self.fit_intercept else 0.0
        S = S[:n_features] if S.ndim == 1 else S[:n_features, :n_features]
        self.coef_covariance_ = S * (units**2 if S.ndim == 1 else np.outer(units, units))
        self.feature_sharing_ = common_share(self.coef_, self.absent_features_)
        self.noise_variance_ = fitted.noise * standard.y_scale**2
        # A flat density of the common intercept is one for its own unit, too.
        n_scaled = data.task_sizes().sum() - self.fit_intercept
        likelihood = estimate.posterior.log_likelihood - n_scaled * np.log(unit)
        self.log_marginal_likelihood_ = float(likelihood)
        self.objective_path_ = np.array(estimate.objective)
        self.n_iter_ = len(estimate.objective)

    def _store_models(self, data, standard, fitted):
        mean = unwhiten(fitted.root, fitted.mean.value)
        coef = unwhiten(fitted.root, fitted.white_coef)
        if self.absent_features_ is not None:  # else they would move the intercepts
            coef[:, : data.n_features] *= ~self.absent_features_
        coef, intercept = standard.models(coef)
        self._store(data, coef.T, intercept, standard.models(mean))
        self.coef_mean_ = self.coef_shared_

    @complete_docstring
    def predict(self, X, *, tasks=None, return_std=False):
        """Predict the target of every row by the model of its task.

        Parameters
        ----------
        {predict_parameters}
        return_std : bool, default=False
            Also return the standard deviation of a new target of weight 1: noise, and what is not
            known about the coefficients. The target is within 1.96 of them in 95 % of cases.

        Returns
        -------
        ndarray of shape (n_samples,), or (n_samples, n_tasks) after a fit with 2-d y
            With the deviations, of the same shape, if ``return_std``.
        """
        predicted = super().predict(X, tasks=tasks)
        if not return_std:
            return predicted
        X, codes = self._read_rows(X, tasks)
        fitted = FittedTasks.from_state(self._fitted)
        standard = Standardisation(**self._standard)
        std = np.empty_like(predicted)
        if codes is None:
            for task in range(len(self.tasks_)):
                std[:, task] = self._std(standard, fitted, X, task)
            return predicted, std
        seen, local = encode(codes)
        X = X.tocsr() if hasattr(X, "tocsr") else X
        for code, rows in zip(seen, group_rows(local, len(seen)), strict=True):
            std[rows] = self._std(standard, fitted, X[rows], int(code))
        return predicted, std

    def _std(self, standard, fitted, X, task):
        absent = np.zeros(X.shape[1], dtype=bool)
        if task >= 0 and self.absent_features_ is not None:
            absent = self.absent_features_[task]
        variance = np.empty(X.shape[0])
        for rows, part in standard.pieces(X, absent):
            variance[rows] = fitted.variance(fitted.whiten(part), task)
        noise = fitted.noise[task] if task >= 0 else fitted.noise_level
        return standard.y_scale * np.sqrt(noise + variance)

    @complete_docstring
    def adapt(self, X, y, *, sample_weight=None, tasks=None, add=False):
        """Models of new tasks from a few rows, in closed form: what was learned is the prior.

        The models of the others stay. The coefficients are those of a fit to all rows, old and new,
        with the hyperparameters of the old; the noise is the level common to the old tasks.

        Parameters
        ----------
        {fit_parameters}
        add : bool, default=False
            Return a model that has the old tasks as well.

        Returns
        -------
        HierarchicalRidge
            Of the new tasks; this one stays as it is.

        Raises
        ------
        ValueError
            If a task was in fit, or if fit had no task ids.

        Examples
        --------
        >>> from skmtl import HierarchicalRidge, make_multitask_regression
        >>> X, y = make_multitask_regression(
        ...     n_tasks=8, n_samples=15, structure="common", random_state=0)
        >>> new = X[:, 0] == 7
        >>> model = HierarchicalRidge(task_column=0).fit(X[~new], y[~new])
        >>> model.adapt(X[new][:5], y[new][:5], add=True).tasks_
        array([0, 1, 2, 3, 4, 5, 6, 7])
        """
        data = self._read_new_tasks(X, y, tasks, sample_weight)
        fitted = FittedTasks.from_state(self._fitted)
        standard = Standardisation(**self._standard)
        with suited_threads(data):
            new = extend(fitted, compress_tasks(data, standard))
        adapted = copy.copy(self)
        vars(adapted).pop("loo_prediction_", None)
        adapted.tasks_ = data.labels
        adapted.absent_features_ = data.absent_features(self._feature)
        adapted._fitted = new.state()
        adapted._store_models(data, standard, new)
        adapted.noise_variance_ = new.noise * standard.y_scale**2
        return merged(self, adapted) if add else adapted

    def _read_new_tasks(self, X, y, tasks, sample_weight):
        X, ids = read_new_features(self, X, tasks)
        y, _ = read_targets(y, self)
        y = y if y.ndim == 1 else self._single_output(y)
        check_consistent_length(X, y)
        return make_task_data(X, y, ids=ids, sample_weight=sample_weight)


def check_options(model, choices):
    """Raise unless the parameters named by `choices` are among them, and the steps are numbers."""
    for name, known in choices.items():
        value = getattr(model, name)
        if value not in known:
            raise ValueError(f"{name}={value!r} is not one of {', '.join(known)}.")
    check_number(model.tol, "tol")
    check_number(model.max_iter, "max_iter", low=1, integer=True)


def warn_unless_found(estimate, model):
    """Say that the variances are not the best ones, to whom called fit."""
    if not estimate.converged:
        warnings.warn(
            f"the variances did not converge in {model.max_iter} steps to tol={model.tol:g}: "
            "raise max_iter or tol.",
            ConvergenceWarning,
            stacklevel=5,
        )


def read_new_features(model, X, tasks):
    """Features and ids of tasks that a fitted model does not have."""
    model._check_layout(tasks)
    if model._layout in ("one", "outputs"):
        raise ValueError(
            "adapt needs tasks with rows of their own, but fit had no task ids: fit with a "
            "column of them (stack_tasks), or refit with the new rows."
        )
    X, ids = model._split_ids(X, tasks, reset=False)
    X = model._read_features(X, reset=False)
    known = match(ids, model.tasks_) >= 0
    if known.any():
        raise ValueError(
            f"task {ids[np.argmax(known)].item()!r} was in fit: adapt is for new tasks, "
            "refit to learn from more rows of an old one."
        )
    return X, ids


def common_share(coef, absent):
    """Squared mean over mean square of coefficients (n_tasks, ..., n_features), by feature."""
    coef = coef.astype(np.float64).reshape(len(coef), -1, coef.shape[-1])
    n_tasks = len(coef) if absent is None else np.maximum(np.sum(~absent, axis=0), 1)
    common = np.sum(coef.sum(axis=0) ** 2, axis=0) / n_tasks
    total = np.sum(coef**2, axis=(0, 1))
    share = np.divide(common, total, out=np.zeros_like(total), where=total > 0)
    return np.minimum(share, 1.0)  # not above it by rounding


def join_tasks(old, new):
    """A copy of `new` that has the linear models of `old` as well, and the order of both's tasks.

    The order puts what is made of the old tasks' values and then the new ones' by sorted id.
    """
    both = copy.copy(new)
    order = np.argsort(np.concatenate([old.tasks_, new.tasks_]), kind="stable")
    for name in ("tasks_", "coef_", "intercept_"):
        values = np.concatenate([getattr(old, name), getattr(new, name)])
        setattr(both, name, values[order])
    masks = [model.absent_features_ for model in (old, new)]
    if any(mask is not None for mask in masks):
        none = [np.zeros((len(m.tasks_), m.coef_.shape[-1]), dtype=bool) for m in (old, new)]
        masks = [n if mask is None else mask for mask, n in zip(masks, none, strict=True)]
        both.absent_features_ = np.concatenate(masks)[order]
    return both, order


def merged(old, new):
    """A copy of `new` that has the tasks of `old` as well."""
    both, order = join_tasks(old, new)
    both.noise_variance_ = np.concatenate([old.noise_variance_, new.noise_variance_])[order]
    factors = old._fitted["factors"] + new._fitted["factors"]
    both._fitted = {**new._fitted, "factors": [factors[k] for k in order]}
    for name in ("white_coef", "noise"):
        values = np.concatenate([old._fitted[name], new._fitted[name]])
        both._fitted[name] = values[order]
    return both
