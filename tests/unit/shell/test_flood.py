"""Who is taken for a flooder, and who is not."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from hypervisor.shell.flood import LIMIT, PERIOD_S, FloodGuard, own_memory

CELLS = {"quiet": 1, "loud": 2, "runs": 3}


class Lab:
    """A monitor of a certain size, among cells of which some are busy."""

    def __init__(self) -> None:
        self.size, self.now, self.looks = 100 << 20, 0.0, 0
        self.spent: dict[str, float] = dict.fromkeys(CELLS, 0.0)
        self.guard = FloodGuard(lambda: CELLS, memory=lambda: self.size, clock=lambda: self.now, busy=self._busy)

    def _busy(self, processes: Mapping[str, int]) -> Mapping[str, float]:
        assert processes == CELLS
        self.looks += 1
        return self.spent

    def grow(self, size: int, runs: str = "") -> str | None:
        self.size += size
        self.now += PERIOD_S
        return self.guard.culprit(runs)


@pytest.fixture
def lab() -> Lab:
    return Lab()


def test_nobody_is_looked_at_as_long_as_the_monitor_does_not_grow(lab: Lab) -> None:
    lab.spent["loud"] = 1.0
    assert [lab.grow(size) for size in (LIMIT - 1, 0, -LIMIT, LIMIT - 1)] == [None] * 4
    assert lab.looks == 0


def test_the_busiest_cell_is_the_one(lab: Lab) -> None:
    lab.spent |= {"quiet": 0.02, "loud": 0.05}
    assert lab.grow(LIMIT) == "loud"


def test_whose_turn_it_is_may_be_busy_if_somebody_else_is_too(lab: Lab) -> None:
    lab.spent |= {"loud": 0.02, "runs": 0.05}
    assert lab.grow(LIMIT, "runs") == "loud"
    lab.spent["loud"] = 0.0
    assert lab.grow(LIMIT, "runs") == "runs"


def test_memory_of_our_own_is_nobodys_fault_and_not_asked_about_again(lab: Lab) -> None:
    assert lab.grow(4 * LIMIT) is None
    lab.spent["loud"] = 1.0
    assert lab.grow(LIMIT - 1) is None
    assert lab.looks == 1


def test_it_does_not_look_all_the_time(lab: Lab) -> None:
    lab.spent["loud"] = 1.0
    lab.size += LIMIT
    assert lab.guard.culprit() is None
    lab.now += PERIOD_S
    assert lab.guard.culprit() == "loud"


def test_what_this_process_takes_is_measured() -> None:
    before = own_memory()
    some = bytearray(32 << 20)
    assert own_memory() - before >= 24 << 20
    del some
