"""``python -m skmtl`` is the command ``skmtl``."""

import sys

from skmtl.cli import main

if __name__ == "__main__":
    sys.exit(main())
