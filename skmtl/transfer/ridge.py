"""Ridge towards a weighted mean of sources."""

from copy import copy

import numpy as np
from scipy import sparse
from sklearn.linear_model import RidgeCV

from skmtl.base import check_number
from skmtl.design import Design
from skmtl.documentation import complete_docstring
from skmtl.solvers.closed_form import LARGEST_DENSE, ridge_coef
from skmtl.solvers.transfer_ridge import TransferPath, source_weights
from skmtl.task_data import Block
from skmtl.threads import suited_threads
from skmtl.transfer.base import TransferRegressor

LEARN = "learn"
SOURCE_ALPHAS = np.logspace(-3, 6, 19)


@complete_docstring
class TransferRidge(TransferRegressor):
    """Ridge that is pulled towards the predictions of sources, not towards zero.

    Minimises over the correction d (n_features,) and the intercept b ::

        sum_i v_i (y_i - sum_k a_k f_k(x_i) - x_i'd - b)^2 + alpha ||d||^2

    with the predictions f_k of the sources and their weights a: a >= 0, sum(a) <= 1. A source is
    any fitted regressor. If those used are linear, f_k(x) = x'w_k + b_k, then this is the ridge
    of w = d + sum_k a_k w_k with the penalty alpha ||w - sum_k a_k w_k||^2.

    With ``source_weights="learn"`` the weights have the least squared error of target rows that
    are left out, one by one, in closed form: that error is quadratic in them. All 0 is the target
    alone. `TransferRidgeCV` chooses alpha too, and guards against sources that only seem to help.

    Parameters
    ----------
    {source}
    {source_rows}
    source_estimator : estimator, default=None
        Fitted to the rows of each source. None: `sklearn.linear_model.RidgeCV` with 19 penalties
        from 1e-3 to 1e6.
    source_weights : "learn", float, dict or array-like of shape (n_sources,), default="learn"
        The weights a; given ones only have to be >= 0.
    alpha : float, default=1.0
        0: no penalty, so that (linear) sources make no difference if there are more rows than
        features. Very large: the mean of the sources, with the target's own intercept.
    fit_intercept : bool, default=True
        False: no intercept but those of the sources.
    {target_task}

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Of the whole model, sources included, if those with a weight are linear; else the
        correction d, and `predict` adds the predictions of the sources.
    intercept_ : float
    adds_sources_ : bool
        Whether `predict` asks the sources, which the fitted model then holds by reference.
    source_weights_ : ndarray of shape (n_sources,)
        The weights a of the sources' predictions. 0: the target only.
    {source_attributes}

    See Also
    --------
    TransferRidgeCV : The penalty chosen by leave-one-out.
    TransferLasso : Sparse differences from linear sources.
    TransferLogisticRegression : For labels.

    References
    ----------
    Chelba, Acero 2004, *Adaptation of maximum entropy capitalizer: Little data can help a lot*,
    EMNLP. Kuzborskij, Orabona 2013, *Stability and hypothesis transfer learning*, ICML.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from skmtl import TransferRidge, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=2, n_samples=30, random_state=0)
    >>> source = Ridge().fit(X[:30, 1:], y[:30])
    >>> TransferRidge(source, alpha=10.0).fit(X[30:, 1:], y[30:]).coef_.shape
    (20,)
    """

    def __init__(
        self,
        source=None,
        *,
        source_rows=None,
        source_estimator=None,
        source_weights=LEARN,
        alpha=1.0,
        fit_intercept=True,
        task_column=None,
        target_task=None,
    ):
        self.source = source
        self.source_rows = source_rows
        self.source_estimator = source_estimator
        self.source_weights = source_weights
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.task_column = task_column
        self.target_task = target_task

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Weigh the sources and fit the correction.

        Parameters
        ----------
        {target_fit_parameters}

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For input that is not finite, parameters out of their range, and weights to be learned
            from sparse X with more than 10000 rows and features.
        """
        transfer = self._read_transfer(X, y, tasks, sample_weight)
        check_number(self.alpha, "alpha")
        given = read_source_weights(self.source_weights, transfer.names)
        prior = Prior(self._source_models(transfer), transfer.target.X)
        design = make_design(transfer.target, prior.predictions, self.fit_intercept)
        with suited_threads(transfer.target):
            weights = self._learn(design) if given is None else given
            alphas = np.full(design.Y.shape[1], float(self.alpha))
            coef = ridge_coef(design, alphas)
        return self._store(design, prior, weights, coef @ np.append(1.0, -weights))

    def _source_models(self, transfer):
        default = RidgeCV(alphas=SOURCE_ALPHAS)
        estimator = default if self.source_estimator is None else self.source_estimator
        return self._fit_sources(transfer, estimator)

    def _learn(self, design):
        if design.Y.shape[1] == 1:
            return np.zeros(0)
        check_side(design, self)
        return source_weights(TransferPath(design).leave_one_out_residuals(float(self.alpha)))

    def _store(self, design, prior, weights, correction):
        """Keep a fit; the correction d is that for the weights of the sources."""
        shift = design.y_mean @ np.append(1.0, -weights) - design.x_mean @ correction
        coef, intercept = prior.linear_form(weights)
        self.adds_sources_ = coef is None
        self._added = prior.used(weights) if self.adds_sources_ else []
        self.coef_ = correction if self.adds_sources_ else correction + coef
        self.intercept_ = float(shift if self.adds_sources_ else shift + intercept)
        self.source_weights_ = weights
        check_finite(self)
        return self

    def _predict_target(self, X):
        predicted = np.asarray(X @ self.coef_) + self.intercept_
        for weight, model in self._added:
            predicted = predicted + weight * model.predict(X)
        return predicted


class Prior:
    """Predictions of sources for rows of the target, and their linear form where there is one.

    Parameters
    ----------
    models : list of SourceModel
    X : ndarray or sparse matrix of shape (n_rows, n_features)

    Attributes
    ----------
    predictions : ndarray of shape (n_rows, n_sources)
    forms : list of (coef, intercept) or None
        One per source.
    """

    def __init__(self, models, X):
        self.models = models
        self.n_features = X.shape[1]
        self.forms = [model.linear(X) for model in models]
        self.predictions = np.empty((X.shape[0], len(models)))
        for k, (model, form) in enumerate(zip(models, self.forms, strict=True)):
            if form is None or np.ndim(form[0]) > 1:  # predict rejects several outputs
                told = model.predict(X)
            else:
                told = np.asarray(X @ form[0]) + form[1]
            if not np.isfinite(told).all():
                raise ValueError(f"{model.label} predicts a number that is not finite.")
            self.predictions[:, k] = told

    def take(self, rows):
        """The same sources for some of the rows."""
        part = copy(self)
        part.predictions = self.predictions[rows]
        return part

    def used(self, weights):
        """Pairs (weight, SourceModel) of the sources that have a weight."""
        return [(w, model) for w, model in zip(weights, self.models, strict=True) if w]

    def linear_form(self, weights):
        """Weighted coefficients and intercept; (None, None) if a source in use is not linear."""
        coef, intercept = np.zeros(self.n_features), 0.0
        for weight, form in zip(weights, self.forms, strict=True):
            if weight:
                if form is None:
                    return None, None
                coef, intercept = coef + weight * form[0], intercept + weight * form[1]
        return coef, intercept


def make_design(rows, predictions, fit_intercept):
    """The weighted, centred design of the target and the predictions of sources."""
    X = sparse.csr_array(rows.X) if sparse.issparse(rows.X) else rows.X
    Y = np.column_stack([rows.y, predictions])
    free = np.zeros(X.shape[1], dtype=bool)
    block = Block(np.arange(Y.shape[1]), slice(None), X, Y, rows.weights_or_ones(), free)
    return Design(block, fit_intercept=fit_intercept, free=free)


def read_source_weights(weights, names):
    """Weights (n_sources,) from a parameter `source_weights`, or None if they are learned."""
    if isinstance(weights, str):
        if weights != LEARN:
            raise ValueError(f"source_weights={weights!r} is neither 'learn' nor numbers.")
        return None
    if not names:  # the target alone, as searches compare it
        return np.zeros(0)
    if isinstance(weights, dict):
        unknown = [name for name in weights if name not in names]
        if unknown:
            raise ValueError(f"source_weights names {unknown[:5]}, but the sources are {names}.")
        weights = [weights.get(name, 0.0) for name in names]
    given = np.atleast_1d(np.asarray(weights, dtype=np.float64))
    if given.shape != (len(names),):
        raise ValueError(
            f"source_weights has shape {given.shape}, but there are {len(names)} sources: "
            f"{names[:10]}. Give one weight each, or 'learn'."
        )
    for name, weight in zip(names, given.tolist(), strict=True):
        check_number(weight, f"source_weights of source {name!r}")
    return given


def check_side(design, estimator):
    """Raise ValueError if leaving rows out needs too large a dense matrix."""
    if sparse.issparse(design.X) and min(design.X.shape) > LARGEST_DENSE:
        raise ValueError(
            f"{type(estimator).__name__} leaves rows out by a dense matrix of side "
            f"{min(design.X.shape)} for sparse X of shape {design.X.shape}: reduce the features "
            "first (TruncatedSVD), or use TransferRidge with numbers as source_weights."
        )


def check_finite(estimator):
    """Raise ValueError if a fit is not finite."""
    if not (np.isfinite(estimator.coef_).all() and np.isfinite(estimator.intercept_).all()):
        raise ValueError(
            f"{type(estimator).__name__} found no finite coefficients: the scales of X or y exceed "
            "the range of float64. Standardise them first."
        )
