"""GICv2: the life of an interrupt, by priority, level, edge and software."""

from __future__ import annotations

import pytest

from devices import Gic
from devices.bench import Bench
from devices.gic import EOI_MODE, IDLE_PRIORITY, SPURIOUS

CPU = 0x1_0000
CTLR, PMR, BPR, IAR, EOIR, RPR, HPPIR, DIR = (
    CPU + offset for offset in (0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18, 0x1000)
)
GICD_CTLR, TYPER, ISENABLER, ICENABLER, ISPENDR, ICPENDR, ISACTIVER, ICACTIVER = (
    0x000,
    0x004,
    0x100,
    0x180,
    0x200,
    0x280,
    0x300,
    0x380,
)
IPRIORITYR, ITARGETSR, ICFGR, SGIR = 0x400, 0x800, 0xC00, 0xF00


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def gic(bench: Bench) -> Gic:
    """Switched on, everything enabled, priority mask open, all priorities 0xA0."""
    gic = Gic(bench.wiring())
    write(gic, GICD_CTLR, 1)
    write(gic, CTLR, 1)
    write(gic, PMR, 0xF0)
    for number in range(64):
        gic.registers.write(IPRIORITYR + number, 1, 0xA0)
    for word in range(2):
        write(gic, ISENABLER + 4 * word, 0xFFFF_FFFF)
    return gic


def write(gic: Gic, offset: int, value: int) -> None:
    gic.registers.write(offset, 4, value)


def read(gic: Gic, offset: int) -> int:
    return gic.registers.read(offset, 4)


def prioritize(gic: Gic, number: int, priority: int) -> None:
    gic.registers.write(IPRIORITYR + number, 1, priority)


def test_a_level_interrupt_is_acknowledged_and_ended(bench: Bench, gic: Gic) -> None:
    line = gic.line(33)
    line(True)
    assert bench.level()
    assert read(gic, IAR) == 33
    assert not bench.level()
    assert read(gic, ISACTIVER + 4) == 0b10
    line(False)
    write(gic, EOIR, 33)
    assert read(gic, ISACTIVER + 4) == 0
    assert not bench.level()


def test_a_level_that_stays_up_interrupts_again_after_its_end(bench: Bench, gic: Gic) -> None:
    gic.line(33)(True)
    read(gic, IAR)
    write(gic, EOIR, 33)
    assert bench.level()
    assert read(gic, IAR) == 33


def test_a_level_that_goes_away_before_it_is_acknowledged_was_never_there(bench: Bench, gic: Gic) -> None:
    line = gic.line(33)
    line(True)
    line(False)
    assert not bench.level()
    assert read(gic, IAR) == SPURIOUS


def test_an_edge_is_remembered_and_acknowledging_it_forgets_it(bench: Bench, gic: Gic) -> None:
    write(gic, ICFGR + 8, 0b10 << 2)  # ID 33 by edge
    line = gic.line(33)
    line(True)
    line(False)
    assert bench.level()
    assert read(gic, IAR) == 33
    write(gic, EOIR, 33)
    assert read(gic, IAR) == SPURIOUS


def test_an_edge_during_service_comes_back_after_it(bench: Bench, gic: Gic) -> None:
    write(gic, ICFGR + 8, 0b10 << 2)
    line = gic.line(33)
    line(True)
    read(gic, IAR)
    line(False)
    line(True)
    assert not bench.level()
    write(gic, EOIR, 33)
    assert bench.level()


def test_nothing_pending_is_spurious(gic: Gic) -> None:
    assert read(gic, IAR) == SPURIOUS
    assert read(gic, HPPIR) == SPURIOUS
    assert read(gic, RPR) == IDLE_PRIORITY


def test_the_most_urgent_comes_first_and_ties_go_to_the_lowest_number(gic: Gic) -> None:
    prioritize(gic, 40, 0x20)
    for number in (35, 34, 40):
        gic.line(number)(True)
    assert read(gic, HPPIR) == 40
    order = []
    for _ in range(3):
        number = read(gic, IAR)
        order.append(number)
        gic.line(number)(False)
        write(gic, EOIR, number)
    assert order == [40, 34, 35]


def test_a_more_urgent_interrupt_preempts_and_an_equal_one_waits(bench: Bench, gic: Gic) -> None:
    gic.line(34)(True)
    assert read(gic, IAR) == 34
    gic.line(35)(True)
    assert not bench.level()
    prioritize(gic, 36, 0x40)
    gic.line(36)(True)
    assert bench.level()
    assert read(gic, IAR) == 36
    assert read(gic, RPR) == 0x40
    gic.line(36)(False)
    write(gic, EOIR, 36)
    assert read(gic, RPR) == 0xA0
    gic.line(34)(False)
    write(gic, EOIR, 34)
    assert read(gic, IAR) == 35


def test_the_binary_point_groups_priorities_that_do_not_preempt_each_other(bench: Bench, gic: Gic) -> None:
    write(gic, BPR, 5)  # only the two highest bits count
    gic.line(34)(True)
    read(gic, IAR)
    prioritize(gic, 36, 0x80)
    gic.line(36)(True)
    assert not bench.level()
    prioritize(gic, 36, 0x40)
    assert bench.level()


def test_the_priority_mask_holds_back_what_is_not_above_it(bench: Bench, gic: Gic) -> None:
    write(gic, PMR, 0xA0)
    gic.line(34)(True)
    assert not bench.level()
    write(gic, PMR, 0xA8)
    assert bench.level()


@pytest.mark.parametrize("offset", [GICD_CTLR, CTLR])
def test_switching_off_either_half_silences_it(bench: Bench, gic: Gic, offset: int) -> None:
    gic.line(34)(True)
    write(gic, offset, 0)
    assert not bench.level()
    assert read(gic, IAR) == SPURIOUS


def test_disabling_one_interrupt_silences_it(bench: Bench, gic: Gic) -> None:
    gic.line(34)(True)
    write(gic, ICENABLER + 4, 0b100)
    assert not bench.level()
    assert read(gic, ISENABLER + 4) == 0xFFFF_FFFB


def test_a_software_interrupt_to_itself_carries_its_number(bench: Bench, gic: Gic) -> None:
    write(gic, SGIR, 2 << 24 | 5)
    assert bench.level()
    assert read(gic, IAR) == 5
    write(gic, EOIR, 5)
    assert not bench.level()


@pytest.mark.parametrize(
    ("value", "raised"), [(0 << 24 | 0x01 << 16 | 3, True), (0 << 24 | 0x02 << 16 | 3, False), (1 << 24 | 3, False)]
)
def test_a_software_interrupt_reaches_this_cpu_only_if_named(bench: Bench, gic: Gic, value: int, raised: bool) -> None:
    write(gic, SGIR, value)
    assert bench.level() is raised


def test_software_interrupts_cannot_be_disabled(gic: Gic) -> None:
    write(gic, ICENABLER, 0xFFFF_FFFF)
    assert read(gic, ISENABLER) == 0x0000_FFFF


def test_software_can_make_an_interrupt_pending_and_take_that_back(bench: Bench, gic: Gic) -> None:
    write(gic, ISPENDR + 4, 1 << 8)
    assert bench.level()
    assert read(gic, ISPENDR + 4) == 1 << 8
    write(gic, ICPENDR + 4, 1 << 8)
    assert not bench.level()


def test_taking_back_does_not_hide_a_level_that_is_up(bench: Bench, gic: Gic) -> None:
    gic.line(40)(True)
    write(gic, ICPENDR + 4, 1 << 8)
    assert bench.level()


def test_with_split_end_the_priority_drops_first_and_dir_deactivates(bench: Bench, gic: Gic) -> None:
    write(gic, CTLR, 1 | EOI_MODE)
    gic.line(34)(True)
    read(gic, IAR)
    write(gic, EOIR, 34)
    assert read(gic, RPR) == IDLE_PRIORITY
    assert read(gic, ISACTIVER + 4) == 0b100
    assert not bench.level()
    write(gic, DIR, 34)
    assert bench.level()


def test_ending_what_is_not_running_changes_nothing_else(gic: Gic) -> None:
    gic.line(34)(True)
    read(gic, IAR)
    write(gic, EOIR, 50)
    write(gic, EOIR, SPURIOUS)
    assert read(gic, RPR) == 0xA0


def test_priorities_are_bytes_with_five_bits(gic: Gic) -> None:
    prioritize(gic, 34, 0xFF)
    assert gic.registers.read(IPRIORITYR + 34, 1) == 0xF8
    assert read(gic, IPRIORITYR + 32) == 0xA0F8_A0A0


def test_every_interrupt_targets_the_one_cpu(gic: Gic) -> None:
    write(gic, ITARGETSR + 36, 0)
    assert read(gic, ITARGETSR + 36) == 0x0101_0101


def test_software_interrupts_are_edges_for_good(gic: Gic) -> None:
    write(gic, ICFGR, 0)
    assert read(gic, ICFGR) == 0xAAAA_AAAA


def test_a_kernel_can_clear_active_state_left_behind(bench: Bench, gic: Gic) -> None:
    gic.line(34)(True)
    read(gic, IAR)
    write(gic, ICACTIVER + 4, 0xFFFF_FFFF)
    write(gic, CPU + 0xD0, 0)
    assert bench.level()


def test_the_distributor_says_what_it_is(gic: Gic) -> None:
    assert read(gic, TYPER) == 1  # 64 interrupt IDs, one CPU
    assert read(gic, 0xFE8) >> 4 == 2  # GICv2


def test_the_cpu_interface_can_stand_elsewhere(bench: Bench) -> None:
    gic = Gic(bench.wiring(), cpu_interface=0x1000)
    gic.registers.write(0x1004, 4, 0xF0)
    assert gic.state.priority_mask == 0xF0


@pytest.mark.parametrize("number", [15, 64, -1])
def test_inputs_that_do_not_exist_are_refused(gic: Gic, number: int) -> None:
    with pytest.raises(ValueError, match=f"not {number}$"):
        gic.line(number)
