"""The fetchers on the real files, from the folder that SKMTL_DATA names; nothing is downloaded."""

import os

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skmtl import datasets
from skmtl.datasets import get_data_home
from skmtl.datasets.registry import REGISTRY

MULAN = {
    "enb": (768, 8, 2),
    "edm": (154, 16, 2),
    "jura": (359, 15, 3),
    "slump": (103, 7, 3),
    "wq": (1060, 16, 14),
    "andro": (49, 30, 6),
    "atp1d": (337, 411, 6),
}
TASK_COLUMN_SETS = ["auto_mpg", "bike", "concrete", "parkinsons", "school", "student"]
TASK_COLUMN_SETS += ["wine_quality"]


def fetch(name, *args, **parameters):
    """Call a fetcher if its files are in the folder that SKMTL_DATA names; else skip the test."""
    folder = {"newsgroups_pairs": "newsgroups"}.get(name, name)
    if not os.environ.get("SKMTL_DATA"):
        pytest.skip("needs the real data: SKMTL_DATA is not set")
    for file in REGISTRY[folder]:
        if not (get_data_home() / folder / file.name).exists():
            pytest.skip(f"needs the real data: {folder}/{file.name} is not in SKMTL_DATA")
    return getattr(datasets, f"fetch_{name}")(*args, download_if_missing=False, **parameters)


def task_sizes(bunch):
    return np.unique(bunch.data[:, 0], return_counts=True)[1]


@pytest.mark.parametrize("name", TASK_COLUMN_SETS)
def test_task_column_bunch(name):
    bunch = fetch(name)
    assert bunch.data.dtype == bunch.target.dtype == np.float64
    assert bunch.data.shape == (len(bunch.target), len(bunch.feature_names))
    assert bunch.feature_names[0] == "task"
    assert bunch.task_column == 0
    assert len(set(bunch.feature_names)) == len(bunch.feature_names)
    assert len(bunch.task_names) == len(task_sizes(bunch))
    assert np.isfinite(bunch.data).all()
    assert np.isfinite(bunch.target).all()
    assert np.ptp(bunch.data, axis=0).min() > 0
    for part in (f"{len(bunch.target)} rows", "Origin: ", "Licence: "):
        assert part in bunch.DESCR
    X, y = fetch(name, return_X_y=True)
    assert_array_equal(X, bunch.data)
    assert_array_equal(y, bunch.target)


@pytest.mark.parametrize("name", [name for name in TASK_COLUMN_SETS if name != "student"])
def test_task_column_frame(name):
    pytest.importorskip("pandas")
    arrays, frames = fetch(name), fetch(name, as_frame=True)
    assert list(frames.data.columns) == frames.feature_names == arrays.feature_names
    assert_array_equal(frames.data.drop(columns="task").to_numpy(), arrays.data[:, 1:])
    assert_array_equal(frames.target.to_numpy(), arrays.target)
    by_id = dict(zip(np.unique(arrays.data[:, 0]), arrays.task_names, strict=True))
    assert [by_id[task] for task in arrays.data[:, 0]] == frames.data["task"].tolist()


def test_school():
    bunch = fetch("school")
    sizes = task_sizes(bunch)
    assert bunch.data.shape == (15362, 28)
    assert len(sizes) == 139
    assert sizes.min() == 22
    assert sizes.max() == 251
    assert bunch.task_names == list(range(1, 140))
    features = dict(zip(bunch.feature_names, bunch.data.T, strict=True))
    for variable in ("year", "gender", "ethnic_group", "school_gender", "denomination"):
        parts = [column for name, column in features.items() if name.startswith(variable + "=")]
        assert_array_equal(sum(parts), 1)
    # what the names claim: boys' schools have boys, band 1 is the best
    assert features["gender=male"][features["school_gender=male"] == 1].mean() > 0.99
    band_means = [bunch.target[features[f"vr_band={band}"] == 1].mean() for band in (1, 2, 3)]
    assert_array_equal(np.argsort(band_means), [2, 1, 0])


def test_school_splits():
    bunch = fetch("school")
    assert len(bunch.splits) == 10
    ids = bunch.data[:, 0]
    for train, test in bunch.splits:
        assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(15362))
        assert len(train) == 11472
        assert_array_equal(np.unique(ids[train]), np.unique(ids[test]))
    assert len({tuple(test) for _, test in bunch.splits}) == 10


def test_school_anchor():
    """Published use of the data: pooled least squares explains about a third on the splits."""
    bunch = fetch("school")
    X = np.column_stack([np.ones(len(bunch.target)), bunch.data[:, 1:]])
    explained = []
    for train, test in bunch.splits:
        coef = np.linalg.lstsq(X[train], bunch.target[train], rcond=None)[0]
        residual = bunch.target[test] - X[test] @ coef
        explained.append(1 - residual.var() / bunch.target[test].var())
    assert np.mean(explained) == pytest.approx(0.342, abs=0.005)


@pytest.mark.parametrize("target", ["total_UPDRS", "motor_UPDRS"])
def test_parkinsons(target):
    bunch = fetch("parkinsons", target=target)
    sizes = task_sizes(bunch)
    assert bunch.data.shape == (5875, 20)
    assert len(sizes) == 42
    assert sizes.min() == 101
    assert sizes.max() == 168
    assert bunch.target_names == [target]
    assert not {"total_UPDRS", "motor_UPDRS"} & set(bunch.feature_names)


def test_parkinsons_targets_differ():
    total, motor = (fetch("parkinsons", target=f"{kind}_UPDRS") for kind in ("total", "motor"))
    assert np.mean(total.target > motor.target) == 1


@pytest.mark.parametrize("name", MULAN)
def test_mulan(name):
    bunch = fetch("mulan", name)
    n_samples, n_features, n_targets = MULAN[name]
    assert bunch.data.shape == (n_samples, n_features) == (n_samples, len(bunch.feature_names))
    assert bunch.target.shape == (n_samples, n_targets)
    assert bunch.task_names == bunch.target_names
    assert len(bunch.task_names) == n_targets
    assert bunch.task_column is None
    assert np.isfinite(bunch.data).all()
    assert np.isfinite(bunch.target).all()
    assert f"{n_targets} tasks" in bunch.DESCR


def test_multi_output_frame():
    pytest.importorskip("pandas")
    arrays, frames = fetch("mulan", "andro"), fetch("mulan", "andro", as_frame=True)
    assert list(frames.data.columns) == arrays.feature_names
    assert list(frames.target.columns) == arrays.target_names
    assert_array_equal(frames.data.to_numpy(), arrays.data)
    assert_array_equal(frames.target.to_numpy(), arrays.target)


def test_sarcos():
    bunch = fetch("sarcos")
    assert bunch.data.shape == (4449, 21)
    assert bunch.target.shape == (4449, 7)
    assert bunch.feature_names[7] == "velocity_1"
    assert bunch.target_names[6] == "torque_7"


def test_wine_quality():
    bunch = fetch("wine_quality")
    assert_array_equal(task_sizes(bunch), [1599, 4898])
    assert bunch.task_names == ["red", "white"]
    assert bunch.data.shape[1] == 12
    assert bunch.target.min() == 3
    assert bunch.target.max() == 9


@pytest.mark.parametrize(
    ("tasks", "n_tasks"),
    [("hour", 24), ("weekday", 7), ("month", 12), ("season", 4), ("year", 2), ("workingday", 2)],
)
def test_bike(tasks, n_tasks):
    bunch = fetch("bike", tasks=tasks)
    assert bunch.data.shape == (17379, 12)
    assert len(bunch.task_names) == n_tasks
    assert not {"instant", "dteday", "casual", "registered", "cnt"} & set(bunch.feature_names)
    if tasks == "year":
        assert bunch.task_names == [2011, 2012]
        assert_array_equal(np.sort(bunch.data[:, 0]), bunch.data[:, 0])


def test_student_array_encodes_what_the_frame_holds():
    pytest.importorskip("pandas")
    arrays, frames = fetch("student"), fetch("student", as_frame=True)
    assert_array_equal(task_sizes(arrays), [395, 649])
    assert arrays.task_names == ["mathematics", "Portuguese"]
    assert frames.data.shape == (1044, 33)
    columns = dict(zip(arrays.feature_names, arrays.data.T, strict=True))
    assert_array_equal(columns["age"], frames.data["age"])
    assert_array_equal(columns["sex=M"], frames.data["sex"] == "M")
    assert_array_equal(columns["Mjob=health"], frames.data["Mjob"] == "health")
    assert_array_equal(sum(v for k, v in columns.items() if k.startswith("Mjob=")), 1)
    assert "sex=F" not in columns


@pytest.mark.parametrize("as_frame", [False, True])
def test_student_without_earlier_grades(as_frame):
    if as_frame:
        pytest.importorskip("pandas")
    names = fetch("student", as_frame=as_frame).feature_names
    without = fetch("student", as_frame=as_frame, earlier_grades=False).feature_names
    assert without == [name for name in names if name not in ("G1", "G2")]


@pytest.mark.parametrize(
    ("name", "n_features", "sizes"),
    [("concrete", 7, [344, 343, 343]), ("auto_mpg", 6, [131, 131, 130])],
)
def test_thirds(name, n_features, sizes):
    bunch = fetch(name)
    assert bunch.data.shape[1] == 1 + n_features
    assert_array_equal(task_sizes(bunch), sizes)
    assert [label.split()[0] for label in bunch.task_names] == ["low", "middle", "high"]


@pytest.mark.parametrize(("name", "default"), [("concrete", 0.4), ("auto_mpg", 0.4)])
def test_thirds_follow_the_feature_nearest_to_the_correlation_of_the_paper(name, default):
    other = {"concrete": "age", "auto_mpg": "weight"}[name]
    bunch, with_default = fetch(name), fetch(name, tasks=other)
    feature = bunch.task_names[0].split()[1]
    values = with_default.data[:, with_default.feature_names.index(feature)]
    ranges = [np.ptp(values[bunch.data[:, 0] == task]) for task in range(3)]
    assert values[bunch.data[:, 0] == 0].max() <= values[bunch.data[:, 0] == 2].min()
    assert max(ranges) < np.ptp(values)
    assert abs(np.corrcoef(values, bunch.target)[0, 1]) == pytest.approx(default, abs=0.05)


def test_auto_mpg_by_origin():
    bunch = fetch("auto_mpg", tasks="origin")
    assert bunch.task_names == ["USA", "Europe", "Japan"]
    assert_array_equal(task_sizes(bunch), [245, 68, 79])
    means = [bunch.target[bunch.data[:, 0] == task].mean() for task in range(3)]
    assert_array_equal(np.argsort(means), [0, 1, 2])


@pytest.mark.parametrize(
    ("pair", "sizes"), [("comp.vs.sci", [1875, 1827]), ("rec.vs.talk", [1844, 1545])]
)
def test_newsgroups(pair, sizes):
    bunch = fetch("newsgroups_pairs", pair)
    assert sparse.issparse(bunch.data)
    assert bunch.data.format == "csr"
    assert bunch.data.shape == (sum(sizes), 2001)
    assert_array_equal(bunch.data[:, [0]].toarray().ravel(), np.repeat([0, 1], sizes))
    assert set(bunch.target) == {0, 1}
    words = bunch.data[:, 1:].data
    assert_allclose(words, np.round(words))
    assert words.min() >= 1


@pytest.mark.parametrize(
    ("fetcher", "parameters", "message"),
    [
        ("mulan", {"name": "rf1"}, "name='rf1'.*enb, edm"),
        ("parkinsons", {"target": "UPDRS"}, "target='UPDRS'.*total_UPDRS, motor_UPDRS"),
        ("bike", {"tasks": "cnt"}, "tasks='cnt'.*hour, weekday"),
        ("concrete", {"tasks": 4}, "tasks=4.*cement"),
        ("auto_mpg", {"tasks": "mpg"}, "tasks='mpg'.*cylinders"),
        ("newsgroups_pairs", {"pair": "rec"}, "pair='rec'.*comp.vs.sci"),
        ("newsgroups_pairs", {"as_frame": True}, "Use as_frame=False"),
    ],
)
def test_errors_come_before_any_download(fetcher, parameters, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        getattr(datasets, f"fetch_{fetcher}")(data_home=tmp_path, **parameters)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [name for name in datasets.__all__ if name.startswith("fetch_")])
def test_absent_files_are_named(name, tmp_path):
    parameters = {"name": "enb"} if name == "fetch_mulan" else {}
    with pytest.raises(OSError, match="save it as") as caught:
        getattr(datasets, name)(data_home=tmp_path, download_if_missing=False, **parameters)
    assert str(tmp_path) in str(caught.value)
