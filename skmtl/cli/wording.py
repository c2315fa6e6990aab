"""The result of a comparison in plain words."""

from skmtl.cli.summary import LEVEL


def conclusion(comparison):
    """One sentence: the best strategy that shares against one model per task."""
    best, reference = comparison.best_sharing, comparison.reference
    if reference is None:
        return "No model per task could be fitted, so there is nothing to compare with."
    if best is None:
        return "No strategy that shares was compared with one model per task."
    metric, gain = comparison.metric, best.gain
    versus = "one model per task"
    if reference.strategy.name != "per-task":
        versus += f" ({reference.strategy.name})"
    how = f"({100 * LEVEL:g} % interval {span(gain, metric)}; {basis(comparison)})"
    name = best.strategy.name
    if max(-gain.low, gain.high) < 1e-9:
        return f"No difference: {name} predicts as {versus} does."
    if not gain.clear:
        return (
            f"No clear difference: the {metric.name} of {name}, the best that shares, is "
            f"{change(gain.estimate, metric)} than that of {versus} {how}."
        )
    if gain.estimate > 0:
        tasks = f"{best.helped} of {best.helped + best.hurt} tasks gain"
        return (
            f"Sharing helps: the {metric.name} of {name} is {change(gain.estimate, metric)} than "
            f"that of {versus} {how}; {tasks}."
        )
    return (
        f"Sharing hurts: even with {name}, the best that shares, the {metric.name} is "
        f"{change(gain.estimate, metric)} than that of {versus} {how}."
    )


def basis(comparison):
    text = f"paired over {comparison.n_folds} folds"
    if comparison.n_sharing > 1:
        text += f", widened for picking the best of {comparison.n_sharing}"
    return text


def change(gain, metric):
    """A gain as "3.2 % lower" or "0.021 higher"."""
    better, worse = ("lower", "higher") if metric.is_loss else ("higher", "lower")
    return f"{amount(abs(gain), metric)} {better if gain >= 0 else worse}"


def span(gain, metric):
    """An interval as "1.0 to 3.0 % lower" or "from 1.0 % lower to 3.0 % higher"."""
    if not abs(gain.low) < float("inf"):
        return "unknown"
    ends = sorted((gain.low, gain.high), key=abs)
    if gain.clear:
        return f"{number(abs(ends[0]), metric)} to {change(ends[1], metric)}"
    return f"from {change(gain.low, metric)} to {change(gain.high, metric)}"


def amount(value, metric):
    """A size of a gain with its unit."""
    return number(value, metric) + (" %" if metric.is_loss else metric.unit)


def number(value, metric):
    return f"{value:.1f}" if metric.is_loss or metric.scale != 1 else f"{value:.3f}"


def signed(gain, metric):
    """A gain for a table: positive is better."""
    text = amount(abs(gain), metric)
    if float(number(abs(gain), metric)) == 0:
        return text
    return ("+" if gain > 0 else "-") + text
