"""The Gaussian model of related tasks: w_t ~ N(m, S), y_t ~ N(X_t w_t, sigma_t^2 V_t^-1).

Every task keeps at most as many rows as there are coefficients (the R factor of its rows loses
nothing), padded with zeros to stacks of one size. With S = R R', in the coordinates R^-1 w,

    K_t = I + X_t S X_t' / sigma_t^2 = L_t L_t',   Z_t = L_t^-1 X_t R / sigma_t,
    C = (R' M^-1 R + sum_t Z_t' Z_t)^-1,   m = C sum_t Z_t' L_t^-1 y_t / sigma_t,
    w_t - m = Z_t' e_t,   e_t = L_t^-1 y_t / sigma_t - Z_t m,   cov(w_t | m) = I - Z_t' Z_t,

with M the prior covariance of m: 1 / mean_precision, and infinite for the intercept. Nothing here
divides by S, so that a variance may be next to 0 (pooled) or very large (each task by itself).

Laird, Ware 1982, *Random-effects models for longitudinal data*, Biometrics 38.
"""

from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import linalg

CHUNK_ENTRIES = 2**17  # of a stack of rows: some of them together stay in cache


class Prior(NamedTuple):
    """Hyperparameters.

    covariance is S: (n_coef,) if diagonal, else (n_coef, n_coef). noise (n_tasks,) are the
    variances sigma_t^2. mean_precision (n_coef,) are those of m, 0 where m is free.
    """

    covariance: np.ndarray
    noise: np.ndarray
    mean_precision: np.ndarray

    def root(self):
        """R with R R' = S; the vector of its diagonal if S is diagonal."""
        if self.covariance.ndim == 1:
            return np.sqrt(self.covariance)
        return lower_factor(self.covariance)


class Stack(NamedTuple):
    """Compressed rows X (n_stacked, n_rows, n_coef) and targets y (n_stacked, n_rows) of tasks."""

    tasks: np.ndarray
    X: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class CompressedTasks:
    """All that the likelihood of the tasks depends on.

    Attributes
    ----------
    stacks : list of Stack
    rest : ndarray of shape (n_tasks,)
        Squares of the targets beyond the compressed rows.
    sizes : ndarray of shape (n_tasks,)
        Rows of the tasks, by their weights.
    """

    stacks: list
    rest: np.ndarray
    sizes: np.ndarray

    @property
    def n_tasks(self):
        return len(self.rest)

    @property
    def n_rows(self):
        return sum(stack.y.size for stack in self.stacks)


def compress(pieces, n_coef, n_outputs):
    """R factor of weighted rows with their targets: (X, Y, squares of Y that are left).

    `pieces` yields (X (n_rows, n_coef), Y (n_rows, n_outputs)): however many rows there are,
    only one piece and the factor are held at a time.
    """
    factor = np.zeros((0, n_coef + n_outputs))
    for X, Y in pieces:
        factor = np.vstack([factor, np.hstack([X, Y])])
        factor = np.linalg.qr(factor, mode="r") if len(factor) > n_coef else factor
    rest = np.sum(factor[n_coef:, n_coef:] ** 2, axis=0)
    return factor[:n_coef, :n_coef], factor[:n_coef, n_coef:], rest


def stack_tasks(parts, n_coef):
    """Stacks of about equal numbers of rows from [(tasks, X, Y)], X of the tasks of a part."""
    singles = [(task, X, y) for tasks, X, Y in parts for task, y in zip(tasks, Y.T, strict=True)]
    singles.sort(key=lambda single: len(single[2]))
    stacks, start = [], 0
    while start < len(singles):
        # Sorted by rows: few zeros are padded, and the last task of a stack has the most.
        stop = start + 1
        while stop < len(singles) and (stop + 1 - start) * len(singles[stop][2]) * n_coef <= (
            CHUNK_ENTRIES
        ):
            stop += 1
        chosen, most = singles[start:stop], max(len(singles[stop - 1][2]), 1)
        X, y = np.zeros((len(chosen), most, n_coef)), np.zeros((len(chosen), most))
        for k, (_, own, targets) in enumerate(chosen):
            X[k, : len(own)], y[k, : len(own)] = own, targets
        stacks.append(Stack(np.array([single[0] for single in chosen]), X, y))
        start = stop
    return stacks


class Whitened(NamedTuple):
    """A stack given a prior: Z, L^-1 y / sigma, and the sum of log det K."""

    tasks: np.ndarray
    Z: np.ndarray
    target: np.ndarray
    log_det: float


def whiten(stack, root, noise):
    """`Whitened` rows of a stack."""
    scale = 1.0 / np.sqrt(noise[stack.tasks])
    rows = stack.X * root if root.ndim == 1 else stack.X @ root
    rows *= scale[:, None, None]
    kernel = rows @ rows.transpose(0, 2, 1)
    index = np.arange(kernel.shape[1])
    kernel[:, index, index] += 1.0
    lower = lower_factor(kernel)
    target = (stack.y * scale[:, None])[:, :, None]
    solved = np.linalg.solve(lower, np.concatenate([rows, target], axis=2))
    log_det = 2.0 * np.log(np.einsum("bkk->bk", lower)).sum()
    return Whitened(stack.tasks, solved[:, :, :-1], solved[:, :, -1], log_det)


@dataclass
class CommonMean:
    """m given the whitened rows of all tasks, with a dense covariance.

    Attributes
    ----------
    value : ndarray of shape (n_coef,)
        m in whitened coordinates.
    covariance : ndarray of shape (n_coef, n_coef)
        C.
    log_det : float
        Of the inverse of C.
    square : float
        m' P m, for the prior precision P = R' M^-1 R.
    """

    value: np.ndarray
    covariance: np.ndarray
    log_det: float
    square: float

    @classmethod
    def of(cls, parts, precision):
        """From the whitened rows and P."""
        n_coef = len(precision)
        total, right = precision.copy(), np.zeros(n_coef)
        for part in parts:
            Z = part.Z.reshape(-1, n_coef)
            total += Z.T @ Z
            right += part.target.ravel() @ Z
        factor = lower_factor(total)
        covariance = linalg.cho_solve((factor, True), np.eye(n_coef), check_finite=False)
        value, log_det = covariance @ right, 2.0 * np.log(np.diag(factor)).sum()
        return cls(value, covariance, log_det, value @ precision @ value)

    def apply(self, rows, part=slice(None)):
        """Rows (..., n_coef) times C; of rows that are 0 outside a part, that part only."""
        return rows @ self.covariance[part]

    def variances(self):
        """The diagonal of C."""
        return np.diag(self.covariance)

    def minus(self, rows):
        """C without the part that more data, as rows B, have taken from it: C - B'B."""
        return {"covariance": self.covariance - rows.T @ rows}


@dataclass
class CommonMeanByRows:
    """The same for more coefficients than rows: C = diag(spread) - taken' taken + free' free.

    Nothing is larger than the rows themselves, and the largest matrix to be factorised has the
    side of all rows: with Z the known coefficients' columns, Q = I + Z P^-1 Z' and P diagonal,
    C is P^-1 - P^-1 Z' Q^-1 Z P^-1 there; what is free (an entry 0 of P) comes after it.
    """

    value: np.ndarray
    spread: np.ndarray
    taken: np.ndarray
    free: np.ndarray
    log_det: float
    square: float

    @classmethod
    def of(cls, parts, precision):
        """From the whitened rows and the diagonal of P."""
        Z = np.concatenate([part.Z.reshape(-1, len(precision)) for part in parts])
        target = np.concatenate([part.target.ravel() for part in parts])
        known = precision > 0
        spread = np.divide(1.0, precision, out=np.zeros_like(precision), where=known)
        kernel = (Z * spread) @ Z.T
        kernel[np.diag_indices_from(kernel)] += 1.0
        factor = lower_factor(kernel)
        right = np.column_stack([Z * spread, Z[:, ~known], target])
        solved = linalg.solve_triangular(factor, right, lower=True, check_finite=False)
        taken, unknown, target = np.split(solved, [Z.shape[1], solved.shape[1] - 1], axis=1)
        lower = lower_factor(unknown.T @ unknown)
        lift = -unknown.T @ taken
        lift[np.arange(len(lift)), np.flatnonzero(~known)] = 1.0
        free = linalg.solve_triangular(lower, lift, lower=True, check_finite=False)
        along = linalg.solve_triangular(lower, unknown.T @ target[:, 0], lower=True)
        value = target[:, 0] @ taken + along @ free
        log_det = 2.0 * np.log(np.diag(factor)).sum() + 2.0 * np.log(np.diag(lower)).sum()
        log_det += np.log(precision[known]).sum()
        return cls(value, spread, taken, free, log_det, np.sum(precision * value**2))

    def apply(self, rows, part=slice(None)):
        """Rows (..., n_coef) times C; of rows that are 0 outside a part, that part only."""
        out = (rows @ self.free[:, part].T) @ self.free
        out -= (rows @ self.taken[:, part].T) @ self.taken
        out[..., part] += rows * self.spread[part]
        return out

    def variances(self):
        """The diagonal of C."""
        return self.spread - np.sum(self.taken**2, axis=0) + np.sum(self.free**2, axis=0)

    def minus(self, rows):
        """C without the part that more data, as rows B, have taken from it: C - B'B."""
        return {"taken": np.vstack([self.taken, rows])}


def update(mean, Z, target):
    """m and C with the whitened rows of more tasks."""
    through = mean.apply(Z)
    lower = lower_factor(np.eye(len(Z)) + through @ Z.T)
    right = np.column_stack([through, target - Z @ mean.value])
    solved = linalg.solve_triangular(lower, right, lower=True, check_finite=False)
    rows = solved[:, :-1]
    return replace(mean, value=mean.value + solved[:, -1] @ rows, **mean.minus(rows))


class Posterior:
    """What the data say given a prior.

    Attributes
    ----------
    mean : CommonMean or CommonMeanByRows
        m and its covariance C in whitened coordinates.
    log_det : float
        Of the covariance of the targets, and of what they say about m where it is free.
    log_likelihood : float
        Of the targets, with the coefficients and m integrated out (m with a flat density
        of 1 where it is free).
    """

    def __init__(self, data, prior):
        self.data, self.prior = data, prior
        self.root = prior.root()
        self.parts = [whiten(stack, self.root, prior.noise) for stack in data.stacks]
        if self.root.ndim == 1 and data.n_rows < len(self.root):
            self.mean = CommonMeanByRows.of(self.parts, self.root**2 * prior.mean_precision)
        elif self.root.ndim == 1:
            self.mean = CommonMean.of(self.parts, np.diag(self.root**2 * prior.mean_precision))
        else:
            precision = self.root.T @ (prior.mean_precision[:, None] * self.root)
            self.mean = CommonMean.of(self.parts, precision)
        self.residuals = [part.target - part.Z @ self.mean.value for part in self.parts]
        self.log_det = self._log_det()
        self.log_likelihood = -0.5 * float(self.log_det + self._square())

    def _log_det(self):
        data, prior, mean = self.data, self.prior, self.mean
        known = prior.mean_precision > 0
        diagonal = self.root if self.root.ndim == 1 else np.diag(self.root)
        log_det = mean.log_det - 2.0 * np.log(diagonal).sum()
        log_det -= np.log(prior.mean_precision[known]).sum()
        log_det += np.sum(data.sizes * np.log(2.0 * np.pi * prior.noise))
        log_det -= np.sum(~known) * np.log(2.0 * np.pi)
        return log_det + sum(part.log_det for part in self.parts)

    def _square(self):
        square = np.sum(self.data.rest / self.prior.noise) + self.mean.square
        return square + sum(np.sum(residual**2) for residual in self.residuals)

    def white_coef(self):
        """R^-1 w_t, the means of the coefficients, (n_tasks, n_coef)."""
        coef = np.tile(self.mean.value, (self.data.n_tasks, 1))
        for part, residual in zip(self.parts, self.residuals, strict=True):
            coef[part.tasks] += np.einsum("bk,bkp->bp", residual, part.Z)
        return coef

    def factors(self):
        """Z_t (at most n_coef rows, without the padding) of every task."""
        out = [np.zeros((0, len(self.root)))] * self.data.n_tasks
        for stack, part in zip(self.data.stacks, self.parts, strict=True):
            for task, X, Z in zip(stack.tasks, stack.X, part.Z, strict=True):
                out[task] = Z[X.any(axis=1)]
        return out

    def moments(self):
        """`Moments`: what the derivatives by the hyperparameters are made of."""
        n_coef, full = len(self.root), self.root.ndim == 2
        shape = (n_coef, n_coef) if full else (n_coef,)
        squares, expected = np.zeros(shape), np.zeros(shape)
        rss = self.data.rest / self.prior.noise
        fitted = np.zeros(self.data.n_tasks)
        for part, residual in zip(self.parts, self.residuals, strict=True):
            tasks, Z = part.tasks, part.Z
            deviations = np.einsum("bk,bkp->bp", residual, Z)
            shared = self.mean.apply(Z) @ Z.transpose(0, 2, 1)
            kept = np.eye(Z.shape[1]) - shared
            weighted = kept @ Z
            if full:
                squares += deviations.T @ deviations
                expected += Z.reshape(-1, n_coef).T @ weighted.reshape(-1, n_coef)
            else:
                squares += np.sum(deviations**2, axis=0)
                expected += np.einsum("bkp,bkp->p", Z, weighted)
            fitted[tasks] = np.einsum("bkp,bkp->b", Z, weighted) + np.einsum("bkk->b", shared)
            # The residuals over sigma are L'^-1 e, and L^-1 L'^-1 = I - Z Z'.
            left = np.sum(residual**2, axis=1) - np.sum(deviations**2, axis=1)
            rss[tasks] += np.maximum(left, 0.0)
        return Moments(squares, expected, rss, self.data.sizes - fitted)

    def mean_moments(self):
        """(sum of m_j^2 M_jj^-1, what the prior expects of it) over the m_j that are not free."""
        known = self.prior.mean_precision > 0
        precision = self.prior.mean_precision[known]
        if self.root.ndim == 1:
            variances = self.root**2 * self.mean.variances()
        else:
            variances = np.einsum("ij,ij->i", self.root @ self.mean.covariance, self.root)
        m = unwhiten(self.root, self.mean.value)[known]
        return precision @ m**2, known.sum() - precision @ variances[known]


def unwhiten(root, coef):
    """R times each row of an array (..., n_coef)."""
    return coef * root if root.ndim == 1 else coef @ root.T


@dataclass
class FittedTasks:
    """A posterior as arrays: enough to predict, and to tell how certain a prediction is.

    Attributes
    ----------
    root : ndarray
        R, or the vector of its diagonal.
    factors : list of ndarray
        Z_t of every task.
    white_coef : ndarray of shape (n_tasks, n_coef)
        R^-1 w_t.
    noise : ndarray of shape (n_tasks,)
    noise_level : float
        The noise of a task that was not seen.
    mean : CommonMean or CommonMeanByRows
    """

    root: np.ndarray
    factors: list
    white_coef: np.ndarray
    noise: np.ndarray
    noise_level: float
    mean: object

    @classmethod
    def of(cls, posterior, noise_level):
        mean, prior = posterior.mean, posterior.prior
        coef, noise = posterior.white_coef(), np.array(prior.noise)
        return cls(posterior.root, posterior.factors(), coef, noise, float(noise_level), mean)

    def state(self):
        """As a dict of arrays, lists and numbers."""
        wide = isinstance(self.mean, CommonMeanByRows)
        return {**vars(self), "mean": asdict(self.mean), "wide": wide}

    @classmethod
    def from_state(cls, state):
        state = dict(state)
        kind = CommonMeanByRows if state.pop("wide") else CommonMean
        return cls(**{**state, "mean": kind(**state["mean"])})

    def whiten(self, rows):
        """Rows in the coordinates of R^-1 w."""
        return rows * self.root if self.root.ndim == 1 else rows @ self.root

    def uncertainty(self, rows, task):
        """(a, U): the variance of `rows` @ w_t is a + U C U', for whitened rows; task -1 is new."""
        own = np.sum(rows**2, axis=1)
        if task < 0:
            return own, rows
        Z = self.factors[task]
        along = rows @ Z.T
        return np.maximum(own - np.sum(along**2, axis=1), 0.0), rows - along @ Z

    def variance(self, rows, task):
        """Of the predictions of whitened rows by the model of a task, without noise."""
        own, rest = self.uncertainty(rows, task)
        return own + np.einsum("ij,ij->i", self.mean.apply(rest), rest)


def extend(fitted, data):
    """`FittedTasks` of new tasks: the posterior given all rows, at the same hyperparameters."""
    noise = np.full(data.n_tasks, fitted.noise_level)
    parts = [whiten(stack, fitted.root, noise) for stack in data.stacks]
    mean, factors = fitted.mean, [None] * data.n_tasks
    for part in parts:
        n_coef = part.Z.shape[2]
        mean = update(mean, part.Z.reshape(-1, n_coef), part.target.ravel())
    coef = np.empty((data.n_tasks, len(mean.value)))
    for part in parts:
        for task, Z, target in zip(part.tasks, part.Z, part.target, strict=True):
            factors[task] = Z
            coef[task] = mean.value + (target - Z @ mean.value) @ Z
    return FittedTasks(fitted.root, factors, coef, noise, fitted.noise_level, mean)


class Moments(NamedTuple):
    """Pairs of a sum of squares and what the prior expects of it, in whitened coordinates.

    The derivative of the log-likelihood by the logarithm of a variance is half their
    difference: `squares` - `expected` for the deviations w_t - m, by feature, or matrices if S
    is one; `rss` - `free` for the residuals over sigma_t^2, by task, and the rows that no
    coefficient takes up.
    """

    squares: np.ndarray
    expected: np.ndarray
    rss: np.ndarray
    free: np.ndarray


def lower_factor(matrix):
    """Cholesky factor; of matrices (..., n, n) that are singular but for rounding, of near ones."""
    try:
        return np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        near = matrix.copy()
        np.einsum("...kk->...k", near)[...] *= 1.0 + 1e-10
        return np.linalg.cholesky(near)
