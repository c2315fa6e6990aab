"""The map of relations: what its cells hold, the order of tasks, and frames of clusters."""

import sys
from itertools import pairwise

import numpy as np
import pandas
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Lasso
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl import (
    MeanRegularizedRidge,
    MultiTaskLogisticRegression,
    MultiTaskRidge,
    PerTaskRegressor,
    TaskRelationDisplay,
    keep_tasks,
    make_multitask_regression,
    task_affinity,
)
from skmtl.datasets import load_iris_and_cancer
from skmtl.inspection.heat_map import robust_limit, similarity_order


class Related(BaseEstimator):
    """A fitted model with the relations it is given."""

    def __init__(self, **attributes):
        vars(self).update(attributes)

    def fit(self, X, y):
        return self

    def get_params(self, deep=True):
        return {}


@pytest.fixture(autouse=True)
def closed_figures():
    pyplot.switch_backend("Agg")
    yield
    pyplot.close("all")


def clusters_of(n_tasks, seed=0):
    """Coefficients of tasks in three clusters, and these."""
    rng = np.random.default_rng(seed)
    cluster = np.arange(n_tasks) % 3
    return rng.normal(size=(3, 8))[cluster] + 0.1 * rng.normal(size=(n_tasks, 8)), cluster


def shown(display):
    return np.asarray(display.image_.get_array())


def test_display_conventions():
    coef, _ = clusters_of(5)
    display = TaskRelationDisplay.from_matrix(np.corrcoef(coef))
    assert display.figure_ is display.ax_.figure
    assert display.figure_.number in pyplot.get_fignums()
    ax = Figure().subplots()
    assert display.plot(ax) is display
    assert display.ax_ is ax
    assert_array_equal(display.matrix, np.corrcoef(coef))
    assert_array_equal(display.tasks, np.arange(5))


# --- relations -----------------------------------------------------------------------------------


def test_covariances_are_drawn_as_correlations():
    coef, _ = clusters_of(6)
    covariance = np.cov(coef)
    covariance[2] = covariance[:, 2] = 0.0  # a task that does not vary
    model = Related(task_covariance_=covariance, task_affinity_=np.eye(6), coef_=coef)
    display = TaskRelationDisplay.from_estimator(model, order="given")
    expected = np.corrcoef(coef)
    expected[2] = expected[:, 2] = np.eye(6)[2]
    assert_allclose(shown(display), expected)
    assert display.image_.get_clim() == (-1.0, 1.0)
    assert display.colorbar_.ax.get_ylabel() == "correlation of coefficients"


def test_affinities_are_scaled_by_those_beside_the_diagonal():
    affinity = np.random.default_rng(0).uniform(-0.2, 0.2, size=(6, 6)) + np.eye(6)
    model = Related(task_affinity_=affinity, coef_=np.eye(6))
    display = TaskRelationDisplay.from_estimator(model, order="given")
    assert_array_equal(shown(display), affinity)
    others = affinity[~np.eye(6, dtype=bool)]
    assert display.image_.get_clim()[1] == robust_limit(others) == np.abs(others).max()
    assert display.colorbar_.ax.get_ylabel() == "affinity"
    display.plot(limit=3.0)
    assert display.image_.get_clim() == (-3.0, 3.0)


def test_cosines_of_coefficients():
    coef, _ = clusters_of(6)
    coef[4] = 0.0
    display = TaskRelationDisplay.from_estimator(Related(coef_=coef), order="given")
    for s in range(6):
        for t in range(6):
            norms = np.linalg.norm(coef[s]) * np.linalg.norm(coef[t])
            cosine = coef[s] @ coef[t] / norms if norms else float(s == t)
            assert_allclose(shown(display)[s, t], cosine, atol=1e-12)


def test_cosines_of_deviations():
    X, y = make_multitask_regression(n_tasks=4, n_features=3, random_state=0)
    X[X[:, 0] == 1, 2] = np.nan
    model = MeanRegularizedRidge(task_column=0).fit(X, y)
    display = TaskRelationDisplay.from_estimator(model, relation="deviations", order="given")
    deviations = model.coef_ - model.coef_shared_
    deviations[1, 1] = 0.0  # absent, not different
    norms = np.linalg.norm(deviations, axis=1)
    assert_allclose(shown(display), deviations @ deviations.T / np.outer(norms, norms))


def test_classes_count_together():
    X, y = load_iris_and_cancer(return_X_y=True)
    model = MultiTaskLogisticRegression(alpha=0.05, task_column=0).fit(X, y)
    display = TaskRelationDisplay.from_estimator(model, order="given")
    a, b = model.coef_.reshape(2, -1)
    assert_allclose(shown(display)[0, 1], a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_relations_can_be_chosen():
    model = Related(task_covariance_=np.eye(3), task_affinity_=2.0 * np.eye(3))
    display = TaskRelationDisplay.from_estimator(model, relation="affinity")
    assert_array_equal(shown(display), 2.0 * np.eye(3))
    with pytest.raises(ValueError, match="needs a model with coef_, but Related has none"):
        TaskRelationDisplay.from_estimator(model, relation="coefficients")
    with pytest.raises(ValueError, match="relation='cosine' is not one of covariance, affinity"):
        TaskRelationDisplay.from_estimator(model, relation="cosine")


def test_pipelines():
    X, y = make_multitask_regression(n_tasks=4, random_state=0)
    names = np.array(["north", "east", "south", "west"])
    table = np.column_stack([names[X[:, 0].astype(int)], X[:, 1:].astype(object)])
    scaled = keep_tasks(StandardScaler(), 0)
    model = make_pipeline(scaled, MultiTaskRidge(task_column=0)).fit(table, y)
    display = TaskRelationDisplay.from_estimator(model)
    assert sorted(display.tasks) == sorted(names)
    assert display.ax_.get_title() == "MultiTaskRidge\n4 tasks, ordered by similarity"


# --- matrices ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["errors", "coefficients"])
def test_results_of_task_affinity_are_drawn_as_they_draw_themselves(method):
    X, y = make_multitask_regression(n_tasks=5, random_state=0)
    found = task_affinity(X, y, task_column=0, method=method, random_state=0)
    display = TaskRelationDisplay.from_matrix(found)
    assert_array_equal(display.order_, found.order)
    own = found.plot()
    assert_array_equal(own.images[0].get_array(), shown(display))
    assert own.images[0].get_clim() == display.image_.get_clim()
    assert own.get_xlabel() == display.ax_.get_xlabel()
    assert own.get_title() == display.ax_.get_title()


def test_frames_have_names():
    coef, _ = clusters_of(3)
    frame = pandas.DataFrame(np.corrcoef(coef), index=["a", "b", "c"], columns=["a", "b", "c"])
    display = TaskRelationDisplay.from_matrix(frame, unit="likeness", order="given")
    assert [text.get_text() for text in display.ax_.get_yticklabels()] == ["a", "b", "c"]
    assert display.colorbar_.ax.get_ylabel() == "likeness"
    assert display.ax_.get_title() == "3 tasks"


def test_cells_that_are_not_defined():
    values = np.random.default_rng(0).normal(size=(12, 12))
    values[:, 3] = np.nan
    display = TaskRelationDisplay.from_matrix(values)
    assert np.isnan(np.ma.filled(display.image_.get_array(), np.nan)).sum() == 12
    assert np.isfinite(display.image_.get_clim()).all()


# --- order, clusters and names -------------------------------------------------------------------


def test_similar_tasks_are_neighbours():
    coef, cluster = clusters_of(21)
    display = TaskRelationDisplay.from_estimator(Related(coef_=coef))
    assert (np.diff(cluster[display.order_]) != 0).sum() == 2
    assert_array_equal(display.order_, similarity_order(display.matrix))
    assert display.blocks_ == []


def test_clusters_have_frames():
    coef, _ = clusters_of(20)
    cluster = np.array(["b", "a"])[np.arange(20) % 2]  # not those that the coefficients tell
    model = Related(coef_=coef, task_labels_=cluster)
    display = TaskRelationDisplay.from_estimator(model)
    ordered = cluster[display.order_]
    assert (ordered[1:] != ordered[:-1]).sum() == 1
    corners = [(block.get_xy(), block.get_width(), block.get_height()) for block in display.blocks_]
    assert corners == [((-0.5, -0.5), 10, 10), ((9.5, 9.5), 10, 10)]
    assert "2 clusters" in display.ax_.get_title()
    # In the given order the tasks of a cluster do not stand together.
    assert display.plot(order="given").blocks_ == []
    single = TaskRelationDisplay.from_estimator(Related(coef_=coef, task_labels_=np.zeros(20)))
    assert len(single.blocks_) == 1


@pytest.mark.parametrize("n_tasks", [2, 20, 139])
def test_names_never_overlap(n_tasks):
    coef, _ = clusters_of(n_tasks)
    names = np.array([f"a long name {task:03}" for task in range(n_tasks)])
    small = Figure(figsize=(3.0, 2.5), layout="constrained").subplots()
    for ax in (None, Figure().subplots(), small):
        display = TaskRelationDisplay.from_matrix(np.corrcoef(coef), names, ax=ax)
        display.figure_.draw_without_rendering()
        for axis in (display.ax_.xaxis, display.ax_.yaxis):
            texts = axis.get_ticklabels()
            boxes = [text.get_window_extent() for text in texts]
            assert not any(a.overlaps(b) for a, b in pairwise(boxes))
            order = display.order_[axis.get_ticklocs().astype(int)]
            assert [text.get_text() for text in texts] == names[order].tolist()


def test_few_tasks_have_numbers():
    matrix = np.array([[1.0, -0.256], [-0.256, 1.0]])
    display = TaskRelationDisplay.from_matrix(matrix, unit="correlation", order="given")
    assert [text.get_text() for text in display.ax_.texts] == ["1", "−0.26", "−0.26", "1"]
    assert not TaskRelationDisplay.from_matrix(np.eye(11)).ax_.texts


# --- errors --------------------------------------------------------------------------------------


def test_errors_say_what_to_do(monkeypatch):
    X, y = make_multitask_regression(n_tasks=3, random_state=0)
    with pytest.raises(ValueError, match="order='size' is not one of similarity, given"):
        TaskRelationDisplay.from_matrix(np.eye(3), order="size")
    with pytest.raises(NotFittedError):
        TaskRelationDisplay.from_estimator(MultiTaskRidge())
    with pytest.raises(TypeError, match="TaskRelationDisplay needs a fitted estimator, but got 'a"):
        TaskRelationDisplay.from_estimator("a model")
    model = PerTaskRegressor(task_column=0).fit(X, y)
    with pytest.raises(ValueError, match=r"task_covariance_ or task_affinity_ or coef_, but PerTa"):
        TaskRelationDisplay.from_estimator(model)
    with pytest.raises(ValueError, match="one task only"):
        TaskRelationDisplay.from_estimator(Lasso().fit(X, y))
    with pytest.raises(ValueError, match=r"matrix has shape \(2, 3\), but must be square"):
        TaskRelationDisplay.from_matrix(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"tasks has shape \(2,\), but matrix is of 3 tasks"):
        TaskRelationDisplay.from_matrix(np.eye(3), ["a", "b"])
    with pytest.raises(ValueError, match=r"clusters has shape \(4,\), but"):
        TaskRelationDisplay.from_matrix(np.eye(3), clusters=[0, 0, 1, 1])
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"skmtl\[cli\]"):
        TaskRelationDisplay.from_matrix(np.eye(3))
