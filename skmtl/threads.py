"""BLAS threads: many small factorisations are slower with several threads than with one."""

from contextlib import contextmanager
from threading import Lock

from threadpoolctl import ThreadpoolController  # a need of scikit-learn

LARGEST_SMALL_SIDE = 1000  # measured: up to there a second thread costs more than it brings

_lock = Lock()
_state = {"controller": None, "limiter": None, "users": 0}


@contextmanager
def suited_threads(data):
    """One BLAS thread while the matrices of a TaskData are small.

    The limit holds for the whole process. Where fits overlap in several Python threads, the
    first one sets it and the last one restores what was there.
    """
    if min(data.X.shape) > LARGEST_SMALL_SIDE:
        yield
        return
    with _lock:
        if _state["users"] == 0:
            # Looking for the loaded libraries takes milliseconds: once is enough.
            _state["controller"] = _state["controller"] or ThreadpoolController()
            _state["limiter"] = _state["controller"].limit(limits=1, user_api="blas")
        _state["users"] += 1
    try:
        yield
    finally:
        with _lock:
            _state["users"] -= 1
            if _state["users"] == 0:
                _state["limiter"].restore_original_limits()
