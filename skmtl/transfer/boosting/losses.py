"""Losses of gradient boosting: constants, slopes of rows and Newton steps of leaves.

Targets and raw predictions (on the scale of the link) have the shape (n_rows, n_columns): one
column for numbers and two classes, else one per class, with one-hot targets.
"""

import numpy as np
from scipy.special import expit, logit

from skmtl.losses import LogisticLoss, MultinomialLoss, PoissonLoss, SquaredLoss

LEAST_MEAN = 1e-10  # of a Poisson target, relative to 1: its logarithm has to exist
LEAST_SHARE = 1e-6  # of a class
LARGEST_STEP = 4.0  # of a leaf on a logarithmic scale: a factor of 50
NEWTON_STEPS, HALVINGS = 50, 30


class SmoothLoss:
    """A loss with second derivatives, by which leaves are Newton steps."""

    largest_step = LARGEST_STEP

    def mean(self, y, z, weights):
        """Weighted mean over rows."""
        return float(np.average(self.formula.value(y, z).sum(axis=1), weights=weights))

    def constant(self, y, weights):
        """Raw prediction (n_columns,) of the weighted mean."""
        return self.to_link(np.average(y, axis=0, weights=weights))

    def constants_of_others(self, y, weights):
        """For every row `constant` of the others (n_rows, n_columns); weight k is k rows.

        The weights have a sum above 1.
        """
        own = np.minimum(weights, 1.0)[:, None]
        return self.to_link((weights @ y - own * y) / (weights.sum() - own))

    def slopes(self, y, z):
        """Negative gradient, shape (n_rows, n_columns)."""
        return -self.formula.gradient(y, z)

    def steps(self, cells, n_cells, y, z, weights, ridge=0.0):
        """Newton step of every cell; `cells` (n_rows, n_columns) numbers those of all columns.

        `ridge` is added to the curvatures.
        """
        weights = np.broadcast_to(weights[:, None], cells.shape)
        pull = summed(weights * self.slopes(y, z), cells, n_cells)
        curvature = summed(weights * self.curvatures(y, z), cells, n_cells)
        step = pull / np.maximum(curvature + ridge, np.finfo(float).tiny)
        return np.clip(step, -self.largest_step, self.largest_step)

    def curvatures(self, y, z):
        return self.formula.curvature(y, z)

    def shift(self, y, z, weights, prior):
        """The constants a (n_columns,) that minimise loss(y, z + a) + a ridge.

        The ridge is the curvature of `prior` rows of a mean curvature.
        """
        curvature = np.average(self.curvatures(y, z), axis=0, weights=weights)
        ridge = prior * np.maximum(curvature, np.finfo(float).eps)

        def objective(shift):
            fit = weights @ self.formula.value(y, z + shift).sum(axis=1)
            return fit + 0.5 * ridge @ shift**2

        shift = np.zeros(z.shape[1])
        value = objective(shift)
        for _ in range(NEWTON_STEPS):
            slope = ridge * shift - weights @ self.slopes(y, z + shift)
            bend = np.tensordot(weights, self.bends(y, z + shift), axes=1) + np.diag(ridge)
            step = np.linalg.lstsq(bend, -slope, rcond=None)[0]
            for _ in range(HALVINGS):
                ahead = objective(shift + step)
                if ahead <= value:
                    break
                step = 0.5 * step
            else:
                return shift
            shift, gain, value = shift + step, value - ahead, ahead
            if gain <= 1e-14 * abs(value):
                return shift
        return shift

    def bends(self, y, z):
        """Hessians, of shape (n_rows, n_columns, n_columns)."""
        return self.curvatures(y, z)[:, :, None]


class SquaredError(SmoothLoss):
    """(y - z)^2 / 2."""

    formula = SquaredLoss()
    largest_step = np.inf

    def to_link(self, mean):
        return mean

    def from_raw(self, z):
        return z[:, 0]

    def to_raw(self, predicted):
        return predicted[:, None]


class Poisson(SmoothLoss):
    """Half the Poisson deviance of y >= 0 with the mean e^z."""

    formula = PoissonLoss()

    def to_link(self, mean):
        return np.log(np.maximum(mean, LEAST_MEAN))

    def from_raw(self, z):
        return self.formula.mean(z[:, 0])

    def to_raw(self, predicted):
        return self.to_link(predicted)[:, None]


class AbsoluteError:
    """abs(y - z): leaves are medians of residuals."""

    largest_step = np.inf

    def mean(self, y, z, weights):
        return float(np.average(np.abs(y - z)[:, 0], weights=weights))

    def slopes(self, y, z):
        return np.sign(y - z)

    def steps(self, cells, n_cells, y, z, weights, ridge=0.0):
        filled = summed(weights, cells, n_cells)
        shrunken = filled / np.maximum(filled + ridge, np.finfo(float).tiny)
        return shrunken * medians((y - z)[:, 0], weights, cells[:, 0], n_cells)

    def shift(self, y, z, weights, prior):
        total = weights.sum()
        median = medians((y - z)[:, 0], weights, np.zeros(len(y), dtype=int), 1)
        return total / (total + prior) * median

    def constant(self, y, weights):
        return medians(y[:, 0], weights, np.zeros(len(y), dtype=int), 1)

    def constants_of_others(self, y, weights):
        """As of the smooth losses: without a row that is below, the median is half a row up."""
        order = np.argsort(y[:, 0], kind="stable")
        goals = 0.5 * (weights.sum() + np.array([-1.0, 1.0]))
        places = np.searchsorted(np.cumsum(weights[order]), goals * (1.0 - 1e-12))
        low, high = y[order[np.minimum(places, len(order) - 1)], 0]
        return np.where(y <= low, high, low)

    from_raw = SquaredError.from_raw
    to_raw = SquaredError.to_raw


class Binomial(SmoothLoss):
    """Negative log-likelihood of labels 0 and 1 with log-odds z."""

    formula = LogisticLoss()

    def to_link(self, share):
        return logit(np.clip(share, LEAST_SHARE, 1.0 - LEAST_SHARE))

    def from_raw(self, z):
        """Probabilities of both classes."""
        share = expit(z[:, 0])
        return np.column_stack([1.0 - share, share])


class Multinomial(SmoothLoss):
    """Negative log-likelihood of one-hot labels with scores z."""

    formula = MultinomialLoss()

    def to_link(self, share):
        return np.log(np.maximum(share, LEAST_SHARE))

    def from_raw(self, z):
        """Probabilities of the classes."""
        return np.ascontiguousarray(self.formula.probabilities(z))

    def curvatures(self, y, z):
        p = self.formula.probabilities(z)
        return p * (1.0 - p)

    def bends(self, y, z):
        return self.formula.hessian(y, z)


REGRESSION = {
    "squared_error": SquaredError(),
    "absolute_error": AbsoluteError(),
    "poisson": Poisson(),
}
BINOMIAL, MULTINOMIAL = Binomial(), Multinomial()


def summed(values, cells, n_cells):
    return np.bincount(cells.ravel(), values.ravel(), minlength=n_cells)


def medians(values, weights, cells, n_cells):
    """Weighted (lower) median of the values of every cell; 0 for an empty one."""
    order = np.lexsort((values, cells))
    cells, values, weights = cells[order], values[order], weights[order]
    below = np.cumsum(weights)
    ends = np.cumsum(np.bincount(cells, minlength=n_cells))
    totals = np.concatenate([[0.0], below])[np.concatenate([[0], ends])]
    half = 0.5 * (totals[:-1] + totals[1:])
    reached = np.flatnonzero(below >= half[cells] * (1.0 - 1e-12))
    found = np.zeros(n_cells)
    own, first = np.unique(cells[reached], return_index=True)
    found[own] = values[reached[first]]
    return found
