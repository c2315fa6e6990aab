"""Does sharing help? Strategies compared over the same folds."""

from dataclasses import replace

import numpy as np
from scipy import sparse
from sklearn.base import is_classifier, is_regressor
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets

from skmtl import frames
from skmtl.inspection.comparison_result import StrategyComparison
from skmtl.inspection.held_out import check_takes_vector, class_name, make_folds, read_table
from skmtl.inspection.measures import MEASURES, find_measure
from skmtl.inspection.runs import run_strategies
from skmtl.inspection.strategies import default_strategies


def compare_strategies(
    X,
    y,
    strategies=None,
    *,
    cv=None,
    metric=None,
    task_column=None,
    tasks=None,
    reference=None,
    n_jobs=None,
    random_state=0,
    known=(),
    on_result=None,
):
    """Compare ways of sharing between tasks over the folds of a cross-validation.

    A strategy that fails in a fold loses its scores, but the others keep theirs.

    Parameters
    ----------
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns)
        With the task column, if the ids are in one.
    y : array-like of shape (n_samples,) or (n_samples, n_tasks)
        With a 2-d y every column is a task, and missing entries mean "not observed".
    strategies : dict of str to estimator, or list of estimators, optional
        Those of a list are named by their class. None: "per-task" (one ridge or logistic
        regression per task), "pooled-intercepts" (one for all, with an intercept per task) and
        "sharing" (`SharingRegressor` or `SharingClassifier`), on standardised features.
    cv : int, splitter or iterable of (train, test), default=None
        None is 5 folds, an int a number of folds, at random with every task in every training
        fold.
    metric : str, optional
        "rmse" (the default), "mae", "mse", "r2", "explained_variance"; for labels "accuracy" (the
        default), "balanced_accuracy", "log_loss" (of probabilities of at least 2.2e-16).
        Computed for every task and fold.
    task_column : int or str, optional
        Position or name of the column of X that holds the task ids. The strategies have to know
        it too.
    tasks : array-like of shape (n_samples,), optional
        Task of every row, which is passed on to ``fit`` and ``predict`` of the strategies.
    reference : str, optional
        Name of the strategy that the others are compared with; by default the first.
    n_jobs : int, optional
        Fits at the same time; results do not depend on it.
    random_state : int, RandomState instance or None, default=0
        For the folds and the default strategies.
    known : iterable of FoldResult
        Results of an earlier run with the same data, folds and metric: not computed again.
    on_result : callable, optional
        Called with every new `FoldResult` as soon as there is one.

    Returns
    -------
    StrategyComparison

    Raises
    ------
    ValueError
        If there is one task only, no such metric or reference, or a strategy that does not look
        for the ids in the task column, or cannot be handed them.

    Notes
    -----
    Whether y holds labels is told by the metric, else by the strategies, else by y: labels are
    strings, booleans, or at most two different integers.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from skmtl import PerTaskRegressor, PooledRegressor, make_multitask_regression
    >>> from skmtl.inspection import compare_strategies
    >>> X, y = make_multitask_regression(
    ...     n_tasks=8, n_samples=30, structure="common", intercept_scale=0.0, random_state=0)
    >>> strategies = {
    ...     "per-task": PerTaskRegressor(LinearRegression(), task_column=0),
    ...     "pooled": PooledRegressor(LinearRegression(), task_column=0)}
    >>> comparison = compare_strategies(X, y, strategies, task_column=0, random_state=0)
    >>> print(comparison.verdict)
    pooled is better: ... % lower RMSE than one model per task (95 % interval ...), ...
    """
    table = read_table(X, y, task_column=task_column, tasks=tasks)
    strategies = None if strategies is None else name_strategies(strategies)
    task_type = tell_task_type(metric, strategies, table.y)
    measure = find_measure(metric, task_type)
    if strategies is None:
        seed = None
        if random_state is not None:
            seed = check_random_state(random_state).randint(2**31 - 1)
        table, task_column = ids_in_column(table, task_column)
        strategies = default_strategies(task_type, table.X, task_column, seed)
    check_strategies(strategies, task_type)
    check_ids_are_read(strategies, task_column, table.vector)
    reference = check_reference(reference, strategies)
    folds = read_folds(cv, table, task_type, random_state)
    results = run_strategies(
        strategies, table, folds, measure, n_jobs=n_jobs, known=known, on_result=on_result
    )
    return StrategyComparison(
        strategies=tuple(strategies),
        tasks=table.labels,
        metric=measure.name,
        reference=reference,
        results=tuple(results),
        test_share=float(np.mean([len(test) for _, test in folds]) / len(table.y)),
    )


def name_strategies(strategies):
    """Dict of name to estimator; estimators of one class in a list are numbered."""
    if isinstance(strategies, dict):
        named = {str(name): estimator for name, estimator in strategies.items()}
    else:
        estimators = list(strategies)
        names = number_repeats([class_name(estimator) for estimator in estimators])
        named = dict(zip(names, estimators, strict=True))
    if not named:
        raise ValueError("strategies is empty: give at least one estimator, or None for defaults.")
    return named


def number_repeats(names):
    """The names, with "-1", "-2", ... at the end of those that occur several times."""
    return [
        name if names.count(name) == 1 else f"{name}-{names[: position + 1].count(name)}"
        for position, name in enumerate(names)
    ]


def tell_task_type(metric, strategies, y):
    """Whether it is "regression" or "classification", by the first of the three that tells."""
    if metric in MEASURES:
        return MEASURES[metric].task_type
    if strategies is not None:
        classify = any(is_classifier(estimator) for estimator in strategies.values())
    else:
        classify = holds_labels(y)
    return "classification" if classify else "regression"


def holds_labels(y):
    """Whether targets are strings, booleans, or at most two different integers."""
    observed = frames.tighten(y[~frames.is_missing(y)])
    if observed.dtype.kind in "iu":
        return len(np.unique(observed)) <= 2
    return observed.dtype.kind != "f"


def read_folds(cv, table, task_type, random_state):
    """List of (train, test) as arrays of row numbers."""
    classify = task_type == "classification"
    if classify and not table.shared_rows:
        check_classification_targets(table.y)
    folds = make_folds(cv, table, stratify=classify, random_state=random_state)
    numbers = np.arange(len(table.y))
    return [(numbers[train], numbers[test]) for train, test in folds]


def ids_in_column(table, task_column):
    """The table with ids that came as ``tasks=`` in its last column, and where the ids are.

    The steps of a Pipeline see a column, but not what is passed to ``fit``.
    """
    if table.vector is None:
        return table, task_column
    X, codes = table.X, table.codes[:, None].astype(float)
    if frames.is_frame(X):
        name = "task"
        while name in X.columns:
            name += "_"
        X = frames.append_columns(X, [name], codes)
    elif sparse.issparse(X):
        X = sparse.hstack([X, codes], format="csr")
    else:
        X = np.hstack([X, codes])
    return replace(table, X=X, vector=None), -1


def check_reference(reference, strategies):
    """The name of the reference, the first strategy if there is none given."""
    if reference is None:
        return next(iter(strategies))
    if reference not in strategies:
        names = ", ".join(map(repr, strategies))
        raise ValueError(f"reference={reference!r} is no strategy: there are {names}.")
    return reference


def check_strategies(strategies, task_type):
    """Raise for strategies of the wrong kind."""
    is_other = is_regressor if task_type == "classification" else is_classifier
    for name, estimator in strategies.items():
        if is_other(estimator):
            raise ValueError(
                f"strategy {name!r} is not for {task_type}, but the metric or another strategy "
                "is: compare regressors with regressors, or classifiers with classifiers."
            )


def check_ids_are_read(strategies, task_column, vector):
    """Raise for strategies that would take the ids for a feature, or cannot be handed them."""
    for name, estimator in strategies.items():
        if vector is not None:
            check_takes_vector(estimator)
        if task_column is None:
            continue
        inside = task_columns_in(estimator)
        if any(column is not None for _, column in inside):
            continue
        kind = "Classifier" if is_classifier(estimator) else "Regressor"
        last = class_name(estimator)
        remedy = f"wrap {last} into Pooled{kind} or PerTask{kind}, with task_column="
        if inside:
            remedy = f"set task_column= of {inside[0][0]} too"
        found = "has task_column=None" if inside else "does not know of tasks"
        raise ValueError(
            f"strategy {name!r} {found}, but the ids are in column {task_column!r}, which it "
            f"would take for a feature: {remedy}."
        )


def task_columns_in(estimator):
    """Pairs of class and ``task_column`` of the estimators inside that have this parameter.

    Inside are the last step of a Pipeline and what others wrap, as grid searches do.
    """
    if hasattr(estimator, "steps"):
        return task_columns_in(estimator.steps[-1][1])
    if hasattr(estimator, "task_column"):
        return [(type(estimator).__name__, estimator.task_column)]
    inner = estimator.get_params().values() if hasattr(estimator, "get_params") else ()
    return [pair for part in inner if hasattr(part, "predict") for pair in task_columns_in(part)]
