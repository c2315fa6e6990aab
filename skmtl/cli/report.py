"""The table on the screen, and the files: JSON and CSV."""

import csv
import io
from importlib.metadata import version

import numpy as np

from skmtl._version import __version__
from skmtl.cli.store import write_json, write_text
from skmtl.cli.wording import conclusion, signed
from skmtl.environment import describe_environment


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


def print_report(problem, comparison, stream):
    """Data, table, what the columns mean, and the conclusion."""
    from rich.console import Console

    width = None if stream.isatty() else 100
    console = Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
    wrap = {"soft_wrap": not stream.isatty()}
    console.print(describe_problem(problem), **wrap)
    console.print(make_table(comparison))
    for line in [*footnotes(comparison), conclusion(comparison)]:
        console.print(line, **wrap)


def make_table(comparison):
    from rich import box
    from rich.table import Table

    metric = comparison.metric
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("strategy", no_wrap=True)
    for name in ("score", "std. error", "gain", "helped", "hurt", "fit (s)"):
        table.add_column(name, justify="right", no_wrap=True)
    best = max((s.mean if not metric.is_loss else -s.mean for s in finished(comparison)), default=0)
    for summary in comparison.summaries:
        style = "bold" if abs(summary.mean) == abs(best) else None
        table.add_row(*table_row(summary, metric), style=style)
    return table


def finished(comparison):
    return [summary for summary in comparison.summaries if summary.message is None]


def table_row(summary, metric):
    if summary.message is not None:
        return [summary.strategy.name, "failed", *["-"] * 5]
    numbers = [f"{summary.mean:#.4g}", f"{summary.standard_error:#.2g}"]
    compared = ["-"] * 3
    if summary.gain is not None:
        gain = signed(summary.gain.estimate, metric)
        compared = [gain, str(summary.helped), str(summary.hurt)]
    return [summary.strategy.name, *numbers, *compared, f"{summary.fit_seconds:.2f}"]


def footnotes(comparison):
    if comparison.reference is not None:
        yield (
            f"score: {comparison.metric.name}, mean over tasks and {comparison.n_folds} folds; "
            f"gain, and tasks helped and hurt: against {comparison.reference.strategy.name}."
        )
    for summary in comparison.summaries:
        if summary.not_converged:
            yield (
                f"{summary.strategy.name}: {summary.not_converged} of {comparison.n_folds} fits "
                "met a solver that did not converge."
            )


def write_reports(folder, problem, comparison, settings):
    """results.json, results.csv and per_task.csv."""
    write_json(folder / "results.json", results_json(problem, comparison, settings))
    write_csv(folder / "results.csv", [strategy_row(s) for s in comparison.summaries])
    write_csv(folder / "per_task.csv", list(task_rows(problem, comparison)))


def results_json(problem, comparison, settings):
    reference = comparison.reference
    return {
        "conclusion": conclusion(comparison),
        "reference": None if reference is None else reference.strategy.name,
        "gain_unit": "% of the reference's" if comparison.metric.is_loss else "difference",
        "data": {
            "name": problem.name,
            "description": describe_problem(problem),
            "tasks": problem.task_names,
            "classes": problem.class_names,
            "notes": problem.notes,
        },
        "settings": settings,
        **describe_environment(("pandas",)),
        "strategies": [
            {**strategy_row(summary), "about": summary.strategy.about}
            for summary in comparison.summaries
        ],
        "folds": [result.to_dict() for result in comparison.results],
    }


def strategy_row(summary):
    """A strategy's row of results.csv; None is an empty field."""
    gain = summary.gain
    values = {
        "strategy": summary.strategy.name,
        "status": "finished" if summary.message is None else "failed",
        "mean_score": summary.mean,
        "standard_error": summary.standard_error,
        "gain": None if gain is None else gain.estimate,
        "gain_low": None if gain is None else gain.low,
        "gain_high": None if gain is None else gain.high,
        "helped": summary.helped,
        "hurt": summary.hurt,
        "fit_seconds": summary.fit_seconds,
        "not_converged": summary.not_converged,
        "message": summary.message,
    }
    return {name: finite_or_none(value) for name, value in values.items()}


def finite_or_none(value):
    return None if isinstance(value, float) and not np.isfinite(value) else value


def task_rows(problem, comparison):
    """Rows of per_task.csv: every strategy and task."""
    rows, reference = problem.rows_of_tasks(), comparison.reference
    train_rows = training_rows(comparison)
    for summary in finished(comparison):
        for task, name in enumerate(problem.task_names):
            yield {
                "strategy": summary.strategy.name,
                "task": name,
                "rows": int(rows[task]),
                "train_rows": float(train_rows[task]),
                "score": entry(summary.task_scores, task),
                "reference_score": entry(reference and reference.task_scores, task),
                "gain": entry(summary.task_gains, task),
                "gain_standard_error": entry(summary.task_gain_errors, task),
            }


def training_rows(comparison):
    """Mean over folds of the rows of every task that were learned from."""
    return np.mean([result.train_rows for result in comparison.results], axis=0)


def entry(values, task):
    return None if values is None else finite_or_none(float(values[task]))


def write_csv(path, rows):
    """Dicts with the same keys as a CSV file; an empty one if there is no row."""
    content = io.StringIO()
    writer = csv.DictWriter(content, list(rows[0]) if rows else [])
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, content.getvalue())
