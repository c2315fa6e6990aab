"""Transfer lasso with the penalty chosen on folds of the target."""

import numpy as np
from joblib import Parallel, delayed

from skmtl.documentation import complete_docstring
from skmtl.linear_model.path_cv import warn_of_fits
from skmtl.solvers.transfer_ridge import candidate_weights, log_odds_of_errors
from skmtl.threads import suited_threads
from skmtl.transfer.lasso import SourceProblem, TransferLasso, check_share, read_alphas
from skmtl.transfer.ridge import LEARN
from skmtl.transfer.target_splits import read_target_splits

FINAL_TOL = 1e-8  # what the last fit aims at: it is one of hundreds
PLAIN = 1.0  # the share of the lasso without the source
SELECTIONS = ("average", "best", "one_standard_error")


@complete_docstring
class TransferLassoCV(TransferLasso):
    """Transfer lasso with alpha, and the pull towards the source, chosen on folds of the target.

    The objective is that of `TransferLasso`. Minimises over w and the intercept b ::

        1 / (2 sum_i v_i) sum_i v_i (y_i - x_i'w - b)^2
        + alpha sum_j (r |w_j| + (1 - r) |w_j - s_j|)

    for every alpha and every share r, among them r = 1, the lasso of the target alone, and takes
    those of least mean squared error on held-out rows of the target. The model is the mean of the
    best with sources and the best of the target alone (both lassos), with weights that fall with
    their held-out errors as mse^(-n / 4), as in `TransferRidgeCV`: sources that only seem to help
    get about half of the weight. Without sources: the lasso.

    Parameters
    ----------
    {source}
        They must be linear.
    {source_rows}
    source_estimator : estimator, default=None
        Linear; fitted to the rows of each source. None: this class without sources.
    source_weights : "learn", float, dict or array-like of shape (n_sources,), default="learn"
        The weights a of the sources in s = sum_k a_k s_k. "learn": those of the least squared error
        of sum_k a_k (s_k'x_i) + b on the target (in each training fold), which for one source is
        1. Given ones only have to be >= 0.
    zero_share : float or array-like of floats, default=(0.0, 0.25, 0.5, 0.75)
        The shares r of the penalty that pull towards zero, from 0 to 1. 1 is always tried too.
    eps : float, default=1e-3
        Smallest over largest alpha of an automatic grid.
    alphas : int or array-like, default=30
        How many alphas (for each share from the smallest at which all coefficients are the
        source's or zero, down in equal ratios), or which.
    cv : int, splitter or iterable of (train, test), default=None
        None: 5 contiguous folds of the target's rows. A splitter is given these rows
        (`TargetKFold`: all rows of X); pairs hold row numbers of X, of which those of the target
        count.
    selection : {"average", "best", "one_standard_error"}, default="average"
        "best": the candidate of least error alone. "one_standard_error": for its share the
        largest alpha whose mean error is within one standard error (over the folds) of it.
    fit_intercept : bool, default=True
    tol : float, default=1e-4
        Duality gap to reach on the folds, relative to the objective of zero coefficients. The
        final fit aims at 1e-8.
    max_iter : int, default=1000
        Rounds of Newton and proximal steps of every fit.
    {target_task}
    n_jobs : int, optional
        Folds in parallel (as threads); results do not depend on it.

    Attributes
    ----------
    alpha_, zero_share_ : float
    alphas_ : ndarray of shape (n_shares, n_alphas)
        The penalties tried, falling.
    zero_shares_ : ndarray of shape (n_shares,)
        The shares tried; the last is 1.
    mse_path_ : ndarray of shape (n_shares, n_alphas, n_folds)
        Weighted mean squared errors of the held-out rows.
    best_score_ : float
        Minus the mean error of the best candidate, whose alpha and share those above are.
    target_only_ : float
        Weight of the model of the target alone, from 0 to 1.
    coef_ : ndarray of shape (n_features,)
    intercept_ : float
    source_coef_ : ndarray of shape (n_features,)
        s, the weighted mean of the sources; zero without sources.
    source_weights_ : ndarray of shape (n_sources,)
        The weights a of the sources' coefficients in s, times the weight of the model that uses
        them; 0 if the target alone was chosen.
    dual_gap_ : float
        The objective is above the optimum by at most this share of the objective of zero
        coefficients.
    n_iter_ : int
    {source_attributes}

    See Also
    --------
    TransferLasso : One alpha and share.
    TransferRidgeCV : For sources that are not linear.

    References
    ----------
    Takada, Fujisawa 2020, *Transfer learning via l1 regularization*, NeurIPS.

    Examples
    --------
    >>> from sklearn.linear_model import Lasso
    >>> from skmtl import TransferLassoCV, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=2, n_samples=30, random_state=0)
    >>> source = Lasso(alpha=0.1).fit(X[:30, 1:], y[:30])
    >>> TransferLassoCV(source, alphas=10).fit(X[30:, 1:], y[30:]).mse_path_.shape
    (5, 10, 5)
    """

    def __init__(
        self,
        source=None,
        *,
        source_rows=None,
        source_estimator=None,
        source_weights=LEARN,
        zero_share=(0.0, 0.25, 0.5, 0.75),
        eps=1e-3,
        alphas=30,
        cv=None,
        selection="average",
        fit_intercept=True,
        tol=1e-4,
        max_iter=1000,
        task_column=None,
        target_task=None,
        n_jobs=None,
    ):
        self.source = source
        self.source_rows = source_rows
        self.source_estimator = source_estimator
        self.source_weights = source_weights
        self.zero_share = zero_share
        self.eps = eps
        self.alphas = alphas
        self.cv = cv
        self.selection = selection
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.task_column = task_column
        self.target_task = target_task
        self.n_jobs = n_jobs

    warm_start = False  # of the base class, no parameter here

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Choose the penalty and fit the coefficients.

        Parameters
        ----------
        {target_fit_parameters}

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For input that is not finite, parameters out of their range, and sources that are not
            linear.
        """
        transfer = self._read_transfer(X, y, tasks, sample_weight)
        given = self._check_parameters(transfer)
        self.zero_shares_ = self._read_shares(transfer.n_sources)
        read_alphas(self.alphas, self.eps, lambda: 1.0)
        splits = read_target_splits(self, self.cv, X, y, tasks, sample_weight)
        rows, prior = transfer.target, self._linear_prior(transfer)
        with suited_threads(rows):
            problem = SourceProblem(rows, prior, given, self.fit_intercept)
            self.alphas_ = np.stack([self._grid(problem, share) for share in self.zero_shares_])
            parallel = Parallel(n_jobs=self.n_jobs, prefer="threads")
            done = parallel(delayed(self._errors)(rows, prior, given, *s) for s in splits)
            self._choose(done, sum(len(test) for _, test in splits))
            limits = {"tol": min(self.tol, FINAL_TOL), "max_iter": self.max_iter}
            final = self._mean(problem, limits)
        self._store(problem, final._replace(converged=final.gap <= self.tol))
        self.source_weights_ = (1.0 - self.target_only_) * self.source_weights_
        return self

    def _mean(self, problem, limits):
        """The mean of the models with sources and of the target alone, with the larger gap."""
        coef, gaps, n_iter = 0.0, [], 0
        for weight, (row, column) in zip(
            (1.0 - self.target_only_, self.target_only_), self._chosen, strict=True
        ):
            if weight:
                alphas, share = [self.alphas_[row, column]], self.zero_shares_[row]
                (solution,) = problem.solve_path(alphas, share, limits)
                coef = coef + weight * solution.coef
                gaps, n_iter = [*gaps, solution.gap], max(n_iter, solution.n_iter)
        return solution._replace(coef=coef, gap=max(gaps), n_iter=n_iter)

    def _check_parameters(self, transfer):
        if self.selection not in SELECTIONS:
            raise ValueError(f"selection={self.selection!r} is not one of {', '.join(SELECTIONS)}.")
        return super()._check_parameters(transfer)

    def _read_shares(self, n_sources):
        """The shares to try; without sources all are the lasso."""
        shares = np.atleast_1d(np.asarray(self.zero_share, dtype=np.float64))
        for share in shares.tolist():
            check_share(share, "zero_share")
        return np.unique(np.append(shares, PLAIN)) if n_sources else np.array([PLAIN])

    def _grid(self, problem, share):
        return read_alphas(self.alphas, self.eps, lambda: problem.largest_alpha(share))

    def _errors(self, rows, prior, given, train, test):
        """Held-out errors (n_shares, n_alphas) of one fold, and gaps that exceed tol."""
        held_out = rows.take(test)
        weights = held_out.weights_or_ones() / held_out.weights_or_ones().sum()
        problem = SourceProblem(rows.take(train), prior.take(train), given, self.fit_intercept)
        errors, gaps = np.empty(self.alphas_.shape), np.zeros(self.alphas_.shape)
        for row, (alphas, share) in enumerate(zip(self.alphas_, self.zero_shares_, strict=True)):
            solutions = list(problem.solve_path(alphas, share, self._limits()))
            coefs = np.column_stack([solution.coef for solution in solutions])
            intercepts = np.array([problem.intercept(solution.coef) for solution in solutions])
            errors[row] = weights @ (held_out.y[:, None] - held_out.X @ coefs - intercepts) ** 2
            gaps[row] = [0.0 if solution.converged else solution.gap for solution in solutions]
        return errors, gaps

    def _choose(self, done, n_tested):
        """Set the errors of the folds and the choice."""
        errors, gaps = (np.stack(part, axis=-1) for part in zip(*done, strict=True))
        warn_of_fits(gaps, self.tol, "of the folds", stacklevel=4)
        mean = errors.mean(axis=-1)
        alone = len(mean) - 1, int(np.argmin(mean[-1]))
        moved = alone
        if len(mean) > 1:
            moved = np.unravel_index(np.argmin(mean[:-1]), mean[:-1].shape)
        # Of equal errors that of the target alone counts.
        row, column = moved if mean[moved] < mean[alone] else alone
        if self.selection == "one_standard_error":
            if len(done) < 2:
                raise ValueError("selection='one_standard_error' needs at least two folds of cv.")
            spread = errors[row, column].std(ddof=1) / np.sqrt(len(done))
            column = np.argmax(mean[row] <= mean[row, column] + spread)  # alphas fall
        self._chosen = moved, alone
        self.target_only_ = float(row == alone[0])
        if self.selection == "average" and moved != alone:
            odds = log_odds_of_errors(np.array([[mean[alone]], [mean[moved]]]), n_tested)
            self.target_only_ = float(candidate_weights(odds)[0, 0])
        elif self.selection == "one_standard_error":
            self._chosen = ((row, column),) * 2
        self.mse_path_, self.best_score_ = errors, -float(mean[row, column])
        self.alpha_ = float(self.alphas_[row, column])
        self.zero_share_ = float(self.zero_shares_[row])
