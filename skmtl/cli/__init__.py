"""The ``skmtl`` command: does sharing between tasks help on my data?"""

import sys

from skmtl.cli.arguments import make_parser, parse
from skmtl.cli.errors import EXIT_INTERRUPTED, EXIT_USAGE, UsageError, one_line


def main(argv=None):
    """Run the command.

    Parameters
    ----------
    argv : list of str, default=None
        Arguments; None means those of the process.

    Returns
    -------
    int
        0: done; 1: a strategy failed; 2: the input is wrong (one line on stderr says what);
        130: interrupted.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        options = parse(argv)
        if options.command is None:
            make_parser().print_help()
            return EXIT_USAGE
        from skmtl.cli.command import run_compare

        return run_compare(options, argv)
    except UsageError as error:
        print(f"skmtl: {one_line(error, most=600)}", file=sys.stderr)
        return EXIT_USAGE
    except SystemExit as stop:  # argparse, after --help and --version
        return stop.code or 0
    except KeyboardInterrupt:
        print("skmtl: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
