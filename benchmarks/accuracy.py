"""Accuracy on real tasks, with all penalties chosen on training data only.

    python benchmarks/accuracy.py school              # ten official 75 / 25 splits
    python benchmarks/accuracy.py school-10           # 10 % of each school for training
    python benchmarks/accuracy.py sarcos-50 bike-15 bike-40    # few rows per task
    python benchmarks/accuracy.py parkinsons mulan    # the controls for negative transfer
    python benchmarks/accuracy.py school --methods trace-norm low-rank    # or a whole family

The figures are the pooled explained variance, 1 - SSE / SST over all test rows, and the root
mean squared error averaged over tasks (for mulan in units of each output's deviation), mean
and standard deviation over splits. Features are standardised on the training rows.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from never_worse import deal_blocks, deal_rows, own_rows, sarcos
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

from skmtl import (
    HierarchicalRidge,
    MeanRegularizedRidgeCV,
    MultiTaskLassoCV,
    MultiTaskRidgeCV,
    PooledRegressor,
    SharingRegressor,
    TaskKFold,
    keep_tasks,
    pooled_explained_variance,
    task_scores,
    task_train_test_split,
)
from skmtl.cli.pipelines import StandardizedTarget
from skmtl.datasets import fetch_bike, fetch_mulan, fetch_parkinsons, fetch_school
from skmtl.environment import describe_environment
from skmtl.inspection.strategies import REGISTRY, Setup

ALPHAS = np.logspace(-2, 6, 33)


def lasso(column):
    cv = TaskKFold(5, task_column=column, shuffle=True, random_state=0)
    return MultiTaskLassoCV(task_column=column, cv=cv)


METHODS = {
    "ridge per task": lambda column: MultiTaskRidgeCV(task_column=column),
    "ridge per task, one penalty": lambda column: MultiTaskRidgeCV(
        alpha_per_task=False, task_column=column
    ),
    "one pooled ridge": lambda column: PooledRegressor(RidgeCV(ALPHAS), task_column=column),
    "pooled ridge with task intercepts": lambda column: PooledRegressor(
        RidgeCV(ALPHAS), task_intercepts=True, task_column=column
    ),
    "multi-task lasso": lasso,
    "mean-regularised ridge": lambda column: MeanRegularizedRidgeCV(task_column=column),
    "hierarchical ridge": lambda column: HierarchicalRidge(task_column=column),
    "sharing": lambda column: SharingRegressor(task_column=column),
    "sharing by leave-one-out": lambda column: SharingRegressor(cv="loo", task_column=column),
}
DEFAULT = tuple(METHODS)


def structured(strategy):
    """A strategy of the command line, on standardised targets as there."""
    return lambda column: StandardizedTarget(strategy.make(Setup("regression", column, 0)))


FAMILIES = {}
for entry in REGISTRY["regression"]:
    if entry.family:
        METHODS[entry.name] = structured(entry)
        FAMILIES.setdefault(entry.family, []).append(entry.name)
FAMILIES["structures"] = [name for names in FAMILIES.values() for name in names]


def school(fraction, n_splits):
    data = fetch_school()
    ids = data.data[:, 0]
    rows = np.arange(len(ids))
    for split, (train, test) in enumerate(data.splits[:n_splits]):
        if fraction is not None:
            train, test = task_train_test_split(
                rows, tasks=ids, train_size=fraction, random_state=split
            )
        yield data.data, data.target, train, test, 0


def parkinsons(n_splits):
    data = fetch_parkinsons()
    rows = np.arange(len(data.target))
    for split in range(n_splits):
        train, test = task_train_test_split(
            rows, tasks=data.data[:, 0], train_size=0.75, random_state=split
        )
        yield data.data, data.target, train, test, 0


def few_rows(load, n_rows, n_splits, deal):
    X, y, column = load()
    for seed in range(n_splits):
        yield X, y, *deal(X[:, column], n_rows, seed), column


def mulan(name, n_splits):
    data = fetch_mulan(name)
    for split in range(n_splits):
        folds = KFold(5, shuffle=True, random_state=split)
        for train, test in folds.split(data.data):
            scaler = StandardScaler().fit(data.target[train])
            yield data.data, scaler.transform(data.target), train, test, None


def evaluate(make, X, y, train, test, task_column):
    """Explained variance, mean-task error and seconds to fit of one method on one split."""
    scaler = StandardScaler() if task_column is None else keep_tasks(StandardScaler(), task_column)
    X_train, X_test = scaler.fit_transform(X[train]), scaler.transform(X[test])
    model = make(task_column)
    start = time.perf_counter()
    model.fit(X_train, y[train])
    seconds = time.perf_counter() - start
    predicted = model.predict(X_test)
    tasks = None if task_column is None else X_test[:, 0].astype(int)
    errors = task_scores(y[test], predicted, tasks, metrics=["rmse"])["rmse"]
    return pooled_explained_variance(y[test], predicted), float(np.mean(errors)), seconds


def workloads(n_splits):
    jobs = {
        "school": lambda: school(None, n_splits),
        "school-10": lambda: school(0.1, n_splits),
        "parkinsons": lambda: parkinsons(n_splits),
        "sarcos-50": lambda: few_rows(sarcos, 50, n_splits, deal_blocks),
        "bike-15": lambda: few_rows(own_rows(fetch_bike), 15, n_splits, deal_rows),
        "bike-40": lambda: few_rows(own_rows(fetch_bike), 40, n_splits, deal_rows),
    }
    for name in ("enb", "edm", "jura", "slump", "wq", "andro", "atp1d"):
        jobs[f"mulan-{name}"] = lambda name=name: mulan(name, n_splits)
    return jobs


def run(name, splits, methods):
    print(f"\n{name}\n{'method':36}{'explained variance':>22}{'mean-task RMSE':>22}{'s/fit':>8}")
    rows = {}
    splits = list(splits)
    for method in methods:
        results = np.array([evaluate(METHODS[method], *split) for split in splits])
        mean, sd = results.mean(axis=0), results.std(axis=0)
        print(
            f"{method:36}{mean[0]:14.4f} ± {sd[0]:.3f}{mean[1]:14.4f} ± {sd[1]:.3f}{mean[2]:10.3f}",
            flush=True,
        )
        names = ("explained_variance", "mean_task_rmse", "fit_seconds")
        rows[method] = {"splits": len(splits)} | {
            key: {"mean": float(m), "sd": float(s)}
            for key, m, s in zip(names, mean, sd, strict=True)
        }
    return rows


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("workload", nargs="*", default=["school", "school-10"])
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument(
        "--methods",
        nargs="*",
        choices=[*METHODS, *FAMILIES],
        default=list(DEFAULT),
        metavar="NAME",
        help=f"of {', '.join(map(repr, METHODS))}, or one of the families {', '.join(FAMILIES)}",
    )
    parser.add_argument("--output", type=Path, help="JSON file for the results")
    parser.add_argument("--add", action="store_true", help="keep what else is in that file")
    options = parser.parse_args(argv)
    methods = [m for name in options.methods for m in FAMILIES.get(name, [name])]
    jobs = workloads(options.splits)
    mulan_jobs = [job for job in jobs if job.startswith("mulan-")]
    wanted = [j for name in options.workload for j in (mulan_jobs if name == "mulan" else [name])]
    unknown = [name for name in wanted if name not in jobs]
    if unknown:
        parser.error(f"unknown workload {unknown[0]!r}; known are {', '.join(jobs)}, mulan")
    results = {}
    if options.add and options.output and options.output.exists():
        results = json.loads(options.output.read_text(encoding="utf-8"))["results"]
    for name in wanted:
        rows = run(name, jobs[name](), list(dict.fromkeys(methods)))
        results[name] = results.get(name, {}) | rows
        if options.output:
            record = {"splits": options.splits, "results": results, **describe_environment()}
            options.output.parent.mkdir(parents=True, exist_ok=True)
            options.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
