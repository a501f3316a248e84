"""Whatever a cell posts, and whenever it arrives: the monitor sees the same, and comes to the same verdict."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypervisor.abi.post import announce, letter
from hypervisor.abi.records import BadRecord
from tests.support.post import FakeHub, call, posted_link

LETTERS = st.one_of(
    st.tuples(st.just("good"), st.integers(-1, 3)),  # marked for an exit before this one, this one, or a later one
    st.tuples(st.just("bad"), st.just(0)),
)
BURST = st.one_of(st.lists(LETTERS, max_size=4), st.builds(lambda n: [("good", 9)] * n, st.integers(10, 40)))
LIVES = st.lists(st.tuples(BURST, st.booleans(), BURST), min_size=1, max_size=6)
"""For each exit: what is posted before the announced letter, whether that is posted, and what comes after it."""


Burst = list[tuple[str, int]]


def letters(seq: int, burst: Burst) -> list[bytes]:
    return [letter(seq + at, b"%d" % seq * 100) if kind == "good" else b"\xc1" for kind, at in burst]


def live(life: list[tuple[Burst, bool, Burst]], arrivals: list[int]) -> list[object]:
    """What the monitor sees of each exit, up to the verdict; `arrivals`: how many letters arrive before it looks."""
    with pytest.MonkeyPatch.context() as patch:
        hub = FakeHub()
        exits = [call(seq, data=announce(b"%d" % seq * 100)) for seq in range(1, len(life) + 1)]
        link, _ = posted_link(patch, hub, exits)
        seen: list[object] = []
        for seq, ((before, honest, after), early) in enumerate(zip(life, arrivals, strict=True), start=1):
            hub.sent.extend([*letters(seq, before), *letters(seq, [("good", 0)] * honest), *letters(seq, after)])
            hub.arrive(early)
            try:
                record = link.wait(0)
            except BadRecord as verdict:
                return [*seen, str(verdict)]
            seen.append(record)
        return seen


@given(st.data())
def test_the_verdict_does_not_depend_on_when_letters_arrive(data: st.DataObject):
    life = data.draw(LIVES)
    arrivals = data.draw(st.lists(st.integers(0, 80), min_size=len(life), max_size=len(life)))
    assert live(life, arrivals) == live(life, [0] * len(life)) == live(life, [1000] * len(life))
