"""Trans-GLM: pooling with the useful sources, found by their held-out loss on the target."""

import numpy as np
from scipy.special import expit

from skmtl.base import check_number
from skmtl.documentation import complete_docstring, share_text
from skmtl.losses import LogisticLoss, PoissonLoss, SquaredLoss
from skmtl.transfer.base import TransferClassifier, TransferRegressor
from skmtl.transfer.detection import detect_sources
from skmtl.transfer.sources import check_kind_of_labels
from skmtl.transfer.two_step import deal_folds, fit_two_step, held_out_mean, search_pooled
from skmtl.transfer.two_step_base import TEXTS, TwoStepTransfer

FAMILIES = {"gaussian": SquaredLoss, "poisson": PoissonLoss}


class TransGLM(TwoStepTransfer):
    """Detection, the two steps and the guard; subclasses give the loss and read the target."""

    def _fit(self, transfer, X, y, tasks, sample_weight, loss):
        self._check_path_parameters()
        check_number(self.detection_factor, "detection_factor")
        named = self._check_useful(transfer, "detect", "all")
        stratify = isinstance(loss, LogisticLoss)
        folds = self._target_folds(transfer, X, y, tasks, sample_weight, stratify=stratify)
        settings = self._settings(loss, folds.max() + 1)
        samples = self._samples(transfer, folds, loss, settings.n_folds, stratify=stratify)
        useful = self._find_useful(transfer, samples, loss, named, stratify)
        alone, together = [0], [0, *(1 + np.flatnonzero(useful)).tolist()]
        sets = [alone] if together == alone else [alone, together]
        searches = search_pooled(samples, sets, settings)
        fits = [fit_two_step(samples, search, settings) for search in searches]
        losses = [held_out_mean(samples[0], fit.held_out, loss) for fit in fits]
        fit, self.gain_ = fits[-1], 1.0 - losses[-1] / losses[0] if losses[0] > 0 else 0.0
        if named is None and self.gain_ <= 0.0:  # no negative transfer
            fit, self.gain_, useful = fits[0], 0.0, np.zeros_like(useful)
        self.source_weights_ = useful.astype(np.float64)
        self.useful_sources_ = [name for name, u in zip(transfer.names, useful, strict=True) if u]
        self.coef_pooled_, self.coef_offset_ = fit.coef_pooled, fit.coef_offset
        self.alpha_pooled_, self.alpha_offset_ = float(fit.alpha_pooled), float(fit.alpha_offset)
        self._keep(fit.coef, fit.intercept, [fit])
        return self

    def _find_useful(self, transfer, samples, loss, named, stratify):
        """Mask of the useful sources, listed or detected."""
        self.source_losses_ = self.target_loss_ = self.loss_thresholds_ = None
        if named is not None or not transfer.names:
            return np.array([name in (named or []) for name in transfer.names], dtype=bool)
        check_number(self.detection_folds, "detection_folds", low=2, integer=True)
        n_folds = min(self.detection_folds, len(transfer.target))
        y = samples[0].y
        own = deal_folds(y, n_folds, self.random_state, stratify=stratify)
        dealt = [samples[0]._replace(folds=own), *samples[1:]]
        found = detect_sources(dealt, self._settings(loss, n_folds), self.detection_factor)
        self.source_losses_, self.target_loss_ = found.losses, found.target_loss
        self.loss_thresholds_ = found.thresholds
        return found.useful


@share_text(**TEXTS)
@complete_docstring
class TransGLMRegressor(TransGLM, TransferRegressor):
    """Trans-GLM: a lasso pooled with the useful sources, and corrected on the target.

    Minimises over w and an intercept per data set k, the target (0) and the useful sources ::

        1 / N * sum_k sum_i v_ki loss(y_ki, x_ki' w + b_k)  +  alpha_pooled * ||w||_1

    and over d and an intercept, on the rows of the target ::

        1 / N_0 * sum_i v_0i loss(y_0i, x_0i' (w + d) + b)  +  alpha_offset * ||d||_1

    with v the sample weights and N, N_0 their sums. The loss is half the squared error
    ("gaussian") or half the Poisson deviance with a logarithmic link ("poisson"). The model is
    w + d. A source is useful if the lasso on it and the target together predicts left-out rows of
    the target about as well as that of the target alone (the mean difference of the losses of a
    row is at most ``detection_factor`` of its standard errors above 0), and evidently better than
    a constant: by 1.645 standard errors, and by half of what the best of these lassos is better.
    All penalties are chosen by cross-validation.

    Parameters
    ----------
    {source_rows}
    family : {"gaussian", "poisson"}, default="gaussian"
    useful : {"detect", "all"} or list, default="detect"
        Which sources to use: those found useful, all, or those of a list of names.
    detection_factor : float, default=1.645
        Standard errors by which a useful source may be worse than none.
    detection_folds : int, default=5
        Folds of the target by which sources are detected.
    {path}
    {limits}
    {target_task}
    {tail}

    Attributes
    ----------
    {attributes}
    {source_attributes}

    See Also
    --------
    TransLasso : Weighs candidate sets of sources.
    TransGLMClassifier : For labels.

    Notes
    -----
    Deviations from the paper: it allows a loss above that of the target alone by a constant times
    the standard deviation over three folds, which the differences between folds dominate and
    which a target that is hardly better than a constant passes with any source. Here rows are
    compared one by one, every penalty in detection is that of least held-out loss of the target,
    and after it sources are used only if the two steps predict left-out rows of the target better
    than its own lasso. Without sources this is the lasso of the target.

    References
    ----------
    Tian, Feng 2023, *Transfer learning under high-dimensional generalized linear models*, Journal
    of the American Statistical Association 118.

    Examples
    --------
    >>> from skmtl import TransGLMRegressor, make_multitask_regression
    >>> X, y = make_multitask_regression(n_tasks=3, structure="common", random_state=0)
    >>> model = TransGLMRegressor(task_column=0, target_task=2).fit(X, y)
    >>> model.source_weights_.shape
    (2,)
    """

    def __init__(
        self,
        source_rows=None,
        *,
        family="gaussian",
        useful="detect",
        detection_factor=1.645,
        detection_folds=5,
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
        self.family = family
        self.useful = useful
        self.detection_factor = detection_factor
        self.detection_folds = detection_folds
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
        """Find the useful sources, pool the target with them, and correct the model.

        Parameters
        ----------
        {target_fit_parameters}

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For input that is not finite, counts below 0, and parameters out of their range.
        """
        transfer = self._read_transfer(X, y, tasks, sample_weight)
        if self.family not in FAMILIES:
            names = ", ".join(FAMILIES)
            raise ValueError(f"family={self.family!r} is not one of {names}.")
        if self.family == "poisson":
            check_counts(transfer)
        self.loss_ = FAMILIES[self.family]()
        return self._fit(transfer, X, y, tasks, sample_weight, self.loss_)

    def _predict_target(self, X):
        z = self._linear(X)
        return self.loss_.mean(z) if self.family == "poisson" else z


@share_text(**TEXTS)
@complete_docstring
class TransGLMClassifier(TransGLM, TransferClassifier):
    """Trans-GLM for two classes: a logistic lasso pooled with useful sources, then corrected.

    Minimises over w and an intercept per data set k, the target (0) and the useful sources ::

        1 / N * sum_k sum_i v_ki loss(y_ki, x_ki' w + b_k)  +  alpha_pooled * ||w||_1

    and over d and an intercept, on the rows of the target ::

        1 / N_0 * sum_i v_0i loss(y_0i, x_0i' (w + d) + b)  +  alpha_offset * ||d||_1

    with v the sample weights, N, N_0 their sums, and the logistic loss. The model is w + d. A
    source is useful if the lasso on it and the target together predicts left-out rows of the
    target about as well as that of the target alone (the mean difference of the log-losses of a
    row is at most ``detection_factor`` of its standard errors above 0), and evidently better than
    a constant: by 1.645 standard errors, and by half of what the best of these lassos is better.
    All penalties are chosen by cross-validation. A target with one label only always predicts it.

    Parameters
    ----------
    {source_rows}
    useful : {"detect", "all"} or list, default="detect"
        Which sources to use: those found useful, all, or those of a list of names.
    detection_factor : float, default=1.645
        Standard errors by which a useful source may be worse than none.
    detection_folds : int, default=5
        Folds of the target by which sources are detected.
    {path}
    {limits}
    {target_task}
    {tail}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Union of the labels of target and sources, at most two.
    {attributes}
    {source_attributes}

    See Also
    --------
    TransGLMRegressor : For numbers and counts.

    Notes
    -----
    The deviations from the paper are those of `TransGLMRegressor`.

    References
    ----------
    Tian, Feng 2023, *Transfer learning under high-dimensional generalized linear models*, Journal
    of the American Statistical Association 118.

    Examples
    --------
    >>> from skmtl import TransGLMClassifier, make_multitask_classification
    >>> X, y = make_multitask_classification(n_tasks=3, structure="common", random_state=0)
    >>> model = TransGLMClassifier(task_column=0, target_task=2).fit(X, y)
    >>> model.predict_proba(X[X[:, 0] == 2]).shape
    (100, 2)
    """

    def __init__(
        self,
        source_rows=None,
        *,
        useful="detect",
        detection_factor=1.645,
        detection_folds=5,
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
        self.detection_factor = detection_factor
        self.detection_folds = detection_folds
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
        """Find the useful sources, pool the target with them, and correct the model.

        Parameters
        ----------
        {target_fit_parameters}

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For input that is not finite, more than two labels, and parameters out of their range.
        """
        transfer = self._read_transfer(X, y, tasks, sample_weight)
        self.classes_ = np.unique(transfer.target.y)
        for name, rows in zip(transfer.names, transfer.sources, strict=True):
            check_kind_of_labels(rows.y, self.classes_, f"source {name!r}")
            self.classes_ = np.union1d(self.classes_, rows.y)
        if len(self.classes_) > 2:
            raise ValueError(
                "Only binary classification is supported. The type of the target is multiclass: "
                f"there are the labels {self.classes_[:5].tolist()}. Fit one model per label."
            )
        return self._fit(transfer, X, y, tasks, sample_weight, LogisticLoss())

    def _encode(self, y):
        """1 for the last of the labels, 0 for another."""
        return (y == self.classes_[-1]).astype(np.float64)

    @complete_docstring
    def decision_function(self, X, *, tasks=None):
        """Log-odds of the second of two classes.

        Parameters
        ----------
        {target_predict_parameters}

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self._linear(self._read_target_rows(X, tasks))

    def _target_proba(self, X):
        z = self._linear(X)
        if len(self.classes_) == 1:
            return np.ones((len(z), 1))
        return np.column_stack([expit(-z), expit(z)])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


def check_counts(transfer):
    """Raise ValueError for targets below 0."""
    names = ["the target", *(f"source {name!r}" for name in transfer.names)]
    for name, rows in zip(names, [transfer.target, *transfer.sources], strict=True):
        if (rows.y < 0).any():
            raise ValueError(
                f"family='poisson' needs y >= 0, but of {name} y holds {rows.y.min():.4g}: use "
                "family='gaussian'."
            )
