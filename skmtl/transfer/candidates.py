"""What a search for the best transfer compares, and where candidates hold their sources."""

from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone

from skmtl import frames
from skmtl.transfer.base import HELD
from skmtl.transfer.sources import SourceModel, listed, pairs_of_rows, unfrozen


class Table(NamedTuple):
    """Rows of the target and of sources: X with ids as the user gave it, tasks= or None."""

    X: object
    y: np.ndarray | None
    weights: np.ndarray | None
    tasks: np.ndarray | None

    def take(self, rows):
        parts = (None if part is None else part[rows] for part in self[1:])
        return Table(frames.take_rows(self.X, rows), *parts)


class Candidate(NamedTuple):
    """A model to be judged: an estimator, or a source as it is.

    Attributes
    ----------
    name : str
    model : estimator or SourceModel
    transfers : bool
        From sources; otherwise it is given the rows of the target only.
    memory : dict or None
        Where a transfer estimator keeps what it learned of the sources, which are the same in all
        folds. Steps of a pipeline that come before it may change them.
    """

    name: str
    model: object
    transfers: bool
    memory: dict | None = None


def last_step(model):
    """The estimator at the end of a pipeline."""
    return last_step(model.steps[-1][1]) if hasattr(model, "steps") else model


def sources_of(model):
    """Pairs (identity, name) of the fitted models or rows that an estimator holds as sources."""
    model = last_step(model)
    for name in HELD:
        held = getattr(model, name, None)
        if held is not None:
            keys, parts = listed(held) if name == "source" else pairs_of_rows(held)
            return [(id(unfrozen(part)), key) for key, part in zip(keys, parts, strict=True)]
    return []


def parameters_named(estimator, names):
    """Parameters of an estimator, or of estimators inside it, that have one of the names."""
    params = estimator.get_params()
    return [name for name in params if name.rpartition("__")[2] in names]


def without_sources(estimator):
    """A clone that learns the target alone: the rows of the target will be all it is given."""
    return clone(estimator).set_params(**dict.fromkeys(parameters_named(estimator, HELD)))


def has_held_sources(estimator):
    """Whether an estimator, or one inside it, holds fitted sources or their rows."""
    params = estimator.get_params()
    return any(params[name] is not None for name in parameters_named(estimator, HELD))


def labels_of_sources(model):
    """Arrays of the labels that the sources of an estimator know."""
    if isinstance(model, SourceModel):
        yield model.model.classes_
    if getattr(model, "source_rows", None) is not None:
        for _, y, *_ in pairs_of_rows(model.source_rows)[1]:
            yield np.unique(y)
    if getattr(model, "source", None) is not None:
        for source in listed(model.source)[1]:
            yield getattr(unfrozen(source), "classes_", np.array([], dtype=int))


class OneLabel(ClassifierMixin, BaseEstimator):
    """What rows with a single label say alone: that one, the others by Laplace's rule.

    So a source that knows the others is not judged by rows that could not show them.
    """

    def __init__(self, classes):
        self.classes = classes

    def fit(self, X, y, sample_weight=None):
        """Count the rows."""
        self.classes_ = np.asarray(self.classes)
        n_rows = len(y) if sample_weight is None else np.sum(sample_weight)
        counts = n_rows * (self.classes_ == y[0])
        self.probabilities_ = (counts + 1.0) / (n_rows + len(self.classes_))
        return self

    def predict_proba(self, X):
        """The same for every row."""
        return np.tile(self.probabilities_, (X.shape[0], 1))


def constant(model):
    """Whether a model is the constant that stands for one that needs two labels."""
    return isinstance(model, OneLabel)
