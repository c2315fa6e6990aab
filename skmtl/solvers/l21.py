"""The l2,1 problem: which method, by their costs.

Newton on the row weights costs about cubes of min(n_rows, support), one for tasks that share their
rows and one per task for others, but needs few steps, whatever the correlations. Coordinate
descent sweeps over n_rows x n_features x n_tasks entries, a number of times that nobody knows
before. So where few tasks share many rows, sweeps in single precision come first, down to a gap
of 3e-2; their number then tells which is cheaper.
"""

import numpy as np
from scipy import sparse

from skmtl.penalties import L21
from skmtl.penalties.base import row_norms
from skmtl.quadratic import Gram
from skmtl.solvers.coordinate_descent import CoordinateDescent
from skmtl.solvers.row_forms import GramForm, KernelForm, KernelsForm, StackForm
from skmtl.solvers.row_weights import NEW_FEATURES, minimise

ROWS_PER_TASK = 30  # with fewer, Newton on the row weights from the start
FIRST_GAP = 3e-2
SWEEPS_TO_COME = 0.7  # per decade of the gap, in units of those to the first gap
SINGLE_GAP = 5e-6  # what single precision reaches safely
MOST_SWEEPS = 200  # more in a stage, and Newton takes over
LARGEST_SIDE = 6000  # of a matrix that is factorised
LARGEST_STACK = 30_000_000  # entries of all matrices that are factorised
NEAR_VIOLATION = 0.95
# Nominal speeds in 1e9 operations a second, one core: only their ratios matter.
NEWTON_SPEED, SWEEP_SPEED = 30.0, 25.0


def is_suited(problem):
    """Whether the penalty is a plain l2,1 norm, with or without ridge."""
    return (
        isinstance(problem.gauge, L21)
        and not problem.gauge.positive
        and not problem.ridge_only.any()
        and problem.shape[0] > 0
    )


class L21Rounds:
    """Improves W in rounds; every round ends at a duality gap of the features it looked at.

    Parameters
    ----------
    problem : Problem
    solver : {"auto", "newton", "coordinate-descent"}
    """

    def __init__(self, problem, solver):
        self.problem = problem
        self.quadratic = problem.quadratic
        self.lam = problem.gauge.weights(problem.shape[0])
        self.ridge = problem.ridge[:, 0]
        self.used = []  # names of the methods, in order
        self.stalled = False
        self.kernel = None
        self.sweeps = self._may_sweep(solver)
        self.first = self.sweeps and solver == "auto"
        self.finish_by_sweeps = False
        self.only_sweeps = self.sweeps and solver == "coordinate-descent"

    def _may_sweep(self, solver):
        """Whether coordinate descent is possible, and worth a try."""
        one_block = self.quadratic.n_blocks == 1
        if solver == "newton" or not one_block or isinstance(self.quadratic, Gram):
            return False
        design = self.quadratic.designs[0]
        equal = np.ptp(self.lam) == 0 and np.ptp(self.ridge) == 0
        if sparse.issparse(design.X) or not equal:
            return False
        n_rows, n_features = design.X.shape
        few_tasks = min(n_rows, n_features) >= ROWS_PER_TASK * self.problem.shape[1]
        return few_tasks or solver == "coordinate-descent"

    def looks_at_all(self, W):
        """Whether a round from W takes in all features, and so needs neither G W nor the gap."""
        if isinstance(self.quadratic, Gram):
            return self._fits_whole()
        one_block = self.quadratic.n_blocks == 1
        return one_block and not self.sweeps and self._suits_kernel(W)

    def improve(self, W, product, gap, tol, max_iter):
        """(W, iterations spent): a round from W with its product G W and gap."""
        W, spent = self._round(W, product, gap, tol, max_iter)
        self.stalled = spent == 0
        return W, spent

    def _round(self, W, product, gap, tol, max_iter):
        if self.quadratic.n_blocks > 1:
            return self._newton_on_stack(W, product, gap, tol, max_iter)
        if isinstance(self.quadratic, Gram):
            return self._newton_on_gram(self.quadratic, W, slice(None), 0.8 * tol, max_iter)
        if self.only_sweeps:
            return self._sweep(W, product, 0.8 * tol, max_iter)
        if self.finish_by_sweeps:
            self.finish_by_sweeps = False
            return self._sweep(W, product, 0.8 * tol, min(max_iter, MOST_SWEEPS))
        if self.first and gap > FIRST_GAP:
            return self._sweep_first(W, tol, max_iter)
        if self._suits_kernel(W):
            return self._newton_on_kernel(W, 0.8 * tol, max_iter)
        return self._newton_on_pool(W, product, gap, tol, max_iter)

    def _fits_whole(self):
        n_features, n_tasks = self.problem.shape
        one_block = self.quadratic.n_blocks == 1
        return one_block or n_tasks * n_features**2 <= LARGEST_STACK

    def _suits_kernel(self, W):
        X = self.quadratic.designs[0].X
        large_support = 3 * max(W.any(axis=1).sum(), NEW_FEATURES) >= 2 * X.shape[0]
        return large_support and X.shape[0] <= LARGEST_SIDE and not sparse.issparse(X)

    def _descent(self, rows, dtype):
        self.used.append("coordinate-descent")
        design, n_bar = self.quadratic.designs[0], self.quadratic.n_bar
        lam, ridge = n_bar * self.lam[0], n_bar * self.ridge[0]
        return CoordinateDescent(design.X[:, rows], design.Y, lam, ridge, dtype)

    def _sweep(self, W, product, gap, max_iter):
        """Sweeps in double precision over the support and what may join it."""
        rows = self._pool(W, product, len(W))
        part, spent = self._descent(rows, np.float64).run(W[rows], gap=gap, max_iter=max_iter)
        W = np.zeros_like(W)
        W[rows] = part
        return W, spent

    def _sweep_first(self, W, tol, max_iter):
        """Sweeps in single precision, as long as they promise to be cheaper than Newton steps."""
        self.first = False
        descent = self._descent(slice(None), np.float32)
        lowest = max(tol, SINGLE_GAP)
        W, spent = descent.run(W, gap=max(FIRST_GAP, lowest), max_iter=min(max_iter, MOST_SWEEPS))
        if spent < min(max_iter, MOST_SWEEPS) and self._sweeps_win(W, spent, tol):
            left = min(max_iter - spent, MOST_SWEEPS)
            W, more = descent.run(W, gap=lowest, max_iter=left)
            self.finish_by_sweeps = more < left
            spent += more
        return W, spent

    def _sweeps_win(self, W, n_sweeps, tol):
        """Whether more sweeps are cheaper than Newton, when so many led to the first gap."""
        n_rows, n_features = self.quadratic.designs[0].X.shape
        n_tasks = W.shape[1]
        support = int(W.any(axis=1).sum())
        to_come = SWEEPS_TO_COME * n_sweeps * np.log10(FIRST_GAP / tol)
        sweep = 2e-9 * n_rows * n_tasks * (n_features + 2 * support) / SWEEP_SPEED
        if support < n_rows:
            newton = n_rows * (1.2 * support) ** 2 + 5 * 1.5 * support**3
        else:
            newton = 5 * (n_rows**2 * (3 * support) + n_rows**3 / 3)
        return to_come * sweep < 1e-9 * newton / NEWTON_SPEED

    def _newton_on_pool(self, W, product, gap, tol, max_iter):
        rows = self._pool(W, product, max(NEW_FEATURES, int(W.any(axis=1).sum())))
        if len(rows) > LARGEST_SIDE:
            return W, 0
        part = self.quadratic.gram_on(rows)
        return self._newton_on_gram(part, W, rows, max(0.1 * gap, 0.5 * tol), max_iter)

    def _newton_on_stack(self, W, product, gap, tol, max_iter):
        if isinstance(self.quadratic, Gram) and self._fits_whole():
            form = StackForm(self.quadratic.per_task(), self.quadratic, self.ridge)
            return self._minimise(form, None, W, slice(None), 0.8 * tol, max_iter)
        rows = self._pool(W, product, max(NEW_FEATURES, int(W.any(axis=1).sum())))
        inner_tol = max(0.1 * gap, 0.5 * tol)
        if not isinstance(self.quadratic, Gram):
            n_rows = self.quadratic.n_rows()
            if len(rows) > 1.5 * n_rows.max() and n_rows.sum() * len(rows) <= LARGEST_STACK:
                n_bar = self.quadratic.n_bar
                form = KernelsForm(self.quadratic.row_parts(rows), n_bar * self.ridge[rows])
                return self._minimise(form, None, W, rows, inner_tol, max_iter, unit=n_bar)
        if W.shape[1] * len(rows) ** 2 > LARGEST_STACK:
            return W, 0
        part = self.quadratic.gram_on(rows)
        form = StackForm(part.per_task(), part, self.ridge[rows])
        return self._minimise(form, None, W, rows, inner_tol, max_iter)

    def _pool(self, W, product, n_new):
        """The support and at most n_new features that are near to joining it."""
        norms = row_norms(self.quadratic.cross - product - self.ridge[:, None] * W) / self.lam
        used = W.any(axis=1)
        norms[used] = np.inf
        size = min(int(used.sum()) + n_new, len(norms))
        rows = np.argpartition(-norms, size - 1)[:size]
        return np.sort(rows[norms[rows] > NEAR_VIOLATION])

    def _newton_on_gram(self, quadratic, W, rows, tol, max_iter):
        cross, back = _rotate(quadratic.cross)
        form = GramForm(quadratic.gram[0], cross, quadratic.energy, self.ridge[rows])
        return self._minimise(form, back, W, rows, tol, max_iter)

    def _newton_on_kernel(self, W, tol, max_iter):
        design, n_bar = self.quadratic.designs[0], self.quadratic.n_bar
        if self.kernel is None:
            Y, self.back = _rotate(design.Y)
            self.kernel = KernelForm(design.X, Y, n_bar * self.ridge, design.single)
        return self._minimise(self.kernel, self.back, W, slice(None), tol, max_iter, unit=n_bar)

    def _minimise(self, form, back, W, rows, tol, max_iter, unit=1.0):
        """Newton steps on the features `rows`, the others become zero; the loss is in units."""
        self.used.append("newton")
        lam = unit * self.lam[rows]
        part, spent = minimise(form, lam, row_norms(W[rows]) / lam, tol=tol, max_iter=max_iter)
        out = np.zeros_like(W)
        out[rows] = part if back is None else part @ back
        return out, spent


def _rotate(A):
    """A in fewer columns and the way back: row norms of W do not change under rotations."""
    if A.shape[1] <= 1.5 * A.shape[0]:
        return A, None
    Q = np.linalg.qr(A.T)[0]
    return A @ Q, Q.T
