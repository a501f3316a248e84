"""Translated code that asks less often whether to stop (native/quicken.c) does the same, and stops at the same places."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from cells.engines.arm import Stop
from tests.support.arm import DISTINCT, Bench
from tests.support.live import ROOT
from tests.support.patience import PATIENCE_S

CODE, DATA = 0x1000, 0x8000
MIXED = """
    mov r0, #20; ldr r1, =0x8000; mov r2, #0
    again: ldr r3, [r1]; add r3, r3, r0; str r3, [r1], #4; ldmia r1, {r4-r7}; stmia r1, {r3, r4, r5, r6}
    strb r0, [r1, #64]; ldrh r8, [r1, #2]; add r2, r2, r8; tst r0, #3; svceq #1; bl below
    subs r0, r0, #1; bne again
    ldr r9, =0xfff00000; ldr r10, =patch; ldr r11, =0xe3a0c02a; str r11, [r10]; b patch
    below: push {r0, r1, lr}; ldr r4, [sp]; add r2, r2, r4; pop {r0, r1, pc}
    patch: mov r12, #1
"""


def a_bench(model: str, *, quick: bool) -> Bench:
    bench = Bench(model, DISTINCT)
    bench.engine.vcpu.quick = quick
    bench.load(CODE, MIXED + bench.wait)
    bench.engine.reset(CODE)
    bench.engine.write_register("SP", 0xF000)
    return bench


def state(bench: Bench) -> tuple[object, ...]:
    vcpu = bench.engine.vcpu
    registers = tuple(bench.engine.read_register(f"R{number}") for number in range(13))
    return (*registers, vcpu.cycles, vcpu.insns, vcpu.blocks, vcpu.svc, bytes(bench.ram[DATA : DATA + 256]))


@pytest.mark.parametrize("model", ["926", "1176", "CORTEX_A9"])
def test_a_program_does_the_same_and_stops_in_front_of_the_same_blocks(model: str) -> None:
    whole, quick, stepped = (a_bench(model, quick=quick) for quick in (False, True, True))
    assert whole.run() is quick.run() is Stop.WFI
    assert state(whole) == state(quick)
    assert whole.engine.read_register("R12") == 42  # its code was changed before it ran
    places = []
    for bench in (stepped, a_bench(model, quick=False)):
        places.append(seen := [])
        while bench.run(limit=bench.engine.cycles + 1) is Stop.LIMIT:
            seen.append((bench.engine.read_register("PC"), bench.engine.cycles))
        assert state(bench) == state(whole)
    assert places[0] == places[1]
    assert len(places[0]) > 60


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other hosts keep the questions")
def test_the_questions_are_gone_where_they_can_be_and_only_there() -> None:
    quick, asking = a_bench("926", quick=True), a_bench("926", quick=False)
    quick.run()
    asking.run()
    assert asking.engine.vcpu.quickened == 0
    assert (
        quick.engine.vcpu.quickened > quick.engine.vcpu.translations
    )  # one behind each hook, and those of loads and stores


FAR = """
import ctypes, mmap
from cells.engines.native._native import ffi, lib
MiB = 1 << 20
taken = [mmap.mmap(-1, 512 * MiB)]  # so that Unicorn comes to lie well below
from tests.conformance import test_arm_engine_quick as near

def lowest():
    return ctypes.addressof(ctypes.c_char.from_buffer(taken[-1]))

hooks = int(ffi.cast("uintptr_t", ffi.addressof(lib, "vcpu_run")))
while lowest() > hooks - (2048 + 128) * MiB:
    taken.append(mmap.mmap(-1, 32 * MiB))
for model in ("926", "1176", "CORTEX_A9"):
    near.test_a_program_does_the_same_and_stops_in_front_of_the_same_blocks(model)
near.test_the_questions_are_gone_where_they_can_be_and_only_there()
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other hosts keep the questions")
def test_it_is_so_where_the_hook_is_further_away_than_a_near_call_reaches() -> None:
    """Translated code then calls it through a word in memory, and its helpers, which lie nearer, directly."""
    done = subprocess.run(
        [sys.executable, "-c", FAR], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
