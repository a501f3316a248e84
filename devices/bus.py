"""A bus: devices at addresses, wired from data, and kept up to date as one system.

A single device is exact as long as it alone is looked at. Two that are wired together need one more rule: whoever
reads a controller must see what its timers have done *by now*. So the bus knows the earliest deadline of all its
devices, and before any access at or after it, brings all of them up to date. With that, a guest sees the same
whatever the runtime does in between.

    bus = assemble(board.private, clock=lambda: cpu.cycles, hz=board.clock_hz, irq=cpu.set_irq, transmit=console)
    value = bus.read(0x0900_0018, 4)
    stop_at = min(stop_at, bus.deadline())

What names no device reads 0, changes nothing, and is recorded once per 4 KiB page.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol, cast

from devices.device import NEVER, Device, InterruptController, Line, State, Wiring, unconnected
from devices.models import MODELS
from devices.registers import MISUSE_LIMIT, RegisterBank, nothing

GRANULE = 0x100
"""Bases and sizes are multiples of this; addresses are decoded by it."""
PAGE = 0x1000


class Part(Protocol):
    """One device of a board, as data. A board's `DeviceSpec` is one."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def model(self) -> str: ...  # noqa: D102
    @property
    def base(self) -> int: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102
    @property
    def irq(self) -> int | None: ...  # noqa: D102
    @property
    def more_irqs(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def parent(self) -> str | None: ...  # noqa: D102
    @property
    def params(self) -> Mapping[str, int | str]: ...  # noqa: D102


def discard(_name: str, _what: object) -> None:
    """The default of where sent bytes and misuse go."""


class Bus:
    """Devices by address. `due` is the first cycle at which one of them may do something by itself."""

    def __init__(
        self,
        clock: Callable[[], int],
        *,
        kick: Callable[[], None] = nothing,
        misuse: Callable[[str, str], None] = discard,
    ) -> None:
        self.devices: dict[str, Device] = {}
        self._clock = clock
        self._outer_kick = kick
        self._misuse = misuse
        self._banks: dict[int, tuple[int, RegisterBank]] = {}
        self._names: list[tuple[str, int, int]] = []
        self._strays: list[int] = []
        self._due = 0

    def place(self, name: str, base: int, size: int, device: Device) -> None:
        """Put a device at an address.

        Raises:
            ValueError: the place is taken, or not a multiple of `GRANULE`.
        """
        if base % GRANULE or size % GRANULE or size <= 0:
            raise ValueError(f"{name}: {base:#x}+{size:#x} is not made of whole {GRANULE:#x}-byte granules")
        granules = range(base // GRANULE, (base + size) // GRANULE)
        if name in self.devices or any(granule in self._banks for granule in granules):
            raise ValueError(f"{name}: its name or a part of {base:#x}+{size:#x} is taken")
        self.devices[name] = device
        self._banks.update(dict.fromkeys(granules, (base, device.registers)))
        self._due = 0

    def name_region(self, name: str, base: int, size: int) -> None:
        """Give a range that no device answers a name, for the record of who touches it."""
        self._names.append((name, base, size))

    def windows(self) -> list[tuple[int, int]]:
        """The page-aligned ranges (base, size) that devices and named regions lie in: what a machine must hand over."""
        pages = {granule * GRANULE // PAGE for granule in self._banks}
        for _, base, size in self._names:
            pages.update(range(base // PAGE, -(-(base + size) // PAGE)))
        ranges: list[tuple[int, int]] = []
        for page in sorted(pages):
            if ranges and sum(ranges[-1]) == page * PAGE:
                ranges[-1] = (ranges[-1][0], ranges[-1][1] + PAGE)
            else:
                ranges.append((page * PAGE, PAGE))
        return ranges

    def kick(self) -> None:
        """A device's deadline may have moved, or a line has changed."""
        self._due = 0
        self._outer_kick()

    def read(self, address: int, size: int) -> int:
        """What a load from `address` gets."""
        if self._clock() >= self._due:
            self.advance()
        found = self._banks.get(address // GRANULE)
        if found is None:
            self._stray("read", address, size)
            return 0
        return found[1].read(address - found[0], size)

    def write(self, address: int, size: int, value: int) -> None:
        """What a store to `address` does."""
        if self._clock() >= self._due:
            self.advance()
        found = self._banks.get(address // GRANULE)
        if found is None:
            self._stray("write", address, size)
        else:
            found[1].write(address - found[0], size, value)

    def advance(self) -> None:
        """Bring all devices up to the clock."""
        for device in self.devices.values():
            device.advance()
        self._due = self._earliest()

    def deadline(self) -> int:
        """The first cycle at which a device may do something by itself; `NEVER` if none."""
        if not self._due:
            self._due = self._earliest()
        return self._due

    def _earliest(self) -> int:
        return min((device.deadline() for device in self.devices.values()), default=NEVER)

    def _stray(self, verb: str, address: int, size: int) -> None:
        """Record the first access to a page where nothing is."""
        page = address // PAGE
        if page not in self._strays and len(self._strays) < MISUSE_LIMIT:
            self._strays.append(page)
            names = [name for name, base, length in self._names if base <= address < base + length]
            what = f"{names[0]} is not modelled" if names else "no device there"
            self._misuse("bus", f"{verb} of {size} bytes at {address:#010x}: {what}")


def problem(part: Part) -> str | None:
    """What is wrong with the model or the parameters that a part names; None if nothing is."""
    if part.model not in MODELS:
        return f'there is no device model "{part.model}"{_nearest(part.model, MODELS)}'
    known = [name for name in inspect.signature(MODELS[part.model]).parameters if name not in _RESERVED]
    for name in part.params:
        if name not in known:
            return f'model "{part.model}" has no parameter "{name}"{_nearest(name, known)}'
    return None


_RESERVED = ("wiring", "state", "fiq")


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


def assemble(
    parts: Iterable[Part],
    *,
    clock: Callable[[], int],
    hz: int,
    irq: Line = unconnected,
    fiq: Line = unconnected,
    kick: Callable[[], None] = nothing,
    transmit: Callable[[str, bytes], None] = discard,
    misuse: Callable[[str, str], None] = discard,
    states: Mapping[str, State] | None = None,
) -> Bus:
    """A bus with these parts on it, each line led where the data says.

    A part with an `irq` is wired to that input of its `parent`, or of the one controller that has no `irq` itself;
    that root controller drives `irq` and `fiq`. `transmit` and `misuse` are told the part's name. `states` are
    snapshots by name.

    Raises:
        ValueError: a part names a model, a parameter, a parent or an input that does not exist.
    """
    bus = Bus(clock, kick=kick, misuse=misuse)
    states = states or {}
    for part in _controllers_first(parts):
        complaint = problem(part)
        if complaint is not None:
            raise ValueError(f"{part.name}: {complaint}")
        model = MODELS[part.model]
        outputs = _outputs(bus, part, (irq, fiq) if hasattr(model, "line") else ())
        wiring = Wiring(
            clock=clock,
            hz=hz,
            irq=outputs[0] if outputs else unconnected,
            more=outputs[1:],
            kick=bus.kick,
            transmit=partial(transmit, part.name),
            misuse=partial(misuse, part.name),
        )
        bus.place(part.name, part.base, part.size, model(wiring, states.get(part.name), **dict(part.params)))
    return bus


def _controllers_first(parts: Iterable[Part]) -> Sequence[Part]:
    """The parts in an order in which each one's controller comes before it."""

    def depth(part: Part) -> int:
        if not hasattr(MODELS.get(part.model), "line"):
            return len(by_name)
        steps, at = 0, part
        while at.parent in by_name and steps < len(by_name):
            steps, at = steps + 1, by_name[at.parent]
        return steps + (part.irq is not None)

    by_name = {part.name: part for part in parts}
    return sorted(by_name.values(), key=depth)


def _outputs(bus: Bus, part: Part, to_cpu: tuple[Line, ...]) -> tuple[Line, ...]:
    """Where the output lines of a part lead; `to_cpu`: those of a root controller."""
    if part.irq is None:
        return to_cpu
    roots = [name for name, device in bus.devices.items() if hasattr(device, "line")]
    parent = part.parent or (roots[0] if roots else "")
    controller = bus.devices.get(parent)
    if controller is None or not hasattr(controller, "line"):
        raise ValueError(f'{part.name}: "{parent}" is no interrupt controller on this bus')
    inputs = (part.irq, *part.more_irqs)
    return tuple(cast(InterruptController, controller).line(number) for number in inputs)
