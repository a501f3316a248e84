"""Small ARM programs on the ARM engine: an assembler, a board of nothing but RAM, and an independent count of instructions.

bench = Bench("CORTEX_A9")
bench.load(0x1000, "mov r0, #5; loop: subs r0, r0, #1; bne loop" + WAIT)
assert bench.run(0x1000) is Stop.WFI
assert bench.engine.insns == 12
"""

from __future__ import annotations

import ctypes
import functools
import mmap
from collections.abc import Mapping
from typing import Any

from cells.engines.native._native import ffi, lib
from keystone import KS_ARCH_ARM, KS_MODE_ARM, KS_MODE_THUMB, Ks
from unicorn.unicorn_py3 import unicorn as binding

from cells.engines.arm import COST_CLASSES, ArmEngine, Stop
from tests.support.arm_costs import cycles_of

ONE = dict.fromkeys(COST_CLASSES, 1)
"""Every instruction and every exception costs a cycle."""
DISTINCT = dict(zip(COST_CLASSES, (1, 3, 5, 7, 11, 13, 17, 19, 23), strict=True))
"""Different primes: a wrong class shows in any sum."""
NEVER = 1 << 62
ENOUGH = 10_000_000
"""Cycles after which a small program has run wild."""

WAIT_WORD = 0xEE070F90
"""mcr p15, 0, r0, c7, c0, 4: wait for interrupt, understood before ARMv7."""
WAIT = "; .word 0xee070f90"
WAIT_V7 = "; wfi"
V7 = ("CORTEX_A8", "CORTEX_A9", "CORTEX_A15")
BEFORE_V7 = ("926", "PXA255", "1136", "1176")

_UC_HOOK_CODE = 4
_CODE_HOOK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p)


@functools.cache
def _assembler(thumb: bool) -> Any:
    return Ks(KS_ARCH_ARM, KS_MODE_THUMB if thumb else KS_MODE_ARM)


@functools.lru_cache(maxsize=4096)
def assemble(source: str, address: int = 0, *, thumb: bool = False) -> bytes:
    """Machine code of the source at the address."""
    code, _ = _assembler(thumb).asm(source, address)
    return bytes(code)


class Bench:
    """An engine with RAM at 0, a vector table of returning handlers, and nothing else."""

    def __init__(self, model: str = "926", costs: Mapping[str, int] = ONE, ram_size: int = 1 << 20) -> None:
        self.model = model
        self.engine = ArmEngine(model, costs)
        self.ram = mmap.mmap(-1, ram_size)
        self.engine.map_ram(0, self.ram, ram_size)
        self.wait = WAIT_V7 if model in V7 else WAIT
        self.thumb = range(0)
        self.vectors()

    def vectors(self, *, abort_skips: int = 4) -> None:
        """Handlers that return behind the cause; a data abort's by LR - `abort_skips`."""
        skip = f"subs pc, lr, #{abort_skips}"
        self.load(0, f"b .; movs pc, lr; movs pc, lr; subs pc, lr, #4; {skip}; nop; subs pc, lr, #4; subs pc, lr, #4")

    def load(self, address: int, source: str, *, thumb: bool = False) -> int:
        """Assemble to RAM; returns the address behind it."""
        code = assemble(source, address, thumb=thumb)
        self.ram[address : address + len(code)] = code
        return address + len(code)

    def run(self, pc: int | None = None, *, limit: int = ENOUGH) -> Stop:
        """Run from `pc` after a reset, or on from where it stopped."""
        if pc is not None:
            self.engine.reset(pc)
        self.engine.vcpu.limit = limit
        return self.engine.run()

    def finish(self) -> None:
        """Run on to the wait at the end of the program."""
        stop = self.run(limit=ENOUGH)
        assert stop is Stop.WFI, (stop, self.engine.registers(), self.engine.fault())

    def step_blocks(self, pc: int, *, most: int = 100_000) -> int:
        """Run the program block by block to its wait; returns the number of runs."""
        self.engine.reset(pc)
        for count in range(1, most):
            if self.run(limit=self.engine.cycles + 1) is Stop.WFI:
                return count
        raise AssertionError("the program does not end")

    def word(self, address: int) -> int:
        """A word of RAM."""
        return int.from_bytes(self.ram[address : address + 4], "little")

    def fetch(self, address: int, size: int) -> bytes:
        """Memory behind a virtual address, 0x4000_0000 and up standing for 0 and up as `page_table` has it."""
        physical = address - 0x4000_0000 if address >= 0x4000_0000 else address
        return self.ram[physical : physical + size]

    def poke(self, address: int, *words: int) -> None:
        """Write words to RAM."""
        for index, word in enumerate(words):
            self.ram[address + 4 * index : address + 4 * index + 4] = word.to_bytes(4, "little")

    def state(self) -> dict[str, Any]:
        """Everything that two equal runs have in common: CPU with its counters, RAM."""
        return {"cpu": self.engine.snapshot(), "ram": bytes(self.ram)}


class InstructionCount:
    """Counts instructions one by one through a hook of Unicorn's own, on a bench that nothing has run on."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.trace: list[tuple[int, int]] = []
        self._callback = _CODE_HOOK(lambda _engine, address, size, _user: self.trace.append((address, size)))
        engine, hook = int(ffi.cast("uintptr_t", lib.vcpu_handle(bench.engine.vcpu))), ctypes.c_size_t()
        error = binding.uclib.uc_hook_add(
            ctypes.c_void_p(engine), ctypes.byref(hook), ctypes.c_int(_UC_HOOK_CODE),
            self._callback, None, ctypes.c_uint64(1), ctypes.c_uint64(0),
        )  # fmt: skip
        assert error == 0

    def __len__(self) -> int:
        return len(self.trace)

    def cycles(self, costs: Mapping[str, int], exceptions: int, thumb: range = range(0)) -> int:
        """What the traced instructions cost by name, those in `thumb` in that state, and so many exceptions."""
        where = {address: self._bench.fetch(address, size) for address, size in set(self.trace)}
        each = {address: cycles_of(code, address, costs, thumb=address in thumb) for address, code in where.items()}
        return sum(each[address] for address, _ in self.trace) + exceptions * costs["exception"]


def page_table(bench: Bench, *, at: int = 0x4000, faults: tuple[int, ...] = (), fine: int = 0x8000) -> None:
    """Identity sections for the first megabytes, small pages from 0x4000_0000 on to RAM from 0 on; MMU on.

    Full access, executable; `faults` are numbers of pages left out. Descriptors of ARMv5 (DDI 0100I B4.7) mean something
    else on ARMv7 (DDI 0406C B3.5.1).
    """
    section, page = (0xC02, 0x032) if bench.model in V7 else (0xC12, 0xFF2)
    for megabyte in range(16):
        bench.poke(at + 4 * megabyte, megabyte << 20 | section)
    bench.poke(at + 4 * 0x400, fine | 0x11 if page == 0xFF2 else fine | 1)
    for number in range(256):
        bench.poke(fine + 4 * number, 0 if number in faults else number << 12 | page)
    bench.engine.write_cp15(2, 0, 0, 0, at)
    bench.engine.write_cp15(3, 0, 0, 0, 1)
    control = bench.engine.read_cp15(1, 0, 0, 0)
    assert control is not None
    bench.engine.write_cp15(1, 0, 0, 0, control | 1)
    bench.engine.flush()
