"""Transfer of trees and forests: leaf values by hand, limits, weights as copies, refusals."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmtl import (
    TransferForestClassifier,
    TransferForestRegressor,
    TransferTreeClassifier,
    TransferTreeRegressor,
)
from skmtl.model_selection import TargetKFold
from skmtl.transfer.trees import base, counts
from skmtl.transfer.trees.arrays import as_float32
from skmtl.transfer.trees.leaves import GRID

METHODS = ("leaves", "expand_reduce", "structure", "mix")
FORESTS = {"numbers": TransferForestRegressor, "labels": TransferForestClassifier}


def rows(seed, n, shift=0.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 4)).astype(np.float32)
    return X, X[:, 0] + np.abs(X[:, 1]) + shift + 0.3 * rng.standard_normal(n)


def labels(seed, n, shift=0.0, names=("a", "b", "c")):
    X, y = rows(seed, n, shift)
    return X, np.array(names)[np.digitize(y, [0.3, 1.5])]


def problem(kind, n_target=30):
    """A source forest, and rows of the target."""
    if kind == "numbers":
        source = RandomForestRegressor(8, min_samples_leaf=3, random_state=0)
        return source.fit(*rows(0, 80)), *rows(1, n_target, 0.7)
    source = RandomForestClassifier(8, min_samples_leaf=3, random_state=0)
    return source.fit(*labels(0, 80)), *labels(1, n_target, 0.7)


def tell(model, X):
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


def leaf_only(kind, source, **options):
    return FORESTS[kind](source, n_new_trees=0, **options)


def as_matrix(kind, y, classes):
    return y[:, None] if kind == "numbers" else (y[:, None] == classes).astype(float)


def by_hand(kind, source, X, Y, w, strength, prior, X_new):
    """Predictions by loops over trees, rows and the nodes of their paths."""
    out = np.zeros((len(X_new), Y.shape[1]))
    for member in source.estimators_:
        tree = member.tree_
        values = tree.value[:, 0]
        paths, new_paths = (member.decision_path(Z).toarray() > 0 for Z in (X, X_new))
        leaf, new_leaf = tree.apply(X), tree.apply(X_new)
        for i in range(len(X_new)):
            v = values[new_leaf[i]]
            nodes = np.flatnonzero(new_paths[i]) if prior == "path" else [new_leaf[i]]
            d = np.zeros(Y.shape[1])
            for node in nodes:  # ids grow along a path
                inside = np.flatnonzero(paths[:, node])
                n = w[inside].sum()
                if n + strength > 0:
                    total = w[inside] @ (Y[inside] - values[leaf[inside]])
                    d = (total + strength * d) / (n + strength)
            out[i] += (v + d) / len(source.estimators_)
    if kind == "labels":
        out = np.maximum(out, 0)
        out /= out.sum(axis=1, keepdims=True)
    return out


@parametrize_with_checks(
    [
        TransferForestRegressor(n_new_trees=8),
        TransferForestClassifier(n_new_trees=8),
        TransferTreeRegressor(),
        TransferTreeClassifier(),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("kind", FORESTS)
@pytest.mark.parametrize("prior", ["leaf", "path"])
@pytest.mark.parametrize("strength", [0.0, 0.7, 10.0])
def test_leaf_values_by_hand(kind, prior, strength):
    source, X, y = problem(kind)
    w = np.random.default_rng(2).uniform(0.2, 2.0, len(y))
    X_new = rows(3, 20)[0]
    model = leaf_only(kind, source, prior=prior, prior_strength=strength)
    model.fit(X, y, sample_weight=w)
    Y = as_matrix(kind, y, source.classes_ if kind == "labels" else None)
    expected = by_hand(kind, source, X, Y, w, strength, prior, X_new)
    told = tell(model, X_new)
    assert_allclose(told if kind == "labels" else told[:, None], expected, atol=1e-10)


@pytest.mark.parametrize("kind", FORESTS)
@pytest.mark.parametrize("prior", ["leaf", "path"])
@pytest.mark.parametrize("whole", [True, False])
def test_leave_one_out_is_exact(kind, prior, whole):
    source, X, y = problem(kind, 15)
    rng = np.random.default_rng(3)
    w = rng.integers(1, 4, len(y)).astype(float) if whole else rng.uniform(0.3, 2.0, len(y))
    for strength in (0.0, 1.5):
        model = leaf_only(kind, source, prior=prior, prior_strength=strength)
        held_out = clone(model).fit(X, y, sample_weight=w).held_out_prediction_
        for i in range(len(y)):
            rest = w.copy()
            rest[i] = w[i] - 1 if whole else 0.0
            expected = tell(model.fit(X, y, sample_weight=rest), X[[i]])[0]
            assert_allclose(held_out[i], expected, atol=1e-9)


@pytest.mark.parametrize("kind", FORESTS)
def test_auto_takes_the_least_leave_one_out_error(kind):
    source, X, y = problem(kind)
    Y = as_matrix(kind, y, source.classes_ if kind == "labels" else None)

    def error(model):
        return np.sum((model.held_out_prediction_.reshape(Y.shape) - Y) ** 2)

    chosen = leaf_only(kind, source).fit(X, y)
    found = [
        error(leaf_only(kind, source, prior=prior, prior_strength=strength).fit(X, y))
        for prior in ("leaf", "path")
        for strength in GRID
    ]
    assert_allclose(error(chosen), min(found))


def test_auto_keeps_a_perfect_source():
    X, y = rows(0, 200)
    source = RandomForestRegressor(10, max_depth=4, random_state=0).fit(X, y)
    Z = rows(1, 40)[0]
    model = TransferForestRegressor(source, random_state=0).fit(Z, source.predict(Z))
    assert model.prior_strength_ == np.inf
    assert model.new_tree_share_ == 0
    assert_allclose(model.source_weights_, 1)


@pytest.mark.parametrize("kind", FORESTS)
@pytest.mark.parametrize("method", METHODS)
def test_infinite_prior_is_the_source(kind, method):
    source, X, y = problem(kind)
    model = leaf_only(kind, source, method=method, prior_strength=np.inf).fit(X, y)
    X_new = rows(3, 50)[0]
    assert_allclose(tell(model, X_new), tell(source, X_new), atol=1e-12)
    assert_allclose(model.source_weights_, 1)


def test_no_prior_is_the_mean_of_the_target():
    X, y = rows(0, 80)
    source = DecisionTreeRegressor(max_leaf_nodes=6, random_state=0).fit(X, y)
    Z, z = rows(1, 60, 2.0)
    leaf = source.apply(Z)
    model = TransferTreeRegressor(source, prior_strength=0.0).fit(Z, z)
    expected = [z[leaf == own].mean() for own in leaf]
    assert_allclose(model.predict(Z), expected)
    assert_allclose(model.source_weights_, 0, atol=1e-15)


def test_one_row_changes_only_its_leaves():
    source, X, _ = problem("numbers")
    row = X[:1] + 50
    model = leaf_only("numbers", source, prior="leaf", prior_strength=1.0).fit(row, [100.0])
    X_new = rows(3, 50)[0]
    apart = (source.apply(X_new) != source.apply(row)).all(axis=1)
    assert apart.sum() > 0
    assert_allclose(model.predict(X_new[apart]), source.predict(X_new[apart]))
    assert model.predict(row)[0] > source.predict(row)[0] + 10


def test_a_common_shift_reaches_leaves_without_rows():
    source, X, _ = problem("numbers")
    model = leaf_only("numbers", source, prior="path", prior_strength=0.0)
    model.fit(X[:3], source.predict(X[:3]) + 5)
    new = rows(3, 50)[0]
    assert np.mean(model.predict(new) - source.predict(new)) > 3


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", FORESTS)
def test_weights_are_copies_and_order_means_nothing(kind, method):
    source, X, y = problem(kind)
    w = np.random.default_rng(4).integers(0, 4, len(y))
    shuffled = np.random.default_rng(5).permutation(np.repeat(np.arange(len(y)), w))
    options = {"method": method, "n_new_trees": 5, "random_state": 0}
    weighted = FORESTS[kind](source, **options).fit(X, y, sample_weight=w)
    copied = FORESTS[kind](source, **options).fit(X[shuffled], y[shuffled])
    X_new = rows(3, 30)[0]
    assert_allclose(tell(weighted, X_new), tell(copied, X_new), atol=1e-10)
    assert_allclose(weighted.source_weights_, copied.source_weights_)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", FORESTS)
def test_sources_stay_as_they_are_and_jobs_change_nothing(kind, method):
    source, X, y = problem(kind)
    source.set_params(n_estimators=40).fit(*(rows(0, 60) if kind == "numbers" else labels(0, 60)))
    before = pickle.dumps(source)
    options = {"method": method, "n_new_trees": 20, "random_state": 0}
    one = FORESTS[kind](source, **options).fit(X, y)
    two = FORESTS[kind](source, n_jobs=2, **options).fit(X, y)
    X_new = rows(3, 30)[0]
    assert_array_equal(tell(one, X_new), tell(two, X_new))
    assert_array_equal(tell(pickle.loads(pickle.dumps(one)), X_new), tell(one, X_new))
    assert pickle.dumps(source) == before
    # Any batch of rows gets the same predictions as row by row.
    single = np.concatenate([tell(one, X_new[[i]]) for i in range(5)])
    assert_allclose(single, tell(one, X_new)[:5], atol=1e-12)
    assert 0 <= one.source_weights_[0] <= 1 - one.new_tree_share_ + 1e-12


@pytest.mark.parametrize("method", METHODS)
def test_labels_that_one_side_lacks(method):
    X, y = labels(0, 80)
    source = RandomForestClassifier(8, random_state=0).fit(X, y)
    Z, z = labels(1, 30, names=("b", "b", "d"))
    model = TransferForestClassifier(source, method=method, random_state=0).fit(Z, z)
    assert_array_equal(model.classes_, ["a", "b", "c", "d"])
    proba = model.predict_proba(Z)
    assert_allclose(proba.sum(axis=1), 1)
    assert proba.min() >= 0
    assert set(model.predict(Z)) >= {"b", "d"}
    leaf = leaf_only("labels", source, prior="leaf", prior_strength=2.0).fit(Z, z)
    told = leaf.predict_proba(Z)
    assert (told[:, 0] > 0).any()  # the target lacks "a": its share of the prior stays
    assert (told[:, 3][z == "d"] > 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_missing_values(method):
    X, y = rows(0, 100)
    X[::5, 0] = np.nan
    Z, z = rows(1, 40, 0.5)
    Z[::3, 1] = np.nan
    source = RandomForestRegressor(5, random_state=0).fit(X, y)
    model = TransferForestRegressor(source, method=method, n_new_trees=3, random_state=0)
    assert np.isfinite(model.fit(Z, z).predict(Z)).all()
    with pytest.raises(ValueError, match="contains NaN, but source 0 does not take missing"):
        as_float32(Z, allows_nan=False, label="source 0")
    with pytest.raises(ValueError, match="in sparse tables"):
        model.fit(sparse.csr_matrix(Z), z)


@pytest.mark.parametrize("method", METHODS)
def test_sparse_rows_as_dense_ones(method):
    source, X, y = problem("numbers")
    X = np.where(X > 0, X, 0)
    given = sparse.csr_matrix(X)
    before = given.copy()
    options = {"method": method, "n_new_trees": 0, "random_state": 0}
    dense = TransferForestRegressor(source, **options).fit(X, y)
    thin = TransferForestRegressor(source, **options).fit(given, y)
    if method == "leaves":
        assert_allclose(thin.predict(given), dense.predict(X))
    assert_allclose(thin.predict(sparse.csc_array(X)), thin.predict(X))
    assert_array_equal(given.indices, before.indices)
    assert_array_equal(given.data, before.data)


@pytest.mark.parametrize("method", METHODS)
def test_frames_match_features_by_name(method):
    X, y = rows(0, 80)
    names = ["a", "b", "c", "d"]
    source = RandomForestRegressor(5, random_state=0).fit(pd.DataFrame(X, columns=names), y)
    Z, z = rows(1, 30)
    frame = pd.DataFrame(Z, columns=names)
    options = {"method": method, "n_new_trees": 0, "prior_strength": 1.0, "random_state": 0}
    straight = TransferForestRegressor(source, **options).fit(frame, z).predict(frame)
    turned = frame[["d", "b", "a", "c"]].assign(e=1.0)
    moved = TransferForestRegressor(source, **options).fit(turned, z).predict(turned)
    if method in ("leaves", "structure"):  # without draws of rows or features in another order
        assert np.corrcoef(straight, moved)[0, 1] > 0.8
    if method == "leaves":
        assert_allclose(straight, moved)


def test_three_ways_to_give_sources():
    (X, y), (Z, z), (X2, y2) = rows(0, 60), rows(1, 25, 0.5), rows(2, 40, -1.0)
    template = RandomForestRegressor(6, random_state=0)
    models = {"old": clone(template).fit(X, y), "new": clone(template).fit(X2, y2)}
    options = {"n_new_trees": 4, "random_state": 0}
    fitted = TransferForestRegressor(models, **options).fit(Z, z)
    options["source_estimator"] = template
    given = TransferForestRegressor(source_rows={"old": (X, y), "new": (X2, y2)}, **options)
    given.fit(Z, z)
    table = np.column_stack([np.repeat([3, 7, 5], [60, 25, 40]), np.vstack([X, Z, X2])])
    one = TransferForestRegressor(task_column=0, target_task=7, **options)
    one.fit(table, np.concatenate([y, z, y2]))
    assert_allclose(fitted.predict(Z), given.predict(Z))
    assert_allclose(fitted.predict(Z), one.predict(table[60:85]), rtol=1e-6)
    assert fitted.source_names_ == ["old", "new"]
    assert one.source_names_ == [3, 5]
    assert len(fitted.n_leaves_) == 6 + 6 + 4
    assert fitted.source_weights_.shape == (2,)
    own = TransferForestRegressor(source_rows=(X, y), **(options | {"source_estimator": None}))
    assert len(own.fit(Z, z).n_leaves_) == 104


def test_kinds_of_sources():
    X, y = rows(0, 60)
    Z, z = rows(1, 25)
    trees = [
        DecisionTreeRegressor(max_leaf_nodes=8, random_state=0),
        ExtraTreeRegressor(random_state=0),
        ExtraTreesRegressor(4, random_state=0),
        RandomForestRegressor(4, criterion="poisson", random_state=0),
    ]
    for source in trees:
        target = np.exp(y) if getattr(source, "criterion", "") == "poisson" else y
        source.fit(X, target)
        for method in METHODS:
            model = TransferForestRegressor(source, method=method, n_new_trees=2, random_state=0)
            assert np.isfinite(model.fit(Z, z).predict(Z)).all()
    together = TransferForestRegressor(trees, n_new_trees=0).fit(Z, z)
    assert len(together.n_leaves_) == 1 + 1 + 4 + 4
    classifier = ExtraTreesClassifier(3, random_state=0).fit(*labels(0, 60))
    single = DecisionTreeClassifier(random_state=0).fit(*labels(0, 60))
    Z, z = labels(1, 25)
    for method in METHODS:
        TransferTreeClassifier(single, method=method, random_state=0).fit(Z, z)
        TransferForestClassifier([classifier, single], method=method, random_state=0).fit(Z, z)


def test_what_is_refused():
    X, y = rows(0, 40)
    with pytest.raises(TypeError, match="neither a tree nor a forest"):
        TransferForestRegressor(GradientBoostingRegressor().fit(X, y)).fit(X, y)
    double = RandomForestRegressor(2).fit(X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match="2 outputs"):
        TransferForestRegressor(double).fit(X, y)
    source = RandomForestRegressor(2, random_state=0).fit(X, y)
    for options, error, message in (
        ({"method": "prune"}, ValueError, "method='prune'"),
        ({"prior": "root"}, ValueError, "prior='root'"),
        ({"prior_strength": "many"}, ValueError, "prior_strength='many'"),
        ({"prior_strength": -1.0}, ValueError, "prior_strength=-1.0"),
        ({"n_new_trees": 1.5}, TypeError, "n_new_trees"),
        ({"new_tree_share": 1.5}, ValueError, "new_tree_share=1.5"),
        ({"new_tree_share": "half"}, ValueError, "new_tree_share='half'"),
    ):
        with pytest.raises(error, match=message):
            TransferForestRegressor(source, **options).fit(X, y)
    with pytest.raises(ValueError, match="too large"):
        TransferForestRegressor(source).fit(np.full((3, 4), 1e300), [0.0, 1.0, 2.0])


def test_share_of_new_trees():
    source, X, y = problem("numbers")
    options = {"n_new_trees": 24, "random_state": 0}
    only = TransferForestRegressor(source, new_tree_share=1.0, **options).fit(X, y)
    none = TransferForestRegressor(source, new_tree_share=0.0, **options).fit(X, y)
    counted = TransferForestRegressor(source, new_tree_share="count", **options).fit(X, y)
    assert counted.new_tree_share_ == 24 / 32
    mixed = 0.75 * only.predict(X) + 0.25 * none.predict(X)
    assert_allclose(counted.predict(X), mixed)
    assert_allclose(only.source_weights_, 0)
    # A source of noise gives way to the target's own trees.
    rng = np.random.default_rng(0)
    noise = RandomForestRegressor(8, random_state=0).fit(
        rows(0, 80)[0], 9 * rng.standard_normal(80)
    )
    Z, z = rows(1, 200)
    assert TransferForestRegressor(noise, random_state=0).fit(Z, z).new_tree_share_ > 0.7


@pytest.mark.parametrize("kind", FORESTS)
def test_plain_forest_without_a_source(kind):
    source, X, y = problem(kind, 120)
    model = FORESTS[kind](random_state=0, n_new_trees=30).fit(X[:80], y[:80])
    plain = type(source)(30, random_state=0).fit(X[:80], y[:80])
    assert model.score(X[80:], y[80:]) > plain.score(X[80:], y[80:]) - 0.1
    assert model.source_weights_.shape == (0,)
    assert model.held_out_prediction_ is None


def test_grid_search_on_folds_of_the_target():
    (X, y), (Z, z) = rows(0, 60), rows(1, 24, 1.0)
    table = np.column_stack([np.repeat([0, 1], [60, 24]), np.vstack([X, Z])])
    model = TransferForestRegressor(
        source_estimator=RandomForestRegressor(4, random_state=0),
        n_new_trees=2,
        task_column=0,
        target_task=1,
        random_state=0,
    )
    grid = {"method": list(METHODS), "prior_strength": [0.5, np.inf]}
    cv = TargetKFold(2, target_task=1, task_column=0)
    search = GridSearchCV(model, grid, cv=cv).fit(table, np.concatenate([y, z]))
    assert search.best_params_["prior_strength"] == 0.5
    sources = [FrozenEstimator(RandomForestRegressor(3, random_state=0).fit(X, y))]
    search = GridSearchCV(TransferForestRegressor(sources[0]), {"source": sources}, cv=2)
    assert np.isfinite(search.fit(Z, z).best_score_)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("y", [[3.0], [3.0, 3.0, 3.0], [1e9, 1e9 + 1, 1e9 + 2]])
def test_few_and_constant_targets(method, y):
    source = problem("numbers")[0]
    X = rows(1, len(y))[0]
    for strength in (0.0, 1.0, "auto"):
        model = TransferForestRegressor(source, method=method, prior_strength=strength)
        model.set_params(n_new_trees=3, random_state=0).fit(X, y)
        assert np.isfinite(model.predict(X)).all()


def test_random_state_and_copies_of_it():
    source, X, y = problem("numbers")
    model = TransferForestRegressor(source, method="mix", n_new_trees=3, random_state=7)
    twin = copy.deepcopy(model).fit(X, y).predict(X)
    assert_array_equal(model.fit(X, y).predict(X), twin)
    other = clone(model).set_params(random_state=8).fit(X, y).predict(X)
    assert not np.allclose(other, twin)


@pytest.mark.parametrize("kind", FORESTS)
@pytest.mark.parametrize("method", METHODS)
def test_how_many_trees_are_treated_at_once_changes_nothing(kind, method, monkeypatch):
    source, X, y = problem(kind)
    options = {"method": method, "n_new_trees": 0, "random_state": 0}
    together = FORESTS[kind](source, **options).fit(X, y)
    monkeypatch.setattr(counts, "VALUES_AT_ONCE", 1)
    monkeypatch.setattr(counts, "LEAVES_KEPT", 0)
    monkeypatch.setattr(base, "ROWS_AT_ONCE", 1)
    one = FORESTS[kind](source, **options).fit(X, y)
    X_new = rows(3, 30)[0]
    assert (one.prior_, one.prior_strength_) == (together.prior_, together.prior_strength_)
    assert_allclose(tell(one, X_new), tell(together, X_new), atol=1e-10)
    assert_allclose(one.held_out_prediction_, together.held_out_prediction_, atol=1e-10)
    assert_allclose(one.source_weights_, together.source_weights_)
    assert_array_equal(one.n_leaves_, together.n_leaves_)


@pytest.mark.parametrize("kind", FORESTS)
def test_some_of_many_rows_choose_the_prior(kind, monkeypatch):
    monkeypatch.setattr(counts, "ROWS_TO_CHOOSE", 25)
    source, X, y = problem(kind, 100)
    order = np.lexsort(X.T)  # all rows are given in an order of their own
    X, y = X[order], y[order]
    model = leaf_only(kind, source)
    model.fit(X, y)
    Y = as_matrix(kind, y, source.classes_ if kind == "labels" else None)
    errors = {}
    content = np.column_stack([X.astype(float), np.unique(y, return_inverse=True)[1]])
    if kind == "numbers":
        content[:, -1] = y
    told_by = np.argsort(content.view(f"V{content.itemsize * 5}").ravel())[::4]
    for prior in ("leaf", "path"):
        for strength in GRID:
            fitted = leaf_only(kind, source, prior=prior, prior_strength=strength).fit(X, y)
            told = fitted.held_out_prediction_.reshape(Y.shape)
            errors[prior, strength] = np.sum((told - Y)[told_by] ** 2)
    assert_allclose(errors[model.prior_, model.prior_strength_], min(errors.values()))


@pytest.mark.parametrize("kind", FORESTS)
def test_a_search_grows_the_sources_own_trees_once(kind, monkeypatch):
    (X, y), (Z, z) = (rows if kind == "numbers" else labels)(0, 60), problem(kind)[1:]
    grown, grow = [], base.grow_trees
    monkeypatch.setattr(base, "grow_trees", lambda X, *a: grown.append(len(X)) or grow(X, *a))
    model = FORESTS[kind](source_rows=(X, y), n_new_trees=3, method="structure", random_state=0)
    plain = tell(model.fit(Z, z), X)
    model._memory = {}
    assert_array_equal(tell(model.fit(Z, z), X), plain)
    assert_array_equal(tell(model.fit(Z, z), X), plain)
    assert grown == [60, 30, 60, 30, 30]


@pytest.mark.parametrize("kind", FORESTS)
def test_some_of_many_trees_choose_the_prior(kind, monkeypatch):
    monkeypatch.setattr(counts, "VALUES_AT_ONCE", 1)
    source, X, y = problem(kind)
    monkeypatch.setattr(counts, "PAIRS_TO_CHOOSE", 2 * len(y))
    part = copy.deepcopy(source)
    part.estimators_ = source.estimators_[::4]
    some = leaf_only(kind, part).fit(X, y)
    model = leaf_only(kind, source).fit(X, y)
    assert (model.prior_, model.prior_strength_) == (some.prior_, some.prior_strength_)
    told = leaf_only(kind, source, prior=model.prior_, prior_strength=model.prior_strength_)
    assert_allclose(model.held_out_prediction_, told.fit(X, y).held_out_prediction_)
