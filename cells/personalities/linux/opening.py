"""From an inode to an open file.

    file = open_inode(process, inode, flags)

Theory: what an open file can do follows from the inode's kind; files of /proc, which are made when they are opened, bring a
function of their own (`procfs.Made`).
"""

from __future__ import annotations

from typing import Any

from cells.personalities.arm.errno import ELOOP, ENXIO, Errno
from cells.personalities.linux.devices import open_device
from cells.personalities.linux.directory import Directory
from cells.personalities.linux.file import (
    NONBLOCK,
    PATH_ONLY,
    READ_WRITE,
    WRITE_ONLY,
    DirectoryFile,
    File,
    Opening,
    RegularFile,
)
from cells.personalities.linux.inode import FIFO, LINK, SOCKET, Inode, Regular
from cells.personalities.linux.pipe import PipeFile, fifo_ring


def open_inode(process: Any, inode: Inode, flags: int) -> File:
    """An open file that nobody uses yet.

    Raises:
        Errno: ENXIO, ELOOP, or what the kind says.
        Opening: a FIFO whose other end nobody has yet.
    """
    if flags & PATH_ONLY:
        return File(inode, flags)
    made = getattr(inode, "open", None)
    if made is not None:
        file: File = made(process, flags)
        return file
    if isinstance(inode, Regular):
        return RegularFile(inode, flags)
    if isinstance(inode, Directory):
        return DirectoryFile(inode, flags)
    if inode.kind == FIFO:
        return _open_fifo(inode, flags)
    if inode.kind in (LINK, SOCKET):
        raise Errno(ELOOP if inode.kind == LINK else ENXIO)
    return open_device(process.kernel, process, inode, flags)


class OpeningFifo(Opening):
    """Open goes on when another end comes."""

    file: PipeFile

    def __init__(self, file: PipeFile, seen: int) -> None:
        super().__init__(file, file.ring.queue)
        self.seen = seen

    @property
    def ready(self) -> bool:
        """Somebody has opened the other end, and may have gone again."""
        ring = self.file.ring
        return ring.opened > self.seen and bool(ring.readers if self.file.writable else ring.writers or ring.data)


def _open_fifo(inode: Inode, flags: int) -> File:
    ring = fifo_ring(inode)
    access = flags & READ_WRITE | flags & WRITE_ONLY
    if access == WRITE_ONLY and flags & NONBLOCK and not ring.readers:
        raise Errno(ENXIO)
    file = PipeFile(ring, inode, flags)
    if flags & NONBLOCK or ring.nameless or (ring.readers and ring.writers):
        return file
    raise OpeningFifo(file, ring.opened)
