"""Penalties of every kind for 5 features and 3 tasks, written a second time for cvxpy."""

import warnings

import numpy as np
import pytest
from scipy.special import xlogy

from skmtl import penalties
from skmtl.penalties import (
    L1,
    L21,
    CappedRows,
    Common,
    Decomposed,
    Fusion,
    Graph,
    GroupL21,
    L1Inf,
    Multilevel,
    Nuclear,
    RowMCP,
    RowSCAD,
    SpectralBox,
    SquaredL2,
    SquaredNuclear,
    Sum,
    TaskL21,
    TotalVariation,
)

FEATURES, TASKS = 5, 3
FACTOR = [1.0, 0.5, 2.0, 0.0, 3.0]
GROUPS = [0, 0, 1, 1, 2]
EDGES = np.array([[0.0, 2.0, 0.0], [2.0, 0.0, 0.5], [0.0, 0.5, 0.0]])
COMBINATORS = {"Penalty", "Sum", "Decomposed"}

# Every primitive must have a row here: tests/penalties/test_primitives.py says so.
CONVEX = {
    "L1": [L1(0.3), L1(0.3, factor=FACTOR), L1(0.3, positive=True)],
    "L21": [L21(0.7), L21(0.7, factor=FACTOR), L21(0.7, positive=True)],
    "SquaredL2": [SquaredL2(0.8), SquaredL2(0.8, factor=FACTOR)],
    "L1Inf": [L1Inf(0.6), L1Inf(0.6, factor=FACTOR)],
    "TaskL21": [TaskL21(0.5), TaskL21(0.5, factor=[1.0, 0.3, 2.0])],
    "GroupL21": [GroupL21(GROUPS, 0.4), GroupL21(GROUPS, 0.4, weights={0: 1.0, 1: 2.0, 2: 0.5})],
    "Nuclear": [Nuclear(0.9)],
    "SquaredNuclear": [SquaredNuclear(0.4)],
    "SpectralBox": [
        SpectralBox(1, 0.5),
        SpectralBox(1.5, 0.5, spared=0.3),
        SpectralBox(2, 2.0, spared=0.01),
        SpectralBox(7, 0.5),
    ],
    "Graph": [Graph("chain", 0.4), Graph("complete", 0.4), Graph(EDGES, 0.4)],
    "Fusion": [Fusion("chain", 0.3), Fusion("complete", 0.3), Fusion(EDGES, 0.3)],
    "TotalVariation": [TotalVariation(0.3)],
    "Common": [
        Common(),
        Common(L1(0.4)),
        Common(SquaredL2(0.4)),
        Common(L1(0.3) + SquaredL2(0.2, factor=FACTOR)),
        Common(L1(0.2) + L21(0.3)),
        Common(L1(0.2) + GroupL21(GROUPS, 0.3)),
        Common(SquaredL2(0.2) + SquaredL2(0.3)),
    ],
}
CONCAVE = {
    "RowMCP": [RowMCP(0.6), RowMCP(0.6, gamma=1.5)],
    "RowSCAD": [RowSCAD(0.6), RowSCAD(0.6, a=2.5)],
    "CappedRows": [CappedRows(0.5, threshold=1.2), CappedRows(0.5, threshold=1.2, norm="l1")],
    "Multilevel": [Multilevel(0.5)],
}
# Sums and decompositions of the literature, and others that take every way through the solver.
COMPOSED = {
    "dirty": Decomposed(L21(0.3), L1(0.2)),
    "dirty, largest entries": Decomposed(L1Inf(0.4), L1(0.2)),
    "robust features": Decomposed(L21(0.3), TaskL21(0.3)),
    "robust low rank": Decomposed(Nuclear(0.3), TaskL21(0.3)),
    "sparse and low rank": Decomposed(Nuclear(0.3), L1(0.2)),
    "relations and ridge": SquaredNuclear(0.3) + SquaredL2(0.2),
    "common and outliers": Decomposed(Common(), TaskL21(0.2)),
    "data-shared lasso": Decomposed(Common(L1(0.3)), L1(0.2)),
    "mean-regularised": Decomposed(Common(SquaredL2(0.5)), SquaredL2(0.7)),
    "temporal": L21(0.3) + Graph("chain", 0.4) + SquaredL2(0.1),
    "graph and ridge": Graph(EDGES, 0.4) + SquaredL2(0.1),
    "fused sparse group": L1(0.1) + TotalVariation(0.2) + L21(0.1),
    "fused entries": Fusion("chain", 0.1) + L1(0.1),
    "nuclear and entries": Nuclear(0.3) + L1(0.1),
    "groups, rows, entries": GroupL21(GROUPS, 0.3) + L21(0.1) + L1(0.1),
    "clusters around a mean": Decomposed(Common(SquaredL2(0.3)), SpectralBox(1, 0.3)),
    "rows and columns": L21(0.2) + TaskL21(0.2),
    "rows and fusion": L21(0.1) + Fusion("complete", 0.1),
    "sparse groups, entries": Decomposed(L21(0.3) + L1(0.1), L1(0.25)),
    "common sum": Decomposed(Common(L1(0.1) + SquaredL2(0.2)), L1(0.2)),
    "three parts": Decomposed(Common(SquaredL2(0.1)), Decomposed(L21(0.3), L1(0.3))),
    "a free feature": Decomposed(L21(0.3, factor=[0, 1, 1, 1, 1]), L1(0.2)),
    "uneven ridge": Nuclear(0.3) + SquaredL2(0.3, factor=FACTOR),
    "fusion beside common": Decomposed(Common(L1(0.1)), Fusion("chain", 0.1) + SquaredL2(0.2)),
}


def primitives():
    """Names of all public primitives, by the package itself."""
    return sorted(set(penalties.__all__) - COMBINATORS)


def example(name, number=0):
    return (CONVEX | CONCAVE)[name][number]


def listed(table):
    return [
        pytest.param(penalty, id=f"{name} {number}")
        for name, row in table.items()
        for number, penalty in enumerate(row)
    ]


def terms_of(penalty):
    return penalty.terms() if isinstance(penalty, Sum) else [penalty]


def parts_of(penalty):
    """Penalties of the parts of W."""
    if isinstance(penalty, Decomposed):
        return [part for _, part in penalty.parts()]
    return [penalty]


def written(penalty, W, constraints):
    """A convex penalty as a cvxpy expression; adds to the constraints."""
    import cvxpy as cp

    p, n_tasks = W.shape
    name, alpha = type(penalty).__name__, getattr(penalty, "alpha", None)
    factor = np.ones(p if name != "TaskL21" else n_tasks)
    if getattr(penalty, "factor", None) is not None:
        factor = np.asarray(penalty.factor, dtype=float)
    if getattr(penalty, "positive", False):
        constraints.append(W >= 0)
    if isinstance(penalty, Sum):
        return sum(written(term, W, constraints) for term in penalty.terms())
    if name == "L1":
        return alpha * factor @ cp.sum(cp.abs(W), axis=1)
    if name == "L21":
        return alpha * factor @ cp.norm(W, 2, axis=1)
    if name == "L1Inf":
        return alpha * factor @ cp.max(cp.abs(W), axis=1)
    if name == "SquaredL2":
        return alpha / 2 * factor @ cp.sum(cp.square(W), axis=1)
    if name == "TaskL21":
        return alpha * factor @ cp.norm(W, 2, axis=0)
    if name == "GroupL21":
        labels = np.asarray(penalty.groups)
        rows = {g: np.flatnonzero(labels == g) for g in np.unique(labels).tolist()}
        sizes = penalty.weights or {g: np.sqrt(len(own)) for g, own in rows.items()}
        return alpha * sum(sizes[g] * cp.norm(W[own], "fro") for g, own in rows.items())
    if name == "Nuclear":
        return alpha * cp.normNuc(W)
    if name == "SquaredNuclear":
        return alpha / 2 * cp.square(cp.normNuc(W))
    if name == "SpectralBox":  # trace of W' (spared I + M)^-1 W as a Schur complement
        M, S = cp.Variable((p, p), PSD=True), cp.Variable((n_tasks, n_tasks), PSD=True)
        constraints += [
            cp.bmat([[penalty.spared * np.eye(p) + M, W], [W.T, S]]) >> 0,
            np.eye(p) - M >> 0,
            cp.trace(M) <= penalty.rank,
        ]
        return alpha / 2 * cp.trace(S)
    if name == "Common":
        b = cp.Variable((p, 1))
        constraints.append(b @ np.ones((1, n_tasks)) - W == 0)
        return (
            cp.Constant(0.0)
            if penalty.penalty is None
            else written(penalty.penalty, b, constraints)
        )
    if name == "TotalVariation":
        return alpha * sum(cp.norm1(W[:, t] - W[:, t + 1]) for t in range(n_tasks - 1))
    pairs = edges(penalty.graph, n_tasks)
    if name == "Graph":
        return alpha / 2 * sum(a * cp.sum_squares(W[:, s] - W[:, t]) for s, t, a in pairs)
    if name == "Fusion":
        return alpha * sum(a * cp.norm(W[:, s] - W[:, t]) for s, t, a in pairs)
    raise NotImplementedError(f"write {name} for cvxpy")


def edges(graph, n_tasks):
    """(s, t, weight) of every pair of tasks that a graph joins."""
    every = [(s, t) for s in range(n_tasks) for t in range(s + 1, n_tasks)]
    if isinstance(graph, str):
        return [(s, t, 1.0) for s, t in every if graph == "complete" or t == s + 1]
    return [(s, t, graph[s, t]) for s, t in every if graph[s, t]]


def minimum(expression, constraints=()):
    """The least value of a cvxpy expression, by an interior-point method."""
    import cvxpy as cp

    problem = cp.Problem(cp.Minimize(expression), list(constraints))
    tolerances = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem.solve(solver="CLARABEL", **tolerances)
    return problem.value


def optimum(case, penalty, loss, *, task_weight=None, fit_intercept=True):
    """The minimum of the documented objective of a case.

    `loss(y, Z)` gives a cvxpy vector of losses from targets and scores (n, n_columns).
    """
    import cvxpy as cp

    n_columns = getattr(loss, "n_columns", 1)
    shape = (case.n_features, n_columns * case.n_tasks)
    parts, constraints = [cp.Variable(shape) for _ in parts_of(penalty)], []
    W, b = sum(parts), cp.Variable((1, shape[1]))
    total = 0.0
    for t, (X, y, v) in enumerate(case.weighted_tasks(task_weight)):
        own = slice(t * n_columns, (t + 1) * n_columns)
        Z = X @ W[:, own] + (np.ones((len(y), 1)) @ b[:, own] if fit_intercept else 0.0)
        total = total + (v / case.n_bar) @ loss(y, Z)
    for part, P in zip(parts_of(penalty), parts, strict=True):
        if n_columns > 1 and part.relates_tasks:  # labels take the place of features
            P = cp.vstack([P[:, k::n_columns] for k in range(n_columns)])
        total = total + written(part, P, constraints)
    return minimum(total, constraints)


def squared(y, Z):
    import cvxpy as cp

    return cp.square(y - Z[:, 0]) / 2


def huber(y, Z, epsilon=1.35):
    import cvxpy as cp

    return cp.huber(y - Z[:, 0], epsilon) / 2


def poisson(y, Z):
    import cvxpy as cp

    return cp.exp(Z[:, 0]) - cp.multiply(y, Z[:, 0]) - (y - xlogy(y, y))


def logistic(y, Z):
    import cvxpy as cp

    return cp.logistic(cp.multiply(1 - 2 * y, Z[:, 0]))


def multinomial(y, Z):
    import cvxpy as cp

    own = cp.sum(cp.multiply(np.eye(multinomial.n_columns)[y.astype(int)], Z), axis=1)
    return cp.log_sum_exp(Z, axis=1) - own


multinomial.n_columns = 3
