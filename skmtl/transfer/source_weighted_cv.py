"""The weights of sources by cross-validation on the rows of the target."""

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed

from skmtl import frames
from skmtl.base import check_number
from skmtl.compose.folds import check_splits
from skmtl.documentation import share_text
from skmtl.model_selection.dealing import codes_by_appearance, deal
from skmtl.transfer.source_weighted import TEXTS, complete, weighted_rows
from skmtl.transfer.sources import LEAST_PROBABILITY, SourceModel
from skmtl.transfer.target_splits import read_target_splits
from skmtl.transfer.weighted_fit import (
    WeightedClassifier,
    WeightedEstimator,
    WeightedRegressor,
    fit_weighted,
)

GRID = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
SELECTIONS = ("best", "one_standard_error")


class HeldOut:
    """Losses of the target rows under weights of the sources, held out in folds.

    Parameters
    ----------
    make : callable
        Returns a new estimator.
    transfer : Transfer
    folds : list of pairs (train, test)
        Rows of the target; those of the sources are always training data.
    loss : callable
        From a fitted estimator and `Rows` to a loss per row.
    n_jobs : int or None
    """

    def __init__(self, make, transfer, folds, loss, n_jobs):
        self.make, self.transfer, self.folds, self.loss = make, transfer, folds, loss
        self.n_jobs = n_jobs
        self.tested = np.concatenate([test for _, test in folds])
        weights = transfer.target.weights_or_ones()[self.tested]
        self.shares = weights / weights.sum()
        self.known = {}

    def losses(self, candidates):
        """Losses (n_candidates, n_tested) for weights (n_candidates, n_sources)."""
        candidates = [tuple(map(float, factors)) for factors in candidates]
        new = [factors for factors in dict.fromkeys(candidates) if factors not in self.known]
        cells = [(factors, fold) for factors in new for fold in self.folds]
        found = Parallel(n_jobs=self.n_jobs, prefer="threads")(
            delayed(self._one)(factors, *fold) for factors, fold in cells
        )
        for place, factors in enumerate(new):
            own = found[place * len(self.folds) : (place + 1) * len(self.folds)]
            self.known[factors] = np.concatenate(own)
        return np.array([self.known[factors] for factors in candidates])

    def _one(self, factors, train, test):
        target = self.transfer.target
        rows = weighted_rows(target.take(train), self.transfer.sources, factors)
        return self.loss(fit_weighted(self.make(), rows), target.take(test))

    def choose(self, candidates, selection):
        """Position of the chosen weights; the candidates ascend, those equally good go first.

        By "one_standard_error" it is the first whose mean loss is above the least by at most one
        standard error of the difference, row by row.
        """
        losses = self.losses(candidates)
        means = losses @ self.shares
        best = int(np.argmin(means))
        if selection == "best":
            return best
        excess = losses - losses[best]
        spread = (excess - (means - means[best])[:, None]) ** 2 @ self.shares**2
        return int(np.argmax(means - means[best] <= np.sqrt(spread)))


def choose_weights(held_out, grid, selection, per_source):
    """Weights (n_sources,): a common one, then source by source with the others fixed.

    The sources are visited in the order of their worth alone, so that names do not matter.
    """
    n_sources = held_out.transfer.n_sources
    common = np.repeat(grid[:, None], n_sources, axis=1)
    factors = common[held_out.choose(common, selection)].copy()
    if n_sources == 1 or not per_source or grid[-1] == 0:
        return factors
    alone = np.eye(n_sources) * (factors if factors.any() else grid[grid > 0][:1])
    order = np.argsort(held_out.losses(alone) @ held_out.shares, kind="stable")
    for source in order:
        candidates = np.repeat(factors[None, :], len(grid), axis=0)
        candidates[:, source] = grid
        factors = candidates[held_out.choose(candidates, selection)]
    return factors


class SourceWeightedCV(WeightedEstimator):
    """The constructor and fit of both estimators that choose the weights."""

    def __init__(
        self,
        estimator=None,
        *,
        source_rows=None,
        weight_grid=GRID,
        per_source=True,
        cv=5,
        selection="best",
        task_column=None,
        target_task=None,
        n_jobs=None,
        random_state=0,
    ):
        self.estimator = estimator
        self.source_rows = source_rows
        self.weight_grid = weight_grid
        self.per_source = per_source
        self.cv = cv
        self.selection = selection
        self.task_column = task_column
        self.target_task = target_task
        self.n_jobs = n_jobs
        self.random_state = random_state

    @complete
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Choose the weights of the sources and fit the estimator to all rows.

        Parameters
        ----------
        {target_fit_parameters}

        Returns
        -------
        self : object
        """
        transfer = self._read_transfer(X, y, tasks, sample_weight)
        grid = self._read_grid()
        self._note_classes(transfer)
        self.source_weights_ = np.zeros(0)
        self.weight_grid_, self.losses_ = grid, np.full(len(grid), np.nan)
        if transfer.n_sources:
            folds = self._deal_folds(transfer.target, X, y, tasks, sample_weight)
            held_out = HeldOut(
                self._make_estimator, transfer, folds, self._losses_of_rows, self.n_jobs
            )
            self.source_weights_ = choose_weights(held_out, grid, self.selection, self.per_source)
            common = np.repeat(grid[:, None], transfer.n_sources, axis=1)
            self.losses_ = held_out.losses(common) @ held_out.shares
        rows = weighted_rows(transfer.target, transfer.sources, self.source_weights_)
        self._keep(fit_weighted(self._make_estimator(), rows), transfer)
        return self

    def _read_grid(self):
        """The weights to try, ascending, 0 among them."""
        if self.selection not in SELECTIONS:
            raise ValueError(f"selection={self.selection!r} is not one of {', '.join(SELECTIONS)}.")
        if not isinstance(self.per_source, (bool, np.bool_)):
            raise TypeError(f"per_source must be True or False, but it is {self.per_source!r}.")
        grid = np.asarray(self.weight_grid, dtype=np.float64)
        if grid.ndim != 1 or not len(grid) or not np.isfinite(grid).all() or (grid < 0).any():
            raise ValueError(
                f"weight_grid={self.weight_grid!r} must be a list of numbers >= 0, of which 0 is "
                "the target alone and 1 all rows pooled."
            )
        return np.unique(np.append(grid, 0.0))

    def _deal_folds(self, target, *given):
        """Pairs (train, test) of rows of the target."""
        if hasattr(self.cv, "split") or np.iterable(self.cv):
            folds = read_target_splits(self, self.cv, *given)
            check_splits(folds)
            return folds
        check_number(self.cv, "cv", low=2, integer=True)
        n_rows = len(target)
        if n_rows < 2:
            name = type(self).__name__
            raise ValueError(
                f"the target has {n_rows} row, too few to choose weights by cross-validation: use "
                f"{name.removesuffix('CV')} with a source_weight of your choice."
            )
        n_folds = min(self.cv, n_rows)
        order = check_random_state(self.random_state).permutation(n_rows)
        cells = np.zeros(n_rows, dtype=int)
        if is_classifier(self):
            cells = codes_by_appearance(target.y[order])
        fold_of = np.empty(n_rows, dtype=int)
        fold_of[order] = deal(cells, n_folds)
        return [
            (np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold))
            for fold in range(n_folds)
        ]


SEARCH = """
    weight_grid : array-like, default=(0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1)
        The weights to try, of which 0 (always tried) is the target alone and 1 all rows pooled.
    per_source : bool, default=True
        With several sources: after a common weight choose that of each source, the others fixed,
        once, in the order of what each source alone is worth.
    cv : int, splitter or iterable of (train, test), default=5
        Folds of the rows of the target, at random if a number; sources are always training data.
        A splitter is given the target's rows (`TargetKFold`: all rows of X); pairs hold row
        numbers of X, of which those of the target count.
    selection : {"best", "one_standard_error"}, default="best"
        The least held-out loss; or the smallest weight whose loss is within one standard error
        (of the difference, over the target's rows) of it.
"""
SEARCH_ATTRIBUTES = """
    weight_grid_ : ndarray of shape (n_weights,)
        The weights that were tried.
    losses_ : ndarray of shape (n_weights,)
        Mean loss of the held-out rows of the target (squared error, or log-loss) with that weight
        for all sources; the first one is that of the target alone. NaN without sources.
"""


SEARCH_NOTES = """
    The choice has the noise of the rows left out. With ridge or logistic regression it costs little
    where sources do not help. Trees (and, less so, small forests) change much with every weight,
    so that the least loss is often there by chance: mixtures of predictions are safer then.
"""


def complete_search(subject):
    """Fill in the texts of both searches."""
    texts = {"search": SEARCH, "search_attributes": SEARCH_ATTRIBUTES, "search_notes": SEARCH_NOTES}
    return share_text(**TEXTS, **texts)(subject)


@complete_search
class SourceWeightedRegressorCV(WeightedRegressor, SourceWeightedCV):
    """`SourceWeightedRegressor` with its weights chosen on folds of the target.

    {weighted_objective}

    The weights minimise the squared error of rows of the target that are left out of training,
    while the sources always are in it; 0, the target alone, is among them.

    Parameters
    ----------
    estimator : regressor, default=None
        Its fit takes `sample_weight` (in a pipeline that of the last step). None: `Ridge()`.
    {source_rows}
    {search}
    {target_task}
    n_jobs : int, default=None
        Fits at the same time (as threads); results do not depend on it.
    random_state : int, RandomState instance or None, default=0
        Of the folds.

    Attributes
    ----------
    {weighted_attributes}
    {search_attributes}
    {source_attributes}

    See Also
    --------
    SourceWeightedRegressor : With weights that are given.
    TransferRegressorCV : Mixes several methods of transfer.

    Notes
    -----
    {search_notes}

    References
    ----------
    Wu, Dietterich 2004, *Improving SVM accuracy by training on auxiliary data sources*, ICML.

    Examples
    --------
    >>> from skmtl import SourceWeightedRegressorCV, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=3, structure="common", random_state=0)
    >>> model = SourceWeightedRegressorCV(task_column=0, target_task=2).fit(X, y)
    >>> bool(model.losses_[0] > model.losses_.min())
    True
    """

    def _losses_of_rows(self, fitted, rows):
        return (np.asarray(fitted.predict(rows.X), dtype=np.float64).reshape(-1) - rows.y) ** 2


@complete_search
class SourceWeightedClassifierCV(WeightedClassifier, SourceWeightedCV):
    """`SourceWeightedClassifier` with its weights chosen on folds of the target.

    {weighted_objective}

    The weights minimise the log-loss of rows of the target that are left out of training (no
    probability counts as less than 1e-6), while the sources always are in it.

    Parameters
    ----------
    estimator : classifier, default=None
        Its fit takes `sample_weight` (in a pipeline that of the last step). None:
        `LogisticRegression()`.
    {source_rows}
    {search}
    {target_task}
    n_jobs : int, default=None
        Fits at the same time (as threads); results do not depend on it.
    random_state : int, RandomState instance or None, default=0
        Of the folds, which have the labels in equal shares.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels of the target and of all sources; probability 0 for one that no row with a
        weight had.
    {weighted_attributes}
    {search_attributes}
    {source_attributes}

    See Also
    --------
    SourceWeightedClassifier : With weights that are given.
    TransferClassifierCV : Mixes several methods of transfer.

    Notes
    -----
    {search_notes}

    References
    ----------
    Wu, Dietterich 2004, *Improving SVM accuracy by training on auxiliary data sources*, ICML.

    Examples
    --------
    >>> from skmtl import SourceWeightedClassifierCV, make_multitask_classification
    >>> X, y = make_multitask_classification(n_tasks=3, structure="common", random_state=0)
    >>> model = SourceWeightedClassifierCV(task_column=0, target_task=2).fit(X, y)
    >>> model.source_weights_.shape
    (2,)
    """

    def _losses_of_rows(self, fitted, rows):
        model = SourceModel(fitted, frames.column_names(rows.X), rows.X.shape[1], "the estimator")
        told = model.probabilities(rows.X, self.classes_)
        true = told[np.arange(len(rows)), np.searchsorted(self.classes_, rows.y)]
        return -np.log(np.maximum(true, LEAST_PROBABILITY))
