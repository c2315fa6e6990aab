"""Any estimator on target rows and, with less weight, source rows."""

import numbers

import numpy as np

from skmtl.base import check_number
from skmtl.documentation import ESTIMATOR_TEXTS, share_text
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
    "weighted_objective": """
    The estimator is fitted to the target rows i and the rows j of the sources k by minimising ::

        sum_i v_i loss(y_i, f(x_i)) + sum_k lambda_k sum_j v_j loss(y_j, f(x_j))

    with v the sample weights and lambda_k the weight of source k: 0 is the estimator on the
    target alone, 1 on all rows pooled. Per row, so that a source of many rows may outvote the
    target even with a small weight.
    """,
    "weighted_attributes": """
    estimator_ : estimator
        Fitted to the rows with a weight.
    source_weights_ : ndarray of shape (n_sources,)
        The weight lambda of every source; 0: only the target is used.
    """,
}


def complete(subject):
    """Fill in the texts that all source-weighted estimators share."""
    return share_text(**TEXTS)(subject)


def read_factors(source_weight, names):
    """Weights (n_sources,) from a number, a number per source or a dict by their names."""
    if isinstance(source_weight, numbers.Real):
        check_number(source_weight, "source_weight")
        return np.full(len(names), float(source_weight))
    if isinstance(source_weight, dict):
        lacking = [name for name in names if name not in source_weight]
        unknown = [name for name in source_weight if name not in names]
        if lacking or unknown:
            raise ValueError(
                f"source_weight lacks the sources {lacking} and names {unknown}, which there are "
                f"not: give one number for each of {names}."
            )
        source_weight = [source_weight[name] for name in names]
    try:
        factors = np.array(source_weight, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"source_weight must be a number or one per source, not {source_weight!r}."
        ) from error
    if factors.shape != (len(names),):
        raise ValueError(
            f"source_weight has shape {factors.shape}, but there are {len(names)} sources: give "
            "one number, or one per source in the order of source_names_."
        )
    if not np.isfinite(factors).all() or (factors < 0).any():
        raise ValueError(f"source_weight={source_weight!r} must be finite and >= 0.")
    return factors


def weighted_rows(target, sources, factors):
    """Rows of the target and those of the sources, weighted; none of a source of weight 0."""
    parts = [target]
    for rows, factor in zip(sources, factors, strict=True):
        if factor == 1:
            parts.append(rows)
        elif factor > 0:
            parts.append(Rows(rows.X, rows.y, factor * rows.weights_or_ones()))
    return stack_rows(parts)


class SourceWeighted(WeightedEstimator):
    """The constructor and fit of both estimators with given weights."""

    def __init__(
        self,
        estimator=None,
        *,
        source_rows=None,
        source_weight=0.1,
        task_column=None,
        target_task=None,
    ):
        self.estimator = estimator
        self.source_rows = source_rows
        self.source_weight = source_weight
        self.task_column = task_column
        self.target_task = target_task

    @complete
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Fit the estimator to the target rows and the weighted source rows.

        Parameters
        ----------
        {target_fit_parameters}

        Returns
        -------
        self : object
        """
        transfer = self._read_transfer(X, y, tasks, sample_weight)
        factors = read_factors(self.source_weight, transfer.names)
        self._note_classes(transfer)
        rows = weighted_rows(transfer.target, transfer.sources, factors)
        self._keep(fit_weighted(self._make_estimator(), rows), transfer)
        self.source_weights_ = factors
        return self


@complete
class SourceWeightedRegressor(WeightedRegressor, SourceWeighted):
    """Any regressor on the rows of the target and, with a weight, those of the sources.

    {weighted_objective}

    Parameters
    ----------
    estimator : regressor, default=None
        Its fit takes `sample_weight` (in a pipeline that of the last step). None: `Ridge()`.
    {source_rows}
    source_weight : float, array-like of shape (n_sources,) or dict, default=0.1
        The weight lambda of a source row: one for all sources, or one per source, in the order of
        `source_names_` or by their names.
    {target_task}

    Attributes
    ----------
    {weighted_attributes}
    {source_attributes}

    See Also
    --------
    SourceWeightedRegressorCV : Chooses the weights by cross-validation on the target.
    ShiftWeightedRegressor : A weight per source row, from the features alone.

    References
    ----------
    Wu, Dietterich 2004, *Improving SVM accuracy by training on auxiliary data sources*, ICML.

    Examples
    --------
    >>> from skmtl import SourceWeightedRegressor, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=3, random_state=0)
    >>> model = SourceWeightedRegressor(source_weight=0.2, task_column=0, target_task=2)
    >>> model.fit(X, y).source_weights_
    array([0.2, 0.2])
    """


@complete
class SourceWeightedClassifier(WeightedClassifier, SourceWeighted):
    """Any classifier on the rows of the target and, with a weight, those of the sources.

    {weighted_objective}

    Parameters
    ----------
    estimator : classifier, default=None
        Its fit takes `sample_weight` (in a pipeline that of the last step). None:
        `LogisticRegression()`.
    {source_rows}
    source_weight : float, array-like of shape (n_sources,) or dict, default=0.1
        The weight lambda of a source row: one for all sources, or one per source, in the order of
        `source_names_` or by their names.
    {target_task}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels of the target and of all sources; probability 0 for one that no row with a
        weight had.
    {weighted_attributes}
    {source_attributes}

    See Also
    --------
    SourceWeightedClassifierCV : Chooses the weights by cross-validation on the target.
    ShiftWeightedClassifier : A weight per source row, from the features alone.

    References
    ----------
    Wu, Dietterich 2004, *Improving SVM accuracy by training on auxiliary data sources*, ICML.

    Examples
    --------
    >>> from skmtl import SourceWeightedClassifier, make_multitask_classification
    >>> X, y = make_multitask_classification(n_tasks=3, random_state=0)
    >>> model = SourceWeightedClassifier(source_weight=0.2, task_column=0, target_task=2)
    >>> model.fit(X, y).source_weights_
    array([0.2, 0.2])
    """
