"""Squared loss + penalty over a TaskData: duality gap, the smallest trivial alpha.

The smooth part is a quadratic in W plus sum_j ridge_j ||w_j||^2 / 2. It is
kept as Gram matrices where these are small, and as the rows of X where they are not.
"""

from copy import copy

import numpy as np
from scipy import sparse

from skmtl.design import Design
from skmtl.quadratic import GRAM_ENTRIES, Gram, MaskedRows, Rows
from skmtl.statistics import CentredSums, TaskSums

FEW_FEATURES = 250
ROWS_PER_TASK = 30  # with fewer, second-order methods are the fastest


class Problem:
    """Squared loss of a TaskData plus a penalty, over the penalised coefficients.

    Parameters
    ----------
    data : TaskData or TaskSums
        From sums, no feature may be free: projecting it out needs the rows.
    penalty : Penalty
    fit_intercept : bool
    n_bar : float, optional
        Divides the loss; None: the mean weight of a task.

    Attributes
    ----------
    quadratic : Gram, Rows or MaskedRows
    penalty : Penalty
        On the kept features (those that some part penalises).
    shape : tuple
        (n_kept_features, n_tasks), the shape of W.
    """

    def __init__(self, data, penalty, *, fit_intercept=True, n_bar=None):
        self.data, self.fit_intercept = data, fit_intercept
        self.n_features = data.n_features
        self.n_bar = data.mean_task_weight if n_bar is None else n_bar
        self._set_penalty(penalty)
        self._read(data, self.free)

    def with_penalty(self, penalty):
        """The same data under another penalty; read again only if other features are free."""
        other = copy(self)
        other._set_penalty(penalty)
        if not np.array_equal(other.free, self.free):
            other._read(self.data, other.free)
        return other

    def _set_penalty(self, penalty):
        self.full_penalty = penalty
        penalty.check(self.n_features)
        gauge_free = _gauge_free(penalty, self.n_features)
        ridge = penalty.ridge(self.n_features)
        self.free = gauge_free & (ridge == 0)
        self.penalty = penalty.restrict(~self.free) if self.free.any() else penalty
        self.gauge = self.penalty.gauge()
        self.ridge = ridge[~self.free, None]
        self.ridge_only = gauge_free[~self.free]
        self.shape = (int(np.sum(~self.free)), self.data.n_tasks)

    def _read(self, data, free):
        fit_intercept, n_bar = self.fit_intercept, self.n_bar
        if isinstance(data, TaskSums):
            if free.any():
                raise ValueError("features without a penalty need the rows, but there are sums.")
            centred = CentredSums(data, fit_intercept)
            self.quadratic, self._designs = centred.quadratic(n_bar, data.tasks), [centred]
            return
        n_blocks = sum(1 for _ in data.groups())
        largest = max(GRAM_ENTRIES, data.X.shape[0] * data.n_features)
        small = n_blocks * self.shape[0] ** 2 <= largest
        if n_blocks == 1:
            small = small and _gram_pays(data.X, *self.shape)
        if data.shared_rows and n_blocks > 1 and not small and not free.any():
            self.quadratic = MaskedRows(data, n_bar, fit_intercept)
            self._designs = [self.quadratic]
            return
        cross = np.empty(self.shape)
        energy = 0.0
        self._designs = []
        grams = np.empty((n_blocks, self.shape[0], self.shape[0]) if small else 0)
        for block in data.blocks():
            design = Design(block, fit_intercept=fit_intercept, free=free)
            cross[:, design.tasks] = design.cross() / n_bar
            energy += 0.5 * np.sum(design.Y**2) / n_bar
            if small:
                np.divide(design.gram(), n_bar, out=grams[len(self._designs)])
                design.forget_rows()
            self._designs.append(design)
        if small:
            tasks = [design.tasks for design in self._designs]
            self.quadratic = Gram(grams, cross, energy, tasks)
        else:
            self.quadratic = Rows(self._designs, n_bar, cross, energy)

    def gap(self, W, product, rows=None):
        """Duality gap of W relative to the objective of W = 0; product = G W.

        The dual point is the residual times the best s in [0, 1 / dual norm]: with the gauge's
        dual ball for penalised features, and the conjugate of the ridge for the others.
        `rows` says which features W and product speak of (a working set).
        """
        rows = slice(None) if rows is None else rows
        ridge, ridge_only = self.ridge[rows], self.ridge_only[rows]
        cross, energy = self.quadratic.cross[rows], self.quadratic.energy
        if energy == 0.0:  # the targets are fitted without W: 0 is the optimum
            return np.inf if W.any() else 0.0
        gauge = self.gauge_on(rows)
        fitted, squared = np.sum(cross * W), np.sum(W * product)
        ridge_value = 0.5 * np.sum(ridge * W**2)
        primal = 0.5 * squared - fitted + energy + ridge_value
        linear = 2.0 * energy - fitted
        quadratic = linear - fitted + squared + 2.0 * ridge_value
        largest = np.inf
        if gauge is not None:
            primal += gauge.value(W)
            norms = gauge.row_dual_norms(cross - product - ridge * W)
            dual_norm = norms[~ridge_only].max(initial=0.0)
            largest = 1.0 / dual_norm if dual_norm > 0 else np.inf
        if ridge_only.any():
            correlation = (cross - product)[ridge_only]
            quadratic += np.sum(correlation**2 / ridge[ridge_only])
            quadratic -= np.sum(ridge[ridge_only] * W[ridge_only] ** 2)
        best = linear / quadratic if quadratic > 0 else 0.0
        scale = min(max(best, 0.0), largest)
        dual = scale * linear - 0.5 * scale**2 * quadratic
        # Below the rounding error of the objective a gap cannot be told from 0.
        return max((primal - dual) / energy, np.finfo(float).eps)

    def gauge_on(self, rows):
        if self.gauge is None or isinstance(rows, slice):
            return self.gauge
        return self.gauge.restrict(rows)

    def violations(self, W, product):
        """Per feature how far beyond its dual ball the gradient is: above 1, W is not optimal."""
        Z = self.quadratic.cross - product - self.ridge * W
        if self.gauge is None:
            return np.full(len(Z), np.inf)
        norms = self.gauge.row_dual_norms(Z)
        return np.where(self.ridge_only, np.inf, norms)

    def largest_curvature(self):
        """The largest second derivative of the loss in a coefficient."""
        return float(self.quadratic.diagonal().max(initial=0.0))

    def null_dual_norm(self):
        """The factor by which the gauge must grow for W = 0 to be optimal (below 1: it is)."""
        if self.gauge is None:
            return np.inf
        norms = self.gauge.row_dual_norms(self.quadratic.cross)
        return norms[~self.ridge_only].max(initial=0.0)

    def n_free(self):
        """Dimension of what features without a penalty can fit, over all tasks."""
        return sum(design.n_free * len(design.tasks) for design in self._designs)

    def kept_start(self, coef):
        """Kept rows of coefficients (n_features, n_tasks) as a start; None where shapes differ."""
        if coef is None or coef.shape != (self.n_features, self.shape[1]):
            return None
        return np.array(coef[self._designs[0].kept], dtype=np.float64)

    def complete(self, W):
        """Coefficients (n_features, n_tasks) and intercepts (n_tasks,) of all features."""
        coef = np.zeros((self.n_features, self.shape[1]))
        intercept = np.zeros(self.shape[1])
        for design in self._designs:
            tasks = design.tasks
            coef[:, tasks], intercept[tasks] = design.complete(W[:, tasks])
        return coef, intercept


def _gram_pays(X, n_features, n_tasks):
    """Whether one Gram matrix for all tasks is worth its price, or the rows are kept."""
    if n_features <= FEW_FEATURES:
        return True
    many_tasks = n_features <= 2 * FEW_FEATURES or n_features < ROWS_PER_TASK * n_tasks
    return n_features <= X.shape[0] and many_tasks and not sparse.issparse(X)


def _gauge_free(penalty, n_features):
    """Mask of the features on which the gauge is zero."""
    gauge = penalty.gauge()
    if gauge is None:
        return np.ones(n_features, dtype=bool)
    entry, row = gauge.row_weights(n_features)
    return (entry == 0) & (row == 0)
