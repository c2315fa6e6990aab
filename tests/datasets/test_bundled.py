import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris

from skmtl.datasets import load_diabetes_tasks, load_digits_tasks, load_iris_and_cancer
from skmtl.datasets.tables import import_pandas

LOADERS = [load_diabetes_tasks, load_digits_tasks, load_iris_and_cancer]


@pytest.mark.parametrize("load", LOADERS)
def test_bunch(load):
    bunch = load()
    assert bunch.data.dtype == np.float64
    assert bunch.data.shape == (len(bunch.target), len(bunch.feature_names))
    assert bunch.task_column == 0
    assert bunch.feature_names[0] == "task"
    assert len(bunch.task_names) == len(np.unique(bunch.data[:, 0]))
    assert len(set(bunch.feature_names)) == len(bunch.feature_names)
    assert bunch.frame is None
    assert f"{len(bunch.target)} rows" in bunch.DESCR
    X, y = load(return_X_y=True)
    assert_array_equal(X, bunch.data)
    assert_array_equal(y, bunch.target)


@pytest.mark.parametrize("load", LOADERS)
def test_frame_holds_the_same_with_names(load):
    pytest.importorskip("pandas")
    arrays, frames = load(), load(as_frame=True)
    assert list(frames.data.columns) == arrays.feature_names
    assert_array_equal(frames.data.drop(columns="task").to_numpy(), arrays.data[:, 1:])
    assert_array_equal(frames.target.to_numpy(), arrays.target)
    assert list(frames.frame.columns) == arrays.feature_names + arrays.target_names
    by_id = dict(zip(np.unique(arrays.data[:, 0]), arrays.task_names, strict=True))
    assert [by_id[task] for task in arrays.data[:, 0]] == frames.data["task"].tolist()


def test_digits_are_dealt_once_and_each_task_sees_its_own():
    bunch, digits = load_digits_tasks(), load_digits()
    assert_array_equal(bunch.data[:, 1:], digits.data)
    ids = bunch.data[:, 0]
    assert_array_equal(bunch.target, digits.target == ids)
    counts = np.array([np.bincount(digits.target[ids == task], minlength=10) for task in range(10)])
    assert counts.sum() == 1797
    assert np.diag(counts).min() >= 58
    others = counts[~np.eye(10, dtype=bool)]
    assert others.min() >= 12
    assert others.max() <= 14


def test_iris_and_cancer_have_nothing_in_common():
    bunch = load_iris_and_cancer()
    iris = bunch.data[:, 0] == 0
    assert_array_equal(bunch.data[iris, 1:5], load_iris().data)
    assert_array_equal(bunch.data[~iris, 5:], load_breast_cancer().data)
    assert np.isnan(bunch.data[iris, 5:]).all()
    assert np.isnan(bunch.data[~iris, 1:5]).all()
    assert set(bunch.target[iris]) == {"setosa", "versicolor", "virginica"}
    assert set(bunch.target[~iris]) == {"malignant", "benign"}


def test_diabetes_tasks_are_sex_by_age_band():
    bunch, diabetes = load_diabetes_tasks(), load_diabetes(scaled=False)
    age, sex = diabetes.data[:, :2].T
    ids = bunch.data[:, 0].astype(int)
    assert_array_equal(np.bincount(ids), [71, 60, 61, 43, 46, 37, 64, 60])
    assert_array_equal(bunch.data[:, bunch.feature_names.index("age")], age)
    assert "sex" not in bunch.feature_names
    for task, name in enumerate(bunch.task_names):
        assert set(sex[ids == task]) == {float(name.split(",")[0][-1])}
    assert age[ids == 1].min() == 40
    assert age[ids == 1].max() == 49
    assert all(np.ptp(age[ids == task]) > 0 for task in range(8))


@pytest.mark.parametrize("name", ["return_X_y", "as_frame"])
def test_flags_must_be_bool(name):
    with pytest.raises(TypeError, match=f"{name}=1 must be True or False"):
        load_diabetes_tasks(**{name: 1})


def test_without_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r'pip install "skmtl\[cli\]"'):
        import_pandas()
