"""Small readers for the text formats of the data sets; numpy and the standard library only."""

import csv

import numpy as np


def read_csv(path):
    """Header and rows of strings of a comma-separated file.

    Returns
    -------
    names : list of str
        Names of the columns.
    rows : list of list of str
        Fields of each row.
    """
    with open(path, newline="", encoding="utf-8") as file:
        names, *rows = csv.reader(file)
    return names, rows


def read_numeric_csv(path):
    """Names of the columns, and their values as floats, of a comma-separated file with header."""
    names, rows = read_csv(path)
    return names, np.array(rows, dtype=np.float64)


def read_matrix(path):
    """Values as floats of a comma-separated file without header, which may be gzipped."""
    return np.loadtxt(path, delimiter=",", comments=None, ndmin=2)


def read_numeric_arff(path):
    """Names of the attributes, and their values, of a dense ARFF file of numbers.

    Raises
    ------
    ValueError
        If an attribute is not numeric, or if there is no data section.
    """
    names = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            words = line.split()
            keyword = words[0].lower() if words else ""
            if keyword == "@data":
                values = np.loadtxt(file, delimiter=",", comments="%", ndmin=2)
                break
            if keyword == "@attribute":
                if words[-1].lower() not in ("numeric", "real", "integer"):
                    raise ValueError(f"{path}: attribute {words[1]} is {words[-1]}, not numeric.")
                names.append(words[1].replace('"', "").replace("'", ""))
        else:
            raise ValueError(f"{path} has no @data section.")
    return names, values


def select_columns(names, values, keep):
    """The columns of `values` whose names are in `keep`, in the order of `keep`."""
    return values[:, [names.index(name) for name in keep]]
