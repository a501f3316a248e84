"""Methods of interfaces: how their words become values, told by a signature.

    class Display(Object):
        NAME = "IDisplay"

        @method("int DrawRect(rect prc, word frame, word fill, word flags)")
        def draw_rect(self, rect, frame, fill, flags): ...

Theory: the order of the definitions is the vtable's; the C header, the support table and what a trap does are made of the
signatures. An argument takes one word or two; an output takes a pointer and is written from what the function returns behind
its result. Every pointer is looked at before anything is done: one that the module could not use itself is a crime.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from cells.personalities.arm.errno import ENAMETOOLONG, Errno
from cells.personalities.brew.codes import Error
from cells.personalities.brew.crime import Crime, Refusal

if TYPE_CHECKING:
    from cells.personalities.brew.arm_module import ArmModule
    from cells.personalities.brew.object import Object

F = TypeVar("F", bound=Callable[..., Any])
TEXT_LIMIT = 256
"""Characters of a text: what a screen can show many times over."""
PAGE = 4096
BAD_PARAMETER = int(Error.EBADPARM)
DATA_LIMIT = 64 << 10
"""Bytes of one transfer."""
FULL, PARTIAL = "full", "partial"


class Rect(NamedTuple):
    """AEERect: pixels."""

    x: int
    y: int
    width: int
    height: int


class Notify(NamedTuple):
    """PFNNOTIFY and its data: an address and a word, or a Python function and anything."""

    function: Any
    user: Any


class Kind(NamedTuple):
    """An argument: its C declaration with {0} for the name, how many words, and how they are read or, for an output, checked
    and written."""

    c: str
    words: int
    read: Callable[..., Any] | None = None
    check: Callable[..., Any] | None = None
    write: Callable[[ArmModule, int, Any], None] | None = None


_RECT, _WORD = struct.Struct("<4h"), struct.Struct("<I")


def _signed(_module: ArmModule, word: int) -> int:
    return word - (word >> 31 << 32)


def _rect(module: ArmModule, address: int) -> Rect | None:
    return Rect(*_RECT.unpack(module.space.read(address, _RECT.size))) if address else None


def _wide(module: ArmModule, address: int, count: int) -> str:
    """AECHARs: `count` of them, or, if that is negative, up to a zero."""
    limit = min(count, TEXT_LIMIT) if not count >> 31 else TEXT_LIMIT
    found: list[int] = []
    while len(found) < limit and 0 not in found:
        at = address + 2 * len(found)
        piece = min(max(PAGE - at % PAGE >> 1, 1), limit - len(found))  # no further than where the end may be
        found += struct.unpack(f"<{piece}H", module.space.read(at, 2 * piece))
    end = found.index(0) if 0 in found else len(found)
    return "".join(map(chr, found[:end]))


def _text(module: ArmModule, address: int) -> str:
    try:
        return module.space.cstring(address, TEXT_LIMIT).decode("latin-1")
    except Errno as error:
        if error.code == ENAMETOOLONG:
            raise Refusal(BAD_PARAMETER) from None
        raise


def _data(module: ArmModule, address: int, size: int) -> bytes:
    if size > DATA_LIMIT:
        raise Refusal(0xFFFF_FFFF)
    return module.space.read(address, size)


def _room(module: ArmModule, address: int, size: int) -> int:
    """How many bytes may be written there: all of them are looked at first."""
    size = min(size, DATA_LIMIT)
    for at in range(address & -PAGE, address + size, PAGE):
        module.space.read(max(at, address), 1)
        writable(module, max(at, address), 1)
    return size


def writable(module: ArmModule, address: int, size: int) -> None:
    """The module may write there.

    Raises:
        Errno: it may not.
    """
    module.space.write(address, module.space.read(address, size))


def _object(name: str) -> Callable[[ArmModule, int], Any]:
    def read(module: ArmModule, address: int) -> Any:
        if not address:
            return None
        found = module.objects.get(address)
        if found is None or name not in found.names:
            raise Crime(module, f"{address:#x} is no {name} that it holds")
        return found

    return read


def _plain(_module: ArmModule, word: int) -> int:
    return word


def _output(c: str, layout: str) -> Kind:
    form = struct.Struct(layout)

    def write(module: ArmModule, address: int, value: Any) -> None:
        if value is None:
            return
        values = value if isinstance(value, tuple) else (value,)
        module.space.write(address, form.pack(*values))

    return Kind(c, 1, check=lambda module, address: writable(module, address, form.size), write=write)


def _write_object(module: ArmModule, address: int, value: Any) -> None:
    module.space.write(address, _WORD.pack(0 if value is None else value.address))


def _write_data(module: ArmModule, address: int, value: bytes | None) -> None:
    if value:
        module.space.write(address, value)


KINDS: dict[str, Kind] = {
    "word": Kind("uint32 {0}", 1, _plain),
    "int": Kind("int32 {0}", 1, _signed),
    "flag": Kind("boolean {0}", 1, lambda _module, word: bool(word)),
    "pointer": Kind("void *{0}", 1, _plain),
    "text": Kind("const char *{0}", 1, _text),
    "wide": Kind("const AECHAR *{0}, int32 {0}Length", 2, _wide),
    "rect": Kind("const AEERect *{0}", 1, _rect),
    "data": Kind("const void *{0}, uint32 {0}Size", 2, _data),
    "notify": Kind("PFNNOTIFY {0}, void *{0}User", 2, lambda _module, function, user: Notify(function, user)),
    "bitmap": Kind("IBitmap *{0}", 1, _object("IBitmap")),
    "out_word": _output("uint32 *{0}", "<I"),
    "out_rect": _output("AEERect *{0}", "<4h"),
    "out_info": _output("AEEInfo *{0}", "<4I"),
    "out_name": _output("AEEFileInfo *{0}", "<II64s"),
    "out_object": Kind(
        "void **{0}", 1, check=lambda module, address: writable(module, address, 4), write=_write_object
    ),
    "room": Kind("void *{0}, uint32 {0}Size", 2, _room, write=_write_data),
}
"""Kinds of arguments by their name in a signature."""

_SIGNATURE = re.compile(r"(void|int|word|flag|pointer) (\w+)\((.*)\)")
RESULTS = {"void": "void", "int": "int32", "word": "uint32", "flag": "boolean", "pointer": "void *"}


class Method(NamedTuple):
    """A row of an interface. `function`: attribute's name on the object."""

    name: str
    result: str
    arguments: tuple[tuple[str, str], ...]
    """Kind and name."""
    function: str
    level: str
    note: str


def method(signature: str, note: str = "") -> Callable[[F], F]:
    """Mark a function as a method of its interface. `note`: what of it is not there, or is otherwise."""
    found = _SIGNATURE.fullmatch(signature)
    assert found is not None, signature
    result, name, inside = found.groups()
    arguments = tuple((part.split()[0], part.split()[1]) for part in inside.split(", ") if part)
    assert all(kind in KINDS for kind, _ in arguments), signature

    def mark(function: F) -> F:
        row = Method(name, result, arguments, function.__name__, PARTIAL if note else FULL, note)
        function.__dict__["brew"] = row
        return function

    return mark


def methods_of(interface: type) -> list[Method]:
    """The rows of a class, its base's first: the vtable's order."""
    found: dict[str, Method] = {}
    for each in reversed(interface.__mro__):
        for value in vars(each).values():
            row = getattr(value, "brew", None)
            if row is not None:
                found[row.name] = row
    return list(found.values())


Entry = Callable[["ArmModule", Sequence[int]], int]
"""What a trap does: with the module, and its r0..r15."""


def entry(interface: type[Object], row: Method) -> Entry:
    """The function behind one entry of a vtable."""
    where = f"{interface.NAME}_{row.name}"
    reads, outputs, words = _plan(row.arguments)
    function = getattr(interface, row.function)
    offset = 0 if interface.FREE else 1

    def call(module: ArmModule, registers: Sequence[int]) -> int:
        if interface.FREE:
            this: Any = module.helpers
        else:
            this = module.objects.get(registers[0])
            if this is None or type(this) is not interface:
                raise Crime(module, f"{where}: {registers[0]:#x} is no object of it")
        try:
            given: Sequence[int] = registers[offset:4]
            if words > 4 - offset:
                more = module.space.read(registers[13], 4 * (words + offset - 4))
                given = [*given, *struct.unpack(f"<{len(more) // 4}I", more)]
            arguments = [read(module, *given[at : at + count]) for read, at, count in reads]
            for kind, at in outputs:
                if kind.check is not None:
                    kind.check(module, given[at])
            result = function(this, *arguments)
            if outputs:
                result, *values = result
                for (kind, at), value in zip(outputs, values, strict=True):
                    kind.write(module, given[at], value)  # type: ignore[misc]
        except Errno:
            raise Crime(module, f"{where}: a pointer to what it may not use") from None
        except Refusal as refusal:
            return refusal.code
        return 0 if result is None else int(result) & 0xFFFF_FFFF

    return call


Reads = list[tuple[Callable[..., Any], int, int]]


def _plan(arguments: Sequence[tuple[str, str]]) -> tuple[Reads, list[tuple[Kind, int]], int]:
    """What is read from which words, what is written where, and how many words there are."""
    reads: Reads = []
    outputs: list[tuple[Kind, int]] = []
    at = 0
    for name, _ in arguments:
        kind = KINDS[name]
        if kind.read is not None:
            reads.append((kind.read, at, kind.words))
        if kind.write is not None:
            outputs.append((kind, at))
        at += kind.words
    return reads, outputs, at
