"""The safe default: as much sharing between tasks as out-of-fold errors support."""

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.utils import get_tags
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import has_fit_parameter

from skmtl import frames
from skmtl.base import check_number
from skmtl.compose.base import ComposedEstimator
from skmtl.compose.clipping import clip_columns, ranges_of
from skmtl.compose.folds import check_splits, deal_rows
from skmtl.compose.stacking import judge
from skmtl.documentation import complete_docstring
from skmtl.model_selection.splitters import TaskSplitter, find_ids
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


def is_estimator(item):
    return hasattr(item, "fit") and hasattr(item, "get_params") and not isinstance(item, type)


def is_leave_one_out(cv):
    """Whether rows are left out one by one; raises ValueError for another word."""
    if isinstance(cv, str) and cv != LEAVE_ONE_OUT:
        raise ValueError(
            f"cv={cv!r} is none of a number of folds, a splitter, folds, and {LEAVE_ONE_OUT!r}."
        )
    return isinstance(cv, str)


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
        self._check_estimator()
        _, cells = self._read_cells(X, y, tasks, sample_weight)
        self._note_labels(cells)
        self._check_features(X, tasks)
        given = self._read_training_table(X, y, tasks, sample_weight)
        counting = np.unique(cells.rows)  # the others have no weight or no target
        cells = cells._replace(rows=np.searchsorted(counting, cells.rows))
        table = given if len(counting) == len(given.y) else given.take(counting)
        table = table._replace(y=self._note_targets(table.y))
        self._note_ranges(table.X)
        self._empty = np.bincount(cells.codes, minlength=len(self.tasks_)) == 0
        strategies = self._make_strategies(table)
        splits = []
        if (~self._empty).sum() == 1:  # nothing can be shared
            strategies = {BASELINE: strategies[BASELINE]}
        else:
            splits = self._splits(given, cells, counting)
        candidates = self._candidates(list(strategies), cells)
        # Those that choose a parameter choose it once: folds would tell the same.
        fitted = {name: table.fit(s) for name, s in strategies.items() if hasattr(s, "tuned")}
        strategies |= {name: model.tuned() for name, model in fitted.items()}
        more, predicted = self._leave_out(strategies, table, splits)
        fitted |= more
        folds = np.full(len(table.y), -1)
        for fold, (_, test) in enumerate(splits):
            folds[test] = fold
        mixing = self._choose(candidates, predicted, table.y, cells, folds, list(strategies))
        self._fit_used(strategies, fitted, mixing, table)
        return self

    def _fit_used(self, strategies, fitted, mixing, table):
        """Fit the baseline and strategies that have a weight, unless they are, to all rows."""
        used = mixing.max(axis=1) > NEGLIGIBLE
        used[0] = True
        names = [name for name, needed in zip(strategies, used, strict=True) if needed]
        missing = [name for name in names if name not in fitted]
        models = self._in_parallel(table.fit, [(strategies[name],) for name in missing])
        fitted |= dict(zip(missing, models, strict=True))
        self.strategies_ = {name: fitted[name] for name in names}
        self._mixing = mixing[used] / mixing[used].sum(axis=0)
        weights = dict(zip(names, self._mixing[:, :-1].mean(axis=1).tolist(), strict=True))
        self.strategy_weights_ = dict.fromkeys(strategies, 0.0) | weights

    def _read_training_table(self, X, y, tasks, sample_weight):
        y, weights = self._as_array(y), None
        y = y if self._layout == "outputs" else y.reshape(len(y))
        if sample_weight is not None:
            weights = check_weights(sample_weight, y.shape, y.ndim == 2)
        ids = None if tasks is None else np.asarray(tasks)
        return Table(frames.as_columns(X), y, weights, ids)

    def _check_estimator(self):
        """The estimator is of the same kind as this one, and answers what it is asked."""
        if self.estimator is None:
            return
        here = get_tags(self).estimator_type
        fits = is_estimator(self.estimator) and hasattr(self.estimator, self._method)
        if not fits or get_tags(self.estimator).estimator_type != here:
            raise TypeError(
                f"estimator={self.estimator!r} is no {here} with {self._method}: "
                f"{type(self).__name__} needs one."
            )

    def _check_features(self, X, tasks):
        """Linear models need numbers: refuse others in the words of the linear estimators."""
        if self.estimator is None:
            self._read_rows(X, tasks)

    def _note_ranges(self, X):
        column = None if self.task_column is None else locate_task_column(X, self.task_column)
        self._ranges = ranges_of(X, column) if self.clip else None

    def _make_strategies(self, table):
        """Dict of name to unfitted strategy, the baseline first."""
        strategies = self._default_strategies(table.X)
        more = () if self.strategies is None else self.strategies
        if not isinstance(more, (list, tuple)):
            raise TypeError(f"strategies={more!r} is no list of estimators or (name, estimator).")
        for item in more:
            pair = item if isinstance(item, tuple) else (type(item).__name__, item)
            if len(pair) != 2 or not isinstance(pair[0], str) or not is_estimator(pair[1]):
                raise TypeError(f"strategies holds {item!r}: give estimators or (name, estimator).")
            name, strategy = pair
            if name in strategies:
                raise ValueError(f"two strategies are named {name!r}: give (name, estimator).")
            strategies[name] = clone(strategy)
        # A task without a row that counts is one that the strategies do not see.
        unknown = "shared" if self._empty.any() else self.unknown_task
        for name, strategy in strategies.items():
            self._check_strategy(name, strategy, table)
            known = strategy.get_params(deep=False)
            settings = {"task_column": self.task_column, "unknown_task": unknown}
            strategy.set_params(**{key: settings[key] for key in settings if key in known})
        return strategies

    def _check_strategy(self, name, strategy, table):
        if not hasattr(strategy, self._method):
            raise TypeError(f"the strategy {name!r} has no {self._method}: {strategy!r}.")
        if table.weights is not None and not has_fit_parameter(strategy, "sample_weight"):
            raise ValueError(f"the strategy {name!r} takes no sample_weight in fit.")
        if table.ids is not None and not has_fit_parameter(strategy, "tasks"):
            raise ValueError(
                f"the strategy {name!r} takes no tasks in fit: give the ids as a column of X "
                "(task_column), or a strategy of skmtl, such as "
                f"Pooled{type(self).__name__.removeprefix('Sharing')}({strategy!r})."
            )

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

    def _leave_out(self, strategies, table, splits):
        """Fitted strategies if there are any yet, and predictions of rows left out, else NaN."""
        predicted = np.full((len(strategies), *table.y.shape), np.nan)
        if isinstance(self.cv, str) and splits:
            return self._leave_single_rows_out(strategies, table, splits)
        jobs = [(s, table, *split) for s in strategies.values() for split in splits]
        answers = iter(self._in_parallel(self._fit_and_answer, jobs))
        for k in range(len(strategies)):
            for _, test in splits:
                predicted[k, test] = next(answers)
        return {}, predicted

    def _fit_and_answer(self, strategy, table, train, test):
        return self._answer(table.take(train).fit(strategy), table.take(test))

    def _leave_single_rows_out(self, strategies, table, splits):
        """The same by the closed forms of the default strategies, each fitted once.

        The folds are of those that choose, and those that judge.
        """
        if HIERARCHICAL not in strategies or self.strategies is not None:
            raise ValueError(
                f'cv="loo" is for the default strategies of up to {WIDE} features: give a number '
                "of folds."
            )
        for strategy in strategies.values():
            strategy.set_params(store_loo=True)
        models = self._in_parallel(table.fit, [(strategy,) for strategy in strategies.values()])
        predicted = np.array([self._left_out(model, table) for model in models])
        tested = np.concatenate([test for _, test in splits])
        predicted[:, np.setdiff1d(np.arange(len(table.y)), tested)] = np.nan
        return dict(zip(strategies, models, strict=True)), predicted

    def _in_parallel(self, function, jobs):
        return Parallel(n_jobs=self.n_jobs)(delayed(function)(*job) for job in jobs)

    def _splits(self, given, cells, counting):
        """Pairs (train, test) of rows of the training table, which are those that count."""
        cv = N_FOLDS if self.cv is None or is_leave_one_out(self.cv) else self.cv
        shared_rows = self._layout == "outputs"
        if isinstance(cv, (int, np.integer)):
            check_number(cv, "cv", low=2, integer=True)
            options = {"stratify": self._stratified(), "random_state": self.random_state}
            return deal_rows(cells, cv, shared_rows=shared_rows, **options)
        cv, groups = check_cv(cv), None
        if isinstance(cv, TaskSplitter) and not shared_rows:  # others would warn of groups
            groups = find_ids(given.X, self.task_column, given.ids)
        place = np.full(len(given.y), -1)
        place[counting] = np.arange(len(counting))
        splits = [
            [part[part >= 0] for part in (place[train], place[test])]
            for train, test in cv.split(given.X, given.y, groups)
        ]
        check_splits(splits)
        return splits

    def _choose(self, candidates, predicted, y, cells, folds, names):
        """Shares (n_strategies, n_tasks + 1); sets the gains that are to be expected."""
        n_tasks = len(self.tasks_)
        places = (cells.rows, cells.codes) if y.ndim == 2 else (cells.rows,)
        predicted = predicted[:, *places]
        judged = ~np.isnan(predicted).any(axis=0)
        rows, codes = cells.rows[judged], cells.codes[judged]
        self.task_gains_ = self.task_gain_errors_ = np.full(n_tasks, np.nan)
        self.gain_, self.gain_error_, self.sharing_helps_ = 0.0, 0.0, False
        weights, alone = np.zeros(len(candidates)), np.zeros(n_tasks, dtype=bool)
        if len(candidates) == 1:
            weights[0] = 1.0
        elif not judged.any():
            alone_used = HIERARCHICAL if HIERARCHICAL in names else POOLED
            weights[names.index(alone_used)] = 1.0
            warnings.warn(
                "no task has two rows, so that no strategy can be judged: "
                f"{alone_used!r} is used alone.",
                UserWarning,
                stacklevel=3,
            )
        else:
            mixed = np.einsum("ckr,kr->cr", candidates[:, :, codes], predicted[:, judged])
            given = np.ones(len(rows)) if cells.weights is None else cells.weights[judged]
            targets = y[*(place[judged] for place in places)]
            problem = self._errors(mixed, targets, weights=given, codes=codes, rows=rows)
            weights, alone, gains = judge(problem, folds[rows], n_tasks)
            self.task_gains_, self.task_gain_errors_ = gains.tasks, gains.task_errors
            self.gain_, self.gain_error_ = gains.mean, gains.error
            self.sharing_helps_ = gains.mean > HELPS * gains.error
        mixing = np.einsum("c,ckt->kt", weights, candidates)
        mixing[:, :-1][:, alone] = np.eye(len(mixing))[:, :1]
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

    def _read_to_predict(self, X, tasks):
        """Codes of the rows (None for outputs), the table, and that with features in range."""
        self._check_layout(tasks)
        read, ids = self._read_table(X, tasks, reset=False)
        self._check_features(X, tasks)
        codes = self._codes_of_rows(ids, read.shape[0])
        if codes is not None:
            codes = np.where(np.append(self._empty, False)[codes], -1, codes)
        X = frames.as_columns(X)
        table = Table(X, None, None, None if tasks is None else np.asarray(tasks))
        inside = X if self._ranges is None else clip_columns(X, *self._ranges)
        return codes, table, table._replace(X=inside)

    def _ask(self, codes, table):
        """(shares, answer, strategy), the shares by row or, for outputs, by task."""
        shares = self._mixing[:, :-1] if codes is None else self._mixing[:, codes]
        answers = (table.ask(strategy, self._method) for strategy in self.strategies_.values())
        return zip(shares, answers, self.strategies_.values(), strict=True)
