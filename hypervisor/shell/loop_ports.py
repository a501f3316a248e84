"""What the loop needs of the host: a process for each cell, shared pages, streams; and what goes wrong there."""

from __future__ import annotations

from typing import Protocol

from hypervisor.abi.records import Exit, Resume
from hypervisor.core import effects as do
from hypervisor.core.handover import GuestMemory
from hypervisor.shell.inputs import Input


class HostTrouble(Exception):  # noqa: N818  becomes an event, and the cell's policy decides
    """The host side of a cell failed: it died, hung, or broke the protocol. The text is what the trace says."""


class NoRoom(HostTrouble):
    """The host refuses what a cell needs to start. At the launch that ends the run: there is something for the user to do."""


class Host(Protocol):
    """A cell's host side (hypervisor/shell/cellhost.py), local or remote. `starved`: its next start finds no descriptors."""

    starved: bool

    def start(self) -> None:
        """Make the process."""
        ...

    def await_hello(self) -> None:
        """Wait until it is ready."""
        ...

    def end(self, *, keep: bool) -> None:
        """End it."""
        ...

    def resume(self, record: Resume) -> None:
        """Let it run."""
        ...

    def wait(self) -> Exit:
        """Its exit."""
        ...

    def ended(self) -> bool:
        """True once it has ended by itself."""
        ...

    def how_it_ended(self) -> str:
        """Why, in the words of the trace."""
        ...


class HostMemory(GuestMemory, Protocol):
    """Where shared pages are on the host (hypervisor/shell/memory.py).

    `trouble`: cells that could not be given theirs, and why.
    """

    trouble: dict[int, str]

    def forget(self, cell: int, *, keep: bool) -> None:
        """The cell's process is gone."""
        ...


class Streams(Protocol):
    """The host's side of streams (hypervisor/shell/streams.py)."""

    def use(self, cell: str, effect: do.UseStream) -> None:
        """Do something with one."""
        ...

    def wait(self) -> list[Input]:
        """What comes of any of them, which may take a while, or not come."""
        ...
