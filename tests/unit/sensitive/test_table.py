"""The table of sensitive instructions: every one of the manual's, and none that does the same in every mode."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pytest

from hypervisor.abi.sensitive import ARM, ARM_UNCONDITIONAL, THUMB16, THUMB32, Fate, Rule
from hypervisor.shell.sensitive.code import Code, Region
from hypervisor.shell.sensitive.scan import scan

TRAPS, SILENT, UNPREDICTABLE = Fate.TRAPS, Fate.SILENT, Fate.UNPREDICTABLE

SENSITIVE_ARM = {
    "mrc p15, 0, r0, c1, c0, 0": (0xEE110F10, TRAPS),
    "mcr p15, 0, r0, c2, c0, 0": (0xEE020F10, TRAPS),
    "mcrne p15, 0, r0, c7, c7, 0": (0x1E070F17, TRAPS),
    "mcr p15, 0, r0, c7, c10, 4": (0xEE070F9A, TRAPS),
    "mcr p15, 0, r0, c7, c0, 4": (0xEE070F90, TRAPS),
    "mrc p15, 0, r0, c13, c0, 3": (0xEE1D0F70, TRAPS),
    "mrrc p15, 0, r0, r1, c2": (0xEC510F02, TRAPS),
    "mcrr p15, 0, r0, r1, c5": (0xEC410F05, TRAPS),
    "mrc p14, 0, r0, c0, c1, 0": (0xEE100E11, TRAPS),
    "ldc p15, c0, [r0]": (0xED900F00, TRAPS),
    "mcr2 p15, 0, r0, c1, c0, 0": (0xFE010F10, TRAPS),
    "vmsr fpexc, r0": (0xEEE80A10, TRAPS),
    "vmrs r0, fpexc": (0xEEF80A10, TRAPS),
    "smc #0": (0xE1600070, TRAPS),
    "hvc #0": (0xE1400070, TRAPS),
    "mrs r0, cpsr": (0xE10F0000, SILENT),
    "msr cpsr_c, #0xd3": (0xE321F0D3, SILENT),
    "msr cpsr_fc, r0": (0xE129F000, SILENT),
    "msr cpsr_x, r0": (0xE122F000, SILENT),
    "cpsid i": (0xF10C0080, SILENT),
    "cpsie if, #0x13": (0xF10A00D3, SILENT),
    "cps #0x12": (0xF1020012, SILENT),
    "wfi": (0xE320F003, SILENT),
    "ldrt r0, [r1]": (0xE4B10000, SILENT),
    "strt r0, [r1], #4": (0xE4A10004, SILENT),
    "ldrbt r0, [r1], #4": (0xE4F10004, SILENT),
    "strbt r0, [r1], r2": (0xE6E10002, SILENT),
    "ldrt r0, [r1], r2": (0xE6B10002, SILENT),
    "ldrht r0, [r1]": (0xE0F100B0, SILENT),
    "strht r0, [r1]": (0xE0E100B0, SILENT),
    "ldrsbt r0, [r1]": (0xE0F100D0, SILENT),
    "ldrsht r0, [r1]": (0xE0F100F0, SILENT),
    "mrs r0, spsr": (0xE14F0000, UNPREDICTABLE),
    "msr spsr_fsxc, r0": (0xE16FF000, UNPREDICTABLE),
    "msr spsr_f, #1": (0xE368F001, UNPREDICTABLE),
    "movs pc, lr": (0xE1B0F00E, UNPREDICTABLE),
    "subs pc, lr, #4": (0xE25EF004, UNPREDICTABLE),
    "lsls pc, lr, r1": (0xE1B0F11E, UNPREDICTABLE),
    "ldm sp!, {r0-r3, pc}^": (0xE8FD800F, UNPREDICTABLE),
    "ldm r0, {sp, lr}^": (0xE8D06000, UNPREDICTABLE),
    "stm r0, {sp, lr}^": (0xE8C06000, UNPREDICTABLE),
    "rfeia sp!": (0xF8BD0A00, UNPREDICTABLE),
    "srsdb sp!, #0x13": (0xF96D0513, UNPREDICTABLE),
    "eret": (0xE160006E, UNPREDICTABLE),
}
HARMLESS_ARM = {
    "svc #0": 0xEF000000,
    "bkpt #0": 0xE1200070,
    "setend be": 0xF1010200,
    "msr cpsr_f, r0": 0xE128F000,
    "msr cpsr_f, #0x80000000": 0xE328F102,
    "nop": 0xE320F000,
    "wfe": 0xE320F002,
    "mov pc, lr": 0xE1A0F00E,
    "bx lr": 0xE12FFF1E,
    "blx r3": 0xE12FFF33,
    "clz r0, r1": 0xE16F0F11,
    "cmp r0, #0": 0xE3500000,
    "tst r0, #15": 0xE310000F,
    "subs r0, r0, #1": 0xE2500001,
    "muls r0, r1, r2": 0xE0100291,
    "ldm sp!, {r4, pc}": 0xE8BD8010,
    "stm r0, {r0-r12}": 0xE8801FFF,
    "ldr r0, [r1], #4": 0xE4910004,
    "str r0, [r1, #4]!": 0xE5A10004,
    "ldrh r0, [r1, #2]": 0xE1D100B2,
    "ldrd r0, [r2]": 0xE1C200D0,
    "swp r0, r1, [r2]": 0xE1020091,
    "umaal r0, r1, r2, r3": 0xE0410392,
    "ldrex r0, [r1]": 0xE1910F9F,
    "clrex": 0xF57FF01F,
    "dmb": 0xF57FF05F,
    "pld [r0]": 0xF5D0F000,
    "vmrs apsr, fpscr": 0xEEF1FA10,
    "vmsr fpscr, r0": 0xEEE10A10,
    "vldr d0, [r0]": 0xED900B00,
    "uxtb r0, r0": 0xE6EF0070,
    "usat r0, #1, r1": 0xE6E10011,
    "bl": 0xEB000000,
}
SENSITIVE_THUMB = {
    "cpsid i": (0xB672, SILENT),
    "wfi": (0xBF30, SILENT),
    "wfi.w": (0xF3AF8003, SILENT),
    "mrs r0, cpsr": (0xF3EF8000, SILENT),
    "msr cpsr_c, r0": (0xF3808100, SILENT),
    "cps #0x13": (0xF3AF8113, SILENT),
    "cpsid.w if": (0xF3AF8660, SILENT),
    "ldrt r0, [r1]": (0xF8510E00, SILENT),
    "strht r0, [r1]": (0xF8210E00, SILENT),
    "mrs r0, spsr": (0xF3FF8000, UNPREDICTABLE),
    "msr spsr_fc, r0": (0xF3908900, UNPREDICTABLE),
    "subs pc, lr, #4": (0xF3DE8F04, UNPREDICTABLE),
    "rfeia sp!": (0xE9BDC000, UNPREDICTABLE),
    "srsia sp!, #0x13": (0xE9ADC013, UNPREDICTABLE),
    "mrc p15, 0, r0, c1, c0, 0": (0xEE110F10, TRAPS),
    "mcrr p15, 0, r0, r1, c5": (0xEC410F05, TRAPS),
    "smc #0": (0xF7F08000, TRAPS),
}
HARMLESS_THUMB = {
    "svc #1": 0xDF01,
    "bx lr": 0x4770,
    "nop": 0xBF00,
    "setend be": 0xB658,
    "it eq": 0xBF08,
    "msr cpsr_f, r0": 0xF3808800,
    "nop.w": 0xF3AF8000,
    "ldr.w r0, [r1, #4]": 0xF8D10004,
    "bl": 0xF000F800,
    "pop.w {r4, pc}": 0xE8BD8010,
}


def thumb(word: int) -> bytes:
    halves = (word,) if word < 1 << 16 else (word >> 16, word & 0xFFFF)
    return b"".join(half.to_bytes(2, "little") for half in halves)


def fates(content: bytes, kind: str) -> list[Fate]:
    return [found.rule.fate for found in scan(Code("k", [Region(0, content, kind)]))]


@pytest.mark.parametrize("text", SENSITIVE_ARM)
def test_a_sensitive_arm_instruction_is_found(text: str) -> None:
    word, fate = SENSITIVE_ARM[text]
    assert fates(word.to_bytes(4, "little"), "arm") == [fate]


@pytest.mark.parametrize("text", HARMLESS_ARM)
def test_an_arm_instruction_that_any_mode_may_carry_out_is_not(text: str) -> None:
    assert fates(HARMLESS_ARM[text].to_bytes(4, "little"), "arm") == []


@pytest.mark.parametrize("text", SENSITIVE_THUMB)
def test_a_sensitive_thumb_instruction_is_found(text: str) -> None:
    word, fate = SENSITIVE_THUMB[text]
    assert fates(thumb(word), "thumb") == [fate]


@pytest.mark.parametrize("text", HARMLESS_THUMB)
def test_a_thumb_instruction_that_any_mode_may_carry_out_is_not(text: str) -> None:
    assert fates(thumb(HARMLESS_THUMB[text]), "thumb") == []


def test_the_texts_above_are_what_the_disassembler_says() -> None:
    """Only the mnemonic: operands are written in many ways."""
    listed = [(text, Region(0, word.to_bytes(4, "little"), "arm")) for text, (word, _) in SENSITIVE_ARM.items()]
    listed += [(text, Region(0, thumb(word), "thumb")) for text, (word, _) in SENSITIVE_THUMB.items()]
    for text, region in listed:
        (found,) = scan(Code("k", [region]))
        same = {"rfeia": "rfe", "srsia": "srs"}.get(text.split()[0], text.split()[0])
        assert found.text.split()[0].removesuffix(".w").startswith(same.removesuffix(".w")), (text, found.text)


def test_every_rule_says_what_becomes_of_it_and_where_that_stands() -> None:
    for rule in (*ARM, *ARM_UNCONDITIONAL, *THUMB16, *THUMB32):
        assert rule.value & ~rule.mask == 0, rule
        assert rule.fate is Fate.HARMLESS or (rule.does and rule.manual), rule


@pytest.mark.parametrize("rules", [ARM, ARM_UNCONDITIONAL, THUMB16, THUMB32])
def test_no_rule_is_hidden_by_one_before_it(rules: Sequence[Rule]) -> None:
    for first, second in combinations(rules, 2):
        hides = not first.mask & ~second.mask and second.value & first.mask == first.value
        assert not hides, (first.name, second.name)


def test_halves_of_long_thumb_instructions_are_not_taken_for_short_ones() -> None:
    assert fates(thumb(0xF8D1BF30), "thumb") == []  # ldr.w r11, [r1, #0xf30]
    assert fates(thumb(0x4770) + thumb(0xBF30), "thumb") == [SILENT]


def test_a_region_that_ends_amid_an_instruction_is_read_up_to_there() -> None:
    assert fates(b"\x10\x0f\x11", "arm") == []
    assert fates(thumb(0xF3AF8003)[:2], "thumb") == []
