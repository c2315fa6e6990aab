"""Kullback-Leibler importance estimation."""

import numpy as np

from skmtl.base import check_number, warn_unless_converged
from skmtl.model_selection.dealing import deal
from skmtl.solvers.density_ratio import likelihood_ratio
from skmtl.transfer.importance.base import (
    RatioWeighter,
    complete,
    gaussian,
    median_distance,
    read_grid,
    squared_distances,
)
from skmtl.transfer.importance.ulsif import FACTORS

UNDERFLOW = 1e-100
LEAST_RATIO = 1e-12  # at a row left out, for its logarithm


@complete
class KLIEP(RatioWeighter):
    """Density ratio of the target and the sources by maximal likelihood.

    With Gaussian kernels k_l at rows of the target, w(x) = sum_l a_l k_l(x) maximises ::

        mean_j log w(z_j)   over a >= 0,   mean_i w(x_i) = 1

    over the target rows z_j and the source rows x_i: the source density times w is the closest to
    that of the target in the sense of Kullback and Leibler. The width of the kernels is that with
    the largest likelihood of target rows left out.

    Parameters
    ----------
    widths : array-like, default=None
        To choose the width from, of exp(-||x - z||^2 / (2 width^2)). None: 1/4, 1/2, 1, 2 and 4
        times the median distance between a source and a target row.
    cv : int, default=5
        Folds of the rows of the target.
    n_centers : int, default=100
        Kernels, at random rows of the target if it has more.
    {shift_target}
    tol : float, default=1e-6
        By how much the mean log-likelihood may be below its maximum.
    max_iter : int, default=100
    random_state : int, RandomState instance or None, default=0
        Of the centres, of the folds, and of the rows for the median if there are more than 1000.

    Attributes
    ----------
    {weighter_attributes}
    width_ : float
        As chosen.
    likelihoods_ : ndarray of shape (n_widths,)
        Mean log-likelihood of target rows left out; NaN if there was nothing to choose.
    coef_ : ndarray of shape (n_centers,)
    centers_ : {ndarray, csr matrix} of shape (n_centers, n_features)
    dual_gap_ : float
        The mean log-likelihood is at most this below its maximum.
    n_iter_ : int

    See Also
    --------
    ULSIF : The same model by least squares, in closed form.
    ShiftWeightedRegressor : Fits an estimator with such weights.

    Notes
    -----
    {scaling_note}

    References
    ----------
    Sugiyama, Nakajima, Kashima, von Bünau, Kawanabe 2008, *Direct importance estimation with model
    selection and its application to covariate shift adaptation*, NIPS 20.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl import KLIEP
    >>> X = np.random.RandomState(0).normal(size=(200, 2))
    >>> tasks = np.repeat([0, 1], 100)
    >>> X[tasks == 1] += 1.0
    >>> round(float(KLIEP(target_task=1).fit(X, tasks=tasks).weights_.mean()), 6)
    1.0
    """

    def __init__(
        self,
        widths=None,
        *,
        cv=5,
        n_centers=100,
        task_column=None,
        target_task=None,
        tol=1e-6,
        max_iter=100,
        random_state=0,
    ):
        self.widths = widths
        self.cv = cv
        self.n_centers = n_centers
        self.task_column = task_column
        self.target_task = target_task
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state

    def _check_parameters(self):
        if self.widths is not None:
            read_grid(self.widths, "widths")
        check_number(self.cv, "cv", low=2, integer=True)
        check_number(self.n_centers, "n_centers", low=1, integer=True)
        check_number(self.tol, "tol")
        check_number(self.max_iter, "max_iter", low=1, integer=True)

    def _estimate(self, source, target, rng):
        widths = (
            FACTORS * median_distance(source, target, rng)
            if self.widths is None
            else read_grid(self.widths, "widths")
        )
        self.centers_ = self._choose_centers(target, rng)
        near_source = squared_distances(source, self.centers_)
        near_target = squared_distances(target, self.centers_)
        self.likelihoods_ = np.full(len(widths), np.nan)
        if len(widths) > 1 and target.shape[0] > 1:
            folds = self._deal_folds(target.shape[0], rng)
            for place, width in enumerate(widths):
                mean, rows = gaussian(near_source, width).mean(axis=0), gaussian(near_target, width)
                self.likelihoods_[place] = self._held_out(mean, rows, folds)
            best = np.argmax(self.likelihoods_)
        else:
            best = len(widths) // 2
        self.width_ = float(widths[best])
        kernels = gaussian(near_source, self.width_)
        mean, rows = kernels.mean(axis=0), gaussian(near_target, self.width_)
        solution = self._solve(mean, rows)
        warn_unless_converged(solution, tol=self.tol, max_iter=self.max_iter, stacklevel=4)
        self.coef_, self.dual_gap_, self.n_iter_ = solution.coef, solution.gap, solution.n_iter
        return kernels @ self.coef_

    def _deal_folds(self, n_rows, rng):
        n_folds = min(self.cv, n_rows)
        folds = np.empty(n_rows, dtype=int)
        folds[rng.permutation(n_rows)] = deal(np.zeros(n_rows, dtype=int), n_folds)
        return [folds == fold for fold in range(n_folds)]

    def _held_out(self, mean, rows, folds):
        logs = np.empty(len(rows))
        for test in folds:
            coef = self._solve(mean, rows[~test]).coef
            logs[test] = np.log(np.maximum(rows[test] @ coef, LEAST_RATIO))
        return logs.mean()

    def _solve(self, mean, rows):
        """Coefficients; 0 at centres that no source row is near, whatever is there."""
        used = mean > UNDERFLOW
        rows = rows[(rows[:, used] > UNDERFLOW).any(axis=1)]
        if not len(rows):
            raise ValueError(
                "KLIEP found no source row near any row of the target: scale the features, or give "
                "larger widths."
            )
        solution = likelihood_ratio(mean[used], rows[:, used], tol=self.tol, max_iter=self.max_iter)
        coef = np.zeros(len(mean))
        coef[used] = solution.coef
        return solution._replace(coef=coef)
