"""The safe default for labels."""

import numpy as np

from skmtl.compose.base import ComposedClassifier
from skmtl.compose.per_task import PerTaskClassifier
from skmtl.compose.pooled import PooledClassifier
from skmtl.compose.sharing import (
    BASELINE,
    HIERARCHICAL,
    POOLED,
    Sharing,
    is_leave_one_out,
    is_wide,
)
from skmtl.compose.stacking import LogLosses, probabilities_of_true
from skmtl.compose.tuned import TunedLogistic
from skmtl.documentation import complete_docstring
from skmtl.linear_model import HierarchicalLogistic


@complete_docstring
class SharingClassifier(Sharing, ComposedClassifier):
    """Classification that shares between tasks as much as helps, and says whether it does.

    The probabilities are a convex combination of those of several strategies ::

        sum_k a_k P_k(label | x, task),  a_k >= 0,  sum_k a_k = 1

    from one model per task to one pooled model. The weights a are common to all tasks and maximise
    the likelihood of out-of-fold predictions. One model per task is among the strategies and keeps
    a weight the larger, the less certain the gain of the others is; where nothing is to be shared,
    it gets all the weight. Tasks may have different labels, and predict only their own.

    Parameters
    ----------
    estimator : classifier with ``predict_proba``, default=None
        None: linear models: `LogisticRegression` per task, one C for all by cross-validation
        ("per-task"), shared coefficients with intercepts per task,
        `HierarchicalLogistic("intercept")` ("pooled"), and `HierarchicalLogistic`
        ("hierarchical"). Or any scikit-learn classifier: a clone per task, one for all tasks that
        knows the task as features, and combinations in which a task's own clone counts the more
        the more rows it has. So is None for more than 500 features, with `LogisticRegression`.
    {sharing_parameters}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Union of the labels of all tasks.
    task_gains_, task_gain_errors_ : ndarray of shape (n_tasks,)
        How much lower the out-of-fold log-loss of a task is than that of one model per task, in
        percent, with standard errors. The weights for a fold come from the other folds.
    {sharing_attributes}
    {composed_attributes}

    Examples
    --------
    >>> from skmtl import SharingClassifier, make_multitask_classification
    >>> X, y = make_multitask_classification(
    ...     n_tasks=10, n_samples=20, structure="common", random_state=0)
    >>> model = SharingClassifier(task_column=0).fit(X, y)
    >>> model.predict_proba(X).shape
    (200, 2)
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

    _method = "predict_proba"

    def _default_strategies(self, X):
        if self.estimator is not None:
            pooled = PooledClassifier(self.estimator, task_intercepts=True)
            return {BASELINE: PerTaskClassifier(self.estimator), POOLED: pooled}
        alone = TunedLogistic(PerTaskClassifier())
        if is_wide(X):
            return {BASELINE: alone, POOLED: TunedLogistic(PooledClassifier(task_intercepts=True))}
        # Leave-one-out errors are compared between models that are tuned alike.
        by_likelihood = HierarchicalLogistic("spherical", mean="zero")
        fast = is_leave_one_out(self.cv)
        if fast and self._layout == "outputs":
            raise ValueError(
                f"cv={self.cv!r} needs tasks with rows of their own, but y is 2-d: give a number "
                "of folds."
            )
        return {
            BASELINE: by_likelihood if fast or len(self.tasks_) == 1 else alone,
            POOLED: HierarchicalLogistic("intercept"),
            HIERARCHICAL: HierarchicalLogistic(),
        }

    def _as_array(self, y):
        return np.asarray(y)

    def _note_targets(self, y):
        return y

    def _stratified(self):
        return self._layout != "outputs"

    def _answer(self, strategy, table):
        """Probabilities of the true labels, shaped as y."""
        answers = table.ask(strategy, "predict_proba")
        return probabilities_of_true(answers, table.y, strategy.classes_)

    def _left_out(self, strategy, table):
        return probabilities_of_true(strategy.loo_proba_, table.y, strategy.classes_)

    def _errors(self, predicted, y, **cells):
        return LogLosses(predicted, **cells)

    @complete_docstring
    def predict(self, X, *, tasks=None):
        """Predict the label of every row, among those that its task had in fit.

        Parameters
        ----------
        {predict_parameters}

        Returns
        -------
        ndarray of shape (n_samples,), or (n_samples, n_tasks) after a fit with 2-d y
        """
        probabilities = self.predict_proba(X, tasks=tasks)
        if self._layout != "outputs":
            return self.classes_[probabilities.argmax(axis=1)]
        return self.classes_[np.column_stack([part.argmax(axis=1) for part in probabilities])]

    @complete_docstring
    def predict_proba(self, X, *, tasks=None):
        """Probabilities of the labels in ``classes_``; 0 for labels that a task never had.

        Parameters
        ----------
        {predict_parameters}

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or a list of n_tasks of them after a fit \
with 2-d y
        """
        codes, _, inside = self._read_to_predict(X, tasks)
        mixed = [0.0] * len(self.tasks_) if codes is None else 0.0
        for shares, answer, strategy in self._ask(codes, inside):
            if codes is None:
                for task, part in enumerate(answer):
                    mixed[task] = mixed[task] + shares[task] * self._aligned(part, strategy, task)
            else:
                mixed = mixed + shares[:, None] * self._aligned(answer, strategy, codes)
        return mixed

    def _aligned(self, probabilities, strategy, codes):
        """Columns in the order of ``classes_``, 0 for labels foreign to the task."""
        out = np.zeros((len(probabilities), len(self.classes_)))
        out[:, np.searchsorted(self.classes_, strategy.classes_)] = probabilities
        allowed = np.broadcast_to(self._own_labels[codes], out.shape)
        if (out[~allowed] == 0).all():
            return out
        out = np.where(allowed, out, 0.0)  # a strategy that does not know of tasks
        lost = out.sum(axis=1) == 0
        out[lost] = allowed[lost]
        return out / out.sum(axis=1, keepdims=True)
