"""The sensitive instructions of an image, one by one: `scan(code)`.

for found in scan(code_of("k", data)):
    print(hex(found.address), found.symbol, found.text, found.rule.fate.value)
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from hypervisor.abi.sensitive import ARM, ARM_UNCONDITIONAL, THUMB16, THUMB32, UNCONDITIONAL, Rule, find
from hypervisor.shell.sensitive.code import Code, Region

WIDE = (0b11101, 0b11110, 0b11111)
"""Upper five bits of the first half of a Thumb instruction of two (DDI 0406C, A6.1)."""
_NEAR = 0x0FF0_00F0
"""Bits that tell most instructions apart: what of them no rule has is passed over quickly."""


class Found(NamedTuple):
    """One instruction. `symbol`: the function and the distance in it; `text`: as an assembler writes it."""

    address: int
    symbol: str
    word: int
    text: str
    rule: Rule


def scan(code: Code) -> Iterator[Found]:
    """All of them, by address."""
    for region in sorted(code.regions, key=lambda region: region.address):
        for address, word, size, rule in WALKS[region.kind](region):
            text = _text(word, size, address, region.kind)
            yield Found(address, code.name(address), word, text, rule)


Hit = tuple[int, int, int, Rule]
"""(address, word, bytes, rule)."""


def _arm(region: Region) -> Iterator[Hit]:
    whole = region.content[: len(region.content) & ~3]
    conditional, others = _index(ARM), _index(ARM_UNCONDITIONAL)
    for place, (word,) in enumerate(struct.iter_unpack("<I", whole)):
        rules = (others if word >> 28 == UNCONDITIONAL else conditional)(word & _NEAR)
        if rules and (rule := find(word & 0x0FFF_FFFF, rules)):
            yield region.address + 4 * place, word, 4, rule


@cache
def _index(rules: Sequence[Rule]) -> Callable[[int], Sequence[Rule]]:
    """The few rules that an instruction with these bits could fit."""

    @cache
    def near(bits: int) -> Sequence[Rule]:
        return [rule for rule in rules if not (bits ^ rule.value) & rule.mask & _NEAR]

    return near


def _thumb(region: Region) -> Iterator[Hit]:
    halves = [half for (half,) in struct.iter_unpack("<H", region.content[: len(region.content) & ~1])]
    place = 0
    while place < len(halves):
        wide = halves[place] >> 11 in WIDE and place + 1 < len(halves)
        word = halves[place] << 16 | halves[place + 1] if wide else halves[place]
        rule = find(word, THUMB32 if wide else THUMB16)
        if rule:
            yield region.address + 2 * place, word, 4 if wide else 2, rule
        place += 2 if wide else 1


WALKS: Mapping[str, Callable[[Region], Iterator[Hit]]] = {"arm": _arm, "thumb": _thumb}


def _text(word: int, size: int, address: int, kind: str) -> str:
    """As an assembler writes it; the bare word if the disassembler does not know it."""
    halves = word >> 16 | (word & 0xFFFF) << 16 if kind == "thumb" and size == 4 else word
    content = halves.to_bytes(size, "little")
    for _, _, mnemonic, operands in _disassembler(kind).disasm_lite(content, address):
        return f"{mnemonic} {operands}".strip()
    return f".inst {word:#0{2 * size + 2}x}"


@cache
def _disassembler(kind: str) -> Any:
    import capstone  # a large library, for those few commands that need it

    mode = capstone.CS_MODE_THUMB if kind == "thumb" else capstone.CS_MODE_ARM
    return capstone.Cs(capstone.CS_ARCH_ARM, mode)
