"""What a partition table promises, over time: windows exact to the cycle, and no cell that feels another."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypervisor.core.policies import Partition, VcpuParams
from tests.support.one_core import Happening, Stretch, run_one_core, used

END = 200
CELLS = ("a", "b", "c")
MODEL = settings(max_examples=100, deadline=None, derandomize=True)

tables = st.lists(st.tuples(st.sampled_from(CELLS), st.integers(1, 20)), max_size=5).map(
    lambda windows: [*windows, ("a", 6), ("b", 5), ("c", 4)]
)
slices = st.integers(1, 30)
happenings = st.builds(
    Happening, st.integers(0, END), st.sampled_from(["wake", "wake", "block", "yield"]), st.integers(0, 5)
)
scripts = st.lists(happenings, max_size=25)


def owners(table: Sequence[tuple[str, int]]) -> list[str]:
    """Cycle by cycle: whose it is."""
    frame = [cell for cell, length in table for _ in range(length)]
    return [frame[time % len(frame)] for time in range(END)]


def play(
    table: Sequence[tuple[str, int]], slice_cycles: int, script: Sequence[Happening], overshoots: Sequence[int] = (0,)
) -> tuple[Partition, list[Stretch]]:
    """Two vCPUs in each cell: 0 and 3 in a, 1 and 4 in b, 2 and 5 in c."""
    policy = Partition(slice_cycles, table)
    for vcpu in range(6):
        policy.add(VcpuParams(vcpu, CELLS[vcpu % 3]))
    return policy, run_one_core(policy, script, END, overshoots)


@pytest.mark.slow
@MODEL
@given(tables, slices, scripts)
def test_nobody_runs_outside_of_the_windows_of_its_cell(
    table: list[tuple[str, int]], slice_cycles: int, script: list[Happening]
) -> None:
    policy, stretches = play(table, slice_cycles, script)
    whose = owners(table)
    for stretch in stretches:
        assert set(whose[stretch.start : stretch.end]) == {CELLS[stretch.vcpu % 3]}
    assert all(late.count == 0 for late in policy.overruns.values())


@pytest.mark.slow
@MODEL
@given(tables, slices, scripts, st.lists(st.integers(0, 9), min_size=1, max_size=4))
def test_late_stops_are_counted_and_every_stretch_begins_in_its_own_window(
    table: list[tuple[str, int]], slice_cycles: int, script: list[Happening], overshoots: list[int]
) -> None:
    policy, stretches = play(table, slice_cycles, script, overshoots)
    whose = owners(table)
    for cell in CELLS:
        late = [
            sum(owner != cell for owner in whose[stretch.start : stretch.end])
            for stretch in stretches
            if CELLS[stretch.vcpu % 3] == cell
        ]
        record = policy.overruns[cell]
        assert (record.count, record.cycles) == (sum(cycles > 0 for cycles in late), sum(late))
        assert record.worst == max(late, default=0) <= max(overshoots)
    assert all(whose[stretch.start] == CELLS[stretch.vcpu % 3] for stretch in stretches)


@pytest.mark.slow
@MODEL
@given(tables, slices, scripts)
def test_a_cell_that_always_wants_to_run_has_every_cycle_of_its_windows(
    table: list[tuple[str, int]], slice_cycles: int, script: list[Happening]
) -> None:
    script = [happening for happening in script if happening.vcpu % 3]
    _, stretches = play(table, slice_cycles, [*script, Happening(0, "wake", 0), Happening(0, "wake", 3)])
    assert used(stretches, 0, 0, END) + used(stretches, 3, 0, END) == owners(table).count("a")


@pytest.mark.slow
@MODEL
@given(tables, slices, scripts, scripts)
def test_a_cell_cannot_feel_what_the_others_do(
    table: list[tuple[str, int]], slice_cycles: int, mine: list[Happening], theirs: list[Happening]
) -> None:
    mine = [happening for happening in mine if happening.vcpu % 3 == 0]
    theirs = [happening for happening in theirs if happening.vcpu % 3]
    runs = []
    for script in (mine, mine + theirs):
        _, stretches = play(table, slice_cycles, script)
        runs.append([stretch for stretch in stretches if stretch.vcpu % 3 == 0])
    assert runs[0] == runs[1]
