"""Seconds to a certified duality gap, against the peers that are installed.

    pip install ".[bench]"
    python benchmarks/speed.py --workloads small --repeats 3 --output speed.json

Every method solves the same centred problem, 1 / (2 n) ||Y - X W||^2 + alpha ||W||_21, at a ladder
of its own tolerances. The gap of each answer is measured by one function, relative to the
objective of W = 0, and a method's time to a gap is its fastest run that reached it (the median
over repeats, methods in alternating order). Ratios compare with the fastest peer in this run.
"""

import argparse
import importlib.util
import json
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import MultiTaskLasso as SklearnMultiTaskLasso
from threadpoolctl import threadpool_limits

from skmtl import MultiTaskLasso
from skmtl.environment import describe_environment

GAPS = (1e-4, 1e-6, 1e-8)
TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10)
PEERS = ("celer", "skglm")

# name: (n_samples, n_features, n_tasks, alpha / alpha_max)
SHARED_ROWS = {
    "wide-sparse": (300, 5000, 20, 0.1),
    "wide": (300, 5000, 20, 0.02),
    "very-wide": (300, 20000, 50, 0.05),
    "square": (1000, 500, 50, 0.01),
    "tall": (5000, 300, 30, 0.01),
    "many-tasks": (2000, 100, 500, 0.01),
    "more-tasks-than-rows": (200, 1000, 1000, 0.05),
    "large": (1000, 5000, 20, 0.02),
    "few-tasks": (200, 5000, 3, 0.02),
    "large-support": (2000, 8000, 10, 0.02),
    "square-few-tasks": (2000, 2000, 5, 0.01),
}
SETS = {"small": ("wide-sparse", "square", "tall", "few-tasks"), "all": tuple(SHARED_ROWS)}


def make_problem(name, correlation, seed=0):
    """Centred X and Y with neighbouring columns correlated, and the alpha of a workload."""
    n, p, n_tasks, ratio = SHARED_ROWS[name]
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    for j in range(1, p):
        X[:, j] = correlation * X[:, j - 1] + np.sqrt(1 - correlation**2) * X[:, j]
    W = np.zeros((p, n_tasks))
    support = rng.choice(p, max(p // 20, 5), replace=False)
    W[support] = rng.standard_normal((len(support), n_tasks))
    Y = X @ W
    Y += Y.std() * rng.standard_normal(Y.shape)
    X, Y = np.asfortranarray(X - X.mean(axis=0)), np.asfortranarray(Y - Y.mean(axis=0))
    alpha_max = np.linalg.norm(X.T @ Y, axis=1).max() / n
    return X, Y, ratio * alpha_max


def relative_gap(X, Y, W, alpha):
    """Duality gap over the objective of W = 0; the one judge of all methods."""
    n = len(X)
    residual = Y - X @ W
    primal = np.sum(residual**2) / (2 * n) + alpha * np.linalg.norm(W, axis=1).sum()
    dual_norm = np.linalg.norm(X.T @ residual, axis=1).max() / (n * alpha)
    best = np.sum(Y * residual) / max(np.sum(residual**2), np.finfo(float).tiny)
    scale = np.clip(best, 0.0, 1.0 / dual_norm if dual_norm > 0 else np.inf)
    dual = (np.sum(Y**2) - np.sum((Y - scale * residual) ** 2)) / (2 * n)
    return (primal - dual) / (np.sum(Y**2) / (2 * n))


def solve_skmtl(X, Y, alpha, tol):
    return MultiTaskLasso(alpha, fit_intercept=False, tol=tol).fit(X, Y).coef_.T


def solve_sklearn(X, Y, alpha, tol):
    model = SklearnMultiTaskLasso(alpha=alpha, fit_intercept=False, tol=tol, max_iter=100_000)
    return model.fit(X, Y).coef_.T


def solve_celer(X, Y, alpha, tol):
    from celer.homotopy import mtl_path

    return mtl_path(X, Y, alphas=[alpha], tol=tol, max_iter=100, max_epochs=50_000)[1][..., 0].T


def solve_skglm(X, Y, alpha, tol):
    from skglm import MultiTaskLasso as SkglmMultiTaskLasso

    model = SkglmMultiTaskLasso(alpha=alpha, fit_intercept=False, tol=tol * alpha, max_iter=200)
    return model.fit(X, Y).coef_.T


def methods():
    found = {"skmtl": solve_skmtl, "scikit-learn": solve_sklearn}
    for name, solver in (("celer", solve_celer), ("skglm", solve_skglm)):
        if importlib.util.find_spec(name):
            found[name] = solver
    return found


def ladder(solver, problem, patience):
    """(seconds, gap) of one method over its tolerances, until the last gap or the patience."""
    X, Y, alpha = problem
    points = []
    for tol in TOLERANCES:
        start = time.perf_counter()
        W = solver(X, Y, alpha, tol)
        seconds = time.perf_counter() - start
        points.append((seconds, float(relative_gap(X, Y, W, alpha))))
        if points[-1][1] <= GAPS[-1] or seconds > patience:
            break
    return points


def time_to_gaps(runs):
    """Per gap the median over repeats of the fastest run that reached it; None if none did."""
    times = {}
    for gap in GAPS:
        fastest = [min((s for s, g in run if g <= gap), default=None) for run in runs]
        reached = [seconds for seconds in fastest if seconds is not None]
        times[f"{gap:.0e}"] = float(np.median(reached)) if len(reached) == len(runs) else None
    return times


def run_workload(name, correlation, repeats, patience):
    problem = make_problem(name, correlation)
    solvers = methods()
    for solver in solvers.values():  # compile and warm up
        solver(*problem[:2], problem[2] * 10, 1e-2)
    runs = {method: [] for method in solvers}
    for repeat in range(repeats):
        order = list(solvers) if repeat % 2 == 0 else list(solvers)[::-1]
        for method in order:
            runs[method].append(ladder(solvers[method], problem, patience))
    return {
        method: {"seconds_to_gap": time_to_gaps(points), "runs": points}
        for method, points in runs.items()
    }


def ratios(result):
    """Per gap the fastest peer's seconds over those of skmtl (above 1: skmtl is faster)."""
    out = {}
    for gap in (f"{gap:.0e}" for gap in GAPS):
        ours = result["skmtl"]["seconds_to_gap"][gap]
        peers = [r["seconds_to_gap"][gap] for m, r in result.items() if m != "skmtl"]
        peers = [seconds for seconds in peers if seconds is not None]
        out[gap] = min(peers) / ours if peers and ours else None
    return out


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--workloads", nargs="*", default=["small"], help="small, all, or names")
    parser.add_argument("--correlations", nargs="*", type=float, default=[0.5, 0.95])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="BLAS threads")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds for one run")
    parser.add_argument("--output", type=Path, help="JSON file for the results")
    options = parser.parse_args(argv)
    names = [w for name in options.workloads for w in SETS.get(name, (name,))]
    unknown = [name for name in names if name not in SHARED_ROWS]
    if unknown:
        parser.error(f"unknown workload {unknown[0]!r}; known are {', '.join(SHARED_ROWS)}")
    warnings.simplefilter("ignore", ConvergenceWarning)  # the gap is judged here

    print(f"seconds to the gaps {GAPS}, and those of the fastest peer over those of skmtl")
    record = {"threads": options.threads, "repeats": options.repeats, "workloads": {}}
    with threadpool_limits(options.threads):
        for name in names:
            for correlation in options.correlations:
                result = run_workload(name, correlation, options.repeats, options.patience)
                ratio = ratios(result)
                key = f"{name}/{correlation}"
                record["workloads"][key] = {"methods": result, "ratio": ratio}
                for method, values in result.items():
                    print(
                        f"{name:24}{correlation:6} {method:14}", *_cells(values["seconds_to_gap"])
                    )
                print(f"{'':31}{'ratio':14}", *_cells(ratio), flush=True)
    if options.output:
        record.update(describe_environment((*PEERS, "numba")))
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


def _cells(values):
    return [f"{value:9.4f}" if value is not None else f"{'-':>9}" for value in values.values()]


if __name__ == "__main__":
    raise SystemExit(main())
