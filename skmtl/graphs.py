"""Graphs of tasks: who is like whom, from the forms in which a user says so."""

import numbers

import numpy as np
from scipy import sparse

NAMED_GRAPHS = ("chain", "complete")
ROUNDING = 1e-10  # asymmetry that is rounding, relative to the largest weight


def adjacency(graph, labels, *, named=False):
    """Weights of the edges between tasks as a symmetric matrix with a zero diagonal.

    Parameters
    ----------
    graph : array-like, sparse matrix or frame of shape (n_tasks, n_tasks), dict, "chain" \
or "complete"
        Weights in the order of `labels`; or a weight by pair of task ids, each pair in one
        order or in both (with the same weight); or a chain in the order of `labels`, or all
        pairs, with weight 1. The rows and columns of a frame are found by their names, which
        are the task ids (or their text) in any order; without an index the rows are in the
        order of the columns. A frame without names of its own (0, 1, ... in pandas, column_0,
        column_1, ... in polars) is in the order of `labels`, unless its names are ids.
    labels : ndarray of shape (n_tasks,)
        The sorted task ids.
    named : bool, default=False
        Whether the labels 0, 1, ... are ids. False: they may stand for ids not known yet, and
        then the rows of a frame with other names are in their order.

    Returns
    -------
    ndarray of shape (n_tasks, n_tasks)

    Raises
    ------
    ValueError
        For weights that are negative, not finite or not symmetric, a wrong shape, an edge from
        a task to itself, a task that the data do not have, or that a frame lacks, and an
        unknown name.
    TypeError
        If `graph` is nothing of the above, or a weight is no number.
    """
    labels = np.asarray(labels)
    if isinstance(graph, str):
        return _named(graph, len(labels))
    if isinstance(graph, dict):
        return _from_pairs(graph, labels)
    if hasattr(graph, "columns"):
        rows, columns = _names(graph)
        numbered = np.array_equal(labels, np.arange(len(labels))) and not named
        if numbered and _order(rows, labels) is None and len(rows) == len(labels):
            labels = np.array(rows, dtype=object)
        return _from_frame(graph, rows, columns, labels)
    if sparse.issparse(graph):
        graph = graph.toarray()
    try:
        weights = np.array(graph, dtype=np.float64)
    except (TypeError, ValueError):
        weights = None
    if graph is None or weights is None or weights.ndim == 0:
        raise TypeError(
            "graph must be a matrix of weights, a dict of weights by pair of task ids, "
            f"'chain' or 'complete', but it is {graph!r}."
        )
    return _checked(weights, labels)


def laplacian(weights):
    """L = diag(row sums) - A, so that tr(W L W') = sum_{s<t} a_st ||w_s - w_t||^2.

    Parameters
    ----------
    weights : ndarray of shape (n_tasks, n_tasks)
        From `adjacency`.

    Returns
    -------
    ndarray of shape (n_tasks, n_tasks)
    """
    return np.diag(weights.sum(axis=1)) - weights


def as_laplacian(graph, tasks):
    """The Laplacian of a graph that is given in any form that `adjacency` reads."""
    return laplacian(adjacency(graph, tasks))


def _named(name, n_tasks):
    if name == "chain":
        return np.eye(n_tasks, k=1) + np.eye(n_tasks, k=-1)
    if name == "complete":
        return np.ones((n_tasks, n_tasks)) - np.eye(n_tasks)
    raise ValueError(f"graph={name!r} is unknown: use one of {', '.join(NAMED_GRAPHS)}.")


def _from_pairs(graph, labels):
    position = {label: k for k, label in enumerate(labels.tolist())}
    weights = np.zeros((len(labels), len(labels)))
    for pair, weight in graph.items():
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError(f"the keys of graph must be pairs (task, task), but one is {pair!r}.")
        unknown = [task for task in pair if task not in position]
        if unknown:
            raise ValueError(
                f"graph names the task {unknown[0]!r}, which the data do not have: their tasks "
                f"are {_shown(labels)}."
            )
        if not isinstance(weight, numbers.Real):
            raise TypeError(
                f"graph gives the pair {pair!r} the weight {weight!r}: weights must be numbers."
            )
        s, t = (position[task] for task in pair)
        if s == t:
            raise ValueError(f"graph has an edge from task {pair[0]!r} to itself: leave it out.")
        if pair[::-1] in graph and graph[pair[::-1]] != weight:
            raise ValueError(
                f"graph gives the pair {pair!r} the weight {weight!r}, but in the other order "
                f"{graph[pair[::-1]]!r}: give one of them."
            )
        weights[s, t] = weights[t, s] = weight
    return _checked(weights, labels)


def _names(frame):
    """Names of the rows and columns of a frame; the same if there is no index."""
    columns = list(frame.columns)
    index = getattr(frame, "index", None)
    return columns if index is None or callable(index) else list(index), columns


def _order(names, labels):
    """Where every label is among names, which are ids or their text; None if they differ."""
    for ids in (labels.tolist(), [str(label) for label in labels.tolist()]):
        if len(names) == len(ids) and set(names) == set(ids):
            return [names.index(label) for label in ids]
    return None


def _from_frame(frame, rows, columns, labels):
    """The weights of a frame in the order of the labels."""
    try:
        weights = np.array(frame.to_numpy(), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"the weights of graph must be numbers: {error}.") from None
    orders = _order(rows, labels), _order(columns, labels)
    if None not in orders:
        return _checked(weights[np.ix_(*orders)], labels)
    n_tasks = len(labels)
    unnamed = [list(range(n_tasks)), [f"column_{k}" for k in range(n_tasks)]]
    if weights.shape != (n_tasks, n_tasks) or (rows == columns and rows in unnamed):
        return _checked(weights, labels)
    for names, what in ((rows, "row"), (columns, "column")):
        texts = {str(name) for name in names}
        missing = [label for label in labels.tolist() if str(label) not in texts]
        if missing:
            tasks = set(map(str, labels.tolist()))
            unknown = [name for name in names if str(name) not in tasks]
            also = f", but one of {unknown[0]!r}, which is no task" if unknown else ""
            raise ValueError(
                f"graph is a frame without a {what} of the task {missing[0]!r}{also}: name its "
                f"rows and columns by the task ids {_shown(labels)}, or give an array in their "
                "order."
            )
    raise ValueError(
        f"graph is a frame whose rows have the names {rows[:5]!r} and whose columns {columns[:5]!r}"
        f": give both the task ids {_shown(labels)}, or their text."
    )


def _checked(weights, labels):
    n_tasks = len(labels)
    if weights.shape != (n_tasks, n_tasks):
        raise ValueError(
            f"graph has shape {weights.shape}, but there are {n_tasks} tasks: give one row and one "
            "column per task in the order of the sorted ids."
        )
    for wrong, what in ((~np.isfinite(weights), "finite"), (weights < 0, "not negative")):
        if wrong.any():
            s, t = np.argwhere(wrong)[0]
            raise ValueError(
                f"the weights of graph must be {what}, but between the tasks "
                f"{_shown(labels[[s, t]])} it is {weights[s, t]:.4g}."
            )
    difference = np.abs(weights - weights.T)
    if (difference > ROUNDING * weights.max(initial=0.0)).any():
        s, t = np.unravel_index(np.argmax(difference), difference.shape)
        raise ValueError(
            f"graph must be symmetric, but between the tasks {_shown(labels[[s, t]])} it is "
            f"{weights[s, t]:.4g} and {weights[t, s]:.4g}: take graph + graph.T, for example."
        )
    weights = 0.5 * (weights + weights.T)
    np.fill_diagonal(weights, 0.0)  # a task is no further from itself
    return weights


def _shown(labels, most=5):
    shown = ", ".join(repr(label) for label in labels[:most].tolist())
    return shown + (f", ... ({len(labels)} in all)" if len(labels) > most else "")
