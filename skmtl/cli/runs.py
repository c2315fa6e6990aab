"""The comparison: every strategy in every fold, without printing or writing anything."""

import time
import warnings
from dataclasses import asdict, dataclass, replace

import numpy as np
from joblib import Parallel, delayed
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from skmtl.cli.errors import UsageError, one_line
from skmtl.cli.metrics import Metric
from skmtl.cli.strategies import Setup
from skmtl.metrics import task_scores
from skmtl.model_selection import TaskKFold, task_train_test_split
from skmtl.preprocessing import keep_tasks


@dataclass(frozen=True)
class Settings:
    """How strategies are compared."""

    metric: Metric
    cv: int = 5
    repeats: int = 1
    train_fraction: float | int = 1.0
    seed: int = 0

    @property
    def n_folds(self):
        return self.cv * self.repeats


@dataclass(frozen=True)
class FoldResult:
    """One strategy in one fold: lists have an entry per task, None where there is no score."""

    strategy: str
    fold: int
    scores: list
    train_rows: list
    test_rows: list
    fit_seconds: float
    not_converged: int = 0
    message: str | None = None

    @property
    def failed(self):
        return self.message is not None

    def to_dict(self):
        return asdict(self)


def compare(problem, strategies, settings, *, n_jobs=1, known=(), on_result=None):
    """Fit and score every strategy in every fold.

    Parameters
    ----------
    problem : TaskTable
    strategies : list of Strategy
    settings : Settings
    n_jobs : int, default=1
        Processes; the results do not depend on it.
    known : iterable of FoldResult
        Results of an earlier run, which are not computed again.
    on_result : callable, optional
        Called with every new result as soon as there is one.

    Returns
    -------
    list of FoldResult
        In the order of strategies, then folds.
    """
    folds = make_folds(problem, settings)
    results = {(result.strategy, result.fold): result for result in known}
    jobs = [
        (problem, strategy, settings, fold, *rows)
        for strategy in strategies
        for fold, rows in enumerate(folds)
        if (strategy.name, fold) not in results
    ]
    for result in run_all(jobs, n_jobs):
        results[result.strategy, result.fold] = result
        if on_result is not None:
            on_result(result)
    return [results[strategy.name, fold] for strategy in strategies for fold in range(len(folds))]


def run_all(jobs, n_jobs):
    """Results as they are finished."""
    if n_jobs == 1 or len(jobs) < 2:
        return (run_fold(*job) for job in jobs)
    parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    return parallel(delayed(run_fold)(*job) for job in jobs)


def make_folds(problem, settings):
    """Pairs (train, test) of row numbers, train reduced to its share of every task."""
    if problem.ordered and settings.repeats > 1:
        raise UsageError("--repeats needs folds at random, but these are blocks of rows in order")
    if settings.cv > problem.rows_of_tasks().max():
        raise UsageError(
            f"--cv {settings.cv} is more than the rows of any task "
            f"(the largest has {problem.rows_of_tasks().max()})"
        )
    random = np.random.RandomState(settings.seed)
    splitter = TaskKFold(
        settings.cv,
        shuffle=not problem.ordered,
        stratify=problem.task_type == "classification",
        random_state=None if problem.ordered else random,
    )
    return [
        (reduce_training(problem, train, settings.train_fraction, random), test)
        for _ in range(settings.repeats)
        for train, test in list(splitter.split(problem.X, problem.y, problem.codes))
    ]


def reduce_training(problem, train, size, random):
    """The rows of a training fold that are used: a share or a number of those of each task.

    A share leaves two rows of a task, if it has them: with one there is no variance.
    """
    codes = np.zeros(len(train), dtype=int) if problem.codes is None else problem.codes[train]
    if size >= (np.bincount(codes).max() if isinstance(size, int) else 1.0):
        return train
    used, _ = task_train_test_split(
        train,
        tasks=codes,
        train_size=size,
        stratify=problem.y[train] if problem.task_type == "classification" else None,
        random_state=random,
    )
    for task in np.flatnonzero(problem.rows_of_tasks(used) < 2):
        spare = np.setdiff1d(train[problem.is_of_task(task)[train]], used)
        missing = 2 - problem.rows_of_tasks(used)[task]
        more = random.choice(spare, min(missing, len(spare)), replace=False)
        used = np.concatenate([used, more])
    return np.sort(used)


def run_fold(problem, strategy, settings, fold, train, test):
    """One strategy in one fold; an exception becomes a result with a message.

    One thread, so that rounding does not depend on how many processes share the machine.
    """
    result = FoldResult(
        strategy=strategy.name,
        fold=fold,
        scores=[None] * problem.n_tasks,
        train_rows=problem.rows_of_tasks(train).tolist(),
        test_rows=problem.rows_of_tasks(test).tolist(),
        fit_seconds=0.0,
    )
    with warnings.catch_warnings(record=True) as caught, threadpool_limits(1):
        warnings.simplefilter("always")
        start = time.perf_counter()
        try:
            model, scale = fit(problem, strategy, settings.seed, train)
            seconds = time.perf_counter() - start
            scores = score(problem, settings.metric, model, scale, test)
        except Exception as error:
            return replace(result, message=f"{type(error).__name__}: {one_line(error)}")
    not_converged = any(issubclass(item.category, ConvergenceWarning) for item in caught)
    return replace(result, scores=scores, fit_seconds=seconds, not_converged=int(not_converged))


def fit(problem, strategy, seed, rows):
    """Fitted pipeline, and mean and deviation by which the target was standardised."""
    setup = Setup(problem.task_type, problem.task_column, problem.n_tasks, seed)
    model = make_pipeline(preparation(problem), strategy.make(setup))
    y, scale = problem.y[rows], (0.0, 1.0)
    if problem.task_type == "regression":
        deviation = np.nanstd(y, axis=0)
        scale = np.nanmean(y, axis=0), np.where(deviation > 0, deviation, 1.0)
        y = (y - scale[0]) / scale[1]
    return model.fit(take_rows(problem.X, rows), y), scale


def preparation(problem):
    """Transformer of the features: numbers standardised, categories one-hot, gaps filled."""
    if not hasattr(problem.X, "columns"):
        features = TfidfTransformer(sublinear_tf=True)
    else:
        features = tabular_features(problem)
    return features if problem.codes is None else keep_tasks(features, task_column=0)


def tabular_features(problem):
    names = list(problem.X.columns)[problem.codes is not None :]
    numbers = [name for name in names if name not in problem.categories]
    # Filled after scaling, so that many gaps do not shrink the standard deviation.
    fill_with_mean = SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True)
    encode = OneHotEncoder(
        drop="if_binary", handle_unknown="ignore", max_categories=30, sparse_output=False
    )
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(StandardScaler(), fill_with_mean), numbers),
            ("categories", encode, problem.categories),
        ]
    )


def score(problem, metric, model, scale, rows):
    """Score of every task on some rows; None where it is not defined."""
    X = take_rows(problem.X, rows)
    if metric.needs_probabilities:
        predicted = np.zeros((len(rows), len(problem.class_names)))
        predicted[:, model.classes_] = model.predict_proba(X)
    else:
        predicted = model.predict(X)
        if problem.task_type == "regression":
            predicted = predicted * scale[1] + scale[0]
    codes = None if problem.codes is None else problem.codes[rows]
    table = task_scores(problem.y[rows], predicted, codes, metrics={"score": metric.compute})
    scores = [None] * problem.n_tasks
    for task, value in zip(table["task"].tolist(), table["score"].tolist(), strict=True):
        scores[task] = None if np.isnan(value) else value
    return scores


def take_rows(X, rows):
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]
