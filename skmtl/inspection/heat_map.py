"""Heat maps: the order of rows, colours around zero, and names that never overlap."""

import textwrap

import numpy as np
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from skmtl.inspection.drawing import MOST_LABELS, thinned

ORDERS = ("similarity", "given")
UNKNOWN = "#bbbbbb"  # a value that is not defined
OUTLIER, USUAL = 3.0, 0.98  # a largest value above 3 times this quantile is none for the colours
WIDTH_OF_LETTER, LINE = 0.62, 1.35  # of the size of the font
TITLE, WIDTH_OF_TITLE = 10, 0.5  # size in points; width of a letter as above, on average


def check_order(order):
    """ValueError unless `order` is one of the known ones."""
    if order not in ORDERS:
        raise ValueError(f"order={order!r} is not one of {', '.join(ORDERS)}.")


def similarity_order(affinity):
    """Positions of the tasks in the leaves of average-linkage clustering, ordered optimally.

    Bar-Joseph, Gifford, Jaakkola 2001, *Fast optimal leaf ordering for hierarchical clustering*.
    """
    n_tasks = len(affinity)
    others = ~np.eye(n_tasks, dtype=bool)
    similarity = (affinity + affinity.T) / 2.0
    known = similarity[others & np.isfinite(similarity)]
    if n_tasks < 3 or not len(known):
        return np.arange(n_tasks)
    similarity = np.where(np.isfinite(similarity), similarity, known.min())
    distance = np.where(others, known.max() - similarity, 0.0)
    return _leaves(squareform(distance, checks=False))


def neighbour_order(rows):
    """As `similarity_order`, by the distances between rows (n_rows, n_features)."""
    return _leaves(rows) if len(rows) > 2 else np.arange(len(rows))


def _leaves(distances_or_rows):
    tree = hierarchy.linkage(distances_or_rows, method="average", optimal_ordering=True)
    return hierarchy.leaves_list(tree)


def robust_limit(values):
    """The size of the strongest colour: the largest value, unless it would fade all others.

    Zeros do not count: most coefficients of a sparse model are.
    """
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    if not len(sizes):
        return 1.0
    usual, largest = np.quantile(sizes, USUAL, method="lower"), sizes.max()
    return float(usual if largest > OUTLIER * usual else largest)


def draw_heat_map(ax, values, *, limit, cmap, low=None, aspect="auto"):
    """Colours from `low` (None: -limit) to `limit`; the image."""
    low = -limit if low is None else low
    image = ax.imshow(
        values, cmap=cmap, vmin=low, vmax=limit, interpolation="nearest", aspect=aspect
    )
    ax.set_facecolor(UNKNOWN)
    return image


def draw_colorbar(image, axes, values, unit):
    """A bar beside the axes, with arrows where values are beyond the colours."""
    low, high = image.get_clim()
    beyond = bool((values < low).any()), bool((values > high).any())
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}
    pad = {"pad": 0.02} if isinstance(axes, list) else {}
    return image.figure.colorbar(
        image, ax=axes, label=unit, extend=extend.get(beyond, "neither"), **pad
    )


def length_of(axis):
    """Length of an axis of some axes, in points of a font, as of the last layout."""
    box = axis.axes.bbox
    return 72.0 * (box.width if axis.axis_name == "x" else box.height) / axis.axes.figure.dpi


def name_cells(axes, columns, rows):
    """Names at the columns of all axes and the rows of the first, as many as there is room for.

    Returns (of_columns, of_rows): one in how many has a name.
    """
    # The longest names take the room that is left to the cells.
    axes[0].yaxis.set_ticks([0], [max(rows, key=len)], fontsize=_size(rows), rotation=0)
    for ax in axes:
        name = max(columns, key=len)
        ax.xaxis.set_ticks([0], [name], fontsize=_size(columns), rotation=90)
    axes[0].figure.draw_without_rendering()
    return max(_thin(ax.xaxis, columns) for ax in axes), _thin(axes[0].yaxis, rows)


def _size(labels):
    return 8 if len(labels) <= 20 else 6.5


def _thin(axis, labels):
    size, length = _size(labels), length_of(axis)
    shown = thinned(len(labels), int(np.clip(length / (LINE * size), 1, MOST_LABELS)))
    names = [labels[position] for position in shown]
    upright = axis.axis_name == "x"
    if upright:
        widest = (max(map(len, names)) + 0.6) * WIDTH_OF_LETTER * size
        upright = widest * len(shown) > length
    axis.set_ticks(shown, names, fontsize=size, rotation=90 if upright else 0)
    return int(shown[1]) if len(shown) > 1 else len(labels)


def write_title(ax, name, told):
    """A title that is hardly wider than the axes, as of the last layout; its number of lines."""
    lines = textwrap.wrap(told, max(int(length_of(ax.xaxis) / (WIDTH_OF_TITLE * TITLE)), 24))
    lines = lines if name is None else [name, *lines]
    ax.set_title("\n".join(lines), fontsize=TITLE)
    return len(lines)


def note_of_names(n_labels, step):
    """What a title says of names that were left out."""
    return f", 1 in {step} named" if step > 1 and n_labels > 1 else ""


def write_values(ax, values, limit):
    """The numbers of a heat map into its cells."""
    decimals = max(0, 2 - int(np.ceil(np.log10(limit))))
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "white" if abs(value) > 0.6 * limit else "black"
            text = f"{round(value, decimals) + 0:g}".replace("-", "−")  # no "-0"
            ax.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
