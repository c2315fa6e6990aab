"""Target rows and weighted source rows as one training table of any estimator."""

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils import get_tags

from skmtl import frames
from skmtl.documentation import complete_docstring
from skmtl.sample_weights import weight_parameter
from skmtl.transfer.base import TransferClassifier, TransferEstimator, TransferRegressor
from skmtl.transfer.sources import Rows, SourceModel, check_kind_of_labels


def stack_rows(parts):
    """One `Rows` of several, one below the other; weights None if all parts have none."""
    weights = None
    if any(part.weights is not None for part in parts):
        weights = np.concatenate([part.weights_or_ones() for part in parts])
    y = np.concatenate([part.y for part in parts])
    return Rows(frames.stack_rows([part.X for part in parts]), y, weights)


def fit_weighted(estimator, rows):
    """The estimator fitted to rows; a constant if a classifier has one label only."""
    if is_classifier(estimator) and (rows.y == rows.y[0]).all():
        estimator = DummyClassifier(strategy="most_frequent")
    if rows.weights is None or (rows.weights == 1).all():
        return estimator.fit(rows.X, rows.y)
    name = weight_parameter(estimator)
    if name is None:
        raise ValueError(
            f"the estimator {type(estimator).__name__} takes no sample_weight in fit, so that rows "
            "cannot be weighted: use one that does, such as Ridge, LogisticRegression or a forest."
        )
    return estimator.fit(rows.X, rows.y, **{name: rows.weights})


class WeightedEstimator(TransferEstimator):
    """Base of the estimators whose inner ``estimator`` is fitted to target and source rows.

    Subclasses leave the fitted one as `estimator_`, and the features' names by `_keep`.
    """

    _reads_tables = True

    def _keep(self, fitted, transfer):
        self.estimator_ = fitted
        self._model = SourceModel(
            fitted, transfer.feature_names, transfer.target.X.shape[1], "the estimator"
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self._make_estimator()).input_tags
        tags.input_tags.sparse, tags.input_tags.allow_nan = inner.sparse, inner.allow_nan
        return tags


class WeightedRegressor(TransferRegressor, WeightedEstimator):
    """Predictions of the inner regressor."""

    def _make_estimator(self):
        return Ridge() if self.estimator is None else clone(self.estimator)

    def _note_classes(self, transfer):
        """Nothing to note."""

    def _predict_target(self, X):
        return self._model.predict(X)


class WeightedClassifier(TransferClassifier, WeightedEstimator):
    """Predictions of the inner classifier, which need not have had all labels."""

    def _make_estimator(self):
        return LogisticRegression() if self.estimator is None else clone(self.estimator)

    def _note_classes(self, transfer):
        target = frames.tighten(transfer.target.y)
        known = [np.unique(target)]
        for name, rows in zip(transfer.names, transfer.sources, strict=True):
            if len(target):
                check_kind_of_labels(rows.y, known[0], f"source {name!r}")
            known.append(np.unique(rows.y))
        self.classes_ = np.unique(np.concatenate([labels for labels in known if len(labels)]))

    @complete_docstring
    def predict(self, X, *, tasks=None):
        """Predict the label of every row.

        Parameters
        ----------
        {target_predict_parameters}

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        X = self._read_target_rows(X, tasks)
        return self._model.ask("predict", X)

    def _target_proba(self, X):
        return self._model.probabilities(X, self.classes_)
