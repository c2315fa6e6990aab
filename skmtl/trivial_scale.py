"""The smallest factor of a penalty at which all that it can set to zero is zero.

It is the top of a path, where the model is zero, pooled, or what the squared penalties leave.
"""

from functools import reduce

import numpy as np
from scipy import optimize

from skmtl.penalties import Common, Decomposed, Sum
from skmtl.penalties.spectral import SquaredPenalty
from skmtl.penalties.structure import Structure
from skmtl.quadratic import Gram
from skmtl.solvers import splitting
from skmtl.structured_problem import StructuredProblem

RIDGE_TOP = 1e3  # times the largest curvature: squared penalties alone never give zeros
ACCURACY = 1e-10
MOST_STEPS = 3000
LOWEST = 12.0  # logarithm
NOTHING = 1e-7  # coefficients below this share of their target are zeros


def trivial_scale(problem, solve):
    """The factor by which the penalty of a structured problem must grow.

    Parameters
    ----------
    problem : StructuredProblem or StructuredLossProblem
    solve : callable
        Of the same kind of problem.

    Returns
    -------
    float
        Infinite if no factor makes anything zero.
    """
    parts = parts_of(problem.full_penalty)
    gauges = [part for _, part in parts if _can_be_zero(part)]
    return _scale_of_gauges(problem, parts, gauges, solve) if gauges else np.inf


def _scale_of_gauges(problem, parts, gauges, solve):
    others = [part for _, part in parts if not _can_be_zero(part)]
    free = [part.common_free(problem.n_features).all() for _, part in parts]
    pools = any(free)  # zero differences, not coefficients
    if len(gauges) + sum(free) >= len(parts):
        Z = problem.null_correlation(Common() if pools else None, solve)
        if pools:  # 0 at the optimum, but for the accuracy of the solver
            Z = Z - Z.mean(axis=1, keepdims=True)
        return _largest_dual_norm(problem, gauges, Z)
    return _where_squares_leave_nothing(problem, gauges, others, solve)


def _where_squares_leave_nothing(problem, gauges, others, solve):
    """The scale where the rest after the squared penalties is just within the dual balls."""

    def excess(log_scale):
        scale = np.exp(log_scale)
        left = reduce(Decomposed, [part.scaled(scale) for part in others])
        norm = _largest_dual_norm(problem, gauges, problem.null_correlation(left, solve))
        return np.log(max(norm, np.finfo(float).tiny)) - log_scale

    nothing = _largest_dual_norm(problem, gauges, problem.null_correlation(None, solve))
    high = np.log(max(nothing, np.finfo(float).tiny))
    while excess(high) > 0:
        high += 1.0
    low = high - 1.0
    while excess(low) < 0:
        if low < high - LOWEST:  # the squares take all, however small they are
            return np.inf
        low -= 1.0
    return float(np.exp(optimize.brentq(excess, low, high, xtol=1e-8)))


def parts_of(penalty):
    return penalty.parts() if isinstance(penalty, Decomposed) else [("", penalty)]


def _can_be_zero(penalty):
    """Whether some term has a kink where the part is zero (or the same for all tasks)."""
    if isinstance(penalty, Common):
        return penalty.penalty is not None and _can_be_zero(penalty.penalty)
    terms = penalty.terms() if isinstance(penalty, Sum) else [penalty]
    kinks = [t for t in terms if t.gauge() is not None and not isinstance(t, SquaredPenalty)]
    return any(getattr(term, "alpha", 1.0) > 0 for term in kinks)


def _largest_dual_norm(problem, penalties, Z):
    norms = [_dual_norm(problem.on_columns(penalty), Z) for penalty in penalties]
    return max(norms, default=0.0)


def _dual_norm(penalty, Z):
    """The smallest factor at which the proximal map of Z is zero."""
    (part,) = Structure(penalty, *Z.shape).parts
    gauges = [unit for unit in part.units if _has_kink(unit)]
    zeros = np.zeros_like(Z)
    if len(gauges) == 1 and gauges[0].operator is None:
        return gauges[0].conjugate(Z, None, zeros)[0]
    high = min(unit.conjugate(Z, None, zeros)[0] for unit in gauges)
    if not 0 < high < np.inf:
        return high
    if all(unit.operator is None for unit in gauges):
        return _dual_norm_of_sum(gauges, Z)
    return _dual_norm_by_bisection(penalty, Z, high)


def _has_kink(unit):
    """Whether a unit may hold a part at zero; squares may not, and have no say there."""
    if unit.operator is not None:
        return True
    return any(not isinstance(g, SquaredPenalty) for g in getattr(unit, "gauges", ()))


def _dual_norm_of_sum(units, Z):
    """1 / min of the sum of gauges over <Z, W> = 1, by alternating directions with both bounds."""
    size = np.linalg.norm(Z)
    Z = Z / size
    V = [Z.copy() for _ in units]
    U = [np.zeros_like(Z) for _ in units]
    rho, low, high = sum(unit.value(Z) for unit in units), 0.0, np.inf
    for _ in range(MOST_STEPS):
        before = V
        W = sum(v - u for v, u in zip(V, U, strict=True)) / len(units)
        W = W + (1.0 - np.sum(Z * W)) * Z
        V = [unit.prox(W + u, 1.0 / rho) for unit, u in zip(units, U, strict=True)]
        U = [u + W - v for u, v in zip(U, V, strict=True)]
        along = np.sum(Z * V[0])
        if along > 0:
            value = sum(unit.value(V[0]) for unit in units) / along
            low = max(low, 1.0 / value if value > 0 else 0.0)
        high = min(high, _split_bound(units, [rho * u for u in U], V, Z))
        if high - low <= ACCURACY * high:
            break
        apart = np.sqrt(sum(np.sum((W - v) ** 2) for v in V))
        moved = np.sqrt(sum(np.sum((v - b) ** 2) for v, b in zip(V, before, strict=True)))
        factor = np.clip(apart / max(moved, np.finfo(float).tiny), 0.5, 2.0)
        if abs(np.log(factor)) > 0.5:
            rho, U = rho * factor, [u / factor for u in U]
    return size * high


def _split_bound(units, Ys, Vs, Z):
    """The largest dual norm of a split of Z that is close to the subgradients Ys."""
    total = sum(Ys)
    level = np.sum(total * Z)
    if not level > 0:
        return np.inf
    missing = level * Z - total
    norms = [u.conjugate(Y, Y, V)[0] for u, Y, V in zip(units, Ys, Vs, strict=True)]
    best = np.inf
    for k, (unit, Y, V) in enumerate(zip(units, Ys, Vs, strict=True)):
        rest = max([norm for j, norm in enumerate(norms) if j != k])
        best = min(best, max(unit.conjugate(Y + missing, Y, V)[0], rest))
    return best / level


def _dual_norm_by_bisection(penalty, Z, high):
    quadratic = Gram(np.eye(len(Z))[None], Z, 0.5 * np.sum(Z**2), [np.arange(Z.shape[1])])
    problem = StructuredProblem.of_quadratic(quadratic, penalty)

    def moves(scale):
        other = problem.with_penalty(penalty.scaled(scale))
        W = splitting.solve(other, tol=ACCURACY, max_iter=300).coef.sum(axis=0)
        return np.linalg.norm(W) > NOTHING * np.linalg.norm(Z)

    low = 0.0
    while high - low > 1e-8 * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if moves(middle) else (low, middle)
    return high
