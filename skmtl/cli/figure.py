"""The figure: what every task gains from each strategy, against its number of rows."""

import math

import numpy as np

BETTER, WORSE, TREND = "#0072b2", "#d55e00", "#333333"  # told apart by the colour-blind
FEW_SIZES = 3  # with fewer distinct sizes the tasks stand side by side, by name


def draw_gains(path, problem, comparison, train_rows):
    """Write the figure, if a strategy was compared; whether there is one."""
    compared = [s for s in comparison.summaries if s.gain is not None]
    if not compared:
        return False
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    n_columns = math.ceil(math.sqrt(len(compared)))
    n_rows = math.ceil(len(compared) / n_columns)
    size = (1.0 + 3.6 * n_columns, 1.2 + 2.9 * n_rows)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(n_rows, n_columns, squeeze=False)
    for axis, summary in zip(axes.flat, compared, strict=False):
        draw_strategy(axis, summary, train_rows)
    share_scale(axes, [s.task_gains for s in compared], comparison.metric)
    for axis in axes.flat[len(compared) :]:
        axis.set_visible(False)
    label_axes(figure, axes, problem, comparison, train_rows)
    figure.savefig(path, dpi=150, format="png")
    return True


def by_name(train_rows):
    return len(np.unique(train_rows)) < FEW_SIZES and len(train_rows) <= 30


def share_scale(axes, gains, metric):
    """The same vertical axis for all panels; logarithmic beyond small gains if some are huge."""
    values = np.concatenate([[0.0], *gains])
    low, high = np.nanmin(values), np.nanmax(values)
    in_percent = metric.is_loss or metric.scale != 1
    huge, small = (200.0, 10.0) if in_percent else (5.0, 0.1)
    for axis in axes.flat:
        if max(-low, high) > huge:
            axis.set_yscale("symlog", linthresh=small)
            axis.set_ylim(2 * low - small, 2 * high + small)
        else:
            margin = 0.08 * max(high - low, 1e-9)
            axis.set_ylim(low - margin, high + margin)


def draw_strategy(axis, summary, train_rows):
    gains = summary.task_gains
    shown = ~np.isnan(gains)
    x = np.arange(len(gains)) if by_name(train_rows) else train_rows
    colours = np.where(gains > 0, BETTER, np.where(gains < 0, WORSE, TREND))
    axis.axhline(0.0, color=TREND, linewidth=0.8)
    axis.scatter(
        x[shown],
        gains[shown],
        c=colours[shown],
        s=max(8.0, 36.0 - 0.2 * len(gains)),
        alpha=0.75,
        linewidths=0,
    )
    if not by_name(train_rows):
        draw_trend(axis, x[shown], gains[shown])
    axis.set_title(
        f"{summary.strategy.name}\n{summary.helped} helped, {summary.hurt} hurt", fontsize=10
    )
    axis.grid(axis="y", linewidth=0.4, alpha=0.5)
    axis.spines[["top", "right"]].set_visible(False)


def draw_trend(axis, x, gains):
    """Medians of tasks of similar size, where there are enough tasks."""
    if len(x) < 20:
        return
    groups = np.array_split(np.argsort(x, kind="stable"), min(8, len(x) // 5))
    axis.plot(
        [np.median(x[group]) for group in groups],
        [np.median(gains[group]) for group in groups],
        color=TREND,
        linewidth=1.6,
        label="median of tasks of similar size",
    )


def label_axes(figure, axes, problem, comparison, train_rows):
    metric = comparison.metric
    if by_name(train_rows):
        names = [name if len(name) <= 18 else name[:17] + "..." for name in problem.task_names]
        for axis in axes.flat:
            axis.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=7)
        figure.supxlabel("task", fontsize=10)
    else:
        if train_rows.max() > 20 * max(train_rows.min(), 1.0):
            for axis in axes.flat:
                axis.set_xscale("log")
        figure.supxlabel("training rows of the task", fontsize=10)
    unit = "%" if metric.is_loss else (metric.unit.strip() or "difference")
    figure.supylabel(f"gain in {metric.name} ({unit}), above 0 is better", fontsize=10)
    figure.suptitle(
        f"{problem.name}: gain over {comparison.reference.strategy.name}, task by task", fontsize=11
    )
    handles, labels = axes.flat[0].get_legend_handles_labels()
    if handles:
        axes.flat[0].legend(handles, labels, fontsize=7, frameon=False)
