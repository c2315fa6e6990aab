"""Kernel mean matching."""

import numpy as np

from skmtl.base import check_number, warn_unless_converged
from skmtl.solvers.kernel_mean import Weights, match_means
from skmtl.transfer.importance.base import (
    ImportanceWeighter,
    check_width,
    complete,
    gaussian,
    median_distance,
    squared_distances,
)


@complete
class KernelMeanMatching(ImportanceWeighter):
    """Weights of source rows that bring their kernel mean to that of the target.

    With the n source rows x_i, the m target rows z_j, and a Gaussian kernel k, minimises ::

        1/2 b'Kb - kappa'b,   K_ij = k(x_i, x_j),   kappa_i = n / m sum_j k(x_i, z_j)
        over 0 <= b_i <= bound,   |sum_i b_i - n| <= n eps

    which is, but for a constant, n^2 / 2 times the squared distance of the weighted mean of the
    source from the mean of the target in the space of the kernel. No density is estimated, and
    there is no function for new rows.

    Parameters
    ----------
    width : float, default=None
        Of the kernel exp(-||x - z||^2 / (2 width^2)). None: the median distance between a source
        and a target row.
    bound : float, default=1000.0
        Largest weight, above 1. With a wide kernel a few rows suffice to match the means, and get
        all the weight (see `effective_sample_size_`): a bound of 5 or 10 keeps more of them.
    eps : float, default=None
        How far the mean of the weights may be from 1. None: (sqrt(n) - 1) / sqrt(n), the choice
        of the paper.
    max_rows : int, default=4000
        More source rows are dealt at random into blocks of about equal size, and each block is
        matched to the whole target: one problem needs a matrix of n^2 kernels.
    {shift_target}
    tol : float, default=1e-6
        Duality gap to reach, relative to 1'K1 / 2.
    max_iter : int, default=100
    random_state : int, RandomState instance or None, default=0
        Of the blocks, and of the rows for the median if there are more than 1000.

    Attributes
    ----------
    {weighter_attributes}
    width_ : float
    dual_gap_ : float
        The largest one of all blocks.
    n_iter_ : int

    See Also
    --------
    ULSIF : Density ratios in closed form, for new rows too.
    ShiftWeightedRegressor : Fits an estimator with such weights.

    Notes
    -----
    {scaling_note}
    Solved by interior-point steps on a working set of rows; the duality gap is that of all rows.

    References
    ----------
    Huang, Smola, Gretton, Borgwardt, Schölkopf 2007, *Correcting sample selection bias by
    unlabeled data*, NIPS 19.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl import KernelMeanMatching
    >>> X = np.array([[0, -1.0], [0, 0.0], [0, 1.0], [1, 0.9], [1, 1.2]])
    >>> model = KernelMeanMatching(bound=10.0, task_column=0, target_task=1).fit(X)
    >>> int(model.weights_.argmax())
    2
    """

    def __init__(
        self,
        width=None,
        *,
        bound=1000.0,
        eps=None,
        max_rows=4000,
        task_column=None,
        target_task=None,
        tol=1e-6,
        max_iter=100,
        random_state=0,
    ):
        self.width = width
        self.bound = bound
        self.eps = eps
        self.max_rows = max_rows
        self.task_column = task_column
        self.target_task = target_task
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state

    def _check_parameters(self):
        check_width(self.width)
        check_number(self.bound, "bound", low=1.0, strict=True)
        if self.eps is not None:
            check_number(self.eps, "eps", strict=True)
        check_number(self.max_rows, "max_rows", low=2, integer=True)
        check_number(self.tol, "tol")
        check_number(self.max_iter, "max_iter", low=1, integer=True)

    def _estimate(self, source, target, rng):
        n_rows = source.shape[0]
        self.width_ = median_distance(source, target, rng) if self.width is None else self.width
        n_blocks = -(-n_rows // self.max_rows)
        order = rng.permutation(n_rows) if n_blocks > 1 else np.arange(n_rows)
        weights, solved = np.empty(n_rows), []
        for rows in np.array_split(order, n_blocks):
            solved.append(self._match(source[rows], target))
            weights[rows] = solved[-1].weights
        worst = max(solved, key=lambda solution: solution.gap)
        self.dual_gap_, self.n_iter_ = worst.gap, max(solution.n_iter for solution in solved)
        warn_unless_converged(worst, tol=self.tol, max_iter=self.max_iter, stacklevel=4)
        return weights

    def _match(self, source, target):
        n_rows = source.shape[0]
        if n_rows == 1:
            return Weights(np.ones(1), 0.0, 0, True)
        K = gaussian(squared_distances(source, source), self.width_)
        step = max(1, 10**7 // target.shape[0])  # rows at once, to bound the memory
        kappa = np.concatenate(
            [
                gaussian(squared_distances(source[first : first + step], target), self.width_).mean(
                    axis=1
                )
                for first in range(0, n_rows, step)
            ]
        )
        eps = 1 - 1 / np.sqrt(n_rows) if self.eps is None else self.eps
        return match_means(
            K, n_rows * kappa, bound=self.bound, eps=eps, tol=self.tol, max_iter=self.max_iter
        )
