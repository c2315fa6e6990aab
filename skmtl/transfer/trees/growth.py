"""Trees grown on rows of the target alone, and bootstraps that know weights as copies."""

import numpy as np
from scipy import sparse
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skmtl.transfer.trees.arrays import LeafValues, in_blocks

MOST_SEED = np.iinfo(np.int32).max


def merged(X, targets):
    """Distinct rows in an order of their own, with added weights.

    What chance does to them is then the same for a row of weight k as for k equal rows, and for
    rows in any order.
    """
    y = targets.y + 0.0 if targets.n_classes is None else targets.y
    if sparse.issparse(X):
        spans = zip(X.indptr[:-1], X.indptr[1:], strict=True)
        pairs = [(X.indices[a:b].tobytes(), X.data[a:b].tobytes(), b"|") for a, b in spans]
        keys = np.array([b"|".join(pair) for pair in pairs])  # arrays drop zero bytes at the end
        keys = np.unique(keys, return_inverse=True)[1].reshape(-1, 1)
        content = np.column_stack([keys, y])
    else:
        X = X + np.float32(0)  # no negative zeros
        X[np.isnan(X)] = np.nan  # one kind of NaN
        content = np.column_stack([X.astype(np.float64), y])
    rows = np.ascontiguousarray(content).view(f"V{content.itemsize * content.shape[1]}").ravel()
    _, first, codes = np.unique(rows, return_index=True, return_inverse=True)
    weights = np.bincount(codes.ravel(), targets.weights)
    return X[first], targets.take(first, weights), codes.ravel()


def bootstrap(weights, rng):
    """How often each row is drawn: as many draws as the total weight, at least one per row."""
    draws = max(round(weights.sum()), len(weights))
    return rng.multinomial(draws, weights / weights.sum()).astype(np.float64)


def seeds_of(random_state, n_trees):
    return random_state.randint(MOST_SEED, size=n_trees)


class HeldOut:
    """Sum of predictions for the rows that trees did not have, and how many trees these are."""

    def __init__(self, n_rows, n_outputs):
        self.total, self.count = np.zeros((n_rows, n_outputs)), np.zeros(n_rows)

    def add(self, rows, values):
        self.total[rows] += values
        self.count[rows] += 1

    def join(self, other):
        self.total += other.total
        self.count += other.count

    def mean(self, otherwise):
        """Means of shape (n_rows, n_outputs); `otherwise` of rows that every tree had."""
        known = self.count > 0
        count = np.where(known, self.count, 1.0)[:, None]
        return np.where(known[:, None], self.total / count, otherwise)


def grow_trees(X, targets, seeds, n_jobs, bootstrapped=True):
    """Trees of full depth on distinct rows; `LeafValues`, and what they say of rows held out.

    Splits are the best ones among a third of the features (numbers) or their square root
    (labels); one tree that is not bootstrapped looks at all features.
    """
    if targets.n_classes is None:
        learner, share = DecisionTreeRegressor, 1 / 3
    else:
        learner, share = DecisionTreeClassifier, "sqrt"

    def of_block(first, last):
        trees, values = [], []
        held_out = HeldOut(len(targets), targets.n_outputs)
        for seed in seeds[first:last].tolist():
            rng = np.random.RandomState(seed)
            weights = bootstrap(targets.weights, rng) if bootstrapped else targets.weights
            rows = np.flatnonzero(weights)
            model = learner(max_features=share if bootstrapped else None, random_state=rng)
            tree = model.fit(X[rows], targets.y[rows], sample_weight=weights[rows]).tree_
            own = tree.value[:, 0, :].astype(np.float64)
            if targets.n_classes is not None:
                spread = np.zeros((len(own), targets.n_classes))
                spread[:, model.classes_] = own / own.sum(axis=1, keepdims=True)
                own = spread
            trees.append(tree)
            values.append(own)
            others = np.flatnonzero(weights == 0)
            held_out.add(others, own.take(tree.apply(X[others]), axis=0))
        return trees, values, held_out

    trees, values, blocks = zip(*in_blocks(of_block, len(seeds), n_jobs), strict=True)
    held_out = HeldOut(len(targets), targets.n_outputs)
    for block in blocks:
        held_out.join(block)
    grown = [[item for block in parts for item in block] for parts in (trees, values)]
    return LeafValues(*grown), held_out
