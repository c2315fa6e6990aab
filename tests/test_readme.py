"""The Python examples of the README and of docs/ run."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def examples_of(page):
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


EXAMPLES = examples_of(PAGES[0])
ALL = [(page.name, number, code) for page in PAGES for number, code in enumerate(examples_of(page))]


@pytest.mark.parametrize(("name", "number", "code"), ALL, ids=[f"{a}-{b}" for a, b, _ in ALL])
def test_example_runs(name, number, code):
    if "pandas" in code or "load_diabetes_tasks" in code:
        pytest.importorskip("pandas")
    exec(compile(code, f"{name}-{number}", "exec"), {})


def test_every_layout_has_an_example_of_at_most_twenty_lines():
    assert len(EXAMPLES) >= 4
    assert all(code.count("\n") <= 20 for code in EXAMPLES)
