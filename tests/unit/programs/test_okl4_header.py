"""The C side of the microvisor's door has the numbers of the Python side, and those are the numbers of machine.h."""

from __future__ import annotations

import re

from cells.wren import build
from hypervisor.abi import okl4_door, pv

MACHINE = build.WREN / "machine"


def test_the_header_has_every_number() -> None:
    text = (MACHINE / "okl4.h").read_text()
    defined = {name: int(value, 0) for name, value in re.findall(r"#define OKL4_(\w+) (\w+)\n", text)}
    wanted = {number.name: int(number) for number in okl4_door.DoorCall}
    wanted |= {f"WHY_{number.name}": int(number) for number in okl4_door.Why}
    wanted |= {f"ACCESS_{number.name}": int(number) for number in okl4_door.Access}
    wanted |= {f"PTE_{number.name}": int(number) for number in (pv.Pte.PRESENT, pv.Pte.WRITE)}
    assert defined == wanted | {"ROOT_SIZE": okl4_door.ROOT_SIZE}


def test_what_a_run_returns_is_what_the_kernel_calls_a_trap() -> None:
    text = (MACHINE / "machine.h").read_text()
    kinds = re.findall(r"^    TRAP_(\w+),", text, re.MULTILINE)
    assert kinds == [number.name for number in okl4_door.Why]
    rights = re.search(r"READABLE = (\d), WRITABLE = (\d), EXECUTABLE = (\d)", text)
    assert rights is not None
    assert [int(right) for right in rights.groups()] == [int(access) for access in okl4_door.Access]


def test_registers_of_a_process_are_laid_out_as_the_door_takes_them() -> None:
    text = (MACHINE / "machine.h").read_text()
    assert "u32 r[13], sp, lr, pc, psr;" in text and okl4_door.BLOCK.size == 17 * 4
