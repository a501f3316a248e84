"""What all files of a run have in common: one clear error, and appearing whole or not at all."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

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
    def because(cls, path: Path, error: OSError, *, missing: str = "is this a run directory?") -> RunDirError:
        """What the operating system said about `path`, in one line. `missing`: what to do if there is nothing."""
        reason = (error.strerror or str(error)).lower()
        advice = missing if error.errno == errno.ENOENT else _ADVICE.get(error.errno or 0)
        return cls(path, f"{reason}; {advice}" if advice else reason)


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
            yield file
        part.replace(path)
    except BaseException as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise RunDirError.because(path, error) from error
        raise
