"""AdaBoost.R2 with the weights of sources frozen, falling, or falling in steps."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import logsumexp

from skmtl.transfer.reweighting.base import SMALLEST_ERROR

STEEPEST = 1e4  # exponent of a source's error beyond which its weight is nothing


class Boosted(NamedTuple):
    """Rounds of AdaBoost.R2: models, errors, votes, and the weights of all rows at the end."""

    models: list
    errors: list
    votes: list
    weights: np.ndarray


def relative_errors(learner, model, weights):
    """Absolute errors of all rows over the largest of those with a weight; None if all are 0."""
    errors = np.abs(learner.predict(model) - learner.rows.y)
    largest = errors[weights > 0].max()
    return np.minimum(errors / largest, 1.0) if largest > 0 else None


def vote_of(error):
    """log(1 / beta) = log((1 - e) / e)."""
    error = np.clip(error, SMALLEST_ERROR, 0.5)
    return float(np.log((1.0 - error) / error))


def boost_frozen(learner, weights):
    """AdaBoost.R2 in which target rows change only (Pardoe, Stone 2010, AdaBoost.R2').

    Target rows keep their total weight.
    """
    own, used = learner.is_target, weights > 0
    total = weights[own].sum()
    models, errors, votes = [], [], []
    for number in range(learner.n_rounds):
        model = learner.fit(weights, number)
        relative = relative_errors(learner, model, weights)
        error = (
            0.0 if relative is None else float(np.average(relative[used], weights=weights[used]))
        )
        if error >= 0.5 and models:
            break
        models.append(model)
        errors.append(error)
        votes.append(vote_of(error))
        if relative is None or error >= 0.5:
            break
        beta = np.exp(-votes[-1])
        changed = weights[own] * beta ** (1.0 - relative[own])
        weights = weights.copy()
        weights[own] = changed * (total / changed.sum())
    return Boosted(models, errors, votes, weights)


def boost_sources(learner):
    """TrAdaBoost.R2 (Pardoe, Stone 2010, alg. 2): sources fall, target rows rise."""
    own, weights = learner.is_target, learner.start()
    total, models, errors, votes = weights.sum(), [], [], []
    for number in range(learner.n_rounds):
        model = learner.fit(weights, number)
        relative = relative_errors(learner, model, weights)
        # Of the target alone, as Dai et al. 2007 have it: its share of the weights changes.
        error = 0.0 if relative is None else float(np.average(relative[own], weights=weights[own]))
        if error >= 0.5 and models:
            break
        models.append(model)
        errors.append(error)
        votes.append(vote_of(error))
        if relative is None or error >= 0.5:
            break
        moves = np.where(own, votes[-1], np.log(learner.beta()))
        weights = weights * np.exp(moves * relative)
        weights *= total / weights.sum()
    return Boosted(models, errors, votes, weights)


def source_stages(learner, n_steps):
    """Weights of all rows at every step of stage 1 of two-stage TrAdaBoost.R2.

    The target's share of the total rises evenly to 1 (Pardoe, Stone 2010, alg. 3).
    """
    own, weights = learner.is_target, learner.start()
    target, start = weights[own].sum(), weights[own].sum() / weights.sum()
    for step in range(n_steps):
        yield weights
        if step == n_steps - 1:
            return
        model = learner.fit(weights, step)
        relative = relative_errors(learner, model, weights)
        share = start + (step + 1) / (n_steps - 1) * (1.0 - start)
        goal = target * (1.0 - share) / share if step < n_steps - 2 else 0.0
        errors = np.zeros(len(own)) if relative is None else relative
        weights = weights.copy()
        weights[~own] = lowered(weights[~own], errors[~own], goal)


def lowered(weights, errors, goal):
    """weights * beta^errors with the beta of a binary search for which they sum to a goal."""
    if goal <= 0:
        return np.zeros_like(weights)

    def surplus(steepness):  # beta = exp(-steepness)
        return logsumexp(-steepness * errors, b=weights) - np.log(goal)

    if surplus(STEEPEST) < 0:
        weights = weights * np.exp(-brentq(surplus, 0.0, STEEPEST, xtol=1e-12) * errors)
    return weights * (goal / weights.sum())  # rows without an error keep too much otherwise


def weighted_median(predicted, weights):
    """Per row the least prediction whose models, and those below, have half of the weight.

    `predicted` has the shape (n_models, n_rows).
    """
    weights = weights if weights.any() else np.ones(len(weights))
    order = np.argsort(predicted, axis=0, kind="stable")
    below = np.cumsum(weights[order], axis=0)
    chosen = np.argmax(below >= 0.5 * below[-1], axis=0)
    columns = np.arange(predicted.shape[1])
    return predicted[order[chosen, columns], columns]
