"""What a cross-validated model tells of its path, and the path itself, solved again."""

from typing import NamedTuple

import numpy as np

from skmtl.linear_model import (
    MultiTaskElasticNetCV,
    MultiTaskLassoCV,
    MultiTaskLogisticRegressionCV,
    MultiTaskRidgeCV,
    multitask_elastic_net_path,
    multitask_lasso_path,
    multitask_logistic_path,
    multitask_ridge_path,
)

DATA = ("task_column", "task_weight", "fit_intercept")
SPARSE = (*DATA, "penalty_factor", "tol", "max_iter")
PATHS = {  # path function and the parameters of the estimator that it takes
    MultiTaskLassoCV: (multitask_lasso_path, (*SPARSE, "positive")),
    MultiTaskElasticNetCV: (multitask_elastic_net_path, (*SPARSE, "positive")),
    MultiTaskLogisticRegressionCV: (multitask_logistic_path, SPARSE),
    MultiTaskRidgeCV: (multitask_ridge_path, DATA),
}
SQUARES = "held-out mean squared error"


class HeldOutPath(NamedTuple):
    """Losses (n_alphas,) or (n_alphas, n_folds) along alphas (n_alphas,), and the choice."""

    alphas: np.ndarray
    losses: np.ndarray
    alpha: object
    loss_name: str


def read_held_out(estimator, reader):
    """The path of the chosen l1_ratio, from the attributes of a fitted estimator."""
    if not hasattr(estimator, "alphas_") or not hasattr(estimator, "alpha_"):
        raise _no_path(estimator, reader)
    row = _row_of_ratio(estimator)
    alphas = np.asarray(estimator.alphas_, dtype=np.float64)
    alphas = alphas[row] if alphas.ndim == 2 else alphas
    losses, name = _losses(estimator, reader)
    losses = _at_the_other_choice(estimator, alphas, losses)
    if isinstance(estimator, MultiTaskRidgeCV):
        # A column per task, not per fold: their spread is no uncertainty.
        losses, name = losses.mean(axis=1), f"{SQUARES}, mean over tasks"
    elif losses.ndim == (2 if name.endswith("BIC") else 3):
        losses = losses[row]
    return HeldOutPath(alphas, losses, estimator.alpha_, name)


def _at_the_other_choice(estimator, alphas, losses):
    """Of losses (n_alphas, n_betas, n_folds) or (n_ranks, n_alphas, n_folds): of the choice."""
    if hasattr(estimator, "ranks_") and losses.ndim == 3:
        return losses[int(np.flatnonzero(estimator.ranks_ == estimator.rank_)[0])]
    betas, beta = getattr(estimator, "betas_", None), getattr(estimator, "beta_", None)
    if betas is None or losses.ndim != 3 or losses.shape[:2] != (len(alphas), len(betas)):
        return losses
    return losses[:, int(np.argmin(np.abs(np.asarray(betas) - beta)))]


def _losses(estimator, reader):
    if hasattr(estimator, "mse_path_"):
        return np.asarray(estimator.mse_path_), SQUARES
    if hasattr(estimator, "criterion_path_"):
        return np.asarray(estimator.criterion_path_), estimator.criterion.upper()
    scores = getattr(estimator, "scores_", None)
    if isinstance(scores, np.ndarray):
        if getattr(estimator, "scoring", None) == "accuracy":
            return 1.0 - scores, "held-out share of wrong labels"
        return -scores, "held-out log-loss"
    raise _no_path(estimator, reader)


def _no_path(estimator, reader):
    return ValueError(
        f"{reader} needs alphas_, alpha_ and mse_path_, scores_ or criterion_path_, as of "
        f"MultiTaskLassoCV, but {type(estimator).__name__} lacks some of them: use from_path with "
        "numbers of your own."
    )


def _row_of_ratio(estimator):
    ratios = np.atleast_1d(getattr(estimator, "l1_ratio", 1.0)).astype(float)
    return int(np.argmin(np.abs(ratios - getattr(estimator, "l1_ratio_", ratios[0]))))


def solve_again(estimator, path, X, y, *, tasks, sample_weight):
    """Coefficients along the path, with a last axis of alphas."""
    kind = next((kind for kind in PATHS if type(estimator) is kind), None)
    if kind is None:
        raise ValueError(
            f"there is no function that computes the path of {type(estimator).__name__}: leave out "
            "X and y, or give coefs=."
        )
    solve, names = PATHS[kind]
    options = {name: getattr(estimator, name) for name in names}
    if solve in (multitask_elastic_net_path, multitask_logistic_path):
        options["l1_ratio"] = estimator.l1_ratio_
    found = solve(X, y, alphas=path.alphas, tasks=tasks, sample_weight=sample_weight, **options)
    return found[0] if solve is multitask_ridge_path else found.coefs


def check_path(alphas, coefs, losses, features):
    """The first three as arrays of floats; ValueError if shapes do not agree."""
    alphas = np.asarray(alphas, dtype=np.float64)
    if alphas.ndim != 1 or not (alphas > 0).any():
        raise ValueError(
            f"alphas has shape {alphas.shape} and must be 1-d with some number above 0: the axis "
            "is logarithmic."
        )
    if coefs is None and losses is None:
        raise ValueError("there is nothing to draw: give coefs, losses or both.")
    if coefs is not None:
        coefs = np.asarray(coefs, dtype=np.float64)
        if coefs.ndim < 2 or coefs.shape[-1] != len(alphas):
            raise ValueError(
                f"coefs has shape {coefs.shape}, but must be (n_tasks, n_features, n_alphas) with "
                f"{len(alphas)} alphas."
            )
        if features is not None and len(features) != coefs.shape[-2]:
            raise ValueError(
                f"features has {len(features)} names, but coefs are of {coefs.shape[-2]} features."
            )
    if losses is not None:
        losses = np.asarray(losses, dtype=np.float64)
        if losses.ndim not in (1, 2) or len(losses) != len(alphas):
            raise ValueError(
                f"losses has shape {losses.shape}, but must be (n_alphas,) or (n_alphas, n_folds) "
                f"with {len(alphas)} alphas."
            )
    return alphas, coefs, losses
