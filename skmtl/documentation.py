"""Texts that several docstrings share, written once and filled in on import."""

import inspect


def share_text(**texts):
    """Decorator that puts shared texts at their ``{name}`` lines in a docstring.

    Parameters
    ----------
    **texts : str
        Text by the name of its place.

    Returns
    -------
    decorator : callable
        Returns the function itself, with the completed docstring.
    """

    def fill(function):
        if function.__doc__:  # None under python -OO
            doc = inspect.cleandoc(function.__doc__)
            for name, text in texts.items():
                doc = doc.replace("{" + name + "}", inspect.cleandoc(text))
            function.__doc__ = doc
        return function

    return fill


def complete_docstring(subject):
    """Decorator for estimators and their methods: fills in the texts below by name."""
    return share_text(**ESTIMATOR_TEXTS)(subject)


ESTIMATOR_TEXTS = {
    "task_parameters": """
    task_column : int or str, optional
        Position or name of the column of X that holds the task ids.
    unknown_task : {"error", "shared"}, default="error"
        A task that fit did not see is an error, or predicted by the model that all tasks share.
    """,
    "task_weight": """
    task_weight : None, "balanced", "noise", dict or array-like of shape (n_tasks,), default=None
        None: every row counts the same; "balanced": every task does; or a factor per task, by task
        id or in the order of the sorted ids. "noise" (regressors): the factors are proportional
        to 1 / noise variance, estimated from the data, so that tasks with precise targets count
        more (up to ten times the median); the total weight stays.
    """,
    "linear_attributes": """
    coef_ : ndarray of shape (n_tasks, n_features)
        0 for a feature that is absent from a task. The task column is no feature.
    intercept_ : ndarray of shape (n_tasks,)
    tasks_ : ndarray of shape (n_tasks,)
        The task ids, sorted.
    task_weight_ : ndarray of shape (n_tasks,)
        The factor of every task.
    absent_features_ : ndarray of shape (n_tasks, n_features) or None
        Features that have no value in a task; None if there are none.
    """,
    "mean_model": """
    coef_shared_, intercept_shared_ : ndarray of shape (n_features,), float
        The mean of the tasks' models, weighted by their rows, for tasks that fit did not see.
    """,
    "solver_parameters": """
    fit_intercept : bool, default=True
    tol : float, default=1e-6
        Duality gap to reach, relative to the objective of zero coefficients.
    max_iter : int, default=1000
        Newton steps, sweeps of coordinate descent, or rounds of proximal and Newton steps; rounds
        of ten iterations where a structured penalty (no sum over features) is split.
    warm_start : bool, default=False
        Start at the coefficients of the previous fit.
    """,
    "path_parameters": """
    eps : float, default=1e-3
        Smallest over largest alpha of an automatic grid.
    alphas : int or array-like, default=100
        How many alphas (from the smallest at which all coefficients are zero, down in equal
        ratios), or which.
    cv : int, splitter or iterable of (train, test), default=None
        None is `TaskKFold(5)`, an int the number of its folds: every task is in every training
        fold.
    criterion : {"cv", "bic", "ebic"}, default="cv"
        The held-out error, or on all rows n log(mean squared error) + log(n) df with n observed
        targets and df exact degrees of freedom; "ebic" adds 2 log of the number of supports of
        that size. Only fits with df up to n / 2 are candidates.
    selection : {"best", "one_standard_error"}, default="best"
        "one_standard_error": the largest alpha whose mean error is within one standard error
        (over the folds) of the best.
    positive : bool, default=False
        Restrict all coefficients to be >= 0.
    penalty_factor : array-like of shape (n_features,), optional
        Multiplies the penalty of each feature; 0 leaves a feature without penalty.
    """,
    "path_solver_parameters": """
    fit_intercept : bool, default=True
    tol : float, default=1e-4
        Duality gap to reach on the folds, relative to the objective of zero coefficients. The
        final fit aims at 1e-10.
    max_iter : int, default=1000
        Iterations of every fit.
    n_jobs : int, optional
        Folds in parallel (as threads); results do not depend on it.
    """,
    "solver": """
    solver : {"auto", "newton", "coordinate-descent", "proximal"}, default="auto"
        "auto" chooses by the costs for the shape of the data. A method that does not fit the
        penalty or the layout gives way to Newton steps. With the squared loss a structured penalty
        (no sum over features) is always split: `solver_` is then "splitting".
    """,
    "solver_used": """
    solver_ : str
        The methods that were used.
    """,
    "certificate": """
    dual_gap_ : float
        The objective is above the optimum by at most this share of the objective of zero
        coefficients.
    n_iter_ : int
    """,
    "fit_parameters": """
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns)
        Features, and the task column if ``task_column`` is set. A feature that is NaN in all
        rows of a task is absent from it.
    y : array-like of shape (n_samples,) or (n_samples, n_tasks)
        With a 2-d y every column is a task, and missing entries mean "not observed".
    sample_weight : float or array-like of shape (n_samples,), optional
        Also of shape (n_samples, n_tasks) with a 2-d y.
    tasks : array-like of shape (n_samples,), optional
        Task of every row, instead of ``task_column``.
    """,
    "composed_fit_parameters": """
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns)
        Handed to the estimator without the task column.
    y : array-like of shape (n_samples,) or (n_samples, n_tasks)
        With a 2-d y every column is a task, and missing entries mean "not observed".
    sample_weight : float or array-like of shape (n_samples,), optional
        Also of shape (n_samples, n_tasks) with a 2-d y.
    tasks : array-like of shape (n_samples,), optional
        Task of every row, instead of ``task_column``.
    """,
    "predict_parameters": """
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns)
        With the task column if there was one in fit.
    tasks : array-like of shape (n_samples,), optional
        Task of every row; needed if (and only if) fit had it.
    """,
    "score_parameters": """
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns)
    y : array-like of shape (n_samples,) or (n_samples, n_tasks)
    sample_weight : array-like of shape (n_samples,), optional
    tasks : array-like of shape (n_samples,), optional
        Task of every row, if fit had it.
    """,
    "sharing_parameters": """
    strategies : list of estimators or of pairs (name, estimator), default=None
        Further strategies, fitted to the same X, y and tasks. Their `task_column` and
        `unknown_task` are set to those given here.
    cv : int, "loo", splitter or iterable of (train, test), default=None
        None: 5 random folds of the rows of each task. "loo": leave-one-out in closed form, several
        times faster, for the default strategies, which then are all tuned by their likelihood:
        "per-task" has one penalty for all tasks, so their targets should be on one scale.
        Folds must leave each row out at most once.
    clip : bool, default=True
        Mix for features in the range that they had in fit, and half of it beyond: else one
        outlying value would carry a shared linear model far off. What a number changes beyond is
        told by the task's own model. Numbers are mixed in the range of the targets and twice
        that range beyond.
    task_column : int or str, optional
        Position or name of the column of X that holds the task ids.
    unknown_task : {"error", "shared"}, default="error"
        A task that fit did not see is an error, or predicted by the strategies that share.
    n_jobs : int, default=None
        Fits at the same time; results do not depend on it.
    random_state : int, RandomState instance or None, default=0
        Of the folds.
    """,
    "sharing_attributes": """
    gain_, gain_error_ : float
        The same for the mean over tasks (of their errors: those with large ones count more).
    sharing_helps_ : bool
        Whether `gain_` is more than 1.645 standard errors above 0.
    strategy_weights_ : dict of str to float
        Weight of each strategy, mean over tasks.
    strategies_ : dict of str to estimator
        "per-task" and those with a weight, fitted to all rows.
    feature_sharing_ : ndarray of shape (n_features,)
        How much of a feature's coefficients comes from what tasks share, from 0 to 1; for the
        default strategies, if one that shares has a weight.
    """,
    "composed_attributes": """
    tasks_ : ndarray of shape (n_tasks,)
        The task ids, sorted.
    absent_features_ : ndarray of shape (n_tasks, n_features) or None
        Columns that have no value in a task; None if there are none.
    """,
    "source": """
    source : fitted estimator, list or dict of them, optional
        Models of the sources, for example scikit-learn's. They are never refitted nor changed,
        and a clone keeps them. Features are matched by name if both sides have names. None, and
        no other sources: the plain model of the target.
    """,
    "source_rows": """
    source_rows : pair (X, y), list or dict of pairs, optional
        Rows of the sources, or triples (X, y, sample_weight).
    """,
    "target_task": """
    task_column : int or str, optional
        Position or name of the column of X that holds the task ids, if one table has the rows of
        the target and of the sources. Cross-validate with `TargetKFold`.
    target_task : int or str, optional
        The task that is the target. All other tasks are sources.
    """,
    "source_attributes": """
    source_names_ : list
        The sources: task ids, keys of a dict, or 0, 1, ...
    tasks_ : ndarray of shape (n_tasks,)
        The task ids, sorted.
    """,
    "target_fit_parameters": """
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns)
        Rows of the target; with task ids also those of the sources.
    y : array-like of shape (n_samples,)
    sample_weight : float or array-like of shape (n_samples,), optional
    tasks : array-like of shape (n_samples,), optional
        Task of every row, instead of ``task_column``.
    """,
    "target_predict_parameters": """
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns)
        Rows of the target, with the task column if there was one in fit.
    tasks : array-like of shape (n_samples,), optional
        Task of every row; needed if (and only if) fit had it.
    """,
    "target_score_parameters": """
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_columns)
    y : array-like of shape (n_samples,)
    sample_weight : array-like of shape (n_samples,), optional
    tasks : array-like of shape (n_samples,), optional
        Task of every row, if fit had it.
    """,
    "tree_method": """
    method : {"leaves", "expand_reduce", "structure", "mix"}, default="leaves"
        "leaves" only gives new values to the leaves. "expand_reduce" (SER) grows a full subtree
        on the target rows of every leaf (best split among the square root of the number of
        features, drawn at every depth), then makes inner nodes leaves whose error on the target
        rows is not larger than that of their subtree. "structure" (STRUT) keeps the features of
        the source's splits and takes thresholds from the target. "mix": the mean of both. These
        make sparse rows dense.
    """,
    "tree_prior": """
    prior : {"leaf", "path", "auto"}, default="auto"
        "leaf": shrink to the source's leaf value. "path": to that plus d of the parent node, which
        is shrunk likewise, up to the root: differences that leaves have in common reach those
        with few rows. "auto": by leave-one-out.
    """,
    "tree_source_weights": """
    source_weights_ : ndarray of shape (n_sources,)
        Share of the prior, m / (n + m), in the leaves of the target rows: mean over the rows and
        the trees, times the share of the source in the prediction. 0: target only.
    """,
    "tree_references": """
    Segev, Harel, Mannor, Crammer, El-Yaniv 2017, Learn on source, refine on target: a model
    transfer learning framework with random forests. IEEE TPAMI 39(9). Its methods are for labels:
    in regression the squared error replaces the number of wrong labels, the variance the entropy,
    and the difference of standardised means the Jensen-Shannon divergence.
    Agarwal, Tan, Ronen, Singh, Yu 2022, Hierarchical shrinkage. ICML.
    """,
}
