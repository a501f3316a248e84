"""System calls on directories and links: names, where a link leads, the working directory."""

from __future__ import annotations

import struct
from typing import Any

from cells.personalities.arm.errno import EBADF, EINVAL, ENAMETOOLONG, ENOENT, ENOTDIR, ERANGE, Errno
from cells.personalities.linux.directory import Directory
from cells.personalities.linux.file import PATH_ONLY, DirectoryFile
from cells.personalities.linux.inode import Inode, Link
from cells.personalities.linux.paths import EMPTY_PATH, HERE, KEEP_LINK, at_path, walk
from cells.personalities.linux.rights import EXECUTE, demand, demand_root
from cells.personalities.linux.table import FULL, call
from cells.personalities.linux.way import PATH_LIMIT
from cells.personalities.linux.words import signed

# ---- links and directories


@call(332, "readlinkat", FULL)
def sys_readlinkat(process: Any, at: int, path: int, to: int, size: int, *_: int) -> int:
    """Where a link leads, without a zero at its end."""
    if signed(size) <= 0:
        raise Errno(EINVAL)
    inode = at_path(process, at, path, KEEP_LINK | EMPTY_PATH)
    if not isinstance(inode, Link):
        raise Errno(EINVAL)
    target = inode.target(process)[:size]
    process.space.write(to, target)
    return len(target)


@call(85, "readlink", FULL)
def sys_readlink(process: Any, path: int, to: int, size: int, *_: int) -> int:
    """Where a link leads."""
    if signed(size) <= 0:
        raise Errno(EINVAL)
    return sys_readlinkat(process, HERE, path, to, size)


def _record64(name: bytes, inode: Inode, position: int) -> bytes:
    """struct linux_dirent64; the next one begins at a multiple of eight."""
    whole = 19 + len(name) + 1 + 7 & ~7
    head = struct.pack("<QqHB", inode.inode_number, position, whole, inode.kind >> 12)
    return (head + name).ljust(whole, b"\0")


def _record32(name: bytes, inode: Inode, position: int) -> bytes:
    """struct linux_dirent: the kind is the record's last byte."""
    whole = 10 + len(name) + 2 + 3 & ~3
    head = struct.pack("<IIH", inode.inode_number, position, whole)
    return (head + name).ljust(whole - 1, b"\0") + bytes((inode.kind >> 12,))


def _names(process: Any, descriptor: int, at: int, size: int, record: Any) -> int:
    file = process.files.file(descriptor)
    if file.flags & PATH_ONLY:
        raise Errno(EBADF)
    if not isinstance(file, DirectoryFile):
        raise Errno(ENOTDIR)
    if file.inode.gone:
        raise Errno(ENOENT)
    listed, taken = bytearray(), 0
    for name, inode in file.names():
        entry = record(name, inode, file.offset + taken + 1)
        if len(listed) + len(entry) > size:
            if not taken:
                raise Errno(EINVAL)
            break
        listed += entry
        taken += 1
    process.space.write(at, listed)
    file.offset += taken
    return len(listed)


@call(217, "getdents64", FULL)
def sys_getdents64(process: Any, descriptor: int, at: int, size: int, *_: int) -> int:
    """Names of a directory."""
    return _names(process, descriptor, at, size, _record64)


@call(141, "getdents", FULL)
def sys_getdents(process: Any, descriptor: int, at: int, size: int, *_: int) -> int:
    """Names of a directory."""
    return _names(process, descriptor, at, size, _record32)


# ---- the working directory


def _enter(process: Any, inode: Inode | None) -> int:
    if not isinstance(inode, Directory):
        raise Errno(ENOTDIR)
    demand(process, inode, EXECUTE)
    process.directory = inode
    return 0


@call(12, "chdir", FULL)
def sys_chdir(process: Any, path: int, *_: int) -> int:
    """Go there."""
    return _enter(process, walk(process, HERE, path).existing())


@call(133, "fchdir", FULL)
def sys_fchdir(process: Any, descriptor: int, *_: int) -> int:
    """Go there."""
    return _enter(process, process.files.file(descriptor).inode)


@call(183, "getcwd", FULL)
def sys_getcwd(process: Any, to: int, size: int, *_: int) -> int:
    """Where it is; the size with the zero at its end."""
    path = process.kernel.vfs.path_of(process.directory, process.root) + b"\0"
    if len(path) > PATH_LIMIT:
        raise Errno(ENAMETOOLONG)
    if size < len(path):
        raise Errno(ERANGE)
    process.space.write(to, path)
    return len(path)


@call(61, "chroot", FULL)
def sys_chroot(process: Any, path: int, *_: int) -> int:
    """Another root, from which this process and those that it makes see everything."""
    inode = walk(process, HERE, path).existing()
    if not isinstance(inode, Directory):
        raise Errno(ENOTDIR)
    demand(process, inode, EXECUTE)
    demand_root(process)
    process.root = inode
    return 0
