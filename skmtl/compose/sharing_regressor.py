"""The safe default for numbers."""

import numpy as np
from sklearn.base import RegressorMixin

from skmtl.base import mean_r2, read_targets
from skmtl.compose.base import ComposedRegressor
from skmtl.compose.per_task import PerTaskRegressor
from skmtl.compose.pooled import PooledRegressor
from skmtl.compose.sharing import BASELINE, POOLED, Sharing
from skmtl.compose.stacking import SquaredErrors
from skmtl.documentation import complete_docstring
from skmtl.linear_model import HierarchicalRidge, MultiTaskRidgeCV

LEAVE_ONE_OUT = "loo"


@complete_docstring
class SharingRegressor(Sharing, ComposedRegressor):
    """Regression that shares between tasks as much as helps, and says whether it does.

    Predicts by a convex combination of strategies ::

        sum_k a_k f_k(x, task),  a_k >= 0,  sum_k a_k = 1

    from one model per task to one pooled model. The weights a are common to all tasks and minimise
    the squared error of out-of-fold predictions, each task in units of its own error. One model per
    task is among the strategies: where nothing is to be shared, it gets all the weight.

    Parameters
    ----------
    estimator : regressor, default=None
        None: linear models, with features on one scale at best: `MultiTaskRidgeCV` ("per-task"),
        a pooled ridge with task intercepts, `HierarchicalRidge("intercept")` ("pooled"), and
        `HierarchicalRidge` ("hierarchical"). Or any scikit-learn regressor: a clone per task, one
        for all tasks that knows the task as features, and combinations in which a task's own
        clone counts the more the more rows it has.
    strategies : list of estimators or of pairs (name, estimator), default=None
        Further strategies, fitted to the same X, y and tasks. Their `task_column` and
        `unknown_task` are set to those given here.
    cv : int, "loo", splitter or iterable of (train, test), default=None
        None: 5 random folds of the rows of each task. "loo": exact leave-one-out in closed form,
        several times faster, with an empirical-Bayes ridge per task as "per-task"; only for the
        default strategies.
    clip : bool, default=True
        Bring features into the range that they had in fit before predicting. Where features have
        heavy tails, one outlying value would carry a shared linear model far off.
    {task_parameters}
    n_jobs : int, default=None
        Fits at the same time; results do not depend on it.
    random_state : int, RandomState instance or None, default=0
        Of the folds.

    Attributes
    ----------
    strategy_weights_ : dict of str to float
        Weight of each strategy, mean over tasks.
    strategies_ : dict of str to estimator
        Those with a weight, fitted to all rows.
    task_gains_, task_gain_errors_ : ndarray of shape (n_tasks,)
        How much lower the out-of-fold root mean squared error of a task is than that of one model
        per task, in percent, with standard errors. The weights for a fold come from the others.
    gain_, gain_error_ : float
        The same for the mean over tasks.
    sharing_helps_ : bool
        Whether `gain_` is more than 1.645 standard errors above 0.
    feature_sharing_ : ndarray of shape (n_features,)
        How much of a feature's coefficients comes from what tasks share, from 0 to 1 (for the
        default strategies).
    {composed_attributes}

    References
    ----------
    Breiman 1996, *Stacked regressions*, Machine Learning 24.

    Examples
    --------
    >>> from skmtl import SharingRegressor, make_multitask_regression
    >>> X, y = make_multitask_regression(
    ...     n_tasks=20, n_samples=15, structure="common", random_state=0)
    >>> model = SharingRegressor(task_column=0).fit(X, y)
    >>> model.sharing_helps_
    True
    """

    def __init__(
        self,
        estimator=None,
        *,
        strategies=None,
        cv=None,
        clip=True,
        task_column=None,
        unknown_task="error",
        n_jobs=None,
        random_state=0,
    ):
        self.estimator = estimator
        self.strategies = strategies
        self.cv = cv
        self.clip = clip
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _default_strategies(self, X):
        if self.estimator is not None:
            pooled = PooledRegressor(self.estimator, task_intercepts=True)
            return {BASELINE: PerTaskRegressor(self.estimator), POOLED: pooled}
        fast = isinstance(self.cv, str)
        alone = HierarchicalRidge("spherical", mean="zero") if fast else MultiTaskRidgeCV()
        strategies = {
            BASELINE: alone,
            POOLED: HierarchicalRidge("intercept"),
            "hierarchical": HierarchicalRidge(),
        }
        for strategy in strategies.values() if fast else ():
            strategy.set_params(store_loo=True)
        return strategies

    def _note_targets(self, y):
        """Targets; outputs, which may have different units, each in units of its deviation."""
        y, _ = read_targets(y, self)
        if self._layout != "outputs":
            self._centre, self._scale = 0.0, 1.0
            return y.reshape(len(y))
        self._centre = np.nanmean(y, axis=0)
        deviation = np.nanstd(y, axis=0)
        self._scale = np.where(deviation > 0, deviation, 1.0)
        return (y - self._centre) / self._scale

    def _stratified(self):
        return False

    def _answer(self, strategy, table):
        return table.ask(strategy, "predict")

    def _errors(self, predicted, y, **cells):
        return SquaredErrors(predicted, y, **cells)

    def _leave_single_rows_out(self, strategies, table, cells):
        if self.cv != LEAVE_ONE_OUT:
            return super()._leave_single_rows_out(strategies, table, cells)
        if self.estimator is not None or self.strategies is not None:
            raise ValueError('cv="loo" is for the default strategies: give a number of folds.')
        fitted = dict(
            zip(strategies, self._in_parallel(table.fit, strategies.values()), strict=True)
        )
        predicted = np.array([model.loo_prediction_ for model in fitted.values()])
        folds = self._folds(5, table, cells)
        return fitted, np.where(folds.reshape(-1, *[1] * (table.y.ndim - 1)) < 0, np.nan, predicted), folds

    @property
    def feature_sharing_(self):
        """How much of a feature's coefficients comes from what tasks share."""
        shared = 0.0
        for name, strategy in self.strategies_.items():
            if hasattr(strategy, "feature_sharing_") and name != BASELINE:
                shared = shared + self.strategy_weights_[name] * strategy.feature_sharing_
        return shared

    @complete_docstring
    def predict(self, X, *, tasks=None):
        """Predict the target of every row.

        Parameters
        ----------
        {predict_parameters}

        Returns
        -------
        ndarray of shape (n_samples,), or (n_samples, n_tasks) after a fit with 2-d y
        """
        predicted = sum(shares * answer for shares, answer in self._mix(X, tasks, "predict"))
        return predicted * self._scale + self._centre
