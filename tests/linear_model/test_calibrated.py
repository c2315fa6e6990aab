"""The calibrated multi-task lasso against cvxpy, its dual, and what its name promises."""

import warnings

import numpy as np
import pytest
from helpers import LAYOUTS, make_case
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from skmtl import CalibratedMultiTaskLasso, MultiTaskLasso, TaskKFold
from skmtl.solvers import calibrated as solver

FACTOR = [1.0, 0.0, 0.3, 2.0, 1.0]
TIGHT = {"tol": 1e-10}


def roots(case, coef, intercept):
    """Root mean square residual of every task."""
    squares = [
        np.sum(v * (y - X @ w - b) ** 2) / v.sum()
        for (X, y, v), w, b in zip(case.tasks, coef, intercept, strict=True)
    ]
    return np.sqrt(squares)


def objective(case, coef, intercept, alpha, factor=None):
    factor = np.ones(case.n_features) if factor is None else np.asarray(factor)
    penalty = alpha * factor @ np.linalg.norm(coef, axis=0)
    return roots(case, coef, intercept).sum() + penalty


def optimum(case, alpha, factor=None, *, fit_intercept=True):
    """The minimum of the documented objective, found by an interior-point method."""
    cvxpy = pytest.importorskip("cvxpy", reason="the oracle is cvxpy")
    W, b = cvxpy.Variable((case.n_features, case.n_tasks)), cvxpy.Variable(case.n_tasks)
    factor = np.ones(case.n_features) if factor is None else np.asarray(factor)
    terms = [alpha * factor @ cvxpy.norm(W, 2, axis=1)]
    for t, (X, y, v) in enumerate(case.tasks):
        error = y - X @ W[:, t] - (b[t] if fit_intercept else 0.0)
        terms.append(cvxpy.norm(cvxpy.multiply(np.sqrt(v / v.sum()), error)))
    problem = cvxpy.Problem(cvxpy.Minimize(sum(terms)))
    tolerances = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-11)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem.solve(solver="CLARABEL", **tolerances)
    return problem.value


def assert_optimal(case, alpha, factor=None, **options):
    model = CalibratedMultiTaskLasso(alpha, penalty_factor=factor, **options, **TIGHT, **case.init)
    model.fit(case.X, case.y, **case.fit)
    value = objective(case, model.coef_, model.intercept_, alpha, factor)
    best = optimum(case, alpha, factor, fit_intercept=options.get("fit_intercept", True))
    assert_allclose(value, best, rtol=1e-6)
    assert model.dual_gap_ <= 1e-10
    assert_allclose(model.noise_, roots(case, model.coef_, model.intercept_), rtol=1e-6)
    return model


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("alpha", [0.1, 0.5])
def test_is_optimal_in_every_layout(layout, alpha):
    assert_optimal(make_case(layout, n=20), alpha)


@pytest.mark.parametrize("layout", ["column", "outputs", "outputs_nan", "csr_matrix"])
@pytest.mark.parametrize("weights", ["rows", "cells"])
def test_with_weights(layout, weights):
    if weights == "cells" and "outputs" not in layout:
        pytest.skip("own rows have one weight each")
    assert_optimal(make_case(layout, weights, n=20), 0.3)


@pytest.mark.parametrize("layout", ["column", "outputs", "csc_array", "outputs_csr_array"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_penalty_factors_and_intercepts(layout, fit_intercept):
    case = make_case(layout, n=20)
    model = assert_optimal(case, 0.3, FACTOR, fit_intercept=fit_intercept)
    assert model.coef_[:, 1].all()


@pytest.mark.parametrize("layout", ["vector", "outputs"])
@pytest.mark.parametrize("n_tasks", [2, 4])
def test_more_features_than_rows(layout, n_tasks):
    case = make_case(layout, n=15, p=40, n_tasks=n_tasks, noise=1.0)
    assert_optimal(case, 0.5 * np.sqrt(n_tasks))


@pytest.mark.parametrize("alpha", [0.02, 0.5, 2.0])
def test_one_task_is_the_square_root_lasso(alpha):
    case = make_case("outputs", n=30, n_tasks=1)
    assert_optimal(case, alpha)


@pytest.mark.parametrize("layout", ["column", "outputs_nan"])
@pytest.mark.parametrize("factor", [None, FACTOR])
def test_alpha_max(layout, factor):
    case = make_case(layout, n=20)
    model = CalibratedMultiTaskLasso(1.0, penalty_factor=factor, **case.init)
    alpha_max = model.fit(case.X, case.y, **case.fit).alpha_max_
    penalised = np.ones(5, bool) if factor is None else np.array(factor) > 0
    for share, some in ((1.0001, False), (0.999, True)):
        model.set_params(alpha=share * alpha_max).fit(case.X, case.y, **case.fit)
        assert model.coef_[:, penalised].any() == some


def planted(scale, seed=0, n=60, p=30):
    """Four tasks with their own rows, whose targets come in units of their own."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(4), n)
    coef = np.zeros((4, p))
    coef[:, :4] = rng.choice([-1.0, 1.0], size=(4, 4)) * rng.uniform(1, 2, size=(4, 4))
    X = rng.normal(size=(len(codes), p))
    signal, noise = np.sum(X * coef[codes], axis=1), rng.normal(size=len(codes))
    return codes, X, signal, np.asarray(scale)[codes] * noise


def test_alpha_does_not_depend_on_the_noise():
    """What the default alpha keeps out is noise of any level; the squared loss cannot do so."""
    support, squared = [], []
    for scale in ([1.0, 1.0, 1.0, 1.0], [0.1, 1.0, 0.3, 1.0], [1.0, 0.02, 1.0, 3.0]):
        codes, X, signal, noise = planted(scale)
        model = CalibratedMultiTaskLasso().fit(X, signal + noise, tasks=codes)
        support.append(np.flatnonzero(model.coef_.any(axis=0)))
        assert not CalibratedMultiTaskLasso().fit(X, noise, tasks=codes).coef_.any()
        assert_allclose(CalibratedMultiTaskLasso().fit(X, noise, tasks=codes).alpha_, model.alpha_)
        squared.append(MultiTaskLasso(0.15).fit(X, noise, tasks=codes).coef_.any(axis=0).sum())
    for found in support:
        assert_array_equal(found, np.arange(4))
    assert np.ptp(squared) > 5


def test_units_of_all_targets_only_scale():
    codes, X, signal, noise = planted(np.ones(4))
    y = signal + noise
    model = CalibratedMultiTaskLasso(0.5, **TIGHT).fit(X, y, tasks=codes)
    for unit in (1e-6, 1e6):
        other = CalibratedMultiTaskLasso(0.5, **TIGHT).fit(X, unit * y, tasks=codes)
        assert_allclose(other.coef_ / unit, model.coef_, rtol=1e-5, atol=1e-7)
        assert_allclose(other.noise_ / unit, model.noise_, rtol=1e-6)


def test_default_alpha():
    codes, X, signal, noise = planted(np.ones(4))
    X = X - np.array([X[codes == t].mean(axis=0) for t in range(4)])[codes]
    X /= np.array([X[codes == t].std(axis=0) for t in range(4)])[codes]
    model = CalibratedMultiTaskLasso().fit(X, signal + noise, tasks=codes)
    assert_allclose(model.alpha_, 1.1 * (2.0 + np.sqrt(2 * np.log(30))) / np.sqrt(60))
    wider = CalibratedMultiTaskLasso().fit(10 * X, signal + noise, tasks=codes)
    assert_allclose(wider.alpha_, 10 * model.alpha_)
    assert_allclose(10 * wider.coef_, model.coef_, atol=1e-4)


def test_it_is_a_lasso_weighted_by_its_noise():
    case = make_case("column", n=20)
    model = assert_optimal(case, 0.4)
    sizes = np.array([len(y) for _, y, _ in case.tasks])
    weights = case.n_bar / (sizes * model.noise_)
    lasso = MultiTaskLasso(0.4, task_weight=weights, tol=1e-12, **case.init).fit(case.X, case.y)
    assert_allclose(lasso.coef_, model.coef_, atol=1e-5)


@pytest.mark.parametrize("kind", ["constant", "all constant", "one row", "no weight", "exact"])
def test_tasks_without_noise(kind):
    codes, X, signal, noise = planted(np.ones(4), p=5)
    y, weights = signal + noise, np.ones(len(codes))
    if "constant" in kind:
        y = np.where((codes == 1) | (kind == "all constant"), 2.0, y)
    if kind == "one row":
        weights[np.flatnonzero(codes == 1)[1:]] = 0.0
    if kind == "no weight":
        weights[codes == 1] = 0.0
    if kind == "exact":
        y = np.where(codes == 1, signal, y)
    model = CalibratedMultiTaskLasso(0.1, **{**TIGHT, "tol": 1e-8})
    model.fit(X, y, tasks=codes, sample_weight=weights)
    assert np.isfinite(model.coef_).all()
    assert np.isfinite(model.noise_).all()
    if kind in ("constant", "one row", "all constant"):
        assert model.noise_[1] < 1e-12
        assert not model.coef_[1].any()
    if kind == "no weight":
        rest = codes != 1
        alone = CalibratedMultiTaskLasso(0.1, tol=1e-8).fit(X[rest], y[rest], tasks=codes[rest])
        assert_allclose(model.coef_[[0, 2, 3]], alone.coef_, atol=1e-6)


def test_interpolation_is_certified():
    """With far more features than rows all tasks are fitted up to the lower bound."""
    codes, X, signal, noise = planted(np.ones(4), n=8, p=60)
    y = signal + noise
    model = CalibratedMultiTaskLasso(0.01).fit(X, y, tasks=codes)
    null = np.array([y[codes == t].std() for t in range(4)])
    assert (model.noise_ < 2e-3 * null).all()
    assert model.dual_gap_ < 1e-6


def test_forms_of_the_quadratic_agree(monkeypatch):
    """One Gram matrix per task, or one matrix of rows for all."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 300))
    y = X[:, :5] @ rng.normal(size=(5, 6)) + np.geomspace(0.1, 2, 6) * rng.normal(size=(40, 6))
    expected = CalibratedMultiTaskLasso(tol=1e-9).fit(X, y)
    sparse_X = CalibratedMultiTaskLasso(tol=1e-9).fit(sparse.csr_array(X), y)
    assert_allclose(sparse_X.coef_, expected.coef_, atol=1e-5)
    monkeypatch.setattr(solver, "LARGEST_STACK", 0)
    X = X[:, :50]
    by_rows = CalibratedMultiTaskLasso(tol=1e-9).fit(X, y)
    monkeypatch.undo()
    assert_allclose(by_rows.coef_, CalibratedMultiTaskLasso(tol=1e-9).fit(X, y).coef_, atol=1e-5)


def test_warm_start_and_too_few_rounds():
    codes, X, signal, noise = planted([0.2, 1.0, 1.0, 3.0])
    model = CalibratedMultiTaskLasso(0.3, warm_start=True).fit(X, signal + noise, tasks=codes)
    assert model.n_iter_ > 3
    assert model.fit(X, signal + noise, tasks=codes).n_iter_ == 1
    with pytest.warns(ConvergenceWarning, match="max_iter is 1"):
        CalibratedMultiTaskLasso(0.3, max_iter=1).fit(X, signal + noise, tasks=codes)


def test_grid_search():
    codes, X, signal, noise = planted([0.2, 1.0, 1.0, 3.0])
    X = np.column_stack([codes, X])
    grid = {"alpha": [0.05, 0.3, 3.0]}
    cv = TaskKFold(3, task_column=0, shuffle=True, random_state=0)
    search = GridSearchCV(CalibratedMultiTaskLasso(task_column=0), grid, cv=cv)
    assert search.fit(X, signal + noise).best_params_["alpha"] < 3.0


@pytest.mark.parametrize("alpha", [0.0, -1.0, np.inf])
def test_alpha_out_of_range(alpha):
    with pytest.raises(ValueError, match="alpha"):
        CalibratedMultiTaskLasso(alpha).fit(np.eye(3), np.arange(3.0))
