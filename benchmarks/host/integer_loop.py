"""A loop of six integer instructions: in a cell under the monitor, on raw Unicorn, and in qemu-arm.

A block of six instructions is as short as a kernel's average, so this is where a block hook costs most. The loop is the same
words everywhere; for qemu-arm they stand in a static Linux program, which is written here byte by byte.
"""

from __future__ import annotations

import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.host.figure import Figure, Setting, Target, ratios
from benchmarks.host.qemu import qemu_arm
from benchmarks.host.raw import RawCpu
from benchmarks.samples import Sample
from hypervisor import launch

START = (0xE59F0028, 0xE3A01001, 0xE3A02000)  # ldr r0, [pc, #40]; mov r1, #1; mov r2, #0
LOOP = (  # a xorshift generator, summed up (G. Marsaglia 2003)
    0xE0211681,  # eor r1, r1, r1, lsl #13
    0xE02118A1,  # eor r1, r1, r1, lsr #17
    0xE0211281,  # eor r1, r1, r1, lsl #5
    0xE0822001,  # add r2, r2, r1
    0xE2500001,  # subs r0, r0, #1
    0x1AFFFFF9,  # bne, to the first eor
)
END = (0xE3A00000, 0xE3A07001, 0xEF000000)  # mov r0, #0; mov r7, #1 (exit); svc #0
IMAGE_BASE = 0x8000
ELF_BASE, ELF_HEADERS = 0x10000, 0x54
ENDLESS = (1 << 32) - 1
BARE, COUNTING, CELL, QEMU = "raw without a hook", "raw with a counting hook", "cell", "qemu-arm"


def program(times: int) -> bytes:
    """The words, and how often to go round."""
    return struct.pack("<13I", *START, *LOOP, *END, times)


def linux_program(times: int) -> bytes:
    """A static ELF for ARM Linux (EABI 5) with one loaded segment: its headers and the words."""
    code = program(times)
    size = ELF_HEADERS + len(code)
    ident = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")
    header = struct.pack("<2H5I6H", 2, 40, 1, ELF_BASE + ELF_HEADERS, 0x34, 0, 0x5000200, 0x34, 0x20, 1, 0, 0, 0)
    segment = struct.pack("<8I", 1, 0, ELF_BASE, ELF_BASE, size, size, 5, 0x1000)
    return ident + header + segment + code


def run(setting: Setting) -> Iterator[Sample]:
    """All variants, the last one if it is there."""
    times = 20_000_000 if setting.quick else 200_000_000
    image = setting.scratch / "loop.bin"
    image.write_bytes(program(ENDLESS))
    variants: dict[str, Callable[[], float]] = {
        CELL: lambda: _cell(image, times),
        COUNTING: lambda: _raw(times, "count_block"),
        BARE: lambda: _raw(times, ""),
    }
    qemu = qemu_arm(setting.say)
    if qemu is not None:
        variants[QEMU] = lambda: _qemu(qemu, setting.scratch / "loop", times)
    mips = setting.in_turns(variants)
    for name, values in mips.items():
        yield setting.sample("integer_loop", "mips", "MIPS", values, variant=name)
    yield setting.sample("integer_loop", "to_counting", "ratio", ratios(mips[CELL], mips[COUNTING]))
    yield setting.sample("integer_loop", "to_bare", "ratio", ratios(mips[CELL], mips[BARE]))
    if QEMU in mips:
        yield setting.sample("integer_loop", "to_qemu_arm", "ratio", ratios(mips[CELL], mips[QEMU]))


def _cell(image: Path, times: int) -> float:
    """A cell runs for a second of virtual time or more, in the board's slices."""
    topology = {"name": "loop", "board": "arm926", "cells": {"loop": {"image": str(image), "ram": "1MiB"}}}
    with launch(topology) as run_:
        account, step, until = run_.cell("loop").account, run_.cycles("1s"), 0
        began = time.perf_counter()
        while account.insns < times * len(LOOP):
            until += step
            run_.until(until)
        return account.insns / (time.perf_counter() - began) / 1e6


def _raw(times: int, hook: str) -> float:
    ram = bytearray(1 << 20)
    ram[IMAGE_BASE : IMAGE_BASE + len(program(times))] = program(times)
    cpu = RawCpu("926", ram, hook)
    seconds = cpu.run(IMAGE_BASE, until=IMAGE_BASE + 4 * len(START + LOOP))
    return times * len(LOOP) / seconds / 1e6


def _qemu(qemu: str, path: Path, times: int) -> float:
    """The time of the loop alone: less that of one round, which is all start and end."""
    seconds = []
    for rounds in (1, times):
        path.write_bytes(linux_program(rounds))
        path.chmod(0o755)
        began = time.perf_counter()
        subprocess.run([qemu, str(path)], check=True)
        seconds.append(time.perf_counter() - began)
    return times * len(LOOP) / (seconds[1] - seconds[0]) / 1e6


FIGURE = Figure(
    "integer_loop",
    "a loop of integer instructions against raw Unicorn and qemu-arm",
    (Target("to_counting", ">=", 0.9, "MIPS in a cell / raw Unicorn with a minimal C counting hook"),),
    run,
)
