"""Interrupted runs, and what is kept of them."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin

from skmtl.cli import main

from .conftest import FAST
from .test_compare import scores_of

pytest.importorskip("pandas", reason="the command line needs pandas")
pytest.importorskip("rich", reason="the command line needs rich")
pytest.importorskip("matplotlib", reason="the command line needs matplotlib")


class Counting(RegressorMixin, BaseEstimator):
    """Counts its fits; interrupts at one of them."""

    task_column = 0
    fits = 0
    interrupt_at = None

    def fit(self, X, y):
        type(self).fits += 1
        if type(self).fits == self.interrupt_at:
            raise KeyboardInterrupt
        self.mean_ = np.mean(y)
        return self

    def predict(self, X):
        return np.full(X.shape[0], self.mean_)


def test_resume_after_an_interruption(table, save, tmp_path, capsys, register, monkeypatch):
    monkeypatch.setattr(Counting, "fits", 0)
    monkeypatch.setattr(Counting, "interrupt_at", 2)
    register("counting", lambda setup: Counting())
    out = str(tmp_path / "out")
    arguments = [*save(table), "--cv", "3", "--strategies", "pooled,counting", "--output", out]
    assert main(arguments) == 130
    err = capsys.readouterr().err
    assert "--resume" in err.splitlines()[-1]
    assert "Traceback" not in err
    finished = {path.name for path in (tmp_path / "out" / "finished").iterdir()}
    assert len(finished) == 7  # per-task and pooled in three folds, counting in one

    assert main(arguments) == 2  # neither --resume nor --overwrite
    assert main([*arguments, "--resume"]) == 0
    assert Counting.fits == 4  # one before, the interrupted one, and the two that were missing
    assert main([*arguments, "--resume"]) == 0
    assert Counting.fits == 4
    assert main([*arguments, "--overwrite"]) == 0
    assert Counting.fits == 7


def test_interruption_without_output(table, save, capsys, register, monkeypatch):
    monkeypatch.setattr(Counting, "fits", 0)
    monkeypatch.setattr(Counting, "interrupt_at", 1)
    register("counting", lambda setup: Counting())
    assert main([*save(table), "--strategies", "counting", "--cv", "2"]) == 130
    assert "nothing was kept" in capsys.readouterr().err


def test_resume_refuses_other_data_and_settings(table, save, tmp_path, capsys):
    out = ["--output", str(tmp_path / "out")]
    assert main([*save(table), *FAST, *out]) == 0
    capsys.readouterr()
    table.loc[0, "x0"] += 1e-9
    for arguments, word in [
        ([*save(table), *FAST], "other data"),
        ([*save(table, "second"), *FAST], "other data"),
    ]:
        assert main([*arguments, *out, "--resume"]) == 2
        err = capsys.readouterr().err
        assert word in err
        assert len(err.splitlines()) == 1
    table.loc[0, "x0"] -= 1e-9


@pytest.mark.parametrize("more", [["--seed", "3"], ["--cv", "4"], ["--metric", "mae"]])
def test_resume_refuses_other_settings(more, table, save, tmp_path, capsys):
    arguments = [*save(table), *FAST, "--output", str(tmp_path / "out")]
    assert main(arguments) == 0
    capsys.readouterr()
    assert main([*arguments, *more, "--resume"]) == 2
    err = capsys.readouterr().err
    assert f"{more[0][2:]} " in err
    assert len(err.splitlines()) == 1


def test_damaged_result_is_computed_again(table, save, tmp_path):
    arguments = [*save(table), *FAST, "--output", str(tmp_path / "out")]
    assert main(arguments) == 0
    before = scores_of(tmp_path / "out" / "results.json")
    (tmp_path / "out" / "finished" / "pooled-fold1.json").write_text('{"strategy": ')
    assert main([*arguments, "--resume"]) == 0
    assert scores_of(tmp_path / "out" / "results.json") == before


def test_foreign_files_stay(table, save, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "results.json").write_text("mine")
    arguments = [*save(table), *FAST, "--output", str(out)]
    assert main(arguments) == 2
    assert (out / "results.json").read_text() == "mine"
    assert len(capsys.readouterr().err.splitlines()) == 1
