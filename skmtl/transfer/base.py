"""How every transfer estimator is told its sources and its target, and what it predicts."""

import copy
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone, is_classifier
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import assert_all_finite, check_array, check_consistent_length, column_or_1d
from sklearn.utils.validation import validate_data

from skmtl import frames
from skmtl.base import TaskPredictor, read_targets
from skmtl.documentation import complete_docstring
from skmtl.labels import read_labels
from skmtl.sample_weights import weight_parameter
from skmtl.task_data import check_weights
from skmtl.tasks import check_task_ids, describe_ids, encode, match
from skmtl.transfer.sources import Rows, SourceModel, pairs_of_rows, read_models


class Transfer(NamedTuple):
    """What a fit is given.

    Attributes
    ----------
    target : Rows
    sources : list of Rows
        Rows of every source; empty if fitted models were given, or if there is no source.
    models : list of SourceModel
        Fitted sources as they were given; empty if rows were given.
    names : list
        Of the sources: task ids, keys of a dict, or 0, 1, ...
    feature_names : list of str or None
    """

    target: Rows
    sources: list
    models: list
    names: list
    feature_names: list | None

    @property
    def n_sources(self):
        return len(self.names)


class TransferEstimator(TaskPredictor):
    """Base of the estimators that learn one target with the help of sources.

    A subclass has, as far as it can use them, the parameters ``source`` (fitted models),
    ``source_rows``, ``task_column`` and ``target_task``, and says how tables are read.
    """

    # A search that fits clones to the same sources many times sets a dict, for all of them.
    _memory = None
    _reads_tables = False  # columns need not be numbers: they are handed to another estimator
    _allows_nan = False

    def __sklearn_clone__(self):
        """A clone keeps the fitted sources and their rows as they are."""
        held = {name: getattr(self, name) for name in HELD if hasattr(self, name)}
        bare = copy.copy(self)
        for name in held:
            setattr(bare, name, None)
        twin = BaseEstimator.__sklearn_clone__(bare)
        for name, value in held.items():
            setattr(twin, name, value)
        return twin

    def get_params(self, deep=True):
        """Get parameters; those of a fitted source are not among them, they cannot be changed."""
        params = super().get_params(deep=deep)
        return {name: value for name, value in params.items() if not name.startswith("source__")}

    def set_params(self, **params):
        """Set parameters; those of a fitted source cannot be changed."""
        held = [name for name in params if name.startswith("source__")]
        if held:
            raise ValueError(
                f"{held[0]} is a parameter of the fitted source, which stays as it is: fit another "
                "one, and give it as source."
            )
        return super().set_params(**params)

    # --- reading --------------------------------------------------------------------------

    def _read_transfer(self, X, y, tasks, sample_weight):
        """`Transfer` of a fit, validated; settles the layout and sets `tasks_`, `source_names_`.

        Rows with weight zero are left out.
        """
        self._check_shared_parameters()
        self._check_where_sources_are(tasks)
        if self.task_column is None and tasks is None:
            table, ids = self._read_columns(X, reset=True), None
        else:
            table, ids = self._split_ids(X, tasks, reset=True)
            table = self._read_columns(table, reset=self.task_column is None)
        y = self._read_target(y)
        check_consistent_length(table, y)
        weights = None
        if sample_weight is not None:
            weights = check_weights(sample_weight, y.shape, False)
        rows = Rows(table, y, weights)
        labels = np.zeros(1, dtype=int) if ids is None else encode(ids)[0]
        self._settle_layout(ids, y, labels)
        names = self._names_of(X, table)
        sources, models, keys = [], [], []
        if ids is not None:
            rows, sources, keys = self._split_target(rows, ids, labels)
        rows = self._counting(rows, "the target")
        if getattr(self, "source", None) is not None:
            keys, models = read_models(self.source, self, names, table.shape[1])
        elif getattr(self, "source_rows", None) is not None:
            keys, sources = self._read_source_rows(table, names)
        self.source_names_ = keys
        return Transfer(rows, sources, models, keys, names)

    def _check_where_sources_are(self, tasks):
        given = [name for name in HELD if getattr(self, name, None) is not None]
        if self.target_task is not None:
            given.append("target_task")
        if len(given) > 1:
            raise ValueError(
                f"sources came twice, as {' and as '.join(given)}: give fitted models (source), "
                "rows (source_rows), or one table with the rows of all tasks (task_column and "
                "target_task). An unfitted estimator, to be fitted to the rows of each source, is "
                "source_estimator."
            )
        has_ids = self.task_column is not None or tasks is not None
        if has_ids and self.target_task is None:
            raise ValueError(
                f"{type(self).__name__} learns one task, the target: name it with target_task. "
                "All other tasks of the task column are sources."
            )
        if self.target_task is not None and not has_ids:
            raise ValueError(
                f"target_task={self.target_task!r} names a task, but there are no task ids: set "
                "task_column, or pass tasks= to fit."
            )

    def _read_columns(self, X, *, reset):
        """A table of numbers (array or csr/csc matrix), or any table if `_reads_tables`."""
        check = self.task_column is None  # otherwise _split_ids has looked at the whole table
        if not self._reads_tables:
            X = self._read_features(X, reset=reset)
            if not self._allows_nan:
                values = X.data if sparse.issparse(X) else X
                assert_all_finite(values, input_name="X", estimator_name=type(self).__name__)
            return X
        X = frames.as_columns(X)
        if not frames.is_frame(X):
            with suppress(ValueError, TypeError):  # columns that are no numbers may stay
                X = frames.as_numbers(X)
            options = {"accept_sparse": ("csr", "csc"), "ensure_all_finite": False}
            X = check_array(X, dtype=None, input_name="X", estimator=self, **options)
        elif not len(X):
            raise ValueError("Found array with 0 sample(s): X has no rows.")
        if check:
            validate_data(self, X, reset=reset, skip_check_array=True)
        return X.tocsr() if sparse.issparse(X) else X

    def _read_target(self, y):
        """Targets as a 1-d array: floats, or labels of a classifier."""
        if is_classifier(self):
            y, _, names = read_labels(y, self)
        else:
            y, names = read_targets(y, self)
        if y.ndim == 2 and y.shape[1] > 1:
            raise ValueError(
                f"y has {y.shape[1]} columns, but {type(self).__name__} learns one target: fit "
                "one estimator per column."
            )
        return column_or_1d(y, warn=names is None)

    def _names_of(self, X, table):
        """Names of the features, without the task column; None if X has none."""
        if frames.is_frame(table):
            return frames.column_names(table)
        if not hasattr(self, "feature_names_in_"):
            return None
        names = frames.column_names(X)
        if self.task_column is not None:
            column = self.task_column
            names.pop(names.index(column) if isinstance(column, str) else column)
        return names

    def _split_target(self, rows, ids, labels):
        """Rows of the target, those of every other task, and the ids of these."""
        code = match(check_task_ids(np.array([self.target_task]), "target_task"), labels)[0]
        if code < 0:
            raise ValueError(
                f"target_task={self.target_task!r} has no row; there are {describe_ids(labels)}. "
                "To cross-validate, split the rows of the target only: TargetKFold."
            )
        codes = np.searchsorted(labels, ids)
        keys, sources = [], []
        for other, label in enumerate(labels.tolist()):
            own = rows.take(codes == other)
            if other == code:
                target = own
            elif own.weights is None or own.weights.any():
                keys.append(label)
                sources.append(self._counting(own, f"task {label!r}"))
        return target, sources, keys

    def _counting(self, rows, name):
        """Rows without those of weight zero."""
        if rows.weights is None or (rows.weights > 0).all():
            return rows
        if not rows.weights.any():
            raise ValueError(f"sample_weight is zero for every row of {name}.")
        return rows.take(rows.weights > 0)

    def _read_source_rows(self, table, names):
        """Names and `Rows` of the parameter `source_rows`, columns as those of the target."""
        keys, pairs = pairs_of_rows(self.source_rows)
        reader = copy.copy(self)  # reads as this estimator does, and keeps what that one has noted
        reader.task_column = None
        sources = []
        for key, (X, y, *weights) in zip(keys, pairs, strict=True):
            label = f"source {key!r}"
            own = frames.column_names(X)
            X = reader._read_columns(X, reset=True)
            y = reader._read_target(y)
            check_consistent_length(X, y)
            place = SourceRows(own, X.shape[1], names, table.shape[1], label)
            X = place.align(X)
            if frames.is_frame(X) != frames.is_frame(table):
                raise ValueError(f"{label} and the target must both be frames, or neither.")
            if sparse.issparse(table) and not sparse.issparse(X):
                X = sparse.csr_array(X)
            if sparse.issparse(X) and not sparse.issparse(table):
                raise ValueError(f"{label} is sparse but the target is dense: make both sparse.")
            weights = check_weights(weights[0], y.shape, False) if weights else None
            sources.append(self._counting(Rows(X, y, weights), label))
        return keys, sources

    def _fit_sources(self, transfer, estimator):
        """`SourceModel`s: those given, else clones of an estimator fitted to the rows of each."""
        if transfer.models or not transfer.sources:
            return transfer.models
        width = transfer.target.X.shape[1]
        models = []
        for name, rows in zip(transfer.names, transfer.sources, strict=True):
            given = {} if rows.weights is None else {weight_parameter(estimator): rows.weights}
            model = self._remembered(name, clone(estimator).fit, rows.X, rows.y, **given)
            names = transfer.feature_names if hasattr(model, "feature_names_in_") else None
            models.append(SourceModel(model, names, width, f"source {name!r}"))
        return models

    def _remembered(self, key, make, *args, **options):
        """What a function returns, or returned for the same key in an earlier fit of a search."""
        if self._memory is None:
            return make(*args, **options)
        if key not in self._memory:
            self._memory[key] = make(*args, **options)
        return self._memory[key]

    def _read_target_rows(self, X, tasks):
        """Features of rows to predict, all of which must be of the target."""
        self._check_layout(tasks)
        if self.task_column is None and tasks is None:
            return self._read_columns(X, reset=False)
        X, ids = self._split_ids(X, tasks, reset=False)
        foreign = match(ids, self.tasks_) != match(
            check_task_ids(np.array([self.target_task]), "target_task"), self.tasks_
        )
        if foreign.any():
            row = int(np.argmax(foreign))
            raise ValueError(
                f"row {row} is of task {ids[row].item()!r}, but {type(self).__name__} was fitted "
                f"for the target {self.target_task!r} only: pass rows of the target. To "
                "cross-validate, split these only: TargetKFold."
            )
        return self._read_columns(X, reset=False)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self._allows_nan
        tags.target_tags.required = True
        return tags


HELD = ("source", "source_rows")


class SourceRows:
    """Where the features of the target are among the columns of a source's rows."""

    def __init__(self, own, n_own, names, n_features, label):
        self.columns = None
        if own is None or names is None:
            if n_own != n_features:
                raise ValueError(
                    f"{label} has {n_own} features, but the target has {n_features}: give both as "
                    "frames, so that features are matched by name, or the same features in the "
                    "same order."
                )
            return
        lacking = [name for name in names if name not in own]
        if lacking:
            raise ValueError(
                f"{label} does not have the features {lacking[:5]} of the target; "
                f"it has {own[:10]}."
            )
        self.columns = np.array([own.index(name) for name in names])

    def align(self, X):
        return X if self.columns is None else frames.take_columns(X, self.columns)


class TransferRegressor(RegressorMixin, TransferEstimator):
    """A regressor for the target: a subclass has ``_predict_target(X)`` for features X."""

    @complete_docstring
    def predict(self, X, *, tasks=None):
        """Predict the target of every row.

        Parameters
        ----------
        {target_predict_parameters}

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self._predict_target(self._read_target_rows(X, tasks))

    @complete_docstring
    def score(self, X, y, sample_weight=None, *, tasks=None):
        """R2 of the predictions.

        Parameters
        ----------
        {target_score_parameters}

        Returns
        -------
        float
        """
        return float(r2_score(y, self.predict(X, tasks=tasks), sample_weight=sample_weight))


class TransferClassifier(ClassifierMixin, TransferEstimator):
    """A classifier for the target: a subclass has ``_target_proba(X)`` and sets ``classes_``."""

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
        best = self.predict_proba(X, tasks=tasks).argmax(axis=1)
        return self.classes_[best]

    @complete_docstring
    def predict_proba(self, X, *, tasks=None):
        """Probabilities of the labels in ``classes_``.

        Parameters
        ----------
        {target_predict_parameters}

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        return self._target_proba(self._read_target_rows(X, tasks))

    @complete_docstring
    def score(self, X, y, sample_weight=None, *, tasks=None):
        """Accuracy of the predictions.

        Parameters
        ----------
        {target_score_parameters}

        Returns
        -------
        float
        """
        predicted = self.predict(X, tasks=tasks)
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))
