"""Hierarchical ridge against dense algebra in the units of the data, its limits and its layouts."""

import numpy as np
import pytest
from gaussian import DenseGaussian, related
from helpers import LAYOUTS, feature_origin, make_case
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.linear_model import Ridge

from skmtl import HierarchicalRidge, MultiTaskRidge
from skmtl.solvers import hierarchical as solver
from skmtl.solvers.random_coefficients import Prior

FORMS = ["diagonal", "spherical", "intercept", "full", "low_rank"]


class InUnits:
    """The dense Gaussian of a case in the units of its data, with the variances of an estimate."""

    def __init__(self, case, prior, *, fit_intercept=True):
        self.origin = feature_origin(case) if fit_intercept else np.zeros(case.n_features)
        self.n_constants, self.case = int(fit_intercept), case
        total, weight, y, v = (
            0.0,
            0.0,
            *(np.concatenate([t[k] for t in case.tasks]) for k in (1, 2)),
        )
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
    model = HierarchicalRidge(fit_intercept=fit_intercept, **case.init).fit(
        case.X, case.y, **case.fit
    )
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
        assert_allclose(ours**2, variance, rtol=1e-7, atol=1e-9 * told.unit**2)


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
    """Squared mean over mean square: near 1 for equal coefficients, near 0 for opposite ones."""
    (X, y), _ = related(n=300, n_tasks=12, spread=(0.0, 0.0, 2.0, 2.0))
    model = HierarchicalRidge(task_column=0).fit(X, y)
    expected = model.coef_.mean(axis=0) ** 2 / np.mean(model.coef_**2, axis=0)
    assert_allclose(model.feature_sharing_, expected)
    assert model.feature_sharing_[:2].min() > 0.95
    assert model.coef_covariance_[:2].max() < 0.01
    assert_allclose(model.coef_covariance_[2:], 4.0, rtol=0.6)
    rng = np.random.RandomState(0)
    features, ids = rng.normal(size=(400, 2)), np.repeat(np.arange(8), 50)
    y = 2.0 * features[:, 0] + (-1.0) ** ids * features[:, 1] + 0.3 * rng.normal(size=400)
    shared = HierarchicalRidge().fit(features, y, tasks=ids).feature_sharing_
    assert_allclose(shared, [1.0, 0.0], atol=0.05)


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
