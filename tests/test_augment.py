"""TaskFeatureAugmenter: shared features and a copy per task, dense, sparse and hashed."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

from skmtl import MeanRegularizedRidge, TaskFeatureAugmenter


@pytest.fixture
def data():
    rng = np.random.RandomState(0)
    ids = rng.permutation(np.repeat([3, 1, 7], [9, 12, 10]))
    X = np.column_stack([rng.normal(size=(31, 4)), ids])
    return X, X[:, :4] @ rng.normal(size=4) + 0.1 * ids + 0.1 * rng.normal(size=31)


def by_hand(X, shared=1.0, own=1.0):
    """The definition, row by row."""
    features, ids = X[:, :4], X[:, 4]
    labels = np.unique(ids)
    out = np.zeros((len(X), 4 * (1 + len(labels))))
    for row, (x, task) in enumerate(zip(features, ids, strict=True)):
        start = 4 * (1 + int(np.searchsorted(labels, task)))
        out[row, :4], out[row, start : start + 4] = shared * x, own * x
    return out


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix, sparse.csc_array])
def test_the_definition(data, container):
    X, _ = data
    model = TaskFeatureAugmenter(task_column=-1, shared_scale=0.5, task_scale=2.0)
    told = model.fit_transform(container(X))
    assert sparse.issparse(told) == sparse.issparse(container(X))
    told = told.toarray() if sparse.issparse(told) else told
    assert_allclose(told, by_hand(X, 0.5, 2.0))


def test_dense_and_sparse_output_are_equal(data):
    X, _ = data
    dense = TaskFeatureAugmenter(task_column=4, sparse_output=False).fit_transform(X)
    for given in (X, sparse.csr_array(X)):
        thin = TaskFeatureAugmenter(task_column=4, sparse_output=True).fit_transform(given)
        assert thin.format == "csr"
        assert_array_equal(thin.toarray(), dense)
    of_sparse = TaskFeatureAugmenter(task_column=4, sparse_output=False)
    assert_array_equal(of_sparse.fit_transform(sparse.csr_array(X)), dense)


def test_many_tasks_are_sparse():
    rng = np.random.RandomState(0)
    X = np.column_stack([np.arange(30), rng.normal(size=(30, 2))])
    told = TaskFeatureAugmenter(task_column=0).fit_transform(X)
    assert told.format == "csr"
    assert told.shape == (30, 62)
    assert told.nnz == 120


def test_ridge_on_it_is_mean_regularised_ridge(data):
    X, y = data
    X[:, :4] -= X[:, :4].mean(axis=0)
    alpha_common, alpha_task = 0.7, 3.0
    augment = TaskFeatureAugmenter(
        task_column=4, shared_scale=alpha_common**-0.5, task_scale=alpha_task**-0.5
    )
    model = make_pipeline(augment, Ridge(alpha=1.0, fit_intercept=False)).fit(X, y)
    expected = MeanRegularizedRidge(
        alpha_common, alpha_task=alpha_task, task_column=4, fit_intercept=False
    ).fit(X, y)
    assert_allclose(model.predict(X), expected.predict(X), rtol=1e-8)
    coef = model[-1].coef_.reshape(4, 4)
    assert_allclose(alpha_common**-0.5 * coef[0], expected.coef_shared_, rtol=1e-7)
    own = alpha_common**-0.5 * coef[0] + alpha_task**-0.5 * coef[1:]
    assert_allclose(own, expected.coef_, rtol=1e-7)


def test_no_task_scale_pools(data):
    X, y = data
    pooled = make_pipeline(TaskFeatureAugmenter(task_column=4, task_scale=0.0), Ridge()).fit(X, y)
    expected = Ridge().fit(X[:, :4], y)
    assert_allclose(pooled.predict(X), expected.predict(X[:, :4]))


def test_before_a_classifier(data):
    X, y = data
    labels = (y > 0).astype(int)
    model = make_pipeline(TaskFeatureAugmenter(task_column=4), LogisticRegression())
    expected = LogisticRegression().fit(by_hand(X), labels).predict_proba(by_hand(X))
    assert_allclose(model.fit(X, labels).predict_proba(X), expected, rtol=1e-6)


def test_unknown_task_has_the_shared_features_only(data):
    X, _ = data
    model = TaskFeatureAugmenter(task_column=4, unknown_task="shared").fit(X)
    new = X[:2].copy()
    new[0, 4] = 99
    told = model.transform(new)
    assert_array_equal(told[0], np.r_[new[0, :4], np.zeros(12)])
    assert_array_equal(told[1], by_hand(X)[1])
    assert_array_equal(model.transform(sparse.csr_array(new)).toarray(), told)
    with pytest.raises(ValueError, match="task 99 was not seen"):
        TaskFeatureAugmenter(task_column=4).fit(X).transform(new)


def test_one_task_has_no_copy(data):
    X, _ = data
    assert_array_equal(TaskFeatureAugmenter().fit_transform(X), X)
    with pytest.warns(UserWarning, match="one task only"):
        alone = TaskFeatureAugmenter(task_column=4).fit_transform(X[X[:, 4] == 3])
    assert_array_equal(alone, X[X[:, 4] == 3, :4])


def test_missing_values_pass(data):
    X, _ = data
    X[0, 1] = np.nan
    expected = by_hand(X)
    assert_array_equal(TaskFeatureAugmenter(task_column=4).fit_transform(X), expected)
    thin = TaskFeatureAugmenter(task_column=4, sparse_output=True).fit_transform(X)
    assert_array_equal(thin.toarray(), expected)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames(data, library):
    X, _ = data
    library = pytest.importorskip(library)
    frame = library.DataFrame({name: X[:, j] for j, name in enumerate("abcd")})
    school = np.array(["x", "y", "z"])[np.searchsorted([1, 3, 7], X[:, 4])]
    columns = {"a": frame["a"], "school": school, **{name: frame[name] for name in "bcd"}}
    frame = library.DataFrame(columns)
    model = TaskFeatureAugmenter(task_column="school").fit(frame)
    told = model.transform(frame)
    names = ["a", "b", "c", "d", *(f"{name}_{task}" for task in "xyz" for name in "abcd")]
    assert list(told.columns) == names == list(model.get_feature_names_out())
    assert_array_equal(told.to_numpy(), by_hand(X))
    kept = TaskFeatureAugmenter(task_column="school", keep_task_column=True).fit(frame)
    told = kept.transform(frame)
    assert list(told.columns) == ["a", "school", *names[1:]] == list(kept.get_feature_names_out())
    assert_array_equal(told["school"].to_numpy(), school)


@pytest.mark.parametrize("column", [0, 2, 4, -1, -3])
def test_ids_stay_where_the_next_step_is_told_they_are(data, column):
    X, _ = data
    table = np.insert(X[:, :4], column % 5, X[:, 4], axis=1)
    for given in (table, sparse.csr_array(table), np.array(table, dtype=object)):
        told = TaskFeatureAugmenter(task_column=column, keep_task_column=True).fit_transform(given)
        told = told.toarray() if sparse.issparse(told) else told
        assert_array_equal(told[:, column], X[:, 4])
        assert_allclose(np.delete(told, column, axis=1).astype(float), by_hand(X))


def test_strings_beside_sparse_output_are_an_error(data):
    X, _ = data
    table = np.column_stack([X[:, 4].astype(int).astype(str).astype(object), X[:, :4]])
    model = TaskFeatureAugmenter(task_column=0, keep_task_column=True, sparse_output=True)
    with pytest.raises(ValueError, match="cannot hold the task ids of column 0"):
        model.fit_transform(table)


# --- hashed ------------------------------------------------------------------------------------


def test_hashed_copies_add_up_with_signs(data):
    """Each feature of a task goes to one column, with a sign: the product of rows of tasks."""
    X, _ = data
    model = TaskFeatureAugmenter(task_column=4, n_hashed=64).fit(X)
    units = np.vstack([np.column_stack([np.eye(4), np.full(4, task)]) for task in (1, 3, 7)])
    table = model.transform(units).toarray()[:, 4:]
    assert_array_equal(np.abs(table).sum(axis=1), 1)
    told = model.transform(X).toarray()
    expected = np.array(
        [
            row[:4] @ table[4 * place : 4 * place + 4]
            for row, place in zip(X, np.searchsorted([1, 3, 7], X[:, 4]), strict=True)
        ]
    )
    assert_allclose(told[:, 4:], expected, atol=1e-15)
    assert_array_equal(told[:, :4], X[:, :4])


def test_hashes_are_the_same_for_all_containers(data):
    X, _ = data
    model = TaskFeatureAugmenter(task_column=4, n_hashed=8, sparse_output=False)
    dense = model.fit_transform(X)
    assert dense.shape == (31, 12)
    assert_allclose(model.fit_transform(sparse.csr_matrix(X)), dense)
    text = np.array(X, dtype=object)
    text[:, 4] = X[:, 4].astype(int).astype(str)
    assert_allclose(model.fit_transform(text), dense)
    assert len(model.get_feature_names_out()) == 12
    subset = X[X[:, 4] != 7]
    assert_allclose(model.fit_transform(subset), dense[X[:, 4] != 7])


def test_hashing_keeps_inner_products_on_average():
    """Weinberger et al. 2009, lemma 2: unbiased, because of the signs."""
    rng = np.random.RandomState(0)
    n_tasks, x, z = 400, rng.normal(size=30), rng.normal(size=30)
    rows = np.vstack(
        [np.column_stack([np.arange(n_tasks), np.tile(v, (n_tasks, 1))]) for v in (x, z)]
    )
    told = TaskFeatureAugmenter(task_column=0, n_hashed=64).fit_transform(rows)[:, 30:].toarray()
    products = np.einsum("ij,ij->i", told[:n_tasks], told[n_tasks:])
    assert abs(products.mean() - x @ z) < 3 * products.std() / np.sqrt(n_tasks)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_hashed": 0}, "n_hashed=0"),
        ({"shared_scale": -1.0}, "shared_scale=-1.0"),
        ({"task_scale": np.inf}, "task_scale=inf"),
        ({"sparse_output": "yes"}, "sparse_output='yes'"),
        ({"keep_task_column": 2}, "keep_task_column must be"),
    ],
)
def test_wrong_parameters(data, parameters, message):
    with pytest.raises((ValueError, TypeError), match=message):
        TaskFeatureAugmenter(task_column=4, **parameters).fit(data[0])
