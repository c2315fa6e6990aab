"""Hierarchical (empirical Bayes) logistic regression: how much is shared is learned."""

import copy
from dataclasses import replace

import numpy as np
from sklearn.utils import check_consistent_length

from skmtl.documentation import complete_docstring
from skmtl.labels import labels_of_tasks, read_labels
from skmtl.linear_model.classifier import MultiTaskLinearClassifier
from skmtl.linear_model.hierarchical import (
    check_options,
    common_share,
    join_tasks,
    read_new_features,
    warn_unless_found,
)
from skmtl.solvers.empirical_bayes import DiagonalCovariance
from skmtl.solvers.hierarchical import Standardisation
from skmtl.solvers.label_stacks import (
    common_contrasts,
    contrasts_of_tasks,
    label_models,
    moderated,
    read_tasks,
)
from skmtl.solvers.laplace import (
    adapt,
    covariances_without_rows,
    leave_one_out,
    log_evidence,
    maximise_evidence,
)
from skmtl.solvers.random_coefficients import FittedTasks
from skmtl.task_data import make_task_data
from skmtl.tasks import describe_ids
from skmtl.threads import suited_threads

CHOICES = {"covariance": ("diagonal", "spherical", "intercept"), "mean": ("learned", "zero")}


@complete_docstring
class HierarchicalLogistic(MultiTaskLinearClassifier):
    """Logistic regression of many tasks around a common model, with learned variances.

    The tasks' coefficients come from a normal distribution that all tasks have in common ::

        w_t ~ N(m, S),  m_j ~ N(0, v),  P(y_ti = k) = softmax(scores)_k,  scores = w_t' x_ti

    over standardised features and an intercept, whose mean is free. S and v maximise the marginal
    likelihood in Laplace's approximation, so that there is nothing to tune: a feature whose
    coefficient is the same in all tasks gets a variance S_jj next to 0, one that differs a large
    one, and so does the intercept. Given these, the coefficients minimise jointly with m ::

        sum_t sum_i weight_ti loss_t(y_ti, w_t' x_ti)
        + 1/2 sum_t (w_t - m)' S^-1 (w_t - m) + 1/(2 v) sum_j m_j^2

    S next to 0 is one pooled model, S very large one per task. The variances of features are pulled
    towards each other as by 8 more tasks, and their roots have half-Cauchy densities of scale 2.5,
    so that separable labels do no harm. The cost is linear in the number of tasks.

    If no task has more than two labels, the model is of the log-odds of the second label of each
    task. Otherwise every class has coefficients, the variance of a feature is common to all of
    them, and a task learns about those of its own labels. A task with a single label always
    predicts it, and the others learn nothing from it.

    Probabilities of a task without rows in fit (``unknown_task="shared"``) are averages over the
    models that it may have, nearer to each other than those of m alone; others are of `coef_`.

    Parameters
    ----------
    covariance : {"diagonal", "spherical", "intercept"}, default="diagonal"
        Form of S: a variance per feature; one for all features; none (only intercepts differ
        between tasks). The intercept has a variance of its own.
    mean : {"learned", "zero"}, default="learned"
        "zero": m is 0 but for the intercept, so that tasks share no more than their penalties.
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
        Keep the leave-one-out probabilities; for tasks with rows of their own.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Union of the labels of all tasks.
    task_classes_ : list of n_tasks arrays
        The labels that each task has in fit.
    coef_mean_ : ndarray of shape (n_features,) or (n_classes, n_features)
        m, of the log-odds or of the scores of all classes.
    coef_shared_, intercept_shared_ : ndarray, or None
        The common model, of m, for tasks without rows: between all classes, if tasks tell all of
        them apart; of two, if all tasks with two labels have the same; else None.
    coef_covariance_ : ndarray of shape (n_features,)
        The diagonal of S for the features as they came.
    intercept_variance_ : float
        Between tasks, at the mean of the features.
    feature_sharing_ : ndarray of shape (n_features,)
        Squared mean over mean square of a feature's coefficients, over the tasks that have it: 1
        if they have the same one, 0 if theirs cancel out.
    log_marginal_likelihood_ : float
        Of y given the hyperparameters, for a flat density of the common intercept.
    objective_path_ : ndarray of shape (n_iter_,)
        The log marginal likelihood with the pull of the pseudo-tasks after every step; it never
        falls.
    loo_proba_ : ndarray of shape (n_samples, n_classes)
        If ``store_loo``: probabilities of every row by the other rows, one Newton step away from
        the coefficients of all rows and with their hyperparameters.
    n_iter_ : int
    coef_ : ndarray of shape (n_tasks, n_features) or (n_tasks, n_classes, n_features)
        If no task has more than two labels, those of the log-odds of the second label of each task.
        Otherwise those of the scores of all classes, with zeros for labels that the task lacks and
        for the first of two; without task ids (n_classes, n_features). 0 for an absent feature.
    intercept_ : ndarray of shape (n_tasks,), (n_tasks, n_classes) or (n_classes,)
        If a task has one of two classes, plus or minus 36: log-odds of 1 but for rounding.
    tasks_ : ndarray of shape (n_tasks,)
        The task ids, sorted.
    absent_features_ : ndarray of shape (n_tasks, n_features) or None
        Features that have no value in a task; None if there are none.

    References
    ----------
    Williams, Barber 1998, *Bayesian classification with Gaussian processes*, IEEE PAMI 20.

    Examples
    --------
    >>> from skmtl import HierarchicalLogistic, make_multitask_classification
    >>> X, y = make_multitask_classification(
    ...     n_tasks=8, n_samples=25, structure="common", random_state=0)
    >>> model = HierarchicalLogistic(task_column=0, unknown_task="shared").fit(X, y)
    >>> model.coef_.shape
    (8, 20)
    >>> model.predict_proba(X).shape
    (200, 2)
    """

    def __init__(
        self,
        covariance="diagonal",
        *,
        mean="learned",
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        standardize=True,
        tol=1e-2,
        max_iter=200,
        store_loo=False,
    ):
        self.covariance = covariance
        self.mean = mean
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.tol = tol
        self.max_iter = max_iter
        self.store_loo = store_loo

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
        check_options(self, CHOICES)
        data = self._read_training_data(X, y, tasks, sample_weight)
        data, own = self._note_labels(data)
        if self.store_loo and data.shared_rows:
            raise ValueError(
                "store_loo=True needs tasks with rows of their own, but y is 2-d: give task ids "
                "(stack_tasks), or store_loo=False."
            )
        with suited_threads(data):
            standard = Standardisation.of(
                data, fit_intercept=self.fit_intercept, standardize=self.standardize
            )
            standard = replace(standard, y_mean=0.0, y_scale=1.0)  # those of labels mean nothing
            self._contrasts = common_contrasts(own)
            contrasts = contrasts_of_tasks(own, self._contrasts)
            labelled = read_tasks(data, own, standard, contrasts)
            estimate = self._maximise(labelled, data.n_features)
            fitted = estimate.fitted()
            self._keep(data, own, standard, estimate, fitted)
            if self.store_loo:
                left_out = leave_one_out(data, own, standard, contrasts, fitted)
                missing = np.isnan(left_out)
                if missing.any():
                    left_out[missing] = self.predict_proba(X, tasks=tasks)[missing]
                self.loo_proba_ = left_out
        return self

    def _maximise(self, labelled, n_features):
        n_inputs = n_features + bool(self.fit_intercept)
        family = DiagonalCovariance.of(self.covariance, n_features, n_inputs)
        family.groups = np.tile(family.groups, labelled.n_coef // n_inputs)
        estimate = maximise_evidence(
            labelled,
            family,
            # An intercept of which no row tells needs a prior.
            free=(np.arange(labelled.n_coef) % n_inputs >= n_features) & labelled.says_something,
            mean_is_zero=self.mean == "zero",
            tol=self.tol,
            max_iter=self.max_iter,
        )
        warn_unless_found(estimate, self)
        return estimate

    def _keep(self, data, own, standard, estimate, fitted):
        """The attributes, in the units of the data."""
        n_features, n_inputs = data.n_features, standard.n_coef
        self._standard = standard.state()
        self._store_models(data, own, standard, fitted)
        S = estimate.prior.covariance[:n_inputs]
        self.coef_covariance_ = S[:n_features] / standard.x_scale**2
        self.intercept_variance_ = float(S[-1]) if self.fit_intercept else 0.0
        coef = (
            self.coef_[None] if self._layout == "one" and self.coef_.shape[0] != 1 else self.coef_
        )
        self.feature_sharing_ = common_share(coef, self.absent_features_)
        self.log_marginal_likelihood_ = log_evidence(estimate.mode)
        self.objective_path_ = np.array(estimate.objective)
        self.n_iter_ = len(estimate.objective)

    def _store_models(self, data, own, standard, fitted, *, of_classes=False):
        """The models of tasks, and of the posterior what predictions and new tasks need."""
        self._fitted = replace(fitted, factors=[], white_coef=None, noise=None).state()
        self._has_rows = np.append(data.task_sizes() > 0, False)
        n_inputs, root = standard.n_coef, fitted.root
        mean = standard.models((fitted.mean.value * root).reshape(-1, n_inputs))
        coef = (fitted.white_coef * root).reshape(data.n_tasks, -1, n_inputs)
        if self.absent_features_ is not None:  # else they would move the intercepts
            coef[..., : data.n_features] *= ~self.absent_features_[:, None]
        Q = self._contrasts
        self._common_model = [part[0] if Q is None else Q @ part for part in mean]
        columns, models, constants = label_models(own, Q, *standard.models(coef))
        self._store(data, own, columns, models.T, constants, of_classes=of_classes)
        self.coef_mean_ = self._common_model[0].astype(self.coef_.dtype)

    def _mean_model(self, data, own, models, constants):
        n_columns = 0 if self._contrasts is None else self._contrasts.shape[1]
        if n_columns == own.shape[1] - 1 > 0:  # tasks tell all classes apart
            return *self._common_model, np.ones(own.shape[1], dtype=bool)
        shared = super()._mean_model(data, own, models, constants)
        if shared is None or shared[2].sum() < 2:
            return shared
        return *self._common_model, shared[2]

    def _linear(self, X, code):
        """Scores of one task; of one without rows, averaged over what is not known of it."""
        linear, labels = super()._linear(X, code), self._own_labels[code]
        if self._has_rows[code] or labels.sum() < 2:
            return linear
        standard, fitted = Standardisation(**self._standard), FittedTasks.from_state(self._fitted)
        absent = np.zeros(X.shape[1], dtype=bool)
        if code >= 0 and self.absent_features_ is not None:
            absent = self.absent_features_[code]
        covariances = covariances_without_rows(X, absent, standard, fitted)
        if self._contrasts is None:
            moderation = np.sqrt(1.0 + np.pi / 8.0 * covariances[:, 0, 0])
            return (linear / moderation).astype(linear.dtype)
        Q = self._contrasts[labels]
        linear[:, labels] = moderated(linear[:, labels], Q @ covariances @ Q.T)
        return linear

    @complete_docstring
    def adapt(self, X, y, *, sample_weight=None, tasks=None, add=False):
        """Models of new tasks from a few rows: what was learned is the prior.

        The others are not touched; the common model learns, too. Old rows enter by their normal
        approximation, and the hyperparameters stay. A new task has the labels of the common model.

        Parameters
        ----------
        {fit_parameters}
        add : bool, default=False
            Return a model that has the old tasks as well.

        Returns
        -------
        HierarchicalLogistic
            Of the new tasks; this one stays as it is.

        Raises
        ------
        ValueError
            If a task was in fit, if a label was not, or if fit had no task ids.

        Examples
        --------
        >>> from skmtl import HierarchicalLogistic, make_multitask_classification
        >>> X, y = make_multitask_classification(
        ...     n_tasks=8, n_samples=25, structure="common", random_state=0)
        >>> new = X[:, 0] == 7
        >>> model = HierarchicalLogistic(task_column=0).fit(X[~new], y[~new])
        >>> model.adapt(X[new][:5], y[new][:5], add=True).tasks_
        array([0, 1, 2, 3, 4, 5, 6, 7])
        """
        data = self._read_new_tasks(X, y, tasks, sample_weight)
        own = self._labels_of_new(data)
        standard = Standardisation(**self._standard)
        contrasts = contrasts_of_tasks(own, self._contrasts)
        with suited_threads(data):
            labelled = read_tasks(data, own, standard, contrasts)
            fitted = adapt(FittedTasks.from_state(self._fitted), labelled)
        adapted = copy.copy(self)
        vars(adapted).pop("loo_proba_", None)
        adapted.tasks_ = data.labels
        adapted.absent_features_ = data.absent_features(self._feature)
        adapted.task_classes_ = [self.classes_[labels] for labels in own]
        of_classes = self.coef_.ndim == 3  # as in fit, whatever the labels of the new tasks
        adapted._store_models(data, own, standard, fitted, of_classes=of_classes)
        adapted._own_labels[-1] = self._own_labels[-1]
        if self.coef_shared_ is None:
            adapted.coef_shared_ = adapted.intercept_shared_ = None
        return merged(self, adapted) if add else adapted

    def _read_new_tasks(self, X, y, tasks, sample_weight):
        X, ids = read_new_features(self, X, tasks)
        y, _, _ = read_labels(y, self)
        y = y if y.ndim == 1 else self._single_output(y)
        check_consistent_length(X, y)
        new = ~np.isin(y, self.classes_)
        if new.any():
            raise ValueError(
                f"label {y[np.argmax(new)].item()!r} was not in fit, which had "
                f"{self.classes_.tolist()}: refit with the rows of the new tasks."
            )
        codes = np.searchsorted(self.classes_, y).astype(float)
        return make_task_data(X, codes, ids=ids, sample_weight=sample_weight)

    def _labels_of_new(self, data):
        """Mask of the labels of every new task: those common to all tasks, or those of its rows."""
        own = labels_of_tasks(data, len(self.classes_))
        common = self._own_labels[-1]
        own = np.where((own & ~common).any(axis=1, keepdims=True), own, own | common)
        count = own.sum(axis=1)
        if self._contrasts is None and count.max() > 2:
            task = data.labels[[np.argmax(count)]]
            raise ValueError(
                f"task {describe_ids(task)} has {count.max()} labels, but no task in fit had more "
                "than two: refit with its rows."
            )
        return own


def merged(old, new):
    """A copy of `new` that has the tasks of `old` as well."""
    both, order = join_tasks(old, new)
    own = np.concatenate([old._own_labels[:-1], new._own_labels[:-1]])[order]
    both._own_labels = np.vstack([own, new._own_labels[-1]])
    both.task_classes_ = [both.classes_[labels] for labels in own]
    has_rows = np.concatenate([old._has_rows[:-1], new._has_rows[:-1]])[order]
    both._has_rows = np.append(has_rows, False)
    return both
