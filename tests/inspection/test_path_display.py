"""The picture of a path: norms, losses, the choice, and the names of the largest features."""

import sys

import numpy as np
import pandas
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LassoCV, lasso_path
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl import (
    GraphRidgeCV,
    MeanRegularizedRidgeCV,
    MultiTaskElasticNetCV,
    MultiTaskLassoCV,
    MultiTaskLogisticRegressionCV,
    MultiTaskRidge,
    MultiTaskRidgeCV,
    ReducedRankRidgeCV,
    RegularizationPathDisplay,
    keep_tasks,
    make_multitask_classification,
    make_multitask_regression,
    multitask_lasso_path,
    multitask_ridge_path,
)
from skmtl.inspection.drawing import CYCLE, spread


@pytest.fixture(autouse=True)
def closed_figures():
    pyplot.switch_backend("Agg")
    yield
    pyplot.close("all")


def data(n_tasks=3, **options):
    return make_multitask_regression(
        n_tasks=n_tasks, n_samples=30, n_features=10, random_state=0, **options
    )


def lasso(**options):
    X, y = data()
    return MultiTaskLassoCV(task_column=0, **{"alphas": 12, "cv": 3} | options).fit(X, y), X, y


def draw(*args, panels=2, of="estimator", **options):
    ax = Figure(figsize=(9, 4)).subplots(1, panels)
    make = getattr(RegularizationPathDisplay, f"from_{of}")
    display = make(*args, ax=ax, **options)
    display.figure_.draw_without_rendering()
    return display


def heights(lines):
    return np.array([line.get_ydata() for line in lines])


def test_display_conventions():
    model, X, y = lasso()
    display = RegularizationPathDisplay.from_estimator(model, X, y)
    assert display.figure_ is display.ax_.figure is display.axes_[1].figure
    assert display.figure_.number in pyplot.get_fignums()
    axes = Figure().subplots(2, 1)
    assert display.plot(axes) is display
    assert display.axes_.tolist() == axes.tolist()
    assert_array_equal(display.losses, model.mse_path_)
    assert display.ax_.get_title(loc="left") == "MultiTaskLassoCV"


def test_lines_are_norms_over_tasks():
    model, X, y = lasso()
    display = draw(model, X, y)
    path = multitask_lasso_path(X, y, alphas=model.alphas_, task_column=0, tol=model.tol)
    norms = np.sqrt((path.coefs**2).sum(axis=0))
    assert_allclose(display.norms, norms)
    assert_allclose(heights(display.lines_), norms)
    assert_array_equal(display.lines_[0].get_xdata(), model.alphas_)
    chosen = np.flatnonzero(model.alphas_ == model.alpha_)[0]
    assert_allclose(
        display.norms[:, chosen], np.linalg.norm(model.coef_, axis=0), atol=1e-3, rtol=1e-3
    )
    for ax in display.axes_:
        assert ax.get_xscale() == "log"
        assert ax.xaxis_inverted()
        assert "alpha" in ax.get_xlabel()


def test_losses_are_means_over_folds_with_standard_errors():
    model, *_ = lasso()
    display = draw(model, panels=1)
    mean, error = model.mse_path_.mean(axis=1), model.mse_path_.std(axis=1, ddof=1) / np.sqrt(3)
    assert_allclose(display.loss_line_.get_ydata(), mean)
    edges = display.band_.get_paths()[0].vertices
    for alpha, low, high in zip(model.alphas_, mean - error, mean + error, strict=True):
        found = edges[edges[:, 0] == alpha, 1]
        assert_allclose([found.min(), found.max()], [low, high])
    assert display.ax_.get_ylabel() == "held-out mean squared error\n(lower is better)"
    marked = [line for line in display.ax_.lines if "chosen" in str(line.get_label())]
    assert_array_equal(marked[0].get_xdata(), [model.alpha_] * 2)
    assert f"{model.alpha_:.3g}" in marked[0].get_label()
    assert display.lines_ == display.names_ == []


def test_largest_features_are_named():
    X, y = data()
    frame = pandas.DataFrame(X, columns=["task", *"abcdefghij"])
    model = MultiTaskLassoCV(task_column="task", alphas=12, cv=3).fit(frame, y)
    display = draw(model, frame, y, n_named=2)
    largest = np.argsort(-np.linalg.norm(model.coef_, axis=0))[:2]
    assert [text.get_text() for text in display.names_] == np.array([*"abcdefghij"])[
        largest
    ].tolist()
    assert [display.lines_[j].get_color() for j in largest] == list(CYCLE[:2])
    assert len({line.get_color() for line in display.lines_}) == 3
    assert draw(model, frame, y, n_named=0).names_ == []


def test_names_do_not_overlap():
    coefs = np.ones((2, 12, 5)) * np.linspace(0, 1, 5)
    display = draw(np.logspace(0, -2, 5), coefs, of="path", panels=1, n_named=12)
    boxes = [text.get_window_extent() for text in display.names_]
    # The extent of an annotation holds its leader: look at where texts stand.
    places = np.sort([text.xyann[1] for text in display.names_]) * display.ax_.bbox.height
    assert len(boxes) == 12
    assert np.diff(places).min() >= 8 * display.figure_.dpi / 72
    found = spread(np.array([0.5, 0.5, 0.1, 0.99, 0.99]), 0.1)
    assert_allclose(found, [0.45, 0.55, 0.1, 0.9, 1.0])


def test_chosen_l1_ratio():
    X, y = data()
    model = MultiTaskElasticNetCV(l1_ratio=[0.3, 0.9], alphas=8, cv=3, task_column=0).fit(X, y)
    row = [0.3, 0.9].index(model.l1_ratio_)
    display = draw(model, X, y)
    assert_array_equal(display.alphas, model.alphas_[row])
    assert_array_equal(display.losses, model.mse_path_[row])
    chosen = np.flatnonzero(model.alphas_[row] == model.alpha_)[0]
    assert_allclose(display.coefs[:, :, chosen], model.coef_, atol=1e-3)


@pytest.mark.parametrize("scoring", ["log_loss", "accuracy"])
def test_classifiers(scoring):
    X, y = make_multitask_classification(n_tasks=3, n_samples=40, random_state=0)
    model = MultiTaskLogisticRegressionCV(alphas=6, cv=3, scoring=scoring, task_column=0).fit(X, y)
    display = draw(model, X, y)
    expected = -model.scores_ if scoring == "log_loss" else 1.0 - model.scores_
    assert_allclose(display.losses, expected)
    assert (display.losses >= 0).all()
    name = "log-loss" if scoring == "log_loss" else "share of wrong labels"
    assert name in display.axes_[1].get_ylabel()
    chosen = np.flatnonzero(model.alphas_ == model.alpha_)[0]
    assert_allclose(display.coefs[..., chosen], model.coef_, atol=1e-2)


def test_norms_are_over_classes_too():
    coefs = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    display = draw(np.arange(1.0, 6.0), coefs, of="path", panels=1)
    assert_allclose(display.norms, np.sqrt((coefs**2).sum(axis=(0, 1))))
    assert_allclose(heights(display.lines_), display.norms[:, ::-1])


def test_criteria_have_no_folds():
    model, *_ = lasso(criterion="ebic")
    display = draw(model, panels=1)
    assert_array_equal(display.losses, model.criterion_path_)
    assert display.band_ is None
    assert display.ax_.get_ylabel().startswith("EBIC")


def test_ridge_of_every_task():
    X, y = data()
    model = MultiTaskRidgeCV(task_column=0).fit(X, y)
    display = draw(model, X, y)
    assert_allclose(np.sort(display.losses), np.sort(model.mse_path_.mean(axis=1)))
    assert display.band_ is None
    coefs, _ = multitask_ridge_path(X, y, model.alphas_, task_column=0)
    assert_array_equal(display.coefs, coefs)
    assert_array_equal(display.lines_[0].get_xdata(), model.alphas_[::-1])
    marks = display.axes_[1].collections[-1].get_offsets()
    assert_array_equal(np.asarray(marks)[:, 0], np.unique(model.alpha_))


def test_pipelines():
    X, y = data()
    frame = pandas.DataFrame(X, columns=["task", *"abcdefghij"])
    inner = MultiTaskLassoCV(task_column=0, alphas=8, cv=3)
    model = make_pipeline(keep_tasks(StandardScaler(), "task"), inner).fit(frame, y)
    display = draw(model, frame, y)
    assert display.features.tolist() == [*"abcdefghij"]
    chosen = np.flatnonzero(model[-1].alphas_ == model[-1].alpha_)[0]
    assert_allclose(display.coefs[:, :, chosen], model[-1].coef_, atol=1e-3)


def test_vector_of_tasks_and_weights():
    X, y = data()
    weight = np.random.default_rng(0).uniform(0.5, 2.0, size=len(y))
    given = {"tasks": X[:, 0].astype(int), "sample_weight": weight}
    model = MultiTaskLassoCV(alphas=8, cv=3).fit(X[:, 1:], y, **given)
    display = draw(model, X[:, 1:], y, **given)
    chosen = np.flatnonzero(model.alphas_ == model.alpha_)[0]
    assert_allclose(display.coefs[:, :, chosen], model.coef_, atol=1e-3)


def test_models_of_scikit_learn():
    X, y = data()
    model = LassoCV(alphas=10, cv=3).fit(X[:, 1:], y)
    display = draw(model, panels=1)
    assert_array_equal(display.losses, model.mse_path_)
    _, coefs, _ = lasso_path(X[:, 1:], y - y.mean(), alphas=model.alphas_)
    display = draw(model, coefs=coefs)
    assert_allclose(heights(display.lines_), np.abs(coefs))
    assert display.ax_.get_ylabel() == "absolute coefficient"
    with pytest.raises(ValueError, match="no function that computes the path of LassoCV"):
        draw(model, X[:, 1:], y)


def test_only_coefficients():
    X, y = data()
    path = multitask_lasso_path(X, y, alphas=8, task_column=0)
    display = draw(path.alphas, path.coefs, of="path", panels=1)
    assert len(display.lines_) == 10
    assert display.loss_line_ is None
    assert display.ax_.get_legend() is None


def test_alpha_zero_has_no_place():
    coefs, _ = multitask_ridge_path(*data(), [0.0, 1.0, 10.0], task_column=0)
    losses = np.array([3.0, 1.0, 2.0])
    display = draw([0.0, 1.0, 10.0], coefs, of="path", losses=losses, alpha=0.0)
    assert_array_equal(display.lines_[0].get_xdata(), [10.0, 1.0])
    assert_array_equal(display.loss_line_.get_ydata(), [2.0, 1.0])


def test_a_tail_of_huge_losses_does_not_flatten_the_choice():
    losses = np.array([[2.0, 2.2], [1.0, 1.2], [50.0, 60.0]])
    display = draw([3.0, 2.0, 1.0], of="path", losses=losses, panels=1)
    low, high = display.ax_.get_ylim()
    assert low < 1.0
    assert 2.2 < high < 10.0
    mild = draw([3.0, 2.0, 1.0], of="path", losses=np.minimum(losses, 3.0), panels=1)
    assert mild.ax_.get_ylim()[1] > 3.0


def test_errors_say_what_to_do(monkeypatch):
    model, X, y = lasso()
    with pytest.raises(NotFittedError):
        draw(MultiTaskLassoCV())
    with pytest.raises(TypeError, match="RegularizationPathDisplay needs a fitted estimator"):
        draw(model.alphas_)
    for other in (MultiTaskRidge(task_column=0), MeanRegularizedRidgeCV(task_column=0)):
        with pytest.raises(ValueError, match=f"{type(other).__name__} lacks some of them: use fr"):
            draw(other.fit(X, y))
    with pytest.raises(ValueError, match="needs both X and y"):
        draw(model, X)
    with pytest.raises(ValueError, match="there is nothing to draw"):
        draw([1.0], of="path")
    with pytest.raises(ValueError, match=r"coefs has shape \(2, 3, 4\), .* with 5 alphas"):
        draw(np.ones(5), np.ones((2, 3, 4)), of="path")
    with pytest.raises(ValueError, match=r"losses has shape \(3,\), .* with 5 alphas"):
        draw(np.ones(5), losses=np.ones(3), of="path")
    with pytest.raises(ValueError, match="features has 2 names, but coefs are of 3"):
        draw(np.ones(5), np.ones((2, 3, 5)), of="path", features=["a", "b"])
    with pytest.raises(ValueError, match="some number above 0"):
        draw([0.0], losses=[1.0], of="path")
    with pytest.raises(ValueError, match=r"ax holds 1 axes, but there are 2 panels \(coefficients"):
        draw(model, X, y, panels=1)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"skmtl\[cli\]"):
        RegularizationPathDisplay.from_estimator(model)


def test_the_other_choice_is_kept_where_two_are_made():
    X, y = make_multitask_regression(n_tasks=4, n_samples=20, random_state=0)
    model = GraphRidgeCV(task_column=0, betas=[0.0, 1.0, 10.0]).fit(X, y)
    display = RegularizationPathDisplay.from_estimator(model)
    beta = list(model.betas_).index(model.beta_)
    assert_allclose(np.sort(display.alphas), np.sort(model.alphas_))
    assert_allclose(np.sort(display.losses.ravel()), np.sort(model.mse_path_[:, beta].ravel()))
    ranked = ReducedRankRidgeCV(ranks=[1, 2, 4], task_column=0, cv=3).fit(X, y)
    display = RegularizationPathDisplay.from_estimator(ranked)
    rank = list(ranked.ranks_).index(ranked.rank_)
    assert_allclose(np.sort(display.losses.ravel()), np.sort(ranked.mse_path_[rank].ravel()))
