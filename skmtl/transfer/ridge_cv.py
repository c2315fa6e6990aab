"""Transfer ridge with the penalty and the sources weighed by rows left out."""

import numpy as np

from skmtl.documentation import complete_docstring
from skmtl.linear_model.ridge import check_grid
from skmtl.solvers.transfer_ridge import (
    TransferPath,
    candidate_weights,
    log_odds_of_errors,
    source_weights,
)
from skmtl.threads import suited_threads
from skmtl.transfer.ridge import (
    LEARN,
    Prior,
    TransferRidge,
    check_side,
    make_design,
    read_source_weights,
)
from skmtl.transfer.target_splits import read_target_splits

SELECTIONS = ("average", "best")


@complete_docstring
class TransferRidgeCV(TransferRidge):
    """Transfer ridge with its penalty, and whether to transfer at all, chosen by leave-one-out.

    The candidates are, for every alpha, the minimum over d and b of ::

        sum_i v_i (y_i - sum_k a_k f_k(x_i) - x_i'd - b)^2 + alpha ||d||^2

    with the weights a (a >= 0, sum(a) <= 1) of least error for that alpha, and the best ridge of
    the target alone (a = 0). All errors are those of rows left out, exact and from one
    decomposition. The model is the mean of the candidates with weights that fall with their mean
    squared errors as mse^(-n / 4) (Leung, Barron 2006), less for those that transfer: sources that
    only seem to help get about half of the weight. Without sources: ridge with the best alpha.

    Parameters
    ----------
    {source}
    {source_rows}
    source_estimator : estimator, default=None
        Fitted to the rows of each source. None: `sklearn.linear_model.RidgeCV` with 19 penalties
        from 1e-3 to 1e6.
    source_weights : "learn", float, dict or array-like of shape (n_sources,), default="learn"
        The weights a for every alpha; given ones only have to be >= 0.
    alphas : array-like of shape (n_alphas,), default=None
        Penalties to try. None: 49 from 1e-6 to 1e6 times the median squared norm of a
        (centred) feature.
    cv : int, splitter or iterable of (train, test), default=None
        None: leave-one-out. Otherwise folds, where rows are not independent of each other: a
        number of contiguous folds of the target's rows, a splitter of these rows (`TargetKFold`:
        of all rows of X), or pairs of row numbers of X, of which those of the target count.
    selection : {"average", "best"}, default="average"
        The mean of the candidates, or the one of least error.
    fit_intercept : bool, default=True
        False: no intercept but those of the sources.
    {target_task}

    Attributes
    ----------
    alpha_ : float
        Of the candidate with the least error.
    target_only_ : float
        Weight of the model of the target alone, from 0 to 1.
    candidate_weights_ : ndarray of shape (2, n_alphas)
        Weights of the candidates, the target alone in row 0. They sum to one.
    mse_path_ : ndarray of shape (2, n_alphas)
        Weighted mean squared errors of the rows left out, the target alone in row 0.
    alphas_ : ndarray of shape (n_alphas,)
        The penalties tried, rising.
    best_score_ : float
        Minus the least of `mse_path_`.
    coef_ : ndarray of shape (n_features,)
        Of the whole model, sources included, if those with a weight are linear; else the
        correction d, and `predict` adds the predictions of the sources.
    intercept_ : float
    adds_sources_ : bool
        Whether `predict` asks the sources, which the fitted model then holds by reference.
    source_weights_ : ndarray of shape (n_sources,)
        The weights a of the sources' predictions, mean over the candidates. 0: the target only.
    {source_attributes}

    See Also
    --------
    TransferRidge : One alpha.

    References
    ----------
    Kuzborskij, Orabona 2013, *Stability and hypothesis transfer learning*, ICML. Leung, Barron
    2006, *Information theory and mixing least-squares regressions*, IEEE Transactions on
    Information Theory 52.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from skmtl import TransferRidgeCV, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=2, n_samples=30, random_state=0)
    >>> source = Ridge().fit(X[:30, 1:], y[:30])
    >>> TransferRidgeCV(source).fit(X[30:, 1:], y[30:]).candidate_weights_.shape
    (2, 49)
    """

    def __init__(
        self,
        source=None,
        *,
        source_rows=None,
        source_estimator=None,
        source_weights=LEARN,
        alphas=None,
        cv=None,
        selection="average",
        fit_intercept=True,
        task_column=None,
        target_task=None,
    ):
        self.source = source
        self.source_rows = source_rows
        self.source_estimator = source_estimator
        self.source_weights = source_weights
        self.alphas = alphas
        self.cv = cv
        self.selection = selection
        self.fit_intercept = fit_intercept
        self.task_column = task_column
        self.target_task = target_task

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Judge the candidates on rows left out and average them.

        Parameters
        ----------
        {target_fit_parameters}

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For input that is not finite, parameters out of their range, and sparse X with more
            than 10000 rows and features.
        """
        transfer = self._read_transfer(X, y, tasks, sample_weight)
        grid = check_grid(self.alphas, "alphas", default=None)
        given = read_source_weights(self.source_weights, transfer.names)
        if self.selection not in SELECTIONS:
            raise ValueError(f"selection={self.selection!r} is not one of {', '.join(SELECTIONS)}.")
        splits = None
        if self.cv is not None:
            splits = read_target_splits(self, self.cv, X, y, tasks, sample_weight)
        prior = Prior(self._source_models(transfer), transfer.target.X)
        design = make_design(transfer.target, prior.predictions, self.fit_intercept)
        check_side(design, self)
        with suited_threads(transfer.target):
            path = TransferPath(design)
            self.alphas_ = automatic_alphas(design) if grid is None else grid
            left_out = path.leave_one_out_residuals
            if splits is not None:
                left_out = self._residuals_of_folds(splits, transfer.target, prior.predictions)
            source_weights = self._judge(left_out, given, transfer.target, splits)
            return self._average(path, prior, source_weights)

    def _residuals_of_folds(self, splits, rows, predictions):
        """A function of alpha: residuals of the held-out rows of all folds."""
        folds = []
        for train, test in splits:
            design = make_design(rows.take(train), predictions[train], self.fit_intercept)
            held_out = rows.take(test)
            Y = np.column_stack([held_out.y, predictions[test]])
            folds.append((TransferPath(design), held_out.X, Y, held_out.weights_or_ones()))
        return lambda alpha: np.vstack(
            [path.held_out_residuals(alpha, *held_out) for path, *held_out in folds]
        )

    def _judge(self, left_out, given, rows, splits):
        """Weights of the sources for every alpha; sets the errors and weights of candidates."""
        source_weights_of, errors = [], np.empty((2, len(self.alphas_)))
        for column, alpha in enumerate(self.alphas_):
            residuals = left_out(alpha)
            weights = source_weights(residuals) if given is None else given
            source_weights_of.append(weights)
            errors[0, column] = residuals[:, 0] @ residuals[:, 0]
            mixed = residuals @ np.append(1.0, -weights)
            errors[1, column] = mixed @ mixed
        tested = np.arange(len(rows)) if splits is None else np.concatenate([t for _, t in splits])
        self.mse_path_ = errors / rows.weights_or_ones()[tested].sum()
        row, column = np.unravel_index(np.argmin(errors), errors.shape)
        self.alpha_, self.best_score_ = float(self.alphas_[column]), -float(self.mse_path_.min())
        self.candidate_weights_ = np.zeros(errors.shape)
        if self.source_names_ and self.selection == "average":
            self.candidate_weights_ = candidate_weights(log_odds_of_errors(errors, len(tested)))
        else:
            self.candidate_weights_[row, column] = 1.0
        self.target_only_ = float(self.candidate_weights_[0].sum())
        return np.array(source_weights_of)

    def _average(self, path, prior, source_weights):
        """Keep the mean of the candidates, for the weights (n_alphas, n_sources) of sources."""
        correction = np.zeros(path.design.X.shape[1])
        for alpha, alone, transferred, weights in zip(
            self.alphas_, *self.candidate_weights_, source_weights, strict=True
        ):
            if alone or transferred:
                mixing = np.append(alone + transferred, -transferred * weights)
                correction += path.coef(alpha) @ mixing
        weights = self.candidate_weights_[1] @ source_weights
        return self._store(path.design, prior, weights, correction)


def automatic_alphas(design):
    """Penalties around the scale of the features: the median of their squared norms."""
    squares = design.squared_norms()
    squares = squares[squares > 0]
    return (np.median(squares) if len(squares) else 1.0) * np.logspace(-6, 6, 49)
