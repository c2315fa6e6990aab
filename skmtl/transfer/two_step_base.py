"""What the two-step lassos share: parameters, folds and texts."""

import numbers

import numpy as np
from scipy import sparse

from skmtl.base import check_number, warn_unless_converged
from skmtl.tasks import check_task_ids, match
from skmtl.transfer.l1_path import Solution
from skmtl.transfer.two_step import Sample, Settings, deal_folds

TEXTS = {
    "path": """
    alphas : int or array-like, default=20
        How many penalties of either step (from the smallest at which all coefficients are zero
        down to a hundredth of it, in equal ratios), or which.
    cv : int, splitter or iterable of (train, test), default=5
        Folds of the rows of the target, dealt at random if an int; pairs hold row numbers of X.
        No row may be in two test folds. The rows of sources are dealt over as many folds.
    """,
    "limits": """
    tol : float, default=1e-3
        Duality gap to reach on the folds, relative to the objective of zero coefficients. The
        final fits aim at 1e-10.
    max_iter : int, default=1000
        Sweeps of coordinate descent, or Newton steps, of every fit.
    """,
    "tail": """
    n_jobs : int, optional
        Folds in parallel (as threads); results do not depend on it.
    random_state : int, RandomState instance or None, default=0
        Of the folds.
    """,
    "attributes": """
    source_weights_ : ndarray of shape (n_sources,)
        1 for a source that the model was pooled with, else 0.
    useful_sources_ : list
        Names of the sources with weight 1.
    source_losses_ : ndarray of shape (n_sources,) or None
        Held-out loss of the target with each source; None unless sources were to be detected.
    loss_thresholds_ : ndarray of shape (n_sources,) or None
        The largest with which each would be useful.
    target_loss_ : float or None
        Held-out loss of the target alone.
    gain_ : float
        Relative decrease of the held-out loss of the target against its own lasso. Where it is
        not above 0 after detection, sources are not used (and `gain_` is 0).
    coef_ : ndarray of shape (n_features,)
        `coef_pooled_` plus `coef_offset_`.
    intercept_ : float
    coef_pooled_, coef_offset_ : ndarray of shape (n_features,)
        The pooled lasso, and its correction by the target.
    alpha_pooled_, alpha_offset_ : float
        Their penalties; the latter is NaN without sources.
    dual_gap_ : float
        The objectives are above their optima by at most this share of the objective of zero
        coefficients.
    n_iter_ : int
    """,
}


class TwoStepTransfer:
    """Reading parameters and folds, and keeping the result."""

    def _check_path_parameters(self):
        check_number(self.tol, "tol")
        check_number(self.max_iter, "max_iter", low=1, integer=True)
        if isinstance(self.alphas, numbers.Integral):
            check_number(self.alphas, "alphas", low=1, integer=True)
        else:
            shape = np.shape(self.alphas)
            if len(shape) != 1 or 0 in shape:
                raise ValueError(
                    f"alphas={self.alphas!r} must be a number of alphas, or a list of them."
                )
            for index, alpha in enumerate(np.asarray(self.alphas).tolist()):
                check_number(alpha, f"alphas[{index}]", strict=True)
        if isinstance(self.cv, numbers.Integral):
            check_number(self.cv, "cv", low=2, integer=True)

    def _check_useful(self, transfer, *words):
        """Names of the sources that the parameter `useful` lists, or None for one of its words."""
        if isinstance(self.useful, str):
            if self.useful not in words:
                raise ValueError(
                    f"useful={self.useful!r} is not one of {', '.join(words)}, nor a list of "
                    "names of sources."
                )
            return transfer.names if self.useful == "all" else None
        unknown = [name for name in self.useful if name not in transfer.names]
        if unknown:
            raise ValueError(
                f"useful names the sources {unknown}, but there are {transfer.names[:10]}."
            )
        return list(self.useful)

    def _samples(self, transfer, folds, loss, n_folds, *, stratify=False):
        """The target and the sources, their rows dealt over folds."""
        samples = []
        for place, rows in enumerate([transfer.target, *transfer.sources]):
            X, y, weights = rows.X, rows.y, rows.weights
            y = self._encode(y)
            X = X.tocsr() if sparse.issparse(X) else X
            X = X if X.dtype == np.float64 else X.astype(np.float64)
            weights = np.ones(len(y)) if weights is None else weights
            if place:
                folds = deal_folds(y, n_folds, self.random_state, stratify=stratify)
            samples.append(Sample(X, y, weights, folds))
        return samples

    def _encode(self, y):
        return y

    def _target_folds(self, transfer, X, y, tasks, sample_weight, *, stratify=False):
        """Fold of every row of the target, from the parameter `cv`; -1 for rows never left out."""
        target = transfer.target
        if len(target) < 2:
            raise ValueError("a row cannot be held out from n_samples=1: give more rows.")
        if isinstance(self.cv, numbers.Integral):
            labels = self._encode(target.y)
            n_folds = min(self.cv, len(target))
            return deal_folds(labels, n_folds, self.random_state, stratify=stratify)
        if hasattr(self.cv, "split"):
            tests = [test for _, test in self.cv.split(target.X, target.y)]
            n_rows, place = len(target), np.arange(len(target))
        else:
            tests = [test for _, test in self.cv]
            n_rows, place = np.shape(y)[0], self._target_positions(X, y, tasks, sample_weight)
        fold_of = np.full(n_rows, -1)
        for fold, test in enumerate(tests):
            rows = np.zeros(n_rows, dtype=bool)
            rows[test] = True
            if (fold_of[rows] >= 0).any():
                raise ValueError("cv must leave each row out at most once.")
            fold_of[rows] = fold
        used, folds = np.unique(fold_of[place], return_inverse=True)
        folds = folds - int(used[0] == -1)  # folds without a row of the target are none
        if folds.max() < 0:
            raise ValueError("cv leaves out no row of the target: give other folds.")
        return folds

    def _target_positions(self, X, y, tasks, sample_weight):
        """Row numbers in X of the target's rows."""
        rows = np.ones(np.shape(y)[0], dtype=bool)
        if self.target_task is not None:
            _, ids = self._split_ids(X, tasks, reset=False)
            target = check_task_ids(np.array([self.target_task]), "target_task")
            rows = match(ids, target) == 0
        if np.ndim(sample_weight):
            rows &= np.asarray(sample_weight) > 0
        return np.flatnonzero(rows)

    def _settings(self, loss, n_folds):
        return Settings(loss, n_folds, self.alphas, self.tol, self.max_iter, self.n_jobs)

    def _keep(self, coef, intercept, fits):
        """Store the model, and the certificate of the fits that it is made of."""
        if not (np.isfinite(coef).all() and np.isfinite(intercept)):
            raise ValueError(
                f"{type(self).__name__} found no finite coefficients: the scales of X or y exceed "
                "the range of floating point. Standardise them first."
            )
        self.coef_, self.intercept_ = coef, float(intercept)
        self.dual_gap_ = max(fit.gap for fit in fits)
        self.n_iter_ = sum(fit.n_iter for fit in fits)
        converged = all(fit.converged or fit.gap <= self.tol for fit in fits)
        worst = Solution(coef, intercept, self.dual_gap_, self.n_iter_, converged)
        warn_unless_converged(worst, tol=self.tol, max_iter=self.max_iter, stacklevel=4)

    def _linear(self, X):
        return np.asarray(X @ self.coef_) + self.intercept_
