"""What every transfer estimator promises: where sources come from, and that they stay the same."""

import pickle
import warnings

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

import skmtl
from skmtl.model_selection import TargetKFold
from skmtl.preprocessing import keep_tasks
from skmtl.transfer.base import TransferEstimator

CLASSES = [
    item
    for item in (getattr(skmtl, name) for name in skmtl.__all__)
    if isinstance(item, type) and issubclass(item, TransferEstimator)
]
SETTINGS = {
    "TrAdaBoostClassifier": {"n_estimators": 4},
    "TrAdaBoostRegressor": {"n_estimators": 4, "n_steps": 3, "cv": 3},
    "TransferBoostingClassifier": {
        "max_iter": 8,
        "source_estimator": HistGradientBoostingClassifier(max_iter=8, random_state=0),
    },
    "TransferBoostingRegressor": {
        "max_iter": 8,
        "source_estimator": HistGradientBoostingRegressor(max_iter=8, random_state=0),
    },
    "TransferForestClassifier": {"n_new_trees": 5},
    "TransferForestRegressor": {"n_new_trees": 5},
}
# The folds in which they choose, or the trees they grow, are dealt by the order of rows.
CHANCE = {cls.__name__ for cls in CLASSES if "random_state" in cls().get_params()}
SIZES = (25, 30, 20)  # of the tasks 0, 1 and 2; the target is 2
TARGET = 2


def name_of(cls):
    return cls.__name__


def parameters(cls):
    return cls().get_params(deep=False)


every = pytest.mark.parametrize("cls", CLASSES, ids=name_of)
every_of_models = pytest.mark.parametrize(
    "cls", [cls for cls in CLASSES if "source" in parameters(cls)], ids=name_of
)
every_of_rows = pytest.mark.parametrize(
    "cls", [cls for cls in CLASSES if "source_rows" in parameters(cls)], ids=name_of
)
every_classifier = pytest.mark.parametrize(
    "cls", [cls for cls in CLASSES if is_classifier(cls())], ids=name_of
)


def make(cls, **given):
    model = cls(**SETTINGS.get(cls.__name__, {}))
    if "random_state" in model.get_params(deep=False):
        model.set_params(random_state=0)
    return model.set_params(**given)


def data(cls, seed=0):
    """Ids, features and targets of three tasks that have much in common."""
    rng = np.random.RandomState(seed)
    ids = np.repeat([0, 1, 2], SIZES)
    X = rng.normal(size=(len(ids), 4)).round(3)
    coef = np.array([2.0, -1.0, 0.5, 0.0]) + 0.2 * rng.normal(size=(3, 4))
    y = np.sum(X * coef[ids], axis=1) + 0.3 * rng.normal(size=len(ids)) + 0.2 * ids
    return ids, X, np.array(["no", "yes"])[(y > 0).astype(int)] if is_classifier(cls()) else y


def fitted_source(cls, X, y):
    kind = SOURCE_OF.get(cls.__name__)
    if kind is None:
        kind = LogisticRegression() if is_classifier(cls()) else Ridge()
    return clone(kind).fit(X, y)


def forest_sources():
    options = {"n_estimators": 5, "min_samples_leaf": 3, "random_state": 0}
    tree = {"min_samples_leaf": 3, "random_state": 0}
    return {
        "TransferForestClassifier": RandomForestClassifier(**options),
        "TransferForestRegressor": RandomForestRegressor(**options),
        "TransferTreeClassifier": DecisionTreeClassifier(**tree),
        "TransferTreeRegressor": DecisionTreeRegressor(**tree),
    }


SOURCE_OF = forest_sources()


def answer(model, X, **given):
    method = "predict_proba" if is_classifier(model) else "predict"
    return getattr(model, method)(X, **given)


def table(ids, X):
    return np.column_stack([ids, X])


# --- scikit-learn's checks -------------------------------------------------------------------

checks = parametrize_with_checks([make(cls) for cls in CLASSES])
names, pairs = checks.args


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(names, list(pairs), **checks.kwargs)
def test_sklearn_checks(estimator, check):
    check(estimator)


# --- where sources come from -----------------------------------------------------------------


def test_the_list_is_not_empty():
    assert {"TransferRidge", "TransferForestClassifier"} <= {cls.__name__ for cls in CLASSES}


@every
def test_parameters_that_all_have(cls):
    assert {"task_column", "target_task"} <= set(parameters(cls))


@every
def test_column_vector_and_rows_agree(cls):
    ids, X, y = data(cls)
    column = make(cls, task_column=0, target_task=TARGET).fit(table(ids, X), y)
    own = ids == TARGET
    expected = answer(column, table(ids, X)[own])
    vector = make(cls, target_task=TARGET).fit(X, y, tasks=ids)
    assert_allclose(answer(vector, X[own], tasks=ids[own]), expected, rtol=1e-7, atol=1e-9)
    assert column.source_names_ == [0, 1]
    assert np.shape(column.source_weights_) == (2,)
    assert np.isfinite(column.source_weights_).all()
    assert_array_equal(column.tasks_, [0, 1, 2])
    if "source_rows" in parameters(cls):
        rows = {name: (X[ids == name], y[ids == name]) for name in (0, 1)}
        apart = make(cls, source_rows=rows).fit(X[own], y[own])
        assert_allclose(answer(apart, X[own]), expected, rtol=1e-7, atol=1e-9)
        assert apart.source_names_ == [0, 1]


@every
@pytest.mark.parametrize("container", ["pandas", "polars", "csr"])
def test_tables_of_every_type(cls, container):
    ids, X, y = data(cls)
    own = ids == TARGET
    expected = make(cls, task_column=0, target_task=TARGET).fit(table(ids, X), y)
    if container == "csr":
        if not get_tags(cls()).input_tags.sparse:
            pytest.skip("no sparse X")
        T, column = sparse.csr_matrix(table(ids, X)), 0
        part = T[own]
    else:
        library = pytest.importorskip(container)
        T = library.DataFrame({**{f"f{j}": X[:, j] for j in range(4)}, "task": ids})
        column, part = "task", T[own] if container == "pandas" else T.filter(own)
    model = make(cls, task_column=column, target_task=TARGET).fit(T, y)
    tolerance = 1e-3 if container == "csr" else 1e-7  # Ridge() iterates on sparse rows
    if container == "csr" and "Forest" in cls.__name__:
        tolerance = 0.5  # scikit-learn's trees draw otherwise there
    told = answer(expected, table(ids, X)[own])
    assert_allclose(answer(model, part), told, rtol=tolerance, atol=tolerance)


@every
def test_names_of_tasks_do_not_matter(cls):
    ids, X, y = data(cls)
    own = ids == TARGET
    expected = make(cls, task_column=0, target_task=TARGET).fit(table(ids, X), y)
    words = np.array(["a", "b", "c"])[ids]
    model = make(cls, target_task="c").fit(X, y, tasks=words)
    told = answer(model, X[own], tasks=words[own])
    assert_allclose(told, answer(expected, table(ids, X)[own]), rtol=1e-7, atol=1e-9)
    assert model.source_names_ == ["a", "b"]


@every_of_models
@pytest.mark.parametrize("n_sources", [1, 2])
def test_fitted_sources_stay_as_they_are(cls, n_sources):
    ids, X, y = data(cls)
    models = [fitted_source(cls, X[ids == k], y[ids == k]) for k in range(n_sources)]
    before = pickle.dumps(models)
    given = models if n_sources > 1 else models[0]
    estimator = make(cls, source=given)
    assert clone(estimator).source is given
    own = ids == TARGET
    model = estimator.fit(X[own], y[own])
    told = answer(model, X[own])
    assert np.shape(model.source_weights_) == (n_sources,)
    assert model.source_names_ == list(range(n_sources))
    assert pickle.dumps(models) == before
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(answer(again, X[own]), told)
    assert not any("source__" in name for name in estimator.get_params())


@every_of_models
def test_sources_are_matched_by_name(cls):
    pandas = pytest.importorskip("pandas")
    ids, X, y = data(cls)
    own = ids == TARGET
    frame = pandas.DataFrame(X, columns=list("abcd"))
    plain = fitted_source(cls, X[~own], y[~own])
    expected = make(cls, source=plain).fit(X[own], y[own])
    named = fitted_source(cls, frame[~own], y[~own])
    order = list("dbca")
    model = make(cls, source=named).fit(frame.loc[own, order], y[own])
    if cls.__name__ not in CHANCE:
        told = answer(model, frame.loc[own, order])
        assert_allclose(told, answer(expected, X[own]), rtol=1e-5, atol=1e-6)
    fewer = fitted_source(cls, frame.loc[~own, ["c", "a"]], y[~own])
    make(cls, source=fewer).fit(frame[own], y[own])
    with pytest.raises(ValueError, match=r"knows the features \['c'\], which the target does not"):
        make(cls, source=fewer).fit(frame.loc[own, list("abd")], y[own])


@every_of_rows
def test_rows_are_matched_by_name(cls):
    pandas = pytest.importorskip("pandas")
    ids, X, y = data(cls)
    own = ids == TARGET
    frame = pandas.DataFrame(X, columns=list("abcd"))
    expected = make(cls, source_rows=(X[~own], y[~own])).fit(X[own], y[own])
    shuffled = frame.loc[~own, list("dcab")].assign(more=1.0)
    model = make(cls, source_rows=(shuffled, y[~own])).fit(frame[own], y[own])
    told = answer(model, frame[own])
    assert_allclose(told, answer(expected, X[own]), rtol=1e-7, atol=1e-9)
    with pytest.raises(ValueError, match=r"source 0 does not have the features \['b'\]"):
        make(cls, source_rows=(frame[["a", "c", "d"]], y)).fit(frame[own], y[own])


@every
def test_no_row_of_weight_zero_counts(cls):
    ids, X, y = data(cls)
    T = table(ids, X)
    weights = np.ones(len(y))
    weights[[0, 30, 60]] = 0.0
    estimator = make(cls, task_column=0, target_task=TARGET)
    if cls.__name__ in ("TransferRegressorCV", "TransferClassifierCV"):
        weights[60] = 1.0  # else other folds
    with_zeros = clone(estimator).fit(T, y, sample_weight=weights)
    kept = weights > 0
    without = clone(estimator).fit(T[kept], y[kept], sample_weight=weights[kept])
    own = ids == TARGET
    assert_allclose(answer(with_zeros, T[own]), answer(without, T[own]), rtol=1e-6, atol=1e-8)


@every
def test_pipeline_grid_search_and_folds_of_the_target(cls):
    ids, X, y = data(cls)
    T = table(ids, X * [1.0, 10.0, 100.0, 1.0])
    model = make(cls, task_column=0, target_task=TARGET)
    pipeline = make_pipeline(keep_tasks(StandardScaler(), task_column=0), model)
    folds = TargetKFold(2, target_task=TARGET, task_column=0, shuffle=True, random_state=0)
    scores = cross_val_score(pipeline, T, y, cv=folds)
    assert np.isfinite(scores).all()
    assert len(scores) == 2
    step = cls.__name__.lower()
    search = GridSearchCV(pipeline, {f"{step}__target_task": [TARGET]}, cv=folds).fit(T, y)
    assert search.predict(T[ids == TARGET]).shape == (SIZES[2],)


@every_of_models
def test_grid_search_keeps_the_source(cls):
    ids, X, y = data(cls)
    own = ids == TARGET
    source = fitted_source(cls, X[~own], y[~own])
    search = GridSearchCV(make(cls, source=source), {"task_column": [None]}, cv=2)
    search.fit(X[own], y[own])
    assert search.best_estimator_.source is source
    cross_val_predict(make(cls, source=source), X[own], y[own], cv=2)


# --- errors ----------------------------------------------------------------------------------


@every
def test_errors_about_the_target(cls):
    ids, X, y = data(cls)
    T = table(ids, X)
    with pytest.raises(ValueError, match="name it with target_task"):
        make(cls, task_column=0).fit(T, y)
    with pytest.raises(ValueError, match="target_task=7 has no row; there are 0, 1, 2"):
        make(cls, task_column=0, target_task=7).fit(T, y)
    with pytest.raises(ValueError, match="there are no task ids: set task_column"):
        make(cls, target_task=1).fit(X, y)
    with pytest.raises(ValueError, match="'2' was not seen in fit, where the ids were integers"):
        make(cls, task_column=0, target_task="2").fit(T, y)
    model = make(cls, task_column=0, target_task=TARGET).fit(T, y)
    with pytest.raises(ValueError, match="row 0 is of task 0, but"):
        model.predict(T)


@every_of_models
def test_errors_about_models(cls):
    ids, X, y = data(cls)
    own = ids == TARGET
    source = fitted_source(cls, X[~own], y[~own])
    with pytest.raises(ValueError, match="sources came twice, as source and as target_task"):
        make(cls, source=source, task_column=0, target_task=TARGET).fit(table(ids, X), y)
    with pytest.raises(ValueError, match="source is empty"):
        make(cls, source=[]).fit(X[own], y[own])
    with pytest.raises(NotFittedError, match="is not fitted: fit it to the rows of the source"):
        make(cls, source=clone(source)).fit(X[own], y[own])
    with pytest.raises(TypeError, match="is no fitted estimator"):
        make(cls, source="ridge").fit(X[own], y[own])
    with pytest.raises(ValueError, match="was fitted to 4 features, but the target has 3"):
        make(cls, source=source).fit(X[own, :3], y[own])
    wrong = LinearRegression().fit(X, ids) if is_classifier(cls()) else None
    wrong = wrong or LogisticRegression().fit(X, ids)
    with pytest.raises(TypeError, match=r"is a (regressor|classifier), but"):
        make(cls, source=wrong).fit(X[own], y[own])


@every_of_rows
def test_errors_about_rows(cls):
    ids, X, y = data(cls)
    own = ids == TARGET
    with pytest.raises(TypeError, match=r"source_rows must be \(X, y\), or a list or dict of such"):
        make(cls, source_rows=X).fit(X[own], y[own])
    with pytest.raises(ValueError, match="source 0 has 3 features, but the target has 4"):
        make(cls, source_rows=(X[:, :3], y)).fit(X[own], y[own])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        make(cls, source_rows=(X, y[:5])).fit(X[own], y[own])


# --- labels ----------------------------------------------------------------------------------


@every_classifier
@pytest.mark.parametrize("lacking", ["source", "target"])
def test_labels_that_one_side_lacks(cls, lacking):
    if cls.__name__ == "TransGLMClassifier":
        pytest.skip("two labels only")
    ids, X, _ = data(cls)
    y = np.array(["low", "middle", "top"])[np.digitize(X[:, 0], [-0.4, 0.4])]
    own = ids == TARGET
    side = ~own if lacking == "source" else own
    kept = ~(side & (y == "top"))
    ids, X, y, own = ids[kept], X[kept], y[kept], own[kept]
    model = make(cls, task_column=0, target_task=TARGET).fit(table(ids, X), y)
    assert_array_equal(model.classes_, ["low", "middle", "top"])
    told = model.predict_proba(table(ids, X)[own])
    assert told.shape == (own.sum(), 3)
    assert_allclose(told.sum(axis=1), 1.0)
    assert np.mean(model.predict(table(ids, X)[own]) == y[own]) > 0.5


@every_classifier
def test_a_single_label_of_the_target(cls):
    ids, X, y = data(cls)
    y[ids == TARGET] = "no"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make(cls, task_column=0, target_task=TARGET).fit(table(ids, X), y)
    assert_array_equal(model.classes_, ["no", "yes"])
    told = model.predict_proba(table(ids, X)[ids == TARGET])
    assert np.isfinite(told).all()


@every
def test_n_jobs_and_random_state(cls):
    ids, X, y = data(cls)
    T, own = table(ids, X), ids == TARGET
    estimator = make(cls, task_column=0, target_task=TARGET)
    first = answer(clone(estimator).fit(T, y), T[own])
    assert_array_equal(answer(clone(estimator).fit(T, y), T[own]), first)
    if "n_jobs" in parameters(cls):
        with joblib.parallel_config(backend="threading"):
            parallel = clone(estimator).set_params(n_jobs=2).fit(T, y)
        assert_allclose(answer(parallel, T[own]), first, rtol=1e-10, atol=1e-12)


def test_every_class_is_an_estimator():
    assert all(issubclass(cls, BaseEstimator) for cls in CLASSES)
