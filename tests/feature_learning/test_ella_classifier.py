"""ELLA with the logistic loss: expansions at the tasks' own fits, labels that come in parts."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from skmtl import ELLAClassifier, PerTaskClassifier, make_multitask_classification
from skmtl.feature_learning import ella_classifier
from skmtl.losses import LogisticLoss
from skmtl.solvers.ella import TaskStatistics
from skmtl.solvers.local_logistic import local_statistics
from skmtl.solvers.row_span import WHOLE

NOTHING = TaskStatistics.empty(3)


def rows(n=40, seed=0, shift=1.0):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n, 3)) + shift
    y = (X @ [1.0, -1.0, 0.5] + rng.logistic(size=n) > 0.5 * shift).astype(float)
    return X, y, rng.uniform(0.2, 2.0, size=n)


def clusters(n_tasks=12, n=40, seed=0):
    return make_multitask_classification(
        n_tasks, n, 6, n_informative=4, structure="clusters", random_state=seed
    )


def loss_value(theta, X, y, v):
    return v @ LogisticLoss().value(y, X @ theta[:3] + theta[3])


def expansion(statistics, theta):
    """The quadratic of some statistics at (w, b), but for a constant."""
    w, b = theta[:3], theta[3]
    free = b - statistics.y_mean + statistics.x_mean @ w
    inner = 0.5 * w @ statistics.gram @ w - statistics.cross @ w
    return inner + 0.5 * statistics.mass * free**2


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_expansion_has_the_gradient_and_curvature_of_the_loss(container):
    X, y, v = rows()
    found = local_statistics(container(X), y, v, NOTHING, ridge=0.5, fit_intercept=True)
    own = LogisticRegression(C=2.0, tol=1e-12, max_iter=10_000).fit(X, y, sample_weight=v)
    theta = np.append(own.coef_[0], own.intercept_)
    rng = np.random.RandomState(1)
    for move in 1e-3 * rng.normal(size=(10, 4)):
        sides = [
            [value(theta + sign * move) for sign in (1, -1)]
            for value in (lambda t: loss_value(t, X, y, v), lambda t: expansion(found, t))
        ]
        (up, down), (ours_up, ours_down) = sides
        assert_allclose(ours_up - ours_down, up - down, rtol=1e-4, atol=1e-8)
        middle = loss_value(theta, X, y, v), expansion(found, theta)
        assert_allclose(
            ours_up + ours_down - 2 * middle[1], up + down - 2 * middle[0], rtol=1e-2, atol=1e-9
        )
    assert_allclose(found.weight, v.sum())


def test_expansion_of_later_rows_is_at_the_fit_to_all():
    X, y, v = rows(n=60)
    early = local_statistics(X[:30], y[:30], v[:30], NOTHING, ridge=0.5, fit_intercept=True)
    late = local_statistics(X[30:], y[30:], v[30:], early, ridge=0.5, fit_intercept=True)

    def value(theta):
        own = loss_value(theta, X[30:], y[30:], v[30:])
        return own + expansion(early, theta) + 0.25 * theta[:3] @ theta[:3]

    best = minimize(value, np.zeros(4), tol=1e-12).x
    # There the expansion has the slope of the loss.
    step = 1e-5 * np.eye(4)
    ours = [expansion(late, best + e) - expansion(late, best - e) for e in step]
    theirs = [
        loss_value(best + e, X[30:], y[30:], v[30:]) - loss_value(best - e, X[30:], y[30:], v[30:])
        for e in step
    ]
    assert_allclose(ours, theirs, rtol=1e-3, atol=1e-8)


def test_without_an_intercept():
    X, y, v = rows()
    found = local_statistics(X, y, v, NOTHING, ridge=0.5, fit_intercept=False)
    own = LogisticRegression(C=2.0, fit_intercept=False, tol=1e-12, max_iter=10_000)
    theta = own.fit(X, y, sample_weight=v).coef_[0]
    assert_allclose(found.gram @ theta - found.cross, -0.5 * theta, atol=1e-5)
    assert_array_equal(found.x_mean, 0)
    model = ELLAClassifier(2, fit_intercept=False).fit(X, y)
    assert_array_equal(model.intercept_, 0)


@pytest.mark.parametrize("n_tasks", [1, 5])
def test_separable_rows(n_tasks):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(60, 3))
    y = (X[:, 0] > 0).astype(int)
    ids = np.arange(60) % n_tasks
    given = {"tasks": ids} if n_tasks > 1 else {}
    model = ELLAClassifier(2).fit(X, y, **given)
    assert model.score(X, y, **given) > 0.9


def test_one_by_one_is_fit_without_rounds():
    X, y = clusters()
    sizes = np.random.RandomState(0).permutation(12) + 25
    kept = np.concatenate([np.flatnonzero(X[:, 0] == t)[: sizes[t]] for t in range(12)])
    X, y = X[kept], y[kept]
    whole = ELLAClassifier(3, n_epochs=0, task_column=0).fit(X, y)
    parts = ELLAClassifier(3, task_column=0)
    for task in np.argsort(-sizes):
        mine = X[:, 0] == task
        parts.partial_fit(X[mine], y[mine])
    assert_allclose(parts.coef_, whole.coef_, rtol=1e-8, atol=1e-10)
    assert_allclose(parts.intercept_, whole.intercept_, rtol=1e-8, atol=1e-10)
    assert_allclose(parts.objective_, whole.objective_)
    assert_allclose(parts.predict_proba(X), whole.predict_proba(X))


def test_rounds_lower_the_objective_and_sharing_helps():
    X, y = clusters(n_tasks=40, n=60)
    train = np.arange(len(y)) % 4 == 0
    penalties = {"alpha_sparse": 0.1, "alpha_dictionary": 0.1}
    model = ELLAClassifier(3, **penalties, task_column=0).fit(X[train], y[train])
    path = model.objective_path_
    assert (np.diff(path) <= 1e-10 * abs(path[0])).all()
    alone = PerTaskClassifier(LogisticRegression(), task_column=0).fit(X[train], y[train])
    assert model.score(X[~train], y[~train]) > alone.score(X[~train], y[~train]) + 0.02


def test_more_rows_of_a_task():
    X, y = clusters(n=200)
    few = np.arange(len(y)) % 4 == 0
    model = ELLAClassifier(3, task_column=0)
    for part in (few, ~few):
        model.partial_fit(X[part], y[part])
    whole = ELLAClassifier(3, task_column=0).partial_fit(X, y)
    assert np.mean(np.abs(model.predict_proba(X) - whole.predict_proba(X))) < 0.03
    assert_allclose([s.weight for s in model._dictionary.statistics], 200)


def test_labels_that_come_in_parts():
    X, y = clusters(n_tasks=3)
    names = np.array([["no", "yes"], ["a", "b"], ["no", "never"]])
    labels = names[X[:, 0].astype(int), y.astype(int)]
    model = ELLAClassifier(2, task_column=0)
    for task in (2, 0, 1):
        mine = X[:, 0] == task
        model.partial_fit(X[mine], labels[mine])
    assert_array_equal(model.classes_, ["a", "b", "never", "no", "yes"])
    assert [found.tolist() for found in model.task_classes_] == [
        ["no", "yes"],
        ["a", "b"],
        ["never", "no"],
    ]
    assert set(model.predict(X[X[:, 0] == 1])) <= {"a", "b"}
    assert model.score(X, labels) > 0.6
    zero = X[:, 0] == 0
    only = np.flatnonzero(zero & (labels == "yes"))[:3]
    model.partial_fit(X[only], labels[only])  # a task of two labels may get rows of one
    before = model.coef_.copy()
    with pytest.raises(ValueError, match="task 0 has the labels 'no', 'yes', but new rows have"):
        model.partial_fit(X[zero], np.where(labels[zero] == "yes", "b", "a"))
    with pytest.raises(ValueError, match="labels of one kind"):
        model.partial_fit(X[zero], y[zero].astype(int))
    new = X[zero].copy()
    new[:, 0] = 9
    with pytest.raises(ValueError, match="the first rows of task 9 have the label 'no' only"):
        model.partial_fit(new, np.full(len(new), "no"))
    assert_array_equal(model.coef_, before)
    assert_array_equal(model.classes_, ["a", "b", "never", "no", "yes"])


def test_classes_to_come():
    X, y = clusters(n_tasks=2)
    model = ELLAClassifier(2, task_column=0).partial_fit(X, y.astype(int), classes=[0, 1, 2])
    assert_array_equal(model.classes_, [0, 1, 2])
    assert_allclose(model.predict_proba(X)[:, 2], 0)


def test_more_than_two_labels():
    X, y = clusters(n_tasks=2)
    y = np.where(X[:, 1] > 1, 2, y)
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match="Only binary classification is supported"):
            getattr(ELLAClassifier(task_column=0), method)(X, y)


def test_wrong_parameters():
    X, y = clusters(n_tasks=2)
    with pytest.raises(ValueError, match="alpha_local=0"):
        ELLAClassifier(alpha_local=0.0, task_column=0).fit(X, y)


def test_fewer_rows_than_features(monkeypatch):
    """The span of the rows holds the solution that all features have; more rows may come."""
    rng = np.random.RandomState(0)
    X = np.column_stack([np.repeat(np.arange(4), 8), 2.0 + rng.normal(size=(32, 50))])
    y = np.tile([0, 1], 16)
    narrow = ELLAClassifier(2, task_column=0).fit(X, y)
    monkeypatch.setattr(ella_classifier, "in_row_span", lambda data, fit_intercept: (WHOLE, data))
    whole = ELLAClassifier(2, task_column=0).fit(X, y)
    for _ in range(2):
        assert_allclose(narrow.objective_, whole.objective_, rtol=1e-6)
        assert_allclose(narrow.coef_, whole.coef_, atol=1e-4)
        assert_allclose(narrow.intercept_, whole.intercept_, atol=1e-3)
        narrow.partial_fit(X, y)
        whole.partial_fit(X, y)
