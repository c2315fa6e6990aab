"""The generic estimators against an independent solver (cvxpy), by objective value."""

import numpy as np
import pytest
from helpers import make_case, with_labels
from loss_oracle import loss_value, with_targets
from numpy.testing import assert_allclose
from penalty_oracle import (
    COMPOSED,
    CONVEX,
    FACTOR,
    GROUPS,
    huber,
    logistic,
    multinomial,
    optimum,
    poisson,
    squared,
)

from skmtl import MultiTaskClassifier, MultiTaskRegressor
from skmtl.penalties import (
    L1,
    L21,
    Common,
    Decomposed,
    Fusion,
    Graph,
    GroupL21,
    L1Inf,
    Nuclear,
    SpectralBox,
    SquaredL2,
    SquaredNuclear,
    TaskL21,
    TotalVariation,
)

pytest.importorskip("cvxpy", reason="the oracle is cvxpy")

PENALTIES = {name: row[-1] for name, row in CONVEX.items() if name != "Common"} | COMPOSED
LAYOUTS = ["column", "csr_matrix", "outputs", "outputs_nan"]
SOME = {
    "nuclear": Nuclear(0.05),
    "dirty": Decomposed(L21(0.06), L1(0.04)),
    "largest entries": L1Inf(0.1, factor=FACTOR),
    "relations": SquaredNuclear(0.05),
    "subspace": SpectralBox(1, 0.05),
    "common and outliers": Decomposed(Common(SquaredL2(0.05)), TaskL21(0.05)),
    "data-shared": Decomposed(Common(L1(0.05)), L1(0.03)),
    "fusion": Fusion("complete", 0.04) + L1(0.01),
    "temporal": TotalVariation(0.04) + L1(0.01),
    "graph": Graph("chain", 0.1) + SquaredL2(0.05),
    "groups": GroupL21(GROUPS, 0.03) + L1(0.02),
    "free common": Decomposed(Common(), SquaredL2(0.1)),
}
OF_LABELS = ["nuclear", "dirty", "relations", "common and outliers", "data-shared", "graph"]
LOSSES = {"huber": huber, "poisson": poisson}


def parts_of(model):
    """Coefficients (n_features, n_tasks), or their parts, as the penalty takes them."""
    if hasattr(model, "coef_parts_"):
        return np.stack([part.T for part in model.coef_parts_.values()])
    return model.coef_.T


def objective(case, model, kind, coefs, intercepts, task_weight=None):
    total = 0.0
    for (X, y, v), W, b in zip(case.weighted_tasks(task_weight), coefs, intercepts, strict=True):
        total += v @ loss_value(kind, y, X @ W + b, 1.35) / case.n_bar
    return total


def regression_objective(case, model, kind="squared", task_weight=None):
    coefs, intercepts = model.coef_[:, :, None], model.intercept_[:, None]
    loss = objective(case, model, kind, coefs, intercepts, task_weight)
    return loss + model.penalty.value(parts_of(model))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", PENALTIES)
def test_every_penalty_in_every_layout(name, layout):
    case = make_case(layout, "rows", seed=1)
    model = MultiTaskRegressor(PENALTIES[name], tol=1e-9, **case.init)
    model.fit(case.X, case.y, **case.fit)
    assert_allclose(regression_objective(case, model), optimum(case, model.penalty, squared), 1e-6)
    assert model.dual_gap_ <= 1e-9
    if hasattr(model, "coef_parts_"):
        assert_allclose(sum(model.coef_parts_.values()), model.coef_, atol=1e-12)


@pytest.mark.parametrize("layout", ["vector", "outputs_nan"])
@pytest.mark.parametrize("task_weight", ["balanced", {0: 3.0, 2: 0.5}], ids=str)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("name", ["nuclear", "dirty", "common and outliers", "fusion"])
def test_weights_and_intercepts(layout, task_weight, fit_intercept, name):
    case = make_case(layout, "cells", seed=2)
    options = {"task_weight": task_weight, "fit_intercept": fit_intercept}
    model = MultiTaskRegressor(SOME[name], tol=1e-9, **options, **case.init)
    model.fit(case.X, case.y, **case.fit)
    ours = regression_objective(case, model, task_weight=task_weight)
    assert_allclose(ours, optimum(case, model.penalty, squared, **options), rtol=1e-6)


@pytest.mark.parametrize("name", ["nuclear", "dirty", "common and outliers", "fusion"])
def test_absent_features(name):
    """What a task does not have, it does not learn; its own objective is as low as it can be."""
    case = make_case("absent")
    model = MultiTaskRegressor(SOME[name], **case.init, tol=1e-9).fit(case.X, case.y)
    assert (model.coef_[~case.present] == 0).all()
    assert np.isfinite(model.predict(case.X)).all()


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("layout", ["column", "outputs_nan"])
@pytest.mark.parametrize("name", SOME)
def test_other_losses(name, layout, kind):
    case = with_targets(make_case(layout, "rows", n=25), [kind])
    model = MultiTaskRegressor(SOME[name], loss=kind, tol=1e-9, max_iter=200, **case.init)
    model.fit(case.X, case.y, **case.fit)
    ours = regression_objective(case, model, kind)
    assert_allclose(ours, optimum(case, model.penalty, LOSSES[kind]), rtol=1e-6)
    assert model.dual_gap_ <= 1e-9


def labelled(model, case):
    """Coefficients (n_features, n_columns) and intercepts of every task."""
    if model.coef_.ndim == 3:
        return np.swapaxes(model.coef_, 1, 2), model.intercept_
    return model.coef_[:, :, None], model.intercept_[:, None]


@pytest.mark.parametrize("layout", ["column", "outputs_nan"])
@pytest.mark.parametrize("name", SOME)
def test_two_labels(name, layout):
    case = with_labels(make_case(layout, "rows", n=30, seed=3))
    model = MultiTaskClassifier(SOME[name].scaled(0.5), tol=1e-9, max_iter=200, **case.init)
    model.fit(case.X, case.y, **case.fit)
    coefs, intercepts = labelled(model, case)
    ours = objective(case, model, 2, coefs, intercepts) + model.penalty.value(parts_of(model))
    assert_allclose(ours, optimum(case, model.penalty, logistic), rtol=1e-6)
    assert model.dual_gap_ <= 1e-9


def value_of_columns(penalty, model):
    """The penalty of multinomial coefficients, as an optimisation over their parts."""
    import cvxpy as cp
    from penalty_oracle import minimum, written
    from penalty_oracle import parts_of as penalties_of

    W = np.concatenate(list(np.swapaxes(model.coef_, 1, 2)), axis=1)
    parts, constraints, total = [cp.Variable(W.shape) for _ in penalties_of(penalty)], [], 0.0
    constraints.append(sum(parts) == W)
    for part, P in zip(penalties_of(penalty), parts, strict=True):
        if part.relates_tasks:
            P = cp.vstack([P[:, k::3] for k in range(3)])
        total = total + written(part, P, constraints)
    return minimum(total, constraints)


@pytest.mark.parametrize("name", OF_LABELS)
def test_more_labels(name):
    case = with_labels(make_case("column", "rows", n=30, seed=4), (3,))
    penalty = SOME[name].scaled(0.5)
    model = MultiTaskClassifier(penalty, tol=1e-9, max_iter=200, **case.init)
    model.fit(case.X, case.y, **case.fit)
    ours = objective(case, model, 3, *labelled(model, case)) + value_of_columns(penalty, model)
    assert_allclose(ours, optimum(case, penalty, multinomial), rtol=1e-6)
    assert model.dual_gap_ <= 1e-9


def test_tasks_with_different_numbers_of_labels():
    case = with_labels(make_case("column", n=30, seed=5), (2, 4, 3))
    for penalty in (Nuclear(0.02), Decomposed(L21(0.03), L1(0.02)), L1Inf(0.03)):
        model = MultiTaskClassifier(penalty, tol=1e-8, **case.init).fit(case.X, case.y)
        assert model.dual_gap_ <= 1e-8
        assert_allclose(model.predict_proba(case.X).sum(axis=1), 1.0)
    for penalty in (TaskL21(0.1), Decomposed(Common(L1(0.1)), L1(0.1)), Graph("chain")):
        with pytest.raises(ValueError, match="different numbers of labels"):
            MultiTaskClassifier(penalty, **case.init).fit(case.X, case.y)
