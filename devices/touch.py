"""Touch screen controller: ST's STMPE811 (datasheet of 2011, "S-Touch advanced resistive touchscreen controller").

The real part hangs on an I2C bus; here its registers are wired to the memory bus, register `n` at offset 4 * n, those
of several bytes as one word. While the pen is down each reading goes into a FIFO of 128; INT_STA tells of the pen coming
and going (TOUCH_DET), of as many readings as FIFO_TH asks for (FIFO_TH), of lost ones (FIFO_OFLOW).

A reading is X (12 bits), Y (12 bits), pressure (8 bits), in one word of TSC_DATA_XYZ from the highest bit down. Readings
come when the hand moves (`receive`), not on a clock: there is no analogue side. Clock gates (SYS_CTRL2), converter and
GPIO registers are stored and have no effect.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from devices.device import Model, State, Wiring
from devices.registers import Field, Reg, constant, stored

TOUCH = struct.Struct("<HHB")
"""What `receive` takes: x, y (0..4095) and whether the pen is down."""
FIFO = 128
PRESSURE = 0x80
"""Every touch is as firm as any other."""
TOUCH_DET, FIFO_TH, FIFO_OFLOW, FIFO_FULL, FIFO_EMPTY = (1 << bit for bit in range(5))
"""Bits of INT_STA and INT_EN."""
TSC_EN, PEN_DOWN = 1 << 0, 1 << 7
"""Bits of TSC_CTRL."""
GLOBAL_INT = 1 << 0
"""INT_CTRL: the line is connected. Its polarity and edge bits are stored only: the line is a level, active high."""
_STATUS = tuple(
    Field(name, bit) for bit, name in enumerate(("TOUCH_DET", "FIFO_TH", "FIFO_OFLOW", "FIFO_FULL", "FIFO_EMPTY"))
)
_FIFO_STATUS = (Field("RESET", 0), Field("TH", 4), Field("EMPTY", 5), Field("FULL", 6), Field("OFLOW", 7))


@dataclass
class TouchState(State):
    """The whole snapshot; `fifo` has the words of readings, `last` the one read last."""

    fifo: list[int] = field(default_factory=list)
    last: int = 0
    down: int = 0
    clocks: int = 0x0F
    int_control: int = 0
    enabled: int = 0
    raw: int = 0
    adc1: int = 0x9C
    adc2: int = 0x01
    control: int = 0
    config: int = 0
    threshold: int = 0
    overflow: int = 0
    fraction: int = 0
    drive: int = 0


class Touch(Model):
    """One touch panel; the pen is up when it is new."""

    state: TouchState
    KEPT = frozenset({"down"})  # a reset does not lift the pen

    def __init__(self, wiring: Wiring, state: TouchState | None = None) -> None:
        s = state or TouchState()
        super().__init__(wiring, s)
        self.registers = self._bank(
            constant("CHIP_ID", 4 * 0x00, 0x0811),
            constant("ID_VER", 4 * 0x02, 0x03),
            Reg("SYS_CTRL1", 4 * 0x03, lambda: 0, self._system, (Field("SOFT_RESET", 1),)),
            stored("SYS_CTRL2", 4 * 0x04, s, "clocks", mask=0x0F),
            Reg("INT_CTRL", 4 * 0x09, lambda: s.int_control, self._set_int_control, (Field("GLOBAL_INT", 0),)),
            Reg("INT_EN", 4 * 0x0A, lambda: s.enabled, self._set_enabled, _STATUS),
            Reg("INT_STA", 4 * 0x0B, lambda: s.raw, self._clear, _STATUS),
            stored("ADC_CTRL1", 4 * 0x20, s, "adc1", mask=0xFF),
            stored("ADC_CTRL2", 4 * 0x21, s, "adc2", mask=0x03),
            Reg("TSC_CTRL", 4 * 0x40, self._control, self._set_control, (Field("EN", 0), Field("STA", 7))),
            stored("TSC_CFG", 4 * 0x41, s, "config", mask=0xFF),
            Reg("FIFO_TH", 4 * 0x4A, lambda: s.threshold, self._set_threshold),
            Reg("FIFO_STA", 4 * 0x4B, self._fifo_status, self._fifo_reset, _FIFO_STATUS),
            Reg("FIFO_SIZE", 4 * 0x4C, lambda: len(s.fifo)),
            Reg("TSC_DATA_X", 4 * 0x4D, lambda: s.last >> 20),
            Reg("TSC_DATA_Y", 4 * 0x4F, lambda: s.last >> 8 & 0xFFF),
            Reg("TSC_DATA_Z", 4 * 0x51, lambda: s.last & 0xFF),
            Reg("TSC_DATA_XYZ", 4 * 0x52, self._take, None, (Field("Z", 0, 8), Field("Y", 8, 12), Field("X", 20, 12))),
            stored("TSC_FRACTION_Z", 4 * 0x56, s, "fraction", mask=0x07),
            stored("TSC_I_DRIVE", 4 * 0x58, s, "drive", mask=0x01),
        )

    def receive(self, data: bytes) -> None:
        """A hand moves: `TOUCH` packed. Anything else is no touch."""
        if len(data) != TOUCH.size:
            return
        s = self.state
        x, y, down = TOUCH.unpack(data)
        changed, s.down = s.down != (down & 1), down & 1
        if not s.control & TSC_EN:
            return
        if changed:
            s.raw |= TOUCH_DET
        if s.down:
            self._keep(min(x, 0xFFF) << 20 | min(y, 0xFFF) << 8 | PRESSURE)
        self._update_line()

    def _keep(self, reading: int) -> None:
        s = self.state
        if len(s.fifo) >= FIFO:
            s.overflow = 1
            s.raw |= FIFO_OFLOW
            return
        s.fifo.append(reading)
        if len(s.fifo) == FIFO:
            s.raw |= FIFO_FULL
        self._watch_threshold()

    def _watch_threshold(self) -> None:
        s = self.state
        if s.threshold and len(s.fifo) >= s.threshold:
            s.raw |= FIFO_TH

    def _take(self) -> int:
        """The oldest reading; the last one again when there is none."""
        s = self.state
        if s.fifo:
            s.last = s.fifo.pop(0)
            if not s.fifo:
                s.raw |= FIFO_EMPTY
                self._update_line()
        return s.last

    def _system(self, value: int) -> None:
        if value & 0b10:
            self.reset()

    def _control(self) -> int:
        s = self.state
        return s.control | (PEN_DOWN if s.down and s.control & TSC_EN else 0)

    def _set_control(self, value: int) -> None:
        self.state.control = value & 0x7F

    def _set_threshold(self, value: int) -> None:
        self.state.threshold = value & 0xFF
        self._watch_threshold()
        self._update_line()

    def _fifo_status(self) -> int:
        s = self.state
        reached = bool(s.threshold) and len(s.fifo) >= s.threshold
        return reached << 4 | (not s.fifo) << 5 | (len(s.fifo) >= FIFO) << 6 | s.overflow << 7

    def _fifo_reset(self, value: int) -> None:
        if value & 1:
            self.state.fifo.clear()
            self.state.overflow = 0

    def _set_int_control(self, value: int) -> None:
        self.state.int_control = value & 0x07
        self._update_line()

    def _set_enabled(self, value: int) -> None:
        self.state.enabled = value & 0x1F
        self._update_line()

    def _clear(self, value: int) -> None:
        """Ones clear. FIFO_TH comes again at once while as many readings wait."""
        self.state.raw &= ~value
        self._watch_threshold()
        self._update_line()

    def _update_line(self) -> None:
        s = self.state
        self._drive(bool(s.int_control & GLOBAL_INT and s.raw & s.enabled))
