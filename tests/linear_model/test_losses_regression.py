"""Losses other than the squared one, and several at once: cvxpy, limits, scales, odd targets."""

import warnings

import numpy as np
import pytest
from helpers import make_case
from loss_oracle import objective, optimum, with_targets
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import HuberRegressor, PoissonRegressor

from skmtl.base import MultiTaskLinearRegressor
from skmtl.linear_model.loss_parts import check_counts, label_parts, regression_parts
from skmtl.loss_layout import Part
from skmtl.loss_problem import LossProblem
from skmtl.losses import HuberLoss, LogisticLoss, MultinomialLoss, PoissonLoss, SquaredLoss
from skmtl.penalties import L1, L21, SquaredL2
from skmtl.problem import Problem
from skmtl.solvers import proximal_newton, working_set
from skmtl.task_data import make_task_data

LOSSES = ["squared", "huber", "poisson"]
EPSILON = 0.8
LAYOUTS = ["column", "absent", "csr_matrix", "outputs", "outputs_nan", "outputs_csr_array"]
FACTOR = [1.0, 0.0, 0.3, 2.0, 1.0]
PENALTIES = {
    "rows": (L21(0.05), [("L21", 0.05, None)]),
    "entries": (L1(0.03), [("L1", 0.03, None)]),
    "ridge": (SquaredL2(0.1), [("SquaredL2", 0.1, None)]),
    "sum": (
        L21(0.02) + L1(0.01) + SquaredL2(0.05),
        [("L21", 0.02, None), ("L1", 0.01, None), ("SquaredL2", 0.05, None)],
    ),
    "partly free": (L21(0.05, factor=FACTOR), [("L21", 0.05, FACTOR)]),
}


class Reader(MultiTaskLinearRegressor):
    """Reads the data of a case as every estimator does."""

    def __init__(self, task_column=None, task_weight=None):
        self.task_column = task_column
        self.task_weight = task_weight

    def read(self, case):
        weight = case.fit.get("sample_weight")
        return self._read_training_data(case.X, case.y, case.fit.get("tasks"), weight)


def read(case, task_weight=None):
    return Reader(task_weight=task_weight, **case.init).read(case)


def parts_of(kinds, n_tasks, epsilon=EPSILON):
    """Parts of tasks of the kinds, as `with_targets` takes them."""
    kinds = [kinds[t % len(kinds)] for t in range(n_tasks)]
    parts = []
    for kind in dict.fromkeys(kinds):
        tasks = np.array([t for t in range(n_tasks) if kinds[t] == kind])
        if isinstance(kind, str):
            loss = {"squared": SquaredLoss, "poisson": PoissonLoss}.get(kind)
            parts.append(Part(HuberLoss(epsilon) if loss is None else loss(), tasks))
        else:
            labels = np.tile(np.arange(kind), (len(tasks), 1))
            parts.append(Part(LogisticLoss() if kind == 2 else MultinomialLoss(), tasks, labels))
    return parts


def by_task(problem, coef, intercept):
    tasks, _ = problem.layout.column_tasks()
    n_tasks = tasks.max() + 1
    return (
        [coef[:, tasks == t] for t in range(n_tasks)],
        [intercept[tasks == t] for t in range(n_tasks)],
    )


def solve(problem, tol=1e-9, **options):
    solution = proximal_newton.solve(problem, tol=tol, **{"max_iter": 100, **options})
    assert solution.converged
    assert solution.gap <= tol
    return solution


def assert_optimal(case, kinds, name, *, fit_intercept=True, task_weight=None, epsilon=EPSILON):
    penalty, parts = PENALTIES[name]
    data = read(case, task_weight)
    problem = LossProblem(
        data, penalty, parts_of(kinds, case.n_tasks, epsilon), fit_intercept=fit_intercept
    )
    solution = solve(problem)
    coefs, intercepts = by_task(problem, *problem.complete(solution.coef))
    options = {"epsilon": epsilon, "task_weight": task_weight}
    ours = objective(case, kinds, coefs, intercepts, parts, **options)
    best = optimum(case, kinds, parts, fit_intercept=fit_intercept, **options)
    assert_allclose(ours, best, rtol=1e-6)
    assert ours - best <= (solution.gap + 1e-8) * problem.null_objective


# --- optimality -----------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("loss", LOSSES)
def test_optimal_in_every_layout(layout, loss):
    case = with_targets(make_case(layout, "rows", n=20), [loss])
    assert_optimal(case, [loss], "rows")


@pytest.mark.parametrize("layout", ["column", "outputs_nan"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", PENALTIES)
def test_optimal_under_every_penalty(layout, loss, name):
    assert_optimal(with_targets(make_case(layout, n=20), [loss]), [loss], name)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_weights_and_intercepts(loss, fit_intercept):
    for layout, weights in (("column", "rows"), ("outputs", "cells")):
        case = with_targets(make_case(layout, weights, n=20), [loss])
        options = {"fit_intercept": fit_intercept, "task_weight": [2.0, 0.5, 1.0]}
        assert_optimal(case, [loss], "sum", **options)


@pytest.mark.parametrize("layout", ["column", "outputs", "csr_matrix", "outputs_nan"])
@pytest.mark.parametrize(
    "kinds", [["squared", 2], ["poisson", 3, "huber"], ["huber", "squared", 2, "poisson", 3]]
)
@pytest.mark.parametrize("name", ["rows", "sum"])
def test_several_losses_at_once(layout, kinds, name):
    case = with_targets(make_case(layout, "rows", n_tasks=max(3, len(kinds)), n=25), kinds)
    assert_optimal(case, kinds, name)


def test_several_losses_with_free_features_and_without_intercepts():
    kinds = ["huber", 2, "poisson", 3]
    case = with_targets(make_case("column", n_tasks=4, n=25), kinds)
    assert_optimal(case, kinds, "partly free")
    assert_optimal(case, kinds, "entries", fit_intercept=False)


# --- limits ---------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["column", "outputs_nan", "csr_matrix"])
@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_the_squared_loss_is_that_of_the_squared_problem(layout, loss):
    """Of Huber's it is the limit of a large epsilon."""
    data = read(make_case(layout, "rows", n=20))
    plain = Problem(data, L21(0.1))
    expected = working_set.solve(plain, tol=1e-13, max_iter=1000)
    problem = LossProblem(data, L21(0.1), regression_parts(loss, data, 1e6))
    solution = solve(problem, tol=1e-13)
    assert_allclose(solution.coef, expected.coef, atol=1e-6)
    ours, theirs = problem.complete(solution.coef), plain.complete(expected.coef)
    assert_allclose(ours[1], theirs[1], atol=1e-6)
    assert_allclose(problem.null_objective, plain.quadratic.energy, rtol=1e-9)
    assert_allclose(problem.null_dual_norm(), plain.null_dual_norm(), rtol=1e-6)


def test_poisson_of_one_task_is_that_of_scikit_learn():
    case = with_targets(make_case("outputs", n_tasks=1, n=60), ["poisson"])
    data = make_task_data(case.X, case.y.ravel())
    problem = LossProblem(data, SquaredL2(0.3), regression_parts("poisson", data))
    coef, intercept = problem.complete(solve(problem, tol=1e-12).coef)
    theirs = PoissonRegressor(alpha=0.3, tol=1e-10, max_iter=1000).fit(case.X, case.y.ravel())
    assert_allclose(coef[:, 0], theirs.coef_, atol=1e-6)
    assert_allclose(intercept[0], theirs.intercept_, atol=1e-6)


def test_huber_of_one_task_is_that_of_scikit_learn():
    """Which learns a scale: with our epsilon in its units the models agree."""
    case = with_targets(make_case("outputs", n_tasks=1, n=60), ["huber"])
    y = case.y.ravel()
    theirs = HuberRegressor(epsilon=1.5, alpha=0.0, tol=1e-9, max_iter=10000).fit(case.X, y)
    data = make_task_data(case.X, y)
    parts = regression_parts("huber", data, 1.5 * theirs.scale_)
    problem = LossProblem(data, L21(0.1, factor=np.zeros(5)), parts)
    coef, intercept = problem.complete(np.zeros((0, 1)))
    assert_allclose(coef[:, 0], theirs.coef_, atol=1e-4)
    assert_allclose(intercept[0], theirs.intercept_, atol=1e-4)


def test_huber_intercepts_are_medians_for_a_small_epsilon():
    rng = np.random.RandomState(0)
    codes = np.repeat(np.arange(3), 21)
    y = rng.standard_cauchy(size=63) * 10.0**codes
    data = make_task_data(rng.normal(size=(63, 2)), y, ids=codes)
    problem = LossProblem(data, L21(1e9), regression_parts("huber", data, 1e-9))
    assert problem.null_dual_norm() < 1
    _, intercept = problem.complete(np.zeros((2, 3)))
    assert_allclose(intercept, [np.median(y[codes == t]) for t in range(3)], atol=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
def test_largest_useful_alpha(loss):
    data = read(with_targets(make_case("column", n=25), [loss]))
    problem = LossProblem(data, L21(1.0), regression_parts(loss, data, EPSILON))
    largest = problem.null_dual_norm()
    at, below = (problem.with_penalty(L21(share * largest)) for share in (1 + 1e-9, 0.98))
    assert not solve(at, tol=1e-6).coef.any()
    assert solve(below).coef.any()


# --- scales ---------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-8, 1e8])
@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_the_unit_of_the_targets_does_not_matter(scale, loss):
    case = make_case("column", "rows", n=20)
    told = []
    for unit in (1.0, scale):
        data = read(with_targets(case, [loss], scale=unit))
        parts = regression_parts(loss, data, EPSILON * unit)
        problem = LossProblem(data, L21(0.05 * unit), parts)
        coef, intercept = problem.complete(solve(problem, tol=1e-11).coef)
        told.append(np.vstack([coef, intercept]) / unit)
    assert_allclose(told[1], told[0], atol=1e-5)


@pytest.mark.parametrize("layout", ["column", "outputs_nan"])
@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_the_origin_of_the_targets_does_not_matter(layout, loss):
    case = with_targets(make_case(layout, "rows", n=20), [loss])
    told = []
    for origin in (0.0, 1e8):
        data = read(type(case)(**{**vars(case), "y": case.y + origin}))
        problem = LossProblem(data, L21(0.05), regression_parts(loss, data, EPSILON))
        told.append(problem.complete(solve(problem, tol=1e-12).coef))
    assert_allclose(told[1][0], told[0][0], atol=1e-6)
    assert_allclose(told[1][1] - 1e8, told[0][1], atol=1e-6)


@pytest.mark.parametrize("scale", [1e-2, 1e3, 1e7])
def test_counts_of_every_size(scale):
    case = with_targets(make_case("column", n=30), ["poisson"], scale=scale)
    data = read(case)
    parts = regression_parts("poisson", data)
    problem = LossProblem(data, L21(1.0), parts)
    problem = problem.with_penalty(L21(0.05 * problem.null_dual_norm()))
    coef, intercept = problem.complete(solve(problem).coef)
    # Intercepts are free: the sum of the means is that of the counts.
    for t, (X, y, _) in enumerate(case.tasks):
        assert_allclose(np.exp(X @ coef[:, t] + intercept[t]).sum(), y.sum(), rtol=1e-5, atol=1e-9)


def test_outliers_far_away_change_nothing():
    """Beyond epsilon only the sign of a residual counts."""
    case = with_targets(make_case("column", n=30), ["squared"])
    told = []
    for far in (1e3, 1e6):
        y = np.array(case.y)
        y[::9] += far
        data = read(type(case)(**{**vars(case), "y": y}))
        problem = LossProblem(data, L21(0.05), regression_parts("huber", data, EPSILON))
        solution = proximal_newton.solve(problem, tol=1e-12, max_iter=200)
        assert solution.gap <= 1e-9
        told.append(problem.complete(solution.coef)[0])
    assert_allclose(told[0], told[1], atol=1e-5)


@pytest.mark.parametrize("epsilon", [1e-4, 1e-2])
def test_nearly_absolute_deviations(epsilon):
    case = with_targets(make_case("column", n=20), ["huber"])
    assert_optimal(case, ["huber"], "rows", epsilon=epsilon)


# --- odd targets ----------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["column", "outputs"])
def test_a_task_without_any_count(layout):
    """Its intercept goes to minus infinity: the mean is 0 but for nothing."""
    case = with_targets(make_case(layout, n=25), ["poisson"])
    rows = case.rows[1]
    y = np.array(case.y)
    y[(rows, 1) if y.ndim == 2 else rows] = 0.0
    data = read(type(case)(**{**vars(case), "y": y}))
    problem = LossProblem(data, L21(0.05), regression_parts("poisson", data))
    coef, intercept = problem.complete(solve(problem).coef)
    assert np.isfinite(coef).all()
    assert np.isfinite(intercept).all()
    assert np.exp(case.tasks[1][0] @ coef[:, 1] + intercept[1]).max() < 1e-12


def test_no_count_at_all():
    data = make_task_data(np.random.RandomState(0).normal(size=(20, 3)), np.zeros(20))
    parts = regression_parts("poisson", data)
    for fit_intercept in (True, False):
        problem = LossProblem(data, L21(0.05), parts, fit_intercept=fit_intercept)
        coef, intercept = problem.complete(solve(problem).coef)
        assert np.isfinite(coef).all()
        assert fit_intercept == (not coef.any())
        assert (intercept[0] < -30) == fit_intercept


@pytest.mark.parametrize("loss", LOSSES)
def test_constant_targets(loss):
    data = make_task_data(np.random.RandomState(0).normal(size=(20, 3)), np.full(20, 7.1))
    problem = LossProblem(data, L21(0.05), regression_parts(loss, data))
    assert problem.null_objective == 0.0
    coef, intercept = problem.complete(solve(problem).coef)
    assert not coef.any()
    assert_allclose(intercept, np.log(7.1) if loss == "poisson" else 7.1)


def test_wrong_names_and_counts():
    case = make_case("column")
    data = read(case)
    for name in ("absolute", None, 1):
        with pytest.raises(ValueError, match=r"loss=.* is unknown: use one of squared, huber"):
            regression_parts(name, data)
    row = np.flatnonzero(data.y < 0)[0]
    message = rf"of counts, but task {data.codes[row]} has the target {data.y[row]:.4g}"
    with pytest.raises(ValueError, match=message):
        regression_parts("poisson", data)
    outputs = read(make_case("outputs"))
    with pytest.raises(ValueError, match=r"of counts, but task . has the target -"):
        regression_parts("poisson", outputs)
    weights = (data.y >= 0).astype(float)
    counted = make_task_data(data.X, data.y, ids=data.codes, sample_weight=weights)
    assert len(regression_parts("poisson", counted)) == 1  # rows without weight do not count
    check_counts(data, np.array([], dtype=int))


def test_tasks_without_rows_are_in_no_part():
    data = read(make_case("column"))
    weights = (data.codes != 1).astype(float)
    data = make_task_data(data.X, data.y, ids=data.codes, sample_weight=weights)
    (part,) = regression_parts("huber", data, 0.3)
    assert_array_equal(part.tasks, [0, 2])
    assert part.loss.epsilon == 0.3
    assert label_parts(np.ones((2, 1), dtype=bool)) == []


def test_fuzzed_problems_are_certified():
    """Shapes, ranks, scales and losses at random; warnings are errors."""
    for seed in range(60):
        rng = np.random.RandomState(seed)
        n, p, n_tasks = rng.choice([3, 10, 40]), rng.choice([1, 4, 12]), rng.choice([1, 2, 4])
        X = rng.normal(size=(n * n_tasks, p)) * np.exp(2.0 * rng.normal(size=p)) + rng.choice(
            [0, 9]
        )
        codes = rng.permutation(np.repeat(np.arange(n_tasks), n))
        kinds = rng.choice(LOSSES, size=n_tasks)
        z = X @ (rng.normal(size=p) / np.abs(X).max(axis=0)) + rng.standard_t(2, size=len(X))
        unit = 10.0 ** rng.choice([-3, 0, 3], size=n_tasks)
        y = z * unit[codes]
        counts = rng.poisson(np.exp(np.clip(z, -9, 9)) * rng.choice([0.01, 1, 1e3]))
        y = np.where((kinds == "poisson")[codes], counts, y)
        data = make_task_data(X, y, ids=codes, sample_weight=rng.uniform(0.1, 3.0, size=len(y)))
        parts = parts_of(list(kinds), n_tasks, epsilon=rng.choice([0.1, 1.35, 5.0]))
        problem = LossProblem(data, L21(1.0), parts, fit_intercept=seed % 3 > 0)
        alpha = problem.null_dual_norm() * rng.choice([0.5, 0.05]) or 1.0
        penalty = [L21(alpha), L1(alpha / 2), L21(alpha / 2) + SquaredL2(alpha)][seed % 3]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            problem = problem.with_penalty(penalty)
            coef, intercept = problem.complete(solve(problem, tol=1e-6).coef)
        assert np.isfinite(coef).all()
        assert np.isfinite(intercept).all()
