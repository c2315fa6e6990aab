"""Fitted gradient boosting as a sum of trees: what each tree adds, and in which leaf rows are.

Only public methods are asked, so predictions are those of the source itself, whatever units or
bins it uses inside. A source that is no boosting has a raw prediction, but no trees.
"""

import warnings

import numpy as np
from scipy.special import logsumexp
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)

from skmtl.transfer.boosting.losses import LEAST_SHARE
from skmtl.transfer.sources import softmax, two_columns

ROUNDING = 16 * np.finfo(float).eps  # of an increment, relative to the sums that it is between
SAME = 1e-5  # relative error up to which trees, some of float32, must add up to the predictions
LOSSES = {  # of a source: the loss to continue with, None if it has to be named
    "squared_error": "squared_error",
    "absolute_error": "absolute_error",
    "poisson": "poisson",
    "gamma": "poisson",  # the same link; its Newton steps are those of a mean as well
    "huber": None,
    "quantile": None,
    **dict.fromkeys(("regression", "regression_l2", "l2", "l2_root"), "squared_error"),
    **dict.fromkeys(("mean_squared_error", "mse"), "squared_error"),
    **dict.fromkeys(("root_mean_squared_error", "rmse"), "squared_error"),
    **dict.fromkeys(("regression_l1", "l1", "mean_absolute_error", "mae"), "absolute_error"),
    "tweedie": "poisson",
    "reg:squarederror": "squared_error",
    "reg:absoluteerror": "absolute_error",
    "count:poisson": "poisson",
    "reg:gamma": "poisson",
    "reg:tweedie": "poisson",
}
LINKS_OF_CLASSES = {"log_loss", "exponential", "binary", "multiclass"} | {
    "binary:logistic",
    "multi:softprob",
    "multi:softmax",
}


class Trees:
    """Rows as the trees of a source see them.

    Attributes
    ----------
    increments : ndarray of shape (n_rows, n_trees, n_columns)
        What every tree adds to the raw prediction. The first may hold a constant too.
    leaves : int ndarray of the same shape
        Number of the leaf; -1 for one that no row of the fit was in.
    """

    def __init__(self, increments, leaves):
        self.increments, self.leaves = increments, leaves


class OtherSource:
    """A source that is asked for predictions only.

    Parameters
    ----------
    source : SourceModel
    """

    loss = None
    has_trees = False

    def __init__(self, source):
        self.source = source
        self.classes = getattr(source.model, "classes_", None)

    def raw(self, X, to_raw):
        """Raw predictions (n_rows, n_columns), the columns those of the source's own classes.

        `to_raw` is the link of numbers.
        """
        if self.classes is None:
            return to_raw(self.source.predict(X))
        if len(self.classes) == 1:  # its model may have a second column for no label
            return np.zeros((X.shape[0], 1))
        shares = self.source.probabilities(X, self.classes)
        if hasattr(self.model, "predict_proba"):  # its scores are better than clipped logarithms
            scores = two_columns(self.source.log_odds(X, self.classes))
            if np.allclose(softmax(scores), shares, rtol=0, atol=1e-12):
                return scores[:, 1:] - scores[:, :1] if len(self.classes) == 2 else scores
        logs = np.log(np.maximum(shares, LEAST_SHARE))
        return logs[:, 1:] - logs[:, :1] if logs.shape[1] == 2 else logs

    @property
    def model(self):
        return self.source.model

    @property
    def n_columns(self):
        return 1 if self.classes is None or len(self.classes) == 2 else len(self.classes)


class Booster(OtherSource):
    """What the adapters have in common.

    An adapter has ``own_raw``, ``learn`` (trees of the rows of a fit) and ``leaves`` (of others).
    """

    has_trees = True
    factor = 1.0  # of the raw prediction of the source to log-odds

    @property
    def learning_rate(self):
        return self.factor * self.model.learning_rate

    def ask(self, method, X, **options):
        with warnings.catch_warnings():  # without pandas the names are missing
            warnings.filterwarnings("ignore", message="X does not have valid feature names")
            return getattr(self.model, method)(self.source.table(X), **options)

    def raw(self, X, to_raw):
        return self.factor * self.own_raw(X).reshape(X.shape[0], self.n_columns)


class ScikitBooster(Booster):
    """GradientBoosting and HistGradientBoosting: trees are differences of staged predictions."""

    def __init__(self, source):
        super().__init__(source)
        self.factor = 2.0 if self.model.loss == "exponential" else 1.0
        self.logarithmic = self.model.loss in ("poisson", "gamma")
        self.loss = self.model.loss

    def own_raw(self, X):
        if self.classes is not None:
            return np.asarray(self.ask("decision_function", X))
        predicted = np.asarray(self.ask("predict", X), dtype=np.float64)
        return np.log(predicted) if self.logarithmic else predicted

    def stages(self, X):
        """Raw predictions (n_rows, n_trees, n_columns) after every tree."""
        method = "staged_predict" if self.classes is None else "staged_decision_function"
        staged = self.ask(method, X)
        shape = X.shape[0], self.n_columns
        stages = np.stack([np.array(stage, dtype=np.float64).reshape(shape) for stage in staged], 1)
        return self.factor * (np.log(stages) if self.logarithmic else stages)

    def learn(self, X):
        increments = np.diff(self.stages(X), axis=1, prepend=0.0)
        return Trees(increments, self.leaves(X))

    def leaves(self, X):
        leaves = np.asarray(self.ask("apply", X)).astype(np.intp)
        return leaves.reshape(X.shape[0], -1, self.n_columns)


class HistBooster(ScikitBooster):
    """HistGradientBoosting has no public leaves: rows of a leaf are those of an increment.

    Sums of floats are rounded, so increments are the same up to some units in the last place of
    the sums. Leaves of one tree that have the same value are one leaf here.
    """

    def learn(self, X):
        stages = self.stages(X)
        increments = np.diff(stages, axis=1, prepend=0.0)
        slack = self.rounding(stages)
        order = np.argsort(increments, axis=0, kind="stable")
        ordered = np.take_along_axis(increments, order, axis=0)
        apart = np.diff(ordered, axis=0) > 2.0 * slack.max(axis=0)
        ranks = np.concatenate([np.zeros_like(order[:1]), np.cumsum(apart, axis=0)])
        leaves = np.empty_like(ranks)
        np.put_along_axis(leaves, order, ranks, axis=0)
        starts = np.concatenate([np.ones((1, *apart.shape[1:]), dtype=bool), apart])
        self.known = [
            [ordered[starts[:, tree, column], tree, column] for column in range(self.n_columns)]
            for tree in range(stages.shape[1])
        ]
        self.slack = slack.max(axis=0)
        return Trees(increments, leaves)

    def leaves(self, X):
        stages = self.stages(X)
        increments = np.diff(stages, axis=1, prepend=0.0)
        slack = self.rounding(stages) + 2.0 * self.slack
        leaves = np.empty(increments.shape, dtype=np.intp)
        for tree, columns in enumerate(self.known):
            for column, values in enumerate(columns):
                asked = increments[:, tree, column]
                nearest = np.searchsorted(0.5 * (values[1:] + values[:-1]), asked)
                near = np.abs(values[nearest] - asked) <= slack[:, tree, column]
                leaves[:, tree, column] = np.where(near, nearest, -1)
        return leaves

    def rounding(self, stages):
        """Error of the increments between stages, of the same shape."""
        sizes = np.abs(stages) + self.logarithmic  # a logarithm of 0 has an error too
        before = np.concatenate([np.zeros_like(sizes[:, :1]), sizes[:, :-1]], axis=1)
        return ROUNDING * (sizes + before)


class LightGBM(Booster):
    """LGBMRegressor and LGBMClassifier."""

    def __init__(self, source):
        super().__init__(source)
        self.loss = self.model.objective_

    def own_raw(self, X):
        return np.asarray(self.ask("predict", X, raw_score=True))

    def learn(self, X):
        leaves = self.leaves(X)
        each = [
            self.ask("predict", X, raw_score=True, start_iteration=tree, num_iteration=1)
            for tree in range(leaves.shape[1])
        ]
        return Trees(np.stack(each, 1).reshape(leaves.shape), leaves)

    def leaves(self, X):
        leaves = np.asarray(self.ask("predict", X, pred_leaf=True)).astype(np.intp)
        return leaves.reshape(X.shape[0], -1, self.n_columns)


class XGBoost(Booster):
    """XGBRegressor and XGBClassifier."""

    def __init__(self, source):
        super().__init__(source)
        self.loss = self.model.objective

    @property
    def learning_rate(self):
        rate = self.model.learning_rate
        return 0.3 if rate is None else rate  # None is XGBoost's own default

    def own_raw(self, X):
        if LOSSES.get(self.loss) == "poisson":  # margins of float32 are not quite its predictions
            return np.log(np.asarray(self.ask("predict", X), dtype=np.float64))
        return np.asarray(self.ask("predict", X, output_margin=True), dtype=np.float64)

    def learn(self, X):
        leaves = self.leaves(X)
        n_trees = leaves.shape[1]
        each = np.stack(
            [
                self.ask("predict", X, output_margin=True, iteration_range=(tree, tree + 1))
                for tree in range(n_trees)
            ],
            axis=1,
        )
        increments = each.reshape(leaves.shape).astype(np.float64)
        if n_trees > 1:  # every margin holds the constant of the model, which is in raw once
            extra = increments.sum(axis=1) - self.raw(X, None)
            increments[:, 1:] -= extra[:, None, :] / (n_trees - 1)
        return Trees(increments, leaves)

    def leaves(self, X):
        leaves = np.asarray(self.ask("apply", X)).astype(np.intp)
        return leaves.reshape(X.shape[0], -1, self.n_columns)


def adapter_of(source):
    """The adapter of a SourceModel by the kind of its model."""
    model = source.model
    if len(getattr(model, "classes_", "ab")) == 1:
        return OtherSource(source)
    if isinstance(model, (HistGradientBoostingRegressor, HistGradientBoostingClassifier)):
        return HistBooster(source)
    if isinstance(model, (GradientBoostingRegressor, GradientBoostingClassifier)):
        return ScikitBooster(source)
    makers = {kind.__module__.split(".")[0] for kind in type(model).__mro__}
    if "lightgbm" in makers and hasattr(model, "booster_"):
        return LightGBM(source)
    if "xgboost" in makers and hasattr(model, "get_booster") and one_tree_a_round(model):
        return XGBoost(source)
    return OtherSource(source)


def one_tree_a_round(model):
    """Whether a model of XGBoost has a tree per round and column, as it has if not told otherwise.

    Forests (several trees per round), linear boosters and trees of vectors have not.
    """
    options = model.get_xgb_params()
    return (
        options.get("booster") != "gblinear"
        and options.get("num_parallel_tree") in (None, 1)
        and options.get("multi_strategy") != "multi_output_tree"
    )


def loss_of(adapters):
    """Name of the loss that sources of a regression were fitted with; None if they do not say.

    Raises
    ------
    ValueError
        If they differ, or if it is none to continue with.
    """
    names = {}
    for adapter in adapters:
        if adapter.loss is not None:
            names[LOSSES.get(adapter.loss)] = adapter
    if None in names:
        adapter = names[None]
        raise ValueError(
            f"{adapter.source.label} was fitted with the loss {adapter.loss!r}, which cannot be "
            "continued: set loss to 'squared_error', 'absolute_error' or 'poisson'."
        )
    if len(names) > 1:
        told = ", ".join(f"{a.source.label}: {a.loss!r}" for a in names.values())
        raise ValueError(f"the sources were fitted with different losses ({told}): set loss.")
    return next(iter(names), None)


def fits_link(adapter, loss_name):
    """Whether the trees of a booster add up on the scale of the link of a loss."""
    if adapter.classes is not None:
        return adapter.loss in LINKS_OF_CLASSES
    return (LOSSES.get(adapter.loss) == "poisson") == (loss_name == "poisson") and (
        adapter.loss in LOSSES
    )


def checked_adapter(adapter, X, loss_name, from_raw):
    """The adapter, or that of predictions only if raw predictions are not what it says.

    So for a source with a link of its own.
    """
    if not adapter.has_trees:
        return adapter
    plain = OtherSource(adapter.source)
    if not fits_link(adapter, loss_name):
        return plain
    told = from_raw(adapter.raw(X, None))
    if adapter.classes is None:
        wanted = adapter.source.predict(X)
    else:
        wanted = adapter.source.probabilities(X, adapter.classes)
    return adapter if np.allclose(told, wanted, rtol=SAME, atol=SAME) else plain


def over_classes(raw, own, classes, rare):
    """Raw predictions for the classes `own` of a source as ones for `classes`.

    Parameters
    ----------
    raw : ndarray of shape (n_rows, 1 or n_own)
    own, classes : ndarray
        Sorted; `classes` has all of `own`.
    rare : ndarray of shape (n_classes,)
        Probabilities of those of `classes` that the source lacks.

    Returns
    -------
    ndarray of shape (n_rows, 1 or n_classes)
    """
    if len(own) == len(classes):
        return raw
    if len(own) == 2:
        raw = np.column_stack([np.zeros(len(raw)), raw])
    known = np.isin(classes, own)
    out = np.empty((len(raw), len(classes)))
    left = np.log1p(-min(rare[~known].sum(), 1.0 - LEAST_SHARE))
    out[:, known] = raw - logsumexp(raw, axis=1, keepdims=True) + left
    out[:, ~known] = np.log(np.maximum(rare[~known], LEAST_SHARE))
    return out[:, 1:] - out[:, :1] if len(classes) == 2 else out
