"""Driver of a NAND flash behind its controller (devices/nand_flash.py), by jobs: the controller moves the data itself.

One page of this cell's memory is the buffer between controller and driver. A job that a predecessor began runs to its end
first: it may still move data.

```python
flash = NandFlash(port, base=0x0a00_0000, line=6)
flash.erase(3)
flash.program(3 * PAGES_IN_BLOCK, data + spare)
```
"""

from __future__ import annotations

from cells.domains.drivers.failure import DeviceError
from cells.port import Port

CONTROL, STATUS, EVENTS, COMMAND, ADDRESS, DATA = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14
DMA_ADDRESS, DMA_LENGTH, PAGE, COLUMN, COUNT, JOB = 0x20, 0x24, 0x28, 0x2C, 0x30, 0x34
IRQ_DONE = DONE = 1 << 1
READY, RUNNING, BUS_ERROR, FAILED = 1 << 0, 1 << 1, 1 << 2, 1 << 3
READ_JOB, PROGRAM_JOB, ERASE_JOB = 1, 2, 3
READ_ID = 0x90
DATA_SIZE, SPARE_SIZE, PAGES_IN_BLOCK = 2048, 64, 64
BLOCKS = {0xF2: 512, 0xF1: 1024, 0xDA: 2048, 0xDC: 4096, 0xD3: 8192}
"""Device code -> blocks of 64 pages of 2048 bytes (as in Linux 6.1, drivers/mtd/nand/raw/nand_ids.c)."""
PATIENCE = "100ms"
"""No job of this driver takes as long: 64 pages of 25 us, or one erase of 1.5 ms."""
PROMPT = "5ms"
"""When the interrupt should have come; then the controller is asked: it may be lost."""


class NandFlash:
    """One chip. `line`: the controller's interrupt, None to look again and again instead."""

    def __init__(self, port: Port, base: int, line: int | None = None) -> None:
        self._port = port
        self._base = base
        self._line = line
        self._wait(READY, RUNNING)
        self._store(CONTROL, IRQ_DONE if line is not None else 0)
        self._store(EVENTS, 0b11)
        self.blocks = self._identify()
        self._buffer = port.memory.allocate(1)
        self._view = port.memory.view(self._buffer, PAGES_IN_BLOCK * SPARE_SIZE)

    def read(self, page: int, column: int = 0, length: int = DATA_SIZE, count: int = 1) -> bytes:
        """The same `length` bytes from `column` on of so many pages; at most 4096 in all.

        Raises:
            DeviceError: the controller failed.
        """
        self._run(READ_JOB, page, column, length, count)
        return bytes(self._view[: length * count])

    def program(self, page: int, data: bytes, column: int = 0) -> None:
        """Clear bits of a page and its spare bytes.

        Raises:
            DeviceError: the chip could not.
        """
        self._view[: len(data)] = data
        self._run(PROGRAM_JOB, page, column, len(data), 1)

    def erase(self, block: int) -> None:
        """Set all bits of a block.

        Raises:
            DeviceError: the chip could not.
        """
        self._run(ERASE_JOB, block * PAGES_IN_BLOCK, 0, DATA_SIZE, 1)

    def _identify(self) -> int:
        self._store(COMMAND, READ_ID)
        self._store(ADDRESS, 0)
        maker, device = self._load(DATA), self._load(DATA)
        if device not in BLOCKS:
            raise DeviceError(f"unknown NAND chip {maker:#04x} {device:#04x}")
        return BLOCKS[device]

    def _run(self, job: int, page: int, column: int, length: int, count: int) -> None:
        """One job to its end."""
        values = (self._buffer, length, page, column, count, job)
        for register, value in zip((DMA_ADDRESS, DMA_LENGTH, PAGE, COLUMN, COUNT, JOB), values, strict=True):
            self._store(register, value)
        line = self._port.wait_irq(self._port.now + self._port.cycles(PROMPT)) if self._line is not None else None
        status = self._wait(READY, RUNNING)
        self._store(EVENTS, DONE)
        if line is not None:
            self._port.end_irq(line)
        if status & (FAILED | BUS_ERROR):
            what = ("", "read", "program", "erase")[job]
            raise DeviceError(f"{what} page {page}: {'failed' if status & FAILED else 'bus error'}")

    def _wait(self, high: int, low: int) -> int:
        """Wait until the status has the bits `high` and not `low`."""
        deadline = self._port.now + self._port.cycles(PATIENCE)
        while (status := self._load(STATUS)) & (high | low) != high:
            if self._port.now >= deadline:
                raise DeviceError(f"NAND controller: status {status:#x} does not change")
            self._port.sleep("20us")
        return status

    def _load(self, register: int) -> int:
        return self._port.load(self._base + register)

    def _store(self, register: int, value: int) -> None:
        self._port.store(self._base + register, value)
