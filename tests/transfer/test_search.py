"""The cross-validated transfer: folds, candidates, and the target alone as a refuge."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl import (
    TargetKFold,
    TransferClassifierCV,
    TransferLogisticRegression,
    TransferRegressorCV,
    TransferRidge,
    keep_tasks,
)

COEF = np.array([2.0, -1.0, 0.5, 0.0, 1.0])


def problem(n=40, shift=0.0, seed=0):
    """A target, and a source whose coefficients differ by `shift`."""
    rng = np.random.default_rng(seed)
    Xs, X = rng.normal(size=(200, 5)), rng.normal(size=(n, 5))
    ys = Xs @ (COEF + shift * np.array([1.0, 1.0, -1.0, 1.0, -1.0])) + rng.normal(size=200)
    return Ridge().fit(Xs, ys), X, X @ COEF + rng.normal(size=n), (Xs, ys)


def test_scores_are_errors_on_rows_left_out():
    source, X, y, _ = problem()
    cv = KFold(4)
    model = TransferRegressorCV(TransferRidge(source, alpha=5.0), cv=cv).fit(X, y)
    expected = {"target-only": [], "source-only": [], "TransferRidge": []}
    for train, test in cv.split(X):
        fits = {
            "target-only": Ridge(5.0).fit(X[train], y[train]),
            "source-only": source,
            "TransferRidge": TransferRidge(source, alpha=5.0).fit(X[train], y[train]),
        }
        for name, fit in fits.items():
            expected[name].append((fit.predict(X[test]) - y[test]) ** 2)
    assert list(model.cv_scores_) == list(expected)
    for name, errors in expected.items():
        assert_allclose(model.cv_scores_[name], np.concatenate(errors).mean())


def test_a_useless_source_is_left_alone():
    source, X, y, _ = problem(n=80, shift=6.0)
    model = TransferRegressorCV(TransferRidge(source, source_weights=[1.0], alpha=1e4)).fit(X, y)
    assert model.best_candidate_ == "target-only"
    assert not model.transfer_helps_
    assert_allclose(model.source_weights_, 0.0, atol=1e-12)
    assert_allclose(model.predict(X), Ridge(1e4).fit(X, y).predict(X))


def test_a_good_source_is_used():
    source, X, y, _ = problem(n=15)
    model = TransferRegressorCV(TransferRidge(source, alpha=20.0)).fit(X, y)
    assert model.transfer_helps_
    assert model.gain_ > 10
    assert model.source_weights_[0] > 0.5


def test_the_mixture_is_convex_and_refitted_to_all_rows():
    source, X, y, _ = problem(n=20, shift=0.5)
    model = TransferRegressorCV(TransferRidge(source, alpha=5.0)).fit(X, y)
    weights = model.candidate_weights_
    assert_allclose(sum(weights.values()), 1.0)
    assert min(weights.values()) >= 0
    fits = {
        "target-only": Ridge(5.0).fit(X, y),
        "source-only": source,
        "TransferRidge": TransferRidge(source, alpha=5.0).fit(X, y),
    }
    kept = {name: weight for name, weight in weights.items() if weight > 1e-3}
    mixed = sum(kept[name] * fits[name].predict(X) for name in kept) / sum(kept.values())
    assert_allclose(model.predict(X), mixed)
    assert set(model.estimators_) == set(kept)


def test_best_takes_one_candidate():
    source, X, y, _ = problem(n=15)
    model = TransferRegressorCV(TransferRidge(source), combine="best").fit(X, y)
    assert model.best_candidate_ == min(model.cv_scores_, key=model.cv_scores_.get)
    assert sorted(model.candidate_weights_.values()) == [0.0, 0.0, 1.0]


class Recorder(RegressorMixin, BaseEstimator):
    """Keeps the ids of the rows that it was fitted to."""

    seen = []  # noqa: RUF012

    def __init__(self, task_column=0, target_task=None):
        self.task_column = task_column
        self.target_task = target_task

    def fit(self, X, y):
        self.seen.append(np.bincount(X[:, 0].astype(int), minlength=3))
        self.source_names_, self.source_weights_ = [0, 2], np.zeros(2)
        return self

    def predict(self, X):
        return np.zeros(len(X))


def test_sources_are_in_every_training_fold():
    rng = np.random.default_rng(0)
    ids = np.repeat([0, 1, 2], [7, 10, 5])
    X, y = np.column_stack([ids, rng.normal(size=(22, 2))]), rng.normal(size=22)
    Recorder.seen.clear()
    TransferRegressorCV(Recorder(), task_column=0, target_task=1, cv=5).fit(X, y)
    in_folds = {tuple(counts.tolist()) for counts in Recorder.seen}
    assert in_folds <= {(0, 8, 0), (7, 8, 5), (0, 10, 0), (7, 10, 5)}
    assert {(0, 8, 0), (7, 8, 5)} <= in_folds


def test_one_table_and_folds_of_the_target():
    _, X, y, (Xs, ys) = problem(n=12)
    ids = np.repeat([0, 1], [200, 12])
    T, t = np.column_stack([ids, np.vstack([Xs, X])]), np.concatenate([ys, y])
    cv = TargetKFold(4, target_task=1, task_column=0, shuffle=True, random_state=0)
    candidate = make_pipeline(
        keep_tasks(StandardScaler(), 0), TransferRidge(alpha=10.0, task_column=0, target_task=1)
    )
    model = TransferRegressorCV(candidate, task_column=0, target_task=1, cv=cv).fit(T, t)
    assert list(model.candidate_weights_) == ["target-only", "Pipeline"]
    assert model.source_names_ == [0]
    assert 0.2 < model.source_weights_[0] <= 1.0
    assert model.predict(T[ids == 1]).shape == (12,)


def test_several_candidates_and_their_plain_forms():
    source, X, y, _ = problem()
    candidates = [
        TransferRidge(source, alpha=1.0),
        TransferRidge(source, alpha=100.0),
        ("third", TransferRidge(Ridge(7.0).fit(X, y), alpha=1.0)),
    ]
    model = TransferRegressorCV(candidates).fit(X, y)
    names = ["target-only", "target-only 2", "source-only 1", "source-only 2"]
    assert list(model.cv_scores_) == [*names, "TransferRidge", "TransferRidge 2", "third"]
    assert len(model.source_weights_) == 2
    own = TransferRegressorCV(candidates[0], target_only=LinearRegression()).fit(X, y)
    assert list(own.cv_scores_) == ["target-only", "source-only", "TransferRidge"]


def test_labels():
    rng = np.random.default_rng(0)
    Xs, X = rng.normal(size=(300, 4)), rng.normal(size=(16, 4))
    w = np.array([2.0, -2.0, 1.0, 0.0])
    ys, y = (Xs @ w + rng.normal(size=300) > 0), (X @ w + rng.normal(size=16) > 0)
    ys, y = np.array(["no", "yes"])[ys.astype(int)], np.array(["no", "yes"])[y.astype(int)]
    source = LogisticRegression().fit(Xs, ys)
    model = TransferClassifierCV(TransferLogisticRegression(source)).fit(X, y)
    assert_array_equal(model.classes_, ["no", "yes"])
    assert model.source_weights_[0] > 0.5
    assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
    assert model.score(Xs, ys) > 0.8
    single = TransferClassifierCV(TransferLogisticRegression(source)).fit(X[:5], ["no"] * 5)
    assert_array_equal(single.classes_, ["no", "yes"])


def test_one_row_of_the_target():
    source, X, y, _ = problem()
    with pytest.warns(UserWarning, match="one row only, so that no candidate can be judged"):
        model = TransferRegressorCV(TransferRidge(source)).fit(X[:1], y[:1])
    assert model.best_candidate_ == "TransferRidge"


def test_without_any_source():
    source, X, y, _ = problem()
    with pytest.warns(UserWarning, match="none of the estimators has a source"):
        model = TransferRegressorCV(source).fit(X, y)  # meant was TransferRidge(source)
    assert model.source_names_ == []


def test_errors():
    source, X, y, _ = problem()
    with pytest.raises(ValueError, match="combine='mean' is not one of stack, best"):
        TransferRegressorCV(combine="mean").fit(X, y)
    with pytest.raises(ValueError, match="estimators is empty"):
        TransferRegressorCV([]).fit(X, y)
    with pytest.raises(TypeError, match="estimators holds 'ridge', which is no estimator"):
        TransferRegressorCV(["ridge"]).fit(X, y)
    cv = [(np.arange(20), np.arange(10, 30)), (np.arange(10), np.arange(10, 40))]
    with pytest.raises(ValueError, match="cv must leave every row out at most once"):
        TransferRegressorCV(TransferRidge(source), cv=cv).fit(X, y)
    with pytest.raises(ValueError, match="takes no sample_weight in fit"):
        TransferRegressorCV(Recorder()).fit(X, y, sample_weight=np.ones(40))


def test_the_same_source_twice_is_one():
    source, X, y, rows = problem(n=8)
    for held in ({"source": [source, source]}, {"source_rows": [rows, rows]}):
        model = TransferRegressorCV(TransferRidge(**held), combine="best").fit(X, y)
        assert model.best_candidate_ != "target-only"
        assert_allclose(model.source_weights_, [1.0], atol=0.01)


def test_a_constant_target():
    source, X, _, _ = problem()
    model = TransferRegressorCV(TransferRidge(source)).fit(X, np.full(40, 3.0))
    assert_allclose(model.predict(X), 3.0)


def test_the_scale_of_weights_does_not_choose():
    source, X, y, _ = problem(n=12)
    models = [
        TransferRegressorCV(TransferRidge(source, alpha=scale), target_only=Ridge(scale)).fit(
            X, y, sample_weight=np.full(12, scale)
        )
        for scale in (1e-100, 1.0, 1e100)
    ]
    for model in models:
        assert_allclose(
            list(model.candidate_weights_.values()),
            list(models[1].candidate_weights_.values()),
            atol=1e-6,
        )


def test_ids_of_another_number_type():
    _, X, y, (Xs, ys) = problem()
    table = np.column_stack([np.repeat([0, 1], [200, 40]), np.vstack([Xs, X])])
    given = table, np.concatenate([ys, y])
    models = [
        TransferRegressorCV(task_column=0, target_task=target).fit(*given)
        for target in (1, 1.0, np.float32(1))
    ]
    for model in models:
        assert_allclose(model.predict(table[200:]), models[0].predict(table[200:]))
