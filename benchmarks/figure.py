"""Figures of the speed comparison: seconds against gap, and ratios."""

import numpy as np
from matplotlib.figure import Figure  # no pyplot: no window, no global state
from matplotlib.ticker import NullFormatter

COLUMNS = 4
LEAST_GAP = 1e-10  # drawn
COLOURS = {"skmtl": "C3", "scikit-learn": "C0", "celer": "C2", "skglm": "C1"}


def draw_gaps(results, key):
    """Seconds against gap, one panel per workload; None if there is none."""
    results = [result for result in results if key in next(iter(methods(result)))[1]["seconds"]]
    if not results:
        return None
    n_rows = -(-len(results) // COLUMNS)
    figure = Figure(figsize=(4 * COLUMNS, 2.6 * n_rows + 0.6), layout="constrained")
    axes = figure.subplots(n_rows, COLUMNS, squeeze=False).ravel()
    for axis, result in zip(axes, results, strict=False):
        for method, record in methods(result):
            gaps, seconds = fastest_to_gaps(record["runs"])
            line = "--" if ", dense" in method else "-"
            colour = COLOURS.get(method.split(",")[0])
            axis.loglog(seconds, gaps, marker=".", linestyle=line, color=colour, label=method)
        axis.set_title(label(result), fontsize=9)
        axis.axhline(float(key), color="0.8", zorder=0)
        axis.set_ylim(LEAST_GAP / 2, 1e-2)
        axis.xaxis.set_minor_formatter(NullFormatter())
    for axis in axes[len(results) :]:
        axis.set_axis_off()
    for axis in axes[::COLUMNS]:
        axis.set_ylabel("relative gap")
    for axis in axes[max(0, len(results) - COLUMNS) : len(results)]:
        axis.set_xlabel("seconds")
    legend = {}
    for axis in axes[: len(results)]:
        legend.update(zip(*axis.get_legend_handles_labels()[::-1], strict=True))
    figure.legend(legend.values(), legend.keys(), loc="outside upper center", ncols=len(legend))
    return figure


def fastest_to_gaps(runs):
    """Gaps, from the smallest, and the seconds of the fastest run that reached each."""
    runs = sorted((run for run in runs if run["gap"] is not None), key=lambda run: run["gap"])
    seconds = np.minimum.accumulate([run["seconds"] for run in runs])
    return np.clip([run["gap"] for run in runs], LEAST_GAP, None), seconds


def draw_ratios(results, key):
    """Bars of the fastest peer's seconds over those of skmtl."""
    bars = [(label(result), *last_ratio(result, key)) for result in results if "ratio" in result]
    bars = [bar for bar in bars if bar[1] is not None]
    if not bars:
        return None
    labels, ratios, peers = zip(*bars, strict=True)
    figure = Figure(figsize=(9, 0.28 * len(bars) + 1.4), layout="constrained")
    axis = figure.subplots()
    colours = ["C3" if ratio >= 1 else "0.6" for ratio in ratios]
    drawn = axis.barh(labels, np.array(ratios) - 1, left=1, color=colours)
    axis.bar_label(drawn, [f" {r:.2g} ({peer}) " for r, peer in zip(ratios, peers, strict=True)])
    axis.set_xscale("log")
    axis.set_xlim(min(0.5, 0.2 * min(ratios)), max(2.0, 4 * max(ratios)))
    axis.axvline(1, color="black", linewidth=0.8)
    axis.invert_yaxis()
    axis.set_xlabel(f"seconds of the fastest peer over seconds of skmtl (lasso: to gap {key})")
    return figure


def last_ratio(result, key):
    """Ratio and fastest peer at the gap `key`, or of the only timing."""
    key = key if key in result["ratio"] else next(iter(result["ratio"]))
    return result["ratio"][key], result["fastest_peer"][key]


def methods(result):
    return result["methods"].items()


def label(result):
    parts = [result["name"]]
    if result["correlation"] is not None:
        parts.append(f"r={result['correlation']:g}")
    if result["alpha_ratio"] is not None:
        parts.append(f"{result['alpha_ratio']:g} max")
    return " ".join([*parts, *([result["criterion"]] if "criterion" in result else [])])
