"""Columns of a table as what the estimators can use: float64 numbers, or categories."""

import numpy as np

FEW_CLASSES = 10  # a target with up to so many distinct whole numbers holds classes
MOST_LEVELS = 20  # a text column with fewer distinct values is never taken for an id
NUMERIC_SHARE = 0.95  # a text column that is numbers to this share is numeric


def clean_features(frame, notes):
    """Frame of float64 columns (numbers) and object columns (categories as strings, NaN)."""
    import pandas

    columns, dropped = {}, {}
    for position, name in enumerate(map(str, frame.columns)):
        column, reason = clean_column(frame.iloc[:, position], name, notes)
        if reason is None:
            columns[name] = column
        else:
            dropped.setdefault(reason, []).append(name)
    for reason, names in dropped.items():
        notes.append(f"left out {', '.join(map(repr, names[:8]))}: {reason}")
    return pandas.DataFrame(columns, index=frame.index)


def clean_column(column, name, notes):
    """The column as float64 or as strings, and the reason for leaving it out (or None)."""
    from pandas.api import types

    if column.isna().all():
        return None, "no value at all"
    if types.is_datetime64_any_dtype(column.dtype):
        notes.append(f"read the dates of {name!r} as numbers of days")
        return _days(column), None
    if types.is_bool_dtype(column.dtype) or types.is_numeric_dtype(column.dtype):
        numbers = finite(column)
        if is_row_number(numbers, column.name):
            return None, "it numbers the rows"
        return numbers, None
    numbers = as_numbers(column)
    present = int(column.notna().sum())
    if numbers.notna().sum() >= NUMERIC_SHARE * present:
        lost = present - int(numbers.notna().sum())
        if lost:
            notes.append(f"{lost} entries of {name!r} are no numbers and count as missing")
        return numbers, None
    texts = as_texts(column)
    if texts.nunique() > max(MOST_LEVELS, present / 2):
        return None, "text with a value of its own in most rows, as an id or a name has"
    return texts, None


def is_row_number(numbers, name):
    """Whether a column without a name, or named like an index, only counts the rows."""
    listed = str(name).strip().lower()
    if listed not in ("", "index", "id", "row") and not listed.startswith("unnamed"):
        return False
    values = numbers.to_numpy()
    return bool((values % 1 == 0).all() and (np.diff(values) > 0).all())


def finite(column):
    """A numeric column as float64; infinities are missing values."""
    values = column.astype("float64") if column.dtype != object else as_numbers(column)
    return values.where(np.isfinite(values))


def as_numbers(column):
    """Any column as float64; what is no number is NaN."""
    import pandas

    numbers = pandas.to_numeric(column.astype(object), errors="coerce").astype("float64")
    return numbers.where(np.isfinite(numbers))


def as_texts(column):
    """Any column as strings in an object column; missing values are NaN."""
    import pandas

    values = [
        np.nan if missing else label_of(value)
        for value, missing in zip(column.tolist(), column.isna(), strict=True)
    ]
    return pandas.Series(values, index=column.index, dtype=object)


def label_of(value):
    """How a class or a task is called: whole floats without their decimal point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _days(column):
    import pandas

    start = pandas.Timestamp(0, tz=column.dt.tz)
    return (column - start) / pandas.Timedelta(days=1)


def encode_labels(column):
    """Codes (-1 for missing) and names, ordered by value: numbers as numbers, else as text."""
    import pandas
    from pandas.api import types

    if not types.is_numeric_dtype(column.dtype) and not types.is_datetime64_any_dtype(column):
        column = as_texts(column)
    codes, values = pandas.factorize(column, sort=True)
    return codes, [label_of(value) for value in values.tolist()]


def holds_text(column):
    """Whether a column holds anything but numbers (booleans are no numbers here)."""
    from pandas.api import types

    if types.is_bool_dtype(column.dtype):
        return True
    if types.is_numeric_dtype(column.dtype):
        return False
    return bool(as_numbers(column).isna().any())


def tell_task_type(column):
    """("regression" or "classification", reason) from a target without missing values."""
    if holds_text(column):
        return "classification", None
    values = as_numbers(column)
    distinct = values.nunique()
    whole = bool((values % 1 == 0).all())
    if whole and distinct <= FEW_CLASSES and (distinct == 2 or 5 * distinct <= len(values)):
        return "classification", f"{distinct} distinct whole numbers are read as classes"
    return "regression", None
