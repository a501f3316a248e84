"""One end of a cable that leads to another board, which has a monitor and a clock of its own.

Theory (conservative synchronization, after Chandy, Misra and Bryant): what leaves here at time t arrives there at t + latency,
so that nothing can arrive before the earliest thing that the other board may yet do, plus the latency. Both sides therefore
run on up to a *meeting*, tell each other what has left since the last one and when they would next do anything by themselves
(a `Bulletin`), and agree on the next meeting:

    the earliest of both boards' next deeds and of what is under way, plus the latency

Whoever is idle is skipped over, by both. All of it follows from virtual times, so the host's speed and distance change
nothing. Times between boards are nanoseconds, for their clocks differ; a frame is never early by rounding.

    here, there = Crossing(hz=600_000_000, latency=50_000), Crossing(hz=200_000_000, latency=50_000)
    here.left(cycle, frame)
    mine, theirs = here.bulletin(idle_until), there.bulletin(...)     # at cycle here.meeting, and at there.meeting
    arrivals = there.met(theirs, mine)                                # [(cycle, frame), ...] in the clock of `there`
"""

from __future__ import annotations

from typing import NamedTuple

from hypervisor.abi.time import NEVER

NS = 1_000_000_000


class Bulletin(NamedTuple):
    """What one side tells at a meeting. `frames`: (nanosecond at which the last bit left, frame). `idle_until`: nanosecond
    before which it will do nothing by itself. `over`: it will not come to another meeting.
    """

    frames: tuple[tuple[int, bytes], ...]
    idle_until: int
    over: bool = False


class Crossing:
    """One end. `hz`: this board's clock; `latency` in nanoseconds, the same at both ends."""

    def __init__(self, hz: int, latency: int) -> None:
        if latency < 1:
            raise ValueError("nothing travels in no time")
        self.latency = latency
        self._hz = hz
        self._frames: list[tuple[int, bytes]] = []
        self._newest = 0
        self._meeting = latency  # both are busy from the beginning

    @property
    def meeting(self) -> int:
        """The cycle of the next meeting; NEVER when there is none."""
        return NEVER if self._meeting >= NEVER else self._cycle(self._meeting)

    def left(self, cycle: int, frame: bytes) -> None:
        """A frame's last bit left this board."""
        self._frames.append((-(-cycle * NS // self._hz), frame))

    def bulletin(self, idle_until: int, *, over: bool = False) -> Bulletin:
        """What to tell. `idle_until`: the cycle before which nothing happens here by itself, as far as is known now."""
        frames, self._frames = tuple(self._frames), []
        return Bulletin(frames, NEVER if idle_until >= NEVER else idle_until * NS // self._hz, over)

    def met(self, mine: Bulletin, theirs: Bulletin) -> list[tuple[int, bytes]]:
        """Both have told: the frames that arrive here, each with its cycle, and `meeting` is the next one.

        No honest board tells of a frame that leaves long after the meeting, that comes from the past, or that overtakes another.
        From one that does, frames do not lie here for ever, and come in the order in which they were told.
        """
        self._newest = max(self._newest, self._meeting)
        arriving = [(self._arrival(time), frame) for time, frame in theirs.frames]
        under_way = [time + self.latency for time, _ in mine.frames] + [time for time, _ in arriving]
        earliest = max(min(mine.idle_until, theirs.idle_until, *under_way), self._meeting)
        self._meeting = NEVER if theirs.over or mine.over or earliest >= NEVER else earliest + self.latency
        return [(self._cycle(time), frame) for time, frame in arriving]

    def _arrival(self, time: int) -> int:
        self._newest = max(self._newest, min(time, self._meeting + NS) + self.latency)
        return self._newest

    def close(self) -> None:
        """There is nobody to meet any more."""
        self._meeting = NEVER

    def _cycle(self, time: int) -> int:
        return -(-time * self._hz // NS)
