"""System calls that tell and set what is known of a file: stat, access, chmod, times; names; the working directory."""

from __future__ import annotations

import struct
from typing import Any

from cells.personalities.linux.errno import (
    EACCES,
    EBADF,
    EFAULT,
    EINVAL,
    EISDIR,
    ENODATA,
    ENOENT,
    ENOTDIR,
    EOPNOTSUPP,
    EPERM,
    ERANGE,
    Errno,
)
from cells.personalities.linux.file import PATH_ONLY, DirectoryFile, File
from cells.personalities.linux.inode import BLOCK, CHARACTER, LINK, NAME_COUNT, PAGE, Directory, Inode, Link, Regular
from cells.personalities.linux.sys_file import signed, wide
from cells.personalities.linux.sys_name import EMPTY_PATH, HERE, KEEP_LINK, walk
from cells.personalities.linux.table import FULL, PARTIAL, absent, call
from cells.personalities.linux.vfs import PATH_LIMIT

SECOND = 1_000_000_000
STAT64 = struct.Struct("<QIIIIIIQIIqIIQ6IQ")
"""struct stat64 of ARM EABI, 104 bytes (asm/stat.h)."""
DEVICE = 1
"""st_dev of all files: there is one file system."""
TMPFS_MAGIC, PROC_MAGIC = 0x01021994, 0x9FA0


# ---- stat


def tell(process: Any, inode: Inode, at: int) -> int:
    """Write a struct stat64."""
    device = inode.device if inode.kind in (CHARACTER, BLOCK) else 0
    blocks = inode.blocks if isinstance(inode, Regular) else 0
    parts = [part for when in (inode.accessed, inode.modified, inode.changed) for part in divmod(when, SECOND)]
    times = [part & 0xFFFFFFFF for part in parts]
    number = inode.inode_number
    status = (DEVICE, 0, number, inode.mode, max(inode.links, 0), inode.user, inode.team, device, 0, 0, inode.size)
    process.space.write(at, STAT64.pack(*status, PAGE, 0, blocks, *times, number))
    return 0


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


@call(197, "fstat64", FULL)
def sys_fstat64(process: Any, descriptor: int, at: int, *_: int) -> int:
    """Of an open file."""
    return tell(process, inode_of(process, process.files.file(descriptor)), at)


@call(327, "fstatat64", FULL)
def sys_fstatat64(process: Any, directory: int, path: int, at: int, flags: int, *_: int) -> int:
    """Of a path."""
    return tell(process, at_path(process, directory, path, flags), at)


@call(195, "stat64", FULL)
def sys_stat64(process: Any, path: int, at: int, *_: int) -> int:
    """Of a path."""
    return tell(process, walk(process, HERE, path).existing(), at)


@call(196, "lstat64", FULL)
def sys_lstat64(process: Any, path: int, at: int, *_: int) -> int:
    """Of a path that may be a link."""
    return tell(process, walk(process, HERE, path, follow=False).existing(), at)


absent(397, "statx", "programs use stat64 instead")
STATFS64 = struct.Struct("<II5Q9I")
"""struct statfs64 of ARM EABI: 84 bytes, packed to 4 (asm/statfs.h)."""


def _tell_room(process: Any, inode: Inode, size: int, at: int) -> int:
    if size not in (84, 88):
        raise Errno(EINVAL)
    frames = process.kernel.frames
    magic = PROC_MAGIC if getattr(inode, "of_proc", False) else TMPFS_MAGIC
    room = (frames.total, frames.free, frames.free, NAME_COUNT, NAME_COUNT - inode.tree.named)
    process.space.write(at, STATFS64.pack(magic, PAGE, *room, 0, 0, 255, PAGE, 0, 0, 0, 0, 0))
    return 0


@call(266, "statfs64", FULL)
def sys_statfs64(process: Any, path: int, size: int, at: int, *_: int) -> int:
    """Of the file system of a path."""
    return _tell_room(process, walk(process, HERE, path).existing(), size, at)


@call(267, "fstatfs64", FULL)
def sys_fstatfs64(process: Any, descriptor: int, size: int, at: int, *_: int) -> int:
    """Of the file system of a file."""
    return _tell_room(process, inode_of(process, process.files.file(descriptor)), size, at)


# ---- modes and owners: everybody is root


def _may(inode: Inode, wanted: int) -> int:
    """Root may read and write what there is, and execute what anybody may."""
    if wanted > 7:
        raise Errno(EINVAL)
    if wanted & 1 and not isinstance(inode, Directory) and not inode.mode & 0o111:
        raise Errno(EACCES)
    return 0


@call(334, "faccessat", FULL)
def sys_faccessat(process: Any, at: int, path: int, wanted: int, *_: int) -> int:
    """Whether a path may be used."""
    return _may(walk(process, at, path).existing(), wanted)


@call(439, "faccessat2", FULL)
def sys_faccessat2(process: Any, at: int, path: int, wanted: int, flags: int, *_: int) -> int:
    """Whether a path may be used."""
    return _may(at_path(process, at, path, flags), wanted)


@call(33, "access", FULL)
def sys_access(process: Any, path: int, wanted: int, *_: int) -> int:
    """Whether a path may be used."""
    return sys_faccessat(process, HERE, path, wanted)


def _set_mode(process: Any, inode: Inode, mode: int) -> int:
    if inode.kind == LINK:
        raise Errno(EOPNOTSUPP)
    inode.mode = inode.kind | mode & 0o7777
    inode.changed = process.kernel.vfs.now()
    return 0


@call(333, "fchmodat", FULL)
def sys_fchmodat(process: Any, at: int, path: int, mode: int, *_: int) -> int:
    """Set permissions."""
    return _set_mode(process, walk(process, at, path).existing(), mode)


@call(15, "chmod", FULL)
def sys_chmod(process: Any, path: int, mode: int, *_: int) -> int:
    """Set permissions."""
    return sys_fchmodat(process, HERE, path, mode)


@call(94, "fchmod", FULL)
def sys_fchmod(process: Any, descriptor: int, mode: int, *_: int) -> int:
    """Set permissions."""
    return _set_mode(process, inode_of(process, process.files.file(descriptor)), mode)


KEPT = 0xFFFFFFFF
"""-1: leave this owner."""


def _set_owner(process: Any, inode: Inode, user: int, team: int) -> int:
    inode.user = inode.user if user == KEPT else user
    inode.team = inode.team if team == KEPT else team
    inode.changed = process.kernel.vfs.now()
    return 0


@call(212, "chown32", FULL)
def sys_chown(process: Any, path: int, user: int, team: int, *_: int) -> int:
    """Set the owner."""
    return _set_owner(process, walk(process, HERE, path).existing(), user, team)


@call(198, "lchown32", FULL)
def sys_lchown(process: Any, path: int, user: int, team: int, *_: int) -> int:
    """Set the owner, of a link itself too."""
    return _set_owner(process, walk(process, HERE, path, follow=False).existing(), user, team)


@call(207, "fchown32", FULL)
def sys_fchown(process: Any, descriptor: int, user: int, team: int, *_: int) -> int:
    """Set the owner."""
    return _set_owner(process, inode_of(process, process.files.file(descriptor)), user, team)


@call(325, "fchownat", FULL)
def sys_fchownat(process: Any, at: int, path: int, user: int, team: int, flags: int, *_: int) -> int:
    """Set the owner."""
    return _set_owner(process, at_path(process, at, path, flags), user, team)


@call(60, "umask", FULL)
def sys_umask(process: Any, mask: int, *_: int) -> int:
    """The permissions that new files do not get."""
    before, process.umask = process.umask, mask & 0o777
    return int(before)


# ---- times

NOW, OMIT = 0x3FFFFFFF, 0x3FFFFFFE
"""UTIME_NOW and UTIME_OMIT in place of nanoseconds."""


def _set_times(process: Any, inode: Inode, pairs: list[tuple[int, int]]) -> int:
    """Access and modification, as (seconds, nanoseconds)."""
    now = process.kernel.vfs.now()
    for name, (seconds, nanoseconds) in zip(("accessed", "modified"), pairs, strict=True):
        if nanoseconds == OMIT:
            continue
        if nanoseconds != NOW and not 0 <= nanoseconds < SECOND:
            raise Errno(EINVAL)
        setattr(inode, name, now if nanoseconds == NOW else max(seconds, 0) * SECOND + nanoseconds)
    inode.changed = now
    return 0


def _pairs(process: Any, at: int, form: str) -> list[tuple[int, int]]:
    if not at:
        return [(0, NOW), (0, NOW)]
    words = struct.unpack(form, process.space.read(at, struct.calcsize(form)))
    return [(words[0], words[1]), (words[2], words[3])]


def _utimensat(process: Any, at: int, path: int, times: int, flags: int, form: str) -> int:
    pairs = _pairs(process, times, form)
    inode = at_path(process, at, path, flags) if path else inode_of(process, process.files.file(signed(at)))
    return _set_times(process, inode, pairs)


@call(348, "utimensat", FULL)
def sys_utimensat(process: Any, at: int, path: int, times: int, flags: int, *_: int) -> int:
    """Set times to nanoseconds."""
    return _utimensat(process, at, path, times, flags, "<4i")


@call(412, "utimensat_time64", FULL)
def sys_utimensat64(process: Any, at: int, path: int, times: int, flags: int, *_: int) -> int:
    """Set times to nanoseconds."""
    return _utimensat(process, at, path, times, flags, "<4q")


def _microseconds(process: Any, at: int) -> list[tuple[int, int]]:
    pairs = _pairs(process, at, "<4i")
    return pairs if not at else [(seconds, micro * 1000) for seconds, micro in pairs]


@call(269, "utimes", FULL)
def sys_utimes(process: Any, path: int, times: int, *_: int) -> int:
    """Set times to microseconds."""
    return _set_times(process, walk(process, HERE, path).existing(), _microseconds(process, times))


@call(326, "futimesat", FULL)
def sys_futimesat(process: Any, at: int, path: int, times: int, *_: int) -> int:
    """Set times to microseconds."""
    return _set_times(process, walk(process, at, path).existing(), _microseconds(process, times))


# ---- sizes


def _truncate(process: Any, path: int, size: int) -> int:
    inode = walk(process, HERE, path).existing()
    if isinstance(inode, Directory):
        raise Errno(EISDIR)
    if size < 0 or not isinstance(inode, Regular):
        raise Errno(EINVAL)
    inode.truncate(size)
    return 0


@call(92, "truncate", FULL)
def sys_truncate(process: Any, path: int, size: int, *_: int) -> int:
    """Set a file's size."""
    return _truncate(process, path, signed(size))


@call(193, "truncate64", FULL)
def sys_truncate64(process: Any, path: int, _pad: int, low: int, high: int, *_: int) -> int:
    """Set a file's size."""
    return _truncate(process, path, wide(low, high))


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
    path = process.kernel.vfs.path_of(process.directory) + b"\0"
    if size < len(path):
        raise Errno(ERANGE)
    process.space.write(to, path)
    return len(path)


@call(61, "chroot", PARTIAL, "to the root only")
def sys_chroot(process: Any, path: int, *_: int) -> int:
    """Another root."""
    if walk(process, HERE, path).existing() is not process.kernel.vfs.root:
        raise Errno(EPERM)
    return 0


# ---- extended attributes: there are none


def _no_value(process: Any, path: int, *_: int) -> int:
    if not path:
        raise Errno(EFAULT)
    raise Errno(ENODATA)


def _no_list(process: Any, *_: int) -> int:
    return 0


def _no_room(process: Any, *_: int) -> int:
    raise Errno(EOPNOTSUPP)


for _number, _name, _function in (
    (226, "setxattr", _no_room),
    (227, "lsetxattr", _no_room),
    (228, "fsetxattr", _no_room),
    (229, "getxattr", _no_value),
    (230, "lgetxattr", _no_value),
    (231, "fgetxattr", _no_value),
    (232, "listxattr", _no_list),
    (233, "llistxattr", _no_list),
    (234, "flistxattr", _no_list),
):
    call(_number, _name, PARTIAL, "files have none")(_function)
