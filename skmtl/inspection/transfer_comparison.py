"""Does transfer help the target? Strategies over growing numbers of rows of the target."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils import check_random_state

from skmtl.base import check_number
from skmtl.inspection.comparison import (
    check_ids_are_read,
    check_strategies,
    ids_in_column,
    name_strategies,
    tell_task_type,
)
from skmtl.inspection.held_out import read_table
from skmtl.inspection.learning_curve import LearningCurveDisplay
from skmtl.inspection.measures import find_measure
from skmtl.inspection.paired_tests import mean_of_defined, paired_test
from skmtl.inspection.runs import run_strategies
from skmtl.inspection.transfer_strategies import default_transfer_strategies
from skmtl.inspection.verdict import describe_change, describe_interval
from skmtl.model_selection.dealing import codes_by_appearance, rank_within
from skmtl.tasks import check_task_ids, describe_ids, match

TEST_SIZE = 0.25
SIZES = (20, 50, 100, 200, 500)  # rows of the target, as far as there are so many to train on
N_SMALL, SMALLEST = 4, 4  # numbers of rows where there are fewer


def compare_transfer(
    X,
    y,
    strategies=None,
    *,
    target_task,
    task_column=None,
    tasks=None,
    train_sizes=None,
    n_splits=5,
    test_size=TEST_SIZE,
    ordered=False,
    metric=None,
    n_jobs=None,
    random_state=0,
    known=(),
    on_result=None,
):
    """Compare transfers from other tasks to one target over growing numbers of its rows.

    In every split some rows of the target are tested. The others, up to a number of rows, and all
    rows of the other tasks (the sources) are training data. Within a split all numbers have the
    same test rows, and the rows of a smaller number are among those of a larger one.

    Parameters
    ----------
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns)
        With the task column, if the ids are in one.
    y : array-like of shape (n_samples,)
    strategies : dict of str to estimator, or list of estimators or of names, optional
        The first is what the others are compared with. None: the target only, the sources only,
        one model for all rows, and transfers, on standardised features; or names of these, as on
        the command line (``skmtl compare --list-strategies``).
    target_task : int or str
        The task that is the target.
    task_column : int or str, optional
        Position or name of the column of X that holds the task ids. The strategies have to know
        it too.
    tasks : array-like of shape (n_samples,), optional
        Task of every row, which is passed on to ``fit`` and ``predict`` of the strategies.
    train_sizes : array-like of int, optional
        Numbers of training rows of the target. None: 20, 50, 100, 200 and 500, as far as there
        are so many beside the test rows.
    n_splits : int, default=5
    test_size : float, default=0.25
        Share of the rows of the target that are tested.
    ordered : bool, default=False
        Whether rows are in order of time: then the last ones are tested in every split.
    metric : str, optional
        As in `compare_strategies`.
    n_jobs : int, optional
        Fits at the same time; results do not depend on it.
    random_state : int, RandomState instance or None, default=0
    known : iterable of FoldResult
        Results of an earlier run with the same data, sizes, splits and metric.
    on_result : callable, optional
        Called with every new `FoldResult` as soon as there is one.

    Returns
    -------
    TransferComparison

    Raises
    ------
    ValueError
        If the target has no rows, there is no other task, or a number of rows is too large.

    Examples
    --------
    >>> from skmtl import compare_transfer, make_multitask_regression
    >>> X, y = make_multitask_regression(
    ...     n_tasks=3, n_samples=80, structure="common", random_state=0)
    >>> names = ["target-only", "transfer-ridge"]
    >>> found = compare_transfer(
    ...     X, y, names, target_task=2, task_column=0, train_sizes=[10, 40])
    >>> print(found.verdict)
    With 10 rows of 2 transfer helps: ... lower RMSE with transfer-ridge than with target-only ...
    """
    table = read_table(X, y, task_column=task_column, tasks=tasks)
    if table.shared_rows:
        raise ValueError("compare_transfer needs task ids (task_column or tasks) and a 1-d y.")
    target = match(check_task_ids(np.array([target_task]), "target_task"), table.labels)[0]
    if target < 0:
        raise ValueError(
            f"target_task={target_task!r} has no row; the tasks are {describe_ids(table.labels)}."
        )
    names = None
    if isinstance(strategies, (list, tuple)) and all(isinstance(s, str) for s in strategies):
        names, strategies = list(strategies), None
    strategies = None if strategies is None else name_strategies(strategies)
    task_type = tell_task_type(metric, strategies, table.y)
    measure = find_measure(metric, task_type)
    rng = check_random_state(random_state)
    if strategies is None:
        seed = None if random_state is None else rng.randint(2**31 - 1)
        named = int(target) if table.vector is not None else target_task
        table, task_column = ids_in_column(table, task_column)  # there the ids are the codes
        strategies = default_transfer_strategies(
            task_type, table.X, task_column=task_column, target_task=named, seed=seed, names=names
        )
    check_strategies(strategies, task_type)
    check_ids_are_read(strategies, task_column, table.vector)
    splits = split_target(table, target, n_splits, test_size, task_type, ordered, rng)
    sizes = check_sizes(train_sizes, len(splits[0][0]))
    sources = np.flatnonzero(table.codes != target)
    folds = [
        (np.concatenate([train[:size], sources]), test) for size in sizes for train, test in splits
    ]
    results = run_strategies(
        strategies, table, folds, measure, n_jobs=n_jobs, known=known, on_result=on_result
    )
    return TransferComparison(
        names=list(strategies),
        train_sizes=np.array(sizes),
        metric=measure.name,
        target=table.labels[target].item(),
        test_share=len(splits[0][1]) / np.sum(table.codes == target),
        results=tuple(results),
        position=int(target),
    )


def split_target(table, target, n_splits, test_size, task_type, ordered, rng):
    """Pairs (train, test) of rows of the target; any first part of train has all the classes."""
    check_number(n_splits, "n_splits", low=1, integer=True)
    check_number(test_size, "test_size", strict=True)
    rows = np.flatnonzero(table.codes == target)
    n_test = round(test_size * len(rows))
    if not 0 < n_test <= len(rows) - 2:
        raise ValueError(
            f"test_size={test_size} of the {len(rows)} rows of the target leaves nothing to test, "
            "or fewer than two rows to learn from."
        )
    splits = []
    for _ in range(n_splits):
        order = rng.permutation(rows)
        if ordered:
            order = np.concatenate([rng.permutation(rows[:-n_test]), rows[-n_test:]])
        train, test = order[:-n_test], np.sort(order[-n_test:])
        if task_type == "classification":  # in turn, so that a first part is like the whole
            rank, counts = rank_within(codes_by_appearance(table.y[train]))
            place = (rank + 0.5) / counts[codes_by_appearance(table.y[train])]
            train = train[np.argsort(place, kind="stable")]
        splits.append((train, test))
    return splits


def check_sizes(train_sizes, n_train):
    """Ascending numbers of training rows of the target."""
    if train_sizes is None:
        found = [size for size in SIZES if size <= n_train]
        few = np.geomspace(min(SMALLEST, n_train), n_train, N_SMALL).round().astype(int)
        return found if len(found) > 1 else np.unique(few).tolist()
    sizes = np.unique(train_sizes)
    if sizes.ndim != 1 or not len(sizes) or sizes.dtype.kind not in "iu" or sizes[0] < 2:
        raise ValueError(f"train_sizes={train_sizes!r} must be whole numbers of 2 rows or more.")
    if sizes[-1] > n_train:
        raise ValueError(
            f"train_sizes holds {sizes[-1]}, but the target has {n_train} rows beside those that "
            "are tested: leave out larger numbers, or lower test_size."
        )
    return sizes.tolist()


@dataclass(frozen=True)
class TransferComparison:
    """What :func:`compare_transfer` found.

    Attributes
    ----------
    names : list of str
        Of the strategies; the first is what the others are compared with.
    train_sizes : ndarray of shape (n_sizes,)
        Training rows of the target.
    metric : str
    target : int or str
        The task that is the target.
    test_share : float
        Share of the target's rows that a split tests.
    results : tuple of FoldResult
        In the order of strategies, sizes, splits.
    position : int
        Of the target among the sorted tasks.
    """

    names: list
    train_sizes: np.ndarray
    metric: str
    target: object
    test_share: float
    results: tuple
    position: int

    @property
    def measure(self):
        """What the metric is called, and what an improvement by it is."""
        task_type = "regression"
        try:
            return find_measure(self.metric, task_type)
        except ValueError:
            return find_measure(self.metric, "classification")

    @property
    def scores(self):
        """Scores on the rows tested (n_strategies, n_sizes, n_splits); NaN where one failed."""
        found = [
            np.nan if result.failed else result.scores[self.position] for result in self.results
        ]
        return np.array(found, dtype=float).reshape(len(self.names), len(self.train_sizes), -1)

    @property
    def failures(self):
        """Why strategies failed, by name; a strategy that failed in some fits has other scores."""
        return {result.strategy: result.message for result in self.results if result.failed}

    def gains(self, name, n_compared=1):
        """Mean gain over the first strategy for every number of rows, and its 95 % interval.

        Percent of the loss of the first strategy, or a difference of scores; positive is better.

        Returns
        -------
        gain, low, high : ndarray of shape (n_sizes,)
        """
        scores, measure = self.scores, self.measure
        first, other = scores[0], scores[self.names.index(name)]
        differences = measure.sign * (other - first)
        if measure.is_loss:
            base = np.where(np.isnan(other), np.nan, first)
            level = mean_of_defined(base, axis=1)[:, None]
            differences = 100.0 * differences / np.maximum(level, np.finfo(float).tiny)
        else:
            differences = measure.scale * differences
        test = paired_test(differences.T, self.test_share)
        return test.estimate, *test.interval(n_compared)

    def records(self):
        """One dict per strategy and number of rows, for example for a DataFrame."""
        scores, rows = self.scores, []
        seconds = np.array([result.fit_seconds for result in self.results]).reshape(scores.shape)
        for k, name in enumerate(self.names):
            gain, low, high = self.gains(name)
            for s, size in enumerate(self.train_sizes.tolist()):
                own = scores[k, s][~np.isnan(scores[k, s])]
                error = own.std(ddof=1) / np.sqrt(len(own)) if len(own) > 1 else np.nan
                rows.append(
                    {
                        "strategy": name,
                        "target_rows": size,
                        "score": float(own.mean()) if len(own) else np.nan,
                        "standard_error": float(error),
                        "gain": float(gain[s]),
                        "gain_low": float(low[s]),
                        "gain_high": float(high[s]),
                        "fit_seconds": float(seconds[k, s].mean()),
                        "message": self.failures.get(name),
                    }
                )
        return rows

    @property
    def verdict(self):
        """Does transfer help, with few rows of the target and with many? One or two sentences."""
        others = [name for name in self.names[1:] if name not in self.failures]
        if self.names[0] in self.failures:
            return f"There is nothing to compare with: {self.names[0]} failed."
        if not others:
            return "No strategy that transfers was compared."
        ends = dict.fromkeys([0, len(self.train_sizes) - 1])
        return " ".join(self._verdict_at(position, others) for position in ends)

    def _verdict_at(self, position, others):
        size, first = self.train_sizes[position], self.names[0]
        found = {
            name: [part[position] for part in self.gains(name, len(others))] for name in others
        }
        best = max(found, key=lambda name: found[name][0])
        gain, low, high = found[best]
        where = f"With {size} rows of {self.target!r}"
        told = f"{describe_change(gain, self.measure)} with {best} than with {first}"
        interval = describe_interval(low, high, self.measure)
        if low > 0:
            return f"{where} transfer helps: {told} ({interval})."
        return f"{where} no transfer is clearly better: {told} at best ({interval})."

    def plot(self, ax=None, *, bands=True):
        """Draw mean scores against the training rows of the target.

        Parameters
        ----------
        ax : matplotlib axes, default=None
            None: those of a new figure.
        bands : bool, default=True
            Whether to draw standard errors.

        Returns
        -------
        LearningCurveDisplay
        """
        kept = [k for k, name in enumerate(self.names) if name not in self.failures]
        scores = {self.names[k]: self.scores[k] for k in kept}
        curve = LearningCurveDisplay(
            train_sizes=self.train_sizes, scores=scores, metric=self.metric
        )
        curve.plot(ax, bands=bands)
        curve.ax_.set_xlabel(f"training rows of the target {self.target!r}")
        curve.ax_.set_ylabel(curve.ax_.get_ylabel().replace(", mean over tasks", ""))
        return curve
