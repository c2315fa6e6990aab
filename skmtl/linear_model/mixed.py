"""Regression in some tasks and classification in others, under one penalty."""

from dataclasses import replace

import numpy as np

from skmtl import fitting
from skmtl.base import check_number, warn_unless_converged
from skmtl.documentation import complete_docstring
from skmtl.linear_model.loss_parts import REGRESSION_LOSSES, check_counts, label_parts, make_loss
from skmtl.linear_model.mixed_predictor import MixedPredictor
from skmtl.linear_model.mixed_targets import (
    as_positions,
    cells_of_tasks,
    read_mixed_targets,
    settle_target,
)
from skmtl.linear_model.penalized import check_penalty, common_model, keep_structure
from skmtl.loss_layout import Part, column_tasks
from skmtl.penalties import L21
from skmtl.solvers.noise import noise_weights
from skmtl.task_data import learns_noise, weigh_tasks
from skmtl.tasks import describe_ids
from skmtl.threads import suited_threads

LOSSES = (*REGRESSION_LOSSES, "logistic")


def columns_of_tasks(parts):
    """Of every column of W its task, and its place among the columns of the task."""
    places = [np.tile(np.arange(part.n_columns), len(part.tasks)) for part in parts]
    return column_tasks(parts)[0], np.concatenate([np.zeros(0, dtype=int), *places])


def check_order(penalty, parts):
    """Raise ValueError for a penalty of neighbouring columns if these are not the tasks' order."""
    if len({part.n_columns for part in parts}) > 1:
        return  # the problem says what is wrong then
    if (np.diff(column_tasks(parts)[0]) >= 0).all():
        return
    for term in primitives(penalty):
        if term.kind == "chain":
            raise ValueError(
                f"{term!r} needs tasks with one loss (and equally many labels), because columns of "
                "W are in the order of the losses: use Fusion('chain') for differences of "
                "neighbours under several losses, or fit the tasks of each loss apart."
            )


def primitives(penalty):
    """The penalties that a penalty is made of."""
    names = ("first", "second", "shared", "specific", "penalty")
    inner = [getattr(penalty, name, None) for name in names]
    inner = [part for part in inner if part is not None]
    return [term for part in inner for term in primitives(part)] or [penalty]


@complete_docstring
class MultiTaskMixed(MixedPredictor):
    """Regression in some tasks, classification in others; one penalty shares the features.

    Minimises over W (n_features, n_columns) and the intercepts b ::

        1 / n_bar * sum_t sum_i v_ti w_t loss_t(y_ti / s_t, (x_ti' W_t + b_t) / s_t)
        + penalty(W with the columns of task t divided by s_t)

    with v the sample weights, w the task weights and n_bar the total sample weight over the number
    of tasks. loss_t is the squared loss (y - z)^2 / 2, that of Huber (linear beyond `epsilon`),
    half the deviance of counts with the mean e^z, or the logistic one (multinomial, with one
    column of W per label, where a task has more than two).

    Targets in different units are made comparable by s_t: the standard deviation of the targets of
    a "squared" task, 1.4826 times the median absolute deviation for a "huber" one (so that
    `epsilon` is in these units), and 1 for counts and labels. So all losses and coefficients are
    free of units, and the best constant prediction of a task loses about as much in each: 1/2 per
    row (squared), up to log 2 (two labels). `task_weight` then says which tasks matter more.

    Parameters
    ----------
    penalty : Penalty, default=None
        For example ``L21(0.1) + L1(0.01)`` or ``Nuclear(0.1)``; None is ``L21(0.1)``.
    losses : "infer" or dict, default="infer"
        Loss by task id: "squared", "huber", "poisson" or "logistic". Of tasks that are not named,
        those whose targets are words, booleans, or only the numbers 0 and 1 (or -1 and 1) are
        "logistic" and all others "squared".
    epsilon : float, default=1.35
        Residual (over s_t) beyond which the Huber loss is linear.
    {task_parameters}
    {task_weight}
    fit_intercept : bool, default=True
    tol : float, default=1e-6
        Duality gap to reach, relative to the loss of the best constant predictions.
    max_iter : int, default=100
        Newton steps, each of which solves a penalised least-squares problem.
    warm_start : bool, default=False
        Start at the coefficients of the previous fit, if it had the same tasks and labels.

    Attributes
    ----------
    losses_ : dict
        Loss by task id.
    classes_by_task_ : dict
        Sorted labels by the id of every classification task.
    loss_scale_ : ndarray of shape (n_tasks,)
        s_t^2, by which the loss of a task is divided; 1 for counts and labels.
    dual_gap_ : float
        The objective is above the optimum by at most this share of the loss of the best constant
        predictions.
    n_iter_ : int
    coef_ : ndarray of shape (n_tasks, n_features), or (n_tasks, n_columns, n_features)
        In the units of the targets: of the prediction (its logarithm for counts, the log-odds
        of the second of two labels). The second shape is for labels of more than two: the
        scores of the labels of a task in the order of `classes_by_task_`; other tasks use the first
        column. 0 for a feature that is absent from a task.
    intercept_ : ndarray of shape (n_tasks,) or (n_tasks, n_columns)
    coef_shared_, intercept_shared_ : ndarray and float, or None
        For tasks that fit did not see; None unless all tasks have the same loss (and labels). The
        part that all tasks share, times the mean of s_t, if the penalty has a `Common` one and
        no task more than two labels; otherwise the mean of the tasks' models, weighted by their
        rows.
    coef_parts_ : dict of ndarray of shape (n_tasks, n_features)
        Parts of `coef_` if the penalty is `Decomposed`, unless a task has more than two labels.
    outlier_tasks_, task_covariance_, feature_covariance_, task_affinity_, feature_affinity_, \
task_labels_
        As of `MultiTaskRegressor`, of the coefficients over s_t; unless a task has more than two
        labels.
    objective_path_ : ndarray
        The objective after every convex majorant, with a concave penalty; `dual_gap_` is then that
        of the last majorant.
    tasks_ : ndarray of shape (n_tasks,)
        The task ids, sorted.
    task_weight_ : ndarray of shape (n_tasks,)
        The factor of every task.
    absent_features_ : ndarray of shape (n_tasks, n_features) or None
        Features that have no value in a task; None if there are none.

    References
    ----------
    Yang, Kim, Xing 2009, *Heterogeneous multitask learning with joint sparsity constraints*,
    NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl import MultiTaskMixed
    >>> rng = np.random.RandomState(0)
    >>> X = rng.normal(size=(100, 5))
    >>> score = X[:, 0] - X[:, 1] + 0.1 * rng.normal(size=100)
    >>> Y = np.column_stack([score, score > 0])
    >>> model = MultiTaskMixed().fit(X, Y)
    >>> model.losses_
    {0: 'squared', 1: 'logistic'}
    """

    def __init__(
        self,
        penalty=None,
        *,
        losses="infer",
        epsilon=1.35,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        tol=1e-6,
        max_iter=100,
        warm_start=False,
    ):
        self.penalty = penalty
        self.losses = losses
        self.epsilon = epsilon
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Fit one linear model per task.

        Parameters
        ----------
        {fit_parameters}
            Numbers, words or booleans; columns of a frame may be of different kinds.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For input that is not finite, targets that do not fit the loss of their task, task ids
            that are not labels or whole numbers, and parameters out of their range.
        """
        self._check_parameters()
        previous = self._previous_model()
        data = self._read_training_data(X, y, tasks, sample_weight)
        data = self._settle_losses(data)
        parts, penalty = self._parts(data), L21(0.1) if self.penalty is None else self.penalty
        check_order(penalty, parts)
        columns = columns_of_tasks(parts)
        with suited_threads(data):
            fitted = fitting.fit(
                data,
                penalty,
                parts,
                fit_intercept=self.fit_intercept,
                tol=self.tol,
                max_iter=self.max_iter,
                start=self._previous_coef(previous, columns),
            )
        warn_unless_converged(fitted, tol=self.tol, max_iter=self.max_iter)
        self.dual_gap_, self.n_iter_ = float(fitted.gap), fitted.n_iter
        return self._keep(data, columns, penalty, fitted)

    def _check_parameters(self):
        check_number(self.epsilon, "epsilon", strict=True)
        check_number(self.tol, "tol")
        check_number(self.max_iter, "max_iter", low=1, integer=True)
        check_penalty(self.penalty)
        if isinstance(self.losses, dict):
            for task, loss in self.losses.items():
                if loss not in LOSSES:
                    raise ValueError(
                        f"losses has {loss!r} for task {task!r}: use one of {', '.join(LOSSES)}."
                    )
        elif not (isinstance(self.losses, str) and self.losses == "infer"):
            raise ValueError(
                f"losses={self.losses!r} is unknown: use 'infer', or a dict of task id to one of "
                f"{', '.join(LOSSES)}."
            )

    # --- targets --------------------------------------------------------------------------------

    def _read_y(self, y):
        """Targets as float64; positions among `_objects` if some are not numbers."""
        values, missing, names = read_mixed_targets(y, self)
        self._objects = None
        if values.dtype.kind == "O":
            values, self._objects = as_positions(values, missing)
        return values, names

    def _settle_losses(self, data):
        """Losses and labels of the tasks; the data with targets as their losses want them."""
        named = self.losses if isinstance(self.losses, dict) else {}
        ids = data.labels.tolist()
        unknown = [task for task in named if task not in ids]
        if unknown:
            raise ValueError(f"losses names the tasks {unknown}, which the data do not have.")
        targets, scale = np.zeros(data.y.shape), np.ones(data.n_tasks)
        self.losses_, self.classes_by_task_ = {}, {}
        for task, cells, weights in cells_of_tasks(data):
            values = (
                data.y[cells] if self._objects is None else self._objects[data.y[cells].astype(int)]
            )
            loss, targets[cells], labels, scale[task] = settle_target(
                values, weights, named.get(ids[task]), describe_ids(data.labels[[task]])
            )
            self.losses_[ids[task]] = loss
            if labels is not None:
                self.classes_by_task_[ids[task]] = labels
        self._settle_shared(ids)
        self.loss_scale_ = scale**2
        data = replace(data, y=targets)
        return self._weigh_by_noise(data) if learns_noise(self.task_weight) else data

    def _weigh_by_noise(self, data):
        """Task weights from the noise of the targets in units of their scales."""
        if set(self.losses_.values()) != {"squared"}:
            raise ValueError(
                "task_weight='noise' is for tasks that all have the loss 'squared', but here are "
                f"{', '.join(sorted(set(self.losses_.values())))}: use None, 'balanced' or numbers."
            )
        data = weigh_tasks(data, 1.0 / data.task_weight)  # they were those of other units
        data = weigh_tasks(data, noise_weights(data, fit_intercept=self.fit_intercept))
        self.task_weight_ = data.task_weight
        return data

    def _settle_shared(self, ids):
        """Whether tasks have a model in common; tasks without rows have it, or are errors."""
        seen = list(self.losses_)
        signatures = {
            (self.losses_[task], *np.asarray(self.classes_by_task_.get(task, ())).tolist())
            for task in seen
        }
        self._has_shared = len(signatures) == 1
        lacking = [task for task in ids if task not in self.losses_]
        if not self._has_shared and (lacking or self.unknown_task == "shared"):
            raise ValueError(
                f"task {lacking[0]!r} has no row with a positive weight, and the others have no "
                "model in common that it could have: drop it."
                if lacking
                else "unknown_task='shared' needs tasks with the same loss and labels, but these "
                f"are {', '.join(sorted({str(loss[0]) for loss in signatures}))} with labels of "
                "their own: set unknown_task='error'."
            )
        for task in lacking:
            self.losses_[task] = self.losses_[seen[0]]
            if self.losses_[task] == "logistic":
                self.classes_by_task_[task] = self.classes_by_task_[seen[0]]
        self.losses_ = {task: self.losses_[task] for task in ids}
        self.classes_by_task_ = {
            t: self.classes_by_task_[t] for t in ids if t in self.classes_by_task_
        }

    def _parts(self, data):
        """Parts of the tasks with rows, by their losses."""
        counts = data.task_sizes() > 0
        losses = np.array(list(self.losses_.values()))
        parts = []
        for loss in REGRESSION_LOSSES:
            tasks = np.flatnonzero((losses == loss) & counts)
            if len(tasks):
                parts.append(Part(make_loss(loss, self.epsilon), tasks))
                if loss == "poisson":
                    check_counts(data, tasks)
        sizes = np.zeros(data.n_tasks, dtype=int)
        for task, label in enumerate(self.losses_):
            sizes[task] = len(self.classes_by_task_.get(label, ())) * counts[task]
        return parts + label_parts(np.arange(sizes.max()) < sizes[:, None])

    # --- coefficients ---------------------------------------------------------------------------

    def _previous_model(self):
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        return self.coef_, self.losses_, self.classes_by_task_

    def _previous_coef(self, previous, columns):
        """Coefficients (n_features, n_columns) of the previous fit of the same tasks and labels."""
        if previous is None:
            return None
        models, losses, classes = previous
        same = losses == self.losses_ and all(
            np.array_equal(classes[task], labels) for task, labels in self.classes_by_task_.items()
        )
        if not same:
            return None
        models = models if models.ndim == 3 else models[:, None]
        models = models / np.sqrt(self.loss_scale_)[:, None, None]
        return models[columns].T

    def _keep(self, data, columns, penalty, fitted):
        """Store a fit and what its penalty has to say of it."""
        keep_structure(self, penalty, fitted, data, columns[0])
        scale, shared = np.sqrt(self.loss_scale_), None
        if hasattr(self, "coef_parts_"):
            self.coef_parts_ = {
                name: (part * scale[:, None]).astype(part.dtype)
                for name, part in self.coef_parts_.items()
            }
        if self._has_shared and not columns[1].any():
            tasks = columns[0]
            shared = common_model(self, penalty, fitted, data, tasks, scale[tasks])
        return self._store(data, columns, fitted.coef, fitted.intercept, shared)

    def _store(self, data, columns, coef, intercept, shared=None):
        """Keep a fit; coef is (n_features, n_columns), in units of the scales."""
        n_columns = 1 + max(columns[1], default=0)
        models = np.zeros((data.n_tasks, n_columns, data.n_features))
        constants = np.zeros((data.n_tasks, n_columns))
        models[columns], constants[columns] = coef.T, intercept
        scale = np.sqrt(self.loss_scale_)
        models, constants = models * scale[:, None, None], constants * scale[:, None]
        stored = []
        for column in range(n_columns):  # the base keeps models of one column
            super()._store(data, models[:, column].T, constants[:, column], shared)
            stored.append((self.coef_, self.intercept_, self.coef_shared_, self.intercept_shared_))
        if n_columns > 1:
            self.coef_, self.intercept_ = (np.stack([s[i] for s in stored], axis=1) for i in (0, 1))
            self.coef_shared_, self.intercept_shared_ = (
                np.stack([s[i] for s in stored]) for i in (2, 3)
            )
        if not self._has_shared:
            self.coef_shared_ = self.intercept_shared_ = None
        return self
