import doctest
import inspect
import os
import subprocess
import sys

import pytest

from skmtl import datasets
from skmtl.datasets import bundled, fetching, generators


@pytest.mark.parametrize("module", [bundled, fetching, generators])
def test_examples_in_docstrings(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("name", datasets.__all__)
def test_docstrings_are_complete(name):
    function = getattr(datasets, name)
    doc = inspect.getdoc(function)
    assert "\nParameters\n" in doc
    assert "\nReturns\n" in doc
    for parameter in inspect.signature(function).parameters:
        assert f"\n{parameter} : " in doc
    for place in ("{fetch_parameters}", "{form_parameters}", "{bunch}", "{layout}", "{returns}"):
        assert place not in doc


def test_import_touches_no_file_and_no_network(tmp_path):
    code = (
        "import os, sys\n"
        "sys.addaudithook(lambda event, _: os._exit(3) if event == 'socket.connect' else None)\n"
        "import skmtl.datasets\n"
    )
    command = [sys.executable, "-c", code]
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(tmp_path)}
    assert subprocess.run(command, env=environment, cwd=tmp_path, check=False).returncode == 0
    assert list(tmp_path.iterdir()) == []
