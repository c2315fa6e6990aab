"""One run of the comparison of transfers to a target: computing, keeping, showing."""

import sys
from dataclasses import replace

from skmtl.cli.errors import UsageError, unknown_name
from skmtl.cli.pictures import as_png
from skmtl.cli.pipelines import make_pipelines
from skmtl.cli.report import describe_problem, finite_or_none, settings_of, write_csv
from skmtl.cli.run import kept_results
from skmtl.cli.store import FINISHED, Store, write_bytes, write_json
from skmtl.environment import describe_environment
from skmtl.inspection.transfer_comparison import TEST_SIZE, check_sizes, compare_transfer
from skmtl.inspection.verdict import signed

N_SPLITS = 5


class TransferRun:
    """A comparison of transfers to one task of a table.

    Parameters
    ----------
    problem : TaskTable
    strategies : list of Strategy
        The first is what the others are compared with.
    settings : Settings
    target : str
        Name of the target.
    sizes : list of int or None
        Numbers of training rows of the target.
    n_jobs : int, default=1

    Attributes
    ----------
    comparison : TransferComparison
    """

    def __init__(self, problem, strategies, settings, *, target, sizes=None, n_jobs=1):
        if problem.codes is None:
            raise UsageError("--target-task needs a task column: here the targets are the tasks")
        if target not in problem.task_names:
            raise unknown_name("task", target, problem.task_names)
        self.problem, self.strategies, self.settings = problem, strategies, settings
        self.target, self.sizes, self.n_jobs = problem.task_names.index(target), sizes, n_jobs
        n_rows = int(problem.rows_of_tasks()[self.target])
        if sizes is not None and sizes[-1] > 0.75 * n_rows:
            raise UsageError(
                f"--target-rows {sizes[-1]} is too many: {target!r} has {n_rows} rows, of which a "
                "quarter is tested"
            )
        self.pipelines = make_pipelines(problem, strategies, settings.seed, self.target)
        self.store = None

    @property
    def n_splits(self):
        return N_SPLITS * self.settings.repeats

    def open_store(self, folder, *, resume=False, overwrite=False):
        """Keep every result in a folder from now on, and use those that are there."""
        if folder is not None:
            self.store = Store(folder, self.describe_settings())
            self.store.open(resume=resume, overwrite=overwrite)

    def describe_settings(self):
        settings = settings_of(self.problem, self.settings)
        for name in ("cv", "train_fraction"):
            del settings[name]
        target = self.problem.task_names[self.target]
        return {**settings, "target_task": target, "target_rows": self.sizes}

    def compare(self):
        """Compare the strategies over growing numbers of rows of the target."""
        names, metric = list(self.pipelines), self.settings.metric.name
        n_fits = self.n_splits * self._n_sizes()
        with kept_results(self.store, FINISHED, names, n_fits, metric) as options:
            comparison = compare_transfer(
                self.problem.X,
                self.problem.y,
                self.pipelines,
                target_task=self.target,
                task_column=self.problem.task_column,
                train_sizes=self.sizes,
                n_splits=self.n_splits,
                ordered=self.problem.ordered,
                metric=metric,
                random_state=self.settings.seed,
                n_jobs=self.n_jobs,
                **options,
            )
        self.comparison = replace(comparison, target=self.problem.task_names[self.target])

    def _n_sizes(self):
        n_rows = int(self.problem.rows_of_tasks()[self.target])
        return len(check_sizes(self.sizes, n_rows - round(TEST_SIZE * n_rows)))

    def show(self):
        """Print the results, and write the files of the folder."""
        print_transfer(self.problem, self.comparison, sys.stdout)
        if self.store is not None:
            files = write_transfer(
                self.store.folder,
                self.problem,
                self.strategies,
                self.comparison,
                self.store.settings,
            )
            print(f"wrote {', '.join(files)} to {self.store.folder}", file=sys.stderr)


def print_transfer(problem, comparison, stream):
    """Data, a table of scores and one of gains, and the verdict."""
    from rich.console import Console

    width = None if stream.isatty() else 100
    console = Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
    wrap = {"soft_wrap": not stream.isatty()}
    console.print(describe_problem(problem), **wrap)
    console.print(make_table(comparison))
    for line in footnotes(comparison):
        console.print(line, **wrap)
    console.print(comparison.verdict, **wrap)


def make_table(comparison):
    """A column of scores and one of gains per number of rows; the best score of each is bold."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("strategy", no_wrap=True)
    for size in comparison.train_sizes.tolist():
        table.add_column(f"{size} rows", justify="right", no_wrap=True)
        table.add_column("gain", justify="right", no_wrap=True)
    means = {(record["strategy"], record["target_rows"]): record for record in comparison.records()}
    sign = comparison.measure.sign
    for name in comparison.names:
        cells = []
        for size in comparison.train_sizes.tolist():
            record = means[name, size]
            column = [sign * means[other, size]["score"] for other in comparison.names]
            best = sign * record["score"] >= max(value for value in column if value == value)
            score = "failed" if record["message"] else f"{record['score']:#.4g}"
            reference = name == comparison.names[0] or record["message"]
            gain = "-" if reference else mark(record, comparison.measure)
            cells += [Text(score, style="bold" if best else ""), gain]
        table.add_row(name, *cells)
    return table


def mark(record, measure):
    """A gain, with a star if its interval leaves out 0."""
    clear = record["gain_low"] > 0 or record["gain_high"] < 0
    return signed(record["gain"], measure) + ("*" if clear else " ")


def footnotes(comparison):
    """Lines that say what the columns mean, and why a strategy failed."""
    measure = comparison.measure
    unit = f"in % of the {measure.label} of" if measure.is_loss else "against"
    n_splits = comparison.scores.shape[2]
    yield (
        f"{measure.label} on held-out rows of {comparison.target!r}, mean over {n_splits} splits, "
        f"by its training rows; all rows of other tasks are training data too. gain: {unit} "
        f"{comparison.names[0]}; *: its 95 % interval leaves out 0."
    )
    for name, message in comparison.failures.items():
        yield f"{name} failed: {message}"


def write_transfer(folder, problem, strategies, comparison, settings):
    """Write results.json, results.csv and curve.png; returns the names of the files."""
    rows = [
        {name: finite_or_none(value) for name, value in record.items()}
        for record in comparison.records()
    ]
    about = {strategy.name: strategy.about for strategy in strategies}
    results = {
        "conclusion": comparison.verdict,
        "reference": comparison.names[0],
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
    if len(comparison.failures) < len(comparison.names):
        write_bytes(folder / "curve.png", as_png(lambda figure: draw(comparison, figure)))
    return ["results.json", "results.csv", "curve.png"]


def draw(comparison, figure):
    """The learning curves on a figure."""
    figure.set_size_inches(6.8, 4.4)
    figure.set_layout_engine("constrained")
    comparison.plot(figure.subplots())
