"""What boosting over the rows of sources and target has in common."""

import copy

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state, get_tags

from skmtl.base import check_number
from skmtl.documentation import complete_docstring, share_text
from skmtl.transfer.base import TransferEstimator
from skmtl.transfer.sources import Rows
from skmtl.transfer.weighted_fit import fit_weighted, stack_rows, weight_parameter

SMALLEST_ERROR = 1e-3  # what an error of 0 counts as: its vote would be infinite


class TrAdaBoost(TransferEstimator):
    """Rows of sources that disagree with the target lose weight from round to round."""

    _reads_tables = True

    def _check_parameters(self):
        check_number(self.n_estimators, "n_estimators", low=1, integer=True)
        estimator = self._default_estimator() if self.estimator is None else self.estimator
        if weight_parameter(estimator) is None:
            raise ValueError(
                f"{type(self).__name__} weighs rows, but the estimator "
                f"{type(estimator).__name__} takes no sample_weight in fit: use one that does, "
                "such as a tree, Ridge or LogisticRegression."
            )
        return estimator

    def _make_learner(self, transfer):
        estimator = self._check_parameters()
        rows = stack_rows([transfer.target, *transfer.sources])
        sizes = [len(transfer.target), *map(len, transfer.sources)]
        origin = np.repeat(np.arange(len(sizes)), sizes)
        return Learner(estimator, rows, origin, self.n_estimators, self.random_state)

    def _votes(self):
        """Estimators that predict, and their weights."""
        members, weights = (
            self.estimators_[self.first_vote_ :],
            self.estimator_weights_[self.first_vote_ :],
        )
        return members, weights if weights.any() else np.ones(len(weights))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        estimator = self._default_estimator() if self.estimator is None else self.estimator
        inner = get_tags(estimator).input_tags
        tags.input_tags.sparse, tags.input_tags.allow_nan = inner.sparse, inner.allow_nan
        return tags


class Learner:
    """Fits clones of an estimator to the weighted rows of target and sources.

    Attributes
    ----------
    rows : Rows
        Those of the target, then those of every source.
    origin : int ndarray of shape (n_rows,)
        0 for the target, k + 1 for source k.
    """

    def __init__(self, estimator, rows, origin, n_rounds, random_state):
        self.estimator, self.rows, self.origin, self.n_rounds = estimator, rows, origin, n_rounds
        self.seeds = check_random_state(random_state).randint(np.iinfo(np.int32).max, size=n_rounds)
        self.is_target = origin == 0
        self.weights = rows.weights_or_ones().astype(np.float64)
        names = estimator.get_params()
        self.random_states = [name for name in names if name.split("__")[-1] == "random_state"]
        self.n_sources = int(origin[-1])

    def without(self, test):
        """The same without some target rows."""
        part = copy.copy(self)
        kept = np.ones(len(self.origin), dtype=bool)
        kept[test] = False
        part.rows, part.origin = self.rows.take(kept), self.origin[kept]
        part.is_target, part.weights = self.is_target[kept], self.weights[kept]
        return part

    def start(self):
        """Weights of all rows before the first round."""
        return self.weights.copy()

    def beta(self):
        """The factor of a source row that is wrong: 1 / (1 + sqrt(2 ln n / N))."""
        n = max(self.weights[~self.is_target].sum(), 1.0)
        return 1.0 / (1.0 + np.sqrt(2.0 * np.log(n) / self.n_rounds))

    def fit(self, weights, number, subset=None):
        """A clone fitted with weights, scaled to the sum that its rows had at the start.

        So a penalty of the estimator means the same in every round.
        """
        used = weights > 0 if subset is None else subset & (weights > 0)
        rows = self.rows if used.all() else self.rows.take(used)
        own, first = weights[used], self.weights[used]
        model = clone(self.estimator)
        if self.random_states:
            model.set_params(**dict.fromkeys(self.random_states, self._seed(number)))
        return fit_weighted(model, Rows(rows.X, rows.y, own * (first.sum() / own.sum())))

    def _seed(self, number):
        return int(self.seeds[number % self.n_rounds])

    def predict(self, model):
        """Predictions of all rows."""
        return np.asarray(model.predict(self.rows.X))

    def shares(self, weights):
        """Share (n_sources,) of every source in the total weight."""
        sums = np.bincount(self.origin, weights, minlength=self.n_sources + 1)
        return sums[1:] / sums.sum()


TRADABOOST_TEXTS = {
    "tradaboost_attributes": """
    estimators_ : list of estimators
    estimator_weights_ : ndarray of shape (n_rounds,)
        Their votes, log(1 / beta).
    estimator_errors_ : ndarray of shape (n_rounds,)
        Their weighted errors.
    first_vote_ : int
        The first of `estimators_` that predicts.
    source_weights_ : ndarray of shape (n_sources,)
        Share of every source in the total weight of the rows at the end (of two stages: the mean
        over the steps that predict); the rest is the target's.
    """,
}


def complete_tradaboost_docstring(subject):
    """Fills in the texts above, then those that all estimators share."""
    return complete_docstring(share_text(**TRADABOOST_TEXTS)(subject))
