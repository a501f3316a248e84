"""Flash that is read as memory: without exits as long as the chip gives its array, by exits otherwise, with the same result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.arm import assemble
from tests.support.live import Live

pytestmark = pytest.mark.slow

BASE = 0x0400_0000


def topology(**more: Any) -> dict[str, Any]:
    owner = {"guest": "python", "devices": ["flash0"], "ram": "1MiB", **more}
    return {"name": "test", "board": "beagle", "cells": {"owner": owner}}


def reader(port: Any) -> None:
    """Program 8 bytes, and read them by all ways, in array mode and while the chip shows something else."""
    store, data = port.store, b"12345678"
    store(BASE, 0xE8, 2)
    store(BASE, 3, 2)
    port.store_bytes(BASE + 0x1000, data)
    store(BASE, 0xD0, 2)
    busy = port.load_bytes(BASE + 0x1000, 4)
    port.sleep("1ms")
    ready = port.load_bytes(BASE + 0x1000, 4)
    store(BASE, 0xFF, 2)
    array = port.load_bytes(BASE + 0x0FF8, 24)
    store(BASE, 0x90, 2)
    identifier = port.load_bytes(BASE, 4)
    port.print(busy.hex(), ready.hex(), array, identifier.hex())


SEEN = b"00000000 80008000 b'" + rb"\xff" * 8 + b"12345678" + rb"\xff" * 8 + b"' 89001700\n"


@pytest.mark.parametrize("link", ["shm", "zmq"])
def test_what_is_read_as_memory_is_what_loads_would_get(live: Live, link: str) -> None:
    run = live(topology(), guests={"owner": reader}, link=link)
    run.run()
    assert run.console("owner") == SEEN
    assert run.cell("owner").account.exits["read"] == 3, "while it gave the array there was none"


def test_a_new_life_reads_what_the_old_one_programmed(live: Live) -> None:
    def guest(port: Any) -> None:
        port.store(BASE, 0xFF, 2)
        if port.load_bytes(BASE, 4) == b"\xff" * 4:
            port.store(BASE, 0x40, 2)
            port.store(BASE, 0x1234, 2)
            port.sleep("1ms")
            raise RuntimeError
        port.print(port.load_bytes(BASE, 4).hex())

    run = live(topology(on_crash="restart"), guests={"owner": guest})
    run.run()
    assert run.console("owner") == b"3412ffff\n"


def test_the_content_cannot_be_written_through_the_mapping(live: Live) -> None:
    def guest(port: Any) -> None:
        content = port._devices._places[0].content
        try:
            content[0] = 0
        except TypeError:
            port.print("read only")
        try:
            content.resize(1)
        except (TypeError, OSError):
            port.print("of one size")

    run = live(topology(), guests={"owner": guest})
    run.run()
    assert run.console("owner") == b"read only\nof one size\n"


LOOP = f"""
    ldr r4, ={BASE:#x}
    mov r0, #0xff
    strh r0, [r4]
    mov r1, #0
    mov r2, #1000
again:
    ldr r3, [r4, #8]
    add r1, r1, r3
    subs r2, r2, #1
    bne again
    ldr r5, =0x40004000
    str r1, [r5]
    mov r0, #0x90
    strh r0, [r4]
    ldrh r1, [r4]
    str r1, [r5, #4]
over:
    b over
"""


def test_arm_code_reads_flash_without_exits(live: Live, tmp_path: Path) -> None:
    image = tmp_path / "loop.bin"
    image.write_bytes(assemble(LOOP))
    cell = {"image": str(image), "devices": ["flash0"], "ram": "1MiB"}
    run = live({"name": "test", "board": "beagle", "cells": {"arm": cell}})
    run.until("1ms")
    memory = run.memory("arm")
    found = [int.from_bytes(memory[at : at + 4], "little") for at in (0x4000, 0x4004)]
    assert found == [-1000 & 0xFFFFFFFF, 0x89], "1000 words of ones; the identifier"
    exits = run.cell("arm").account.exits
    assert (exits["read"], exits["write"]) == (1, 2)
