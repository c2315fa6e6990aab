"""Transfer of forests: estimators."""

from skmtl.base import check_number
from skmtl.documentation import complete_docstring
from skmtl.transfer.base import TransferClassifier, TransferRegressor
from skmtl.transfer.trees.base import ClassificationTrees, RegressionTrees

SHARES = ("auto", "count")


class ForestTransfer:
    """Parameters and `fit` of both forests."""

    def __init__(
        self,
        source=None,
        *,
        source_rows=None,
        source_estimator=None,
        method="leaves",
        prior_strength="auto",
        prior="auto",
        n_new_trees=100,
        new_tree_share="auto",
        task_column=None,
        target_task=None,
        n_jobs=None,
        random_state=None,
    ):
        self.source = source
        self.source_rows = source_rows
        self.source_estimator = source_estimator
        self.method = method
        self.prior_strength = prior_strength
        self.prior = prior
        self.n_new_trees = n_new_trees
        self.new_tree_share = new_tree_share
        self.task_column = task_column
        self.target_task = target_task
        self.n_jobs = n_jobs
        self.random_state = random_state

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Adapt the sources' trees to the rows of the target, and grow new ones.

        Parameters
        ----------
        {target_fit_parameters}

        Returns
        -------
        self
        """
        transfer = self._read_transfer(X, y, tasks, sample_weight)
        self._check_new_trees()
        return self._transfer_trees(transfer)

    def _check_new_trees(self):
        check_number(self.n_new_trees, "n_new_trees", integer=True)
        share = self.new_tree_share
        if isinstance(share, str):
            if share not in SHARES:
                raise ValueError(f"new_tree_share={share!r} is not one of {', '.join(SHARES)}.")
            return
        check_number(share, "new_tree_share")
        if share > 1:
            raise ValueError(f"new_tree_share={share!r} must be between 0 and 1.")


@complete_docstring
class TransferForestRegressor(ForestTransfer, RegressionTrees, TransferRegressor):
    """Forest for few rows of a target, from the trees of fitted forests.

    The value of a leaf with target rows of total weight n and mean y_bar is shrunk to a prior, the
    source's value v_S of this leaf (``prior="leaf"``)

        (n y_bar + m v_S) / (n + m),

    or ``v_S + d`` with ``d = (n (y_bar - v_S) + m d_parent) / (n + m)`` along the path from the
    root (``prior="path"``). Predictions are means over the trees of all sources, and over
    new trees grown on the target.

    Parameters
    ----------
    {source}
    {source_rows}
    source_estimator : estimator, optional
        A tree or forest of scikit-learn, cloned and fitted to the rows of every source. None: 100
        trees as the new ones below.
    {tree_method}
    prior_strength : float or "auto", default="auto"
        m >= 0: the prior counts for as many rows. 0: the means of the target rows in all leaves
        that have some; ``numpy.inf``: the source as it is, whatever the method. "auto": the one of
        0.1, 1, 5, 20, 100 and infinity with the least squared error (of the labels'
        probabilities) of exact leave-one-out in the source's own leaves. A row of whole weight k
        is left out as one of k rows; if some weight is no whole number, rows are left out whole.
        Of more than 2000 distinct rows, 1000 to 2000 are left out, evenly spread; and a
        part of the trees is asked if these rows times trees are 400000 or more.
    {tree_prior}
    n_new_trees : int, default=100
        Trees of full depth grown on bootstrap samples of the target rows, with a third of the
        features at every split (for labels the square root of their number).
    new_tree_share : "auto", "count" or float, default="auto"
        Share of the new trees in the prediction: by the error on rows that neither side had (10
        rows count for the sources alone), by their number, or as given (0 to 1).
    {target_task}
    n_jobs : int, optional
        Threads; results do not depend on it.
    random_state : int, RandomState instance or None, default=None

    Attributes
    ----------
    prior_strength_, prior_ : float, str
        As chosen; None without a source.
    {tree_source_weights}
    held_out_prediction_ : ndarray of shape (n_target_rows,) or None
        What the sources' adapted trees tell of the target rows (those of positive weight): by
        leave-one-out ("leaves"), or of the trees without the row in their bootstrap sample.
    n_leaves_ : ndarray of shape (n_trees,)
        Leaves of all trees, those of the sources first.
    {source_attributes}
    new_tree_share_ : float

    Notes
    -----
    Missing values are allowed where the source allows them. Sources are only read. Without a
    source this is a random forest of the target, whose bootstrap takes
    rows of weight k for k rows.

    References
    ----------
    {tree_references}

    See Also
    --------
    TransferTreeRegressor : Single trees.
    TransferBoostingRegressor : Boosted trees.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from skmtl import TransferForestRegressor
    >>> X, y = make_regression(200, 4, noise=5.0, random_state=0)
    >>> source = RandomForestRegressor(50, random_state=0).fit(X[:150], y[:150])
    >>> model = TransferForestRegressor(source, random_state=0).fit(X[150:170], y[150:170] + 100)
    >>> bool(model.score(X[170:], y[170:] + 100) > 0.5)
    True
    """


@complete_docstring
class TransferForestClassifier(ForestTransfer, ClassificationTrees, TransferClassifier):
    """Forest for few rows of a target, from the trees of fitted forests.

    The value of a leaf with target rows of total weight n and mean y_bar is shrunk to a prior, the
    source's value v_S of this leaf (``prior="leaf"``)

        (n y_bar + m v_S) / (n + m),

    or ``v_S + d`` with ``d = (n (y_bar - v_S) + m d_parent) / (n + m)`` along the path from the
    root (``prior="path"``). Labels are vectors (0, ..., 1, ..., 0), values
    probabilities of all labels of sources and target. Predictions are means over the trees of all
    sources, and over new trees grown on the target.

    Parameters
    ----------
    {source}
    {source_rows}
    source_estimator : estimator, optional
        A tree or forest of scikit-learn, cloned and fitted to the rows of every source. None: 100
        trees as the new ones below.
    {tree_method}
    prior_strength : float or "auto", default="auto"
        m >= 0: the prior counts for as many rows. 0: the means of the target rows in all leaves
        that have some; ``numpy.inf``: the source as it is, whatever the method. "auto": the one of
        0.1, 1, 5, 20, 100 and infinity with the least squared error (of the labels'
        probabilities) of exact leave-one-out in the source's own leaves. A row of whole weight k
        is left out as one of k rows; if some weight is no whole number, rows are left out whole.
        Of more than 2000 distinct rows, 1000 to 2000 are left out, evenly spread; and a
        part of the trees is asked if these rows times trees are 400000 or more.
    {tree_prior}
    n_new_trees : int, default=100
        Trees of full depth grown on bootstrap samples of the target rows, with a third of the
        features at every split (for labels the square root of their number).
    new_tree_share : "auto", "count" or float, default="auto"
        Share of the new trees in the prediction: by the error on rows that neither side had (10
        rows count for the sources alone), by their number, or as given (0 to 1).
    {target_task}
    n_jobs : int, optional
        Threads; results do not depend on it.
    random_state : int, RandomState instance or None, default=None

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels of the sources and of the target.
    prior_strength_, prior_ : float, str
        As chosen; None without a source.
    {tree_source_weights}
    held_out_prediction_ : ndarray of shape (n_target_rows,),
        (n_target_rows, n_classes) or None
        What the sources' adapted trees tell of the target rows (those of positive weight): by
        leave-one-out ("leaves"), or of the trees without the row in their bootstrap sample.
    n_leaves_ : ndarray of shape (n_trees,)
        Leaves of all trees, those of the sources first.
    {source_attributes}
    new_tree_share_ : float

    Notes
    -----
    Missing values are allowed where the source allows them. Sources are only read. Without a
    source this is a random forest of the target, whose bootstrap takes
    rows of weight k for k rows.

    References
    ----------
    {tree_references}

    See Also
    --------
    TransferTreeClassifier : Single trees.
    TransferBoostingClassifier : Boosted trees.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skmtl import TransferForestClassifier
    >>> X, y = make_classification(200, 4, flip_y=0.0, random_state=0)
    >>> source = RandomForestClassifier(50, random_state=0).fit(X[:150], y[:150])
    >>> model = TransferForestClassifier(source, random_state=0).fit(X[150:170], y[150:170])
    >>> bool(model.score(X[170:], y[170:]) > 0.8)
    True
    """
