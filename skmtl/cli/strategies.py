"""Strategies and metrics by the names given on the command line."""

from skmtl.cli.errors import UsageError, unknown_name
from skmtl.inspection.measures import find_measure
from skmtl.inspection.strategies import BASELINE, REGISTRY
from skmtl.inspection.transfer_strategies import TARGET_ONLY, TRANSFER_REGISTRY

ALL = "all"


def find_metric(name, task_type):
    """The measure of a name (None: the default one), which must fit the task type."""
    try:
        return find_measure(name, task_type)
    except ValueError as error:
        raise UsageError(error) from error


def find_strategies(names, task_type, *, transfer=False):
    """Strategies by a comma-separated text (None: the default ones), the baseline first.

    A name is that of a strategy, or of a family of strategies, or "all". `transfer`: those for a
    target task.
    """
    known = TRANSFER_REGISTRY if transfer else REGISTRY
    registry = {strategy.name: strategy for strategy in known[task_type]}
    if names is None:
        return [strategy for strategy in registry.values() if strategy.default]
    wanted = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    if not wanted:
        raise UsageError("--strategies names none")
    groups = families(registry)
    for name in wanted:
        if name not in registry and name not in groups:
            raise unknown_name(f"{task_type} strategy", name, [*registry, *groups])
    wanted = list(dict.fromkeys(n for name in wanted for n in groups.get(name, [name])))
    baseline = TARGET_ONLY if transfer else BASELINE
    if all(registry[name].shares for name in wanted):
        wanted.insert(0, baseline)  # everything is compared with one model per task
    if transfer:  # a curve has one reference, the first
        wanted.sort(key=lambda name: (name != baseline, registry[name].shares))
    return [registry[name] for name in wanted]


def families(registry):
    """Names of strategies by the name that stands for them together."""
    groups = {ALL: list(registry)}
    for strategy in registry.values():
        if strategy.family:
            groups.setdefault(strategy.family, []).append(strategy.name)
    return groups
