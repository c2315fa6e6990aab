"""Ridge in closed form: one solve, or one decomposition for all penalties and tasks."""

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import LinearOperator, lsmr

LARGEST_DENSE = 10_000  # the side of the largest Gram or kernel matrix that is factorised
ROW_CHUNK = 1024
BLOCK_ENTRIES = 2**19  # of a temporary array: it stays in cache
EPS = np.finfo(float).eps
WELL_CONDITIONED = 1e-6  # least ratio of squared singular values that squares of X resolve
NEARLY_DEPENDENT = 1e-9  # with less of its square left by the others, a column is not for Cholesky


def ridge_coef(design, alphas):
    """argmin_W sum_t ||y_t - X w_t||^2 + alpha_t ||w_t||^2 over a Design; (n_features, n_tasks).

    Where alpha is 0 and X has no full rank, the solution of least norm.
    """
    n_rows, n_features = design.X.shape
    alphas = np.broadcast_to(np.asarray(alphas, dtype=np.float64), design.Y.shape[1:])
    if not n_rows or not n_features:
        return np.zeros((n_features, len(alphas)))
    if min(n_rows, n_features) > LARGEST_DENSE and sparse.issparse(design.X):
        return _iterative(design, alphas)
    if not alphas.all() or (alphas != alphas[0]).any():
        return RidgePath(design).coef(alphas)
    primal = n_features <= n_rows
    matrix = design.gram() if primal else design.kernel()
    right = design.cross() if primal else design.Y
    matrix[np.diag_indices_from(matrix)] += alphas[0]
    diagonal = np.diag(matrix).copy()
    try:
        factor = linalg.cho_factor(matrix, lower=True, overwrite_a=True)
    except linalg.LinAlgError:
        return RidgePath(design).coef(alphas)
    if (np.diag(factor[0]) ** 2 < NEARLY_DEPENDENT * diagonal).any():
        return RidgePath(design).coef(alphas)
    solved = linalg.cho_solve(factor, right)
    return solved if primal else design.rmatmul(solved)


def _iterative(design, alphas):
    """Least squares on [X; alpha^(1/2)] by LSMR, columns scaled to norm 1.

    Raises ValueError if it does not converge.
    """
    n_rows, n_features = design.X.shape
    norms = design.squared_norms()
    columns = []
    for y, alpha in zip(design.Y.T, alphas, strict=True):
        scale = np.sqrt(norms + alpha)
        scale[scale == 0] = 1.0
        root = np.sqrt(alpha) / scale

        def forward(w, scale=scale, root=root):
            return np.append(design.matmul((w.ravel() / scale)[:, None]), root * w.ravel())

        def backward(r, scale=scale, root=root):
            r = r.ravel()
            return design.rmatmul(r[:n_rows, None]).ravel() / scale + root * r[n_rows:]

        operator = LinearOperator(
            (n_rows + n_features, n_features), matvec=forward, rmatvec=backward, dtype=np.float64
        )
        target = np.append(y, np.zeros(n_features))
        w, reason = lsmr(operator, target, atol=1e-12, btol=1e-12, conlim=0, maxiter=10_000)[:2]
        if reason not in (0, 1, 2, 4, 5):
            raise ValueError(
                f"ridge with alpha={alpha:.3g} did not converge in 10000 iterations on {n_rows} x "
                f"{n_features} sparse features: raise alpha, or scale or reduce the features."
            )
        columns.append(w / scale)
    return np.column_stack(columns)


class RidgePath:
    """Ridge for all penalties and tasks of a Design from one decomposition X = U s V'.

    Parameters
    ----------
    design : Design

    Attributes
    ----------
    squared : ndarray of shape (rank,)
        Squared singular values.
    projected : ndarray of shape (rank, n_tasks)
        U' Y.
    """

    def __init__(self, design):
        self.design = design
        if sparse.issparse(design.X) and min(design.X.shape) > LARGEST_DENSE:
            raise ValueError(
                f"leave-one-out on sparse X of shape {design.X.shape} needs a dense matrix of side "
                f"{min(design.X.shape)}: reduce the features first (for example "
                "keep_tasks(TruncatedSVD(500), task_column=...)), or use MultiTaskRidge."
            )
        self.squared, self._left, self._right = decompose(design)
        if self._left is not None:
            self.projected = self._left.T @ design.Y
        else:
            self.projected = (self._right.T @ design.cross()) / np.sqrt(self.squared)[:, None]

    def coef(self, alphas):
        """Coefficients (n_features, n_tasks) for one alpha per task.

        Laid out by tasks, as estimators keep them, where that needs no copy.
        """
        scaled = self.projected / (self.squared[:, None] + alphas)
        if self._right is not None:
            scaled *= np.sqrt(self.squared)[:, None]
            return (scaled.T @ self._right.T).T
        dual = self._left @ scaled
        if sparse.issparse(self.design.X):
            return self.design.rmatmul(dual)
        return (dual.T @ self.design.X).T

    def leave_one_out(self, alphas):
        """Weighted squared errors of rows left out, summed: (n_alphas, n_tasks)."""
        removed = removed_share(self.squared, alphas)
        parts = few_columns(removed, self.design.Y.size)
        errors = np.zeros((self.design.Y.shape[1], len(alphas)))
        for rows, left in self._row_chunks():
            orthogonal, spare = self._unexplained(rows, left)
            inverse = reciprocal(spare[:, None] + (left * left) @ removed)
            add_squares(errors, orthogonal, left, self.projected, *parts, inverse[:, None, :])
        return errors.T

    def held_out_errors(self, alphas, X, Y, weights):
        """Weighted squared errors on other rows, summed: (n_alphas, n_tasks).

        Weights are (n_rows, n_tasks) or (n_rows, 1), penalties above 0.
        """
        root, x_mean = np.sqrt(self.squared), self.design.x_mean
        right = self._right
        if right is None:
            right = self.design.rmatmul(self._left) / root
        parts = few_columns(root[:, None] / (self.squared[:, None] + alphas), Y.size)
        errors = np.zeros((Y.shape[1], len(alphas)))
        X = X.tocsr() if sparse.issparse(X) else X
        for rows in chunks(len(Y), ROW_CHUNK):
            if sparse.issparse(X):
                left = x_mean @ right - X[rows] @ right
            else:
                left = np.subtract(x_mean, X[rows]) @ right
            scale = np.sqrt(weights[rows])[:, :, None]
            target = Y[rows] - self.design.y_mean
            add_squares(errors, target, left, self.projected, *parts, scale)
        return errors.T

    def leave_rows_out(self, alpha, columns, *, intercept_penalty=0.0):
        """Weighted squared errors (n_rows, n_columns) of every row when it is left out.

        `columns` says which tasks (a slice); `intercept_penalty` is a ridge on the intercept,
        whose column is orthogonal to X.
        """
        removed = removed_share(self.squared, np.array([alpha]))
        moved = removed * self.projected[:, columns]
        errors = np.empty(self.design.Y[:, columns].shape)
        for rows, left in self._row_chunks():
            residual, spare = self._unexplained(rows, left, columns, intercept_penalty)
            residual += left @ moved
            residual *= reciprocal(spare[:, None] + (left * left) @ removed)
            np.square(residual, out=errors[rows])
        return errors

    def _row_chunks(self):
        """(rows, those rows of U)."""
        design = self.design
        if self._left is not None:
            for rows in chunks(len(design.Y), ROW_CHUNK):
                yield rows, self._left[rows]
            return
        X, scale = design.X.tocsr(), np.sqrt(self.squared)
        shift = None if design.Q is None else design.B @ self._right
        for rows in chunks(len(design.Y), ROW_CHUNK):
            left = X[rows] @ self._right
            if shift is not None:
                left -= design.Q[rows] @ shift
            left /= scale
            yield rows, left

    def _unexplained(self, rows, left, columns=slice(None), intercept_penalty=0.0):
        """What no penalty gives to the model: of the targets of rows, and of 1 - leverage.

        The penalty adds what it removes, U_i o alpha / (s^2 + alpha); written so, and not with
        1 - leverage, nothing cancels when the model nearly interpolates.
        """
        design = self.design
        orthogonal = left @ self.projected[:, columns]
        np.subtract(design.Y[rows, columns], orthogonal, out=orthogonal)
        weight = design.weights.sum()
        share = design.weights[rows] / weight if design.fit_intercept else 0.0
        spare = 1.0 - np.einsum("ij,ij->i", left, left) - share
        nothing = spare < 1e-12 * len(design.Y)  # what is orthogonal has nothing there either
        spare[nothing], orthogonal[nothing] = 0.0, 0.0
        if design.fit_intercept and intercept_penalty:
            kept_mean = intercept_penalty / (weight + intercept_penalty)
            orthogonal += kept_mean * design.root[rows, None] * design.y_mean[columns]
            spare += kept_mean * share
        return orthogonal, spare


def decompose(design):
    """(s^2, U, V) of the design's rank; U or V may be None if the other one will do.

    Squares of X (its Gram or kernel matrix) cost a fifth of a singular value decomposition, but
    also square its condition: a dense X is decomposed itself where that would be seen.
    """
    if sparse.issparse(design.X):
        return decompose_squares(design, least=max(design.X.shape) * EPS)
    found = decompose_squares(design, least=WELL_CONDITIONED) if design.X.size else None
    if found is not None:
        return found
    svd = linalg.svd if design.X.size else np.linalg.svd  # old scipy: not without rows
    left, scale, right = svd(design.X, full_matrices=False)
    kept = scale > scale.max(initial=0.0) * max(design.X.shape) * EPS
    kept &= remove_intercept(design, left) > 0.5
    return scale[kept] ** 2, left[:, kept], right[kept].T


def decompose_squares(design, *, least):
    """`decompose` by an eigendecomposition, of the directions above `least` times the largest.

    For dense X None unless the other directions are truly null.
    """
    X, dense = design.X, not sparse.issparse(design.X)
    tall = X.shape[0] > X.shape[1]
    matrix = design.gram() if tall else design.kernel()
    if not np.isfinite(np.trace(matrix)):
        return None
    squared, vectors = np.linalg.eigh(matrix)
    kept = squared > least * squared[-1]
    norms = np.ones(len(squared)) if tall else remove_intercept(design, vectors)
    if dense and not kept.all():
        rounding = max(X.shape) * EPS
        if (squared[~kept] > rounding * squared[-1]).any():
            return None
        null = (X if tall else X.T) @ vectors[:, ~kept]
        if (np.einsum("ij,ij->j", null, null) > rounding**2 * squared[-1]).any():
            return None
    kept &= norms > 0.5
    squared, vectors = squared[kept], vectors[:, kept]
    if not tall:
        return squared, vectors, None
    if not dense:
        return squared, None, vectors
    left = X @ vectors
    precise = remove_intercept(design, left)  # unlike the eigenvalues, to all digits
    kept = precise > 0.5 * squared
    squared, vectors, left = precise[kept], vectors[:, kept], left[:, kept]
    left /= np.sqrt(squared)
    # Orthogonal up to eps times the condition of the squares; a Newton step of the polar
    # decomposition makes it orthogonal up to eps.
    step = -0.5 * (left.T @ left)
    step[np.diag_indices_from(step)] += 1.5
    return squared, left @ step, vectors


def remove_intercept(design, left):
    """Take from columns their part along the intercept, in place; their squared norms after it.

    X is orthogonal to the intercept but for the rounding of its centring. Far from 0 that may
    look like one more direction, with which the model would fit every target.
    """
    if design.fit_intercept and len(left):
        intercept = design.root / np.linalg.norm(design.root)
        left -= intercept[:, None] * (intercept @ left)
    return np.einsum("ij,ij->j", left, left)


def add_squares(errors, target, left, projected, basis, mixing, scale):
    """errors_ta += sum_i scale_ita^2 (target_it + sum_r left_ir projected_rt filters_ra)^2.

    The filters are basis @ mixing, or basis where mixing is None. Goes through the tasks in
    blocks that stay in cache.
    """
    n_tasks, n_alphas = errors.shape
    n_rows, (rank, n_parts) = len(left), basis.shape
    scale = np.broadcast_to(scale, (n_rows, n_tasks, n_alphas))
    width = BLOCK_ENTRIES // (max(n_rows, rank) * max(n_parts, n_alphas))
    for columns in chunks(n_tasks, max(width, 1)):
        stacked = projected[:, columns, None] * basis[:, None, :]
        residual = left @ stacked.reshape(rank, stacked.shape[1] * n_parts)
        if mixing is not None:
            residual = residual.reshape(-1, n_parts) @ mixing
        residual = residual.reshape(n_rows, -1, n_alphas)
        residual += target[:, columns, None]
        residual *= scale[:, columns]
        errors[columns] += np.einsum("ita,ita->ta", residual, residual)


def few_columns(filters, n_targets):
    """(basis, mixing) with filters = basis @ mixing to double precision, and few columns.

    As functions of s, filters like alpha / (s^2 + alpha) are nearly dependent: 10 to 40 of them
    span hundreds. mixing is None where the factorisation would not pay for so many targets.
    """
    if not filters.size or n_targets <= 50 * min(filters.shape):
        return filters, None
    scale = filters.max(axis=0)
    scale[scale == 0] = 1.0
    basis, weights, mixing = np.linalg.svd(filters / scale, full_matrices=False)
    rank = np.sum(weights > 4.0 * EPS * weights[0])
    if rank * sum(filters.shape) >= 0.8 * filters.size:
        return filters, None
    return basis[:, :rank], weights[:rank, None] * mixing[:rank] * scale


def removed_share(squared, alphas):
    """What a penalty removes of each direction, alpha / (s^2 + alpha): (rank, n_alphas)."""
    return alphas / (squared[:, None] + alphas)


def reciprocal(values):
    return 1.0 / np.maximum(values, np.finfo(float).tiny)


def chunks(length, size):
    """Slices of at most `size`."""
    return [slice(start, start + size) for start in range(0, length, size)]
