"""Exact solutions of (G_t + c I) w_t = r_t for all tasks and any c, from one decomposition."""

import numpy as np
from scipy import sparse

from skmtl.quadratic import GRAM_ENTRIES, Gram, MaskedRows

LARGEST_SIDE = 5000  # of a matrix that is decomposed
CG_ACCURACY, CG_PROGRESS = 1e-12, 1e-3  # of the right-hand side; of the residual at the start
MOST_STEPS = 500
PRODUCTS = 10_000  # with X that cost as much as a decomposition is allowed to


def make_resolvent(quadratic, *, by_features=False):
    """By eigenvectors of Gram matrices or of kernels, or by conjugate gradients if both are large.

    Parameters
    ----------
    quadratic : Gram, Rows or MaskedRows
    by_features : bool
        Whether each feature may have a scale of its own, that of its curvature: the metric is
        then c D instead of c I (with Gram matrices only).
    """
    if _iterations_pay(quadratic):
        return ConjugateGradients(quadratic)
    gram = _as_gram(quadratic)
    if gram is not None:
        return GramResolvent(gram, _scale_of(gram) if by_features else 1.0)
    if isinstance(quadratic, MaskedRows):
        return ConjugateGradients(quadratic)
    n_rows = quadratic.n_rows()
    if n_rows.max() <= LARGEST_SIDE and np.sum(n_rows**2) <= 8 * GRAM_ENTRIES:
        return KernelResolvent(quadratic)
    return ConjugateGradients(quadratic)


def _iterations_pay(quadratic):
    """Whether products with a sparse X are much cheaper than a decomposition."""
    if isinstance(quadratic, Gram):
        return False
    if isinstance(quadratic, MaskedRows):
        if not sparse.issparse(quadratic.X):
            return False
        stored, sides = quadratic.X.nnz, [min(quadratic.X.shape)] * quadratic.n_tasks
    else:
        if not all(sparse.issparse(design.X) for design in quadratic.designs):
            return False
        stored = sum(design.X.nnz for design in quadratic.designs)
        sides = [min(design.X.shape) for design in quadratic.designs]
    return sum(float(side) ** 3 for side in sides) > PRODUCTS * stored


def _as_gram(quadratic):
    """Gram matrices of all features, or None if they are too large."""
    if isinstance(quadratic, Gram):
        return quadratic
    n_features = len(quadratic.cross)
    small = quadratic.n_blocks * n_features**2 <= 4 * GRAM_ENTRIES
    if isinstance(quadratic, MaskedRows) or n_features <= quadratic.n_rows().max():
        return quadratic.gram_on(np.arange(n_features)) if small else None
    return None


def _scale_of(gram):
    scale = gram.diagonal()[:, None]
    typical = np.median(scale[scale > 0]) if (scale > 0).any() else 1.0
    return np.sqrt(np.where(scale > 1e-10 * typical, scale / typical, 1.0))


class GramResolvent:
    """(G_t + c D)^-1 by eigenvectors of D^-1/2 G D^-1/2, one matrix for all tasks or a stack.

    Parameters
    ----------
    quadratic : Gram
    scale : float or ndarray of shape (n_features, 1)
        The diagonal of D.
    """

    def __init__(self, quadratic, scale):
        self.quadratic, self.scale = quadratic, scale
        self.root = np.sqrt(scale)
        gram = quadratic.gram if np.ndim(scale) == 0 else quadratic.gram / (self.root * self.root.T)
        self.levels, self.basis = np.linalg.eigh(gram)
        self.levels = np.maximum(self.levels, 0.0)
        stacked = len(self.basis) > 1
        self.turned = np.ascontiguousarray(self.basis.swapaxes(1, 2)) if stacked else None
        used = self.levels[self.levels > 1e-8 * self.levels.max(initial=0.0)]
        self.typical = np.median(used) if len(used) else 1.0

    def apply(self, R, c):
        return self._apply(R / self.root, c) / self.root

    def _apply(self, R, c):
        if len(self.basis) == 1:
            Q = self.basis[0]
            return Q @ ((Q.T @ R) / (self.levels[0][:, None] + c))
        if self.quadratic.one_task_per_block:
            inner = np.matmul(self.turned, R.T[:, :, None])
            inner /= (self.levels + c)[:, :, None]
            return np.matmul(self.basis, inner)[:, :, 0].T
        out = np.empty_like(R)
        for Q, levels, tasks in zip(self.basis, self.levels, self.quadratic.tasks, strict=True):
            out[:, tasks] = Q @ ((Q.T @ R[:, tasks]) / (levels[:, None] + c))
        return out

    def mean_inverse(self, c):
        """The mean over tasks of (G_t + c I)^-1; without scales."""
        counts = np.array([len(tasks) for tasks in self.quadratic.tasks], dtype=float)
        shares = counts / counts.sum()
        scaled = self.basis * (shares[:, None] / (self.levels + c))[:, None, :]
        return np.tensordot(scaled, self.basis, axes=((0, 2), (0, 2)))


class KernelResolvent:
    """(X'X / n + c I)^-1 R = (R - X' (X X' + n c I)^-1 X R) / c, by eigenvectors of X X'."""

    scale = 1.0

    def __init__(self, quadratic):
        self.quadratic = quadratic
        self.parts = [np.linalg.eigh(design.kernel()) for design in quadratic.designs]
        levels = np.concatenate([levels for levels, _ in self.parts]) / quadratic.n_bar
        used = levels[levels > 1e-8 * levels.max(initial=0.0)]
        self.typical = np.median(used) if len(used) else 1.0

    def apply(self, R, c):
        out, n_bar = np.empty_like(R), self.quadratic.n_bar
        for design, (levels, U) in zip(self.quadratic.designs, self.parts, strict=True):
            own = R[:, design.tasks]
            inner = U @ (
                (U.T @ design.matmul(own)) / (np.maximum(levels, 0.0) + n_bar * c)[:, None]
            )
            out[:, design.tasks] = (own - design.rmatmul(inner)) / c
        return out

    def mean_inverse(self, c):
        """The mean over tasks of (G_t + c I)^-1."""
        n_features, n_bar = len(self.quadratic.cross), self.quadratic.n_bar
        total = np.zeros((n_features, n_features))
        for design, (levels, U) in zip(self.quadratic.designs, self.parts, strict=True):
            X = design.dense_columns(np.arange(n_features))
            scaled = (U.T @ X) / np.sqrt(np.maximum(levels, 0.0) + n_bar * c)[:, None]
            total += len(design.tasks) * (np.eye(n_features) - scaled.T @ scaled) / c
        return total / self.quadratic.n_tasks


class ConjugateGradients:
    """For many rows and many features; starts at the solution before."""

    scale = 1.0

    def __init__(self, quadratic):
        self.quadratic = quadratic
        self.diagonal = quadratic.diagonal()[:, None]
        self.typical = float(np.mean(self.diagonal)) or 1.0
        self.before = np.zeros_like(quadratic.cross)

    def apply(self, R, c):
        W = self.before
        residual = R - self.quadratic.product(W) - c * W
        scale = self.diagonal + c
        direction = step = residual / scale
        size = np.sum(residual * step, axis=0)
        goal = np.sum(R * (R / scale), axis=0) * CG_ACCURACY**2
        goal = np.maximum(goal, size * CG_PROGRESS**2)
        for _ in range(MOST_STEPS):
            if (size <= goal).all():
                break
            product = self.quadratic.product(direction) + c * direction
            length = _ratio(size, np.sum(direction * product, axis=0))
            W, residual = W + length * direction, residual - length * product
            step = residual / scale
            size, before = np.sum(residual * step, axis=0), size
            direction = step + _ratio(size, before) * direction
        self.before = W
        return W

    def mean_inverse(self, c):
        """The mean over tasks of (G_t + c I)^-1."""
        raise ValueError(
            "differences between tasks (Fusion) are not penalised here for this many rows and "
            f"features ({len(self.diagonal)}): reduce the features first."
        )


def summed_gram(quadratic, tasks):
    """The sum over some tasks of G_t as a dense matrix."""
    if isinstance(quadratic, Gram):
        counts = np.array([np.isin(own, tasks).sum() for own in quadratic.tasks], dtype=float)
        return np.tensordot(counts, quadratic.gram, axes=1)
    if isinstance(quadratic, MaskedRows):
        parts = quadratic.row_parts(np.arange(len(quadratic.cross)))
        return sum(X.T @ X for X, _, own in parts if own[0] in tasks) / quadratic.n_bar
    if not hasattr(quadratic, "designs"):
        raise ValueError(
            "coefficients that are free to be the same in all tasks are for tasks with one column "
            "of coefficients each, but these have more labels: add a penalty, such as "
            "SquaredL2(1e-3)."
        )
    total = 0.0
    for design in quadratic.designs:
        count = np.isin(design.tasks, tasks).sum()
        if count:
            gram = design.gram()
            total = total + count * (gram.toarray() if sparse.issparse(gram) else gram)
    return total / quadratic.n_bar


def _ratio(a, b):
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)
