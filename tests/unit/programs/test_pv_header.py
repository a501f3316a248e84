"""The C side of the door `pv` has the numbers of the Python side."""

from __future__ import annotations

import re

from cells.programs.arm import build
from hypervisor.abi import pv


def test_the_header_has_every_number() -> None:
    text = (build.SOURCES / "pv.h").read_text()
    defined = {name: int(value, 0) for name, value in re.findall(r"#define PV_(\w+) (\w+)\n", text)}
    tables = {"CALL": pv.PvCall, "MMU": pv.MmuOp, "FAULT": pv.FaultRegister, "TRAP": pv.Trap, "PTE": pv.Pte}
    wanted = {f"{prefix}_{number.name}": int(number) for prefix, numbers in tables.items() for number in numbers}
    modes = {
        "USER_MODE": pv.USER_MODE,
        "KERNEL_MODE": pv.KERNEL_MODE,
        "MODE_MASK": pv.MODE_MASK,
        "BATCH_LIMIT": pv.BATCH_LIMIT,
    }
    assert defined == wanted | modes
