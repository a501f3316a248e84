"""What all files of a run have in common: one clear error, appearing whole or not at all, and one place where bytes go in.

write_all(path, file, data)                # every byte, or WriteFailed
spoil(run.path, fault)                     # from now on writes beneath it fare as an injected fault says (hypervisor/faults)
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, Self, cast

from hypervisor.abi.faults import Armed

_ADVICE = {
    errno.ENOSPC: "make room there, or choose another directory with --out",
    errno.EDQUOT: "make room there, or choose another directory with --out",
    errno.EFBIG: "raise the limit of file sizes, ulimit -f, or choose another directory with --out",
    errno.EACCES: "choose a directory that you may write to with --out",
    errno.EPERM: "choose a directory that you may write to with --out",
    errno.EROFS: "choose a directory that you may write to with --out",
    errno.ENOTDIR: "choose another directory with --out",
    errno.EEXIST: "there is a file of that name; choose another directory with --out",
}


class RunDirError(Exception):
    """A run directory, or a file of one, cannot be used; the message says which, why, and what to do."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why

    @classmethod
    def because(cls, path: Path, error: OSError, *, missing: str = "is this a run directory?") -> Self:
        """What the operating system said about `path`, in one line. `missing`: what to do if there is nothing."""
        reason = (error.strerror or str(error)).lower()
        advice = missing if error.errno == errno.ENOENT else _ADVICE.get(error.errno or 0)
        return cls(path, f"{reason}; {advice}" if advice else reason)


class WriteFailed(RunDirError):  # noqa: N818  what happened
    """A run that had begun cannot write on: it has failed, and what is there stays as it is."""


class Sink(Protocol):
    """A file, buffered or not."""

    def write(self, data: bytes | memoryview, /) -> int | None:
        """Take some of the bytes; how many (None: none now)."""
        ...


@dataclass
class Spoiled:
    """A directory whose disk has an injected fault: so many bytes still fit, and a write takes at most so many."""

    room: int | None
    most: int

    def part(self, data: memoryview) -> memoryview:
        """What the disk takes of a write.

        Raises:
            OSError: nothing.
        """
        if self.room is None:
            return data[: self.most]
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = data[: min(self.most, self.room)]
        self.room -= len(taken)
        return taken


SPOILED: dict[Path, Spoiled] = {}
"""Directories with such a fault. Empty, which is all that a write asks, in every other run."""
WHOLE = 1 << 62


def spoil(directory: Path, fault: Armed) -> None:
    """Let a fault of the host befall what is written beneath a directory."""
    if fault.action == "full_disk":
        SPOILED[directory] = Spoiled(fault.value("room"), WHOLE)
    elif fault.action == "short_writes":
        SPOILED[directory] = Spoiled(None, max(fault.value("most", 7), 1))


def heal(directory: Path) -> None:
    """The run is over. May be said twice, and of one to which nothing was done."""
    SPOILED.pop(directory, None)


def write_some(path: Path, file: Sink, data: memoryview) -> int:
    """One write: how many bytes went in.

    Raises:
        OSError: none can.
    """
    for directory, spoiled in SPOILED.items():
        if path.is_relative_to(directory):
            data = spoiled.part(data)
    written = file.write(data)
    if not written:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return written


def write_all(path: Path, file: Sink, data: bytes) -> None:
    """Write all of it, in as many writes as the host wants.

    Raises:
        WriteFailed: it could not be; a part may be there.
    """
    left = memoryview(data)
    try:
        while left:
            left = left[write_some(path, file, left) :]
    except OSError as error:
        raise WriteFailed.because(path, error) from error


class _Whole:
    """A file that is being replaced, where a fault may befall it."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path, self._file = path, file

    def write(self, data: bytes, /) -> int:
        """All of it."""
        write_all(self._path, self._file, data)
        return len(data)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file that appears under its name only when it is whole.

    Raises:
        RunDirError: it cannot be written; what was there before is still there.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        with part.open("xb") as file:
            yield cast("BinaryIO", _Whole(path, file)) if SPOILED else file
        part.replace(path)
    except BaseException as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise RunDirError.because(path, error) from error
        raise
