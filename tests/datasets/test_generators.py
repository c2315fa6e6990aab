import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LinearRegression, LogisticRegression

from skmtl.datasets import make_multitask_classification, make_multitask_regression

GENERATORS = [make_multitask_regression, make_multitask_classification]
STRUCTURES = ["shared_support", "common", "clusters", "outliers", "drift"]


def true_coef(structure, **parameters):
    parameters = {"n_tasks": 60, "n_samples": 2, "n_features": 200, **parameters}
    *_, coef, _ = make_multitask_regression(
        structure=structure, coef=True, random_state=0, **parameters
    )
    return coef


@pytest.mark.parametrize("make", GENERATORS)
def test_task_column_layout(make):
    sizes = [3, 7, 5]
    X, y, coef, intercept = make(3, sizes, 8, coef=True, random_state=0)
    assert X.shape == (15, 9)
    assert y.shape == (15,)
    assert coef.shape == (3, 8)
    assert intercept.shape == (3,)
    assert X.dtype == np.float64
    assert_array_equal(np.unique(X[:, 0], return_counts=True), [[0, 1, 2], sizes])


@pytest.mark.parametrize("make", GENERATORS)
def test_multi_output_layout(make):
    X, y = make(3, 11, 8, layout="multi_output", random_state=0)
    assert X.shape == (11, 8)
    assert y.shape == (11, 3)


@pytest.mark.parametrize("make", GENERATORS)
@pytest.mark.parametrize("structure", STRUCTURES)
def test_lists_are_the_unshuffled_rows(make, structure):
    Xs, ys = make(3, [3, 7, 5], 8, structure=structure, layout="lists", random_state=0)
    X, y = make(3, [3, 7, 5], 8, structure=structure, shuffle=False, random_state=0)
    assert [len(part) for part in Xs] == [3, 7, 5]
    assert_array_equal(np.vstack(Xs), X[:, 1:])
    assert_array_equal(np.concatenate(ys), y)


@pytest.mark.parametrize("make", GENERATORS)
def test_shuffle_keeps_the_rows(make):
    X, y = make(3, 6, 4, random_state=0)
    X_sorted, y_sorted = make(3, 6, 4, shuffle=False, random_state=0)
    assert_array_equal(np.diff(X_sorted[:, 0]) >= 0, True)
    assert np.any(np.diff(X[:, 0]) < 0)
    rows = {(*x, target) for x, target in zip(X, y, strict=True)}
    assert rows == {(*x, target) for x, target in zip(X_sorted, y_sorted, strict=True)}


@pytest.mark.parametrize("make", GENERATORS)
@pytest.mark.parametrize("layout", ["task_column", "multi_output"])
def test_deterministic(make, layout):
    first = make(layout=layout, random_state=3)
    again = make(layout=layout, random_state=np.random.RandomState(3))
    other = make(layout=layout, random_state=4)
    assert_array_equal(first[0], again[0])
    assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[1], other[1])


def test_coefficients_do_not_depend_on_the_layout():
    column, multi = (
        make_multitask_regression(layout=layout, coef=True, random_state=0)[2:]
        for layout in ("task_column", "multi_output")
    )
    assert_array_equal(column[0], multi[0])
    assert_array_equal(column[1], multi[1])


def test_noiseless_regression_is_exact():
    X, y, coef, intercept = make_multitask_regression(
        3, 40, 6, noise=0, coef=True, correlation=0.5, random_state=0
    )
    for task in range(3):
        rows = X[:, 0] == task
        model = LinearRegression().fit(X[rows, 1:], y[rows])
        assert_allclose(model.coef_, coef[task], atol=1e-10)
        assert_allclose(model.intercept_, intercept[task], atol=1e-10)


def test_noise_per_task():
    noise = np.array([0.0, 0.5, 2.0])
    X, y, coef, intercept = make_multitask_regression(
        3, 4000, 5, noise=noise, layout="multi_output", coef=True, random_state=0
    )
    assert_allclose((y - X @ coef.T - intercept).std(axis=0), noise, rtol=0.05, atol=1e-12)


def test_classification_is_logistic():
    X, y, coef, intercept = make_multitask_classification(
        1, 20000, 3, n_informative=3, coef=True, random_state=0
    )
    assert set(y) == {0, 1}
    assert y.dtype == np.int64
    model = LogisticRegression(C=1e6).fit(X[:, 1:], y)
    assert_allclose(model.coef_, coef, atol=0.1)
    assert_allclose(model.intercept_, intercept, atol=0.1)


def test_flipped_labels():
    parameters = {"n_samples": 5000, "class_sep": 1e3, "coef": True, "random_state": 0}
    X, y, coef, intercept = make_multitask_classification(2, flip_y=0.1, **parameters)
    tasks = X[:, 0].astype(int)
    sign = np.einsum("ij,ij->i", X[:, 1:], coef[tasks]) + intercept[tasks] > 0
    assert np.mean(y != sign) == pytest.approx(0.1, abs=0.01)


def test_shared_support():
    coef = true_coef("shared_support", n_informative=7)
    assert_array_equal((coef != 0).sum(axis=1), 7)
    assert np.any(coef, axis=0).sum() == 7
    support = coef[:, np.any(coef, axis=0)]
    assert abs(np.corrcoef(support)[np.triu_indices(60, 1)].mean()) < 0.05


def test_a_quarter_is_informative_by_default():
    assert np.any(true_coef("shared_support"), axis=0).sum() == 50


def test_common_tasks_spread_around_their_mean():
    coef = true_coef("common", spread=0.2)
    residual = (coef - coef.mean(axis=0))[:, np.any(coef, axis=0)]
    assert residual.std() == pytest.approx(0.2, rel=0.05)
    assert coef.mean(axis=0).std() > residual.std()


def test_clusters():
    coef = true_coef("clusters", n_clusters=4, spread=0.1)
    clusters = np.arange(60) % 4
    same = clusters[:, None] == clusters
    similarity = np.corrcoef(coef[:, np.any(coef, axis=0)])
    assert similarity[same].min() > 0.9 > 0.6 > similarity[~same].max()


def test_outliers_are_the_last_tasks():
    coef = true_coef("outliers", outlier_fraction=0.25, spread=0.1)
    similarity = np.corrcoef(coef)
    assert similarity[:45, :45].min() > 0.9
    assert np.abs(similarity[45:, :45]).max() < 0.5
    assert_array_equal((coef != 0).sum(axis=1), 50)


def test_drift_has_small_steps_and_goes_far():
    coef = true_coef("drift", spread=0.2)
    steps = np.diff(coef, axis=0)[:, np.any(coef, axis=0)]
    assert steps.std() == pytest.approx(0.2, rel=0.05)
    assert np.linalg.norm(coef[-1] - coef[0]) > 4 * np.linalg.norm(coef[1] - coef[0])


@pytest.mark.parametrize("structure", ["common", "clusters", "drift"])
def test_without_spread_related_tasks_are_equal(structure):
    coef = true_coef(structure, spread=0, n_clusters=1)
    assert_allclose(coef - coef[0], 0)


def test_neighbouring_features_correlate():
    X, _ = make_multitask_regression(1, 20000, 5, correlation=0.7, random_state=0)
    expected = 0.7 ** np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    assert_allclose(np.cov(X[:, 1:].T), expected, atol=0.05)


@pytest.mark.parametrize("make", GENERATORS)
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_tasks": 0}, "n_tasks"),
        ({"n_features": 0}, "n_features"),
        ({"n_samples": 0}, "n_samples=0"),
        ({"n_samples": [1, 2]}, "one for each of the 10 tasks"),
        ({"n_samples": 2.5}, "n_samples=2.5"),
        ({"n_tasks": 2, "n_samples": [1, 2], "layout": "multi_output"}, "share the rows"),
        ({"n_informative": 21}, "n_informative"),
        ({"structure": "chain"}, "structure='chain'.*shared_support, common"),
        ({"layout": "long"}, "layout='long'.*task_column"),
        ({"n_clusters": 0}, "n_clusters"),
        ({"outlier_fraction": 1.5}, "outlier_fraction"),
        ({"spread": -1}, "spread"),
        ({"spread": np.nan}, "spread=nan"),
        ({"intercept_scale": np.inf}, "intercept_scale=inf"),
        ({"correlation": 1}, "correlation=1"),
    ],
)
def test_errors(make, parameters, message):
    with pytest.raises(ValueError, match=message):
        make(**parameters)


@pytest.mark.parametrize("noise", [-1, np.nan, [1, 2]])
def test_noise_errors(noise):
    with pytest.raises(ValueError, match="noise="):
        make_multitask_regression(noise=noise)


@pytest.mark.parametrize("name", ["class_sep", "flip_y"])
def test_classification_errors(name):
    with pytest.raises(ValueError, match=name):
        make_multitask_classification(**{name: -0.1})


def test_flags_must_be_bool():
    with pytest.raises(TypeError, match="coef='yes'"):
        make_multitask_regression(coef="yes")
