"""Rows with labels of many tasks, as stacks of arrays: scores, losses, gradients, curvatures.

A task has the labels 0, ..., K - 1 and coefficients W (n_columns, n_inputs); the scores of a row
x are Q W x, with Q (K, n_columns) the *contrasts* of the task, and its probabilities their
softmax. One column with the contrasts (0, 1) is the logistic model; for more labels Q has the rows
of a matrix of orthonormal contrasts between all labels of all tasks.
"""

from typing import NamedTuple

import numpy as np

from skmtl.losses import MultinomialLoss
from skmtl.solvers.hierarchical import LARGEST_MATRIX, LARGEST_TABLE
from skmtl.solvers.random_coefficients import CompressedTasks, Stack

LOSS = MultinomialLoss()
CHUNK_ENTRIES = 2**20  # of the largest temporary table of a stack
JITTER = 1e-12  # of a curvature's mean: where there is none, a Cholesky factor needs some


class LabelStack(NamedTuple):
    """Tasks with as many labels, padded by rows of weight 0 to as many rows.

    tasks (n_stacked,), X (n_stacked or, for shared rows, 1, n_rows, n_inputs), y one-hot
    (n_stacked, n_rows, K), weights (n_stacked, n_rows), contrasts (n_stacked, K, n_columns).
    """

    tasks: np.ndarray
    X: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    contrasts: np.ndarray

    def columns(self, coef):
        """W x of every row, (n_stacked, n_rows, n_columns), for flat coefficients of all tasks."""
        coef = coef[self.tasks].reshape(len(self.tasks), -1, self.X.shape[2])
        return self.X @ coef.transpose(0, 2, 1)

    def scores(self, columns):
        return columns @ self.contrasts.transpose(0, 2, 1)

    def loss(self, columns):
        """Sum of the weighted negative log-likelihoods."""
        values = LOSS.value(self.y, self.scores(columns))[..., 0]
        return float(np.einsum("bn,bn->", self.weights, values))

    def pull_back(self, by_score):
        """Derivatives by the scores as those by the coefficients, (n_stacked, n_coef)."""
        by_column = (self.weights[:, :, None] * by_score) @ self.contrasts
        return (by_column.transpose(0, 2, 1) @ self.X).reshape(len(self.tasks), -1)

    def gradient(self, columns):
        return self.pull_back(LOSS.gradient(self.y, self.scores(columns)))

    def root(self, columns):
        """Rows B, at most n_coef a task, with B'B the second derivatives of its loss."""
        p = LOSS.probabilities(self.scores(columns))
        n_coef = self.contrasts.shape[2] * self.X.shape[2]
        if p.shape[1] * (p.shape[2] - 1) <= n_coef:
            return self._rows(p)
        gram = self._gram(p)
        index = np.arange(n_coef)
        level = np.einsum("bii->b", gram) / n_coef
        gram[:, index, index] += JITTER * (1.0 + level[:, None])
        return np.linalg.cholesky(gram).transpose(0, 2, 1)

    def _gram(self, p):
        n_stacked, _, n_columns = self.contrasts.shape
        n_inputs = self.X.shape[2]
        mean = p @ self.contrasts
        X_t = self.X.transpose(0, 2, 1)
        gram = np.empty((n_stacked, n_columns, n_inputs, n_columns, n_inputs))
        # Sums of squares, as p - p^2 cancels where a label is certain.
        centred = self.contrasts[:, None] - mean[:, :, None]
        for a in range(n_columns):
            for b in range(a + 1):
                bend = np.einsum("bnk,bnk,bnk->bn", p, centred[..., a], centred[..., b])
                block = X_t @ ((self.weights * bend)[:, :, None] * self.X)
                gram[:, a, :, b] = gram[:, b, :, a] = block
        return gram.reshape(n_stacked, n_columns * n_inputs, -1)

    def _rows(self, p):
        """Each label against the later ones: one row less than labels.

        diag(p) - p p' = sum_k (p_k tail_k / (p_k + tail_k)) l_k l_k', with tail_k the sum of the
        later p_j, and l_k = e_k - sum_{j > k} (p_j / tail_k) e_j.
        """
        n_stacked, n_rows, K = p.shape
        later = p[:, :, :, None] * self.contrasts[:, None]
        tail = np.cumsum(p[:, :, ::-1], axis=2)[:, :, ::-1]
        later = np.cumsum(later[:, :, ::-1], axis=2)[:, :, ::-1]
        here, after = tail[:, :, :-1], tail[:, :, 1:]
        tiny = np.finfo(float).tiny
        direction = (
            self.contrasts[:, None, :-1] - later[:, :, 1:] / np.maximum(after, tiny)[..., None]
        )
        size = self.weights[:, :, None] * p[:, :, :-1] * after / np.maximum(here, tiny)
        direction *= np.sqrt(size)[..., None]
        rows = direction[..., None] * self.X[:, :, None, None, :]
        return rows.reshape(n_stacked, n_rows * (K - 1), -1)

    def bend_of_curvature(self, columns, covariances):
        """Derivative of log det B'B + ... by the coefficients, given covariances of the columns.

        Of tr(Sigma_i (diag(p_i) - p_i p_i')) by the scores of row i, Sigma_i held fixed:
        (diag(p) - p p') (diag(Sigma) - 2 Sigma p).
        """
        p = LOSS.probabilities(self.scores(columns))
        spread = covariances @ (p @ self.contrasts)[..., None]
        inner = np.einsum("bka,bnac,bkc->bnk", self.contrasts, covariances, self.contrasts)
        inner -= 2.0 * self.scores(spread[..., 0])
        return self.pull_back(p * (inner - np.sum(p * inner, axis=2, keepdims=True)))


class LabelledTasks(NamedTuple):
    """The likelihood: stacks of tasks with labels; some tasks may be in none."""

    stacks: list
    n_tasks: int
    n_coef: int

    @property
    def says_something(self):
        return any(stack.weights.any() for stack in self.stacks)

    def columns(self, coef):
        return [stack.columns(coef) for stack in self.stacks]

    def loss(self, columns):
        return sum(stack.loss(z) for stack, z in zip(self.stacks, columns, strict=True))

    def sum_of(self, method, *arguments):
        """(n_tasks, n_coef) from a method of the stacks, 0 for tasks in none."""
        out = np.zeros((self.n_tasks, self.n_coef))
        for stack, *own in zip(self.stacks, *arguments, strict=True):
            out[stack.tasks] = getattr(stack, method)(*own)
        return out

    def compressed(self, columns):
        """The rows B_t as `CompressedTasks` without targets."""
        stacks = []
        for stack, z in zip(self.stacks, columns, strict=True):
            rows = stack.root(z)
            stacks.append(Stack(stack.tasks, rows, np.zeros(rows.shape[:2])))
        nothing = np.zeros(self.n_tasks)
        return CompressedTasks(stacks, nothing, nothing)


def read_tasks(data, own, standard, contrasts):
    """`LabelledTasks` of standardised data, from the mask (n_tasks, n_classes) of labels of tasks.

    Raises ValueError where the second derivatives would be too large for every step.
    """
    n_coef = standard.n_coef * max(Q.shape[1] for Q in contrasts)
    spare = np.maximum(own.sum(axis=1) - 1, 0)
    n_rows = sum(
        np.minimum(len(weights) * spare[tasks], n_coef).sum() for tasks, _, weights in data.groups()
    )
    if n_rows * n_coef > max(LARGEST_TABLE, 2 * data.X.shape[0] * data.n_features) or (
        min(n_rows, n_coef) > LARGEST_MATRIX
    ):
        raise ValueError(
            f"{data.n_features} features are too many for {data.n_tasks} tasks with {own.shape[1]} "
            f"classes and {data.X.shape[0]} rows: reduce them first (for example keep_tasks("
            "TruncatedSVD(500), task_column=...)), or use MultiTaskLogisticRegressionCV."
        )
    position = np.cumsum(own, axis=1) - 1
    parts = []
    for block in data.blocks():
        X = standard.rows(block.X, block.absent)
        labels = position[block.tasks, block.Y.astype(int)]
        parts.append((block.tasks, X, labels, block.weights))
    stacks = stack_labels(parts, contrasts)
    stacks = stacks or [empty_stack(standard.n_coef, n_coef // standard.n_coef)]
    return LabelledTasks(stacks, data.n_tasks, n_coef)


def stack_labels(parts, contrasts):
    """Stacks from [(tasks, X (n_rows, n_inputs), labels (n_rows, n_tasks), weights (n_rows,))].

    `contrasts` are those of every task; a task with less than two labels has no part in the
    likelihood and is left out. Several tasks of a part share its rows.
    """
    singles, stacks = {}, []
    for tasks, X, labels, weights in parts:
        for K in {len(contrasts[task]) for task in tasks} - {0, 1}:
            chosen = np.flatnonzero([len(contrasts[task]) == K for task in tasks])
            if len(tasks) == 1:
                singles.setdefault(K, []).append((tasks[0], X, labels[:, 0], weights))
                continue
            for few in chunks_of(chosen, cost(X, K, contrasts[tasks[chosen[0]]].shape[1])):
                Q = np.stack([contrasts[task] for task in tasks[few]])
                y = one_hot(labels[:, few].T, K)
                repeated = np.broadcast_to(weights, y.shape[:2])
                stacks.append(LabelStack(tasks[few], X[None], y, repeated, Q))
    for K, tasks in singles.items():
        tasks.sort(key=lambda single: len(single[1]))  # few rows are padded then
        while tasks:
            widths = [cost(X, K, contrasts[task].shape[1]) for task, X, _, _ in tasks]
            fit = (np.arange(len(tasks)) + 1) * np.array(widths) <= CHUNK_ENTRIES
            count = max(1, np.flatnonzero(fit).max(initial=-1) + 1)
            stacks.append(padded(tasks[:count], K, contrasts))
            tasks = tasks[count:]
    return stacks


def empty_stack(n_inputs, n_columns):
    """A row without weight, for a likelihood that says nothing."""
    y, contrasts = np.zeros((1, 1, 2)), np.zeros((1, 2, n_columns))
    X, weights = np.zeros((1, 1, n_inputs)), np.zeros((1, 1))
    return LabelStack(np.zeros(1, dtype=int), X, y, weights, contrasts)


def cost(X, K, n_columns):
    """Entries of the largest table of a task: its rows, or what is left of them."""
    n_rows, n_inputs = X.shape
    n_coef = n_inputs * n_columns
    return max(n_rows * n_inputs, min(n_rows * (K - 1), n_coef) * n_coef, 1)


def chunks_of(items, entries):
    size = max(1, CHUNK_ENTRIES // entries)
    return [items[start : start + size] for start in range(0, len(items), size)]


def padded(singles, K, contrasts):
    """A stack of tasks with rows of their own, the last of which has the most."""
    most, n_inputs = singles[-1][1].shape
    X = np.zeros((len(singles), most, n_inputs))
    labels = np.zeros((len(singles), most), dtype=int)
    weights = np.zeros((len(singles), most))
    for k, (_, rows, own, sizes) in enumerate(singles):
        X[k, : len(rows)], labels[k, : len(rows)], weights[k, : len(rows)] = rows, own, sizes
    tasks = np.array([single[0] for single in singles])
    Q = np.stack([contrasts[task] for task in tasks])
    return LabelStack(tasks, X, one_hot(labels, K), weights, Q)


def one_hot(labels, K):
    return (labels[..., None] == np.arange(K)).astype(np.float64)


def common_contrasts(own):
    """Contrasts (n_classes, n_columns) between labels, from the mask (n_tasks, n_classes).

    Orthonormal, and between labels that some task, or a chain of tasks, tells apart: no likelihood
    depends on others. None without a task of more than two labels: then there is one column, the
    log-odds of the second label of each task.
    """
    if own.sum(axis=1).max(initial=0) <= 2:
        return None
    several = own[own.sum(axis=1) > 1].astype(float)
    together = several.T @ several
    laplacian = np.diag(together.sum(axis=1)) - together
    values, vectors = np.linalg.eigh(laplacian)
    return vectors[:, values > 1e-9 * values[-1]]


def contrasts_of_tasks(own, contrasts):
    """The rows of `common_contrasts` for the labels of every task."""
    if contrasts is None:
        return [np.arange(count, dtype=float)[:, None] for count in own.sum(axis=1)]
    return [contrasts[labels] for labels in own]


def label_models(own, contrasts, coef, constants):
    """Models of the labels of the tasks with more than one, from those of their columns.

    coef is (n_tasks, n_columns, n_features), constants (n_tasks, n_columns). Of two labels there is
    the second against the first, else each by itself.

    Returns
    -------
    (tasks, positions) : of the labels among those of their task
    coef : ndarray of shape (n_models, n_features)
    constants : ndarray of shape (n_models,)
    """
    count, first = own.sum(axis=1), own.argmax(axis=1)
    tasks, labels = np.nonzero(own & (count > 1)[:, None])
    kept = (count[tasks] > 2) | (labels != first[tasks])
    tasks, labels = tasks[kept], labels[kept]
    columns = tasks, np.cumsum(own, axis=1)[tasks, labels] - 1
    if contrasts is None:
        return columns, coef[tasks, 0], constants[tasks, 0]
    against_first = contrasts[labels] - contrasts[first[tasks]]
    weights = np.where(count[tasks, None] == 2, against_first, contrasts[labels])[:, None]
    return columns, (weights @ coef[tasks])[:, 0], (weights @ constants[tasks][..., None])[:, 0, 0]


def moderated(scores, covariances):
    """Scores whose softmax are about the averages of the probabilities over normal scores.

    scores (n_rows, K), covariances (n_rows, K, K). The probability of one label against another
    is the logistic function of their difference over sqrt(1 + pi / 8 variance); the scores are
    minus the logarithms of one plus the sum of these odds against (Lu, Ie, Sha 2020, *Mean-field
    approximation to Gaussian-softmax integral*). For two labels, exactly that function.
    """
    own = np.einsum("nkk->nk", covariances)
    variance = np.maximum(own[:, :, None] + own[:, None, :] - 2.0 * covariances, 0.0)
    against = scores[:, None, :] - scores[:, :, None]
    against /= np.sqrt(1.0 + np.pi / 8.0 * variance)
    largest = against.max(axis=2, keepdims=True)  # at least 0, that of the label with itself
    return -(largest[..., 0] + np.log(np.exp(against - largest).sum(axis=2)))
