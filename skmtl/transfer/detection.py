"""Which sources are useful: held-out losses of the target, screened dissimilarity, aggregation."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from skmtl.transfer.l1_path import make_problem
from skmtl.transfer.two_step import first_best, held_out_linear, search_pooled

EVIDENT = 1.645  # standard errors: better than a constant beyond doubt (one-sided, 5 %)
LEAST_SHARE = 0.5  # of the largest gain over a constant that a source has to leave
SIMPLEX_STEPS = 10_000


class Detection(NamedTuple):
    """Mean held-out losses of the target alone and with each source, and the largest for use."""

    target_loss: float
    losses: np.ndarray
    thresholds: np.ndarray

    @property
    def useful(self):
        return self.losses <= self.thresholds


def detect_sources(samples, settings, factor):
    """Which sources make the lasso of the target no worse, by left-out rows of the target.

    As in Tian, Feng 2023, algorithm 2, a lasso is fitted to the target and one source. The losses
    of the same rows with and without the source are compared, so that what is hard to predict for
    both cancels: the mean difference may be at most `factor` of its standard errors above 0.
    Where the target alone is hardly better than a constant, a useless source would be no worse
    than that, so the lasso with the source must be better than a constant by `EVIDENT` errors,
    and by `LEAST_SHARE` of what the best of all these lassos is better.
    All sources are trained on with all of their rows; every penalty is that of least held-out
    loss of the target.
    """
    target, *sources = samples
    data = [target, *(sample.always_training() for sample in sources)]
    sets = [[0], *([0, k] for k in range(1, len(samples)))]
    constant = constant_predictions(target, settings)
    predicted = []
    for search in search_pooled(data, sets, settings):
        best = first_best(search.target_losses.mean(axis=1))
        model = search.coef[:, best], search.intercept[:, best]
        predicted.append(held_out_linear(target, *model))
    rows = np.flatnonzero(target.folds >= 0)
    weights = target.weights[rows] / target.weights[rows].sum()
    constant, alone, *pooled = (
        settings.loss.value(target.y[rows], z[rows]) for z in (constant, *predicted)
    )
    level = weights @ constant
    best = min(weights @ own for own in (alone, *pooled))
    thresholds = [
        min(
            weights @ alone + factor * standard_error(own - alone, weights),
            level - EVIDENT * standard_error(own - constant, weights),
            level - LEAST_SHARE * (level - best),
        )
        for own in pooled
    ]
    losses = np.array([weights @ own for own in pooled])
    return Detection(float(weights @ alone), losses, np.array(thresholds))


def constant_predictions(target, settings):
    """Linear predictions (n_rows,) by an intercept alone, that of the fold of each row."""
    intercepts = np.zeros((settings.n_folds, 1))
    for fold in range(settings.n_folds):
        X, y, weights = target.training(fold)
        problem = make_problem([(X[:, :0], y, weights)], settings.loss)
        intercepts[fold] = problem.fit(1.0, **settings.limits).intercept
    return intercepts[target.folds, 0]


def standard_error(values, weights):
    """Of the weighted mean of independent values; the weights sum to 1."""
    return float(np.sqrt(weights**2 @ (values - weights @ values) ** 2))


def dissimilarities(samples, n_screened):
    """Squared differences (n_sources,) of marginal statistics, of the most different features.

    Li, Cai, Li 2022, eq. 7 and 8: X_k'y_k / n_k - X_0'y_0 / n_0, here of centred rows and of
    features in their pooled standard deviations.
    """
    weight = sum(sample.weights.sum() for sample in samples)
    variance = sum(sample.weights.sum() * _variance(sample) for sample in samples) / weight
    scale = np.sqrt(np.where(variance > 0, variance, 1.0))
    target, *others = [_marginal(sample) / scale for sample in samples]
    differences = np.sort(np.abs(np.array(others).reshape(-1, len(scale)) - target), axis=1)
    return np.sum(differences[:, -n_screened:] ** 2, axis=1)


def _means(sample):
    return np.asarray(sample.weights @ sample.X) / sample.weights.sum()


def _variance(sample):
    squares = sample.X.power(2) if sparse.issparse(sample.X) else None
    if squares is None:  # without the cancellation of a difference of squares
        centred = sample.X - _means(sample)
        return sample.weights @ centred**2 / sample.weights.sum()
    squares = np.asarray(sample.weights @ squares) / sample.weights.sum()
    return np.maximum(squares - _means(sample) ** 2, 0.0)


def _marginal(sample):
    weight = sample.weights.sum()
    centred = sample.weights * (sample.y - sample.weights @ sample.y / weight)
    return np.asarray(centred @ sample.X) / weight


def aggregate(y, predicted, weights, *, kind):
    """Weights (n_models,) >= 0 with sum 1 of models, from held-out predictions (n_rows, n_models).

    Minimises ``||y - P theta||^2``, to which Q-aggregation (Dai, Rigollet, Zhang 2012, *Deviation
    optimal learning using greedy Q-aggregation*, Annals of Statistics 40) adds
    ``sum_l theta_l ||y - p_l||^2``: models that are bad on their own do not enter.
    """
    errors = predicted - y[:, None]
    gram = (weights[:, None] * errors).T @ errors
    linear = 0.5 * np.diag(gram) if kind == "q" else np.zeros(len(gram))
    scale = max(np.diag(gram).min(), np.finfo(float).tiny)
    return simplex_minimum(gram / scale, linear / scale)


def simplex_minimum(gram, linear):
    """argmin of theta'gram theta / 2 + linear'theta over the simplex, by exact pairwise moves."""
    theta = np.zeros(len(linear))
    theta[np.argmin(0.5 * np.diag(gram) + linear)] = 1.0
    for _ in range(SIMPLEX_STEPS):
        slope = gram @ theta + linear
        up, down = np.argmin(slope), np.argmax(np.where(theta > 0, slope, -np.inf))
        gain = slope[down] - slope[up]
        if gain <= 1e-12 * max(np.abs(slope).max(), 1e-300):
            break
        bend = gram[up, up] + gram[down, down] - 2.0 * gram[up, down]
        step = theta[down] if gain >= theta[down] * bend else gain / bend
        theta[up] += step
        theta[down] -= step
    return theta
