"""Hierarchical logistic regression: limits, layouts, labels, new tasks, and what it is good for."""

import pickle
import warnings

import numpy as np
import pytest
from helpers import LABELS, LAYOUTS, SPARSE, make_case, with_labels
from numpy.testing import assert_allclose, assert_array_equal
from scipy import optimize, sparse
from scipy.special import expit, logsumexp
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_score

from skmtl.linear_model import HierarchicalLogistic
from skmtl.model_selection import TaskKFold
from skmtl.solvers import laplace
from skmtl.solvers.random_coefficients import FittedTasks


@pytest.fixture
def fix_variances(monkeypatch):
    """A function that sets the variances of slopes, intercepts and m to given ones."""

    def fix(slopes, intercept, mean):
        def theta(evidence, _):
            n_groups = len(evidence.family.start)
            return np.log([slopes] * (n_groups - 1) + [intercept, mean]), None

        def stay(evidence, theta, _, **options):
            return [evidence.value(theta)[0]], True

        monkeypatch.setattr(laplace, "fixed_point", theta)
        monkeypatch.setattr(laplace, "climb", stay)

    return fix


def related(seed=0, n_tasks=20, n=30, p=8, n_labels=2, spread=1.0, n_test=200):
    """Tasks with the same coefficients of the first half of the features, differing in others.

    Labels are drawn from the softmax of the scores. ((X, y) to fit, (X, y) to test), ids first.
    """
    rng = np.random.RandomState(seed)
    mean = rng.normal(size=(n_labels, p))
    differ = spread * (np.arange(p) >= p // 2)
    parts = []
    for task in range(n_tasks):
        W, b = mean + differ * rng.normal(size=mean.shape), 0.7 * rng.normal(size=n_labels)
        X = rng.normal(size=(n + n_test, p))
        y = (X @ W.T + b + rng.gumbel(size=(n + n_test, n_labels))).argmax(axis=1)
        parts.append((np.column_stack([np.full(len(X), task), X]), y))
    train = [np.concatenate(a) for a in zip(*((X[:n], y[:n]) for X, y in parts), strict=True)]
    test = [np.concatenate(a) for a in zip(*((X[n:], y[n:]) for X, y in parts), strict=True)]
    return train, test


def has_label(X, y, X_test, y_test):
    """Mask of the rows to test whose label their task has in fit."""
    seen = set(zip(X[:, 0], y, strict=True))
    return np.array([pair in seen for pair in zip(X_test[:, 0], y_test, strict=True)])


def standardised(X):
    return (X - X.mean(axis=0)) / X.std(axis=0)


# --- limits ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n_labels", [2, 3])
def test_small_variances_are_one_pooled_model(fix_variances, n_labels):
    (X, y), _ = related(n_labels=n_labels, n_tasks=4)
    fix_variances(1e-12, 1e-12, 0.7)
    model = HierarchicalLogistic(task_column=0).fit(X, y)
    Z = standardised(X[:, 1:])
    pooled = LogisticRegression(C=0.7, tol=1e-10, max_iter=1000).fit(Z, y)
    assert_allclose(model.predict_proba(X), pooled.predict_proba(Z), atol=1e-5)


@pytest.mark.parametrize("n_labels", [2, 3])
def test_without_a_common_mean_each_task_is_by_itself(fix_variances, n_labels):
    (X, y), _ = related(n_labels=n_labels, n_tasks=4)
    fix_variances(0.7, 1e8, 1e-12)
    model = HierarchicalLogistic(task_column=0).fit(X, y)
    Z = standardised(X[:, 1:])
    for task in range(4):
        rows = X[:, 0] == task
        alone = LogisticRegression(C=0.7, tol=1e-10, max_iter=1000).fit(Z[rows], y[rows])
        expected = alone.predict_proba(Z[rows])
        assert_allclose(model.predict_proba(X[rows]), expected, atol=1e-4)


def test_forms_of_the_covariance():
    (X, y), _ = related()
    spherical = HierarchicalLogistic("spherical", task_column=0).fit(X, y)
    spread = spherical.coef_covariance_ * X[:, 1:].var(axis=0)
    assert_allclose(spread, spread[0])
    pooled = HierarchicalLogistic("intercept", task_column=0).fit(X, y)
    assert_allclose(pooled.coef_, np.tile(pooled.coef_mean_, (20, 1)), atol=1e-6)
    assert np.ptp(pooled.intercept_) > 0.1
    zero = HierarchicalLogistic(mean="zero", task_column=0).fit(X, y)
    assert_allclose(zero.coef_mean_, 0, atol=1e-6)
    default = HierarchicalLogistic(task_column=0).fit(X, y)
    for other in (spherical, pooled, zero):
        assert default.log_marginal_likelihood_ > other.log_marginal_likelihood_


# --- what is learned ------------------------------------------------------------------------


@pytest.mark.parametrize("n_labels", [2, 4])
def test_planted_variances_and_held_out_loss(n_labels):
    """Better than one model for all, and than one per task with the best of some penalties."""
    (X, y), (X_test, y_test) = related(n_labels=n_labels, n=40, n_tasks=25)
    kept = has_label(X, y, X_test, y_test)
    X_test, y_test = X_test[kept], y_test[kept]
    model = HierarchicalLogistic(task_column=0).fit(X, y)
    assert model.coef_covariance_[:4].max() < 0.5 * model.coef_covariance_[4:].min()
    assert model.feature_sharing_[:4].mean() > 1.3 * model.feature_sharing_[4:].mean()
    ours = log_loss(y_test, model.predict_proba(X_test))
    pooled = LogisticRegression().fit(X[:, 1:], y)
    assert ours < 0.9 * log_loss(y_test, pooled.predict_proba(X_test[:, 1:]))
    alone = []
    for C in (0.03, 0.1, 0.3, 1.0):
        told = np.zeros((len(y_test), n_labels))
        for task in range(25):
            rows, new = X[:, 0] == task, X_test[:, 0] == task
            one = LogisticRegression(C=C).fit(X[rows, 1:], y[rows])
            told[np.ix_(new, one.classes_)] = one.predict_proba(X_test[new, 1:])
        told = np.maximum(told, 1e-3)
        alone.append(log_loss(y_test, told / told.sum(axis=1, keepdims=True)))
    assert ours < 0.95 * min(alone)


def test_evidence_never_falls_and_tol_stops_it():
    (X, y), _ = related()
    fine = HierarchicalLogistic(task_column=0, tol=1e-8).fit(X, y)
    assert np.all(np.diff(fine.objective_path_) >= -1e-9)
    assert fine.n_iter_ == len(fine.objective_path_)
    coarse = HierarchicalLogistic(task_column=0).fit(X, y)
    assert coarse.n_iter_ < fine.n_iter_
    assert fine.objective_path_[-1] - coarse.objective_path_[-1] < 0.1
    with pytest.warns(ConvergenceWarning, match="raise max_iter or tol"):
        HierarchicalLogistic(task_column=0, max_iter=1, tol=1e-8).fit(X, y)


def test_scales_and_origins_of_features_do_not_matter():
    (X, y), _ = related()
    moved = X.copy()
    moved[:, 1:] = moved[:, 1:] * np.logspace(-3, 3, 8) + np.arange(8)
    ours, theirs = (HierarchicalLogistic(task_column=0).fit(Z, y) for Z in (X, moved))
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(moved), atol=1e-5)
    assert_allclose(ours.feature_sharing_, theirs.feature_sharing_, atol=1e-3)


# --- layouts --------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("labels", LABELS)
def test_mode_in_every_layout(layout, labels, fix_variances):
    """The slope of the documented objective is 0."""
    case = with_labels(make_case(layout, "rows", n=15), LABELS[labels])
    fix_variances(0.5, 2.0, 1.0)
    model = HierarchicalLogistic(**case.init).fit(case.X, case.y, **case.fit)
    origin = origin_of(case)
    assert np.isfinite(model.log_marginal_likelihood_)
    for t, (X, y, v) in enumerate(case.tasks):
        own = np.flatnonzero(np.isin(model.classes_, model.task_classes_[t]))
        if len(own) != 2 or model.coef_.ndim == 3:
            continue
        target = (y == model.task_classes_[t][1]).astype(float)
        error = v * (expit(X @ model.coef_[t] + model.intercept_[t]) - target)
        pull = (model.coef_[t] - model.coef_mean_) / model.coef_covariance_
        slope = (error @ (X - origin) + pull) * case.present[t]
        assert_allclose(slope, 0, atol=1e-6 * np.abs(error).sum())


def origin_of(case):
    """Mean of every feature over the rows of the tasks that have it."""
    total, weight = np.zeros(case.n_features), np.zeros(case.n_features)
    for (X, _, v), present in zip(case.tasks, case.present, strict=True):
        total += v @ X * present
        weight += v.sum() * present
    return total / weight


@pytest.mark.parametrize("labels", ["binary", "mixed"])
@pytest.mark.parametrize("kind", SPARSE)
def test_sparse_is_dense(kind, labels):
    case = with_labels(make_case("csr_matrix", n=20), LABELS[labels])
    dense = HierarchicalLogistic(task_column=0).fit(case.X.toarray(), case.y)
    ours = HierarchicalLogistic(task_column=0).fit(SPARSE[kind](case.X), case.y)
    assert_allclose(ours.coef_, dense.coef_, atol=1e-6)
    assert_allclose(
        ours.predict_proba(SPARSE[kind](case.X)), dense.predict_proba(case.X.toarray()), atol=1e-6
    )


@pytest.mark.parametrize("n_labels", [2, 3])
def test_outputs_are_stacked_tasks(n_labels):
    rng = np.random.RandomState(0)
    X, W = rng.normal(size=(40, 5)), rng.normal(size=(3, 5, n_labels))
    Y = (np.einsum("np,tpk->ntk", X, W) + rng.gumbel(size=(40, 3, n_labels))).argmax(axis=2)
    Y = Y.astype(float)
    outputs = HierarchicalLogistic(tol=1e-8).fit(X, Y)
    codes = np.repeat(np.arange(3), 40)
    stacked = HierarchicalLogistic(tol=1e-8).fit(np.tile(X, (3, 1)), Y.T.ravel(), tasks=codes)
    assert_allclose(outputs.coef_, stacked.coef_, atol=1e-5)
    told = outputs.predict_proba(X)
    for task in range(3):
        expected = stacked.predict_proba(X, tasks=np.full(40, task))
        assert_allclose(told[task], expected, atol=1e-5)


@pytest.mark.parametrize("n_labels", [2, 3])
def test_weights_are_copies(n_labels):
    (X, y), _ = related(n_labels=n_labels, n_tasks=5)
    weights = np.random.RandomState(0).randint(0, 3, size=len(y))
    ours = HierarchicalLogistic(task_column=0, tol=1e-8).fit(X, y, sample_weight=weights)
    copies = np.repeat(np.arange(len(y)), weights)
    theirs = HierarchicalLogistic(task_column=0, tol=1e-8).fit(X[copies], y[copies])
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-4)
    assert_allclose(ours.log_marginal_likelihood_, theirs.log_marginal_likelihood_, rtol=1e-6)


def test_float32():
    (X, y), _ = related()
    ours = HierarchicalLogistic(task_column=0, unknown_task="shared").fit(X.astype(np.float32), y)
    theirs = HierarchicalLogistic(task_column=0, unknown_task="shared").fit(X, y)
    X_new = np.vstack([X[:3], X[:3] + 100.0]).astype(np.float32)
    assert ours.coef_.dtype == ours.predict_proba(X_new).dtype == np.float32
    assert_allclose(ours.predict_proba(X_new), theirs.predict_proba(X_new), atol=1e-4)


@pytest.mark.parametrize("n_labels", [2, 3])
def test_more_features_than_rows(n_labels):
    (X, y), (X_test, y_test) = related(n_tasks=20, n=15, p=60, n_labels=n_labels)
    model = HierarchicalLogistic(task_column=0).fit(X, y)
    assert np.isfinite(model.predict_proba(X_test)).all()
    assert model.score(X_test, y_test) > 1.4 / n_labels
    X, y = X[:36], y[:36]  # and than all rows
    assert np.isfinite(HierarchicalLogistic(task_column=0).fit(X, y).coef_).all()


def test_pickle_and_clone():
    (X, y), _ = related()
    model = HierarchicalLogistic(task_column=0, unknown_task="shared").fit(X, y)
    X[::2, 0] = 99
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_folds_and_string_scorers():
    (X, y), _ = related()
    model = HierarchicalLogistic(task_column=0)
    scores = cross_val_score(model, X, y, cv=TaskKFold(3, task_column=0), scoring="neg_log_loss")
    assert scores.min() > -0.6


# --- labels ---------------------------------------------------------------------------------


def test_tasks_with_other_labels():
    """What the two labels of a task are called does not matter."""
    (X, y), _ = related(n_tasks=3)
    names = np.array([["cat", "dog"], ["ham", "spam"], ["dog", "spam"]])
    named = names[X[:, 0].astype(int), y]
    model = HierarchicalLogistic(task_column=0).fit(X, named)
    plain = HierarchicalLogistic(task_column=0).fit(X, y)
    assert_allclose(model.coef_, plain.coef_)
    assert model.coef_shared_ is None
    assert_array_equal(model.predict(X), names[X[:, 0].astype(int), plain.predict(X)])
    with pytest.raises(ValueError, match="unknown_task='shared' needs tasks with the same labels"):
        HierarchicalLogistic(task_column=0, unknown_task="shared").fit(X, named)


def test_two_and_four_labels():
    (X, y), _ = related(n_labels=4, n_tasks=6)
    kept = (X[:, 0] > 0) | (y < 2)
    X, y = X[kept], y[kept]
    model = HierarchicalLogistic(task_column=0, unknown_task="shared").fit(X, y)
    assert model.coef_.shape == (6, 4, 8)
    assert_array_equal(model.coef_[0, [0, 2, 3]], 0)
    proba = model.predict_proba(X)
    assert_allclose(proba.sum(axis=1), 1)
    assert_array_equal(proba[X[:, 0] == 0][:, 2:], 0)
    # The common model is between all labels, as tasks tell them all apart.
    assert model.coef_mean_.shape == (4, 8)
    X[:, 0] = 77
    assert (model.predict_proba(X) > 0).all()
    assert_allclose(model.predict_proba(X).sum(axis=1), 1)


def test_a_task_with_one_label_and_one_with_a_row_each():
    (X, y), _ = related(n_tasks=5)
    y[X[:, 0] == 1] = 0
    few = np.flatnonzero(X[:, 0] == 2)
    few = few[[np.argmax(y[few] == 0), np.argmax(y[few] == 1)]]
    kept = np.sort(np.concatenate([np.flatnonzero(X[:, 0] != 2), few]))
    X, y = X[kept], y[kept]
    model = HierarchicalLogistic(task_column=0, store_loo=True).fit(X, y)
    assert_array_equal(model.predict(X[X[:, 0] == 1]), 0)
    assert_array_equal(model.coef_[1], 0)
    without = HierarchicalLogistic(task_column=0).fit(X[X[:, 0] != 1], y[X[:, 0] != 1])
    assert np.abs(without.coef_ - model.coef_[[0, 2, 3, 4]]).max() < 0.2  # of other origins
    assert np.isfinite(model.loo_proba_).all()


def test_no_task_has_two_labels():
    X = np.random.RandomState(0).normal(size=(6, 2))
    model = HierarchicalLogistic().fit(X, np.repeat(["a", "b"], 3), tasks=np.repeat([0, 1], 3))
    assert_array_equal(model.predict(X, tasks=np.repeat([0, 1], 3)), np.repeat(["a", "b"], 3))
    one = HierarchicalLogistic().fit(X, np.full(6, "a"))
    assert_array_equal(one.predict(X), "a")


@pytest.mark.parametrize("n_labels", [2, 3])
def test_separable_labels(n_labels):
    (X, _), _ = related(n_tasks=3, n=10)
    y = np.digitize(X[:, 1], [0.0, 0.5][: n_labels - 1])
    model = HierarchicalLogistic(task_column=0).fit(X, y)
    assert np.abs(model.coef_).max() < 100
    assert model.score(X, y) == 1
    assert np.isfinite(model.predict_log_proba(X).max(axis=1)).all()


@pytest.mark.parametrize("n_labels", [2, 3])
def test_predictions_agree(n_labels):
    (X, y), _ = related(n_labels=n_labels)
    model = HierarchicalLogistic(task_column=0, unknown_task="shared").fit(X, y)
    X[::3, 0] = 99
    proba, scores = model.predict_proba(X), model.decision_function(X)
    assert_allclose(np.exp(model.predict_log_proba(X)), proba)
    assert_array_equal(model.predict(X), proba.argmax(axis=1))
    if n_labels == 2:
        assert_allclose(proba[:, 1], expit(scores))
    else:
        assert_allclose(np.log(proba), scores - logsumexp(scores, axis=1, keepdims=True))


def test_unknown_tasks_are_averages():
    """Better calibrated than the common model by itself."""
    (X, y), (X_test, y_test) = related(n_tasks=40, spread=2.0)
    old, new = X[:, 0] < 20, X_test[:, 0] >= 20
    model = HierarchicalLogistic(task_column=0, unknown_task="shared").fit(X[old], y[old])
    told = model.predict_proba(X_test[new])[:, 1]
    plain = expit(X_test[new, 1:] @ model.coef_shared_ + model.intercept_shared_)
    assert log_loss(y_test[new], told) < log_loss(y_test[new], plain)
    assert_array_equal(told > 0.5, plain > 0.5)
    assert_array_equal(model.coef_mean_, model.coef_shared_)


# --- new tasks ------------------------------------------------------------------------------


def test_adapt_is_the_mode_of_the_documented_prior():
    """N(m, S + cov(m)), by another optimiser, in standardised features."""
    (X, y), _ = related(n_tasks=8)
    model = HierarchicalLogistic(task_column=0).fit(X[X[:, 0] < 7], y[X[:, 0] < 7])
    rows = np.flatnonzero(X[:, 0] == 7)[:6]
    adapted = model.adapt(X[rows], y[rows])
    fitted, old = FittedTasks.from_state(model._fitted), X[X[:, 0] < 7, 1:]
    root, m = np.diag(fitted.root), fitted.root * fitted.mean.value
    precision = np.linalg.inv(root @ (np.eye(9) + fitted.mean.covariance) @ root)
    Z = np.column_stack([(X[rows, 1:] - old.mean(axis=0)) / old.std(axis=0), np.ones(6)])

    def energy(w):
        z = Z @ w
        return np.sum(np.logaddexp(0, z) - y[rows] * z) + 0.5 * (w - m) @ precision @ (w - m)

    found = optimize.minimize(energy, m, options={"gtol": 1e-8}).x
    assert_allclose(adapted.coef_[0], found[:-1] / old.std(axis=0), atol=1e-5)


@pytest.mark.parametrize("n_labels", [2, 3])
def test_adapt_is_about_a_refit(fix_variances, n_labels):
    (X, y), _ = related(n_tasks=12, n_labels=n_labels)
    old = X[:, 0] < 10
    few = [
        np.flatnonzero((X[:, 0] == task) & (y == label))[:4]
        for task in (10, 11)
        for label in range(n_labels)
    ]
    few = np.concatenate(few)
    fix_variances(0.5, 1.0, 1.0)
    model = HierarchicalLogistic(task_column=0).fit(X[old], y[old])
    before = model.coef_.copy()
    both = model.adapt(X[few], y[few], add=True)
    rows = np.concatenate([np.flatnonzero(old), few])
    refit = HierarchicalLogistic(task_column=0).fit(X[rows], y[rows])
    moved = np.abs(refit.coef_[10:] - refit.coef_mean_).max()
    assert np.abs(both.coef_[10:] - refit.coef_[10:]).max() < 0.2 * moved
    assert_array_equal(both.tasks_, np.arange(12))
    assert_array_equal(both.coef_[:10], before)
    assert_array_equal(model.coef_, before)
    assert_array_equal(both.predict_proba(X[old]), model.predict_proba(X[old]))
    again = both.predict_proba(X[few])
    assert_array_equal(again, model.adapt(X[few], y[few]).predict_proba(X[few]))


def test_adapt_helps():
    (X, y), (X_test, y_test) = related(n_tasks=30, spread=2.0)
    old, new = X[:, 0] < 20, X_test[:, 0] >= 20
    model = HierarchicalLogistic(task_column=0, unknown_task="shared").fit(X[old], y[old])
    losses = [log_loss(y_test[new], model.predict_proba(X_test[new]))]
    for n in (3, 10, 30):
        rows = [np.flatnonzero(X[:, 0] == task)[:n] for task in range(20, 30)]
        rows = np.concatenate(rows)
        adapted = model.adapt(X[rows], y[rows])
        losses.append(log_loss(y_test[new], adapted.predict_proba(X_test[new])))
    assert np.all(np.diff(losses) < 0)


def test_adapt_to_one_label():
    """A new task has the labels of the others, whichever its rows show."""
    (X, y), _ = related(n_tasks=8)
    model = HierarchicalLogistic(task_column=0).fit(X[X[:, 0] < 7], y[X[:, 0] < 7])
    rows = np.flatnonzero((X[:, 0] == 7) & (y == 1))[:3]
    adapted = model.adapt(X[rows], y[rows])
    assert (adapted.predict_proba(X[rows]) > 0.001).all()
    assert_array_equal(adapted.task_classes_[0], [0, 1])


def test_adapt_refuses():
    (X, y), _ = related(n_tasks=4)
    model = HierarchicalLogistic(task_column=0).fit(X, y)
    with pytest.raises(ValueError, match=r"task 0.* was in fit: adapt is for new tasks"):
        model.adapt(X, y)
    X[:, 0] += 10
    with pytest.raises(ValueError, match="label 7 was not in fit"):
        model.adapt(X, y + 7)
    for one in (HierarchicalLogistic().fit(X, y), HierarchicalLogistic().fit(X, np.c_[y, y])):
        with pytest.raises(ValueError, match="adapt needs tasks with rows of their own"):
            one.adapt(X, y)
    names = np.array([["a", "b"], ["c", "d"], ["a", "d"], ["b", "c"]])
    named = HierarchicalLogistic(task_column=0).fit(X, names[X[:, 0].astype(int) - 10, y])
    X[:, 0] = 1
    with pytest.raises(ValueError, match="task 1 has 4 labels, but no task in fit had more"):
        named.adapt(X[:4], np.array(["a", "b", "c", "d"]))


def test_adapt_with_absent_features():
    (X, y), _ = related(n_tasks=6)
    X[X[:, 0] == 5, 3] = np.nan
    old = X[:, 0] < 5
    model = HierarchicalLogistic(task_column=0).fit(X[old], y[old])
    both = model.adapt(X[~old], y[~old], add=True)
    assert both.coef_[5, 2] == 0
    assert both.absent_features_.sum() == 1
    assert np.isfinite(both.predict_proba(X)).all()


# --- leave one out --------------------------------------------------------------------------


@pytest.mark.parametrize("n_labels", [2, 3])
def test_leave_one_out_tells_the_held_out_loss(n_labels):
    (X, y), (X_test, y_test) = related(n_labels=n_labels, n_tasks=30)
    model = HierarchicalLogistic(task_column=0, store_loo=True).fit(X, y)
    assert_allclose(model.loo_proba_.sum(axis=1), 1)
    held_out = log_loss(y_test, model.predict_proba(X_test))
    told, training = log_loss(y, model.loo_proba_), log_loss(y, model.predict_proba(X))
    assert abs(told - held_out) < 0.3 * (held_out - training)


def test_leave_one_out_is_about_refits(fix_variances):
    (X, y), _ = related(n_tasks=4, n=15)
    fix_variances(0.5, 1.0, 1.0)
    model = HierarchicalLogistic(task_column=0, store_loo=True).fit(X, y)
    plain = model.predict_proba(X)[:, 1]
    for row in range(0, len(y), 9):
        weights = np.ones(len(y))
        weights[row] = 1e-9  # the standardisation is not to change: it is in the prior
        refit = HierarchicalLogistic(task_column=0).fit(X, y, sample_weight=weights)
        exact = refit.predict_proba(X[[row]])[0, 1]
        assert abs(model.loo_proba_[row, 1] - exact) < 0.25 * abs(plain[row] - exact) + 0.01


def test_leave_one_out_refuses_outputs():
    (X, y), _ = related(n_tasks=2)
    with pytest.raises(ValueError, match="store_loo=True needs tasks with rows of their own"):
        HierarchicalLogistic(store_loo=True).fit(X, np.column_stack([y, 1 - y]))


# --- errors ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["covariance", "mean"])
def test_wrong_choices(name):
    (X, y), _ = related(n_tasks=2)
    with pytest.raises(ValueError, match=f"{name}='full' is not one of"):
        HierarchicalLogistic(task_column=0, **{name: "full"}).fit(X, y)


def test_too_many_features():
    X = sparse.random(8000, 30_000, density=1e-4, format="csr", random_state=0)
    y = np.random.RandomState(0).randint(2, size=8000)
    with pytest.raises(ValueError, match="30000 features are too many for 80 tasks"):
        HierarchicalLogistic().fit(X, y, tasks=np.arange(8000) % 80)


def test_no_warning_where_features_are_constant():
    (X, y), _ = related(n_tasks=3)
    X[:, 2] = 3.7
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = HierarchicalLogistic(task_column=0).fit(X, y)
    assert_array_equal(model.coef_[:, 1], 0)


@pytest.mark.parametrize("labels", [[3, 4], [0, 1], [3]])
def test_new_tasks_with_fewer_labels_than_the_old_ones(labels):
    rng = np.random.RandomState(0)
    X, ids = rng.normal(size=(80, 3)), np.repeat(np.arange(4), 20)
    y = np.where(ids < 2, rng.randint(0, 3, 80), rng.randint(3, 5, 80))
    model = HierarchicalLogistic().fit(X, y, tasks=ids)
    new = np.full(12, 9)
    both = model.adapt(X[:12], rng.choice(labels, 12), tasks=new, add=True)
    assert both.coef_.shape == (5, 5, 3)
    told = both.predict_proba(X[:12], tasks=new)
    assert_allclose(told.sum(axis=1), 1.0)
    assert set(both.predict(X[:12], tasks=new)) <= set(both.task_classes_[-1])
    assert_allclose(both.predict_proba(X, tasks=ids), model.predict_proba(X, tasks=ids))
