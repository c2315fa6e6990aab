"""What structures cost: seconds of every convex fit, against the number of tasks, and of ELLA.

    python benchmarks/structures.py                              # all three parts
    python benchmarks/structures.py --parts school growth --output structures.json
    python benchmarks/structures.py --table benchmarks/results/structures.json

school: every penalty on the School data (standardised features and targets, all rows), at 0.1 and
0.02 of the smallest strength at which all that it can make zero is zero (for squares, which make
nothing zero, of the largest curvature of the loss), to a relative duality gap of 1e-6. growth:
generated tasks of 50 rows and 30 features at 0.1, more and more of them; seconds per task, and the
exponent b of seconds = a * n_tasks^b. lifelong: seconds of `ELLARegressor.partial_fit` for one more
task, and its error beside that of `TaskDictionary`. Times are processor seconds, the least of three
series of fits (of one fit if it takes long), with OPENBLAS_NUM_THREADS=1; those of tasks that come
one by one are seconds of the clock.
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from skmtl import (
    ARMUL,
    CalibratedMultiTaskLasso,
    ELLARegressor,
    MultiTaskRegressor,
    TaskDictionary,
    fitting,
    keep_tasks,
    make_multitask_regression,
    pooled_explained_variance,
)
from skmtl.datasets import fetch_school
from skmtl.environment import describe_environment
from skmtl.penalties import (
    L1,
    L21,
    Common,
    Decomposed,
    Fusion,
    Graph,
    GroupL21,
    L1Inf,
    Nuclear,
    SpectralBox,
    SquaredL2,
    SquaredNuclear,
    TaskL21,
    TotalVariation,
)
from skmtl.task_data import make_task_data

TOL = 1e-6
SHARES = (0.1, 0.02)
N_TASKS = (125, 250, 500, 1000, 2000)
N_FEATURES, N_ROWS = 30, 50
LONG = 1.0  # seconds; such fits are not repeated
SHORT, MOST_IN_A_ROW = 0.1, 10  # seconds; shorter fits are repeated to about this much in a row
LIMIT = 30.0  # seconds; more tasks than those of such a fit are not tried
PARTS = ("school", "growth", "lifelong")


def penalties(n_features, n_tasks):
    """Every convex structure, with ratios at which all of its parts are in use."""
    groups = np.arange(n_features) // 3
    of_columns = np.sqrt(n_features / n_tasks)  # norms of columns to those of rows
    spectral = 1.0 / (np.sqrt(n_features) + np.sqrt(n_tasks))
    return {
        "L21": L21(),
        "L21 + L1": L21() + L1(0.5 / np.sqrt(n_tasks)),
        "L21 + SquaredL2": L21() + SquaredL2(0.01),
        "L1": L1(),
        "L1Inf": L1Inf(),
        "GroupL21": GroupL21(groups),
        "TaskL21": TaskL21(),
        "Nuclear": Nuclear(),
        "SquaredNuclear": SquaredNuclear(),
        "SquaredNuclear + SquaredL2": SquaredNuclear() + SquaredL2(1.0),
        "SpectralBox": SpectralBox(2),
        "Decomposed(L21, L1)": Decomposed(L21(), L1(2.0 / np.sqrt(n_tasks))),
        "Decomposed(L1Inf, L1)": Decomposed(L1Inf(), L1(4.0 / n_tasks)),
        "Decomposed(L21, TaskL21)": Decomposed(L21(), TaskL21(of_columns)),
        "Decomposed(Nuclear, L1)": Decomposed(Nuclear(), L1(4.0 * spectral)),
        "Decomposed(Nuclear, TaskL21)": Decomposed(
            Nuclear(), TaskL21(1.5 * np.sqrt(n_features) * spectral)
        ),
        "Decomposed(Common(L1), L1)": Decomposed(Common(L1()), L1(1.0 / np.sqrt(n_tasks))),
        "Decomposed(Common(SquaredL2), SquaredL2)": Decomposed(
            Common(SquaredL2(0.01)), SquaredL2(1.0)
        ),
        "Decomposed(Common, TaskL21)": Decomposed(Common(), TaskL21()),
        "Decomposed(Common(SquaredL2), SpectralBox)": Decomposed(
            Common(SquaredL2(0.01)), SpectralBox(2)
        ),
        "Graph(chain) + L21": Graph("chain") + L21(0.1),
        "Fusion(chain)": Fusion("chain"),
        "Fusion(chain) + SquaredL2": Fusion("chain") + SquaredL2(0.01),
        "TotalVariation": TotalVariation(),
        "TotalVariation + L1 + L21": TotalVariation() + L1(0.1) + L21(0.1),
    }


def school():
    """Standardised features with the ids in column 0, standardised targets, and a split."""
    data = fetch_school()
    X = keep_tasks(StandardScaler(), 0).fit_transform(data.data)
    return X, (data.target - data.target.mean()) / data.target.std(), data.splits[0]


def tasks(n_tasks):
    """Generated tasks in three clusters."""
    X, y = make_multitask_regression(
        n_tasks=n_tasks,
        n_samples=N_ROWS,
        n_features=N_FEATURES,
        structure="clusters",
        random_state=0,
    )
    return X, (y - y.mean()) / y.std()


def fastest(fit):
    """The fitted model and the least mean seconds of three series of fits (of one, if long)."""
    seconds, times = [], 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the certificate says it
        for _ in range(3):
            start = time.process_time()
            for _ in range(times):
                model = fit()
            seconds.append((time.process_time() - start) / times)
            if seconds[-1] > LONG:
                break
            times = max(times, min(MOST_IN_A_ROW, round(SHORT / max(seconds[-1], 1e-3))))
    return model, min(seconds[1:] or seconds)


def strength(X, y, penalty):
    """What strengths are shares of, and the seconds to find it."""
    start = time.process_time()
    data = make_task_data(X[:, 1:], y, ids=X[:, 0].astype(int))
    problem = fitting.pose(data, penalty)
    top = fitting.alpha_max(problem)
    top = top if np.isfinite(top) else problem.largest_curvature()
    return top, time.process_time() - start


def time_penalty(X, y, penalty, shares):
    """Records of a penalty at shares of its largest strength."""
    top, search = strength(X, y, penalty)
    records = []
    for share in shares:
        model = MultiTaskRegressor(penalty.scaled(top * share), tol=TOL, task_column=0)
        model, seconds = fastest(lambda model=model: model.fit(X, y))
        records.append(
            {
                "share": share,
                "alpha": top * share,
                "seconds": seconds,
                "seconds_alpha_max": search,
                "gap": model.dual_gap_,
                "iterations": model.n_iter_,
                "solver": model.solver_,
                "active": int(np.any(model.coef_ != 0, axis=0).sum()),
            }
        )
    return records


def time_estimator(X, y, model):
    """One record of an estimator that is no penalty."""
    model, seconds = fastest(lambda: model.fit(X, y))
    return {"seconds": seconds, "gap": model.dual_gap_, "iterations": model.n_iter_}


def run_school(names=None):
    X, y, _ = school()
    table = penalties(X.shape[1] - 1, len(np.unique(X[:, 0])))
    records = {}
    for name in [name for name in names or table if name in table]:
        records[name] = time_penalty(X, y, table[name], SHARES)
        report(name, records[name])
    for name, model in {
        "CalibratedMultiTaskLasso": CalibratedMultiTaskLasso(tol=TOL, task_column=0),
        "ARMUL": ARMUL(5.0, tol=TOL, task_column=0),
    }.items():
        if names is None or name in names:
            records[name] = [time_estimator(X, y, model)]
            report(name, records[name])
    return records


def run_growth(names=None):
    records = {}
    data = {n: tasks(n) for n in N_TASKS}
    known = penalties(N_FEATURES, N_TASKS[0])
    for name in [name for name in names or known if name in known]:
        runs = []
        for n_tasks, (X, y) in data.items():
            (run,) = time_penalty(X, y, penalties(N_FEATURES, n_tasks)[name], SHARES[:1])
            runs.append({"n_tasks": n_tasks, **run})
            if max(run["seconds"], run["seconds_alpha_max"]) > LIMIT:
                break
        records[name] = {"runs": runs, "exponent": exponent(runs)}
        report(name, runs)
    return records


def exponent(runs):
    """b of seconds = a * n_tasks^b by least squares on logarithms; None for a single run."""
    if len(runs) < 2:
        return None
    sizes, seconds = ([run[key] for run in runs] for key in ("n_tasks", "seconds"))
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(seconds, 1e-9)), 1)[0])


def run_lifelong(names=None):
    """One task of School after the other in a dictionary, and all at once."""
    X, y, (train, test) = school()
    X_train, y_train = X[train], y[train]
    options = {"n_components": 3, "alpha_sparse": 0.03, "task_column": 0}
    one_by_one, seconds = ELLARegressor(**options), []
    for task in np.unique(X_train[:, 0]):
        rows = X_train[:, 0] == task
        start = time.perf_counter()
        one_by_one.partial_fit(X_train[rows], y_train[rows])
        seconds.append(time.perf_counter() - start)
    models = {
        "ELLARegressor, one by one": (one_by_one, sum(seconds)),
        "ELLARegressor": fastest(lambda: ELLARegressor(**options).fit(X_train, y_train)),
        "TaskDictionary": fastest(
            lambda: TaskDictionary(common=True, **options).fit(X_train, y_train)
        ),
    }
    records = {
        name: {
            "seconds": elapsed,
            "explained_variance": float(pooled_explained_variance(y[test], model.predict(X[test]))),
            "rmse": float(np.sqrt(np.mean((y[test] - model.predict(X[test])) ** 2))),
        }
        for name, (model, elapsed) in models.items()
    }
    records["ELLARegressor, one by one"]["seconds_by_task"] = seconds
    for name, record in records.items():
        report(name, [record])
    return records


RUNS = {"school": run_school, "growth": run_growth, "lifelong": run_lifelong}


def report(name, runs):
    cells = [f"{run['seconds']:9.4f} s" for run in runs]
    gaps = [f"{run['gap']:.0e}" for run in runs if "gap" in run]
    print(f"{name:44}{''.join(cells)}  {' '.join(gaps)}", flush=True)


# --- tables --------------------------------------------------------------------------------------


def table(record):
    """All parts as markdown."""
    parts = {"school": school_table, "growth": growth_table, "lifelong": lifelong_table}
    results = record["results"]
    return "\n\n".join(parts[name](results[name]) for name in PARTS if name in results)


def markdown(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def school_table(records):
    rows = []
    for name, runs in records.items():
        cells = [f"{1000 * run['seconds']:.0f}" for run in runs]
        gaps = [f"{run['gap']:.0e}" for run in runs]
        top = f"{1000 * runs[0].get('seconds_alpha_max', np.nan):.0f}".replace("nan", "")
        rest = [""] * (len(SHARES) - len(runs))
        rows.append([name, *cells, *rest, *gaps, *rest, top])
    head = ["School", *(f"ms at {share:g}" for share in SHARES)]
    return markdown([*head, *(f"gap at {s:g}" for s in SHARES), "ms to the largest alpha"], rows)


def growth_table(records):
    sizes = sorted({run["n_tasks"] for record in records.values() for run in record["runs"]})
    rows = []
    for name, record in records.items():
        by_size = {run["n_tasks"]: run for run in record["runs"]}
        cells = [f"{1000 * by_size[n]['seconds'] / n:.3f}" if n in by_size else "" for n in sizes]
        b = record["exponent"]
        worst = max(run["gap"] for run in record["runs"])
        rows.append([name, *cells, "" if b is None else f"{b:.2f}", f"{worst:.0e}"])
    return markdown(["ms per task", *(f"{n} tasks" for n in sizes), "exponent", "gap"], rows)


def lifelong_table(records):
    rows = []
    for name, record in records.items():
        steps = 1000 * np.array(record.get("seconds_by_task", []))
        third = len(steps) // 3
        cells = ["", ""]
        if third:
            cells = [f"{np.median(part):.2f}" for part in (steps[:third], steps[-third:])]
        error = [f"{record['explained_variance']:.4f}", f"{record['rmse']:.4f}"]
        rows.append([name, f"{record['seconds']:.3f}", *cells, *error])
    head = ["one School split", "s", "ms per task, first third", "last third"]
    return markdown([*head, "explained variance", "RMSE"], rows)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--penalties", nargs="+", metavar="NAME", help="instead of all")
    parser.add_argument("--output", type=Path, help="JSON file; parts that it has already stay")
    parser.add_argument("--table", type=Path, metavar="JSON", help="print the tables of a file")
    options = parser.parse_args(argv)
    if options.table:
        print(table(json.loads(options.table.read_text(encoding="utf-8"))))
        return 0
    known = set(penalties(1, 1)) | {"CalibratedMultiTaskLasso", "ARMUL"}
    unknown = [name for name in options.penalties or () if name not in known]
    if unknown:
        parser.error(f"unknown penalty {unknown[0]!r}; known are {', '.join(sorted(known))}")
    results = {}
    if options.output and options.output.exists():
        results = json.loads(options.output.read_text(encoding="utf-8"))["results"]
    for part in options.parts:
        print(f"\n{part}")
        results[part] = RUNS[part](options.penalties)
        record = {"tol": TOL, "results": results, **describe_environment()}
        if options.output:
            options.output.parent.mkdir(parents=True, exist_ok=True)
            options.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"\n{table(record)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
