"""Linear regression under any penalty: the base of the penalised estimators and the generic one."""

import numpy as np

from skmtl import fitting
from skmtl.base import MultiTaskLinearRegressor, check_number, warn_unless_converged
from skmtl.documentation import complete_docstring
from skmtl.linear_model.loss_parts import check_loss, regression_parts
from skmtl.penalties import L21, Common, Decomposed, Penalty
from skmtl.solvers import SOLVERS
from skmtl.threads import suited_threads


class PenalizedRegressor(MultiTaskLinearRegressor):
    """A regression loss plus a penalty; subclasses say which in ``_make_penalty``."""

    loss = "squared"
    solver = "auto"

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Fit one linear model per task.

        Parameters
        ----------
        {fit_parameters}

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For input that is not finite, task ids that are not labels or whole numbers, and
            parameters out of their range.
        """
        self._check_parameters()
        data = self._read_training_data(X, y, tasks, sample_weight)
        penalty, parts = self._penalty_for(data), self._loss_parts(data)
        with suited_threads(data):
            fitted = fitting.fit(
                data,
                penalty,
                parts,
                fit_intercept=self.fit_intercept,
                tol=self.tol,
                max_iter=self.max_iter,
                start=self._previous(parts),
                solver=self.solver,
            )
        warn_unless_converged(fitted, tol=self.tol, max_iter=self.max_iter)
        self.dual_gap_, self.n_iter_ = float(fitted.gap), fitted.n_iter
        self.solver_ = fitted.solver
        return self._keep(data, penalty, fitted, parts)

    def _penalty_for(self, data):
        return self._make_penalty()

    def _loss_parts(self, data):
        if self.loss == "squared":
            return None
        return regression_parts(self.loss, data, self.epsilon)

    def _previous(self, parts):
        """Coefficients of the fit before, of the tasks that have columns."""
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        coef = np.asarray(self.coef_, dtype=np.float64).T
        if hasattr(self, "coef_parts_"):
            coef = np.stack([np.asarray(part, float).T for part in self.coef_parts_.values()])
        columns = slice(None) if parts is None else parts[0].tasks
        return coef[..., columns]

    def _keep(self, data, penalty, fitted, parts=None):
        """Store a fit and what its penalty has to say of it."""
        tasks = np.arange(data.n_tasks) if parts is None else parts[0].tasks
        keep_structure(self, penalty, fitted, data, tasks)
        coef, intercept = np.zeros((data.n_features, data.n_tasks)), np.zeros(data.n_tasks)
        coef[:, tasks], intercept[tasks] = fitted.coef, fitted.intercept
        shared = common_model(self, penalty, fitted, data, tasks)
        return self._store(data, coef, intercept, shared=shared)

    def _check_parameters(self):
        check_number(self.tol, "tol")
        check_number(self.max_iter, "max_iter", low=1, integer=True)
        if self.solver not in SOLVERS:
            raise ValueError(f"solver={self.solver!r} is unknown: use one of {', '.join(SOLVERS)}.")


def keep_structure(model, penalty, fitted, data, tasks):
    """Set coef_parts_, objective_path_ and the attributes that the penalty has names for.

    Those of tasks only if every task has at most one column.

    Parameters
    ----------
    tasks : ndarray
        The task of every column of the coefficients.
    """
    for name in getattr(model, "_structure_attributes", ()):
        vars(model).pop(name, None)  # of an earlier fit under another penalty
    told = {}
    if fitted.objectives:
        told["objective_path_"] = np.array(fitted.objectives)
    if len(np.unique(tasks)) == len(tasks):
        W = fitted.coef
        if isinstance(penalty, Decomposed):
            W = np.stack(list(fitted.parts.values()))
        W = _of_tasks(W, data.n_tasks, tasks)
        if isinstance(penalty, Decomposed):
            parts = _parts_by_task(fitted.parts, W, model.absent_features_)
            dtype = np.float32 if data.X.dtype == np.float32 else np.float64  # that of coef_
            told["coef_parts_"] = {name: part.astype(dtype) for name, part in parts.items()}
        on_tasks = penalty.for_columns(data.labels, np.arange(data.n_tasks))
        told |= on_tasks.attributes(W)
    for name, value in told.items():
        setattr(model, name, value)
    model._structure_attributes = tuple(told)


def _parts_by_task(names, parts, absent):
    parts = parts.swapaxes(1, 2)
    if absent is not None:
        parts = np.where(absent, 0.0, parts)
    return {name: np.ascontiguousarray(part) for name, part in zip(names, parts, strict=True)}


def _of_tasks(W, n_tasks, tasks):
    """Columns of the tasks that have some, 0 for the others."""
    full = np.zeros((*W.shape[:-1], n_tasks))
    full[..., tasks] = W
    return full


def common_model(model, penalty, fitted, data, tasks, scale=None):
    """Coefficients and intercept of a part that all tasks share, or None if there is none.

    A feature that the penalty leaves free may be anywhere in the parts: of these it is the mean
    of the tasks that have it. The intercept is the one at which the common coefficients predict
    on average what the tasks' models do at the means of their features.

    Parameters
    ----------
    tasks : ndarray
        The task of every column of the coefficients, which has no other.
    scale : ndarray of shape (n_columns,), optional
        By which the models of `fitted` are multiplied; the common one by its mean.
    """
    if not isinstance(penalty, Decomposed) or not len(tasks):
        return None
    found = [i for i, (_, part) in enumerate(penalty.parts()) if isinstance(part, Common)]
    if not found:
        return None
    sizes = data.task_sizes()[tasks]
    total = sizes.sum()
    weights = sizes if scale is None else sizes * scale
    absent = np.zeros((data.n_features, len(tasks)), dtype=bool)
    if model.absent_features_ is not None:
        absent = model.absent_features_[tasks].T
    coef = np.where(absent, 0.0, fitted.coef)
    common = list(fitted.parts.values())[found[0]][:, 0].copy()
    free = _free_features(penalty, fitted)
    having = np.maximum(~absent[free] @ weights, np.finfo(float).tiny)
    common[free] = coef[free] @ weights / having
    intercept = 0.0
    if model.fit_intercept:
        gains = np.sum(_feature_means(data, absent, tasks) * (coef - common[:, None]), axis=0)
        intercept = weights @ (fitted.intercept + gains) / total
    return common * (weights.sum() / total), intercept


def _free_features(penalty, fitted):
    if not penalty.convex:
        penalty = penalty.majorant(fitting.full_start(fitted))
    return penalty.free_features(len(fitted.coef))


def _feature_means(data, absent, tasks):
    """Weighted means (n_features, n_columns); of an absent feature that over all other tasks."""
    sums = np.zeros((data.n_features, data.n_tasks))
    for block in data.blocks():
        sums[:, block.tasks] = np.asarray(block.X.T @ block.weights).reshape(-1, 1)
    sizes, sums = data.task_sizes()[tasks], sums[:, tasks]
    tiny = np.finfo(float).tiny
    overall = sums.sum(axis=1) / np.maximum(~absent @ sizes, tiny)
    return np.where(absent, overall[:, None], sums / np.maximum(sizes, tiny))


@complete_docstring
class MultiTaskRegressor(PenalizedRegressor):
    """Linear models of many tasks under any penalty of the algebra.

    Minimises over W (n_features, n_tasks) and the intercepts b ::

        1 / n_bar * sum_t sum_i v_ti w_t loss(y_ti, x_ti' W_t + b_t)  +  penalty(W)

    with v the sample weights, w the task weights and n_bar the total sample weight over the
    number of tasks (the number of rows, if all tasks share the rows). The loss is
    (y - z)^2 / 2 ("squared"), that of Huber, which is linear for residuals beyond `epsilon`, or
    half the deviance of counts with the mean e^z ("poisson").

    Parameters
    ----------
    penalty : Penalty, default=None
        For example ``L21(0.1) + L1(0.01)`` or ``Decomposed(Nuclear(0.2), TaskL21(0.1))``; None
        is ``L21(0.1)``. The parameters of a penalty that is given are tuned as ``penalty__alpha``,
        in a sum as ``penalty__first__alpha``, of parts as ``penalty__shared__alpha``.
    loss : {"squared", "huber", "poisson"}, default="squared"
    epsilon : float, default=1.35
        Residual, in units of y, beyond which the Huber loss is linear.
    {task_parameters}
    {task_weight}
    {solver_parameters}
    {solver}

    Attributes
    ----------
    {certificate}
    {solver_used}
    {linear_attributes}
    coef_shared_, intercept_shared_ : ndarray of shape (n_features,), float
        For tasks that fit did not see: the part that all tasks share, if the penalty has a
        `Common` one, otherwise the mean of the tasks' models, weighted by their rows. The
        common part has that mean for features without a penalty, and the intercept with which
        it predicts on average what the tasks' models do.
    coef_parts_ : dict of ndarray of shape (n_tasks, n_features)
        "shared" and "specific", if the penalty is `Decomposed` (of one inside another
        "specific_shared" and so on).
    outlier_tasks_ : ndarray of shape (n_tasks,) of bool
        Tasks with coefficients of their own, where a part has the penalty `TaskL21`.
    task_covariance_, feature_covariance_ : ndarray of shape (n_tasks, n_tasks) and \
(n_features, n_features)
        Learned relations, with `SquaredNuclear`.
    task_affinity_, feature_affinity_ : ndarray of shape (n_tasks, n_tasks) and \
(n_features, n_features)
        Learned structure, with `SpectralBox`.
    task_labels_ : ndarray of shape (n_tasks,)
        Clusters of equal tasks, with `Fusion`.
    objective_path_ : ndarray
        The objective after every convex majorant, with a concave penalty. `dual_gap_` is then
        the gap of the last majorant: the fit is a stationary point, not a proven optimum.

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor, make_multitask_regression
    >>> from skmtl.penalties import L1, L21, Decomposed
    >>> X, y = make_multitask_regression(n_tasks=4, n_samples=50, random_state=0)
    >>> dirty = Decomposed(shared=L21(0.2), specific=L1(0.12))
    >>> model = MultiTaskRegressor(dirty, task_column=0).fit(X, y)
    >>> model.coef_parts_["shared"].shape
    (4, 20)
    """

    def __init__(
        self,
        penalty=None,
        *,
        loss="squared",
        epsilon=1.35,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        tol=1e-6,
        max_iter=1000,
        warm_start=False,
        solver="auto",
    ):
        self.penalty = penalty
        self.loss = loss
        self.epsilon = epsilon
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.solver = solver

    def _make_penalty(self):
        return L21(0.1) if self.penalty is None else self.penalty

    @complete_docstring
    def predict(self, X, *, tasks=None):
        """Predict the target of every row by the model of its task; with counts, their mean.

        Parameters
        ----------
        {predict_parameters}

        Returns
        -------
        ndarray of shape (n_samples,), or (n_samples, n_tasks) after a fit with 2-d y
        """
        predicted = super().predict(X, tasks=tasks)
        if self.loss != "poisson":
            return predicted
        return np.exp(np.minimum(predicted, np.log(np.finfo(predicted.dtype).max)))

    def _check_parameters(self):
        super()._check_parameters()
        check_loss(self.loss)
        check_number(self.epsilon, "epsilon", strict=True)
        check_penalty(self.penalty)


def check_penalty(penalty):
    """Raise TypeError unless it is a penalty (made of penalties) or None."""
    if penalty is None:
        return
    if not isinstance(penalty, Penalty):
        raise TypeError(f"penalty must be a penalty such as L21(0.1), but it is {penalty!r}.")
    for name in ("first", "second", "shared", "specific"):
        if not hasattr(penalty, name):
            continue
        part = getattr(penalty, name)
        if not isinstance(part, Penalty):
            kind = type(penalty).__name__
            raise TypeError(f"{kind} takes penalties, but {name} is {part!r}.")
        check_penalty(part)
