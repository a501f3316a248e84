"""System calls that make and take away names: directories, devices, links, rename.

Most exist twice: relative to the working directory, and (..at) to an open one.
"""

from __future__ import annotations

from typing import Any

from cells.personalities.arm.errno import EEXIST, EINVAL, ENOENT, EPERM, EXDEV, Errno
from cells.personalities.linux.directory import Directory
from cells.personalities.linux.inode import (
    BLOCK,
    CHARACTER,
    DIRECTORY,
    FIFO,
    KIND,
    REGULAR,
    SOCKET,
    Inode,
    Link,
    Regular,
)
from cells.personalities.linux.paths import (
    EMPTY_PATH,
    FOLLOW_LINK,
    HERE,
    REMOVE_DIRECTORY,
    create,
    masked,
    walk,
    walk_new,
)
from cells.personalities.linux.rights import demand_change, demand_root, demand_writable
from cells.personalities.linux.table import FULL, PARTIAL, call
from cells.personalities.linux.way import PATH_LIMIT


@call(323, "mkdirat", FULL)
def sys_mkdirat(process: Any, at: int, path: int, mode: int, *_: int) -> int:
    """A new directory."""
    made = Directory(process.kernel.vfs, masked(process, mode) & 0o1777)
    create(process, walk_new(process, at, path), made)
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
    if kind in (CHARACTER, BLOCK):
        demand_root(process)
    if kind in (0, REGULAR):
        create(process, found, Regular(vfs, masked(process, mode)))
    elif kind in (FIFO, SOCKET, CHARACTER, BLOCK):
        create(process, found, Inode(vfs, kind | masked(process, mode), device if kind in (CHARACTER, BLOCK) else 0))
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
    found = walk_new(process, new_at, new_path)
    demand_change(process, found.directory)
    if inode.volume is not found.directory.volume:
        raise Errno(EXDEV)
    process.kernel.vfs.link(inode, found)
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
    create(process, walk_new(process, at, path), Link(process.kernel.vfs, text))
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
    demand_writable(found.directory)
    if found.inode is not None:
        demand_change(process, found.directory, found.inode)
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
    if old.directory.volume is not new.directory.volume:
        raise Errno(EXDEV)
    demand_writable(old.directory)
    if flags and old.inode is not None and new.inode is not None:
        raise Errno(EEXIST)
    if old.inode is not None:
        demand_change(process, old.directory, old.inode)
        demand_change(process, new.directory, new.inode)
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
