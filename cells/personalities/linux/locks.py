"""Locks of files: records (fcntl) and whole ones (flock).

    locks_of(inode).record(owner, EXCLUSIVE, 0, 100)       # raises WouldBlock: somebody else has a part of it
    locks_of(inode).whole(file, SHARED)
    locks_of(inode).forget(owner)

Theory (POSIX; Linux fs/locks.c): a record lock belongs to a process, here to its table of descriptors, and ends when the process
closes any descriptor of the file; one of the "open file description" kind, and flock's, belongs to the open file and ends with
it. Owners do not hinder themselves: a new lock replaces what it covers of their old ones. Records and whole locks do not meet.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from cells.personalities.arm.errno import EDEADLK, ENOLCK, Errno
from cells.personalities.arm.wait import Queue
from cells.personalities.linux.file import WouldBlock
from cells.personalities.linux.held import Held
from cells.personalities.linux.inode import Inode

SHARED, EXCLUSIVE, NONE = 0, 1, 2
"""F_RDLCK, F_WRLCK, F_UNLCK."""
RECORDS = 256
"""Locks of one file; more are refused. Assumed."""
BYTES = 256
"""Of the host, for one of them: assumed."""
END = 1 << 63


class Record(NamedTuple):
    """A locked part of a file, `end` not included."""

    start: int
    end: int
    kind: int
    owner: Any
    pid: int


class Locks:
    """The locks of one file. `held`: where they count among all that the kernel holds for programs."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self.records: list[Record] = []
        self.holders: dict[Any, int] = {}
        """flock: open file -> kind."""
        self.changed = Queue()
        self.waiting: dict[Any, Any] = {}
        """Owner -> the owner it waits for."""

    def conflict(self, owner: Any, kind: int, start: int, end: int) -> Record | None:
        """The first lock of somebody else that such a one cannot be beside."""
        for other in sorted(self.records, key=lambda record: record.start):
            meets = other.start < end and start < other.end
            if meets and other.owner is not owner and EXCLUSIVE in (kind, other.kind):
                return other
        return None

    def record(self, owner: Any, kind: int, start: int, end: int, pid: int) -> None:
        """Set a lock, or with NONE take it away.

        Raises:
            WouldBlock: somebody else has one. Errno: EDEADLK, who has it waits for us; ENOLCK, there are too many.
        """
        self.waiting.pop(owner, None)
        other = self.conflict(owner, kind, start, end) if kind != NONE else None
        if other is not None:
            if self._leads_to(other.owner, owner):
                raise Errno(EDEADLK)
            self.waiting[owner] = other.owner
            raise WouldBlock(self.changed)
        kept = [part for record in self.records for part in _without(record, owner, start, end)]
        if kind != NONE:
            kept.append(Record(start, end, kind, owner, pid))
        if len(kept) > RECORDS:
            raise Errno(ENOLCK)
        self._held.take(BYTES * (len(kept) - len(self.records)), ENOLCK)
        self.records = kept
        self.changed.wake()

    def _leads_to(self, one: Any, target: Any) -> bool:
        for _ in range(len(self.waiting)):
            one = self.waiting.get(one)
            if one is None or one is target:
                break
        return one is target

    def whole(self, file: Any, kind: int) -> None:
        """flock.

        Raises:
            WouldBlock: somebody else has it.
        """
        others = [held for holder, held in self.holders.items() if holder is not file]
        if kind != NONE and (EXCLUSIVE in others or (others and kind == EXCLUSIVE)):
            if self.holders.pop(file, None) is not None:  # a change of kind gives up the old one first
                self.changed.wake()
            raise WouldBlock(self.changed)
        self.holders.pop(file, None)
        if kind != NONE:
            self.holders[file] = kind
        self.changed.wake()

    def forget(self, owner: Any) -> None:
        """It has none any more."""
        self.waiting.pop(owner, None)
        if self.holders.pop(owner, None) is None and all(record.owner is not owner for record in self.records):
            return
        kept = [record for record in self.records if record.owner is not owner]
        self._held.give(BYTES * (len(self.records) - len(kept)))
        self.records = kept
        self.changed.wake()


def _without(record: Record, owner: Any, start: int, end: int) -> list[Record]:
    """What is left of a record of that owner outside of a range."""
    if record.owner is not owner or record.end <= start or end <= record.start:
        return [record]
    parts = (record._replace(end=start), record._replace(start=end))
    return [part for part in parts if part.start < part.end]


def locks_of(inode: Inode) -> Locks:
    """Those of a file."""
    if inode.locks is None:
        inode.locks = Locks(inode.tree.held)
    locks: Locks = inode.locks
    return locks


def forget(inode: Inode | None, owner: Any) -> None:
    """A descriptor, or an open file, is closed."""
    if inode is not None and inode.locks is not None:
        inode.locks.forget(owner)
