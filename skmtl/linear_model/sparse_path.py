"""Regularisation paths of sparse models as functions."""

from typing import NamedTuple

import numpy as np

from skmtl.documentation import share_text
from skmtl.linear_model.path_cv import OUT_OF_RANGE, warn_of_fits
from skmtl.linear_model.sparse_cv import MultiTaskElasticNetCV, MultiTaskLassoCV
from skmtl.threads import suited_threads

TEXTS = {
    "parameters": """
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns)
        Features, and the task column if ``task_column`` is set.
    y : array-like of shape (n_samples,) or (n_samples, n_tasks)
        With a 2-d y every column is a task, and missing entries mean "not observed".
    """,
    "options": """
    eps : float, default=1e-3
        Smallest over largest alpha of an automatic grid.
    alphas : int or array-like, default=100
        How many alphas, or which.
    positive : bool, default=False
        Restrict all coefficients to be >= 0.
    penalty_factor : array-like of shape (n_features,), optional
        Multiplies the penalty of each feature; 0 leaves a feature without penalty.
    task_column : int or str, optional
        Position or name of the column of X that holds the task ids.
    tasks : array-like of shape (n_samples,), optional
        Task of every row, instead of ``task_column``.
    sample_weight : float or array-like of shape (n_samples,), optional
        Also of shape (n_samples, n_tasks) with a 2-d y.
    task_weight : None, "balanced", dict or array-like of shape (n_tasks,), default=None
    fit_intercept : bool, default=True
        Unlike `sklearn.linear_model.lasso_path`, which expects centred data.
    tol : float, default=1e-6
        Duality gap to reach everywhere, relative to the objective of zero coefficients.
    max_iter : int, default=1000
        Of every fit.

    Returns
    -------
    RegularizationPath
        A named tuple of ``alphas`` (n_alphas,), falling; ``coefs`` (n_tasks, n_features,
        n_alphas), tasks in the order of the sorted ids; ``dual_gaps`` (n_alphas,), relative; and
        ``intercepts`` (n_tasks, n_alphas).
    """,
}


class RegularizationPath(NamedTuple):
    """Models under one penalty after the other."""

    alphas: np.ndarray
    coefs: np.ndarray
    dual_gaps: np.ndarray
    intercepts: np.ndarray


@share_text(**TEXTS)
def multitask_elastic_net_path(
    X,
    y,
    *,
    l1_ratio=0.5,
    eps=1e-3,
    alphas=100,
    positive=False,
    penalty_factor=None,
    task_column=None,
    tasks=None,
    sample_weight=None,
    task_weight=None,
    fit_intercept=True,
    tol=1e-6,
    max_iter=1000,
):
    """Multi-task elastic nets along a grid of alphas.

    The objective is that of `MultiTaskElasticNet`.

    Parameters
    ----------
    {parameters}
    l1_ratio : float, default=0.5
        From 0 (ridge; needs `alphas`) to 1 (multi-task lasso).
    {options}

    See Also
    --------
    MultiTaskElasticNetCV : Chooses alpha and l1_ratio.

    Examples
    --------
    >>> from skmtl import make_multitask_regression, multitask_elastic_net_path
    >>> X, y = make_multitask_regression(n_tasks=4, n_samples=50, random_state=0)
    >>> path = multitask_elastic_net_path(X, y, l1_ratio=0.9, alphas=10, task_column=0)
    >>> path.coefs.shape
    (4, 20, 10)
    """
    if np.ndim(l1_ratio):
        raise ValueError(f"l1_ratio={l1_ratio!r} must be one number: a path has one l1_ratio.")
    model = MultiTaskElasticNetCV(
        l1_ratio=l1_ratio,
        eps=eps,
        alphas=alphas,
        positive=positive,
        penalty_factor=penalty_factor,
        task_column=task_column,
        task_weight=task_weight,
        fit_intercept=fit_intercept,
        tol=tol,
        max_iter=max_iter,
    )
    path, excess = _solve(model, X, y, tasks, sample_weight)
    warn_of_fits(excess, tol, "of the path")
    return path


@share_text(**TEXTS)
def multitask_lasso_path(
    X,
    y,
    *,
    eps=1e-3,
    alphas=100,
    positive=False,
    penalty_factor=None,
    task_column=None,
    tasks=None,
    sample_weight=None,
    task_weight=None,
    fit_intercept=True,
    tol=1e-6,
    max_iter=1000,
):
    """Multi-task lassos along a grid of alphas.

    The objective is that of `MultiTaskLasso`.

    Parameters
    ----------
    {parameters}
    {options}

    See Also
    --------
    MultiTaskLassoCV : Chooses alpha.

    Examples
    --------
    >>> from skmtl import make_multitask_regression, multitask_lasso_path
    >>> X, y = make_multitask_regression(n_tasks=4, n_samples=50, random_state=0)
    >>> path = multitask_lasso_path(X, y, alphas=10, task_column=0)
    >>> bool((path.coefs[:, :, 0] == 0).all())
    True
    """
    model = MultiTaskLassoCV(
        eps=eps,
        alphas=alphas,
        positive=positive,
        penalty_factor=penalty_factor,
        task_column=task_column,
        task_weight=task_weight,
        fit_intercept=fit_intercept,
        tol=tol,
        max_iter=max_iter,
    )
    path, excess = _solve(model, X, y, tasks, sample_weight)
    warn_of_fits(excess, tol, "of the path")
    return path


def _solve(model, X, y, tasks, sample_weight):
    """The path of the models that an estimator would choose from, and gaps above tol."""
    model._check_parameters()
    data = model._read_training_data(X, y, tasks, sample_weight)
    ratio = model._l1_ratios()[0]
    with suited_threads(data):
        problem = model._folds(data).problem(model._penalty(1.0, ratio))
        alphas = model._grids(problem)[0]
        points = list(model._solve_path(problem, alphas, ratio))
    gaps = np.array([point.gap for point in points])
    coefs = np.stack([point.coef.T for point in points], axis=-1)
    if not np.isfinite(coefs).all():
        raise ValueError(OUT_OF_RANGE)
    intercepts = np.stack([point.intercept for point in points], axis=-1)
    excess = np.where([point.converged for point in points], 0.0, gaps)
    return RegularizationPath(alphas, coefs, gaps, intercepts), excess
