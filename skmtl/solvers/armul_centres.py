"""The centres of ARMUL: one for all tasks, one of several, or in a subspace."""

from typing import NamedTuple

import numpy as np

from skmtl.solvers.armul import Distances
from skmtl.solvers.armul_newton import Centres, minimise

SEARCH_STEPS = 3  # Newton steps between two assignments
BACKTRACKS = 30
ENOUGH = 1e-4  # of the decrease that a Newton step promises


class Fit(NamedTuple):
    """``state`` and ``z`` (T, p) of the tasks that count, and what the estimator shows.

    ``centers`` (K, p) and ``constants`` (K,) in the origin of the solver, ``labels`` (T,),
    ``path`` of the objective.
    """

    state: Distances
    z: np.ndarray
    centers: np.ndarray
    constants: np.ndarray
    labels: np.ndarray
    gap: float
    n_iter: int
    converged: bool
    path: list


def common_centre(tasks, lam, *, tol, max_iter, start=None):
    """One centre for all tasks: convex, with a certificate."""
    centres = common(tasks, lam)
    solution = minimise(centres, tol=tol, max_iter=max_iter, start=start)
    z, _ = centres.spread(solution.theta)
    center, constant = solution.theta[: centres.p], solution.theta[centres.p :]
    return Fit(
        solution.state,
        z,
        center[None, :],
        constant if len(constant) else np.zeros(1),
        np.zeros(tasks.n_tasks, dtype=int),
        *solution[2:],
    )


def common(tasks, lam):
    ones = np.ones((tasks.n_tasks, 1))
    return Centres(tasks, lam, ones, ones[:, : int(tasks.has_intercept)])


def first_estimates(tasks, lam):
    """Every task by itself, shrunken to the pooled model: slopes (T, p) and constants (T,)."""
    centres = common(tasks, np.ones(tasks.n_tasks))
    z, c = centres.spread(centres.pooled())
    inside = tasks.into_basis(z)
    residual = tasks.h - tasks.values * inside - tasks.k * c[:, None]
    # As many pseudo-rows as there are features, of a variance that is typical of the task.
    shrinkage = tasks.values.mean(axis=1) * tasks.n_features / tasks.sizes
    shrinkage = np.where(shrinkage > 0, shrinkage, 1.0)
    slopes = z + tasks.out_of_basis(residual / (tasks.values + shrinkage[:, None]))
    constants = tasks.y - np.sum(tasks.x[tasks.block] * slopes, axis=1)
    return slopes, constants if tasks.has_intercept else np.zeros(tasks.n_tasks)


# --- clusters ---------------------------------------------------------------------------------


def clustered_centres(tasks, lam, n_clusters, *, n_init, rng, tol, max_iter):
    """One of several centres per task, the best of several starts."""
    slopes, constants = first_estimates(tasks, lam)
    thetas = slopes
    if tasks.has_intercept:
        thetas = np.column_stack([slopes, constants])
    best = None
    for _ in range(n_init):
        seeds = _seeds(tasks, lam, thetas, n_clusters, rng)
        search = Clusters(tasks, lam, seeds)
        search.alternate(tol=1e-3, max_iter=max_iter, steps=SEARCH_STEPS)
        if best is None or search.path[-1] < best.path[-1]:
            best = search
    return best.alternate(tol=tol, max_iter=max_iter, steps=max_iter).fit()


def _seeds(tasks, lam, thetas, n_clusters, rng):
    """k-means++: estimates of tasks that are poorly served by those chosen before."""
    own = _served(tasks, lam, thetas)
    chosen = [rng.randint(len(thetas))]
    cost = _served(tasks, lam, thetas[chosen[0]])
    while len(chosen) < n_clusters:
        excess = np.maximum(cost - own, 0.0)
        total = excess.sum()
        share = excess / total if total > 0 else np.full(len(excess), 1.0 / len(excess))
        chosen.append(rng.choice(len(thetas), p=share))
        cost = np.minimum(cost, _served(tasks, lam, thetas[chosen[-1]]))
    return thetas[chosen]


def _served(tasks, lam, theta):
    """The objective of every task with the centre theta (one for all, or one for each)."""
    theta = np.broadcast_to(theta, (tasks.n_tasks, theta.shape[-1]))
    z = theta[:, : tasks.n_features]
    c = theta[:, -1] if tasks.has_intercept else np.zeros(tasks.n_tasks)
    return tasks.distances(z, c, lam).values


class Clusters:
    """Alternates between the best centre of every task and the best centres of the clusters."""

    def __init__(self, tasks, lam, thetas):
        self.tasks, self.lam, self.thetas = tasks, lam, np.array(thetas)
        self.path, self.n_iter, self.gap, self.converged = [], 0, np.inf, False
        self.labels, self.fresh = None, np.zeros(len(thetas), dtype=bool)

    def _assign(self):
        """Whether a task moved; an empty cluster takes the task that is served worst."""
        costs = np.stack([_served(self.tasks, self.lam, theta) for theta in self.thetas])
        labels = np.argmin(costs, axis=0)
        if self.labels is not None:  # on a tie a task stays
            everyone = np.arange(len(labels))
            better = costs[labels, everyone] < costs[self.labels, everyone] * (1 - 1e-12)
            labels = np.where(better, labels, self.labels)
        sizes = np.bincount(labels, minlength=len(self.thetas))
        order = np.argsort(-costs[labels, np.arange(len(labels))])
        self.fresh[:] = False
        for empty in np.flatnonzero(sizes == 0):
            movable = [t for t in order if sizes[labels[t]] > 1]
            if movable:
                sizes[labels[movable[0]]] -= 1
                labels[movable[0]], sizes[empty], self.fresh[empty] = empty, 1, True
        moved = self.labels is None or (labels != self.labels).any()
        self.labels = labels
        return moved

    def alternate(self, *, tol, max_iter, steps):
        moved = True
        for _ in range(max_iter):
            moved = self._assign()
            stuck = len(self.path) > 1 and self.path[-1] >= self.path[-2]
            if not moved and (self.gap <= tol or stuck):
                break
            self.n_iter += 1
            self._move_centres(tol, steps)
        self.converged = not moved and self.gap <= tol
        return self

    def _move_centres(self, tol, steps):
        objective, excess = 0.0, 0.0
        for k in range(len(self.thetas)):
            members = np.flatnonzero(self.labels == k)
            if not len(members):
                continue
            part = self.tasks.select(members)
            centres = common(part, self.lam[members])
            start = None if self.fresh[k] or len(members) == 1 else self.thetas[k]
            solution = minimise(centres, tol=tol, max_iter=steps, start=start)
            self.thetas[k] = solution.theta
            objective += solution.path[-1]
            excess += solution.gap * part.energy
        self.path.append(objective)
        self.gap = excess / self.tasks.energy if self.tasks.energy > 0 else 0.0

    def fit(self):
        p = self.tasks.n_features
        constants = self.thetas[:, -1] if self.tasks.has_intercept else np.zeros(len(self.thetas))
        z = self.thetas[self.labels, :p]
        state = self.tasks.distances(z, constants[self.labels], self.lam)
        return Fit(
            state,
            z,
            self.thetas[:, :p],
            constants,
            self.labels,
            self.gap,
            self.n_iter,
            self.converged,
            self.path,
        )


# --- a subspace -------------------------------------------------------------------------------


def subspace_centres(tasks, lam, rank, *, tol, max_iter):
    """Centres z_t = Z' a_t in a subspace of some dimension; also the basis Z (rank, p).

    Alternates Newton steps for the coordinates of every task and for the basis. The gap is that
    of the basis given the coordinates, a convex problem.
    """
    slopes, _ = first_estimates(tasks, lam)
    scale = np.sqrt(tasks.sizes / tasks.sizes.mean())
    _, _, right = np.linalg.svd(scale[:, None] * slopes, full_matrices=False)
    Z = right[:rank]
    A = slopes @ Z.T
    constants = common(tasks, np.ones(tasks.n_tasks))
    constant = constants.pooled()[tasks.n_features :]
    ones = np.ones((tasks.n_tasks, len(constant)))
    path, gap, state = [], np.inf, None
    for _ in range(max_iter):
        A, state = _coordinates(tasks, lam, Z, A, ones @ constant, state)
        centres = Centres(tasks, lam, A, ones)
        theta = np.concatenate([Z.ravel(), constant])
        solution = minimise(centres, tol=tol, max_iter=SEARCH_STEPS, start=theta)
        Z, constant = solution.theta[: Z.size].reshape(Z.shape), solution.theta[Z.size :]
        path.append(solution.path[-1])
        orthonormal, upper = np.linalg.qr(Z.T)
        Z, A = orthonormal.T, A @ upper.T
        gap, state = solution.gap, solution.state
        falls = len(path) < 2 or path[-2] - path[-1] > 0.1 * tol * max(tasks.energy, 1e-300)
        if gap <= tol and not falls:
            break
    labels = np.zeros(tasks.n_tasks, dtype=int)
    converged = gap <= tol and not falls
    constants = constant if len(constant) else np.zeros(1)
    z = A @ Z
    state = tasks.distances(z, ones @ constant, lam, state.nu)
    return Fit(state, z, z, constants, labels, gap, len(path), converged, path), Z


def _coordinates(tasks, lam, Z, A, c, state):
    """Newton steps for the coordinates A (T, rank) of all tasks at once."""
    inside = np.stack([tasks.into_basis(np.tile(row, (tasks.n_tasks, 1))) for row in Z], axis=2)
    present = tasks.present[tasks.block]
    within = np.einsum("kp,tp,lp->tkl", Z, present.astype(float), Z)
    within -= np.einsum("tmk,tml->tkl", inside, inside)
    start = None if state is None else state.nu
    state = tasks.distances(A @ Z, c, lam, start)
    for _ in range(SEARCH_STEPS):
        descent = tasks.full(state.residual, state.residual_outside) @ Z.T
        direction = _direction(tasks, Z, inside, within, state, descent)
        promised = np.sum(descent * direction, axis=1)
        step, waiting = np.ones(len(A)), promised > 0
        for _ in range(BACKTRACKS):
            moved = A + (step * waiting)[:, None] * direction
            new = tasks.distances(moved @ Z, c, lam, state.nu)
            worse = state.values - new.values < ENOUGH * step * promised
            worse &= waiting
            if not worse.any():
                break
            step[worse] *= 0.25
        waiting &= ~worse
        A = np.where(waiting[:, None], moved, A)
        state = tasks.distances(A @ Z, c, lam, state.nu)
    return A, state


def _direction(tasks, Z, inside, within, state, descent):
    """Newton directions (T, rank) of every task, damped a little."""
    weights = tasks.values * state.shrink
    H = np.einsum("tmk,tm,tml->tkl", inside, weights, inside)
    H += (tasks.ridge * state.shrink_outside)[:, None, None] * within
    far = np.flatnonzero((state.nu > 0) & np.isfinite(state.nu))
    if len(far):
        _, y, _, scale = Centres.rank_one(tasks, state)
        along = y @ Z.T
        H[far] -= along[:, :, None] * along[:, None, :] / scale[:, None, None]
    whole = np.einsum("tmk,tm,tml->tkl", inside, tasks.values, inside)
    size = np.einsum("tkk->t", whole) + tasks.ridge
    rank = len(Z)
    H += (1e-10 * size + np.finfo(float).tiny)[:, None, None] * np.eye(rank)
    return np.linalg.solve(H, descent[:, :, None])[:, :, 0]
