"""compare_strategies on data of every layout, and what it does when things go wrong."""

import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info, threadpool_limits

import skmtl
from skmtl import (
    MultiTaskRidgeCV,
    PerTaskClassifier,
    PerTaskRegressor,
    PooledClassifier,
    PooledRegressor,
    TaskKFold,
    TaskScaler,
    compare_strategies,
    keep_tasks,
    make_multitask_classification,
    make_multitask_regression,
    task_scores,
)
from skmtl.inspection.measures import log_loss, true_probabilities


@pytest.fixture(scope="module")
def data():
    return make_multitask_regression(
        n_tasks=4, n_samples=24, n_features=6, structure="common", random_state=0
    )


def two(column=0):
    return {
        "per-task": PerTaskRegressor(LinearRegression(), task_column=column),
        "pooled": PooledRegressor(LinearRegression(), task_column=column),
    }


# --- what is computed -------------------------------------------------------------------------


def test_scores_against_a_plain_loop(data):
    X, y = data
    splitter = TaskKFold(3, task_column=0, shuffle=True, random_state=1)
    comparison = compare_strategies(X, y, two(), cv=splitter, task_column=0, metric="mae")
    for name, model in two().items():
        for fold, (train, test) in enumerate(splitter.split(X, y)):
            predicted = model.fit(X[train], y[train]).predict(X[test])
            expected = task_scores(y[test], predicted, X[test, 0], metrics="mae")["mae"]
            assert_allclose(comparison.scores[comparison.position(name), fold], expected)
    assert comparison.test_share == pytest.approx(1 / 3)
    assert_allclose(comparison.train_rows, 16)


def test_the_layouts_agree(data):
    X, y = data
    names = np.array(["north", "south", "east", "west"])[X[:, 0].astype(int)]
    column = compare_strategies(X, y, two(), task_column=0, random_state=0)
    vector = compare_strategies(X[:, 1:], y, two(None), tasks=X[:, 0], random_state=0)
    assert_allclose(vector.scores, column.scores)
    assert_array_equal(vector.tasks, column.tasks)
    named = compare_strategies(X[:, 1:], y, two(None), tasks=names, random_state=0)
    assert named.tasks.tolist() == ["east", "north", "south", "west"]
    assert_allclose(named.scores[:, :, [1, 2, 0, 3]], column.scores)


def test_targets_with_gaps():
    X, Y = make_multitask_regression(
        n_tasks=3, n_samples=60, n_features=5, layout="multi_output", random_state=0
    )
    Y[np.random.default_rng(0).random(Y.shape) < 0.3] = np.nan
    folds = list(KFold(3).split(X))
    comparison = compare_strategies(X, Y, two(None), cv=folds)
    for fold, (train, test) in enumerate(folds):
        for task in range(3):
            seen = ~np.isnan(Y[:, task])
            learned, asked = train[seen[train]], test[seen[test]]
            own = LinearRegression().fit(X[learned], Y[learned, task])
            error = np.sqrt(np.mean((Y[asked, task] - own.predict(X[asked])) ** 2))
            assert_allclose(comparison.scores[0, fold, task], error)
    assert comparison.results[0].train_rows == (~np.isnan(Y[folds[0][0]])).sum(axis=0).tolist()


@pytest.mark.parametrize("layout", ["task_column", "multi_output"])
@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "log_loss"])
def test_labels(layout, metric):
    X, y = make_multitask_classification(n_tasks=3, n_samples=40, layout=layout, random_state=0)
    y = np.array(["no", "yes"], dtype=object)[y.astype(int)]
    column = 0 if layout == "task_column" else None
    if column is None:
        y[::7, 1] = None
    strategies = [PerTaskClassifier(task_column=column), PooledClassifier(task_column=column)]
    comparison = compare_strategies(
        X, y, strategies, cv=3, metric=metric, task_column=column, random_state=0
    )
    assert comparison.failures == {}
    assert np.isfinite(comparison.scores).all()
    assert comparison.strategies == ("PerTaskClassifier", "PooledClassifier")
    default = compare_strategies(X, y, strategies, cv=3, task_column=column, random_state=0)
    assert default.metric == "accuracy"


def test_true_probabilities():
    probabilities = np.array([[0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    found = true_probabilities(np.array(["b", "a", "c"]), probabilities, np.array(["a", "b"]))
    assert_allclose(found, [0.8, 0.6, 0.0])
    y = np.array([["b", None], ["a", "b"], [None, "a"]], dtype=object)
    found = true_probabilities(y, [probabilities] * 2, np.array(["a", "b"]))
    expected = [[0.8, np.nan], [0.6, 0.4], [np.nan, 0.3]]
    assert_allclose(found, expected)
    own = [np.array(["a", "b"]), np.array(["b", "a"])]  # as some of scikit-learn have
    assert_allclose(true_probabilities(y, [probabilities, probabilities[:, ::-1]], own), expected)
    assert log_loss(None, np.array([0.5, 1.0])) == pytest.approx(np.log(2) / 2)
    assert np.isfinite(log_loss(None, np.zeros(2)))


@pytest.mark.parametrize("given", ["column", "vector", "outputs", "sparse", "pandas", "polars"])
def test_default_strategies(given, data):
    X, y = data
    options = {"task_column": 0}
    if given == "vector":
        X, options = X[:, 1:], {"tasks": X[:, 0].astype(int).astype(str)}
    elif given == "outputs":
        X, y = make_multitask_regression(
            n_tasks=3, n_samples=40, n_features=5, layout="multi_output", random_state=0
        )
        options = {}
    elif given == "sparse":
        X, options = sparse.csr_array(X[:, 1:]), {"tasks": X[:, 0]}
    elif given in ("pandas", "polars"):
        library = pytest.importorskip(given)
        columns = {f"x{j}": X[:, j] for j in range(1, X.shape[1])}
        X, options = library.DataFrame({**columns, "task": X[:, 0]}), {"tasks": X[:, 0]}
    comparison = compare_strategies(X, y, cv=3, random_state=0, **options)
    assert comparison.strategies == ("per-task", "pooled-intercepts", "sharing")
    assert comparison.failures == {}
    assert comparison.reference == "per-task"
    assert comparison.metric == "rmse"
    assert "one model per task" in comparison.verdict


def test_default_strategies_for_labels():
    X, y = make_multitask_classification(n_tasks=3, n_samples=40, random_state=0)
    comparison = compare_strategies(X, y.astype(int), cv=2, task_column=0, random_state=0)
    assert comparison.metric == "accuracy"
    assert comparison.failures == {}


@pytest.mark.parametrize(
    ("y", "metric"),
    [
        ([0, 1] * 20, "accuracy"),
        ([0, 1, 2, 3] * 10, "rmse"),
        ([0.0, 1.0] * 20, "rmse"),
        (["a", "b"] * 20, "accuracy"),
        ([True, False] * 20, "accuracy"),
    ],
)
def test_kind_of_y(y, metric, monkeypatch):
    made = (
        {"per-task": PerTaskRegressor(task_column=0)}
        if metric == "rmse"
        else {"per-task": PerTaskClassifier(task_column=0)}
    )
    monkeypatch.setattr("skmtl.inspection.comparison.default_strategies", lambda *given: made)
    X = np.column_stack([np.repeat([0, 1], 20), np.arange(40)])
    assert compare_strategies(X, y, cv=2, task_column=0, random_state=0).metric == metric


def test_metric_tells_that_integers_are_classes():
    rng = np.random.default_rng(0)
    X = np.column_stack([np.repeat([0, 1], 30), rng.normal(size=(60, 2))])
    y = np.tile([0, 1, 2], 20)
    comparison = compare_strategies(
        X, y, cv=2, metric="balanced_accuracy", task_column=0, random_state=0
    )
    assert comparison.failures == {}


# --- folds ------------------------------------------------------------------------------------


def test_kinds_of_cv(data):
    X, y = data
    folds = list(TaskKFold(3, task_column=0).split(X))
    masks = [tuple(np.isin(np.arange(len(y)), rows) for rows in fold) for fold in folds]
    scores = [
        compare_strategies(X, y, two(), cv=cv, task_column=0).scores
        for cv in (TaskKFold(3), folds, masks)
    ]
    assert_array_equal(scores[0], scores[1])
    assert_array_equal(scores[0], scores[2])
    assert compare_strategies(X, y, two(), task_column=0, random_state=0).n_folds == 5


def test_random_state_and_n_jobs(data):
    X, y = data
    runs = [
        compare_strategies(X, y, two(), cv=3, task_column=0, random_state=seed, n_jobs=n_jobs)
        for seed, n_jobs in [(0, None), (0, 2), (np.random.RandomState(0), 1), (1, None)]
    ]
    assert_array_equal(runs[0].scores, runs[1].scores)
    assert_array_equal(runs[0].scores, runs[2].scores)
    assert (runs[0].scores != runs[3].scores).any()


# --- failures, interruption, earlier results --------------------------------------------------


class Moody(DummyRegressor):
    """Fails where it sees a certain row."""

    task_column = 0

    def fit(self, X, y):
        if 0.5 in X[:, 1]:
            raise RuntimeError("not\nthis one")
        return super().fit(X, y)


def test_a_failure_does_not_lose_the_others(data):
    X, y = data[0].copy(), data[1]
    X[3, 1] = 0.5
    comparison = compare_strategies(
        X, y, {**two(), "moody": Moody()}, cv=3, task_column=0, random_state=0
    )
    assert list(comparison.failures) == ["moody"]
    assert comparison.failures["moody"].endswith(": RuntimeError: not this one")
    assert comparison.finished == ["per-task", "pooled"]
    without = compare_strategies(X, y, two(), cv=3, task_column=0, random_state=0)
    assert_array_equal(comparison.gains[:2], without.gains)
    assert_array_equal(comparison.p_values[:2], without.p_values)
    assert np.isnan(comparison.scores[2]).all()
    results = comparison.results_of("moody")
    assert sum(result.failed for result in results) == 2  # of the third one the scores are known
    assert sum(result.scores[0] is not None for result in results) == 1
    assert "failed" in comparison._repr_html_()
    assert not comparison.to_frame().loc["moody", "message"].startswith("RuntimeError")


@pytest.mark.parametrize("everything", [False, True])
def test_a_failing_reference(everything, data):
    X, y = data
    X = np.where(np.arange(X.shape[1]) == 1, 0.5, X)
    strategies = {"moody": Moody()} if everything else {"moody": Moody(), **two()}
    comparison = compare_strategies(X, y, strategies, cv=2, task_column=0, random_state=0)
    expected = (
        "There is nothing to compare with: moody failed (fold 1: RuntimeError: not this one)."
    )
    assert comparison.verdict == expected
    assert np.isnan(comparison.gains).all()
    with pytest.raises(ValueError, match="no gain to draw"):
        comparison.plot()


class Shy(DummyRegressor):
    """Warns, and predicts what is not finite."""

    task_column = 0

    def fit(self, X, y):
        warnings.warn("not yet", ConvergenceWarning)
        return super().fit(X, y)

    def predict(self, X):
        return super().predict(X) + np.inf


def test_predictions_that_are_not_finite_fail(data):
    X, y = data
    comparison = compare_strategies(X, y, {**two(), "shy": Shy()}, cv=2, task_column=0)
    assert "holds inf" in comparison.failures["shy"]


def test_warnings_are_counted(data):
    class Restless(Shy):
        def predict(self, X):
            return DummyRegressor.predict(self, X)

    X, y = data
    comparison = compare_strategies(X, y, {**two(), "restless": Restless()}, cv=2, task_column=0)
    assert [record["not_converged"] for record in comparison.records()] == [0, 0, 2]


class Slow(DummyRegressor):
    """Warns, in every second fold, while others run; says how many threads BLAS has."""

    task_column = 0

    def fit(self, X, y):
        time.sleep(0.02)
        if X[0, 1] > 0:
            warnings.warn("not yet", ConvergenceWarning)
        time.sleep(0.02 * (X[0, 1] > 1))
        self.n_threads_ = max(blas_threads())
        return super().fit(X, y)

    def predict(self, X):
        return np.full(len(X), float(self.n_threads_))


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


@pytest.mark.parametrize("backend", ["sequential", "threading"])
def test_the_process_is_left_as_it_was(backend):
    X = np.column_stack([np.tile([0, 1], 20), np.zeros(40)])
    tests = np.arange(40).reshape(20, 2)
    folds = [(np.setdiff1d(np.arange(40), test), test) for test in tests]
    # The first training row says what happens in a fold.
    folds = [(np.roll(train, -2 * k), test) for k, (train, test) in enumerate(folds)]
    X[:, 1] = np.repeat(np.arange(20) % 3, 2)
    expected = [int(X[train[0], 1] > 0) for train, _ in folds]
    assert 0 < sum(expected) < 20
    filters, show = list(warnings.filters), warnings.showwarning
    with threadpool_limits(2, user_api="blas"), parallel_config(backend):
        before = blas_threads()
        found = compare_strategies(X, np.ones(40), [Slow()], cv=folds, task_column=0, n_jobs=4)
        assert blas_threads() == before
    assert [result.not_converged for result in found.results] == expected
    assert_array_equal(found.scores, 0.0)  # one thread, which is what was predicted
    assert list(warnings.filters) == filters
    assert warnings.showwarning is show


def test_other_warnings_are_shown(data):
    with pytest.warns(UserWarning, match="a result"):
        compare_strategies(
            *data, two(), cv=2, task_column=0, on_result=lambda result: warnings.warn("a result")
        )


class Doubtful(Shy):
    def predict(self, X):
        return DummyRegressor.predict(self, X)


def test_a_caller_in_a_thread(data):
    filters = list(warnings.filters)
    compare = partial(compare_strategies, *data, cv=2, task_column=0)
    with ThreadPoolExecutor(1) as threads, pytest.warns(ConvergenceWarning):
        found = list(threads.map(compare, [[Doubtful()]] * 2))
    assert [each.failures for each in found] == [{}, {}]
    assert list(warnings.filters) == filters


class Counting(DummyRegressor):
    task_column = 0
    fits = 0

    def fit(self, X, y):
        type(self).fits += 1
        return super().fit(X, y)


def test_known_results_are_not_computed_again(data, monkeypatch):
    X, y = data
    monkeypatch.setattr(Counting, "fits", 0)
    strategies = {**two(), "counting": Counting()}
    options = {"cv": 3, "task_column": 0, "random_state": 0}
    found = []
    first = compare_strategies(X, y, strategies, on_result=found.append, **options)
    assert Counting.fits == 3
    assert sorted(map(str, found)) == sorted(map(str, first.results))
    failed = [type(r)(**{**r.to_dict(), "message": "no"}) for r in found[-1:]]
    other = [type(r)(**{**r.to_dict(), "strategy": "other"}) for r in found[:1]]
    again = []
    known = [*found[:-1], *failed, *other]
    second = compare_strategies(X, y, strategies, known=known, on_result=again.append, **options)
    assert Counting.fits == 4
    assert len(again) == 1
    assert_array_equal(second.scores, first.scores)
    with pytest.raises(ValueError, match="with 4 tasks, but the data have 3"):
        compare_strategies(X[X[:, 0] < 3], y[X[:, 0] < 3], strategies, known=found, **options)


def test_interruption_keeps_what_was_reported(data):
    class Interrupting(DummyRegressor):
        task_column = 0

        def fit(self, X, y):
            raise KeyboardInterrupt

    X, y = data
    found = []
    with pytest.raises(KeyboardInterrupt):
        compare_strategies(
            X, y, {**two(), "last": Interrupting()}, cv=2, task_column=0, on_result=found.append
        )
    assert len(found) == 4


# --- what is refused --------------------------------------------------------------------------


def test_names_of_a_list(data):
    X, y = data
    pipeline = make_pipeline(keep_tasks(StandardScaler(), 0), MultiTaskRidgeCV(task_column=0))
    pooled = PooledRegressor(task_column=0)
    found = compare_strategies(X, y, [pooled, pipeline, pooled], cv=2, task_column=0)
    assert found.strategies == ("PooledRegressor-1", "MultiTaskRidgeCV", "PooledRegressor-2")
    assert found.reference == "PooledRegressor-1"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "rsme"}, "no regression metric 'rsme': did you mean 'rmse'"),
        ({"metric": "deviance"}, "there are rmse, mae, mse, r2, explained_variance"),
        ({"metric": "accuracy"}, "strategy 'per-task' is not for classification"),
        (
            {"reference": "ridge"},
            "reference='ridge' is no strategy: there are 'per-task', 'pooled'",
        ),
        ({"strategies": None, "metric": "accuracy"}, "Unknown label type: continuous"),
        ({"strategies": []}, "strategies is empty"),
        ({"strategies": {**two(), "own": two(None)["pooled"]}}, "'own' has task_column=None"),
        (
            {"strategies": {"a": two()["pooled"], "b": PooledClassifier(task_column=0)}},
            "'a' is not",
        ),
        ({"task_column": None}, "one task only"),
        ({"cv": []}, "cv holds no fold"),
    ],
)
def test_errors(options, message, data):
    options = {"strategies": two(), "task_column": 0, **options}
    with pytest.raises(ValueError, match=message):
        compare_strategies(*data, **options)


def test_a_pipeline_that_takes_the_ids_for_a_feature(data):
    pipeline = make_pipeline(keep_tasks(StandardScaler(), 0), MultiTaskRidgeCV())
    with pytest.raises(ValueError, match="set task_column= of MultiTaskRidgeCV"):
        compare_strategies(*data, {"ridge": pipeline}, task_column=0)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: model,
        lambda model: make_pipeline(keep_tasks(StandardScaler(), 0), model),
        lambda model: GridSearchCV(model, {}, cv=2),
        lambda model: TransformedTargetRegressor(
            make_pipeline(TaskScaler(task_column=0), GridSearchCV(model, {}, cv=2))
        ),
    ],
)
def test_strategies_that_do_not_know_of_tasks(wrap, data):
    with pytest.raises(
        ValueError, match=r"'plain' does not .* PooledRegressor or PerTaskRegressor"
    ):
        compare_strategies(*data, {"plain": wrap(Ridge())}, task_column=0)
    found = compare_strategies(*data, {"pooled": wrap(two()["pooled"])}, cv=2, task_column=0)
    assert found.failures == {}


def test_strategies_that_cannot_be_handed_ids(data):
    X, y = data
    pipeline = make_pipeline(StandardScaler(), MultiTaskRidgeCV())
    with pytest.raises(ValueError, match="cannot reach the last step of Pipeline"):
        compare_strategies(X[:, 1:], y, [pipeline], tasks=X[:, 0])


def test_strategies_are_left_as_they_are(data):
    strategies = two()
    compare_strategies(*data, strategies, cv=2, task_column=0)
    assert not hasattr(strategies["pooled"], "estimator_")


def test_public():
    assert skmtl.compare_strategies is skmtl.inspection.compare_strategies


class Neither(BaseEstimator):
    """Neither a regressor nor a classifier by its tags."""

    task_column = 0

    def fit(self, X, y):
        self.mean_ = np.mean(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


def test_estimators_without_a_kind(data):
    assert not issubclass(Neither, (RegressorMixin, ClassifierMixin))
    comparison = compare_strategies(*data, {**two(), "neither": Neither()}, cv=2, task_column=0)
    assert comparison.failures == {}
