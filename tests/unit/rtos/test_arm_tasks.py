"""Tasks in ARM code: the example image, the calls, and what a task gets that misbehaves."""

from __future__ import annotations

import importlib.util
import json
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cells.fault import GuestFault
from cells.personalities.rtos import call_table, elf
from cells.personalities.rtos.image import NAMES, build
from cells.personalities.rtos.status import Status
from cells.port import RefusedError
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.records import Event, EventKind
from tests.support.linux import CPUS
from tests.support.rtos import HZ, RtosCell, task_image

needs_toolchain = pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="needs ziglang")
EXAMPLE = (build.IMAGES / "example.elf").read_bytes()
END = "; mov r7, #2; mov r0, #0; svc #0"


def outcome(source: str, **more: int) -> tuple[int | None, RtosCell]:
    """The status of a cell with one task, and the cell. Its result is in the data of the image at 0x10800 if it puts it there."""
    cell = RtosCell({"bad": task_image(source)}, **more)  # type: ignore[arg-type]
    return cell.run(), cell


# The example.


@pytest.mark.parametrize("architecture", CPUS)
def test_the_example_runs_on_every_cpu(architecture: str) -> None:
    cell = RtosCell({"example": EXAMPLE}, architecture=architecture)
    assert cell.run() == 0
    assert cell.output == f"sum {sum(range(50))}\ndone\n"


def test_its_sampler_is_never_late() -> None:
    cell = RtosCell({"example": EXAMPLE})
    cell.run()
    timing = next(task.timing for task in cell.kernel.ended if task.name == "example.sampler")
    assert (timing.jobs, timing.misses) == (50, 0)
    assert 0 < timing.worst < HZ // 1000


def test_two_runs_are_the_same_to_the_cycle() -> None:
    cells = [RtosCell({"example": EXAMPLE}) for _ in range(2)]
    for cell in cells:
        cell.run()
    assert cells[0].guest.port.time == cells[1].guest.port.time
    assert cells[0].kernel.figures() == cells[1].kernel.figures()


def test_each_call_takes_what_the_architecture_takes_to_bring_it_here() -> None:
    plain, dear = (RtosCell({"example": EXAMPLE}, redirection=prices) for prices in ({}, {"syscall": 5_000}))
    for cell in (plain, dear):
        cell.run()
    assert dear.guest.account.counts.calls == dear.kernel.calls > 300
    busy = [sum(task.cycles for task in cell.kernel.ended) for cell in (plain, dear)]
    assert busy[1] - busy[0] > 4_000 * 300


@needs_toolchain
@pytest.mark.slow
def test_the_committed_images_are_what_the_sources_make() -> None:
    assert [path.name for path, data in build.build_all().items() if path.read_bytes() != data] == []


def test_the_manifest_names_the_images() -> None:
    told = json.loads((build.IMAGES / "manifest.json").read_text())["images"]
    assert {f"{name}.elf" for name in NAMES} == set(told)
    assert told["example.elf"]["size"] == len(EXAMPLE) < 64 << 10


def test_the_header_has_the_numbers_of_the_table_and_of_the_answers() -> None:
    header = (Path(build.SOURCES) / "rtos.h").read_text()
    numbers = {name: int(number) for name, number in re.findall(r"RTOS_(\w+) = (-?\d+),", header)}
    answers = {status.name: int(status) for status in Status}
    assert {row.name.upper(): number for number, row in call_table.TABLE.items()} | answers == numbers


def test_the_table_prints_a_row_for_each_call() -> None:
    assert len(call_table.page().splitlines()) == 2 + len(call_table.TABLE)


# Crimes: the task ends, the cell lives on.

CRIMES = {
    "reads what is not there": ("mov r0, #0; ldr r0, [r0]", "touches memory"),
    "writes into the kernel's page": ("mvn r0, #0xff00; bic r0, r0, #0xff; str r0, [r0]", "touches memory"),
    "jumps to nowhere": ("mov r0, #0x40000000; bx r0", "runs memory"),
    "uses up its stack": ("again: push {r0-r7}; b again", "has used up its stack"),
    "executes what is no instruction": (".word 0xe7f000f0", "executes what is no instruction"),
    "wants to be the kernel": ("mcr p15, 0, r0, c2, c0, 0", "executes what is no instruction"),
}


@pytest.mark.parametrize("crime", CRIMES)
def test_a_task_that_breaks_is_ended_and_says_why(crime: str) -> None:
    source, why = CRIMES[crime]
    images = {"bad": task_image(source + END), "example": EXAMPLE}
    cell = RtosCell(images)
    assert cell.run() == 1
    assert f"rt: bad.main {why}" in cell.output
    assert cell.guest.account.counts.faults == 1
    assert "done" in cell.output, "the others went on"


def test_a_task_that_never_yields_starves_those_below_and_the_cell_keeps_its_time() -> None:
    status, cell = outcome("b .", end=HZ // 10)
    assert status is None
    assert cell.guest.port.time >= HZ // 10


def test_a_task_that_returns_has_ended() -> None:
    status, cell = outcome("bx lr")
    assert (status, cell.kernel.faults) == (0, 0)


@pytest.mark.parametrize(
    ("number", "words", "answer"),
    [
        (0, (), Status.NO_CALL),
        (9, (), Status.NO_CALL),
        (255, (), Status.NO_CALL),
        (1, (0x0,), Status.BAD_ADDRESS),
        (2, (77,), Status.NO_OBJECT),
        (3, (0, 255), 0),
        (11, (1, 0), Status.NO_OBJECT),
        (15, (0, 4), Status.BAD_ADDRESS),
        (16, (0, 0, 0, 0), Status.NO_OBJECT),
        (17, (1, 0, 10, 0xFFFF_FFFF), Status.BAD_ADDRESS),  # the console's queue: now, and not when something comes
        (35, (1,), Status.NO_OBJECT),
        (40, (0x10000, 0x7FF), Status.BAD_ARGUMENT),
        (40, (0, 10), Status.BAD_ADDRESS),
        (45, (1, 1, 1), Status.NO_OBJECT),
        (47, (0x10000,), Status.BAD_ADDRESS),
        (50, (0x10000, 0, 0), Status.NO_OBJECT),
    ],
)
def test_a_call_that_cannot_be_is_refused(number: int, words: tuple[int, ...], answer: int) -> None:
    loads = "".join(f"ldr r{i}, ={word}; " for i, word in enumerate(words))
    cell = RtosCell({"asks": task_image(f"{loads}mov r7, #{number}; svc #0; mov r4, r0; b .; .ltorg")}, end=HZ // 100)
    cell.run()
    assert cell.guest.arm is not None
    assert cell.guest.arm.cpu.read()[4] == answer & 0xFFFF_FFFF


def test_handles_of_others_cannot_be_ended_or_deleted() -> None:
    """The example's objects and tasks are there first; somebody else tries every handle."""
    source = "mov r4, #1; again: mov r0, r4; mov r7, #35; svc #0; mov r0, r4; mov r7, #2; cmp r4, #20; "
    tries = source + "svcls #0; add r4, r4, #1; cmp r4, #20; bls again" + END
    cell = RtosCell({"example": EXAMPLE, "bad": task_image(tries)})
    assert cell.run() == 0
    assert "done" in cell.output


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.lists(st.integers(0, 0xFFFF_FFFF), max_size=4)), min_size=1, max_size=12)
)
def test_no_call_with_any_words_stops_the_kernel(asked: list[tuple[int, list[int]]]) -> None:
    source = ""
    for number, words in asked:
        source += "".join(f"ldr r{i}, ={word}; " for i, word in enumerate(words)) + f"mov r7, #{number}; svc #0; "
    cell = RtosCell({"asks": task_image(source + "b .; .ltorg")}, end=HZ // 50)
    cell.run()
    assert cell.guest.port.time > 0


# Interrupts and devices.

TIMER = {"devices": {"timer1": {"base": 0x101E_3000, "size": 0x1000, "line": 0}}}
LISTENS = """
    ldr r0, =name; mov r7, #20; svc #0; mov r4, r0
    mov r0, #0; mov r1, r4; mov r2, #1; mov r7, #45; svc #0
again:
    mov r0, r4; mov r1, #1; mov r2, #2; mvn r3, #0; mov r7, #21; svc #0
    ldr r0, =name; mov r1, #2; mov r7, #40; svc #0
    mov r0, #0; mov r7, #46; svc #0
    ldr r0, =0x101e3000; mov r7, #47; svc #0
    b again
name: .asciz "up\\n"
    .align 2
    .ltorg
"""


def test_an_interrupt_sets_the_flags_that_a_task_in_arm_code_waits_for() -> None:
    cell = RtosCell({"listens": task_image(LISTENS.replace("\n    ", "; ").replace("\n", "; "))}, boot=TIMER)
    times = (HZ // 100, HZ // 50)
    cell.world.events = [Event(time, EventKind.LINE, struct.pack("<IB", 0, 1)) for time in times]
    assert cell.run() is None
    assert cell.output == "up" * 2
    assert cell.kernel.interrupts == 2
    called = [number for number, *_ in cell.world.calls]
    assert called.count(Hypercall.IRQ_MASK) == called.count(Hypercall.IRQ_EOI) == 2
    assert called.count(Hypercall.IRQ_UNMASK) == 3, "once at the start, and when each was dealt with"


# Images.


def test_what_is_no_image_ends_the_cell_with_a_reason() -> None:
    with pytest.raises(GuestFault, match="cannot be loaded"):
        RtosCell({"bad": b"\x7fELF but no more of it" + bytes(100)}).run()


def image_of(offset: int, address: int, in_file: int, in_memory: int) -> bytes:
    """An image of one segment, code that begins at its beginning."""
    header = elf.HEADER.pack(
        *elf.EXPECTED, 0, 0, 2, 40, 1, address, elf.HEADER.size, 0, 0, elf.HEADER.size, 32, 1, 0, 0, 0
    )
    return header + elf.SEGMENT.pack(1, offset, address, address, in_file, in_memory, 5, 4096) + bytes(64)


SIZE = elf.HEADER.size + elf.SEGMENT.size + 64


@pytest.mark.parametrize(
    ("segment", "why"),
    [
        ((SIZE - 64, elf.END - 64, 64, 64), ""),
        ((SIZE - 64, elf.END - 64, 64, 65), "out of reach"),
        ((SIZE - 64, 0x10000, 64, 63), "not in the file"),
        ((SIZE - 63, 0x10000, 64, 64), "not in the file"),
        ((SIZE - 64, 0x0FFF, 64, 64), "out of reach"),
    ],
)
def test_a_segment_is_in_the_file_and_within_reach(segment: tuple[int, int, int, int], why: str) -> None:
    image = image_of(*segment)
    assert len(image) == SIZE
    if why:
        with pytest.raises(ValueError, match=why):
            elf.parse(image)
    else:
        (part,) = elf.parse(image)[1]
        assert part[:3] == (segment[1], bytes(64), 64)


def test_what_is_typed_is_heard_while_a_task_never_sleeps() -> None:
    ask = "mov r0, #1; sub r1, sp, #64; mov r2, #64; mov r3, #0; mov r7, #17; svc #0"
    cell = RtosCell({"asks": task_image(f"again: {ask}; cmp r0, #5; bne again{END}")}, typed=[(HZ // 100, b"hello\n")])
    assert cell.run() == 0
    assert HZ // 100 < cell.guest.port.time < HZ // 50


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 0x93), st.binary(min_size=1, max_size=4))
def test_a_header_with_anything_in_it_is_read_or_refused(at: int, junk: bytes) -> None:
    data = EXAMPLE[:at] + junk + EXAMPLE[at + len(junk) :]
    try:
        _, segments = elf.parse(data)
    except ValueError:
        return
    assert all(part.address + part.size <= elf.END and len(part.data) <= part.size for part in segments)


def test_a_task_that_fills_the_account_is_refused_and_the_kernel_goes_on_without_its_own_figures() -> None:
    cell = RtosCell({"example": EXAMPLE})

    def full(name: str, value: int) -> None:
        raise RefusedError("report", -4)

    cell.guest.port.report = full  # type: ignore[method-assign]
    assert cell.run() == 0
    assert not cell.kernel.report("one more", 1)
