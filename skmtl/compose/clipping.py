"""Features brought back into the range that they had in training."""

import copy

import numpy as np
from scipy import sparse

from skmtl import frames

MARGIN = 0.5  # of the range: next to it a few rows more would have come


def ranges_of(X, skip):
    """(low, high): the range of each column of numbers, wider by half of it on both sides.

    Linear models extrapolate a single outlying feature without bound, and a shared model does so
    for every task. Other columns are left alone.

    Parameters
    ----------
    X : array, sparse matrix or frame
    skip : int or None
        Position of the column of task ids.
    """
    low, high = np.full(X.shape[1], -np.inf), np.full(X.shape[1], np.inf)
    if sparse.issparse(X):
        columns = X.tocsc(copy=True)  # finding the extremes sorts it in place
        low[:] = columns.min(axis=0).toarray().ravel()
        high[:] = columns.max(axis=0).toarray().ravel()
    elif isinstance(X, np.ndarray) and X.dtype.kind in "fiu":
        finite = np.isfinite(X)
        low[:] = np.where(finite, X, np.inf).min(axis=0)  # integers have no inf of their own
        high[:] = np.where(finite, X, -np.inf).max(axis=0)
    else:
        for column in range(X.shape[1]):
            values = column_of_numbers(X, column)
            if values is not None and np.isfinite(values).any():
                values = values[np.isfinite(values)]
                low[column], high[column] = values.min(), values.max()
    known = np.isfinite(low) & np.isfinite(high)
    if skip is not None:
        known[skip] = False
    low[~known], high[~known] = -np.inf, np.inf
    with np.errstate(over="ignore"):
        margin = MARGIN * (high[known] - low[known])
        low[known] -= margin
        high[known] += margin
    return low, high


def clip_columns(X, low, high):
    """X, or a copy with finite values that are out of range replaced by its ends."""
    if sparse.issparse(X):
        rows = X.tocsr()
        inside = clipped(rows.data, low[rows.indices], high[rows.indices])
        if inside is rows.data:
            return X
        rows = rows.copy()
        rows.data = inside
        return rows
    if isinstance(X, np.ndarray) and X.dtype.kind in "fiu":
        return clipped(X, low, high)
    out = X
    for column in np.flatnonzero(np.isfinite(low)):
        values = column_of_numbers(X, column)
        inside = values if values is None else clipped(values, low[column], high[column])
        if inside is not values:
            out = copy.copy(X) if out is X else out
            frames.replace_column(out, column, inside)
    return out


def clipped(values, low, high):
    """The values themselves, or a copy with those out of range replaced, of the same dtype.

    What is not finite stays, for the estimators to refuse.
    """
    with np.errstate(invalid="ignore"):
        outside = ((values < low) | (values > high)) & np.isfinite(values)
    if not outside.any():
        return values
    # The others are not touched: large integers would not survive as floats.
    inside = values.copy()
    inside[outside] = np.clip(values, low, high)[outside]
    return inside


def column_of_numbers(X, column):
    """A column as float64, NaN where missing; None for text, categories, dates and booleans."""
    if frames.is_pandas(X) and X.dtypes.iloc[column].name == "category":
        return None  # its values may be numbers that name something
    values = frames.column_values(X, column)
    if values.dtype.kind in "fiu":
        return values.astype(np.float64)
    if values.dtype.kind != "O" or any(isinstance(v, (str, bytes, bool)) for v in values.tolist()):
        return None
    try:
        return np.where(frames.is_missing(values), np.nan, values).astype(np.float64)
    except (TypeError, ValueError):
        return None
