"""Any estimator on source rows weighted for the target's distribution of features."""

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_array, column_or_1d

from skmtl import frames
from skmtl.documentation import ESTIMATOR_TEXTS, share_text
from skmtl.labels import read_labels
from skmtl.transfer.importance.base import effective_size
from skmtl.transfer.importance.ulsif import ULSIF
from skmtl.transfer.sources import Rows
from skmtl.transfer.weighted_fit import (
    WeightedClassifier,
    WeightedEstimator,
    WeightedRegressor,
    fit_weighted,
    stack_rows,
)

TEXTS = {
    **ESTIMATOR_TEXTS,
    "shift_objective": """
    With w(x) the ratio of the target's density of the features to that of all source rows, the
    estimator is fitted by minimising ::

        sum_i v_i loss(y_i, f(x_i)) + sum_j v_j w(x_j) loss(y_j, f(x_j))

    over the target rows i that have a y, and the source rows j; v are the sample weights. No row
    of the target needs a y. **This assumes that only the features have shifted**: if y given x
    differs too, no weights repair that, and rows of the target with y should decide (`{cv}`).
    """,
    "weighter": """
    weighter : weighter, default=None
        `ULSIF`, `KLIEP`, `KernelMeanMatching`, or anything whose `fit` takes the same and leaves
        ``weights_``. It is given all rows of the target, with and without y; its `task_column`
        and `target_task` are set. None: `ULSIF()`.
    """,
    "shift_attributes": """
    estimator_ : estimator
        Fitted to the rows with a weight.
    weighter_ : weighter
        Fitted; None without sources.
    source_weights_ : ndarray of shape (n_sources,)
        The share of every source in the weight of all rows; 0: only the target is used.
    effective_sample_sizes_ : ndarray of shape (n_sources,)
        (sum of the weights)^2 / sum of their squares of the rows of every source.
    """,
    "shift_notes": """
    Features must be numbers, on one scale (``keep_tasks(StandardScaler(), task_column)`` before).
    Sample weights count in the fit of the estimator, not for the ratio of densities; rows of
    weight zero count for neither.
    """,
}


def complete(cv):
    """Fill in the texts that both estimators share."""
    objective = TEXTS["shift_objective"].replace("{cv}", cv)
    return share_text(**{**TEXTS, "shift_objective": objective})


class ShiftWeighted(WeightedEstimator):
    """The constructor and fit of both estimators."""

    def __init__(
        self,
        estimator=None,
        *,
        weighter=None,
        source_rows=None,
        task_column=None,
        target_task=None,
    ):
        self.estimator = estimator
        self.weighter = weighter
        self.source_rows = source_rows
        self.task_column = task_column
        self.target_task = target_task

    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Weigh the source rows and fit the estimator.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns)
            Rows of the target; with task ids also those of the sources.
        y : array-like of shape (n_samples,)
            NaN or None for rows of the target whose y is not known. None altogether, if there are
            `source_rows` and no y of the target is known.
        sample_weight : float or array-like of shape (n_samples,), optional
        tasks : array-like of shape (n_samples,), optional
            Task of every row, instead of ``task_column``.

        Returns
        -------
        self : object
        """
        if y is None and self.source_rows is not None:
            y = np.full(frames.as_columns(X).shape[0], None, dtype=object)
        transfer = self._read_transfer(X, y, tasks, sample_weight)
        labelled, sources = self._observed(transfer)
        self._note_classes(transfer._replace(target=labelled, sources=sources))
        weights = self._weigh(sources, transfer.target)
        weighted = [
            Rows(rows.X, rows.y, rows.weights_or_ones() * own)
            for rows, own in zip(sources, weights, strict=True)
        ]
        rows = stack_rows([labelled, *weighted] if len(labelled) else weighted)
        rows = self._counting(rows, "the target and the sources")
        self._keep(fit_weighted(self._make_estimator(), rows), transfer)
        total = rows.weights_or_ones().sum()
        self.source_weights_ = np.array([part.weights.sum() / total for part in weighted])
        self.effective_sample_sizes_ = np.array([effective_size(part.weights) for part in weighted])
        return self

    def _observed(self, transfer):
        """Rows of the target that have a y, and those of the sources, all of which must."""
        target, sources = transfer.target, transfer.sources
        if sources:
            target = target.take(~frames.is_missing(target.y))
        named = [("the target, and there is no source", target)]
        named += [
            (f"source {key!r}", rows) for key, rows in zip(transfer.names, sources, strict=True)
        ]
        for label, rows in named:
            missing = frames.is_missing(rows.y)
            if missing.any():
                raise ValueError(
                    f"y contains NaN or None in row {int(np.argmax(missing))} of {label}: only "
                    "rows of the target may be without, if there are sources."
                )
        target, *sources = [
            Rows(rows.X, frames.tighten(rows.y) if len(rows) else rows.y, rows.weights)
            for _, rows in named
        ]
        return target, sources

    def _weigh(self, sources, target):
        """Weights of the rows of every source."""
        self.weighter_ = None
        if not sources:
            return []
        ids = np.repeat([1, 0], [sum(map(len, sources)), len(target)])
        weighter = ULSIF() if self.weighter is None else clone(self.weighter)
        weighter.set_params(task_column=None, target_task=0)
        self.weighter_ = weighter.fit(
            frames.stack_rows([*(part.X for part in sources), target.X]), tasks=ids
        )
        return np.split(weighter.weights_, np.cumsum([len(part) for part in sources])[:-1])


@complete("SourceWeightedRegressorCV")
class ShiftWeightedRegressor(WeightedRegressor, ShiftWeighted):
    """Any regressor for a target with other features than the sources (covariate shift).

    {shift_objective}

    Parameters
    ----------
    estimator : regressor, default=None
        Its fit takes `sample_weight` (in a pipeline that of the last step). None: `Ridge()`.
    {weighter}
    {source_rows}
    {target_task}

    Attributes
    ----------
    {shift_attributes}
    {source_attributes}

    See Also
    --------
    SourceWeightedRegressorCV : A weight per source, from held-out rows of the target.

    Notes
    -----
    {shift_notes}

    References
    ----------
    Shimodaira 2000, *Improving predictive inference under covariate shift by weighting the
    log-likelihood function*, Journal of Statistical Planning and Inference 90.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl import ShiftWeightedRegressor
    >>> x = np.concatenate([np.linspace(-2, 2, 50), np.linspace(1, 2, 20)])
    >>> y = np.where(np.arange(70) < 50, x**2, np.nan)  # none is known of the target
    >>> X = np.column_stack([np.repeat([0, 1], [50, 20]), x])
    >>> model = ShiftWeightedRegressor(task_column=0, target_task=1).fit(X, y)
    >>> bool(abs(model.predict([[1, 1.5]])[0] - 1.5**2) < 0.3)
    True
    """

    def _read_target(self, y):
        """Targets as floats, NaN where they are not known."""
        if y is None:
            return super()._read_target(y)
        y = check_array(
            y,
            ensure_2d=False,
            ensure_all_finite="allow-nan",
            dtype=np.float64,
            input_name="y",
            estimator=self,
        )
        if not np.isnan(y).any():
            return super()._read_target(y)
        return column_or_1d(y)


@complete("SourceWeightedClassifierCV")
class ShiftWeightedClassifier(WeightedClassifier, ShiftWeighted):
    """Any classifier for a target with other features than the sources (covariate shift).

    {shift_objective}

    Parameters
    ----------
    estimator : classifier, default=None
        Its fit takes `sample_weight` (in a pipeline that of the last step). None:
        `LogisticRegression()`.
    {weighter}
    {source_rows}
    {target_task}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels of all sources and of the target.
    {shift_attributes}
    {source_attributes}

    See Also
    --------
    SourceWeightedClassifierCV : A weight per source, from held-out rows of the target.

    Notes
    -----
    {shift_notes}

    References
    ----------
    Shimodaira 2000, *Improving predictive inference under covariate shift by weighting the
    log-likelihood function*, Journal of Statistical Planning and Inference 90.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl import ShiftWeightedClassifier
    >>> x = np.concatenate([np.linspace(-2, 2, 50), np.linspace(1, 2, 20)])
    >>> y = np.where(np.arange(70) < 50, np.abs(x) > 1.5, None)  # none is known of the target
    >>> X = np.column_stack([np.repeat([0, 1], [50, 20]), x])
    >>> model = ShiftWeightedClassifier(task_column=0, target_task=1).fit(X, y)
    >>> model.predict([[1, 1.1], [1, 1.9]])
    array([False,  True])
    """

    def _read_target(self, y):
        """Labels; of objects, None where they are not known."""
        if y is None:
            return super()._read_target(y)
        values = y.to_numpy() if hasattr(y, "to_numpy") else np.asarray(y)
        missing = frames.is_missing(values)
        if not missing.any() or values.ndim > 2:
            return super()._read_target(y)
        values = column_or_1d(values)
        known = values.astype(object)
        known[missing.reshape(-1)] = None
        observed = values[~missing.reshape(-1)]
        if len(observed):
            read_labels(frames.tighten(observed), self)
        return known
