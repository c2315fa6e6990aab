"""Tables as they are read: a file or a named data set as features, targets and task ids."""

import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from skmtl.cli.cells import MISSING, read_booleans, read_decimal_commas
from skmtl.cli.errors import UsageError, one_line, unknown_name
from skmtl.cli.named import load_named

SEPARATORS = (",", ";", "\t", "|")


@dataclass
class Table:
    """Features, targets and ids as read; ids is None where every target is a task.

    ``features`` is a DataFrame or a csr matrix, ``targets`` a DataFrame, ``ids`` a Series.
    """

    name: str
    features: object
    targets: object
    ids: object = None
    task_type: str | None = None
    ordered: bool = False
    notes: list = field(default_factory=list)

    def take(self, rows):
        """The table of some rows, given as a mask."""
        features = self.features
        self.features = features.loc[rows] if hasattr(features, "loc") else features[rows]
        self.targets = self.targets.loc[rows]
        self.ids = None if self.ids is None else self.ids.loc[rows]


def read_file(path, target, task_column):
    """Table of a file; target may name several columns, separated by commas."""
    texts = {task_column, target, *(part.strip() for part in target.split(","))}
    frame, separator = read_frame(Path(path), texts)
    names = [target] if target in frame.columns else [part.strip() for part in target.split(",")]
    for name in names if task_column is None else [task_column, *names]:
        if name not in frame.columns:
            raise unknown_name("column", name, frame.columns)
    if len(set(names)) < len(names):
        raise UsageError(f"--target {target} names a column twice")
    if task_column in names:
        raise UsageError(f"column {task_column!r} cannot be both the task and the target")
    if task_column is None and len(names) == 1:
        raise UsageError(
            "one target is one task: name the column of the tasks (--task-column), or several "
            "targets (--target a,b)"
        )
    if task_column is not None and len(names) > 1:
        raise UsageError("give one target with --task-column, or several targets without it")
    notes = []
    if separator is not None:
        convert_texts(frame, separator, task_column, names, notes)
    return Table(
        name=Path(path).name,
        features=frame.drop(columns=[name for name in (task_column, *names) if name]),
        targets=frame[names],
        ids=None if task_column is None else frame[task_column],
        notes=notes,
    )


def convert_texts(frame, separator, task_column, targets, notes):
    """Read decimal commas, and booleans among the targets, which are texts until here."""
    converted = []
    for name in frame.columns:
        if name != task_column:
            column = read_decimal_commas(frame[name], separator)
            if column is not None:
                frame[name] = column
                converted.append(name)
    if converted:
        more = ", ..." if len(converted) > 8 else ""
        notes.append(f"read decimal commas in {', '.join(map(repr, converted[:8]))}{more}")
    for name in targets:
        frame[name] = read_booleans(frame[name])


def read_frame(path, texts=()):
    """DataFrame of a CSV or parquet file, and what separates the columns of the CSV (or None).

    The columns named in ``texts`` stay as they are written in a CSV; only empty cells are NaN.
    """
    if not path.exists():
        raise UsageError(f"no such file: {path}")
    if path.is_dir():
        raise UsageError(f"{path} is a folder, not a file")
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            frame, separator = _read_parquet(path), None
        else:
            frame, separator = _read_csv(path, texts)
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a text file in UTF-8") from error
    except ImportError as error:
        raise UsageError('reading parquet needs pyarrow: pip install "skmtl[cli]"') from error
    except (OSError, ValueError) as error:  # pandas and pyarrow errors are among these
        raise UsageError(f"cannot read {path}: {one_line(error)}") from error
    if not len(frame) or not len(frame.columns):
        raise UsageError(f"{path} has no rows")
    return frame, separator


def name_columns(names, path):
    """Names without blanks around them, which must differ."""
    names = [str(name).strip("\ufeff \t\r\n") for name in names]
    for position, name in enumerate(names):
        if name and name in names[:position]:
            raise UsageError(f"{path} has two columns {name!r}: rename one of them")
    # As pandas calls them: the index that it writes into a CSV has no name.
    return [name or f"Unnamed: {position}" for position, name in enumerate(names)]


def _read_parquet(path):
    import pandas

    frame = pandas.read_parquet(path)
    frame = frame.reset_index(drop=frame.index.names == [None])
    frame.columns = name_columns(frame.columns, path)
    return frame


def _read_csv(path, texts):
    """The frame by the separator that finds the most columns in the header, and that separator.

    If the rows do not fit that one, the others that find more than one column are tried.
    """
    headers = {separator: _read_header(path, separator) for separator in SEPARATORS}
    widest = sorted(SEPARATORS, key=lambda separator: -len(headers[separator]))
    failure = None
    for separator in widest:
        if failure is not None and len(headers[separator]) < 2:
            continue
        names = headers[separator]
        try:
            return _read_rows(path, separator, name_columns(names, path), texts), separator
        except UnicodeDecodeError:
            raise
        except ValueError as error:
            failure = failure or error
    raise failure


def _read_header(path, separator):
    """The names as the file has them: pandas would rename those that occur twice."""
    import pandas

    options = {"header": None, "nrows": 1, "dtype": str, "keep_default_na": False}
    return pandas.read_csv(path, sep=separator, index_col=False, **options).iloc[0].tolist()


def _read_rows(path, separator, names, texts):
    import pandas

    texts = [name for name in names if name in texts]
    with warnings.catch_warnings():
        warnings.simplefilter("error", pandas.errors.ParserWarning)
        try:
            return pandas.read_csv(
                path,
                sep=separator,
                header=0,
                names=names,
                dtype=dict.fromkeys(texts, str),
                keep_default_na=False,
                na_values={name: [""] if name in texts else list(MISSING) for name in names},
                low_memory=False,
                index_col=False,
            )
        except pandas.errors.ParserWarning as error:
            raise ValueError("rows have more fields than the header has names") from error


def read_named(name):
    """Table of a data set by name."""
    import pandas

    entry, bunch = load_named(name)
    data, targets, ids = bunch.data, bunch.target, None
    if bunch.task_column is not None and entry.sparse:
        codes = np.asarray(data[:, [0]].todense()).ravel().astype(int)
        ids, data = pandas.Series(np.array(bunch.task_names, dtype=object)[codes]), data[:, 1:]
        targets = pandas.Series(targets, name=bunch.target_names[0])
    elif bunch.task_column is not None:
        ids, data = data.iloc[:, 0], data.iloc[:, 1:]
    targets = targets.to_frame() if targets.ndim == 1 else targets
    return Table(name, data, targets, ids, entry.task_type, entry.ordered)
