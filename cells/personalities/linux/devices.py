"""Devices by their numbers, and /dev.

    make_devices(vfs, kernel)
    file = open_device(kernel, process, inode, flags)

Numbers: kernel documentation, "devices.txt". Random bytes are the kernel's deterministic ones: the same run draws the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cells.personalities.arm.errno import ENOSPC, ENXIO, Errno
from cells.personalities.linux.attached.device import Device
from cells.personalities.linux.directory import Directory
from cells.personalities.linux.file import NO_TERMINAL, File
from cells.personalities.linux.initramfs import device_number
from cells.personalities.linux.inode import CHARACTER, Inode, Link
from cells.personalities.linux.pseudo import Listed
from cells.personalities.linux.pty import MAJOR as PTY_MAJOR
from cells.personalities.linux.pty import Pty, PtyFile, Ptys, terminal_of
from cells.personalities.linux.vfs import Vfs


class Null(File):
    """Takes all, gives nothing. Seeking in it goes nowhere, and succeeds."""

    def read(self, process: Any, size: int) -> bytes:
        """What there is, up to that size."""
        return b""

    def write(self, process: Any, data: bytes) -> int:
        """How many bytes went."""
        return len(data)

    def read_at(self, process: Any, offset: int, size: int) -> bytes:
        """From a place."""
        return self.read(process, size)

    def write_at(self, process: Any, offset: int, data: bytes) -> int:
        """To a place."""
        return self.write(process, data)

    def seek(self, to: int, whence: int) -> int:
        """The new offset."""
        return 0


class Zero(Null):
    """Gives zeroes without end."""

    def read(self, process: Any, size: int) -> bytes:
        """What there is, up to that size."""
        return bytes(size)


class Full(Zero):
    """A disk on which there is no room."""

    def write(self, process: Any, data: bytes) -> int:
        """How many bytes went."""
        raise Errno(ENOSPC)


class Random(Null):
    """Gives bytes that look random."""

    def read(self, process: Any, size: int) -> bytes:
        """What there is, up to that size."""
        drawn: bytes = process.kernel.random(size)
        return drawn


def _console(kernel: Any, process: Any, inode: Inode, flags: int) -> File:
    terminal = kernel.console
    leads = process.session == process.leader and not terminal.session
    if leads and not flags & NO_TERMINAL:
        terminal.acquire(process)
    file: File = terminal.open(flags, inode)
    return file


def _own_terminal(kernel: Any, process: Any, inode: Inode, flags: int) -> File:
    """/dev/tty: the terminal of the process's session."""
    terminal = terminal_of(kernel, process.session)
    if terminal is None:
        raise Errno(ENXIO)
    file: File = PtyFile(terminal, flags) if isinstance(terminal, Pty) else terminal.open(flags, inode)
    file.name = b"/dev/tty"
    return file


def _multiplexer(kernel: Any, process: Any, inode: Inode, flags: int) -> File:
    master: File = kernel.ptys.open(process, inode, flags)
    return master


def _plain(kind: type[File]) -> Callable[..., File]:
    return lambda _kernel, _process, inode, flags: kind(inode, flags)


CHARACTER_DEVICES: dict[int, tuple[bytes, int, Callable[..., File]]] = {
    device_number(1, 3): (b"null", 0o666, _plain(Null)),
    device_number(1, 5): (b"zero", 0o666, _plain(Zero)),
    device_number(1, 7): (b"full", 0o666, _plain(Full)),
    device_number(1, 8): (b"random", 0o666, _plain(Random)),
    device_number(1, 9): (b"urandom", 0o666, _plain(Random)),
    device_number(5, 0): (b"tty", 0o666, _own_terminal),
    device_number(5, 1): (b"console", 0o600, _console),
    device_number(5, 2): (b"ptmx", 0o666, _multiplexer),
}
"""Number -> name in /dev, mode, how it is opened."""
LINKS = {b"fd": b"/proc/self/fd", b"stdin": b"fd/0", b"stdout": b"fd/1", b"stderr": b"fd/2"}


def open_device(kernel: Any, process: Any, inode: Inode, flags: int) -> File:
    """An open file of a character device.

    Raises:
        Errno: ENXIO, this machine has no such device.
    """
    attached: File | None = kernel.attached.open(process, inode, flags)
    if attached is not None:
        return attached
    if inode.kind == CHARACTER and inode.device >> 8 == PTY_MAJOR:
        terminal: File = kernel.ptys.open_terminal(process, inode.device & 0xFF, flags)
        return terminal
    known = CHARACTER_DEVICES.get(inode.device) if inode.kind == CHARACTER else None
    if known is None:
        raise Errno(ENXIO)
    file = known[2](kernel, process, inode, flags)
    file.name = file.name or b"/dev/" + known[0]
    return file


def make_devices(vfs: Vfs, kernel: Any) -> None:
    """Fill /dev with what the archive left out."""
    directory = vfs.root.find(b"dev")
    if not isinstance(directory, Directory):
        directory = Directory(vfs, 0o755)
        vfs.root.add(b"dev", directory)
    for number, (name, mode, _) in CHARACTER_DEVICES.items():
        if directory.find(name) is None:
            directory.add(name, Inode(vfs, CHARACTER | mode, number))
    for device in kernel.attached.devices.values():
        _folder(vfs, directory, device.path).add(device.path.rpartition(b"/")[2], _node(vfs, device))
    if directory.find(b"shm") is None:
        directory.add(b"shm", Directory(vfs, 0o1777))
    kernel.ptys = Ptys(kernel)
    if b"pts" in directory.entries:
        directory.remove(b"pts")
    directory.add(b"pts", Listed(vfs, directory, kernel.ptys.find, kernel.ptys.names))
    for name, target in LINKS.items():
        if directory.find(name) is None:
            directory.add(name, Link(vfs, target))
    kernel.console.inode = directory.find(b"console")


def _node(vfs: Vfs, device: Device) -> Inode:
    return Inode(vfs, device.kind | 0o666, device.number)


def _folder(vfs: Vfs, directory: Directory, path: bytes) -> Directory:
    """Where a device's node goes, in or below /dev."""
    for name in path.split(b"/")[:-1]:
        below = directory.find(name)
        if not isinstance(below, Directory):
            below = Directory(vfs, 0o755)
            directory.add(name, below)
        directory = below
    return directory
