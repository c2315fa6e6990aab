"""Penalties that spare large rows: not convex, solved by convex majorants.

phi(t) of a row norm t is concave, so that its tangent phi'(t0) t is above it: each step is a
multi-task lasso with a factor per feature, and the objective falls.
"""

import numbers

import numpy as np

from skmtl.penalties.base import Penalty, row_norms
from skmtl.penalties.norms import L1, L21

SMALLEST_ROW = 1e-16  # with an infinite slope at 0: what is below stays there


class ConcavePenalty(Penalty):
    """sum_j phi(norm of row j); subclasses have `profile` and `slopes`."""

    convex = False
    entrywise = False
    rank = 2
    norm = "l2"

    def value(self, W):
        return self.profile(self._norms(W)).sum()

    def majorant(self, W):
        kind = L21 if self.norm == "l2" else L1
        if W is None:  # the first step
            return kind(self.alpha)
        return kind(1.0, factor=self.slopes(self._norms(W)))

    def _norms(self, W):
        return row_norms(W) if self.norm == "l2" else np.abs(W).sum(axis=1)

    def _check_above(self, name, low):
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise TypeError(f"{name} of {type(self).__name__} must be a number, not {value!r}.")
        if not low < value < np.inf:
            raise ValueError(
                f"{name} of {type(self).__name__} is {value}: it must be finite and > {low}."
            )


class RowMCP(ConcavePenalty):
    """Minimax concave penalty of the rows: no bias for rows longer than gamma * alpha.

    phi(t) = alpha t - t^2 / (2 gamma) up to t = gamma alpha, and gamma alpha^2 / 2 beyond.

    Parameters
    ----------
    alpha : float, default=1.0
    gamma : float, default=3.0
        Above 1 (times the inverse curvature of the loss, problems stay nearly convex).

    Notes
    -----
    ``by * RowMCP(alpha)`` is ``RowMCP(by * alpha)`` with the same gamma: along a path the norm from
    which rows are free of bias moves with alpha, as is usual. The multiple of the function itself
    would be ``RowMCP(by * alpha, gamma=gamma / by)``.

    References
    ----------
    Zhang 2010, *Nearly unbiased variable selection under minimax concave penalty*, Annals of
    Statistics 38.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.penalties import RowMCP
    >>> float(RowMCP(1.0, gamma=3.0).value(np.array([[30.0, 40.0]])))
    1.5
    """

    def __init__(self, alpha=1.0, *, gamma=3.0):
        self.alpha = alpha
        self.gamma = gamma

    def check(self, n_features, n_tasks=None):
        super().check(n_features, n_tasks)
        self._check_above("gamma", 0)

    def profile(self, t):
        t = np.minimum(t, self.gamma * self.alpha)
        return self.alpha * t - t**2 / (2.0 * self.gamma)

    def slopes(self, t):
        return np.maximum(self.alpha - t / self.gamma, 0.0)


class RowSCAD(ConcavePenalty):
    """Smoothly clipped absolute deviation of the rows.

    phi'(t) is alpha up to t = alpha, falls to 0 at t = a alpha, and stays there.

    Parameters
    ----------
    alpha : float, default=1.0
    a : float, default=3.7
        Above 1.

    Notes
    -----
    ``by * RowSCAD(alpha)`` is ``RowSCAD(by * alpha)`` with the same a: along a path the norm from
    which rows are free of bias moves with alpha, as is usual. The multiple of the function itself
    is no member of the family.

    References
    ----------
    Fan, Li 2001, *Variable selection via nonconcave penalized likelihood and its oracle
    properties*, Journal of the American Statistical Association 96.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.penalties import RowSCAD
    >>> round(float(RowSCAD(1.0, a=3.0).value(np.array([[30.0, 40.0]]))), 6)
    2.0
    """

    def __init__(self, alpha=1.0, *, a=3.7):
        self.alpha = alpha
        self.a = a

    def check(self, n_features, n_tasks=None):
        super().check(n_features, n_tasks)
        self._check_above("a", 1)

    def profile(self, t):
        alpha, a = self.alpha, self.a
        middle = np.clip(t, alpha, a * alpha)
        bend = (2.0 * a * alpha * middle - middle**2 - alpha**2) / (2.0 * (a - 1.0))
        return np.where(t <= alpha, alpha * t, bend)

    def slopes(self, t):
        return np.minimum(self.alpha, np.maximum(self.a * self.alpha - t, 0.0) / (self.a - 1.0))


class CappedRows(ConcavePenalty):
    """Capped norms alpha * sum_j min(||w_j||, threshold): rows above the threshold are free.

    Parameters
    ----------
    alpha : float, default=1.0
    threshold : float, default=1.0
    norm : {"l2", "l1"}, default="l2"
        Of the rows; "l1" is the penalty of the paper.

    References
    ----------
    Gong, Ye, Zhang 2012, *Multi-stage multi-task feature learning*, NIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.penalties import CappedRows
    >>> float(CappedRows(0.5, threshold=2.0).value(np.array([[3.0, 4.0]])))
    1.0
    """

    def __init__(self, alpha=1.0, *, threshold=1.0, norm="l2"):
        self.alpha = alpha
        self.threshold = threshold
        self.norm = norm

    def check(self, n_features, n_tasks=None):
        super().check(n_features, n_tasks)
        self._check_above("threshold", 0)
        if self.norm not in ("l1", "l2"):
            raise ValueError(f"norm of CappedRows is {self.norm!r}: use 'l1' or 'l2'.")

    def profile(self, t):
        return self.alpha * np.minimum(t, self.threshold)

    def slopes(self, t):
        return self.alpha * (t < self.threshold)


class Multilevel(ConcavePenalty):
    """Multilevel lasso: w_jt = theta_j gamma_jt, with l1 norms of both levels.

    Minimising over theta leaves alpha * sum_j sqrt(||w_j||_1), alpha being twice the root of
    the product of both penalties: a feature is out for all tasks, or for some.

    Parameters
    ----------
    alpha : float, default=1.0

    References
    ----------
    Lozano, Swirszcz 2012, *Multi-level lasso for sparse multi-task regression*, ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.penalties import Multilevel
    >>> float(Multilevel(1.0).value(np.array([[3.0, 1.0]])))
    2.0
    """

    norm = "l1"

    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def profile(self, t):
        return self.alpha * np.sqrt(t)

    def slopes(self, t):
        return 0.5 * self.alpha / np.sqrt(np.maximum(t, SMALLEST_ROW))
