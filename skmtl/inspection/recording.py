"""Warnings and threads of jobs, whether these run in processes of their own or in threads.

The filters of `warnings` and the limits of BLAS belong to the whole process, and threads that set
and restore them in turn leave the wrong ones behind. So only a main thread touches them: that of
a process of workers for its job, that of the caller for all jobs.
"""

import threading
import warnings
from contextlib import contextmanager

from threadpoolctl import threadpool_limits  # a need of scikit-learn

_of_thread = threading.local()


def in_main_thread():
    return threading.current_thread() is threading.main_thread()


@contextmanager
def prepared_process():
    """Around all jobs: one thread for BLAS, and warnings come to the thread that gives them.

    Nothing is done outside the main thread.
    """
    if not in_main_thread():
        yield
        return
    with warnings.catch_warnings(), threadpool_limits(1):
        show = warnings.showwarning
        warnings.simplefilter("always")

        def note(message, category, *where, **more):
            caught = getattr(_of_thread, "caught", None)
            if caught is None:
                show(message, category, *where, **more)
            else:
                caught.append(category)

        warnings.showwarning = note
        yield


@contextmanager
def recorded_warnings():
    """Around one job: the categories of its warnings are in the list, afterwards.

    In a thread that is not the main one they are there inside of `prepared_process`; otherwise
    they are shown as ever.
    """
    caught = []
    if in_main_thread():
        with warnings.catch_warnings(record=True) as messages, threadpool_limits(1):
            warnings.simplefilter("always")
            yield caught
        caught += [message.category for message in messages]
        return
    _of_thread.caught = caught
    try:
        yield caught
    finally:
        _of_thread.caught = None
