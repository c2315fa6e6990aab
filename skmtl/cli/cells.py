"""Cells of text: blanks, decimal commas, what is missing, and which labels are numbers."""

import numpy as np

from skmtl.cli.errors import UsageError

# What pandas takes for missing, and the "?" of the UCI repository.
MISSING = (
    *("", " ", "?", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND"),
    *("1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)
NUMERIC_SHARE = 0.95  # a text column that is numbers to this share is numeric
BOOLEANS = {
    **dict.fromkeys(("True", "TRUE", "true"), True),
    **dict.fromkeys(("False", "FALSE", "false"), False),
}
LABEL_NUMBER = r"-?(0|[1-9]\d{0,14})(\.\d+)?"  # no leading zeros, and exact as a float
ONE_SEPARATOR = r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?"
THOUSANDS = r"[+-]?[1-9]\d{0,2},\d{3}"
ANY_SEPARATORS = r"[+-]?\d{1,3}([.,]\d{3})*([.,]\d+)?"


def is_text(column):
    """Whether a column is neither of numbers nor of booleans nor of times."""
    return column.dtype.kind not in "biufcmM"


def is_known(column):
    """Mask of the cells that hold something: no NaN, nor a text that stands for none."""
    return ~(column.isna() | column.isin([*MISSING, np.inf, -np.inf]))


def row_of(mask):
    """Number of the first row of a mask, counted from 1 without the header."""
    return int(np.flatnonzero(mask)[0]) + 1


def strip_blanks(column, notes):
    """A text column as objects without blanks around its texts, with NaN for empty ones."""
    cells = column.astype(object)
    texts = cells.map(lambda cell: cell.strip() if isinstance(cell, str) else cell)
    changed = (texts != cells) & column.notna() & (texts != "")
    if changed.any():
        value = cells[changed].iloc[0]
        notes.append(f"stripped blanks in {column.name!r}: {value!r} is {value.strip()!r}")
    return texts.where(column.notna() & (texts != ""), np.nan)


def read_ids(column, notes):
    """Task ids: text of which only empty cells are missing; numbers if no id is lost by that."""
    if not is_text(column):
        return column
    texts = strip_blanks(column, notes)
    return _as_number_labels(texts, texts.notna())


def read_labels(column, notes):
    """Classes as `read_ids`, but among numbers or booleans texts such as "NA" are missing."""
    if not is_text(column):
        return column
    texts = strip_blanks(column, notes)
    known = is_known(texts)
    return _as_number_labels(texts, known)


def _as_number_labels(texts, known):
    """The texts as numbers, where these are all canonical and as many as the texts."""
    labels = texts[known]
    if not len(labels) or not labels.astype(str).str.fullmatch(LABEL_NUMBER).all():
        return texts
    numbers = labels.astype("float64")
    if numbers.nunique() < labels.nunique():
        return texts
    return numbers.reindex(texts.index)


def read_booleans(column):
    """A text column of "True" and "False" as booleans, any other one as it is."""
    known = is_known(column)
    if not known.any() or not column[known].isin(list(BOOLEANS)).all():
        return column
    values = column[known].astype(object).map(BOOLEANS)
    return values.astype(bool) if known.all() else values.reindex(column.index)


def read_decimal_commas(column, separator):
    """A text column of numbers with decimal commas as one with decimal points, or None.

    Raises
    ------
    UsageError
        If the numbers hold commas that may as well separate thousands.
    """
    if not is_text(column):
        return None
    known = is_known(column) & column.map(lambda cell: isinstance(cell, str))
    texts = column[known].astype(object).str.strip()
    commas = texts.str.contains(",", regex=False).astype(bool)
    if not commas.any():
        return None
    single = texts.str.fullmatch(ONE_SEPARATOR).astype(bool)
    numeric = single | texts.str.fullmatch(ANY_SEPARATORS).astype(bool)
    if numeric.mean() < NUMERIC_SHARE or not (commas & numeric).any():
        return None
    points = texts[numeric].str.contains(".", regex=False).any()
    thousands = texts[commas & numeric].str.fullmatch(THOUSANDS).all()
    decimal = separator == ";" or (separator == "\t" and not thousands)
    if single.mean() >= NUMERIC_SHARE and decimal and not points:
        return column.astype(object).str.replace(",", ".", regex=False)
    if commas.mean() <= 1 - NUMERIC_SHARE:
        return None  # so few count as missing
    value = texts[commas & numeric].index[0]
    raise UsageError(
        f"column {column.name!r} holds {texts[value]!r} (data row {value + 1}): decimal commas are "
        "read only where ';' or tabs separate the columns, and thousands separators never. "
        "Write such numbers as 1234.5"
    )
