"""System calls that wait for descriptors in sets of bits: select and pselect."""

from __future__ import annotations

import struct
from typing import Any

from cells.personalities.arm.errno import EINVAL, Errno
from cells.personalities.linux.file import POLL_ERROR, POLL_HANGUP, POLL_IN, POLL_OUT, POLL_PRIORITY
from cells.personalities.linux.table import FULL, call
from cells.personalities.linux.waiting import deadline, mask_at, queues_of, tell_left, then, timeout_at, wait_for
from cells.personalities.linux.words import signed

SELECTED = 1024
"""FD_SETSIZE."""


INTERESTING = (POLL_IN | POLL_HANGUP | POLL_ERROR, POLL_OUT | POLL_ERROR, POLL_PRIORITY)
"""What makes a file readable, writable, or otherwise worth a look."""


class Selection:
    """One select: three sets of descriptors, as bits."""

    def __init__(self, process: Any, limit: int, places: tuple[int, int, int]) -> None:
        if signed(limit) < 0:
            raise Errno(EINVAL)
        self.process, self.places = process, places
        limit = min(limit, SELECTED)
        self.size = -(-limit // 32) * 4
        self.wanted = [self._bits(at) & (1 << limit) - 1 for at in places]
        self.found = [0, 0, 0]
        asked = self.wanted[0] | self.wanted[1] | self.wanted[2]
        descriptors = [i for i in range(limit) if asked >> i & 1] if asked else []
        self.files = {descriptor: process.files.file(descriptor) for descriptor in descriptors}

    def _bits(self, at: int) -> int:
        return int.from_bytes(self.process.space.read(at, self.size), "little") if at else 0

    def look(self) -> int:
        """How many bits are set in what was found."""
        self.found, count = [0, 0, 0], 0
        for descriptor, file in self.files.items():
            state = file.poll()
            for i in range(3):
                if self.wanted[i] >> descriptor & 1 and state & INTERESTING[i]:
                    self.found[i] |= 1 << descriptor
                    count += 1
        return count

    def store(self) -> None:
        """The sets become what was found."""
        for at, bits in zip(self.places, self.found, strict=True):
            if at:
                self.process.space.write(at, bits.to_bytes(self.size, "little"))


def _select(
    process: Any, limit: int, places: tuple[int, int, int], time: tuple[int, str, int], mask: int | None
) -> Any:
    """`time`: address, form and unit of the timeout."""
    until = deadline(process, timeout_at(process, *time))
    selection = Selection(process, limit, places)
    outcome = wait_for(process, selection.look, lambda: queues_of(selection.files.values()), until, mask)

    def finish(count: int) -> int:
        selection.store()
        tell_left(process, *time, until)
        return count

    if isinstance(outcome, int):
        return finish(outcome)
    return then(outcome, finish, lambda: tell_left(process, *time, until))


@call(142, "_newselect", FULL)
def sys_select(process: Any, limit: int, reading: int, writing: int, other: int, timeout: int, *_: int) -> Any:
    """Wait for descriptors in sets of bits."""
    return _select(process, limit, (reading, writing, other), (timeout, "<ii", 1000), None)


def _pselect(process: Any, limit: int, places: tuple[int, int, int], time: tuple[int, str, int], pair: int) -> Any:
    mask = mask_at(process, *struct.unpack("<II", process.space.read(pair, 8))) if pair else None
    return _select(process, limit, places, time, mask)


@call(335, "pselect6", FULL)
def sys_pselect6(process: Any, limit: int, reading: int, writing: int, other: int, timeout: int, mask: int) -> Any:
    """select with other signals blocked."""
    return _pselect(process, limit, (reading, writing, other), (timeout, "<ii", 1), mask)


@call(413, "pselect6_time64", FULL)
def sys_pselect6_64(process: Any, limit: int, reading: int, writing: int, other: int, timeout: int, mask: int) -> Any:
    """select with other signals blocked."""
    return _pselect(process, limit, (reading, writing, other), (timeout, "<qi4x", 1), mask)
