"""Continued boosting: the source part is the source's own, refits and rounds by their formulas."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, Ridge
from threadpoolctl import threadpool_limits

from skmtl.transfer.boosting import (
    TransferBoostingClassifier,
    TransferBoostingRegressor,
    start,
)
from skmtl.transfer.boosting.losses import BINOMIAL, MULTINOMIAL, REGRESSION, medians
from skmtl.transfer.boosting.sources import adapter_of
from skmtl.transfer.sources import SourceModel


@pytest.fixture(autouse=True)
def one_thread():
    """Threads of tiny fits wait for each other."""
    with threadpool_limits(1):
        yield


AS_IS = {"start": "source", "decay": 1.0, "max_iter": 0}
N_SOURCE, N_TARGET = 200, 40


def problem(seed=0, shift=0.0):
    """Source and target rows; the target's features have another range and unit of binning."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N_SOURCE + N_TARGET, 4))
    X[N_SOURCE:] = np.round(1.7 * X[N_SOURCE:] + 0.3, 1)
    signal = np.sin(2 * X[:, 0]) + 0.5 * X[:, 1] + np.where(np.arange(len(X)) < N_SOURCE, 0, shift)
    return X, signal, signal + 0.2 * rng.normal(size=len(X)), rng


def numbers_of(kind, seed=0, shift=0.0):
    X, signal, y, rng = problem(seed, shift)
    if kind in ("poisson", "gamma"):
        y = rng.poisson(np.exp(signal)).astype(float) + (kind == "gamma")
    return (X[:N_SOURCE], y[:N_SOURCE]), (X[N_SOURCE:], y[N_SOURCE:])


def labels_of(n_classes, seed=0, shift=0.0):
    X, _, y, _ = problem(seed, shift)
    cuts = np.quantile(y, np.arange(1, n_classes) / n_classes)
    labels = np.array(["a", "b", "c"])[np.searchsorted(cuts, y)]
    return (X[:N_SOURCE], labels[:N_SOURCE]), (X[N_SOURCE:], labels[N_SOURCE:])


def lightgbm(name, **options):
    module = pytest.importorskip("lightgbm")
    return getattr(module, name)(n_estimators=12, verbose=-1, n_jobs=1, **options)


def xgboost(name, **options):
    return getattr(pytest.importorskip("xgboost"), name)(n_estimators=12, n_jobs=1, **options)


REGRESSORS = {
    "hist": ("squared_error", lambda: HistGradientBoostingRegressor(max_iter=12)),
    "hist absolute": (
        "absolute_error",
        lambda: HistGradientBoostingRegressor(loss="absolute_error", max_iter=12),
    ),
    "hist poisson": ("poisson", lambda: HistGradientBoostingRegressor(loss="poisson", max_iter=12)),
    "hist gamma": ("gamma", lambda: HistGradientBoostingRegressor(loss="gamma", max_iter=12)),
    "gradient": ("squared_error", lambda: GradientBoostingRegressor(n_estimators=12)),
    "lightgbm": ("squared_error", lambda: lightgbm("LGBMRegressor")),
    "lightgbm poisson": ("poisson", lambda: lightgbm("LGBMRegressor", objective="poisson")),
    "xgboost": ("squared_error", lambda: xgboost("XGBRegressor")),
    "xgboost poisson": ("poisson", lambda: xgboost("XGBRegressor", objective="count:poisson")),
    "ridge": ("squared_error", Ridge),
}
CLASSIFIERS = {
    "hist": lambda: HistGradientBoostingClassifier(max_iter=12),
    "gradient": lambda: GradientBoostingClassifier(n_estimators=12),
    "lightgbm": lambda: lightgbm("LGBMClassifier"),
    "logistic": LogisticRegression,
}


def fit_source(kind, rows):
    X, y = rows
    return REGRESSORS[kind][1]().fit(X, y)


@pytest.mark.parametrize("kind", REGRESSORS)
def test_a_source_as_it_is_predicts_what_it_predicts(kind):
    rows, (X, y) = numbers_of(REGRESSORS[kind][0])
    source = fit_source(kind, rows)
    before = pickle.dumps(source)
    model = TransferBoostingRegressor(source, **AS_IS).fit(X, y)
    assert_allclose(model.predict(X), source.predict(X), rtol=1e-12, atol=1e-12)
    assert_allclose(model.predict(rows[0]), source.predict(rows[0]), rtol=1e-12, atol=1e-12)
    assert_array_equal(model.source_weights_, [1.0])
    TransferBoostingRegressor(source, max_iter=3).fit(X, y).predict(X)
    assert pickle.dumps(source) == before


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_a_source_as_it_is_has_its_probabilities(kind, n_classes):
    rows, (X, y) = labels_of(n_classes)
    source = CLASSIFIERS[kind]().fit(*rows)
    model = TransferBoostingClassifier(source, **AS_IS).fit(X, y)
    assert_allclose(model.predict_proba(X), source.predict_proba(X), rtol=0, atol=1e-12)
    assert_array_equal(model.predict(rows[0]), source.predict(rows[0]))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_xgboost_as_it_is_has_its_probabilities(n_classes):
    (X0, y0), (X, y) = labels_of(n_classes)
    codes = np.unique(y0, return_inverse=True)[1]
    source = xgboost("XGBClassifier").fit(X0, codes)
    y = np.searchsorted(np.unique(y0), y)
    model = TransferBoostingClassifier(source, **AS_IS).fit(X, y)
    # Its own probabilities are float32.
    assert_allclose(model.predict_proba(X), source.predict_proba(X), rtol=1e-6, atol=1e-7)


def test_exponential_loss_and_probabilities_of_zero():
    rows, (X, y) = labels_of(2)
    source = GradientBoostingClassifier(loss="exponential", n_estimators=12).fit(*rows)
    model = TransferBoostingClassifier(source, **AS_IS).fit(X, y)
    assert_allclose(model.predict_proba(X), source.predict_proba(X), rtol=0, atol=1e-12)
    forest = RandomForestClassifier(n_estimators=5, random_state=0).fit(*rows)
    model = TransferBoostingClassifier(forest, **AS_IS).fit(X, y)
    assert_allclose(model.predict_proba(X), forest.predict_proba(X), rtol=0, atol=2e-6)


@pytest.mark.parametrize("kind", [kind for kind in REGRESSORS if kind != "ridge"])
def test_trees_add_up_and_leaves_tell_the_increment(kind):
    rows, (X, _) = numbers_of(REGRESSORS[kind][0])
    source = fit_source(kind, rows)
    adapter = adapter_of(SourceModel(source, None, X.shape[1], "source"))
    trees = adapter.learn(X)
    raw = adapter.raw(X, None)
    single = 1e-12 if "boost" not in kind else 1e-5
    assert_allclose(trees.increments.sum(axis=1), raw, rtol=single, atol=single)
    for tree in range(12):
        values, leaves = trees.increments[:, tree, 0], trees.leaves[:, tree, 0]
        spread = [np.ptp(values[leaves == leaf]) for leaf in np.unique(leaves)]
        assert max(spread) <= single
        levels = np.unique(np.round(values, 12 if single < 1e-6 else 4))
        assert len(np.unique(leaves)) >= len(levels)


def test_leaves_of_histogram_boosting_are_those_of_its_trees():
    """Against the rows that one-tree models with the same splits part, by brute force."""
    rows, (X, _) = numbers_of("squared_error")
    source = HistGradientBoostingRegressor(max_iter=8, max_leaf_nodes=5).fit(*rows)
    adapter = adapter_of(SourceModel(source, None, X.shape[1], "source"))
    learned = adapter.learn(rows[0]).leaves
    assert_array_equal(adapter.leaves(rows[0]), learned)
    for tree in range(8):
        n_leaves = len(np.unique(learned[:, tree]))
        assert n_leaves <= 5
    first = learned[:N_TARGET]
    assert_array_equal(adapter.leaves(rows[0][:N_TARGET]), first)
    adapter.learn(rows[0][:10])  # few rows: leaves of the others are unknown, none is mistaken
    asked = adapter.leaves(rows[0])
    for tree in range(8):
        for leaf in np.unique(asked[:, tree][asked[:, tree] >= 0]):
            assert len(np.unique(learned[asked[:, tree, 0] == leaf, tree])) == 1


@pytest.mark.parametrize("factor", [2.0**-8, 2.0**8])
def test_refit_does_not_depend_on_the_unit_of_y(factor):
    rows, (X, y) = numbers_of("squared_error", shift=1.0)
    models = []
    for unit in (1.0, factor):
        source = GradientBoostingRegressor(n_estimators=10, random_state=0)
        source.fit(rows[0], unit * rows[1])
        model = TransferBoostingRegressor(source, max_iter=8, cv=None).fit(X, unit * y)
        models.append(model.predict(X) / unit)
    assert_allclose(models[0], models[1], rtol=1e-5)


def plain_refit(source, X, y, decay, prior, rate):
    """The rule of the docstring for the squared error, leaf by leaf."""
    increments = np.diff(np.array(list(source.staged_predict(X))).T, axis=1)
    leaves = source.apply(X)[:, 1:]
    running = source.predict(X) - increments.sum(axis=1)
    changes = np.zeros(len(X))
    for tree in range(leaves.shape[1]):
        step = np.zeros(len(X))
        for leaf in np.unique(leaves[:, tree]):
            rows = leaves[:, tree] == leaf
            value, n = increments[rows, tree][0], rows.sum()
            newton = rate * (y - running)[rows].mean()
            new = value + (1 - decay) * n / (n + prior) * (newton - value)
            step[rows] = new
            changes[rows] += new - value
        running = running + step
    return source.predict(X) + changes


@pytest.mark.parametrize("decay", [0.0, 0.4, 1.0])
def test_refit_is_the_rule_of_the_docstring(decay):
    rows, (X, y) = numbers_of("squared_error", shift=1.0)
    source = GradientBoostingRegressor(n_estimators=10).fit(*rows)
    model = TransferBoostingRegressor(
        source, start="source", decay=decay, leaf_prior=3.0, max_iter=0
    ).fit(X, y)
    assert_allclose(model.predict(X), plain_refit(source, X, y, decay, 3.0, 0.1), rtol=1e-10)


def test_histogram_and_exact_leaves_are_refitted_alike():
    """The same trees, once known by increments, once by their leaves."""
    rows, (X, y) = numbers_of("squared_error", shift=1.0)

    class Hidden(GradientBoostingRegressor):
        pass

    source = GradientBoostingRegressor(n_estimators=10).fit(*rows)
    model = TransferBoostingRegressor(source, max_iter=0).fit(X, y)
    from skmtl.transfer.boosting import sources

    adapter = sources.HistBooster(SourceModel(source, None, X.shape[1], "source"))
    exact = adapter_of(SourceModel(source, None, X.shape[1], "source")).learn(X)
    found = adapter.learn(X)
    assert_allclose(found.increments, exact.increments)
    for tree in range(10):
        pairs = np.column_stack([found.leaves[:, tree, 0], exact.leaves[:, tree, 0]])
        assert len(np.unique(pairs, axis=0)) == len(np.unique(pairs[:, 1]))
    assert model.n_iter_ == 0


def test_infinite_priors_keep_the_source():
    rows, (X, y) = numbers_of("squared_error", shift=1.0)
    source = HistGradientBoostingRegressor(max_iter=12).fit(*rows)
    model = TransferBoostingRegressor(
        source, shift_prior=1e12, leaf_prior=1e12, max_iter=0, decay=0.0
    ).fit(X, y)
    mixing = model.source_weights_[0]
    expected = mixing * source.predict(X) + (1 - mixing) * y.mean()
    assert_allclose(model.predict(X), expected, rtol=1e-8)


def test_the_shift_is_the_shrunken_mean_residual():
    rows, (X, y) = numbers_of("squared_error")
    source = Ridge().fit(*rows)
    loss = REGRESSION["squared_error"]
    weights = np.arange(1.0, len(y) + 1)
    raw = source.predict(X)[:, None]
    shift = loss.shift(y[:, None] + 3.0, raw, weights, 7.0)
    expected = weights @ (y + 3.0 - raw[:, 0]) / (weights.sum() + 7.0)
    assert_allclose(shift, [expected], rtol=1e-12)


def test_a_level_shift_is_found():
    rows, (X, y) = numbers_of("squared_error", shift=5.0)
    source = HistGradientBoostingRegressor().fit(*rows)
    model = TransferBoostingRegressor(source).fit(X, y)
    assert abs(np.mean(model.predict(X) - y)) < 0.2
    assert model.train_score_[0] < 0.2 * np.mean((source.predict(X) - y) ** 2)


def test_weighted_medians_against_brute_force():
    rng = np.random.default_rng(0)
    values, weights = rng.normal(size=60), rng.integers(1, 4, size=60).astype(float)
    cells = rng.integers(0, 8, size=60)
    cells[cells == 5] = 4
    found = medians(values, weights, cells, 9)
    for cell in range(9):
        own = np.sort(
            np.repeat(values, weights.astype(int))[np.repeat(cells, weights.astype(int)) == cell]
        )
        expected = own[(len(own) - 1) // 2] if len(own) else 0.0
        assert found[cell] == expected


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "poisson"])
def test_rounds_lower_the_training_loss(loss):
    _, (X, y) = numbers_of("poisson" if loss == "poisson" else loss)
    model = TransferBoostingRegressor(loss=loss, max_iter=15, cv=None).fit(X, y)
    assert model.n_iter_ == 15
    assert (np.diff(model.train_score_) <= 1e-12).all()


def test_without_a_source_it_is_scikit_learns_boosting():
    _, (X, y) = numbers_of("squared_error")
    ours = TransferBoostingRegressor(
        cv=None, max_iter=10, l2_regularization=0.0, min_samples_leaf=4, max_depth=2
    ).fit(X, y)
    theirs = GradientBoostingRegressor(n_estimators=10, max_depth=2, min_samples_leaf=4).fit(X, y)
    assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-10)
    labels = y > 0
    ours = TransferBoostingClassifier(
        cv=None, max_iter=10, l2_regularization=0.0, min_samples_leaf=4, max_depth=2
    ).fit(X[:, :1], labels)  # one feature: no ties between features
    theirs = GradientBoostingClassifier(n_estimators=10, max_depth=2, min_samples_leaf=4).fit(
        X[:, :1], labels
    )
    X = X[:, :1]
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-8)


def test_folds_choose_zero_rounds_for_noise_and_some_for_a_signal():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    assert TransferBoostingRegressor().fit(X, rng.normal(size=60)).n_iter_ <= 10
    model = TransferBoostingRegressor().fit(X, 3 * np.sign(X[:, 0]))
    assert model.n_iter_ > 20
    assert model.validation_score_.argmin() == model.n_iter_


def test_weights_are_copies_and_order_does_not_matter():
    rows, (X, y) = numbers_of("squared_error", shift=1.0)
    source = HistGradientBoostingRegressor(max_iter=12).fit(*rows)
    counts = np.random.default_rng(0).integers(0, 3, size=len(y))
    weighted = TransferBoostingRegressor(source).fit(X, y, sample_weight=counts)
    order = np.random.default_rng(1).permutation(counts.sum())
    copies = np.repeat(X, counts, axis=0)[order], np.repeat(y, counts)[order]
    copied = TransferBoostingRegressor(source).fit(*copies)
    assert weighted.n_iter_ == copied.n_iter_ > 0
    assert_allclose(weighted.predict(X), copied.predict(X), rtol=1e-7)


def test_a_useless_source_has_no_weight_and_a_good_one_nearly_all():
    rows, (X, y) = numbers_of("squared_error")
    good = Ridge().fit(X, y)
    bad = HistGradientBoostingRegressor().fit(
        rows[0], np.random.default_rng(0).normal(size=N_SOURCE)
    )
    model = TransferBoostingRegressor({"bad": bad, "good": good}).fit(X, y)
    assert model.source_names_ == ["bad", "good"]
    assert model.source_weights_[0] < 0.1
    assert model.source_weights_[1] > 0.8


def test_labels_of_either_side_only():
    (X0, y0), (X, y) = labels_of(3)
    source = HistGradientBoostingClassifier(max_iter=12).fit(X0[y0 != "c"], y0[y0 != "c"])
    target = y != "a"
    model = TransferBoostingClassifier(source, cv=None).fit(X[target], y[target])
    assert_array_equal(model.classes_, ["a", "b", "c"])
    proba = model.predict_proba(X0)
    assert_allclose(proba.sum(axis=1), 1.0)
    assert (proba > 0).all()
    assert "c" in model.predict(X)
    as_is = TransferBoostingClassifier(source, **AS_IS).fit(X[target], y[target])
    assert_allclose(as_is.predict_proba(X0)[:, :2], source.predict_proba(X0), atol=2e-6)


@pytest.mark.parametrize("start", ["fitted", "source"])
def test_a_source_of_one_label(start):
    rows, (X, y) = labels_of(2)
    rows = rows[0], np.full(N_SOURCE, "c")
    model = TransferBoostingClassifier(source_rows=rows, start=start, max_iter=0).fit(X, y)
    shares = model.predict_proba(X)
    assert_array_equal(model.classes_, ["a", "b", "c"])
    assert_allclose(shares, np.broadcast_to(shares[0], shares.shape))
    if start == "source":
        assert_allclose(shares[0], [1e-6, 1e-6, 1.0], rtol=1e-5)
    else:
        expected = (np.array([np.sum(y == "a"), np.sum(y == "b"), 0.0]) + 1 / 3) / (N_TARGET + 1)
        assert_allclose(shares[0], expected, rtol=1e-4)


def test_three_ways_to_give_sources_agree():
    rows, (X, y) = numbers_of("squared_error", shift=1.0)
    estimator = GradientBoostingRegressor(n_estimators=8, random_state=0)
    options = {"max_iter": 5, "cv": None}
    fitted = TransferBoostingRegressor(clone(estimator).fit(*rows), **options).fit(X, y)
    options["source_estimator"] = estimator
    by_rows = TransferBoostingRegressor(source_rows=rows, **options).fit(X, y)
    ids = np.repeat([3, 8], [N_SOURCE, N_TARGET])
    table = np.column_stack([np.vstack([rows[0], X]), ids])
    one_table = TransferBoostingRegressor(task_column=4, target_task=8, **options)
    one_table.fit(table, np.append(rows[1], y))
    expected = fitted.predict(X)
    assert_allclose(by_rows.predict(X), expected, rtol=1e-10)
    assert_allclose(one_table.predict(table[N_SOURCE:]), expected, rtol=1e-10)


def test_missing_values():
    rows, (X, y) = numbers_of("squared_error", shift=1.0)
    rows[0][::7, 0] = np.nan
    X[::5, 0] = np.nan
    model = TransferBoostingRegressor(source_rows=rows).fit(X, y)
    assert np.isfinite(model.predict(X)).all()


def test_rows_are_predicted_alike_in_parts(monkeypatch):
    rows, (X, y) = labels_of(3)
    source = HistGradientBoostingClassifier(max_iter=10).fit(*rows)
    model = TransferBoostingClassifier(source, max_iter=2).fit(X, y)
    expected = model.predict_proba(rows[0])
    monkeypatch.setattr(start, "MOST_LEAVES", 100)
    assert_array_equal(model.predict_proba(rows[0]), expected)


def test_a_fitted_model_survives_pickling():
    rows, (X, y) = numbers_of("squared_error", shift=1.0)
    model = TransferBoostingRegressor(source_rows=rows).fit(X, y)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


@pytest.mark.parametrize("kind", ["HistGradientBoosting", "GradientBoosting"])
def test_one_or_two_rows_keep_the_source(kind):
    rows, (X, y) = numbers_of("squared_error")
    regressors = HistGradientBoostingRegressor, GradientBoostingRegressor
    classifiers = HistGradientBoostingClassifier, GradientBoostingClassifier
    place = kind == "GradientBoosting"
    source = regressors[place](max_iter=20) if not place else regressors[place](n_estimators=20)
    model = TransferBoostingRegressor(source.fit(*rows)).fit(X[:1], y[:1])
    assert_array_equal(model.source_weights_, [1.0])
    assert np.std(model.predict(X)) > 0
    rows, (X, y) = labels_of(2)
    source = classifiers[place]().fit(*rows)
    told = source.predict_proba(X)
    likely = np.flatnonzero((y == "a") & (told[:, 0] > 0.8))
    for n_rows in (1, 2):  # of one label, of which the target's own share is 1
        few = likely[:n_rows]
        model = TransferBoostingClassifier(source).fit(X[few], y[few])
        assert_array_equal(model.source_weights_, [1.0])
        assert np.corrcoef(model.predict_proba(X)[:, 0], told[:, 0])[0, 1] > 0.9


@pytest.mark.parametrize("loss", [*REGRESSION.values(), BINOMIAL, MULTINOMIAL])
def test_constants_of_others_by_leaving_rows_out(loss):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, size=(9, 1)) if loss is BINOMIAL else rng.poisson(3.0, size=(9, 1))
    y = np.eye(3)[rng.integers(0, 3, size=9)] if loss is MULTINOMIAL else y.astype(float)
    weights = rng.integers(1, 4, size=9)
    copies = np.repeat(y, weights, axis=0)
    last = np.cumsum(weights) - 1
    ones = np.ones(len(copies) - 1)
    expected = [loss.constant(np.delete(copies, row, axis=0), ones) for row in last]
    assert_allclose(loss.constants_of_others(y, weights.astype(float)), expected, atol=1e-12)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
@pytest.mark.parametrize("unit", [0.0, 1e-12, 1e9])
def test_targets_on_quite_another_scale(loss, unit):
    """The mixture is solved for whatever the orders of magnitude."""
    rows, (X, y) = numbers_of("squared_error")
    source = HistGradientBoostingRegressor(loss=loss, max_iter=20).fit(*rows)
    model = TransferBoostingRegressor(source, max_iter=0).fit(X, 7.0 + y if unit == 0 else y * unit)
    told = model.predict(X)
    y = 7.0 + y if unit == 0 else y * unit
    assert np.abs(told - y).mean() <= 1.001 * np.abs(y - y.mean()).mean()
    constant = TransferBoostingRegressor(source).fit(X, np.full(len(X), 7.0))
    assert_array_equal(constant.predict(X), 7.0)


def test_values_beyond_float32_are_ordered():
    _, (X, y) = numbers_of("squared_error")
    expected = TransferBoostingRegressor(max_iter=5, cv=None).fit(X, y).train_score_
    X[np.argmax(X[:, 2]), 2] = 1e40
    told = TransferBoostingRegressor(max_iter=5, cv=None).fit(X, y)
    assert_allclose(told.train_score_, expected, rtol=0.05)


@pytest.mark.parametrize("name", ["l2", "mse", "rmse", "l1", "mae"])
def test_other_names_of_losses_of_lightgbm(name):
    rows, (X, y) = numbers_of("squared_error")
    source = lightgbm("LGBMRegressor", objective=name).fit(*rows)
    model = TransferBoostingRegressor(source, **AS_IS).fit(X, y)
    assert model.loss_ == ("absolute_error" if name in ("l1", "mae") else "squared_error")
    assert_allclose(model.predict(X), source.predict(X), rtol=1e-12)


def test_boosters_without_constant_leaves_are_asked_for_predictions_only():
    rows, (X, y) = numbers_of("squared_error")
    sources = [
        lightgbm("LGBMRegressor", linear_tree=True),
        xgboost("XGBRegressor", booster="gblinear"),
        xgboost("XGBRegressor", num_parallel_tree=2),
        xgboost("XGBRFRegressor"),
    ]
    for source in sources:
        source.fit(*rows)
        model = TransferBoostingRegressor(source, **AS_IS).fit(X, y)
        assert_allclose(model.predict(X), source.predict(X), rtol=1e-12)
        changed, kept = (
            TransferBoostingRegressor(source, decay=decay, max_iter=0).fit(X, y).predict(X)
            for decay in (0.0, 1.0)
        )
        assert_array_equal(changed, kept)


def test_a_loss_that_cannot_be_continued_must_be_named():
    rows, (X, y) = numbers_of("squared_error")
    source = HistGradientBoostingRegressor(loss="quantile", quantile=0.5, max_iter=5).fit(*rows)
    with pytest.raises(ValueError, match="'quantile', which cannot be continued: set loss"):
        TransferBoostingRegressor(source).fit(X, y)
    TransferBoostingRegressor(source, loss="absolute_error", max_iter=2).fit(X, y)
    other = HistGradientBoostingRegressor(loss="poisson", max_iter=5).fit(rows[0], np.exp(rows[1]))
    plain = HistGradientBoostingRegressor(max_iter=5).fit(*rows)
    with pytest.raises(ValueError, match="different losses"):
        TransferBoostingRegressor([other, plain]).fit(X, y)
    with pytest.raises(ValueError, match="needs y >= 0"):
        TransferBoostingRegressor(other).fit(X, y)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"start": "shift"}, ValueError, "start='shift' is not one of"),
        ({"decay": 1.5}, ValueError, "decay=1.5 must be at most 1"),
        ({"decay": -0.5}, ValueError, "decay=-0.5"),
        ({"loss": "huber"}, ValueError, "loss='huber' is not one of"),
        ({"max_iter": 2.5}, TypeError, "max_iter must be an integer"),
        ({"cv": 1}, ValueError, "cv=1"),
        ({"subsample": 0.0}, ValueError, "subsample=0.0"),
        ({"max_depth": 0}, ValueError, "max_depth=0"),
    ],
)
def test_wrong_parameters(options, error, message):
    with pytest.raises(error, match=message):
        TransferBoostingRegressor(**options).fit(np.eye(4), np.arange(4.0))
