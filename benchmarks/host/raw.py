"""Raw Unicorn: the binding as it comes, without any block hook or with a minimal one in C. What MIPS are compared with.

cpu = RawCpu("926", ram, hook="count_block")
seconds = cpu.run(0x8000, until=0x8018)
print(cpu.count / seconds / 1e6, "MIPS")
"""

from __future__ import annotations

import ctypes
import time
from typing import Any

import unicorn
import unicorn.arm_const as arm
from unicorn.unicorn_py3 import unicorn as binding

from benchmarks.host.native import yardstick

_unicorn: Any = unicorn  # its annotations are few

CODE_BUFFER = 128 << 20
"""Bytes of translated code, as the emulator gives a kernel."""


class RawCpu:
    """A CPU with RAM from address 0. `hook`: "" for none, or the name of a block hook of yardstick.c."""

    def __init__(self, model: str, ram: Any, hook: str = "") -> None:
        self.uc: Any = _unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_ARM)
        self.uc.ctl_set_cpu_model(getattr(arm, f"UC_CPU_ARM_{model}"))
        self.uc.ctl_set_tcg_buffer_size(CODE_BUFFER)
        self._ram = (ctypes.c_char * len(ram)).from_buffer(ram)
        self.uc.mem_map_ptr(0, len(ram), unicorn.UC_PROT_ALL, ctypes.addressof(self._ram))
        self.counter: Any = None
        if hook:
            self._count(hook)

    @property
    def count(self) -> int:
        """Instructions begun. Requires: a hook."""
        return int(self.counter.count)

    def start_like_a_boot_loader(self, registers: tuple[int, int, int]) -> None:
        """Supervisor mode, interrupts masked, r0 to r2 set (Linux, Documentation/arch/arm/booting.rst)."""
        self.uc.reg_write(arm.UC_ARM_REG_CPSR, 0xD3)
        for number, value in enumerate(registers):
            self.uc.reg_write(arm.UC_ARM_REG_R0 + number, value)

    def run(self, begin: int, until: int) -> float:
        """Run to the address `until`; the host seconds that it took."""
        began = time.perf_counter()
        self.uc.emu_start(begin, until)
        return time.perf_counter() - began

    def _count(self, hook: str) -> None:
        ffi, lib = yardstick().ffi, yardstick().lib
        self.counter = ffi.new("struct counter *")
        self.counter.limit = (1 << 64) - 1
        for name in ("emu_stop", "reg_read"):
            function = ctypes.cast(getattr(binding.uclib, f"uc_{name}"), ctypes.c_void_p).value
            setattr(self.counter, name, ffi.cast("void *", function))
        callback = ctypes.c_void_p(int(ffi.cast("uintptr_t", ffi.addressof(lib, hook))))
        user = ctypes.c_void_p(int(ffi.cast("uintptr_t", self.counter)))
        handle, everywhere = ctypes.c_size_t(), (ctypes.c_uint64(1), ctypes.c_uint64(0))
        add = binding.uclib.uc_hook_add
        error = add(self.uc._uch, ctypes.byref(handle), unicorn.UC_HOOK_BLOCK, callback, user, *everywhere)
        if error:
            raise _unicorn.UcError(error)
