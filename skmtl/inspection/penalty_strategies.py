"""Strategies that are a penalty: what tasks have in common, and how strongly, is tuned.

A strategy is a line of a table: a name, a description, and penalties between which the held-out
loss decides, each at the strength that suits it best. Where the parts of a penalty have a ratio,
the table holds some of these.
"""

from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if

from skmtl.inspection.strategy import Strategy, inner_folds
from skmtl.linear_model import MultiTaskClassifierCV, MultiTaskRegressorCV
from skmtl.penalties import (
    L1,
    L21,
    CappedRows,
    Common,
    Decomposed,
    Fusion,
    Graph,
    L1Inf,
    Multilevel,
    Nuclear,
    RowMCP,
    RowSCAD,
    SpectralBox,
    SquaredL2,
    SquaredNuclear,
    TaskL21,
    TotalVariation,
)

SPARSE, LOW_RANK, RELATED, TEMPORAL = "sparse", "low-rank", "related", "temporal"
N_ALPHAS = 20
LITTLE_RIDGE = 0.01
N_FOLDS = {"regression": 5, "classification": 3}  # squared errors of a fold cost little

# Ratios for standardised features, from a few to some hundred tasks: outside of the range that
# makes sense for their number only one part of the penalty is in use.
PENALTIES = {
    SPARSE: {
        "sparse-group": (
            "features shared by many tasks, not by all",
            [L21() + L1(ratio) for ratio in (0.05, 0.2, 0.6)],
        ),
        "l1-inf": ("features selected together, with slopes of about one size", [L1Inf()]),
        "row-mcp": ("shared features, large ones without shrinkage (MCP)", [RowMCP()]),
        "row-scad": ("shared features, large ones without shrinkage (SCAD)", [RowSCAD()]),
        "capped": (
            "shared features, free beyond a threshold (multi-stage)",
            [CappedRows(threshold=threshold) for threshold in (0.3, 1.0, 3.0)],
        ),
        "multilevel": ("features out for all tasks, or for some (multilevel)", [Multilevel()]),
        "dirty": (
            "shared features plus some of single tasks",
            [Decomposed(L21(), L1(ratio)) for ratio in (0.4, 0.6, 0.85)],
        ),
        "robust-features": (
            "shared features plus outlier tasks (rMTFL)",
            [Decomposed(L21(), TaskL21(ratio)) for ratio in (0.3, 1.0, 3.0)],
        ),
        "data-shared-lasso": (
            "a sparse common model plus sparse deviations",
            [Decomposed(Common(L1()), L1(ratio)) for ratio in (0.1, 0.3, 0.7)],
        ),
    },
    LOW_RANK: {
        "trace-norm": ("slopes of low rank", [Nuclear()]),
        "feature-learning": ("a metric of the features learned for all", [SquaredNuclear()]),
        "convex-aso": (
            "a subspace of the features that is spared",
            [SpectralBox(rank) for rank in (1, 2, 4)],
        ),
        "sparse-low-rank": (
            "low rank plus single slopes",
            [Decomposed(Nuclear(), L1(ratio)) for ratio in (0.1, 0.2, 0.4)],
        ),
        "robust-low-rank": (
            "low rank plus outlier tasks",
            [Decomposed(Nuclear(), TaskL21(ratio)) for ratio in (0.3, 0.5, 0.8)],
        ),
    },
    RELATED: {
        "task-relationships": (
            "a covariance of the tasks learned with them (MTRL)",
            [SquaredNuclear() + SquaredL2(ratio) for ratio in (0.1, 1.0, 10.0)],
        ),
        "clustered": (
            "tasks in clusters around their mean",
            [Decomposed(Common(SquaredL2(0.01)), SpectralBox(n - 1)) for n in (2, 3, 5)],
        ),
        "fusion": (
            "every task tied to every other, until they are equal",
            [Fusion("complete") + SquaredL2(0.01)],
        ),
    },
    TEMPORAL: {
        "temporal-group": (
            "shared features, tasks in order change smoothly",
            [Graph("chain") + L21(ratio) for ratio in (0.03, 0.3)],
        ),
        "fused-temporal": (
            "shared features, tasks in order change in steps",
            [TotalVariation() + L1(ratio) + L21(ratio) for ratio in (0.03, 0.3)],
        ),
    },
}

# For labels; for regression there are estimators of these, with more to tune.
OF_LABELS = {
    "graph-ridge": (
        "every task tied to every other, by squares",
        [Graph("complete") + SquaredL2(ratio) for ratio in (0.1, 1.0, 10.0)],
    ),
    "armul": (
        "a common model, which far tasks leave at a bounded price",
        [Decomposed(Common(SquaredL2(0.01)), TaskL21())],
    ),
}


class PenaltyChoice(MetaEstimatorMixin, BaseEstimator):
    """The one of several penalties whose held-out loss is least, each at its best strength.

    Parameters
    ----------
    estimator : MultiTaskRegressorCV or MultiTaskClassifierCV
        Its folds must be the same for every penalty.
    penalties : list of Penalty

    Attributes
    ----------
    estimator_ : fitted estimator
    """

    def __init__(self, estimator, penalties):
        self.estimator = estimator
        self.penalties = penalties

    def fit(self, X, y):
        """Fit with every penalty and keep the best."""
        self.estimator_ = None
        for penalty in self.penalties:
            model = clone(self.estimator).set_params(penalty=clone(penalty)).fit(X, y)
            if self.estimator_ is None or held_out_score(model) > held_out_score(self.estimator_):
                self.estimator_ = model
        return self

    def predict(self, X):
        """Predict by the best."""
        return self.estimator_.predict(X)

    @available_if(lambda self: hasattr(self.estimator, "predict_proba"))
    def predict_proba(self, X):
        """Probabilities by the best."""
        return self.estimator_.predict_proba(X)

    @property
    def classes_(self):
        """Labels, of a classifier."""
        return self.estimator_.classes_

    def __sklearn_tags__(self):
        return get_tags(self.estimator)


def held_out_score(model):
    """The best mean score over the folds of a fitted path."""
    if hasattr(model, "scores_"):
        return model.scores_.mean(axis=1).max()
    return -model.mse_path_.mean(axis=1).min()


def choose_penalty(setup, penalties):
    """An estimator that tunes penalties in the inner folds."""
    folds = inner_folds(setup, N_FOLDS[setup.task_type])
    options = {"alphas": N_ALPHAS, "cv": folds, "task_column": setup.task_column}
    if setup.task_type == "classification":
        model = MultiTaskClassifierCV(tol=1e-3, **options)
        penalties = [bounded(penalty) for penalty in penalties]
    else:
        model = MultiTaskRegressorCV(**options)
    if len(penalties) == 1:
        return model.set_params(penalty=penalties[0])
    return PenaltyChoice(model, penalties)


def bounded(penalty):
    """With a ridge if it is concave: labels that a free feature separates have no finite fit."""
    return penalty if penalty.convex else penalty + SquaredL2(LITTLE_RIDGE)


def penalty_strategies(task_type):
    """The strategies of the tables."""
    tables = dict(PENALTIES)
    if task_type == "classification":
        tables[RELATED] = PENALTIES[RELATED] | OF_LABELS
    return [
        Strategy(
            name,
            about,
            lambda setup, penalties=penalties: choose_penalty(setup, penalties),
            default=False,
            family=family,
        )
        for family, table in tables.items()
        for name, (about, penalties) in table.items()
    ]
