"""A Python guest's port: the only way in which a guest program touches its world, and the only way in which its time passes.

```python
def main(port, *args):
    for i in range(10):
        port.work(50_000)              # cycles of computing
        port.print(f"step {i} at {port.now} cycles")
        port.sleep_until(port.now + port.cycles("1ms"))
```

Each call costs the cycles in `COSTS`; a loop that never calls is a hang, which the backstop ends.
"""

from __future__ import annotations

import contextlib
import random
import struct
from collections.abc import Callable, Mapping
from typing import Any

from cells.device_memory import NO_DEVICE_MEMORY, DeviceMemory
from cells.disks import NO_DISKS, Disk
from cells.faults import CellFaults, take_faults
from cells.flavours import Connections, connect
from cells.lockstep import Lockstep
from cells.memory import CellMemory
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.records import DATA_LIMIT, OUTPUT_LIMIT, Event, EventKind, ExitKind
from hypervisor.abi.status import from_word
from hypervisor.abi.streams import NEWS
from hypervisor.abi.time import NEVER, parse_time

FLASH_PS = 31_250
"""Picoseconds of a 16-bit word of flash: 75 ns for the first of eight, 25 for the others (J3 in 65 nm, datasheet, features)."""

COSTS = {"print": 500, "print_byte": 20, "now": 10, "hypercall": 50, "take": 20, "random": 50}
"""Cycles of a port call: what a small C guest of the same kind would spend. Assumed, of the order of its instructions."""


class RefusedError(Exception):
    """The monitor refused a call; `status` says why (hypervisor/abi/status.py)."""

    def __init__(self, call: str, status: int) -> None:
        super().__init__(f"{call}: status {status}")
        self.status = status


class Port:
    """The guest's end. `name`: the cell's name; `random`: seeded from the topology's seed and the cell's name."""

    def __init__(
        self,
        world: Lockstep,
        *,
        name: str,
        hz: int,
        seed: int,
        boot: Mapping[str, Any] | None = None,
        memory: CellMemory | None = None,
        devices: DeviceMemory = NO_DEVICE_MEMORY,
        disks: Mapping[str, Disk] = NO_DISKS,
    ) -> None:
        self.name = name
        self.hz = hz
        self.random = random.Random(f"{seed}/{name}")
        self._world = world
        self._time = world.start
        self._ran = 0
        self._output = bytearray()
        self._typed = bytearray()
        self._lines: list[tuple[int, int]] = []
        self.boot: Mapping[str, Any] = boot or {}
        """What this cell was told of its connections (`Mechanism.boot_info`)."""
        self._early_rings: dict[int, int] = {}
        self._early_peers: dict[int, int] = {}
        self.on_notify: Callable[[int, int], None] = self._keep_ring
        self.on_peer: Callable[[int, int], None] = self._early_peers.__setitem__
        """Whose business notifications (source, bits) and the comings and goings of partners (source, there) are; what comes
        before there are `connections` is kept for them."""
        self.on_terminal: Callable[[Event], object] = bool
        """What is done when the window of who sits at the console changes, or who typed has gone; nothing, mostly."""
        self.on_stream: Callable[[int, int, bytes], object] = _nothing
        """Whose business news of streams to the host are: which, what (`News`), and data."""
        self.await_line: Callable[[int], object] = self._wait
        """How `wait_irq` sleeps until a time or an interrupt: a flavour may have another way."""
        self.faults: CellFaults | None = None
        """Injected faults that wait at points of this cell; None while there are none."""
        self._connections: Connections | None = None
        self._memory = memory
        self._devices = devices
        self.disks = disks
        """Files of the host that are disks of this cell's."""

    # ---- time

    @property
    def now(self) -> int:
        """Virtual time in cycles."""
        self.work(COSTS["now"])
        return self._time

    def cycles(self, text: str) -> int:
        """Cycles in a time like "10ms"."""
        return parse_time(text, self.hz)

    def work(self, cycles: int) -> None:
        """Compute for so many cycles; others may run in between."""
        if cycles < 0:
            raise ValueError(f"cannot work {cycles} cycles")
        while cycles > (room := self._world.end - self._time):
            step = max(room, 0)
            self._time += step
            self._ran += step
            cycles -= step
            if not cycles:
                return
            self._exit(ExitKind.BUDGET)
        self._time += cycles
        self._ran += cycles

    def sleep_until(self, time: int) -> None:
        """Wait until `time`, whatever happens meanwhile."""
        while self._time < time:
            self._wait(time)

    def sleep(self, text: str) -> None:
        """Wait for a time like "10ms"."""
        self.sleep_until(self._time + self.cycles(text))

    # ---- console

    def print(self, *words: object) -> None:
        """Write a line to the console."""
        self.write((" ".join(str(word) for word in words) + "\n").encode())

    def write(self, data: bytes) -> None:
        """Write bytes to the console."""
        self.work(COSTS["print"] + COSTS["print_byte"] * len(data))
        self._output += data
        while len(self._output) >= OUTPUT_LIMIT:
            self._exit(ExitKind.OUTPUT)

    def read(self) -> bytes:
        """What was typed since the last call; empty if nothing."""
        self.work(COSTS["take"])
        self._take()
        typed = bytes(self._typed)
        self._typed.clear()
        return typed

    def read_line(self) -> bytes:
        """Wait for a typed line; returned with its end."""
        while not self._typed.endswith((b"\n", b"\r")):
            self._wait(NEVER)
        return self.read()

    # ---- the monitor

    def hypercall(self, number: int, *arguments: int, data: bytes = b"") -> int:
        """Call the monitor.

        Raises:
            RefusedError: it said no.
        """
        self.work(COSTS["hypercall"])
        return self._call(number, arguments, data)

    def _call(self, number: int, arguments: tuple[int, ...], data: bytes) -> int:
        a1, a2, a3 = (*arguments, 0, 0, 0)[:3]
        result = from_word(self._exit(_HYPERCALL, (number, a1 & _WORD, a2 & _WORD, a3 & _WORD), data=data))
        if result < 0:
            raise RefusedError(f"hypercall {number}", result)
        return result

    def call(self, number: int, *arguments: int, data: bytes = b"") -> tuple[int, bytes]:
        """Call the monitor: the result, and the bytes that came with it.

        Raises:
            RefusedError: it said no.
        """
        result = self.hypercall(number, *arguments, data=data)
        return result, self._world.answer

    def call_if_quiet(self, number: int, *arguments: int, data: bytes = b"") -> tuple[int, bytes] | None:
        """As `call`, unless something has happened since the last look: then that is handed on instead, and None returned.

        Nothing comes between the look and the call: one that waits in the monitor does not sleep over what is here already.

        Raises:
            RefusedError: it said no.
        """
        self.work(COSTS["hypercall"])
        if self._take():
            return None
        return self._call(number, arguments, data), self._world.answer

    def wait(self, until: int = NEVER) -> None:
        """Sleep until anything happens to this cell, or `until`; notifications have been handed on when this returns.

        What happened since the last call counts, so that `while not done(): port.wait()` misses nothing.
        """
        if not self._take():
            self._wait(until)

    def heartbeat(self) -> None:
        """Say that this cell is alive; due in each `heartbeat` of the topology."""
        self.hypercall(Hypercall.HEARTBEAT)

    def report(self, name: str, value: int) -> None:
        """Put a figure into the run's account."""
        self.hypercall(Hypercall.REPORT, 0, value, data=name.encode())

    def yield_(self) -> None:
        """Give up the rest of the slice."""
        self.hypercall(Hypercall.YIELD)

    def shut_down(self, status: int = 0) -> None:
        """End this cell; does not return."""
        self._exit(ExitKind.SHUTDOWN, (status & 0xFFFFFFFF, 0, 0, 0))

    @property
    def connections(self) -> Connections:
        """The cell's channels, links and shared memory (`cells.flavours`)."""
        if self._connections is None:
            self._connections = connect(self)
            self._hand_on_early()
        return self._connections

    def _keep_ring(self, source: int, bits: int) -> None:
        self._early_rings[source] = self._early_rings.get(source, 0) | bits

    def _hand_on_early(self) -> None:
        """What happened before anybody wanted to know."""
        for source, there in self._early_peers.items():
            self.on_peer(source, there)
        for source, bits in self._early_rings.items():
            self.on_notify(source, bits)

    @property
    def has_memory(self) -> bool:
        """Whether there is any to share."""
        return self._memory is not None

    @property
    def memory(self) -> CellMemory:
        """Its own memory, and pages that others share with it.

        Raises:
            RuntimeError: it has none: it is connected to nobody, or runs on another host.
        """
        if self._memory is None:
            raise RuntimeError("this cell has no memory to share: it is connected to nobody, or runs on another host")
        return self._memory

    # ---- interrupts and devices

    def wait_irq(self, until: int = NEVER) -> int | None:
        """Wait for a physical interrupt of a device that this cell owns; its line, acknowledged, or None at `until`."""
        if self.boot:
            _ = self.connections
        while True:
            self._take()
            while self._lines:
                _, level = self._lines.pop(0)
                if level:
                    with contextlib.suppress(RefusedError):  # masked, or gone again
                        return self.hypercall(Hypercall.IRQ_ACK)
            if self._time >= until:
                return None
            self.await_line(until)

    def line_came_up(self, line: int) -> None:
        """A flavour in which interrupts are messages has got one: `wait_irq` finds it."""
        self._lines.append((line, 1))

    def end_irq(self, line: int) -> None:
        """The interrupt is dealt with."""
        self.hypercall(Hypercall.IRQ_EOI, line)

    def load(self, address: int, size: int = 4) -> int:
        """Read a register of a physical device that this cell owns."""
        self.work(COSTS["hypercall"])
        answer = self._exit(ExitKind.READ, (address, size, 0, 0))
        self._devices.heed(address, answer)
        return answer & 0xFFFFFFFF

    def load_bytes(self, address: int, length: int) -> bytes:
        """Read the content of a device: as memory if it allows that now, else word by word. Requires: whole words."""
        found = self._devices.read(address, length)
        if found is None:
            return b"".join([self.load(at).to_bytes(4, "little") for at in range(address, address + length, 4)])
        self.work(length // 2 * FLASH_PS * self.hz // 10**12)
        return found

    def store(self, address: int, value: int, size: int = 4) -> None:
        """Write a register of a physical device that this cell owns."""
        self.work(COSTS["hypercall"])
        self._devices.heed(address, self._exit(ExitKind.WRITE, (address, size, value & _WORD, 0)))

    def store_bytes(self, address: int, data: bytes, size: int = 4) -> None:
        """Write registers that lie one after another, `size` bytes each, as store-multiple does. Requires: whole registers."""
        for start in range(0, len(data), DATA_LIMIT):
            part = data[start : start + DATA_LIMIT]
            self.work(COSTS["hypercall"])
            self._devices.heed(address, self._exit(ExitKind.WRITE, (address + start, size, 0, 0), data=part))

    # ---- the world switch

    def fault(self, text: str) -> None:
        """The runtime's last exit: the program broke off."""
        self._exit(ExitKind.FAULT, (1, 0, 0, 0), data=text.encode()[:512])

    def _wait(self, until: int) -> None:
        """Sleep until `until` or an event, whichever is first."""
        self._take()
        wake = min(until, self._world.next_event())
        if wake <= self._time:
            return
        if wake <= self._world.horizon:
            self._time = wake
        else:
            self._exit(ExitKind.WAIT, deadline=wake)
        self._take()

    def _take(self) -> bool:
        due = self._world.due(self._time)
        for event in due:
            if event.kind == EventKind.CONSOLE:
                self._typed += event.payload
            elif event.kind == EventKind.LINE:
                self._lines.append(struct.unpack("<IB", event.payload))
            elif event.kind == EventKind.NOTIFY:
                self.on_notify(*struct.unpack("<IQ", event.payload))
            elif event.kind in (EventKind.WINDOW, EventKind.END):
                self.on_terminal(event)
            elif event.kind == EventKind.STREAM:
                stream, what = NEWS.unpack_from(event.payload)
                self.on_stream(stream, what, event.payload[NEWS.size :])
            elif event.kind == EventKind.PEER:
                self.on_peer(*struct.unpack("<IB", event.payload))
        return bool(due)

    def _exit(
        self, kind: int, arguments: tuple[int, int, int, int] = (0, 0, 0, 0), deadline: int = NEVER, data: bytes = b""
    ) -> int:
        output = b""
        if self._output:
            output = bytes(self._output[:OUTPUT_LIMIT])
            del self._output[:OUTPUT_LIMIT]
        world = self._world
        value = world.exit(kind, self._time, self._ran, deadline, arguments, output=output, data=data)
        self._time = world.start
        if world.faults:
            take_faults(self, world.faults)
        return value


def _nothing(_stream: int, _what: int, _data: bytes) -> None:
    """Nobody has asked for a stream."""


_WORD = (1 << 64) - 1
_HYPERCALL = int(ExitKind.HYPERCALL)
