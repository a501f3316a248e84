"""What the kernel does for a thread's library: restartable sequences, and locks of a thread that dies."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from cells.personalities.arm import errno as e
from cells.personalities.linux import sys_sequence
from cells.personalities.linux.process import PC
from cells.personalities.linux.sys_thread import OWNER_DIED, WAITERS, thread_ended
from tests.support.linux_process import fake_process, invoke

AREA, SEQUENCE, CODE, SIGN = 0x100, 0x200, 0x1000, 0x5305_3053
ABORT = CODE + 0x100


@pytest.fixture
def process() -> Any:
    process = fake_process()
    process.core = [0] * 17
    process.faults = []
    process.signals.fault = lambda _process, *what: process.faults.append(what)
    process.space.put(ABORT - 4, SIGN.to_bytes(4, "little"))
    return process


def enter(process: Any, place: int = ABORT, version: int = 0) -> None:
    """The thread is in a sequence of 32 bytes."""
    process.space.put(SEQUENCE, struct.pack("<IIQQQ", version, 0, CODE, 32, place))
    process.space.put(AREA + 8, SEQUENCE.to_bytes(8, "little"))


def test_the_area_says_which_cpu_it_is(process: Any) -> None:
    process.space.put(AREA, b"\xff" * 8)
    assert invoke(process, "rseq", AREA, 32, 0, SIGN) == 0
    assert process.space.read(AREA, 8) == bytes(8)
    assert invoke(process, "rseq", AREA, 32, 0, SIGN) == -e.EBUSY
    assert invoke(process, "rseq", AREA, 32, 1, SIGN + 1) == -e.EPERM
    assert invoke(process, "rseq", AREA, 32, 1, SIGN) == 0
    assert process.space.read(AREA, 8) == struct.pack("<II", 0, 0xFFFF_FFFF)


@pytest.mark.parametrize("words", [(AREA + 4, 32, 0), (AREA, 31, 0), (AREA, 32, 2), (AREA, 32, 1), (0, 32, 0)])
def test_what_is_no_area_is_told(process: Any, words: tuple[int, int, int]) -> None:
    assert invoke(process, "rseq", *words, SIGN) == -e.EINVAL
    assert process.sequence == (0, 0)


@pytest.mark.parametrize(
    ("pc", "after"), [(CODE, ABORT), (CODE + 28, ABORT), (CODE + 32, CODE + 32), (CODE - 4, CODE - 4)]
)
def test_an_interrupted_sequence_goes_on_where_it_says(process: Any, pc: int, after: int) -> None:
    invoke(process, "rseq", AREA, 32, 0, SIGN)
    enter(process)
    process.core[PC] = pc
    sys_sequence.interrupted(process)
    assert process.core[PC] == after
    assert process.space.read(AREA + 8, 8) == bytes(8)
    assert process.faults == []


@pytest.mark.parametrize(
    "broken", [{"place": ABORT + 4}, {"version": 1}, {"place": (1 << 32) + ABORT}, {"place": 0xFFFF_FFF0}]
)
def test_one_that_breaks_the_rules_is_the_threads_fault(process: Any, broken: dict[str, int]) -> None:
    invoke(process, "rseq", AREA, 32, 0, SIGN)
    enter(process, **broken)
    process.core[PC] = CODE
    sys_sequence.interrupted(process)
    assert process.faults == [(11, 1, AREA)]
    assert process.core[PC] == CODE


def test_a_pointer_into_nothing_is_its_fault_too(process: Any) -> None:
    invoke(process, "rseq", AREA, 32, 0, SIGN)
    process.space.put(AREA + 8, b"\xff" * 8)
    sys_sequence.interrupted(process)
    assert process.faults == [(11, 1, AREA)]
    assert process.sequence == (0, 0)


# ---- locks of the dead

HEAD, OFFSET = 0x400, 12


@pytest.fixture
def dying(process: Any) -> Any:
    process.pid, process.clear_child_tid, process.robust_list = 7, 0, 0
    process.kernel.futexes = {}
    process.space.page = lambda address, _access: address
    assert invoke(process, "set_robust_list", HEAD, 12) == 0
    return process


def chain(process: Any, *places: int, pending: int = 0) -> None:
    """A list of these, each with a lock behind it."""
    process.space.put(HEAD, struct.pack("<IiI", (*places, HEAD)[0], OFFSET, pending))
    for place, following in zip(places, [*places[1:], HEAD], strict=True):
        process.space.put(place, following.to_bytes(4, "little"))


def word(process: Any, place: int, value: int | None = None) -> int:
    if value is not None:
        process.space.put(place + OFFSET, value.to_bytes(4, "little"))
    return int.from_bytes(process.space.read(place + OFFSET, 4), "little")


def test_locks_that_a_dead_thread_held_say_so(dying: Any) -> None:
    chain(dying, 0x500, 0x600, 0x700, pending=0x800)
    for place, value in ((0x500, 7), (0x600, 7 | WAITERS), (0x700, 8), (0x800, 7)):
        word(dying, place, value)
    thread_ended(dying)
    assert [word(dying, place) for place in (0x500, 0x600, 0x700, 0x800)] == [
        OWNER_DIED,
        OWNER_DIED | WAITERS,
        8,
        OWNER_DIED,
    ]


def test_a_list_without_end_ends(dying: Any) -> None:
    chain(dying, 0x500)
    dying.space.put(0x500, (0x500).to_bytes(4, "little"))
    word(dying, 0x500, 7)
    thread_ended(dying)
    assert word(dying, 0x500) == OWNER_DIED


def test_a_list_that_leads_nowhere_is_its_own_doing(dying: Any) -> None:
    chain(dying, 0x500)
    dying.space.put(0x500, (0xFFFF_0000).to_bytes(4, "little"))
    word(dying, 0x500, 7)
    thread_ended(dying)
    assert word(dying, 0x500) == OWNER_DIED
    assert dying.robust_list == 0
