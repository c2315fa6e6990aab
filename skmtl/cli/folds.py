"""Folds of a table, and training sets with only a part of the rows of every task."""

from dataclasses import dataclass

import numpy as np

from skmtl.cli.errors import UsageError
from skmtl.inspection.measures import Measure
from skmtl.model_selection import TaskKFold, task_train_test_split


@dataclass(frozen=True)
class Settings:
    """How strategies are compared."""

    metric: Measure
    cv: int = 5
    repeats: int = 1
    train_fraction: float | int = 1.0
    seed: int = 0

    @property
    def n_folds(self):
        return self.cv * self.repeats


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
