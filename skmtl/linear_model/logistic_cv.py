"""Penalised logistic regression with the penalty chosen by cross-validation, and its path."""

import numbers

import numpy as np

from skmtl.documentation import complete_docstring, share_text
from skmtl.labels import labels_of_tasks
from skmtl.linear_model.classifier import MultiTaskLinearClassifier
from skmtl.linear_model.label_folds import HeldOutLabels, LabelFolds, deal_labels
from skmtl.linear_model.path_cv import N_FOLDS, PathCV, warn_of_fits
from skmtl.linear_model.sparse_path import TEXTS, RegularizationPath
from skmtl.penalties import L21, SquaredL2
from skmtl.solvers import proximal_newton
from skmtl.solvers.degrees_of_freedom import loss_degrees_of_freedom
from skmtl.threads import suited_threads

SCORINGS = ("log_loss", "accuracy")


@complete_docstring
class MultiTaskLogisticRegressionCV(PathCV, MultiTaskLinearClassifier):
    """Multi-task logistic regression with alpha and l1_ratio chosen by cross-validation.

    The objective is that of `MultiTaskLogisticRegression`. Minimises over W and the intercepts
    b ::

        1 / n_bar * sum_t sum_i v_ti w_t loss_t(y_ti, x_ti' W_t + b_t)
        + alpha * sum_j factor_j (l1_ratio * ||W^j||_2 + (1 - l1_ratio) / 2 * ||W^j||_2^2)

    Parameters
    ----------
    l1_ratio : float or array-like of floats, default=1.0
        From 0 (ridge; needs `alphas`) to 1 (features are selected for all tasks together); the
        best of several is taken.
    eps : float, default=1e-3
        Smallest over largest alpha of an automatic grid.
    alphas : int or array-like, default=100
        How many alphas (from the smallest at which all coefficients are zero, down in equal
        ratios), or which.
    cv : int, splitter or iterable of (train, test), default=None
        None is 5 folds, an int their number: they are dealt label by label within each task, and
        the only row of a label in a task is always training data. With other folds, a held-out
        label that its task lacks in the training rows has the probability 2.2e-16: it adds the
        same log-loss of 36 whatever the penalty.
    scoring : {"log_loss", "accuracy"}, default="log_loss"
        What is best on the held-out rows; with ``criterion="cv"``.
    criterion : {"cv", "bic", "ebic"}, default="cv"
        The held-out score, or on all rows the deviance + log(n) df with n observed labels and df
        degrees of freedom; "ebic" adds 2 log of the number of supports of that size. Only fits
        with df up to n / 2 are candidates.
    selection : {"best", "one_standard_error"}, default="best"
        "one_standard_error": the largest alpha whose mean score is within one standard error
        (over the folds) of the best.
    penalty_factor : array-like of shape (n_features,), optional
        Multiplies the penalty of each feature; 0 leaves a feature without penalty.
    {task_parameters}
    {task_weight}
    fit_intercept : bool, default=True
    tol : float, default=1e-4
        Duality gap to reach on the folds, relative to the loss of the best constant
        probabilities. The final fit aims at 1e-10.
    max_iter : int, default=100
        Newton steps of every fit.
    n_jobs : int, optional
        Folds in parallel (as threads); results do not depend on it.

    Attributes
    ----------
    alpha_, l1_ratio_ : float
    alphas_ : ndarray of shape (n_alphas,) or (n_l1_ratios, n_alphas)
        The penalties tried, falling; one grid per l1_ratio unless `alphas` are given.
    scores_ : ndarray of shape (n_alphas, n_folds) or (n_l1_ratios, n_alphas, n_folds)
        Minus the weighted mean log-loss, or the accuracy, over all held-out rows and tasks; with
        ``criterion="cv"``.
    criterion_path_, df_path_ : ndarray of shape of `scores_` without the folds
        Criterion and degrees of freedom; with "bic" or "ebic".
    classes_, task_classes_, coef_, intercept_, tasks_, absent_features_, coef_shared_, \
intercept_shared_
        As of `MultiTaskLogisticRegression`.
    dual_gap_ : float
        The objective is above the optimum by at most this share of the loss of the best
        constant probabilities.
    n_iter_ : int

    References
    ----------
    Chen, Chen 2008, *Extended Bayesian information criteria for model selection with large model
    spaces*, Biometrika 95. Friedman, Hastie, Tibshirani 2010, *Regularization paths
    for generalized linear models via coordinate descent*, Journal of Statistical Software 33.
    Obozinski, Taskar, Jordan 2010, *Joint covariate selection and joint subspace selection for
    multiple classification problems*, Statistics and Computing 20. Sechidis, Tsoumakas, Vlahavas
    2011, *On the stratification of multi-label data*, ECML PKDD (the folds of a 2-d y).
    Vaiter, Deledalle, Fadili, Peyre, Dossal 2017, *The degrees of freedom of partly smooth
    regularizers*, Annals of the Institute of Statistical Mathematics 69.

    Examples
    --------
    >>> from skmtl import MultiTaskLogisticRegressionCV, make_multitask_classification
    >>> X, y = make_multitask_classification(n_tasks=4, n_samples=50, random_state=0)
    >>> model = MultiTaskLogisticRegressionCV(alphas=10, task_column=0).fit(X, y)
    >>> model.scores_.shape
    (10, 5)
    """

    _solve = staticmethod(proximal_newton.solve)

    def __init__(
        self,
        *,
        l1_ratio=1.0,
        eps=1e-3,
        alphas=100,
        cv=None,
        scoring="log_loss",
        criterion="cv",
        selection="best",
        penalty_factor=None,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        tol=1e-4,
        max_iter=100,
        n_jobs=None,
    ):
        self.l1_ratio = l1_ratio
        self.eps = eps
        self.alphas = alphas
        self.cv = cv
        self.scoring = scoring
        self.criterion = criterion
        self.selection = selection
        self.penalty_factor = penalty_factor
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Choose the penalty and fit one linear classifier per task.

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
        data, own = self._note_labels(data)
        final, problem = self._fit_path(X, y, data)
        return self._store(data, own, problem.layout.column_tasks(), final.coef, final.intercept)

    def _keep_losses(self, losses):
        self.scores_ = 1.0 - losses if self.scoring == "accuracy" else -losses

    def _deviance(self, data, point, n_targets):
        """Minus twice the log-likelihood, with weights that add up to the number of labels."""
        held_out = HeldOutLabels(data, labels_of_tasks(data, len(self.classes_)))
        return 2.0 * n_targets * held_out.errors(point.coef[None], point.intercept[None])[0]

    def _degrees_of_freedom(self, problem, coef):
        return loss_degrees_of_freedom(problem, coef)

    def _folds(self, data):
        options = {"fit_intercept": self.fit_intercept, "scoring": self.scoring}
        return LabelFolds(data, len(self.classes_), **options)

    def _splitter(self, data):
        n_splits = N_FOLDS if self.cv is None else self.cv
        return deal_labels(data, n_splits) if isinstance(n_splits, numbers.Integral) else n_splits

    def _penalty(self, alpha, l1_ratio):
        options = {"factor": self.penalty_factor}
        group = L21(alpha * l1_ratio, **options)
        return group if l1_ratio == 1 else group + SquaredL2(alpha * (1.0 - l1_ratio), **options)

    def _check_parameters(self):
        self._check_path_parameters()
        if self.scoring not in SCORINGS:
            raise ValueError(f"scoring={self.scoring!r} is not one of {', '.join(SCORINGS)}.")


@share_text(parameters=TEXTS["parameters"])
@complete_docstring
def multitask_logistic_path(
    X,
    y,
    *,
    l1_ratio=1.0,
    eps=1e-3,
    alphas=100,
    penalty_factor=None,
    task_column=None,
    tasks=None,
    sample_weight=None,
    task_weight=None,
    fit_intercept=True,
    tol=1e-6,
    max_iter=100,
):
    """Multi-task logistic regressions along a grid of alphas.

    The objective is that of `MultiTaskLogisticRegression`.

    Parameters
    ----------
    {parameters}
    l1_ratio : float, default=1.0
        From 0 (ridge; needs `alphas`) to 1 (features are selected for all tasks together).
    eps : float, default=1e-3
        Smallest over largest alpha of an automatic grid.
    alphas : int or array-like, default=100
        How many alphas, or which.
    penalty_factor : array-like of shape (n_features,), optional
        Multiplies the penalty of each feature; 0 leaves a feature without penalty.
    task_column : int or str, optional
        Position or name of the column of X that holds the task ids.
    tasks : array-like of shape (n_samples,), optional
        Task of every row, instead of ``task_column``.
    sample_weight : float or array-like of shape (n_samples,), optional
        Also of shape (n_samples, n_tasks) with a 2-d y.
    {task_weight}
    fit_intercept : bool, default=True
    tol : float, default=1e-6
        Duality gap to reach everywhere, relative to the loss of the best constant probabilities.
    max_iter : int, default=100
        Newton steps of every fit.

    Returns
    -------
    RegularizationPath
        A named tuple of ``alphas`` (n_alphas,), falling; ``coefs``, with the shape of ``coef_`` of
        `MultiTaskLogisticRegression` and a last axis of alphas; ``dual_gaps`` (n_alphas,),
        relative; and ``intercepts``, as ``intercept_`` with a last axis of alphas.

    See Also
    --------
    MultiTaskLogisticRegressionCV : Chooses alpha and l1_ratio.

    Examples
    --------
    >>> from skmtl import make_multitask_classification, multitask_logistic_path
    >>> X, y = make_multitask_classification(n_tasks=4, n_samples=50, random_state=0)
    >>> path = multitask_logistic_path(X, y, alphas=10, task_column=0)
    >>> path.coefs.shape, path.intercepts.shape
    ((4, 20, 10), (4, 10))
    """
    if np.ndim(l1_ratio):
        raise ValueError(f"l1_ratio={l1_ratio!r} must be one number: a path has one l1_ratio.")
    model = MultiTaskLogisticRegressionCV(
        l1_ratio=l1_ratio,
        eps=eps,
        alphas=alphas,
        penalty_factor=penalty_factor,
        task_column=task_column,
        task_weight=task_weight,
        fit_intercept=fit_intercept,
        tol=tol,
        max_iter=max_iter,
    )
    model._check_parameters()
    data = model._read_training_data(X, y, tasks, sample_weight)
    data, own = model._note_labels(data)
    with suited_threads(data):
        problem = model._folds(data).problem(model._penalty(1.0, l1_ratio))
        alphas = model._grids(problem)[0]
        points = list(model._solve_path(problem, alphas, l1_ratio))
    columns, models = problem.layout.column_tasks(), []
    for point in points:
        fitted = model._store(data, own, columns, point.coef, point.intercept)
        models.append((fitted.coef_, fitted.intercept_))
    coefs, intercepts = (np.stack(part, axis=-1) for part in zip(*models, strict=True))
    gaps = np.array([point.gap for point in points])
    warn_of_fits(np.where([p.converged for p in points], 0.0, gaps), tol, "of the path")
    return RegularizationPath(alphas, coefs, gaps, intercepts)
