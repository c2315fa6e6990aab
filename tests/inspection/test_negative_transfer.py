"""Negative transfer: errors, gains and tests as computed by hand, in every layout."""

import sys

import numpy as np
import pandas
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold, RepeatedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl import (
    MeanRegularizedRidge,
    MultiTaskLogisticRegression,
    MultiTaskRidge,
    MultiTaskRidgeCV,
    PerTaskClassifier,
    PooledClassifier,
    PooledRegressor,
    TaskKFold,
    keep_tasks,
    make_multitask_classification,
    make_multitask_regression,
    negative_transfer_report,
)
from skmtl.inspection.negative_transfer import (
    compare_losses,
    one_model_per_task,
    paired_t_test,
    sign_test,
)

ARRAYS = ("sizes", "error", "baseline_error", "gain", "gain_error", "p_value", "p_adjusted")
POOLED = PooledRegressor(task_column=0)


def data(**options):
    options = {"n_tasks": 4, "n_samples": [12, 20, 30, 25], "n_features": 3} | options
    return make_multitask_regression(structure="outliers", random_state=0, **options)


def same(one, other, order=slice(None)):
    for name in ARRAYS:
        assert_allclose(getattr(one, name), getattr(other, name)[order], rtol=1e-9, err_msg=name)


def predictions(model, X, y, folds):
    told = np.full(y.shape, np.nan)
    for train, test in folds:
        told[test] = clone(model).fit(X[train], y[train]).predict(X[test])
    return told


@pytest.mark.parametrize("metric", ["rmse", "mse", "mae", "callable"])
def test_errors_gains_and_p_values_by_hand(metric):
    X, y = data()
    folds = list(TaskKFold(4, task_column=0, shuffle=True, random_state=1).split(X))
    loss = (lambda a, b: np.abs(a - b) ** 1.5) if metric == "callable" else metric
    report = negative_transfer_report(POOLED, X, y, cv=folds, metric=loss)
    power = {"rmse": 2, "mse": 2, "mae": 1, "callable": 1.5}[metric]
    ours, base = (
        np.abs(y - predictions(model, X, y, folds)) ** power
        for model in (POOLED, MultiTaskRidgeCV(task_column=0))
    )
    for task in range(4):
        rows = X[:, 0] == task
        error, baseline = ours[rows].mean(), base[rows].mean()
        if metric == "rmse":
            error, baseline = np.sqrt(error), np.sqrt(baseline)
        assert report.sizes[task] == rows.sum()
        assert_allclose(report.error[task], error)
        assert_allclose(report.baseline_error[task], baseline)
        assert_allclose(report.gain[task], 100 * (baseline - error) / baseline)
        assert_allclose(report.p_value[task], stats.ttest_rel(ours[rows], base[rows]).pvalue)


@pytest.mark.parametrize("root", [False, True])
@pytest.mark.parametrize("factor", [0.1, 1.0, 9.0])
def test_standard_error_of_the_gain_is_that_of_the_jackknife(root, factor):
    rng = np.random.default_rng(0)
    ours, base = rng.chisquare(1, size=(2, 3000)) + rng.chisquare(1, size=3000)
    ours *= factor
    error = compare_losses(ours, base, root, paired_t_test)[4]
    n = len(ours)
    ratio = (ours.sum() - ours) / (base.sum() - base)
    gains = 100 * (1 - (np.sqrt(ratio) if root else ratio))
    assert_allclose(error, np.sqrt((n - 1) / n * np.sum((gains - gains.mean()) ** 2)), rtol=1e-2)


def test_signs_decide_where_differences_do_not_vary():
    assert_allclose(sign_test(np.array([1, 1, 1, -1, 0, 0])), 2 * 5 / 16)
    assert sign_test(np.array([1, -1, 0])) == sign_test(np.zeros(5)) == 1.0
    assert_allclose(paired_t_test(np.full(4, 0.3)), 2 / 16)
    assert paired_t_test(np.zeros(4)) == 1.0
    assert np.isnan(paired_t_test(np.ones(1)))


# --- layouts -----------------------------------------------------------------------------------


def test_layouts_with_own_rows_agree():
    X, y = data()
    names = np.array(["Bremen", "Aachen", "Celle", "Dessau"])
    ids, features = X[:, 0].astype(int), X[:, 1:]
    expected = negative_transfer_report(POOLED, X, y, random_state=0)
    vector = negative_transfer_report(PooledRegressor(), features, y, tasks=ids, random_state=0)
    same(vector, expected)
    frame = pandas.DataFrame(features, columns=["a", "b", "c"])
    frame.insert(2, "town", names[ids])
    model = PooledRegressor(task_column="town")
    named = negative_transfer_report(model, frame, pandas.Series(y), random_state=0)
    assert_array_equal(named.tasks, np.sort(names))
    same(named, expected, np.argsort(names))


def test_order_of_rows_and_workers_do_not_matter():
    X, y = data()
    folds = list(TaskKFold(3, task_column=0).split(X))
    expected = negative_transfer_report(POOLED, X, y, cv=folds)
    order = np.random.default_rng(0).permutation(len(y))
    place = np.argsort(order)
    moved = [(np.sort(place[train]), np.sort(place[test])) for train, test in folds]
    same(negative_transfer_report(POOLED, X[order], y[order], cv=moved, n_jobs=2), expected)


def test_outputs_by_hand():
    X, Y = data(n_samples=40, layout="multi_output")
    Y[np.random.default_rng(0).random(Y.shape) < 0.25] = np.nan
    folds = list(KFold(4, shuffle=True, random_state=0).split(X))
    model = MeanRegularizedRidge(alpha_task=100.0)
    frame = pandas.DataFrame(Y, columns=list("dbca"))
    report = negative_transfer_report(model, X, frame, cv=folds)
    ours, base = ((Y - predictions(m, X, Y, folds)) ** 2 for m in (model, MultiTaskRidgeCV()))
    assert_array_equal(report.tasks, list("dbca"))
    assert_array_equal(report.sizes, (~np.isnan(Y)).sum(axis=0))
    assert_allclose(report.error, np.sqrt(np.nanmean(ours, axis=0)))
    assert_allclose(report.baseline_error, np.sqrt(np.nanmean(base, axis=0)))
    p = [
        stats.ttest_rel(ours[seen, t], base[seen, t]).pvalue
        for t, seen in enumerate(~np.isnan(Y.T))
    ]
    assert_allclose(report.p_value, p)


def test_outputs_that_are_rarely_observed_stay_in_every_training_fold():
    X, Y = data(n_samples=40, layout="multi_output")
    Y[2:, 0] = np.nan
    Y[:-1, 1] = np.nan
    for seed in range(5):
        report = negative_transfer_report(MultiTaskRidge(), X, Y, random_state=seed)
        # The only target of task 1 is never tested, nor are others of its row.
        assert_array_equal(report.sizes, [2, 0, 39, 39])
        assert np.isnan(report.gain[1])


def test_a_row_tested_twice_counts_with_its_mean():
    X, Y = data(n_samples=30, layout="multi_output")
    model = MeanRegularizedRidge(alpha_task=100.0)
    splitter = RepeatedKFold(n_splits=3, n_repeats=2, random_state=0)
    folds = list(splitter.split(X))
    report = negative_transfer_report(model, X, Y, cv=splitter)
    halves = [(Y - predictions(model, X, Y, part)) ** 2 for part in (folds[:3], folds[3:])]
    assert_allclose(report.error, np.sqrt(np.mean(halves, axis=(0, 1))))
    assert_array_equal(report.sizes, 30)


def test_labels():
    X, y = make_multitask_classification(n_tasks=3, n_samples=40, n_features=3, random_state=0)
    y = np.array(["no", "yes"])[y]
    folds = list(TaskKFold(4, task_column=0, stratify=True).split(X, y))
    model = PooledClassifier(task_column=0)
    report = negative_transfer_report(model, X, y, cv=folds)
    assert report.metric == "error_rate"
    assert report.baseline_name == "PerTaskClassifier"
    wrong = []
    for candidate in (model, PerTaskClassifier(task_column=0)):
        told = np.empty_like(y)
        for train, test in folds:
            told[test] = clone(candidate).fit(X[train], y[train]).predict(X[test])
        wrong.append((told != y).astype(float))
    for task in range(3):
        rows = X[:, 0] == task
        ours, base = wrong[0][rows], wrong[1][rows]
        assert_allclose(report.error[task], ours.mean())
        b, c = int((ours > base).sum()), int((ours < base).sum())
        p = stats.binomtest(b, b + c).pvalue if b + c else 1.0
        assert_allclose(report.p_value[task], p)


def test_labels_of_outputs_with_gaps():
    X, Y = make_multitask_classification(
        n_tasks=3, n_samples=60, n_features=3, layout="multi_output", random_state=0
    )
    Y = np.array(["no", "yes"], dtype=object)[Y]
    Y[::7, 1] = None
    report = negative_transfer_report(MultiTaskLogisticRegression(0.01), X, Y, random_state=0)
    assert_array_equal(report.sizes, [60, 51, 60])
    assert (report.error < 0.5).all()


# --- what is compared with what ------------------------------------------------------------------


def test_the_baseline_takes_the_place_of_the_last_step():
    pipeline = make_pipeline(keep_tasks(StandardScaler(), "town"), PooledRegressor(task_column=0))
    alone = one_model_per_task(pipeline)
    assert isinstance(alone[-1], MultiTaskRidgeCV)
    assert alone[-1].task_column == 0
    assert isinstance(pipeline[-1], PooledRegressor)
    search = GridSearchCV(pipeline, {"pooledregressor__task_intercepts": [True]})
    assert isinstance(one_model_per_task(search)[-1], MultiTaskRidgeCV)
    assert isinstance(one_model_per_task(PooledClassifier(task_column=3)), PerTaskClassifier)


def test_pipelines_and_searches_say_where_the_ids_are():
    X, y = data()
    frame = pandas.DataFrame(X[:, 1:], columns=["a", "b", "c"])
    frame["town"] = np.array(["p", "q", "r", "s"])[X[:, 0].astype(int)]
    pipeline = make_pipeline(keep_tasks(StandardScaler(), "town"), PooledRegressor(task_column=0))
    report = negative_transfer_report(pipeline, frame, y, random_state=0)
    assert_array_equal(report.tasks, list("pqrs"))
    assert report.name == "PooledRegressor"
    cv = TaskKFold(3, task_column="town")
    search = GridSearchCV(pipeline, {"pooledregressor__task_intercepts": [False]}, cv=cv)
    again = negative_transfer_report(search, frame, y, random_state=0)
    assert_allclose(again.error, report.error)


def test_an_estimator_of_scikit_learn_as_it_is():
    X, y = data()
    report = negative_transfer_report(Ridge(), X, y, task_column=0, random_state=0)
    assert report.name == "Ridge"
    assert (report.gain[:3] < 0).any()


def test_nothing_is_fitted_in_place():
    X, y = data()
    model, baseline = PooledRegressor(task_column=0), MultiTaskRidge(task_column=0)
    report = negative_transfer_report(model, X, y, baseline=baseline)
    assert report.baseline_name == "MultiTaskRidge"
    assert not hasattr(model, "tasks_")
    assert not hasattr(baseline, "tasks_")


# --- what it says --------------------------------------------------------------------------------


def test_the_outlier_is_hurt_and_the_others_are_helped():
    X, y = make_multitask_regression(
        n_tasks=6,
        n_samples=40,
        n_features=25,
        n_informative=5,
        structure="outliers",
        outlier_fraction=0.17,
        spread=0.0,
        intercept_scale=0.0,
        random_state=1,
    )
    report = negative_transfer_report(POOLED, X, y, random_state=0)
    assert_array_equal(report.hurt, [5])
    assert len(report.helped) > 0
    assert (np.diff(report.gain[report.helped]) <= 0).all()
    assert "hurts 1 of 6 tasks" in report.summary
    assert "Leave the tasks that are hurt out" in str(report)
    itself = negative_transfer_report(POOLED, X, y, baseline=POOLED, random_state=0)
    assert_array_equal(itself.gain, 0)
    assert_array_equal(itself.p_adjusted, 1)
    assert "hurts none of 6 tasks" in itself.summary


def test_frame_and_figure():
    X, y = data()
    report = negative_transfer_report(POOLED, X, y, random_state=0)
    frame = report.frame
    assert list(frame.columns[:4]) == ["task", "n_samples", "error", "baseline_error"]
    assert_array_equal(frame["p_adjusted"], report.p_adjusted)
    display = report.plot(ax=Figure().subplots())
    assert_array_equal(display.gains, report.gain)
    assert_array_equal(display.errors, report.gain_error)


def test_tasks_of_one_row_and_tasks_without_error():
    X, y = data(n_samples=[1, 2, 30, 25])
    y[X[:, 0] == 2] = 5.0
    report = negative_transfer_report(POOLED, X, y, cv=2, random_state=0)
    assert_array_equal(report.sizes, [0, 2, 30, 25])
    assert np.isnan([report.gain[0], report.p_value[0], report.p_adjusted[0]]).all()
    assert report.gain[2] == -np.inf  # its own model has no error
    assert 2 in report.hurt
    assert 0 not in report.hurt
    constant = np.full(len(y), 5.0)
    report = negative_transfer_report(POOLED, X, constant, cv=2, random_state=0)
    assert_array_equal(report.gain[1:], 0)


def test_errors_say_what_to_do(monkeypatch):
    X, y = data()
    with pytest.raises(ValueError, match="one task only"):
        negative_transfer_report(PooledRegressor(), X, y)
    with pytest.raises(ValueError, match="mean over rows"):
        negative_transfer_report(POOLED, X, y, metric="r2")
    with pytest.raises(ValueError, match=r"level=5"):
        negative_transfer_report(POOLED, X, y, level=5)
    with pytest.raises(ValueError, match="came twice"):
        negative_transfer_report(POOLED, X, y, tasks=X[:, 0], task_column=0)
    pipeline = make_pipeline(StandardScaler(), PooledRegressor())
    with pytest.raises(ValueError, match="keep_tasks"):
        negative_transfer_report(pipeline, X[:, 1:], y, tasks=X[:, 0])
    order = np.argsort(X[:, 0])
    with pytest.raises(ValueError, match="TaskKFold"):
        negative_transfer_report(POOLED, X[order], y[order], cv=KFold(4))
    with pytest.raises(ValueError, match="holds no fold"):
        negative_transfer_report(POOLED, X, y, cv=[])
    with pytest.raises(ValueError, match="each of which is a task"):
        negative_transfer_report(POOLED, X, np.column_stack([y, y]))
    report = negative_transfer_report(POOLED, X, y)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"skmtl\[cli\]"):
        report.frame  # noqa: B018
