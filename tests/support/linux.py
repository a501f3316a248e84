"""A Linux-like personality in the test's own process: no cell, no monitor; time that nobody else needs.

bench = LinuxBench(cpio, ["/bin/echo", "hello"])
assert bench.run() == 0
assert bench.output == b"hello\r\n"
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from cells.personalities.linux.kernel import Kernel
from cells.personalities.linux.spec import LinuxSpec
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.pv import TableFormat
from hypervisor.abi.records import Event, EventKind, ExitKind
from hypervisor.abi.time import NEVER
from tests.support.arm import ONE, assemble

HZ = 10**8
START = 0x10054
"""Where `program` begins: behind its headers."""
CPUS = {
    "v5te": ("926", TableFormat.LEGACY),
    "v6k": ("1176", TableFormat.LEGACY),
    "v7a": ("CORTEX_A8", TableFormat.MODERN),
}


class Over(Exception):  # noqa: N818  it is none
    """The cell has ended."""


class World:
    """A lockstep without a monitor: every budget is granted, typed input comes at the times that are given."""

    def __init__(self, typed: Sequence[tuple[int, bytes]] = (), end: int = NEVER) -> None:
        self.start, self.end, self.horizon = 0, end, 0
        self.faults: tuple[object, ...] = ()
        self.answer = b""
        self.output = bytearray()
        self.status: int | None = None
        self.exits: list[int] = []
        self.reports: list[bytes] = []
        """Names of figures for the account."""
        self.picture = b""
        """The last that a program took of its screen."""
        self.on_call: dict[int, Callable[[], object]] = {}
        """What other hypercalls do here."""
        self.enough = 0
        """Bytes of a picture with which the test has seen what it wants."""
        self.events = [Event(time, EventKind.CONSOLE, text) for time, text in typed]

    def exit(self, kind: int, time: int, cycles: int, deadline: int, arguments: tuple[int, ...], *rest: object) -> int:
        """What the monitor hears."""
        output = rest[1]
        assert isinstance(output, bytes)
        self.output += output
        self.exits.append(kind)
        self.start = time
        if kind == ExitKind.HYPERCALL and arguments[0] == Hypercall.REPORT:
            data = rest[2]
            assert isinstance(data, bytes)
            self.reports.append(data)
        elif kind == ExitKind.HYPERCALL and arguments[0] == Hypercall.PICTURE:
            data = rest[2]
            assert isinstance(data, bytes)
            self.picture = self.picture[: arguments[2]] + data
            if len(self.picture) == self.enough:
                raise Over
        elif kind == ExitKind.HYPERCALL and arguments[0] in self.on_call:
            self.on_call[arguments[0]]()
        elif kind == ExitKind.HYPERCALL:
            assert arguments[0] == Hypercall.SHUTDOWN
            self.status = arguments[1]
            raise Over
        if kind == ExitKind.BUDGET:
            raise Over
        if kind == ExitKind.WAIT:
            until = min(deadline, self.next_event(), self.end)
            if until >= NEVER:
                raise Over  # it would wait for ever
            self.start = max(time, until)
        return 0

    def due(self, now: int) -> list[Event]:
        """What was typed up to now."""
        due = [event for event in self.events if event.time <= now]
        del self.events[: len(due)]
        return due

    def next_event(self) -> int:
        """When something is typed next."""
        return self.events[0].time if self.events else NEVER


class LinuxBench:
    """A kernel with its root. `typed`: (cycles, bytes) at the console."""

    def __init__(
        self,
        root: bytes,
        program: Sequence[str],
        *,
        architecture: str = "v5te",
        ram: int = 32 << 20,
        environment: Sequence[str] = ("HOME=/", "PATH=/bin", "TERM=linux"),
        typed: Sequence[tuple[int, bytes]] = (),
        redirection: Mapping[str, int] | None = None,
        end: int = 1000 * HZ,
        base: int = 0x8000_0000,
        boot: Mapping[str, Any] | None = None,
        pipes: tuple[str, ...] = (),
    ) -> None:
        model, layout = CPUS[architecture]
        self.ram = mmap.mmap(-1, ram)
        spec = LinuxSpec(
            name="linux",
            hz=HZ,
            ram_base=base,
            ram_size=ram,
            root_size=len(root),
            unicorn_model=model,
            architecture=architecture,
            layout=layout,
            cycles=ONE,
            code_buffer=32 << 20,
            program=tuple(program),
            environment=tuple(environment),
            redirection=redirection or {},
            boot=boot or {},
            pipes=pipes,
        )
        self.kernel = Kernel(spec, self.ram, root)
        self.world = World(typed, end)

    def run(self) -> int | None:
        """Run to its end: the status that the cell ends with; None if it waits for ever, or its time is over."""
        with suppress(Over):
            self.kernel.run(self.world)  # type: ignore[arg-type]
        return self.world.status

    @property
    def output(self) -> bytes:
        """What it has printed."""
        return bytes(self.world.output)


def program(source: str, *, thumb: bool = False) -> bytes:
    """A static program from assembler: one segment at 0x10000 that can be read, written and executed, with 4 KiB of zeroes."""
    code = assemble(source, START, thumb=thumb)
    head = (b"\x7fELF", 1, 1, 1, 0, 0, 2, 40, 1, START | thumb, 52, 0, 0x500_0000, 52, 32, 1, 0, 0, 0)
    size = START - 0x10000 + len(code)
    segment = (1, 0, 0x10000, 0x10000, size, size + 4096, 7, 4096)
    return struct.pack("<4s5B7x2H5I6H", *head) + struct.pack("<8I", *segment) + code


def archive(files: Mapping[str, bytes]) -> bytes:
    """A newc cpio of programs, and the directories that they lie in. Names as "bin/one"."""
    folders = sorted({"dev", "proc", "tmp", *(name.rpartition("/")[0] for name in files)} - {""})
    entries = [(name, 0o40755, b"") for name in folders] + [(name, 0o100755, data) for name, data in files.items()]
    return b"".join(_entry(i, *entry) for i, entry in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1))


def _entry(number: int, name: str, mode: int, data: bytes) -> bytes:
    text = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(text), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + text
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)
