"""The disks that a cell owns: files of the host, mapped before its sandbox closes.

```python
disk = port.disks["disk0"]
disk.write(0, b"hello".ljust(512, b"\\0"))       # in the host's cache, and so in the file, when this returns
disk.read(0, 512)
```

Theory: a mapping is all that the cell keeps: it can reach neither another byte of the file nor its length, and one for
reading only is that to the host's kernel. A file that somebody has cut short since is refused at the cell's next start; whoever
touches what is gone before that dies of SIGBUS, as the cell of this disk and no other.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable, Mapping

from hypervisor.abi.memory import disk_descriptor


class DiskError(Exception):
    """The disk cannot do that."""


class Disk:
    """`size` bytes; `content` is None if the file has not got them any more."""

    def __init__(self, name: str, size: int, content: mmap.mmap | bytearray | None, *, read_only: bool = False) -> None:
        self.name, self.size, self.read_only = name, size, read_only
        self._content = content

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of it.

        Raises:
            DiskError: there are no such bytes, or the file is gone.
        """
        return bytes(self._there(offset, length)[offset : offset + length])

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Change bytes of it.

        Raises:
            DiskError: as `read`, or it is for reading only.
        """
        content = self._there(offset, len(data))
        if self.read_only:
            raise DiskError(f"{self.name} is for reading only")
        content[offset : offset + len(data)] = bytes(data)

    def _there(self, offset: int, length: int) -> mmap.mmap | bytearray:
        if self._content is None:
            raise DiskError(f"{self.name}: the host's file was cut short")
        if offset < 0 or length < 0 or offset + length > self.size:
            raise DiskError(f"{self.name} has no {length} bytes at {offset}")
        return self._content


NO_DISKS: Mapping[str, Disk] = {}
"""Of a cell that owns none, or runs on another host."""


def open_disks(told: Iterable[tuple[str, int, bool]], fds: Mapping[str, int]) -> dict[str, Disk]:
    """The disks of one cell. `told`: name, bytes, and whether it may be written; `fds`: descriptors by name, which are closed."""
    disks = {}
    for name, size, writable in told:
        descriptor = fds[disk_descriptor(name)]
        content = None
        if os.fstat(descriptor).st_size >= size:
            content = mmap.mmap(descriptor, size, prot=mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0))
        os.close(descriptor)
        disks[name] = Disk(name, size, content, read_only=not writable)
    return disks
