"""A scorer is the average of the table of scores, wherever the ids come from."""

import pickle

import numpy as np
import pytest
import sklearn.metrics as sk
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, cross_validate

from skmtl.metrics import (
    average_scores,
    make_task_scorer,
    task_scores,
)
from skmtl.model_selection import TaskKFold


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    ids = rng.permutation(np.repeat([4, 2, 9], [12, 9, 6]))
    X = np.column_stack([ids, rng.normal(size=(27, 2))])
    return X, X[:, 1] * ids + rng.normal(size=27)


@pytest.mark.parametrize("average", ["macro", "weighted", "worst"])
@pytest.mark.parametrize("metric", ["r2", "rmse", sk.mean_absolute_error])
def test_scorer_is_the_average_of_the_table(data, average, metric):
    X, y = data
    model = Ridge().fit(X, y)
    table = task_scores(y, model.predict(X), X[:, 0], metrics={"score": metric})
    sign = 1 if metric == "r2" else -1
    expected = average_scores(sign * table["score"], table["n_samples"], average=average)
    options = {"average": average, "greater_is_better": sign > 0}
    scorer = make_task_scorer(metric, task_column=0, **options)
    assert_allclose(scorer(model, X, y), expected)
    assert_allclose(make_task_scorer(metric, **options)(model, X, y, groups=X[:, 0]), expected)
    assert_allclose(scorer(model, X, y, sample_weight=np.full(27, 2)), expected)
    assert_allclose(pickle.loads(pickle.dumps(clone(scorer, safe=False)))(model, X, y), expected)
    order = np.random.default_rng(0).permutation(27)
    assert_allclose(scorer(model, X[order], y[order]), expected)


def test_weighted_average_counts_weights(data):
    X, y = data
    model, weights = Ridge().fit(X, y), np.random.default_rng(0).integers(4, size=27)
    scorer = make_task_scorer("mae", average="weighted", task_column=0)
    rows = np.repeat(np.arange(27), weights)
    assert_allclose(scorer(model, X, y, sample_weight=weights), scorer(model, X[rows], y[rows]))


def test_columns_of_y_are_tasks(data):
    X, y = data
    Y = np.column_stack([y, X[:, 2], y**2])
    model = Ridge().fit(X, Y)
    Y[::3, 1] = np.nan
    scores = task_scores(Y, model.predict(X))["r2"]
    assert_allclose(make_task_scorer("r2")(model, X, Y), scores.mean())
    one = make_task_scorer("r2")(Ridge().fit(X, y), X, y[:, None])
    assert_allclose(one, scores[0])
    with pytest.raises(ValueError, match="each of which is a task"):
        make_task_scorer("r2", task_column=0)(model, X, Y)


@pytest.mark.parametrize("kind", ["csr", "pandas", "polars", "list"])
def test_ids_are_read_from_any_table(data, kind):
    X, y = data
    scorer = make_task_scorer("rmse", task_column=0)
    expected = scorer(DummyRegressor().fit(X, y), X, y)
    if kind in ("pandas", "polars"):
        X = pytest.importorskip(kind).DataFrame({"unit": X[:, 0].astype(int).astype(str)})
        scorer = make_task_scorer("rmse", task_column="unit")
    elif kind == "csr":
        X = sparse.csr_matrix(X)
    else:
        X = X.tolist()
    assert_allclose(scorer(DummyRegressor().fit(X, y), X, y), expected)


def test_probabilities():
    rng = np.random.default_rng(0)
    X = np.column_stack([np.repeat([0, 1], 30), rng.normal(size=(60, 2))])
    for n_classes in (2, 3):
        y = (np.arange(60) % n_classes).astype(str)
        y[30:40] = y[30]
        y[40:] = y[30] if n_classes == 2 else y[40:]
        model = LogisticRegression().fit(X, y)
        scorer = make_task_scorer(
            sk.log_loss,
            task_column=0,
            greater_is_better=False,
            response_method="predict_proba",
            labels=model.classes_,
        )
        expected = [
            sk.log_loss(y[rows], model.predict_proba(X[rows]), labels=model.classes_)
            for rows in (slice(30), slice(30, None))
        ]
        assert_allclose(scorer(model, X, y), -np.mean(expected))


def test_in_grid_search(data):
    X, y = data
    scorers = {
        "worst": make_task_scorer("rmse", average="worst", task_column=0),
        "macro": make_task_scorer("rmse", task_column=0),
    }
    cv = TaskKFold(3, task_column=0)
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 10]}, cv=cv, scoring=scorers, refit="worst")
    search = clone(search).fit(X, y)
    results = search.cv_results_
    assert (results["mean_test_worst"] <= results["mean_test_macro"]).all()
    single = GridSearchCV(Ridge(), {"alpha": [0.1, 10]}, cv=cv, scoring=scorers["worst"])
    assert_allclose(single.fit(X, y).score(X, y), scorers["worst"](search, X, y))
    assert "make_task_scorer(rmse, average='worst'" in repr(scorers["worst"])
    assert "<div" in single._repr_html_()


def test_groups_are_routed_to_the_scorer(data):
    X, y = data
    features, ids = X[:, 1:], X[:, 0]
    inside = make_task_scorer("rmse", task_column=0)
    model = DummyRegressor()
    expected = cross_val_score(model, X, y, scoring=inside, cv=TaskKFold(3, task_column=0))
    with config_context(enable_metadata_routing=True):
        found = cross_val_score(
            model,
            features,
            y,
            scoring=make_task_scorer("rmse"),
            cv=TaskKFold(3),
            params={"groups": ids},
        )
        renamed = make_task_scorer("rmse").set_score_request(groups="unit")
        several = cross_validate(
            model,
            features,
            y,
            scoring={"own": clone(renamed, safe=False), "mse": "neg_mean_squared_error"},
            cv=KFold(2),
            params={"unit": ids},
        )
        weighted = make_task_scorer("rmse").set_score_request(sample_weight=True, groups=True)
        GridSearchCV(
            Ridge().set_fit_request(sample_weight=True), {"alpha": [1]}, scoring=weighted, cv=2
        ).fit(features, y, groups=ids, sample_weight=np.ones(27))
    assert_allclose(found, expected)
    assert np.isfinite(several["test_own"]).all()


def test_scorer_errors(data):
    X, y = data
    model = Ridge().fit(X, y)
    with pytest.raises(ValueError, match=r"found no task ids.*task_column=.*groups="):
        make_task_scorer("r2")(model, X, y)
    with pytest.raises(ValueError, match=r"labels or whole numbers, but column 1 holds"):
        make_task_scorer("r2", task_column=1)(model, X, y)
    with pytest.raises(ValueError, match="'r3' is no metric"):
        make_task_scorer("r3")
    with pytest.raises(ValueError, match="average='best'"):
        make_task_scorer("r2", average="best")
    with pytest.raises(TypeError, match="'r2' has no parameters"):
        make_task_scorer("r2", force_finite=False)
    with pytest.raises(TypeError, match="but not 'tasks'"):
        make_task_scorer("r2").set_score_request(tasks=True)


def test_missing_labels_and_wrong_weights():
    X = np.array([[0], [0], [1], [1]])
    model = DummyClassifier().fit(X, ["u", "u", "u", "v"])
    scorer = make_task_scorer("accuracy", task_column=0)
    y = np.array(["u", None, "v", "u"], dtype=object)
    assert scorer(model, X, y) == 0.75
    with pytest.raises(ValueError, match="must not be negative"):
        scorer(model, X, y, sample_weight=[1, 1, -1, 1])
