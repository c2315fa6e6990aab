"""Cross-validation of any penalty: the choice is that of brute force over the same folds."""

import numpy as np
import pytest
from helpers import make_case, with_labels
from loss_oracle import loss_value, with_targets
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skmtl import (
    MultiTaskClassifier,
    MultiTaskClassifierCV,
    MultiTaskLassoCV,
    MultiTaskRegressor,
    MultiTaskRegressorCV,
)
from skmtl.linear_model.penalized_cv import EPS, EPS_OF_SQUARES
from skmtl.model_selection import TaskKFold
from skmtl.penalties import (
    L1,
    L21,
    Common,
    Decomposed,
    Fusion,
    Graph,
    Multilevel,
    Nuclear,
    RowMCP,
    SpectralBox,
    SquaredL2,
    SquaredNuclear,
    TaskL21,
)

PENALTIES = {
    "rows": L21(),
    "nuclear": Nuclear(),
    "dirty": Decomposed(L21(), L1(0.7)),
    "common and outliers": Decomposed(Common(), TaskL21()),
    "fusion": Fusion("complete") + L1(0.1),
    "relations": SquaredNuclear() + SquaredL2(0.1),
    "a free feature": Decomposed(L21(factor=[0, 1, 1, 1, 1]), L1()),
}
ALPHAS = [1.0, 0.2, 0.05]


def folds_of(case):
    groups = case.X[:, 0]
    return list(TaskKFold(3).split(case.X, case.y, groups))


def brute_force(case, model, kind="squared"):
    """Held-out losses (n_alphas, n_folds), fit by fit."""
    losses = np.empty((len(ALPHAS), 3))
    for k, alpha in enumerate(ALPHAS):
        for fold, (train, test) in enumerate(folds_of(case)):
            fresh = clone(model).set_params(penalty=model.penalty.scaled(alpha))
            fresh.fit(case.X[train], case.y[train])
            codes = np.searchsorted(fresh.tasks_, case.X[test, 0])
            z = np.sum(case.X[test, 1:] * fresh.coef_[codes], axis=1) + fresh.intercept_[codes]
            losses[k, fold] = np.mean(loss_value(kind, case.y[test], z[:, None], 1.35))
    return losses


@pytest.mark.parametrize("name", PENALTIES)
def test_the_path_is_brute_force(name):
    case = make_case("column", n=20, noise=1.0)
    options = {"penalty": PENALTIES[name], "tol": 1e-10, "max_iter": 1000, **case.init}
    model = MultiTaskRegressorCV(alphas=ALPHAS[::-1], cv=folds_of(case), **options)
    model.fit(case.X, case.y)
    losses = 2.0 * brute_force(case, MultiTaskRegressor(**options))
    assert_allclose(model.mse_path_, losses, rtol=1e-4)
    assert model.alpha_ == ALPHAS[np.argmin(losses.mean(axis=1))]
    assert_array_equal(model.alphas_, ALPHAS)
    options["penalty"] = model.penalty_
    final = MultiTaskRegressor(**options).fit(case.X, case.y)
    assert_allclose(model.coef_, final.coef_, atol=1e-4)
    assert model.dual_gap_ <= 1e-6
    assert set(vars(final)) - set(vars(model)) <= {"solver_", "epsilon", "warm_start", "solver"}


@pytest.mark.parametrize("kind", ["huber", "poisson"])
@pytest.mark.parametrize("name", ["rows", "nuclear", "common and outliers"])
def test_other_losses(name, kind):
    case = with_targets(make_case("column", n=25), [kind])
    options = {"penalty": PENALTIES[name], "loss": kind, "tol": 1e-7, **case.init}
    model = MultiTaskRegressorCV(alphas=ALPHAS, cv=folds_of(case), **options)
    model.fit(case.X, case.y)
    losses = 2.0 * brute_force(case, MultiTaskRegressor(**options), kind)
    assert_allclose(model.mse_path_, losses, rtol=2e-3)
    assert model.alpha_ == ALPHAS[np.argmin(losses.mean(axis=1))]


@pytest.mark.parametrize("scoring", ["log_loss", "accuracy"])
@pytest.mark.parametrize("name", ["rows", "nuclear", "common and outliers", "dirty"])
def test_labels(name, scoring):
    case = with_labels(make_case("column", n=30))
    options = {"penalty": PENALTIES[name].scaled(0.1), "tol": 1e-9, **case.init}
    model = MultiTaskClassifierCV(
        alphas=ALPHAS, cv=folds_of(case), scoring=scoring, selection="best", **options
    ).fit(case.X, case.y)
    losses = brute_force(case, MultiTaskClassifier(**options), 2)
    if scoring == "log_loss":
        assert_allclose(-model.scores_, losses, rtol=1e-4)
    best = model.scores_.mean(axis=1)
    assert model.alpha_ == ALPHAS[np.argmax(best)]
    if hasattr(model, "coef_parts_"):
        assert_allclose(sum(model.coef_parts_.values()), model.coef_)


@pytest.mark.parametrize("name", PENALTIES)
def test_one_standard_error_and_threads(name):
    case = make_case("column", n=20, noise=2.0)
    model = MultiTaskRegressorCV(PENALTIES[name], alphas=12, cv=4, **case.init)
    best = model.fit(case.X, case.y)
    means = best.mse_path_.mean(axis=1)
    errors = best.mse_path_.std(axis=1, ddof=1) / np.sqrt(4)
    lowest = np.argmin(means)
    simple = clone(model).set_params(selection="one_standard_error", n_jobs=2)
    simple.fit(case.X, case.y)
    assert_allclose(simple.mse_path_, best.mse_path_, rtol=1e-12)
    within = means <= means[lowest] + errors[lowest]
    assert simple.alpha_ == best.alphas_[np.argmax(within)] >= best.alpha_


def test_rows_are_the_lasso():
    case = make_case("column", n=20)
    ours = MultiTaskRegressorCV(cv=3, alphas=20, tol=1e-9, **case.init).fit(case.X, case.y)
    lasso = MultiTaskLassoCV(cv=3, alphas=20, tol=1e-9, **case.init).fit(case.X, case.y)
    assert_allclose(ours.alphas_, lasso.alphas_)
    assert_allclose(ours.mse_path_, lasso.mse_path_, rtol=1e-6)
    assert_allclose(ours.coef_, lasso.coef_, atol=1e-5)


@pytest.mark.parametrize("layout", ["column", "outputs", "outputs_nan"])
def test_grids(layout):
    """From where all is zero, or next to zero if nothing ever is, down."""
    case = make_case(layout, n=20)
    squares = [SquaredL2(), SquaredNuclear(), SpectralBox(1), Graph("chain") + SquaredL2(0.1)]
    for penalty in [Nuclear(), PENALTIES["dirty"], *squares]:
        model = MultiTaskRegressorCV(penalty, alphas=6, cv=3, **case.init)
        model.fit(case.X, case.y)
        ends = model.alphas_[[0, -1]]
        assert (np.diff(model.alphas_) < 0).all()
        assert_allclose(ends[1] / ends[0], EPS_OF_SQUARES if penalty in squares else EPS)
        options = {"tol": 1e-9, **case.init}
        top = MultiTaskRegressor(penalty.scaled(1.001 * ends[0]), **options).fit(case.X, case.y)
        free = MultiTaskRegressor(SquaredL2(1e-9), **options).fit(case.X, case.y)
        size = np.abs(top.coef_).max() / np.abs(free.coef_).max()
        assert size <= (5e-2 if penalty in squares else 1e-6)


@pytest.mark.parametrize(
    "penalty",
    [RowMCP(), Multilevel(), Decomposed(RowMCP(), L1()), Decomposed(Common(RowMCP()), L1())],
    ids=str,
)
def test_concave_penalties(penalty):
    rng = np.random.RandomState(0)
    ids = np.repeat(np.arange(5), 25)
    X = rng.normal(size=(125, 10))
    W = np.zeros((5, 10))
    W[:, :2] = 2.0 + 0.2 * rng.normal(size=(5, 2))
    y = np.sum(X * W[ids], axis=1) + rng.normal(size=125)
    model = MultiTaskRegressorCV(penalty, alphas=8, cv=3).fit(X, y, tasks=ids)
    assert np.abs(model.coef_ - W).max() < 0.8
    assert model.mse_path_.mean(axis=1).min() < 2.0
    assert model.penalty_.get_params().keys() == penalty.get_params().keys()
    labels = y + 6.0 * rng.normal(size=125) > 0
    model = MultiTaskClassifierCV(penalty, alphas=[0.3, 0.2], cv=3).fit(X, labels, tasks=ids)
    assert model.score(X, labels, tasks=ids) > 0.6


def test_no_penalty_among_the_given():
    case = make_case("column", n=20)
    model = MultiTaskRegressorCV(Nuclear(), alphas=[1.0, 0.0], cv=3, **case.init)
    model.fit(case.X, case.y)
    assert np.isfinite(model.mse_path_).all()


def test_graphs_by_names_of_tasks():
    case = make_case("column", n=20)
    case.X[:, 0] = np.array([10.0, 20.0, 30.0])[case.X[:, 0].astype(int)]
    pairs = Fusion({(10, 20): 1.0, (20, 30): 1.0})
    ours = MultiTaskRegressorCV(pairs, alphas=5, cv=3, task_column=0).fit(case.X, case.y)
    chain = MultiTaskRegressorCV(Fusion("chain"), alphas=5, cv=3, task_column=0)
    assert_allclose(ours.mse_path_, chain.fit(case.X, case.y).mse_path_, rtol=1e-8)
    assert ours.task_labels_.shape == (3,)


@pytest.mark.parametrize("cls", [MultiTaskRegressorCV, MultiTaskClassifierCV])
def test_wrong_parameters(cls):
    case = with_labels(make_case("column"))
    for given, error, text in [
        ({"penalty": 1.0}, TypeError, "must be a penalty"),
        ({"penalty": Decomposed(L1(), None)}, TypeError, "Decomposed takes penalties"),
        ({"penalty": Nuclear(-1.0)}, ValueError, "alpha of Nuclear"),
        ({"alphas": [-1.0]}, ValueError, "alphas"),
        ({"eps": 0.0}, ValueError, "eps"),
        ({"selection": "worst"}, ValueError, "selection"),
    ]:
        with pytest.raises(error, match=text):
            cls(**given, **case.init).fit(case.X, case.y)
