"""Progress on stderr: a bar on a terminal, else a line per finished strategy."""

import sys
from collections import defaultdict

from skmtl.cli.summary import summarise_one


class Lines:
    """A plain line per finished strategy, and one per strategy that fails."""

    def __init__(self, strategies, settings):
        self.strategies = {strategy.name: strategy for strategy in strategies}
        self.settings = settings
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
        if len(results) == self.settings.n_folds:
            self.n_finished += 1
            self.strategy_finished(result.strategy)

    def strategy_finished(self, name):
        summary = summarise_one(self.strategies[name], self.results[name], self.settings.cv)
        if summary.message is None:
            self.say(
                f"[{self.n_finished}/{len(self.strategies)}] {name}: {self.settings.metric.name} "
                f"{summary.mean:#.4g} ({summary.fit_seconds:.2f} s a fit)"
            )

    def say(self, text):
        print(text, file=sys.stderr, flush=True)


class Bar(Lines):
    """A progress bar over all fits."""

    def __init__(self, strategies, settings):
        super().__init__(strategies, settings)
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
        self.fits = self.bar.add_task("comparing", total=len(strategies) * settings.n_folds)

    def __enter__(self):
        self.bar.start()
        return self

    def __exit__(self, *exception):
        self.bar.stop()

    def add(self, result):
        self.bar.update(self.fits, advance=1, description=result.strategy)
        super().add(result)

    def strategy_finished(self, name):
        """The bar shows it."""

    def say(self, text):
        self.bar.console.print(text)


def make_progress(strategies, settings):
    kind = Bar if sys.stderr.isatty() else Lines
    return kind(strategies, settings)
