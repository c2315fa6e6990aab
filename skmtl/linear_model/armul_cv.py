"""ARMUL with its penalties chosen by cross-validation."""

import numbers
import warnings

import numpy as np
from scipy import sparse
from sklearn.utils.parallel import Parallel, delayed

from skmtl.base import check_number, warn_unless_converged
from skmtl.documentation import complete_docstring
from skmtl.linear_model.armul import DistanceRegressor
from skmtl.linear_model.path_cv import SELECTIONS
from skmtl.linear_model.ridge import check_grid, check_penalties, read_folds
from skmtl.solvers.armul import TaskQuadratics, moments_of_sums, read_moments
from skmtl.solvers.armul_centres import common, common_centre
from skmtl.solvers.armul_newton import pooled_models, pooling_alpha
from skmtl.statistics import CentredSums, FoldSums
from skmtl.threads import suited_threads

N_ALPHAS, N_FOLDS = 30, 5
EPS, EPS_TOGETHER = 1e-3, 0.03
ROWS_PER_FEATURE = 2  # with fewer, a task by itself fits noise, which few folds may not show
INTERCEPTS = np.logspace(-1, 4, 21)
ROUNDS = 3
FLAT = 0.99  # with neighbours less than a hundredth above it, a choice is good enough


@complete_docstring
class ARMULCV(DistanceRegressor):
    """`ARMUL` with a common centre, its penalties chosen by cross-validation.

    The objective is that of `ARMUL`. The penalty of the intercepts is chosen first with all
    tasks pooled, then alpha along a path from the smallest value at which all tasks pool, then
    both again, each at the choice of the other: at most three paths. Folds hold out rows of every
    task.

    Parameters
    ----------
    alphas : int or array-like, default=30
        How many alphas (from the smallest at which all tasks pool, down in equal ratios, and at
        last 0: every task by itself, if each has more than twice as many rows as features and
        so does not fit noise), or which.
    eps : float, default=None
        Smallest alpha above 0 over the largest one of an automatic grid; None is 1e-3, and 0.03
        where there is no 0.
    alphas_intercept : array-like, default=None
        Penalties of the deviations of the intercepts. None: from 0.1 to 1e4; 0 with a 2-d y, whose
        outputs may have been centred on these very rows.
    ridge : float, default=1.0
        Of all coefficients, as in `ARMUL`. With 0 the common model is plain least squares, which
        needs many more rows than features.
    cv : int, splitter or iterable of (train, test), default=None
        None is `TaskKFold(5)`, an int the number of its folds: every task is in every training
        fold.
    selection : {"best", "one_standard_error"}, default="best"
        "one_standard_error": the largest alpha whose mean error is within one standard error
        (over the folds) of the best: more tasks pool.
    {task_parameters}
    {task_weight}
    fit_intercept : bool, default=True
    n_jobs : int, optional
        Folds in parallel (as threads); results do not depend on it.
    tol : float, default=1e-6
        Duality gap of the final fit relative to the objective without slopes; those of the folds
        stop at 1e-4 if this is less.
    max_iter : int, default=1000
        Newton steps of every fit.

    Attributes
    ----------
    alpha_, alpha_intercept_ : float
    alpha_max_ : float
        The smallest alpha at which all tasks pool, for `alpha_intercept_`.
    alphas_ : ndarray of shape (n_alphas,)
        The alphas of the last path, falling.
    mse_path_ : ndarray of shape (n_alphas, n_folds)
        Mean squared errors of the rows held out, for `alpha_intercept_`.
    best_score_ : float
        Minus their mean at the chosen alpha.
    centers_ : ndarray of shape (1, n_features)
    pooled_tasks_, outlier_tasks_ : ndarray of shape (n_tasks,) of bool
        Whether the slopes of a task are those of the centre, or not.
    objective_path_, dual_gap_, n_iter_, task_labels_
        As in `ARMUL`.
    coef_shared_, intercept_shared_ : ndarray of shape (n_features,), float
        The common centre.
    {linear_attributes}

    References
    ----------
    Duan, Wang 2023, *Adaptive and robust multi-task learning*, Annals of Statistics 51.

    Examples
    --------
    >>> from skmtl import ARMULCV, make_multitask_regression
    >>> X, y = make_multitask_regression(
    ...     n_tasks=4, n_samples=50, structure="common", random_state=0)
    >>> model = ARMULCV(alphas=10, task_column=0).fit(X, y)
    >>> model.coef_.shape
    (4, 20)
    """

    def __init__(
        self,
        alphas=N_ALPHAS,
        *,
        eps=None,
        alphas_intercept=None,
        ridge=1.0,
        cv=None,
        selection="best",
        task_column=None,
        unknown_task="error",
        task_weight=None,
        fit_intercept=True,
        tol=1e-6,
        max_iter=1000,
        n_jobs=None,
    ):
        self.alphas = alphas
        self.eps = eps
        self.alphas_intercept = alphas_intercept
        self.ridge = ridge
        self.cv = cv
        self.selection = selection
        self.task_column = task_column
        self.unknown_task = unknown_task
        self.task_weight = task_weight
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Choose the penalties and fit the models of the tasks and their centre.

        Parameters
        ----------
        {fit_parameters}

        Returns
        -------
        self : object
        """
        self._check_parameters()
        data = self._read_training_data(X, y, tasks, sample_weight)
        splits = self._read_splits(X, y, data)
        rows = min((len(weights) for _, _, weights in data.groups() if len(weights)), default=0)
        self._apart = rows > ROWS_PER_FEATURE * data.n_features
        with suited_threads(data):
            whole = Fold(read_moments(data, self.fit_intercept), None, self._options())
            folds = list(self._folds(data, splits))
            self._choose(whole, folds, self._intercepts(data))
            quadratics = whole.quadratics(self.alpha_intercept_)
            fit = whole.solve(self.alpha_intercept_, self.alpha_, self.tol)
            self._keep(data, quadratics, fit)
        warn_unless_converged(fit, tol=self.tol, max_iter=self.max_iter)
        return self

    def _options(self):
        return {
            "ridge": self.ridge,
            "fit_intercept": self.fit_intercept,
            "max_iter": self.max_iter,
            "tol": max(self.tol, 1e-4),
        }

    def _folds(self, data, splits):
        sums = None
        if data.n_features < max(len(v) for _, _, v in data.groups()):
            sums = FoldSums(data, self.fit_intercept)
        for train, test in splits:
            if sums is None:
                moments = read_moments(data.subset(train), self.fit_intercept)
            else:
                training, _ = sums.of_fold(train, test)
                centred = CentredSums(training, self.fit_intercept)
                moments = moments_of_sums(training, centred, self.absent_features_)
            yield Fold(moments, data.subset(test), self._options())

    def _choose(self, whole, folds, intercepts):
        """Alternate between the two penalties until the choice stays."""
        at = 0
        if len(intercepts) > 1:
            errors = self._of_folds(folds, Fold.pooled_errors, intercepts)
            at = int(np.argmin(np.mean(errors, axis=0)))
        for _ in range(ROUNDS):
            a = self.alpha_intercept_ = float(intercepts[at])
            self.alpha_max_ = whole.pooling_alpha(a)
            self.alphas_ = self._grid(self.alpha_max_)
            errors = self._of_folds(folds, Fold.errors, a, self.alphas_)
            self.mse_path_ = np.stack(errors, axis=1)
            mean = self.mse_path_.mean(axis=1)
            best = int(np.argmin(mean))
            moved = self._descend(folds, intercepts, at, self.alphas_[best], mean[best])
            if moved == at:
                break
            at = moved
        chosen = self._select(self.mse_path_)
        self.alpha_ = float(self.alphas_[chosen])
        self.best_score_ = -float(self.mse_path_[chosen].mean())
        self._warn_at_the_end(chosen)

    def _warn_at_the_end(self, chosen):
        """Below the smallest alpha above 0 there may be a better one."""
        last = self.alphas - 1 - self._apart if self._given() is None else -1
        if chosen != last or last < 1:
            return
        mean = self.mse_path_.mean(axis=1)
        if mean[chosen] < FLAT * np.delete(mean[chosen - 1 : chosen + 2], 1).min():
            warnings.warn(
                f"the best alpha, {self.alpha_:.3g}, is the smallest above 0 that was tried: "
                f"lower eps (now {EPS if self.eps is None else self.eps:g}), or give alphas of "
                "your own.",
                UserWarning,
                stacklevel=4,
            )

    def _of_folds(self, folds, method, *arguments):
        """What a method of Fold gives for every fold."""
        jobs = (delayed(method)(fold, *arguments) for fold in folds)
        return Parallel(n_jobs=self.n_jobs, prefer="threads")(jobs)

    def _descend(self, folds, intercepts, at, alpha, error):
        """Index of a penalty of the intercepts that no neighbour improves, at some alpha."""
        for direction in (-1, 1):
            moved = False
            while 0 <= at + direction < len(intercepts):
                a = intercepts[at + direction]
                new = np.mean(self._of_folds(folds, Fold.errors, a, [alpha]))
                if new >= error:
                    break
                at, error, moved = at + direction, new, True
            if moved:
                break
        return at

    def _select(self, errors):
        """Index of an alpha from errors (n_alphas, n_folds); alphas fall."""
        mean = errors.mean(axis=1)
        best = int(np.argmin(mean))
        if self.selection == "one_standard_error":
            spread = errors[best].std(ddof=1) / np.sqrt(errors.shape[1])
            best = int(np.argmax(mean <= mean[best] + spread))
        return best

    def _given(self):
        if isinstance(self.alphas, numbers.Integral):
            return None
        return np.sort(check_penalties(self.alphas, "alphas", strict=False))[::-1]

    def _grid(self, largest):
        if self._given() is not None:
            return self._given()
        largest = largest if largest > 0 else 1.0  # the targets are fitted without any slope
        if not self._apart:
            eps = EPS_TOGETHER if self.eps is None else self.eps
            return largest * np.logspace(0.0, np.log10(eps), self.alphas)
        eps = EPS if self.eps is None else self.eps
        falling = largest * np.logspace(0.0, np.log10(eps), max(self.alphas - 1, 1))
        return np.append(falling, 0.0)[: self.alphas]

    def _intercepts(self, data):
        free = data.shared_rows or not self.fit_intercept
        default = np.zeros(1) if free else INTERCEPTS
        return check_grid(self.alphas_intercept, "alphas_intercept", default=default, strict=False)

    def _read_splits(self, X, y, data):
        if data.X.shape[0] < 2:
            raise ValueError("a row cannot be held out from n_samples=1: give more rows.")
        splits = read_folds(N_FOLDS if self.cv is None else self.cv, X, y, data)
        for number, (_, test) in enumerate(splits):
            if not data.subset(test).task_sizes().sum() > 0:
                raise ValueError(
                    f"fold {number} of cv holds out no row with a positive weight: drop the rows "
                    "of weight zero, or shuffle them among the folds."
                )
        if self.selection == "one_standard_error" and len(splits) < 2:
            raise ValueError("selection='one_standard_error' needs at least two folds of cv.")
        return splits

    def _check_parameters(self):
        for name in ("ridge", "tol"):
            check_number(getattr(self, name), name)
        if self.eps is not None:
            check_number(self.eps, "eps", strict=True)
        check_number(self.max_iter, "max_iter", low=1, integer=True)
        if isinstance(self.alphas, numbers.Integral):
            check_number(self.alphas, "alphas", low=1, integer=True)
        self._given()
        if self.eps is not None and self.eps > 1:
            raise ValueError(f"eps={self.eps!r} must be at most 1: it is smallest over largest.")
        if self.selection not in SELECTIONS:
            names = ", ".join(SELECTIONS)
            raise ValueError(f"selection={self.selection!r} is not one of {names}.")


class Fold:
    """Training rows, in one eigenbasis per penalty of the intercepts, and the rows held out."""

    def __init__(self, moments, held_out, options):
        self.moments, self.held_out, self.options = moments, held_out, dict(options)
        self.tol, self.max_iter = self.options.pop("tol"), self.options.pop("max_iter")
        self._quadratics = {}
        self.full = held_out is None or sparse.issparse(held_out.X)
        self.full = self.full or not np.isnan(held_out.X.sum())

    def quadratics(self, alpha_intercept):
        if alpha_intercept not in self._quadratics:  # the last one is kept, not all
            made = TaskQuadratics(self.moments, alpha_intercept=alpha_intercept, **self.options)
            self._quadratics = {alpha_intercept: made}
        return self._quadratics[alpha_intercept]

    def pooling_alpha(self, alpha_intercept):
        tasks = self.quadratics(alpha_intercept)
        return pooling_alpha(tasks, common(tasks, np.ones(tasks.n_tasks)))

    def solve(self, alpha_intercept, alpha, tol, start=None):
        tasks = self.quadratics(alpha_intercept)
        lam = alpha * np.sqrt(tasks.sizes)
        return common_centre(tasks, lam, tol=tol, max_iter=self.max_iter, start=start)

    def errors(self, alpha_intercept, alphas):
        """Mean squared errors (n_alphas,) of the rows held out."""
        tasks, start, errors = self.quadratics(alpha_intercept), None, []
        for alpha in alphas:
            fit = self.solve(alpha_intercept, alpha, self.tol, start)
            start = fit.centers[0]
            start = np.append(start, fit.constants[0]) if tasks.has_intercept else start
            errors.append(self._error(tasks, *tasks.models(fit.state, fit.z)))
        return np.array(errors)

    def pooled_errors(self, intercepts):
        """Mean squared errors of the rows held out with all tasks pooled."""
        errors = []
        for alpha_intercept in intercepts:
            tasks = TaskQuadratics(self.moments, alpha_intercept=alpha_intercept, **self.options)
            errors.append(self._error(tasks, *pooled_models(tasks)))
        return np.array(errors)

    def _error(self, tasks, coef, intercept):
        data = self.held_out
        W = np.zeros((data.n_features, data.n_tasks))
        b = np.zeros(data.n_tasks)
        W[:, tasks.counted], b[tasks.counted] = coef, intercept
        if data.shared_rows or sparse.issparse(data.X):
            squares = data.squared_errors(W, b)
        else:  # all rows at once
            X = data.X if self.full else np.nan_to_num(data.X)
            residual = data.y - np.einsum("ij,ij->i", X, W.T[data.codes]) - b[data.codes]
            squares = data.weights * residual**2
        return squares.sum() / data.task_sizes().sum()
