"""The benchmarks: the judge of speed by brute force, its ladder, and runs on tiny problems."""

import importlib
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from skmtl import MultiTaskLasso, make_multitask_regression
from skmtl.inspection import penalty_strategies

FOLDER = Path(__file__).parents[1] / "benchmarks"
MODULES = ("accuracy", "gaps", "methods", "never_worse", "report", "runs")
MODULES = (*MODULES, "speed", "structures", "timing", "transfer_pairs", "workloads")


@pytest.fixture(scope="module")
def benchmarks():
    """The scripts, which are no package, as a dict of modules; nothing stays behind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield {name: importlib.import_module(name) for name in MODULES}
    for name in (*MODULES, "figure"):
        sys.modules.pop(name, None)


@pytest.fixture
def tiny(benchmarks, monkeypatch):
    """One tiny workload in each group, and no peer but scikit-learn. Returns the script."""
    workloads, methods, runs = (benchmarks[name] for name in ("workloads", "methods", "runs"))
    rng = np.random.default_rng(0)
    X = sparse.csc_matrix(rng.standard_normal((20, 8)) * (rng.uniform(size=(20, 8)) < 0.4))
    Y = workloads.centred(X @ rng.standard_normal((8, 2)))
    ids = np.repeat([3, 5], 10)
    monkeypatch.setattr(workloads, "SHARED_ROWS", {"tiny": (20, 30, 3, 0.1)})
    monkeypatch.setattr(workloads, "PATHS", {"path-tiny": "tiny"})
    monkeypatch.setattr(workloads, "RIDGE", {"ridge-tiny": (20, 6, 3)})
    monkeypatch.setattr(workloads, "OWN_ROWS", {"own-tiny": ((3, 10, 6), 0.05)})
    monkeypatch.setattr(workloads, "REAL", {"text": lambda: (X, Y)})
    monkeypatch.setattr(
        workloads, "OWN_REAL", {"schools": lambda: (X.toarray(), Y[:, 0].copy(), ids)}
    )
    monkeypatch.setattr(workloads, "REAL_RATIOS", (0.1,))
    monkeypatch.setattr(methods, "installed", lambda name: False)
    monkeypatch.setattr(runs, "N_ALPHAS", 4)
    monkeypatch.setattr(runs, "RIDGE_ALPHAS", np.logspace(0, 2, 4))
    monkeypatch.setattr(benchmarks["timing"], "SHORT", 1e-6)
    return benchmarks["speed"]


def lasso_problem(n=12, p=7, n_tasks=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    return X, X @ rng.standard_normal((p, n_tasks)) + rng.standard_normal((n, n_tasks)), 0.3


@pytest.mark.parametrize("seed", range(4))
def test_gap_is_the_primal_minus_the_best_scaled_dual(benchmarks, seed):
    X, Y, alpha = lasso_problem(seed=seed)
    n = len(X)
    W = np.random.default_rng(seed).standard_normal((7, 3)) * seed / 4
    residual = Y - X @ W
    null = np.sum(Y**2) / (2 * n)
    primal = np.sum(residual**2) / (2 * n) + alpha * sum(np.linalg.norm(row) for row in W)
    scales = np.linspace(0, 2, 200_001)
    feasible = scales * max(np.linalg.norm(X[:, j] @ residual) for j in range(7)) <= n * alpha
    products = np.sum(Y * residual), np.sum(residual**2)
    duals = (2 * scales * products[0] - scales**2 * products[1]) / (2 * n)
    expected = (primal - duals[feasible].max()) / null
    found = benchmarks["gaps"].relative_gap(X, Y, W, alpha)
    assert_allclose(found, expected, atol=1e-4)
    optimum = MultiTaskLasso(alpha, fit_intercept=False, tol=1e-10).fit(X, Y).coef_.T
    least = np.sum((Y - X @ optimum) ** 2) / (2 * n) + alpha * np.linalg.norm(optimum, axis=1).sum()
    assert found >= (primal - least) / null - 1e-9
    assert abs(benchmarks["gaps"].relative_gap(X, Y, optimum, alpha)) < 1e-9


def test_gap_of_sparse_and_of_own_rows_is_that_of_dense_shared_rows(benchmarks):
    X, Y, alpha = lasso_problem()
    gaps = benchmarks["gaps"]
    W = 0.1 * np.random.default_rng(1).standard_normal((7, 3))
    expected = gaps.relative_gap(X, Y, W, alpha)
    assert_allclose(gaps.relative_gap(sparse.csc_matrix(X), Y, W, alpha), expected)
    assert_allclose(gaps.relative_gap_own_rows([(X, y) for y in Y.T], W, alpha), expected)


@pytest.mark.parametrize("tol", [0.1, 1e-3])
def test_gap_agrees_with_the_certificate_of_the_estimator(benchmarks, tol):
    X, Y, alpha = lasso_problem(n=30)
    model = MultiTaskLasso(alpha, fit_intercept=False, tol=tol).fit(X, Y)
    found = benchmarks["gaps"].relative_gap(X, Y, model.coef_.T, alpha)
    assert_allclose(model.dual_gap_, found, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("tol", [0.1, 1e-3])
def test_gap_of_own_rows_agrees_with_the_certificate(benchmarks, tol):
    X, Y, _ = lasso_problem(n=30)
    ids = np.repeat([0, 1, 2], [6, 10, 14])
    tasks = [(X[ids == t], Y[ids == t, 0]) for t in range(3)]
    alpha_max = benchmarks["gaps"].alpha_max_own_rows(tasks)
    model = MultiTaskLasso(0.1 * alpha_max, fit_intercept=False, tol=tol).fit(X, Y[:, 0], tasks=ids)
    found = benchmarks["gaps"].relative_gap_own_rows(tasks, model.coef_.T, 0.1 * alpha_max)
    assert_allclose(model.dual_gap_, found, rtol=1e-6, atol=1e-12)
    assert (
        MultiTaskLasso(1.001 * alpha_max, fit_intercept=False)
        .fit(X, Y[:, 0], tasks=ids)
        .coef_.any()
        == np.False_
    )


@pytest.mark.parametrize("seed", range(30))
def test_first_reaching_is_the_linear_search(benchmarks, seed):
    rng = np.random.default_rng(seed)
    n = 21
    gaps = np.sort(10.0 ** rng.uniform(-14, -1, n).round(rng.integers(0, 3)))[::-1]
    tried = []

    def gap_at(rung):
        tried.append(rung)
        return gaps[rung] if rung < 18 else None  # the last are cut

    target = 10.0 ** rng.uniform(-12, -2)
    found = benchmarks["timing"].first_reaching(gap_at, target, int(rng.integers(n)), n)
    assert found == next((r for r in range(n) if r >= 18 or gaps[r] <= target), n)
    assert len(tried) == len(set(tried)) <= 10


def test_ladder_finds_and_repeats_the_loosest_runs_that_reach(benchmarks, monkeypatch):
    """Answers are their own gaps: a tenth of the tolerance, exact from 1e-6 on."""
    timing = benchmarks["timing"]
    monkeypatch.setattr(timing, "timed", lambda function, patience: (0.02, function()))
    records, active = timing.compare_to_gaps(
        {"one": lambda tol: np.full((4, 2), tol / 10 if tol > 2e-6 else 0.0)},
        lambda W: W[0, 0],
        repeats=2,
        patience=60,
    )
    runs = {run["tol"]: run for run in records["one"]["runs"]}
    assert_allclose([tol for tol, run in runs.items() if run["times"] > 1], [1e-3, 1e-5, 1e-6])
    assert {run["times"] for run in runs.values()} == {1, 7}  # 0.1 seconds in a row
    assert set(records["one"]["seconds"].values()) == {0.02}
    assert active == 0


def test_time_to_a_gap_is_the_fastest_median_that_reached(benchmarks):
    timing = benchmarks["timing"]
    ladder = timing.Ladder(None, None, 60.0)
    ladder.runs = {
        2: timing.Run(1e-5, 1, [3.0, 4.0, 9.0]),
        5: timing.Run(1e-6, 1, [2.0, 1.0, 7.0]),
        7: timing.Run(1e-7, 1, [0.5]),  # tried on the way, not repeated
    }
    ladder.rungs = {1e-4: 2, 1e-6: 5}
    assert ladder.seconds_to_gaps() == {"1e-04": 2.0, "1e-06": 2.0, "1e-08": None}


def test_search_ends_with_patience_but_keeps_what_it_found(benchmarks, monkeypatch):
    timing = benchmarks["timing"]
    monkeypatch.setattr(timing, "timed", lambda function, patience: (1.0, function()))
    records, _ = timing.compare_to_gaps(
        {"slow": lambda tol: np.full((1, 1), tol)}, lambda W: W[0, 0], repeats=1, patience=1.5
    )
    assert records["slow"]["cut"]
    assert len(records["slow"]["runs"]) == 4
    assert records["slow"]["seconds"]["1e-04"] == 1.0
    assert records["slow"]["seconds"]["1e-08"] is None


def test_cut_and_broken_methods_are_recorded(benchmarks):
    def endless(tol):
        while True:
            sum(range(100))

    def broken(tol):
        raise RuntimeError("no solver")

    records, active = benchmarks["timing"].compare_to_gaps(
        {"endless": endless, "broken": broken}, lambda W: 0.0, repeats=2, patience=0.02
    )
    assert records["endless"]["cut"]
    assert 1 <= len(records["endless"]["runs"]) <= 3
    assert "no solver" in records["broken"]["error"]
    assert {s for record in records.values() for s in record["seconds"].values()} == {None}
    assert active is None
    records, results = benchmarks["timing"].compare_fits(
        {"endless": lambda: endless(0), "broken": lambda: broken(0)}, 2, 0.02
    )
    assert records["endless"]["cut"]
    assert "no solver" in records["broken"]["error"]
    assert not results


def test_run_writes_json_table_and_figures(tiny, tmp_path, capsys):
    argv = ["--workloads", "all", "--correlations", "0.5", "--threads", "1", "2"]
    assert tiny.main([*argv, "--repeats", "2", "--output", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    record = json.loads((tmp_path / "speed.json").read_text(encoding="utf-8"))
    assert record["versions"]["scikit-learn"]
    assert record["machine"]["cores"]
    results = record["results"]
    names = {result["name"] for result in results}
    assert names == {"tiny", "text", "path-tiny", "schools", "own-tiny", "ridge-tiny"}
    assert {result["threads"] for result in results} == {1, 2}
    for result in results:
        for key, ratio in result.get("ratio", {}).items():
            seconds = {m: r["seconds"][key] for m, r in result["methods"].items()}
            ours = seconds.pop("skmtl", None)
            if ratio is not None:
                assert_allclose(ratio, min(seconds.values()) / ours, rtol=2e-3)
    lasso = [result for result in results if result["group"] in ("shared", "real", "own")]
    for result in lasso:
        assert result["active"] > 0
        assert None not in result["methods"]["skmtl"]["seconds"].values()
        for run in result["methods"]["skmtl"]["runs"]:
            assert float(f"{run['gap']:.4g}") == run["gap"]
    for result in results:
        if result["group"] == "ridge" and "same_alpha" in result:
            assert result["same_alpha"] == 1
            assert result["mse_difference"] < 1e-6
        if result["group"] == "own":
            assert result["passes"]["1e-08"] > 0
            assert result["memory_over_X"] > 0
    for threads in (1, 2) if importlib.util.find_spec("matplotlib") else ():
        for name in ("gaps", "ratios"):
            assert (tmp_path / f"speed-{name}-threads{threads}.png").stat().st_size > 1000
    assert tiny.main(["--table", str(tmp_path / "speed.json")]) == 0
    table = capsys.readouterr().out
    assert table.strip() in printed
    assert "| tiny | 20 | 30 | 3 | 0.1 | 0.5 |" in table
    assert "geometric mean" in table
    for part in table.split("\n\n"):
        rows = [line for line in part.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in rows}) <= 1


def test_interrupted_run_is_resumed(tiny, benchmarks, tmp_path, monkeypatch, capsys):
    argv = ["--workloads", "shared", "ridge", "--repeats", "1", "--correlations", "0", "0.123456"]
    argv += ["--output", str(tmp_path / "some" / "speeds.json")]
    done = []

    def run_job(job, repeats, patience, stop_at=2):
        if len(done) == stop_at:
            raise KeyboardInterrupt
        done.append(str(job))
        return benchmarks["runs"].run_job(job, repeats, patience)

    monkeypatch.setattr(tiny, "draw", lambda results, path: [])
    monkeypatch.setattr(tiny, "run_job", run_job)
    assert tiny.main(argv) == 130
    assert "--resume" in capsys.readouterr().err
    saved = json.loads((tmp_path / "some" / "speeds.json").read_text(encoding="utf-8"))
    assert [result["name"] for result in saved["results"]] == ["tiny", "tiny"]
    monkeypatch.setattr(tiny, "run_job", lambda *a: run_job(*a, stop_at=None))
    assert tiny.main([*argv, "--resume"]) == 0
    assert len(done) == len(set(done)) == 3
    resumed = json.loads((tmp_path / "some" / "speeds.json").read_text(encoding="utf-8"))
    assert resumed["results"][:2] == saved["results"]
    assert len(resumed["results"]) == 4  # ridge is two comparisons
    resumed["versions"]["numpy"] = "0.1"
    (tmp_path / "some" / "speeds.json").write_text(json.dumps(resumed), encoding="utf-8")
    with pytest.raises(SystemExit, match="other versions"):
        tiny.main([*argv, "--resume"])


def test_missing_data_and_unknown_names(tiny, benchmarks, monkeypatch, capsys):
    def missing():
        raise OSError("cannot download it")

    monkeypatch.setitem(benchmarks["workloads"].REAL, "text", missing)
    assert tiny.main(["--workloads", "real"]) == 0
    assert "skipped text, alpha/max 0.1: cannot download it" in capsys.readouterr().err
    for argv, message in (
        (["--workloads", "no-such"], "known are small"),
        (["--resume"], "--resume needs --output"),
    ):
        with pytest.raises(SystemExit):
            tiny.main(argv)
        assert message in capsys.readouterr().err


def test_generated_columns_are_correlated_as_said(benchmarks):
    workloads = benchmarks["workloads"]
    X = workloads.correlated_rows(np.random.default_rng(0), 20_000, 4, 0.5)
    expected = 0.5 ** np.abs(np.subtract.outer(range(4), range(4)))
    assert_allclose(np.corrcoef(X.T), expected, atol=0.03)
    assert_allclose(X.std(axis=0), 1, atol=0.03)
    X, Y = workloads.shared_rows(5000, 30, 4, 0.5)
    assert X.flags.f_contiguous
    residual = Y - X @ np.linalg.lstsq(X, Y, rcond=None)[0]
    assert_allclose(np.var(Y - residual) / np.var(residual), 9, rtol=0.05)


@pytest.fixture
def structures(benchmarks, monkeypatch):
    """The script with a tiny School and few tasks."""
    module = benchmarks["structures"]

    def school():
        X, y = make_multitask_regression(n_tasks=4, n_samples=12, n_features=4, random_state=0)
        rows = np.arange(len(y))
        return X, y / y.std(), (rows[rows % 4 > 0], rows[rows % 4 == 0])

    monkeypatch.setattr(module, "school", school)
    monkeypatch.setattr(module, "N_TASKS", (3, 6))
    monkeypatch.setattr(module, "N_FEATURES", 5)
    monkeypatch.setattr(module, "N_ROWS", 8)
    monkeypatch.setattr(module, "MOST_IN_A_ROW", 1)
    return module


def test_structures_are_timed_with_their_certificates(structures, tmp_path, capsys):
    path = tmp_path / "some" / "structures.json"
    assert structures.main(["--parts", "school", "lifelong", "--output", str(path)]) == 0
    some = ["Nuclear", "Decomposed(L21, L1)", "TotalVariation + L1 + L21"]
    assert structures.main(["--parts", "growth", "--penalties", *some, "--output", str(path)]) == 0
    printed = capsys.readouterr().out
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["versions"]["scikit-learn"]
    assert record["machine"]["cores"]
    results = record["results"]
    assert set(results) == {"school", "growth", "lifelong"}
    assert set(structures.penalties(4, 4)) < set(results["school"])
    for name, runs in results["school"].items():
        assert all(run["seconds"] >= 0 and run["gap"] <= 1e-6 for run in runs), name
    assert list(results["growth"]) == some
    for growth in results["growth"].values():
        assert [run["n_tasks"] for run in growth["runs"]] == [3, 6]
        assert np.isfinite(growth["exponent"])
    assert len(results["lifelong"]["ELLARegressor, one by one"]["seconds_by_task"]) == 4
    assert all(row["explained_variance"] < 1 for row in results["lifelong"].values())
    assert structures.main(["--table", str(path)]) == 0
    table = capsys.readouterr().out
    assert table.strip() in printed
    for part in table.split("\n\n"):
        assert len({line.count("|") for line in part.strip().splitlines()}) == 1


def test_exponent_of_a_power_and_unknown_structures(structures, capsys):
    runs = [{"n_tasks": n, "seconds": 0.01 * n**1.5} for n in (10, 20, 40)]
    assert_allclose(structures.exponent(runs), 1.5)
    assert structures.exponent(runs[:1]) is None
    with pytest.raises(SystemExit):
        structures.main(["--penalties", "no-such"])
    assert "known are" in capsys.readouterr().err


def test_growth_ends_with_patience(structures, monkeypatch):
    monkeypatch.setattr(structures, "LIMIT", 0.0)
    (record,) = structures.run_growth(["Nuclear"]).values()
    assert [run["n_tasks"] for run in record["runs"]] == [3]


def test_accuracy_of_structures_is_added_to_a_file(benchmarks, tmp_path, monkeypatch):
    accuracy, path = benchmarks["accuracy"], tmp_path / "accuracy.json"
    X, y = make_multitask_regression(n_tasks=3, n_samples=12, n_features=4, random_state=0)
    rows = np.arange(len(y))
    split = X, y, rows[rows % 4 > 0], rows[rows % 4 == 0], 0
    monkeypatch.setattr(accuracy, "workloads", lambda n_splits: {"tiny": lambda: [split] * 2})
    monkeypatch.setattr(penalty_strategies, "N_ALPHAS", 3)
    for methods in (["trace-norm", "armul"], ["temporal"]):
        argv = ["tiny", "--methods", *methods, "--add", "--output", str(path)]
        assert accuracy.main(argv) == 0
    results = json.loads(path.read_text(encoding="utf-8"))["results"]["tiny"]
    assert list(results) == ["trace-norm", "armul", "temporal-group", "fused-temporal"]
    for row in results.values():
        assert row["splits"] == 2
        assert -1 < row["explained_variance"]["mean"] < 1
    assert set(accuracy.DEFAULT).isdisjoint(accuracy.FAMILIES["structures"])


def test_transfer_pairs(benchmarks, monkeypatch, tmp_path, capsys):
    script, path = benchmarks["transfer_pairs"], tmp_path / "pairs.json"
    rng = np.random.default_rng(0)
    X, ids = rng.standard_normal((60, 3)), np.repeat([0, 1], 30)
    y = X @ [1.0, 2.0, -1.0] + rng.standard_normal(60)
    monkeypatch.setattr(script, "PAIRS", {"tiny": lambda: (X, y, ids, 1)})
    families = ["--families", "ridge", "source-weighted"]
    arguments = ["--rows", "10", "29", "--seeds", "2", "--output", str(path)]
    assert script.main([*families, *arguments]) == 0
    assert "worst: tiny" in capsys.readouterr().out
    found = json.loads(path.read_text())["results"]
    assert [(row["family"], row["rows"]) for row in found] == [
        ("ridge", 10),
        ("source-weighted", 10),
    ]
    for row in found:
        assert row["change"] == pytest.approx(100 * (row["error"] / row["target_only"] - 1))
