"""Norms of columns, of groups of rows, and of largest entries."""

import numpy as np

from skmtl.penalties.base import FactoredPenalty, Penalty, as_numbers, row_norms


class TaskL21(Penalty):
    """Column-wise group norm alpha * sum_t factor_t ||w_t||_2: whole tasks are 0 or free.

    Beside a part that all tasks share, the tasks with other coefficients than 0 are outliers.

    Parameters
    ----------
    alpha : float, default=1.0
    factor : array-like of shape (n_tasks,), optional
        Multiplies the penalty of every task, in the order of the sorted ids; above 0.

    References
    ----------
    Gong, Ye, Zhang 2012, *Robust multi-task feature learning*, KDD.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.penalties import TaskL21
    >>> TaskL21(0.5).prox(np.array([[3.0, 0.3], [4.0, 0.4]]), 1.0)
    array([[2.7, 0. ],
           [3.6, 0. ]])
    """

    relates_tasks = True
    kind = "columns"
    nests = ("entries",)
    rank = 2

    def __init__(self, alpha=1.0, *, factor=None):
        self.alpha = alpha
        self.factor = factor

    def check(self, n_features, n_tasks=None):
        super().check(n_features, n_tasks)
        if self.factor is None:
            return
        factor = as_numbers(self.factor, "the factors of TaskL21")
        if n_tasks is not None and factor.shape != (n_tasks,):
            raise ValueError(
                f"factor of TaskL21 has shape {factor.shape}, but there are {n_tasks} tasks: give "
                "one number per task, in the order of the sorted ids."
            )
        if not (np.isfinite(factor).all() and (factor > 0).all()):
            raise ValueError("the factors of TaskL21 must be finite and > 0.")

    def for_columns(self, labels, tasks, n_classes=1):
        factor = None if self.factor is None else np.asarray(self.factor, float)[tasks]
        penalty = TaskL21(self.alpha, factor=factor)
        return penalty if n_classes == 1 else Classwise(penalty, n_classes)

    def weights(self, n_tasks):
        factor = np.ones(n_tasks) if self.factor is None else np.asarray(self.factor, float)
        return self.alpha * factor

    def value(self, W):
        return self.weights(W.shape[1]) @ row_norms(W.T)

    def prox(self, W, step):
        norms = row_norms(W.T)
        shrink = np.maximum(norms - step * self.weights(W.shape[1]), 0.0)
        return W * np.divide(shrink, norms, out=np.zeros_like(norms), where=norms > 0)

    def dual_norm(self, Z):
        return largest_ratio(row_norms(Z.T), self.weights(Z.shape[1]))


class L1Inf(FactoredPenalty):
    """Largest magnitudes alpha * sum_j factor_j max_t |w_jt|: features of equal size in all tasks.

    Parameters
    ----------
    alpha : float, default=1.0
    factor : array-like of shape (n_features,), optional
        Multiplies the penalty of every feature; 0 leaves a feature free.

    References
    ----------
    Turlach, Venables, Wright 2005, *Simultaneous variable selection*, Technometrics 47.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.penalties import L1Inf
    >>> L1Inf(1.0).prox(np.array([[3.0, -2.5], [0.5, 0.4]]), 1.0)
    array([[ 2.25, -2.25],
           [ 0.  ,  0.  ]])
    """

    kind = "rows"
    nests = ("entries",)
    rank = 2

    def __init__(self, alpha=1.0, *, factor=None):
        self.alpha = alpha
        self.factor = factor

    def value(self, W):
        return self.weights(len(W)) @ np.abs(W).max(axis=1, initial=0.0)

    def prox(self, W, step):
        """W minus its projection on the l1 ball, row by row: entries are cut at a level."""
        radius = step * self.weights(len(W))[:, None]
        size = -np.sort(-np.abs(W), axis=1)
        counts = np.arange(1, W.shape[1] + 1)
        levels = (np.cumsum(size, axis=1) - radius) / counts
        n_cut = np.maximum(np.sum(size > levels, axis=1, keepdims=True), 1)
        level = np.maximum(np.take_along_axis(levels, n_cut - 1, axis=1), 0.0)
        return np.clip(W, -level, level)

    def row_dual_norms(self, Z):
        norms, weights = np.abs(Z).sum(axis=1), self.weights(len(Z))
        free = np.where(norms > 0, np.inf, 0.0)
        return np.divide(norms, weights, out=free, where=weights > 0)


class GroupL21(Penalty):
    """Norms of groups of features alpha * sum_g sqrt(size_g) ||W_g||_F: groups for all tasks.

    Parameters
    ----------
    groups : array-like of shape (n_features,)
        Label of the group of every feature.
    alpha : float, default=1.0
    weights : dict, optional
        Instead of the square roots of the sizes, by label.

    References
    ----------
    Yuan, Lin 2006, *Model selection and estimation in regression with grouped variables*, Journal
    of the Royal Statistical Society B 68.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.penalties import GroupL21
    >>> penalty = GroupL21(["a", "b", "b"], alpha=0.5)
    >>> W = np.array([[0.3, 0.4], [3.0, 0.0], [0.0, 4.0]])
    >>> penalty.prox(W, np.sqrt(2.0))
    array([[0. , 0. ],
           [2.4, 0. ],
           [0. , 3.2]])
    """

    kind = "groups"
    nests = ("chain", "entries", "rows")
    rank = 3

    def __init__(self, groups, alpha=1.0, *, weights=None):
        self.groups = groups
        self.alpha = alpha
        self.weights = weights

    def check(self, n_features, n_tasks=None):
        super().check(n_features, n_tasks)
        labels = np.asarray(self.groups)
        if labels.shape != (n_features,):
            raise ValueError(
                f"groups has shape {labels.shape}, but there are {n_features} features: give the "
                "label of the group of each one (the task column is none)."
            )
        weights = self._group_weights(*self._codes()[::2])
        if not (np.isfinite(weights).all() and (weights > 0).all()):
            raise ValueError("the weights of GroupL21 must be finite and > 0.")

    def _codes(self):
        groups = np.asarray(self.groups)
        try:
            labels, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        except TypeError:
            raise TypeError(
                f"groups must be numbers or words, not both, but they are {self.groups!r}."
            ) from None
        return labels, codes.ravel(), sizes

    def _group_weights(self, labels, sizes):
        if self.weights is None:
            return np.sqrt(sizes)
        missing = [label for label in labels.tolist() if label not in self.weights]
        if missing:
            raise ValueError(f"weights of GroupL21 has no entry for the group {missing[0]!r}.")
        return np.array([self.weights[label] for label in labels.tolist()], dtype=float)

    def _norms(self, W):
        """(norm, alpha * weight) of every group, and the group of every feature."""
        labels, codes, sizes = self._codes()
        scale = np.abs(W).max(initial=0.0) or 1.0  # squares neither vanish nor overflow
        squares = np.bincount(codes, np.einsum("ij,ij->i", W / scale, W / scale), len(labels))
        return scale * np.sqrt(squares), self.alpha * self._group_weights(labels, sizes), codes

    def value(self, W):
        norms, weights, _ = self._norms(W)
        return weights @ norms

    def prox(self, W, step):
        norms, weights, codes = self._norms(W)
        shrink = np.maximum(norms - step * weights, 0.0)
        factor = np.divide(shrink, norms, out=np.zeros_like(norms), where=norms > 0)
        return W * factor[codes, None]

    def dual_norm(self, Z):
        norms, weights, _ = self._norms(Z)
        return largest_ratio(norms, weights)

    def restrict(self, rows):
        if self.weights is None:  # the sizes stay those of whole groups
            labels, _, sizes = self._codes()
            weights = dict(zip(labels.tolist(), np.sqrt(sizes).tolist(), strict=True))
        else:
            weights = self.weights
        return GroupL21(np.asarray(self.groups)[rows], self.alpha, weights=weights)


def largest_ratio(norms, weights):
    """The largest norm / weight; infinite where nothing is penalised and a norm is not 0."""
    free = np.where(norms > 0, np.inf, 0.0)
    return np.divide(norms, weights, out=free, where=weights > 0).max(initial=0.0)


class Classwise(Penalty):
    """A penalty of tasks with several columns each: their classes take the place of features.

    Parameters
    ----------
    penalty : Penalty
        Its features are each there once per class in the matrix (n_features * n_classes, n_tasks)
        that it acts on.
    n_classes : int
    """

    def __init__(self, penalty, n_classes):
        self.penalty = penalty
        self.n_classes = n_classes

    constrains = property(lambda self: self.penalty.constrains)
    rank = property(lambda self: self.penalty.rank)

    def check(self, n_features, n_tasks=None):
        self.penalty.check(n_features, None if n_tasks is None else n_tasks // self.n_classes)

    def restrict(self, rows):
        return Classwise(self.penalty.restrict(rows), self.n_classes)

    def free_features(self, n_features):
        return self.penalty.free_features(n_features)

    def common_free(self, n_features):
        return self.penalty.common_free(n_features)

    def _on_classes(self, n_features):
        return self.penalty.restrict(np.repeat(np.arange(n_features), self.n_classes))

    def scaled(self, by):
        return Classwise(self.penalty.scaled(by), self.n_classes)

    def _stack(self, W):
        return (
            W.reshape(len(W), -1, self.n_classes)
            .swapaxes(1, 2)
            .reshape(len(W) * self.n_classes, -1)
        )

    def value(self, W):
        return self._on_classes(len(W)).value(self._stack(W))

    def prox(self, W, step):
        P = self._on_classes(len(W)).prox(self._stack(W), step)
        return P.reshape(len(W), self.n_classes, -1).swapaxes(1, 2).reshape(W.shape)

    def dual_norm(self, Z):
        return self._on_classes(len(Z)).dual_norm(self._stack(Z))

    def conjugate(self, Y, V):
        return self._on_classes(len(Y)).conjugate(self._stack(Y), self._stack(V))
