"""Folds of a cross-validation under a regression loss: their problems and held-out losses."""

import numpy as np

from skmtl import fitting
from skmtl.linear_model.loss_parts import make_loss, regression_parts


class LossFolds:
    """Problems of training rows, and held-out losses of a regression loss.

    Parameters
    ----------
    data : TaskData
    loss : str
    epsilon : float
    fit_intercept : bool
    """

    def __init__(self, data, loss, epsilon, *, fit_intercept):
        self.data, self.loss, self.epsilon = data, loss, epsilon
        self.fit_intercept = fit_intercept

    def problem(self, penalty):
        return self._problem(self.data, penalty)

    def _problem(self, data, penalty):
        parts = regression_parts(self.loss, data, self.epsilon)
        return fitting.pose(data, penalty, parts, fit_intercept=self.fit_intercept)

    def split(self, train, test, penalty):
        training = self.data.subset(train)
        tasks = np.flatnonzero(training.task_sizes() > 0)
        loss = make_loss(self.loss, self.epsilon)
        return self._problem(training, penalty), HeldOutLoss(self.data.subset(test), loss, tasks)


class HeldOutLoss:
    """The rows of a test fold: mean losses of many models at once.

    Parameters
    ----------
    data : TaskData
        The held-out rows.
    loss : a loss
    tasks : ndarray
        The tasks that have a model; the others have their held-out rows left out.

    Raises
    ------
    ValueError
        If no row with a positive weight is left.
    """

    def __init__(self, data, loss, tasks):
        self.data, self.loss = data, loss
        self.column = np.full(data.n_tasks, -1)
        self.column[tasks] = np.arange(len(tasks))
        self.weight = data.task_sizes()[tasks].sum()
        if not self.weight > 0:
            raise ValueError(
                "a fold of cv holds out only tasks of which it has no training rows with a "
                "positive weight, and so no model: use TaskKFold, which keeps rows of every task."
            )

    @property
    def entries_per_model(self):
        """The numbers that `errors` holds for one model."""
        return self.data.n_tasks * max(self.data.n_features, self.data.X.shape[0])

    def errors(self, coef, intercept):
        """Weighted mean losses (n_models,).

        Parameters
        ----------
        coef : ndarray of shape (n_models, n_features, n_columns)
        intercept : ndarray of shape (n_models, n_columns)
        """
        total = np.zeros(len(coef))
        for block in self.data.blocks():
            columns = self.column[block.tasks]
            known = columns >= 0
            for model in range(len(coef)):
                fitted = block.X @ coef[model][:, columns[known]] + intercept[model, columns[known]]
                losses = self.loss.value(block.Y[:, known], np.asarray(fitted))
                total[model] += block.weights @ losses.sum(axis=1)
        return total / self.weight
