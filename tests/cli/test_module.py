"""The command as a process of its own, and without what the extra brings."""

import os
import subprocess
import sys

import pytest

from skmtl import __version__


def run(*arguments, **environment):
    command = [sys.executable, *arguments]
    env = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False)


def test_module_and_version():
    done = run("-m", "skmtl", "--version")
    assert (done.returncode, done.stdout.strip()) == (0, f"skmtl {__version__}")


@pytest.mark.parametrize("name", ["pandas", "rich", "matplotlib"])
def test_without_the_extra(name):
    program = f"""
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {name!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
from skmtl.cli import main
sys.exit(main(["compare"]))
"""
    done = run("-c", program)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert 'pip install "skmtl[cli]"' in done.stderr


def test_import_does_not_load_the_extra():
    # Of the other packages of the extra, scikit-learn itself loads some if they are there.
    program = "import sys, skmtl, skmtl.cli; print('matplotlib' in sys.modules)"
    assert run("-c", program).stdout.strip() == "False"
