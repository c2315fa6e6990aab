"""Rounds of gradient boosting on the target, and how many of them."""

from typing import NamedTuple

import numpy as np
from sklearn import config_context
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import check_random_state

GRID = 2.0**24  # steps from 0 to the largest slope


class Grower(NamedTuple):
    """Settings of the rounds."""

    loss: object
    learning_rate: float
    max_depth: int | None
    max_leaf_nodes: int | None
    min_samples_leaf: float
    l2: float
    subsample: float
    random_state: int
    check_input: bool  # trees need to look at X, as it has missing values

    def can_split(self, weights):
        """Whether two leaves have enough rows."""
        return weights.sum() >= 2.0 * self.min_samples_leaf

    def grow(self, X, y, raw, weights, rng):
        """One tree per column, its leaves Newton steps times the learning rate."""
        if self.subsample < 1.0:
            rows = rng.permutation(len(weights))[: max(1, round(self.subsample * len(weights)))]
            X, y, raw, weights = X[rows], y[rows], raw[rows], weights[rows]
        # By weight, not by rows: a row with weight 2 is two rows.
        least = (1.0 - 1e-9) * self.min_samples_leaf / weights.sum()
        slopes = on_grid(self.loss.slopes(y, raw))
        with config_context(skip_parameter_validation=True):  # half the time of a small tree
            trees = [
                DecisionTreeRegressor(
                    max_depth=self.max_depth,
                    max_leaf_nodes=self.max_leaf_nodes,
                    min_weight_fraction_leaf=min(least, 0.5),
                    random_state=self.random_state,
                ).fit(X, column, sample_weight=weights, check_input=self.check_input)
                for column in np.ascontiguousarray(slopes.T)
            ]
        ends = np.cumsum([0] + [tree.tree_.node_count for tree in trees])
        cells = np.column_stack([tree.tree_.apply(X) for tree in trees]) + ends[:-1]
        steps = self.loss.steps(cells, ends[-1], y, raw, weights, self.l2)
        for tree, start, end in zip(trees, ends[:-1], ends[1:], strict=True):
            tree.tree_.value[:, 0, 0] = self.learning_rate * steps[start:end]
        return trees


def on_grid(slopes):
    """Slopes in units of the largest, rounded: their sums are exact in any order.

    So splits that part rows alike are equally good, and the choice between them is not one by
    rounding errors, which differ between a row of weight 2 and two rows.
    """
    largest = np.abs(slopes).max(axis=0)
    return np.round(slopes / np.where(largest > 0, largest, 1.0) * GRID) / GRID


def added(trees, X):
    """What the trees of a round add to the raw predictions."""
    return np.column_stack([tree.tree_.value[tree.tree_.apply(X), 0, 0] for tree in trees])


def boost(grower, n_rounds, raw, X, y, weights):
    """Trees of n_rounds rounds, and the loss of the rows before and after every round."""
    rng = check_random_state(grower.random_state)
    raw, rounds = np.array(raw), []
    losses = [grower.loss.mean(y, raw, weights)]
    for _ in range(n_rounds if grower.can_split(weights) else 0):
        rounds.append(grower.grow(X, y, raw, weights, rng))
        raw += added(rounds[-1], X)
        losses.append(grower.loss.mean(y, raw, weights))
    return rounds, np.array(losses)


class Fold:
    """Boosting of the training rows of one fold, a round at a time."""

    def __init__(self, grower, X, y, raw, weights, train, test):
        self.grower, self.rng = grower, check_random_state(grower.random_state)
        self.own = [X[train], y[train], np.array(raw[train]), weights[train]]
        self.held_out = [X[test], y[test], np.array(raw[test]), weights[test]]

    def loss(self):
        """Sum over the rows left out."""
        _, y, raw, weights = self.held_out
        return self.grower.loss.mean(y, raw, weights) * weights.sum()

    def grow(self):
        if not self.grower.can_split(self.own[3]):
            return
        trees = self.grower.grow(*self.own, self.rng)
        self.own[2] += added(trees, self.own[0])
        self.held_out[2] += added(trees, self.held_out[0])


def out_of_fold_losses(grower, start, splits, X, y, weights, *, max_iter, patience):
    """Mean loss of the rows left out after 0, 1, ... rounds.

    All folds go a round at a time, until the loss has not fallen for `patience` rounds.
    """
    folds = []
    for train, test in splits:
        kept = np.zeros(len(weights))
        kept[train] = weights[train]
        folds.append(Fold(grower, X, y, start.fit(kept)[1], weights, train, test))
    total = sum(fold.held_out[3].sum() for fold in folds)
    losses = [sum(fold.loss() for fold in folds) / total]
    for n_rounds in range(1, max_iter + 1):
        for fold in folds:
            fold.grow()
        losses.append(sum(fold.loss() for fold in folds) / total)
        if n_rounds - int(np.argmin(losses)) >= patience:
            break
    return np.array(losses)
