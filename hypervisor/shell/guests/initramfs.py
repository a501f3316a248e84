"""The initramfs: busybox and our `/init`, in the one format that every Linux reads ("newc" cpio).

    image = initramfs(busybox=..., init=...)

Layout: kernel documentation, "initramfs buffer format". The same input gives the same bytes on every machine: no times,
owner root, entries in the order given, and no compression (whose output depends on the library's version; unpacking
would also cost the guest instructions).
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import dataclass

MAGIC = b"070701"
BLOCK = 512
TRAILER = "TRAILER!!!"
CONSOLE = (5, 1)  # major and minor of /dev/console, kernel documentation "devices.txt"
# Mount points, and the folders that `busybox --install` fills.
FOLDERS = ("bin", "dev", "etc", "proc", "root", "sbin", "sys", "tmp", "usr", "usr/bin", "usr/sbin")


@dataclass(frozen=True)
class Entry:
    """One file, folder, link or device of a cpio."""

    path: str
    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


def folder(path: str) -> Entry:
    """A folder."""
    return Entry(path, stat.S_IFDIR | 0o755)


def program(path: str, content: bytes) -> Entry:
    """A file that can be executed."""
    return Entry(path, stat.S_IFREG | 0o755, content)


def link(path: str, target: str) -> Entry:
    """A symbolic link."""
    return Entry(path, stat.S_IFLNK | 0o777, target.encode())


def character_device(path: str, device: tuple[int, int]) -> Entry:
    """A character device node."""
    return Entry(path, stat.S_IFCHR | 0o600, device=device)


def initramfs(busybox: bytes, init: bytes) -> bytes:
    """The image. The kernel opens /dev/console for the first process before anything is mounted, hence the node."""
    entries = [folder(path) for path in FOLDERS]
    entries += [
        program("bin/busybox", busybox),
        link("bin/sh", "busybox"),
        character_device("dev/console", CONSOLE),
        program("init", init),
    ]
    return newc(entries)


def newc(entries: Iterable[Entry]) -> bytes:
    """A cpio of these entries."""
    parts = [_record(number, entry) for number, entry in enumerate(entries, start=1)]
    image = b"".join(parts) + _record(0, Entry(TRAILER, 0))
    return image + bytes(-len(image) % BLOCK)


def joined(images: Iterable[bytes]) -> bytes:
    """One cpio with the entries of several, made by `newc`. Whoever unpacks it takes a path's last entry."""
    end = _record(0, Entry(TRAILER, 0))
    content = b"".join(image[: image.rindex(end)] for image in images) + end
    return content + bytes(-len(content) % BLOCK)


def _record(number: int, entry: Entry) -> bytes:
    name = entry.path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    # ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
    fields = (number, entry.mode, 0, 0, links, 0, len(entry.content), 0, 0, *entry.device, len(name), 0)
    head = MAGIC + b"".join(b"%08X" % field for field in fields) + name
    return _aligned(head) + _aligned(entry.content)


def _aligned(content: bytes) -> bytes:
    return content + bytes(-len(content) % 4)
