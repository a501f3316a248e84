"""A snapshot taken anywhere, carried as text, goes on in a fresh engine exactly as the original does."""

from __future__ import annotations

import json
from typing import Any

import msgpack
import pytest

from cells.engines.arm import Stop
from tests.support.arm import DISTINCT, V7, Bench, page_table

CODE = 0x1000
MODELS = ("926", "PXA255", "1176", *V7)

# Every mode has a stack, a status and, in FIQ, r8 to r12 of its own; the program walks through them and adds them up.
WALK = (
    "mov r8, #3; "
    + "; ".join(
        f"msr cpsr_c, #{0xC0 | mode:#x}; mov sp, #{mode}; mov lr, #{mode}; msr spsr_fc, r0"
        for mode in (0x11, 0x12, 0x17)
    )
    + "; msr cpsr_c, #0xd1; mov r8, #40; mov r9, #41; msr cpsr_c, #0xd3; mov r7, #6; again: svc #1; ldr r1, [r6]; add r0, r0, r8"
    "; msr cpsr_c, #0xd1; add r0, r0, r8; add r0, r0, sp; mrs r2, spsr; add r0, r0, r2; msr cpsr_c, #0xd7; add r0, r0, lr"
    "; msr cpsr_c, #0xd3; str r0, [r5, r7, lsl #2]; subs r7, r7, #1; bne again"
)


def _bench(model: str, source: str = WALK) -> Bench:
    bench = Bench(model, DISTINCT)
    bench.load(CODE, source + bench.wait)
    bench.engine.reset(CODE, r0=5)
    page_table(bench, faults=(0x0A,))
    bench.engine.write_register("R5", 0x4000_9000)
    bench.engine.write_register("R6", 0x4000_A000)  # not there: an abort each round
    return bench


def _copy(bench: Bench, state: dict[str, Any]) -> Bench:
    """A fresh engine with the same RAM, gone on from the state."""
    other = Bench(bench.model, DISTINCT)
    other.ram[:] = bench.ram[:]
    other.engine.restore(state)
    return other


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_original_and_copy_end_alike_from_any_block(model: str) -> None:
    whole, bench = _bench(model), _bench(model)
    whole.finish()
    copies = []
    while bench.run(limit=bench.engine.cycles + 1) is Stop.LIMIT:
        if bench.engine.vcpu.blocks % 7 == 0:
            copy = _copy(bench, json.loads(json.dumps(bench.engine.snapshot())))
            assert copy.state() == bench.state()
            copies.append(copy)
    assert len(copies) > 5
    for copy in copies:
        copy.finish()
        assert copy.state() == whole.state()
    assert whole.engine.vcpu.svc == whole.engine.vcpu.data_aborts == 6


@pytest.mark.parametrize("model", MODELS)
def test_taking_a_snapshot_changes_nothing(model: str) -> None:
    plain, watched = _bench(model), _bench(model)
    plain.finish()
    while watched.run(limit=watched.engine.cycles + 1) is Stop.LIMIT:
        watched.engine.snapshot()
    assert watched.state() == plain.state()


@pytest.mark.parametrize("model", ["1176", *V7])
def test_an_open_exclusive_access_is_still_open_in_the_copy(model: str) -> None:
    bench = _bench(model, "ldrex r1, [r5]; add r1, r1, #1; b next; next: strex r2, r1, [r5]")
    assert bench.run(limit=1) is Stop.LIMIT
    copy = _copy(bench, bench.engine.snapshot())
    copy.finish()
    bench.finish()
    assert copy.engine.read_register("R2") == 0  # STREX says that it stored
    assert copy.state() == bench.state()


def test_a_thumb_snapshot_goes_on_inside_an_it_block() -> None:
    bench = Bench("CORTEX_A9", DISTINCT)
    bench.load(
        CODE, "movs r0, #0; ittee eq; moveq r1, #1; svceq #1; movne r2, #2; movne r3, #3; movs r4, #4; wfi", thumb=True
    )
    bench.engine.reset(CODE | 1)
    for _ in range(2):
        bench.run(limit=bench.engine.cycles + 1)
    assert bench.engine.cpsr & 0x0600_FC00  # conditions to come
    copy = _copy(bench, bench.engine.snapshot())
    for each in (bench, copy):
        each.finish()
    assert [copy.engine.read_register(f"R{n}") for n in (1, 2, 3, 4)] == [1, 0, 0, 4]
    assert copy.state() == bench.state()


@pytest.mark.parametrize("model", ["926", "1176", *V7])
def test_floating_point_registers_travel(model: str) -> None:
    bench = _bench(
        model,
        "mrc p15, 0, r0, c1, c0, 2; orr r0, r0, #0xf00000; mcr p15, 0, r0, c1, c0, 2; b vfp; vfp: mov r1, #0x40000000",
    )
    bench.finish()
    bench.engine.write_register("FPEXC", 1 << 30)
    for number in range(16):
        bench.engine.write_register(f"D{number}", 0x3FF0_0000_0000_0000 + number)
    bench.engine.write_register("FPSCR", 0x9000_0000)
    copy = _copy(bench, bench.engine.snapshot())
    for each in (bench, copy):
        each.load(CODE, "vadd.f64 d3, d1, d2; vmrs r3, fpscr" + bench.wait)
        each.engine.dma_written(CODE, 64)
        each.engine.write_register("PC", CODE)
        each.finish()
    assert copy.engine.read_register("D3") == 0x4000_0000_0000_0002
    assert copy.engine.read_register("R3") & 0xF000_0000 == 0x9000_0000
    assert copy.state() == bench.state()


@pytest.mark.parametrize("model", MODELS)
def test_a_snapshot_is_plain_numbers(model: str) -> None:
    state = _bench(model).engine.snapshot()
    assert json.loads(json.dumps(state)) == state
    assert msgpack.unpackb(msgpack.packb(state)) == state


def test_pending_lines_and_time_travel() -> None:
    bench = _bench("926")
    bench.run(limit=50)
    bench.engine.set_irq(True)
    bench.engine.vcpu.offset = -7
    copy = _copy(bench, bench.engine.snapshot())
    assert (copy.engine.vcpu.lines, copy.engine.vcpu.offset, copy.engine.cycles) == (1, -7, bench.engine.cycles)


def test_a_snapshot_of_another_model_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"format 1 and CPU '926' does not fit an engine of format 1 and CPU '1176'"):
        Bench("1176").engine.restore(Bench("926").engine.snapshot())
