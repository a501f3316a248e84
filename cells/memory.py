"""A cell's memory as the cell sees it: its own, and the window in which pages of others appear.

```python
address = port.memory.allocate(2)                # two pages of its own, from the end of its memory down
page = port.memory.view(address, 8192)           # a memoryview; `address` is what hypercalls are told
page[0] = 1
```

Theory: own memory and window are ranges of this process's address space. When the monitor says that pages come (an event
MEMORY), their file's descriptor waits at a socket; the file is mapped over the place, atomically, and the descriptor closed:
the hold on the pages is the mapping. So a view stays good while what is behind it changes. A view of pages that are gone
reads zeros and writes into nothing; a write through a view of pages that may only be read raises an error, and native code
that tries dies of SIGSEGV.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from typing import Any

from cells.engines.native._native import ffi, lib
from hypervisor.abi.memory import HANDOVER, PAGE, WINDOW_BASE, WINDOW_SIZE, WRITE

_NEWS = struct.Struct("<QIB")
_LONGEST = 64


class CellMemory:
    """Own memory `ram` (a mapping of a memory file) at guest physical `base`, and the window. `pages`: the socket's descriptor.

    `on_change(address, size, rights)` is told of what changes in the window, after it came and before it goes;
    `on_own_change(address, size)` of pages of its own memory that are others now, or whose content others may have changed.
    """

    def __init__(self, ram: Any, base: int, pages: int) -> None:
        self.base, self.size = base, len(ram)
        self.on_change: Callable[[int, int, int], None] = _ignore
        self.on_own_change: Callable[[int, int], object] = _overlook
        self._own = memoryview(ram)
        self._own_at = int(ffi.cast("uintptr_t", ffi.from_buffer(ram)))
        window = lib.pages_reserve(WINDOW_SIZE)
        if window == ffi.NULL:
            raise MemoryError("no address space for pages of other cells")
        self.window = ffi.buffer(window, WINDOW_SIZE)
        self._window_at = int(ffi.cast("uintptr_t", window))
        self._rights: dict[int, int] = {}
        self._allocated: dict[int, int] = {}
        self._socket = socket.socket(fileno=pages)

    # ---- for guests

    def view(self, address: int, length: int) -> memoryview:
        """The bytes at a guest physical address; read-only if any of them is.

        Raises:
            ValueError: not all of that is there.
        """
        start = address - self.base
        if start >= 0 and length >= 0 and start + length <= self.size:
            return self._own[start : start + length]
        pages = range(address // PAGE, (address + max(length, 1) - 1) // PAGE + 1)
        rights = [self._rights.get(page, 0) for page in pages]
        if length < 0 or not all(rights):
            raise ValueError(f"this cell has not {length} bytes at {address:#x}")
        start = address - WINDOW_BASE
        found = memoryview(self.window)[start : start + length]
        return found if all(right & WRITE for right in rights) else found.toreadonly()

    def allocate(self, pages: int) -> int:
        """The address of so many free pages of its own, the highest there are; nobody else uses them until they are freed.

        Raises:
            MemoryError: there is no such gap.
            ValueError: not a number of pages.
        """
        if pages <= 0:
            raise ValueError(f"{pages} pages")
        end = self.size // PAGE
        for first, count in sorted(self._allocated.items(), reverse=True):
            if end - (first + count) >= pages:
                break
            end = first
        if end < pages:
            raise MemoryError(f"no {pages} free pages in {self.size // PAGE}: give the cell more ram")
        self._allocated[end - pages] = pages
        return self.base + (end - pages) * PAGE

    def free(self, address: int, pages: int) -> None:
        """Give back what `allocate` gave.

        Raises:
            ValueError: it was not that.
        """
        first = (address - self.base) // PAGE
        if address % PAGE or self._allocated.get(first) != pages:
            raise ValueError(f"{pages} pages at {address:#x} were not allocated together")
        del self._allocated[first]

    # ---- for the world switch

    def take(self, payload: bytes) -> None:
        """Do what the monitor says of pages: the payload of an event MEMORY.

        Raises:
            RuntimeError: what it speaks of did not come.
            OSError: the kernel refuses.
        """
        address, pages, rights = _NEWS.unpack(payload)
        if not rights:
            self._clear(address, pages)
        else:
            self._place(address, pages, rights)

    def _place(self, address: int, pages: int, rights: int) -> None:
        message, descriptors, _, _ = socket.recv_fds(self._socket, _LONGEST, 1, socket.MSG_DONTWAIT)
        try:
            said_address, said_pages, said_rights, offset = HANDOVER.unpack(message)
            if (said_address, said_pages, said_rights) != (address, pages, rights) or len(descriptors) != 1:
                raise RuntimeError(f"other pages came than were announced for {address:#x}")
            at, size = self._where(address, pages), pages * PAGE
            _check(lib.pages_place(at, size, descriptors[0], offset * PAGE, bool(rights & WRITE)))
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        self._note(address, pages, rights)

    def _clear(self, address: int, pages: int) -> None:
        self._note(address, pages, 0)
        _check(lib.pages_clear(self._where(address, pages), pages * PAGE))

    def _note(self, address: int, pages: int, rights: int) -> None:
        if self._is_own(address):
            self.on_own_change(address, pages * PAGE)
            return
        for page in range(address // PAGE, address // PAGE + pages):
            self._rights[page] = rights
        self.on_change(address, pages * PAGE, rights)

    def _is_own(self, address: int) -> bool:
        return 0 <= address - self.base < self.size

    def _where(self, address: int, pages: int) -> int:
        """The place in this process."""
        own = self._is_own(address)
        start, size, at = (self.base, self.size, self._own_at) if own else (WINDOW_BASE, WINDOW_SIZE, self._window_at)
        if not 0 <= address - start <= size - pages * PAGE:
            raise RuntimeError(f"pages for {address:#x} have no place here")
        return at + address - start


def _check(error: int) -> None:
    if error:
        raise OSError(error, f"mapping pages: {os.strerror(error)}")


def _ignore(_address: int, _size: int, _rights: int) -> None:
    """Nobody asked to be told."""


def _overlook(_address: int, _size: int) -> None:
    """Nobody asked to be told."""
