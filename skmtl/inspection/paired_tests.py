"""Tests of the differences between two strategies over the folds of a cross-validation."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
ROUNDING = 1e-9  # share of a value up to which a difference is none


@dataclass(frozen=True)
class PairedTest:
    """Mean differences over folds; entries of the arrays are tests of their own.

    Attributes
    ----------
    estimate : ndarray
        Mean difference.
    error : ndarray
        Its standard error; NaN where nothing tells it: for a single fold, and for differences
        that are equal in all folds, but not 0.
    n_folds : ndarray
        Folds that have a difference.
    """

    estimate: np.ndarray
    error: np.ndarray
    n_folds: np.ndarray

    @property
    def p_value(self):
        """Two-sided p-values; NaN where the error is not known."""
        varies = self.error > 0
        size = np.abs(self.estimate)
        t = np.divide(size, self.error, out=np.zeros(np.shape(size)), where=varies)
        p = 2 * stats.t.sf(t, np.maximum(self.n_folds - 1, 1))
        return np.where(varies, p, np.where((self.error == 0) & (size == 0), 1.0, np.nan))

    def interval(self, n_compared=1):
        """Ends of the intervals, which hold for `n_compared` of them at once (Bonferroni).

        Infinite where the error is not known.
        """
        tail = (1 - LEVEL) / (2 * max(n_compared, 1))
        reach = stats.t.isf(tail, np.maximum(self.n_folds - 1, 1)) * self.error
        reach = np.where(np.isnan(reach) & ~np.isnan(self.estimate), np.inf, reach)
        return self.estimate - reach, self.estimate + reach


def paired_test(differences, test_share):
    """Test whether differences are 0 on average over folds whose training sets overlap.

    Nadeau and Bengio 2003, *Inference for the generalization error*: the factor 1/k of the
    variance becomes 1/k + n_test/n_train. Rows that a smaller training set leaves aside count as
    training rows, for the correction stands for how much the folds have in common.

    Parameters
    ----------
    differences : ndarray of shape (n_folds,) or (n_folds, n_tests)
        NaN is left out.
    test_share : float
        Share of the rows that a fold tests.

    Returns
    -------
    PairedTest
    """
    mean, error, counts = mean_and_spread(differences)
    others = max(1 - test_share, np.finfo(float).eps)
    factor = 1 / np.maximum(counts, 1) + test_share / others
    # Few folds that agree by chance, as shares of few rows do, are no certainty.
    error = np.where((error <= ROUNDING * np.abs(mean)) & (mean != 0), np.nan, error)
    return PairedTest(mean, error * np.sqrt(factor), counts)


def mean_and_spread(values):
    """Mean, standard deviation and number of the entries along axis 0 that are not NaN."""
    values = np.asarray(values, dtype=float)
    counts = np.sum(~np.isnan(values), axis=0)
    mean = mean_of_defined(values, axis=0)
    squares = np.nansum((values - mean) ** 2, axis=0)
    spread = np.sqrt(squares / np.maximum(counts - 1, 1))
    return mean, np.where(counts > 1, spread, np.nan), counts


def mean_of_defined(values, axis=None):
    """Mean without NaN; NaN, and no warning, where there is nothing."""
    counts = np.sum(~np.isnan(values), axis=axis)
    return np.where(counts > 0, np.nansum(values, axis=axis) / np.maximum(counts, 1), np.nan)


def holm(p_values):
    """P-values for several tests at once, by which no true null hypothesis is rejected wrongly.

    Holm 1979, *A simple sequentially rejective multiple test procedure*. NaN is no test.
    """
    adjusted = np.array(p_values, dtype=float)
    known = np.flatnonzero(~np.isnan(adjusted))
    order = known[np.argsort(adjusted[known], kind="stable")]
    scaled = adjusted[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def false_discovery_rate(p_values):
    """P-values for several tests at once, by which few of the rejections are wrong.

    Benjamini and Hochberg 1995, *Controlling the false discovery rate*. NaN is no test.
    """
    adjusted = np.array(p_values, dtype=float)
    known = ~np.isnan(adjusted)
    if known.any():
        adjusted[known] = stats.false_discovery_control(adjusted[known])
    return adjusted
