"""AEEHelpers: the functions that a module is given beside the shell, and IHeap. What needs no personality (memcpy, strlen
...) is in the modules themselves (cells/programs/brew/sdk).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cells.personalities.brew.codes import Error
from cells.personalities.brew.crime import Crime
from cells.personalities.brew.method import method
from cells.personalities.brew.object import Object

if TYPE_CHECKING:
    from cells.personalities.brew.arm_module import ArmModule
    from cells.personalities.brew.heap import Heap

BYTES_PER_CYCLE = 4
MALLOC_CYCLES, LINE_CYCLES, CHARACTER_CYCLES = 300, 500, 20
"""Cycles for a block, a line of the log, each character of it: assumed."""


class Helpers(Object):
    """Functions without an object, for modules in ARM code. `FREE`: they have no `this`."""

    NAME = "AEEHelpers"
    FREE = True

    def __init__(self, module: ArmModule) -> None:
        super().__init__(module)
        self._arm = module

    @method("word AddRef()", "only keeps the table's shape")
    def add_ref(self) -> int:
        """Nothing to count."""
        return 1

    @method("word Release()", "only keeps the table's shape")
    def release(self) -> int:
        """Nothing to count."""
        return 1

    @method("pointer Malloc(word size)")
    def malloc(self, size: int) -> int:
        """Zeroed memory; 0 if there is none."""
        heap = self._arm.heap
        self._arm.system.port.work(MALLOC_CYCLES)
        address = heap.take(size) if size <= heap.size else 0
        if address:
            self._arm.space.write(address, bytes(size))
            self._arm.system.port.work(size // BYTES_PER_CYCLE)
        return address

    @method("void Free(pointer memory)")
    def free(self, address: int) -> None:
        """Give it back; 0 is nothing."""
        if address and not self._arm.heap.give(address):
            raise Crime(self._arm, f"frees {address:#x}, which it does not have")

    @method("pointer Realloc(pointer memory, word size)")
    def realloc(self, address: int, size: int) -> int:
        """The content in a block of another size; 0 if there is none, and the old one stays."""
        heap = self._arm.heap
        if address and address not in heap.blocks:
            raise Crime(self._arm, f"asks for more of {address:#x}, which it does not have")
        new = self.malloc(size)
        if new and address:
            self._arm.space.write(new, self._arm.space.read(address, min(size, heap.blocks[address])))
            heap.give(address)
        return new

    @method("void DbgPrint(text text)", "no format: a text")
    def dbg_print(self, text: str) -> None:
        """A line of the log."""
        self._arm.system.port.work(LINE_CYCLES + CHARACTER_CYCLES * len(text))
        self._arm.system.log(f"{self._arm.name}: {text}")

    @method("word GetUpTimeMS()")
    def get_up_time_ms(self) -> int:
        """Milliseconds of virtual time."""
        return self._arm.system.milliseconds() & 0xFFFF_FFFF

    @method("word GetTimeSeconds()", "seconds since the run began")
    def get_time_seconds(self) -> int:
        """The clock."""
        return self._arm.system.milliseconds() // 1000

    @method("int GetRand(room memory)")
    def get_rand(self, size: int) -> tuple[int, bytes]:
        """Random bytes, the same in each run of one seed."""
        self._arm.system.port.work(size)
        return Error.SUCCESS, self._arm.system.port.random.randbytes(size)

    @method("pointer GetAppInstance()")
    def get_app_instance(self) -> int:
        """The applet on whose behalf this runs."""
        current = self._arm.system.current
        return int(current.handle) if current is not None and current.module is self._arm else 0


class HeapInterface(Object):
    """IHeap: what of the heap is left."""

    NAME = "IHeap"

    def _heap(self) -> Heap:
        module: ArmModule = self.module  # type: ignore[assignment]
        return module.heap

    @method("flag CheckAvail(word size)")
    def check_avail(self, size: int) -> bool:
        """Whether a block of this size can be had now."""
        return not self.module.has_memory or size <= self._heap().largest

    @method("word GetMemUsed()")
    def get_mem_used(self) -> int:
        """Bytes in blocks."""
        return self._heap().used if self.module.has_memory else 0
