"""A disk behind a ring while its back end, or the client, is killed between any two lines of code: nothing that was answered is
lost or happens again, and every request is answered once."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cells.split.block.back import BlockBack, RamStore
from cells.split.block.front import BlockDevice, Completion
from cells.split.ends import Outcome
from tests.support.links import KilledError, Lines, World

SECTOR, SECTORS = 64, 64
"""Small sectors: each write fills its own with its number."""


class Platter(RamStore):
    """A store that outlives its back end, and remembers what was written in which order."""

    def __init__(self) -> None:
        super().__init__(SECTOR, SECTORS)
        self.answered: set[int] = set()
        self.written: list[int] = []

    def write(self, sector: int, data: bytes) -> None:
        number = int.from_bytes(data[:8], "little")
        assert number not in self.answered, f"write {number} happened again after it was answered"
        self.written.append(number)
        super().write(sector, data)


def content(number: int) -> bytes:
    return number.to_bytes(8, "little") * (SECTOR // 8)


def a_world(platter: Platter) -> World:
    world = World("block")
    world.start_back(lambda connections: BlockBack(connections, platter))
    return world


KILLS = st.lists(st.integers(1, 400), max_size=6)
STEPS = st.lists(st.tuples(st.sampled_from(["write", "write", "read", "poll"]), st.integers(0, 7)), max_size=60)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(kills=KILLS, steps=STEPS)
def test_a_back_end_that_is_killed_anywhere_neither_loses_nor_repeats_what_it_answered(kills, steps):
    platter = Platter()
    world = a_world(platter)
    disk = BlockDevice(world.start_front(), "back")
    assert disk.sector_size == SECTOR
    world.kills = list(kills)
    run = _Run(disk, platter)
    for number, (action, sector) in enumerate(steps, start=1):
        run.step(action, sector, number)
    while run.expected:
        run.complete(disk.poll(until=1 << 62))
    assert disk.read(0, 8) == run.latest(8)


class _Run:
    """A client that knows what each answer must be."""

    def __init__(self, disk: BlockDevice, platter: Platter) -> None:
        self.disk, self.platter = disk, platter
        self.disk_content = [bytes(SECTOR)] * SECTORS
        self.expected: list[tuple[int, int, bytes]] = []
        """(ticket, number of the write or 0, bytes that the read must give)"""

    def step(self, action: str, sector: int, number: int) -> None:
        if action == "write":
            self.expected.append((self.disk.submit_write(sector, content(number)), number, b""))
            self.disk_content[sector] = content(number)
        elif action == "read":
            self.expected.append((self.disk.submit_read(sector, 1), 0, self.disk_content[sector]))
        else:
            done = self.disk.poll(until=-1)
            if done is not None:
                self.complete(done)

    def complete(self, done: Completion | None) -> None:
        assert done is not None
        ticket, number, data = self.expected.pop(0)
        assert (done.ticket, done.status, done.data) == (ticket, Outcome.OK, data)
        if number:
            assert number in self.platter.written
            self.platter.answered.add(number)

    def latest(self, count: int) -> bytes:
        return b"".join(self.disk_content[:count])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(line=st.integers(1, 900), zeroed=st.booleans(), kills=st.lists(st.integers(1, 300), max_size=2))
def test_the_requests_of_a_client_that_is_killed_anywhere_are_forgotten_before_the_next_one_is_served(
    line, zeroed, kills
):
    platter = Platter()
    world = a_world(platter)
    with pytest.raises(KilledError), Lines(line):
        _client_that_writes(world, range(1, 1000))
    world.kill_front()
    disk = BlockDevice(world.start_front(zeroed=zeroed), "back")
    world.kills = list(kills)
    assert disk.sectors == SECTORS  # answered: from here on the dead client's requests must not happen
    before = len(platter.written)
    data = random.Random(line).randbytes(SECTOR * 40)
    disk.write(8, data)
    assert disk.read(8, 40) == data
    later = set(platter.written[before:])
    assert not later & set(range(1, 1000))
    assert all(not ring.waiting for client in world.back.clients for ring in client.rings)


def _client_that_writes(world: World, numbers: range) -> None:
    disk = BlockDevice(world.start_front(), "back")
    tickets = 0
    for number in numbers:
        disk.submit_write(number % 8, content(number))
        tickets += 1
        if number % 5 == 0:
            while tickets:
                assert disk.poll(until=1 << 62) is not None
                tickets -= 1
