"""Where snapshots of boots, counts and symbols are kept, and under what: a hash of all that decides them.

path = place("counts", [kernel_sha256, engine(), ...])
read(path)                                    # what is kept there, None if nothing is
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from benchmarks.guest_session import Trouble
from hypervisor.shell.guests.cache import default_root

ENGINE = {
    "cells.engines": ("*.py", "native/*.[ch]"),
    "cells.machine": ("machine.py", "state.py", "placement.py"),
    "devices": ("*.py",),
}
"""Files, by package, that decide what is counted and when."""
LARGE = 12
"""Snapshots of boots, and initramfs, that are kept: 15 MB, 4 MB each."""
FORMAT = 1
"""Change when the same inputs are measured in another way."""


@cache
def engine() -> str:
    """A hash of the software that executes and counts."""
    return software(ENGINE)


def software(sources: Mapping[str, Sequence[str]]) -> str:
    """A hash of files, named as in `ENGINE`."""
    hashed = hashlib.sha256()
    for package, patterns in sources.items():
        folder = Path(str(files(package)))
        for path in sorted(path for pattern in patterns for path in folder.glob(pattern)):
            hashed.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return hashed.hexdigest()


def folder_of(name: str) -> Path:
    """Below the user's cache of guests.

    Raises:
        Trouble: it cannot be made.
    """
    folder = default_root() / "machine_runs" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Trouble(
            f"cannot write the cache {folder}: {error.strerror}; set CELLVISOR_GUESTS to another folder"
        ) from None
    return folder


def place(name: str, identity: Any, kind: str = "json") -> Path:
    """The file for what `identity` decides, in a folder of that name. Raises Trouble: there can be none."""
    text = json.dumps(identity, sort_keys=True, default=list)
    return folder_of(name) / f"{hashlib.sha256(text.encode()).hexdigest()}.{kind}"


def used(path: Path) -> None:
    """A large file is used: it, and the last ones used before it, are kept, and older ones of its folder are not."""
    path.touch()
    with suppress(OSError):  # somebody else is at it
        for old in sorted(path.parent.iterdir(), key=lambda each: each.stat().st_mtime)[:-LARGE]:
            old.unlink(missing_ok=True)


def read(path: Path) -> Any:
    """What is kept there; None if nothing is, or it is damaged."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
