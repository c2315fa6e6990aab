"""The registry of strategies: every one fits, in every layout, and tunes as it says."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone, is_classifier, is_regressor

from skmtl import make_multitask_classification, make_multitask_regression
from skmtl.inspection import penalty_strategies, structure_strategies
from skmtl.inspection.penalty_strategies import PENALTIES, PenaltyChoice, choose_penalty
from skmtl.inspection.strategies import REGISTRY
from skmtl.inspection.strategy import Setup, negative_squared_error
from skmtl.penalties import L21, Nuclear

DEFAULT = {
    "regression": [
        "per-task",
        "pooled",
        "pooled-intercepts",
        "mean-regularized",
        "multitask-lasso",
        "sharing",
    ],
    "classification": ["per-task", "pooled", "pooled-intercepts", "multitask-logistic", "sharing"],
}
STRUCTURES = [(kind, s.name) for kind, entries in REGISTRY.items() for s in entries if s.family]


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Few values of what is tuned, few folds."""
    monkeypatch.setattr(penalty_strategies, "N_ALPHAS", 3)
    folds = {"regression": 2, "classification": 2}
    monkeypatch.setattr(penalty_strategies, "N_FOLDS", folds)
    codes = {"n_components": [2], "alpha_sparse": [0.03]}
    monkeypatch.setattr(structure_strategies, "CODES", codes)


def find(task_type, name):
    return next(entry for entry in REGISTRY[task_type] if entry.name == name)


def table(task_type, layout):
    """X, y and the task column."""
    make = make_multitask_regression
    make = make_multitask_classification if task_type == "classification" else make
    X, y = make(n_tasks=3, n_samples=14, n_features=4, random_state=0)
    if layout == "sparse":
        return sparse.csr_matrix(X), y, 0
    if layout == "outputs":
        Y = y.reshape(3, -1).T.astype(float)
        Y[0, 1] = np.nan
        return X[:14, 1:], Y, None
    return X, y, 0


@pytest.mark.parametrize(("task_type", "name"), STRUCTURES)
def test_structured_strategies_fit_and_are_finite(task_type, name, monkeypatch):
    first = lambda setup, penalties: choose_penalty(setup, penalties[:1])  # noqa: E731
    monkeypatch.setattr(penalty_strategies, "choose_penalty", first)
    check(task_type, name, "column")


@pytest.mark.parametrize("layout", ["outputs", "sparse"])
@pytest.mark.parametrize(
    ("task_type", "name"),
    [
        ("regression", "trace-norm"),
        ("regression", "ella"),
        ("regression", "calibrated-lasso"),
        ("regression", "task-dictionary"),
        ("regression", "graph-ridge"),
        ("regression", "armul"),
        ("classification", "l1-inf"),
        ("classification", "ella"),
    ],
)
def test_layouts_of_structured_strategies(task_type, name, layout):
    check(task_type, name, layout)


def check(task_type, name, layout):
    X, y, column = table(task_type, layout)
    model = find(task_type, name).make(Setup(task_type, column, 0))
    kind = is_classifier if task_type == "classification" else is_regressor
    assert kind(model)
    model = clone(model).fit(X, y)
    told = model.predict_proba(X) if task_type == "classification" else model.predict(X)
    assert np.isfinite(np.asarray(told)).all()
    assert np.std(np.asarray(told)) > 0


@pytest.mark.parametrize("task_type", list(REGISTRY))
def test_structures_are_not_run_by_default(task_type):
    assert [entry.name for entry in REGISTRY[task_type] if entry.default] == DEFAULT[task_type]
    names = [entry.name for entry in REGISTRY[task_type]]
    assert len(names) == len(set(names))
    assert all(entry.about for entry in REGISTRY[task_type])
    assert {name for rows in PENALTIES.values() for name in rows} <= set(names)


def test_the_penalty_of_least_held_out_error_is_chosen():
    X, y, _ = table("regression", "column")
    penalties = [L21(), Nuclear()]
    choice = choose_penalty(Setup("regression", 0, 0), penalties)
    assert isinstance(choice, PenaltyChoice)
    choice.fit(X, y)
    alone = [clone(choice.estimator).set_params(penalty=p).fit(X, y) for p in penalties]
    errors = [model.mse_path_.mean(axis=1).min() for model in alone]
    best = int(np.argmin(errors))
    assert errors[0] != errors[1]
    assert repr(choice.estimator_.penalty) == repr(penalties[best])
    np.testing.assert_array_equal(choice.predict(X), alone[best].predict(X))
    assert not hasattr(choice, "predict_proba")


def test_squared_errors_are_of_the_observed_targets():
    X, Y, _ = table("regression", "outputs")
    model = find("regression", "reduced-rank").make(Setup("regression", None, 0)).fit(X, Y)
    squares = [(Y[i, t] - model.predict(X)[i, t]) ** 2 for i, t in np.argwhere(~np.isnan(Y))]
    np.testing.assert_allclose(negative_squared_error(model, X, Y), -np.mean(squares))


@pytest.mark.parametrize(
    ("name", "message"), [("ella", "labels 0, 1, 2"), ("clustered", "labels"), ("fusion", "labels")]
)
def test_labels_that_a_strategy_cannot_do_are_named(name, message):
    X, y, _ = table("classification", "column")
    y = np.where((X[:, 0] == X[0, 0]) & (X[:, 1] > 0), 2, y)  # three labels in one task
    with pytest.raises(ValueError, match=message):
        find("classification", name).make(Setup("classification", 0, 0)).fit(X, y)
