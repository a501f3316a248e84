"""System calls that make, find and take away names: open, link, rename and their kind.

Most exist twice: relative to the working directory, and (..at) to an open one. Calls that tell and set what is known of a file
are in `sys_status.py`, which this module takes into the table.
"""

from __future__ import annotations

from typing import Any

from cells.personalities.linux.errno import (
    EEXIST,
    EINVAL,
    EISDIR,
    ELOOP,
    EMFILE,
    ENOENT,
    ENOTDIR,
    EPERM,
    Errno,
)
from cells.personalities.linux.file import (
    ACCESS,
    CREATE,
    EXCLUSIVE,
    LARGE,
    MUST_BE_DIRECTORY,
    NO_FOLLOW,
    PATH_ONLY,
    READ_ONLY,
    TRUNCATE,
    WRITE_ONLY,
    File,
)
from cells.personalities.linux.inode import (
    BLOCK,
    CHARACTER,
    DIRECTORY,
    FIFO,
    KIND,
    LINK,
    REGULAR,
    SOCKET,
    Directory,
    Inode,
    Link,
    Regular,
)
from cells.personalities.linux.opening import Opening, open_inode
from cells.personalities.linux.sys_file import signed
from cells.personalities.linux.table import FULL, PARTIAL, call
from cells.personalities.linux.vfs import PATH_LIMIT, Found
from cells.personalities.linux.wait import Sleeping, Wait

HERE = 0xFFFFFF9C
"""AT_FDCWD."""
KEEP_LINK, REMOVE_DIRECTORY, FOLLOW_LINK, EMPTY_PATH = 0x100, 0x200, 0x400, 0x1000
TMPFILE = 0o20000000


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


# ---- open


def _check_open(inode: Inode, flags: int) -> None:
    if flags & CREATE and flags & EXCLUSIVE:
        raise Errno(EEXIST)
    is_directory = isinstance(inode, Directory)
    if is_directory and (flags & CREATE or flags & ACCESS != READ_ONLY) and not flags & PATH_ONLY:
        raise Errno(EISDIR)
    if flags & MUST_BE_DIRECTORY and not is_directory:
        raise Errno(ENOTDIR)
    if inode.kind == LINK and not flags & PATH_ONLY:
        raise Errno(ELOOP)


def _created(process: Any, found: Found, flags: int, mode: int) -> Inode:
    if not flags & CREATE:
        raise Errno(ENOENT)
    if found.slash:
        raise Errno(EISDIR)
    vfs = process.kernel.vfs
    inode: Inode = vfs.create(found, Regular(vfs, masked(process, mode)))
    return inode


def open_path(process: Any, at: int, path_at: int, flags: int, mode: int) -> File:
    """An open file for a path.

    Raises:
        Errno: whatever open can say. Opening: of a FIFO.
    """
    exclusive = bool(flags & CREATE and flags & EXCLUSIVE)
    found = walk(process, at, path_at, follow=not (flags & NO_FOLLOW or exclusive))
    if flags & TMPFILE and flags & MUST_BE_DIRECTORY:
        return _nameless(process, found, flags, mode)
    if found.inode is not None:
        _check_open(found.inode, flags)
    inode = found.inode or _created(process, found, flags, mode)
    file = open_inode(process, inode, flags)
    if flags & TRUNCATE and isinstance(inode, Regular) and found.inode is not None:
        inode.truncate(0)
    file.name = file.name or _path(process, found)
    return file


def _nameless(process: Any, found: Found, flags: int, mode: int) -> File:
    """O_TMPFILE: a file that has no name. Its flag comes with that of a directory."""
    if not isinstance(found.existing(), Directory):
        raise Errno(ENOTDIR)
    if flags & ACCESS == READ_ONLY:
        raise Errno(EINVAL)
    return open_inode(process, Regular(process.kernel.vfs, masked(process, mode)), flags & ~MUST_BE_DIRECTORY)


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
    """The other end of the FIFO is not there yet."""
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


@call(323, "mkdirat", FULL)
def sys_mkdirat(process: Any, at: int, path: int, mode: int, *_: int) -> int:
    """A new directory."""
    vfs = process.kernel.vfs
    vfs.create(walk_new(process, at, path), Directory(vfs, masked(process, mode) & 0o1777))
    return 0


@call(39, "mkdir", FULL)
def sys_mkdir(process: Any, path: int, mode: int, *_: int) -> int:
    """A new directory."""
    return sys_mkdirat(process, HERE, path, mode)


@call(324, "mknodat", FULL)
def sys_mknodat(process: Any, at: int, path: int, mode: int, device: int, *_: int) -> int:
    """A new file, FIFO, device or socket."""
    vfs, kind = process.kernel.vfs, mode & KIND
    found = walk_new(process, at, path)
    if kind in (0, REGULAR):
        vfs.create(found, Regular(vfs, masked(process, mode)))
    elif kind in (FIFO, SOCKET, CHARACTER, BLOCK):
        vfs.create(found, Inode(vfs, kind | masked(process, mode), device if kind in (CHARACTER, BLOCK) else 0))
    else:
        raise Errno(EPERM if kind == DIRECTORY else EINVAL)
    return 0


@call(14, "mknod", FULL)
def sys_mknod(process: Any, path: int, mode: int, device: int, *_: int) -> int:
    """A new file, FIFO, device or socket."""
    return sys_mknodat(process, HERE, path, mode, device)


@call(330, "linkat", FULL)
def sys_linkat(process: Any, at: int, path: int, new_at: int, new_path: int, flags: int, *_: int) -> int:
    """One more name for a file."""
    if flags & ~(FOLLOW_LINK | EMPTY_PATH):
        raise Errno(EINVAL)
    if flags & EMPTY_PATH and process.space.cstring(path, PATH_LIMIT) == b"":
        inode = process.files.file(at).inode
        if inode is None:
            raise Errno(EPERM)
    else:
        inode = walk(process, at, path, follow=bool(flags & FOLLOW_LINK)).existing()
    if isinstance(inode, Directory):
        raise Errno(EPERM)
    process.kernel.vfs.link(inode, walk_new(process, new_at, new_path))
    return 0


@call(9, "link", FULL)
def sys_link(process: Any, path: int, new_path: int, *_: int) -> int:
    """One more name for a file."""
    return sys_linkat(process, HERE, path, HERE, new_path, 0)


@call(331, "symlinkat", FULL)
def sys_symlinkat(process: Any, target: int, at: int, path: int, *_: int) -> int:
    """A symbolic link."""
    text = process.space.cstring(target, PATH_LIMIT)
    if not text:
        raise Errno(ENOENT)
    vfs = process.kernel.vfs
    vfs.create(walk_new(process, at, path), Link(vfs, text))
    return 0


@call(83, "symlink", FULL)
def sys_symlink(process: Any, target: int, path: int, *_: int) -> int:
    """A symbolic link."""
    return sys_symlinkat(process, target, HERE, path)


# ---- names that go


@call(328, "unlinkat", FULL)
def sys_unlinkat(process: Any, at: int, path: int, flags: int, *_: int) -> int:
    """Take a name away."""
    if flags & ~REMOVE_DIRECTORY:
        raise Errno(EINVAL)
    found = walk(process, at, path, follow=False)
    if flags & REMOVE_DIRECTORY:
        process.kernel.vfs.remove_directory(found)
    else:
        process.kernel.vfs.unlink(found)
    return 0


@call(10, "unlink", FULL)
def sys_unlink(process: Any, path: int, *_: int) -> int:
    """Take a file's name away."""
    return sys_unlinkat(process, HERE, path, 0)


@call(40, "rmdir", FULL)
def sys_rmdir(process: Any, path: int, *_: int) -> int:
    """Take an empty directory away."""
    return sys_unlinkat(process, HERE, path, REMOVE_DIRECTORY)


NO_REPLACE = 1


@call(382, "renameat2", PARTIAL, "RENAME_NOREPLACE only")
def sys_renameat2(process: Any, at: int, path: int, new_at: int, new_path: int, flags: int, *_: int) -> int:
    """Another name in place of its own."""
    if flags & ~NO_REPLACE:
        raise Errno(EINVAL)
    old, new = walk(process, at, path, follow=False), walk(process, new_at, new_path, follow=False)
    if flags and old.inode is not None and new.inode is not None:
        raise Errno(EEXIST)
    process.kernel.vfs.rename(old, new)
    return 0


@call(329, "renameat", FULL)
def sys_renameat(process: Any, at: int, path: int, new_at: int, new_path: int, *_: int) -> int:
    """Another name in place of its own."""
    return sys_renameat2(process, at, path, new_at, new_path, 0)


@call(38, "rename", FULL)
def sys_rename(process: Any, path: int, new_path: int, *_: int) -> int:
    """Another name in place of its own."""
    return sys_renameat2(process, HERE, path, HERE, new_path, 0)


from cells.personalities.linux import sys_status  # noqa: E402, F401  it needs what is above
