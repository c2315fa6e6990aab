"""Coefficients as sparse combinations of the atoms of a dictionary that all tasks share."""

import numpy as np

from skmtl.solvers.factors import (
    TINY,
    LeftStep,
    principal,
    projected,
    ridge_start,
    smooth_value,
)
from skmtl.solvers.row_span import WHOLE

SEARCH_ROUNDS = 200  # of every start; then only the best goes on
SWEEPS = 400
SWEEPS_PER_POLISH = 8
SETTLED = 1e-13
START_RIDGE = 0.1  # in units of the largest diagonals of the Gram matrices


class SparseCodes:
    """sum_t q_t(L s_t) + alpha_sparse ||S||_1 + alpha_dictionary / 2 ||L||_F^2, for `alternate`.

    With a common model the first atom has the code 1 in all tasks, without a penalty.
    """

    def __init__(self, quadratic, alpha_sparse, alpha_dictionary, *, common):
        self.quadratic = quadratic
        self.alpha_sparse, self.alpha_dictionary = alpha_sparse, alpha_dictionary
        self.n_fixed = int(common)
        self.step = LeftStep(quadratic)

    def right(self, L, S):
        grams, cross = projected(self.quadratic, L)
        start = None if S is None else S[self.n_fixed :].T
        codes = codes_around(grams, cross, self.alpha_sparse, self.n_fixed, start)
        return with_fixed(codes.T, self.n_fixed)

    def left(self, L, S):
        L = self.step.solve(L, S, self.alpha_dictionary * np.eye(len(S)))
        return self.balance(L, S)

    def balance(self, L, S):
        """Scale every atom against its codes: W stays, and the penalty is the least.

        a / c + b c^2 / 2 over c > 0, with a = alpha_sparse ||s||_1 and b = alpha_dictionary
        ||l||^2, is least at c = (a / b)^(1/3).
        """
        a = self.alpha_sparse * np.abs(S).sum(axis=1)
        b = self.alpha_dictionary * np.sum(L**2, axis=0)
        used = (a > 0) & (b > 0)
        used[: self.n_fixed] = False
        scale = np.ones(len(a))
        scale[used] = np.cbrt(a[used] / b[used])
        gone = ~used
        gone[: self.n_fixed] = False
        return np.where(gone, 0.0, L * scale), np.where(gone[:, None], 0.0, S / scale[:, None])

    def value(self, L, S):
        penalty = self.alpha_sparse * np.abs(S[self.n_fixed :]).sum()
        penalty += 0.5 * self.alpha_dictionary * np.sum(L**2)
        return smooth_value(self.quadratic, L @ S) + float(penalty)


def with_fixed(codes, n_fixed):
    """Codes (k, n_tasks) under n_fixed rows of ones."""
    return np.vstack([np.ones((n_fixed, codes.shape[1])), codes]) if n_fixed else codes


def codes_around(grams, cross, alpha, n_fixed, start=None):
    """Sparse codes (n_tasks, k) of the atoms after the first n_fixed, whose codes are 1."""
    cross = cross[:, n_fixed:] - grams[:, n_fixed:, :n_fixed].sum(axis=2)
    grams = grams[:, n_fixed:, n_fixed:]
    return lasso_codes(grams, cross, alpha, np.zeros_like(cross) if start is None else start)


def lasso_codes(grams, cross, alpha, start):
    """argmin of s' Q_t s / 2 - q_t' s + alpha ||s||_1 of every task, (n_tasks, k).

    Coordinate descent, one coordinate of all tasks at a time. In between, the systems on the
    supports are solved, which ends the search for the tasks where the signs and the others'
    gradients agree.
    """
    S = np.array(start, dtype=np.float64)
    todo = np.arange(len(S))
    for _ in range(SWEEPS // SWEEPS_PER_POLISH):
        Q, q = grams[todo], cross[todo]
        s, moved = _sweeps(Q, q, alpha, S[todo])
        exact, right = _on_support(Q, q, alpha, s)
        s[right] = exact[right]
        S[todo] = s
        size = np.maximum(np.abs(s).max(axis=1, initial=0.0), TINY)
        todo = todo[~right & (moved > SETTLED * size)]
        if not len(todo):
            break
    return S


def _sweeps(Q, q, alpha, S):
    """Some sweeps of coordinate descent, and the largest move of every task in the last one."""
    S = S.copy()
    gradient = q - np.einsum("tij,tj->ti", Q, S)
    diagonal = np.einsum("tjj->tj", Q)
    divisor = np.where(diagonal > TINY, diagonal, np.inf)
    for _ in range(SWEEPS_PER_POLISH):
        moved = np.zeros(len(S))
        for j in range(S.shape[1]):
            target = gradient[:, j] + diagonal[:, j] * S[:, j]
            new = np.sign(target) * np.maximum(np.abs(target) - alpha, 0.0) / divisor[:, j]
            step = new - S[:, j]
            gradient -= Q[:, :, j] * step[:, None]
            S[:, j] = new
            np.maximum(moved, np.abs(step), out=moved)
    return S, moved


def _on_support(Q, q, alpha, S):
    """The solution for the signs of S, and for which tasks it is optimal."""
    sign = np.sign(S)
    used = sign != 0
    system = np.where(used[:, :, None] & used[:, None, :], Q, 0.0)
    k = S.shape[1]
    system[:, np.arange(k), np.arange(k)] += ~used
    try:
        solved = np.linalg.solve(system, np.where(used, q - alpha * sign, 0.0)[:, :, None])[..., 0]
    except np.linalg.LinAlgError:
        return S, np.zeros(len(S), dtype=bool)
    gradient = q - np.einsum("tij,tj->ti", Q, solved)
    slack = 1e-10 * (np.abs(q).max(axis=1, initial=0.0, keepdims=True) + alpha)
    right = np.isfinite(solved) & np.where(
        used,
        (solved * sign > 0) & (np.abs(gradient - alpha * sign) <= slack),
        np.abs(gradient) <= alpha + slack,
    )
    return solved, right.all(axis=1)


def starts(quadratic, n_components, alpha_dictionary, *, scale, common, n_init, random, span=WHOLE):
    """Dictionaries (n_features, n_fixed + n_components) to start from.

    The first holds the leading singular vectors of the tasks' ridge fits (Kumar, Daume 2012). The
    others hold, in turn, these fits of some tasks, and random rotations of the first. `scale` is
    a typical curvature of a feature. Nothing depends on the order of the tasks, nor on the basis
    of the span.
    """
    r, n_tasks = quadratic.cross.shape
    mean = None
    if common:
        ones, ridge = np.ones((1, n_tasks)), np.full((1, 1), alpha_dictionary)
        mean = LeftStep(quadratic).solve(np.zeros((r, 1)), ones, ridge)
    W = span.lift(ridge_start(quadratic, START_RIDGE * max(scale, TINY), mean))
    left, values = principal(W, n_components)
    atoms = left * np.sqrt(values)
    missing = n_components - atoms.shape[1]
    if missing:  # more atoms than the tasks' models have dimensions: mixtures of these
        mixed = unit(W @ (W.T @ random.normal(size=(len(W), missing))))
        atoms = np.hstack([atoms, mixed * np.sqrt(values.mean() if len(values) else 0.0)])
    found = [atoms]
    for number in range(1, n_init):
        turn = random.normal(size=(n_components, n_components))
        if number % 2:
            found.append(models_towards(left @ (left.T @ W), atoms @ turn))
        else:
            found.append(atoms @ np.linalg.qr(turn)[0])
    return [np.hstack([span.lift(mean), L]) for L in found] if common else found


def models_towards(W, directions):
    """The columns of W that point the most along each of some directions, or against it."""
    chosen = np.argmax(np.abs(directions.T @ unit(W)), axis=1)
    return unit(W[:, chosen]) * np.sqrt(np.linalg.norm(W[:, chosen], axis=0))


def unit(columns):
    return columns / np.maximum(np.linalg.norm(columns, axis=0), TINY)
