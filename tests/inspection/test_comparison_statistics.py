"""The statistics of a comparison, by hand on small tables and by plain loops."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from skmtl.inspection import FoldResult, StrategyComparison
from skmtl.inspection.paired_tests import (
    false_discovery_rate,
    holm,
    mean_of_defined,
    paired_test,
)


def results_of(tables):
    """Results from a dict of name to scores (n_folds, n_tasks)."""

    def result(name, fold, row):
        scores = [None if np.isnan(value) else float(value) for value in row]
        return FoldResult(name, fold, scores, [9] * len(row), [3] * len(row), 0.1)

    return [
        result(name, fold, row)
        for name, table in tables.items()
        for fold, row in enumerate(np.asarray(table, dtype=float))
    ]


def compare(metric="rmse", test_share=None, **tables):
    """A comparison with the first of the tables (n_folds, n_tasks)."""
    tables = {name.replace("_", "-"): np.array(table) for name, table in tables.items()}
    n_folds, n_tasks = next(iter(tables.values())).shape
    return StrategyComparison(
        strategies=tuple(tables),
        tasks=np.arange(n_tasks),
        metric=metric,
        reference=next(iter(tables)),
        results=tuple(results_of(tables)),
        test_share=1 / n_folds if test_share is None else test_share,
    )


BASE = np.array([[10.0, 20.0], [12.0, 18.0], [11.0, 21.0]])
OTHER = BASE - [[1.0, 2.0], [1.5, 1.0], [-0.5, 3.0]]


def test_gain_and_interval_by_hand():
    comparison = compare(per_task=BASE, pooled=OTHER)
    percent = 100 * np.array([1.5, 1.25, 1.25]) / BASE.mean()
    error = np.std(percent, ddof=1) * np.sqrt(1 / 3 + 1 / 2)
    assert_allclose(comparison.gains, [np.nan, percent.mean()])
    for n_compared in (1, 2, 5):
        reach = stats.t.ppf(1 - 0.05 / (2 * n_compared), 2) * error
        found = comparison.interval("pooled", n_compared)
        assert_allclose(found, [percent.mean() - reach, percent.mean() + reach])
    assert_allclose(comparison.gain_intervals[1], comparison.interval("pooled"))
    p_value = 2 * stats.t.sf(percent.mean() / error, 2)
    assert_allclose(comparison.p_values, [np.nan, p_value])


def test_gains_of_tasks_by_hand():
    comparison = compare(per_task=BASE, pooled=OTHER)
    differences = (BASE - OTHER) * 100 / BASE.mean(axis=0)
    assert_allclose(comparison.task_scores[1], OTHER.mean(axis=0))
    assert_allclose(comparison.task_gains[1], differences.mean(axis=0))
    errors = np.std(differences, ddof=1, axis=0) * np.sqrt(1 / 3 + 1 / 2)
    assert_allclose(comparison.task_gain_errors[1], errors)
    p_values = 2 * stats.t.sf(np.abs(differences.mean(axis=0)) / errors, 2)
    assert_allclose(comparison.task_p_values[1], stats.false_discovery_control(p_values))
    assert np.isnan(comparison.task_gains[0]).all()
    record = comparison.records()[1]
    assert (record["helped"], record["hurt"], record["hurt_share"]) == (2, 0, 0.0)


def test_score_and_standard_error_by_hand():
    comparison = compare(per_task=BASE, pooled=OTHER)
    by_fold = BASE.mean(axis=1)
    expected = by_fold.mean(), np.std(by_fold, ddof=1) / np.sqrt(3)
    assert_allclose(comparison.mean_score("per-task"), expected)


@pytest.mark.parametrize("n_tests", [1, 2, 7, 40])
def test_holm_against_a_plain_loop(n_tests):
    p_values = np.random.RandomState(n_tests).uniform(size=n_tests) ** 3
    ranked, largest = sorted(enumerate(p_values), key=lambda pair: pair[1]), 0.0
    expected = np.empty(n_tests)
    for rank, (position, p_value) in enumerate(ranked):
        largest = max(largest, min(1.0, (n_tests - rank) * p_value))
        expected[position] = largest
    assert_allclose(holm(p_values), expected)
    with_gap = holm([*p_values, np.nan])
    assert_allclose(with_gap[:-1], expected)
    assert np.isnan(with_gap[-1])


@pytest.mark.parametrize("n_tests", [1, 2, 7, 40])
def test_false_discovery_rate_against_a_plain_loop(n_tests):
    p_values = np.random.RandomState(n_tests).uniform(size=n_tests) ** 3
    expected = [
        min(min(1.0, n_tests * q / sum(r <= q for r in p_values)) for q in p_values if q >= p)
        for p in p_values
    ]
    assert_allclose(false_discovery_rate(p_values), expected)
    assert_allclose(false_discovery_rate([np.nan, *p_values])[1:], expected)
    assert np.isnan(false_discovery_rate([np.nan])).all()


def test_p_values_of_strategies_are_adjusted():
    rng = np.random.default_rng(0)
    others = {f"other{i}": BASE - i / 2 + rng.normal(0, 0.3, BASE.shape) for i in range(4)}
    together = compare(per_task=BASE, **others).p_values[1:]
    alone = [compare(per_task=BASE, other=table).p_values[1] for table in others.values()]
    assert_allclose(together, holm(alone))
    assert (together >= alone).all()


def test_paired_test_is_the_usual_one_without_overlap():
    differences = np.random.RandomState(0).normal(0.5, 1.0, (8, 3))
    test = paired_test(differences, test_share=0.0)
    expected = stats.ttest_1samp(differences, 0.0)
    assert_allclose(test.p_value, expected.pvalue)
    assert_allclose(np.transpose(test.interval()), np.transpose(expected.confidence_interval()))


def test_differences_that_do_not_vary():
    test = paired_test(np.array([[0.0, 2.0, np.nan], [0.0, 2.0, 1.0]]), 0.5)
    assert_array_equal(test.estimate, [0.0, 2.0, 1.0])
    assert_array_equal(test.p_value, [1.0, np.nan, np.nan])
    low, high = test.interval()
    assert_array_equal(low, [0.0, -np.inf, -np.inf])
    assert_array_equal(high, [0.0, np.inf, np.inf])


@pytest.mark.parametrize("n_folds", [2, 3, 7])
def test_equal_differences_but_for_rounding_do_not_vary(n_folds):
    test = paired_test(np.full(n_folds, 0.1) * (1 + 1e-15 * np.arange(n_folds)), 1 / n_folds)
    assert test.interval() == (-np.inf, np.inf)
    assert np.isnan(test.p_value)


def test_mean_of_nothing():
    assert_array_equal(mean_of_defined(np.array([[1.0, np.nan], [3.0, np.nan]]), 0), [2.0, np.nan])


def test_repeats_do_not_shrink_the_interval_to_nothing():
    gains = np.random.default_rng(0).normal(1, 1, (500, 3))
    base = np.full((500, 3), 10.0)
    comparison = compare(test_share=1 / 5, per_task=base, pooled=base - gains)
    by_fold = 10 * gains.mean(axis=1)
    reach = stats.t.ppf(0.975, 499) * np.std(by_fold, ddof=1) * np.sqrt(1 / 500 + 1 / 4)
    assert_allclose(np.diff(comparison.interval("pooled")), 2 * reach)
    error = np.std((base - gains).mean(axis=1), ddof=1) * np.sqrt(1 / 5)
    assert_allclose(comparison.mean_score("pooled")[1], error)


def test_no_loss_is_lower_than_zero():
    base = np.full((3, 2), 10.0)
    other = base - np.array([[9.9, 9.9], [9.0, 9.0], [5.0, 5.0]])
    assert compare(per_task=base, pooled=other).interval("pooled")[1] == 100.0
    better = compare("r2", per_task=base, pooled=base + 200.0 + other)
    assert better.interval("pooled")[1] > 200.0


def test_undefined_scores_are_left_out():
    base = np.array([[0.5, np.nan], [0.6, 0.2]])
    comparison = compare("r2", per_task=base, pooled=base + 0.1)
    assert_allclose(comparison.mean_score("pooled")[0], np.mean([0.6, 0.5]))
    assert_allclose(comparison.task_gains[1], [0.1, 0.1])
    assert_allclose(comparison.gains[1], 0.1)


def test_large_losses_count_most_in_the_gain():
    base = np.tile([1.0, 99.0], (3, 1))
    comparison = compare(per_task=base, pooled=base * [0.5, 1.0])
    assert_allclose(comparison.task_gains[1], [50.0, 0.0])
    assert_allclose(comparison.gains[1], 0.5)


def test_points_and_percent():
    base = np.array([[0.5, 0.7], [0.6, 0.8], [0.55, 0.7]])
    other = base + np.array([0.02, -0.05])
    for metric, gains in [("accuracy", [2.0, -5.0]), ("r2", [0.02, -0.05])]:
        comparison = compare(metric, per_task=base, pooled=other)
        assert_allclose(comparison.task_gains[1], gains)
        assert comparison.hurt_share("pooled") == 0.5
    comparison = compare("log_loss", per_task=base, pooled=other)
    assert_allclose(comparison.task_gains[1], [-2 / 0.55, 5 / (2.2 / 3)])


def test_no_percentage_of_a_loss_that_is_only_rounding():
    base = BASE * [1.0, 1e-15]
    comparison = compare(per_task=base, pooled=BASE)
    assert np.isnan(comparison.task_gains[1, 1])
    assert comparison.task_gains[1, 0] == 0.0


def test_differences_of_rounding_are_none():
    comparison = compare(per_task=BASE, pooled=BASE * (1 + 1e-14))
    assert_array_equal(comparison.task_gains[1], 0.0)
    assert comparison.records()[1]["hurt"] == 0


def test_hurt_share_counts_more_than_one_percent():
    base = np.full((3, 4), 10.0)
    other = base + np.array([0.05, 0.15, -3.0, 2.0]) + 1e-3 * np.arange(3)[:, None]
    assert compare(per_task=base, pooled=other).hurt_share("pooled") == 0.5


def test_clear_effects_on_tasks():
    rng = np.random.default_rng(0)
    base = 10 + rng.normal(size=(5, 3))
    other = base + np.array([-2.0, 2.0, 0.0]) + 0.05 * rng.normal(size=(5, 3)) * [1, 1, 20]
    comparison = compare(per_task=base, pooled=other)
    effects = [row["effect"] for row in comparison.task_records() if row["strategy"] == "pooled"]
    assert effects == ["helped", "hurt", "unclear"]
    record = comparison.records()[1]
    assert (record["clearly_helped"], record["clearly_hurt"]) == (1, 1)


def test_one_fold_has_no_interval():
    comparison = compare(test_share=0.2, per_task=BASE[:1], pooled=OTHER[:1])
    assert comparison.interval("pooled") == (-np.inf, np.inf)
    assert np.isnan(comparison.p_values[1])
    assert np.isnan(comparison.mean_score("pooled")[1])


def test_another_reference():
    comparison = replace(compare(per_task=BASE, pooled=OTHER), reference="pooled")
    assert_allclose(comparison.gains[0], -100 * (BASE - OTHER).mean() / OTHER.mean())
    assert np.isnan(comparison.gains[1])


def test_order_of_results_does_not_matter():
    comparison = compare(per_task=BASE, pooled=OTHER)
    shuffled = replace(comparison, results=comparison.results[::-1])
    assert_array_equal(shuffled.scores, comparison.scores)
