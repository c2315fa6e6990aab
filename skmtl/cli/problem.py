"""What is to be learned: a checked table as features, targets and tasks."""

import hashlib
from dataclasses import dataclass, field

import numpy as np

from skmtl.cli.cells import read_ids, read_labels
from skmtl.cli.columns import (
    check_classes,
    clean_features,
    encode_labels,
    holds_booleans,
    is_mostly_numbers,
    label_of,
    read_numbers,
    tell_task_type,
)
from skmtl.cli.errors import UsageError
from skmtl.cli.tables import read_file, read_named


@dataclass(frozen=True)
class TaskTable:
    """A multi-task problem, ready to be split.

    Attributes
    ----------
    X : DataFrame or csr matrix
        With the codes of the tasks in column 0, unless the targets are the tasks.
    y : ndarray of shape (n_rows,), or (n_rows, n_tasks) with NaN for "not observed"
        Numbers, or the codes of the classes.
    codes : ndarray of shape (n_rows,) or None
        Task of every row.
    """

    name: str
    task_type: str
    X: object
    y: np.ndarray
    codes: np.ndarray | None
    task_names: list
    target_names: list
    class_names: list | None = None
    categories: list = field(default_factory=list)
    ordered: bool = False
    notes: list = field(default_factory=list)

    @property
    def task_column(self):
        return None if self.codes is None else 0

    @property
    def n_tasks(self):
        return len(self.task_names)

    @property
    def n_rows(self):
        return self.X.shape[0]

    @property
    def n_features(self):
        return self.X.shape[1] - (self.codes is not None)

    def rows_of_tasks(self, rows=slice(None)):
        """Number of observed targets of every task among some rows."""
        if self.codes is None:
            return (~np.isnan(self.y[rows])).sum(axis=0)
        return np.bincount(self.codes[rows], minlength=self.n_tasks)

    def is_of_task(self, task):
        """Mask of the rows with an observed target of a task."""
        return ~np.isnan(self.y[:, task]) if self.codes is None else self.codes == task

    def fingerprint(self):
        """SHA-256 of all values and names, independent of versions of libraries."""
        digest = hashlib.sha256()
        parts = [self.task_names, self.class_names, self.target_names, self.y, *self._columns()]
        for part in parts:
            if isinstance(part, np.ndarray) and part.dtype != object:
                digest.update(str(part.shape).encode() + np.ascontiguousarray(part).tobytes())
            else:
                digest.update(repr(list(part or [])).encode())
        return digest.hexdigest()

    def _columns(self):
        if not hasattr(self.X, "columns"):
            return [self.X.data, self.X.indices, self.X.indptr]
        values = [self.X[name].to_numpy() for name in self.X.columns]
        return [list(self.X.columns), *(v.tolist() if v.dtype == object else v for v in values)]


def read_problem(options):
    """TaskTable of the command line's options; its notes say what was decided or left out."""
    if options.file is not None:
        table = read_file(options.file, options.target, options.task_column)
    else:
        table = read_named(options.data or "diabetes")
    return make_problem(table, options.task_type, ordered=options.contiguous)


def make_problem(table, task_type=None, *, ordered=False):
    """TaskTable of a table, whose rows without target or task are dropped."""
    task_type = choose_task_type(table, task_type)
    if table.ids is not None:
        table.ids = read_ids(table.ids, table.notes)
    drop_incomplete(table)
    y, class_names = table.targets.to_numpy(), None
    if task_type == "classification":
        y, class_names = encode_labels(table.targets.iloc[:, 0])
    elif table.ids is not None:
        y = y[:, 0]
    check_varies(y, table)
    codes, task_names = None, [str(name) for name in table.targets.columns]
    if table.ids is not None:
        codes, task_names = encode_labels(table.ids)
    if len(task_names) < 2:
        raise UsageError(f"only one task ({task_names[0]!r}): there is nothing to share")
    X, categories = assemble(table, codes)
    ordered = ordered or table.ordered
    if ordered:
        table.notes.append("folds are blocks of neighbouring rows, as the rows are in order")
    return TaskTable(
        name=table.name,
        task_type=task_type,
        X=X,
        y=y,
        codes=codes,
        task_names=task_names,
        target_names=[str(name) for name in table.targets.columns],
        class_names=class_names,
        categories=categories,
        ordered=ordered,
        notes=table.notes,
    )


def drop_incomplete(table):
    """Drop rows without a target (without any, where there are several) or task."""
    observed = table.targets.notna() & ~table.targets.isin([np.inf, -np.inf])
    if not observed.to_numpy().any():
        raise UsageError(f"no row has a value of the target {table.targets.columns[0]!r}")
    keep = observed.any(axis=1)
    if table.ids is not None:
        keep &= table.ids.notna()
    if not keep.any():
        raise UsageError("no row has both a task and a target")
    if not keep.all():
        note = f"dropped {int((~keep).sum())} rows without target or task"
        if table.ids is not None:
            lost = set(table.ids.dropna()) - set(table.ids[keep])
            names = [repr(label_of(name)) for name in table.ids.dropna().unique() if name in lost]
            if lost:
                note += f"; with them all of {len(names)} tasks: {', '.join(names[:8])}"
                note += ", ..." if len(names) > 8 else ""
        table.notes.append(note)
        table.take(keep.to_numpy())


def choose_task_type(table, wanted):
    """The task type that is wanted or given with the data, else told from the target.

    Makes numbers or classes of the targets, accordingly.
    """
    import pandas

    several = table.targets.shape[1] > 1
    if several and wanted == "classification":
        raise UsageError("several targets are for regression only: stack them, with a task column")
    column, told = table.targets.iloc[:, 0], wanted or table.task_type
    task_type, reason = ("regression", None) if several else (told, None)
    if task_type is None:
        task_type, reason = tell_task_type(column)
    if reason is not None:
        table.notes.append(f"target {column.name!r}: {reason} (else: --task-type regression)")
    if task_type == "regression":
        columns = [read_numbers(values, table.notes) for _, values in table.targets.items()]
    elif told is None and not holds_booleans(column) and is_mostly_numbers(column):
        columns = [read_numbers(column, table.notes)]
    else:
        columns = [read_labels(column, table.notes)]
    if task_type == "classification":
        check_classes(columns[0])
    table.targets = pandas.concat(columns, axis=1)
    return task_type


def check_varies(y, table):
    for name, values in zip(table.targets.columns, np.atleast_2d(y.T), strict=True):
        values = values[~np.isnan(values)]
        if not len(values):
            raise UsageError(f"no row has a value of the target {name!r}")
        if (values == values[0]).all():
            raise UsageError(f"the target {name!r} is constant: there is nothing to learn")


def assemble(table, codes):
    """Features with the codes of the tasks in column 0, and the names of the categories."""
    if not hasattr(table.features, "columns"):
        from scipy import sparse

        ids = sparse.csr_matrix(codes[:, None].astype(np.float64))
        return sparse.hstack([ids, table.features], format="csr"), []
    frame = clean_features(table.features, table.notes)
    if not frame.shape[1]:
        raise UsageError("no column is left that could be a feature")
    categories = [name for name in frame.columns if frame[name].dtype == object]
    if codes is not None:
        frame.insert(0, str(table.ids.name), codes)
    return frame.reset_index(drop=True), categories
