"""Data of all tasks in the coordinates of the hierarchical model, and models back.

Features and targets are centred and scaled by all rows together (never task by task: that would
destroy what tasks share), with the constant column last.
"""

from dataclasses import asdict, dataclass

import numpy as np

from skmtl.solvers.mean_regularized import chunks, dense_rows, overall_mean, overall_variance
from skmtl.solvers.random_coefficients import CompressedTasks, compress, stack_tasks

CONSTANT = 1e-12  # deviation over mean of what varies only by rounding
ROW_ENTRIES = 2**20  # of a temporary table
LARGEST_TABLE = 50_000_000  # entries of the compressed rows, 400 MB
LARGEST_MATRIX = 6000  # the side of the largest matrix that is factorised at every step
ROUNDING = 1e-14


@dataclass
class Standardisation:
    """Centres and scales of features and targets, of all rows of all tasks together.

    The scale of a constant feature is infinite: it becomes 0. The others have each their own or,
    unless they are to be on one scale, the root of their mean variance.
    """

    x_mean: np.ndarray
    x_scale: np.ndarray
    y_mean: float
    y_scale: float
    fit_intercept: bool

    @classmethod
    def of(cls, data, *, fit_intercept, standardize):
        """Of a TaskData."""
        with np.errstate(over="ignore", invalid="ignore"):
            x_mean = overall_mean(data) if fit_intercept else np.zeros(data.n_features)
            variance, total = overall_variance(data, x_mean), data.task_sizes().sum()
            y_mean = sum(np.sum(block.weights @ block.Y) for block in data.blocks()) / total
            y_mean = y_mean if fit_intercept else 0.0
            deviations = ((block.weights, (block.Y - y_mean) ** 2) for block in data.blocks())
            squares = sum(np.sum(weights @ values) for weights, values in deviations)
        for name, values in (("X", variance), ("y", squares)):
            if not np.isfinite(values).all():
                raise ValueError(f"the scale of {name} exceeds the range of float64: reduce it.")
        x_scale = deviation(variance, x_mean, constant=np.inf)
        varies = np.isfinite(x_scale)
        if not standardize and varies.any():
            x_scale[varies] = np.sqrt(variance[varies].mean())
        y_scale = deviation(squares / total, y_mean, constant=1.0)
        return cls(x_mean, x_scale, float(y_mean), float(y_scale), bool(fit_intercept))

    @property
    def n_coef(self):
        return len(self.x_mean) + self.fit_intercept

    def state(self):
        return asdict(self)

    def rows(self, X, absent):
        """Dense standardised rows with the constant column last; absent features are 0."""
        rows = dense_rows(X, absent, self.x_mean, self.x_scale, self.fit_intercept)
        rows[:, np.flatnonzero(absent)] = 0.0
        return rows

    def pieces(self, X, absent):
        """(rows, those of X standardised), a part of a large X at a time."""
        for rows in chunks(X.shape[0], max(4 * self.n_coef, ROW_ENTRIES // self.n_coef)):
            yield rows, self.rows(X[rows], absent)

    def targets(self, y):
        return (y - self.y_mean) / self.y_scale

    def models(self, coef):
        """(coef (..., n_features), intercept) in the units of the data."""
        slopes = coef[..., : len(self.x_mean)] / self.x_scale * self.y_scale
        constant = coef[..., -1] if self.fit_intercept else 0.0
        return slopes, self.y_mean + self.y_scale * constant - slopes @ self.x_mean


def deviation(variance, mean, *, constant):
    """Root of a variance; `constant` where that is 0 but for rounding."""
    varies = variance > (CONSTANT * mean) ** 2
    return np.where(varies, np.sqrt(np.where(varies, variance, 1.0)), constant)


def compress_tasks(data, standard):
    """`CompressedTasks` of standardised data.

    Raises ValueError where they would be too large for the factorisations of every step.
    """
    n_coef = standard.n_coef
    sizes = [(min(len(weights), n_coef), len(tasks)) for tasks, _, weights in data.groups()]
    n_rows = sum(rows * n_tasks for rows, n_tasks in sizes)
    if n_rows * n_coef > max(LARGEST_TABLE, 2 * data.X.shape[0] * data.n_features) or (
        min(n_rows, n_coef) > LARGEST_MATRIX
    ):
        raise ValueError(
            f"{data.n_features} features are too many for closed forms with {data.n_tasks} tasks "
            f"and {data.X.shape[0]} rows: reduce them first (for example keep_tasks("
            "TruncatedSVD(500), task_column=...)), or use MultiTaskLassoCV."
        )
    parts, rest = [], np.zeros(data.n_tasks)
    for block in data.blocks():
        root = np.sqrt(block.weights)[:, None]
        Y = root * standard.targets(block.Y)
        pieces = ((root[r] * X, Y[r]) for r, X in standard.pieces(block.X, block.absent))
        X, Y, rest[block.tasks] = compress(pieces, n_coef, len(block.tasks))
        parts.append((block.tasks, X, Y))
    return CompressedTasks(stack_tasks(parts, n_coef), rest, data.task_sizes())


def leave_one_out(data, standard, fitted):
    """Prediction of every row by the model of all others, given the hyperparameters.

    Shaped as the targets of the data, with NaN for rows of one task without a weight. Rows that
    carry several outputs are left out whole: single cells would leak through the noise that a row
    shares.
    """
    errors = whole_row_errors if data.shared_rows else single_row_errors
    return data.y - errors(data, standard, fitted) * standard.y_scale


def single_row_errors(data, standard, fitted):
    """Errors of rows left out, e / (1 - leverage), where each belongs to one task."""
    errors = np.full(data.y.shape, np.nan)
    for block in data.blocks():
        (task,) = block.tasks
        error = standard.targets(block.Y[:, 0])
        for rows, X in standard.pieces(block.X, block.absent):
            A = fitted.whiten(X)
            precision = block.weights[rows] / fitted.noise[task]
            spare = 1.0 - precision * fitted.variance(A, task)
            error[rows] -= A @ fitted.white_coef[task]
            error[rows] /= np.maximum(spare, least_spare(A, precision))
        errors[block.rows] = error
    return errors


def whole_row_errors(data, standard, fitted):
    """Errors of rows left out with all outputs: a system between the outputs of each row.

    (I - (diag(a) + U C U') P) e_loo = e, with the precisions P of the cells, 0 for missing ones.
    """
    weights = data.weights if data.weights.ndim == 2 else data.weights[:, None]
    weights = np.broadcast_to(weights, data.y.shape)
    targets = standard.targets(data.y)
    absent = data.absent_features()
    absent = np.zeros((data.n_tasks, data.n_features), bool) if absent is None else absent
    errors = np.empty(data.y.shape)
    index = np.arange(data.n_tasks)
    for rows in chunks(len(targets), max(1, ROW_ENTRIES // (data.n_tasks * standard.n_coef))):
        precision = weights[rows] / fitted.noise
        own, least = np.zeros(precision.shape), np.zeros(precision.shape)
        reach = np.zeros((*precision.shape, standard.n_coef))
        for task in index:
            X = standard.rows(data.X[rows], absent[task])
            A = fitted.whiten(np.where(np.isnan(X), 0.0, X))
            own[:, task], reach[:, task] = fitted.uncertainty(A, task)
            least[:, task] = least_spare(A, precision[:, task])
            errors[rows, task] = targets[rows, task] - A @ fitted.white_coef[task]
        covariance = fitted.mean.apply(reach) @ reach.transpose(0, 2, 1)
        covariance[:, index, index] += own
        system = -covariance * precision[:, None, :]
        system[:, index, index] += 1.0 + least
        errors[rows] = np.linalg.solve(system, errors[rows][:, :, None])[:, :, 0]
    return errors


def least_spare(A, precision):
    """Smallest 1 - leverage that is more than rounding: it is a difference of such terms."""
    return ROUNDING * (100.0 + precision * np.sum(A**2, axis=1))
