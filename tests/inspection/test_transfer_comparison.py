"""Transfers compared over growing numbers of rows of the target."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.dummy import DummyRegressor

from skmtl import SourceWeightedRegressor, TransferRidgeCV, compare_transfer
from skmtl.inspection import transfer_strategies
from skmtl.inspection.held_out import read_table
from skmtl.inspection.one_side import OneSideClassifier, OneSideRegressor
from skmtl.inspection.transfer_comparison import check_sizes, split_target
from skmtl.inspection.transfer_strategies import TRANSFER_REGISTRY


def problem(n=60, seed=0):
    rng = np.random.default_rng(seed)
    ids = np.repeat([3, 5, 8], [40, n, 30])
    X = rng.normal(size=(len(ids), 3))
    y = X @ [1.0, -2.0, 0.5] + 0.1 * ids + rng.normal(size=len(ids))
    return np.column_stack([ids, X]), y


WHERE = {"target_task": 5, "task_column": 0}


def strategies():
    return {
        "alone": SourceWeightedRegressor(source_weight=0.0, **WHERE),
        "transfer": TransferRidgeCV(**WHERE),
    }


def test_scores_are_those_of_plain_loops():
    X, y = problem()
    found = compare_transfer(X, y, strategies(), train_sizes=[10, 30], n_splits=3, **WHERE)
    assert found.scores.shape == (2, 2, 3)
    table = read_table(X, y, task_column=0)
    rng = np.random.RandomState(0)
    splits = split_target(table, 1, 3, 0.25, "regression", False, rng)
    sources = np.flatnonzero(X[:, 0] != 5)
    for s, size in enumerate([10, 30]):
        for r, (train, test) in enumerate(splits):
            rows = np.concatenate([train[:size], sources])
            for k, model in enumerate(strategies().values()):
                error = model.fit(X[rows], y[rows]).predict(X[test]) - y[test]
                assert_allclose(found.scores[k, s, r], np.sqrt(np.mean(error**2)))


def test_gains_are_against_the_first():
    X, y = problem()
    found = compare_transfer(X, y, strategies(), train_sizes=[5, 20], **WHERE)
    gain, low, high = found.gains("transfer")
    means = found.scores.mean(axis=2)
    assert_allclose(gain, 100 * (1 - means[1] / means[0]))
    assert (low < gain).all()
    assert (gain < high).all()
    records = found.records()
    assert [record["target_rows"] for record in records] == [5, 20, 5, 20]
    assert records[2]["gain"] == pytest.approx(gain[0])
    assert found.verdict.startswith("With 5 rows of 5")


def test_splits_share_test_rows_and_nest():
    X, y = problem()
    table = read_table(X, y, task_column=0)
    rng = np.random.RandomState(0)
    for train, test in split_target(table, 1, 4, 0.25, "regression", False, rng):
        assert len(test) == 15
        assert not np.intersect1d(train, test).size
        assert (X[np.concatenate([train, test]), 0] == 5).all()
    ordered = split_target(table, 1, 2, 0.25, "regression", True, rng)
    own = np.flatnonzero(X[:, 0] == 5)
    for _, test in ordered:
        assert_array_equal(test, own[-15:])


def test_first_parts_have_every_class_in_proportion():
    X, y = problem()
    labels = np.where(y > np.quantile(y, 0.8), "high", "low")
    table = read_table(X, labels, task_column=0)
    rng = np.random.RandomState(0)
    for train, _ in split_target(table, 1, 3, 0.25, "classification", False, rng):
        share = np.mean(labels[train] == "high")
        for size in (10, 20, 30):
            assert abs(np.sum(labels[train[:size]] == "high") - share * size) <= 1


def test_default_strategies_and_ids_apart(monkeypatch):
    X, y = problem()
    kept = ("target-only", "source-only", "pooled", "transfer-ridge")
    registry = {"regression": [s for s in TRANSFER_REGISTRY["regression"] if s.name in kept]}
    monkeypatch.setattr(transfer_strategies, "TRANSFER_REGISTRY", registry)
    column = compare_transfer(X, y, train_sizes=[20], n_splits=1, **WHERE)
    assert column.names[0] == "target-only"
    assert not column.failures
    ids = np.array(["a", "b", "c"])[np.searchsorted([3, 5, 8], X[:, 0])]
    apart = compare_transfer(X[:, 1:], y, train_sizes=[20], n_splits=1, target_task="b", tasks=ids)
    assert apart.target == "b"
    assert_allclose(apart.scores, column.scores)


def test_known_results_are_not_computed_again():
    X, y = problem()
    seen = []
    options = {"train_sizes": [10], "n_splits": 2, **WHERE}
    first = compare_transfer(X, y, strategies(), on_result=seen.append, **options)
    assert len(seen) == 4
    again = []
    second = compare_transfer(X, y, strategies(), known=seen, on_result=again.append, **options)
    assert not again
    assert_array_equal(first.scores, second.scores)


def test_plot():
    pytest.importorskip("matplotlib")
    X, y = problem()
    curve = compare_transfer(X, y, strategies(), train_sizes=[5, 20], **WHERE).plot()
    assert curve.ax_.get_xlabel() == "training rows of the target 5"
    assert len(curve.lines_) == 2


def test_sizes():
    assert check_sizes(None, 300) == [20, 50, 100, 200]
    assert check_sizes(None, 15) == [4, 6, 10, 15]
    assert check_sizes([30, 10, 10], 40) == [10, 30]


def test_errors():
    X, y = problem()
    with pytest.raises(ValueError, match="target_task=4 has no row; the tasks are 3, 5, 8"):
        compare_transfer(X, y, target_task=4, task_column=0)
    with pytest.raises(ValueError, match="train_sizes holds 50, but the target has 45 rows"):
        compare_transfer(X, y, strategies(), train_sizes=[50], **WHERE)
    with pytest.raises(ValueError, match="must be whole numbers of 2 rows or more"):
        compare_transfer(X, y, strategies(), train_sizes=[1], **WHERE)
    with pytest.raises(ValueError, match="leaves nothing to test, or fewer than two rows"):
        compare_transfer(X, y, strategies(), test_size=0.99, **WHERE)
    with pytest.raises(ValueError, match="does not know of tasks"):
        compare_transfer(X, y, {"mean": DummyRegressor()}, **WHERE)


def test_one_side():
    X, y = problem()
    own = X[:, 0] == 5
    for side, rows in (("target", own), ("sources", ~own)):
        model = OneSideRegressor(DummyRegressor(), side=side, **WHERE).fit(X, y)
        assert_allclose(model.predict(X[own]), y[rows].mean())
    labels = np.where(own, "own", "other")
    model = OneSideClassifier(DummyRegressor(), side="target", **WHERE).fit(X, labels)
    assert_array_equal(model.predict(X[own]), labels[own])
    with pytest.raises(ValueError, match="side='both' is not one of target, sources"):
        OneSideRegressor(DummyRegressor(), side="both", **WHERE).fit(X, y)
