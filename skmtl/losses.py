"""Losses of a target y and a linear prediction z, on whole arrays.

A loss has a value, and a gradient and a curvature in z, from which comes its quadratic model; its
conjugate gives the dual objective. The squared loss is its own model: `problem` has it.
Elementwise losses take arrays of any one shape. The multinomial
loss takes one-hot y and z of shape (..., n_classes), and its values have a last axis of 1.
"""

import numpy as np
from scipy.special import expit, xlog1py, xlogy


class LogisticLoss:
    """Negative log-likelihood of labels y in {0, 1} with log-odds z: log(1 + e^z) - y z."""

    def value(self, y, z):
        return np.logaddexp(0.0, (1.0 - 2.0 * y) * z)

    def gradient(self, y, z):
        """p - y, without the cancellation of that formula."""
        sign = 2.0 * y - 1.0
        return -sign * expit(-sign * z)

    def curvature(self, y, z):
        return expit(z) * expit(-z)

    def safe_curvature(self, y, z):
        """A curvature with which the quadratic through (z, value) is above the loss everywhere.

        Jaakkola, Jordan 2000, *Bayesian parameter estimation via variational methods*, eq. 12:
        tanh(z / 2) / (2 z). Unlike the second derivative it falls off only as 1 / |z|.
        """
        return decay(np.abs(z))

    def hessian(self, y, z):
        """Second derivatives in a last axis of z of length 1."""
        return self.curvature(y, z)[..., None]

    def nearest_slope(self, y, u):
        """The nearest to u for which the conjugate is finite."""
        return np.clip(u, -y, 1.0 - y)

    def bend(self, y, z):
        """The product of the Hessian at z with moves, as a function."""
        curvature = self.curvature(y, z)
        return lambda move: curvature * move

    def conjugate(self, y, u):
        """sup over z of u z - value(y, z), for gradients u = p - y."""
        size = np.minimum(np.abs(u), 1.0)
        return xlogy(size, size) + xlog1py(1.0 - size, -size)


class MultinomialLoss:
    """Negative log-likelihood of one-hot labels y with scores z: log sum_k e^z_k - sum_k y_k z_k.

    ``curvature`` is of diag(p - p^2), twice which is above the Hessian diag(p) - p p'
    (p_k p_l (d_k - d_l)^2 <= 2 p_k p_l (d_k^2 + d_l^2)).
    """

    def value(self, y, z):
        y, z = np.asfortranarray(y), np.asfortranarray(z)  # sums over few classes are fast then
        over = z - np.sum(y * z, axis=-1, keepdims=True)
        largest = over.max(axis=-1, keepdims=True)
        return largest + np.log(np.exp(over - largest).sum(axis=-1, keepdims=True))

    def probabilities(self, z):
        z = np.asfortranarray(z)  # sums over few classes are fast then
        p = np.exp(z - z.max(axis=-1, keepdims=True))
        return p / p.sum(axis=-1, keepdims=True)

    def gradient(self, y, z):
        """p - y, without the cancellation of that formula."""
        others = np.where(y > 0, 0.0, self.probabilities(z))
        return others - y * others.sum(axis=-1, keepdims=True)

    def curvature(self, y, z):
        p = self.probabilities(z)
        return 2.0 * p * (1.0 - p)

    def safe_curvature(self, y, z):
        """That of each class against the others, as for two classes, doubled."""
        p = np.clip(self.probabilities(z), 1e-300, 1.0 - 1e-16)
        return 2.0 * decay(np.abs(np.log(p) - np.log1p(-p)))

    def hessian(self, y, z):
        """diag(p) - p p', of shape (..., n_classes, n_classes)."""
        p = self.probabilities(z)
        return p[..., None] * (np.eye(p.shape[-1]) - p[..., None, :])

    def bend(self, y, z):
        """The product of the Hessian at z with moves, as a function."""
        p = self.probabilities(z)
        return lambda move: p * (move - np.sum(p * move, axis=-1, keepdims=True))

    def conjugate(self, y, u):
        """sup over z of u z - value(y, z), for gradients u = p - y: sum_k p_k log p_k."""
        size = np.minimum(np.abs(u), 1.0)
        terms = np.where(y > 0, xlog1py(1.0 - size, -size), xlogy(size, size))
        return terms.sum(axis=-1, keepdims=True)


def decay(distance):
    """tanh(d / 2) / (2 d) for d >= 0, which is 1/4 at 0."""
    safe = np.maximum(distance, 1e-4)
    return 0.5 * np.tanh(0.5 * safe) / safe
