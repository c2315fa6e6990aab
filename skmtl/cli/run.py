"""One run of the comparison: computing, keeping, showing and reporting."""

import sys
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from skmtl.cli.curve import N_FOLDS, choose_sizes, choose_strategies, compute_curve, draw_curve
from skmtl.cli.errors import UsageError
from skmtl.cli.folds import make_folds
from skmtl.cli.html_report import write_html
from skmtl.cli.pictures import as_png, gains_png
from skmtl.cli.pipelines import find_shared_features, make_pipelines
from skmtl.cli.progress import make_progress
from skmtl.cli.report import print_report, settings_of, write_reports
from skmtl.cli.store import CURVE, FINISHED, Store, write_text
from skmtl.inspection import compare_strategies
from skmtl.inspection.strategies import SHARING
from skmtl.inspection.verdict import write_verdict


@contextmanager
def kept_results(store, part, names, n_folds, metric=None):
    """Options of a comparison: results are shown, kept (if there is a store), and found again."""
    known = [] if store is None else store.known(part)
    known = [result for result in known if result.strategy in names]
    with make_progress(names, n_folds, metric) as progress:
        for result in known:
            progress.add(result)

        def on_result(result):
            if store is not None:
                store.keep(result, part)
            progress.add(result)

        yield {"known": known, "on_result": on_result}


class Run:
    """A comparison of strategies on a table.

    Parameters
    ----------
    problem : TaskTable
    strategies : list of Strategy
    settings : Settings
    n_jobs : int, default=1

    Attributes
    ----------
    comparison : StrategyComparison
    verdict : str
    """

    def __init__(self, problem, strategies, settings, *, n_jobs=1):
        self.problem, self.strategies, self.settings = problem, strategies, settings
        self.n_jobs = n_jobs
        self.folds = make_folds(problem, settings)
        self.pipelines = make_pipelines(problem, strategies, settings.seed)
        self.store = None

    def open_store(self, folder, *, resume=False, overwrite=False):
        """Keep every result in a folder from now on, and use those that are there."""
        if folder is not None:
            self.store = Store(folder, settings_of(self.problem, self.settings))
            self.store.open(resume=resume, overwrite=overwrite)

    def compare(self):
        """Compare the strategies; the reference is the best of those that do not share."""
        names, metric = list(self.pipelines), self.settings.metric.name
        with kept_results(self.store, FINISHED, names, len(self.folds), metric) as options:
            comparison = compare_strategies(
                self.problem.X,
                self.problem.y,
                self.pipelines,
                cv=self.folds,
                metric=metric,
                task_column=self.problem.task_column,
                n_jobs=self.n_jobs,
                **options,
            )
        self.comparison = replace(
            comparison,
            tasks=np.array(self.problem.task_names, dtype=object),
            reference=self._choose_reference(comparison),
            sharing=tuple(strategy.name for strategy in self.strategies if strategy.shares),
        )
        self.verdict = write_verdict(self.comparison, self._shared_features())

    def _choose_reference(self, comparison):
        sign = self.settings.metric.sign
        own = [strategy.name for strategy in self.strategies if not strategy.shares]
        finished = [name for name in own if name in comparison.finished]
        scores = {name: sign * comparison.mean_score(name)[0] for name in finished}
        return max(scores, key=scores.get, default=own[0])

    def _shared_features(self):
        """What is shared most, if sharing helps: only then the verdict says so."""
        comparison = self.comparison
        if SHARING not in comparison.finished or not comparison.interval(SHARING)[0] > 0:
            return []
        try:
            return find_shared_features(self.problem, self.pipelines[SHARING])
        except Exception as error:  # an addition to the verdict must not lose the results
            print(f"note: the shared features are not known: {error}", file=sys.stderr)
            return []

    def show(self):
        """Print the results, and write the files of the folder."""
        print_report(self.problem, self.comparison, self.verdict, sys.stdout)
        if self.store is not None:
            folder = self.store.folder
            files = write_reports(
                folder,
                self.problem,
                self.strategies,
                self.comparison,
                self.verdict,
                self.store.settings,
            )
            print(f"wrote {', '.join(files)} to {folder}", file=sys.stderr)

    def write_report(self, path):
        """Write the HTML report; at first without the learning curve, which takes its time."""
        pictures = {"gains": gains_png(self.problem, self.comparison)}
        self._write_html(path, pictures)
        names, sizes = choose_strategies(self.comparison), choose_sizes(self.problem)
        if len(names) > 1 and len(sizes) > 1:
            with kept_results(self.store, CURVE, names, len(sizes) * N_FOLDS) as options:
                pipelines = {name: self.pipelines[name] for name in names}
                options["n_jobs"] = self.n_jobs
                curve = compute_curve(self.problem, pipelines, self.settings, sizes, **options)
            pictures["curve"] = as_png(lambda figure: draw_curve(curve, figure))
            self._write_html(path, pictures)
        print(f"wrote {path}", file=sys.stderr)

    def _write_html(self, path, pictures):
        text = write_html(
            self.problem,
            self.strategies,
            self.comparison,
            self.verdict,
            settings_of(self.problem, self.settings),
            {name: picture for name, picture in pictures.items() if picture is not None},
        )
        try:
            write_text(path, text)
        except OSError as error:
            raise UsageError(f"cannot write --report {path}: {error}") from error
