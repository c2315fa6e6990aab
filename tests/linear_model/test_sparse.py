import warnings

import numpy as np
import pytest
from helpers import LAYOUTS, make_case, norm_value, squared_loss
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import linear_model
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from skmtl import MultiTaskElasticNet, MultiTaskLasso, MultiTaskRegressor
from skmtl.model_selection import TaskKFold
from skmtl.penalties import L1, L21, SquaredL2

TIGHT = {"tol": 1e-12}


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_one_task_is_sklearn_lasso_and_elastic_net(fit_intercept, positive, weighted):
    case = make_case("column", "rows" if weighted else None, n_tasks=1, n=30, p=8, seed=1)
    X, y, v = case.tasks[0]
    options = {"fit_intercept": fit_intercept, "positive": positive, "tol": 1e-12}
    for ours, theirs in [
        (MultiTaskLasso(0.1), linear_model.Lasso(0.1, max_iter=100_000)),
        (
            MultiTaskElasticNet(0.3, l1_ratio=0.6),
            linear_model.ElasticNet(0.3, l1_ratio=0.6, max_iter=100_000),
        ),
        (MultiTaskRegressor(L1(0.1, positive=positive)), linear_model.Lasso(0.1, max_iter=100_000)),
    ]:
        theirs.set_params(**options).fit(X, y, sample_weight=v)
        ours.set_params(**{k: v for k, v in options.items() if k in ours.get_params()})
        ours.fit(X, y, sample_weight=v)
        assert_allclose(ours.coef_[0], theirs.coef_, rtol=1e-5, atol=1e-6)
        assert_allclose(ours.intercept_[0], theirs.intercept_, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("shape", [{"n": 30, "p": 8}, {"n": 10, "p": 40}], ids=str)
def test_complete_outputs_are_sklearns(fit_intercept, shape):
    case = make_case("outputs", seed=2, **shape)
    options = {"fit_intercept": fit_intercept, "tol": 1e-11}
    for name, parameters in [
        ("MultiTaskLasso", {"alpha": 0.2}),
        ("MultiTaskElasticNet", {"alpha": 0.4, "l1_ratio": 0.3}),
    ]:
        theirs = getattr(linear_model, name)(**parameters, **options, max_iter=200_000)
        theirs.fit(case.X, case.y)
        ours = {"MultiTaskLasso": MultiTaskLasso, "MultiTaskElasticNet": MultiTaskElasticNet}[name]
        ours = ours(**parameters, **options).fit(case.X, case.y)
        assert_allclose(ours.coef_, theirs.coef_, rtol=1e-4, atol=1e-6)
        assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-4, atol=1e-6)
        assert_allclose(ours.predict(case.X), theirs.predict(case.X), rtol=1e-4, atol=1e-5)


def test_l1_does_not_couple_the_tasks():
    case = make_case("column", seed=3)
    model = MultiTaskRegressor(L1(0.1), **case.init, **TIGHT).fit(case.X, case.y)
    for t, (X, y, _) in enumerate(case.tasks):
        alone = linear_model.Lasso(0.1 * case.n_bar / len(y), tol=1e-12).fit(X, y)
        assert_allclose(model.coef_[t], alone.coef_, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_l1_ratio_zero_is_ridge_per_task(layout):
    case = make_case(layout, "rows", seed=4)
    model = MultiTaskElasticNet(0.3, l1_ratio=0.0, **case.init, **TIGHT)
    model.fit(case.X, case.y, **case.fit)
    assert model.dual_gap_ <= 1e-11
    for t, (X, y, v) in enumerate(case.tasks):
        ridge = linear_model.Ridge(0.3 * case.n_bar).fit(X, y, sample_weight=v)
        assert_allclose(model.coef_[t], ridge.coef_, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("layout", ["column", "outputs", "csr_matrix"])
@pytest.mark.parametrize("alpha", [0.0, 1e-12])
def test_alpha_zero_is_least_squares(layout, alpha):
    case = make_case(layout, "rows", seed=5)
    for model in (MultiTaskLasso(alpha), MultiTaskElasticNet(alpha), MultiTaskRegressor(L1(alpha))):
        model.set_params(**case.init).fit(case.X, case.y, **case.fit)
        for t, (X, y, v) in enumerate(case.tasks):
            best = linear_model.LinearRegression().fit(X, y, sample_weight=v)
            assert_allclose(model.coef_[t], best.coef_, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_smallest_alpha_of_zero_coefficients(layout, fit_intercept):
    case = make_case(layout, "rows", seed=6)
    gradients = []
    for X, y, v in case.tasks:
        error = y - (v @ y / v.sum() if fit_intercept else 0.0)
        gradients.append(X.T @ (v * error) / case.n_bar)
    norms = np.linalg.norm(gradients, axis=0)
    for factor in (None, [1.0, 2.0, 0.5, 1.0, 3.0]):
        largest = np.max(norms / (np.ones(5) if factor is None else factor))
        options = {"penalty_factor": factor, "fit_intercept": fit_intercept, **case.init}
        above = MultiTaskLasso(largest * 1.0001, **options).fit(case.X, case.y, **case.fit)
        assert np.all(above.coef_ == 0)
        assert above.n_iter_ == 1
        below = MultiTaskLasso(largest * 0.999, tol=1e-9, **options)
        below.fit(case.X, case.y, **case.fit)
        assert np.sum(np.any(below.coef_ != 0, axis=0)) == 1


@pytest.mark.parametrize("layout", ["column", "outputs", "outputs_nan", "csr_matrix"])
def test_optimality_conditions(layout):
    """On the support the gradient is -alpha w_j / ||w_j||, elsewhere no longer than alpha."""
    case = make_case(layout, "rows", seed=7)
    model = MultiTaskLasso(0.6, tol=1e-14, **case.init).fit(case.X, case.y, **case.fit)
    gradient = np.empty_like(model.coef_)
    for t, (X, y, v) in enumerate(case.tasks):
        error = y - X @ model.coef_[t] - model.intercept_[t]
        gradient[t] = X.T @ (v * error) / case.n_bar
    norms = np.linalg.norm(model.coef_, axis=0)
    assert 0 < np.sum(norms > 0) < 5
    on = norms > 0
    assert_allclose(gradient[:, on], 0.6 * model.coef_[:, on] / norms[on], atol=1e-6)
    assert np.all(np.linalg.norm(gradient[:, ~on], axis=0) <= 0.6 * (1 + 1e-8))


@pytest.mark.parametrize("layout", ["column", "outputs"])
def test_rotated_tasks(layout):
    """The l2,1 norm of shared rows does not change under a rotation of the tasks."""
    case = make_case("outputs", seed=8)
    rotation = np.linalg.qr(np.random.RandomState(0).normal(size=(3, 3)))[0]
    plain = MultiTaskLasso(0.2, **TIGHT).fit(case.X, case.y)
    rotated = MultiTaskLasso(0.2, **TIGHT).fit(case.X, case.y @ rotation)
    assert_allclose(rotated.coef_, rotation.T @ plain.coef_, atol=1e-6)


def test_scales():
    """Targets k times as large at k times the penalty; features k times as large, coefs 1/k."""
    case = make_case("column", seed=9)
    scaled_X = case.X * np.r_[1, np.full(5, 1e3)]
    model = MultiTaskLasso(0.2, **case.init, **TIGHT).fit(case.X, case.y)
    for k in (1e-6, 1e6):
        other = MultiTaskLasso(0.2 * k, **case.init, **TIGHT).fit(case.X, case.y * k)
        assert_allclose(other.coef_, model.coef_ * k, rtol=1e-6, atol=1e-8 * k)
    other = MultiTaskLasso(0.2 * 1e3, **case.init, **TIGHT).fit(scaled_X, case.y)
    assert_allclose(other.coef_ * 1e3, model.coef_, rtol=1e-6, atol=1e-8)


def test_features_without_penalty_do_not_mind_their_scale():
    case = make_case("column", seed=10)
    factor = [0.0, 1.0, 1.0, 0.0, 1.0]
    options = {"penalty_factor": factor, **case.init, **TIGHT}
    model = MultiTaskLasso(0.2, **options).fit(case.X, case.y)
    for k in (1e-4, 1e4):
        scale = np.array([k, 1, 1, 1 / k, 1])
        other = MultiTaskLasso(0.2, **options).fit(case.X * np.r_[1, scale], case.y)
        assert_allclose(other.coef_ * scale, model.coef_, rtol=1e-5, atol=1e-7)
        assert_allclose(other.intercept_, model.intercept_, rtol=1e-5, atol=1e-7)


def test_zero_factor_is_partialling_out():
    """A free feature gets the least-squares coefficient of what the others leave."""
    case = make_case("column", "rows", seed=11)
    model = MultiTaskLasso(0.2, penalty_factor=[0, 1, 1, 1, 1], **case.init, **TIGHT)
    model.fit(case.X, case.y, **case.fit)
    for t, (X, y, v) in enumerate(case.tasks):
        rest = y - X[:, 1:] @ model.coef_[t, 1:]
        free = linear_model.LinearRegression().fit(X[:, :1], rest, sample_weight=v)
        assert_allclose(model.coef_[t, 0], free.coef_[0], rtol=1e-8)
        assert_allclose(model.intercept_[t], free.intercept_, rtol=1e-8)


def test_dropping_a_feature_is_a_huge_factor():
    case = make_case("column", seed=12)
    model = MultiTaskLasso(0.1, penalty_factor=[1, 1e9, 1, 1, 1], **case.init, **TIGHT)
    model.fit(case.X, case.y)
    without = MultiTaskLasso(0.1, **case.init, **TIGHT).fit(np.delete(case.X, 2, axis=1), case.y)
    assert np.all(model.coef_[:, 1] == 0)
    assert_allclose(np.delete(model.coef_, 1, axis=1), without.coef_, atol=1e-7)


@pytest.mark.parametrize("layout", ["column", "outputs", "csr_matrix"])
@pytest.mark.parametrize("factor", [None, [1, 0, 1, 0.5, 1]], ids=str)
def test_warm_start(layout, factor):
    case = make_case(layout, n=40, p=5, noise=2.0, seed=13)
    options = {"penalty_factor": factor, "tol": 1e-12, **case.init}
    cold = MultiTaskLasso(0.1, **options).fit(case.X, case.y)
    warm = MultiTaskLasso(0.101, warm_start=True, **options).fit(case.X, case.y)
    warm.set_params(alpha=0.1).fit(case.X, case.y)
    assert_allclose(warm.coef_, cold.coef_, atol=1e-6)
    assert warm.n_iter_ <= cold.n_iter_
    again = warm.fit(case.X, case.y)
    assert again.n_iter_ == 1


def test_warm_start_saves_iterations():
    case = make_case("column", n=60, p=100, n_tasks=4, noise=3.0, seed=14)
    options = {"tol": 1e-12, **case.init}
    cold = MultiTaskLasso(0.3, **options).fit(case.X, case.y)
    warm = MultiTaskLasso(0.301, warm_start=True, **options).fit(case.X, case.y)
    warm.set_params(alpha=0.3).fit(case.X, case.y)
    assert warm.n_iter_ < cold.n_iter_
    assert_allclose(warm.coef_, cold.coef_, atol=1e-5)


def test_warm_start_on_other_data_is_a_cold_start():
    case, other = make_case("column", seed=15), make_case("column", n_tasks=4, p=7, seed=16)
    model = MultiTaskLasso(0.2, warm_start=True, **case.init, **TIGHT).fit(case.X, case.y)
    cold = clone(model).fit(other.X, other.y)
    assert_allclose(model.fit(other.X, other.y).coef_, cold.coef_, atol=1e-10)


def test_warm_start_with_a_positive_constraint():
    case = make_case("column", seed=17)
    model = MultiTaskLasso(0.1, warm_start=True, **case.init, **TIGHT).fit(case.X, case.y)
    assert (model.coef_ < 0).any()
    model.set_params(positive=True).fit(case.X, case.y)
    cold = MultiTaskLasso(0.1, positive=True, **case.init, **TIGHT).fit(case.X, case.y)
    assert (model.coef_ >= 0).all()
    assert_allclose(model.coef_, cold.coef_, atol=1e-6)


def test_too_few_iterations_warn():
    case = make_case("column", n=8, p=60, noise=3.0, seed=18)
    with pytest.warns(ConvergenceWarning, match=r"duality gap is .*, tol is 0.000e\+00") as record:
        model = MultiTaskLasso(0.01, tol=0.0, max_iter=1, **case.init).fit(case.X, case.y)
    assert len(record) == 1
    assert record[0].filename == __file__
    assert np.isfinite(model.coef_).all()
    assert model.dual_gap_ > 0


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-8, 1e-12])
def test_tolerance_is_kept(tol):
    case = make_case("column", n=20, p=50, seed=19)
    model = MultiTaskLasso(0.1, tol=tol, **case.init).fit(case.X, case.y)
    assert model.dual_gap_ <= tol
    assert type(model.dual_gap_) is float


def test_scale_of_the_loss_follows_sample_weights_but_not_task_weights():
    """A number for all sample weights changes nothing; one for all tasks is one for the loss."""
    case = make_case("column", seed=20)
    plain = MultiTaskLasso(0.2, **case.init, **TIGHT).fit(case.X, case.y)
    weighted = MultiTaskLasso(0.2, **case.init, **TIGHT)
    weighted.fit(case.X, case.y, sample_weight=3.0)
    assert_allclose(weighted.coef_, plain.coef_, atol=1e-8)
    weighted.set_params(task_weight=[3.0] * 3, alpha=0.6).fit(case.X, case.y)
    assert_allclose(weighted.coef_, plain.coef_, atol=1e-8)


def test_sums_of_the_algebra():
    case = make_case("column", seed=21)
    net = MultiTaskElasticNet(0.3, l1_ratio=0.4, **case.init, **TIGHT).fit(case.X, case.y)
    for penalty in (L21(0.12) + SquaredL2(0.18), SquaredL2(0.18) + L21(0.05) + L21(0.07)):
        model = MultiTaskRegressor(penalty, **case.init, **TIGHT).fit(case.X, case.y)
        assert_allclose(model.coef_, net.coef_, atol=1e-7)


def test_parameters_inside_a_penalty():
    case = make_case("column", seed=22)
    model = MultiTaskRegressor(L21(0.2) + L1(0.1), **case.init)
    assert {"penalty__first__alpha", "penalty__second__factor"} <= set(model.get_params())
    model.set_params(penalty__first__alpha=0.5, penalty__second__alpha=0.0)
    assert norm_value(np.ones((1, 1)), [("L21", model.penalty.first.alpha, None)]) == 0.5
    grid = {"penalty__first__alpha": [0.01, 100.0], "penalty__second__alpha": [0.0]}
    cv = TaskKFold(3, task_column=0)
    search = GridSearchCV(model, grid, scoring="r2", cv=cv, error_score="raise")
    search.fit(case.X, case.y)
    assert search.best_params_["penalty__first__alpha"] == 0.01
    assert model.penalty.first.alpha == 0.5
    other = clone(model)
    assert other.penalty is not model.penalty


def test_default_penalty():
    case = make_case("column", seed=23)
    default = MultiTaskRegressor(**case.init).fit(case.X, case.y)
    lasso = MultiTaskLasso(0.1, **case.init).fit(case.X, case.y)
    assert_array_equal(default.coef_, lasso.coef_)
    assert default.penalty is None


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"alpha": -1.0}, ValueError, "alpha"),
        ({"alpha": np.nan}, ValueError, "alpha"),
        ({"alpha": "big"}, TypeError, "alpha"),
        ({"tol": -1e-3}, ValueError, "tol"),
        ({"max_iter": 0}, ValueError, "max_iter"),
        ({"max_iter": 2.5}, TypeError, "max_iter"),
        ({"penalty_factor": [1.0, 2.0]}, ValueError, "5 features"),
        ({"penalty_factor": [1, 1, 1, 1, -1]}, ValueError, "factors"),
        ({"penalty_factor": [1, 1, 1, 1, np.nan]}, ValueError, "factors"),
        ({"positive": True, "penalty_factor": [1, 0, 1, 1, 1]}, ValueError, "positive"),
        ({"positive": True, "alpha": 0.0}, ValueError, "positive"),
        ({"task_weight": "equal"}, ValueError, "task_weight='equal'"),
        ({"task_weight": [1.0, 2.0]}, ValueError, "3 tasks"),
        ({"task_weight": {9: 1.0}}, ValueError, r"tasks \[9\]"),
        ({"task_weight": [1, -1, 1]}, ValueError, "not negative"),
        ({"task_weight": [0, 0, 0]}, ValueError, "task_weight is zero"),
        ({"unknown_task": "none"}, ValueError, "unknown_task"),
    ],
    ids=str,
)
def test_wrong_parameters(parameters, error, message):
    case = make_case("column")
    with pytest.raises(error, match=message):
        MultiTaskLasso(**{**case.init, **parameters}).fit(case.X, case.y)


def test_wrong_penalties():
    case = make_case("column")
    for penalty, error in [("l21", TypeError), (L21(-1.0), ValueError), (L21(True), TypeError)]:
        with pytest.raises(error, match=r"penalty|alpha"):
            MultiTaskRegressor(penalty, **case.init).fit(case.X, case.y)
    for ratio in (-0.1, 1.1):
        with pytest.raises(ValueError, match="l1_ratio"):
            MultiTaskElasticNet(l1_ratio=ratio, **case.init).fit(case.X, case.y)


@pytest.mark.parametrize(
    "weights",
    [-np.ones(45), np.full(45, np.nan), np.zeros(45), np.ones(3), np.ones((45, 3))],
    ids=["negative", "NaN", "zero", "short", "2-d"],
)
def test_wrong_sample_weights(weights):
    case = make_case("column")
    assert len(case.y) == 45
    with pytest.raises(ValueError, match="sample_weight"):
        MultiTaskLasso(**case.init).fit(case.X, case.y, sample_weight=weights)


def test_objective_never_rises_with_more_iterations():
    case = make_case("column", n=10, p=30, noise=2.0, seed=24)
    previous = np.inf
    for max_iter in (1, 2, 4, 8):
        model = MultiTaskLasso(0.02, tol=0.0, max_iter=max_iter, **case.init)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(case.X, case.y)
        value = squared_loss(case, model.coef_, model.intercept_)
        value += norm_value(model.coef_, [("L21", 0.02, None)])
        assert value <= previous * (1 + 1e-12)
        previous = value


def test_wide_outputs_with_a_task_without_weight():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(20, 1000)), rng.normal(size=(20, 3))
    weights = np.ones(Y.shape)
    weights[:, 1] = 0.0
    X[:, 5] = np.nan  # absent from all tasks
    model = MultiTaskLasso(0.3).fit(X, Y, sample_weight=weights)
    assert np.isfinite(model.coef_).all()
    alone = MultiTaskLasso(0.3).fit(X, Y[:, [0, 2]])
    assert_allclose(model.coef_[[0, 2]], alone.coef_, atol=1e-3)
