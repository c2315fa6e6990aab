"""Scores against training rows per task: from how many rows on does sharing no longer pay?"""

import numbers
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.parallel import Parallel, delayed

from skmtl import frames
from skmtl.documentation import share_text
from skmtl.inspection.drawing import CYCLE, MARKERS, new_axes, thinned, tidy
from skmtl.inspection.held_out import check_takes_vector, read_table, task_column_of
from skmtl.metrics import task_scores
from skmtl.metrics.by_task import name_metrics, name_of
from skmtl.metrics.named import METRICS
from skmtl.model_selection import task_train_test_split
from skmtl.model_selection.dealing import rank_within

SIZES = [digit * 10**power for power in range(7) for digit in (1, 2, 5)][2:]  # from 5 on

SHARED_PARAMETERS = """
estimators : dict of str to estimator
    What is compared, by name; not changed.
X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns)
y : array-like of shape (n_samples,) or (n_samples, n_tasks)
    With a 2-d y every column is a task, missing entries mean "not observed", and rows are left
    out whole.
train_sizes : array-like of int, default=None
    Training rows of each task; a task that has fewer contributes all. None: 5, 10, 20, 50, 100,
    ... as far as at least half of the tasks have so many.
n_splits : int, default=5
    Random splits into training and test rows. Within a split all sizes have the same test rows,
    and the rows of a smaller size are among those of a larger one.
test_size : float or int, default=0.25
    Share, or number, of the rows of each task that are tested.
metric : str or callable, default=None
    As in :func:`task_scores`. None: "rmse", or "accuracy" for classifiers.
task_column : int or str, default=None
    Where the ids are in X. None: as the first of the estimators says.
tasks : array-like of shape (n_samples,), optional
    Task of every row, instead of a task column.
n_jobs : int, default=None
    Fits at the same time; results do not depend on it.
random_state : int, RandomState instance or None, default=None
"""


@dataclass(frozen=True)
class TaskLearningCurve:
    """What :func:`task_learning_curve` measured.

    Attributes
    ----------
    names : list of str
        Of the estimators.
    train_sizes : ndarray of shape (n_sizes,)
        Training rows of each task, at most.
    task_scores : ndarray of shape (n_estimators, n_sizes, n_splits, n_tasks)
        NaN where a score is not defined, as for a task without test rows.
    tasks : ndarray of shape (n_tasks,)
        The task ids.
    metric : str
    """

    names: list
    train_sizes: np.ndarray
    task_scores: np.ndarray
    tasks: np.ndarray
    metric: str

    @property
    def scores(self):
        """Means over the tasks whose score is defined: (n_estimators, n_sizes, n_splits)."""
        defined = ~np.isnan(self.task_scores)
        count = defined.sum(axis=-1)
        total = np.where(defined, self.task_scores, 0.0).sum(axis=-1)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)


@share_text(parameters=SHARED_PARAMETERS)
def task_learning_curve(
    estimators,
    X,
    y,
    *,
    train_sizes=None,
    n_splits=5,
    test_size=0.25,
    metric=None,
    task_column=None,
    tasks=None,
    n_jobs=None,
    random_state=None,
):
    """Scores of every task for several numbers of training rows per task.

    Parameters
    ----------
    {parameters}

    Returns
    -------
    TaskLearningCurve
        With ``names``, ``train_sizes``, ``task_scores``, ``tasks`` and their means ``scores``.

    Raises
    ------
    ValueError
        If there is one task only, or a size is above the training rows of every task.

    See Also
    --------
    LearningCurveDisplay : The figure.

    Examples
    --------
    >>> from skmtl import MeanRegularizedRidgeCV, MultiTaskRidgeCV
    >>> from skmtl import make_multitask_regression, task_learning_curve
    >>> X, y = make_multitask_regression(structure="common", random_state=0)
    >>> models = {"alone": MultiTaskRidgeCV(task_column=0),
    ...           "shared": MeanRegularizedRidgeCV(task_column=0)}
    >>> curve = task_learning_curve(models, X, y, train_sizes=[10, 50], random_state=0)
    >>> curve.scores.mean(axis=-1).round(1)  # rmse by estimator and size
    array([[2.2, 1.2],
           [1.4, 1.1]])
    """
    estimators = _check_estimators(estimators)
    first = next(iter(estimators.values()))
    if task_column is None and tasks is None:
        task_column = task_column_of(first)
    if tasks is not None:
        for estimator in estimators.values():
            check_takes_vector(estimator)
    table = read_table(X, y, task_column=task_column, tasks=tasks)
    classes = is_classifier(first)
    metric = ("accuracy" if classes else "rmse") if metric is None else metric
    name_metrics(metric)
    splits = _splits(table, n_splits, test_size, classes, check_random_state(random_state))
    sizes = _check_sizes(train_sizes, table, splits[0][0])
    jobs = [
        (name, size, train, test)
        for name in estimators
        for size in sizes.tolist()
        for train, test in splits
    ]
    scores = Parallel(n_jobs=n_jobs)(
        delayed(_fit_and_score)(table, metric, name, estimators[name], *job) for name, *job in jobs
    )
    shape = len(estimators), len(sizes), n_splits, table.n_tasks
    scores = np.reshape(scores, shape)
    return TaskLearningCurve(list(estimators), sizes, scores, table.labels, name_of(metric))


def _check_estimators(estimators):
    if not isinstance(estimators, dict) or not estimators:
        raise ValueError(
            f"estimators must be a dict of names to estimators, but is {estimators!r}: for "
            "example {'alone': MultiTaskRidgeCV(task_column=0)}."
        )
    if len({is_classifier(estimator) for estimator in estimators.values()}) > 1:
        raise ValueError("estimators mixes classifiers and regressors: compare one kind.")
    return estimators


def _splits(table, n_splits, test_size, classes, rng):
    """Pairs (train, test) of row numbers, the training rows in random order."""
    check_scalar(n_splits, "n_splits", numbers.Integral, min_val=1)
    rows = np.arange(len(table.y))
    return [
        task_train_test_split(
            rows,
            tasks=None if table.shared_rows else table.codes,
            test_size=test_size,
            stratify=table.y if classes and not table.shared_rows else None,
            random_state=rng,
        )
        for _ in range(n_splits)
    ]


def _check_sizes(train_sizes, table, train):
    """Ascending sizes, none of them above the training rows of every task."""
    counts = table.sizes_of(train)
    if train_sizes is None:
        sizes = np.array([size for size in SIZES if size <= np.median(counts)])
        if not len(sizes):
            raise ValueError(
                f"half of the tasks have at most {np.median(counts):g} training rows, fewer than "
                "the 5 that the curve starts with: give train_sizes=."
            )
        return sizes
    sizes = np.unique(train_sizes)
    if sizes.ndim != 1 or not len(sizes) or sizes.dtype.kind not in "iu" or sizes[0] < 1:
        raise ValueError(f"train_sizes={train_sizes!r} must be whole numbers of rows from 1 on.")
    if sizes[-1] > counts.max():
        raise ValueError(
            f"train_sizes holds {sizes[-1]}, but no task has more than {counts.max()} training "
            "rows: leave out larger sizes, or lower test_size."
        )
    return sizes


def _fit_and_score(table, metric, name, estimator, size, train, test):
    """Scores (n_tasks,) of a clone that has `size` training rows of each task."""
    rows, y = first_rows(table, train, size)
    try:
        model = table.fit(clone(estimator), rows, y)
        predicted = table.predict(model, test)
    except Exception as error:
        error.add_note(f"{name!r} failed with {size} training rows of each task.")
        raise
    tasks = None if table.shared_rows else table.codes[test]
    found = task_scores(table.y[test], predicted, tasks, metrics={"score": metric})
    scores = np.full(table.n_tasks, np.nan)
    scores[found["task"]] = found["score"]
    return scores


def first_rows(table, train, size):
    """Rows and targets with the first `size` targets of each task among the rows of `train`."""
    if not table.shared_rows:
        rows = train[rank_within(table.codes[train])[0] < size]
        return rows, table.y[rows]
    observed = ~frames.is_missing(table.y[train])
    kept = observed & (np.cumsum(observed, axis=0) <= size)
    some = kept.any(axis=1)
    y = table.y[train[some]]
    # Whole rows, unless targets are missing: then y can hold NaN.
    if not kept[some].all():
        y[~kept[some]] = np.nan
    return train[some], y


class LearningCurveDisplay:
    """Mean score over tasks against training rows per task, for several estimators.

    Use :meth:`from_estimators`. The lines are means over random splits, the bands one standard
    error (over the splits, whose rows overlap) above and below.

    Parameters
    ----------
    train_sizes : ndarray of shape (n_sizes,)
        Training rows of each task.
    scores : dict of str to ndarray of shape (n_sizes, n_splits)
        Mean scores over tasks by name of the estimator.
    metric : str, default=None
        What the scores are called.

    Attributes
    ----------
    ax_ : matplotlib axes
    figure_ : matplotlib figure
    lines_ : list of matplotlib lines
    bands_ : list of matplotlib collections

    See Also
    --------
    task_learning_curve : The numbers behind it.

    Examples
    --------
    >>> from skmtl import LearningCurveDisplay, MeanRegularizedRidgeCV, MultiTaskRidgeCV
    >>> from skmtl import make_multitask_regression
    >>> X, y = make_multitask_regression(structure="common", random_state=0)
    >>> models = {"alone": MultiTaskRidgeCV(task_column=0),
    ...           "shared": MeanRegularizedRidgeCV(task_column=0)}
    >>> display = LearningCurveDisplay.from_estimators(models, X, y, random_state=0)
    >>> display.train_sizes
    array([ 5, 10, 20, 50])
    """

    def __init__(self, *, train_sizes, scores, metric=None):
        self.train_sizes = train_sizes
        self.scores = scores
        self.metric = metric

    @classmethod
    @share_text(parameters=SHARED_PARAMETERS)
    def from_estimators(
        cls,
        estimators,
        X,
        y,
        *,
        train_sizes=None,
        n_splits=5,
        test_size=0.25,
        metric=None,
        task_column=None,
        tasks=None,
        n_jobs=None,
        random_state=None,
        ax=None,
        **options,
    ):
        """Measure and draw the curves.

        Parameters
        ----------
        {parameters}
        ax : matplotlib axes, default=None
            None: those of a new figure.
        **options
            For :meth:`plot`.

        Returns
        -------
        LearningCurveDisplay
        """
        curve = task_learning_curve(
            estimators,
            X,
            y,
            train_sizes=train_sizes,
            n_splits=n_splits,
            test_size=test_size,
            metric=metric,
            task_column=task_column,
            tasks=tasks,
            n_jobs=n_jobs,
            random_state=random_state,
        )
        scores = dict(zip(curve.names, curve.scores, strict=True))
        display = cls(train_sizes=curve.train_sizes, scores=scores, metric=curve.metric)
        return display.plot(ax, **options)

    def plot(self, ax=None, *, bands=True):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib axes, default=None
            None: those of a new figure.
        bands : bool, default=True
            Whether to draw standard errors; there are none for a single split.

        Returns
        -------
        self : LearningCurveDisplay
        """
        self.ax_ = new_axes(ax, figsize=(6.4, 4.2))
        self.figure_ = self.ax_.figure
        self.lines_, self.bands_ = [], []
        for position, (name, scores) in enumerate(self.scores.items()):
            look = {"color": CYCLE[position % len(CYCLE)]}
            mean = np.mean(scores, axis=1)
            marker = MARKERS[position % len(MARKERS)]
            self.lines_ += self.ax_.plot(
                self.train_sizes, mean, marker=marker, markersize=4.5, label=name, **look
            )
            if bands and scores.shape[1] > 1:
                error = np.std(scores, axis=1, ddof=1) / np.sqrt(scores.shape[1])
                self.bands_.append(
                    self.ax_.fill_between(
                        self.train_sizes, mean - error, mean + error, alpha=0.18, lw=0, **look
                    )
                )
        self._label()
        return self

    def _label(self):
        from matplotlib.ticker import NullFormatter, NullLocator

        axis = self.ax_.xaxis
        if len(self.train_sizes) > 1 and self.train_sizes[-1] >= 5 * self.train_sizes[0]:
            self.ax_.set_xscale("log")
        axis.set_minor_locator(NullLocator())
        axis.set_minor_formatter(NullFormatter())
        shown = self.train_sizes[thinned(len(self.train_sizes), most=10)]
        self.ax_.set_xticks(shown, [str(size) for size in shown])
        self.ax_.set_xlabel("training rows of each task, at most")
        metric = "score" if self.metric is None else self.metric
        better = {True: ", higher is better", False: ", lower is better"}
        known = METRICS[metric][1] if metric in METRICS else None
        self.ax_.set_ylabel(f"{metric}, mean over tasks{better.get(known, '')}")
        self.ax_.legend(fontsize=9, frameon=False)
        tidy(self.ax_)
