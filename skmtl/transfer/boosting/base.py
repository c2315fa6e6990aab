"""What the regressor and the classifier that continue a boosting have in common."""

import numbers

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils import check_random_state

from skmtl.base import check_number
from skmtl.documentation import complete_docstring, share_text
from skmtl.transfer.boosting.folds import folds_of_distinct_rows
from skmtl.transfer.boosting.rounds import Grower, added, boost, out_of_fold_losses
from skmtl.transfer.boosting.sources import adapter_of, checked_adapter
from skmtl.transfer.boosting.start import Part, Start
from skmtl.transfer.target_splits import read_target_splits

STARTS = ("fitted", "source")


class TransferBoosting:
    """A start from fitted sources, and rounds of boosting on the target.

    A subclass says which loss it has and how targets are encoded.
    """

    _allows_nan = True

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Adapt the sources to the rows of the target, and boost from there.

        Parameters
        ----------
        {target_fit_parameters}

        Returns
        -------
        self : object
        """
        transfer = self._read_transfer(X, y, tasks, sample_weight)
        self._check_parameters()
        models = self._fit_sources(transfer, self._estimator_of_sources())
        adapters = [adapter_of(model) for model in models]
        self._choose_loss(transfer.target, adapters)
        target = transfer.target
        splits = self._splits(target, X, y, tasks, sample_weight)
        rows = trees_read(target.X), self._encode(target.y), target.weights_or_ones()
        start = self._prepare_start(target, rows[1], adapters)
        grower = self._grower(rows[0])
        n_rounds = self._choose_rounds(grower, start, splits, rows)
        self._state, raw = start.fit(rows[2])
        rounds, self.train_score_ = boost(grower, n_rounds, raw, *rows)
        self._keep(start, rounds)
        return self

    def _read_columns(self, X, *, reset):
        """A dense table: histograms, and missing values, know no sparse one."""
        X = super()._read_columns(X, reset=reset)
        return X.toarray() if sparse.issparse(X) else X

    def _check_parameters(self):
        if self.start not in STARTS:
            raise ValueError(f"start={self.start!r} is not one of {', '.join(STARTS)}.")
        for name in ("shift_prior", "leaf_prior", "l2_regularization"):
            check_number(getattr(self, name), name)
        for name in ("learning_rate", "min_samples_leaf", "subsample"):
            check_number(getattr(self, name), name, strict=True)
        check_number(self.decay, "decay")
        for name in ("decay", "subsample"):
            if getattr(self, name) > 1.0:
                raise ValueError(f"{name}={getattr(self, name)!r} must be at most 1.")
        check_number(self.max_iter, "max_iter", integer=True)
        check_number(self.n_iter_no_change, "n_iter_no_change", low=1, integer=True)
        for name, low in (("max_depth", 1), ("max_leaf_nodes", 2)):
            if getattr(self, name) is not None:
                check_number(getattr(self, name), name, low=low, integer=True)
        if isinstance(self.cv, numbers.Integral):
            check_number(self.cv, "cv", low=2, integer=True)

    def _estimator_of_sources(self):
        if self.source_estimator is None:
            return self._default_source()
        return clone(self.source_estimator)

    def _prepare_start(self, target, targets, adapters):
        """`Start` of the target rows; boosters on another scale than the loss have no trees."""
        adapters = [checked_adapter(own, target.X, *self._link_of(own)) for own in adapters]
        y = targets if self._labels is None else target.y
        parts = [Part(own, target.X, y, self._loss, self.decay < 1.0) for own in adapters]
        return Start(parts, self._loss, targets, self._labels, self)

    def _grower(self, X):
        seed = self.random_state
        if not isinstance(seed, numbers.Integral):
            seed = check_random_state(seed).randint(np.iinfo(np.int32).max)
        return Grower(
            self._loss,
            self.learning_rate,
            self.max_depth,
            self.max_leaf_nodes,
            self.min_samples_leaf,
            self.l2_regularization,
            self.subsample,
            int(seed),
            bool(np.isnan(X).any()),
        )

    def _splits(self, target, X, y, tasks, sample_weight):
        """Pairs (train, test) of target rows; None if the number of rounds is not chosen."""
        if self.cv is None or self.max_iter == 0:
            return None
        if isinstance(self.cv, numbers.Integral):
            return folds_of_distinct_rows(self.cv, target.X, target.y, self._labels is not None)
        return read_target_splits(self, self.cv, X, y, tasks, sample_weight)

    def _choose_rounds(self, grower, start, splits, rows):
        """Number of rounds with the least out-of-fold loss; sets `validation_score_`."""
        self.validation_score_ = None
        if splits is None:
            return self.max_iter
        if not splits:  # a row cannot be left out of one
            return 0
        self.validation_score_ = out_of_fold_losses(
            grower, start, splits, *rows, max_iter=self.max_iter, patience=self.n_iter_no_change
        )
        return int(np.argmin(self.validation_score_))

    def _keep(self, start, rounds):
        self.estimators_ = np.array(rounds, dtype=object).reshape(-1, start.y.shape[1])
        self.n_iter_ = len(rounds)
        start.forget_rows()
        self._start = start
        self.source_weights_ = self._state.mixing[1:].copy()
        self.start_constant_ = self._state.constant
        finite = [self.train_score_, self.source_weights_, self.start_constant_]
        if not all(np.isfinite(values).all() for values in finite):
            raise ValueError(
                f"{type(self).__name__} found no finite predictions: the scale of y, or of what a "
                "source predicts, exceeds the range of floats."
            )

    def _raw(self, X):
        raw = self._start.raw(self._state, X)
        X = trees_read(X)
        for trees in self.estimators_:
            raw += added(trees, X)
        return raw


def trees_read(X):
    """X as scikit-learn's trees read it; values out of range keep their order."""
    largest = np.finfo(np.float32).max
    return np.ascontiguousarray(np.clip(X, -largest, largest), np.float32)


BOOSTING_TEXTS = {
    "boosting_parameters": """
    start : {"fitted", "source"}, default="fitted"
        "fitted": shift and mix the sources as above. "source": the mean of the sources (one: the
        source) as they are.
    shift_prior : float, default=1.0
        Rows of the target that a shift of zero counts as.
    decay : float, default=0.0
        Of the values of leaves, the share that is kept however many rows of the target there are;
        1 keeps the source. Sources that are no boosting, or are one on another scale than that of
        the loss, have no leaves: nothing is refitted.
    leaf_prior : float, default=5.0
        Rows of the target that the source's value of a leaf counts as.
    learning_rate : float, default=0.1
        Of the new rounds.
    max_iter : int, default=100
        The most rounds.
    max_depth : int or None, default=3
    max_leaf_nodes : int or None, default=None
    min_samples_leaf : float, default=5
        Least sum of weights of the target rows in a leaf of a new tree.
    l2_regularization : float, default=1.0
        Added to the curvature of the loss in every leaf of a new tree: rows with a residual of
        zero, for the squared error.
    subsample : float, default=1.0
        Share of the target rows, drawn at random, that a round is fitted to.
    cv : int, splitter, iterable of (train, test) or None, default=5
        The number of rounds is that, from 0 to `max_iter`, with the least mean loss of the target
        rows left out. An int: folds (of distinct rows: copies are in one fold; of labels by
        class) that do not depend on the order of rows. None: `max_iter` rounds.
    n_iter_no_change : int, default=20
        Rounds without a smaller loss after which the search for their number stops.
    """,
    "boosting_attributes": """
    source_weights_ : ndarray of shape (n_sources,)
        Share of every source in the start; what is left to 1 is that of a constant.
    n_iter_ : int
        Rounds that were added.
    estimators_ : ndarray of DecisionTreeRegressor of shape (n_iter_, n_columns)
        Their trees; leaf values hold the learning rate. One column for two classes.
    train_score_ : ndarray of shape (n_iter_ + 1,)
        Mean loss of the target rows, of the start and after every round.
    validation_score_ : ndarray or None
        That of the rows left out, for the numbers of rounds that were tried.
    start_constant_ : ndarray of shape (n_columns,)
        Raw prediction of the target without sources.
    """,
}


def complete_boosting_docstring(subject):
    """Fills in the texts above, then those that all estimators share."""
    return complete_docstring(share_text(**BOOSTING_TEXTS)(subject))
