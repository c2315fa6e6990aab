"""Ridge under a bound on the rank of the coefficients."""

import numpy as np

from skmtl.solvers.factors import (
    Factors,
    LeftStep,
    alternate,
    goes_on,
    principal,
    projected,
    ridge_start,
    signs,
    smooth_value,
    solve_stack,
)
from skmtl.solvers.row_span import WHOLE

SEARCH_ROUNDS = 50  # of every start; then only the best goes on


class SharedRowsPath:
    """The best fits of all ranks for tasks with the same rows, from their ridge fit.

    With X* = [X; alpha^(1/2) I] and V the right singular vectors of X* W_ridge the best W of rank
    r is W_ridge V_r V_r' (Mukherjee, Zhu 2011, section 2): Eckart, Young in the metric of X*.

    Parameters
    ----------
    design : Design
    ridge : ndarray of shape (n_features, n_tasks)
        The ridge fit of the design.
    alpha : float
    """

    def __init__(self, design, ridge, alpha):
        fitted = design.matmul(ridge)
        if alpha > 0:
            fitted = np.vstack([fitted, np.sqrt(alpha) * ridge])
        _, self.values, right = np.linalg.svd(fitted, full_matrices=False)
        self.right, self.ridge = right, ridge
        self.squares = float(np.sum(design.Y**2))

    def factors(self, rank):
        """W = A B with B (rank, n_tasks) orthonormal."""
        B = self.right[:rank]
        A = self.ridge @ B.T
        turn = signs(A)
        # Half the squares that even the ridge fit leaves, and what the rank costs beyond.
        value = 0.5 * (self.squares - float(np.sum(self.values[:rank] ** 2)))
        return Factors(A * turn, B * turn[:, None], [value], 0.0, True)


class RankBound:
    """sum_t q_t(A b_t) + alpha / 2 ||A B||^2 over A and B, for `alternate`."""

    def __init__(self, quadratic, alpha):
        self.quadratic, self.alpha = quadratic, alpha
        self.step = LeftStep(quadratic)

    def right(self, A, B):
        grams, cross = projected(self.quadratic, A)
        return solve_stack(grams + self.alpha * (A.T @ A), cross).T

    def left(self, A, B):
        """B gets orthonormal rows, those nearest: so the system for A is positive definite."""
        k = len(B)
        if k > B.shape[1] or self.alpha == 0:
            return self.step.solve(A, B, self.alpha * (B @ B.T)), B
        left, values, right = np.linalg.svd(B, full_matrices=False)
        A = ((A @ left) * values) @ left.T
        B = left @ right
        return self.step.solve(A, B, self.alpha * np.eye(k)), B

    def value(self, A, B):
        W = A @ B
        return smooth_value(self.quadratic, W) + 0.5 * self.alpha * float(np.sum(W**2))


def rank_starts(quadratic, rank, alpha, *, scale, n_init, random, span=WHOLE):
    """A (n_features, rank) to start from, none of which depends on the order of the tasks.

    The leading singular vectors of the tasks' ridge fits, then random mixtures of these fits.
    `scale` is a typical curvature of a feature. Neither depends on the basis of the span.
    """
    W = span.lift(ridge_start(quadratic, alpha if alpha > 0 else 1e-3 * scale))
    found = [principal(W, rank)[0]]
    for _ in range(n_init - 1):
        found.append(principal(W @ (W.T @ random.normal(size=(len(W), rank))), rank)[0])
    return found


def reduced_rank(quadratic, rank, alpha, starts, *, tol, max_iter, span=WHOLE):
    """Alternating least squares, the best of several starts after some rounds each.

    Parameters
    ----------
    quadratic : Gram, Rows or MaskedRows
        Not divided by the number of rows.
    starts : list of ndarray of shape (n_features, at most rank)
        A, of all features.
    span : RowSpan
        In whose basis the quadratic is.

    Returns
    -------
    Factors
        With the rows of B orthonormal, in the order of the norms of the columns of A.
    """
    model = RankBound(quadratic, alpha)
    lowered = [span.lower(start) for start in starts]
    rounds = max_iter if len(starts) == 1 else min(SEARCH_ROUNDS, max_iter)
    runs = [alternate(model, start, tol=tol, max_iter=rounds) for start in lowered]
    best = min(runs, key=lambda found: found.path[-1])
    best = goes_on(best, model, tol=tol, max_iter=max_iter)
    A, B = canonical(span.lift(best.A), best.B, rank)
    return best._replace(A=A, B=B)


def unbounded(quadratic, rank, alpha, *, span=WHOLE):
    """The fit of a rank that bounds nothing: ridge per task."""
    model = RankBound(quadratic, alpha)
    A = np.eye(quadratic.cross.shape[0])
    B = model.right(A, None)
    value = model.value(A, B)
    A, B = canonical(span.lift(A), B, rank)
    return Factors(A, B, [value, value], 0.0, True)


def canonical(A, B, rank):
    """The same product from its singular value decomposition; zeros beyond its own rank."""
    p, n_tasks = A.shape[0], B.shape[1]
    Q, R = np.linalg.qr(B.T)
    left, values, right = np.linalg.svd(A @ R.T, full_matrices=False)
    new_A, new_B = left * values, right @ Q.T
    turn = signs(new_A)
    new_A, new_B = new_A * turn, new_B * turn[:, None]
    missing = max(rank - new_A.shape[1], 0)
    return (
        np.hstack([new_A, np.zeros((p, missing))])[:, :rank],
        np.vstack([new_B, np.zeros((missing, n_tasks))])[:rank],
    )
