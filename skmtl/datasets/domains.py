"""Few related domains, for transfer: wines, concrete, cars and newsgroups."""

import numpy as np
from scipy import sparse
from scipy.io import loadmat

from skmtl.datasets import descriptions
from skmtl.datasets.checks import check_choice
from skmtl.datasets.documentation import BUNCH, FETCH_ERRORS, FETCH_PARAMETERS
from skmtl.datasets.fetching import dataset_files
from skmtl.datasets.parsing import read_matrix
from skmtl.datasets.tables import TaskTable
from skmtl.documentation import share_text

WINE_COLOURS = ("red", "white")
WINE_FEATURES = [
    "fixed_acidity",
    "volatile_acidity",
    "citric_acid",
    "residual_sugar",
    "chlorides",
    "free_sulfur_dioxide",
    "total_sulfur_dioxide",
    "density",
    "pH",
    "sulphates",
    "alcohol",
]

CONCRETE_FEATURES = [
    "cement",
    "slag",
    "fly_ash",
    "water",
    "superplasticizer",
    "coarse_aggregate",
    "fine_aggregate",
    "age",
]

CAR_FEATURES = [
    "cylinders",
    "displacement",
    "horsepower",
    "weight",
    "acceleration",
    "model_year",
    "origin",
]
CAR_ORIGINS = ["USA", "Europe", "Japan"]

NEWSGROUP_FILES = {
    "comp.vs.sci": ("comp.vs.sci/task1.mat", "comp.vs.sci/task2.mat"),
    "rec.vs.talk": ("rec.vs.talk/Task1.mat", "rec.vs.talk/Task2.mat"),
}


@share_text(fetch_parameters=FETCH_PARAMETERS, bunch=BUNCH, fetch_errors=FETCH_ERRORS)
def fetch_wine_quality(
    *, data_home=None, download_if_missing=True, return_X_y=False, as_frame=False
):
    """Fetch the grades of red and white wines, the two tasks (regression).

    Task 0 is ``"red"`` (1599 rows), task 1 ``"white"`` (4898 rows); 11 features.

    Parameters
    ----------
    {fetch_parameters}

    Returns
    -------
    {bunch}

    Raises
    ------
    {fetch_errors}

    References
    ----------
    Cortez, Cerdeira, Almeida, Matos and Reis. Modeling wine preferences by data mining from
    physicochemical properties. Decision Support Systems, 2009.
    """
    paths = dataset_files(
        "wine_quality", data_home=data_home, download_if_missing=download_if_missing
    )
    parts = [read_matrix(paths[f"winequality-{colour}.csv"]) for colour in WINE_COLOURS]
    values = np.vstack(parts)
    table = TaskTable(
        source=descriptions.WINE_QUALITY,
        features=values[:, :-1],
        feature_names=WINE_FEATURES,
        target=values[:, -1],
        target_names=["quality"],
        ids=np.repeat([0, 1], [len(part) for part in parts]),
        task_names=list(WINE_COLOURS),
    )
    return table.deliver(return_X_y=return_X_y, as_frame=as_frame)


@share_text(fetch_parameters=FETCH_PARAMETERS, bunch=BUNCH, fetch_errors=FETCH_ERRORS)
def fetch_concrete(
    *,
    tasks="superplasticizer",
    data_home=None,
    download_if_missing=True,
    return_X_y=False,
    as_frame=False,
):
    """Fetch the strength of concrete in three related domains, the tasks (regression).

    The 1030 rows, sorted by one feature, are cut into thirds: low, middle and high. The feature
    itself is left out, so 7 features remain. Rows keep the order of the file, in which ties are
    broken. The columns are centred.

    Parameters
    ----------
    tasks : str, default="superplasticizer"
        The feature: one of "cement", "slag", "fly_ash", "water", "superplasticizer",
        "coarse_aggregate", "fine_aggregate" and "age". The default has the correlation with the
        target nearest to 0.4 in absolute value.
    {fetch_parameters}

    Returns
    -------
    {bunch}

    Raises
    ------
    ValueError
        If tasks is not one of the features.
    {fetch_errors}

    References
    ----------
    Pardoe and Stone. Boosting for regression transfer. ICML 2010.
    """
    check_choice("tasks", tasks, CONCRETE_FEATURES)
    paths = dataset_files("concrete", data_home=data_home, download_if_missing=download_if_missing)
    table = thirds_table(
        descriptions.CONCRETE,
        read_matrix(paths["concrete_data.csv.gz"]),
        CONCRETE_FEATURES,
        "strength",
        tasks,
    )
    return table.deliver(return_X_y=return_X_y, as_frame=as_frame)


@share_text(fetch_parameters=FETCH_PARAMETERS, bunch=BUNCH, fetch_errors=FETCH_ERRORS)
def fetch_auto_mpg(
    *,
    tasks="acceleration",
    data_home=None,
    download_if_missing=True,
    return_X_y=False,
    as_frame=False,
):
    """Fetch the fuel consumption of cars in three related domains, the tasks (regression).

    The 392 rows, sorted by one feature, are cut into thirds: low, middle and high. Or the tasks
    are the regions of origin. The feature that makes the tasks is left out, so 6 features remain.
    Rows keep the order of the file, in which ties are broken. The columns are centred.

    Parameters
    ----------
    tasks : str, default="acceleration"
        The feature: one of "cylinders", "displacement", "horsepower", "weight", "acceleration"
        and "model_year", to be cut into thirds, or "origin" for the tasks "USA", "Europe" and
        "Japan". The default has the correlation with the target nearest to 0.4 in absolute value.
    {fetch_parameters}

    Returns
    -------
    {bunch}

    Raises
    ------
    ValueError
        If tasks is not one of the features.
    {fetch_errors}

    References
    ----------
    Pardoe and Stone. Boosting for regression transfer. ICML 2010.
    """
    check_choice("tasks", tasks, CAR_FEATURES)
    paths = dataset_files("auto_mpg", data_home=data_home, download_if_missing=download_if_missing)
    values = read_matrix(paths["autompg_data.csv.gz"])
    table = thirds_table(descriptions.AUTO_MPG, values, CAR_FEATURES, "mpg", tasks)
    if tasks == "origin":
        origin = values[:, CAR_FEATURES.index("origin")]
        table.ids = np.unique(origin, return_inverse=True)[1]
        table.task_names = CAR_ORIGINS
    return table.deliver(return_X_y=return_X_y, as_frame=as_frame)


def thirds_table(source, values, names, target_name, tasks):
    """Table whose tasks are the thirds of the rows by one feature, which is left out."""
    by_feature = np.argsort(values[:, names.index(tasks)], kind="stable")
    n_samples = by_feature.size
    ids = np.empty(n_samples, dtype=np.int64)
    ids[by_feature] = np.arange(n_samples) * 3 // n_samples
    keep = [name for name in names if name != tasks]
    return TaskTable(
        source=source,
        features=values[:, [names.index(name) for name in keep]],
        feature_names=keep,
        target=values[:, -1],
        target_names=[target_name],
        ids=ids,
        task_names=[f"{level} {tasks}" for level in ("low", "middle", "high")],
    )


@share_text(fetch_parameters=FETCH_PARAMETERS, bunch=BUNCH, fetch_errors=FETCH_ERRORS)
def fetch_newsgroups_pairs(
    pair="comp.vs.sci",
    *,
    data_home=None,
    download_if_missing=True,
    return_X_y=False,
    as_frame=False,
):
    """Fetch two text tasks that separate the same two subjects (binary classification).

    data is a csr_matrix of word counts (2000 words) with the task ids 0 and 1 in column 0.
    ``"comp.vs.sci"`` has 1875 and 1827 documents, ``"rec.vs.talk"`` 1844 and 1545.

    Parameters
    ----------
    pair : {"comp.vs.sci", "rec.vs.talk"}, default="comp.vs.sci"
        The two subjects.
    {fetch_parameters}
        Here only False: the data are sparse.

    Returns
    -------
    {bunch}

    Raises
    ------
    ValueError
        If pair is not one of the two, or if ``as_frame=True``.
    {fetch_errors}

    References
    ----------
    Zhou, Chen and Ye. MALSAR: Multi-tAsk Learning via StructurAl Regularization. 2011.
    """
    check_choice("pair", pair, NEWSGROUP_FILES)
    if as_frame:
        raise ValueError(
            "as_frame=True: the newsgroups are a sparse matrix of 2000 words, which a frame would "
            "hold densely. Use as_frame=False."
        )
    files = NEWSGROUP_FILES[pair]
    paths = dataset_files(
        "newsgroups", data_home=data_home, download_if_missing=download_if_missing, only=files
    )
    table = read_newsgroups([paths[file] for file in files])
    return table.deliver(return_X_y=return_X_y, as_frame=as_frame)


def read_newsgroups(paths):
    """Table of the two tasks of a pair."""
    parts = [loadmat(path) for path in paths]
    words = sparse.csr_matrix(sparse.vstack([part["fea"] for part in parts]))
    labels = np.concatenate([part["gnd"].ravel() for part in parts])
    return TaskTable(
        source=descriptions.NEWSGROUPS,
        features=words,
        feature_names=[f"word_{index}" for index in range(words.shape[1])],
        target=labels.astype(np.int64) - 1,
        target_names=["label"],
        ids=np.repeat([0, 1], [part["gnd"].size for part in parts]),
        task_names=["first", "second"],
    )
