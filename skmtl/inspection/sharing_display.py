"""The gain of every task from sharing, against its number of rows."""

import numpy as np
from sklearn.utils import check_consistent_length

from skmtl.inspection.drawing import (
    BETTER,
    MOST_LABELS,
    NEUTRAL,
    WORSE,
    draw_trend,
    name_points,
    new_axes,
    plain_ticks,
    scale_huge,
    short_names,
    tidy,
)
from skmtl.inspection.held_out import check_same_tasks, read_table, task_column_of

SIMILAR = 1.5  # with no larger ratio of sizes the tasks stand side by side


class SharingDisplay:
    """Gain of every task from sharing, against its number of rows.

    Use :meth:`from_estimator` or :meth:`from_gains`. Tasks above 0 (blue) are better off with
    the shared model, tasks below (orange) with one of their own. Tasks of similar size stand side
    by side, sorted by gain.

    Parameters
    ----------
    gains : ndarray of shape (n_tasks,)
        Tasks without a finite gain are not drawn.
    sizes : ndarray of shape (n_tasks,)
        Rows of the tasks.
    tasks : ndarray of shape (n_tasks,), default=None
        Their names. None: 0, 1, ...
    errors : ndarray of shape (n_tasks,), default=None
        Standard errors of the gains.
    name : str, default=None
        Title of the figure.
    unit : str, default="%"
        Of the gains.

    Attributes
    ----------
    ax_ : matplotlib axes
    figure_ : matplotlib figure
    points_ : matplotlib collection
    error_bars_ : matplotlib container or None
    trend_ : matplotlib line or None
    annotations_ : list of matplotlib annotations

    See Also
    --------
    negative_transfer_report : The gains, with tests.

    Examples
    --------
    >>> from skmtl import SharingDisplay
    >>> display = SharingDisplay.from_gains([3.0, -1.0, 5.0], [10, 20, 30], tasks=["a", "b", "c"])
    >>> display.ax_.get_xlabel()
    'rows of the task'
    """

    def __init__(self, *, gains, sizes, tasks=None, errors=None, name=None, unit="%"):
        self.gains = gains
        self.sizes = sizes
        self.tasks = tasks
        self.errors = errors
        self.name = name
        self.unit = unit

    @classmethod
    def from_gains(
        cls, gains, sizes, *, tasks=None, errors=None, name=None, unit="%", ax=None, **options
    ):
        """Draw gains that are known.

        Parameters
        ----------
        gains, sizes : array-like of shape (n_tasks,)
        tasks : array-like of shape (n_tasks,), optional
        errors : array-like of shape (n_tasks,), optional
            Standard errors of the gains.
        name : str, default=None
            Title of the figure.
        unit : str, default="%"
        ax : matplotlib axes, default=None
            None: those of a new figure.
        **options
            For :meth:`plot`.

        Returns
        -------
        SharingDisplay
        """
        check_consistent_length(gains, sizes, tasks, errors)
        gains, sizes = np.asarray(gains, dtype=float), np.asarray(sizes, dtype=float)
        tasks = np.arange(len(gains)) if tasks is None else np.asarray(tasks)
        errors = None if errors is None else np.asarray(errors, dtype=float)
        display = cls(gains=gains, sizes=sizes, tasks=tasks, errors=errors, name=name, unit=unit)
        return display.plot(ax, **options)

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        baseline=None,
        cv=None,
        metric=None,
        task_column=None,
        tasks=None,
        n_jobs=None,
        random_state=None,
        ax=None,
        **options,
    ):
        """Draw the gains of an estimator over one model per task, on rows left out.

        Parameters
        ----------
        estimator : estimator
            If it is fitted and has measured its gains (``task_gains_``, in percent, and perhaps
            ``task_gain_errors_``), these are drawn, unless `baseline`, `cv` or `metric` is given.
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns)
        y : array-like of shape (n_samples,) or (n_samples, n_tasks)
        baseline, cv, metric, task_column, tasks, n_jobs, random_state
            As in :func:`negative_transfer_report`.
        ax : matplotlib axes, default=None
            None: those of a new figure.
        **options
            For :meth:`plot`.

        Returns
        -------
        SharingDisplay
        """
        if hasattr(estimator, "task_gains_") and baseline is cv is metric is None:
            if task_column is None and tasks is None:
                task_column = task_column_of(estimator)
            table = read_table(X, y, task_column=task_column, tasks=tasks)
            check_same_tasks(estimator, table)
            return cls.from_gains(
                estimator.task_gains_,
                table.sizes,
                tasks=table.labels,
                errors=getattr(estimator, "task_gain_errors_", None),
                name=type(estimator).__name__,
                ax=ax,
                **options,
            )
        # The report draws itself by this class.
        from skmtl.inspection.negative_transfer import negative_transfer_report

        report = negative_transfer_report(
            estimator,
            X,
            y,
            baseline=baseline,
            cv=cv,
            metric=metric,
            task_column=task_column,
            tasks=tasks,
            n_jobs=n_jobs,
            random_state=random_state,
        )
        return report.plot(ax, **options)

    def plot(self, ax=None, *, error_bars=True, trend=True, n_named=3):
        """Draw the figure.

        Parameters
        ----------
        ax : matplotlib axes, default=None
            None: those of a new figure.
        error_bars : bool, default=True
            Whether to draw standard errors, if they are known.
        trend : bool, default=True
            Whether to draw medians of tasks of similar size, from 20 tasks on.
        n_named : int, default=3
            How many of the worst tasks below 0 are named.

        Returns
        -------
        self : SharingDisplay
        """
        self.ax_ = new_axes(ax, figsize=(7.0, 4.2))
        self.figure_ = self.ax_.figure
        finite = np.isfinite(self.gains)
        shown = np.flatnonzero(finite)
        if not len(shown):
            raise ValueError("no task has a finite gain: there is nothing to draw.")
        sizes = self.sizes[shown]
        side_by_side = sizes.max() <= SIMILAR * sizes.min()
        if side_by_side:
            shown = shown[np.argsort(-self.gains[shown], kind="stable")]
        x = np.arange(len(shown)) if side_by_side else sizes
        gains = self.gains[shown]
        errors = self.errors[shown] if error_bars and self.errors is not None else None
        self._draw_points(x, gains, errors)
        self.trend_ = None
        if trend and not side_by_side:
            self.trend_ = draw_trend(self.ax_, x, gains, color="black", zorder=3)
        if self.trend_ is not None:
            self.ax_.legend(fontsize=8, frameon=False)
        self._scale_gains(gains, np.zeros(len(gains)) if errors is None else errors)
        self._label_tasks(shown) if side_by_side else self._label_sizes(x)
        named = side_by_side and len(shown) <= MOST_LABELS
        self.annotations_ = [] if named else self._name_worst(x, gains, shown, n_named)
        return self

    def _draw_points(self, x, gains, errors):
        colours = np.where(gains > 0, BETTER, np.where(gains < 0, WORSE, NEUTRAL))
        self.error_bars_ = None
        if errors is not None:
            self.error_bars_ = self.ax_.errorbar(
                x,
                gains,
                yerr=errors,
                fmt="none",
                ecolor=NEUTRAL,
                elinewidth=0.7,
                alpha=0.5 if len(x) <= MOST_LABELS else 0.25,
                zorder=1,
            )
        self.ax_.axhline(0.0, color=NEUTRAL, linewidth=0.9, zorder=1.5)
        size = max(10.0, 40.0 - 0.2 * len(x))
        self.points_ = self.ax_.scatter(
            x, gains, c=colours, s=size, alpha=0.85, linewidths=0, zorder=2
        )
        tidy(self.ax_)
        self.ax_.set_ylabel(f"gain ({self.unit}), above 0 is better")
        counts = f"{(gains > 0).sum()} of {len(gains)} tasks above 0"
        self.ax_.set_title(counts if self.name is None else f"{self.name}\n{counts}", fontsize=10)

    def _scale_gains(self, gains, errors):
        """Room for all gains, and for error bars up to once the span of the gains."""
        low, high = min(gains.min(), 0.0), max(gains.max(), 0.0)
        if scale_huge(self.ax_, low, high):
            return
        span = max(high - low, 1e-9)
        errors = np.nan_to_num(np.minimum(errors, span))
        low, high = min(np.min(gains - errors), low), max(np.max(gains + errors), high)
        self.ax_.set_ylim(low - 0.08 * span, high + 0.08 * span)

    def _label_sizes(self, x):
        from matplotlib.ticker import LogLocator

        self.ax_.set_xlabel("rows of the task")
        if x.max() > 20 * max(x.min(), 1.0):
            self.ax_.set_xscale("log")
            plain_ticks(self.ax_.xaxis, LogLocator(subs=(1.0, 2.0, 5.0)))

    def _label_tasks(self, shown):
        """The tasks' names below them, if there is room for all."""
        if len(shown) > MOST_LABELS:
            self.ax_.set_xticks([])
            self.ax_.set_xlabel(f"{len(shown)} tasks, sorted by gain")
            return
        names = short_names(self.tasks[shown])
        crowded = sum(map(len, names)) > 50
        self.ax_.set_xticks(
            np.arange(len(shown)),
            names,
            rotation=60 if crowded else 0,
            ha="right" if crowded else "center",
            rotation_mode="anchor" if crowded else "default",
            fontsize=8 if len(shown) <= 25 else 7,
        )
        self.ax_.set_xlim(-0.6, len(shown) - 0.4)
        self.ax_.set_xlabel("task, sorted by gain")

    def _name_worst(self, x, gains, shown, n_named):
        worst = np.argsort(gains, kind="stable")[: max(n_named, 0)]
        worst = worst[gains[worst] < 0]
        names = short_names(self.tasks[shown[worst]])
        return name_points(self.ax_, x, gains, worst, names, line=0.0)
