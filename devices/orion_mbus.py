"""Address decoding windows of Marvell's Orion and Kirkwood chips: registers that a kernel programs and nothing here
acts on.

The Mbus bridge routes addresses to targets by eight windows (0x20000); the DDR controller tells masters which chip
selects are where (0x1500). The machine's memory map is fixed by the board, so both are storage: named, so that a
trace can say what a kernel does to them, and read back as written.

Source: 88F6281 functional specification, "Mbus-L to Mbus bridge" and "DDR SDRAM controller" register sets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from devices.device import Model, State, Wiring
from devices.registers import Reg


@dataclass
class WindowsState(State):
    """The whole snapshot: the words, in the order of their declaration."""

    words: list[int] = field(default_factory=list)


class _Windows(Model):
    """A block of stored registers with names."""

    state: WindowsState
    layout: tuple[tuple[str, int], ...] = ()
    """Name and offset of each register."""

    def __init__(self, wiring: Wiring, state: WindowsState | None = None) -> None:
        s = state or WindowsState(words=[0] * len(self.layout))
        super().__init__(wiring, s)
        self.registers = self._bank(self._declare(s.words))

    def reset(self) -> None:
        """As `Model.reset`: every word is zero."""
        super().reset()
        self.state.words[:] = [0] * len(self.layout)

    def _declare(self, words: list[int]) -> Iterator[Reg]:
        for index, (name, offset) in enumerate(self.layout):
            yield Reg(name, offset, partial(words.__getitem__, index), partial(words.__setitem__, index))


class OrionMbus(_Windows):
    """Eight windows: control and base each, remap for the first four; then the base of the internal registers."""

    layout = (
        *((f"WIN{n}_CTRL", 0x10 * n) for n in range(8)),
        *((f"WIN{n}_BASE", 0x10 * n + 4) for n in range(8)),
        *((f"WIN{n}_REMAP_LOW", 0x10 * n + 8) for n in range(4)),
        *((f"WIN{n}_REMAP_HIGH", 0x10 * n + 12) for n in range(4)),
        ("INTERNAL_BASE", 0x80),
    )


class OrionDdrWindows(_Windows):
    """Base and size of the four DDR chip selects."""

    layout = (
        *((f"CS{n}_BASE", 8 * n) for n in range(4)),
        *((f"CS{n}_SIZE", 8 * n + 4) for n in range(4)),
    )
