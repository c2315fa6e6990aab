"""Cross-validated regularisation paths: grids, folds, the choice and the final fit."""

import numbers
import warnings

import numpy as np
from joblib import Parallel, delayed
from scipy.special import gammaln
from sklearn.exceptions import ConvergenceWarning

from skmtl.base import check_number, warn_unless_converged
from skmtl.linear_model.ridge import read_folds
from skmtl.solvers.degrees_of_freedom import degrees_of_freedom
from skmtl.solvers.path import alpha_grid, solve_path
from skmtl.threads import suited_threads

CRITERIA = ("cv", "bic", "ebic")
SELECTIONS = ("best", "one_standard_error")
CHUNK = 4_000_000  # entries of the models whose held-out loss is computed at once
N_ALPHAS, N_FOLDS = 100, 5
OUT_OF_RANGE = "the scales of X or y exceed the range of floating point: standardise them first."
FINAL_TOL = 1e-10  # what the last fit aims at: it is one of hundreds


class PathCV:
    """What every cross-validated path shares; the loss is a matter of subclasses.

    Subclasses give ``_penalty(alpha, l1_ratio)``, ``_folds(data)``, ``_solve``, ``_deviance`` and
    ``_keep_losses``. `_folds` says what a fold is: ``problem(penalty)`` of all rows, and
    ``split(train, test, penalty)``, a problem of the training rows with the held-out loss:
    ``errors(coef, intercept)``, the lower the better.
    """

    final_tol = FINAL_TOL

    def _posed_penalty(self, alpha):
        """What a problem is first posed with; others follow by ``with_penalty``."""
        return self._penalty(alpha, self._l1_ratios()[0])

    def _fit_path(self, X, y, data):
        """The model at the penalty of choice, and the problem of all rows."""
        with suited_threads(data):
            folds = self._folds(data)
            problem = folds.problem(self._posed_penalty(1.0))
            grids = self._grids(problem)
            row, column, gaps = self._search(X, y, data, folds, problem, grids)
            one_grid = len(grids) == 1 or self._given_alphas() is not None
            self.alphas_ = grids[0] if one_grid else grids
            self.alpha_, ratio = grids[row, column], self._l1_ratios()[row]
            if hasattr(self, "l1_ratio"):
                self.l1_ratio_ = ratio
            tol = min(self.tol, self.final_tol)
            (final,) = self._solve_path(problem, grids[row, column : column + 1], ratio, tol)
        final = final._replace(converged=final.converged or final.gap <= self.tol)
        which = "of the folds" if self.criterion == "cv" else "of the path"
        warn_of_fits(gaps, self.tol, which, stacklevel=4)  # in the code that calls fit
        warn_unless_converged(final, tol=self.tol, max_iter=self.max_iter, stacklevel=4)
        self.dual_gap_, self.n_iter_ = float(final.gap), final.n_iter
        return final, problem

    def _search(self, X, y, data, folds, problem, grids):
        """Row and column of the choice, and the gaps of fits that did not converge."""
        for name in ("mse_path_", "scores_", "criterion_path_", "df_path_"):
            vars(self).pop(name, None)  # of an earlier fit by another criterion
        if self.criterion == "cv":
            losses, gaps = self._cross_validate(X, y, data, folds, grids)
            self._keep_losses(losses[0] if len(losses) == 1 else losses)
            return *self._choose(losses), gaps
        values, degrees, gaps, allowed = self._information(data, problem, grids)
        self.criterion_path_, self.df_path_ = (
            v[0] if len(v) == 1 else v for v in (values, degrees)
        )
        best = np.argmin(np.where(allowed, values, np.inf))
        return *np.unravel_index(best, values.shape), gaps

    def _l1_ratios(self):
        return np.atleast_1d(np.asarray(getattr(self, "l1_ratio", 1.0), dtype=float))

    def _solve_path(self, problem, alphas, l1_ratio, tol=None):
        penalties = (self._penalty(alpha, l1_ratio) for alpha in alphas)
        limits = {"tol": self.tol if tol is None else tol, "max_iter": self.max_iter}
        return solve_path(problem, penalties, alphas=alphas, solve=self._solve, **limits)

    def _grids(self, problem):
        """The penalties to try, (n_l1_ratios, n_alphas), each row falling."""
        given = self._given_alphas()
        ratios = self._l1_ratios()
        if given is not None:
            return np.tile(given, (len(ratios), 1))
        if (ratios == 0).any():
            raise ValueError(
                "Automatic alpha grid generation is not supported for l1_ratio=0. Please supply a "
                "grid by providing your estimator with the appropriate `alphas=` argument."
            )
        if not problem.shape[0]:
            raise ValueError(
                "penalty_factor is 0 for every feature: there is no penalty to choose. Use "
                "MultiTaskRidge with a small alpha, or give some feature a positive factor."
            )
        largest = [problem.with_penalty(self._penalty(1.0, r)).null_dual_norm() for r in ratios]
        count = self._n_alphas()
        return np.array([alpha_grid(top, eps=self.eps, n_alphas=count) for top in largest])

    def _n_alphas(self):
        return self.alphas if isinstance(self.alphas, numbers.Integral) else N_ALPHAS

    def _given_alphas(self):
        if self.alphas is None or isinstance(self.alphas, numbers.Integral):
            return None
        return np.sort(np.atleast_1d(np.asarray(self.alphas, dtype=float)))[::-1]

    def _cross_validate(self, X, y, data, folds, grids):
        """Held-out losses (n_l1_ratios, n_alphas, n_folds), and gaps that exceed tol."""
        splits = self._read_splits(X, y, data)
        # Not scikit-learn's Parallel: it saves and restores the warning filters in every thread,
        # and these belong to the process.
        parallel = Parallel(n_jobs=self.n_jobs, prefer="threads")
        done = parallel(delayed(self._fold_losses)(folds, split, grids) for split in splits)
        losses, gaps = (np.stack(part, axis=-1) for part in zip(*done, strict=True))
        return losses, gaps

    def _read_splits(self, X, y, data):
        if data.X.shape[0] < 2:
            raise ValueError("a row cannot be held out from n_samples=1: give more rows.")
        with warnings.catch_warnings():
            # Splitters that have no use for the task ids say so.
            warnings.filterwarnings("ignore", "The groups parameter is ignored", UserWarning)
            splits = read_folds(self._splitter(data), X, y, data)
        for number, (_, test) in enumerate(splits):
            if not data.subset(test).task_sizes().sum() > 0:
                raise ValueError(
                    f"fold {number} of cv holds out no row with a positive weight: drop the rows "
                    "of weight zero, or shuffle them among the folds."
                )
        if self.selection == "one_standard_error" and len(splits) < 2:
            raise ValueError("selection='one_standard_error' needs at least two folds of cv.")
        return splits

    def _splitter(self, data):
        return N_FOLDS if self.cv is None else self.cv

    def _fold_losses(self, folds, split, grids):
        """Losses and excess gaps (n_l1_ratios, n_alphas) of one fold."""
        ratios = self._l1_ratios()
        problem, held_out = folds.split(*split, self._posed_penalty(grids[0, 0]))
        chunk = max(1, CHUNK // max(1, held_out.entries_per_model))
        losses, gaps = np.empty(grids.shape), np.zeros(grids.shape)
        for row, (alphas, ratio) in enumerate(zip(grids, ratios, strict=True)):
            points = []
            for column, point in enumerate(self._solve_path(problem, alphas, ratio)):
                gaps[row, column] = 0.0 if point.converged else point.gap
                points.append(point)
                if len(points) == chunk or column == len(alphas) - 1:
                    coef, intercept = (
                        np.stack(part) for part in list(zip(*points, strict=True))[:2]
                    )
                    done = slice(column + 1 - len(points), column + 1)
                    losses[row, done] = held_out.errors(coef, intercept)
                    if not np.isfinite(losses[row, done]).all():
                        raise ValueError(OUT_OF_RANGE)
                    points = []
        return losses, gaps

    def _information(self, data, problem, grids):
        """Criterion and degrees of freedom (n_l1_ratios, n_alphas) on all rows; excess gaps."""
        n_targets = int(np.sum(data.weights > 0)) * (data.n_tasks if self._per_row(data) else 1)
        degrees, gaps, values = np.empty(grids.shape), np.zeros(grids.shape), np.empty(grids.shape)
        for row, (alphas, ratio) in enumerate(zip(grids, self._l1_ratios(), strict=True)):
            for column, point in enumerate(self._solve_path(problem, alphas, ratio)):
                gaps[row, column] = 0.0 if point.converged else point.gap
                here = problem.with_penalty(self._penalty(alphas[column], ratio))
                degrees[row, column] = self._degrees_of_freedom(here, point.coef)
                value = self._deviance(data, point, n_targets)
                value += np.log(n_targets) * degrees[row, column]
                if self.criterion == "ebic":  # Chen, Chen 2008, eq. 2, with gamma = 1
                    n, k = data.n_features, int(point.coef.any(axis=1).sum())
                    value += 2.0 * (gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
                values[row, column] = value
        if not (degrees <= 0.5 * n_targets).any():
            raise ValueError(
                f"criterion={self.criterion!r} needs fits with at most half as many degrees of "
                f"freedom as the {n_targets} targets, but no alpha gives one: use larger alphas."
            )
        return values, degrees, gaps, degrees <= 0.5 * n_targets

    def _degrees_of_freedom(self, problem, coef):
        return degrees_of_freedom(problem, problem.kept_start(coef))

    @staticmethod
    def _per_row(data):
        return data.shared_rows and data.weights.ndim == 1

    def _choose(self, losses):
        """Row and column of the grid, from losses (n_l1_ratios, n_alphas, n_folds)."""
        mean = losses.mean(axis=-1)
        row, column = np.unravel_index(np.argmin(mean), mean.shape)
        if self.selection == "one_standard_error":
            n_folds = losses.shape[-1]
            spread = losses[row, column].std(ddof=1) / np.sqrt(n_folds)
            column = np.argmax(mean[row] <= mean[row, column] + spread)  # alphas fall
        return row, column

    def _check_eps(self):
        check_number(self.eps, "eps", strict=True)
        if self.eps > 1:
            raise ValueError(
                f"eps={self.eps!r} must be at most 1: the grid falls to eps of its top."
            )

    def _check_path_parameters(self):
        check_number(self.tol, "tol")
        check_number(self.max_iter, "max_iter", low=1, integer=True)
        self._check_eps()
        if self.criterion not in CRITERIA:
            names = ", ".join(CRITERIA)
            raise ValueError(f"criterion={self.criterion!r} is not one of {names}.")
        if self.criterion != "cv" and self.selection != "best":
            raise ValueError(
                f"criterion={self.criterion!r} has no folds, and so no standard error: set "
                "selection='best'."
            )
        if self.selection not in SELECTIONS:
            names = ", ".join(SELECTIONS)
            raise ValueError(f"selection={self.selection!r} is not one of {names}.")
        if not self._l1_ratios().size:
            raise ValueError("l1_ratio is empty: give a number or several.")
        for ratio in self._l1_ratios().tolist():
            check_number(ratio, "l1_ratio")
            if ratio > 1:
                raise ValueError(f"l1_ratio={self.l1_ratio!r} must be between 0 and 1.")
        if isinstance(self.alphas, numbers.Integral):
            check_number(self.alphas, "alphas", low=1, integer=True)
        elif self.alphas is not None:
            shape = np.shape(self.alphas)
            if len(shape) > 1 or 0 in shape:
                what = "is empty" if 0 in shape else f"has shape {shape}"
                raise ValueError(f"alphas {what}: give a number of alphas, or a list of them.")
            for index, alpha in enumerate(np.atleast_1d(self.alphas).tolist()):
                check_number(alpha, f"alphas[{index}]")


def warn_of_fits(gaps, tol, which, stacklevel=3):
    """One warning for all fits that did not converge; gaps are 0 for those that did."""
    failed = gaps > 0
    if failed.any():
        warnings.warn(
            f"{failed.sum()} of {failed.size} fits {which} did not converge: their largest "
            f"relative duality gap is {gaps.max():.3e}, tol is {tol:.3e}. Raise max_iter, tol or "
            "eps, or scale the features.",
            ConvergenceWarning,
            stacklevel=stacklevel,
        )
