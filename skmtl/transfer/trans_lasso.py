"""Trans-Lasso: nested candidate sets of sources, weighed by held-out rows of the target."""

import numpy as np

from skmtl.base import check_number
from skmtl.documentation import complete_docstring, share_text
from skmtl.losses import SquaredLoss
from skmtl.transfer.base import TransferRegressor
from skmtl.transfer.detection import aggregate, dissimilarities
from skmtl.transfer.two_step import fit_two_step, search_pooled
from skmtl.transfer.two_step_base import TEXTS, TwoStepTransfer

AGGREGATIONS = ("q", "convex")


@share_text(**TEXTS)
@complete_docstring
class TransLasso(TwoStepTransfer, TransferRegressor):
    """Trans-Lasso: lassos pooled with nested sets of sources, each corrected, then averaged.

    For each candidate set of sources, minimises over w and an intercept per data set k of the
    target (0) and the set ::

        1 / (2 N) * sum_k sum_i v_ki (y_ki - x_ki' w - b_k)^2  +  alpha_pooled * ||w||_1

    and over d and an intercept, on the rows of the target ::

        1 / (2 N_0) * sum_i v_0i (y_0i - x_0i' (w + d) - b)^2  +  alpha_offset * ||d||_1

    with v the sample weights and N, N_0 their sums. The candidates are the empty set, the most
    similar source, the two most similar ones, ... in the order of the distance of their marginal
    statistics X_k' y_k / n_k from those of the target, over the features that differ most. The
    models w + d are averaged with weights theta >= 0 of sum 1 that are chosen by left-out rows of
    the target, where the average so never is worse than the lasso of the target alone. All
    penalties are chosen by cross-validation.

    Parameters
    ----------
    {source_rows}
    useful : {"aggregate", "all"} or list, default="aggregate"
        The average over candidate sets, or the model of one set: all sources, or those of a list
        of names (the "oracle").
    aggregation : {"q", "convex"}, default="q"
        "convex" minimises the error of the average; "q" adds the average of the errors, so that
        fewer models have a weight.
    n_screened : int, optional
        Features that tell how similar a source is; a third of the target's rows if None.
    {path}
    {limits}
    {target_task}
    {tail}

    Attributes
    ----------
    source_weights_ : ndarray of shape (n_sources,)
        Sum of the weights of the candidate sets that a source is in, from 0 to 1.
    useful_sources_ : list
        Names of the sources with a weight above 0.5.
    candidate_sets_ : list of list
        Names of the sources of every candidate set.
    candidate_weights_, candidate_losses_ : ndarray of shape (n_candidates,)
        Their weights theta, and mean squared errors of left-out rows of the target.
    dissimilarity_ : ndarray of shape (n_sources,)
    gain_ : float
        Relative decrease of the mean squared error of left-out rows against the lasso of the
        target alone.
    coef_ : ndarray of shape (n_features,)
        `coef_pooled_` plus `coef_offset_`.
    intercept_ : float
    coef_pooled_, coef_offset_ : ndarray of shape (n_features,)
        The pooled lassos and their corrections, averaged.
    alphas_pooled_, alphas_offset_ : ndarray of shape (n_candidates,)
        Their penalties; the latter is NaN for the empty set.
    dual_gap_ : float
        The objectives are above their optima by at most this share of the objective of zero
        coefficients.
    n_iter_ : int
    {source_attributes}

    See Also
    --------
    TransGLMRegressor : Detects sources one by one; counts as well.

    Notes
    -----
    The paper holds one part of the target's rows out for the weights. Here each row is held out
    once, by the folds of `cv`, and the models that are averaged are fitted to all rows.

    References
    ----------
    Li, Cai, Li 2022, *Transfer learning for high-dimensional linear regression*, Journal of the
    Royal Statistical Society B 84. Dai, Rigollet, Zhang 2012, *Deviation optimal learning using
    greedy Q-aggregation*, Annals of Statistics 40.

    Examples
    --------
    >>> from skmtl import TransLasso, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=3, structure="common", random_state=0)
    >>> model = TransLasso(task_column=0, target_task=2).fit(X, y)
    >>> model.source_weights_.shape
    (2,)
    """

    def __init__(
        self,
        source_rows=None,
        *,
        useful="aggregate",
        aggregation="q",
        n_screened=None,
        alphas=20,
        cv=5,
        tol=1e-3,
        max_iter=1000,
        task_column=None,
        target_task=None,
        n_jobs=None,
        random_state=0,
    ):
        self.source_rows = source_rows
        self.useful = useful
        self.aggregation = aggregation
        self.n_screened = n_screened
        self.alphas = alphas
        self.cv = cv
        self.tol = tol
        self.max_iter = max_iter
        self.task_column = task_column
        self.target_task = target_task
        self.n_jobs = n_jobs
        self.random_state = random_state

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Fit the lassos of all candidate sets and average them.

        Parameters
        ----------
        {target_fit_parameters}

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For input that is not finite, and parameters out of their range.
        """
        transfer = self._read_transfer(X, y, tasks, sample_weight)
        named = self._check_parameters(transfer)
        loss, folds = SquaredLoss(), self._target_folds(transfer, X, y, tasks, sample_weight)
        settings = self._settings(loss, folds.max() + 1)
        samples = self._samples(transfer, folds, loss, settings.n_folds)
        sets = self._candidates(transfer, samples, named)
        searches = search_pooled(samples, sets, settings)
        fits = [fit_two_step(samples, search, settings) for search in searches]
        self.candidate_weights_ = theta = self._weigh(samples[0], fits, named)
        self.candidate_sets_ = [[transfer.names[k - 1] for k in members[1:]] for members in sets]
        inside = np.array([np.isin(np.arange(1, len(samples)), members) for members in sets])
        self.source_weights_ = theta @ inside.astype(np.float64)
        pairs = zip(transfer.names, self.source_weights_, strict=True)
        self.useful_sources_ = [name for name, weight in pairs if weight > 0.5]
        self.coef_pooled_ = theta @ np.array([fit.coef_pooled for fit in fits])
        self.coef_offset_ = theta @ np.array([fit.coef_offset for fit in fits])
        self.alphas_pooled_ = np.array([fit.alpha_pooled for fit in fits])
        self.alphas_offset_ = np.array([fit.alpha_offset for fit in fits])
        intercept = theta @ np.array([fit.intercept for fit in fits])
        self._keep(self.coef_pooled_ + self.coef_offset_, intercept, fits)
        return self

    def _check_parameters(self, transfer):
        self._check_path_parameters()
        if self.n_screened is not None:
            check_number(self.n_screened, "n_screened", low=1, integer=True)
        if self.aggregation not in AGGREGATIONS:
            names = ", ".join(AGGREGATIONS)
            raise ValueError(f"aggregation={self.aggregation!r} is not one of {names}.")
        return self._check_useful(transfer, "aggregate", "all")

    def _candidates(self, transfer, samples, named):
        """Lists of members: the target alone, then with the named or the most similar sources."""
        n_rows, n_features = samples[0].X.shape
        n_screened = max(1, n_rows // 3) if self.n_screened is None else self.n_screened
        self.dissimilarity_ = dissimilarities(samples, min(n_screened, n_features))
        if named is not None:
            members = [1 + transfer.names.index(name) for name in named]
            return [[0], [0, *members]] if members else [[0]]
        order = (1 + np.argsort(self.dissimilarity_, kind="stable")).tolist()
        return [[0, *order[:size]] for size in range(len(samples))]

    def _weigh(self, target, fits, named):
        """Weights of the candidates, by the left-out rows of the target."""
        rows = np.flatnonzero(target.folds >= 0)
        predicted = np.column_stack([fit.held_out[rows] for fit in fits])
        y, weights = target.y[rows], target.weights[rows] / target.weights[rows].sum()
        self.candidate_losses_ = weights @ (predicted - y[:, None]) ** 2
        theta = np.append(np.zeros(len(fits) - 1), 1.0)
        if named is None:
            theta = aggregate(y, predicted, weights, kind=self.aggregation)
        alone, together = self.candidate_losses_[0], weights @ (predicted @ theta - y) ** 2
        self.gain_ = float(1.0 - together / alone) if alone > 0 else 0.0
        return theta

    def _predict_target(self, X):
        return self._linear(X)
