"""Finished results in a folder: each is kept at once, and found again by a later run."""

import json
import os
import uuid
from pathlib import Path

from skmtl.cli.errors import UsageError, one_line
from skmtl.inspection import FoldResult

SETTINGS = "run.json"
FINISHED, CURVE = "finished", "finished-curve"  # folders of the comparison, the learning curve
REPORTS = ("results.json", "results.csv", "per_task.csv", "gains.png", "curve.png")


def write_bytes(path, content):
    """Write a file whole or not at all."""
    path = Path(path)
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path, text):
    """Write a text in UTF-8 whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path, content):
    """Write JSON that strict parsers read: no NaN, no infinity."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


class Store:
    """A folder with the results of one run.

    Parameters
    ----------
    folder : path-like
    settings : dict
        All that results depend on. Results in the folder are used only if theirs are equal.
    """

    def __init__(self, folder, settings):
        self.folder = Path(folder)
        self.settings = settings

    def open(self, *, resume=False, overwrite=False):
        """Prepare the folder; afterwards `known` returns the results to be used again."""
        if self.folder.exists() and not self.folder.is_dir():
            raise UsageError(f"--output {self.folder} is a file, not a folder")
        try:
            occupied = self._occupied()
            if occupied and not (resume or overwrite):
                raise UsageError(
                    f"{self.folder} holds results already: --resume goes on with them, "
                    "--overwrite replaces them, or choose another --output"
                )
            if resume and occupied:
                self._check_same_run()
            else:
                self._clear()
            for part in (FINISHED, CURVE):
                (self.folder / part).mkdir(parents=True, exist_ok=True)
            write_json(self.folder / SETTINGS, self.settings)
        except OSError as error:
            raise UsageError(f"cannot write to --output {self.folder}: {error}") from error

    def keep(self, result, part=FINISHED):
        """Keep a finished result; one that failed is tried again by the next run."""
        if not result.failed:
            name = f"{result.strategy}-fold{result.fold}.json"
            write_json(self.folder / part / name, result.to_dict())

    def known(self, part=FINISHED):
        """Results that were kept, by this run or an earlier one."""
        results = []
        for path in sorted((self.folder / part).glob("*.json")):
            try:
                results.append(FoldResult(**json.loads(path.read_text(encoding="utf-8"))))
            except (ValueError, TypeError):
                continue  # damaged: it is computed again
        return results

    def _occupied(self):
        return any((self.folder / name).exists() for name in (SETTINGS, *REPORTS))

    def _check_same_run(self):
        try:
            found = json.loads((self.folder / SETTINGS).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(
                f"cannot resume: {self.folder / SETTINGS} is not readable ({one_line(error)})"
            ) from error
        for name, value in self.settings.items():
            if found.get(name) != value:
                there = "other data" if name == "data_sha256" else f"{name} {found.get(name)!r}"
                here = "" if name == "data_sha256" else f", not {value!r}"
                raise UsageError(f"cannot resume: {self.folder} holds results of {there}{here}")

    def _clear(self):
        for part in (FINISHED, CURVE):
            for path in (self.folder / part).glob("*-fold*.json"):
                path.unlink()
        for name in (SETTINGS, *REPORTS):
            (self.folder / name).unlink(missing_ok=True)
