"""Translated code that goes stale or fills its buffer: what the guest sees and what is counted must not change by it."""

from __future__ import annotations

import os
from mmap import mmap

import pytest

from cells.engines.arm import ArmEngine, Stop
from tests.support.arm import DISTINCT, ENOUGH, ONE, WAIT, Bench, assemble

CODE = 0x1000
MANY = "mov r0, #0; mov r7, #40; again: " + "; ".join(f"add r0, r0, #{n}; b l{n}; l{n}:" for n in range(1, 90))
MANY += "; ldr r1, [r8]; svc #1; subs r7, r7, #1; bne again" + WAIT
"""A hundred blocks, forty times, with an abort and a call in each round."""


def _many(flush_at: int | None) -> Bench:
    bench = Bench("926", DISTINCT)
    bench.load(CODE, MANY)
    bench.engine.reset(CODE)
    bench.engine.write_register("R8", 0x3000_0000)
    if flush_at is not None:
        bench.engine.vcpu.flush_at = flush_at
    return bench


@pytest.mark.parametrize("flush_at", [0, 5_000, 20_000])
def test_a_code_buffer_of_any_size_gives_the_same_counts_and_state(flush_at: int) -> None:
    roomy, tight = _many(None), _many(flush_at)
    for bench in (roomy, tight):
        bench.finish()
    assert tight.state() == roomy.state()
    assert roomy.engine.vcpu.code_flushes == 0
    assert tight.engine.vcpu.code_flushes >= 40


def test_blocks_that_cannot_be_told_apart_are_measured_each_time_with_the_same_result() -> None:
    cached, plain = _many(None), _many(None)
    plain.engine.vcpu.cached = 0
    for bench in (cached, plain):
        bench.finish()
    assert plain.state() == cached.state()
    assert plain.engine.vcpu.translations == plain.engine.vcpu.blocks
    assert cached.engine.vcpu.translations < cached.engine.vcpu.blocks / 10


def test_a_full_buffer_of_the_smallest_size_is_emptied_in_time() -> None:
    """In real life: a kernel that loads modules for hours. The translator must never flush behind our back."""
    bench = Bench("CORTEX_A9", ram_size=1 << 21)
    bench.engine = ArmEngine("CORTEX_A9", ONE, code_buffer=1 << 20)
    bench.engine.map_ram(0, bench.ram, len(bench.ram))
    count = 6000
    code = assemble("add r0, r0, #1; b #0x8", 0) * count
    bench.ram[CODE : CODE + len(code)] = code
    bench.load(CODE + len(code), "cmp r1, #2; add r1, r1, #1; ldrne pc, [pc]; wfi; .word 0x1000")
    bench.run(CODE, limit=1 << 30)
    assert bench.engine.read_register("R0") == 3 * count
    assert bench.engine.insns == 3 * (2 * count + 3) + 1
    assert bench.engine.vcpu.code_flushes > 3


def _shared() -> tuple[mmap, mmap, ArmEngine]:
    """RAM of a memfd, mapped once for the CPU and once for whoever plays the device."""
    descriptor = os.memfd_create("ram")
    os.ftruncate(descriptor, 1 << 20)
    ram, device = mmap(descriptor, 1 << 20), mmap(descriptor, 1 << 20)
    os.close(descriptor)
    engine = ArmEngine("926", ONE)
    engine.map_ram(0, ram, 1 << 20)
    return ram, device, engine


def _run(engine: ArmEngine, pc: int) -> int:
    engine.reset(pc)
    engine.vcpu.limit = engine.cycles + ENOUGH
    assert engine.run() is Stop.WFI
    return engine.read_register("R0")


def _put(memory: mmap, source: str, address: int = CODE) -> None:
    code = assemble(source + WAIT)
    memory[address : address + len(code)] = code


def _again(engine: ArmEngine) -> int:
    """Run from CODE without a reset, which would drop code by itself."""
    engine.write_register("PC", CODE)
    engine.vcpu.limit = engine.cycles + ENOUGH
    assert engine.run() is Stop.WFI
    return engine.read_register("R0")


def test_code_that_a_device_wrote_is_run_once_it_is_told() -> None:
    _, device, engine = _shared()
    _put(device, "mov r0, #1")
    assert _run(engine, CODE) == 1
    _put(device, "mov r0, #2")
    assert _again(engine) == 1  # stale, as UNICORN says: nobody told
    assert engine.dma_written(CODE, 4) is True
    assert _again(engine) == 2
    assert engine.vcpu.code_flushes == 1


def test_a_device_that_writes_beside_code_drops_nothing() -> None:
    _, device, engine = _shared()
    _put(device, "mov r0, #1")
    _run(engine, CODE)
    translations = engine.vcpu.translations
    device[0x2000:0x3000] = bytes(0x1000)
    assert engine.dma_written(0x2000, 0x1000) is False
    assert engine.dma_written(0x8_0000, 0x8_0000) is False
    assert engine.dma_written(0x4000_0000, 0x1000) is False
    assert _again(engine) == 1
    assert (engine.vcpu.code_flushes, engine.vcpu.translations) == (0, translations)


def test_a_long_write_over_code_is_noticed_at_any_place_in_it() -> None:
    for start, length in ((CODE, 1), (CODE - 1, 2), (0, 0x2000), (CODE + 0xFFF, 1), (0, 1 << 20)):
        _, device, engine = _shared()
        _put(device, "mov r0, #1")
        _run(engine, CODE)
        assert engine.dma_written(start, length) is True
        assert engine.dma_written(start, length) is False  # the code is gone already


def test_code_written_by_a_device_during_an_access_is_run_after_that_block() -> None:
    ram, device, engine = _shared()

    def read(_offset: int, _size: int) -> int:
        _put(device, "mov r0, #2", 0x3000)
        engine.dma_written(0x3000, 4)
        return 0

    engine.map_device(0xF000_0000, 0x1000, read, lambda *_: None)
    _put(ram, "mov r0, #1", 0x3000)
    _run(engine, 0x3000)
    code = assemble("mov r1, #0xf0000000; ldr r2, [r1]; mov r3, #3; mov r4, #0x3000; bx r4")
    ram[CODE : CODE + len(code)] = code
    assert _run(engine, CODE) == 2
    assert engine.read_register("R3") == 3


def test_code_that_the_guest_writes_itself_is_run_and_counted() -> None:
    bench = Bench("926", DISTINCT)
    new = int.from_bytes(assemble("mul r0, r1, r1"), "little")
    bench.poke(0x2000, new)
    bench.load(
        CODE,
        "mov r1, #3; mov r5, #0; again: mov r0, #1; mov r2, #0x2000; ldr r3, [r2]; b store;"
        " store: mov r4, #0x1000; str r3, [r4, #8]; add r5, r5, #1; cmp r5, #2; bne again" + WAIT,
    )
    bench.run(CODE)
    assert bench.engine.read_register("R0") == 9
    before, first, each_round = 2, 1, 4  # alu: r1 and r5; r0, the first time only; r2, r4, r5 and the comparison
    parts = {
        "alu": before + first + 2 * each_round,
        "multiply": 1,
        "load": 2,
        "store": 2,
        "branch": 4,
        "coprocessor": 1,
    }
    assert bench.engine.cycles == sum(DISTINCT[name] * count for name, count in parts.items())
