"""The data contract: every public estimator reads the same tables and refuses the same errors."""

import pickle
import warnings

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.fixes import parse_version
from sklearn.utils.validation import has_fit_parameter

import skmtl
from skmtl.model_selection import TaskKFold
from skmtl.preprocessing import keep_tasks
from skmtl.transfer.base import TransferEstimator

PUBLIC = [getattr(skmtl, name) for name in skmtl.__all__]
CLASSES = [
    item
    for item in PUBLIC
    if isinstance(item, type)
    and issubclass(item, BaseEstimator)
    and (hasattr(item, "predict") or hasattr(item, "transform"))  # not what only weighs rows
    # These learn one task and have a contract of their own: tests/transfer/test_contract.py.
    if not issubclass(item, TransferEstimator)
]
# Penalties at which the models share something on the data below, and keep some features.
SETTINGS = {
    "TaskFeatureAugmenter": {"keep_task_column": True},
    "ARMUL": {"alpha": 0.5},
    "ARMULCV": {"alphas": [2.0, 0.5], "alphas_intercept": [1.0], "cv": 3},
    "CalibratedMultiTaskLasso": {"alpha": 0.1},
    "ClusteredTasks": {"tol": 1e-11},
    "ConvexASO": {"alpha": 0.1, "tol": 1e-11},
    "ConvexFeatureLearning": {"alpha": 0.1, "tol": 1e-11},
    "ConvexFeatureLearningCV": {"alphas": [0.1, 0.02], "cv": 3, "tol": 1e-11},
    "DataSharedLasso": {"tol": 1e-11},
    "ELLARegressor": {"n_components": 2, "alpha_sparse": 0.05, "alpha_dictionary": 0.05},
    "GraphRidgeCV": {"alphas": [0.1, 1.0], "betas": [0.5, 5.0], "cv": 3},
    "MeanRegularizedRidge": {"alpha_task": 5.0},
    "MeanRegularizedRidgeCV": {
        "alphas_task": [0.5, 50.0],
        "alphas_common": [1.0],
        "alphas_intercept": [1.0],
    },
    "MultiTaskClassifier": {"penalty": skmtl.penalties.L21(0.01)},
    "MultiTaskClassifierCV": {"alphas": [0.02, 0.01], "cv": 3},
    "MultiTaskElasticNet": {"alpha": 0.1},
    "MultiTaskElasticNetCV": {"alphas": [0.1, 0.02], "cv": 3},
    "MultiTaskLasso": {"alpha": 0.1},
    "MultiTaskLassoCV": {"alphas": [0.1, 0.02], "cv": 3},
    "MultiTaskLogisticRegression": {"alpha": 0.01},
    "MultiTaskLogisticRegressionCV": {"alphas": [0.02, 0.01], "cv": 3},
    "MultiTaskRegressorCV": {"alphas": [0.1, 0.02], "cv": 3},
    "MultiTaskRidgeCV": {"alphas": [0.1, 1.0, 10.0]},
    "PretrainedLasso": {"alpha": 0.01},
    "PretrainedLassoCV": {
        "alphas": [0.05, 0.01],
        "alphas_common": [0.05],
        "separations": [0.5],
        "cv": 3,
    },
    "PretrainedLogisticRegression": {"alpha": 0.002},
    "PretrainedLogisticRegressionCV": {
        "alphas": [0.004, 0.002],
        "alphas_common": [0.01],
        "separations": [0.5],
        "cv": 3,
    },
    "ReducedRankRidgeCV": {"ranks": [1, 2], "alphas": [0.1, 1.0], "cv": 3},
    "TaskDictionary": {"n_components": 2, "alpha_sparse": 0.05, "alpha_dictionary": 0.05},
    "TaskRelationships": {"tol": 1e-11},
    "TraceNorm": {"alpha": 0.1, "tol": 1e-11},
    "TraceNormCV": {"alphas": [0.1, 0.02], "cv": 3, "tol": 1e-11},
}
DEALS_FOLDS = {
    "ARMULCV",
    "ConvexFeatureLearningCV",
    "GraphRidgeCV",
    "MultiTaskClassifierCV",
    "MultiTaskElasticNetCV",
    "MultiTaskLassoCV",
    "MultiTaskLogisticRegressionCV",
    "MultiTaskRegressorCV",
    "PretrainedLassoCV",
    "PretrainedLogisticRegressionCV",
    "ReducedRankRidgeCV",
    "TraceNormCV",
}
# For what must not depend on the rows that are left out together to choose a penalty.
ONE_PENALTY = {
    "ARMULCV": {"alphas": [0.5]},
    "ConvexFeatureLearningCV": {"alphas": [0.1]},
    "GraphRidgeCV": {"alphas": [1.0], "betas": [2.0]},
    "MeanRegularizedRidgeCV": {"alphas_task": [2.0]},
    "MultiTaskClassifierCV": {"alphas": [0.01]},
    "MultiTaskElasticNetCV": {"alphas": [0.1]},
    "MultiTaskLassoCV": {"alphas": [0.1]},
    "MultiTaskLogisticRegressionCV": {"alphas": [0.01]},
    "MultiTaskRegressorCV": {"alphas": [0.1]},
    "MultiTaskRidgeCV": {"alphas": [2.0]},
    "PretrainedLassoCV": {"alphas": [0.02], "alphas_common": [0.05], "separations": [0.5]},
    "PretrainedLogisticRegressionCV": {
        "alphas": [0.01],
        "alphas_common": [0.01],
        "separations": [0.5],
    },
    "ReducedRankRidgeCV": {"ranks": [2], "alphas": [2.0]},
    "TraceNormCV": {"alphas": [0.1]},
}
SCALED_BY_TASK_SIZES = DEALS_FOLDS - {
    "ARMULCV",
    "GraphRidgeCV",
    "PretrainedLassoCV",
    "PretrainedLogisticRegressionCV",
    "ReducedRankRidgeCV",
} | {
    "ClusteredTasks",
    "ConvexASO",
    "ConvexFeatureLearning",
    "DataSharedLasso",
    "MultiTaskClassifier",
    "MultiTaskElasticNet",
    "MultiTaskLasso",
    "MultiTaskLogisticRegression",
    "MultiTaskMixed",
    "MultiTaskRegressor",
    "TaskDictionary",
    "TaskRelationships",
    "TraceNorm",
}
# Their weights come from folds of rows: another order, or copies of rows, and the folds are others.
WEIGHS_BY_FOLDS = {"SharingClassifier", "SharingRegressor"}
# The maximum of a likelihood is flat: rounding moves the variances by more than itself.
ROUNDING = dict.fromkeys(
    ["HierarchicalLogistic", "HierarchicalRidge", "SharingClassifier", "SharingRegressor"], 1e-5
)
# Split to a gap of 1e-11, of which the error of the coefficients is about the root.
ROUNDING |= dict.fromkeys(
    [
        "ClusteredTasks",
        "ConvexASO",
        "ConvexFeatureLearning",
        "ConvexFeatureLearningCV",
        "DataSharedLasso",
        "TaskRelationships",
        "TraceNorm",
        "TraceNormCV",
    ],
    1e-5,
)
# Features that have columns of their own for every task.
COPIES_BY_TASK = {"TaskFeatureAugmenter"}
# Their covariances need every value.
NO_ABSENT_FEATURES = {"CORAL", "SubspaceAlignment", "TransferComponentAnalysis"}
CONTAINERS = ["array", "float32", "object", "list", "pandas", "polars", "csr", "csc_array"]
ID_KINDS = {
    "strings": np.array(["Bremen", "Aachen", "Celle"]),
    "integers": np.array([7, 2, 30]),
    "negative integers": np.array([-1, -20, 5]),
    "large integers": 2**60 + np.array([2, 1, 3]),
    "unsigned integers": np.array([7, 2, 30], dtype=np.uint8),
    "whole floats": np.array([7.0, 2.0, 30.0]),
    "days": np.array(["2024-01-02", "2024-01-01", "2024-02-01"], dtype="M8[us]"),
}


def make(cls, **parameters):
    """An instance with penalties that suit the data; solvers go to the bottom."""
    settings = SETTINGS.get(cls.__name__, {})
    model = cls(**settings)
    if "tol" in model.get_params():
        model.set_params(tol=settings.get("tol", 1e-13), max_iter=5000)
    if "unknown_task" in model.get_params():
        model.set_params(unknown_task="error")
    return model.set_params(**parameters)


def one_penalty(cls, of=tuple(ONE_PENALTY)):
    """Parameters of a search among one penalty, if the class is such a search."""
    return ONE_PENALTY[cls.__name__] if cls.__name__ in of else {}


def close(cls, rtol=1e-7, atol=1e-9):
    """Tolerances of two fits that differ by rounding errors only."""
    rounding = ROUNDING.get(cls.__name__, 0.0)
    return {"rtol": max(rtol, rounding), "atol": max(atol, rounding)}


def name_of(cls):
    return cls.__name__


every_estimator = pytest.mark.parametrize("cls", CLASSES, ids=name_of)
every_predictor = pytest.mark.parametrize(
    "cls", [cls for cls in CLASSES if hasattr(cls, "predict")], ids=name_of
)
every_regressor = pytest.mark.parametrize(
    "cls", [cls for cls in CLASSES if is_regressor(cls())], ids=name_of
)
every_linear = pytest.mark.parametrize(
    "cls", [cls for cls in CLASSES if cls.__module__.startswith("skmtl.linear_model")], ids=name_of
)
PER_TASK = {"PerTaskRegressor", "PerTaskClassifier", "MultiTaskRidge", "MultiTaskRidgeCV"}


def data(cls, seed=0, sizes=(14, 9, 11)):
    """Codes 0, 1, 2 in random order, features and targets (labels for a classifier)."""
    rng = np.random.RandomState(seed)
    codes = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    features = rng.normal(size=(len(codes), 4)).round(2)
    coef = rng.normal(size=4) + 0.4 * rng.normal(size=(len(sizes), 4))
    y = np.sum(features * coef[codes], axis=1) + codes + 0.3 * rng.normal(size=len(codes))
    return codes, features, (y > y.mean()).astype(int) if is_classifier(cls()) else y


def table(container, ids, features, position=0):
    """A table of some type with the ids in one column."""
    names = [f"f{j}" for j in range(features.shape[1])]
    names.insert(position, "task")
    if container in ("pandas", "polars"):
        library = pytest.importorskip(container)
        columns = {f"f{j}": features[:, j] for j in range(features.shape[1])}
        return library.DataFrame({name: columns.get(name, ids) for name in names})
    if container in ("object", "list"):
        X = np.insert(features.astype(object), position, 0, axis=1)
        X[:, position] = ids
        return X.tolist() if container == "list" else X
    X = np.insert(features.astype(float), position, ids, axis=1)
    if container == "float32":
        return X.astype(np.float32)
    return {"csr": sparse.csr_matrix, "csc_array": sparse.csc_array}.get(container, np.asarray)(X)


def answer(model, X, **given):
    """What a fitted model says about rows, as floats."""
    if hasattr(model, "predict_proba"):
        return model.predict_proba(X, **given)
    if hasattr(model, "predict"):
        return model.predict(X, **given)
    scaled = model.transform(X, **given)
    scaled = scaled.toarray() if sparse.issparse(scaled) else np.asarray(scaled)
    if model.task_column is not None:
        column = model.task_column
        if isinstance(column, str):
            column = list(X.columns).index(column)
        scaled = np.delete(scaled, column, axis=1)
    return scaled.astype(float)


def reference(cls, codes, features, y, **given):
    """The answers of the model that was given the ids apart from X."""
    return answer(make(cls).fit(features, y, tasks=codes, **given), features, tasks=codes)


def takes_sparse(cls):
    return get_tags(cls()).input_tags.sparse


def test_the_list_is_not_empty():
    assert {"MultiTaskLasso", "MeanRegularizedRidgeCV"} <= {cls.__name__ for cls in CLASSES}


def _known(estimator):
    if type(estimator).__name__ == "TaskScaler" and parse_version(
        sklearn.__version__
    ) < parse_version("1.7"):
        # That version does not ask whether sparse X is supported.
        return {"check_sample_weight_equivalence_on_sparse_data": "no sparse X"}
    return {}


FASTER = {
    name: {"alphas": 8} for name in ("MultiTaskClassifierCV", "MultiTaskLogisticRegressionCV")
}
checked = [cls(**FASTER.get(cls.__name__, {})) for cls in CLASSES]
checks = parametrize_with_checks(checked, expected_failed_checks=_known)
names, pairs = checks.args  # scikit-learn 1.6 has a generator, which pytest 9 warns about


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(names, list(pairs), **checks.kwargs)
def test_sklearn_checks(estimator, check):
    check(estimator)


# --- tables ---------------------------------------------------------------------------------


@every_estimator
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize(("position", "column"), [(0, 0), (2, 2), (4, 4), (4, -1), (1, "task")])
def test_tables_of_every_type(cls, container, position, column):
    codes, features, y = data(cls)
    model = make(cls)
    if container in ("csr", "csc_array") and not takes_sparse(cls):
        pytest.skip("no sparse X")
    if isinstance(column, str) and container not in ("pandas", "polars"):
        with pytest.raises(ValueError, match="'task' is a name, but X is"):
            make(cls, task_column=column).fit(table(container, codes, features, position), y)
        return
    X = table(container, codes, features, position)
    model = make(cls, task_column=column).fit(X, y)
    accuracy = 1e-4 if container == "float32" else ROUNDING.get(cls.__name__, 1e-9)
    expected = reference(cls, codes, features, y)
    assert_allclose(answer(model, X), expected, rtol=accuracy, atol=accuracy)
    assert_array_equal(model.tasks_, [0, 1, 2])
    assert model.n_features_in_ == 5
    if hasattr(model, "coef_"):
        assert model.coef_.shape == (3, 4)
        assert model.intercept_.shape == (3,)


@every_estimator
@pytest.mark.parametrize("kind", ID_KINDS)
@pytest.mark.parametrize("place", ["vector", "object", "pandas", "polars"])
def test_ids_of_every_kind(cls, kind, place):
    if cls.__name__ in COPIES_BY_TASK:
        pytest.skip("its columns follow the sorted ids")
    codes, features, y = data(cls)
    labels = ID_KINDS[kind]
    ids = labels[codes]
    if place == "vector":
        X, init, given = features, {}, {"tasks": ids}
    else:
        X, given = table(place, ids, features), {}
        init = {"task_column": 0 if place == "object" else "task"}
    if kind == "days" and place == "object":
        pytest.skip("a date in an object array is a Python object of its own")
    model = make(cls, **init).fit(X, y, **given)
    assert_allclose(answer(model, X, **given), reference(cls, codes, features, y), **close(cls))
    assert_array_equal(model.tasks_, np.sort(labels))


@every_estimator
@pytest.mark.parametrize("ordered", [False, True])
def test_pandas_categories(cls, ordered):
    if cls.__name__ in COPIES_BY_TASK:
        pytest.skip("its columns follow the sorted ids")
    pandas = pytest.importorskip("pandas")
    codes, features, y = data(cls)
    X = table("pandas", codes, features)
    names = np.array(["low", "middle", "high"])
    X["task"] = pandas.Categorical(names[codes], categories=names, ordered=ordered)
    model = make(cls, task_column="task").fit(X, y)
    assert_allclose(answer(model, X), reference(cls, codes, features, y), **close(cls))
    assert_array_equal(model.tasks_, np.sort(names))
    X["task"] = pandas.Series(names[codes], dtype="string")
    assert_allclose(answer(model, X), reference(cls, codes, features, y), **close(cls))


@every_estimator
def test_booleans(cls):
    codes, features, y = data(cls, sizes=(12, 9))
    expected = reference(cls, codes, features, y)
    model = make(cls).fit(features, y, tasks=codes == 1)
    assert_allclose(answer(model, features, tasks=codes == 1), expected, **close(cls))
    X = table("pandas", codes == 1, features)
    model = make(cls, task_column="task").fit(X, y)
    assert_allclose(answer(model, X), expected, **close(cls))
    assert_array_equal(model.tasks_, [False, True])


@every_estimator
def test_ids_match_by_value_in_predict(cls):
    """An integer id in a float array is the integer id of a frame."""
    codes, features, y = data(cls)
    model = make(cls, task_column=0).fit(table("pandas", codes.astype(np.int32), features), y)
    expected = answer(model, table("pandas", codes.astype(np.int8), features))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        assert_allclose(answer(model, table("array", codes, features)), expected, rtol=1e-12)
    strings = make(cls, task_column=0).fit(table("object", codes.astype(str), features), y)
    with pytest.raises(ValueError, match="was not seen in fit"):
        answer(strings, table("object", codes, features))


# --- invariances ----------------------------------------------------------------------------


@every_estimator
def test_rows_permuted(cls):
    if cls.__name__ in WEIGHS_BY_FOLDS:
        pytest.skip("the folds are others")
    codes, features, y = data(cls)
    accuracy = ROUNDING.get(cls.__name__, 1e-8)
    order = np.random.RandomState(1).permutation(len(y))
    X, fixed = table("array", codes, features), one_penalty(cls, DEALS_FOLDS)
    model = make(cls, task_column=0, **fixed).fit(X, y)
    moved = make(cls, task_column=0, **fixed).fit(X[order], y[order])
    assert_allclose(answer(moved, X), answer(model, X), rtol=accuracy, atol=0.1 * accuracy)
    ordered = np.argsort(codes, kind="stable")
    moved = make(cls, task_column=0, **fixed).fit(X[ordered], y[ordered])
    assert_allclose(answer(moved, X), answer(model, X), rtol=accuracy, atol=0.1 * accuracy)


@every_estimator
def test_tasks_relabelled(cls):
    if cls.__name__ in COPIES_BY_TASK:
        pytest.skip("its columns follow the sorted ids")
    codes, features, y = data(cls)
    expected = reference(cls, codes, features, y)
    for labels in (np.array([2, 0, 1]), np.array(["z", "x", "y"])):
        relabelled = reference(cls, labels[codes], features, y)
        accuracy = ROUNDING.get(cls.__name__, 1e-8)
        assert_allclose(relabelled, expected, rtol=accuracy, atol=0.1 * accuracy)


@every_estimator
def test_weight_k_is_k_copies(cls):
    codes, features, y = data(cls)
    if not has_fit_parameter(cls(), "sample_weight"):
        pytest.skip("no sample_weight")
    if cls.__name__ in WEIGHS_BY_FOLDS:
        pytest.skip("the folds are others")
    fixed = one_penalty(cls)  # to choose is to leave rows out, and a copy is another row
    repeats = np.random.RandomState(2).randint(0, 4, size=len(y))
    model = make(cls, **fixed).fit(features, y, tasks=codes, sample_weight=repeats)
    copied = [np.repeat(part, repeats, axis=0) for part in (features, y, codes)]
    other = make(cls, **fixed).fit(copied[0], copied[1], tasks=copied[2])
    ours, theirs = (answer(m, features, tasks=codes) for m in (model, other))
    accuracy = 1e-4 if is_classifier(cls()) else ROUNDING.get(cls.__name__, 1e-8)
    assert_allclose(ours, theirs, rtol=accuracy, atol=accuracy)


@every_estimator
def test_a_task_of_weight_zero(cls):
    codes, features, y = data(cls)
    weights = np.where(codes == 1, 0.0, 1.5)
    kept = codes != 1
    if cls.__name__.startswith("PerTask"):
        with pytest.raises(ValueError, match="task 1 has no observed row with a positive"):
            make(cls).fit(features, y, tasks=codes, sample_weight=weights)
        return
    fixed = one_penalty(cls, DEALS_FOLDS)
    model = make(cls, **fixed).fit(features, y, tasks=codes, sample_weight=weights)
    without = make(cls, **fixed)
    without.fit(features[kept], y[kept], tasks=codes[kept], sample_weight=weights[kept])
    ours = answer(model, features[kept], tasks=codes[kept])
    theirs = answer(without, features[kept], tasks=codes[kept])
    assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)
    assert np.isfinite(answer(model, features, tasks=codes)).all()
    if hasattr(model, "coef_shared_"):
        assert_allclose(model.coef_[1], model.coef_shared_)
        assert_allclose(model.intercept_[1], model.intercept_shared_)


@every_estimator
def test_task_weights_are_sample_weights(cls):
    codes, features, y = data(cls)
    if "task_weight" not in cls().get_params():
        pytest.skip("no task_weight")
    per_task = np.array([2.0, 0.5, 1.0])
    for task_weight in (per_task, {0: 2.0, 1: 0.5}):
        fixed = one_penalty(cls, DEALS_FOLDS)
        model = make(cls, task_weight=task_weight, **fixed).fit(features, y, tasks=codes)
        if cls.__name__ in SCALED_BY_TASK_SIZES:
            # There n_bar is the mean of the sample weights alone: rescale to the same mean.
            weights = per_task * len(y) / np.sum(per_task[codes])
            scale = np.sum(per_task[codes]) / len(y)
            penalty = SETTINGS.get(cls.__name__, {}).get("penalty")
            alpha = getattr(model, "alpha", getattr(penalty, "alpha", 0.1))
            alpha = fixed["alphas"][0] if fixed else alpha
            given = {"alpha": alpha / scale, "alphas": [alpha / scale]}
            if not fixed:
                given["penalty"] = skmtl.penalties.L21(alpha / scale)
            for name in ("alpha_dictionary", "alpha_sparse", "alpha_mean", "beta"):
                if name in model.get_params():
                    given[name] = getattr(model, name) / scale
            other = make(cls, **{k: v for k, v in given.items() if k in model.get_params()})
        else:
            weights, other = per_task, make(cls, **fixed)
        other.fit(features, y, tasks=codes, sample_weight=weights[codes])
        ours, theirs = (answer(m, features, tasks=codes) for m in (model, other))
        assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)


# --- small and odd tasks --------------------------------------------------------------------


@every_estimator
def test_a_task_of_one_row(cls):
    codes, features, y = data(cls, sizes=(14, 1, 11))
    model = make(cls).fit(features, y, tasks=codes)
    assert np.isfinite(answer(model, features, tasks=codes)).all()


@every_estimator
def test_a_task_of_constant_targets(cls):
    codes, features, y = data(cls)
    y = np.where(codes == 1, y[codes == 1][0], y)
    model = make(cls).fit(features, y, tasks=codes)
    assert np.isfinite(answer(model, features, tasks=codes)).all()
    if cls.__name__ in PER_TASK:
        assert_allclose(model.predict(features[codes == 1], tasks=codes[codes == 1]), y[codes == 1])


@every_estimator
def test_one_task_only_warns(cls):
    _, features, y = data(cls)
    X = table("array", np.full(len(y), 7), features)
    with pytest.warns(UserWarning, match=r"column 0 names one task only \(7\)"):
        model = make(cls, task_column=0).fit(X, y)
    alone = make(cls).fit(features, y)
    assert_allclose(answer(model, X), answer(alone, features), rtol=1e-9)
    with pytest.warns(UserWarning, match="`tasks` names one task only"):
        make(cls).fit(features, y, tasks=np.full(len(y), "a"))


@every_estimator
def test_unknown_task(cls):
    codes, features, y = data(cls)
    X = table("array", codes + 10, features)
    new = X[:3].copy()
    new[1, 0] = 99
    model = make(cls, task_column=0).fit(X, y)
    with pytest.raises(ValueError, match=r"task 99 was not seen in fit, which had 10, 11, 12"):
        answer(model, new)
    with pytest.raises(ValueError, match="TaskKFold"):
        answer(model, new)
    sharing = make(cls, task_column=0, unknown_task="shared").fit(X, y)
    told = answer(sharing, new)
    assert np.isfinite(told).all()
    assert_allclose(told[[0, 2]], answer(model, X[[0, 2]]), rtol=1e-9)
    with pytest.raises(ValueError, match="unknown_task='guess'"):
        make(cls, task_column=0, unknown_task="guess").fit(X, y)


# --- errors of layout -----------------------------------------------------------------------


@every_estimator
def test_ids_twice(cls):
    codes, features, y = data(cls)
    X = table("array", codes, features)
    with pytest.raises(ValueError, match="task ids came twice"):
        make(cls, task_column=0).fit(X, y, tasks=codes)
    model = make(cls, task_column=0).fit(X, y)
    with pytest.raises(ValueError, match="task ids came twice"):
        answer(model, X, tasks=codes)


@every_estimator
def test_ids_in_fit_but_not_in_predict(cls):
    codes, features, y = data(cls)
    model = make(cls).fit(features, y, tasks=codes)
    with pytest.raises(ValueError, match="was fitted with `tasks`: pass tasks= here too"):
        answer(model, features)
    if hasattr(model, "score"):
        with pytest.raises(ValueError, match="was fitted with `tasks`"):
            model.score(features, y)


@every_estimator
def test_ids_in_predict_but_not_in_fit(cls):
    codes, features, y = data(cls)
    model = make(cls).fit(features, y)
    with pytest.raises(ValueError, match="was fitted without task ids"):
        answer(model, features, tasks=codes)


@every_estimator
def test_wrong_lengths(cls):
    codes, features, y = data(cls)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        make(cls).fit(features, y, tasks=codes[:-1])
    model = make(cls).fit(features, y, tasks=codes)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        answer(model, features, tasks=codes[:-1])


@every_estimator
@pytest.mark.parametrize("column", [5, -6, "school", 1.5, True, None], ids=str)
def test_wrong_task_columns(cls, column):
    codes, features, y = data(cls)
    X = table("pandas", codes, features)
    if column is None:
        assert make(cls, task_column=None).fit(X, y).n_features_in_ == 5
        return
    with pytest.raises((ValueError, TypeError), match="task_column"):
        make(cls, task_column=column).fit(X, y)


@every_estimator
@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([0.5, 1.0], "labels or whole numbers, but .* holds 0.5"),
        ([np.nan, 1.0], "no task id"),
        ([np.inf, 1.0], "whole numbers"),
        ([None, "a"], "no task id"),
        ([np.nan, "a"], "no task id"),
        (["a", 1], "mixes strings and numbers"),
        (np.array([2.0**53, 1.0]), "too large to be told apart in float64"),
        (np.array([2**24, 1], dtype=np.float32), "too large to be told apart in float32"),
        (np.array([2**63, 1], dtype=np.uint64), r"above 2\*\*63"),
        (np.array([1j, 1]), "labels or whole numbers"),
        (np.array(["NaT", "2020-01-01"], dtype="M8[D]"), "no task id"),
        ([[0], [1]], "1-d"),
    ],
    ids=str,
)
def test_wrong_ids(cls, ids, message):
    codes, features, y = data(cls, sizes=(9, 12))
    kinds = np.asarray(ids, dtype=object if None in ids or "a" in ids else None)
    with pytest.raises(ValueError, match=message):
        make(cls).fit(features, y, tasks=kinds[codes])
    if kinds.ndim == 1 and kinds.dtype.kind not in "cM":
        X = table("pandas", kinds[codes], features)
        with pytest.raises(ValueError, match=message):
            make(cls, task_column="task").fit(X, y)


@every_estimator
def test_float32_arrays_with_large_ids(cls):
    codes, features, y = data(cls)
    X = table("array", codes + 2.0**24, features).astype(np.float32)
    with pytest.raises(ValueError, match="too large to be told apart in float32"):
        make(cls, task_column=0).fit(X, y)


@every_estimator
def test_transformers_that_change_the_ids(cls):
    codes, features, y = data(cls)
    X = table("array", codes, features)
    for transformer in (StandardScaler(), PCA(5, random_state=0)):
        broken = make_pipeline(transformer, make(cls, task_column=0))
        with pytest.raises(ValueError, match=r"keep_tasks\(StandardScaler\(\), task_column=0\)"):
            broken.fit(X, y)
    right = make_pipeline(keep_tasks(StandardScaler(), 0), make(cls, task_column=0)).fit(X, y)
    scaled = StandardScaler().fit_transform(features)
    expected = reference(cls, codes, scaled, y)
    ours = answer(right[-1], right[0].transform(X))
    assert_allclose(ours, expected, **close(cls, rtol=1e-9))


@every_estimator
def test_not_fitted(cls):
    codes, features, _ = data(cls)
    with pytest.raises(NotFittedError):
        answer(make(cls, task_column=0), table("array", codes, features))


@every_estimator
def test_columns_of_predict(cls):
    codes, features, y = data(cls)
    X = table("pandas", codes, features)
    model = make(cls, task_column="task").fit(X, y)
    assert list(model.feature_names_in_) == ["task", "f0", "f1", "f2", "f3"]
    with pytest.raises(ValueError, match=r"[Ff]eature names"):
        answer(model, X[["task", "f1", "f0", "f2", "f3"]])
    array = table("array", codes, features)
    model = make(cls, task_column=0).fit(array, y)
    with pytest.raises(ValueError, match="features"):
        answer(model, array[:, :-1])


# --- targets --------------------------------------------------------------------------------


@every_predictor
def test_wrong_targets(cls):
    codes, features, y = data(cls)
    X = table("array", codes, features)
    for wrong, message in [
        (np.column_stack([y, y]), "2 columns"),
        (y[:-1], "inconsistent numbers of samples"),
        (None, "requires y"),
        (np.stack([np.column_stack([y, y])] * 2, axis=2), "y|dim|shape"),
    ]:
        with pytest.raises(ValueError, match=message):
            make(cls, task_column=0).fit(X, wrong)
    with pytest.raises(ValueError):
        make(cls, task_column=0).fit(X, np.where(codes == 1, np.nan, y))


@every_regressor
def test_infinite_targets(cls):
    codes, features, y = data(cls)
    with pytest.raises(ValueError, match="infinity"):
        make(cls, task_column=0).fit(table("array", codes, features), np.where(codes, y, np.inf))


@every_predictor
def test_a_column_of_targets_with_ids_is_one_output(cls):
    codes, features, y = data(cls)
    X = table("array", codes, features)
    expected = answer(make(cls, task_column=0).fit(X, y), X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some say, as scikit-learn, that y was a column
        model = make(cls, task_column=0).fit(X, y[:, None])
    assert_allclose(answer(model, X), expected, rtol=1e-9)


@every_predictor
def test_outputs_with_missing_entries(cls):
    """Missing entries are rows that the task does not have."""
    _, features, y = data(cls)
    if cls.__name__ in WEIGHS_BY_FOLDS:
        pytest.skip("rows are left out whole, and each output is standardised")
    Y = np.column_stack([y, np.roll(y, 1), 1 - y]).astype(float)
    missing = np.random.RandomState(3).uniform(size=Y.shape) < 0.3
    Y[missing] = np.nan
    # Whole rows are left out for outputs.
    fixed = one_penalty(cls, DEALS_FOLDS | {"MeanRegularizedRidgeCV"})
    model = make(cls, **fixed).fit(features, Y)
    rows, codes = np.nonzero(~missing)
    stacked = make(cls, **fixed)
    stacked.fit(features[rows], Y[rows, codes], tasks=codes)
    for task in range(3):
        ours = model.predict(features)[:, task]
        theirs = stacked.predict(features, tasks=np.full(len(y), task))
        accuracy = ROUNDING.get(cls.__name__, 1e-7)
        assert_allclose(ours, theirs, rtol=accuracy, atol=0.1 * accuracy)
    assert model.predict(features).shape == Y.shape
    assert np.isfinite(model.score(features, Y))
    Y[:, 1] = np.nan
    if is_regressor(model) and not cls.__name__.startswith("Pooled"):
        with pytest.raises(ValueError, match=r"task 1 has no observed (target|row)"):
            make(cls).fit(features, Y)


@every_predictor
def test_named_outputs(cls):
    pandas = pytest.importorskip("pandas")
    _, features, y = data(cls)
    Y = pandas.DataFrame({"ozone": y, "nitrogen": np.roll(y, 1)})
    assert_array_equal(make(cls).fit(features, Y).tasks_, ["ozone", "nitrogen"])


# --- missing features -----------------------------------------------------------------------


@every_predictor
def test_a_feature_absent_from_a_task(cls):
    codes, features, y = data(cls)
    features[codes == 1, 2] = np.nan
    X = table("array", codes, features)
    model = make(cls, task_column=0).fit(X, y)
    told = answer(model, X)
    assert np.isfinite(told).all()
    assert model.absent_features_.sum() == 1
    assert model.absent_features_[1, 2]
    if hasattr(model, "coef_"):
        assert model.coef_[1, 2] == 0
        assert (model.coef_[[0, 2], 2] != 0).all()
    if cls.__name__ in PER_TASK:
        rows = codes == 1
        alone = make(cls).fit(features[rows][:, [0, 1, 3]], y[rows])
        assert_allclose(told[rows], answer(alone, features[rows][:, [0, 1, 3]]), rtol=1e-8)
    kept = codes != 1
    assert_allclose(answer(model, X[kept]), told[kept], rtol=1e-9)


@every_linear
def test_a_feature_absent_from_a_task_has_zeros_there(cls):
    """Zero in all rows says the same, where intercepts are not tied to the mean feature."""
    codes, features, y = data(cls)
    if cls.__name__.startswith(("ARMUL", "MeanRegularized", "Hierarchical")):
        pytest.skip("features are centred by their mean over the tasks that have them")
    zeros = features.copy()
    zeros[codes == 1, 2] = 0.0
    features[codes == 1, 2] = np.nan
    expected = reference(cls, codes, zeros, y)
    assert_allclose(reference(cls, codes, features, y), expected, rtol=1e-7, atol=1e-8)


@every_linear
def test_a_feature_that_is_missing_in_some_rows(cls):
    codes, features, y = data(cls)
    names = np.array(["low", "middle", "high"])
    features[np.flatnonzero(codes == 1)[:2], 3] = np.nan
    with pytest.raises(ValueError, match=r"NaN in feature 3 .* task 'middle'.*keep_tasks"):
        make(cls).fit(features, y, tasks=names[codes])
    X = table("pandas", names[codes], features)
    with pytest.raises(ValueError, match=r"NaN in feature 'f3' .* task 'middle'"):
        make(cls, task_column="task").fit(X, y)


@every_linear
def test_a_feature_that_is_missing_in_predict(cls):
    codes, features, y = data(cls)
    X = table("array", codes, features)
    model = make(cls, task_column=0).fit(X, y)
    row = np.flatnonzero(codes == 2)[0]
    X[row, 1] = np.nan
    with pytest.raises(ValueError, match=rf"NaN in row {row} of task 2, feature 0.*SimpleImputer"):
        model.predict(X)


@every_linear
def test_infinite_features(cls):
    codes, features, y = data(cls)
    features[3, 1] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        make(cls, task_column=0).fit(table("array", codes, features), y)
    with pytest.raises(ValueError, match="infinity"):
        make(cls, task_column=0).fit(table("csr", codes, features), y)


# --- with scikit-learn's tools ---------------------------------------------------------------


@every_predictor
def test_plain_folds_over_sorted_rows_are_an_error(cls):
    codes, features, y = data(cls, sizes=(12, 12, 12))
    order = np.argsort(codes, kind="stable")
    X, y = table("array", codes, features)[order], y[order]
    model = make(cls, task_column=0)
    with pytest.raises(ValueError, match="TaskKFold"):
        cross_val_score(model, X, y, cv=KFold(3), error_score="raise")
    with pytest.raises(ValueError, match="TaskKFold"):
        cross_val_predict(model, X, y, cv=KFold(3))
    scores = cross_val_score(model, X, y, cv=TaskKFold(3, task_column=0), error_score="raise")
    assert np.isfinite(scores).all()


@every_predictor
def test_grid_search_over_a_pipeline_with_a_string_scorer(cls):
    codes, features, y = data(cls)
    X = table("array", codes, features)
    pipeline = make_pipeline(keep_tasks(StandardScaler(), 0), make(cls, task_column=0))
    step = cls.__name__.lower()
    scoring = "accuracy" if is_classifier(cls()) else "r2"
    grid = {f"{step}__unknown_task": ["error", "shared"], "keeptasks__remainder__with_std": [True]}
    search = GridSearchCV(
        pipeline, grid, scoring=scoring, cv=TaskKFold(3, task_column=0), error_score="raise"
    )
    search.fit(X, y)
    train, test = next(iter(TaskKFold(3, task_column=0).split(X)))
    by_hand = clone(pipeline).fit(X[train], y[train])
    assert_allclose(
        search.cv_results_["split0_test_score"], by_hand.score(X[test], y[test]), rtol=1e-9
    )
    assert_allclose(
        cross_val_predict(pipeline, X, y, cv=TaskKFold(3, task_column=0)).shape, y.shape
    )


@every_predictor
def test_vector_of_ids_without_routing_is_never_silently_wrong(cls):
    codes, features, y = data(cls)
    cv = TaskKFold(3, task_column=None)
    options = {"cv": cv, "error_score": "raise", "params": {"tasks": codes}}
    with pytest.raises((ValueError, TypeError)):
        cross_val_score(make(cls), features, y, **options)
    with pytest.raises((ValueError, TypeError)):
        cross_val_predict(make(cls), features, y, cv=cv, params={"tasks": codes})


@every_predictor
def test_vector_of_ids_with_routing(cls):
    codes, features, y = data(cls)
    with sklearn.config_context(enable_metadata_routing=True):
        cv = TaskKFold(3)
        params = {"tasks": codes, "groups": codes}
        scores = cross_validate(
            make(cls), features, y, cv=cv, params=params, error_score="raise", return_estimator=True
        )
        for score, model, (train, test) in zip(
            scores["test_score"],
            scores["estimator"],
            cv.split(features, y, groups=codes),
            strict=True,
        ):
            by_hand = make(cls).fit(features[train], y[train], tasks=codes[train])
            assert_allclose(
                score, by_hand.score(features[test], y[test], tasks=codes[test]), rtol=1e-9
            )
            assert len(model.tasks_) == 3
        # A string scorer cannot hand ids to predict: an error, not a shared model.
        with pytest.raises((ValueError, TypeError)):
            cross_val_score(
                make(cls),
                features,
                y,
                cv=cv,
                params=params,
                scoring="accuracy" if is_classifier(cls()) else "r2",
                error_score="raise",
            )
        with pytest.raises((ValueError, TypeError)):
            cross_val_predict(make(cls), features, y, cv=cv, params=params)


@every_predictor
def test_score(cls):
    codes, features, y = data(cls)
    X = table("array", codes, features)
    model = make(cls, task_column=0).fit(X, y)
    weights = np.random.RandomState(5).uniform(size=len(y))
    metric = sklearn.metrics.accuracy_score if is_classifier(model) else sklearn.metrics.r2_score
    predicted = model.predict(X)
    assert_allclose(model.score(X, y), metric(y, predicted))
    expected = metric(y, predicted, sample_weight=weights)
    assert_allclose(model.score(X, y, sample_weight=weights), expected)
    assert isinstance(model.score(X, y), float)


@every_estimator
def test_pickle_clone_and_parameters(cls):
    codes, features, y = data(cls)
    X = table("array", codes, features)
    model = make(cls, task_column=0)
    parameters = {k: v for k, v in model.get_params().items() if not isinstance(v, list)}
    model.fit(X, y)
    after = model.get_params()
    assert all(after[name] is value for name, value in parameters.items())
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(answer(again, X), answer(model, X))
    fresh = clone(model)
    assert not hasattr(fresh, "tasks_")
    assert_array_equal(answer(fresh.fit(X, y), X), answer(model, X))
    fresh.set_params(task_column=None).fit(features, y, tasks=codes)
    assert_allclose(answer(fresh, features, tasks=codes), answer(model, X), rtol=1e-9)


@every_estimator
def test_refit_forgets(cls):
    if cls.__name__ in NO_ABSENT_FEATURES:
        pytest.skip("no absent features")
    codes, features, y = data(cls)
    X = table("array", codes, features)
    absent = X.copy()
    absent[codes == 1, 2] = np.nan
    model = make(cls, task_column=0).fit(absent, y)
    fresh = make(cls, task_column=0).fit(X, y)
    assert_allclose(answer(model.fit(X, y), X), answer(fresh, X), rtol=1e-9)
    model.set_params(task_column=None).fit(features, y)
    alone = make(cls).fit(features, y)
    assert_allclose(answer(model, features), answer(alone, features), rtol=1e-9)


@every_estimator
@pytest.mark.parametrize("container", ["array", "float32", "object", "pandas", "csr", "csc_array"])
def test_inputs_are_not_changed(cls, container):
    codes, features, y = data(cls)
    if container in ("csr", "csc_array") and not takes_sparse(cls):
        pytest.skip("no sparse X")
    X, weights = table(container, codes, features), np.linspace(0, 2, len(y))
    before = pickle.dumps((X, y, weights))
    model = make(cls, task_column=0).fit(X, y, sample_weight=weights)
    answer(model, X)
    assert pickle.dumps((X, y, weights)) == before
    given = features.copy(), codes.copy()
    answer(make(cls).fit(given[0], y, tasks=given[1], sample_weight=weights), features, tasks=codes)
    assert_array_equal(given[0], features)
    assert_array_equal(given[1], codes)


@every_estimator
def test_memory_maps(cls, tmp_path):
    codes, features, y = data(cls)
    X = table("array", codes, features)
    for name, values in [("X", X), ("y", y), ("v", np.linspace(0, 2, len(y)))]:
        np.save(tmp_path / f"{name}.npy", values)
    X, y, v = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "Xyv")
    model = make(cls, task_column=0).fit(X, y, sample_weight=v)
    expected = reference(cls, codes, features, np.array(y), sample_weight=np.array(v))
    assert_allclose(answer(model, X), expected, **close(cls, rtol=1e-9))


@every_linear
def test_float32_stays_float32(cls):
    codes, features, y = data(cls)
    X = table("array", codes, features)
    model = make(cls, task_column=0).fit(X.astype(np.float32), y.astype(np.float32))
    assert model.coef_.dtype == model.intercept_.dtype == np.float32
    assert answer(model, X.astype(np.float32)).dtype == np.float32
    double = make(cls, task_column=0).fit(X, y)
    assert double.coef_.dtype == np.float64
    assert_allclose(model.coef_, double.coef_, rtol=1e-3, atol=1e-4)


def test_composed_estimators_are_their_inner_ones():
    """The default of PerTask* and Pooled* by hand."""
    for cls, inner in [("PerTaskRegressor", Ridge()), ("PerTaskClassifier", LogisticRegression())]:
        if not hasattr(skmtl, cls):
            pytest.skip(f"no {cls}")
        cls = getattr(skmtl, cls)
        codes, features, y = data(cls)
        told = make(cls).fit(features, y, tasks=codes).predict(features, tasks=codes)
        for task in range(3):
            rows = codes == task
            expected = clone(inner).fit(features[rows], y[rows]).predict(features[rows])
            assert_allclose(told[rows], expected)
