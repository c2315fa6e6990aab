"""The lasso of one linear predictor: squared loss from moments, other losses from rows.

Both problems have an intercept per group of rows (a data set, a task), penalty factors and an
offset, and the objective, with N the total weight ::

    1 / N sum_i v_i loss(y_i, x_i' w + b_group(i) + offset_i)  +  alpha sum_j factor_j |w_j|

`SquaredProblem` needs the moments of the rows only, which add up over groups. `RowsProblem` takes
proximal Newton steps on working sets of features, whose quadratic models are such problems again.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from skmtl.losses import LogisticLoss, SquaredLoss
from skmtl.transfer.l1_quadratic import ROUNDING, descend, refine, solve_quadratic

LARGEST_GRAM = 1500  # features up to which their Gram matrix is formed at once
CERTAIN = -np.log(np.finfo(float).eps)  # the intercept of a group that has one label only
INNER_SHARE = 0.05  # a quadratic model is solved to this share of the gap
NEAR = 0.9  # of the bound: features that may come in at the next step
SETTLED = 1e-3  # of the null objective: a path that fits as well as this has ended
CHUNK = 5  # alphas between two looks at how well a path fits
ARMIJO, HALVINGS = 1e-4, 30
PATIENCE = 3  # steps that change nothing but by rounding


class Path(NamedTuple):
    """Solutions at falling alphas: coef (n_alphas, n_features), intercept (n_alphas, n_groups)."""

    alphas: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray


class Solution(NamedTuple):
    coef: np.ndarray
    intercept: np.ndarray
    gap: float
    n_iter: int
    converged: bool


class Moments(NamedTuple):
    """Weighted sums over the rows of one group, about their means."""

    weight: float
    x_mean: np.ndarray
    y_mean: float
    gram: np.ndarray
    xy: np.ndarray
    yy: float


def moments_of(X, y, weights):
    """Moments of rows X (n_rows, n_features), dense or sparse."""
    weight = weights.sum()
    x_mean, y_mean = np.asarray(weights @ X) / weight, weights @ y / weight
    if sparse.issparse(X):
        weighted = sparse.diags_array(weights) @ X
        gram = (X.T @ weighted).toarray() - weight * np.outer(x_mean, x_mean)
        xy = weighted.T @ (y - y_mean)
        return Moments(weight, x_mean, y_mean, gram, xy, weights @ (y - y_mean) ** 2)
    root = np.sqrt(weights)
    Z, r = (X - x_mean) * root[:, None], (y - y_mean) * root
    return Moments(weight, x_mean, y_mean, Z.T @ Z, Z.T @ r, r @ r)


def scale_features(factor, n_features):
    """Features that may be used, and their penalty factors."""
    if factor is None:
        return np.arange(n_features), np.ones(n_features)
    kept = np.flatnonzero(np.isfinite(factor))
    return kept, np.asarray(factor, dtype=np.float64)[kept]


class SquaredProblem:
    """Lasso with the squared loss, from the `Moments` of groups with intercepts of their own.

    Parameters
    ----------
    groups : list of Moments
    factor : ndarray of shape (n_features,), optional
        > 0; infinite for features that stay out.
    """

    def __init__(self, groups, factor=None):
        self.groups = groups
        self.weight = sum(group.weight for group in groups)
        self.gram, self.xy = groups[0].gram, groups[0].xy
        for group in groups[1:]:
            self.gram, self.xy = self.gram + group.gram, self.xy + group.xy
        self.yy = float(sum(group.yy for group in groups))
        self.kept, self.factor = scale_features(factor, len(self.xy))

    def offset_by(self, w):
        """The problem that is left when X w is given as an offset."""
        moved = []
        for group in self.groups:
            of_w = group.gram @ w
            moved.append(
                group._replace(
                    y_mean=group.y_mean - group.x_mean @ w,
                    xy=group.xy - of_w,
                    yy=max(group.yy - 2.0 * group.xy @ w + w @ of_w, 0.0),
                )
            )
        return SquaredProblem(moved)

    def with_factor(self, factor):
        """The same problem with other penalty factors."""
        return SquaredProblem(self.groups, factor)

    def _scaled(self):
        gram = self.gram[np.ix_(self.kept, self.kept)] if self._restricted() else self.gram
        f = self.factor
        return (
            (gram, self.xy[self.kept])
            if (f == 1).all()
            else (
                gram / np.outer(f, f),
                self.xy[self.kept] / f,
            )
        )

    def _restricted(self):
        return len(self.kept) < len(self.xy)

    def alpha_max(self):
        """The smallest alpha at which all coefficients are zero."""
        largest = np.abs(self.xy[self.kept] / self.factor).max(initial=0.0)
        return largest / self.weight

    def intercepts(self, coef):
        """(..., n_groups) of coefficients (..., n_features)."""
        return np.stack([g.y_mean - coef @ g.x_mean for g in self.groups], axis=-1)

    def _spread(self, scaled):
        coef = np.zeros((*scaled.shape[:-1], len(self.xy)))
        coef[..., self.kept] = scaled / self.factor
        return coef

    def path(self, alphas, *, tol, max_iter):
        """Solutions at falling alphas; after a nearly perfect fit they stay as they are."""
        levels = np.asarray(alphas) * self.weight
        gram, xy = self._scaled()
        scaled, w, first = np.zeros((len(levels), len(xy))), None, 0
        while first < len(levels):
            some = levels[first : first + CHUNK]
            found, _ = descend(gram, xy, self.yy, some, w, tol=tol, max_iter=max_iter)
            for place, (level, w) in enumerate(zip(some, found, strict=True)):
                scaled[first + place] = refine(gram, xy, level, w)
            first, w = first + len(some), scaled[first + len(some) - 1]
            if self.yy - w @ (2.0 * xy - gram @ w) <= SETTLED * self.yy:
                scaled[first:] = w
                break
        coef = self._spread(scaled)
        return Path(np.asarray(alphas), coef, self.intercepts(coef))

    def fit(self, alpha, *, tol, max_iter, start=None):
        """The solution at one alpha, to a gap relative to the objective of zero coefficients."""
        gram, xy = self._scaled()
        start = np.zeros(len(xy)) if start is None else start[self.kept] * self.factor
        tol = max(tol, ROUNDING)
        limits = {"tol": tol, "max_iter": max_iter}
        w, gap, n_iter = solve_quadratic(gram, xy, self.yy, alpha * self.weight, start, **limits)
        coef = self._spread(w)
        return Solution(coef, self.intercepts(coef), gap, n_iter, gap <= tol)


class RowsProblem:
    """Lasso with any loss, from rows; groups of one label only have a certain intercept.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
    loss : ElementwiseLoss
    weights : ndarray of shape (n_rows,)
        > 0.
    groups : int ndarray of shape (n_rows,)
    offset : ndarray of shape (n_rows,), optional
    factor : ndarray of shape (n_features,), optional
        > 0; infinite for features that stay out.
    """

    def __init__(self, X, y, loss, weights, groups, offset=None, factor=None):
        self.given = X, y, loss, weights, groups
        self.offset_given = offset
        self.loss, self.weight = loss, weights.sum()
        self.n_features, self.n_groups = X.shape[1], groups.max() + 1
        self.certain = certain_intercepts(y, loss, groups)
        varied = np.isnan(self.certain)
        rows = slice(None) if varied.all() else np.flatnonzero(varied[groups])
        # Such groups are fitted perfectly whatever the coefficients are.
        self.X = X[rows].tocsc() if sparse.issparse(X) else np.asfortranarray(X[rows])
        self.y, self.v, self.groups = y[rows], weights[rows], groups[rows]
        self.offset = np.zeros(len(self.y)) if offset is None else offset[rows]
        ones = (np.ones(len(self.y)), (self.groups, np.arange(len(self.y))))
        self.indicator = sparse.csr_array(ones, shape=(self.n_groups, len(self.y)))
        if self.n_groups == 1:  # a product with an array costs less
            self.indicator = np.ones((1, len(self.y)))
        self.kept, self.factor = scale_features(factor, self.n_features)
        self.null_intercept, fitted = self.settle(np.zeros(self.n_groups), self.offset)
        self.null = max(float(self.v @ loss.value(self.y, fitted)), 0.0)

    def offset_by(self, w):
        """The problem that is left when X w is given as an offset."""
        offset = np.asarray(self.given[0] @ w)
        offset = offset if self.offset_given is None else offset + self.offset_given
        return RowsProblem(*self.given, offset)

    def with_factor(self, factor):
        """The same problem with other penalty factors."""
        return RowsProblem(*self.given, self.offset_given, factor)

    def alpha_max(self):
        """The smallest alpha at which all coefficients are zero."""
        z = self.offset + self.null_intercept[self.groups]
        correlation = self.X.T @ (self.v * self.loss.gradient(self.y, z))
        return np.abs(correlation[self.kept] / self.factor).max(initial=0.0) / self.weight

    def _by_group(self, values):
        return self.indicator @ values

    def settle(self, intercept, z):
        """Intercepts at their best given the rest, and the predictions z with these."""
        intercept = intercept.copy()
        for _ in range(100):
            slope = self._by_group(self.v * self.loss.gradient(self.y, z))
            bend = self._by_group(self.v * self.loss.curvature(self.y, z))
            step = -np.divide(slope, bend, out=np.zeros_like(slope), where=bend > 0)
            if self.loss.tension:  # so long a step never overshoots
                step = np.sign(step) * np.log1p(self.loss.tension * np.abs(step))
                step /= self.loss.tension
            intercept += step
            z = z + step[self.groups]
            if np.abs(step).max(initial=0.0) <= 1e-14 * (1.0 + np.abs(intercept).max()):
                break
        return intercept, z

    def path(self, alphas, *, tol, max_iter):
        """Solutions at falling alphas; after a nearly perfect fit they stay as they are."""
        coef = np.zeros((len(alphas), self.n_features))
        intercept = np.empty((len(alphas), self.n_groups))
        w, b, done = None, None, False
        for place, alpha in enumerate(alphas):
            if not done:
                w, b, *_, loss = self._solve(alpha, w, b, tol, max_iter)
                done = loss <= SETTLED * self.null
            coef[place], intercept[place] = w, b
        return Path(np.asarray(alphas), coef, self._finish(intercept))

    def fit(self, alpha, *, tol, max_iter, start=None):
        """The solution at one alpha, to a gap relative to the objective of zero coefficients."""
        tol = max(tol, ROUNDING)
        w, b, gap, n_iter, _ = self._solve(alpha, start, None, tol, max_iter)
        return Solution(w, self._finish(b), gap, n_iter, gap <= tol)

    def _finish(self, intercept):
        return np.where(np.isnan(self.certain), intercept, self.certain)

    def _solve(self, alpha, w, b, tol, max_iter):
        """Proximal Newton: (coef, intercept, gap, steps, loss)."""
        loss, y, v = self.loss, self.y, self.v
        level = np.full(self.n_features, np.inf)
        level[self.kept] = alpha * self.weight * self.factor
        w = np.zeros(self.n_features) if w is None else w.copy()
        b = self.null_intercept if b is None else b
        b, z = self.settle(b, self.offset + np.asarray(self.X @ w) + b[self.groups])
        n_iter, idle, value = 0, 0, v @ loss.value(y, z)
        penalty = np.sum(level[self.kept] * np.abs(w[self.kept]))
        while True:
            gradient = loss.gradient(y, z)
            correlation = -np.asarray(self.X.T @ (v * gradient))
            ratio = np.abs(correlation) / level
            gap = self._gap(gradient, value + penalty, ratio.max(initial=0.0))
            if gap <= tol or n_iter >= max_iter or idle >= PATIENCE:
                break
            used = np.flatnonzero((w != 0) | (ratio > NEAR))
            X = self.X[:, used]
            bend = loss.curvature(y, z)
            bend = v * np.maximum(bend, 1e-6 * loss.safe_curvature(y, z))
            here = correlation[used], level[used], w[used]
            move, shift = self._model(X, gradient, bend, *here, gap)
            direction = np.asarray(X @ move) + shift[self.groups]
            promised = -correlation[used] @ move - penalty
            promised += np.sum(level[used] * np.abs(w[used] + move))
            before = value + penalty
            for halving in range(HALVINGS):
                step = 0.5**halving
                reached = w[used] + (move if halving == 0 else step * move)
                value = v @ loss.value(y, z + step * direction)
                penalty = np.sum(level[used] * np.abs(reached))
                slack = 4.0 * np.finfo(float).eps * max(before, self.null)
                if value + penalty <= before + ARMIJO * step * min(promised, 0.0) + slack:
                    w[used] = reached
                    b, z = self.settle(b + step * shift, z + step * direction)
                    break
            value, penalty = v @ loss.value(y, z), np.sum(level[used] * np.abs(w[used]))
            idle = idle + 1 if before - value - penalty <= ROUNDING * max(self.null, 1e-300) else 0
            n_iter += 1
        return w, b, gap, max(n_iter, 1), value

    def _model(self, X, gradient, bend, correlation, level, w, gap):
        """Moves of coefficients and intercepts to the minimum of the quadratic model."""
        weighted = sparse.diags_array(bend) @ X if sparse.issparse(X) else bend[:, None] * X
        gram, sums = X.T @ weighted, self.indicator @ weighted
        gram, sums = (a.toarray() if sparse.issparse(a) else a for a in (gram, sums))
        mass = np.maximum(self._by_group(bend), np.finfo(float).tiny)
        gram = gram - sums.T @ (sums / mass[:, None])
        of_w = gram @ w
        xy = of_w + correlation  # the slopes of the intercepts are 0
        yy = w @ (of_w + 2.0 * correlation) + np.sum((self.v * gradient) ** 2 / bend)
        tol = min(INNER_SHARE * gap * self.null / max(0.5 * yy, np.finfo(float).tiny), 0.1)
        scaled = gram / np.outer(level, level), xy / level
        tol = max(tol, ROUNDING)
        found, _, _ = solve_quadratic(*scaled, yy, 1.0, w * level, tol=tol, max_iter=10_000)
        move = found / level - w
        return move, -(sums @ move) / mass

    def _gap(self, gradient, primal, largest):
        """Relative duality gap; the dual point is the gradient, shrunk until it is feasible."""
        if self.null <= 0.0:
            return 0.0
        dual_point = gradient * min(1.0, 1.0 / largest if largest > 0 else 1.0)
        conjugate = self.loss.conjugate(self.y, dual_point) - dual_point * self.offset
        return float(max(primal + self.v @ conjugate, 0.0) / self.null)


def certain_intercepts(y, loss, groups):
    """Intercepts of groups whose labels are all alike (whose counts are all 0), NaN for others."""
    n_groups = groups.max() + 1
    out = np.full(n_groups, np.nan)
    if not isinstance(loss, SquaredLoss):
        some = np.bincount(groups, y != 0, minlength=n_groups) > 0
        out[~some] = -CERTAIN
        if isinstance(loss, LogisticLoss):
            others = np.bincount(groups, y == 0, minlength=n_groups) > 0
            out[~others] = CERTAIN
    return out


def make_problem(parts, loss):
    """The problem of several groups: a list of (X, y, weights)."""
    n_features = parts[0][0].shape[1]
    if isinstance(loss, SquaredLoss) and n_features <= LARGEST_GRAM:
        return SquaredProblem([moments_of(*part) for part in parts])
    X, y, weights = zip(*parts, strict=True)
    stack = sparse.vstack if sparse.issparse(X[0]) else np.vstack
    groups = np.repeat(np.arange(len(parts)), [len(target) for target in y])
    X = X[0] if len(X) == 1 else stack(X, **({"format": "csr"} if sparse.issparse(X[0]) else {}))
    return RowsProblem(X, np.concatenate(y), loss, np.concatenate(weights), groups)


def alpha_grid(largest, *, n_alphas, eps):
    """Falling alphas in equal ratios; one of 1 where there is nothing to explain."""
    if largest <= 0.0:
        return np.ones(1)
    return largest * np.geomspace(1.0, eps, n_alphas)
