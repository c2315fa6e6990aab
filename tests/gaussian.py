"""The random coefficients a second time: every target at once in one dense Gaussian."""

import numpy as np

from skmtl.solvers.random_coefficients import CompressedTasks, compress, stack_tasks


class DenseGaussian:
    """y_i ~ N(z_i' w_t, noise_t / v_i), w_t ~ N(m, S), m ~ N(0, M), flat where a precision is 0.

    `tasks` are [(Z, y, v), ...], rows of weight 0 are left out.
    """

    def __init__(self, tasks, prior):
        self.n_tasks = len(tasks)
        codes = np.repeat(np.arange(len(tasks)), [len(y) for _, y, _ in tasks])
        Z, y, v = (np.concatenate(a) for a in zip(*tasks, strict=True))
        self.Z, self.y, self.v, self.codes = Z[v > 0], y[v > 0], v[v > 0], codes[v > 0]
        S, precision = prior.covariance, prior.mean_precision
        self.S = np.diag(S) if S.ndim == 1 else S
        self.free = precision == 0
        self.M = np.diag(np.where(self.free, 0.0, 1.0 / np.where(self.free, 1.0, precision)))
        self.noise = prior.noise[self.codes]
        same = self.codes[:, None] == self.codes
        self.V = self.Z @ self.M @ self.Z.T + same * (self.Z @ self.S @ self.Z.T)
        self.V += np.diag(self.noise / self.v)
        self.inverse = np.linalg.inv(self.V)
        self.F = self.Z[:, self.free]
        self.A = np.linalg.inv(self.F.T @ self.inverse @ self.F)
        self.b = self.A @ self.F.T @ self.inverse @ self.y

    def log_likelihood(self):
        """Of targets as if a row of weight v were v rows; REML where m is free."""
        residual = self.y - self.F @ self.b
        square = residual @ self.inverse @ residual
        log_det = np.linalg.slogdet(self.V)[1] - np.linalg.slogdet(self.A)[1]
        log_det += (len(self.y) - len(self.b)) * np.log(2 * np.pi)
        log_det += np.sum((self.v - 1) * np.log(2 * np.pi * self.noise) + np.log(self.v))
        return -0.5 * (log_det + square)

    def coef(self, task):
        """Mean and covariance of w_t; of m for None, of a task that is not there for -1."""
        size = self.Z.shape[1]
        own = (self.codes == task)[:, None] * self.Z @ self.S if task is not None else 0.0
        K = (self.Z @ self.M + own).T
        prior = self.M + (0.0 if task is None else self.S)
        mean = K @ self.inverse @ (self.y - self.F @ self.b)
        flat = np.eye(size)[:, self.free]
        mean += flat @ self.b
        lift = flat - K @ self.inverse @ self.F
        return mean, prior - K @ self.inverse @ K.T + lift @ self.A @ lift.T

    def coefs(self):
        return np.array([self.coef(task)[0] for task in range(self.n_tasks)])

    def variance(self, Z, task):
        """Of z' w_t for the rows z of Z."""
        return np.einsum("ij,jk,ik->i", Z, self.coef(task)[1], Z)


def compressed(tasks):
    """CompressedTasks of [(Z, y, v), ...]."""
    n_coef = tasks[0][0].shape[1]
    parts, rest = [], np.zeros(len(tasks))
    for t, (Z, y, v) in enumerate(tasks):
        root = np.sqrt(v)[:, None]
        A, Y, squares = compress([(root * Z, root * y[:, None])], n_coef, 1)
        parts.append((np.array([t]), A, Y))
        rest[t] = squares[0]
    return CompressedTasks(stack_tasks(parts, n_coef), rest, np.array([v.sum() for *_, v in tasks]))


def random_tasks(sizes=(5, 9, 12, 3, 20), n_features=3, *, fit_intercept=True, noise=0.5, seed=0):
    """[(Z, y, v), ...] with coefficients around a common mean and weights about 1."""
    rng = np.random.RandomState(seed)
    d = n_features + fit_intercept
    spread = np.linspace(0.1, 1.0, d)
    mean, tasks = rng.normal(size=d), []
    for n in sizes:
        Z = rng.normal(size=(n, d))
        if fit_intercept:
            Z[:, -1] = 1.0
        y = Z @ (mean + spread * rng.normal(size=d)) + noise * rng.normal(size=n)
        tasks.append((Z, y, rng.uniform(0.3, 2.0, size=n)))
    return tasks


def related(seed=0, n_tasks=20, n=30, n_test=50, spread=(0.0, 0.0, 0.5, 1.0), noise=0.5):
    """Two sets of rows of the same tasks, whose coefficients differ by `spread`; ids first."""
    rng = np.random.RandomState(seed)
    mean = rng.normal(size=len(spread))
    parts = []
    for task in range(n_tasks):
        w, b = mean + spread * rng.normal(size=len(spread)), 0.7 * rng.normal()
        X = rng.normal(size=(n + n_test, len(spread)))
        y = X @ w + b + noise * rng.normal(size=len(X))
        parts.append((np.column_stack([np.full(len(X), task), X]), y))
    rows = (slice(n), slice(n, None))
    return [tuple(np.concatenate([part[k][r] for part in parts]) for k in (0, 1)) for r in rows]
