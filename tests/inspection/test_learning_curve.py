"""Learning curves: the same rows for all, as many of each task, scores as computed by hand."""

import sys

import numpy as np
import pandas
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl import (
    LearningCurveDisplay,
    MeanRegularizedRidge,
    MultiTaskLogisticRegression,
    MultiTaskRidge,
    PerTaskClassifier,
    PooledClassifier,
    PooledRegressor,
    keep_tasks,
    make_multitask_classification,
    make_multitask_regression,
    task_learning_curve,
)
from skmtl.inspection.held_out import read_table
from skmtl.inspection.learning_curve import first_rows


@pytest.fixture(autouse=True)
def closed_figures():
    pyplot.switch_backend("Agg")
    yield
    pyplot.close("all")


MODELS = {"alone": MultiTaskRidge(task_column=0), "pooled": PooledRegressor(task_column=0)}
SIZES = [12, 20, 30, 25]


def data(**options):
    options = {"n_tasks": 4, "n_samples": SIZES, "n_features": 3, "random_state": 0} | options
    return make_multitask_regression(structure="common", **options)


class Recorder(RegressorMixin, BaseEstimator):
    """Keeps what it is given; the number of the row is the last column of X."""

    calls = []  # noqa: RUF012

    def __init__(self, task_column=0):
        self.task_column = task_column

    def fit(self, X, y):
        self.calls.append(("fit", X, y))
        return self

    def predict(self, X):
        self.calls.append(("predict", X, None))
        return X[:, -1]


def test_rows_are_nested_and_as_many_of_each_task():
    X, y = data()
    X = np.column_stack([X, np.arange(len(y))])
    Recorder.calls.clear()
    curve = task_learning_curve(
        {"all": Recorder()}, X, y, train_sizes=[15, 2, 5], n_splits=2, random_state=0
    )
    assert_array_equal(curve.train_sizes, [2, 5, 15])
    trained = [(X, y) for kind, X, y in Recorder.calls if kind == "fit"]
    tested = [X[:, -1] for kind, X, _ in Recorder.calls if kind == "predict"]
    n_train = np.array(SIZES) - np.ceil(0.25 * np.array(SIZES)).astype(int)
    for split in range(2):
        smaller = set()
        for position, size in enumerate([2, 5, 15]):
            table, targets = trained[2 * position + split]
            assert_array_equal(np.bincount(table[:, 0].astype(int)), np.minimum(size, n_train))
            assert_array_equal(targets, y[table[:, -1].astype(int)])
            rows, test = set(table[:, -1]), tested[2 * position + split]
            assert smaller <= rows
            assert not rows & set(test)
            assert_array_equal(test, tested[split])
            smaller = rows
    assert not np.array_equal(np.sort(tested[0]), np.sort(tested[1]))


def test_scores_by_hand():
    X, y = data()
    X = np.column_stack([X, np.arange(len(y))])
    Recorder.calls.clear()
    options = {"train_sizes": [3, 8], "n_splits": 2, "random_state": 5}
    for metric in ("rmse", "r2", None):
        curve = task_learning_curve({"it": Recorder()}, X, y, metric=metric, **options)
        test = Recorder.calls[-1][1]
        for task in range(4):
            rows = test[test[:, 0] == task][:, -1].astype(int)
            error = np.mean((y[rows] - rows) ** 2)
            expected = 1 - error / np.var(y[rows]) if metric == "r2" else np.sqrt(error)
            assert_allclose(curve.task_scores[0, -1, -1, task], expected)
    assert curve.metric == "rmse"
    assert_allclose(curve.scores, curve.task_scores.mean(axis=-1))


def test_layouts_agree():
    X, y = data()
    options = {"train_sizes": [3, 8], "n_splits": 2, "random_state": 0}
    expected = task_learning_curve(MODELS, X, y, **options)
    vector = {"alone": MultiTaskRidge(), "pooled": PooledRegressor()}
    ids = X[:, 0].astype(int)
    found = task_learning_curve(vector, X[:, 1:], y, tasks=ids, n_jobs=2, **options)
    assert_allclose(found.task_scores, expected.task_scores)
    frame = pandas.DataFrame(X[:, 1:], columns=["a", "b", "c"])
    frame["town"] = np.array(list("wxyz"))[ids]
    named = {
        "alone": make_pipeline(keep_tasks("passthrough", "town"), MultiTaskRidge(task_column=0)),
        "pooled": PooledRegressor(task_column="town"),
    }
    found = task_learning_curve(named, frame, y, **options)
    assert_array_equal(found.tasks, list("wxyz"))
    assert_allclose(found.task_scores, expected.task_scores)


def test_outputs():
    X, Y = data(n_samples=40, layout="multi_output")
    models = {"alone": MultiTaskRidge(), "shared": MeanRegularizedRidge()}
    curve = task_learning_curve(models, X, Y, train_sizes=[5, 30], random_state=0)
    assert curve.task_scores.shape == (2, 2, 5, 4)
    assert np.isfinite(curve.task_scores).all()
    Y[np.random.default_rng(0).random(Y.shape) < 0.3] = np.nan
    curve = task_learning_curve(models, X, Y, train_sizes=[5, 15], random_state=0)
    assert np.isfinite(curve.task_scores).all()


def test_every_output_has_as_many_targets():
    X, Y = data(n_samples=40, layout="multi_output")
    Y[np.random.default_rng(0).random(Y.shape) < 0.3] = np.nan
    train = np.random.default_rng(1).permutation(40)[:30]
    table = read_table(X, Y)
    for size in (1, 5, 100):
        rows, y = first_rows(table, train, size)
        seen = ~np.isnan(y)
        available = (~np.isnan(Y[train])).sum(axis=0)
        assert_array_equal(seen.sum(axis=0), np.minimum(size, available))
        assert seen.any(axis=1).all()
        assert_array_equal(y[seen], Y[rows][seen])
    labels = np.array(["no", "yes"])[(Y > 0).astype(int)]
    rows, y = first_rows(read_table(X, labels), train, 5)
    assert_array_equal(rows, train[:5])
    assert y.dtype == labels.dtype


def test_labels():
    X, y = make_multitask_classification(n_tasks=3, n_samples=40, n_features=3, random_state=0)
    y = np.array(["no", "yes"])[y]
    models = {"alone": PerTaskClassifier(task_column=0), "pooled": PooledClassifier(task_column=0)}
    curve = task_learning_curve(models, X, y, train_sizes=[5, 30], random_state=0)
    assert curve.metric == "accuracy"
    assert (curve.scores[:, 1] > 0.5).all()
    X, Y = make_multitask_classification(
        n_tasks=3, n_samples=60, n_features=3, layout="multi_output", random_state=0
    )
    Y = Y.astype(object)
    Y[::7, 1] = None
    curve = task_learning_curve(
        {"shared": MultiTaskLogisticRegression(0.01)}, X, Y, train_sizes=[20], random_state=0
    )
    assert (curve.scores > 0.5).all()


def test_default_sizes_are_those_that_half_of_the_tasks_have():
    X, y = data(n_samples=[8, 70, 70, 700])
    assert_array_equal(task_learning_curve(MODELS, X, y, n_splits=1).train_sizes, [5, 10, 20, 50])
    X, y = data(n_samples=[5, 5, 5, 700])
    with pytest.raises(ValueError, match="give train_sizes="):
        task_learning_curve(MODELS, X, y)


def test_tasks_without_test_rows_and_undefined_scores_are_left_out():
    X, y = data(n_samples=[1, 3, 30, 25])
    curve = task_learning_curve(MODELS, X, y, train_sizes=[2], metric="r2", random_state=0)
    assert np.isnan(curve.task_scores[..., :2]).all()
    assert_allclose(curve.scores, curve.task_scores[..., 2:].mean(axis=-1))


# --- the figure ----------------------------------------------------------------------------------


def scores(n_splits=4):
    rng = np.random.default_rng(0)
    return {name: rng.normal(10, 1, size=(3, n_splits)) for name in ("alone", "shared")}


def draw(**options):
    options = {
        "train_sizes": np.array([5, 10, 100]),
        "scores": scores(),
        "metric": "rmse",
    } | options
    display = LearningCurveDisplay(**options).plot(Figure().subplots())
    display.figure_.draw_without_rendering()
    return display


def test_lines_are_means_and_bands_one_standard_error():
    display = draw()
    for line, band, values in zip(display.lines_, display.bands_, scores().values(), strict=True):
        mean, error = values.mean(axis=1), values.std(axis=1, ddof=1) / 2
        assert_array_equal(line.get_xdata(), [5, 10, 100])
        assert_allclose(line.get_ydata(), mean)
        outline = band.get_paths()[0].vertices
        for x, low, high in zip([5, 10, 100], mean - error, mean + error, strict=True):
            heights = outline[outline[:, 0] == x][:, 1]
            assert_allclose([heights.min(), heights.max()], [low, high])
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["alone", "shared"]
    assert draw(scores=scores(n_splits=1)).bands_ == []


def test_axes_say_what_they_show():
    ax = draw().ax_
    assert ax.get_xscale() == "log"
    assert [text.get_text() for text in ax.get_xticklabels()] == ["5", "10", "100"]
    assert "lower is better" in ax.get_ylabel()
    assert "higher is better" in draw(metric="r2").ax_.get_ylabel()
    assert "better" not in draw(metric=None).ax_.get_ylabel()
    assert draw(train_sizes=np.array([5, 10, 20])).ax_.get_xscale() == "linear"
    many = np.arange(10, 40)
    display = draw(train_sizes=many, scores={"one": np.ones((30, 2))})
    assert len(display.ax_.get_xticks()) == 10


def test_display_conventions():
    X, y = data()
    display = LearningCurveDisplay.from_estimators(
        MODELS, X, y, train_sizes=[3, 8], n_splits=2, random_state=0, bands=False
    )
    curve = task_learning_curve(MODELS, X, y, train_sizes=[3, 8], n_splits=2, random_state=0)
    assert_array_equal(display.scores["pooled"], curve.scores[1])
    assert display.bands_ == []
    assert display.figure_.number in pyplot.get_fignums()
    ax = Figure().subplots()
    assert display.plot(ax) is display
    assert display.ax_ is ax
    assert display.figure_ is ax.figure


# --- errors --------------------------------------------------------------------------------------


def test_errors_say_what_to_do(monkeypatch):
    X, y = data()
    with pytest.raises(ValueError, match="must be a dict of names"):
        task_learning_curve(MultiTaskRidge(task_column=0), X, y)
    with pytest.raises(ValueError, match="mixes classifiers and regressors"):
        task_learning_curve({"a": MultiTaskRidge(), "b": PerTaskClassifier()}, X, y)
    with pytest.raises(ValueError, match="no task has more than 22 training rows"):
        task_learning_curve(MODELS, X, y, train_sizes=[5, 30])
    for sizes in ([0.5], [0, 3], []):
        with pytest.raises(ValueError, match="whole numbers of rows"):
            task_learning_curve(MODELS, X, y, train_sizes=sizes)
    with pytest.raises(ValueError, match="'r3' is no metric"):
        task_learning_curve(MODELS, X, y, metric="r3")
    with pytest.raises(ValueError, match="n_splits"):
        task_learning_curve(MODELS, X, y, n_splits=0)
    with pytest.raises(ValueError, match="one task only"):
        task_learning_curve({"a": MultiTaskRidge()}, X, y)
    pipeline = make_pipeline(StandardScaler(), MultiTaskRidge())
    with pytest.raises(ValueError, match="keep_tasks"):
        task_learning_curve({"a": pipeline}, X[:, 1:], y, tasks=X[:, 0])
    with pytest.raises(ValueError, match="alpha") as caught:
        task_learning_curve({"wrong": MultiTaskRidge(-1.0, task_column=0)}, X, y, train_sizes=[5])
    assert caught.value.__notes__ == ["'wrong' failed with 5 training rows of each task."]
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"skmtl\[cli\]"):
        LearningCurveDisplay(train_sizes=np.array([5, 10, 100]), scores=scores()).plot()
