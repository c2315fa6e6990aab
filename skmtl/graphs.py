"""Graphs of tasks: who is like whom, from the forms in which a user says so."""

import numpy as np
from scipy import sparse

NAMED_GRAPHS = ("chain", "complete")
ROUNDING = 1e-10  # asymmetry that is rounding, relative to the largest weight


def adjacency(graph, labels):
    """Weights of the edges between tasks as a symmetric matrix with a zero diagonal.

    Parameters
    ----------
    graph : array-like or sparse matrix of shape (n_tasks, n_tasks), dict, "chain" or "complete"
        Weights in the order of `labels`; or a weight by pair of task ids, each pair in one
        order or in both (with the same weight); or a chain in the order of `labels`, or all
        pairs, with weight 1.
    labels : ndarray of shape (n_tasks,)
        The sorted task ids.

    Returns
    -------
    ndarray of shape (n_tasks, n_tasks)

    Raises
    ------
    ValueError
        For weights that are negative, not finite or not symmetric, a wrong shape, an edge from
        a task to itself, a task that the data do not have and an unknown name.
    TypeError
        If `graph` is nothing of the above.
    """
    labels = np.asarray(labels)
    if isinstance(graph, str):
        return _named(graph, len(labels))
    if isinstance(graph, dict):
        return _from_pairs(graph, labels)
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
