"""Penalties of the differences between tasks: given graphs, fusion, time, a common model."""

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from skmtl.graphs import adjacency, laplacian
from skmtl.penalties.base import Penalty, Sum, composable, row_norms
from skmtl.penalties.groups import Classwise, TaskL21
from skmtl.penalties.total_variation import total_variation_prox

EQUAL = 1e-4  # shorter differences, relative to the largest coefficients, are solver errors


class GraphPenalty(Penalty):
    """A penalty over the edges of a graph of tasks."""

    relates_tasks = True
    ignores_common = True

    def check(self, n_features, n_tasks=None):
        super().check(n_features, n_tasks)
        by_ids = isinstance(self.graph, dict) or hasattr(self.graph, "columns")
        if n_tasks is not None and not by_ids:
            adjacency(self.graph, np.arange(n_tasks))

    def for_columns(self, labels, tasks, n_classes=1):
        weights = adjacency(self.graph, labels, named=True)[np.ix_(tasks, tasks)]
        if n_classes > 1:
            weights = self._for_classes(weights, n_classes)
        return type(self)(weights, self.alpha)

    def _for_classes(self, weights, n_classes):
        raise ValueError(
            f"{type(self).__name__} is for tasks with one column of coefficients each, but these "
            f"have {n_classes} labels: use Graph, or two labels."
        )

    def links(self, n_tasks):
        return self._adjacency(n_tasks) > 0

    def _adjacency(self, n_tasks):
        return adjacency(self.graph, np.arange(n_tasks))


class Graph(GraphPenalty):
    """Ridge of differences alpha / 2 * sum over edges a_st ||w_s - w_t||^2: like tasks are near.

    Parameters
    ----------
    graph : array-like or sparse matrix of shape (n_tasks, n_tasks), dict, "chain" or "complete"
        Weights a_st in the order of the sorted task ids, or by pair of task ids; "chain": tasks
        in the order of their ids; "complete": all pairs, with weight 1.
    alpha : float, default=1.0

    References
    ----------
    Evgeniou, Micchelli, Pontil 2005, *Learning multiple tasks with kernel methods*, Journal of
    Machine Learning Research 6.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.penalties import Graph
    >>> float(Graph("chain").value(np.array([[1.0, 2.0, 4.0]])))
    2.5
    """

    kind = "quadratic"

    def __init__(self, graph="complete", alpha=1.0):
        self.graph = graph
        self.alpha = alpha

    def _for_classes(self, weights, n_classes):
        return np.kron(weights, np.eye(n_classes))

    def gauge(self):
        return None

    def laplacian(self, n_tasks):
        """alpha L, so that the penalty is tr(W alpha L W') / 2."""
        return self.alpha * laplacian(self._adjacency(n_tasks))

    def value(self, W):
        return 0.5 * np.sum((W @ self.laplacian(W.shape[1])) * W)

    def prox(self, W, step):
        return np.linalg.solve(np.eye(W.shape[1]) + step * self.laplacian(W.shape[1]), W.T).T

    def conjugate(self, Y, V):
        return self.dual_norm(Y), np.sum((Y @ np.linalg.pinv(self.laplacian(Y.shape[1]))) * Y)

    def dual_norm(self, Z):
        """Infinite outside of the range of the Laplacian."""
        L = self.laplacian(Z.shape[1])
        outside = Z - Z @ np.linalg.pinv(L) @ L
        return np.inf if (np.abs(outside) > rounding_level(Z)).any() else 0.0


class Fusion(GraphPenalty):
    """Norms of differences alpha * sum over edges a_st ||w_s - w_t||_2: tasks become equal.

    Unlike `Graph` it fuses tasks exactly, into clusters whose number need not be known.

    Parameters
    ----------
    graph : array-like or sparse matrix of shape (n_tasks, n_tasks), dict, "chain" or "complete"
        Weights a_st in the order of the sorted task ids, or by pair of task ids; "chain": tasks
        in the order of their ids; "complete": all pairs, with weight 1.
    alpha : float, default=1.0

    References
    ----------
    Hallac, Leskovec, Boyd 2015, *Network lasso: clustering and optimization in large graphs*, KDD.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.penalties import Fusion
    >>> float(Fusion("chain").value(np.array([[1.0, 1.0, 4.0]])))
    3.0
    """

    def __init__(self, graph="complete", alpha=1.0):
        self.graph = graph
        self.alpha = alpha

    def edges(self, n_tasks):
        """Differences along edges times their weights (n_tasks, n_edges), sparse, and the norm."""
        A = np.triu(self._adjacency(n_tasks))
        s, t = np.nonzero(A)
        weights, numbers = A[s, t], np.arange(len(s))
        D = sparse.csr_array(
            (np.r_[weights, -weights], (np.r_[s, t], np.r_[numbers, numbers])),
            shape=(n_tasks, len(s)),
        )
        return D, TaskL21(self.alpha)

    def value(self, W):
        D, norm = self.edges(W.shape[1])
        return norm.value(W @ D)

    def attributes(self, W):
        """Clusters: tasks that are joined by edges without a difference."""
        D = self.edges(W.shape[1])[0].sign()
        length = row_norms((W @ D).T)
        equal = length <= EQUAL * row_norms(W.T).max(initial=0.0)
        joined = sparse.csr_array(abs(D)[:, np.flatnonzero(equal)])
        return {"task_labels_": connected_components(joined @ joined.T, directed=False)[1]}


class TotalVariation(Penalty):
    """Jumps between neighbours alpha * sum_j sum_t |w_j,t+1 - w_jt|: piecewise constant in time.

    Tasks are in the order of their sorted ids.

    Parameters
    ----------
    alpha : float, default=1.0

    References
    ----------
    Zhou, Liu, Narayan, Ye 2012, *Modeling disease progression via fused sparse group lasso*, KDD.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.penalties import TotalVariation
    >>> TotalVariation(1.0).prox(np.array([[0.0, 1.0, 9.0, 8.0]]), 0.5)
    array([[0.5 , 1.  , 8.25, 8.25]])
    """

    relates_tasks = True
    kind = "chain"
    by_features = True
    ignores_common = True

    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def for_columns(self, labels, tasks, n_classes=1):
        if (np.diff(tasks) < 0).any():
            raise ValueError("TotalVariation needs tasks with equally many labels.")
        return self if n_classes == 1 else Classwise(self, n_classes)

    def value(self, W):
        return self.alpha * np.abs(np.diff(W, axis=1)).sum()

    def prox(self, W, step):
        return total_variation_prox(W, step * self.alpha)

    def dual_norm(self, Z):
        """Largest partial sum; infinite unless the rows sum to 0."""
        sums = np.cumsum(Z, axis=1)
        if (np.abs(sums[:, -1:]) > rounding_level(Z)).any():
            return np.inf
        largest = np.abs(sums[:, :-1]).max(initial=0.0)
        if self.alpha == 0:
            return np.inf if largest > 0 else 0.0
        return largest / self.alpha


class Common(Penalty):
    """All tasks have the same coefficients b, and `penalty` of these.

    A part of `Decomposed`: W = b 1' + Q, with what is special to tasks in Q.

    Parameters
    ----------
    penalty : Penalty, default=None
        Of b as a matrix (n_features, 1); None leaves it free.

    References
    ----------
    Evgeniou, Pontil 2004, *Regularized multi-task learning*, KDD. Gross, Tibshirani 2016, *Data
    shared lasso: a novel tool to discover uplift*, Computational Statistics and Data Analysis 101.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.penalties import L1, Common
    >>> Common(L1(1.0)).prox(np.array([[2.0, 4.0]]), 1.0)
    array([[2.5, 2.5]])
    """

    constrains = relates_tasks = True

    def __init__(self, penalty=None):
        self.penalty = penalty

    @property
    def ignores_common(self):
        return self.penalty is None

    def common_free(self, n_features):
        if self.penalty is None:
            return np.ones(n_features, dtype=bool)
        return self.penalty.free_features(n_features)

    @property
    def by_features(self):
        return self.penalty is None or _by_features(self.penalty)

    def check(self, n_features, n_tasks=None):
        if self.penalty is None:
            return
        if not isinstance(self.penalty, Penalty) or not self.penalty.adds_up:
            raise TypeError(f"Common takes a penalty such as L1(0.1), but it is {self.penalty!r}.")
        terms = self.penalty.terms() if isinstance(self.penalty, Sum) else [self.penalty]
        if any(term.ignores_common or term.constrains for term in terms):
            raise TypeError(
                f"the penalty of Common is of one model, which has no relation to others, but it "
                f"is {self.penalty!r}: put penalties of differences into the specific part."
            )
        self.penalty.check(n_features, 1)
        self._check_exact(n_features)

    def _check_exact(self, n_features):
        """The proximal map must be that of the sum: it is only composed here."""
        penalty = self.penalty if self.convex else self.penalty.majorant(None)
        terms = penalty.terms() if isinstance(penalty, Sum) else [penalty]
        gauges = [term for term in terms if term.gauge() is not None]
        uneven = np.ptp(penalty.ridge(n_features)) > 0
        if len(composable(gauges)) > 1 or (uneven and not all(g.by_features for g in gauges)):
            raise TypeError(
                f"the sum {self.penalty!r} has no exact proximal map, which Common needs: give it "
                "fewer terms, or parts of their own by Decomposed."
            )

    def for_columns(self, labels, tasks, n_classes=1):
        if n_classes == 1:
            return self
        if self.penalty is None:
            raise ValueError(
                f"a free common model is for tasks with one column of coefficients each, but these "
                f"have {n_classes} labels: give it a penalty, as in Common(SquaredL2(0.01))."
            )
        return Classwise(self, n_classes)

    def scaled(self, by):
        return Common(None if self.penalty is None else self.penalty.scaled(by))

    @property
    def convex(self):
        return self.penalty is None or self.penalty.convex

    def majorant(self, W):
        b = None if W is None else W[:, :1]
        return self if self.convex else Common(self.penalty.majorant(b))

    def restrict(self, rows):
        return Common(None if self.penalty is None else self.penalty.restrict(rows))

    def free_features(self, n_features):
        """None: what is free for all tasks together is not free for each of them."""
        return np.zeros(n_features, dtype=bool)

    @property
    def rowwise(self):
        known = self.penalty is not None and self.penalty.gauge() is not None
        return known and (self.penalty.by_rows or self.penalty.rowwise)

    def row_dual_norms(self, Z):
        return self.penalty.row_dual_norms(Z.sum(axis=1, keepdims=True))

    def value(self, W):
        if np.ptp(W, axis=1).any():
            return np.inf
        return 0.0 if self.penalty is None else self.penalty.value(W[:, :1])

    def prox(self, W, step):
        b = W.mean(axis=1, keepdims=True)
        b = b if self.penalty is None else self.penalty.prox(b, step / W.shape[1])
        return np.repeat(b, W.shape[1], axis=1)

    def conjugate(self, Y, V):
        total = Y.sum(axis=1, keepdims=True)
        free = self.common_free(len(Y))  # 0 but for rounding there, once b is at its optimum
        if (np.abs(total) > rounding_level(Y))[free].any():
            return np.inf, 0.0
        if self.penalty is None or free.all():
            return 0.0, 0.0
        total[free] = 0.0
        return self.penalty.conjugate(total, V[:, :1])


def _by_features(penalty):
    terms = penalty.terms() if isinstance(penalty, Sum) else [penalty]
    return all(term.by_features for term in terms)


def rounding_level(Z):
    """Sums over the tasks below this (n_features, 1) are rounding errors of 0."""
    sizes = np.abs(Z).sum(axis=1, keepdims=True)
    return 1e-10 * sizes + 1e-13 * sizes.max(initial=0.0)
