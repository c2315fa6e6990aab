"""Transfer as far as it helps: candidates, among them the target alone, judged on target folds."""

import warnings

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import has_fit_parameter

from skmtl import frames
from skmtl.base import check_number
from skmtl.compose.folds import check_splits
from skmtl.compose.stacking import judge
from skmtl.documentation import complete_docstring
from skmtl.model_selection.dealing import codes_by_appearance, deal
from skmtl.tasks import check_task_ids, match
from skmtl.transfer.base import TransferEstimator
from skmtl.transfer.candidates import (
    Candidate,
    Table,
    constant,
    has_held_sources,
    last_step,
    sources_of,
    without_sources,
)
from skmtl.transfer.sources import SourceModel, read_models
from skmtl.transfer.target_splits import read_target_splits

COMBINATIONS = ("stack", "best")
N_FOLDS = 5
DOUBT = 1.5  # standard errors of the gain at which the target alone keeps half of the weight
NEGLIGIBLE = 1e-3  # a candidate of less weight is left out
HELPS = 1.645  # standard errors: a gain that would be there by chance in 5 % of cases
TARGET_ONLY = "target-only"


class TransferSearch(TransferEstimator):
    """What both searches share; a subclass says how answers are judged and mixed."""

    _reads_tables = True
    _allows_nan = True

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Judge the candidates on folds of the target and fit those that get a weight.

        Parameters
        ----------
        {target_fit_parameters}

        Returns
        -------
        self : object
        """
        if self.combine not in COMBINATIONS:
            raise ValueError(f"combine={self.combine!r} is not one of {', '.join(COMBINATIONS)}.")
        transfer = self._read_transfer(X, y, tasks, sample_weight)
        table, is_target = self._table(X, y, tasks, sample_weight)
        candidates = self._candidates(transfer, table, is_target)
        self._check_weights_usable(candidates, table)
        if self.estimators is not None and not any(c.transfers for c in candidates):
            warnings.warn(
                "none of the estimators has a source, so that only the target alone is fitted: "
                "give transfer estimators, such as TransferRidge(source).",
                UserWarning,
                stacklevel=2,
            )
        self._set_classes(table.y, candidates)
        splits = self._splits(table, is_target, X, y, tasks, sample_weight)
        chosen = self._choose(candidates, table, is_target, splits)
        kept = [
            (candidate, weight)
            for candidate, weight in zip(candidates, chosen, strict=True)
            if weight > NEGLIGIBLE
        ]
        jobs = [(candidate, table, is_target) for candidate, _ in kept]
        models = Parallel(n_jobs=self.n_jobs)(delayed(self._fit_one)(*job) for job in jobs)
        self._keep(transfer, candidates, chosen, kept, models)
        return self

    def _keep(self, transfer, candidates, chosen, kept, models):
        total = sum(weight for _, weight in kept)
        self.candidate_weights_ = dict(
            zip([candidate.name for candidate in candidates], chosen.tolist(), strict=True)
        )
        self.estimators_ = {
            candidate.name: model for (candidate, _), model in zip(kept, models, strict=True)
        }
        self._mixing = np.array([weight / total for _, weight in kept])
        self.best_candidate_ = max(self.candidate_weights_, key=self.candidate_weights_.get)
        self.source_weights_, self.source_names_ = self._use_of_sources(
            transfer, candidates, kept, models
        )

    def _table(self, X, y, tasks, sample_weight):
        """The rows that count, with their ids, and which of them are of the target."""
        X = frames.as_columns(X)
        if not frames.is_frame(X) and self.task_column is None:
            X = self._read_columns(X, reset=False)
        y = self._read_target(y)
        weights = None
        if sample_weight is not None:
            weights = np.broadcast_to(np.asarray(sample_weight, dtype=float), y.shape)
        tasks = None if tasks is None else np.asarray(tasks)
        table = Table(X, y, weights, tasks)
        is_target = np.ones(len(y), dtype=bool)
        if self.target_task is not None:
            _, ids = self._split_ids(X, tasks, reset=False)
            target = check_task_ids(np.array([self.target_task]), "target_task")
            is_target = match(ids, target) == 0
        if weights is not None and not weights.all():
            table, is_target = table.take(weights > 0), is_target[weights > 0]
        return table, is_target

    # --- candidates -----------------------------------------------------------------------

    def _candidates(self, transfer, table, is_target):
        """The target alone first, sources as they are, then what transfers."""
        alone, sources, moving = [], {}, []
        for name, estimator in self._named_estimators():
            plain = without_sources(estimator)
            if self.target_only is None and all(repr(plain) != repr(other) for other in alone):
                alone.append(plain)
            if getattr(estimator, "source", None) is not None:
                for source in self._source_models(estimator, transfer):
                    sources[id(source.model)] = source
            has_sources = not is_target.all() or has_held_sources(estimator)
            if has_sources:
                memory = {} if isinstance(estimator, TransferEstimator) else None
                moving.append(Candidate(name, estimator, True, memory))
        if self.target_only is not None:
            alone = [clone(self.target_only)]
        names = [TARGET_ONLY, *(f"{TARGET_ONLY} {k}" for k in range(2, len(alone) + 1))]
        found = [Candidate(*pair, False) for pair in zip(names, alone, strict=False)]
        for number, source in enumerate(sources.values(), start=1):
            name = "source-only" if len(sources) == 1 else f"source-only {number}"
            found.append(Candidate(name, source, True))
        return found + moving

    def _source_models(self, estimator, transfer):
        width = transfer.target.X.shape[1]
        return read_models(estimator.source, self, transfer.feature_names, width)[1]

    def _named_estimators(self):
        """Pairs of names and clones, with the task column and the target set."""
        given = self.estimators
        if given is None:
            given = [self._default_estimator()]
        if isinstance(given, dict):
            given = list(given.items())
        if not isinstance(given, (list, tuple)):
            given = [given]
        if not given:
            raise ValueError("estimators is empty: give a transfer estimator or a list of them.")
        pairs = []
        for item in given:
            name, estimator = item if isinstance(item, tuple) else (type(item).__name__, item)
            if not hasattr(estimator, "fit") or isinstance(estimator, type):
                raise TypeError(f"estimators holds {estimator!r}, which is no estimator.")
            names = [name for name, _ in pairs]
            if name in names:
                name = f"{name} {sum(other.split(' ')[0] == name for other in names) + 1}"
            estimator = clone(estimator)
            if self.target_task is not None:
                own = estimator.get_params(deep=False)
                both = {"task_column": self.task_column, "target_task": self.target_task}
                estimator.set_params(**{key: both[key] for key in both if key in own})
            pairs.append((str(name), estimator))
        return pairs

    def _check_weights_usable(self, candidates, table):
        if table.weights is None:
            return
        for candidate in candidates:
            model = candidate.model
            if not isinstance(model, SourceModel) and not has_fit_parameter(model, "sample_weight"):
                raise ValueError(f"the candidate {candidate.name!r} takes no sample_weight in fit.")

    def _fit_one(self, candidate, table, is_target):
        """A fitted clone; a source stays as it is."""
        model = candidate.model
        if isinstance(model, SourceModel):
            return model
        if not candidate.transfers:
            table = table.take(is_target)
            model = self._plain(model, table.y)
        model = clone(model)
        if candidate.memory is not None and candidate.transfers:
            model._memory = candidate.memory
        given = {} if table.tasks is None or constant(model) else {"tasks": table.tasks}
        if table.weights is not None:
            given["sample_weight"] = table.weights
        if not candidate.transfers:
            last_step(model)._expects_one_task = True
        model.fit(table.X, table.y, **given)
        vars(model).pop("_memory", None)
        return model

    def _ask(self, model, table):
        """What a fitted candidate says of rows of the target."""
        if isinstance(model, SourceModel):
            features, _ = self._split_ids(table.X, table.tasks, reset=False)
            features = self._read_columns(features, reset=False)
            return self._told_by_source(model, features)
        given = {} if table.tasks is None or constant(model) else {"tasks": table.tasks}
        return self._told(model, table.X, given)

    # --- choice ---------------------------------------------------------------------------

    def _choose(self, candidates, table, is_target, splits):
        """Convex weights of the candidates; sets the scores and the gain to be expected."""
        self.gain_, self.gain_error_, self.transfer_helps_ = 0.0, 0.0, False
        self.cv_scores_ = {}
        weights = np.zeros(len(candidates))
        if len(candidates) == 1:
            weights[0] = 1.0
            return weights
        if not splits:
            weights[-1] = 1.0
            warnings.warn(
                "the target has one row only, so that no candidate can be judged: "
                f"{candidates[-1].name!r} is used alone.",
                UserWarning,
                stacklevel=3,
            )
            return weights
        answers, folds = self._leave_out(candidates, table, is_target, splits)
        judged = folds >= 0
        given = np.ones(judged.sum()) if table.weights is None else table.weights[judged]
        given = given / given.max()
        losses = self._losses(answers[:, judged], table.y[judged])
        scores = losses @ given / given.sum()
        self.cv_scores_ = dict(zip([c.name for c in candidates], scores.tolist(), strict=True))
        n_alone = sum(not candidate.transfers for candidate in candidates)
        order = np.arange(len(candidates))
        base = int(np.argmin(scores[:n_alone]))
        order[[0, base]] = order[[base, 0]]  # the baseline comes first
        problem = self._problem(answers[order][:, judged], table.y[judged], given)
        problem.doubt = DOUBT
        decision = judge(problem, folds[judged], 1)
        self.gain_, self.gain_error_ = decision.gains.mean, decision.gains.error
        self.transfer_helps_ = bool(self.gain_ > HELPS * self.gain_error_)
        if self.combine == "stack":
            weights[order] = np.eye(len(order))[0] if decision.alone[0] else decision.weights
        else:
            weights[np.argmin(scores)] = 1.0
        return weights

    def _leave_out(self, candidates, table, is_target, splits):
        """Answers of every candidate to the rows left out, and the fold of every row or -1."""
        jobs = [
            (candidate, table, is_target, *split) for candidate in candidates for split in splits
        ]
        found = iter(Parallel(n_jobs=self.n_jobs)(delayed(self._fit_and_ask)(*j) for j in jobs))
        folds = np.full(len(table.y), -1)
        answers = None
        for k in range(len(candidates)):
            for fold, (_, test) in enumerate(splits):
                told = next(found)
                if answers is None:
                    answers = np.full((len(candidates), len(table.y), *told.shape[1:]), np.nan)
                answers[k, test] = told
                folds[test] = fold
        return answers, folds

    def _fit_and_ask(self, candidate, table, is_target, train, test):
        model = self._fit_one(candidate, table.take(train), is_target[train])
        return self._ask(model, table.take(test))

    def _splits(self, table, is_target, *given):
        """Pairs (train, test) of rows of the table; sources are in every training part."""
        rows = np.flatnonzero(is_target)
        if len(rows) < 2:
            return []
        cv = N_FOLDS if self.cv is None else self.cv
        if isinstance(cv, (int, np.integer)):
            check_number(cv, "cv", low=2, integer=True)
            return self._deal(table.y, rows, min(int(cv), len(rows)))
        sources = np.flatnonzero(~is_target)
        splits = [
            (np.sort(np.concatenate([rows[train], sources])), rows[test])
            for train, test in read_target_splits(self, cv, *given)
        ]
        check_splits(splits)
        return splits

    def _deal(self, y, rows, n_folds):
        shuffled = check_random_state(self.random_state).permutation(rows)
        cells = np.zeros(len(rows), dtype=int)
        if self._stratified:
            cells = codes_by_appearance(y[shuffled])
        folds = np.full(len(y), -1)
        folds[shuffled] = deal(cells, n_folds)
        return [(np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(n_folds)]

    def __sklearn_tags__(self):
        """What the candidates can read, all of them."""
        tags = super().__sklearn_tags__()
        try:
            inner = [get_tags(estimator).input_tags for _, estimator in self._named_estimators()]
        except (TypeError, ValueError):  # fit will say what is wrong
            return tags
        tags.input_tags.allow_nan = all(own.allow_nan for own in inner)
        tags.input_tags.sparse = all(own.sparse for own in inner)
        return tags

    # --- use ------------------------------------------------------------------------------

    def _use_of_sources(self, transfer, candidates, kept, models):
        """How much the mixture uses each source, and the names of the sources."""
        names = {name: name for name in transfer.names}
        for candidate in candidates:
            names |= dict(sources_of(candidate.model))
        total = dict.fromkeys(names, 0.0)
        for (candidate, weight), model in zip(kept, models, strict=True):
            if isinstance(model, SourceModel):
                total[id(model.model)] += weight
            elif candidate.transfers:
                model = last_step(model)
                keys = [identity for identity, _ in sources_of(model)] or model.source_names_
                for key, share in zip(keys, model.source_weights_, strict=True):
                    total[key] += weight * share
        return np.array(list(total.values())), list(names.values())

    def _mixed(self, X, tasks):
        """Mixture of the answers of all candidates that have a weight."""
        self._read_target_rows(X, tasks)
        table = Table(
            frames.as_columns(X), None, None, None if tasks is None else np.asarray(tasks)
        )
        return sum(
            weight * self._ask(model, table)
            for weight, model in zip(self._mixing, self.estimators_.values(), strict=True)
        )
