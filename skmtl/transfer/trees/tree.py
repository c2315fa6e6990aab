"""Transfer of single trees: estimators."""

from skmtl.documentation import complete_docstring
from skmtl.transfer.base import TransferClassifier, TransferRegressor
from skmtl.transfer.trees.base import ClassificationTrees, RegressionTrees


class SingleTreeTransfer:
    """Parameters and `fit` of both trees."""

    _bootstraps = False
    n_jobs = None  # nothing to share out

    def __init__(
        self,
        source=None,
        *,
        source_rows=None,
        source_estimator=None,
        method="leaves",
        prior_strength="auto",
        prior="auto",
        task_column=None,
        target_task=None,
        random_state=None,
    ):
        self.source = source
        self.source_rows = source_rows
        self.source_estimator = source_estimator
        self.method = method
        self.prior_strength = prior_strength
        self.prior = prior
        self.task_column = task_column
        self.target_task = target_task
        self.random_state = random_state

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Adapt the sources' trees to the rows of the target.

        Parameters
        ----------
        {target_fit_parameters}

        Returns
        -------
        self
        """
        return self._transfer_trees(self._read_transfer(X, y, tasks, sample_weight))


@complete_docstring
class TransferTreeRegressor(SingleTreeTransfer, RegressionTrees, TransferRegressor):
    """Tree for few rows of a target, from a fitted tree.

    The value of a leaf with target rows of total weight n and mean y_bar is shrunk to a prior, the
    source's value v_S of this leaf (``prior="leaf"``)

        (n y_bar + m v_S) / (n + m),

    or ``v_S + d`` with ``d = (n (y_bar - v_S) + m d_parent) / (n + m)`` along the path from the
    root (``prior="path"``). With several sources predictions are means over their
    trees.

    Parameters
    ----------
    {source}
    {source_rows}
    source_estimator : estimator, optional
        A tree of scikit-learn, cloned and fitted to the rows of every source. None: a tree
        of full depth.
    {tree_method}
    prior_strength : float or "auto", default="auto"
        m >= 0: the prior counts for as many rows. 0: the means of the target rows in all leaves
        that have some; ``numpy.inf``: the source as it is, whatever the method. "auto": the one of
        0.1, 1, 5, 20, 100 and infinity with the least squared error (of the labels'
        probabilities) of exact leave-one-out in the source's own leaves. A row of whole weight k
        is left out as one of k rows; if some weight is no whole number, rows are left out whole.
        Of more than 2000 distinct rows, 1000 to 2000 are left out, evenly spread.
    {tree_prior}
    {target_task}
    random_state : int, RandomState instance or None, default=None
        For "expand_reduce", and for ties of splits.

    Attributes
    ----------
    prior_strength_, prior_ : float, str
        As chosen; None without a source.
    {tree_source_weights}
    held_out_prediction_ : ndarray of shape (n_target_rows,) or None
        What the adapted tree tells of the target rows (those of positive weight), by
        leave-one-out; None if the structure changed.
    n_leaves_ : ndarray of shape (n_trees,)
        Leaves of all trees, those of the sources first.
    {source_attributes}

    Notes
    -----
    Missing values are allowed where the source allows them. Sources are only read. Without a
    source this is a tree of full depth of the target.

    References
    ----------
    {tree_references}

    See Also
    --------
    TransferForestRegressor : Forests, which predict better.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> from skmtl import TransferTreeRegressor
    >>> X, y = make_regression(200, 4, noise=5.0, random_state=0)
    >>> source = DecisionTreeRegressor(min_samples_leaf=5, random_state=0).fit(X[:150], y[:150])
    >>> model = TransferTreeRegressor(source).fit(X[150:170], y[150:170] + 100)
    >>> bool(model.score(X[170:], y[170:] + 100) > 0.3)
    True
    """


@complete_docstring
class TransferTreeClassifier(SingleTreeTransfer, ClassificationTrees, TransferClassifier):
    """Tree for few rows of a target, from a fitted tree.

    The value of a leaf with target rows of total weight n and mean y_bar is shrunk to a prior, the
    source's value v_S of this leaf (``prior="leaf"``)

        (n y_bar + m v_S) / (n + m),

    or ``v_S + d`` with ``d = (n (y_bar - v_S) + m d_parent) / (n + m)`` along the path from the
    root (``prior="path"``). Labels are vectors (0, ..., 1, ..., 0), values
    probabilities of all labels of sources and target. With several sources predictions are means
    over their trees.

    Parameters
    ----------
    {source}
    {source_rows}
    source_estimator : estimator, optional
        A tree of scikit-learn, cloned and fitted to the rows of every source. None: a tree
        of full depth.
    {tree_method}
    prior_strength : float or "auto", default="auto"
        m >= 0: the prior counts for as many rows. 0: the means of the target rows in all leaves
        that have some; ``numpy.inf``: the source as it is, whatever the method. "auto": the one of
        0.1, 1, 5, 20, 100 and infinity with the least squared error (of the labels'
        probabilities) of exact leave-one-out in the source's own leaves. A row of whole weight k
        is left out as one of k rows; if some weight is no whole number, rows are left out whole.
        Of more than 2000 distinct rows, 1000 to 2000 are left out, evenly spread.
    {tree_prior}
    {target_task}
    random_state : int, RandomState instance or None, default=None
        For "expand_reduce", and for ties of splits.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels of the sources and of the target.
    prior_strength_, prior_ : float, str
        As chosen; None without a source.
    {tree_source_weights}
    held_out_prediction_ : ndarray of shape (n_target_rows,),
        (n_target_rows, n_classes) or None
        What the adapted tree tells of the target rows (those of positive weight), by
        leave-one-out; None if the structure changed.
    n_leaves_ : ndarray of shape (n_trees,)
        Leaves of all trees, those of the sources first.
    {source_attributes}

    Notes
    -----
    Missing values are allowed where the source allows them. Sources are only read. Without a
    source this is a tree of full depth of the target.

    References
    ----------
    {tree_references}

    See Also
    --------
    TransferForestClassifier : Forests, which predict better.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skmtl import TransferTreeClassifier
    >>> X, y = make_classification(200, 4, flip_y=0.0, random_state=0)
    >>> source = DecisionTreeClassifier(min_samples_leaf=5, random_state=0).fit(X[:150], y[:150])
    >>> model = TransferTreeClassifier(source).fit(X[150:170], y[150:170])
    >>> bool(model.score(X[170:], y[170:]) > 0.7)
    True
    """
