"""BLAS threads: many small factorisations are slower with several threads than with one."""

from contextlib import contextmanager
from functools import lru_cache

from threadpoolctl import ThreadpoolController

LARGEST_SMALL_SIDE = 256


@lru_cache(maxsize=1)
def _controller():
    return ThreadpoolController()  # looking for the loaded libraries takes milliseconds


@contextmanager
def suited_threads(data):
    """One BLAS thread while the matrices of a TaskData are small or one per task."""
    if data.shared_rows and data.n_features > LARGEST_SMALL_SIDE:
        yield
    else:
        with _controller().limit(limits=1, user_api="blas"):
            yield
