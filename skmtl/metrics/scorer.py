"""Scorers for model selection that average over tasks."""

import numpy as np
from sklearn.utils.metadata_routing import MetadataRequest

from skmtl.metrics.by_task import (
    average_scores,
    check_average,
    name_metrics,
    name_of,
    score_task,
    split_by_task,
)
from skmtl.metrics.named import METRICS
from skmtl.tasks import read_task_column


def make_task_scorer(
    score_func,
    *,
    average="macro",
    task_column=None,
    greater_is_better=True,
    response_method="predict",
    **kwargs,
):
    """Scorer for `GridSearchCV`, `cross_val_score`, ...: the average of the scores of the tasks.

    Parameters
    ----------
    score_func : str or callable
        Name of a metric of :func:`task_scores` ("rmse" and other losses count negatively), or
        ``score_func(y_true, y_pred, **kwargs)``, called for each task with its rows.
    average : {"macro", "weighted", "worst"}, default="macro"
        As in :func:`average_scores`; "weighted" by the rows (or total weights) of
        the tasks.
    task_column : int or str, optional
        Position or name of the column of X that holds the task ids. Otherwise the tasks are
        ``groups``, passed to the scorer (or routed to it as metadata), or the columns of y.
    greater_is_better : bool, default=True
        Whether `score_func`, if callable, is a score or a loss, whose sign is then flipped.
    response_method : str, default="predict"
        Method of the estimator whose output is scored. Of the two columns of a binary
        "predict_proba" the second is used, as in `sklearn.metrics.make_scorer`.
    **kwargs
        For `score_func`. With "predict_proba" give ``labels``, since a task may lack a class.

    Returns
    -------
    TaskScorer
        ``scorer(estimator, X, y, *, groups=None, sample_weight=None)``; greater is better.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyRegressor
    >>> from skmtl.metrics import make_task_scorer
    >>> X, y = np.array([[7], [7], [8]]), np.array([1.0, 3.0, 5.0])
    >>> scorer = make_task_scorer("rmse", average="worst", task_column=0)
    >>> scorer(DummyRegressor().fit(X, y), X, y)
    -2.0
    """
    check_average(average)
    name_metrics(score_func)
    if kwargs and not callable(score_func):
        raise TypeError(f"the metric {score_func!r} has no parameters, but {kwargs} were given.")
    return TaskScorer(score_func, average, task_column, greater_is_better, response_method, kwargs)


class TaskScorer:
    """The scorer that :func:`make_task_scorer` makes; parameters as there.

    With metadata routing it wants ``groups`` by default, and ``sample_weight`` after
    ``set_score_request(sample_weight=True)``.
    """

    def __init__(
        self, score_func, average, task_column, greater_is_better, response_method, kwargs
    ):
        self.score_func = score_func
        self.average = average
        self.task_column = task_column
        self.greater_is_better = greater_is_better
        self.response_method = response_method
        self.kwargs = kwargs
        self._request = MetadataRequest(owner="TaskScorer")
        self.set_score_request(groups=True, sample_weight=None)

    def __repr__(self):
        options = {"average": self.average, "task_column": self.task_column, **self.kwargs}
        shown = ", ".join(f"{name}={value!r}" for name, value in options.items())
        return f"make_task_scorer({name_of(self.score_func)}, {shown})"

    def __call__(self, estimator, X, y, *, groups=None, sample_weight=None):
        """Score a fitted estimator; greater is better."""
        tasks = self._find_tasks(X, y, groups)
        predicted = getattr(estimator, self.response_method)(X)
        if self.response_method == "predict_proba" and np.shape(predicted)[1:] == (2,):
            predicted = np.asarray(predicted)[:, 1]
        parts = split_by_task(y, predicted, tasks, sample_weight)[1]
        greater_is_better = self.greater_is_better
        if isinstance(self.score_func, str):
            greater_is_better = METRICS[self.score_func][1]
        sign = 1 if greater_is_better else -1
        scores = [sign * score_task(self.score_func, *part, **self.kwargs) for part in parts]
        sizes = [len(y) if weights is None else weights.sum() for y, _, weights in parts]
        return average_scores(scores, sizes, average=self.average)

    def _find_tasks(self, X, y, groups):
        if self.task_column is not None:
            return read_task_column(X, self.task_column)
        if groups is None and np.ndim(y) != 2:
            raise ValueError(
                "the task scorer found no task ids: make_task_scorer(task_column=...) reads them "
                "from a column of X; or pass groups= (under metadata routing as params), or a "
                "2-d y, whose columns are tasks."
            )
        return groups

    def set_score_request(self, **requests):
        """Say whether ``groups`` and ``sample_weight`` are routed here: True, False or an alias."""
        for name, alias in requests.items():
            if name not in ("groups", "sample_weight"):
                raise TypeError(f"the scorer takes groups and sample_weight, but not {name!r}.")
            self._request.score.add_request(param=name, alias=alias)
        return self

    def get_metadata_routing(self):
        """Return the `MetadataRequest` that scikit-learn's tools read."""
        return self._request
