"""Data sets whose tasks share the rows, one target per task: Mulan and SARCOS."""

from dataclasses import replace

from scipy.io import loadmat

from skmtl.datasets import descriptions
from skmtl.datasets.checks import check_choice
from skmtl.datasets.documentation import (
    FETCH_ERRORS,
    FETCH_PARAMETERS,
    MULTI_OUTPUT_BUNCH,
)
from skmtl.datasets.fetching import dataset_files
from skmtl.datasets.parsing import read_numeric_arff
from skmtl.datasets.tables import TaskTable
from skmtl.documentation import share_text

# number of targets, which are the last columns, and what the data are about
MULAN_SETS = {
    "enb": (2, "Heating and cooling load of buildings by their shape (Tsanas and Xifara, 2012)."),
    "edm": (2, "Control of an electrical discharge machine (Karalic and Bratko, 1997)."),
    "jura": (3, "Heavy metals in the soil of the Swiss Jura (Goovaerts, 1997)."),
    "slump": (3, "Slump, flow and strength of concrete from its composition (Yeh, 2007)."),
    "wq": (14, "Plants and animals in rivers from water quality (Dzeroski and others, 2000)."),
    "andro": (6, "Quality of sea water from the days before (Hatzikos, 2008)."),
    "atp1d": (6, "Airline ticket prices of the next day for six kinds of flights."),
}

JOINTS = range(1, 8)
SARCOS_FEATURES = [
    f"{quantity}_{joint}"
    for quantity in ("position", "velocity", "acceleration")
    for joint in JOINTS
]
SARCOS_TARGETS = [f"torque_{joint}" for joint in JOINTS]


@share_text(fetch_parameters=FETCH_PARAMETERS, bunch=MULTI_OUTPUT_BUNCH, fetch_errors=FETCH_ERRORS)
def fetch_mulan(
    name, *, data_home=None, download_if_missing=True, return_X_y=False, as_frame=False
):
    """Fetch a multi-target regression data set of the Mulan collection (multi-output).

    ======= ====== ========== =========
    name    rows   features   targets
    ======= ====== ========== =========
    enb     768    8          2
    edm     154    16         2
    jura    359    15         3
    slump   103    7          3
    wq      1060   16         14
    andro   49     30         6
    atp1d   337    411        6
    ======= ====== ========== =========

    Parameters
    ----------
    name : {"enb", "edm", "jura", "slump", "wq", "andro", "atp1d"}
        The data set.
    {fetch_parameters}

    Returns
    -------
    {bunch}

    Raises
    ------
    ValueError
        If there is no data set of that name.
    {fetch_errors}

    References
    ----------
    Spyromitros-Xioufis, Tsoumakas, Groves and Vlahavas. Multi-target regression via input space
    expansion: treating targets as inputs. Machine Learning, 2016.
    """
    check_choice("name", name, MULAN_SETS)
    paths = dataset_files(
        "mulan",
        data_home=data_home,
        download_if_missing=download_if_missing,
        only=[f"{name}.arff"],
    )
    table = read_mulan(paths[f"{name}.arff"], name)
    return table.deliver(return_X_y=return_X_y, as_frame=as_frame)


def read_mulan(path, name):
    """Table of one data set of the collection."""
    n_targets, text = MULAN_SETS[name]
    names, values = read_numeric_arff(path)
    source = descriptions.MULAN
    return TaskTable(
        source=replace(source, title=f"{source.title}: {name}", text=text),
        features=values[:, :-n_targets],
        feature_names=names[:-n_targets],
        target=values[:, -n_targets:],
        target_names=names[-n_targets:],
    )


@share_text(fetch_parameters=FETCH_PARAMETERS, bunch=MULTI_OUTPUT_BUNCH, fetch_errors=FETCH_ERRORS)
def fetch_sarcos(*, data_home=None, download_if_missing=True, return_X_y=False, as_frame=False):
    """Fetch the inverse dynamics of a robot arm: seven torques from 21 inputs (multi-output).

    4449 rows, the published test file only. They follow one trajectory: split them into
    contiguous blocks, as neighbours are nearly equal.

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
    Rasmussen and Williams. Gaussian Processes for Machine Learning. MIT Press, 2006.
    """
    paths = dataset_files("sarcos", data_home=data_home, download_if_missing=download_if_missing)
    table = read_sarcos(paths["sarcos_inv_test.mat"])
    return table.deliver(return_X_y=return_X_y, as_frame=as_frame)


def read_sarcos(path):
    """Table of the SARCOS test file."""
    values = loadmat(path)["sarcos_inv_test"]
    return TaskTable(
        source=descriptions.SARCOS,
        features=values[:, : len(SARCOS_FEATURES)],
        feature_names=SARCOS_FEATURES,
        target=values[:, len(SARCOS_FEATURES) :],
        target_names=SARCOS_TARGETS,
    )
