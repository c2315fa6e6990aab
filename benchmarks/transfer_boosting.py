"""Boosting from sources against boosting of the target alone, and of all rows as one.

    python benchmarks/transfer_boosting.py                    # two sets, 20 seeds
    python benchmarks/transfer_boosting.py --seeds 5 --methods "TransferBoosting" "target boosting"

The tasks are thirds of a data set (Pardoe and Stone 2010): each in turn is the target, with 20 or
50 training rows, the others are two sources. The score is the root mean squared error on the
other rows of the target, mean over seeds, in percent of that of the target alone, and the share
of seeds in which it is lower.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from skmtl import datasets
from skmtl.environment import describe_environment
from skmtl.transfer import TrAdaBoostRegressor, TransferBoostingRegressor

SETS = {"concrete": datasets.fetch_concrete, "auto_mpg": datasets.fetch_auto_mpg}
ROWS = (20, 50)


def boosting(**options):
    def fit(sources, X, y):
        source = [HistGradientBoostingRegressor(random_state=0).fit(*rows) for rows in sources]
        return TransferBoostingRegressor(source, **options).fit(X, y)

    return fit


def pooled_boosting(sources, X, y):
    tables, targets = zip(*sources, (X, y), strict=True)
    model = HistGradientBoostingRegressor(random_state=0)
    return model.fit(np.vstack(tables), np.concatenate(targets))


METHODS = {  # with the method that it is compared to
    "target AdaBoost.R2": (lambda sources, X, y: TrAdaBoostRegressor().fit(X, y), None),
    "two-stage TrAdaBoost.R2": (
        lambda sources, X, y: TrAdaBoostRegressor(sources).fit(X, y),
        "target AdaBoost.R2",
    ),
    "TrAdaBoost.R2": (
        lambda sources, X, y: TrAdaBoostRegressor(sources, method="r2").fit(X, y),
        "target AdaBoost.R2",
    ),
    "target boosting": (lambda sources, X, y: TransferBoostingRegressor().fit(X, y), None),
    "TransferBoosting": (boosting(), "target boosting"),
    "pooled boosting": (pooled_boosting, "target boosting"),
}


def run(name, target, n_rows, seed, methods):
    """Errors and seconds of every method, one training set."""
    data = SETS[name]()
    ids, X = data.data[:, data.task_column], np.delete(data.data, data.task_column, axis=1)
    tasks = np.unique(ids)
    sources = [(X[ids == t], data.target[ids == t]) for t in tasks if t != tasks[target]]
    own = np.flatnonzero(ids == tasks[target])
    rows = np.random.default_rng(seed).permutation(own)
    train, test = rows[:n_rows], rows[n_rows:]
    errors = {}
    with threadpool_limits(1):
        for method in methods:
            start = time.perf_counter()
            model = METHODS[method][0](sources, X[train], data.target[train])
            residuals = model.predict(X[test]) - data.target[test]
            errors[method] = (
                float(np.sqrt(np.mean(residuals**2))),
                time.perf_counter() - start,
            )
    return {"set": name, "target": target, "rows": n_rows, "seed": seed, "errors": errors}


def table(records, methods):
    """One line per method, set and number of rows."""
    lines = []
    for method in methods:
        base = METHODS[method][1]
        if base not in methods:
            continue
        for name in SETS:
            for n_rows in ROWS:
                own = [r for r in records if r["set"] == name and r["rows"] == n_rows]
                if not own:
                    continue
                changes, wins = [], []
                for target in range(3):
                    pairs = [
                        (r["errors"][method][0], r["errors"][base][0])
                        for r in own
                        if r["target"] == target
                    ]
                    pairs = np.array(pairs)
                    changes.append(100 * (pairs[:, 0].mean() / pairs[:, 1].mean() - 1))
                    wins.append(np.mean(pairs[:, 0] < pairs[:, 1]))
                seconds = np.mean([r["errors"][method][1] for r in own])
                thirds = "  ".join(
                    f"{c:+6.1f} ({w:4.0%})" for c, w in zip(changes, wins, strict=True)
                )
                lines.append(f"{method:26} {name:9} {n_rows:3}  {thirds}  {seconds:6.2f} s")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    jobs = [
        delayed(run)(name, target, n_rows, seed, options.methods)
        for name in options.sets
        for target in range(3)
        for n_rows in options.rows
        for seed in range(options.first_seed, options.first_seed + options.seeds)
    ]
    records = Parallel(options.n_jobs)(jobs)
    print("change of the error in percent (share of seeds in which it fell), per third as target")
    print("\n".join(table(records, options.methods)))
    if options.out:
        result = {"environment": describe_environment(), "records": records}
        options.out.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
