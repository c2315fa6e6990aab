"""Ids pass transformers unchanged."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, OneHotEncoder, PolynomialFeatures, StandardScaler

from skmtl.preprocessing import keep_tasks

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


@pytest.mark.parametrize("position", [0, 2, -1, -4])
def test_ids_first_features_as_without_ids(table, position):
    features = table[:, 1:]
    X = np.insert(features, position % 4, table[:, 0], axis=1)
    kept = keep_tasks(StandardScaler(), position).fit_transform(X)
    assert_array_equal(kept[:, 0], table[:, 0])
    assert_allclose(kept[:, 1:], StandardScaler().fit_transform(features))


def test_nests_tunes_clones_and_pickles(table):
    y = table[:, 1]
    steps = keep_tasks(StandardScaler(), -4), keep_tasks(PolynomialFeatures(), 0)
    model = make_pipeline(*steps, Ridge())
    search = GridSearchCV(model, {"keeptasks-2__remainder__degree": [1, 2]}).fit(table, y)
    assert_allclose(pickle.loads(pickle.dumps(search)).predict(table), search.predict(table))
    twice = clone(keep_tasks(keep_tasks(StandardScaler(), 0), 0))
    with pytest.raises(ValueError, match="labels or whole numbers"):
        twice.fit(table)  # the inner one is given a table whose column 0 is no longer the ids
    kept = make_pipeline(*steps).fit_transform(table)
    assert_array_equal(kept[:, 0], table[:, 0])
    assert kept.shape == (30, 11)


@pytest.mark.parametrize("dtype", [np.int64, object])
def test_large_ids_survive_exactly(dtype):
    X = np.array([[BIG, 1], [BIG + 1, 2], [BIG + 2, 4]], dtype=dtype)
    kept = keep_tasks(StandardScaler(), 0).fit_transform(X)
    assert [int(value) for value in kept[:, 0]] == [BIG, BIG + 1, BIG + 2]
    assert_allclose(kept[:, 1].astype(float).mean(), 0, atol=1e-15)


def test_float32_and_lists():
    X = np.array([[1, 0.5], [2, 1.5]], dtype=np.float32)
    assert keep_tasks(StandardScaler(), 0).fit_transform(X).dtype == np.float32
    kept = keep_tasks(StandardScaler(), 0).fit_transform([[1, 0.5], [2, 1.5]])
    assert kept.dtype == np.float64
    assert_array_equal(kept, [[1, -1], [2, 1]])


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("ids", [["x", "01", "1", "x"], [BIG, BIG + 1, 1, BIG]])
def test_frames(library, ids):
    features = np.arange(8.0).reshape(4, 2)
    X = frame(library, ids, features)
    scaled = StandardScaler().fit_transform(features)
    step = keep_tasks(StandardScaler(), "unit")
    kept = step.fit_transform(X)
    assert kept[:, 0].tolist() == ids
    assert_allclose(kept[:, 1:].astype(float), scaled)
    assert list(step.get_feature_names_out()) == ["unit", "a", "b"]
    step.set_output(transform=library)
    out = step.fit_transform(X)
    assert list(out.columns) == ["unit", "a", "b"]
    assert column(out, "unit").tolist() == ids
    assert_allclose(column(out, "b"), scaled[:, 1])
    again = keep_tasks(PCA(), 0).set_output(transform=library).fit_transform(out)
    assert column(again, "unit").tolist() == ids


def test_category_and_index_survive_set_output():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"a": [1.0, 2, 3], "unit": pandas.Categorical(["p", "q", "p"])})
    X.index = [5, 3, 9]
    out = keep_tasks(StandardScaler(), "unit").set_output(transform="pandas").fit_transform(X)
    assert out["unit"].equals(X["unit"])


@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
def test_sparse_stays_sparse_and_dense_output_dense(container):
    X = np.array([[0, 0, 2.0], [1, 4, 0], [1, 0, 1]])
    kept = keep_tasks(MaxAbsScaler(), 0).fit_transform(container(X))
    assert sparse.issparse(kept)
    assert_array_equal(kept.toarray(), X / [1, 4, 2])
    dense = keep_tasks(PolynomialFeatures(), 0).fit_transform(container(X))
    assert sparse.issparse(dense)
    small = keep_tasks(MaxAbsScaler(), 0).fit_transform(container(X.astype(np.float32)))
    assert small.dtype == np.float32


@pytest.mark.parametrize("ids", [["x", "y", "z", "x"], ["01", "1", "2", "3"]])
def test_string_ids_in_sparse_output_are_an_error(ids):
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"a": ["u", "v", "w", "u"], "unit": ids})
    with pytest.raises(ValueError, match=r"column 'unit', which are no numbers.*sparse_output"):
        keep_tasks(OneHotEncoder(), "unit").fit(X)
    kept = keep_tasks(OneHotEncoder(sparse_output=False), "unit").fit_transform(X)
    assert kept[:, 0].tolist() == ids


def test_errors_name_the_column_and_pass_the_errors_of_the_transformer(table):
    with pytest.raises(ValueError, match="column 1 holds"):
        keep_tasks(StandardScaler(), 1).fit(table)
    with pytest.raises(ValueError, match="could not convert"):
        keep_tasks(StandardScaler(), 0).fit(np.array([[1, "u"], [2, "v"]], dtype=object))


@pytest.mark.parametrize("kind", ["coo", "dok", "lil", "bsr", "csc"])
def test_every_sparse_format(table, kind):
    thin = np.where(table > 2, table, 0.0)
    X = sparse.csr_array(thin).asformat(kind)
    kept = keep_tasks(MaxAbsScaler(), 0)
    expected = clone(kept).fit_transform(thin)
    for given in (X, sparse.csr_matrix(thin).asformat(kind)):
        for output in (kept.fit_transform(given), clone(kept).fit(given).transform(given)):
            assert_allclose(output.toarray() if sparse.issparse(output) else output, expected)
