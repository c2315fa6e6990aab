"""TrAdaBoost of numbers: two-stage and in one stage."""

import numbers

import numpy as np
from joblib import Parallel, delayed
from sklearn.model_selection import KFold
from sklearn.tree import DecisionTreeRegressor

from skmtl.base import check_number
from skmtl.documentation import complete_docstring
from skmtl.transfer.base import TransferRegressor
from skmtl.transfer.reweighting.base import TrAdaBoost, complete_tradaboost_docstring
from skmtl.transfer.reweighting.r2 import (
    boost_frozen,
    boost_sources,
    source_stages,
    weighted_median,
)
from skmtl.transfer.target_splits import read_target_splits

METHODS = ("two_stage", "r2")


@complete_tradaboost_docstring
class TrAdaBoostRegressor(TransferRegressor, TrAdaBoost):
    """AdaBoost.R2 on the rows of target and sources; sources lose weight in a stage of their own.

    With the errors e_i = abs(y_i - h(x_i)) / largest of them, of a round h, and its weighted mean
    error e, the weights change as follows.

    "two_stage": In the first stage, step by step, weight_i <- weight_i beta^e_i for source rows,
    with beta such that the target's share of all weights rises evenly from n_target / n to 1. With
    the weights of a step, the second stage is AdaBoost.R2, in which source weights are frozen and
    target rows change by (e / (1 - e))^(1 - e_i). At the last step the sources have no weight:
    target only. Predicted is the mean of the second stages of the steps from the k-th to the last,
    with the k that has the least squared error on target rows left out, of both stages. (The
    paper takes the best step alone, which is a matter of chance for few rows, and leaves rows out
    of the second stage only: source rows that agree with them are what is left then.)

    "r2": weight_i <- weight_i (1 / (1 + sqrt(2 log(n_source) / N)))^e_i for source rows, with the
    sum n_source of their weights, and weight_i ((1 - e) / e)^e_i for target rows, e being the
    error on the target. The later half of the rounds predicts. Source weights only ever fall and
    soon vanish: the known flaw of this method, which the first one was made to mend.

    The prediction of a stage is the median of those of its rounds, weighted by log((1 - e) / e).
    Rounds end before one with e >= 1/2. Rows are weighted, not drawn. Sources are pooled. Without
    any it is AdaBoost.R2.

    Parameters
    ----------
    {source_rows}
    estimator : estimator, optional
        One whose fit takes sample_weight, or a pipeline that ends in one; tables are handed to it
        as they are. None: a `DecisionTreeRegressor` of depth 6.
    method : {{"two_stage", "r2"}}, default="two_stage"
    n_estimators : int, default=50
        Rounds.
    n_steps : int, default=10
        Of the first stage; the last is the target alone. A fit costs `n_estimators` fits for every
        step and fold.
    cv : int, splitter or iterable of (train, test), default=5
        Folds of the target, by which the first of the steps is chosen; an int is drawn at random.
    {target_task}
    n_jobs : int, optional
        Folds and steps at the same time; results do not depend on it.
    random_state : int, RandomState instance or None, default=0
        Of the folds and the estimators.

    Attributes
    ----------
    {tradaboost_attributes}
    step_shares_ : ndarray of shape (n_steps,)
        The target's share of the weights at every step; two-stage only, as are:
    step_errors_ : ndarray of shape (n_steps,)
        Mean squared errors on target rows left out, of the mean of a step and all after it.
    best_step_ : int
        The first of the steps that predict; `estimators_` has their rounds one after the other.
    {source_attributes}

    Raises
    ------
    ValueError
        If the estimator takes no sample_weight.

    See Also
    --------
    TrAdaBoostClassifier : The same for labels.
    TransferBoostingRegressor : Continues fitted boostings.

    References
    ----------
    Pardoe, Stone 2010. Boosting for regression transfer. ICML.
    Drucker 1997. Improving regressors using boosting techniques. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl import TrAdaBoostRegressor
    >>> X = np.random.default_rng(0).normal(size=(120, 2))
    >>> y = X[:, 0] + X[:, 1] * (np.arange(120) < 100)
    >>> model = TrAdaBoostRegressor((X[:100], y[:100]), n_estimators=10, n_steps=4)
    >>> model.fit(X[100:], y[100:]).predict(X[:4]).shape
    (4,)
    """

    def __init__(
        self,
        source_rows=None,
        *,
        estimator=None,
        method="two_stage",
        n_estimators=50,
        n_steps=10,
        cv=5,
        task_column=None,
        target_task=None,
        n_jobs=None,
        random_state=0,
    ):
        self.source_rows = source_rows
        self.estimator = estimator
        self.method = method
        self.n_estimators = n_estimators
        self.n_steps = n_steps
        self.cv = cv
        self.task_column = task_column
        self.target_task = target_task
        self.n_jobs = n_jobs
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
        learner = self._make_learner(transfer)
        if not learner.n_sources:
            self._keep([boost_frozen(learner, learner.start())], learner)
        elif self.method == "r2":
            boosted = boost_sources(learner)
            # Pardoe, Stone 2010, alg. 2: the rounds ceil(N / 2) to N, counted from 1.
            self._keep([boosted], learner, (len(boosted.models) + 1) // 2 - 1)
        else:
            splits = self._splits(transfer.target, X, y, tasks, sample_weight)
            stages = Parallel(n_jobs=self.n_jobs, prefer="threads")(
                delayed(boost_frozen)(learner, weights)
                for weights in self._choose_steps(learner, splits)
            )
            self._keep(stages, learner)
        return self

    def _check_parameters(self):
        if self.method not in METHODS:
            raise ValueError(f"method={self.method!r} is not one of {', '.join(METHODS)}.")
        check_number(self.n_steps, "n_steps", low=2, integer=True)
        if isinstance(self.cv, numbers.Integral):
            check_number(self.cv, "cv", low=2, integer=True)
        return super()._check_parameters()

    def _default_estimator(self):
        return DecisionTreeRegressor(max_depth=6)

    def _splits(self, target, X, y, tasks, sample_weight):
        if not isinstance(self.cv, numbers.Integral):
            return read_target_splits(self, self.cv, X, y, tasks, sample_weight)
        if len(target) < 2:
            raise ValueError(
                "steps are judged on target rows left out, but n_samples=1: give more rows, or "
                "method='r2'."
            )
        folds = KFold(min(self.cv, len(target)), shuffle=True, random_state=0)
        return list(folds.split(target.y[:, None]))

    def _choose_steps(self, learner, splits):
        """Weights of all rows at the steps that predict, by errors on target rows left out."""
        steps = list(source_stages(learner, self.n_steps))
        # Source rows that are left by steps with a row agree with it: it is held out of them too.
        parts = [learner.without(test) for _, test in splits]
        folds = [
            (part, list(source_stages(part, self.n_steps)), learner.rows.take(test))
            for part, (_, test) in zip(parts, splits, strict=True)
        ]
        jobs = [(*fold, step) for step in range(len(steps)) for fold in folds]
        errors = Parallel(n_jobs=self.n_jobs, prefer="threads")(
            delayed(left_out_errors)(part, own[step], rows) for part, own, rows, step in jobs
        )
        errors = np.concatenate(errors).reshape(len(steps), -1)
        weights = np.concatenate([rows.weights_or_ones() for *_, rows in folds])
        counts = np.arange(len(steps), 0, -1)
        means = np.cumsum(errors[::-1], axis=0)[::-1] / counts[:, None]  # from a step to the last
        self.step_shares_ = np.array([1.0 - learner.shares(own).sum() for own in steps])
        self.step_errors_ = np.average(means**2, axis=1, weights=weights)
        self.best_step_ = int(np.argmin(self.step_errors_))
        return steps[self.best_step_ :]

    def _keep(self, stages, learner, first_vote=0):
        self.estimators_ = [model for stage in stages for model in stage.models]
        self.estimator_errors_ = np.concatenate([stage.errors for stage in stages])
        self.estimator_weights_ = np.concatenate([stage.votes for stage in stages])
        self.first_vote_ = first_vote
        self._ends = np.cumsum([len(stage.models) for stage in stages])
        shares = [learner.shares(stage.weights) for stage in stages]
        self.source_weights_ = np.mean(shares, axis=0)

    def _predict_target(self, X):
        starts = [self.first_vote_, *self._ends[:-1]]
        each = [
            answer_of(self.estimators_[start:end], self.estimator_weights_[start:end], X)
            for start, end in zip(starts, self._ends, strict=True)
        ]
        return np.mean(each, axis=0)


def answer_of(models, votes, X):
    """Median of the predictions of models, weighted by their votes."""
    return weighted_median(np.stack([model.predict(X) for model in models]), votes)


def left_out_errors(learner, weights, rows):
    """Errors at rows that the learner does not have."""
    boosted = boost_frozen(learner, weights)
    return answer_of(boosted.models, np.array(boosted.votes), rows.X) - rows.y
