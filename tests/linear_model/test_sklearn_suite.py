"""scikit-learn's own tests of its multi-task classes, with our classes in their place.

Left out: `test_random_descent`, which is about ``selection``, an option of coordinate descent.
(``copy_X`` and the refusal of a 1-d y, which means one task here, have no test there.)
"""

import importlib.util
import inspect
from unittest import mock

import pytest
import sklearn.linear_model

import skmtl

LEFT_OUT = {"test_random_descent"}
pytestmark = pytest.mark.filterwarnings("default")


def _load_suite():
    spec = importlib.util.find_spec("sklearn.linear_model.tests.test_coordinate_descent")
    if spec is None:
        return None
    module = importlib.util.module_from_spec(spec)
    with (
        mock.patch.object(sklearn.linear_model, "MultiTaskLasso", skmtl.MultiTaskLasso),
        mock.patch.object(sklearn.linear_model, "MultiTaskElasticNet", skmtl.MultiTaskElasticNet),
    ):
        spec.loader.exec_module(module)
    return module


suite = _load_suite()
for name, function in vars(suite).items() if suite else ():
    about_ours = name.startswith("test_") and "MultiTask" in inspect.getsource(function)
    if about_ours and name not in LEFT_OUT:
        globals()[name] = function


@pytest.fixture
def global_random_seed():
    return 42


def test_the_suite_is_there():
    if suite is None:
        pytest.skip("this scikit-learn was installed without its tests")
    assert sum(name.startswith("test_") for name in globals()) > 10
    assert suite.MultiTaskLasso is skmtl.MultiTaskLasso
