"""Trace norm, convex feature learning and convex alternating structure optimisation."""

from skmtl.base import check_number
from skmtl.documentation import complete_docstring, share_text
from skmtl.feature_learning.spectral import (
    SPECTRAL_TEXTS,
    SpectralRegressor,
    SpectralRegressorCV,
)
from skmtl.penalties import Nuclear, SpectralBox, SquaredNuclear


@share_text(**SPECTRAL_TEXTS)
@complete_docstring
class TraceNorm(SpectralRegressor):
    """Trace-norm regression: the coefficients of all tasks lie in a subspace of low rank.

    Minimises over W (n_features, n_tasks) and the intercepts b ::

        1 / n_bar * sum_t sum_i v_ti w_t (y_ti - x_ti' W_t - b_t)^2 / 2
        + alpha * sum_k sigma_k(W)

    with v the sample weights, w the task weights, n_bar the total sample weight over the
    number of tasks and sigma_k the singular values.

    Parameters
    ----------
    alpha : float, default=1.0
    {n_components}
    {task_parameters}
    {task_weight}
    {solver_parameters}

    Attributes
    ----------
    {learned}
    {certificate}
    {linear_attributes}
    {mean_model}

    References
    ----------
    Ji, Ye 2009, *An accelerated gradient method for trace norm minimization*, ICML. Pong, Tseng,
    Ji, Ye 2010, *Trace norm regularization: reformulations, algorithms, and multi-task learning*,
    SIAM Journal on Optimization 20.

    Examples
    --------
    >>> from skmtl import TraceNorm, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=8, n_samples=50, random_state=0)
    >>> model = TraceNorm(alpha=2.0, task_column=0).fit(X, y)
    >>> model.transform(X).shape == (len(X), model.n_components_)
    True
    """

    def __init__(
        self,
        alpha=1.0,
        *,
        n_components=None,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        tol=1e-6,
        max_iter=1000,
        warm_start=False,
    ):
        self.alpha = alpha
        self.n_components = n_components
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start

    def _make_penalty(self):
        return Nuclear(self.alpha)


@share_text(**SPECTRAL_TEXTS)
@complete_docstring
class TraceNormCV(SpectralRegressorCV):
    """Trace-norm regression with alpha chosen by cross-validation.

    The objective is that of `TraceNorm`.

    Parameters
    ----------
    {n_components}
    {path}
    {task_parameters}
    {task_weight}
    {path_solver}

    Attributes
    ----------
    {path_attributes}
    {learned}
    {certificate}
    {linear_attributes}
    {mean_model}

    References
    ----------
    Pong, Tseng, Ji, Ye 2010, *Trace norm regularization: reformulations, algorithms, and
    multi-task learning*, SIAM Journal on Optimization 20.

    Examples
    --------
    >>> from skmtl import TraceNormCV, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=8, n_samples=50, random_state=0)
    >>> model = TraceNormCV(alphas=10, task_column=0).fit(X, y)
    >>> model.mse_path_.shape
    (10, 5)
    """

    def __init__(
        self,
        *,
        n_components=None,
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
        self.n_components = n_components
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

    def _penalty(self, alpha, l1_ratio=1.0):
        return Nuclear(alpha)


@share_text(**SPECTRAL_TEXTS)
@complete_docstring
class ConvexFeatureLearning(SpectralRegressor):
    """Convex multi-task feature learning: tasks share a learned metric of the features.

    Minimises over W (n_features, n_tasks), the intercepts b and D >= 0 with trace 1 ::

        1 / n_bar * sum_t sum_i v_ti w_t (y_ti - x_ti' W_t - b_t)^2 / 2
        + alpha / 2 * sum_t W_t' D^-1 W_t

    with v the sample weights, w the task weights and n_bar the total sample weight over the
    number of tasks. The best D is (W W')^(1/2) over its trace, which leaves
    alpha / 2 times the squared trace norm of W. With one task this is a ridge.

    Parameters
    ----------
    alpha : float, default=1.0
    {n_components}
    {task_parameters}
    {task_weight}
    {solver_parameters}

    Attributes
    ----------
    feature_covariance_ : ndarray of shape (n_features, n_features)
        D. Its leading eigenvectors are `components_`.
    task_covariance_ : ndarray of shape (n_tasks, n_tasks)
        (W'W)^(1/2) over its trace.
    {learned}
    {certificate}
    {linear_attributes}
    {mean_model}

    References
    ----------
    Argyriou, Evgeniou, Pontil 2008, *Convex multi-task feature learning*, Machine Learning 73.

    Examples
    --------
    >>> from skmtl import ConvexFeatureLearning, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=8, n_samples=50, random_state=0)
    >>> model = ConvexFeatureLearning(alpha=0.1, n_components=3, task_column=0).fit(X, y)
    >>> model.transform(X).shape, model.feature_covariance_.shape
    ((400, 3), (20, 20))
    """

    def __init__(
        self,
        alpha=1.0,
        *,
        n_components=None,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        tol=1e-6,
        max_iter=1000,
        warm_start=False,
    ):
        self.alpha = alpha
        self.n_components = n_components
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start

    def _make_penalty(self):
        return SquaredNuclear(self.alpha)


@share_text(**SPECTRAL_TEXTS)
@complete_docstring
class ConvexFeatureLearningCV(SpectralRegressorCV):
    """Convex multi-task feature learning with alpha chosen by cross-validation.

    The objective is that of `ConvexFeatureLearning`.

    Parameters
    ----------
    {n_components}
    {path}
    {task_parameters}
    {task_weight}
    {path_solver}

    Attributes
    ----------
    {path_attributes}
    feature_covariance_, task_covariance_
        As of `ConvexFeatureLearning`.
    {learned}
    {certificate}
    {linear_attributes}
    {mean_model}

    References
    ----------
    Argyriou, Evgeniou, Pontil 2008, *Convex multi-task feature learning*, Machine Learning 73.

    Examples
    --------
    >>> from skmtl import ConvexFeatureLearningCV, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=8, n_samples=50, random_state=0)
    >>> model = ConvexFeatureLearningCV(alphas=10, task_column=0).fit(X, y)
    >>> model.mse_path_.shape
    (10, 5)
    """

    def __init__(
        self,
        *,
        n_components=None,
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
        self.n_components = n_components
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

    def _penalty(self, alpha, l1_ratio=1.0):
        return SquaredNuclear(alpha)


@share_text(**SPECTRAL_TEXTS)
@complete_docstring
class ConvexASO(SpectralRegressor):
    """Convex alternating structure optimisation: a subspace of given dimension is spared.

    Minimises over W (n_features, n_tasks), the intercepts b and M with 0 <= M <= I and
    trace(M) <= n_shared ::

        1 / n_bar * sum_t sum_i v_ti w_t (y_ti - x_ti' W_t - b_t)^2 / 2
        + alpha / 2 * sum_t W_t' (spared I + M)^-1 W_t

    with v the sample weights, w the task weights and n_bar the total sample weight over the
    number of tasks. Coefficients in the subspace of M cost as in a ridge of strength
    alpha / (1 + spared), others (1 + spared) / spared times as much. A ridge of that
    strength is what is left if n_shared is the number of features.

    Parameters
    ----------
    n_shared : int, default=1
        Dimension of the shared subspace.
    alpha : float, default=1.0
    spared : float, default=0.1
        The smaller, the less is allowed outside of the subspace.
    {n_components}
    {task_parameters}
    {task_weight}
    {solver_parameters}

    Attributes
    ----------
    feature_affinity_ : ndarray of shape (n_features, n_features)
        M.
    {learned}
    {certificate}
    {linear_attributes}
    {mean_model}

    References
    ----------
    Ando, Zhang 2005, *A framework for learning predictive structures from multiple tasks and
    unlabeled data*, Journal of Machine Learning Research 6. Chen, Tang, Liu, Ye 2009, *A convex
    formulation for learning shared structures from multiple tasks*, ICML.

    Examples
    --------
    >>> from skmtl import ConvexASO, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=8, n_samples=50, random_state=0)
    >>> model = ConvexASO(n_shared=2, alpha=0.1, task_column=0).fit(X, y)
    >>> round(float(model.feature_affinity_.trace()), 3)
    2.0
    """

    def __init__(
        self,
        n_shared=1,
        *,
        alpha=1.0,
        spared=0.1,
        n_components=None,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        tol=1e-6,
        max_iter=1000,
        warm_start=False,
    ):
        self.n_shared = n_shared
        self.alpha = alpha
        self.spared = spared
        self.n_components = n_components
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start

    def _make_penalty(self):
        return SpectralBox(self.n_shared, self.alpha, spared=self.spared)

    def _check_parameters(self):
        super()._check_parameters()
        check_number(self.n_shared, "n_shared", low=1, integer=True)
        check_number(self.spared, "spared", strict=True)
