"""Progress on stderr: a bar on a terminal, else a line per finished strategy."""

import sys
from collections import defaultdict

import numpy as np

from skmtl.inspection.paired_tests import mean_of_defined


class Lines:
    """A plain line per finished strategy, and one per strategy that fails.

    Parameters
    ----------
    names : sequence of str
        Of the strategies.
    n_folds : int
    metric : str, optional
        Without it the scores are not told.
    """

    def __init__(self, names, n_folds, metric=None):
        self.names, self.n_folds, self.metric = names, n_folds, metric
        self.results = defaultdict(list)
        self.n_finished = 0

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return None

    def add(self, result):
        """Take note of a result."""
        results = self.results[result.strategy]
        results.append(result)
        if result.failed and sum(r.failed for r in results) == 1:
            self.say(f"{result.strategy} failed in fold {result.fold + 1}: {result.message}")
        if len(results) == self.n_folds:
            self.n_finished += 1
            if not any(r.failed for r in results):
                self.strategy_finished(result.strategy, results)

    def strategy_finished(self, name, results):
        text = "learning curve"
        if self.metric is not None:
            scores = np.array([result.scores for result in results], dtype=float)
            text = f"{self.metric} {mean_of_defined(mean_of_defined(scores, axis=1)):#.4g}"
        seconds = np.mean([result.fit_seconds for result in results])
        count = f"[{self.n_finished}/{len(self.names)}]"
        self.say(f"{count} {name}: {text} ({seconds:.2f} s a fit)")

    def say(self, text):
        print(text, file=sys.stderr, flush=True)


class Bar(Lines):
    """A progress bar over all fits."""

    def __init__(self, names, n_folds, metric=None):
        super().__init__(names, n_folds, metric)
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn as Remaining

        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            Remaining(),
            console=Console(stderr=True, highlight=False, markup=False),
            transient=True,
        )
        self.fits = self.bar.add_task("comparing", total=len(names) * n_folds)

    def __enter__(self):
        self.bar.start()
        return self

    def __exit__(self, *exception):
        self.bar.stop()

    def add(self, result):
        self.bar.update(self.fits, advance=1, description=result.strategy)
        super().add(result)

    def strategy_finished(self, name, results):
        """The bar shows it."""

    def say(self, text):
        self.bar.console.print(text)


def make_progress(names, n_folds, metric=None):
    kind = Bar if sys.stderr.isatty() else Lines
    return kind(names, n_folds, metric)
