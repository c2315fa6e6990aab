"""One job of the speed comparison -> its record: methods, seconds and ratios."""

import tracemalloc

import methods
import numpy as np
from gaps import relative_gap, relative_gap_own_rows
from sklearn.model_selection import KFold
from timing import compare_fits, compare_to_gaps
from workloads import (
    own_rows_problem,
    path_problem,
    ridge_problem,
    shared_problem,
    task_slices,
)

N_ALPHAS = 100
SMALLEST_ALPHA = 1e-3  # of alpha_max, as in scikit-learn
N_FOLDS = 5
RIDGE_ALPHAS = np.logspace(0, 5, 50)
PATH_PATIENCE = 5  # a path is many solves: times the patience of one


def run_job(job, repeats, patience):
    """The record of a job, or of each comparison where it has several."""
    run = {"own": run_own_rows, "paths": run_path, "ridge": run_ridge}.get(job.group, run_shared)
    return run(job, repeats, patience)


def run_shared(job, repeats, patience):
    X, Y, alpha = shared_problem(job)
    solvers = methods.lasso_methods(X, Y, alpha)
    records, active = compare_to_gaps(
        solvers, lambda W: relative_gap(X, Y, W, alpha), repeats, patience
    )
    return {**describe(X, Y), "active": active, **with_ratios(records)}


def run_own_rows(job, repeats, patience):
    """Seconds to the gaps over those of one pass, and memory over that of X."""
    X, y, ids, alpha = own_rows_problem(job)
    slices = task_slices(ids)
    tasks = [(X[rows], y[rows]) for rows in slices]

    def solve(tol):
        return methods.lasso_own_rows(X, y, ids, alpha, tol)

    records, active = compare_to_gaps(
        {"skmtl": solve}, lambda W: relative_gap_own_rows(tasks, W, alpha), repeats, patience
    )
    one_pass, _ = compare_fits(
        {"one pass of X_t' X_t": lambda: methods.gram_pass(X, slices)}, max(repeats, 3), patience
    )
    seconds = next(iter(one_pass.values()))["seconds"]["fit"]
    return {
        "shape": [*X.shape, len(tasks)],
        "active": active,
        "methods": records,
        "pass_seconds": seconds,
        "passes": {gap: s and s / seconds for gap, s in records["skmtl"]["seconds"].items()},
        "memory_over_X": peak_memory(lambda: solve(1e-8)) / X.nbytes,
    }


def peak_memory(function):
    """Bytes that a call allocates at most, beyond what there was; 0 where it fails."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    except Exception:  # the timed runs have recorded the error
        return 0
    finally:
        tracemalloc.stop()


def run_path(job, repeats, patience):
    """Cross-validated paths over the same alphas and folds, to equal certificates."""
    X, Y = path_problem(job)
    alpha_max = np.linalg.norm(X.T @ Y, axis=1).max() / len(X)
    alphas = alpha_max * np.geomspace(1, SMALLEST_ALPHA, N_ALPHAS)
    folds = list(KFold(N_FOLDS, shuffle=True, random_state=0).split(X))
    fits = methods.path_methods(X, Y, alphas, folds)
    records, models = compare_fits(fits, repeats, PATH_PATIENCE * patience, key="path")
    for method, model in models.items():
        records[method]["alpha_over_max"] = float(model.alpha_ / alpha_max)
    result = {**describe(X, Y), "n_alphas": N_ALPHAS, "n_folds": N_FOLDS, **with_ratios(records)}
    if {"skmtl", "scikit-learn"} <= set(models):
        ours, theirs = models["skmtl"], models["scikit-learn"]
        result["same_alpha"] = bool(np.isclose(ours.alpha_, theirs.alpha_, rtol=1e-9))
        result["mse_difference"] = largest_difference(mean_errors(ours), mean_errors(theirs))
    return result


def mean_errors(model):
    """Mean squared error per alpha, from the largest alpha on."""
    order = np.argsort(-np.asarray(model.alphas_), kind="stable")
    return np.asarray(model.mse_path_).mean(axis=1)[order]


def run_ridge(job, repeats, patience):
    """Leave-one-out against scikit-learn, five folds against himalaya."""
    X, Y = ridge_problem(job)
    results = []
    for criterion, peer in (("leave-one-out", "scikit-learn"), ("5 folds", "himalaya")):
        fits = methods.ridge_methods(X, Y, RIDGE_ALPHAS, criterion)
        records, chosen = compare_fits(fits, repeats, patience)
        result = {**describe(X, Y), "n_alphas": len(RIDGE_ALPHAS), "criterion": criterion}
        result.update(with_ratios(records))
        if {"skmtl", peer} <= set(chosen):
            (our_alpha, our_errors), (their_alpha, their_errors) = chosen["skmtl"], chosen[peer]
            result["same_alpha"] = float(np.mean(np.isclose(our_alpha, their_alpha, rtol=1e-6)))
            result["mse_difference"] = largest_difference(our_errors, their_errors)
        results.append(result)
    return results


def largest_difference(ours, theirs):
    """Largest relative difference of two arrays of errors."""
    return float(np.max(np.abs(np.asarray(ours) / np.asarray(theirs) - 1)))


def describe(X, Y):
    return {"shape": [*X.shape, Y.shape[1]]}


def with_ratios(records):
    """Records, and per key the fastest peer and its seconds over those of skmtl."""
    ratio, fastest = {}, {}
    for key in next(iter(records.values()))["seconds"]:
        peers = {m: r["seconds"][key] for m, r in records.items() if m != "skmtl"}
        peers = {method: seconds for method, seconds in peers.items() if seconds is not None}
        fastest[key] = min(peers, key=peers.get) if peers else None
        ours = records["skmtl"]["seconds"][key] if "skmtl" in records else None
        ratio[key] = peers[fastest[key]] / ours if peers and ours else None
    return {"methods": records, "fastest_peer": fastest, "ratio": ratio}
