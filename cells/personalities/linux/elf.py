"""Static and interpreted ELF programs: every field of the headers is checked before anything is mapped.

    image = parse(read)                  # `read(offset, size) -> bytes` of the file; raises Errno(ENOEXEC)
    for segment in image.segments: ...

Theory (System V ABI, ARM IHI 0044): a program is a list of segments, each a piece of the file that appears at an address, its
end filled with zeroes. Addresses and sizes come from who wrote the file: they are allegations.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import NamedTuple

from cells.personalities.linux.errno import ENOEXEC, Errno
from cells.personalities.linux.space import EXECUTE, READ, USER_END, USER_START, WRITE
from hypervisor.abi.pv import PAGE

HEADER = Struct("<4s5B7x2H5I6H")
SEGMENT = Struct("<8I")
MAGIC = b"\x7fELF"
CLASS_32, LITTLE, CURRENT = 1, 1, 1
EXECUTABLE, DYNAMIC = 2, 3
ARM = 40
LOAD, INTERPRETER, STACK, TLS = 1, 3, 0x6474E551, 7
SEGMENT_LIMIT = 64
PATH_LIMIT = 4096
_RIGHTS = ((4, READ), (2, WRITE), (1, EXECUTE))


class Segment(NamedTuple):
    """A piece of the program. `address` and `offset` agree within a page."""

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

    @property
    def end(self) -> int:
        """Behind its last byte."""
        return max(part.address + part.size for part in self.segments)


def _demand(holds: bool) -> None:
    if not holds:
        raise Errno(ENOEXEC)


def parse(read: Callable[[int, int], bytes], size: int) -> Image:
    """The headers of a file of `size` bytes.

    Raises:
        Errno: ENOEXEC, whatever is wrong.
    """
    data = read(0, HEADER.size)
    _demand(len(data) == HEADER.size)
    magic, bits, order, version, system, _, kind, machine, current, entry, at, _, _, own, each, count, *_ = (
        HEADER.unpack(data)
    )
    _demand(magic == MAGIC and (bits, order, version, current) == (CLASS_32, LITTLE, CURRENT, CURRENT))
    _demand(system in (0, 3) and kind in (EXECUTABLE, DYNAMIC) and machine == ARM)
    _demand(own >= HEADER.size and each == SEGMENT.size and 0 < count <= SEGMENT_LIMIT)
    _demand(at % 4 == 0 and at + each * count <= size)
    table = read(at, each * count)
    _demand(len(table) == each * count)
    rows = list(SEGMENT.iter_unpack(table))
    return _image(read, size, entry, kind == DYNAMIC, rows, at)


def _image(
    read: Callable[[int, int], bytes], size: int, entry: int, moves: bool, rows: list[tuple[int, ...]], at: int
) -> Image:
    segments = _segments(rows, size, moves)
    code = entry & ~1
    _demand(any(part.address <= code < part.address + part.file_size and part.rights & EXECUTE for part in segments))
    headers = 0
    for part in segments:
        if part.offset <= at and at + len(rows) * SEGMENT.size <= part.offset + part.file_size:
            headers = headers or part.address + at - part.offset
    stack = next((row[6] for row in rows if row[0] == STACK), 7)
    return Image(entry, moves, segments, headers, len(rows), _interpreter(read, size, rows), bool(stack & 1))


def _segments(rows: list[tuple[int, ...]], size: int, moves: bool) -> tuple[Segment, ...]:
    """The pieces to load, by address and apart from each other."""
    found: list[Segment] = []
    lowest = 0 if moves else USER_START
    for kind, offset, address, _, in_file, in_memory, flags, _ in rows:
        if kind != LOAD or in_memory == 0:
            continue
        _demand(in_file <= in_memory and offset + in_file <= size and offset % PAGE == address % PAGE)
        _demand(lowest <= address & -PAGE and address + in_memory <= USER_END)
        rights = sum(right for bit, right in _RIGHTS if flags & bit)
        found.append(Segment(address, offset, in_file, in_memory, rights))
        lowest = address + in_memory + PAGE - 1 & -PAGE
    _demand(bool(found))
    return tuple(found)


def _interpreter(read: Callable[[int, int], bytes], size: int, rows: list[tuple[int, ...]]) -> bytes | None:
    row = next((row for row in rows if row[0] == INTERPRETER), None)
    if row is None:
        return None
    offset, length = row[1], row[4]
    _demand(2 <= length <= PATH_LIMIT and offset + length <= size)
    path = read(offset, length)
    _demand(len(path) == length and path[-1] == 0 and path.index(0) == length - 1)
    return path[:-1]
