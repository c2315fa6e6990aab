"""The forms in which Newton on the row weights sees a problem (see `row_weights`).

`GramForm` factorises a matrix of the side of the support, `KernelForm` one of the side of the
number of rows; for tasks with rows of their own `StackForm` and `KernelsForm` do so for every task.
"""

from typing import NamedTuple

import numpy as np
from scipy import linalg

from skmtl.design import in_single_precision

EXPLICIT = 10  # form the Hessian where it costs less than so many products with it
NEGLIGIBLE = 1e-4  # d_j ||x_j||^2 below which I - (I + A)^-1 would cancel
SMALL_SIDE = 32  # up to here one call for a stack is faster than one per matrix
TINY = np.finfo(float).tiny


class State(NamedTuple):
    """What is known at the weights d."""

    d: np.ndarray
    support: np.ndarray
    factor: object  # Cholesky factor, inverses (StackForm) or states (KernelsForm)
    value: float  # f(d)
    fitted: float  # <X'Y, W>
    solved: np.ndarray  # W on the support (GramForm) or R (KernelForm)


class GramForm:
    """Through X'X, X'Y and ||Y||^2 / 2.

    Parameters
    ----------
    gram : ndarray of shape (n_features, n_features)
    cross : ndarray of shape (n_features, n_tasks)
    energy : float
    ridge : ndarray of shape (n_features,)
    """

    def __init__(self, gram, cross, energy, ridge):
        self.gram = gram + np.diag(ridge) if ridge.any() else gram
        self.cross, self.energy = cross, energy
        self.diagonal = np.einsum("jj->j", self.gram)

    def evaluate(self, d, lam):
        support = np.flatnonzero(d)
        if not len(support):
            nothing = np.zeros((0, self.cross.shape[1]))
            return State(d, support, np.zeros((0, 0)), self.energy, 0.0, nothing)
        root = np.sqrt(d[support])[:, None]
        matrix = self.gram[support[:, None], support]
        matrix *= root
        matrix *= root.T
        matrix.flat[:: len(support) + 1] += 1.0
        factor = linalg.cholesky(matrix, lower=True, overwrite_a=True, check_finite=False)
        cross = self.cross[support]
        W = root * linalg.cho_solve((factor, True), root * cross, check_finite=False)
        fitted = np.vdot(cross, W)
        value = self.energy + 0.5 * ((lam * lam) @ d - fitted)
        return State(d, support, factor, value, fitted, W)

    def correlations(self, state, *, rough):
        """Z = X'R - ridge W."""
        return self.cross - self.gram[:, state.support] @ state.solved

    def hessian(self, state, free, units, *, rough):
        """Product with (X'K^-1 X) o (U U') on the features `free`, its diagonal, their scale."""
        H = self._projected(state, free)
        H *= units @ units.T
        return H.__matmul__, np.einsum("jj->j", H).copy(), np.ones(len(free))

    def _projected(self, state, free):
        """X'K^-1 X on `free`: D^-1/2 (I - (I + A)^-1) D^-1/2 on the support, which does not cancel.

        A = D^1/2 X'X D^1/2. The rest goes through triangular solves with few right-hand sides.
        """
        d, support, factor = state.d, state.support, state.factor
        large = d[free] * self.diagonal[free] > NEGLIGIBLE
        small, large = np.flatnonzero(~large), np.flatnonzero(large)
        out = np.empty((len(free), len(free)))
        root = np.sqrt(d[free[large]])
        where = np.searchsorted(support, free[large])
        if len(large):
            inverse = linalg.lapack.dpotri(factor, lower=1)[0]
            inverse = np.tril(inverse) + np.tril(inverse, -1).T
            if len(large) < len(support):
                inverse = inverse[where[:, None], where]
            inverse /= -root[:, None]
            inverse /= root
            inverse.flat[:: len(root) + 1] += 1.0 / root**2
            out[large[:, None], large] = inverse
        if len(small):
            columns = free[small]
            rest = self.gram[columns[:, None], columns]
            if len(support):
                cross = self.gram[support[:, None], columns] * np.sqrt(d[support])[:, None]
                half = linalg.solve_triangular(factor, cross, lower=True, check_finite=False)
                rest -= half.T @ half
            out[small[:, None], small] = rest
            if len(large):
                back = linalg.solve_triangular(
                    factor, half, lower=True, trans=1, check_finite=False
                )
                mixed = back[where] / root[:, None]
                out[large[:, None], small] = mixed
                out[small[:, None], large] = mixed.T
        return out


class KernelForm:
    """Through the rows of X, for more features than rows.

    Directions are found in single precision (with scaled columns of X), and so are
    the correlations while the gap is large; what is accepted, and the gap, in double precision.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
    Y : ndarray of shape (n_rows, n_tasks)
    ridge : ndarray of shape (n_features,)
    single : tuple
        X with scaled columns in single precision, and the scale (n_features,).
    """

    def __init__(self, X, Y, ridge, single):
        self.X, self.Y, self.ridge = X, Y, ridge
        self.energy = 0.5 * np.vdot(Y, Y)
        self.rough_X, self.scale = single

    def evaluate(self, d, lam):
        support = np.flatnonzero(d)
        part = self.X[:, support] * np.sqrt(d[support] / (1.0 + self.ridge[support] * d[support]))
        K = part @ part.T
        K.flat[:: len(K) + 1] += 1.0
        factor = linalg.cholesky(K, lower=True, overwrite_a=True, check_finite=False)
        R = linalg.cho_solve((factor, True), self.Y, check_finite=False)
        linear = np.vdot(self.Y, R)
        value = 0.5 * (linear + (lam * lam) @ d)
        return State(d, support, factor, value, 2.0 * self.energy - linear, R)

    def correlations(self, state, *, rough):
        """Z = X'R - ridge W."""
        R = state.solved
        if rough:
            size = np.abs(R).max(initial=0.0) + TINY
            Z = (self.rough_X.T @ (R / size).astype(np.float32)) * (size * self.scale)[:, None]
        else:
            Z = (R.T @ self.X).T if self.X.flags.c_contiguous else self.X.T @ R
        if self.ridge.any():
            Z /= (1.0 + self.ridge * state.d)[:, None]
        return Z

    def hessian(self, state, free, units, *, rough):
        """Product with (X'K^-1 X) o (U U') on the features `free`, its diagonal, their scale."""
        factor, X, scale = state.factor, self.rough_X[:, free], self.scale[free]
        if rough:
            factor, units = factor.astype(np.float32), units.astype(np.float32)
        else:
            X = self.X[:, free] / scale
        M = linalg.solve_triangular(factor, X, lower=True, overwrite_b=True, check_finite=False)
        extra = np.zeros(len(free), dtype=M.dtype)
        if self.ridge.any():
            ridge = self.ridge[free]
            shrink = 1.0 / (1.0 + ridge * state.d[free])
            M *= shrink.astype(M.dtype)
            extra = (ridge * shrink / scale**2).astype(M.dtype) * np.einsum(
                "ij,ij->i", units, units
            )
        n_rows, n_tasks = len(M), units.shape[1]
        if len(free) * (n_rows + n_tasks) < 4 * EXPLICIT * n_rows * n_tasks:
            H = M.T @ M
            H *= units @ units.T
            H.flat[:: len(H) + 1] += extra
            return H.__matmul__, np.einsum("jj->j", H).copy(), scale

        def product(v):
            image = M.T @ (M @ (v[:, None] * units))
            return np.einsum("ij,ij->i", image, units) + extra * v

        squares = np.einsum("ij,ij->j", M, M) * np.einsum("ij,ij->i", units, units)
        return product, squares + extra, scale


class KernelsForm:
    """A `KernelForm` per block, for tasks with rows of their own and more features than those.

    Parameters
    ----------
    parts : list of (X, Y, tasks)
        One per block.
    ridge : ndarray of shape (n_features,)
    """

    def __init__(self, parts, ridge):
        norms = np.max([np.sqrt(np.einsum("ij,ij->j", X, X)) for X, _, _ in parts], axis=0)
        scale = np.where(norms > 0, norms, 1.0)
        self.tasks = [tasks for _, _, tasks in parts]
        self.forms = [KernelForm(X, Y, ridge, in_single_precision(X, scale)) for X, Y, _ in parts]
        self.energy = sum(form.energy for form in self.forms)
        self.shape = (len(ridge), sum(len(tasks) for tasks in self.tasks))

    def evaluate(self, d, lam):
        states = [form.evaluate(d, lam) for form in self.forms]
        value = sum(state.value for state in states)
        value -= 0.5 * (len(states) - 1) * (lam * lam) @ d  # every one of them counted it
        fitted = sum(state.fitted for state in states)
        return State(d, np.flatnonzero(d), states, value, fitted, None)

    def correlations(self, state, *, rough):
        """Z = X'R - ridge W."""
        Z = np.empty(self.shape)
        for form, tasks, part in zip(self.forms, self.tasks, state.factor, strict=True):
            Z[:, tasks] = form.correlations(part, rough=rough)
        return Z

    def hessian(self, state, free, units, *, rough):
        """Product with the sum of the blocks' Hessians on `free`, its diagonal, their scale."""
        products, diagonal = [], 0.0
        for form, tasks, part in zip(self.forms, self.tasks, state.factor, strict=True):
            product, squares, scale = form.hessian(part, free, units[:, tasks], rough=rough)
            products.append(product)
            diagonal = diagonal + squares
        return lambda v: sum(product(v) for product in products), diagonal, scale


class StackForm:
    """Through one Gram matrix per task, for tasks with rows of their own.

    Parameters
    ----------
    gram : ndarray of shape (n_tasks, n_features, n_features)
    quadratic : Gram
        For products, X_t'Y_t and ||Y||^2 / 2.
    ridge : ndarray of shape (n_features,)
    """

    def __init__(self, gram, quadratic, ridge):
        self.gram, self.quadratic, self.ridge = gram, quadratic, ridge
        self.cross, self.energy = quadratic.cross, quadratic.energy
        self.diagonal = quadratic.diagonal() + ridge

    def evaluate(self, d, lam):
        support = np.flatnonzero(d)
        root = np.sqrt(d[support])
        matrices = self._part(support, support)
        matrices *= root[:, None] * root
        index = np.arange(len(support))
        matrices[:, index, index] += 1.0 + self.ridge[support] * d[support]
        inverses = _inverses(matrices)
        scaled = self.cross[support] * root[:, None]
        W = np.matmul(inverses, scaled.T[:, :, None])[:, :, 0].T * root[:, None]
        fitted = np.vdot(self.cross[support], W)
        value = self.energy + 0.5 * ((lam * lam) @ d - fitted)
        return State(d, support, inverses, value, fitted, W)

    def _part(self, rows, columns):
        if len(rows) == len(columns) == len(self.cross):
            return self.gram.copy()
        return self.gram[:, rows[:, None], columns]

    def correlations(self, state, *, rough):
        """z_t = c_t - (G_t + ridge) w_t for every task."""
        W = np.zeros_like(self.cross)
        W[state.support] = state.solved
        return self.cross - self.quadratic.product(W) - self.ridge[:, None] * W

    def hessian(self, state, free, units, *, rough):
        """Product with sum_t (X_t'K_t^-1 X_t) o (u_t u_t') on `free`, its diagonal, their scale."""
        d, support, inverses = state.d, state.support, state.factor
        large = d[free] * self.diagonal[free] > NEGLIGIBLE
        small, large = np.flatnonzero(~large), np.flatnonzero(large)
        H = np.empty((len(free), len(free)))
        where = np.searchsorted(support, free[large])
        root = np.sqrt(d[free[large]])[:, None]
        if len(large):
            part = inverses
            if len(large) < len(support):
                part = inverses[:, where[:, None], where]
            block = -_sum_of_products(part, units[large], units[large])
            block.flat[:: len(block) + 1] += 1.0
            H[large[:, None], large] = block / root / root.T
        if len(small):
            columns = free[small]
            rest = self._part(columns, columns)
            if len(support):
                cross = self._part(support, columns) * np.sqrt(d[support])[:, None]
                back = np.matmul(inverses, cross)
                rest -= np.matmul(cross.transpose(0, 2, 1), back)
            block = _sum_of_products(rest, units[small], units[small])
            block.flat[:: len(block) + 1] += self.ridge[columns]
            H[small[:, None], small] = block
            if len(large):
                mixed = _sum_of_products(back[:, where], units[large], units[small]) / root
                H[large[:, None], small] = mixed
                H[small[:, None], large] = mixed.T
        return H.__matmul__, np.einsum("jj->j", H).copy(), np.ones(len(free))


def _inverses(matrices):
    """Inverses of a stack of positive definite matrices, which it overwrites."""
    if matrices.shape[1] <= SMALL_SIDE:
        return np.linalg.inv(matrices)
    for matrix in matrices:
        factor, failed = linalg.lapack.dpotrf(matrix.T, lower=1, overwrite_a=1)
        if failed:
            raise linalg.LinAlgError
        lower = np.tril(linalg.lapack.dpotri(factor, lower=1, overwrite_c=1)[0])
        np.add(lower, np.tril(lower, -1).T, out=matrix)
    return matrices


def _sum_of_products(stack, left, right):
    """sum_t stack_t o (left_t right_t')."""
    left, right = np.ascontiguousarray(left.T), np.ascontiguousarray(right.T)
    return np.einsum("tjk,tj,tk->jk", stack, left, right)
