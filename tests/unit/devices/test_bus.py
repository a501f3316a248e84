"""The bus: addresses, wiring from data, and one moment in time for all devices."""

from __future__ import annotations

import pytest

from devices import NEVER, Bus, SysClock, assemble, problem
from devices.bench import Bench
from tests.support.device_spec import Spec

KIRKWOOD = (
    Spec("timer", "orion_timer", 0x2300, irq=1, more_irqs=(2,), parent="bridge", params={"frequency": 1_000_000}),
    Spec("uart0", "uart8250", 0x1000, irq=33),
    Spec("bridge", "orion_bridge", 0x2100, irq=1, parent="intc"),
    Spec("intc", "orion_intc", 0x2200),
)
INTC_CAUSE, INTC_MASK, BRIDGE_CAUSE, BRIDGE_MASK = 0x2200, 0x2204, 0x2110, 0x2114
TIMER_CTRL, TIMER1_VALUE = 0x2300, 0x231C


@pytest.fixture
def bench() -> Bench:
    return Bench(hz=1_000_000)


@pytest.fixture
def misuses() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def bus(bench: Bench, misuses: list[tuple[str, str]]) -> Bus:
    """Kirkwood's cascade with timer 1 about to fire at 20."""
    bus = assemble(
        KIRKWOOD,
        clock=lambda: bench.now,
        hz=bench.hz,
        irq=lambda level: bench.set_line(0, level),
        transmit=lambda name, data: bench.sent.extend(f"{name}:".encode() + data),
        misuse=lambda name, text: misuses.append((name, text)),
    )
    bus.write(INTC_MASK, 4, 0b10)
    bus.write(BRIDGE_MASK, 4, 0b100)
    bus.write(TIMER1_VALUE, 4, 20)
    bus.write(TIMER_CTRL, 4, 0b0100)
    return bus


def test_data_wires_a_timer_through_two_controllers_to_the_cpu(bench: Bench, bus: Bus) -> None:
    assert bus.deadline() == 20
    bench.now = 20
    bus.advance()
    assert bench.level()
    bus.write(BRIDGE_CAUSE, 4, 0)
    assert not bench.level()


def test_reading_a_controller_shows_what_its_timer_has_done_by_now(bench: Bench, bus: Bus) -> None:
    bench.now = 25  # nobody has called advance() since the deadline at 20
    assert bus.read(INTC_CAUSE, 4) == 0b10
    assert bench.level()


def test_a_write_that_moves_a_deadline_is_seen_at_once(bench: Bench, bus: Bus) -> None:
    assert bus.deadline() == 20
    bus.write(TIMER1_VALUE, 4, 5)
    assert bus.deadline() == 5
    bench.now = 6
    assert bus.read(BRIDGE_CAUSE, 4) == 0b100


def test_a_bus_without_anything_due_has_no_deadline(bench: Bench) -> None:
    assert Bus(lambda: 0).deadline() == NEVER


def test_what_a_uart_sends_carries_its_name(bench: Bench, bus: Bus) -> None:
    bus.write(0x1000, 1, 0x41)
    assert bytes(bench.sent) == b"uart0:A"


def test_an_address_where_nothing_is_reads_zero_and_is_recorded_once_per_page(
    bus: Bus, misuses: list[tuple[str, str]]
) -> None:
    for address in (0x9000, 0x9004, 0x9100):
        assert bus.read(address, 4) == 0
        bus.write(address, 4, 1)
    assert misuses == [("bus", "read of 4 bytes at 0x00009000: no device there")]


def test_a_named_region_is_called_by_its_name(bus: Bus, misuses: list[tuple[str, str]]) -> None:
    bus.name_region("PCI bridge", 0x8000, 0x1000)
    bus.write(0x8010, 4, 1)
    assert misuses == [("bus", "write of 4 bytes at 0x00008010: PCI bridge is not modelled")]


def test_misuse_of_a_device_carries_its_name(bus: Bus, misuses: list[tuple[str, str]]) -> None:
    bus.read(0x2390, 4)
    assert misuses == [("timer", "read of 4 bytes at offset 0x090: no such register")]


def test_the_windows_are_whole_pages_joined_where_they_touch(bus: Bus) -> None:
    bus.name_region("gap", 0x5000, 0x10)
    assert bus.windows() == [(0x1000, 0x2000), (0x5000, 0x1000)]


def test_two_devices_cannot_share_a_place(bench: Bench) -> None:
    bus = Bus(lambda: 0)
    bus.place("a", 0x1000, 0x200, SysClock(bench.wiring()))
    with pytest.raises(ValueError, match=r"^b: its name or a part of 0x1100\+0x100 is taken$"):
        bus.place("b", 0x1100, 0x100, SysClock(bench.wiring()))


def test_a_device_is_made_of_whole_granules(bench: Bench) -> None:
    with pytest.raises(ValueError, match="whole 0x100-byte granules"):
        Bus(lambda: 0).place("a", 0x1010, 0x10, SysClock(bench.wiring()))


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        (Spec("t", "sp840", 0), 'there is no device model "sp840"; did you mean "sp804"?'),
        (
            Spec("t", "sp804", 0, params={"freqency": 1}),
            'model "sp804" has no parameter "freqency"; did you mean "frequency"?',
        ),
        (Spec("t", "sp804", 0), None),
    ],
)
def test_a_wrong_model_or_parameter_is_named(spec: Spec, complaint: str | None) -> None:
    assert problem(spec) == complaint


def test_a_parent_that_is_no_controller_is_named(bench: Bench) -> None:
    with pytest.raises(ValueError, match=r'^t: "clock" is no interrupt controller on this bus$'):
        assemble(
            [Spec("clock", "sysclock", 0), Spec("t", "sp804", 0x1000, irq=1, parent="clock")], clock=lambda: 0, hz=1
        )


def test_snapshots_by_name_restore_the_whole_bus(bench: Bench, bus: Bus) -> None:
    bench.now = 10
    bus.advance()
    other = Bench(hz=1_000_000)
    other.now = 10
    restored = assemble(
        KIRKWOOD,
        clock=lambda: other.now,
        hz=other.hz,
        irq=lambda level: other.set_line(0, level),
        states={name: device.state for name, device in bus.devices.items()},
    )
    assert restored.deadline() == 20
    other.now = 20
    restored.advance()
    assert other.level()
