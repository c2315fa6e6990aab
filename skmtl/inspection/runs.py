"""Every strategy in every fold, without printing or writing anything."""

import time
from dataclasses import asdict, dataclass, replace

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.parallel import Parallel, delayed

from skmtl.inspection.measures import score_tasks
from skmtl.inspection.recording import prepared_process, recorded_warnings

LONGEST_MESSAGE = 300


@dataclass(frozen=True)
class FoldResult:
    """One strategy in one fold.

    Attributes
    ----------
    strategy : str
    fold : int
    scores : list of float or None
        One per task, None where the score is not defined.
    train_rows, test_rows : list of int
        Observed targets of every task.
    fit_seconds : float
    not_converged : int
        1 if a solver said that it did not converge.
    message : str or None
        Why the strategy failed.
    """

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
        """Whether there are no scores because of an exception."""
        return self.message is not None

    def to_dict(self):
        """The fields as JSON can hold them."""
        return asdict(self)


def run_strategies(strategies, table, folds, measure, *, n_jobs=None, known=(), on_result=None):
    """Fit and score every strategy in every fold.

    Parameters
    ----------
    strategies : dict of str to estimator
    table : Table
    folds : list of (train, test)
    measure : Measure
    n_jobs : int, optional
        Fits at the same time, in processes or threads as joblib is told; results do not depend
        on it. Only in threads whose caller is not the main thread, ``not_converged`` is 0.
    known : iterable of FoldResult
        Results of an earlier run, which are not computed again unless they failed.
    on_result : callable, optional
        Called with every new result as soon as there is one.

    Returns
    -------
    list of FoldResult
        In the order of strategies, then folds.
    """
    results = {(result.strategy, result.fold): result for result in known if not result.failed}
    check_known(results.values(), table)
    jobs = [
        (name, estimator, table, measure, fold, *rows)
        for name, estimator in strategies.items()
        for fold, rows in enumerate(folds)
        if (name, fold) not in results
    ]
    with prepared_process():
        for result in run_all(jobs, n_jobs):
            results[result.strategy, result.fold] = result
            if on_result is not None:
                on_result(result)
    return [results[name, fold] for name in strategies for fold in range(len(folds))]


def check_known(results, table):
    """Raise for earlier results that are of other tasks."""
    for result in results:
        if len(result.scores) != table.n_tasks:
            raise ValueError(
                f"known holds a result of {result.strategy!r} with {len(result.scores)} tasks, but "
                f"the data have {table.n_tasks}: pass only results of the same data and folds."
            )


def run_all(jobs, n_jobs):
    """Results as they are finished."""
    if effective_n_jobs(n_jobs) == 1 or len(jobs) < 2:
        return (run_fold(*job) for job in jobs)
    parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    return parallel(delayed(run_fold)(*job) for job in jobs)


def run_fold(name, estimator, table, measure, fold, train, test):
    """One strategy in one fold; an exception becomes a result with a message.

    One thread, so that rounding does not depend on how many processes share the machine.
    """
    result = FoldResult(
        strategy=name,
        fold=fold,
        scores=[None] * table.n_tasks,
        train_rows=table.sizes_of(train).tolist(),
        test_rows=table.sizes_of(test).tolist(),
        fit_seconds=0.0,
    )
    with recorded_warnings() as caught:
        start = time.perf_counter()
        try:
            model = table.fit(clone(estimator), train)
            seconds = time.perf_counter() - start
            scores = score_tasks(measure, table, model, test)
        except Exception as error:
            return replace(result, message=describe(error))
    scores = [None if np.isnan(score) else score for score in scores.tolist()]
    not_converged = any(issubclass(category, ConvergenceWarning) for category in caught)
    return replace(result, scores=scores, fit_seconds=seconds, not_converged=int(not_converged))


def describe(error):
    """An exception as one line that is not too long."""
    text = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 3] + "..."
