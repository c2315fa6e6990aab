"""The lasso towards zero and towards a source: penalty, exact duality gap, and a fast solver.

Proximal steps find which coefficients are at a kink of the penalty, 0 or the source's; Newton
steps solve for the others exactly. Both run on working sets of features.
"""

from typing import NamedTuple

import numpy as np
from scipy import linalg

SMALL = 300  # features up to which the whole Gram matrix is kept whatever the rows
SMALLEST_SET = 100
PROXIMAL_STEPS = 10
NEWTON_STEPS = 100
FEWEST_ENTERING = 8  # of the features at a kink, in one Newton step
POWER_STEPS = 8
ROUNDING = 16.0 * np.finfo(float).eps  # no gap below this can be asked for
DAMPING = 1e-13
PATH_RATIO, PATH_TOL = 2.0, 1e-2  # of the path to a small alpha
SMALLEST_ALPHA = 1e-12  # to which that path goes, relative to the mean square of the target


class LassoSolution(NamedTuple):
    """Coefficients (n_features,) with their certificate, relative to the null objective."""

    coef: np.ndarray
    gap: float
    n_iter: int
    converged: bool


class SourceL1:
    """h(w) = alpha sum_j (r |w_j| + (1 - r) |w_j - s_j|) for a share r and a source s.

    Parameters
    ----------
    alpha : float
    share : float
        r, from 0 to 1.
    source : ndarray of shape (n_features,)
    """

    def __init__(self, alpha, share, source):
        self.alpha, self.share, self.source = alpha, share, source
        self.sign = np.where(source < 0, -1.0, 1.0)
        self.distance = np.abs(source)

    def restrict(self, rows):
        return SourceL1(self.alpha, self.share, self.source[rows])

    def value(self, w):
        to_zero, to_source = np.abs(w).sum(), np.abs(w - self.source).sum()
        return self.alpha * (self.share * to_zero + (1.0 - self.share) * to_source)

    def rest(self):
        """The coefficients for a very large alpha."""
        return self.source.copy() if self.share < 0.5 else np.zeros_like(self.source)

    def prox(self, u, step):
        """argmin_w (w - u)^2 / 2 + step h(w), for one step or one per feature.

        For s > 0 the slopes of h are -alpha below 0, alpha (2 r - 1) up to s, and alpha above.
        """
        u, reach = self.sign * u, step * self.alpha
        inside = u - reach * (2.0 * self.share - 1.0)
        below, above = np.minimum(u + reach, 0.0), np.maximum(u - reach - self.distance, 0.0)
        w = np.minimum(np.maximum(inside, 0.0), self.distance)
        return np.where(w == self.distance, self.source, self.sign * w) + self.sign * (
            below + above
        )

    def slopes(self, w):
        """Left and right derivatives; they are equal where w is at no kink."""
        r, d = self.share, w - self.source
        left = np.where(w > 0, r, -r) + np.where(d > 0, 1.0 - r, r - 1.0)
        right = np.where(w >= 0, r, -r) + np.where(d >= 0, 1.0 - r, r - 1.0)
        return self.alpha * left, self.alpha * right

    def violations(self, w, slope):
        """Distances of a slope of the loss, -gradient, to the subdifferential of h."""
        left, right = self.slopes(w)
        return np.maximum(np.maximum(left - slope, slope - right), 0.0)

    def conjugate(self, z):
        """sup_w z'w - h(w) for |z| <= alpha: the best of the kinks, feature by feature."""
        at_zero = -self.alpha * (1.0 - self.share) * self.distance
        at_source = z * self.source - self.alpha * self.share * self.distance
        return np.maximum(at_zero, at_source).sum()


class LassoProblem:
    """||y - X w||^2 / (2 V) of a Design with total weight V, as (w'G w - 2 c'w + e) / 2."""

    def __init__(self, design):
        self.design, self.total = design, design.weights.sum()
        self.cross = design.cross()[:, 0] / self.total
        self.energy = float(design.Y[:, 0] @ design.Y[:, 0]) / self.total
        self.n_rows, n_features = design.X.shape
        self.rank = max(self.n_rows - design.fit_intercept, 1)  # at most
        small = n_features <= max(SMALL, self.n_rows)
        self.gram = design.gram() / self.total if small else None
        self.metric = np.maximum(design.squared_norms() / self.total, 0.0)

    def product(self, w):
        """G w."""
        used = np.flatnonzero(w)
        if self.gram is not None:
            return self.gram[:, used] @ w[used] if 4 * len(used) < len(w) else self.gram @ w
        fitted = self.design.take_columns(used).matmul(w[used, None])
        return self.design.rmatmul(fitted)[:, 0] / self.total

    def block(self, rows):
        if self.gram is not None:
            return self.gram[np.ix_(rows, rows)]
        return self.design.gram(rows) / self.total

    def null(self, penalty):
        """The objective of zero coefficients."""
        return 0.5 * self.energy + penalty.value(np.zeros_like(penalty.source))

    def gap(self, w, product, penalty):
        """The duality gap relative to the objective of zero coefficients.

        NaN if squares of X or y exceed the range of floating point.
        """
        if not (np.isfinite(self.metric).all() and np.isfinite(self.cross).all()):
            return np.nan
        null = self.null(penalty)
        if null == 0.0 or not len(w):
            return 0.0
        if penalty.alpha == 0.0:  # least squares: no dual point but a zero slope
            largest = np.abs(self.cross - product).max()
            return largest**2 / max(self.metric.max() * null, np.finfo(float).tiny)
        return duality_gap(self.energy, self.cross, w, product, penalty) / null


def duality_gap(energy, cross, w, product, penalty):
    """Of (w'G w - 2 c'w + e) / 2 + h(w), with the dual point (y - X w) / V scaled into its domain.

    There |slope| <= alpha.
    """
    slope, fitted = cross - product, cross @ w
    largest = np.abs(slope).max()
    scale = penalty.alpha / largest if largest > penalty.alpha else 1.0
    squared = max(energy - 2.0 * fitted + w @ product, 0.0)
    primal = 0.5 * squared + penalty.value(w)
    dual = scale * (energy - fitted) - 0.5 * scale**2 * squared - penalty.conjugate(scale * slope)
    return max(primal - dual, 0.0)


def largest_alpha(problem, share, source):
    """The smallest alpha from which all coefficients are the source's (share < 1/2) or zero.

    At share 1/2 there is none, as all between 0 and the source costs the same; near it the alpha
    of the distance 0.05 is given.
    """
    tilt = max(abs(2.0 * share - 1.0), 0.1)
    slope = problem.cross - problem.product(SourceL1(1.0, share, source).rest())
    outward = slope * source >= 0 if share < 0.5 else slope * source <= 0
    return float(np.max(np.where(outward, 1.0, 1.0 / tilt) * np.abs(slope), initial=0.0))


def start_from_far(problem, penalty, *, max_iter):
    """A start for a small alpha and more features than rows: a coarse path down to it.

    Far from the solution far too many features would be at no kink.
    """
    alpha, w = largest_alpha(problem, penalty.share, penalty.source), None
    while alpha > PATH_RATIO * penalty.alpha > 0.0 and len(penalty.source) > problem.n_rows:
        alpha /= PATH_RATIO
        far = SourceL1(alpha, penalty.share, penalty.source)
        w = solve_transfer_lasso(problem, far, tol=PATH_TOL, max_iter=max_iter, start=w).coef
        if alpha < SMALLEST_ALPHA * problem.energy:
            break
    return w


def solve_transfer_lasso(problem, penalty, *, tol, max_iter, start=None):
    """Minimise to a relative duality gap.

    Parameters
    ----------
    problem : LassoProblem
    penalty : SourceL1
    tol : float
    max_iter : int
        Rounds of ten proximal steps and up to twenty Newton steps.
    start : ndarray of shape (n_features,), optional

    Returns
    -------
    LassoSolution
    """
    tol = max(tol, ROUNDING)
    w = penalty.rest() if start is None else start.copy()
    product, n_iter, size, share, stalled = problem.product(w), 0, SMALLEST_SET, 0.3, False
    while True:
        gap = problem.gap(w, product, penalty)
        if gap <= tol or n_iter >= max_iter or stalled or not np.isfinite(gap):
            return LassoSolution(w, float(gap), max(n_iter, 1), bool(gap <= tol))
        rows = _working_set(w, penalty, problem.cross - product, size)
        size = 2 * len(rows)
        inner = Inner(problem, penalty, rows, w, product)
        whole = len(rows) == len(w)
        inner_tol = tol if whole else share * max(0.3 * gap, tol)
        part, spent = inner.run(inner_tol, max_iter - n_iter)
        n_iter += spent
        if np.array_equal(part, w[rows]):
            stalled, share = whole or inner_tol < ROUNDING, 0.1 * share
        w[rows] = part
        product = problem.product(w)


def _working_set(w, penalty, slope, size):
    """Features that are at no kink, and those that violate optimality most."""
    if len(w) <= size:
        return np.arange(len(w))
    left, right = penalty.slopes(w)
    free = left == right
    size = min(max(size, 2 * int(free.sum())), len(w))
    scores = np.where(free, np.inf, penalty.violations(w, slope))
    rows = np.argpartition(-scores, size - 1)[:size]
    return np.sort(rows[scores[rows] > 0]) if (scores[rows] > 0).any() else np.sort(rows)


class Inner:
    """The problem on some features, the others held."""

    def __init__(self, problem, penalty, rows, w, product):
        self.gram = problem.block(rows)
        self.penalty = penalty if len(rows) == len(w) else penalty.restrict(rows)
        self.w = w[rows]
        self.cross = problem.cross[rows] - product[rows] + self.gram @ self.w
        metric = problem.metric[rows]
        self.metric = np.where(metric > 0, metric, 1.0)
        self.null = problem.null(penalty)
        own = self.gram @ self.w
        squared = problem.energy + w @ (product - 2.0 * problem.cross)
        self.energy = squared + self.w @ (2.0 * self.cross - own)  # of what the others leave
        self.rank = problem.rank
        self.lipschitz = None  # Newton steps alone do without

    def _power_iteration(self):
        """Largest eigenvalue of the scaled Gram matrix, from below: backtracking does the rest."""
        root, largest = np.sqrt(self.metric), 1.0
        v = 1.0 + 0.1 * np.cos(np.arange(len(root)))
        for _ in range(POWER_STEPS):
            v = (self.gram @ (v / root)) / root
            norm = np.linalg.norm(v)
            if norm == 0.0:
                break
            v /= norm
            largest = max(largest, v @ (self.gram @ (v / root) / root))
        return 1.02 * largest

    def value(self, w, product):
        return w @ (0.5 * product - self.cross) + self.penalty.value(w)

    def run(self, tol, max_iter):
        """Coefficients and the rounds it took until violations bound the gap by about tol."""
        w, product = self.w, self.gram @ self.w
        for spent in range(1, max_iter + 1):  # noqa: B007
            before = w
            w, product = self._newton_steps(w, product, tol)
            if self._error(w, product) <= tol * self.null:
                break
            w, product = self._proximal_steps(w, product)
            if np.array_equal(w, before):
                break
        return w, spent

    def _error(self, w, product):
        """How far the objective may be above its minimum."""
        if self.penalty.alpha == 0.0:
            return np.abs(self.cross - product).max() ** 2 / self.metric.max()
        return duality_gap(self.energy, self.cross, w, product, self.penalty)

    def _proximal_steps(self, w, product):
        """Accelerated, with restarts (O'Donoghue, Candes 2015), in the features' own metric."""
        self.lipschitz = self.lipschitz or self._power_iteration()
        v, product_v, momentum = w, product, 1.0
        for _ in range(PROXIMAL_STEPS):
            while True:
                step = 1.0 / (self.lipschitz * self.metric)
                new = self.penalty.prox(v - step * (product_v - self.cross), step)
                product_new = self.gram @ new
                move = new - v
                rise = move @ (product_new - product_v)
                bound = self.lipschitz * (move @ (self.metric * move))
                if rise <= bound * (1.0 + 1e-10) or not np.isfinite(rise):
                    break
                self.lipschitz *= 1.5
            if (v - new) @ (self.metric * (new - w)) > 0:
                momentum, v, product_v = 1.0, new, product_new
            else:
                previous, momentum = momentum, 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * momentum**2))
                beta = (previous - 1.0) / momentum
                v = new + beta * (new - w)
                product_v = product_new + beta * (product_new - product)
            w, product = new, product_new
        return w, product

    def _newton_steps(self, w, product, tol):
        """Exact minimisation over the coefficients at no kink and the worst of the others.

        Others join when those before have been solved for: otherwise they could go in circles.
        """
        value, solved = self.value(w, product), True
        slack = 2.0 * np.finfo(float).eps * (abs(value) + self.null)
        for _ in range(NEWTON_STEPS):
            if self._error(w, product) <= tol * self.null:
                break
            rows, direction = self._direction(w, self.cross - product, join=solved)
            if not len(rows):
                break
            new = self._stopped(w, rows, direction)
            product_new = product + self.gram[:, rows] @ (new - w)[rows]
            lower = self.value(new, product_new)
            solved = lower <= value - slack
            if not solved:  # too many were stopped
                new = self._best_on_line(w, product, rows, direction)
                product_new = product + self.gram[:, rows] @ (new - w)[rows]
                lower = self.value(new, product_new)
            if not lower <= value + slack or np.array_equal(new, w):
                break
            w, product, value = new, self.gram @ new, lower
        return w, product

    def _direction(self, w, slope, *, join):
        """Features that move, and their Newton step.

        Those at a kink move if they violate optimality, but only to the side on which the
        objective falls: the others are held again.
        """
        left, right = self.penalty.slopes(w)
        free = left == right
        sides = np.where(slope > right, 1.0, np.where(slope < left, -1.0, 0.0))
        violations = np.where(free, 0.0, self.penalty.violations(w, slope))
        n_free = int(free.sum())
        # More than the rank of X have no unique step: then they are exchanged one by one.
        n_enter = max(1, min(max(FEWEST_ENTERING, n_free // 2), self.rank - n_free))
        n_enter = min(n_enter, int((violations > 0).sum())) if join or not free.any() else 0
        worst = np.argsort(-violations)[:n_enter]
        excess = slope - np.where(sides > 0, right, left)
        while True:
            rows = np.concatenate([np.flatnonzero(free), worst])
            step = self._solve(rows, excess[rows])
            agrees = step[len(rows) - len(worst) :] * sides[worst] > 0
            if agrees.all() or len(worst) == 1:
                return rows, step
            worst = worst[agrees] if agrees.any() else worst[:1]

    def _solve(self, rows, right):
        block = self.gram[np.ix_(rows, rows)]
        diagonal, scale = np.diag_indices(len(rows)), self.metric[rows]
        damping = DAMPING
        while True:
            block[diagonal] += damping * scale
            try:
                return linalg.cho_solve(linalg.cho_factor(block, lower=True), right)
            except linalg.LinAlgError:
                damping *= 100.0

    def _stopped(self, w, free, direction):
        """w + direction, where a coefficient that would pass a kink stops at the first one."""
        new = w.copy()
        start, end, source = w[free], w[free] + direction, self.penalty.source[free]
        to_zero, to_source = start * end < 0, (start - source) * (end - source) < 0
        stop = np.where(to_zero, 0.0, end)
        nearer = to_source & (~to_zero | (np.abs(start - source) < np.abs(start)))
        new[free] = np.where(nearer, source, stop)
        return new

    def _best_on_line(self, w, product, rows, direction):
        """The minimum on the line from w to w + direction, where a coefficient may be at a kink.

        The slope along the line rises between kinks, and jumps at each of them.
        """
        penalty, start = self.penalty, w[rows]
        source, size = penalty.source[rows], np.abs(direction)
        with np.errstate(divide="ignore", invalid="ignore"):
            times = np.concatenate([-start / direction, (source - start) / direction])
        jumps = (
            2.0 * penalty.alpha * np.concatenate([penalty.share * size, (1 - penalty.share) * size])
        )
        ahead = (times > 0) & (times < 1)
        order = np.argsort(times[ahead])
        times, jumps = times[ahead][order], jumps[ahead][order]
        left, right = penalty.slopes(w)
        sides = np.where(direction > 0, right[rows], left[rows])
        first = direction @ ((product - self.cross)[rows] + sides)
        curvature = direction @ (self.gram[np.ix_(rows, rows)] @ direction)
        passed = np.concatenate([[0.0], np.cumsum(jumps)])
        ends = np.append(times, 1.0)
        before = first + passed + curvature * ends  # the slope on arriving at each end
        k = int(np.argmax(np.append(before[:-1] >= 0, True)))
        # Between two kinks the slope may be zero; if it jumps over zero, that is at the kink.
        inside = -(first + passed[k]) / curvature if curvature > 0 else 1.0
        begin = times[k - 1] if k else 0.0
        time = min(max(inside, begin), ends[k])
        new = w.copy()
        new[rows] = start + time * direction
        if k and time == begin:
            for kink in (np.zeros(len(rows)), source):
                with np.errstate(divide="ignore", invalid="ignore"):
                    at = (kink - start) / direction == time
                new[rows[at]] = kink[at]
        return new
