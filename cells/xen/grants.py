"""Grants from within: entries that let others use pages of this cell, and pages of others mapped into the window.

```python
reference = grants.give(domid, address)            # one page, writable
there = grants.map(domid, references)              # side by side; there.view
grants.unmap(there)
grants.end(reference)                              # False while the other one still has it mapped
```
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cells.port import RefusedError
from cells.xen.hypercalls import Hypercalls
from hypervisor.abi.memory import PAGE, WINDOW_BASE, WINDOW_SIZE
from hypervisor.abi.xen import (
    ADD_TO_PHYSMAP,
    DOMID_SELF,
    GRANT_ENTRY,
    GRANT_FRAMES,
    GRANTS_PER_FRAME,
    MAP_GRANT,
    RESERVED_GRANTS,
    UNMAP_GRANT,
    Call,
    GrantOp,
    GrantStatus,
    Gtf,
    MapFlag,
    MapSpace,
    MemoryOp,
)


class GrantRefusedError(RefusedError):
    """The hypervisor did not map a grant. `status`: as in the structure (GrantStatus)."""

    @property
    def passes(self) -> bool:
        """There is no room now: somebody has to take note of earlier changes first."""
        return self.status in (GrantStatus.EAGAIN, GrantStatus.NO_DEVICE_SPACE)


@dataclass(frozen=True, slots=True)
class Mapped:
    """Pages of another domain in this cell's window, with the handles to give them back by."""

    address: int
    handles: tuple[int, ...]
    view: memoryview


class Grants:
    """The grant table of a cell, and what it has mapped of others. `taken`: places of the window that are in use from boot on."""

    def __init__(self, xen: Hypercalls, taken: Iterable[Mapping[str, Any]] = ()) -> None:
        self._xen = xen
        self._frames: list[memoryview] = []
        self._free: list[int] = []
        self._places: dict[int, int] = {place["address"]: place["size"] for place in taken}

    # ---- giving

    def give(self, domid: int, address: int, *, read_only: bool = False) -> int:
        """Let a domain use a page; the reference."""
        if not self._free:
            self._grow()
        reference = self._free.pop()
        frame, place = self._entry(reference)
        flags = Gtf.PERMIT_ACCESS | (Gtf.READONLY if read_only else 0)
        GRANT_ENTRY.pack_into(frame, place, 0, domid, address // PAGE)
        GRANT_ENTRY.pack_into(frame, place, flags, domid, address // PAGE)  # the flags make it valid, so they come last
        return reference

    def end(self, reference: int) -> bool:
        """Let nobody use it any more; False, and it stays, while somebody does."""
        frame, place = self._entry(reference)
        flags, _, _ = GRANT_ENTRY.unpack_from(frame, place)
        if flags & (Gtf.READING | Gtf.WRITING):
            return False
        GRANT_ENTRY.pack_into(frame, place, Gtf.INVALID, 0, 0)
        self._free.append(reference)
        return True

    def _entry(self, reference: int) -> tuple[memoryview, int]:
        return self._frames[reference // GRANTS_PER_FRAME], reference % GRANTS_PER_FRAME * GRANT_ENTRY.size

    def _grow(self) -> None:
        """One more grant frame, in a page of this cell's own."""
        index, memory = len(self._frames), self._xen.port.memory
        if index >= GRANT_FRAMES:
            raise MemoryError(f"all {GRANT_FRAMES * GRANTS_PER_FRAME} grant references are in use")
        address = memory.allocate(1)
        place = (DOMID_SELF, 0, MapSpace.GRANT_TABLE, index, address // PAGE)
        self._xen.call(Call.MEMORY, MemoryOp.ADD_TO_PHYSMAP, ADD_TO_PHYSMAP, *place)
        self._frames.append(memory.view(address, PAGE))
        first = index * GRANTS_PER_FRAME + (RESERVED_GRANTS if index == 0 else 0)
        self._free += range((index + 1) * GRANTS_PER_FRAME - 1, first - 1, -1)

    # ---- taking

    def map(self, domid: int, references: Sequence[int], *, writable: bool = True) -> Mapped:
        """Map pages of a domain side by side.

        Raises:
            GrantRefusedError: one of them was refused; none is mapped.
        """
        size = len(references) * PAGE
        address = self._place(size)
        flags = MapFlag.HOST_MAP | (0 if writable else MapFlag.READONLY)
        rows = [(address + n * PAGE, flags, reference, domid, 0, 0, 0) for n, reference in enumerate(references)]
        answers = self._xen.batch(Call.GRANT_TABLE, GrantOp.MAP, MAP_GRANT, rows)
        done = [(host, handle) for host, _, _, _, status, handle, _ in answers if not status]
        if len(done) < len(references):
            self._give_back(done)
            raise GrantRefusedError("map_grant_ref", next(answer[4] for answer in answers if answer[4]))
        self._places[address] = size
        return Mapped(address, tuple(handle for _, handle in done), self._xen.port.memory.view(address, size))

    def unmap(self, mapped: Mapped) -> None:
        """Give them back, also when the granter is gone."""
        self._give_back([(mapped.address + n * PAGE, handle) for n, handle in enumerate(mapped.handles)])
        del self._places[mapped.address]

    def _give_back(self, places: list[tuple[int, int]]) -> None:
        rows = [(host, 0, handle, 0) for host, handle in places]
        for _, _, handle, status in self._xen.batch(Call.GRANT_TABLE, GrantOp.UNMAP, UNMAP_GRANT, rows):
            if status:
                raise GrantRefusedError(f"unmap_grant_ref of handle {handle}", status)

    def _place(self, size: int) -> int:
        """The lowest free place of the window."""
        address = WINDOW_BASE
        for taken, length in sorted(self._places.items()):
            if taken - address >= size:
                break
            address = max(address, taken + length)
        if address + size > WINDOW_BASE + WINDOW_SIZE:
            raise MemoryError(f"the window has no gap of {size} bytes")
        return address
