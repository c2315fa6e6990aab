"""Multi-task logistic regression: optimality by an independent solver, limits, labels, layouts."""

import pickle
import warnings

import numpy as np
import pytest
from helpers import LABELS, LAYOUTS, SPARSE, alone, alpha_max, make_case, norm_value, with_labels
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl.linear_model.logistic import MultiTaskLogisticRegression
from skmtl.model_selection import TaskKFold
from skmtl.preprocessing import keep_tasks

FACTOR = [1.0, 0.0, 0.3, 2.0, 1.0]


def scores_of(model, case, task):
    """Linear scores (n, K) of the labels 0, ..., K - 1 of a task, from coef_ and intercept_."""
    X, y, _ = case.tasks[task]
    coef, intercept = model.coef_[task], model.intercept_[task]
    if coef.ndim == 1:
        return np.column_stack([np.zeros(len(X)), X @ coef + intercept])
    used = np.arange(int(y.max()) + 1)
    return X @ coef[used].T + intercept[used]


def objective(model, case, parts, task_weight=None):
    total = 0.0
    for t, (_, y, v) in enumerate(case.weighted_tasks(task_weight)):
        if len(np.unique(y)) > 1:
            F = scores_of(model, case, t)
            total += v @ (logsumexp(F, axis=1) - F[np.arange(len(y)), y.astype(int)])
    return total / case.n_bar + norm_value(model.coef_.reshape(-1, case.n_features), parts)


def constant_loss(case, task_weight=None, *, fit_intercept=True):
    total = 0.0
    for _, y, v in case.weighted_tasks(task_weight):
        sizes = np.bincount(y.astype(int), v)
        shares = sizes / sizes.sum() if fit_intercept else np.full(len(sizes), 1 / len(sizes))
        total -= sizes @ np.log(shares)
    return total / case.n_bar


def optimum(case, parts, *, fit_intercept=True, task_weight=None):
    """The minimum of the documented objective, found by an interior-point method."""
    cvxpy = pytest.importorskip("cvxpy", reason="the oracle is cvxpy")
    loss, columns = 0.0, []
    for X, y, v in case.weighted_tasks(task_weight):
        n_labels = len(np.unique(y))
        if n_labels == 1:
            continue
        W = cvxpy.Variable((case.n_features, 1 if n_labels == 2 else n_labels))
        b = cvxpy.Variable((1, W.shape[1]))
        columns.append(W)
        F = X @ W + (np.ones((len(y), 1)) @ b if fit_intercept else 0.0)
        if n_labels == 2:
            terms = cvxpy.logistic(cvxpy.multiply(1 - 2 * y, F[:, 0]))
        else:
            own = cvxpy.sum(cvxpy.multiply(np.eye(n_labels)[y.astype(int)], F), axis=1)
            terms = cvxpy.log_sum_exp(F, axis=1) - own
        loss = loss + v @ terms / case.n_bar
    W = cvxpy.hstack(columns)
    for kind, alpha, factor in parts:
        factor = np.ones(case.n_features) if factor is None else np.asarray(factor)
        rows = {
            "L21": lambda: cvxpy.norm(W, 2, axis=1),
            "SquaredL2": lambda: cvxpy.sum(cvxpy.square(W), axis=1) / 2,
        }[kind]()
        loss = loss + alpha * factor @ rows
    problem = cvxpy.Problem(cvxpy.Minimize(loss))
    tolerances = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem.solve(solver="CLARABEL", **tolerances)
    return problem.value


def assert_optimal(case, *, alpha=0.05, l1_ratio=1.0, factor=None, accuracy=1e-6, **options):
    parts = [("L21", alpha * l1_ratio, factor), ("SquaredL2", alpha * (1 - l1_ratio), factor)]
    model = MultiTaskLogisticRegression(
        alpha, l1_ratio=l1_ratio, penalty_factor=factor, tol=1e-9, **options, **case.init
    ).fit(case.X, case.y, **case.fit)
    weight = {"task_weight": options.get("task_weight")}
    intercept = {"fit_intercept": options.get("fit_intercept", True)}
    ours, best = (
        objective(model, case, parts, **weight),
        optimum(case, parts, **weight, **intercept),
    )
    null = constant_loss(case, **weight, **intercept)
    assert_allclose(ours, best, rtol=accuracy)
    assert ours - best <= model.dual_gap_ * null + 1e-8 * null
    assert model.dual_gap_ <= model.tol
    absent = np.broadcast_to(~case.present.reshape(case.n_tasks, 1, -1), (case.n_tasks, 9, 5))
    shape = (case.n_tasks, -1, case.n_features)
    coef = model.coef_.reshape(shape)
    assert np.all(coef[absent[:, : coef.shape[1]]] == 0)
    return model


# --- optimality -----------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_optimal_in_every_layout(layout, labels, l1_ratio):
    case = with_labels(make_case(layout, "rows", n=25), LABELS[labels])
    assert_optimal(case, l1_ratio=l1_ratio)


@pytest.mark.parametrize("layout", ["column", "absent", "csr_matrix", "outputs", "outputs_nan"])
@pytest.mark.parametrize("labels", ["binary", "mixed"])
@pytest.mark.parametrize("task_weight", [None, "balanced", {0: 3.0, 2: 0.5}], ids=str)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_weights_and_intercepts(layout, labels, task_weight, fit_intercept):
    case = with_labels(make_case(layout, "cells", n=25, seed=1), LABELS[labels])
    assert_optimal(case, task_weight=task_weight, fit_intercept=fit_intercept)


@pytest.mark.parametrize("layout", ["column", "csc_array", "outputs", "outputs_csr_array"])
@pytest.mark.parametrize("labels", ["binary", "mixed"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.3, 0.0])
def test_penalty_factors(layout, labels, fit_intercept, l1_ratio):
    case = with_labels(make_case(layout, "rows", n=30, seed=2), LABELS[labels])
    assert_optimal(case, factor=FACTOR, fit_intercept=fit_intercept, l1_ratio=l1_ratio)


@pytest.mark.parametrize("layout", ["column", "csr_array", "outputs", "outputs_nan"])
@pytest.mark.parametrize("labels", ["binary", "multinomial"])
def test_more_features_than_rows(layout, labels):
    case = with_labels(make_case(layout, n=14, p=130, seed=3), LABELS[labels])
    parts = [("L21", 0.1, None)]
    model = MultiTaskLogisticRegression(0.1, tol=1e-9, **case.init)
    model.fit(case.X, case.y, **case.fit)
    assert_allclose(objective(model, case, parts), optimum(case, parts), rtol=1e-6)
    assert 0 < model.coef_.reshape(-1, 130).any(axis=0).sum() < 130


@pytest.mark.parametrize("layout", ["column", "outputs"])
@pytest.mark.parametrize("labels", ["binary", "mixed"])
def test_gap_is_a_bound_far_from_the_optimum(layout, labels):
    case = with_labels(make_case(layout, "rows", n=25, seed=4), LABELS[labels])
    parts = [("L21", 0.01, None), ("SquaredL2", 0.01, None)]
    best, null = optimum(case, parts), constant_loss(case)
    for max_iter in (1, 2, 3):
        model = MultiTaskLogisticRegression(
            0.02, l1_ratio=0.5, tol=0.0, max_iter=max_iter, **case.init
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(case.X, case.y, **case.fit)
        ours = objective(model, case, parts)
        assert -1e-8 * null <= ours - best <= model.dual_gap_ * null + 1e-8 * null


def test_not_converged_warns():
    case = with_labels(make_case(n=25))
    with pytest.warns(ConvergenceWarning, match="raise max_iter"):
        MultiTaskLogisticRegression(1e-4, max_iter=1, **case.init).fit(case.X, case.y)


# --- limits ---------------------------------------------------------------------------------


def penalised_loss(X, y, coef, intercept, alpha):
    F = X @ coef.T + intercept
    F = np.column_stack([np.zeros(len(X)), F]) if F.shape[1] == 1 else F
    return np.mean(logsumexp(F, axis=1) - F[np.arange(len(y)), y]) + alpha * np.abs(coef).sum()


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_one_binary_task_is_the_l1_penalised_one_of_scikit_learn(fit_intercept):
    X, y = alone()
    ours = MultiTaskLogisticRegression(0.03, fit_intercept=fit_intercept, tol=1e-10).fit(X, y)
    options = {"solver": "saga", "tol": 1e-10, "max_iter": 100_000}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # l1_ratio took the place of penalty
        theirs = LogisticRegression(
            penalty="l1", l1_ratio=1, C=1 / (0.03 * len(X)), fit_intercept=fit_intercept, **options
        ).fit(X, y)
    assert ours.coef_.shape == theirs.coef_.shape
    assert ours.intercept_.shape == theirs.intercept_.shape
    values = [penalised_loss(X, y, m.coef_, m.intercept_, 0.03) for m in (ours, theirs)]
    assert_allclose(values[0], values[1], rtol=1e-8)
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-4)
    assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-3)


@pytest.mark.parametrize("n_labels", [2, 3, 4])
def test_ridge_alone_is_that_of_scikit_learn(n_labels):
    X, y = alone(n_labels=n_labels)
    ours = MultiTaskLogisticRegression(0.1, l1_ratio=0.0, tol=1e-12).fit(X, y)
    theirs = LogisticRegression(C=1 / (0.1 * len(X)), tol=1e-10, max_iter=10_000).fit(X, y)
    assert ours.coef_.shape == theirs.coef_.shape
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
    assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-5)
    assert_allclose(ours.predict_log_proba(X), theirs.predict_log_proba(X), atol=1e-4)
    assert_array_equal(ours.predict(X), theirs.predict(X))


@pytest.mark.parametrize("n_labels", [2, 3])
def test_no_penalty_is_maximum_likelihood(n_labels):
    X, y = alone(n_labels=n_labels)
    ours = MultiTaskLogisticRegression(0.0, tol=1e-12).fit(X, y)
    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(X, y)
    assert_allclose(ours.predict_log_proba(X), theirs.predict_log_proba(X), atol=1e-3)


@pytest.mark.parametrize("layout", ["column", "csr_matrix", "outputs", "outputs_nan"])
@pytest.mark.parametrize("labels", ["binary", "mixed"])
def test_largest_useful_alpha(layout, labels):
    case = with_labels(make_case(layout, "rows", n=25, seed=5), LABELS[labels])
    largest = alpha_max(case)
    for share, used in [(1.001, 0), (0.999, 1)]:
        model = MultiTaskLogisticRegression(share * largest, tol=1e-12, **case.init)
        model.fit(case.X, case.y, **case.fit)
        assert model.coef_.reshape(-1, 5).any(axis=0).sum() == used
    model.set_params(alpha=2 * largest).fit(case.X, case.y, **case.fit)
    for t, (_, y, v) in enumerate(case.tasks):
        probabilities = np.exp(scores_of(model, case, t))
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        assert_allclose(probabilities[0], np.bincount(y.astype(int), v) / v.sum(), rtol=1e-9)


# --- data of every kind ---------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [1e-6, 1e-3])
@pytest.mark.parametrize("n_labels", [2, 3])
def test_separable_labels(alpha, n_labels):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(60, 4))
    y = np.digitize(X[:, 0], np.linspace(-0.5, 0.5, n_labels - 1) if n_labels > 2 else [0.0])
    codes = rng.randint(3, size=60)
    model = MultiTaskLogisticRegression(alpha).fit(X, y, tasks=codes)
    assert model.dual_gap_ <= model.tol
    if n_labels == 2:
        assert model.score(X, y, tasks=codes) == 1.0
    free = MultiTaskLogisticRegression(alpha, penalty_factor=[0.0, 1.0, 1.0, 1.0])
    free.fit(X, y, tasks=codes)
    assert free.dual_gap_ <= free.tol
    assert np.isfinite(free.coef_).all()


@pytest.mark.parametrize("n_labels", [2, 3])
def test_dependent_and_constant_columns(n_labels):
    X, y = alone(n_labels=n_labels, seed=1)
    codes = np.arange(len(X)) % 3
    same = np.column_stack([X, X[:, 0], X[:, 1] + X[:, 2], np.full(len(X), 3.7), 0 * X[:, 0]])
    model = MultiTaskLogisticRegression(0.01, tol=1e-9).fit(same, y, tasks=codes)
    assert model.dual_gap_ <= 1e-9
    assert np.all(model.coef_[..., -2:] == 0)
    ridge = MultiTaskLogisticRegression(0.01, l1_ratio=0.0, tol=1e-11).fit(same, y, tasks=codes)
    assert_allclose(ridge.coef_[..., 0], ridge.coef_[..., 6], atol=1e-5)


def test_columns_that_are_copies_of_each_other():
    """Newton directions that move everything from one copy to another are cut short."""
    rng = np.random.RandomState(0)
    X, codes = np.repeat(rng.normal(size=(30, 1)), 4, axis=1), np.arange(30) % 2
    y = np.digitize(X[:, 0] + rng.normal(size=30), [-0.5, 0.5])
    for alpha in (1e-4, 1e-3, 1e-2, 0.1):
        model = MultiTaskLogisticRegression(alpha, tol=1e-8).fit(X, y, tasks=codes)
        alone = MultiTaskLogisticRegression(alpha, tol=1e-8).fit(X[:, :1], y, tasks=codes)
        assert_allclose(model.coef_.sum(axis=-1), alone.coef_[..., 0], atol=1e-3)


@pytest.mark.parametrize("scale", [1e-8, 1e-4, 1e4, 1e8])
@pytest.mark.parametrize("n_labels", [2, 3])
def test_scale_of_the_features(scale, n_labels):
    X, y = alone(n_labels=n_labels, seed=2)
    codes = np.arange(len(X)) % 3
    model = MultiTaskLogisticRegression(0.02, tol=1e-11).fit(X, y, tasks=codes)
    scaled = MultiTaskLogisticRegression(0.02 * scale, tol=1e-11).fit(X * scale, y, tasks=codes)
    assert_allclose(scaled.coef_ * scale, model.coef_, atol=1e-5)
    mixed = X * np.array([1e-8, 1.0, 1e8, 1.0, 1e4, 1.0])
    assert MultiTaskLogisticRegression(0.02).fit(mixed, y, tasks=codes).dual_gap_ <= 1e-6
    moved = MultiTaskLogisticRegression(0.02, tol=1e-11).fit(X + 1e4, y, tasks=codes)
    assert_allclose(moved.coef_, model.coef_, atol=1e-5)


@pytest.mark.parametrize("layout", ["column", "outputs", "outputs_nan"])
@pytest.mark.parametrize("container", SPARSE)
def test_sparse_is_dense(layout, container):
    case = with_labels(make_case(layout, "rows", n=25, seed=6), (2, 3))
    model = MultiTaskLogisticRegression(0.03, tol=1e-12, **case.init)
    dense = clone(model).fit(case.X, case.y, **case.fit)
    table = SPARSE[container](case.X)
    thin = clone(model).fit(table, case.y, **case.fit)
    assert_allclose(thin.coef_, dense.coef_, atol=1e-6)
    assert_array_equal(thin.predict(table), dense.predict(case.X))


@pytest.mark.parametrize("n_labels", [2, 3])
def test_weight_k_is_k_copies_and_rows_may_move(n_labels):
    X, y = alone(n_labels=n_labels, seed=3)
    codes = np.arange(len(X)) % 3
    repeats = np.random.RandomState(0).randint(0, 4, size=len(X))
    model = MultiTaskLogisticRegression(0.02, tol=1e-12)
    weighted = clone(model).fit(X, y, tasks=codes, sample_weight=repeats)
    rows = np.random.RandomState(1).permutation(np.repeat(np.arange(len(X)), repeats))
    copied = clone(model).fit(X[rows], y[rows], tasks=codes[rows])
    assert_allclose(weighted.coef_, copied.coef_, atol=1e-6)
    assert_allclose(weighted.intercept_, copied.intercept_, atol=1e-6)


# --- labels ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels",
    [["no", "yes"], [False, True], [-1, 1], [3.0, 7.0], ["ab", "c", "d"], [5, 2**40, 2**41]],
    ids=str,
)
def test_labels_of_every_kind(labels):
    X, codes = alone(n_labels=len(labels))
    labels = np.sort(np.array(labels))
    tasks = np.arange(len(X)) % 2
    plain = MultiTaskLogisticRegression().fit(X, codes, tasks=tasks)
    model = MultiTaskLogisticRegression().fit(X, labels[codes], tasks=tasks)
    assert_array_equal(model.classes_, labels)
    assert model.classes_.dtype == labels.dtype
    told = model.predict(X, tasks=tasks)
    assert_array_equal(told, labels[plain.predict(X, tasks=tasks)])
    assert_allclose(model.coef_, plain.coef_)
    assert model.score(X, labels[codes], tasks=tasks) == np.mean(told == labels[codes])


def test_tasks_with_labels_of_their_own():
    rng = np.random.RandomState(0)
    X, tasks = rng.normal(size=(90, 3)), np.repeat(["a", "b", "c"], 30)
    own = {"a": ["x", "y"], "b": ["u", "v", "x"], "c": ["z"]}
    noisy = X[:, 0] + 0.5 * rng.normal(size=90)
    y = np.array([own[t][int(len(own[t]) * (noisy[i] > 0) * 0.99)] for i, t in enumerate(tasks)])
    y[30:60] = np.array(own["b"])[rng.randint(3, size=30)]
    model = MultiTaskLogisticRegression().fit(X, y, tasks=tasks)
    assert model.classes_.tolist() == ["u", "v", "x", "y", "z"]
    assert [labels.tolist() for labels in model.task_classes_] == list(own.values())
    assert model.coef_.shape == (3, 5, 3)
    assert model.coef_shared_ is None
    told, proba = model.predict(X, tasks=tasks), model.predict_proba(X, tasks=tasks)
    assert_allclose(proba.sum(axis=1), 1.0)
    assert_allclose(np.exp(model.predict_log_proba(X, tasks=tasks)), proba)
    scores = model.decision_function(X, tasks=tasks)
    assert np.isfinite(scores).all()
    assert_array_equal(model.classes_[scores.argmax(axis=1)], told)
    for task, labels in own.items():
        foreign = ~np.isin(model.classes_, labels)
        assert np.isin(told[tasks == task], labels).all()
        assert np.all(proba[tasks == task][:, foreign] == 0)
    with pytest.raises(ValueError, match=r"same labels, but task 'a' has \['x', 'y'\] and 'b'"):
        MultiTaskLogisticRegression(unknown_task="shared").fit(X, y, tasks=tasks)
    with pytest.raises(ValueError, match="task 'c' has no row with a positive weight"):
        model.fit(X, y, tasks=tasks, sample_weight=(tasks != "c").astype(float))


def test_a_task_with_a_single_label_and_one_of_a_single_row():
    X, y = alone(n_labels=2)
    tasks = np.arange(len(X)) % 3
    y[tasks == 1] = 1
    X, y, tasks = np.vstack([X, X[:1]]), np.append(y, 0), np.append(tasks, 9)
    model = MultiTaskLogisticRegression(unknown_task="shared").fit(X, y, tasks=tasks)
    assert model.coef_.shape == (4, 6)
    assert np.all(model.coef_[[1, 3]] == 0)
    for task, label in [(1, 1), (9, 0)]:
        given = {"tasks": np.full(len(X), task)}
        assert np.all(model.predict(X, **given) == label)
        assert np.all(model.predict_proba(X, **given)[:, label] == 1.0)
        assert np.all((model.decision_function(X, **given) > 0) == label)
    # Unknown tasks have the mean of the models that know both labels, weighted by their rows.
    sizes = np.bincount(tasks)[[0, 2]]
    assert_allclose(model.coef_shared_, sizes @ model.coef_[[0, 2]] / sizes.sum())
    told = model.decision_function(X, tasks=np.full(len(X), 77))
    assert_allclose(told, X @ model.coef_shared_ + model.intercept_shared_)


def test_unknown_task_of_three_labels():
    X, y = alone(n_labels=3)
    model = MultiTaskLogisticRegression(unknown_task="shared").fit(X, y, tasks=np.arange(80) % 2)
    scores = X @ model.coef_shared_.T + model.intercept_shared_
    told = model.predict_proba(X, tasks=np.full(80, 5))
    assert_allclose(told, np.exp(scores - logsumexp(scores, axis=1, keepdims=True)))


def test_outputs_of_strings_with_missing_labels():
    X, y = alone(n_labels=3)
    Y = np.array(["red", "green", "blue"], dtype=object)[np.column_stack([y, np.roll(y, 1)])]
    Y[3, 0], Y[5, 1] = None, np.nan
    model = MultiTaskLogisticRegression().fit(X, Y)
    assert model.classes_.tolist() == ["blue", "green", "red"]
    assert model.predict(X).shape == Y.shape
    probabilities = model.predict_proba(X)
    assert [part.shape for part in probabilities] == [(80, 3), (80, 3)]
    assert_array_equal(model.classes_[probabilities[1].argmax(axis=1)], model.predict(X)[:, 1])
    assert [part.shape for part in model.predict_log_proba(X)] == [(80, 3), (80, 3)]
    assert not hasattr(model, "decision_function")
    right = model.predict(X) == Y
    seen = np.ones(Y.shape, dtype=bool)
    seen[3, 0] = seen[5, 1] = False
    expected = np.mean([right[seen[:, t], t].mean() for t in range(2)])
    assert_allclose(model.score(X, Y), expected)
    kept = seen[:, 0]
    both = MultiTaskLogisticRegression().fit(X, np.where(seen, y[:, None], np.nan))
    assert_allclose(both.tasks_, [0, 1])
    assert np.isfinite(both.coef_[:, kept.sum() % 2]).all()


@pytest.mark.parametrize("value", [0.5, np.inf])
def test_targets_that_are_no_labels(value):
    X, y = alone()
    y = y.astype(float)
    y[0] = value
    with pytest.raises(ValueError, match=r"Unknown label type|infinity"):
        MultiTaskLogisticRegression().fit(X, y)


# --- the estimator --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"alpha": -1.0}, ValueError, "alpha=-1.0"),
        ({"alpha": "a"}, TypeError, "alpha must be a number"),
        ({"l1_ratio": 1.5}, ValueError, "l1_ratio=1.5 must be between 0 and 1"),
        ({"tol": -1e-3}, ValueError, "tol=-0.001"),
        ({"max_iter": 0}, ValueError, "max_iter=0"),
        ({"penalty_factor": [1.0]}, ValueError, "6 features"),
    ],
)
def test_wrong_parameters(parameters, error, message):
    with pytest.raises(error, match=message):
        MultiTaskLogisticRegression(**parameters).fit(*alone())


@pytest.mark.parametrize("n_labels", [2, 3])
def test_warm_start(n_labels):
    X, y = alone(n_labels=n_labels)
    codes = np.arange(len(X)) % 3
    model = MultiTaskLogisticRegression(0.01, warm_start=True, tol=1e-8).fit(X, y, tasks=codes)
    coef, first = model.coef_, model.n_iter_
    model.fit(X, y, tasks=codes)
    assert model.n_iter_ == 1 < first
    assert_allclose(model.coef_, coef, atol=1e-4)
    model.fit(X[:, :3], np.where(y == 0, 2, y) + 1, tasks=codes)  # other labels and features
    fresh = clone(model).fit(X[:, :3], np.where(y == 0, 2, y) + 1, tasks=codes)
    assert_allclose(model.coef_, fresh.coef_, atol=1e-4)


@pytest.mark.parametrize("n_labels", [2, 3])
def test_float32(n_labels):
    X, y = alone(n_labels=n_labels)
    double = MultiTaskLogisticRegression().fit(X, y)
    single = MultiTaskLogisticRegression().fit(X.astype(np.float32), y)
    assert single.coef_.dtype == single.intercept_.dtype == np.float32
    assert single.predict_proba(X.astype(np.float32)).dtype == np.float32
    assert_allclose(single.coef_, double.coef_, atol=1e-3)


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss", "roc_auc"])
def test_grid_search_over_a_pipeline(scoring):
    X, y = alone(n=150)
    table = np.column_stack([np.arange(150) % 3, X])
    pipeline = make_pipeline(
        keep_tasks(StandardScaler(), 0), MultiTaskLogisticRegression(task_column=0)
    )
    grid = {"multitasklogisticregression__alpha": [0.3, 0.03, 0.003]}
    cv = TaskKFold(3, task_column=0)
    search = GridSearchCV(pipeline, grid, scoring=scoring, cv=cv, error_score="raise")
    search.fit(table, y)
    assert search.best_score_ > {"accuracy": 0.6, "neg_log_loss": -0.69, "roc_auc": 0.7}[scoring]
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    assert_array_equal(again.predict(table), search.predict(table))
