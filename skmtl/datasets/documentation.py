"""Texts that the docstrings of the data sets share."""

FORM_PARAMETERS = """
return_X_y : bool, default=False
    Return ``(data, target)`` instead of the bunch.
as_frame : bool, default=False
    Return pandas objects: a column ``"task"`` with the names of the tasks (their numbers where
    they have no names), then the features by name. Needs pandas.
"""

FETCH_PARAMETERS = """
data_home : str or path-like, default=None
    Folder of the cached files; see :func:`get_data_home`.
download_if_missing : bool, default=True
    Whether a file that is not in the cache is downloaded; if not, its absence is an error.
""" + FORM_PARAMETERS.lstrip()

BUNCH = """
bunch : :class:`~sklearn.utils.Bunch`
    data : ndarray of shape (n_samples, 1 + n_features), or DataFrame
        Task ids in column 0, then the features.
    target : ndarray of shape (n_samples,), or Series
        What is to be predicted.
    frame : DataFrame or None
        Data and target in one frame if ``as_frame=True``.
    feature_names : list of str
        Names of the columns of data, ``"task"`` first.
    target_names : list of str
        Name of the target.
    task_names : list of str or int
        Names of the tasks in the order of their sorted ids in the array form.
    task_column : int
        0, the column of the task ids.
    DESCR : str
        Contents, origin and licence.
(data, target) : tuple
    Instead of the bunch if ``return_X_y=True``.
"""

MULTI_OUTPUT_BUNCH = """
bunch : :class:`~sklearn.utils.Bunch`
    data : ndarray of shape (n_samples, n_features), or DataFrame
        Features; all tasks share the rows.
    target : ndarray of shape (n_samples, n_tasks), or DataFrame
        One column per task.
    frame : DataFrame or None
        Data and target in one frame if ``as_frame=True``.
    feature_names, target_names : list of str
        Names of the columns of data and target.
    task_names : list of str
        The same as target_names: each target is a task.
    task_column : None
        There is no column of task ids.
    DESCR : str
        Contents, origin and licence.
(data, target) : tuple
    Instead of the bunch if ``return_X_y=True``.
"""

FETCH_ERRORS = """
OSError
    If a file is neither in the cache nor can be downloaded, or if it is not the published one
    (its SHA-256 differs). The message names file, address and remedy.
ImportError
    If ``as_frame=True`` and pandas is not installed.
"""
