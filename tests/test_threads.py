"""BLAS threads are limited during small fits and restored after them."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from skmtl import MultiTaskRidge
from skmtl.task_data import make_task_data
from skmtl.threads import LARGEST_SMALL_SIDE, suited_threads


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


@pytest.fixture
def two_threads():
    from threadpoolctl import threadpool_limits

    with threadpool_limits(2, user_api="blas"):
        yield blas_threads()


def data(n_features):
    return make_task_data(np.ones((n_features, n_features)), np.ones(n_features))


def test_small_problems_run_on_one_thread(two_threads):
    with suited_threads(data(3)):
        assert set(blas_threads()) == {1}
        with suited_threads(data(3)):
            assert set(blas_threads()) == {1}
        assert set(blas_threads()) == {1}
    assert blas_threads() == two_threads


def test_large_problems_keep_theirs(two_threads):
    with suited_threads(data(LARGEST_SMALL_SIDE + 1)):
        assert blas_threads() == two_threads


def test_restored_after_an_error(two_threads):
    with pytest.raises(RuntimeError, match="inside"), suited_threads(data(3)):
        raise RuntimeError("inside")
    assert blas_threads() == two_threads


def test_fits_that_overlap_restore_what_was_there(two_threads):
    rng = np.random.RandomState(0)
    X, y, tasks = rng.normal(size=(400, 20)), rng.normal(size=400), np.arange(400) % 40
    with ThreadPoolExecutor(4) as pool:
        fits = [pool.submit(MultiTaskRidge().fit, X, y, tasks=tasks) for _ in range(24)]
        assert all(np.isfinite(fit.result().coef_).all() for fit in fits)
    assert blas_threads() == two_threads
