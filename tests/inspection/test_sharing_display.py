"""The figure of gains: what is drawn, by which scale, and what is named."""

import sys

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal

from skmtl import PooledRegressor, SharingDisplay, make_multitask_regression
from skmtl.inspection import negative_transfer_report
from skmtl.inspection.drawing import BETTER, WORSE, name_points, short_names, thinned


@pytest.fixture(autouse=True)
def closed_figures():
    pyplot.switch_backend("Agg")
    yield
    pyplot.close("all")


def gains(n_tasks=30, low=10, high=1000, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(2, 5, size=n_tasks), np.linspace(low, high, n_tasks).round()


def draw(values, sizes, **options):
    display = SharingDisplay.from_gains(values, sizes, ax=Figure().subplots(), **options)
    display.figure_.draw_without_rendering()
    return display


def test_display_conventions():
    values, sizes = gains()
    display = SharingDisplay.from_gains(values, sizes)
    assert display.figure_ is display.ax_.figure
    assert display.figure_.number in pyplot.get_fignums()
    ax = Figure().subplots()
    assert display.plot(ax) is display
    assert display.ax_ is ax
    assert_array_equal(display.gains, values)
    assert_array_equal(display.tasks, np.arange(30))


def test_points_are_the_tasks_and_colours_their_signs():
    values, sizes = gains()
    display = draw(values, sizes, errors=np.ones(30))
    assert_allclose(display.points_.get_offsets(), np.column_stack([sizes, values]))
    colours = display.points_.get_facecolors()[:, :3]
    expected = [to_rgba(BETTER if value > 0 else WORSE)[:3] for value in values]
    assert_allclose(colours, expected)
    segments = display.error_bars_.lines[2][0].get_segments()
    assert_allclose([segment[:, 1] for segment in segments], values[:, None] + [-1, 1])
    assert draw(values, sizes).error_bars_ is None
    assert draw(values, sizes, errors=np.ones(30), error_bars=False).error_bars_ is None


@pytest.mark.parametrize(("high", "scale"), [(190, "linear"), (210, "log")])
def test_sizes_that_differ_by_much_are_on_a_logarithmic_axis(high, scale):
    display = draw(*gains(low=10, high=high))
    assert display.ax_.get_xscale() == scale
    assert all("^" not in text.get_text() for text in display.ax_.get_xticklabels())


def test_trend_is_of_medians_and_needs_enough_tasks():
    values, sizes = gains(n_tasks=20)
    trend = draw(values, sizes).trend_
    groups = np.arange(20).reshape(4, 5)
    assert_allclose(trend.get_xdata(), np.median(sizes[groups], axis=1))
    assert_allclose(trend.get_ydata(), np.median(values[groups], axis=1))
    assert draw(values[:19], sizes[:19]).trend_ is None
    assert draw(values, sizes, trend=False).trend_ is None


def test_the_worst_tasks_are_named():
    values, sizes = gains()
    names = np.array([f"t{i}" for i in range(30)])
    texts = [text.get_text() for text in draw(values, sizes, tasks=names).annotations_]
    assert texts == names[np.argsort(values)[:3]].tolist()
    assert draw(values, sizes, n_named=0).annotations_ == []
    assert draw(np.abs(values), sizes).annotations_ == []


def test_names_cover_neither_each_other_nor_points():
    ax = Figure().subplots()
    x, y = np.array([1.0, 1.02, 1.0, 5.0]), np.array([1.0, 1.01, 1.03, 5.0])
    ax.scatter(x, y)
    ax.set_xlim(0.0, 5.1)
    written = name_points(ax, x, y, np.arange(4), ["alpha", "beta", "gamma", "delta"])
    ax.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in written]
    points = ax.transData.transform(np.column_stack([x, y]))
    for one in range(4):
        assert not any(boxes[one].overlaps(boxes[two]) for two in range(one))
        assert not any(boxes[one].contains(*point) for point in points)
        assert boxes[one].x0 >= ax.bbox.x0
        assert boxes[one].x1 <= ax.bbox.x1 + 1


@pytest.mark.parametrize(("n_tasks", "n_labels"), [(3, 3), (40, 40), (41, 0)])
def test_tasks_of_similar_size_stand_side_by_side_from_best_to_worst(n_tasks, n_labels):
    values, sizes = gains(n_tasks=n_tasks, low=50, high=60)
    names = np.array([f"a long name of task {i}" for i in range(n_tasks)])
    display = draw(values, sizes, tasks=names)
    assert_allclose(display.points_.get_offsets()[:, 1], -np.sort(-values))
    labels = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert labels == short_names(names[np.argsort(-values)])[:n_labels]
    assert display.trend_ is None
    assert bool(display.annotations_) == (n_labels == 0)


def test_one_huge_gain_does_not_flatten_the_others():
    values, sizes = gains()
    values[3] = -900.0
    display = draw(values, sizes)
    assert display.ax_.get_yscale() == "symlog"
    low, high = display.ax_.get_ylim()
    assert low < -900
    assert high > values.max()


def test_one_huge_error_bar_does_not_flatten_the_gains():
    values, sizes = gains()
    display = draw(values, sizes, errors=np.where(np.arange(30) == 4, 1e4, 0.5))
    low, high = display.ax_.get_ylim()
    span = max(values.max(), 0) - min(values.min(), 0)
    assert high - low < 3.5 * span
    assert low < values.min()
    assert high > values.max()


def test_tasks_without_a_finite_gain_are_left_out():
    values, sizes = gains()
    values[[0, 1, 2]] = np.nan, -np.inf, np.inf
    display = draw(values, sizes, errors=np.where(np.arange(30) == 5, np.nan, 1.0))
    assert len(display.points_.get_offsets()) == 27
    assert "of 27 tasks" in display.ax_.get_title()
    with pytest.raises(ValueError, match="no task has a finite gain"):
        draw([np.nan], [3])


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="inconsistent"):
        SharingDisplay.from_gains([1.0, 2.0], [10, 20, 30])


def test_from_estimator_is_the_report():
    X, y = make_multitask_regression(n_tasks=4, n_samples=[10, 20, 30, 300], random_state=0)
    model = PooledRegressor(task_column=0)
    options = {"metric": "mae", "cv": 3, "random_state": 0}
    ax = Figure().subplots()
    display = SharingDisplay.from_estimator(model, X, y, ax=ax, n_named=1, **options)
    report = negative_transfer_report(model, X, y, **options)
    assert_array_equal(display.gains, report.gain)
    assert_array_equal(display.sizes, [10, 20, 30, 300])
    assert "% of mae" in ax.get_ylabel()
    assert len(display.annotations_) == 1


def test_from_estimator_uses_gains_that_were_measured():
    X, y = make_multitask_regression(n_tasks=3, n_samples=[10, 20, 30], random_state=0)
    model = PooledRegressor(task_column=0).fit(X, y)
    model.task_gains_ = np.array([1.0, -2.0, 3.0])
    display = SharingDisplay.from_estimator(model, X, y, ax=Figure().subplots())
    assert_array_equal(display.gains, [1.0, -2.0, 3.0])
    assert_array_equal(display.sizes, [10, 20, 30])
    assert display.errors is None
    model.task_gain_errors_ = np.ones(3)
    display = SharingDisplay.from_estimator(model, X, y, ax=Figure().subplots())
    assert_array_equal(display.errors, np.ones(3))
    again = SharingDisplay.from_estimator(model, X, y, metric="mae", ax=Figure().subplots())
    assert not np.array_equal(again.gains, display.gains)
    few = X[:, 0] < 2
    with pytest.raises(ValueError, match="but the data have 0, 1"):
        SharingDisplay.from_estimator(model, X[few], y[few])


def test_short_names_and_thinned_labels():
    assert short_names(np.array(["a", "b" * 30])) == ["a", "b" * 17 + "…"]
    for n in (1, 39, 40, 41, 139, 1000):
        shown = thinned(n)
        assert len(shown) <= 40
        assert shown[0] == 0
        assert len(set(np.diff(shown))) <= 1


def test_matplotlib_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"skmtl\[cli\]"):
        SharingDisplay.from_gains(*gains())
