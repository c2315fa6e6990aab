"""Strategies as pipelines that take a raw table: features are prepared, then the target is."""

import warnings

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from skmtl.inspection.strategies import Setup
from skmtl.inspection.verdict import most_shared
from skmtl.preprocessing import keep_tasks


class StandardizedTarget(RegressorMixin, BaseEstimator):
    """A regressor that learns targets of mean 0 and variance 1, and predicts in their own units.

    Each column of a 2-d y is standardised by its observed (not NaN) entries.
    """

    def __init__(self, regressor):
        self.regressor = regressor

    def fit(self, X, y):
        """Fit a clone of the regressor to the standardised target."""
        deviation = np.nanstd(y, axis=0)
        self.mean_ = np.nanmean(y, axis=0)
        self.scale_ = np.where(deviation > 0, deviation, 1.0)
        self.regressor_ = clone(self.regressor).fit(X, (y - self.mean_) / self.scale_)
        return self

    def predict(self, X):
        """Predict in the units of the target."""
        return self.regressor_.predict(X) * self.scale_ + self.mean_


def make_pipelines(problem, strategies, seed, target=None):
    """Dict of name to unfitted pipeline; `target` is the code of the task that is the target."""
    setup = Setup(problem.task_type, problem.task_column, seed, target)
    pipelines = {}
    for strategy in strategies:
        model = strategy.make(setup)
        if problem.task_type == "regression":
            model = StandardizedTarget(model)
        pipelines[strategy.name] = make_pipeline(preparation(problem), model)
    return pipelines


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


def find_shared_features(problem, pipeline):
    """Names of the features that a strategy shares most, fitted to all rows; maybe none."""
    if not hasattr(problem.X, "columns"):
        return []  # words of a text, whose names are not known
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # they were counted in the folds
        model = clone(pipeline).fit(problem.X, problem.y)
    names = model[0].get_feature_names_out().tolist()[problem.codes is not None :]
    inner = getattr(model[-1], "regressor_", model[-1])
    # A ColumnTransformer says from which of its parts a name comes: "numbers__age".
    return most_shared(inner, [name.partition("__")[2] for name in names])
