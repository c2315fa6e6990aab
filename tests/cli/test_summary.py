"""The statistics of a comparison and their wording, by hand on small tables."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from skmtl.cli.metrics import CLI_METRICS, log_loss
from skmtl.cli.runs import FoldResult
from skmtl.cli.strategies import Strategy
from skmtl.cli.summary import summarise
from skmtl.cli.wording import conclusion

RMSE, R2, ACCURACY = CLI_METRICS["rmse"], CLI_METRICS["r2"], CLI_METRICS["accuracy"]


def strategy(name, shares=True):
    return Strategy(name, "", None, shares=shares)


def results_of(tables):
    """Results from a dict of name to scores (n_folds, n_tasks)."""
    return [
        FoldResult(name, fold, [None if np.isnan(v) else float(v) for v in row], [9], [3], 0.1)
        for name, table in tables.items()
        for fold, row in enumerate(np.asarray(table, dtype=float))
    ]


def compare(metric=RMSE, cv=None, **tables):
    tables = {
        name.replace("_", "-"): np.array(table, dtype=float) for name, table in tables.items()
    }
    n_folds = len(next(iter(tables.values())))
    strategies = [strategy(name, shares=not name.endswith("per-task")) for name in tables]
    return summarise(strategies, results_of(tables), metric, cv=cv or n_folds, n_folds=n_folds)


def test_gain_and_interval_by_hand():
    base = np.array([[10.0, 20.0], [12.0, 18.0], [11.0, 21.0]])
    other = base - [[1.0, 2.0], [1.5, 1.0], [-0.5, 3.0]]
    summary = compare(per_task=base, pooled=other, third=base + 1).summaries[1]
    percent = 100 * np.array([1.5, 1.25, 1.25]) / base.mean()
    error = np.std(percent, ddof=1) * np.sqrt(1 / 3 + 1 / 2)
    reach = stats.t.ppf(1 - 0.05 / 4, 2) * error  # two strategies that share
    assert_allclose(summary.gain.estimate, percent.mean())
    assert_allclose(summary.gain.low, percent.mean() - reach)
    assert_allclose(summary.gain.high, percent.mean() + reach)
    assert (summary.helped, summary.hurt) == (2, 0)
    assert_allclose(summary.task_gains, 100 * np.array([2.0 / 3, 2.0]) / base.mean(axis=0))


def test_repeats_do_not_shrink_the_interval_to_nothing():
    rng = np.random.default_rng(0)
    base = np.full((500, 3), 10.0)
    gains = rng.normal(1, 1, (500, 3))
    gain = compare(per_task=base, pooled=base - gains, cv=5).summaries[1].gain
    by_fold = 10 * gains.mean(axis=1)
    reach = stats.t.ppf(0.975, 499) * np.std(by_fold, ddof=1) * np.sqrt(1 / 500 + 1 / 4)
    assert_allclose(gain.high - gain.estimate, reach)


def test_no_loss_is_lower_than_zero():
    base = np.full((3, 2), 10.0)
    other = base - np.array([[9.9, 9.9], [9.0, 9.0], [5.0, 5.0]])
    comparison = compare(per_task=base, pooled=other)
    assert comparison.summaries[1].gain.high == 100.0
    assert "to 100.0 % lower" in conclusion(comparison)
    assert compare(R2, per_task=base, pooled=base + 200).summaries[1].gain.high == 200.0


def test_undefined_scores_are_left_out():
    base = np.array([[0.5, np.nan], [0.6, 0.2]])
    summary = compare(R2, per_task=base, pooled=base + 0.1).summaries[1]
    assert_allclose(summary.mean, np.mean([0.6, 0.5]))
    assert_allclose(summary.task_gains, [0.1, 0.1])
    assert_allclose(summary.gain.estimate, 0.1)


def test_reference_is_the_best_that_does_not_share():
    base = np.full((3, 2), 10.0)
    comparison = compare(per_task=base, forest_per_task=base - 2, pooled=base - 1)
    assert comparison.reference.strategy.name == "forest-per-task"
    assert comparison.summaries[2].hurt == 2
    assert "one model per task (forest-per-task)" in conclusion(comparison)


@pytest.mark.parametrize(
    ("metric", "shift", "noise", "words"),
    [
        (RMSE, -2.0, 0.1, ("Sharing helps", "lower than that of one model per task", "2 of 2")),
        (RMSE, 2.0, 0.1, ("Sharing hurts", "higher than")),
        (RMSE, -0.1, 3.0, ("No clear difference", "from", "higher to")),
        (RMSE, 0.0, 0.0, ("No difference",)),
        (R2, 2.0, 0.1, ("Sharing helps", "higher than")),
        (ACCURACY, -2.0, 0.1, ("Sharing hurts", "points lower")),
    ],
)
def test_conclusion(metric, shift, noise, words):
    base = np.array([[10.0, 20.0], [12.0, 18.0], [11.0, 21.0], [13.0, 17.0]])
    change = shift + noise * np.array([[1.0, 1.0], [-1.0, -0.5], [0.5, -1.0], [-0.5, 0.5]])
    sentence = conclusion(compare(metric, per_task=base, pooled=base + change))
    for word in words:
        assert word in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


def test_no_reference_or_nothing_shared():
    base = np.full((3, 2), 10.0)
    assert "nothing to compare with" in conclusion(compare(pooled=base))
    assert "No strategy that shares" in conclusion(compare(per_task=base))


def test_log_loss():
    probabilities = np.array([[0.5, 0.5], [0.0, 1.0]])
    assert_allclose(log_loss(np.array([0, 1]), probabilities), np.log(2) / 2)
    assert np.isfinite(log_loss(np.array([0, 0]), probabilities))
