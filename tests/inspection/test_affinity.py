"""Affinities are what plain loops over pairs of tasks give; the order puts like beside like."""

import sys

import numpy as np
import pandas
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skmtl import (
    HierarchicalRidge,
    MeanRegularizedRidge,
    MultiTaskRidge,
    PerTaskClassifier,
    PerTaskRegressor,
    TaskKFold,
    make_multitask_regression,
    task_affinity,
)
from skmtl.inspection import TaskAffinity
from skmtl.inspection.affinity import similarity_order


@pytest.fixture(autouse=True)
def closed_figures():
    pyplot.switch_backend("Agg")
    yield
    pyplot.close("all")


def data(**options):
    options = {"n_tasks": 4, "n_samples": [12, 20, 30, 25], "n_features": 3} | options
    return make_multitask_regression(structure="clusters", n_clusters=2, random_state=0, **options)


def by_loops(inner, X, y, folds, *, own_intercept):
    """Entry (s, t) as it is defined, from one model per task and fold."""
    ids, features = X[:, 0].astype(int), X[:, 1:]
    tasks = np.unique(ids)
    models = [clone(inner).fit(features[ids == s], y[ids == s]) for s in tasks]
    result = np.zeros((len(tasks), len(tasks)))
    for t in tasks:
        squares, own = np.zeros(len(tasks)), 0.0
        for train, test in folds:
            train, test = train[ids[train] == t], test[ids[test] == t]
            alone = clone(inner).fit(features[train], y[train])
            own += np.sum((y[test] - alone.predict(features[test])) ** 2)
            for s in tasks:
                shift = 0.0
                if own_intercept:
                    shift = np.mean(y[train] - models[s].predict(features[train]))
                predicted = models[s].predict(features[test]) + shift
                squares[s] += np.sum((y[test] - predicted) ** 2)
        result[:, t] = 100 * (1 - np.sqrt(squares / own))
        result[t, t] = 0.0
    return result


@pytest.mark.parametrize("own_intercept", [False, True])
@pytest.mark.parametrize("kind", ["linear", "tree"])
def test_errors_by_plain_loops(kind, own_intercept):
    X, y = data()
    folds = list(TaskKFold(3, task_column=0).split(X))
    inner = LinearRegression() if kind == "linear" else DecisionTreeRegressor(max_depth=2)
    estimator = MultiTaskRidge(alpha=0.0) if kind == "linear" else PerTaskRegressor(inner)
    if kind == "tree":
        estimator.set_params(estimator__random_state=0)
    found = task_affinity(
        X, y, task_column=0, estimator=estimator, cv=folds, own_intercept=own_intercept
    )
    expected = by_loops(inner, X, y, folds, own_intercept=own_intercept)
    assert_allclose(found.affinity, expected, rtol=1e-6, atol=1e-6)
    assert_array_equal(np.diag(found.affinity), 0)


def test_errors_of_outputs_by_plain_loops():
    X, Y = data(n_samples=40, layout="multi_output")
    Y[np.random.default_rng(0).random(Y.shape) < 0.2] = np.nan
    folds = list(KFold(4).split(X))
    found = task_affinity(X, Y, estimator=MultiTaskRidge(alpha=1.0), cv=folds)
    squares, own = np.zeros((4, 4)), np.zeros(4)
    for train, test in folds:
        told = MultiTaskRidge(alpha=1.0).fit(X[train], Y[train])
        for s in range(4):
            for t in range(4):
                shift = np.nanmean(Y[train, t] - told.predict(X[train])[:, s])
                error = Y[test, t] - told.predict(X[test])[:, s]
                squares[s, t] += np.nansum((error - shift) ** 2)
                own[t] += np.nansum(error**2) if s == t else 0.0
    expected = 100 * (1 - np.sqrt(squares / own))
    np.fill_diagonal(expected, 0)
    assert_allclose(found.affinity, expected)


def test_outputs_of_models_that_are_not_linear():
    X, Y = data(n_samples=40, layout="multi_output")
    trees = PerTaskRegressor(DecisionTreeRegressor(max_depth=2, random_state=0))
    assert np.isfinite(task_affinity(X, Y, estimator=trees).affinity).all()


@pytest.mark.parametrize("method", ["errors", "coefficients"])
def test_layouts_agree(method):
    X, y = data()
    ids, features = X[:, 0].astype(int), X[:, 1:]
    expected = task_affinity(X, y, task_column=0, method=method, random_state=0)
    names = np.array(["q", "p", "s", "r"])
    frame = pandas.DataFrame(features, columns=["a", "b", "c"])
    frame.insert(1, "town", names[ids])
    order = np.argsort(names)
    for given in (
        task_affinity(features, y, tasks=names[ids], method=method, random_state=0),
        task_affinity(frame, y, task_column="town", method=method, random_state=0),
        task_affinity(
            sparse.csr_array(features), y, tasks=names[ids], method=method, random_state=0
        ),
    ):
        assert_array_equal(given.tasks, list("pqrs"))
        assert_allclose(given.affinity, expected.affinity[np.ix_(order, order)], atol=1e-3)


@pytest.mark.parametrize("method", ["errors", "coefficients"])
def test_order_of_rows_does_not_matter(method):
    X, y = data()
    folds = list(TaskKFold(3, task_column=0).split(X))
    expected = task_affinity(X, y, task_column=0, method=method, cv=folds)
    order = np.random.default_rng(0).permutation(len(y))
    place = np.argsort(order)
    moved = [(place[train], place[test]) for train, test in folds]
    found = task_affinity(X[order], y[order], task_column=0, method=method, cv=moved, n_jobs=2)
    assert_allclose(found.affinity, expected.affinity, atol=1e-6)


def test_coefficients_are_correlations_of_predicted_deviations():
    X, y = data()
    model = MeanRegularizedRidge(alpha_task=5.0, task_column=0).fit(X, y)
    found = task_affinity(X, y, method="coefficients", estimator=model)
    # The cosine in the metric of the covariance of features within tasks.
    ids, features = X[:, 0], X[:, 1:].copy()
    for task in range(4):
        features[ids == task] -= features[ids == task].mean(axis=0)
    metric = features.T @ features
    D = model.coef_ - model.coef_shared_
    for s in range(4):
        for t in range(4):
            norms = np.sqrt((D[s] @ metric @ D[s]) * (D[t] @ metric @ D[t]))
            assert_allclose(found.affinity[s, t], D[s] @ metric @ D[t] / norms)


def test_coefficients_of_outputs_and_of_an_estimator_that_is_not_fitted():
    X, Y = data(n_samples=40, layout="multi_output")
    frame = pandas.DataFrame(Y, columns=list("dcba"))
    model = MeanRegularizedRidge(alpha_task=5.0)
    found = task_affinity(X, frame, method="coefficients", estimator=model)
    assert not hasattr(model, "coef_")
    fitted = clone(model).fit(X, frame)
    again = task_affinity(X, frame, method="coefficients", estimator=fitted)
    assert_array_equal(found.affinity, again.affinity)
    told = (X @ (fitted.coef_ - fitted.coef_shared_).T).T
    assert_allclose(found.affinity, np.corrcoef(told))


def test_the_default_of_coefficients_is_the_posterior():
    X, y = data()
    found = task_affinity(X, y, task_column=0, method="coefficients")
    model = HierarchicalRidge(task_column=0).fit(X, y)
    again = task_affinity(X, y, method="coefficients", estimator=model)
    assert_allclose(found.affinity, again.affinity)


def test_a_task_without_deviation_is_like_no_other():
    X, y = data()
    model = MeanRegularizedRidge(task_column=0).fit(X, y)
    model.coef_[1] = model.coef_shared_
    found = task_affinity(X, y, method="coefficients", estimator=model)
    assert_array_equal(found.affinity[1], [0, 1, 0, 0])


@pytest.mark.parametrize("method", ["errors", "coefficients"])
def test_absent_features(method):
    X, y = data()
    X[X[:, 0] == 1, 2] = np.nan
    found = task_affinity(X, y, task_column=0, method=method, random_state=0)
    assert np.isfinite(found.affinity).all()


def test_absent_features_are_no_deviation():
    X, y = data()
    X[X[:, 0] == 1, 2] = np.nan
    model = MeanRegularizedRidge(alpha_task=5.0, task_column=0).fit(X, y)
    found = task_affinity(X, y, method="coefficients", estimator=model)
    D = model.coef_ - model.coef_shared_
    D[1, 1] = 0.0
    ids, features = X[:, 0], np.nan_to_num(X[:, 1:])
    told = [features[ids == task] @ D.T for task in range(4)]
    told = np.vstack([part - part.mean(axis=0) for part in told])
    expected = told.T @ told / np.outer(*[np.linalg.norm(told, axis=0)] * 2)
    assert_allclose(found.affinity, expected)


def test_tasks_that_are_not_tested_or_have_no_error():
    X, y = data(n_samples=[1, 12, 30, 25])
    y[X[:, 0] == 1] = X[X[:, 0] == 1, 1] / 3.0 + 7.0  # without noise
    estimator = MultiTaskRidge(alpha=0.0, task_column=0)
    found = task_affinity(X, y, estimator=estimator, random_state=0)
    assert np.isnan(found.affinity[:, :2]).all()
    assert np.isfinite(found.affinity[:, 2:]).all()
    assert_array_equal(np.sort(found.order), np.arange(4))
    assert found.plot(Figure().subplots()) is not None


# --- order and figure ----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["errors", "coefficients"])
def test_clusters_stay_together(method):
    X, y = make_multitask_regression(
        n_tasks=12, structure="clusters", n_clusters=3, spread=0.1, random_state=0
    )
    found = task_affinity(X, y, task_column=0, method=method, random_state=0)
    clusters = found.tasks[found.order] % 3
    assert (np.diff(clusters) != 0).sum() == 2


def test_order_does_not_depend_on_names():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(9, 3))
    affinity = np.corrcoef(features)
    order = similarity_order(affinity)
    mixed = rng.permutation(9)
    again = mixed[similarity_order(affinity[np.ix_(mixed, mixed)])]
    assert_array_equal(again, order if again[0] == order[0] else order[::-1])
    assert_array_equal(similarity_order(np.full((3, 3), np.nan)), [0, 1, 2])
    assert_array_equal(similarity_order(np.eye(2)), [0, 1])


def test_frame():
    found = TaskAffinity(
        np.corrcoef(np.arange(6).reshape(3, 2) ** 2), np.array(["a", "b", "c"]), "x"
    )
    assert found.to_frame().loc["a", "b"] == found.affinity[0, 1]
    ordered = found.to_frame(ordered=True)
    assert list(ordered.index) == list(ordered.columns) == found.tasks[found.order].tolist()


def affinity_of(n_tasks, method="errors"):
    values = np.random.default_rng(0).normal(-20, 30, size=(n_tasks, n_tasks))
    np.fill_diagonal(values, 0)
    return TaskAffinity(values, np.array([f"school {i:03}" for i in range(n_tasks)]), method)


@pytest.mark.parametrize(("n_tasks", "n_labels"), [(2, 2), (40, 40), (41, 21), (139, 35)])
def test_labels_are_thinned(n_tasks, n_labels):
    found = affinity_of(n_tasks)
    ax = found.plot()
    names = [text.get_text() for text in ax.get_xticklabels()]
    assert len(names) == n_labels
    positions = ax.get_xticks().astype(int)
    assert names == found.tasks[found.order[positions]].tolist()
    assert ("named" in ax.get_title()) == (n_labels < n_tasks)
    ax.figure.draw_without_rendering()


def test_colours_are_centred_at_zero():
    found = affinity_of(20)
    ax = Figure().subplots()
    assert found.plot(ax) is ax
    image = ax.images[0]
    low, high = image.get_clim()
    assert low == -high
    others = found.affinity[~np.eye(20, dtype=bool)]
    assert_allclose(high, np.quantile(np.abs(others), 0.95))
    assert ax.figure.axes[1].get_ylim() == (low, min(high, 100.0))
    assert_array_equal(image.get_array(), found.affinity[np.ix_(found.order, found.order)])
    assert "%" in ax.figure.axes[1].get_ylabel()
    ax = Figure().subplots()
    affinity_of(5, "coefficients").plot(ax, limit=30.0)
    assert ax.images[0].get_clim() == (-30.0, 30.0)
    assert len(ax.texts) == 25
    ax = Figure().subplots()
    affinity_of(5, "coefficients").plot(ax)
    assert ax.images[0].get_clim() == (-1.0, 1.0)


# --- errors --------------------------------------------------------------------------------------


def test_errors_say_what_to_do(monkeypatch):
    X, y = data()
    with pytest.raises(ValueError, match=r"method='cosine' is not one of errors, coefficients"):
        task_affinity(X, y, task_column=0, method="cosine")
    with pytest.raises(ValueError, match="one task only"):
        task_affinity(X, y)
    with pytest.raises(ValueError, match="came twice"):
        task_affinity(X, y, task_column=0, tasks=X[:, 0])
    for estimator in (
        make_pipeline(StandardScaler(), MultiTaskRidge(task_column=0)),
        PerTaskClassifier(task_column=0),
        LinearRegression(),
    ):
        with pytest.raises(
            ValueError, match=f"{type(estimator).__name__} is no regressor of skmtl"
        ):
            task_affinity(X, y, estimator=estimator)
    with pytest.raises(ValueError, match="has no coef_: use method='errors'"):
        task_affinity(X, y, task_column=0, method="coefficients", estimator=PerTaskRegressor())
    model = MultiTaskRidge(task_column=0).fit(X, y)
    few = X[:, 0] < 2
    with pytest.raises(ValueError, match="but the data have 0, 1"):
        task_affinity(X[few], y[few], method="coefficients", estimator=model)
    found = task_affinity(X, y, task_column=0)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"skmtl\[cli\]"):
        found.to_frame()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"skmtl\[cli\]"):
        found.plot()
