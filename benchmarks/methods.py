"""The methods of the speed comparison, each a function of the problem.

What a user calls is what is timed: public estimators, validation included, without an intercept
(the problems are centred) where not said otherwise. celer is called through its path function,
because its class fails on scikit-learn 1.9.
"""

import importlib.util
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
from scipy import sparse
from sklearn.linear_model import MultiTaskLasso as SklearnMultiTaskLasso
from sklearn.linear_model import MultiTaskLassoCV as SklearnMultiTaskLassoCV
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold

import skmtl

PEERS = ("celer", "skglm", "himalaya")


def installed(name):
    return importlib.util.find_spec(name) is not None


# multi-task lasso, tasks on the same rows: X, Y, alpha, tol -> W


def lasso_skmtl(X, Y, alpha, tol):
    return skmtl.MultiTaskLasso(alpha, fit_intercept=False, tol=tol).fit(X, Y).coef_.T


def lasso_sklearn(X, Y, alpha, tol):
    model = SklearnMultiTaskLasso(alpha=alpha, fit_intercept=False, tol=tol, max_iter=100_000)
    return model.fit(X, Y).coef_.T


def lasso_celer(X, Y, alpha, tol):
    from celer.homotopy import mtl_path

    return mtl_path(X, Y, alphas=[alpha], tol=tol, max_iter=100, max_epochs=50_000)[1][..., 0].T


def lasso_skglm(X, Y, alpha, tol):
    from skglm import MultiTaskLasso as SkglmMultiTaskLasso

    # its tol bounds the distance of the gradient to the subdifferential, which scales with alpha
    model = SkglmMultiTaskLasso(alpha=alpha, fit_intercept=False, tol=tol * alpha, max_iter=200)
    return model.fit(X, Y).coef_.T


LASSO = {
    "skmtl": lasso_skmtl,
    "scikit-learn": lasso_sklearn,
    "celer": lasso_celer,
    "skglm": lasso_skglm,
}


def lasso_methods(X, Y, alpha):
    """Functions of tol that return W; with sparse X the peers get it dense as well."""
    present = {m: solve for m, solve in LASSO.items() if m not in PEERS or installed(m)}
    problems = {method: (solve, X) for method, solve in present.items()}
    if sparse.issparse(X):
        problems.pop("celer", None)  # its path function fills the memory
        if not takes_sparse(lasso_sklearn, X, Y):
            del problems["scikit-learn"]
        dense = X.toarray(order="F")  # not timed
        problems |= {f"{m}, dense X": (s, dense) for m, s in present.items() if m != "skmtl"}
    nearly_all_zero = 0.9 * np.linalg.norm(X.T @ Y, axis=1).max() / X.shape[0]
    for solve, design in problems.values():  # numba compiles in the first call
        attempt(solve, design, Y, nearly_all_zero, 1e-4)
    return {
        method: lambda tol, solve=solve, design=design: solve(design, Y, alpha, tol)
        for method, (solve, design) in problems.items()
    }


def takes_sparse(solve, X, Y):
    """scikit-learn's MultiTaskLasso takes sparse X since 1.9."""
    try:
        solve(X[:10], Y[:10], 1e6, 1e-2)
    except (TypeError, ValueError):
        return False
    return True


def attempt(function, *arguments):
    """A warm-up; what fails here fails again where it is recorded."""
    with suppress(Exception):
        function(*arguments)


# multi-task lasso, tasks with rows of their own: there is no peer in Python


def lasso_own_rows(X, y, ids, alpha, tol):
    model = skmtl.MultiTaskLasso(alpha, fit_intercept=False, tol=tol)
    return model.fit(X, y, tasks=ids).coef_.T


def gram_pass(X, slices):
    """One pass over the data: the yardstick where there is no peer."""
    return [X[rows].T @ X[rows] for rows in slices]


# cross-validated paths, with intercepts: every fold is centred by itself

SKLEARN_PATH_TOL = 1e-4
# scikit-learn (and celer) stop at a gap of tol ||Y||^2 of the objective ||Y - X W||^2 / 2 + ...;
# relative to the objective of W = 0, which is ||Y||^2 / 2, that is twice their tol.
SKMTL_PATH_TOL = 2 * SKLEARN_PATH_TOL


def path_skmtl(X, Y, alphas, folds):
    return skmtl.MultiTaskLassoCV(alphas=alphas, cv=folds, tol=SKMTL_PATH_TOL).fit(X, Y)


def path_sklearn(X, Y, alphas, folds):
    model = SklearnMultiTaskLassoCV(alphas=alphas, cv=folds, tol=SKLEARN_PATH_TOL, max_iter=10_000)
    return model.fit(X, Y)


def path_celer(X, Y, alphas, folds):
    """What celer's MultiTaskLassoCV does, through its path function."""
    from celer.homotopy import mtl_path

    mse_path = np.empty((len(alphas), len(folds)))
    for fold, (train, test) in enumerate(folds):
        x_mean, y_mean = X[train].mean(axis=0), Y[train].mean(axis=0)
        centred = np.asfortranarray(X[train] - x_mean), np.asfortranarray(Y[train] - y_mean)
        coefs = mtl_path(*centred, alphas=alphas, tol=SKLEARN_PATH_TOL)[1]
        for k in range(len(alphas)):
            error = Y[test] - y_mean - (X[test] - x_mean) @ coefs[..., k].T
            mse_path[k, fold] = np.mean(error**2)
    alpha = alphas[np.argmin(mse_path.mean(axis=1))]
    centred = np.asfortranarray(X - X.mean(axis=0)), np.asfortranarray(Y - Y.mean(axis=0))
    mtl_path(*centred, alphas=[alpha], tol=SKLEARN_PATH_TOL)
    return SimpleNamespace(alpha_=alpha, alphas_=alphas, mse_path_=mse_path)


def path_methods(X, Y, alphas, folds):
    fits = {"scikit-learn": path_sklearn}
    if hasattr(skmtl, "MultiTaskLassoCV"):
        fits = {"skmtl": path_skmtl, **fits}
    if installed("celer"):
        fits["celer"] = path_celer
    for fit in fits.values():
        attempt(fit, X, Y, alphas[:1], folds[:2])
    return {name: lambda fit=fit: fit(X, Y, alphas, folds) for name, fit in fits.items()}


# ridge, one penalty per task: X, Y, alphas -> (penalties, their mean squared errors)


def ridge_skmtl(X, Y, alphas, cv=None):
    model = skmtl.MultiTaskRidgeCV(alphas, cv=cv, fit_intercept=False).fit(X, Y)
    return model.alpha_, model.mse_path_.min(axis=0)


def ridge_sklearn(X, Y, alphas):
    model = RidgeCV(alphas, alpha_per_target=True, fit_intercept=False).fit(X, Y)
    return model.alpha_, -model.best_score_


def ridge_himalaya(X, Y, alphas, cv):
    """Its class for n > p or for n < p, as its documentation says."""
    from himalaya.kernel_ridge import KernelRidgeCV
    from himalaya.ridge import RidgeCV as HimalayaRidgeCV

    wide = X.shape[0] < X.shape[1]
    model = KernelRidgeCV(alphas, cv=cv) if wide else HimalayaRidgeCV(alphas, cv=cv)
    model.fit(X, Y)
    return model.best_alphas_, -model.cv_scores_


def ridge_methods(X, Y, alphas, criterion):
    """Methods by leave-one-out, or by five folds: himalaya has no leave-one-out."""
    if criterion == "leave-one-out":
        fits = {"skmtl": ridge_skmtl, "scikit-learn": ridge_sklearn}
    else:
        folds = KFold(5)
        fits = {"skmtl": lambda *problem: ridge_skmtl(*problem, cv=folds)}
        if installed("himalaya"):
            fits["himalaya"] = lambda *problem: ridge_himalaya(*problem, cv=folds)
    for fit in fits.values():
        attempt(fit, X[:, :5], Y[:, :2], alphas[:2])
    return {name: lambda fit=fit: fit(X, Y, alphas) for name, fit in fits.items()}
