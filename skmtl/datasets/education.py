"""Pupils and their grades: School and Student performance."""

import numpy as np
from scipy.io import loadmat

from skmtl.datasets import descriptions
from skmtl.datasets.documentation import BUNCH, FETCH_ERRORS, FETCH_PARAMETERS
from skmtl.datasets.fetching import dataset_files
from skmtl.datasets.parsing import read_csv
from skmtl.datasets.tables import TaskTable
from skmtl.documentation import share_text

N_SPLITS = 10

# The files name no column. The order follows from their README and from the data: the columns of
# each variable sum to one, and all but one of the pupils of boys' schools are in column 6.
SCHOOL_FEATURES = (
    [f"year={year}" for year in (1985, 1986, 1987)]
    + ["percent_free_meals", "percent_vr_band_1"]
    + ["gender=female", "gender=male"]
    + [f"vr_band={band}" for band in (3, 1, 2)]
    + [
        f"ethnic_group={group}"
        for group in [
            "ESWI",
            "African",
            "Arab",
            "Bangladeshi",
            "Caribbean",
            "Greek",
            "Indian",
            "Pakistani",
            "SE_Asian",
            "Turkish",
            "other",
        ]
    ]
    + [f"school_gender={gender}" for gender in ("mixed", "male", "female")]
    + [f"denomination={name}" for name in ("maintained", "Church_of_England", "Roman_Catholic")]
)

STUDENT_TASKS = {"student-mat.csv": "mathematics", "student-por.csv": "Portuguese"}


@share_text(fetch_parameters=FETCH_PARAMETERS, bunch=BUNCH, fetch_errors=FETCH_ERRORS)
def fetch_school(*, data_home=None, download_if_missing=True, return_X_y=False, as_frame=False):
    """Fetch the exam scores of 139 schools with their ten published splits (regression).

    The classic benchmark of multi-task learning: 15362 pupils, a school is a task, 22 to 251
    rows per task, 27 features. Task ids are the numbers 1 to 139.

    Parameters
    ----------
    {fetch_parameters}

    Returns
    -------
    {bunch}
        The bunch has one more field:

        splits : list of ten tuples (train_rows, test_rows)
            Sorted row numbers of data; 75 % of each school for training.

    Raises
    ------
    {fetch_errors}

    References
    ----------
    Argyriou, Evgeniou and Pontil. Convex multi-task feature learning. Machine Learning, 2008.
    """
    paths = dataset_files("school", data_home=data_home, download_if_missing=download_if_missing)
    table = read_school(paths)
    return table.deliver(return_X_y=return_X_y, as_frame=as_frame)


def read_school(paths):
    """Table of the School files."""
    content = loadmat(paths["school_b.mat"])
    features = content["x"].T.astype(np.float64)[:, : len(SCHOOL_FEATURES)]  # last: constant
    starts = content["task_indexes"].ravel().astype(np.int64) - 1
    sizes = np.diff(np.append(starts, features.shape[0]))
    return TaskTable(
        source=descriptions.SCHOOL,
        features=features,
        feature_names=SCHOOL_FEATURES,
        target=content["y"].ravel().astype(np.float64),
        target_names=["exam_score"],
        ids=np.repeat(np.arange(1, sizes.size + 1), sizes),
        extra={
            "splits": [
                read_split(paths[f"school_{number}_indexes.mat"])
                for number in range(1, N_SPLITS + 1)
            ]
        },
    )


def read_split(path):
    """Sorted training and test rows, from columns counted from 1."""
    content = loadmat(path)
    return tuple(np.sort(content[part].ravel().astype(np.int64)) - 1 for part in ("tr", "tst"))


@share_text(fetch_parameters=FETCH_PARAMETERS, bunch=BUNCH, fetch_errors=FETCH_ERRORS)
def fetch_student(
    *,
    earlier_grades=True,
    data_home=None,
    download_if_missing=True,
    return_X_y=False,
    as_frame=False,
):
    """Fetch the final grades of pupils in two subjects, which are the tasks (regression).

    Task 0 is ``"mathematics"`` (395 rows), task 1 ``"Portuguese"`` (649 rows). The frame has
    the 32 columns of the files, categories as strings. The array has numbers only: a category
    with two levels becomes one 0/1 column named after its second level (``"sex=M"``), one with
    more levels a 0/1 column per level (``"Mjob=health"``); both tasks have the same columns.

    Parameters
    ----------
    earlier_grades : bool, default=True
        Whether to keep G1 and G2, the grades of the first two periods. They are close to the
        target, so that without them the problem is much harder.
    {fetch_parameters}

    Returns
    -------
    {bunch}

    Raises
    ------
    {fetch_errors}

    References
    ----------
    Cortez and Silva. Using data mining to predict secondary school student performance. 2008.
    """
    paths = dataset_files("student", data_home=data_home, download_if_missing=download_if_missing)
    table = read_student(paths, earlier_grades)
    return table.deliver(return_X_y=return_X_y, as_frame=as_frame)


def read_student(paths, earlier_grades):
    """Table of the two files of Student performance, with or without G1 and G2."""
    contents = [read_csv(paths[file]) for file in STUDENT_TASKS]
    names = contents[0][0]
    text = np.array([row for _, rows in contents for row in rows])
    columns = {name: _numbers_or_strings(text[:, j]) for j, name in enumerate(names)}
    target = columns.pop("G3")
    if not earlier_grades:
        del columns["G1"], columns["G2"]
    encoded = encode_categories(columns)
    return TaskTable(
        source=descriptions.STUDENT,
        features=np.column_stack(list(encoded.values())).astype(np.float64),
        feature_names=list(encoded),
        target=target.astype(np.float64),
        target_names=["G3"],
        ids=np.repeat([0, 1], [len(rows) for _, rows in contents]),
        task_names=list(STUDENT_TASKS.values()),
        columns=columns,
    )


def encode_categories(columns):
    """Columns of numbers as they are; categories as 0/1 columns, one where there are two levels."""
    encoded = {}
    for name, values in columns.items():
        if values.dtype != object:
            encoded[name] = values
            continue
        levels = sorted(set(values))
        for level in levels[1:] if len(levels) == 2 else levels:
            encoded[f"{name}={level}"] = values == level
    return encoded


def _numbers_or_strings(column):
    try:
        return column.astype(np.int64)
    except ValueError:
        return column.astype(object)
