"""The safe default: weights by out-of-fold predictions, folds, and what the gains say."""

import pickle

import numpy as np
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from sharing_problems import CLASSES, answer, make_outputs, make_problem, quick
from sklearn.base import clone, is_classifier
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skmtl import (
    HierarchicalRidge,
    MultiTaskRidge,
    MultiTaskRidgeCV,
    PerTaskRegressor,
    SharingClassifier,
    SharingRegressor,
    keep_tasks,
)
from skmtl.compose import sharing
from skmtl.compose.stacking import SquaredErrors, judge
from skmtl.model_selection import TaskKFold

both = pytest.mark.parametrize("cls", CLASSES)


def stump(cls):
    model = DecisionTreeClassifier if is_classifier(cls()) else DecisionTreeRegressor
    return model(max_depth=1, random_state=0)


def table(cls, **options):
    codes, features, y = make_problem(cls, **options)
    return np.column_stack([codes, features]), y


# --- weights ----------------------------------------------------------------------------------


def test_default_regressor_by_a_plain_loop():
    X, y = table(SharingRegressor)
    codes = X[:, 0].astype(int)
    model = SharingRegressor(task_column=0, clip=False, cv=TaskKFold(3)).fit(X, y)
    strategies = [
        MultiTaskRidgeCV(task_column=0),
        HierarchicalRidge("intercept", task_column=0),
        HierarchicalRidge(task_column=0),
    ]
    predicted, folds = np.empty((3, len(y))), np.empty(len(y), dtype=int)
    for fold, (train, test) in enumerate(TaskKFold(3, task_column=0).split(X)):
        folds[test] = fold
        for k, strategy in enumerate(strategies):
            predicted[k, test] = clone(strategy).fit(X[train], y[train]).predict(X[test])
    problem = SquaredErrors(predicted, y, np.ones(len(y)), codes, np.arange(len(y)))
    weights, alone, gains = judge(problem, folds, 4)
    assert not alone.any()
    assert_allclose(list(model.strategy_weights_.values()), weights, atol=1e-9)
    assert_allclose(model.task_gains_, gains.tasks)
    assert_allclose(model.task_gain_errors_, gains.task_errors)
    assert_allclose([model.gain_, model.gain_error_], [gains.mean, gains.error])
    fitted = [strategy.fit(X, y).predict(X) for strategy in strategies]
    assert_allclose(model.predict(X), weights @ fitted)


@both
def test_a_task_of_more_rows_relies_more_on_its_own_model(cls):
    X, y = table(cls, n_tasks=5)
    kept = (X[:, 0] > 0) | (np.arange(len(X)) % 3 == 0)
    X, y = X[kept], y[kept]
    model = cls(stump(cls), task_column=0, unknown_task="shared").fit(X, y)
    own, unknown = model._mixing[0, :-1], model._mixing[0, -1]
    assert own[0] <= own[1] + 1e-12 or own[0] == 1  # a task that is hurt is set apart
    assert unknown == 0 or model.strategy_weights_["pooled"] == 0
    assert_allclose(model._mixing.sum(axis=0), 1)
    assert_allclose(sum(model.strategy_weights_.values()), 1)


@pytest.mark.parametrize(
    ("cls", "estimator"),
    [
        (SharingRegressor, RandomForestRegressor(2, random_state=0)),
        (SharingClassifier, LogisticRegression()),
        (SharingClassifier, DecisionTreeClassifier(max_depth=2, random_state=0)),
    ],
)
def test_any_estimator(cls, estimator):
    X, y = table(cls)
    model = cls(estimator, task_column=0, unknown_task="shared").fit(X, y)
    assert set(model.strategy_weights_) == {"per-task", "pooled"}
    assert_allclose(sum(model.strategy_weights_.values()), 1)
    X[:2, 0] = 99
    assert np.isfinite(answer(model, X)).all()


@both
@pytest.mark.parametrize("options", [{"cv": 3}, {"cv": "loo"}, {"estimator": True}], ids=str)
def test_weights_sum_to_one(cls, options):
    X, y = table(cls)
    if "estimator" in options:
        options = {"estimator": stump(cls)}
    model = cls(task_column=0, **options).fit(X, y)
    assert_allclose(sum(model.strategy_weights_.values()), 1)
    assert min(model.strategy_weights_.values()) >= 0
    used = {name for name, weight in model.strategy_weights_.items() if weight > 0} | {"per-task"}
    assert set(model.strategies_) == used


@both
def test_unknown_tasks_are_told_by_what_is_shared(cls):
    X, y = table(cls)
    model = cls(task_column=0, unknown_task="shared", cv=2).fit(X, y)
    new = X.copy()
    new[:, 0] = 99
    sharing_ones = {n: w for n, w in model.strategy_weights_.items() if n != "per-task" and w}
    assert sharing_ones
    expected = sum(
        w * answer(model.strategies_[name], new) for name, w in sharing_ones.items()
    ) / sum(sharing_ones.values())
    if not is_classifier(model):
        expected = np.clip(expected, *model._bounds)
    assert_allclose(answer(model, new), expected, rtol=1e-6)
    with pytest.raises(ValueError, match="task 99 was not seen in fit"):
        cls(quick(cls), task_column=0, cv=2).fit(X, y).predict(new)


# --- folds ------------------------------------------------------------------------------------


@both
def test_cv_as_a_splitter_a_list_and_a_generator(cls):
    X, y = table(cls)
    cv = KFold(3, shuffle=True, random_state=1)
    expected = cls(stump(cls), task_column=0, cv=cv).fit(X, y)
    for given in (list(cv.split(X)), cv.split(X)):
        model = cls(stump(cls), task_column=0, cv=given).fit(X, y)
        assert_allclose(model.task_gains_, expected.task_gains_)
        assert model.strategy_weights_ == expected.strategy_weights_


def test_training_rows_of_a_splitter_are_kept_to():
    """Not the rows that come later, though they are no test rows."""
    X, y = table(SharingRegressor, n=20)
    order = np.argsort(np.arange(80) % 20, kind="stable")  # tasks take turns
    X, y = X[order], y[order]
    cv = TimeSeriesSplit(3)
    seen = []

    class Noting(Ridge):
        def fit(self, X, y, sample_weight=None):
            seen.append(len(y))
            return super().fit(X, y)

    SharingRegressor(strategies=[("noting", Noting())], task_column=0, cv=cv).fit(X, y)
    assert seen[:3] == [len(train) for train, _ in cv.split(X)]


@both
@pytest.mark.parametrize(
    ("cv", "message"),
    [
        (1, "cv=1 must be finite and >= 2"),
        ("5", "cv='5' is none of a number of folds"),
        (ShuffleSplit(3, random_state=0), "leave every row out at most once"),
        ([(np.arange(24), np.arange(24, 48))], "in two folds or more"),
        ([], "gives 0 folds"),
        ([(np.arange(48), [0]), (np.arange(48), [1])], "train on other rows"),
        (KFold(4), "keep every task in every training fold"),
    ],
    ids=str,
)
def test_cv_that_does_not_do(cls, cv, message):
    X, y = table(cls)
    with pytest.raises(ValueError, match=message):
        cls(stump(cls), task_column=0, cv=cv).fit(X, y)


def test_leave_one_out_is_for_the_default_strategies():
    X, y = table(SharingRegressor)
    for options in ({"estimator": Ridge()}, {"strategies": [Ridge()]}):
        with pytest.raises(ValueError, match='cv="loo" is for the default strategies'):
            SharingRegressor(task_column=0, cv="loo", **options).fit(X, y)
    features, Y = make_outputs(SharingClassifier)
    with pytest.raises(ValueError, match="but y is 2-d"):
        SharingClassifier(cv="loo").fit(features, Y)


@both
@pytest.mark.parametrize("cv", [None, "loo"])
@pytest.mark.filterwarnings("ignore:.*names one task only")
def test_one_task(cls, cv):
    _, features, y = make_problem(cls)
    model = cls(cv=cv).fit(features, y)
    assert model.strategy_weights_ == {"per-task": 1.0}
    assert (model.gain_, model.sharing_helps_) == (0.0, False)
    with pytest.warns(UserWarning, match="names one task only"):
        cls(task_column=0, cv=cv).fit(np.column_stack([np.zeros(48), features]), y)


@both
def test_tasks_of_one_row(cls):
    X, y = table(cls)
    with pytest.warns(UserWarning, match="no task has two rows"):
        model = cls(task_column=0).fit(X[::12], [0, 1, 0, 1])
    assert np.isfinite(answer(model, X)).all()
    assert model.strategy_weights_["hierarchical"] == 1
    assert np.isnan(model.task_gains_).all()
    model = cls(quick(cls), task_column=0).fit(X[11:], y[11:])  # task 0 has one row
    assert_array_equal(np.isnan(model.task_gains_), [True, False, False, False])


@both
@pytest.mark.parametrize("seed", range(2))
def test_an_output_with_few_observations_is_always_learned(cls, seed):
    features, Y = make_outputs(cls)
    Y = Y.astype(object if is_classifier(cls()) else float)
    Y[2:, 1] = None if is_classifier(cls()) else np.nan
    model = cls(quick(cls), random_state=seed).fit(features, Y)
    assert np.isfinite(answer(model, features)).all()
    Y[1, 1] = Y[2, 1]
    assert np.isnan(cls(quick(cls), random_state=seed).fit(features, Y).task_gains_[1])


# --- gains ------------------------------------------------------------------------------------


@both
def test_planted_common_tasks_help(cls):
    codes, features, y = make_problem(cls, n_tasks=12, n=12 if cls is CLASSES[0] else 25, noise=1)
    model = cls(cv=None if cls is CLASSES[0] else "loo").fit(features, y, tasks=codes)
    assert model.sharing_helps_
    assert model.gain_ > 1.645 * model.gain_error_ > 0
    assert model.strategy_weights_["per-task"] < 0.5
    assert model.feature_sharing_.shape == (3,)
    assert model.feature_sharing_.min() > 0.3


def test_unrelated_tasks_stay_apart():
    codes, features, y = make_problem(
        SharingRegressor, n_tasks=10, n=130, p=5, common=False, seed=1
    )
    train = np.arange(len(y)) % 130 < 30
    model = SharingRegressor().fit(features[train], y[train], tasks=codes[train])
    alone = MultiTaskRidgeCV().fit(features[train], y[train], tasks=codes[train])
    assert not model.sharing_helps_
    errors = [m.predict(features[~train], tasks=codes[~train]) - y[~train] for m in (model, alone)]
    ours, theirs = np.sqrt(np.mean(np.square(errors), axis=1))
    assert ours <= 1.02 * theirs


@both
def test_feature_sharing_is_absent_where_no_strategy_tells_it(cls):
    X, y = table(cls)
    model = cls(stump(cls), task_column=0).fit(X, y)
    assert not hasattr(model, "feature_sharing_")
    with pytest.raises(AttributeError, match="none of the strategies"):
        _ = model.feature_sharing_


def rooted(model, X, y, codes):
    """Root mean squared errors of the tasks."""
    squares = (model.predict(X, tasks=codes) - y) ** 2
    return np.sqrt(np.bincount(codes, squares) / np.bincount(codes))


def planted(coef, noise, *, n, rng):
    """Codes, features and targets of tasks with given coefficients and noise."""
    codes = np.repeat(np.arange(len(coef)), n)
    features = rng.normal(size=(len(codes), coef.shape[1]))
    y = np.sum(features * coef[codes], axis=1) + noise[codes] * rng.normal(size=len(codes))
    return features, y, codes


@pytest.mark.parametrize("seed", [4, 5])
def test_an_outlier_task_keeps_its_own_model(seed):
    """Among 15 identical tasks, in draws where chance does not hide that it is hurt."""
    rng = np.random.default_rng(seed)
    coef = np.tile(rng.normal(size=5), (16, 1))
    coef[7] *= -5
    X, y, codes = planted(coef, np.ones(16), n=20, rng=rng)
    model = SharingRegressor().fit(X, y, tasks=codes)
    alone = MultiTaskRidgeCV().fit(X, y, tasks=codes)
    assert next(iter(model.strategies_)) == "per-task"
    assert_array_equal(model._mixing[:, 7], np.eye(len(model._mixing))[0])
    assert model._mixing[0, 0] < 0.5
    test = planted(coef, np.ones(16), n=50, rng=rng)
    assert rooted(model, *test).mean() < rooted(alone, *test).mean()


@pytest.mark.parametrize("seed", range(6, 9))
def test_an_outlier_task_does_not_spoil_the_mean(seed):
    """Whether it is found to be one or not: the mean is not above that of models per task."""
    rng = np.random.default_rng(seed)
    coef = np.tile(rng.normal(size=5), (16, 1))
    coef[7] *= -5
    X, y, codes = planted(coef, np.ones(16), n=20, rng=rng)
    model = SharingRegressor().fit(X, y, tasks=codes)
    alone = MultiTaskRidgeCV().fit(X, y, tasks=codes)
    test = planted(coef, np.ones(16), n=50, rng=rng)
    assert rooted(model, *test).mean() < rooted(alone, *test).mean()


@pytest.mark.parametrize("seed", range(2))
def test_tasks_of_small_units_are_not_hurt_by_those_of_large_ones(seed):
    rng = np.random.default_rng(seed)
    coef, units = rng.normal(size=(8, 5)), np.repeat([1.0, 1000.0], 4)
    coef[4:] = 1000 * coef[4]
    X, y, codes = planted(coef, units, n=20, rng=rng)
    model = SharingRegressor().fit(X, y, tasks=codes)
    alone = MultiTaskRidgeCV().fit(X, y, tasks=codes)
    test = planted(coef, units, n=50, rng=rng)
    ratio = rooted(model, *test) / rooted(alone, *test)
    assert ratio[:4].max() < 1.05


# --- scikit-learn's tools ---------------------------------------------------------------------


@both
def test_results_do_not_depend_on_jobs(cls):
    X, y = table(cls)
    with parallel_config("threading"):  # processes take seconds to start
        one, two = (cls(stump(cls), task_column=0, n_jobs=jobs).fit(X, y) for jobs in (1, 2))
    assert one.strategy_weights_ == two.strategy_weights_
    assert_array_equal(answer(one, X), answer(two, X))


def test_random_state():
    X, y = table(SharingRegressor)
    gains = [
        SharingRegressor(Ridge(), task_column=0, random_state=state).fit(X, y).gain_
        for state in (0, 0, np.random.RandomState(0), 1)
    ]
    assert gains[0] == gains[1] == gains[2] != gains[3]


@both
def test_search_pipeline_clone_and_pickle(cls):
    X, y = table(cls)
    model = cls(stump(cls), strategies=[("other", Ridge())], task_column=0)
    assert clone(model).get_params()["strategies"][0][1] is not model.strategies[0][1]
    pipeline = make_pipeline(keep_tasks(StandardScaler(), 0), cls(stump(cls), task_column=0))
    grid = {f"{cls.__name__.lower()}__{name}": v for name, v in {"clip": [True, False]}.items()}
    grid[f"{cls.__name__.lower()}__cv"] = [2, TaskKFold(3)]
    search = GridSearchCV(pipeline, grid, cv=TaskKFold(2, task_column=0)).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    again = pickle.loads(pickle.dumps(search))
    assert_array_equal(again.predict(X), search.predict(X))


@both
def test_wide_tables(cls, monkeypatch):
    monkeypatch.setattr(sharing, "WIDE", 2)
    X, y = table(cls)
    model = cls(task_column=0, unknown_task="shared", cv=2).fit(X, y)
    assert set(model.strategy_weights_) == {"per-task", "pooled"}
    X[0, 0] = 99
    assert np.isfinite(answer(model, X)).all()
    with pytest.raises(ValueError, match='cv="loo" is for'):
        cls(task_column=0, cv="loo").fit(X[1:], y[1:])


# --- further strategies -----------------------------------------------------------------------


@both
def test_further_strategies(cls):
    X, y = table(cls)
    inner = make_pipeline(keep_tasks(StandardScaler(), 0), stump(cls))
    more = [("scaled", inner), stump(cls)]
    model = cls(strategies=more, task_column=0, cv=2).fit(X, y)
    names = ["per-task", "pooled", "hierarchical", "scaled", type(stump(cls)).__name__]
    assert list(model.strategy_weights_) == names
    assert not hasattr(more[1], "tree_")
    assert np.isfinite(answer(model, X)).all()


def test_settings_of_the_tasks_are_handed_on():
    X, y = table(SharingRegressor)
    strategy = PerTaskRegressor(Ridge(), task_column=3)
    model = SharingRegressor(strategies=[strategy], task_column=0, unknown_task="shared").fit(X, y)
    assert len(model.strategy_weights_) == 4
    assert strategy.task_column == 3


@both
@pytest.mark.parametrize(
    ("strategies", "error", "message"),
    [
        (lambda model: model, TypeError, "is no list of estimators"),
        (lambda model: [type(model)], TypeError, "give estimators or"),
        (lambda model: ["ridge"], TypeError, "strategies holds 'ridge'"),
        (lambda model: [("a", model, 1)], TypeError, "give estimators or"),
        (lambda model: [("pooled", model)], ValueError, "two strategies are named 'pooled'"),
        (lambda model: [model, model], ValueError, r"two strategies are named 'DecisionTree"),
        (lambda model: [StandardScaler()], TypeError, "'StandardScaler' has no predict"),
    ],
)
def test_strategies_that_do_not_do(cls, strategies, error, message):
    X, y = table(cls)
    with pytest.raises(error, match=message):
        cls(strategies=strategies(stump(cls)), task_column=0).fit(X, y)


@both
def test_strategies_that_cannot_be_told_weights_or_tasks(cls):
    codes, features, y = make_problem(cls)
    inner = make_pipeline(StandardScaler(), stump(cls))
    model = cls(strategies=[("scaled", inner)])
    with pytest.raises(ValueError, match="'scaled' takes no tasks in fit: give the ids as a col"):
        model.fit(features, y, tasks=codes)
    X = np.column_stack([codes, features])
    with pytest.raises(ValueError, match="'scaled' takes no sample_weight in fit"):
        model.set_params(task_column=0).fit(X, y, sample_weight=np.ones(48))


def test_a_classifier_without_probabilities():
    X, y = table(SharingClassifier)
    with pytest.raises(TypeError, match="is no classifier with predict_proba"):
        SharingClassifier(Ridge(), task_column=0).fit(X, y)


def test_what_no_row_can_judge_is_left_to_the_strategy_of_the_library():
    """Not to one of the user, who may have added the worst."""
    rng = np.random.RandomState(0)
    X = np.column_stack([np.arange(12), rng.normal(size=(12, 2))])
    model = SharingRegressor(task_column=0, strategies=[MultiTaskRidge()])
    with pytest.warns(UserWarning, match="'hierarchical' is used alone"):
        model.fit(X, X[:, 1])
    assert model.strategy_weights_["hierarchical"] == 1
