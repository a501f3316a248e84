"""The sensitive instructions of the ARM architecture, as patterns: `ARM`, `THUMB16`, `THUMB32`, each by `find`.

Theory: an instruction is sensitive if what it does depends on the CPU's mode, or changes it. A machine can be virtualized by
trap and emulate only if every sensitive instruction traps in user mode (Popek and Goldberg). ARM up to ARMv7 is not such a
machine: some are undefined in user mode, which traps; some are carried out as something else, without a word; and of some the
manual says only that software must not rely on them. So a kernel for user mode has to be changed, and none of these may be
left in it. `SETEND`, hints but WFI, and exclusive loads do the same in every mode and are not in here.

Sections are those of DDI 0406C (ARMv7-A); "A4.1.x" and others that name DDI 0100I are of the manual up to ARMv6.

>>> find_arm(0xE10F0000).name
'MRS CPSR'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum


class Fate(Enum):
    """What user mode makes of an instruction."""

    TRAPS = "traps"
    SILENT = "silent"
    UNPREDICTABLE = "unpredictable"
    HARMLESS = "harmless"


MEANING: Mapping[Fate, str] = {
    Fate.TRAPS: "undefined in user mode: a monitor could emulate it",
    Fate.SILENT: "carried out as something else: nobody notices",
    Fate.UNPREDICTABLE: "the manual promises nothing: it may trap or not",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """Words `word & mask == value`. `does`: what becomes of it in user mode; `manual`: where that stands."""

    mask: int
    value: int
    name: str
    fate: Fate
    does: str = ""
    manual: str = ""


TRAPS, SILENT, UNPREDICTABLE, HARMLESS = Fate.TRAPS, Fate.SILENT, Fate.UNPREDICTABLE, Fate.HARMLESS
_CP15 = "undefined instruction: the system coprocessor is for privileged modes"
_OLD = "undefined instruction before ARMv6; from then on allowed"
_CP14 = "undefined instruction: debug and power registers are for privileged modes"
_SPSR = "user mode has no SPSR"
_NO_RETURN = "a return from exception without SPSR: neither mode nor state come back"
_KEEPS = "changes flags only: mode and interrupt masks stay as they are"
_LIKE_USER = "an ordinary access: the kernel's own rights are checked, which are those of user mode already"
_BANKED = "user mode has no banked registers beside its own"
_MONITOR_CALL = "undefined instruction: a call of privileged modes only"

_COPROCESSOR: tuple[Rule, ...] = (
    Rule(0x0FFF0FFF, 0x0E070F95, "MCR c7,c5,4 (ISB)", TRAPS, _OLD, "B4.1.1; DDI 0100I B2.6.3"),
    Rule(0x0FFF0FFF, 0x0E070F9A, "MCR c7,c10,4 (DSB)", TRAPS, _OLD, "B4.1.1; DDI 0100I B2.6.3"),
    Rule(0x0FFF0FFF, 0x0E070FBA, "MCR c7,c10,5 (DMB)", TRAPS, _OLD, "B4.1.1; DDI 0100I B2.6.3"),
    Rule(0x0FEF0FFF, 0x0E0D0F50, "MCR/MRC c13,c0,2 (thread register)", TRAPS, _OLD, "B4.1.150"),
    Rule(0x0FFF0FFF, 0x0E1D0F70, "MRC c13,c0,3 (thread register)", TRAPS, _OLD, "B4.1.149"),
    Rule(0x0F100F10, 0x0E000F10, "MCR p15", TRAPS, _CP15, "A8.8.98, B3.15.2"),
    Rule(0x0F100F10, 0x0E100F10, "MRC p15", TRAPS, _CP15, "A8.8.107, B3.15.2"),
    Rule(0x0F000F10, 0x0E000E10, "MCR/MRC p14", TRAPS, _CP14, "C6.4.1"),
    Rule(0x0FE00F00, 0x0C400F00, "MCRR/MRRC p15", TRAPS, _CP15, "A8.8.99, B3.15.2"),
    Rule(0x0FE00F00, 0x0C400E00, "MCRR/MRRC p14", TRAPS, _CP14, "C6.4.1"),
    Rule(0x0E000F00, 0x0C000F00, "LDC/STC p15", TRAPS, _CP15, "A8.8.55"),
    Rule(0x0E000F00, 0x0C000E00, "LDC/STC p14", TRAPS, _CP14, "A8.8.55, C6.4.1"),
    Rule(0x0FEF0FFF, 0x0EE10A10, "VMRS/VMSR FPSCR", HARMLESS),
    Rule(
        0x0FE00FFF,
        0x0EE00A10,
        "VMRS/VMSR FPEXC",
        TRAPS,
        "undefined instruction: FPEXC is for privileged modes",
        "B9.3.22",
    ),
)
"""The same in ARM state and, with 1110 or 1111 in front, among Thumb's of 32 bits."""

ARM: tuple[Rule, ...] = (
    *_COPROCESSOR,
    Rule(0x0FFF0FFF, 0x010F0000, "MRS CPSR", SILENT, "tells the real mode and masks, not the kernel's own", "A8.8.109"),
    Rule(0x0FFF0FFF, 0x014F0000, "MRS SPSR", UNPREDICTABLE, _SPSR, "B9.3.8"),
    Rule(0x0FB00EFF, 0x01000200, "MRS of a banked register", UNPREDICTABLE, _BANKED, "B9.3.9"),
    Rule(0x0FB0FEF0, 0x0120F200, "MSR of a banked register", UNPREDICTABLE, _BANKED, "B9.3.10"),
    Rule(0x0FF1F000, 0x0321F000, "MSR CPSR_c", SILENT, _KEEPS, "B9.3.11"),
    Rule(0x0FF2F000, 0x0322F000, "MSR CPSR_x", SILENT, _KEEPS, "B9.3.11"),
    Rule(0x0FF1F0F0, 0x0121F000, "MSR CPSR_c", SILENT, _KEEPS, "B9.3.12"),
    Rule(0x0FF2F0F0, 0x0122F000, "MSR CPSR_x", SILENT, _KEEPS, "B9.3.12"),
    Rule(0x0FF0F000, 0x0360F000, "MSR SPSR", UNPREDICTABLE, _SPSR, "B9.3.11"),
    Rule(0x0FF0F0F0, 0x0160F000, "MSR SPSR", UNPREDICTABLE, _SPSR, "B9.3.12"),
    Rule(0x0FFFFFFF, 0x0320F003, "WFI", SILENT, "sleeps at once: nobody is asked who else could run", "A8.8.425"),
    Rule(0x0FF000F0, 0x01400070, "HVC", TRAPS, _MONITOR_CALL, "B9.3.4"),
    Rule(0x0FF000F0, 0x01600070, "SMC", TRAPS, _MONITOR_CALL, "B9.3.14"),
    Rule(0x0FFFFFFF, 0x0160006E, "ERET", UNPREDICTABLE, _NO_RETURN, "B9.3.3"),
    Rule(0x0D90F000, 0x0110F000, "a comparison", HARMLESS),
    Rule(0x0E10F010, 0x0010F000, "MOVS/SUBS pc", UNPREDICTABLE, _NO_RETURN, "B9.3.20"),
    Rule(0x0E10F090, 0x0010F010, "MOVS/SUBS pc", UNPREDICTABLE, _NO_RETURN, "B9.3.20"),
    Rule(0x0E10F000, 0x0210F000, "MOVS/SUBS pc", UNPREDICTABLE, _NO_RETURN, "B9.3.20"),
    Rule(0x0E508000, 0x08508000, "LDM with pc and ^", UNPREDICTABLE, _NO_RETURN, "B9.3.5"),
    Rule(0x0E508000, 0x08500000, "LDM with ^", UNPREDICTABLE, _BANKED, "B9.3.6"),
    Rule(0x0E500000, 0x08400000, "STM with ^", UNPREDICTABLE, _BANKED, "B9.3.17"),
    Rule(0x0F300000, 0x04300000, "LDRT", SILENT, _LIKE_USER, "A8.8.92"),
    Rule(0x0F300000, 0x04200000, "STRT", SILENT, _LIKE_USER, "A8.8.219"),
    Rule(0x0F300010, 0x06300000, "LDRT", SILENT, _LIKE_USER, "A8.8.92"),
    Rule(0x0F300010, 0x06200000, "STRT", SILENT, _LIKE_USER, "A8.8.219"),
    Rule(0x0F3000F0, 0x003000B0, "LDRHT", SILENT, _LIKE_USER, "A8.8.83"),
    Rule(0x0F3000F0, 0x002000B0, "STRHT", SILENT, _LIKE_USER, "A8.8.218"),
    Rule(0x0F3000D0, 0x003000D0, "LDRSBT/LDRSHT", SILENT, _LIKE_USER, "A8.8.87"),
)
"""With a condition in front: bits 31..28, not 1111. The first that fits counts."""

ARM_UNCONDITIONAL: tuple[Rule, ...] = (
    Rule(0x0FF1FE20, 0x01000000, "CPS", SILENT, "does nothing: mode and interrupt masks stay as they are", "B9.3.2"),
    Rule(0x0E50FFFF, 0x08100A00, "RFE", UNPREDICTABLE, _NO_RETURN, "B9.3.13"),
    Rule(0x0E5FFFE0, 0x084D0500, "SRS", UNPREDICTABLE, _BANKED, "B9.3.16"),
    *_COPROCESSOR,
)
"""The same with 1111 there."""

UNCONDITIONAL = 0xF

THUMB16: tuple[Rule, ...] = (
    Rule(0xFFE8, 0xB660, "CPS", SILENT, "does nothing: interrupt masks stay as they are", "B9.3.2"),
    Rule(0xFFFF, 0xBF30, "WFI", SILENT, "sleeps at once: nobody is asked who else could run", "A8.8.425"),
)


def _wide(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """The coprocessors' instructions behind Thumb's 111x."""
    return tuple(
        Rule(rule.mask | 0xE000_0000, rule.value | 0xE000_0000, rule.name, rule.fate, rule.does, rule.manual)
        for rule in rules
    )


THUMB32: tuple[Rule, ...] = (
    Rule(0xFFFFF0FF, 0xF3EF8000, "MRS CPSR", SILENT, "tells the real mode and masks, not the kernel's own", "A8.8.109"),
    Rule(0xFFFFF0FF, 0xF3FF8000, "MRS SPSR", UNPREDICTABLE, _SPSR, "B9.3.8"),
    Rule(0xFFF0F1FF, 0xF3808100, "MSR CPSR_c", SILENT, _KEEPS, "B9.3.12"),
    Rule(0xFFF0F2FF, 0xF3808200, "MSR CPSR_x", SILENT, _KEEPS, "B9.3.12"),
    Rule(0xFFF0F0FF, 0xF3908000, "MSR SPSR", UNPREDICTABLE, _SPSR, "B9.3.12"),
    Rule(0xFFFFFC00, 0xF3AF8400, "CPS", SILENT, "does nothing: mode and interrupt masks stay as they are", "B9.3.2"),
    Rule(0xFFFFFF00, 0xF3AF8100, "CPS", SILENT, "does nothing: mode and interrupt masks stay as they are", "B9.3.2"),
    Rule(0xFFFFFFFF, 0xF3AF8003, "WFI", SILENT, "sleeps at once: nobody is asked who else could run", "A8.8.425"),
    Rule(0xFFFFFF00, 0xF3DE8F00, "SUBS pc, lr", UNPREDICTABLE, _NO_RETURN, "B9.3.19"),
    Rule(0xFFD0FFFF, 0xE810C000, "RFE", UNPREDICTABLE, _NO_RETURN, "B9.3.13"),
    Rule(0xFFD0FFFF, 0xE990C000, "RFE", UNPREDICTABLE, _NO_RETURN, "B9.3.13"),
    Rule(0xFFDFFFE0, 0xE80DC000, "SRS", UNPREDICTABLE, _BANKED, "B9.3.16"),
    Rule(0xFFDFFFE0, 0xE98DC000, "SRS", UNPREDICTABLE, _BANKED, "B9.3.16"),
    Rule(0xFFF0F000, 0xF7F08000, "SMC", TRAPS, _MONITOR_CALL, "B9.3.14"),
    Rule(0xFFF0F000, 0xF7E08000, "HVC", TRAPS, _MONITOR_CALL, "B9.3.4"),
    *(
        Rule(0xFFF00F00, 0xF8000E00 | code << 20, name, SILENT, _LIKE_USER, manual)
        for code, name, manual in (
            (0x05, "LDRT", "A8.8.92"),
            (0x01, "LDRBT", "A8.8.71"),
            (0x03, "LDRHT", "A8.8.83"),
            (0x11, "LDRSBT", "A8.8.87"),
            (0x13, "LDRSHT", "A8.8.91"),
            (0x04, "STRT", "A8.8.219"),
            (0x00, "STRBT", "A8.8.209"),
            (0x02, "STRHT", "A8.8.218"),
        )
    ),
    *_wide(_COPROCESSOR),
)
"""Both halves as one word, the first one above."""


def find_arm(word: int) -> Rule | None:
    """The rule for an instruction in ARM state, condition included."""
    return find(word & 0x0FFF_FFFF, ARM_UNCONDITIONAL if word >> 28 == UNCONDITIONAL else ARM)


def find(word: int, rules: Sequence[Rule]) -> Rule | None:
    """The rule for an instruction; None if it does the same in every mode."""
    for rule in rules:
        if word & rule.mask == rule.value:
            return None if rule.fate is HARMLESS else rule
    return None
