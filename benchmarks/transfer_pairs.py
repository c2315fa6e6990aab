"""Does transfer ever lose against the target alone? Real pairs, growing numbers of target rows.

    python benchmarks/transfer_pairs.py                           # all pairs and families
    python benchmarks/transfer_pairs.py red-white --families ridge lasso --seeds 5 --rows 20 50

For each pair, number of training rows of the target and seed: fit the cross-validated transfer of
a family of models, and the same family to the target's rows alone, and score both on up to 2000
other rows of the target. All rows of the sources are given. "change" is that of the mean root mean
squared error (of the log-loss for labels) in percent, below 0 is better; "se" the standard error
of its mean over the seeds. Features are standardised on all training rows together.
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import skmtl
from skmtl import datasets
from skmtl.environment import describe_environment

ROWS = (20, 50, 100, 200, 500)
LARGEST_SHARE = 0.75  # of the target's rows that are used for training
MOST_TESTED = 2000
LEAST_PROBABILITY = 1e-6


def pair_of(fetch, target, **options):
    """A function that loads features, targets, ids, and the id of the target."""

    def load():
        data = fetch(**options)
        X = data.data.tocsr() if sparse.issparse(data.data) else data.data
        ids = X[:, [0]].toarray().ravel() if sparse.issparse(X) else X[:, 0]
        return X[:, 1:], data.target, ids, target

    return load


PAIRS = {
    "red-white": pair_of(datasets.fetch_wine_quality, 1),
    "white-red": pair_of(datasets.fetch_wine_quality, 0),
    "bike-2012": pair_of(datasets.fetch_bike, 2012, tasks="year"),
    "student-portuguese": pair_of(datasets.fetch_student, 1),
    "student-hard": pair_of(datasets.fetch_student, 1, earlier_grades=False),
    "newsgroups-comp": pair_of(datasets.fetch_newsgroups_pairs, 1, pair="comp.vs.sci"),
    "newsgroups-rec": pair_of(datasets.fetch_newsgroups_pairs, 1, pair="rec.vs.talk"),
    **{f"concrete-{third}": pair_of(datasets.fetch_concrete, third) for third in range(3)},
    **{f"auto-mpg-{third}": pair_of(datasets.fetch_auto_mpg, third) for third in range(3)},
}


def of_models(source, transfer, alone):
    """A family that starts from models of the sources."""

    def fit(rows_of_sources, X, y):
        models = [source().fit(*rows) for rows in rows_of_sources]
        return transfer(models).fit(X, y)

    return fit, lambda X, y: alone().fit(X, y)


def of_rows(transfer, alone):
    """A family that is given the rows of the sources."""
    return (
        lambda rows_of_sources, X, y: transfer(list(rows_of_sources)).fit(X, y),
        lambda X, y: alone().fit(X, y),
    )


def forest(kind):
    return kind(n_estimators=100, min_samples_leaf=2, random_state=0, n_jobs=1)


def ridge_source():
    return skmtl.TransferRidgeCV()


def logistic_source():
    return skmtl.TransferLogisticRegressionCV()


FAMILIES = {
    "regression": {
        "ridge": of_models(ridge_source, skmtl.TransferRidgeCV, skmtl.TransferRidgeCV),
        "lasso": of_models(ridge_source, skmtl.TransferLassoCV, skmtl.TransferLassoCV),
        "trans-lasso": of_rows(skmtl.TransLasso, skmtl.TransLasso),
        "source-weighted": of_rows(
            lambda rows: skmtl.SourceWeightedRegressorCV(source_rows=rows),
            skmtl.SourceWeightedRegressorCV,
        ),
        "forest": of_models(
            lambda: forest(RandomForestRegressor),
            lambda models: skmtl.TransferRegressorCV(
                skmtl.TransferForestRegressor(models, random_state=0)
            ),
            lambda: skmtl.TransferForestRegressor(random_state=0),
        ),
        "boosting": of_models(
            lambda: HistGradientBoostingRegressor(random_state=0),
            lambda models: skmtl.TransferRegressorCV(
                skmtl.TransferBoostingRegressor(models, random_state=0)
            ),
            lambda: skmtl.TransferBoostingRegressor(random_state=0),
        ),
        "search-ridge": of_models(
            ridge_source,
            lambda models: skmtl.TransferRegressorCV(skmtl.TransferRidge(models)),
            lambda: skmtl.TransferRidge(),
        ),
    },
    "classification": {
        "logistic": of_models(
            logistic_source,
            skmtl.TransferLogisticRegressionCV,
            skmtl.TransferLogisticRegressionCV,
        ),
        "trans-glm": of_rows(skmtl.TransGLMClassifier, skmtl.TransGLMClassifier),
        "source-weighted": of_rows(
            lambda rows: skmtl.SourceWeightedClassifierCV(source_rows=rows),
            skmtl.SourceWeightedClassifierCV,
        ),
        "forest": of_models(
            lambda: forest(RandomForestClassifier),
            lambda models: skmtl.TransferClassifierCV(
                skmtl.TransferForestClassifier(models, random_state=0)
            ),
            lambda: skmtl.TransferForestClassifier(random_state=0),
        ),
        "boosting": of_models(
            lambda: HistGradientBoostingClassifier(random_state=0),
            lambda models: skmtl.TransferClassifierCV(
                skmtl.TransferBoostingClassifier(models, random_state=0)
            ),
            lambda: skmtl.TransferBoostingClassifier(random_state=0),
        ),
    },
}


def split(load, n_rows, seed):
    """Standardised rows of every source, of the target, and to be tested."""
    X, y, ids, target = load()
    random = np.random.RandomState(seed)
    own = random.permutation(np.flatnonzero(ids == target))
    train, test = own[:n_rows], own[n_rows:][-MOST_TESTED:]
    others = np.flatnonzero(ids != target)
    text = sparse.issparse(X)
    scaler = TfidfTransformer(sublinear_tf=True) if text else StandardScaler()
    scaler.fit(X[np.concatenate([others, train])])
    sources = [(scaler.transform(X[ids == k]), y[ids == k]) for k in np.unique(ids) if k != target]
    return sources, (scaler.transform(X[train]), y[train]), (scaler.transform(X[test]), y[test])


def error_of(model, X, y):
    """Root mean squared error, or mean log-loss."""
    if not is_classifier(model):
        return float(np.sqrt(np.mean((model.predict(X) - y) ** 2)))
    told, classes = model.predict_proba(X), model.classes_
    place = np.searchsorted(classes, y).clip(max=len(classes) - 1)
    chosen = told[np.arange(len(y)), place] * (classes[place] == y)
    return float(-np.log(np.maximum(chosen, LEAST_PROBABILITY)).mean())


def compare(load, families, n_rows, seed):
    """Dict of family to (error of the transfer, error of the target alone, seconds)."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    sources, (X, y), test = split(load, n_rows, seed)
    found = {}
    with threadpool_limits(1):
        for name, (transfer, alone) in families.items():
            start = time.perf_counter()
            model = transfer(sources, X, y)
            seconds = time.perf_counter() - start
            found[name] = (error_of(model, *test), error_of(alone(X, y), *test), seconds)
    return found


def summary(pair, n_rows, family, records):
    errors, base, seconds = np.array(records).T
    changes = 100.0 * (errors / base - 1.0)
    spread = changes.std(ddof=1) / np.sqrt(len(changes)) if len(changes) > 1 else float("nan")
    return {
        "pair": pair,
        "rows": n_rows,
        "family": family,
        "error": float(errors.mean()),
        "target_only": float(base.mean()),
        # Of the mean errors: a mean of ratios would let one split with a tiny error decide.
        "change": 100.0 * float(errors.mean() / base.mean() - 1.0),
        "standard_error": float(spread),
        "seconds": float(seconds.mean()),
    }


def describe(row):
    return (
        f"{row['pair']:20}{row['rows']:5}  {row['family']:16}{row['error']:9.4f}"
        f"{row['target_only']:9.4f}{row['change']:9.2f}{row['standard_error']:6.2f}"
        f"{row['seconds']:8.2f} s"
    )


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("pairs", nargs="*", metavar="PAIR", help=", ".join(PAIRS))
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROWS))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--families", nargs="+", metavar="FAMILY")
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(argv)
    unknown = [name for name in options.pairs if name not in PAIRS]
    if unknown:
        parser.error(f"unknown pair {unknown[0]!r}; known are {', '.join(PAIRS)}")
    print(
        f"{'pair':20}{'rows':>5}  {'family':16}{'error':>9}{'alone':>9}{'change %':>9}{'se':>6}",
        flush=True,
    )
    results = []
    for name in options.pairs or PAIRS:
        _, _, ids, target = PAIRS[name]()
        kind = "classification" if name.startswith("newsgroups") else "regression"
        families = {
            family: fits
            for family, fits in FAMILIES[kind].items()
            if options.families is None or family in options.families
        }
        for n_rows in options.rows:
            if n_rows > LARGEST_SHARE * np.sum(ids == target):
                continue
            jobs = (
                delayed(compare)(PAIRS[name], families, n_rows, seed)
                for seed in range(options.seeds)
            )
            runs = Parallel(n_jobs=options.n_jobs)(jobs)
            for family in families:
                results.append(summary(name, n_rows, family, [run[family] for run in runs]))
                print(describe(results[-1]), flush=True)
            if options.output:  # what is finished is kept
                record = {"seeds": options.seeds, "results": results, **describe_environment()}
                options.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    if results:
        print(f"worst: {describe(max(results, key=lambda row: row['change']))}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
