"""Coefficients and held-out losses along a regularisation path."""

import numpy as np

from skmtl.documentation import share_text
from skmtl.inspection.drawing import (
    CYCLE,
    LONGEST_FEATURE,
    new_axes,
    plain_ticks,
    short_names,
    spread,
    tidy,
)
from skmtl.inspection.fitted import name_features, read_fitted
from skmtl.inspection.heat_map import length_of
from skmtl.inspection.held_out_path import check_path, read_held_out, solve_again

PATH = """
alphas : array-like of shape (n_alphas,)
coefs : array-like of shape (n_tasks, n_features, n_alphas), default=None
    As of :func:`multitask_lasso_path`; also with an axis of classes behind the first, as of
    :func:`multitask_logistic_path`. None: only losses are drawn.
losses : array-like of shape (n_alphas,) or (n_alphas, n_folds), default=None
    The lower the better. None: only coefficients are drawn.
alpha : float or array-like of shape (n_tasks,), default=None
    The chosen one.
loss_name : str, default="held-out loss"
features : array-like of shape (n_features,), default=None
    Their names. None: x0, x1, ...
"""
FAINT = "#bbbbbb"
FONT = 8
ROOM = 1.5  # height of a line of text, of the size of its font
TAIL = 4.0  # losses above this many times the gain of the best model are cut off
PLAIN = 1e6  # with a wider range of alphas the ticks are powers of ten


@share_text(path=PATH)
class RegularizationPathDisplay:
    """Norms of the features' coefficients, and the loss on held-out rows, against alpha.

    Use :meth:`from_estimator` or :meth:`from_path`. Alpha falls from left to right, on a
    logarithmic axis, so that features enter one after the other; an alpha of 0 is not drawn.
    Bands are one standard error (over the folds) above and below the mean. A tail of losses far
    above that of the largest alpha is cut off.

    Parameters
    ----------
    {path}
    name : str, default=None
        Title of the figure.

    Attributes
    ----------
    ax_ : matplotlib axes
        The first panel.
    axes_ : ndarray of matplotlib axes of shape (n_panels,)
    figure_ : matplotlib figure
    lines_ : list of matplotlib lines
        Norms, one per feature; empty if no coefficients are drawn.
    names_ : list of matplotlib annotations
        Names of the features of the largest norms.
    loss_line_ : matplotlib line or None
    band_ : matplotlib collection or None

    See Also
    --------
    multitask_lasso_path : Gives a path.

    Examples
    --------
    >>> from skmtl import MultiTaskLassoCV, RegularizationPathDisplay, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=4, n_samples=50, random_state=0)
    >>> model = MultiTaskLassoCV(alphas=20, task_column=0).fit(X, y)
    >>> display = RegularizationPathDisplay.from_estimator(model, X, y)
    >>> len(display.lines_), len(display.axes_)
    (20, 2)
    """

    def __init__(
        self,
        *,
        alphas,
        coefs=None,
        losses=None,
        alpha=None,
        loss_name="held-out loss",
        features=None,
        name=None,
    ):
        self.alphas = alphas
        self.coefs = coefs
        self.losses = losses
        self.alpha = alpha
        self.loss_name = loss_name
        self.features = features
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        model,
        X=None,
        y=None,
        *,
        tasks=None,
        sample_weight=None,
        coefs=None,
        name=None,
        ax=None,
        **options,
    ):
        """Draw the path that a cross-validated model has chosen from.

        Parameters
        ----------
        model : fitted estimator
            With ``alphas_``, ``alpha_``, and ``mse_path_``, ``scores_`` or ``criterion_path_``,
            as `MultiTaskLassoCV`; or a Pipeline with one at its end. Of several l1_ratios the
            chosen one is drawn.
        X, y : default=None
            What the model was fitted to. If they are given, the coefficients along the path are
            computed again and drawn, too.
        tasks, sample_weight : default=None
            As given to fit.
        coefs : array-like of shape (n_tasks, n_features, n_alphas), default=None
            Coefficients along ``alphas_``, if they are known, instead of X and y.
        name : str, default=None
            Title of the figure. None: the class of the model.
        ax : matplotlib axes or array of them, default=None
            One for each panel. None: those of a new figure.
        **options
            For :meth:`plot`.

        Returns
        -------
        RegularizationPathDisplay

        Raises
        ------
        TypeError
            If `model` is no estimator.
        ValueError
            If the model has no path, or coefficients were asked for of a model without a function
            that computes its path.
        NotFittedError
        """
        fitted = read_fitted(model, cls.__name__)
        estimator = fitted.estimator
        path = read_held_out(estimator, cls.__name__)
        if (X is None) != (y is None):
            raise ValueError("the path needs both X and y: give the other one as well, or none.")
        if coefs is None and X is not None:
            X = X if fitted.steps is None else fitted.steps.transform(X)
            coefs = solve_again(estimator, path, X, y, tasks=tasks, sample_weight=sample_weight)
        features = None
        if coefs is not None:
            features = name_features(fitted, np.shape(coefs)[-2])
        return cls.from_path(
            path.alphas,
            coefs,
            losses=path.losses,
            alpha=path.alpha,
            loss_name=path.loss_name,
            features=features,
            name=type(estimator).__name__ if name is None else name,
            ax=ax,
            **options,
        )

    @classmethod
    @share_text(path=PATH)
    def from_path(
        cls,
        alphas,
        coefs=None,
        *,
        losses=None,
        alpha=None,
        loss_name="held-out loss",
        features=None,
        name=None,
        ax=None,
        **options,
    ):
        """Draw a path that is known.

        Parameters
        ----------
        {path}
        name : str, default=None
            Title of the figure.
        ax : matplotlib axes or array of them, default=None
            One for each panel. None: those of a new figure.
        **options
            For :meth:`plot`.

        Returns
        -------
        RegularizationPathDisplay

        Raises
        ------
        ValueError
            If there is nothing to draw, or shapes do not agree.
        """
        alphas, coefs, losses = check_path(alphas, coefs, losses, features)
        display = cls(
            alphas=alphas,
            coefs=coefs,
            losses=losses,
            alpha=alpha,
            loss_name=loss_name,
            features=None if features is None else np.asarray(features),
            name=name,
        )
        return display.plot(ax, **options)

    @property
    def norms(self):
        """Norms over tasks (and classes) of every feature's coefficients: (n_features, n_alphas).

        None without coefficients.
        """
        if self.coefs is None:
            return None
        others = tuple(range(np.ndim(self.coefs) - 2))
        return np.sqrt(np.sum(np.square(self.coefs), axis=others))

    def plot(self, ax=None, *, n_named=7):
        """Draw the figure.

        Parameters
        ----------
        ax : matplotlib axes or array of them, default=None
            One for each panel. None: those of a new figure.
        n_named : int, default=7
            How many features are named, those of the largest norms at the chosen alpha (or the
            smallest, if none was chosen). The others are grey.

        Returns
        -------
        self : RegularizationPathDisplay
        """
        self._make_axes(ax)
        above = np.flatnonzero(self.alphas > 0)
        self._shown = above[np.argsort(-self.alphas[above], kind="stable")]
        self.lines_, self.names_, self.loss_line_, self.band_ = [], [], None, None
        if self.losses is not None:
            self._draw_losses(self.axes_[-1])
        if self.coefs is not None:
            named = self._largest(n_named)
            self._draw_norms(named)
        for axes in self.axes_:
            self._scale_alphas(axes)
            self._mark_choice(axes)
            tidy(axes)
        if self.axes_[-1].get_legend_handles_labels()[0]:
            self.axes_[-1].legend(fontsize=FONT, frameon=False)
        if self.coefs is not None:
            self._name_lines(named)
        if self.name is not None:
            self.ax_.set_title(self.name, fontsize=10, loc="left")
        return self

    def _make_axes(self, ax):
        given = {"coefficients": self.coefs, "losses": self.losses}
        panels = [name for name, values in given.items() if values is not None]
        if ax is None:
            size = (6.4 if len(panels) == 1 else 11.0, 4.2)
            ax = new_axes(nrows=1, ncols=len(panels), figsize=size)
        self.axes_ = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
        if len(self.axes_) != len(panels):
            raise ValueError(
                f"ax holds {len(self.axes_)} axes, but there are {len(panels)} panels "
                f"({', '.join(panels)}): give one each."
            )
        self.ax_ = self.axes_[0]
        self.figure_ = self.ax_.figure

    def _draw_losses(self, axes):
        alphas, losses = self.alphas[self._shown], self.losses[self._shown]
        look = {"color": CYCLE[0]}
        several = losses.ndim == 2 and losses.shape[1] > 1
        mean = losses if losses.ndim == 1 else losses.mean(axis=1)
        label = "mean over folds" if several else None
        (self.loss_line_,) = axes.plot(
            alphas, mean, marker="o", markersize=2.5, label=label, **look
        )
        if several:
            error = losses.std(axis=1, ddof=1) / np.sqrt(losses.shape[1])
            self.band_ = axes.fill_between(
                alphas,
                mean - error,
                mean + error,
                alpha=0.2,
                lw=0,
                label="± 1 standard error",
                **look,
            )
            self._cut_tail(axes, mean, error)
        axes.set_ylabel(f"{self.loss_name}\n(lower is better)")

    @staticmethod
    def _cut_tail(axes, mean, error):
        """Room for the gain of the best model, if overfitted models would flatten it."""
        best = int(np.argmin(mean))
        useful = max(mean[0] - mean[best], error[best])
        low, high = np.min(mean - error), mean[best] + TAIL * useful
        if np.max(mean + error) > high > low:
            axes.set_ylim(low - 0.05 * (high - low), high)

    def _largest(self, n_named):
        """Features of the largest norms at the choice, the largest first."""
        place = self._shown[-1]
        if self.alpha is not None and np.median(self.alpha) > 0:
            distance = np.abs(np.log(self.alphas[self._shown] / np.median(self.alpha)))
            place = self._shown[np.argmin(distance)]
        norms = self.norms[:, place]
        largest = np.argsort(-norms, kind="stable")[: max(int(n_named), 0)]
        return largest[norms[largest] > 0]

    def _draw_norms(self, named):
        norms = self.norms[:, self._shown]
        self.lines_ = self.ax_.plot(self.alphas[self._shown], norms.T, color=FAINT, linewidth=0.8)
        for position, feature in enumerate(named):
            self.lines_[feature].set(
                color=CYCLE[position % len(CYCLE)], linewidth=1.6, zorder=3 - 0.01 * position
            )
        self.ax_.set_ylim(0.0, 1.05 * max(norms.max(initial=0.0), 1e-300))
        one = np.prod(np.shape(self.coefs)[:-2]) <= 1
        self.ax_.set_ylabel(
            "absolute coefficient" if one else "norm of a feature's coefficients over tasks"
        )

    def _scale_alphas(self, axes):
        from matplotlib.ticker import LogLocator

        low, high = self.alphas[self._shown[-1]], self.alphas[self._shown[0]]
        axes.set_xscale("log")
        axes.set_xlim(high * 1.05, low / 1.05)
        if high < PLAIN * low:
            plain_ticks(
                axes.xaxis, LogLocator(subs=(1.0,) if high > 300 * low else (1.0, 2.0, 5.0))
            )
        axes.set_xlabel("alpha, falling from left to right")

    def _mark_choice(self, axes):
        """A line at the chosen alpha, or a triangle at each of those that tasks have chosen."""
        if self.alpha is None:
            return
        chosen, counts = np.unique(np.atleast_1d(self.alpha), return_counts=True)
        if len(chosen) == 1:
            label = f"chosen: alpha = {chosen[0]:.3g}"
            axes.axvline(chosen[0], color="black", linewidth=1.0, linestyle="--", label=label)
            return
        axes.scatter(
            chosen,
            np.full(len(chosen), 0.02),
            s=12.0 + 150.0 * counts / counts.sum(),
            marker="^",
            color="black",
            linewidths=0,
            transform=axes.get_xaxis_transform(),
            label=f"chosen by {counts.sum()} tasks (larger: by more)",
            zorder=4,
        )

    def _name_lines(self, named):
        """Names at the right ends of lines, one above the other."""
        if not len(named):
            return
        ends = self.norms[named, self._shown[-1]] / self.ax_.get_ylim()[1]
        gap = ROOM * FONT / length_of(self.ax_.yaxis)
        features = self.features
        if features is None:
            features = np.array([f"x{position}" for position in range(len(self.norms))])
        names = short_names(np.asarray(features)[named], LONGEST_FEATURE)
        for end, height, name, feature in zip(ends, spread(ends, gap), names, named, strict=True):
            colour = self.lines_[feature].get_color()
            text = self.ax_.annotate(
                name,
                (1.0, end),
                xytext=(1.05, height),
                xycoords="axes fraction",
                textcoords="axes fraction",
                va="center",
                color=colour,
                fontsize=FONT,
                arrowprops={
                    "arrowstyle": "-",
                    "color": colour,
                    "lw": 0.6,
                    "shrinkA": 1,
                    "shrinkB": 0,
                },
            )
            self.names_.append(text)
