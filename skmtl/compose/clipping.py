"""Features brought back into the range that they had in training."""

import numpy as np
from scipy import sparse

from skmtl import frames


class Ranges:
    """The smallest and largest value of each column of numbers; other columns are left alone.

    Linear models extrapolate a single outlying feature without bound, and a shared model does so
    for every task.

    Parameters
    ----------
    X : array, sparse matrix or frame
    skip : int or None
        Position of the column of task ids.
    """

    def __init__(self, X, skip):
        self.low = np.full(X.shape[1], -np.inf)
        self.high = np.full(X.shape[1], np.inf)
        if sparse.issparse(X):
            for limits, method in ((self.low, "min"), (self.high, "max")):
                limits[:] = getattr(X.tocsc(), method)(axis=0).toarray().ravel()
        else:
            for column in range(X.shape[1]):
                values = as_floats(frames.column_values(X, column))
                if values is not None and not np.isnan(values).all():
                    self.low[column] = np.nanmin(values)
                    self.high[column] = np.nanmax(values)
        if skip is not None:
            self.low[skip], self.high[skip] = -np.inf, np.inf

    def clip(self, X):
        """X, or a copy with values that are out of range replaced by its ends."""
        if sparse.issparse(X):
            return self._clip_sparse(X)
        if isinstance(X, np.ndarray) and X.dtype.kind in "fiu":
            inside = not ((X < self.low) | (X > self.high)).any()
            return X if inside else np.clip(X, self.low, self.high).astype(X.dtype)
        clipped = X
        for column in np.flatnonzero(np.isfinite(self.low)):
            values = as_floats(frames.column_values(X, column))
            outside = (values < self.low[column]) | (values > self.high[column])
            if outside.any():
                values = np.clip(values, self.low[column], self.high[column])
                clipped = frames.replace_column(clipped, column, values, fresh=clipped is not X)
        return clipped

    def _clip_sparse(self, X):
        X = X.tocsr()
        low, high = self.low[X.indices], self.high[X.indices]
        if not ((X.data < low) | (X.data > high)).any():
            return X
        X = X.copy()
        X.data = np.clip(X.data, low, high).astype(X.dtype)
        return X


def as_floats(values):
    """Values as float64, NaN where missing; None if they are no numbers."""
    if values.dtype.kind in "fiu":
        return values.astype(np.float64)
    if values.dtype.kind != "O":
        return None
    try:
        return np.where(frames.is_missing(values), np.nan, values).astype(np.float64)
    except (TypeError, ValueError):
        return None
