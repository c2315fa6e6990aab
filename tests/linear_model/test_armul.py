"""ARMUL: the optimum by another solver, limits, and planted structures."""

import cvxpy
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge

from skmtl import ARMUL, MeanRegularizedRidge
from tests.helpers import LAYOUTS, feature_origin, make_case


def objective(case, model, *, alpha, alpha_intercept, ridge, task_weight=None):
    """The objective of the docstring, from the rows, for one centre."""
    origin = feature_origin(case, task_weight) if model.fit_intercept else 0.0
    total = 0.0
    for t, (X, y, v) in enumerate(case.weighted_tasks(task_weight)):
        w, b, seen = model.coef_[t], model.intercept_[t], case.present[t]
        total += 0.5 * v @ (y - X @ w - b) ** 2 + 0.5 * ridge * w @ w
        distance = (w - model.coef_shared_)[seen]
        total += alpha * np.sqrt(v.sum()) * np.linalg.norm(distance)
        if model.fit_intercept:
            ours = b + origin @ w
            shared = model.intercept_shared_ + origin @ model.coef_shared_
            total += 0.5 * alpha_intercept * (ours - shared) ** 2
    return total


def optimum(case, *, alpha, alpha_intercept, ridge, task_weight=None, fit_intercept=True):
    p, n_tasks = case.n_features, case.n_tasks
    W, z = cvxpy.Variable((n_tasks, p)), cvxpy.Variable(p)
    b, c = cvxpy.Variable(n_tasks), cvxpy.Variable()
    origin = feature_origin(case, task_weight) if fit_intercept else np.zeros(p)
    total = 0.0
    for t, (X, y, v) in enumerate(case.weighted_tasks(task_weight)):
        seen = case.present[t].astype(float)
        fitted = (X - origin * seen) @ W[t]
        fitted = fitted + b[t] if fit_intercept else fitted
        total += 0.5 * cvxpy.sum_squares(cvxpy.multiply(np.sqrt(v), y - fitted))
        total += 0.5 * ridge * cvxpy.sum_squares(cvxpy.multiply(seen, W[t]))
        total += alpha * np.sqrt(v.sum()) * cvxpy.norm(cvxpy.multiply(seen, W[t] - z))
        total += 0.5 * alpha_intercept * cvxpy.square(b[t] - c)
    return cvxpy.Problem(cvxpy.Minimize(total)).solve(solver="CLARABEL")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weights", [None, "rows", "cells"])
def test_optimum(layout, weights):
    if weights == "cells" and "outputs" not in layout:
        pytest.skip("cells have weights for outputs only")
    for shape, alpha, ridge in [({}, 3.0, 0.0), ({"n": 5, "p": 9}, 1.0, 0.4)]:
        case = make_case(layout, weights, n_tasks=4, **shape)
        penalties = {"alpha": alpha, "alpha_intercept": 2.0, "ridge": ridge}
        model = ARMUL(**penalties, tol=1e-10, **case.init).fit(case.X, case.y, **case.fit)
        assert model.dual_gap_ <= 1e-10
        ours = objective(case, model, **penalties)
        assert_allclose(model.objective_path_[-1], ours, rtol=1e-9)
        assert_allclose(ours, optimum(case, **penalties), rtol=1e-6)


@pytest.mark.parametrize(
    "options",
    [{"fit_intercept": False}, {"task_weight": "balanced"}, {"task_weight": [1.0, 2.0, 0.5, 3.0]}],
    ids=str,
)
@pytest.mark.parametrize("layout", ["column", "absent", "outputs"])
def test_optimum_with_options(layout, options):
    case = make_case(layout, "rows", n_tasks=4)
    penalties = {"alpha": 2.0, "alpha_intercept": 2.0, "ridge": 0.1}
    model = ARMUL(**penalties, **options, tol=1e-10, **case.init)
    model.fit(case.X, case.y, **case.fit)
    given = {"task_weight": options.get("task_weight")}
    ours = objective(case, model, **penalties, **given)
    assert_allclose(ours, optimum(case, **penalties, **options), rtol=1e-6)


@pytest.mark.parametrize("layout", ["column", "absent", "csr_matrix", "outputs", "outputs_nan"])
@pytest.mark.parametrize("alpha_intercept", [0.0, 1.5])
def test_a_large_alpha_is_pooled_ridge_with_shrunken_intercepts(layout, alpha_intercept):
    case = make_case(layout, "rows", n_tasks=4)
    model = ARMUL(1e4, alpha_intercept=alpha_intercept, ridge=0.3, **case.init)
    model.fit(case.X, case.y, **case.fit)
    pooled = MeanRegularizedRidge(
        0.3 * 4 if layout != "absent" else 0.0,
        alpha_task=1e10,
        alpha_intercept=alpha_intercept,
        **case.init,
    )
    assert model.pooled_tasks_.all()
    assert not model.outlier_tasks_.any()
    if layout == "absent":  # there a feature is penalised once per task that has it
        model.set_params(ridge=0.0).fit(case.X, case.y, **case.fit)
    pooled.fit(case.X, case.y, **case.fit)
    assert_allclose(model.coef_, pooled.coef_, rtol=1e-5, atol=1e-6)
    assert_allclose(model.intercept_, pooled.intercept_, rtol=1e-5, atol=1e-5)
    for t in range(4):
        seen = case.present[t]
        assert_array_equal(model.coef_[t, seen], model.coef_shared_[seen])


@pytest.mark.parametrize("layout", ["column", "absent", "outputs", "outputs_nan"])
def test_alpha_zero_is_ridge_per_task(layout):
    case = make_case(layout, "rows", n_tasks=4)
    model = ARMUL(0.0, alpha_intercept=0.0, ridge=0.5, **case.init)
    model.fit(case.X, case.y, **case.fit)
    for t, (X, y, v) in enumerate(case.tasks):
        alone = Ridge(0.5).fit(X, y, sample_weight=v)
        assert_allclose(model.coef_[t], alone.coef_, rtol=1e-6, atol=1e-8)
        assert_allclose(model.intercept_[t], alone.intercept_, rtol=1e-6, atol=1e-8)
    assert model.outlier_tasks_.all()
    penalties = {"alpha": 0.0, "alpha_intercept": 3.0, "ridge": 0.5}
    model = ARMUL(**penalties, **case.init).fit(case.X, case.y, **case.fit)
    ours = objective(case, model, **penalties)
    assert_allclose(ours, optimum(case, **penalties), rtol=1e-6)


def test_one_task_is_ridge():
    case = make_case("column", n_tasks=1)
    X, y, _ = case.tasks[0]
    model = ARMUL(5.0, ridge=0.7).fit(X, y)
    alone = Ridge(0.7).fit(X, y)
    assert_allclose(model.coef_[0], alone.coef_, rtol=1e-8)
    assert_allclose(model.intercept_[0], alone.intercept_, rtol=1e-8)


def planted(coef, n=25, noise=0.4, seed=0):
    rng = np.random.RandomState(seed)
    codes = np.repeat(np.arange(len(coef)), n)
    X = rng.normal(size=(len(codes), coef.shape[1]))
    y = np.sum(X * coef[codes], axis=1) + noise * rng.normal(size=len(codes))
    return np.column_stack([codes, X]), y


def test_an_outlier_keeps_its_own_model():
    rng = np.random.RandomState(0)
    coef = np.tile(rng.normal(size=6), (12, 1))
    coef[4] = 5.0 * rng.normal(size=6)
    X, y = planted(coef)
    model = ARMUL(2.0, task_column=0).fit(X, y)
    assert_array_equal(np.flatnonzero(model.outlier_tasks_), [4])
    assert_allclose(model.coef_[4], coef[4], atol=0.6)
    assert_allclose(model.coef_shared_, coef[0], atol=0.2)
    # However far it is, the outlier does not move the others any further.
    coef[4] *= 1000.0
    far = ARMUL(2.0, task_column=0).fit(*planted(coef))
    assert_allclose(far.coef_shared_, model.coef_shared_, atol=0.05)


def test_clusters_are_found():
    rng = np.random.RandomState(1)
    centers = 5.0 * rng.normal(size=(3, 6))
    labels = np.arange(18) % 3
    coef = centers[labels]
    coef[7] += 5.0 * rng.normal(size=6)
    X, y = planted(coef)
    model = ARMUL(2.5, structure="clusters", n_clusters=3, random_state=0, task_column=0)
    model.fit(X, y)
    found = model.task_labels_
    others = np.arange(18) != 7
    for k in range(3):
        assert len(set(found[others & (labels == k)])) == 1
    assert len(set(found.tolist())) == 3
    assert_array_equal(np.flatnonzero(model.outlier_tasks_), [7])
    assert_allclose(model.centers_[found[:3]], centers, atol=0.2)
    assert_array_equal(model.coef_[0], model.centers_[found[0]])
    assert (np.diff(model.objective_path_) <= 1e-12 * model.objective_path_[0]).all()
    again = ARMUL(2.5, structure="clusters", n_clusters=3, random_state=0, task_column=0)
    assert_array_equal(again.fit(X, y).coef_, model.coef_)


@pytest.mark.parametrize("layout", ["column", "absent", "outputs_nan", "csr_matrix"])
def test_given_the_clusters_each_is_a_problem_with_one_centre(layout):
    case = make_case(layout, "rows", n_tasks=6, n=15)
    options = {"alpha": 1.5, "alpha_intercept": 0.7, "ridge": 0.1, "tol": 1e-10}
    model = ARMUL(structure="clusters", random_state=0, **options, **case.init)
    model.fit(case.X, case.y, **case.fit)
    one = ARMUL(**options, **case.init).fit(case.X, case.y, **case.fit)
    assert model.objective_path_[-1] <= one.objective_path_[-1]
    single = ARMUL(structure="clusters", n_clusters=1, **options, **case.init)
    single.fit(case.X, case.y, **case.fit)
    assert_allclose(single.coef_, one.coef_, rtol=1e-6, atol=1e-7)
    many = ARMUL(structure="clusters", n_clusters=6, **options, **case.init)
    many.fit(case.X, case.y, **case.fit)
    assert many.pooled_tasks_.all()  # every task is its own centre


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_a_subspace_is_found(ridge):
    rng = np.random.RandomState(2)
    basis = np.linalg.qr(rng.normal(size=(7, 2)))[0].T
    coef = 2.0 * rng.normal(size=(20, 2)) @ basis
    coef[3] += 5.0 * rng.normal(size=7)
    X, y = planted(coef, noise=0.2)
    model = ARMUL(1.5, structure="subspace", rank=2, ridge=ridge, task_column=0).fit(X, y)
    assert 3 in np.flatnonzero(model.outlier_tasks_)
    assert model.outlier_tasks_.sum() <= 3
    assert_allclose(model.components_ @ model.components_.T, np.eye(2), atol=1e-10)
    assert np.linalg.svd(model.components_ @ basis.T)[1].min() > 0.99
    projected = model.centers_ @ model.components_.T @ model.components_
    assert_allclose(projected, model.centers_, atol=1e-9)
    assert (np.diff(model.objective_path_) <= 1e-12 * model.objective_path_[0]).all()


@pytest.mark.parametrize("layout", ["column", "absent", "outputs_nan", "csr_matrix"])
def test_a_subspace_of_all_dimensions_leaves_tasks_alone(layout):
    case = make_case(layout, n_tasks=6, n=15, p=4)
    model = ARMUL(structure="subspace", rank=4, alpha_intercept=0.0, ridge=0.5, **case.init)
    model.fit(case.X, case.y, **case.fit)
    alone = ARMUL(0.0, alpha_intercept=0.0, ridge=0.5, **case.init)
    alone.fit(case.X, case.y, **case.fit)
    assert_allclose(model.predict(case.X), alone.predict(case.X), atol=0.02)


def test_a_warm_start_needs_no_step():
    case = make_case("column", n_tasks=6)
    model = ARMUL(1.0, warm_start=True, **case.init).fit(case.X, case.y)
    coef = model.coef_
    assert len(model.fit(case.X, case.y).objective_path_) == 1
    assert_allclose(model.coef_, coef, rtol=1e-4, atol=1e-5)


def test_no_convergence_warns():
    case = make_case("column", n_tasks=6)
    with pytest.warns(ConvergenceWarning, match="gap"):
        ARMUL(0.05, tol=1e-12, max_iter=1, **case.init).fit(case.X, case.y)


def test_constant_targets():
    case = make_case("column", n_tasks=3)
    for structure in ("common", "clusters", "subspace"):
        model = ARMUL(1.0, structure=structure, **case.init).fit(case.X, np.full(len(case.y), 3.0))
        assert_allclose(model.coef_, 0.0, atol=1e-12)
        assert_allclose(model.intercept_, 3.0)


def test_wrong_parameters():
    case = make_case("column", n_tasks=3)
    for init, error, message in [
        ({"alpha": -1.0}, ValueError, "alpha=-1.0"),
        ({"alpha_intercept": np.inf}, ValueError, "alpha_intercept"),
        ({"structure": "ring"}, ValueError, "structure='ring' is not one of common, clusters"),
        ({"structure": "clusters", "n_clusters": 4}, ValueError, "more than the 3 tasks"),
        ({"structure": "subspace", "rank": 4}, ValueError, "rank=4 is more than"),
        ({"n_init": 0}, ValueError, "n_init"),
        ({"rank": 1.5}, TypeError, "rank must be an integer"),
    ]:
        with pytest.raises(error, match=message):
            ARMUL(**init, **case.init).fit(case.X, case.y)


@pytest.mark.parametrize("structure", ["common", "clusters", "subspace"])
def test_a_constant_feature_of_one_row_tasks_says_nothing(structure):
    rng = np.random.RandomState(0)
    X = np.column_stack([np.full(30, 100.1), rng.normal(size=30)])
    y = X[:, 1] + rng.normal(size=30)
    model = ARMUL(0.01, structure=structure, random_state=0).fit(X, y, tasks=np.arange(30))
    assert_allclose(model.coef_[:, 0], 0.0, atol=1e-10)


@pytest.mark.parametrize("seed", range(12))
def test_odd_scales_and_tiny_penalties_converge(seed):
    """Gaps hold where tasks weigh a million times others and alpha is next to nothing."""
    rng = np.random.RandomState(seed)
    n_tasks, p = (20, 2)[seed % 2], (1, 2, 6)[seed % 3]
    codes = np.repeat(np.arange(n_tasks), rng.randint(1, 20, size=n_tasks))
    X = rng.normal(size=(len(codes), p)) * 10.0 ** rng.uniform(-2, 2, size=p) + 100.0
    y = 1e4 * (X @ rng.normal(size=p)) + rng.normal(size=n_tasks)[codes]
    weights = 10.0 ** rng.uniform(-3, 3, size=len(y))
    for alpha in (1e-4, 1e-1, 1e2):
        options = {"alpha_intercept": (0.0, 1.0, 1e4)[seed % 3], "ridge": (0.0, 1e3)[seed % 2]}
        model = ARMUL(alpha, **options).fit(X, y, tasks=codes, sample_weight=weights)
        assert model.dual_gap_ <= 1e-6
        assert model.n_iter_ < 100
