"""Targets of tasks of different kinds: numbers in some, labels in others."""

import numbers

import numpy as np
from scipy import sparse
from sklearn.utils import assert_all_finite, check_array

from skmtl import frames
from skmtl.base import read_targets
from skmtl.loss_layout import weighted_median
from skmtl.tasks import encode

LABELS_OF_NUMBERS = ({0.0, 1.0}, {0.0}, {1.0}, {-1.0, 1.0})  # what "infer" takes for labels


def read_mixed_targets(y, estimator):
    """(values, missing, names) of targets of any kind.

    Values are floats if all are numbers, else objects. Missing entries (of a 2-d y) are NaN, or
    True in the mask; names are those of the columns of a frame.
    """
    values = _values(y)
    if values is None or values.dtype.kind in "iufc" or values.ndim not in (1, 2):
        values, names = read_targets(y, estimator)
        return values, np.isnan(values), names
    if not values.size:
        check_array(values, dtype=None, ensure_2d=False, input_name="y", estimator=estimator)
    values = values.astype(object)
    missing, names = frames.is_missing(values), frames.column_names(y)
    if all(_is_number(value) for value in values[~missing].tolist()):
        numeric = np.full(values.shape, np.nan)
        numeric[~missing] = values[~missing].astype(np.float64)
        values, _ = read_targets(numeric, estimator)
    elif values.ndim == 1 and missing.any():
        raise ValueError(f"y holds no target in row {np.argmax(missing)} (NaN): drop the row.")
    return values, missing, None if names is None or values.ndim == 1 else np.asarray(names)


def _values(y):
    """y as an array, objects if columns of a frame are of several kinds; None if not needed."""
    if y is None or sparse.issparse(y):
        return None
    if not frames.is_frame(y):
        values = np.asarray(y)
        # A list of words and numbers would become words only.
        return np.array(y, dtype=object) if values.dtype.kind in "US" else values
    columns = [frames.column_values(y, position) for position in range(y.shape[1])]
    if all(column.dtype.kind in "iuf" for column in columns):
        return None
    table = np.empty(y.shape, dtype=object)
    for position, column in enumerate(columns):
        table[:, position] = column
    return table


def _is_number(value):
    return isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))


def as_positions(values, missing):
    """Positions (floats, NaN where missing) among distinct objects, and these objects."""
    places, distinct, positions = {}, [], np.full(values.shape, np.nan)
    flat = positions.ravel()
    for entry in np.flatnonzero(~missing.ravel()):
        value = values.flat[entry]
        key = (isinstance(value, (bool, np.bool_)), value)  # True is not 1
        if key not in places:
            places[key] = len(distinct)
            distinct.append(value)
        flat[entry] = places[key]
    objects = np.empty(len(distinct), dtype=object)
    objects[:] = distinct
    return flat.reshape(values.shape), objects


def cells_of_tasks(data):
    """(task, its cells of y, their weights) of every task with rows that count."""
    for tasks, rows, weights in data.groups():
        for task in tasks.tolist() if len(weights) else []:
            yield task, (rows, task) if data.shared_rows else rows, weights


def settle_target(values, weights, loss, task):
    """(loss, targets, labels or None, scale) of a task; loss None: by the look of its targets."""
    if loss is None:
        loss = "logistic" if looks_like_labels(values) else "squared"
    if loss == "logistic":
        labels, positions = labels_of(values, task)
        return loss, positions, labels, 1.0
    values = numbers_of(values, loss, task)
    scale = 1.0
    if loss != "poisson":
        scale = target_scale(values, weights, robust=loss == "huber")
    return loss, values / scale, None, scale


def looks_like_labels(values):
    """Whether a task's targets are words, booleans or no more than the numbers 0 and 1."""
    if values.dtype.kind == "O" and not all(_is_number(value) for value in values.tolist()):
        return True
    return set(np.unique(values.astype(np.float64)).tolist()) in LABELS_OF_NUMBERS


def numbers_of(values, loss, task):
    """A task's targets as floats."""
    if values.dtype.kind == "O":
        for value in values.tolist():
            if not _is_number(value):
                raise ValueError(
                    f"the loss of task {task} is {loss!r}, but it has the target {value!r}, which "
                    "is no number: use 'logistic' for labels."
                )
    values = values.astype(np.float64)
    assert_all_finite(values, input_name=f"y of task {task}")
    return values


def labels_of(values, task):
    """A task's distinct labels, sorted, and the position of every target among them."""
    if values.dtype.kind == "O":
        kinds = {str if isinstance(value, str) else float for value in values.tolist()}
        if len(kinds) > 1:
            raise ValueError(
                f"task {task} mixes words and numbers as labels: make all of one kind."
            )
        values = frames.tighten(values)
    if values.dtype.kind == "f":
        assert_all_finite(values, input_name=f"y of task {task}")
        fraction = values != np.floor(values)
        if fraction.any():
            raise ValueError(
                f"the loss of task {task} is 'logistic', but it has the target "
                f"{values[np.argmax(fraction)]:.4g}, which is no label: use 'squared' or 'huber'."
            )
    return encode(values)


def target_scale(values, weights, *, robust):
    """Standard deviation of targets (robust: by absolute deviations); 1 if they are constant.

    1.4826 times the median absolute deviation is the standard deviation of a normal variable.
    """
    if robust:
        centre = weighted_median(values, weights)
        scale = 1.4826 * weighted_median(np.abs(values - centre), weights)
        if scale > 0:
            return scale
    share = weights / weights.sum()
    centre = share @ values
    scale = np.sqrt(share @ (values - centre) ** 2)
    return scale if scale > 1e-12 * np.abs(values).max() else 1.0
