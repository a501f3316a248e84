"""Driver of a NOR flash with the common flash interface and Intel's command set 3 or 1 (devices/nor_flash.py is the chip).

Reading is loading, or looking where the chip lies as memory. Programming goes through the chip's write buffer, as many bytes
at a time as its query table says; programming and erasing take time in which the chip shows its status only. A driver that
dies leaves the chip wherever it was, perhaps waiting for the next cycle of a command: the first thing that a new one does is
to lead it out of there without letting it program or erase anything.

```python
flash = NorFlash(port, base=0x2000_0000, line=5)
flash.erase(3)
flash.program(3 * flash.block_size, b"hello...")
```
"""

from __future__ import annotations

from cells.domains.drivers.failure import DeviceError
from cells.port import Port

READ_ARRAY, READ_STATUS, CLEAR, QUERY = 0xFF, 0x70, 0x50, 0x98
ERASE, WRITE_BUFFER, CONFIRM, CONFIGURE = 0x20, 0xE8, 0xD0, 0xB8
READY, FAILURES = 1 << 7, 0b0011_1010
"""Status register: ready; and what may have gone wrong: protected, voltage, program, erase."""
SIGNAL_ERASE = 1
NOTHING = 0xFFFF
"""Programs no bit, confirms no command, and is "read array" to a chip that waits for none."""
GRAIN = 32
"""What is programmed starts and ends at multiples of this: the smallest write buffer that such a chip has."""
LONGEST_COMMAND = 2 + 512
"""Words of one: a buffer of 1 KiB is the largest that any chip of this family has (P30 in 65 nm, features of its datasheet)."""
PATIENCE = 16
"""Times the typical time: the chip says that none of its operations takes longer."""


class NorFlash:
    """One chip at `base`; `line`: its interrupt, None if it has none."""

    def __init__(self, port: Port, base: int, line: int | None = None) -> None:
        self._port = port
        self._base = base
        self._line = line
        self._recover()
        self._read_query()
        if line is not None:
            self._command(0, CONFIGURE)
            self._command(0, SIGNAL_ERASE)
        self._to_array()

    def read(self, offset: int, length: int) -> bytes:
        """Content of the chip; whole words of four bytes."""
        self._to_array()
        return self._port.load_bytes(self._base + offset, length)

    def program(self, offset: int, data: bytes) -> None:
        """Clear bits. `offset` and the length are multiples of 32 bytes.

        Raises:
            DeviceError: the chip could not.
        """
        end = offset + len(data)
        while offset < end:
            border = min((offset // self.buffer + 1) * self.buffer, end)
            part, data = data[: border - offset], data[border - offset :]
            if part.strip(b"\xff"):
                self._program_buffer(offset, part)
            offset = border

    def erase(self, block: int) -> None:
        """Set all bits of a block.

        Raises:
            DeviceError: the chip could not.
        """
        offset = block * self.block_size
        self._array = False
        self._command(offset, ERASE)
        self._command(offset, CONFIRM)
        until = self._port.now + self._erase_time  # then it is asked: an interrupt may be lost
        line = self._port.wait_irq(until) if self._line is not None else None
        try:
            self._finish(offset, self._erase_time, f"erase block {block}")
        finally:
            self._to_array()  # any write lowers its line
            if line is not None:
                self._port.end_irq(line)

    # ---- the chip

    def _command(self, offset: int, value: int) -> None:
        self._port.store(self._base + offset, value, 2)

    def _to_array(self) -> None:
        if not self._array:
            self._command(0, READ_ARRAY)
            self._array = True

    def _recover(self) -> None:
        """Out of whatever command a predecessor died in: none is as long as this, and none does anything with it."""
        self._array = False
        self._port.store_bytes(self._base, NOTHING.to_bytes(2, "little") * LONGEST_COMMAND, 2)
        deadline = self._port.now + self._port.cycles("16s")
        while not self._status() & READY:
            if self._port.now >= deadline:
                raise DeviceError("the flash chip never becomes ready")
            self._port.sleep("1ms")
        self._command(0, CLEAR)

    def _status(self) -> int:
        """The status, asked for: after a reset the chip shows it only as long as it is busy."""
        self._command(0, READ_STATUS)
        return self._port.load(self._base, 2)

    def _read_query(self) -> None:
        """The table by which a chip describes itself (JEDEC JESD68.01): sizes and times as powers of two, rounded down."""
        self._command(0, QUERY)
        entry = [self._port.load(self._base + 2 * at, 2) & 0xFF for at in range(0x10, 0x31)]
        if bytes(entry[:3]) != b"QRY":
            raise DeviceError("no flash chip with a common flash interface answers")
        self.size = 1 << entry[0x17]
        self.block_size = (entry[0x1F] | entry[0x20] << 8) * 256
        self.blocks = self.size // self.block_size
        self.buffer = 1 << entry[0x1A]
        microsecond = self._port.cycles("1us")
        self._buffer_time = (2 << entry[0x10]) * microsecond
        self._erase_time = (2 << entry[0x11]) * 1000 * microsecond

    def _program_buffer(self, offset: int, data: bytes) -> None:
        self._array = False
        self._command(offset, WRITE_BUFFER)
        if not self._port.load(self._base + offset, 2) & READY:
            raise DeviceError("the write buffer is not free")
        self._command(offset, len(data) // 2 - 1)
        self._port.store_bytes(self._base + offset, data)
        self._command(offset, CONFIRM)
        self._port.sleep_until(self._port.now + self._buffer_time)
        self._finish(offset, self._buffer_time, f"program at {offset:#x}")

    def _finish(self, offset: int, typical: int, what: str) -> None:
        """Wait for the end of an operation."""
        deadline = self._port.now + PATIENCE * typical
        while not (status := self._port.load(self._base + offset, 2)) & READY:
            if self._port.now >= deadline:
                raise DeviceError(f"{what}: not ready in time")
            self._port.sleep_until(self._port.now + typical // 8)
        if status & FAILURES:
            self._command(0, CLEAR)
            raise DeviceError(f"{what}: status {status:#04x}")
