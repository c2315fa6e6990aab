"""Statistics of a comparison: means, standard errors, paired differences."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from skmtl.cli.metrics import Metric

LEVEL = 0.95


@dataclass(frozen=True)
class Gain:
    """How much better than the reference (negative: worse), with an interval.

    For losses in percent of the reference's loss, else in units of the score.
    """

    estimate: float
    low: float
    high: float

    @property
    def clear(self):
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Summary:
    """A strategy over all folds; `task_scores` and `task_gains` are NaN where not defined."""

    strategy: object
    message: str | None
    mean: float = np.nan
    standard_error: float = np.nan
    fit_seconds: float = np.nan
    not_converged: int = 0
    gain: Gain | None = None
    helped: int | None = None
    hurt: int | None = None
    task_scores: np.ndarray | None = None
    task_gains: np.ndarray | None = None
    task_gain_errors: np.ndarray | None = None


@dataclass(frozen=True)
class Comparison:
    """Summaries of all strategies, and the one that the others are compared with."""

    metric: Metric
    n_folds: int
    summaries: list
    reference: Summary | None
    results: list

    @property
    def best_sharing(self):
        """The best of the strategies that share, or None."""
        sharing = [s for s in self.summaries if s.strategy.shares and s.gain is not None]
        return max(sharing, key=lambda summary: summary.gain.estimate, default=None)

    @property
    def n_sharing(self):
        return sum(s.strategy.shares and s.gain is not None for s in self.summaries)

    @property
    def failed(self):
        return [summary for summary in self.summaries if summary.message is not None]


def summarise(strategies, results, metric, *, cv, n_folds):
    """Comparison of finished results.

    The reference is the best strategy that does not share. The gains' intervals are
    simultaneous: as wide as needed to look at the best of all strategies that share.
    """
    tables = {}
    for strategy in strategies:
        own = sorted((r for r in results if r.strategy == strategy.name), key=lambda r: r.fold)
        tables[strategy.name] = own
    summaries = [summarise_one(strategy, tables[strategy.name], cv) for strategy in strategies]
    sign = -1.0 if metric.is_loss else 1.0
    finished = [s for s in summaries if s.message is None]
    references = [s for s in finished if not s.strategy.shares]
    reference = max(references, key=lambda summary: sign * summary.mean, default=None)
    if reference is not None:
        base = score_table(tables[reference.strategy.name])
        n_compared = sum(s.strategy.shares for s in finished)
        for position, summary in enumerate(summaries):
            if summary.message is None and summary is not reference:
                table = score_table(tables[summary.strategy.name])
                compared = compare_with(base, table, metric, cv=cv, n_compared=n_compared)
                summaries[position] = replace(summary, **compared)
    return Comparison(metric, n_folds, summaries, reference, list(results))


def score_table(results):
    """Scores (n_folds, n_tasks), NaN where not defined."""
    return np.array([r.scores for r in results], dtype=float)


def mean_of_defined(values, axis=None):
    """Mean without NaN; NaN, and no warning, where there is nothing."""
    counts = np.sum(~np.isnan(values), axis=axis)
    return np.where(counts > 0, np.nansum(values, axis=axis) / np.maximum(counts, 1), np.nan)


def summarise_one(strategy, results, cv):
    """Summary without comparison; a strategy that failed in a fold failed."""
    messages = [f"fold {r.fold + 1}: {r.message}" for r in results if r.failed]
    not_converged = sum(r.not_converged for r in results)
    if messages:
        return Summary(strategy, messages[0], not_converged=not_converged)
    table = score_table(results)
    folds = mean_of_defined(table, axis=1)
    folds = folds[~np.isnan(folds)]
    if not len(folds):
        return Summary(strategy, "the metric is not defined in any fold")
    return Summary(
        strategy,
        None,
        mean=float(folds.mean()),
        # Repeats bring no new rows: they do not lower it.
        standard_error=standard_error(folds, 1 / min(cv, len(folds))),
        fit_seconds=float(np.mean([r.fit_seconds for r in results])),
        not_converged=not_converged,
        task_scores=mean_of_defined(table, axis=0),
    )


def standard_error(values, factor):
    """Root of the variance between folds times a factor; NaN for a single fold."""
    return float(np.std(values, ddof=1) * np.sqrt(factor)) if len(values) > 1 else np.nan


def paired_standard_error(values, cv):
    """Standard error of a mean difference over folds whose training sets overlap.

    Nadeau and Bengio 2003, *Inference for the generalization error*: the factor 1/k of the
    variance becomes 1/k + n_test/n_train.
    """
    return standard_error(values, 1 / max(len(values), 1) + 1 / (cv - 1))


def compare_with(base, table, metric, *, cv, n_compared):
    """Gains of scores over those of the reference, in all and for every task."""
    sign = -1.0 if metric.is_loss else 1.0
    differences = sign * (table - base)
    per_task = mean_of_defined(differences, axis=0)
    base_of_task = mean_of_defined(base, axis=0)
    errors = [paired_standard_error(column[~np.isnan(column)], cv) for column in differences.T]
    rounding = 1e-9 * np.abs(base_of_task)  # smaller differences are none
    in_units = unit_factor(metric, base_of_task)
    by_fold = mean_of_defined(differences, axis=1)
    by_fold = by_fold[~np.isnan(by_fold)]
    mean_base = float(np.mean(mean_of_defined(base, axis=1)[~np.isnan(base).all(axis=1)]))
    return {
        "gain": cap(interval(by_fold * unit_factor(metric, mean_base), cv, n_compared), metric),
        "helped": int(np.sum(per_task > rounding)),
        "hurt": int(np.sum(per_task < -rounding)),
        "task_gains": per_task * in_units,
        "task_gain_errors": np.array(errors) * in_units,
    }


def cap(gain, metric):
    """The gain with an interval up to 100 % of a loss: no loss is lower than zero."""
    if not metric.is_loss or np.isinf(gain.high):
        return gain
    return replace(gain, high=min(gain.high, 100.0))


def unit_factor(metric, base):
    """What turns a difference into percent of a loss, or into the unit of a score."""
    if not metric.is_loss:
        return np.full(np.shape(base), metric.scale)[()]
    base = np.asarray(base, dtype=float)
    exact = 1e-9 * mean_of_defined(base)  # no percentage of a loss that is only rounding
    return np.divide(100.0, base, out=np.full(base.shape, np.nan), where=base > exact)[()]


def interval(gains, cv, n_compared):
    """Mean gain with a t interval at `LEVEL` for all of `n_compared` at once (Bonferroni)."""
    estimate = float(np.mean(gains))
    error = paired_standard_error(gains, cv)
    quantile = stats.t.ppf(1 - (1 - LEVEL) / (2 * max(n_compared, 1)), max(len(gains) - 1, 1))
    if np.isnan(error):
        return Gain(estimate, -np.inf, np.inf)
    return Gain(estimate, estimate - quantile * error, estimate + quantile * error)
