"""The verdict in every case."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from skmtl.inspection.verdict import most_shared, write_verdict

from .test_comparison_statistics import compare, results_of

BASE = np.array([[10.0, 20.0], [12.0, 18.0], [11.0, 21.0], [13.0, 17.0]])
NOISE = np.array([[1.0, 1.0], [-1.0, -0.5], [0.5, -1.0], [-0.5, 0.5]])


def test_the_whole_sentence():
    comparison = compare(per_task=BASE, sharing=BASE * [0.9, 0.95] + 0.1 * NOISE)
    low, high = comparison.interval("sharing")
    expected = (
        f"Sharing helps: {comparison.gains[1]:.1f} % lower RMSE than one model per task (95 % "
        f"interval {low:.1f} % to {high:.1f} %), no task is hurt by more than 1 %; most is shared "
        "by the features a, b."
    )
    assert write_verdict(comparison, ["a", "b"]) == expected
    assert comparison.verdict == expected.replace("; most is shared by the features a, b", "")


@pytest.mark.parametrize(
    ("metric", "shift", "noise", "words"),
    [
        ("rmse", -2.0, 0.1, ("Sharing helps: ", "lower RMSE than one model per task (95 % inter")),
        ("rmse", 2.0, 0.1, ("Sharing hurts here: ", "higher RMSE than", "100 % of tasks are hurt")),
        ("rmse", -0.1, 3.0, ("No clear difference: ", "with sharing than with one", "higher to")),
        ("rmse", 0.0, 0.0, ("No difference: sharing predicts as one model per task does.",)),
        ("r2", 2.0, 0.1, ("Sharing helps: 2.00", "higher R2", "more than 0.01.")),
        ("accuracy", -2.0, 0.1, ("points lower accuracy", " points to ", "more than 1 point.")),
        ("log_loss", -2.0, 0.1, ("lower log-loss",)),
    ],
)
def test_cases(metric, shift, noise, words):
    sentence = compare(metric, per_task=BASE, sharing=BASE + shift + noise * NOISE).verdict
    for word in words:
        assert word in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


def test_sharing_is_judged_even_if_another_is_better():
    comparison = compare(per_task=BASE, pooled=BASE - 5, sharing=BASE - 2 + 0.1 * NOISE)
    assert "widened" not in comparison.verdict
    assert f"{comparison.gains[2]:.1f} % lower" in comparison.verdict


def test_the_best_is_judged_with_a_wider_interval():
    comparison = compare(per_task=BASE, pooled=BASE - 2 + 0.1 * NOISE, lasso=BASE - 1)
    low, high = comparison.interval("pooled", 2)
    interval = f"(95 % interval {low:.1f} % to {high:.1f} %, widened for picking the best of 2)"
    assert f"lower RMSE than one model per task {interval}" in comparison.verdict
    assert comparison.verdict.startswith("pooled is better: ")  # whether it shares is not known
    known = replace(comparison, sharing=("pooled", "lasso"))
    assert known.verdict.startswith("Sharing helps: ")
    assert "with pooled than with one model per task" in known.verdict
    only = replace(comparison, sharing=("lasso",))
    assert "with lasso than with one model per task" in only.verdict
    assert "widened" not in only.verdict


def test_strategies_of_any_name():
    worse = compare(ridge=BASE, lasso=BASE + 2 + 0.1 * NOISE)
    assert worse.verdict.startswith("lasso is worse: ")
    assert "higher RMSE than ridge (" in worse.verdict
    forest = replace(worse, sharing=("lasso",))
    assert "with lasso than with one model per task (ridge) (" in forest.verdict


def test_nothing_to_compare():
    assert compare(pooled=BASE).verdict == "No strategy that shares was compared with pooled."
    failing = compare(per_task=BASE, sharing=BASE)
    failed = results_of({"per-task": BASE})
    failed[1] = replace(failed[1], message="ValueError: no")
    failing = replace(failing, results=(*failed, *failing.results[len(BASE) :]))
    expected = (
        "There is nothing to compare with: one model per task failed (fold 2: ValueError: no)."
    )
    assert failing.verdict == expected


def test_a_single_fold_has_no_interval():
    sentence = compare(test_share=0.2, per_task=BASE[:1], sharing=BASE[:1] - 1).verdict
    assert "No clear difference" in sentence
    assert "(95 % interval unknown)" in sentence


def test_no_spread_is_no_certainty():
    base = np.full((5, 4), 0.5)
    for shift in (-0.125, 0.125):
        comparison = compare("accuracy", per_task=base, sharing=base + shift)
        assert comparison.verdict.startswith("No clear difference: 12.5 points")
        assert "(95 % interval unknown)" in comparison.verdict


def test_few_of_many_tasks():
    base = np.full((3, 300), 10.0)
    other = base - 1.0 - 0.1 * np.arange(3)[:, None]
    other[:, 0] = 12.0
    assert "less than 1 % of tasks are hurt" in compare(per_task=base, sharing=other).verdict


def test_features_are_left_out_where_sharing_does_not_help():
    comparison = compare(per_task=BASE, sharing=BASE + 2 + 0.1 * NOISE)
    assert "features" not in write_verdict(comparison, ["a"])


@pytest.mark.parametrize(
    ("share", "coef", "expected"),
    [
        (None, None, ""),
        ([0.5, 1.0], None, ""),  # of something else
        ([0.0, 0.0, 0.0, 0.0], None, ""),
        ([0.1, 0.9, 0.0, 1.0], None, "dba"),
        ([0.1, 1.0, 1.0, 0.9], [-20, 1, 0, 1], "abd"),
        ([0.1, 1.0, 1.0, 1.0], [[0, 1, 0, 2], [0, 1, 1, 4]], "dbc"),
        ([0.1, 0.9, 0.0, 1.0], [1.0, 2.0], "dba"),
    ],
)
def test_most_shared(share, coef, expected):
    fitted = {"feature_sharing_": share, "coef_shared_": coef}
    fitted = {name: np.array(values) for name, values in fitted.items() if values is not None}
    assert most_shared(SimpleNamespace(**fitted), list("abcd")) == list(expected)


def test_most_shared_by_a_combination():
    tells = {"feature_sharing_": np.ones(3)}
    model = SimpleNamespace(
        feature_sharing_=np.array([0.5, 0.5, 0.4]),
        strategy_weights_={"own": 0.9, "pooled": 0.1, "hierarchical": 0.1},
        strategies_={
            "own": SimpleNamespace(coef_shared_=np.array([0.0, 9.0, 0.0])),
            "pooled": SimpleNamespace(coef_shared_=np.array([1.0, 0.5, 0.0]), **tells),
            "hierarchical": SimpleNamespace(coef_shared_=np.array([1.0, 1.0, 3.0]), **tells),
        },
    )
    assert most_shared(model, list("abc")) == ["c", "a", "b"]
