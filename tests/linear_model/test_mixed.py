"""Regression and classification at once: the documented objective, kinds of targets, answers."""

import pickle

import numpy as np
import pytest
from helpers import make_case
from loss_oracle import objective, optimum, with_targets
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn.metrics import r2_score

from skmtl import MultiTaskLogisticRegression, MultiTaskMixed, MultiTaskRegressor
from skmtl.linear_model.mixed_targets import looks_like_labels, target_scale
from skmtl.loss_layout import weighted_median
from skmtl.model_selection import TaskKFold
from skmtl.penalties import L1, L21, Decomposed, Nuclear, SquaredL2, TaskL21

PARTS = [("L21", 0.03, None), ("L1", 0.01, None)]
PENALTY = L21(0.03) + L1(0.01)
KINDS = [["squared", 2], ["huber", 3, "poisson"], ["squared", "huber", 2, "poisson", 4]]


def named(kinds, n_tasks):
    losses = [kinds[t % len(kinds)] for t in range(n_tasks)]
    return {t: loss if isinstance(loss, str) else "logistic" for t, loss in enumerate(losses)}


def in_units(case, model):
    """The case with targets over the scales, and the model's coefficients likewise, by task."""
    scale = np.sqrt(model.loss_scale_)
    tasks = [(X, y / s, v) for (X, y, v), s in zip(case.tasks, scale, strict=True)]
    coef, intercept = np.array(model.coef_), np.array(model.intercept_)
    coef, intercept = (a if coef.ndim == 3 else a[:, None] for a in (coef, intercept))
    coefs, intercepts = [], []
    for t, loss in model.losses_.items():
        size = len(model.classes_by_task_[t]) if loss == "logistic" else 1
        size = 1 if size == 2 else size
        coefs.append(coef[t, :size].T / scale[t])
        intercepts.append(intercept[t, :size] / scale[t])
    return type(case)(**{**vars(case), "tasks": tasks}), coefs, intercepts


@pytest.mark.parametrize("layout", ["column", "vector", "csr_matrix", "outputs", "outputs_nan"])
@pytest.mark.parametrize("kinds", KINDS)
def test_optimal_for_the_documented_objective(layout, kinds):
    n_tasks = max(3, len(kinds))
    case = with_targets(make_case(layout, "rows", n_tasks=n_tasks, n=25), kinds, scale=3.0)
    losses = named(kinds, n_tasks)
    weight = np.linspace(0.5, 2.0, n_tasks)
    model = MultiTaskMixed(PENALTY, losses=losses, tol=1e-9, task_weight=weight, **case.init)
    model.fit(case.X, case.y, **case.fit)
    assert model.losses_ == losses
    assert model.dual_gap_ <= 1e-9
    scaled, coefs, intercepts = in_units(case, model)
    ours = objective(scaled, kinds, coefs, intercepts, PARTS, task_weight=weight)
    assert_allclose(ours, optimum(scaled, kinds, PARTS, task_weight=weight), rtol=1e-6)


def mixed_problem(n=60, seed=0):
    """Codes, features, and targets: numbers (task 0), words (1), counts (2), 0 and 1 (3)."""
    rng = np.random.RandomState(seed)
    codes = rng.permutation(np.repeat(np.arange(4), n))
    X = rng.normal(size=(4 * n, 5))
    z = X[:, 0] - X[:, 1] + 0.3 * rng.normal(size=len(X))
    y = np.empty(len(X), dtype=object)
    y[:] = (10.0 + 5.0 * z).tolist()
    words = np.array(["high", "low", "middle"])[np.digitize(z, [-0.5, 0.5])]
    for code, told in [(1, words), (2, rng.poisson(np.exp(z))), (3, (z > 0).astype(int))]:
        y[codes == code] = told[codes == code].tolist()
    return codes, X, y


def test_kinds_are_inferred():
    codes, X, y = mixed_problem()
    model = MultiTaskMixed(losses={2: "poisson"}).fit(X, y, tasks=codes)
    assert model.losses_ == {0: "squared", 1: "logistic", 2: "poisson", 3: "logistic"}
    assert list(model.classes_by_task_) == [1, 3]
    assert_array_equal(model.classes_by_task_[1], ["high", "low", "middle"])
    assert_array_equal(model.classes_by_task_[3], [0, 1])
    assert_allclose(model.loss_scale_[[1, 2, 3]], 1.0)
    assert_allclose(model.loss_scale_[0], np.var(y[codes == 0].astype(float)))
    assert model.coef_.shape == (4, 3, 5)
    assert not model.coef_[[0, 2, 3], 1:].any()
    assert model.coef_shared_ is None


def test_answers_of_every_kind():
    codes, X, y = mixed_problem()
    model = MultiTaskMixed(L21(0.01), losses={2: "poisson"}).fit(X, y, tasks=codes)
    told = model.predict(X, tasks=codes)
    assert told.dtype == object
    z = np.sum(X * model.coef_[codes, 0], axis=1) + model.intercept_[codes, 0]
    assert_allclose(told[codes == 0].astype(float), z[codes == 0])
    assert_allclose(told[codes == 2].astype(float), np.exp(z[codes == 2]))
    assert np.mean(told[codes == 1] == y[codes == 1]) > 0.6
    assert np.mean(told[codes == 3] == y[codes == 3]) > 0.8
    proba = model.predict_proba(X, tasks=codes)
    assert proba.shape == (len(X), 3)
    assert np.isnan(proba[(codes == 0) | (codes == 2)]).all()
    assert_allclose(proba[codes == 1].sum(axis=1), 1.0)
    most = proba[codes == 1].argmax(axis=1)
    assert_array_equal(model.classes_by_task_[1][most], told[codes == 1])
    assert_allclose(proba[codes == 3, 1], expit(z[codes == 3]))
    assert_allclose(proba[codes == 3, 2], 0.0)
    scores = [
        r2_score(y[codes == t].astype(float), told[codes == t].astype(float))
        if t in (0, 2)
        else np.mean(told[codes == t] == y[codes == t])
        for t in range(4)
    ]
    assert_allclose(model.score(X, y, tasks=codes), np.mean(scores))
    numbers = codes == 0
    only = model.predict(X[numbers], tasks=codes[numbers])
    assert only.dtype == np.float64


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_outputs_of_a_frame(library):
    frames = pytest.importorskip(library)
    rng = np.random.RandomState(0)
    X = rng.normal(size=(80, 4))
    z = X[:, 0] + 0.3 * rng.normal(size=80)
    columns = {
        "price": (100.0 * z).tolist(),
        "grade": np.array(["a", "b", "c"])[np.digitize(z, [-0.5, 0.5])].tolist(),
        "sold": (z > 0).tolist(),
        "visits": rng.poisson(np.exp(z)).tolist(),
    }
    for name, row in [("price", 3), ("grade", 4), ("sold", 5)]:
        columns[name][row] = None
    Y = frames.DataFrame(columns)
    model = MultiTaskMixed(L21(0.02)).fit(X, Y)
    assert_array_equal(model.tasks_, list(columns))
    assert list(model.losses_.values()) == ["squared", "logistic", "logistic", "squared"]
    told = model.predict(X)
    assert told.shape == (80, 4)
    assert set(told[:, 1]) <= {"a", "b", "c"}
    assert model.score(X, Y) > 0.7
    proba = model.predict_proba(X)
    assert len(proba) == 4
    assert np.isnan(proba[0]).all()
    assert_allclose(proba[2].sum(axis=1), 1.0)
    # The same as rows of their own.
    rows = {
        name: [i for i in range(80) if values[i] is not None] for name, values in columns.items()
    }
    stacked = np.concatenate([X[r] for r in rows.values()])
    y = np.empty(len(stacked), dtype=object)
    y[:] = [columns[name][i] for name in columns for i in rows[name]]
    tasks = np.repeat(list(columns), [len(r) for r in rows.values()])
    other = MultiTaskMixed(L21(0.02)).fit(stacked, y, tasks=tasks)
    for t, name in enumerate(columns):
        ours = told[:, t]
        theirs = other.predict(X, tasks=np.full(80, name))
        if name == "grade":
            assert_array_equal(ours, theirs)
        else:
            assert_allclose(ours.astype(float), theirs.astype(float), rtol=1e-4, atol=1e-4)


# --- limits ---------------------------------------------------------------------------------


def test_classifications_alone_are_logistic_regression():
    case = with_targets(make_case("column", n=30), [2, 3])
    classifier = MultiTaskLogisticRegression(0.02, l1_ratio=0.5, tol=1e-10, task_column=0)
    classifier.fit(case.X, case.y)
    losses = dict.fromkeys(range(3), "logistic")
    model = MultiTaskMixed(
        L21(0.01) + SquaredL2(0.01), losses=losses, tol=1e-10, task_column=0
    ).fit(case.X, case.y)
    assert_array_equal(model.predict(case.X), classifier.predict(case.X))
    ours, theirs = model.predict_proba(case.X), classifier.predict_proba(case.X)
    assert_allclose(ours, theirs, atol=1e-5)
    assert_allclose(model.score(case.X, case.y), classifier.score(case.X, case.y))


def test_standardised_targets_alone_are_those_of_the_regressor():
    case = make_case("column", n=30)
    y = np.array(case.y)
    for rows in case.rows:
        y[rows] = (y[rows] - y[rows].mean()) / y[rows].std()
    regressor = MultiTaskRegressor(L21(0.1), tol=1e-12, task_column=0).fit(case.X, y)
    model = MultiTaskMixed(L21(0.1), tol=1e-12, task_column=0).fit(case.X, y)
    assert_allclose(model.coef_, regressor.coef_, atol=1e-6)
    assert_allclose(model.loss_scale_, 1.0)
    assert_allclose(model.score(case.X, y), regressor.score(case.X, y))
    assert not hasattr(model, "predict_proba")


@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_units_do_not_matter(loss):
    """Metres or millimetres: the same predictions in every task."""
    case = with_targets(make_case("column", n=30), [loss, 2])
    losses = {0: loss, 1: "logistic", 2: loss}
    told = []
    for unit in (1.0, 1e3):
        y = np.where(case.X[:, 0] == 0, unit * case.y + 7.0 * unit, case.y)
        model = MultiTaskMixed(L21(0.05), losses=losses, tol=1e-11, task_column=0)
        predicted = model.fit(case.X, y).predict(case.X)
        told.append(np.where(case.X[:, 0] == 0, predicted / unit, predicted))
    assert_allclose(told[1], told[0], rtol=1e-5, atol=1e-5)


def test_sharing_across_kinds_helps():
    """Features that regressions choose are found with few labels."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(4, 40, 60))
    coef = np.zeros((4, 60))
    coef[:, :4] = 1.0 + 0.2 * rng.normal(size=(4, 4))
    z = np.einsum("tnp,tp->tn", X, coef)
    y = z + 0.5 * rng.normal(size=z.shape)
    y[3] = z[3] + 2.0 * rng.logistic(size=40) > 0
    codes, X, y = np.repeat(np.arange(4), 40), X.reshape(160, 60), y.ravel()
    model = MultiTaskMixed(L21(0.25)).fit(X, y, tasks=codes)
    assert model.losses_ == {0: "squared", 1: "squared", 2: "squared", 3: "logistic"}
    assert_array_equal(np.flatnonzero(model.coef_[3]), [0, 1, 2, 3])


@pytest.mark.parametrize("penalty", [Nuclear(0.05), Decomposed(L21(0.05), L1(0.04)), TaskL21(0.1)])
def test_any_penalty(penalty):
    codes, X, y = mixed_problem()
    y[codes == 1] = [0, 1] * 30  # one column for every task
    model = MultiTaskMixed(penalty, losses={2: "poisson"}).fit(X, y, tasks=codes)
    assert model.dual_gap_ <= 1e-6
    assert model.coef_.shape == (4, 5)
    assert model.score(X, y, tasks=codes) > 0.5


# --- tasks that are odd ---------------------------------------------------------------------


def test_a_task_with_a_single_label():
    codes, X, y = mixed_problem()
    y[codes == 1] = "low"
    model = MultiTaskMixed().fit(X, y, tasks=codes)
    assert_array_equal(model.classes_by_task_[1], ["low"])
    assert not model.coef_[1].any()
    rows = codes == 1
    assert set(model.predict(X[rows], tasks=codes[rows])) == {"low"}
    assert_allclose(model.predict_proba(X[rows], tasks=codes[rows]), [[1.0, 0.0]] * rows.sum())


def test_no_task_with_more_than_one_label():
    codes, X, _ = mixed_problem()
    model = MultiTaskMixed().fit(X, codes > 1, tasks=codes)
    assert set(model.losses_.values()) == {"logistic"}
    assert model.dual_gap_ == 0.0
    assert_array_equal(model.predict(X, tasks=codes), codes > 1)
    assert not model.coef_.any()


def test_a_task_of_weight_zero_needs_a_model_in_common():
    codes, X, y = mixed_problem()
    weight = (codes != 3).astype(float)
    with pytest.raises(ValueError, match="task 3 has no row with a positive weight"):
        MultiTaskMixed().fit(X, y, tasks=codes, sample_weight=weight)
    labels = (X[:, 0] > 0).astype(int)
    model = MultiTaskMixed(L21(0.01)).fit(X, labels, tasks=codes, sample_weight=weight)
    assert_array_equal(model.classes_by_task_[3], [0, 1])
    assert_allclose(model.coef_[3], model.coef_shared_)


def test_unknown_tasks():
    codes, X, y = mixed_problem()
    with pytest.raises(ValueError, match="needs tasks with the same loss and labels"):
        MultiTaskMixed(unknown_task="shared").fit(X, y, tasks=codes)
    for losses, y in [({}, X[:, 0] > 0), (dict.fromkeys(range(4), "poisson"), codes + 0.0)]:
        model = MultiTaskMixed(L21(0.01), losses=losses, unknown_task="shared")
        told = model.fit(X, y, tasks=codes).predict(X[:5], tasks=np.full(5, 9))
        z = X[:5] @ model.coef_shared_ + model.intercept_shared_
        assert_allclose(told, np.exp(z) if losses else z > 0)
    labels = np.digitize(X[:, 0], [-0.5, 0.5]).astype(str)
    model = MultiTaskMixed(L21(0.01), unknown_task="shared").fit(X, labels, tasks=codes)
    proba = model.predict_proba(X[:5], tasks=np.full(5, 9))
    assert_allclose(proba.sum(axis=1), 1.0)
    assert model.score(X, labels, tasks=codes) > 0.8


def test_tasks_without_any_count():
    codes, X, y = mixed_problem()
    y[codes == 2] = 0
    model = MultiTaskMixed(losses={2: "poisson"}).fit(X, y, tasks=codes)
    told = model.predict(X[codes == 2], tasks=codes[codes == 2])
    assert_allclose(told.astype(float), 0.0, atol=1e-12)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 1.0, 1.0], True),
        ([1.0, 1.0], True),
        ([-1.0, 1.0], True),
        ([1.0, 2.0], False),
        ([0.0, 1.0, 2.0], False),
        ([0.5, 0.5], False),
        (["0", "1"], True),
        ([True, False], True),
        ([0, 1.0], True),
        ([3, 4.5], False),
    ],
)
def test_what_looks_like_labels(values, expected):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    assert looks_like_labels(array) == expected
    if isinstance(values[0], float):
        assert looks_like_labels(np.array(values)) == expected


def test_target_scale():
    rng = np.random.RandomState(0)
    y, repeats = rng.normal(size=30), rng.randint(1, 4, size=30)
    copies = np.repeat(y, repeats)
    for robust in (False, True):
        ours = target_scale(y, repeats.astype(float), robust=robust)
        assert_allclose(ours, target_scale(copies, np.ones(len(copies)), robust=robust))
    assert_allclose(target_scale(y, np.ones(30), robust=False), np.std(y))
    assert weighted_median(np.array([3.0, 1.0, 2.0]), np.ones(3)) == 2.0
    far = np.append(y, 1e9)
    assert target_scale(far, np.ones(31), robust=True) < 2.0
    assert target_scale(np.full(4, 0.1), np.ones(4), robust=False) == 1.0
    most = np.array([1.0, 1.0, 1.0, 2.0])  # half of the deviations are 0
    assert_allclose(target_scale(most, np.ones(4), robust=True), np.std(most))


# --- use ------------------------------------------------------------------------------------


def test_warm_start():
    codes, X, y = mixed_problem()
    model = MultiTaskMixed(L21(0.02), losses={2: "poisson"}, warm_start=True)
    assert model.fit(X, y, tasks=codes).n_iter_ > 1
    assert model.fit(X, y, tasks=codes).n_iter_ == 1
    y[np.flatnonzero(codes == 1)[:3]] = "none"  # another label
    again = model.fit(X, y, tasks=codes).coef_
    fresh = MultiTaskMixed(L21(0.02), losses={2: "poisson"}).fit(X, y, tasks=codes)
    assert_allclose(again, fresh.coef_)


def test_order_of_rows_and_pickles():
    codes, X, y = mixed_problem()
    model = MultiTaskMixed(L21(0.02), tol=1e-10).fit(X, y, tasks=codes)
    order = np.random.RandomState(1).permutation(len(y))
    moved = MultiTaskMixed(L21(0.02), tol=1e-10).fit(X[order], y[order], tasks=codes[order])
    assert_allclose(moved.coef_, model.coef_, atol=1e-6)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(X, tasks=codes), model.predict(X, tasks=codes))


def test_words_in_lists_and_columns():
    pandas = pytest.importorskip("pandas")
    codes, X, y = mixed_problem()
    frame = pandas.DataFrame(X, columns=list("abcde"))
    frame.insert(0, "task", codes)
    model = MultiTaskMixed(task_column="task").fit(frame, pandas.Series(y))
    other = MultiTaskMixed().fit(X, y.tolist(), tasks=codes)
    assert_allclose(model.coef_, other.coef_)
    only = codes == 1
    told = MultiTaskMixed().fit(X[only], y[only]).predict(X[only])
    assert told.dtype.kind == "U"
    folds = TaskKFold(3, task_column="task").split(frame)
    assert [len(np.unique(codes[test])) for _, test in folds] == [4, 4, 4]


def test_noise_weights_are_for_squared_losses():
    codes, X, y = mixed_problem()
    with pytest.raises(ValueError, match="'noise' is for tasks that all have the loss 'squared'"):
        MultiTaskMixed(task_weight="noise").fit(X, y, tasks=codes)
    rng = np.random.RandomState(0)
    y = X[:, 0] * 10.0**codes + 10.0**codes * rng.normal(size=len(X)) * (1 + codes)
    model = MultiTaskMixed(task_weight="noise").fit(X, y, tasks=codes)
    assert np.argmax(model.task_weight_) == 0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"losses": "squared"}, "losses='squared' is unknown: use 'infer', or a dict"),
        ({"losses": {0: "absolute"}}, "losses has 'absolute' for task 0: use one of squared"),
        ({"losses": {7: "huber"}}, r"names the tasks \[7\]"),
        ({"losses": {1: "squared"}}, "task 1 is 'squared', but it has the target '.*', which is"),
        ({"losses": {0: "logistic"}}, "task 0 is 'logistic', but it has the target .*no label"),
        ({"losses": {0: "poisson"}}, r"of counts, but task 0 has the target -"),
        ({"epsilon": 0.0}, "epsilon=0.0 must be finite and > 0"),
        ({"max_iter": 0}, "max_iter=0"),
        ({"tol": -1.0}, "tol"),
    ],
)
def test_wrong_parameters(parameters, message):
    codes, X, y = mixed_problem()
    y[np.flatnonzero(codes == 0)[0]] = -20.0
    with pytest.raises(ValueError, match=message):
        MultiTaskMixed(**parameters).fit(X, y, tasks=codes)


def test_wrong_targets():
    codes, X, y = mixed_problem()
    with pytest.raises(TypeError, match=r"penalty must be a penalty such as L21\(0.1\)"):
        MultiTaskMixed(penalty=0.1).fit(X, y, tasks=codes)
    for value, message in [
        (None, "y holds no target in row 5"),
        (np.nan, "y holds no target in row 5"),
    ]:
        wrong = y.copy()
        wrong[5] = value
        with pytest.raises(ValueError, match=message):
            MultiTaskMixed().fit(X, wrong, tasks=codes)
    wrong = y.copy()
    wrong[np.flatnonzero(codes == 0)[2]] = np.inf
    with pytest.raises(ValueError, match="y of task 0 contains infinity"):
        MultiTaskMixed().fit(X, wrong, tasks=codes)
    wrong = y.copy()
    wrong[np.flatnonzero(codes == 1)[2]] = 3.0
    with pytest.raises(ValueError, match="task 1 mixes words and numbers"):
        MultiTaskMixed().fit(X, wrong, tasks=codes)
    model = MultiTaskMixed().fit(X, y, tasks=codes)
    with pytest.raises(ValueError, match="two observed targets"):
        model.score(X[codes == 0][:1], y[codes == 0][:1], tasks=[0])
