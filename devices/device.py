"""What all device models share: the wires to the outside, the output lines, and time in ticks of a clock input.

A model is built as `Part(wiring, state=None, **params)`. It never asks what time it is in the world and never does
I/O: `clock` says the virtual time in CPU cycles, `irq` drives its interrupt line, `transmit` takes the bytes that a
UART sends. Its `state`, one dataclass of plain values, is the whole snapshot: a second model built from a copy of it
goes on where the first was.

**A model is a pure function of virtual time.** `advance()` brings the state up to `clock()`; advancing in one step or
in many gives the same state, so it never matters how often a runtime looks. Every register access advances first.
`deadline()` is the first cycle at which an output line may change without anybody touching the device.

Time is a count of cycles of a CPU at `hz`. A device clocked at `frequency` has seen `cycles * frequency // hz` ticks;
the first cycle at which tick `k` has passed is `ceil(k * hz / frequency)`. Nothing is ever rounded twice.

>>> ticks(1_000, hz=266_000_000, frequency=1_000_000)
3
>>> cycle_of_tick(3, hz=266_000_000, frequency=1_000_000)
798
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Protocol

from devices.registers import Reg, RegisterBank, forget, nothing

NEVER = 1 << 62
"""A deadline that does not come."""

Line = Callable[[bool], None]
"""Something that takes the level of an interrupt line."""


def unconnected(_level: bool) -> None:
    """An output pin that leads nowhere."""


def silent(_data: bytes) -> None:
    """A serial line that nobody listens to."""


def unplugged(_cycle: int, _frame: bytes) -> None:
    """A network socket without a cable."""


class DmaError(Exception):
    """A part reached for memory that is not there for it; the one who wired it raises this, the part reports a bus error."""


def ticks(cycles: int, hz: int, frequency: int) -> int:
    """How many ticks of a clock of `frequency` have passed after `cycles` of a CPU at `hz`."""
    return cycles * frequency // hz


def cycle_of_tick(tick: int, hz: int, frequency: int) -> int:
    """The first cycle at which `tick` ticks have passed: the inverse of `ticks`."""
    return -(-tick * hz // frequency)


@dataclass(frozen=True)
class Wiring:
    """The wires of one device.

    `irq` is its first output line, `more` are the further ones of a part that has several. `kick` is called whenever
    the deadline may have moved earlier or a line has changed: the runtime then looks again. `misuse` takes one line
    of text. `send` takes the frames of a network part, each with the cycle at which its last bit left. `notice` is told
    what those who watch may want to know ("on" and "off" of a display). `dma_read(address, length)` and
    `dma_write(address, data)` are a bus master's way into its owner's memory; they raise `DmaError`. None: there is none.
    """

    clock: Callable[[], int]
    hz: int
    irq: Line = unconnected
    kick: Callable[[], None] = nothing
    transmit: Callable[[bytes], None] = silent
    misuse: Callable[[str], None] = forget
    more: tuple[Line, ...] = ()
    send: Callable[[int, bytes], None] = unplugged
    notice: Callable[[str], None] = forget
    dma_read: Callable[[int, int], bytes] | None = None
    dma_write: Callable[[int, bytes], None] | None = None


@dataclass
class State:
    """What every snapshot has: the level of each output line, and the offsets whose misuse has been recorded."""

    lines: list[int] = field(default_factory=lambda: [0])
    misused: list[int] = field(default_factory=list)

    def put_back(self, values: Mapping[str, Any]) -> None:
        """Take over every field of another state of this kind, as `dataclasses.asdict` gives them. Lists stay the same objects,
        for registers hold on to them. No line is driven: who is at its other end has a state of his own.

        Raises:
            ValueError: other fields than these.
        """
        if values.keys() != {each.name for each in fields(self)}:
            raise ValueError(f"no state of a {type(self).__name__}: it has {', '.join(values)}")
        for name, value in values.items():
            old = getattr(self, name)
            if isinstance(old, list):
                old[:] = value
            else:
                setattr(self, name, type(old)(value))


class Device(Protocol):
    """What a runtime needs of a model."""

    @property
    def registers(self) -> RegisterBank:
        """What the guest's loads and stores reach."""

    @property
    def state(self) -> State:
        """The whole snapshot."""

    def advance(self) -> None:
        """Bring the state up to the clock."""

    def deadline(self) -> int:
        """The next cycle at which an output line may change by itself; `NEVER` if none."""

    def reset(self) -> None:
        """Back to how it was when it was switched on; what it keeps without power stays."""


class InterruptController(Device, Protocol):
    """A device that other devices' lines lead to."""

    def line(self, number: int) -> Line:
        """The input `number`; call the result with its level."""


class Uart(Device, Protocol):
    """A device that bytes can be typed at."""

    def receive(self, data: bytes) -> None:
        """Bytes arrive on the serial line."""


IRQ, FIQ = 0, 1
"""Output lines of an interrupt controller."""


class Model:
    """The base of all parts: its register bank, and the one door to its output lines.

    A subclass sets `self.registers` in its `__init__` and drives its lines through `_drive` or `_pulse` alone.
    """

    state: State
    registers: RegisterBank
    KEPT: ClassVar[frozenset[str]] = frozenset()
    """Fields of the state that a reset leaves alone: what lies in flash, what is plugged in."""

    def __init__(self, wiring: Wiring, state: State) -> None:
        self.state = state
        self._wiring = wiring
        self._outputs = (wiring.irq, *wiring.more)
        for output, level in enumerate(state.lines):
            if level:  # a restored device: whoever is at the other end may not know the level
                self._output(output)(True)

    def advance(self) -> None:
        """Bring the state up to the clock: nothing to do for a part that time does not change."""

    def deadline(self) -> int:
        """The next cycle at which an output line may change by itself: never."""
        return NEVER

    def reset(self) -> None:
        """Back to how it was when it was switched on, lines low; fields in `KEPT` stay."""
        for output in range(len(self.state.lines)):
            self._drive(False, output)
        fresh = type(self.state)()
        for each in fields(fresh):
            if each.name not in ("lines", "misused", *self.KEPT):
                self._put_back(each.name, getattr(fresh, each.name))
        self._wiring.kick()

    def _put_back(self, name: str, value: object) -> None:
        """Set a field. Lists stay the same objects, for registers may hold on to them."""
        old = getattr(self.state, name)
        if isinstance(old, list) and isinstance(value, list):
            old[:] = value
        else:
            setattr(self.state, name, value)

    def _fetch(self, address: int, length: int) -> bytes | None:
        """Bytes of the owner's memory; None is a bus error."""
        try:
            return self._wiring.dma_read(address, length) if self._wiring.dma_read else None
        except DmaError:
            return None

    def _store(self, address: int, data: bytes) -> bool:
        """Put bytes into the owner's memory; False is a bus error."""
        try:
            if self._wiring.dma_write:
                self._wiring.dma_write(address, data)
        except DmaError:
            return False
        return self._wiring.dma_write is not None

    def _bank(self, *registers: Reg | Iterable[Reg]) -> RegisterBank:
        """The register bank of this device, from single registers and arrays."""
        flat: list[Reg] = []
        for item in registers:
            flat += [item] if isinstance(item, Reg) else item
        return RegisterBank(flat, before=self.advance, misuse=self._wiring.misuse, seen=self.state.misused)

    def _output(self, output: int) -> Line:
        return self._outputs[output] if output < len(self._outputs) else unconnected

    def _drive(self, level: bool, output: int = 0) -> None:
        """Set an output line: the only place where its level changes."""
        lines = self.state.lines
        if bool(lines[output]) != level:
            lines[output] = int(level)
            self._output(output)(level)
            self._wiring.kick()

    def _pulse(self, output: int = 0) -> None:
        """An edge and back, for parts whose controller latches edges."""
        self._drive(True, output)
        self._drive(False, output)


@dataclass
class TickState(State):
    """A snapshot of a part with a clock input; `tick` is the last one that it has seen."""

    tick: int = -1


class Ticking(Model, ABC):
    """A part with a clock input of `frequency`: a subclass is told how many whole ticks have passed."""

    state: TickState

    def __init__(self, wiring: Wiring, state: TickState, frequency: int) -> None:
        super().__init__(wiring, state)
        if frequency <= 0:
            raise ValueError(f"a clock of {frequency} Hz does not tick")
        self._frequency = frequency
        if state.tick < 0:  # a new part: its clock starts now, however late that is
            state.tick = self._now()

    def _now(self) -> int:
        return self._wiring.clock() * self._frequency // self._wiring.hz

    def reset(self) -> None:
        """As `Model.reset`; the clock starts again now."""
        super().reset()
        self.state.tick = self._now()

    def advance(self) -> None:
        """Bring the state up to the clock."""
        now = self._wiring.clock() * self._frequency // self._wiring.hz
        passed = now - self.state.tick
        if passed > 0:
            self.state.tick = now
            self._run(passed)

    def deadline(self) -> int:
        """The cycle of the next tick at which an output line may change by itself."""
        ahead = self._ticks_ahead()
        if ahead is None:
            return NEVER
        return cycle_of_tick(self.state.tick + ahead, self._wiring.hz, self._frequency)

    @abstractmethod
    def _run(self, passed: int) -> None:
        """Let `passed` ticks happen. Running `a` and then `b` ticks must equal running `a + b`."""

    @abstractmethod
    def _ticks_ahead(self) -> int | None:
        """Ticks from the last one seen to the next at which an output may change; None for never."""
