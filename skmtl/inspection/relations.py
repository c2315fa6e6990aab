"""Squared errors of every task's model on every task, and correlations of their coefficients."""

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed

from skmtl import frames
from skmtl.inspection.held_out import (
    check_same_tasks,
    held_out_losses,
    held_out_predictions,
)
from skmtl.inspection.paired_tests import ROUNDING
from skmtl.tasks import group_rows


def relative_gain(squares, own, table):
    """100 (1 - root of squared errors (n_tasks, n_tasks) over own ones); 0 on the diagonal.

    NaN where the own error is zero but for rounding.
    """
    y = table.targets(np.asarray(table.y, dtype=np.float64))
    scale = np.bincount(table.codes, y**2, minlength=table.n_tasks) / table.sizes
    defined = own > ROUNDING**2 * scale
    ratio = np.divide(squares, own, out=np.full(squares.shape, np.nan), where=defined)
    gain = 100.0 * (1.0 - np.sqrt(ratio))
    np.fill_diagonal(gain, np.where(defined, 0.0, np.nan))
    return gain


def errors_of_own_rows(model, table, folds, own_intercept, n_jobs):
    """Mean squared errors (n_tasks, n_tasks) of all models on all tasks, and those out of fold."""
    predictions = held_out_predictions([model], table, folds, n_jobs)[0]
    losses = held_out_losses(_squares, table, folds, predictions)
    model = table.fit(clone(model), np.arange(len(table.y)))
    masks = [(_mask(train, len(table.y)), _mask(test, len(table.y))) for train, test in folds]
    squares, own = np.empty((table.n_tasks, table.n_tasks)), np.empty(table.n_tasks)
    for task, rows in enumerate(group_rows(table.codes, table.n_tasks)):
        residual = table.y[rows][:, None] - predict_by_all(model, table, rows)
        parts = [(residual[train[rows]], residual[test[rows]]) for train, test in masks]
        squares[:, task], n_tested = sum_of_squares(parts, own_intercept)
        squares[:, task] /= max(n_tested, 1)
        tested = losses[rows][~np.isnan(losses[rows])]
        own[task] = tested.mean() if len(tested) else np.nan
    return squares, own


def _squares(y_true, y_pred):
    return np.subtract(y_true, y_pred, dtype=np.float64) ** 2


def _mask(rows, n_rows):
    mask = np.zeros(n_rows, dtype=bool)
    mask[rows] = True
    return mask


def sum_of_squares(parts, own_intercept):
    """Sum over folds of squared test residuals (n_models,), and the number of test rows.

    `parts` are the residuals (n_rows, n_models) on training and test rows of every fold.
    """
    total, n_tested = 0.0, 0
    for train, test in parts:
        if len(test):
            shift = train.mean(axis=0) if own_intercept else 0.0
            total = total + ((test - shift) ** 2).sum(axis=0)
            n_tested += len(test)
    return total, n_tested


def errors_of_outputs(model, table, folds, own_intercept, n_jobs):
    """As `errors_of_own_rows`; here every model is tested on rows left out."""
    found = Parallel(n_jobs=n_jobs)(
        delayed(_errors_of_fold)(clone(model), table, *fold, own_intercept) for fold in folds
    )
    squares, own, n_tested = (sum(parts) for parts in zip(*found, strict=True))
    n_tested = np.where(n_tested > 0, n_tested, np.nan)
    return squares / n_tested, own / n_tested


def _errors_of_fold(model, table, train, test, own_intercept):
    table.fit(model, train)
    y = np.asarray(table.y, dtype=np.float64)
    predicted = [predict_by_all(model, table, rows) for rows in (train, test)]
    squares, own = np.zeros((table.n_tasks, table.n_tasks)), np.zeros(table.n_tasks)
    n_tested = np.zeros(table.n_tasks)
    for task in range(table.n_tasks):
        residuals = []
        for rows, fitted in zip((train, test), predicted, strict=True):
            seen = ~np.isnan(y[rows, task])
            residuals.append(y[rows[seen], task][:, None] - fitted[seen])
        squares[:, task], n_tested[task] = sum_of_squares([residuals], own_intercept)
        own[task] = np.sum(residuals[1][:, task] ** 2)
    return squares, own, n_tested


def predict_by_all(model, table, rows):
    """Predictions (n_rows, n_tasks) of some rows by the models of all tasks."""
    X = frames.take_rows(table.X, rows)
    if hasattr(model, "coef_"):
        return as_features(X) @ model.coef_.T + model.intercept_
    if table.shared_rows:
        return model.predict(X)
    n_samples = X.shape[0]
    answers = [model.predict(X, tasks=np.full(n_samples, task)) for task in model.tasks_]
    return np.column_stack(answers)


def as_features(X):
    """Numbers of a table without ids; a feature that is absent from a task is 0."""
    if sparse.issparse(X):
        return X
    X = np.asarray(X, dtype=np.float64)
    return np.where(np.isnan(X), 0.0, X)


def fitted_to(estimator, table):
    """The estimator, if it is fitted to the tasks of the table, else a fitted clone."""
    if not hasattr(estimator, "coef_"):
        return table.fit(clone(estimator).set_params(task_column=None), np.arange(len(table.y)))
    check_same_tasks(estimator, table)
    return estimator


def correlations(model, table):
    """Correlations (n_tasks, n_tasks) of the deviations that the tasks' coefficients predict."""
    if not hasattr(model, "coef_"):
        raise ValueError(
            f"method='coefficients' needs a linear model, but {type(model).__name__} has no coef_: "
            "use method='errors'."
        )
    common = model.coef_mean_ if hasattr(model, "coef_mean_") else model.coef_shared_
    deviations = np.asarray(model.coef_ - common, dtype=np.float64)
    if model.absent_features_ is not None:
        deviations[model.absent_features_] = 0.0
    products = np.zeros((table.n_tasks, table.n_tasks))
    groups = [slice(None)] if table.shared_rows else group_rows(table.codes, table.n_tasks)
    for rows in groups:
        predicted = as_features(frames.take_rows(table.X, rows)) @ deviations.T
        predicted = predicted - predicted.mean(axis=0)
        products += predicted.T @ predicted
    norms = np.sqrt(np.diag(products))
    norms = np.where(norms > 0, norms, np.inf)
    found = np.clip(products / np.outer(norms, norms), -1.0, 1.0)
    np.fill_diagonal(found, 1.0)
    return found
