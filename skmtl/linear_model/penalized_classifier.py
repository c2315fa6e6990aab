"""Linear classification under any penalty."""

from skmtl.documentation import complete_docstring
from skmtl.linear_model.logistic import PenalizedClassifier
from skmtl.linear_model.penalized import check_penalty
from skmtl.penalties import L21


@complete_docstring
class MultiTaskClassifier(PenalizedClassifier):
    """Linear classifiers of many tasks under any penalty of the algebra.

    Minimises over W and the intercepts b ::

        1 / n_bar * sum_t sum_i v_ti w_t loss_t(y_ti, x_ti' W_t + b_t)  +  penalty(W)

    with v the sample weights, w the task weights and n_bar the total sample weight over the number
    of tasks (the number of rows, if all tasks share the rows). The loss of a task with two
    labels is the logistic one, with one column of W; that of a task with K > 2 labels is the
    multinomial one, with K columns. Tasks may have different labels; a task with a single label
    always predicts it. Penalties that relate tasks (`TaskL21`, `Common`, `Graph`, `Fusion`,
    `TotalVariation`) need tasks with equally many labels.

    Parameters
    ----------
    penalty : Penalty, default=None
        For example ``Decomposed(Common(L1(0.01)), L1(0.02))``; None is ``L21(0.01)``. Its
        parameters are tuned as ``penalty__alpha``, in a sum as ``penalty__first__alpha``, of
        parts as ``penalty__shared__alpha``.
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
    classes_, task_classes_, coef_, intercept_, tasks_, absent_features_, coef_shared_, \
intercept_shared_
        As of `MultiTaskLogisticRegression`.
    dual_gap_ : float
        The objective is above the optimum by at most this share of the loss of the best
        constant probabilities.
    n_iter_ : int
    coef_parts_, outlier_tasks_, task_covariance_, feature_covariance_, task_affinity_, \
feature_affinity_, task_labels_
        As of `MultiTaskRegressor`, unless a task has more than two labels.
    objective_path_ : ndarray
        The objective after every convex majorant, with a concave penalty.

    Examples
    --------
    >>> from skmtl import MultiTaskClassifier, make_multitask_classification
    >>> from skmtl.penalties import Nuclear
    >>> X, y = make_multitask_classification(n_tasks=4, n_samples=50, random_state=0)
    >>> model = MultiTaskClassifier(Nuclear(0.05), task_column=0).fit(X, y)
    >>> model.predict_proba(X).shape
    (200, 2)
    """

    def __init__(
        self,
        penalty=None,
        *,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        tol=1e-6,
        max_iter=100,
        warm_start=False,
    ):
        self.penalty = penalty
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start

    def _make_penalty(self):
        return L21(0.01) if self.penalty is None else self.penalty

    def _check_parameters(self):
        super()._check_parameters()
        check_penalty(self.penalty)
