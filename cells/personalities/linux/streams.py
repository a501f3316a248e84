"""The standard streams of the first process: the terminal, or, where the cell's table says so (`pipes`), pipes.

    process.files = kernel.streams.files()
    kernel.streams.typed(b"data")           # from outside: to the reader of the pipe, if standard input is one
    kernel.streams.ended()                  # nothing more will come

Theory: what comes on a pipe comes when a program waits for it (the hypercall INPUT), so that it is the same in every run,
whenever the host has it. What is written goes to the cell's console as it is; the console has all three streams in one.
"""

from __future__ import annotations

from typing import Any

from cells.personalities.arm.errno import ENOMEM, Errno
from cells.personalities.arm.wait import Queue
from cells.personalities.linux.file import READ_ONLY, READ_WRITE, WRITABLE, WRITE_ONLY, File, WouldBlock
from cells.personalities.linux.file_table import FileTable
from cells.personalities.linux.inode import FIFO, Inode
from cells.personalities.linux.pipe import PipeFile, Ring
from cells.personalities.linux.spec import STREAMS
from cells.personalities.linux.tty import PRINT_BYTE, PRINTED

WAITING = 1 << 20
"""Bytes that wait for a program which does not read them; what is more is lost."""


class Streams:
    """What comes from outside, on its way to a program."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._writer: PipeFile | None = None
        self._reader: Incoming | None = None
        self._asked = False
        if "stdin" in kernel.spec.pipes:
            inode = Inode(kernel.vfs, FIFO | 0o600)
            ring = inode.data = Ring(kernel.vfs.held, WAITING)
            ring.nameless = True
            self._writer = PipeFile(ring, inode, WRITE_ONLY)
            self._reader = Incoming(inode)

    def typed(self, data: bytes) -> None:
        """Bytes came in."""
        self._asked = False
        if self._reader is None:
            self._kernel.console.typed(data)
        elif self._writer is not None and self._reader.ring.readers:
            self._keep(self._reader.ring, data)

    def _keep(self, ring: Any, data: bytes) -> None:
        part = data[: ring.room]
        try:
            self._kernel.vfs.held.take(len(part), ENOMEM)
        except Errno:
            self._kernel.log(f"standard input: {len(data)} bytes are lost, nobody reads them")
            return
        ring.data += part
        ring.changed()

    @property
    def wanted(self) -> bool:
        """A program waits for more, which was not said yet."""
        waits = self._writer is not None and self._reader is not None and self._reader.waits
        return bool(waits and not self._asked)

    def asked(self) -> None:
        """It was said."""
        self._asked = True

    def ended(self) -> None:
        """Nothing more will come: whoever reads the pipe finds its end."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def files(self) -> FileTable:
        """The descriptors of the first process."""
        kernel = self._kernel
        table = FileTable(kernel.vfs.open_files)
        terminal = kernel.console.open(READ_WRITE)
        outgoing = Outgoing(kernel, Inode(kernel.vfs, FIFO | 0o600))
        for descriptor, name in enumerate(STREAMS):
            piped = name in kernel.spec.pipes
            table.put(descriptor, (outgoing if descriptor else self._reader or terminal) if piped else terminal)
        return table


class Incoming(PipeFile):
    """The reading end of standard input."""

    def __init__(self, inode: Inode) -> None:
        super().__init__(inode.data, inode, READ_ONLY)
        self.waits = False
        """Somebody has looked, and there was nothing."""
        self.name = b"pipe:[%d]" % inode.inode_number

    def read(self, process: Any, size: int) -> bytes:
        """What there is, up to that size."""
        self.waits = not self.ring.data and size > 0
        return super().read(process, size)

    def poll(self) -> int:
        """What it is ready for."""
        self.waits = self.waits or not self.ring.data
        return super().poll()


class Outgoing(File):
    """A pipe whose other end is the cell's console."""

    def __init__(self, kernel: Any, inode: Inode) -> None:
        super().__init__(inode, WRITE_ONLY)
        self._kernel = kernel
        self.name = b"pipe:[%d]" % inode.inode_number

    def write(self, process: Any, data: bytes) -> int:
        """How many bytes went: what one exit carries goes before more is taken."""
        if self._kernel.crowded:
            raise WouldBlock(*self.queues())
        data = data[:PRINTED]
        self._kernel.output(data)
        self._kernel.copied(PRINT_BYTE * len(data))
        return len(data)

    def poll(self) -> int:
        """What it is ready for."""
        return 0 if self._kernel.crowded else WRITABLE

    def queues(self) -> tuple[Queue, ...]:
        """Which are woken when that changes."""
        return (self._kernel.console.writers,)
