"""Tables as they are read: a file or a named data set as features, targets and task ids."""

import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

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
    frame = read_frame(Path(path))
    frame.columns = [str(name).strip() for name in frame.columns]
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
    return Table(
        name=Path(path).name,
        features=frame.drop(columns=[name for name in (task_column, *names) if name]),
        targets=frame[names],
        ids=None if task_column is None else frame[task_column],
    )


def read_frame(path):
    """DataFrame of a CSV or parquet file."""
    if not path.exists():
        raise UsageError(f"no such file: {path}")
    if path.is_dir():
        raise UsageError(f"{path} is a folder, not a file")
    try:
        frame = _read_parquet(path) if path.suffix in (".parquet", ".pq") else _read_csv(path)
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a text file in UTF-8") from error
    except ImportError as error:
        raise UsageError('reading parquet needs pyarrow: pip install "skmtl[cli]"') from error
    except (OSError, ValueError) as error:  # pandas and pyarrow errors are among these
        raise UsageError(f"cannot read {path}: {one_line(error)}") from error
    if not len(frame) or not len(frame.columns):
        raise UsageError(f"{path} has no rows")
    repeated = frame.columns[frame.columns.duplicated()]
    if len(repeated):
        raise UsageError(f"{path} has two columns {repeated[0]!r}")
    return frame


def _read_parquet(path):
    import pandas

    frame = pandas.read_parquet(path)
    return frame.reset_index(drop=frame.index.names == [None])


def _read_csv(path):
    import pandas

    def read(separator, n_rows=None):
        options = {"na_values": ["?"], "low_memory": False, "index_col": False}
        with warnings.catch_warnings():
            warnings.simplefilter("error", pandas.errors.ParserWarning)
            try:
                return pandas.read_csv(path, sep=separator, nrows=n_rows, **options)
            except pandas.errors.ParserWarning as error:
                raise ValueError("rows have more fields than the header has names") from error

    # The separator that finds the most columns in the header; a comma, if they all find one.
    widths = {separator: len(read(separator, 0).columns) for separator in SEPARATORS}
    return read(max(widths, key=widths.get))


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
