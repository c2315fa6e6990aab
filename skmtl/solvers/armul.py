"""Unsquared distances of tasks from centres (ARMUL), with the squared loss.

Minimises over centres z_t that are linear in few parameters, deviations d_t and intercepts

    sum_t 1/2 sum_i v_ti (y_ti - x_ti' (z_t + d_t) - b_t)^2 + ridge/2 ||z_t + d_t||^2
    + sum_t lam_t ||d_t||_2 + alpha_intercept/2 sum_t (b_t - c_t)^2.

The b_t are eliminated first: they leave one more row per task, its mean, with the weight
kappa_t = n_t a / (n_t + a). The d_t follow by a secular equation in the eigenbasis of each task.
What is left is convex and smooth in the centres: `armul_newton` minimises it.
"""

from functools import cached_property
from typing import NamedTuple

import numpy as np

from skmtl.design import ROUNDING, Design

EPS = np.finfo(np.float64).eps
LARGEST_BASES = 300_000_000  # entries of the eigenbases of all tasks
SECULAR_STEPS = 100


class TaskMoments(NamedTuple):
    """What a fit needs of the rows; B blocks of tasks that have the same rows and weights.

    ``weight`` (B,), ``x`` (B, p) and ``y`` (T,) are means, ``gram`` (B, p, p) and ``cross``
    (T, p) are sums about them. Where tasks have fewer rows than features, ``rows`` holds the
    weighted centred rows of every block instead of ``gram``. ``block`` (T,) says where a task
    is, ``present`` (B, p) which features it has. Tasks without weight are left out; ``counted``
    are the positions of the others.
    """

    weight: np.ndarray
    x: np.ndarray
    y: np.ndarray
    gram: np.ndarray | None
    rows: list | None
    cross: np.ndarray
    squares: np.ndarray
    block: np.ndarray
    present: np.ndarray
    counted: np.ndarray


def read_moments(data, fit_intercept):
    """TaskMoments of a TaskData."""
    groups = [(tasks, len(v)) for tasks, _, v in data.groups() if len(v)]
    p, most = data.n_features, max(size for _, size in groups)
    thin = most + 1 < p
    if len(groups) * p * min(most + 1, p) > LARGEST_BASES:
        raise ValueError(
            f"{p} features and {data.n_tasks} tasks are too many for one eigenbasis per task: "
            "reduce the features first, for example by keep_tasks(TruncatedSVD(100), "
            "task_column=...)."
        )
    free = np.zeros(p, dtype=bool)
    parts = []
    for block in data.blocks():
        if not len(block.weights):
            continue
        design = Design(block, fit_intercept=fit_intercept, free=free)
        matrix = design.dense_columns(np.arange(p)) if thin else design.gram()
        squares = np.einsum("ij,ij->j", design.Y, design.Y)
        parts.append((block, matrix, design.cross().T, squares, design.x_mean, design.y_mean))
    blocks, matrices, cross, squares, x, y = zip(*parts, strict=True)
    tasks = np.concatenate([block.tasks for block in blocks])
    order = np.argsort(tasks)
    number = np.repeat(np.arange(len(blocks)), [len(block.tasks) for block in blocks])
    return TaskMoments(
        weight=np.array([block.weights.sum() for block in blocks]),
        x=np.stack(x),
        y=np.concatenate(y)[order],
        gram=None if thin else np.stack(matrices),
        rows=list(matrices) if thin else None,
        cross=np.concatenate(cross)[order],
        squares=np.concatenate(squares)[order],
        block=number[order],
        present=np.stack([~block.absent for block in blocks]),
        counted=tasks[order],
    )


def moments_of_sums(sums, centred, absent=None):
    """TaskMoments of TaskSums and their CentredSums; absent (n_tasks, n_features) or None."""
    block = np.empty(sums.n_tasks, dtype=int)
    for number, tasks in enumerate(sums.tasks):
        block[tasks] = number
    first = [tasks[0] for tasks in sums.tasks]
    shape = len(sums.tasks), sums.n_features
    present = np.ones(shape, dtype=bool) if absent is None else ~absent[first]
    kept = np.flatnonzero(sums.weight > EPS * sums.weight.max())
    counted = np.flatnonzero(np.isin(block, kept))
    return TaskMoments(
        weight=sums.weight[kept],
        x=np.broadcast_to(centred.x_mean, centred.cross.shape).T[first][kept],
        y=centred.y_mean[counted],
        gram=centred.gram[kept],
        rows=None,
        cross=centred.cross.T[counted],
        squares=centred.squares[counted],
        block=np.searchsorted(kept, block[counted]),
        present=present[kept],
        counted=counted,
    )


class Distances(NamedTuple):
    """Every task at its best, given its centre: the state from which all else follows.

    ``values`` (T,) of the objective, ``slopes`` (T, m) in the eigenbasis, ``outside`` (T, p) the
    slopes beyond it or None, ``residual`` (T, m) and ``residual_outside`` minus the gradients in
    the slopes, ``pull`` (T,) minus those in c, ``nu`` = ||d|| / lam, 0 for a pooled task.
    """

    values: np.ndarray
    slopes: np.ndarray
    outside: np.ndarray | None
    c: np.ndarray
    residual: np.ndarray
    residual_outside: np.ndarray | None
    pull: np.ndarray
    nu: np.ndarray
    shrink: np.ndarray  # q = 1 / (1 + nu e), (T, m), and of the ridge beyond the basis
    shrink_outside: np.ndarray


class TaskQuadratics:
    """The losses of all tasks, with the intercepts eliminated, in one eigenbasis per block.

    Parameters
    ----------
    moments : TaskMoments
    alpha_intercept, ridge : float
    fit_intercept : bool
    """

    def __init__(self, moments, *, alpha_intercept, ridge, fit_intercept):
        self.ridge, self.block, self.present = ridge, moments.block, moments.present
        self.counted = moments.counted
        sizes = self.sizes = moments.weight[moments.block]
        self.n_tasks, self.n_features = moments.cross.shape
        self._set_origin(moments, fit_intercept)
        weight = moments.weight
        kappa = (
            weight * alpha_intercept / (weight + alpha_intercept) if fit_intercept else 0 * weight
        )
        self.kappa = kappa[self.block]
        self.share = alpha_intercept / (sizes + alpha_intercept)  # of c in an intercept
        self.has_intercept = fit_intercept and alpha_intercept > 0
        self.fit_intercept = fit_intercept
        self.y_origin = 0.0
        if fit_intercept:
            share = self.kappa if self.has_intercept else sizes
            self.y_origin = share @ moments.y / share.sum()
        self.y = moments.y - self.y_origin if fit_intercept else np.zeros(self.n_tasks)
        self.moments = moments
        self.energies = 0.5 * (moments.squares + self.kappa * self.y**2)
        self.energy = self.energies.sum()

    def _set_origin(self, moments, fit_intercept):
        """Intercepts are those at the mean of every feature over the tasks that have it."""
        self.x_origin = np.zeros(self.n_features)
        if fit_intercept:
            counts = np.bincount(moments.block, minlength=len(moments.weight))
            mass = (moments.weight * counts)[:, None] * moments.present
            total = mass.sum(axis=0)
            self.x_origin = np.sum(mass * moments.x, axis=0) / np.where(total > 0, total, 1.0)
        self.x = (moments.x - self.x_origin) * moments.present if fit_intercept else 0 * moments.x
        self.x[np.abs(self.x) <= ROUNDING * np.abs(moments.x)] = 0.0  # of a constant feature

    def target(self):
        return self.moments.cross + (self.kappa * self.y)[:, None] * self.x[self.block]

    @cached_property
    def h(self):
        return self.into_basis(self.target())

    @cached_property
    def k(self):
        return self.kappa[:, None] * self.into_basis(self.x[self.block])

    @property
    def basis(self):
        """Orthonormal rows (B, m, p) that span what the rows of a block see."""
        return self._eigen[0]

    @cached_property
    def values(self):
        """Eigenvalues (T, m), the ridge included."""
        return self._eigen[1][self.block]

    @cached_property
    def _eigen(self):
        moments = self.moments
        weight = np.bincount(moments.block, minlength=len(moments.weight))
        kappa = np.bincount(moments.block, self.kappa, minlength=len(weight)) / weight
        if moments.rows is None:
            gram = moments.gram + kappa[:, None, None] * self.x[:, :, None] * self.x[:, None, :]
            values, vectors = np.linalg.eigh(gram)
            basis = np.ascontiguousarray(vectors.swapaxes(1, 2))
        else:
            rank = 1 + max(len(rows) for rows in moments.rows)
            values = np.zeros((len(kappa), rank))
            basis = np.zeros((len(kappa), rank, self.n_features))
            for b, rows in enumerate(moments.rows):
                rows = np.vstack([rows, np.sqrt(kappa[b]) * self.x[b]])
                _, singular, right = np.linalg.svd(rows, full_matrices=False)
                values[b, : len(singular)], basis[b, : len(singular)] = singular**2, right
        noise = values <= self.n_features * EPS * values.max(axis=1, keepdims=True)
        values[noise], basis[noise] = 0.0, 0.0
        return basis, np.where(noise, 0.0, values + self.ridge)

    # --- vectors in and out of the bases ------------------------------------------------------

    def into_basis(self, vectors):
        """Coordinates (T, m) of vectors (T, p) in the bases of their tasks."""
        if len(self.basis) == 1:
            return vectors @ self.basis[0].T
        return np.matmul(self._bases(), vectors[:, :, None])[:, :, 0]

    def out_of_basis(self, coordinates):
        if len(self.basis) == 1:
            return coordinates @ self.basis[0]
        return np.matmul(coordinates[:, None, :], self._bases())[:, 0, :]

    def _bases(self):
        return self.basis if len(self.basis) == self.n_tasks else self.basis[self.block]

    def beyond_basis(self, vectors, inside):
        """The part of vectors that only the ridge sees, or None without a ridge."""
        if self.ridge == 0:
            return None
        return vectors * self.present[self.block] - self.out_of_basis(inside)

    def select(self, tasks):
        """The same for some tasks (an index array)."""
        part = object.__new__(TaskQuadratics)
        part.__dict__.update(self.__dict__)
        for name in ("sizes", "kappa", "share", "y", "h", "k", "energies", "values", "counted"):
            setattr(part, name, getattr(self, name)[tasks])
        part.__dict__.pop("least_energy", None)
        part.n_tasks, part.energy = len(part.y), part.energies.sum()
        kept, part.block = np.unique(self.block[tasks], return_inverse=True)
        part.present, part.x = self.present[kept], self.x[kept]
        part._eigen = self.basis[kept], None
        return part

    # --- each task given its centre -----------------------------------------------------------

    def distances(self, z, c, lam, nu=None):
        """Minimise over the deviations from centres z (T, p) and c (T,).

        `nu` is a start. With r = minus the gradient at d = 0, a task is pooled if ||r|| <= lam,
        and otherwise d = nu r / (1 + nu G) where || r / (1 + nu G) || = lam.
        """
        inside = self.into_basis(z)
        residual = self.h - self.values * inside - self.k * c[:, None]
        outside = self.beyond_basis(z, inside)
        beyond = np.zeros(len(c)) if outside is None else self.ridge * row_norms(outside)
        nu = solve_secular(self.values, residual, self.ridge, beyond, lam, nu)
        finite = np.isfinite(nu)
        steps = np.where(finite, nu, 0.0)
        q = np.where(finite[:, None], 1.0 / (1.0 + steps[:, None] * self.values), 0.0)
        q_outside = np.where(finite, 1.0 / (1.0 + steps * self.ridge), 0.0)
        deviation = self.inverse(nu, q) * residual
        slopes = inside + deviation
        value = 0.5 * np.sum(self.values * slopes**2, axis=1)
        value -= np.sum((self.h - self.k * c[:, None]) * slopes, axis=1)
        value += self.kappa * c * (0.5 * c - self.y) + self.energies
        residual = q * residual
        beyond_residual = None
        if outside is not None:
            beyond_residual = -self.ridge * q_outside[:, None] * outside
            outside = outside * q_outside[:, None]  # z + d = z (1 - nu ridge q)
            value += 0.5 * self.ridge * np.sum(outside**2, axis=1)
        value += lam**2 * steps  # ||d|| = lam nu
        pull = self.kappa * (self.y - c) - np.sum(self.k * slopes, axis=1)
        return Distances(
            value, slopes, outside, c, residual, beyond_residual, pull, nu, q, q_outside
        )

    def inverse(self, nu, q):
        """nu / (1 + nu e): the inverse of G + I / nu; the (pseudo-)inverse of G for nu = inf."""
        finite = np.isfinite(nu)
        exact = np.divide(1.0, self.values, out=np.zeros_like(q), where=self.values > 0)
        return np.where(finite[:, None], np.where(finite, nu, 0.0)[:, None] * q, exact)

    def least_squares(self, residual, pull):
        """H_t^+ (residual, pull): slopes in the basis (T, m) and c (T,) of every task."""
        exact = np.divide(1.0, self.values, out=np.zeros_like(self.values), where=self.values > 0)
        left = self.kappa - np.sum(exact * self.k**2, axis=1)
        own = pull - np.sum(exact * self.k * residual, axis=1)
        seen = left > 1e-12 * self.kappa
        c = np.divide(own, left, out=np.zeros_like(own), where=seen)
        return exact * (residual - self.k * c[:, None]), c

    @cached_property
    def least_energy(self):
        """The loss that is left with a model for every task by itself."""
        slopes, c = self.least_squares(self.h, self.kappa * self.y)
        return self.energy - 0.5 * (np.sum(self.h * slopes) + (self.kappa * self.y) @ c)

    def full(self, inside, outside):
        """Vectors (T, p) from their parts."""
        vectors = self.out_of_basis(inside)
        return vectors if outside is None else vectors + outside

    def models(self, state, z):
        """Slopes (p, T) and intercepts (T,) of all tasks in the features' own origin."""
        slopes = self.full(state.slopes, state.outside)
        # What no row speaks of is that of the centre, and exactly so for pooled tasks.
        inside = self.into_basis(z)
        slopes += z - self.full(inside, self.beyond_basis(z, inside))
        slopes[state.nu == 0] = z[state.nu == 0]
        return self.with_intercepts(slopes * self.present[self.block], state.c)

    def with_intercepts(self, slopes, c):
        if not self.fit_intercept:
            return slopes.T, np.zeros(self.n_tasks)
        intercept = self.y - np.sum(self.x[self.block] * slopes, axis=1)
        intercept += self.share * (c - intercept)
        return slopes.T, intercept + self.y_origin - slopes @ self.x_origin


def solve_secular(values, residual, ridge, beyond, lam, start=None):
    """nu (T,) with || r / (1 + nu e) || = lam; 0 where ||r|| <= lam, inf where lam = 0.

    1 / || r / (1 + nu e) || is concave and increasing in nu: Newton steps for it reach the root
    from anywhere, from below without overshooting.
    """
    squares = residual**2
    norm = np.sqrt(squares.sum(axis=1) + beyond**2)
    nu = np.where((lam == 0) & (norm > 0), np.inf, 0.0)
    far = np.flatnonzero((norm > lam * (1.0 + 4 * EPS)) & (lam > 0))
    if not len(far):
        return nu
    squares, e, lam = squares[far], values[far], lam[far]
    if ridge > 0:
        squares = np.hstack([squares, beyond[far, None] ** 2])
        e = np.hstack([e, np.full((len(far), 1), ridge)])
    root = np.zeros(len(far)) if start is None else np.where(np.isfinite(start), start, 0.0)[far]
    for _ in range(SECULAR_STEPS):
        q = 1.0 / (1.0 + root[:, None] * e)
        parts = squares * q**2
        size = parts.sum(axis=1)
        norm = np.sqrt(size)
        if (np.abs(norm - lam) <= 8 * EPS * lam).all():
            break
        slope = np.sum(parts * e * q, axis=1)
        step = (norm / lam - 1.0) * size / slope
        root = np.maximum(root + step, 0.0)
    nu[far] = root
    return nu


def row_norms(A):
    return np.sqrt(np.einsum("ij,ij->i", A, A))
