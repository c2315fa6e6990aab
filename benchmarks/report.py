"""What the speed comparison prints and draws."""

from pathlib import Path

import numpy as np
from timing import GAPS, gap_key

TABLE_GAP = gap_key(1e-6)
CELLS = 9  # characters of a printed number


def print_result(result):
    """Seconds of each method and the ratios of one job."""
    keys = list(next(iter(result["methods"].values()))["seconds"])
    print(f"{title(result)}: {details(result)}")
    print(f"  {'seconds':28}", *[f"{key:>{CELLS}}" for key in keys])
    for method, record in result["methods"].items():
        print(f"  {method:28}", *[cell(record["seconds"][key]) for key in keys], state(record))
    for name in ("ratio", "passes"):
        if name in result:
            print(f"  {name:28}", *[cell(result[name][key]) for key in keys])
    print(flush=True)


def title(result):
    parts = [result["name"]]
    if result["correlation"] is not None:
        parts.append(f"correlation {result['correlation']:g}")
    if result["alpha_ratio"] is not None:
        parts.append(f"alpha/max {result['alpha_ratio']:g}")
    return ", ".join([*parts, f"threads {result['threads']}"])


def details(result):
    n, p, n_tasks = result["shape"]
    parts = [f"{n} x {p}, {n_tasks} tasks"]
    if result.get("active") is not None:
        parts.append(f"{result['active']} active")
    for key in ("criterion", "same_alpha", "mse_difference", "pass_seconds", "memory_over_X"):
        if key in result:
            parts.append(f"{key} {result[key]}")
    return ", ".join(parts)


def state(record):
    return "cut" if record.get("cut") else record.get("error", "")


def cell(value):
    return f"{'-':>{CELLS}}" if value is None else f"{value:{CELLS}.4f}"


def table(results):
    """Markdown tables of the results, one per group and number of threads."""
    parts = []
    for threads in sorted({result["threads"] for result in results}):
        here = [result for result in results if result["threads"] == threads]
        for wanted, heading, make in (
            (("shared", "real"), "multi-task lasso to gap 1e-6", lasso_table),
            (("paths",), "cross-validated paths", path_table),
            (("own",), "rows of their own", own_table),
            (("ridge",), "ridge, one penalty per task", ridge_table),
        ):
            rows = [result for result in here if result["group"] in wanted]
            if rows:
                plural = "s" if threads > 1 else ""
                parts.append(f"{heading}, {threads} BLAS thread{plural}\n\n{make(rows)}")
    return "\n\n".join(parts)


def lasso_table(results):
    header = ["workload", "n", "p", "tasks", "alpha/max", "correlation", "active"]
    rows = []
    for result in results:
        correlation = result["correlation"]
        rows.append(
            [
                result["name"],
                *result["shape"],
                f"{result['alpha_ratio']:g}",
                "-" if correlation is None else f"{correlation:g}",
                result["active"],
                *comparison(result, TABLE_GAP),
            ]
        )
    return with_summary(header, rows, results, TABLE_GAP)


def path_table(results):
    header = ["workload", "n", "p", "tasks", "alphas x folds", "same alpha"]
    rows = []
    for result in results:
        grid = f"{result['n_alphas']} x {result['n_folds']}"
        same = {True: "yes", False: "no", None: "-"}[result.get("same_alpha")]
        name = result["name"]
        rows.append([name, *result["shape"], grid, same, *comparison(result, "path")])
    return with_summary(header, rows, results, "path")


def own_table(results):
    header = ["workload", "rows", "p", "tasks", "alpha/max", "active", "pass, ms"]
    header += [f"passes to {gap_key(gap)}" for gap in GAPS] + ["memory / X"]
    rows = []
    for result in results:
        passes = [number(result["passes"][gap_key(gap)]) for gap in GAPS]
        memory = number(result["memory_over_X"])
        known = [result["name"], *result["shape"], f"{result['alpha_ratio']:g}", result["active"]]
        rows.append([*known, number(1e3 * result["pass_seconds"]), *passes, memory])
    return markdown(header, rows)


def ridge_table(results):
    header = ["workload", "n", "p", "tasks", "alphas", "criterion", "same alpha", "mse difference"]
    rows = []
    for result in results:
        same, difference = result.get("same_alpha"), result.get("mse_difference")
        agreement = ["-" if same is None else f"{same:.1%}", number(difference)]
        known = [result["name"], *result["shape"], result["n_alphas"], result["criterion"]]
        rows.append([*known, *agreement, *comparison(result, "fit")])
    return with_summary(header, rows, results, "fit")


def comparison(result, key):
    """Milliseconds of skmtl, the fastest peer with its milliseconds, and their ratio."""
    ours = result["methods"].get("skmtl", {"seconds": {}})["seconds"].get(key)
    peer = result["fastest_peer"][key]
    theirs = result["methods"][peer]["seconds"][key] if peer else None
    fastest = f"{peer}: {milliseconds(theirs)}" if peer else "-"
    return [milliseconds(ours), fastest, number(result["ratio"][key])]


def with_summary(header, rows, results, key):
    header = [*header, "skmtl, ms", "fastest peer, ms", "ratio"]
    ratios = [result["ratio"][key] for result in results if result["ratio"][key] is not None]
    if not ratios:
        return markdown(header, rows)
    mean, least = np.exp(np.mean(np.log(ratios))), min(ratios)
    missing = len(results) - len(ratios)
    summary = f"Ratio: geometric mean {number(mean)}, minimum {number(least)}"
    if missing:
        summary += f" ({missing} of {len(results)} rows have none)"
    return f"{markdown(header, rows)}\n\n{summary}."


def milliseconds(seconds):
    return number(None if seconds is None else 1e3 * seconds)


def number(value):
    """Three significant digits."""
    if value is None:
        return "-"
    if value == 0 or 1e-3 <= value < 1e6:
        digits = 0 if value == 0 else max(0, 2 - int(np.floor(np.log10(value))))
        return f"{value:.{digits}f}"
    return f"{value:.1e}"


def markdown(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(part) for part in line) + " |" for line in lines)


def draw(results, path):
    """Figures beside `path`, per number of threads; none without matplotlib. Returns the paths."""
    try:
        from figure import draw_gaps, draw_ratios
    except ImportError:
        return []
    drawn = []
    for threads in sorted({result["threads"] for result in results}):
        here = [result for result in results if result["threads"] == threads]
        for name, plot in (("gaps", draw_gaps), ("ratios", draw_ratios)):
            figure = plot(here, TABLE_GAP)
            if figure is not None:
                target = Path(path).with_name(f"{Path(path).stem}-{name}-threads{threads}.png")
                figure.savefig(target, dpi=100)
                drawn.append(target)
    return drawn
