"""The registers of a virtio device: what a driver of the standard finds, and what a hostile one gets for its crimes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cells.machine.virtio.block import Block
from cells.machine.virtio.console import Console
from cells.machine.virtio.mmio import CONFIG_IRQ, DRIVER_OK, FEATURES_OK, NEEDS_RESET, VERSION_1
from cells.split.block.back import BlockBack, RamStore
from cells.split.console.back import ConsoleBack
from tests.support.links import World
from tests.support.virtio import ACK, BASE, INTERRUPTS, SIZE, STATUS, Driver, crime_table

FLUSH = b"\4" + bytes(15)


def a_disk() -> Driver:
    return Driver(Block, World("block"), lambda connections: BlockBack(connections, RamStore(512, 64)))


def a_terminal() -> Driver:
    return Driver(Console, World("console"), lambda connections: ConsoleBack(connections, Silent()))


class Silent:
    def write(self, data: bytes) -> None:
        raise AssertionError("nothing is written here")

    def read(self) -> bytes:
        return b""


def test_a_driver_finds_magic_version_and_device():
    driver = a_disk()
    assert [driver.read(offset) for offset in (0, 4, 8)] == [0x7472_6976, 2, 2]
    assert driver.read(0x34) == 128
    driver.write(0x30, 1)
    assert driver.read(0x34) == 0, "a disk has one queue"


def test_every_access_is_a_trap_and_nothing_else_is():
    driver = a_disk()
    before = len(driver.host.traps)
    driver.read(0x100, 1)
    driver.write(0x14, 1)
    assert driver.host.traps[before:] == [(0x100, 1, None), (0x14, 4, 1)]


def test_features_that_were_not_offered_are_not_agreed_to():
    driver = a_disk()
    driver.accept(driver.features() | 1 << 40)
    driver.write(STATUS, 3 | FEATURES_OK)
    assert not driver.status & FEATURES_OK


def test_a_driver_of_before_the_standard_is_not_agreed_to():
    driver = a_disk()
    driver.accept(driver.features() & ~VERSION_1)
    driver.write(STATUS, 3 | FEATURES_OK)
    assert not driver.status & FEATURES_OK


def test_features_cannot_be_changed_behind_the_agreement():
    driver = a_disk()
    driver.start()
    driver.accept(1 << 40)
    assert not driver.mmio.has(1 << 40)


@pytest.mark.parametrize("size", [0, 3, 256, 0xFFFF_FFFF])
def test_a_queue_of_a_wrong_size_needs_a_reset(size: int):
    driver = a_disk()
    driver.accept(driver.features())
    driver.write(STATUS, 3 | FEATURES_OK)
    driver.place(0, size=size)
    assert driver.status & NEEDS_RESET
    assert not driver.read(0x44)


@pytest.mark.parametrize("area", range(3))
@pytest.mark.parametrize("address", [0, BASE + 1, BASE + SIZE, (1 << 64) - 16])
def test_a_queue_outside_of_ram_or_beside_its_grain_needs_a_reset(area: int, address: int):
    driver = a_disk()
    driver.accept(driver.features())
    driver.write(STATUS, 3 | FEATURES_OK)
    areas = list(driver.areas(0))
    areas[area] = address
    driver.place(0, areas)
    assert driver.status & NEEDS_RESET


def test_a_queue_does_not_move_while_it_works():
    driver = a_disk()
    driver.start()
    driver.write(0x30, 0)
    driver.write(0x80, 0x1234)
    driver.write(0x38, 64)
    assert driver.mmio.queues[0].areas[0] == driver.areas(0)[0]
    assert driver.mmio.queues[0].size == driver.size


@pytest.mark.parametrize("crime", crime_table())
@pytest.mark.parametrize("make", [a_disk, a_terminal])
def test_a_crime_in_the_queue_needs_a_reset_and_changes_nothing(make: Callable[[], Driver], crime: str):
    driver = make()
    driver.start()
    crime_table()[crime](driver)
    before = bytes(driver.memory)
    driver.kick(0)
    assert driver.status & NEEDS_RESET
    assert driver.read(INTERRUPTS) == CONFIG_IRQ
    assert driver.memory == before
    assert len(driver.mmio.troubles) == 1


def test_a_device_that_needs_a_reset_looks_at_nothing_until_it_has_one():
    driver = a_disk()
    driver.start()
    crime_table()["a chain that loops"](driver)
    driver.kick(0)
    driver.put(0, [FLUSH], [1])
    driver.kick(0)
    assert driver.done(0) == []
    driver.start()
    head = driver.put(0, [FLUSH], [1])
    driver.kick(0)
    assert driver.done(0) == [(head, 1)]


def test_a_reset_midway_leaves_the_drivers_memory_alone():
    driver = a_disk()
    driver.start()
    driver.put(0, [bytes(16)], [512, 1])
    driver.write(0x50, 0)  # the request is on its way
    driver.write(STATUS, 0)
    before = bytes(driver.memory)
    driver.settle()
    assert driver.memory == before


def test_a_crime_beside_a_request_that_is_on_its_way_leaves_the_drivers_memory_alone():
    driver = a_disk()
    driver.start()
    driver.put(0, [bytes(16)], [512, 1])
    driver.write(0x50, 0)
    crime_table()["a head beyond the table"](driver)
    driver.write(0x50, 0)
    before = bytes(driver.memory)
    driver.settle()
    assert driver.status & NEEDS_RESET
    assert driver.memory == before


def test_a_queue_that_is_taken_out_again_and_again_keeps_nothing_of_the_driver():
    driver = a_disk()
    driver.start()
    for _ in range(50):
        driver.put(0, [bytes(16)], [512, 1])
        driver.write(0x50, 0)
        driver.write(0x30, 0)
        driver.write(0x44, 0)
        driver._available, driver._next = {}, {}
        driver.place(0)
    assert len(driver.mmio.function._waiting) <= 1
    assert len(driver.mmio.function._out) <= 1


def test_the_line_falls_when_the_driver_has_acknowledged():
    driver = a_disk()
    driver.start()
    driver.put(0, [FLUSH], [1])
    driver.kick(0)
    assert (driver.levels[-1], driver.host.interrupts) == (True, 1)
    driver.write(ACK, driver.read(INTERRUPTS))
    assert not driver.levels[-1]


def test_a_driver_that_wants_no_interrupt_gets_none():
    driver = a_disk()
    driver.start()
    driver.poke(driver.areas(0)[1], "H", 1)
    driver.put(0, [FLUSH], [1])
    driver.kick(0)
    assert len(driver.done(0)) == 1
    assert not driver.levels[-1]


def test_registers_that_do_not_exist_read_as_zero_and_take_nothing():
    driver = a_disk()
    driver.start()
    for offset in (0x54, 0x68, 0x200, 0xEFC):
        driver.write(offset, 0xFFFF_FFFF)
        assert driver.read(offset) == 0
    assert driver.status & DRIVER_OK


def test_work_begins_with_what_was_handed_over_before_the_driver_was_ready():
    driver = a_disk()
    driver.start()
    driver.write(STATUS, 0)
    driver.accept(driver.features())
    driver.write(STATUS, 3 | FEATURES_OK)
    driver.place(0)
    driver._available = {}
    head = driver.put(0, [FLUSH], [1])
    driver.write(STATUS, 3 | FEATURES_OK | DRIVER_OK)
    driver.settle()
    assert (head, 1) in driver.done(0)
