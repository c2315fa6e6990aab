"""Columns of a table as what the estimators can use: float64 numbers, or categories."""

import numpy as np

from skmtl.cli.cells import NUMERIC_SHARE, is_known, row_of
from skmtl.cli.errors import UsageError

FEW_CLASSES = 10  # a target with up to so many distinct whole numbers holds classes
MOST_LEVELS = 20  # a text column with fewer distinct values is never taken for an id
NUMBER_LIKE = r"\W*\d[\d.,' ]*\W*"  # a number with signs of a currency, or with separators


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


def find_strays(column):
    """Mask of the cells that are neither missing nor numbers."""
    return is_known(column) & as_numbers(column).isna()


def is_mostly_numbers(column):
    """Whether a column is numbers but for a few cells."""
    return find_strays(column).sum() <= (1 - NUMERIC_SHARE) * is_known(column).sum()


def read_numbers(column, notes):
    """A target as float64; a few cells that are no numbers are missing, more are an error."""
    strays = find_strays(column)
    if strays.any():
        value, row = column[strays].iloc[0], row_of(strays)
        if not is_mostly_numbers(column):
            raise UsageError(
                f"target {column.name!r} holds {value!r} (data row {row}), which is no number: "
                "not regression"
            )
        cells = f"{strays.sum()} of {len(column)} cells"
        notes.append(
            f"target {column.name!r}: {cells} are no numbers and count as missing, as {value!r} in "
            f"data row {row}"
        )
    return as_numbers(column)


def holds_booleans(column):
    """Whether the cells of a column, but for missing ones, are booleans."""
    from pandas.api import types

    return types.infer_dtype(column, skipna=True) == "boolean"


def tell_task_type(column):
    """("regression" or "classification", reason) from a target."""
    if holds_booleans(column) or not is_mostly_numbers(column):
        return "classification", None
    values = as_numbers(column).dropna()
    distinct = values.nunique()
    whole = bool((values % 1 == 0).all())
    if whole and distinct <= FEW_CLASSES and (distinct == 2 or 5 * distinct <= len(values)):
        return "classification", f"{distinct} distinct whole numbers are read as classes"
    return "regression", None


def check_classes(column):
    """Raise where the values of a target are too many, or too much like numbers, for classes."""
    present = column.dropna()
    distinct = present.nunique()
    if distinct <= MOST_LEVELS:
        return
    numbers = as_numbers(present)
    like_numbers = numbers.notna() | present.astype(str).str.fullmatch(NUMBER_LIKE).astype(bool)
    fractions = like_numbers & ~(numbers % 1 == 0)
    continuous = fractions.any() and like_numbers.mean() > 0.5
    if not continuous and distinct <= len(present) / 2:
        return
    odd = column.notna() & as_numbers(column).isna()
    if odd.any():
        remedy = "write numbers as 1234.5 and leave missing ones empty, or name another --target"
    else:
        odd, remedy = column.notna(), "choose --task-type regression, or name another --target"
        if fractions.any():
            odd = fractions.reindex(column.index, fill_value=False)
    raise UsageError(
        f"target {column.name!r} holds {column[odd].iloc[0]!r} (data row {row_of(odd)}) and "
        f"{distinct} distinct values in {len(present)} rows, which are no classes: {remedy}"
    )
