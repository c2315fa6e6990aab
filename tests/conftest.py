"""Shared set-up: helpers are importable from every test, and examples are the same in every run."""

import sys
from pathlib import Path

from hypothesis import settings

# pytest's importlib mode leaves sys.path alone
sys.path.insert(0, str(Path(__file__).parent))

settings.register_profile("reproducible", deadline=None, derandomize=True, database=None)
settings.load_profile("reproducible")
