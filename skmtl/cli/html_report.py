"""The report as one HTML file: nothing is loaded from elsewhere, and no script runs."""

import base64
from html import escape

import numpy as np

from skmtl.cli.report import describe_problem
from skmtl.environment import describe_environment
from skmtl.inspection.presentation import footnotes, html_table
from skmtl.inspection.verdict import find_subject, signed

STYLE = """
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; color: #222; background: #fff;
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; }
h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid #ccc; }
.verdict { padding: .8rem 1rem; border-left: .4rem solid #0072b2; background: #eef5fa;
  font-size: 1.1rem; }
.note { color: #555; font-size: .9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid #ddd; }
th { font-weight: 600; }
tbody th, thead th:first-child { text-align: left; font-weight: 400; }
.best th, .best td { font-weight: 700; }
img { max-width: 100%; height: auto; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; font-size: .9rem; }
dt { color: #555; }
dd { margin: 0; }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  .wide { overflow: visible; }
  table { font-size: 8pt; }
  th, td { padding: .1rem .35rem; }
  figure, tr, .verdict { break-inside: avoid; }
}
"""
MOST_NAMED = 12


def write_html(problem, strategies, comparison, verdict, settings, pictures):
    """The text of the report.

    Parameters
    ----------
    problem : TaskTable
    strategies : list of Strategy
    comparison : StrategyComparison
    verdict : str
    settings : dict
    pictures : dict of str to bytes
        "gains" and "curve", as far as there are such: PNG.
    """
    title = f"Does sharing help? {problem.name}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="verdict">{escape(verdict)}</p>',
        f"<p>{escape(describe_problem(problem))}</p>",
        *strategies_section(strategies, comparison),
        *tasks_section(comparison, pictures),
        *curve_section(pictures),
        *data_section(problem),
        *list_section("Settings", settings),
        *versions_section(),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def strategies_section(strategies, comparison):
    yield "<h2>Strategies</h2>"
    yield f'<div class="wide">\n{html_table(comparison)}\n</div>'
    for line in footnotes(comparison):
        yield note(line)
    yield from definitions({strategy.name: strategy.about for strategy in strategies})
    for name, message in comparison.failures.items():
        yield note(f"{name} failed: {message}")


def tasks_section(comparison, pictures):
    if "gains" not in pictures:
        return
    yield "<h2>Task by task</h2>"
    yield picture(pictures["gains"], "gain of every task over the reference, a panel per strategy")
    subject, _ = find_subject(comparison)
    if subject is None:
        return
    records = [r for r in comparison.task_records() if r["strategy"] == subject]
    for effect in ("helped", "hurt"):
        named = [r for r in records if r["effect"] == effect]
        named.sort(key=lambda record: -abs(record["gain"]))
        yield f"<p>Clearly {effect} by {escape(subject)}: {name_tasks(named, comparison)}.</p>"
    yield note(
        "Clearly: by a test over the folds; of the tasks named, about 5 % at most are so by chance "
        "(Benjamini and Hochberg)."
    )


def name_tasks(records, comparison):
    """Tasks with their gains, escaped; the first ones where there are many."""
    texts = [f"{r['task']} ({signed(r['gain'], comparison.measure)})" for r in records[:MOST_NAMED]]
    if len(records) > MOST_NAMED:
        texts.append(f"and {len(records) - MOST_NAMED} more")
    return escape(", ".join(texts) or "no task")


def curve_section(pictures):
    if "curve" not in pictures:
        return
    yield "<h2>With fewer rows</h2>"
    yield picture(pictures["curve"], "mean score of strategies by the training rows of a task")
    yield note(
        "Means over tasks and three folds, with that many training rows of each task at random; "
        "the bands are standard errors."
    )


def data_section(problem):
    sizes = problem.rows_of_tasks()
    facts = {
        "name": problem.name,
        "target": ", ".join(problem.target_names),
        "task type": problem.task_type,
        "rows": problem.n_rows,
        "features": problem.n_features,
        "tasks": problem.n_tasks,
        "rows of a task": f"{sizes.min()} to {sizes.max()}, median {np.median(sizes):g}",
    }
    if problem.class_names:
        facts["classes"] = ", ".join(problem.class_names)
    yield from list_section("Data", facts)
    if problem.notes:
        yield "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in problem.notes) + "</ul>"


def versions_section():
    found = describe_environment(("pandas", "matplotlib"))
    return list_section("Versions and machine", {**found["versions"], **found["machine"]})


def list_section(title, facts):
    yield f"<h2>{escape(title)}</h2>"
    yield from definitions(facts)


def definitions(facts):
    """Names and what they stand for."""
    items = (
        f"<dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd>"
        for name, value in facts.items()
    )
    yield "<dl>" + "\n".join(items) + "</dl>"


def note(text):
    return f'<p class="note">{escape(text)}</p>'


def picture(png, text):
    """A figure that holds its image, with a text for those who cannot see it."""
    content = base64.b64encode(png).decode("ascii")
    return (
        f'<figure class="wide"><img alt="{escape(text)}" src="data:image/png;base64,{content}">'
        "</figure>"
    )
