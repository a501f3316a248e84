"""Words of a call become values, and a pointer that is bad is a crime before anything is done."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cells.personalities.arm.errno import EFAULT, Errno
from cells.personalities.brew.bitmap import Dib, made
from cells.personalities.brew.codes import Error, Rop
from cells.personalities.brew.crime import Crime
from cells.personalities.brew.method import Rect, entry, method, methods_of
from cells.personalities.brew.object import Object
from tests.support.brew import BrewBench
from tests.support.linux import HZ

ROOM = 64


class Thing(Object):
    NAME = "IThing"

    def __init__(self, module: Any) -> None:
        super().__init__(module)
        self.done: list[int] = []

    @method("int Do(int number, out_word value)")
    def do(self, number: int) -> tuple[int, int]:
        """Remember it."""
        self.done.append(number)
        return Error.SUCCESS, 7


class Space:
    """`ROOM` bytes from 0 on."""

    def __init__(self) -> None:
        self.memory = bytearray(ROOM)

    def read(self, address: int, size: int) -> bytes:
        if address + size > ROOM:
            raise Errno(EFAULT)
        return bytes(self.memory[address : address + size])

    def write(self, address: int, data: bytes) -> None:
        self.read(address, len(data))
        self.memory[address : address + len(data)] = data


@pytest.mark.parametrize(("address", "good"), [(8, True), (60, True), (61, False), (0xFFFF_FFF0, False)])
def test_an_output_is_written_or_nothing_is_done(address: int, good: bool) -> None:
    module: Any = SimpleNamespace(name="m", space=Space(), objects={})
    thing = module.objects[0x90] = Thing(module)
    call = entry(Thing, next(row for row in methods_of(Thing) if row.name == "Do"))
    registers = [0x90, 0xFFFF_FFFE, address, 0, *[0] * 12]
    if good:
        assert call(module, registers) == Error.SUCCESS
        assert (thing.done, module.space.memory[address]) == ([-2], 7)
    else:
        with pytest.raises(Crime, match="IThing_Do: a pointer"):
            call(module, registers)
        assert thing.done == []


def test_what_is_drawn_into_a_dib_is_in_the_modules_memory() -> None:
    bench = BrewBench(["rogue"])
    bench.run(0.1)
    bench.world.end = HZ  # time for what follows
    module: Any = bench.system.modules["rogue"]
    code, dib = made(module, Dib, 8, 4)
    assert (code, type(dib)) == (Error.SUCCESS, Dib)
    assert isinstance(dib, Dib)
    module.space.write(dib.at, bytes(64))
    assert dib.fill_rect(Rect(1, 2, 3, 1), 0x1234, Rop.COPY) == Error.SUCCESS
    row = b"\0\0" + b"\x34\x12" * 3 + bytes(8)
    assert module.space.read(dib.at, 64) == bytes(32) + row + bytes(16)
