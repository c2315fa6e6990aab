"""The choice of ARMUL's penalties: folds by hand, the pooling alpha, the rules."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skmtl import ARMUL, ARMULCV
from skmtl.model_selection import TaskKFold
from tests.helpers import make_case
from tests.linear_model.test_armul import planted


def groups_of(case, layout):
    if layout == "csr_matrix":
        return case.X[:, [0]].toarray().ravel()
    return case.X[:, 0] if layout in ("column", "absent") else None


@pytest.mark.parametrize("layout", ["column", "absent", "csr_matrix", "outputs", "outputs_nan"])
@pytest.mark.parametrize("shape", [{"n": 20, "p": 4}, {"n": 6, "p": 12}], ids=str)
def test_errors_by_hand(layout, shape):
    case = make_case(layout, "rows", n_tasks=4, **shape)
    cv, alphas = TaskKFold(3), [4.0, 1.0, 0.2]
    model = ARMULCV(
        alphas=alphas, alphas_intercept=[2.0], ridge=0.2, cv=cv, tol=1e-9, **case.init
    ).fit(case.X, case.y, **case.fit)
    v = case.fit["sample_weight"]
    for k, (train, test) in enumerate(cv.split(case.X, groups=groups_of(case, layout))):
        for i, alpha in enumerate(alphas):
            one = ARMUL(alpha, alpha_intercept=2.0, ridge=0.2, tol=1e-9, **case.init)
            one.fit(case.X[train], case.y[train], sample_weight=v[train])
            errors = (case.y[test] - one.predict(case.X[test])) ** 2
            weights = np.broadcast_to(v[test].reshape(-1, *[1] * (errors.ndim - 1)), errors.shape)
            seen = ~np.isnan(errors)
            expected = np.sum((weights * errors)[seen]) / weights[seen].sum()
            assert_allclose(model.mse_path_[i, k], expected, rtol=2e-2)
    best = np.argmin(model.mse_path_.mean(axis=1))
    assert model.alpha_ == alphas[best]
    final = ARMUL(model.alpha_, alpha_intercept=2.0, ridge=0.2, **case.init)
    assert_allclose(model.coef_, final.fit(case.X, case.y, **case.fit).coef_, rtol=1e-3, atol=1e-4)


@pytest.mark.filterwarnings("ignore:the best alpha")  # of four that are no search
@pytest.mark.parametrize("layout", ["column", "absent", "outputs", "outputs_nan"])
def test_the_pooling_alpha_is_the_smallest(layout):
    case = make_case(layout, "rows", n_tasks=5)
    model = ARMULCV(alphas=4, eps=0.03, alphas_intercept=[2.0], ridge=1.0, cv=3, **case.init)
    model.fit(case.X, case.y, **case.fit)
    assert_allclose(model.alphas_[0], model.alpha_max_)
    options = {"alpha_intercept": 2.0, "ridge": 1.0, "tol": 1e-12, **case.init}
    at = ARMUL(model.alpha_max_ * (1 + 1e-9), **options).fit(case.X, case.y, **case.fit)
    below = ARMUL(model.alpha_max_ * (1 - 1e-4), **options).fit(case.X, case.y, **case.fit)
    assert at.pooled_tasks_.all()
    assert not below.pooled_tasks_.all()


def test_tasks_that_are_one_are_pooled_and_others_are_not():
    rng = np.random.RandomState(0)
    same = np.tile(rng.normal(size=5), (10, 1))
    model = ARMULCV(task_column=0, selection="one_standard_error").fit(*planted(same, n=15))
    assert model.pooled_tasks_.all()
    apart = 3.0 * rng.normal(size=(10, 5))
    model = ARMULCV(task_column=0).fit(*planted(apart, n=30))
    assert model.outlier_tasks_.all()


def test_one_standard_error_prefers_more_sharing():
    rng = np.random.RandomState(3)
    coef = rng.normal(size=5) + 0.3 * rng.normal(size=(10, 5))
    X, y = planted(coef, n=12, noise=1.0)
    best = ARMULCV(task_column=0).fit(X, y)
    more = ARMULCV(task_column=0, selection="one_standard_error").fit(X, y)
    mean = best.mse_path_.mean(axis=1)
    chosen = np.argmin(mean)
    limit = mean[chosen] + best.mse_path_[chosen].std(ddof=1) / np.sqrt(5)
    assert_array_equal(best.alphas_, more.alphas_)
    assert more.alpha_ == best.alphas_[np.argmax(mean <= limit)]
    assert more.alpha_ >= best.alpha_


def test_the_penalty_of_the_intercepts_follows_their_spread():
    rng = np.random.RandomState(4)
    coef = np.tile(rng.normal(size=4), (30, 1))
    X, y = planted(coef, n=6, noise=1.0)
    codes = X[:, 0].astype(int)
    close = ARMULCV(task_column=0).fit(X, y + 0.05 * rng.normal(size=30)[codes])
    far = ARMULCV(task_column=0).fit(X, y + 10.0 * rng.normal(size=30)[codes])
    assert far.alpha_intercept_ < 1.0
    assert close.alpha_intercept_ > 10.0
    assert np.ptp(close.intercept_) < 0.5


def test_wrong_parameters():
    case = make_case("column", n_tasks=3)
    for init, error, message in [
        ({"alphas": []}, ValueError, "alphas must hold at least one number"),
        ({"alphas": [-1.0]}, ValueError, "alphas=-1.0"),
        ({"alphas": 0}, ValueError, "alphas=0"),
        ({"eps": 2.0}, ValueError, "eps=2.0"),
        ({"selection": "first"}, ValueError, "selection='first'"),
        ({"alphas_intercept": [np.nan]}, ValueError, "alphas_intercept"),
        ({"ridge": -1.0}, ValueError, "ridge"),
        (
            {"selection": "one_standard_error", "cv": [(np.arange(30), np.arange(30, 45))]},
            ValueError,
            "two folds",
        ),
    ]:
        with pytest.raises(error, match=message):
            ARMULCV(**init, **case.init).fit(case.X, case.y)


def test_tasks_apart_need_no_distance():
    """The automatic grid ends with every task by itself."""
    rng = np.random.RandomState(0)
    X, y = planted(1e3 * rng.normal(size=(6, 4)), n=40)
    model = ARMULCV(task_column=0).fit(X, y)
    assert model.alphas_[-1] == 0
    assert len(model.alphas_) == 30
    assert_allclose(model.alphas_[-2] / model.alphas_[0], 1e-3)
    assert model.score(X, y) > 0.999


def test_an_automatic_grid_that_ends_too_early():
    rng = np.random.RandomState(0)
    common, own = rng.normal(size=12), rng.normal(size=(8, 12))
    own[:6] = 0.0
    X, y = planted(common + 0.5 * own, n=15)
    with pytest.warns(UserWarning, match=r"lower eps \(now 0\.3\)"):
        ARMULCV(alphas=4, eps=0.3, task_column=0).fit(X, y)


def test_jobs_change_nothing():
    case = make_case("column", n_tasks=4, n=12)
    one = ARMULCV(alphas=5, **case.init).fit(case.X, case.y)
    two = ARMULCV(alphas=5, n_jobs=2, **case.init).fit(case.X, case.y)
    assert_array_equal(one.mse_path_, two.mse_path_)
    assert_array_equal(one.coef_, two.coef_)
