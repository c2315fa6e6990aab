"""Problems in every data layout, and objectives written a second time, from their formulas."""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy import sparse

OWN_ROWS = ["column", "vector", "absent", "csr_matrix", "csc_array"]
SHARED_ROWS = ["outputs", "outputs_nan", "outputs_csr_array", "outputs_csc_matrix"]
LAYOUTS = OWN_ROWS + SHARED_ROWS
LABELS = {"binary": (2,), "multinomial": (3,), "mixed": (2, 4, 3), "with a single one": (2, 1)}
SPARSE = {
    "csr_matrix": sparse.csr_matrix,
    "csc_matrix": sparse.csc_matrix,
    "csr_array": sparse.csr_array,
    "csc_array": sparse.csc_array,
}


@dataclass
class Case:
    """One problem twice: as `fit` reads it, and as a list of tasks (X, y, weights)."""

    X: object
    y: np.ndarray
    tasks: list
    init: dict = field(default_factory=dict)
    fit: dict = field(default_factory=dict)
    rows: list = None
    absent: dict = field(default_factory=dict)

    @property
    def n_features(self):
        return self.tasks[0][0].shape[1]

    @property
    def n_tasks(self):
        return len(self.tasks)

    @property
    def present(self):
        """(n_tasks, n_features): whether a task has a feature."""
        return np.array(
            [
                ~np.isin(np.arange(self.n_features), self.absent.get(t, []))
                for t in range(self.n_tasks)
            ]
        )

    def factors(self, task_weight=None):
        """The weight of every task, as the docstrings define it."""
        sizes = np.array([v.sum() for _, _, v in self.tasks])
        if task_weight is None:
            return np.ones(self.n_tasks)
        if isinstance(task_weight, str):
            return sizes.mean() / sizes
        if isinstance(task_weight, dict):
            return np.array([task_weight.get(t, 1.0) for t in range(self.n_tasks)])
        return np.asarray(task_weight, dtype=float)

    def weighted_tasks(self, task_weight=None):
        factors = self.factors(task_weight)
        return [(X, y, v * f) for (X, y, v), f in zip(self.tasks, factors, strict=True)]

    @property
    def n_bar(self):
        return sum(v.sum() for _, _, v in self.tasks) / self.n_tasks


def make_case(layout="column", weights=None, *, n_tasks=3, n=12, p=5, seed=0, noise=0.5):
    """A regression problem in one layout; `weights` is None, "rows" or "cells"."""
    rng = np.random.RandomState(seed)
    coef = rng.normal(size=(n_tasks, p)) * (rng.uniform(size=p) < 0.6)
    coef += 0.3 * rng.normal(size=coef.shape) * (coef != 0)
    intercept = 2.0 * rng.normal(size=n_tasks)
    if "outputs" in layout:
        return _shared_rows(layout, weights, rng, coef, intercept, n, noise)
    sizes = n + 3 * np.arange(n_tasks)
    codes = rng.permutation(np.repeat(np.arange(n_tasks), sizes))
    X = rng.normal(size=(len(codes), p)) * (1 + np.arange(p) / p) + 0.5
    if layout in SPARSE:
        X[rng.uniform(size=X.shape) < 0.5] = 0.0
    table = X.copy()
    absent = {1: [0], 2: [2]} if layout == "absent" else {}
    for task, features in absent.items():
        X[np.ix_(codes == task, features)] = 0.0
        table[np.ix_(codes == task, features)] = np.nan
    y = np.sum(X * coef[codes], axis=1) + intercept[codes] + noise * rng.normal(size=len(X))
    v = np.ones(len(y)) if weights is None else rng.uniform(0.2, 2.0, size=len(y))
    rows = [np.flatnonzero(codes == t) for t in range(n_tasks)]
    case = Case(table, y, [(X[r], y[r], v[r]) for r in rows], rows=rows, absent=absent)
    if weights is not None:
        case.fit["sample_weight"] = v
    if layout == "vector":
        case.fit["tasks"] = codes
        return case
    case.init["task_column"] = 0
    case.X = np.column_stack([codes, table])
    if layout in SPARSE:
        case.X = SPARSE[layout](case.X)
    return case


def _shared_rows(layout, weights, rng, coef, intercept, n, noise):
    n_tasks, p = coef.shape
    X = rng.normal(size=(n, p)) * (1 + np.arange(p) / p) + 0.5
    kind = layout.removeprefix("outputs_")
    if kind in SPARSE:
        X[rng.uniform(size=X.shape) < 0.5] = 0.0
    Y = X @ coef.T + intercept + noise * rng.normal(size=(n, n_tasks))
    v = np.ones((n, n_tasks))
    if weights == "rows":
        v *= rng.uniform(0.2, 2.0, size=(n, 1))
    if weights == "cells":
        v *= rng.uniform(0.2, 2.0, size=v.shape)
    if layout == "outputs_nan":
        Y[rng.uniform(size=Y.shape) < 0.25] = np.nan
    rows = [np.flatnonzero(~np.isnan(Y[:, t])) for t in range(n_tasks)]
    tasks = [(X[r], Y[r, t], v[r, t]) for t, r in enumerate(rows)]
    case = Case(SPARSE[kind](X) if kind in SPARSE else X, Y, tasks, rows=rows)
    if weights is not None:
        case.fit["sample_weight"] = v if weights == "cells" else v[:, 0]
    return case


def squared_loss(case, coef, intercept, task_weight=None):
    """1 / n_bar * sum_t sum_i v_ti w_t (y_ti - x_ti' w_t - b_t)^2 / 2."""
    total = 0.0
    for (X, y, v), w, b in zip(case.weighted_tasks(task_weight), coef, intercept, strict=True):
        total += np.sum(v * (y - X @ w - b) ** 2) / 2
    return total / case.n_bar


def norm_value(coef, parts):
    """Value of a penalty given as [(kind, alpha, factor), ...] with kinds L21, L1, SquaredL2."""
    total = 0.0
    for kind, alpha, factor in parts:
        column = {
            "L21": np.linalg.norm(coef, axis=0),
            "L1": np.abs(coef).sum(axis=0),
            "SquaredL2": (coef**2).sum(axis=0) / 2,
        }[kind]
        total += alpha * np.sum(column * (1.0 if factor is None else np.asarray(factor)))
    return total


def null_objective(case, parts, *, fit_intercept=True, task_weight=None):
    """The objective with all penalised coefficients at 0 and the free ones at their best."""
    strength = np.zeros(case.n_features)
    for _, alpha, factor in parts:
        strength += alpha * (1.0 if factor is None else np.asarray(factor))
    total = 0.0
    for X, y, v in case.weighted_tasks(task_weight):
        basis = X[:, strength == 0]
        if fit_intercept:
            basis = np.column_stack([basis, np.ones(len(y))])
        root = np.sqrt(v)
        best = np.linalg.lstsq(basis * root[:, None], y * root, rcond=None)[0]
        total += np.sum(v * (y - basis @ best) ** 2) / 2
    return total / case.n_bar


def ridge_by_normal_equations(X, y, v, alpha, *, fit_intercept=True):
    """argmin sum v (y - X w - b)^2 + alpha ||w||^2 as (w, b)."""
    p = X.shape[1]
    Z = np.column_stack([X, np.ones(len(y))]) if fit_intercept else X
    penalty = np.diag(np.r_[np.full(p, alpha), np.zeros(Z.shape[1] - p)])
    solved = np.linalg.solve(Z.T @ (v[:, None] * Z) + penalty, Z.T @ (v * y))
    return solved[:p], solved[p] if fit_intercept else 0.0


def feature_origin(case, task_weight=None):
    """Weighted mean of every feature over the rows of all tasks that have the feature."""
    total, weight = np.zeros(case.n_features), np.zeros(case.n_features)
    for (X, _, v), present in zip(case.weighted_tasks(task_weight), case.present, strict=True):
        total += v @ X
        weight += v.sum() * present
    return total / np.where(weight > 0, weight, 1.0)


class DenseMeanRidge:
    """MeanRegularizedRidge by the normal equations in all unknowns (m, c, d_t, e_t) at once."""

    def __init__(self, case, *, fit_intercept=True, task_weight=None):
        self.fit_intercept = fit_intercept
        self.n_tasks, self.p = case.n_tasks, case.n_features
        self.present = case.present
        self.origin = feature_origin(case, task_weight) if fit_intercept else np.zeros(self.p)
        parts = []
        for t, ((X, y, v), rows) in enumerate(
            zip(case.weighted_tasks(task_weight), case.rows, strict=True)
        ):
            Z = (X - self.origin) * case.present[t]
            Z = np.column_stack([Z, np.ones(len(y))]) if fit_intercept else Z
            wide = np.zeros((len(y), (1 + case.n_tasks) * Z.shape[1]))
            wide[:, : Z.shape[1]] = Z
            wide[:, (1 + t) * Z.shape[1] : (2 + t) * Z.shape[1]] = Z
            parts.append((wide, y, v, rows))
        self.Z, self.y, self.v, self.rows = (np.concatenate(a) for a in zip(*parts, strict=True))

    def solve(self, common, task, intercept, keep=slice(None)):
        """All unknowns, one row for m and one per task; the intercept, if any, is last."""
        mean, deviation = np.full(self.p, float(common)), np.full(self.p, float(task))
        if self.fit_intercept:
            mean, deviation = np.append(mean, 0.0), np.append(deviation, intercept)
        penalty = np.r_[mean, np.tile(deviation, self.n_tasks)]
        Z, y, v = self.Z[keep], self.y[keep], self.v[keep]
        solved = np.linalg.solve(Z.T @ (v[:, None] * Z) + np.diag(penalty), Z.T @ (v * y))
        return solved.reshape(1 + self.n_tasks, -1)

    def models(self, common, task, intercept):
        """coef, intercept, common coef, common intercept in the features' own origin."""
        solved = self.solve(common, task, intercept)
        mean, coef = solved[0], solved[1:] + solved[0]
        coef[:, : self.p] *= self.present
        if not self.fit_intercept:
            return coef, np.zeros(self.n_tasks), mean, 0.0
        return (
            coef[:, :-1],
            coef[:, -1] - coef[:, :-1] @ self.origin,
            mean[:-1],
            mean[-1] - mean[:-1] @ self.origin,
        )

    def leave_one_out(self, common, task, intercept):
        """Weighted mean squared error of rows that are left out, with all their outputs."""
        total = 0.0
        for row in np.unique(self.rows):
            out = self.rows == row
            solved = self.solve(common, task, intercept, keep=~out).ravel()
            total += np.sum(self.v[out] * (self.y[out] - self.Z[out] @ solved) ** 2)
        return total / self.v.sum()


def with_labels(case, counts=(2,)):
    """The case with labels 0, 1, ... for targets: task t has counts[t % len(counts)] of them."""
    tasks, y = [], np.array(case.y, dtype=float)
    for t, ((X, target, v), rows) in enumerate(zip(case.tasks, case.rows, strict=True)):
        shares = np.linspace(0, 1, counts[t % len(counts)] + 1)[1:-1]
        noisy = target + 2.0 * np.std(target) * np.random.RandomState(t).normal(size=len(target))
        labels = np.searchsorted(np.quantile(noisy, shares), noisy).astype(float)
        tasks.append((X, labels, v))
        y[(rows, t) if y.ndim == 2 else rows] = labels
    return replace(case, y=y, tasks=tasks)


def alone(n=80, p=6, n_labels=2, seed=0):
    """Features and labels of one task."""
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n, p))
    F = X @ rng.normal(size=(p, n_labels)) + rng.gumbel(size=(n, n_labels))
    return X, F.argmax(axis=1)


def alpha_max(case):
    """The largest row norm of the gradient at the best constant probabilities."""
    gradient = []
    for X, y, v in case.tasks:
        Y = np.eye(int(y.max()) + 1)[y.astype(int)]
        Y = Y[:, 1:] if Y.shape[1] == 2 else Y
        gradient.append(X.T @ (v[:, None] * (Y - v @ Y / v.sum())) / case.n_bar)
    return np.linalg.norm(np.hstack(gradient), axis=1).max()


def objective(problem, coef, intercept):
    """Squared loss and penalty of coefficients (n_features, n_tasks), from the rows."""
    total = 0.0
    for block in problem.data.blocks():
        error = block.Y - block.X @ coef[:, block.tasks] - intercept[block.tasks]
        total += 0.5 * np.sum(block.weights @ error**2)
    return total / problem.n_bar + problem.full_penalty.value(coef)
