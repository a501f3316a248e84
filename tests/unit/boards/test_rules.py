"""One broken board per rule, and what its author is told."""

from __future__ import annotations

from typing import Any

import pytest

from boards import Board, BoardError, load_board


@pytest.fixture(scope="module")
def beagle() -> Board:
    return load_board("beagle")


def spec(name: str, **changes: Any) -> dict[str, Any]:
    """A sound device, changed."""
    return {"name": name, "model": "sysclock", "role": "clock", "base": 0x0A00_0000, "size": 0x1000, **changes}


def complaint(board: Board, **overrides: Any) -> str:
    with pytest.raises(BoardError) as caught:
        board.with_(**overrides)
    return str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"cores": 5}, "beagle: cores: 5 cores, but beagle has at most 4"),
        ({"cores": 0}, "beagle: cores: Input should be greater than 0"),
        ({"max_cores": 5}, "beagle: max_cores: Input should be less than or equal to 4"),
        ({"slice": "10"}, 'beagle: slice: "10" is not a time; write for example "10ms", "250us" or "300cycles"'),
        ({"quantum": "1ns"}, "beagle: quantum: less than one cycle"),
        ({"quantum": "2ms"}, "beagle: cross_core_latency: must not be shorter than the quantum, 2ms"),
        ({"ram_size": "100B"}, "beagle: ram_size: RAM must begin and end on a page of 4 KiB"),
        ({"ram_size": "4GiB"}, "beagle: ram_size: RAM reaches beyond the 32-bit address space"),
        ({"ram_size": "big"}, 'beagle: ram_size: "big" is not a size; write for example "256MiB" or "16KiB"'),
        (
            {"private.timer0.base": 0x0902_0010},
            "beagle: private.timer0.base: base and size must be multiples of 0x100",
        ),
        (
            {"private.timer0.base": 0xFFFF_FF00},
            "beagle: private.timer0.size: reaches beyond the 32-bit address space",
        ),
        (
            {"private.timer0.base": 0x0900_0000},
            "beagle: private.uart0.base: uart0 at 0x09000000+0x1000 overlaps timer0 at 0x09000000",
        ),
        (
            {"private.timer0.base": 0x4000_0000},
            "beagle: private.timer0.base: timer0 at 0x40000000+0x1000 overlaps RAM at 0x40000000",
        ),
        (
            {"physical.uart1.base": 0x3F00_0F00},
            "beagle: physical.uart1.base: uart1 at 0x3f000f00+0x1000 overlaps the hypercall page at 0x3f000000",
        ),
        (
            {"ram_base": 0x3000_0000},
            "beagle: ram_base: RAM at 0x30000000+0x10000000 overlaps the hypercall page at 0x3f000000",
        ),
        (
            {"regions_not_modelled": [{"name": "flash", "base": 0x4FFF_F000, "size": 0x2000}]},
            "beagle: regions_not_modelled.flash.base: flash at 0x4ffff000+0x2000 overlaps RAM at 0x40000000",
        ),
        (
            {"private.timer0.size": 0x800, "physical.timer1.base": 0x0902_0800, "physical.timer1.size": 0x800},
            "beagle: physical.timer1.base: timer1 lies in one page with the private timer0",
        ),
        ({"physical.uart1.name": "uart0"}, 'beagle: physical.uart0.name: two devices are called "uart0"'),
        ({"physical.uart1.name": "Uart 1"}, "String should match pattern"),
        ({"private.timer0.parent": "gci"}, '"gci" is no private interrupt controller; did you mean "gic"?'),
        ({"private.gic.role": "other"}, "there is no interrupt controller that it could lead to"),
        ({"private.uart0.role": "interrupt_controller", "private.uart0.irq": None}, "two controllers without an irq"),
        (
            {"private.timer0.irq": None, "private.timer0.more_irqs": [3]},
            "missing: a parent or further inputs are named",
        ),
        ({"private.gic.irq": 3, "private.gic.parent": "gic"}, "its interrupt comes back to itself"),
        ({"private.timer0.irq": 33}, "input 33 of gic is already taken by uart0"),
        ({"physical.timer1.irq": 34}, "input 34 of gic is already taken by timer0"),
        ({"physical.timer1.line": None}, "timer1 needs both irq and line, or neither"),
        ({"physical.timer1.line": 2}, "line 2 is already taken by timer1"),
        ({"private.timer0.line": 7}, "timer0 is private: the monitor never sees its interrupt"),
    ],
)
def test_a_broken_rule_is_named(beagle: Board, overrides: dict[str, Any], message: str) -> None:
    assert message in complaint(beagle, **overrides)


def test_a_cascaded_controller_that_leads_in_a_circle_is_found() -> None:
    board = load_board("arm926")
    message = complaint(board, **{"private.intc.irq": 5, "private.intc.parent": "bridge"})
    assert "its interrupt comes back to itself" in message


def test_a_device_inside_a_region_that_is_not_modelled_is_no_overlap(beagle: Board) -> None:
    region = {"name": "peripherals", "base": 0x0900_0000, "size": 0x10_0000}
    assert beagle.with_(regions_not_modelled=[region]).regions_not_modelled[0].name == "peripherals"


def test_every_problem_is_reported_and_the_first_leads(beagle: Board) -> None:
    with pytest.raises(BoardError) as caught:
        beagle.with_(cores=9, slice="soon", **{"physical.timer1.line": 2})
    assert caught.value.key == "cores"
    assert [error.key for error in caught.value.more] == ["slice", "physical.uart1.line"]


def test_a_new_device_needs_no_interrupt(beagle: Board) -> None:
    board = beagle.with_(physical=[*beagle.model_dump()["physical"], spec("clock2")])
    assert board.device("clock2").irq is None


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"cors": 2}, 'beagle: cors: unknown key; did you mean "cores"?'),
        ({"power.idel_mw": 2}, 'beagle: power.idel_mw: unknown key; did you mean "idle_mw"?'),
        ({"private.timr0.irq": 2}, 'beagle: private.timr0.irq: there is no "timr0"; did you mean "timer0"?'),
        ({"cores.many": 2}, 'beagle: cores.many: "many" cannot be set there'),
        ({"cpu": "arm962"}, 'arm962: cpu: there is no such CPU; did you mean "arm926"?'),
        ({"cpu.caches.l1d.ways": 3}, "beagle: cpu.caches.l1d.size: 16384 bytes do not make a power of two of sets"),
    ],
)
def test_an_override_that_makes_no_sense_says_what_was_meant(
    beagle: Board, overrides: dict[str, Any], message: str
) -> None:
    assert complaint(beagle, **overrides).startswith(message)
