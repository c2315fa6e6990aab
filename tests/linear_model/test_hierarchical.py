"""Hierarchical ridge against dense algebra in the units of the data, its limits and its layouts."""

import pickle

import numpy as np
import pytest
from gaussian import DenseGaussian
from helpers import LAYOUTS, SPARSE, feature_origin, make_case
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge

from skmtl import HierarchicalRidge, MultiTaskRidge, stack_tasks
from skmtl.linear_model import hierarchical
from skmtl.solvers import hierarchical as solver
from skmtl.solvers.random_coefficients import Prior

FORMS = ["diagonal", "spherical", "intercept", "full", "low_rank"]


@pytest.fixture
def estimates(monkeypatch):
    """What `fit` has learned, in the order of the fits."""
    found, learn = [], hierarchical.maximise

    def keep(*args, **options):
        found.append(learn(*args, **options))
        return found[-1]

    monkeypatch.setattr(hierarchical, "maximise", keep)
    return found


def related(seed=0, n_tasks=20, n=30, n_test=50, spread=(0.0, 0.0, 0.5, 1.0), noise=0.5):
    """Two sets of rows of the same tasks, whose coefficients differ by `spread`; ids first."""
    rng = np.random.RandomState(seed)
    mean = rng.normal(size=len(spread))
    parts = []
    for task in range(n_tasks):
        w, b = mean + spread * rng.normal(size=len(spread)), 0.7 * rng.normal()
        X = rng.normal(size=(n + n_test, len(spread)))
        y = X @ w + b + noise * rng.normal(size=len(X))
        parts.append((np.column_stack([np.full(len(X), task), X]), y))
    rows = (slice(n), slice(n, None))
    return [tuple(np.concatenate([part[k][r] for part in parts]) for k in (0, 1)) for r in rows]


class InUnits:
    """The dense Gaussian of a case in the units of its data, with the variances of an estimate."""

    def __init__(self, case, prior, *, fit_intercept=True):
        self.origin = feature_origin(case) if fit_intercept else np.zeros(case.n_features)
        self.n_constants, self.case = int(fit_intercept), case
        total, weight, y, v = 0.0, 0.0, *(np.concatenate([t[k] for t in case.tasks]) for k in (1, 2))
        for (X, _, w), present in zip(case.tasks, case.present, strict=True):
            total = total + w @ (X - self.origin) ** 2 * present
            weight = weight + w.sum() * present
        centre = v @ y / v.sum() if fit_intercept else 0.0
        self.unit = np.sqrt(v @ (y - centre) ** 2 / v.sum())
        units = self.unit / np.append(np.sqrt(total / weight), np.ones(self.n_constants))
        S = prior.covariance * (units**2 if prior.covariance.ndim == 1 else np.outer(units, units))
        self.prior = Prior(S, prior.noise * self.unit**2, prior.mean_precision / units**2)

    def rows(self, X, task):
        """Centred features, 0 where absent from the task, and the constant."""
        centred = X - self.origin
        if task is not None and task >= 0:
            centred = centred * self.case.present[task]
        return np.column_stack([centred, np.ones((len(X), self.n_constants))])

    def gaussian(self, without=None):
        """Of all rows; those of the table that are `without` have no weight."""
        tasks = []
        for t, ((X, y, v), rows) in enumerate(zip(self.case.tasks, self.case.rows, strict=True)):
            tasks.append((self.rows(X, t), y, v * (rows != without)))
        return DenseGaussian(tasks, self.prior)

    def split(self, coef):
        """Slopes, and the intercept in the features' own origin."""
        slopes = coef[: self.case.n_features]
        constant = coef[-1] if self.n_constants else 0.0
        return slopes, constant - slopes @ self.origin


# --- the model ------------------------------------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weights", [None, "rows", "cells"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_models_are_those_of_dense_algebra(layout, weights, fit_intercept, estimates):
    case = make_case(layout, weights)
    model = HierarchicalRidge(fit_intercept=fit_intercept, **case.init).fit(case.X, case.y, **case.fit)
    check_dense(model, case, estimates[0])


@pytest.mark.parametrize("shape", [{"n": 12}, {"n": 2, "p": 30}], ids=["n > p", "p > n"])
@pytest.mark.parametrize("mean", ["learned", "zero"])
@pytest.mark.parametrize("form", FORMS)
def test_models_of_every_form(form, mean, shape, estimates):
    case = make_case("absent", "rows", **shape)
    model = HierarchicalRidge(form, mean=mean, noise="common", **case.init)
    check_dense(model.fit(case.X, case.y, **case.fit), case, estimates[0])


def check_dense(model, case, estimate):
    """Coefficients, deviations, likelihood and what else `fit` tells."""
    told = InUnits(case, estimate.prior, fit_intercept=model.fit_intercept)
    dense = told.gaussian()
    for t in range(case.n_tasks):
        coef = dense.coef(t)[0] * np.append(case.present[t], np.ones(told.n_constants))
        slopes, intercept = told.split(coef)
        assert_allclose(model.coef_[t], slopes, atol=1e-8)
        assert_allclose(model.intercept_[t], intercept, atol=1e-8)
    slopes, intercept = told.split(dense.coef(None)[0])
    assert_allclose(model.coef_mean_, slopes, atol=1e-8)
    assert_allclose(model.coef_shared_, slopes, atol=1e-8)
    assert_allclose(model.intercept_shared_, intercept, atol=1e-8)
    assert_allclose(model.log_marginal_likelihood_, dense.log_likelihood(), rtol=1e-8, atol=1e-6)
    assert_allclose(model.noise_variance_, told.prior.noise)
    S, p = told.prior.covariance, case.n_features
    assert_allclose(model.coef_covariance_, S[:p] if S.ndim == 1 else S[:p, :p], atol=1e-14)
    variance = np.diag(S) if S.ndim == 2 else S
    assert_allclose(model.intercept_variance_, variance[-1] if model.fit_intercept else 0.0)
    assert np.all((model.feature_sharing_ >= 0) & (model.feature_sharing_ <= 1))
    assert model.n_iter_ == len(model.objective_path_)
    _, std = model.predict(case.X, return_std=True, **tasks_of(case))
    for t, ((X, _, _), rows) in enumerate(zip(case.tasks, case.rows, strict=True)):
        ours = std[rows, t] if std.ndim == 2 else std[rows]
        variance = dense.variance(told.rows(X, t), t) + told.prior.noise[t]
        assert_allclose(ours, np.sqrt(variance), rtol=1e-7)


def tasks_of(case):
    return {name: value for name, value in case.fit.items() if name == "tasks"}


def test_deviation_of_an_unknown_task(estimates):
    case = make_case("column")
    model = HierarchicalRidge(unknown_task="shared", **case.init).fit(case.X, case.y)
    told, X = InUnits(case, estimates[0].prior), case.X.copy()
    X[:, 0] = 99
    predicted, std = model.predict(X, return_std=True)
    dense, Z = told.gaussian(), told.rows(X[:, 1:], None)
    assert_allclose(predicted, Z @ dense.coef(None)[0], atol=1e-8)
    noise = estimates[0].noise_level * told.unit**2
    assert_allclose(std, np.sqrt(dense.variance(Z, -1) + noise), rtol=1e-8)
    ids = X.copy()
    ids[::2, 0] = 1
    known = case.X.copy()
    known[:, 0] = 1
    mixed = np.where(np.arange(len(X)) % 2, std, model.predict(known, return_std=True)[1])
    assert_allclose(model.predict(ids, return_std=True)[1], mixed, rtol=1e-12)


def test_values_of_absent_features_do_not_matter():
    case = make_case("absent")
    model = HierarchicalRidge(**case.init).fit(case.X, case.y)
    filled = np.where(np.isnan(case.X), 1e3, case.X)
    for ours, theirs in zip(
        model.predict(filled, return_std=True), model.predict(case.X, return_std=True), strict=True
    ):
        assert_allclose(ours, theirs, rtol=1e-12)


def test_small_temporary_tables_tell_the_same(monkeypatch):
    case = make_case("outputs_nan", "cells")
    model = HierarchicalRidge(store_loo=True, tol=1e-8)
    whole = model.fit(case.X, case.y, **case.fit)
    expected = [whole.coef_, whole.loo_prediction_, whole.predict(case.X, return_std=True)[1]]
    monkeypatch.setattr(solver, "ROW_ENTRIES", 1)
    again = model.fit(case.X, case.y, **case.fit)
    ours = [again.coef_, again.loo_prediction_, again.predict(case.X, return_std=True)[1]]
    for one, other in zip(ours, expected, strict=True):
        assert_allclose(one, other, rtol=1e-6)


# --- limits ---------------------------------------------------------------------------------


def test_spherical_without_a_mean_is_a_ridge_per_task():
    (X, y), _ = related(n_tasks=5)
    X[:, 1:] /= np.sqrt(np.mean(X[:, 1:] ** 2, axis=0))
    options = {"task_column": 0, "fit_intercept": False}
    model = HierarchicalRidge("spherical", mean="zero", noise="common", **options).fit(X, y)
    alpha = model.noise_variance_[0] / model.coef_covariance_[0]
    ridge = MultiTaskRidge(alpha, **options).fit(X, y)
    assert_allclose(model.coef_, ridge.coef_, atol=1e-7)


def test_one_task_is_a_ridge(estimates):
    (X, y), _ = related(n_tasks=1)
    X = X[:, 1:]
    model = HierarchicalRidge("spherical").fit(X, y)
    prior = estimates[0].prior
    alpha = prior.noise[0] / (prior.covariance[0] + 1.0 / prior.mean_precision[0])
    ridge = Ridge(alpha).fit((X - X.mean(axis=0)) / X.std(axis=0), y)
    assert_allclose(model.coef_[0] * X.std(axis=0), ridge.coef_, atol=1e-8)


def test_only_intercepts_differ():
    (X, y), _ = related()
    model = HierarchicalRidge("intercept", task_column=0).fit(X, y)
    assert_allclose(model.coef_, np.tile(model.coef_mean_, (20, 1)), atol=1e-7)
    assert np.ptp(model.intercept_) > 0.5


def test_without_standardising_features_keep_their_ratios(estimates):
    """Equal to standardising features that have one scale."""
    (X, y), _ = related(n_tasks=5)
    X[:, 1:] = (X[:, 1:] - X[:, 1:].mean(axis=0)) / X[:, 1:].std(axis=0)
    plain, ours = (HierarchicalRidge(task_column=0, standardize=s) for s in (True, False))
    assert_allclose(plain.fit(X, y).coef_, ours.fit(X, y).coef_, atol=1e-6)
    X[:, 1] *= 10.0
    ours.set_params(covariance="spherical").fit(X, y)
    assert_allclose(ours.coef_covariance_, ours.coef_covariance_[0])
    assert np.ptp(plain.set_params(covariance="spherical").fit(X, y).coef_covariance_) > 0


# --- rows left out --------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["diagonal", "full"])
@pytest.mark.parametrize("weights", [None, "rows", "cells", "zeros"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_row_left_out(layout, weights, form, estimates):
    """With all its outputs, and with the variances of all rows."""
    case = make_case(layout, "cells" if weights == "zeros" else weights, n=7, p=4)
    if weights == "zeros":
        given = case.fit["sample_weight"]
        given[np.random.RandomState(0).uniform(size=given.shape) < 0.3] = 0.0
        for t, ((_, _, v), rows) in enumerate(zip(case.tasks, case.rows, strict=True)):
            v[:] = given[rows, t] if given.ndim == 2 else given[rows]
    model = HierarchicalRidge(form, store_loo=True, **case.init).fit(case.X, case.y, **case.fit)
    told = InUnits(case, estimates[0].prior)
    table = np.full(case.y.shape, np.nan)
    for row in range(len(table)):
        dense = told.gaussian(without=row)
        for t in range(case.n_tasks):
            place = (row, t) if table.ndim == 2 else row
            if table.ndim == 2:
                X = case.X[[row]].toarray() if sparse.issparse(case.X) else case.X[[row]]
            elif row in case.rows[t]:
                X = case.tasks[t][0][case.rows[t] == row]
            else:
                continue
            table[place] = (told.rows(X, t) @ dense.coef(t)[0])[0]
    assert_allclose(model.loo_prediction_, table, atol=1e-8)


def test_a_missing_output_of_a_row_whose_feature_is_absent():
    """Task 1 has the second feature in none of its rows, task 0 in all."""
    rng = np.random.RandomState(0)
    X, Y = rng.normal(size=(12, 2)), rng.normal(size=(12, 2))
    X[:5, 1], Y[5:, 1], Y[:5, 0] = np.nan, np.nan, np.nan
    model = HierarchicalRidge(store_loo=True).fit(X, Y)
    assert model.absent_features_.tolist() == [[False, False], [False, True]]
    assert np.isfinite(model.loo_prediction_).all()


@pytest.mark.parametrize("y", [[[1.0, 2.0]], [[3.0, 3.0], [3.0, np.nan]]])
def test_no_row_is_left(y):
    X = np.arange(2.0 * len(y)).reshape(-1, 2)
    model = HierarchicalRidge(store_loo=True).fit(X, y)
    assert np.isfinite(model.loo_prediction_).all()


# --- what is learned ------------------------------------------------------------------------


def test_intervals_cover():
    """New rows of seen and of unseen tasks are within 1.96 deviations in 95 % of cases."""
    seen, unseen = [], []
    for seed in range(4):
        train, test = related(seed, n_tasks=120, n=10, n_test=40)
        old = [rows[0] < 60 for rows in (train[0].T, test[0].T)]
        model = HierarchicalRidge(task_column=0, unknown_task="shared")
        model.fit(train[0][old[0]], train[1][old[0]])
        mean, std = model.predict(test[0], return_std=True)
        inside = np.abs(test[1] - mean) < 1.96 * std
        seen.append(inside[old[1]].mean())
        unseen.append(inside[~old[1]].mean())
    assert abs(np.mean(seen) - 0.95) < 0.02
    assert abs(np.mean(unseen) - 0.95) < 0.02


def test_sharing_of_features():
    """None of what differs between tasks and many rows tell of; most of what is common to all."""
    (X, y), _ = related(n=300, n_tasks=12, spread=(0.0, 0.0, 2.0, 2.0))
    model = HierarchicalRidge(task_column=0).fit(X, y)
    assert model.feature_sharing_[2:].max() < 0.02
    assert model.coef_covariance_[:2].max() < 0.01
    assert_allclose(model.coef_covariance_[2:], 4.0, rtol=0.6)
    (X, y), _ = related(n=20, n_tasks=100, spread=(0.0, 0.0, 2.0, 2.0))
    assert HierarchicalRidge(task_column=0).fit(X, y).feature_sharing_[:2].min() > 0.85


def test_held_out_rows_and_rows_left_out_agree():
    train, test = related(n_tasks=60, n=15)
    model = HierarchicalRidge(task_column=0, store_loo=True).fit(*train)
    left_out = np.mean((train[1] - model.loo_prediction_) ** 2)
    held_out = np.mean((test[1] - model.predict(test[0])) ** 2)
    assert_allclose(left_out, held_out, rtol=0.1)
    pooled = Ridge().fit(train[0][:, 1:], train[1])
    assert held_out < 0.5 * np.mean((test[1] - pooled.predict(test[0][:, 1:])) ** 2)
    alone = MultiTaskRidge(1.0, task_column=0).fit(*train)
    assert held_out < np.mean((test[1] - alone.predict(test[0])) ** 2)


# --- units and containers -------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_units_do_not_matter(form, estimates):
    (X, y), _ = related(n_tasks=5)
    moved = X.copy()
    moved[:, 1:] = moved[:, 1:] * [1e-3, 1.0, 30.0, 1e4] + [5.0, -1.0, 0.0, 3e4]
    model = HierarchicalRidge(form, task_column=0, store_loo=True)
    plain = pickle.loads(pickle.dumps(model.fit(X, y)))
    model.fit(moved, 100.0 * y - 7.0)
    mean, std = plain.predict(X, return_std=True)
    ours, deviation = model.predict(moved, return_std=True)
    assert_allclose(ours, 100.0 * mean - 7.0, rtol=1e-4, atol=1e-2)
    assert_allclose(deviation, 100.0 * std, rtol=1e-4)
    assert_allclose(model.loo_prediction_, 100.0 * plain.loo_prediction_ - 7.0, atol=1e-2)
    assert_allclose(model.feature_sharing_, plain.feature_sharing_, atol=1e-3)
    n_scaled = len(y) - 1
    expected = plain.log_marginal_likelihood_ - n_scaled * np.log(100.0)
    assert_allclose(model.log_marginal_likelihood_, expected, atol=1e-2)


def test_weights_are_copies():
    (X, y), _ = related(n_tasks=4, n=12)
    copies = np.random.RandomState(0).randint(0, 4, size=len(y))
    ours = HierarchicalRidge(task_column=0, tol=1e-10).fit(X, y, sample_weight=copies)
    theirs = HierarchicalRidge(task_column=0, tol=1e-10)
    theirs.fit(np.repeat(X, copies, axis=0), np.repeat(y, copies))
    for name in ("coef_", "noise_variance_", "log_marginal_likelihood_"):
        assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-3, atol=1e-4)
    assert_allclose(
        ours.predict(X, return_std=True)[1], theirs.predict(X, return_std=True)[1], rtol=1e-3
    )


@pytest.mark.parametrize("kind", SPARSE)
def test_sparse_is_dense(kind):
    case = make_case("csr_matrix", "rows", n=20)
    model = HierarchicalRidge(task_column=0, store_loo=True)
    dense = model.fit(case.X.toarray(), case.y, **case.fit)
    expected = [dense.coef_, dense.loo_prediction_, *dense.predict(case.X.toarray(), return_std=True)]
    X = SPARSE[kind](case.X)
    model.fit(X, case.y, **case.fit)
    ours = [model.coef_, model.loo_prediction_, *model.predict(X, return_std=True)]
    for one, other in zip(ours, expected, strict=True):
        assert_allclose(one, other, rtol=1e-5)


def test_float32():
    (X, y), _ = related()
    model = HierarchicalRidge(task_column=0).fit(X.astype(np.float32), y)
    mean, std = model.predict(X.astype(np.float32), return_std=True)
    assert mean.dtype == std.dtype == model.coef_.dtype == np.float32
    exact = HierarchicalRidge(task_column=0).fit(X, y)
    expected, deviation = exact.predict(X, return_std=True)
    assert_allclose(mean, expected, atol=1e-3)
    assert_allclose(std, deviation, rtol=1e-3)


# --- hard data ------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("y_scale", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("x_scale", [1e-8, 1e8])
def test_scales(x_scale, y_scale, form):
    (X, y), _ = related(n_tasks=4, n=8)
    model = HierarchicalRidge(form, task_column=0, store_loo=True)
    expected, deviation = model.fit(X, y).predict(X, return_std=True)
    X[:, 1:] *= x_scale
    mean, std = model.fit(X, y_scale * y).predict(X, return_std=True)
    assert_allclose(mean, y_scale * expected, atol=1e-3 * y_scale)
    assert_allclose(std, y_scale * deviation, rtol=1e-3)
    assert np.isfinite(model.loo_prediction_).all()


@pytest.mark.parametrize("form", FORMS)
def test_hard_tables(form):
    """Constants, duplicates, tasks of one row or one target; without warnings."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(20, 6))
    X[:, 1], X[:, 2], X[3] = 1e8, X[:, 0], X[2]
    codes = np.array([0] * 10 + [1] * 8 + [2, 3])
    y = X[:, 0] + rng.normal(size=20)
    y[codes == 1] = 2.0
    tables = [(X, y), (X, np.full(20, 3.0)), (np.ones((20, 6)), y), (X, X[:, 0] + codes)]
    for features, target in tables:
        model = HierarchicalRidge(form, store_loo=True).fit(features, target, tasks=codes)
        mean, std = model.predict(features, tasks=codes, return_std=True)
        assert np.isfinite(mean).all()
        assert np.isfinite(model.loo_prediction_).all()
        assert np.all(std > 0)
        assert np.all(np.diff(model.objective_path_) >= -1e-7)
        if np.ptp(target) == 0:
            assert_allclose(mean, target)


@pytest.mark.parametrize("form", FORMS)
def test_one_row_tasks(form):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(30, 3))
    y = X @ [1.0, -1.0, 0.0] + 0.1 * rng.normal(size=30)
    model = HierarchicalRidge(form).fit(X, y, tasks=np.arange(30))
    assert_allclose(model.coef_mean_, [1.0, -1.0, 0.0], atol=0.3)


def test_too_large_scales_are_an_error():
    (X, y), _ = related(n_tasks=2)
    with pytest.raises(ValueError, match="scale of y exceeds"):
        HierarchicalRidge().fit(X, 1e200 * y)
    with pytest.raises(ValueError, match="scale of X exceeds"):
        HierarchicalRidge().fit(1e200 * X, y)


def test_too_many_features(monkeypatch):
    rng = np.random.RandomState(0)
    X, Y = rng.normal(size=(8, 5)), rng.normal(size=(8, 4))
    monkeypatch.setattr(solver, "LARGEST_TABLE", 10)
    with pytest.raises(ValueError, match=r"5 features are too many .* 4 tasks and 8 rows: reduce"):
        HierarchicalRidge().fit(X, Y)
    monkeypatch.setattr(solver, "LARGEST_TABLE", 10**6)
    monkeypatch.setattr(solver, "LARGEST_MATRIX", 5)
    with pytest.raises(ValueError, match="MultiTaskLassoCV"):
        HierarchicalRidge().fit(X, Y)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"covariance": "round"}, "covariance='round' is not one of diagonal, spherical"),
        ({"mean": 0}, "mean=0 is not one of learned, zero"),
        ({"noise": "none"}, "noise='none' is not one of per_task, common"),
        ({"covariance": "low_rank", "rank": 0}, "rank=0 must be finite and >= 1"),
        ({"tol": -1.0}, "tol=-1.0 must be"),
        ({"max_iter": 0}, "max_iter=0 must be"),
        ({"random_state": "seed"}, "seed"),
        ({"unknown_task": "guess"}, "unknown_task='guess' is not one of"),
    ],
)
def test_wrong_parameters(parameters, message):
    (X, y), _ = related(n_tasks=2)
    with pytest.raises(ValueError, match=message):
        HierarchicalRidge(**parameters).fit(X, y)


def test_rank_is_an_integer():
    (X, y), _ = related(n_tasks=2)
    with pytest.raises(TypeError, match=r"rank must be an integer, not 1\.5"):
        HierarchicalRidge("low_rank", rank=1.5).fit(X, y)


def test_too_few_steps_warn():
    (X, y), _ = related(n_tasks=4)
    with pytest.warns(ConvergenceWarning, match="did not converge in 1 steps to tol=1e-09"):
        HierarchicalRidge(task_column=0, max_iter=1, tol=1e-9).fit(X, y)


def test_random_states():
    (X, y), _ = related(n_tasks=6)
    model = HierarchicalRidge("low_rank", task_column=0)
    expected = model.fit(X, y).coef_
    ours = model.set_params(random_state=np.random.RandomState(0)).fit(X, y).coef_
    assert_allclose(ours, expected, rtol=1e-12)


def test_lists_of_tables():
    (X, y), _ = related(n_tasks=3)
    tables = [X[X[:, 0] == t, 1:] for t in range(3)]
    again = stack_tasks(tables, [y[X[:, 0] == t] for t in range(3)])
    model = HierarchicalRidge(task_column=0)
    assert_allclose(model.fit(*again).coef_, model.fit(X, y).coef_)
