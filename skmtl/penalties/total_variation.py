"""The exact proximal map of total variation along rows, for all rows at once."""

import numpy as np


def total_variation_prox(V, threshold):
    """Rows of V denoised by total variation along them.

    Minimises over every row w of W ::

        1/2 ||w - v||^2 + threshold_j * sum_t |w_{t+1} - w_t|

    Parameters
    ----------
    V : ndarray of shape (n_rows, n_columns)
    threshold : float or array-like of shape (n_rows, 1)
        At least 0; may be infinite (every row becomes its mean).

    Returns
    -------
    W : ndarray of shape (n_rows, n_columns)

    Notes
    -----
    Dynamic programming: the best objective of w_1, ..., w_t as a function of w_t has a piecewise
    linear derivative, which absolute values cut off at +-threshold. One pass forward keeps its
    knots for all rows side by side, one pass back clips each entry to where the cuts are. That
    tells where w jumps, and in which direction; the values between jumps then follow in closed
    form, so that no rounding error adds up along a row.

    References
    ----------
    Johnson 2013, *A dynamic programming algorithm for the fused lasso and L0-segmentation*,
    Journal of Computational and Graphical Statistics 22.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.penalties.total_variation import total_variation_prox
    >>> total_variation_prox(np.array([[0.0, 2.0, 1.0, 7.0]]), 1.5)
    array([[1.5, 1.5, 1.5, 5.5]])
    """
    V = np.asarray(V, dtype=np.float64)
    if V.shape[1] < 2 or not len(V):
        return V.copy()
    means = V.mean(axis=1, keepdims=True)
    centred = V - means
    # Beyond the largest partial sum a row is constant, and a large threshold would cost digits.
    constant = np.abs(np.cumsum(centred, axis=1)).max(axis=1, keepdims=True)
    threshold = np.minimum(np.asarray(threshold, dtype=np.float64), 2.0 * constant)
    jumps = _jumps(centred.T, threshold[:, 0]).T
    return _between_jumps(centred, threshold, jumps) + means


def _jumps(V, threshold):
    """Signs of w_{t+1} - w_t, (n_columns - 1, n_rows), from V (n_columns, n_rows)."""
    lowest, highest = _forward(V, threshold)
    signs = np.empty((len(V) - 1, V.shape[1]))
    w = lowest[-1]  # where the derivative of the whole objective is 0
    for t in range(len(V) - 2, -1, -1):
        clipped = np.minimum(np.maximum(w, lowest[t]), highest[t])
        np.sign(w - clipped, out=signs[t])
        w = clipped
    return signs


def _forward(V, threshold):
    """Where the derivatives reach -threshold and +threshold; at the last step, where 0."""
    n_columns, n_rows = V.shape
    every = np.arange(n_rows)
    lowest, highest = np.empty(V.shape), np.empty(V.shape)
    # Knots of all rows from left to right, as (position, derivative there). Places that hold no
    # knot have derivative -inf on the left of the knots and +inf on their right.
    position = np.zeros((2 * n_columns, n_rows))
    derivative = np.full((2 * n_columns, n_rows), np.inf)
    derivative[:n_columns] = -np.inf
    first, last = n_columns, n_columns - 1  # no knot yet: the derivative is w - v
    for t, v in enumerate(V):
        used = slice(first - 1, last + 2)  # with an empty place at both ends
        x, slope = position[used], derivative[used]
        slope += x - v
        if t == 0:
            lowest[0], highest[0] = v - threshold, v + threshold
            left, right = np.zeros(n_rows, dtype=int), np.ones(n_rows, dtype=int)
        elif t == n_columns - 1:
            lowest[t] = highest[t] = _crossing(x, slope, 0.0, every)[0]
            break
        else:
            lowest[t], above = _crossing(x, slope, -threshold, every)
            highest[t], right = _crossing(x, slope, threshold, every)
            left = above - 1
            slope[slope < -threshold] = -np.inf
            slope[slope >= threshold] = np.inf
        x[left, every], slope[left, every] = lowest[t], -threshold
        x[right, every], slope[right, every] = highest[t], threshold
        first, last = used.start + left.min(), used.start + right.max()
    return lowest, highest


def _crossing(x, slope, level, every):
    """Where piecewise linear functions of slope 1 outside their knots reach a level.

    Also the index of the first knot that is not below the level, for every column.
    """
    above = np.sum(slope < level, axis=0)
    x0, s0 = x[above - 1, every], slope[above - 1, every]
    x1, s1 = x[above, every], slope[above, every]
    inner = np.isfinite(s0) & np.isfinite(s1)
    share = np.where(inner, (x1 - x0) / np.where(inner, s1 - s0, 1.0), 1.0)
    from_left = np.isfinite(s0)
    start, value = np.where(from_left, x0, x1), np.where(from_left, s0, s1)
    return start + share * (level - value), above


def _between_jumps(V, threshold, jumps):
    """The values between given jumps: means, moved by the thresholds at both ends."""
    starts = np.ones(V.shape, dtype=bool)
    starts[:, 1:] = jumps != 0
    pull = np.zeros((len(V), V.shape[1] + 1))
    pull[:, 1:-1] = threshold * jumps
    moved = V + np.diff(pull, axis=1)  # inner pulls are 0
    first = np.flatnonzero(starts)
    lengths = np.diff(first, append=V.size)
    return np.repeat(np.add.reduceat(moved.ravel(), first) / lengths, lengths).reshape(V.shape)
