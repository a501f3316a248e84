"""The root of a personality's cell: an archive, "wren", "phone", a fetched one, or a directory of the host; and files beside it.

    root = "wren"                                  # our own user land, which is what a cell gets that names none
    root = "phone"                                 # the phone's user interface
    root = "debian:busybox"                        # a fetched one, always of the port for the oldest of our CPUs
    root = "tree"                                  # a directory: packed when the topology is launched
    files = { "/bin/mine" = "build/mine", "/src" = "src" }       # path in the cell = file, or directory, of the host

What the cell gets is one newc cpio. A directory is packed without times and owners, in the order of the names: the same content
gives the same bytes. Sockets, pipes and devices of the host stay behind. A directory in `files` is no part of it: the cell looks
into it while it runs (hypervisor/shell/served.py), and nothing of it is read before.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from hypervisor.shell.guests import GuestError, resolve
from hypervisor.shell.guests.initramfs import Entry, folder, newc, program
from hypervisor.shell.topology import sources
from hypervisor.shell.topology.spec import CellSpec

FETCHED = "debian:"
PORT = "armel"
"""Debian's port whose programs run on every CPU that a board can have."""
MAGIC, TRAILER = b"070701", "TRAILER!!!"
_HEADER, _FILE_SIZE, _NAME_SIZE = 110, 6, 11
"""cpio(5): a header's length, and which of its 13 numbers these are."""


def find_root(text: str, directory: Path | None) -> Path:
    """The archive or directory that the text names.

    Raises:
        ValueError: there is none.
    """
    if text.startswith(FETCHED):
        try:
            return resolve(text, PORT).path
        except GuestError as error:
            raise ValueError(str(error)) from None
    place = sources.under(directory, text)
    if text not in sources.ROOTS and place.is_dir():
        return place.resolve()
    return sources.find_ramdisk(text, directory)


def digest_of(path: Path) -> str:
    """The SHA-256 of what the cell gets of it.

    Raises:
        ValueError: it is no root.
        OSError: it cannot be read.
    """
    return hashlib.sha256(_base(path)).hexdigest()


def archive(cell: CellSpec) -> bytes:
    """The cell's root with its files.

    Raises:
        ValueError: the root is none.
        OSError: something cannot be read.
    """
    assert cell.root_path is not None
    base = _base(cell.root_path)
    files = dict(zip(cell.files, cell.file_paths, strict=True))
    return base[: end_of(base)] + newc(_single(files)) if files else base


def names(path: Path) -> list[str]:
    """What there is in a root, without the first slash.

    Raises:
        ValueError: it is none.
        OSError: it cannot be read.
    """
    return [name for name, _ in _entries(_base(path))]


def size(path: Path) -> int:
    """Bytes that a root has as an archive.

    Raises:
        As `names`.
    """
    return len(_base(path))


def find_file(text: str, directory: Path | None) -> Path:
    """A file for the root: a fetched one, or one of the host.

    Raises:
        ValueError: there is none.
    """
    return find_root(text, directory) if text.startswith(FETCHED) else sources.find_file(text, directory)


def find_part(text: str, directory: Path | None) -> Path:
    """A file or a directory for the root.

    Raises:
        ValueError: there is neither.
    """
    place = sources.under(directory, text)
    return place.resolve() if place.is_dir() and not text.startswith(FETCHED) else find_file(text, directory)


def digest_of_part(path: Path) -> str:
    """The SHA-256 of a file; of a directory nothing is known before a cell looks into it.

    Raises:
        OSError: it cannot be read.
    """
    return "" if path.is_dir() else sources.sha256(path)


def _base(path: Path) -> bytes:
    if path.is_dir():
        return newc(_tree(path))
    data = path.read_bytes()
    end_of(data)
    return data


def end_of(data: bytes) -> int:
    """Where the last entry of an archive begins.

    Raises:
        ValueError: it is no whole newc archive.
    """
    end = next((at for name, at in _entries(data, trailer=True) if name == TRAILER), None)
    if end is None:
        raise ValueError("is no root: neither a directory nor a whole cpio archive (newc, not compressed)")
    return end


def _entries(data: bytes, *, trailer: bool = False) -> Iterator[tuple[str, int]]:
    """The name of each entry and where it begins, as far as they can be read."""
    at = 0
    while data[at : at + len(MAGIC)] == MAGIC:
        try:
            length, name = (int(data[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in (_FILE_SIZE, _NAME_SIZE))
        except ValueError:
            return
        text = data[at + _HEADER : at + _HEADER + name].rstrip(b"\0").decode("utf-8", "replace")
        if text != TRAILER or trailer:
            yield text, at
        if text == TRAILER:
            return
        at = _aligned(_aligned(at + _HEADER + name) + length)


def _aligned(offset: int) -> int:
    return (offset + 3) & ~3


def _tree(top: Path) -> Iterator[Entry]:
    """Everything below a directory; links are links."""
    for place, folders, names in os.walk(top):
        folders.sort()
        for name in sorted([*folders, *names]):
            path = Path(place, name)
            found = path.lstat()
            inside = path.relative_to(top).as_posix()
            if stat.S_ISLNK(found.st_mode):
                yield Entry(inside, found.st_mode, str(path.readlink()).encode())
            elif stat.S_ISDIR(found.st_mode):
                yield Entry(inside, found.st_mode)
            elif stat.S_ISREG(found.st_mode):
                yield Entry(inside, found.st_mode, path.read_bytes())


def _single(files: Mapping[str, Path]) -> Iterator[Entry]:
    """Files, each behind the directories that lead to it."""
    made: set[str] = set()
    for name, path in files.items():
        parents: list[str] = []
        while (name_of := posixpath.dirname(parents[-1] if parents else name.lstrip("/"))) != "":
            parents.append(name_of)
        for parent in reversed(parents):
            if parent not in made:
                made.add(parent)
                yield folder(parent)
        # Whatever rights it has here: only its content is told of it.
        yield program(name.lstrip("/"), path.read_bytes())
