"""Is sharing ever worse than one model per task? Mean errors against it over many data sets.

    python benchmarks/never_worse.py                      # all data, 10 to 500 rows per task
    python benchmarks/never_worse.py school wine --seeds 3 --rows 10 50

For each set, number of training rows per task and seed: fit one model per task (ridge with a
penalty per task by leave-one-out; for labels logistic regression, one C for all tasks by
cross-validation) and the strategies that share to the same rows, and score both on the other rows.
"change" is that of the mean over tasks of the root mean squared error (of the log-loss and of the
error rate for labels) in percent, below 0 is better; "hurt" the share of tasks worse by more than
1 %. Features are standardised on the training rows of all tasks together.
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import MaxAbsScaler, StandardScaler
from threadpoolctl import threadpool_limits

import skmtl
from skmtl import MultiTaskRidgeCV, PerTaskClassifier, TaskKFold, datasets, keep_tasks, task_scores
from skmtl.environment import describe_environment

ROWS = (10, 20, 50, 100, 200, 500)
LARGEST_SHARE = 0.75  # of the rows of a task that are used for training
MULAN = ("enb", "edm", "jura", "slump", "wq", "andro", "atp1d")


def own_rows(fetch, labels=None, **options):
    def load():
        data = fetch(**options)
        y = data.target if labels is None else labels(data.target)
        return data.data, y, data.task_column

    return load


def sarcos():
    """A task per joint with rows of its own: contiguous blocks, torques in their deviations."""
    data = datasets.fetch_sarcos()
    torques = StandardScaler().fit_transform(data.target)
    blocks = np.array_split(np.arange(len(torques)), torques.shape[1])
    Xs = {joint: data.data[rows] for joint, rows in enumerate(blocks)}
    return *skmtl.stack_tasks(Xs, {j: torques[r, j] for j, r in enumerate(blocks)}), 0


def mulan(name):
    def load():
        data = datasets.fetch_mulan(name)
        return data.data, StandardScaler().fit_transform(data.target), None

    return load


REGRESSION = {
    "school": own_rows(datasets.fetch_school),
    "parkinsons": own_rows(datasets.fetch_parkinsons),
    "parkinsons-motor": own_rows(datasets.fetch_parkinsons, target="motor_UPDRS"),
    "bike-hours": own_rows(datasets.fetch_bike),
    "sarcos-joints": sarcos,
    "concrete": own_rows(datasets.fetch_concrete),
    "auto_mpg": own_rows(datasets.fetch_auto_mpg),
    "student": own_rows(datasets.fetch_student),
    "student-hard": own_rows(datasets.fetch_student, earlier_grades=False),
    "wine": own_rows(datasets.fetch_wine_quality),
    "diabetes": own_rows(datasets.load_diabetes_tasks),
    **{f"mulan-{name}": mulan(name) for name in MULAN},
}
CLASSIFICATION = {
    "digits": own_rows(datasets.load_digits_tasks),
    "iris-cancer": own_rows(datasets.load_iris_and_cancer),
    "wine-good": own_rows(datasets.fetch_wine_quality, labels=lambda y: (y >= 6).astype(int)),
    "student-pass": own_rows(
        datasets.fetch_student, labels=lambda y: (y >= 10).astype(int), earlier_grades=False
    ),
    "newsgroups-comp": own_rows(datasets.fetch_newsgroups_pairs, pair="comp.vs.sci"),
    "newsgroups-rec": own_rows(datasets.fetch_newsgroups_pairs, pair="rec.vs.talk"),
}


def baseline(column, kind):
    if kind == "regression":
        return MultiTaskRidgeCV(task_column=column)
    folds = TaskKFold(3, task_column=column, shuffle=True, stratify=True, random_state=0)
    model = PerTaskClassifier(LogisticRegression(max_iter=1000), task_column=column)
    return GridSearchCV(
        model, {"estimator__C": np.logspace(-3, 2, 6)}, cv=folds, scoring=negative_log_loss
    )


def negative_log_loss(model, X, y):
    return -label_loss(y, model.predict_proba(X), model.classes_)


def label_loss(y, probabilities, classes):
    """Mean log-loss; a label that was not seen has the probability 1e-6."""
    place = np.searchsorted(classes, y).clip(max=len(classes) - 1)
    chosen = probabilities[np.arange(len(y)), place] * (classes[place] == y)
    return float(-np.log(np.clip(chosen, 1e-6, None)).mean())


def sharing(column, kind):
    cls = skmtl.SharingRegressor if kind == "regression" else skmtl.SharingClassifier
    return cls(task_column=column)


def sharing_loo(column, kind):
    return skmtl.SharingRegressor(task_column=column, cv="loo")


def hierarchical(column, kind):
    if kind == "regression":
        return skmtl.HierarchicalRidge(task_column=column)
    return skmtl.HierarchicalLogistic(task_column=column)


METHODS = {"sharing": sharing, "sharing-loo": sharing_loo, "hierarchical": hierarchical}


def deal_rows(tasks, n_rows, seed):
    """Training and test rows: n_rows of each task, or most of what it has."""
    random = np.random.RandomState(seed)
    order = random.permutation(len(tasks))
    _, codes = np.unique(tasks, return_inverse=True)
    train = np.zeros(len(tasks), dtype=bool)
    for code in range(codes.max() + 1):
        rows = order[codes[order] == code]
        train[rows[: min(n_rows, int(LARGEST_SHARE * len(rows)))]] = True
    return np.flatnonzero(train), np.flatnonzero(~train)


def deal_blocks(tasks, n_rows, seed):
    """The same, with the training rows of a task next to each other."""
    random = np.random.RandomState(seed)
    train = np.zeros(len(tasks), dtype=bool)
    for task in np.unique(tasks):
        rows = np.flatnonzero(tasks == task)
        size = min(n_rows, int(LARGEST_SHARE * len(rows)))
        start = random.randint(len(rows) - size + 1)
        train[rows[start : start + size]] = True
    return np.flatnonzero(train), np.flatnonzero(~train)


def errors_of_tasks(model, X, y, column, kind):
    """Dict of measure to errors per task."""
    if kind == "regression":
        tasks = None if column is None else X[:, column].astype(int)
        return {"rmse": task_scores(y, model.predict(X), tasks, metrics=["rmse"])["rmse"]}
    ids = X[:, column].toarray().ravel() if hasattr(X, "toarray") else X[:, column]
    probabilities, classes = model.predict_proba(X), model.classes_
    out = {"log_loss": [], "error_rate": []}
    for task in np.unique(ids):
        rows = ids == task
        out["log_loss"].append(label_loss(y[rows], probabilities[rows], classes))
        told = classes[probabilities[rows].argmax(axis=1)]
        out["error_rate"].append(np.mean(told != y[rows]))
    return {name: np.array(values, dtype=float) for name, values in out.items()}


def compare(load, kind, n_rows, seed, methods, contiguous):
    """Records of all methods on one split."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    X, y, column = load()
    if hasattr(X, "tocsr"):
        X = X.tocsr()
    tasks = np.zeros(len(y)) if column is None else X[:, [column]]
    tasks = tasks.toarray().ravel() if hasattr(tasks, "toarray") else np.ravel(tasks)
    train, test = (deal_blocks if contiguous else deal_rows)(tasks, n_rows, seed)
    scaler = MaxAbsScaler() if hasattr(X, "tocsr") else StandardScaler()
    scaler = scaler if column is None else keep_tasks(scaler, column)
    X_train, X_test = scaler.fit_transform(X[train]), scaler.transform(X[test])
    column = None if column is None else 0
    with threadpool_limits(1):
        reference = baseline(column, kind).fit(X_train, y[train])
        base = errors_of_tasks(reference, X_test, y[test], column, kind)
        records = []
        for method in methods:
            start = time.perf_counter()
            model = METHODS[method](column, kind).fit(X_train, y[train])
            seconds = time.perf_counter() - start
            found = errors_of_tasks(model, X_test, y[test], column, kind)
            for measure, errors in found.items():
                gain = errors.mean() / base[measure].mean() - 1.0
                records.append(
                    {
                        "method": method,
                        "measure": measure,
                        "error": float(errors.mean()),
                        "baseline": float(base[measure].mean()),
                        "change": 100.0 * float(gain),
                        "hurt": 100.0 * float(np.mean(errors > 1.01 * base[measure])),
                        "seconds": seconds,
                    }
                )
    return records


def sizes_of(load):
    X, y, column = load()
    if column is None:
        return len(y)
    ids = X[:, [column]].toarray().ravel() if hasattr(X, "toarray") else X[:, column]
    return int(np.median(np.unique(ids, return_counts=True)[1]))


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    known = {**REGRESSION, **CLASSIFICATION}
    parser.add_argument("data", nargs="*", metavar="DATA", help=", ".join(known))
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROWS))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=["sharing"])
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(argv)
    print(
        f"{'data':18}{'rows':>5}  {'method':14}{'measure':12}{'change %':>9}{'se':>6}{'hurt %':>8}"
    )
    results = []
    unknown = [name for name in options.data if name not in known]
    if unknown:
        parser.error(f"unknown data {unknown[0]!r}; known are {', '.join(known)}")
    for name in options.data or known:
        kind = "regression" if name in REGRESSION else "classification"
        load = known[name]
        contiguous = name == "sarcos-joints"
        for n_rows in options.rows:
            if n_rows > options.rows[0] and n_rows > LARGEST_SHARE * sizes_of(load):
                continue
            jobs = (
                delayed(compare)(load, kind, n_rows, seed, options.methods, contiguous)
                for seed in range(options.seeds)
            )
            runs = Parallel(n_jobs=options.n_jobs)(jobs)
            for records in zip(*runs, strict=True):
                results.append(summary(name, n_rows, records))
                print(describe(results[-1]), flush=True)
    worst = max(results, key=lambda row: row["change"])
    print(f"worst: {describe(worst)}")
    if options.output:
        record = {"seeds": options.seeds, "results": results, **describe_environment()}
        options.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


def summary(name, n_rows, records):
    changes = np.array([record["change"] for record in records])
    spread = changes.std(ddof=1) / np.sqrt(len(changes)) if len(changes) > 1 else float("nan")
    mean = {key: np.mean([r[key] for r in records]) for key in ("error", "baseline", "hurt")}
    return {
        "data": name,
        "rows": n_rows,
        "method": records[0]["method"],
        "measure": records[0]["measure"],
        # Of the mean errors: a mean of ratios would let one split with a tiny error decide.
        "change": 100.0 * float(mean["error"] / mean["baseline"] - 1.0),
        "standard_error": float(spread),
        "hurt": float(mean["hurt"]),
        "seconds": float(np.mean([r["seconds"] for r in records])),
    }


def describe(row):
    return (
        f"{row['data']:18}{row['rows']:5}  {row['method']:14}{row['measure']:12}"
        f"{row['change']:9.2f}{row['standard_error']:6.2f}{row['hurt']:8.0f}{row['seconds']:8.2f} s"
    )


if __name__ == "__main__":
    raise SystemExit(main())
