"""`skmtl compare` from arguments to what is printed and written."""

import csv
import json
import sys
import warnings

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.exceptions import ConvergenceWarning

from skmtl import __version__
from skmtl.cli import main

from .conftest import FAST, make_table

pandas = pytest.importorskip("pandas", reason="the command line needs pandas")
pytest.importorskip("rich", reason="the command line needs rich")
pytest.importorskip("matplotlib", reason="the command line needs matplotlib")


def strict_json(path):
    def refuse(token):
        raise AssertionError(f"{token} is no JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def read_rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_default_run_prints_table_and_conclusion(capsys):
    assert main(["compare", "--cv", "3"]) == 0
    out, err = capsys.readouterr()
    names = ["per-task", "pooled", "pooled-intercepts", "mean-regularized", "multitask-lasso"]
    for name in [*names, "sharing"]:
        assert f"\n {name} " in out
    assert "442 rows, 9 features, 8 tasks of 37 to 71 rows" in out
    assert "interval" in out.splitlines()[-1]
    assert len(err.splitlines()) == 6  # a line per finished strategy, no warning


@pytest.mark.parametrize("data", ["digits", "iris-cancer"])
def test_bundled_classification(data, capsys):
    assert main(["compare", "--data", data, *FAST, "--train-fraction", "0.5"]) == 0
    assert "accuracy" in capsys.readouterr().out


@pytest.mark.parametrize("metric", ["log_loss", "balanced_accuracy"])
def test_classification_metrics_with_single_class_tasks(metric, table, save, capsys):
    table.loc[table["task"] == "t0", "label"] = "high"
    assert main([*save(table, "label"), *FAST, "--metric", metric]) == 0
    assert metric in capsys.readouterr().out


def test_forests(table, save, capsys):
    assert main([*save(table), "--cv", "2", "--strategies", "forest-per-task,forest-pooled"]) == 0
    out = capsys.readouterr().out
    assert "against forest-per-task" in out


@pytest.mark.parametrize("name", ["table.csv", "table.tsv", "table.parquet"])
def test_files(name, table, save, capsys):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    if name.endswith("tsv"):
        table = table.rename(columns={"x0": "a;b"})
    arguments = save(table.drop(columns=["second", "label", "grade"]), name=name)
    assert main([*arguments, *FAST]) == 0
    assert "80 rows, 4 features, 4 tasks of 20 rows" in capsys.readouterr().out


def test_several_targets_are_tasks(table, save, capsys):
    table.loc[:6, "second"] = np.nan
    table.loc[5, "score"] = np.nan
    table = table.drop(columns=["task", "label", "grade"])
    arguments = save(table, "score,second", task_column=None)
    assert main([*arguments, "--cv", "3"]) == 0
    out, err = capsys.readouterr()
    assert "regression of score, second; 79 rows, 4 features, 2 tasks of 73 to 79 rows" in out
    assert "dropped 1 rows without target or task" in err


@pytest.mark.parametrize(
    ("target", "task_type"),
    [
        ("score", "regression"),
        ("label", "classification"),
        ("grade", "classification"),
        ("flag", "classification"),
        ("many", "regression"),
        ("halves", "regression"),
    ],
)
def test_task_type_is_told_from_the_target(target, task_type, table, save, capsys):
    table["flag"] = table["score"] > 0
    table["many"] = np.arange(len(table)) % 17
    table["halves"] = table["grade"] / 2
    assert main([*save(table, target), *FAST]) == 0
    assert f"{task_type} of {target}" in capsys.readouterr().out
    if task_type == "classification" and target == "grade":
        assert main([*save(table, target), *FAST, "--task-type", "regression"]) == 0
        assert f"regression of {target}" in capsys.readouterr().out


def test_missing_values_categories_and_ids(table, save, capsys):
    table["name"] = [f"person {i}" for i in range(len(table))]
    table["empty"] = np.nan
    table["Unnamed: 0"] = np.arange(len(table))
    table["mostly_numbers"] = ["n/k" if i == 3 else str(i % 7) for i in range(len(table))]
    table["only_in_one_task"] = np.where(table["task"] == "t0", table["x0"], np.nan)
    table.loc[::5, "x0"] = np.nan
    table.loc[1::7, "colour"] = None
    table.loc[3, "x1"] = np.inf
    table.loc[4, "score"] = np.nan
    table.loc[7, "task"] = None
    assert main([*save(table.drop(columns=["label", "grade", "second"])), *FAST]) == 0
    out, err = capsys.readouterr()
    assert "78 rows, 6 features" in out
    assert "dropped 2 rows without target or task" in err
    assert "'name': text with a value of its own" in err
    assert "'empty': no value at all" in err
    assert "'Unnamed: 0': it numbers the rows" in err
    assert "1 entries of 'mostly_numbers'" in err


def test_numeric_task_ids(table, save, tmp_path):
    table["task"] = table["task"].str[1:].astype(float) * 10
    table.loc[0, "task"] = np.nan
    main([*save(table), *FAST, "--output", str(tmp_path / "out")])
    tasks = strict_json(tmp_path / "out" / "results.json")["data"]["tasks"]
    assert tasks == ["0", "10", "20", "30"]


def test_few_rows_per_task(table, save, capsys):
    few = table.groupby("task").head(3)
    one = table[table["task"] == "t0"].head(1).assign(task="single")
    assert main([*save(pandas.concat([few, one])), "--cv", "3"]) == 0
    assert "5 tasks of 1 to 3 rows" in capsys.readouterr().out


@pytest.mark.parametrize(("fraction", "rows"), [("0.5", 6), ("4", 4), ("1000", 13), ("1.0", 13)])
def test_train_fraction(fraction, rows, table, save, tmp_path):
    out = tmp_path / "out"
    assert main([*save(table), *FAST, "--train-fraction", fraction, "--output", str(out)]) == 0
    folds = strict_json(out / "results.json")["folds"]
    assert {n for fold in folds for n in fold["train_rows"]} <= {rows, rows + 1}
    assert {n for fold in folds for n in fold["test_rows"]} == {6, 7}


def test_files_written(table, save, tmp_path):
    out = tmp_path / "deep" / "out"
    arguments = [*save(table), "--cv", "3", "--metric", "r2", "--output", str(out)]
    assert main(arguments) == 0
    results = strict_json(out / "results.json")
    assert set(results["machine"]) == {"system", "architecture", "processor", "cores"}
    assert {"python", "pandas"} <= set(results["versions"])
    assert results["versions"]["skmtl"] == __version__
    assert results["reference"] == "per-task"
    assert len(results["folds"]) == 18
    for path in sorted((out / "finished").iterdir()):
        strict_json(path)
    assert [row["strategy"] for row in read_rows(out / "results.csv")] == [
        row["strategy"] for row in results["strategies"]
    ]
    per_task = read_rows(out / "per_task.csv")
    assert len(per_task) == 6 * 4
    pooled = [row for row in per_task if row["strategy"] == "pooled"]
    for row in pooled:
        gain = float(row["score"]) - float(row["reference_score"])
        assert float(row["gain"]) == pytest.approx(gain)
    assert (out / "gains.png").read_bytes().startswith(b"\x89PNG")
    assert not list(out.rglob("*.part"))


def test_undefined_scores_leave_valid_json(table, save, tmp_path):
    few = table.groupby("task").head(4)
    out = tmp_path / "out"
    assert main([*save(few), *FAST, "--metric", "r2", "--output", str(out)]) == 0
    scores = [fold["scores"] for fold in strict_json(out / "results.json")["folds"]]
    assert None in scores[0] + scores[1] + scores[2]  # R2 of one row


def scores_of(folder):
    return [(f["strategy"], f["fold"], f["scores"]) for f in strict_json(folder)["folds"]]


def test_same_seed_same_results_whatever_n_jobs(table, save, tmp_path):
    arguments = [*save(table), "--cv", "3", "--strategies", "pooled,mean-regularized,forest-pooled"]
    arguments += ["--train-fraction", "0.6"]
    runs = {"a": [], "b": ["--n-jobs", "2"], "c": ["--seed", "1"]}
    for name, more in runs.items():
        assert main([*arguments, *more, "--output", str(tmp_path / name)]) == 0
    a, b, c = (scores_of(tmp_path / name / "results.json") for name in runs)
    assert a == b
    assert a != c


def test_repeats_are_other_folds(table, save, tmp_path):
    out = tmp_path / "out"
    assert main([*save(table), *FAST, "--repeats", "2", "--output", str(out)]) == 0
    scores = [scores for name, _, scores in scores_of(out / "results.json") if name == "pooled"]
    assert len(scores) == 6
    assert scores[:3] != scores[3:]


def test_contiguous_folds(table, save, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = [*save(table), *FAST, "--contiguous", "--output", str(out)]
    assert main([*arguments, "--seed", "1"]) == 0
    first = scores_of(out / "results.json")
    assert main([*arguments, "--seed", "2", "--overwrite"]) == 0
    assert scores_of(out / "results.json") == first
    assert "blocks of neighbouring rows" in capsys.readouterr().err


class Broken(DummyRegressor):
    task_column = 0

    def fit(self, X, y):
        raise RuntimeError("no such\nluck")


def broken(setup):
    return Broken()


def test_a_failing_strategy_does_not_stop_the_others(table, save, tmp_path, capsys, register):
    register("broken", broken)
    out = tmp_path / "out"
    arguments = [*save(table), "--cv", "2", "--strategies", "broken,pooled", "--output", str(out)]
    assert main(arguments) == 1
    printed, err = capsys.readouterr()
    assert "failed" in printed
    assert err.count("broken failed in fold 1: RuntimeError: no such luck") == 1
    rows = {row["strategy"]: row for row in strict_json(out / "results.json")["strategies"]}
    assert rows["broken"]["status"] == "failed"
    assert "no such luck" in rows["broken"]["message"]
    assert rows["pooled"]["status"] == "finished"


def test_predictions_that_are_not_finite_fail(table, save, capsys, register):
    class Wild(DummyRegressor):
        task_column = 0

        def predict(self, X):
            return np.full(X.shape[0], np.inf)

    register("wild", lambda setup: Wild())
    assert main([*save(table), "--cv", "2", "--strategies", "wild"]) == 1
    assert "wild failed in fold 1" in capsys.readouterr().err


def test_warnings_are_counted_not_shown(table, save, capsys, register):
    class Restless(DummyRegressor):
        task_column = 0

        def fit(self, X, y):
            warnings.warn("not yet", ConvergenceWarning)
            warnings.warn("something else", UserWarning)
            return super().fit(X, y)

    register("restless", lambda setup: Restless())
    assert main([*save(table), "--cv", "2", "--strategies", "restless"]) == 0
    out, err = capsys.readouterr()
    assert "restless: 2 of 2 fits met a solver that did not converge" in out
    assert "not yet" not in err
    assert "something else" not in err


def test_lists(capsys):
    assert main(["compare", "--list-strategies", "--list-data"]) == 0
    out = capsys.readouterr().out
    for word in ("mean-regularized", "forest-pooled", "parkinsons", "log_loss"):
        assert word in out


@pytest.mark.parametrize(
    "data", ["school", "parkinsons", "student", "newsgroups", "wq", "sarcos", "auto_mpg"]
)
def test_fetched_data(data, capsys):
    from skmtl.datasets import get_data_home

    folder = "mulan" if data == "wq" else data
    if not any(path.is_file() for path in (get_data_home() / folder).rglob("*")):
        pytest.skip(f"{folder} is not in the data folder (SKMTL_DATA)")
    assert main(["compare", "--data", data, *FAST, "--train-fraction", "0.3"]) == 0
    assert data in capsys.readouterr().out


def test_progress_bar_on_a_terminal(table, save, capsys, monkeypatch, register):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    register("broken", broken)
    assert main([*save(table), "--cv", "2", "--strategies", "broken,pooled"]) == 1
    out, err = capsys.readouterr()
    assert "6/6" in err
    assert err.count("broken failed in fold 1") == 1
    assert "6/6" not in out


def test_figure_of_many_tasks_and_huge_losses(tmp_path, capsys, save):
    parts = [make_table(1, 6 + 6 * i, seed=i).assign(task=f"t{i}") for i in range(25)]
    table = pandas.concat(parts)
    table.loc[table["task"] == "t3", "score"] = 1000.0  # one model per task is exact there
    out = tmp_path / "out"
    assert main([*save(table), *FAST, "--output", str(out)]) == 0
    assert (out / "gains.png").stat().st_size > 10_000
    rows = read_rows(out / "per_task.csv")
    assert {row["gain"] for row in rows if row["task"] == "t3"} == {""}  # relative to nothing


def test_dates_become_numbers(table, save, capsys):
    pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    table["day"] = pandas.date_range("2024-01-01", periods=len(table), tz="UTC")
    assert main([*save(table, name="table.parquet"), *FAST]) == 0
    assert "dates of 'day'" in capsys.readouterr().err


def test_interruption_while_reading(monkeypatch, capsys):
    def interrupt(options):
        raise KeyboardInterrupt

    monkeypatch.setattr("skmtl.cli.problem.read_problem", interrupt)
    assert main(["compare"]) == 130
    assert capsys.readouterr().err == "skmtl: interrupted\n"


def test_strategies_by_family(table, save, capsys, monkeypatch):
    monkeypatch.setattr("skmtl.inspection.penalty_strategies.N_ALPHAS", 3)
    assert main([*save(table), "--cv", "2", "--strategies", "armul,related"]) == 0
    out = capsys.readouterr().out
    for name in ("per-task", "armul", "task-relationships", "clustered", "fusion", "graph-ridge"):
        assert out.count(f"\n {name} ") == 1
    assert main(["compare", "--list-strategies"]) == 0
    listed = capsys.readouterr().out
    for name in ("  low-rank\n", "  sparse\n", "    feature-learning ", "    dirty "):
        assert name in listed


@pytest.mark.parametrize("task_type", ["regression", "classification"])
def test_all_strategies(task_type):
    from skmtl.cli.strategies import find_strategies
    from skmtl.inspection.strategies import REGISTRY

    assert find_strategies("all", task_type) == REGISTRY[task_type]
    first, *others = find_strategies("temporal", task_type)
    assert first.name == "per-task"
    assert [entry.name for entry in others] == ["temporal-group", "fused-temporal"]
