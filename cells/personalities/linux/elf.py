"""Static and interpreted ELF programs: what their headers say, and what of it cannot be.

    image = parse(read)                  # `read(offset, size) -> bytes` of the file; raises Errno: this is no program of ours
    image.check()                        # raises Late: its segments cannot be mapped
    for segment in image.segments: ...

Theory (System V ABI, ARM IHI 0044): a program is a list of segments, each a piece of the file that appears at an address, its
end filled with zeroes. Addresses and sizes come from who wrote the file: they are allegations. What is wrong is answered as Linux
does (fs/binfmt_elf.c, arch/arm/kernel/elf.c): headers that are not those of an ARM program by an error of exec; segments that
cannot be mapped only when the old program is gone, by SIGSEGV. Neither looks at the class, the byte order, versions or flags of
EABI programs: a file for another machine is told by its machine's number, and a big-endian one has that the wrong way round.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import NamedTuple

from cells.personalities.arm.errno import EIO, ENOEXEC, Errno
from cells.personalities.arm.regions import EXECUTE, READ, USER_END, USER_START, WRITE
from hypervisor.abi.pv import PAGE

HEADER = Struct("<4s12x2H5I6H")
SEGMENT = Struct("<8I")
MAGIC = b"\x7fELF"
EXECUTABLE, DYNAMIC = 2, 3
ARM = 40
LOAD, INTERPRETER, STACK, TLS = 1, 3, 0x6474E551, 7
HEADERS_LIMIT = 1 << 16
"""Bytes of the program headers (load_elf_phdrs)."""
PATH_LIMIT = 4096
EABI, OLD_26_BIT, VFP_FLOAT, SOFT_FLOAT = 0xFF00_0000, 8, 0x400, 0x200
"""Of the flags; the others mean something only in programs from before the EABI."""
_RIGHTS = ((4, READ), (2, WRITE), (1, EXECUTE))


class Late(Errno):
    """The program cannot be mapped, but the old one is gone by then: who called exec is ended by SIGSEGV."""

    def __init__(self) -> None:
        super().__init__(ENOEXEC)


class Segment(NamedTuple):
    """A piece of the program. When it is checked, `address` and `offset` agree within a page."""

    address: int
    offset: int
    file_size: int
    size: int
    rights: int


class Image(NamedTuple):
    """What is to be mapped. `headers`: virtual address of the program headers, 0 if no segment has them."""

    entry: int
    moves: bool
    """It may lie anywhere (ET_DYN)."""
    segments: tuple[Segment, ...]
    headers: int
    header_count: int
    interpreter: bytes | None
    executable_stack: bool

    def moved(self, by: int) -> Image:
        """The same elsewhere."""
        segments = tuple(part._replace(address=part.address + by) for part in self.segments)
        return self._replace(
            entry=self.entry + by, segments=segments, headers=self.headers + by if self.headers else 0, moves=False
        )

    def check(self) -> None:
        """Whether it can be mapped.

        Raises:
            Late: it cannot.
        """
        lowest = 0 if self.moves else USER_START
        _demand_late(self.entry < USER_END)
        _demand_late(bool(self.segments) or not self.moves)
        for part in self.segments:
            _demand_late(part.file_size <= part.size and part.offset % PAGE == part.address % PAGE)
            _demand_late(lowest <= part.address & -PAGE and part.address + part.size <= USER_END)

    @property
    def end(self) -> int:
        """Behind its last byte."""
        return max((part.address + part.size for part in self.segments), default=USER_START)


def _demand(holds: bool) -> None:
    if not holds:
        raise Errno(ENOEXEC)


def _demand_late(holds: bool) -> None:
    if not holds:
        raise Late


def parse(read: Callable[[int, int], bytes]) -> Image:
    """The headers of a file.

    Raises:
        Errno: ENOEXEC; EIO, the name of its interpreter is outside of the file.
    """
    data = read(0, HEADER.size)
    _demand(len(data) == HEADER.size)
    magic, kind, machine, _, entry, at, _, flags, _, each, count, *_ = HEADER.unpack(data)
    _demand(magic == MAGIC and kind in (EXECUTABLE, DYNAMIC) and machine == ARM)
    _demand(entry & 3 != 2 and _can_run(flags))
    _demand(each == SEGMENT.size and 0 < each * count <= HEADERS_LIMIT)
    table = read(at, each * count)
    _demand(len(table) == each * count)
    return _image(read, entry, kind == DYNAMIC, list(SEGMENT.iter_unpack(table)), at)


def _can_run(flags: int) -> bool:
    """Programs from before the EABI may ask for what this CPU has not (elf_check_arch)."""
    return bool(flags & EABI) or not (flags & OLD_26_BIT or flags & (VFP_FLOAT | SOFT_FLOAT) == VFP_FLOAT)


def _image(read: Callable[[int, int], bytes], entry: int, moves: bool, rows: list[tuple[int, ...]], at: int) -> Image:
    segments = tuple(
        Segment(address, offset, in_file, in_memory, sum(right for bit, right in _RIGHTS if flags & bit))
        for kind, offset, address, _, in_file, in_memory, flags, _ in rows
        if kind == LOAD and (in_memory or in_file)
    )
    headers = 0
    for part in segments:
        if part.offset <= at and at + len(rows) * SEGMENT.size <= part.offset + part.file_size:
            headers = headers or part.address + at - part.offset
    stack = next((row[6] for row in rows if row[0] == STACK), 7)
    return Image(entry, moves, segments, headers, len(rows), _interpreter(read, rows), bool(stack & 1))


def _interpreter(read: Callable[[int, int], bytes], rows: list[tuple[int, ...]]) -> bytes | None:
    row = next((row for row in rows if row[0] == INTERPRETER), None)
    if row is None:
        return None
    offset, length = row[1], row[4]
    _demand(2 <= length <= PATH_LIMIT)
    path = read(offset, length)
    if len(path) != length:
        raise Errno(EIO)
    _demand(path[-1] == 0)
    return path[: path.index(0)]
