"""Changes of the structure of trees against plain recursive implementations."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skmtl import TransferTreeClassifier, TransferTreeRegressor
from skmtl.transfer.trees.arrays import FlatTrees, TreeArrays
from skmtl.transfer.trees.expand_reduce import expand, expand_reduce
from skmtl.transfer.trees.leaves import Prior, Targets
from skmtl.transfer.trees.ranks import RankedTable
from skmtl.transfer.trees.structure import (
    Draws,
    LabelLikeness,
    NumberLikeness,
    rethreshold,
)

KINDS = ("numbers", "labels")


def problem(kind, seed=0, n=50, n_leaves=6):
    """A source's tree with values, and target rows: one feature has ties."""
    rng = np.random.default_rng(seed)
    X, Z = rng.standard_normal((2, n, 3)).astype(np.float32)
    X[:, 2], Z[:, 2] = np.round(X[:, 2]), np.round(Z[:, 2])
    y, z = (T[:, 0] * T[:, 1] + T[:, 2] + 0.2 * rng.standard_normal(n) for T in (X, Z))
    model, n_classes = DecisionTreeRegressor, None
    if kind == "labels":
        y, z = (np.digitize(t, [-0.5, 0.7]) for t in (y, z))
        model, n_classes = DecisionTreeClassifier, 3
    tree = model(max_leaf_nodes=n_leaves, random_state=0).fit(X, y).tree_
    weights = rng.integers(0, 3, n).astype(float)
    return tree, tree.value[:, 0].copy(), Z, Targets(z, weights, n_classes)


def drawn(targets):
    """Draws of one tree from the rows that have a weight, and their targets."""
    rows = np.flatnonzero(targets.weights)
    draws = Draws(rows, np.zeros(len(rows), dtype=int), np.zeros(1, dtype=int))
    return draws, targets.take(rows, targets.weights[rows])


def expanded(tree, leaf, X, targets, max_features, seed=0):
    """`expand` for one tree; leaves of all rows."""
    draws, own = drawn(targets)
    options = max_features, [np.random.RandomState(seed)]
    return expand([tree], leaf[draws.rows], RankedTable(X), draws, own, *options)


def restructured(tree, values, X, targets):
    """`rethreshold` for one tree: arrays, and the leaves of the rows with a weight."""
    draws, own = drawn(targets)
    arrays, _ = TreeArrays.of([tree])
    weights = np.where(tree.children_left < 0, tree.weighted_n_node_samples, 0)
    likeness = LabelLikeness if targets.n_classes else NumberLikeness
    leaf = rethreshold(arrays, likeness([(values, weights)], [own]), RankedTable(X), draws)
    return arrays, leaf


def impurity(Y, w):
    """Weighted squared distance to the mean: of label vectors, the weight times Gini's index."""
    return 0.0 if w.sum() == 0 else float(w @ ((Y - w @ Y / w.sum()) ** 2).sum(axis=1))


def possible_cuts(x):
    values = np.unique(x[~np.isnan(x)])
    return 0.5 * (values[1:].astype(float) + values[:-1])


def leaf_of(arrays, x):
    node = 0
    while arrays.left[node] >= 0:
        left = x[arrays.feature[node]] <= arrays.threshold[node]
        node = arrays.left[node] if left else arrays.right[node]
    return node


@pytest.mark.parametrize("kind", KINDS)
def test_expansion_splits_best_until_nothing_is_left(kind):
    tree, _, X, targets = problem(kind)
    arrays, origin, node = expanded(tree, tree.apply(X), X, targets, X.shape[1])
    rows, Y, w = np.flatnonzero(targets.weights), targets.matrix(), targets.weights
    assert_array_equal(node, [leaf_of(arrays, X[i]) for i in rows])
    inner = np.flatnonzero(tree.children_left >= 0)
    assert_array_equal(arrays.left[inner], tree.children_left[inner])

    def check(at, inside):
        """`inside` are the rows of a node in an expanded leaf."""
        cuts = [(f, c) for f in range(X.shape[1]) for c in possible_cuts(X[inside, f])]
        if arrays.left[at] < 0:
            assert not cuts or len(np.unique(targets.y[inside])) == 1
            return
        loss = []
        for feature, cut in cuts:
            left = X[inside, feature] <= cut
            loss.append(sum(impurity(Y[p], w[p]) for p in (inside[left], inside[~left])))
        left = X[inside, arrays.feature[at]] <= arrays.threshold[at]
        sides = inside[left], inside[~left]
        assert_allclose(sum(impurity(Y[p], w[p]) for p in sides), min(loss), atol=1e-9)
        assert origin[arrays.left[at]] == origin[arrays.right[at]] == origin[at]
        check(arrays.left[at], sides[0])
        check(arrays.right[at], sides[1])

    leaf = tree.apply(X)[rows]
    for at in np.unique(leaf):
        check(at, rows[leaf == at])


def test_one_feature_at_a_depth_is_enough_where_all_must_be_tried():
    rng = np.random.default_rng(0)
    X = np.zeros((20, 6), dtype=np.float32)
    X[:, 3] = np.arange(20)
    tree = DecisionTreeRegressor().fit(X[:1], [0.0]).tree_
    targets = Targets(rng.standard_normal(20), np.ones(20))
    arrays, *_ = expanded(tree, np.zeros(20, int), X, targets, 1)
    assert (arrays.left < 0).sum() == 20


def reduce_by_recursion(grown, source, at_leaf, X, targets, prior):
    """Values of the leaves that stay, from a grown tree and the source's values of its nodes."""
    Y, w, m = targets.matrix(), targets.weights, prior.strength

    def error(value, inside):
        if targets.n_classes:
            return w[inside] @ (targets.y[inside] != value.argmax())
        return w[inside] @ (Y[inside, 0] - value[0]) ** 2

    def reduce(at, inside, above):
        """Error of the subtree of a node after its reduction, and the values of its leaves."""
        n, total = w[inside].sum(), w[inside] @ Y[inside]
        d = 0.0
        if prior.kind == "path":
            d = (w[inside] @ (Y[inside] - source[at_leaf[inside]]) + m * above) / (n + m)
        if grown.left[at] < 0:
            value = source[at] + d if prior.kind == "path" else (total + m * source[at]) / (n + m)
            return error(value, inside), {at: value}
        left = X[inside, grown.feature[at]] <= grown.threshold[at]
        error_left, leaves_left = reduce(grown.left[at], inside[left], d)
        error_right, leaves_right = reduce(grown.right[at], inside[~left], d)
        subtree = error_left + error_right
        alone = (total + m * (source[at] + above)) / (n + m)
        if left.any() and not left.all() and error(alone, inside) <= subtree:
            return error(alone, inside), {at: alone}
        return subtree, leaves_left | leaves_right

    return reduce(0, np.flatnonzero(w), 0.0)[1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prior", [Prior("leaf", 2.0), Prior("path", 3.0)])
def test_reduction_by_recursion(kind, prior):
    for seed in range(4):
        tree, values, X, targets = problem(kind, seed)
        leaf, root = tree.apply(X), np.zeros(1, int)
        grown, origin, _ = expanded(tree, leaf, X, targets, 2, seed)
        at_leaf = np.array([leaf_of(grown, x) for x in X])
        expected = reduce_by_recursion(grown, values[origin], at_leaf, X, targets, prior)
        draws, own = drawn(targets)
        options = prior, 2, [np.random.RandomState(seed)]
        arrays, new, weight, entries = expand_reduce(
            [tree], [values], leaf[draws.rows], RankedTable(X), draws, own, *options
        )
        told = np.array([leaf_of(arrays, x) for x in X])
        assert set(told) <= set(expected)
        for at in set(told):
            assert_allclose(new[at], expected[at], atol=1e-10)
        flat = FlatTrees([arrays] * 2, [root] * 2, [new] * 2, [tree] * 2, [entries] * 2)
        assert_allclose(flat.sum(X), 2 * new[told])
        assert_allclose(FlatTrees([arrays], [root], [new]).sum(X), new[told])
        assert_array_equal(flat.n_leaves(), [len(expected)] * 2)
        assert weight.sum() == weight[list(expected)].sum() == targets.weights.sum()


def entropy(p):
    p = p[p > 0]
    return -np.sum(p * np.log2(p))


def strut(arrays, at, inside, X, targets, values, scales):
    """Plain recursion of structure transfer on TreeArrays."""
    if arrays.left[at] < 0 or len(inside) < 2:
        return
    Y, w = targets.matrix(), targets.weights
    x = X[inside, arrays.feature[at]]
    cuts = possible_cuts(x)
    if len(cuts):
        gains = []
        for cut in cuts:
            sides = inside[x <= cut], inside[x > cut]
            if targets.n_classes:
                loss = sum(w[s].sum() * entropy(w[s] @ Y[s] / w[s].sum()) for s in sides)
            else:
                loss = sum(impurity(Y[s], w[s]) for s in sides)
            gains.append(-loss)
        best = (-np.inf, None, None)
        for i, cut in enumerate(cuts):
            around = gains[max(i - 1, 0) : i + 2]
            if gains[i] < max(around) - 1e-12:
                continue
            sides = inside[x <= cut], inside[x > cut]
            for swap in (False, True):
                children = (arrays.left[at], arrays.right[at])[:: -1 if swap else 1]
                unlike = 0.0
                for side, child in zip(sides, children, strict=True):
                    mean = w[side] @ Y[side] / w[side].sum()
                    if targets.n_classes:
                        q = values[child]
                        distance = entropy((mean + q) / 2) - (entropy(mean) + entropy(q)) / 2
                    else:
                        whole = w[inside] @ Y[inside] / w[inside].sum()
                        z = (mean - whole)[0] / scales[0]
                        distance = (z - (values[child] - values[at])[0] / scales[1]) ** 2
                    unlike += w[side].sum() / w[inside].sum() * distance
                if 1 - unlike > best[0] + 1e-12:
                    best = (1 - unlike, cut, swap)
        arrays.threshold[at] = best[1]
        if best[2]:
            arrays.left[at], arrays.right[at] = arrays.right[at], arrays.left[at]
            arrays.missing_left[at] ^= True
    left = X[inside, arrays.feature[at]] <= arrays.threshold[at]
    for child, side in ((arrays.left[at], inside[left]), (arrays.right[at], inside[~left])):
        strut(arrays, child, side, X, targets, values, scales)


def deviation(y, w):
    return np.sqrt(np.average((y - np.average(y, weights=w)) ** 2, weights=w))


@pytest.mark.parametrize("kind", KINDS)
def test_structure_transfer_by_recursion(kind):
    turned = 0
    for seed in range(5):
        tree, values, X, targets = problem(kind, seed, n_leaves=9)
        if seed % 2:
            X[:, 0] *= -1
        arrays, leaf = restructured(tree, values, X, targets)
        expected, _ = TreeArrays.of([tree])
        rows = np.flatnonzero(targets.weights)
        leaves = tree.children_left < 0
        scales = (
            deviation(targets.y, targets.weights),
            deviation(values[leaves, 0], tree.weighted_n_node_samples[leaves]),
        )
        strut(expected, 0, rows, X, targets, values, scales)
        for own, plain in zip(arrays, expected, strict=True):
            assert_array_equal(own, plain)
        assert_array_equal(leaf, [leaf_of(arrays, X[i]) for i in rows])
        turned += int((arrays.left != tree.children_left).sum())
    assert turned > 0


def test_level_and_scale_of_the_target_do_not_matter_to_structure():
    tree, values, X, targets = problem("numbers")
    one, _ = restructured(tree, values, X, targets)
    two, _ = restructured(tree, values, X, Targets(100 + 7 * targets.y, targets.weights))
    for a, b in zip(one, two, strict=True):
        assert_array_equal(a, b)


def test_structure_finds_a_moved_threshold():
    rng = np.random.default_rng(0)
    X, Z = rng.uniform(size=(2, 200, 2))
    source = DecisionTreeRegressor(max_leaf_nodes=2).fit(X, X[:, 0] > 0.3)
    z = 5.0 * (Z[:, 0] > 0.7)
    model = TransferTreeRegressor(source, method="structure", prior_strength=0.0).fit(Z, z)
    assert_allclose(model.predict(Z), z)
    turned = TransferTreeRegressor(source, method="structure", prior_strength=0.0).fit(Z, 5 - z)
    assert_allclose(turned.predict(Z), 5 - z)
    labels = np.where(Z[:, 0] > 0.7, "yes", "no")
    source = DecisionTreeClassifier(max_leaf_nodes=2).fit(X, np.where(X[:, 0] > 0.3, "yes", "no"))
    model = TransferTreeClassifier(source, method="structure").fit(Z, labels)
    assert_array_equal(model.predict(Z), labels)


def test_expansion_finds_what_the_source_does_not_know():
    rng = np.random.default_rng(0)
    X, Z = rng.uniform(size=(2, 300, 3))
    source = DecisionTreeRegressor(max_leaf_nodes=2).fit(X, X[:, 0] > 0.5)
    z = (Z[:, 0] > 0.5) + 3.0 * (Z[:, 1] > 0.5)
    options = {"method": "expand_reduce", "random_state": 0}
    model = TransferTreeRegressor(source, prior_strength=0.0, **options).fit(Z[:200], z[:200])
    assert np.mean((model.predict(Z[200:]) - z[200:]) ** 2) < 0.1
    # Constant targets: everything is reduced to the root.
    model.fit(Z, np.ones(300))
    assert_array_equal(model.n_leaves_, [1])


@pytest.mark.parametrize("kind", KINDS)
def test_missing_values_go_where_the_source_sends_them(kind):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((80, 3))
    X[::4, 0] = np.nan
    y = np.where(np.isnan(X[:, 0]), 3, X[:, 0] > 0).astype(float)
    make, transfer = (
        (DecisionTreeRegressor, TransferTreeRegressor)
        if kind == "numbers"
        else (DecisionTreeClassifier, TransferTreeClassifier)
    )
    source = make(max_depth=2, random_state=0).fit(X, y)
    for method in ("leaves", "expand_reduce", "structure"):
        model = transfer(source, method=method, prior_strength=0.0, random_state=0).fit(X, y)
        missing = np.isnan(X[:, 0])
        assert_allclose(model.predict(X[missing]), y[missing], atol=1e-9)


@pytest.mark.parametrize("method", ["expand_reduce", "structure"])
def test_any_weights_do(method):
    rng = np.random.default_rng(0)
    X, Z = rng.standard_normal((2, 150, 3))
    source = DecisionTreeClassifier(random_state=0).fit(X, np.digitize(X[:, 0], [-0.3, 0.3]))
    z, weights = np.digitize(Z[:, 0] + Z[:, 1], [-0.3, 0.3]), 10.0 ** rng.uniform(-8, 3, 150)
    model = TransferTreeClassifier(source, method=method, prior_strength=1.0, random_state=0)
    proba = model.fit(Z, z, sample_weight=weights).predict_proba(X)
    assert_allclose(proba.sum(axis=1), 1)


def test_ranks_sort_rows_in_their_nodes():
    rng = np.random.default_rng(0)
    X = np.round(rng.standard_normal((30, 2)), 1).astype(np.float32)
    X[::7, 0] = np.nan
    table = RankedTable(X)
    nodes = rng.integers(0, 4, 30)
    all_ranks = table.ranks.reshape(2, 30)
    positions, places, at = table.sort(nodes, 4, all_ranks)
    for feature in range(2):
        order = np.lexsort((np.arange(30), X[:, feature], nodes))
        assert_array_equal(positions[feature], order)
        assert_array_equal(at, nodes[order])
        assert_array_equal(places[feature], (at << 5) + all_ranks[feature, order])
    assert len(np.unique(all_ranks[0])) == len(np.unique(X[:, 0]))
