"""Unconstrained least-squares importance fitting."""

import numpy as np

from skmtl.base import check_number
from skmtl.solvers.density_ratio import LeastSquaresRatio
from skmtl.transfer.importance.base import (
    RatioWeighter,
    complete,
    gaussian,
    median_distance,
    read_grid,
    squared_distances,
)

FACTORS = np.array([0.25, 0.5, 1.0, 2.0, 4.0])  # of the median distance
ALPHAS = np.logspace(-3, 1, 9)


@complete
class ULSIF(RatioWeighter):
    """Density ratio of the target and the sources by least squares, in closed form.

    With Gaussian kernels k_l at rows of the target, w(x) = sum_l a_l k_l(x) minimises ::

        1/2 mean_i w(x_i)^2 - mean_j w(z_j) + alpha / 2 ||a||^2

    over the source rows x_i and the target rows z_j; negative coefficients are then set to zero.
    The width of the kernels and alpha are those with the least criterion on rows left out, in
    closed form (every row by itself; the paper leaves out pairs).

    Parameters
    ----------
    widths : array-like, default=None
        To choose the width from, of exp(-||x - z||^2 / (2 width^2)). None: 1/4, 1/2, 1, 2 and 4
        times the median distance between a source and a target row.
    alphas : array-like, default=None
        To choose alpha from. None: nine from 0.001 to 10.
    n_centers : int, default=100
        Kernels, at random rows of the target if it has more.
    {shift_target}
    random_state : int, RandomState instance or None, default=0
        Of the centres, and of the rows for the median if there are more than 1000.

    Attributes
    ----------
    {weighter_attributes}
    width_, alpha_ : float
        As chosen.
    criteria_ : ndarray of shape (n_widths, n_alphas)
        The criterion on rows left out; infinite if one side has a single row, where the middle
        width and alpha are taken.
    coef_ : ndarray of shape (n_centers,)
    centers_ : {ndarray, csr matrix} of shape (n_centers, n_features)

    See Also
    --------
    KLIEP : The same model by maximal likelihood.
    ShiftWeightedRegressor : Fits an estimator with such weights.

    Notes
    -----
    {scaling_note}

    References
    ----------
    Kanamori, Hido, Sugiyama 2009, *A least-squares approach to direct importance estimation*,
    JMLR 10.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl import ULSIF
    >>> X = np.random.RandomState(0).normal(size=(200, 2))
    >>> tasks = np.repeat([0, 1], 100)
    >>> X[tasks == 1] += 1.0
    >>> model = ULSIF(target_task=1).fit(X, tasks=tasks)
    >>> near, far = model.density_ratio([[2.0, 2.0], [-1.0, -1.0]], tasks=[1, 1])
    >>> bool(near > far)
    True
    """

    def __init__(
        self,
        widths=None,
        *,
        alphas=None,
        n_centers=100,
        task_column=None,
        target_task=None,
        random_state=0,
    ):
        self.widths = widths
        self.alphas = alphas
        self.n_centers = n_centers
        self.task_column = task_column
        self.target_task = target_task
        self.random_state = random_state

    def _check_parameters(self):
        if self.widths is not None:
            read_grid(self.widths, "widths")
        if self.alphas is not None:
            read_grid(self.alphas, "alphas")
        check_number(self.n_centers, "n_centers", low=1, integer=True)

    def _estimate(self, source, target, rng):
        alphas = ALPHAS if self.alphas is None else read_grid(self.alphas, "alphas")
        widths = (
            FACTORS * median_distance(source, target, rng)
            if self.widths is None
            else read_grid(self.widths, "widths")
        )
        self.centers_ = self._choose_centers(target, rng)
        squares = squared_distances(source, self.centers_), squared_distances(target, self.centers_)
        self.criteria_ = np.empty((len(widths), len(alphas)))
        fits = []
        for place, width in enumerate(widths):
            fits.append(LeastSquaresRatio(*(gaussian(part, width) for part in squares)))
            self.criteria_[place] = [fits[-1].leave_one_out(alpha) for alpha in alphas]
        best = len(widths) // 2, len(alphas) // 2
        if np.isfinite(self.criteria_).any():
            best = np.unravel_index(np.argmin(self.criteria_), self.criteria_.shape)
        self.width_, self.alpha_ = float(widths[best[0]]), float(alphas[best[1]])
        self.coef_ = fits[best[0]].solve(self.alpha_)
        return fits[best[0]].source @ self.coef_
