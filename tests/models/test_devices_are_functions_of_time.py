"""Devices are functions of virtual time: how often a runtime looks never changes what a guest sees.

The same accesses at the same times are made to two devices. One is left alone between them; the other's `advance()`
is called at arbitrary moments in between. Reads, line levels after each access, misuse and the final state must be
the same, and so must be what was sent and what was written to memory. A third device is driven as a runtime does it,
from deadline to deadline: its lines must change exactly there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices import (
    NEVER,
    Bus,
    Framebuffer,
    NandFlash,
    Nic,
    NorFlash,
    OrionTimer,
    PxaOst,
    Sp804,
    SysClock,
    Touch,
    assemble,
)
from devices.bench import Bench
from tests.support.device_spec import Spec

HZ = 1000
OUTPUTS = 4
SETTINGS = settings(max_examples=60, deadline=None, derandomize=True, database=None)

Step = tuple[str, int, int]
"""("wait", cycles, 0), ("read", offset, 0) or ("write", offset, value)."""

WORDS = st.one_of(
    st.integers(0, 12), st.sampled_from([0x10, 0x23, 0xA2, 0xE2, 0xE7, 0xA3, 0xFFFF, 0xFFFF_FFFF, 0x8000_0003])
)


def make(model: Callable[..., Any], frequency: int, bench: Bench) -> Any:
    return model(bench.wiring(OUTPUTS), frequency=frequency)


def timer_makers() -> dict[str, Callable[[Bench], Any]]:
    """Each timer with awkward frequencies, so that ticks and cycles do not line up, and with one tick a cycle."""
    makers: dict[str, Callable[[Bench], Any]] = {"sysclock": lambda bench: SysClock(bench.wiring())}
    for frequency in (300, 1000, 2500):
        for name, model in (("sp804", Sp804), ("orion_timer", OrionTimer), ("pxa_ost", PxaOst)):
            makers[f"{name}-{frequency}"] = partial(make, model, frequency)
    return makers


def other_makers() -> dict[str, Callable[[Bench], Any]]:
    """Parts that work for a while: with times of a few ticks, so that much of it happens in a short program."""
    nand = {"blocks": 4, "bad_blocks": 1, "endurance": 2, "read_ns": 5, "program_ns": 11, "erase_ns": 23, "byte_ns": 0}
    makers: dict[str, Callable[[Bench], Any]] = {"touch": lambda bench: Touch(bench.wiring())}
    for frequency in (300, 1000, 2500):
        for name, model in (
            ("nor_flash", partial(NorFlash, word_us=7, buffer_us=9, erase_us=31, endurance=2)),
            ("nand_flash", partial(NandFlash, **nand)),
            ("framebuffer", Framebuffer),
            ("nic", Nic),
        ):
            makers[f"{name}-{frequency}"] = partial(make, model, frequency)
    return makers


MAKERS = timer_makers() | other_makers()

PREPARED: dict[str, list[Step]] = {
    # Some control bits that chance would hardly find together.
    "framebuffer": [("write", 0x1C, 0xC), ("write", 0x08, 1 << 26), ("write", 0x18, 0x2801)],
    "nand_flash": [("write", 0x00, 0b11), ("write", 0x24, 4)],
    "nor_flash": [("write", 0, 0xB8), ("write", 0, 3)],
    "nic": [
        *(("write", 0x400 + 8 * n, 20 << 16 | (0xC000 if n < 63 else 0xE000)) for n in range(3)),
        ("write", 0x08, 0x7F),
        ("write", 0x00, 0xA083),
    ],
}
"""What is written to a part before the program begins."""


def writes(*pairs: int) -> list[Step]:
    return [("write", offset, value) for offset, value in zip(pairs[::2], pairs[1::2], strict=True)]


HABITS: dict[str, list[list[Step]]] = {
    "framebuffer": [
        writes(0x28, 0xC),
        writes(0x1C, 0x4),
        writes(0x1C, 0x8),
        writes(0x18, 0x1801),
        writes(0x18, 0x3801),
    ],
    "nand_flash": [
        *(writes(0x08, 3, 0x28, 1, 0x2C, 0, 0x30, 3, 0x34, job) for job in (1, 2)),
        writes(0x08, 3, 0x28, 0, 0x30, 3, 0x34, 3),
        writes(0x0C, 0x60, 0x10, 64, 0x10, 0, 0x0C, 0xD0),
        writes(0x0C, 0x80, 0x10, 0, 0x10, 0, 0x10, 1, 0x10, 0, 0x18, 0x1234_5678, 0x0C, 0x10),
        writes(0x0C, 0x00, 0x10, 0, 0x10, 0, 0x10, 1, 0x10, 0, 0x0C, 0x30),
    ],
    "nor_flash": [
        writes(0, 0x20, 0, 0xD0),
        writes(0, 0x40, 0, 0x5A5A),
        writes(0, 0xE8, 0, 1, 0x20, 0x1111, 0x4C, 0x2222, 0, 0xD0),
        writes(0, 0x50, 0, 0xFF),
    ],
    "nic": [
        *(writes(0x400 + 8 * n, length << 16 | 0xC000) for n in range(3) for length in (20, 64)),
        writes(0x04, 0x7F),
        writes(0x600, 0xC000, 0x608, 0xC000, 0x610, 0xC000),
    ],
}
"""What a driver of the part does in one go."""
OFFSETS = {
    "framebuffer": [0x00, 0x04, 0x08, 0x10, 0x18, 0x1C, 0x20, 0x28, 0x2C],
    "nic": [0x00, 0x04, 0x400, 0x404, 0x408, 0x410, 0x600, 0x608],
}
"""Where the rest of a program plays, if that is not everywhere."""


@st.composite
def programs(draw: st.DrawFn, name: str) -> list[Step]:
    part = name.partition("-")[0]
    everywhere = [*MAKERS[name](Bench(HZ)).registers.registers, 0x50]
    offsets = st.sampled_from(OFFSETS.get(part, everywhere))
    step = st.one_of(
        st.tuples(st.just("wait"), st.integers(0, 60), st.just(0)),
        st.tuples(st.just("wait"), st.sampled_from([1, 300, 70_000]), st.just(0)),
        st.tuples(st.just("read"), offsets, st.just(0)),
        st.tuples(st.just("write"), offsets, WORDS),
        st.tuples(st.just("write"), offsets, WORDS),
    )
    if part not in HABITS:
        return draw(st.lists(step, max_size=30))
    habit, rest = st.sampled_from(HABITS[part]), st.tuples(st.just("wait"), st.integers(0, 60), st.just(0))
    stretch = st.one_of(habit, st.lists(rest, min_size=1, max_size=1), st.lists(step, min_size=1, max_size=1))
    return PREPARED[part] + [each for steps in draw(st.lists(stretch, max_size=20)) for each in steps]


def run(device: Any, bench: Bench, program: list[Step], wait: Callable[[int], None]) -> list[object]:
    """What a guest sees: every value read, and the lines after each access."""
    seen: list[object] = []
    for action, operand, value in program:
        if action == "wait":
            wait(operand)
            continue
        if action == "read":
            seen.append(device.registers.read(operand, 4))
        else:
            device.registers.write(operand, 4, value)
        seen.append([bench.level(output) for output in range(OUTPUTS)])
    device.advance()
    return [*seen, bench.misuses, bench.frames, bench.memory]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MAKERS))
def test_looking_more_often_changes_nothing(name: str) -> None:
    @SETTINGS
    @given(program=programs(name), cuts=st.lists(st.integers(0, 20), min_size=1, max_size=20))
    def check(program: list[Step], cuts: list[int]) -> None:
        quiet, busy = Bench(HZ), Bench(HZ)
        first, second = MAKERS[name](quiet), MAKERS[name](busy)

        def sleep(cycles: int) -> None:
            quiet.now += cycles

        def fidget(cycles: int) -> None:
            until = busy.now + cycles
            for cut in cuts:
                busy.now = min(busy.now + cut, until)
                second.advance()
                second.advance()
            busy.now = until

        assert run(first, quiet, program, sleep) == run(second, busy, program, fidget)
        assert first.state == second.state
        assert first.deadline() == second.deadline()

    check()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MAKERS))
def test_lines_change_at_the_deadline_and_at_no_other_time(name: str) -> None:
    @SETTINGS
    @given(program=programs(name))
    def check(program: list[Step]) -> None:
        quiet, exact = Bench(HZ), Bench(HZ)
        first, second = MAKERS[name](quiet), MAKERS[name](exact)

        def sleep(cycles: int) -> None:
            quiet.now += cycles

        def from_deadline_to_deadline(cycles: int) -> None:
            until = exact.now + cycles
            for _ in range(20):  # a short period in a long wait has very many
                deadline = second.deadline()
                if deadline > until:
                    break
                assert deadline > exact.now or not exact.now, "a deadline that has passed and is never served"
                changes, low = len(exact.changes), not exact.level()
                exact.now = deadline - 1
                second.advance()
                assert len(exact.changes) == changes, "a line changed before the deadline"
                exact.now = deadline
                second.advance()
                if low and isinstance(second, Sp804):
                    assert exact.level(), "the deadline passed and nothing happened"
            exact.now = until

        assert run(first, quiet, program, sleep) == run(second, exact, program, from_deadline_to_deadline)
        assert first.state == second.state

    check()


SYSTEMS = {
    "kirkwood": (
        Spec("intc", "orion_intc", 0x200),
        Spec("bridge", "orion_bridge", 0x100, irq=1, parent="intc"),
        Spec("timer", "orion_timer", 0x300, irq=1, more_irqs=(2,), parent="bridge", params={"frequency": 300}),
    ),
    "pxa": (
        Spec("icp", "pxa_icp", 0x000),
        Spec("timer", "pxa_ost", 0x100, irq=26, more_irqs=(27, 28, 29), params={"frequency": 300}),
    ),
    "armctrl": (
        Spec("intc", "bcm2835_intc", 0x000),
        Spec("timer", "sp804", 0x1000, 0x1000, irq=0, params={"frequency": 300}),
    ),
    "gic": (
        Spec("gic", "gic", 0x0, 0x3000, params={"cpu_interface": 0x1000}),
        Spec("timer", "sp804", 0x4000, 0x1000, irq=34, params={"frequency": 300}),
    ),
}
SWITCH_ON = {
    "kirkwood": [(0x204, 0b10), (0x114, 0b110), (0x318, 5), (0x31C, 7), (0x300, 0b1100)],
    "pxa": [(0x004, 0xFFFF_FFFF), (0x100, 9), (0x11C, 0xF)],
    "armctrl": [(0x018, 0xFF), (0x1000, 6), (0x1008, 0xE2)],
    "gic": [(0x000, 1), (0x1000, 1), (0x1004, 0xF0), (0x104, 0xFF), (0x4000, 6), (0x4008, 0xE2)],
}
INTERESTING = {
    "kirkwood": [0x100 + 0x10, 0x114, 0x200, 0x204, 0x300, 0x314, 0x318, 0x31C],
    "pxa": [0x000, 0x004, 0x010, 0x100, 0x104, 0x110, 0x114, 0x11C],
    "armctrl": [0x000, 0x018, 0x024, 0x1000, 0x1004, 0x1008, 0x100C, 0x1010],
    "gic": [0x104, 0x204, 0x304, 0x1004, 0x100C, 0x1010, 0x1014, 0x4000, 0x4004, 0x400C],
}


def system(name: str, bench: Bench) -> Bus:
    """Timer and controllers on a bus, switched on."""
    bus = assemble(SYSTEMS[name], clock=lambda: bench.now, hz=HZ, irq=lambda level: bench.set_line(0, level))
    for address, value in SWITCH_ON[name]:
        bus.write(address, 4, value)
    return bus


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_a_controller_shows_its_timers_whoever_looked_last(name: str) -> None:
    """Two devices wired together: the guest reads the controller, and nobody has asked the timer for a while."""
    step = st.one_of(
        st.tuples(st.just("wait"), st.integers(0, 60), st.just(0)),
        st.tuples(st.just("read"), st.sampled_from(INTERESTING[name]), st.just(0)),
        st.tuples(st.just("write"), st.sampled_from(INTERESTING[name]), WORDS),
    )

    @SETTINGS
    @given(program=st.lists(step, max_size=30), cuts=st.lists(st.integers(0, 20), min_size=1, max_size=10))
    def check(program: list[Step], cuts: list[int]) -> None:
        benches = Bench(HZ), Bench(HZ)
        buses = [system(name, bench) for bench in benches]
        for action, operand, value in program:
            if action == "wait":
                until = benches[0].now = benches[0].now + operand
                for cut in cuts:
                    benches[1].now = min(benches[1].now + cut, until)
                    buses[1].advance()
                benches[1].now = until
            elif action == "read":
                assert buses[0].read(operand, 4) == buses[1].read(operand, 4)
            else:
                for bus in buses:
                    bus.write(operand, 4, value)
            if action != "wait":
                assert benches[0].level() == benches[1].level()
        for bus in buses:
            bus.advance()
        assert benches[0].level() == benches[1].level()
        for device in buses[0].devices:
            assert buses[0].devices[device].state == buses[1].devices[device].state
        assert buses[0].deadline() == buses[1].deadline()
        assert NEVER >= buses[0].deadline() > benches[0].now

    check()
