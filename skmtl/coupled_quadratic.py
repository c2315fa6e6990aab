"""Quadratic models of losses that couple the columns of a task: labels of more than two.

The second derivative of a softmax couples the K columns of a task, so that its Gram matrix has
side n_features * K. Intercepts and free features are eliminated by a Schur complement.
"""

import numpy as np

from skmtl.free_directions import least_norm

SMALLEST_LEVEL = 1e-12  # of a Gram matrix, relative to its largest
LARGEST_STACK = 30_000_000  # entries of all matrices


class CoupledPart:
    """Tasks with equally many columns.

    ``columns`` (n_part_tasks, K); ``levels`` and ``basis`` are of the Gram matrices
    (n_part_tasks, n_features * K, n_features * K) over features and, faster, columns.
    """

    def __init__(self, columns, gram):
        self.columns, self.gram = columns, gram
        self.levels, self.basis = np.linalg.eigh(gram)
        self.levels = np.maximum(self.levels, 0.0)

    def stacked(self, W):
        """Coefficients of the tasks, (n_part_tasks, n_features * K)."""
        return W[:, self.columns].transpose(1, 0, 2).reshape(len(self.columns), -1)

    def put(self, out, vectors):
        n_tasks, K = self.columns.shape
        out[:, self.columns] = vectors.reshape(n_tasks, -1, K).transpose(1, 0, 2)


class CoupledGram:
    """The quadratic <W, G W> / 2 - <C, W> + e with a Gram matrix for all columns of a task.

    Parameters
    ----------
    parts : list of CoupledPart
    cross : ndarray of shape (n_features, n_columns)
    """

    scale = 1.0

    def __init__(self, parts, cross):
        self.parts, self.cross = parts, cross
        self.energy = 0.0
        levels = np.concatenate([part.levels.ravel() for part in parts])
        largest = levels.max(initial=0.0)
        used = levels[levels > 1e-8 * largest]
        self.typical = np.median(used) if len(used) else 1.0
        for part in parts:
            turned = np.einsum("tji,tj->ti", part.basis, part.stacked(cross))
            sound = part.levels > SMALLEST_LEVEL * largest
            ratio = np.divide(turned**2, part.levels, np.zeros_like(turned), where=sound)
            self.energy += 0.5 * ratio.sum()

    @property
    def n_tasks(self):
        return self.cross.shape[1]

    def product(self, W):
        return self._each(W, lambda part, w: np.matmul(part.gram, w[:, :, None])[:, :, 0])

    def apply(self, R, c):
        """(G + c I)^-1 R, what the splitting solver asks for."""

        def solve(part, r):
            turned = np.einsum("tji,tj->ti", part.basis, r) / (part.levels + c)
            return np.einsum("tij,tj->ti", part.basis, turned)

        return self._each(R, solve)

    def _each(self, W, function):
        out = np.empty_like(W)
        for part in self.parts:
            part.put(out, function(part, part.stacked(W)))
        return out


class CoupledModel:
    """The quadratic model of a loss at a point, its free directions eliminated.

    Parameters
    ----------
    layout : Layout
    X : ndarray of shape (n_rows, n_free + n_kept_features)
        The free directions (with a column of ones for intercepts) first.
    n_free : int
    W : ndarray of shape (n_kept_features, n_columns)
        Kept coefficients at the point.
    fitted : list
        Linear predictions at the point.
    n_bar, damping : float
        The Gram matrices grow by the damping times their mean level.
    """

    def __init__(self, layout, X, n_free, W, fitted, *, n_bar, damping):
        self.W, self.n_free = W, n_free
        slopes = [v * part.loss.gradient(y, z) for part, y, v, z in layout.cells(fitted)]
        gradient = layout.adjoint(X, slopes) / n_bar
        parts, self.eliminated = [], []
        cross = np.empty_like(W)
        for k, columns in enumerate(layout.columns):
            n_tasks, K = columns.shape
            hessian = layout.hessian(k, X, fitted[k]) / n_bar
            cut = n_free * K
            own = gradient[:, columns].transpose(1, 0, 2).reshape(n_tasks, -1)
            lift, rest = _eliminate(hessian[:, :cut, :cut], hessian[:, :cut, cut:], own[:, :cut])
            gram = hessian[:, cut:, cut:] - np.matmul(hessian[:, cut:, :cut], lift)
            gram = 0.5 * (gram + gram.swapaxes(1, 2))
            side = gram.shape[1]
            mean = np.trace(gram, axis1=1, axis2=2) / max(side, 1)
            gram[:, np.arange(side), np.arange(side)] += damping * mean[:, None]
            part = CoupledPart(columns, gram)
            slope = own[:, cut:] - np.einsum("tij,ti->tj", lift, own[:, :cut])
            pull = np.matmul(gram, part.stacked(W)[:, :, None])[:, :, 0] - slope
            part.put(cross, pull)
            parts.append(part)
            self.eliminated.append((lift, rest))
        self.quadratic = CoupledGram(parts, cross)

    def free_move(self, W):
        """Change of the free directions (n_free, n_columns) that is best for coefficients W."""
        move = np.zeros((self.n_free, W.shape[1]))
        if self.n_free:
            for part, (lift, rest) in zip(self.quadratic.parts, self.eliminated, strict=True):
                change = part.stacked(W - self.W)
                part.put(move, -rest - np.matmul(lift, change[:, :, None])[:, :, 0])
        return move


def _eliminate(H, B, g):
    """H^+ B and H^+ g of every task."""
    if not H.shape[1]:
        return np.zeros_like(B), np.zeros_like(g)
    lifts = [least_norm(H, B[:, :, j]) for j in range(B.shape[2])]
    return np.stack(lifts, axis=2), least_norm(H, g)
