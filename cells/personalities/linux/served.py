"""Directories of the host in the tree: looked into by the hypercall FILES, name by name and piece by piece, never written.

    mount(kernel, b"/mnt", 0)               # the first view of this cell

Theory: the monitor reads for the cell (hypervisor/abi/served.py), and what it has told once stays so for the whole run; so what
is kept here may be forgotten and asked for again at any time. Inodes know their path; their numbers follow from it. Nobody may
write, user 0 neither (EROFS): `Inode.volume` says so, and rights.py asks for it. A look that the monitor refuses because the
host's file has changed is EIO; for a page that a program has mapped it is SIGBUS.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any

from cells.personalities.arm.errno import EACCES, EIO, ENAMETOOLONG, ENFILE, EOVERFLOW, EROFS, Errno
from cells.personalities.linux.directory import Directory
from cells.personalities.linux.file import File, RegularFile
from cells.personalities.linux.inode import FILE_LIMIT, LINK, PAGE, Inode, Link, Regular, Volume
from cells.port import RefusedError
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.records import DATA_LIMIT
from hypervisor.abi.served import ANSWER_LIMIT, ENTRY, Entry, Look
from hypervisor.abi.status import Status

INODES, BLOCKS = 4096, 64
"""Inodes and pages of files that are kept at hand for one view: assumed."""
MODES = {Entry.DIRECTORY: 0o040555, Entry.FILE: 0o100444, Entry.PROGRAM: 0o100555, Entry.LINK: 0o120777}
ERRORS = {Status.RIGHTS: EACCES, Status.NO_ROOM: ENFILE, Status.TOO_LONG: ENAMETOOLONG}
"""Everything else that is refused is EIO."""
FOLDER_SIZE = 4096


class View(Volume):
    """One directory of the host."""

    read_only = True

    def __init__(self, kernel: Any, place: bytes, number: int) -> None:
        self.kernel, self.place, self.number = kernel, place, number
        self.device = number + 2
        self._inodes: OrderedDict[bytes, Inode] = OrderedDict()
        self._blocks: OrderedDict[tuple[bytes, int], bytes] = OrderedDict()
        self._operations = {look: look | number << 8 for look in Look}

    # ---- what the monitor tells

    def look(self, operation: Look, path: bytes, place: int = 0) -> tuple[int, bytes]:
        """Ask the monitor.

        Raises:
            Errno: EIO, EACCES, ENFILE, ENAMETOOLONG.
        """
        if len(path) > DATA_LIMIT:
            raise Errno(ENAMETOOLONG)
        try:
            value, answer = self.kernel.port.call(Hypercall.FILES, self._operations[operation], place, data=path)
        except RefusedError as refusal:
            raise Errno(ERRORS.get(Status(refusal.status), EIO)) from refusal
        self.kernel.copied(len(answer))
        return int(value), bytes(answer)

    def entries(self, path: bytes) -> list[tuple[bytes, int]]:
        """The names in a directory, and what each stands for."""
        found: list[tuple[bytes, int]] = []
        while True:
            count, answer = self.look(Look.NAMES, path, len(found))
            if not count:
                return found
            at = 0
            for _ in range(count):
                kind, length, _size = ENTRY.unpack_from(answer, at)
                at += ENTRY.size + length
                found.append((answer[at - length : at], kind))

    def block(self, path: bytes, index: int) -> bytes:
        """A page of a file, as far as the file goes."""
        key = path, index
        if key in self._blocks:
            self._blocks.move_to_end(key)
            return self._blocks[key]
        data = b""
        while len(data) < PAGE:
            _, part = self.look(Look.READ, path, index * PAGE + len(data))
            data += part
            if len(part) < min(ANSWER_LIMIT, PAGE):
                break
        self._blocks[key] = data = data[:PAGE]
        if len(self._blocks) > BLOCKS:
            self._blocks.popitem(last=False)
        return data

    # ---- inodes

    def inode(self, path: bytes, parent: ServedDirectory) -> Inode | None:
        """What a path stands for; None if there is nothing."""
        found = self._inodes.get(path)
        if found is None:
            value, _ = self.look(Look.ATTRIBUTES, path)
            if not value:
                return None
            found = self._inodes[path] = self._made(path, value & 0xFF, value >> 8, parent)
            if len(self._inodes) > INODES:
                self._inodes.popitem(last=False)
        self._inodes.move_to_end(path)
        return found

    def _made(self, path: bytes, kind: int, size: int, parent: ServedDirectory) -> Inode:
        if kind == Entry.DIRECTORY:
            return ServedDirectory(self, path, parent)
        return ServedLink(self, path, size) if kind == Entry.LINK else ServedFile(self, path, MODES[Entry(kind)], size)

    def inode_number(self, path: bytes) -> int:
        """The same whenever it is asked for, and nearly always another one for another path; none of the tree's own."""
        digest = hashlib.blake2b(path, digest_size=4).digest()
        return 1 << 31 | int.from_bytes(digest, "little") >> 1


def _settle(inode: Inode, view: View, path: bytes) -> None:
    """What all of them have in common: whose they are, and that no time is told."""
    inode.volume, inode.inode_number = view, view.inode_number(path)
    inode.accessed = inode.modified = inode.changed = 0
    inode.links = 1


class Glimpse(Inode):
    """A name in a list: no more than a directory's reader gets of it."""

    def __init__(self, number: int, mode: int) -> None:
        self.inode_number, self.mode = number, mode


class ServedDirectory(Directory):
    """A directory of the host. `parent`: for the view's own, where it was put."""

    def __init__(self, view: View, path: bytes, parent: Directory | None) -> None:
        super().__init__(view.kernel.vfs, 0o555, parent)
        self.view, self.path = view, path
        _settle(self, view, path)
        self.links = 2

    @property
    def size(self) -> int:
        """Bytes, as stat tells them: what one on a disk has."""
        return FOLDER_SIZE

    def find(self, name: bytes) -> Inode | None:
        """What a name stands for."""
        return self.view.inode(self.below(name), self)

    def below(self, name: bytes) -> bytes:
        """The path of a name in it."""
        return self.path + b"/" + name if self.path else name

    def names(self) -> list[tuple[bytes, Inode]]:
        """What is in it; of each only what a reader of the directory is told."""
        number = self.view.inode_number
        return [
            (name, Glimpse(number(self.below(name)), MODES[Entry(kind)])) for name, kind in self.view.entries(self.path)
        ]

    def name_of(self, inode: Inode) -> bytes:
        """See `Directory`."""
        return inode.path.rpartition(b"/")[2] if isinstance(inode, ServedDirectory) else b""

    def add(self, name: bytes, inode: Inode) -> None:
        """Nobody gives names here."""
        raise Errno(EROFS)

    def remove(self, name: bytes) -> None:
        """Nor takes any."""
        raise Errno(EROFS)


class ServedFile(Regular):
    """A file of the host. Its pages are made of what is read when a program maps them, and can be given back at any time."""

    def __init__(self, view: View, path: bytes, mode: int, size: int) -> None:
        super().__init__(view.kernel.vfs, mode)
        self.view, self.path, self._size = view, path, size
        _settle(self, view, path)

    @property
    def blocks(self) -> int:
        """Blocks of 512 bytes that it takes."""
        return 8 * -(-self._size // PAGE)

    def open(self, process: Any, flags: int) -> File:
        """An open file.

        Raises:
            Errno: EOVERFLOW, it is larger than files here can be.
        """
        if self._size >= FILE_LIMIT:
            raise Errno(EOVERFLOW)
        return RegularFile(self, flags)

    def initial(self, begin: int, end: int) -> bytes:
        """See `Regular`: asked for page by page."""
        first, last = begin // PAGE, -(-end // PAGE)
        found = b"".join([self.view.block(self.path, index) for index in range(first, last)])
        return found[begin - first * PAGE : end - first * PAGE]

    def write(self, offset: int, data: bytes) -> int:
        """Nobody writes here."""
        raise Errno(EROFS)

    def truncate(self, size: int) -> None:
        """Nor here."""
        raise Errno(EROFS)


class ServedLink(Link):
    """A link of the host: it leads on in the cell's own tree. One that leads out of the directory is not told (EACCES)."""

    def __init__(self, view: View, path: bytes, size: int) -> None:
        super().__init__(view.kernel.vfs, b"")
        self.view, self.path, self._length = view, path, size
        self.mode = LINK | 0o777
        _settle(self, view, path)

    @property
    def size(self) -> int:
        """Bytes, as stat tells them."""
        return self._length

    def target(self, _process: Any = None) -> bytes:
        """Where it leads."""
        return self.view.look(Look.TARGET, self.path)[1]


def mount(kernel: Any, place: bytes, number: int) -> View:
    """Put a view into the tree; what was at its place is covered."""
    vfs = kernel.vfs
    directory: Directory = vfs.root
    *above, name = place.strip(b"/").split(b"/")
    for part in above:
        below = directory.find(part)
        if not isinstance(below, Directory):
            below = Directory(vfs, 0o755)
            _put(directory, part, below)
        directory = below
    view = View(kernel, place, number)
    _put(directory, name, ServedDirectory(view, b"", directory))
    return view


def _put(directory: Directory, name: bytes, inode: Directory) -> None:
    if name in directory.entries:
        directory.remove(name)
    directory.add(name, inode)
