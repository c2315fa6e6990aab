"""A dictionary of task models that grows one task at a time, from sums over the rows only."""

from typing import NamedTuple

import numpy as np

from skmtl.quadratic import Gram
from skmtl.solvers.factors import TINY, alternate, principal, ridge_start, solve_positive
from skmtl.solvers.row_span import WHOLE
from skmtl.solvers.task_dictionary import START_RIDGE, SparseCodes, codes_around


class TaskStatistics(NamedTuple):
    """What a task's rows say about its coefficients: sums around weighted means.

    Attributes
    ----------
    weight : float
        Sum of the sample weights.
    mass : float
        Sum of the weights of the squares (with the squared loss, the same).
    x_mean : ndarray of shape (n_features,)
    y_mean : float
    gram : ndarray of shape (n_features, n_features)
    cross : ndarray of shape (n_features,)
    squares : float
    """

    weight: float
    mass: float
    x_mean: np.ndarray
    y_mean: float
    gram: np.ndarray
    cross: np.ndarray
    squares: float

    @classmethod
    def empty(cls, n_features):
        zeros = np.zeros(n_features)
        return cls(0.0, 0.0, zeros, 0.0, np.zeros((n_features, n_features)), zeros, 0.0)

    @classmethod
    def of_design(cls, design):
        """Those of every task of a Design, in its order."""
        weight, gram, cross = float(design.weights.sum()), design.gram(), design.cross()
        squares = np.sum(design.Y**2, axis=0)
        for k in range(len(design.tasks)):
            y_mean = float(design.y_mean[k])
            yield cls(weight, weight, design.x_mean, y_mean, gram, cross[:, k], float(squares[k]))

    def plus(self, other, *, fit_intercept):
        """The statistics of the rows of both, exactly."""
        mass = self.mass + other.mass
        if mass == 0:
            return self
        share = other.mass / mass
        dx, dy = other.x_mean - self.x_mean, other.y_mean - self.y_mean
        between = self.mass * share if fit_intercept else 0.0
        return TaskStatistics(
            self.weight + other.weight,
            mass,
            self.x_mean + share * dx,
            self.y_mean + share * dy,
            self.gram + other.gram + between * dx[:, None] * dx,
            self.cross + other.cross + between * dy * dx,
            self.squares + other.squares + between * dy**2,
        )


class GrowingDictionary:
    """The dictionary of `SparseCodes`, learned from one task after the other.

    The system for the dictionary is a sum over tasks, A = sum_t s_t s_t' x G_t and B = sum_t s_t
    c_t': a task is entered by adding its term, and changed by taking the old term off first. So
    its cost depends on neither the number of the other tasks nor that of their rows.

    Attributes
    ----------
    L : ndarray of shape (n_features, n_atoms)
    statistics : list of TaskStatistics
    span : RowSpan
        In whose basis L and the statistics are.
    """

    def __init__(
        self, n_features, n_components, alpha_sparse, alpha_dictionary, *, common, span=WHOLE
    ):
        self.span = span
        self.alpha_sparse, self.alpha_dictionary = alpha_sparse, alpha_dictionary
        self.n_fixed = int(common)
        n_atoms = n_components + self.n_fixed
        self.L = np.zeros((n_features, n_atoms))
        self.statistics, self.raw_codes = [], []
        self.unit = np.ones(n_atoms)  # codes are the raw ones over these
        self._forget_sums()

    def _forget_sums(self):
        p, k = self.L.shape
        self.system = np.zeros((k, p, k, p))
        self.right = np.zeros((k, p))
        self.code_sums = np.zeros(k)  # of absolute values
        self.total_weight, self.squares, self.n_learned = 0.0, 0.0, 0

    @property
    def n_bar(self):
        return self.total_weight / max(self.n_learned, 1)

    def add_task(self, statistics):
        """A new task, of which nothing is learned yet; its number."""
        self.statistics.append(statistics)
        self.raw_codes.append(None)
        return len(self.statistics) - 1

    def codes(self):
        """(n_tasks, n_atoms); zeros (but for the common model) where nothing was learned."""
        none = np.zeros(len(self.unit))
        none[: self.n_fixed] = 1.0
        return np.stack([none if s is None else s / self.unit for s in self.raw_codes])

    def update(self, task, statistics):
        """Learn a task from its statistics: its code, then the dictionary (eq. 3 to 5 of ELLA)."""
        if self.raw_codes[task] is not None:
            self._enter(task, -1.0)
            self.raw_codes[task] = None
        self.statistics[task] = statistics
        if statistics.weight == 0:
            return
        self.total_weight += statistics.weight
        self.n_learned += 1
        code = self._code(statistics)
        unused = np.flatnonzero(~self.L.any(axis=0))
        unused = unused[unused >= self.n_fixed]
        if len(unused):
            code = self._open_atom(unused[0], statistics, code)
        self.total_weight -= statistics.weight
        self.n_learned -= 1
        self.raw_codes[task] = code * self.unit
        self._enter(task, 1.0)
        self._solve()

    def _code(self, statistics):
        gram = self.L.T @ statistics.gram @ self.L / self.n_bar
        cross = statistics.cross @ self.L / self.n_bar
        code = np.ones(len(self.unit))
        code[self.n_fixed :] = codes_around(
            gram[None], cross[None], self.alpha_sparse, self.n_fixed
        )[0]
        return code

    def _open_atom(self, atom, statistics, code):
        """What the dictionary leaves of the task becomes an atom, if its code is not zero."""
        ridge = START_RIDGE * max(self.span.diagonal(statistics.gram).max(initial=0.0), TINY)
        system = statistics.gram + ridge * np.eye(len(self.L))
        left = solve_positive(system, statistics.cross - statistics.gram @ (self.L @ code))
        size = np.linalg.norm(left)
        if size == 0:
            return code
        # The scale at which the two penalties of a single code are the least.
        scale = np.cbrt(self.alpha_sparse * size / (self.alpha_dictionary * size**2) * size**2)
        self.L[:, atom] = left * (scale / size)
        code = self._code(statistics)
        if code[atom] == 0:
            self.L[:, atom] = 0.0
        return code

    def _enter(self, task, sign):
        """Add the terms of a task to the sums, or take them off."""
        statistics = self.statistics[task]
        code = self.raw_codes[task] / self.unit
        used = np.flatnonzero(code)
        s = code[used]
        terms = (sign * s[:, None] * s)[:, None, :, None] * statistics.gram[None, :, None, :]
        p = np.arange(len(self.L))
        self.system[np.ix_(used, p, used, p)] += terms
        self.right[used] += sign * s[:, None] * statistics.cross
        self.code_sums += sign * np.abs(code)
        self.total_weight += sign * statistics.weight
        self.squares += sign * statistics.squares
        self.n_learned += int(sign)

    def _solve(self):
        """The best dictionary for the codes, and the best scale of its atoms."""
        p, k = self.L.shape
        system = self.system.reshape(k * p, k * p) / self.n_bar
        system.flat[:: k * p + 1] += self.alpha_dictionary
        self.L = solve_positive(system, self.right.ravel() / self.n_bar).reshape(k, p).T
        a = self.alpha_sparse * np.maximum(self.code_sums, 0.0)
        b = self.alpha_dictionary * np.sum(self.L**2, axis=0)
        scaled = (a > TINY) & (b > TINY)
        scaled[: self.n_fixed] = False
        scale = np.ones(k)
        scale[scaled] = np.cbrt(a[scaled] / b[scaled])
        self._rescale(scale)

    def _rescale(self, scale):
        self.L = self.L * scale
        self.unit = self.unit * scale
        self.code_sums = self.code_sums / scale
        self.right /= scale[:, None]
        self.system /= scale[:, None, None, None] * scale[:, None]

    def objective(self):
        """The objective of `SparseCodes` over the tasks learned so far, from the sums."""
        p, k = self.L.shape
        atoms = self.L.T.ravel()
        product = self.system.reshape(k * p, k * p) @ atoms
        smooth = 0.5 * atoms @ product - self.right.ravel() @ atoms + 0.5 * self.squares
        penalty = self.alpha_sparse * self.code_sums[self.n_fixed :].sum()
        penalty += 0.5 * self.alpha_dictionary * np.sum(self.L**2)
        return float(smooth / max(self.n_bar, TINY) + penalty)

    def _with_unused_atoms(self, quadratic, factors):
        """The atoms, and for those unused what they leave of all tasks together; or None.

        One task alone may not be worth an atom that many are worth.
        """
        unused = np.flatnonzero(~factors.A.any(axis=0))
        unused = unused[unused >= self.n_fixed]
        if not len(unused):
            return None
        largest = np.zeros(len(self.span.lift(self.L)))
        for gram in quadratic.gram:
            np.maximum(largest, self.span.diagonal(gram), out=largest)
        ridge = START_RIDGE * max(float(np.mean(largest)), TINY)
        W = self.span.lift(ridge_start(quadratic, ridge, factors.A @ factors.B))
        left, values = principal(W, len(unused))
        L = factors.A.copy()
        L[:, unused[: len(values)]] = self.span.lower(left * np.sqrt(values))
        return L

    def widen(self):
        """Leave the span of the rows, since rows beyond it come."""
        span, self.span = self.span, WHOLE
        if span.is_whole:
            return
        origins = span.origins(len(self.statistics))
        for task, statistics in enumerate(self.statistics):
            self.statistics[task] = statistics._replace(
                x_mean=span.lift(statistics.x_mean) + origins[task],
                gram=span.lift(span.lift(statistics.gram).T),
                cross=span.lift(statistics.cross),
            )
        self.raw_codes = [None if s is None else s / self.unit for s in self.raw_codes]
        self.L, self.unit = span.lift(self.L), np.ones(len(self.unit))
        self._forget_sums()
        for task, code in enumerate(self.raw_codes):
            if code is not None:
                self._enter(task, 1.0)

    def refresh(self, *, tol, max_iter):
        """Rounds over the stored statistics of all tasks; the Factors."""
        learned = [t for t, code in enumerate(self.raw_codes) if code is not None]
        statistics = [self.statistics[t] for t in learned]
        quadratic = Gram(
            np.stack([s.gram for s in statistics]) / self.n_bar,
            np.stack([s.cross for s in statistics], axis=1) / self.n_bar,
            0.5 * self.squares / self.n_bar,
            [np.array([k]) for k in range(len(learned))],
        )
        model = SparseCodes(
            quadratic, self.alpha_sparse, self.alpha_dictionary, common=bool(self.n_fixed)
        )
        factors = alternate(model, self.L, tol=tol, max_iter=max_iter)
        fuller = self._with_unused_atoms(quadratic, factors)
        if fuller is not None:
            other = alternate(model, fuller, tol=tol, max_iter=max_iter)
            factors = min(factors, other, key=lambda found: found.path[-1])
        self.L, self.unit = factors.A.copy(), np.ones(len(self.unit))
        self._forget_sums()
        for task, code in zip(learned, factors.B.T, strict=True):
            self.raw_codes[task] = code.copy()
            self._enter(task, 1.0)
        return factors
