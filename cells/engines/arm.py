"""The ARM engine: one CPU of a real model, with counted virtual time, real exceptions and devices in Python.

Theory: Unicorn translates guest code block by block and executes it. A hook in C counts instructions and cycles at each
block's beginning and stops there when the limit is reached or an interrupt can be taken; exceptions are entered in C as
well (native/README.md). Python is called for device accesses only, and when a run ends.

    engine = ArmEngine("926", board.cpu.cycles)
    engine.map_ram(0, mmap.mmap(-1, 1 << 24), 1 << 24)
    engine.map_device(0xF1000000, 0x1000, lambda offset, size: 0, lambda offset, size, value: None)
    engine.reset(0x8000)
    engine.warm_up()                       # before a sandbox closes
    engine.vcpu.limit = 1_000_000          # cycles
    assert engine.run() is Stop.LIMIT
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from types import TracebackType
from typing import Any, NamedTuple

import unicorn.arm_const
from unicorn.unicorn_py3 import unicorn as _binding

try:
    from cells.engines.native._native import ffi, lib
except ImportError as missing:
    raise ImportError(
        "the ARM engine is not built: run `python cells/engines/native/build.py` (it needs a C compiler)"
    ) from missing
from cells.engines import snapshot as snapshots
from hypervisor.abi.counts import FUNCTION

SMALL_CODE_BUFFER = 32 << 20
"""Bytes of translated code for bare-metal images and programs."""
KERNEL_CODE_BUFFER = 128 << 20
"""For kernels: a Debian kernel's boot to a shell fills 30 to 45 MiB."""
_CODE_BUFFER_RANGE = (1 << 20, 1 << 30)

COST_CLASSES = (
    "alu",
    "multiply",
    "load",
    "store",
    "load_multiple_per_register",
    "store_multiple_per_register",
    "branch",
    "coprocessor",
    "exception",
)
"""Keys of a board's table of cycles, in the order of the COST_* indices of native.h."""
_COST_LIMIT = 1 << 16
_USER_MODE = 0x10
_SCTLR_M = 1
_SCTLR_REMAPPED = 1 << 29 | 1 << 28
"""AFE and TRE: permissions and memory types are to be those of the descriptors (DDI 0406C, B4.1.130)."""

Read = Callable[[int, int], int]
"""(offset, size in bytes) -> value."""
Write = Callable[[int, int, int], None]
"""(offset, size in bytes, value)."""


class Stop(IntEnum):
    """Why a run ended."""

    LIMIT = lib.STOP_LIMIT
    WFI = lib.STOP_WFI
    HVC = lib.STOP_HVC
    FAULT = lib.STOP_FAULT
    EXCEPTION = lib.STOP_EXCEPTION
    MARK = lib.STOP_MARK


_STOP = {int(stop): stop for stop in Stop}
EVENT_NAMES = tuple(ffi.string(lib.native_count_name(at)).decode() for at in range(lib.COUNT_EVENTS))
"""Names of what is counted, in the order of the engine's."""


class Fault(NamedTuple):
    """What the CPU could not go on from."""

    code: int
    pc: int
    address: int
    text: str


class Trap(NamedTuple):
    """Why a de-privileged CPU stopped: `kind` is the number of the exception's vector; status and address of an abort."""

    kind: int
    address: int
    status: int


class EngineError(Exception):
    """The engine cannot do what was asked of it."""


class _Device(NamedTuple):
    """What C hands back to us with each access. The engine owns this through C, where the garbage collector does not see."""

    read: Read
    write: Write
    engine: weakref.ref[ArmEngine]


def _failed(_kind: type[BaseException], error: BaseException, traceback: TracebackType) -> None:
    """A callback raised: keep it for the end of the run, which it brings about."""
    device: _Device = ffi.from_handle(traceback.tb_frame.f_locals["handle"])
    engine = device.engine()
    if engine is not None:
        engine._fail(error)


@ffi.def_extern(error=0, onerror=_failed)  # type: ignore[untyped-decorator]
def device_read(_engine: Any, offset: int, size: int, handle: Any) -> int:
    """A guest's load from a device."""
    return ffi.from_handle(handle)[0](offset, size) & 0xFFFF_FFFF_FFFF_FFFF  # type: ignore[no-any-return]


@ffi.def_extern(onerror=_failed)  # type: ignore[untyped-decorator]
def device_write(_engine: Any, offset: int, size: int, value: int, handle: Any) -> None:
    """A guest's store to a device."""
    ffi.from_handle(handle)[1](offset, size, value)


class ArmEngine:
    """An ARM CPU with its memory map.

    `unicorn_model`: a name of Unicorn's `UC_CPU_ARM_*` constants, as "926" or "CORTEX_A9". `cycles`: cycles for each of
    `COST_CLASSES`. `vcpu` is the C structure of native.h; the owner reads its counters and sets `limit` and `offset`.

    Raises:
        EngineError: no such model, a cost that is missing or not between 1 and 65535, a code buffer of a size
            that Unicorn does not take, or Unicorn refuses.
    """

    def __init__(self, unicorn_model: str, cycles: Mapping[str, int], *, code_buffer: int = SMALL_CODE_BUFFER) -> None:
        self.model = unicorn_model
        self._failure: BaseException | None = None
        self._kept: list[Any] = []
        _load()
        error = ffi.new("int *")
        least, most = _CODE_BUFFER_RANGE
        if not least <= code_buffer <= most:
            raise EngineError(f"code buffer of {code_buffer} bytes: it takes {least} to {most}")
        opened = lib.vcpu_open(_model_number(unicorn_model), code_buffer, _costs(cycles), error)
        if opened == ffi.NULL:
            raise EngineError(f"Unicorn refuses a CPU {unicorn_model}: {_text(error[0])}")
        self.vcpu: Any = ffi.gc(opened, lib.vcpu_close)
        self.counts_translations = False

    # ---- memory map

    def map_ram(self, base: int, buffer: Any, size: int) -> None:
        """Put `size` bytes of a writable buffer (a mapping of a memfd, a bytearray) at `base`, without a copy."""
        memory = ffi.from_buffer(buffer, require_writable=True)
        if len(memory) < size:
            raise EngineError(f"RAM at {base:#x}: {size} bytes asked for, the buffer has {len(memory)}")
        self._kept.append(memory)
        self._check(lib.vcpu_map_ram(self.vcpu, base, size, memory), f"RAM at {base:#x}, {size:#x} bytes")

    def map_window(self, base: int, buffer: Any, size: int) -> None:
        """Put memory in which pages of others come and go at `base`; nothing of it is there until `change_window` says so."""
        memory = ffi.from_buffer(buffer, require_writable=True)
        self._kept.append(memory)
        self._check(lib.vcpu_map_window(self.vcpu, base, size, memory), f"window at {base:#x}, {size:#x} bytes")

    def change_window(self, address: int, size: int, rights: int) -> None:
        """What pages of the window are from now on (hypervisor/abi/memory.py): 0 nothing, or READ, or with WRITE."""
        changed = lib.vcpu_change_window(self.vcpu, address, size, rights)
        self._check(changed, f"window at {address:#x}, {size:#x} bytes")

    def map_device(self, base: int, size: int, read: Read, write: Write) -> None:
        """Have loads and stores in this range of whole pages call `read(offset, size)`, `write(offset, size, value)`."""
        handle = ffi.new_handle(_Device(read, write, weakref.ref(self)))
        self._kept.append(handle)
        mapped = lib.vcpu_map_device(self.vcpu, base, size, lib.device_read, lib.device_write, handle)
        self._check(mapped, f"device at {base:#x}, {size:#x} bytes")

    def warm_up(self) -> None:
        """Allocate what runs need. Requires: everything is mapped. A sandbox may close afterwards."""
        self._check(lib.vcpu_warm_up(self.vcpu), "memory map")

    def dma_written(self, address: int, length: int) -> bool:
        """Somebody else wrote guest-physical memory; True if code had been translated from it and is dropped."""
        return bool(lib.vcpu_dma_written(self.vcpu, address, length))

    def count_translations(self, vtlb: Mapping[str, int], *, for_counts: bool = False) -> None:
        """Count and charge address translations from now on: a real TLB and a virtual one, `struct vtlb_shape` of native/vtlb.h.

        `vcpu.vtlb_hits`, `vtlb_misses`, `vtlb_upkeep` and `vtlb_cycles` tell; `vtlb_switches`, `vtlb_flushes`, `cache_drops`,
        `cache_flushes` what the guest did to TLB and caches itself. `for_counts`: only `counts` are to tell of misses, so a
        snapshot goes without. Requires: nothing has run yet.

        Raises:
            EngineError: there are no such TLBs, or Unicorn's own cannot be watched.
        """
        refusal = lib.vcpu_vtlb(self.vcpu, ffi.new("struct vtlb_shape *", dict(vtlb)))
        if refusal != ffi.NULL:
            raise EngineError(f"virtual TLB: {ffi.string(refusal).decode()}")
        self.counts_translations = True
        if for_counts:
            lib.vcpu_vtlb_counts(self.vcpu)

    def count(self, functions: Sequence[Sequence[int]] = (), *, dcache_lines: int = 0) -> None:
        """Count events from now on (hypervisor/abi/counts.py) and end runs at marks. `functions`: groups of addresses at which
        functions begin; `dcache_lines`: steps of a walk through the data cache, 0 for what the CPU says. Requires: memory is
        mapped, nothing has run yet.

        Raises:
            EngineError: more functions or groups than are counted, or it counts already.
        """
        flat = [(address, group) for group, addresses in enumerate(functions) for address in addresses]
        address = ffi.new("uint32_t[]", [address for address, _ in flat])
        group = ffi.new("uint8_t[]", [min(group, 255) for _, group in flat])
        refusal = lib.vcpu_count(self.vcpu, ffi.new("struct count_shape *", [dcache_lines, len(flat), address, group]))
        if refusal != ffi.NULL:
            raise EngineError(f"counting: {ffi.string(refusal).decode()}")

    def count_caches(self, l1i: Mapping[str, int], l1d: Mapping[str, int], **more: int) -> None:
        """Model the first-level caches too: `size`, `line` and `ways` of each; `more` as in `struct caches_shape` of
        native/cachesim.h. Requires: `count`, and nothing has run yet.

        Raises:
            EngineError: there are no such caches.
        """
        shape = {"l1i": dict(l1i), "l1d": dict(l1d), **more}
        refusal = lib.vcpu_caches(self.vcpu, ffi.new("struct caches_shape *", shape))
        if refusal != ffi.NULL:
            raise EngineError(f"caches: {ffi.string(refusal).decode()}")

    def counts(self, functions: Sequence[str] = ()) -> dict[str, int]:
        """What was counted since `count`, a restored snapshot or the mark `READY`; groups of functions by these names."""
        found = ffi.new("uint64_t[]", lib.COUNT_EVENTS + lib.COUNT_GROUPS)
        lib.vcpu_counts(self.vcpu, found)
        groups = {FUNCTION + name: found[lib.COUNT_EVENTS + at] for at, name in enumerate(functions)}
        return dict(zip(EVENT_NAMES, found, strict=False)) | groups

    @property
    def mark(self) -> tuple[int, int]:
        """The last mark: identity and turns. Requires: the last run ended with `Stop.MARK`."""
        return self.vcpu.mark, self.vcpu.mark_times

    # ---- running

    def reset(self, pc: int, r0: int = 0, r1: int = 0, r2: int = 0) -> None:
        """Power-on state: supervisor mode, MMU off, all interrupts masked; then PC (bit 0: Thumb) and arguments."""
        lib.vcpu_reset(self.vcpu, pc, r0, r1, r2)

    def run(self) -> Stop:
        """Run until `vcpu.limit` cycles are reached, the guest waits, calls or cannot go on.

        Raises:
            Whatever a device callback raised; the run ended at the end of the block of that access.
        """
        reason = lib.vcpu_run(self.vcpu)
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        return _STOP[reason]

    def set_irq(self, level: bool) -> None:
        """Drive the IRQ input."""
        self._line(lib.LINE_IRQ, level)

    def set_fiq(self, level: bool) -> None:
        """Drive the FIQ input."""
        self._line(lib.LINE_FIQ, level)

    def kick(self) -> None:
        """End the run before the next block."""
        self.vcpu.limit = 0

    def fault(self) -> Fault:
        """The last fault. Requires: the last run ended with `Stop.FAULT`, or with `Stop.HVC` that nobody serves."""
        vcpu = self.vcpu
        if vcpu.stop == lib.STOP_HVC:
            return Fault(lib.STOP_HVC, self.pc - 4, 0, f"HVC #{vcpu.hvc} at {self.pc - 4:#x}: nobody serves it")
        code, pc = vcpu.fault_code, vcpu.fault_pc
        return Fault(code, pc, vcpu.fault_address, f"{_fault_text(code)} at {pc:#x} (CPSR {self.cpsr:#010x})")

    # ---- de-privileged

    def deprivilege(self) -> None:
        """From now on user mode, with the MMU on; each exception ends a run with `Stop.EXCEPTION` and enters no vector.

        The program counter and everything else stay. Requires: tables and access follow (`enter_space`) before a run.
        """
        self.write_register("CPSR", _USER_MODE)
        control = self.read_cp15(1, 0, 0, 0)
        assert control is not None
        self.write_cp15(1, 0, 0, 0, control & ~_SCTLR_REMAPPED | _SCTLR_M)
        self.vcpu.deprivileged = 1

    def enter_space(self, base: int, access: int) -> None:
        """The address space of a de-privileged CPU: table and domain access. The emulator's TLB knows nothing of domains."""
        if (base, access) == (self.read_cp15(2, 0, 0, 0), self.read_cp15(3, 0, 0, 0)):
            return
        self.write_cp15(2, 0, 0, 0, base)
        self.write_cp15(3, 0, 0, 0, access)
        self.flush_tlb()

    def flush_tlb(self) -> None:
        """Translations have changed in memory."""
        lib.vcpu_flush_tlb(self.vcpu)

    def trap(self) -> Trap:
        """The last exception. Requires: the last run ended with `Stop.EXCEPTION`."""
        vcpu = self.vcpu
        return Trap(vcpu.trap, vcpu.trap_address, vcpu.trap_status)

    # ---- looking

    @property
    def cycles(self) -> int:
        """Cycles run so far."""
        return self.vcpu.cycles  # type: ignore[no-any-return]

    @property
    def insns(self) -> int:
        """Instructions begun so far."""
        return self.vcpu.insns  # type: ignore[no-any-return]

    @property
    def interrupts(self) -> int:
        """Interrupts taken so far, both kinds."""
        return self.vcpu.irqs + self.vcpu.fiqs  # type: ignore[no-any-return]

    @property
    def pc(self) -> int:
        """The next instruction."""
        return self.read_register("PC")

    @property
    def cpsr(self) -> int:
        """The program status."""
        return self.read_register("CPSR")

    def registers(self) -> dict[str, int]:
        """r0..r15, CPSR and SPSR of the current mode, for people and tests."""
        names = [*(f"R{number}" for number in range(13)), "SP", "LR", "PC", "CPSR", "SPSR"]
        return {name.lower(): self.read_register(name) for name in names}

    def read_register(self, name: str) -> int:
        """A register by the name that Unicorn has for it, as "R0", "CPSR", "D3"."""
        value = ffi.new("uint64_t *")
        self._check(lib.vcpu_read_register(self.vcpu, _register(name), value), f"register {name}")
        return value[0]  # type: ignore[no-any-return]

    def write_register(self, name: str, value: int) -> None:
        """Change a register; "PC" takes the state in bit 0."""
        self._check(lib.vcpu_write_register(self.vcpu, _register(name), value), f"register {name}")

    def read_core(self) -> tuple[int, ...]:
        """r0..r14, pc and CPSR."""
        core = ffi.new("uint32_t[17]")
        lib.vcpu_read_core(self.vcpu, core)
        return tuple(core)

    def write_core(self, core: Sequence[int]) -> None:
        """Change them all; bit 5 of the CPSR says in which state it goes on."""
        lib.vcpu_write_core(self.vcpu, ffi.new("uint32_t[17]", core))

    def read_cp15(self, crn: int, opc1: int, crm: int, opc2: int) -> int | None:
        """A register of the system coprocessor, None if this model lacks it."""
        value = ffi.new("uint32_t *")
        missing = lib.vcpu_read_cp15(self.vcpu, crn, opc1, crm, opc2, value)
        return None if missing else value[0]

    def write_cp15(self, crn: int, opc1: int, crm: int, opc2: int, value: int) -> None:
        """Change one that exists; follow up with `flush` if it moves memory."""
        self._check(lib.vcpu_write_cp15(self.vcpu, crn, opc1, crm, opc2, value), f"cp15 c{crn}")

    def translate(self, address: int) -> int | None:
        """The physical address that a load from `address` reaches now, None if it would abort."""
        physical = ffi.new("uint64_t *")
        return None if lib.vcpu_translate(self.vcpu, address, physical) else physical[0]

    def flush(self) -> None:
        """Forget translated code and address translations."""
        lib.vcpu_flush(self.vcpu)

    # ---- snapshots

    def snapshot(self) -> dict[str, Any]:
        """The CPU's state as plain numbers (RAM is the owner's). Requires: no run is under way."""
        return snapshots.take(self)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot of an engine of the same model; RAM is as it was then."""
        snapshots.put(self, state)

    # ---- inside

    def _line(self, bit: int, level: bool) -> None:
        vcpu = self.vcpu
        vcpu.lines = vcpu.lines | bit if level else vcpu.lines & ~bit

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
        self.vcpu.limit = 0

    def _check(self, code: int, what: str) -> None:
        if code:
            raise EngineError(f"{what}: {_text(code)}")


def _load() -> None:
    missing = lib.native_load(str(_binding.uclib._name).encode())
    if missing != ffi.NULL:
        raise EngineError(f"Unicorn's library cannot be used: {ffi.string(missing).decode()}")


def _text(code: int) -> str:
    return str(ffi.string(lib.native_error(code)).decode())


def _fault_text(code: int) -> str:
    if code >= 0x100:
        return f"exception {code - 0x100} that an ARM application processor does not have"
    if code == lib.FAULT_NO_REASON:
        return "the emulator stopped without a reason"
    return _text(code)


def _model_number(name: str) -> int:
    number = getattr(unicorn.arm_const, f"UC_CPU_ARM_{name}", None)
    if number is None:
        known = sorted(n.removeprefix("UC_CPU_ARM_") for n in vars(unicorn.arm_const) if n.startswith("UC_CPU_ARM_"))
        raise EngineError(f"no CPU model {name!r}; Unicorn has {', '.join(known)}")
    return int(number)


def _register(name: str) -> int:
    number = getattr(unicorn.arm_const, f"UC_ARM_REG_{name}", None)
    if number is None:
        raise EngineError(f"no register {name!r}")
    return int(number)


def _costs(cycles: Mapping[str, int]) -> list[int]:
    if set(cycles) != set(COST_CLASSES):
        odd = ", ".join(sorted(set(cycles) ^ set(COST_CLASSES)))
        raise EngineError(f"table of cycles: missing or unknown: {odd}")
    for name, cost in cycles.items():
        if not 1 <= cost < _COST_LIMIT:
            raise EngineError(f"table of cycles: {name} = {cost} is not between 1 and {_COST_LIMIT - 1}")
    return [cycles[name] for name in COST_CLASSES]
