"""Small tables for the tests of the command line."""

import numpy as np
import pytest

from skmtl.inspection.strategies import REGISTRY, Strategy

FAST = ["--strategies", "per-task,pooled", "--cv", "3"]


def make_table(n_tasks=4, n_rows=20, seed=0):
    """Rows of tasks with a common slope, a category and a target of each kind."""
    import pandas

    rng = np.random.default_rng(seed)
    task = np.repeat([f"t{i}" for i in range(n_tasks)], n_rows)
    x = rng.normal(size=(len(task), 3))
    colour = rng.choice(["red", "green", "blue"], len(task))
    score = x @ [1.0, -2.0, 0.5] + (colour == "red") + 0.3 * rng.normal(size=len(task))
    return pandas.DataFrame(
        {
            "task": task,
            "x0": x[:, 0],
            "x1": x[:, 1],
            "x2": x[:, 2],
            "colour": colour,
            "score": score,
            "second": score + rng.normal(size=len(task)),
            "label": np.where(score > 0, "high", "low"),
            "grade": (score > 0).astype(int) + (score > 1),
        }
    )


@pytest.fixture
def table():
    return make_table()


@pytest.fixture
def save(tmp_path):
    """Writes a table as CSV, and gives the arguments that compare it."""

    def write(table, target="score", task_column="task", name="table.csv"):
        path = tmp_path / name
        if path.suffix == ".parquet":
            table.to_parquet(path)
        else:
            table.to_csv(path, index=False)
        arguments = ["compare", str(path), "--target", target]
        return arguments + ([] if task_column is None else ["--task-column", task_column])

    return write


@pytest.fixture
def register(monkeypatch):
    """Adds strategies for regression for one test, or replaces those of the same name."""

    def add(name, make, **options):
        entries = [*REGISTRY["regression"], Strategy(name, "", make, **options)]
        monkeypatch.setitem(REGISTRY, "regression", entries)

    return add
