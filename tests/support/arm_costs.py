"""A second opinion on what an instruction costs: from Capstone's disassembly, by name, where the engine goes by bits.

assert cycles_of(assemble("ldm r0, {r1, r2}"), 0, DISTINCT, thumb=False) == 2 * DISTINCT["load_multiple_per_register"]
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from capstone import CS_ARCH_ARM, CS_MODE_ARM, CS_MODE_THUMB, Cs
from capstone.arm import ARM_OP_REG, ARM_REG_PC

BRANCHES = {"b", "bl", "blx", "bx", "bxj", "cbz", "cbnz"}
MULTIPLIES = re.compile(r"mul|mla|mls|[su]mul|[su]mla|smm|smu|sml|umaal|sdiv|udiv|usad")
COMPARES = {"cmp", "cmn", "tst", "teq", "msr", "mrs", "nop", "hint", "svc", "bkpt", "hvc", "smc", "udf", "cps", "it"}
PRELOADS = {"pld", "pldw", "pli"}
PAIRS = re.compile(r"(ldrd|strd|ldrexd|strexd|ldaexd|stlexd|rfe|srs)")
ELEMENTS = re.compile(r"v(ld|st)[1-4]$")


@functools.cache
def _disassembler(thumb: bool) -> Any:
    engine = Cs(CS_ARCH_ARM, CS_MODE_THUMB if thumb else CS_MODE_ARM)
    engine.detail = True
    return engine


def disassemble(code: bytes, address: int, *, thumb: bool) -> Any | None:
    """The instruction at the beginning of `code`, None if Capstone knows none."""
    return next(iter(_disassembler(thumb).disasm(code, address, 1)), None)


def cycles_of(code: bytes, address: int, costs: Mapping[str, int], *, thumb: bool) -> int:
    """Cycles of the first instruction in `code`."""
    insn = disassemble(code, address, thumb=thumb)
    assert insn is not None, code.hex()
    return sum(costs[name] for name in classes_of(insn))


def classes_of(insn: Any) -> list[str]:  # noqa: PLR0911  a list of rules, the first that fits
    """The classes whose costs add up to the instruction's."""
    name = insn.insn_name()
    registers = [operand.reg for operand in insn.operands if operand.type == ARM_OP_REG]
    jumps = ["branch"] if registers and registers[0] == ARM_REG_PC else []
    if name in BRANCHES or name == "subs":  # SUBS PC, LR, under its Thumb name
        return ["branch"]
    if name in PRELOADS or name in COMPARES:
        return ["alu"]
    if name.startswith(("ldc", "stc")):
        return ["load" if name.startswith("ldc") else "store"]
    if name.startswith("v"):
        return _vector(name, insn)
    if name.startswith(("mcr", "mrc", "mrrc", "cdp")):
        return ["coprocessor"]
    if name.startswith(("ldm", "pop", "stm", "push")):
        return _multiple(name, registers)
    if PAIRS.match(name):
        loads = name.startswith(("ld", "rfe"))
        extra = ["branch"] if name.startswith("rfe") else []
        return ["load_multiple_per_register" if loads else "store_multiple_per_register"] * 2 + extra
    if name in {"tbb", "tbh"}:
        return ["load", "branch"]
    if name.startswith("swp"):
        return ["load", "store"]
    if name.startswith("ldr"):
        return ["load", *jumps]
    if name.startswith("str"):
        return ["store"]
    if MULTIPLIES.match(name):
        return ["multiply"]
    return jumps or ["alu"]


TO_PC = {
    *(
        "and",
        "eor",
        "sub",
        "rsb",
        "add",
        "adc",
        "sbc",
        "rsc",
        "orr",
        "mov",
        "bic",
        "mvn",
        "lsl",
        "lsr",
        "asr",
        "ror",
        "rrx",
    ),
    *("ldr", "subs", "b", "bl", "blx", "bx", "bxj"),
}
_LATER = re.compile(r"lda|stl|tt|v[us]dot|[a-z]+ns$|f(ld|st)m|fconst|fmd")
"""Names of ARMv8, and names of old that Capstone has for what has a newer one."""


def is_ordinary(insn: Any, *, thumb: bool) -> bool:
    """Not an encoding of which the manual says UNPREDICTABLE, nor one of a later architecture."""
    name = insn.insn_name()
    if _LATER.match(name):
        return False
    if name[:3] in {"ldc", "stc"} and insn.operands[0].imm in {10, 11}:
        return False
    registers = [operand.reg for operand in insn.operands if operand.type == ARM_OP_REG]
    if registers[:1] == [ARM_REG_PC] and not name.startswith(("ldm", "pop")):
        wide = thumb and insn.size == 4
        movw = name == "mov" and insn.mnemonic.startswith("movw")
        return name in TO_PC and not movw and (not wide or name in {"ldr", "subs"})
    if name.startswith(("vldm", "vstm", "vpop", "vpush")):
        word = int.from_bytes(insn.bytes[2:] if wide_thumb(insn, thumb) else insn.bytes, "little") & 0xFF
        return len(_vector(name, insn)) == word
    return True


def wide_thumb(insn: Any, thumb: bool) -> bool:
    """Two halfwords, the first of which holds the upper bits."""
    return thumb and insn.size == 4


def _multiple(name: str, registers: list[int]) -> list[str]:
    moved = registers if name in {"pop", "push"} else registers[1:]
    if name.startswith(("stm", "push")):
        return ["store_multiple_per_register"] * len(moved)
    return ["load_multiple_per_register"] * len(moved) + (["branch"] if ARM_REG_PC in moved else [])


def _vector(name: str, insn: Any) -> list[str]:
    if ELEMENTS.match(name) or name in {"vldr", "vstr"}:
        return ["load" if name.startswith("vld") else "store"]
    if name.startswith(("vldm", "vpop", "vstm", "vpush")):
        moved = [o for o in insn.operands if o.type == ARM_OP_REG][0 if name in {"vpop", "vpush"} else 1 :]
        words = len(moved) * (2 if insn.reg_name(moved[0].reg).startswith("d") else 1)
        return [
            "load_multiple_per_register" if name[1] in "lp" and name != "vpush" else "store_multiple_per_register"
        ] * words
    return ["coprocessor"]
