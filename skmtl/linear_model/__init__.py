"""Linear multi-task models."""

from skmtl.linear_model.sparse import MultiTaskElasticNet, MultiTaskLasso, MultiTaskRegressor

__all__ = ["MultiTaskElasticNet", "MultiTaskLasso", "MultiTaskRegressor"]
