"""Synthetic tasks whose relation is known: shared support, common mean, clusters, outliers, drift.

Every generator draws the coefficients of the tasks first, then the features, then the noise, so
that the same `random_state` gives the same coefficients in every layout.
"""

import numpy as np
from scipy.signal import lfilter
from scipy.special import expit
from sklearn.utils import check_random_state

from skmtl.datasets.checks import check_choice, check_count, check_flags, check_nonnegative
from skmtl.documentation import share_text

STRUCTURES = ("shared_support", "common", "clusters", "outliers", "drift")
LAYOUTS = ("task_column", "multi_output", "lists")

SHARED_PARAMETERS = """
n_tasks : int, default=10
    Number of tasks.
n_samples : int or array-like of int of shape (n_tasks,), default=100
    Rows per task. Tasks in the multi-output layout share the rows and need one number.
n_features : int, default=20
    Number of features, without the task column.
n_informative : int, default=None
    Number of features with nonzero coefficients; None means a quarter of them, at least one.
structure : str, default="shared_support"
    How the coefficients of the tasks are related, on the same informative features:

    - ``"shared_support"``: in nothing else; each value is standard normal.
    - ``"common"``: each task is one standard normal vector plus `spread` times its own.
    - ``"clusters"``: as ``"common"``, with one common vector for each of `n_clusters`
      clusters; task t is in cluster ``t % n_clusters``.
    - ``"outliers"``: as ``"common"``, but the last ``round(outlier_fraction * n_tasks)`` tasks
      are unrelated, with informative features of their own.
    - ``"drift"``: a random walk over the tasks in order, with steps of scale `spread`.
n_clusters : int, default=3
    Number of clusters of ``"clusters"``.
outlier_fraction : float, default=0.2
    Fraction of unrelated tasks of ``"outliers"``.
spread : float, default=0.3
    Standard deviation of the coefficients around what is common, or of a step of the drift.
intercept_scale : float, default=1.0
    Standard deviation of the intercepts of the tasks.
correlation : float, default=0.0
    Correlation of neighbouring features, in [0, 1); it falls off geometrically.
"""

LAYOUT_PARAMETERS = """
layout : {"task_column", "multi_output", "lists"}, default="task_column"
    The form of the data; see Returns.
shuffle : bool, default=True
    Whether the rows of the task-column layout are shuffled; otherwise they are sorted by task.
coef : bool, default=False
    Whether to return the coefficients and intercepts as well.
random_state : int, RandomState instance or None, default=None
    Pass an int for the same data in every call.
"""

RETURNS = """
X : ndarray or list of ndarray
    ``"task_column"``: (n_rows, 1 + n_features) with the task ids 0, 1, ... in column 0.
    ``"multi_output"``: (n_samples, n_features). ``"lists"``: one (n_samples_t, n_features) per
    task. The features are standard normal.
y : ndarray or list of ndarray
    ``"task_column"``: (n_rows,). ``"multi_output"``: (n_samples, n_tasks). ``"lists"``: one
    (n_samples_t,) per task.
coef : ndarray of shape (n_tasks, n_features)
    True coefficients. Only if ``coef=True``.
intercept : ndarray of shape (n_tasks,)
    True intercepts. Only if ``coef=True``.
"""


@share_text(shared_parameters=SHARED_PARAMETERS, layout=LAYOUT_PARAMETERS, returns=RETURNS)
def make_multitask_regression(
    n_tasks=10,
    n_samples=100,
    n_features=20,
    *,
    n_informative=None,
    structure="shared_support",
    n_clusters=3,
    outlier_fraction=0.2,
    spread=0.3,
    intercept_scale=1.0,
    correlation=0.0,
    noise=1.0,
    layout="task_column",
    shuffle=True,
    coef=False,
    random_state=None,
):
    """Generate related linear regression tasks.

    The target of task t is ``x @ coef[t] + intercept[t] + noise[t] * e`` with e standard normal.

    Parameters
    ----------
    {shared_parameters}
    noise : float or array-like of shape (n_tasks,), default=1.0
        Standard deviation of the noise, for all tasks or for each.
    {layout}

    Returns
    -------
    {returns}

    Raises
    ------
    TypeError, ValueError
        If a parameter is of the wrong type or out of range.

    Examples
    --------
    >>> from skmtl.datasets import make_multitask_regression
    >>> X, y, coef, intercept = make_multitask_regression(
    ...     n_tasks=4, n_samples=[5, 10, 15, 20], coef=True, random_state=0)
    >>> X.shape, y.shape, coef.shape, intercept.shape
    ((50, 21), (50,), (4, 20), (4,))
    """
    rng = check_random_state(random_state)
    sizes = check_sizes(n_samples, n_tasks, layout)
    noise = check_noise(noise, n_tasks)
    check_flags(shuffle=shuffle, coef=coef)
    weights = draw_coefficients(
        rng, n_tasks, n_features, n_informative, structure, n_clusters, outlier_fraction, spread
    )
    intercept = draw_intercepts(rng, n_tasks, intercept_scale)
    X, signal, tasks = draw_features(rng, sizes, weights, intercept, correlation, layout)
    y = signal + noise[tasks] * rng.standard_normal(signal.shape)
    X, y = lay_out(rng, X, y, sizes, layout, shuffle)
    return (X, y, weights, intercept) if coef else (X, y)


@share_text(shared_parameters=SHARED_PARAMETERS, layout=LAYOUT_PARAMETERS, returns=RETURNS)
def make_multitask_classification(
    n_tasks=10,
    n_samples=100,
    n_features=20,
    *,
    n_informative=None,
    structure="shared_support",
    n_clusters=3,
    outlier_fraction=0.2,
    spread=0.3,
    intercept_scale=1.0,
    correlation=0.0,
    class_sep=1.0,
    flip_y=0.0,
    layout="task_column",
    shuffle=True,
    coef=False,
    random_state=None,
):
    """Generate related logistic classification tasks with the labels 0 and 1.

    The label of task t is 1 with probability ``1 / (1 + exp(-(x @ coef[t] + intercept[t])))``,
    and then wrong with probability `flip_y`. A task of few rows may have one label only.

    Parameters
    ----------
    {shared_parameters}
    class_sep : float, default=1.0
        Factor of the coefficients: the larger, the closer to separable.
    flip_y : float, default=0.0
        Probability that a label is flipped.
    {layout}

    Returns
    -------
    {returns}

    Raises
    ------
    TypeError, ValueError
        If a parameter is of the wrong type or out of range.

    Examples
    --------
    >>> from skmtl.datasets import make_multitask_classification
    >>> X, y = make_multitask_classification(n_tasks=3, layout="multi_output", random_state=0)
    >>> X.shape, y.shape
    ((100, 20), (100, 3))
    """
    rng = check_random_state(random_state)
    sizes = check_sizes(n_samples, n_tasks, layout)
    check_nonnegative("class_sep", class_sep)
    check_nonnegative("flip_y", flip_y, most=1)
    check_flags(shuffle=shuffle, coef=coef)
    weights = class_sep * draw_coefficients(
        rng, n_tasks, n_features, n_informative, structure, n_clusters, outlier_fraction, spread
    )
    intercept = draw_intercepts(rng, n_tasks, intercept_scale)
    X, signal, _ = draw_features(rng, sizes, weights, intercept, correlation, layout)
    label = rng.random_sample(signal.shape) < expit(signal)
    flipped = rng.random_sample(signal.shape) < flip_y
    X, y = lay_out(rng, X, (label ^ flipped).astype(np.int64), sizes, layout, shuffle)
    return (X, y, weights, intercept) if coef else (X, y)


def check_sizes(n_samples, n_tasks, layout):
    """Rows of each task, shape (n_tasks,)."""
    check_count("n_tasks", n_tasks)
    check_choice("layout", layout, LAYOUTS)
    sizes = np.asarray(n_samples)
    if sizes.dtype.kind not in "iu" or sizes.shape not in ((), (n_tasks,)) or sizes.min() < 1:
        raise ValueError(
            f"n_samples={n_samples!r} must be a positive integer, or one for each of the "
            f"{n_tasks} tasks."
        )
    if layout == "multi_output" and sizes.size > 1 and np.ptp(sizes):
        raise ValueError(
            f"n_samples={n_samples!r} differs between tasks, but tasks in the multi_output layout "
            "share the rows: give one number, or use layout='task_column'."
        )
    return np.broadcast_to(sizes, n_tasks)


def check_noise(noise, n_tasks):
    """Standard deviation of the noise of each task, shape (n_tasks,)."""
    scales = np.asarray(noise, dtype=np.float64)
    if scales.shape not in ((), (n_tasks,)) or not np.all((scales >= 0) & np.isfinite(scales)):
        raise ValueError(
            f"noise={noise!r} must be a nonnegative number, or one for each of the {n_tasks} tasks."
        )
    return np.broadcast_to(scales, n_tasks)


def draw_coefficients(
    rng, n_tasks, n_features, n_informative, structure, n_clusters, outlier_fraction, spread
):
    """Coefficients of a structure, shape (n_tasks, n_features)."""
    check_count("n_features", n_features)
    if n_informative is None:
        n_informative = max(1, n_features // 4)
    check_count("n_informative", n_informative, most=n_features)
    check_choice("structure", structure, STRUCTURES)
    check_count("n_clusters", n_clusters)
    check_nonnegative("outlier_fraction", outlier_fraction, most=1)
    check_nonnegative("spread", spread)

    support = rng.permutation(n_features)[:n_informative]
    own = rng.standard_normal((n_tasks, n_informative))
    coef = np.zeros((n_tasks, n_features))
    if structure == "shared_support":
        coef[:, support] = own
    elif structure == "drift":
        own[1:] *= spread  # the first task is where the walk starts
        coef[:, support] = own.cumsum(axis=0)
    else:
        n_centres = n_clusters if structure == "clusters" else 1
        centres = rng.standard_normal((n_centres, n_informative))
        coef[:, support] = centres[np.arange(n_tasks) % n_centres] + spread * own
    if structure == "outliers":
        n_outliers = round(outlier_fraction * n_tasks)
        coef[n_tasks - n_outliers :] = _unrelated(rng, n_outliers, n_features, n_informative)
    return coef


def _unrelated(rng, n_tasks, n_features, n_informative):
    supports = rng.random_sample((n_tasks, n_features)).argsort(axis=1)[:, :n_informative]
    coef = np.zeros((n_tasks, n_features))
    values = rng.standard_normal((n_tasks, n_informative))
    np.put_along_axis(coef, supports, values, axis=1)
    return coef


def draw_intercepts(rng, n_tasks, scale):
    """Intercepts of the tasks, shape (n_tasks,)."""
    check_nonnegative("intercept_scale", scale)
    return scale * rng.standard_normal(n_tasks)


def draw_features(rng, sizes, coef, intercept, correlation, layout):
    """Features, noiseless targets, and the tasks of the targets (an index that broadcasts)."""
    check_nonnegative("correlation", correlation)
    if correlation >= 1:
        raise ValueError(f"correlation={correlation!r} must be below 1: features would be equal.")
    n_tasks, n_features = coef.shape
    shared_rows = layout == "multi_output"
    n_rows = sizes[0] if shared_rows else sizes.sum()
    X = correlate(rng.standard_normal((n_rows, n_features)), correlation)
    if shared_rows:
        return X, X @ coef.T + intercept, np.arange(n_tasks)[np.newaxis]
    tasks = np.repeat(np.arange(n_tasks), sizes)
    return X, np.einsum("ij,ij->i", X, coef[tasks]) + intercept[tasks], tasks


def correlate(X, correlation):
    """Independent columns of variance one made into a stationary autoregression over columns."""
    innovation = np.sqrt(1 - correlation**2)
    X[:, 0] /= innovation  # so that the first column, too, has variance one
    return lfilter([innovation], [1, -correlation], X, axis=1)


def lay_out(rng, X, y, sizes, layout, shuffle):
    """The data in the layout asked for."""
    if layout == "multi_output":
        return X, y
    if layout == "lists":
        ends = np.cumsum(sizes)[:-1]
        return np.split(X, ends), np.split(y, ends)
    ids = np.repeat(np.arange(sizes.size, dtype=np.float64), sizes)
    X = np.column_stack([ids, X])
    if shuffle:
        order = rng.permutation(len(y))
        X, y = X[order], y[order]
    return X, y
