"""The HTML report: one file that needs nothing else, whatever the names in the data are."""

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor

from skmtl.cli import main
from skmtl.cli.curve import N_FOLDS, choose_sizes
from skmtl.cli.problem import TaskTable

from .conftest import FAST, make_table
from .test_bad_input import complaint

pytest.importorskip("pandas", reason="the command line needs pandas")
pytest.importorskip("rich", reason="the command line needs rich")
pytest.importorskip("matplotlib", reason="the command line needs matplotlib")

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """What a page holds; an error for tags that do not match and for anything from elsewhere."""

    def __init__(self, path):
        super().__init__()
        self.open, self.texts, self.images, self.seen = [], [], [], set()
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert tag not in ("script", "link", "iframe", "object")
        self.seen.add(tag)
        for name, value in attributes:
            assert name not in ("href", "srcset", "background")
            assert not name.startswith("on")
            if name == "src":
                kind, content = value.split(",", 1)
                assert kind == "data:image/png;base64"
                self.images.append(base64.b64decode(content, validate=True))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


@pytest.fixture
def report(tmp_path, save, capsys):
    """Runs a comparison with a report, and reads it."""

    def run(table, *more, code=0, **options):
        path = tmp_path / "report.html"
        assert main([*save(table, **options), *FAST, "--report", str(path), *more]) == code
        return Page(path)

    return run


def test_report_needs_nothing_else(report, table, tmp_path):
    page = report(table)
    assert "http:" not in page.source
    assert "https:" not in page.source
    assert "url(" not in page.source
    assert page.source.startswith("<!DOCTYPE html>")
    assert 'name="viewport"' in page.source
    assert "@media print" in page.source
    assert len(page.images) == 2
    assert all(image.startswith(b"\x89PNG") for image in page.images)
    assert not list(tmp_path.glob("*.part"))


def test_report_holds_what_the_screen_shows(report, table, capsys):
    page = report(table)
    shown = capsys.readouterr().out.splitlines()
    assert " ".join(shown[-1].split()) in page.text  # the verdict
    assert shown[0] in page.text  # the data
    for word in ("Settings", "train_fraction", "Versions", "scikit-learn", "median 20", "pooled"):
        assert word in page.text
    assert page.text.index("No clear") < page.text.index("Strategies")


@pytest.mark.parametrize("layout", ["column", "targets"])
def test_names_are_escaped(report, table, layout):
    names = {f"t{i}": f"<b>{i}</b>&amp;\"'$\\x${{" for i in range(4)}
    table["task"] = table["task"].replace(names)
    table = table.rename(columns={"score": "<i>score", "second": "<script>alert(1)</script>"})
    if layout == "column":
        page = report(table.drop(columns=["label", "grade"]), target="<i>score")
        assert "b" not in page.seen
    else:
        table = table.drop(columns=["task", "label", "grade"])
        target = "<i>score,<script>alert(1)</script>"
        page = report(table, target=target, task_column=None)
        assert "<script>alert(1)</script>" in page.text
    assert "i" not in page.seen
    assert "<i>score" in page.text


def test_tasks_that_are_clearly_hurt_are_named(report):
    table = make_table(3, 60)
    table["score"] += table["task"].map({"t0": 0.0, "t1": 9.0, "t2": 30.0})
    page = report(table)
    assert re.search(r"Clearly helped by pooled: no task\.", page.text)
    assert re.search(r"Clearly hurt by pooled: t2 \(-[\d.]+ %\), t\d \(-[\d.]+ %\)", page.text)


class Sharing(DummyRegressor):
    """Predicts the first feature, and says what it shares; interrupts at one of its fits."""

    task_column = 0
    fits = 0
    interrupt_at = None
    feature_sharing = (0.2, 1.0, 1.0, 0.9)
    coef_shared_ = np.array([100.0, 2.0, 0.0, 4.0])

    def fit(self, X, y):
        type(self).fits += 1
        if type(self).fits == self.interrupt_at:
            raise KeyboardInterrupt
        self.feature_sharing_ = np.array(self.feature_sharing)
        return super().fit(X, y)

    def predict(self, X):
        return X[:, 1]


@pytest.fixture
def exact(register, monkeypatch):
    """Small tasks whose target a strategy called "sharing" knows but for the noise."""
    monkeypatch.setattr(Sharing, "fits", 0)
    register("sharing", lambda setup: Sharing())
    table = make_table(12, 8)[["task", "x0", "x1", "x2", "colour", "score"]]
    noise = np.random.default_rng(1).normal(size=len(table))
    colour = table["colour"].where(table["colour"] == "red", "blue")
    return table.assign(score=table["x0"] + 0.3 * noise, colour=colour)


def test_shared_features_are_named(exact, save, capsys):
    assert main([*save(exact), "--cv", "3", "--strategies", "sharing"]) == 0
    sentence = capsys.readouterr().out.splitlines()[-1]
    assert sentence.startswith("Sharing helps: ")
    assert sentence.endswith("; most is shared by the features x0, colour_red, x1.")
    assert Sharing.fits == 4  # three folds, and all rows


def test_no_features_are_named_where_there_are_none(exact, save, capsys, monkeypatch):
    monkeypatch.setattr(Sharing, "feature_sharing", (0.5, 0.5))  # of something else
    assert main([*save(exact), "--cv", "3", "--strategies", "sharing"]) == 0
    sentence = capsys.readouterr().out.splitlines()[-1]
    assert sentence.endswith("hurt by more than 1 %.")


def test_a_failure_to_name_features_loses_nothing(exact, save, capsys, monkeypatch):
    monkeypatch.setattr("skmtl.cli.run.find_shared_features", lambda *given: 1 / 0)
    assert main([*save(exact), "--cv", "3", "--strategies", "sharing"]) == 0
    out, err = capsys.readouterr()
    assert "Sharing helps" in out
    assert "shared features are not known: division by zero" in err


def test_interrupted_curve_leaves_a_report_and_is_resumed(exact, save, tmp_path, monkeypatch):
    path, out = tmp_path / "report.html", tmp_path / "out"
    arguments = [*save(exact), "--cv", "2", "--strategies", "sharing", "--report", str(path)]
    arguments += ["--output", str(out)]
    monkeypatch.setattr(Sharing, "interrupt_at", 6)  # two folds, all rows, two of the curve
    assert main(arguments) == 130
    assert len(Page(path).images) == 1
    assert (out / "results.json").exists()
    kept = {path.name for path in (out / "finished-curve").iterdir()}
    assert {name for name in kept if "sharing" in name} == {
        "sharing-fold0.json",
        "sharing-fold1.json",
    }
    assert main([*arguments, "--resume"]) == 0
    assert len(Page(path).images) == 2
    n_curve = len(choose_sizes_of(exact)) * N_FOLDS
    assert Sharing.fits == 2 + 1 + n_curve + 2  # the interrupted one, and all rows once more


def choose_sizes_of(table):
    codes = np.unique(table["task"], return_inverse=True)[1]
    names = sorted(set(table["task"]))
    problem = TaskTable("", "regression", table, codes * 1.0, codes, names, ["y"])
    return choose_sizes(problem)


def test_sizes_of_the_curve():
    assert choose_sizes_of(make_table(3, 6)) == []
    assert choose_sizes_of(make_table(3, 9)) == [4, 5, 6]
    sizes = choose_sizes_of(make_table(3, 300))
    assert (sizes[0], sizes[-1], len(sizes)) == (4, 200, 5)


def test_small_tasks_have_no_curve(report):
    assert len(report(make_table(4, 6)).images) == 1


def test_failures_are_in_the_report(report, table, register):
    class Broken(DummyRegressor):
        task_column = 0

        def fit(self, X, y):
            raise RuntimeError("no <such> luck")

    register("broken", lambda setup: Broken())
    page = report(table, "--strategies", "broken", code=1)
    assert "broken failed: fold 1: RuntimeError: no <such> luck" in page.text
    register("per-task", lambda setup: Broken(), shares=False)
    page = report(table, code=1)
    assert page.images == []
    assert "There is nothing to compare with: one model per task failed" in page.text


def test_classes_are_in_the_report(report, table):
    page = report(table, target="label")
    assert "high, low" in page.text
    assert re.search(r"accuracy, mean over tasks and 3 folds", page.text)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("report.csv", "is not the name of an .html file"),
        ("report", "is not the name of an .html file"),
        ("folder.html", "is a folder"),
        ("absent/report.html", "there is no folder"),
    ],
)
def test_reports_that_cannot_be_written(name, words, tmp_path, capsys):
    (tmp_path / "folder.html").mkdir()
    assert words in complaint(["compare", "--report", str(tmp_path / name)], capsys)


def test_a_file_of_this_name_is_replaced_as_the_help_says(report, table, tmp_path, capsys):
    (tmp_path / "report.html").write_text("something else")
    assert report(table).source.startswith("<!DOCTYPE html>")
    assert main(["compare", "--help"]) == 0
    assert "a file of this name is replaced" in " ".join(capsys.readouterr().out.split())


def test_report_that_cannot_be_replaced(table, save, tmp_path, capsys, monkeypatch):
    def refuse(path, text):
        raise OSError("disk full")

    monkeypatch.setattr("skmtl.cli.run.write_text", refuse)
    arguments = [*save(table), *FAST, "--report", str(tmp_path / "report.html")]
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert "per-task" in out  # the results were shown before
    assert err.splitlines()[-1].endswith("disk full")
