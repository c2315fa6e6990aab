"""A penalty as the splitting solver sees it: parts, and units with a proximal map each.

The coefficients are a sum of parts (one, unless the penalty is `Decomposed`). The penalty of
a part is a sum of *units*: terms whose proximal maps compose exactly are one unit, all
others are units of their own. A unit gives a bound of its dual norm, from which comes the gap.
"""

import numpy as np
from scipy.sparse.csgraph import connected_components

from skmtl.penalties.base import Sum, beside_ridge, composable, smallest_scale
from skmtl.penalties.decomposed import Decomposed
from skmtl.penalties.relations import Fusion, rounding_level


class Unit:
    """Gauges whose proximal maps compose, and a ridge.

    Parameters
    ----------
    gauges : list of Penalty
        In the order of their proximal maps.
    ridge : float or ndarray of shape (n_features, 1)
    """

    operator = None

    def __init__(self, gauges, ridge=0.0):
        self.gauges, self.ridge = gauges, ridge
        self.by_features = all(g.by_features for g in gauges)
        self.constrains = any(g.constrains or getattr(g, "positive", False) for g in gauges)

    @property
    def has_scores(self):
        """Whether it is known, feature by feature, which gradients leave coefficients at zero."""
        alone = len(self.gauges) == 1 and self.gauges[0].rowwise
        return alone or all(g.by_rows for g in self.gauges)

    def scores(self, Z):
        """Above 1 where a feature is not zero at the gradient -Z (n_features,)."""
        if len(self.gauges) == 1:
            return self.gauges[0].row_dual_norms(Z)
        return _sum(self.gauges).row_dual_norms(Z)

    def prox(self, V, step):
        shrink = 1.0 + step * self.ridge
        V, step = V / shrink, step / shrink
        for gauge in self.gauges:
            V = gauge.prox(V, step)
        return V

    def value(self, V):
        return sum(g.value(V) for g in self.gauges) + 0.5 * np.sum(self.ridge * V**2)

    def conjugate(self, Z, Y, V):
        """(bound, energy) at Z, with a subgradient Y at V that is close to Z, or None."""
        free = np.all([g.free_features(len(Z)) for g in self.gauges], axis=0)
        inside, energy = beside_ridge(Z, V, self.ridge, free)
        if len(self.gauges) == 1:
            bound, more = self.gauges[0].conjugate(inside, V)
            return bound, energy + more
        if all(g.by_rows for g in self.gauges):
            return _sum(self.gauges).dual_norm(inside), energy
        if Y is None:
            return smallest_scale(self.gauges, inside), energy
        # Y less the ridge is in the dual ball of the sum, what is missing in that of one term.
        missing = np.where((free & (np.ravel(self.ridge) > 0))[:, None], 0.0, Z - Y)
        return 1.0 + self._bound_of_rest(missing, rounding_level(Z)), energy

    def _bound_of_rest(self, Z, rounding):
        """The dual norm of one term; of differences where a feature is free of all others."""
        chains = [g for g in self.gauges if g.kind == "chain"]
        others = [g for g in self.gauges if g.kind != "chain"]
        bound = 0.0
        if chains and others:
            free = np.all([g.free_features(len(Z)) for g in others], axis=0)[:, None]
            mean = Z.mean(axis=1, keepdims=True)
            apart = Z - np.where(np.abs(mean) <= rounding, mean, 0.0)
            bound = chains[0].dual_norm(np.where(free, apart, 0.0))
            Z = np.where(free, 0.0, Z)
        return max(bound, min(g.dual_norm(Z) for g in self.gauges))


class QuadraticUnit:
    """<W, W L> / 2 + sum_j ridge_j ||w_j||^2 / 2 with a Laplacian L (n_tasks, n_tasks) or None."""

    operator, constrains, by_features, has_scores = None, False, True, False

    def __init__(self, ridge, laplacian):
        self.ridge = ridge
        self.laplacian = laplacian
        if laplacian is not None:
            self.levels, self.basis = np.linalg.eigh(laplacian)
            self.levels = np.maximum(self.levels, 0.0)
            self.levels[self.levels <= 1e-12 * self.levels.max(initial=0.0)] = 0.0

    def product(self, V):
        return self.ridge * V + (0.0 if self.laplacian is None else V @ self.laplacian)

    def value(self, V):
        return 0.5 * np.sum(V * self.product(V))

    def prox(self, V, step):
        if self.laplacian is None:
            return V / (1.0 + step * self.ridge)
        turned = (V @ self.basis) / (1.0 + step * (self.ridge + self.levels))
        return turned @ self.basis.T

    def conjugate(self, Z, Y, V):
        """Exact; the direction in which all tasks are equal is at its optimum but for rounding."""
        turned = Z if self.laplacian is None else Z @ self.basis
        levels = np.broadcast_to(self.ridge + getattr(self, "levels", 0.0), turned.shape)
        if (np.abs(turned) > rounding_level(Z))[levels == 0].any():
            return np.inf, 0.0
        return 0.0, np.sum(np.divide(turned**2, levels, np.zeros_like(turned), where=levels > 0))


class EdgeUnit:
    """A norm of the differences W D along the edges D (n_tasks, n_edges) of a graph."""

    constrains = by_features = has_scores = False

    def __init__(self, operator, norm):
        self.operator, self.norm = operator, norm
        L = (operator @ operator.T).toarray()
        levels, basis = np.linalg.eigh(L)
        self.largest = levels[-1] if len(levels) else 0.0
        inverse = np.where(levels > 1e-10 * self.largest, 1.0 / np.maximum(levels, 1e-300), 0.0)
        self.pinv = (basis * inverse) @ basis.T
        self.prox = norm.prox

    def value(self, V):
        return self.norm.value(V @ self.operator)

    def conjugate(self, Z, Y, V):
        """Y (n_features, n_edges), moved such that Y D' is Z."""
        Y = np.zeros((len(Z), self.operator.shape[1])) if Y is None else Y
        missing = Z - Y @ self.operator.T
        Y = Y + (missing @ self.pinv) @ self.operator
        left = np.abs(Z - Y @ self.operator.T)
        if (left > rounding_level(Z)).any():
            return np.inf, 0.0
        return self.norm.dual_norm(Y), 0.0


class PartStructure:
    """The units of one part.

    Parameters
    ----------
    penalty : Penalty
    n_features, n_tasks : int
    """

    def __init__(self, penalty, n_features, n_tasks):
        self.penalty = penalty
        terms = penalty.terms() if isinstance(penalty, Sum) else [penalty]
        terms = [t for t in terms if getattr(t, "alpha", 1.0) > 0 or getattr(t, "positive", False)]
        ridge = sum((term.ridge(n_features) for term in terms), np.zeros(n_features))[:, None]
        graphs = [t.laplacian(n_tasks) for t in terms if hasattr(t, "laplacian")]
        laplacian = sum(graphs) if graphs else None
        edges = [term.edges(n_tasks) for term in terms if isinstance(term, Fusion)]
        gauges = [t for t in terms if t.gauge() is not None and not isinstance(t, Fusion)]
        self.units = [Unit(group) for group in composable(gauges)]
        uneven = (ridge != ridge[:1]).any()
        if self.units and laplacian is None and (not uneven or self._steps_by_row(0)):
            self.units[0].ridge = ridge if uneven else ridge.max(initial=0.0)
        elif ridge.any() or laplacian is not None:
            self.units.append(QuadraticUnit(ridge, laplacian))
        self.units += [EdgeUnit(*pair) for pair in edges]
        self.units.sort(key=lambda unit: not unit.constrains)  # the first one's point is the part's
        self.common_free = penalty.common_free(n_features)

    def _steps_by_row(self, number):
        return all(gauge.by_features for gauge in self.units[number].gauges)

    def value(self, V):
        return sum(unit.value(V) for unit in self.units)

    def conjugate(self, Z, Ys, Vs):
        """(bound, energy) at Z, with the subgradients Ys of the units at Vs (lists), or None.

        Each unit keeps its own subgradient, one of them takes what is missing to Z.
        """
        if len(self.units) == 1:
            return self.units[0].conjugate(Z, None if Ys is None else Ys[0], Vs[0])
        if Ys is None:  # 0 is a subgradient at 0, for every unit
            Vs = [np.zeros_like(Z if u.operator is None else Z @ u.operator) for u in self.units]
            Ys = Vs
        missing = Z.copy()
        for unit, Y in zip(self.units, Ys, strict=True):
            missing -= Y if unit.operator is None else Y @ unit.operator.T
        bound, energy, best = 1.0, 0.0, np.inf
        chosen = None
        for number, (unit, Y, V) in enumerate(zip(self.units, Ys, Vs, strict=True)):
            if unit.operator is not None:
                continue
            if isinstance(unit, QuadraticUnit):  # Y is its gradient at V
                energy += np.sum(Y * V)
                continue
            with_missing = unit.conjugate(Y + missing, Y, V)
            if with_missing[0] < best:
                best, chosen = with_missing[0], number
            energy += unit.conjugate(Y, Y, V)[1]
        rowwise = [k for k, unit in enumerate(self.units) if unit.has_scores]
        if not np.isfinite(best) and len(rowwise) > 1:  # each row has a taker of its own
            scores = [
                self.units[k].scores(Ys[k] + missing - self.units[k].ridge * Vs[k]) for k in rowwise
            ]
            return max(bound, np.min(scores, axis=0).max(initial=0.0)), energy
        if chosen is None:  # differences and ridges, or features that all others leave free
            return self._last_takes(missing, Ys, Vs)
        unit, Y, V = self.units[chosen], Ys[chosen], Vs[chosen]
        energy += unit.conjugate(Y + missing, Y, V)[1] - unit.conjugate(Y, Y, V)[1]
        return max(bound, best), energy

    def _last_takes(self, missing, Ys, Vs):
        """The ridge takes all, or the differences do; (inf, 0) if none can."""
        takers = [k for k, u in enumerate(self.units) if isinstance(u, QuadraticUnit)]
        takers += [k for k, u in enumerate(self.units) if u.operator is not None]
        best = np.inf, 0.0
        for taker in takers:
            bound, energy = 1.0, 0.0
            for number, (unit, Y, V) in enumerate(zip(self.units, Ys, Vs, strict=True)):
                own = Y if unit.operator is None else Y @ unit.operator.T
                own = own + missing if number == taker else own
                more = unit.conjugate(own, Y, V)
                bound, energy = max(bound, more[0]), energy + more[1]
            if bound < best[0]:
                best = bound, energy
        return best


class Structure:
    """The parts of a penalty.

    Parameters
    ----------
    penalty : Penalty
    n_features, n_tasks : int
    """

    def __init__(self, penalty, n_features, n_tasks):
        pairs = penalty.parts() if isinstance(penalty, Decomposed) else [("", penalty)]
        self.parts = [PartStructure(part, n_features, n_tasks) for _, part in pairs]
        self.names = [name for name, _ in pairs]
        units = [unit for part in self.parts for unit in part.units]
        self.by_features = all(unit.by_features for unit in units)
        # Then a feature is zero if in every part one unit holds it there.
        self.has_scores = self.by_features and all(
            any(unit.has_scores for unit in part.units) for part in self.parts
        )
        # The part, and its features, that are free to move in all tasks together.
        self.common_part = int(np.argmax([part.common_free.sum() for part in self.parts]))
        self.common_free = self.parts[self.common_part].common_free
        self.groups = self._groups(n_tasks) if self.common_free.any() else []

    def _groups(self, n_tasks):
        """The tasks that can only move together, a list of arrays: pieces of a graph, or all."""
        links = self.parts[self.common_part].penalty.links(n_tasks)
        n_groups, labels = connected_components(links, directed=False)
        return [np.flatnonzero(labels == group) for group in range(n_groups)]

    def value(self, parts):
        """The penalty of parts (n_parts, n_features, n_tasks)."""
        return sum(part.value(W) for part, W in zip(self.parts, parts, strict=True))

    def scores(self, Z):
        """Above 1 where a feature is not zero at the gradient -Z (n_features,)."""
        scores = np.zeros(len(Z))
        for part in self.parts:
            unit = next(unit for unit in part.units if unit.has_scores)
            scores = np.maximum(scores, unit.scores(Z))
        return scores

    def conjugate(self, Z, Ys, Vs):
        """(bound, energy): the conjugate at s Z is at most s^2 energy / 2, for s bound <= 1.

        Z is the same for all parts. Ys and Vs are lists, by part, of lists, by unit, of
        subgradients and the points where these are; Ys may be None.
        """
        bound, energy = 0.0, 0.0
        for number, part in enumerate(self.parts):
            own = part.conjugate(Z, None if Ys is None else Ys[number], Vs[number])
            bound, energy = max(bound, own[0]), energy + own[1]
        return bound, energy


def _sum(gauges):
    total = gauges[0]
    for gauge in gauges[1:]:
        total = Sum(total, gauge)
    return total
