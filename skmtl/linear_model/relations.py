"""Learned relations between tasks: their covariance, their clusters; data-shared lasso."""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.utils import check_random_state

from skmtl.base import check_number
from skmtl.documentation import complete_docstring
from skmtl.linear_model.penalized import PenalizedRegressor
from skmtl.penalties import L1, Common, Decomposed, SpectralBox, SquaredL2, SquaredNuclear


@complete_docstring
class TaskRelationships(PenalizedRegressor):
    """Multi-task relationship learning: positive, negative and absent relations of tasks.

    Minimises over W (n_features, n_tasks), the intercepts b and Omega >= 0 with trace 1 ::

        1 / n_bar * sum_t sum_i v_ti w_t (y_ti - x_ti' W_t - b_t)^2 / 2
        + alpha / 2 * ||W||_F^2  +  beta / 2 * tr(W Omega^-1 W')

    with v the sample weights, w the task weights and n_bar the total sample weight over the
    number of tasks. The best Omega is (W'W)^(1/2) over its trace, which leaves a ridge and
    beta / 2 times the squared trace norm of W: a convex problem without alternation.

    Parameters
    ----------
    alpha : float, default=0.01
        Of each task for itself.
    beta : float, default=0.1
        Of what relates tasks.
    {task_parameters}
    {task_weight}
    {solver_parameters}

    Attributes
    ----------
    task_covariance_ : ndarray of shape (n_tasks, n_tasks)
        Omega.
    feature_covariance_ : ndarray of shape (n_features, n_features)
        (W W')^(1/2) over its trace.
    {certificate}
    {linear_attributes}
    {mean_model}

    References
    ----------
    Zhang, Yeung 2010, *A convex formulation for learning task relationships in multi-task
    learning*, UAI.

    Examples
    --------
    >>> from skmtl import TaskRelationships, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=4, n_samples=50, random_state=0)
    >>> model = TaskRelationships(task_column=0).fit(X, y)
    >>> model.task_covariance_.shape
    (4, 4)
    """

    def __init__(
        self,
        alpha=0.01,
        *,
        beta=0.1,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        tol=1e-6,
        max_iter=1000,
        warm_start=False,
    ):
        self.alpha = alpha
        self.beta = beta
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start

    def _make_penalty(self):
        return SquaredNuclear(self.beta) + SquaredL2(self.alpha)

    def _check_parameters(self):
        super()._check_parameters()
        check_number(self.alpha, "alpha")
        check_number(self.beta, "beta")


@complete_docstring
class ClusteredTasks(PenalizedRegressor):
    """Clustered multi-task learning: tasks of a cluster have similar coefficients.

    Minimises over b0 (n_features,), D (n_features, n_tasks), the intercepts and M with
    0 <= M <= I and trace(M) <= max(n_clusters - 1, 1) ::

        1 / n_bar * sum_t sum_i v_ti w_t (y_ti - x_ti' W_t - b_t)^2 / 2
        + alpha_mean / 2 * ||b0||^2  +  alpha / 2 * tr(D (spread I + M)^-1 D'),   W = b0 1' + D

    with v the sample weights, w the task weights and n_bar the total sample weight over the
    number of tasks. M relaxes the projection on the indicators of the clusters (of n_clusters
    clusters around their mean): differences between clusters cost about alpha / 2 each square,
    those within clusters (1 + spread) / spread times as much. A single cluster, whose projection is
    0, is treated as two are, but for `task_labels_`.

    Parameters
    ----------
    n_clusters : int, default=2
    alpha : float, default=0.1
    alpha_mean : float, default=0.001
    spread : float, default=0.1
        The smaller, the more alike are the tasks of a cluster.
    {task_parameters}
    {task_weight}
    {solver_parameters}
    random_state : int, RandomState instance or None, default=0
        Of the k-means that reads the clusters off the coefficients.

    Attributes
    ----------
    task_labels_ : ndarray of shape (n_tasks,)
        Cluster of every task.
    task_affinity_ : ndarray of shape (n_tasks, n_tasks)
        M.
    coef_parts_ : dict of ndarray of shape (n_tasks, n_features)
        "shared" is b0 for every task, "specific" is D.
    coef_shared_, intercept_shared_ : ndarray of shape (n_features,), float
        b0, and the intercept with which it predicts on average what the tasks' models do at the
        means of their features: for tasks that fit did not see.
    {certificate}
    {linear_attributes}

    References
    ----------
    Jacob, Bach, Vert 2008, *Clustered multi-task learning: a convex formulation*, NIPS. Zhou, Chen,
    Ye 2011, *Clustered multi-task learning via alternating structure optimization*, NIPS.

    Examples
    --------
    >>> from skmtl import ClusteredTasks, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=8, n_samples=50, random_state=0)
    >>> model = ClusteredTasks(n_clusters=2, task_column=0).fit(X, y)
    >>> model.task_labels_.shape
    (8,)
    """

    def __init__(
        self,
        n_clusters=2,
        *,
        alpha=0.1,
        alpha_mean=0.001,
        spread=0.1,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        tol=1e-6,
        max_iter=1000,
        warm_start=False,
        random_state=0,
    ):
        self.n_clusters = n_clusters
        self.alpha = alpha
        self.alpha_mean = alpha_mean
        self.spread = spread
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.random_state = random_state

    def _make_penalty(self):
        rank = max(self.n_clusters - 1, 1)
        return Decomposed(
            Common(SquaredL2(self.alpha_mean)), SpectralBox(rank, self.alpha, spared=self.spread)
        )

    def _keep(self, data, penalty, fitted, parts=None):
        super()._keep(data, penalty, fitted, parts)
        self.task_labels_ = self._clusters(fitted.parts["specific"].T)
        return self

    def _clusters(self, deviations):
        """k-means in the leading directions of the deviations, numbered in order of appearance."""
        n_clusters = min(self.n_clusters, len(np.unique(deviations, axis=0)))
        U, sigma, _ = np.linalg.svd(deviations, full_matrices=False)
        rank = max(n_clusters - 1, 1)
        random = check_random_state(self.random_state)
        means = KMeans(n_clusters, n_init=10, random_state=random)
        labels = means.fit_predict(U[:, :rank] * sigma[:rank])
        _, first, codes = np.unique(labels, return_index=True, return_inverse=True)
        return np.argsort(np.argsort(first))[codes]

    def _check_parameters(self):
        super()._check_parameters()
        check_number(self.n_clusters, "n_clusters", low=1, integer=True)
        check_number(self.alpha, "alpha")
        check_number(self.alpha_mean, "alpha_mean")
        check_number(self.spread, "spread", strict=True)


@complete_docstring
class DataSharedLasso(PenalizedRegressor):
    """Data-shared lasso: sparse common coefficients, and sparse deviations of each task.

    Minimises over c (n_features,), D (n_features, n_tasks) and the intercepts b ::

        1 / n_bar * sum_t sum_i v_ti w_t (y_ti - x_ti' W_t - b_t)^2 / 2
        + alpha * (sum_j factor_j |c_j|  +  ratio * sum_j factor_j ||D^j||_1),   W = c 1' + D

    with v the sample weights, w the task weights and n_bar the total sample weight over the
    number of tasks.

    Parameters
    ----------
    alpha : float, default=0.1
    ratio : float, default=None
        What deviations cost, relative to common coefficients; None is 1 / sqrt(n_tasks), of the
        tasks with rows that count. A value
        that k tasks share (the others having 0) goes into c if 2 k - n_tasks > 1 / ratio. Below
        1 / n_tasks that is never so, and each task has a lasso of its own with alpha * ratio;
        above 1 any majority is enough. The larger the ratio, the closer is all to one lasso of the
        pooled tasks.
    penalty_factor : array-like of shape (n_features,), optional
        Multiplies the penalty of each feature; above 0.
    {task_parameters}
    {task_weight}
    {solver_parameters}

    Attributes
    ----------
    coef_shared_ : ndarray of shape (n_features,)
        c, also for tasks that fit did not see.
    intercept_shared_ : float
        With which c predicts on average what the tasks' models do at the means of their features.
    coef_specific_ : ndarray of shape (n_tasks, n_features)
        D.
    ratio_ : float
    {certificate}
    {linear_attributes}

    References
    ----------
    Gross, Tibshirani 2016, *Data shared lasso: a novel tool to discover uplift*, Computational
    Statistics and Data Analysis 101.

    Examples
    --------
    >>> from skmtl import DataSharedLasso, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=4, n_samples=50, random_state=0)
    >>> model = DataSharedLasso(alpha=0.3, task_column=0).fit(X, y)
    >>> model.coef_shared_.shape, model.coef_specific_.shape
    ((20,), (4, 20))
    """

    def __init__(
        self,
        alpha=0.1,
        *,
        ratio=None,
        penalty_factor=None,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        tol=1e-6,
        max_iter=1000,
        warm_start=False,
    ):
        self.alpha = alpha
        self.ratio = ratio
        self.penalty_factor = penalty_factor
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start

    def _penalty_for(self, data):
        options = {"factor": self.penalty_factor}
        specific = L1(self.alpha * self._effective_ratio(data), **options)
        return Decomposed(Common(L1(self.alpha, **options)), specific)

    def _effective_ratio(self, data):
        if self.ratio is not None:
            return float(self.ratio)
        return float(np.sum(data.task_sizes() > 0) ** -0.5)

    def _keep(self, data, penalty, fitted, parts=None):
        super()._keep(data, penalty, fitted, parts)
        self.ratio_ = self._effective_ratio(data)
        self.coef_specific_ = self.coef_parts_["specific"]
        return self

    def _check_parameters(self):
        super()._check_parameters()
        check_number(self.alpha, "alpha", strict=True)
        if self.ratio is not None:
            check_number(self.ratio, "ratio", strict=True)
        factor = self.penalty_factor
        if factor is not None and not (np.asarray(factor, dtype=float) > 0).all():
            raise ValueError("penalty_factor must be above 0: what is free is free in every task.")
