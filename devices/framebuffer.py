"""Frame buffer: ARM's PL111 colour LCD controller (ARM DDI 0293C) with a TFT panel.

The controller scans the picture out of its owner's memory, frame after frame, at a rate that follows from the pixel
clock and the panel's timing registers. At the start of each frame it takes over LCDUPBASE (interrupt LNBU, "next base
update": the buffer that was shown before is free); at a chosen point of it, it interrupts with VCOMP.

Nothing is read from memory while frames pass. Who wants to see the picture calls `frame`: 8 bits with palette, 16 bits
(1:5:5:5 and 5:6:5), 32 bits; little-endian, in either order of red and blue. Left out: dual panels, the lower panel's
base, STN, 1, 2, 4 and 12 bits a pixel (a picture of those is black), FIFO underflow and bus errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from devices.device import Ticking, TickState, Wiring
from devices.registers import Field, Reg, array, prime_cell, stored

ENABLE, BGR, POWER = 1 << 0, 1 << 8, 1 << 11
"""Bits of LCDCONTROL: the controller runs; red and blue change places; the panel has power."""
BPP_8, BPP_16_555, BPP_32, BPP_16_565 = 3, 4, 5, 6
"""LCDCONTROL[3:1]."""
LNBU, VCOMP = 1 << 2, 1 << 3
"""Interrupt bits."""
BYPASS = 1 << 26
"""LCDTIMING2.BCD: the pixel clock is CLCDCLK itself."""
_CONTROL = (Field("ENABLE", 0), Field("BPP", 1, 3), Field("BGR", 8), Field("POWER", 11), Field("VCOMP", 12, 2))
_INTERRUPTS = (Field("FUF", 1, note="never"), Field("LNBU", 2), Field("VCOMP", 3), Field("MBERROR", 4, note="never"))


@dataclass
class FramebufferState(TickState):
    """The whole snapshot; `phase` is the number of ticks since the frame began."""

    timing: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    upper: int = 0
    lower: int = 0
    control: int = 0
    mask: int = 0
    raw: int = 0
    current: int = 0
    phase: int = 0
    palette: list[int] = field(default_factory=lambda: [0] * 128)


class Framebuffer(Ticking):
    """One display. `frequency` is CLCDCLK: 25 MHz, as on ARM's Versatile board (DUI 0225)."""

    state: FramebufferState

    def __init__(self, wiring: Wiring, state: FramebufferState | None = None, *, frequency: int = 25_000_000) -> None:
        s = state or FramebufferState()
        super().__init__(wiring, s, frequency)
        self.registers = self._bank(
            array("LCDTIMING", 0x000, 4, lambda n: s.timing[n], self._set_timing),
            Reg("LCDUPBASE", 0x010, lambda: s.upper, self._set_upper),
            stored("LCDLPBASE", 0x014, s, "lower", mask=0xFFFF_FFFC),
            Reg("LCDCONTROL", 0x018, lambda: s.control, self._set_control, _CONTROL),
            Reg("LCDIMSC", 0x01C, lambda: s.mask, self._set_mask, _INTERRUPTS),
            Reg("LCDRIS", 0x020, lambda: s.raw, None, _INTERRUPTS),
            Reg("LCDMIS", 0x024, lambda: s.raw & s.mask, None, _INTERRUPTS),
            Reg("LCDICR", 0x028, None, self._clear, _INTERRUPTS),
            Reg("LCDUPCURR", 0x02C, lambda: s.current),
            Reg("LCDLPCURR", 0x030, lambda: s.lower),
            array("LCDPALETTE", 0x200, 128, lambda n: s.palette[n], s.palette.__setitem__),
            prime_cell(part=0x111, revision=0),
        )

    @property
    def on(self) -> bool:
        """Whether anything is shown."""
        return is_on(self.state)

    def reset(self) -> None:
        """As `Model.reset`; a picture that was shown is gone."""
        self._set_control(0)
        super().reset()

    # ---- registers

    def _set_timing(self, index: int, value: int) -> None:
        s = self.state
        s.timing[index] = value
        s.phase %= frame_ticks(s)
        self._wiring.kick()

    def _set_upper(self, value: int) -> None:
        self.state.upper = value & 0xFFFF_FFF8  # the bus fetches double words

    def _set_control(self, value: int) -> None:
        s = self.state
        before, after = self.on, value & (ENABLE | POWER) == ENABLE | POWER
        if before and not after:
            self._wiring.notice("off")
        s.control = value & 0x1_FFFF
        if after and not before:
            s.phase, s.current = 0, s.upper
            self._wiring.notice("on")
        self._wiring.kick()

    def _set_mask(self, value: int) -> None:
        self.state.mask = value & 0x1E
        self._update_line()
        self._wiring.kick()

    def _clear(self, value: int) -> None:
        self.state.raw &= ~value
        self._update_line()
        self._wiring.kick()

    def _update_line(self) -> None:
        self._drive(bool(self.state.raw & self.state.mask))

    # ---- frames

    def _run(self, passed: int) -> None:
        s = self.state
        if not self.on:
            return
        length = frame_ticks(s)
        after = s.phase + passed
        if after >= length:
            s.current = s.upper
            s.raw |= LNBU
        point = compare_ticks(s)
        if (after - point) // length > (s.phase - point) // length:
            s.raw |= VCOMP
        s.phase = after % length
        self._update_line()

    def _ticks_ahead(self) -> int | None:
        """Frames that nobody wants to hear of end silently."""
        s = self.state
        awaited = s.mask & ~s.raw
        if not self.on or s.raw & s.mask or not awaited & (LNBU | VCOMP):
            return None
        length = frame_ticks(s)
        ahead = {LNBU: length - s.phase, VCOMP: length - (s.phase - compare_ticks(s)) % length}
        return min(ticks for bit, ticks in ahead.items() if awaited & bit)


def is_on(state: FramebufferState) -> bool:
    """Whether anything is shown: the controller is enabled and the panel has power."""
    return state.control & (ENABLE | POWER) == ENABLE | POWER


def size(state: FramebufferState) -> tuple[int, int]:
    """Width and height in pixels (DDI 0293 3.2.1, 3.2.2)."""
    return 16 * ((state.timing[0] >> 2 & 0x3F) + 1), (state.timing[1] & 0x3FF) + 1


def _vertical(state: FramebufferState) -> tuple[int, int, int, int]:
    """Lines of the parts of a frame: synchronisation, back porch, picture, front porch."""
    value = state.timing[1]
    return (value >> 10 & 0x3F) + 1, value >> 24, (value & 0x3FF) + 1, value >> 16 & 0xFF


def line_ticks(state: FramebufferState) -> int:
    """Ticks of CLCDCLK in a line."""
    horizontal, clock = state.timing[0], state.timing[2]
    pulses = sum((horizontal >> shift & 0xFF) + 1 for shift in (8, 16, 24)) + size(state)[0]
    divider = 1 if clock & BYPASS else (clock >> 27 << 5 | clock & 0x1F) + 2
    return divider * pulses


def frame_ticks(state: FramebufferState) -> int:
    """Ticks of CLCDCLK in a frame."""
    return line_ticks(state) * sum(_vertical(state))


def compare_ticks(state: FramebufferState) -> int:
    """Where in the frame VCOMP is: at the start of the part that LCDCONTROL[13:12] names."""
    return line_ticks(state) * sum(_vertical(state)[: state.control >> 12 & 3])


# ---- the picture


def content(state: FramebufferState) -> tuple[int, int]:
    """What the panel shows lies there: (address, bytes) in the owner's memory; no bytes where the picture is black anyway."""
    width, height = size(state)
    depth = state.control >> 1 & 7
    return state.current, width * height * _BYTES.get(depth, 0) if is_on(state) else 0


def frame(state: FramebufferState, read: Callable[[int, int], bytes]) -> tuple[int, int, bytes]:
    """What the panel shows: (width, height, three bytes for each pixel: red, green, blue).

    `read(address, length)` gives bytes of the owner's memory, and may raise what it likes.
    """
    width, height = size(state)
    address, length = content(state)
    if not length:
        return width, height, bytes(3 * width * height)
    return width, height, _CONVERT[state.control >> 1 & 7](state, read(address, length))


def _from_8(state: FramebufferState, data: bytes) -> bytes:
    entries = [half for word in state.palette for half in (word & 0xFFFF, word >> 16)]
    words = b"".join(entry.to_bytes(2, "little") for entry in entries)
    planes = _planes(words, _tables(BPP_16_555), bool(state.control & BGR))
    return _woven(data.translate(plane) for plane in planes)


def _from_16(state: FramebufferState, data: bytes) -> bytes:
    return _woven(_planes(data, _tables(state.control >> 1 & 7), bool(state.control & BGR)))


def _from_32(state: FramebufferState, data: bytes) -> bytes:
    order = (2, 1, 0) if state.control & BGR else (0, 1, 2)
    return _woven(data[source::4] for source in order)


class _Tables(NamedTuple):
    """Part of a colour by a byte of a 16-bit pixel: `low` and `high` the five bits at the ends; the middle is put together."""

    low: bytes
    high: bytes
    middle_low: bytes
    middle_high: bytes
    middle: bytes


@lru_cache(2)
def _tables(depth: int) -> _Tables:
    bits = 6 if depth == BPP_16_565 else 5
    most, top = (1 << bits) - 1, bits + 5 - 8
    return _Tables(
        low=bytes((value & 31) * 255 // 31 for value in range(256)),
        high=bytes((value >> top & 31) * 255 // 31 for value in range(256)),
        middle_low=bytes(value >> 5 for value in range(256)),
        middle_high=bytes((value & (1 << top) - 1) << 3 for value in range(256)),
        middle=bytes(min(value, most) * 255 // most for value in range(256)),
    )


def _planes(data: bytes, tables: _Tables, swapped: bool) -> tuple[bytes, bytes, bytes]:
    """Red, green and blue of 16-bit pixels, each by itself. Unswapped, red lies in the lowest bits."""
    low, high = data[0::2], data[1::2]
    middle = _either(low.translate(tables.middle_low), high.translate(tables.middle_high)).translate(tables.middle)
    ends = low.translate(tables.low), high.translate(tables.high)
    return (ends[1], middle, ends[0]) if swapped else (ends[0], middle, ends[1])


def _either(first: bytes, second: bytes) -> bytes:
    """The bits of both, byte by byte: as one number, for that is a hundred times faster than bytes one by one."""
    both = int.from_bytes(first, "little") | int.from_bytes(second, "little")
    return both.to_bytes(len(first), "little")


def _woven(planes: Iterable[bytes]) -> bytes:
    """Three planes as pixels."""
    red, green, blue = planes
    pixels = bytearray(3 * len(red))
    pixels[0::3], pixels[1::3], pixels[2::3] = red, green, blue
    return bytes(pixels)


def from_565(data: bytes) -> bytes:
    """Pixels of 16 bits (5:6:5, red highest, little-endian) as three bytes each: red, green, blue."""
    return _woven(_planes(data, _tables(BPP_16_565), swapped=True))


_CONVERT = {BPP_8: _from_8, BPP_16_555: _from_16, BPP_16_565: _from_16, BPP_32: _from_32}
_BYTES = {BPP_8: 1, BPP_16_555: 2, BPP_16_565: 2, BPP_32: 4}
