"""`skmtl compare --target-task`: transfers to one task over growing numbers of its rows."""

import numpy as np
import pytest

from skmtl.cli import main, transfer
from skmtl.inspection.transfer_strategies import TRANSFER_REGISTRY

from .conftest import make_table
from .test_compare import read_rows, strict_json

pytest.importorskip("pandas", reason="the command line needs pandas")
pytest.importorskip("rich", reason="the command line needs rich")
pytest.importorskip("matplotlib", reason="the command line needs matplotlib")

FEW = ["--strategies", "source-only,pooled,transfer-ridge"]
TARGET = ["--target-task", "t1", "--target-rows", "5,12"]


def test_table_files_and_verdict(table, save, tmp_path, capsys):
    folder = tmp_path / "out"
    assert main([*save(table), *TARGET, *FEW, "--output", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert "5 rows" in out
    assert "12 rows" in out
    assert "With 5 rows of 't1'" in out.splitlines()[-1]
    assert "wrote results.json, results.csv, curve.png" in err
    rows = read_rows(folder / "results.csv")
    names = ["target-only", "source-only", "pooled", "transfer-ridge"]
    assert [row["strategy"] for row in rows] == list(np.repeat(names, 2))
    assert [row["target_rows"] for row in rows] == ["5", "12"] * 4
    found = strict_json(folder / "results.json")
    assert found["reference"] == "target-only"
    assert found["settings"]["target_task"] == "t1"
    assert len(found["folds"]) == 4 * 2 * 5
    assert (folder / "curve.png").stat().st_size > 1000


def test_resume_computes_what_is_missing(table, save, tmp_path, capsys):
    folder = tmp_path / "out"
    arguments = [*save(table), *TARGET, "--output", str(folder)]
    assert main([*arguments, "--strategies", "target-only,pooled"]) == 0
    first = (folder / "results.csv").read_text()
    kept = sorted((folder / "finished").glob("pooled-*.json"))
    kept[0].unlink()
    before = {path: path.stat().st_mtime_ns for path in kept[1:]}
    assert main([*arguments, "--strategies", "target-only,pooled", "--resume"]) == 0
    again = (folder / "results.csv").read_text()
    without_seconds = [line.split(",")[:7] for line in first.splitlines()]
    assert [line.split(",")[:7] for line in again.splitlines()] == without_seconds
    assert before == {path: path.stat().st_mtime_ns for path in kept[1:]}
    other = [*save(table), "--target-task", "t2", "--target-rows", "5,12"]
    assert main([*other, "--output", str(folder), "--resume"]) == 2
    assert "holds results of target_task 't1', not 't2'" in capsys.readouterr().err


@pytest.fixture
def one_split(monkeypatch):
    monkeypatch.setattr(transfer, "N_SPLITS", 1)


@pytest.mark.usefixtures("one_split")
def test_labels(table, save, capsys):
    strategies = ["--strategies", "pooled,transfer-logistic"]
    arguments = [*save(table, "label"), "--target-task", "t0", "--target-rows", "6,15"]
    assert main([*arguments, *strategies]) == 0
    assert "accuracy on held-out rows of 't0'" in capsys.readouterr().out


@pytest.mark.usefixtures("one_split")
@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_every_strategy_runs(kind, save, capsys):
    target = "score" if kind == "regression" else "label"
    names = ",".join(strategy.name for strategy in TRANSFER_REGISTRY[kind])
    table = make_table(n_tasks=2, n_rows=40)
    arguments = [*save(table, target), "--target-task", "t1", "--target-rows", "20"]
    assert main([*arguments, "--strategies", names]) == 0
    assert "failed" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target-task", "t9"], "no task 't9': there are t0, t1"),
        (["--target-rows", "5"], "--target-rows needs --target-task"),
        (["--target-task", "t1", "--target-rows", "5,18"], "--target-rows 18 is too many: 't1'"),
        (["--target-task", "t1", "--target-rows", "1"], "are not numbers of 2 rows or more"),
        (["--target-task", "t1", "--report", "a.html"], "--report does not go with --target-task"),
        (["--target-task", "t1", "--train-fraction", "0.5"], "--train-fraction does not go with"),
        (["--target-task", "t1", "--cv", "3"], "--cv does not go with --target-task"),
        (["--target-task", "t1", "--strategies", "trans"], "no regression strategy 'trans'"),
    ],
)
def test_errors(table, save, capsys, arguments, message):
    assert main([*save(table), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_targets_as_tasks_have_no_target_task(table, save, capsys):
    arguments = save(table.drop(columns="task"), "score,second", task_column=None)
    assert main([*arguments, "--target-task", "score"]) == 2
    assert "--target-task needs a task column" in capsys.readouterr().err


def test_strategies_are_listed(capsys):
    assert main(["compare", "--list-strategies"]) == 0
    out = capsys.readouterr().out
    assert "regression strategies with --target-task" in out
    assert "  * transfer-ridge" in out
