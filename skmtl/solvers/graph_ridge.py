"""Ridge of many tasks on a graph: (G_t + alpha) w_t + beta sum_s L_ts w_s = c_t for all tasks.

G_t and c_t are the Gram matrix and the correlations of task t about its means, L the Laplacian
of the graph. With one G for all tasks this is a Sylvester equation, solved in the eigenbases of
G and L. Otherwise it is solved directly where it is small, and by preconditioned conjugate
gradients where it is not.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import linalg, sparse

from skmtl.design import Design

LARGEST_DIRECT = 1500  # unknowns of a dense system
LARGEST_STACK = 50_000_000  # entries of the Gram matrices of all tasks, or twice the size of X
LARGEST_BASIS = 3000  # features up to which the mean Gram matrix is decomposed
SPARSE_GRAPH = 0.1  # share of edges below which a sparse Laplacian pays


@dataclass
class NormalEquations:
    """What the squared loss says of every task; B blocks of tasks with the same rows.

    ``grams`` (B, p, p), or None and ``designs`` instead; ``tasks`` of every block; ``cross``,
    ``x_mean`` (p, T) and ``y_mean`` (T,).
    """

    grams: np.ndarray | None
    designs: list | None
    tasks: list
    cross: np.ndarray
    x_mean: np.ndarray
    y_mean: np.ndarray

    @property
    def own_rows(self):
        return all(len(tasks) == 1 for tasks in self.tasks)

    def product(self, W):
        """G_t w_t for all tasks, (p, T)."""
        if self.grams is not None and self.own_rows:
            out = np.empty_like(W)
            order = np.concatenate(self.tasks)
            out[:, order] = np.matmul(self.grams, W.T[order][:, :, None])[:, :, 0].T
            return out
        out = np.zeros_like(W)
        for b, tasks in enumerate(self.tasks):
            if self.grams is not None:
                out[:, tasks] = self.grams[b] @ W[:, tasks]
            else:
                out[:, tasks] = self.designs[b].rmatmul(self.designs[b].matmul(W[:, tasks]))
        return out

    def intercepts(self, W):
        return self.y_mean - np.sum(self.x_mean * W, axis=0)


def read_equations(data, fit_intercept):
    """NormalEquations of a TaskData; X stays as it is where Gram matrices would be larger."""
    p, n_tasks = data.n_features, data.n_tasks
    free = np.zeros(p, dtype=bool)
    n_blocks = len(data.groups())
    stack = n_blocks * p**2 <= max(LARGEST_STACK, 2 * data.X.shape[0] * p)
    stack &= n_blocks > 1 or p <= data.X.shape[0]
    grams, designs, tasks = [], [], []
    cross, x_mean, y_mean = np.zeros((p, n_tasks)), np.zeros((p, n_tasks)), np.zeros(n_tasks)
    for block in data.blocks():
        design = Design(block, fit_intercept=fit_intercept, free=free)
        tasks.append(design.tasks)
        cross[:, design.tasks] = design.cross()
        x_mean[:, design.tasks] = design.x_mean[:, None]
        y_mean[design.tasks] = design.y_mean
        if stack:
            grams.append(design.gram())
            design.forget_rows()
        designs.append(design)
    grams = np.stack(grams) if stack else None
    return NormalEquations(grams, None if stack else designs, tasks, cross, x_mean, y_mean)


def equations_of_sums(sums, centred):
    """NormalEquations of TaskSums and their CentredSums."""
    x_mean = np.broadcast_to(centred.x_mean, centred.cross.shape)
    return NormalEquations(
        centred.gram, None, list(sums.tasks), centred.cross, x_mean, centred.y_mean
    )


class GraphSolution(NamedTuple):
    """``coef`` (p, T), the norm of the residual relative to that of the right-hand side."""

    coef: np.ndarray
    residual: float
    n_iter: int
    converged: bool


def make_graph_form(equations, laplacian):
    """The form that suits the data: ``solve(alpha, beta, tol, max_iter, start)``."""
    if len(equations.tasks) == 1:
        return SylvesterForm(equations, laplacian)
    if equations.cross.size <= LARGEST_DIRECT and equations.grams is not None:
        return DirectForm(equations, laplacian)
    return IterativeForm(equations, laplacian)


class GraphForm:
    """What all forms share: the equations and their residual."""

    def __init__(self, equations, laplacian):
        self.equations, self.laplacian = equations, laplacian
        self.operator = laplacian
        if np.count_nonzero(laplacian) < SPARSE_GRAPH * laplacian.size:
            self.operator = sparse.csr_array(laplacian)

    def product(self, W, alpha, beta):
        return self.equations.product(W) + alpha * W + beta * (self.operator @ W.T).T

    def _certified(self, W, alpha, beta):
        """A direct solution with its residual."""
        right = self.equations.cross
        size = np.linalg.norm(right)
        left = np.linalg.norm(right - self.product(W, alpha, beta))
        return GraphSolution(W, left / size if size > 0 else 0.0, 1, True)


class SylvesterForm(GraphForm):
    """All tasks share their rows: two eigenbases serve all penalties."""

    def __init__(self, equations, laplacian):
        super().__init__(equations, laplacian)
        if equations.grams is not None:
            self.values, self.basis = np.linalg.eigh(equations.grams[0])
        else:  # more features than rows
            design = equations.designs[0]
            values, left = np.linalg.eigh(design.kernel())
            kept = values > len(values) * np.finfo(float).eps * max(values[-1], 0.0)
            self.values = values[kept]
            self.basis = design.rmatmul(left[:, kept]) / np.sqrt(self.values)
        self.values = np.maximum(self.values, 0.0)
        self.frequencies, self.modes = graph_modes(laplacian)
        self.rotated = self.basis.T @ equations.cross @ self.modes

    def solve(self, alpha, beta, *, tol, max_iter, start=None):
        scale = self.values[:, None] + alpha + beta * self.frequencies
        noise = len(self.values) * np.finfo(float).eps * self.values.max(initial=0.0)
        seen = scale > noise
        W = np.divide(self.rotated, scale, out=np.zeros_like(self.rotated), where=seen)
        return self._certified(self.basis @ W @ self.modes.T, alpha, beta)


class DirectForm(GraphForm):
    """One dense system in all coefficients."""

    def solve(self, alpha, beta, *, tol, max_iter, start=None):
        equations = self.equations
        p, n_tasks = equations.cross.shape
        system = np.zeros((n_tasks, p, n_tasks, p))
        for gram, tasks in zip(equations.grams, equations.tasks, strict=True):
            system[tasks, :, tasks, :] = gram
        features = np.arange(p)
        graph = alpha * np.eye(n_tasks) + beta * self.laplacian
        system[:, features, :, features] += graph
        right = equations.cross.T.ravel()
        solved = solve_or_least(system.reshape(right.size, right.size), right)
        return self._certified(solved.reshape(n_tasks, p).T, alpha, beta)


class IterativeForm(GraphForm):
    """Conjugate gradients, preconditioned by every task's own block or by the mean task.

    The blocks suit weak ties; with strong ones all tasks have nearly the same coefficients, and
    the system in which every task has the mean Gram matrix, a Sylvester equation, is close.
    """

    def __init__(self, equations, laplacian):
        super().__init__(equations, laplacian)
        p, n_tasks = equations.cross.shape
        self.mean = None
        if equations.grams is not None:
            counts = np.array([len(tasks) for tasks in equations.tasks])
            self.typical = counts @ np.einsum("bjj->b", equations.grams) / (p * n_tasks)
            if p <= LARGEST_BASIS:
                self.mean = np.linalg.eigh(np.tensordot(counts, equations.grams, 1) / n_tasks)
        else:
            norms = [len(d.tasks) * d.squared_norms().sum() for d in equations.designs]
            self.typical = np.sum(norms) / (p * n_tasks)
        self.frequencies, self.modes = graph_modes(laplacian)

    def solve(self, alpha, beta, *, tol, max_iter, start=None):
        right = self.equations.cross
        apply = self._preconditioner(alpha, beta)
        size = np.linalg.norm(right)
        if size == 0:
            return GraphSolution(np.zeros_like(right), 0.0, 1, True)
        W = np.zeros_like(right) if start is None else start.copy()
        residual = right - self.product(W, alpha, beta)
        direction, before = None, 1.0
        largest = np.finfo(float).eps * beta * self.frequencies[-1] / size
        for n_iter in range(max_iter + 1):
            relative = np.linalg.norm(residual) / size
            # Below the rounding of the product a residual cannot be told from 0.
            within = max(tol, 16.0 * largest * np.linalg.norm(W))
            if relative <= within or n_iter == max_iter:
                break
            if n_iter and n_iter % 50 == 0:  # what was updated drifts from what it stands for
                residual = right - self.product(W, alpha, beta)
            step = apply(residual)
            now = np.sum(residual * step)
            direction = step if direction is None else step + (now / before) * direction
            product = self.product(direction, alpha, beta)
            curvature = np.sum(direction * product)
            if not curvature > 0:
                break
            length = now / curvature
            W += length * direction
            residual -= length * product
            before = now
        return GraphSolution(W, float(relative), max(1, n_iter), bool(relative <= within))

    def _preconditioner(self, alpha, beta):
        ties = beta * np.mean(np.diag(self.laplacian))
        if self.equations.grams is not None and (ties <= self.typical or self.mean is None):
            return self._blocks(alpha, beta)
        values, basis = (np.array([self.typical]), None) if self.mean is None else self.mean
        scale = values[:, None] + alpha + beta * self.frequencies
        # What no task and no edge sees stays 0.
        seen = scale > 1e-12 * values.max()
        inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=seen)

        def apply(R):
            rotated = R @ self.modes if basis is None else basis.T @ R @ self.modes
            solved = (rotated * inverse) @ self.modes.T
            return solved if basis is None else basis @ solved

        return apply

    def _blocks(self, alpha, beta):
        floor = 1e-8 * max(self.typical, np.finfo(float).tiny)
        equations, own = self.equations, np.diag(self.laplacian)
        eye = np.eye(len(equations.cross))
        strengths = np.array([alpha + beta * own[tasks].mean() for tasks in equations.tasks])
        grams = equations.grams + np.maximum(strengths, floor)[:, None, None] * eye
        inverses = NormalEquations(np.linalg.inv(grams), *[None] * 5)
        inverses.tasks = equations.tasks
        return inverses.product


def graph_modes(laplacian):
    """Eigenvalues of a Laplacian, exactly 0 where no edge is crossed, and eigenvectors."""
    frequencies, modes = np.linalg.eigh(laplacian)
    noise = len(frequencies) * np.finfo(float).eps * frequencies[-1]
    return np.where(frequencies > noise, frequencies, 0.0), modes


def solve_or_least(system, right):
    """Solution of a positive semidefinite system, of least norm where it is singular."""
    try:
        factor = linalg.cho_factor(system, lower=True, check_finite=False)
        if np.diag(factor[0]).min() ** 2 > 1e-13 * np.trace(system) / len(system):
            return linalg.cho_solve(factor, right, check_finite=False)
    except linalg.LinAlgError:
        pass
    return linalg.pinvh(system, check_finite=False) @ right
