"""The registers of a virtio device: transport "mmio", version 2 (Virtual I/O Device, OASIS, version 1.2, 4.2).

Theory: a driver finds out what a device is and offers, says what it takes of that, places its queues and sets DRIVER_OK; from
then on it rings QueueNotify, and the device interrupts. Here the registers are those of a device that does not exist: each
access is a trap, `Host.trap`, and each interrupt a virtual one, `Host.interrupt`; what they cost is the monitor's business.

A driver that breaks a rule gets DEVICE_NEEDS_RESET and a configuration interrupt (2.1.2); until it writes 0 to Status, the
device looks at nothing of its memory. A register that is written when it must not be keeps what it had.

| offset | register | offset | register |
|---|---|---|---|
| 000 | magic, version 2, device, vendor | 050 | queue notify |
| 010, 014 | device features, their selector | 060, 064 | interrupt status, acknowledge |
| 020, 024 | driver features, their selector | 070 | status |
| 030, 034 | queue selector, most descriptors | 080, 090, 0a0 | descriptors, available, used: low, high |
| 038, 044 | queue size, ready | 0fc, 100.. | generation, configuration |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from cells.machine.virtio.function import Function
from cells.machine.virtio.queue import Queue
from cells.machine.virtio.ram import DriverError, GuestRam
from devices.device import State
from devices.registers import Reg, RegisterBank, array, constant, ignore

MAGIC, VERSION, VENDOR = 0x7472_6976, 2, 0x4C4C_4543
"""\"virt\"; the interface of version 1 of the standard; \"CELL\"."""
ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK, NEEDS_RESET, FAILED = 1, 2, 4, 8, 64, 128
"""Bits of Status (2.1)."""
VERSION_1 = 1 << 32
"""The feature that every driver of the standard has to take (6)."""
QUEUE_IRQ, CONFIG_IRQ = 1, 2
"""Bits of InterruptStatus."""
CONFIG, CONFIG_WORDS = 0x100, 64
_WORD = 0xFFFF_FFFF


class Host(Protocol):
    """What a device needs of its cell."""

    def trap(self, offset: int, size: int, value: int | None) -> None:
        """The guest has loaded from, or stored `value` into, a register: the monitor hears of it before it has an effect."""
        ...

    def interrupt(self) -> None:
        """The device's virtual interrupt is raised: the monitor hears of it."""
        ...

    def now(self) -> int:
        """Virtual time in cycles."""
        ...

    def kick(self) -> None:
        """A deadline may have come nearer."""
        ...


@dataclass
class MmioState(State):
    """What a driver has written. A list for each pair of words."""

    status: int = 0
    interrupts: int = 0
    generation: int = 0
    feature_word: int = 0
    driver_word: int = 0
    accepted: list[int] = field(default_factory=lambda: [0, 0])
    selected: int = 0


class TrappedBank(RegisterBank):
    """Registers each access to which is a trap first."""

    def __init__(self, registers: Iterator[Reg], host: Host) -> None:
        super().__init__(registers)
        self._host = host

    def read(self, offset: int, size: int) -> int:
        """See `RegisterBank`."""
        self._host.trap(offset, size, None)
        return super().read(offset, size)

    def write(self, offset: int, size: int, value: int) -> None:
        """See `RegisterBank`."""
        self._host.trap(offset, size, value)
        super().write(offset, size, value)


class Mmio:
    """One device behind its registers. `line` drives its input of the cell's interrupt controller."""

    def __init__(
        self, make: Callable[[Mmio], Function], ram: GuestRam, host: Host, line: Callable[[bool], None]
    ) -> None:
        self.state = MmioState()
        self.ram = ram
        self.troubles: list[str] = []
        """Why it needed a reset, each reason once."""
        self._host, self._line, self._level = host, line, False
        self.function = make(self)
        self.queues = [Queue(ram, most) for most in self.function.queues]
        self.registers = TrappedBank(self._registers(), host)

    def _registers(self) -> Iterator[Reg]:
        s = self.state
        for name, offset, value in (("MAGIC", 0, MAGIC), ("VERSION", 4, VERSION), ("VENDOR", 0xC, VENDOR)):
            yield constant(name, offset, value)
        yield constant("DEVICE", 8, self.function.ident)
        yield Reg("FEATURES", 0x10, self._features)
        yield Reg("FEATURES_SEL", 0x14, None, partial(setattr, s, "feature_word"))
        yield Reg("DRIVER", 0x20, None, self._accept)
        yield Reg("DRIVER_SEL", 0x24, None, partial(setattr, s, "driver_word"))
        yield Reg("QUEUE_SEL", 0x30, None, partial(setattr, s, "selected"))
        yield Reg("QUEUE_MOST", 0x34, lambda: queue.most if (queue := self._queue()) else 0)
        yield Reg("QUEUE_SIZE", 0x38, None, self._resize)
        yield Reg("QUEUE_READY", 0x44, lambda: int(bool((queue := self._queue()) and queue.ready)), self._start)
        yield Reg("NOTIFY", 0x50, None, self._notify)
        yield Reg("INTERRUPTS", 0x60, lambda: s.interrupts)
        yield Reg("ACK", 0x64, None, self._acknowledge)
        yield Reg("STATUS", 0x70, lambda: s.status, self._set_status)
        for area, name in enumerate(("TABLE", "AVAILABLE", "USED")):
            yield Reg(f"{name}_LOW", 0x80 + 0x10 * area, None, partial(self._move, area, 0))
            yield Reg(f"{name}_HIGH", 0x84 + 0x10 * area, None, partial(self._move, area, 32))
        yield Reg("SHM_SEL", 0xAC, None, ignore)
        yield from array("SHM", 0xB0, 4, lambda _word: _WORD)  # no shared memory (4.2.2.1)
        yield Reg("GENERATION", 0xFC, lambda: s.generation)
        yield from array("CONFIG", CONFIG, CONFIG_WORDS, self._config, self._configure, lanes=True)

    # ---- for functions

    def working(self) -> bool:
        """The driver is ready, and has broken no rule."""
        return self.state.status & (DRIVER_OK | NEEDS_RESET | FAILED) == DRIVER_OK

    def has(self, feature: int) -> bool:
        """The driver takes a feature."""
        low, high = self.state.accepted
        return bool((high << 32 | low) & feature)

    def interrupt(self, why: int = QUEUE_IRQ) -> None:
        """Tell the driver: buffers are used, or the configuration is another."""
        self.state.interrupts |= why
        self._drive()

    def now(self) -> int:
        """Virtual time in cycles."""
        return self._host.now()

    def kick(self) -> None:
        """The deadline may have come nearer."""
        self._host.kick()

    def changed(self) -> None:
        """The configuration is another."""
        self.state.generation = self.state.generation + 1 & _WORD
        if self.working():
            self.interrupt(CONFIG_IRQ)

    def guarded(self, act: Callable[[], None]) -> None:
        """Do what looks at the driver's memory; what is wrong there stops the device."""
        try:
            act()
        except DriverError as error:
            self._break(str(error))

    # ---- what registers do

    def _features(self) -> int:
        word = self.state.feature_word
        return (self.function.features() | VERSION_1) >> 32 * word & _WORD if word < 2 else 0

    def _accept(self, value: int) -> None:
        s = self.state
        if s.driver_word < 2 and not s.status & FEATURES_OK:
            s.accepted[s.driver_word] = value

    def _queue(self) -> Queue | None:
        selected = self.state.selected
        return self.queues[selected] if selected < len(self.queues) else None

    def _resting(self) -> Queue | None:
        """The selected queue, if it may be changed now."""
        queue = self._queue()
        agreed = self.state.status & (FEATURES_OK | NEEDS_RESET) == FEATURES_OK
        return queue if queue is not None and not queue.ready and agreed else None

    def _resize(self, value: int) -> None:
        if (queue := self._resting()) is not None:
            queue.size = value

    def _move(self, area: int, shift: int, value: int) -> None:
        if (queue := self._resting()) is not None:
            kept = queue.areas[area] & ~(_WORD << shift)
            queue.areas[area] = kept | value << shift

    def _start(self, value: int) -> None:
        """QueueReady: 1 sets a queue to work; 0 takes it out again (4.2.2.2)."""
        queue = self._queue()
        if value == 0 and queue is not None:
            queue.reset()
            self.function.forget()
        elif value == 1 and (resting := self._resting()) is not None:
            self.guarded(resting.start)

    def _notify(self, value: int) -> None:
        if self.working() and value < len(self.queues):
            self.guarded(partial(self.function.notified, value))

    def _acknowledge(self, value: int) -> None:
        self.state.interrupts &= ~value
        self._drive()

    def _set_status(self, value: int) -> None:
        s = self.state
        if not value:
            self.reset()
            return
        if value & FEATURES_OK and not s.status & FEATURES_OK and not self._agreed():
            value &= ~FEATURES_OK
        # Bits are only ever added, by the driver; NEEDS_RESET is the device's (2.1.1).
        before, s.status = s.status, s.status | value & (ACKNOWLEDGE | DRIVER | DRIVER_OK | FEATURES_OK | FAILED)
        if s.status & DRIVER_OK and not before & DRIVER_OK:
            self._begin()

    def _begin(self) -> None:
        """The driver is ready; what it has handed over already is looked at."""
        if not self.state.status & FEATURES_OK:
            self._break("DRIVER_OK before FEATURES_OK")
        for index in range(len(self.queues)):
            self._notify(index)

    def _agreed(self) -> bool:
        """The driver takes nothing that was not offered, and speaks this version."""
        offered = self.function.features() | VERSION_1
        low, high = self.state.accepted
        taken = high << 32 | low
        return not taken & ~offered and bool(taken & VERSION_1)

    def _config(self, word: int) -> int:
        return int.from_bytes(self.function.config()[4 * word : 4 * word + 4], "little")

    def _configure(self, word: int, value: int) -> None:
        self.function.configure(4 * word, value)

    # ---- the rest

    def _break(self, why: str) -> None:
        """The driver has broken a rule."""
        if why not in self.troubles and len(self.troubles) < 16:
            self.troubles.append(why)
        s = self.state
        s.status |= NEEDS_RESET
        self._let_go()
        if s.status & DRIVER_OK:
            self.interrupt(CONFIG_IRQ)

    def _drive(self) -> None:
        level = bool(self.state.interrupts)
        if level != self._level:
            self._level = level
            if level:
                self._host.interrupt()
            self._line(level)

    def reset(self) -> None:
        """As at first; buffers of the driver's are not touched from here on."""
        fresh = MmioState(generation=self.state.generation)
        vars(self.state).update(vars(fresh))
        self._let_go()
        self._drive()

    def _let_go(self) -> None:
        """From here on nothing of the driver's is touched, whatever was under way."""
        for queue in self.queues:
            queue.reset()
        self.function.forget()

    def advance(self) -> None:
        """For the bus: bring it up to the clock."""
        if self._host.now() >= self.function.deadline():
            self.function.expire()

    def deadline(self) -> int:
        """For the bus: when it acts by itself."""
        return self.function.deadline()
