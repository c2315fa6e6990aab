"""Where boosting starts on the target: its constant and its sources, adapted and mixed."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from skmtl.transfer.boosting.leaves import Leaves
from skmtl.transfer.boosting.losses import BINOMIAL, MULTINOMIAL
from skmtl.transfer.boosting.sources import over_classes

MOST_LEAVES = 10**7  # of rows times trees at once, to bound the memory


class Adapted(NamedTuple):
    """What is changed of one source: a constant per column, and the values of leaves or None."""

    shift: np.ndarray
    changes: np.ndarray | None


class State(NamedTuple):
    """A fitted start.

    ``mixing`` has the weight of the constant of the target first; ``rare`` are the shares of the
    labels that a source lacks.
    """

    constant: np.ndarray
    mixing: np.ndarray
    adapted: list
    rare: np.ndarray | None


class Part:
    """One source on the target rows of a fit, on the scale of its own classes.

    Parameters
    ----------
    adapter : OtherSource
    X : features of all rows
    y : ndarray of shape (n_rows, n_columns)
        Targets for the loss, or labels of a classifier.
    loss : loss
        Of numbers; a classifier has that of the number of classes of the source.
    refit : bool
        Whether leaves are refitted.
    """

    def __init__(self, adapter, X, y, loss, refit):
        self.adapter, self.loss, self.y, self.has_target = adapter, loss, y, None
        if adapter.classes is not None:
            self.loss = BINOMIAL if len(adapter.classes) == 2 else MULTINOMIAL
            self.y = one_hot(y, adapter.classes)
            self.has_target = np.isin(y, adapter.classes)
        self.raw = self.raw_of(X)
        self.leaves = None
        if refit and adapter.has_trees:
            trees = adapter.learn(X)
            error = 1e-5 * (np.abs(trees.increments).sum(axis=1) + np.abs(self.raw))
            leaves = Leaves(trees)
            adds_up = np.all(np.abs(trees.increments.sum(axis=1) - self.raw) <= error)
            if adds_up and leaves.are_constants(error):  # not so for linear models in leaves
                self.leaves = leaves

    def raw_of(self, X):
        return self.adapter.raw(X, getattr(self.loss, "to_raw", None))

    def adapt(self, weights, settings):
        """`Adapted` by the rows with a weight."""
        if self.has_target is not None:
            weights = weights * self.has_target
        changes = None if self.leaves is None else np.zeros(len(self.leaves.keys))
        shift = np.zeros(self.raw.shape[1])
        if not weights.any():
            return Adapted(shift, changes)
        if settings.start == "fitted":
            shift = self.loss.shift(self.y, self.raw, weights, settings.shift_prior)
        if self.leaves is not None:
            changes = self.leaves.refit(
                self.loss,
                self.y,
                self.raw + shift,
                weights,
                decay=settings.decay,
                prior=settings.leaf_prior,
                learning_rate=self.adapter.learning_rate,
            )
        return Adapted(shift, changes)

    def raw_with(self, adapted, X):
        """Raw predictions of the adapted source for any rows."""
        raw = self.raw_of(X) + adapted.shift
        if adapted.changes is None or not adapted.changes.any():
            return raw
        step = max(1, MOST_LEAVES // (len(self.leaves.first) * raw.shape[1]))
        for start in range(0, len(X), step):
            rows = slice(start, start + step)
            raw[rows] += self.leaves.added(adapted.changes, self.adapter.leaves(X[rows]))
        return raw

    def forget_rows(self):
        """Keep only what predictions of other rows need."""
        self.y = self.raw = self.has_target = None
        if self.leaves is not None:
            self.leaves.increments = self.leaves.cells = None


class Start:
    """The mixture w_0 constant + sum_k w_k (adapted source k) on the scale of the link.

    The weights, on the simplex, minimise the loss of the target rows with sources that are
    shifted, not yet refitted, and for every row the constant of the others: so all candidates have
    seen hardly anything of the rows. The constant of a single row has no weight.

    Parameters
    ----------
    parts : list of Part
    loss : loss
    y : ndarray of shape (n_rows, n_columns)
    classes : ndarray or None
    settings : estimator
        With `start`, `decay`, `leaf_prior` and `shift_prior`.
    """

    def __init__(self, parts, loss, y, classes, settings):
        self.parts, self.loss, self.y, self.classes = parts, loss, y, classes
        self.settings = settings

    def fit(self, weights):
        """`State` by the rows with a weight, and the raw predictions of all rows."""
        rows = self._rows_of_constant(weights)
        constant = self.loss.constant(*rows)
        n_sources = len(self.parts)
        mixing = np.append(0.0, np.full(n_sources, 1.0 / max(n_sources, 1)))
        if not n_sources:
            return State(constant, np.ones(1), [], None), np.broadcast_to(constant, self.y.shape)
        rare = None
        if self.classes is not None:
            shares = self.loss.from_raw(constant[None, :])[0]
            rare = shares if self.settings.start == "fitted" else np.zeros(len(self.classes))
        adapted = [part.adapt(weights, self.settings) for part in self.parts]
        raws = [part.raw + own.shift for part, own in zip(self.parts, adapted, strict=True)]
        if self.settings.start == "fitted":
            pairs = zip(self.parts, raws, strict=True)
            shifted = np.stack([self._spread(part, raw, rare) for part, raw in pairs])
            if weights.sum() > 1.0:
                flat = self.loss.constants_of_others(*rows)[: len(weights)]
                mixing = self._mix(np.concatenate([flat[None], shifted]), weights)
            else:
                mixing[1:] = self._mix(shifted, weights)
        for part, raw, own in zip(self.parts, raws, adapted, strict=True):
            if part.leaves is not None:
                raw += part.leaves.added(own.changes)
        state = State(constant, mixing, adapted, rare)
        return state, np.broadcast_to(self._mixture(state, raws), self.y.shape)

    def raw(self, state, X):
        """Raw predictions of other rows."""
        each = [
            part.raw_with(own, X) if weight else None
            for part, own, weight in zip(self.parts, state.adapted, state.mixing[1:], strict=True)
        ]
        mixed = self._mixture(state, each)
        return np.broadcast_to(mixed, (X.shape[0], mixed.shape[-1])).copy()

    def forget_rows(self):
        """Keep only what predictions of other rows need."""
        self.y = self.settings = None
        for part in self.parts:
            part.forget_rows()

    def _rows_of_constant(self, weights):
        """Targets and weights; beside sources one row more has all labels in equal parts.

        A few rows of one label would be told so surely that no source had a weight.
        """
        if self.classes is None or not self.parts:
            return self.y, weights
        even = np.full((1, self.y.shape[1]), 1.0 / len(self.classes))
        return np.concatenate([self.y, even]), np.append(weights, 1.0)

    def _mixture(self, state, raws):
        mixed = (state.mixing[0] * state.constant)[None, :]
        for part, raw, weight in zip(self.parts, raws, state.mixing[1:], strict=True):
            if weight:
                mixed = mixed + weight * self._spread(part, raw, state.rare)
        return mixed

    def _spread(self, part, raw, rare):
        if self.classes is None:
            return raw
        return over_classes(raw, part.adapter.classes, self.classes, rare)

    def _mix(self, raws, weights):
        """Weights of candidates (n_candidates, n_rows, n_columns) on the simplex."""
        n_candidates = len(raws)
        shares = weights / weights.sum()
        alone = [self.loss.mean(self.y, raw, weights) for raw in raws]
        best = np.eye(n_candidates)[np.argmin(alone)]
        scale = min(alone)
        if scale <= 0:
            return best

        def objective(mixing):
            mixed = np.tensordot(mixing, raws, axes=1)
            slopes = shares[:, None] * self.loss.slopes(self.y, mixed)
            slope = -np.tensordot(raws, slopes, axes=2)
            return self.loss.mean(self.y, mixed, weights) / scale, slope / scale

        equal = np.full(n_candidates, 1.0 / n_candidates)
        found = minimize(
            objective,
            equal,
            jac=True,
            method="SLSQP",
            bounds=[(0.0, 1.0)] * n_candidates,
            constraints={"type": "eq", "fun": lambda a: a.sum() - 1.0, "jac": np.ones_like},
            options={"ftol": 1e-10, "maxiter": 200},
        )
        mixing = np.where(found.x < 1e-6, 0.0, found.x)
        mixing = mixing / mixing.sum() if mixing.any() else equal
        # Candidates that are worse by many orders of magnitude are too much for the solver.
        return mixing if objective(mixing)[0] <= 1.0 + 1e-9 else best


def one_hot(labels, classes):
    """Targets (n_rows, 1) of two classes, else (n_rows, n_classes); 0 for a foreign label."""
    hot = (labels[:, None] == classes[None, :]).astype(np.float64)
    return hot[:, 1:] if len(classes) == 2 else hot
