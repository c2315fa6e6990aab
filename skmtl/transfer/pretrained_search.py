"""The search for the penalties and the separation of a pretrained lasso."""

import numbers
from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed

from skmtl.base import check_number
from skmtl.linear_model.ridge import read_folds
from skmtl.transfer.l1_path import alpha_grid, make_problem
from skmtl.transfer.l1_quadratic import quiet_descent
from skmtl.transfer.pretrained_steps import check_separation, parts_of, task_problem
from skmtl.transfer.two_step import TIE, first_best

LEAST_ALPHA = 1e-2  # of the largest
FINAL_TOL = 1e-10  # what the last fits aim at
N_FOLDS = 5


class Fold(NamedTuple):
    """Parts of the tasks in the training and in the test rows."""

    training: list
    held_out: list


class PretrainedCV:
    """The search; mixed into a regression or a classification."""

    @property
    def _final_tol(self):
        return min(self.tol, FINAL_TOL)

    def _fit(self, X, y, sample_weight, tasks):
        self._check_parameters()
        data, own = self._read(X, y, tasks, sample_weight)
        if data.X.shape[0] < 2:
            raise ValueError("a row cannot be held out from n_samples=1: give more rows.")
        parts = parts_of(data)
        folds = [
            Fold(parts_of(data.subset(train)), parts_of(data.subset(test)))
            for train, test in self._splits(X, y, data)
        ]
        given, solutions = self._given_common(data), []
        with quiet_descent():
            if given is None:
                common_of_fold = self._search_common(parts, folds)
                solutions.append(self._fit_common(parts, self.alpha_common_))
                common = solutions[0].coef
            else:
                self.alpha_common_, common = np.nan, given
                common_of_fold = [given] * len(folds)
            self._search_tasks(parts, folds, common, common_of_fold)
            coef, intercept, found = self._fit_tasks(parts, common, self.alpha_, self.separation_)
        solutions = [s._replace(converged=s.gap <= self.tol) for s in solutions + found]
        self._certify(solutions)
        return self._keep(data, own, common, coef, intercept)

    def _parallel(self, function, arguments):
        parallel = Parallel(n_jobs=self.n_jobs, prefer="threads")
        return parallel(delayed(function)(*given) for given in arguments)

    def _search_common(self, parts, folds):
        """Sets `alpha_common_`; the coefficients of the common model in every fold at it."""
        largest = make_problem(present(parts), self._loss).alpha_max()
        alphas = self._grid(self.alphas_common, largest)
        done = self._parallel(self._common_of_fold, [(fold, alphas) for fold in folds])
        coef, losses, weights = zip(*done, strict=True)
        best = int(first_best(sum(losses) / sum(weights)))
        self.alpha_common_ = float(alphas[best])
        return [of_fold[best] for of_fold in coef]

    def _common_of_fold(self, fold, alphas):
        """Coefficients (n_alphas, n_features), held-out losses (n_alphas,), and their weight."""
        problem = make_problem(present(fold.training), self._loss)
        path = problem.path(alphas, tol=self.tol, max_iter=self.max_iter)
        losses, weight, group = np.zeros(len(alphas)), 0.0, 0
        for training, held_out in zip(fold.training, fold.held_out, strict=True):
            if training is not None and held_out is not None:
                own, size = self._losses(held_out, path.coef, path.intercept[:, group])
                losses, weight = losses + own, weight + size
            group += training is not None
        return path.coef, losses, weight

    def _losses(self, part, coef, intercept):
        """Weighted losses (n_models,) of the rows of a task, and their weight."""
        predicted = np.asarray(part.X @ coef.T) + intercept
        return part.weights @ self._loss.value(part.y[:, None], predicted), part.weights.sum()

    def _search_tasks(self, parts, folds, common, common_of_fold):
        """Sets `separation_` and `alpha_`: those of the least held-out loss."""
        self.separations_ = np.asarray(
            self._default_separations if self.separations is None else self.separations,
            dtype=np.float64,
        )
        bases = [make_problem([part], self._loss) for part in present(parts)]
        grids = []
        for separation in self.separations_:
            problems = (task_problem(base, common, separation) for base in bases)
            grids.append(self._grid(self.alphas, max(p.alpha_max() for p in problems)))
        arguments = zip(folds, common_of_fold, strict=True)
        done = self._parallel(self._tasks_of_fold, [(*given, grids) for given in arguments])
        weight = sum(weights for _, weights in done)
        losses = [sum(of_fold[place] for of_fold, _ in done) for place in range(len(grids))]
        chosen = []
        for own in losses:  # (n_tasks, n_alphas)
            together = np.full(len(parts), first_best(own.sum(axis=0)))
            chosen.append(first_best(own) if self.alpha_per_task else together)
        rows = np.arange(len(parts))
        self.cv_loss_ = np.array(
            [own[rows, which].sum() / weight for own, which in zip(losses, chosen, strict=True)]
        )
        largest = max(own.sum(axis=0).max() for own in losses) / weight
        best = int(np.argmax(self.cv_loss_ <= self.cv_loss_.min() + TIE * largest))
        self.separation_ = float(self.separations_[best])
        self.alpha_ = grids[best][chosen[best]]

    def _tasks_of_fold(self, fold, common, grids):
        """Held-out losses of every separation, (n_tasks, n_alphas) each, and their weight."""
        losses = [np.zeros((len(fold.training), len(alphas))) for alphas in grids]
        weight = 0.0
        for task, (training, held_out) in enumerate(zip(fold.training, fold.held_out, strict=True)):
            if training is None or held_out is None:
                continue
            base = make_problem([training], self._loss)
            for place, (separation, alphas) in enumerate(
                zip(self.separations_, grids, strict=True)
            ):
                problem = task_problem(base, common, separation)
                path = problem.path(alphas, tol=self.tol, max_iter=self.max_iter)
                coef = path.coef + (1.0 - separation) * common
                losses[place][task], size = self._losses(held_out, coef, path.intercept[:, 0])
            weight += size
        return losses, weight

    def _grid(self, alphas, largest):
        if np.ndim(alphas):
            return np.sort(np.asarray(alphas, dtype=np.float64))[::-1]
        return alpha_grid(largest, n_alphas=alphas, eps=LEAST_ALPHA)

    def _splits(self, X, y, data):
        return read_folds(N_FOLDS if self.cv is None else self.cv, X, y, data)

    def _check_parameters(self):
        check_number(self.tol, "tol")
        check_number(self.max_iter, "max_iter", low=1, integer=True)
        for name in ("alphas", "alphas_common"):
            value = getattr(self, name)
            if isinstance(value, numbers.Integral):
                check_number(value, name, low=1, integer=True)
                continue
            if np.ndim(value) != 1 or not len(value):
                raise ValueError(f"{name}={value!r} must be a number of alphas, or a list of them.")
            for index, alpha in enumerate(np.asarray(value).tolist()):
                check_number(alpha, f"{name}[{index}]", strict=True)
        if self.separations is not None:
            if np.ndim(self.separations) != 1 or not len(self.separations):
                raise ValueError(f"separations={self.separations!r} must be a list of numbers.")
            for index, value in enumerate(np.asarray(self.separations).tolist()):
                check_separation(value, f"separations[{index}]")


def present(parts):
    return [part for part in parts if part is not None]
