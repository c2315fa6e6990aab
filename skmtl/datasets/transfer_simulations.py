"""The published simulations of transfer to sparse linear models: good and bad sources."""

from numbers import Integral

import numpy as np
from scipy.linalg import toeplitz
from scipy.special import expit
from sklearn.utils import Bunch, check_random_state, check_scalar

from skmtl.datasets.checks import check_choice, check_count, check_nonnegative

FAMILIES = ("gaussian", "binomial", "poisson")
SIGNAL = 0.5  # of a coefficient in the simulations of Tian, Feng
SOURCE_SPREAD = 0.3  # of the direction in which features of sources vary more
CUT = 0.5  # of the features with counts as targets
SHIFT = 0.5  # of the intercept of a useless source


def make_trans_lasso(
    n_target=150,
    n_source=100,
    n_features=500,
    *,
    n_sources=10,
    n_useful=5,
    n_informative=16,
    h=6,
    random_state=None,
):
    """The linear simulation of Trans-Lasso, with independent features.

    The coefficients of the target are 0.3 for the first features. Those of a useful source are
    less by 0.3 at ``h`` random features, those of another by 0.5 at 50 random features. Features
    and noise are standard normal.

    Parameters
    ----------
    n_target, n_source : int, default=150, 100
        Rows of the target, and of every source.
    n_features : int, default=500
    n_sources, n_useful : int, default=10, 5
        Sources, and how many of them, the first ones, are useful.
    n_informative : int, default=16
        Features with coefficients of the target that are not 0.
    h : int, default=6
        Features in which a useful source differs.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    simulation : Bunch
        ``X``, ``y`` : rows of the target. ``source_rows`` : list of pairs (X, y). ``coef`` :
        true coefficients of the target. ``source_coef`` : (n_sources, n_features). ``useful`` :
        list of int.

    References
    ----------
    Li, Cai, Li 2022, *Transfer learning for high-dimensional linear regression*, Journal of the
    Royal Statistical Society B 84, section 5.

    Examples
    --------
    >>> from skmtl.datasets.transfer_simulations import make_trans_lasso
    >>> simulation = make_trans_lasso(n_sources=4, n_useful=2, random_state=0)
    >>> len(simulation.source_rows), simulation.useful
    (4, [0, 1])
    """
    _check_sizes(n_target, n_source, n_features, n_sources, n_useful, n_informative)
    check_scalar(h, "h", Integral, min_val=0)
    random = check_random_state(random_state)
    coef = np.zeros(n_features)
    coef[:n_informative] = 0.3
    source_coef = np.tile(coef, (n_sources, 1))
    for source, own in enumerate(source_coef):
        size, change = (h, 0.3) if source < n_useful else (50, 0.5)
        own[random.choice(n_features, min(size, n_features), replace=False)] -= change
    samples = []
    for size, w in [(n_target, coef), *((n_source, w) for w in source_coef)]:
        X = random.normal(size=(size, n_features))
        samples.append((X, X @ w + random.normal(size=size)))
    return _simulation(samples, coef, source_coef, n_useful)


def make_trans_glm(
    family="gaussian",
    n_target=200,
    n_source=100,
    n_features=500,
    *,
    n_sources=5,
    n_useful=3,
    n_informative=5,
    h=5.0,
    random_state=None,
):
    """The simulations of Trans-GLM: numbers, labels or counts.

    The coefficients of the target are 0.5 for the first features. Those of a useful source
    differ by ``h / n_features`` in every feature, at random up or down, and so by h in the l1
    norm. A useless source has its 0.5 at other features, differs twice as much elsewhere, and its
    intercept is 0.5. Neighbouring features have the correlation 0.5, which falls off
    geometrically; those of sources vary in one random direction more. With counts the
    features are cut at -0.5 and 0.5.

    Parameters
    ----------
    family : {"gaussian", "binomial", "poisson"}, default="gaussian"
    n_target, n_source : int, default=200, 100
        Rows of the target, and of every source.
    n_features : int, default=500
    n_sources, n_useful : int, default=5, 3
        Sources, and how many of them, the first ones, are useful.
    n_informative : int, default=5
        Features with coefficients of the target that are not 0.
    h : float, default=5.0
        The l1 distance of the coefficients of a useful source.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    simulation : Bunch
        ``X``, ``y`` : rows of the target. ``source_rows`` : list of pairs (X, y). ``coef`` :
        true coefficients of the target. ``source_coef`` : (n_sources, n_features). ``useful`` :
        list of int.

    References
    ----------
    Tian, Feng 2023, *Transfer learning under high-dimensional generalized linear models*, Journal
    of the American Statistical Association 118, section 4.1.

    Examples
    --------
    >>> from skmtl.datasets.transfer_simulations import make_trans_glm
    >>> simulation = make_trans_glm("poisson", random_state=0)
    >>> simulation.X.shape, simulation.useful
    ((200, 500), [0, 1, 2])
    """
    check_choice("family", family, FAMILIES)
    _check_sizes(n_target, n_source, n_features, n_sources, n_useful, n_informative)
    if n_features < 3 * n_informative:
        raise ValueError(
            f"n_features={n_features} must be at least three times n_informative={n_informative}: "
            "useless sources have informative features of their own."
        )
    check_nonnegative("h", h)
    random = check_random_state(random_state)
    s, p = n_informative, n_features
    coef = np.zeros(p)
    coef[:s] = SIGNAL
    source_coef = np.zeros((n_sources, p))
    for source, own in enumerate(source_coef):
        useful = source < n_useful
        places = np.arange(s)
        if not useful:
            places = np.append(s + places, random.choice(np.arange(2 * s, p), s, replace=False))
        own[places] = SIGNAL
        own += (h if useful else 2.0 * h) / p * random.choice([-1.0, 1.0], size=p)
    covariance = toeplitz(0.5 ** np.arange(p))
    roots = [np.linalg.cholesky(covariance)]
    direction = SOURCE_SPREAD * random.normal(size=p)
    roots.append(np.linalg.cholesky(covariance + np.outer(direction, direction)))
    samples = [_draw(random, family, n_target, roots[0], coef, 0.0)]
    for source, w in enumerate(source_coef):
        intercept = 0.0 if source < n_useful else SHIFT
        samples.append(_draw(random, family, n_source, roots[1], w, intercept))
    return _simulation(samples, coef, source_coef, n_useful)


def _draw(random, family, n_rows, root, coef, intercept):
    X = random.normal(size=(n_rows, len(coef))) @ root.T
    if family == "poisson":
        X = np.clip(X, -CUT, CUT)
    z = X @ coef + intercept
    if family == "gaussian":
        return X, z + random.normal(size=n_rows)
    if family == "binomial":
        return X, (random.uniform(size=n_rows) < expit(z)).astype(int)
    return X, random.poisson(np.exp(z)).astype(float)


def _check_sizes(n_target, n_source, n_features, n_sources, n_useful, n_informative):
    check_count("n_target", n_target)
    check_count("n_source", n_source)
    check_count("n_features", n_features)
    check_count("n_informative", n_informative, n_features)
    check_scalar(n_sources, "n_sources", Integral, min_val=0)
    check_scalar(n_useful, "n_useful", Integral, min_val=0, max_val=n_sources)


def _simulation(samples, coef, source_coef, n_useful):
    (X, y), *source_rows = samples
    return Bunch(
        X=X,
        y=y,
        source_rows=source_rows,
        coef=coef,
        source_coef=source_coef,
        useful=list(range(n_useful)),
    )
