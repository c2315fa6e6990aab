"""What a fitted model is made of: its last step, coefficients, and names of the features."""

import re
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted


class FittedModel(NamedTuple):
    """A fitted estimator, and the steps that transform its input (None: there are none)."""

    estimator: object
    steps: object


class Coefficients(NamedTuple):
    """Coefficients (n_tasks, n_features), NaN where a feature is absent, and what rows are called.

    `kind` is what a row is: "task", or "class" for the only task of a classifier of several.
    """

    values: np.ndarray
    labels: np.ndarray
    kind: str
    norms: bool  # over classes


def read_fitted(model, reader):
    """The fitted estimator inside pipelines and searches.

    Raises
    ------
    TypeError
        If `model` is no estimator.
    ValueError
        If a search kept no model.
    NotFittedError
    """
    steps = None
    while True:
        if isinstance(model, type) or not isinstance(model, BaseEstimator):
            what = f"the class {model.__name__}" if isinstance(model, type) else repr(model)[:60]
            raise TypeError(f"{reader} needs a fitted estimator, but got {what}.")
        if hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        elif isinstance(model, Pipeline):
            steps = model[:-1] if len(model) > 1 else None
            model = model[-1]
        elif hasattr(model, "regressor_"):
            model = model.regressor_
        else:
            break
    check_is_fitted(model)
    if hasattr(model, "best_index_") or hasattr(model, "best_params_"):
        raise ValueError(
            f"{type(model).__name__} was fitted with refit=False and keeps no model: set "
            "refit=True."
        )
    return FittedModel(model, steps)


def read_coefficients(estimator, reader):
    """Coefficients of a fitted linear model, of scikit-learn or of skmtl."""
    if not hasattr(estimator, "coef_"):
        raise ValueError(
            f"{reader} needs a linear model, but {type(estimator).__name__} has no coef_."
        )
    coef = raw_coefficients(estimator.coef_)
    several = coef.ndim == 2 and len(coef) > 1
    tasks = getattr(estimator, "tasks_", None)
    kind, norms = "task", coef.ndim == 3
    if several and hasattr(estimator, "classes_") and (tasks is None or len(tasks) != len(coef)):
        # One task with several classes: scikit-learn's shape.
        kind, tasks = "class", np.asarray(estimator.classes_)
    if norms:
        coef = np.linalg.norm(coef, axis=1)
    labels = np.arange(len(coef)) if tasks is None else np.asarray(tasks)
    return Coefficients(without_absent(estimator, coef), labels, kind, norms)


def raw_coefficients(coef):
    """At least two axes, of floats; a copy."""
    coef = coef.toarray() if sparse.issparse(coef) else np.array(coef, dtype=np.float64)
    return coef[None] if coef.ndim == 1 else coef


def without_absent(estimator, coef):
    """NaN for features that a task does not have."""
    absent = getattr(estimator, "absent_features_", None)
    return coef if absent is None else np.where(absent, np.nan, coef)


def name_features(fitted, n_features):
    """Names (n_features,) of the features without the ids; x0, x1, ... if the data had none."""
    found = getattr(fitted.estimator, "feature_names_in_", None)
    if found is None and fitted.steps is not None:
        found = _names_after(fitted.steps)
    if found is not None:
        found = _without_ids(np.asarray(found).tolist(), fitted.estimator)
        # Columns that scikit-learn has numbered itself, the ids among them, are numbered anew.
        if len(found) == n_features and not all(re.fullmatch(r"x\d+", str(n)) for n in found):
            return np.array([str(name) for name in found])
    return np.array([f"x{position}" for position in range(n_features)])


def _names_after(steps):
    try:
        return steps.get_feature_names_out()
    except (AttributeError, ValueError, NotFittedError):  # a step that has no names
        return None


def _without_ids(names, estimator):
    column = getattr(estimator, "task_column", None)
    if isinstance(column, (int, np.integer)) and -len(names) <= column < len(names):
        del names[column]
        return names
    return names if column is None else [name for name in names if name != column]
