"""The calibrated multi-task lasso: root mean square residuals plus the l2,1 norm.

    minimise over W:  sum_t ||y_t - X_t w_t||_2 / sqrt(n_t) + sum_j alpha_j ||w^j||_2

A root is the minimum of a quadratic, ||r|| / sqrt(n) = min over s > 0 of (||r||^2 / (n s) + s) / 2,
so that with the noise levels s_t the problem is jointly convex: the minimum over W is a multi-task
lasso in which task t has the weight 1 / (n_t s_t), that over s_t is ||r_t|| / sqrt(n_t).

Where a task is fitted exactly its weight would be infinite. So s_t >= e_t, a small share of the
level of W = 0: a root m below e_t becomes (m^2 / e_t + e_t) / 2, and nothing changes above.

The dual is: maximise sum_t <y_t, u_t> + e_t (1 - n_t ||u_t||^2) / 2 with ||u_t||_2 <= 1 / sqrt(n_t)
and the rows of X'U in the balls of radius alpha_j.

Liu, Wang, Zhao 2014, *Multivariate regression with calibration*, NIPS. Ndiaye, Fercoq, Gramfort,
Leclere, Salmon 2017, *Efficient smoothed concomitant lasso estimation for high dimensional
regression*: the lower bound. Walker, Ni 2011, *Anderson acceleration for fixed-point iterations*:
the steps of the levels.
"""

from copy import copy
from typing import NamedTuple

import numpy as np

from skmtl.design import Design
from skmtl.penalties import L21
from skmtl.quadratic import Gram
from skmtl.solvers.l21 import L21Rounds, is_suited
from skmtl.solvers.working_set import solve

LEAST_LEVEL = 1e-3  # e_t, relative to the level of W = 0
LARGEST_STACK = 30_000_000  # entries of one Gram matrix per task
FIRST_ACCURACY = 1e-2  # of the inner problem, relative to the gap
INNER_TOL = 1e-12  # the smallest that is asked of it
INNER_STEPS = 8  # of Newton in a round, at most; more once the gap does not fall
MEMORY = 5  # rounds from which the next levels are extrapolated
PLAIN_ROUNDS = 3  # before one that does so
LARGEST_STEP = 1.0  # of a logarithm, beyond the step without extrapolation
PATIENCE = 60  # rounds without halving the gap
ROUNDING = 256.0 * np.finfo(float).eps  # of a gap, where residuals are as large as targets


class Calibrated(NamedTuple):
    """Coefficients and noise levels with their certificate.

    ``gap`` is the duality gap relative to the objective of zero coefficients.
    """

    coef: np.ndarray
    noise: np.ndarray
    gap: float
    n_iter: int
    converged: bool


class CalibratedProblem:
    """Root mean square residuals of all tasks, from a squared-loss problem that is read once.

    Parameters
    ----------
    problem : Problem
        With an `L21` penalty and n_bar = 1.
    """

    def __init__(self, problem):
        data = problem.data
        self.problem = problem
        self.sizes = data.task_sizes()
        self.squares = squares_of_targets(data, problem.fit_intercept, problem.free)
        self.null = self.levels(self.squares)
        self.least = LEAST_LEVEL * self.null

    def levels(self, squares):
        """Root mean squares (n_tasks,) from sums of squares; 0 for tasks without rows."""
        mean = np.divide(squares, self.sizes, out=np.zeros_like(squares), where=self.sizes > 0)
        return np.sqrt(np.maximum(mean, 0.0))

    def noise(self, W, product):
        """||r_t|| / sqrt(n_t) of every task; product = G W."""
        cross = self.problem.quadratic.cross
        return self.levels(self.squares + np.sum(W * (product - 2.0 * cross), axis=0))

    def factors(self, level):
        """1 / (n_t s_t), and 0 for tasks whose targets are fitted by W = 0."""
        scale = self.sizes * level
        return np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)

    def objective(self, W, noise):
        """The primal objective, given the noise levels of W."""
        level = np.maximum(noise, self.least)
        squares = np.divide(noise**2, level, out=np.zeros_like(noise), where=level > 0)
        return 0.5 * np.sum(squares + level) + self.problem.gauge.value(W)

    def gap(self, W, product, level):
        """Duality gap relative to the objective of W = 0.

        The dual points are residuals, divided by the noise levels of W or by those that W was
        found for, times the best number at which they are feasible.
        """
        if not self.null.any():
            return np.inf if W.any() else 0.0
        cross, gauge = self.problem.quadratic.cross, self.problem.gauge
        noise = self.noise(W, product)
        along = self.squares - np.sum(cross * W, axis=0)  # <y_t, r_t>
        dual = 0.0
        for point in (np.maximum(noise, self.least), level):
            factors = self.factors(point)
            length = self.sizes * factors * noise  # sqrt(n_t) ||u_t||
            norms = gauge.row_dual_norms((cross - product) * factors)
            largest = max(norms.max(initial=0.0), length.max())
            linear, curvature = factors @ along, self.least @ length**2
            scale = 1.0 / largest if largest > 0 else 0.0
            if linear < scale * curvature:
                scale = max(linear, 0.0) / curvature
            value = scale * linear + 0.5 * (self.least.sum() - scale**2 * curvature)
            dual = max(dual, value)
        gap = (self.objective(W, noise) - dual) / self.null.sum()
        return max(gap, np.finfo(float).eps)

    def rounding(self, noise):
        """The smallest gap that can be asked for: residuals are differences of larger terms."""
        level = np.maximum(noise, self.least)
        return ROUNDING * np.max(self.null[level > 0] / level[level > 0], initial=1.0)

    def alpha_max(self):
        """The smallest alpha at which all penalised coefficients are 0, over the present one."""
        Z = self.problem.quadratic.cross * self.factors(self.null)
        return self.problem.gauge.row_dual_norms(Z).max(initial=0.0)

    def alpha_of_noise(self):
        """A bound on the rows of X'U where there is no signal, over their penalty factors.

        Entry (j, t) is about normal there, with variance ||x_tj||^2 / n_t^2. The length of a
        normal row exceeds its root mean square by sqrt(2 log p) of its largest deviations with a
        probability of at most 1 / p.
        """
        variance = self.feature_squares()
        variance /= np.where(self.sizes > 0, self.sizes, 1.0) ** 2
        length = np.sqrt(variance.sum(axis=1))
        length += np.sqrt(2.0 * np.log(max(len(variance), 1)) * variance.max(axis=1))
        bound = np.max(length / self.problem.gauge.weights(len(length)), initial=0.0)
        return bound if bound > 0 else 1.0  # nothing varies

    def feature_squares(self):
        """||x_tj||^2 (n_kept_features, n_tasks), centred if there is an intercept."""
        squares = np.zeros(self.problem.shape)
        for block in self.problem.data.blocks():
            nothing = np.zeros(len(self.problem.free), dtype=bool)
            design = Design(block, fit_intercept=self.problem.fit_intercept, free=nothing)
            squares[:, block.tasks] = design.squared_norms()[~self.problem.free, None]
        return squares

    def with_alpha(self, alpha):
        """The same tasks under another alpha."""
        other = copy(self)
        penalty = L21(alpha, factor=self.problem.full_penalty.factor)
        other.problem = self.problem.with_penalty(penalty)
        return other

    def weighted(self, factors):
        """The multi-task lasso in which the squared loss of task t has a factor."""
        problem = self.problem
        if len(factors) == 1 and factors[0] > 0:  # then a factor is one of the penalty
            penalty = problem.full_penalty
            options = {"alpha": penalty.alpha / factors[0], "factor": penalty.factor}
            return problem.with_penalty(L21(**options))
        part = copy(problem)
        energy = 0.5 * factors @ self.squares
        part.quadratic = scale_tasks(problem.quadratic, factors, energy)
        return part


def minimise(calibrated, *, tol, max_iter, start=None):
    """`Calibrated` by alternating between noise levels and coefficients.

    Parameters
    ----------
    calibrated : CalibratedProblem
    tol : float
        Relative duality gap to reach.
    max_iter : int
        Rounds, of some Newton steps each.
    start : ndarray of shape problem.shape, optional
    """
    problem = calibrated.problem
    W = np.zeros(problem.shape) if start is None else start
    level, steps, accuracy = calibrated.null, Levels(calibrated.least), FIRST_ACCURACY
    best, waited, n_iter = np.inf, 0, 0
    while True:
        product = problem.quadratic.product(W)
        noise, gap = calibrated.noise(W, product), calibrated.gap(W, product, level)
        gap = np.inf if np.isnan(gap) else gap  # squares exceed the range of floating point
        waited = 0 if gap < 0.5 * best else waited + 1
        done = gap <= max(tol, calibrated.rounding(noise))
        if done or n_iter >= max_iter or waited > PATIENCE or np.isinf(gap):
            return Calibrated(W, noise, gap, max(n_iter, 1), bool(done))
        best, n_iter = gap if waited == 0 else best, n_iter + 1
        accuracy *= 1.0 if waited < 3 else 0.5
        level = steps.next(level, noise, calibrated.objective(W, noise))
        factors = calibrated.factors(level)
        unit = calibrated.null.sum() / (0.5 * factors @ calibrated.squares)
        n_steps = INNER_STEPS * (1 + waited // 4)
        W = improve(calibrated.weighted(factors), W, accuracy * gap * unit, n_steps)


def improve(problem, W, tol, max_iter):
    """W of a multi-task lasso up to a tolerance, but after one Newton step at least.

    Where the gap of the squared loss is g, that of its root may still be of the order of sqrt(g).
    """
    tol = max(tol, INNER_TOL)
    found = solve(problem, tol=tol, max_iter=max_iter, start=W, solver="newton").coef
    if not np.array_equal(found, W) or not is_suited(problem):
        return found
    rounds = L21Rounds(problem, "newton")
    return rounds.improve(W, problem.quadratic.product(W), 0.0, 0.0, 1)[0]


class Levels:
    """Noise levels for the next round, now and then extrapolated from the last ones.

    Without extrapolation they are the noise of the present coefficients, which converges, but
    slowly where the penalty takes much of the signal for noise.

    Parameters
    ----------
    least : ndarray of shape (n_tasks,)
    """

    def __init__(self, least):
        self.least = least
        self.given, self.found, self.objective = [], [], np.inf

    def next(self, level, noise, objective):
        """From the levels of a round and the noise and the objective that they led to."""
        plain = np.maximum(noise, self.least)
        if objective > self.objective:
            self.given, self.found = [], []
        self.objective = objective
        self.given.append(np.log(np.where(level > 0, level, 1.0)))
        self.found.append(np.log(np.where(plain > 0, plain, 1.0)))
        if len(self.given) % (PLAIN_ROUNDS + 1):
            return plain
        given, found = np.array(self.given[-MEMORY:]), np.array(self.found[-MEMORY:])
        change = found - given
        mixing = np.linalg.lstsq(np.diff(change, axis=0).T, change[-1], rcond=1e-8)[0]
        step = np.clip(-mixing @ np.diff(found, axis=0), -LARGEST_STEP, LARGEST_STEP)
        return np.where(plain > self.least, np.maximum(plain * np.exp(step), self.least), plain)


def squares_of_targets(data, fit_intercept, free):
    """||y_t||^2 of every task, orthogonal to the intercept and the free features."""
    squares = np.zeros(data.n_tasks)
    for block in data.blocks():
        block = block._replace(X=block.X[:, free] if free.any() else np.zeros((len(block.Y), 0)))
        all_free = np.ones(block.X.shape[1], dtype=bool)
        design = Design(block, fit_intercept=fit_intercept, free=all_free)
        squares[block.tasks] = np.sum(design.Y**2, axis=0)
    return squares


def scale_tasks(quadratic, factors, energy):
    """A quadratic with the part of task t multiplied by a factor; nothing is read again."""
    n_features, n_tasks = quadratic.cross.shape
    if isinstance(quadratic, Gram) and n_tasks * n_features**2 <= LARGEST_STACK:
        gram = quadratic.per_task() * factors[:, None, None]
        return Gram(gram, quadratic.cross * factors, energy, list(np.arange(n_tasks)[:, None]))
    return ScaledTasks(quadratic, factors, energy)


class ScaledTasks:
    """`scale_tasks` of rows, and of Gram matrices too large to have one for each task."""

    def __init__(self, quadratic, factors, energy):
        self.quadratic, self.factors, self.energy = quadratic, factors, energy
        self.cross = quadratic.cross * factors
        self.n_tasks = self.n_blocks = len(factors)
        self.n_bar = 1.0

    def product(self, W):
        return self.quadratic.product(W) * self.factors

    def diagonal(self):
        """Bound on the second derivative of every feature."""
        return self.quadratic.diagonal() * self.factors.max()

    def restrict(self, rows):
        return scale_tasks(self.quadratic.restrict(rows), self.factors, self.energy)

    def gram_on(self, rows):
        part = self.quadratic.gram_on(rows)
        gram = part.per_task() * self.factors[:, None, None]
        return Gram(gram, self.cross[rows], self.energy, list(np.arange(self.n_tasks)[:, None]))

    def n_rows(self):
        """Rows of every task; of Gram matrices, as many as there are features."""
        if isinstance(self.quadratic, Gram):
            return np.full(self.n_tasks, len(self.cross))
        return np.broadcast_to(self.quadratic.n_rows(), self.n_tasks)

    def row_parts(self, rows):
        """(X, Y, tasks) of every task, with some features."""
        root = np.sqrt(self.factors)
        return [
            (X * root[task], Y[:, [column]] * root[task], np.array([task]))
            for X, Y, tasks in self.quadratic.row_parts(rows)
            for column, task in enumerate(tasks)
        ]
