"""Data sets with several tasks: generators, bundled real tasks, and fetchers with checksums.

Data come in the task-column layout (column 0 holds the ids of the tasks) or, where all tasks share
the rows, in the multi-output layout (one column of the target per task).
"""

from skmtl.datasets.bundled import load_diabetes_tasks, load_digits_tasks, load_iris_and_cancer
from skmtl.datasets.domains import (
    fetch_auto_mpg,
    fetch_concrete,
    fetch_newsgroups_pairs,
    fetch_wine_quality,
)
from skmtl.datasets.education import fetch_school, fetch_student
from skmtl.datasets.fetching import get_data_home
from skmtl.datasets.generators import make_multitask_classification, make_multitask_regression
from skmtl.datasets.multi_output import fetch_mulan, fetch_sarcos
from skmtl.datasets.repeated import fetch_bike, fetch_parkinsons

__all__ = [
    "fetch_auto_mpg",
    "fetch_bike",
    "fetch_concrete",
    "fetch_mulan",
    "fetch_newsgroups_pairs",
    "fetch_parkinsons",
    "fetch_sarcos",
    "fetch_school",
    "fetch_student",
    "fetch_wine_quality",
    "get_data_home",
    "load_diabetes_tasks",
    "load_digits_tasks",
    "load_iris_and_cancer",
    "make_multitask_classification",
    "make_multitask_regression",
]
