"""Ridge in closed form: one solve, or one decomposition for all penalties and tasks."""

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import LinearOperator, lsmr

LARGEST_DENSE = 10_000  # the side of the largest Gram or kernel matrix that is factorised
ROW_CHUNK = 4096
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
        n_rows, n_features = design.X.shape
        self._left = self._right = None
        if not sparse.issparse(design.X):
            svd = linalg.svd if design.X.size else np.linalg.svd  # old scipy: not without rows
            self._left, scale, right = svd(design.X, full_matrices=False)
            self._right = right.T
            squared = scale**2
        elif min(n_rows, n_features) > LARGEST_DENSE:
            raise ValueError(
                f"leave-one-out on sparse X of shape {design.X.shape} needs a dense matrix of side "
                f"{min(n_rows, n_features)}: reduce the features first (for example "
                "keep_tasks(TruncatedSVD(500), task_column=...)), or use MultiTaskRidge."
            )
        elif n_rows <= n_features:
            squared, self._left = linalg.eigh(design.kernel())
        else:
            squared, self._right = linalg.eigh(design.gram())
        cut = squared.max(initial=0.0) * max(n_rows, n_features) * np.finfo(float).eps
        if not sparse.issparse(design.X):
            cut *= max(n_rows, n_features) * np.finfo(float).eps  # squares of a true SVD
        kept = squared > cut
        self.squared = squared[kept]
        self._left = None if self._left is None else self._left[:, kept]
        self._right = None if self._right is None else self._right[:, kept]
        if self._left is not None:
            self.projected = self._left.T @ design.Y
        else:
            self.projected = (self._right.T @ design.cross()) / np.sqrt(self.squared)[:, None]

    def coef(self, alphas):
        """Coefficients (n_features, n_tasks) for one alpha per task."""
        root = np.sqrt(self.squared)[:, None]
        scaled = self.projected * root / (self.squared[:, None] + alphas)
        if self._right is not None:
            return self._right @ scaled
        return self.design.rmatmul(self._left @ (scaled / root))

    def _left_rows(self, rows):
        if self._left is not None:
            return self._left[rows]
        design = self.design
        moved = design.X[rows] @ self._right
        if design.Q is not None:
            moved = moved - design.Q[rows] @ (design.B @ self._right)
        return moved / np.sqrt(self.squared)

    def leave_one_out(self, alphas):
        """Weighted squared errors of rows left out, summed: (n_alphas, n_tasks)."""
        total = np.zeros((len(alphas), self.design.Y.shape[1]))
        for _, k, squares in self._left_out(alphas, 0.0):
            total[k] += squares.sum(axis=0)
        return total

    def leave_rows_out(self, alpha, columns, *, intercept_penalty=0.0):
        """Weighted squared errors (n_rows, n_columns) of every row when it is left out.

        `columns` says which tasks (a slice); `intercept_penalty` is a ridge on the intercept,
        whose column is orthogonal to X.
        """
        squares = np.empty(self.design.Y[:, columns].shape)
        for rows, _, part in self._left_out(np.array([alpha]), intercept_penalty, columns):
            squares[rows] = part
        return squares

    def _left_out(self, alphas, intercept_penalty, columns=slice(None)):
        """(rows, index of alpha, squared errors) over chunks of rows and all alphas.

        Written with the parts that the penalty removes (alpha / (s^2 + alpha)), not with
        1 - leverage, so that nothing cancels when the model nearly interpolates.
        """
        design, projected = self.design, self.projected[:, columns]
        n_rows = len(design.Y)
        removed = alphas / (self.squared[:, None] + alphas)  # (rank, n_alphas)
        weight = design.weights.sum()
        kept_mean = intercept_penalty / (weight + intercept_penalty) if intercept_penalty else 0.0
        step = ROW_CHUNK if self._left is None else max(n_rows, 1)
        for start in range(0, n_rows, step):
            rows = slice(start, start + step)
            left = self._left_rows(rows)
            orthogonal = design.Y[rows, columns] - left @ projected
            share = np.zeros(len(left))
            if design.fit_intercept:
                share = design.weights[rows] / weight
            spare = 1.0 - np.einsum("ij,ij->i", left, left) - share
            nothing = spare < 1e-12 * n_rows  # what is orthogonal has nothing there either
            spare[nothing], orthogonal[nothing] = 0.0, 0.0
            if design.fit_intercept:
                orthogonal += kept_mean * design.root[rows, None] * design.y_mean[columns]
                spare += kept_mean * share
            spare_of_alpha = spare[:, None] + (left**2) @ removed
            for k in range(len(alphas)):
                residual = orthogonal + left @ (removed[:, k, None] * projected)
                scale = np.maximum(spare_of_alpha[:, k, None], np.finfo(float).tiny)
                yield rows, k, (residual / scale) ** 2
