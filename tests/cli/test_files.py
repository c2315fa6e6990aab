"""Files as people have them: stray cells, ids like "NA" and "007", other separators, blanks."""

import json

import numpy as np
import pytest

from skmtl.cli import main
from skmtl.cli.columns import check_classes, tell_task_type
from skmtl.cli.errors import UsageError

from .conftest import FAST, make_table
from .test_bad_input import complaint

pandas = pytest.importorskip("pandas", reason="the command line needs pandas")
pytest.importorskip("rich", reason="the command line needs rich")
pytest.importorskip("matplotlib", reason="the command line needs matplotlib")


@pytest.fixture
def table():
    return make_table().drop(columns=["second"])


@pytest.fixture
def run(save, tmp_path, capsys):
    """Runs a comparison; the data as results.json describes them, and what stderr says."""

    def compare(table, *more, text=None, **options):
        arguments = save(table, **options)
        if text is not None:
            (tmp_path / "table.csv").write_text(text, encoding="utf-8")
        out = tmp_path / "out"
        capsys.readouterr()
        assert main([*arguments, *FAST, "--output", str(out), "--overwrite", *more]) == 0
        data = json.loads((out / "results.json").read_text(encoding="utf-8"))["data"]
        return data, capsys.readouterr().err

    return compare


def test_a_few_cells_of_a_numeric_target_are_no_numbers(table, run):
    table["score"] = table["score"].astype(object)
    table.loc[[4, 9], "score"] = ["-", "NA"]
    data, err = run(table)
    assert "regression of score; 78 rows" in data["description"]
    assert "1 of 80 cells are no numbers and count as missing, as '-' in data row 5" in err
    assert "dropped 2 rows without target or task\n" in err


def test_a_few_cells_with_commas_are_no_numbers(table, run):
    table["score"] = table["score"].astype(object)
    table.loc[0, "score"] = "1,234.50"
    data, err = run(table)
    assert "regression of score; 79 rows" in data["description"]
    assert "'1,234.50' in data row 1" in err


def test_a_few_cells_of_whole_number_classes_are_no_numbers(table, run):
    table["grade"] = table["grade"].astype(object)
    table.loc[4, "grade"] = "-"
    data, err = run(table, target="grade")
    assert data["classes"] == ["0", "1", "2"]
    assert "'-' in data row 5" in err


@pytest.mark.parametrize("more", [[], ["--task-type", "classification"]])
@pytest.mark.parametrize("form", ["${:.4f}", "{:.4f} EUR", "1,23{:.4f}"])
def test_numbers_in_disguise_are_no_classes(form, more, table, save, capsys):
    table["score"] = [form.format(abs(value)) for value in table["score"]]
    said = complaint([*save(table), *FAST, *more], capsys)
    assert repr(table["score"].iloc[0]) in said
    assert "data row 1" in said
    assert "1234.5" in said


def test_too_many_strays(table, save, capsys):
    table["score"] = table["score"].astype(object)
    table.loc[3:12, "score"] = "none of them"
    said = complaint([*save(table), *FAST], capsys)
    assert "'none of them' (data row 4)" in said
    said = complaint([*save(table), *FAST, "--task-type", "regression"], capsys)
    assert "no number: not regression" in said


def test_continuous_classes(table, save, capsys):
    arguments = [*save(table), *FAST, "--task-type", "classification"]
    assert "choose --task-type regression" in complaint(arguments, capsys)


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (np.arange(60) % 30, True),  # whole numbers, each twice
        (np.arange(60), False),
        (np.arange(60) % 30 + 0.5, False),
        ([f"species {i % 30}" for i in range(60)], True),
        ([f"person {i}" for i in range(60)], False),
        ([f"{i % 25},5" for i in range(1000)], False),
        ([f"person {i}" for i in range(20)], True),
    ],
)
def test_what_classes_are(values, classes):
    column = pandas.Series(values, name="target")
    if classes:
        check_classes(column)
    else:
        with pytest.raises(UsageError, match="which are no classes"):
            check_classes(column)


def test_five_percent_is_the_limit():
    values = [str(i / 7) for i in range(95)] + ["-"] * 5
    assert tell_task_type(pandas.Series(values))[0] == "regression"
    assert tell_task_type(pandas.Series([*values, "-"]))[0] == "classification"


def test_only_empty_cells_are_missing_ids_and_classes(table, run):
    table["task"] = table["task"].replace({"t0": "NA", "t1": "None", "t2": "?"})
    table["label"] = table["label"].replace({"low": "None"})
    table.loc[0, "task"] = None
    table.loc[1, "label"] = None
    data, err = run(table, target="label")
    assert data["tasks"] == ["?", "NA", "None", "t3"]
    assert data["classes"] == ["None", "high"]
    assert "dropped 2 rows without target or task\n" in err


def test_note_names_the_tasks_that_are_lost(table, run):
    table.loc[table["task"].isin(["t1", "t3"]), "score"] = np.nan
    data, err = run(table)
    assert data["tasks"] == ["t0", "t2"]
    assert "dropped 40 rows without target or task; with them all of 2 tasks: 't1', 't3'" in err


@pytest.mark.parametrize(
    ("ids", "names"),
    [
        (["007", "7", "10", "9"], ["007", "10", "7", "9"]),
        (["100", "7", "10", "9"], ["7", "9", "10", "100"]),
        (["100.0", "7.0", "10.0", "9.0"], ["7", "9", "10", "100"]),
        (["1.1", "1.10", "2", "3"], ["1.1", "1.10", "2", "3"]),
        (["9007199254740993", "9007199254740992", "2", "3"], None),
        (["1", "2", "3", "NA"], ["1", "2", "3", "NA"]),
    ],
)
def test_ids_like_numbers(ids, names, table, run):
    table["task"] = table["task"].replace({f"t{i}": name for i, name in enumerate(ids)})
    data, _ = run(table)
    assert data["tasks"] == (names or sorted(ids))


def test_classes_like_numbers(table, run):
    table["label"] = table["label"].replace({"high": "007", "low": "7"})
    data, _ = run(table, "--task-type", "classification", target="label")
    assert data["classes"] == ["007", "7"]
    table["label"] = table["label"].replace({"007": "10"})
    table.loc[3, "label"] = "NA"  # among numbers it is no class
    data, err = run(table, target="label")
    assert data["classes"] == ["7", "10"]
    assert "dropped 1 rows" in err


def test_booleans_with_gaps(table, run):
    table["flag"] = (table["score"] > 0).astype(object)
    table.loc[3, "flag"] = None
    assert run(table, target="flag")[0]["classes"] == ["False", "True"]
    data, _ = run(table, "--task-type", "regression", target="flag")
    assert "regression of flag; 79 rows" in data["description"]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_blanks_around_ids(suffix, table, run):
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    table.loc[::3, "task"] += " "
    data, err = run(table, name=f"table.{suffix}")
    assert data["tasks"] == ["t0", "t1", "t2", "t3"]
    assert "stripped blanks in 'task': 't0 ' is 't0'" in err


def test_parquet_in_capitals(table, run, save, tmp_path):
    pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    save(table, name="table.parquet")
    arguments = ["compare", str(tmp_path / "TABLE.PARQUET"), "--target", "score"]
    (tmp_path / "table.parquet").rename(tmp_path / "TABLE.PARQUET")
    assert main([*arguments, "--task-column", "task", *FAST]) == 0


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas(separator, table, run):
    expected, _ = run(table.round(2))
    text = table.round(2).to_csv(index=False, sep=separator, decimal=",")
    data, err = run(table, text=text)
    assert data["description"] == expected["description"]
    assert "read decimal commas in 'x0', 'x1', 'x2', 'score'" in err


def test_decimal_commas_give_the_same_data(table, run, tmp_path):
    settings = []
    for options in ({}, {"sep": ";"}, {"sep": ";", "decimal": ","}):
        run(table, text=table.round(4).to_csv(index=False, **options))
        found = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
        settings.append(found["data_sha256"])
    assert len(set(settings)) == 1


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_rows_with_several_commas(separator, table, run):
    table["colour"] = table["colour"].replace({"red": "red, dark, Jr", "blue": "blue, or, so"})
    data, _ = run(table, text=table.to_csv(index=False, sep=separator))
    assert "80 rows, 6 features, 4 tasks" in data["description"]


@pytest.mark.parametrize(
    ("separator", "values"),
    [
        (",", ["7,5", "1,25"]),
        ("|", ["7,5", "1,25"]),
        ("\t", ["7,500", "1,250"]),  # or thousands
        (";", ["7,500", "1.250"]),
        (";", ["1.234,5", "7,5"]),
        (",", ["1,234,567", "-12"]),
    ],
)
def test_commas_that_may_separate_thousands(separator, values, table, save, tmp_path, capsys):
    table["amount"] = np.resize(values, len(table))
    arguments = save(table)
    table.to_csv(tmp_path / "table.csv", index=False, sep=separator)
    said = complaint([*arguments, *FAST], capsys)
    assert f"column 'amount' holds {next(v for v in values if ',' in v)!r} (data row 1)" in said
    assert "1234.5" in said


@pytest.mark.parametrize("header", ["task,x,x,score", "task,x, x ,score", '"task",x,"x ",score'])
def test_columns_of_the_same_name(header, save, table, tmp_path, capsys):
    arguments = save(table)
    (tmp_path / "table.csv").write_text(header + "\na,1,2,3\nb,2,3,4\n", encoding="utf-8")
    assert "two columns 'x'" in complaint(arguments, capsys)


def test_header_with_blanks_a_mark_and_no_name(run, table):
    text = table.rename(columns={"task": " task ", "x0": "x0.1"}).to_csv()
    data, err = run(table, text="\ufeff" + text)
    assert "80 rows, 6 features, 4 tasks" in data["description"]
    assert "left out 'Unnamed: 0': it numbers the rows" in err


@pytest.mark.parametrize(
    ("target", "strategies"), [("score", "per-task,multitask-lasso"), ("label", "per-task,pooled")]
)
def test_a_small_share_keeps_two_rows_of_a_task(target, strategies, run, table, tmp_path):
    small = table[table["task"] == "t0"].head(3).assign(task="small")
    table = pandas.concat([table, small])
    run(table, "--train-fraction", "0.05", "--strategies", strategies, target=target)
    folds = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))["folds"]
    assert {n for fold in folds for n in fold["train_rows"]} == {2}


def test_a_share_of_one_is_all(run, table, tmp_path):
    run(table, "--train-fraction", "1")
    folds = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))["folds"]
    assert {n for fold in folds for n in fold["train_rows"]} == {13, 14}


def test_a_small_share_of_several_targets(run, table, tmp_path):
    table["other"] = table["score"].where(np.arange(len(table)) % 8 == 0)
    table = table.drop(columns=["task", "label", "grade"])
    run(table, "--train-fraction", "0.02", target="score,other", task_column=None)
    folds = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))["folds"]
    assert min(n for fold in folds for n in fold["train_rows"]) == 2
