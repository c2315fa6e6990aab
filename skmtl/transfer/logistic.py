"""Logistic regression towards a weighted mean of sources."""

import warnings

import numpy as np
from scipy.special import expit
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from skmtl.base import check_number
from skmtl.documentation import complete_docstring
from skmtl.threads import suited_threads
from skmtl.transfer.base import TransferClassifier
from skmtl.transfer.log_odds import LogOddsProblem, log_odds_of
from skmtl.transfer.ridge import LEARN, check_finite, read_source_weights
from skmtl.transfer.sources import LEAST_PROBABILITY, softmax
from skmtl.transfer.target_splits import read_target_splits


@complete_docstring
class TransferLogisticRegression(TransferClassifier):
    """Logistic regression that is pulled towards the log-odds of sources, not towards zero.

    Minimises over the correction d (n_features,) and the intercept b ::

        C sum_i v_i log-loss(y_i, sum_k a_k g_k(x_i) + x_i'd + b) + ||d||^2 / 2

    with the log-odds g_k of the sources and their weights a: a >= 0, sum(a) <= 1. With more than
    two labels there are a column of d and scores g_k per label. A source is any fitted classifier.
    If those used are linear, g_k(x) = x'w_k + b_k, then this is the logistic regression of
    w = d + sum_k a_k w_k with the penalty ||w - sum_k a_k w_k||^2 / 2.

    With ``source_weights="learn"`` the weights have the least log-loss on held-out folds of the
    target, where each source and the target alone have been fitted to the rest and their log-odds
    are mixed. `TransferLogisticRegressionCV` chooses C too, and guards against sources that only
    seem to help.

    Parameters
    ----------
    {source}
    {source_rows}
    source_estimator : estimator, default=None
        Fitted to the rows of each source. None: `TransferLogisticRegressionCV` without sources,
        which is logistic regression with C chosen on folds.
    source_weights : "learn", float, dict or array-like of shape (n_sources,), default="learn"
        The weights a; given ones only have to be >= 0.
    C : float, default=1.0
        Inverse of the strength of the penalty, as in `sklearn.linear_model.LogisticRegression`.
    cv : int, splitter or iterable of (train, test), default=None
        Folds to learn `source_weights`. None: 5 contiguous folds of the target's rows, class by
        class. A splitter is given these rows (`TargetKFold`: all rows of X); pairs hold row
        numbers of X, of which those of the target count. A row whose label is in no training row
        is not held out.
    fit_intercept : bool, default=True
        False: no intercept but those of the sources.
    tol : float, default=1e-8
        Of `optimality_`.
    max_iter : int, default=100
        Newton steps.
    {target_task}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels of the target and of the sources. Rows of the target decide between the labels they
        have; any other label has the probability that the sources give it, times their weights.
    coef_ : ndarray of shape (1, n_features) or (n_target_classes, n_features)
        One row for two labels among the target's rows. Of the whole model, sources included, if
        those with a weight are linear; else the correction d.
    intercept_ : ndarray of shape (1,) or (n_target_classes,)
    adds_sources_ : bool
        Whether predictions ask the sources, which the fitted model then holds by reference.
    source_weights_ : ndarray of shape (n_sources,)
        The weights a of the sources' log-odds. 0: the target only.
    optimality_ : float
        Half the squared Newton decrement before the last step, which is about the distance of the
        objective from its minimum then, relative to the loss of equal probabilities.
    n_iter_ : int
        Newton steps.
    {source_attributes}

    See Also
    --------
    TransferLogisticRegressionCV : C chosen on folds.
    TransferRidge : For numbers.

    References
    ----------
    Chelba, Acero 2004, *Adaptation of maximum entropy capitalizer: Little data can help a lot*,
    EMNLP.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skmtl import TransferLogisticRegression, make_multitask_classification
    >>> X, y = make_multitask_classification(n_tasks=2, n_samples=40, random_state=0)
    >>> source = LogisticRegression().fit(X[:40, 1:], y[:40])
    >>> TransferLogisticRegression(source, C=0.1).fit(X[40:, 1:], y[40:]).coef_.shape
    (1, 20)
    """

    def __init__(
        self,
        source=None,
        *,
        source_rows=None,
        source_estimator=None,
        source_weights=LEARN,
        C=1.0,
        cv=None,
        fit_intercept=True,
        tol=1e-8,
        max_iter=100,
        task_column=None,
        target_task=None,
    ):
        self.source = source
        self.source_rows = source_rows
        self.source_estimator = source_estimator
        self.source_weights = source_weights
        self.C = C
        self.cv = cv
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.task_column = task_column
        self.target_task = target_task

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Weigh the sources and fit the correction.

        Parameters
        ----------
        {target_fit_parameters}

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For input that is not finite, parameters out of their range, and only one label
            without sources.
        """
        transfer = self._read_transfer(X, y, tasks, sample_weight)
        check_number(self.C, "C", strict=True)
        given = self._check_parameters(transfer)
        splits = None
        if given is None and transfer.n_sources and len(transfer.target) > 1:
            splits = read_target_splits(self, self.cv, X, y, tasks, sample_weight)
        problem = LogOddsProblem(self, transfer, self._source_models(transfer))
        self.classes_ = problem.classes
        with suited_threads(transfer.target):
            weights = problem.equal_weights() if given is None else given
            if splits is not None and not problem.trivial:
                weights = self._learn(problem, splits)
            solution = problem.solve(self.C, weights)
        self._warn([solution])
        return self._store(problem, weights, solution)

    def _check_parameters(self, transfer):
        """The given weights of sources, or None if they are learned."""
        check_number(self.tol, "tol", strict=True)
        check_number(self.max_iter, "max_iter", low=1, integer=True)
        return read_source_weights(self.source_weights, transfer.names)

    def _source_models(self, transfer):
        """The sources; one whose rows have a single label predicts that one."""
        if transfer.models:
            return transfer.models
        estimator = self.source_estimator
        if estimator is None and transfer.sources:
            from skmtl.transfer.logistic_cv import TransferLogisticRegressionCV

            estimator = TransferLogisticRegressionCV()
        models = []
        for name, rows in zip(transfer.names, transfer.sources, strict=True):
            single = (rows.y == rows.y[0]).all()
            one = transfer._replace(sources=[rows], names=[name])
            models += self._fit_sources(one, DummyClassifier() if single else estimator)
        return models

    def _learn(self, problem, splits):
        held_out = problem.held_out_scores(splits, [self.C])
        return held_out.source_weights(0)

    def _warn(self, solutions):
        """The one warning if some Newton steps did not converge."""
        failed = [solution.gap for solution in solutions if not solution.converged]
        if failed:
            warnings.warn(
                f"Newton steps did not converge in max_iter={self.max_iter}: the optimality is "
                f"{max(failed):.3e}, tol is {self.tol:.3e}. Raise max_iter or tol, lower C, or "
                "scale the features.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _store(self, problem, weights, solution):
        """Keep a fit; the correction of the solution is that for the weights of the sources."""
        coef, intercept = problem.linear_form(weights)
        self.adds_sources_ = coef is None
        correction, shift = solution.coef, solution.intercept
        if not self.adds_sources_:
            correction, shift = correction + coef, shift + intercept
        # The sources are still needed for labels that the target does not have.
        self._sources = [(w, m) for w, m in zip(weights, problem.models, strict=True) if w]
        if not (self.adds_sources_ or len(problem.seen) < len(problem.classes)):
            self._sources = []
        self._seen = np.searchsorted(problem.classes, problem.seen)
        self.coef_ = np.ascontiguousarray(correction.T)
        self.intercept_ = np.asarray(shift, dtype=np.float64)
        self.source_weights_ = weights
        self.optimality_, self.n_iter_ = solution.gap, solution.n_iter
        check_finite(self)
        return self

    def _scores(self, X):
        """Log-odds (n_rows, 1) or scores (n_rows, n_target_classes) of the target's labels."""
        scores = np.asarray(X @ self.coef_.T) + self.intercept_
        if self.adds_sources_:
            for weight, model in self._sources:
                scores = scores + weight * log_odds_of(model, X, self.classes_[self._seen])
        return scores

    def _target_proba(self, X):
        scores = self._scores(X)
        if len(self._seen) == 2:
            own = np.column_stack([expit(-scores), expit(scores)])
        else:
            own = softmax(scores)
        if len(self._seen) == len(self.classes_):
            return own
        out = np.zeros((len(own), len(self.classes_)))
        for weight, model in self._sources:
            out += weight * model.probabilities(X, self.classes_)
        out[:, self._seen] = 0.0
        out /= np.maximum(out.sum(axis=1, keepdims=True), 1.0)  # given weights may exceed 1
        out[:, self._seen] = own * (1.0 - out.sum(axis=1, keepdims=True))
        return out

    @complete_docstring
    def decision_function(self, X, *, tasks=None):
        """Log-odds of the second of two labels, or scores whose softmax are the probabilities.

        Parameters
        ----------
        {target_predict_parameters}

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
        """
        check_is_fitted(self)
        X = self._read_target_rows(X, tasks)
        if len(self._seen) < len(self.classes_):
            logs = np.log(np.maximum(self._target_proba(X), LEAST_PROBABILITY))
            return logs[:, 1] - logs[:, 0] if len(self.classes_) == 2 else logs
        scores = self._scores(X)
        return scores[:, 0] if scores.shape[1] == 1 else scores
