"""Transfer of forests: is it worth it, and what does it cost?

    python benchmarks/transfer_trees.py                        # both parts, prints tables
    python benchmarks/transfer_trees.py --parts speed --output benchmarks/results
    python benchmarks/transfer_trees.py --table benchmarks/results/transfer-trees.json

accuracy: root mean squared error on rows of the target that were not used, mean over seeds, of a
forest of the target's rows alone, of the source alone, and of each method. Pairs: student grades
(mathematics -> Portuguese), wines (red -> white and back), rentals of bikes (2011 -> 2012).
speed: processor seconds of a fit over those that the source forest's own `apply` takes on the
same rows, all in one thread; and the most memory that a fit takes, in numbers of 8 bytes for every
node and output of the source.

Real data come from the cache of skmtl.datasets (SKMTL_DATA), or are downloaded.
"""

import argparse
import json
import time
import tracemalloc
from pathlib import Path

import numpy as np
from report import markdown, number
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from skmtl import datasets
from skmtl.environment import describe_environment
from skmtl.transfer.trees import TransferForestClassifier, TransferForestRegressor

SIZES = (20, 50, 100, 200, 500)
N_TREES = 100
LEFT_FOR_TEST = 149  # at least so many rows of the target; the Portuguese grades are few
MOST_TEST = 1000
VARIANTS = {
    "leaves": {},
    "expand_reduce": {"method": "expand_reduce"},
    "structure": {"method": "structure"},
    "mix": {"method": "mix"},
    "leaves, no new trees": {"n_new_trees": 0},
    "leaves, prior leaf, no new trees": {"n_new_trees": 0, "prior": "leaf"},
}
FITS = {
    "leaves, strength 1, prior leaf": {"prior_strength": 1.0, "prior": "leaf"},
    "leaves, strength 1, prior path": {"prior_strength": 1.0, "prior": "path"},
    "leaves, auto": {},
    "expand_reduce": {"method": "expand_reduce"},
    "structure": {"method": "structure"},
}
N_ROWS, N_FEATURES = 10_000, 20


def two_tasks(data, column=0, drop=()):
    """Rows (X, y) by the value of a column, which is no feature."""
    X, y = np.asarray(data.data, dtype=float), np.asarray(data.target, dtype=float)
    features = np.delete(X, [column, *drop], axis=1)
    return {value: (features[X[:, column] == value], y[X[:, column] == value]) for value in (0, 1)}


def pairs():
    """Source and target (X, y) by name."""
    grades = two_tasks(datasets.fetch_student())
    wines = two_tasks(datasets.fetch_wine_quality())
    bikes = datasets.fetch_bike()
    bikes = two_tasks(bikes, column=bikes.feature_names.index("yr"))
    return {
        "mathematics -> Portuguese": (grades[0], grades[1]),
        "red -> white": (wines[0], wines[1]),
        "white -> red": (wines[1], wines[0]),
        "bike 2011 -> 2012": (bikes[0], bikes[1]),
    }


def compare(pair, size, n_seeds):
    """Mean error of every method, and the mean share of new trees."""
    (X_source, y_source), (X, y) = pair
    forest = {"n_estimators": N_TREES, "max_features": 1 / 3}
    source = RandomForestRegressor(random_state=0, **forest).fit(X_source, y_source)
    errors, shares = {}, {}
    for seed in range(n_seeds):
        rows = np.random.default_rng(seed).permutation(len(y))
        train, test = rows[:size], rows[size:][-max(LEFT_FOR_TEST, MOST_TEST) :]
        models = {
            "target only": RandomForestRegressor(random_state=seed, **forest),
            **{
                name: TransferForestRegressor(source, random_state=seed, **options)
                for name, options in VARIANTS.items()
            },
        }
        predicted = {name: m.fit(X[train], y[train]).predict(X[test]) for name, m in models.items()}
        predicted["source only"] = source.predict(X[test])
        for name, values in predicted.items():
            error = float(np.sqrt(np.mean((values - y[test]) ** 2)))
            errors.setdefault(name, []).append(error)
        for name in VARIANTS:
            shares.setdefault(name, []).append(models[name].new_tree_share_)
    return {
        "rmse": {name: float(np.mean(values)) for name, values in errors.items()},
        "new_tree_share": {name: float(np.mean(values)) for name, values in shares.items()},
    }


def accuracy(n_seeds):
    results = []
    for name, pair in pairs().items():
        for size in SIZES:
            found = compare(pair, size, n_seeds)
            results.append({"pair": name, "rows": size, "seeds": n_seeds, **found})
            print(name, size, {k: round(v, 3) for k, v in found["rmse"].items()}, flush=True)
    return results


def processor_seconds(function, repeats):
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        seconds.append(time.process_time() - start)
    return min(seconds)


def most_memory(function):
    """Bytes."""
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def speed(n_trees, repeats):
    """Fits against `apply` for regression and labels, full depth and leaves of 20 rows."""
    rng = np.random.default_rng(0)
    X, X_target = rng.standard_normal((2, N_ROWS, N_FEATURES))
    results = []
    for labels in (False, True):
        y, y_target = (
            Z[:, 0] * Z[:, 1] + np.sin(Z[:, 2]) + 0.5 * rng.standard_normal(N_ROWS) + shift
            for Z, shift in ((X, 0.0), (X_target, 0.5))
        )
        if labels:
            y, y_target = np.digitize(y, [-0.5, 0.5]), np.digitize(y_target, [-0.5, 0.5])
        make, transfer = (
            (RandomForestClassifier, TransferForestClassifier)
            if labels
            else (RandomForestRegressor, TransferForestRegressor)
        )
        for least in (1, 20):
            source = make(n_trees, min_samples_leaf=least, max_features=1 / 3, random_state=0)
            source.fit(X, y)
            apply = processor_seconds(lambda model=source: model.apply(X_target), 2 * repeats)
            fits, memory = {}, {}
            values = sum(tree.tree_.value.size for tree in source.estimators_)
            for name, options in FITS.items():
                model = transfer(source, n_new_trees=0, random_state=0, **options)
                run = lambda m=model, t=y_target: m.fit(X_target, t)  # noqa: E731
                fits[name] = processor_seconds(run, repeats if "leaves" in name else 1)
                memory[name] = most_memory(run) / 8 / values
            result = {
                "target": "labels" if labels else "numbers",
                "trees": n_trees,
                "rows": N_ROWS,
                "min_samples_leaf": least,
                "apply": apply,
                "fit": fits,
                "ratio": {name: seconds / apply for name, seconds in fits.items()},
                "values": values,
                "memory": memory,
            }
            results.append(result)
            for part in (result["ratio"], memory):
                rounded = {name: round(value, 1) for name, value in part.items()}
                print(result["target"], least, rounded, flush=True)
    return results


def tables(record):
    parts = []
    if record.get("accuracy"):
        names = ["target only", "source only", *VARIANTS]
        rows = [
            [r["pair"], r["rows"], *[number(r["rmse"][name]) for name in names]]
            for r in record["accuracy"]
        ]
        parts.append(markdown(["pair", "rows", *names], rows))
    if record.get("speed"):
        rows = [
            [r["target"], r["min_samples_leaf"], number(r["apply"])]
            + [number(r["ratio"][name]) for name in FITS]
            for r in record["speed"]
        ]
        parts.append(markdown(["target", "min_samples_leaf", "apply, s", *FITS], rows))
        rows = [
            [r["target"], r["min_samples_leaf"], r["values"]]
            + [number(r["memory"][name]) for name in FITS]
            for r in record["speed"]
        ]
        parts.append(markdown(["target", "min_samples_leaf", "values", *FITS], rows))
    return "\n\n".join(parts)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--parts", nargs="+", default=["accuracy", "speed"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trees", type=int, default=500, help="of the forest that is timed")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, help="folder of the JSON file")
    parser.add_argument("--table", type=Path, help="print the tables of a JSON file and stop")
    options = parser.parse_args(arguments)
    if options.table:
        print(tables(json.loads(options.table.read_text())))
        return
    path = options.output and options.output / "transfer-trees.json"
    record = json.loads(path.read_text()) if path and path.exists() else {}
    record.update(describe_environment())
    if "accuracy" in options.parts:
        record["accuracy"] = accuracy(options.seeds)
    if "speed" in options.parts:
        record["speed"] = speed(options.trees, options.repeats)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, indent=1) + "\n")
    print(tables(record))


if __name__ == "__main__":
    main()
