"""What a comparison of strategies found: scores, gains over a reference, and their tests."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skmtl.inspection.drawing import import_pandas
from skmtl.inspection.gain_figure import draw_gains
from skmtl.inspection.measures import MEASURES
from skmtl.inspection.paired_tests import (
    LEVEL,
    ROUNDING,
    false_discovery_rate,
    holm,
    mean_and_spread,
    mean_of_defined,
    paired_test,
)
from skmtl.inspection.presentation import html_report
from skmtl.inspection.verdict import write_verdict


@dataclass(frozen=True, eq=False, repr=False)
class StrategyComparison:
    """Scores of strategies in the folds of a cross-validation, compared with a reference.

    The result of :func:`compare_strategies`. A gain is positive where a strategy is better than
    the reference: in percent of the reference's loss for rmse, mae, mse and log_loss, in
    percentage points for accuracy and balanced_accuracy, otherwise a difference of scores.

    The tests are paired over the folds and corrected for the overlap of training sets [1]_.

    Parameters
    ----------
    strategies : tuple of str
        Names of the strategies.
    tasks : array-like of shape (n_tasks,)
        What the tasks are called.
    metric : str
    reference : str
        The strategy that the others are compared with.
    results : sequence of FoldResult
        One for every strategy and fold.
    test_share : float
        Share of the rows that a fold tests.
    sharing : tuple of str, optional
        Strategies that are known to share; the verdict is about the best of them. Otherwise it
        is about the best of all but the reference. If one is called "sharing", the verdict is
        about that one.

    Attributes
    ----------
    scores : ndarray of shape (n_strategies, n_folds, n_tasks)
        NaN where a score is not defined, and in all folds of a strategy that failed in one.
    task_scores : ndarray of shape (n_strategies, n_tasks)
        Means over the folds.
    gains : ndarray of shape (n_strategies,)
        Gain in the mean score over tasks and folds, in which tasks with large losses count
        most; `task_gains` are relative to each task's own. NaN for the reference and for
        strategies that failed.
    gain_intervals : ndarray of shape (n_strategies, 2)
        95 % intervals of the gains, each for itself.
    p_values : ndarray of shape (n_strategies,)
        Of no difference to the reference; adjusted by Holm for the number of strategies.
    task_gains, task_gain_errors : ndarray of shape (n_strategies, n_tasks)
        Gain of every task, and its standard error.
    task_p_values : ndarray of shape (n_strategies, n_tasks)
        Of no difference in a task; adjusted by Benjamini and Hochberg for the number of tasks.
    failures : dict of str to str
        Why strategies failed, by name.
    verdict : str
        The result in one sentence.

    References
    ----------
    .. [1] Nadeau, Bengio 2003, *Inference for the generalization error*, Machine Learning 52.

    Examples
    --------
    >>> from skmtl import PerTaskRegressor, PooledRegressor, make_multitask_regression
    >>> from skmtl.inspection import compare_strategies
    >>> X, y = make_multitask_regression(
    ...     n_tasks=3, n_samples=40, structure="common", spread=1.0, random_state=0)
    >>> comparison = compare_strategies(
    ...     X, y, [PerTaskRegressor(task_column=0), PooledRegressor(task_column=0)],
    ...     task_column=0, random_state=0)
    >>> comparison.task_gains.shape
    (2, 3)
    >>> print(comparison.verdict)
    PooledRegressor is worse: ... % higher RMSE than PerTaskRegressor (95 % interval ...), ...
    """

    strategies: tuple
    tasks: np.ndarray
    metric: str
    reference: str
    results: tuple
    test_share: float
    sharing: tuple | None = None

    @property
    def measure(self):
        return MEASURES[self.metric]

    @property
    def n_folds(self):
        return len(self.results) // len(self.strategies)

    @property
    def finished(self):
        """Names of the strategies that have scores."""
        return [name for name in self.strategies if name not in self.failures]

    def position(self, name):
        """Where a strategy is in the arrays."""
        return self.strategies.index(name)

    def results_of(self, name):
        """The results of a strategy in the order of the folds."""
        found = [result for result in self.results if result.strategy == name]
        return sorted(found, key=lambda result: result.fold)

    # --- scores -------------------------------------------------------------------------------

    @cached_property
    def failures(self):
        return {name: text for name in self.strategies if (text := self._failure(name))}

    def _failure(self, name):
        results = self.results_of(name)
        for result in results:
            if result.failed:
                return f"fold {result.fold + 1}: {result.message}"
        if all(score is None for result in results for score in result.scores):
            return f"{self.metric} is not defined in any fold"
        return None

    @cached_property
    def scores(self):
        found = [[result.scores for result in self.results_of(name)] for name in self.strategies]
        scores = np.array(found, dtype=float)
        scores[[name in self.failures for name in self.strategies]] = np.nan
        return scores

    @cached_property
    def task_scores(self):
        return np.array([mean_of_defined(scores, axis=0) for scores in self.scores])

    @cached_property
    def train_rows(self):
        """Mean over the folds of the rows of every task that were learned from."""
        return np.mean([result.train_rows for result in self.results], axis=0)

    def mean_score(self, name):
        """Mean over tasks and folds of a strategy's score, and its standard error."""
        mean, spread, count = mean_and_spread(self._by_fold(self.scores[self.position(name)]))
        # Repeats of the folds bring no new rows: they do not lower it.
        return float(mean), float(spread * np.sqrt(max(self.test_share, 1 / max(count, 1))))

    @staticmethod
    def _by_fold(values):
        """Mean over the tasks of every fold."""
        return mean_of_defined(values, axis=1)

    # --- gains --------------------------------------------------------------------------------

    @property
    def _base(self):
        return self.scores[self.position(self.reference)]

    def _differences(self, name):
        """How much better a strategy is than the reference (n_folds, n_tasks); NaN for itself."""
        if name == self.reference:
            return np.full_like(self._base, np.nan)
        better = self.measure.sign * (self.scores[self.position(name)] - self._base)
        return np.where(np.abs(better) <= ROUNDING * np.abs(self._base), 0.0, better)

    def _in_units(self, base):
        """What turns a difference to scores of the reference into a gain."""
        if not self.measure.is_loss:
            return np.full(np.shape(base), self.measure.scale)
        exact = ROUNDING * mean_of_defined(base)  # no percentage of a loss that is only rounding
        return np.divide(100.0, base, out=np.full(np.shape(base), np.nan), where=base > exact)

    @cached_property
    def _tests(self):
        """Test of the gain of every strategy in the mean score over the tasks."""
        base = mean_of_defined(self._by_fold(self._base))
        by_fold = [self._by_fold(self._differences(name)) for name in self.strategies]
        return [paired_test(gains * self._in_units(base), self.test_share) for gains in by_fold]

    @cached_property
    def _task_tests(self):
        units = self._in_units(mean_of_defined(self._base, axis=0))
        differences = [self._differences(name) for name in self.strategies]
        return [paired_test(gains * units, self.test_share) for gains in differences]

    @cached_property
    def gains(self):
        return np.array([test.estimate for test in self._tests])

    @cached_property
    def gain_intervals(self):
        return np.array([self.interval(name) for name in self.strategies])

    @cached_property
    def p_values(self):
        return holm([test.p_value for test in self._tests])

    @cached_property
    def task_gains(self):
        return np.array([test.estimate for test in self._task_tests])

    @cached_property
    def task_gain_errors(self):
        return np.array([test.error for test in self._task_tests])

    @cached_property
    def task_p_values(self):
        return np.array([false_discovery_rate(test.p_value) for test in self._task_tests])

    def interval(self, name, n_compared=1):
        """95 % interval of the gain of a strategy.

        Parameters
        ----------
        name : str
        n_compared : int, default=1
            Widened so that it holds for the best of so many strategies.

        Returns
        -------
        low, high : float
        """
        low, high = self._tests[self.position(name)].interval(n_compared)
        # No loss is lower than zero.
        cap = 100.0 if self.measure.is_loss and np.isfinite(high) else np.inf
        return float(low), float(np.minimum(high, cap))

    def hurt_share(self, name):
        """Share of the tasks that a strategy makes worse by more than 1 %, or 1 point."""
        gains = self.task_gains[self.position(name)]
        gains = gains[~np.isnan(gains)]
        return float(np.mean(gains < -self.measure.noticeable)) if len(gains) else np.nan

    # --- what is shown ------------------------------------------------------------------------

    @property
    def verdict(self):
        return write_verdict(self)

    def records(self):
        """The rows of :meth:`to_frame` as dicts; None and NaN where there is no value."""
        return [self._record(name) for name in self.strategies]

    def _record(self, name):
        row, results = self.position(name), self.results_of(name)
        mean, error = self.mean_score(name)
        gains, low_high = self.task_gains[row], self.gain_intervals[row]
        compared = name != self.reference and not np.isnan(gains).all()
        clear = self.task_p_values[row] < 1 - LEVEL
        failed = name in self.failures
        return {
            "strategy": name,
            "score": mean,
            "standard_error": error,
            "gain": float(self.gains[row]),
            "gain_low": float(low_high[0]),
            "gain_high": float(low_high[1]),
            "p_value": float(self.p_values[row]),
            "helped": int((gains > 0).sum()) if compared else None,
            "hurt": int((gains < 0).sum()) if compared else None,
            "hurt_share": self.hurt_share(name),
            "clearly_helped": int((clear & (gains > 0)).sum()) if compared else None,
            "clearly_hurt": int((clear & (gains < 0)).sum()) if compared else None,
            "fit_seconds": np.nan if failed else float(np.mean([r.fit_seconds for r in results])),
            "not_converged": sum(result.not_converged for result in results),
            "message": self.failures.get(name),
        }

    def to_frame(self):
        """Scores and gains, a row per strategy.

        Returns
        -------
        DataFrame
            Columns "score" (mean over tasks and folds), "standard_error", "gain", "gain_low" and
            "gain_high" (95 % interval), "p_value" (adjusted by Holm), "helped" and "hurt" (number
            of tasks with a gain or a loss), "hurt_share" (of tasks worse by more than 1 %, or 1
            point), "clearly_helped" and "clearly_hurt" (number of tasks, 5 % of them wrongly:
            Benjamini and Hochberg), "fit_seconds" (mean), "not_converged" (number of fits) and
            "message" (why it failed).
        """
        return import_pandas().DataFrame(self.records()).set_index("strategy")

    def task_records(self):
        """The rows of :meth:`task_frame` as dicts."""
        base = self.task_scores[self.position(self.reference)]
        for name in self.finished:
            row = self.position(name)
            for task, label in enumerate(np.asarray(self.tasks).tolist()):
                gain, p_value = self.task_gains[row, task], self.task_p_values[row, task]
                yield {
                    "strategy": name,
                    "task": label,
                    "train_rows": float(self.train_rows[task]),
                    "score": float(self.task_scores[row, task]),
                    "reference_score": float(base[task]),
                    "gain": float(gain),
                    "gain_standard_error": float(self.task_gain_errors[row, task]),
                    "p_value": float(p_value),
                    "effect": effect(gain, p_value),
                }

    def task_frame(self):
        """Scores and gains, a row per strategy and task.

        Returns
        -------
        DataFrame
            Columns "strategy", "task", "train_rows" (mean over the folds), "score",
            "reference_score", "gain", "gain_standard_error", "p_value" (adjusted by Benjamini and
            Hochberg for the number of tasks) and "effect" ("helped", "hurt" or "unclear";
            None for the reference).
        """
        return import_pandas().DataFrame(list(self.task_records()))

    def plot(self, figure=None, *, title=None):
        """Draw the gain of every task, a panel per strategy.

        Parameters
        ----------
        figure : matplotlib Figure, optional
            Without it, one of pyplot.
        title : str, optional

        Returns
        -------
        Figure
        """
        return draw_gains(self, figure, title)

    def __repr__(self):
        return (
            f"<StrategyComparison of {', '.join(self.strategies)} on {len(self.tasks)} tasks in "
            f"{self.n_folds} folds. {self.verdict}>"
        )

    def _repr_html_(self):
        return html_report(self)


def effect(gain, p_value):
    """What a strategy does to a task: "helped" or "hurt" where a test says so; maybe None."""
    if np.isnan(gain):
        return None
    if not p_value < 1 - LEVEL:
        return "unclear"
    return "helped" if gain > 0 else "hurt"
