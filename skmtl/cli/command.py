"""``skmtl compare``: from options to an exit code."""

import shlex
import sys
from importlib import import_module

from skmtl.cli.errors import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, UsageError

NEEDED = ("pandas", "matplotlib", "rich")


def run_compare(options, argv):
    """Do what the options say; 0, or 1 if a strategy failed, or 130 if interrupted."""
    if options.list_data or options.list_strategies:
        print_lists(options)
        return EXIT_DONE
    check_installed()
    from skmtl.cli.metrics import find_metric
    from skmtl.cli.problem import read_problem
    from skmtl.cli.report import settings_of
    from skmtl.cli.runs import Settings, make_folds
    from skmtl.cli.store import Store
    from skmtl.cli.strategies import find_strategies

    problem = read_problem(options)
    metric = find_metric(options.metric, problem.task_type)
    strategies = find_strategies(options.strategies, problem.task_type)
    settings = Settings(metric, options.cv, options.repeats, options.train_fraction, options.seed)
    make_folds(problem, settings)  # wrong input is told before anything is written
    store, known = None, []
    if options.output is not None:
        store = Store(options.output, settings_of(problem, settings))
        known = store.open(resume=options.resume, overwrite=options.overwrite)
    for note in problem.notes:
        print(f"note: {note}", file=sys.stderr)
    try:
        results = compute(problem, strategies, settings, options.n_jobs, store, known)
    except KeyboardInterrupt:
        print(interrupted(store, argv), file=sys.stderr)
        return EXIT_INTERRUPTED
    return report(problem, strategies, settings, results, store)


def print_lists(options):
    from skmtl.cli.metrics import CLI_METRICS
    from skmtl.cli.named import NAMED
    from skmtl.cli.strategies import REGISTRY

    if options.list_data:
        for name, entry in NAMED.items():
            print(f"{name:14} {entry.task_type:15} {entry.about}")
    if options.list_strategies:
        for task_type, strategies in REGISTRY.items():
            print(f"{task_type} strategies (* run if none are named)")
            for strategy in strategies:
                mark = "*" if strategy.default else " "
                print(f"  {mark} {strategy.name:18} {strategy.about}")
            names = [name for name, metric in CLI_METRICS.items() if metric.task_type == task_type]
            print(f"{task_type} metrics: {', '.join(names)}")


def check_installed():
    for name in NEEDED:
        try:
            import_module(name)
        except ImportError as error:
            raise UsageError(f'compare needs {name}: pip install "skmtl[cli]"') from error


def compute(problem, strategies, settings, n_jobs, store, known):
    """Results of all folds, with progress on the screen, each kept as soon as it is there."""
    from skmtl.cli.progress import make_progress
    from skmtl.cli.runs import compare

    wanted = {strategy.name for strategy in strategies}
    with make_progress(strategies, settings) as progress:
        for result in known:
            if result.strategy in wanted:
                progress.add(result)

        def on_result(result):
            if store is not None:
                store.keep(result)
            progress.add(result)

        return compare(
            problem, strategies, settings, n_jobs=n_jobs, known=known, on_result=on_result
        )


def interrupted(store, argv):
    """What to tell after Ctrl-C."""
    if store is None:
        return "skmtl: interrupted; nothing was kept (--output DIR keeps what is finished)"
    again = [part for part in argv if part not in ("--resume", "--overwrite")]
    command = shlex.join(["skmtl", *again, "--resume"])
    return f"skmtl: interrupted; what is finished is kept. Go on with: {command}"


def report(problem, strategies, settings, results, store):
    """Show and write the results; 1 if a strategy failed."""
    from skmtl.cli.figure import draw_gains
    from skmtl.cli.report import print_report, training_rows, write_reports
    from skmtl.cli.summary import summarise

    comparison = summarise(
        strategies, results, settings.metric, cv=settings.cv, n_folds=settings.n_folds
    )
    print_report(problem, comparison, sys.stdout)
    if store is not None:
        write_reports(store.folder, problem, comparison, store.settings)
        drawn = draw_gains(
            store.folder / "gains.png", problem, comparison, training_rows(comparison)
        )
        files = "results.json, results.csv, per_task.csv" + (", gains.png" if drawn else "")
        print(f"wrote {files} to {store.folder}", file=sys.stderr)
    return EXIT_FAILED if comparison.failed else EXIT_DONE
