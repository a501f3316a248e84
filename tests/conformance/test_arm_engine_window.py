"""Pages of others in an ARM engine: they come and go while code runs; what is not there, or may not be written, aborts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cells.engines.native._native import ffi, lib

from cells.engines.arm import Stop
from hypervisor.abi.memory import PAGE, READ, WINDOW_BASE, WRITE
from tests.support.arm import BEFORE_V7, V7, Bench

MODELS = (*BEFORE_V7, *V7)
SIZE = 16 * PAGE
PROGRAM, DEVICE = 0x1000, 0x9000_0000
CAUGHT = 0xDEAD
"""What the abort handler puts into r8."""
EXTERNAL, WRITTEN = 0x08, 0x808


@pytest.fixture
def window() -> Iterator[Any]:
    place = lib.pages_reserve(SIZE)
    yield memoryview(ffi.buffer(place, SIZE))


@pytest.fixture(params=MODELS)
def bench(request: pytest.FixtureRequest, window: Any) -> Bench:
    """A bench with a window whose second page is there, for reading; its abort handler notes and skips the instruction."""
    made = Bench(request.param)
    made.load(0x10, "b #0x200")
    made.load(0x200, f"mov r8, #{CAUGHT & 0xFF00}; orr r8, r8, #{CAUGHT & 0xFF}; add r7, r7, #1; subs pc, lr, #4")
    made.engine.map_window(WINDOW_BASE, window.obj, SIZE)
    made.engine.warm_up()
    give(made, window, 1, READ)
    return made


def give(bench: Bench, window: Any, page: int, rights: int) -> None:
    """Put memory there and say so."""
    at = int(ffi.cast("uintptr_t", ffi.from_buffer(window))) + page * PAGE
    assert lib.pages_clear(at, PAGE) == 0
    bench.engine.change_window(WINDOW_BASE + page * PAGE, PAGE, rights)


def run(bench: Bench, code: str, page: int) -> dict[str, int]:
    """Run code whose r1 points into a page of the window; the registers at its end."""
    bench.load(PROGRAM, f"mov r1, #{WINDOW_BASE:#x}; add r1, r1, #{page * PAGE}; {code}{bench.wait}")
    bench.engine.reset(PROGRAM)
    bench.engine.flush()
    bench.finish()
    return bench.engine.registers()


def status(bench: Bench) -> tuple[int | None, int | None]:
    """Fault status and address."""
    return bench.engine.read_cp15(5, 0, 0, 0), bench.engine.read_cp15(6, 0, 0, 0)


def test_a_page_that_is_there_is_read(bench: Bench, window: Any) -> None:
    window[PAGE : PAGE + 4] = b"\x78\x56\x34\x12"
    assert run(bench, "ldr r0, [r1]", 1)["r0"] == 0x12345678
    assert bench.engine.vcpu.data_aborts == 0


def test_a_page_that_is_not_there_aborts_loads_and_stores_at_the_instruction(bench: Bench) -> None:
    for code, expected in (("ldr r0, [r1, #8]", EXTERNAL), ("str r0, [r1, #8]", EXTERNAL | WRITTEN)):
        found = run(bench, f"mov r7, #0; mov r8, #0; {code}; mov r9, #5", 3)
        assert (found["r8"], found["r7"], found["r9"]) == (CAUGHT, 1, 5)
        modern = bench.model not in ("926", "PXA255")
        assert status(bench) == (expected if modern else EXTERNAL, WINDOW_BASE + 3 * PAGE + 8)


def test_a_store_to_a_page_for_reading_aborts_and_changes_nothing(bench: Bench, window: Any) -> None:
    found = run(bench, "mov r7, #0; mov r8, #0; mov r0, #1; str r0, [r1]; ldr r2, [r1]", 1)
    assert (found["r8"], found["r7"], found["r2"]) == (CAUGHT, 1, 0)
    assert window[PAGE : PAGE + 4] == bytes(4)


def test_a_page_may_become_writable_and_go_again(bench: Bench, window: Any) -> None:
    give(bench, window, 1, READ | WRITE)
    assert run(bench, "mov r7, #0; mov r0, #9; str r0, [r1]; ldr r2, [r1]", 1)["r2"] == 9
    assert window[PAGE] == 9
    give(bench, window, 1, 0)
    assert run(bench, "mov r7, #0; ldr r2, [r1]", 1)["r7"] == 1
    give(bench, window, 1, READ)
    assert run(bench, "mov r7, #0; mov r2, #3; ldr r2, [r1]", 1)["r2"] == 0


def test_a_change_in_the_middle_of_a_block_counts_for_the_next_access(bench: Bench, window: Any) -> None:
    """A hypercall is a store to a device, and its answer may bring pages or take them: the same block goes on with them."""
    rights = iter([READ | WRITE, 0])
    bench.engine.map_device(
        DEVICE, PAGE, lambda _offset, _size: 0, lambda _offset, _size, _value: give(bench, window, 5, next(rights))
    )
    bench.engine.warm_up()
    code = f"mov r3, #{DEVICE:#x}; mov r7, #0; ldr r2, [r1]; str r0, [r3]; str r3, [r1]; ldr r4, [r1]; mov r5, r7"
    found = run(bench, f"{code}; str r0, [r3]; ldr r2, [r1]", 5)
    assert (found["r5"], found["r4"], found["r7"]) == (1, DEVICE, 2)


def test_what_others_write_is_seen_by_the_next_load(bench: Bench, window: Any) -> None:
    values = iter([0x11, 0x22])

    def other(_offset: int, _size: int, _value: int) -> None:
        window[PAGE] = next(values)

    bench.engine.map_device(DEVICE, PAGE, lambda _offset, _size: 0, other)
    bench.engine.warm_up()
    code = f"mov r3, #{DEVICE:#x}; str r0, [r3]; ldrb r4, [r1]; str r0, [r3]; ldrb r5, [r1]"
    found = run(bench, code, 1)
    assert (found["r4"], found["r5"]) == (0x11, 0x22)


def test_code_in_a_page_that_is_exchanged_is_not_run_any_more(bench: Bench, window: Any) -> None:
    first, second = (bytes.fromhex(word)[::-1] for word in ("e3a00001", "e3a00002"))  # mov r0, #1; mov r0, #2
    back = bytes.fromhex("e12fff1e")[::-1]  # bx lr
    results = []
    for code in (first, second):
        give(bench, window, 1, READ | WRITE)
        window[PAGE : PAGE + 8] = code + back
        bench.load(PROGRAM, f"mov r1, #{WINDOW_BASE:#x}; add r1, r1, #{PAGE}; mov lr, pc; bx r1{bench.wait}")
        bench.engine.reset(PROGRAM)
        bench.finish()
        results.append(bench.engine.registers()["r0"])
    assert results == [1, 2]


def test_a_jump_to_where_no_page_is_aborts(bench: Bench) -> None:
    bench.load(0x0C, "b #0x300")
    bench.load(0x300, f"mov r8, #77{bench.wait}")
    found = run(bench, "bx r1", 7)
    assert found["r8"] == 77
    assert bench.engine.vcpu.prefetch_aborts == 1


def test_hundreds_of_changes_leave_no_trace(bench: Bench, window: Any) -> None:
    for turn in range(300):
        give(bench, window, turn % 16, (0, READ, READ | WRITE)[turn % 3])
    for page in range(16):
        give(bench, window, page, READ)
    assert run(bench, "mov r7, #0; ldr r0, [r1]; str r0, [r1]", 9)["r7"] == 1
    assert bench.run(limit=bench.engine.cycles + 1) in (Stop.WFI, Stop.LIMIT)
