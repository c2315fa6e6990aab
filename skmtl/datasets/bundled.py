"""Real tasks made from the data that scikit-learn brings along; nothing is downloaded."""

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris

from skmtl.datasets import descriptions
from skmtl.datasets.documentation import BUNCH, FORM_PARAMETERS
from skmtl.datasets.tables import TaskTable
from skmtl.documentation import share_text

AGE_BANDS = ("under 40", "40 to 49", "50 to 59", "60 and over")


@share_text(form_parameters=FORM_PARAMETERS, bunch=BUNCH)
def load_digits_tasks(*, return_X_y=False, as_frame=False):
    """Load the digits as ten one-versus-rest tasks with rows of their own (classification).

    Task d tells the digit d (target 1) from all others (target 0). Each of the 1797 images
    belongs to one task only: of the images of a digit, in the order of the file, every third
    is dealt to the task of that digit and the others to the nine other tasks in turn. So a
    third of the rows of each task, about 60, show its own digit.

    Parameters
    ----------
    {form_parameters}

    Returns
    -------
    {bunch}

    Examples
    --------
    >>> from skmtl.datasets import load_digits_tasks
    >>> X, y = load_digits_tasks(return_X_y=True)
    >>> X.shape
    (1797, 65)
    >>> int(y[X[:, 0] == 3].sum())  # threes among the rows of task 3
    61
    """
    digits = load_digits()
    ids = deal_digits(digits.target)
    table = TaskTable(
        source=descriptions.DIGITS,
        features=digits.data,
        feature_names=list(digits.feature_names),
        target=(digits.target == ids).astype(np.int64),
        target_names=["is_digit"],
        ids=ids,
    )
    return table.deliver(return_X_y=return_X_y, as_frame=as_frame)


def deal_digits(digits):
    """Task of each image: every third one of a digit is its own task's, the rest go in turn."""
    ids = np.empty(digits.shape, dtype=np.int64)
    for digit in range(10):
        rows = np.flatnonzero(digits == digit)
        own = np.arange(rows.size) % 3 == 0
        ids[rows[own]] = digit
        ids[rows[~own]] = (digit + 1 + np.arange((~own).sum()) % 9) % 10
    return ids


@share_text(form_parameters=FORM_PARAMETERS, bunch=BUNCH)
def load_iris_and_cancer(*, return_X_y=False, as_frame=False):
    """Load iris and breast cancer as two tasks with nothing in common (classification).

    The tasks have 150 and 569 rows, 4 and 30 features of their own (NaN in all rows of the
    other task) and 3 and 2 classes with labels of their own, which are strings. Task 0 is
    ``"iris"``, task 1 ``"cancer"``.

    Parameters
    ----------
    {form_parameters}

    Returns
    -------
    {bunch}

    Examples
    --------
    >>> from skmtl.datasets import load_iris_and_cancer
    >>> bunch = load_iris_and_cancer()
    >>> bunch.data.shape, bunch.task_names
    ((719, 35), ['iris', 'cancer'])
    >>> sorted({str(label) for label in bunch.target})
    ['benign', 'malignant', 'setosa', 'versicolor', 'virginica']
    """
    parts = load_iris(), load_breast_cancer()
    sizes, widths = zip(*(part.data.shape for part in parts), strict=True)
    features = np.full((sum(sizes), sum(widths)), np.nan)
    features[: sizes[0], : widths[0]] = parts[0].data
    features[sizes[0] :, widths[0] :] = parts[1].data
    table = TaskTable(
        source=descriptions.IRIS_AND_CANCER,
        features=features,
        feature_names=[str(name) for part in parts for name in part.feature_names],
        target=np.concatenate([part.target_names[part.target] for part in parts]),
        target_names=["class"],
        ids=np.repeat([0, 1], sizes),
        task_names=["iris", "cancer"],
    )
    return table.deliver(return_X_y=return_X_y, as_frame=as_frame)


@share_text(form_parameters=FORM_PARAMETERS, bunch=BUNCH)
def load_diabetes_tasks(*, return_X_y=False, as_frame=False):
    """Load the diabetes data as eight tasks by sex and age band (regression).

    The 442 patients fall into tasks of 37 to 71 rows: two sexes (coded 1 and 2; the source does
    not say which is which), each in the age bands under 40, 40 to 49, 50 to 59, and 60 and
    over. The measures are in their own units. Sex, which is constant within a task, is left out;
    age is kept, as it varies within a band.

    Parameters
    ----------
    {form_parameters}

    Returns
    -------
    {bunch}

    Examples
    --------
    >>> from skmtl.datasets import load_diabetes_tasks
    >>> bunch = load_diabetes_tasks()
    >>> bunch.data.shape
    (442, 10)
    >>> bunch.task_names[:2]
    ['sex 1, under 40', 'sex 1, 40 to 49']
    """
    diabetes = load_diabetes(scaled=False)
    names = list(diabetes.feature_names)
    sex, age = (diabetes.data[:, names.index(name)] for name in ("sex", "age"))
    keep = [name for name in names if name != "sex"]
    table = TaskTable(
        source=descriptions.DIABETES,
        features=diabetes.data[:, [names.index(name) for name in keep]],
        feature_names=keep,
        target=diabetes.target,
        target_names=["progression"],
        ids=(sex.astype(np.int64) - 1) * len(AGE_BANDS) + np.digitize(age, [40, 50, 60]),
        task_names=[f"sex {code}, {band}" for code in (1, 2) for band in AGE_BANDS],
    )
    return table.deliver(return_X_y=return_X_y, as_frame=as_frame)
