"""From an address in a process's memory to a place in the tree: what the calls with paths share.

inode = walk(process, HERE, path_at).existing()
"""

from __future__ import annotations

from typing import Any

from cells.personalities.arm.errno import EBADF, EEXIST, ENOTDIR, Errno
from cells.personalities.linux.directory import Directory
from cells.personalities.linux.file import File
from cells.personalities.linux.inode import Inode
from cells.personalities.linux.rights import demand_change, give
from cells.personalities.linux.way import PATH_LIMIT, Found
from cells.personalities.linux.words import signed

HERE = 0xFFFFFF9C
"""AT_FDCWD."""
KEEP_LINK, REMOVE_DIRECTORY, FOLLOW_LINK, EMPTY_PATH = 0x100, 0x200, 0x400, 0x1000


def inode_of(process: Any, file: File) -> Inode:
    """What a file tells of itself."""
    if file.inode is None:
        raise Errno(EBADF)
    return file.inode


def at_path(process: Any, at: int, path: int, flags: int) -> Inode:
    """The inode that the ..at calls mean.

    Raises:
        Errno: as `walk`; ENOENT.
    """
    if flags & EMPTY_PATH and process.space.cstring(path, PATH_LIMIT) == b"":
        return process.directory if at == HERE else inode_of(process, process.files.file(signed(at)))
    return walk(process, at, path, follow=not flags & KEEP_LINK).existing()


# ---- the way


def base_of(process: Any, at: int) -> Directory:
    """Where a relative path begins.

    Raises:
        Errno: EBADF, ENOTDIR.
    """
    if at == HERE:
        directory: Directory = process.directory
        return directory
    inode = process.files.file(signed(at)).inode
    if not isinstance(inode, Directory):
        raise Errno(ENOTDIR)
    return inode


def walk(process: Any, at: int, path_at: int, follow: bool = True) -> Found:
    """Go the path at an address.

    Raises:
        Errno: EFAULT, and as `Vfs.walk`.
    """
    path = process.space.cstring(path_at, PATH_LIMIT)
    base = process.directory if path[:1] == b"/" else base_of(process, at)
    found: Found = process.kernel.vfs.walk(base, path, follow, process)
    return found


def masked(process: Any, mode: int) -> int:
    """A new file's permissions."""
    return int(mode & 0o7777 & ~process.umask)


# ---- new names


def walk_new(process: Any, at: int, path: int) -> Found:
    """The walk to a name that must not exist yet.

    Raises:
        Errno: EEXIST.
    """
    found = walk(process, at, path, follow=False)
    if found.inode is not None:
        raise Errno(EEXIST)
    return found


def create(process: Any, found: Found, inode: Inode) -> Inode:
    """Give a new inode the name that a walk did not find, and to whom it belongs.

    Raises:
        Errno: EACCES, EEXIST, ENOENT, ENOSPC.
    """
    demand_change(process, found.directory)
    made: Inode = process.kernel.vfs.create(found, give(process, inode, found.directory))
    return made
