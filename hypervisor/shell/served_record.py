"""What cells were shown of the host's directories: digests, written in a run and compared in its replay (served.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, BinaryIO

from hypervisor.shell.files import RunDirError
from hypervisor.shell.inputs import ReplayError

_KEYS = {"cell": str, "view": int, "path": str}


class ServedRecord:
    """Lines of served.jsonl. `replay`: the recorded ones, if there are any; `path`: where new ones go, from the first one on.

    Raises:
        RunDirError: the recorded file cannot be read.
    """

    def __init__(self, replay: Path | None = None) -> None:
        self.path: Path | None = None
        self._file: BinaryIO | None = None
        self._told: dict[tuple[str, int, str, int], str] = {}
        self._trouble: dict[tuple[str, int, int], tuple[bytes, str]] = {}
        if replay is not None and replay.exists():
            self._read(replay)

    def told(self, cell: str, view: int, path: bytes, piece: int, sha256: str, name: str) -> None:
        """The cell is shown this for the first time.

        Raises:
            ReplayError: the recorded run was shown something else.
        """
        text = path.decode("latin-1")
        if self._told.get((cell, view, text, piece), sha256) != sha256:
            raise ReplayError(f"{name}: not what the recorded run was shown, as its SHA-256 tells (bring it back)")
        self._write({"cell": cell, "view": view, "path": text, "piece": piece, "sha256": sha256})

    def append_trouble(self, cell: str, view: int, look: int, path: bytes, why: str) -> None:
        """A look failed for a reason of the host's."""
        self._write({"cell": cell, "view": view, "path": path.decode("latin-1"), "look": look, "trouble": why})

    def trouble(self, cell: str, view: int, look: int) -> tuple[bytes, str] | None:
        """The path and the reason of what failed in the recorded run at this look."""
        return self._trouble.get((cell, view, look)) if self._trouble else None

    def close(self) -> None:
        """Let go of the file. May be called twice."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, line: dict[str, Any]) -> None:
        if self.path is None:
            return
        try:
            if self._file is None:
                self._file = self.path.open("wb", buffering=0)
            self._file.write(json.dumps(line).encode() + b"\n")
        except OSError as error:
            raise RunDirError.because(self.path, error) from error

    def _read(self, path: Path) -> None:
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            raise RunDirError.because(path, error) from error
        for number, line in enumerate(lines, 1):
            try:
                self._keep(json.loads(line))
            except (ValueError, KeyError, TypeError):
                raise RunDirError(path, f"line {number}: tells nothing that was shown to a cell") from None

    def _keep(self, line: dict[str, Any]) -> None:
        if any(type(line[key]) is not kind for key, kind in _KEYS.items()):
            raise ValueError
        cell, view, path = line["cell"], line["view"], line["path"]
        if "trouble" in line:
            self._trouble[cell, view, int(line["look"])] = path.encode("latin-1"), str(line["trouble"])
        else:
            self._told[cell, view, path, int(line["piece"])] = str(line["sha256"])


NO_RECORD = ServedRecord()
"""Nothing is written, nothing replayed."""
