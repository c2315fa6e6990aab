"""Transfer logistic regression with the penalty and the sources weighed on folds of the target."""

import numpy as np

from skmtl.base import check_number
from skmtl.documentation import complete_docstring
from skmtl.linear_model.ridge import check_grid
from skmtl.solvers.transfer_logistic import LogisticSolution
from skmtl.solvers.transfer_ridge import candidate_weights
from skmtl.threads import suited_threads
from skmtl.transfer.log_odds import LogOddsProblem
from skmtl.transfer.logistic import TransferLogisticRegression
from skmtl.transfer.ridge import LEARN
from skmtl.transfer.ridge_cv import SELECTIONS
from skmtl.transfer.target_splits import read_target_splits

NEGLIGIBLE = 1e-3  # a candidate of less weight is left out


@complete_docstring
class TransferLogisticRegressionCV(TransferLogisticRegression):
    """Transfer logistic regression, with C and whether to transfer at all chosen on folds.

    The candidates are, for every C, the minimum over d and b of ::

        C sum_i v_i log-loss(y_i, sum_k a_k g_k(x_i) + x_i'd + b) + ||d||^2 / 2

    with the weights a (a >= 0, sum(a) <= 1) of least held-out loss for that C, and the best
    logistic regression of the target alone (a = 0). The model is the mean of the candidates with
    weights that fall with their mean held-out log-losses as exp(-n loss / 2) (as in Leung, Barron
    2006), less for those that transfer: sources that only seem to help get about half of the
    weight. Without sources: logistic regression with the best C.

    Parameters
    ----------
    {source}
    {source_rows}
    source_estimator : estimator, default=None
        Fitted to the rows of each source. None: this class without sources.
    source_weights : "learn", float, dict or array-like of shape (n_sources,), default="learn"
        The weights a for every C; given ones only have to be >= 0.
    Cs : int or array-like of shape (n_Cs,), default=10
        How many, in equal ratios from 1e-4 to 1e4, or which.
    cv : int, splitter or iterable of (train, test), default=None
        None: 5 contiguous folds of the target's rows, class by class. A splitter is given these
        rows (`TargetKFold`: all rows of X); pairs hold row numbers of X, of which those of the
        target count. A row whose label is in no training row is not held out.
    selection : {"average", "best"}, default="average"
        The mean of the candidates, or the one of least loss.
    fit_intercept : bool, default=True
        False: no intercept but those of the sources.
    tol : float, default=1e-8
        Of `optimality_`.
    max_iter : int, default=100
        Newton steps of every fit.
    {target_task}

    Attributes
    ----------
    C_ : float
        Of the candidate with the least loss.
    target_only_ : float
        Weight of the model of the target alone, from 0 to 1.
    candidate_weights_ : ndarray of shape (2, n_Cs)
        Weights of the candidates, the target alone in row 0. They sum to one.
    log_loss_path_ : ndarray of shape (2, n_Cs)
        Weighted mean log-losses of the held-out rows, the target alone in row 0.
    Cs_ : ndarray of shape (n_Cs,)
        Those tried, rising.
    best_score_ : float
        Minus the least of `log_loss_path_`.
    classes_ : ndarray of shape (n_classes,)
        Labels of the target and of the sources. Rows of the target decide between the labels they
        have; any other label has the probability that the sources give it, times their weights.
    coef_ : ndarray of shape (1, n_features) or (n_target_classes, n_features)
        One row for two labels among the target's rows. Of the whole model, sources included, if
        those with a weight are linear; else the correction d.
    intercept_ : ndarray of shape (1,) or (n_target_classes,)
    adds_sources_ : bool
        Whether predictions ask the sources, which the fitted model then holds by reference.
    source_weights_ : ndarray of shape (n_sources,)
        The weights a of the sources' log-odds, mean over the candidates. 0: the target only.
    optimality_ : float
        Half the squared Newton decrement before the last step, relative to the loss of equal
        probabilities; the largest of the final fits.
    n_iter_ : int
        Newton steps, the most of the final fits.
    {source_attributes}

    See Also
    --------
    TransferLogisticRegression : One C.

    References
    ----------
    Leung, Barron 2006, *Information theory and mixing least-squares regressions*, IEEE
    Transactions on Information Theory 52.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skmtl import TransferLogisticRegressionCV, make_multitask_classification
    >>> X, y = make_multitask_classification(n_tasks=2, n_samples=40, random_state=0)
    >>> source = LogisticRegression().fit(X[:40, 1:], y[:40])
    >>> TransferLogisticRegressionCV(source).fit(X[40:, 1:], y[40:]).candidate_weights_.shape
    (2, 10)
    """

    def __init__(
        self,
        source=None,
        *,
        source_rows=None,
        source_estimator=None,
        source_weights=LEARN,
        Cs=10,
        cv=None,
        selection="average",
        fit_intercept=True,
        tol=1e-8,
        max_iter=100,
        task_column=None,
        target_task=None,
    ):
        self.source = source
        self.source_rows = source_rows
        self.source_estimator = source_estimator
        self.source_weights = source_weights
        self.Cs = Cs
        self.cv = cv
        self.selection = selection
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.task_column = task_column
        self.target_task = target_task

    @complete_docstring
    def fit(self, X, y, *, sample_weight=None, tasks=None):
        """Judge the candidates on held-out rows and average them.

        Parameters
        ----------
        {target_fit_parameters}

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For input that is not finite, parameters out of their range, and only one label
            without sources.
        """
        transfer = self._read_transfer(X, y, tasks, sample_weight)
        self.Cs_ = self._read_grid()
        given = self._check_parameters(transfer)
        if self.selection not in SELECTIONS:
            raise ValueError(f"selection={self.selection!r} is not one of {', '.join(SELECTIONS)}.")
        splits = []
        if len(transfer.target) > 1:  # one row has one label, for which nothing is learned
            splits = read_target_splits(self, self.cv, X, y, tasks, sample_weight)
        problem = LogOddsProblem(self, transfer, self._source_models(transfer))
        self.classes_ = problem.classes
        with suited_threads(transfer.target):
            source_weights = self._judge(problem, splits, given)
            solutions, solution = self._average(problem, source_weights)
        self._warn(solutions)
        return self._store(problem, self.candidate_weights_[1] @ source_weights, solution)

    def _read_grid(self):
        if np.ndim(self.Cs) == 0:
            check_number(self.Cs, "Cs", low=1, integer=True)
            return np.logspace(-4, 4, self.Cs) if self.Cs > 1 else np.ones(1)
        return check_grid(self.Cs, "Cs", default=None)

    def _judge(self, problem, splits, given):
        """Weights (n_Cs, n_sources) of the sources; sets the losses and weights of candidates."""
        weights = np.tile(problem.equal_weights() if given is None else given, (len(self.Cs_), 1))
        losses, n_rows = np.zeros((2, len(self.Cs_))), 0
        if not problem.trivial:
            held_out = problem.held_out_scores(splits, self.Cs_)
            n_rows = len(held_out.Y)
            for c in range(len(self.Cs_)):
                if given is None and n_rows:
                    weights[c] = held_out.source_weights(c)
                losses[:, c] = held_out.losses(c, weights[c])
        row, column = np.unravel_index(np.argmin(losses), losses.shape)
        self.log_loss_path_, self.best_score_ = losses, -float(losses.min())
        self.C_ = float(self.Cs_[column])
        self.candidate_weights_ = np.zeros(losses.shape)
        if problem.models and (self.selection == "average" or not n_rows):
            self.candidate_weights_ = candidate_weights(-0.5 * n_rows * losses)
            self.candidate_weights_[self.candidate_weights_ < NEGLIGIBLE] = 0.0
            self.candidate_weights_ /= self.candidate_weights_.sum()
            if problem.trivial:
                self.candidate_weights_[:] = [[0.0], [1.0 / len(self.Cs_)]]
        else:
            self.candidate_weights_[row, column] = 1.0
        self.target_only_ = float(self.candidate_weights_[0].sum())
        return weights

    def _average(self, problem, source_weights):
        """Solutions of the candidates with a weight, and their mean."""
        fitter, solutions, mixing = problem.fitter(), [], []
        for row, weights_of in enumerate((np.zeros_like(source_weights), source_weights)):
            start = None
            for c in np.flatnonzero(self.candidate_weights_[row]):
                done = problem.solve(self.Cs_[c], weights_of[c], fitter, start)
                start = done.coef, done.intercept
                solutions.append(done)
                mixing.append(self.candidate_weights_[row, c])
        mean = LogisticSolution(
            sum(w * done.coef for w, done in zip(mixing, solutions, strict=True)),
            sum(w * done.intercept for w, done in zip(mixing, solutions, strict=True)),
            max(done.gap for done in solutions),
            max(done.n_iter for done in solutions),
            all(done.converged for done in solutions),
        )
        return solutions, mean
