"""Losses of a target y and a linear prediction z, on whole arrays.

A loss has a value, whose infimum over z is 0, and a gradient and a curvature in z, from which comes
its quadratic model; its conjugate gives the dual objective. Elementwise losses take arrays of any
one shape. The multinomial loss takes one-hot y and z of shape (..., n_classes), and its values
have a last axis of 1.

``tension`` is the M of |f'''| <= M f'' (along a move of size 1), by which a Newton step is
shortened so that it never overshoots; None where there is none, and lines have to be searched.
``translates`` says whether only y - z matters.
"""

import numpy as np
from scipy.special import expit, xlog1py, xlogy

HUBER_FLOOR = 1e-3  # share of the majorising curvature where the second derivative is 0
LARGEST_EXPONENT = 300.0  # e^z is cut there: sums and products of such numbers stay finite


class ElementwiseLoss:
    """What the losses of one column have in common: their Hessian is their curvature."""

    tension = 1.0
    translates = False

    def hessian(self, y, z):
        """Second derivatives in a last axis of z of length 1."""
        return self.curvature(y, z)[..., None]

    def bend(self, y, z):
        """The product of the Hessian at z with moves, as a function."""
        curvature = self.curvature(y, z)
        return lambda move: curvature * move


class SquaredLoss(ElementwiseLoss):
    """(y - z)^2 / 2."""

    tension = 0.0
    translates = True

    def value(self, y, z):
        return 0.5 * (y - z) ** 2

    def gradient(self, y, z):
        return z - y

    def curvature(self, y, z):
        return np.ones_like(z)

    safe_curvature = curvature

    def nearest_slope(self, y, u):
        """The nearest to u for which the conjugate is finite."""
        return u

    def conjugate(self, y, u):
        """sup over z of u z - value(y, z)."""
        return u * (0.5 * u + y)


class HuberLoss(ElementwiseLoss):
    """r^2 / 2 for residuals r = y - z up to epsilon, epsilon |r| - epsilon^2 / 2 beyond.

    Huber 1964, *Robust estimation of a location parameter*, Annals of Mathematical Statistics 35.

    Parameters
    ----------
    epsilon : float
        In units of y.
    """

    tension = None
    translates = True

    def __init__(self, epsilon):
        self.epsilon = epsilon

    def value(self, y, z):
        size = np.abs(y - z)
        near = np.minimum(size, self.epsilon)
        return near * (size - 0.5 * near)

    def gradient(self, y, z):
        return np.clip(z - y, -self.epsilon, self.epsilon)

    def curvature(self, y, z):
        """The second derivative, 1 or 0, but for a share of the safe curvature in place of 0.

        Weights of a least-squares model must not vanish: its responses z - gradient / curvature
        would be infinite.
        """
        safe = self.safe_curvature(y, z)
        return np.where(safe == 1.0, 1.0, HUBER_FLOOR * safe)

    def safe_curvature(self, y, z):
        """min(1, epsilon / |r|): the quadratic through (z, value) is above the loss everywhere."""
        return self.epsilon / np.maximum(np.abs(y - z), self.epsilon)

    def nearest_slope(self, y, u):
        """The nearest to u for which the conjugate is finite."""
        return np.clip(u, -self.epsilon, self.epsilon)

    def conjugate(self, y, u):
        """sup over z of u z - value(y, z), for |u| <= epsilon."""
        return u * (0.5 * u + y)


class PoissonLoss(ElementwiseLoss):
    """Half the deviance of counts y >= 0 with the mean e^z: e^z - y z - (y - y log y)."""

    def mean(self, z):
        return np.exp(np.clip(z, -LARGEST_EXPONENT, LARGEST_EXPONENT))

    def value(self, y, z):
        """y (e^d - 1 - d) with d = z - log y, which is accurate for large counts."""
        positive = y > 0
        distance = np.minimum(z - np.log(np.where(positive, y, 1.0)), LARGEST_EXPONENT)
        return np.where(positive, y * (np.expm1(distance) - distance), self.mean(z))

    def gradient(self, y, z):
        return self.mean(z) - y

    def curvature(self, y, z):
        return self.mean(z)

    def safe_curvature(self, y, z):
        """A curvature with which the quadratic is above the loss up to the larger of z and log y.

        No quadratic is above an exponential everywhere.
        """
        return np.maximum(self.mean(z), y)

    def nearest_slope(self, y, u):
        """The nearest to u for which the conjugate is finite."""
        return np.maximum(u, -y)

    def conjugate(self, y, u):
        """sup over z of u z - value(y, z), for gradients u = m - y: m log(m / y) + u log y - u."""
        mean, safe = np.maximum(u + y, 0.0), np.where(y > 0, y, 1.0)
        of_counts = xlog1py(mean, np.maximum(u / safe, -1.0)) + u * np.log(safe)
        return np.where(y > 0, of_counts, xlogy(mean, mean)) - u


class LogisticLoss(ElementwiseLoss):
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

    def nearest_slope(self, y, u):
        """The nearest to u for which the conjugate is finite."""
        return np.clip(u, -y, 1.0 - y)

    def conjugate(self, y, u):
        """sup over z of u z - value(y, z), for gradients u = p - y."""
        size = np.minimum(np.abs(u), 1.0)
        return xlogy(size, size) + xlog1py(1.0 - size, -size)


class MultinomialLoss:
    """Negative log-likelihood of one-hot labels y with scores z: log sum_k e^z_k - sum_k y_k z_k.

    ``curvature`` is of diag(p - p^2), twice which is above the Hessian diag(p) - p p'
    (p_k p_l (d_k - d_l)^2 <= 2 p_k p_l (d_k^2 + d_l^2)).
    """

    tension = 1.0
    translates = False

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
