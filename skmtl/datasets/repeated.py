"""Repeated measurements: Parkinson's telemonitoring by patient, bike sharing by the calendar."""

import numpy as np

from skmtl.datasets import descriptions
from skmtl.datasets.checks import check_choice
from skmtl.datasets.documentation import BUNCH, FETCH_ERRORS, FETCH_PARAMETERS
from skmtl.datasets.fetching import dataset_files
from skmtl.datasets.parsing import read_numeric_csv, select_columns
from skmtl.datasets.tables import TaskTable
from skmtl.documentation import share_text

PARKINSONS_TARGETS = ("total_UPDRS", "motor_UPDRS")
PARKINSONS_SUBJECT = "subject#"

BIKE_TARGET = "cnt"
BIKE_TASKS = {
    "hour": "hr",
    "weekday": "weekday",
    "month": "mnth",
    "season": "season",
    "year": "yr",
    "workingday": "workingday",
}
# row number and date; the two parts of the target
BIKE_LEFT_OUT = ("instant", "dteday", "casual", "registered")
FIRST_YEAR = 2011


@share_text(fetch_parameters=FETCH_PARAMETERS, bunch=BUNCH, fetch_errors=FETCH_ERRORS)
def fetch_parkinsons(
    *,
    target="total_UPDRS",
    data_home=None,
    download_if_missing=True,
    return_X_y=False,
    as_frame=False,
):
    """Fetch symptom scores of 42 patients from voice recordings (regression).

    A patient is a task: 5875 rows, 101 to 168 per task, 19 features. Age and sex are constant
    within a patient. The levels of the patients differ so much that one pooled model is far
    worse than one model per patient, which makes these data a control for negative transfer.
    Task ids are the numbers 1 to 42.

    Parameters
    ----------
    target : {"total_UPDRS", "motor_UPDRS"}, default="total_UPDRS"
        The score to predict; the other one is left out.
    {fetch_parameters}

    Returns
    -------
    {bunch}

    Raises
    ------
    ValueError
        If target is not one of the scores.
    {fetch_errors}

    References
    ----------
    Tsanas, Little, McSharry and Ramig. Accurate telemonitoring of Parkinson's disease progression
    by noninvasive speech tests. IEEE Transactions on Biomedical Engineering, 2010.
    """
    check_choice("target", target, PARKINSONS_TARGETS)
    paths = dataset_files(
        "parkinsons", data_home=data_home, download_if_missing=download_if_missing
    )
    table = read_parkinsons(paths["parkinsons_updrs.data"], target)
    return table.deliver(return_X_y=return_X_y, as_frame=as_frame)


def read_parkinsons(path, target):
    """Table of the Parkinson's file with one of its two scores."""
    names, values = read_numeric_csv(path)
    keep = [name for name in names if name not in (PARKINSONS_SUBJECT, *PARKINSONS_TARGETS)]
    return TaskTable(
        source=descriptions.PARKINSONS,
        features=select_columns(names, values, keep),
        feature_names=keep,
        target=values[:, names.index(target)],
        target_names=[target],
        ids=values[:, names.index(PARKINSONS_SUBJECT)].astype(np.int64),
    )


@share_text(fetch_parameters=FETCH_PARAMETERS, bunch=BUNCH, fetch_errors=FETCH_ERRORS)
def fetch_bike(
    *,
    tasks="hour",
    data_home=None,
    download_if_missing=True,
    return_X_y=False,
    as_frame=False,
):
    """Fetch hourly bike rentals with a column of the calendar as the task (regression).

    17379 rows of 2011 and 2012 in order of time: split them by time. Row number and date are left
    out, and so are the numbers of casual and registered users, which add up to the target. The
    column that is the task is not a feature, so 11 features remain.

    Parameters
    ----------
    tasks : {"hour", "weekday", "month", "season", "year", "workingday"}, default="hour"
        The column whose values are the tasks: 24, 7, 12, 4, 2 or 2 of them. The task ids are the
        numbers of the file (hours 0 to 23, weekdays 0 to 6 from Sunday, months 1 to 12, seasons 1
        to 4 from winter), and for the years 2011 and 2012.
    {fetch_parameters}

    Returns
    -------
    {bunch}

    Raises
    ------
    ValueError
        If tasks is not one of the columns.
    {fetch_errors}

    References
    ----------
    Fanaee-T and Gama. Event labeling combining ensemble detectors and background knowledge.
    Progress in Artificial Intelligence, 2014.
    """
    check_choice("tasks", tasks, BIKE_TASKS)
    paths = dataset_files("bike", data_home=data_home, download_if_missing=download_if_missing)
    table = read_bike(paths["hour.csv"], BIKE_TASKS[tasks])
    return table.deliver(return_X_y=return_X_y, as_frame=as_frame)


def read_bike(path, task_name):
    """Table of the bike file with one of its columns as the task."""
    names, values = read_numeric_csv(path)
    keep = [name for name in names if name not in (*BIKE_LEFT_OUT, BIKE_TARGET, task_name)]
    ids = values[:, names.index(task_name)].astype(np.int64)
    return TaskTable(
        source=descriptions.BIKE,
        features=select_columns(names, values, keep),
        feature_names=keep,
        target=values[:, names.index(BIKE_TARGET)],
        target_names=[BIKE_TARGET],
        ids=ids + FIRST_YEAR if task_name == "yr" else ids,
    )
