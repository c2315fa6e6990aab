"""The figure of a comparison: what every task gains, against its number of rows."""

import math

import numpy as np

from skmtl.inspection.drawing import (
    BETTER,
    NEUTRAL,
    WORSE,
    draw_trend,
    scale_huge,
    short_names,
    tidy,
)

FEW_SIZES = 3  # with fewer distinct sizes the tasks stand side by side, by name
MOST_NAMES = 30


def draw_gains(comparison, figure=None, title=None):
    """Draw a panel per strategy on a figure (None: one of pyplot); the figure."""
    shown = [name for name in comparison.finished if name != comparison.reference]
    if not shown or comparison.reference in comparison.failures:
        raise ValueError(f"there is no gain to draw: {comparison.verdict}")
    n_columns = min(3, math.ceil(math.sqrt(len(shown))))
    n_rows = math.ceil(len(shown) / n_columns)
    size = (1.0 + 3.2 * n_columns, 1.4 + 2.6 * n_rows)
    if figure is None:
        from matplotlib import pyplot

        figure = pyplot.figure(figsize=size)
    else:
        figure.set_size_inches(size)
    figure.set_layout_engine("constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False)
    for axis, name in zip(axes.flat, shown, strict=False):
        draw_strategy(axis, comparison, name)
    rows = [comparison.position(name) for name in shown]
    share_scale(axes, comparison.task_gains[rows], comparison.measure)
    for axis in axes.flat[len(shown) :]:
        axis.set_visible(False)
    label_axes(figure, axes, comparison, title)
    return figure


def by_name(comparison):
    """Whether tasks stand side by side, since their sizes do not tell them apart."""
    sizes = np.unique(comparison.train_rows)
    return len(sizes) < FEW_SIZES and len(comparison.tasks) <= MOST_NAMES


def draw_strategy(axis, comparison, name):
    gains = comparison.task_gains[comparison.position(name)]
    shown = ~np.isnan(gains)
    x = np.arange(len(gains)) if by_name(comparison) else comparison.train_rows
    colours = np.where(gains > 0, BETTER, np.where(gains < 0, WORSE, NEUTRAL))
    axis.axhline(0.0, color=NEUTRAL, linewidth=0.8)
    axis.scatter(
        x[shown],
        gains[shown],
        c=colours[shown],
        s=max(8.0, 36.0 - 0.2 * len(gains)),
        alpha=0.75,
        linewidths=0,
    )
    if not by_name(comparison):
        draw_trend(axis, x[shown], gains[shown], color=NEUTRAL)
    helped, hurt = int((gains > 0).sum()), int((gains < 0).sum())
    axis.set_title(f"{name}\n{helped} helped, {hurt} hurt", fontsize=10, parse_math=False)
    tidy(axis)


def share_scale(axes, gains, measure):
    """The same vertical axis for all panels; logarithmic beyond small gains if some are huge."""
    low, high = min(np.nanmin(gains), 0.0), max(np.nanmax(gains), 0.0)
    for axis in axes.flat:
        if not scale_huge(axis, low, high, measure.noticeable):
            margin = 0.08 * max(high - low, 1e-9)
            axis.set_ylim(low - margin, high + margin)


def label_axes(figure, axes, comparison, title):
    sizes, measure = comparison.train_rows, comparison.measure
    if by_name(comparison):
        names = short_names(comparison.tasks)
        style = {"rotation": 60, "ha": "right", "fontsize": 7, "parse_math": False}
        for axis in axes.flat:
            axis.set_xticks(range(len(names)), names, **style)
        figure.supxlabel("task", fontsize=10)
    else:
        if sizes.max() > 20 * max(sizes.min(), 1.0):
            for axis in axes.flat:
                axis.set_xscale("log")
        figure.supxlabel("training rows of the task", fontsize=10)
    unit = measure.gain_unit or "difference"
    figure.supylabel(f"gain in {measure.label} ({unit}), above 0 is better", fontsize=10)
    prefix = "" if title is None else f"{title}: "
    text = f"{prefix}gain over {comparison.reference}, task by task"
    figure.suptitle(text, fontsize=11, parse_math=False)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    if handles:
        axes.flat[0].legend(handles, labels, fontsize=7, frameon=False)
