"""New tasks of a hierarchical ridge: as refitting with the variances that were learned."""

import numpy as np
import pytest
from gaussian import DenseGaussian
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skmtl import HierarchicalRidge
from skmtl.solvers.random_coefficients import Prior

OLD, NEW = [0, 2, 4, 6], [1, 3, 9]
FORMS = ["diagonal", "spherical", "full", "low_rank"]


def tables(p=4, seed=0):
    """((X, y, weights) of old tasks, the same of new tasks), ids first."""
    rng = np.random.RandomState(seed)
    mean, parts = rng.normal(size=p), []
    for ids, sizes in ((OLD, (12, 7, 9, 15)), (NEW, (5, 1, 8))):
        codes = rng.permutation(np.repeat(ids, sizes))
        X = rng.normal(size=(len(codes), p)) + 0.5
        w = mean + 0.5 * rng.normal(size=(10, p))
        y = (
            np.sum(X * w[codes], axis=1)
            + rng.normal(size=10)[codes]
            + 0.3 * rng.normal(size=len(X))
        )
        parts.append((np.column_stack([codes, X]), y, rng.uniform(0.3, 2.0, size=len(X))))
    return parts


def dense_of_all(model, estimate, old, new):
    """The dense Gaussian of all rows with the variances of the old; how it reads rows."""
    standard = model._standard
    unit = standard["y_scale"]

    def rows(table):
        Z = (np.nan_to_num(table[:, 1:]) - standard["x_mean"]) / standard["x_scale"]
        Z[np.isnan(table[:, 1:])] = 0.0
        return np.column_stack([Z, np.ones(len(Z))])

    tasks = []
    for X, y, v in (old, new):
        ids = np.unique(X[:, 0])
        of_task = [X[:, 0] == task for task in ids]
        tasks += [(rows(X[r]), (y[r] - standard["y_mean"]) / unit, v[r]) for r in of_task]
    noise = np.append(estimate.prior.noise, np.full(len(tasks) - len(OLD), estimate.noise_level))
    prior = Prior(estimate.prior.covariance, noise, estimate.prior.mean_precision)
    return DenseGaussian(tasks, prior), rows


def check_new(adapted, model, estimate, old, new, X=None):
    """Predictions and deviations of the new tasks are those of all rows."""
    dense, rows = dense_of_all(model, estimate, old, new)
    mean, unit = model._standard["y_mean"], model._standard["y_scale"]
    for k, task in enumerate(NEW):
        own = new[0][:, 0] == task
        Z = rows(new[0][own])
        coef = dense.coef(len(OLD) + k)[0]
        variance = dense.variance(Z, len(OLD) + k) + estimate.noise_level
        predicted, std = adapted.predict((new[0] if X is None else X)[own], return_std=True)
        assert_allclose(predicted, mean + unit * Z @ coef, atol=1e-8)
        assert_allclose(std, unit * np.sqrt(variance), rtol=1e-8)
    Z = rows(new[0])
    shared = new[0][:, 1:] @ adapted.coef_shared_ + adapted.intercept_shared_
    if not np.isnan(shared).any():
        assert_allclose(shared, mean + unit * Z @ dense.coef(None)[0], atol=1e-8)


@pytest.mark.parametrize(("form", "p"), [(form, 4) for form in FORMS] + [("diagonal", 80)])
def test_adapt_is_a_fit_to_all_rows(form, p, estimates):
    old, new = tables(p)
    model = HierarchicalRidge(form, task_column=0).fit(*old[:2], sample_weight=old[2])
    before = model.predict(old[0], return_std=True)
    adapted = model.adapt(*new[:2], sample_weight=new[2])
    assert_array_equal(adapted.tasks_, NEW)
    assert adapted.coef_.shape == (3, p)
    assert len(adapted.noise_variance_) == 3
    check_new(adapted, model, estimates[0], old, new)
    for ours, theirs in zip(model.predict(old[0], return_std=True), before, strict=True):
        assert_array_equal(ours, theirs)
    assert_array_equal(model.tasks_, OLD)


def test_adapt_and_add(estimates):
    old, new = tables()
    model = HierarchicalRidge(task_column=0, store_loo=True)
    model.fit(*old[:2], sample_weight=old[2])
    both = model.adapt(*new[:2], sample_weight=new[2], add=True)
    assert_array_equal(both.tasks_, sorted(OLD + NEW))
    assert not hasattr(both, "loo_prediction_")
    check_new(both, model, estimates[0], old, new)
    predicted, std = both.predict(old[0], return_std=True)
    assert_array_equal(predicted, model.predict(old[0]))
    assert_allclose(std, model.predict(old[0], return_std=True)[1], rtol=0.01)
    kept = np.isin(both.tasks_, OLD)
    for name in ("coef_", "intercept_", "noise_variance_"):
        assert_array_equal(getattr(both, name)[kept], getattr(model, name))


def test_one_task_after_the_other(estimates):
    old, new = tables()
    model = HierarchicalRidge(task_column=0).fit(*old[:2], sample_weight=old[2])
    for add in (True, False):
        adapted = model
        for task in NEW:
            rows = new[0][:, 0] == task
            adapted = adapted.adapt(new[0][rows], new[1][rows], sample_weight=new[2][rows], add=add)
        together = model.adapt(*new[:2], sample_weight=new[2])
        last = new[0][:, 0] == NEW[-1]
        for ours, theirs in zip(
            adapted.predict(new[0][last], return_std=True),
            together.predict(new[0][last], return_std=True),
            strict=True,
        ):
            assert_allclose(ours, theirs, rtol=1e-9)
        assert_allclose(adapted.coef_shared_, together.coef_shared_, atol=1e-10)


def test_unknown_tasks_after_adapting(estimates):
    old, new = tables()
    model = HierarchicalRidge(task_column=0, unknown_task="shared").fit(*old[:2])
    adapted = model.adapt(*new[:2], add=True)
    X = new[0].copy()
    X[:, 0] = 77
    old, new = ((X, y, np.ones(len(y))) for X, y, _ in (old, new))
    dense, rows = dense_of_all(model, estimates[0], old, new)
    variance = dense.variance(rows(X), -1) + estimates[0].noise_level
    expected = model._standard["y_scale"] * np.sqrt(variance)
    assert_allclose(adapted.predict(X, return_std=True)[1], expected, rtol=1e-8)
    assert np.all(adapted.predict(X, return_std=True)[1] < model.predict(X, return_std=True)[1])


# --- containers -----------------------------------------------------------------------------


@pytest.mark.parametrize("add", [False, True])
def test_absent_features(add, estimates):
    old, new = tables()
    old[0][old[0][:, 0] == 2, 2] = np.nan
    new[0][new[0][:, 0] == 9, 3] = np.nan
    model = HierarchicalRidge(task_column=0).fit(*old[:2], sample_weight=old[2])
    adapted = model.adapt(*new[:2], sample_weight=new[2], add=add)
    check_new(adapted, model, estimates[0], old, new)
    absent = np.argwhere(adapted.absent_features_).tolist()
    assert absent == ([[2, 1], [6, 2]] if add else [[2, 2]])
    assert adapted.coef_[-1, 2] == 0
    if add:
        assert_array_equal(adapted.predict(old[0]), model.predict(old[0]))


def test_absent_in_new_tasks_only():
    old, new = tables()
    new[0][new[0][:, 0] == 1, 1] = np.nan
    both = HierarchicalRidge(task_column=0).fit(*old[:2]).adapt(*new[:2], add=True)
    assert np.argwhere(both.absent_features_).tolist() == [[1, 0]]
    assert np.isfinite(both.predict(np.vstack([old[0], new[0]]), return_std=True)).all()


@pytest.mark.parametrize("layout", ["vector", "csr", "pandas", "polars"])
def test_layouts(layout):
    old, new = tables()
    plain = HierarchicalRidge(task_column=0).fit(*old[:2])
    expected = plain.adapt(*new[:2], add=True).predict(new[0], return_std=True)
    model = HierarchicalRidge(task_column=None if layout == "vector" else 0)
    if layout in ("pandas", "polars"):
        library = pytest.importorskip(layout)
        model.set_params(task_column="task")
    names = ["task", "a", "b", "c", "d"]

    def read(X):
        if layout == "vector":
            return X[:, 1:], {"tasks": X[:, 0].astype(int)}
        if layout == "csr":
            return sparse.csr_array(X), {}
        return library.DataFrame({n: X[:, j] for j, n in enumerate(names)}), {}

    X, given = read(old[0])
    X_new, given_new = read(new[0])
    adapted = model.fit(X, old[1], **given).adapt(X_new, new[1], add=True, **given_new)
    ours = adapted.predict(X_new, return_std=True, **given_new)
    for one, other in zip(ours, expected, strict=True):
        assert_allclose(one, other, rtol=1e-5)


def test_names_of_tasks():
    old, new = tables()
    model = HierarchicalRidge().fit(old[0][:, 1:], old[1], tasks=[f"{k:.0f}" for k in old[0][:, 0]])
    longer = np.array([f"a longer name {k:.0f}" for k in new[0][:, 0]])
    both = model.adapt(new[0][:, 1:], new[1], tasks=longer, add=True)
    assert "a longer name 9" in both.tasks_
    assert np.isfinite(both.predict(new[0][:, 1:], tasks=longer)).all()


def test_a_new_task_without_weight_has_the_common_model():
    old, new = tables()
    weights = (new[0][:, 0] != 9).astype(float)
    model = HierarchicalRidge(task_column=0, unknown_task="shared").fit(*old[:2])
    adapted = model.adapt(*new[:2], sample_weight=weights)
    assert_allclose(adapted.coef_[2], adapted.coef_shared_)
    X = new[0][new[0][:, 0] == 9]
    unknown = X.copy()
    unknown[:, 0] = 77
    for ours, theirs in zip(
        adapted.predict(X, return_std=True), adapted.predict(unknown, return_std=True), strict=True
    ):
        assert_allclose(ours, theirs)


# --- what is refused ------------------------------------------------------------------------


def test_known_tasks():
    old, new = tables()
    model = HierarchicalRidge(task_column=0).fit(*old[:2])
    new[0][3, 0] = 4
    with pytest.raises(ValueError, match="task 4 was in fit: adapt is for new tasks"):
        model.adapt(*new[:2])


def test_fits_without_ids():
    old, new = tables()
    X, y = new[0][:, 1:], new[1]
    outputs = HierarchicalRidge().fit(old[0][:, 1:], np.column_stack([old[1], old[1]]))
    one = HierarchicalRidge().fit(old[0][:, 1:], old[1])
    for model in (outputs, one):
        with pytest.raises(ValueError, match="fit had no task ids: fit with a column of them"):
            model.adapt(X, y)
        with pytest.raises(ValueError, match="fitted without task ids"):
            model.adapt(X, y, tasks=new[0][:, 0])


def test_other_errors():
    old, new = tables()
    X, y, _ = new
    column = HierarchicalRidge(task_column=0).fit(*old[:2])
    vector = HierarchicalRidge().fit(old[0][:, 1:], old[1], tasks=old[0][:, 0])
    with pytest.raises(ValueError, match="pass tasks= here too"):
        vector.adapt(X[:, 1:], y)
    with pytest.raises(ValueError, match="but these are"):
        vector.adapt(X[:, 1:], y, tasks=[str(k) for k in X[:, 0]])
    with pytest.raises(ValueError, match="y has 2 columns"):
        column.adapt(X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        column.adapt(X, y[:-1])
    with pytest.raises(ValueError, match="features"):
        column.adapt(X[:, :-1], y)
    with pytest.raises(ValueError, match="zero for every observed row"):
        column.adapt(X, y, sample_weight=np.zeros(len(y)))
    X[np.argmax(X[:, 0] == 9), 2] = np.nan
    with pytest.raises(ValueError, match=r"NaN in feature 1 .* task 9"):
        column.adapt(X, y)
