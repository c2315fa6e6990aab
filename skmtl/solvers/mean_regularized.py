"""Ridge towards a common mean, w_t = m + d_t, in closed form with exact leave-one-out.

Minimises over m and d_t, with X_t centred by the mean of all rows and a constant column last,

    sum_t ||V_t^(1/2) (y_t - X_t (m + d_t))||^2 + sum_t d_t' D d_t + m' M m,

with D = diag(alpha_task, ..., alpha_task, alpha_intercept) and
M = diag(alpha_common, ..., alpha_common, 0). Every form has `solve` -> (coef, intercept, common)
and `leave_one_out` -> weighted squared errors of the rows, each for one triple (alpha_common,
alpha_task, alpha_intercept) from what was decomposed once.
"""

import numpy as np
from scipy import linalg, sparse

from skmtl.design import Design
from skmtl.solvers.closed_form import LARGEST_DENSE, RidgePath

STACK_ENTRIES = 50_000_000  # Gram matrices of all tasks up to 400 MB, or twice the size of X
ROW_CHUNK = 2048
BLOCK_CHUNK = 64
LEAST_SPARE = 1e-10  # smallest 1 - leverage that is more than rounding
NEGLIGIBLE = 1e-8  # stands, relative to the data, for a penalty of 0 that a form divides by


def make_form(data, *, fit_intercept):
    """The form that suits the shape of the data.

    Raises ValueError if features, tasks and rows are all too many for a dense matrix.
    """
    if data.shared_rows and data.weights.ndim == 1:
        return SharedRows(data, fit_intercept)
    side = data.n_features + 1
    groups = list(data.groups())
    n_cells = sum(len(weights) * len(tasks) for tasks, _, weights in groups)
    stack = len(groups) * side**2
    stack_fits = stack <= max(STACK_ENTRIES, 2 * data.X.shape[0] * side)
    if n_cells <= LARGEST_DENSE and (n_cells < side or not stack_fits):
        return KernelForm(data, fit_intercept)
    if stack_fits:
        return BlockWoodbury(data, fit_intercept)
    if n_cells <= 2 * LARGEST_DENSE:
        return KernelForm(data, fit_intercept)
    raise ValueError(
        f"{data.n_features} features, {data.n_tasks} tasks and {n_cells} rows are too many for a "
        "closed form: reduce the features first (for example keep_tasks(TruncatedSVD(500), "
        "task_column=...)), or use MultiTaskLasso."
    )


class SharedRows:
    """All tasks share rows and weights: the mean output and the deviations from it decouple.

    The mean over tasks is a ridge with penalty 1 / (1 / alpha_task + n_tasks / alpha_common), the
    deviations are ridges with penalty alpha_task. A row is left out with all its outputs: single
    cells would leak through the noise that the outputs of a row share.
    """

    def __init__(self, data, fit_intercept):
        (block,) = data.blocks()
        self.n_tasks = data.n_tasks
        mean = block.Y.mean(axis=1, keepdims=True)
        outputs = block._replace(Y=np.hstack([np.sqrt(self.n_tasks) * mean, block.Y - mean]))
        free = np.zeros(data.n_features, dtype=bool)
        self.design = Design(outputs, fit_intercept=fit_intercept, free=free)
        self.path = RidgePath(self.design)

    def _mean_penalty(self, common, task):
        return common * task / (common + self.n_tasks * task)

    def solve(self, common, task, intercept):
        alphas = np.full(self.n_tasks + 1, float(task))
        alphas[0] = self._mean_penalty(common, task)
        coef = self.path.coef(alphas)
        y_mean, weight = self.design.y_mean.copy(), self.design.weights.sum()
        y_mean[1:] *= weight / (weight + intercept)
        scale = np.sqrt(self.n_tasks)
        mean, mean_intercept = coef[:, 0] / scale, y_mean[0] / scale
        coef, y_mean = coef[:, 1:] + mean[:, None], y_mean[1:] + mean_intercept
        # The mean of the tasks is m plus the mean deviation: m's share is the larger, the
        # smaller its penalty.
        mean = mean * (self.n_tasks * task / (self.n_tasks * task + common))
        x_mean = self.design.x_mean
        return coef, y_mean - x_mean @ coef, (mean, mean_intercept - x_mean @ mean)

    def leave_one_out(self, common, task, intercept):
        mean = self.path.leave_rows_out(self._mean_penalty(common, task), slice(0, 1))
        deviations = self.path.leave_rows_out(task, slice(1, None), intercept_penalty=intercept)
        return mean[:, 0] + deviations.sum(axis=1)


class CentredForm:
    """What the forms for own rows share: the origin of the features, and the way back."""

    def __init__(self, data, fit_intercept):
        self.data = data
        self.fit_intercept = fit_intercept
        self.x_mean = overall_mean(data) if fit_intercept else np.zeros(data.n_features)
        self.scale = np.ones(data.n_features)
        absent = data.absent_features()
        # (n_features, n_tasks): 0 where a feature is absent from a task
        self.present = (
            np.ones((data.n_features, data.n_tasks)) if absent is None else 1.0 - absent.T
        )
        # Without any, the common intercept could not be told from the tasks' own.
        self.least_intercept = NEGLIGIBLE * data.task_sizes().mean()

    def _dense_rows(self, X, absent):
        """Centred rows with the constant column last; absent features stay 0."""
        return dense_rows(X, absent, self.x_mean, self.scale, self.fit_intercept)

    def _uncentre(self, coef, mean):
        """(coef, intercept, common) in the features' own origin, from augmented columns."""
        if not self.fit_intercept:
            scale = self.scale[:, None]
            return coef / scale, np.zeros(coef.shape[1]), (mean / self.scale, 0.0)
        slopes = coef[:-1] * self.present / self.scale[:, None]
        common = mean[:-1] / self.scale
        intercept = coef[-1] - self.x_mean @ slopes
        return slopes, intercept, (common, mean[-1] - self.x_mean @ common)


class BlockWoodbury(CentredForm):
    """Gram matrices per block; deviations are eliminated task by task.

        A_t = (G_t + D)^-1,  m = (M + sum_t D A_t G_t)^-1 sum_t D A_t g_t,  d_t = A_t (g_t - G_t m)

    The cost is linear in the number of tasks. Leaving out row x of task t with weight v, for
    u = D A_t x and C the inverse in m:  leverage = v (x' A_t x + u' C u).
    """

    def __init__(self, data, fit_intercept):
        super().__init__(data, fit_intercept)
        # Features on one scale, and penalties with them: nothing is lost to a huge one.
        scale = np.sqrt(overall_variance(data, self.x_mean))
        self.scale = np.where(scale > 0, scale, 1.0)
        side = data.n_features + bool(fit_intercept)
        self.tasks = [tasks for tasks, _, _ in data.groups()]
        self.grams, self.crosses = np.empty((len(self.tasks), side, side)), []
        for gram, block in zip(self.grams, data.blocks(), strict=True):
            gram[:], cross = self._statistics(block)
            self.crosses.append(cross)
        self.n_block_tasks = np.array([len(tasks) for tasks in self.tasks], dtype=float)

    def _statistics(self, block):
        if not sparse.issparse(block.X):
            rows = self._dense_rows(block.X, block.absent)
            weighted = rows * block.weights[:, None]
            return rows.T @ weighted, weighted.T @ block.Y
        X = sparse.csr_array(block.X.multiply(1.0 / self.scale), dtype=np.float64)
        weighted = sparse.csr_array(X.multiply(block.weights[:, None]))
        gram, cross = (X.T @ weighted).toarray(), weighted.T @ block.Y
        if not self.fit_intercept:
            return gram, cross
        # P [X, 1] is the centred table: the statistics move with P on both sides.
        sums = np.asarray(weighted.sum(axis=0)).ravel()
        total = block.weights.sum()
        gram = np.block([[gram, sums[:, None]], [sums[None, :], total]])
        cross = np.vstack([cross, block.weights @ block.Y])
        x_mean = self.x_mean / self.scale
        gram[:-1] -= x_mean[:, None] * gram[-1]
        gram[:, :-1] -= gram[:, -1:] * x_mean
        cross[:-1] -= x_mean[:, None] * cross[-1]
        return gram, cross

    def _eliminate(self, common, task, intercept):
        """A_t of every block, D, the mean m and the inverse C of its system."""
        side = self.grams.shape[1]
        deviation, mean = task / self.scale**2, common / self.scale**2
        if self.fit_intercept:
            deviation = np.append(deviation, max(intercept, self.least_intercept))
            mean = np.append(mean, 0.0)
        inverses = np.empty_like(self.grams)
        system = np.zeros((side, side))
        index = np.arange(side)
        for chunk in chunks(len(self.grams), BLOCK_CHUNK):
            grams = self.grams[chunk]
            matrices = grams.copy()
            diagonals = matrices[:, index, index]
            rounding = 10.0 * side * np.finfo(float).eps * diagonals
            matrices[:, index, index] += np.maximum(deviation, rounding)
            inverses[chunk] = np.linalg.inv(matrices)
            # A_t is symmetric, so sum_t A_t G_t is one product of the stacked matrices.
            stacked = (inverses[chunk] * self.n_block_tasks[chunk, None, None]).reshape(-1, side)
            system += deviation[:, None] * (stacked.T @ grams.reshape(-1, side))
        system = 0.5 * (system + system.T) + np.diag(mean)
        right = sum(
            inverse @ cross.sum(axis=1)
            for inverse, cross in zip(inverses, self.crosses, strict=True)
        )
        covariance = inverse_or_pseudo(system)
        return inverses, deviation, covariance @ (deviation * right), covariance

    def _coef(self, inverses, mean):
        coef = np.empty((len(mean), self.data.n_tasks))
        for gram, cross, inverse, tasks in zip(
            self.grams, self.crosses, inverses, self.tasks, strict=True
        ):
            coef[:, tasks] = mean[:, None] + inverse @ (cross - (gram @ mean)[:, None])
        return coef

    def solve(self, common, task, intercept):
        inverses, _, mean, _ = self._eliminate(common, task, intercept)
        return self._uncentre(self._coef(inverses, mean), mean)

    def leave_one_out(self, common, task, intercept):
        inverses, deviation, mean, covariance = self._eliminate(common, task, intercept)
        coef = self._coef(inverses, mean)
        if self.data.shared_rows:
            return self._leave_whole_rows_out(inverses, deviation, covariance, coef)
        squares = []
        for block, inverse in zip(self.data.blocks(), inverses, strict=True):
            for chunk in chunks(len(block.weights)):
                X, v = self._dense_rows(block.X[chunk], block.absent), block.weights[chunk]
                moved = X @ inverse
                left = moved * deviation
                leverage = v * (row_dots(moved, X) + row_dots(left @ covariance, left))
                error = block.Y[chunk, 0] - X @ coef[:, block.tasks[0]]
                squares.append(v * (error / np.maximum(1.0 - leverage, LEAST_SPARE)) ** 2)
        return np.concatenate(squares)

    def _leave_whole_rows_out(self, inverses, deviation, covariance, coef):
        """Rows that carry several outputs: (I - H_ii) e_loo = e with a block per row.

        Left-out errors are means of what the row's own outputs did to the fit; the block of row
        x between tasks s and t is v^(1/2) ([s = t] x' A_s x + u_s' C u_t) v^(1/2).
        """
        data, squares = self.data, []
        roots = root_of(covariance)
        weights = data.weights if data.weights.ndim == 2 else data.weights[:, None]
        weights = np.broadcast_to(weights, data.y.shape)
        absent = self.present == 0
        for chunk in chunks(len(data.y), max(1, ROW_CHUNK // data.n_tasks)):
            root = np.sqrt(weights[chunk])
            own = np.zeros(root.shape)
            reach = np.zeros((*root.shape, len(deviation)))
            error = np.empty(root.shape)
            features = data.X[chunk]
            for inverse, tasks in zip(inverses, self.tasks, strict=True):
                X = self._dense_rows(features, absent[:, tasks[0]])
                X = np.where(np.isnan(X), 0.0, X)
                moved = X @ inverse
                own[:, tasks] = row_dots(moved, X)[:, None]
                reach[:, tasks] = ((moved * deviation) @ roots)[:, None, :]
                error[:, tasks] = data.y[chunk][:, tasks] - X @ coef[:, tasks]
            reach *= root[:, :, None]
            hat = reach @ reach.transpose(0, 2, 1)
            system = np.eye(data.n_tasks) - hat
            index = np.arange(data.n_tasks)
            system[:, index, index] -= own * root**2
            left_out = np.linalg.solve(system, (error * root)[:, :, None])
            squares.append(np.sum(left_out**2, axis=(1, 2)))
        return np.concatenate(squares)


class KernelForm(CentredForm):
    """One n x n matrix over all rows, for more features than rows.

    The covariance of the targets is K = X X' o (1 / alpha_common + same / alpha_task)
    + same / alpha_intercept + I, with `same` 1 for rows of one task; the intercept of m is free.
    """

    def __init__(self, data, fit_intercept):
        super().__init__(data, fit_intercept)
        rows, codes, roots, targets = [], [], [], []
        table = np.arange(data.X.shape[0])
        for block in data.blocks():
            for k, task in enumerate(block.tasks):
                rows.append(table[block.rows])
                codes.append(np.full(len(block.weights), task))
                roots.append(np.sqrt(block.weights))
                targets.append(block.Y[:, k])
        self.rows, self.codes = np.concatenate(rows), np.concatenate(codes)
        self.root, y = np.concatenate(roots), np.concatenate(targets)
        self.y = y * self.root
        self.kernel = self._kernel()
        self.same = self.codes[:, None] == self.codes

    def _kernel(self):
        """Inner products of the centred, weighted rows."""
        X = self.data.X[self.rows]
        if sparse.issparse(X):
            kernel, moved = (X @ X.T).toarray(), X @ self.x_mean
            kernel -= moved[:, None] + moved - self.x_mean @ self.x_mean
        else:
            centred = np.subtract(X, self.x_mean, dtype=np.float64)
            centred[np.isnan(centred)] = 0.0
            centred *= self.present.T[self.codes]
            kernel = centred @ centred.T
        return kernel * self.root[:, None] * self.root

    def _inverse(self, common, task, intercept):
        """Inverse covariance of the weighted targets, before and after the free intercept."""
        scale = max(np.trace(self.kernel) / len(self.kernel), np.finfo(float).tiny)
        common = max(common, NEGLIGIBLE * scale)
        covariance = self.kernel * (1.0 / common + self.same / task)
        if self.fit_intercept:
            shift = self.same / max(intercept, self.least_intercept)
            covariance += shift * self.root[:, None] * self.root
        covariance[np.diag_indices_from(covariance)] += 1.0
        inverse = inverse_or_pseudo(covariance)
        if not self.fit_intercept:
            return inverse, 0.0
        pull = inverse @ self.root
        weight = self.root @ pull
        free = (pull @ self.y) / weight
        return inverse - np.outer(pull, pull / weight), free

    def solve(self, common, task, intercept):
        inverse, free = self._inverse(common, task, intercept)
        dual = (inverse @ self.y) * self.root
        members = sparse.csr_array(
            (dual, (np.arange(len(dual)), self.codes)), shape=(len(dual), self.data.n_tasks)
        )
        per_task = self._features_times(members)
        scale = max(np.trace(self.kernel) / len(self.kernel), np.finfo(float).tiny)
        mean = per_task.sum(axis=1) / max(common, NEGLIGIBLE * scale)
        coef = mean[:, None] + per_task / task
        if self.fit_intercept:
            sums = np.bincount(self.codes, dual, minlength=self.data.n_tasks)
            offsets = free + sums / max(intercept, self.least_intercept)
            coef, mean = np.vstack([coef, offsets]), np.append(mean, free)
        return self._uncentre(coef, mean)

    def _features_times(self, members):
        """Centred features' weighted sums per task, (n_features, n_tasks)."""
        X = self.data.X[self.rows]
        sums = np.asarray(members.sum(axis=0)).ravel()
        if not sparse.issparse(X):
            X = np.where(np.isnan(X), 0.0, X)
            products = (members.T @ X).T
        else:
            products = (X.T @ members).toarray()
        return (products - self.x_mean[:, None] * sums) * self.present

    def leave_one_out(self, common, task, intercept):
        inverse, _ = self._inverse(common, task, intercept)
        pulled = inverse @ self.y
        if not self.data.shared_rows:
            own = np.diag(inverse)
            return np.divide(pulled, own, out=np.zeros_like(pulled), where=own > 0) ** 2
        order = np.argsort(self.rows, kind="stable")
        bounds = np.flatnonzero(np.diff(self.rows[order])) + 1
        squares = []
        for cells in np.split(order, bounds):
            left_out = solve_or_least(inverse[np.ix_(cells, cells)], pulled[cells])
            squares.append(np.sum(left_out**2))
        return np.array(squares)


def dense_rows(X, absent, x_mean, scale, fit_intercept):
    """(X - x_mean) / scale, dense, with a constant column last; absent features stay 0."""
    X = X.toarray() if sparse.issparse(X) else X
    centred = np.subtract(X, np.where(absent, 0.0, x_mean), dtype=np.float64)
    centred /= scale
    return np.hstack([centred, np.ones((len(centred), 1))]) if fit_intercept else centred


def overall_mean(data):
    """Weighted mean of every feature over the rows of the tasks that have it."""
    total, weight = np.zeros(data.n_features), np.zeros(data.n_features)
    for block in data.blocks():
        sums = np.asarray(block.X.T @ block.weights, dtype=np.float64).ravel()
        total += len(block.tasks) * sums
        weight += len(block.tasks) * block.weights.sum() * ~block.absent
    return np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)


def overall_variance(data, x_mean):
    """Weighted mean square of every feature about x_mean over the tasks that have it."""
    total, weight = np.zeros(data.n_features), np.zeros(data.n_features)
    for block in data.blocks():
        if sparse.issparse(block.X):
            X = block.X.astype(np.float64)
            squares = np.asarray(X.multiply(X).T @ block.weights).ravel()
            sums, mass = np.asarray(X.T @ block.weights).ravel(), block.weights.sum()
            squares = np.maximum(squares - 2.0 * x_mean * sums + x_mean**2 * mass, 0.0)
        else:
            centred = np.subtract(block.X, x_mean, dtype=np.float64)
            squares = block.weights @ centred**2
        total += len(block.tasks) * squares * ~block.absent
        weight += len(block.tasks) * block.weights.sum() * ~block.absent
    return np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)


def inverse_or_pseudo(matrix):
    """Inverse of a positive definite matrix; the pseudo-inverse of a singular one."""
    try:
        factor = linalg.cho_factor(matrix, lower=True, check_finite=False)
    except linalg.LinAlgError:
        return linalg.pinvh(matrix)
    return linalg.cho_solve(factor, np.eye(len(matrix)), overwrite_b=True, check_finite=False)


def solve_or_least(matrix, right):
    """Solution of a system, the one of least norm if it is singular (no other row is left)."""
    try:
        return np.linalg.solve(matrix, right)
    except np.linalg.LinAlgError:
        return np.linalg.lstsq(matrix, right, rcond=None)[0]


def root_of(matrix):
    """R with R R' = matrix, for a positive semidefinite matrix."""
    try:
        return np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(matrix)
        return vectors * np.sqrt(np.maximum(values, 0.0))


def row_dots(A, B):
    return np.einsum("ij,ij->i", A, B)


def chunks(n_rows, size=ROW_CHUNK):
    """Slices of at most `size` rows."""
    return [slice(start, start + size) for start in range(0, n_rows, size)]
