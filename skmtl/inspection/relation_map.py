"""Relations between tasks as a heat map, similar tasks beside each other."""

import numpy as np

from skmtl.inspection.drawing import MOST_LABELS, new_axes, short_names
from skmtl.inspection.fitted import raw_coefficients, read_fitted
from skmtl.inspection.heat_map import (
    check_order,
    draw_colorbar,
    draw_heat_map,
    name_cells,
    note_of_names,
    robust_limit,
    similarity_order,
    write_title,
    write_values,
)

MOST_VALUES = 10  # with more tasks the cells are too small for numbers
ATTRIBUTES = {
    "covariance": "task_covariance_",
    "affinity": "task_affinity_",
    "coefficients": "coef_",
    "deviations": "coef_shared_",
}


class TaskRelationDisplay:
    """Relations between all pairs of tasks: a heat map, similar tasks beside each other.

    Use :meth:`from_estimator` or :meth:`from_matrix`. Blue is above 0 (alike), red below
    (opposed), white is 0, and grey is not defined. Clusters of tasks have frames.

    Parameters
    ----------
    matrix : ndarray of shape (n_tasks, n_tasks)
    tasks : ndarray of shape (n_tasks,), default=None
        Their names. None: 0, 1, ...
    clusters : ndarray of shape (n_tasks,), default=None
        Cluster of every task.
    unit : str, default="relation"
        What the values are.
    directions : tuple of str, default=None
        What a row and what a column stands for, where the matrix is not symmetric.
    name : str, default=None
        Title of the figure.

    Attributes
    ----------
    ax_ : matplotlib axes
    figure_ : matplotlib figure
    image_ : matplotlib image
    colorbar_ : matplotlib colorbar
    order_ : ndarray of shape (n_tasks,)
        Positions of the tasks, in the order of the rows and columns that are drawn.
    blocks_ : list of matplotlib patches
        Frames of the clusters.

    See Also
    --------
    task_affinity : Relations measured on the data, with any model.
    CoefficientDisplay : The coefficients themselves.

    Examples
    --------
    >>> from skmtl import MultiTaskRidgeCV, TaskRelationDisplay, make_multitask_regression
    >>> X, y = make_multitask_regression(
    ...     n_tasks=6, structure="clusters", n_clusters=2, spread=0.1, random_state=0)
    >>> model = MultiTaskRidgeCV(task_column=0).fit(X, y)
    >>> display = TaskRelationDisplay.from_estimator(model)
    >>> sorted(display.order_[:3].tolist()) in ([0, 2, 4], [1, 3, 5])
    True
    """

    def __init__(
        self, *, matrix, tasks=None, clusters=None, unit="relation", directions=None, name=None
    ):
        self.matrix = matrix
        self.tasks = tasks
        self.clusters = clusters
        self.unit = unit
        self.directions = directions
        self.name = name

    @classmethod
    def from_estimator(
        cls, model, *, relation=None, order="similarity", name=None, ax=None, **options
    ):
        """Draw the relations that a fitted model has learned.

        Parameters
        ----------
        model : fitted estimator
            Or a Pipeline or search (as `GridSearchCV`) with one at its end.
        relation : {"covariance", "affinity", "coefficients", "deviations"}, default=None
            ``task_covariance_`` as correlations, ``task_affinity_``, the cosines of the angles
            between the rows of ``coef_``, or between those of ``coef_ - coef_shared_`` (tasks
            that share much differ in these only). None: the first of the first three that the
            model has.
        order
            As in :meth:`plot`.
        name : str, default=None
            Title of the figure. None: the class of the model.
        ax : matplotlib axes, default=None
            None: those of a new figure.
        **options
            For :meth:`plot`.

        Returns
        -------
        TaskRelationDisplay

        Raises
        ------
        TypeError
            If `model` is no estimator.
        ValueError
            If the model has no such relations, there is one task only, or `order` is unknown.
        NotFittedError
        """
        check_order(order)
        estimator = read_fitted(model, cls.__name__).estimator
        matrix, unit = _relations(estimator, relation, cls.__name__)
        return cls.from_matrix(
            matrix,
            getattr(estimator, "tasks_", None),
            clusters=getattr(estimator, "task_labels_", None),
            unit=unit,
            name=type(estimator).__name__ if name is None else name,
            order=order,
            ax=ax,
            **options,
        )

    @classmethod
    def from_matrix(
        cls,
        matrix,
        tasks=None,
        *,
        clusters=None,
        unit=None,
        order="similarity",
        name=None,
        ax=None,
        **options,
    ):
        """Draw relations that are known.

        Parameters
        ----------
        matrix : array-like of shape (n_tasks, n_tasks), frame or TaskAffinity
            Above 0: alike. NaN is not defined. The names of a frame, and of what
            :func:`task_affinity` returns, are taken over.
        tasks : array-like of shape (n_tasks,), optional
        clusters : array-like of shape (n_tasks,), optional
            Cluster of every task.
        unit : str, default=None
            What the values are. None: "relation", or what `matrix` knows.
        order
            As in :meth:`plot`.
        name : str, default=None
            Title of the figure.
        ax : matplotlib axes, default=None
            None: those of a new figure.
        **options
            For :meth:`plot`.

        Returns
        -------
        TaskRelationDisplay

        Raises
        ------
        ValueError
            If `matrix` is not square, there is one task only, or lengths do not agree.
        """
        check_order(order)
        directions = None
        if hasattr(matrix, "affinity"):
            unit = matrix.unit if unit is None else unit
            directions, options = matrix.directions, {"limit": matrix.limit} | options
            tasks = matrix.tasks if tasks is None else tasks
            matrix = matrix.affinity
        elif tasks is None and hasattr(matrix, "index"):
            tasks = np.asarray(matrix.index)
        matrix = _check_matrix(matrix)
        tasks = np.arange(len(matrix)) if tasks is None else np.asarray(tasks)
        clusters = None if clusters is None else np.asarray(clusters)
        for given, what in ((tasks, "tasks"), (clusters, "clusters")):
            if given is not None and given.shape != (len(matrix),):
                raise ValueError(
                    f"{what} has shape {given.shape}, but matrix is of {len(matrix)} tasks."
                )
        unit = "relation" if unit is None else unit
        display = cls(
            matrix=matrix,
            tasks=tasks,
            clusters=clusters,
            unit=unit,
            directions=directions,
            name=name,
        )
        return display.plot(ax, order=order, **options)

    def plot(self, ax=None, *, order="similarity", cmap="RdBu", limit=None):
        """Draw the figure.

        Parameters
        ----------
        ax : matplotlib axes, default=None
            None: those of a new figure.
        order : {"similarity", "given"}, default="similarity"
            "similarity": the leaves of a hierarchical clustering, cluster by cluster if these are
            known; a reversed order means the same.
        cmap : str or matplotlib colormap, default="RdBu"
            Diverging; its centre is at 0.
        limit : float, default=None
            The value that has the strongest colour. None: 1 for correlations and cosines;
            otherwise the largest absolute value beside the diagonal, or the 98 % quantile if the
            largest would fade all others.

        Returns
        -------
        self : TaskRelationDisplay
        """
        check_order(order)
        n_tasks = len(self.matrix)
        names = self._names()
        side = np.clip(0.2 * min(n_tasks, MOST_LABELS), 3.2, 7.5)
        room = 0.07 * max(map(len, names))  # inches for the names
        self.ax_ = new_axes(ax, figsize=(side + 1.6 + room, side + 0.6 + room))
        self.figure_ = self.ax_.figure
        self.order_ = self._similar() if order == "similarity" else np.arange(n_tasks)
        values = self.matrix[np.ix_(self.order_, self.order_)]
        limit = self._limit() if limit is None else limit
        self.image_ = draw_heat_map(self.ax_, values, limit=limit, cmap=cmap, aspect="equal")
        self.colorbar_ = draw_colorbar(self.image_, self.ax_, values, self.unit)
        self._frame_clusters()
        self._label([names[task] for task in self.order_], order)
        if n_tasks <= MOST_VALUES:
            write_values(self.ax_, values, limit)
        return self

    def _names(self):
        return short_names(np.arange(len(self.matrix)) if self.tasks is None else self.tasks)

    def _similar(self):
        """Similar tasks beside each other, and so are similar clusters."""
        if self.clusters is None:
            return similarity_order(self.matrix)
        labels, codes = np.unique(self.clusters, return_inverse=True)
        members = np.eye(len(labels))[codes] / np.bincount(codes)
        between = members.T @ np.nan_to_num(self.matrix) @ members
        own = [np.flatnonzero(codes == cluster) for cluster in similarity_order(between)]
        return np.concatenate(
            [rows[similarity_order(self.matrix[np.ix_(rows, rows)])] for rows in own]
        )

    def _limit(self):
        if self.unit.startswith(("correlation", "cosine")):
            return 1.0
        return robust_limit(self.matrix[~np.eye(len(self.matrix), dtype=bool)])

    def _frame_clusters(self):
        """A frame around each cluster whose tasks stand beside each other."""
        self.blocks_ = []
        if self.clusters is None:
            return
        from matplotlib.patches import Rectangle

        clusters = np.asarray(self.clusters)[self.order_]
        starts = np.flatnonzero(np.r_[True, clusters[1:] != clusters[:-1]])
        ends = np.r_[starts[1:], len(clusters)]
        if len(starts) > len(np.unique(clusters)):
            return
        for start, end in zip(starts, ends, strict=True):
            frame = Rectangle(
                (start - 0.5, start - 0.5),
                end - start,
                end - start,
                fill=False,
                edgecolor="black",
                linewidth=1.4,
                clip_on=False,
            )
            self.blocks_.append(self.ax_.add_patch(frame))

    def _label(self, names, order):
        if self.directions is not None:
            self.ax_.set_ylabel(self.directions[0])
            self.ax_.set_xlabel(self.directions[1])
        told = f"{len(names)} tasks"
        told += ", ordered by similarity" if order == "similarity" else ""
        clusters = f", {len(self.blocks_)} clusters" if self.blocks_ else ""
        lines = write_title(self.ax_, self.name, told + clusters)
        for _ in range(2):
            step = max(name_cells([self.ax_], names, names))
            noted = told + note_of_names(len(names), step) + clusters
            before, lines = lines, write_title(self.ax_, self.name, noted)
            if lines == before:
                break  # otherwise the title has taken room from the names


def _check_matrix(matrix):
    matrix = np.asarray(matrix, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(
            f"matrix has shape {matrix.shape}, but must be square: a row and a column per task."
        )
    if len(matrix) < 2:
        raise ValueError("there is one task only: it has no relations to others.")
    return matrix


def _relations(estimator, relation, reader):
    """Matrix (n_tasks, n_tasks) and what its values are."""
    if relation is not None and relation not in ATTRIBUTES:
        raise ValueError(f"relation={relation!r} is not one of {', '.join(ATTRIBUTES)}.")
    asked = list(ATTRIBUTES)[:3] if relation is None else [relation]
    kind = next((k for k in asked if getattr(estimator, ATTRIBUTES[k], None) is not None), None)
    if kind is None:
        known = " or ".join(ATTRIBUTES[kind] for kind in asked)
        raise ValueError(
            f"{reader} needs a model with {known}, but {type(estimator).__name__} has none: use "
            "from_matrix, for example with the result of task_affinity."
        )
    value = getattr(estimator, ATTRIBUTES[kind])
    if kind == "covariance":
        return as_correlations(value), "correlation of coefficients"
    if kind == "affinity":
        return np.asarray(value, dtype=np.float64), "affinity"
    coef = raw_coefficients(estimator.coef_)
    if kind == "deviations":
        deviations = coef - value
        if getattr(estimator, "absent_features_", None) is not None:
            absent = estimator.absent_features_
            deviations[
                absent if coef.ndim == 2 else np.broadcast_to(absent[:, None], coef.shape)
            ] = 0.0
        return cosines(deviations), "cosine of deviations from the common model"
    return cosines(coef), "cosine of coefficients"


def as_correlations(covariance):
    """Correlations of a covariance; 0 with a task that does not vary."""
    covariance = np.asarray(covariance, dtype=np.float64)
    return _scaled(covariance, np.sqrt(np.maximum(np.diag(covariance), 0.0)))


def cosines(coef):
    """Cosines of the angles between tasks, those of all classes together; 0 with zeros."""
    rows = coef.reshape(len(coef), -1)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    directions = rows / np.where(norms > 0, norms, 1.0)
    return _scaled(directions @ directions.T, np.ones(len(rows)))


def _scaled(products, sizes):
    sizes = np.where(sizes > 0, sizes, np.inf)
    found = np.clip(products / np.outer(sizes, sizes), -1.0, 1.0)
    np.fill_diagonal(found, 1.0)
    return found
