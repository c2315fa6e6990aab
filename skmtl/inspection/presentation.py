"""The table of a comparison as text and as HTML."""

from html import escape

import numpy as np

from skmtl.inspection.verdict import number, signed

COLUMNS = (
    "strategy",
    "score",
    "std. error",
    "gain",
    "95 % interval",
    "p",
    "helped",
    "hurt",
    "fit (s)",
)


def table_rows(comparison):
    """The cells of the table, as texts in the order of `COLUMNS`; one row per strategy."""
    return [table_row(record, comparison.measure) for record in comparison.records()]


def table_row(record, measure):
    if record["message"] is not None:
        return [record["strategy"], "failed", *["-"] * (len(COLUMNS) - 2)]
    gained = ["-"] * 5
    if record["helped"] is not None:
        low, high = record["gain_low"], record["gain_high"]
        gained = [
            signed(record["gain"], measure),
            f"{bound(low, measure)} to {bound(high, measure)}" if np.isfinite(low) else "-",
            "-" if np.isnan(record["p_value"]) else format_p(record["p_value"]),
            str(record["helped"]),
            str(record["hurt"]),
        ]
    return [
        record["strategy"],
        f"{record['score']:#.4g}",
        "-" if np.isnan(record["standard_error"]) else f"{record['standard_error']:#.2g}",
        *gained,
        f"{record['fit_seconds']:.2f}",
    ]


def bound(gain, measure):
    return ("-" if gain < 0 else "+") + number(abs(gain), measure)


def format_p(p_value):
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


def best_of(comparison):
    """Names of the strategies with the best score."""
    sign = comparison.measure.sign
    scores = {name: sign * comparison.mean_score(name)[0] for name in comparison.finished}
    return {name for name, score in scores.items() if score == max(scores.values())}


def footnotes(comparison):
    """Lines that say what the columns mean, and which solvers did not converge."""
    yield (
        f"score: {comparison.metric}, mean over tasks and {comparison.n_folds} folds; gain, and "
        f"tasks helped and hurt: against {comparison.reference}; p: adjusted by Holm."
    )
    for record in comparison.records():
        if record["not_converged"]:
            yield (
                f"{record['strategy']}: {record['not_converged']} of {comparison.n_folds} fits met "
                "a solver that did not converge."
            )


def html_table(comparison):
    """The table as HTML, whose first column is a heading; names are escaped."""
    best = best_of(comparison)
    head = "".join(f"<th>{escape(name)}</th>" for name in COLUMNS)
    body = []
    for name, *cells in table_rows(comparison):
        style = ' class="best"' if name in best else ""
        texts = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        body.append(f"<tr{style}><th>{escape(name)}</th>{texts}</tr>")
    return (
        f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(body) + "\n</tbody></table>"
    )


def html_report(comparison):
    """Verdict and table, for a notebook."""
    return f"<p><b>{escape(comparison.verdict)}</b></p>\n{html_table(comparison)}"
