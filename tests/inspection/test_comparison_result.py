"""What a comparison shows: frames, texts, figures; and that it can be kept."""

import pickle
from html.parser import HTMLParser

import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skmtl import MeanRegularizedRidgeCV, compare_strategies, make_multitask_regression

from .test_comparison import two


@pytest.fixture(scope="module")
def comparison():
    X, y = make_multitask_regression(n_tasks=4, n_samples=24, n_features=6, random_state=0)
    strategies = {**two(), "<b>mean</b>": MeanRegularizedRidgeCV(task_column=0)}
    return compare_strategies(X, y, strategies, cv=3, task_column=0, random_state=0)


def test_pickle(comparison):
    assert comparison.gains.shape == (3,)  # computed before
    again = pickle.loads(pickle.dumps(comparison))
    assert_array_equal(again.scores, comparison.scores)
    assert again.verdict == comparison.verdict


def test_frames(comparison):
    pytest.importorskip("pandas")
    frame = comparison.to_frame()
    assert frame.index.tolist() == list(comparison.strategies)
    assert_array_equal(frame["gain"], comparison.gains)
    assert_array_equal(frame[["gain_low", "gain_high"]], comparison.gain_intervals)
    assert frame.loc["per-task", ["gain", "helped", "p_value"]].isna().all()
    tasks = comparison.task_frame()
    assert len(tasks) == 3 * 4
    assert_array_equal(tasks["gain"], comparison.task_gains.ravel())
    assert tasks["effect"].isna().sum() == 4
    assert_allclose(tasks["train_rows"], 16)


def test_text_and_html(comparison):
    assert repr(comparison).startswith("<StrategyComparison of per-task, pooled, <b>mean</b> on 4")
    tags = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append(tag)
    parser.feed(comparison._repr_html_())
    assert tags.count("b") == 1  # the verdict, not the name
    assert tags.count("tr") == 4
    assert "&lt;b&gt;mean" in comparison._repr_html_()


@pytest.mark.parametrize("sizes", [[24] * 4, [8 + 4 * i for i in range(25)], [10] * 31])
def test_figure(sizes):
    figures = pytest.importorskip("matplotlib.figure")
    X, y = make_multitask_regression(
        n_tasks=len(sizes), n_samples=sizes, n_features=4, random_state=0
    )
    y[X[:, 0] == 1] *= 1e-3  # huge losses in relation to its own
    comparison = compare_strategies(X, y, two(), cv=2, task_column=0, random_state=0)
    figure = comparison.plot(figures.Figure(), title="$\\a_strange{ title")
    assert len(figure.axes) == 1
    assert figure.axes[0].get_yscale() == "symlog"
    points = figure.axes[0].collections[0].get_offsets()
    assert_allclose(points[:, 1], comparison.task_gains[1])
    figure.draw_without_rendering()


def test_figure_of_pyplot(comparison):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    figure = comparison.plot()
    assert len(figure.axes) == 2
    pyplot.close(figure)
