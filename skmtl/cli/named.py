"""The data sets that can be given by name."""

from dataclasses import dataclass

from skmtl import datasets
from skmtl.cli.errors import UsageError, one_line, unknown_name
from skmtl.datasets.multi_output import MULAN_SETS


@dataclass(frozen=True)
class NamedData:
    """How to load a data set, its task type, and whether its rows are in order of time."""

    load: object
    task_type: str
    about: str
    ordered: bool = False
    sparse: bool = False


def _mulan(name):
    return lambda as_frame: datasets.fetch_mulan(name, as_frame=as_frame)


NAMED = {
    "diabetes": NamedData(
        datasets.load_diabetes_tasks, "regression", "442 patients, tasks by sex and age; bundled"
    ),
    "digits": NamedData(
        datasets.load_digits_tasks, "classification", "ten digits against the rest; bundled"
    ),
    "iris-cancer": NamedData(
        datasets.load_iris_and_cancer, "classification", "two unrelated tasks; bundled"
    ),
    "school": NamedData(datasets.fetch_school, "regression", "exam scores in 139 schools"),
    "parkinsons": NamedData(
        datasets.fetch_parkinsons, "regression", "voice and symptoms of 42 patients"
    ),
    "wine_quality": NamedData(
        datasets.fetch_wine_quality, "regression", "grades of red and white wines"
    ),
    "bike": NamedData(
        datasets.fetch_bike, "regression", "rentals in 24 hours of the day", ordered=True
    ),
    "student": NamedData(datasets.fetch_student, "regression", "grades of pupils in two subjects"),
    "concrete": NamedData(datasets.fetch_concrete, "regression", "strength in three domains"),
    "auto_mpg": NamedData(datasets.fetch_auto_mpg, "regression", "fuel in three domains"),
    "newsgroups": NamedData(
        datasets.fetch_newsgroups_pairs, "classification", "two text tasks", sparse=True
    ),
    "sarcos": NamedData(
        datasets.fetch_sarcos, "regression", "seven torques of a robot arm", ordered=True
    ),
    **{
        name: NamedData(_mulan(name), "regression", f"Mulan, {n_targets} targets: {about}")
        for name, (n_targets, about) in MULAN_SETS.items()
    },
}


def load_named(name):
    """The entry of a data set and its bunch (with frames, unless the data are sparse)."""
    if name not in NAMED:
        raise unknown_name("data set", name, NAMED)
    entry = NAMED[name]
    try:
        return entry, entry.load(as_frame=not entry.sparse)
    except OSError as error:
        raise UsageError(one_line(error, most=600)) from error
