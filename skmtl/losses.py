"""Losses of a target y and a linear prediction z, on whole arrays.

A loss has a value, and a gradient and a curvature in z, from which comes its quadratic model. The
squared loss is its own, so that sufficient statistics stand for the rows.
"""

import numpy as np


class SquaredLoss:
    """Half the squared error: (y - z)^2 / 2."""

    def value(self, y, z):
        return 0.5 * (y - z) ** 2

    def gradient(self, y, z):
        return z - y

    def curvature(self, y, z):
        return np.ones_like(z)
