"""Splitting on some of the features ends where splitting on all of them does."""

import numpy as np
import pytest
from helpers import make_case, squared_loss
from numpy.testing import assert_allclose
from penalty_oracle import optimum, squared
from scipy import sparse

from skmtl import MultiTaskClassifier, MultiTaskRegressor, fitting
from skmtl.penalties import (
    L1,
    L21,
    Common,
    Decomposed,
    Fusion,
    Graph,
    L1Inf,
    Nuclear,
    RowMCP,
    SquaredL2,
    TotalVariation,
)
from skmtl.solvers import feature_sets, resolvent, splitting
from skmtl.structured_problem import StructuredProblem
from skmtl.task_data import make_task_data

SPARSE = {
    "dirty": Decomposed(L21(0.9), L1(0.6)),
    "dirty with a ridge": Decomposed(L21(0.9) + SquaredL2(0.1), L1(0.6)),
    "largest entries": L1Inf(1.2),
    "data shared": Decomposed(Common(L1(0.9)), L1(0.6)),
    "free for all together": Decomposed(Common(L1(0.9, factor=[0, 1, 1, 1, 1])), L1(0.6)),
    "drifting": L21(0.6) + Graph("chain", 0.4),
    "three parts": Decomposed(Common(L1(0.5)), Decomposed(L21(0.6), L1(0.5))),
}
every_sparse = pytest.mark.parametrize("penalty", SPARSE.values(), ids=SPARSE)


@pytest.fixture
def few_at_a_time(monkeypatch):
    monkeypatch.setattr(feature_sets, "FEWEST_FEATURES", 2)
    monkeypatch.setattr(feature_sets, "SMALLEST_SET", 1)


def data_of(case):
    return make_task_data(case.X, case.y, ids=case.fit.get("tasks"))


@every_sparse
@pytest.mark.parametrize("layout", ["vector", "outputs", "outputs_nan"])
def test_the_optimum_is_that_of_all_features(penalty, layout, few_at_a_time):
    case = make_case(layout)
    problem = fitting.pose(data_of(case), penalty)
    assert feature_sets.pays(problem)
    fitted = fitting.fit(data_of(case), penalty, tol=1e-9, max_iter=500)
    assert fitted.converged
    value = squared_loss(case, fitted.coef.T, fitted.intercept)
    value += penalty.value(fitting.full_start(fitted))
    assert_allclose(value, optimum(case, penalty, squared), rtol=1e-6)


@every_sparse
def test_a_path_goes_on_where_it_was(penalty, few_at_a_time):
    case = make_case("vector")
    problem = fitting.pose(data_of(case), penalty)
    for scale in (2.0, 1.0, 0.5, 1.5):
        warm = problem.with_penalty(penalty.scaled(scale))
        after = splitting.solve(warm, tol=1e-9, max_iter=500)
        fresh = fitting.fit(data_of(case), penalty.scaled(scale), tol=1e-9, max_iter=500)
        assert after.converged
        assert_allclose(warm.complete(after.coef)[0], fresh.coef, atol=1e-4)


def test_a_loss_goes_through_it(few_at_a_time):
    rng = np.random.RandomState(0)
    X, ids = rng.normal(size=(90, 6)), np.repeat(np.arange(3), 30)
    y = (X[:, 0] + 0.3 * rng.normal(size=90) > 0).astype(int)
    penalty = Decomposed(L21(0.03), L1(0.02))
    model = MultiTaskClassifier(penalty, tol=1e-8).fit(X, y, tasks=ids)
    assert model.dual_gap_ <= 1e-8
    assert not model.coef_[:, 1:].all()


def test_penalties_that_are_no_sums_over_features_take_all():
    data = data_of(make_case("vector"))
    for penalty in (Nuclear(0.3), Fusion("chain", 0.2), TotalVariation(0.2) + L1(0.1)):
        assert not StructuredProblem(data, penalty, labels=data.labels).structure.has_scores


def test_wide_tables_are_certified():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(60, 500))
    Y = X[:, :3] @ rng.normal(size=(3, 4)) + rng.normal(size=(60, 4))
    model = MultiTaskRegressor(Decomposed(L21(0.3), L1(0.2)), tol=1e-7).fit(X, Y)
    assert model.dual_gap_ <= 1e-7
    assert model.coef_.any(axis=0).sum() < 100


def test_a_part_held_at_zero_does_not_mislead_the_step_sizes():
    """Features that are nearly one, and a second part that stays zero."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(80, 1)) + 0.1 * rng.normal(size=(80, 120))
    Y = np.repeat(X[:, :1], 4, axis=1) + 0.3 * rng.normal(size=(80, 4))
    model = MultiTaskRegressor(Decomposed(L21(0.2), L1(0.2)), max_iter=300).fit(X, Y)
    assert model.dual_gap_ <= 1e-6
    assert not model.coef_parts_["specific"].any()


def test_a_sparse_table_is_iterated_upon(monkeypatch):
    monkeypatch.setattr(resolvent, "PRODUCTS", 0)
    case = make_case("csr_matrix")
    X = sparse.csr_matrix(np.nan_to_num(case.X.toarray()[:, 1:]))
    ids = case.X.toarray()[:, 0].astype(int)
    data = make_task_data(X, case.y, ids=ids)
    monkeypatch.setattr("skmtl.problem.GRAM_ENTRIES", 0)
    for penalty in (Nuclear(0.3), Decomposed(L21(0.3), L1(0.2))):
        problem = StructuredProblem(data, penalty, labels=data.labels)
        fitted = fitting.fit(data, penalty, tol=1e-9, max_iter=500)
        assert fitted.converged, problem.resolvent()
        value = squared_loss(case, fitted.coef.T, fitted.intercept)
        value += penalty.value(fitting.full_start(fitted))
        assert_allclose(value, optimum(case, penalty, squared), rtol=1e-6)


def test_pieces_of_a_graph_are_certified():
    """Every piece has a common model of its own that is free to move."""
    rng = np.random.RandomState(0)
    ids, X = np.repeat(np.arange(6), 12), rng.normal(size=(72, 4))
    y = X[:, 0] + rng.normal(size=72)
    pieces = np.kron(np.eye(2), np.ones((3, 3)) - np.eye(3))
    for penalty in (Graph(pieces, 0.1), Fusion(pieces, 0.1), Graph({(0, 1): 1.0}, 0.1)):
        assert MultiTaskRegressor(penalty).fit(X, y, tasks=ids).dual_gap_ <= 1e-6


def test_a_number_times_a_penalty():
    assert (2 * L21(0.3)).alpha == 0.6
    assert (Decomposed(L21(), L1(0.5)) * 0.5).specific.alpha == 0.25
    assert (2 * RowMCP(0.3)).alpha == 0.6
    with pytest.raises(TypeError):
        L21() * "2"
