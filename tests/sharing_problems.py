"""Problems of tasks that have much in common, or nothing."""

import numpy as np
from sklearn.base import is_classifier
from sklearn.linear_model import LogisticRegression, Ridge

from skmtl import SharingClassifier, SharingRegressor

CLASSES = [SharingRegressor, SharingClassifier]


def make_problem(cls, *, n_tasks=4, n=12, p=3, common=True, seed=0, noise=0.5):
    """Codes, features, and targets or labels of tasks with rows of their own."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(n_tasks), n)
    features = rng.normal(size=(n_tasks * n, p))
    coef = np.tile(rng.normal(size=p), (n_tasks, 1)) if common else rng.normal(size=(n_tasks, p))
    y = np.sum(features * coef[codes], axis=1) + noise * rng.normal(size=len(codes))
    return codes, features, (y > 0).astype(int) if is_classifier(cls()) else y + codes


def make_outputs(cls, *, n=24, n_tasks=3, seed=0):
    """Features, and a 2-d y of tasks that share the rows."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 3))
    Y = (features @ rng.normal(size=3))[:, None] + 0.5 * rng.normal(size=(n, n_tasks))
    return features, (Y > 0).astype(int) if is_classifier(cls()) else Y


def quick(cls):
    """An estimator that is fitted in no time."""
    return LogisticRegression() if is_classifier(cls()) else Ridge()


def answer(model, X, **given):
    """Numbers or probabilities."""
    ask = model.predict_proba if is_classifier(model) else model.predict
    return np.asarray(ask(X, **given))
