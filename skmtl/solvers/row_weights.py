"""Newton on the weights of the rows: the l2,1 problem of tasks that share their rows.

lam ||w|| is the minimum over d >= 0 of (||w||^2 / d + lam^2 d) / 2, reached at d = ||w|| / lam.
Minimising over W first leaves a smooth convex problem in one number per feature, whatever the
number of tasks. With K = I + X diag(d) X', the residual R = K^-1 Y and Z = X'R,

    f(d) = (<Y, K^-1 Y> + sum_j lam_j^2 d_j) / 2,    df/dd_j = (lam_j^2 - ||z_j||^2) / 2,
    Hessian = (X'K^-1 X) o (Z Z'),    w_j = d_j z_j,    ||z_j|| = lam_j where d_j > 0.

A ridge on W counts as further rows sqrt(ridge_j) of X with target 0. Two forms give these
quantities: `GramForm` factorises a matrix of the side of the support, `KernelForm` one of the
side of the number of rows.
"""

from typing import NamedTuple

import numpy as np
from scipy import linalg

from skmtl.penalties.base import row_norms

CG_TOLERANCE = 0.1
CG_STEPS = 50
BOUND_ROUNDS = 6
NEW_FEATURES = 200  # at least so many violators join the support in one step
ROUGH_GAP = 1e-3  # above it correlations in single precision will do
EXPLICIT = 10  # form the Hessian where it costs less than so many products with it
NEGLIGIBLE = 1e-4  # d_j ||x_j||^2 below which I - (I + A)^-1 would cancel
PATIENCE = 50  # steps without halving the gap
SMALLEST_DAMPING = 1e-3
LARGEST_DAMPING = 1e6
TINY = np.finfo(float).tiny


class State(NamedTuple):
    """What is known at the weights d."""

    d: np.ndarray
    support: np.ndarray
    factor: np.ndarray  # Cholesky factor
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
            cross = self.gram[support[:, None], columns] * np.sqrt(d[support])[:, None]
            half = linalg.solve_triangular(factor, cross, lower=True, check_finite=False)
            out[small[:, None], small] = self.gram[columns[:, None], columns] - half.T @ half
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

    Directions are found in single precision (with every column of X scaled to norm 1), and so are
    the correlations while the gap is large; what is accepted, and the gap, in double precision.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
    Y : ndarray of shape (n_rows, n_tasks)
    ridge : ndarray of shape (n_features,)
    """

    def __init__(self, X, Y, ridge):
        self.X, self.Y, self.ridge = X, Y, ridge
        self.energy = 0.5 * np.vdot(Y, Y)
        norms = np.sqrt(np.einsum("ij,ij->j", X, X))
        self.scale = np.where(norms > 0, norms, 1.0)
        self.rough_X = np.empty(X.shape, dtype=np.float32, order="F")
        np.divide(X, self.scale, out=self.rough_X, casting="same_kind")

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
            size = np.abs(R).max() + TINY
            Z = (self.rough_X.T @ (R / size).astype(np.float32)) * (size * self.scale)[:, None]
        else:
            Z = self.X.T @ R
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
            extra = (ridge * shrink / scale**2).astype(M.dtype)
        n_rows, n_tasks = len(M), units.shape[1]
        if len(free) * (n_rows + n_tasks) < 4 * EXPLICIT * n_rows * n_tasks:
            H = M.T @ M
            H *= units @ units.T
            H.flat[:: len(H) + 1] += extra
            return H.__matmul__, np.einsum("jj->j", H).copy(), scale

        def product(v):
            image = M.T @ (M @ (v[:, None] * units))
            return np.einsum("ij,ij->i", image, units) + extra * v

        return product, np.einsum("ij,ij->j", M, M) + extra, scale


def conjugate_gradients(product, diagonal, b, v, free):
    """Roughly argmin v'Hv / 2 - b'v over the entries `free` of v, from v."""
    flat = 16 * np.finfo(b.dtype).eps
    residual = np.where(free, b - product(v), 0)
    enough = CG_TOLERANCE * np.sqrt(np.sum((b * b / diagonal)[free]))
    scaled = residual / diagonal
    direction, square = scaled, residual @ scaled
    for _ in range(CG_STEPS):
        if not np.sqrt(square) > enough:
            break
        image = np.where(free, product(direction), 0)
        curvature = direction @ image
        if not curvature > flat * (direction * diagonal) @ direction:
            break  # H is singular there: b need not be in its range
        v = v + square / curvature * direction
        residual = residual - square / curvature * image
        scaled = residual / diagonal
        previous, square = square, residual @ scaled
        direction = scaled + square / previous * direction
    return v


def bounded_step(product, diagonal, b, lowest):
    """Roughly argmin v'Hv / 2 - b'v over v >= lowest, with lowest <= 0."""
    v = np.zeros_like(b)
    free = (lowest < 0) | (b > 0)
    for _ in range(BOUND_ROUNDS):
        v = conjugate_gradients(product, diagonal, b, v, free)
        below = free & (v < lowest)
        if below.any():
            v = np.where(below, lowest, v)
            free &= ~below
            continue
        released = ~free & (b - product(v) > 1e-6 * np.abs(b).max(initial=0.0))
        if not released.any():
            break
        free |= released
    return np.maximum(v, lowest)


def gap_at(form, state, norms, lam):
    """Duality gap relative to the objective of W = 0, as `Problem.gap` has it."""
    squared = state.fitted - state.d @ (norms * norms)
    linear = 2.0 * form.energy - state.fitted
    quadratic = linear - state.fitted + squared
    primal = form.energy - state.fitted + 0.5 * squared + (lam * state.d) @ norms
    largest = (norms / lam).max()
    scale = max(linear / quadratic, 0.0) if quadratic > 0 else 0.0
    scale = min(scale, 1.0 / largest) if largest > 0 else scale
    return (primal - scale * linear + 0.5 * scale**2 * quadratic) / form.energy


def minimise(form, lam, d, *, tol, max_iter):
    """Newton from the weights d; (W, number of steps) once the gap is below tol or stalls.

    Parameters
    ----------
    form : GramForm or KernelForm
    lam : ndarray of shape (n_features,)
        Weights of the row norms, all above 0.
    d : ndarray of shape (n_features,)
    tol : float
    max_iter : int
    """
    state = form.evaluate(d, lam)
    damping, rough = 0.0, True
    gap, best, latest_gain = np.inf, np.inf, 0
    for n_iter in range(max_iter + 1):
        Z = form.correlations(state, rough=gap > ROUGH_GAP)
        norms = row_norms(Z)
        previous, gap = gap, gap_at(form, state, norms, lam)
        if previous > ROUGH_GAP >= gap:
            Z = form.correlations(state, rough=False)
            norms = row_norms(Z)
            gap = gap_at(form, state, norms, lam)
        latest_gain = n_iter if gap < 0.5 * best else latest_gain
        best = min(gap, best)
        if gap <= tol or n_iter == max_iter or n_iter - latest_gain > PATIENCE:
            break
        rough = rough and (gap > ROUGH_GAP or gap < 0.5 * previous)
        new, damping = _newton_step(form, state, Z, norms, lam, damping, rough)
        if new is None:
            break
        state = new
    return state.d[:, None] * Z, max(n_iter, 1)  # the first evaluation counts: it changes W


def _newton_step(form, state, Z, norms, lam, damping, rough):
    """The state after one step, or None; and the damping for the next."""
    d = state.d
    free = _free_features(state, norms, lam)
    size, bound, start = norms[free], lam[free], d[free]
    product, diagonal, scale = form.hessian(
        state, free, Z[free] / np.maximum(size, TINY)[:, None], rough=rough
    )
    scale = np.maximum(scale * size, TINY)  # the Hessian is that of scale * d
    diagonal = np.maximum(diagonal, 1e-12 * diagonal.max(initial=0.0) + 1e-30)
    # Right-hand side of Newton on lam / ||z|| = 1, which is nearly linear in d; the gradient of f
    # itself after a rejected step.
    secular = size**2 * (size - bound) / bound
    while damping <= LARGEST_DAMPING:
        b = secular / scale
        unit = np.abs(b).max(initial=0.0) + TINY  # keeps single precision within its range
        b = (b / unit).astype(diagonal.dtype)
        lowest = np.maximum(-start * (scale / unit), -1e30).astype(diagonal.dtype)
        extra = diagonal * diagonal.dtype.type(damping)
        step = bounded_step(
            lambda v, extra=extra: product(v) + extra * v, diagonal + extra, b, lowest
        )
        for length in (1.0, 0.25):
            moved = np.maximum(start + length * step * (unit / scale), 0.0)
            trial = d.copy()
            trial[free] = np.where((step <= lowest) & (length == 1.0), 0.0, moved)
            new = _evaluate(form, trial, lam)
            if new is not None and new.value <= state.value + 4e-16 * form.energy:
                return new, 0.1 * damping if damping > 1e-8 else 0.0
        damping = max(10.0 * damping, SMALLEST_DAMPING)
        secular = 0.5 * (size**2 - bound**2)
    return None, damping


def _evaluate(form, d, lam):
    try:
        state = form.evaluate(d, lam)
    except linalg.LinAlgError:
        return None
    return state if np.isfinite(state.value) else None


def _free_features(state, norms, lam):
    """The support and the features that violate optimality most."""
    violators = np.flatnonzero((state.d == 0) & (norms > lam))
    most = max(NEW_FEATURES, 2 * len(state.support))
    if len(violators) > most:
        excess = norms[violators] / lam[violators]
        violators = violators[np.argpartition(-excess, most)[:most]]
    return np.sort(np.concatenate([state.support, violators]))
