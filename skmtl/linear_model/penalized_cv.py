"""Any penalty, scaled as a whole along a path and chosen by cross-validation."""

import numbers

from skmtl import fitting
from skmtl.base import check_number, warn_unless_converged
from skmtl.documentation import complete_docstring
from skmtl.linear_model.label_folds import LabelFolds, deal_labels
from skmtl.linear_model.logistic import PenalizedClassifier
from skmtl.linear_model.logistic_cv import SCORINGS
from skmtl.linear_model.loss_folds import LossFolds
from skmtl.linear_model.loss_parts import check_loss
from skmtl.linear_model.path_cv import N_FOLDS, PathCV
from skmtl.linear_model.penalized import MultiTaskRegressor, check_penalty
from skmtl.linear_model.sparse_cv import SquaredFolds
from skmtl.loss_layout import column_tasks
from skmtl.penalties import L21
from skmtl.solvers.path import alpha_grid
from skmtl.threads import suited_threads

EPS, EPS_OF_SQUARES, EPS_OF_CONCAVE = 1e-3, 1e-7, 0.03


class PenaltyPathCV(PathCV):
    """What the generic estimators have in common: the path scales the penalty as a whole."""

    criterion = "cv"
    final_tol = 1e-6
    _solve = staticmethod(fitting.solve)

    def _penalty(self, alpha, l1_ratio=1.0):
        return (L21() if self.penalty is None else self.penalty).scaled(float(alpha))

    def _posed_penalty(self, alpha):
        penalty = self._penalty(alpha)
        return penalty if penalty.convex else penalty.majorant(None)

    def _solve_path(self, problem, alphas, l1_ratio, tol=None):
        if self._penalty(1.0).convex:
            return super()._solve_path(problem, alphas, l1_ratio, tol)
        penalties = (self._penalty(alpha) for alpha in alphas)
        limits = {"tol": self.tol, "max_iter": self.max_iter}  # `_final_fit` is the exact one
        return fitting.concave_path(problem, penalties, **limits)

    def _grids(self, problem):
        """The factors to try, (1, n_alphas), falling."""
        given = self._given_alphas()
        if given is not None:
            return given[None]
        top, has_zeros = fitting.path_top(problem)
        eps = self.eps
        if eps is None:
            eps = EPS if has_zeros else EPS_OF_SQUARES
            eps = eps if self._penalty(1.0).convex else EPS_OF_CONCAVE
        return alpha_grid(top, eps=eps, n_alphas=self._n_alphas())[None]

    def _check_eps(self):
        if self.eps is not None:
            super()._check_eps()

    def _check_parameters(self):
        self._check_path_parameters()
        check_penalty(self.penalty)

    def _check_penalty(self, data):
        if self.penalty is not None:
            self.penalty.check(data.n_features, data.n_tasks)

    def _final_fit(self, data, parts, final):
        """The fit of all rows at the factor of choice; of a concave penalty with all majorants."""
        self.penalty_ = self._penalty(self.alpha_)
        if self.penalty_.convex:
            certificate = final.gap, final.n_iter, final.converged
            return fitting.Fitted(final.coef, final.intercept, final.parts, *certificate, "", [])
        limits = {"tol": min(self.tol, self.final_tol), "max_iter": self.max_iter}
        with suited_threads(data):
            fitted = fitting.fit(
                data, self.penalty_, parts, fit_intercept=self.fit_intercept, **limits
            )
        warn_unless_converged(fitted, **limits, stacklevel=4)
        self.dual_gap_, self.n_iter_ = float(fitted.gap), fitted.n_iter
        return fitted


@complete_docstring
class MultiTaskRegressorCV(PenaltyPathCV, MultiTaskRegressor):
    """Linear models of many tasks under any penalty, its strength chosen by cross-validation.

    The objective is that of `MultiTaskRegressor` with ``alpha * penalty``: the penalty is scaled
    as a whole, what its terms have to each other stays (and is a matter of `GridSearchCV`).
    Of `RowMCP` and `RowSCAD` the factor multiplies their alpha, and gamma or a stay: the usual path
    of these penalties, which are no longer multiples of each other.

    Parameters
    ----------
    penalty : Penalty, default=None
        None is ``L21()``.
    loss : {"squared", "huber", "poisson"}, default="squared"
        Also what is least on the held-out rows.
    epsilon : float, default=1.35
        Residual, in units of y, beyond which the Huber loss is linear.
    eps : float, default=None
        Smallest over largest alpha of an automatic grid; None is 1e-3, but 1e-7 for penalties
        that are squares, and 0.03 for concave ones, which soon leave all features free.
    alphas : int or array-like, default=50
        How many factors, or which. They fall in equal ratios from the smallest one at which all
        that the penalty can make zero is zero (for squares, where coefficients are about 1e-3 of
        those without a penalty).
    cv : int, splitter or iterable of (train, test), default=None
        None is `TaskKFold(5)`, an int the number of its folds: every task is in every training
        fold.
    selection : {"best", "one_standard_error"}, default="best"
        "one_standard_error": the largest alpha whose mean error is within one standard error
        (over the folds) of the best.
    {task_parameters}
    {task_weight}
    fit_intercept : bool, default=True
    tol : float, default=1e-4
        Duality gap to reach on the folds, relative to the objective of zero coefficients. The
        final fit aims at 1e-6.
    max_iter : int, default=1000
        Iterations of every fit.
    n_jobs : int, optional
        Folds in parallel (as threads); results do not depend on it.

    Attributes
    ----------
    alpha_ : float
    penalty_ : Penalty
        ``alpha_ * penalty`` at the time of the fit.
    alphas_ : ndarray of shape (n_alphas,)
        The factors tried, falling.
    mse_path_ : ndarray of shape (n_alphas, n_folds)
        Weighted mean squared error (twice the mean of another loss) over all held-out rows.
    {certificate}
    {linear_attributes}
    objective_path_ : ndarray
        The objective after every convex majorant of the final fit, with a concave penalty.
        `dual_gap_` is then the gap of the last majorant.
    coef_shared_, intercept_shared_, coef_parts_, outlier_tasks_, task_covariance_, \
feature_covariance_, task_affinity_, feature_affinity_, task_labels_
        As of `MultiTaskRegressor`.

    Examples
    --------
    >>> from skmtl import MultiTaskRegressorCV, make_multitask_regression
    >>> from skmtl.penalties import Nuclear
    >>> X, y = make_multitask_regression(n_tasks=4, n_samples=50, random_state=0)
    >>> model = MultiTaskRegressorCV(Nuclear(), alphas=10, task_column=0).fit(X, y)
    >>> model.mse_path_.shape
    (10, 5)
    """

    def __init__(
        self,
        penalty=None,
        *,
        loss="squared",
        epsilon=1.35,
        eps=None,
        alphas=50,
        cv=None,
        selection="best",
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        tol=1e-4,
        max_iter=1000,
        n_jobs=None,
    ):
        self.penalty = penalty
        self.loss = loss
        self.epsilon = epsilon
        self.eps = eps
        self.alphas = alphas
        self.cv = cv
        self.selection = selection
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Choose the strength of the penalty and fit one linear model per task.

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
        self._check_penalty(data)
        parts = self._loss_parts(data)
        final, _ = self._fit_path(X, y, data)
        fitted = self._final_fit(data, parts, final)
        return self._keep(data, self.penalty_, fitted, parts)

    def _keep_losses(self, losses):
        self.mse_path_ = losses if self.loss == "squared" else 2.0 * losses

    def _folds(self, data):
        if self.loss != "squared":
            return LossFolds(data, self.loss, self.epsilon, fit_intercept=self.fit_intercept)
        free = self._posed_penalty(1.0).free_features(data.n_features).any()
        given = self._given_alphas()
        free |= given is not None and not given.all()  # alpha = 0
        rows_only = free or not self._penalty(1.0).convex  # majorants leave large rows free
        return SquaredFolds(data, self.fit_intercept, rows_only=rows_only)

    def _check_parameters(self):
        check_loss(self.loss)
        check_number(self.epsilon, "epsilon", strict=True)
        super()._check_parameters()


@complete_docstring
class MultiTaskClassifierCV(PenaltyPathCV, PenalizedClassifier):
    """Linear classifiers under any penalty, its strength chosen by cross-validation.

    The objective is that of `MultiTaskClassifier` with ``alpha * penalty``: the penalty is scaled
    as a whole, what its terms have to each other stays (and is a matter of `GridSearchCV`).
    Of `RowMCP` and `RowSCAD` the factor multiplies their alpha, and gamma or a stay: the usual path
    of these penalties, which are no longer multiples of each other.

    Parameters
    ----------
    penalty : Penalty, default=None
        None is ``L21()``.
    eps : float, default=None
        Smallest over largest alpha of an automatic grid; None is 1e-3, but 1e-7 for penalties
        that are squares, and 0.03 for concave ones, which soon leave all features free.
    alphas : int or array-like, default=50
        How many factors, or which. They fall in equal ratios from the smallest one at which all
        that the penalty can make zero is zero (for squares, where coefficients are about 1e-3 of
        those without a penalty).
    cv : int, splitter or iterable of (train, test), default=None
        None is 5 folds, an int their number: they are dealt label by label within each task, and
        the only row of a label in a task is always training data.
    scoring : {"log_loss", "accuracy"}, default="log_loss"
        What is best on the held-out rows.
    selection : {"best", "one_standard_error"}, default="best"
        "one_standard_error": the largest alpha whose mean score is within one standard error
        (over the folds) of the best.
    {task_parameters}
    {task_weight}
    fit_intercept : bool, default=True
    tol : float, default=1e-4
        Duality gap to reach on the folds, relative to the loss of the best constant
        probabilities. The final fit aims at 1e-6.
    max_iter : int, default=100
        Newton steps of every fit.
    n_jobs : int, optional
        Folds in parallel (as threads); results do not depend on it.

    Attributes
    ----------
    alpha_ : float
    penalty_ : Penalty
        ``alpha_ * penalty`` at the time of the fit.
    alphas_ : ndarray of shape (n_alphas,)
        The factors tried, falling.
    scores_ : ndarray of shape (n_alphas, n_folds)
        Minus the weighted mean log-loss, or the accuracy, over all held-out rows and tasks.
    classes_, task_classes_, coef_, intercept_, tasks_, absent_features_, coef_shared_, \
intercept_shared_, coef_parts_, outlier_tasks_, task_covariance_, feature_covariance_, \
task_affinity_, feature_affinity_, task_labels_
        As of `MultiTaskClassifier`.
    dual_gap_ : float
        The objective is above the optimum by at most this share of the loss of the best
        constant probabilities; with a concave penalty that of the last majorant.
    n_iter_ : int
    objective_path_ : ndarray
        The objective after every convex majorant of the final fit, with a concave penalty.

    Examples
    --------
    >>> from skmtl import MultiTaskClassifierCV, make_multitask_classification
    >>> from skmtl.penalties import L1, Common, Decomposed
    >>> X, y = make_multitask_classification(n_tasks=4, n_samples=50, random_state=0)
    >>> penalty = Decomposed(shared=Common(L1()), specific=L1(0.5))
    >>> model = MultiTaskClassifierCV(penalty, alphas=5, task_column=0).fit(X, y)
    >>> model.scores_.shape
    (5, 5)
    """

    def __init__(
        self,
        penalty=None,
        *,
        eps=None,
        alphas=50,
        cv=None,
        scoring="log_loss",
        selection="best",
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        tol=1e-4,
        max_iter=100,
        n_jobs=None,
    ):
        self.penalty = penalty
        self.eps = eps
        self.alphas = alphas
        self.cv = cv
        self.scoring = scoring
        self.selection = selection
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Choose the strength of the penalty and fit one linear classifier per task.

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
        data = self._read_training_data(X, y, tasks, sample_weight)
        self._check_penalty(data)
        data, own = self._note_labels(data)
        final, problem = self._fit_path(X, y, data)
        parts = problem.layout.parts
        fitted = self._final_fit(data, parts, final)
        return self._keep(data, own, column_tasks(parts), self.penalty_, fitted)

    def _keep_losses(self, losses):
        self.scores_ = 1.0 - losses if self.scoring == "accuracy" else -losses

    def _folds(self, data):
        options = {"fit_intercept": self.fit_intercept, "scoring": self.scoring}
        return LabelFolds(data, len(self.classes_), **options)

    def _splitter(self, data):
        n_splits = N_FOLDS if self.cv is None else self.cv
        return deal_labels(data, n_splits) if isinstance(n_splits, numbers.Integral) else n_splits

    def _check_parameters(self):
        super()._check_parameters()
        if self.scoring not in SCORINGS:
            raise ValueError(f"scoring={self.scoring!r} is not one of {', '.join(SCORINGS)}.")
