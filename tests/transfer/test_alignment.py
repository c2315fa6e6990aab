"""CORAL, subspace alignment and transfer components: formulas, limits, the data contract."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.linalg import sqrtm
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl import CORAL, SubspaceAlignment, TransferComponentAnalysis, keep_tasks

CLASSES = [CORAL, SubspaceAlignment, TransferComponentAnalysis]
every_alignment = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)


@pytest.fixture
def data():
    """Tasks of 60, 50 and 40 rows with means and covariances of their own; ids in column 0."""
    rng = np.random.RandomState(0)
    parts = [
        rng.normal(size=(n, 4)) @ rng.normal(size=(4, 4)) + 2 * rng.normal(size=4)
        for n in (60, 50, 40)
    ]
    ids = np.repeat([0, 1, 2], [60, 50, 40])
    return np.column_stack([ids, np.vstack(parts)])[rng.permutation(150)]


def rows(X, task):
    return X[X[:, 0] == task, 1:]


def fitted(cls, X, **parameters):
    return cls(task_column=0, target_task=2, **parameters).fit(X)


# --- CORAL -------------------------------------------------------------------------------------


def test_covariances_and_means_are_those_of_the_target(data):
    told = fitted(CORAL, data, shrinkage=0.0).transform(data)
    expected = np.cov(rows(data, 2).T, bias=True)
    for task in (0, 1):
        assert_allclose(np.cov(rows(told, task).T, bias=True), expected, rtol=1e-8)
        assert_allclose(rows(told, task).mean(axis=0), rows(data, 2).mean(axis=0))
    assert_array_equal(rows(told, 2), rows(data, 2))


def test_the_formula_of_the_paper(data):
    """Without means: X C_s^(-1/2) C_t^(1/2), symmetric roots."""
    told = fitted(CORAL, data, shrinkage=0.0, align_means=False).transform(data)
    covs = [np.cov(rows(data, task).T, bias=True) for task in (0, 2)]
    expected = rows(data, 0) @ np.linalg.inv(sqrtm(covs[0])) @ sqrtm(covs[1])
    assert_allclose(rows(told, 0), expected.real, rtol=1e-7)


def test_shrinkage_is_that_of_ledoit_and_wolf(data):
    model = fitted(CORAL, data)
    for task in range(3):
        assert_allclose(model.shrinkage_[task], LedoitWolf().fit(rows(data, task)).shrinkage_)
    shrunk = [LedoitWolf().fit(rows(data, task)).covariance_ for task in (0, 2)]
    expected = np.linalg.inv(sqrtm(shrunk[0])) @ sqrtm(shrunk[1])
    assert_allclose(model.matrices_[0], expected.real, rtol=1e-8)


def test_full_shrinkage_scales_by_one_number(data):
    model = fitted(CORAL, data, shrinkage=1.0)
    variances = [np.var(rows(data, task), axis=0).mean() for task in (0, 2)]
    expected = np.sqrt(variances[1] / variances[0]) * np.eye(4)
    assert_allclose(model.matrices_[0], expected, atol=1e-12)


def test_equal_tasks_are_left_alone(data):
    twice = np.vstack([rows(data, 0)] * 2)
    X = np.column_stack([np.repeat([0, 1], 60), twice])
    told = CORAL(task_column=0, target_task=1).fit_transform(X)
    assert_allclose(told, X, rtol=1e-9, atol=1e-10)


def test_few_rows_and_constant_features(data):
    few = np.vstack([data[data[:, 0] == 2], data[data[:, 0] == 0][:1], data[data[:, 0] == 1][:3]])
    few[:, 2] = 1.0
    for shrinkage in (0.0, 0.3, "auto"):
        told = fitted(CORAL, few, shrinkage=shrinkage).transform(few)
        assert np.isfinite(told).all()
        assert_allclose(rows(told, 0)[0], rows(few, 2).mean(axis=0))


# --- subspaces ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n_components", [1, 2, 3])
def test_subspaces_by_the_formula(data, n_components):
    told = fitted(SubspaceAlignment, data, n_components=n_components).transform(data)
    bases = [PCA(n_components).fit(rows(data, task)).components_.T for task in range(3)]
    signs = np.sign(bases[2][np.abs(bases[2]).argmax(axis=0), np.arange(n_components)])
    target = bases[2] * signs
    for task in range(2):
        centred = rows(data, task) - rows(data, task).mean(axis=0)
        expected = centred @ bases[task] @ bases[task].T @ target
        assert_allclose(rows(told, task), expected, atol=1e-10)
    expected = (rows(data, 2) - rows(data, 2).mean(axis=0)) @ target
    assert_allclose(rows(told, 2), expected, atol=1e-10)


def test_share_of_the_variance(data):
    model = fitted(SubspaceAlignment, data, n_components=0.8)
    assert model.n_components_ == PCA(0.8).fit(rows(data, 2)).n_components_
    assert fitted(SubspaceAlignment, data, n_components=0.999999).n_components_ == 4


def test_subspace_of_too_few_rows_is_filled_up_by_the_target(data):
    """Three rows span two directions: the third one is the target's, as far as it is new."""
    few = np.vstack([data[data[:, 0] == 2], data[data[:, 0] == 0][:3]])
    model = SubspaceAlignment(3, task_column=0, target_task=2).fit(few)
    spanned = np.linalg.svd(rows(few, 0) - rows(few, 0).mean(axis=0))[2][:2].T
    cov = np.cov(rows(few, 2).T)
    rest = np.eye(4) - spanned @ spanned.T
    third = np.linalg.eigh(rest @ cov @ rest)[1][:, -1:]
    basis = np.hstack([spanned, third])
    assert_allclose(model.matrices_[0], basis @ basis.T @ model.components_.T, atol=1e-8)


# --- transfer components -----------------------------------------------------------------------


def problem(X, gamma, mu):
    """K, KLK summed over sources, and KHK by their definitions."""
    K = rbf_kernel(X[:, 1:], gamma=gamma)
    L = np.zeros((len(X), len(X)))
    for task in (0, 1):
        e = np.where(X[:, 0] == 2, -1 / np.sum(X[:, 0] == 2), 0.0)
        e[X[:, 0] == task] = 1 / np.sum(X[:, 0] == task)
        L += np.outer(e, e)
    H = np.eye(len(X)) - 1 / len(X)
    return K, K @ L @ K + mu * np.eye(len(X)), K @ H @ K


def test_components_solve_the_eigenproblem(data):
    model = fitted(TransferComponentAnalysis, data, n_components=5, gamma=0.1, mu=0.5)
    K, against, variance = problem(data, 0.1, 0.5)
    W = model.dual_coef_
    residual = variance @ W - against @ W * model.ratios_
    assert np.abs(residual).max() < 1e-8 * np.abs(variance @ W).max()
    largest = np.sort(np.linalg.eigvals(np.linalg.solve(against, variance)).real)[::-1][:5]
    assert_allclose(model.ratios_, largest, rtol=1e-7)
    assert_allclose(model.transform(data)[:, 1:], K @ W, atol=1e-9)
    assert_allclose(np.var(K @ W, axis=0), 1)


def mean_gap(told):
    """Squared distance of the tasks' means from that of the target, all components together."""
    return sum(
        np.sum((rows(told, task).mean(axis=0) - rows(told, 2).mean(axis=0)) ** 2) for task in (0, 1)
    )


@pytest.mark.parametrize("kernel", ["rbf", "linear"])
def test_means_come_together(data, kernel):
    """Less than in kernel principal components of the same variance, which are the limit."""
    free = fitted(TransferComponentAnalysis, data, n_components=2, kernel=kernel, mu=1e9)
    close = fitted(TransferComponentAnalysis, data, n_components=2, kernel=kernel, mu=1e-3)
    gaps = [mean_gap(model.transform(data)) for model in (free, close)]
    assert gaps[1] < 0.1 * gaps[0]


def test_large_mu_is_the_variance_alone(data):
    """The leading eigenvectors of KHK: principal components of the columns of K."""
    told = fitted(TransferComponentAnalysis, data, n_components=3, gamma=0.1, mu=1e9)
    told = told.transform(data)[:, 1:]
    expected = PCA(3).fit_transform(rbf_kernel(data[:, 1:], gamma=0.1))
    for ours, theirs in zip(told.T, expected.T, strict=True):
        assert_allclose(abs(np.corrcoef(ours, theirs)[0, 1]), 1, rtol=1e-6)


def test_linear_components_have_the_rank_of_the_features(data):
    model = fitted(TransferComponentAnalysis, data, n_components=10, kernel="linear")
    assert model.n_components_ == 4
    assert model.transform(data).shape == (150, 5)


def test_features_far_from_zero(data):
    far = data + np.append(0.0, np.full(4, 1e6))
    near = fitted(TransferComponentAnalysis, data, n_components=3).transform(data)
    told = fitted(TransferComponentAnalysis, far, n_components=3).transform(far)
    assert_allclose(told, near, atol=1e-6)
    large = data * np.append(1.0, np.full(4, 1e9))
    with pytest.raises(ValueError, match=r"mu=1\.0 is nothing beside the kernels: scale"):
        fitted(TransferComponentAnalysis, large, kernel="linear")


def test_some_rows_for_the_kernels(data):
    """All means and variances are still those of all rows."""
    model = fitted(TransferComponentAnalysis, data, n_components=3, max_rows=40)
    assert model.rows_.shape == (40, 4)
    told = model.transform(data)
    assert_allclose(np.var(told[:, 1:], axis=0), 1)
    full = fitted(TransferComponentAnalysis, data, n_components=3)
    assert model.ratios_[0] < full.ratios_[0] * (1 + 1e-9)
    again = fitted(TransferComponentAnalysis, data, n_components=3, max_rows=40)
    assert_array_equal(again.transform(data), told)


# --- all ---------------------------------------------------------------------------------------


@every_alignment
def test_copies_are_weights(cls, data):
    weights = np.random.RandomState(1).randint(0, 3, size=len(data))
    model = cls(task_column=0, target_task=2).fit(data, sample_weight=weights)
    copied = fitted(cls, np.repeat(data, weights, axis=0))
    assert_allclose(model.transform(data), copied.transform(data), rtol=1e-6, atol=1e-7)


@every_alignment
def test_order_of_rows_and_names_of_tasks(cls, data):
    told = fitted(cls, data).transform(data)
    order = np.random.RandomState(1).permutation(len(data))
    assert_allclose(fitted(cls, data[order]).transform(data), told, rtol=1e-6, atol=1e-7)
    renamed = np.where(np.arange(5) == 0, 7 - data[:, :1], data)
    other = cls(task_column=0, target_task=5).fit(renamed).transform(renamed)
    assert_allclose(other[:, 1:], told[:, 1:], rtol=1e-6, atol=1e-7)


@every_alignment
def test_a_vector_of_tasks(cls, data):
    told = fitted(cls, data).transform(data)
    model = cls(target_task=2).fit(data[:, 1:], tasks=data[:, 0])
    assert_allclose(model.transform(data[:, 1:], tasks=data[:, 0]), told[:, 1:])
    with pytest.raises(ValueError, match="pass tasks= here too"):
        model.transform(data[:, 1:])


@every_alignment
def test_rows_of_unknown_tasks(cls, data):
    new = data[data[:, 0] == 2][:3].copy()
    expected = fitted(cls, data).transform(new)[:, 1:]
    new[:, 0] = 99
    with pytest.raises(ValueError, match="task 99 was not seen"):
        fitted(cls, data).transform(new)
    told = fitted(cls, data, unknown_task="shared").transform(new)
    assert_allclose(told[:, 1:], expected)
    assert_array_equal(told[:, 0], 99)


@every_alignment
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames(cls, data, library):
    library = pytest.importorskip(library)
    words = np.array(["a", "b", "c"])[data[:, 0].astype(int)]
    frame = library.DataFrame(
        {"f": data[:, 1], "school": words, **{f"g{j}": data[:, j] for j in (2, 3, 4)}}
    )
    model = cls(task_column="school", target_task="c").fit(frame)
    told = model.transform(frame)
    assert type(told) is type(frame)
    assert list(told.columns) == list(model.get_feature_names_out())
    assert list(told.columns).index("school") == 1
    assert_array_equal(told["school"].to_numpy(), words)
    values = told.to_numpy()
    expected = fitted(cls, data).transform(data)[:, 1:]
    assert_allclose(np.delete(values, 1, axis=1).astype(float), expected, rtol=1e-6, atol=1e-8)


@every_alignment
def test_without_tasks_rows_are_the_targets(cls, data):
    alone = cls().fit_transform(rows(data, 2))
    with pytest.warns(UserWarning, match="one task only"):
        model = cls(task_column=0, target_task=2).fit(data[data[:, 0] == 2])
    assert_allclose(model.transform(data[data[:, 0] == 2])[:, 1:], alone)
    if cls is CORAL:
        assert_array_equal(alone, rows(data, 2))


def test_no_target_is_the_distribution_of_all_rows(data):
    told = CORAL(shrinkage=0.0, task_column=0).fit_transform(data)
    for task in range(3):
        assert_allclose(
            np.cov(rows(told, task).T, bias=True), np.cov(data[:, 1:].T, bias=True), rtol=1e-8
        )


@every_alignment
def test_in_a_pipeline(cls, data):
    """Labels of the sources train a model for the target, which is shifted against them."""
    labels = (np.random.RandomState(0).uniform(size=150) > 0.5).astype(int)
    steps = [keep_tasks(StandardScaler(), 0), cls(task_column=0, target_task=2)]
    model = make_pipeline(*steps, keep_tasks("passthrough", 0), LogisticRegression())
    assert model.fit(data, labels).predict(data).shape == (150,)


@every_alignment
def test_errors(cls, data):
    with pytest.raises(TypeError, match="takes no sparse X"):
        fitted(cls, sparse.csr_array(data))
    with pytest.raises(ValueError, match=r"target_task=9 has no row"):
        cls(task_column=0, target_task=9).fit(data)
    with pytest.raises(ValueError, match="there are no task ids"):
        cls(target_task=9).fit(data)
    with pytest.raises(ValueError, match="zero for every row of 2"):
        cls(task_column=0, target_task=2).fit(data, sample_weight=data[:, 0] != 2)
    broken = data.copy()
    broken[3, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        fitted(cls, broken)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (CORAL("much"), "shrinkage='much'"),
        (CORAL(1.5), "shrinkage=1.5"),
        (CORAL(align_means=1), "align_means"),
        (SubspaceAlignment(5), "n_components=5 is more than the 4 features"),
        (SubspaceAlignment(1.5), "n_components=1.5"),
        (TransferComponentAnalysis(kernel="cosine"), "kernel='cosine'"),
        (TransferComponentAnalysis(mu=0.0), "mu=0.0"),
        (TransferComponentAnalysis(gamma=-1.0), "gamma=-1.0"),
    ],
)
def test_wrong_parameters(model, message, data):
    with pytest.raises((ValueError, TypeError), match=message):
        model.set_params(task_column=0, target_task=2).fit(data)
