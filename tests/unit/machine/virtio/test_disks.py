"""The virtio disk before a real back end: what it transfers, and what it says when that dies, is late or lies."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from cells.machine.virtio.block import GET_ID, IN, IOERR, OK, OUT, UNSUPP, Block
from cells.split.block.back import BlockBack, RamStore
from cells.split.ends import RETRY
from hypervisor.abi.time import NEVER
from tests.support.links import World
from tests.support.virtio import Driver


def a_disk(store: RamStore) -> Driver:
    driver = Driver(Block, World("block"), lambda connections: BlockBack(connections, store))
    driver.start()
    return driver


def transfer(driver: Driver, kind: int, sector: int, data: bytes | int) -> tuple[int, bytes]:
    """One request to its end: its status, and what was read."""
    header = struct.pack("<IIQ", kind, 0, sector)
    to_read, to_write = ([header], [data, 1]) if isinstance(data, int) else ([header, data], [1])
    head = driver.put(0, to_read, to_write)
    driver.kick(0)
    ((back, _),) = driver.done(0)
    assert back == head
    got = driver.got(head)
    return got[-1], got[:-1]


def test_a_disk_says_its_capacity_and_block_size():
    driver = a_disk(RamStore(2048, 16))
    assert struct.unpack("<Q", driver.mmio.function.config()[:8]) == (64,)
    assert driver.read(0x114) == 2048


@pytest.mark.parametrize("size", [512, 4096, 12288, 40960])
def test_what_was_written_is_read_again(size: int):
    store = RamStore(512, 128)
    driver = a_disk(store)
    data = bytes(number * 7 % 251 for number in range(size))
    assert transfer(driver, OUT, 3, data) == (OK, b"")
    assert bytes(store.content[3 * 512 : 3 * 512 + size]) == data
    assert transfer(driver, IN, 3, size) == (OK, data)


@pytest.mark.parametrize(("kind", "sector", "data"), [
    (IN, 127, 1024), (IN, 1 << 63, 512), (IN, 0, 100), (IN, 0, 0), (OUT, 128, bytes(512)), (OUT, 0, bytes(511)),
])  # fmt: skip
def test_sectors_that_are_not_there_are_an_io_error(kind: int, sector: int, data: Any):
    store = RamStore(512, 128)
    assert transfer(a_disk(store), kind, sector, data)[0] == IOERR
    assert not any(store.content)


def test_a_request_that_lies_beside_the_disks_own_sectors_is_an_io_error():
    driver = a_disk(RamStore(2048, 16))
    assert transfer(driver, IN, 1, 2048)[0] == IOERR
    assert transfer(driver, IN, 4, 2048)[0] == OK


def test_a_disk_that_can_only_be_read_says_so_and_is_not_written():
    store = RamStore(512, 128)
    store.read_only = True  # type: ignore[misc]
    driver = a_disk(store)
    assert driver.mmio.function.features() & 1 << 5
    assert transfer(driver, OUT, 0, b"x" * 512)[0] == IOERR


def test_unknown_requests_are_said_to_be_unsupported_and_a_disk_has_a_name():
    driver = a_disk(RamStore(512, 128))
    assert transfer(driver, 99, 0, 512)[0] == UNSUPP
    assert transfer(driver, GET_ID, 0, 20) == (OK, b"link".ljust(20, b"\0"))


def test_a_request_without_room_for_its_status_needs_a_reset():
    driver = a_disk(RamStore(512, 128))
    driver.put(0, [bytes(16)])
    driver.kick(0)
    assert driver.status & 64


def test_a_back_end_that_dies_is_waited_for():
    store = RamStore(512, 128)
    driver = a_disk(store)
    head = driver.put(0, [struct.pack("<IIQ", OUT, 0, 5), b"z" * 8192], [1])
    driver.write(0x50, 0)
    driver.world.kill_back()
    driver.settle()
    assert driver.done(0) == []
    driver.world.start_back()
    driver.settle()
    assert driver.done(0) == [(head, 1)]
    assert driver.got(head) == b"\0"
    assert bytes(store.content[5 * 512 : 5 * 512 + 8192]) == b"z" * 8192


def test_a_late_answer_is_asked_for_again_and_less_and_less_often():
    driver = a_disk(RamStore(512, 128))
    assert driver.mmio.deadline() == NEVER
    head = driver.put(0, [struct.pack("<IIQ", IN, 0, 0)], [512, 1])
    driver.write(0x50, 0)
    link, clock = driver.world.fronts["front"], driver.world.clock
    for wait in (RETRY, 2 * RETRY, 4 * RETRY):
        rings, due = link.rings, driver.mmio.deadline()
        clock.now = due - 1
        driver.mmio.advance()
        assert link.rings == rings
        clock.now = due
        driver.mmio.advance()
        assert link.rings == rings + 1
        assert driver.mmio.deadline() == due + 2 * wait
    driver.settle()
    assert driver.done(0) == [(head, 513)]
    assert driver.mmio.deadline() == NEVER


def test_a_back_end_that_is_gone_for_too_long_is_an_io_error_and_back_again_it_is_a_disk():
    store, world = RamStore(512, 128), World("block")
    driver = Driver(Block, world, lambda connections: BlockBack(connections, store), patience=1000)
    driver.start()
    world.kill_back()
    driver.settle()
    gone = world.clock.now
    head = driver.put(0, [struct.pack("<IIQ", OUT, 0, 5), b"z" * 512], [1])
    driver.kick(0)
    assert driver.mmio.deadline() == gone + 1000
    world.clock.now = gone + 999
    driver.mmio.advance()
    assert driver.done(0) == []
    world.clock.now = gone + 1000
    driver.mmio.advance()
    assert (driver.done(0), driver.got(head)) == ([(head, 1)], bytes((IOERR,)))
    assert transfer(driver, IN, 0, 512)[0] == IOERR, "at once"
    world.start_back()
    driver.settle()
    assert transfer(driver, IN, 5, 512)[0] == OK
    assert driver.mmio.deadline() > 1 << 60


def test_a_back_end_that_lies_is_an_io_error():
    driver = a_disk(RamStore(512, 128))
    head = driver.put(0, [bytes(16)], [512, 1])
    driver.write(0x50, 0)
    memory = driver.world.memories["front"]
    for _ in range(8):  # however often the front end begins anew
        (session,) = struct.unpack_from("<I", memory, 0)
        struct.pack_into("<2I", memory, 32 + 4, session, 9999)  # more answers than requests
        driver.mmio.function.progress()
    assert driver.done(0) == [(head, 513)]
    assert driver.got(head)[-1] == IOERR


def test_many_requests_at_once_come_back_each_with_its_own_data():
    driver = a_disk(RamStore(512, 128))
    for sector in range(5):
        transfer(driver, OUT, sector, bytes((sector,)) * 512)
    heads = [driver.put(0, [struct.pack("<IIQ", IN, 0, sector)], [512, 1]) for sector in range(5)]
    driver.kick(0)
    assert [head for head, _ in driver.done(0)] == heads
    assert [driver.got(head)[0] for head in heads] == list(range(5))
