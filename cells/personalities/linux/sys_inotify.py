"""System calls of inotify."""

from __future__ import annotations

from typing import Any

from cells.personalities.arm.errno import EINVAL, EMFILE, ENOTDIR, Errno
from cells.personalities.linux.directory import Directory
from cells.personalities.linux.file import CLOSE_ON_EXEC, NONBLOCK
from cells.personalities.linux.inode import Inode
from cells.personalities.linux.inotify import InotifyFile
from cells.personalities.linux.paths import HERE, walk
from cells.personalities.linux.rights import READ, demand
from cells.personalities.linux.table import FULL, PARTIAL, call
from cells.personalities.linux.words import signed

ONLY_DIRECTORY, NO_FOLLOW = 0x0100_0000, 0x0200_0000


@call(360, "inotify_init1", FULL)
def sys_inotify_init1(process: Any, flags: int, *_: int) -> int:
    """An instance."""
    if flags & ~(CLOSE_ON_EXEC | NONBLOCK):
        raise Errno(EINVAL)
    if len(process.files.files) >= process.files.limit:
        raise Errno(EMFILE)
    inode = Inode(process.kernel.vfs, 0o600)
    return int(process.files.install(InotifyFile(inode, flags & NONBLOCK), flags))


@call(316, "inotify_init", FULL)
def sys_inotify_init(process: Any, *_: int) -> int:
    """An instance."""
    return sys_inotify_init1(process, 0)


def _instance(process: Any, descriptor: int) -> InotifyFile:
    file = process.files.file(signed(descriptor))
    if not isinstance(file, InotifyFile):
        raise Errno(EINVAL)
    return file


@call(317, "inotify_add_watch", PARTIAL, "a file's end is told with its last name, though somebody may have it open")
def sys_inotify_add_watch(process: Any, descriptor: int, path: int, mask: int, *_: int) -> int:
    """Watch a file or a directory."""
    file = _instance(process, descriptor)
    inode = walk(process, HERE, path, follow=not mask & NO_FOLLOW).existing()
    if mask & ONLY_DIRECTORY and not isinstance(inode, Directory):
        raise Errno(ENOTDIR)
    demand(process, inode, READ)
    return file.watch(inode, mask)


@call(318, "inotify_rm_watch", FULL)
def sys_inotify_rm_watch(process: Any, descriptor: int, number: int, *_: int) -> int:
    """No longer."""
    _instance(process, descriptor).forget(signed(number))
    return 0
