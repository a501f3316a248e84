"""Frames: first fit, one owner each, an account that stays."""

from __future__ import annotations

import pytest

from hypervisor.abi.status import Status
from hypervisor.core.errors import InvariantBroken
from hypervisor.core.frames import FRAME, Account, FrameTable, OutOfFrames, Segment
from tests.support.invariants import Watch

BASE = 0x8000_0000


def test_a_segment_is_whole_frames_in_one_piece_at_its_physical_address(watch: Watch) -> None:
    table = watch(FrameTable(16 * FRAME, BASE))
    segment = table.allocate("ui", FRAME + 1, "ram")
    assert segment == Segment(id=1, first=BASE // FRAME, count=2, owner="ui", purpose="ram")
    assert (segment.address, segment.size, segment.end) == (BASE, 2 * FRAME, BASE // FRAME + 2)


def test_allocation_takes_the_first_gap_that_is_large_enough(watch: Watch) -> None:
    table = watch(FrameTable(16 * FRAME))
    for owner, frames in (("a", 2), ("b", 3), ("c", 1), ("d", 4)):
        table.allocate(owner, frames * FRAME, "ram")
    table.release("a")
    table.release("c")
    assert table.allocate("e", 1 * FRAME, "small").first == 0
    assert table.allocate("f", 2 * FRAME, "too large for the gaps").first == 10
    assert table.allocate("g", 1 * FRAME, "small").first == 1
    assert table.allocate("h", 1 * FRAME, "where c was").first == 5


def test_every_frame_has_its_owner_and_the_others_none(watch: Watch) -> None:
    table = watch(FrameTable(4 * FRAME, BASE))
    table.allocate("a", FRAME, "ram")
    table.allocate("b", FRAME, "ram")
    first = BASE // FRAME
    assert [table.owner_of(first + n) for n in range(-1, 5)] == [None, "a", "b", None, None, None]


def test_memory_that_is_used_up_is_refused_with_what_there_is_and_nothing_changes(watch: Watch) -> None:
    table = watch(FrameTable(4 * FRAME))
    table.allocate("a", FRAME, "ram")
    table.allocate("b", FRAME, "ram")
    table.release("a")
    with pytest.raises(OutOfFrames, match=r'^NO_ROOM: 3 frames for "c": the largest gap has 2$') as refusal:
        table.allocate("c", 3 * FRAME, "ram")
    assert (refusal.value.status, refusal.value.wanted, refusal.value.largest) == (Status.NO_ROOM, 3, 2)
    assert table.accounts() == {"a": Account(0, FRAME), "b": Account(FRAME, FRAME)}
    assert table.allocate("c", 2 * FRAME, "ram").id == 3


def test_the_last_frame_can_be_had(watch: Watch) -> None:
    table = watch(FrameTable(2 * FRAME))
    table.allocate("a", 2 * FRAME, "ram")
    assert table.free == 0
    with pytest.raises(OutOfFrames):
        table.allocate("a", 1, "ram")


def test_release_gives_back_all_that_an_owner_had_and_keeps_its_account(watch: Watch) -> None:
    table = watch(FrameTable(8 * FRAME))
    ram = table.allocate("a", 2 * FRAME, "ram")
    table.allocate("b", FRAME, "ram")
    ring = table.allocate("a", FRAME, "ring")
    assert table.segments("a") == (ram, ring)
    assert table.release("a") == (ram, ring)
    assert table.account("a") == Account(now=0, peak=3 * FRAME)
    assert (table.free, table.total) == (7 * FRAME, 8 * FRAME)
    assert table.release("a") == ()


def test_the_peak_is_the_most_an_owner_ever_had(watch: Watch) -> None:
    table = watch(FrameTable(8 * FRAME))
    table.allocate("a", 5 * FRAME, "ram")
    table.release("a")
    table.allocate("a", FRAME, "ram")
    assert table.account("a") == Account(now=FRAME, peak=5 * FRAME)
    assert table.account("nobody") == Account(0, 0)


def test_ids_are_never_used_again(watch: Watch) -> None:
    table = watch(FrameTable(2 * FRAME))
    first = table.allocate("a", FRAME, "ram")
    table.release("a")
    assert table.allocate("a", FRAME, "ram").id == first.id + 1


@pytest.mark.parametrize(("size", "base"), [(0, 0), (FRAME + 1, 0), (FRAME, 1), (-FRAME, 0), (FRAME, -FRAME)])
def test_memory_consists_of_whole_frames(size: int, base: int) -> None:
    with pytest.raises(ValueError, match="does not consist of whole frames"):
        FrameTable(size, base)


@pytest.mark.parametrize("size", [0, -1])
def test_nobody_can_ask_for_nothing(size: int) -> None:
    with pytest.raises(ValueError, match=f'^"a" asks for {size} bytes$'):
        FrameTable(FRAME).allocate("a", size, "ram")


def test_a_large_board_costs_no_more_than_its_segments(watch: Watch) -> None:
    table = watch(FrameTable(3 << 30, 0x4000_0000))
    segments = [table.allocate(f"cell{n}", 256 << 20, "ram") for n in range(12)]
    assert len(table.segments()) == 12
    assert table.free == 0
    assert table.owner_of(segments[11].end - 1) == "cell11"


def test_two_owners_of_one_frame_are_found() -> None:
    table = FrameTable(8 * FRAME)
    table.allocate("a", 2 * FRAME, "ram")
    table._segments.append(Segment(9, 1, 1, "b", "stolen"))
    with pytest.raises(InvariantBroken) as broken:
        table.check_invariants()
    assert len(broken.value.story) == 2
    assert "does not lie between 2 and 8" in broken.value.story[0]
    assert broken.value.story[1] == 'frames: "b" has 4096 bytes, its account says Account(now=0, peak=0)'
