"""What the figures share: optional imports, colours, labels that stay readable."""

import numpy as np
from sklearn.isotonic import isotonic_regression

# Okabe and Ito: told apart by the colour-blind.
BETTER, WORSE, NEUTRAL = "#0072b2", "#d55e00", "#555555"
CYCLE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
MARKERS = "osD^vPX"
LONGEST, LONGEST_FEATURE = 18, 30  # characters of the name of a task, of a feature
MOST_LABELS = 40
ENOUGH_FOR_TREND = 20
HUGE, SMALL = 200.0, 20.0  # with gains beyond the first, the scale is linear up to the second


def new_axes(ax=None, **options):
    """Axes to draw on: those given, else those of a new figure."""
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            'plots need matplotlib, which is not installed: pip install "skmtl[cli]".'
        ) from error
    return pyplot.subplots(layout="constrained", **options)[1]


def import_pandas():
    """pandas, or an ImportError that says how to get it."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            'a frame needs pandas, which is not installed: pip install "skmtl[cli]".'
        ) from error
    return pandas


def short_names(labels, longest=LONGEST):
    """Names of tasks, or of something else, for a figure."""
    names = [str(label) for label in np.asarray(labels).tolist()]
    return [name if len(name) <= longest else name[: longest - 1] + "…" for name in names]


def thinned(n_labels, most=MOST_LABELS):
    """Positions of at most `most` labels at regular distances, the first one among them."""
    return np.arange(0, n_labels, -(-n_labels // most))


def tidy(axis):
    """Horizontal grid lines behind the data, no frame above and to the right."""
    axis.grid(axis="y", linewidth=0.4, alpha=0.5)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def plain_ticks(axis, locator=None):
    """Ticks of a logarithmic axis as plain numbers: 20, not 2 x 10^1."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    if locator is not None:
        axis.set_major_locator(locator)
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    axis.set_minor_formatter(NullFormatter())


def draw_trend(axis, x, gains, **style):
    """Line of the medians of tasks of similar size; None if there are too few tasks."""
    if len(x) < ENOUGH_FOR_TREND:
        return None
    groups = np.array_split(np.argsort(x, kind="stable"), min(8, len(x) // 5))
    (line,) = axis.plot(
        [np.median(x[group]) for group in groups],
        [np.median(gains[group]) for group in groups],
        linewidth=1.6,
        label="median of tasks of similar size",
        **style,
    )
    return line


def scale_huge(axis, low, high, unit=1.0):
    """Make the vertical axis logarithmic beyond small gains, if some are huge; whether it was."""
    if max(-low, high) <= HUGE * unit:
        return False
    axis.set_yscale("symlog", linthresh=SMALL * unit)
    axis.set_ylim(2 * low - SMALL * unit, 2 * high + SMALL * unit)
    plain_ticks(axis.yaxis)
    return True


def name_points(axis, x, y, named, names, *, line=np.nan, fontsize=8):
    """Write names beside some of the points (x, y), where they cover the fewest other points.

    Parameters
    ----------
    axis : matplotlib axes
        With its final limits and scales.
    x, y : ndarray of shape (n_points,)
    named : int ndarray of shape (n_named,)
        The points that get names, the most important one first.
    names : list of str
    line : float, default=nan
        Height of a horizontal line that names should not cross.

    Returns
    -------
    list of matplotlib annotations
    """
    from matplotlib.patheffects import withStroke

    points = axis.transData.transform(np.column_stack([x, y]))
    pixels = axis.figure.dpi / 72.0  # per point of a font
    frame = np.array([axis.bbox.min, axis.bbox.max])
    line = axis.transData.transform((x[0], line))[1] if len(x) else line
    taken, annotations = [], []
    for point, name in zip(named, names, strict=True):
        size = pixels * np.array([0.7 * fontsize * len(name), 1.4 * fontsize])
        places = [(step, _box(points[point], size, step, 6 * pixels)) for step in DIRECTIONS]
        step, box = min(places, key=lambda place: _covered(place[1], points, line, taken, frame))
        taken.append(box)
        annotations.append(
            axis.annotate(
                name,
                (x[point], y[point]),
                xytext=(6 * step[0], 6 * step[1]),
                textcoords="offset points",
                ha=("right", "center", "left")[step[0] + 1],
                va=("top", "center", "bottom")[step[1] + 1],
                fontsize=fontsize,
                path_effects=[withStroke(linewidth=2.5, foreground="white")],
                zorder=4,
            )
        )
    return annotations


DIRECTIONS = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (-1, -1), (1, 1), (-1, 1))


def _box(point, size, step, gap):
    """Lower left and upper right corner of a text in a direction from a point."""
    centre = point + np.array(step) * (gap + size / 2)
    return np.array([centre - size / 2, centre + size / 2])


def _covered(box, points, line, taken, frame):
    """What a text there would cover; other texts and the world outside count most."""
    inside = ((points > box[0]) & (points < box[1])).all(axis=1).sum()
    texts = sum(((box[0] < other[1]) & (other[0] < box[1])).all() for other in taken)
    outside = (box[0] < frame[0]).any() or (box[1] > frame[1]).any()
    crosses = box[0, 1] < line < box[1, 1]
    return inside + crosses + 10 * texts + 10 * outside


def spread(heights, gap):
    """Heights up to 1 in the same order, moved as little as keeps them a gap apart."""
    order = np.argsort(heights, kind="stable")
    steps = gap * np.arange(len(heights))
    # Without their steps the heights must not fall: the least-squares fit under that condition.
    moved = np.empty(len(heights))
    moved[order] = steps + isotonic_regression(heights[order] - steps, y_max=1.0 - steps[-1])
    return moved
