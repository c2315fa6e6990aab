"""Cross-validated logistic regression against loops over folds, hand-made choices, its folds."""

import warnings
from math import comb

import numpy as np
import pytest
from helpers import LABELS, LAYOUTS, alone, alpha_max, make_case, with_labels
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold, StratifiedKFold
from test_problem import read

from skmtl import (
    MultiTaskLogisticRegression,
    MultiTaskLogisticRegressionCV,
    multitask_logistic_path,
)
from skmtl.linear_model.label_folds import deal_labels
from skmtl.linear_model.logistic import label_parts
from skmtl.loss_problem import LossProblem
from skmtl.model_selection import LeaveOneTaskOut, TaskKFold
from skmtl.penalties import L21, SquaredL2
from skmtl.solvers.degrees_of_freedom import degrees_of_freedom, loss_degrees_of_freedom
from skmtl.solvers.proximal_newton import solve

TIGHT = {"tol": 1e-10, "max_iter": 200}
ALPHAS = [0.3, 0.1, 0.03]
EPS = np.finfo(float).eps


def codes_of(case):
    if case.y.ndim == 2:
        return None
    codes = np.empty(len(case.y), dtype=int)
    for task, rows in enumerate(case.rows):
        codes[rows] = task
    return codes


def weights_of(case):
    weights = case.fit.get("sample_weight", np.ones(case.y.shape))
    if weights.ndim < case.y.ndim:
        weights = np.repeat(weights[:, None], case.y.shape[1], axis=1)
    return weights


def chances(model, X, y, given):
    """Probability of every observed label, with that of a label that its task lacked floored."""
    proba = model.predict_proba(X, **given)
    proba = np.stack(proba, axis=1) if y.ndim == 2 else np.asarray(proba)[:, None]
    y = y.reshape(len(y), -1)
    chosen = np.full(y.shape, np.nan)
    for place in np.argwhere(~np.isnan(y)):
        label = np.flatnonzero(model.classes_ == y[tuple(place)])
        chosen[tuple(place)] = proba[(*place, label[0])] if len(label) else 0.0
    return np.maximum(chosen, EPS)


def by_loop(case, splits, make, *, scoring="log_loss", factors=1.0):
    """Scores (n_alphas, n_folds) of classifiers fitted one by one; factors by row."""
    weights, tasks = weights_of(case), case.fit.get("tasks")
    X = case.X.tocsr() if sparse.issparse(case.X) else case.X
    scores = np.empty((len(ALPHAS), len(splits)))
    for column, (train, test) in enumerate(splits):
        for row, alpha in enumerate(ALPHAS):
            given = {} if tasks is None else {"tasks": tasks[train]}
            model = make(alpha).fit(X[train], case.y[train], sample_weight=weights[train], **given)
            given = {} if tasks is None else {"tasks": tasks[test]}
            counted, y = (weights * factors)[test].ravel(), case.y[test]
            if scoring == "log_loss":
                values = np.log(chances(model, X[test], y, given)).ravel()
            else:
                values = (model.predict(X[test], **given) == y).ravel()
            seen = ~np.isnan(y.ravel())
            scores[row, column] = np.average(values[seen], weights=counted[seen])
    return scores


# --- against a loop ---------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_folds_are_fits(layout, labels, fit_intercept):
    weights = "cells" if layout == "outputs_nan" else "rows"
    case = with_labels(make_case(layout, weights, n=24, seed=3), LABELS[labels])
    options = {"fit_intercept": fit_intercept, **case.init, **TIGHT}
    model = MultiTaskLogisticRegressionCV(alphas=ALPHAS, cv=3, **options)
    model.fit(case.X, case.y, **case.fit)
    splits = deal_labels(read(case), 3)
    expected = by_loop(case, splits, lambda a: MultiTaskLogisticRegression(a, **options))
    assert_allclose(model.scores_, expected, rtol=1e-5)
    assert model.alpha_ == ALPHAS[np.argmax(expected.mean(axis=1))]
    assert_array_equal(model.alphas_, ALPHAS)
    final = MultiTaskLogisticRegression(model.alpha_, **options).fit(case.X, case.y, **case.fit)
    assert_allclose(model.coef_, final.coef_, atol=1e-4)
    assert_allclose(model.intercept_, final.intercept_, atol=1e-4)
    assert_array_equal(model.classes_, final.classes_)
    assert [part.tolist() for part in model.task_classes_] == [
        part.tolist() for part in final.task_classes_
    ]
    assert model.dual_gap_ <= 1e-9


@pytest.mark.parametrize("scoring", ["log_loss", "accuracy"])
@pytest.mark.parametrize("layout", ["column", "outputs_nan"])
@pytest.mark.parametrize("labels", ["binary", "mixed"])
def test_scores_with_factors_and_task_weights(scoring, layout, labels):
    case = with_labels(make_case(layout, n=30, seed=4), LABELS[labels])
    options = {"task_weight": [1.0, 0.5, 3.0], "penalty_factor": [1.0, 0.0, 0.5, 2.0, 1.0]}
    options |= {**case.init, **TIGHT}
    splits = list(TaskKFold(3).split(case.X, groups=codes_of(case)))
    model = MultiTaskLogisticRegressionCV(alphas=ALPHAS, cv=splits, scoring=scoring, **options)
    model.fit(case.X, case.y)
    factors = np.array([1.0, 0.5, 3.0])
    factors = factors if case.y.ndim == 2 else factors[codes_of(case)]
    expected = by_loop(
        case,
        splits,
        lambda a: MultiTaskLogisticRegression(a, **options),
        scoring=scoring,
        factors=factors,
    )
    assert_allclose(model.scores_, expected, rtol=1e-5)
    assert model.alpha_ == ALPHAS[np.argmax(expected.mean(axis=1))]


def test_several_l1_ratios_with_a_ridge():
    case = with_labels(make_case("column", "rows", n=24, seed=5), (2, 3))
    options = {**case.init, **TIGHT}
    splits = list(TaskKFold(3).split(case.X, groups=codes_of(case)))
    ratios = [0.0, 0.6]
    model = MultiTaskLogisticRegressionCV(l1_ratio=ratios, alphas=ALPHAS, cv=splits, **options)
    model.fit(case.X, case.y, **case.fit)
    for row, ratio in enumerate(ratios):
        expected = by_loop(
            case, splits, lambda a, r=ratio: MultiTaskLogisticRegression(a, l1_ratio=r, **options)
        )
        assert_allclose(model.scores_[row], expected, rtol=1e-5)
    mean = model.scores_.mean(axis=-1)
    row, column = np.unravel_index(np.argmax(mean), mean.shape)
    assert (model.l1_ratio_, model.alpha_) == (ratios[row], ALPHAS[column])


def test_one_task_has_the_log_loss_of_scikit_learn():
    X, y = alone(n_labels=3)
    names = np.array(["no", "perhaps", "yes"])[y]
    cv = StratifiedKFold(4)
    model = MultiTaskLogisticRegressionCV(alphas=ALPHAS, cv=cv, **TIGHT).fit(X, names)
    for column, (train, test) in enumerate(cv.split(X, names)):
        for row, alpha in enumerate(ALPHAS):
            alone_ = MultiTaskLogisticRegression(alpha, **TIGHT).fit(X[train], names[train])
            expected = -log_loss(names[test], alone_.predict_proba(X[test]))
            assert_allclose(model.scores_[row, column], expected, rtol=1e-6)
    assert_array_equal(model.classes_, ["no", "perhaps", "yes"])
    assert model.coef_.shape == (3, 6)


# --- the choice -------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["column", "outputs"])
@pytest.mark.parametrize("labels", ["binary", "mixed"])
def test_largest_alpha_is_where_all_is_zero(layout, labels):
    case = with_labels(make_case(layout, "rows", n=25, seed=6), LABELS[labels])
    model = MultiTaskLogisticRegressionCV(alphas=7, cv=2, eps=0.1, **case.init)
    model.fit(case.X, case.y, **case.fit)
    assert_allclose(model.alphas_, alpha_max(case) * np.geomspace(1.0, 0.1, 7), rtol=1e-6)
    net = MultiTaskLogisticRegressionCV(l1_ratio=[0.5, 1.0], alphas=2, cv=2, **case.init)
    net.fit(case.X, case.y, **case.fit)
    assert_allclose(net.alphas_[:, 0], alpha_max(case) * np.array([2.0, 1.0]), rtol=1e-6)


def test_one_standard_error_by_hand():
    X, y = alone(n=120, seed=7)
    codes = np.arange(120) % 3
    best = MultiTaskLogisticRegressionCV(alphas=40).fit(X, y, tasks=codes)
    simple = MultiTaskLogisticRegressionCV(alphas=40, selection="one_standard_error")
    simple.fit(X, y, tasks=codes)
    mean = best.scores_.mean(axis=1)
    at = int(np.argmax(mean))
    limit = mean[at] - np.std(best.scores_[at], ddof=1) / np.sqrt(5)
    expected = max(a for a, m in zip(best.alphas_, mean, strict=True) if m >= limit)
    assert simple.alpha_ == expected > best.alpha_
    assert_array_equal(simple.scores_, best.scores_)


def test_ties_of_accuracy_go_to_the_sparser_model():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(90, 3))
    y = (X[:, 0] > 0).astype(int)
    X[:, 0] += 2.0 * np.sign(X[:, 0])
    model = MultiTaskLogisticRegressionCV(scoring="accuracy", alphas=10).fit(X, y)
    perfect = (model.scores_ == 1.0).all(axis=1)
    assert perfect.sum() > 1
    assert model.alpha_ == model.alphas_[perfect].max()


# --- information criteria ---------------------------------------------------------------------


@pytest.mark.parametrize("criterion", ["bic", "ebic"])
@pytest.mark.parametrize("layout", ["column", "outputs_nan"])
@pytest.mark.parametrize("labels", ["binary", "mixed"])
def test_criterion_by_hand(criterion, layout, labels):
    case = with_labels(make_case(layout, n=40, seed=8), LABELS[labels])
    model = MultiTaskLogisticRegressionCV(alphas=6, eps=0.05, criterion=criterion, **case.init)
    model.set_params(**TIGHT).fit(case.X, case.y)
    n = sum(len(y) for _, y, _ in case.tasks)
    n_scores = sum(max(len(np.unique(y)) - 1, 1) for _, y, _ in case.tasks)
    expected = []
    for alpha, degrees in zip(model.alphas_, model.df_path_, strict=True):
        each = MultiTaskLogisticRegression(alpha, **case.init, **TIGHT).fit(case.X, case.y)
        given = chances(each, case.X, case.y, {})
        used = int(each.coef_.reshape(-1, 5).any(axis=0).sum())
        assert 0 <= degrees <= n_scores * used
        value = -2 * np.nansum(np.log(given)) + np.log(n) * degrees
        expected.append(value + (criterion == "ebic") * 2 * np.log(comb(5, used)))
    assert_allclose(model.criterion_path_, expected, rtol=1e-5)
    assert model.df_path_[0] == 0
    assert model.df_path_[-1] > 2
    assert model.alpha_ == model.alphas_[np.argmin(expected)]
    assert not hasattr(model, "scores_")
    model.set_params(criterion="cv").fit(case.X, case.y)
    assert not hasattr(model, "df_path_")


@pytest.mark.parametrize("n_labels", [2, 3])
@pytest.mark.parametrize("ridge", [0.0, 0.05])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_degrees_of_freedom_are_the_divergence(n_labels, ridge, fit_intercept):
    """The sum over rows of the derivatives of the probabilities in the shares of the labels."""
    rng = np.random.RandomState(9)
    codes = np.repeat([0, 1], [7, 9])
    X = rng.normal(size=(16, 4))
    shares = rng.dirichlet(np.full(n_labels, 3.0), size=16)
    penalty = {"alpha": 0.04 + ridge, "l1_ratio": 0.04 / (0.04 + ridge)}
    given = {"penalty_factor": [1.0, 0.0, 1.0, 2.0], "fit_intercept": fit_intercept}

    def fitted(shares):
        """A row for each label of each row, weighted by its share."""
        model = MultiTaskLogisticRegression(**penalty, **given, tol=1e-15, max_iter=1000)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(
                np.repeat(X, n_labels, axis=0),
                np.tile(np.arange(n_labels), len(X)),
                tasks=np.repeat(codes, n_labels),
                sample_weight=shares.ravel(),
            )
        return model.predict_proba(X, tasks=codes), model

    model = fitted(shares)[1]
    rows = {"tasks": np.repeat(codes, n_labels), "sample_weight": shares.ravel()}
    reader = MultiTaskLogisticRegressionCV(
        alphas=[penalty["alpha"]], l1_ratio=penalty["l1_ratio"], criterion="bic", **given
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        reader.set_params(tol=1e-15, max_iter=1000)
        reader.fit(np.repeat(X, n_labels, axis=0), np.tile(np.arange(n_labels), len(X)), **rows)
    assert_allclose(reader.coef_, model.coef_, atol=1e-6)
    divergence, h = 0.0, 1e-4
    for row in range(len(X)):
        for label in range(1, n_labels):
            up, down = shares.copy(), shares.copy()
            up[row, [0, label]] += [-h, h]
            down[row, [0, label]] -= [-h, h]
            change = fitted(up)[0] - fitted(down)[0]
            divergence += change[row, label] / (2 * h)
    n_intercepts = 2 * (n_labels - 1) * fit_intercept
    assert_allclose(reader.df_path_[0], divergence - n_intercepts, rtol=1e-3)


def test_degrees_of_freedom_of_the_quadratic_model():
    """At an optimum a loss has those of its weighted least-squares problem."""
    case = with_labels(make_case("column", "rows", n=30, seed=10))
    data = read(case)
    own = np.ones((3, 2), dtype=bool)
    problem = LossProblem(data, L21(0.02) + SquaredL2(0.01), label_parts(own))
    W = solve(problem, tol=1e-13, max_iter=200).coef
    point = problem.start(W)
    model, _ = problem.model(point, np.arange(5), 0.0)
    expected = degrees_of_freedom(model, W)
    assert 1 < expected < 15
    assert_allclose(loss_degrees_of_freedom(problem, W), expected, rtol=1e-9)
    assert loss_degrees_of_freedom(problem, 0 * W) == 0.0


# --- folds ------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["column", "outputs", "outputs_nan"])
@pytest.mark.parametrize("n_splits", [2, 3, 5])
def test_every_label_of_every_task_is_in_every_training_fold(layout, n_splits):
    case = with_labels(make_case(layout, n=40, seed=11), (2, 4, 3))
    y = case.y.reshape(len(case.y), -1)
    order = np.argsort(y[:, 0], kind="stable")  # the worst for plain folds
    data = read(case).subset(order)
    splits = deal_labels(data, n_splits)
    tests = np.concatenate([test for _, test in splits])
    observed = np.flatnonzero(~np.isnan(y[order]).all(axis=1))
    assert_array_equal(np.sort(tests), observed)
    weights = data.weights if data.weights.ndim == data.y.ndim else np.ones(data.y.shape)
    for train, test in splits:
        assert not set(train) & set(test)
        assert len(train) + len(test) == len(order)
    for task in range(3):
        rows = data.codes == task if data.codes is not None else weights[:, task] > 0
        y = data.y if data.codes is not None else data.y[:, task]
        for label in np.unique(y[rows]):
            counts = [np.sum(rows[test] & (y[test] == label)) for _, test in splits]
            assert max(counts) < sum(counts)
            assert max(counts) - min(counts) <= (1 if data.codes is not None else 3)


def test_the_only_row_of_a_label_is_training_data():
    X, y = alone(n=60)
    codes = np.arange(60) % 3
    y[:] = (np.arange(60) // 3) % 2
    y[7], y[11] = 2, 3
    model = MultiTaskLogisticRegressionCV(alphas=5).fit(X, y, tasks=codes)
    assert model.scores_[0].min() > -1.0  # the best constant probabilities
    for shape in ("own", "shared"):
        Y = np.column_stack([y, np.roll(y, 1)]) if shape == "shared" else y
        given = {} if shape == "shared" else {"tasks": codes}
        model = MultiTaskLogisticRegressionCV(alphas=5, **TIGHT)
        data = model._note_labels(model._read_training_data(X, Y, given.get("tasks"), None))[0]
        held_out = np.concatenate([test for _, test in deal_labels(data, 5)])
        assert not {7, 11} & set(held_out)
        assert len(held_out) == (58 if shape == "own" else 56)
        assert np.isfinite(model.fit(X, Y, **given).scores_).all()


def test_rows_of_weight_zero_are_not_held_out():
    X, y = alone(n=60)
    weights = np.r_[np.zeros(20), np.ones(40)]
    model = MultiTaskLogisticRegressionCV(alphas=5).fit(X, y, sample_weight=weights)
    alone_ = MultiTaskLogisticRegressionCV(alphas=5).fit(X[20:], y[20:])
    assert_allclose(model.scores_, alone_.scores_, rtol=1e-6)
    assert_allclose(model.coef_, alone_.coef_, atol=1e-6)


@pytest.mark.parametrize("scoring", ["log_loss", "accuracy"])
@pytest.mark.parametrize("n_labels", [2, 3])
def test_training_folds_without_a_label(scoring, n_labels):
    """Sorted labels in plain folds: held-out labels that no training row has."""
    X, cv = alone(n=90)[0], KFold(n_labels)
    y = np.repeat(np.arange(n_labels), 90 // n_labels)
    model = MultiTaskLogisticRegressionCV(alphas=5, cv=cv, scoring=scoring).fit(X, y)
    assert np.isfinite(model.scores_).all()
    for column, (train, test) in enumerate(cv.split(X)):
        assert not np.isin(y[test], y[train]).any()
        expected = np.log(EPS) if scoring == "log_loss" else 0.0
        assert_allclose(model.scores_[:, column], expected)


# --- the path ---------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["column", "vector", "outputs_nan"])
@pytest.mark.parametrize("labels", ["binary", "mixed"])
def test_path_is_fits(layout, labels):
    case = with_labels(make_case(layout, "rows", n=24, seed=12), LABELS[labels])
    options = {"l1_ratio": 0.7, **case.init, **TIGHT}
    path = multitask_logistic_path(case.X, case.y, alphas=ALPHAS, **options, **case.fit)
    assert_array_equal(path.alphas, ALPHAS)
    assert (path.dual_gaps <= 1e-10).all()
    for number, alpha in enumerate(ALPHAS):
        model = MultiTaskLogisticRegression(alpha, **options).fit(case.X, case.y, **case.fit)
        assert path.coefs[..., number].shape == model.coef_.shape
        assert_allclose(path.coefs[..., number], model.coef_, atol=1e-4)
        assert_allclose(path.intercepts[..., number], model.intercept_, atol=1e-4)


def test_path_starts_at_zero_and_warns_once():
    X, y = alone(n_labels=3)
    path = multitask_logistic_path(X, y, alphas=5)
    assert path.coefs.shape == (3, 6, 5)
    assert np.all(path.coefs[..., 0] == 0)
    assert path.coefs[..., 1].any()
    with pytest.warns(ConvergenceWarning, match="of 5 fits of the path") as record:
        multitask_logistic_path(X, y, alphas=5, tol=0.0, max_iter=1)
    assert [item.filename for item in record] == [__file__]
    with pytest.raises(ValueError, match=r"l1_ratio=\[0.5, 1.0\] must be one number"):
        multitask_logistic_path(X, y, l1_ratio=[0.5, 1.0])


# --- invariances and odd data -----------------------------------------------------------------


@pytest.mark.parametrize("n_labels", [2, 3])
def test_jobs_do_not_matter(n_labels):
    X, y = alone(n_labels=n_labels)
    one, two = (
        MultiTaskLogisticRegressionCV(alphas=8, n_jobs=n_jobs).fit(X, y, tasks=np.arange(80) % 2)
        for n_jobs in (1, 2)
    )
    assert_array_equal(one.scores_, two.scores_)
    assert_array_equal(one.coef_, two.coef_)


def test_labels_of_one_kind_only():
    X, y = alone()
    model = MultiTaskLogisticRegressionCV(alphas=3).fit(X, np.full(len(y), "yes"))
    assert_array_equal(model.scores_, np.zeros((3, 5)))
    assert (model.predict(X) == "yes").all()
    codes = np.arange(80) % 2
    y[codes == 0] = 1
    model = MultiTaskLogisticRegressionCV(alphas=3, task_column=0)
    model.fit(np.column_stack([codes, X]), y)
    assert np.isfinite(model.scores_).all()
    assert [part.tolist() for part in model.task_classes_] == [[1], [0, 1]]


@pytest.mark.parametrize("n_labels", [2, 3])
def test_separable_labels_have_finite_scores(n_labels):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(60, 4))
    y = np.digitize(X[:, 0], np.linspace(-0.5, 0.5, n_labels - 1) if n_labels > 2 else [0.0])
    factor = [0.0, 1.0, 1.0, 1.0]  # probabilities of exactly 1 on the training rows
    for given in ({}, {"penalty_factor": factor}):
        model = MultiTaskLogisticRegressionCV(alphas=8, eps=1e-5, **given)
        model.fit(X, y, tasks=np.arange(60) % 2)
        assert np.isfinite(model.scores_).all()
        assert np.isfinite(model.coef_).all()


def test_frames_and_unknown_tasks():
    pandas = pytest.importorskip("pandas")
    case = with_labels(make_case("column", n=24, seed=13))
    frame = pandas.DataFrame(case.X, columns=["school", *"abcde"])
    options = {"alphas": ALPHAS, "unknown_task": "shared"}
    plain = MultiTaskLogisticRegressionCV(task_column=0, **options).fit(case.X, case.y)
    named = MultiTaskLogisticRegressionCV(task_column="school", **options)
    named.fit(frame, pandas.Series(case.y))
    assert_allclose(named.scores_, plain.scores_)
    frame["school"] = 77.0
    told = named.decision_function(frame)
    assert_allclose(told, frame[list("abcde")] @ plain.coef_shared_ + plain.intercept_shared_)


# --- warnings and errors ----------------------------------------------------------------------


def test_one_warning_for_all_folds():
    X, y = alone()
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        MultiTaskLogisticRegressionCV(alphas=[1e-4, 1e-5], tol=0.0, max_iter=1, cv=3).fit(X, y)
    assert [item.category for item in record] == [ConvergenceWarning] * 2
    assert "of 6 fits of the folds did not converge" in str(record[0].message)
    assert {item.filename for item in record} == {__file__}


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"alphas": []}, ValueError, "alphas is empty"),
        ({"alphas": [0.1, -1.0]}, ValueError, r"alphas\[1\]=-1.0"),
        ({"eps": 0.0}, ValueError, r"eps=0.0 must be finite and > 0"),
        ({"scoring": "f1"}, ValueError, "scoring='f1' is not one of log_loss, accuracy"),
        ({"selection": "cyclic"}, ValueError, "selection='cyclic' is not one of best, one_st"),
        ({"criterion": "aic"}, ValueError, "criterion='aic' is not one of cv, bic, ebic"),
        ({"criterion": "bic", "selection": "one_standard_error"}, ValueError, "no folds"),
        ({"l1_ratio": 1.5}, ValueError, "l1_ratio=1.5 must be between 0 and 1"),
        ({"l1_ratio": 0.0}, ValueError, "not supported for l1_ratio=0"),
        ({"penalty_factor": [1.0, 2.0]}, ValueError, "5 features"),
        ({"tol": -1.0}, ValueError, "tol=-1.0"),
        ({"max_iter": 0}, ValueError, "max_iter=0"),
        ({"cv": 1}, ValueError, "cv=1"),
        ({"cv": 500}, ValueError, "cv=500 is more than the 45 rows that can be held out"),
        ({"cv": LeaveOneTaskOut(task_column=0)}, ValueError, "tests task 0 without training"),
        ({"cv": []}, ValueError, "cv holds no fold"),
    ],
    ids=str,
)
def test_wrong_parameters(parameters, error, message):
    case = with_labels(make_case("column"))
    with pytest.raises(error, match=message):
        MultiTaskLogisticRegressionCV(**{**case.init, **parameters}).fit(case.X, case.y)


def test_wrong_targets():
    X, y = alone()
    with pytest.raises(ValueError, match="Unknown label type"):
        MultiTaskLogisticRegressionCV().fit(X, y + 0.5 * X[:, 0])
    with pytest.raises(ValueError, match="n_samples=1"):
        MultiTaskLogisticRegressionCV().fit(X[:1], y[:1])
