"""scikit-learn's own tests of its multi-task classes, with our classes in their place.

Left out: `test_random_descent` is about ``selection`` and `test_enet_l1_ratio` sets
``random_state``, options of coordinate descent (what else the latter says is in test_sparse_cv).
The two of `1d_multioutput` compare to seven digits with a lasso solved to 1e-4, which only the same
sequence of sweeps can give. `..reject_params..` is about parameters for the splitter: here it gets
the task ids. `..cv_estimators_with_sample_weight` wants an error, until 1.9. Before 1.7 the tests
set ``n_alphas``, which is ``alphas`` now. (``copy_X`` and the refusal of a 1-d y, which means one
task here, have no test there.)
"""

import importlib.util
import inspect
import re
from unittest import mock

import pytest
import sklearn.linear_model

from skmtl.linear_model.sparse import MultiTaskElasticNet, MultiTaskLasso
from skmtl.linear_model.sparse_cv import MultiTaskElasticNetCV, MultiTaskLassoCV

OURS = {
    cls.__name__: cls
    for cls in (MultiTaskElasticNet, MultiTaskElasticNetCV, MultiTaskLasso, MultiTaskLassoCV)
}
LEFT_OUT = {
    "test_random_descent",
    "test_enet_l1_ratio",
    "test_1d_multioutput_enet_and_multitask_enet_cv",
    "test_1d_multioutput_lasso_and_multitask_lasso_cv",
    "test_multitask_cv_estimators_with_sample_weight",
    "test_cv_estimators_reject_params_with_no_routing_enabled",
}
pytestmark = pytest.mark.filterwarnings("default")


def _load_suite():
    spec = importlib.util.find_spec("sklearn.linear_model.tests.test_coordinate_descent")
    if spec is None:
        return None
    module = importlib.util.module_from_spec(spec)
    with mock.patch.multiple(sklearn.linear_model, **OURS):
        spec.loader.exec_module(module)
    return module


suite = _load_suite()
for name, function in vars(suite).items() if suite else ():
    source = inspect.getsource(function) if name.startswith("test_") else ""
    of_now = "n_alphas=" not in source or not re.search(r"MultiTask\w+CV", source)
    if "MultiTask" in source and name not in LEFT_OUT and of_now:
        globals()[name] = function


@pytest.fixture
def global_random_seed():
    return 42


def test_the_suite_is_there():
    if suite is None:
        pytest.skip("this scikit-learn was installed without its tests")
    assert sum(name.startswith("test_") for name in globals()) > 5
    assert all(vars(suite)[name] is cls for name, cls in OURS.items())
