"""Alternating directions for penalties of any structure, each step exact.

The coefficients have one copy for the loss, and one for each unit of the penalty. The first
solves a ridge-like system of every task, exactly and for any step size from one decomposition
(`resolvent`), so that the condition of X does not matter; the others are proximal maps (Boyd,
Parikh, Chu, Peleato, Eckstein 2011, *Distributed optimization and statistical learning via the
alternating direction method of multipliers*). Differences along the edges of a graph are
linearised in all directions but that of a common shift. The duality gap decides when to stop.
"""

import numpy as np

from skmtl.solvers import feature_sets
from skmtl.solvers.working_set import ROUNDING, Solution

NAME = "splitting"
ROUND = 10  # iterations from one duality gap to the next: a round
PROGRESS = 0.8  # an accelerated point is kept if it reduces the smallest residual so far
MEMORY = 6  # iterations that an accelerated point combines
LARGEST_STATE = 4_000_000  # entries; with more, there is no acceleration
RELAXATION = 1.6
SMALL_PART = 0.01
ADAPTED_ROUNDS = 60  # afterwards the step size stays, as convergence asks for
LARGEST_CHANGE = 5.0
WORTH_A_CHANGE = 1.3
FARTHEST = 1e4  # from the typical curvature of the loss


def solve(problem, *, tol, max_iter, start=None):
    """Minimise a StructuredProblem to a relative duality gap.

    Parameters
    ----------
    problem : StructuredProblem
    tol : float
        Relative duality gap to reach.
    max_iter : int
        Rounds of ten iterations.
    start : ndarray of shape problem.shape, optional
        Parts of the coefficients; without it a path goes on where it was.

    Returns
    -------
    Solution
        ``coef`` are the parts (n_parts, n_kept_features, n_tasks).
    """
    tol = max(tol, ROUNDING)
    if problem.quadratic.energy == 0.0 or not problem.shape[1]:
        return Solution(np.zeros(problem.shape), 0.0, 1, True, NAME)
    options = {"tol": tol, "max_iter": max_iter, "start": start}
    if feature_sets.pays(problem):
        return feature_sets.solve_on_sets(problem, _solve, **options)
    return _solve(problem, **options)


def _solve(problem, *, tol, max_iter, start):
    """On all features of the problem."""
    steps = SplittingSteps(problem, start)
    best, highest, n_iter = None, 0.0, 0
    while True:
        parts, primal, dual = problem.certificate(*steps.point())
        if not np.isfinite(primal) and not n_iter:  # a start outside of the constraints
            parts = np.zeros_like(parts)
            primal = problem.quadratic.energy
        if np.isnan(primal):
            return Solution(parts, np.inf, max(n_iter, 1), False, NAME)
        highest = max(highest, dual)
        if best is None or primal < best[1]:
            best = parts, primal
        gap = problem.gap(best[1], highest)
        if gap <= tol or n_iter >= max_iter:
            steps.remember()
            return Solution(best[0], gap, max(n_iter, 1), bool(gap <= tol), NAME)
        accelerated_round(steps, adapt=n_iter < ADAPTED_ROUNDS)
        n_iter += 1


def accelerated_round(steps, *, adapt):
    """Iterations, then other step sizes if they are needed, else a point that combines iterations.

    That is kept if it is nearer to being fixed than all before; without it this is the plain
    method. Walker, Ni 2011, *Anderson acceleration for fixed-point iterations*, SIAM Journal on
    Numerical Analysis 49.
    """
    before, moves, after = None, [], []
    for number in range(ROUND):
        remembered = number >= ROUND - MEMORY and not steps.is_large
        if remembered and before is None:
            before = steps.state()
        steps.iterate()
        if remembered:
            after.append(steps.state())
            moves.append(after[-1] - before)
            before = after[-1]
    if (adapt and steps.adapt()) or len(moves) < 2:
        return
    differences = np.diff(np.stack(moves), axis=0)
    gram = differences @ differences.T
    gram[np.diag_indices_from(gram)] += 1e-10 * np.trace(gram)
    if not np.trace(gram) > 0:
        return
    weights = np.linalg.solve(gram, differences @ moves[-1])
    jump = after[-1] - weights @ np.diff(np.stack(after), axis=0)
    if not np.isfinite(jump).all():
        return
    plain = steps.copies()
    steps.set_state(jump)
    steps.iterate()
    reached = np.linalg.norm(steps.state() - jump)
    steps.residual = min(steps.residual, np.linalg.norm(moves[-1]))
    if reached > PROGRESS * steps.residual:  # else points could go round in circles
        steps.set_copies(plain)
    else:
        steps.residual = reached


class SplittingSteps:
    """The copies V of the units, their scaled multipliers U, and the inverse step sizes rho.

    Every part has a rho of its own, and every feature a scale, if all units allow that: the
    metric of part i is M_i = rho_i D (n_units I + largest eigenvalue of its edges (I - 11'/T)).

    Parameters
    ----------
    problem : StructuredProblem
    start : ndarray of shape problem.shape, or None
    """

    def __init__(self, problem, start):
        self.problem = problem
        self.cross = problem.quadratic.cross
        self.parts = problem.structure.parts
        self.resolvent = problem.resolvent()
        self.scale = self.resolvent.scale
        self.rho = np.full(len(self.parts), self.resolvent.typical)
        signature = [
            [None if unit.operator is None else unit.operator.shape for unit in part.units]
            for part in self.parts
        ]
        known = problem.memory.get("state")
        if start is None and known is not None and known["signature"] == signature:
            self.rho = known["rho"]
            self.P, self.V = list(known["P"]), [list(Vs) for Vs in known["V"]]
            self.U = [
                [Y / (rho * self.scale) for Y in Ys]
                for rho, Ys in zip(self.rho, known["Ys"], strict=True)
            ]
        else:
            self._start_at(start)
        self.signature = signature
        self.apart = np.zeros(len(self.parts))
        self.moved = np.zeros(len(self.parts))
        units = [part.units for part in self.parts]
        self.plain = np.array([sum(u.operator is None for u in own) for own in units], float)
        self.edges = np.array(
            [sum(u.largest for u in own if u.operator is not None) for own in units], float
        )
        self.relaxation = 1.0 if self.edges.any() else RELAXATION
        self._measure()
        self.set_state(self.state())  # subgradients of this penalty, as the certificate needs

    def _start_at(self, parts):
        problem = self.problem
        zero = parts is None or not parts.any()
        parts = np.zeros(problem.shape) if zero else parts
        self.P = list(parts)
        self.V = [
            [P.copy() if u.operator is None else P @ u.operator for u in part.units]
            for P, part in zip(parts, self.parts, strict=True)
        ]
        Z = 0.0 if zero else self.cross - problem.quadratic.product(parts.sum(axis=0))
        self.U = [
            [
                np.zeros_like(V) + (Z / (r * self.scale * len(Vs)) if u.operator is None else 0.0)
                for u, V in zip(part.units, Vs, strict=True)
            ]
            for r, part, Vs in zip(self.rho, self.parts, self.V, strict=True)
        ]

    def remember(self):
        """Keep all that the next penalty, or the next model of a loss, can start from."""
        self.problem.memory["state"] = {
            "signature": self.signature,
            "rho": self.rho,
            "P": list(self.P),
            "V": [list(Vs) for Vs in self.V],
            "Ys": self.point()[1],
        }

    def point(self):
        """Parts, subgradients and their points."""
        parts = np.stack(
            [
                Vs[0] if part.units[0].operator is None else P
                for part, Vs, P in zip(self.parts, self.V, self.P, strict=True)
            ]
        )
        Ys = [[rho * self.scale * U for U in Us] for rho, Us in zip(self.rho, self.U, strict=True)]
        return parts, Ys, [list(Vs) for Vs in self.V]

    # --- the fixed point ---------------------------------------------------------------------

    @property
    def is_large(self):
        return sum(V.size for Vs in self.V for V in Vs) > LARGEST_STATE

    def _weights(self):
        return [np.sqrt(rho * self.scale) for rho in self.rho]

    def state(self):
        """What an iteration depends on, in its own metric, as one vector."""
        pieces = []
        for number, weight in enumerate(self._weights()):
            pieces += [
                (weight * (V + U)).ravel()
                for V, U in zip(self.V[number], self.U[number], strict=True)
            ]
            if self.edges[number]:
                pieces.append((weight * self.P[number]).ravel())
        return np.concatenate(pieces)

    def set_state(self, state):
        position = 0
        for number, weight in enumerate(self._weights()):
            step = 1.0 / (self.rho[number] * self.scale)
            for k, unit in enumerate(self.parts[number].units):
                V = self.V[number][k]
                z = state[position : position + V.size].reshape(V.shape) / weight
                position += V.size
                self.V[number][k] = unit.prox(z, step)
                self.U[number][k] = z - self.V[number][k]
            if self.edges[number]:
                P = self.P[number]
                self.P[number] = state[position : position + P.size].reshape(P.shape) / weight
                position += P.size

    def copies(self):
        return list(self.P), [list(Vs) for Vs in self.V], [list(Us) for Us in self.U]

    def set_copies(self, copies):
        self.P, self.V, self.U = copies

    def _measure(self):
        """1 / sum 1 / M_i, for directions with mean 0 over the tasks and for their mean."""
        self.inverse_apart = 1.0 / (self.rho * (self.plain + self.edges))
        free = self.plain == 0
        self.inverse_together = np.where(
            free, 0.0, 1.0 / (self.rho * np.where(free, 1, self.plain))
        )
        self.stiff = 1.0 / self.inverse_apart.sum()
        self.stiff_mean = 0.0 if free.any() else 1.0 / self.inverse_together.sum()
        if not self.edges.any():
            self.stiff_mean = self.stiff
        self.mean_solver, self.residual = None, np.inf

    def iterate(self):
        rights = [self._right(number) for number in range(len(self.parts))]
        total = sum(self._divide(number, R) for number, R in enumerate(rights))
        S = self._loss_step(_with_mean(total, self.stiff, self.stiff_mean))
        Y = (self.cross - self.problem.quadratic.product(S)) / self.scale
        P = [self._divide(number, R + Y) for number, R in enumerate(rights)]
        for number, plain in enumerate(self.plain):
            if plain == 0:  # its mean is what the others leave
                P[number] = P[number] + (S - sum(P)).mean(axis=1, keepdims=True)
        self.P = P
        self._prox_steps()

    def _right(self, number):
        """M_i times the point that part i is drawn to, but for the scale of the features."""
        right = np.zeros_like(self.cross)
        for unit, V, U in zip(
            self.parts[number].units, self.V[number], self.U[number], strict=True
        ):
            if unit.operator is None:
                right += V - U
            else:
                P = self.P[number]
                apart = P - P.mean(axis=1, keepdims=True)
                right += unit.largest * apart - (P @ unit.operator - V + U) @ unit.operator.T
        return self.rho[number] * right

    def _divide(self, number, R):
        """M_i^-1 R; the mean over tasks is left out where M_i is 0 for it."""
        apart = self.inverse_apart[number]
        if not self.edges[number]:
            return apart * R
        return _with_mean(R, apart, self.inverse_together[number])

    def _loss_step(self, pull):
        """S with (G_t + D / sum(1 / M)) S = C + D pull."""
        R = self.cross + self.scale * pull
        if self.stiff == self.stiff_mean:
            return self.resolvent.apply(R, self.stiff)
        return self._coupled_step(R, self.stiff, self.stiff_mean - self.stiff)

    def _coupled_step(self, R, c, shift):
        """(G_t + c I) s_t + shift * mean(s) = r_t: a system in the mean first."""
        if self.mean_solver is None:
            inner = np.eye(len(R)) + shift * self.resolvent.mean_inverse(c)
            self.mean_solver = np.linalg.pinv(inner, hermitian=True, rcond=1e-12)
        alone = self.resolvent.apply(R, c)
        mean = self.mean_solver @ alone.mean(axis=1, keepdims=True)
        return alone - self.resolvent.apply(np.repeat(shift * mean, R.shape[1], axis=1), c)

    def _prox_steps(self):
        sizes, pulls = np.zeros(len(self.parts)), np.zeros(len(self.parts))
        for number, (part, P) in enumerate(zip(self.parts, self.P, strict=True)):
            apart = moved = size = pull = 0.0
            Vs, Us = self.V[number], self.U[number]
            step = 1.0 / (self.rho[number] * self.scale)
            for k, unit in enumerate(part.units):
                point = P if unit.operator is None else P @ unit.operator
                relaxed = self.relaxation * point + (1.0 - self.relaxation) * Vs[k]
                V = unit.prox(relaxed + Us[k], step)
                Us[k] = Us[k] + relaxed - V
                apart += np.sum(self.scale * (point - V) ** 2)
                moved += np.sum(self.scale * (V - Vs[k]) ** 2)
                size += np.sum(self.scale * V**2)
                pull += np.sum(self.scale * Us[k] ** 2)
                Vs[k] = V
            self.apart[number], self.moved[number] = apart, moved
            sizes[number], pulls[number] = size, pull
        self.sizes, self.pulls = sizes, pulls

    def adapt(self):
        """Step sizes that balance how far both kinds of residuals are from 0, relatively.

        Returns whether they changed.
        """
        squares = self.rho**2
        joint = _ratio(self.apart.sum(), self.sizes.sum())
        joint = _ratio(joint, _ratio(squares @ self.moved, squares @ self.pulls)) ** 0.25
        if not joint > 0:
            return False
        own = _ratio(_ratio(self.apart, self.sizes), _ratio(self.moved, self.pulls)) ** 0.25
        # A part that is held at 0, or nearly so, has nothing to say of its own.
        told = (own > 0) & (self.sizes > SMALL_PART * self.sizes.sum())
        factors = np.where(told, own, joint)
        factors = np.clip(factors, 1.0 / LARGEST_CHANGE, LARGEST_CHANGE)
        factors[(factors > 1.0 / WORTH_A_CHANGE) & (factors < WORTH_A_CHANGE)] = 1.0
        if (factors == 1.0).all():
            return False
        rho = self.rho * factors
        typical = self.resolvent.typical  # residuals of a part that is held at 0 mislead
        rho = np.clip(rho, typical / FARTHEST, typical * FARTHEST)
        if (rho == self.rho).all():
            return False
        factors, self.rho = rho / self.rho, rho
        self.U = [[U / f for U in Us] for f, Us in zip(factors, self.U, strict=True)]
        self._measure()
        return True


def _ratio(a, b):
    """a / b, and 0 (no reason to act on) where b is next to 0."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    return np.divide(a, b, out=np.zeros_like(a), where=b > 1e-200)


def _with_mean(R, apart, together):
    """apart * R, and together for the mean over the tasks."""
    if apart == together:
        return apart * R
    return apart * R + (together - apart) * R.mean(axis=1, keepdims=True)
