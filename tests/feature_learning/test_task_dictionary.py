"""Dictionaries of task models: objective, optimality of the halves, planted atoms, new tasks."""

import numpy as np
import pytest
from helpers import LAYOUTS, make_case, squared_loss
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linear_sum_assignment
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso

from skmtl import TaskDictionary
from skmtl.feature_learning import base
from skmtl.solvers import factors
from skmtl.solvers.task_dictionary import lasso_codes

EXACT = {"tol": 1e-10, "max_iter": 5000}
PENALTIES = {"alpha_sparse": 0.1, "alpha_dictionary": 0.1}


def penalty(model, codes):
    value = model.alpha_sparse * np.abs(codes[:, int(model.common) :]).sum()
    return value + 0.5 * model.alpha_dictionary * np.sum(model.components_**2)


def planted(n_atoms=5, per_task=2, n_tasks=60, n=30, p=12, noise=0.1, seed=0):
    """Tasks that use `per_task` of some atoms of norm 1."""
    rng = np.random.RandomState(seed)
    atoms = np.linalg.qr(rng.normal(size=(p, n_atoms)))[0].T
    codes = np.zeros((n_tasks, n_atoms))
    for row in codes:
        used = rng.choice(n_atoms, per_task, replace=False)
        row[used] = rng.choice([-1, 1], per_task) * rng.uniform(1, 2, size=per_task)
    ids = np.repeat(np.arange(n_tasks), n)
    X = rng.normal(size=(len(ids), p))
    y = np.sum(X * (codes @ atoms)[ids], axis=1) + noise * rng.normal(size=len(ids))
    return np.column_stack([ids, X]), y, atoms, codes


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("common", [False, True])
def test_objective_of_every_layout(layout, common):
    weights = None if "absent" in layout else "rows"
    case = make_case(layout, weights, n_tasks=5)
    model = TaskDictionary(2, common=common, **PENALTIES, **case.init, max_iter=5000)
    model.fit(case.X, case.y, **case.fit)
    path = model.objective_path_
    value = squared_loss(case, model.coef_, model.intercept_) + penalty(model, model.codes_)
    assert_allclose(path[-1], value, rtol=1e-10)
    assert (np.diff(path) <= 1e-12 * path[0]).all()
    assert model.components_.shape == (2 + common, case.n_features)
    if common:
        assert_array_equal(model.codes_[:, 0], 1.0)
    if layout != "absent":
        assert_allclose(model.coef_, model.codes_ @ model.components_, atol=1e-12)


@pytest.mark.parametrize("common", [False, True])
@pytest.mark.parametrize("layout", ["column", "outputs_nan", "outputs"])
def test_both_halves_are_optimal(layout, common):
    case = make_case(layout, n_tasks=6, n=15)
    model = TaskDictionary(2, common=common, **PENALTIES, **case.init, **EXACT)
    model.fit(case.X, case.y)
    gradient = []
    for (X, y, _), w in zip(case.tasks, model.coef_, strict=True):
        X = X - X.mean(axis=0)
        gradient.append(X.T @ (X @ w - (y - y.mean())) / case.n_bar)
    gradient = np.array(gradient)
    of_atoms = model.codes_.T @ gradient + model.alpha_dictionary * model.components_
    assert_allclose(of_atoms, 0, atol=1e-7)
    codes = model.codes_[:, int(common) :]
    of_codes = -(gradient @ model.components_.T)[:, int(common) :]
    used = codes != 0
    assert used.any()
    assert_allclose(of_codes[used], model.alpha_sparse * np.sign(codes[used]), atol=1e-7)
    assert (np.abs(of_codes) <= model.alpha_sparse + 1e-7).all()


def test_scale_of_atoms_and_codes():
    """At the best scale the two penalties of an atom are alpha_s ||s||_1 = alpha_d ||l||^2."""
    case = make_case("column", n_tasks=6, n=15)
    model = TaskDictionary(2, **PENALTIES, **case.init, **EXACT).fit(case.X, case.y)
    codes = model.alpha_sparse * np.abs(model.codes_).sum(axis=0)
    atoms = model.alpha_dictionary * np.sum(model.components_**2, axis=1)
    assert_allclose(codes, atoms, rtol=1e-7)
    assert_allclose(
        penalty(model, model.codes_),
        1.5 * np.sum(codes ** (2 / 3) * atoms ** (1 / 3)),
        rtol=1e-9,
    )
    # Only alpha_sparse^2 alpha_dictionary matters.
    other = TaskDictionary(2, alpha_sparse=0.2, alpha_dictionary=0.025, **case.init, **EXACT)
    other.fit(case.X, case.y)
    assert_allclose(other.coef_, model.coef_, rtol=1e-6, atol=1e-7)
    assert_allclose(other.objective_path_[-1], model.objective_path_[-1], rtol=1e-9)


def test_planted_dictionary_is_recovered():
    X, y, atoms, codes = planted()
    penalties = {"alpha_sparse": 0.1, "alpha_dictionary": 0.1}
    model = TaskDictionary(5, **penalties, n_init=10, task_column=0).fit(X, y)
    directions = model.components_ / np.linalg.norm(model.components_, axis=1)[:, None]
    likeness = np.abs(directions @ atoms.T)
    ours, theirs = linear_sum_assignment(-likeness)
    assert likeness[ours, theirs].min() > 0.99
    support = np.zeros_like(codes, dtype=bool)
    support[:, theirs] = np.abs(model.codes_[:, ours]) > 0.05 * np.abs(model.codes_).max()
    assert np.mean(support == (codes != 0)) > 0.97


def test_large_penalties_leave_the_intercepts():
    case = make_case("column")
    model = TaskDictionary(2, alpha_sparse=1e3, alpha_dictionary=1e3, **case.init)
    model.fit(case.X, case.y)
    assert_array_equal(model.coef_, 0)
    assert_array_equal(model.components_, 0)
    assert_allclose(model.intercept_, [y.mean() for _, y, _ in case.tasks])


def test_more_atoms_than_tasks():
    case = make_case("column", n_tasks=3, p=4)
    model = TaskDictionary(7, **PENALTIES, **case.init, max_iter=5000).fit(case.X, case.y)
    assert model.components_.shape == (7, 4)
    assert np.isfinite(model.coef_).all()


def test_starts_jobs_and_seeds():
    X, y, _, _ = planted(n_tasks=20, noise=1.0)
    settings = {**PENALTIES, "task_column": 0, "tol": 1e-3}
    one = TaskDictionary(4, n_init=1, **settings).fit(X, y)
    several = TaskDictionary(4, n_init=5, n_jobs=1, **settings).fit(X, y)
    assert several.objective_path_[-1] <= one.objective_path_[-1]
    threads = TaskDictionary(4, n_init=5, n_jobs=2, **settings).fit(X, y)
    assert_array_equal(threads.coef_, several.coef_)
    again = TaskDictionary(4, n_init=5, **settings).fit(X, y)
    assert_array_equal(again.coef_, several.coef_)


def test_warm_start():
    case = make_case("column", n_tasks=6)
    model = TaskDictionary(2, **PENALTIES, **case.init, warm_start=True, max_iter=5000)
    value = model.fit(case.X, case.y).objective_path_[-1]
    model.fit(case.X, case.y)
    assert model.objective_path_[0] <= value * (1 + 1e-9)
    assert model.n_iter_ <= 5


def test_not_at_rest():
    case = make_case("column", n_tasks=6)
    with pytest.warns(ConvergenceWarning, match="shared features did not come to rest"):
        TaskDictionary(2, **case.init, tol=1e-9, max_iter=1).fit(case.X, case.y)


@pytest.mark.parametrize("layout", ["column", "outputs_nan"])
def test_large_systems(layout, monkeypatch):
    case = make_case(layout, n_tasks=6, n=15, p=8)
    settings = {**PENALTIES, **case.init, **EXACT, "n_init": 1}
    expected = TaskDictionary(3, **settings).fit(case.X, case.y, **case.fit)
    monkeypatch.setattr(factors, "LARGEST_DIRECT", 0)
    model = TaskDictionary(3, **settings).fit(case.X, case.y, **case.fit)
    assert_allclose(model.objective_path_[-1], expected.objective_path_[-1], rtol=1e-9)
    monkeypatch.setattr("skmtl.problem.GRAM_ENTRIES", 0)
    model = TaskDictionary(3, **settings).fit(case.X, case.y, **case.fit)
    assert_allclose(model.objective_path_[-1], expected.objective_path_[-1], rtol=1e-9)


@pytest.mark.parametrize("n_rows", [3, 20])
def test_codes_are_those_of_the_lasso(n_rows):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(15, n_rows, 6)) + rng.normal(size=(15, n_rows, 1))
    y = rng.normal(size=(15, n_rows))
    grams, cross = X.swapaxes(1, 2) @ X / n_rows, np.einsum("tij,ti->tj", X, y) / n_rows
    ours = lasso_codes(grams, cross, 0.1, np.zeros((15, 6)))
    for task in range(15):
        lasso = Lasso(0.1, fit_intercept=False, tol=1e-14, max_iter=100_000)
        lasso.fit(X[task], y[task])
        values = [
            0.5 * np.mean((X[task] @ s - y[task]) ** 2) + 0.1 * np.abs(s).sum()
            for s in (ours[task], lasso.coef_)
        ]
        assert_allclose(values[0], values[1], rtol=1e-8)


# --- new tasks --------------------------------------------------------------------------------


def test_adapt():
    X, y, _, _ = planted(noise=0.3)
    old = X[:, 0] < 50
    settings = {"alpha_sparse": 0.1, "alpha_dictionary": 0.1, "tol": 1e-3, "task_column": 0}
    model = TaskDictionary(5, **settings).fit(X[old], y[old])
    few = (X[:, 0] >= 50) & (np.arange(len(y)) % 30 < 6)  # 6 rows for 12 features
    adapted = model.adapt(X[few], y[few])
    assert_array_equal(adapted.tasks_, np.arange(50, 60))
    assert_allclose(adapted.coef_, adapted.codes_ @ model.components_)
    rest = ~old & ~few
    alone = TaskDictionary(5, **settings).fit(X[few], y[few])
    assert adapted.score(X[rest], y[rest]) > alone.score(X[rest], y[rest]) + 0.2
    both = model.adapt(X[few], y[few], add=True)
    assert_array_equal(both.tasks_, np.arange(60))
    assert_allclose(both.predict(X[rest]), adapted.predict(X[rest]))
    assert_allclose(both.predict(X[old]), model.predict(X[old]))
    assert both.codes_.shape == (60, 5)


def test_adapt_finds_the_codes_of_fit():
    X, y, _, _ = planted(n_tasks=12)
    model = TaskDictionary(3, task_column=0, common=True, **EXACT).fit(X, y)
    again = X.copy()
    again[:, 0] += 100
    adapted = model.adapt(again, y)
    assert_allclose(adapted.codes_, model.codes_, atol=1e-7)
    assert_allclose(adapted.intercept_, model.intercept_, atol=1e-7)


def test_adapt_refuses_old_tasks_and_other_layouts():
    X, y, _, _ = planted(n_tasks=6)
    model = TaskDictionary(2, task_column=0).fit(X, y)
    with pytest.raises(ValueError, match="task 0 was in fit"):
        model.adapt(X, y)
    model = TaskDictionary(2).fit(X[:, 1:], y)
    with pytest.raises(ValueError, match="no task ids"):
        model.adapt(X[:, 1:], y)


def test_transform():
    X, y, _, _ = planted(n_tasks=6)
    model = TaskDictionary(2, task_column=0).fit(X, y)
    assert_allclose(model.transform(X), X[:, 1:] @ model.components_.T)
    assert_array_equal(model.get_feature_names_out(), ["taskdictionary0", "taskdictionary1"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_components": 0}, "n_components=0"),
        ({"alpha_sparse": 0.0}, "alpha_sparse=0.0"),
        ({"alpha_dictionary": 0}, "alpha_dictionary=0"),
        ({"common": 1}, "common must be True or False"),
        ({"n_init": 0}, "n_init=0"),
    ],
)
def test_wrong_parameters(wrong, message):
    case = make_case("column")
    with pytest.raises((ValueError, TypeError), match=message):
        TaskDictionary(**wrong, **case.init).fit(case.X, case.y)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("common", [False, True])
def test_fewer_rows_than_features(layout, common, monkeypatch):
    """The span of the rows holds the solution that all features have."""
    case = make_case(layout, "rows", n_tasks=4, n=6, p=40)
    options = {"tol": 1e-10, "max_iter": 5000, "n_init": 2, "common": common, **PENALTIES}
    narrow = TaskDictionary(2, **case.init, **options).fit(case.X, case.y, **case.fit)
    monkeypatch.setattr(base, "in_row_span", lambda data, fit_intercept: (base.WHOLE, data))
    whole = TaskDictionary(2, **case.init, **options).fit(case.X, case.y, **case.fit)
    assert_allclose(narrow.objective_path_[-1], whole.objective_path_[-1], rtol=1e-7)
    assert_allclose(narrow.coef_, whole.coef_, atol=1e-3)
    assert_allclose(narrow.intercept_, whole.intercept_, atol=1e-3)


def test_adapt_with_fewer_rows_than_features(monkeypatch):
    """The codes of new tasks do not need the dictionary to be in the span of their rows."""
    case = make_case("column", n_tasks=5, n=6, p=40)
    new = case.X[:, 0] == case.X[:, 0].max()
    model = TaskDictionary(2, **case.init, **PENALTIES).fit(case.X[~new], case.y[~new])
    narrow = model.adapt(case.X[new], case.y[new])
    monkeypatch.setattr(base, "in_row_span", lambda data, fit_intercept: (base.WHOLE, data))
    whole = model.adapt(case.X[new], case.y[new])
    assert_allclose(narrow.codes_, whole.codes_, atol=1e-8)
    assert_allclose(narrow.intercept_, whole.intercept_, atol=1e-8)
