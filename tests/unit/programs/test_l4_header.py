"""The C side of the microkernel's door has the numbers of the Python side."""

from __future__ import annotations

import re

from cells.wren import build
from hypervisor.abi import l4_door, memory, pv
from hypervisor.abi.l4 import Label


def test_the_header_has_every_number() -> None:
    text = (build.WREN / "machine" / "l4.h").read_text()
    defined = {name: int(value, 0) for name, value in re.findall(r"#define L4_(\w+) (\w+)\n", text)}
    tables = {"CALL": l4_door.Call, "INDEX": l4_door.Index, "EXCHANGE": l4_door.Exchange, "TRAP": pv.Trap}
    wanted = {f"{prefix}_{number.name}": int(number) for prefix, numbers in tables.items() for number in numbers}
    names = ("ROOT", "SIGNAL_PAGE", "UTCB_SIZE", "MAP_ITEM", "ITEMS_LIMIT", "UNMAP_LIMIT")
    wanted |= {name: getattr(l4_door, name) for name in names}
    wanted |= {"LABEL_EXCEPTION": Label.EXCEPTION, "LABEL_USER": Label.USER, "READ": memory.READ, "WRITE": memory.WRITE}
    assert defined == wanted
    assert int(l4_door.FOREVER) == (1 << 64) - 1 and "#define L4_FOREVER (~0ull)" in text
