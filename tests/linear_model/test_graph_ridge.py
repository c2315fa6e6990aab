"""Ridge on a graph of tasks: normal equations, limits, the choice of penalties."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge

from skmtl import GraphRidge, GraphRidgeCV, MeanRegularizedRidge, MultiTaskRidge
from skmtl.graphs import as_laplacian
from skmtl.model_selection import TaskKFold
from skmtl.solvers import graph_ridge
from tests.helpers import LAYOUTS, make_case

GRAPH = np.array([[0.0, 2.0, 0.0, 0.0], [2.0, 0.0, 0.5, 1.0], [0.0, 0.5, 0.0, 0.0], [0, 1, 0, 0]])
PAIRS = {(0, 1): 2.0, (1, 2): 0.5, (3, 1): 1.0}


def dense_models(case, graph, alpha, beta, *, fit_intercept=True, task_weight=None):
    """Coefficients and intercepts by the normal equations in all unknowns at once."""
    p, n_tasks = case.n_features, case.n_tasks
    side = p + 1
    system = np.zeros((n_tasks, side, n_tasks, side))
    right = np.zeros((n_tasks, side))
    for t, (X, y, v) in enumerate(case.weighted_tasks(task_weight)):
        Z = np.column_stack([X, np.full(len(y), float(fit_intercept))])
        system[t, :, t, :] = Z.T @ (v[:, None] * Z)
        right[t] = Z.T @ (v * y)
    ties = alpha * np.eye(n_tasks) + beta * as_laplacian(graph, np.arange(n_tasks))
    for j in range(p):
        system[:, j, :, j] += ties
    if not fit_intercept:
        for t in range(n_tasks):
            system[t, p, t, p] = 1.0
    size = n_tasks * side
    solved = np.linalg.solve(system.reshape(size, size), right.ravel()).reshape(n_tasks, side)
    return solved[:, :p] * case.present, solved[:, p]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weights", [None, "rows"])
@pytest.mark.parametrize("shape", [{"n": 12, "p": 5}, {"n": 6, "p": 15}], ids=str)
@pytest.mark.parametrize("solver", ["any", "iterative"])
def test_normal_equations(layout, weights, shape, solver, monkeypatch):
    if solver == "iterative":
        monkeypatch.setattr(graph_ridge, "LARGEST_DIRECT", 0)
    case = make_case(layout, weights, n_tasks=4, **shape)
    for alpha, beta in [(0.5, 0.3), (0.1, 200.0)]:
        model = GraphRidge(GRAPH, alpha=alpha, beta=beta, tol=1e-11, **case.init)
        model.fit(case.X, case.y, **case.fit)
        coef, intercept = dense_models(case, GRAPH, alpha, beta)
        assert_allclose(model.coef_, coef, rtol=1e-6, atol=1e-8)
        assert_allclose(model.intercept_, intercept, rtol=1e-6, atol=1e-8)
        assert model.residual_ < 1e-10


@pytest.mark.parametrize("layout", ["column", "csr_matrix", "outputs_nan"])
def test_rows_instead_of_gram_matrices(layout, monkeypatch):
    monkeypatch.setattr(graph_ridge, "LARGEST_STACK", 0)
    case = make_case(layout, "rows", n_tasks=4, n=3, p=40)
    model = GraphRidge(PAIRS, alpha=0.5, beta=2.0, tol=1e-11, **case.init)
    model.fit(case.X, case.y, **case.fit)
    coef, intercept = dense_models(case, PAIRS, 0.5, 2.0)
    assert_allclose(model.coef_, coef, rtol=1e-6, atol=1e-8)
    assert_allclose(model.intercept_, intercept, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("layout", ["column", "outputs"])
def test_without_intercept_and_with_task_weights(layout):
    case = make_case(layout, n_tasks=4)
    options = {"alpha": 0.5, "beta": 2.0, "fit_intercept": False, "task_weight": [1, 2, 0.5, 3]}
    model = GraphRidge("chain", **options, **case.init).fit(case.X, case.y, **case.fit)
    options["task_weight"] = np.array(options["task_weight"])
    coef, _ = dense_models(case, "chain", **options)
    assert_allclose(model.coef_, coef, rtol=1e-7)
    assert_array_equal(model.intercept_, 0.0)


@pytest.mark.parametrize("layout", ["column", "outputs", "outputs_nan"])
def test_without_ties_it_is_ridge_per_task(layout):
    case = make_case(layout, n_tasks=4)
    model = GraphRidge("chain", alpha=0.7, beta=0.0, **case.init).fit(case.X, case.y, **case.fit)
    for t, (X, y, v) in enumerate(case.tasks):
        alone = Ridge(0.7).fit(X, y, sample_weight=v)
        assert_allclose(model.coef_[t], alone.coef_, rtol=1e-7)
        assert_allclose(model.intercept_[t], alone.intercept_, rtol=1e-7)
    unrelated = GraphRidge({}, alpha=0.7, beta=5.0, **case.init).fit(case.X, case.y, **case.fit)
    assert_allclose(unrelated.coef_, model.coef_, rtol=1e-7)


@pytest.mark.parametrize("layout", ["column", "outputs"])
def test_strong_ties_pool_the_slopes_of_connected_tasks(layout):
    case = make_case(layout, n_tasks=4)
    model = GraphRidge("chain", alpha=0.0, beta=1e8, **case.init).fit(case.X, case.y, **case.fit)
    X = np.concatenate([X - v @ X / v.sum() for X, _, v in case.tasks])
    y = np.concatenate([y - v @ y / v.sum() for _, y, v in case.tasks])
    pooled = np.linalg.lstsq(X, y, rcond=None)[0]
    assert_allclose(model.coef_, np.tile(pooled, (4, 1)), atol=1e-5)
    apart = GraphRidge({(0, 1): 1.0, (2, 3): 1.0}, alpha=0.0, beta=1e8, **case.init)
    coef = apart.fit(case.X, case.y, **case.fit).coef_
    assert_allclose(coef[[0, 2]], coef[[1, 3]], rtol=1e-5, atol=1e-6)
    assert np.abs(coef[0] - coef[2]).max() > 0.01


@pytest.mark.parametrize("layout", ["column", "outputs"])
def test_a_complete_graph_is_mean_regularisation(layout):
    case = make_case(layout, n_tasks=4)
    alpha, beta = 0.6, 1.7
    model = GraphRidge("complete", alpha=alpha, beta=beta, **case.init)
    model.fit(case.X, case.y, **case.fit)
    tied = alpha + 4 * beta
    mean = MeanRegularizedRidge(
        alpha_task=tied, alpha_common=alpha * tied / beta, alpha_intercept=0.0, **case.init
    )
    mean.fit(case.X, case.y, **case.fit)
    assert_allclose(model.coef_, mean.coef_, rtol=1e-6, atol=1e-7)
    assert_allclose(model.intercept_, mean.intercept_, rtol=1e-5, atol=1e-6)


def many_tasks(n_tasks=60, n=12, p=30, seed=0):
    """A chain of tasks whose coefficients drift slowly."""
    rng = np.random.RandomState(seed)
    coef = np.cumsum(0.3 * rng.normal(size=(n_tasks, p)), axis=0)
    codes = np.repeat(np.arange(n_tasks), n)
    X = rng.normal(size=(len(codes), p))
    y = np.sum(X * coef[codes], axis=1) + rng.normal(size=len(codes))
    return np.column_stack([codes, X]), y, coef


def test_conjugate_gradients_reach_the_tolerance_and_warn_if_not():
    X, y, _ = many_tasks()
    for beta in (0.0, 0.1, 10.0, 1e3, 1e6):
        model = GraphRidge("chain", alpha=1.0, beta=beta, tol=1e-9, task_column=0).fit(X, y)
        assert model.residual_ <= 1e-9
        assert model.n_iter_ < 150
    with pytest.warns(
        ConvergenceWarning, match="residual of the normal equations .* max_iter is 2"
    ):
        GraphRidge("chain", beta=10.0, max_iter=2, task_column=0).fit(X, y)


def test_singular_features_have_no_coefficients_of_their_own():
    """Twice the same feature, without a ridge: the solution stays finite and its residual 0."""
    X, y, _ = many_tasks()
    X = np.column_stack([X, X[:, 1]])
    for beta in (1.0, 1e6):
        model = GraphRidge("complete", alpha=0.0, beta=beta, task_column=0).fit(X, y)
        assert model.residual_ < 1e-7
        assert np.abs(model.coef_).max() < 100


def test_a_task_without_weight_is_no_link_of_the_chain():
    case = make_case("vector", n_tasks=4)
    tasks = case.fit["tasks"]
    weights = np.where(tasks == 1, 0.0, 1.0)
    model = GraphRidge("chain", beta=3.0)
    model.fit(case.X, case.y, tasks=tasks, sample_weight=weights)
    kept = tasks != 1
    other = GraphRidge("chain", beta=3.0).fit(case.X[kept], case.y[kept], tasks=tasks[kept])
    assert_allclose(model.coef_[[0, 2, 3]], other.coef_, rtol=1e-7)


def test_wrong_graphs_and_penalties():
    case = make_case("column", n_tasks=3)
    for init, error, message in [
        ({"graph": np.eye(2)}, ValueError, "there are 3 tasks"),
        ({"graph": {(0, 9): 1.0}}, ValueError, "task 9, which the data do not have"),
        ({"graph": "ring"}, ValueError, "'ring' is unknown"),
        ({"beta": -1.0}, ValueError, "beta=-1.0"),
        ({"alpha": "1"}, TypeError, "alpha"),
    ]:
        with pytest.raises(error, match=message):
            GraphRidge(**init, **case.init).fit(case.X, case.y)


@pytest.mark.parametrize("layout", ["column", "absent", "outputs", "outputs_nan", "csr_matrix"])
def test_cross_validation_by_hand(layout):
    case = make_case(layout, "rows", n_tasks=4, n=20)
    alphas, betas = [0.1, 2.0], [0.0, 0.5, 20.0]
    cv = TaskKFold(3)
    model = GraphRidgeCV("chain", alphas=alphas, betas=betas, cv=cv, **case.init)
    model.fit(case.X, case.y, **case.fit)
    assert model.mse_path_.shape == (2, 3, 3)
    groups = np.asarray(case.X[:, 0]).ravel() if layout in ("column", "absent") else None
    groups = case.X[:, [0]].toarray().ravel() if layout == "csr_matrix" else groups
    v = case.fit["sample_weight"]
    for k, (train, test) in enumerate(cv.split(case.X, groups=groups)):
        for i, alpha in enumerate(alphas):
            for j, beta in enumerate(betas):
                one = GraphRidge("chain", alpha=alpha, beta=beta, **case.init)
                one.fit(case.X[train], case.y[train], sample_weight=v[train])
                errors = (case.y[test] - one.predict(case.X[test])) ** 2
                weights = np.broadcast_to(
                    v[test].reshape(-1, *[1] * (errors.ndim - 1)), errors.shape
                )
                seen = ~np.isnan(errors)
                expected = np.sum((weights * errors)[seen]) / weights[seen].sum()
                assert_allclose(model.mse_path_[i, j, k], expected, rtol=1e-4)
    mean = model.mse_path_.mean(axis=2)
    assert_allclose(-model.best_score_, mean.min())
    final = GraphRidge("chain", alpha=model.alpha_, beta=model.beta_, **case.init)
    assert_allclose(model.coef_, final.fit(case.X, case.y, **case.fit).coef_, rtol=1e-6)


def test_ties_along_the_chain_are_found_and_help():
    X, y, coef = many_tasks(n_tasks=40, n=12, p=6)
    model = GraphRidgeCV("chain", task_column=0).fit(X, y)
    assert model.beta_ > 0
    alone = MultiTaskRidge(task_column=0).fit(X, y)
    complete = GraphRidgeCV("complete", task_column=0).fit(X, y)
    ours, others, all_pairs = (np.mean((m.coef_ - coef) ** 2) for m in (model, alone, complete))
    assert ours < 0.8 * others
    assert ours < 0.8 * all_pairs


def test_jobs_change_nothing():
    case = make_case("column", n_tasks=4, n=12)
    one = GraphRidgeCV(**case.init).fit(case.X, case.y)
    two = GraphRidgeCV(n_jobs=2, **case.init).fit(case.X, case.y)
    assert_array_equal(one.mse_path_, two.mse_path_)
    assert_array_equal(one.coef_, two.coef_)


def test_a_frame_is_read_by_its_names():
    pandas = pytest.importorskip("pandas")
    case = make_case("column", n_tasks=4, n=12)
    weights = np.array([[0, 5, 0, 1], [5, 0, 2, 0], [0, 2, 0, 0], [1, 0, 0, 0]], dtype=float)
    model = GraphRidge(weights, **case.init).fit(case.X, case.y)
    frame = pandas.DataFrame(weights, index=model.tasks_, columns=model.tasks_)
    mixed = frame.iloc[[2, 0, 3, 1], [1, 3, 2, 0]]
    same = GraphRidge(mixed, **case.init).fit(case.X, case.y)
    assert_array_equal(same.coef_, model.coef_)
    wrong = frame.rename(index={model.tasks_[0]: "other"})
    with pytest.raises(ValueError, match="without a row of the task"):
        GraphRidge(wrong, **case.init).fit(case.X, case.y)
