"""The NAND chip behind devices/nand_flash.py: command, address and data cycles, the page register, the array.

    00h a a r r 30h     read a page (a: column, r: row, low byte first); then data cycles from the column on
    05h a a E0h         go on from another column of the page that was read
    80h a a r r d.. 10h program; 85h a a d.. puts more data elsewhere in the page before 10h
    60h r r D0h         erase the block of the page
    70h                 status: bit 0 failed, bit 6 ready, bit 7 not protected; 90h 00h: identity; FFh: reset

(K9F1G08U0B datasheet, table of command sets.) A chip of more than 65536 pages takes a third row byte. While it is busy,
only status and reset are heard. The limit of four partial programs between erases is not enforced.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from devices.device import Ticking, TickState, Wiring

NS = 1_000_000_000
"""A tick of the chip's clock is one nanosecond."""
DATA, SPARE, PAGES_IN_BLOCK = 2048, 64, 64
WHOLE_PAGE = DATA + SPARE
FAIL, READY, WRITABLE = 1 << 0, 0b11 << 5, 1 << 7
"""Bits of the chip's status."""
RESET, READ_STATUS, READ_ID = 0xFF, 0x70, 0x90
READ, READ_CONFIRM, MOVE, MOVE_CONFIRM = 0x00, 0x30, 0x05, 0xE0
PROGRAM, PROGRAM_MORE, PROGRAM_CONFIRM = 0x80, 0x85, 0x10
ERASE, ERASE_CONFIRM = 0x60, 0xD0
MAKER = 0xEC
DEVICES = {512: 0xF2, 1024: 0xF1, 2048: 0xDA, 4096: 0xDC, 8192: 0xD3}
"""Blocks -> device code of chips with this geometry (as in Linux 6.1, drivers/mtd/nand/raw/nand_ids.c)."""
CONFIRMS = {READ_CONFIRM: (READ,), PROGRAM_CONFIRM: (PROGRAM, PROGRAM_MORE), ERASE_CONFIRM: (ERASE,)}
"""Second command -> the first ones that it may follow."""
BLANK = b"\xff" * WHOLE_PAGE


@dataclass
class NandChipState(TickState):
    """The chip's part of the snapshot. `pages`: content by row, `wear`: erases by block; what is missing is blank or new."""

    pages: dict[int, bytes] = field(default_factory=dict)
    wear: dict[int, int] = field(default_factory=dict)
    spoiled: list[int] = field(default_factory=list)
    """Blocks that have gone bad before their time."""
    chip_status: int = 0
    protected: int = 0
    busy: int = 0
    operation: int = 0
    first: int = 0
    """The first command of the pair that is under way."""
    shows: int = 0
    """What data cycles give: 0 the page register, or READ_STATUS, or READ_ID."""
    cycles: list[int] = field(default_factory=list)
    row: int = 0
    column: int = 0
    register: bytearray = field(default_factory=lambda: bytearray(BLANK))


class NandChip(Ticking):
    """The base of `NandFlash`, which is told by `finished` when an operation ends."""

    state: NandChipState
    KEPT: ClassVar[frozenset[str]] = frozenset(
        # An operation under way goes on: the chip has no reset pin.
        {"pages", "wear", "spoiled", "chip_status", "busy", "operation", "row", "column", "register"}
    )

    def __init__(
        self,
        wiring: Wiring,
        state: NandChipState,
        blocks: int,
        bad_blocks: int,
        seed: int,
        endurance: int,
        times: tuple[int, int, int, int],
        frequency: int,
    ) -> None:
        super().__init__(wiring, state, frequency)
        if not 0 < blocks <= 1 << 18 or not 0 <= bad_blocks < blocks:
            raise ValueError(f"{blocks} blocks of which {bad_blocks} are bad")
        self.blocks = blocks
        self.bad = bad_from_factory(blocks, bad_blocks, seed)
        self._seed, self._endurance = seed, endurance
        *operations, self._byte = times
        self._times = dict(zip((READ_CONFIRM, PROGRAM_CONFIRM, ERASE_CONFIRM), operations, strict=True))

    # ---- the bus

    def command(self, value: int) -> None:
        """A command cycle."""
        s = self.state
        if value == READ_STATUS:
            s.shows = READ_STATUS
        elif value == RESET:
            self._abort()
        elif s.busy:
            return
        elif value in CONFIRMS:
            if s.first in CONFIRMS[value]:
                self._locate(value)
                self.begin(value)
            s.first = 0
        elif value == MOVE_CONFIRM:
            s.column, s.first, s.shows = self._column(), 0, 0
        else:
            s.first, s.cycles = value, []
            s.shows = READ_ID if value == READ_ID else 0
            s.column = 0 if value == READ_ID else s.column
            if value == PROGRAM:
                s.register[:] = BLANK

    def address(self, value: int) -> None:
        """An address cycle."""
        s = self.state
        if s.busy or len(s.cycles) >= 5:
            return
        s.cycles.append(value)
        if s.first in (PROGRAM, PROGRAM_MORE) and len(s.cycles) == 2:
            s.column = self._column()
        elif s.first == PROGRAM and len(s.cycles) > 2:
            s.row = self._row(2)

    def take(self, size: int) -> int:
        """Data cycles out of the chip."""
        s = self.state
        if s.shows == READ_STATUS:
            return self._chip_status() * (0x0101_0101 if size == 4 else 1)
        if s.busy:
            return 0
        source = self._identity() if s.shows == READ_ID else s.register
        data = bytes(source[s.column : s.column + size]).ljust(size, b"\xff")
        s.column = min(s.column + size, WHOLE_PAGE)
        return int.from_bytes(data, "little")

    def put(self, data: bytes) -> None:
        """Data cycles into the page register."""
        s = self.state
        if s.first in (PROGRAM, PROGRAM_MORE) and not s.busy:
            data = data[: WHOLE_PAGE - s.column]
            s.register[s.column : s.column + len(data)] = data
            s.column += len(data)

    def load_page(self, row: int, column: int, data: bytes) -> None:
        """The cycles of a program command, all at once."""
        s = self.state
        s.row, s.register[:] = row, BLANK
        s.register[column : column + len(data)] = data

    def _identity(self) -> bytes:
        # Third byte: one chip, two-level cells. Fourth: 2 KiB pages, 16 spare bytes in 512, 128 KiB blocks, 8 bits, 25 ns.
        return bytes((MAKER, DEVICES.get(self.blocks, DEVICES[1024]), 0x00, 0x95, 0x40))

    def _chip_status(self) -> int:
        s = self.state
        return s.chip_status | (0 if s.busy else READY) | (0 if s.protected else WRITABLE)

    def _column(self) -> int:
        return min(int.from_bytes(bytes(self.state.cycles[:2]), "little"), WHOLE_PAGE)

    def _row(self, behind: int) -> int:
        """The row in the address cycles behind so many of the column. The chip ignores bits that it does not have."""
        return int.from_bytes(bytes(self.state.cycles[behind:]), "little") % (self.blocks * PAGES_IN_BLOCK)

    def _locate(self, confirm: int) -> None:
        """Take over the address at which a command is to work."""
        s = self.state
        if confirm == READ_CONFIRM:
            s.row, s.column = self._row(2), self._column()
        elif confirm == ERASE_CONFIRM:
            s.row = self._row(0)

    # ---- operations

    def begin(self, operation: int, moved: int = 0) -> None:
        """Start reading, programming or erasing; `moved` bytes travel over the bus as a part of it."""
        s = self.state
        s.operation, s.shows = operation, 0
        s.busy = self._times[operation] + moved * self._byte
        s.chip_status &= ~FAIL
        self._wiring.kick()

    def _abort(self) -> None:
        """FFh: what is under way is not done. The few microseconds that it takes are left out."""
        s = self.state
        was_busy, s.busy, s.operation = s.busy, 0, 0
        s.first, s.shows, s.cycles, s.chip_status = 0, 0, [], 0
        if was_busy:
            self.finished()

    def _run(self, passed: int) -> None:
        s = self.state
        while s.busy and passed >= s.busy:
            passed -= s.busy
            s.busy = 0
            self._work(s.operation)
            self.finished()
        s.busy = max(s.busy - passed, 0)

    def _ticks_ahead(self) -> int | None:
        return self.state.busy or None

    def _work(self, operation: int) -> None:
        """What the operation does to the array, at its end."""
        s = self.state
        block = s.row // PAGES_IN_BLOCK
        if operation == READ_CONFIRM:
            s.register[:] = self.content(s.row)
        elif s.protected or self.is_bad(block):
            s.chip_status |= FAIL
        elif operation == PROGRAM_CONFIRM:
            old = int.from_bytes(self.content(s.row), "little")
            s.pages[s.row] = (old & int.from_bytes(s.register, "little")).to_bytes(WHOLE_PAGE, "little")
        elif operation == ERASE_CONFIRM:
            self._erase(block)

    def _erase(self, block: int) -> None:
        s = self.state
        s.wear[block] = s.wear.get(block, 0) + 1
        if self.is_bad(block):
            s.chip_status |= FAIL  # this was one too many: what was there stays
            return
        for row in range(block * PAGES_IN_BLOCK, (block + 1) * PAGES_IN_BLOCK):
            s.pages.pop(row, None)

    def finished(self) -> None:
        """An operation has ended: the controller's business."""

    def content(self, row: int) -> bytes:
        """A page of the array with its spare bytes."""
        found = self.state.pages.get(row)
        if found is not None:
            return found
        block, page = divmod(row, PAGES_IN_BLOCK)
        if block in self.bad and page < 2:
            return BLANK[:DATA] + b"\x00" + BLANK[DATA + 1 :]
        return BLANK

    def spoil(self, block: int | None, below: Callable[[int], int]) -> None:
        """A block goes bad: by default one with something in it. A bit of each of its pages flips; it takes nothing new.

        `below(n)`: a number of [0, n), by which all is chosen that is not given.
        """
        pages = self.state.pages
        used = sorted({row // PAGES_IN_BLOCK for row in pages})
        if block is None:
            block = used[below(len(used))] if used else below(self.blocks)
        for row in [row for row in sorted(pages) if row // PAGES_IN_BLOCK == block]:
            content, bit = bytearray(pages[row]), below(8 * WHOLE_PAGE)
            content[bit // 8] ^= 1 << bit % 8
            pages[row] = bytes(content)
        self.state.spoiled.append(block)

    def is_bad(self, block: int) -> bool:
        """Whether programming and erasing fail: bad from the factory, or worn out (each block a little later than the
        least that the manufacturer promises).
        """
        wear = self.state.wear.get(block, 0)
        return (
            block in self.bad
            or block in self.state.spoiled
            or (
                wear > self._endurance
                and wear > self._endurance + scatter(self._seed, block) % (self._endurance // 8 + 1)
            )
        )


def scatter(seed: int, number: int) -> int:
    """A number that looks like chance and is none (the finalizer of SplitMix64)."""
    mixed = (seed * 0x9E37_79B9_7F4A_7C15 + number * 0xBF58_476D_1CE4_E5B9) % (1 << 64)
    mixed = (mixed ^ mixed >> 30) * 0xBF58_476D_1CE4_E5B9 % (1 << 64)
    mixed = (mixed ^ mixed >> 27) * 0x94D0_49BB_1331_11EB % (1 << 64)
    return mixed ^ mixed >> 31


def bad_from_factory(blocks: int, count: int, seed: int) -> frozenset[int]:
    """The blocks that are bad when the chip is new; the first one never is."""
    return frozenset(sorted(range(1, blocks), key=lambda block: scatter(seed, block))[:count])
