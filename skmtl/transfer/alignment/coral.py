"""Alignment of means and covariances."""

import numpy as np

from skmtl.base import check_number
from skmtl.transfer.alignment.base import Alignment, complete, moments

SINGULAR = 1e-12  # of the largest eigenvalue: no variance but rounding


@complete
class CORAL(Alignment):
    """Give the features of every task the covariance and the mean of the target.

    With means m and covariances C (shrunken, see below), a row x of task s becomes ::

        (x - m_s) C_s^(-1/2) C_target^(1/2) + m_target

    by which all rows of the task get the covariance of the target exactly, if nothing is shrunken.
    Rows of the target stay as they are. The sources with their y can then train a model for it.

    Parameters
    ----------
    shrinkage : float or "auto", default="auto"
        Share of (mean variance) * identity in every covariance, from 0 to 1. "auto": for each
        task that of Ledoit and Wolf, large for few rows.
    align_means : bool, default=True
        False, as in the paper, which has standardised features of every task: x C_s^(-1/2)
        C_target^(1/2).
    {alignment_parameters}

    Attributes
    ----------
    matrices_ : ndarray of shape (n_tasks, n_features, n_features)
        By which rows are multiplied from the right.
    mean_ : ndarray of shape (n_tasks, n_features)
    mean_target_ : ndarray of shape (n_features,)
    shrinkage_ : ndarray of shape (n_tasks,)
    shrinkage_target_ : float
    tasks_ : ndarray of shape (n_tasks,)
        The task ids, sorted.

    See Also
    --------
    SubspaceAlignment : Aligns principal components.
    TaskScaler : Aligns means and variances, feature by feature.

    Notes
    -----
    {alignment_notes}
    A direction in which a task has no variance (and nothing is shrunken) is set to the target's
    mean.

    References
    ----------
    Sun, Feng, Saenko 2016, *Return of frustratingly easy domain adaptation*, AAAI. Ledoit, Wolf
    2004, *A well-conditioned estimator for large-dimensional covariance matrices*, Journal of
    Multivariate Analysis 88.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl import CORAL
    >>> X = np.array([[0, 1.0], [0, 2.0], [0, 3.0], [1, 10.0], [1, 20.0], [1, 30.0]])
    >>> CORAL(shrinkage=0.0, task_column=0, target_task=0).fit_transform(X)[3:].round(6)
    array([[1., 1.],
           [1., 2.],
           [1., 3.]])
    """

    def __init__(
        self,
        shrinkage="auto",
        *,
        align_means=True,
        task_column=None,
        target_task=None,
        unknown_task="error",
    ):
        self.shrinkage = shrinkage
        self.align_means = align_means
        self.task_column = task_column
        self.target_task = target_task
        self.unknown_task = unknown_task

    def _check_parameters(self):
        if isinstance(self.shrinkage, str):
            if self.shrinkage != "auto":
                raise ValueError(f"shrinkage={self.shrinkage!r} must be 'auto' or a number.")
        else:
            check_number(self.shrinkage, "shrinkage")
            if self.shrinkage > 1:
                raise ValueError(f"shrinkage={self.shrinkage!r} is a share: it must be <= 1.")
        if not isinstance(self.align_means, (bool, np.bool_)):
            raise TypeError(f"align_means must be True or False, but it is {self.align_means!r}.")

    def _learn(self, X, codes, weights, target):
        n_tasks, n_features = len(self.tasks_), X.shape[1]
        rows = slice(None) if target is None else codes == target
        self.mean_target_, cov, self.shrinkage_target_ = self._moments(X[rows], weights[rows])
        recolour = power(cov, 0.5)
        self.mean_ = np.tile(self.mean_target_, (n_tasks, 1))
        self.matrices_ = np.tile(np.eye(n_features), (n_tasks, 1, 1))
        self.shrinkage_ = np.full(n_tasks, self.shrinkage_target_)
        self._aligned = np.zeros(n_tasks, dtype=bool)
        for task in np.unique(codes):
            if task == target or (target is None and n_tasks == 1):
                continue
            self._aligned[task] = True
            rows = codes == task
            self.mean_[task], cov, self.shrinkage_[task] = self._moments(X[rows], weights[rows])
            if np.trace(cov) > 0:  # else all rows are equal: there is nothing to whiten
                self.matrices_[task] = power(cov, -0.5) @ recolour

    def _moments(self, X, weights):
        """Mean, shrunken covariance, and its shrinkage."""
        mean, cov = moments(X, weights)
        level = np.trace(cov) / len(cov)
        share = self.shrinkage
        if isinstance(share, str):
            share = best_shrinkage(X - mean, weights, cov)
        return mean, (1 - share) * cov + share * level * np.eye(len(cov)), float(share)

    def _map(self, X, codes):
        out = X.copy()
        for task in np.intersect1d(codes, np.flatnonzero(self._aligned)):
            rows = codes == task
            if self.align_means:
                moved = (X[rows] - self.mean_[task]) @ self.matrices_[task] + self.mean_target_
            else:
                moved = X[rows] @ self.matrices_[task]
            out[rows] = moved
        return out

    def _names_of_values(self, names):
        return list(names)


def power(cov, exponent):
    """Power of a positive semidefinite matrix, on its range."""
    values, vectors = np.linalg.eigh(cov)
    large = values > SINGULAR * max(values[-1], 0.0)
    powers = np.zeros_like(values)
    powers[large] = values[large] ** exponent
    return (vectors * powers) @ vectors.T


def best_shrinkage(centred, weights, cov):
    """Share of (mean variance) * identity with the least expected squared error.

    Ledoit, Wolf 2004, section 3.2; a row of weight k counts as k rows.
    """
    n_rows = weights.sum()
    level = np.trace(cov) / len(cov)
    spread = np.sum(cov**2) - level**2 * len(cov)
    fourth = weights @ np.einsum("ij,ij->i", centred, centred) ** 2
    error = (fourth / n_rows - np.sum(cov**2)) / n_rows
    return min(1.0, max(error, 0.0) / spread) if spread > 0 else 1.0
