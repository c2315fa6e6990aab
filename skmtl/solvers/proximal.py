"""Accelerated proximal gradient steps on a quadratic in Gram form."""

import numpy as np


class ProximalSteps:
    """Accelerated proximal gradient with restart, in the metric of the features' curvature.

    Beck and Teboulle 2009 (FISTA); adaptive restart of O'Donoghue and Candes 2015. A feature's
    step is the inverse of its own largest second derivative times a common factor that is
    learned by backtracking, so that badly scaled features do not slow the others down.

    Parameters
    ----------
    quadratic : Gram
    gauge : Penalty or None
    ridge : ndarray of shape (n_features, 1)
    """

    def __init__(self, quadratic, gauge, ridge):
        self.quadratic = quadratic
        self.gauge = gauge
        self.ridge = ridge
        curvature = quadratic.diagonal()[:, None] + ridge
        self.metric = np.where(curvature > 0, curvature, 1.0)
        self.lipschitz = self._power_iteration()

    def _power_iteration(self, n_steps=8):
        """Largest eigenvalue of the scaled Hessian, from below: backtracking does the rest."""
        root = np.sqrt(self.metric)
        v = (
            np.ones((len(root), self.quadratic.n_tasks))
            + 0.1 * np.cos(np.arange(len(root)))[:, None]
        )
        largest = 1.0
        for _ in range(n_steps):
            v /= np.maximum(np.linalg.norm(v, axis=0), np.finfo(float).tiny)
            v = (self.quadratic.product(v / root) + self.ridge * v / root) / root
            largest = max(largest, np.linalg.norm(v, axis=0).max(initial=0.0))
        return 1.05 * largest

    def run(self, W, product, n_steps):
        """W and its product G W after n_steps steps."""
        V, product_V, momentum = W, product, 1.0
        for _ in range(n_steps):
            gradient = product_V + self.ridge * V - self.quadratic.cross
            new, product_new = self._step(V, product_V, gradient)
            if np.sum(self.metric * (V - new) * (new - W)) > 0:
                momentum, V, product_V = 1.0, new, product_new  # restart
            else:
                previous, momentum = momentum, 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * momentum**2))
                beta = (previous - 1.0) / momentum
                V = new + beta * (new - W)
                product_V = product_new + beta * (product_new - product)
            W, product = new, product_new
        return W, product

    def _step(self, V, product_V, gradient):
        while True:
            step = 1.0 / (self.lipschitz * self.metric)
            new = V - step * gradient
            if self.gauge is not None:
                new = self.gauge.prox(new, step)
            product_new = self.quadratic.product(new)
            move = new - V
            rise = np.sum(move * (product_new - product_V + self.ridge * move))
            bound = self.lipschitz * np.sum(self.metric * move**2)
            if rise <= bound * (1.0 + 1e-10) or not np.isfinite(rise):
                return new, product_new
            self.lipschitz *= max(1.5, min(rise / bound, 4.0)) if bound > 0 else 2.0
