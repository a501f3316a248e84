"""Registers of a device: each is declared once, with its offset, its two halves (read, write) and the names of its
bits.

A device driver sees a block of addresses. Behind each lies a register: plain storage, a view of the device's state,
or a command. A `RegisterBank` is the table of them. What a guest does wrong (an offset that nothing answers, a write
to a read-only register, an odd access size) is not an error of the emulator: it reads 0, changes nothing, and is
recorded once per offset.

    bank = RegisterBank(
        Reg("DATA", 0x00, read=self._take, write=self._put),
        stored("CONTROL", 0x04, state, "control", fields=(Field("ENABLE", 0), Field("MODE", 1, 2))),
        constant("ID", 0x08, 0x11),
    )
    bank.write(0x04, 4, 1)
    print(bank.describe())

Accesses have 1, 2 or 4 bytes. A narrow read takes its bytes out of the word. A narrow write at the word's own offset
hands over the narrow value; other narrow writes are allowed only to registers with `lanes=True` (they are merged into
the word).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

Reader = Callable[[], int]
Writer = Callable[[int], None]

WORD = 0xFFFF_FFFF
MISUSE_LIMIT = 16
"""Offsets of one device whose misuse is recorded; a hostile guest must not fill the trace."""

_MASKS = {1: 0xFF, 2: 0xFFFF, 4: WORD}


class Field(NamedTuple):
    """Some bits of a register, by name. `note` says what a reader must know, such as "no effect here"."""

    name: str
    low: int
    width: int = 1
    note: str = ""

    @property
    def mask(self) -> int:
        """The bits in place."""
        return ((1 << self.width) - 1) << self.low


@dataclass(frozen=True)
class Reg:
    """One register. No `read`: write-only. No `write`: read-only. `lanes`: its bytes can be written alone."""

    name: str
    offset: int
    read: Reader | None = None
    write: Writer | None = None
    fields: tuple[Field, ...] = ()
    lanes: bool = False

    def __post_init__(self) -> None:
        taken = 0
        for field in self.fields:
            if field.mask & taken:
                raise ValueError(f"{self.name}: field {field.name} overlaps another")
            taken |= field.mask
        if self.offset % 4:
            raise ValueError(f"{self.name}: offset {self.offset:#x} is not that of a word")


def zero() -> int:
    """A register that reads as zero."""
    return 0


def ignore(_value: int) -> None:
    """A register whose writes do nothing."""


def stored(
    name: str, offset: int, state: object, attribute: str, *, mask: int = WORD, fields: tuple[Field, ...] = ()
) -> Reg:
    """A register that keeps what was written to it, in an attribute of the device's state."""

    def write(value: int) -> None:
        setattr(state, attribute, value & mask)

    return Reg(name, offset, partial(getattr, state, attribute), write, fields)


def constant(name: str, offset: int, value: int) -> Reg:
    """A read-only register that always says the same."""
    return Reg(name, offset, lambda: value)


def array(
    name: str,
    offset: int,
    count: int,
    read: Callable[[int], int] | None = None,
    write: Callable[[int, int], None] | None = None,
    *,
    step: int = 4,
    fields: tuple[Field, ...] = (),
    lanes: bool = False,
) -> Iterator[Reg]:
    """Registers `name0`, `name1`, ...: `read(index)` and `write(index, value)` serve them all."""
    for index in range(count):
        reader = None if read is None else partial(read, index)
        writer = None if write is None else partial(write, index)
        yield Reg(f"{name}{index}", offset + index * step, reader, writer, fields, lanes)


def prime_cell(part: int, revision: int) -> Iterator[Reg]:
    """The identification registers of an ARM PrimeCell: 0xFE0..0xFEC peripheral, 0xFF0..0xFFC cell.

    `part` has twelve bits. The designer is 0x41 (ARM), the cell number 0xB105F00D, as in every PrimeCell manual.
    """
    peripheral = part | 0x41 << 12 | revision << 20
    for index in range(4):
        yield constant(f"PERIPHID{index}", 0xFE0 + 4 * index, peripheral >> 8 * index & 0xFF)
    for index in range(4):
        yield constant(f"PCELLID{index}", 0xFF0 + 4 * index, 0xB105_F00D >> 8 * index & 0xFF)


def nothing() -> None:
    """The default of what runs before each access."""


def forget(_text: str) -> None:
    """The default of where misuse is recorded."""


class RegisterBank:
    """The registers of one device, found by offset.

    `before` runs ahead of each access (a device brings its state up to date there). `misuse` receives one line per
    offset that was used wrongly; `seen` is the list of those offsets, a part of the device's state so that a restored
    device does not repeat itself.
    """

    def __init__(
        self,
        registers: Iterable[Reg],
        *,
        before: Callable[[], None] = nothing,
        misuse: Callable[[str], None] = forget,
        seen: list[int] | None = None,
    ) -> None:
        self.registers: dict[int, Reg] = {}
        for reg in registers:
            if reg.offset in self.registers:
                raise ValueError(f"{reg.name} and {self.registers[reg.offset].name} share offset {reg.offset:#x}")
            self.registers[reg.offset] = reg
        self._before = before
        self._misuse = misuse
        self._seen: list[int] = [] if seen is None else seen
        self._readers = {offset: reg.read for offset, reg in self.registers.items() if reg.read is not None}
        self._writers = {offset: reg.write for offset, reg in self.registers.items() if reg.write is not None}
        self._lanes = frozenset(offset for offset, reg in self.registers.items() if reg.lanes)

    def read(self, offset: int, size: int) -> int:
        """What the guest's load gets."""
        self._before()
        reader = self._readers.get(offset)
        mask = _MASKS.get(size)
        if reader is None or mask is None:
            return self._unusual_read(offset, size)
        return reader() & mask

    def write(self, offset: int, size: int, value: int) -> None:
        """What the guest's store does."""
        self._before()
        writer = self._writers.get(offset)
        mask = _MASKS.get(size)
        if writer is None or mask is None or (size != 4 and offset in self._lanes):
            self._unusual_write(offset, size, value)
            return
        writer(value & mask)

    def write_many(self, offset: int, size: int, data: bytes) -> None:
        """What a store-multiple does: stores of `size` bytes each at ascending offsets. Requires: whole ones."""
        for at in range(0, len(data), size):
            self.write(offset + at, size, int.from_bytes(data[at : at + size], "little"))

    def _unusual_read(self, offset: int, size: int) -> int:
        """Narrow reads beside the word's offset; everything else is misuse."""
        word = offset & ~3
        reader = self._readers.get(word)
        if not _fits(offset, size) or reader is None:
            self._complain("read", offset, size)
            return 0
        return reader() >> 8 * (offset - word) & _MASKS[size]

    def _unusual_write(self, offset: int, size: int, value: int) -> None:
        """Narrow writes that are merged into their word; everything else is misuse."""
        word = offset & ~3
        if not _fits(offset, size) or word not in self._lanes or word not in self._writers:
            self._complain("write", offset, size)
            return
        shift, mask = 8 * (offset - word), _MASKS[size]
        old = self._readers[word]()
        self._writers[word](old & ~(mask << shift) | (value & mask) << shift)

    def _complain(self, verb: str, offset: int, size: int) -> None:
        """Record the first misuse of an offset."""
        if offset in self._seen or len(self._seen) >= MISUSE_LIMIT:
            return
        self._seen.append(offset)
        reg = self.registers.get(offset & ~3)
        if reg is None:
            why = "no such register"
        elif not _fits(offset, size):
            why = f"{reg.name} cannot be reached that way"
        else:
            why = f"{reg.name} is not for that"
        self._misuse(f"{verb} of {size} bytes at offset {offset:#05x}: {why}")

    def describe(self) -> str:
        """The table as text: offset, name, access, bits from the highest down."""
        lines = []
        for offset, reg in sorted(self.registers.items()):
            access = ("r" if reg.read else "-") + ("w" if reg.write else "-")
            bits = " ".join(_bits(field) for field in sorted(reg.fields, key=lambda field: -field.low))
            lines.append(f"{offset:#05x} {access} {reg.name:<14} {bits}".rstrip())
        return "\n".join(lines)


def _fits(offset: int, size: int) -> bool:
    """Whether an access is of a known size and lies on a multiple of it."""
    return size in _MASKS and offset % size == 0


def _bits(field: Field) -> str:
    high = field.low + field.width - 1
    where = f"{field.low}" if field.width == 1 else f"{high}:{field.low}"
    return f"{field.name}[{where}]" + (f" ({field.note})" if field.note else "")
