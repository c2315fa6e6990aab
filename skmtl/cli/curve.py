"""The learning curve of a report: what few strategies score with few rows of every task."""

from dataclasses import replace

import numpy as np

from skmtl.cli.folds import make_folds, reduce_training
from skmtl.inspection import LearningCurveDisplay, compare_strategies
from skmtl.inspection.paired_tests import mean_of_defined
from skmtl.inspection.strategies import POOLED
from skmtl.inspection.verdict import find_subject

N_SIZES, SMALLEST_SIZE = 5, 4  # training rows of each task, in equal ratios up to the median task
N_FOLDS = 3


def choose_strategies(comparison):
    """The reference, pooling, and what the verdict is about, as far as they have scores."""
    subject, _ = find_subject(comparison)
    wanted = dict.fromkeys((comparison.reference, POOLED, subject))
    return [name for name in wanted if name in comparison.finished]


def choose_sizes(problem):
    """Numbers of training rows of each task, ascending; too few of them where tasks are small."""
    largest = int(np.median(problem.rows_of_tasks()) * (1 - 1 / N_FOLDS))
    if largest <= SMALLEST_SIZE:
        return []
    return np.unique(np.geomspace(SMALLEST_SIZE, largest, N_SIZES).round().astype(int)).tolist()


def compute_curve(problem, pipelines, settings, sizes, **options):
    """Scores of strategies by the number of rows that they learned from.

    Parameters
    ----------
    problem : TaskTable
    pipelines : dict of str to estimator
    settings : Settings
    sizes : list of int
    **options
        Of `compare_strategies`.

    Returns
    -------
    LearningCurveDisplay
        Not drawn yet. A score is the mean over the tasks; NaN where a strategy failed.
    """
    comparison = compare_strategies(
        problem.X,
        problem.y,
        pipelines,
        cv=curve_folds(problem, settings, sizes),
        metric=settings.metric.name,
        task_column=problem.task_column,
        **options,
    )
    scores = {}
    for name in pipelines:
        found = [np.array(result.scores, dtype=float) for result in comparison.results_of(name)]
        scores[name] = mean_of_defined(np.array(found), axis=1).reshape(len(sizes), N_FOLDS)
    return LearningCurveDisplay(
        train_sizes=np.array(sizes), scores=scores, metric=settings.metric.name
    )


def curve_folds(problem, settings, sizes):
    """Pairs (train, test) for every size, and for every fold within it."""
    whole = replace(settings, cv=N_FOLDS, repeats=1, train_fraction=1.0)
    random = np.random.RandomState(settings.seed)
    return [
        (reduce_training(problem, train, size, random), test)
        for size in sizes
        for train, test in make_folds(problem, whole)
    ]


def draw_curve(curve, figure):
    """Draw the curve on a figure."""
    figure.set_size_inches(6.4, 4.2)
    figure.set_layout_engine("constrained")
    curve.plot(figure.subplots())
