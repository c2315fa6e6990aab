"""ELLA: statistics that add up, running sums, rows that are not needed again."""

import pickle

import numpy as np
import pytest
from helpers import LAYOUTS, make_case, squared_loss
from numpy.testing import assert_allclose, assert_array_equal

from skmtl import ELLARegressor, TaskDictionary, make_multitask_regression
from skmtl.feature_learning import ella
from skmtl.solvers.ella import GrowingDictionary, TaskStatistics
from skmtl.solvers.row_span import WHOLE

PENALTIES = {"alpha_sparse": 0.1, "alpha_dictionary": 0.1}


def clusters(n_tasks=12, n=15, seed=0, **options):
    return make_multitask_regression(
        n_tasks, n, 6, n_informative=4, structure="clusters", random_state=seed, **options
    )


def one_by_one(model, X, y, order):
    for task in order:
        rows = X[:, 0] == task
        model.partial_fit(X[rows], y[rows])
    return model


def penalty(model):
    codes = model.codes_[:, int(model.common) :]
    atoms = 0.5 * model.alpha_dictionary * np.sum(model.components_**2)
    return model.alpha_sparse * np.abs(codes).sum() + atoms


def statistics(model):
    """Of every task, in the order of the tasks."""
    return [model._dictionary.statistics[k] for k in model._numbers]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("n_epochs", [0, 5])
def test_objective_of_every_layout(layout, n_epochs):
    weights = None if "absent" in layout else "rows"
    case = make_case(layout, weights, n_tasks=5)
    model = ELLARegressor(2, n_epochs=n_epochs, **PENALTIES, **case.init)
    model.fit(case.X, case.y, **case.fit)
    value = squared_loss(case, model.coef_, model.intercept_) + penalty(model)
    assert_allclose(model.objective_, value, rtol=1e-10)
    if n_epochs:
        assert_allclose(model.objective_path_[-1], value, rtol=1e-10)
        assert (np.diff(model.objective_path_) <= 1e-12 * value).all()
    if layout != "absent":
        assert_allclose(model.coef_, model.codes_ @ model.components_, atol=1e-12)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_statistics_add_up(fit_intercept, weighted):
    X, y = clusters(n_tasks=4, n=20)
    X[:, 1:] += 100.0  # the sums are around means
    weights = np.random.RandomState(0).uniform(0.1, 3.0, size=len(y)) if weighted else np.ones(80)
    settings = {"task_column": 0, "fit_intercept": fit_intercept}
    whole = ELLARegressor(2, **settings).fit(X, y, sample_weight=weights)
    parts = ELLARegressor(2, **settings)
    for rows in np.array_split(np.arange(len(y)), 7):
        parts.partial_fit(X[rows], y[rows], sample_weight=weights[rows])
    assert_array_equal(parts.tasks_, whole.tasks_)
    for ours, theirs in zip(statistics(parts), statistics(whole), strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert_allclose(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("common", [False, True])
def test_running_sums_are_those_of_all_tasks(common):
    """After every task came several times the dictionary is the best one for the codes."""
    X, y = clusters()
    model = ELLARegressor(3, common=common, **PENALTIES, task_column=0)
    for rows in np.array_split(np.arange(len(y)), 6):
        model.partial_fit(X[rows], y[rows])
    dictionary = model._dictionary
    codes = dictionary.codes()
    system = np.einsum("tk,tl,tij->kilj", codes, codes, [s.gram for s in dictionary.statistics])
    right = codes.T @ [s.cross for s in dictionary.statistics]
    assert_allclose(dictionary.system, system, rtol=1e-8, atol=1e-8)
    assert_allclose(dictionary.right, right, rtol=1e-8, atol=1e-8)
    gradient = np.einsum("kilj,jl->ki", system, dictionary.L) - right
    gradient = gradient / dictionary.n_bar + 0.1 * dictionary.L.T
    # The scale of the atoms moves them along themselves only, to a lower objective.
    along = np.sum(gradient * dictionary.L.T, axis=1)
    norms = np.maximum(np.sum(dictionary.L**2, axis=0), 1e-12)
    rest = gradient - (along / norms)[:, None] * dictionary.L.T
    assert np.abs(rest).max() < 0.2 * np.abs(right / dictionary.n_bar).max()


def test_a_step_lowers_the_objective():
    """With the code of a task and then the dictionary at their best, each in turn."""
    X, y = clusters()
    model = one_by_one(ELLARegressor(3, **PENALTIES, task_column=0), X, y, range(12))
    dictionary, values = model._dictionary, [model.objective_]
    for task in [3, 0, 11, 3]:
        dictionary.update(task, dictionary.statistics[task])
        values.append(dictionary.objective())
    assert (np.diff(values) <= 1e-12 * values[0]).all()


def test_old_rows_are_not_needed():
    """Nothing that is kept grows with the number of rows."""
    small, large = (
        one_by_one(ELLARegressor(2, task_column=0), *clusters(n=n), range(12)) for n in (10, 500)
    )
    assert_allclose(len(pickle.dumps(large)), len(pickle.dumps(small)), rtol=0.01)


def test_one_update_touches_one_task(monkeypatch):
    """The terms of two tasks' states are entered, however many tasks there are."""
    entered = []
    enter = GrowingDictionary._enter
    monkeypatch.setattr(
        GrowingDictionary, "_enter", lambda self, *a: (entered.append(a), enter(self, *a))[1]
    )
    X, y = clusters(n_tasks=20)
    model = one_by_one(ELLARegressor(2, task_column=0), X, y, range(20))
    assert len(entered) == 20
    model.partial_fit(X[X[:, 0] == 4], y[X[:, 0] == 4])
    assert entered[20:] == [(4, -1.0), (4, 1.0)]


def test_close_to_the_dictionary_of_all_rows():
    X, y = clusters(n_tasks=40, n=12, seed=1)
    held_out = np.arange(len(y)) % 3 == 0
    settings = {"common": True, "task_column": 0, "alpha_sparse": 0.05, "alpha_dictionary": 0.05}
    whole = TaskDictionary(3, **settings).fit(X[~held_out], y[~held_out])
    ella = ELLARegressor(3, **settings).fit(X[~held_out], y[~held_out])
    errors = [np.mean((m.predict(X[held_out]) - y[held_out]) ** 2) for m in (whole, ella)]
    assert errors[1] < 1.25 * errors[0]
    assert ella.objective_ < 1.1 * whole.objective_path_[-1]


def test_refresh_is_the_alternation_of_the_dictionary():
    X, y = clusters()
    model = ELLARegressor(3, **PENALTIES, task_column=0, n_epochs=500).fit(X, y)
    started = TaskDictionary(3, common=True, **PENALTIES, task_column=0, warm_start=True, tol=1e-9)
    started.fit(X, y)
    started.components_ = model.components_
    started.fit(X, y)
    assert_allclose(started.objective_path_[0], model.objective_, rtol=1e-9)
    assert_allclose(started.objective_path_[-1], model.objective_, rtol=1e-6)


def test_unused_atoms_are_opened_by_all_tasks_together():
    """No single task is worth an atom here, but all are."""
    X, y = clusters(n_tasks=30)
    settings = {"alpha_sparse": 0.5, "alpha_dictionary": 0.5, "common": False, "task_column": 0}
    seen = ELLARegressor(3, n_epochs=0, **settings).fit(X, y)
    more = ELLARegressor(3, n_epochs=20, **settings).fit(X, y)
    assert more.components_.any(axis=1).sum() >= seen.components_.any(axis=1).sum()
    assert more.objective_ < seen.objective_


def test_tasks_of_many_names():
    """Ids that come later may be longer, and come before the others in their order."""
    X, y = clusters(n_tasks=3)
    features, names = X[:, 1:], np.array(["m", "zebra", "an old one"])
    model = ELLARegressor(2)
    for task in range(3):
        rows = X[:, 0] == task
        model.partial_fit(features[rows], y[rows], tasks=np.repeat(names[task], rows.sum()))
    assert_array_equal(model.tasks_, ["an old one", "m", "zebra"])
    by_number = one_by_one(ELLARegressor(2, task_column=0), X, y, range(3))
    told = model.predict(features, tasks=names[X[:, 0].astype(int)])
    assert_allclose(told, by_number.predict(X))
    with pytest.raises(ValueError, match="were strings"):
        model.partial_fit(features, y, tasks=X[:, 0].astype(int))


@pytest.mark.parametrize("layout", ["one", "outputs", "outputs_nan"])
def test_partial_fit_without_ids(layout):
    case = make_case("outputs" if layout == "one" else layout, n=30)
    y = case.y[:, 0] if layout == "one" else case.y
    model = ELLARegressor(3, **PENALTIES)
    for rows in np.array_split(np.arange(30), 3):
        model.partial_fit(case.X[rows], y[rows])
    whole = ELLARegressor(3, **PENALTIES).fit(case.X, y)
    for ours, theirs in zip(statistics(model), statistics(whole), strict=True):
        assert_allclose(ours.gram, theirs.gram, rtol=1e-9)
    assert model.predict(case.X).shape == y.shape
    wrong = case.y if layout == "one" else case.y[:, :2]
    with pytest.raises(ValueError, match="targets of the same form"):
        model.partial_fit(case.X, wrong)


def test_absent_features():
    X, y = clusters(n_tasks=3)
    X[X[:, 0] == 1, 2] = np.nan
    model = one_by_one(ELLARegressor(2, task_column=0), X, y, [1, 0, 2])
    assert_array_equal(np.argwhere(model.absent_features_), [[1, 1]])
    assert model.coef_[1, 1] == 0
    assert np.isfinite(model.predict(X)).all()
    rows = X[:, 0] == 1
    with pytest.raises(ValueError, match="task 1 lacks other features than in the rows before"):
        model.partial_fit(np.nan_to_num(X[rows]), y[rows])


def test_a_task_without_weight_is_learned_later():
    X, y = clusters(n_tasks=4)
    weights = np.where(X[:, 0] == 2, 0.0, 1.0)
    model = ELLARegressor(2, task_column=0).partial_fit(X, y, sample_weight=weights)
    assert_allclose(model.coef_[2], model.coef_shared_)
    assert_array_equal(model.codes_[2], [1, 0, 0])
    model.partial_fit(X[X[:, 0] == 2], y[X[:, 0] == 2])
    assert statistics(model)[2].weight == 15


def test_partial_fit_after_fit():
    X, y = clusters()
    old = X[:, 0] < 9
    model = ELLARegressor(3, task_column=0).fit(X[old], y[old])
    model.partial_fit(X[~old], y[~old])
    assert_array_equal(model.tasks_, np.arange(12))
    assert model.score(X[~old], y[~old]) > 0.5
    model.fit(X[old], y[old])
    assert len(model.tasks_) == 9


def test_statistics_of_nothing():
    empty = TaskStatistics.empty(3)
    assert empty.plus(empty, fit_intercept=True) == empty


def test_transform_and_names():
    X, y = clusters()
    model = ELLARegressor(2, task_column=0).fit(X, y)
    assert_allclose(model.transform(X), X[:, 1:] @ model.components_.T)
    assert_array_equal(model.get_feature_names_out(), [f"ellaregressor{k}" for k in range(3)])


def test_attributes_before_fit():
    model = ELLARegressor()
    assert not hasattr(model, "coef_")
    with pytest.raises(AttributeError, match="not fitted yet: no objective_"):
        model.objective_  # noqa: B018


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_components": 0}, "n_components=0"),
        ({"alpha_sparse": 0.0}, "alpha_sparse=0.0"),
        ({"n_epochs": -1}, "n_epochs=-1"),
        ({"n_epochs": 1.5}, "n_epochs must be an integer"),
    ],
)
def test_wrong_parameters(wrong, message):
    case = make_case("column")
    for method in ("fit", "partial_fit"):
        model = ELLARegressor(**wrong, **case.init)
        with pytest.raises((ValueError, TypeError), match=message):
            getattr(model, method)(case.X, case.y)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_fewer_rows_than_features(layout, monkeypatch):
    """The span of the rows holds the solution that all features have; more rows may come."""
    case = make_case(layout, "rows", n_tasks=4, n=6, p=40)
    X, y = case.X, case.y
    narrow = ELLARegressor(2, **case.init).fit(X, y, **case.fit)
    monkeypatch.setattr(ella, "in_row_span", lambda data, fit_intercept: (WHOLE, data))
    whole = ELLARegressor(2, **case.init).fit(X, y, **case.fit)
    for _ in range(2):
        assert_allclose(narrow.objective_, whole.objective_, rtol=1e-6)
        assert_allclose(narrow.coef_, whole.coef_, atol=1e-4)
        assert_allclose(narrow.intercept_, whole.intercept_, atol=1e-4)
        narrow.partial_fit(X, y, **case.fit)
        whole.partial_fit(X, y, **case.fit)


def test_absent_features_beyond_the_rows(monkeypatch):
    case = make_case("column", n_tasks=4, n=6, p=40)
    X = case.X.copy()
    X[:, 1:] += 3.0
    X[X[:, 0] == X[0, 0], 5:9] = np.nan
    narrow = ELLARegressor(2, **case.init).fit(X, case.y)
    monkeypatch.setattr(ella, "in_row_span", lambda data, fit_intercept: (WHOLE, data))
    whole = ELLARegressor(2, **case.init).fit(X, case.y)
    assert_allclose(narrow.predict(X), whole.predict(X), atol=1e-4)
    assert_allclose(narrow.intercept_, whole.intercept_, atol=1e-3)
