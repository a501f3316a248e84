"""Where fetched guests are kept: CELLVISOR_GUESTS, or `cellvisor/guests` in the user's cache folder.

    guests.lock.toml                                     what is there; written last
    linux-image-6.1.0-50-marvell_6.1.176-1_armel/        one folder per package and version: vmlinuz, config
    downloads/                                           package lists and packages while a fetch is under way

Every file is written beside its place and renamed, and a new version has a folder of its own: a reader sees the old
guest or the new one, never half of either. Two fetches at once wait for each other.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import UsageError
from .hashes import sha256_of
from .lock import NAME, Lock, Locked, read_lock, render

if TYPE_CHECKING:
    from .download import Report

VARIABLE = "CELLVISOR_GUESTS"


def default_root() -> Path:
    """The cache folder that the environment asks for."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG base directory specification: a relative path in it is to be ignored.
    caches = Path(base) if base.startswith("/") else Path.home() / ".cache"
    return caches / "cellvisor" / "guests"


def write_atomically(path: Path, content: bytes) -> None:
    """Give a file its content in one step, whoever is reading."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@dataclass(frozen=True)
class Cache:
    """The folder of fetched guests."""

    root: Path

    @property
    def lock_file(self) -> Path:
        """The lock of what is there."""
        return self.root / NAME

    @property
    def downloads(self) -> Path:
        """Where transfers under way are."""
        return self.root / "downloads"

    def entries(self) -> Lock:
        """What is there, by its own account."""
        return read_lock(self.lock_file)

    def path(self, entry: Locked, file: str) -> Path:
        """Where a file of a guest is."""
        # A colon (Debian's epoch) is written as Debian writes it in file names.
        return self.root / f"{entry.package}_{entry.version}_{entry.architecture}".replace(":", "%3a") / file

    def problem(self, entry: Locked) -> str:
        """What is wrong with a guest's files; empty when nothing is."""
        for file, digest in entry.files.items():
            path = self.path(entry, file)
            if not path.is_file():
                return f"{path} is missing"
            try:
                if sha256_of(path) != digest:
                    return f"{path} is damaged: its SHA-256 is not the recorded one"
            except OSError as error:
                return f"{path} cannot be read: {error.strerror}"
        return ""

    def store(self, entry: Locked, contents: Mapping[str, bytes]) -> None:
        """Put a guest's files in place, then record it. Requires: the exclusive lock."""
        for file, content in contents.items():
            path = self.path(entry, file)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)
        self.record(entry)

    def record(self, entry: Locked) -> None:
        """Record a guest whose files are in place. Requires: the exclusive lock."""
        entries = self.entries() | {entry.key: entry}
        write_atomically(self.lock_file, render(entries.values()).encode())

    @contextlib.contextmanager
    def exclusive(self, report: Report) -> Iterator[None]:
        """Hold the cache for writing; waits while another fetch has it. Raises UsageError when it cannot be written."""
        try:
            self.downloads.mkdir(parents=True, exist_ok=True)
            guard = (self.root / ".lock").open("w")
        except OSError as error:
            raise UsageError(f"cannot write the cache {self.root}: {error.strerror}; set {VARIABLE}") from None
        with guard:
            try:
                fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                report.note("another fetch is at work: waiting for it")
                fcntl.flock(guard, fcntl.LOCK_EX)
            yield

    def drop_downloads(self) -> None:
        """Forget the transfers: everything wanted was unpacked. Requires: the exclusive lock."""
        shutil.rmtree(self.downloads, ignore_errors=True)
