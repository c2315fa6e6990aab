"""Limit cases of penalties: pooled, separate, the namesakes elsewhere, planted structure found."""

import numpy as np
import pytest
from helpers import make_case, with_labels
from numpy.testing import assert_allclose, assert_array_equal
from penalty_oracle import EDGES, GROUPS
from sklearn.base import clone
from sklearn.linear_model import ElasticNet, Lasso, Ridge

from skmtl import (
    GraphRidge,
    MeanRegularizedRidge,
    MultiTaskClassifier,
    MultiTaskLasso,
    MultiTaskRegressor,
    fitting,
)
from skmtl.labels import labels_of_tasks
from skmtl.linear_model.loss_parts import label_parts
from skmtl.penalties import (
    L1,
    L21,
    CappedRows,
    Common,
    Decomposed,
    Fusion,
    Graph,
    GroupL21,
    L1Inf,
    Multilevel,
    Nuclear,
    RowMCP,
    RowSCAD,
    SpectralBox,
    SquaredL2,
    SquaredNuclear,
    TaskL21,
    TotalVariation,
)
from skmtl.task_data import make_task_data


def fit(penalty, case, **options):
    model = MultiTaskRegressor(penalty, **{"tol": 1e-11, **case.init, **options})
    return model.fit(case.X, case.y, **case.fit)


def pooled(case):
    """Least squares of all rows with an intercept per task."""
    X = np.vstack([X - v @ X / v.sum() for X, _, v in case.tasks])
    y = np.concatenate([y - v @ y / v.sum() for _, y, v in case.tasks])
    root = np.sqrt(np.concatenate([v for _, _, v in case.tasks]))
    return np.linalg.lstsq(X * root[:, None], y * root, rcond=None)[0]


def single():
    """One task, which needs no name."""
    case = make_case("vector", n_tasks=1)
    case.fit.clear()
    return case


# --- equal to other models ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("penalty", "namesake"),
    [
        (L1(0.2) + TotalVariation(7.0), Lasso(0.2)),
        (L1Inf(0.2), Lasso(0.2)),
        (L1Inf(0.1) + SquaredL2(0.3), ElasticNet(0.4, l1_ratio=0.25)),
        (Decomposed(L1(0.2), L1Inf(0.3)), Lasso(0.2)),
        (Common(L1(0.2)), Lasso(0.2)),
        (GroupL21(np.arange(5), 0.2), Lasso(0.2)),
        (Fusion("complete", 3.0) + SquaredL2(0.4), Ridge(0.4 * 12)),
        (SpectralBox(1, 0.4, spared=1e-9), Ridge(0.4 * 12)),
        (SquaredNuclear(0.4), Ridge(0.4 * 12)),
    ],
    ids=str,
)
def test_one_task_is_the_namesake(penalty, namesake):
    case = single()
    model = fit(penalty, case)
    other = clone(namesake).set_params(tol=1e-12).fit(case.X, case.y)
    assert_allclose(model.coef_[0], other.coef_, atol=1e-5)
    assert_allclose(model.intercept_[0], other.intercept_, atol=1e-5)


def test_one_task_makes_norms_of_vectors():
    case = single()
    expected = fit(GroupL21(np.zeros(5), 0.3 / np.sqrt(5)), case).coef_
    for penalty in (
        Nuclear(0.3),
        TaskL21(0.3),
        Common(TaskL21(0.3)),
        Decomposed(Nuclear(0.3), TaskL21(0.5)),
    ):
        assert_allclose(fit(penalty, case).coef_, expected, atol=1e-5)


@pytest.mark.parametrize("layout", ["vector", "outputs", "outputs_nan"])
def test_mean_regularised_ridge(layout):
    case = make_case(layout, "rows")
    penalty = Decomposed(Common(SquaredL2(0.3)), SquaredL2(0.7))
    model = fit(penalty, case, fit_intercept=False)
    other = MeanRegularizedRidge(
        0.3 * case.n_bar, alpha_task=0.7 * case.n_bar, fit_intercept=False, **case.init
    ).fit(case.X, case.y, **case.fit)
    assert_allclose(model.coef_, other.coef_, atol=1e-5)
    assert_allclose(model.coef_shared_, other.coef_shared_, atol=1e-5)
    free = fit(penalty, case)
    other.set_params(fit_intercept=True, alpha_intercept=0.0).fit(case.X, case.y, **case.fit)
    assert_allclose(
        free.predict(case.X, **_tasks(case)), other.predict(case.X, **_tasks(case)), atol=1e-4
    )


def _tasks(case):
    return {"tasks": case.fit["tasks"]} if "tasks" in case.fit else {}


@pytest.mark.parametrize("layout", ["vector", "outputs"])
@pytest.mark.parametrize("graph", ["chain", EDGES], ids=["chain", "weights"])
def test_graph_ridge(layout, graph):
    case = make_case(layout, "rows")
    model = fit(SquaredL2(0.2) + Graph(graph, 0.5), case)
    ridge = GraphRidge(graph, alpha=0.2 * case.n_bar, beta=0.5 * case.n_bar, **case.init)
    assert_allclose(model.coef_, ridge.fit(case.X, case.y, **case.fit).coef_, atol=1e-5)


def test_graphs_in_every_form():
    case = make_case("column")
    case.X[:, 0] = np.array([10.0, 20.0, 30.0])[case.X[:, 0].astype(int)]
    pairs = {(10, 20): 2.0, (20, 30): 0.5}
    for kind in (Fusion, Graph):
        expected = fit(kind(EDGES, 0.2), case).coef_
        assert_allclose(fit(kind(pairs, 0.2), case).coef_, expected, atol=1e-6)
        with pytest.raises(ValueError, match="names the task 40"):
            fit(kind({(10, 40): 1.0}, 0.2), case)


def test_a_zero_graph_adds_nothing():
    case = make_case("outputs")
    lasso = MultiTaskLasso(0.3, tol=1e-12).fit(case.X, case.y)
    assert_allclose(fit(L21(0.3) + Graph("chain", 0.0), case).coef_, lasso.coef_, atol=1e-6)


def test_squared_nuclear_norm_is_a_minimum_over_metrics():
    case = make_case("vector", "rows")
    model = fit(SquaredNuclear(0.4) + SquaredL2(0.1), case)
    W, D = model.coef_.T, model.feature_covariance_
    assert_allclose(np.trace(D), 1.0)
    assert_allclose(np.trace(model.task_covariance_), 1.0)
    value = 0.5 * 0.4 * np.trace(W.T @ np.linalg.pinv(D, rcond=1e-9) @ W)
    assert_allclose(value, SquaredNuclear(0.4).value(W), rtol=1e-6)
    rng = np.random.RandomState(0)
    for _ in range(20):
        A = rng.normal(size=D.shape)
        other = 0.9 * D + 0.1 * A @ A.T / np.trace(A @ A.T)
        assert 0.5 * 0.4 * np.trace(W.T @ np.linalg.pinv(other) @ W) >= value - 1e-9


def test_a_full_subspace_is_a_ridge():
    case = make_case("vector")
    model = fit(SpectralBox(3, 0.4 * 1.1, spared=0.1), case)
    assert_allclose(model.coef_, fit(SquaredL2(0.4), case).coef_, atol=1e-6)
    assert_allclose(model.task_affinity_, np.eye(3), atol=1e-8)


# --- strong and weak penalties -------------------------------------------------------------------

SCALED = {
    "nuclear": Nuclear(),
    "outliers": TaskL21(),
    "dirty": Decomposed(L21(), L1(0.7)),
    "robust": Decomposed(Nuclear(), TaskL21(0.9)),
    "largest": L1Inf(),
    "groups": GroupL21(GROUPS) + L1(0.2),
    "rows and columns": L21() + TaskL21(0.5),
    "nuclear and entries": Nuclear() + L1(0.3),
    "data-shared": Decomposed(Common(L1()), L1(0.8)),
    "temporal": L1(0.3) + TotalVariation(0.5) + L21(),
}
POOLING = {
    "differences": TotalVariation(),
    "fusion": Fusion("complete"),
    "common": Decomposed(Common(), TaskL21()),
    "common entries": Decomposed(Common(), L1()),
}


def top_of(case, penalty, labels=False):
    data = make_task_data(
        case.X, case.y, ids=case.fit.get("tasks"), sample_weight=case.fit.get("sample_weight")
    )
    parts = label_parts(labels_of_tasks(data, 2)) if labels else None
    return data, parts, fitting.alpha_max(fitting.pose(data, penalty, parts))


@pytest.mark.parametrize("labels", [False, True], ids=["squared", "logistic"])
@pytest.mark.parametrize("name", SCALED | POOLING)
def test_alpha_max_is_the_smallest_trivial_one(name, labels):
    case = make_case("vector", "rows", n=25)
    case = with_labels(case) if labels else case
    penalty = (SCALED | POOLING)[name]
    data, parts, top = top_of(case, penalty, labels)

    def size(factor):
        options = {"tol": 1e-8 if labels else 1e-12, "max_iter": 100}
        fitted = fitting.fit(data, penalty.scaled(factor * top), parts, **options)
        W = fitted.coef
        return np.abs(W - W.mean(axis=1, keepdims=True) * (name in POOLING)).max()

    assert size(1 + 1e-3) <= 1e-6
    assert size(1 - 1e-2) > 1e-5


@pytest.mark.parametrize("penalty", POOLING.values(), ids=POOLING)
def test_strong_differences_pool(penalty):
    case = make_case("vector", "rows")
    w = pooled(case)
    assert_allclose(fit(penalty.scaled(1e4), case).coef_, np.tile(w, (3, 1)), atol=1e-6)


def test_strong_relations_give_zeros():
    case = make_case("vector")
    for penalty in SCALED.values():
        assert_allclose(fit(penalty.scaled(1e4), case).coef_, 0.0, atol=1e-12)
    for penalty in (SquaredNuclear(1e9), SpectralBox(1, 1e9)):
        assert_allclose(fit(penalty, case).coef_, 0.0, atol=1e-6)


def test_weak_penalties_are_least_squares():
    case = make_case("vector")
    for penalty in [*SCALED.values(), *POOLING.values(), SquaredNuclear(), SpectralBox(1)]:
        model = fit(penalty.scaled(1e-5), case, tol=1e-9)
        for (X, y, _), w in zip(case.tasks, model.coef_, strict=True):
            expected = np.linalg.lstsq(X - X.mean(axis=0), y - y.mean(), rcond=None)[0]
            assert_allclose(w, expected, atol=1e-3)


# --- what a fit says -----------------------------------------------------------------------------


def planted(n_tasks=10, n=30, p=8, seed=0, noise=0.2):
    rng = np.random.RandomState(seed)
    ids = np.repeat(np.arange(n_tasks), n)
    X = rng.normal(size=(len(ids), p))
    return rng, ids, X, noise * rng.normal(size=len(ids))


def answered(X, ids, W, noise):
    return np.sum(X * W[ids], axis=1) + noise


def test_outlier_tasks_are_found():
    rng, ids, X, noise = planted()
    W = np.tile(rng.normal(size=8), (10, 1))
    W[[2, 7]] += 2.0 * rng.normal(size=(2, 8))
    y = answered(X, ids, W, noise)
    for shared in (Common(), Common(SquaredL2(0.01)), Common(L1(0.01))):
        model = MultiTaskRegressor(Decomposed(shared, TaskL21(0.25))).fit(X, y, tasks=ids)
        assert_array_equal(np.flatnonzero(model.outlier_tasks_), [2, 7])
        assert_allclose(sum(model.coef_parts_.values()), model.coef_)
        assert list(model.coef_parts_) == ["shared", "specific"]


def test_clusters_of_tasks_are_found():
    rng, ids, X, noise = planted()
    labels = np.array([0, 1, 1, 0, 2, 2, 0, 1, 2, 0])
    y = answered(X, ids, 2.0 * rng.normal(size=(3, 8))[labels], noise)
    alone = MultiTaskRegressor(SquaredL2(0.01)).fit(X, y, tasks=ids).coef_
    near = np.exp(-np.sum((alone[:, None] - alone) ** 2, axis=2))
    model = MultiTaskRegressor(Fusion(near, 0.1), tol=1e-8).fit(X, y, tasks=ids)
    assert_array_equal(model.task_labels_, labels)
    assert len(np.unique(model.coef_.round(3), axis=0)) == 3


CONCAVE = [
    RowMCP(0.3),
    RowSCAD(0.3),
    CappedRows(0.3, threshold=0.5),
    CappedRows(0.1, threshold=0.5, norm="l1"),
    Multilevel(0.3),
]


@pytest.mark.parametrize("penalty", CONCAVE, ids=str)
def test_concave_penalties_spare_large_rows(penalty):
    rng, ids, X, noise = planted(n=20)
    W = np.zeros((10, 8))
    W[:, :3] = rng.normal(size=(10, 3)) + 2.0
    y = answered(X, ids, W, noise)
    lasso = MultiTaskRegressor(L21(0.3)).fit(X, y, tasks=ids)
    model = MultiTaskRegressor(penalty, tol=1e-8).fit(X, y, tasks=ids)
    assert (np.diff(model.objective_path_) <= 1e-9 * model.objective_path_[0]).all()
    assert_allclose(model.coef_[:, 3:], 0.0, atol=1e-9)
    assert np.linalg.norm(model.coef_ - W) < 0.7 * np.linalg.norm(lasso.coef_ - W)
    again = clone(model).set_params(warm_start=True).fit(X, y, tasks=ids).fit(X, y, tasks=ids)
    assert_allclose(again.coef_, model.coef_, atol=1e-4)


def test_concave_parts_and_labels():
    rng, ids, X, noise = planted()
    W = np.zeros((10, 8))
    W[:, :2] = rng.normal(size=2) + 1.0
    y = answered(X, ids, W, noise)
    noisy = y + 10.0 * noise
    for penalty in (
        Decomposed(RowMCP(0.2), L1(0.3)),
        Decomposed(Common(RowMCP(0.3)), L1(0.3)),
        RowMCP(0.2) + Nuclear(0.1),
    ):
        model = MultiTaskRegressor(penalty).fit(X, y, tasks=ids)
        assert (np.diff(model.objective_path_) <= 1e-6 * model.objective_path_[0]).all()
        labels = MultiTaskClassifier(penalty.scaled(0.5)).fit(X, noisy > 0, tasks=ids)
        assert (np.diff(labels.objective_path_) <= 1e-6 * labels.objective_path_[0]).all()
        assert np.isfinite(labels.coef_).all()


@pytest.mark.parametrize("name", SCALED | POOLING)
def test_a_warm_start_has_the_same_optimum(name):
    case = make_case("column", "rows")
    penalty = (SCALED | POOLING)[name]
    model = MultiTaskRegressor(penalty.scaled(0.3), warm_start=True, tol=1e-11, **case.init)
    model.fit(case.X, case.y, **case.fit)
    model.set_params(penalty=penalty.scaled(0.1)).fit(case.X, case.y, **case.fit)
    fresh = clone(model).fit(case.X, case.y, **case.fit)
    assert_allclose(model.coef_, fresh.coef_, atol=1e-4)


def test_tasks_that_fit_did_not_see():
    case = make_case("column")
    penalty = Decomposed(Common(SquaredL2(0.1)), TaskL21(0.2))
    model = fit(penalty, case, unknown_task="shared")
    X = case.X[:4].copy()
    X[:, 0] = 99
    expected = X[:, 1:] @ model.coef_parts_["shared"][0] + model.intercept_shared_
    assert_allclose(model.predict(X), expected)
    assert_allclose(model.coef_shared_, model.coef_parts_["shared"][0])
    with pytest.raises(ValueError, match="99"):
        fit(penalty, case).predict(X)


def test_another_penalty_takes_its_attributes_with_it():
    case = make_case("column")
    model = fit(Decomposed(Nuclear(0.2), TaskL21(0.2)), case)
    assert {"coef_parts_", "outlier_tasks_"} <= set(vars(model))
    model.set_params(penalty=SpectralBox(1, 0.2)).fit(case.X, case.y)
    assert not {"coef_parts_", "outlier_tasks_"} & set(vars(model))
    assert {"task_affinity_", "feature_affinity_"} <= set(vars(model))
    model.set_params(penalty=RowMCP(0.2)).fit(case.X, case.y)
    assert not {"task_affinity_", "feature_affinity_"} & set(vars(model))
    assert "objective_path_" in vars(model)
    model.set_params(penalty=None).fit(case.X, case.y)
    assert "objective_path_" not in vars(model)
