"""Fewer rows than features: factors are sought in the span of the rows.

Where a penalty is a Frobenius norm, of the factor over the features or of its product with the
codes, what lies beyond the span of all rows costs and fits nothing. In an orthonormal basis of
the span the problem has the same form and one unknown per row instead of one per feature.
"""

import numpy as np


class RowSpan:
    """An orthonormal basis of the rows of all tasks, or all features as they are.

    Parameters
    ----------
    basis : ndarray of shape (n_features, n_rows), optional
        None: all features.
    origin : ndarray of shape (n_features,), optional
        What was taken off the rows before: it is part of the intercepts only.
    present : ndarray of shape (n_tasks, n_features) of bool, optional
        Features that have values in a task.
    """

    def __init__(self, basis=None, origin=None, present=None):
        self.basis, self.origin, self.present = basis, origin, present

    @property
    def is_whole(self):
        return self.basis is None

    def lift(self, A):
        """Vectors (n_features, k) from their coordinates (n_rows, k)."""
        return A if self.basis is None else self.basis @ A

    def lower(self, A):
        """The coordinates of vectors: all that the rows see of them."""
        return A if self.basis is None else self.basis.T @ A

    def diagonal(self, gram):
        """Diagonal (n_features,) of a Gram matrix in the basis."""
        if self.basis is None:
            return np.diag(gram)
        return np.einsum("pr,pr->p", self.basis @ gram, self.basis)

    def origins(self, n_tasks):
        """The origin of the features that each task has, (n_tasks, n_features)."""
        origin = np.broadcast_to(self.origin, (n_tasks, len(self.origin)))
        return origin if self.present is None else origin * self.present


WHOLE = RowSpan()


def span_of_rows(X, *, centre, absent=None):
    """The RowSpan of a dense X (n_rows, n_features), and X in its basis.

    Parameters
    ----------
    X : ndarray
        NaN where a feature is absent.
    centre : bool
        Whether there are intercepts, so that the rows may be moved.
    absent : ndarray of shape (n_tasks, n_features) of bool, optional
    """
    origin = np.zeros(X.shape[1])
    if centre:
        counts = np.maximum(np.sum(~np.isnan(X), axis=0), 1)
        origin = np.nansum(X, axis=0, dtype=np.float64) / counts
    rows = np.subtract(X, origin, dtype=np.float64)
    rows[np.isnan(rows)] = 0.0
    basis, right = np.linalg.qr(rows.T)
    return RowSpan(basis, origin, None if absent is None else ~absent), right.T
