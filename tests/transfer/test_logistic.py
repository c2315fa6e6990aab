"""TransferLogisticRegression: limits, optimality, labels that one side lacks."""

import pickle

import numpy as np
import pytest
from helpers import SPARSE
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from skmtl import TransferLogisticRegression, TransferLogisticRegressionCV
from skmtl.model_selection import TargetKFold

BOTH = [TransferLogisticRegression, TransferLogisticRegressionCV]


def make(n=40, n_classes=2, p=5, n_sources=1, seed=0):
    """Rows of a target and fitted sources that are like it; labels are letters."""
    rng = np.random.RandomState(seed)
    W, letters = rng.normal(size=(p, n_classes)), np.array(list("abcdef"))

    def draw(n, W):
        X = rng.normal(size=(n, p))
        return X, letters[np.argmax(X @ W + 0.5 * rng.gumbel(size=(n, n_classes)), axis=1)]

    sources = [
        LogisticRegression().fit(*draw(100, W + 0.3 * rng.normal(size=W.shape)))
        for _ in range(n_sources)
    ]
    return *draw(n, W), sources, rng


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_without_source_it_is_logistic_regression(n_classes, fit_intercept):
    X, y, _, rng = make(60, n_classes)
    v = rng.uniform(0.2, 2.0, size=len(y))
    params = {"C": 0.5, "fit_intercept": fit_intercept}
    ours = TransferLogisticRegression(**params).fit(X, y, sample_weight=v)
    reference = LogisticRegression(**params, tol=1e-10, max_iter=1000)
    reference.fit(X, y, sample_weight=v)
    assert ours.coef_.shape == reference.coef_.shape
    assert_allclose(ours.coef_, reference.coef_, atol=1e-6)
    assert_allclose(ours.intercept_, reference.intercept_, atol=1e-6)
    assert_allclose(ours.predict_proba(X), reference.predict_proba(X), atol=1e-6)
    assert_allclose(ours.decision_function(X), reference.decision_function(X), atol=1e-5)
    assert_array_equal(ours.predict(X), reference.predict(X))
    assert ours.optimality_ <= 1e-8


@pytest.mark.parametrize("n_classes", [2, 3])
def test_minimises_the_objective(n_classes):
    X, y, (source,), rng = make(40, n_classes)
    v = rng.uniform(0.2, 2.0, size=len(y))
    model = TransferLogisticRegression(source, source_weights=0.6, C=2.0)
    model.fit(X, y, sample_weight=v)
    assert not model.adds_sources_
    d = model.coef_ - 0.6 * source.coef_
    Y = y[:, None] == model.classes_
    slope = v[:, None] * (model.predict_proba(X) - Y)
    slope = slope[:, 1:] if n_classes == 2 else slope
    assert_allclose(2.0 * slope.T @ X + d, 0, atol=1e-4)
    assert_allclose(slope.sum(axis=0), 0, atol=1e-4)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_limits(n_classes):
    X, y, (source,), _ = make(40, n_classes)
    model = TransferLogisticRegression(source, source_weights=1.0, C=1e-12)
    assert_allclose(model.fit(X, y).coef_, source.coef_, atol=1e-6)
    model.set_params(fit_intercept=False).fit(X, y)
    assert_allclose(model.predict_proba(X), source.predict_proba(X), atol=1e-6)
    other = TransferLogisticRegression(source, source_weights=0.0).fit(X, y)
    assert_allclose(other.coef_, TransferLogisticRegression().fit(X, y).coef_, atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_any_classifier_can_be_a_source(n_classes):
    X, y, _, _rng = make(40, n_classes)
    forest = RandomForestClassifier(10, min_samples_leaf=5, random_state=0)
    forest.fit(X, y)
    before = pickle.dumps(forest)
    model = TransferLogisticRegression(
        forest, source_weights=1.0, C=1e-10, fit_intercept=False
    ).fit(X, y)
    assert model.adds_sources_
    assert_allclose(model.predict_proba(X), np.maximum(forest.predict_proba(X), 1e-6), atol=1e-5)
    assert pickle.dumps(forest) == before
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
    svm = TransferLogisticRegression(LinearSVC().fit(X, y), source_weights=1.0, C=0.1).fit(X, y)
    assert not svm.adds_sources_
    scores = X @ svm.coef_.T + svm.intercept_
    p = (
        softmax(scores, axis=1)
        if n_classes > 2
        else np.column_stack([expit(-scores), expit(scores)])
    )
    assert_allclose(svm.predict_proba(X), p)


def test_learned_weights_are_the_best_of_the_folds():
    """By brute force over a grid of weights: log-odds of fits with and without a source."""
    X, y, (source,), _ = make(30)
    cv = StratifiedKFold(3)
    model = TransferLogisticRegression(source, C=0.1, cv=cv).fit(X, y)
    one, alone = np.empty(30), np.empty(30)
    for train, test in cv.split(X, y):
        fixed = TransferLogisticRegression(source, C=0.1, source_weights=1.0)
        one[test] = fixed.fit(X[train], y[train]).decision_function(X[test])
        plain = TransferLogisticRegression(C=0.1).fit(X[train], y[train])
        alone[test] = plain.decision_function(X[test])
    grid = np.linspace(0, 1, 1001)
    sign = np.where(y == "b", 1.0, -1.0)
    losses = [np.logaddexp(0, -sign * (a * one + (1 - a) * alone)).sum() for a in grid]
    assert_allclose(model.source_weights_[0], grid[np.argmin(losses)], atol=2e-3)


# --- labels -----------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", BOTH)
def test_a_label_that_the_source_lacks(cls):
    X, y, _, _ = make(60, 3)
    known = y != "c"
    source = LogisticRegression().fit(X[known], y[known])
    model = cls(source).fit(X, y)
    assert_array_equal(model.classes_, ["a", "b", "c"])
    assert model.score(X, y) > 0.7
    assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)


@pytest.mark.parametrize("cls", BOTH)
def test_a_label_that_the_target_lacks(cls):
    X, y, (source,), _ = make(80, 3)
    known = y != "c"
    model = cls(source).fit(X[known], y[known])
    assert_array_equal(model.classes_, ["a", "b", "c"])
    p = model.predict_proba(X)
    assert_allclose(p.sum(axis=1), 1.0)
    assert_allclose(p[:, 2], model.source_weights_[0] * source.predict_proba(X)[:, 2])
    assert_array_equal(model.classes_[model.decision_function(X).argmax(axis=1)], model.predict(X))
    between = p[:, 1] / (p[:, 0] + p[:, 1])
    assert_allclose(between, expit(X @ model.coef_[0] + model.intercept_[0]), atol=1e-6)


@pytest.mark.parametrize("cls", BOTH)
def test_one_label_in_the_target(cls):
    X, y, (source,), _ = make(40, 3)
    only = y == "b"
    model = cls(source).fit(X[only], y[only])
    assert_allclose(model.predict_proba(X), source.predict_proba(X))
    with pytest.raises(ValueError, match="at least two classes"):
        cls().fit(X[only], y[only])


@pytest.mark.parametrize("cls", BOTH)
def test_a_source_with_one_label_and_labels_with_one_row(cls):
    X, y, _, rng = make(20, 2)
    Z = rng.normal(size=(10, 5))
    model = cls(source_rows=[(Z, ["a"] * 10), (X, y)]).fit(X, y)
    assert model.source_weights_.shape == (2,)
    y[3] = "z"
    model = cls(source_rows=(X, y)).fit(X, y)
    assert_array_equal(model.classes_, ["a", "b", "z"])
    few = cls(source_rows=(X, y)).fit(X[:4], np.array(["a", "b", "c", "d"]))
    assert np.isfinite(few.predict_proba(X)).all()


# --- data -------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("kind", SPARSE)
@pytest.mark.parametrize("p", [5, 60])
def test_sparse_is_as_dense(cls, kind, p):
    X, y, (source,), _ = make(p=p)
    X[np.abs(X) < 0.7] = 0.0
    dense, ours = cls(source).fit(X, y), cls(source).fit(SPARSE[kind](X), y)
    assert_allclose(ours.coef_, dense.coef_, atol=1e-3)
    assert_allclose(ours.predict_proba(SPARSE[kind](X)), dense.predict_proba(X), atol=1e-3)


@pytest.mark.parametrize("cls", BOTH)
def test_three_ways_and_tools(cls):
    X, y, (source,), rng = make(30)
    before = pickle.dumps(source)
    assert clone(cls(source)).source is source
    search = GridSearchCV(cls(source), {"fit_intercept": [True, False]}, cv=3).fit(X, y)
    assert search.best_estimator_.source is source
    pipeline = make_pipeline(StandardScaler(with_mean=False, with_std=False), cls(source))
    assert_allclose(pipeline.fit(X, y).predict_proba(X), cls(source).fit(X, y).predict_proba(X))
    assert pickle.dumps(source) == before
    Z, t = make(50, seed=0)[:2]
    ids = np.repeat([0, 1], [50, 30])
    table, labels = np.column_stack([ids, np.vstack([Z, X])]), np.append(t, y)
    given = {"task_column": 0, "target_task": 1}
    task = cls(source_estimator=LogisticRegression(), **given).fit(table, labels)
    rows = cls(source_estimator=LogisticRegression(), source_rows=(Z, t)).fit(X, y)
    model = cls(LogisticRegression().fit(Z, t)).fit(X, y)
    assert_allclose(task.coef_, rows.coef_)
    assert_allclose(model.coef_, rows.coef_)
    order = rng.permutation(80)
    cv = TargetKFold(3, stratify=True, **given)
    search = GridSearchCV(cls(cv=cv, **given), {"fit_intercept": [True]}, cv=cv)
    assert search.fit(table[order], labels[order]).best_score_ > 0.5


# --- cross-validation -------------------------------------------------------------------------


def test_choice_without_source():
    X, y, _, _ = make(50)
    model = TransferLogisticRegressionCV(Cs=[0.01, 0.1, 1.0, 10.0], cv=StratifiedKFold(5)).fit(X, y)
    losses = np.zeros(4)
    for train, test in StratifiedKFold(5).split(X, y):
        for k, C in enumerate(model.Cs_):
            p = LogisticRegression(C=C, tol=1e-8).fit(X[train], y[train]).predict_proba(X[test])
            losses[k] += log_loss(y[test], p, normalize=False, labels=["a", "b"]) / 50
    assert_allclose(model.log_loss_path_[0], losses, rtol=1e-4)
    assert model.Cs_[np.argmin(losses)] == model.C_
    one = TransferLogisticRegression(C=model.C_).fit(X, y)
    assert_allclose(model.coef_, one.coef_, atol=1e-6)
    assert model.target_only_ == 1.0


def test_mean_of_the_candidates():
    X, y, sources, _ = make(25, n_sources=2)
    model = TransferLogisticRegressionCV(sources, Cs=[0.01, 1.0]).fit(X, y)
    assert_allclose(model.candidate_weights_.sum(), 1.0)
    coef = np.zeros((1, 5))
    for k, C in enumerate(model.Cs_):
        alone, transferred = model.candidate_weights_[:, k]
        one = TransferLogisticRegression(sources, C=C).fit(X, y)
        plain = TransferLogisticRegression(C=C).fit(X, y)
        coef += alone * plain.coef_ + transferred * one.coef_
    assert_allclose(model.coef_, coef, atol=1e-5)
    best = TransferLogisticRegressionCV(sources, Cs=[0.01, 1.0], selection="best").fit(X, y)
    assert np.count_nonzero(best.candidate_weights_) == 1


@pytest.mark.parametrize(
    ("cls", "params", "message"),
    [
        (TransferLogisticRegression, {"C": 0.0}, "C=0.0 must be finite and > 0"),
        (TransferLogisticRegression, {"source_weights": [1, 2]}, "there are 1 sources"),
        (TransferLogisticRegression, {"tol": 0.0}, "tol=0.0 must be"),
        (TransferLogisticRegressionCV, {"Cs": 0}, "Cs=0 must be"),
        (TransferLogisticRegressionCV, {"Cs": [1.0, -1.0]}, "Cs=-1.0 must be"),
        (TransferLogisticRegressionCV, {"selection": "worst"}, "selection='worst'"),
    ],
)
def test_bad_parameters(cls, params, message):
    X, y, (source,), _ = make()
    with pytest.raises(ValueError, match=message):
        cls(source, **params).fit(X, y)


def test_warning():
    X, y, (source,), _ = make()
    with pytest.warns(ConvergenceWarning, match="did not converge in max_iter=1"):
        TransferLogisticRegression(source, source_weights=1.0, max_iter=1, tol=1e-14).fit(X, y)
