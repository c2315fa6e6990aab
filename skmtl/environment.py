"""Versions and machine, for the record of a result."""

import importlib.metadata
import os
import platform

PACKAGES = ("skmtl", "numpy", "scipy", "scikit-learn", "joblib")


def describe_environment(packages=()):
    """Versions of Python and of packages (None where not installed), and the machine.

    Parameters
    ----------
    packages : iterable of str
        Names of distributions beside the library's own needs.

    Returns
    -------
    dict
    """
    return {
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in (*PACKAGES, *packages)},
        },
        "machine": {
            "system": platform.system(),
            "architecture": platform.machine(),
            "processor": _processor(),
            "cores": os.cpu_count(),
        },
    }


def _version(name):
    if name == "skmtl":
        from skmtl._version import __version__

        return __version__
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor():
    """The processor's name where the system tells it, else its family."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or "unknown"
