"""Components in which the means of the tasks agree."""

import numpy as np
from scipy.linalg import eigh
from sklearn.metrics.pairwise import linear_kernel, rbf_kernel
from sklearn.utils import check_random_state

from skmtl.base import check_number
from skmtl.transfer.alignment.base import Alignment, complete, moments

KERNELS = ("rbf", "linear")
RANK = 1e-10  # of the largest eigenvalue: smaller ones are rounding


@complete
class TransferComponentAnalysis(Alignment):
    """Components with large variance over all rows and equal means of tasks and target.

    Components are f(x) = sum_i W_i k(x, x_i); for the matrix K of kernels between the rows and
    H that centres, the matrix W (n_samples, n_components) maximises the variance W'KHKW against ::

        sum_s ||mean of task s - mean of the target||^2 + mu tr(W'W)

    The former is W'KLKW, the squared distance of the kernel means within the components. They are
    scaled to variance 1 over all rows.

    Parameters
    ----------
    n_components : int, default=10
        At most; fewer if the kernels have a smaller rank.
    kernel : {"rbf", "linear"}, default="rbf"
        exp(-gamma ||x - z||^2) or x'z.
    gamma : float, default=None
        None: 1 / mean squared distance of two rows.
    mu : float, default=1.0
        Penalty of W, above 0. Large: kernel principal components, whatever their means.
    max_rows : int, default=1000
        With more rows the components are kernels at so many of them, chosen at random; means and
        variances are still those of all rows. The cost is n_samples max_rows^2.
    {alignment_parameters}
    random_state : int, RandomState instance or None, default=0
        Of the rows for `max_rows`.

    Attributes
    ----------
    n_components_ : int
    dual_coef_ : ndarray of shape (n_kernels, n_components)
        W.
    rows_ : ndarray of shape (n_kernels, n_features)
        Where the kernels are.
    ratios_ : ndarray of shape (n_components,)
        Variance of each component (the sum over rows) over what it is held against.
    gamma_ : float
    tasks_ : ndarray of shape (n_tasks,)
        The task ids, sorted.

    See Also
    --------
    SubspaceAlignment : Linear, and one map for each task.

    Notes
    -----
    {alignment_notes}
    All tasks have the same map, so that new tasks could be mapped too (``unknown_task="shared"``).

    References
    ----------
    Pan, Tsang, Kwok, Yang 2011, *Domain adaptation via transfer component analysis*, IEEE
    Transactions on Neural Networks 22.

    Examples
    --------
    >>> from skmtl import TransferComponentAnalysis, make_multitask_regression
    >>> X, _ = make_multitask_regression(n_tasks=3, random_state=0)
    >>> model = TransferComponentAnalysis(5, task_column=0, target_task=2)
    >>> model.fit_transform(X).shape == (len(X), 6)  # the ids in column 0
    True
    """

    def __init__(
        self,
        n_components=10,
        *,
        kernel="rbf",
        gamma=None,
        mu=1.0,
        max_rows=1000,
        task_column=None,
        target_task=None,
        unknown_task="error",
        random_state=0,
    ):
        self.n_components = n_components
        self.kernel = kernel
        self.gamma = gamma
        self.mu = mu
        self.max_rows = max_rows
        self.task_column = task_column
        self.target_task = target_task
        self.unknown_task = unknown_task
        self.random_state = random_state

    def _check_parameters(self):
        check_number(self.n_components, "n_components", low=1, integer=True)
        check_number(self.max_rows, "max_rows", low=1, integer=True)
        check_number(self.mu, "mu", strict=True)
        if self.gamma is not None:
            check_number(self.gamma, "gamma", strict=True)
        if self.kernel not in KERNELS:
            raise ValueError(f"kernel={self.kernel!r} is not one of {', '.join(KERNELS)}.")

    def _learn(self, X, codes, weights, target):
        self.gamma_ = self._width(X, weights)
        kept = np.arange(len(X))
        if len(X) > self.max_rows:
            rng = check_random_state(self.random_state)
            kept = np.sort(rng.permutation(len(X))[: self.max_rows])
        self.rows_ = X[kept]
        # A row of weight k stands for k equal ones with a coefficient each: their sum is
        # sqrt(k) u, and the sum of their squares u^2.
        roots = np.sqrt(weights[kept])
        F = self._kernel(X, self.rows_) * roots
        variance, apart = scatter(F, weights), mean_differences(F, codes, weights, target)
        against = apart.T @ apart + self.mu * np.eye(len(kept))
        n_components = min(self.n_components, len(kept))
        # Pan et al. 2011, eq. 8: the leading eigenvectors of (KLK + mu I)^-1 KHK.
        try:
            ratios, U = eigh(
                variance, against, subset_by_index=[len(kept) - n_components, len(kept) - 1]
            )
        except np.linalg.LinAlgError as error:
            raise ValueError(
                f"mu={self.mu!r} is nothing beside the kernels: scale the features, or raise it."
            ) from error
        ratios, U = ratios[::-1], U[:, ::-1]
        used = ratios > RANK * max(ratios[0], 0.0)
        used[0] = True
        self.ratios_, U = np.maximum(ratios[used], 0.0), U[:, used]
        spread = np.sqrt(np.einsum("ij,ik,kj->j", U, variance, U, optimize=True) / weights.sum())
        U = U / np.where(spread > 0, spread, 1.0)
        values = F @ U
        skew = weights @ (values - weights @ values / weights.sum()) ** 3
        U = U * np.where(skew < 0, -1.0, 1.0)  # signs that do not depend on the order of rows
        self.dual_coef_ = roots[:, None] * U
        self.n_components_ = U.shape[1]

    def _width(self, X, weights):
        if self.gamma is not None:
            return float(self.gamma)
        distance = 2 * np.trace(moments(X, weights)[1])
        return float(1 / distance) if distance > 0 else 1.0

    def _kernel(self, X, rows):
        if self.kernel == "linear":
            return linear_kernel(X, rows)
        centre = self.rows_.mean(axis=0)  # differences of large squares would be rounding errors
        return rbf_kernel(X - centre, rows - centre, gamma=self.gamma_)

    def _map(self, X, codes):
        return self._kernel(X, self.rows_) @ self.dual_coef_

    def _names_of_values(self, names):
        return [f"transfercomponentanalysis{place}" for place in range(self.n_components_)]


def scatter(F, weights):
    """Weighted sum of squares around the mean, F'HF."""
    centred = F - weights @ F / weights.sum()
    return (centred * weights[:, None]).T @ centred


def mean_differences(F, codes, weights, target):
    """Mean of every task minus that of the target, or of all rows (n_tasks, n_columns)."""
    tasks = np.unique(codes)
    members = (codes == tasks[:, None]) * weights
    means = members @ F / members.sum(axis=1, keepdims=True)
    if target is None:
        return means - weights @ F / weights.sum()
    return means - means[np.searchsorted(tasks, target)]
