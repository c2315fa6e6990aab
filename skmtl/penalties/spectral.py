"""Penalties of the singular values: tasks in a common subspace, or in clusters."""

import numbers

import numpy as np
from scipy import linalg

from skmtl.penalties.base import Penalty


class Nuclear(Penalty):
    """Nuclear (trace) norm alpha * sum_k sigma_k(W): few common directions.

    Parameters
    ----------
    alpha : float, default=1.0

    References
    ----------
    Ji, Ye 2009, *An accelerated gradient method for trace norm minimization*, ICML. Pong, Tseng,
    Ji, Ye 2010, *Trace norm regularization: reformulations, algorithms, and multi-task learning*,
    SIAM Journal on Optimization 20.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.penalties import Nuclear
    >>> Nuclear(1.0).prox(np.diag([3.0, 0.5]), 1.0)
    array([[2., 0.],
           [0., 0.]])
    """

    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def value(self, W):
        return self.alpha * singular_values(W).sum()

    def prox(self, W, step):
        U, sigma, V = svd(W)
        sigma = np.maximum(sigma - step * self.alpha, 0.0)
        rank = int(np.sum(sigma > 0))
        return (U[:, :rank] * sigma[:rank]) @ V[:rank]

    def dual_norm(self, Z):
        largest = singular_values(Z).max(initial=0.0)
        if self.alpha == 0:
            return np.inf if largest > 0 else 0.0
        return largest / self.alpha


class SquaredPenalty(Penalty):
    """Squares of norms of the singular values, which have no dual ball but a conjugate."""

    def prox(self, W, step):
        U, sigma, V = svd(W)
        return (U * self._shrink(sigma, step * self.alpha)) @ V

    def conjugate(self, Y, V):
        squared = self._dual_square(singular_values(Y))
        if self.alpha == 0:
            return (np.inf if squared > 0 else 0.0), 0.0
        return 0.0, squared / self.alpha


class SquaredNuclear(SquaredPenalty):
    """Squared nuclear norm alpha / 2 * (sum_k sigma_k(W))^2: a learned metric of the features.

    It is the minimum over D >= 0 with trace 1 of alpha / 2 * sum_t w_t' D^-1 w_t: convex feature
    learning (D of the features) and, of the transpose, task relationship learning
    (Omega of the tasks).

    Parameters
    ----------
    alpha : float, default=1.0

    References
    ----------
    Argyriou, Evgeniou, Pontil 2008, *Convex multi-task feature learning*, Machine Learning 73.
    Zhang, Yeung 2010, *A convex formulation for learning task relationships in multi-task
    learning*, UAI.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.penalties import SquaredNuclear
    >>> float(SquaredNuclear(1.0).value(np.diag([3.0, 1.0])))
    8.0
    """

    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def value(self, W):
        return 0.5 * self.alpha * singular_values(W).sum() ** 2

    def attributes(self, W):
        """The metrics at the optimum: (W W')^(1/2) and (W'W)^(1/2), with trace 1."""
        U, sigma, V = svd(W)
        share = sigma / (sigma.sum() or 1.0)
        return {"feature_covariance_": (U * share) @ U.T, "task_covariance_": (V.T * share) @ V}

    def _shrink(self, sigma, step):
        """argmin of 1/2 ||s - sigma||^2 + step / 2 (sum s)^2, which cuts at step * sum s."""
        counts = np.arange(1, len(sigma) + 1)
        totals = np.cumsum(sigma) / (1.0 + step * counts)
        used = np.flatnonzero(sigma > step * totals)
        level = step * totals[used[-1]] if len(used) else 0.0
        return np.maximum(sigma - level, 0.0)

    def _dual_square(self, sigma):
        return sigma.max(initial=0.0) ** 2


class SpectralBox(SquaredPenalty):
    """Ridge that spares a subspace: alpha / 2 * min_M sum_k sigma_k(W)^2 / (spared + m_k).

    The minimum is over 0 <= m_k <= 1 with sum m <= rank, that is over W' (spared I + M)^-1 W with
    0 <= M <= I and trace(M) <= rank: directions in use cost about alpha / 2 each square,
    all others 1 / `spared` times as much. It relaxes a common structure of `rank` features
    (alternating structure optimisation) as well as `rank` clusters of tasks (k-means), which
    are the same penalty.

    Parameters
    ----------
    rank : float
        Dimension of the subspace, or the number of clusters.
    alpha : float, default=1.0
    spared : float, default=0.1
        The smaller, the less is allowed outside of the subspace.

    References
    ----------
    Chen, Tang, Liu, Ye 2009, *A convex formulation for learning shared structures from multiple
    tasks*, ICML. Jacob, Bach, Vert 2008, *Clustered multi-task learning: a convex formulation*,
    NIPS. Zhou, Chen, Ye 2011, *Clustered multi-task learning via alternating structure
    optimization*, NIPS. McDonald, Pontil, Stamos 2016, *New perspectives on k-support and cluster
    norms*, Journal of Machine Learning Research 17.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.penalties import SpectralBox
    >>> W = np.diag([1.1, 0.0, 0.0])
    >>> round(float(SpectralBox(1, spared=0.1).value(W)), 6)
    0.55
    """

    def __init__(self, rank, alpha=1.0, *, spared=0.1):
        self.rank = rank
        self.alpha = alpha
        self.spared = spared

    def check(self, n_features, n_tasks=None):
        super().check(n_features, n_tasks)
        for name in ("rank", "spared"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, numbers.Real):
                raise TypeError(f"{name} of SpectralBox must be a number, but it is {value!r}.")
            if not 0 < value < np.inf:
                raise ValueError(f"{name} of SpectralBox is {value}: it must be finite and > 0.")

    def value(self, W):
        sigma = singular_values(W)
        shares = self.spared + allot(sigma, self.spared, self.rank)
        return 0.5 * self.alpha * np.sum(sigma**2 / shares)

    def attributes(self, W):
        """The relaxed projection M on what tasks share (0 to 1): of the features, of the tasks."""
        U, sigma, V = svd(W)
        share = allot(sigma, self.spared, self.rank)
        return {"feature_affinity_": (U * share) @ U.T, "task_affinity_": (V.T * share) @ V}

    def _shrink(self, sigma, step):
        shares = self.spared + allot(sigma, self.spared + step, self.rank)
        return sigma * shares / (shares + step)

    def _dual_square(self, sigma):
        whole = int(min(self.rank, len(sigma)))
        largest = np.sum(sigma[:whole] ** 2)
        if whole < len(sigma):
            largest += (self.rank - whole) * sigma[whole] ** 2
        return self.spared * np.sum(sigma**2) + largest


def allot(sigma, low, total):
    """m with 0 <= m <= 1 and sum total that minimises sum sigma^2 / (low + m).

    m = clip(mu sigma - low, 0, 1), where the sum is piecewise linear in mu.
    """
    if total >= len(sigma):
        return np.ones(len(sigma))
    used = sigma[sigma > 1e-150]
    if total >= len(used):
        return (sigma > 1e-150).astype(float)
    corners = np.sort(np.concatenate([low / used, (low + 1.0) / used]))
    sums = np.clip(corners[:, None] * used - low, 0.0, 1.0).sum(axis=1)
    return np.clip(np.interp(total, sums, corners) * sigma - low, 0.0, 1.0)


def singular_values(W):
    return linalg.svdvals(W, check_finite=False) if W.size else np.zeros(0)


def svd(W):
    """Thin decomposition U diag(sigma) V; the slower driver where the faster one fails."""
    try:
        return np.linalg.svd(W, full_matrices=False)
    except np.linalg.LinAlgError:
        return linalg.svd(W, full_matrices=False, lapack_driver="gesvd")
