"""Scores of a task are those of its rows alone; averages leave undefined ones out."""

from functools import partial

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skmtl.metrics import (
    average_scores,
    pooled_explained_variance,
    task_scores,
)
from skmtl.metrics.named import METRICS

ORACLES = {
    "r2": sk.r2_score,
    "explained_variance": sk.explained_variance_score,
    "mse": sk.mean_squared_error,
    "rmse": lambda *args, **kwargs: np.sqrt(sk.mean_squared_error(*args, **kwargs)),
    "mae": sk.mean_absolute_error,
    "accuracy": sk.accuracy_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
}


# task_scores


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("weighted", [False, True])
def test_named_metrics_are_those_of_scikit_learn(metric, weighted):
    rng = np.random.default_rng(1)
    ids = rng.integers(3, size=90)
    y, predicted = rng.integers(4, size=(2, 90))
    weights = rng.integers(3, size=90) if weighted else None
    table = task_scores(y, predicted, ids, metrics=metric, sample_weight=weights)
    for task, score in zip(table["task"], table[metric], strict=True):
        rows = ids == task
        kwargs = {"sample_weight": weights[rows]} if weighted else {}
        assert_allclose(score, ORACLES[metric](y[rows], predicted[rows], **kwargs))
    copies = np.repeat(np.arange(90), 1 if weights is None else weights)
    again = task_scores(y[copies], predicted[copies], ids[copies], metrics=metric)
    assert_allclose(table[metric], again[metric])


@given(seed=st.integers(0, 10**6), ids=st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_order_of_rows_and_names_of_tasks_do_not_matter(seed, ids):
    rng = np.random.default_rng(seed)
    ids = np.array(ids)
    y, predicted = rng.normal(size=(2, len(ids)))
    table = task_scores(y, predicted, ids)
    assert_array_equal(table["n_samples"], np.unique(ids, return_counts=True)[1])
    order = rng.permutation(len(ids))
    names = np.array(["a", "b", "c", "d", "e", "f"])
    permuted = task_scores(y[order], predicted[order], names[ids][order])
    assert_array_equal(permuted["task"], names[table["task"]])
    for name in ("r2", "rmse", "mae"):
        assert_allclose(permuted[name], table[name])


def test_undefined_scores_are_nan_without_a_warning():
    ids = ["one", "constant", "constant", "constant"]
    table = task_scores(
        [1.0, 0.1, 0.1, 0.1],
        [1.0, 0.2, 0.3, 0.1],
        ids,
        metrics={"r2": "r2", "ev": "explained_variance", "sk": sk.r2_score},
    )
    assert_array_equal(table["task"], ["constant", "one"])
    assert np.isnan(table["r2"]).all()
    assert np.isnan(table["ev"]).all()
    assert np.isnan(table["sk"][1])
    auc = task_scores([0, 1, 1], [0.2, 0.8, 0.3], [1, 1, 2], metrics=sk.roc_auc_score)
    assert_array_equal(auc["roc_auc_score"], [1, np.nan])


def test_multi_output_with_missing_targets():
    rng = np.random.default_rng(2)
    y, predicted, weights = rng.normal(size=(3, 15, 3))
    weights = np.abs(weights)
    y[rng.random(y.shape) < 0.4] = np.nan
    y[:, 2] = np.nan
    table = task_scores(y, predicted, sample_weight=weights, metrics=["mse", "r2"])
    assert_array_equal(table["n_samples"], (~np.isnan(y)).sum(axis=0))
    for j in range(2):
        seen = ~np.isnan(y[:, j])
        expected = sk.mean_squared_error(
            y[seen, j], predicted[seen, j], sample_weight=weights[seen, j]
        )
        assert_allclose(table["mse"][j], expected)
    assert np.isnan(table["mse"][2])
    rows = task_scores(y, predicted, sample_weight=weights[:, 0], metrics="mse")
    assert_allclose(rows["mse"][0], table["mse"][0])
    column = task_scores(y[:, :1], predicted[:, :1])
    assert_allclose(column["rmse"][0], task_scores(y[:, 0], predicted[:, 0])["rmse"][0])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames(library):
    module = pytest.importorskip(library)
    y = module.DataFrame({"p": [1.0, 2.0], "q": [3.0, 4.0]})
    assert task_scores(y, y.to_numpy())["task"].tolist() == ["p", "q"]
    labels = module.Series(["u", "v"])
    table = task_scores(labels, labels, module.Series(["s", "s"]))
    assert table["accuracy"].tolist() == [1.0]
    pandas = pytest.importorskip("pandas")
    frame = task_scores(y, y, as_frame=True)
    pandas.testing.assert_frame_equal(frame, pandas.DataFrame(task_scores(y, y)))


def test_defaults_and_names_of_metrics():
    floats, labels = [1.0, 2.0], ["u", "v"]
    assert list(task_scores(floats, floats)) == ["task", "n_samples", "r2", "rmse", "mae"]
    assert list(task_scores([1, 2], floats))[2:] == ["r2", "rmse", "mae"]
    label_metrics = ["accuracy", "balanced_accuracy"]
    assert list(task_scores(labels, labels))[2:] == label_metrics
    assert list(task_scores([True, False], [True, True]))[2:] == label_metrics
    assert list(task_scores([0, 1, 1], [0, 0, 0]))[2:] == label_metrics
    unobserved = np.array([["u", None], ["v", None]], dtype=object)
    assert list(task_scores(unobserved, unobserved))[2:] == label_metrics
    counts = task_scores([0, 5, 7, 2], [0, 4, 7, 2])  # rounded predictions are no labels
    assert list(counts)[2:] == ["r2", "rmse", "mae"]
    f1 = partial(sk.f1_score, average="macro")
    assert list(task_scores(labels, labels, metrics=[f1, "accuracy"]))[2:] == [
        "f1_score",
        "accuracy",
    ]


@pytest.mark.parametrize(
    ("args", "options", "error"),
    [
        (([1.0], [1.0]), {"metrics": "r3"}, "'r3' is no metric"),
        (([1.0], [1.0, 2.0]), {}, "inconsistent numbers"),
        ((np.ones((2, 2)), np.ones((2, 2)), [0, 1]), {}, "each of which is a task"),
        ((np.ones((2, 2)), np.ones(2)), {}, "shape"),
        (([1.0, 2.0], np.ones((2, 2))), {}, "one prediction per target"),
        (([1.0, 2.0], [1.0, np.nan], ["u", "v"]), {}, "y_pred of task 'v' holds nan"),
        (([1.0, 2.0], [1.0, 2.0], [0.5, 1]), {}, "labels or whole numbers"),
    ],
)
def test_errors(args, options, error):
    with pytest.raises(ValueError, match=error):
        task_scores(*args, **options)


@pytest.mark.parametrize("missing", [None, np.nan, "NA"], ids=str)
def test_missing_labels_are_left_out(missing):
    if missing == "NA":
        missing = pytest.importorskip("pandas").NA
    y = np.array([["u", "u"], [missing, "v"], ["v", missing]], dtype=object)
    predicted = [["u", "v"], ["v", "v"], ["u", "u"]]
    table = task_scores(y, predicted)
    assert_array_equal(table["n_samples"], [2, 2])
    assert_allclose(table["accuracy"], [0.5, 0.5])
    assert_allclose(table["balanced_accuracy"], [0.5, 0.5])
    rows = task_scores(y.T.ravel(), np.ravel(np.transpose(predicted)), np.repeat([0, 1], 3))
    assert_allclose(rows["accuracy"], table["accuracy"])
    numbers = task_scores(np.array([1.0, missing, 3.0], dtype=object), [1.0, 2.0, 4.0])
    assert_array_equal([numbers["n_samples"], numbers["mae"]], [[2], [0.5]])
    with pytest.raises(ValueError, match="y_pred of task 0 holds"):
        task_scores(["u", "v"], np.array(["u", missing], dtype=object))


@pytest.mark.parametrize(
    ("weights", "error"),
    [
        ([1.0, -1.0], "must not be negative"),
        ([1.0, np.nan], "contains NaN"),
        ([1.0], "sample_weight.shape"),
        (np.ones((2, 2)), "sample_weight.shape"),
    ],
)
def test_weights_are_checked(weights, error):
    for tasks in (None, [0, 1]):
        with pytest.raises(ValueError, match=error):
            task_scores([1.0, 2.0], [1.0, 2.0], tasks, sample_weight=weights)


# averages


def test_averages():
    scores, sizes = [0.2, np.nan, 0.8], [30, 5, 10]
    assert_allclose(average_scores(scores), 0.5)
    assert_allclose(average_scores(scores, sizes, average="weighted"), 0.35)
    assert average_scores(scores, average="worst") == 0.2
    assert average_scores(scores, average="worst", greater_is_better=False) == 0.8
    for average in ("macro", "weighted", "worst"):
        assert np.isnan(average_scores([np.nan], [3], average=average))
    with pytest.raises(ValueError, match="pass sizes"):
        average_scores(scores, average="weighted")
    for average in ("macro", "weighted", "worst"):
        with pytest.raises(ValueError, match=r"sizes has shape \(2,\), but scores has \(3,\)"):
            average_scores(scores, [1, 2], average=average)
    with pytest.raises(ValueError, match="average='mean' is not one of"):
        average_scores(scores, average="mean")


def test_pooled_explained_variance():
    rng = np.random.default_rng(0)
    y, predicted = rng.normal(size=(2, 20, 3))
    assert_allclose(
        pooled_explained_variance(y, predicted), sk.r2_score(y.ravel(), predicted.ravel())
    )
    y[:, 0] = np.nan
    expected = sk.r2_score(y[:, 1:].ravel(), predicted[:, 1:].ravel())
    assert_allclose(pooled_explained_variance(y, predicted), expected)
    assert np.isnan(pooled_explained_variance([0.1] * 3, [1, 2, 3]))
    with pytest.raises(ValueError, match="shape"):
        pooled_explained_variance([1.0], [[1.0]])
