"""A CPU's state as plain numbers: what json and msgpack carry, and what a fresh engine of the same model goes on from.

Unicorn's own contexts hold pointers of the process and its build's layout, so the registers are read one by one: the
banked ones by switching the mode in CPSR, the system coprocessor's by name. A register that a model lacks is left out.
The exclusive monitor belongs to the state: without it a STREX after the restore would fail that succeeds in the original.
Not in it: the performance counters, and the contents of the TLB, for which hardware makes no promise either. Where translations
are counted, what the model's two TLBs hold travels too.

    state = engine.snapshot()
    other.map_ram(0, bytearray(ram), len(ram))
    other.restore(json.loads(json.dumps(state)))
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cells.engines.native._native import ffi, lib

if TYPE_CHECKING:
    from cells.engines.arm import ArmEngine

FORMAT = 1

MODES = {"fiq": 0x11, "irq": 0x12, "supervisor": 0x13, "abort": 0x17, "undefined": 0x1B, "system": 0x1F}
"""Modes with a bank of their own; system mode shows user mode's."""

BANKED = {
    name: ("R8", "R9", "R10", "R11", "R12", "SP", "LR") if name in {"fiq", "system"} else ("SP", "LR") for name in MODES
}
"""r8..r12 have two banks: FIQ's, and everybody else's, kept under "system"."""

CP15: dict[str, tuple[int, int, int, int]] = {
    "CSSELR": (0, 2, 0, 0),
    "SCTLR": (1, 0, 0, 0),
    "ACTLR": (1, 0, 0, 1),
    "CPACR": (1, 0, 0, 2),
    "TTBR0": (2, 0, 0, 0),
    "TTBR1": (2, 0, 0, 1),
    "TTBCR": (2, 0, 0, 2),
    "DACR": (3, 0, 0, 0),
    "DFSR": (5, 0, 0, 0),
    "IFSR": (5, 0, 0, 1),
    "ADFSR": (5, 0, 1, 0),
    "AIFSR": (5, 0, 1, 1),
    "DFAR": (6, 0, 0, 0),
    "WFAR": (6, 0, 0, 1),
    "IFAR": (6, 0, 0, 2),
    "PAR": (7, 0, 4, 0),
    "PRRR": (10, 0, 2, 0),
    "NMRR": (10, 0, 2, 1),
    "VBAR": (12, 0, 0, 0),
    "FCSEIDR": (13, 0, 0, 0),
    "CONTEXTIDR": (13, 0, 0, 1),
    "TPIDRURW": (13, 0, 0, 2),
    "TPIDRURO": (13, 0, 0, 3),
    "TPIDRPRW": (13, 0, 0, 4),
    "CPAR": (15, 0, 1, 0),
}
"""(CRn, opc1, CRm, opc2): DDI 0406C B3.17; CPAR, c15 of the XScale core, is XScale Core Developer's Manual 7.2.15."""

COUNTERS = (
    *("cycles", "insns", "blocks", "svc", "undef", "prefetch_aborts", "data_aborts"),
    *("irqs", "fiqs", "waits", "hvcs", "yields", "hvc"),
    *("vtlb_hits", "vtlb_misses", "vtlb_upkeep", "vtlb_cycles"),
    *("vtlb_switches", "vtlb_flushes", "cache_drops", "cache_flushes", "memory_cycles"),
)
"""Fields of `struct vcpu` that go on from where they were."""


def take(engine: ArmEngine) -> dict[str, Any]:
    """Read the whole state; the engine is as before."""
    read = engine.read_register
    cpsr, pc = read("CPSR"), read("PC")
    state: dict[str, Any] = {
        "format": FORMAT,
        "model": engine.model,
        "general": [read(f"R{number}") for number in range(8)],
        "pc": pc,
        "cpsr": cpsr,
        "banks": {name: _take_bank(engine, name) for name in MODES},
        "cp15": {name: value for name, where in CP15.items() if (value := engine.read_cp15(*where)) is not None},
        "vfp": {"d": [read(f"D{number}") for number in range(32)], "fpscr": read("FPSCR"), "fpexc": read("FPEXC")},
        "exclusive": _take_exclusive(engine),
        "counters": {name: getattr(engine.vcpu, name) for name in COUNTERS},
        "lines": engine.vcpu.lines & (lib.LINE_IRQ | lib.LINE_FIQ | lib.LINE_ABORT),
        "offset": engine.vcpu.offset,
        "vtlb": _take_vtlb(engine),
    }
    engine.write_register("CPSR", cpsr)
    return state


def put(engine: ArmEngine, state: Mapping[str, Any]) -> None:
    """Write the whole state.

    Raises:
        ValueError: another format, or of another CPU model, or of another virtual TLB.
    """
    if state.get("format") != FORMAT or state.get("model") != engine.model:
        raise ValueError(
            f"a snapshot of format {state.get('format')} and CPU {state.get('model')!r} does not fit"
            f" an engine of format {FORMAT} and CPU {engine.model!r}"
        )
    write = engine.write_register
    engine.reset(0)
    for name, value in state["cp15"].items():
        engine.write_cp15(*CP15[name], value)
    for name, bank in state["banks"].items():
        _put_bank(engine, name, bank)
    for number, value in enumerate(state["vfp"]["d"]):
        write(f"D{number}", value)
    write("FPSCR", state["vfp"]["fpscr"])
    write("FPEXC", state["vfp"]["fpexc"])
    write("CPSR", state["cpsr"])
    for number, value in enumerate(state["general"]):
        write(f"R{number}", value)
    write("PC", state["pc"] | (1 if state["cpsr"] & 0x20 else 0))
    if state["exclusive"]:
        lib.vcpu_write_exclusive(engine.vcpu, state["exclusive"])
    for name, value in state["counters"].items():
        setattr(engine.vcpu, name, value)
    engine.vcpu.lines, engine.vcpu.offset = state["lines"], state["offset"]
    engine.flush()
    _put_vtlb(engine, state["vtlb"])
    lib.vcpu_count_begin(engine.vcpu)


def _enter(engine: ArmEngine, mode: str) -> None:
    cpsr = engine.read_register("CPSR")
    engine.write_register("CPSR", (cpsr & ~0x1F) | MODES[mode])


def _take_bank(engine: ArmEngine, mode: str) -> dict[str, int]:
    _enter(engine, mode)
    bank = {name: engine.read_register(name) for name in BANKED[mode]}
    return bank if mode == "system" else bank | {"SPSR": engine.read_register("SPSR")}


def _put_bank(engine: ArmEngine, mode: str, bank: Mapping[str, int]) -> None:
    _enter(engine, mode)
    for name, value in bank.items():
        engine.write_register(name, value)


def _take_vtlb(engine: ArmEngine) -> list[int]:
    words = ffi.new("uint64_t[]", lib.vcpu_vtlb_save(engine.vcpu, ffi.NULL, 0))
    lib.vcpu_vtlb_save(engine.vcpu, words, len(words))
    return list(words)


def _put_vtlb(engine: ArmEngine, words: list[int]) -> None:
    if lib.vcpu_vtlb_load(engine.vcpu, ffi.new("uint64_t[]", words), len(words)):
        raise ValueError("a snapshot of other TLBs than this engine's")


def _take_exclusive(engine: ArmEngine) -> list[int]:
    pair = ffi.new("uint64_t[2]")
    return [] if lib.vcpu_read_exclusive(engine.vcpu, pair) else list(pair)
