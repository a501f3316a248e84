"""Content of a cell's own devices that can be read as memory: a flash chip, as long as it gives its array.

Theory: the monitor keeps a file with the content of such a device, and the cell has it mapped, for reading only: the kernel
refuses the rest. Whether a read would give that content now is said by the answer to each access that the device got
(`READABLE`); nothing but an access of the owner's changes it, and the file changes only while the device does not allow
it to be read. So a read of memory gives what the same read by an exit would have given.

```python
memory = DeviceMemory([(0x0400_0000, 8 << 20)], {"device.0x4000000": descriptor})
memory.heed(0x0400_0000, answer)              # of an exit READ or WRITE
memory.read(0x0400_0100, 512)                 # bytes, or None: ask the device
```
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hypervisor.abi.memory import READABLE, device_descriptor


@dataclass(slots=True)
class _Place:
    """A device at `base`; `content`: its file, mapped."""

    base: int
    content: mmap.mmap
    readable: bool = False


class DeviceMemory:
    """Those of one cell. `places`: (base, size) of each; `fds`: descriptors by name, which are closed."""

    def __init__(self, places: Iterable[tuple[int, int]] = (), fds: Mapping[str, int] | None = None) -> None:
        self._places: list[_Place] = []
        for base, size in places:
            descriptor = (fds or {})[device_descriptor(base)]
            self._places.append(_Place(base, mmap.mmap(descriptor, size, prot=mmap.PROT_READ)))
            os.close(descriptor)

    def heed(self, address: int, answer: int) -> None:
        """What the monitor answered to an access at this address."""
        place = self._find(address)
        if place is not None:
            place.readable = bool(answer & READABLE)

    def read(self, address: int, length: int) -> bytes | None:
        """What loads there would get; None if they have to be made."""
        place = self._find(address)
        if place is None or not place.readable:
            return None
        start = address - place.base
        return place.content[start : start + length] if start + length <= len(place.content) else None

    def _find(self, address: int) -> _Place | None:
        for place in self._places:
            if 0 <= address - place.base < len(place.content):
                return place
        return None


NO_DEVICE_MEMORY = DeviceMemory()
"""For a cell that owns no such device, or runs on another host."""
