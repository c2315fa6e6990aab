"""Newton on the weights of the rows: the l2,1 problem of tasks that share their rows.

lam ||w|| is the minimum over d >= 0 of (||w||^2 / d + lam^2 d) / 2, reached at d = ||w|| / lam.
Minimising over W first leaves a smooth convex problem in one number per feature, whatever the
number of tasks. With K = I + X diag(d) X', the residual R = K^-1 Y and Z = X'R,

    f(d) = (<Y, K^-1 Y> + sum_j lam_j^2 d_j) / 2,    df/dd_j = (lam_j^2 - ||z_j||^2) / 2,
    Hessian = (X'K^-1 X) o (Z Z'),    w_j = d_j z_j,    ||z_j|| = lam_j where d_j > 0.

A ridge on W counts as further rows sqrt(ridge_j) of X with target 0. For tasks with rows of their
own f and the Hessian are sums over tasks. The forms of `row_forms` give these quantities.
"""

import numpy as np
from scipy import linalg

from skmtl.penalties.base import row_norms

CG_TOLERANCE = 0.1
CG_STEPS = 50
BOUND_ROUNDS = 6
NEW_FEATURES = 200  # at least so many violators join the support in one step
ROUGH_GAP = 1e-4  # above it correlations in single precision will do
PATIENCE = 50  # steps without halving the gap
SMALLEST_DAMPING = 1e-3
LARGEST_DAMPING = 1e6
TINY = np.finfo(float).tiny


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
    form : GramForm, KernelForm, StackForm or KernelsForm
    lam : ndarray of shape (n_features,)
        Weights of the row norms, all above 0.
    d : ndarray of shape (n_features,)
    tol : float
    max_iter : int
    """
    state = _evaluate(form, d, lam)
    if state is None:  # weights too large for the arithmetic: from the start
        state = form.evaluate(np.zeros_like(d), lam)
    damping, rough = 0.0, True
    gap, best, latest_gain = np.inf, np.inf, 0
    for n_iter in range(max_iter + 1):
        Z = form.correlations(state, rough=gap > ROUGH_GAP)
        norms = row_norms(Z)
        previous, gap = gap, gap_at(form, state, norms, lam)
        if previous > ROUGH_GAP >= gap and tol < ROUGH_GAP:
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
