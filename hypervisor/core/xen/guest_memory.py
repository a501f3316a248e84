"""How the hypervisor reads and writes what belongs to guests: every pointer is an allegation.

```python
arguments = Arguments(memory, cell, record.a2, record.data)
_, remote, _ = arguments.read(ALLOC_UNBOUND)
arguments.write(ALLOC_UNBOUND, dom, remote, port)
```

A call names its structure in one of two ways: by its guest physical address, or, for guests whose addresses are virtual, by
sending the bytes along with the call and taking the changed bytes with the answer: then the cell's engine has walked the page
tables.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING, Any, Protocol

from hypervisor.abi.memory import PAGE, WINDOW_BASE
from hypervisor.abi.xen import Errno
from hypervisor.core.cell import Cell
from hypervisor.core.errors import Refused
from hypervisor.core.xen.errors import XenError

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

ADDRESS_LIMIT = 1 << 40
"""Above what LPAE reaches there is nothing, whatever a pointer says."""
_U64 = Struct("<Q")


class Bytes(Protocol):
    """Part of `hypervisor.core.memory.Memory`."""

    def read(self, cell: Cell, address: int, length: int) -> bytes:
        """Bytes of a cell's memory."""
        ...

    def write(self, cell: Cell, address: int, data: bytes) -> None:
        """Store into a cell's memory."""
        ...


class GuestMemory:
    """Guests' memory, with the errors of the interface.

    Raises (all methods):
        XenError: EFAULT, there is nothing, or nothing that the guest may write.
    """

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self.forbids: Callable[[Cell, int, int], bool] = _nothing
        """(cell, address, length) -> whether it must not be written on a guest's word: its page tables."""

    def read(self, cell: Cell, address: int, length: int) -> bytes:
        """Bytes at a guest physical address."""
        self._check(address, length)
        try:
            return bytes(self._monitor.memory.read(cell, address, length))
        except Refused as refusal:
            raise XenError(Errno.EFAULT, str(refusal)) from None

    def write(self, cell: Cell, address: int, data: bytes) -> None:
        """Store bytes."""
        self._check(address, len(data))
        if self.forbids(cell, address, len(data)):
            raise XenError(Errno.EFAULT, f"{address:#x} is in a page table")
        try:
            self._monitor.memory.write(cell, address, data)
        except Refused as refusal:
            raise XenError(Errno.EFAULT, str(refusal)) from None

    def word(self, cell: Cell, address: int) -> int:
        """A 64-bit word."""
        value: int = _U64.unpack(self.read(cell, address, 8))[0]
        return value

    def set_word(self, cell: Cell, address: int, value: int) -> None:
        """Store a 64-bit word."""
        self.write(cell, address, _U64.pack(value))

    def own_page(self, cell: Cell, frame: int) -> int:
        """The address of a whole page of the cell's own memory, from its frame number."""
        address = frame * PAGE
        if address >= WINDOW_BASE:
            raise XenError(Errno.EINVAL, f"frame {frame:#x} is not of the caller's own memory")
        self.read(cell, address, PAGE)
        if self._monitor.memory.segment_at(cell, address) is not None:
            raise XenError(Errno.EINVAL, f"frame {frame:#x} is shared with others")
        return address

    @staticmethod
    def _check(address: int, length: int) -> None:
        if not 0 <= address <= ADDRESS_LIMIT - length:
            raise XenError(Errno.EFAULT, f"no address {address:#x}")


def _nothing(_cell: Cell, _address: int, _length: int) -> bool:
    return False


class Arguments:
    """The structure that a call names; `data` not empty: it came along with the call."""

    def __init__(self, memory: GuestMemory, cell: Cell, address: int, data: bytes = b"") -> None:
        self._memory, self._cell, self._address = memory, cell, address
        self.inline = bytearray(data)
        self.changed = False

    def at(self, pointer: int) -> Arguments:
        """What a pointer in the structure leads to."""
        return Arguments(self._memory, self._cell, pointer)

    def writable(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Where bytes of it lie that are to be written: guest physical pieces (address, length)."""
        return [(self._address + offset, length)]

    def read(self, layout: Struct, offset: int = 0) -> tuple[Any, ...]:
        """The fields of a structure at `offset`."""
        return layout.unpack(self.read_bytes(offset, layout.size))

    def take(self, layout: Struct, offset: int = 0) -> tuple[Any, ...]:
        """The fields of a structure which the answer will be written into: what cannot be written is refused beforehand."""
        raw = self.read_bytes(offset, layout.size)
        self.write_bytes(offset, raw)
        return layout.unpack(raw)

    def write(self, layout: Struct, *values: int, offset: int = 0) -> None:
        """Store a structure at `offset`."""
        self.write_bytes(offset, layout.pack(*values))

    def read_bytes(self, offset: int, length: int) -> bytes:
        """Plain bytes."""
        if not self.inline:
            return self._memory.read(self._cell, self._address + offset, length)
        if offset + length > len(self.inline):
            raise XenError(Errno.EFAULT, f"{len(self.inline)} bytes came with the call, {offset + length} are needed")
        return bytes(self.inline[offset : offset + length])

    def write_bytes(self, offset: int, data: bytes) -> None:
        """Store plain bytes."""
        if not self.inline:
            self._memory.write(self._cell, self._address + offset, data)
            return
        if offset + len(data) > len(self.inline):
            raise XenError(Errno.EFAULT, "the answer is longer than what came with the call")
        self.inline[offset : offset + len(data)] = data
        self.changed = True


class DomainPage:
    """A page of a domain's own memory, to read and to write as far as the domain might."""

    def __init__(self, memory: GuestMemory, cell: Cell, address: int) -> None:
        self._memory, self._cell, self._address = memory, cell, address

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of it."""
        return self._memory.read(self._cell, self._address + offset, length)

    def write(self, offset: int, data: bytes) -> None:
        """Change them."""
        self._memory.write(self._cell, self._address + offset, data)
