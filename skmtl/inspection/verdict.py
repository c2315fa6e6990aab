"""The result of a comparison in plain words."""

import numpy as np

from skmtl.inspection.paired_tests import LEVEL
from skmtl.inspection.strategies import BASELINE, SHARING

MOST_FEATURES = 3
NOTHING = 1e-9  # a gain that is only rounding


def write_verdict(comparison, features=()):
    """One sentence: does sharing help?

    It is about the strategy called "sharing", if there is one: it was chosen before the results
    were seen. Otherwise it is about the best, whose interval is widened accordingly.

    Parameters
    ----------
    comparison : StrategyComparison
    features : sequence of str, optional
        What is shared most.

    Returns
    -------
    str
    """
    subject, n_compared = find_subject(comparison)
    versus = name_reference(comparison)
    if comparison.reference in comparison.failures:
        reason = comparison.failures[comparison.reference]
        return f"There is nothing to compare with: {versus} failed ({reason})."
    if subject is None:
        return f"No strategy that shares was compared with {versus}."
    gain = float(comparison.gains[comparison.position(subject)])
    low, high = comparison.interval(subject, n_compared)
    if max(-low, high) < NOTHING:
        return f"No difference: {subject} predicts as {versus} does."
    direction = int(low > 0) - int(high < 0)
    shares = subject == SHARING or comparison.sharing is not None
    against = f"than {versus}"
    if direction == 0 or (shares and subject != SHARING):
        against = f"with {subject} than with {versus}"
    shared = f"; most is shared by the features {', '.join(features)}" if len(features) else ""
    return (
        f"{lead(direction, subject, shares)}: {describe_change(gain, comparison.measure)} "
        f"{against} ({describe_interval(low, high, comparison.measure)}{basis(n_compared)}), "
        f"{describe_hurt(comparison, subject)}{shared if direction > 0 else ''}."
    )


def lead(direction, subject, shares):
    """How the sentence starts: with sharing only if the strategy is known to share."""
    if direction == 0:
        return "No clear difference"
    if shares:
        return "Sharing helps" if direction > 0 else "Sharing hurts here"
    return f"{subject} is {'better' if direction > 0 else 'worse'}"


def find_subject(comparison):
    """The strategy that the verdict is about (or None), and the best of how many it is."""
    names = comparison.strategies if comparison.sharing is None else comparison.sharing
    names = [name for name in names if name in comparison.finished and name != comparison.reference]
    if SHARING in names:
        return SHARING, 1
    gains = {name: comparison.gains[comparison.position(name)] for name in names}
    gains = {name: gain for name, gain in gains.items() if not np.isnan(gain)}
    return max(gains, key=gains.get, default=None), len(gains)


def name_reference(comparison):
    """The reference in words: "one model per task" where it is known to be that."""
    if comparison.reference == BASELINE:
        return "one model per task"
    if comparison.sharing is None or comparison.reference in comparison.sharing:
        return comparison.reference
    return f"one model per task ({comparison.reference})"


def describe_change(gain, measure):
    """A gain as "3.2 % lower RMSE" or "0.021 higher R2"."""
    return f"{amount(abs(gain), measure)} {direction_of(gain, measure)} {measure.label}"


def direction_of(gain, measure):
    return "higher" if (gain >= 0) != measure.is_loss else "lower"


def describe_interval(low, high, measure):
    """An interval as "3.1 % to 5.7 %", or "from 0.8 % higher to 3.2 % lower" around 0.

    It is unknown where there is no spread to tell it: of one fold, or of equal gains.
    """
    level = f"{100 * LEVEL:g} % interval"
    if not np.isfinite(low):
        return f"{level} unknown"
    if low > 0 or high < 0:
        first, last = sorted((abs(low), abs(high)))
        return f"{level} {amount(first, measure)} to {amount(last, measure)}"
    first, last = (f"{amount(abs(g), measure)} {direction_of(g, measure)}" for g in (low, high))
    return f"{level} from {first} to {last}"


def basis(n_compared):
    return f", widened for picking the best of {n_compared}" if n_compared > 1 else ""


def describe_hurt(comparison, name):
    """How many tasks are worse by more than 1 % (or a point, or 0.01)."""
    share, measure = comparison.hurt_share(name), comparison.measure
    limit = f"{measure.noticeable:g} {measure.gain_unit.removesuffix('s')}".rstrip()
    if share == 0:
        return f"no task is hurt by more than {limit}"
    percent = f"{100 * share:.0f}" if share >= 0.01 else "less than 1"
    return f"{percent} % of tasks are hurt by more than {limit}"


def amount(value, measure):
    """A size of a gain with its unit."""
    unit = f" {measure.gain_unit}" if measure.gain_unit else ""
    return number(value, measure) + unit


def number(value, measure):
    return f"{value:.1f}" if measure.is_loss or measure.scale != 1 else f"{value:.3f}"


def signed(gain, measure):
    """A gain for a table: positive is better."""
    text = amount(abs(gain), measure)
    if float(number(abs(gain), measure)) == 0:
        return text
    return ("+" if gain > 0 else "-") + text


def most_shared(model, names):
    """Names of the features whose coefficients a fitted estimator shares most, at most three.

    Parameters
    ----------
    model : estimator
        With ``feature_sharing_`` (n_features,), from 0 (own) to 1 (shared). It counts the more,
        the larger the coefficient is that tasks share, if the estimator (or those it combines)
        tells.
    names : sequence of str of length n_features

    Returns
    -------
    list of str
        Empty if the estimator does not tell.
    """
    share = np.asarray(getattr(model, "feature_sharing_", np.nan), dtype=float)
    if share.shape != (len(names),):
        return []
    coef = np.abs(np.atleast_2d(shared_coef(model))).mean(axis=0)
    weight = share * coef if coef.shape == share.shape else share
    order = np.argsort(-weight, kind="stable")[:MOST_FEATURES]
    return [names[position] for position in order if weight[position] > 0]


def shared_coef(model):
    """Coefficients that tasks share: of an estimator, or a mean over those that it combines."""
    if hasattr(model, "coef_shared_"):
        return model.coef_shared_
    return sum(
        model.strategy_weights_[name] * strategy.coef_shared_
        for name, strategy in getattr(model, "strategies_", {}).items()
        if hasattr(strategy, "coef_shared_") and hasattr(strategy, "feature_sharing_")
    )
