"""The centres of ARMUL by Newton steps, with a duality gap.

Once every task is at its best given its centre (`armul.TaskQuadratics.distances`), the objective
is a convex and smooth function of what the centres are linear in. Its Hessian is that of the
losses, less what the deviations of the tasks that are not pooled give way.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import linalg
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, cg

from skmtl.solvers.armul import EPS, Distances, TaskQuadratics, row_norms

LARGEST_DENSE = 2000  # parameters of the centres for which the Hessian is formed
LARGEST_THIN = 300  # the same, for fewer rows than parameters
TRIALS = 40
NEGLIGIBLE = 1e-8  # damping


@dataclass
class Centres:
    """The centres z_t = Z' a_t and c_t = C_t' c of all tasks, linear in Z (K, p) and c.

    A (T, K) and C (T, n_c) are given: a column of ones for a common centre, coordinates in a
    subspace, none for intercepts that are free.
    """

    tasks: TaskQuadratics
    lam: np.ndarray
    A: np.ndarray
    C: np.ndarray

    def __post_init__(self):
        self.K, self.p = self.A.shape[1], self.tasks.n_features
        self.size = self.K * self.p + self.C.shape[1]
        # With few rows most of the Hessian is null: products with it are the cheaper ones.
        few = self.tasks.values.size < self.size
        self.dense = self.size <= (LARGEST_THIN if few else LARGEST_DENSE)
        self.nothing = Distances(*[None] * 7, np.zeros(len(self.A)), *self._no_shrinkage())
        if self.dense:
            self.curvature = self.hessian(self.nothing)
            self.inverse_curvature = pseudo_inverse(self.curvature)

    def _no_shrinkage(self):
        return np.ones_like(self.tasks.values), np.ones(len(self.A))

    def spread(self, theta):
        """Centres z (T, p) and c (T,) of the tasks."""
        Z = theta[: self.K * self.p].reshape(self.K, self.p)
        return self.A @ Z, self.C @ theta[self.K * self.p :]

    def gather(self, vectors, numbers):
        """The adjoint of spread."""
        return np.concatenate([(self.A.T @ vectors).ravel(), self.C.T @ numbers])

    def state(self, theta, start=None):
        z, c = self.spread(theta)
        return self.tasks.distances(z, c, self.lam, None if start is None else start.nu)

    def descent(self, state):
        """Minus the gradient."""
        tasks = self.tasks
        return self.gather(tasks.full(state.residual, state.residual_outside), state.pull)

    @staticmethod
    def rank_one(tasks, state):
        """Tasks with a deviation: y (., p), eta and n'y of the curvature of their norms."""
        far = np.flatnonzero((state.nu > 0) & np.isfinite(state.nu))
        v, q = state.residual[far], state.shrink[far]
        beyond = state.residual_outside
        size = np.sum(v**2, axis=1)
        if beyond is not None:
            size += np.sum(beyond[far] ** 2, axis=1)
        n = v / np.sqrt(size)[:, None]
        inside = np.zeros_like(state.shrink)
        inside[far] = tasks.values[far] * q * n
        scale = np.sum(inside[far] * n, axis=1)
        y = tasks.out_of_basis(inside)[far]
        if beyond is not None:
            n_out = beyond[far] / np.sqrt(size)[:, None]
            outside = (tasks.ridge * state.shrink_outside[far])[:, None] * n_out
            y += outside
            scale += np.sum(outside * n_out, axis=1)
        eta = np.sum(n * q * tasks.k[far], axis=1)
        return far, y, eta, scale

    def _diagonals(self, state):
        """e q in the basis beyond that of the ridge, ridge q, q k and the curvature in c."""
        tasks, q = self.tasks, state.shrink
        rest = tasks.ridge * state.shrink_outside
        inside = np.where(tasks.values > 0, tasks.values * q - rest[:, None], 0.0)
        inverse = tasks.inverse(state.nu, q)
        return inside, rest, q * tasks.k, tasks.kappa - np.sum(inverse * tasks.k**2, axis=1)

    def hessian(self, state):
        """The Hessian in (Z, c), a dense matrix."""
        tasks, A, C, p, K = self.tasks, self.A, self.C, self.p, self.K
        inside, rest, mixed, constant = self._diagonals(state)
        members = csr_array(
            (np.ones(len(A)), (tasks.block, np.arange(len(A)))),
            shape=(len(tasks.basis), len(A)),
        )
        mixed = tasks.out_of_basis(mixed)
        far, y, eta, scale = [None] * 4
        if state.residual is not None:
            far, y, eta, scale = self.rank_one(tasks, state)
            mixed[far] -= y * (eta / scale)[:, None]
            constant[far] -= eta**2 / scale
        H = np.zeros((self.size, self.size))
        flat = tasks.basis.reshape(-1, p)
        for k in range(K):
            for other in range(k + 1):
                both = A[:, k] * A[:, other]
                weights = (members @ (both[:, None] * inside)).reshape(-1, 1)
                part = flat.T @ (weights * flat)
                if tasks.ridge > 0:
                    diagonal = (members @ (both * rest)) @ tasks.present
                    part[np.diag_indices(p)] += diagonal
                if far is not None and len(far):
                    part -= y.T @ ((both[far] / scale)[:, None] * y)
                H[k * p : (k + 1) * p, other * p : (other + 1) * p] = part
                H[other * p : (other + 1) * p, k * p : (k + 1) * p] = part
            H[k * p : (k + 1) * p, K * p :] = mixed.T @ (A[:, k, None] * C)
        H[K * p :, : K * p] = H[: K * p, K * p :].T
        H[K * p :, K * p :] = C.T @ (constant[:, None] * C)
        return H

    def product(self, state):
        """The function v -> H v, without H."""
        tasks = self.tasks
        inside, rest, mixed, constant = self._diagonals(state)
        far = None
        if state.residual is not None:
            far, y, eta, scale = self.rank_one(tasks, state)

        def apply(theta):
            z, c = self.spread(theta)
            coordinates = tasks.into_basis(z)
            out = tasks.out_of_basis(inside * coordinates + mixed * c[:, None])
            if tasks.ridge > 0:
                out += rest[:, None] * z * tasks.present[tasks.block]
            numbers = np.sum(mixed * coordinates, axis=1) + constant * c
            if far is not None and len(far):
                along = (np.sum(y * z[far], axis=1) + eta * c[far]) / scale
                out[far] -= y * along[:, None]
                numbers[far] -= eta * along
            return self.gather(out, numbers)

        return apply

    def solve_curvature(self, right, tol=1e-8):
        """M^+ right for the Hessian M of all tasks pooled; tol where it is not formed."""
        if self.dense:
            return self.inverse_curvature @ right
        return self._conjugate_gradients(self.product(self.nothing), right, tol)

    def newton_direction(self, state, descent, damping):
        if self.dense:
            H = self.hessian(state) + damping * self.curvature
            return solve_damped(H, descent, self.curvature)
        ours, pooled = self.product(state), self.product(self.nothing)
        if damping <= NEGLIGIBLE:  # from 0 conjugate gradients stay where something is curved
            return self._conjugate_gradients(ours, descent, 1e-4)
        return self._conjugate_gradients(lambda v: ours(v) + damping * pooled(v), descent, 1e-4)

    def _conjugate_gradients(self, product, right, tol):
        operator = LinearOperator((self.size, self.size), matvec=product)
        return cg(operator, right, rtol=tol, maxiter=min(self.size, 500))[0]

    def gap(self, state, descent):
        """Duality gap relative to the null objective, and the shift that made it feasible.

        The dual asks for residuals u_t whose correlations rho_t with the features and the constant
        add up to 0 over the tasks, those with the features in the ball of radius lam_t. A shift
        of all models by M^+ times the gradient satisfies the first, a factor the second: on
        those with the features only. What of u_t is orthogonal to all columns stays as it is, so
        the dual value is that part's energy plus sum_t (h_t - rho_t / 2)' H_t^+ rho_t.
        """
        tasks = self.tasks
        shift = self.solve_curvature(descent)
        if tasks.energy == 0.0:  # the targets are fitted without slopes
            return EPS, shift
        if not self.lam.any():  # a quadratic: what a Newton step gains is the gap
            shift = self.newton_direction(state, descent, 0.0)
            return max(0.5 * (descent @ shift) / tasks.energy, EPS), shift
        z, c = self.spread(shift)
        inside = tasks.into_basis(z)
        residual = state.residual - tasks.values * inside - tasks.k * c[:, None]
        pull = state.pull - np.sum(tasks.k * inside, axis=1) - tasks.kappa * c
        size, quadratic = np.sum(residual**2, axis=1), 0.0
        if tasks.ridge > 0:
            beyond = state.residual_outside - tasks.ridge * tasks.beyond_basis(z, inside)
            squares = np.sum(beyond**2, axis=1)
            size, quadratic = size + squares, squares.sum() / tasks.ridge
        slopes, c = tasks.least_squares(residual, 0.0 * pull)
        quadratic += np.sum(residual * slopes)
        linear = np.sum(tasks.h * slopes) + (tasks.kappa * tasks.y - pull) @ c
        slopes, c = tasks.least_squares(0.0 * residual, pull)
        constant = np.sum(tasks.h * slopes) + (tasks.kappa * tasks.y - 0.5 * pull) @ c
        norms = np.sqrt(size)
        largest = np.min(self.lam[norms > 0] / norms[norms > 0], initial=np.inf)
        scale = min(max(linear / quadratic, 0.0) if quadratic > 0 else 0.0, largest)
        dual = tasks.least_energy + constant + scale * linear - 0.5 * scale**2 * quadratic
        return max((state.values.sum() - dual) / tasks.energy, EPS), shift

    def pooled(self):
        """The parameters at which all tasks have the best common centre."""
        tasks = self.tasks
        right = self.gather(tasks.out_of_basis(tasks.h), tasks.kappa * tasks.y)
        return self.solve_curvature(right, tol=1e-13)


class Solution(NamedTuple):
    theta: np.ndarray
    state: Distances
    gap: float
    n_iter: int
    converged: bool
    path: list


def minimise(centres, *, tol, max_iter, start=None):
    """Damped Newton steps for the parameters of the centres, until the gap is below tol."""
    theta = centres.pooled() if start is None else np.array(start)
    state = centres.state(theta)
    path, damping = [state.values.sum()], 1e-10
    for n_iter in range(max_iter + 1):
        descent = centres.descent(state)
        gap, shift = centres.gap(state, descent)
        if gap <= tol or n_iter == max_iter:
            break
        direction = centres.newton_direction(state, descent, damping)
        if descent @ direction <= 0:
            direction = shift
        step = _line_search(centres, theta, state, descent, direction)
        if step is None:
            damping *= 1e3
            if damping > 1e3:
                break
            continue
        theta, state, length = step
        damping = max(damping * (0.1 if length == 1.0 else 10.0), 1e-12)
        path.append(state.values.sum())
    return Solution(theta, state, gap, n_iter, gap <= tol, path)


def _line_search(centres, theta, state, descent, direction):
    """A step that lowers the objective enough: the whole one, or the lowest point on the way.

    Along a direction the slope of the objective is monotone, with kinks where tasks join their
    centre or leave it: its root is found by false position and bisection in turn.
    """
    value, slope = state.values.sum(), descent @ direction
    rounding = 16 * EPS * (abs(value) + centres.tasks.energy)
    low, slope_low, high, slope_high = 0.0, slope, None, None
    length, best = 1.0, None
    for trial in range(TRIALS):
        moved = theta + length * direction
        new = centres.state(moved, state)
        left = centres.descent(new)
        gain = value - new.values.sum()
        if slope <= rounding:  # too small to see: the gradient must fall
            now = descent @ centres.solve_curvature(descent)
            return (moved, new, 1.0) if left @ centres.solve_curvature(left) < 0.5 * now else None
        if gain >= 1e-4 * length * slope and (best is None or gain > best[0]):
            best = gain, (moved, new, length)
        ahead = left @ direction
        if best is not None and (trial == 0 or abs(ahead) <= 0.1 * slope):
            break
        if ahead > 0:
            low, slope_low = length, ahead
            if high is None:  # still falling: the whole step is the lowest point on the way
                return (moved, new, length) if gain > rounding else None
        else:
            high, slope_high = length, ahead
        secant = low + (high - low) * slope_low / (slope_low - slope_high)
        length = secant if trial % 2 else 0.5 * (low + high)
    return best[1] if best else None


def pooling_alpha(tasks, centres):
    """The smallest alpha at which all tasks have the centre, with lam_t = alpha sqrt(n_t)."""
    z, c = centres.spread(centres.pooled())
    inside = tasks.into_basis(z)
    size = row_norms(tasks.h - tasks.values * inside - tasks.k * c[:, None])
    if tasks.ridge > 0:
        size = np.hypot(size, tasks.ridge * row_norms(tasks.beyond_basis(z, inside)))
    return float(np.max(size / np.sqrt(tasks.sizes)))


def pooled_models(tasks):
    """Slopes (p, T) and intercepts (T,) with one centre and no deviation from it."""
    ones = np.ones((tasks.n_tasks, 1))
    if tasks.moments.gram is None:
        theta = Centres(tasks, tasks.sizes, ones, ones[:, : int(tasks.has_intercept)]).pooled()
    else:  # needs no eigenbasis
        counts = np.bincount(tasks.block, minlength=len(tasks.x))
        means = tasks.x[tasks.block]
        weighted = tasks.kappa[:, None] * means
        H = np.tensordot(counts, tasks.moments.gram, 1) + weighted.T @ means
        H[np.diag_indices(len(H))] += tasks.ridge * (counts @ tasks.present)
        right = tasks.target().sum(axis=0)
        if tasks.has_intercept:
            mixed, total = weighted.sum(axis=0)[:, None], tasks.kappa.sum()
            H = np.block([[H, mixed], [mixed.T, total]])
            right = np.append(right, tasks.kappa @ tasks.y)
        theta = pseudo_inverse(H) @ right
    slopes = theta[: tasks.n_features] * tasks.present[tasks.block]
    return tasks.with_intercepts(slopes, theta[-1] if tasks.has_intercept else 0.0)


def pseudo_inverse(matrix):
    return linalg.pinvh(matrix, check_finite=False)


def solve_damped(H, right, curvature):
    """Solution of a system that may be singular where nothing is curved."""
    H = H + (EPS * np.trace(curvature) / len(curvature)) * np.eye(len(H))
    try:
        return linalg.cho_solve(linalg.cho_factor(H, check_finite=False), right, check_finite=False)
    except linalg.LinAlgError:
        return linalg.pinvh(H, check_finite=False) @ right
