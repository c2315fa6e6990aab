"""The lasso of a quadratic: sweeps of coordinate descent, refined on the support they find."""

import warnings
from contextlib import contextmanager
from threading import Lock

import numpy as np
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import lasso_path

ROUNDING = 32.0 * np.finfo(float).eps  # no gap below this can be asked for
FIRST_AIM = 1e-6  # from where on a solution is refined on its support
SWEEPS = 50  # between two refinements
SINGULAR = 1e-12  # of the largest: eigenvalues of a Gram matrix below this are none
FLAT = 1e-8  # of a slope: what is along such directions, if not rounding
MOST_DROPS = 20  # features that may drop out of a support in one refinement

_quiet = {"users": 0, "filters": None}
_lock = Lock()


@contextmanager
def quiet_descent():
    """Mute the warnings of coordinate descent, in all threads: the gap is measured here."""
    with _lock:  # warning filters belong to the process: the first sets, the last restores
        if _quiet["users"] == 0:
            _quiet["filters"] = warnings.catch_warnings()
            _quiet["filters"].__enter__()
            warnings.simplefilter("ignore", ConvergenceWarning)
        _quiet["users"] += 1
    try:
        yield
    finally:
        with _lock:
            _quiet["users"] -= 1
            if _quiet["users"] == 0:
                _quiet["filters"].__exit__(None, None, None)


def descend(gram, xy, yy, levels, start, *, tol, max_iter):
    """Lassos yy / 2 - xy'w + w'gram w / 2 + level |w|_1 at falling levels, and the sweeps of each.

    By scikit-learn's compiled coordinate descent, to a gap of about tol times yy / 2.
    """
    p = len(xy)
    if not p:
        return np.zeros((len(levels), 0)), [0] * len(levels)
    y = np.zeros(p)
    y[0] = np.sqrt(max(yy, 0.0))  # only its norm is used
    with config_context(skip_parameter_validation=True):  # half the time of small problems
        _, coef, _, n_iter = lasso_path(
            gram.T,  # for its shape: p rows
            y,
            alphas=np.asarray(levels) / p,
            precompute=np.ascontiguousarray(gram),
            Xy=np.ascontiguousarray(xy),
            coef_init=None if start is None else start.copy(),  # which is written to
            tol=0.5 * tol,
            max_iter=max_iter,
            check_input=False,
            return_n_iter=True,
        )
    return coef.T, n_iter


def refine(gram, xy, level, w):
    """The minimum over the support and the signs of w; features whose sign would change drop out.

    Each move goes towards the minimum up to the first change of a sign, so the objective falls.
    """
    w = w.copy()
    for _ in range(MOST_DROPS):
        support = np.flatnonzero(w)
        here, part = w[support], gram[np.ix_(support, support)]
        if not len(support) or not np.isfinite(part).all():
            break
        move, ends = move_to_minimum(part, xy[support] - level * np.sign(here) - part @ here)
        shrinks = move * here < 0
        share = np.full(len(support), np.inf)
        share[shrinks] = -here[shrinks] / move[shrinks]
        first = np.argmin(share)
        if ends and share[first] > 1.0:
            w[support] = here + move
            break
        if share[first] == np.inf:
            break
        w[support] = here + share[first] * move
        w[support[first]] = 0.0
    return w


def move_to_minimum(gram, slope):
    """Where slope'd - d'gram d / 2 is largest, and True; or a direction of endless rise, False."""
    try:
        move = np.linalg.solve(gram, slope)
        if np.abs(gram @ move - slope).max() <= FLAT * np.abs(slope).max():
            return move, True
    except np.linalg.LinAlgError:
        pass
    values, vectors = np.linalg.eigh(gram)
    along, flat = slope @ vectors, values <= SINGULAR * values[-1]
    if np.linalg.norm(along[flat]) > FLAT * np.linalg.norm(along):
        return vectors[:, flat] @ along[flat], False
    return vectors[:, ~flat] @ (along[~flat] / values[~flat]), True


def solve_quadratic(gram, xy, yy, level, start, *, tol, max_iter):
    """One lasso to a duality gap relative to yy / 2: (w, gap, sweeps)."""
    w, best, gap, n_iter, aim = start, start, np.inf, 0, max(tol, FIRST_AIM)
    while gap > tol and n_iter < max_iter:
        # Sweeps find the support; they are slow to get its coefficients right.
        sweeps = min(SWEEPS, max_iter - n_iter)
        found, sweeps = descend(gram, xy, yy, [level], w, tol=aim, max_iter=sweeps)
        # The next sweeps go on from here even if the gap grew: it is no descent function.
        w = refine(gram, xy, level, found[0])
        reached, n_iter = quadratic_gap(gram, xy, yy, level, w), n_iter + max(sweeps[0], 1)
        if reached < gap:
            best, gap = w, reached
        aim = max(0.01 * aim, ROUNDING)
    return best, gap, n_iter


def quadratic_gap(gram, xy, yy, level, w):
    """Duality gap over the objective of w = 0; the dual point is the residual, scaled."""
    if yy <= 0.0:
        return 0.0
    correlation = xy - gram @ w
    fitted = yy - w @ xy
    squares = max(fitted - w @ correlation, 0.0)
    largest = np.abs(correlation).max(initial=0.0)
    scale = min(fitted / squares if squares > 0 else 1.0, level / largest if largest else np.inf)
    dual = scale * fitted - 0.5 * scale**2 * squares
    return float(max(0.5 * squares + level * np.abs(w).sum() - dual, 0.0) / (0.5 * yy))
