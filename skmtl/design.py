"""The weighted design of a block with its free directions projected out, dense or sparse.

Free directions are the intercept and the features without a penalty: whatever the penalised
coefficients are, the free ones solve a least-squares problem of their own. Projecting them
out once leaves a problem in the penalised coefficients alone.
"""

from copy import copy
from functools import cached_property

import numpy as np
from scipy import sparse

ROUNDING = 8 * np.finfo(np.float64).eps  # of a mean, in units of the values


class Design:
    """sqrt(v) X and sqrt(v) Y of one block, orthogonal to the free directions.

    A sparse X stays sparse: the projection is kept as ``X - Q B`` with a thin orthonormal Q.

    Parameters
    ----------
    block : Block
    fit_intercept : bool
    free : ndarray of shape (n_features,) of bool
        Features that are projected out; the design has the columns of the others.
    """

    n_free = 0  # directions that are projected out, beside the intercept

    def __init__(self, block, *, fit_intercept, free):
        self.tasks = block.tasks
        self.kept = ~free
        self.fit_intercept = fit_intercept
        weights = self.weights = block.weights
        X, Y = block.X, np.asarray(block.Y, dtype=np.float64)
        self.x_mean = np.zeros(X.shape[1])
        self.y_mean = np.zeros(Y.shape[1])
        if fit_intercept and len(weights):
            self.x_mean = np.asarray(X.T @ (weights / weights.sum()), dtype=np.float64).ravel()
            self.y_mean = weights @ Y / weights.sum()
        root = self.root = np.sqrt(weights)
        self.Y = (Y - self.y_mean) * root[:, None]
        largest = np.abs(Y - self.y_mean).max(axis=0, initial=0.0)
        self.Y[:, largest <= ROUNDING * np.abs(self.y_mean)] = 0.0
        if sparse.issparse(X):
            self._init_sparse(X, root, free, fit_intercept)
        else:
            self._init_dense(X, root, free)

    def _init_dense(self, X, root, free):
        weighted = (root != 1).any()
        if self.fit_intercept or weighted or free.any():  # otherwise X itself will do
            X = np.subtract(X, self.x_mean, dtype=np.float64)
        X = np.asarray(X, dtype=np.float64)
        if self.fit_intercept:
            X = self._without_constants(X)
        if weighted:
            X *= root[:, None]
        self.X, self.Q, self.B = X[:, self.kept] if free.any() else X, None, None
        if free.any():
            basis = self._project_out(X[:, free])
            self.free_from_x = self._free_pinv @ self.X
            self.X -= basis @ (basis.T @ self.X)

    def _without_constants(self, X):
        """Centred columns that hold nothing but rounding errors become zero."""
        noise = ROUNDING * np.abs(self.x_mean)
        suspects = np.flatnonzero((np.abs(X[:1]) <= noise).all(axis=0))
        constant = suspects[np.abs(X[:, suspects]).max(axis=0, initial=0.0) <= noise[suspects]]
        if len(constant):
            X[:, constant] = 0.0
        return X

    def _init_sparse(self, X, root, free, fit_intercept):
        X = sparse.csc_array(X.multiply(root[:, None])) if (root != 1).any() else X.tocsc()
        X = X.astype(np.float64, copy=False)
        Q = [root[:, None] / np.linalg.norm(root)] if fit_intercept and len(root) else []
        self.X = X[:, self.kept] if free.any() else X
        if free.any():
            centred = X[:, free].toarray() - root[:, None] * self.x_mean[free]
            Q.append(self._project_out(centred))
            shift = (self._free_pinv @ root)[:, None] * self.x_mean[self.kept]
            self.free_from_x = (self.X.T @ self._free_pinv.T).T - shift
        self.Q = np.hstack(Q) if Q else None
        self.B = (self.X.T @ self.Q).T if Q else None
        if Q:  # columns of which the projection leaves nothing but rounding errors become zero
            raw = np.asarray(self.X.multiply(self.X).sum(axis=0)).ravel()
            left = self.squared_norms() > ROUNDING * raw
            if not left.all():
                self.X = sparse.csc_array(self.X @ sparse.diags(left.astype(np.float64)))
                self.B = self.B * left

    def _project_out(self, columns):
        """Orthonormal basis of some columns; keeps what recovers their coefficients."""
        left, scale, right = np.linalg.svd(columns, full_matrices=False)
        rank = np.sum(scale > scale.max(initial=0.0) * max(columns.shape) * np.finfo(float).eps)
        basis, self.n_free = left[:, :rank], int(rank)
        self._free_pinv = (right[:rank].T / scale[:rank]) @ basis.T
        self.free_from_y = self._free_pinv @ self.Y
        self.Y = self.Y - basis @ (basis.T @ self.Y)
        return basis

    def matmul(self, W):
        out = self.X @ W
        return out if self.Q is None else out - self.Q @ (self.B @ W)

    def rmatmul(self, R):
        by_rows = not sparse.issparse(self.X) and self.X.flags.c_contiguous
        out = (R.T @ self.X).T if by_rows else self.X.T @ R
        return out if self.Q is None else out - self.B.T @ (self.Q.T @ R)

    def cross(self):
        """X' Y, of shape (n_kept, n_block_tasks)."""
        return self.rmatmul(self.Y)

    def gram(self, rows=None):
        """X' X on some of the kept features."""
        X = self.X if rows is None else self.X[:, rows]
        gram = X.T @ X
        gram = gram.toarray() if sparse.issparse(gram) else gram
        if self.Q is None:
            return gram
        B = self.B if rows is None else self.B[:, rows]
        return gram - B.T @ B

    def squared_norms(self):
        """Diagonal of X' X."""
        if not sparse.issparse(self.X):
            return np.einsum("ij,ij->j", self.X, self.X)
        squares = np.asarray(self.X.multiply(self.X).sum(axis=0)).ravel()
        return squares if self.Q is None else squares - np.sum(self.B**2, axis=0)

    @cached_property
    def single(self):
        """Columns of a dense X scaled to norm 1 in single precision, and the norms."""
        norms = np.sqrt(self.squared_norms())
        return in_single_precision(self.X, np.where(norms > 0, norms, 1.0))

    def take_columns(self, rows):
        """The design with some of the kept features only, for products."""
        part = copy(self)
        part.__dict__.pop("single", None)
        part.X = self.X[:, rows]
        part.B = None if self.B is None else self.B[:, rows]
        return part

    def dense_columns(self, rows):
        """Some columns of X as a dense array."""
        X = self.X[:, rows]
        X = X.toarray() if sparse.issparse(X) else X
        return X if self.Q is None else X - self.Q @ self.B[:, rows]

    def kernel(self):
        """X X'."""
        kernel = self.X @ self.X.T
        if self.Q is None:
            return kernel.toarray() if sparse.issparse(kernel) else kernel
        kernel = kernel.toarray()
        kernel -= self.Q @ (self.Q.T @ kernel)
        return kernel - (kernel @ self.Q) @ self.Q.T

    def complete(self, W):
        """All coefficients (n_features, n_block_tasks) and intercepts, given the kept ones."""
        coef = np.zeros((len(self.kept), W.shape[1]))
        coef[self.kept] = W
        if not self.kept.all():
            coef[~self.kept] = self.free_from_y - self.free_from_x @ W
        return coef, self.y_mean - self.x_mean @ coef

    def forget_rows(self):
        """Drop what grows with the number of rows; `complete` still works."""
        self.X = self.Y = self.Q = self.B = self.weights = self.root = self._free_pinv = None


def in_single_precision(X, scale):
    """X / scale in single precision (Fortran order), and the scale (n_features,)."""
    out = np.empty(X.shape, dtype=np.float32, order="F")
    return np.divide(X, scale, out=out, casting="same_kind"), scale
