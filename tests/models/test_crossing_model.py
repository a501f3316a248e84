"""Two boards joined by a crossing do what one board with both halves would do: whatever the clocks, the latency, and the
order in which the host lets them run.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypervisor.abi.time import NEVER
from hypervisor.core.network import NS, Crossing

SETTINGS = settings(max_examples=200, deadline=None, derandomize=True, database=None)
END = 3_000_000


@dataclass
class Toy:
    """A board whose only deeds are to send: what it was born with, and an answer `delay` after each arrival, `ttl` times."""

    hz: int
    delay: int
    deeds: list[tuple[int, int, int]]
    """(cycle, name, times that it may still be answered)."""
    log: list[tuple[int, str, int]] = field(default_factory=list)
    now: int = 0

    def next_deed(self) -> int:
        return self.deeds[0][0] if self.deeds else NEVER

    def arrive(self, cycle: int, name: int, ttl: int) -> None:
        assert cycle >= self.now, "a frame from the past"
        heapq.heappush(self.deeds, (cycle + self.delay, name + 1000, ttl))

    def run(self, until: int) -> list[tuple[int, bytes]]:
        """Everything up to a cycle, which it may overshoot a little, as an engine does; what it sent."""
        sent = []
        while self.deeds and self.deeds[0][0] <= until:
            cycle, name, ttl = heapq.heappop(self.deeds)
            self.now = max(self.now, cycle)
            self.log.append((cycle, "send", name))
            sent.append((cycle, bytes((ttl,)) + name.to_bytes(4, "big")))
        self.now = max(self.now, until)
        return sent


def boards(hzs: tuple[int, int], born: list[list[tuple[int, int]]]) -> list[Toy]:
    toys = []
    for side, (hz, deeds) in enumerate(zip(hzs, born, strict=True)):
        heap = [(cycle, 100 * side + number, ttl) for number, (cycle, ttl) in enumerate(deeds)]
        heapq.heapify(heap)
        toys.append(Toy(hz, 700, heap))
    return toys


def apart(toys: list[Toy], latency: int, order: list[bool]) -> int:
    """Each board for itself, meeting when both have come there; the order in which they run is the host's."""
    ends = [Crossing(toy.hz, latency) for toy in toys]
    meetings = 0
    while (times := [end.meeting for end in ends]) != [NEVER, NEVER]:
        assert NEVER not in times, "one waits for a meeting that the other does not know of"
        if times[0] * NS // toys[0].hz > END:
            break
        turn = order[meetings % len(order)]
        for side in (0, 1) if turn else (1, 0):
            for cycle, frame in toys[side].run(times[side]):
                ends[side].left(cycle, frame)
        told = [end.bulletin(toy.next_deed()) for end, toy in zip(ends, toys, strict=True)]
        for side in (0, 1):
            for cycle, frame in ends[side].met(told[side], told[1 - side]):
                if frame[0]:
                    toys[side].arrive(cycle, int.from_bytes(frame[1:], "big"), frame[0] - 1)
        meetings += 1
    return meetings


def together(toys: list[Toy], latency: int) -> None:
    """The same as one simulation of both, event by event."""
    while True:
        due = [toy.next_deed() * NS / toy.hz if toy.deeds else float("inf") for toy in toys]
        side = 0 if due[0] <= due[1] else 1
        if min(due) > END:
            return
        ((cycle, frame),) = toys[side].run(toys[side].deeds[0][0])[:1] or [(0, b"")]
        left = -(-cycle * NS // toys[side].hz)
        other = toys[1 - side]
        if frame[0]:
            other.now = 0
            other.arrive(-(-(left + latency) * other.hz // NS), int.from_bytes(frame[1:], "big"), frame[0] - 1)


def single_deeds() -> st.SearchStrategy[list[tuple[int, int]]]:
    """No two at one cycle, so that the event-by-event simulation runs one at a time."""
    return st.lists(st.tuples(st.integers(0, 500_000), st.integers(0, 5)), max_size=4, unique_by=lambda deed: deed[0])


HZS = st.tuples(st.sampled_from([200_000_000, 266_000_000, 398_131_200, NS]), st.sampled_from([600_000_000, 7_000_000]))


@pytest.mark.slow
def test_two_boards_apart_do_what_they_do_together() -> None:
    @SETTINGS
    @given(
        hzs=HZS,
        born=st.tuples(single_deeds(), single_deeds()),
        latency=st.sampled_from([1_000, 50_000, 777_777]),
        order=st.lists(st.booleans(), min_size=1, max_size=5),
    )
    def check(
        hzs: tuple[int, int],
        born: tuple[list[tuple[int, int]], list[tuple[int, int]]],
        latency: int,
        order: list[bool],
    ) -> None:
        separate, joint = boards(hzs, list(born)), boards(hzs, list(born))
        apart(separate, latency, order)
        together(joint, latency)
        for one, other in zip(separate, joint, strict=True):
            early = [entry for entry in one.log if entry[0] * NS // one.hz <= END - latency]
            assert early == [entry for entry in other.log if entry[0] * NS // other.hz <= END - latency]

    check()


def test_what_is_idle_is_skipped_over() -> None:
    toys = boards((NS, NS), [[(1_000_000, 0)], []])
    assert apart(toys, 1_000, [True]) < 6, "not one meeting for each microsecond"
    assert toys[0].log == [(1_000_000, "send", 0)]


def test_nobody_meets_when_nobody_has_anything_to_do() -> None:
    ends = Crossing(NS, 1_000), Crossing(NS, 1_000)
    told = [end.bulletin(NEVER) for end in ends]
    assert ends[0].met(told[0], told[1]) == []
    assert ends[1].met(told[1], told[0]) == []
    assert {end.meeting for end in ends} == {NEVER}


def test_the_last_words_of_a_board_that_ends_still_arrive() -> None:
    here, there = Crossing(NS, 1_000), Crossing(NS, 1_000)
    here.left(800, b"bye")
    last = here.bulletin(0, over=True)
    assert there.met(there.bulletin(900), last) == [(1_800, b"bye")]
    assert there.meeting == NEVER


def test_a_cable_without_length_is_refused() -> None:
    with pytest.raises(ValueError, match="no time"):
        Crossing(NS, 0)
