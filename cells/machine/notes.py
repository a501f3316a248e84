"""Notes in an image: what a kernel says of itself before it runs. Pure.

Theory: an ELF may carry notes (gABI, "Note Section"): an owner, a type, and some bytes. Ours have the owner "Cellvisor" and one
32-bit word each: FLAVOUR, the architecture whose calls the kernel makes (`FlavourNumber`; native: it wants the CPU's
privileged modes), and VIRTUAL_BASE, the virtual address at which it wants to find its RAM. An image without notes is one that
does not care.

>>> read_notes(struct.pack("<3I12sI", 10, 4, 1, b"Cellvisor", 2))
Notes(flavour=<FlavourNumber.XEN: 2>, virtual_base=0)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from hypervisor.abi.info_page import FlavourNumber
from hypervisor.abi.memory import KERNEL_LOWEST, KERNEL_WINDOW
from hypervisor.abi.pv import SECTION

OWNER = b"Cellvisor\0"


class NoteType(IntEnum):
    """Types of our notes."""

    FLAVOUR = 1
    VIRTUAL_BASE = 2


class NoteError(ValueError):
    """The notes make no sense; the text says which, and why, after the file's name."""


class Notes(NamedTuple):
    """What a kernel says of itself. `flavour` None: nothing, and 0 in `virtual_base`: wherever its RAM is."""

    flavour: FlavourNumber | None = None
    virtual_base: int = 0


NO_NOTES = Notes()


def read_notes(*segments: bytes) -> Notes:
    """What the note segments of an image say.

    Raises:
        NoteError: they are cut short, contradict themselves, or say what cannot be.
    """
    found: dict[int, int] = {}
    for segment in segments:
        for kind, word in _ours(segment):
            if kind in found:
                raise NoteError(f"says its {_name(kind)} twice")
            found[kind] = word
    flavour = found.get(NoteType.FLAVOUR)
    if flavour is not None and flavour not in set(FlavourNumber):
        raise NoteError(f"says that it is made for flavour {flavour}, which does not exist")
    base = found.get(NoteType.VIRTUAL_BASE, 0)
    if NoteType.VIRTUAL_BASE in found:
        _check_base(base, flavour)
    return Notes(None if flavour is None else FlavourNumber(flavour), base)


def _check_base(base: int, flavour: int | None) -> None:
    if flavour is None:
        raise NoteError("says its virtual base, but not its flavour")
    if base % SECTION or not KERNEL_LOWEST <= base < KERNEL_WINDOW:
        where = f"a multiple of 1MiB in {KERNEL_LOWEST:#x}..{KERNEL_WINDOW - SECTION:#x}"
        raise NoteError(f"wants its RAM at virtual address {base:#x}: it has to be {where}")


def _name(kind: int) -> str:
    return NoteType(kind).name.lower().replace("_", " ")


def _ours(segment: bytes) -> Iterator[tuple[int, int]]:
    """(type, word) of each note that is ours; name and content fill whole words."""
    at = 0
    while at < len(segment):
        if at + 12 > len(segment):
            raise NoteError("is a damaged ELF (a note is cut short)")
        name_size, size, kind = struct.unpack_from("<3I", segment, at)
        content = at + 12 + (name_size + 3 & ~3)
        if content + size > len(segment):
            raise NoteError("is a damaged ELF (a note is cut short)")
        if segment[at + 12 : at + 12 + name_size] == OWNER:
            yield _checked(kind, segment[content : content + size])
        at = content + (size + 3 & ~3)


def _checked(kind: int, content: bytes) -> tuple[int, int]:
    if kind not in set(NoteType):
        raise NoteError(f"has a note of type {kind}, which nobody knows")
    if len(content) != 4:
        raise NoteError(f"says its {_name(kind)} in {len(content)} bytes, not in a word of 4")
    return kind, int.from_bytes(content, "little")
