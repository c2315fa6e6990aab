"""The cross-validated transfers: any transfer estimators beside the target alone."""

import numpy as np

from skmtl.compose.stacking import LEAST_PROBABILITY, LogLosses, SquaredErrors
from skmtl.documentation import complete_docstring
from skmtl.transfer.base import TransferClassifier, TransferRegressor
from skmtl.transfer.candidates import OneLabel, labels_of_sources, last_step
from skmtl.transfer.logistic import TransferLogisticRegression
from skmtl.transfer.ridge import TransferRidge
from skmtl.transfer.search import TransferSearch
from skmtl.transfer.sources import spread_over_classes


@complete_docstring
class TransferRegressorCV(TransferSearch, TransferRegressor):
    """Transfer as far as it helps, judged on held-out rows of the target.

    Every candidate is fitted to all but one fold of the target's rows (sources stay whole) and
    predicts the rows left out. The candidates are the transfer estimators given, **the target
    alone** (the same estimators without their sources), and every fitted source as it is. With the
    predictions f_k the weights minimise ::

        sum_i v_i (y_i - sum_k a_k f_k(x_i))^2,   a >= 0,   sum_k a_k = 1

    and the target alone keeps a share d^2 / (g^2 + d^2) more, for the gain g of the mixture over
    it and d one and a half standard errors of g: transfer must earn its place.

    Parameters
    ----------
    estimators : estimator, list or dict of them, or list of pairs (name, estimator), default=None
        Transfer estimators with their sources, also at the end of a Pipeline.
        None: ``[TransferRidge()]``.
    combine : {"stack", "best"}, default="stack"
        Mix the candidates, or take the one with the smallest error.
    target_only : estimator, default=None
        The model of the target alone. None: each of `estimators` without its sources.
    cv : int, splitter or iterable of (train, test), default=None
        None: 5 random folds of the rows of the target. A splitter is given these rows
        (`TargetKFold`: all rows of X); pairs hold row numbers of X, of which those of the target
        count.
    {target_task}
        Both are set in every estimator that has such parameters.
    n_jobs : int, default=None
        Fits at the same time; results do not depend on it.
    random_state : int, RandomState instance or None, default=0
        Of the folds.

    Attributes
    ----------
    candidate_weights_ : dict of str to float
    cv_scores_ : dict of str to float
        Mean squared error of every candidate on the rows left out.
    best_candidate_ : str
        The one with the largest weight.
    estimators_ : dict of str to estimator
        Those with a weight, fitted to all rows.
    gain_, gain_error_ : float
        Reduction of the root mean squared error that the mixture brings over the target alone, in
        percent, judged on folds that did not choose it, and its standard error.
    transfer_helps_ : bool
        Whether `gain_` is more than 1.645 standard errors above 0.
    source_weights_ : ndarray of shape (n_sources,)
        How much each source is used: the sum over candidates of weight times their use of it. 0
        means the target only.
    {source_attributes}

    See Also
    --------
    TransferClassifierCV : For labels.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from skmtl import TransferRegressorCV, TransferRidge, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=2, n_samples=60, random_state=0)
    >>> source = Ridge().fit(X[:60, 1:], y[:60])
    >>> model = TransferRegressorCV(TransferRidge(source)).fit(X[60:, 1:], y[60:])
    >>> list(model.candidate_weights_)
    ['target-only', 'source-only', 'TransferRidge']
    """

    def __init__(
        self,
        estimators=None,
        *,
        combine="stack",
        target_only=None,
        cv=None,
        task_column=None,
        target_task=None,
        n_jobs=None,
        random_state=0,
    ):
        self.estimators = estimators
        self.combine = combine
        self.target_only = target_only
        self.cv = cv
        self.task_column = task_column
        self.target_task = target_task
        self.n_jobs = n_jobs
        self.random_state = random_state

    _stratified = False

    def _default_estimator(self):
        return TransferRidge()

    def _plain(self, model, y):
        return model

    def _set_classes(self, y, candidates):
        """Numbers have none."""

    def _told_by_source(self, model, features):
        return model.predict(features)

    def _told(self, model, X, given):
        return np.asarray(model.predict(X, **given), dtype=float)

    @staticmethod
    def _losses(answers, y):
        return (answers - y) ** 2

    @staticmethod
    def _problem(answers, y, weights):
        return SquaredErrors(answers, y, weights, np.zeros(len(y), dtype=int), np.arange(len(y)))

    @complete_docstring
    def predict(self, X, *, tasks=None):
        """Predict the target of every row by the mixture.

        Parameters
        ----------
        {target_predict_parameters}

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self._mixed(X, tasks)


@complete_docstring
class TransferClassifierCV(TransferSearch, TransferClassifier):
    """Transfer as far as it helps, judged on held-out rows of the target.

    Every candidate is fitted to all but one fold of the target's rows (sources stay whole) and
    gives the probability p_k(x_i) of the label of every row left out. The candidates are the
    transfer estimators given, **the target alone** (the same estimators without their sources), and
    every fitted source as it is. The weights maximise ::

        sum_i v_i log sum_k a_k p_k(x_i),   a >= 0,   sum_k a_k = 1

    and the target alone keeps a share d^2 / (g^2 + d^2) more, for the gain g of the mixture over
    it and d one and a half standard errors of g: transfer must earn its place.

    Parameters
    ----------
    estimators : estimator, list or dict of them, or list of pairs (name, estimator), default=None
        Transfer estimators with their sources, also at the end of a Pipeline. They need
        ``predict_proba``. None: ``[TransferLogisticRegression()]``.
    combine : {"stack", "best"}, default="stack"
        Mix the candidates, or take the one with the smallest log-loss.
    target_only : estimator, default=None
        The model of the target alone. None: each of `estimators` without its sources.
    cv : int, splitter or iterable of (train, test), default=None
        None: 5 random folds of the rows of the target, class by class. A splitter is given these
        rows (`TargetKFold`: all rows of X); pairs hold row numbers of X, of which those of the
        target count.
    {target_task}
        Both are set in every estimator that has such parameters.
    n_jobs : int, default=None
        Fits at the same time; results do not depend on it.
    random_state : int, RandomState instance or None, default=0
        Of the folds.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels of the target and of the sources.
    candidate_weights_ : dict of str to float
    cv_scores_ : dict of str to float
        Mean log-loss of every candidate on the rows left out.
    best_candidate_ : str
        The one with the largest weight.
    estimators_ : dict of str to estimator
        Those with a weight, fitted to all rows.
    gain_, gain_error_ : float
        Reduction of the log-loss that the mixture brings over the target alone, in percent, judged
        on folds that did not choose it, and its standard error.
    transfer_helps_ : bool
        Whether `gain_` is more than 1.645 standard errors above 0.
    source_weights_ : ndarray of shape (n_sources,)
        How much each source is used: the sum over candidates of weight times their use of it. 0
        means the target only.
    {source_attributes}

    See Also
    --------
    TransferRegressorCV : For numbers.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skmtl import TransferClassifierCV, TransferLogisticRegression
    >>> from skmtl import make_multitask_classification
    >>> X, y = make_multitask_classification(n_tasks=2, n_samples=60, random_state=0)
    >>> source = LogisticRegression().fit(X[:60, 1:], y[:60])
    >>> model = TransferClassifierCV(TransferLogisticRegression(source))
    >>> model.fit(X[60:, 1:], y[60:]).predict_proba(X[60:, 1:]).shape
    (60, 2)
    """

    def __init__(
        self,
        estimators=None,
        *,
        combine="stack",
        target_only=None,
        cv=None,
        task_column=None,
        target_task=None,
        n_jobs=None,
        random_state=0,
    ):
        self.estimators = estimators
        self.combine = combine
        self.target_only = target_only
        self.cv = cv
        self.task_column = task_column
        self.target_task = target_task
        self.n_jobs = n_jobs
        self.random_state = random_state

    _stratified = True

    def _default_estimator(self):
        return TransferLogisticRegression()

    def _plain(self, model, y):
        """The model of the target alone, a constant if there is only one label."""
        return OneLabel(self.classes_) if (y == y[0]).all() else model

    def _set_classes(self, y, candidates):
        known = [np.unique(y)]
        for candidate in candidates:
            known.extend(labels_of_sources(last_step(candidate.model)))
        self.classes_ = np.unique(np.concatenate(known))

    def _told_by_source(self, model, features):
        return model.probabilities(features, self.classes_)

    def _told(self, model, X, given):
        told = np.asarray(model.predict_proba(X, **given), dtype=float)
        return spread_over_classes(told, model.classes_, self.classes_)

    def _losses(self, answers, y):
        return -np.log(np.maximum(self._of_true(answers, y), LEAST_PROBABILITY))

    def _problem(self, answers, y, weights):
        codes = np.zeros(len(y), dtype=int)
        return LogLosses(self._of_true(answers, y), weights, codes, np.arange(len(y)))

    def _of_true(self, answers, y):
        """Probabilities (n_candidates, n_rows) of the true labels."""
        return answers[:, np.arange(len(y)), np.searchsorted(self.classes_, y)]

    @complete_docstring
    def predict_proba(self, X, *, tasks=None):
        """Probabilities of the labels in ``classes_``, by the mixture.

        Parameters
        ----------
        {target_predict_parameters}

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        return self._mixed(X, tasks)
