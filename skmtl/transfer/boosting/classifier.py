"""Gradient boosting of labels, continued on a target."""

from sklearn.ensemble import HistGradientBoostingClassifier

from skmtl.transfer.base import TransferClassifier
from skmtl.transfer.boosting.base import TransferBoosting, complete_boosting_docstring
from skmtl.transfer.boosting.losses import BINOMIAL, MULTINOMIAL
from skmtl.transfer.boosting.start import one_hot
from skmtl.transfer.sources import union_of_classes


@complete_boosting_docstring
class TransferBoostingClassifier(TransferBoosting, TransferClassifier):
    """Continue fitted boostings of sources on the labelled rows of a target.

    As `TransferBoostingRegressor`, with the negative log-likelihood as loss and, as raw
    predictions, log-odds (two labels) or scores whose softmax are the probabilities:

        F(x) = w_0 c + sum_k w_k (F_k(x) + a_k + changed leaves of k) + new trees.

    The labels are those of the sources and of the target. One that a source lacks starts at its
    share of the target rows (``start="source"``: one in a million); one that the target lacks
    keeps a probability. With sources, c counts a row of the target that has all labels equally.

    Parameters
    ----------
    {source}
        Trees are known of `HistGradientBoostingClassifier`, `GradientBoostingClassifier`,
        `LGBMClassifier` and `XGBClassifier`; of any other only the
        probabilities. A sparse table is made dense.
    {source_rows}
    source_estimator : estimator, optional
        Fitted to the rows of each source. None: a `HistGradientBoostingClassifier`.
    {boosting_parameters}
    {target_task}
    random_state : int, RandomState instance or None, default=0
        Of `subsample`, and of trees where two splits are equally good.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    {boosting_attributes}
    {source_attributes}

    See Also
    --------
    TransferBoostingRegressor : The same for numbers.
    TrAdaBoostClassifier : Boosting of the rows of sources and target.

    References
    ----------
    Friedman 2001. Greedy function approximation: a gradient boosting machine. Annals of
    Statistics 29.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import HistGradientBoostingClassifier
    >>> from skmtl import TransferBoostingClassifier
    >>> X = np.random.default_rng(0).normal(size=(540, 3))
    >>> y = X[:, 0] ** 2 + X[:, 1] > 1 + (np.arange(540) >= 500)
    >>> source = HistGradientBoostingClassifier().fit(X[:500], y[:500])
    >>> model = TransferBoostingClassifier(source).fit(X[500:], y[500:])
    >>> model.predict_proba(X[500:]).shape
    (40, 2)
    """

    def __init__(
        self,
        source=None,
        *,
        source_rows=None,
        source_estimator=None,
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

    def _default_source(self):
        return HistGradientBoostingClassifier(random_state=0)

    def _choose_loss(self, target, adapters):
        self.classes_ = union_of_classes(target.y, [adapter.source for adapter in adapters])
        self._loss = BINOMIAL if len(self.classes_) == 2 else MULTINOMIAL

    @property
    def _labels(self):
        return self.classes_

    def _link_of(self, adapter):
        return "log_loss", (BINOMIAL if adapter.n_columns == 1 else MULTINOMIAL).from_raw

    def _encode(self, y):
        return one_hot(y, self.classes_)

    def _target_proba(self, X):
        return self._loss.from_raw(self._raw(X))
