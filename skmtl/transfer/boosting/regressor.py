"""Gradient boosting of numbers, continued on a target."""

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from skmtl.transfer.base import TransferRegressor
from skmtl.transfer.boosting.base import TransferBoosting, complete_boosting_docstring
from skmtl.transfer.boosting.losses import REGRESSION
from skmtl.transfer.boosting.sources import loss_of


@complete_boosting_docstring
class TransferBoostingRegressor(TransferBoosting, TransferRegressor):
    """Continue fitted boostings of sources on the rows of a target.

    The prediction is the inverse link of

        F(x) = w_0 c + sum_k w_k (F_k(x) + a_k + changed leaves of k) + new trees,

    with the raw predictions F_k of the sources, as they predict them. On the target rows, in this
    order: the shifts a_k minimise the loss (with a ridge); the weights w, on the simplex, that of
    the mixture with the target's own constant c (of every row, the constant of the others); the
    leaves of the trees of a source are refitted tree by tree,

        value <- value + (1 - decay) n / (n + leaf_prior) (learning_rate_k step - value),

    with the Newton step of the n target rows in the leaf at the raw prediction of the trees
    before; and new trees are added as in gradient boosting, as many as lower the loss of target
    rows left out. A leaf without target rows keeps its value. The first tree of a source, whose
    values hold its constant, is kept as well.

    Parameters
    ----------
    {source}
        Trees are known of `HistGradientBoostingRegressor`, `GradientBoostingRegressor`,
        `LGBMRegressor` and `XGBRegressor`; of any other only the predictions. A sparse
        table is made dense.
    {source_rows}
    source_estimator : estimator, optional
        Fitted to the rows of each source. None: a `HistGradientBoostingRegressor` with the loss.
    loss : {"auto", "squared_error", "absolute_error", "poisson"}, default="auto"
        "auto" is that of the sources, whose logarithmic links all continue as "poisson"; without
        any "squared_error". "poisson" has a logarithmic link and needs y >= 0.
    {boosting_parameters}
    {target_task}
    random_state : int, RandomState instance or None, default=0
        Of `subsample`, and of trees where two splits are equally good.

    Attributes
    ----------
    {boosting_attributes}
    loss_ : str
    {source_attributes}

    See Also
    --------
    TransferBoostingClassifier : The same for labels.
    TrAdaBoostRegressor : Boosting of the rows of sources and target.

    References
    ----------
    Friedman 2001. Greedy function approximation: a gradient boosting machine. Annals of
    Statistics 29.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import HistGradientBoostingRegressor
    >>> from skmtl import TransferBoostingRegressor
    >>> X = np.random.default_rng(0).normal(size=(530, 3))
    >>> y = np.sin(2 * X[:, 0]) + X[:, 1] * (np.arange(530) < 500) + 1.0 * (np.arange(530) >= 500)
    >>> source = HistGradientBoostingRegressor().fit(X[:500], y[:500])
    >>> model = TransferBoostingRegressor(source).fit(X[500:], y[500:])
    >>> model.predict(X[500:]).shape
    (30,)
    """

    _labels = None

    def __init__(
        self,
        source=None,
        *,
        source_rows=None,
        source_estimator=None,
        loss="auto",
        start="fitted",
        shift_prior=1.0,
        decay=0.0,
        leaf_prior=5.0,
        learning_rate=0.1,
        max_iter=100,
        max_depth=3,
        max_leaf_nodes=None,
        min_samples_leaf=5,
        l2_regularization=1.0,
        subsample=1.0,
        cv=5,
        n_iter_no_change=20,
        task_column=None,
        target_task=None,
        random_state=0,
    ):
        self.source = source
        self.source_rows = source_rows
        self.source_estimator = source_estimator
        self.loss = loss
        self.start = start
        self.shift_prior = shift_prior
        self.decay = decay
        self.leaf_prior = leaf_prior
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.max_depth = max_depth
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.subsample = subsample
        self.cv = cv
        self.n_iter_no_change = n_iter_no_change
        self.task_column = task_column
        self.target_task = target_task
        self.random_state = random_state

    def _check_parameters(self):
        super()._check_parameters()
        if self.loss not in ("auto", *REGRESSION):
            raise ValueError(f"loss={self.loss!r} is not one of auto, {', '.join(REGRESSION)}.")

    def _default_source(self):
        loss = "squared_error" if self.loss == "auto" else self.loss
        return HistGradientBoostingRegressor(loss=loss, random_state=0)

    def _choose_loss(self, target, adapters):
        known = loss_of(adapters) if self.loss == "auto" else self.loss
        self.loss_ = known or "squared_error"
        self._loss = REGRESSION[self.loss_]
        if self.loss_ == "poisson" and (target.y < 0).any():
            raise ValueError(f"loss='poisson' needs y >= 0, but y holds {target.y.min():g}.")

    def _link_of(self, adapter):
        return self.loss_, self._loss.from_raw

    def _encode(self, y):
        return np.asarray(y, dtype=np.float64)[:, None]

    def _predict_target(self, X):
        return self._loss.from_raw(self._raw(X))
