"""TrAdaBoost of labels."""

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from skmtl.documentation import complete_docstring
from skmtl.transfer.base import TransferClassifier
from skmtl.transfer.reweighting.base import (
    SMALLEST_ERROR,
    TrAdaBoost,
    complete_tradaboost_docstring,
)
from skmtl.transfer.sources import check_kind_of_labels

MULTI_SOURCE = ("best", "pooled")


@complete_tradaboost_docstring
class TrAdaBoostClassifier(TransferClassifier, TrAdaBoost):
    """AdaBoost on the rows of target and sources; source rows that are told wrong lose weight.

    In each of N rounds the estimator is fitted to all rows, weighted; e is its weighted error on
    the rows of the target. Then

        target row told wrong:  weight * (1 - e) / e * (K - 1)
        source row told wrong:  weight / (1 + sqrt(2 log(n) / N))

    with n source rows (the sum of their weights) and K labels: for two labels the rule of Dai et
    al., for more that of SAMME on the target's side. The later half of the rounds vote with
    weights log((1 - e) (K - 1) / e). With several sources each round is fitted to the target and
    one of them, the one with the least error e (Yao and Doretto), and all rounds vote.

    Weights of source rows only ever fall, also of those that a later round would need, and of rows
    that no tree can tell; it is the rule of the paper. A round that is no better than chance on
    the target, of which the paper says nothing, has no vote, and target rows that it tells wrong
    rise as those of sources fall. Without sources it is AdaBoost (SAMME).

    Parameters
    ----------
    {source_rows}
    estimator : estimator, optional
        One whose fit takes sample_weight, or a pipeline that ends in one; tables are handed to it
        as they are. None: a `DecisionTreeClassifier` of depth 3.
    n_estimators : int, default=50
        Rounds.
    multi_source : {{"best", "pooled"}}, default="best"
        Of several sources each round uses the best, or all.
    {target_task}
    random_state : int, RandomState instance or None, default=0
        Of the estimators.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels of the sources and of the target.
    {tradaboost_attributes}
    source_weight_history_ : ndarray of shape (n_rounds, n_sources)
        The shares before every round.
    chosen_sources_ : ndarray of shape (n_rounds,)
        Position in `source_names_` of the source of every round, -1 for all of them.
    {source_attributes}

    Raises
    ------
    ValueError
        If the estimator takes no sample_weight.

    See Also
    --------
    TrAdaBoostRegressor : The same for numbers.
    TransferBoostingClassifier : Continues fitted boostings.

    References
    ----------
    Dai, Yang, Xue, Yu 2007. Boosting for transfer learning. ICML.
    Yao, Doretto 2010. Boosting for transfer learning with multiple sources. CVPR.
    Zhu, Zou, Rosset, Hastie 2009. Multi-class AdaBoost. Statistics and Its Interface 2.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl import TrAdaBoostClassifier
    >>> X = np.random.default_rng(0).normal(size=(320, 2))
    >>> y = X[:, 0] + X[:, 1] > 0.5 * (np.arange(320) < 300)
    >>> model = TrAdaBoostClassifier(source_rows=(X[:300], y[:300])).fit(X[300:], y[300:])
    >>> model.predict_proba(X[300:]).shape
    (20, 2)
    """

    def __init__(
        self,
        source_rows=None,
        *,
        estimator=None,
        n_estimators=50,
        multi_source="best",
        task_column=None,
        target_task=None,
        random_state=0,
    ):
        self.source_rows = source_rows
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.multi_source = multi_source
        self.task_column = task_column
        self.target_task = target_task
        self.random_state = random_state

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Fit the rounds.

        Parameters
        ----------
        {target_fit_parameters}

        Returns
        -------
        self : object
        """
        transfer = self._read_transfer(X, y, tasks, sample_weight)
        if self.multi_source not in MULTI_SOURCE:
            raise ValueError(
                f"multi_source={self.multi_source!r} is not one of {', '.join(MULTI_SOURCE)}."
            )
        self._note_classes(transfer)
        learner = self._make_learner(transfer)
        single = learner.n_sources > 1 and self.multi_source == "best"
        self._boost(learner, single)
        half = learner.n_sources and not single
        # Dai et al. 2007, fig. 1: rounds ceil(N / 2) to N, counted from 1.
        self.first_vote_ = (len(self.estimators_) + 1) // 2 - 1 if half else 0
        return self

    def _boost(self, learner, single):
        """The rounds; each is fitted to all sources, or to the best `single` one."""
        weights, shares = learner.start(), []
        self.estimators_, errors, votes, chosen = [], [], [], []
        for number in range(self.n_estimators):
            shares.append(learner.shares(weights))
            error, source, model, wrong = self._best(learner, weights, number, single)
            vote = self._vote(error)
            self.estimators_.append(model)
            errors.append(error)
            votes.append(vote)
            chosen.append(source)
            if not learner.n_sources and (error == 0 or vote == 0):
                break  # nothing would change
            # The paper is silent on errors above chance: the target then rises as sources fall.
            rise = vote if vote > 0 else -np.log(learner.beta())
            moves = np.where(learner.is_target, rise, np.log(learner.beta()))
            weights = weights * np.exp(moves * wrong)
            weights *= learner.weights.sum() / weights.sum()
        self.estimator_errors_, self.estimator_weights_ = np.array(errors), np.array(votes)
        self.chosen_sources_ = np.array(chosen)
        self.source_weight_history_ = np.array(shares)
        self.source_weights_ = learner.shares(weights)

    def _best(self, learner, weights, number, single):
        """Error on the target, source, model and mask of wrong rows of the least error."""
        sources = range(1, learner.n_sources + 1) if single else [0]
        best = None
        for source in sources:
            subset = learner.is_target | (learner.origin == source) if single else None
            model = learner.fit(weights, number, subset)
            wrong = learner.predict(model) != learner.rows.y
            error = np.average(wrong[learner.is_target], weights=weights[learner.is_target])
            if best is None or error < best[0]:
                best = float(error), source - 1, model, wrong
        return best

    def _vote(self, error):
        """log((1 - e) (K - 1) / e), 0 if no better than chance."""
        error = np.clip(error, SMALLEST_ERROR, 1.0)
        odds = (1.0 - error) / error * max(len(self.classes_) - 1, 1)
        return float(np.log(max(odds, 1.0)))

    def _note_classes(self, transfer):
        known = [transfer.target.y]
        for name, rows in zip(transfer.names, transfer.sources, strict=True):
            check_kind_of_labels(rows.y, known[0], f"source {name!r}")
            known.append(rows.y)
        self.classes_ = np.unique(np.concatenate(known))

    def _default_estimator(self):
        return DecisionTreeClassifier(max_depth=3)

    def _target_proba(self, X):
        """Shares of the votes."""
        members, weights = self._votes()
        columns = np.arange(len(self.classes_))
        shares = np.zeros((X.shape[0], len(columns)))
        for member, weight in zip(members, weights, strict=True):
            codes = np.searchsorted(self.classes_, member.predict(X))
            shares += weight * (codes[:, None] == columns)
        return shares / weights.sum()
