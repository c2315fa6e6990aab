"""What a penalty is, and the sum of penalties."""

import numbers

import numpy as np
from sklearn.base import BaseEstimator

SMALLEST_SQUARE = 1e-270


class Penalty(BaseEstimator):
    """A penalty on the coefficients W (n_features, n_tasks).

    A primitive has ``value(W)``, the proximal map ``prox(W, step)`` and, being positively
    homogeneous (a *gauge*: norms, and W >= 0), a ``dual_norm(Z)``; that is all that the splitting
    solver needs. ``alpha`` scales it. What is not a gauge overrides ``conjugate``.

    Penalties that are sums over the rows of W (``by_rows``) go to faster solvers, which treat
    *gauge* and *ridge* (weights of squared entries) apart; ``factor`` multiplies these feature by
    feature (0: free).
    """

    by_rows = False  # a sum over rows of norms l1 and l2 and ridges
    rowwise = False  # with `row_dual_norms`: which features are zero is known one by one
    by_features = False  # a sum over rows of anything: steps may differ from row to row
    convex = True
    constrains = False  # infinite for some W
    relates_tasks = False  # columns are not alike: tasks have an order, a graph or a common model
    kind = "whole"
    nests = ()  # kinds of terms whose proximal maps may come before, and the sum's is exact
    ignores_common = False  # adding one vector to the coefficients of all tasks changes nothing
    adds_up = True  # may be part of a sum
    rank = 0  # in a sum, proximal maps are applied in the order of rank

    def check(self, n_features, n_tasks=None):
        """Raise ValueError or TypeError for parameters that make no sense."""
        check_alpha(self)

    def value(self, W):
        raise self._lacks("value(W)")

    def prox(self, W, step):
        raise self._lacks("prox(W, step)")

    def dual_norm(self, Z):
        raise self._lacks("dual_norm(Z)")

    def _lacks(self, method):
        return TypeError(
            f"{type(self).__name__} has no {method}: a penalty needs alpha, value(W), "
            "prox(W, step) and dual_norm(Z)."
        )

    def __mul__(self, by):
        if isinstance(by, bool) or not isinstance(by, numbers.Real):
            return NotImplemented
        return self.scaled(float(by))

    __rmul__ = __mul__

    def scaled(self, by):
        """The penalty times a number, also written ``by * penalty``."""
        return type(self)(**{**self.get_params(deep=False), "alpha": self.alpha * by})

    def conjugate(self, Y, V):
        """(bound, energy): the conjugate at s Y is at most s^2 energy / 2, for s bound <= 1.

        ``V`` is the point that Y is (nearly) a subgradient at.
        """
        return self.dual_norm(Y), 0.0

    def for_columns(self, labels, tasks, n_classes=1):
        """The penalty of a matrix with `n_classes` columns for each of some tasks.

        Parameters
        ----------
        labels : ndarray of shape (n_tasks,)
            The ids of all tasks.
        tasks : ndarray of shape (n_column_tasks,)
            Positions of the tasks that have columns, in their order.
        n_classes : int
            Columns per task, next to each other.
        """
        return self

    def majorant(self, W):
        """A convex penalty that touches this one at W and is, but for a constant, above it.

        W=None asks for one to start from.
        """
        return self

    def attributes(self, W):
        """What the coefficients (n_features, n_tasks) say in the terms of the penalty, by name.

        Estimators have these as fitted attributes.
        """
        return {}

    def free_features(self, n_features):
        """Mask of the features that are not penalised."""
        return np.full(n_features, getattr(self, "alpha", 1.0) == 0)

    def common_free(self, n_features):
        """Mask of the features whose coefficients may all move together at no cost."""
        return np.full(n_features, self.ignores_common)

    def links(self, n_tasks):
        """Pairs of tasks (n_tasks, n_tasks) that can only move together; all of them by default."""
        return np.ones((n_tasks, n_tasks), dtype=bool)

    def gauge(self):
        """The part that is not a ridge, or None."""
        return self

    def ridge(self, n_features):
        """Weights (n_features,) of ||w_j||^2 / 2."""
        return np.zeros(n_features)

    def restrict(self, rows):
        """The penalty on some of the features."""
        return self

    def __add__(self, other):
        return Sum(self, other) if isinstance(other, Penalty) else NotImplemented


class FactoredPenalty(Penalty):
    """A penalty alpha * sum_j factor_j f(w_j) over the rows w_j of W."""

    by_features = rowwise = True

    def free_features(self, n_features):
        return self.weights(n_features) == 0

    def dual_norm(self, Z):
        return self.row_dual_norms(Z).max(initial=0.0)

    def weights(self, n_features):
        """alpha * factor of every feature."""
        factor = np.ones(n_features) if self.factor is None else np.asarray(self.factor, float)
        return self.alpha * factor

    def restrict(self, rows):
        if self.factor is None:
            return self
        return type(self)(**{**self.get_params(), "factor": np.asarray(self.factor, float)[rows]})

    def check(self, n_features, n_tasks=None):
        name = type(self).__name__
        check_alpha(self)
        if not isinstance(getattr(self, "positive", False), (bool, np.bool_)):
            raise TypeError(f"positive of {name} must be True or False, not {self.positive!r}.")
        if self.factor is not None:
            self._check_factor(name, n_features)
        if getattr(self, "positive", False) and not self.weights(n_features).all():
            raise ValueError(
                f"{name}(positive=True) needs a positive penalty on every feature: alpha is "
                f"{self.alpha} and the smallest factor {np.min(self.weights(n_features)):.3g}."
            )

    def _check_factor(self, name, n_features):
        factor = as_numbers(self.factor, f"the penalty factors of {name}")
        if factor.shape != (n_features,):
            raise ValueError(
                f"the penalty factors of {name} have shape {factor.shape}, but there are "
                f"{n_features} features: give one per feature (the task column is none)."
            )
        if not (np.isfinite(factor).all() and (factor >= 0).all()):
            raise ValueError(f"the penalty factors of {name} must be finite and >= 0.")


def beside_ridge(Z, V, ridge, free):
    """(what is left for the gauges, energy) of Z, where a ridge takes its gradient at V.

    Where no gauge has a say (`free` rows), the ridge takes all.
    """
    ridge = np.broadcast_to(ridge, (len(Z), 1))
    inside = Z - ridge * V
    energy = np.sum(ridge * V**2)
    alone = free & (ridge[:, 0] > 0)
    if alone.any():
        inside[alone] = 0.0
        energy += np.sum(Z[alone] ** 2 / ridge[alone]) - np.sum(ridge[alone] * V[alone] ** 2)
    return inside, energy


def as_numbers(values, what):
    """Values as a float array, or a TypeError that says what they are."""
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise TypeError(f"{what} must be numbers, but they are {values!r}.") from None


def check_alpha(penalty):
    """Raise unless alpha is a number >= 0."""
    name, alpha = type(penalty).__name__, getattr(penalty, "alpha", None)
    if isinstance(alpha, bool) or not isinstance(alpha, numbers.Real):
        raise TypeError(f"alpha of {name} must be a number, but it is {alpha!r}.")
    if not 0 <= alpha < np.inf:
        raise ValueError(f"alpha of {name} is {alpha}: it must be finite and >= 0.")


class Sum(Penalty):
    """Sum of two penalties on the same coefficients, also written ``first + second``.

    Parameters
    ----------
    first, second : Penalty

    Notes
    -----
    The proximal map of l1 + l2,1 is the composition of both, l1 first (Jenatton, Mairal,
    Obozinski, Bach 2011, *Proximal methods for hierarchical sparse coding*). A ridge only
    scales: the map of f + c/2 ||.||^2 at W with step s is that of f at W / (1 + c s) with
    step s / (1 + c s).

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.penalties import L1, L21
    >>> penalty = L21(0.5) + L1(0.1)
    >>> float(penalty.value(np.array([[3.0, 4.0]])))
    3.2
    >>> penalty.set_params(second__alpha=0.0).second
    L1(alpha=0.0)
    """

    def __init__(self, first, second):
        self.first = first
        self.second = second

    def terms(self):
        """The primitives, those of nested sums included, in the order of their proximal maps."""
        parts = []
        for part in (self.first, self.second):
            parts += part.terms() if isinstance(part, Sum) else [part]
        return sorted(parts, key=lambda part: part.rank)

    def gauges(self):
        return [part for part in self.terms() if part.gauge() is not None]

    def check(self, n_features, n_tasks=None):
        for part in (self.first, self.second):
            if not isinstance(part, Penalty):
                raise TypeError(f"a sum takes penalties, but one part is {part!r}.")
            if not part.adds_up:
                raise TypeError(
                    f"{type(part).__name__} cannot be added to a penalty: it has coefficients of "
                    "its own. Put the sum inside it."
                )
            part.check(n_features, n_tasks)

    @property
    def by_rows(self):
        return self.first.by_rows and self.second.by_rows

    @property
    def convex(self):
        return self.first.convex and self.second.convex

    @property
    def relates_tasks(self):
        return self.first.relates_tasks or self.second.relates_tasks

    def scaled(self, by):
        return Sum(self.first.scaled(by), self.second.scaled(by))

    def for_columns(self, labels, tasks, n_classes=1):
        parts = (self.first, self.second)
        return Sum(*(part.for_columns(labels, tasks, n_classes) for part in parts))

    @property
    def ignores_common(self):
        return self.first.ignores_common and self.second.ignores_common

    def majorant(self, W):
        return Sum(self.first.majorant(W), self.second.majorant(W))

    def links(self, n_tasks):
        return self.first.links(n_tasks) | self.second.links(n_tasks)

    def common_free(self, n_features):
        return self.first.common_free(n_features) & self.second.common_free(n_features)

    def attributes(self, W):
        return self.first.attributes(W) | self.second.attributes(W)

    def free_features(self, n_features):
        return self.first.free_features(n_features) & self.second.free_features(n_features)

    def gauge(self):
        gauges = self.gauges()
        total = gauges[0] if gauges else None
        for part in gauges[1:]:
            total = Sum(total, part)
        return total

    def ridge(self, n_features):
        return sum(part.ridge(n_features) for part in self.terms())

    def restrict(self, rows):
        return Sum(self.first.restrict(rows), self.second.restrict(rows))

    def value(self, W):
        return sum(part.value(W) for part in self.terms())

    def prox(self, W, step):
        ridge = np.reshape(self.ridge(len(W)), (-1, 1))
        if len(W) and not np.ptp(ridge):  # not all gauges take steps by row
            ridge = ridge[0, 0]
        shrink = 1.0 + ridge * step
        W, step = W / shrink, step / shrink
        for part in self.gauges():
            W = part.prox(W, step)
        return W

    @property
    def entrywise(self):
        return any(part.entrywise for part in self.gauges())

    def slope(self, W):
        return sum((part.slope(W) for part in self.gauges()), np.zeros_like(W))

    def row_curvature(self, W):
        return sum((part.row_curvature(W) for part in self.gauges()), np.zeros(len(W)))

    def dual_norm(self, Z):
        """Of gauges whose proximal maps compose."""
        if self.by_rows:
            return self.row_dual_norms(Z).max(initial=0.0)
        return smallest_scale(self.terms(), Z)

    def conjugate(self, Y, V):
        """The gauges at what is left of Y beside the gradient of the ridges at V."""
        gauges = self.gauges()
        free = np.ones(len(Y), dtype=bool)
        for gauge in gauges:
            free &= gauge.free_features(len(Y))
        inside, energy = beside_ridge(Y, V, np.reshape(self.ridge(len(Y)), (-1, 1)), free)
        if len(gauges) == 1:
            bound, more = gauges[0].conjugate(inside, V)
            return bound, energy + more
        if gauges:
            return self.gauge().dual_norm(inside), energy
        return (np.inf if inside.any() else 0.0), energy

    def row_weights(self, n_features):
        """Weights of the l1 and of the l2,1 parts."""
        zero = np.zeros(n_features)
        pairs = [part.row_weights(n_features) for part in self.gauges()]
        return sum((pair[0] for pair in pairs), zero), sum((pair[1] for pair in pairs), zero)

    def row_dual_norms(self, Z):
        if any(part.positive for part in self.gauges()):
            Z = np.maximum(Z, 0.0)
        return sparse_group_dual_norms(Z, *self.row_weights(len(Z)))


def composable(gauges):
    """Lists of gauges whose proximal maps compose exactly, in the order of these maps."""
    left, units = sorted(gauges, key=lambda gauge: -gauge.rank), []
    while left:
        unit, others = [], []
        for gauge in left:
            fits = all(_nests(outer, gauge) for outer in unit)
            (unit if fits else others).append(gauge)
        units.append(unit[::-1])
        left = others
    return units


def _nests(outer, inner):
    same = type(outer) is type(inner) and outer.kind in ("entries", "rows", "columns")
    return inner.kind in outer.nests or same


def smallest_scale(gauges, Z):
    """The dual norm of a sum: the smallest step at which the composed proximal map of Z is 0."""
    high = min(gauge.dual_norm(Z) for gauge in gauges)
    if not 0 < high < np.inf:
        return high
    low = 0.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        left = Z
        for gauge in gauges:
            left = gauge.prox(left, middle)
        low, high = (middle, high) if left.any() else (low, middle)
    return high


def row_norms(W):
    """Euclidean norm of every row; tiny and huge rows, whose squares vanish or overflow, too."""
    squares = np.einsum("ij,ij->i", W, W)
    odd = ~((squares > SMALLEST_SQUARE) & (squares < 1.0 / SMALLEST_SQUARE))
    norms = np.sqrt(squares)
    if odd.any():
        odd = np.flatnonzero(odd)
        odd = odd[W[odd].any(axis=1)]
        scale = np.abs(W[odd]).max(axis=1, initial=0.0)
        safe = np.where(np.isfinite(scale), scale, 1.0)
        scaled = W[odd] / safe[:, None]
        norms[odd] = safe * np.sqrt(np.einsum("ij,ij->i", scaled, scaled))
    return norms


def sparse_group_dual_norms(Z, l1, l2):
    """Per row j the smallest s >= 0 with || soft(z_j, s l1_j) ||_2 <= s l2_j.

    This is the dual norm of l1 |z|_1 + l2 ||z||_2 (Ndiaye, Fercoq, Gramfort, Salmon 2016, *Gap
    safe screening rules for sparse-group lasso*): a quadratic equation once it is known which
    entries exceed s l1; infinite where nothing is penalised and the row is not 0.
    """
    magnitudes = -np.sort(-np.abs(Z), axis=1)
    l1, l2 = np.broadcast_to(l1, len(Z)), np.broadcast_to(l2, len(Z))
    out = np.where(magnitudes[:, 0] > 0, np.inf, 0.0)
    group_only = (l1 == 0) & (l2 > 0)
    out[group_only] = row_norms(Z[group_only]) / l2[group_only]
    entry_only = (l1 > 0) & (l2 == 0)
    out[entry_only] = magnitudes[entry_only, 0] / l1[entry_only]

    both = (l1 > 0) & (l2 > 0) & (magnitudes[:, 0] > 0)
    if not both.any():
        return out
    # Scaled to a largest entry of 1, so that the squares neither overflow nor vanish.
    scale = magnitudes[both, :1]
    a, l1, l2 = magnitudes[both] / scale, l1[both, None], l2[both, None]
    first, second = np.cumsum(a, axis=1), np.cumsum(a * a, axis=1)
    counts = np.arange(1, a.shape[1] + 1)
    # At s = a_k / l1 the k-th entry is just cut off: it is active if the norm is too small there.
    cut = second - 2.0 * a * first + counts * a * a
    n_active = np.maximum(np.sum(cut * l1**2 < (l2 * a) ** 2, axis=1, keepdims=True), 1)
    first = np.take_along_axis(first, n_active - 1, axis=1)
    second = np.take_along_axis(second, n_active - 1, axis=1)
    root = np.sqrt(np.maximum((l1 * first) ** 2 - (n_active * l1**2 - l2**2) * second, 0.0))
    out[both] = (scale * second / (l1 * first + root)).ravel()
    return out
