"""The map of coefficients: what its cells hold, in which order, and what is named."""

import sys
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from skmtl import (
    CoefficientDisplay,
    MultiTaskLasso,
    MultiTaskLogisticRegression,
    MultiTaskRidge,
    PerTaskRegressor,
    TaskKFold,
    keep_tasks,
    make_multitask_regression,
)
from skmtl.datasets import load_iris_and_cancer
from skmtl.inspection.heat_map import robust_limit


class Linear(BaseEstimator):
    """A fitted model with the coefficients it is given."""

    def __init__(self, coef_=None, tasks_=None, coef_parts_=None):
        self.coef_ = coef_
        self.tasks_ = np.arange(len(coef_)) if tasks_ is None else tasks_
        if coef_parts_ is not None:
            self.coef_parts_ = coef_parts_

    def fit(self, X, y):
        return self


@pytest.fixture(autouse=True)
def closed_figures():
    pyplot.switch_backend("Agg")
    yield
    pyplot.close("all")


def data(n_tasks=4, n_features=6, **options):
    return make_multitask_regression(
        n_tasks=n_tasks, n_samples=30, n_features=n_features, random_state=0, **options
    )


def random_model(n_tasks, n_features, seed=0):
    rng = np.random.default_rng(seed)
    names = np.array([f"school {task:03}" for task in range(n_tasks)])
    return Linear(rng.normal(size=(n_tasks, n_features)), names)


def names_of(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


def overlapping(axis):
    """Whether two names along an axis cover each other."""
    axis.axes.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axis.get_ticklabels()]
    return any(one.overlaps(two) for one, two in pairwise(boxes))


def test_display_conventions():
    model = random_model(3, 5)
    display = CoefficientDisplay.from_estimator(model)
    assert display.figure_ is display.ax_.figure
    assert display.figure_.number in pyplot.get_fignums()
    assert_array_equal(display.coefs["coef_"], model.coef_)
    ax = Figure().subplots()
    assert display.plot(ax) is display
    assert display.ax_ is ax
    assert display.axes_.tolist() == [ax]


def test_cells_are_the_coefficients_in_the_order_that_is_named():
    model = random_model(20, 8)
    display = CoefficientDisplay.from_estimator(model)
    norms = np.linalg.norm(model.coef_, axis=0)
    assert_array_equal(display.feature_order_, np.argsort(-norms))
    assert_array_equal(np.sort(display.task_order_), np.arange(20))
    shown = display.images_[0].get_array()
    assert_array_equal(shown, model.coef_[np.ix_(display.task_order_, display.feature_order_)])
    assert names_of(display.ax_.yaxis) == model.tasks_[display.task_order_].tolist()
    assert names_of(display.ax_.xaxis) == [f"x{j}" for j in display.feature_order_]
    given = CoefficientDisplay.from_estimator(model, order="given", max_features=3)
    assert_array_equal(given.feature_order_, np.sort(np.argsort(-norms)[:3]))
    assert_array_equal(given.images_[0].get_array(), model.coef_[:, given.feature_order_])
    assert given.ax_.get_title() == "Linear\n20 tasks, 3 of 8 features"


def test_similar_tasks_are_neighbours():
    centres = np.random.default_rng(0).normal(size=(3, 6))
    cluster = np.arange(18) % 3
    coef = centres[cluster] + 0.05 * np.random.default_rng(1).normal(size=(18, 6))
    display = CoefficientDisplay.from_estimator(Linear(coef))
    assert (np.diff(cluster[display.task_order_]) != 0).sum() == 2


@pytest.mark.parametrize(("n_tasks", "n_features"), [(1, 4), (3, 27), (20, 60), (139, 27), (41, 1)])
def test_names_never_overlap(n_tasks, n_features):
    model = random_model(n_tasks, n_features)
    small = Figure(figsize=(3.0, 2.5), layout="constrained").subplots()
    for ax in (None, Figure().subplots(), small):
        display = CoefficientDisplay.from_estimator(model, ax=ax, max_features=None)
        assert not overlapping(display.ax_.xaxis)
        assert not overlapping(display.ax_.yaxis)
        positions = display.ax_.get_yticks().astype(int)
        order = display.task_order_[positions]
        assert names_of(display.ax_.yaxis) == model.tasks_[order].tolist()
        assert ("named" in display.ax_.get_ylabel()) == (len(positions) < n_tasks)


def test_small_maps_hold_numbers():
    coef = np.array([[1.0, -0.04], [0.0, 0.5]])
    display = CoefficientDisplay.from_estimator(Linear(coef), order="given")
    assert [text.get_text() for text in display.ax_.texts] == ["1", "−0.04", "0", "0.5"]
    assert not CoefficientDisplay.from_estimator(random_model(13, 2)).ax_.texts
    assert not CoefficientDisplay.from_estimator(
        random_model(3, 12), ax=Figure(figsize=(3, 3)).subplots()
    ).ax_.texts


def test_colours_are_centred_at_zero_and_no_outlier_fades_them():
    values = np.random.default_rng(0).uniform(-2.0, 2.0, size=(20, 10))
    assert robust_limit(values) == np.abs(values).max()
    assert robust_limit(np.where(values > 1.5, values, 0.0)) == values.max()  # zeros do not count
    values[3, 4] = 500.0
    assert 1.8 < robust_limit(values) < 2.0
    assert robust_limit(np.full((2, 2), np.nan)) == robust_limit(np.zeros((2, 2))) == 1.0
    display = CoefficientDisplay.from_estimator(Linear(values))
    low, high = display.images_[0].get_clim()
    assert high == -low == robust_limit(values)
    assert display.colorbar_.extend == "both"
    assert display.colorbar_.ax.get_ylabel() == "coefficient"
    display.plot(limit=7.0, cmap="PuOr")
    assert display.images_[0].get_clim() == (-7.0, 7.0)
    assert display.images_[0].get_cmap().name == "PuOr"


# --- parts ---------------------------------------------------------------------------------------


def model_of_parts():
    rng = np.random.default_rng(0)
    shared = np.tile(rng.normal(size=5), (4, 1))
    specific = rng.normal(size=(4, 5))
    return Linear(shared + specific, coef_parts_={"shared": shared, "specific": specific})


def test_parts_stand_side_by_side_with_one_scale_and_order():
    model = model_of_parts()
    display = CoefficientDisplay.from_estimator(model, part="all")
    assert [ax.get_title() for ax in display.axes_] == ["sum of the parts", "shared", "specific"]
    place = np.ix_(display.task_order_, display.feature_order_)
    expected = [model.coef_, *model.coef_parts_.values()]
    for image, coef in zip(display.images_, expected, strict=True):
        assert_array_equal(image.get_array(), coef[place])
    assert len({image.get_clim() for image in display.images_}) == 1
    assert_array_equal(display.task_order_, CoefficientDisplay.from_estimator(model).task_order_)
    axes = Figure(layout="constrained").subplots(3, 1)
    assert display.plot(axes).axes_.tolist() == axes.tolist()


def test_one_part():
    model = model_of_parts()
    display = CoefficientDisplay.from_estimator(model, part="specific", order="given")
    assert_array_equal(display.images_[0].get_array(), model.coef_parts_["specific"])
    assert "specific: 4 tasks" in display.ax_.get_title()
    with pytest.raises(ValueError, match="part='common' is not one of shared, specific, all"):
        CoefficientDisplay.from_estimator(model, part="common")
    with pytest.raises(ValueError, match="Linear has no coef_parts_"):
        CoefficientDisplay.from_estimator(random_model(3, 3), part="shared")
    with pytest.raises(ValueError, match=r"1 axes, but there are 3 panels \(sum of the parts, sh"):
        CoefficientDisplay.from_estimator(model, part="all", ax=Figure().subplots())


# --- models --------------------------------------------------------------------------------------


def test_names_of_columns_without_the_ids():
    X, y = data(n_features=3)
    frame = pandas.DataFrame(X, columns=["task", "a", "b", "c"])
    for task_column in ("task", 0, -4):
        model = MultiTaskRidge(task_column=task_column).fit(frame, y)
        display = CoefficientDisplay.from_estimator(model)
        assert display.features.tolist() == ["a", "b", "c"]
    array = CoefficientDisplay.from_estimator(MultiTaskRidge(task_column=0).fit(X, y))
    assert array.features.tolist() == ["x0", "x1", "x2"]


def test_pipelines_and_searches():
    X, y = data(n_features=3)
    frame = pandas.DataFrame(X, columns=["task", "a", "b", "c"])
    pipeline = make_pipeline(keep_tasks(StandardScaler(), "task"), MultiTaskLasso(task_column=0))
    search = GridSearchCV(
        pipeline, {"multitasklasso__alpha": [0.1, 0.2]}, cv=TaskKFold(2, task_column="task")
    ).fit(frame, y)
    for model in (search, search.best_estimator_):
        display = CoefficientDisplay.from_estimator(model)
        assert_array_equal(display.coefs["coef_"], search.best_estimator_[-1].coef_)
        assert display.features.tolist() == ["a", "b", "c"]
        assert display.ax_.get_title().startswith("MultiTaskLasso\n")
    numbers = make_pipeline(keep_tasks(StandardScaler(), 0), MultiTaskLasso(task_column=0))
    display = CoefficientDisplay.from_estimator(numbers.fit(X, y))
    assert display.features.tolist() == ["x0", "x1", "x2"]
    products = make_pipeline(PolynomialFeatures(2, include_bias=False), MultiTaskRidge())
    display = CoefficientDisplay.from_estimator(products.fit(X[:, 1:3], y))
    assert display.features.tolist() == ["x0", "x1", "x0^2", "x0 x1", "x1^2"]
    target = TransformedTargetRegressor(MultiTaskRidge(task_column=0)).fit(X, y)
    assert CoefficientDisplay.from_estimator(target).images_[0].get_array().shape == (4, 3)


def test_models_of_scikit_learn():
    X, y = data(n_features=3)
    model = Lasso(alpha=0.1).fit(X, y)
    display = CoefficientDisplay.from_estimator(model, order="given")
    assert_array_equal(display.images_[0].get_array(), model.coef_[None])
    assert display.ax_.get_title() == "Lasso\n1 task, 4 features"
    model = SimpleNamespace(coef_=sparse.csr_array(model.coef_[None]))
    linear = Linear(np.zeros((1, 4)))
    linear.coef_ = model.coef_
    again = CoefficientDisplay.from_estimator(linear, order="given")
    assert_array_equal(again.images_[0].get_array(), display.images_[0].get_array())


def test_names_of_outputs():
    X, Y = data(n_features=3, layout="multi_output")
    frame = pandas.DataFrame(Y, columns=["p", "q", "r", "s"])
    display = CoefficientDisplay.from_estimator(MultiTaskRidge().fit(X, frame), order="given")
    assert names_of(display.ax_.yaxis) == ["p", "q", "r", "s"]


def test_classes_of_several_tasks_and_absent_features():
    X, y = load_iris_and_cancer(return_X_y=True)
    model = MultiTaskLogisticRegression(alpha=0.05, task_column=0).fit(X, y)
    assert model.coef_.ndim == 3
    display = CoefficientDisplay.from_estimator(model, order="given", max_features=None)
    shown = np.asarray(display.images_[0].get_array())
    expected = np.sqrt((model.coef_**2).sum(axis=1))
    assert_allclose(np.nan_to_num(shown), expected)
    assert_array_equal(np.isnan(display.coefs["coef_"]), model.absent_features_)
    assert display.images_[0].get_clim()[0] == 0.0
    assert display.colorbar_.ax.get_ylabel() == "norm over classes"
    assert "grey: absent" in display.ax_.get_title()


@pytest.mark.parametrize("kind", [MultiTaskLogisticRegression, LogisticRegression])
def test_classes_of_one_task_are_rows(kind):
    X, y = load_iris(return_X_y=True, as_frame=True)
    names = np.array(["setosa", "versicolor", "virginica"])
    model = (kind(alpha=0.05) if "MultiTask" in kind.__name__ else kind(max_iter=1000)).fit(
        X, names[y]
    )
    display = CoefficientDisplay.from_estimator(model, order="given")
    assert_array_equal(display.images_[0].get_array(), model.coef_)
    assert names_of(display.ax_.yaxis) == names.tolist()
    assert names_of(display.ax_.xaxis) == list(X.columns)
    assert display.ax_.get_ylabel() == "class"
    assert "3 classes, 4 features" in display.ax_.get_title()


# --- errors --------------------------------------------------------------------------------------


def test_errors_say_what_to_do(monkeypatch):
    X, y = data()
    with pytest.raises(ValueError, match="order='norm' is not one of similarity, given"):
        CoefficientDisplay.from_estimator(random_model(3, 3), order="norm")
    with pytest.raises(ValueError, match="order=None is not one of"):
        CoefficientDisplay.from_estimator(random_model(3, 3)).plot(order=None)
    for unfitted in (
        MultiTaskRidge(),
        make_pipeline(StandardScaler(), MultiTaskRidge()),
        GridSearchCV(MultiTaskRidge(), {"alpha": [1.0]}),
        TransformedTargetRegressor(MultiTaskRidge()),
    ):
        with pytest.raises(NotFittedError):
            CoefficientDisplay.from_estimator(unfitted)
    with pytest.raises(TypeError, match="CoefficientDisplay needs a fitted estimator, but got arr"):
        CoefficientDisplay.from_estimator(np.eye(3))
    with pytest.raises(TypeError, match="the class MultiTaskRidge"):
        CoefficientDisplay.from_estimator(MultiTaskRidge)
    with pytest.raises(ValueError, match="PerTaskRegressor has no coef_"):
        CoefficientDisplay.from_estimator(PerTaskRegressor(task_column=0).fit(X, y))
    search = GridSearchCV(MultiTaskRidge(), {"alpha": [1.0]}, refit=False).fit(X, y)
    with pytest.raises(ValueError, match="refit=False"):
        CoefficientDisplay.from_estimator(search)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"skmtl\[cli\]"):
        CoefficientDisplay.from_estimator(random_model(3, 3))
