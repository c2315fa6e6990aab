"""The two steps of the pretrained lasso, for numbers and for labels."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from skmtl.base import MultiTaskLinearRegressor, check_number, warn_unless_converged
from skmtl.linear_model.classifier import MultiTaskLinearClassifier
from skmtl.linear_model.loss_parts import label_parts
from skmtl.loss_layout import column_tasks
from skmtl.losses import LogisticLoss, SquaredLoss
from skmtl.transfer.base import TransferEstimator
from skmtl.transfer.l1_path import Solution, make_problem
from skmtl.transfer.l1_quadratic import quiet_descent
from skmtl.transfer.sources import read_models

TEXTS = {
    "pretrained": """
    source : fitted linear estimator, optional
        Used in place of the common model: pretrained on other data, for example. It is never
        refitted nor changed, and a clone keeps it.
    """,
    "common_attributes": """
    coef_common_ : ndarray of shape (n_features,)
        The common model.
    support_ : ndarray of shape (n_features,)
        Mask of its features that are not 0.
    """,
    "reference": """
    Craig, Pilanci, Le Menestrel, Narasimhan, Rivas, Gullaksen, Dehghannasiri, Salzman, Taylor,
    Tibshirani 2025, *Pretraining and the lasso*, Journal of the Royal Statistical Society B.
    """,
}


class Part(NamedTuple):
    """Rows of one task with positive weights."""

    X: object
    y: np.ndarray
    weights: np.ndarray


def parts_of(data):
    """The `Part` of every task of a TaskData; None for a task without rows that count."""
    parts = [None] * data.n_tasks
    for block in data.blocks():
        if len(block.weights):
            X = block.X.astype(np.float64, copy=False)
            for task, y in zip(block.tasks, block.Y.T, strict=True):
                parts[task] = Part(X, y.astype(np.float64), block.weights)
    return parts


def penalty_factors(support, separation):
    """1 on the support, 1 / separation elsewhere (Craig et al. 2025, eq. 3)."""
    outside = 1.0 / separation if separation > 0 else np.inf
    return np.where(support, 1.0, outside)


def task_problem(base, common, separation):
    """What is left for one task: the common prediction as offset, and penalty factors."""
    return base.offset_by((1.0 - separation) * common).with_factor(
        penalty_factors(common != 0, separation)
    )


class Pretrained:
    """Both steps; a subclass has `_loss` and stores the models of the tasks."""

    @property
    def _final_tol(self):
        return self.tol

    @property
    def _limits(self):
        return {"tol": self._final_tol, "max_iter": self.max_iter}

    def __sklearn_clone__(self):
        return TransferEstimator.__sklearn_clone__(self)

    def get_params(self, deep=True):
        """Get parameters; those of a fitted source are not among them, they cannot be changed."""
        params = super().get_params(deep=deep)
        return {name: value for name, value in params.items() if not name.startswith("source__")}

    def _given_common(self, data):
        """Coefficients of the parameter `source`, or None."""
        if self.source is None:
            return None
        names = None
        if hasattr(self, "feature_names_in_"):
            names = self.feature_names_in_.tolist()
            if self.task_column is not None:
                column = self.task_column
                names.pop(names.index(column) if isinstance(column, str) else column)
        _, models = read_models(self.source, self, names, data.n_features)
        if len(models) > 1:
            raise ValueError(f"source holds {len(models)} models, but there is one common model.")
        own = getattr(models[0].model, "classes_", None)
        if own is not None and not np.array_equal(own, self.classes_):
            raise ValueError(
                f"{models[0].label} has the labels {np.asarray(own).tolist()}, but the tasks have "
                f"{self.classes_.tolist()}."
            )
        X = data.X if sparse.issparse(data.X) else np.nan_to_num(data.X)
        found = models[0].linear(X)
        if found is None:
            raise ValueError(f"{models[0].label} is not linear: give a fitted lasso, for example.")
        return np.asarray(found[0], dtype=np.float64)

    def _fit_common(self, parts, alpha):
        """Solution of the lasso over the rows of all tasks, each with its own intercept."""
        present = [part for part in parts if part is not None]
        return make_problem(present, self._loss).fit(alpha, **self._limits)

    def _fit_tasks(self, parts, common, alphas, separation):
        """Coefficients (n_tasks, n_features), intercepts (n_tasks,) and the solutions."""
        coef, intercept = np.zeros((len(parts), len(common))), np.zeros(len(parts))
        solutions = []
        for task, (part, alpha) in enumerate(zip(parts, alphas, strict=True)):
            if part is None:
                continue
            problem = task_problem(make_problem([part], self._loss), common, separation)
            solution = problem.fit(alpha, **self._limits)
            coef[task] = (1.0 - separation) * common + solution.coef
            intercept[task] = solution.intercept[0]
            solutions.append(solution)
        return coef, intercept, solutions

    def _certify(self, solutions):
        """`dual_gap_` and `n_iter_` of the worst fit, and the one warning."""
        self.dual_gap_ = max(solution.gap for solution in solutions)
        self.n_iter_ = max(solution.n_iter for solution in solutions)
        converged = all(solution.converged for solution in solutions)
        worst = Solution(None, None, self.dual_gap_, self.n_iter_, converged)
        warn_unless_converged(worst, tol=self.tol, max_iter=self.max_iter, stacklevel=4)

    def _fit(self, X, y, sample_weight, tasks):
        self._check_parameters()
        data, own = self._read(X, y, tasks, sample_weight)
        parts, common, solutions = parts_of(data), self._given_common(data), []
        with quiet_descent():
            if common is None:
                alpha = self.alpha if self.alpha_common is None else self.alpha_common
                solutions.append(self._fit_common(parts, alpha))
                common = solutions[0].coef
            alphas = np.full(len(parts), float(self.alpha))
            coef, intercept, found = self._fit_tasks(parts, common, alphas, self.separation)
        self._certify(solutions + found)
        return self._keep(data, own, common, coef, intercept)

    def _keep(self, data, own, common, coef, intercept):
        self.coef_common_, self.support_ = common, common != 0
        return self._store_tasks(data, own, coef, intercept)

    def _check_parameters(self):
        check_number(self.alpha, "alpha", strict=True)
        if self.alpha_common is not None:
            check_number(self.alpha_common, "alpha_common", strict=True)
        check_separation(self.separation, "separation")
        check_number(self.tol, "tol")
        check_number(self.max_iter, "max_iter", low=1, integer=True)


class PretrainedRegression(Pretrained, MultiTaskLinearRegressor):
    """The squared loss."""

    _loss = SquaredLoss()

    def _read(self, X, y, tasks, sample_weight):
        return self._read_training_data(X, y, tasks, sample_weight), None

    def _store_tasks(self, data, own, coef, intercept):
        return self._store(data, coef.T, intercept)


class PretrainedClassification(Pretrained, MultiTaskLinearClassifier):
    """The logistic loss."""

    _loss = LogisticLoss()

    def _read(self, X, y, tasks, sample_weight):
        data = self._read_training_data(X, y, tasks, sample_weight)
        data, own = self._note_labels(data)
        if len(self.classes_) > 2:
            raise ValueError(
                "Only binary classification is supported. The type of the target is multiclass: "
                f"there are the labels {self.classes_[:5].tolist()}, which must mean the same in "
                "all tasks."
            )
        return data, own

    def _store_tasks(self, data, own, coef, intercept):
        columns = column_tasks(label_parts(own))
        return self._store(data, own, columns, coef[columns[0]].T, intercept[columns[0]])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


def check_separation(value, name):
    """Raise unless value is a number from 0 to 1."""
    check_number(value, name)
    if value > 1:
        raise ValueError(f"{name}={value!r} must be between 0 and 1.")
