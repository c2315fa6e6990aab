"""Penalised logistic and multinomial regression: the base and the multi-task lasso for labels."""

import numpy as np

from skmtl import fitting
from skmtl.base import check_number, warn_unless_converged
from skmtl.documentation import complete_docstring
from skmtl.linear_model.classifier import MultiTaskLinearClassifier
from skmtl.linear_model.loss_parts import label_parts
from skmtl.linear_model.penalized import keep_structure
from skmtl.loss_layout import column_tasks
from skmtl.penalties import L21, SquaredL2
from skmtl.threads import suited_threads


class PenalizedClassifier(MultiTaskLinearClassifier):
    """Logistic loss plus a penalty; subclasses say which in ``_make_penalty``."""

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Fit one linear classifier per task.

        Parameters
        ----------
        {fit_parameters}

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For input that is not finite, targets that are no labels, task ids that are not
            labels or whole numbers, and parameters out of their range.
        """
        self._check_parameters()
        previous = self._previous_model()
        data = self._read_training_data(X, y, tasks, sample_weight)
        data, own = self._note_labels(data)
        parts, penalty = label_parts(own), self._make_penalty()
        columns = column_tasks(parts)
        with suited_threads(data):
            fitted = fitting.fit(
                data,
                penalty,
                parts,
                fit_intercept=self.fit_intercept,
                tol=self.tol,
                max_iter=self.max_iter,
                start=self._previous_coef(previous, own, columns),
            )
        warn_unless_converged(fitted, tol=self.tol, max_iter=self.max_iter)
        self.dual_gap_, self.n_iter_ = float(fitted.gap), fitted.n_iter
        return self._keep(data, own, columns, penalty, fitted)

    def _keep(self, data, own, columns, penalty, fitted):
        """Store a fit and what its penalty has to say of it."""
        keep_structure(self, penalty, fitted, data, columns[0])
        return self._store(data, own, columns, fitted.coef, fitted.intercept)

    def _previous_model(self):
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        return self.coef_, self._own_labels[:-1], self.classes_

    def _previous_coef(self, previous, own, columns):
        """Coefficients (n_features, n_columns) of the previous fit if it had the same labels."""
        if previous is None:
            return None
        coef, before, classes = previous
        if not (np.array_equal(before, own) and np.array_equal(classes, self.classes_)):
            return None
        tasks, positions = columns
        coef = np.asarray(coef, dtype=np.float64)
        if own.sum(axis=1).max() <= 2:
            return coef[tasks].T
        ranks = np.argsort(~own, axis=1, kind="stable")
        coef = coef if coef.ndim == 3 else coef[None]
        return coef[tasks, ranks[tasks, positions]].T

    def _check_parameters(self):
        check_number(self.tol, "tol")
        check_number(self.max_iter, "max_iter", low=1, integer=True)


@complete_docstring
class MultiTaskLogisticRegression(PenalizedClassifier):
    """Multi-task logistic regression: features are shared by all tasks.

    Minimises over W and the intercepts b ::

        1 / n_bar * sum_t sum_i v_ti w_t loss_t(y_ti, x_ti' W_t + b_t)
        + alpha * sum_j factor_j (l1_ratio * ||W^j||_2 + (1 - l1_ratio) / 2 * ||W^j||_2^2)

    with v the sample weights, w the task weights and n_bar the total sample weight over the number
    of tasks (the number of rows, if all tasks share the rows). The loss of a task with two
    labels is the logistic one, with one column of W; that of a task with K > 2 labels is the
    multinomial one, with K columns. W^j holds the coefficients of feature j in all columns of all
    tasks. Tasks may have different labels; a task with a single label always predicts it.

    Parameters
    ----------
    alpha : float, default=0.01
    l1_ratio : float, default=1.0
        From 0 (ridge) to 1 (features are selected for all tasks together).
    penalty_factor : array-like of shape (n_features,), optional
        Multiplies the penalty of each feature; 0 leaves a feature without penalty.
    {task_parameters}
    {task_weight}
    fit_intercept : bool, default=True
    tol : float, default=1e-6
        Duality gap to reach, relative to the loss of the best constant probabilities.
    max_iter : int, default=100
        Newton steps, each of which solves a penalised least-squares problem.
    warm_start : bool, default=False
        Start at the coefficients of the previous fit.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Union of the labels of all tasks.
    task_classes_ : list of n_tasks arrays
        The labels that each task has in fit.
    dual_gap_ : float
        The objective is above the optimum by at most this share of the loss of the best
        constant probabilities.
    n_iter_ : int
    coef_ : ndarray of shape (n_tasks, n_features) or (n_tasks, n_classes, n_features)
        If no task has more than two labels, those of the log-odds of the second label of each task.
        Otherwise those of the scores of all classes, whose softmax over the labels of the
        task are the probabilities; zeros for labels that a task lacks and for the first of two.
        With neither task ids nor a 2-d y there is no axis of tasks then: (n_classes, n_features).
        0 for a feature that is absent from a task. The task column is no feature.
    intercept_ : ndarray of shape (n_tasks,), (n_tasks, n_classes) or (n_classes,)
        If there are two classes and a task has one label, plus or minus 36, the log-odds of a
        probability of 1 but for rounding.
    tasks_ : ndarray of shape (n_tasks,)
        The task ids, sorted.
    absent_features_ : ndarray of shape (n_tasks, n_features) or None
        Features that have no value in a task; None if there are none.
    coef_shared_, intercept_shared_ : ndarray, or None
        The mean of the models of the tasks with more than one label, weighted by their rows, for
        tasks that fit did not see. None if these tasks do not all have the same labels.

    References
    ----------
    Obozinski, Taskar, Jordan 2010, *Joint covariate selection and joint subspace selection for
    multiple classification problems*, Statistics and Computing 20. Lee, Sun, Saunders 2014,
    *Proximal Newton-type methods for minimizing composite functions*, SIAM Journal on
    Optimization 24.

    Examples
    --------
    >>> from skmtl import MultiTaskLogisticRegression, make_multitask_classification
    >>> X, y = make_multitask_classification(n_tasks=4, n_samples=50, random_state=0)
    >>> model = MultiTaskLogisticRegression(alpha=0.05, task_column=0).fit(X, y)
    >>> model.coef_.shape
    (4, 20)
    >>> model.predict_proba(X).shape
    (200, 2)
    """

    def __init__(
        self,
        alpha=0.01,
        *,
        l1_ratio=1.0,
        penalty_factor=None,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        tol=1e-6,
        max_iter=100,
        warm_start=False,
    ):
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.penalty_factor = penalty_factor
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start

    def _make_penalty(self):
        options = {"factor": self.penalty_factor}
        group = L21(self.alpha * self.l1_ratio, **options)
        return group + SquaredL2(self.alpha * (1.0 - self.l1_ratio), **options)

    def _check_parameters(self):
        super()._check_parameters()
        check_number(self.alpha, "alpha")
        check_number(self.l1_ratio, "l1_ratio")
        if self.l1_ratio > 1:
            raise ValueError(f"l1_ratio={self.l1_ratio!r} must be between 0 and 1.")
