"""The C side of the interfaces, made of the tables: `python -m cells.personalities.brew.header` writes `AEEInterfaces.h`.

Each interface is a structure with a pointer to its vtable, each method a macro in the manner of the public headers:
`IDISPLAY_Update(display)` is `(display)->pvt->Update(display)`.
"""

from __future__ import annotations

from pathlib import Path

from cells.personalities.brew import codes
from cells.personalities.brew.kernel import INTERFACES
from cells.personalities.brew.method import KINDS, RESULTS, Method, methods_of
from cells.personalities.brew.object import Object

HEADER = Path(__file__).parents[2] / "programs" / "brew" / "sdk" / "AEEInterfaces.h"
_BANNER = "/* Made of the personality's tables by `python -m cells.personalities.brew.header`. */"
_FIELDS = {"IDIB": " uint16 *pBmp; int16 cx, cy, nPitch, nDepth;"}
"""What an object shows beside its vtable."""


def header() -> str:
    """The whole file."""
    parts = [
        _BANNER,
        "#ifndef AEEINTERFACES_H",
        "#define AEEINTERFACES_H",
        '#include "AEETypes.h"',
        "",
        *_constants(),
        "",
    ]
    parts += [f"typedef struct {each.NAME} {each.NAME};" for each in INTERFACES]
    for each in INTERFACES:
        parts += ["", *_interface(each)]
    return "\n".join([*parts, "", "#endif", ""])


def _constants() -> list[str]:
    lines = [
        f"#define {prefix}{member.name} {member.value:#x}"
        for enumeration, prefix in codes.PREFIXES.items()
        for member in enumeration
    ]
    return [
        *lines,
        f"#define AEE_NET_ERROR ({codes.NET_ERROR})",
        f"#define AEE_NET_WOULDBLOCK ({codes.NET_WOULDBLOCK})",
    ]


def _interface(interface: type[Object]) -> list[str]:
    name, rows = interface.NAME, methods_of(interface)
    if interface.FREE:
        return [f"struct {name} {{", *(f"    {_pointer(row, None)};" for row in rows), "};"]
    macros = [_macro(name, row) for row in rows]
    vtable = [f"typedef struct {name}Vtbl {{", *(f"    {_pointer(row, name)};" for row in rows), f"}} {name}Vtbl;"]
    return [*vtable, f"struct {name} {{ const {name}Vtbl *pvt;{_FIELDS.get(name, '')} }};", *macros]


def _pointer(row: Method, this: str | None) -> str:
    """A member of the vtable."""
    arguments = [KINDS[kind].c.format(_name(name)) for kind, name in row.arguments]
    inside = ", ".join([*([f"{this} *po"] if this else []), *arguments]) or "void"
    return f"{RESULTS[row.result]} (*{row.name})({inside})"


def _macro(name: str, row: Method) -> str:
    words = [f"a{number}" for number in range(sum(KINDS[kind].words for kind, _ in row.arguments))]
    return f"#define {name.upper()}_{row.name}({', '.join(['p', *words])}) ((p)->pvt->{row.name}({', '.join(['(p)', *words])}))"


def _name(name: str) -> str:
    """C has some of our words."""
    return {"class": "cls", "from": "origin"}.get(name, name)


if __name__ == "__main__":
    HEADER.write_text(header())
