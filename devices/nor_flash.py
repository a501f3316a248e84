"""NOR flash with the common flash interface: Intel's 28F640J3 StrataFlash (datasheet 290667) on a 16-bit bus.

There are no registers: the chip answers at every word of its range, and what a read gives depends on the commands that
were written before. As long as it gives the array it is as good as memory (`readable`, `take_changes`). Memory cells can
only be cleared one by one; a whole block of 128 KiB is set again by an erase. Erasing and programming take time, during
which every read gives the status register.

| first write | then | what |
|---|---|---|
| FFh | | read array: the content (after reset) |
| 70h, 50h | | read, clear the status register |
| 90h, 98h | | read identifier codes, read query (CFI table; commands are given at any address) |
| 20h | D0h in the block | block erase |
| 40h or 10h | data at the word | program a word |
| E8h | n-1, then n words (as many as the buffer has, one block), D0h | program the write buffer |
| B8h | 0, 1, 2, 3 | what STS signals: ready; erase done; program done; both done |

The line is STS in its pulse modes (1 to 3) behind a latch of the board: it rises when the operation is done, and any
later write to the chip lowers it. Accesses of four bytes are two bus cycles, the lower address first. Not modelled:
suspend, block locks, the protection register. A block that has seen more erases than it endures fails to erase.
Times: 6.8 us for a byte in a full buffer of 32 and 1 s for a block, 100,000 erases (datasheet, features and table of
erase and program performance; the 210 us of a word were not checked). The same chip in 65 nm (datasheet of Numonyx,
features) has a buffer of 256 words and takes 1.41 us for a byte in it: `buffer=512, buffer_us=722`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from devices.device import Ticking, TickState, Wiring
from devices.registers import Reg, RegisterBank

READY, ERASE_FAILED, PROGRAM_FAILED = 1 << 7, 1 << 5, 1 << 4
"""Bits of the status register: SR.7, SR.5, SR.4. Both failures together: an improper command sequence."""
SEQUENCE_ERROR = ERASE_FAILED | PROGRAM_FAILED

ARRAY, STATUS, IDENTIFIER, QUERY, BUFFER_STATUS = range(5)
"""What reads give."""
READ_ARRAY, READ_STATUS, CLEAR, READ_ID, READ_QUERY = 0xFF, 0x70, 0x50, 0x90, 0x98
ERASE, PROGRAM, PROGRAM_TOO, WRITE_BUFFER, CONFIRM, CONFIGURE = 0x20, 0x40, 0x10, 0xE8, 0xD0, 0xB8
FILL_BUFFER = 0x1E8
"""Our name for the state behind the count of E8h: words are expected, then the confirmation."""

PAGE = 4096
"""Grain in which content is kept; pages that were never written take no room."""
BLANK_PAGE = b"\xff" * PAGE
_READS = {READ_ARRAY: ARRAY, READ_STATUS: STATUS, READ_ID: IDENTIFIER, READ_QUERY: QUERY}


@dataclass
class NorFlashState(TickState):
    """The whole snapshot. `pages`: content by page, `wear`: erases by block; what is missing is blank, or new."""

    pages: dict[int, bytearray] = field(default_factory=dict)
    wear: dict[int, int] = field(default_factory=dict)
    spoiled: list[int] = field(default_factory=list)
    """Blocks that have gone bad before their time: they take nothing new."""
    shows: int = ARRAY
    command: int = 0
    """The first cycle of a command whose next cycle is awaited; 0 for none."""
    status: int = READY
    signals: int = 0
    operation: int = 0
    busy: int = 0
    """Ticks until the operation is done."""
    block: int = 0
    expected: int = 0
    """Words that the buffer still takes."""
    addresses: list[int] = field(default_factory=list)
    words: list[int] = field(default_factory=list)


class NorFlash(Ticking):
    """One chip. `size`, `block` and its write `buffer` in bytes, times in microseconds, which are its ticks."""

    state: NorFlashState
    KEPT: ClassVar[frozenset[str]] = frozenset(
        # An operation under way goes on: a reset of the board's software does not reach the chip's state machine.
        {"pages", "wear", "spoiled", "status", "operation", "busy", "block", "addresses", "words"}
    )

    def __init__(
        self,
        wiring: Wiring,
        state: NorFlashState | None = None,
        *,
        size: int = 8 << 20,
        block: int = 128 << 10,
        word_us: int = 210,
        buffer: int = 32,
        buffer_us: int = 218,
        erase_us: int = 1_000_000,
        endurance: int = 100_000,
        frequency: int = 1_000_000,
    ) -> None:
        super().__init__(wiring, state or NorFlashState(), frequency)
        self.size, self.block, self.endurance = size, block, endurance
        self._buffer_words = buffer // 2
        self._changed = set(self.state.pages)
        self._times = {ERASE: erase_us, PROGRAM: word_us, WRITE_BUFFER: buffer_us}
        self._query = query_table(size, block, buffer, (word_us, buffer_us, erase_us))
        self._second: dict[int, Callable[[int, int], None]] = {
            ERASE: self._erase,
            PROGRAM: self._program,
            PROGRAM_TOO: self._program,
            WRITE_BUFFER: self._count,
            FILL_BUFFER: self._fill,
            CONFIGURE: self._configure,
        }
        self.registers: FlashWindow = FlashWindow(self, self.advance, wiring.misuse, self.state.misused)

    # ---- the array as memory

    @property
    def readable(self) -> bool:
        """Whether every read gives the array, until the next write. Requires: `advance`."""
        return self.state.shows == ARRAY and not self.state.busy

    def take_changes(self) -> list[tuple[int, bytes]]:
        """Pages (offset, content) that are not as at the last call; of a chip that is new to the caller, all but blank ones."""
        pages, changed = self.state.pages, sorted(self._changed)
        self._changed.clear()
        return [(number * PAGE, bytes(pages.get(number, BLANK_PAGE))) for number in changed]

    def spoil(self, block: int | None, below: Callable[[int], int]) -> None:
        """A block goes bad: by default one with something in it. A bit of each of its pages flips; it takes nothing new.

        `below(n)`: a number of [0, n), by which all is chosen that is not given.
        """
        s = self.state
        used = sorted({page * PAGE // self.block for page in s.pages})
        if block is None:
            block = used[below(len(used))] if used else below(self.size // self.block)
        for page in [page for page in sorted(s.pages) if page * PAGE // self.block == block]:
            bit = below(8 * PAGE)
            s.pages[page][bit // 8] ^= 1 << bit % 8
            self._changed.add(page)
        s.spoiled.append(block)

    # ---- the bus

    def load(self, offset: int, size: int) -> int:
        """What a read gives: bytes of the word, or two words."""
        words = self._word(offset & ~1) | (self._word(offset + 2) << 16 if size == 4 else 0)
        return words >> 8 * (offset & 1) & ((1 << 8 * size) - 1)

    def store(self, offset: int, value: int) -> None:
        """A write cycle: a command, or what it asked for."""
        s = self.state
        if not s.busy:
            self._drive(False)
        if s.command:
            self._second[s.command](offset, value)
        else:
            self._first(value & 0xFF)

    def fill(self, offset: int, data: bytes) -> bool:
        """As many stores of words, one after another, if all of them go into the write buffer; else nothing."""
        s, count = self.state, len(data) // 2
        if s.command != FILL_BUFFER or count > s.expected or s.busy:
            return False
        self._drive(False)
        s.addresses += range(offset, offset + len(data), 2)
        s.words += struct.unpack(f"<{count}H", data)
        s.expected -= count
        return True

    def _word(self, offset: int) -> int:
        s = self.state
        if s.busy or s.shows == STATUS:
            return s.status
        if s.shows == ARRAY:
            page = s.pages.get(offset // PAGE)
            return 0xFFFF if page is None else int.from_bytes(page[offset % PAGE : offset % PAGE + 2], "little")
        if s.shows == BUFFER_STATUS:
            return READY
        if s.shows == QUERY:
            return self._query.get(offset >> 1, 0)
        return {0: 0x89, 1: 0x16 + (self.size >> 22).bit_length() - 1}.get(offset >> 1, 0)  # 32 Mbit is 16h

    # ---- commands

    def _first(self, command: int) -> None:
        s = self.state
        if s.busy:
            return  # the state machine listens to nothing but suspend, which is not modelled
        if command in _READS:
            s.shows = _READS[command]
        elif command == CLEAR:
            s.status = READY
        elif command in self._second:
            s.command = command
            s.shows = BUFFER_STATUS if command == WRITE_BUFFER else s.shows

    def _erase(self, offset: int, value: int) -> None:
        s = self.state
        s.command = 0
        if value & 0xFF == CONFIRM:
            s.block = offset // self.block
            self._begin(ERASE)
        else:
            self._fail(SEQUENCE_ERROR)

    def _program(self, offset: int, value: int) -> None:
        s = self.state
        s.command = 0
        s.addresses, s.words = [offset], [value]
        self._begin(PROGRAM)

    def _count(self, offset: int, value: int) -> None:
        """The number of words, less one."""
        s = self.state
        s.command, s.expected, s.block = FILL_BUFFER, value + 1, offset // self.block
        s.addresses, s.words = [], []
        if value >= self._buffer_words:
            s.command = 0
            self._fail(SEQUENCE_ERROR)

    def _fill(self, offset: int, value: int) -> None:
        s = self.state
        if s.expected:
            s.addresses.append(offset)
            s.words.append(value)
            s.expected -= 1
            return
        s.command = 0
        if value & 0xFF == CONFIRM and all(address // self.block == s.block for address in s.addresses):
            self._begin(WRITE_BUFFER)
        else:
            self._fail(SEQUENCE_ERROR)

    def _configure(self, _offset: int, value: int) -> None:
        s = self.state
        s.command, s.signals = 0, value & 3

    def _fail(self, why: int) -> None:
        s = self.state
        s.status |= why
        s.shows = STATUS

    # ---- the write state machine

    def _begin(self, operation: int) -> None:
        s = self.state
        s.shows, s.operation, s.busy = STATUS, operation, self._times[operation]
        s.status &= ~READY
        self._wiring.kick()

    def _run(self, passed: int) -> None:
        s = self.state
        if not s.busy:
            return
        s.busy = max(s.busy - passed, 0)
        if not s.busy:
            self._finish()

    def _ticks_ahead(self) -> int | None:
        return self.state.busy or None

    def _finish(self) -> None:
        s = self.state
        s.status |= READY
        if s.operation == ERASE:
            self._blank()
        self._clear_bits(s.addresses, s.words)
        signal = 1 if s.operation == ERASE else 2
        s.operation, s.addresses, s.words = 0, [], []
        if s.signals & signal:
            self._drive(True)

    def _blank(self) -> None:
        """The block's cells are set, unless it is worn out."""
        s = self.state
        s.wear[s.block] = s.wear.get(s.block, 0) + 1
        if s.wear[s.block] > self.endurance or s.block in s.spoiled:
            s.status |= ERASE_FAILED
            return
        first, last = s.block * self.block // PAGE, (s.block + 1) * self.block // PAGE
        for page in [page for page in s.pages if first <= page < last]:
            del s.pages[page]
            self._changed.add(page)

    def _clear_bits(self, addresses: list[int], words: list[int]) -> None:
        """Programming makes zeros; it never makes ones."""
        if addresses and addresses[0] // self.block in self.state.spoiled:
            self.state.status |= PROGRAM_FAILED
            return
        start = addresses[0] if addresses else 0
        if addresses == list(range(start, start + 2 * len(words), 2)) and start % PAGE + 2 * len(words) <= PAGE:
            self._clear_stretch(start, struct.pack(f"<{len(words)}H", *words))
            return
        for address, word in zip(addresses, words, strict=True):
            self._clear_stretch(address, word.to_bytes(2, "little"))

    def _clear_stretch(self, offset: int, data: bytes) -> None:
        """The same for bytes that lie together in one page: a whole buffer in one step."""
        number, place = offset // PAGE, offset % PAGE
        if data.strip(b"\xff"):
            page = self.state.pages.setdefault(number, bytearray(BLANK_PAGE))
            self._changed.add(number)
            left = int.from_bytes(page[place : place + len(data)], "little") & int.from_bytes(data, "little")
            page[place : place + len(data)] = left.to_bytes(len(data), "little")


def query_table(size: int, block: int, buffer: int, times_us: tuple[int, int, int]) -> dict[int, int]:
    """What the chip says of itself (JEDEC JESD68.01): word address -> byte. Times are powers of two, rounded down."""
    table = dict(enumerate(b"QRY\x01\x00\x31\x00\x00\x00\x00\x00\x27\x36\x00\x00", 0x10))
    word_us, buffer_us, erase_us = times_us
    times = (word_us, buffer_us, erase_us // 1000)
    table |= dict(enumerate((max(each.bit_length() - 1, 0) for each in times), 0x1F))
    table |= dict(enumerate((0, 4, 4, 4, 0), 0x22))  # no chip erase; at most sixteen times the typical time
    blocks, grains = size // block - 1, block // 256
    shape = (
        size.bit_length() - 1,
        2,
        0,
        buffer.bit_length() - 1,
        0,
        1,
        blocks & 0xFF,
        blocks >> 8,
        grains & 0xFF,
        grains >> 8,
    )
    table |= dict(enumerate(shape, 0x27))
    return table | dict(enumerate(b"PRI11\x00\x00\x00\x00", 0x31))  # no optional feature is there


class FlashWindow(RegisterBank):
    """The chip's range as a register bank: every word answers. A few are named, for the table and for tests."""

    def __init__(
        self, chip: NorFlash, before: Callable[[], None], misuse: Callable[[str], None], seen: list[int]
    ) -> None:
        named = {"FIRST_WORD": 0, "QUERY": 0x20, "QUERY_SIZE": 0x4C, "SECOND_BLOCK": chip.block, "LAST": chip.size - 4}
        registers = [Reg(name, at, partial(chip.load, at, 4), partial(chip.store, at)) for name, at in named.items()]
        super().__init__(registers, before=before, misuse=misuse, seen=seen)
        self._chip = chip

    def read(self, offset: int, size: int) -> int:
        """What the guest's load gets."""
        self._before()
        if size in (1, 2, 4) and offset % size == 0 and 0 <= offset < self._chip.size:
            return self._chip.load(offset, size)
        self._complain("read", offset, size)
        return 0

    def write(self, offset: int, size: int, value: int) -> None:
        """What the guest's store does: one bus cycle, or two. The bus has no byte lanes."""
        self._before()
        if size not in (2, 4) or offset % size or not 0 <= offset < self._chip.size:
            self._complain("write", offset, size)
            return
        for cycle in range(0, size, 2):
            self._chip.store(offset + cycle, value >> 8 * cycle & 0xFFFF)

    def write_many(self, offset: int, size: int, data: bytes) -> None:
        """See `RegisterBank`."""
        self._before()
        inside = offset % size == 0 and 0 <= offset <= self._chip.size - len(data)
        if size == 1 or not inside or not self._chip.fill(offset, data):
            super().write_many(offset, size, data)
