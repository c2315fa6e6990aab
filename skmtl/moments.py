"""Sums, means and variances by task, on whole arrays."""

import numpy as np
from scipy import sparse


def ratio(a, b):
    """a / b, and 0 where b is 0."""
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


def task_moments(X, codes, n_tasks, weights):
    """Weight, mean and variance of the values of every feature in every task, NaN ignored.

    Three arrays of shape (n_tasks, n_features); 0 where there is no value. Zeros that a sparse
    X does not store count as values.
    """
    n_samples = X.shape[0]
    members = sparse.csr_matrix(
        (weights, (codes, np.arange(n_samples))), shape=(n_tasks, n_samples)
    )
    if sparse.issparse(X):
        X = sparse.csr_matrix(X, dtype=np.float64, copy=True)
        X.sum_duplicates()
        values, where = X.data, (np.repeat(codes, np.diff(X.indptr)), X.indices)

        def total(entries):
            return (members @ sparse.csr_matrix((entries, X.indices, X.indptr), X.shape)).toarray()

    else:
        values, where, total = X.astype(np.float64, copy=False), codes, members.__matmul__
    seen = ~np.isnan(values)
    stored = total(seen.astype(np.float64))
    sizes = members.sum(axis=1).A1[:, None] - total((~seen).astype(np.float64))
    mean = ratio(total(np.where(seen, values, 0.0)), sizes)
    squares = total(np.where(seen, values - mean[where], 0.0) ** 2)
    return sizes, mean, ratio(squares + (sizes - stored) * mean**2, sizes)
