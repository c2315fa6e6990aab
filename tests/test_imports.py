"""Imports point one way, importing is light, and what is public is documented."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import skmtl

ROOT = Path(skmtl.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
ESTIMATOR_PACKAGES = {
    "base",
    "cli",
    "compose",
    "datasets",
    "ensemble",
    "feature_learning",
    "inspection",
    "linear_model",
    "metrics",
    "model_selection",
    "preprocessing",
    "transfer",
}
HEAVY = ["cvxpy", "hypothesis", "matplotlib", "numba", "pandas", "polars", "pyarrow", "rich"]
OPTIONAL = {"cvxpy", "lightgbm", "matplotlib", "pandas", "polars", "pyarrow", "rich", "xgboost"}


def top(path):
    """The first part below skmtl: linear_model for skmtl/linear_model/sparse.py."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def every_module(*, of=None, but=()):
    paths = [p for p in MODULES if (of is None or top(p) in of) and top(p) not in but]
    names = [str(path.relative_to(ROOT)) for path in paths]
    return pytest.mark.parametrize("path", paths, ids=names)


def imported(path, *, top_level_only=False):
    """Dotted names that a module imports, `from a import b` as a.b."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def package_of(name):
    """linear_model for skmtl.linear_model.sparse.MultiTaskLasso; None outside skmtl."""
    parts = name.split(".")
    return parts[1] if parts[0] == "skmtl" and len(parts) > 1 else None


@every_module(
    of=["solvers", "losses", "penalties", "graphs", "problem", "quadratic", "design", "moments"]
)
def test_maths_knows_no_estimator(path):
    for name in imported(path):
        assert package_of(name) not in ESTIMATOR_PACKAGES, name
        if name.startswith("sklearn") and path.name != "coordinate_descent.py":
            assert name == "sklearn.base.BaseEstimator"
            assert top(path) == "penalties"


@every_module(of=["losses", "penalties", "solvers"])
def test_losses_and_penalties_are_at_the_bottom(path):
    allowed = {
        "losses": {None},
        "penalties": {None, "graphs", "penalties"},
        "solvers": {None, "penalties", "losses", "design", "quadratic", "solvers"},
    }
    for name in imported(path):
        assert package_of(name) in allowed[top(path)], name


@every_module(of=["tasks", "task_data", "frames"])
def test_tasks_and_data_know_no_estimator(path):
    for name in imported(path):
        assert package_of(name) not in ESTIMATOR_PACKAGES, name


@every_module()
def test_nothing_private_of_sklearn(path):
    for name in imported(path):
        if name.split(".")[0] in ("sklearn", "scipy", "numpy", "pandas", "joblib"):
            assert not any(part.startswith("_") for part in name.split(".")), name


@every_module(but=["cli"])  # the command line is an extra of its own
def test_extras_are_imported_where_they_are_used(path):
    for name in imported(path, top_level_only=True):
        assert name.split(".")[0] not in OPTIONAL, name


@every_module()
def test_modules_are_short(path):
    assert len(path.read_text().splitlines()) <= 600


@every_module()
def test_modules_say_what_they_are(path):
    assert ast.get_docstring(ast.parse(path.read_text())) or path.name == "_version.py"


def run(code):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=ROOT.parent
    )


def test_importing_is_light():
    """Nothing heavy comes with skmtl that scikit-learn has not brought."""
    of_sklearn = sorted({name for path in MODULES for name in imported(path) if "sklearn" in name})
    modules = sorted({name.rpartition(".")[0] for name in of_sklearn} - {""})
    code = f"import sys, {', '.join(modules)}; before = set(sys.modules); import skmtl; "
    result = run(code + f"print(*[m for m in {HEAVY} if m in sys.modules and m not in before])")
    assert result.stderr == ""
    assert result.stdout.split() == []


def test_working_without_extras():
    code = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
from skmtl import MultiTaskLasso, make_multitask_regression, split_tasks, stack_tasks
X, y = make_multitask_regression(random_state=0)
X, y = stack_tasks(*split_tasks(X, y))
print(MultiTaskLasso(task_column=0).fit(X, y).predict(X).shape == y.shape)
"""
    result = run(code)
    assert result.stderr == ""
    assert result.stdout.split() == ["True"]


def test_public_names():
    assert sorted(skmtl.__all__) == list(skmtl.__all__)
    for name in skmtl.__all__:
        assert getattr(skmtl, name) is not None
    documented = {name for name in vars(skmtl) if inspect.isclass(getattr(skmtl, name))}
    assert documented <= set(skmtl.__all__)


@pytest.mark.parametrize("name", [name for name in skmtl.__all__ if name != "__version__"])
def test_public_names_are_documented_with_an_example(name):
    item = getattr(skmtl, name)
    doc = inspect.getdoc(item)
    assert "\nExamples\n--------\n" in doc
    assert ">>> " in doc
    parameters = [p for p in inspect.signature(item).parameters if p not in ("args", "kwargs")]
    for parameter in parameters:
        documented = any(
            parameter in line.split(" : ")[0].replace("*", "").split(", ")
            for line in doc.splitlines()
            if " : " in line or line.startswith("*")
        )
        assert documented, f"{name} does not document {parameter}"


@pytest.mark.parametrize(
    "name", [name for name in skmtl.__all__ if inspect.isclass(getattr(skmtl, name))]
)
def test_public_methods_are_documented(name):
    for method, function in inspect.getmembers(getattr(skmtl, name), inspect.isfunction):
        if not method.startswith("_") and function.__module__.startswith("skmtl"):
            assert inspect.getdoc(function), f"{name}.{method}"
