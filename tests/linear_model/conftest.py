"""What tests of one family share."""

import pytest

from skmtl.linear_model import hierarchical


@pytest.fixture
def estimates(monkeypatch):
    """What `fit` has learned, in the order of the fits."""
    found, learn = [], hierarchical.maximise

    def keep(*args, **options):
        found.append(learn(*args, **options))
        return found[-1]

    monkeypatch.setattr(hierarchical, "maximise", keep)
    return found
