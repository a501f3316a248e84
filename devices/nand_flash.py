"""NAND flash: the command set of Samsung's K9F1G08U0B (128 MiB: 1024 blocks of 64 pages of 2048 + 64 bytes).

A page is read into and programmed from the chip's page register; programming clears bits, erasing sets those of a block.
Blocks may be bad from the factory (byte 2048 of their first two pages is not FFh) and turn bad with wear: status bit 0
then says that a program or an erase failed. Error correction is software's business; 64 spare bytes a page are there.

The controller before the chip is our own. It passes command, address and data cycles on (`NandChip`), and it can run
whole jobs: pages read, programmed or blocks erased with the data moved from and to its owner's memory, as one store.

    00 CONTROL      rw  bit 0, 1: interrupt on READY, DONE; bit 2: write protect (WP# low)
    04 STATUS       r   bit 0: ready (R/B#); 1: job running; 2: job ended by a bus error; 3: by the chip's failure
    08 EVENTS       rw  bit 0: READY, busy is over; bit 1: DONE, a job has ended; ones clear
    0C COMMAND  10 ADDRESS  14 DATA (a byte)  18 DATA32 (four bytes)          cycles on the chip's bus
    20 DMA_ADDRESS  24 DMA_LENGTH (bytes of each page, 1 to 2112)  28 PAGE  2C COLUMN  30 COUNT (pages, or blocks)
    34 JOB          w   1: read, 2: program, 3: erase. PAGE and DMA_ADDRESS move on as it goes: PAGE shows where it ended

Times: 25 us to read a page, 200 us to program it, 1.5 ms to erase a block, 25 ns a byte on the bus (datasheet K9F1G08U0B,
features and AC characteristics; the 25 us is the maximum of its sister K9F1G08U0A), 100,000 erases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from devices.device import TickState, Wiring
from devices.nand_chip import (
    ERASE_CONFIRM,
    FAIL,
    NS,
    PAGES_IN_BLOCK,
    PROGRAM_CONFIRM,
    READ_CONFIRM,
    WHOLE_PAGE,
    NandChip,
    NandChipState,
)
from devices.registers import Field, Reg, stored

IRQ_READY, IRQ_DONE, PROTECT = 1 << 0, 1 << 1, 1 << 2
"""Bits of CONTROL; the first two are also those of EVENTS."""
READY, RUNNING, BUS_ERROR, FAILED = 1 << 0, 1 << 1, 1 << 2, 1 << 3
"""Bits of STATUS."""
READ, PROGRAM, ERASE = 1, 2, 3
"""Jobs."""
_CONFIRM = {READ: READ_CONFIRM, PROGRAM: PROGRAM_CONFIRM, ERASE: ERASE_CONFIRM}
_CONTROL = (Field("IRQ_READY", 0), Field("IRQ_DONE", 1), Field("PROTECT", 2))
_STATUS = (Field("READY", 0), Field("RUNNING", 1), Field("BUS_ERROR", 2), Field("FAILED", 3))
_EVENTS = (Field("READY", 0), Field("DONE", 1))


@dataclass
class NandFlashState(NandChipState, TickState):
    """The whole snapshot: chip and controller."""

    control: int = 0
    events: int = 0
    job: int = 0
    outcome: int = 0
    address: int = 0
    length: int = WHOLE_PAGE
    page: int = 0
    start: int = 0
    """COLUMN."""
    count: int = 1


class NandFlash(NandChip):
    """Chip and controller. Parameters are those of `NandChip`."""

    state: NandFlashState
    KEPT: ClassVar[frozenset[str]] = NandChip.KEPT

    def __init__(
        self,
        wiring: Wiring,
        state: NandFlashState | None = None,
        *,
        blocks: int = 1024,
        bad_blocks: int = 0,
        seed: int = 1,
        endurance: int = 100_000,
        read_ns: int = 25_000,
        program_ns: int = 200_000,
        erase_ns: int = 1_500_000,
        byte_ns: int = 25,
        frequency: int = NS,
    ) -> None:
        s = state or NandFlashState()
        times = (read_ns, program_ns, erase_ns, byte_ns)
        super().__init__(wiring, s, blocks, bad_blocks, seed, endurance, times, frequency)
        self.registers = self._bank(
            Reg("CONTROL", 0x00, lambda: s.control, self._set_control, _CONTROL),
            Reg("STATUS", 0x04, self._status, None, _STATUS),
            Reg("EVENTS", 0x08, lambda: s.events, self._clear, _EVENTS),
            Reg("COMMAND", 0x0C, None, self._command),
            Reg("ADDRESS", 0x10, None, self._address),
            Reg("DATA", 0x14, lambda: self.take(1), lambda value: self._data(value, 1)),
            Reg("DATA32", 0x18, lambda: self.take(4), lambda value: self._data(value, 4)),
            stored("DMA_ADDRESS", 0x20, s, "address"),
            stored("DMA_LENGTH", 0x24, s, "length", mask=0xFFF),
            stored("PAGE", 0x28, s, "page", mask=0xFF_FFFF),
            stored("COLUMN", 0x2C, s, "start", mask=0xFFF),
            stored("COUNT", 0x30, s, "count", mask=0xFFFF),
            Reg("JOB", 0x34, lambda: s.job, self._start, (Field("KIND", 0, 2),)),
        )

    # ---- registers

    def _set_control(self, value: int) -> None:
        s = self.state
        s.control, s.protected = value & 7, value >> 2 & 1
        self._update_line()

    def _status(self) -> int:
        s = self.state
        return s.outcome | (0 if s.busy else READY) | (RUNNING if s.job else 0)

    def _clear(self, value: int) -> None:
        self.state.events &= ~value
        self._update_line()

    def _update_line(self) -> None:
        self._drive(bool(self.state.events & self.state.control & (IRQ_READY | IRQ_DONE)))

    def _command(self, value: int) -> None:
        if not self.state.job:  # the bus belongs to the job
            self.command(value & 0xFF)

    def _address(self, value: int) -> None:
        if not self.state.job:
            self.address(value & 0xFF)

    def _data(self, value: int, size: int) -> None:
        if not self.state.job:
            self.put(value.to_bytes(4, "little")[:size])

    # ---- jobs

    def _start(self, value: int) -> None:
        """JOB is written: ignored while the chip is busy. What it asks for is checked as it goes, page by page."""
        s = self.state
        if s.job or s.busy or value not in _CONFIRM:
            return
        s.job, s.outcome = value, 0
        self._next_page()
        self._wiring.kick()

    def _next_page(self) -> None:
        """Give the chip the cycles of the next page of the job, or end it."""
        s = self.state
        fits = s.job == ERASE or 0 < s.length <= WHOLE_PAGE - s.start
        if not s.count:
            self._end_job(0)
        elif not fits or s.page >= self.blocks * PAGES_IN_BLOCK:
            self._end_job(BUS_ERROR)
        elif s.job == PROGRAM:
            data = self._fetch(s.address, s.length)
            if data is None:
                self._end_job(BUS_ERROR)
            else:
                self.load_page(s.page, s.start, data)
                self.begin(PROGRAM_CONFIRM, moved=s.length)
        else:
            s.row, s.column = s.page, s.start
            self.begin(_CONFIRM[s.job], moved=s.length if s.job == READ else 0)

    def finished(self) -> None:
        """The chip is ready again."""
        s = self.state
        if s.job and s.chip_status & FAIL:
            self._end_job(FAILED)
        elif s.job == READ and not self._store(s.address, bytes(s.register[s.start : s.start + s.length])):
            self._end_job(BUS_ERROR)
        elif s.job:
            s.count -= 1
            s.page += PAGES_IN_BLOCK if s.job == ERASE else 1
            s.address += 0 if s.job == ERASE else s.length
            self._next_page()
        else:
            s.events |= IRQ_READY
        self._update_line()

    def _end_job(self, outcome: int) -> None:
        s = self.state
        s.job, s.outcome = 0, outcome
        s.events |= IRQ_DONE
        self._update_line()
