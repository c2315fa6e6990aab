"""Adaptive and robust multi-task learning: unsquared distances from centres."""

import numpy as np
from sklearn.utils import check_random_state

from skmtl.base import MultiTaskLinearRegressor, check_number, warn_unless_converged
from skmtl.documentation import complete_docstring
from skmtl.solvers.armul import TaskQuadratics, read_moments
from skmtl.solvers.armul_centres import clustered_centres, common_centre, subspace_centres
from skmtl.threads import suited_threads

STRUCTURES = ("common", "clusters", "subspace")


class DistanceRegressor(MultiTaskLinearRegressor):
    """What the estimators with distances from centres share: how a fit is kept."""

    def _keep(self, data, tasks, fit, shared=None):
        """Models and centres in the features' own origin, for all tasks of the data."""
        coef, intercept = np.zeros((data.n_features, data.n_tasks)), np.zeros(data.n_tasks)
        coef[:, tasks.counted], intercept[tasks.counted] = tasks.models(fit.state, fit.z)
        self.pooled_tasks_ = np.ones(data.n_tasks, dtype=bool)
        self.pooled_tasks_[tasks.counted] = fit.state.nu == 0
        self.outlier_tasks_ = ~self.pooled_tasks_
        self.task_labels_ = np.full(data.n_tasks, -1)
        self.task_labels_[tasks.counted] = fit.labels
        self.centers_ = fit.centers
        if len(fit.centers) == 1:
            shift = fit.centers[0] @ tasks.x_origin
            shared = fit.centers[0], fit.constants[0] + tasks.y_origin - shift
        self.objective_path_ = np.array(fit.path)
        self.dual_gap_, self.n_iter_ = float(fit.gap), max(1, fit.n_iter)
        return self._store(data, coef, intercept, shared)


@complete_docstring
class ARMUL(DistanceRegressor):
    """Linear models at an unsquared distance from a centre: close tasks pool, others do not.

    Minimises over the models w_t (n_features,), their centres z_t and the intercepts ::

        sum_t 1/2 sum_i v_ti w_t (y_ti - (x_ti - x_mean)' w_t - b_t)^2 + ridge / 2 ||w_t||^2
        + sum_t alpha sqrt(n_t) ||w_t - z_t||_2 + alpha_intercept / 2 sum_t (b_t - c_t)^2

    with v the sample weights, w the task weights and n_t the sum of both over the rows of a
    task. The centres z_t (and c_t) are one for all tasks, one of several, or in a subspace. Since
    the distance is not squared, tasks whose data agree with their centre have exactly its
    slopes (`pooled_tasks_`), and a task that is far from it pays a bounded price and keeps
    its own. With one centre, alpha = 0 is ridge per task up to the intercepts, and from some
    alpha on this is pooled ridge with shrunken task intercepts.

    The intercepts' deviations have a penalty of their own, squared: tied to that of the slopes,
    or free, they would cost much of what sharing gains. Features should be on one scale, common
    to all tasks (`keep_tasks(StandardScaler(), task_column)`).

    Parameters
    ----------
    alpha : float, default=1.0
        Of the order of the noise's standard deviation times the root of the number of features.
    structure : {"common", "clusters", "subspace"}, default="common"
        What the centres are: the same for all tasks (a convex problem); one of `n_clusters`, each
        task having the one that serves it best; or vectors in a subspace of dimension `rank`.
        For the last two the solution is a local minimum.
    n_clusters : int, default=2
    rank : int, default=1
    alpha_intercept : float, default=1.0
        Penalty of the deviations of the tasks' intercepts, at the mean of the features, from that
        of their centre; may be 0.
    ridge : float, default=0.0
    n_init : int, default=10
        Starts by k-means++ for "clusters", of which the best is kept.
    random_state : int, RandomState instance or None, default=None
        Of these starts.
    {task_parameters}
    {task_weight}
    {solver_parameters}
        With "common" only.

    Attributes
    ----------
    centers_ : ndarray of shape (n_centers, n_features)
        The common centre, those of the clusters, or for "subspace" one per task.
    task_labels_ : ndarray of shape (n_tasks,)
        Cluster of each task (0 for the other structures; -1 for a task without weight).
    pooled_tasks_, outlier_tasks_ : ndarray of shape (n_tasks,) of bool
        Whether the slopes of a task are those of its centre, or not.
    components_ : ndarray of shape (rank, n_features)
        Orthonormal basis of the subspace; for "subspace" only.
    objective_path_ : ndarray
        The objective after each iteration, which never rises.
    dual_gap_ : float
        The objective is above the optimum by at most this share of the objective without
        slopes. Given the clusters, or the coordinates in the subspace, for those structures.
    n_iter_ : int
    coef_shared_, intercept_shared_ : ndarray of shape (n_features,), float
        The common centre; the mean of the tasks' models for the other structures.
    {linear_attributes}

    References
    ----------
    Duan, Wang 2023, *Adaptive and robust multi-task learning*, Annals of Statistics 51.

    Examples
    --------
    >>> from skmtl import ARMUL, make_multitask_regression
    >>> X, y = make_multitask_regression(
    ...     n_tasks=4, n_samples=50, structure="common", random_state=0)
    >>> model = ARMUL(alpha=5.0, task_column=0).fit(X, y)
    >>> model.centers_.shape
    (1, 20)
    """

    def __init__(
        self,
        alpha=1.0,
        *,
        structure="common",
        n_clusters=2,
        rank=1,
        alpha_intercept=1.0,
        ridge=0.0,
        n_init=10,
        random_state=None,
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        tol=1e-6,
        max_iter=1000,
        warm_start=False,
    ):
        self.alpha = alpha
        self.structure = structure
        self.n_clusters = n_clusters
        self.rank = rank
        self.alpha_intercept = alpha_intercept
        self.ridge = ridge
        self.n_init = n_init
        self.random_state = random_state
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Fit the models of the tasks and their centres.

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
        self._check_sizes(data)
        with suited_threads(data):
            quadratics = TaskQuadratics(
                read_moments(data, self.fit_intercept),
                alpha_intercept=self.alpha_intercept,
                ridge=self.ridge,
                fit_intercept=self.fit_intercept,
            )
            fit = self._solve(quadratics)
            self._keep(data, quadratics, fit)
        warn_unless_converged(fit, tol=self.tol, max_iter=self.max_iter)
        return self

    def _solve(self, quadratics):
        lam = self.alpha * np.sqrt(quadratics.sizes)
        limits = {"tol": self.tol, "max_iter": self.max_iter}
        vars(self).pop("components_", None)
        if self.structure == "clusters":
            rng = check_random_state(self.random_state)
            return clustered_centres(
                quadratics, lam, self.n_clusters, n_init=self.n_init, rng=rng, **limits
            )
        if self.structure == "subspace":
            fit, self.components_ = subspace_centres(quadratics, lam, self.rank, **limits)
            return fit
        return common_centre(quadratics, lam, start=self._start(quadratics), **limits)

    def _start(self, quadratics):
        """The centre of the previous fit, if it is to be used and has the same shape."""
        shape = (1, quadratics.n_features)
        if not self.warm_start or getattr(self, "centers_", np.empty(0)).shape != shape:
            return None
        center = self.centers_[0]
        constant = float(self.intercept_shared_) + quadratics.x_origin @ center
        constant -= quadratics.y_origin
        return np.append(center, constant) if quadratics.has_intercept else center

    def _check_parameters(self):
        for name in ("alpha", "alpha_intercept", "ridge", "tol"):
            check_number(getattr(self, name), name)
        for name in ("n_clusters", "rank", "n_init", "max_iter"):
            check_number(getattr(self, name), name, low=1, integer=True)
        if self.structure not in STRUCTURES:
            names = ", ".join(STRUCTURES)
            raise ValueError(f"structure={self.structure!r} is not one of {names}.")

    def _check_sizes(self, data):
        n_tasks = int(np.sum(data.task_sizes() > 0))
        if self.structure == "clusters" and self.n_clusters > n_tasks:
            raise ValueError(
                f"n_clusters={self.n_clusters} is more than the {n_tasks} tasks that have rows."
            )
        if self.structure == "subspace" and self.rank > min(n_tasks, data.n_features):
            raise ValueError(
                f"rank={self.rank} is more than there are tasks ({n_tasks}) or features "
                f"({data.n_features})."
            )
