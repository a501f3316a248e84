"""Where the code of an image is, and what it is called: from its mapping symbols, or as well as can be known without them. Pure.

Theory: data lies amid code (literals, tables of jumps). The ABI for ARM has linkers keep symbols that say where what begins: `$a`
ARM, `$t` Thumb, `$d` data (AAELF, 4.6.5). Without these all of the executable sections or segments counts as code, and so may
some data. A Linux zImage is a decompressor in front of what it decompresses: what follows the first magic of a compressed stream
is data.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from itertools import pairwise

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section

from cells.machine.images import ImageError, recognise
from cells.machine.symbols import read_map, symbols_of

EXECUTABLE = 1
"""PF_X of a segment."""
KINDS = {"$a": "arm", "$t": "thumb", "$d": "data"}
COMPRESSED = (b"\x1f\x8b\x08", b"\xfd7zXZ\0", b"]\0\0", b"BZh", b"\x02\x21\x4c\x18", b"\x28\xb5\x2f\xfd", b"\x89LZO")


@dataclass(frozen=True, slots=True)
class Region:
    """Bytes at an address that are instructions of one kind: "arm" or "thumb"."""

    address: int
    content: bytes
    kind: str


@dataclass
class Code:
    """All of it. `symbols`: of functions and labels, by address; `why_inexact`: why data may be among the code, "" if not."""

    file: str
    regions: list[Region]
    symbols: dict[int, str] = field(default_factory=dict)
    why_inexact: str = ""
    _order: list[int] = field(default_factory=list)

    def name(self, address: int) -> str:
        """The symbol before an address, with the distance; "" without symbols."""
        if len(self._order) != len(self.symbols):
            self._order = sorted(self.symbols)
        place = bisect_right(self._order, address) - 1
        if place < 0:
            return ""
        start = self._order[place]
        return self.symbols[start] + (f"+{address - start:#x}" if address > start else "")


def code_of(file: str, data: bytes, beside: str | None = None) -> Code:
    """The code of an image. `beside`: the text of its map, for an ELF without symbols; None: there is none.

    Raises:
        ImageError: it is none, or is damaged.
    """
    image = recognise(file, data)
    if image.kind == "elf":
        try:
            return _of_elf(file, ELFFile(BytesIO(data)), image.entry, beside)
        except ImageError:
            raise
        except Exception as error:  # pyelftools meets damage with whatever its code runs into
            raise ImageError(file, f"is a damaged ELF ({str(error) or type(error).__name__})") from None
    if image.kind == "zimage":
        end = min((at for magic in COMPRESSED if (at := data.find(magic, 0x40)) > 0), default=len(data))
        why = "a zImage has no symbols: data may be among these, and its compressed kernel is not looked into"
        return Code(file, [Region(0, data[:end], "arm")], why_inexact=why)
    return Code(file, [Region(0, data, "arm")], why_inexact="a flat file has no symbols: data may be among these")


def _of_elf(file: str, elf: ELFFile, entry: int, beside: str | None) -> Code:
    found = symbols_of(elf) or ([] if beside is None else read_map(beside, file))
    marks = {symbol.address: KINDS[symbol.name] for symbol in found if symbol.name in KINDS}
    symbols = {symbol.address: symbol.name for symbol in reversed(found) if symbol.letter == "t"}
    sections = [
        section
        for section in elf.iter_sections()
        if section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR and section["sh_type"] == "SHT_PROGBITS"
    ]
    if marks and sections:
        return Code(file, [region for section in sections for region in _marked(section, marks)], symbols)
    state = "thumb" if entry & 1 else "arm"
    why = "it has no mapping symbols: data may be among these"
    if sections:
        return Code(file, [Region(s["sh_addr"], s.data(), state) for s in sections], symbols, why)
    loaded = [s for s in elf.iter_segments() if s["p_type"] == "PT_LOAD" and s["p_flags"] & EXECUTABLE]
    return Code(file, [Region(s["p_vaddr"], s.data(), state) for s in loaded], symbols, why)


def _marked(section: Section, marks: dict[int, str]) -> Iterator[Region]:
    """The pieces of a section between its mapping symbols, without data. Before the first one of all nothing is known: ARM."""
    start, content = section["sh_addr"], section.data()
    before = [marks[at] for at in sorted(marks) if at < start]
    borders = {at: kind for at, kind in marks.items() if start <= at < start + len(content)}
    borders.setdefault(start, before[-1] if before else "arm")
    for at, end in pairwise([*sorted(borders), start + len(content)]):
        if borders[at] != "data" and end > at:
            yield Region(at, content[at - start : end - start], borders[at])
