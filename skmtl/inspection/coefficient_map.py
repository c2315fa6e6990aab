"""Coefficients of all tasks as a heat map."""

import numpy as np

from skmtl.inspection.drawing import LONGEST, LONGEST_FEATURE, MOST_LABELS, new_axes, short_names
from skmtl.inspection.fitted import (
    name_features,
    raw_coefficients,
    read_coefficients,
    read_fitted,
    without_absent,
)
from skmtl.inspection.heat_map import (
    check_order,
    draw_colorbar,
    draw_heat_map,
    length_of,
    name_cells,
    neighbour_order,
    note_of_names,
    robust_limit,
    write_title,
    write_values,
)

MOST_VALUES = 12  # with more rows or columns the cells hold no numbers
ROOM_FOR_VALUE = 26.0  # points
WHOLE = "coef_"


class CoefficientDisplay:
    """Coefficients of all tasks: a heat map with a row per task and a column per feature.

    Use :meth:`from_estimator`. Blue is above 0, red below, white is 0, and grey is a feature that
    the task does not have. Parts of the coefficients stand side by side, with one scale.

    Parameters
    ----------
    coefs : dict of str to ndarray of shape (n_tasks, n_features)
        What is drawn, a panel each; the first one decides the order. NaN for absent features.
    tasks : ndarray of shape (n_tasks,), default=None
        What the rows are called. None: 0, 1, ...
    features : ndarray of shape (n_features,), default=None
        What the columns are called. None: x0, x1, ...
    kind : str, default="task"
        What a row is.
    norms : bool, default=False
        Whether the values are norms over classes and so have no sign.
    name : str, default=None
        Title of the figure.

    Attributes
    ----------
    ax_ : matplotlib axes
        The first panel.
    axes_ : ndarray of matplotlib axes of shape (n_panels,)
    figure_ : matplotlib figure
    images_ : list of matplotlib images
    colorbar_ : matplotlib colorbar
    task_order_, feature_order_ : ndarray
        Positions of the tasks and features that are drawn, in their order.

    See Also
    --------
    TaskRelationDisplay : Which tasks are alike?

    Examples
    --------
    >>> from skmtl import CoefficientDisplay, MultiTaskLasso, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=4, n_samples=50, random_state=0)
    >>> model = MultiTaskLasso(alpha=0.5, task_column=0).fit(X, y)
    >>> display = CoefficientDisplay.from_estimator(model, max_features=8)
    >>> display.images_[0].get_array().shape
    (4, 8)
    """

    def __init__(self, *, coefs, tasks=None, features=None, kind="task", norms=False, name=None):
        self.coefs = coefs
        self.tasks = tasks
        self.features = features
        self.kind = kind
        self.norms = norms
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        model,
        *,
        part=None,
        order="similarity",
        max_features=MOST_LABELS,
        name=None,
        ax=None,
        **options,
    ):
        """Draw the coefficients of a fitted model.

        Parameters
        ----------
        model : fitted estimator
            A linear model, or a Pipeline or search (as `GridSearchCV`) with one at its end. Of
            classifiers with coefficients for several classes the norms over the classes are
            drawn; with a single task a row is a class.
        part : str, default=None
            For models whose coefficients are a sum of parts (``coef_parts_``): the name of one,
            or "all" for the sum and all parts side by side. None: the sum.
        order, max_features
            As in :meth:`plot`.
        name : str, default=None
            Title of the figure. None: the class of the model.
        ax : matplotlib axes or array of them, default=None
            One for each panel. None: those of a new figure.
        **options
            For :meth:`plot`.

        Returns
        -------
        CoefficientDisplay

        Raises
        ------
        TypeError
            If `model` is no estimator.
        ValueError
            If the model has no ``coef_`` or no such part, or `order` is unknown.
        NotFittedError
        """
        check_order(order)
        fitted = read_fitted(model, cls.__name__)
        found = read_coefficients(fitted.estimator, cls.__name__)
        display = cls(
            coefs=_select(fitted.estimator, found, part),
            tasks=found.labels,
            features=name_features(fitted, found.values.shape[1]),
            kind=found.kind,
            norms=found.norms,
            name=type(fitted.estimator).__name__ if name is None else name,
        )
        return display.plot(ax, order=order, max_features=max_features, **options)

    def plot(self, ax=None, *, order="similarity", max_features=MOST_LABELS, cmap=None, limit=None):
        """Draw the figure.

        Parameters
        ----------
        ax : matplotlib axes or array of them, default=None
            One for each panel. None: those of a new figure.
        order : {"similarity", "given"}, default="similarity"
            "similarity": tasks with similar coefficients beside each other (the leaves of a
            hierarchical clustering), and features by falling norm over the tasks.
        max_features : int, default=40
            How many features are drawn, those of the largest norms. None: all.
        cmap : str or matplotlib colormap, default=None
            Diverging, its centre is at 0; None: "RdBu", and "Blues" for norms.
        limit : float, default=None
            The coefficient that has the strongest colour. None: the largest absolute value, or
            the 98 % quantile of those above 0 if the largest would fade all others.

        Returns
        -------
        self : CoefficientDisplay
        """
        check_order(order)
        self._order(order, max_features)
        self._longest = LONGEST_FEATURE if ax is None else LONGEST  # given axes may be small
        place = np.ix_(self.task_order_, self.feature_order_)
        panels = {name: coef[place] for name, coef in self.coefs.items()}
        self._make_axes(ax)
        values = np.stack(list(panels.values()))
        limit = robust_limit(values) if limit is None else limit
        cmap = ("Blues" if self.norms else "RdBu") if cmap is None else cmap
        low = 0.0 if self.norms else None
        self.images_ = [
            draw_heat_map(axes, panel, limit=limit, cmap=cmap, low=low)
            for axes, panel in zip(self.axes_, panels.values(), strict=True)
        ]
        unit = "norm over classes" if self.norms else "coefficient"
        self.colorbar_ = draw_colorbar(self.images_[0], list(self.axes_), values, unit)
        self._label(panels)
        for axes, panel in zip(self.axes_, panels.values(), strict=True):
            if self._has_room_for_values(axes):
                write_values(axes, panel, limit)
        return self

    def _order(self, order, max_features):
        """Which tasks and features are drawn, and in which order."""
        coef = np.nan_to_num(next(iter(self.coefs.values())))
        n_tasks, n_features = coef.shape
        by_norm = np.argsort(-np.linalg.norm(coef, axis=0), kind="stable")
        by_norm = by_norm[: n_features if max_features is None else max(int(max_features), 1)]
        similar = order == "similarity"
        self.feature_order_ = by_norm if similar else np.sort(by_norm)
        self.task_order_ = neighbour_order(coef) if similar else np.arange(n_tasks)

    def _make_axes(self, ax):
        n_panels = len(self.coefs)
        if ax is None:
            ax = new_axes(nrows=1, ncols=n_panels, sharey=True, figsize=self._size())
        self.axes_ = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
        if len(self.axes_) != n_panels:
            raise ValueError(
                f"ax holds {len(self.axes_)} axes, but there are {n_panels} panels "
                f"({', '.join(self.coefs)}): give one each."
            )
        self.ax_ = self.axes_[0]
        self.figure_ = self.ax_.figure

    def _size(self):
        """Width and height in inches: cells that can be seen, and room for the names."""
        n_tasks, n_features = len(self.task_order_), len(self.feature_order_)
        small = max(n_tasks, n_features) <= MOST_VALUES
        widest = 7.5 if len(self.coefs) == 1 else 4.2
        width = np.clip((0.5 if small else 0.2) * n_features, 2.6, widest)
        height = np.clip((0.3 if small else 0.2) * n_tasks, 1.2, 7.5)
        rows, columns = (0.07 * max(map(len, names)) for names in self._names())
        return len(self.coefs) * width + rows + 1.6, height + columns + 1.0

    def _names(self):
        coef = next(iter(self.coefs.values()))
        tasks = np.arange(len(coef)) if self.tasks is None else np.asarray(self.tasks)
        features = self.features
        if features is None:
            features = [f"x{position}" for position in range(coef.shape[1])]
        features = np.asarray(features)[self.feature_order_]
        return short_names(tasks[self.task_order_]), short_names(features, self._longest)

    def _label(self, panels):
        tasks, features = self._names()
        for axes, name in zip(self.axes_, panels, strict=True):
            axes.set_xlabel("feature")
            axes.set_title(name, fontsize=10)
        for axes in self.axes_[1:]:
            axes.tick_params(labelleft=False)
        self.ax_.set_ylabel(self.kind)
        told = self._title(panels)
        if len(panels) > 1:
            self.figure_.suptitle(
                told if self.name is None else f"{self.name}: {told}", fontsize=10
            )
            of_features, of_tasks = name_cells(list(self.axes_), features, tasks)
        else:
            write_title(self.ax_, self.name, told)
            of_features, of_tasks = name_cells([self.ax_], features, tasks)
        self.ax_.set_ylabel(self.kind + note_of_names(len(tasks), of_tasks))
        for axes in self.axes_:
            axes.set_xlabel("feature" + note_of_names(len(features), of_features))

    def _title(self, panels):
        """What is drawn: the part, if it is one, and how many rows and columns."""
        n_tasks, n_shown = len(self.task_order_), len(self.feature_order_)
        part, coef = next(iter(self.coefs.items()))
        n_all = coef.shape[1]
        shown = f"{n_shown} of {n_all}" if n_shown < n_all else f"{n_all}"
        told = f"{_count(n_tasks, self.kind)}, {shown} {'feature' + 's' * (n_all != 1)}"
        if len(panels) == 1 and part != WHOLE:
            told = f"{part}: {told}"
        absent = any(np.isnan(panel).any() for panel in panels.values())
        return told + ", grey: absent" * absent

    def _has_room_for_values(self, axes):
        n_tasks, n_features = len(self.task_order_), len(self.feature_order_)
        if max(n_tasks, n_features) > MOST_VALUES:
            return False
        return length_of(axes.xaxis) / n_features > ROOM_FOR_VALUE


def _count(n, kind):
    plural = kind + ("es" if kind.endswith("s") else "s")
    return f"{n} {kind if n == 1 else plural}"


def _select(estimator, found, part):
    """The panels by name: the coefficients, one of their parts, or the sum and all parts."""
    if part is None:
        return {WHOLE: found.values}
    parts = getattr(estimator, "coef_parts_", None)
    if not parts:
        raise ValueError(
            f"part={part!r} was asked for, but {type(estimator).__name__} has no coef_parts_: "
            "leave part=None."
        )
    parts = {name: raw_coefficients(values) for name, values in parts.items()}
    if found.norms:
        parts = {name: np.linalg.norm(values, axis=1) for name, values in parts.items()}
    parts = {name: without_absent(estimator, values) for name, values in parts.items()}
    if part == "all":
        return {"sum of the parts": found.values, **parts}
    if part not in parts:
        raise ValueError(f"part={part!r} is not one of {', '.join(parts)}, all.")
    return {part: parts[part]}
