"""The safe default for numbers."""

import numpy as np
from sklearn.linear_model import RidgeCV

from skmtl.base import read_targets
from skmtl.compose.base import ComposedRegressor
from skmtl.compose.per_task import PerTaskRegressor
from skmtl.compose.pooled import PooledRegressor
from skmtl.compose.sharing import BASELINE, HIERARCHICAL, POOLED, Sharing, is_wide
from skmtl.compose.stacking import SquaredErrors
from skmtl.documentation import complete_docstring
from skmtl.linear_model import HierarchicalRidge, MultiTaskRidgeCV

PENALTIES = np.logspace(-2, 6, 17)
FAR = 2.0  # times the range of the targets beyond it: no prediction for features in range


@complete_docstring
class SharingRegressor(Sharing, ComposedRegressor):
    """Regression that shares between tasks as much as helps, and says whether it does.

    Predicts by a convex combination of strategies ::

        sum_k a_k f_k(x, task),  a_k >= 0,  sum_k a_k = 1

    from one model per task to one pooled model. The weights a are common to all tasks and minimise
    the squared error of out-of-fold predictions, each task in units of its own error. One model per
    task is among the strategies and keeps a weight the larger, the less certain the gain of the
    others is; where nothing is to be shared, it gets all the weight. The outputs of a 2-d y are
    standardised inside, and rows are left out whole.

    Parameters
    ----------
    estimator : regressor, default=None
        None: linear models, with features on one scale at best: `MultiTaskRidgeCV` ("per-task"),
        a pooled ridge with task intercepts, `HierarchicalRidge("intercept")` ("pooled"), and
        `HierarchicalRidge` ("hierarchical"). Or any scikit-learn regressor: a clone per task, one
        for all tasks that knows the task as features, and combinations in which a task's own
        clone counts the more the more rows it has. So is None for more than 500 features, with
        ridge regression.
    {sharing_parameters}

    Attributes
    ----------
    task_gains_, task_gain_errors_ : ndarray of shape (n_tasks,)
        How much lower the out-of-fold root mean squared error of a task is than that of one model
        per task, in percent, with standard errors. The weights for a fold come from the others.
    {sharing_attributes}
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

    _method = "predict"

    def _default_strategies(self, X):
        if self.estimator is not None:
            pooled = PooledRegressor(self.estimator, task_intercepts=True)
            return {BASELINE: PerTaskRegressor(self.estimator), POOLED: pooled}
        if is_wide(X):
            pooled = PooledRegressor(RidgeCV(PENALTIES), task_intercepts=True)
            return {BASELINE: MultiTaskRidgeCV(), POOLED: pooled}
        # Leave-one-out errors are compared between models that are tuned alike.
        fast = isinstance(self.cv, str)
        return {
            BASELINE: HierarchicalRidge("spherical", mean="zero") if fast else MultiTaskRidgeCV(),
            POOLED: HierarchicalRidge("intercept"),
            HIERARCHICAL: HierarchicalRidge(),
        }

    def _as_array(self, y):
        return read_targets(y, self)[0]

    def _note_targets(self, y):
        """Targets; outputs, which may have different units, each in units of its deviation."""
        self._centre, self._scale = 0.0, 1.0
        if self._layout == "outputs":
            self._centre, deviation = np.nanmean(y, axis=0), np.nanstd(y, axis=0)
            self._scale = np.where(deviation > 0, deviation, 1.0)
        y = (y - self._centre) / self._scale
        low, high = np.nanmin(y, axis=0), np.nanmax(y, axis=0)
        margin = FAR * (high - low)
        self._bounds = low - margin, high + margin
        return y

    def _bounded(self, predicted):
        """Predictions near the targets of fit: one that is far off would outweigh all others."""
        return np.clip(predicted, *self._bounds) if self.clip else predicted

    def _stratified(self):
        return False

    def _answer(self, strategy, table):
        return self._bounded(table.ask(strategy, "predict"))

    def _errors(self, predicted, y, **cells):
        return SquaredErrors(predicted, y, **cells)

    def _left_out(self, strategy, table):
        return self._bounded(strategy.loo_prediction_)

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
        codes, table, inside = self._read_to_predict(X, tasks)
        answers = self._ask(codes, inside)
        predicted = sum(shares * self._bounded(answer) for shares, answer, _ in answers)
        if inside.X is not table.X:  # beyond the range of fit the model of the task goes on alone
            alone = self.strategies_[BASELINE]
            predicted = predicted + table.ask(alone, "predict") - inside.ask(alone, "predict")
        return predicted * self._scale + self._centre
