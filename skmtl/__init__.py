"""skmtl: many related prediction problems, in scikit-learn style.

Tells whether sharing between the problems helps, and gives estimators that share the right
amount.
"""

from skmtl._version import __version__
from skmtl.linear_model import MultiTaskElasticNet, MultiTaskLasso, MultiTaskRegressor
from skmtl.tasks import split_tasks, stack_tasks

__all__ = [
    "MultiTaskElasticNet",
    "MultiTaskLasso",
    "MultiTaskRegressor",
    "__version__",
    "split_tasks",
    "stack_tasks",
]
