"""The frame table against a list with one entry per frame."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from hypervisor.core.frames import FRAME, Account, FrameTable, OutOfFrames

COUNT = 24
FIRST = 1000
OWNERS = st.sampled_from("abcd")


class FramesMachine(RuleBasedStateMachine):
    """Four owners in a small memory."""

    def __init__(self) -> None:
        super().__init__()
        self.table = FrameTable(COUNT * FRAME, FIRST * FRAME)
        self.frames: list[str | None] = [None] * COUNT
        self.peaks: Counter[str] = Counter()
        self.ids: set[int] = set()

    @rule(owner=OWNERS, size=st.integers(1, 9 * FRAME))
    def allocate(self, owner: str, size: int) -> None:
        count = (size + FRAME - 1) // FRAME
        gaps = [n for n in range(COUNT - count + 1) if self.frames[n : n + count] == [None] * count]
        if not gaps:
            with pytest.raises(OutOfFrames):
                self.table.allocate(owner, size, "ram")
            return
        segment = self.table.allocate(owner, size, "ram")
        assert (segment.first, segment.count, segment.owner) == (FIRST + gaps[0], count, owner)
        assert segment.id not in self.ids
        self.ids.add(segment.id)
        self.frames[gaps[0] : gaps[0] + count] = [owner] * count
        self.peaks[owner] = max(self.peaks[owner], self.frames.count(owner))

    @rule(owner=OWNERS)
    def release(self, owner: str) -> None:
        released = self.table.release(owner)
        had = [FIRST + n for n, other in enumerate(self.frames) if other == owner]
        assert [n for segment in released for n in range(segment.first, segment.end)] == had
        self.frames = [None if other == owner else other for other in self.frames]

    @invariant()
    def agrees(self) -> None:
        self.table.check_invariants()
        around = range(FIRST - 2, FIRST + COUNT + 2)
        assert [self.table.owner_of(n) for n in around] == [None, None, *self.frames, None, None]
        assert self.table.free == self.frames.count(None) * FRAME
        for owner in "abcd":
            assert self.table.account(owner) == Account(self.frames.count(owner) * FRAME, self.peaks[owner] * FRAME)


@pytest.mark.slow
def test_the_frame_table_agrees_with_its_reference() -> None:
    model = settings(max_examples=60, stateful_step_count=40, deadline=None, derandomize=True)
    run_state_machine_as_test(FramesMachine, settings=model)
