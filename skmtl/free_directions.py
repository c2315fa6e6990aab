"""Intercepts and features without penalty, at their optimum given all other coefficients."""

import numpy as np

EPS = np.finfo(float).eps
MOST_STEPS = 100
MOST_TRIALS = 100  # of a line search
SETTLED = 1e-14  # Newton decrement of a task relative to the scale of the loss


class FreeDirections:
    """Damped Newton steps on the columns of a small design, for all columns of W at once.

    Parameters
    ----------
    layout : Layout
    design : ndarray of shape (n_rows, n_directions), or None
        None: one column of ones, the intercept.
    scale : float
        Sum of losses relative to which a decrease is nothing.
    """

    def __init__(self, layout, design, scale):
        self.layout = layout
        self.design = design
        self.scale = scale

    def settle(self, fitted):
        """(change of the coefficients, linear predictions, where they are settled)."""
        layout, fitted, total = self.layout, list(fitted), 0.0
        settled = np.zeros(layout.n_columns, dtype=bool)
        for _ in range(MOST_STEPS):
            direction, decrement, done = self._direction(fitted)
            moves = layout.apply(self.design, direction)
            for k, (columns, move) in enumerate(zip(layout.columns, moves, strict=True)):
                step, enough = self._step(k, fitted[k], move)
                fitted[k] = fitted[k] + layout.spread(k, step)[:, None] * move
                direction[:, columns] *= step[:, None]
                settled[columns] = (decrement[k] <= enough)[:, None]
            total = total + direction
            if (settled | done).all():
                break
        return total, fitted, settled

    def _step(self, k, fitted, move):
        """Step of every task of part k along a Newton direction, and a decrement that is enough.

        With |f'''| <= M f'' along a step of span 1, the slope after t steps of span S is at most
        -s + s (e^(M S t) - 1) / (M S), so that t = log(1 + M S) / (M S) never overshoots (the quasi
        self-concordance of Bach 2010, *Self-concordant analysis for logistic regression*).
        """
        tension = self.layout.parts[k].loss.tension
        if tension is None:
            return self._search(k, fitted, move), SETTLED
        low = np.minimum(move.min(axis=1), 0.0)
        span = tension * self.layout.largest(k, np.maximum(move.max(axis=1), 0.0) - low)
        step = np.log1p(span) / np.where(span > 0, span, 1.0)
        # Where an optimum is at infinity, the span stays near 1 and the decrement vanishes.
        enough = np.where((span < 0.5) | (tension == 0.0), SETTLED, 1e-8 * SETTLED)
        return np.where(span > 0, step, 1.0), enough

    def _search(self, k, fitted, move):
        """The step to the lowest point of the line, for every task of part k: where its slope is 0.

        Exact, so that Newton's method ends after finitely many steps for losses of quadratic
        pieces (Madsen, Nielsen 1990, *Finite algorithms for robust linear regression*, BIT 30).
        """
        layout, loss = self.layout, self.layout.parts[k].loss
        y, weighted = layout.y[k], layout.weights[k] * move
        low, high = np.zeros(len(layout.columns[k])), np.full(len(layout.columns[k]), np.inf)
        step = np.ones(len(low))
        nothing = 4.0 * EPS * layout.by_task(k, np.abs(weighted * loss.gradient(y, fitted)))[:, 0]
        for trial in range(MOST_TRIALS):
            z = fitted + layout.spread(k, step)[:, None] * move
            cells = np.hstack(
                [weighted * loss.gradient(y, z), weighted * move * loss.curvature(y, z)]
            )
            slope, bend = layout.by_task(k, cells).T
            low, high = np.where(slope < 0, step, low), np.where(slope > 0, step, high)
            done = (np.abs(slope) <= nothing) | ~(bend > 0) | (high - low <= 4.0 * EPS * high)
            if done.all():
                break
            newton = step - slope / np.where(bend > 0, bend, 1.0)
            inside = (newton > low) & (newton < np.minimum(high, 100.0 * step)) & (trial % 3 < 2)
            middle = np.where(
                np.isinf(high), 10.0 * step, 0.5 * low + 0.5 * np.minimum(high, 1e300)
            )
            step = np.where(done, step, np.where(inside, newton, middle))
        return step

    def _direction(self, fitted):
        """Newton direction, its decrement per task, and columns whose loss is next to nothing."""
        layout = self.layout
        slopes = [v * part.loss.gradient(y, z) for part, y, v, z in layout.cells(fitted)]
        gradient = layout.adjoint(self.design, slopes)
        direction, decrements = np.zeros_like(gradient), []
        done = np.zeros(layout.n_columns, dtype=bool)
        for k, (part, y, v, z) in enumerate(layout.cells(fitted)):
            columns = layout.columns[k]
            (n_tasks, K), m = columns.shape, len(gradient)
            right = gradient[:, columns].transpose(1, 0, 2).reshape(n_tasks, m * K)
            moves = -least_norm(layout.hessian(k, self.design, z), right)
            decrements.append(-np.sum(moves * right, axis=1) / self.scale)
            direction[:, columns] = moves.reshape(n_tasks, m, K).transpose(1, 0, 2)
            losses = layout.by_task(k, v * part.loss.value(y, z))
            done[columns] = losses <= 0.01 * SETTLED * self.scale
        return direction, decrements, done


def least_norm(matrices, right):
    """Solutions of stacked semi-definite systems that may be singular, scaled to diagonal 1."""
    diagonal = np.einsum("tii->ti", matrices)
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    if matrices.shape[1] == 1:
        return np.where(diagonal > 0, right / scale**2, 0.0)
    values, vectors = np.linalg.eigh(matrices / (scale[:, :, None] * scale[:, None, :]))
    cut = 1e-13 * len(matrices[0]) * values.max(axis=1, initial=0.0, keepdims=True)
    inverse = np.where(values > cut, 1.0 / np.where(values > cut, values, 1.0), 0.0)
    turned = np.einsum("tij,ti->tj", vectors, right / scale)
    return np.einsum("tij,tj->ti", vectors, inverse * turned) / scale
