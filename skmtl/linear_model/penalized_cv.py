"""Any penalty, scaled as a whole along a path and chosen by cross-validation."""

import numbers

import numpy as np

from skmtl import fitting
from skmtl.base import check_number
from skmtl.documentation import complete_docstring
from skmtl.linear_model.label_folds import LabelFolds, deal_labels
from skmtl.linear_model.logistic import PenalizedClassifier
from skmtl.linear_model.logistic_cv import SCORINGS
from skmtl.linear_model.loss_parts import check_loss, make_loss, regression_parts
from skmtl.linear_model.path_cv import N_FOLDS, PathCV
from skmtl.linear_model.penalized import MultiTaskRegressor, check_penalty
from skmtl.linear_model.sparse_cv import SquaredFolds
from skmtl.loss_layout import column_tasks
from skmtl.penalties import L21
from skmtl.solvers.path import alpha_grid

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
        limits = {"tol": self.tol if tol is None else tol, "max_iter": self.max_iter}
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

    @property
    def penalty_(self):
        """The penalty at the factor of choice."""
        return self._penalty(self.alpha_)

    @staticmethod
    def _fitted(final):
        certificate = final.gap, final.n_iter, final.converged
        return fitting.Fitted(final.coef, final.intercept, final.parts, *certificate, "", [])


class LossFolds:
    """Problems of training rows, and held-out losses of a regression loss.

    Parameters
    ----------
    data : TaskData
    loss : str
    epsilon : float
    fit_intercept : bool
    """

    def __init__(self, data, loss, epsilon, *, fit_intercept):
        self.data, self.loss, self.epsilon = data, loss, epsilon
        self.fit_intercept = fit_intercept

    def problem(self, penalty):
        return self._problem(self.data, penalty)

    def _problem(self, data, penalty):
        parts = regression_parts(self.loss, data, self.epsilon)
        return fitting.pose(data, penalty, parts, fit_intercept=self.fit_intercept)

    def split(self, train, test, penalty):
        training = self.data.subset(train)
        tasks = np.flatnonzero(training.task_sizes() > 0)
        loss = make_loss(self.loss, self.epsilon)
        return self._problem(training, penalty), HeldOutLoss(self.data.subset(test), loss, tasks)


class HeldOutLoss:
    """The rows of a test fold: mean losses of many models at once.

    Parameters
    ----------
    data : TaskData
        The held-out rows.
    loss : a loss
    tasks : ndarray
        The tasks that have a model; the others have their held-out rows left out.
    """

    def __init__(self, data, loss, tasks):
        self.data, self.loss = data, loss
        self.column = np.full(data.n_tasks, -1)
        self.column[tasks] = np.arange(len(tasks))
        self.weight = data.task_sizes()[tasks].sum()

    @property
    def entries_per_model(self):
        """The numbers that `errors` holds for one model."""
        return self.data.n_tasks * max(self.data.n_features, self.data.X.shape[0])

    def errors(self, coef, intercept):
        """Weighted mean losses (n_models,).

        Parameters
        ----------
        coef : ndarray of shape (n_models, n_features, n_columns)
        intercept : ndarray of shape (n_models, n_columns)
        """
        total = np.zeros(len(coef))
        for block in self.data.blocks():
            columns = self.column[block.tasks]
            known = columns >= 0
            for model in range(len(coef)):
                fitted = block.X @ coef[model][:, columns[known]] + intercept[model, columns[known]]
                losses = self.loss.value(block.Y[:, known], np.asarray(fitted))
                total[model] += block.weights @ losses.sum(axis=1)
        return total / self.weight


@complete_docstring
class MultiTaskRegressorCV(PenaltyPathCV, MultiTaskRegressor):
    """Linear models of many tasks under any penalty, its strength chosen by cross-validation.

    The objective is that of `MultiTaskRegressor` with ``alpha * penalty``: the penalty is scaled
    as a whole, what its terms have to each other stays (and is a matter of `GridSearchCV`).

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
        ``alpha_ * penalty``.
    alphas_ : ndarray of shape (n_alphas,)
        The factors tried, falling.
    mse_path_ : ndarray of shape (n_alphas, n_folds)
        Weighted mean squared error (twice the mean of another loss) over all held-out rows.
    {certificate}
    {linear_attributes}
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
        return self._keep(data, self.penalty_, self._fitted(final), parts)

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
        ``alpha_ * penalty``.
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
        constant probabilities.
    n_iter_ : int

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
        columns = column_tasks(problem.layout.parts)
        return self._keep(data, own, columns, self.penalty_, self._fitted(final))

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
