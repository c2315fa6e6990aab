"""Ridge of every task by itself, over all blocks of a TaskData; one block in memory at a time."""

import numpy as np
from scipy import sparse

from skmtl.design import Design
from skmtl.solvers.closed_form import RidgePath, ridge_coef


def ridge_per_task(data, alphas, fit_intercept):
    """Coefficients (n_features, n_tasks) and intercepts for one penalty per task."""
    blocks = designs(data, fit_intercept)
    return assemble(data, ((design, ridge_coef(design, alphas[design.tasks])) for design in blocks))


def ridge_paths(data, fit_intercept):
    """One RidgePath per block of tasks, one after the other."""
    return map(RidgePath, designs(data, fit_intercept))


def designs(data, fit_intercept):
    """The weighted, centred design of one block after the other."""
    free = np.zeros(data.n_features, dtype=bool)
    for block in data.blocks():
        yield Design(block, fit_intercept=fit_intercept, free=free)


def assemble(data, solved):
    """Coefficients and intercepts of all tasks from pairs (design, its coefficients)."""
    coef = np.zeros((data.n_tasks, data.n_features))
    intercept = np.zeros(data.n_tasks)
    for design, part in solved:
        coef[design.tasks] = part.T
        intercept[design.tasks] = design.y_mean - design.x_mean @ part
    return coef.T, intercept


def leave_one_out(data, alphas, fit_intercept, choose):
    """Sums of squared errors (n_alphas, n_tasks) of rows left out, and the chosen models.

    `choose` gives the index of the best penalty of each task from the errors of a block; the
    models come from the decompositions that gave the errors. Without it, they are None.
    """
    errors = np.empty((len(alphas), data.n_tasks))

    def solve_blocks():
        for path in ridge_paths(data, fit_intercept):
            tasks = path.design.tasks
            errors[:, tasks] = path.leave_one_out(alphas)
            if choose is not None:
                yield path.design, path.coef(alphas[choose(errors[:, tasks])])

    solved = assemble(data, solve_blocks())
    return errors, None if choose is None else solved


def errors_of_folds(data, alphas, folds, fit_intercept):
    """Sums of squared errors (n_alphas, n_tasks) on test rows, and the sums of their weights."""
    errors, sizes = np.zeros((len(alphas), data.n_tasks)), np.zeros(data.n_tasks)
    for train, test in folds:
        trained, held_out = data.subset(train), data.subset(test)
        sizes += held_out.task_sizes()
        paths = ridge_paths(trained, fit_intercept)
        for path, rows in zip(paths, matching_rows(trained, held_out), strict=True):
            errors[:, path.design.tasks] += path.held_out_errors(alphas, *rows)
    return errors, sizes


def matching_rows(trained, held_out):
    """(X, Y, weights) of the test rows for every block of the training rows."""
    if not held_out.shared_rows:  # a block is a task, here and there
        for block in held_out.blocks():
            yield block.X, block.Y, block.weights[:, None]
        return
    X, weights = held_out.X, held_out.weights
    if not sparse.issparse(X) and np.isnan(X.sum()):
        X = np.where(np.isnan(X), X.dtype.type(0), X)
    weights = np.broadcast_to(weights.reshape(len(weights), -1), held_out.y.shape)
    for tasks, _, _ in trained.groups():
        yield X, held_out.y[:, tasks], weights[:, tasks]
