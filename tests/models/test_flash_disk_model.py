"""A disk on flash against a dictionary, killed in the middle of any operation of the flash, with blocks that go bad."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cells.domains.drivers.failure import DeviceError
from cells.domains.ftl import BLANK, SPARE, FlashDisk
from tests.support.links import KilledError

UNITS, SIZE = 6, 16
BLOCKS = 10
BLANK_DATA = b"\xff" * SIZE


class Flash:
    """Units in memory. Each operation has two moments between which the driver may die; `doomed` blocks fail when erased."""

    def __init__(self, doomed: frozenset[int] = frozenset(), kill_at: int = 0) -> None:
        self.blocks, self.units, self.unit_size = BLOCKS, UNITS, SIZE
        self.data = [[BLANK_DATA] * UNITS for _ in range(BLOCKS)]
        self.tags = [[BLANK] * UNITS for _ in range(BLOCKS)]
        self.wear = [0] * BLOCKS
        self.doomed = doomed
        self.bad: set[int] = set()
        self.left = kill_at

    def moment(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise KilledError

    def is_bad(self, block: int) -> bool:
        return block in self.bad

    def tag(self, block: int, unit: int) -> bytes:
        return self.tags[block][unit]

    def read(self, block: int, unit: int) -> bytes:
        return self.data[block][unit]

    def program(self, block: int, unit: int, data: bytes, tag: bytes) -> None:
        assert self.tags[block][unit] == BLANK, "programmed twice between two erases"
        if data != BLANK_DATA:
            assert self.data[block][unit] == BLANK_DATA, "programmed over what was there"
        assert all(each != BLANK for each in self.tags[block][:unit]), "not in order"
        self.moment()
        self.data[block][unit] = data[: SIZE // 2] + BLANK_DATA[SIZE // 2 :]
        self.moment()
        self.data[block][unit] = data
        self.moment()
        self.tags[block][unit] = tag

    def erase(self, block: int) -> None:
        self.moment()
        self.wear[block] += 1
        if block in self.doomed and self.wear[block] > 2:
            raise DeviceError("worn out")
        self.data[block] = [BLANK_DATA] * UNITS
        self.tags[block] = [BLANK] * UNITS
        self.moment()

    def retire(self, block: int) -> None:
        self.bad.add(block)


WRITES = st.lists(st.tuples(st.integers(0, (BLOCKS - SPARE) * UNITS - 1), st.integers(0, 255)), max_size=200)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    writes=WRITES,
    kills=st.lists(st.integers(1, 400), max_size=8),
    doomed=st.sampled_from([frozenset(), frozenset({3})]),
)
def test_a_written_sector_survives_every_death_of_the_driver(writes, kills, doomed):
    flash = Flash(doomed)
    expected: dict[int, bytes] = {}
    left = list(kills)
    disk = _new_life(flash, left)
    for sector, value in writes:
        data = bytes([value]) * SIZE
        while True:
            try:
                disk.write(sector, data)
            except KilledError:
                disk = _new_life(flash, left)
                got = disk.read(sector, 1)
                assert got in {expected.get(sector, bytes(SIZE)), data}
                continue
            break
        expected[sector] = data
    flash.left = 0
    disk = FlashDisk(flash, log=lambda text: None)
    for sector in range(disk.sectors):
        assert disk.read(sector, 1) == expected.get(sector, bytes(SIZE))


def _new_life(flash: Flash, kills: list[int]) -> FlashDisk:
    """Mount; a driver may die while it does that, too."""
    while True:
        flash.left = kills.pop(0) if kills else 0
        try:
            return FlashDisk(flash, log=lambda text: None)
        except KilledError:
            continue


def test_wear_is_spread_over_all_blocks_even_below_data_that_never_changes():
    flash = Flash()
    disk = FlashDisk(flash, log=lambda text: None)
    for sector in range(disk.sectors):
        disk.write(sector, bytes([1]) * SIZE)
    for number in range(3000):
        disk.write(number % 3, bytes([number % 256]) * SIZE)
    assert min(flash.wear) * 4 > max(flash.wear), flash.wear


def test_every_sector_of_a_full_disk_can_be_written_again_and_again():
    flash = Flash()
    disk = FlashDisk(flash, log=lambda text: None)
    for round_ in range(5):
        for sector in range(disk.sectors):
            disk.write(sector, bytes([round_ + sector % 7]) * SIZE)
    again = FlashDisk(flash, log=lambda text: None)
    assert again.read(0, again.sectors) == b"".join(bytes([4 + sector % 7]) * SIZE for sector in range(disk.sectors))


@pytest.mark.parametrize("kill_at", range(1, 130))
def test_no_moment_is_wrong_to_die(kill_at):
    """Two lives: the first dies at one moment after another of the same work, also while it cleans."""
    flash = Flash()
    work = [(number * 7 % ((BLOCKS - SPARE) * UNITS), bytes([number]) * SIZE) for number in range(40)]
    flash.left = kill_at
    disk, expected, done = FlashDisk(flash, log=lambda text: None), {}, 0
    with contextlib.suppress(KilledError):
        for sector, data in work:
            disk.write(sector, data)
            expected[sector] = data
            done += 1
    flash.left = 0
    disk = FlashDisk(flash, log=lambda text: None)
    doubtful = work[done][0] if done < len(work) else None
    assert all(disk.read(sector, 1) == data for sector, data in expected.items() if sector != doubtful)
    for sector, data in work[done:] + work[:5]:
        disk.write(sector, data)
        expected[sector] = data
    again = FlashDisk(flash, log=lambda text: None)
    assert all(again.read(sector, 1) == data for sector, data in expected.items())
