"""Bad input: one line on stderr that says what to do, exit code 2, no traceback."""

import numpy as np
import pytest

from skmtl.cli import main

from .conftest import FAST

pytest.importorskip("pandas", reason="the command line needs pandas")
pytest.importorskip("rich", reason="the command line needs rich")
pytest.importorskip("matplotlib", reason="the command line needs matplotlib")


def complaint(arguments, capsys):
    """The one line that the command says."""
    capsys.readouterr()
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1, err
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compare", "absent.csv", "--target", "a"], "no such file: absent.csv"),
        (["compare", "absent.csv"], "--target is missing"),
        (["compare", "--target", "a"], "--target belongs to a FILE"),
        (["compare", "a.csv", "--data", "digits"], "not both"),
        (["compare", "--data", "digit"], "did you mean 'digits'?"),
        (["compare", "--strategies", "pooledd"], "did you mean 'pooled'?"),
        (["compare", "--strategies", ","], "names none"),
        (["compare", "--metric", "rsme"], "did you mean 'rmse'?"),
        (["compare", "--metric", "accuracy"], "no regression metric 'accuracy'"),
        (["compare", "--cv", "-3"], "'-3' is not a whole number"),
        (["compare", "--cv", "1"], "of 2 or more"),
        (["compare", "--cv", "100"], "more than the rows of any task"),
        (["compare", "--train-fraction", "0"], "neither a share"),
        (["compare", "--train-fraction", "1.5"], "neither a share"),
        (["compare", "--train-fraction", "-2"], "neither a share"),
        (["compare", "--train-fraction", "nan"], "neither a share"),
        (["compare", "--n-jobs", "0"], "not a number of processes"),
        (["compare", "--seed", "x"], "'x' is not a whole number"),
        (["compare", "--train-fraction", "-1"], "neither a share"),
        (["compare", "--output", ""], "--output is empty"),
        (["compare", "--output", " ", "--overwrite"], "--output is empty"),
        (["compare", "--resume"], "needs --output"),
        (["compare", "--resume", "--overwrite", "--output", "x"], "not allowed with"),
        (["compare", "--task-type", "ranking"], "invalid choice"),
        (["compare", "--contiguous", "--repeats", "2"], "--repeats needs folds at random"),
        (["compare", "--no-such-option"], "unrecognized arguments"),
        (["contrast"], "invalid choice"),
    ],
)
def test_arguments(arguments, words, capsys):
    assert words in complaint(arguments, capsys)


def test_no_command_prints_help(capsys):
    assert main([]) == 2
    assert "compare" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--help"], ["compare", "--help"], ["--version"]])
def test_help(arguments, capsys):
    assert main(arguments) == 0
    assert "skmtl" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cannot read"),
        (b"a,b,score\n", "has no rows"),
        (b"\x00\xff\xfe\x89PNG\r\n\x1a\n" * 20, ""),
        (b'a,score\n1,"2\n3,4\n', ""),
        (b"a,b\n1,2,3,4\n5\n", ""),
    ],
)
def test_garbled_files(content, words, tmp_path, capsys):
    path = tmp_path / "garbled.csv"
    path.write_bytes(content)
    arguments = ["compare", str(path), "--target", "score", "--task-column", "task"]
    assert words in complaint(arguments, capsys)


def test_garbled_parquet_and_folder(tmp_path, capsys):
    pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    path = tmp_path / "garbled.parquet"
    path.write_bytes(b"no parquet at all")
    more = ["--target", "score", "--task-column", "task"]
    assert "cannot read" in complaint(["compare", str(path), *more], capsys)
    assert "is a folder" in complaint(["compare", str(tmp_path), *more], capsys)


def test_columns(table, save, capsys):
    assert "did you mean 'score'?" in complaint(save(table, "scor"), capsys)
    assert "did you mean 'task'?" in complaint(save(table, task_column="tsk"), capsys)
    assert "one target is one task" in complaint(save(table, task_column=None), capsys)
    assert "both the task and the target" in complaint(save(table, "task"), capsys)
    assert "several targets without it" in complaint(save(table, "score,second"), capsys)
    assert "names a column twice" in complaint(save(table, "score,score", None), capsys)
    assert "no number" in complaint(save(table, "score,label", None), capsys)
    arguments = [*save(table, "score,second", None), "--task-type", "classification"]
    assert "regression only" in complaint(arguments, capsys)
    arguments = [*save(table, "label"), "--task-type", "regression"]
    assert "no number" in complaint(arguments, capsys)


def test_targets(table, save, capsys):
    table["constant"] = 3.5
    table["same"] = "yes"
    table["empty"] = np.nan
    assert "'constant' is constant" in complaint(save(table, "constant"), capsys)
    assert "'same' is constant" in complaint(save(table, "same"), capsys)
    assert "no row has a value" in complaint(save(table, "empty"), capsys)
    assert "no row has a value" in complaint(save(table, "score,empty", None), capsys)


def test_tasks(table, save, capsys):
    table["one"] = "a"
    table["empty"] = np.nan
    table["each"] = np.arange(len(table))
    assert "only one task ('a')" in complaint(save(table, task_column="one"), capsys)
    assert "both a task and a target" in complaint(save(table, task_column="empty"), capsys)
    assert "rows of any task" in complaint(save(table, task_column="each"), capsys)


def test_no_features(table, save, capsys):
    assert "could be a feature" in complaint(save(table[["task", "score"]]), capsys)


def test_output_is_a_file(table, save, tmp_path, capsys):
    (tmp_path / "out").write_text("")
    arguments = [*save(table), *FAST, "--output", str(tmp_path / "out")]
    assert "is a file" in complaint(arguments, capsys)


def test_data_neither_cached_nor_reachable(monkeypatch, tmp_path, capsys):
    def unreachable(url, path):
        raise OSError("no network")

    monkeypatch.setenv("SKMTL_DATA", str(tmp_path))
    monkeypatch.setattr("skmtl.datasets.fetching.transfer", unreachable)
    assert "no network" in complaint(["compare", "--data", "school"], capsys)
