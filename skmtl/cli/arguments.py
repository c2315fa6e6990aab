"""The arguments of the command line."""

import argparse
from pathlib import Path

from skmtl._version import __version__
from skmtl.cli.errors import UsageError

DESCRIPTION = """Compare ways of sharing between tasks with one model per task, by
cross-validation in which every task is in every training fold. Without FILE
and --data it runs on data that come with scikit-learn.
"""

EXAMPLES = """examples:
  skmtl compare
  skmtl compare pupils.csv --task-column school --target score
  skmtl compare sensors.parquet --target heating,cooling
  skmtl compare --data school --train-fraction 0.1 --output school-results
  skmtl compare --data student --report report.html
  skmtl compare --data wine_quality --target-task white
  skmtl compare --data sarcos --strategies sharing,low-rank --train-fraction 50
"""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, instead of the usage and an exit."""

    def error(self, message):
        raise UsageError(f"{message} (see {self.prog} --help)")


def make_parser():
    """The parser of ``skmtl``."""
    parser = Parser(prog="skmtl", description="Multi-task learning in scikit-learn style.")
    parser.add_argument("--version", action="version", version=f"skmtl {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    compare = commands.add_parser(
        "compare",
        help="does sharing between tasks help on my data?",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_data(compare.add_argument_group("data"))
    _add_comparison(compare.add_argument_group("comparison"))
    _add_results(compare.add_argument_group("results"))
    return parser


def _add_data(group):
    group.add_argument("file", nargs="?", metavar="FILE", help="a .csv, .tsv or .parquet table")
    group.add_argument("--task-column", metavar="NAME", help="column that names the task of a row")
    group.add_argument(
        "--target",
        metavar="NAME[,NAME]",
        help="column to predict; several, without --task-column, are one task each",
    )
    group.add_argument("--data", metavar="NAME", help="a data set by name (see --list-data)")
    group.add_argument(
        "--task-type",
        choices=("regression", "classification"),
        help="otherwise told from the target: strings, booleans and few distinct whole numbers "
        "are classes",
    )
    group.add_argument("--list-data", action="store_true", help="list the data sets and stop")


def _add_comparison(group):
    group.add_argument(
        "--strategies",
        metavar="NAME[,NAME]",
        help="instead of the default ones of the task type; also families of strategies, or all "
        "(see --list-strategies)",
    )
    group.add_argument(
        "--list-strategies", action="store_true", help="list strategies and metrics and stop"
    )
    group.add_argument("--metric", metavar="NAME", help="default: rmse, or accuracy for classes")
    group.add_argument(
        "--target-task",
        metavar="NAME",
        help="compare transfers from all other tasks to this one, over growing numbers of its rows",
    )
    group.add_argument(
        "--target-rows",
        type=_numbers_of_rows,
        metavar="N[,N]",
        help="numbers of training rows of --target-task (default: 20,50,100,200,500 as far as "
        "there are so many)",
    )
    group.add_argument("--cv", type=_at_least(2), default=5, metavar="N", help="folds (default: 5)")
    group.add_argument(
        "--repeats",
        type=_at_least(1),
        default=1,
        metavar="N",
        help="repeat the folds with other rows, for a narrower interval (default: 1)",
    )
    group.add_argument(
        "--train-fraction",
        type=train_fraction,
        default=1.0,
        metavar="X",
        help="use only this share (0.1; 1 is all) or this number (2 or more) of the rows of each "
        "task in every training fold; a share keeps at least 2 rows of a task that has them",
    )
    group.add_argument(
        "--contiguous",
        action="store_true",
        help="folds are blocks of neighbouring rows of a task, for rows in order of time",
    )
    group.add_argument(
        "--n-jobs", type=_jobs, default=1, metavar="N", help="processes, -1 for all (default: 1)"
    )
    group.add_argument(
        "--seed", type=_at_least(0), default=0, metavar="N", help="of folds and forests (default 0)"
    )


def _add_results(group):
    group.add_argument("--output", metavar="DIR", help="write tables, JSON and a figure there")
    group.add_argument(
        "--report",
        metavar="FILE.html",
        help="write one HTML page with verdict, table, figures and a learning curve; a file of "
        "this name is replaced",
    )
    again = group.add_mutually_exclusive_group()
    again.add_argument(
        "--resume", action="store_true", help="go on with an interrupted run in --output"
    )
    again.add_argument("--overwrite", action="store_true", help="replace the results in --output")


def parse(argv):
    """Options from arguments, checked as far as that can be done without the data."""
    options = make_parser().parse_args(argv)
    if options.command == "compare":
        _check_data(options)
        if options.output is not None and not options.output.strip():
            raise UsageError("--output is empty: name the folder of the results")
        if options.output is None and (options.resume or options.overwrite):
            flag = "--resume" if options.resume else "--overwrite"
            raise UsageError(f"{flag} needs --output DIR, the folder of the results")
        if options.report is not None:
            _check_report(Path(options.report))
    return options


def _check_report(path):
    """Before anything is computed: a report that cannot be written would be lost."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--report {path} is not the name of an .html file")
    if path.is_dir():
        raise UsageError(f"--report {path} is a folder, not a file")
    if not path.parent.is_dir():
        raise UsageError(f"--report {path}: there is no folder {path.parent}")


def _check_data(options):
    if options.target_task is None and options.target_rows is not None:
        raise UsageError("--target-rows needs --target-task NAME, the task that is the target")
    if options.target_task is not None:
        for name, default in (("report", None), ("train_fraction", 1.0), ("cv", 5)):
            if getattr(options, name) != default:
                flag = "--" + name.replace("_", "-")
                raise UsageError(f"{flag} does not go with --target-task")
    if options.file is None:
        for name in ("task_column", "target"):
            if getattr(options, name) is not None:
                flag = "--" + name.replace("_", "-")
                raise UsageError(f"{flag} belongs to a FILE, but none was given")
    elif options.data is not None:
        raise UsageError("give either FILE or --data, not both")
    elif options.target is None:
        raise UsageError("--target is missing: which column of FILE is to be predicted?")


def train_fraction(text):
    """A share in (0, 1], or a whole number of 2 or more rows of each task."""
    try:
        value = int(text) if text.strip().isdigit() else float(text)
    except ValueError:
        value = 0
    if 0 < value <= 1:
        return float(value)
    if isinstance(value, int) and value >= 2:
        return value
    raise argparse.ArgumentTypeError(
        f"{text!r} is neither a share above 0 and up to 1 nor a number of 2 or more rows"
    )


def _numbers_of_rows(text):
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 2 or max(found) >= 2**31:
        raise argparse.ArgumentTypeError(f"{text!r} are not numbers of 2 rows or more: 20,50,100")
    return sorted(set(found))


def _at_least(low):
    def read(text):
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value < 2**31:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of {low} or more")
        return value

    return read


def _jobs(text):
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of processes")
    return value
