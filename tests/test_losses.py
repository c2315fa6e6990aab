"""Losses: derivatives against finite differences."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skmtl.losses import SquaredLoss


@pytest.mark.parametrize("loss", [SquaredLoss()])
def test_derivatives(loss):
    rng = np.random.RandomState(0)
    y, z = rng.normal(size=(2, 50))
    step = 1e-5
    slope = (loss.value(y, z + step) - loss.value(y, z - step)) / (2 * step)
    assert_allclose(loss.gradient(y, z), slope, atol=1e-8)
    bend = (loss.gradient(y, z + step) - loss.gradient(y, z - step)) / (2 * step)
    assert_allclose(loss.curvature(y, z), bend, atol=1e-8)
    assert np.all(loss.value(y, y) == 0)
