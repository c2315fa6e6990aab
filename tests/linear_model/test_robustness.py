"""What must not depend on scale, history or layout, and what must be refused."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold

import skmtl.solvers.closed_form as closed_form
from skmtl import (
    MeanRegularizedRidge,
    MeanRegularizedRidgeCV,
    MultiTaskElasticNet,
    MultiTaskLasso,
    MultiTaskRidge,
    MultiTaskRidgeCV,
    TaskKFold,
)


@pytest.fixture
def problem():
    rng = np.random.RandomState(0)
    tasks = np.repeat(np.arange(5), 20)
    X = rng.normal(size=(100, 3))
    y = np.sum(X * rng.normal(size=(5, 3))[tasks], axis=1) + 3 * tasks + rng.normal(size=100)
    return X, y, tasks


@pytest.mark.parametrize("scale", [1e-8, 1e6, 1e8])
def test_mean_regularised_ridge_does_not_depend_on_units(problem, scale):
    X, y, tasks = problem
    plain = MeanRegularizedRidge(1.0, alpha_task=2.0).fit(X, y, tasks=tasks)
    scaled = MeanRegularizedRidge(scale**2, alpha_task=2.0 * scale**2)
    scaled.fit(X * scale, y, tasks=tasks)
    predicted = scaled.predict(X * scale, tasks=tasks)
    assert_allclose(predicted, plain.predict(X, tasks=tasks), rtol=1e-7)
    by_search = [
        MeanRegularizedRidgeCV().fit(X * s, y, tasks=tasks).predict(X * s, tasks=tasks)
        for s in (1.0, scale)
    ]
    assert_allclose(by_search[1], by_search[0], rtol=1e-6)


def test_one_huge_feature_does_not_spoil_the_others(problem):
    X, y, tasks = problem
    wide = np.column_stack([X, 1.6e9 + 1e8 * np.random.RandomState(1).rand(100)])
    for estimator in (MultiTaskRidgeCV(), MeanRegularizedRidgeCV()):
        alone = estimator.fit(X, y, tasks=tasks).score(X, y, tasks=tasks)
        assert estimator.fit(wide, y, tasks=tasks).score(wide, y, tasks=tasks) > alone - 0.02


def test_warm_start_does_not_survive_a_constant_target(problem):
    X, y, _ = problem
    model = MultiTaskLasso(0.1, warm_start=True).fit(X, np.column_stack([y, -y]))
    assert model.coef_.any()
    model.fit(X, np.ones((100, 2)))
    assert not model.coef_.any()
    assert_allclose(model.intercept_, 1.0)


def test_shared_model_averages_a_feature_over_the_tasks_that_have_it():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(300, 2))
    tasks = np.repeat([0, 1, 2], 100)
    y = X @ [3.0, 1.0]
    y[tasks == 2] = X[tasks == 2, 1]
    X[tasks == 2, 0] = np.nan
    model = MultiTaskRidge(1e-8).fit(X, y, tasks=tasks)
    assert_allclose(model.coef_shared_, [3.0, 1.0], rtol=1e-6)


@pytest.mark.parametrize("estimator", [MultiTaskRidgeCV, MeanRegularizedRidgeCV])
def test_folds_that_drop_a_task_are_refused(problem, estimator):
    X, y, tasks = problem
    folds = list(KFold(5).split(X))
    with pytest.raises(ValueError, match=r"tests task 0 without training on it.*TaskKFold"):
        estimator(cv=folds).fit(X, y, tasks=tasks)
    assert np.isfinite(estimator(cv=5).fit(X, y, tasks=tasks).best_score_)
    assert np.isfinite(estimator(cv=TaskKFold(4)).fit(X, y, tasks=tasks).best_score_)


def test_the_common_model_may_be_judged_on_tasks_without_training(problem):
    X, y, tasks = problem
    folds = list(KFold(5).split(X))
    model = MeanRegularizedRidgeCV(cv=folds, unknown_task="shared").fit(X, y, tasks=tasks)
    assert model.best_score_ < MeanRegularizedRidgeCV(cv=5).fit(X, y, tasks=tasks).best_score_


@pytest.mark.parametrize("missing", [False, True])
def test_score_takes_a_weight_per_output(missing):
    rng = np.random.RandomState(0)
    X, Y, weights = rng.normal(size=(40, 3)), rng.normal(size=(40, 2)), rng.rand(40, 2)
    Y[:5, 1] = np.nan if missing else 0.0
    model = MultiTaskRidge().fit(X, Y, sample_weight=weights)
    predicted = model.predict(X)
    seen = ~np.isnan(Y)
    expected = [
        r2_score(Y[s, j], predicted[s, j], sample_weight=weights[s, j])
        for j, s in enumerate(seen.T)
    ]
    assert_allclose(model.score(X, Y, sample_weight=weights), np.mean(expected))


def test_iterative_ridge_on_badly_scaled_sparse_features(monkeypatch):
    monkeypatch.setattr(closed_form, "LARGEST_DENSE", 10)
    rng = np.random.RandomState(0)
    X = sparse.random(80, 40, density=0.3, random_state=0, format="csr")
    X = sparse.csr_array(X.multiply(10.0 ** rng.uniform(-4, 4, size=40)))
    y = X @ rng.normal(size=40) + rng.normal(size=80)
    ours, dense = MultiTaskRidge(0.5).fit(X, y), Ridge(0.5).fit(X.toarray(), y)
    assert_allclose(ours.predict(X), dense.predict(X.toarray()), rtol=1e-6, atol=1e-6)
    with pytest.raises(ValueError, match=r"leave-one-out on sparse X .*TruncatedSVD"):
        MultiTaskRidgeCV().fit(X, y)


def test_iterative_ridge_that_does_not_converge_is_an_error(monkeypatch):
    monkeypatch.setattr(closed_form, "LARGEST_DENSE", 10)
    monkeypatch.setattr(closed_form, "lsmr", lambda *args, **options: (np.zeros(40), 7))
    X = sparse.random(80, 40, density=0.3, random_state=0, format="csr")
    with pytest.raises(ValueError, match=r"did not converge in 10000 iterations"):
        MultiTaskRidge(0.5).fit(X, np.arange(80.0))


def test_positive_needs_a_penalty(problem):
    X, y, _ = problem
    with pytest.raises(ValueError, match="positive=True needs alpha > 0, but alpha is 0"):
        MultiTaskLasso(0.0, positive=True).fit(X, y)
    with pytest.raises(ValueError, match=r"needs alpha > 0 and l1_ratio > 0, but they are 1.0 and"):
        MultiTaskElasticNet(1.0, l1_ratio=0.0, positive=True).fit(X, y)
