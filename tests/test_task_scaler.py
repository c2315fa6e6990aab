"""The scale of a task lies between its own and the global one."""

import numpy as np
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.fixes import parse_version

from skmtl.preprocessing import TaskScaler

BIG = 2**60


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    ids = rng.permutation(np.repeat([3, 11, 7], [20, 9, 1]))
    return np.column_stack([ids, rng.normal(size=(30, 3)) * [1, 5, 0.1] + ids[:, None]])


def frame(library, ids, features):
    module = pytest.importorskip(library)
    columns = {"a": features[:, 0], "unit": ids, "b": features[:, 1]}
    return module.DataFrame(columns)


def column(X, name):
    return X[name].to_numpy()


@pytest.mark.parametrize("with_mean", [True, False])
def test_sklearn_checks(with_mean):
    known = {}
    if with_mean and parse_version(sklearn.__version__) < parse_version("1.7"):
        # That version does not ask whether sparse X is supported.
        known = {"check_sample_weight_equivalence_on_sparse_data": "no sparse X"}
    scaler = TaskScaler(with_mean=with_mean)
    check_estimator(scaler, expected_failed_checks=known, on_skip=None)


def test_pseudo_rows(table):
    """Shrinkage k is the same as k more rows with the global mean and variance."""
    scaler = TaskScaler(0, shrinkage=6).fit(table)
    mean, std = table[:, 1:].mean(axis=0), table[:, 1:].std(axis=0)
    for code, task in enumerate(scaler.tasks_):
        rows = table[table[:, 0] == task, 1:]
        rows = np.vstack([rows, *[mean - std] * 3, *[mean + std] * 3])
        assert_allclose(scaler.mean_[code], rows.mean(axis=0))
        assert_allclose(scaler.scale_[code], rows.std(axis=0))


def test_limits_are_own_and_global_scale(table):
    own = TaskScaler(0, shrinkage=0).fit_transform(table)
    for task in (3, 11):
        rows = own[table[:, 0] == task, 1:]
        assert_allclose(rows.mean(axis=0), 0, atol=1e-12)
        assert_allclose(rows.std(axis=0), 1)
    shared = StandardScaler().fit_transform(table[:, 1:])
    assert_allclose(TaskScaler(0, shrinkage=np.inf).fit_transform(table)[:, 1:], shared)
    assert_allclose(TaskScaler().fit_transform(table[:, 1:]), shared)


def test_one_row_task_gets_almost_the_global_scale(table):
    scaler = TaskScaler(0, shrinkage=1000).fit(table)
    code = list(scaler.tasks_).index(7)
    assert_allclose(scaler.scale_[code], scaler.scale_shared_, rtol=0.01)


@given(seed=st.integers(0, 10**6), n_tasks=st.integers(1, 6), shrinkage=st.floats(0, 100))
def test_invariances(seed, n_tasks, shrinkage):
    rng = np.random.default_rng(seed)
    ids = rng.permutation(np.append(np.arange(n_tasks), rng.integers(n_tasks, size=20)))
    X = np.column_stack([ids, rng.normal(size=(len(ids), 2)) * 10.0 ** rng.integers(-3, 4)])
    X[rng.random(X.shape) < 0.1 * np.array([0, 1, 1])] = np.nan
    tasks = ids.astype(str) if n_tasks > 1 else None
    scaler = TaskScaler(0 if n_tasks > 1 else None, shrinkage=shrinkage)
    X = X if n_tasks > 1 else X[:, 1:]
    out = scaler.fit_transform(X)
    assert_array_equal(np.isnan(out), np.isnan(X))
    assert_allclose(scaler.inverse_transform(out), X, atol=1e-9 * np.nanmax(np.abs(X)))
    order = rng.permutation(len(X))
    assert_allclose(clone(scaler).fit_transform(X[order]), out[order], atol=1e-9)
    if n_tasks > 1:
        named = TaskScaler(shrinkage=shrinkage).fit_transform(X[:, 1:], tasks=tasks)
        assert_allclose(named, out[:, 1:], atol=1e-9)
    weights = rng.integers(0, 3, size=len(X))
    weights[np.unique(ids, return_index=True)[1][:2]] = 1  # at least two tasks stay
    seen = weights > 0
    weighted = clone(scaler).fit(X[seen], sample_weight=weights[seen])
    copies = clone(scaler).fit(np.repeat(X, weights, axis=0))
    assert_allclose(weighted.mean_, copies.mean_, rtol=1e-9, atol=1e-9)
    assert_allclose(weighted.scale_, copies.scale_, rtol=1e-7)


def test_constant_features_are_not_divided():
    X = np.column_stack([np.repeat([0, 1], 7), np.full(14, 0.1), np.repeat([3.0, 5.0], 7)])
    scaler = TaskScaler(0, shrinkage=0).fit(X)
    assert_array_equal(scaler.scale_, 1)
    assert_allclose(scaler.transform(X)[:, 1:], 0, atol=1e-15)


def test_unknown_task(table):
    X = table.copy()
    X[:5, 0] = 99
    scaler = TaskScaler(0).fit(table)
    expected = StandardScaler().fit(table[:, 1:]).transform(table[:5, 1:])
    assert_allclose(scaler.transform(X)[:5, 1:], expected)
    with pytest.raises(ValueError, match="task 99 was not seen"):
        TaskScaler(0, unknown_task="error").fit(table).transform(X)


def test_absent_feature_gets_the_global_scale(table):
    table[table[:, 0] == 11, 2] = np.nan
    scaler = TaskScaler(0, shrinkage=0).fit(table)
    code = list(scaler.tasks_).index(11)
    assert_allclose(scaler.scale_[code, 1], scaler.scale_shared_[1])
    empty = TaskScaler().fit(np.full((4, 1), np.nan))
    assert (empty.mean_[0, 0], empty.scale_[0, 0]) == (0, 1)


@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
@pytest.mark.parametrize("position", [0, 1, 3])
def test_sparse_equals_dense(table, container, position):
    table[np.random.default_rng(1).random(table.shape) < [0, 0.5, 0.5, 0.5]] = 0
    X = np.insert(table[:, 1:], position, table[:, 0], axis=1)
    X[2, (position + 1) % 4] = np.nan
    scaler = TaskScaler(position, with_mean=False, shrinkage=2)
    expected = scaler.fit_transform(X)
    out = clone(scaler).fit_transform(container(X))
    assert sparse.issparse(out)
    assert_allclose(out.toarray(), expected)
    assert_allclose(scaler.inverse_transform(out).toarray(), X)
    with pytest.raises(ValueError, match="with_mean=False"):
        TaskScaler(position).fit(container(X))


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("ids", [["x", "01", "1", "x"], [BIG, BIG + 1, 1, BIG]])
@pytest.mark.parametrize("output", [False, True])
def test_frame_for_frame(library, ids, output):
    features = np.arange(8.0).reshape(4, 2) ** 2
    X = frame(library, ids, features)
    scaler = TaskScaler("unit", shrinkage=1)
    if output:
        scaler.set_output(transform=library)
    out = scaler.fit_transform(X)
    assert type(out) is type(X)
    assert out["unit"].dtype == X["unit"].dtype
    assert list(out.columns) == list(scaler.get_feature_names_out()) == ["a", "unit", "b"]
    assert column(out, "unit").tolist() == ids
    codes = np.unique(ids, return_inverse=True)[1]
    expected = TaskScaler(shrinkage=1).fit_transform(features, tasks=codes)
    assert_allclose(column(out, "a"), expected[:, 0])
    back = scaler.inverse_transform(out)
    assert_allclose(column(back, "b"), features[:, 1], atol=1e-12)


def test_pandas_keeps_index_and_category():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"unit": pandas.Categorical(["p", "q", "p"]), "a": [1.0, 2, 3]})
    X.index = [5, 3, 9]
    out = TaskScaler("unit").fit_transform(X)
    assert out["unit"].equals(X["unit"])
    plain = TaskScaler().fit_transform(X[["a"]])
    assert plain.index.tolist() == [5, 3, 9]


def test_dtypes_of_arrays():
    X = np.array([[BIG, 1], [BIG + 1, 2], [BIG, 4]])
    assert TaskScaler(0).fit_transform(X)[:, 0].tolist() == [BIG, BIG + 1, BIG]
    small = np.array([[1, 0.5], [2, 1.5], [2, 0]], dtype=np.float32)
    assert TaskScaler(0).fit_transform(small).dtype == np.float32
    assert TaskScaler(0).fit_transform(small.tolist()).dtype == np.float64
    strings = np.array([["x", 0.5], ["y", 1.5]], dtype=object)
    assert TaskScaler(0).fit_transform(strings)[:, 0].tolist() == ["x", "y"]


def test_tasks_vector_and_routing(table):
    ids, X = table[:, 0].astype(int), table[:, 1:]
    scaler = TaskScaler().fit(X, tasks=ids)
    with pytest.raises(ValueError, match="pass tasks="):
        scaler.transform(X)
    assert "predict" not in str(scaler.get_metadata_routing())
    with config_context(enable_metadata_routing=True):
        piped = make_pipeline(TaskScaler(), StandardScaler()).fit(X, tasks=ids)
        expected = StandardScaler().fit_transform(scaler.transform(X, tasks=ids))
        assert_allclose(piped.transform(X, tasks=ids), expected)


@pytest.mark.parametrize(
    ("options", "error"),
    [({"shrinkage": -1}, "shrinkage"), ({"unknown_task": "x"}, "unknown_task")],
)
def test_parameters_are_checked(table, options, error):
    with pytest.raises(ValueError, match=error):
        TaskScaler(0, **options).fit(table)
    with pytest.raises(ValueError, match="zero for every row"):
        TaskScaler(0).fit(table, sample_weight=np.zeros(30))


def test_centre_only(table):
    scaler = TaskScaler(0, with_std=False, shrinkage=0).fit(table)
    for code, task in enumerate(scaler.tasks_):
        mean = table[table[:, 0] == task, 1:].mean(axis=0)
        assert_allclose(scaler.mean_[code], mean)
    assert_array_equal(scaler.scale_, 1)
