"""The back end of a kernel's disk: blkif requests of an unmodified front end onto a share of a store.

Theory: a request is answered when the store has done it, in order, so that a back end that dies between any two steps leaves
whole requests behind (shared_ring.py); all of them may be repeated without harm. A front end that keeps its pages granted
("feature-persistent") is served without a hypercall but the bell.

```python
device = BlkBack(kernel, told, share, port, port.print)
device.begin()
while True:
    if not device.serve():
        connections.wait()
```
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cells.port import RefusedError
from cells.split.block.back import Share, StoreError
from cells.split.ends import Clock, copy_cycles
from cells.xen import blkif
from cells.xen.blkif import Answer, Operation, Request
from cells.xen.guest_pages import CopiedPages, GuestPages, KeptPages
from cells.xen.kernel import Kernel
from cells.xen.kernel_device import ABI, REQUEST_CYCLES, KernelDevice
from cells.xen.shared_ring import SharedRing

READ_ONLY = 4
"""VDISK_READONLY in the node `info`."""


class BlkBack(KernelDevice):
    """One disk of one front end. `served`, `refused`: requests, over all connections."""

    def __init__(
        self, kernel: Kernel, told: Mapping[str, Any], share: Share, clock: Clock, log: Callable[[str], None]
    ) -> None:
        super().__init__(kernel, told, log)
        self._share, self._clock = share, clock
        self._ring: SharedRing | None = None
        self._data: GuestPages | None = None
        self._complained = False
        self.served = self.refused = 0

    def features(self) -> dict[str, str | int]:
        """See `KernelDevice`."""
        return {"feature-flush-cache": 1, "feature-persistent": 1, "feature-barrier": 0, "feature-discard": 0}

    def facts(self) -> dict[str, str | int]:
        """See `KernelDevice`."""
        store, _, sectors = self._share
        size = store.sector_size
        return {
            "sectors": sectors * size // blkif.SECTOR,
            "sector-size": size,
            "physical-sector-size": size,
            "info": READ_ONLY if store.read_only else 0,
            "mode": "r" if store.read_only else "w",
        }

    def open_rings(self) -> None:
        """See `KernelDevice`."""
        if self.ask("protocol") not in ("", ABI):
            raise ValueError(f"its rings are of another machine, {self.ask('protocol')[:20]!r}")
        self._ring = SharedRing(self.map("ring-ref"), blkif.ENTRY)
        keeps = self.flag("feature-persistent")
        self._data = (KeptPages if keeps else CopiedPages)(self._kernel, self.remote)
        self._complained = False

    def rings(self) -> list[SharedRing]:
        """See `KernelDevice`."""
        return [self._ring] if self._ring is not None else []

    def close_rings(self) -> None:
        """See `KernelDevice`."""
        self._ring = None
        data, self._data = self._data, None
        if data is not None:
            data.close()

    def serve_one(self) -> bool:
        """See `KernelDevice`. Of several answers the front end hears at once, unless it can do with half of them meanwhile."""
        ring = self._ring
        slot = ring.take() if ring is not None else None
        if ring is None or slot is None:
            return False
        request = blkif.parse(slot)
        self._clock.work(REQUEST_CYCLES + copy_cycles(request.length))
        answer, why = self._do(request)
        ring.put(blkif.RESPONSE.pack(request.identity, request.operation, answer))
        self.served += 1
        self.refused += answer != Answer.OKAY
        if answer == Answer.ERROR and not self._complained:
            self._complained = True
            self._log(f"{self.peer}: {why}")
        if not ring.waiting():
            self.tell()
        return True

    def _do(self, request: Request) -> tuple[Answer, str]:
        """Serve a request; its status, and what was wrong."""
        store, first, sectors = self._share
        if request.operation not in _KNOWN:
            return Answer.NOT_SUPPORTED, ""
        length, at = request.length, request.sector * blkif.SECTOR
        if request.wrong:
            return Answer.ERROR, request.wrong
        if length and (at % store.sector_size or length % store.sector_size):
            return Answer.ERROR, f"sector {request.sector}: not whole sectors of {store.sector_size} bytes"
        if length and at + length > sectors * store.sector_size:
            return Answer.ERROR, f"sector {request.sector} and {length} bytes lead beyond the disk"
        try:
            self._move(request, first + at // store.sector_size, length)
        except (RefusedError, StoreError) as error:
            return Answer.ERROR, str(error)
        return Answer.OKAY, ""

    def _move(self, request: Request, sector: int, length: int) -> None:
        store, data = self._share.store, self._data
        assert data is not None
        if request.operation == Operation.READ:
            data.put(request.segments, store.read(sector, length // store.sector_size))
            return
        if length:
            if store.read_only:
                raise StoreError("the disk is for reading only")
            store.write(sector, data.get(request.segments))
        if request.operation == Operation.FLUSH:
            store.flush()


_KNOWN = frozenset(Operation)
