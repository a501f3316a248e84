"""Bytes of pages that a kernel's front end names in its requests: mapped and kept, or copied by the hypervisor.

```python
pages = KeptPages(kernel, remote)                # the front end promised to use the same pages again ("feature-persistent")
pages = CopiedPages(kernel, remote)
data = pages.get(segments)                       # RefusedError: one of them was not granted so
pages.put(segments, data)
```

Theory: each mapping costs a hypercall and a change of two address spaces; a front end that copies its data into pages of its own
pays for the copy and saves both. How many are kept is bounded: one that names other pages all the time makes the oldest go. Where
the hypervisor has no room for another mapping just now, it copies.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from cells.xen.blkif import MOST_SEGMENTS, Segment
from cells.xen.grants import GrantRefusedError, Mapped
from cells.xen.kernel import Kernel
from hypervisor.abi.memory import PAGE
from hypervisor.abi.xen import COPY, DOMID_SELF, Call, CopyFlag, GrantOp

MOST_KEPT = 384
"""Pages of one front end: each of 32 requests may have 11 (blkif.py)."""


class GuestPages(Protocol):
    """Pages of one front end."""

    def get(self, segments: Sequence[Segment]) -> bytes:
        """Their bytes, one behind the other.

        Raises:
            RefusedError: not granted.
        """
        ...

    def put(self, segments: Sequence[Segment], data: bytes) -> None:
        """Write them. Requires: as many bytes. Raises: as `get`; some may have been written."""
        ...

    def close(self) -> None:
        """Give all back."""
        ...


class KeptPages:
    """Pages that stay mapped."""

    def __init__(self, kernel: Kernel, remote: int) -> None:
        self._grants, self._remote = kernel.grants, remote
        self._copies = CopiedPages(kernel, remote)
        self._groups: deque[tuple[Mapped, list[int]]] = deque()
        self._views: dict[int, memoryview] = {}

    def get(self, segments: Sequence[Segment]) -> bytes:
        """See `GuestPages`."""
        if not self._want(segments):
            return self._copies.get(segments)
        return b"".join([self._views[ref][at : at + length] for ref, at, length in segments])

    def put(self, segments: Sequence[Segment], data: bytes) -> None:
        """See `GuestPages`."""
        if not self._want(segments):
            self._copies.put(segments, data)
            return
        start = 0
        for reference, at, length in segments:
            self._views[reference][at : at + length] = data[start : start + length]
            start += length

    def close(self) -> None:
        """See `GuestPages`."""
        while self._groups:
            self._forget_oldest()
        self._copies.close()

    def _want(self, segments: Sequence[Segment]) -> bool:
        """Have all of them mapped; False: there is no room for that now.

        Raises:
            GrantRefusedError: one is not granted.
        """
        while len(self._views) + len(new := self._unknown(segments)) > MOST_KEPT and self._groups:
            self._forget_oldest()
        if not new:
            return True
        try:
            mapped = self._grants.map(self._remote, new)
        except GrantRefusedError as refusal:
            if not refusal.passes:
                raise
            return False
        except MemoryError:
            return False
        self._groups.append((mapped, new))
        for number, reference in enumerate(new):
            self._views[reference] = mapped.view[number * PAGE : (number + 1) * PAGE]
        return True

    def _unknown(self, segments: Sequence[Segment]) -> list[int]:
        return list(dict.fromkeys(s.reference for s in segments if s.reference not in self._views))

    def _forget_oldest(self) -> None:
        mapped, references = self._groups.popleft()
        for reference in references:
            del self._views[reference]
        self._grants.unmap(mapped)


class CopiedPages:
    """Pages that the hypervisor copies from and to, through a buffer of this cell's own."""

    def __init__(self, kernel: Kernel, remote: int) -> None:
        self._kernel, self._remote = kernel, remote
        self._buffer = kernel.port.memory.allocate(MOST_SEGMENTS)
        self._view = kernel.port.memory.view(self._buffer, MOST_SEGMENTS * PAGE)

    def get(self, segments: Sequence[Segment]) -> bytes:
        """See `GuestPages`."""
        self._copy(
            [
                (ref, self._remote, at, self._frame(number), DOMID_SELF, 0, length, CopyFlag.SOURCE_REF, 0)
                for number, (ref, at, length) in enumerate(segments)
            ]
        )
        return b"".join([self._view[n * PAGE : n * PAGE + segment.length] for n, segment in enumerate(segments)])

    def put(self, segments: Sequence[Segment], data: bytes) -> None:
        """See `GuestPages`."""
        start = 0
        for number, segment in enumerate(segments):
            self._view[number * PAGE : number * PAGE + segment.length] = data[start : start + segment.length]
            start += segment.length
        self._copy(
            [
                (self._frame(number), DOMID_SELF, 0, ref, self._remote, at, length, CopyFlag.DEST_REF, 0)
                for number, (ref, at, length) in enumerate(segments)
            ]
        )

    def close(self) -> None:
        """See `GuestPages`."""
        self._kernel.port.memory.free(self._buffer, MOST_SEGMENTS)

    def _frame(self, number: int) -> int:
        return self._buffer // PAGE + number

    def _copy(self, rows: list[tuple[int, ...]]) -> None:
        for *_, status in self._kernel.calls.batch(Call.GRANT_TABLE, GrantOp.COPY, COPY, rows):
            if status:
                raise GrantRefusedError("grant copy", status)
