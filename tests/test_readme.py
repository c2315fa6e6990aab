"""The Python examples of the README run."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize("code", EXAMPLES, ids=lambda code: code.split("\n", 1)[0])
def test_example_runs(code):
    if "pandas" in code or "load_diabetes_tasks" in code:
        pytest.importorskip("pandas")
    exec(compile(code, "README.md", "exec"), {})


def test_every_layout_has_an_example_of_at_most_twenty_lines():
    assert len(EXAMPLES) >= 4
    assert all(code.count("\n") <= 20 for code in EXAMPLES)
