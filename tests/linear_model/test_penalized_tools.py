"""Errors of the generic estimators, and the tools around them: pickles, pipelines, searches."""

import pickle

import numpy as np
import pytest
from helpers import make_case, with_labels
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl import (
    MultiTaskClassifier,
    MultiTaskRegressor,
)
from skmtl.penalties import (
    L1,
    L21,
    Common,
    Decomposed,
    Fusion,
    GroupL21,
    Nuclear,
    TaskL21,
)
from skmtl.preprocessing import keep_tasks


def fit(penalty, case, **options):
    model = MultiTaskRegressor(penalty, **{"tol": 1e-11, **case.init, **options})
    return model.fit(case.X, case.y, **case.fit)


@pytest.mark.parametrize("cls", [MultiTaskRegressor, MultiTaskClassifier])
def test_wrong_penalties(cls):
    case = with_labels(make_case("column"))
    wrong = [
        (0.1, TypeError, "must be a penalty such as"),
        (L21, TypeError, "must be a penalty such as"),
        (L21(-1.0), ValueError, "alpha of L21 is -1"),
        (L1() + Decomposed(L1(), L21()), TypeError, "cannot be added"),
        (Decomposed(L1(), None), TypeError, "Decomposed takes penalties"),
        (TaskL21(factor=[1.0, 2.0]), ValueError, "there are 3 tasks"),
        (Nuclear("1"), TypeError, "alpha of Nuclear must be a number"),
        (GroupL21([0, 1]), ValueError, "there are 5 features"),
    ]
    for penalty, error, text in wrong:
        with pytest.raises(error, match=text):
            cls(penalty, **case.init).fit(case.X, case.y)


def test_differences_of_tasks_with_more_labels():
    case = with_labels(make_case("column", n=20), (3,))
    for penalty, text in [
        (Fusion("chain"), "Fusion is for tasks"),
        (Common(), "free common model"),
    ]:
        with pytest.raises(ValueError, match=text):
            MultiTaskClassifier(penalty, **case.init).fit(case.X, case.y)


def test_counts_below_zero():
    case = make_case("column")
    with pytest.raises(ValueError, match="poisson"):
        MultiTaskRegressor(Nuclear(), loss="poisson", **case.init).fit(case.X, case.y)


def test_pickles_and_grid_search():
    case = make_case("column", n=25)
    model = fit(Decomposed(Common(L1(0.1)), TaskL21(0.2)), case)
    other = pickle.loads(pickle.dumps(model))
    assert_array_equal(other.predict(case.X), model.predict(case.X))
    assert repr(other.penalty) == repr(model.penalty)
    steps = make_pipeline(keep_tasks(StandardScaler(), task_column=0), clone(model))
    grid = {"multitaskregressor__penalty__shared__penalty__alpha": [0.01, 5.0]}
    search = GridSearchCV(steps, grid, scoring="r2", cv=3).fit(case.X, case.y)
    assert len(np.unique(search.cv_results_["mean_test_score"])) == 2
    assert stats.pearsonr(search.predict(case.X), case.y)[0] > 0.9
    grid = {"penalty__shared__alpha": [0.1, 9.0], "penalty__specific__alpha": [0.1]}
    dirty = MultiTaskRegressor(Decomposed(L21(), L1()), **case.init)
    search = GridSearchCV(dirty, grid, scoring="neg_mean_squared_error", cv=3).fit(case.X, case.y)
    assert set(search.best_params_) == set(grid)


@pytest.mark.parametrize("cls", [MultiTaskRegressor, MultiTaskClassifier])
@pytest.mark.parametrize(
    "penalty",
    [
        Nuclear(0.05),
        Decomposed(L21(0.06), L1(0.04)),
        Decomposed(Common(L1(0.02)), TaskL21(0.03)),
        Fusion("complete", 0.03) + L1(0.01),
    ],
    ids=str,
)
def test_rows_in_any_order_and_copies(cls, penalty):
    rng = np.random.RandomState(0)
    case = make_case("column", n=30)
    case = with_labels(case) if cls is MultiTaskClassifier else case
    X, y = case.X, case.y
    options = {"task_column": 0, "tol": 1e-10}
    model = cls(penalty, **options).fit(X, y)
    order = rng.permutation(len(y))
    moved = cls(penalty, **options).fit(X[order], y[order])
    assert_allclose(moved.coef_, model.coef_, atol=1e-4)
    renamed = X.copy()
    renamed[:, 0] = np.array([7.0, 3.0, 5.0])[X[:, 0].astype(int)]
    moved = cls(penalty, **options).fit(renamed, y)
    assert_allclose(moved.coef_[[2, 0, 1]], model.coef_, atol=1e-4)
    weights = rng.randint(1, 4, size=len(y))
    weighted = cls(penalty, **options).fit(X, y, sample_weight=weights)
    copies = cls(penalty, **options)
    copies.fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    assert_allclose(copies.coef_, weighted.coef_, atol=1e-4)
