"""Splitting on the features that matter, for penalties that are sums over features.

Where every part of the coefficients has a penalty that is a sum over features, a feature is zero
if its gradient is within the dual balls of all parts. The splitting solver meets the
features in use and those that violate this most; the gap is that of all features.
"""

import numpy as np

SMALLEST_SET = 100
FEWEST_FEATURES = 300  # with fewer, all take part
INNER_SHARE = 0.1


def pays(problem):
    """Whether features can, and may be worth it to, be left out."""
    return problem.shape[1] >= FEWEST_FEATURES and problem.structure.has_scores


def solve_on_sets(problem, solve_all, *, tol, max_iter, start):
    """Minimise a StructuredProblem on growing sets of features.

    Parameters
    ----------
    problem : StructuredProblem
    solve_all : callable
        ``solve_all(problem, *, tol, max_iter, start) -> Solution`` on all features of a problem.
    tol, max_iter, start
        As of the splitting solver.

    Returns
    -------
    Solution
    """
    state = problem.memory.get("state") if start is None else None
    parts = np.zeros(problem.shape) if start is None else start
    if state is not None:
        parts = np.stack([Vs[0] for Vs in state["V"]])
    spent, size, highest, gap = 0, SMALLEST_SET, 0.0, np.inf
    while True:
        scores = problem.structure.scores(problem.correlation(parts))
        rows = _chosen(parts, scores, problem.structure.common_free, size)
        part_problem = problem.restricted(rows)
        if state is not None:
            part_problem.memory["state"] = _rows_of(state, rows)
        share = (
            tol if len(rows) == problem.shape[1] else max(INNER_SHARE * min(gap, 1.0), 0.5 * tol)
        )
        solution = solve_all(part_problem, tol=share, max_iter=max_iter - spent, start=None)
        spent += solution.n_iter
        parts = np.zeros(problem.shape)
        parts[:, rows] = solution.coef
        Z = problem.correlation(parts)
        state = _all_rows(part_problem.memory["state"], rows, Z, problem)
        parts, primal, dual = problem.certificate(parts, state["Ys"], state["V"])
        highest = max(highest, dual)
        gap = problem.gap(primal, highest)
        whole = len(rows) == problem.shape[1]
        if whole:
            gap = min(gap, solution.gap)
        if gap <= tol or spent >= max_iter or whole:
            problem.memory["state"] = state
            return solution._replace(coef=parts, gap=gap, n_iter=spent, converged=bool(gap <= tol))
        size = 2 * len(rows)


def _chosen(parts, scores, always, size):
    """Features in use or always there, and those with the largest scores, `size` in all."""
    used = parts.any(axis=(0, 2)) | always
    size = min(max(size, 2 * int(used.sum())), len(scores))
    if size == len(scores):
        return np.arange(size)
    scores = np.where(used, np.inf, scores)
    return np.sort(np.argpartition(-scores, size - 1)[:size])


def _rows_of(state, rows):
    def cut(lists):
        return [[A[rows] for A in own] for own in lists]

    P = [A[rows] for A in state["P"]]
    return state | {"P": P, "V": cut(state["V"]), "Ys": cut(state["Ys"])}


def _all_rows(state, rows, Z, problem):
    """The state with features that are zero: the gradient there is a subgradient of one unit."""
    full = {"P": [], "V": [], "Ys": []}
    for part, P, Vs, Ys in zip(
        problem.structure.parts, state["P"], state["V"], state["Ys"], strict=True
    ):
        full["P"].append(_put(np.zeros_like(Z), rows, P))
        full["V"].append([_put(np.zeros_like(Z), rows, V) for V in Vs])
        takes = [unit.has_scores for unit in part.units]
        full["Ys"].append(
            [
                _put(Z.copy() if k == takes.index(True) else np.zeros_like(Z), rows, Y)
                for k, Y in enumerate(Ys)
            ]
        )
    return state | full


def _put(out, rows, values):
    out[rows] = values
    return out
