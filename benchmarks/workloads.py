"""The problems of the speed comparison: what they are called, and how they are made."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from gaps import alpha_max_own_rows
from scipy import sparse
from sklearn.preprocessing import StandardScaler

from skmtl import datasets

N_INFORMATIVE = 20
SIGNAL_TO_NOISE = 9.0  # ratio of variances

# name: (n_samples, n_features, n_tasks, alpha / alpha_max)
SHARED_ROWS = {
    "wide-sparse": (300, 5000, 20, 0.1),
    "wide": (300, 5000, 20, 0.02),
    "very-wide": (300, 20000, 50, 0.05),
    "square": (1000, 500, 50, 0.01),
    "tall": (5000, 300, 30, 0.01),
    "many-tasks": (2000, 100, 500, 0.01),
    "more-tasks-than-rows": (200, 1000, 1000, 0.05),
    "large": (1000, 5000, 20, 0.02),
    "few-tasks": (200, 5000, 3, 0.02),
    "large-support": (2000, 8000, 10, 0.02),
    "square-few-tasks": (2000, 2000, 5, 0.01),
}
SMALL = ("wide-sparse", "square", "tall", "few-tasks")
REAL_RATIOS = (0.1, 0.02)
# name: (n_tasks, rows of each, n_features), alpha / alpha_max
OWN_ROWS = {"thousand-tasks": ((1000, 1000, 100), 0.05)}
# name: the shared-rows problem whose path is cross-validated
PATHS = {f"path-{name}": name for name in ("wide-sparse", "square", "tall", "many-tasks")}
PATH_CORRELATION = 0.5
# name: (n_samples, n_features, n_tasks)
RIDGE = {"ridge-tall": (1000, 200, 1000), "ridge-wide": (200, 5000, 1000)}


@dataclass(frozen=True)
class Job:
    """One problem of one workload; `alpha_ratio` is alpha / alpha_max."""

    group: str
    name: str
    correlation: float | None = None
    alpha_ratio: float | None = None

    def __str__(self):
        parts = [self.name]
        if self.correlation is not None:
            parts.append(f"correlation {self.correlation:g}")
        if self.alpha_ratio is not None:
            parts.append(f"alpha/max {self.alpha_ratio:g}")
        return ", ".join(parts)


def all_jobs(correlations):
    """Every problem there is, group by group."""
    jobs = [
        Job("shared", name, correlation, SHARED_ROWS[name][-1])
        for name in SHARED_ROWS
        for correlation in correlations
    ]
    jobs += [Job("real", name, None, ratio) for name in REAL for ratio in REAL_RATIOS]
    jobs += [Job("paths", name, PATH_CORRELATION) for name in PATHS]
    jobs += [Job("own", name, None, ratio) for name in OWN_REAL for ratio in REAL_RATIOS]
    jobs += [Job("own", name, None, ratio) for name, (_, ratio) in OWN_ROWS.items()]
    return jobs + [Job("ridge", name) for name in RIDGE]


def correlated_rows(rng, n, p, correlation):
    """Standard normal columns (Fortran order); column j and k have correlation^|j - k|."""
    X = np.asfortranarray(rng.standard_normal((n, p)))
    for j in range(1, p):
        X[:, j] = correlation * X[:, j - 1] + np.sqrt(1 - correlation**2) * X[:, j]
    return X


def with_noise(rng, signal):
    scale = signal.std() / np.sqrt(SIGNAL_TO_NOISE)
    return signal + scale * rng.standard_normal(signal.shape)


def centred(values):
    return np.asfortranarray(values - values.mean(axis=0))


def shared_rows(n, p, n_tasks, correlation, seed=0):
    """Centred X and Y: 20 features with standard normal coefficients matter, whatever p is.

    The variance of the noise is a ninth of that of the signal.
    """
    rng = np.random.default_rng(seed)
    X = correlated_rows(rng, n, p, correlation)
    support = rng.choice(p, min(N_INFORMATIVE, p), replace=False)
    W = np.zeros((p, n_tasks))
    W[support] = rng.standard_normal((len(support), n_tasks))
    return centred(X), centred(with_noise(rng, X @ W))


def shared_problem(job):
    """X, Y and alpha of a job whose tasks share the rows."""
    if job.group == "shared":
        X, Y = shared_rows(*SHARED_ROWS[job.name][:-1], job.correlation)
    else:
        X, Y = REAL[job.name]()
    alpha_max = np.linalg.norm(X.T @ Y, axis=1).max() / X.shape[0]
    return X, Y, float(job.alpha_ratio * alpha_max)


def path_problem(job):
    """X and Y of a cross-validated path."""
    return shared_rows(*SHARED_ROWS[PATHS[job.name]][:-1], job.correlation)


def ridge_problem(job, seed=0):
    """X and Y where all features matter a little; half of the variance of Y is noise."""
    n, p, n_tasks = RIDGE[job.name]
    rng = np.random.default_rng(seed)
    X = correlated_rows(rng, n, p, 0.5)
    signal = X @ rng.standard_normal((p, n_tasks))
    return centred(X), centred(signal + signal.std() * rng.standard_normal(signal.shape))


def own_rows_problem(job):
    """X, y, ids (sorted) and alpha of a job whose tasks have rows of their own."""
    if job.name in OWN_ROWS:
        X, y, ids = generate_own_rows(*OWN_ROWS[job.name][0])
    else:
        X, y, ids = OWN_REAL[job.name]()
    for rows in task_slices(ids):  # in place: X may be large
        X[rows] -= X[rows].mean(axis=0)
        y[rows] -= y[rows].mean()
    tasks = [(X[rows], y[rows]) for rows in task_slices(ids)]
    return X, y, ids, float(job.alpha_ratio * alpha_max_own_rows(tasks))


def generate_own_rows(n_tasks, n, p, seed=0):
    """Tasks that share 20 features, each with coefficients of its own; made task by task."""
    rng = np.random.default_rng(seed)
    support = rng.choice(p, min(N_INFORMATIVE, p), replace=False)
    X, y = np.empty((n_tasks * n, p)), np.empty(n_tasks * n)
    ids = np.repeat(np.arange(n_tasks), n)
    for rows in task_slices(ids):
        X[rows] = correlated_rows(rng, n, p, 0.5)
        y[rows] = with_noise(rng, X[rows][:, support] @ rng.standard_normal(len(support)))
    return X, y, ids


def task_slices(ids):
    """The rows of each task, as slices; ids are sorted."""
    bounds = [0, *(np.flatnonzero(np.diff(ids)) + 1).tolist(), len(ids)]
    return [slice(first, last) for first, last in pairwise(bounds)]


def standardised(data):
    scale = StandardScaler().fit_transform
    return np.asfortranarray(scale(data.data)), np.asfortranarray(scale(data.target))


def newsgroups():
    """Which of four collections a document is from, by its words: sparse X, four targets."""
    data = datasets.fetch_newsgroups_pairs("comp.vs.sci")
    X = sparse.csc_matrix(data.data[:, 1:].log1p())
    collection = 2 * data.data[:, [0]].toarray().ravel().astype(int) + data.target
    return X, centred(np.eye(4)[collection])


def own_real(data):
    """Features standardised over all rows, ids sorted."""
    ids = data.data[:, 0].astype(int)
    order = np.argsort(ids, kind="stable")
    X = StandardScaler().fit_transform(data.data[order, 1:])
    return X, np.array(data.target[order], dtype=float), ids[order]


REAL = {
    "atp1d": lambda: standardised(datasets.fetch_mulan("atp1d")),
    "sarcos": lambda: standardised(datasets.fetch_sarcos()),
    "wq": lambda: standardised(datasets.fetch_mulan("wq")),
    "newsgroups": newsgroups,
}
OWN_REAL = {
    "school": lambda: own_real(datasets.fetch_school()),
    "parkinsons": lambda: own_real(datasets.fetch_parkinsons()),
}
