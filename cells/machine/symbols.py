"""Symbols of an image: from its own table, or from the map that lies beside an image without one. Pure.

Theory: symbols are for people and are not loaded, so that a small image is committed without them; `NAME.map` beside
`NAME.elf` keeps them as text, a line each, as `nm` writes them: address, letter, name. Functions and labels have the letter t,
objects d. Mapping symbols (`$a` ARM, `$t` Thumb, `$d` data: AAELF, 4.6.5) have a; of a run of the same kind only the first
is kept.

>>> read_map("00000000 t _start\\n00000000 a $a\\n", "k.map")[1]
Symbol(address=0, letter='a', name='$a')
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Any, NamedTuple

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from cells.machine.images import ImageError

MAPPING = ("$a", "$t", "$d")
_LETTERS = {"STT_FUNC": "t", "STT_NOTYPE": "t", "STT_OBJECT": "d"}


class Symbol(NamedTuple):
    """One name. `letter`: t, d, or a for a mapping symbol."""

    address: int
    letter: str
    name: str


def symbols_of(elf: ELFFile) -> list[Symbol]:
    """All that have a place, by address, then letter and name; bit 0 of Thumb functions is left out."""
    tables = [section for section in elf.iter_sections() if isinstance(section, SymbolTableSection)]
    found = {symbol for table in tables for entry in table.iter_symbols() for symbol in _placed(entry)}
    return list(_merged(sorted(found)))


def _placed(entry: Any) -> Iterator[Symbol]:
    kind, name = entry["st_info"]["type"], entry.name
    if not isinstance(entry["st_shndx"], int) or not name or kind not in _LETTERS:  # undefined, absolute, of a file
        return
    if name[:2] in MAPPING:
        yield Symbol(entry["st_value"], "a", name[:2])
    else:
        yield Symbol(entry["st_value"] & ~int(_LETTERS[kind] == "t"), _LETTERS[kind], name)


def _merged(symbols: Iterable[Symbol]) -> Iterator[Symbol]:
    """Without mapping symbols that repeat the one before."""
    now = ""
    for symbol in symbols:
        if symbol.letter != "a" or symbol.name != now:
            yield symbol
        if symbol.letter == "a":
            now = symbol.name


def map_of(image: bytes) -> str:
    """The map of an ELF that has symbols."""
    return "".join(f"{s.address:08x} {s.letter} {s.name}\n" for s in symbols_of(ELFFile(BytesIO(image))))


def read_map(text: str, file: str) -> list[Symbol]:
    """The symbols of a map.

    Raises:
        ImageError: it is none.
    """
    symbols = []
    for number, line in enumerate(text.splitlines(), 1):
        address, _, rest = line.partition(" ")
        letter, _, name = rest.partition(" ")
        try:
            symbols.append(Symbol(int(address, 16), letter, name))
        except ValueError:
            raise ImageError(file, f"is no map: line {number} is not an address, a letter and a name") from None
    return symbols
