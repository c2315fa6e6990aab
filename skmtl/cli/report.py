"""The table on the screen, and the files: JSON, CSV and the figure."""

import csv
import io
from importlib.metadata import version

import numpy as np

from skmtl._version import __version__
from skmtl.cli.pictures import gains_png
from skmtl.cli.store import write_bytes, write_json, write_text
from skmtl.environment import describe_environment
from skmtl.inspection.presentation import COLUMNS, best_of, footnotes, table_rows


def settings_of(problem, settings):
    """All that the results depend on, as JSON holds it."""
    return {
        "skmtl": __version__,
        "scikit-learn": version("scikit-learn"),
        "data_sha256": problem.fingerprint(),
        "task_type": problem.task_type,
        "metric": settings.metric.name,
        "cv": settings.cv,
        "repeats": settings.repeats,
        "train_fraction": settings.train_fraction,
        "contiguous": problem.ordered,
        "seed": settings.seed,
    }


def describe_problem(problem):
    """One line about the data."""
    sizes = problem.rows_of_tasks()
    counts = f"{sizes.min()}" if sizes.min() == sizes.max() else f"{sizes.min()} to {sizes.max()}"
    return (
        f"{problem.name}: {problem.task_type} of {', '.join(problem.target_names[:4])}"
        f"{', ...' if len(problem.target_names) > 4 else ''}; {problem.n_rows} rows, "
        f"{problem.n_features} features, {problem.n_tasks} tasks of {counts} rows"
    )


def print_report(problem, comparison, verdict, stream):
    """Data, table, what the columns mean, and the verdict."""
    from rich.console import Console

    width = None if stream.isatty() else 100
    console = Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
    wrap = {"soft_wrap": not stream.isatty()}
    console.print(describe_problem(problem), **wrap)
    console.print(make_table(comparison))
    for line in [*footnotes(comparison), verdict]:
        console.print(line, **wrap)


def make_table(comparison):
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for position, name in enumerate(COLUMNS):
        table.add_column(name, justify="right" if position else "left", no_wrap=True)
    best = best_of(comparison)
    for row in table_rows(comparison):
        table.add_row(*row, style="bold" if row[0] in best else None)
    return table


def write_reports(folder, problem, strategies, comparison, verdict, settings):
    """Write results.json, results.csv, per_task.csv and, if there is a gain to draw, gains.png.

    Returns
    -------
    list of str
        Names of the files.
    """
    rows = [strategy_row(record) for record in comparison.records()]
    about = {strategy.name: strategy.about for strategy in strategies}
    results = {
        "conclusion": verdict,
        "reference": comparison.reference,
        "gain_unit": "% of the reference's" if comparison.measure.is_loss else "difference",
        "data": {
            "name": problem.name,
            "description": describe_problem(problem),
            "tasks": problem.task_names,
            "classes": problem.class_names,
            "notes": problem.notes,
        },
        "settings": settings,
        **describe_environment(("pandas",)),
        "strategies": [{**row, "about": about[row["strategy"]]} for row in rows],
        "folds": [result.to_dict() for result in comparison.results],
    }
    write_json(folder / "results.json", results)
    write_csv(folder / "results.csv", rows)
    write_csv(folder / "per_task.csv", task_rows(problem, comparison))
    picture = gains_png(problem, comparison)
    if picture is not None:
        write_bytes(folder / "gains.png", picture)
    return ["results.json", "results.csv", "per_task.csv", *["gains.png"] * bool(picture)]


def strategy_row(record):
    """A strategy's row of results.csv; None is an empty field."""
    status = "finished" if record["message"] is None else "failed"
    row = {"strategy": record["strategy"], "status": status, **record}
    return {name: finite_or_none(value) for name, value in row.items()}


def task_rows(problem, comparison):
    """Rows of per_task.csv: every strategy and task, with the number of rows of the task."""
    sizes = dict(zip(problem.task_names, problem.rows_of_tasks().tolist(), strict=True))
    rows = []
    for record in comparison.task_records():
        names = {"strategy": record["strategy"], "task": record["task"]}
        row = {**names, "rows": sizes[record["task"]], **record}
        rows.append({name: finite_or_none(value) for name, value in row.items()})
    return rows


def finite_or_none(value):
    return None if isinstance(value, float) and not np.isfinite(value) else value


def write_csv(path, rows):
    """Dicts with the same keys as a CSV file; an empty one if there is no row."""
    content = io.StringIO()
    writer = csv.DictWriter(content, list(rows[0]) if rows else [])
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, content.getvalue())
