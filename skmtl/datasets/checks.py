"""Argument checks that the generators, loaders and fetchers share."""

import math
from numbers import Integral, Real

from sklearn.utils.validation import check_scalar


def check_count(name, value, most=None):
    """Raise unless `value` is an integer from 1 to `most`."""
    check_scalar(value, name, Integral, min_val=1, max_val=most)


def check_nonnegative(name, value, most=None):
    """Raise unless `value` is a finite real number from 0 to `most`."""
    check_scalar(value, name, Real, min_val=0, max_val=most)
    if not math.isfinite(value):
        raise ValueError(f"{name}={value!r} must be finite.")


def check_choice(name, value, choices):
    """Raise a ValueError that lists the choices unless `value` is one of them."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}={value!r} is not known: use one of {', '.join(choices)}.")


def check_flags(**flags):
    """Raise a TypeError that names the flag which is neither True nor False."""
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise TypeError(f"{name}={value!r} must be True or False.")
