"""A static ARM Linux program on raw Unicorn: its segments in RAM, no kernel; what it calls is answered by 0 until it ends.

    seconds = RawProgram(image, ["work", "crc", "100"], hook="count_block").run()

Theory: this is the least that such a program can run on, so it is what an emulator of a whole kernel is measured against.
There is no MMU, no exception is entered, and a system call is one callback in Python.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import unicorn
import unicorn.arm_const as arm

from benchmarks.host.raw import RawCpu
from cells.personalities.linux.elf import parse

RAM = 1 << 20
EXIT, WRITE, EXIT_GROUP = 1, 4, 248
USER_MODE = 0x10


class RawProgram:
    """Ready to run once. `hook`: as for `RawCpu`. Requires: all segments lie below a mebibyte."""

    def __init__(self, image: bytes, arguments: Sequence[str], hook: str = "") -> None:
        self._ram = bytearray(RAM)
        self.output = bytearray()
        shape = parse(lambda offset, size: image[offset : offset + size])
        for part in shape.segments:
            self._ram[part.address : part.address + part.file_size] = image[part.offset : part.offset + part.file_size]
        self._entry, self._stack = shape.entry, self._put_arguments(arguments)
        self.cpu = RawCpu("926", self._ram, hook)
        self.cpu.uc.hook_add(unicorn.UC_HOOK_INTR, self._call)

    def run(self) -> float:
        """The host seconds from its first instruction to its last."""
        uc = self.cpu.uc
        uc.reg_write(arm.UC_ARM_REG_CPSR, USER_MODE)
        uc.reg_write(arm.UC_ARM_REG_SP, self._stack)
        return self.cpu.run(self._entry, until=0)

    def _put_arguments(self, arguments: Sequence[str]) -> int:
        """Texts at the end of RAM, and below them argc, argv and two empty vectors; where the stack begins."""
        at, places = RAM, []
        for word in arguments:
            text = word.encode() + b"\0"
            at -= len(text)
            self._ram[at : at + len(text)] = text
            places.append(at)
        words = [len(places), *places, 0, 0, 0, 0]
        stack = at - 4 * len(words) & -16
        struct.pack_into(f"<{len(words)}I", self._ram, stack, *words)
        return stack

    def _call(self, uc: Any, _number: int, _data: object) -> None:
        number, answer = uc.reg_read(arm.UC_ARM_REG_R7), 0
        if number in (EXIT, EXIT_GROUP):
            uc.emu_stop()
            return
        if number == WRITE:
            address, answer = uc.reg_read(arm.UC_ARM_REG_R1), uc.reg_read(arm.UC_ARM_REG_R2)
            self.output += self._ram[address : address + answer]
        uc.reg_write(arm.UC_ARM_REG_R0, answer)
