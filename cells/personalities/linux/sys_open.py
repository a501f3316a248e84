"""System calls that open files by name.

Most exist twice: relative to the working directory, and (..at) to an open one.
"""

from __future__ import annotations

from typing import Any

from cells.personalities.arm.errno import EEXIST, EINVAL, EISDIR, ELOOP, EMFILE, ENOENT, ENOTDIR, Errno
from cells.personalities.arm.wait import Sleeping, Wait
from cells.personalities.linux.directory import Directory
from cells.personalities.linux.file import (
    ACCESS,
    CLOSE_ON_EXEC,
    CREATE,
    EXCLUSIVE,
    LARGE,
    MUST_BE_DIRECTORY,
    NO_FOLLOW,
    PATH_ONLY,
    READ_ONLY,
    READ_WRITE,
    TRUNCATE,
    WRITE_ONLY,
    File,
    Opening,
)
from cells.personalities.linux.inode import LINK, Inode, Regular
from cells.personalities.linux.notify import MODIFY, OPEN, tell
from cells.personalities.linux.opening import open_inode
from cells.personalities.linux.paths import HERE, create, masked, walk
from cells.personalities.linux.rights import READ, WRITE, demand, demand_change, give
from cells.personalities.linux.table import FULL, PARTIAL, call
from cells.personalities.linux.way import Found

TMPFILE = 0o20000000
CLOSE, ALLOW_SEALING, MEMORY_NAME = 1, 2, 249
"""MFD_CLOEXEC, MFD_ALLOW_SEALING; bytes that a file in memory may have as its name."""


WANTED = {0: READ, 1: WRITE, 2: READ | WRITE, 3: READ | WRITE}
"""By the access that the flags ask for."""


def _check_open(process: Any, inode: Inode, flags: int) -> None:
    if flags & CREATE and flags & EXCLUSIVE:
        raise Errno(EEXIST)
    is_directory = isinstance(inode, Directory)
    if is_directory and (flags & CREATE or flags & ACCESS != READ_ONLY) and not flags & PATH_ONLY:
        raise Errno(EISDIR)
    if flags & MUST_BE_DIRECTORY and not is_directory:
        raise Errno(ENOTDIR)
    if inode.kind == LINK and not flags & PATH_ONLY:
        raise Errno(ELOOP)
    if not flags & PATH_ONLY:
        demand(process, inode, WANTED[flags & ACCESS] | (WRITE if flags & TRUNCATE else 0))


def _created(process: Any, found: Found, flags: int, mode: int) -> Inode:
    if not flags & CREATE:
        raise Errno(ENOENT)
    if found.slash:
        raise Errno(EISDIR)
    return create(process, found, Regular(process.kernel.vfs, masked(process, mode)))


def open_path(process: Any, at: int, path_at: int, flags: int, mode: int) -> File:
    """An open file for a path.

    Raises:
        Errno: whatever open can say. Opening: of a FIFO, of a disk.
    """
    exclusive = bool(flags & CREATE and flags & EXCLUSIVE)
    found = walk(process, at, path_at, follow=not (flags & NO_FOLLOW or exclusive))
    if flags & TMPFILE and flags & MUST_BE_DIRECTORY:
        return _nameless(process, found, flags, mode)
    if found.inode is not None:
        _check_open(process, found.inode, flags)
    inode = found.inode or _created(process, found, flags, mode)
    file = open_inode(process, inode, flags)
    if flags & TRUNCATE and isinstance(inode, Regular) and found.inode is not None:
        inode.truncate(0)
        tell(inode, MODIFY)
    if not flags & PATH_ONLY:
        tell(inode, OPEN)
    file.name = file.name or _path(process, found)
    return file


def _nameless(process: Any, found: Found, flags: int, mode: int) -> File:
    """O_TMPFILE: a file that has no name. Its flag comes with that of a directory."""
    directory = found.existing()
    if not isinstance(directory, Directory):
        raise Errno(ENOTDIR)
    if flags & ACCESS == READ_ONLY:
        raise Errno(EINVAL)
    demand_change(process, directory)
    inode = give(process, Regular(process.kernel.vfs, masked(process, mode)), directory)
    return open_inode(process, inode, flags & ~MUST_BE_DIRECTORY)


@call(385, "memfd_create", PARTIAL, "no seals, no huge pages")
def sys_memfd_create(process: Any, name: int, flags: int, *_: int) -> int:
    """A file that has no name, and no place."""
    text = process.space.cstring(name, MEMORY_NAME + 1)
    if flags & ~(CLOSE | ALLOW_SEALING):
        raise Errno(EINVAL)
    file = open_inode(
        process, give(process, Regular(process.kernel.vfs, 0o777), process.kernel.vfs.root), READ_WRITE | LARGE
    )
    file.name = b"/memfd:" + text + b" (deleted)"
    return int(process.files.install(file, CLOSE_ON_EXEC if flags & CLOSE else 0))


def _path(process: Any, found: Found) -> bytes:
    """The whole path, for /proc/PID/fd."""
    try:
        if isinstance(found.inode, Directory):
            return bytes(process.kernel.vfs.path_of(found.inode))
        return bytes(process.kernel.vfs.path_of(found.directory)).rstrip(b"/") + b"/" + found.name
    except Errno:
        return found.name + b" (deleted)"


@call(322, "openat", FULL)
def sys_openat(process: Any, at: int, path: int, flags: int, mode: int, *_: int) -> Any:
    """A descriptor for a path."""
    if len(process.files.files) >= process.files.limit:
        raise Errno(EMFILE)
    flags |= LARGE
    try:
        file = open_path(process, at, path, flags, mode)
    except Opening as opening:
        return _open_later(process, opening, flags)
    return process.files.install(file, flags)


def _open_later(process: Any, opening: Opening, flags: int) -> Sleeping:
    """The other end of the FIFO is not there yet, for example."""
    file = opening.file
    try:
        while not opening.ready:
            yield Wait(opening.queues)
    except BaseException:  # a signal, or the end of the process
        file.close()
        raise
    return int(process.files.install(file, flags))


@call(5, "open", FULL)
def sys_open(process: Any, path: int, flags: int, mode: int, *_: int) -> Any:
    """A descriptor for a path."""
    return sys_openat(process, HERE, path, flags, mode)


@call(8, "creat", FULL)
def sys_creat(process: Any, path: int, mode: int, *_: int) -> Any:
    """A descriptor for a new or emptied file."""
    return sys_openat(process, HERE, path, WRITE_ONLY | CREATE | TRUNCATE, mode)
