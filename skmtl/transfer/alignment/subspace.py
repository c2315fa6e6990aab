"""Alignment of principal components."""

import numbers

import numpy as np

from skmtl.base import check_number
from skmtl.transfer.alignment.base import Alignment, complete, moments

RANK = 1e-10  # of the largest eigenvalue: smaller ones are rounding


@complete
class SubspaceAlignment(Alignment):
    """Principal components of every task, turned towards those of the target.

    With the bases P (n_features, n_components) of the first principal components, a row x of
    task s and a row z of the target become ::

        (x - m_s) P_s P_s' P_target,     (z - m_target) P_target

    The matrix P_s' P_target brings the basis of the task as close as possible to that of the
    target. With all components it is only the means that are aligned.

    Parameters
    ----------
    n_components : int or float, default=0.9
        Number of components, or below 1: as many as have this share of the target's variance.
    {alignment_parameters}

    Attributes
    ----------
    n_components_ : int
    components_ : ndarray of shape (n_components, n_features)
        P_target'.
    matrices_ : ndarray of shape (n_tasks, n_features, n_components)
        By which centred rows are multiplied from the right.
    mean_ : ndarray of shape (n_tasks, n_features)
    mean_target_ : ndarray of shape (n_features,)
    tasks_ : ndarray of shape (n_tasks,)
        The task ids, sorted.

    See Also
    --------
    CORAL : Aligns covariances and keeps the features.
    TransferComponentAnalysis : Components in which the means agree.

    Notes
    -----
    {alignment_notes}
    Where a task has too few rows for the number of components, those of the target fill up its
    basis.

    References
    ----------
    Fernando, Habrard, Sebban, Tuytelaars 2013, *Unsupervised visual domain adaptation using
    subspace alignment*, ICCV.

    Examples
    --------
    >>> from skmtl import SubspaceAlignment, make_multitask_regression
    >>> X, _ = make_multitask_regression(n_tasks=3, random_state=0)
    >>> model = SubspaceAlignment(n_components=5, task_column=0, target_task=2)
    >>> model.fit_transform(X).shape == (len(X), 6)  # the ids in column 0
    True
    """

    def __init__(
        self, n_components=0.9, *, task_column=None, target_task=None, unknown_task="error"
    ):
        self.n_components = n_components
        self.task_column = task_column
        self.target_task = target_task
        self.unknown_task = unknown_task

    def _check_parameters(self):
        if isinstance(self.n_components, numbers.Integral):
            check_number(self.n_components, "n_components", low=1, integer=True)
            return
        check_number(self.n_components, "n_components", strict=True)
        if self.n_components >= 1:
            raise ValueError(
                f"n_components={self.n_components!r} must be an integer, or a share of the "
                "variance below 1."
            )

    def _learn(self, X, codes, weights, target):
        rows = slice(None) if target is None else codes == target
        self.mean_target_, cov = moments(X[rows], weights[rows])
        self.n_components_ = self._count(cov)
        basis = principal_basis(cov, np.eye(len(cov)), self.n_components_)
        basis *= np.where(basis[np.abs(basis).argmax(axis=0), range(basis.shape[1])] < 0, -1.0, 1.0)
        self.components_ = basis.T
        n_tasks = len(self.tasks_)
        self.mean_ = np.tile(self.mean_target_, (n_tasks, 1))
        self.matrices_ = np.tile(basis, (n_tasks, 1, 1))
        for task in np.unique(codes):
            if task != target:
                rows = codes == task
                self.mean_[task], own = moments(X[rows], weights[rows])
                own = principal_basis(own, cov, self.n_components_)
                self.matrices_[task] = own @ (own.T @ basis)

    def _count(self, cov):
        if isinstance(self.n_components, numbers.Integral):
            if self.n_components > len(cov):
                raise ValueError(
                    f"n_components={self.n_components} is more than the {len(cov)} features."
                )
            return int(self.n_components)
        values = np.maximum(np.linalg.eigvalsh(cov)[::-1], 0.0)
        shares = np.cumsum(values) / max(values.sum(), np.finfo(float).tiny)
        # Rounding must not ask for one component more.
        return int(np.searchsorted(shares, self.n_components - 1e-12) % len(cov)) + 1

    def _map(self, X, codes):
        out = (X - self.mean_target_) @ self.components_.T
        for task in np.unique(codes[codes >= 0]):
            rows = codes == task
            out[rows] = (X[rows] - self.mean_[task]) @ self.matrices_[task]
        return out

    def _names_of_values(self, names):
        return [f"subspacealignment{place}" for place in range(self.n_components_)]


def principal_basis(cov, reserve, n_components):
    """First eigenvectors; beyond the rank of cov those of `reserve` on what is left."""
    values, vectors = np.linalg.eigh(cov)
    rank = int(np.sum(values > RANK * max(values[-1], 0.0)))
    own = vectors[:, ::-1][:, : min(rank, n_components)]
    if rank >= n_components:
        return own.copy()
    rest = np.eye(len(cov)) - own @ own.T
    fill = np.linalg.eigh(rest @ reserve @ rest + rest * RANK * np.trace(reserve))[1][:, ::-1]
    return np.hstack([own, fill[:, : n_components - own.shape[1]]])
