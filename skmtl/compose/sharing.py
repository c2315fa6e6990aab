"""The safe default: as much sharing between tasks as out-of-fold errors support."""

import warnings
from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.utils.validation import has_fit_parameter

from skmtl import frames
from skmtl.base import check_number
from skmtl.compose.base import ComposedEstimator
from skmtl.compose.clipping import Ranges
from skmtl.compose.stacking import judge
from skmtl.documentation import complete_docstring
from skmtl.model_selection import TaskKFold
from skmtl.task_data import check_weights
from skmtl.tasks import locate_task_column

BASELINE, POOLED, HIERARCHICAL = "per-task", "pooled", "hierarchical"
HALF_SHARED = (3.0, 10.0, 30.0, 100.0, 300.0)  # rows at which a task's own model has half
HELPS = 1.645  # standard errors: a gain that would be there by chance in 5 % of cases
WIDE = 500  # features, above which closed forms of all tasks together take too long
NEGLIGIBLE = 1e-3  # a strategy of less weight is left out
N_FOLDS, LEAVE_ONE_OUT = 5, "loo"


class Table(NamedTuple):
    """What strategies are fitted to: X and y with weights and ids, or None for these."""

    X: object
    y: np.ndarray | None
    weights: np.ndarray | None
    ids: np.ndarray | None

    def take(self, rows):
        parts = (None if part is None else part[rows] for part in self[1:])
        return Table(frames.take_rows(self.X, rows), *parts)

    def fit(self, strategy):
        """A fitted clone."""
        given = {} if self.ids is None else {"tasks": self.ids}
        if self.weights is not None:
            given["sample_weight"] = self.weights
        return clone(strategy).fit(self.X, self.y, **given)

    def ask(self, strategy, method):
        """The answer of a method of a fitted strategy to X."""
        given = {} if self.ids is None else {"tasks": self.ids}
        return getattr(strategy, method)(self.X, **given)


def is_wide(X):
    """Whether a table has too many columns for the hierarchical models."""
    return X.shape[1] > WIDE


class Sharing(ComposedEstimator):
    """A convex combination of strategies, with weights from out-of-fold predictions.

    Subclasses say which strategies there are, what they are asked for, and what errors are.
    """

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Weigh the strategies by their out-of-fold predictions and fit them to all rows.

        Parameters
        ----------
        {fit_parameters}

        Returns
        -------
        self : object
        """
        _, cells = self._read_cells(X, y, tasks, sample_weight)
        self._note_labels(cells)
        table = self._read_training_table(X, y, tasks, sample_weight)
        strategies = self._make_strategies(table)
        if len(self.tasks_) == 1:  # nothing can be shared
            strategies = {BASELINE: strategies[BASELINE]}
        candidates = self._candidates(list(strategies), cells)
        # Those that choose a parameter choose it once: folds would tell the same.
        fitted = {name: table.fit(s) for name, s in strategies.items() if hasattr(s, "tuned")}
        strategies |= {name: model.tuned() for name, model in fitted.items()}
        more, predicted, folds = self._leave_out(strategies, table, cells)
        fitted |= more
        mixing = self._choose(candidates, predicted, table.y, cells, folds)
        used = [k for k in range(len(strategies)) if mixing[k].max() > NEGLIGIBLE]
        names = [name for k, name in enumerate(strategies) if k in used]
        missing = [name for name in names if name not in fitted]
        models = self._in_parallel(table.fit, [strategies[name] for name in missing])
        fitted |= dict(zip(missing, models, strict=True))
        self.strategies_ = {name: fitted[name] for name in names}
        self._mixing = mixing[used] / mixing[used].sum(axis=0)
        weights = dict(zip(names, self._mixing[:, :-1].mean(axis=1).tolist(), strict=True))
        self.strategy_weights_ = dict.fromkeys(strategies, 0.0) | weights
        return self

    def _read_training_table(self, X, y, tasks, sample_weight):
        X = frames.as_columns(X)
        column = None if self.task_column is None else locate_task_column(X, self.task_column)
        self._ranges = Ranges(X, column) if self.clip else None
        y, weights = self._note_targets(y), None
        if sample_weight is not None:
            weights = check_weights(sample_weight, y.shape, y.ndim == 2)
        return Table(X, y, weights, None if tasks is None else np.asarray(tasks))

    def _make_strategies(self, table):
        """Dict of name to unfitted strategy, the baseline first."""
        strategies = self._default_strategies(table.X)
        for item in () if self.strategies is None else self.strategies:
            name, strategy = item if isinstance(item, tuple) else (type(item).__name__, item)
            if not isinstance(name, str) or not hasattr(strategy, "fit"):
                raise TypeError(f"strategies holds {item!r}: give estimators or (name, estimator).")
            if name in strategies:
                raise ValueError(f"two strategies are named {name!r}: give (name, estimator).")
            strategies[name] = clone(strategy)
        for name, strategy in strategies.items():
            known = strategy.get_params(deep=False)
            settings = {"task_column": self.task_column, "unknown_task": self.unknown_task}
            strategy.set_params(**{key: settings[key] for key in settings if key in known})
            if table.weights is not None and not has_fit_parameter(strategy, "sample_weight"):
                raise ValueError(f"the strategy {name!r} takes no sample_weight in fit.")
        return strategies

    def _candidates(self, names, cells):
        """What is mixed: shares (n_candidates, n_strategies, n_tasks + 1), the last unknown tasks.

        Each strategy by itself; where there is no hierarchical form of a model, also models per
        task that count the more the more rows their task has.
        """
        n_tasks = len(self.tasks_)
        shares = np.repeat(np.eye(len(names))[:, :, None], n_tasks + 1, axis=2)
        if POOLED in names and HIERARCHICAL not in names:
            sizes = np.append(np.bincount(cells.codes, minlength=n_tasks), 0.0)
            own = sizes / (sizes + np.array(HALF_SHARED)[:, None])
            between = np.zeros((len(own), *shares.shape[1:]))
            between[:, names.index(BASELINE)] = own
            between[:, names.index(POOLED)] = 1.0 - own
            shares = np.concatenate([shares, between])
        return shares

    def _leave_out(self, strategies, table, cells):
        """Fitted strategies if there are any yet, predictions of rows left out, and their folds."""
        if isinstance(self.cv, str):
            return self._leave_single_rows_out(strategies, table, cells)
        folds = self._folds(N_FOLDS if self.cv is None else self.cv, table, cells)
        tests = [np.flatnonzero(folds == fold) for fold in range(folds.max() + 1)]
        parts = [
            (table.take(np.flatnonzero(folds != fold)), table.take(test))
            for fold, test in enumerate(tests)
        ]
        jobs = [(strategy, *part) for strategy in strategies.values() for part in parts]
        answers = iter(self._in_parallel(self._fit_and_answer, *zip(*jobs, strict=True)))
        predicted = np.full((len(strategies), *table.y.shape), np.nan)
        for k in range(len(strategies)):
            for test in tests:
                predicted[k, test] = next(answers)
        return {}, predicted, folds

    def _fit_and_answer(self, strategy, training, test):
        return self._answer(training.fit(strategy), test)

    def _leave_single_rows_out(self, strategies, table, cells):
        """The same by the closed forms of the default strategies, each fitted once."""
        if self.cv != LEAVE_ONE_OUT:
            raise ValueError(
                f"cv={self.cv!r} is none of a number of folds, a splitter, folds, and "
                f"{LEAVE_ONE_OUT!r}."
            )
        if HIERARCHICAL not in strategies or self.strategies is not None:
            raise ValueError(
                f'cv="loo" is for the default strategies of up to {WIDE} features: give a number '
                "of folds."
            )
        for strategy in strategies.values():
            strategy.set_params(store_loo=True)
        models = self._in_parallel(table.fit, strategies.values())
        predicted = np.array([self._left_out(model, table) for model in models])
        folds = self._folds(N_FOLDS, table, cells)  # of those that choose, and those that judge
        predicted[:, folds < 0] = np.nan
        return dict(zip(strategies, models, strict=True)), predicted, folds

    def _in_parallel(self, function, *arguments):
        jobs = zip(*arguments, strict=True)
        return Parallel(n_jobs=self.n_jobs)(delayed(function)(*job) for job in jobs)

    def _folds(self, cv, table, cells):
        """Test fold of every row; -1 for rows that are never left out."""
        n_rows = len(table.y)
        codes = np.zeros(n_rows, dtype=int)
        if self._layout != "outputs":
            codes[cells.rows] = cells.codes
        folds = np.full(n_rows, -1)
        if isinstance(cv, (int, np.integer)):
            check_number(cv, "cv", low=2, integer=True)
            counts = np.bincount(codes)
            usable = counts[counts > 1].sum()
            if len(self.tasks_) == 1 or usable < 2:
                return folds
            cv = TaskKFold(
                min(int(cv), int(usable)),
                shuffle=True,
                stratify=self._stratified(),
                random_state=self.random_state,
            )
        for fold, (_, test) in enumerate(check_cv(cv).split(table.X, table.y, codes)):
            folds[test] = fold
        return folds

    def _choose(self, candidates, predicted, y, cells, folds):
        """Shares (n_strategies, n_tasks + 1); sets the gains that are to be expected."""
        n_tasks = len(self.tasks_)
        places = (cells.rows, cells.codes) if y.ndim == 2 else (cells.rows,)
        predicted = predicted[:, *places]
        judged = ~np.isnan(predicted).any(axis=0)
        rows, codes = cells.rows[judged], cells.codes[judged]
        self.task_gains_ = self.task_gain_errors_ = np.full(n_tasks, np.nan)
        self.gain_, self.gain_error_, self.sharing_helps_ = 0.0, 0.0, False
        weights = np.zeros(len(candidates))
        if len(candidates) == 1:
            weights[0] = 1.0
        elif not judged.any():
            warnings.warn(
                "no task has two rows, so that no strategy can be judged: the one that shares most "
                "by itself is used alone.",
                UserWarning,
                stacklevel=3,
            )
            weights[predicted.shape[0] - 1] = 1.0
        else:
            mixed = np.einsum("ckr,kr->cr", candidates[:, :, codes], predicted[:, judged])
            given = np.ones(len(rows)) if cells.weights is None else cells.weights[judged]
            targets = y[*(place[judged] for place in places)]
            problem = self._errors(mixed, targets, weights=given, codes=codes, rows=rows)
            weights, gains = judge(problem, folds[rows], n_tasks)
            self.task_gains_, self.task_gain_errors_ = gains.tasks, gains.task_errors
            self.gain_, self.gain_error_ = gains.mean, gains.error
            self.sharing_helps_ = gains.mean > HELPS * gains.error
        mixing = np.einsum("c,ckt->kt", weights, candidates)
        unknown = mixing[:, -1]
        if (unknown[1:] > NEGLIGIBLE).any():
            unknown[0] = 0.0  # the mean of models per task is no model of what tasks share
        return mixing / mixing.sum(axis=0)

    @property
    def feature_sharing_(self):
        """How much of a feature's coefficients comes from what tasks share."""
        shares = [
            self.strategy_weights_[name] * strategy.feature_sharing_
            for name, strategy in self.strategies_.items()
            if hasattr(strategy, "feature_sharing_") and name != BASELINE
        ]
        if not shares:
            raise AttributeError("none of the strategies with a weight tells feature_sharing_.")
        return sum(shares)

    def _mix(self, X, tasks, method):
        """(shares, answer, strategy) to X, shares by row or, for outputs, by task."""
        read, ids = self._read_table(X, tasks, reset=False)
        codes = self._codes_of_rows(ids, read.shape[0])
        X = frames.as_columns(X)
        X = X if self._ranges is None else self._ranges.clip(X)
        table = Table(X, None, None, tasks)
        for shares, strategy in zip(self._mixing, self.strategies_.values(), strict=True):
            answer = table.ask(strategy, method)
            yield shares[:-1] if codes is None else shares[codes], answer, strategy
