"""Coefficients W = A B of few factors: exact half-steps for A, and their alternation.

A (n_features, n_factors) holds what the tasks share, B (n_factors, n_tasks) what each takes of it.
The smooth part is a quadratic of `skmtl.quadratic`: Gram matrices, or the rows of X.
"""

from typing import NamedTuple

import numpy as np
from scipy import linalg
from scipy.sparse.linalg import LinearOperator, cg

from skmtl.quadratic import Gram, MaskedRows

SMALL, LARGEST_DIRECT = 700, 3000  # unknowns of the system for A that is factorised
CG_PASSES = 10_000  # operations per entry of the Gram matrices that conjugate gradients take
CG_TOL = 1e-12
START_STEPS = 50  # of conjugate gradients; a start need not be exact
MEMORY = 5  # of the extrapolation
TINY = np.finfo(float).tiny
EPS = np.finfo(float).eps
ROUNDING = 64 * EPS
NEARLY_SINGULAR = 1e-11  # with less of its square left by the others, a column is not for Cholesky
PATIENCE = 10  # rounds without progress after which only rounding moves the factors


class Factors(NamedTuple):
    """A fit W = A B, its objective after every round, and whether the rounds came to rest."""

    A: np.ndarray
    B: np.ndarray
    path: list
    move: float
    converged: bool


def block_of_task(quadratic):
    """Which Gram matrix each task has, (n_tasks,)."""
    if not isinstance(quadratic, Gram):
        blocks = [design.tasks for design in getattr(quadratic, "designs", [])]
    else:
        blocks = quadratic.tasks
    block = np.arange(quadratic.n_tasks)
    for number, tasks in enumerate(blocks):
        block[tasks] = number
    return block


def projected(quadratic, A):
    """A' G_t A of every task, (n_tasks, k, k), and A' c_t, (n_tasks, k)."""
    cross = quadratic.cross.T @ A
    if isinstance(quadratic, Gram):
        grams = np.matmul(A.T, np.matmul(quadratic.gram, A))
    elif isinstance(quadratic, MaskedRows):
        return _masked_grams(quadratic, A), cross
    else:
        fitted = (design.matmul(A) for design in quadratic.designs)
        grams = np.stack([Z.T @ Z for Z in fitted]) / quadratic.n_bar
    return grams[block_of_task(quadratic)], cross


def _masked_grams(quadratic, A):
    """sum_i v_ti z_ti z_ti' / n_bar with z_ti the projected rows around the mean of task t."""
    Z = quadratic.X @ A
    k = A.shape[1]
    pairs = (Z[:, :, None] * Z[:, None, :]).reshape(len(Z), k * k)
    squares = (quadratic.weights.T @ pairs).reshape(-1, k, k)
    mean = quadratic.x_mean.T @ A
    sums = quadratic.weights.T @ Z
    size = quadratic.weights.sum(axis=0)[:, None, None]
    mixed = mean[:, :, None] * sums[:, None, :]
    squares -= mixed + mixed.swapaxes(1, 2) - size * mean[:, :, None] * mean[:, None, :]
    return squares / quadratic.n_bar


def smooth_value(quadratic, W):
    """The quadratic at W: half the weighted squared errors over n_bar."""
    value = np.sum(W * (0.5 * quadratic.product(W) - quadratic.cross)) + quadratic.energy
    return max(float(value), 0.0)  # it is a sum of squares


def solve_stack(matrices, right):
    """Least-norm solutions of a stack of small positive semidefinite systems, (n, k)."""
    try:
        pivots = np.einsum("tkk->tk", np.linalg.cholesky(matrices)) ** 2
        if (pivots > NEARLY_SINGULAR * np.einsum("tkk->tk", matrices)).all():
            return np.linalg.solve(matrices, right[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:
        pass
    values, vectors = np.linalg.eigh(matrices)
    floor = matrices.shape[1] * EPS * values[:, -1:]
    inverse = np.where(values > np.maximum(floor, TINY), 1.0 / np.maximum(values, TINY), 0.0)
    turned = np.einsum("tki,tk->ti", vectors, right)
    return np.einsum("tki,ti->tk", vectors, inverse * turned)


class LeftStep:
    """argmin over A of sum_t q_t(A b_t) + tr(A M A') / 2, q_t the quadratic of task t.

    One linear system in n_features x n_factors unknowns: factorised while small, otherwise by
    conjugate gradients from the previous A. Their preconditioner puts one mean Gram matrix in
    place of those of the tasks, and so is exact if all tasks have the same rows.
    """

    def __init__(self, quadratic):
        self.quadratic = quadratic
        self.shape = quadratic.cross.shape
        self.has_gram = isinstance(quadratic, Gram)
        if self.has_gram:
            traces = np.einsum("bjj->b", quadratic.gram)
            self.mean_gram = quadratic.gram.sum(axis=0) / max(np.sum(traces > 0), 1)
            self.basis = None

    def solve(self, A, B, M):
        """The best A for B (k, n_tasks) and M (k, k)."""
        right = self.quadratic.cross @ B.T
        if self.has_gram and self._direct_pays(A.size):
            return self._direct(B, M, right)
        return self._conjugate_gradients(A, B, M, right)

    def _direct_pays(self, size):
        gram = self.quadratic.gram
        if size <= SMALL or size > LARGEST_DIRECT or len(gram) == 1:
            return size <= min(SMALL, LARGEST_DIRECT)
        return size**3 <= CG_PASSES * gram.size

    def _direct(self, B, M, right):
        p, k = right.shape
        gram = self.quadratic.gram
        moments = B.T[:, :, None] * B.T[:, None, :]
        if len(gram) == 1:
            moments = (B @ B.T)[None]
        elif not self.quadratic.one_task_per_block:
            moments = np.stack([B[:, tasks] @ B[:, tasks].T for tasks in self.quadratic.tasks])
        system = moments.reshape(len(gram), -1).T @ gram.reshape(len(gram), -1)
        system = system.reshape(k, k, p, p).swapaxes(1, 2).reshape(k * p, k * p)
        for i in range(k):
            for j in range(k):
                system[i * p : (i + 1) * p, j * p : (j + 1) * p].flat[:: p + 1] += M[i, j]
        return solve_positive(system, right.T.ravel()).reshape(k, p).T

    def _conjugate_gradients(self, A, B, M, right):
        shape = right.shape

        def apply(a):
            a = a.reshape(shape)
            return (self.quadratic.product(a @ B) @ B.T + a @ M).ravel()

        size = right.size
        operator = LinearOperator((size, size), matvec=apply, dtype=np.float64)
        inverse = LinearOperator(
            (size, size), matvec=self._preconditioner(B, M, shape), dtype=np.float64
        )
        solved, _ = cg(
            operator, right.ravel(), x0=A.ravel(), rtol=CG_TOL, maxiter=4 * START_STEPS, M=inverse
        )
        return solved.reshape(shape)

    def _preconditioner(self, B, M, shape):
        """(mean G x B B' + M)^-1; the diagonal of G where there are only rows."""
        weights, turn = np.linalg.eigh(B @ B.T)
        ridge = np.maximum(np.diag(turn.T @ M @ turn), 0.0)
        if self.has_gram:
            if self.basis is None:
                self.values, self.basis = np.linalg.eigh(self.mean_gram)
            values, basis = self.values, self.basis
        else:
            values, basis = self.quadratic.diagonal(), None
        divisor = np.maximum(values, 0.0)[:, None] * np.maximum(weights, 0.0) + ridge
        divisor = np.maximum(divisor, EPS * max(divisor.max(), TINY))

        def apply(r):
            r = r.reshape(shape) @ turn
            r = r if basis is None else basis.T @ r
            r = r / divisor
            r = r if basis is None else basis @ r
            return (r @ turn.T).ravel()

        return apply


def solve_positive(matrix, right):
    """Solve a positive semidefinite system; the least-norm solution where it is singular."""
    try:
        factor = linalg.cho_factor(matrix, lower=True)
        if (np.diag(factor[0]) ** 2 > NEARLY_SINGULAR * np.diag(matrix)).all():
            return linalg.cho_solve(factor, right)
    except linalg.LinAlgError:
        pass
    values, vectors = np.linalg.eigh(matrix)
    kept = values > len(values) * EPS * max(values[-1], TINY)
    return vectors[:, kept] @ ((vectors[:, kept].T @ right) / values[kept])


def ridge_start(quadratic, ridge, offset=None):
    """Ridge of every task around an offset (n_features, n_tasks or 1), by conjugate gradients.

    One step serves all tasks at once, each with its own step sizes.
    """
    right = quadratic.cross
    if offset is not None:
        right = right - quadratic.product(np.broadcast_to(offset, right.shape))
    W, R = np.zeros_like(right), right.copy()
    D = R.copy()
    squared = np.sum(R**2, axis=0)
    target = 1e-20 * squared
    for _ in range(START_STEPS):
        if (squared <= target).all():
            break
        product = quadratic.product(D) + ridge * D
        curvature = np.sum(D * product, axis=0)
        step = np.divide(squared, curvature, out=np.zeros_like(squared), where=curvature > 0)
        W += step * D
        R -= step * product
        before, squared = squared, np.sum(R**2, axis=0)
        turn = np.divide(squared, before, out=np.zeros_like(squared), where=before > 0)
        D = R + turn * D
    return W


def principal(W, n_factors):
    """Left singular vectors (n_features, r) of W with fixed signs, and their singular values.

    Not more than n_factors and only those above rounding.
    """
    left, values, _ = np.linalg.svd(W, full_matrices=False)
    kept = min(n_factors, int(np.sum(values > ROUNDING * max(values.max(initial=0.0), TINY))))
    left, values = left[:, :kept], values[:kept]
    return left * signs(left), values


def signs(columns):
    """The signs that make the largest entry of every column positive."""
    if not columns.size:
        return np.ones(columns.shape[1])
    largest = np.argmax(np.abs(columns), axis=0)
    return np.where(columns[largest, np.arange(columns.shape[1])] < 0, -1.0, 1.0)


def alternate(model, A, *, tol, max_iter):
    """Lower an objective over A and B in turn until a round leaves A where it is.

    Between the rounds A is extrapolated (Anderson 1965, *Iterative procedures for nonlinear
    integral equations*, J. ACM 12), and that is kept only where the objective is no higher: it
    never rises.

    Parameters
    ----------
    model : object
        ``right(A, B)`` gives a B that is as good as B or better, ``left(A, B)`` such A and B,
        and ``value(A, B)`` the objective.
    A : ndarray of shape (n_features, n_factors)
        Start.

    Returns
    -------
    Factors
    """
    B = model.right(A, None)
    path = [model.value(A, B)]
    rounding = ROUNDING * max(path[0], model.quadratic.energy, TINY)
    memory = _Extrapolation()
    best_move, waited, move = np.inf, 0, 0.0
    for _ in range(max_iter):
        new_A, new_B = model.left(A, B)
        norm = np.linalg.norm(new_A)
        move = np.linalg.norm(new_A - A) / norm if norm > 0 else 0.0
        waited = 0 if move < 0.9 * best_move else waited + 1
        best_move = min(best_move, move)
        trial = memory.next(A, new_A) if move > tol else None
        value = None
        if trial is not None:
            trial_B = model.right(trial, new_B)
            value = model.value(trial, trial_B)
            if value > model.value(new_A, new_B) + rounding:
                memory, value = _Extrapolation(), None
            else:
                A, B = trial, trial_B
        if value is None:
            A, B = new_A, model.right(new_A, new_B)
            value = model.value(A, B)
        resting = path[-1] - value <= rounding and waited >= PATIENCE
        # A rise by what the squares of the targets are rounded by is none.
        path.append(min(value, path[-1]) if value <= path[-1] + rounding else value)
        if move <= tol or resting:
            return Factors(A, B, path, move, True)
    return Factors(A, B, path, move, False)


def goes_on(best, model, *, tol, max_iter):
    """The Factors of the best start, with the rounds that its search had not."""
    done = len(best.path) - 1
    if best.converged or done >= max_iter:
        return best
    rest = alternate(model, best.A, tol=tol, max_iter=max_iter - done)
    return rest._replace(path=best.path + rest.path[1:])


class _Extrapolation:
    """The combination of the last images of a map whose residuals cancel best."""

    def __init__(self):
        self.images, self.residuals = [], []

    def next(self, point, image):
        self.images.append(image.ravel())
        self.residuals.append((image - point).ravel())
        if len(self.images) > MEMORY + 1:
            del self.images[0], self.residuals[0]
        if len(self.images) < 2:
            return None
        differences = np.diff(self.residuals, axis=0)
        weights = np.linalg.lstsq(differences.T, self.residuals[-1], rcond=1e-10)[0]
        moved = self.images[-1] - weights @ np.diff(self.images, axis=0)
        return moved.reshape(image.shape)
