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
    from skmtl.cli.folds import Settings
    from skmtl.cli.problem import read_problem
    from skmtl.cli.run import Run
    from skmtl.cli.strategies import find_metric, find_strategies
    from skmtl.cli.transfer import TransferRun

    problem = read_problem(options)
    metric = find_metric(options.metric, problem.task_type)
    transfer = options.target_task is not None
    strategies = find_strategies(options.strategies, problem.task_type, transfer=transfer)
    settings = Settings(metric, options.cv, options.repeats, options.train_fraction, options.seed)
    if transfer:
        which = {"target": options.target_task, "sizes": options.target_rows}
        run = TransferRun(problem, strategies, settings, n_jobs=options.n_jobs, **which)
    else:
        run = Run(problem, strategies, settings, n_jobs=options.n_jobs)
    run.open_store(options.output, resume=options.resume, overwrite=options.overwrite)
    for note in problem.notes:
        print(f"note: {note}", file=sys.stderr)
    try:
        run.compare()
        run.show()
        if options.report is not None:
            run.write_report(options.report)
    except KeyboardInterrupt:
        print(interrupted(run.store, argv), file=sys.stderr)
        return EXIT_INTERRUPTED
    return EXIT_FAILED if run.comparison.failures else EXIT_DONE


def print_lists(options):
    from skmtl.cli.named import NAMED
    from skmtl.inspection.measures import MEASURES
    from skmtl.inspection.strategies import REGISTRY
    from skmtl.inspection.transfer_strategies import TRANSFER_REGISTRY

    if options.list_data:
        for name, entry in NAMED.items():
            print(f"{name:14} {entry.task_type:15} {entry.about}")
    if options.list_strategies:
        for task_type, strategies in REGISTRY.items():
            print(f"{task_type} strategies (* run if none are named)")
            print_strategies(strategies)
            print(f"{task_type} strategies with --target-task")
            print_strategies(TRANSFER_REGISTRY[task_type])
            names = [name for name, measure in MEASURES.items() if measure.task_type == task_type]
            print(f"{task_type} metrics: {', '.join(names)}")


def print_strategies(strategies):
    family = ""
    for strategy in sorted(strategies, key=lambda strategy: strategy.family):
        if strategy.family != family:
            family = strategy.family
            print(f"  {family}")
        mark = "*" if strategy.default else " "
        print(f"  {mark} {strategy.name:18} {strategy.about}")


def check_installed():
    for name in NEEDED:
        try:
            import_module(name)
        except ImportError as error:
            raise UsageError(f'compare needs {name}: pip install "skmtl[cli]"') from error


def interrupted(store, argv):
    """What to tell after Ctrl-C."""
    if store is None:
        return "skmtl: interrupted; nothing was kept (--output DIR keeps what is finished)"
    again = [part for part in argv if part not in ("--resume", "--overwrite")]
    command = shlex.join(["skmtl", *again, "--resume"])
    return f"skmtl: interrupted; what is finished is kept. Go on with: {command}"
