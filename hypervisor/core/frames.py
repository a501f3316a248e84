"""Physical memory: frames of 4 KiB, each with at most one owner.

A frame's number is its physical address / 4096. What an owner gets is a *segment*: frames in one piece, with a
purpose, under an id that is never used again. The table keeps segments, not frames: a board of 512 MiB with ten cells
is a list of some ten entries. Allocation is first fit from the lowest address, so equal requests give equal addresses
in every run.

>>> table = FrameTable(total_bytes=1 << 20, base=0x8000_0000)
>>> ram = table.allocate("ui", 10_000, "ram")
>>> hex(ram.address), ram.count, table.owner_of(ram.first + 2)
('0x80000000', 3, 'ui')
>>> table.release("ui") == (ram,), table.account("ui")
(True, Account(now=0, peak=12288))
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

from hypervisor.abi.status import Status
from hypervisor.core.errors import Refused, require_none
from hypervisor.faults.injector import Injector

FRAME = 4096
"""Bytes of a frame: the small page of every ARM MMU that we model."""


class OutOfFrames(Refused):
    """There is no gap of `wanted` frames; the largest has `largest`."""

    def __init__(self, owner: str, wanted: int, largest: int) -> None:
        super().__init__(Status.NO_ROOM, f'{wanted} frames for "{owner}": the largest gap has {largest}')
        self.wanted = wanted
        self.largest = largest


@dataclass(frozen=True, slots=True)
class Segment:
    """`count` frames from number `first` on."""

    id: int
    first: int
    count: int
    owner: str
    purpose: str

    @property
    def end(self) -> int:
        """The number of the first frame behind it."""
        return self.first + self.count

    @property
    def address(self) -> int:
        """Its physical address."""
        return self.first * FRAME

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.count * FRAME


class Account(NamedTuple):
    """Bytes that an owner has now, and the most it ever had."""

    now: int
    peak: int


class FrameTable:
    """Who owns which frame of `total_bytes` of memory at physical address `base`.

    Raises:
        ValueError: memory that does not consist of whole frames.
    """

    def __init__(self, total_bytes: int, base: int = 0) -> None:
        if total_bytes <= 0 or base < 0 or total_bytes % FRAME or base % FRAME:
            raise ValueError(f"memory of {total_bytes:#x} bytes at {base:#x} does not consist of whole frames")
        self._first = base // FRAME
        self._end = self._first + total_bytes // FRAME
        self._segments: list[Segment] = []  # by first frame
        self._accounts: dict[str, Account] = {}
        self._next_id = 1
        self.faults: Injector | None = None

    def allocate(self, owner: str, size: int, purpose: str) -> Segment:
        """The lowest gap that holds `size` bytes, rounded up to frames.

        Raises:
            OutOfFrames: no gap is large enough. Nothing has changed.
            ValueError: a size that is not positive.
        """
        if size <= 0:
            raise ValueError(f'"{owner}" asks for {size} bytes')
        count = -(-size // FRAME)
        if self.faults is not None and self.faults.visit("core.frames", owner, frames=count):
            raise OutOfFrames(owner, count, 0)
        segment = Segment(self._next_id, self._find_gap(owner, count), count, owner, purpose)
        self._next_id += 1
        self._segments.insert(bisect_right(self._segments, segment.first, key=lambda other: other.first), segment)
        self._book(owner, segment.size)
        return segment

    def free_one(self, segment: int) -> Segment:
        """Take one segment from its owner.

        Raises:
            ValueError: there is none of this id.
        """
        for place, found in enumerate(self._segments):
            if found.id == segment:
                del self._segments[place]
                self._book(found.owner, -found.size)
                return found
        raise ValueError(f"no segment of frames has the id {segment}")

    def release(self, owner: str) -> tuple[Segment, ...]:
        """Take everything from `owner`; the answer is what it had, by address. Its account stays, at 0."""
        released = self.segments(owner)
        self._segments = [segment for segment in self._segments if segment.owner != owner]
        self._book(owner, -sum(segment.size for segment in released))
        return released

    def owner_of(self, frame: int) -> str | None:
        """Whose frame it is; None if nobody's or not in this memory at all."""
        index = bisect_right(self._segments, frame, key=lambda segment: segment.first) - 1
        return self._segments[index].owner if index >= 0 and frame < self._segments[index].end else None

    def segments(self, owner: str | None = None) -> tuple[Segment, ...]:
        """The segments of `owner`, or all, by address."""
        return tuple(segment for segment in self._segments if owner in (None, segment.owner))

    def account(self, owner: str) -> Account:
        """What `owner` has and had."""
        return self._accounts.get(owner, Account(0, 0))

    def accounts(self) -> dict[str, Account]:
        """Everybody who ever owned a frame, by name."""
        return dict(sorted(self._accounts.items()))

    @property
    def base(self) -> int:
        """The physical address at which this memory begins."""
        return self._first * FRAME

    @property
    def total(self) -> int:
        """Bytes of this memory."""
        return (self._end - self._first) * FRAME

    @property
    def free(self) -> int:
        """Bytes that nobody owns, perhaps in several pieces."""
        return self.total - sum(account.now for account in self._accounts.values())

    def check_invariants(self) -> None:
        """Segments lie inside the memory, apart from each other; the accounts are what the segments sum to.

        Raises:
            InvariantBroken: it is not so.
        """
        problems, behind, owned = [], self._first, dict.fromkeys(self._accounts, 0)
        for segment in self._segments:
            if segment.first < behind or segment.count <= 0 or segment.end > self._end:
                problems.append(f"frames: {segment} does not lie between {behind} and {self._end}")
            behind = segment.end
            owned[segment.owner] = owned.get(segment.owner, 0) + segment.size
        for owner, size in owned.items():
            account = self.account(owner)
            if account.now != size or account.peak < size:
                problems.append(f'frames: "{owner}" has {size} bytes, its account says {account}')
        if len({segment.id for segment in self._segments}) != len(self._segments):
            problems.append("frames: two segments have one id")
        require_none(problems)

    def _find_gap(self, owner: str, count: int) -> int:
        start, largest = self._first, 0
        for next_start, next_end in [*((s.first, s.end) for s in self._segments), (self._end, self._end)]:
            if next_start - start >= count:
                return start
            largest = max(largest, next_start - start)
            start = next_end
        raise OutOfFrames(owner, count, largest)

    def _book(self, owner: str, change: int) -> None:
        now, peak = self.account(owner)
        self._accounts[owner] = Account(now + change, max(peak, now + change))
