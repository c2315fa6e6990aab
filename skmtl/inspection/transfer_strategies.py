"""The registry of transfers: ways of learning a target with the help of other tasks.

A strategy is one entry, as in the registry of ways of sharing; `Setup` names the target.
"""

from scipy import sparse
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl.compose import PooledClassifier, PooledRegressor
from skmtl.inspection.one_side import OneSideClassifier, OneSideRegressor
from skmtl.inspection.strategy import Setup, Strategy
from skmtl.preprocessing import keep_tasks
from skmtl.transfer import (
    SourceWeightedClassifierCV,
    SourceWeightedRegressorCV,
    TrAdaBoostClassifier,
    TrAdaBoostRegressor,
    TransferBoostingClassifier,
    TransferBoostingRegressor,
    TransferClassifierCV,
    TransferForestClassifier,
    TransferForestRegressor,
    TransferLassoCV,
    TransferLogisticRegressionCV,
    TransferRegressorCV,
    TransferRidgeCV,
    TransGLMClassifier,
    TransLasso,
)

TARGET_ONLY, SOURCE_ONLY, POOLED, SAFE = "target-only", "source-only", "pooled", "transfer"
CLASSES = {
    "regression": {
        "linear": TransferRidgeCV,
        "one-side": OneSideRegressor,
        "pooled": PooledRegressor,
        "forest": RandomForestRegressor,
        "transfer-forest": TransferForestRegressor,
        "boosting": TransferBoostingRegressor,
        "tradaboost": TrAdaBoostRegressor,
        "weighted": SourceWeightedRegressorCV,
        "plain": Ridge,
    },
    "classification": {
        "linear": TransferLogisticRegressionCV,
        "one-side": OneSideClassifier,
        "pooled": PooledClassifier,
        "forest": RandomForestClassifier,
        "transfer-forest": TransferForestClassifier,
        "boosting": TransferBoostingClassifier,
        "tradaboost": TrAdaBoostClassifier,
        "weighted": SourceWeightedClassifierCV,
        "plain": LogisticRegression,
    },
}


def target(setup):
    """Parameters that name the target."""
    return {"task_column": setup.task_column, "target_task": setup.target_task}


def of(kind, *, chance=False, **options):
    """A function from a setup to an estimator of a kind, for the target that it names."""

    def make(setup):
        more = {"random_state": setup.seed} if chance else {}
        return CLASSES[setup.task_type][kind](**options, **more, **target(setup))

    return make


def one_side(kind, side, **options):
    """A model of the rows of one side."""

    def make(setup):
        classes = CLASSES[setup.task_type]
        more = {"random_state": setup.seed, **options} if kind == "forest" else options
        return classes["one-side"](classes[kind](**more), side=side, **target(setup))

    return make


def pooled(setup):
    classes = CLASSES[setup.task_type]
    return classes["pooled"](classes["linear"](), task_column=setup.task_column)


def safe(setup):
    """Linear models and forests, as far as folds of the target say."""
    seed = setup.seed
    if setup.task_type == "regression":
        candidates = [TransferRidgeCV(), TransferForestRegressor(random_state=seed)]
        return TransferRegressorCV(candidates, random_state=seed, **target(setup))
    candidates = [TransferLogisticRegressionCV(), TransferForestClassifier(random_state=seed)]
    return TransferClassifierCV(candidates, random_state=seed, **target(setup))


def _everywhere(model):
    """The strategies that both task types have; `model` is what their linear model is called."""
    return [
        Strategy(TARGET_ONLY, f"{model} of the target's rows", one_side("linear", "target"), False),
        Strategy(
            "forest-target-only",
            "random forest of the target's rows",
            one_side("forest", "target"),
            False,
        ),
        Strategy(SOURCE_ONLY, f"{model} of the sources' rows", one_side("linear", "sources")),
        Strategy(POOLED, f"one {model} for all rows", pooled),
        Strategy(
            "source-weighted",
            f"{model}, rows of sources with a weight chosen on target folds",
            of("weighted"),
        ),
        Strategy(
            "transfer-forest",
            "random forest of the sources, refined on the target",
            of("transfer-forest", chance=True),
        ),
        Strategy(
            "transfer-boosting",
            "gradient boosting of the sources, continued on the target",
            of("boosting", chance=True),
            default=False,
        ),
        Strategy(
            "tradaboost",
            "boosting that lowers the weights of rows of sources that do not fit",
            of("tradaboost", chance=True),
            default=False,
        ),
        Strategy(SAFE, "as much transfer as held-out rows of the target say is good", safe),
    ]


TRANSFER_REGISTRY = {
    "regression": [
        *_everywhere("ridge"),
        Strategy("transfer-ridge", "ridge towards the models of the sources", of("linear")),
        Strategy(
            "transfer-lasso",
            "lasso, sparse differences from the models of the sources",
            lambda setup: TransferLassoCV(**target(setup)),
        ),
        Strategy(
            "trans-lasso",
            "lasso of the target and of useful sources, then corrected",
            lambda setup: TransLasso(**target(setup)),
            default=False,
        ),
    ],
    "classification": [
        *_everywhere("logistic regression"),
        Strategy(
            "transfer-logistic",
            "logistic regression towards the models of the sources",
            of("linear"),
        ),
        Strategy(
            "trans-glm",
            "sparse logistic regression of the target and of useful sources, then corrected",
            lambda setup: TransGLMClassifier(**target(setup)),
            default=False,
        ),
    ],
}


def default_transfer_strategies(task_type, X, *, task_column, target_task, seed=None, names=None):
    """Strategies of the registry, the default ones or those of some names.

    The features are standardised.

    Parameters
    ----------
    task_type : {"regression", "classification"}
    X : frame, array or sparse matrix
    task_column : int or str
    target_task : int or str
    seed : int, optional

    Returns
    -------
    dict of str to Pipeline
    """
    setup = Setup(task_type, 0, seed, target_task)
    scaler = keep_tasks(StandardScaler(with_mean=not sparse.issparse(X)), task_column)
    known = {strategy.name: strategy for strategy in TRANSFER_REGISTRY[task_type]}
    if names is None:
        names = [name for name, strategy in known.items() if strategy.default]
    for name in names:
        if name not in known:
            raise ValueError(f"no strategy {name!r}: there are {', '.join(known)}.")
    return {name: make_pipeline(scaler, known[name].make(setup)) for name in names}
