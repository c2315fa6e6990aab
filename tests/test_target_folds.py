"""Folds of the target: sources are in every training fold, each target row is tested once."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skmtl import TargetKFold

IDS = np.array(["b", "a", "b", "b", "a", "c", "b", "b"])
X = np.arange(8.0)[:, None]


@pytest.mark.parametrize("shuffle", [False, True])
def test_every_target_row_is_tested_once(shuffle):
    cv = TargetKFold(3, target_task="b", shuffle=shuffle, random_state=0 if shuffle else None)
    splits = list(cv.split(X, groups=IDS))
    assert len(splits) == cv.get_n_splits() == 3
    tested = np.concatenate([test for _, test in splits])
    assert_array_equal(np.sort(tested), np.flatnonzero(IDS == "b"))
    for train, test in splits:
        assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(8))
        assert 1 <= len(test) <= 2


def test_stratified_folds_have_every_class():
    ids = np.repeat([0, 1], [10, 30])
    y = np.tile([0, 1, 1, 1, 1], 8)
    cv = TargetKFold(3, target_task=1, stratify=True, shuffle=True, random_state=0)
    for _, test in cv.split(np.zeros((40, 1)), y, ids):
        assert_array_equal(np.bincount(y[test]), [2, 8])


def test_ids_in_a_column():
    table = np.column_stack([np.repeat([4, 7], [3, 4]), np.zeros(7)])
    cv = TargetKFold(2, target_task=7, task_column=0)
    assert_array_equal([test for _, test in cv.split(table)], [[3, 4], [5, 6]])


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        (TargetKFold(3), "TargetKFold has no target: set target_task"),
        (TargetKFold(6, target_task="b"), "n_splits=6 is more than the 5 rows of the target 'b'"),
        (TargetKFold(2, target_task="z"), "target_task='z' has no row; there are 'a', 'b', 'c'"),
        (TargetKFold(2, target_task="b", stratify=True), "stratify=True needs y"),
        (TargetKFold(1, target_task="b"), "n_splits=1 must be finite and >= 2"),
        (TargetKFold(2, target_task=1), "1 was not seen in fit, where the ids were strings"),
    ],
)
def test_errors(cv, message):
    with pytest.raises(ValueError, match=message):
        next(cv.split(X, groups=IDS))


def test_without_ids():
    with pytest.raises(ValueError, match="TargetKFold has no task ids"):
        next(TargetKFold(2, target_task=1).split(X))
