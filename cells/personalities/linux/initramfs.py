"""A root out of an archive: cpio, format "newc".

    mount(kernel, archive)                  # the whole tree, with /dev and /proc: kernel.vfs, kernel.console
    unpack(vfs, archive)

Layout: kernel documentation, "initramfs buffer format". Files stay where they are in the archive until they are written or
mapped (`inode.Regular`). An archive is made by people: one that is cut off or malformed is refused with the place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cells.personalities.arm.errno import Errno
from cells.personalities.linux.directory import Directory
from cells.personalities.linux.inode import DIRECTORY, KIND, LINK, REGULAR, Inode, Link, Regular
from cells.personalities.linux.vfs import Vfs

MAGIC = (b"070701", b"070702")
HEAD = 110
HEX = frozenset(b"0123456789abcdefABCDEF")
"""Six characters and thirteen numbers of eight hexadecimal digits."""
INO, MODE, UID, GID, NLINK, MTIME, SIZE, _MAJOR, _MINOR, RMAJOR, RMINOR, NAME_SIZE = range(12)
TRAILER = b"TRAILER!!!"
SECOND = 1_000_000_000


class BadArchive(ValueError):  # noqa: N818  what it is
    """This is no archive, or not all of one."""


@dataclass
class Entry:
    """One record. `fields`: the numbers of its head."""

    name: bytes
    fields: list[int]
    content: memoryview

    @property
    def device(self) -> int:
        """As stat tells it: eight bits of minor number below the major one (both are small here)."""
        return device_number(self.fields[RMAJOR], self.fields[RMINOR])


def device_number(major: int, minor: int) -> int:
    """The word of st_rdev."""
    return (minor & 0xFF) | (major & 0xFFF) << 8 | (minor & ~0xFF) << 12


def entries(archive: bytes | memoryview) -> list[Entry]:
    """All records.

    Raises:
        BadArchive: with the offset where it ends to be one.
    """
    data = memoryview(archive)
    found: list[Entry] = []
    at = 0
    while True:
        while at + 4 <= len(data) and bytes(data[at : at + 4]) == bytes(
            4
        ):  # several archives one behind the other are padded
            at += 4
        if at >= len(data):
            return found
        entry, at = _entry(data, at)
        if entry.name != TRAILER:
            found.append(entry)


def _entry(data: memoryview, at: int) -> tuple[Entry, int]:
    head = bytes(data[at : at + HEAD])
    if len(head) < HEAD or head[:6] not in MAGIC:
        raise BadArchive(f"no newc record at byte {at} of the root")
    if not HEX.issuperset(head[6:]):  # `int` takes signs too: a negative size would lead in a circle
        raise BadArchive(f"a number is none in the record at byte {at} of the root")
    fields = [int(head[6 + 8 * i : 14 + 8 * i], 16) for i in range(13)]
    name_end = at + HEAD + fields[NAME_SIZE]
    start = _aligned(name_end)
    end = start + fields[SIZE]
    if not fields[NAME_SIZE] or end > len(data):
        raise BadArchive(f"the record at byte {at} of the root is cut off")
    name = bytes(data[at + HEAD : name_end - 1])
    return Entry(name, fields, data[start:end]), _aligned(end)


def _aligned(offset: int) -> int:
    return offset + 3 & ~3


def unpack(vfs: Vfs, archive: bytes | memoryview) -> None:
    """Put everything into the tree.

    Raises:
        BadArchive: it cannot be read, or says what cannot be.
    """
    linked: dict[int, Inode] = {}
    for entry in entries(archive):
        try:
            _place(vfs, entry, linked)
        except Errno as error:
            raise BadArchive(f"{entry.name.decode(errors='replace')} of the root: {error}") from None


def _place(vfs: Vfs, entry: Entry, linked: dict[int, Inode]) -> None:
    path = entry.name.lstrip(b"/")
    if path.strip(b"./") == b"":
        return
    directory = _directory_of(vfs, path)
    name = path.rstrip(b"/").rsplit(b"/", 1)[-1]
    before = directory.find(name)
    if before is not None and isinstance(before, Directory) and entry.fields[MODE] & KIND == DIRECTORY:
        before.mode = entry.fields[MODE]
        return
    inode = _linked(vfs, entry, linked)
    if before is not None:
        directory.remove(name)
    directory.add(name, inode)


def _linked(vfs: Vfs, entry: Entry, linked: dict[int, Inode]) -> Inode:
    """The records of one file with several names share a number; the last has its content."""
    if entry.fields[NLINK] < 2 or entry.fields[MODE] & KIND == DIRECTORY:
        return _make(vfs, entry)
    inode = linked.get(entry.fields[INO])
    if inode is None:
        inode = linked[entry.fields[INO]] = _make(vfs, entry)
    elif isinstance(inode, Regular) and len(entry.content):
        inode.write(0, bytes(entry.content))
    return inode


def _make(vfs: Vfs, entry: Entry) -> Inode:
    mode = entry.fields[MODE]
    inode: Inode
    if mode & KIND == REGULAR:
        inode = Regular(vfs, mode, entry.content)
    elif mode & KIND == DIRECTORY:
        inode = Directory(vfs, mode)
    elif mode & KIND == LINK:
        inode = Link(vfs, bytes(entry.content))
    else:
        inode = Inode(vfs, mode, entry.device)
    inode.user, inode.team = entry.fields[UID], entry.fields[GID]
    inode.accessed = inode.modified = inode.changed = entry.fields[MTIME] * SECOND
    return inode


def _directory_of(vfs: Vfs, path: bytes) -> Directory:
    """Where a path's last name lies; what is missing on the way is made."""
    here = vfs.root
    for name in [name for name in path.split(b"/")[:-1] if name not in (b"", b".")]:
        inode = here.find(name)
        if isinstance(inode, Link):
            inode = vfs.find(inode.target(), here)
        if inode is None:
            inode = Directory(vfs, 0o755)
            here.add(name, inode)
        if not isinstance(inode, Directory):
            raise BadArchive(f"{path.decode(errors='replace')} of the root lies below what is no directory")
        here = inode
    return here


def mount(kernel: Any, archive: bytes | memoryview) -> Vfs:
    """Make the tree of a kernel, and its console.

    Raises:
        BadArchive: as `unpack`.
    """
    from cells.personalities.linux import devices, procfs, served, tty

    kernel.vfs = vfs = Vfs(kernel.frames, lambda: int(kernel.now()) * SECOND // int(kernel.hz))
    unpack(vfs, archive)
    kernel.console = tty.Terminal(kernel, *kernel.spec.terminal)
    devices.make_devices(vfs, kernel)
    procfs.mount(vfs, kernel)
    vfs.volumes += [served.mount(kernel, place.encode(), number) for number, place in enumerate(kernel.spec.views)]
    return vfs
