"""The estimator bases: how every estimator reads tasks, predicts, and warns."""

import numbers
import warnings

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score
from sklearn.utils import assert_all_finite, check_array, check_consistent_length
from sklearn.utils.validation import check_is_fitted, validate_data

from skmtl import frames
from skmtl.documentation import complete_docstring
from skmtl.solvers.noise import noise_weights
from skmtl.task_data import learns_noise, make_task_data, weigh_tasks
from skmtl.tasks import check_task_ids, describe_ids, encode, group_rows, match, split_task_column
from skmtl.threads import suited_threads

UNKNOWN_TASK = ("error", "shared")


class TaskEstimator(BaseEstimator):
    """Reads the three data layouts for an estimator with a parameter ``task_column``.

    In ``fit`` the layout is settled and kept in ``_layout``: "one" (no ids: a single task),
    "column", "vector" (ids as ``tasks=``) or "outputs" (a 2-d y, each column a task).
    """

    __metadata_request__fit = {"tasks": True}  # noqa: RUF012
    _expects_one_task = False  # a search sets it that compares with a model of the target alone

    def _split_ids(self, X, tasks, *, reset):
        """Table without the ids, and the ids or None; sets or checks n_features_in_ and names."""
        if self.task_column is None:
            if tasks is not None:
                tasks = check_task_ids(tasks)
                check_consistent_length(X, tasks)
            return X, tasks
        if tasks is not None:
            raise ValueError(
                f"task ids came twice: in column {self.task_column!r} of X (task_column) and as "
                "`tasks`. Give one of them."
            )
        X = frames.as_columns(X)
        if frames.is_frame(X) or np.ndim(X) == 2 or sparse.issparse(X):
            validate_data(self, X, reset=reset, skip_check_array=True)
        features, ids = split_task_column(X, self.task_column)
        return features, ids

    def _read_features(self, X, *, reset):
        """Features as a float array or a csr/csc matrix; NaN is allowed here."""
        options = {
            "accept_sparse": ("csr", "csc"),
            "dtype": (np.float64, np.float32),
            "ensure_all_finite": "allow-nan",
        }
        if self.task_column is None:
            X = frames.as_numbers(X) if frames.is_frame(X) else X
            return validate_data(self, X, reset=reset, **options)
        return check_array(frames.as_numbers(X), input_name="X", estimator=self, **options)

    def _read_training_data(self, X, y, tasks, sample_weight):
        """TaskData of a fit; settles the layout and sets `tasks_` and `absent_features_`."""
        self._check_shared_parameters()
        task_weight = getattr(self, "task_weight", None)
        noise = learns_noise(task_weight)
        if noise:
            self._check_noise_weights()
        X, ids = self._split_ids(X, tasks, reset=True)
        X = self._read_features(X, reset=True)
        y, names = self._read_y(y)
        check_consistent_length(X, y)
        if ids is not None and y.ndim == 2:
            y = self._single_output(y)
        data = make_task_data(
            X,
            y,
            ids=ids,
            labels=names,
            sample_weight=sample_weight,
            task_weight=None if noise else task_weight,
        )
        self._settle_layout(ids, y, data.labels)
        self.absent_features_ = data.absent_features(self._feature)
        if noise:
            with suited_threads(data):
                fit_intercept = getattr(self, "fit_intercept", True)
                data = weigh_tasks(data, noise_weights(data, fit_intercept=fit_intercept))
        self.task_weight_ = data.task_weight
        return data

    def _check_noise_weights(self):
        """Raise ValueError where task_weight="noise" has no meaning."""
        name = type(self).__name__
        if is_classifier(self):
            raise ValueError(
                f"task_weight='noise' weighs tasks by the noise of their targets, which labels do "
                f"not have: {name} takes None, 'balanced' or numbers."
            )
        if "noise" in self.get_params(deep=False):
            raise ValueError(
                f"task_weight='noise': {name} learns the noise of the tasks as part of its model "
                "(parameter `noise`). Leave task_weight at None."
            )

    def _read_y(self, y):
        """Targets as float64, NaN where they are missing, and the names of the columns of y."""
        return read_targets(y, self)

    def _single_output(self, y):
        if y.shape[1] == 1:
            if y.dtype.kind == "f":
                assert_all_finite(y, input_name="y", estimator_name=type(self).__name__)
            return y.ravel()
        raise ValueError(
            f"y has {y.shape[1]} columns, each of which is a task, but task ids were given too: "
            "give a 1-d y with ids, or a 2-d y without."
        )

    def _check_shared_parameters(self):
        if getattr(self, "unknown_task", "error") not in UNKNOWN_TASK:
            raise ValueError(
                f"unknown_task={self.unknown_task!r} is not one of {', '.join(UNKNOWN_TASK)}."
            )

        for name in ("fit_intercept", "warm_start"):
            value = getattr(self, name, False)
            if not isinstance(value, (bool, np.bool_)):
                raise TypeError(f"{name} must be True or False, but it is {value!r}.")

    def _settle_layout(self, ids, y, labels):
        if np.ndim(y) == 2:
            self._layout = "outputs"
        elif ids is None:
            self._layout = "one"
        else:
            self._layout = "vector" if self.task_column is None else "column"
        self.tasks_ = labels
        alone = self._layout in ("vector", "column") and len(labels) == 1
        if alone and not self._expects_one_task:
            place = "`tasks`" if self.task_column is None else f"column {self.task_column!r}"
            warnings.warn(
                f"{place} names one task only ({describe_ids(labels)}): nothing can be shared.",
                UserWarning,
                stacklevel=4,
            )

    def _check_layout(self, tasks):
        """Ids come to predict as they came to fit."""
        check_is_fitted(self)
        if tasks is None and self._layout == "vector":
            raise ValueError(
                f"{type(self).__name__} was fitted with `tasks`: pass tasks= here too. Tools that "
                "cannot do so (string scorers, cross_val_predict) need the ids in a column of X "
                "(task_column)."
            )
        if tasks is not None and self._layout in ("one", "outputs"):
            raise ValueError(
                f"{type(self).__name__} was fitted without task ids, so `tasks` means nothing here."
            )

    def _codes_of_rows(self, ids, n_rows):
        """Task of every row: None for outputs (every task has every row), -1 for unknown."""
        if self._layout == "outputs":
            return None
        return np.zeros(n_rows, dtype=int) if ids is None else self._codes(ids)

    def _codes(self, ids):
        codes = match(ids, self.tasks_)
        unknown = codes < 0
        if unknown.any() and self.unknown_task == "error":
            raise ValueError(
                f"task {ids[np.argmax(unknown)].item()!r} was not seen in fit, which had "
                f"{describe_ids(self.tasks_)}. To cross-validate, keep every task in every "
                "training fold with TaskKFold (a KFold over sorted rows drops tasks); to predict "
                "new tasks from what all tasks share, set unknown_task='shared'."
            )
        return codes

    def _read_rows(self, X, tasks):
        """Features (absent ones 0) and the task of every row."""
        self._check_layout(tasks)
        X, ids = self._split_ids(X, tasks, reset=False)
        X = self._read_features(X, reset=False)
        codes = self._codes_of_rows(ids, X.shape[0])
        return self._fill_absent(X, codes), codes

    def _fill_absent(self, X, codes):
        """Zeros for features that are absent from a row's task; other NaN are errors."""
        if sparse.issparse(X):
            assert_all_finite(X.data, input_name="X", estimator_name=type(self).__name__)
            return X
        if not np.isnan(X.sum()):
            return X
        missing = np.isnan(X)
        allowed = np.zeros((len(self.tasks_) + 1, X.shape[1]), dtype=bool)
        if self.absent_features_ is not None:
            allowed[:-1] = self.absent_features_
        wrong = missing & ~(allowed[codes] if codes is not None else allowed[:-1].all(axis=0))
        if wrong.any():
            row, feature = (int(i) for i in np.argwhere(wrong)[0])
            known = codes is not None and codes[row] >= 0
            where = " of a task that fit did not see" if codes is not None else ""
            where = f" of task {describe_ids(self.tasks_[codes[[row]]])}" if known else where
            raise ValueError(
                f"Input X contains NaN in row {row}{where}, feature {self._feature(feature)}: add "
                "an imputer before, keep_tasks(SimpleImputer(), task_column=...)."
            )
        return np.where(missing, X.dtype.type(0), X)

    def _feature(self, position):
        """Name of a feature, or its position; the task column does not count."""
        if not hasattr(self, "feature_names_in_"):
            return position
        names = [name for name in self.feature_names_in_.tolist() if name != self.task_column]
        if isinstance(self.task_column, (int, np.integer)):
            names.pop(self.task_column)
        return repr(names[position])


class TaskPredictor(TaskEstimator):
    """A task estimator whose ``predict`` and ``score`` take ``tasks`` as ``fit`` does."""

    __metadata_request__predict = {"tasks": True}  # noqa: RUF012
    __metadata_request__score = {"tasks": True}  # noqa: RUF012


def read_targets(y, estimator):
    """Targets as float64 with NaN allowed in a 2-d y; names of the columns of a frame."""
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, "
            "but the target y is None."
        )
    names = frames.column_names(y)
    y = check_array(
        y,
        ensure_2d=False,
        ensure_all_finite="allow-nan",
        dtype=np.float64,
        input_name="y",
        estimator=estimator,
    )
    if y.ndim > 2:
        raise ValueError(f"y must be 1-d or 2-d, but has shape {y.shape}.")
    if y.ndim == 1:
        assert_all_finite(y, input_name="y", estimator_name=type(estimator).__name__)
    return y, None if names is None or y.ndim == 1 else np.asarray(names)


def mean_r2(y, predicted, sample_weight=None):
    """R2 of one output, or the mean over outputs of R2 over their observed (not NaN) entries."""
    y, predicted = np.asarray(y, dtype=np.float64), np.asarray(predicted)
    if np.ndim(sample_weight) < 2 and (y.ndim == 1 or not np.isnan(y).any()):
        return r2_score(y, predicted, sample_weight=sample_weight)
    weights = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    weights = np.broadcast_to(weights if weights.ndim == 2 else weights[:, None], y.shape)
    scores = []
    for target, prediction, weight in zip(y.T, predicted.T, weights.T, strict=True):
        seen = ~np.isnan(target)
        weight = weight[seen]
        if seen.sum() > 1:
            scores.append(r2_score(target[seen], prediction[seen], sample_weight=weight))
    if not scores:
        raise ValueError("R2 needs at least two observed targets of some task.")
    return float(np.mean(scores))


class MultiTaskLinearRegressor(RegressorMixin, TaskPredictor):
    """Base of the linear regressors: predictions from ``coef_`` and ``intercept_``.

    Attributes
    ----------
    coef_ : ndarray of shape (n_tasks, n_features)
        One row per task; the task column is no feature.
    intercept_ : ndarray of shape (n_tasks,)
    coef_shared_, intercept_shared_ : ndarray of shape (n_features,), float
        The model of a task that was not seen in fit (``unknown_task="shared"``).
    tasks_ : ndarray of shape (n_tasks,)
    """

    def _store(self, data, coef, intercept, shared=None):
        """Keep a fit; coef is (n_features, n_tasks), shared a pair of the common model."""
        coef, intercept = np.array(coef).T, np.array(intercept)
        if self.absent_features_ is not None:
            coef = np.where(self.absent_features_, 0.0, coef)
        shared = self._mean_model(data, coef, intercept) if shared is None else shared
        empty = data.task_sizes() == 0
        if empty.any():  # nothing was learned for these: they have the shared model
            coef[empty], intercept[empty] = shared
            if self.absent_features_ is not None:
                coef = np.where(self.absent_features_, 0.0, coef)
        dtype = np.float32 if data.X.dtype == np.float32 else np.float64
        self.coef_ = np.ascontiguousarray(coef, dtype=dtype)
        self.intercept_ = np.asarray(intercept, dtype=dtype)
        self.coef_shared_ = np.asarray(shared[0], dtype=dtype)
        self.intercept_shared_ = dtype(shared[1])
        for name in ("coef_", "intercept_"):
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(
                    f"{type(self).__name__} found no finite {name}: the scales of X or y exceed "
                    "the range of its dtype. Standardise them first."
                )
        return self

    def _mean_model(self, data, coef, intercept):
        """Mean coefficients over the tasks that have a feature, weighted by their rows."""
        sizes = data.task_sizes()
        total = sizes.sum()
        if self.absent_features_ is not None:  # the coefficients there are 0
            total = np.maximum(sizes @ ~self.absent_features_, np.finfo(float).tiny)
        return sizes @ coef / total, sizes @ intercept / sizes.sum()

    @complete_docstring
    def predict(self, X, *, tasks=None):
        """Predict the target of every row by the model of its task.

        Parameters
        ----------
        {predict_parameters}

        Returns
        -------
        ndarray of shape (n_samples,), or (n_samples, n_tasks) after a fit with 2-d y
        """
        X, codes = self._read_rows(X, tasks)
        if codes is None:
            return np.asarray(X @ self.coef_.T) + self.intercept_
        if len(self.tasks_) == 1 and (codes == 0).all():
            return np.asarray(X @ self.coef_[0]) + self.intercept_[0]
        predicted = np.empty(X.shape[0], dtype=np.result_type(X.dtype, self.coef_.dtype))
        seen, local = encode(codes)
        if sparse.issparse(X):
            X = X.tocsr()
        for code, rows in zip(seen, group_rows(local, len(seen)), strict=True):
            known = code >= 0
            coef = self.coef_[code] if known else self.coef_shared_
            intercept = self.intercept_[code] if known else self.intercept_shared_
            predicted[rows] = X[rows] @ coef + intercept
        return predicted

    @complete_docstring
    def score(self, X, y, sample_weight=None, *, tasks=None):
        """R2 of the predictions.

        Over all rows if y is 1-d (as ``scoring="r2"``), the mean over tasks if y is 2-d;
        NaN entries of a 2-d y are ignored.

        Parameters
        ----------
        {score_parameters}

        Returns
        -------
        float
        """
        return mean_r2(y, self.predict(X, tasks=tasks), sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = True
        tags.target_tags.required = True
        return tags


def check_number(value, name, *, low=0.0, strict=False, integer=False):
    """Raise unless value is a finite number above low (or equal to it, unless strict)."""
    kind = numbers.Integral if integer else numbers.Real
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, kind):
        raise TypeError(f"{name} must be {'an integer' if integer else 'a number'}, not {value!r}.")
    if not np.isfinite(value) or value < low or (strict and value == low):
        bound = f"{'>' if strict else '>='} {low:g}"
        raise ValueError(f"{name}={value!r} must be finite and {bound}.")


def warn_unless_converged(solution, *, tol, max_iter, stacklevel=3):
    """The one ConvergenceWarning: says the gap, the tolerance and what to change."""
    if not solution.converged:
        warnings.warn(
            "Objective did not converge. You might want to increase the number of iterations. "
            f"The relative duality gap is {solution.gap:.3e}, tol is {tol:.3e}, and max_iter is "
            f"{max_iter}: raise max_iter or tol, or scale the features.",
            ConvergenceWarning,
            stacklevel=stacklevel,
        )
