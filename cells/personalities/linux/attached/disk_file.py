"""/dev/blk0 as an open file: its offset, what ioctl says of it. The work is the disk's (disk.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cells.personalities.arm.errno import EINVAL, EIO, ENXIO, EROFS, Errno
from cells.personalities.linux.attached.device import READ, DeviceFile, request, seek, tell
from cells.personalities.linux.file import POLL_ERROR, READABLE, WRITABLE, Opening

if TYPE_CHECKING:
    from cells.personalities.linux.attached.disk import Disk

SIZE_64, SIZE_512, FLUSH = request(READ, "\x12", 114, 4), 0x1260, 0x1261
READ_ONLY, SECTOR_SIZE = 0x125E, 0x1268


class Unknown(Opening):
    """The disk has not said yet how large it is."""

    def __init__(self, file: DiskFile) -> None:
        super().__init__(file, file.device.queue)

    @property
    def ready(self) -> bool:
        """It has, or never will."""
        file = self.file
        assert isinstance(file, DiskFile)
        if file.device.dead:
            raise Errno(EIO)
        if file.device.read_only and file.writable:
            raise Errno(EROFS)
        return bool(file.device.size)


class DiskFile(DeviceFile):
    """An open disk."""

    device: Disk

    def read(self, process: Any, size: int) -> bytes:
        """Bytes at the file's offset."""
        data = self.device.read(process, self.offset, size)
        self.offset += len(data)
        return data

    def read_at(self, process: Any, offset: int, size: int) -> bytes:
        """From a place."""
        return self.device.read(process, offset, size)

    def write(self, process: Any, data: bytes) -> int:
        """Bytes at the file's offset."""
        went = self.device.write(process, self.offset, data)
        self.offset += went
        return went

    def write_at(self, process: Any, offset: int, data: bytes) -> int:
        """To a place."""
        return self.device.write(process, offset, data)

    def seek(self, to: int, whence: int) -> int:
        """The new offset."""
        return seek(self, to, whence, self.device.size)

    def poll(self) -> int:
        """What it is ready for."""
        return POLL_ERROR if self.device.dead else READABLE | WRITABLE

    def ioctl(self, process: Any, number: int, argument: int) -> int:
        """BLK*: how large it is."""
        device = self.device
        if number == SIZE_64:
            return tell(process, argument, "<Q", device.size)
        if number == SIZE_512:
            return tell(process, argument, "<I", min(device.size // 512, 0xFFFF_FFFF))
        if number == SECTOR_SIZE:
            return tell(process, argument, "<i", device.sector)
        if number == READ_ONLY:
            return tell(process, argument, "<i", int(device.read_only))
        if number == FLUSH:
            return 0
        raise Errno(EINVAL if device.size else ENXIO)
