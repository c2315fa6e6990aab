"""The rows of a target of a classifier, with the log-odds that sources give them."""

import numpy as np
from scipy import sparse

from skmtl.losses import LogisticLoss, MultinomialLoss
from skmtl.solvers.transfer_logistic import LogisticSolution, OffsetLogistic, stack_log_odds
from skmtl.transfer.sources import union_of_classes
from skmtl.transfer.target_splits import keep_labels_in_training

FOLD_TOL = 1e-6  # enough for fits to folds


class LogOddsProblem:
    """The rows of a target with the log-odds that sources give them.

    Scores are one column of log-odds for two labels among the target's rows, else one per label.

    Attributes
    ----------
    classes, seen : ndarray
        All labels, and those of the target's rows.
    scores : ndarray of shape (n_sources, n_rows, n_scores)
    trivial : bool
        Whether there is only one label to choose from.
    """

    def __init__(self, estimator, transfer, models):
        rows = transfer.target
        self.estimator, self.models, self.rows = estimator, models, rows
        self.X = sparse.csr_array(rows.X) if sparse.issparse(rows.X) else rows.X
        self.weights = rows.weights_or_ones()
        self.classes = union_of_classes(rows.y, models)
        self.seen = np.unique(rows.y)
        self.trivial = len(self.seen) == 1
        if len(self.classes) == 1:
            raise ValueError(
                f"{type(estimator).__name__} needs at least two classes, but the data contain only "
                f"one class: {self.classes[0]!r}."
            )
        codes = np.searchsorted(self.seen, rows.y)
        self.Y = codes[:, None] == np.arange(len(self.seen))
        self.Y = (self.Y[:, 1:] if len(self.seen) == 2 else self.Y).astype(np.float64)
        self.scores = np.zeros((len(models), *self.Y.shape))
        for k, model in enumerate(models if not self.trivial else []):
            self.scores[k] = log_odds_of(model, rows.X, self.seen)
            if not np.isfinite(self.scores[k]).all():
                raise ValueError(f"{model.label} predicts a number that is not finite.")

    def equal_weights(self):
        return np.full(len(self.models), 1.0 / max(len(self.models), 1))

    def fitter(self, rows=None):
        """`OffsetLogistic` of all or some of the rows."""
        X, Y, weights = self.X, self.Y, self.weights
        if rows is not None:
            X, Y, weights = X[rows], Y[rows], weights[rows]
        return OffsetLogistic(X, Y, weights, fit_intercept=self.estimator.fit_intercept)

    def solve(self, C, weights, fitter=None, start=None):
        """The correction to sources with some weights."""
        limits = {"tol": self.estimator.tol, "max_iter": self.estimator.max_iter}
        if self.trivial:
            zeros = np.zeros((self.X.shape[1], 1))
            return LogisticSolution(zeros, zeros[0], 0.0, 0, True)
        fitter = self.fitter() if fitter is None else fitter
        offset = np.tensordot(weights, self.scores, axes=1)
        return fitter.solve(offset, 1.0 / C, start=start, **limits)

    def linear_form(self, weights):
        """Weighted coefficients and intercepts; (None, None) if a source in use is not linear."""
        shape = (self.X.shape[1], self.Y.shape[1])
        coef, intercept = np.zeros(shape), np.zeros(shape[1])
        for weight, model in zip(weights, self.models if not self.trivial else [], strict=False):
            if weight:
                form = linear_log_odds(model, self.rows.X, self.seen)
                if form is None:
                    return None, None
                coef, intercept = coef + weight * form[0], intercept + weight * form[1]
        return coef, intercept

    def held_out_scores(self, splits, Cs):
        """Scores of held-out rows, without sources and with each, fitted to the other rows."""
        own = np.searchsorted(self.seen, self.rows.y)
        splits = keep_labels_in_training(splits, own)
        tol = max(self.estimator.tol, FOLD_TOL)
        limits = {"tol": tol, "max_iter": self.estimator.max_iter}
        offsets = np.concatenate([np.zeros((1, *self.Y.shape)), self.scores])
        parts, tested = [], [test for _, test in splits]
        for train, test in splits:
            fitter = self.fitter(train)
            part = np.empty((len(Cs), len(offsets), len(test), self.Y.shape[1]))
            for k, offset in enumerate(offsets):
                start = None
                for c, C in enumerate(Cs):
                    done = fitter.solve(offset[train], 1.0 / C, start=start, **limits)
                    start = done.coef, done.intercept
                    part[c, k] = offset[test] + self.X[test] @ done.coef + done.intercept
            parts.append(part)
        rows = np.concatenate(tested) if tested else np.zeros(0, dtype=int)
        empty = np.zeros((len(Cs), len(offsets), 0, self.Y.shape[1]))
        return HeldOutScores(
            np.concatenate([empty, *parts], axis=2), self.Y[rows], self.weights[rows]
        )


class HeldOutScores:
    """Scores (n_Cs, 1 + n_sources, n_rows, n_scores) of held-out rows, without sources first."""

    def __init__(self, scores, Y, weights):
        self.scores, self.Y, self.weights = scores, Y, weights
        self.loss = LogisticLoss() if Y.shape[1] == 1 else MultinomialLoss()

    def source_weights(self, c):
        """The weights of the sources with the least loss."""
        alone, others = self.scores[c, 0], self.scores[c, 1:]
        return stack_log_odds(alone, others - alone, self.Y, self.weights)

    def losses(self, c, weights):
        """Mean log-loss without sources, and of the mixture by the weights of the sources."""
        alone, others = self.scores[c, 0], self.scores[c, 1:]
        mixed = alone + np.tensordot(weights, others - alone, axes=1)
        total = max(self.weights.sum(), np.finfo(float).tiny)
        return [
            self.weights @ self.loss.value(self.Y, z).sum(axis=1) / total for z in (alone, mixed)
        ]


def log_odds_of(model, X, seen):
    """What a source says of the labels seen: (n_rows, 1) log-odds or (n_rows, n_seen) scores."""
    known = np.union1d(getattr(model.model, "classes_", seen), seen)
    return _of_seen(model.log_odds(X, known), known, seen)


def linear_log_odds(model, X, seen):
    """Coefficients (n_features, n_scores) and intercepts of `log_odds_of`; None if not linear."""
    known = np.asarray(getattr(model.model, "classes_", []))
    form = model.linear(X) if np.isin(seen, known).all() else None
    if form is None or np.ndim(form[1]) != (len(known) > 2):
        return None
    coef, intercept = form
    intercept = np.reshape(intercept, (1, -1)) if len(known) > 2 else np.reshape(intercept, 1)
    return _of_seen(coef, known, seen), _of_seen(intercept, known, seen)[0]


def _of_seen(scores, known, seen):
    """Scores of the labels seen from those of known labels (log-odds if these are two)."""
    if len(known) == 2:
        return scores[:, None]
    scores = scores[:, np.searchsorted(known, seen)]
    return scores[:, 1:] - scores[:, :1] if len(seen) == 2 else scores
