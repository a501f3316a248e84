"""The directory of many runs: a file that marks it as ours, and a line for each result, so that a second start goes on.

book = Book(Path("out"), "campaign.json", {"format": ..., "name": ...}, "campaign")
book.add(line); book.lines()
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from hypervisor.shell.files import RunDirError, replacing

RESULTS = "results.jsonl"
RUNS = "runs"
"""Where the run directories are."""


class Book:
    """Such a directory, made or taken up again. `mark`: the file that says whose it is, `told`: what stands in it, `what`: what
    it is of, for people.

    Raises:
        RunDirError: it cannot be written, or holds something else.
    """

    def __init__(self, path: Path, mark: str, told: Mapping[str, str], what: str) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()) and not _says(path / mark, told):
                raise RunDirError(path, f"is not empty and not of this {what}; choose another directory with --out")
            with replacing(path / mark) as file:
                file.write(json.dumps(told).encode() + b"\n")
        except OSError as error:
            raise RunDirError.because(path, error, missing="choose another directory with --out") from error

    @property
    def results(self) -> Path:
        """The file of results."""
        return self.path / RESULTS

    def run(self, name: str) -> Path:
        """The run directory of this name."""
        return self.path / RUNS / name

    def lines(self) -> list[str]:
        """Those of all earlier starts; the last may be cut short."""
        return self.results.read_text().splitlines() if self.results.exists() else []

    def keep(self, lines: Iterable[str]) -> None:
        """Leave only these, each with its end, in the file of results."""
        with replacing(self.results) as file:
            file.write("".join(lines).encode())

    def add(self, line: str) -> None:
        """One more, on the disk before the next is told.

        Raises:
            RunDirError: it cannot be written.
        """
        try:
            with self.results.open("a") as file:
                file.write(line)
        except OSError as error:
            raise RunDirError.because(self.results, error) from error


def _says(path: Path, told: Mapping[str, str]) -> bool:
    try:
        return bool(json.loads(path.read_text()) == told)
    except (OSError, ValueError):
        return False
